// Painting of the bar, and what the buttons do. Heights go by square roots: a few losses are seen beside 10,000 segments, and
// quiet stretches beside busy ones.
#include "gui/timeline_widget.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QMouseEvent>
#include <QPainter>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <vector>

#include "gui/icons.h"
#include "gui/plot_axis.h"
#include "gui/plot_view.h"
#include "gui/session.h"
#include "gui/theme.h"

namespace weft::gui {
namespace {

constexpr double side = 12, bandHeight = 5;
constexpr int pitch = 3;  // pixels from one bar to the next

}  // namespace

// A label asks for a new layout with each text; this one changes with each frame.
class TextLine : public QWidget {
public:
    explicit TextLine(QWidget* parent) : QWidget(parent) { setMinimumHeight(18); }

    void setText(const QString& text) {
        if (text == text_) return;
        text_ = text;
        update();
    }
    const QString& text() const { return text_; }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.setFont(uiFont(12));
        painter.setPen(colours().text);
        painter.drawText(rect(), Qt::AlignVCenter | Qt::AlignLeft, text_);
    }

private:
    QString text_;
};

TimelineBar::TimelineBar(Session& session, PlotView& view, QWidget* parent)
    : QWidget(parent), session_{&session}, view_{&view} {
    setObjectName(QStringLiteral("timeline"));
    setFocusPolicy(Qt::StrongFocus);
    setAttribute(Qt::WA_OpaquePaintEvent);
    setAccessibleName(tr("Timeline"));
    setToolTip(tr("Drag to scrub; Left and Right step by event, with Shift by change of state"));
    connect(session_, &Session::rangeChanged, this, &TimelineBar::dataChanged);
    connect(session_, &Session::seriesChanged, this, &TimelineBar::dataChanged);
    connect(session_, &Session::selectionChanged, this, &TimelineBar::dataChanged);
    connect(session_, &Session::sourceChanged, this, &TimelineBar::dataChanged);
    connect(session_, &Session::cursorChanged, this, &TimelineBar::cursorChanged);
    connect(view_, &PlotView::rangeChanged, this, qOverload<>(&QWidget::update));
    cursorChanged();
}

void TimelineBar::dataChanged() {
    stale_ = true;
    cursorChanged();
}

// What is painted is what was told last: a frozen session goes on behind it.
void TimelineBar::cursorChanged() {
    begin_ = session_->beginNs();
    end_ = session_->endNs();
    cursor_ = session_->cursorNs();
    live_ = session_->isLive();
    update();
}

QRectF TimelineBar::area() const { return QRectF(rect()).adjusted(side, 12, -side, -6); }

double TimelineBar::xOf(std::int64_t t) const {
    const QRectF box = area();
    const double span = double(std::max<std::uint64_t>(1, distanceNs(begin_, end_)));
    return box.left() + std::clamp(double(distanceNs(begin_, t)) / span, 0.0, 1.0) * box.width();
}

void TimelineBar::renderDensity(QPainter& painter) const {
    const QRectF box = area();
    const double high = box.height() - bandHeight - 6, bottom = box.bottom() - bandHeight - 2;
    std::vector<Density::Column> columns(std::size_t(std::max(1.0, box.width() / pitch)));
    session_->density(begin_, plusNs(end_, 1), columns);
    double most = 1, mostStates = 1;
    for (const Density::Column& column : columns) {
        most = std::max(most, column.all);
        mostStates = std::max(mostStates, column.states);
    }
    const auto heightOf = [&](double count) { return count <= 0 ? 0 : std::max(2.0, std::sqrt(count / most) * high); };
    const Colours& c = colours();
    const QColor bars = mixed(c.blue, c.panel, c.dark ? 50 : 55);
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const double x = box.left() + double(i) * pitch;
        const auto bar = [&](double count, const QColor& colour) {
            const double tall = heightOf(count);
            if (tall > 0) painter.fillRect(QRectF(x, bottom - tall, pitch - 1, tall), colour);
        };
        bar(columns[i].all, bars);
        bar(columns[i].losses, c.vermillion);
        if (columns[i].states <= 0) continue;
        const int strong = 35 + int(65 * std::sqrt(columns[i].states / mostStates));
        painter.fillRect(QRectF(x, bottom - high - 4, pitch - 1, 2.5), mixed(c.green, c.panel, strong));
    }
}

