// The tables: of flows, filtered and sorted, with rows that keep who they are; and of events around the cursor.
#include <gtest/gtest.h>

#include <QAbstractItemModelTester>
#include <QElapsedTimer>
#include <QPersistentModelIndex>
#include <QSignalSpy>

#include "gui/flow_model.h"
#include "gui/log_model.h"
#include "tests/gui/made_stream.h"

namespace weft::gui {
namespace {

using trace::Record;

struct Table {
    QString cell(const QAbstractItemModel& model, int row, int column) {
        return model.data(model.index(row, column), Qt::DisplayRole).toString();
    }
    Session session;
};

TEST(FlowModel, KeepsItsPromisesToViewsWhateverHappens) {
    Session session;
    MadeStream stream{1, 40};
    std::mt19937_64 random{1};
    FlowModel model{session};
    const QAbstractItemModelTester tester{&model, QAbstractItemModelTester::FailureReportingMode::Fatal};
    for (int round = 0; round < 150; ++round) {
        session.push(stream.next(1 + random() % 200));
        switch (random() % 6) {
        case 0:
            model.sort(int(random() % FlowModel::ColumnCount), random() % 2 == 0 ? Qt::AscendingOrder : Qt::DescendingOrder);
            break;
        case 1: EXPECT_EQ(model.setFilter(QStringLiteral("tcp.state == ESTABLISHED")), QString{}); break;
        case 2: EXPECT_EQ(model.setFilter({}), QString{}); break;
        case 3:
            session.seek(session.beginNs() +
                         std::int64_t(random() % std::uint64_t(1 + session.endNs() - session.beginNs())));
            break;
        default: session.goLive(); break;
        }
        session.flush();
        ASSERT_LE(std::size_t(model.rowCount()), model.total());
    }
}

TEST(FlowModel, ShowsTheFlowsThatTheFilterLetsThrough) {
    Session session;
    MadeStream stream{2, 60};
    session.push(stream.next(8'000));
    FlowModel model{session};
    ASSERT_EQ(model.rowCount(), int(session.state().size()));
    ASSERT_EQ(model.setFilter(QStringLiteral("tcp.state == ESTABLISHED && port == 80")), QString{});
    int established = 0;
    for (std::size_t i = 0; i < session.state().size(); ++i) established += session.state().at(i).state == 4;
    ASSERT_GT(established, 0);
    EXPECT_EQ(model.rowCount(), established);
    for (int row = 0; row < model.rowCount(); ++row)
        EXPECT_EQ(model.data(model.index(row, FlowModel::State), Qt::DisplayRole).toString(), QStringLiteral("ESTABLISHED"));
    EXPECT_NE(model.setFilter(QStringLiteral("tcp.state === 5")), QString{});
    EXPECT_EQ(model.rowCount(), established);  // a filter with a fault leaves the last one
}

TEST(FlowModel, SortsByWhatTheColumnMeans) {
    Session session;
    MadeStream stream{3, 60};
    session.push(stream.next(8'000));
    FlowModel model{session};
    for (int column = 0; column < FlowModel::ColumnCount; ++column) {
        model.sort(column, Qt::DescendingOrder);
        for (int row = 1; row < model.rowCount(); ++row) {
            const QVariant a = model.data(model.index(row - 1, column), FlowModel::SortRole);
            const QVariant b = model.data(model.index(row, column), FlowModel::SortRole);
            if (a.typeId() == QMetaType::Double && b.typeId() == QMetaType::Double) {
                ASSERT_GE(a.toDouble(), b.toDouble()) << "column " << column;
            }
        }
    }
}

TEST(FlowModel, ARowKeepsItsFlowWhenTheOrderChanges) {
    Session session;
    MadeStream stream{4, 30};
    session.push(stream.next(3'000));
    FlowModel model{session};
    const FlowKey key = model.keyAt(5);
    const QPersistentModelIndex held = model.index(5, FlowModel::State);
    for (int column = 0; column < FlowModel::ColumnCount; ++column) {
        model.sort(column, Qt::DescendingOrder);
        ASSERT_TRUE(held.isValid());
        EXPECT_EQ(model.keyAt(held.row()), key);
        EXPECT_EQ(model.rowOf(key), held.row());
    }
}

TEST(FlowModel, TenThousandFlowsAreATable) {
    Session session;
    MadeStream stream{5, 10'000};
    session.push(stream.next(120'000));
    FlowModel model{session};
    EXPECT_GT(model.rowCount(), 9'000);
    model.sort(FlowModel::Cwnd, Qt::DescendingOrder);
    QSignalSpy reset{&model, &QAbstractItemModel::modelReset};
    const FlowKey first = model.keyAt(0);
    session.push(stream.next(1'000));
    session.flush();
    model.refresh();
    EXPECT_GE(model.rowOf(first), 0);
}

// ---- events

// Of one flow: what names it, and what happened in its place from its begin to the next one's.
bool isOf(const Record& record, FlowKey flow, std::int64_t from, std::int64_t to) {
    if (record.flow != flow.place) return false;
    if (record.type == trace::Type::state) return trace::body_of<trace::StateChange>(record).generation == flow.generation;
    if (record.type == trace::Type::flow) return trace::body_of<trace::FlowBegin>(record).generation == flow.generation;
    return record.t_ns >= from && record.t_ns < to;
}

std::vector<Record> eventsUpTo(const std::vector<Record>& records, std::int64_t t, std::optional<FlowKey> flow) {
    std::vector<Record> events;
    std::int64_t from = std::numeric_limits<std::int64_t>::min(), to = std::numeric_limits<std::int64_t>::max();
    for (const Record& record : records) {
        if (!flow || record.flow != flow->place || record.type != trace::Type::flow) continue;
        const std::uint32_t generation = trace::body_of<trace::FlowBegin>(record).generation;
        if (generation == flow->generation) from = record.t_ns;
        if (generation == flow->generation + 1) to = record.t_ns;
    }
    for (const Record& record : records) {
        if (record.t_ns > t) break;
        if (record.type == trace::Type::define || (flow && !isOf(record, *flow, from, to))) continue;
        events.push_back(record);
    }
    return events;
}

void expectLog(const LogModel& log, const Session& session, const std::vector<Record>& records,
               std::optional<FlowKey> flow) {
    const std::vector<Record> events = eventsUpTo(records, session.cursorNs(), flow);
    const std::size_t most = std::min(events.size(), LogModel::mostBefore);
    ASSERT_GE(std::size_t(log.cursorRow() + 1), std::min(most, LogModel::mostBefore / 2));
    ASSERT_LE(std::size_t(log.cursorRow() + 1), events.size());
    for (int row = log.cursorRow(), at = int(events.size()) - 1; row >= 0; --row, --at) {
        ASSERT_EQ(log.timeAt(row), events[std::size_t(at)].t_ns);
        ASSERT_TRUE(log.recordAt(row).type == events[std::size_t(at)].type &&
                    log.recordAt(row).flow == events[std::size_t(at)].flow);
    }
}

TEST(LogModel, ShowsWhatHappenedUpToTheCursorWhereverItGoes) {
    Session session;
    MadeStream stream{6};
    std::mt19937_64 random{6};
    LogModel log{session};
    const QAbstractItemModelTester tester{&log, QAbstractItemModelTester::FailureReportingMode::Fatal};
    std::vector<Record> records;
    for (int round = 0; round < 120; ++round) {
        const std::vector<Record> more = stream.next(1 + random() % 600);
        records.insert(records.end(), more.begin(), more.end());
        session.push(more);
        switch (random() % 5) {
        case 0:
            session.seek(session.beginNs() +
                         std::int64_t(random() % std::uint64_t(1 + session.endNs() - session.beginNs())));
            break;
        case 1: session.goLive(); break;
        case 2: session.stepEvent(-1); break;
        case 3:
            if (random() % 2 == 0) {
                session.select({std::uint32_t(random() % 12), 1});
            } else {
                session.clearSelection();
            }
            break;
        default: break;
        }
        session.finish();
        session.flush();
        log.finish();
        ASSERT_NO_FATAL_FAILURE(expectLog(log, session, records, session.selected())) << "round " << round;
    }
}

TEST(LogModel, AFewThousandRowsAtMostHoweverMuchCame) {
    Session session;
    MadeStream stream{7};
    LogModel log{session};
    for (int round = 0; round < 20; ++round) {
        session.push(stream.next(5'000));
        session.flush();
        EXPECT_LE(std::size_t(log.rowCount()), LogModel::mostBefore + LogModel::mostAfter + 200);
    }
    session.seek(session.beginNs());
    session.flush();
    log.finish();
    EXPECT_GE(log.cursorRow(), 0);
    EXPECT_GE(std::size_t(log.rowCount()), LogModel::mostAfter);  // and what is to come
    const QString what = log.data(log.index(0, LogModel::Event), Qt::DisplayRole).toString();
    EXPECT_FALSE(what.isEmpty());
}

}  // namespace
}  // namespace weft::gui
