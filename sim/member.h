// A member of the overlay: a production engine over the production links, datagrams on the wires. What node/ does with
// sockets and a clock happens here in virtual time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "overlay/links.h"
#include "sim/entropy.h"
#include "sim/host.h"

namespace weft::sim {

template <Application App>
class Member {
public:
    // Joins the world and stays in it: a member does not move. `at` is where its datagrams come from.
    Member(World& world, const Config& config, const overlay::LinksConfig& links, overlay::Identity identity,
           const UdpEndpoint& at, App application)
        : app{std::move(application)}, world_{&world}, entropy_{world.seed(), std::uint64_t{at.port} << 32 | 1}, at_{at},
          engine_{config, world.pool()}, links_{std::move(identity), links, entropy_.lend(), world.pool()},
          id_{world.add(*this)} {
        follow();
        (void)engine_.assign(links_.address(), {}, world.now());
    }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    App app;

    NodeId id() const { return id_; }
    const Address& address() const { return links_.address(); }
    const UdpEndpoint& at() const { return at_; }
    Engine& engine() { return engine_; }
    overlay::Links& links() { return links_; }
    const Digest& digest() const { return records_.digest(); }  // of all that engine and links traced

    // Its records go to `sink`, too, from now on: to a recording, say. What is already there tell_flows() and tell() tell.
    void record(const trace::Sink& sink) {
        records_.also(sink);
        follow();
    }

    // Datagrams to `to` go out by this wire.
    void attach(const UdpEndpoint& to, WireId out) { wires_[to] = out; }

    void detach(const UdpEndpoint& to) { wires_.erase(to); }  // nobody is there any more

    // From now on its datagrams come from elsewhere, as behind a NAT that forgot it.
    void move(const UdpEndpoint& at) { at_ = at; }

    // After calls on the engine or the links from outside an event.
    void settle() {
        drain(world_->now());
        world_->touch(id_);
    }

    void receive(std::span<Receive> batch, Instant now) {
        links_.receive(batch, now);
        drain(now);
    }

    void advance(Instant now) {
        if (links_.deadline() <= now) links_.advance(now);
        if (engine_.deadline() <= now) engine_.advance(now);
        drain(now);
        if (app.deadline() <= now) app.advance(engine_, now);
        drain(now);
    }

    Instant deadline() const { return std::min({engine_.deadline(), links_.deadline(), app.deadline()}); }

private:
    struct Held {
        PathId path{0};
        PathOptions options;
        bool up{false};
    };

    void follow() {
        engine_.trace(records_.sink());
        links_.trace(records_.sink());
    }

    void drain(Instant now) {
        for (bool busy = true; busy;) {
            busy = take_link_events(now);
            busy |= deliver(now);
            busy |= seal(now);
            busy |= take_events(now);
            busy |= send(now);
        }
    }

    bool take_link_events(Instant now) {
        std::array<overlay::LinkEvent, 16> events;
        const std::size_t count = links_.events(events);
        for (const overlay::LinkEvent& event : std::span{events}.first(count)) {
            using Kind = overlay::LinkEvent::Kind;
            const PathOptions options{.mtu = event.mtu, .sums_elided = event.sums_elided};
            if (event.kind == Kind::suspect || event.kind == Kind::recovered) continue;
            if (event.kind == Kind::down || event.kind == Kind::unreachable || event.kind == Kind::resting) {
                Held& held = held_[event.peer];
                held.up = false;
                if (held.path == 0 || event.kind == Kind::resting) continue;  // the next packet ends the rest
                if (event.kind == Kind::down) engine_.path_down(held.path, now);
                else engine_.path_unreachable(held.path, now);
                continue;
            }
            Held& held = hold(event.peer, options, now);
            if (held.options != options || event.kind == Kind::roamed) engine_.change_path(held.path, options, now);
            held.options = options;
            if (!std::exchange(held.up, true)) engine_.path_up(held.path, now);
        }
        return count != 0;
    }

    Held& hold(const Address& peer, const PathOptions& options, Instant now) {
        Held& held = held_[peer];
        if (held.path != 0) return held;
        held.path = engine_.open_path({.address = links_.address()}, {.address = peer}, options, now).value_or(0);
        held.options = options;
        links_.bind(peer, held.path);
        return held;
    }

    bool deliver(Instant now) {
        std::array<Receive, 64> opened;
        const std::size_t count = links_.deliver(opened);
        if (count != 0) engine_.receive(std::span{opened}.first(count), now);
        return count != 0;
    }

    bool seal(Instant now) {
        std::array<Transmit, 16> out;
        const std::size_t count = engine_.transmit(out, now);
        for (const Transmit& packet : std::span{out}.first(count)) {
            const auto peers = engine_.path_peers(packet.path);
            if (peers && held_[peers->remote.address].path == 0) unheld_.emplace_back(peers->remote.address, packet.path);
        }
        for (const auto& [peer, path] : unheld_) links_.bind(peer, path);
        if (count != 0) links_.send(std::span{out}.first(count), now);
        for (const auto& [peer, path] : unheld_) hold(peer, {}, now);
        unheld_.clear();
        return count != 0;
    }

    bool take_events(Instant now) {
        std::array<weft::Event, 16> events;
        const std::size_t count = engine_.events(events, now);
        for (const weft::Event& event : std::span{events}.first(count)) app.on(engine_, event, now);
        return count != 0;
    }

    // Each Transmit is a train of datagrams.
    bool send(Instant now) {
        std::array<Transmit, 16> out;
        const std::size_t count = links_.transmit(out, now);
        for (const Transmit& train : std::span{out}.first(count)) {
            const auto wire = wires_.find(train.to);
            if (wire == wires_.end()) continue;
            bytes_.assign(train.header.begin(), train.header.begin() + train.header_length);
            for (const Slice& part : train.payload) bytes_.insert(bytes_.end(), part.bytes().begin(), part.bytes().end());
            const std::size_t step = train.segment_size != 0 ? train.segment_size : std::max<std::size_t>(bytes_.size(), 1);
            for (std::size_t done = 0; done < bytes_.size(); done += step) {
                const std::size_t size = std::min(step, bytes_.size() - done);
                Chunk* const chunk = world_->pool().allocate(size);
                if (!chunk) return true;  // as a full queue would
                std::copy_n(bytes_.begin() + std::ptrdiff_t(done), size, chunk->data());
                world_->send(wire->second,
                             Receive{.frame = Slice{chunk, 0, std::uint32_t(size)}, .from = at_, .ecn = train.ecn},
                             std::max(train.depart, now));
            }
        }
        return count != 0;
    }

    World* world_;
    SeededEntropy entropy_;
    UdpEndpoint at_;
    Records records_;
    Engine engine_;
    overlay::Links links_;
    std::map<UdpEndpoint, WireId> wires_;
    std::map<Address, Held> held_;
    std::vector<std::pair<Address, PathId>> unheld_;
    std::vector<std::byte> bytes_;
    NodeId id_;
};

}  // namespace weft::sim
