// A shard and its telemetry thread: who listens hears every flow, who does not read holds up nobody, and a recording is whole.
#include "node/telemetry.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "node/event_listener.h"
#include "tests/node/event_stream.h"
#include "tests/node/two_shards.h"

namespace weft::node {
namespace {

using trace::Type;

class TelemetryOfAShard : public Shards {
protected:
    void SetUp() override {
        Shards::SetUp();
        auto started = Telemetry::start({.node = "a", .address = a->address()});
        ASSERT_TRUE(started) << started.error();
        telemetry = std::move(*started);
        a->observe(*telemetry, [this] {
            for (TelemetryNotice& notice : telemetry->notices()) notices.push_back(std::move(notice));
        });
    }
    void TearDown() override {
        a.reset();
        telemetry.reset();
    }

    EventReader listen(Subscription wants = {}) {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        EXPECT_TRUE(telemetry->subscribe(UniqueFd{ends[0]}, wants, {}));
        return EventReader{UniqueFd{ends[1]}};
    }
    // Both nodes run meanwhile.
    template <class Condition>
    bool hears(EventReader& reader, Condition&& holds) {
        return run_until([&] { return reader.read(), holds(); });
    }
    // Bytes from a to b; the other end reads all of it.
    void transfer(Seen& from, Seen& to, std::size_t size) {
        const std::string bytes = noise(size, 3);
        std::string got;
        std::size_t sent = 0;
        ASSERT_TRUE(run_until([&] {
            put(from.fd, bytes, sent);
            get(to.fd, got);
            return got.size() == size;
        })) << got.size();
        EXPECT_EQ(got, bytes);
    }

