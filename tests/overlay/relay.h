// A hostile neighbour with a far node behind it, both made by hand: the one carries labelled packets and may forge them, the
// other has a session and may seal anything in it.
#pragma once

#include <vector>

#include "overlay/frames.h"
#include "overlay/label_path.h"
#include "tests/overlay/line.h"
#include "tests/overlay/script.h"

namespace weft::overlay {

struct Relay {
    explicit Relay(LinksConfig config = {})
        : node{add(config)}, m{50, switch_config()}, x{51, switch_config()},
          link{seed_of(50), config.network, node.address()}, far{seed_of(51), config.network, node.address()} {
        far.local_index = 0x7777'7777;
        world.outsiders[at];
        if (!config.accept_members) node.links.add_peer(m.address(), {}, world.now);
        raw(link.init());
        turn(20);
        raw(link.fin());
        turn(20);
        m.labels->link_up(1, x.address(), 1'200, ms(10), world.now);
        m.labels->link_up(2, node.address(), 1'200, ms(10), world.now);
        x.labels->link_up(1, m.address(), 1'200, ms(10), world.now);
        x.router.next_hops[0] = {m.tag()};
        m.router.next_hops[tag_of(node.address())] = {tag_of(node.address())};
        turn(20);
    }

    // SETUP with INIT, RESP from its answer, FIN along the path.
    bool open_session(Bytes frames = {}, Script* who_finishes = nullptr) {
        const Init init = far.init();
        if (!open_path(Bytes{init}.first(init_head))) return false;
        Script& last = who_finishes ? *who_finishes : far;
        if (!far.take_resp(opened->payload)) return false;
        if (who_finishes) last.state = far.state, last.remote_index = far.remote_index, last.id.aead = far.id.aead;
        unsealed(last.fin(frames));
        turn(30);
        return true;
    }
    bool open_path(Bytes head) {
        if (!x.labels->open(node.address(), head, world.now)) return false;
        x.events.clear();
        turn(60);
        const PathEvent* event = x.last(PathEvent::Kind::opened);
        if (!event) return false;
        opened = *event;
        const Onward onward = m.labels->onward(1, event->label, 255, 100, world.now);
        label = onward.label;
        return onward.kind == Onward::Kind::forward;
    }

    // What leaves: a raw datagram; frames under the link's keys; a session packet behind LABEL; one with index 0.
    template <class Sized>
    void raw(const Sized& bytes) {
        world.inject({at, node.at, {bytes.begin(), bytes.end()}, Ecn{}});
        world.run(Duration{});
    }
    void say(Bytes frames) { raw(link.seal(frames)); }
    void labelled(Bytes session, std::uint8_t hop_limit = 200) {
        ByteVector frame(LabelHeader::size + session.size());
        LabelHeader{0, hop_limit, 7, label}.write(frame.data());
        append(&frame[LabelHeader::size], session);
        say(frame);
    }
    void unsealed(Bytes message) {
        ByteVector packet(session_header);
        packet.insert(packet.end(), message.begin(), message.end());
        labelled(packet);
    }
    ByteVector seal_session(Bytes frames, std::uint64_t counter) {
        ByteVector out(session_overhead + frames.size());
        store_little(&out[0], far.remote_index);
        store_little(&out[4], std::uint32_t(counter));
        append(&out[session_header], frames);
        far.send.seal(Bytes{out}.first(session_header), &out[session_header], frames.size(), counter);
        return out;
    }
    ByteVector seal_session(Bytes frames) { return seal_session(frames, far.counter++); }
    static ByteVector net(std::size_t bytes) {
        ByteVector frame(3 + bytes);
        frame[0] = std::byte{0x40}, frame[2] = std::byte{6};
        return frame;
    }

    // Time passes, and all that the node says is read.
    void turn(int milliseconds) {
        for (int i = 0; i < milliseconds; ++i) {
            world.run(ms(1));
            std::vector<Datagram> heard;
            heard.swap(world.outsiders[at]);
            for (const Datagram& datagram : heard) read(datagram);
            for (SwitchNode* each : {&m, &x}) each->labels->advance(world.now);
            for (bool busy = true; busy;) {
                busy = false;
                for (Switch::Control c; m.labels->control({&c, 1}, world.now) != 0; busy = true) {
                    if (c.link == 1) x.labels->receive_control(1, c.body, world.now);
                    else say_control(c.body);
                }
                for (Switch::Control c; x.labels->control({&c, 1}, world.now) != 0; busy = true)
                    m.labels->receive_control(1, c.body, world.now);
                for (PathEvent event; x.labels->events({&event, 1}) != 0; busy = true) x.events.push_back(event);
            }
        }
    }
    void say_control(Bytes body) {
        ByteVector frame(3);
        frame[0] = std::byte(FrameType::ctrl);
        store_little(&frame[1], std::uint16_t(body.size()));
        frame.insert(frame.end(), body.begin(), body.end());
        say(frame);
    }
    void read(const Datagram& datagram) {
        if (datagram.type() == 2) link.take_resp(datagram.bytes);
        const auto plain = link.open(datagram.bytes);
        if (!plain) return;
        FrameReader reader{*plain};
        for (Frame frame; reader.next(frame);) {
            if (frame.type == FrameType::path_challenge) say(answer(frame));
            if (frame.type == FrameType::ctrl) controls.emplace_back(frame.body.begin(), frame.body.end());
            const bool ack = frame.type == FrameType::ctrl && frame.body[0] == std::byte{0x21};
            if (frame.type == FrameType::ctrl && (passes_acks || !ack)) m.labels->receive_control(2, frame.body, world.now);
            if (frame.type != FrameType::label) continue;
            const Bytes session = frame.body.subspan(LabelHeader::size - 1);
            sessions.emplace_back(session.begin(), session.end());
            ByteVector packet = sessions.back();
            const std::uint32_t counter = load_little<std::uint32_t>(&packet[4]);
            if (load_little<std::uint32_t>(packet.data()) != far.local_index) continue;
            const MutableBytes sealed = MutableBytes{packet}.subspan(session_header);
            if (!far.receive.open(Bytes{packet}.first(session_header), sealed, counter)) continue;
            FrameReader inner{Bytes{packet}.subspan(session_header, packet.size() - session_overhead)};
            for (Frame of; inner.next(of);)
                if (of.type == FrameType::path_challenge) labelled(seal_session(answer(of)));
        }
    }
    static Block<11> answer(const Frame& challenge) {
        return make_frame(FrameType::path_response, take<8>(challenge.body.data()));
    }
    static SwitchConfig switch_config() {
        SwitchConfig config{.unix_zero = 1'700'000'000};
        return config;
    }
    Node& add(LinksConfig config) {
        config.router = &TableRouter::table();
        config.routing = &router;
        config.unix_zero = 1'700'000'000;
        return world.add(1, config);
    }
    PeerStatus session() const { return node.status(x.address()); }

    TableRouter router;
    World world;
    Node& node;  // the honest one
    SwitchNode m, x;  // the neighbour's switch, the far node's
    Script link, far;  // their channels with the node
    UdpEndpoint at = ipv4(6, 6, 6, 6, 6);
    std::optional<PathEvent> opened;
    Label label{0};  // towards the node
    bool passes_acks{true};  // to the neighbour's switch
    std::vector<ByteVector> controls;  // what its switch said
    std::vector<ByteVector> sessions;  // session packets that the node sent
};

}  // namespace weft::overlay
