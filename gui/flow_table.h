// The table of flows: a state is a pill with its name, numbers stand under each other. Choosing a row chooses the flow for all views.
#pragma once

#include <QStyledItemDelegate>
#include <QTableView>
#include <optional>

#include "gui/flow_series.h"

namespace weft::gui {

class FlowModel;
class Session;

class FlowDelegate : public QStyledItemDelegate {
    Q_OBJECT
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

class FlowTable : public QTableView {
    Q_OBJECT
public:
    FlowTable(Session& session, FlowModel& model, QWidget* parent = nullptr);

    // If nothing is chosen: the flow that moved most. `again`: also if what this chose is over and another one goes on.
    void chooseBest(bool again = false);
    void step(int direction);  // the row above or below

protected:
    void paintEvent(QPaintEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void followSelection();
    bool isOver(const trace::FlowState& flow) const;
    void chooseCurrent();
    void sortByNext();  // column
    void turnOrder();
    void fitColumns();

    Session* session_;
    FlowModel* model_;
    std::optional<FlowKey> chosenHere_;  // not by a person
    int fitted_{0};  // the width that columns were fitted to
};

}  // namespace weft::gui
