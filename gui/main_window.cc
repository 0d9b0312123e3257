// Puts the views together, hands the session's news on to those that do not listen themselves, and gives keys their meaning.
#include "gui/main_window.h"

#include <QAccessible>
#include <QApplication>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QMenu>
#include <QPainter>
#include <QSplitter>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "gui/diagram_widget.h"
#include "gui/file_source.h"
#include "gui/filter_line.h"
#include "gui/flow_model.h"
#include "gui/flow_table.h"
#include "gui/history_strip.h"
#include "gui/icons.h"
#include "gui/log_model.h"
#include "gui/log_view.h"
#include "gui/node_actions.h"
#include "gui/plot_axis.h"
#include "gui/plot_view.h"
#include "gui/plot_widget.h"
#include "gui/plots_pane.h"
#include "gui/session.h"
#include "gui/socket_source.h"
#include "gui/theme.h"
#include "gui/timeline_widget.h"

namespace weft::gui {
namespace {

constexpr int gap = 6;

QString rateWords(double perSecond) {
    if (perSecond < 1'000) return QString::number(std::int64_t(perSecond));
    if (perSecond < 1e6) return QString::number(perSecond / 1e3, 'f', perSecond < 1e4 ? 1 : 0) + QLatin1String(" k");
    return QString::number(perSecond / 1e6, 'f', 1) + QLatin1String(" M");
}

// A text of any length in what room there is: it never makes the window wider.
class StatusText : public QLabel {
public:
    using QLabel::QLabel;
    QSize minimumSizeHint() const override { return {0, QLabel::minimumSizeHint().height()}; }

protected:
    void paintEvent(QPaintEvent* event) override {
        if (fontMetrics().horizontalAdvance(text()) <= contentsRect().width()) return QLabel::paintEvent(event);
        QPainter painter(this);
        painter.setPen(palette().color(foregroundRole()));
        painter.drawText(contentsRect(), Qt::AlignLeft | Qt::AlignVCenter,
                         fontMetrics().elidedText(text(), Qt::ElideRight, contentsRect().width()));
    }
};

QSplitter* makeSplitter(Qt::Orientation orientation, const char* name, QWidget* parent) {
    auto* made = new QSplitter(orientation, parent);
    made->setObjectName(QLatin1String(name));
    made->setChildrenCollapsible(false);
    made->setHandleWidth(gap);
    return made;
}

}  // namespace

void FrameTimes::add(std::int64_t ns) { ns_[count_++ % ns_.size()] = ns; }

double FrameTimes::quantileMs(double part) const {
    const std::size_t kept = std::min(count_, ns_.size());
    if (kept == 0) return 0;
    auto sorted = ns_;
    const auto at = sorted.begin() + std::ptrdiff_t(std::min(double(kept - 1), part * double(kept)));
    std::nth_element(sorted.begin(), at, sorted.begin() + std::ptrdiff_t(kept));
    return double(*at) / 1e6;
}

MainWindow::MainWindow(Session& session, QWidget* parent)
    : QMainWindow(parent), session_{&session}, view_{new PlotView(this)}, flowModel_{new FlowModel(session, this)},
      logModel_{new LogModel(session, this)}, actions_{new NodeActions(session, this)} {
    setObjectName(QStringLiteral("weft-gui"));
    setWindowTitle(QStringLiteral("weft"));
    setAccessibleName(tr("weft: connections"));
    auto* central = new QWidget(this);
    auto* layout = new QVBoxLayout(central);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeToolbar());
    layout->addWidget(makeBody(), 1);
    layout->addWidget(makeStatusLine());
    setCentralWidget(central);
    connectSession();
    addShortcuts();
    resize(1'400, 860);
    refreshTime();
    refreshFlow();
    refreshActions();
    flows_->setFocus();
}

// ---- parts

QToolButton* MainWindow::makeButton(const QString& text, const char* id, const QString& tip) {
    auto* made = new QToolButton(this);
    made->setText(text);
    made->setObjectName(QLatin1String(id));
    made->setToolTip(tip);
    made->setAccessibleName(text);
    made->setAccessibleDescription(tip);
    made->setAutoRaise(true);
    made->setFocusPolicy(Qt::TabFocus);
    made->setMinimumHeight(26);
    return made;
}

QToolButton* MainWindow::makeMenuButton(const QString& text, const char* id, const QString& tip, QMenu* menu) {
    QToolButton* made = makeButton(text, id, tip);
    made->setPopupMode(QToolButton::InstantPopup);
    made->setMenu(menu);
    return made;
}

QWidget* MainWindow::makeToolbar() {
    auto* bar = new QWidget(this);
    auto* layout = new QHBoxLayout(bar);
    layout->setContentsMargins(gap, 5, gap, 5);
    layout->setSpacing(4);
    QToolButton* open = makeButton(tr("Open…"), "open", tr("Open a recording (Ctrl+O)"));
    connect(open, &QToolButton::clicked, this, &MainWindow::askForRecording);
    auto* nodes = new QMenu(this);
    nodes->setAccessibleName(tr("Nodes"));
    connect_ = makeMenuButton(tr("Connect"), "connect", tr("Connect to a running node (Ctrl+N)"), nodes);
    connect(nodes, &QMenu::aboutToShow, this, &MainWindow::fillNodes);
    record_ =
        makeButton(tr("Record"), "record", tr("The node writes what happens to a file, until it is pressed again (R)"));
    record_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    connect(record_, &QToolButton::clicked, actions_, &NodeActions::toggleRecording);
    flowMenu_ = makeMenuButton(tr("Flow"), "flow-menu", tr("Change or abort the selected flow (C)"), actions_->flowMenu());
    nodeMenu_ =
        makeMenuButton(tr("Node"), "node-menu", tr("Record, mark, damage links, move flows (O)"), actions_->nodeMenu());
    filter_ = new FilterLine(*flowModel_, bar);
    filter_->setMinimumWidth(120);  // with and without its button
    connect(filter_, &FilterLine::left, this, [this] { flows_->setFocus(); });
    connect(filter_, &FilterLine::problemChanged, this, &MainWindow::refreshStatus);
    pause_ = makeButton(tr("Pause"), "pause", tr("Stand still, or play (Space)"));
    connect(pause_, &QToolButton::clicked, this, &MainWindow::togglePlay);
    freeze_ = makeButton(tr("Freeze"), "freeze", tr("Nothing moves until it is pressed again (F)"));
    freeze_->setCheckable(true);
    connect(freeze_, &QToolButton::toggled, this, &MainWindow::setFrozen);
    QToolButton* picture = makeButton(tr("Picture…"), "picture", tr("Save a picture of the window as PNG (Ctrl+S)"));
    connect(picture, &QToolButton::clicked, this, &MainWindow::askForPicture);
    theme_ = makeButton(tr("Theme"), "theme", tr("Light, dark, as the system (T)"));
    connect(theme_, &QToolButton::clicked, this, &MainWindow::nextTheme);
    QToolButton* help = makeButton(tr("Keys"), "keys", tr("What the keys do (F1)"));
    connect(help, &QToolButton::clicked, this, &MainWindow::showHelp);
    for (QWidget* part : {open, connect_, record_, flowMenu_, nodeMenu_}) layout->addWidget(part);
    layout->addWidget(filter_, 1);
    for (QWidget* part : {pause_, freeze_, picture, theme_, help}) layout->addWidget(part);
    return bar;
}

QWidget* MainWindow::makeBody() {
    auto* body = new QWidget(this);
    auto* layout = new QVBoxLayout(body);
    layout->setContentsMargins(gap, 0, gap, 0);
    layout->setSpacing(gap);
    QSplitter* columns = makeSplitter(Qt::Horizontal, "columns", body);
    QSplitter* left = makeSplitter(Qt::Vertical, "left", columns);
    flows_ = new FlowTable(*session_, *flowModel_, left);
    plots_ = new PlotsPane(*session_, *view_, left);
    left->addWidget(flows_);
    left->addWidget(plots_);
    left->setStretchFactor(0, 2);
    left->setStretchFactor(1, 5);
    left->setSizes({200, 500});
    QSplitter* right = makeSplitter(Qt::Vertical, "right", columns);
    auto* machine = new QWidget(right);
    auto* stacked = new QVBoxLayout(machine);
    stacked->setContentsMargins(0, 0, 0, 0);
    stacked->setSpacing(0);
    diagram_ = new DiagramWidget(machine);
    history_ = new HistoryStrip(machine);
    stacked->addWidget(diagram_, 1);
    stacked->addWidget(history_);
    log_ = new LogView(*session_, *logModel_, right);
    right->addWidget(machine);
    right->addWidget(log_);
    right->setStretchFactor(0, 3);
    right->setStretchFactor(1, 2);
    right->setSizes({430, 270});
    columns->addWidget(left);
    columns->addWidget(right);
    columns->setStretchFactor(0, 59);
    columns->setStretchFactor(1, 41);
    columns->setSizes({590, 410});
    timeline_ = new TimelineWidget(*session_, *view_, body);
    layout->addWidget(columns, 1);
    layout->addWidget(timeline_);
    return body;
}

QWidget* MainWindow::makeStatusLine() {
    auto* line = new QWidget(this);
    auto* layout = new QHBoxLayout(line);
    layout->setContentsMargins(gap + 2, 3, gap + 2, 4);
    status_ = new StatusText(line);
    status_->setFont(uiFont(12));
    status_->setTextFormat(Qt::PlainText);
    status_->setObjectName(QStringLiteral("status"));
    trouble_ = new StatusText(line);
    trouble_->setFont(uiFont(12, true));
    trouble_->setTextFormat(Qt::PlainText);
    trouble_->setForegroundRole(QPalette::BrightText);
    trouble_->setObjectName(QStringLiteral("trouble"));
    layout->addWidget(status_);
    layout->addStretch();
    layout->addWidget(trouble_);
    return line;
}

// ---- what the session says

void MainWindow::connectSession() {
    connect(session_, &Session::rangeChanged, this, &MainWindow::refreshTime);
    connect(session_, &Session::cursorChanged, this, &MainWindow::refreshTime);
    connect(session_, &Session::cursorChanged, this, &MainWindow::refreshFlow);
    connect(session_, &Session::stateChanged, this, &MainWindow::refreshFlow);
    connect(session_, &Session::seriesChanged, this, &MainWindow::refreshFlow);
    connect(session_, &Session::selectionChanged, this, &MainWindow::refreshFlow);
    connect(session_, &Session::statusChanged, this, &MainWindow::refreshStatus);
    connect(session_, &Session::stateChanged, this, &MainWindow::refreshStatus);
    for (const auto signal : {&Session::cursorChanged, &Session::statusChanged, &Session::sourceChanged})
        connect(session_, signal, this, &MainWindow::refreshActions);
    connect(actions_, &NodeActions::changed, this, &MainWindow::refreshActions);
    connect(actions_, &NodeActions::told, this, &MainWindow::notice);
    noticeEnds_.setSingleShot(true);
    connect(&noticeEnds_, &QTimer::timeout, this, [this] { notice({}, false); });
    // Many rows come later than what the session said of them.
    const auto rowsCame = [this] {
        if (!session_->selected()) refreshFlow();
        refreshStatus();
    };
    connect(flowModel_, &FlowModel::rowsInserted, this, rowsCame);
    connect(flowModel_, &FlowModel::modelReset, this, rowsCame);
    connect(session_, &Session::sourceChanged, this, [this] {
        view_->reset();
        refreshTime();
        refreshFlow();
        refreshStatus();
    });
    connect(diagram_, &DiagramWidget::jump, session_, &Session::seek);
    connect(history_, &HistoryStrip::jump, session_, &Session::seek);
}

void MainWindow::refreshTime() {
    if (session_->history().isEmpty()) return;
    const bool grows = session_->status().kind != SourceStatus::Kind::ended;
    view_->setBounds(session_->beginNs(), session_->endNs(), grows && session_->isLive());
    view_->setCursor(session_->cursorNs(), !(session_->isLive() && grows));
}

void MainWindow::refreshFlow() {
    const bool follows = session_->isLive() && session_->status().kind == SourceStatus::Kind::live;
    if (!session_->selected() || follows) flows_->chooseBest(follows);
    const auto chosen = session_->selected();
    const trace::FlowState* flow = chosen ? session_->find(*chosen) : nullptr;
    std::vector<Transition> steps;
    if (flow != nullptr) {
        for (const trace::Taken& taken : flow->taken())
            steps.push_back({taken.t_ns, taken.from, taken.to, taken.cause, taken.segment_flags, false});
    }
    diagram_->setFlow(flow == nullptr ? -1 : int(flow->state), steps, session_->beginNs(), session_->cursorNs());
    const std::int64_t cursor = session_->cursorNs();
    for (const Transition& later : session_->series().transitions()) {
        const bool first = steps.empty() && later.toldAgain;
        if (chosen && (first || (!later.toldAgain && later.tNs > cursor))) steps.push_back(later);
    }
    history_->setHistory(steps, session_->beginNs(), cursor);
}

// At most ten times a second: nobody reads faster.
void MainWindow::refreshStatus() {
    if (statusAge_.isValid() && statusAge_.elapsed() < 100 && session_->status().kind == SourceStatus::Kind::live) return;
    statusAge_.start();
    const Source* source = session_->source();
    const SourceStatus& status = session_->status();
    const QString dot = QStringLiteral("   ·   ");
    QString line = source == nullptr ? tr("no source") : source->title();
    if (source != nullptr && source->info() && !source->info()->node.empty())
        line += tr(" (node %1)").arg(QString::fromStdString(source->info()->node));
    if (source != nullptr) setWindowTitle(source->title() + QStringLiteral(" — weft"));
    const std::size_t total = flowModel_->total();
    const int shown = flowModel_->rowCount();
    line += dot + (std::size_t(shown) == total ? (total == 1 ? tr("1 flow") : tr("%1 flows").arg(total))
                                               : tr("%1 of %2 flows").arg(shown).arg(total));
    if (status.kind == SourceStatus::Kind::live)
        line += dot + tr("%1 events/s").arg(rateWords(session_->recordsPerSecond()));
    line += dot + tr("%1 dropped").arg(session_->lagged());
    if (session_->forgotten() != 0) line += dot + tr("%1 forgotten").arg(session_->forgotten());
    if (frames_.count() >= 20) line += dot + tr("frame %1 ms").arg(frames_.quantileMs(0.95), 0, 'f', 1);
    if (session_->series().marksLeftOut() != 0)
        line += dot + tr("%1 marks of the flow not shown").arg(session_->series().marksLeftOut());
    if (actions_->isRecording()) line += dot + tr("recording");
    if (session_->isFrozen()) line += dot + tr("frozen (F)");
    status_->setText(line);
    const bool well = status.kind == SourceStatus::Kind::live || status.kind == SourceStatus::Kind::ended;
    QString trouble = filter_->problem();
    if (trouble.isEmpty() && !status.message.isEmpty()) trouble = status.message;
    bool bad = !well || !filter_->problem().isEmpty();
    if (!notice_.isEmpty()) {
        trouble = notice_;
        bad = noticeBad_;
    }
    trouble_->setForegroundRole(bad ? QPalette::BrightText : QPalette::WindowText);
    trouble_->setText(trouble.simplified());
    trouble_->setToolTip(trouble);
    trouble_->setAccessibleName(trouble);
}

void MainWindow::notice(const QString& text, bool bad) {
    constexpr int shownMs = 8'000, shownBadMs = 20'000;
    notice_ = text;
    noticeBad_ = bad;
    if (text.isEmpty()) noticeEnds_.stop();
    else noticeEnds_.start(bad ? shownBadMs : shownMs);
    statusAge_.invalidate();
    refreshStatus();
    if (text.isEmpty() || !QAccessible::isActive()) return;
    QAccessibleEvent said(trouble_, QAccessible::Alert);
    QAccessible::updateAccessibility(&said);
}

// What the buttons say: whether the node records, whether time runs.
void MainWindow::refreshActions() {
    const bool records = actions_->isRecording();
    record_->setEnabled(actions_->serves(records ? QStringLiteral("record.stop") : QStringLiteral("record.start")));
    record_->setText(records ? tr("Stop") : tr("Record"));
    record_->setIcon(icon(records ? Sign::stop : Sign::record));
    record_->setAccessibleName(records ? tr("Stop the node's recording") : tr("Record"));
    record_->setToolTip(records ? tr("The node records to %1 (R ends it)").arg(actions_->recordingPath())
                                : tr("The node writes what happens to a file, until it is pressed again (R)"));
    const bool follows = session_->isLive() && session_->status().kind != SourceStatus::Kind::ended;
    const bool moves = session_->isPlaying() || follows;
    pause_->setText(moves ? tr("Pause") : tr("Play"));
    pause_->setAccessibleName(pause_->text());
    statusAge_.invalidate();
    refreshStatus();
}

void MainWindow::setFrozen(bool frozen) {
    session_->setFrozen(frozen);
    statusAge_.invalidate();
    refreshStatus();
}

// ---- frames

bool MainWindow::event(QEvent* event) {
    if (event->type() == QEvent::Show && focusWidget() == nullptr) flows_->setFocus();
    if (event->type() == QEvent::PaletteChange && trouble_ != nullptr) refreshActions();
    // A desktop's plugin sets its own font late.
    if (event->type() == QEvent::ApplicationFontChange && QApplication::font() != uiFont()) applyTheme(themeChoice());
    if (event->type() == QEvent::ThemeChange && themeChoice() == ThemeChoice::system) applyTheme(ThemeChoice::system);
    if (event->type() != QEvent::UpdateRequest) return QMainWindow::event(event);
    QElapsedTimer timer;
    timer.start();
    const bool taken = QMainWindow::event(event);
    frames_.add(timer.nsecsElapsed());
    Q_EMIT painted();
    return taken;
}

void MainWindow::finish() {
    session_->finish();
    session_->flush();
    logModel_->finish();
    flowModel_->refresh();
    refreshTime();
    refreshFlow();
    if (flows_->currentIndex().isValid()) flows_->scrollTo(flows_->currentIndex());
    statusAge_.invalidate();
    refreshStatus();
}

}  // namespace weft::gui
