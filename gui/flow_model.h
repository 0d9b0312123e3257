// The flows at the session's cursor as a table: filtered by the grammar of stack/core/filter.h, sorted by an index of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <QAbstractTableModel>
#include <QString>
#include <QTimer>

#include "gui/session.h"
#include "stack/core/filter.h"

namespace weft::gui {

class FlowModel final : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column : int { State, Local, Remote, Path, Module, Cwnd, Srtt, Throughput, Retransmissions, ColumnCount };
    enum Role : int {
        StateRole = Qt::UserRole,  // int: the state's number; -1: not known
        EndedRole,  // bool
        SortRole,  // double, or QString: what the column is sorted by
        PlaceRole,
        GenerationRole
    };

    explicit FlowModel(Session& session, QObject* parent = nullptr);

    // Empty: all. The answer is empty, or says what is wrong with the filter, which then stays as it was.
    QString setFilter(const QString& filter);
    const QString& filter() const { return filterText_; }
    std::size_t total() const { return total_; }  // flows that there are, shown or not

    FlowKey keyAt(int row) const { return rows_[std::size_t(row)].key; }
    int rowOf(FlowKey key) const;  // -1: not shown

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    void sort(int column, Qt::SortOrder order) override;

    void refresh();  // now; else with the session's signals, which are bounded in number

private:
    struct Row {
        FlowKey key;
        std::int64_t openedNs{0};  // rows that are equal otherwise stand in the order in which they were opened
        double number{0};  // what numbers are sorted by
        std::string text;  // what text is sorted by
    };

    std::vector<Row> wanted() const;
    void fill(Row& row, const trace::FlowState& flow) const;
    bool keepOnly(const std::vector<Row>& rows);
    bool addMissing(const std::vector<Row>& rows);
    void reorder(std::vector<Row> rows);
    QString text(const trace::FlowState& flow, int column) const;

    Session& session_;
    QTimer later_;
    std::vector<Row> rows_;
    std::optional<trace::Filter> filter_;
    QString filterText_;
    std::size_t total_{0};
    int sortColumn_{-1};  // -1: by age
    Qt::SortOrder sortOrder_{Qt::AscendingOrder};
};

}  // namespace weft::gui