    std::unique_ptr<Telemetry> telemetry;
    std::vector<TelemetryNotice> notices;
};

TEST_F(TelemetryOfAShard, NobodyListensAndNothingIsWritten) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 100'000));
    EXPECT_EQ(telemetry->wanted(), 0u);
    EXPECT_TRUE(telemetry->ring().front().empty());
    EXPECT_EQ(telemetry->status().records, 0u);
}

TEST_F(TelemetryOfAShard, WhoListensHearsAFlowFromItsBeginningToItsEnd) {
    EventReader reader = listen();
    ASSERT_TRUE(hears(reader, [&] { return telemetry->wanted() != 0 && reader.stream.info(); }));
    EXPECT_EQ(reader.stream.info()->node, "a");
    EXPECT_EQ(reader.stream.info()->address, a->address());
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 200'000));
    const std::uint32_t place = from.flow.place;
    ASSERT_TRUE(hears(reader, [&] { return reader.flows.find(place) != nullptr && reader.flows.find(place)->state == 4; }));
    const trace::FlowState flow = *reader.flows.find(place);
    EXPECT_TRUE(flow.known);
    EXPECT_EQ(flow.generation, from.flow.generation);
    EXPECT_EQ(flow.remote, b->address());
    EXPECT_EQ(flow.begin.remote_port, 7'000);
    ASSERT_TRUE(hears(reader, [&] {
        return reader.count(Type::congestion) > 0 && reader.count(Type::segment_sent) > 0 && reader.count(Type::rate) > 0;
    }));
    from.fd.reset();
    to.fd.reset();
    ASSERT_TRUE(run_until([&] { return from.ended && to.ended; }));
    ASSERT_TRUE(hears(reader, [&] { return !reader.flows.find(place)->lives(); }));
    EXPECT_EQ(reader.flows.find(place)->counters.bytes_out, 200'000u);
    EXPECT_EQ(reader.error, "");
    EXPECT_EQ(reader.lost(), 0u);
}

// Each piece takes the processor from somebody, and again for its reader.
TEST_F(TelemetryOfAShard, ATrickleOfEventsIsHandedOnInFewPieces) {
    EventReader reader = listen();
    ASSERT_TRUE(hears(reader, [&] { return telemetry->wanted() != 0 && reader.stream.info(); }));
    const auto begin = std::chrono::steady_clock::now();
    unsigned pieces = 0;
    for (std::uint64_t i = 1; i <= 200; ++i) {
        ASSERT_TRUE(
            telemetry->ring().add(record_of(monotonic_now().nanoseconds(), Type::text, trace::Text{{'d', 'r', 'o', 'p'}})));
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
        const std::uint64_t before = reader.count(Type::text);
        reader.read();
        pieces += reader.count(Type::text) != before;
    }
    ASSERT_TRUE(reader.read_until([&] { return reader.count(Type::text) == 200; }));
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_LE(pieces, took / std::chrono::milliseconds{20} + 3);
    EXPECT_EQ(reader.lost(), 0u);
}

TEST_F(TelemetryOfAShard, WhoComesLateIsToldOfTheFlowsThatThereAreAndSoIsTheNext) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 50'000));
    EventReader first = listen();
    const std::uint32_t place = from.flow.place;
    ASSERT_TRUE(hears(first, [&] { return first.flows.find(place) != nullptr && first.flows.find(place)->state == 4; }));
    EXPECT_EQ(first.flows.find(place)->remote, b->address());
    EXPECT_EQ(first.flows.find(place)->counters.bytes_out, 50'000u);
    EventReader second = listen({.classes = trace::bit(Type::state)});
    ASSERT_TRUE(hears(second, [&] { return second.flows.find(place) != nullptr && second.flows.find(place)->state == 4; }));
    first.close();
    second.close();
    ASSERT_TRUE(run_until([&] { return telemetry->wanted() == 0; })) << "nobody listens any more";
}

TEST_F(TelemetryOfAShard, ClassesThatNobodyWantsAreNotWritten) {
    EventReader reader = listen({.classes = trace::bit(Type::loss)});
    ASSERT_TRUE(hears(reader, [&] { return telemetry->wanted() != 0; }));
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 200'000));
    ASSERT_TRUE(hears(reader, [&] { return reader.count(Type::flow) > 0; }));
    EXPECT_EQ(telemetry->wanted() & trace::bit(Type::segment_sent), 0u);
    EXPECT_EQ(reader.count(Type::segment_sent), 0u);
    EXPECT_EQ(reader.count(Type::congestion), 0u);
}

TEST_F(TelemetryOfAShard, ModulesAreHeardBesideItWhetherAnybodyListensOrNot) {
    std::size_t told = 0;
    a->trace_modules(
        {trace::bit(Type::plugin), &told, [](void* count, const trace::Record&) { ++*static_cast<std::size_t*>(count); }});
    Seen from, to, more, other;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    EXPECT_EQ(told, 1u);
    EventReader reader = listen();
    ASSERT_TRUE(hears(reader, [&] { return telemetry->wanted() != 0; }));
    ASSERT_NO_FATAL_FAILURE(open(more, other, 7'001));
    EXPECT_EQ(told, 2u);
    ASSERT_TRUE(hears(reader, [&] { return reader.count(Type::plugin) > 0; }));
}

TEST_F(TelemetryOfAShard, CountersComeEachSecondWhileSomebodyListens) {
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    EventReader reader = listen({.classes = trace::bit(Type::counters)});
    ASSERT_TRUE(hears(reader, [&] { return reader.flows.find(from.flow.place) != nullptr; }));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 60'000));
    ASSERT_TRUE(hears(reader, [&] {
        return std::ranges::any_of(reader.kept, [&](const trace::Record& record) {
            return record.type == Type::counters && (record.flags & trace::snapshot_flag) == 0 &&
                   record.flow == from.flow.place;
        });
    })) << "as they happen, not because somebody came";
    ASSERT_TRUE(hears(reader, [&] { return reader.flows.find(from.flow.place)->counters.bytes_out == 60'000; }));
}

TEST_F(TelemetryOfAShard, EveryOneWhoComesIsToldOfTheLinks) {
    EventReader first = listen();
    ASSERT_TRUE(hears(first, [&] { return first.count(Type::link) > 0; }));
    EventReader second = listen();
    ASSERT_TRUE(hears(second, [&] { return second.count(Type::link) > 0; })) << "of the same classes";
}

TEST_F(TelemetryOfAShard, WhoComesAsTheLastOneGoesIsToldOfTheFlows) {
    const TemporaryDirectory directory;
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    auto file = open_recording(directory.path(), "first", false);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_TRUE(telemetry->record(std::move(*file), {}));
    ASSERT_TRUE(run_until([&] { return telemetry->status().record.records > 0; }));
    EXPECT_TRUE(telemetry->stop_recording());
    EventReader reader = listen({.classes = trace::bit(Type::state)});  // both words come at once, mostly
    ASSERT_TRUE(hears(reader, [&] { return reader.flows.find(from.flow.place) != nullptr; }));
}

TEST_F(TelemetryOfAShard, AListenerThatDoesNotReadHoldsUpNobodyAndIsToldWhatItMissed) {
    EventReader stalled = listen(), other = listen();
    ASSERT_TRUE(hears(other, [&] { return telemetry->wanted() != 0; }));
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 4 << 20));
    // As many events as its queue holds, and more: straight into the ring, as the shard would.
    const trace::Sink flood{trace::all, &telemetry->ring(),
                            [](void* ring, const trace::Record& record) { static_cast<EventRing*>(ring)->add(record); }};
    std::uint64_t written = 0;
    ASSERT_TRUE(run_until([&] {
        for (int i = 0; i < 2'000; ++i, ++written)
            flood.add(monotonic_now(), from.flow.place, Type::variable, trace::Limit{1, 0});
        other.read();
        const auto status = telemetry->status();
        return status.subscribers.size() == 2 && status.subscribers[0].dropped > 10'000;
    }));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 1 << 20));
    const auto all_told = [&](EventReader& reader) {
        return reader.count(Type::variable) + reader.lagged[Type::variable] == written;
    };
    ASSERT_TRUE(hears(stalled, [&] { return all_told(stalled); }))
        << stalled.count(Type::variable) << " came, " << stalled.lagged[Type::variable] << " were said to be lost of "
        << written;
    ASSERT_TRUE(hears(other, [&] { return all_told(other); }));
    EXPECT_GT(stalled.lagged[Type::variable], 10'000u);
    EXPECT_EQ(stalled.error + other.error, "");
}

TEST_F(TelemetryOfAShard, WhenTheRingLostEdgesAllFlowsAreToldAnewAndThoseThatEndedUnheardEnd) {
    EventReader reader = listen();
    ASSERT_TRUE(hears(reader, [&] { return telemetry->wanted() != 0; }));
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    ASSERT_TRUE(hears(reader, [&] { return reader.flows.find(from.flow.place) != nullptr; }));
    // A flow that nobody ever had, and an edge for which there is no room.
    const trace::Sink ring{trace::all, &telemetry->ring(), [](void* to_ring, const trace::Record& record) {
                               static_cast<EventRing*>(to_ring)->add(record);
                           }};
    const std::uint32_t ghost = 0x00ff'0000;
    ring.add(monotonic_now(), ghost, Type::flow,
             trace::FlowBegin{.generation = 9, .local_id = trace::no_id, .remote_id = trace::no_id});
    ring.add(monotonic_now(), ghost, Type::state, trace::StateChange{0, 4, 0, 0, 9});
    ASSERT_TRUE(hears(reader, [&] { return reader.flows.find(ghost) != nullptr && reader.flows.find(ghost)->lives(); }));
    for (std::size_t i = 0; telemetry->ring().dropped(Type::loss) == 0; ++i)
        ring.add(monotonic_now(), from.flow.place, Type::loss, trace::Loss{1, 1, 1, 0});
    ASSERT_TRUE(hears(reader, [&] { return !reader.flows.find(ghost)->lives(); }));
    EXPECT_EQ(reader.flows.find(ghost)->ended_cause, trace::cause_unheard);
    EXPECT_TRUE(reader.flows.find(from.flow.place)->lives());
    EXPECT_EQ(reader.lagged[Type::loss], telemetry->ring().dropped(Type::loss));
}

TEST_F(TelemetryOfAShard, ARecordingIsWholeWhenItIsStoppedAndOnlyItsOwnerReadsIt) {
    const TemporaryDirectory directory;
    auto file = open_recording(directory / "in/it", "first", false);
    ASSERT_TRUE(file) << file.error().message;
    const std::string path = file->path;
    EXPECT_EQ(path, directory / "in/it/first.weft");
    ASSERT_TRUE(telemetry->record(std::move(*file), {}));
    EXPECT_TRUE(telemetry->status().record.running);
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 300'000));
    telemetry->mark("half-way there");
    EXPECT_TRUE(telemetry->stop_recording());
    ASSERT_TRUE(run_until([&] { return !notices.empty(); }));
    ASSERT_EQ(notices.back().kind, TelemetryNotice::Kind::record_ended);
    const RecordStatus ended = *notices.back().record;
    EXPECT_EQ(ended.error, "");
    EXPECT_EQ(ended.dropped, 0u);
    EXPECT_FALSE(telemetry->stop_recording()) << "none runs";
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
    EXPECT_EQ(std::uint64_t(status.st_size), ended.bytes);
    const std::string bytes = read_file(path);
    const auto recording = trace::Recording::open(std::as_bytes(std::span(bytes)));
    ASSERT_TRUE(recording) << recording.error();
    EXPECT_TRUE(recording->ended());
    ASSERT_EQ(recording->marks().size(), 1u);
    EXPECT_EQ(recording->marks()[0].text, "half-way there");
    const trace::Replay end = recording->at(recording->end_ns());
    ASSERT_NE(end.find(from.flow.place), nullptr);
    EXPECT_EQ(end.find(from.flow.place)->state, 4);
}

TEST_F(TelemetryOfAShard, ARecordingEndsAtItsLimitAndWithTheNode) {
    const TemporaryDirectory directory;
    auto file = open_recording(directory.path(), "small", false);
    ASSERT_TRUE(file) << file.error().message;
    file->limit = 4'000;
    ASSERT_TRUE(telemetry->record(std::move(*file), {}));
    Seen from, to;
    ASSERT_NO_FATAL_FAILURE(open(from, to));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 2 << 20));
    ASSERT_TRUE(run_until([&] { return !notices.empty(); }));
    EXPECT_EQ(notices.back().record->error, "it has reached its limit");
    file = open_recording(directory.path(), "last.weft", false);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_TRUE(telemetry->record(std::move(*file), {}));
    ASSERT_NO_FATAL_FAILURE(transfer(from, to, 10'000));
    a.reset();
    telemetry.reset();
    for (const std::string name : {"small.weft", "last.weft"}) {
        const std::string bytes = read_file(directory / name);
        const auto recording = trace::Recording::open(std::as_bytes(std::span(bytes)));
        ASSERT_TRUE(recording) << name << ": " << recording.error();
        EXPECT_TRUE(recording->ended()) << name;
    }
}

TEST(Recordings, AreNamesInOneDirectoryAndNothingIsOverwrittenUntold) {
    const TemporaryDirectory directory;
    for (const std::string name : {"", ".hidden", "../up", "a/b", "/etc/passwd", "a b", "a\nb", "-o", "..", "\xc3\xa4"})
        EXPECT_EQ(open_recording(directory.path(), name, true).error().cause, "bad_name") << name;
    EXPECT_EQ(open_recording(directory.path(), std::string(65, 'a'), true).error().cause, "bad_name");
    ASSERT_TRUE(open_recording(directory.path(), "one", false));
    directory.write("one.weft", "kept");
    EXPECT_EQ(open_recording(directory.path(), "one", false).error().cause, "exists");
    EXPECT_EQ(read_file(directory / "one.weft"), "kept");
    ASSERT_TRUE(open_recording(directory.path(), "one.weft", true));
    EXPECT_EQ(read_file(directory / "one.weft"), "");
}

TEST(Recordings, OneThatIsWrittenOverStaysWholeForWhoReadsIt) {
    const TemporaryDirectory directory;
    directory.write("one.weft", "kept");
    std::ifstream reader{directory / "one.weft"};
    const auto made = open_recording(directory.path(), "one", true);
    ASSERT_TRUE(made);
    ASSERT_EQ(::write(made->fd.get(), "new", 3), 3);
    EXPECT_EQ(read_file(directory / "one.weft"), "new");
    std::string old;
    reader >> old;
    EXPECT_EQ(old, "kept");
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{directory.path()}) ++files;
    EXPECT_EQ(files, 1u) << "nothing is left beside it";
    // What cannot be written over loses nothing.
    ASSERT_EQ(::mkdir((directory / "two.weft").c_str(), 0700), 0);
    directory.write("two.weft/inside", "kept");
    EXPECT_FALSE(open_recording(directory.path(), "two", true));
    EXPECT_EQ(read_file(directory / "two.weft/inside"), "kept");
}

TEST(Recordings, ThoseOfOneSecondHaveNamesOfTheirOwn) {
    const TemporaryDirectory directory;
    std::set<std::string> paths;
    for (int i = 0; i < 5; ++i) {
        const auto made = open_new_recording(directory.path(), "node");
        ASSERT_TRUE(made) << made.error().message;
        EXPECT_TRUE(paths.insert(made->path).second) << made->path;
    }
}

TEST(Recordings, NeverFollowALinkNorLieWhereOthersWrite) {
    const TemporaryDirectory directory;
    const std::string victim = directory.write("victim", "precious");
    ASSERT_EQ(::mkdir((directory / "r").c_str(), 0700), 0);
    ASSERT_EQ(::symlink(victim.c_str(), (directory / "r/link.weft").c_str()), 0);
    EXPECT_EQ(open_recording(directory / "r", "link", false).error().cause, "exists");
    EXPECT_TRUE(open_recording(directory / "r", "link", true));
    EXPECT_EQ(read_file(victim), "precious") << "the link went, not what it leads to";
    ASSERT_EQ(::chmod((directory / "r").c_str(), 0777), 0);
    EXPECT_EQ(open_recording(directory / "r", "other", false).error().cause, "not_permitted");
    EXPECT_EQ(open_recording(victim, "other", false).error().cause, "no_directory") << "a file is none";
}

}  // namespace
}  // namespace weft::node
