// Faults in virtual time over a link that writes down what it is given.
#include "stack/link/fault.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <random>

#include "stack/wire/ipv4.h"
#include "tests/link/support.h"

namespace weft::test {
namespace {

using link::Fault;
using link::FaultConfig;

struct Sent {
    Bytes bytes;
    UdpEndpoint to;
    Ecn ecn{};
    friend bool operator==(const Sent&, const Sent&) = default;
};

// Takes everything, up to `room` datagrams.
struct Notebook {
    std::vector<Sent> sent;
    std::size_t room{~std::size_t{0}};
    bool cuts_tcp{false};

    LinkCapabilities capabilities() const {
        return {.mtu = 65'507, .max_super_segment = 65'536, .segments_tcp = cuts_tcp, .segments_udp = true};
    }
    std::size_t send(std::span<const Transmit> out) {
        std::size_t taken = 0;
        for (; taken < out.size() && sent.size() < room; ++taken) {
            const Transmit& one = out[taken];
            Bytes bytes(one.header.begin(), one.header.begin() + one.header_length);
            for (const Slice& slice : one.payload) bytes.insert(bytes.end(), slice.bytes().begin(), slice.bytes().end());
            sent.push_back({bytes, one.to, one.ecn});
        }
        return taken;
    }
    std::size_t receive(std::span<Receive> in, BufferPool&) { return in.size(); }
};
static_assert(Link<Fault<Notebook>> && Link<Fault<Fault<Notebook>>>);

Instant at(std::int64_t microseconds) { return Instant{} + Duration::microseconds(microseconds); }

Bytes numbered(std::uint32_t number, std::size_t size = 100) {
    Bytes bytes = pattern(size, number);
    std::memcpy(bytes.data(), &number, sizeof number);
    return bytes;
}

std::uint32_t number_of(const Sent& sent) {
    std::uint32_t number = 0;
    std::memcpy(&number, sent.bytes.data(), sizeof number);
    return number;
}

// Sends `count` numbered datagrams, one each microsecond, and waits for all that is delayed.
template <class L>
void run(L& fault, BufferPool& pool, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        Outgoing out{pool};
        fault.advance(at(i));
        out.add(loopback4(std::uint16_t(i % 60'000 + 1)), numbered(i)).ecn = Ecn(i % 4);
        EXPECT_EQ(fault.send(out.all()), 1u);
    }
    while (fault.deadline() != Instant::never()) fault.advance(fault.deadline());
}

void expect_near(std::uint64_t value, std::uint64_t expected) {  // within six standard deviations of a rare event's count
    std::uint64_t root = 1;
    while (root * root < expected) ++root;
    EXPECT_GE(value + 6 * root, expected);
    EXPECT_LE(value, expected + 6 * root);
}

TEST(Fault, WithoutFaultsEveryDatagramPassesUnchangedAndAtOnce) {
    BufferPool pool{16 << 20};
    Fault fault{Notebook{}, {}, pool};
    Outgoing out{pool};
    out.add(loopback4(5), pattern(10'000, 1), 1'400, 333).ecn = Ecn::ect0;
    out.add(loopback6(6), pattern(77, 2));
    out.add(loopback6(7), {});
    EXPECT_EQ(fault.send(out.all()), 3u);
    std::vector<Sent> expected;
    for (const Bytes& datagram : cut(pattern(10'000, 1), 1'400)) expected.push_back({datagram, loopback4(5), Ecn::ect0});
    expected.push_back({pattern(77, 2), loopback6(6), Ecn::not_capable});
    expected.push_back({{}, loopback6(7), Ecn::not_capable});
    EXPECT_EQ(fault.inner().sent, expected);
    EXPECT_EQ(fault.statistics().datagrams, expected.size());
    EXPECT_EQ(fault.statistics().sent, expected.size());
    EXPECT_EQ(fault.deadline(), Instant::never());
}

TEST(Fault, AnyTrainInAnySlicesIsCutIntoItsDatagrams) {
    std::mt19937_64 draw{3};
    BufferPool pool{64 << 20};
    for (int round = 0; round < 300; ++round) {
        Fault fault{Notebook{}, {}, pool};
        Outgoing out{pool};
        const Bytes train = pattern(draw() % 20'000 + 1, std::uint32_t(round));
        const std::size_t segment = draw() % 2'000 + 50;
        out.add(loopback4(1), train, std::uint16_t(segment), draw() % 3'000 + 20);
        fault.send(out.all());
        std::vector<Bytes> came;
        for (const Sent& one : fault.inner().sent) came.push_back(one.bytes);
        ASSERT_EQ(came, cut(train, segment)) << "round " << round;
    }
}

TEST(Fault, RatesAreInPartsPerMillion) {
    BufferPool pool{16 << 20};
    constexpr std::uint32_t count = 40'000;
    Fault fault{Notebook{}, {.seed = 4, .loss = 10'000, .reorder = 50'000, .duplicate = 20'000, .corrupt = 30'000}, pool};
    run(fault, pool, count);
    const auto& seen = fault.statistics();
    EXPECT_EQ(seen.datagrams, count);
    expect_near(seen.lost, count / 100);
    expect_near(seen.reordered, count / 20);
    expect_near(seen.duplicated, count / 50);
    expect_near(seen.corrupted, count * 3 / 100);
    EXPECT_EQ(seen.overflowed + seen.refused, 0u);
    EXPECT_EQ(seen.sent, count - seen.lost + seen.duplicated);
    EXPECT_EQ(fault.inner().sent.size(), seen.sent);
}

TEST(Fault, ARateOfAMillionIsAlways) {
    BufferPool pool{16 << 20};
    Fault lossy{Notebook{}, {.loss = 1'000'000}, pool}, twice{Notebook{}, {.duplicate = 1'000'000}, pool};
    run(lossy, pool, 500);
    run(twice, pool, 500);
    EXPECT_EQ(lossy.inner().sent.size(), 0u);
    EXPECT_EQ(twice.inner().sent.size(), 1'000u);
    for (std::size_t i = 0; i < 1'000; i += 2) EXPECT_EQ(twice.inner().sent[i], twice.inner().sent[i + 1]);
}

TEST(Fault, TheSameSeedMakesTheSameFaultsAndAnotherSeedOthers) {
    BufferPool pool{16 << 20};
    const auto outcome = [&](std::uint64_t seed) {
        Fault fault{Notebook{},
                    {.seed = seed,
                     .loss = 50'000,
                     .reorder = 50'000,
                     .duplicate = 50'000,
                     .corrupt = 50'000,
                     .delay = Duration::microseconds(30),
                     .jitter = Duration::microseconds(20)},
                    pool};
        run(fault, pool, 2'000);
        return fault.inner().sent;
    };
    EXPECT_EQ(outcome(1), outcome(1));
    EXPECT_NE(outcome(1), outcome(2));
}

TEST(Fault, WhatBecomesOfADatagramDoesNotDependOnHowDatagramsAreJoinedInTrains) {
    BufferPool pool{16 << 20};
    const FaultConfig config{.seed = 9, .loss = 100'000, .duplicate = 100'000, .corrupt = 100'000};
    const Bytes bytes = pattern(64'000, 1);
    const auto outcome = [&](std::size_t in_one) {
        Fault fault{Notebook{}, config, pool};
        for (const Bytes& train : cut(bytes, in_one * 100)) {
            Outgoing out{pool};
            out.add(loopback4(1), train, 100);
            fault.send(out.all());
        }
        return fault.inner().sent;
    };
    EXPECT_EQ(outcome(1), outcome(64));
    EXPECT_EQ(outcome(1), outcome(7));
}

TEST(Fault, CorruptionFlipsOneBitOfACopyAndNothingElse) {
    BufferPool pool{16 << 20};
    Fault fault{Notebook{}, {.seed = 2, .corrupt = 1'000'000}, pool};
    std::map<std::size_t, int> places;
    for (std::uint32_t i = 0; i < 4'000; ++i) {
        Outgoing out{pool};
        const Bytes original = pattern(8, i);
        Transmit& transmit = out.add(loopback4(1), original, 0, 3);
        transmit.header_length = 4;
        for (std::size_t j = 0; j < 4; ++j) transmit.header[j] = std::byte(i + j);
        fault.send(out.all());
        Bytes whole(transmit.header.begin(), transmit.header.begin() + 4), kept;
        for (const Slice& slice : transmit.payload) kept.insert(kept.end(), slice.bytes().begin(), slice.bytes().end());
        ASSERT_EQ(kept, original);  // the sender's bytes are as they were
        whole.insert(whole.end(), original.begin(), original.end());
        const Bytes& came = fault.inner().sent.back().bytes;
        ASSERT_EQ(came.size(), whole.size());
        int flipped = 0;
        for (std::size_t j = 0; j < whole.size(); ++j) {
            const unsigned difference = std::to_integer<unsigned>(came[j] ^ whole[j]);
            flipped += std::popcount(difference);
            if (difference) ++places[j * 8 + std::size_t(std::countr_zero(difference))];
        }
        ASSERT_EQ(flipped, 1);
    }
    EXPECT_EQ(places.size(), 12u * 8u);  // any bit may be the one
    EXPECT_EQ(fault.statistics().corrupted, 4'000u);
}

TEST(Fault, ADelayedDatagramLeavesAtItsTimeInTheOrderOfSending) {
    BufferPool pool{16 << 20};
    Fault fault{Notebook{}, {.delay = Duration::microseconds(100)}, pool};
    fault.advance(at(1'000));
    {
        Outgoing out{pool};
        out.add(loopback4(1), pattern(3'000, 1), 1'000);
        fault.send(out.all());
    }  // the sender's slices are gone
    fault.advance(at(1'050));
    Outgoing out{pool};
    out.add(loopback4(2), pattern(50, 2));
    fault.send(out.all());
    EXPECT_EQ(fault.inner().sent.size(), 0u);
    EXPECT_EQ(fault.waiting(), 4u);
    EXPECT_EQ(fault.deadline(), at(1'100));
    fault.advance(at(1'099));
    EXPECT_EQ(fault.inner().sent.size(), 0u);
    fault.advance(at(1'100));
    ASSERT_EQ(fault.inner().sent.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(fault.inner().sent[i].bytes, cut(pattern(3'000, 1), 1'000)[i]);
    EXPECT_EQ(fault.deadline(), at(1'150));
    fault.advance(at(2'000));
    EXPECT_EQ(fault.inner().sent.back(), (Sent{pattern(50, 2), loopback4(2), Ecn::not_capable}));
    EXPECT_EQ(fault.deadline(), Instant::never());
}

TEST(Fault, JitterStaysWithinItsBounds) {
    BufferPool pool{16 << 20};
    Fault fault{Notebook{}, {.seed = 5, .delay = Duration::microseconds(100), .jitter = Duration::microseconds(40)}, pool};
    Outgoing out{pool};
    for (std::uint32_t i = 0; i < 1'000; ++i) out.add(loopback4(1), numbered(i));
    fault.send(out.all());
    std::int64_t first = fault.deadline().nanoseconds(), last = 0;
    EXPECT_GE(first, 100'000);
    bool in_order = true;
    while (fault.deadline() != Instant::never()) {
        last = fault.deadline().nanoseconds();
        fault.advance(fault.deadline());
    }
    for (std::size_t i = 1; i < 1'000; ++i)
        in_order = in_order && number_of(fault.inner().sent[i - 1]) < number_of(fault.inner().sent[i]);
    EXPECT_FALSE(in_order);
    EXPECT_LE(last, 140'000);
    EXPECT_GT(last - first, 35'000);  // the draws spread over the whole range
    EXPECT_EQ(fault.inner().sent.size(), 1'000u);
}

TEST(Fault, OnlyReorderedDatagramsComeAfterLaterOnes) {
    BufferPool pool{16 << 20};
    Fault fault{Notebook{}, {.seed = 6, .reorder = 50'000, .reorder_by = Duration::microseconds(50)}, pool};
    run(fault, pool, 10'000);
    ASSERT_EQ(fault.inner().sent.size(), 10'000u);
    std::uint64_t late = 0;
    std::uint32_t highest = 0;
    for (const Sent& one : fault.inner().sent) {
        const std::uint32_t number = number_of(one);
        if (number < highest) {
            ++late;
            EXPECT_LE(highest - number, 52u);  // as many as leave within reorder_by
        }
        highest = std::max(highest, number);
    }
    EXPECT_LE(late, fault.statistics().reordered);
    EXPECT_GT(late, fault.statistics().reordered * 8 / 10);  // one held for less than the next one's turn is not overtaken
}

TEST(Fault, TheQueueAndThePoolAreBoundsThatDropAndCount) {
    BufferPool pool{16 << 20}, small{10 * 256};
    Fault fault{Notebook{}, {.delay = Duration::microseconds(10), .queue_limit = 5}, pool};
    Fault poor{Notebook{}, {.delay = Duration::microseconds(10)}, small};
    Outgoing out{pool};
    for (std::uint32_t i = 0; i < 20; ++i) out.add(loopback4(1), numbered(i));
    EXPECT_EQ(fault.send(out.all()), 20u);
    EXPECT_EQ(poor.send(out.all()), 20u);
    EXPECT_EQ(fault.waiting(), 5u);
    EXPECT_EQ(fault.statistics().overflowed, 15u);
    EXPECT_EQ(poor.statistics().overflowed, 10u);
    fault.advance(at(10));
    poor.advance(at(10));
    EXPECT_EQ(fault.inner().sent.size(), 5u);
    EXPECT_EQ(poor.inner().sent.size(), 10u);
    EXPECT_EQ(poor.send(out.all()), 20u);  // what left has given its memory back
    EXPECT_EQ(poor.waiting(), 10u);
}

TEST(Fault, WhatTheInnerLinkDoesNotTakeIsCounted) {
    BufferPool pool{16 << 20};
    Fault fault{Notebook{.room = 3}, {}, pool};
    run(fault, pool, 10);
    EXPECT_EQ(fault.statistics().sent, 3u);
    EXPECT_EQ(fault.statistics().refused, 7u);
}

// A TCP super-segment over IPv4, as an engine gives it to an Ethernet link; its payload lies in slices of 700 bytes.
Transmit& add_super_segment(Outgoing& out, const Bytes& bytes, std::uint16_t segment_size) {
    Transmit& whole = out.add({}, bytes, segment_size, 700);
    const Address from{Family::ipv4, pattern(4, 1)}, to{Family::ipv4, pattern(4, 2)};
    whole.network = 14;
    whole.transport = 14 + 20;
    wire::Ipv4Header{.total_length = 20, .id = 500, .protocol = 6, .source = from, .destination = to}.write(
        std::span{whole.header}.subspan(14));
    const wire::TcpHeader tcp{80, 81, SeqNum{7}, SeqNum{8}, wire::ack | wire::psh | wire::cwr, 9, 0, 0, {}};
    whole.header_length = std::uint16_t(whole.transport + tcp.write(std::span{whole.header}.subspan(whole.transport)));
    return whole;
}

std::vector<Bytes> segments_of(const Transmit& whole) {
    std::vector<Bytes> all;
    for (auto cut = wire::Cut::make(whole); cut->left() > 0;) cut->next(all.emplace_back(cut->next_size()));
    return all;
}

// Completes the segments that a fault link gave to `Inner`, as a device would.
struct Completing : Notebook {
    std::size_t send(std::span<const Transmit> out) {
        for (const Transmit& one : out) {
            EXPECT_EQ(one.segment_size, 0u);
            if (one.header_length == 0) {
                Notebook::send({&one, 1});
                continue;
            }
            for (const Bytes& bytes : segments_of(one)) sent.push_back({bytes, {}, {}});
        }
        return out.size();
    }
};

TEST(Fault, ASuperSegmentIsCutIntoWhatADeviceWouldMakeOfIt) {
    BufferPool pool{16 << 20};
    for (const std::size_t size : {1, 1'000, 1'001, 2'000, 12'345}) {
        Outgoing out{pool};
        const Transmit& whole = add_super_segment(out, pattern(size, 3), 1'000);
        Fault fault{Completing{}, {}, pool};
        fault.send(out.all());
        std::vector<Bytes> got;
        for (const Sent& sent : fault.inner().sent) got.push_back(sent.bytes);
        EXPECT_EQ(got, segments_of(whole)) << size;
        EXPECT_EQ(fault.statistics().datagrams, (size + 999) / 1'000);
    }
}

TEST(Fault, EachSegmentOfASuperSegmentHasItsOwnChanceToBeLost) {
    BufferPool pool{16 << 20};
    Fault fault{Completing{}, {.seed = 3, .loss = 500'000}, pool};
    Outgoing out{pool};
    const std::vector<Bytes> all = segments_of(add_super_segment(out, pattern(60'000, 3), 1'000));
    fault.send(out.all());
    EXPECT_GT(fault.statistics().lost, 10u);
    EXPECT_GT(fault.statistics().sent, 10u);
    EXPECT_EQ(fault.statistics().lost + fault.statistics().sent, 60u);
    for (const Sent& sent : fault.inner().sent) EXPECT_NE(std::ranges::find(all, sent.bytes), all.end());
}

TEST(Fault, ASegmentIsCorruptedUnderItsChecksumThatNoDeviceCouldMakeItRight) {
    BufferPool pool{16 << 20};
    Outgoing out{pool};
    const std::vector<Bytes> all = segments_of(add_super_segment(out, pattern(5'000, 3), 1'000));
    Fault fault{Completing{}, {.corrupt = 1'000'000}, pool};
    fault.send(out.all());
    ASSERT_EQ(fault.inner().sent.size(), all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Bytes& came = fault.inner().sent[i].bytes;
        ASSERT_EQ(came.size(), all[i].size());
        int flipped = 0;
        for (std::size_t j = 0; j < came.size(); ++j)
            flipped += std::popcount(std::to_integer<unsigned>(came[j] ^ all[i][j]));
        EXPECT_EQ(flipped, 1);
    }
}

TEST(Fault, TakesNoSuperSegmentThatOnlyADeviceCouldCut) {
    BufferPool pool{1 << 20};
    EXPECT_EQ((Fault{Notebook{.cuts_tcp = true}, {}, pool}.capabilities().max_super_segment), 0u);
    EXPECT_FALSE((Fault{Notebook{.cuts_tcp = true}, {}, pool}.capabilities().segments_tcp));
    EXPECT_EQ((Fault{Notebook{}, {}, pool}.capabilities().max_super_segment), 65'536u);
}

TEST(Fault, ReceivingIsTheInnerLinks) {
    BufferPool pool{1 << 20};
    Fault fault{Notebook{}, {.loss = 1'000'000}, pool};
    std::vector<Receive> in(4);
    EXPECT_EQ(fault.receive(in, pool), 4u);
}

TEST(Fault, ARateLetsDatagramsLeaveOneBehindTheOtherAndDropsWhatWouldWaitTooLong) {
    BufferPool pool{16 << 20};
    Fault fault{Notebook{}, {.rate = 1'000'000, .rate_queue = Duration::milliseconds(10)}, pool};  // 100 bytes: 100 us
    fault.advance(at(0));
    Outgoing out{pool};
    for (std::uint32_t i = 0; i < 200; ++i) out.add(loopback4(1), numbered(i));
    EXPECT_EQ(fault.send(out.all()), 200u);
    EXPECT_EQ(fault.deadline(), at(100)) << "the first leaves with its last byte";
    fault.advance(at(1'000));
    EXPECT_EQ(fault.inner().sent.size(), 10u);
    fault.advance(at(1'000'000));
    EXPECT_EQ(fault.inner().sent.size(), 101u) << "10 ms of waiting, and the one that began within them";
    EXPECT_EQ(fault.statistics().overflowed, 99u);
    for (std::uint32_t i = 0; i < 101; ++i) EXPECT_EQ(number_of(fault.inner().sent[i]), i);
    Outgoing late{pool};
    late.add(loopback4(1), numbered(7));
    fault.send(late.all());
    EXPECT_EQ(fault.deadline(), at(1'000'100)) << "idle time is not saved up";
}

TEST(Fault, CanBeChangedWhileDatagramsWait) {
    BufferPool pool{16 << 20};
    Fault fault{Notebook{}, {.delay = Duration::milliseconds(5)}, pool};
    fault.advance(at(0));
    Outgoing out{pool};
    out.add(loopback4(1), numbered(1));
    fault.send(out.all());
    fault.configure({});
    EXPECT_FALSE(fault.config().any());
    Outgoing next{pool};
    next.add(loopback4(1), numbered(2));
    fault.send(next.all());
    EXPECT_EQ(fault.inner().sent.size(), 1u) << "from now on at once";
    EXPECT_EQ(fault.deadline(), at(5'000)) << "what waits keeps its time";
    fault.advance(at(5'000));
    EXPECT_EQ(fault.inner().sent.size(), 2u);
}

}  // namespace
}  // namespace weft::test
