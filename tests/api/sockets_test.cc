// Sockets over two engines with nothing between them: each call's value, and the errno value of each that cannot be.
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <string>

#include "stack/api/sockets.h"
#include "stack/tcp/info.h"
#include "tests/engine/pair.h"

namespace weft::api {
namespace {

using test::ipv4;

struct Two : testing::Test {
    // Until neither has anything to say, events taken.
    void settle() {
        pair.settle();
        a.settle(pair.now);
        b.settle(pair.now);
        pair.settle();
    }
    void run(Duration time) {
        pair.run(time);
        settle();
    }

    std::pair<SocketId, SocketId> connected() {
        listener = b.open(Family::ipv4).value();
        EXPECT_TRUE(b.bind(listener, {{}, 0, 80}));
        EXPECT_TRUE(b.listen(listener, 5, pair.now));
        const SocketId client = a.open(Family::ipv4).value();
        EXPECT_EQ(a.connect(client, {ipv4(2), 0, 80}, pair.now).error(), EINPROGRESS);
        settle();
        EXPECT_TRUE(a.connect(client, {ipv4(2), 0, 80}, pair.now));
        const SocketId server = b.accept(listener, pair.now).value();
        settle();
        return {client, server};
    }

    Outcome<std::size_t> send(Sockets& from, SocketId id, std::string_view text, int flags = 0) {
        const iovec part{const_cast<char*>(text.data()), text.size()};
        return from.send(id, {&part, 1}, flags, pair.now);
    }
    Outcome<std::string> receive(Sockets& at, SocketId id, std::size_t most = 100, int flags = 0) {
        std::string text(most, ' ');
        const iovec part{text.data(), text.size()};
        const auto count = at.receive(id, {&part, 1}, flags, pair.now);
        if (!count) return std::unexpected(count.error());
        text.resize(*count);
        return text;
    }
    Outcome<void> set(Sockets& at, SocketId id, int level, int name, int value) {
        return at.set_option(id, level, name, std::as_bytes(std::span{&value, 1}), pair.now);
    }
    int get(Sockets& at, SocketId id, int level, int name) {
        int value = -1;
        const auto size = at.get_option(id, level, name, std::as_writable_bytes(std::span{&value, 1}), pair.now);
        return size ? value : -size.error();
    }

