// A listener's queue: what it wants, what goes first when it does not read, what it is told then, and a disk that is full.
#include "node/event_listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <map>
#include <random>

#include "tests/node/daemon_support.h"

namespace weft::node {
namespace {

using trace::Type;

constexpr std::size_t queue = 256 << 10;

struct Heard {
    std::map<Type, std::uint64_t> records, lagged, left_out;
    std::vector<trace::Record> all;
    std::string error;
};

class Listening : public testing::Test {
protected:
    void SetUp() override {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        ours = UniqueFd{ends[0]};
        theirs = UniqueFd{ends[1]};
    }

    EventListener make(Subscription wants = {}) {
        EventListener made{EventListener::Kind::socket, std::move(ours), std::move(wants), info, queue};
        made.begin("{\"answer\":1}\n", flows, now);
        return made;
    }

    trace::Record event(Type type, std::uint32_t flow = 1) { return {++now, flow, type, 0, {}}; }
    void happens(EventListener& to, const trace::Record& record) {
        flows.apply(record);
        to.take({&record, 1});
    }
    trace::Record begins(std::uint32_t place) {
        trace::Record record = record_of(
            ++now, Type::flow, trace::FlowBegin{.generation = 1, .local_id = trace::no_id, .remote_id = trace::no_id});
        record.flow = place;
        return record;
    }
    trace::Record changes(std::uint32_t place, std::uint8_t from, std::uint8_t to) {
        trace::Record record = record_of(++now, Type::state, trace::StateChange{from, to, 0, 0, 1});
        record.flow = place;
        return record;
    }

    // What the other side gets, until nothing more comes.
    void read(EventListener& from) {
        std::array<std::byte, 65'536> piece{};
        for (bool any = true; any;) {
            any = false;
            ASSERT_TRUE(from.write());
            for (ssize_t got; (got = ::recv(theirs.get(), piece.data(), piece.size(), 0)) > 0; any = true) {
                std::span<const std::byte> bytes{piece.data(), std::size_t(got)};
                while (!answered && !bytes.empty()) {
                    answered = bytes.front() == std::byte{'\n'};
                    bytes = bytes.subspan(1);
                }
                const auto fed = stream.feed(bytes, [&](std::span<const trace::Record> records) {
                    for (const trace::Record& record : records) {
                        heard.all.push_back(record);
                        told.apply(record);
                        ++heard.records[record.type];
                        if (record.type != Type::lagged) continue;
                        const auto body = trace::body_of<trace::Lagged>(record);
                        (body.where == 2 ? heard.left_out : heard.lagged)[Type(body.type)] += body.count;
                    }
                });
                if (!fed) heard.error = fed.error();
            }
        }
    }

