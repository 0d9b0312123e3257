// TCP_INFO: the layout of Linux's record, and numbers from the same source as the flow's own.
#include <gtest/gtest.h>

#include <linux/tcp.h>

#include <cstddef>

#include "stack/tcp/info.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

using tcp::TcpInfo;

// Field by field, as far as this machine's header goes. Linux's bit fields have no offset: they share two bytes.
#define WEFT_SAME(field) \
    static_assert(offsetof(TcpInfo, field) == offsetof(tcp_info, tcpi_##field) && \
                  sizeof(TcpInfo::field) == sizeof(tcp_info::tcpi_##field))
WEFT_SAME(state);
WEFT_SAME(ca_state);
WEFT_SAME(retransmits);
WEFT_SAME(probes);
WEFT_SAME(backoff);
WEFT_SAME(options);
WEFT_SAME(rto);
WEFT_SAME(ato);
WEFT_SAME(snd_mss);
WEFT_SAME(rcv_mss);
WEFT_SAME(unacked);
WEFT_SAME(sacked);
WEFT_SAME(lost);
WEFT_SAME(retrans);
WEFT_SAME(fackets);
WEFT_SAME(last_data_sent);
WEFT_SAME(last_ack_sent);
WEFT_SAME(last_data_recv);
WEFT_SAME(last_ack_recv);
WEFT_SAME(pmtu);
WEFT_SAME(rcv_ssthresh);
WEFT_SAME(rtt);
WEFT_SAME(rttvar);
WEFT_SAME(snd_ssthresh);
WEFT_SAME(snd_cwnd);
WEFT_SAME(advmss);
WEFT_SAME(reordering);
WEFT_SAME(rcv_rtt);
WEFT_SAME(rcv_space);
WEFT_SAME(total_retrans);
WEFT_SAME(pacing_rate);
WEFT_SAME(max_pacing_rate);
WEFT_SAME(bytes_acked);
WEFT_SAME(bytes_received);
WEFT_SAME(segs_out);
WEFT_SAME(segs_in);
WEFT_SAME(notsent_bytes);
WEFT_SAME(min_rtt);
WEFT_SAME(data_segs_in);
WEFT_SAME(data_segs_out);
WEFT_SAME(delivery_rate);
WEFT_SAME(busy_time);
WEFT_SAME(rwnd_limited);
WEFT_SAME(sndbuf_limited);
WEFT_SAME(delivered);
WEFT_SAME(delivered_ce);
WEFT_SAME(bytes_sent);
WEFT_SAME(bytes_retrans);
WEFT_SAME(dsack_dups);
WEFT_SAME(reord_seen);
WEFT_SAME(rcv_ooopack);
WEFT_SAME(snd_wnd);
#undef WEFT_SAME
static_assert(offsetof(TcpInfo, rcv_wnd) == 232);

TcpInfo info(Peer& peer) { return peer.engine().info(peer.flow(), peer.now).value(); }

TEST(TcpInfo, SaysHowAFlowStands) {
    Opening how{.active = true, .round_trip = ms(80)};
    how.config.ecn = 0;
    Peer peer = established(how);
    const std::uint32_t mss = peer.effective_mss();
    TcpInfo now = info(peer);
    EXPECT_EQ(now.state, TcpInfo::established);
    EXPECT_EQ(now.ca_state, TcpInfo::open);
    EXPECT_EQ(now.options & (TcpInfo::timestamps | TcpInfo::scaling), TcpInfo::timestamps | TcpInfo::scaling);
    EXPECT_EQ(now.wscales & 15, 7) << "theirs";
    EXPECT_EQ(now.wscales >> 4, peer.engine_scale()) << "ours";
    EXPECT_EQ(now.rtt, 80'000u);
    EXPECT_EQ(now.rttvar, 40'000u);
    EXPECT_EQ(now.min_rtt, 80'000u);
    EXPECT_EQ(now.rto, 240'000u);
    EXPECT_EQ(now.snd_mss, mss);
    EXPECT_EQ(now.advmss, 1'460u);
    EXPECT_EQ(now.pmtu, 1'500u);
    EXPECT_EQ(now.snd_cwnd, 10u);
    EXPECT_EQ(now.snd_ssthresh, TcpInfo::no_threshold);
    EXPECT_EQ(now.snd_wnd, 65'535u);
    EXPECT_EQ(now.pacing_rate, ~std::uint64_t{0});

    EXPECT_EQ(peer.writes(20 * mss), 20u * mss);
    now = info(peer);
    EXPECT_EQ(now.unacked, 10u);
    EXPECT_EQ(now.notsent_bytes, 10 * mss);
    EXPECT_EQ(now.bytes_sent, 10u * mss);
    EXPECT_EQ(now.bytes_acked, 0u);
    peer.ignores_what_was_sent();
    peer.after(ms(100));
    peer.sends(ack().ack(peer.snd_una() + 4 * mss));
    now = info(peer);
    EXPECT_EQ(now.bytes_acked, 4u * mss);
    EXPECT_EQ(now.delivered, 5u) << "the SYN is one, as Linux counts";
    EXPECT_EQ(now.last_ack_recv, 0u);
    peer.sends(data(1'000));
    EXPECT_EQ(info(peer).bytes_received, 1'000u);
    peer.after(ms(7));
    EXPECT_EQ(info(peer).last_data_recv, 7u);
    peer.until_it_sends();
    now = info(peer);
    EXPECT_EQ(now.ca_state, TcpInfo::loss);
    EXPECT_EQ(now.retransmits, 1u);
    EXPECT_EQ(now.backoff, 1u);
    EXPECT_EQ(now.total_retrans, 1u);
    EXPECT_EQ(now.total_rto, 1u);
    EXPECT_EQ(now.snd_cwnd, 1u);
}

TEST(TcpInfo, NamesStatesAsLinuxDoes) {
    Peer peer{Opening{.active = true}};
    peer.connects();
    EXPECT_EQ(info(peer).state, TcpInfo::syn_sent);
    Peer closing = established();
    closing.sends(fin());
    EXPECT_EQ(info(closing).state, TcpInfo::close_wait);
    closing.closes();
    EXPECT_EQ(info(closing).state, TcpInfo::last_ack);
    Peer first = established();
    first.closes();
    EXPECT_EQ(info(first).state, TcpInfo::fin_wait_1);
    first.sends(ack());
    EXPECT_EQ(info(first).state, TcpInfo::fin_wait_2);
}

TEST(TcpInfo, OfAStaleHandleIsAnOrdinaryError) {
    Peer peer = established();
    peer.aborts();
    EXPECT_FALSE(peer.engine().info(peer.flow(), peer.now));
}

}  // namespace
}  // namespace weft::test
