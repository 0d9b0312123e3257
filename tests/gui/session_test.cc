// What all views look at: that rewound equals live, that a file equals memory, that curves equal their records; and that signals
// come once a frame.
#include "gui/session.h"

#include <gtest/gtest.h>

#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>

#include "gui/file_source.h"
#include "stack/core/recording.h"
#include "stack/core/trace_sink.h"
#include "tests/gui/made_stream.h"

namespace weft::gui {
namespace {

using trace::Record;

// The state after all records up to a moment, by the plainest way there is.
trace::Replay folded(const std::vector<Record>& records, std::int64_t t) {
    trace::Replay replay;
    for (const Record& record : records) {
        if (record.t_ns > t) break;
        replay.apply(record);
    }
    return replay;
}

std::vector<Record> ofFlow(const std::vector<Record>& records, FlowKey key) {
    std::vector<Record> own;
    std::uint32_t generation = 0;
    for (const Record& record : records) {
        if (record.flow != key.place) continue;
        if (record.type == trace::Type::flow) generation = trace::body_of<trace::FlowBegin>(record).generation;
        if (generation == key.generation) own.push_back(record);
    }
    return own;
}

QString written(const QTemporaryDir& directory, const std::vector<Record>& records, bool ended = true) {
    trace::RecordingWriter writer{{}};
    std::vector<std::byte> bytes;
    writer.begin(bytes);
    for (const Record& record : records) writer.add(record, bytes);
    if (ended) {
        writer.end(bytes);
    } else {
        writer.flush(bytes);
    }
    QFile file{directory.filePath(QStringLiteral("made.weft"))};
    EXPECT_TRUE(file.open(QIODevice::WriteOnly));
    file.write(reinterpret_cast<const char*>(bytes.data()), qint64(bytes.size()));
    return file.fileName();
}

TEST(Session, FollowsTheEndWhileItIsLive) {
    Session session;
    EXPECT_TRUE(session.isLive());
    EXPECT_EQ(session.cursorNs(), 0);
    MadeStream stream{1};
    const std::vector<Record> records = stream.next(500);
    session.push(records);
    EXPECT_EQ(session.beginNs(), records.front().t_ns);
    EXPECT_EQ(session.endNs(), records.back().t_ns);
    EXPECT_EQ(session.cursorNs(), session.endNs());
    EXPECT_TRUE(session.state() == folded(records, session.endNs()));
}

TEST(Session, TheRewoundViewEqualsTheLiveSnapshot) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        std::mt19937_64 random{seed};
        MadeStream stream{seed};
        Session session;
        session.setMemory(std::size_t{64} << 20, 1 + random() % 300);
        std::vector<std::pair<std::int64_t, trace::Replay>> seen;
        std::vector<Record> waiting;  // of a moment that may not be over: what comes later at the same time belongs to it
        for (int round = 0; round < 60; ++round) {
            const std::vector<Record> next = stream.next(2 + random() % 200);
            waiting.insert(waiting.end(), next.begin(), next.end());
            const std::int64_t last = waiting.back().t_ns;
            const auto open = std::ranges::find(waiting, last, &Record::t_ns);
            if (open == waiting.begin()) continue;
            session.push(std::span{waiting.begin(), open});
            seen.emplace_back(session.endNs(), session.state());
            waiting.erase(waiting.begin(), open);
        }
        std::ranges::shuffle(seen, random);
        for (const auto& [t, live] : seen) {
            session.seek(t);
            ASSERT_EQ(session.cursorNs(), t);
            ASSERT_TRUE(session.state() == live) << "seed " << seed << ", at " << t;
        }
        session.goLive();
        session.flush();
    }
}

