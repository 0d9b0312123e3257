// Two nodes in one process, over real loopback sockets: flows between descriptors, with backpressure and every kind of end.
#include <cstring>

#include "stack/core/address_text.h"
#include "tests/node/two_shards.h"

namespace weft::node {
namespace {

TEST_F(Shards, BytesPassBothWaysAtOnceAndMemoryReturns) {
    for (std::uint64_t round = 0; round < 4; ++round) {
        Seen from, to;
        ASSERT_NO_FATAL_FAILURE(open(from, to));
        EXPECT_EQ(from.peers.remote.address, b->address());
        EXPECT_EQ(to.peers.remote.address, a->address());
        const std::string there = noise(3 << 20, 2 * round), back = noise(2 << 20, 2 * round + 1);
        std::size_t sent_there = 0, sent_back = 0;
        std::string got_there, got_back;
        bool end_there = false, end_back = false, shut_there = false, shut_back = false;
        ASSERT_TRUE(run_until([&] {
            put(from.fd, there, sent_there);
            put(to.fd, back, sent_back);
            if (sent_there == there.size() && !std::exchange(shut_there, true)) ::shutdown(from.fd.get(), SHUT_WR);
            if (sent_back == back.size() && !std::exchange(shut_back, true)) ::shutdown(to.fd.get(), SHUT_WR);
            end_there = end_there || get(to.fd, got_there);
            end_back = end_back || get(from.fd, got_back);
            return end_there && end_back;
        }));
        EXPECT_TRUE(got_there == there && got_back == back);
        ASSERT_TRUE(run_until([&] { return from.ended && to.ended; }));
        EXPECT_FALSE(from.error || to.error);
        EXPECT_EQ(from.report.bytes_out, there.size());
        EXPECT_EQ(from.report.bytes_in, back.size());
        EXPECT_TRUE(a->finished() && b->finished());
    }
    expect_memory_at_base();
}

TEST_F(Shards, AProgramThatDoesNotReadStopsTheSender) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    const std::string bytes = noise(16 << 20, 3);
    std::size_t sent = 0, last = 0;
    Instant since = monotonic_now();
    ASSERT_TRUE(run_until([&] {
        put(from.fd, bytes, sent);
        if (std::exchange(last, sent) != sent) since = monotonic_now();
        return monotonic_now() > since + Duration::milliseconds(300);
    }));
    EXPECT_LT(sent, 6u << 20) << "two buffers, two socketpairs and what lies in hands";
    std::string got;
    ASSERT_TRUE(run_until([&] {
        put(from.fd, bytes, sent);
        get(to.fd, got);
        return got.size() == bytes.size();
    }));
    EXPECT_TRUE(got == bytes);
}

TEST_F(Shards, AnEmptyFlowEndsInOrder) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    from.fd.reset();
    to.fd.reset();
    ASSERT_TRUE(run_until([&] { return from.ended && to.ended; }));
    EXPECT_FALSE(from.error || to.error);
}

TEST_F(Shards, BytesWrittenBeforeTheProgramCloseArrive) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    const std::string bytes = noise(100'000, 4);
    std::size_t sent = 0;
    put(from.fd, bytes, sent);
    ASSERT_EQ(sent, bytes.size());
    from.fd.reset();
    std::string got;
    ASSERT_TRUE(run_until([&] { return get(to.fd, got); }));
    EXPECT_TRUE(got == bytes);
    to.fd.reset();
    ASSERT_TRUE(run_until([&] { return from.ended && to.ended; }));
    EXPECT_FALSE(from.error || to.error);
}

TEST_F(Shards, WhatComesForAProgramThatHasGoneResetsTheFlow) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    to.fd.reset();
    ASSERT_TRUE(run_until([&] { return a->engine().statistics().segments_in > 1; }));  // its SYN,ACK, and its FIN
    std::string got;
    ASSERT_TRUE(run_until([&] { return get(from.fd, got); })) << "its end of file is a half-close as far as we know";
    // Either text comes now, or the peer gives up waiting for our FIN, after time_wait.
    (void)::send(from.fd.get(), "x", 1, MSG_NOSIGNAL);
    ASSERT_TRUE(run_until([&] { return from.ended && to.ended; }));
    EXPECT_EQ(from.error, Error::reset);
    EXPECT_TRUE(to.error);
}

