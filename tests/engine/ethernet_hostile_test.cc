// Random frames into an Ethernet link, most of them nearly right: nothing crashes, nothing grows, a flow lives through it, and in the
// end all memory is back.
#include <random>

#include "tests/engine/station.h"

namespace weft::test {
namespace {

class Noise {
public:
    explicit Noise(std::uint64_t seed) : draw_{seed} {}

    Octets frame() {
        const Mac from = station(unsigned(2 + below(3))), to = below(4) == 0 ? wire::broadcast_mac : Station::own;
        Octets out = below(2) == 0 ? known(from, to) : ethernet(to, from, type(), random(below(120)));
        for (std::uint64_t bends = below(4); bends > 0 && !out.empty() && below(3) == 0; --bends)
            out[below(out.size())] ^= std::byte(draw_());
        if (below(8) == 0) out.resize(below(out.size() + 1));
        return out;
    }
    std::uint64_t below(std::uint64_t bound) { return draw_() % bound; }

private:
    Octets random(std::size_t size) {
        Octets out(size);
        for (std::byte& byte : out) byte = std::byte(draw_());
        return out;
    }
    std::uint16_t type() { return std::array<std::uint16_t, 5>{0x0800, 0x0806, 0x86dd, 0x8100, 0x0026}[below(5)]; }
    Address four() { return below(3) == 0 ? Station::own4 : ip4(10, 0, unsigned(below(2)), unsigned(below(256))); }
    Address six() { return below(3) == 0 ? Station::own6 : ip6(unsigned(below(300)), below(5) == 0 ? 0xff02 : 0xfd00); }

    // A frame of a kind that is read, about addresses that may be anyone's.
    Octets known(const Mac& from, const Mac& to) {
        const bool v6 = below(2) == 0;
        const Address a = v6 ? six() : four(), own = v6 ? Station::own6 : Station::own4;
        const std::uint16_t kind = v6 ? 0x86dd : 0x0800;
        switch (below(6)) {
        case 0: return ethernet(to, from, 0x0806, arp(std::uint16_t(1 + below(2)), from, four(), Station::own, four()));
        case 1: {
            wire::NeighbourMessage said{.advertisement = below(2) == 0, .target = six()};
            said.solicited = below(2) == 0, said.overrides = below(2) == 0;
            if (below(3) != 0) said.mac = from;
            return ethernet(to, from, 0x86dd, ndp(six(), below(2) == 0 ? Station::own6 : six(), said));
        }
        case 2: return ethernet(to, from, kind, echo(a, own, below(200)));
        case 3: return ethernet(to, from, kind, udp(a, own, std::uint16_t(draw_()), below(100)));
        case 4: {
            Octets about =
                tcp(own, a, {std::uint16_t(draw_()), 80, SeqNum{std::uint32_t(draw_())}, {}, wire::ack, 0, 0, 0, {}});
            const wire::IcmpHeader header{std::uint8_t(below(14)), std::uint8_t(below(16)), std::uint32_t(below(2'000))};
            return ethernet(to, from, kind, icmp(a, own, header, about));
        }
        default:
            return ethernet(to, from, kind,
                            tcp(a, own,
                                {std::uint16_t(below(9)),
                                 80,
                                 SeqNum{std::uint32_t(draw_())},
                                 SeqNum{},
                                 std::uint16_t(below(64)),
                                 100,
                                 0,
                                 0,
                                 {}}));
        }
    }

    std::mt19937_64 draw_;
};

TEST(EthernetHostile, RandomFramesNeitherCrashNorStay) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        Station s;
        ASSERT_TRUE(s.engine.listen({{.local = {{}, 0, 80}, .user_timeout = Duration::seconds(30)}, 8}, s.now));
        const Flow flow = s.established(s.other4);
        Noise noise{seed};
        for (int i = 0; i < 4'000; ++i) {
            s.arrives(noise.frame());
            if (noise.below(16) == 0) s.wait(Duration::milliseconds(std::int64_t(noise.below(500))));
            if (noise.below(8) == 0) s.events();
            if (noise.below(40) == 0)
                static_cast<void>(s.engine.connect({noise.below(2) == 0 ? s.other6 : s.other4, 0, 81}, {}, s.now));
            ASSERT_LE(s.engine.neighbours().size(), net::Neighbours::most_idle + 400u);
            ASSERT_LE(s.engine.statistics().half_open, 8u);
            ASSERT_LE(s.pool.in_use(), std::size_t{4} << 20);
        }
        EXPECT_TRUE(s.engine.inspect(flow)) << "a flow that nobody guessed lives on";
        for (const Flow each : s.engine.flows()) static_cast<void>(s.engine.abort(each, s.now));
        s.wait(Duration::seconds(700));
        s.events();
        EXPECT_EQ(s.engine.statistics().paths, 0u);
        EXPECT_EQ(s.engine.deadline(), Instant::never());
        EXPECT_EQ(s.pool.in_use(), 0u);
    }
}

}  // namespace
}  // namespace weft::test