    trace::RecordingInfo info{{1, 2}, "test", {}, false};
    trace::Replay flows, told;
    std::int64_t now{1'000};
    UniqueFd ours, theirs;
    trace::RecordingStream stream;
    bool answered{false};
    Heard heard;
};

TEST_F(Listening, TheAnswersLineComesFirstThenTheHeaderAndTheStateOfAllFlows) {
    flows.apply(begins(7));
    flows.apply(changes(7, 0, 2));
    EventListener listener = make();
    read(listener);
    EXPECT_EQ(heard.error, "");
    ASSERT_NE(stream.info(), nullptr);
    EXPECT_EQ(stream.info()->node, "test");
    ASSERT_NE(told.find(7), nullptr);
    EXPECT_EQ(told.find(7)->state, 2);
}

TEST_F(Listening, HearsTheClassesAndFlowsThatItAskedFor) {
    EventListener listener = make({.classes = trace::bit(Type::loss) | trace::bit(Type::drop), .flows = {4, 2}});
    for (std::uint32_t flow = 1; flow <= 5; ++flow) {
        happens(listener, event(Type::loss, flow));
        happens(listener, event(Type::rate, flow));
    }
    happens(listener, event(Type::drop, trace::no_flow));
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(heard.records[Type::loss], 2u);
    EXPECT_EQ(heard.records[Type::rate], 0u);
    EXPECT_EQ(heard.records[Type::drop], 1u) << "of no flow";
    EXPECT_EQ(listener.dropped(), 0u);
}

TEST_F(Listening, WithoutASnapshotNothingIsToldAgain) {
    flows.apply(begins(7));
    EventListener listener = make({.snapshot = false});
    trace::Record again = begins(8);
    again.flags = trace::snapshot_flag;
    happens(listener, again);
    happens(listener, begins(9));
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(heard.records[Type::flow], 1u);
    EXPECT_EQ(told.find(7), nullptr);
}

TEST_F(Listening, ARateLimitThinsSamplesAloneAndSaysHowManyItLeftOut) {
    EventListener listener = make({.rate_limit = 100});
    for (int i = 0; i < 1'000; ++i) happens(listener, event(Type::congestion));
    for (int i = 0; i < 300; ++i) happens(listener, event(Type::loss));
    now += 2'000'000'000;
    for (int i = 0; i < 1'000; ++i) happens(listener, event(Type::congestion));
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(heard.records[Type::congestion], 200u);
    EXPECT_EQ(heard.records[Type::loss], 300u);
    EXPECT_EQ(heard.left_out[Type::congestion], 1'800u);
    EXPECT_EQ(heard.lagged[Type::congestion], 0u) << "that is no loss";
}

TEST_F(Listening, WhoDoesNotReadLosesSamplesFirstAndIsToldExactlyHowManyOfWhat) {
    EventListener listener = make();
    std::map<Type, std::uint64_t> sent;
    const auto burst = [&](Type type, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) happens(listener, event(type));
        sent[type] += count;
        listener.flush(flows, now);
        ASSERT_TRUE(listener.write());
        EXPECT_LE(listener.queued(), queue + 65'536);
    };
    for (int i = 0; i < 40; ++i) burst(Type::segment_sent, 500);
    EXPECT_GT(listener.dropped(), 0u);
    const std::uint64_t samples = listener.dropped();
    burst(Type::loss, 200);
    EXPECT_EQ(listener.dropped(), samples) << "there was still room for edges";
    for (int i = 0; i < 10; ++i) burst(Type::loss, 500);
    EXPECT_GT(listener.dropped(), samples);
    read(listener);
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(heard.error, "");
    for (const Type type : {Type::segment_sent, Type::loss})
        EXPECT_EQ(heard.records[type] + heard.lagged[type], sent[type]) << trace::name(type);
    EXPECT_EQ(heard.lagged[Type::segment_sent] + heard.lagged[Type::loss], listener.dropped());
    burst(Type::segment_sent, 10);
    read(listener);
    EXPECT_EQ(heard.records[Type::segment_sent] + heard.lagged[Type::segment_sent], sent[Type::segment_sent])
        << "it goes on";
}

TEST_F(Listening, WhereEdgesWereLostAllFlowsAreToldAnew) {
    EventListener listener = make();
    happens(listener, begins(3));
    while (listener.dropped() == 0) happens(listener, event(Type::loss));
    happens(listener, changes(3, 0, 2));  // lost
    listener.flush(flows, now);
    read(listener);
    listener.flush(flows, now);
    read(listener);
    ASSERT_NE(told.find(3), nullptr);
    EXPECT_EQ(told.find(3)->state, 2) << "the snapshot says it";
    EXPECT_GE(heard.lagged[Type::state], 1u);
}

TEST_F(Listening, AMessageFromTheOtherSideEndsItAndAHalfCloseDoesNot) {
    EventListener listener = make();
    EXPECT_TRUE(listener.listen()) << "nothing came";
    ASSERT_EQ(::shutdown(theirs.get(), SHUT_WR), 0);
    EXPECT_TRUE(listener.listen());
    EXPECT_FALSE(listener.hears()) << "and it is asked no more";
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ours = UniqueFd{ends[0]};
    theirs = UniqueFd{ends[1]};
    EventListener other = make();
    ASSERT_EQ(::send(theirs.get(), "x", 1, 0), 1);
    EXPECT_FALSE(other.listen());
}

TEST_F(Listening, AFullDiskIsSaidAndWhatFindsNoRoomIsCounted) {
    UniqueFd full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
    ASSERT_TRUE(full);
    EventListener file{EventListener::Kind::file, std::move(full), {}, info, queue};
    file.begin({}, flows, now);
    std::uint64_t sent = 0;
    for (int i = 0; i < 40; ++i) {
        for (int j = 0; j < 500; ++j, ++sent) happens(file, event(Type::loss));
        file.flush(flows, now);
        ASSERT_TRUE(file.write()) << "it is worth another try";
        ASSERT_TRUE(file.stuck());
        ASSERT_LE(file.queued(), queue + 65'536);
    }
    EXPECT_EQ(file.error(), "No space left on device");
    EXPECT_EQ(file.records() + file.dropped(), sent);
    EXPECT_GT(file.dropped(), 0u);
    file.end(now);
    ASSERT_TRUE(file.write());
    ASSERT_TRUE(file.has_more());
    file.cut_torn_tail();
    EXPECT_EQ(file.records() + file.bytes(), 0u) << "nothing ever reached it";
    EXPECT_GE(file.dropped(), sent) << "and what waited is counted, too";
    EXPECT_FALSE(file.has_more());
}

TEST_F(Listening, WhatTheRingLostIsDroppedForItToo) {
    EventListener listener = make({.classes = trace::bit(Type::loss)});
    listener.tell_lagged(record_of(now, Type::lagged, trace::Lagged{std::uint32_t(Type::loss), 0, 5}));
    listener.tell_lagged(record_of(now, Type::lagged, trace::Lagged{std::uint32_t(Type::rate), 0, 7}));
    EXPECT_EQ(listener.dropped(), 5u) << "of what it wants";
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(heard.lagged[Type::loss], 5u);
}

TEST_F(Listening, AFileIsAWholeRecordingWithItsIndices) {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.weft";
    EventListener file{
        EventListener::Kind::file, UniqueFd{::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)}, {}, info, queue};
    file.begin({}, flows, now);
    happens(file, begins(3));
    for (int i = 0; i < 5; ++i) {
        now += 1'000'000'000;
        happens(file, event(Type::loss, 3));
        file.flush(flows, now);
        ASSERT_TRUE(file.write());
    }
    file.end(now);
    ASSERT_TRUE(file.write());
    ASSERT_FALSE(file.has_more());
    const std::string bytes = read_file(path);
    const auto recording = trace::Recording::open(std::as_bytes(std::span(bytes)));
    ASSERT_TRUE(recording) << recording.error();
    EXPECT_TRUE(recording->ended());
    EXPECT_FALSE(recording->torn());
    EXPECT_GE(recording->indices().size(), 4u);
    EXPECT_EQ(bytes.size(), file.bytes());
    ASSERT_NE(recording->at(now).find(3), nullptr);
    EXPECT_EQ(recording->at(now).find(3)->losses, 5u);
}

// Whatever happens meanwhile, who came late knows in the end what who was always there knows.
TEST_F(Listening, ManyFlowsAreToldAsTheQueueDrainsAndWhatHappensMeanwhileIsPartOfIt) {
    std::mt19937 random{5};
    const std::uint32_t many = 6'000;
    std::uint32_t generation = 1;
    const auto begin = [&](std::uint32_t place) {
        trace::Record record = record_of(++now, Type::flow,
                                         trace::FlowBegin{.generation = generation++,
                                                          .local_id = place % 50,
                                                          .remote_id = trace::no_id,
                                                          .family = std::uint8_t(Family::ipv4)});
        record.flow = place;
        return record;
    };
    const auto define = [&](std::uint32_t id) {
        trace::Define body{id, 0, {}};
        for (std::size_t i = 0; i < 4; ++i) body.bytes[i] = std::byte(random());
        trace::Record record = record_of(++now, Type::define, body);
        record.flags = std::uint16_t(Family::ipv4);
        return record;
    };
    const auto change = [&](std::uint32_t place, std::uint8_t to) {
        const trace::FlowState* flow = flows.find(place);
        trace::Record record = record_of(++now, Type::state, trace::StateChange{flow->state, to, 0, 0, flow->generation});
        record.flow = place;
        return record;
    };
    for (std::uint32_t id = 0; id < 50; ++id) flows.apply(define(id));
    for (std::uint32_t place = 0; place < many; ++place) flows.apply(begin(place));
    EventListener listener = make();
    std::size_t most = 0, rounds = 0;
    for (; rounds < 400; ++rounds) {
        for (int i = 0; i < 20; ++i) {
            const std::uint32_t place = std::uint32_t(random() % (many + 200));
            const trace::FlowState* flow = flows.find(place);
            const bool lives = flow && flow->lives();
            if (i == 0) happens(listener, define(std::uint32_t(random() % 50)));
            else if (!lives) happens(listener, begin(place));
            else happens(listener, change(place, random() % 3 == 0 ? 0 : std::uint8_t(2 + random() % 9)));
        }
        ASSERT_LE(listener.queued(), queue) << "the state of all flows is no more than other records";
        most = std::max(most, listener.queued());
        listener.flush(flows, now);
        if (rounds % 3 != 0) read(listener);
    }
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(heard.error, "");
    EXPECT_TRUE(heard.lagged.empty());
    EXPECT_GT(most, queue / 4) << "or it was never told in pieces";
    std::size_t equal = 0;
    EXPECT_EQ(told.living().size(), flows.living().size());
    for (const trace::FlowState& flow : flows.living()) {
        const trace::FlowState* heard_of = told.find(flow.place, flow.generation);
        ASSERT_NE(heard_of, nullptr) << flow.place;
        EXPECT_EQ(heard_of->state, flow.state) << flow.place;
        EXPECT_EQ(heard_of->local, flow.local) << flow.place;
        equal += heard_of->begin.generation == flow.begin.generation ? 1 : 0;
    }
    EXPECT_EQ(equal, flows.living().size());
}

TEST_F(Listening, PayloadComesToWhoAskedForItAndWhatFindsNoRoomIsCounted) {
    std::string text(100'000, 'x');
    const auto piece = [&](std::uint32_t flow, bool sent) {
        return PayloadRing::Piece{++now, flow, 0, sent, std::as_bytes(std::span(text))};
    };
    std::uint64_t bytes = 0, pieces = 0;
    stream.on_payload([&](const trace::Payload& payload) {
        EXPECT_EQ(payload.flow, 4u);
        EXPECT_TRUE(payload.sent);
        bytes += payload.bytes.size();
        ++pieces;
    });
    EventListener listener = make({.flows = {4}, .payload = true});
    for (int i = 0; i < 10; ++i) {
        listener.take_payload(piece(4, true));
        listener.take_payload(piece(5, true));
        happens(listener, event(Type::loss, 4));
    }
    EXPECT_LE(listener.queued(), queue);
    listener.flush(flows, now);
    read(listener);
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(heard.error, "");
    EXPECT_EQ(pieces, 1u) << "of three quarters of the queue";
    EXPECT_EQ(bytes, pieces * text.size());
    EXPECT_EQ(heard.lagged[Type(trace::lagged_payload)], 9u);
    EXPECT_EQ(heard.records[Type::loss], 10u) << "no event makes room for it";
    listener.take_payload(piece(4, true));
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(pieces, 2u) << "it goes on";
}

TEST_F(Listening, PayloadOfTheNextFlowAtAPlaceIsNotOfTheOneThatWasNamed) {
    const auto take = [&](EventListener& listener, std::uint32_t place, std::uint32_t generation, std::string_view text) {
        listener.take_payload({++now, place, generation, true, std::as_bytes(std::span(text))});
    };
    std::string got;
    std::vector<std::uint32_t> generations;
    stream.on_payload([&](const trace::Payload& payload) {
        got.append(reinterpret_cast<const char*>(payload.bytes.data()), payload.bytes.size());
        generations.push_back(payload.generation.value_or(99));
    });
    EventListener listener = make({.flows = {{5, 3}, {9, 1}, {5, 7}, 6}, .payload = true});
    take(listener, 5, 3, "a");
    take(listener, 5, 5, "B");
    take(listener, 5, 7, "c");
    take(listener, 6, 1, "d");  // a place by itself: whichever flow has it
    take(listener, 6, 3, "e");
    take(listener, 9, 3, "F");
    take(listener, 7, 3, "G");
    happens(listener, event(Type::loss, 5));
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(heard.error, "");
    EXPECT_EQ(got, "acde");
    EXPECT_EQ(generations, (std::vector<std::uint32_t>{3, 7, 1, 3})) << "a place alone would not say whose it is";
    EXPECT_EQ(heard.records[Type::loss], 1u) << "records come by place";
    EXPECT_TRUE(heard.lagged.empty()) << "what was not asked for is not lost";
}

TEST_F(Listening, PayloadIsNobodysWhoDidNotAsk) {
    const std::string text = "secret";
    stream.on_payload([](const trace::Payload&) { ADD_FAILURE() << "payload came unasked"; });
    EventListener listener = make();
    listener.take_payload({++now, 1, 0, true, std::as_bytes(std::span(text))});
    listener.flush(flows, now);
    read(listener);
    EXPECT_EQ(heard.error, "");
    EXPECT_TRUE(heard.lagged.empty());
}

TEST(PayloadRings, KeepTheOrderAndCountWhatFindsNoRoom) {
    PayloadRing ring{1 << 18};
    EXPECT_FALSE(ring.wanted());
    std::mt19937 random{3};
    std::vector<std::uint32_t> added, taken;
    std::vector<std::byte> bytes(PayloadRing::piece_limit);
    for (std::uint32_t round = 0; round < 3'000; ++round) {
        const std::size_t size = 1 + random() % (round % 10 == 0 ? bytes.size() : 3'000);
        bytes[0] = std::byte(round);
        const std::uint64_t dropped = ring.dropped();
        ring.add(Instant::from_nanoseconds(round), Flow{round, ~round}, round % 2 == 0, std::span(bytes).first(size));
        if (ring.dropped() == dropped) added.push_back(round);
        if (random() % 16 != 0) continue;
        ring.drain([&](const PayloadRing::Piece& piece) {
            taken.push_back(piece.flow);
            EXPECT_EQ(piece.generation, ~piece.flow);
            EXPECT_EQ(piece.sent, piece.flow % 2 == 0);
            EXPECT_EQ(piece.t_ns, std::int64_t(piece.flow));
            EXPECT_EQ(piece.bytes[0], std::byte(piece.flow));
        });
        ASSERT_EQ(taken, added);
    }
    EXPECT_GT(taken.size(), 2'000u);
    EXPECT_EQ(taken.size() + ring.dropped(), 3'000u - (added.size() - taken.size()));
    ring.drain([](const PayloadRing::Piece&) {});
    const std::uint64_t before = ring.dropped();
    bytes.resize(3 * PayloadRing::piece_limit);
    std::size_t pieces = 0, got = 0;
    ring.add(Instant{}, Flow{1, 1}, true, bytes);
    ring.drain([&](const PayloadRing::Piece& piece) { ++pieces, got += piece.bytes.size(); });
    EXPECT_EQ(pieces, 3u) << "what is long is cut";
    EXPECT_EQ(got, bytes.size());
    for (int i = 0; i < 8; ++i) ring.add(Instant{}, Flow{1, 1}, true, std::span(bytes).first(60'000));
    EXPECT_GE(ring.dropped() - before, 4u);
}

}  // namespace
}  // namespace weft::node
