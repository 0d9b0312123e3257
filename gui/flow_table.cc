// Cells are painted here, not by the style: a screen full of them costs a fraction of a frame.
#include "gui/flow_table.h"

#include <QHeaderView>
#include <QKeyEvent>
#include <QPainter>
#include <QTimer>
#include <array>

#include "gui/flow_model.h"
#include "gui/session.h"
#include "gui/table_keys.h"
#include "gui/theme.h"

namespace weft::gui {
namespace {

constexpr int rowPixels = 27;

void paintPill(QPainter& painter, const QRect& cell, int state, bool ended, const QString& name) {
    const Colours& c = colours();
    const QColor colour = ended || state < 0 ? c.grey : stateColour(unsigned(state));
    const QRectF pill = QRectF(cell).adjusted(6, 4, -6, -4);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(colour, 1, ended ? Qt::DashLine : Qt::SolidLine));
    painter.setBrush(mixed(colour, c.panel, c.dark ? 24 : 14));
    painter.drawRoundedRect(pill, pill.height() / 2, pill.height() / 2);
    painter.setFont(uiFont(11, true));
    painter.setPen(ended ? c.dim : colour);
    painter.drawText(pill, Qt::AlignCenter, name);
}

}  // namespace

void FlowDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const {
    const Colours& c = colours();
    const bool selected = (option.state & QStyle::State_Selected) != 0;
    const QColor ground = selected ? c.selection : index.row() % 2 != 0 ? c.alternate : c.panel;
    painter->fillRect(option.rect, ground);
    const QString shown = index.data(Qt::DisplayRole).toString();
    const bool ended = index.data(FlowModel::EndedRole).toBool();
    painter->save();
    if (index.column() == FlowModel::State) {
        paintPill(*painter, option.rect, index.data(FlowModel::StateRole).toInt(), ended, shown);
    } else {
        const bool words = index.column() == FlowModel::Path || index.column() == FlowModel::Module;
        const bool left = words || index.column() == FlowModel::Local || index.column() == FlowModel::Remote;
        const QFont font = words ? uiFont(12) : monoFont(12);
        const bool lost = index.column() == FlowModel::Retransmissions && !shown.isEmpty() && shown != QLatin1String("0") &&
                          shown != QStringLiteral("–");
        painter->setFont(font);
        painter->setPen(selected ? c.selectedText : lost ? c.vermillion : ended ? c.dim : c.text);
        const QRect room = option.rect.adjusted(7, 0, -7, 0);
        const QFontMetrics metrics(font);
        QString text = metrics.elidedText(shown, left ? Qt::ElideMiddle : Qt::ElideRight, room.width());
        if (index.column() == FlowModel::Local && text != shown) text = shown.mid(shown.lastIndexOf(QLatin1Char(':')));
        painter->drawText(room, Qt::AlignVCenter | (left ? Qt::AlignLeft : Qt::AlignRight), text);
    }
    painter->restore();
}

QSize FlowDelegate::sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const { return {80, rowPixels}; }

FlowTable::FlowTable(Session& session, FlowModel& model, QWidget* parent)
    : QTableView(parent), session_{&session}, model_{&model} {
    setObjectName(QStringLiteral("flows"));
    setAccessibleName(tr("Flows"));
    setItemDelegate(new FlowDelegate(this));
    setSelectionBehavior(SelectRows);
    setSelectionMode(SingleSelection);
    setTabKeyNavigation(false);
    setShowGrid(false);
    setWordWrap(false);
    setSortingEnabled(true);
    setFrameShape(QFrame::NoFrame);
    setVerticalScrollMode(ScrollPerItem);  // the first row is never cut
    setHorizontalScrollMode(ScrollPerPixel);
    verticalHeader()->hide();
    verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    verticalHeader()->setDefaultSectionSize(rowPixels);
    horizontalHeader()->setHighlightSections(false);
    horizontalHeader()->setFont(uiFont(12, true));
    horizontalHeader()->setMinimumSectionSize(44);
    horizontalHeader()->setAccessibleName(tr("Columns of the flows"));
    horizontalHeader()->setFocusPolicy(Qt::NoFocus);
    setModel(model_);
    horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder);
    connect(this, &QTableView::pressed, this, &FlowTable::chooseCurrent);
    connect(session_, &Session::selectionChanged, this, &FlowTable::followSelection);
    connect(model_, &QAbstractItemModel::modelReset, this, &FlowTable::followSelection);
    connect(model_, &QAbstractItemModel::layoutChanged, this, &FlowTable::followSelection);
    connect(model_, &QAbstractItemModel::rowsRemoved, this, &FlowTable::followSelection);
    connect(model_, &QAbstractItemModel::rowsInserted, this, &FlowTable::followSelection);
}