void TimelineBar::renderStates(QPainter& painter) const {
    const QRectF box = area();
    const QRectF band(box.left(), box.bottom() - bandHeight, box.width(), bandHeight);
    painter.fillRect(band, colours().grid);
    const std::vector<Transition>& steps = session_->series().transitions();
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (steps[i].to == 0) continue;
        const double from = xOf(steps[i].tNs), to = i + 1 < steps.size() ? xOf(steps[i + 1].tNs) : box.right();
        painter.fillRect(QRectF(from, band.top(), std::max(1.5, to - from), bandHeight), stateColour(steps[i].to));
    }
}

void TimelineBar::renderLayer() {
    const double ratio = devicePixelRatioF();
    const QSize wanted = (QSizeF(size()) * ratio).toSize();
    if (layer_.size() != wanted) layer_ = QImage(wanted, QImage::Format_RGB32);
    layer_.setDevicePixelRatio(ratio);
    layer_.fill(colours().panel);
    QPainter painter(&layer_);
    if (end_ > begin_) {
        renderDensity(painter);
        renderStates(painter);
    } else {
        painter.setFont(uiFont(12));
        painter.setPen(colours().dim);
        painter.drawText(area(), Qt::AlignCenter, tr("Nothing has happened yet"));
    }
    stale_ = false;
}

void TimelineBar::paintEvent(QPaintEvent*) {
    if (stale_ || layer_.size() != (QSizeF(size()) * devicePixelRatioF()).toSize()) renderLayer();
    const Colours& c = colours();
    QPainter painter(this);
    painter.drawImage(QPointF(0, 0), layer_);
    if (end_ > begin_) {
        const QRectF box = area();
        const double from = xOf(view_->fromNs()), to = xOf(view_->toNs());
        if (to - from < box.width() - 2) {  // what the plots show
            QColor veil = c.text;
            veil.setAlpha(22);
            painter.fillRect(QRectF(from, box.top() - 2, std::max(2.0, to - from), box.height() + 4), veil);
        }
        painter.setRenderHint(QPainter::Antialiasing);
        const double x = xOf(cursor_);
        painter.setPen(QPen(c.text, 2));
        painter.drawLine(QPointF(x, 8), QPointF(x, box.bottom() + 3));
        painter.setBrush(live_ ? c.green : c.text);
        painter.setPen(QPen(c.panel, 1));
        painter.drawEllipse(QPointF(x, 7), 5, 5);
    }
    if (hasFocus()) {
        painter.setRenderHint(QPainter::Antialiasing, false);
        painter.setPen(c.focus);
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(rect().adjusted(0, 0, -1, -1));
    }
}

void TimelineBar::seekTo(double x) {
    const QRectF box = area();
    const double part = std::clamp((x - box.left()) / box.width(), 0.0, 1.0);
    session_->seek(part >= 1 ? end_ : laterNs(begin_, std::uint64_t(part * double(distanceNs(begin_, end_)))));
}

void TimelineBar::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton) seekTo(event->position().x());
}

void TimelineBar::mouseMoveEvent(QMouseEvent* event) {
    if ((event->buttons() & Qt::LeftButton) != 0) seekTo(event->position().x());
}

void TimelineBar::changeEvent(QEvent* event) {
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) stale_ = true;
    QWidget::changeEvent(event);
}

// ---- the row of buttons