    test::Pair pair;
    Sockets a{pair.a, {1, 2}}, b{pair.b, {3, 4}};
    SocketId listener;
};

TEST_F(Two, AFreshSocketCanBeBoundOnceAndOnlyWhereThisHostIs) {
    const SocketId one = a.open(Family::ipv4).value(), two = a.open(Family::ipv4).value();
    EXPECT_EQ(a.bind(one, {ipv4(9), 0, 80}).error(), EADDRNOTAVAIL);
    EXPECT_TRUE(a.bind(one, {ipv4(1), 0, 80}));
    EXPECT_EQ(a.bind(one, {ipv4(1), 0, 81}).error(), EINVAL);
    EXPECT_EQ(a.bind(two, {{}, 0, 80}).error(), EADDRINUSE);
    EXPECT_TRUE(a.bind(two, {ipv4(1), 0, 0}));
    EXPECT_GE(a.local(two)->port, 49'152);
    EXPECT_TRUE(a.close(one, pair.now));
    EXPECT_EQ(a.close(one, pair.now).error(), EBADF);
    const SocketId three = a.open(Family::ipv4).value();
    EXPECT_TRUE(a.bind(three, {{}, 0, 80})) << "the port is free again";
}

TEST_F(Two, WhatNeedsAConnectionSaysThatThereIsNone) {
    const SocketId one = a.open(Family::ipv4).value();
    EXPECT_EQ(receive(a, one).error(), ENOTCONN);
    EXPECT_EQ(send(a, one, "x").error(), EPIPE);
    EXPECT_EQ(a.shutdown(one, Sockets::How::both, pair.now).error(), ENOTCONN);
    EXPECT_EQ(a.remote(one).error(), ENOTCONN);
    EXPECT_EQ(a.accept(one, pair.now).error(), EINVAL);
    EXPECT_EQ(a.poll(one), std::uint32_t{out} | hang_up);
    EXPECT_TRUE(a.listen(one, 5, pair.now));
    EXPECT_EQ(a.accept(one, pair.now).error(), EAGAIN);
    EXPECT_EQ(a.connect(one, {ipv4(2), 0, 80}, pair.now).error(), EISCONN);
}

TEST_F(Two, ConnectIsInProgressThenAlreadyThenDoneOnceThenConnected) {
    const SocketId client = a.open(Family::ipv4).value();
    listener = b.open(Family::ipv4).value();
    ASSERT_TRUE(b.bind(listener, {{}, 0, 80}));
    ASSERT_TRUE(b.listen(listener, 5, pair.now));
    const Endpoint to{ipv4(2), 0, 80};
    EXPECT_EQ(a.connect(client, to, pair.now).error(), EINPROGRESS);
    EXPECT_EQ(a.connect(client, to, pair.now).error(), EALREADY);
    EXPECT_EQ(send(a, client, "x").error(), EAGAIN);
    EXPECT_EQ(a.poll(client), 0u);
    EXPECT_EQ(b.poll(listener), 0u);
    settle();
    EXPECT_EQ(b.poll(listener), std::uint32_t{in});
    EXPECT_EQ(a.poll(client), std::uint32_t{out});
    EXPECT_TRUE(a.connect(client, to, pair.now));
    EXPECT_EQ(a.connect(client, to, pair.now).error(), EISCONN);
    EXPECT_EQ(a.remote(client)->port, 80);
}

// Send buffers that count as Linux's do (Sockets::count_packets()).
struct Counting : Two {
    Counting() { a.count_packets(true); }
    static bool lose_all(std::uint64_t) { return true; }
};

TEST_F(Counting, EachPacketTakesItsOverheadToo) {
    const auto [client, server] = connected();
    ASSERT_TRUE(set(a, client, SOL_SOCKET, SO_SNDBUF, 16'384));
    ASSERT_TRUE(set(a, client, IPPROTO_TCP, TCP_NODELAY, 1));
    pair.lose = lose_all;
    std::string sent;
    while (sent.size() < 1'000 && send(a, client, std::string(1, char('a' + sent.size() % 26)))) {
        sent += char('a' + sent.size() % 26);
        pair.settle();
    }
    EXPECT_GE(sent.size(), 20u);
    EXPECT_LE(sent.size(), 30u) << "twice the bound by 1,281 bytes";
    EXPECT_EQ(send(a, client, "x").error(), EAGAIN);
    EXPECT_EQ(a.poll(client) & out, 0u);
    pair.lose = {};
    run(Duration::seconds(10));
    const auto got = receive(b, server);
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, sent);
    EXPECT_NE(a.poll(client) & out, 0u);
    EXPECT_TRUE(send(a, client, "x"));
}

TEST_F(Counting, TextThatFillsAPacketUpTakesNoOther) {
    const auto [client, server] = connected();
    ASSERT_TRUE(set(a, client, SOL_SOCKET, SO_SNDBUF, 16'384));
    pair.lose = lose_all;
    ASSERT_TRUE(send(a, client, "a"));
    pair.settle();  // under way: what follows waits for it, and for more
    std::size_t sent = 1;
    while (sent < 5'000 && send(a, client, "b")) ++sent, pair.settle();
    EXPECT_EQ(sent, 5'000u) << "thirty would have been too many packets";
    pair.lose = {};
    run(Duration::seconds(10));
    const auto got = receive(b, server, 6'000);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->size(), 5'000u);
}

TEST_F(Counting, APacketIsFilledBeyondTheBoundAndArrivesWhole) {
    const auto [client, server] = connected();
    ASSERT_TRUE(set(a, client, SOL_SOCKET, SO_SNDBUF, 8'192));
    std::string text(400'000, ' '), got;
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = char('a' + i % 23);
    const auto first = send(a, client, text);
    ASSERT_TRUE(first);
    EXPECT_GT(*first, 8'192u);
    EXPECT_LT(*first, text.size());
    std::size_t sent = *first;
    for (int rounds = 0; got.size() < text.size() && rounds < 10'000; ++rounds) {
        run(Duration::milliseconds(10));
        while (const auto some = receive(b, server, 65'536)) got += *some;
        if ((a.poll(client) & out) == 0 || sent == text.size()) continue;
        const auto more = send(a, client, std::string_view{text}.substr(sent));
        ASSERT_TRUE(more) << "poll said that there was room";
        sent += *more;
    }
    EXPECT_TRUE(got == text);
}

// Fast Open (RFC 7413) as Linux's sockets have it.
struct Fast : Two {
    Fast() {
        listener = b.open(Family::ipv4).value();
        EXPECT_TRUE(set(b, listener, IPPROTO_TCP, TCP_FASTOPEN, 5));
        EXPECT_TRUE(b.bind(listener, {{}, 0, 80}));
        EXPECT_TRUE(b.listen(listener, 5, pair.now));
    }
    Outcome<std::size_t> first(SocketId id, std::string_view text, bool all = false) {
        const iovec part{const_cast<char*>(text.data()), text.size()};
        return a.send_first(id, {ipv4(2), 0, 80}, {&part, 1}, 0, pair.now, all);
    }
    void learn() {  // the server's cookie
        const SocketId one = a.open(Family::ipv4).value();
        EXPECT_EQ(first(one, "").error(), EINPROGRESS);
        settle();
        EXPECT_TRUE(a.close(one, pair.now));
        settle();
        EXPECT_TRUE(b.close(b.accept(listener, pair.now).value(), pair.now));
        settle();
    }
};

TEST_F(Fast, TheFirstTextWaitsForACookieAndGoesWithTheSynOnceThereIsOne) {
    const SocketId one = a.open(Family::ipv4).value();
    EXPECT_EQ(first(one, "hello").error(), EINPROGRESS) << "none of it left";
    EXPECT_EQ(first(one, "hello").error(), EALREADY);
    settle();
    EXPECT_EQ(first(one, "hello").value(), 5u) << "after the handshake it is a send() as any other";
    EXPECT_EQ(first(one, "hello").error(), EISCONN);
    settle();
    EXPECT_EQ(receive(b, b.accept(listener, pair.now).value()).value(), "hello");
    const SocketId two = a.open(Family::ipv4).value();
    EXPECT_EQ(first(two, "again").value(), 5u);
    EXPECT_EQ(send(a, two, "x").error(), EAGAIN);
    settle();
    EXPECT_EQ(receive(b, b.accept(listener, pair.now).value()).value(), "again");
    EXPECT_EQ(pair.b.statistics().fast_opens, 1u);
    tcp::TcpInfo info;
    ASSERT_TRUE(a.get_option(two, IPPROTO_TCP, TCP_INFO, std::as_writable_bytes(std::span{&info, 1}), pair.now));
    EXPECT_TRUE(info.options & tcp::TcpInfo::syn_data);
}

TEST_F(Fast, AConnectThatIsPutOffIsReadyToWriteAndLeavesWithTheFirstText) {
    learn();
    const SocketId one = a.open(Family::ipv4).value();
    EXPECT_TRUE(set(a, one, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
    EXPECT_EQ(get(a, one, IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 1);
    EXPECT_TRUE(a.connect(one, {ipv4(2), 0, 80}, pair.now));
    EXPECT_EQ(a.connect(one, {ipv4(2), 0, 80}, pair.now).error(), EISCONN);
    EXPECT_EQ(a.poll(one), std::uint32_t{out});
    EXPECT_EQ(receive(a, one).error(), EAGAIN);
    settle();
    EXPECT_EQ(b.poll(listener), 0u) << "nothing has left";
    EXPECT_EQ(send(a, one, "put off").value(), 7u);
    settle();
    EXPECT_EQ(receive(b, b.accept(listener, pair.now).value()).value(), "put off");
}

TEST_F(Fast, WhoWaitsAnywayHasAllOfItQueuedBehindTheSyn) {
    learn();
    const std::string text(5'000, 'w');
    EXPECT_EQ(first(a.open(Family::ipv4).value(), text, true).value(), 5'000u);
    EXPECT_EQ(first(a.open(Family::ipv4).value(), text).value(), 1'420u) << "less 40 bytes for options: what a SYN carries";
    settle();
    EXPECT_EQ(receive(b, b.accept(listener, pair.now).value(), 9'000).value(), text);
    EXPECT_EQ(receive(b, b.accept(listener, pair.now).value(), 9'000).value().size(), 1'420u);
}

TEST_F(Fast, WhatIsSwitchedOffOrMadeNoSenseOfIsRefused) {
    const SocketId one = a.open(Family::ipv4).value();
    EXPECT_EQ(set(a, one, IPPROTO_TCP, TCP_FASTOPEN, -1).error(), EINVAL);
    EXPECT_EQ(a.set_option(one, IPPROTO_TCP, TCP_FASTOPEN_KEY, std::array<std::byte, 3>{}, pair.now).error(), EINVAL);
    const std::array<std::byte, 16> key{std::byte{1}};
    EXPECT_TRUE(a.set_option(one, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, pair.now));
    std::array<std::byte, 16> read;
    EXPECT_EQ(a.get_option(one, IPPROTO_TCP, TCP_FASTOPEN_KEY, read, pair.now).value(), 16u);
    EXPECT_EQ(read, key);
    Config config = pair.a.config();
    config.fast_open = 2;
    pair.a.tune(config, pair.now);
    EXPECT_EQ(set(a, one, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1).error(), EOPNOTSUPP);
    EXPECT_EQ(first(one, "x").error(), EOPNOTSUPP);
}

TEST_F(Fast, WhatCameBeforeAResetCanBeReadWhereSocketsKeepWhatFailed) {
    b.keep_failed(true);
    const SocketId client = a.open(Family::ipv4).value();
    EXPECT_TRUE(b.close(listener, pair.now));
    listener = b.open(Family::ipv4).value();
    EXPECT_TRUE(b.bind(listener, {{}, 0, 81}));
    EXPECT_TRUE(b.listen(listener, 5, pair.now));
    EXPECT_EQ(a.connect(client, {ipv4(2), 0, 81}, pair.now).error(), EINPROGRESS);
    settle();
    EXPECT_EQ(send(a, client, "last words").value(), 10u);
    settle();
    EXPECT_TRUE(a.abort(client, pair.now));
    settle();
    const SocketId accepted = b.accept(listener, pair.now).value();
    settle();
    EXPECT_EQ(receive(b, accepted).value(), "last words");
    EXPECT_EQ(receive(b, accepted).error(), ECONNRESET);
    EXPECT_EQ(receive(b, accepted).value(), "");
    EXPECT_TRUE(b.close(accepted, pair.now));
    settle();
    EXPECT_EQ(pair.b.flows().size(), 0u);
}

TEST_F(Two, ARefusedConnectIsToldOnceAndTheSocketMayTryAgain) {
    const SocketId client = a.open(Family::ipv4).value();
    EXPECT_EQ(a.connect(client, {ipv4(2), 0, 81}, pair.now).error(), EINPROGRESS);
    settle();
    EXPECT_EQ(a.poll(client) & (trouble | hang_up), std::uint32_t{trouble} | hang_up);
    EXPECT_EQ(get(a, client, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    EXPECT_EQ(get(a, client, SOL_SOCKET, SO_ERROR), 0);
    EXPECT_EQ(a.connect(client, {ipv4(2), 0, 81}, pair.now).error(), ECONNABORTED);
    EXPECT_EQ(a.connect(client, {ipv4(2), 0, 81}, pair.now).error(), EINPROGRESS);
    settle();
    EXPECT_EQ(a.connect(client, {ipv4(2), 0, 81}, pair.now).error(), ECONNREFUSED);
}

TEST_F(Two, TextIsPeekedAtReadAndCounted) {
    const auto [client, server] = connected();
    EXPECT_EQ(receive(b, server).error(), EAGAIN);
    EXPECT_EQ(send(a, client, "hello world"), 11u);
    EXPECT_EQ(a.ask(client, SIOCOUTQ), 11);
    EXPECT_EQ(a.ask(client, SIOCOUTQNSD), 11);
    settle();
    EXPECT_EQ(b.poll(server) & in, std::uint32_t{in});
    EXPECT_EQ(b.ask(server, FIONREAD), 11);
    EXPECT_EQ(receive(b, server, 5, peek), "hello");
    EXPECT_EQ(receive(b, server, 5), "hello");
    EXPECT_EQ(receive(b, server, 100), " world");
    EXPECT_EQ(b.ask(server, FIONREAD), 0);
    run(Duration::seconds(1));
    EXPECT_EQ(a.ask(client, SIOCOUTQ), 0);
    EXPECT_EQ(a.ask(client, 0xbad).error(), ENOTTY);
}

TEST_F(Two, ScatteredBuffersAreOneStream) {
    const auto [client, server] = connected();
    std::string first = "one ", second = "two ", third = "three";
    const std::array parts{iovec{first.data(), 4}, iovec{second.data(), 4}, iovec{nullptr, 0}, iovec{third.data(), 5}};
    EXPECT_EQ(a.send(client, parts, 0, pair.now), 13u);
    settle();
    std::array<char, 6> x{};
    std::array<char, 20> y{};
    const std::array into{iovec{x.data(), x.size()}, iovec{y.data(), y.size()}};
    EXPECT_EQ(b.receive(server, into, peek, pair.now), 13u);
    EXPECT_EQ(b.receive(server, into, 0, pair.now), 13u);
    EXPECT_EQ(std::string(x.data(), 6) + std::string(y.data(), 7), "one two three");
}

TEST_F(Two, AHalfThatIsClosedReadsToItsEndWhileTheOtherGoesOn) {
    const auto [client, server] = connected();
    EXPECT_EQ(send(a, client, "last"), 4u);
    EXPECT_TRUE(a.shutdown(client, Sockets::How::write, pair.now));
    EXPECT_EQ(send(a, client, "x").error(), EPIPE);
    settle();
    EXPECT_EQ(b.poll(server) & (in | peer_shut), std::uint32_t{in} | peer_shut);
    EXPECT_EQ(receive(b, server), "last");
    EXPECT_EQ(receive(b, server), "");
    EXPECT_EQ(receive(b, server), "") << "and again";
    EXPECT_EQ(send(b, server, "answer"), 6u);
    settle();
    EXPECT_EQ(receive(a, client), "answer");
    EXPECT_TRUE(b.close(server, pair.now));
    settle();
    EXPECT_EQ(receive(a, client), "");
    EXPECT_TRUE(a.poll(client) & hang_up);
}

TEST_F(Two, LingeringForNoTimeResetsAndTheOtherEndHearsItOnce) {
    const auto [client, server] = connected();
    const linger none{1, 0};
    EXPECT_TRUE(a.set_option(client, SOL_SOCKET, SO_LINGER, std::as_bytes(std::span{&none, 1}), pair.now));
    EXPECT_TRUE(a.close(client, pair.now));
    settle();
    EXPECT_EQ(receive(b, server).error(), ECONNRESET);
    EXPECT_EQ(receive(b, server), "");
    EXPECT_EQ(send(b, server, "x").error(), EPIPE);
}

TEST_F(Two, ClosingWithUnreadTextResets) {
    const auto [client, server] = connected();
    EXPECT_EQ(send(a, client, "unread"), 6u);
    settle();
    EXPECT_TRUE(b.close(server, pair.now));
    settle();
    EXPECT_EQ(get(a, client, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

TEST_F(Two, ACorkHoldsAShortSegmentUntilItIsDrawn) {
    const auto [client, server] = connected();
    EXPECT_TRUE(set(a, client, IPPROTO_TCP, TCP_CORK, 1));
    EXPECT_EQ(send(a, client, "short"), 5u);
    settle();
    EXPECT_EQ(receive(b, server).error(), EAGAIN);
    EXPECT_TRUE(set(a, client, IPPROTO_TCP, TCP_CORK, 0));
    settle();
    EXPECT_EQ(receive(b, server), "short");
}

TEST_F(Two, UrgentTextStaysInTheStream) {
    const auto [client, server] = connected();
    EXPECT_EQ(send(a, client, "now!", oob), 4u);
    settle();
    EXPECT_TRUE(b.poll(server) & priority);
    EXPECT_EQ(receive(b, server, 1, oob).error(), EINVAL);
    EXPECT_EQ(receive(b, server), "now!");
    EXPECT_FALSE(b.poll(server) & priority);
}

TEST_F(Two, OptionsAreReadBackAsLinuxReadsThemBack) {
    const auto [client, server] = connected();
    EXPECT_TRUE(set(a, client, SOL_SOCKET, SO_SNDBUF, 10'000));
    EXPECT_EQ(get(a, client, SOL_SOCKET, SO_SNDBUF), 20'000);
    EXPECT_TRUE(set(a, client, IPPROTO_TCP, TCP_NODELAY, 1));
    EXPECT_EQ(get(a, client, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(set(a, client, IPPROTO_TCP, TCP_KEEPCNT, 0).error(), EINVAL);
    EXPECT_TRUE(set(a, client, IPPROTO_TCP, TCP_KEEPIDLE, 5));
    EXPECT_EQ(get(a, client, IPPROTO_TCP, TCP_KEEPIDLE), 5);
    EXPECT_EQ(get(a, client, IPPROTO_TCP, TCP_KEEPINTVL), 75);
    EXPECT_EQ(set(a, client, IPPROTO_TCP, 9'999, 1).error(), ENOPROTOOPT);
    EXPECT_EQ(set(a, client, SOL_SOCKET, SO_TYPE, 1).error(), ENOPROTOOPT);
    EXPECT_EQ(get(a, client, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    EXPECT_EQ(get(a, server, SOL_SOCKET, SO_ACCEPTCONN), -EBADF) << "another stack's socket";
    EXPECT_EQ(get(b, listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
    const std::string cubic = "cubic";
    EXPECT_TRUE(a.set_option(client, IPPROTO_TCP, TCP_CONGESTION, std::as_bytes(std::span{cubic}), pair.now));
    EXPECT_EQ(pair.a.congestion(a.find(client)->flow), "cubic");
    const std::string nobody = "nobody";
    EXPECT_EQ(a.set_option(client, IPPROTO_TCP, TCP_CONGESTION, std::as_bytes(std::span{nobody}), pair.now).error(), ENOENT);
    tcp::TcpInfo info;
    EXPECT_EQ(a.get_option(client, IPPROTO_TCP, TCP_INFO, std::as_writable_bytes(std::span{&info, 1}), pair.now), 280u);
    EXPECT_EQ(info.state, tcp::TcpInfo::established);
}

TEST_F(Two, AListenersLargestSegmentAndBuffersAreThoseOfWhatItAccepts) {
    listener = b.open(Family::ipv4).value();
    ASSERT_TRUE(b.bind(listener, {{}, 0, 80}));
    ASSERT_TRUE(b.listen(listener, 5, pair.now));
    EXPECT_TRUE(set(b, listener, IPPROTO_TCP, TCP_MAXSEG, 700));
    EXPECT_TRUE(set(b, listener, SOL_SOCKET, SO_RCVBUF, 20'000));
    const SocketId client = a.open(Family::ipv4).value();
    EXPECT_EQ(a.connect(client, {ipv4(2), 0, 80}, pair.now).error(), EINPROGRESS);
    settle();
    const SocketId server = b.accept(listener, pair.now).value();
    settle();
    EXPECT_LE(get(b, server, IPPROTO_TCP, TCP_MAXSEG), 700);
    EXPECT_LE(get(a, client, IPPROTO_TCP, TCP_MAXSEG), 700) << "the SYN,ACK said so";
    EXPECT_EQ(pair.b.inspect(b.find(server)->flow)->receiving.limit, 20'000u);
    EXPECT_EQ(set(b, listener, IPPROTO_TCP, TCP_MAXSEG, 5).error(), EINVAL);
}

TEST_F(Two, TextThatMoreFollowsWaitsEvenWhereNothingElseDoes) {
    const auto [client, server] = connected();
    EXPECT_TRUE(set(a, client, IPPROTO_TCP, TCP_NODELAY, 1));
    EXPECT_EQ(send(a, client, "first ", more), 6u);
    settle();
    EXPECT_EQ(receive(b, server).error(), EAGAIN);
    EXPECT_EQ(send(a, client, "second"), 6u);
    settle();
    EXPECT_EQ(receive(b, server), "first second");
}

TEST_F(Two, AWriteTakesWhatThereIsRoomForAndIsToldWhenThereIsMore) {
    const auto [client, server] = connected();
    const std::string much(3 << 20, 'x');
    const auto taken = send(a, client, much);
    ASSERT_TRUE(taken);
    EXPECT_LT(*taken, much.size());
    EXPECT_EQ(send(a, client, much).error(), EAGAIN);
    EXPECT_FALSE(a.poll(client) & out);
    Sockets::Woken woken;
    while (a.next_woken(woken)) {}
    for (int i = 0; i < 100 && !(a.poll(client) & out); ++i) {
        run(Duration::milliseconds(50));
        (void)receive(b, server, 1 << 20);
    }
    EXPECT_TRUE(a.poll(client) & out);
    bool told = false;
    while (a.next_woken(woken)) told = told || (woken.socket == client && (woken.what & out) != 0);
    EXPECT_TRUE(told);
}

TEST_F(Two, NobodyWhoAsksForEdgesIsNoReasonToKeepThemForEver) {
    for (int i = 0; i < 500; ++i) {
        const SocketId client = a.open(Family::ipv4).value();
        (void)a.connect(client, {ipv4(2), 0, 81}, pair.now);
        settle();
        EXPECT_TRUE(a.close(client, pair.now));
    }
    const SocketId last = a.open(Family::ipv4).value();
    (void)a.connect(last, {ipv4(2), 0, 81}, pair.now);
    settle();
    Sockets::Woken woken;
    int told = 0;
    while (a.next_woken(woken)) {
        EXPECT_EQ(woken.socket, last);
        ++told;
    }
    EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace weft::api