void FlowTable::fitColumns() {
    // State, Local, Remote, Path, CC, cwnd, srtt, Mbit/s, Rtx: the addresses share what the others leave. Where that is little the
    // local end is its port alone, as it is the same node's in all rows.
    constexpr std::array<int, FlowModel::ColumnCount> widths{112, 0, 0, 58, 70, 64, 56, 54, 44};
    constexpr int port = 62, both = 460;
    const int free = viewport()->width();
    if (free == fitted_) return;
    fitted_ = free;
    int used = 0;
    for (const int width : widths) used += width;
    const int addresses = std::max(230, free - used);
    for (int column = 0; column < FlowModel::ColumnCount; ++column) {
        const int local = addresses < both ? port : addresses / 2;
        const int width = column == FlowModel::Local    ? local
                          : column == FlowModel::Remote ? addresses - local
                                                        : widths[std::size_t(column)];
        setColumnWidth(column, width);
    }
}

void FlowTable::resizeEvent(QResizeEvent* event) {
    QTableView::resizeEvent(event);
    fitColumns();
    QTimer::singleShot(0, this, [this] {  // when all is in its place
        const QRect row = visualRect(currentIndex());
        if (currentIndex().isValid() && (row.top() < 0 || row.bottom() >= viewport()->height())) scrollTo(currentIndex());
    });
}

void FlowTable::followSelection() {
    const auto chosen = session_->selected();
    const int row = chosen ? model_->rowOf(*chosen) : -1;
    if (row == currentIndex().row() && (row < 0 || selectionModel()->isRowSelected(row))) return;
    if (row < 0) {
        clearSelection();
        setCurrentIndex({});
    } else {
        setCurrentIndex(model_->index(row, 0));
    }
}

// A person chose the row; rows also become current because others went.
void FlowTable::chooseCurrent() {
    chosenHere_.reset();
    if (currentIndex().isValid()) session_->select(model_->keyAt(currentIndex().row()));
}

bool FlowTable::isOver(const trace::FlowState& flow) const {
    constexpr std::uint8_t timeWait = 10;
    return !flow.lives() || flow.state == timeWait || flow.state == trace::state_closed;
}

void FlowTable::chooseBest(bool again) {
    const auto now = session_->selected();
    if (model_->rowCount() == 0 || (now && (!again || now != chosenHere_))) return;
    const trace::FlowState* old = now ? session_->find(*now) : nullptr;
    if (now && old != nullptr && !isOver(*old)) return;
    const trace::FlowState* best = nullptr;
    const auto moved = [](const trace::FlowState& flow) { return flow.counters.bytes_in + flow.counters.bytes_out; };
    for (int row = 0; row < model_->rowCount(); ++row) {
        const trace::FlowState* flow = session_->find(model_->keyAt(row));
        if (flow == nullptr || flow->state == trace::state_listen) continue;
        if (now && isOver(*flow)) continue;
        if (best == nullptr || moved(*flow) > moved(*best)) best = flow;
    }
    if (best == nullptr) return;
    chosenHere_ = {best->place, best->generation};
    session_->select(*chosenHere_);
}

void FlowTable::step(int direction) {
    const int rows = model_->rowCount();
    if (rows == 0) return;
    const int row = currentIndex().isValid() ? std::clamp(currentIndex().row() + direction, 0, rows - 1) : 0;
    setCurrentIndex(model_->index(row, 0));
    chooseCurrent();
}

void FlowTable::sortByNext() {
    QHeaderView* header = horizontalHeader();
    const int next = header->sortIndicatorSection() + 1;
    sortByColumn(next >= FlowModel::ColumnCount ? -1 : next, Qt::AscendingOrder);  // after the last one: by age
}

void FlowTable::turnOrder() {
    QHeaderView* header = horizontalHeader();
    if (header->sortIndicatorSection() < 0 || header->sortIndicatorSection() >= FlowModel::ColumnCount) return;
    sortByColumn(header->sortIndicatorSection(),
                 header->sortIndicatorOrder() == Qt::AscendingOrder ? Qt::DescendingOrder : Qt::AscendingOrder);
}

// Left, Right and Space are time's, not the table's.
void FlowTable::keyPressEvent(QKeyEvent* event) {
    const auto modifiers = event->modifiers() & ~(Qt::ShiftModifier | Qt::KeypadModifier);
    if (event->key() == Qt::Key_S && modifiers == 0)
        (event->modifiers() & Qt::ShiftModifier) != 0 ? turnOrder() : sortByNext();
    else if (moveRow(*this, event->key())) chooseCurrent();
    else event->ignore();
}

void FlowTable::paintEvent(QPaintEvent* event) {
    QTableView::paintEvent(event);
    QPainter painter(viewport());
    paintFocus(*this, painter);
    if (model_->rowCount() != 0) return;
    painter.setFont(uiFont(12));
    painter.setPen(colours().dim);
    const QString why =
        model_->total() != 0 ? tr("No flow matches the filter (of %1)").arg(model_->total()) : tr("No flows yet");
    painter.drawText(viewport()->rect(), Qt::AlignCenter, why);
}

}  // namespace weft::gui