TimelineWidget::TimelineWidget(Session& session, PlotView& view, QWidget* parent)
    : QWidget(parent), session_{&session}, bar_{new TimelineBar(session, view, this)}, told_{new TextLine(this)},
      speed_{new QLabel(this)} {
    auto* head = new QHBoxLayout;
    head->setContentsMargins(8, 4, 10, 0);
    head->setSpacing(2);
    const auto add = [&](const QString& text, const char* id, const QString& tip) {
        QToolButton* made = button(text, QLatin1String(id), tip);
        head->addWidget(made);
        return made;
    };
    const auto addSign = [&](Sign sign, const char* id, const QString& tip) {
        QToolButton* made = add({}, id, tip);
        signs_.push_back({made, sign});
        return made;
    };
    connect(addSign(Sign::toBegin, "to-begin", tr("To the beginning (Home)")), &QToolButton::clicked, this,
            [this] { session_->seek(session_->beginNs()); });
    connect(addSign(Sign::back, "step-back", tr("Event before (Left); change of state before (Shift+Left)")),
            &QToolButton::clicked, this, [this] { session_->stepEvent(-1); });
    play_ = addSign(Sign::play, "play", tr("Play or pause (Space)"));
    connect(play_, &QToolButton::clicked, this, &TimelineWidget::togglePlay);
    connect(addSign(Sign::on, "step-on", tr("Next event (Right); next change of state (Shift+Right)")),
            &QToolButton::clicked, this, [this] { session_->stepEvent(1); });
    live_ = addSign(Sign::live, "live", tr("To the end, and follow it (Esc)"));
    live_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    connect(live_, &QToolButton::clicked, session_, &Session::goLive);
    head->addSpacing(8);
    connect(add(QStringLiteral("−"), "slower", tr("Slower ([)")), &QToolButton::clicked, this, [this] { faster(-1); });
    speed_->setFont(monoFont(12));
    speed_->setAlignment(Qt::AlignCenter);
    speed_->setMinimumWidth(54);
    head->addWidget(speed_);
    connect(add(QStringLiteral("+"), "faster", tr("Faster (])")), &QToolButton::clicked, this, [this] { faster(1); });
    head->addSpacing(10);
    head->addWidget(told_, 1);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(head);
    layout->addWidget(bar_);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    drawSigns();
    for (const auto signal :
         {&Session::cursorChanged, &Session::rangeChanged, &Session::sourceChanged, &Session::statusChanged})
        connect(session_, signal, this, &TimelineWidget::tell);
    tell();
}

QToolButton* TimelineWidget::button(const QString& text, const QString& name, const QString& tip) {
    auto* made = new QToolButton(this);
    made->setText(text);
    made->setObjectName(name);
    made->setAccessibleName(tip);
    made->setToolTip(tip);
    made->setAutoRaise(true);
    made->setFocusPolicy(Qt::TabFocus);
    return made;
}

void TimelineWidget::drawSigns() {
    for (const auto& [drawn, sign] : signs_) drawn->setIcon(icon(drawn == play_ && moving_ ? Sign::pause : sign));
}

void TimelineWidget::changeEvent(QEvent* event) {
    if (event->type() == QEvent::PaletteChange) drawSigns();
    QWidget::changeEvent(event);
}

void TimelineWidget::togglePlay() {
    if (session_->isPlaying()) return session_->pause();
    if (session_->isLive()) return session_->seek(session_->endNs());
    if (session_->cursorNs() >= session_->endNs()) session_->seek(session_->beginNs());
    session_->play(rate_);
}

void TimelineWidget::faster(int direction) {
    rate_ = std::clamp(direction > 0 ? rate_ * 2 : rate_ / 2, 1.0 / 1'024, 1'024.0);
    if (session_->isPlaying()) session_->play(rate_);
    tell();
}

void TimelineWidget::tell() {
    const std::int64_t at = minusNs(session_->cursorNs(), session_->beginNs()),
                       all = minusNs(session_->endNs(), session_->beginNs());
    const bool live = session_->isLive(),
               following = session_->history().isEmpty() || session_->status().kind != SourceStatus::Kind::ended;
    const bool moves = session_->isPlaying() || (live && following);
    if (moves != moving_) {
        moving_ = moves;
        drawSigns();
    }
    play_->setAccessibleDescription(moves ? tr("runs") : tr("stands"));
    live_->setEnabled(!live);
    live_->setText(following ? tr("Live") : tr("End"));
    speed_->setText(rate_ >= 1 ? QStringLiteral("× %1").arg(rate_) : QStringLiteral("× 1/%1").arg(1 / rate_));
    const QString where = clockText(at, 1'000'000);
    const QString how = live && following       ? tr("live at %1").arg(where)
                        : live                  ? tr("at the end, %1").arg(where)
                        : session_->isPlaying() ? tr("playing at %1").arg(where)
                                                : tr("paused at %1").arg(where);
    told_->setText(tr("%1 of %2").arg(how, clockText(all, 100'000'000)));
    bar_->setAccessibleDescription(told_->text());
}

}  // namespace weft::gui
