// A table over the records near the cursor; the line of the cursor is kept in sight.
#include "gui/log_view.h"

#include <QCheckBox>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QTableView>
#include <QVBoxLayout>

#include "gui/log_model.h"
#include "gui/session.h"
#include "gui/table_keys.h"
#include "gui/theme.h"

namespace weft::gui {
namespace {

constexpr int lineHeight = 19;

QColor colourOf(int type) {
    const Colours& c = colours();
    switch (trace::Type(type)) {
    case trace::Type::state:
    case trace::Type::flow: return c.green;
    case trace::Type::loss:
    case trace::Type::drop:
    case trace::Type::lagged: return c.vermillion;
    case trace::Type::timer: return c.purple;
    case trace::Type::congestion:
    case trace::Type::plugin:
    case trace::Type::limit: return c.blue;
    case trace::Type::mark:
    case trace::Type::text: return c.orange;
    default: return c.text;
    }
}

class LogDelegate : public QStyledItemDelegate {
public:
    LogDelegate(const LogModel& model, QObject* parent) : QStyledItemDelegate(parent), model_{&model} {}

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        const Colours& c = colours();
        const bool selected = (option.state & QStyle::State_Selected) != 0, here = index.row() == model_->cursorRow();
        painter->fillRect(option.rect, selected ? c.selection : here ? mixed(c.blue, c.panel, 18) : c.panel);
        if (here && index.column() == 0)
            painter->fillRect(QRect(option.rect.topLeft(), QSize(3, option.rect.height())), c.blue);
        const bool dim = index.column() == LogModel::Time || index.column() == LogModel::Flow;
        const bool later = index.row() > model_->cursorRow();
        QColor colour = dim                                 ? c.dim
                        : index.column() == LogModel::Event ? colourOf(index.data(LogModel::TypeRole).toInt())
                                                            : c.text;
        if (selected) colour = c.selectedText;
        else if (later) colour = mixed(colour, c.panel, 62);
        const QFont font = monoFont(11);
        painter->setFont(font);
        painter->setPen(colour);
        const QRect room = option.rect.adjusted(8, 0, -2, 0);
        painter->drawText(
            room, Qt::AlignVCenter | Qt::AlignLeft,
            QFontMetrics(font).elidedText(index.data(Qt::DisplayRole).toString(), Qt::ElideRight, room.width()));
    }
    QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override { return {60, lineHeight}; }

private:
    const LogModel* model_;
};

class LogTable : public QTableView {
public:
    using QTableView::QTableView;

protected:
    void paintEvent(QPaintEvent* event) override {
        QTableView::paintEvent(event);
        QPainter painter(viewport());
        paintFocus(*this, painter);
        if (model()->rowCount() != 0) return;
        painter.setFont(uiFont(12));
        painter.setPen(colours().dim);
        painter.drawText(viewport()->rect(), Qt::AlignCenter, LogView::tr("No events yet"));
    }

    // Left, Right, Space and Escape are time's.
    void keyPressEvent(QKeyEvent* event) override {
        const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
        if (enter && currentIndex().isValid()) Q_EMIT activated(currentIndex());
        else if (!moveRow(*this, event->key())) event->ignore();
    }
};

}  // namespace

// All of what a narrow column cuts off, in two lines: of the chosen row, else of the one at the cursor.
class DetailLine : public QWidget {
public:
    explicit DetailLine(QWidget* parent) : QWidget(parent) {
        setFixedHeight(36);
        setObjectName(QStringLiteral("log-detail"));
    }
    void setText(const QString& text) {
        if (text == text_) return;
        text_ = text;
        setAccessibleName(text);
        update();
    }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.setPen(colours().grid);
        painter.drawLine(QPointF(0, 0.5), QPointF(width(), 0.5));
        painter.setFont(monoFont(11));
        painter.setPen(colours().text);
        painter.drawText(rect().adjusted(8, 3, -8, 0), Qt::AlignLeft | Qt::AlignTop | Qt::TextWordWrap, text_);
    }

private:
    QString text_;
};

LogView::LogView(Session& session, LogModel& model, QWidget* parent)
    : QWidget(parent), session_{&session}, model_{&model}, table_{new LogTable(this)},
      all_{new QCheckBox(tr("All flows"), this)}, detail_{new DetailLine(this)} {
    auto* title = new QLabel(tr("Events"), this);
    title->setFont(uiFont(13, true));
    all_->setFont(uiFont(12));
    all_->setAccessibleName(tr("Show the events of all flows"));
    all_->setObjectName(QStringLiteral("log-all"));
    all_->setChecked(model_->allFlows());
    connect(all_, &QCheckBox::toggled, this, [this](bool on) {
        model_->setAllFlows(on);
        table_->setColumnHidden(LogModel::Flow, !on);  // of one flow it says nothing
    });
    table_->setObjectName(QStringLiteral("log"));
    table_->setAccessibleName(tr("Events"));
    table_->setModel(model_);
    table_->setItemDelegate(new LogDelegate(*model_, table_));
    table_->setSelectionBehavior(QAbstractItemView::SelectRows);
    table_->setSelectionMode(QAbstractItemView::SingleSelection);
    table_->setTabKeyNavigation(false);
    table_->setShowGrid(false);
    table_->setWordWrap(false);
    table_->setFrameShape(QFrame::NoFrame);
    table_->horizontalHeader()->hide();
    table_->verticalHeader()->hide();
    table_->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    table_->verticalHeader()->setMinimumSectionSize(lineHeight);
    table_->verticalHeader()->setDefaultSectionSize(lineHeight);
    table_->horizontalHeader()->setStretchLastSection(true);
    table_->setColumnWidth(LogModel::Time, 82);
    table_->setColumnWidth(LogModel::Flow, 150);
    table_->setColumnHidden(LogModel::Flow, !model_->allFlows());
    table_->setColumnWidth(LogModel::Event, 86);
    connect(table_, &QTableView::activated, this,
            [this](const QModelIndex& index) { session_->seek(model_->timeAt(index.row())); });
    connect(table_, &QTableView::doubleClicked, this,
            [this](const QModelIndex& index) { session_->seek(model_->timeAt(index.row())); });
    connect(model_, &LogModel::cursorRowChanged, this, &LogView::followCursor);
    connect(model_, &LogModel::rowsInserted, this, &LogView::showDetail);
    connect(model_, &LogModel::modelReset, this, &LogView::showDetail);
    connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &LogView::showDetail);
    auto* head = new QHBoxLayout;
    head->setContentsMargins(12, 5, 10, 1);
    head->addWidget(title);
    head->addStretch();
    head->addWidget(all_);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 4);
    layout->setSpacing(2);
    layout->addLayout(head);
    layout->addWidget(table_);
    layout->addWidget(detail_);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
}

void LogView::showDetail() {
    const QModelIndex chosen = table_->currentIndex();
    const int row = chosen.isValid() && table_->hasFocus() ? chosen.row() : model_->cursorRow();
    if (row < 0) return detail_->setText({});
    const auto cell = [&](int column, int role) { return model_->index(row, column).data(role).toString(); };
    detail_->setText(cell(LogModel::Event, Qt::DisplayRole) + QStringLiteral("  ") +
                     cell(LogModel::Detail, Qt::ToolTipRole));
}

void LogView::followCursor() {
    table_->viewport()->update();
    showDetail();
    const int row = model_->cursorRow();
    if (row < 0) return;
    const bool atEnd = session_->isLive();
    table_->scrollTo(model_->index(row, 0),
                     atEnd ? QAbstractItemView::PositionAtBottom : QAbstractItemView::PositionAtCenter);
}

}  // namespace weft::gui