TEST_F(Shards, AbortResetsThePeer) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    EXPECT_TRUE(a->abort(from.flow));
    EXPECT_TRUE(from.ended);
    EXPECT_EQ(from.error, Error::aborted);
    ASSERT_TRUE(run_until([&] { return to.ended; }));
    EXPECT_EQ(to.error, Error::reset);
    EXPECT_EQ(a->abort(from.flow).error(), Error::no_such_flow);
}

TEST_F(Shards, WhereNobodyListensAndNobodyIsTheErrorSaysSo) {
    Seen refused;
    ASSERT_TRUE(a->connect(b->address(), 9, {}, refused.callbacks()));
    ASSERT_TRUE(run_until([&] { return refused.ended; }));
    EXPECT_EQ(refused.error, Error::prohibited);
    EXPECT_FALSE(refused.opened);

    overlay::Seed seed{};
    const Address stranger = overlay::Identity{seed}.address();
    EXPECT_EQ(a->connect(stranger, 7'000, {}, {}).error(), Error::network_unreachable);
    EXPECT_EQ(a->connect(a->address(), 7'000, {}, {}).error(), Error::invalid);
    EXPECT_EQ(a->connect(b->address(), 0, {}, {}).error(), Error::invalid);
    Seen to;
    ASSERT_TRUE(b->listen(7'000, {}, to.callbacks()));
    EXPECT_EQ(b->listen(7'000, {}, {}).error(), Error::address_in_use);
}

TEST_F(Shards, APeerThatWasRemovedIsReachedAgainWhenItIsAdded) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    a->remove_peer(b->address());
    EXPECT_FALSE(linked(*a));
    ASSERT_TRUE(run_until([&] { return !linked(*b); })) << "CLOSE came";
    a->add_peer(b->address(), std::array{b->udp().local4()});
    EXPECT_EQ(::send(from.fd.get(), "again", 5, MSG_NOSIGNAL), 5);
    std::string got;
    ASSERT_TRUE(run_until([&] {
        get(to.fd, got);
        return got.size() == 5;
    })) << "the flow outlived its link";
    EXPECT_EQ(got, "again");
}

TEST_F(Shards, AThousandFlowsLeaveNothingBehind) {
    const auto descriptors = [] { return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {}); };
    long before = 0;
    for (int round = 0; round < 20; ++round) {
        std::array<Seen, 50> from, to;
        for (std::size_t i = 0; i < from.size(); ++i) {
            const auto port = std::uint16_t(8'000 + i);
            const auto listener = b->listen(port, {}, to[i].callbacks());
            ASSERT_TRUE(listener);
            ASSERT_TRUE(a->connect(b->address(), port, {}, from[i].callbacks()));
            ASSERT_TRUE(run_until([&] { return from[i].opened && to[i].opened; }));
            b->unlisten(*listener);
            ASSERT_EQ(::send(from[i].fd.get(), "12345678", 8, MSG_NOSIGNAL), 8);
            if (i % 3 == 0) (void)a->abort(from[i].flow);
            from[i].fd.reset();
            if (i % 2 == 0) to[i].fd.reset();
        }
        for (Seen& seen : to) seen.fd.reset();
        ASSERT_TRUE(run_until([&] { return a->finished() && b->finished(); }));
        ASSERT_TRUE(run_until([&] { return a->engine().statistics().time_wait + b->engine().statistics().time_wait == 0; }));
        if (round == 0) before = descriptors();
    }
    expect_memory_at_base();
    EXPECT_EQ(descriptors(), before);
    EXPECT_EQ(a->engine().statistics().connections + b->engine().statistics().connections, 0u);
}

TEST_F(Shards, FinishEndsWhatIsOpenAndRefusesWhatIsNew) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    ASSERT_EQ(::send(from.fd.get(), "bye", 3, MSG_NOSIGNAL), 3);
    a->finish();
    EXPECT_EQ(::send(from.fd.get(), "x", 1, MSG_NOSIGNAL), -1) << "its output has ended";
    EXPECT_EQ(a->connect(b->address(), 7'000, {}, {}).error(), Error::network_unreachable);
    std::string got;
    ASSERT_TRUE(run_until([&] { return get(to.fd, got); }));
    EXPECT_EQ(got, "bye");
    EXPECT_FALSE(a->finished());
    to.fd.reset();
    ASSERT_TRUE(run_until([&] { return a->finished(); }));
    EXPECT_FALSE(from.error);
    a->close();
    ASSERT_TRUE(run_until([&] { return !linked(*b); }));
}

}  // namespace
}  // namespace weft::node
