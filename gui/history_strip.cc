// Painting of the pills: from the right, where the newest is, as many as fit.
#include "gui/history_strip.h"

#include <QFontMetricsF>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "gui/history.h"
#include "gui/plot_axis.h"
#include "gui/record_text.h"
#include "gui/theme.h"

namespace weft::gui {
namespace {

constexpr double pillGap = 14, edge = 12;

QString when(const Transition& step, std::int64_t beginNs) { return clockText(minusNs(step.tNs, beginNs), 1'000'000); }

}  // namespace

HistoryStrip::HistoryStrip(QWidget* parent) : QWidget(parent) {
    setObjectName(QStringLiteral("history"));
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("History of the flow's states"));
}

void HistoryStrip::setHistory(const std::vector<Transition>& steps, std::int64_t beginNs, std::int64_t cursorNs) {
    const int before = current();
    const bool same = beginNs == beginNs_ && steps.size() == steps_.size() &&
                      (steps.empty() || (steps.back().tNs == steps_.back().tNs && steps.front().tNs == steps_.front().tNs));
    beginNs_ = beginNs;
    cursorNs_ = cursorNs;
    if (!same) steps_ = steps;
    if (same && current() == before) return;
    QString told;
    for (const Transition& step : steps_)
        told += stateName(step.to) + QLatin1Char(' ') + when(step, beginNs_) + QLatin1String(". ");
    setAccessibleDescription(told);
    update();
}

int HistoryStrip::current() const {
    return int(std::ranges::upper_bound(steps_, cursorNs_, {}, &Transition::tNs) - steps_.begin()) - 1;
}

std::vector<HistoryStrip::Pill> HistoryStrip::pills() const {
    const QFontMetricsF names(uiFont(11, true)), times(monoFont(10));
    std::vector<Pill> found;
    double wanted = 0;
    std::size_t first = steps_.size();
    for (; first > 0; --first) {
        const Transition& step = steps_[first - 1];
        const double wide =
            std::max(names.horizontalAdvance(stateName(step.to)) + 18, times.horizontalAdvance(when(step, beginNs_)) + 4);
        if (wanted + wide > width() - 2 * edge - (first > 1 ? 46 : 0)) break;
        wanted += wide + pillGap;
        found.push_back({QRectF(0, 4, wide, 20), first - 1});
    }
    std::ranges::reverse(found);
    double x = edge + (first > 0 ? 46 : 0);
    for (Pill& pill : found) {
        pill.frame.moveLeft(x);
        x += pill.frame.width() + pillGap;
    }
    return found;
}

void HistoryStrip::paintEvent(QPaintEvent*) {
    const Colours& c = colours();
    QPainter painter(this);
    painter.fillRect(rect(), c.panel);
    painter.setRenderHint(QPainter::Antialiasing);
    const std::vector<Pill> shown = pills();
    const int here = current();
    if (shown.empty()) {
        painter.setFont(uiFont(12));
        painter.setPen(c.dim);
        painter.drawText(QRectF(rect()).adjusted(edge, 0, -edge, 0), Qt::AlignCenter, tr("No change of state was recorded"));
    } else if (shown.front().step > 0) {
        painter.setFont(uiFont(11));
        painter.setPen(c.dim);
        painter.drawText(QRectF(edge, 4, 44, 20), Qt::AlignVCenter | Qt::AlignLeft, tr("+%1 …").arg(shown.front().step));
    }
    for (const Pill& pill : shown) {
        const Transition& step = steps_[pill.step];
        const bool later = int(pill.step) > here, now = int(pill.step) == here;
        const QColor colour = later ? c.faint : stateColour(step.to);
        if (&pill != &shown.front()) {
            painter.setPen(QPen(later ? c.faint : c.dim, 1.2));
            const double x = pill.frame.left() - 3, y = pill.frame.center().y();
            painter.drawLine(QPointF(x - pillGap + 6, y), QPointF(x, y));
            painter.drawPolyline(QPolygonF({QPointF(x - 4, y - 3), QPointF(x, y), QPointF(x - 4, y + 3)}));
        }
        painter.setPen(QPen(colour, now ? 1.6 : 1));
        painter.setBrush(later ? c.panel : now ? mixed(colour, c.panel, 40) : stateFill(step.to));
        painter.drawRoundedRect(pill.frame, 10, 10);
        painter.setFont(uiFont(11, true));
        painter.setPen(later ? c.dim : now ? c.text : colour);
        painter.drawText(pill.frame, Qt::AlignCenter, stateName(step.to));
        painter.setFont(monoFont(10));
        painter.setPen(c.dim);
        painter.drawText(pill.frame.adjusted(-6, 21, 6, 18), Qt::AlignHCenter | Qt::AlignTop, when(step, beginNs_));
    }
    if (hasFocus()) {
        painter.setRenderHint(QPainter::Antialiasing, false);
        painter.setPen(c.focus);
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(rect().adjusted(0, 0, -1, -1));
    }
}

void HistoryStrip::mousePressEvent(QMouseEvent* event) {
    for (const Pill& pill : pills()) {
        if (pill.frame.adjusted(-3, -4, 3, 18).contains(event->position())) {
            Q_EMIT jump(steps_[pill.step].tNs);
            return;
        }
    }
}

void HistoryStrip::keyPressEvent(QKeyEvent* event) {
    const int here = current();
    int wanted = event->key() == Qt::Key_Up ? here - 1 : event->key() == Qt::Key_Down ? here + 1 : -2;
    // Of steps at one moment the last is where the cursor is: those beside it are no other moment.
    while (wanted >= 0 && wanted < here && steps_[std::size_t(wanted)].tNs == steps_[std::size_t(here)].tNs) --wanted;
    if (wanted == -2) return QWidget::keyPressEvent(event);
    if (wanted >= 0 && wanted < int(steps_.size())) Q_EMIT jump(steps_[std::size_t(wanted)].tNs);
}

}  // namespace weft::gui
