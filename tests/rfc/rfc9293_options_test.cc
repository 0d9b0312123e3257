// TCP options as they meet the engine: MSS (RFC 9293, section 3.7.1) and everything a peer may get wrong (section 3.1).
#include <gtest/gtest.h>

#include <random>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

TEST(Mss, Must14_Must67_Shld5_OfASynIsWhatThePathCarries) {   // MUST-14, MUST-67, SHLD-5
    for (const auto& [family, header] : {std::pair{Family::ipv4, 20u}, {Family::ipv6, 40u}, {Family::overlay, 136u}}) {
        for (const std::uint32_t mtu : {1'280u, 1'500u, 9'000u}) {
            Opening how{.family = family, .active = true};
            how.path.mtu = mtu;
            Peer active{how};
            active.connects();
            active.sees(syn().mss(std::uint16_t(mtu - header - 20)));
            Peer passive{how};
            passive.listens();
            passive.sends(syn());
            passive.sees(syn_ack().mss(std::uint16_t(mtu - header - 20)));
        }
    }
}

TEST(Mss, Must16_IsSmallestOfTheirsAndOursLessTheOptions) {   // MUST-16
    for (const bool timestamps : {false, true}) {
        for (const std::uint16_t theirs : {std::uint16_t{500}, std::uint16_t{1'460}, std::uint16_t{9'000}}) {
            Opening how{.mss = theirs, .timestamps = timestamps};
            Peer peer = established(how);
            EXPECT_EQ(peer.writes(20'000), 20'000u);
            EXPECT_EQ(peer.next()->length, std::min<std::uint32_t>(theirs, 1'460) - (timestamps ? 12 : 0));
        }
    }
}

TEST(Mss, Must15_WithoutOneIsAssumedToBe536Or1220) {   // MUST-15
    for (const Family family : {Family::ipv4, Family::ipv6, Family::overlay}) {
        for (const bool active : {false, true}) {
            Peer peer = established({.family = family, .active = active, .mss = {}, .timestamps = false});
            EXPECT_EQ(peer.writes(20'000), 20'000u);
            EXPECT_EQ(peer.next()->length, family == Family::ipv4 ? 536u : 1'220u);
        }
    }
}

TEST(Mss, TinyOrZeroDoesNoHarm) {
    for (const std::uint16_t theirs : {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{12}, std::uint16_t{13}}) {
        Peer peer = established({.mss = theirs});
        EXPECT_EQ(peer.writes(200), 200u);
        std::uint32_t bytes = 0;
        for (int round = 0; round < 400 && bytes < 200; ++round) {
            while (const auto seen = peer.next()) bytes += seen->length;
            peer.sends(ack());
            if (peer.waiting() == 0) peer.until_it_sends(seconds(1));
        }
        EXPECT_GE(bytes, 200u) << theirs;
    }
}

TEST(Options, Must4_Must6_Must64_Must68_Must69_UnknownOnesAreSteppedOverAtAnyAlignment) {   // MUST-4, 6, 64, 68, 69
    Peer peer{{.scale = {}, .timestamps = false}};
    peer.listens();
    // an unknown option of three bytes, MSS 700 off any word boundary, NOP, an unknown one, EOL, garbage behind it
    peer.sends(syn().raw_options({253, 3, 9, 2, 4, 700 >> 8, 700 & 255, 1, 254, 4, 1, 2, 0, 2, 4, 0, 1}));
    const Seen answer = peer.sees(syn_ack());
    peer.sends(ack().ack(answer.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.writes(5'000), 5'000u);
    EXPECT_EQ(peer.next()->length, 700u);
}

TEST(Options, Must5_AreAcceptedInAnySegment) {   // MUST-5
    Peer peer = established({.timestamps = false});
    peer.sends(data(100).raw_options({1, 1, 254, 6, 1, 2, 3, 4}));
    EXPECT_EQ(peer.reads(), 100u);
    peer.sends(data(100).raw_options({2, 4, 1, 0}));   // an MSS outside a SYN means nothing
    EXPECT_EQ(peer.reads(), 100u);
    EXPECT_EQ(peer.writes(1'460), 1'460u);
    peer.ignores_what_was_sent();
}

TEST(Options, Must7_IllegalLengthsAreSurvived) {   // MUST-7
    const std::vector<std::vector<std::uint8_t>> bad{{254, 0, 0, 0},
                                                     {254, 1, 0, 0},
                                                     {254, 200, 0, 0},
                                                     {2, 3, 1, 0},
                                                     {2, 4, 5},
                                                     {3, 4, 0, 0},
                                                     {8, 9, 0, 0, 0, 0, 0, 0, 0},
                                                     {5, 9, 1, 2, 3, 4, 5, 6, 7}};
    for (const auto& options : bad) {
        Peer open = established({.timestamps = false});
        const SeqNum next = open.rcv_nxt();
        open.sends(data(10).raw_options(options));
        open.ignores_what_was_sent();
        if (open.gone() || open.hears(Event::Kind::failed)) continue;   // a reset is what the RFC suggests
        open.sends(data(10).seq(next));
        EXPECT_EQ(open.reads(), 10u);
        Peer listening;
        listening.listens();
        listening.sends(syn().raw_options(options));
        listening.ignores_what_was_sent();
        EXPECT_LE(listening.statistics().half_open, 1u);
    }
}

// Packets of a living connection with bytes changed, cut off or appended, checksums mended half of the time.
TEST(Options, RandomDamageNeverBreaksTheEngine) {
    std::mt19937_64 random{3};
    for (const Family family : {Family::ipv4, Family::ipv6, Family::overlay}) {
        Peer peer = established({.family = family});
        peer.watches = false;   // a changed port is answered from that port
        for (int i = 0; i < 20'000; ++i) {
            auto packet = peer.packet_of(data(std::uint32_t(random() % 40)).seq(peer.peer_next()));
            const std::size_t changes = random() % 4;
            for (std::size_t n = 0; n < changes; ++n) packet[random() % packet.size()] = std::byte(random());
            if (random() % 8 == 0) packet.resize(random() % (packet.size() + 1));
            if (random() % 16 == 0) packet.resize(packet.size() + random() % 30);
            if (random() % 2 == 0) peer.mend(packet);
            if (packet.empty()) continue;
            peer.sends_packet(std::move(packet));
        }
        const Statistics all = peer.statistics();
        EXPECT_GT(all.checksum_errors, 1'000u);
        EXPECT_GT(all.malformed, 100u);
        EXPECT_LE(all.connections, 1u);
    }
}

}  // namespace
}  // namespace weft::test
