// RFC 7413: TCP Fast Open, text with the SYN.
#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/pair.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

Opening early(bool active) {
    Opening how{.active = active};
    how.options.fast_open = true;
    return how;
}

// A SYN with MSS and the option; `cookie` empty: a request.
Segment fast_syn(const wire::FastOpen& cookie, std::uint32_t text = 0) {
    std::vector<std::uint8_t> bytes{2, 4, 5, 180, 34, std::uint8_t(2 + cookie.size)};
    for (const std::byte b : std::span{cookie.cookie}.first(cookie.size)) bytes.push_back(std::to_integer<std::uint8_t>(b));
    while (bytes.size() % 4 != 0) bytes.push_back(1);
    Segment segment = syn().raw_options(bytes);
    if (text > 0) segment.length(text);
    return segment;
}

Opening listening() {
    Opening how = early(false);
    how.timestamps = false;
    how.scale = {};
    return how;
}

// What the listener grants to this peer.
wire::FastOpen granted(Peer& peer) {
    peer.sends(fast_syn({}));
    const Seen answer = peer.sees(syn_ack());
    EXPECT_TRUE(answer.options.fast_open);
    peer.sends(rst().seq(peer.peer_next()));
    return answer.options.fast_open.value_or(wire::FastOpen{});
}

void again(Peer& peer, std::uint16_t port) { peer.begins_anew(port, SeqNum{port * 100'000u}); }

// So many SYNs with the cookie and text, each of a port of its own; nobody looks at the answers.
void opens_early(Peer& peer, const wire::FastOpen& cookie, std::uint16_t count) {
    peer.watches = false;
    for (std::uint16_t i = 0; i < count; ++i) {
        again(peer, std::uint16_t(51'000 + i));
        peer.sends(fast_syn(cookie, 100));
    }
}

TEST(Rfc7413, ARequestIsGrantedACookieOfTheClientsAddress) {  // sections 4.1.1 and 4.1.2
    Peer peer{listening()};
    peer.listens();
    const wire::FastOpen first = granted(peer);
    EXPECT_EQ(first.size, 8);
    again(peer, 50'001);
    EXPECT_EQ(granted(peer), first) << "the port does not count";
    Opening other = listening();
    other.config.seed[0] = 999;
    Peer stranger{other};
    stranger.listens();
    EXPECT_NE(granted(stranger), first) << "the secret does";
}

TEST(Rfc7413, TextWithAValidCookieIsThereBeforeTheHandshakeIsThrough) {  // section 4.2.2
    Peer peer{listening()};
    peer.listens();
    const wire::FastOpen cookie = granted(peer);
    again(peer, 50'002);
    peer.sends(fast_syn(cookie, 500));
    const Seen answer = peer.sees(syn_ack().ack(peer.peer_next()));
    EXPECT_FALSE(answer.options.fast_open) << "the client has it";
    ASSERT_TRUE(peer.accepts()) << "before the last acknowledgement";
    EXPECT_EQ(peer.state(), State::syn_received);
    EXPECT_EQ(peer.reads(), 500u);
    peer.ignores_what_was_sent();
    peer.sends(ack().ack(answer.seq + 1));
    EXPECT_EQ(peer.state(), State::established);
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    EXPECT_EQ(peer.statistics().fast_opens, 1u);
    EXPECT_FALSE(peer.hears(Event::Kind::connected)) << "it was accepted already";
}

TEST(Rfc7413, TheSynAckOfAnEarlyConnectionIsSentAgain) {
    Peer peer{listening()};
    peer.listens();
    const wire::FastOpen cookie = granted(peer);
    again(peer, 50'003);
    peer.sends(fast_syn(cookie, 500));
    const Seen first = peer.sees(syn_ack().ack(peer.peer_next()));
    peer.until_it_sends();
    peer.sees(syn_ack().seq(first.seq).ack(peer.peer_next()));
}

TEST(Rfc7413, TextWithoutAValidCookieIsNotTakenAndANewOneIsGranted) {  // section 4.2.2
    Peer peer{listening()};
    peer.listens();
    wire::FastOpen cookie = granted(peer);
    cookie.cookie[3] ^= std::byte{1};
    again(peer, 50'004);
    const SeqNum begin = peer.peer_next();
    peer.sends(fast_syn(cookie, 500));
    const Seen answer = peer.sees(syn_ack().ack(begin + 1));
    EXPECT_TRUE(answer.options.fast_open);
    EXPECT_FALSE(peer.accepts());
    EXPECT_EQ(peer.statistics().connections, 0u);
    EXPECT_EQ(peer.pool_in_use(), 0u) << "nothing of the text is kept";
}

TEST(Rfc7413, PendingOnesAreBounded) {  // section 5.1
    Opening how = listening();
    how.options.backlog = 3;
    how.config.syncookies = 0;
    Peer peer{how};
    peer.listens();
    const wire::FastOpen cookie = granted(peer);
    opens_early(peer, cookie, 10);
    EXPECT_EQ(peer.statistics().connections, 3u);
}

TEST(Rfc7413, PendingOnesThatWereResetCountForAMinuteMore) {  // section 5.1
    Opening how = listening();
    how.options.fast_open_queue = 2;
    how.config.challenges_a_second = 100;
    Peer peer{how};
    peer.listens();
    const wire::FastOpen cookie = granted(peer);
    peer.watches = false;
    std::uint16_t port = 53'000;
    const auto taken = [&] {
        again(peer, port++);
        const std::uint64_t before = peer.statistics().fast_opens;
        peer.sends(fast_syn(cookie, 100));
        peer.sends(rst().seq(peer.statistics().fast_opens > before ? peer.peer_next() : peer.peer_next() - 100));
        return peer.statistics().fast_opens > before;
    };
    EXPECT_TRUE(taken());
    EXPECT_TRUE(taken());
    EXPECT_FALSE(taken());
    peer.after(seconds(58));
    EXPECT_FALSE(taken());
    peer.after(seconds(8));
    EXPECT_TRUE(taken());
    EXPECT_TRUE(taken());
    EXPECT_FALSE(taken());
}

// An early flow that has written `text` bytes; what left is not looked at.
SeqNum writes_early(Peer& peer, std::uint16_t port, std::size_t text) {
    const wire::FastOpen cookie = granted(peer);
    again(peer, port);
    peer.sends(fast_syn(cookie, 100));
    const Seen answer = peer.sees(syn_ack());
    EXPECT_TRUE(peer.accepts());
    EXPECT_EQ(peer.writes(text), text);
    peer.ignores_what_was_sent();
    return answer.seq;
}

TEST(Rfc7413, AfterATimeoutSynAcksLeaveAloneAndTheWindowIsASegmentOnceTheyAreAnswered) {  // RFC 6928, section 2
    Peer peer{listening()};
    peer.listens();
    const SeqNum iss = writes_early(peer, 50'010, 8'000);
    for (int i = 0; i < 4; ++i) {
        peer.until_it_sends(seconds(100));
        peer.sees(syn_ack().seq(iss));
        peer.sees_nothing();
    }
    peer.sends(ack().ack(iss + 1));
    EXPECT_EQ(peer.state(), State::established);
    EXPECT_EQ(peer.sees(data(peer.effective_mss())).seq, iss + 1);
    peer.sees_nothing();
}

TEST(Rfc7413, ASynThatComesAgainIsAnsweredByTheSynAckAndNoTextWithIt) {  // section 4.2.2
    Peer peer{listening()};
    peer.listens();
    const SeqNum iss = writes_early(peer, 50'011, 3'000);
    const SeqNum next = peer.peer_next();
    peer.sends(syn().seq(next - 101));
    peer.sees(syn_ack().seq(iss).ack(next));
    peer.sees_nothing();
    peer.sends(ack().seq(next).ack(iss + 3'001));
    EXPECT_EQ(peer.state(), State::established);
    peer.sees_nothing();
}

TEST(Rfc7413, AnEarlyFlowEndsAlsoWhereTheUserWaitsForEver) {  // RFC 9293, MUST-23
    Opening how = listening();
    how.options.user_timeout = Duration{};
    Peer peer{how};
    peer.listens();
    static_cast<void>(writes_early(peer, 50'012, 100));
    peer.watches = false;
    const Duration ended = peer.until_event(Event::Kind::failed, seconds(400));
    EXPECT_TRUE(ended >= seconds(179) && ended <= seconds(181)) << ended.count();
}

TEST(Rfc7413, ListenersThatDoNotWantItIgnoreIt) {
    Opening how = listening();
    how.options.fast_open = false;
    Peer peer{how};
    peer.listens();
    const SeqNum begin = peer.peer_next();
    peer.sends(fast_syn({}, 100));
    EXPECT_FALSE(peer.sees(syn_ack().ack(begin + 1)).options.fast_open);
}

TEST(Rfc7413, AnOddOrTooLongOptionIsIgnored) {  // section 4.1.1
    Peer peer{listening()};
    peer.listens();
    peer.sends(syn().raw_options({2, 4, 5, 180, 34, 5, 1, 2, 3, 1, 1, 1}));
    EXPECT_FALSE(peer.sees(syn_ack()).options.fast_open);
}

TEST(Rfc7413, AnActiveOpenAsksForACookieAndUsesItTheNextTime) {  // section 4.1.3
    Opening how = early(true);
    how.timestamps = false;
    Peer peer{how};
    peer.connects();
    const Seen first = peer.sees(syn());
    ASSERT_TRUE(first.options.fast_open);
    EXPECT_EQ(first.options.fast_open->size, 0);
    peer.sends(syn_ack().ack(first.seq + 1).raw_options({2, 4, 5, 180, 34, 6, 1, 2, 3, 4, 1, 1}));
    peer.sees(ack());
    peer.aborts();
    peer.ignores_what_was_sent();

    peer.begins_anew(Peer::peer_port, SeqNum{77});
    ConnectOptions options;
    options.fast_open = true;
    const auto flow = peer.engine().connect({peer.remote.address, 0, Peer::peer_port}, options, peer.now);
    ASSERT_TRUE(flow);
    const std::vector<std::byte> text(300, std::byte{7});
    ASSERT_TRUE(peer.engine().write(*flow, text, {}, peer.now));
    std::array<Transmit, 4> out;
    ASSERT_EQ(peer.engine().transmit(out, peer.now), 1u);
    const auto view = wire::TcpView::parse(Bytes{out[0].header}.first(out[0].header_length).subspan(out[0].transport));
    ASSERT_TRUE(view);
    EXPECT_EQ(view->flags(), wire::syn);
    EXPECT_EQ(view->options()->fast_open->size, 4);
    std::size_t carried = 0;
    for (const Slice& slice : out[0].payload) carried += slice.size();
    EXPECT_EQ(carried, 300u);
}

TEST(Rfc7413, ACookieComesInTheOptionInWhichItWasAskedForAlsoInTheExperimentalOne) {  // section 7; RFC 6994
    Peer peer{listening()};
    peer.listens();
    peer.sends(syn().raw_options({2, 4, 5, 180, 254, 4, 0xf9, 0x89}));
    const Seen answer = peer.sees(syn_ack());
    ASSERT_TRUE(answer.options.fast_open);
    EXPECT_TRUE(answer.options.fast_open->experimental);
    peer.sends(rst().seq(peer.peer_next()));
    again(peer, 50'006);
    EXPECT_EQ(granted(peer).cookie, answer.options.fast_open->cookie) << "it is the same one";
}

TEST(Rfc7413, AValidCookieWithoutTextOpensAtOnceAndTextMayGoBeforeTheHandshakeIsThrough) {  // section 4.2.2
    Peer peer{listening()};
    peer.listens();
    const wire::FastOpen cookie = granted(peer);
    again(peer, 50'007);
    peer.sends(fast_syn(cookie));
    const Seen answer = peer.sees(syn_ack());
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.writes(3'000), 3'000u);
    EXPECT_EQ(peer.bytes_waiting(), 3'000u);
    peer.ignores_what_was_sent();
    peer.closes();
    peer.sees_nothing();  // a FIN waits for ESTABLISHED (RFC 9293, section 3.10.4)
    peer.sends(ack().ack(answer.seq + 1));
    EXPECT_EQ(peer.state(), State::fin_wait_1);
    peer.ignores_what_was_sent();
    peer.until_it_sends(seconds(5));
    EXPECT_GT(peer.bytes_waiting(), 0u) << "what left early is watched by a timer as any other text";
}

TEST(Rfc7413, AResetOfAnEarlyFlowIsAResetAndWhoKeepsWhatFailedCanAcceptAndReadIt) {
    for (const bool keeps : {false, true}) {
        Opening how = listening();
        how.options.keep_failed = keeps;
        Peer peer{how};
        peer.listens();
        const wire::FastOpen cookie = granted(peer);
        again(peer, 50'008);
        peer.sends(fast_syn(cookie, 500));
        peer.sees(syn_ack().ack(peer.peer_next()));
        peer.sends(rst().seq(peer.peer_next()));
        const auto flow = peer.engine().accept(peer.listener(), peer.now);
        ASSERT_EQ(flow.has_value(), keeps) << "RFC 9293, section 3.10.7.4: its queues are flushed";
        if (!keeps) continue;
        std::array<Event, 8> events;
        std::size_t count = 0;
        Error why{};
        while ((count = peer.engine().events(events, peer.now)) > 0)
            for (const Event& event : std::span{events}.first(count))
                if (event.kind == Event::Kind::failed) why = event.error;
        EXPECT_EQ(why, Error::reset);
        std::array<std::byte, 1'000> into;
        EXPECT_EQ(peer.engine().read(*flow, into, peer.now).value(), 500u);
        EXPECT_EQ(peer.engine().read(*flow, into, peer.now).error(), Error::reset);
        EXPECT_TRUE(peer.engine().abort(*flow, peer.now));
        EXPECT_FALSE(peer.engine().inspect(*flow));
    }
}

TEST(Rfc7413, WithoutCookiesTextIsTakenWhereAListenerIsTunedSo) {  // section 5.1: only where no address can be forged
    for (const int bare : {0, 1, 2}) {
        Opening how = listening();
        how.config.fast_open_bare = std::uint8_t(bare);
        Peer peer{how};
        peer.listens();
        const SeqNum begin = peer.peer_next();
        peer.sends(syn().length(500));
        peer.sees(syn_ack().ack(begin + (bare == 2 ? 501 : 1)));
        EXPECT_EQ(peer.statistics().connections, bare == 2 ? 1u : 0u);
    }
}

TEST(Rfc7413, AListenerMayHaveAKeyOfItsOwnAndABoundOfPendingFlows) {
    Opening how = listening();
    how.options.fast_open_key[0] = 17;
    how.options.fast_open_queue = 1;
    Peer peer{how}, other{listening()};
    peer.listens();
    other.listens();
    const wire::FastOpen cookie = granted(peer);
    EXPECT_NE(cookie, granted(other));
    opens_early(peer, cookie, 3);
    EXPECT_EQ(peer.statistics().connections, 1u);
}

TEST(Rfc7413, WhenSynsVanishAllActiveOpensLeaveItForAWhileIfTunedSo) {  // section 4.1.3.1
    Opening how = early(true);
    how.timestamps = false;
    how.config.fast_open_pause = seconds(60);
    Peer peer{how};
    peer.connects();
    ASSERT_TRUE(peer.sees(syn()).options.fast_open);
    peer.until_it_sends();
    EXPECT_FALSE(peer.sees(syn()).options.fast_open);
    peer.until_it_sends();
    peer.ignores_what_was_sent();
    peer.aborts();
    const auto asks = [&] {
        peer.ignores_what_was_sent();
        ConnectOptions options;
        options.fast_open = true;
        const auto flow = peer.engine().connect({peer.remote.address, 0, Peer::peer_port}, options, peer.now);
        std::array<Transmit, 4> out;
        EXPECT_EQ(peer.engine().transmit(out, peer.now), 1u);
        const auto view = wire::TcpView::parse(Bytes{out[0].header}.first(out[0].header_length).subspan(out[0].transport));
        EXPECT_TRUE(peer.engine().abort(*flow, peer.now));
        return view && view->options()->fast_open.has_value();
    };
    EXPECT_FALSE(asks());
    peer.after(seconds(61));
    EXPECT_TRUE(asks());
}

TEST(Rfc7413, SynsThatSaidNothingOfItAreNoReasonToLeaveIt) {
    Opening how = early(true);
    how.timestamps = false;
    how.config.fast_open_pause = seconds(60);
    Peer peer{how};
    const auto vanishes = [&](Duration wait) {  // true: its first SYN asked
        peer.connects();
        const bool asked = peer.sees(syn()).options.fast_open.has_value();
        peer.after(wait);
        peer.ignores_what_was_sent();
        peer.aborts();
        peer.ignores_what_was_sent();
        peer.begins_anew(Peer::peer_port, SeqNum{77});
        return asked;
    };
    EXPECT_TRUE(vanishes(seconds(4)));
    EXPECT_FALSE(vanishes(seconds(40)));
    peer.after(seconds(30));
    EXPECT_TRUE(vanishes(seconds(1))) << "the flow in the pause did not make it longer";
}

TEST(Rfc7413, ASynIsGivenUpAfterSoManyRetriesWhereAFlowSaysSo) {  // RFC 9293, section 3.8.3: R2 is the application's
    Opening how = early(true);
    how.options.syn_retries = 1;
    Peer peer{how};
    peer.connects();
    peer.ignores_what_was_sent();
    const Duration gave_up = peer.until_event(Event::Kind::failed, seconds(30));
    EXPECT_TRUE(gave_up >= seconds(3) && gave_up < ms(3'010));
}

// Both ends are engines.
struct Both : Pair {
    ListenerId listener;
    Both() {
        ListenOptions options;
        options.local.port = 80;
        options.fast_open = true;
        listener = b.listen(options, now).value();
    }
    Flow asks(std::size_t bytes) {
        ConnectOptions options;
        options.fast_open = true;
        const Flow flow = a.connect({ipv4(2), 0, 80}, options, now).value();
        const std::vector<std::byte> text(bytes, std::byte{1});
        EXPECT_EQ(a.write(flow, text, {}, now).value(), bytes);
        run(Duration::milliseconds(500));
        return flow;
    }
    std::size_t heard() {
        const auto flow = b.accept(listener, now);
        EXPECT_TRUE(flow);
        std::vector<std::byte> into(1 << 16);
        return flow ? b.read(*flow, into, now).value_or(0) : 0;
    }
};

TEST(Rfc7413, TwoEnginesSaveARoundTripFromTheSecondTimeOn) {
    Both pair;
    pair.asks(500);
    EXPECT_EQ(pair.heard(), 500u);
    EXPECT_EQ(pair.b.statistics().fast_opens, 0u);
    pair.asks(900);
    EXPECT_EQ(pair.heard(), 900u);
    EXPECT_EQ(pair.b.statistics().fast_opens, 1u);
    EXPECT_EQ(pair.a.statistics().fast_opens, 1u);
    const Flow large = pair.asks(10'000);
    EXPECT_EQ(pair.heard(), 10'000u) << "what the SYN had no room for follows";
    EXPECT_EQ(pair.b.statistics().fast_opens, 2u);
    EXPECT_EQ(pair.a.inspect(large)->receiving.state, tcp::State::established);
    EXPECT_EQ(pair.a.statistics().retransmitted_bytes, 0u);
}

}  // namespace
}  // namespace weft::test
