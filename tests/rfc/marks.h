// Peers that speak RFC 9768, for its tests: their counts are written as the flags that hold them.
#pragma once

#include <gtest/gtest.h>

#include <array>

#include "stack/tcp/accurate.h"
#include "stack/tcp/info.h"
#include "tests/tcp/peer.h"

namespace weft::test {

using tcp::flags_of_ace, tcp::TcpInfo;

inline constexpr std::array all_codepoints{Ecn::not_capable, Ecn::ect1, Ecn::ect0, Ecn::congestion_experienced};
inline constexpr Ecn ce = Ecn::congestion_experienced;

// Flags that hold a number from 0 to 7 as (AE, CWR, ECE).
constexpr std::uint16_t ace(std::uint32_t n) { return flags_of_ace(n); }

inline Opening speaking(std::uint8_t accecn, bool active = false) {
    Opening how{.active = active};
    how.config.accecn = accecn;
    return how;
}

inline TcpInfo info(Peer& peer) { return peer.engine().info(peer.flow(), peer.now).value(); }
inline bool is_accurate(Peer& peer) { return info(peer).ecn_mode == 2; }

// Is new text of the engine ECN-capable?
inline Ecn sent_as(Peer& peer) {
    peer.ignores_what_was_sent();
    EXPECT_EQ(peer.writes(100), 100u);
    const auto seen = peer.next();
    EXPECT_TRUE(seen && seen->length == 100);
    const Ecn ecn = seen ? seen->ecn() : Ecn::not_capable;
    return ecn;
}

// A flow that negotiated it, with nothing to look at. The peer counts 5 marks, as at the beginning.
inline Peer accurate(Opening how, bool options = true) {
    how.config.accecn = 2;
    Peer peer{how};
    if (how.active) {
        peer.connects();
        const Seen first = peer.sees(syn().with(ace(7)));
        peer.after(how.round_trip);
        Segment answer = syn_ack().with(ace(2)).ack(first.seq + 1);
        peer.sends(options ? answer.accurate({1, 0, 1}) : answer);
        peer.sees(ack().with(ace(2)));
        EXPECT_TRUE(peer.hears(Event::Kind::connected));
    } else {
        peer.listens();
        peer.sends(syn().with(ace(7)));
        const Seen answer = peer.sees(syn_ack().with(ace(2)));
        peer.sends(ack().with(ace(2)).accurate({1, 0, 1}).ack(answer.seq + 1));
        EXPECT_TRUE(peer.accepts());
    }
    EXPECT_TRUE(is_accurate(peer));
    peer.sees_nothing();
    return peer;
}
inline Peer accurate(bool active = false, bool options = true) { return accurate(Opening{.active = active}, options); }

// Text of the engine in flight, full segments.
inline SeqNum in_flight(Peer& peer, std::uint32_t segments) {
    const SeqNum begin = peer.snd_nxt();
    EXPECT_EQ(peer.writes(segments * peer.effective_mss()), segments * peer.effective_mss());
    peer.ignores_what_was_sent();
    return begin;
}

}  // namespace weft::test