TEST(Session, PlayingPassesThroughTheSameStatesAsSeeking) {
    MadeStream stream{5};
    const std::vector<Record> records = stream.next(6'000);
    Session session;
    session.setMemory(std::size_t{64} << 20, 500);
    session.push(records);
    std::int64_t now = 1;
    session.setClock([&] { return now; });
    session.seek(session.beginNs());
    session.play(2.5);
    while (session.isPlaying()) {
        const std::int64_t before = session.cursorNs();
        now += 16'000'000;
        session.flush();
        if (session.isLive()) break;
        EXPECT_EQ(session.cursorNs(), before + 40'000'000);
        ASSERT_TRUE(session.state() == folded(records, session.cursorNs()));
    }
    EXPECT_TRUE(session.isLive());  // at the end it follows again
    session.play(-8);
    while (session.isPlaying()) {
        now += 16'000'000;
        session.flush();
        ASSERT_TRUE(session.state() == folded(records, session.cursorNs()));
    }
    EXPECT_EQ(session.cursorNs(), session.beginNs());
    EXPECT_FALSE(session.isLive());
}

TEST(Session, StepsFromEventToEventAndFromStateToState) {
    MadeStream stream{8};
    const std::vector<Record> records = stream.next(4'000);
    Session session;
    session.push(records);
    const FlowKey key{3, 1};
    session.select(key);
    std::vector<std::int64_t> changes;
    for (const Record& record : ofFlow(records, key)) {
        if (record.type == trace::Type::state) changes.push_back(record.t_ns);
    }
    ASSERT_GE(changes.size(), 4u);
    for (auto t = changes.rbegin(); t != changes.rend(); ++t) {
        session.stepState(-1);
        session.finish();
        EXPECT_EQ(session.cursorNs(), *t);
    }
    session.stepState(-1);
    session.finish();
    EXPECT_EQ(session.cursorNs(), changes.front());  // there is none before
    for (std::size_t i = 1; i < changes.size(); ++i) {
        session.stepState(1);
        session.finish();
        EXPECT_EQ(session.cursorNs(), changes[i]);
    }
    session.clearSelection();
    session.seek(records[100].t_ns);
    const auto isEvent = [](const Record& record) { return record.type != trace::Type::define; };
    const auto next =
        std::ranges::find_if(records, [&](const Record& r) { return isEvent(r) && r.t_ns > records[100].t_ns; });
    session.stepEvent(1);
    session.finish();
    EXPECT_EQ(session.cursorNs(), next->t_ns);
    session.stepEvent(-1);
    session.finish();
    EXPECT_LT(session.cursorNs(), next->t_ns);
}

TEST(Session, TheCurvesOfTheSelectedFlowEqualItsRecords) {
    MadeStream stream{21};
    std::vector<Record> records = stream.next(5'000);
    Session session;
    session.push(records);
    const FlowKey key{5, 2};
    session.select(key);
    const std::vector<Record> more = stream.next(3'000);  // while the past is still being read
    session.push(more);
    records.insert(records.end(), more.begin(), more.end());
    EXPECT_FALSE(session.seriesComplete());
    session.finish();
    EXPECT_TRUE(session.seriesComplete());

    FlowSeries expected;
    for (const Record& record : ofFlow(records, key)) expected.add(record, record.t_ns);
    ASSERT_GT(expected.records(), 20u);
    EXPECT_EQ(session.series().records(), expected.records());
    for (std::size_t id = 0; id < seriesCount; ++id) {
        const Pyramid &is = session.series()[SeriesId(id)], &should = expected[SeriesId(id)];
        ASSERT_EQ(is.size(), should.size());
        for (std::size_t i = 0; i < is.size(); ++i) {
            ASSERT_EQ(is.timeAt(i), should.timeAt(i));
            ASSERT_EQ(is.valueAt(i), should.valueAt(i));
        }
    }
    EXPECT_EQ(session.series().marks().size(), expected.marks().size());
    EXPECT_EQ(session.series().transitions().size(), expected.transitions().size());
    session.clearSelection();
    EXPECT_EQ(session.series().records(), 0u);
}

TEST(Session, MemoryIsBoundedAndWhatWentIsCounted) {
    Session session;
    session.setMemory(1 << 20, 1'000);
    MadeStream stream{4};
    std::vector<Record> records;
    for (int round = 0; round < 50; ++round) {
        const std::vector<Record> next = stream.next(1'000);
        records.insert(records.end(), next.begin(), next.end());
        session.push(next);
        session.flush();
    }
    EXPECT_GT(session.forgotten(), 20'000u);
    EXPECT_EQ(session.beginNs(), records[session.forgotten()].t_ns);
    session.seek(0);  // before the beginning
    EXPECT_EQ(session.cursorNs(), session.beginNs());
    EXPECT_TRUE(session.state() == folded(records, session.beginNs()));
    // The moment that is looked at gives way, too: the cursor goes with what is left.
    for (int round = 0; round < 30; ++round) session.push(stream.next(1'000));
    EXPECT_FALSE(session.isLive());
    EXPECT_EQ(session.cursorNs(), session.beginNs());
}

TEST(Session, ANodeThatBeginsAnewIsAnotherStory) {
    Session session;
    session.setMemory(std::size_t{64} << 20, 100);
    MadeStream first{2};
    const std::vector<Record> before = first.next(1'000);
    session.push(before);
    session.select({1, 1});
    session.restart();
    EXPECT_EQ(session.state().size(), 0u);
    EXPECT_FALSE(session.selected());
    MadeStream second{3, 12, first.nowNs() + 5'000'000'000};
    const std::vector<Record> after = second.next(1'000);
    session.push(after);
    EXPECT_TRUE(session.state() == folded(after, session.endNs()));
    session.select({1, 1});  // there was one of the same name before
    session.finish();
    EXPECT_EQ(session.series().records(), ofFlow(after, {1, 1}).size());
    session.seek(before[500].t_ns);
    EXPECT_TRUE(session.state() == folded(before, before[500].t_ns));
    session.seek(after[500].t_ns);
    EXPECT_TRUE(session.state() == folded(after, after[500].t_ns));
    session.clearSelection();
    session.seek(before[900].t_ns);
    session.select({1, 1});
    session.finish();
    EXPECT_EQ(session.series().records(), ofFlow(before, {1, 1}).size());
}

TEST(Session, ANodeWithAnotherClockBeginsAnEmptyHistory) {
    Session session;
    MadeStream first{2, 12, 900'000'000'000}, second{3, 12, 1'000'000};
    session.push(first.next(300));
    session.restart();
    const std::vector<Record> after = second.next(300);
    session.push(after);
    EXPECT_EQ(session.beginNs(), after.front().t_ns);
    EXPECT_EQ(session.endNs(), after.back().t_ns);
    EXPECT_TRUE(session.state() == folded(after, session.endNs()));
}

TEST(Session, SignalsComeOnceAFrameHoweverMuchComes) {
    Session session;
    session.flush();
    QSignalSpy state{&session, &Session::stateChanged}, range{&session, &Session::rangeChanged};
    QSignalSpy cursor{&session, &Session::cursorChanged};
    MadeStream stream{6};
    for (int i = 0; i < 50; ++i) session.push(stream.next(10));
    EXPECT_EQ(state.count(), 0);
    session.flush();
    EXPECT_EQ(state.count(), 1);
    EXPECT_EQ(range.count(), 1);
    session.seek(session.beginNs());
    session.flush();
    EXPECT_EQ(cursor.count(), 2);
    session.push(stream.next(10));  // rewound: the state that is looked at stays
    session.flush();
    EXPECT_EQ(state.count(), 2);
    EXPECT_EQ(range.count(), 2);
}

TEST(Session, FrozenItKeepsRecordsAndSaysNothing) {
    Session session;
    session.flush();
    QSignalSpy range{&session, &Session::rangeChanged};
    MadeStream stream{6};
    session.setFrozen(true);
    session.push(stream.next(100));
    session.flush();
    EXPECT_EQ(range.count(), 0);
    EXPECT_EQ(session.endNs(), stream.nowNs());
    session.setFrozen(false);
    session.flush();
    EXPECT_EQ(range.count(), 1);
}

TEST(Session, FrozenItAnswersToItsUserAndThenStandsAgain) {
    Session session;
    MadeStream stream{6};
    session.push(stream.next(3'000));
    session.flush();
    session.setFrozen(true);
    QSignalSpy cursor{&session, &Session::cursorChanged}, series{&session, &Session::seriesChanged};
    session.seek(session.beginNs());
    session.flush();
    EXPECT_EQ(cursor.count(), 1);
    session.select({3, 1});
    session.finish();
    session.flush();
    EXPECT_GE(series.count(), 1);
    session.flush();
    const auto told = cursor.count() + series.count();
    session.push(stream.next(100));
    session.flush();
    EXPECT_EQ(cursor.count() + series.count(), told);
}

TEST(Session, LostRecordsAreCountedAcrossRestarts) {
    Session session;
    const auto lost = [&](std::uint64_t count) {
        std::vector<Record> records;
        trace::Sink sink{trace::all, &records,
                         [](void* to, const Record& r) { static_cast<std::vector<Record>*>(to)->push_back(r); }};
        sink.add(Instant::from_nanoseconds(9), trace::no_flow, trace::Type::lagged,
                 trace::Lagged{std::uint32_t(trace::Type::congestion), 1, count});
        session.push(records);
    };
    lost(7);
    EXPECT_EQ(session.lagged(), 7u);
    session.restart();
    lost(5);
    EXPECT_EQ(session.lagged(), 12u);
}

TEST(Session, ARecordingShowsWhatTheLiveSessionShowed) {
    const QTemporaryDir directory;
    MadeStream stream{31};
    const std::vector<Record> records = stream.next(20'000);
    Session live, file;
    live.push(records);
    file.open(std::make_unique<FileSource>(written(directory, records)));
    ASSERT_EQ(file.status().kind, SourceStatus::Kind::ended) << file.status().message.toStdString();
    EXPECT_EQ(file.beginNs(), live.beginNs());
    EXPECT_EQ(file.endNs(), live.endNs());
    EXPECT_TRUE(file.state() == live.state());
    std::mt19937_64 random{31};
    for (int round = 0; round < 40; ++round) {
        const std::int64_t t = live.beginNs() + std::int64_t(random() % std::uint64_t(live.endNs() - live.beginNs()));
        live.seek(t);
        file.seek(t);
        ASSERT_TRUE(file.state() == live.state());
    }
    for (Session* session : {&live, &file}) {
        session->select({7, 3});
        session->finish();
    }
    EXPECT_GT(file.series().records(), 10u);
    EXPECT_EQ(file.series().records(), live.series().records());
    for (int round = 0; round < 10; ++round) {
        const auto step = [&](Session& session) {
            if (round % 2 == 0) {
                session.stepEvent(-1);
            } else {
                session.stepState(-1);
            }
            session.finish();
        };
        step(live);
        step(file);
        EXPECT_EQ(file.cursorNs(), live.cursorNs());
    }
    std::vector<Density::Column> fromLive(97), fromFile(97);
    live.density(live.beginNs(), live.endNs() + 1, fromLive);
    file.density(live.beginNs(), live.endNs() + 1, fromFile);
    double sum = 0;
    for (std::size_t i = 0; i < fromLive.size(); ++i) {
        EXPECT_DOUBLE_EQ(fromLive[i].all, fromFile[i].all);
        sum += fromFile[i].all;
    }
    EXPECT_NEAR(sum, 20'000, 200);  // a stretch may reach beyond the end
}

TEST(Session, TheDensityOfARecordingIsThereBeforeItWasRead) {
    const QTemporaryDir directory;
    MadeStream stream{32};
    const std::vector<Record> records = stream.next(30'000);
    Session session;
    session.open(std::make_unique<FileSource>(written(directory, records)));
    std::vector<Density::Column> columns(20);
    session.density(session.beginNs(), session.endNs(), columns);
    double sum = 0;
    for (const Density::Column& column : columns) sum += column.all;
    EXPECT_NEAR(sum, 30'000, 3'000);
}

}  // namespace
}  // namespace weft::gui
