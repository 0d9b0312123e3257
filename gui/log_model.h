// The events around the session's cursor as a table: of the selected flow or of all, as many as a person would scroll through.
// Text is made for the rows that are looked at alone.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <QAbstractTableModel>
#include <QTimer>

#include "gui/session.h"

namespace weft::gui {

class LogModel final : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column : int { Time, Flow, Event, Detail, ColumnCount };
    enum Role : int {
        TypeRole = Qt::UserRole,  // int: trace::Type
        TimeRole,  // qlonglong: ns
        PlaceRole  // uint: of the flow; trace::no_flow: of none
    };
    static constexpr std::size_t mostBefore = 2'000,
                                 mostAfter = 500;  // rows up to and after the cursor; a few more as they come

    explicit LogModel(Session& session, QObject* parent = nullptr);

    void setTypes(std::uint32_t classes);  // bits of trace::bit(); usually all but define
    std::uint32_t types() const { return types_; }
    void setAllFlows(bool all);  // else of the selected flow alone, if one is
    bool allFlows() const { return all_; }

    int cursorRow() const { return int(before_) - 1; }  // the last row at or before the cursor; -1: none
    const trace::Record& recordAt(int row) const { return rows_[std::size_t(row)].record; }
    std::int64_t timeAt(int row) const { return rows_[std::size_t(row)].tNs; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

    void finish();  // all background work, now

Q_SIGNALS:
    void cursorRowChanged();

private:
    struct Row {
        std::int64_t tNs{0};
        trace::Record record;
    };

    void start();
    void follow();  // to where the cursor is now
    void begin(History::Position cursor);
    bool work(std::int64_t budgetNs);  // false: nothing is left to do
    bool wantsBefore() const;
    bool wantsAfter() const;
    void lookBack();
    void lookOn();
    bool isWanted(const trace::Record& record) const;
    std::vector<Row> read(const History& history, History::Position from, History::Position to, std::int64_t tNs) const;
    QString flowText(const trace::Record& record) const;
    void append(const std::vector<Row>& rows);
    void replace(const std::vector<Row>& rows);
    void trim();
    void setBefore();

    Session& session_;
    std::deque<Row> rows_;
    std::size_t before_{0};  // rows up to the cursor
    History::Position lower_{0}, upper_{0};  // what has been looked at
    bool trimmed_{false};  // rows from behind lower_ gave way
    QTimer slice_;
    std::uint32_t types_;
    bool all_{false};
    std::optional<FlowKey> flow_;
    Session::Span span_;  // of flow_'s place
};

}  // namespace weft::gui
