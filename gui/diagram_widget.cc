// Painting and pointing. All is drawn on the canvas of diagram_routes.h under one scale; what changes seldom lies in a pixmap.
#include "gui/diagram_widget.h"

#include <QEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>
#include <algorithm>
#include <iterator>
#include <optional>

#include "gui/history.h"
#include "gui/plot_axis.h"
#include "gui/theme.h"
#include "stack/core/transitions.h"

namespace weft::gui {
namespace {

constexpr double titleHeight = 24;  // of the widget, above the canvas
constexpr double margin = 6;
constexpr double captionHeight = 18;  // of the canvas, below it

static_assert(trace::transitions.size() == 27);

const Route& routeOfEdge(unsigned edge) {
    const trace::Transition& transition = trace::transitions[edge];
    return *routeOf(transition.from, transition.to);  // a test holds both tables equal
}

QString text(std::string_view view) { return QString::fromUtf8(view.data(), qsizetype(view.size())); }

// The way with rounded corners, its end drawn back by `shorter` so that a thick line does not blunt the arrow.
QPainterPath pathOf(const Route& route, double shorter) {
    constexpr double radius = 7;
    QPainterPath path(route.way[0]);
    for (int i = 1; i + 1 < route.corners; ++i) {
        const QPointF corner = route.way[i];
        const QLineF in(corner, route.way[i - 1]), out(corner, route.way[i + 1]);
        const double r = std::min({radius, in.length() / 2, out.length() / 2});
        path.lineTo(in.pointAt(r / in.length()));
        path.quadTo(corner, out.pointAt(r / out.length()));
    }
    const QLineF last(route.way[route.corners - 1], route.way[route.corners - 2]);
    path.lineTo(last.pointAt(shorter / last.length()));
    return path;
}

void drawArrow(QPainter& painter, const Route& route, double size) {
    const QPointF tip = route.way[route.corners - 1];
    const QLineF back(tip, route.way[route.corners - 2]);
    const QPointF along = (back.p2() - back.p1()) / back.length();
    const QPointF across(-along.y(), along.x());
    painter.drawPolygon(
        QPolygonF({tip, tip + along * size + across * size * 0.5, tip + along * size - across * size * 0.5}));
}

}  // namespace

DiagramWidget::DiagramWidget(QWidget* parent) : QWidget(parent) {
    setObjectName(QStringLiteral("diagram"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setAttribute(Qt::WA_OpaquePaintEvent);
    setAccessibleName(tr("State diagram of RFC 9293"));
    describe();
}

void DiagramWidget::setFlow(int state, const std::vector<Transition>& steps, std::int64_t beginNs, std::int64_t cursorNs) {
    cursorNs_ = cursorNs;
    std::vector<Transition> told;
    std::ranges::copy_if(steps, std::back_inserter(told), [](const Transition& step) { return !step.toldAgain; });
    const auto same = [](const Transition& a, const Transition& b) {
        return a.tNs == b.tNs && a.from == b.from && a.to == b.to;
    };
    if (state == state_ && beginNs == beginNs_ && std::ranges::equal(told, steps_, same)) return;
    state_ = state;
    steps_ = std::move(told);
    beginNs_ = beginNs;
    taken_.fill(0);
    for (const Transition& step : steps_) {
        const std::size_t edge = trace::transition_of(step.from, step.to);
        if (edge < taken_.size()) ++taken_[edge];
    }
    if (marked_ >= int(steps_.size())) marked_ = none;
    describe();
    stale_ = true;
    update();
}

std::vector<unsigned> DiagramWidget::litEdges() const {
    std::vector<unsigned> lit;
    for (unsigned edge = 0; edge < taken_.size(); ++edge) {
        if (taken_[edge] != 0) lit.push_back(edge);
    }
    return lit;
}

// For who hears the window: the state, and the way to it.
void DiagramWidget::describe() {
    QString told =
        state_ < 0 ? tr("No flow is selected.") : tr("State %1.").arg(text(trace::state_name(std::uint8_t(state_))));
    for (const Transition& step : steps_) {
        told += tr(" %1 to %2 at %3.")
                    .arg(text(trace::state_name(step.from)), text(trace::state_name(step.to)),
                         clockText(minusNs(step.tNs, beginNs_), 1'000'000));
    }
    setAccessibleDescription(told);
}

QString DiagramWidget::edgeText(unsigned edge) const {
    const trace::Transition& way = trace::transitions[edge];
    QString told = text(trace::state_name(way.from)) + QStringLiteral(" → ") + text(trace::state_name(way.to));
    told += QLatin1Char('\n') + text(way.event);
    if (!way.action.empty()) told += QStringLiteral(" / ") + text(way.action);
    told += tr("\nRFC 9293, section %1").arg(text(way.section));
    if (!way.remark.empty()) told += QLatin1Char('\n') + text(way.remark);
    if (!way.made) told += tr("\nthis engine never takes it");
    if (taken_[edge] == 0) return told;
    told += taken_[edge] == 1 ? tr("\ntaken once") : tr("\ntaken %1 times").arg(taken_[edge]);
    for (const Transition& step : steps_) {
        if (step.from != way.from || step.to != way.to) continue;
        told += tr("\nat %1 by %2").arg(clockText(minusNs(step.tNs, beginNs_), 1'000), text(trace::cause_name(step.cause)));
    }
    return told;
}

double DiagramWidget::scale() const {
    const double wide = (width() - 2 * margin) / canvasWidth;
    const double high = (height() - titleHeight - margin) / (canvasHeight + captionHeight);
    return std::clamp(std::min(wide, high), 0.3, 2.4);
}

QPointF DiagramWidget::origin() const {
    const double s = scale(), free = height() - titleHeight - margin - (canvasHeight + captionHeight) * s;
    return {(width() - canvasWidth * s) / 2, titleHeight + std::max(0.0, free / 2)};
}

QPointF DiagramWidget::onScreen(const QPointF& canvas) const { return origin() + canvas * scale(); }

int DiagramWidget::edgeAt(const QPointF& place) const {
    const QPointF canvas = (place - origin()) / scale();
    int nearest = none;
    double distance = 6;
    for (unsigned edge = 0; edge < taken_.size(); ++edge) {
        // Of edges that share a way the taken one is meant.
        const double d = distanceTo(routeOfEdge(edge), canvas) + (taken_[edge] != 0 ? 0 : 0.5);
        if (d < distance) {
            distance = d;
            nearest = int(edge);
        }
    }
    return nearest;
}

void DiagramWidget::drawEdge(QPainter& painter, unsigned edge) const {
    const Route& route = routeOfEdge(edge);
    const bool lit = taken_[edge] != 0, hot = int(edge) == hovered_;
    const Colours& c = colours();
    const QColor colour = lit ? c.blue : hot ? c.text : mixed(c.faint, c.panel, trace::transitions[edge].made ? 85 : 55);
    const double arrow = lit ? 8 : 6;
    const QPainterPath path = pathOf(route, arrow * 0.7);
    painter.setBrush(Qt::NoBrush);
    if (!route.aside || lit) {  // a gap where it crosses another
        painter.setPen(QPen(c.panel, lit ? 6 : 4.5, Qt::SolidLine, Qt::FlatCap));
        painter.drawPath(path);
    }
    QPen pen(colour, lit ? 2.4 : hot ? 1.6 : 1.1);
    pen.setCapStyle(Qt::FlatCap);
    if (route.aside) pen.setDashPattern({3.0, lit ? 1.6 : 3.0});
    painter.setPen(pen);
    painter.drawPath(path);
    painter.setPen(Qt::NoPen);
    painter.setBrush(colour);
    drawArrow(painter, route, arrow);
}

void DiagramWidget::drawLabel(QPainter& painter, unsigned edge) const {
    const Route& route = routeOfEdge(edge);
    if (*route.label == 0) return;
    const bool lit = taken_[edge] != 0;
    painter.setFont(uiFont(9, lit));
    painter.setPen(lit ? colours().blue : int(edge) == hovered_ ? colours().text : colours().dim);
    constexpr double wide = 120, high = 14;
    QRectF area(route.labelAt.x() - wide / 2, route.labelAt.y() - high / 2, wide, high);
    Qt::Alignment align = Qt::AlignVCenter | Qt::AlignHCenter;
    if (route.labelSide == Side::right) {
        area.moveRight(route.labelAt.x());
        align = Qt::AlignVCenter | Qt::AlignRight;
    } else if (route.labelSide == Side::left) {
        area.moveLeft(route.labelAt.x());
        align = Qt::AlignVCenter | Qt::AlignLeft;
    }
    painter.drawText(area, align, QString::fromUtf8(route.label));
}

void DiagramWidget::drawCount(QPainter& painter, unsigned edge) const {
    if (taken_[edge] == 0) return;
    const QPointF middle = countAt(routeOfEdge(edge));
    const QString count = taken_[edge] > 999 ? QStringLiteral("999+") : QString::number(taken_[edge]);
    const double wide = std::max(13.0, 6.0 * double(count.size()) + 7);
    const QRectF disc(middle.x() - wide / 2, middle.y() - 6.5, wide, 13);
    painter.setPen(QPen(colours().panel, 1.5));
    painter.setBrush(colours().blue);
    painter.drawRoundedRect(disc, 6.5, 6.5);
    painter.setFont(uiFont(9, true));
    painter.setPen(colours().panel);
    painter.drawText(disc, Qt::AlignCenter, count);
}

void DiagramWidget::drawBox(QPainter& painter, unsigned state) const {
    const Colours& c = colours();
    const QRectF box = boxOf(state);
    const bool here = int(state) == state_;
    const bool visited =
        std::ranges::any_of(steps_, [&](const Transition& step) { return step.from == state || step.to == state; });
    if (here) {
        painter.setPen(Qt::NoPen);
        for (int ring = 3; ring > 0; --ring) {  // a glow: the state is found at a glance
            painter.setBrush(mixed(stateColour(state), c.panel, 30 / ring));
            painter.drawRoundedRect(box.adjusted(-ring * 1.6, -ring * 1.6, ring * 1.6, ring * 1.6), 7 + ring, 7 + ring);
        }
    }
    painter.setBrush(here ? stateColour(state) : visited ? stateFill(state) : mixed(c.text, c.panel, 4));
    painter.setPen(QPen(here || visited ? stateColour(state) : c.faint, visited && !here ? 1.8 : 1.1));
    painter.drawRoundedRect(box, 6, 6);
    painter.setFont(uiFont(10, true));
    painter.setPen(here ? (c.dark ? QColor(0x08, 0x0b, 0x10) : c.panel) : visited ? c.text : c.dim);
    painter.drawText(box, Qt::AlignCenter, text(trace::state_name(std::uint8_t(state))));
}

void DiagramWidget::renderLayer() {
    const double ratio = devicePixelRatioF();
    layer_ = QPixmap(size() * ratio);
    layer_.setDevicePixelRatio(ratio);
    layer_.fill(colours().panel);
    QPainter painter(&layer_);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setFont(uiFont(13, true));
    painter.setPen(colours().text);
    painter.drawText(QRectF(12, 5, width() - 24, 20), Qt::AlignLeft | Qt::AlignVCenter,
                     tr("State machine  ·  RFC 9293, section 3.3.2"));
    painter.translate(origin());
    painter.scale(scale(), scale());
    for (const bool lit : {false, true}) {
        for (unsigned edge = 0; edge < edges; ++edge) {
            if ((taken_[edge] != 0) == lit) drawEdge(painter, edge);
        }
    }
    for (unsigned edge = 0; edge < edges; ++edge) drawLabel(painter, edge);
    for (unsigned state = 0; state < stateCount; ++state) drawBox(painter, state);
    for (unsigned edge = 0; edge < edges; ++edge) drawCount(painter, edge);
    QPen dashed(colours().dim, 1.1);
    dashed.setDashPattern({3, 3});
    painter.setPen(dashed);
    painter.drawLine(QPointF(14, canvasHeight + 9), QPointF(38, canvasHeight + 9));
    painter.setFont(uiFont(9));
    painter.setPen(colours().dim);
    painter.drawText(QRectF(43, canvasHeight + 2, 480, 14), Qt::AlignLeft | Qt::AlignVCenter,
                     tr("reset, abort, user timeout        thick: taken, how often; a click shows when"));
    stale_ = false;
}

// The step that the keyboard is at.
void DiagramWidget::drawMarked(QPainter& painter) const {
    const Transition& step = steps_[std::size_t(marked_)];
    const Route* route = routeOf(step.from, step.to);
    if (route == nullptr) return;
    painter.translate(origin());
    painter.scale(scale(), scale());
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(colours().orange, 2.4, Qt::DotLine));
    painter.drawPath(pathOf(*route, 0));
    painter.setPen(Qt::NoPen);
    painter.setBrush(colours().orange);
    drawArrow(painter, *route, 9);
    drawCount(painter, unsigned(trace::transition_of(step.from, step.to)));
    painter.resetTransform();
}

void DiagramWidget::paintEvent(QPaintEvent*) {
    if (stale_ || layer_.size() != size() * devicePixelRatioF()) renderLayer();
    QPainter painter(this);
    painter.drawPixmap(0, 0, layer_);
    if (marked_ != none) drawMarked(painter);
    if (hasFocus()) {
        painter.setPen(QPen(colours().focus, 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(QRectF(0.5, 0.5, width() - 1, height() - 1));
    }
}

void DiagramWidget::mouseMoveEvent(QMouseEvent* event) {
    const int edge = edgeAt(event->position());
    if (edge == hovered_) return;
    hovered_ = edge;
    setCursor(edge != none && taken_[unsigned(edge)] != 0 ? Qt::PointingHandCursor : Qt::ArrowCursor);
    stale_ = true;
    update();
}

void DiagramWidget::leaveEvent(QEvent*) {
    if (hovered_ == none) return;
    hovered_ = none;
    stale_ = true;
    update();
}

void DiagramWidget::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton) jumpAlong(edgeAt(event->position()));
}

// The last time before the cursor that the edge was taken: so each further click shows the time before.
void DiagramWidget::jumpAlong(int edge) {
    if (edge == none || taken_[unsigned(edge)] == 0) return;
    const trace::Transition& way = trace::transitions[unsigned(edge)];
    std::optional<std::int64_t> before, any;
    for (const Transition& step : steps_) {
        if (step.from != way.from || step.to != way.to) continue;
        any = step.tNs;
        if (step.tNs < cursorNs_) before = step.tNs;
    }
    if (!any) return;
    cursorNs_ = before.value_or(*any);
    Q_EMIT jump(cursorNs_);
}

void DiagramWidget::keyPressEvent(QKeyEvent* event) {
    const int last = int(steps_.size()) - 1;
    if (event->key() == Qt::Key_Up && last >= 0) marked_ = marked_ == none ? last : std::max(0, marked_ - 1);
    else if (event->key() == Qt::Key_Down && last >= 0) marked_ = marked_ == none ? 0 : std::min(last, marked_ + 1);
    else if ((event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) && marked_ != none)
        Q_EMIT jump(steps_[std::size_t(marked_)].tNs);
    else return QWidget::keyPressEvent(event);
    update();
}

void DiagramWidget::focusOutEvent(QFocusEvent* event) {
    marked_ = none;
    QWidget::focusOutEvent(event);
    update();
}

void DiagramWidget::changeEvent(QEvent* event) {
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) stale_ = true;
    QWidget::changeEvent(event);
}

bool DiagramWidget::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const int edge = edgeAt(help->pos());
        if (edge == none) QToolTip::hideText();
        else QToolTip::showText(help->globalPos(), edgeText(unsigned(edge)), this);
        return true;
    }
    return QWidget::event(event);
}

}  // namespace weft::gui
