// A Switch under a script: three neighbours say what the input says, true messages with bent fields among it; links come and
// go, packets and the time pass. Nothing grows without bound, and a link hears only of paths that are its own.
#include "overlay/switch.h"

#include "overlay/control.h"
#include "tests/fuzz/fuzz.h"
#include "tests/overlay/switch_world.h"

using namespace weft;
using namespace weft::overlay;

namespace {

struct Play {
    explicit Play(Bytes input)
        : in{input}, node{1, config()}, others{Identity{seed_of(2)}, Identity{seed_of(3)}, Identity{seed_of(4)}} {
        for (LinkNumber link = 1; link <= 3; ++link) up(link);
        node.router.next_hops[0] = {tag_of(others[0].address()), tag_of(others[1].address()), tag_of(others[2].address())};
    }

    static SwitchConfig config() {
        SwitchConfig out;
        out.labels = 24, out.labels_a_link = 12;
        return out;
    }

    void up(LinkNumber link) {
        node.labels->link_up(link, others[link - 1u].address(), 1'200 + in.u8(), Duration::milliseconds(in.u8()), now);
    }

    LinkNumber link() { return LinkNumber(1 + in.u8() % 3); }
    std::uint64_t path() { return known.empty() ? in.little<std::uint64_t>() : known[in.u8() % known.size()]; }
    Label label() { return make_label(in.u8() % 26, std::uint8_t(in.u8() % 4)); }

    void give(LinkNumber from, Body body) {
        if (body.size() > 3 && (unsigned(body[1]) & 0x80) != 0 && in.u8() % 4 != 0) set_txid(body, ++txid);
        for (unsigned bends = in.u8() % 4u; bends > 0 && !body.empty(); --bends)
            body[in.little<std::uint16_t>() % body.size()] ^= std::byte(in.u8());
        node.labels->receive_control(from, body, now);
    }

    void setup() {
        Setup out;
        const LinkNumber from = link();
        out.path = 1 + in.u8() % 8u;
        known.push_back(out.path);
        out.back_label = label() | 1;
        out.via = in.u8() % 3 == 0 ? label() | 1 : 0;
        out.hops_left = in.u8(), out.tries_left = in.u8();
        out.deadline = in.little<std::uint16_t>();
        out.pmtu = 1'400;
        out.dst = in.u8() % 2 == 0 ? node.address() : others[in.u8() % 3u].address();
        out.src = others[from - 1u].address();
        for (unsigned n = in.u8() % 66u; n > 0; --n) out.visited.push_back(n);
        if (in.u8() % 2 == 0)
            for (int i = 0; i < 40; ++i) out.payload.push_back({});
        out.private_source = in.u8() % 4 == 0, out.pinned = in.u8() % 8 == 0;
        if (out.dst == node.address()) out.sign(others[from - 1u], {});
        give(from, out.body());
    }

    void answer() {
        SetupAck ack;
        ack.path = path();
        ack.forward_label = label() | 1;
        ack.ts = in.u8() % 2 == 0 ? 0 : now.nanoseconds() / 1'000'000;
        if (in.u8() % 2 == 0) ack.sign(others[in.u8() % 3u], {}, others[in.u8() % 3u].address(), node.address());
        give(link(), ack.body());
    }

    void list() {
        const BrokenItem broken[] = {{path(), 1}, {path(), 2}};
        const TeardownItem teardown[] = {{path()}};
        const MtuItem mtu[] = {{path(), in.little<std::uint16_t>()}};
        const StaleItem stale[] = {{label()}, {label()}};
        const GotItem got[] = {{in.little<std::uint16_t>()}, {sent_txid}};
        switch (in.u8() % 5) {
        case 0: return give(link(), list_body<BrokenItem>(broken));
        case 1: return give(link(), list_body<TeardownItem>(teardown));
        case 2: return give(link(), list_body<MtuItem>(mtu));
        case 3: return give(link(), list_body<StaleItem>(stale));
        default: return give(link(), list_body<GotItem>(got));
        }
    }

    void local() {
        switch (in.u8() % 5) {
        case 0:
            if (const auto opened = node.labels->open(others[in.u8() % 3u].address(), {}, now)) known.push_back(*opened);
            return;
        case 1: return node.labels->accept(path(), {}, now);
        case 2: return node.labels->refuse(path(), NakReason(in.u8() % 9), now);
        case 3: return node.labels->close(path(), now);
        default: return node.labels->renew(path(), now);
        }
    }

    void links() {
        const LinkNumber which = link();
        switch (in.u8() % 5) {
        case 0: return node.labels->link_down(which, now);
        case 1: return up(which);
        case 2: return node.labels->link_suspect(which, now);
        case 3: return node.labels->link_recovered(which, now);
        default: return node.labels->link_mtu(which, 1'200 + in.u8(), now);
        }
    }

    void step() {
        switch (in.u8() % 8) {
        case 0: {
            const Bytes some = in.take(std::min<std::size_t>(in.u8(), in.left()));
            return node.labels->receive_control(link(), some, now);
        }
        case 1: return setup();
        case 2: return answer();
        case 3: return give(link(), SetupNak{path(), std::uint8_t(in.u8() | 1), in.u8(), 1, 2}.body(in.u8() % 2 == 0));
        case 4: return list();
        case 5: return in.u8() % 2 == 0 ? local() : links();
        case 6: node.labels->onward(link(), label(), in.u8(), in.little<std::uint16_t>(), now); return;
        default:
            now = now + Duration::milliseconds(in.little<std::uint16_t>());
            node.router.pending = in.u8() % 16 == 0 ? 3 : 0;
            return node.labels->advance(now);
        }
    }

    void drain() {
        PathEvent events[2];
        while (const std::size_t n = node.labels->events(events))
            for (std::size_t i = 0; i < n; ++i) known.push_back(events[i].path);
        Switch::Control out[3];
        while (const std::size_t n = node.labels->control(out, now))
            for (std::size_t i = 0; i < n; ++i) {
                FUZZ_CHECK(out[i].link >= 1 && out[i].link <= 3);
                FUZZ_CHECK(out[i].body.size() >= ControlHeader::size && out[i].body.size() <= 1'000);
                sent_txid = ControlHeader::parse(out[i].body)->txid;
            }
        while (node.labels->take_lost() != 0) {}
        if (known.size() > 64) known.erase(known.begin(), known.end() - 32);
    }

    Reader in;
    Instant now = Instant::from_nanoseconds(1'000'000'000);
    SwitchNode node;
    std::array<Identity, 3> others;
    std::vector<std::uint64_t> known;
    std::uint16_t txid{0}, sent_txid{0};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Play play{fuzz::bytes_of(data, size)};
    for (int steps = 0; play.in.left() > 0 && steps < 400; ++steps) {
        play.step();
        if (steps % 3 == 0) play.drain();
        FUZZ_CHECK(play.node.labels->statistics().labels <= 24);
    }
    // All that nobody answers or uses is gone in the end.
    for (int i = 0; i < 12; ++i) {
        play.now = play.now + Duration::seconds(60);
        play.node.labels->advance(play.now);
        play.drain();
    }
    FUZZ_CHECK(play.node.labels->statistics().labels == 0);
    FUZZ_CHECK(play.node.labels->statistics().paths == 0);
    return 0;
}
