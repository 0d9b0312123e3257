// Painting and pointing of one plot. A frame in which only the cursor moves copies the kept image and draws a line.
#include "gui/plot_widget.h"

#include <QAccessible>
#include <QEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QWheelEvent>
#include <algorithm>
#include <array>
#include <cmath>

#include "gui/history.h"
#include "gui/plot_raster.h"
#include "gui/plot_view.h"
#include "gui/theme.h"

namespace weft::gui {
namespace {

constexpr double leftRoom = 50, rightRoom = 14, topRoom = 27;

const Mark* firstMark(const std::vector<Mark>& marks, std::int64_t t) {
    return marks.data() + (std::ranges::lower_bound(marks, t, {}, &Mark::tNs) - marks.begin());
}

// Where lines of a grid lie: counted, for what is beyond 2^53 does not grow by a small step.
std::vector<double> ticks(double low, double high, double step) {
    constexpr double most = 200;
    const double first = std::ceil(low / step), count = std::clamp(std::floor(high / step) - first + 1, 0.0, most);
    std::vector<double> found(std::size_t{unsigned(count)});
    for (std::size_t i = 0; i < found.size(); ++i) found[i] = (first + double(i)) * step;
    return found;
}

}  // namespace

void drawMark(QPainter& painter, PlotWidget::Shape shape, const QPointF& middle, double size) {
    const double r = size / 2;
    const QPointF m = middle;
    switch (shape) {
    case PlotWidget::Shape::triangle:
        painter.drawPolygon(QPolygonF({m + QPointF(-r, -r), m + QPointF(r, -r), m + QPointF(0, r)}));
        break;
    case PlotWidget::Shape::square:
        painter.drawRect(QRectF(m.x() - r * 0.85, m.y() - r * 0.85, size * 0.85, size * 0.85));
        break;
    case PlotWidget::Shape::diamond:
        painter.drawPolygon(QPolygonF({m + QPointF(0, -r), m + QPointF(r, 0), m + QPointF(0, r), m + QPointF(-r, 0)}));
        break;
    case PlotWidget::Shape::disc: painter.drawEllipse(m, r * 0.9, r * 0.9); break;
    case PlotWidget::Shape::bar: painter.drawRect(QRectF(m.x() - 1, m.y() - r, 2, size)); break;
    }
}

PlotWidget::PlotWidget(QString title, Unit unit, PlotView& view, QWidget* parent)
    : QWidget(parent), title_{std::move(title)}, unit_{unit}, view_{&view} {
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setAttribute(Qt::WA_OpaquePaintEvent);
    setAccessibleName(tr("Plot: %1").arg(title_));
    connect(view_, &PlotView::rangeChanged, this, &PlotWidget::dataChanged);
    connect(view_, &PlotView::cursorChanged, this, [this] {
        if (QAccessible::isActive()) describe();
        update();
    });
}

void PlotWidget::setCurves(std::vector<Layer> layers, std::vector<Marks> kinds, const std::vector<Mark>* marks) {
    layers_ = std::move(layers);
    kinds_ = std::move(kinds);
    marks_ = marks;
    seenMarks_ = seenKinds_ = 0;
    dataChanged();
}

void PlotWidget::setEmptyText(const QString& text) {
    if (text == emptyText_) return;
    emptyText_ = text;
    update();
}

void PlotWidget::dataChanged() {
    lookAtMarks();
    stale_ = true;
    update();
}

bool PlotWidget::isEmpty() const {
    return std::ranges::all_of(layers_, [](const Layer& layer) { return layer.data->isEmpty(); });
}

void PlotWidget::describe() { setAccessibleDescription(hoverText(shownTime())); }

// ---- geometry

QRectF PlotWidget::area() const {
    const double bottom = showsTimes_ ? 21 : 7;
    return QRectF(leftRoom, topRoom, std::max(8.0, width() - leftRoom - rightRoom),
                  std::max(8.0, height() - topRoom - bottom));
}

double PlotWidget::xOf(std::int64_t t) const {
    const QRectF box = area();
    return box.left() + double(minusNs(t, view_->fromNs())) / double(view_->toNs() - view_->fromNs()) * box.width();
}

double PlotWidget::yOf(double value) const {
    const QRectF box = area();
    return box.bottom() - (value - low_) / (high_ - low_) * box.height();
}

std::int64_t PlotWidget::timeAt(double x) const {
    const QRectF box = area();
    const double part = std::clamp((x - box.left()) / box.width(), 0.0, 1.0);
    return plusNs(view_->fromNs(), roundedNs(part * double(view_->toNs() - view_->fromNs())));
}

std::int64_t PlotWidget::shownTime() const { return view_->hovering() ? view_->hoverNs() : view_->cursorNs(); }

// What a curve needs of the axis. Of dots the far ones count no more than a few do among many: a single sample out of the common
// run would press all others into a line. They are drawn at the edge, and told.
PlotWidget::Reach PlotWidget::reachOf(const Layer& layer) const {
    const Pyramid& curve = *layer.data;
    const std::size_t from = curve.lowerBound(view_->fromNs()), to = curve.lowerBound(view_->toNs());
    const auto whole = curve.range(from, to);
    Reach reach;
    if (whole.count != 0) reach = {whole.min, whole.max};
    if (const auto held = curve.held(view_->fromNs()); held && layer.style != Style::dots)
        reach = {std::min(reach.low, *held), std::max(reach.high, *held)};
    if (layer.style != Style::dots || whole.count < 20) return {reach.low * layer.factor, reach.high * layer.factor};
    constexpr std::size_t cuts = 256;
    std::vector<Pyramid::Column> columns(cuts);
    curve.columns(view_->fromNs(), view_->toNs(), columns);
    std::erase_if(columns, [](const Pyramid::Column& column) { return column.count == 0; });
    const std::size_t most = columns.size() - 1, few = most / 33;  // three of a hundred
    std::ranges::nth_element(columns, columns.begin() + std::ptrdiff_t(most - few), {}, &Pyramid::Column::max);
    const double high = columns[most - few].max;
    std::ranges::nth_element(columns, columns.begin() + std::ptrdiff_t(few), {}, &Pyramid::Column::min);
    const double low = columns[few].min, room = std::max(high - low, std::abs(high) * 0.1);
    if (reach.high > high + room) reach.high = high + room * 0.3;
    if (reach.low < low - room) reach.low = low - room * 0.3;
    return {reach.low * layer.factor, reach.high * layer.factor};
}

// The y axis holds what is in sight, and a little more.
void PlotWidget::findScale() {
    Reach all;
    for (const bool leading : {true, false}) {
        for (const Layer& layer : layers_) {
            if (layer.leads != leading) continue;
            Reach reach = reachOf(layer);
            if (reach.isEmpty()) continue;
            if (!leading && !all.isEmpty()) reach.high = std::min(reach.high, all.high * 1.25);
            all = {std::min(all.low, reach.low), std::max(all.high, reach.high)};
        }
    }
    inSight_ = !all.isEmpty();
    if (all.isEmpty()) all = {0, 1};
    auto [low, high] = all;
    const bool fromZero = zero_ == Zero::always || (zero_ == Zero::ifNear && low >= 0 && low < high * 0.4);
    if (fromZero) low = 0;
    if (high <= low) high = low + (low == 0 ? 1 : std::abs(low) * 0.1 + 1);
    if (const double least = std::abs(high) * 0.1; zero_ == Zero::ifNear && high - low < least) {
        low = std::max(0.0, (low + high - least) / 2);
        high = low + least;
    }
    const double span = high - low;
    const int height = int(area().height());
    step_ = tickStep(span, height < 66 ? std::clamp(height / 14, 1, 3) : std::min(height / 22, 7));
    low_ = fromZero ? 0 : low - span * 0.05;
    high_ = high + span * 0.08;
    above_.clear();
    below_.clear();
    for (const Layer& layer : layers_) {
        const auto column =
            layer.data->range(layer.data->lowerBound(view_->fromNs()), layer.data->lowerBound(view_->toNs()));
        const auto add = [&](QString& to) { to += (to.isEmpty() ? QString() : QStringLiteral(", ")) + layer.name; };
        if (column.count != 0 && column.max * layer.factor > high_) add(above_);
        if (column.count != 0 && column.min * layer.factor < low_) add(below_);
    }
}

QString PlotWidget::outsideText() const {
    QStringList parts;
    if (!above_.isEmpty()) parts << tr("above: %1").arg(above_);
    if (!below_.isEmpty()) parts << tr("below: %1").arg(below_);
    if (!note_.isEmpty()) parts << note_;
    return parts.join(QStringLiteral(" · "));
}

void PlotWidget::setNote(const QString& note) {
    if (note == note_) return;
    note_ = note;
    stale_ = true;
    update();
}

// ---- the kept image

void PlotWidget::renderGrid(QPainter& painter) const {
    const QRectF box = area();
    const Scaled scaled = scaledUnit(unit_, std::max(std::abs(low_), std::abs(high_)));
    painter.setFont(monoFont(10));
    for (const double value : ticks(low_, high_, step_)) {
        const double y = std::floor(yOf(value)) + 0.5;
        painter.setPen(colours().grid);
        painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y));
        painter.setPen(colours().dim);
        painter.drawText(QRectF(0, y - 8, leftRoom - 6, 16), Qt::AlignRight | Qt::AlignVCenter,
                         tickText(value * scaled.factor, step_ * scaled.factor));
    }
    painter.setFont(uiFont(11));
    painter.drawText(QRectF(box.right() - 80, 4, 80, 18), Qt::AlignRight | Qt::AlignVCenter, scaled.name);
    const double span = double(view_->toNs() - view_->fromNs());
    const double step = tickStep(span, std::max(2, int(box.width() / 110)));
    painter.setFont(monoFont(10));
    const double origin = double(view_->beginNs());
    for (const double t : ticks(double(view_->fromNs()) - origin, double(view_->toNs()) - origin, step)) {
        const double x = std::floor(xOf(plusNs(view_->beginNs(), roundedNs(t)))) + 0.5;
        painter.setPen(colours().grid);
        painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()));
        if (!showsTimes_) continue;
        painter.setPen(colours().dim);
        const double middle = std::clamp(x, 34.0, width() - 34.0);
        painter.drawText(QRectF(middle - 55, box.bottom() + 4, 110, 15), Qt::AlignCenter,
                         clockText(roundedNs(t), roundedNs(step)));
    }
}

void PlotWidget::renderCurve(PlotRaster& raster, const Layer& layer) const {
    const double ratio = devicePixelRatioF();
    const QRectF box = area();
    const auto toX = [&](std::int64_t t) { return xOf(t) * ratio; };
    const auto toY = [&](double value) { return yOf(value * layer.factor) * ratio; };
    const std::int64_t from = view_->fromNs(), to = view_->toNs();
    std::vector<Pyramid::Column> columns(std::size_t(std::max(1.0, box.width() * ratio)));
    layer.data->columns(from, to, columns);
    const QColor colour = colours().*layer.colour;
    if (layer.style == Style::dots) {
        QColor soft = colour;
        soft.setAlpha(190);
        const double top = (box.top() + 2) * ratio, bottom = (box.bottom() - 2) * ratio;
        for (std::size_t i = 0; i < columns.size(); ++i) {
            const Pyramid::Column& column = columns[i];
            if (column.count == 0) continue;
            const double x = box.left() * ratio + double(i) + 0.5, size = 2.8 * ratio;
            // What lies outside is an arrow at the edge.
            for (int k = 0; k < 4 && toY(column.max) < top - 2; ++k) raster.dot(x, top + k * ratio, (1 + k) * ratio, colour);
            for (int k = 0; k < 4 && toY(column.min) > bottom + 2; ++k)
                raster.dot(x, bottom - k * ratio, (1 + k) * ratio, colour);
            raster.dot(x, toY(column.first), size, soft);
            if (column.count > 1) raster.dot(x, toY(column.last), size, soft);
            if (column.count > 2) raster.dot(x, toY(column.min), size, soft);
            if (column.count > 2) raster.dot(x, toY(column.max), size, soft);
        }
        return;
    }
    raster.begin(colour, 1.6 * ratio);
    const bool step = layer.style == Style::step;
    const auto on = [&](double x, double y) { step ? raster.stepTo(x, y) : raster.lineTo(x, y); };
    const std::size_t index = layer.data->lowerBound(from);
    if (index > 0) on(step ? box.left() * ratio : toX(layer.data->timeAt(index - 1)), toY(layer.data->valueAt(index - 1)));
    double last = 0;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const Pyramid::Column& column = columns[i];
        if (column.count == 0) continue;
        const double x = box.left() * ratio + double(i) + 0.5;
        on(x, toY(column.first));
        if (column.count > 1) {
            raster.lineTo(x, toY(column.min));
            raster.lineTo(x, toY(column.max));
            raster.lineTo(x, toY(column.last));
        }
        last = toY(column.last);
    }
    const std::size_t next = layer.data->lowerBound(to);
    if (step && index < next) raster.stepTo(toX(std::min(heldUntil_, to)), last);
    else if (step && index > 0) raster.stepTo(toX(std::min(heldUntil_, to)), toY(layer.data->valueAt(index - 1)));
    else if (next < layer.data->size()) raster.lineTo(toX(layer.data->timeAt(next)), toY(layer.data->valueAt(next)));
    raster.finish();
}

// One mark a place: those behind it would hide under it.
void PlotWidget::renderMarks(QPainter& painter) const {
    if (marks_ == nullptr || seenKinds_ == 0) return;
    const QRectF box = area();
    const double scale = box.width() / double(view_->toNs() - view_->fromNs());
    painter.setRenderHint(QPainter::Antialiasing);
    std::array<double, 8> free;  // from where on there is room for the next of a kind
    free.fill(-1e9);
    std::array<const Marks*, 8> shown{};
    for (const Marks& kind : kinds_) shown[std::size_t(kind.kind) % shown.size()] = &kind;
    const Mark* const end = firstMark(*marks_, view_->toNs());
    for (const Mark* mark = firstMark(*marks_, view_->fromNs()); mark < end; ++mark) {
        const std::size_t kind = std::size_t(mark->kind) % shown.size();
        const double x = box.left() + double(mark->tNs - view_->fromNs()) * scale;
        if (shown[kind] == nullptr || x < free[kind]) continue;
        free[kind] = x + (shown[kind]->atValue ? 1.5 : 5);
        renderMark(painter, *shown[kind], *mark, x);
    }
}

void PlotWidget::renderMark(QPainter& painter, const Marks& kind, const Mark& mark, double x) const {
    const QRectF box = area();
    const QColor colour = colours().*kind.colour;
    if (!kind.atValue) {
        painter.setPen(QPen(mixed(colour, colours().panel, 28), 1));
        painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()));
    }
    painter.setPen(Qt::NoPen);
    painter.setBrush(colour);
    if (kind.atValue) drawMark(painter, kind.shape, QPointF(x, yOf(mark.value)), 6);
    else drawMark(painter, kind.shape, QPointF(x, box.top() + 4), 8);
}

// Which kinds of marks there are; looks at new ones alone.
void PlotWidget::lookAtMarks() {
    const std::size_t there = marks_ == nullptr ? 0 : marks_->size();
    if (there < seenMarks_) seenMarks_ = seenKinds_ = 0;
    for (; seenMarks_ < there; ++seenMarks_) seenKinds_ |= 1U << unsigned((*marks_)[seenMarks_].kind);
}

void PlotWidget::renderLayer() {
    const double ratio = devicePixelRatioF();
    const QSize wanted = (QSizeF(size()) * ratio).toSize();
    if (layer_.size() != wanted) layer_ = QImage(wanted, QImage::Format_RGB32);
    layer_.setDevicePixelRatio(ratio);
    layer_.fill(colours().panel);
    findScale();
    {
        QPainter painter(&layer_);
        painter.setFont(uiFont(13, true));
        painter.setPen(colours().text);
        painter.drawText(QRectF(12, 3, width(), 20), Qt::AlignLeft | Qt::AlignVCenter, title_);
        if (!isEmpty() && inSight_) renderGrid(painter);
        painter.setClipRect(area().adjusted(-4, -1, 4, 1));
        renderMarks(painter);
    }
    const QRectF box = area();
    const QRectF device(box.topLeft() * ratio, box.size() * ratio);
    PlotRaster raster(layer_, device.toRect());
    for (const Layer& layer : layers_) renderCurve(raster, layer);
    stale_ = false;
}

// ---- each frame

void PlotWidget::paintEvent(QPaintEvent*) {
    if (stale_ || layer_.size() != (QSizeF(size()) * devicePixelRatioF()).toSize()) renderLayer();
    QPainter painter(this);
    painter.drawImage(QPointF(0, 0), layer_);
    paintLegend(painter);
    if (isEmpty() || !inSight_) {
        painter.setFont(uiFont(12));
        painter.setPen(colours().dim);
        painter.drawText(area(), Qt::AlignCenter, isEmpty() ? emptyText_ : tr("Nothing of this flow at that time"));
    }
    if (!isEmpty()) {
        paintCursor(painter);
        if (view_->hovering() && underMouse() && !dragging_) paintHover(painter);
    }
    if (hasFocus()) {
        painter.setPen(QPen(colours().focus, 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(QRectF(0.5, 0.5, width() - 1, height() - 1));
    }
}

void PlotWidget::paintLegend(QPainter& painter) const {
    const QFont heading = uiFont(13, true), small = uiFont(12);
    const QFontMetricsF metrics(small);
    double x = 12 + QFontMetricsF(heading).horizontalAdvance(title_) + 14;
    const double y = 13;
    const QString outside = isEmpty() ? QString() : outsideText();
    const double end = width() - 70 - (outside.isEmpty() ? 0 : metrics.horizontalAdvance(outside) + 16);
    painter.setFont(small);
    painter.setPen(colours().orange);
    painter.drawText(QRectF(end, 3, width() - 68 - end, 20), Qt::AlignRight | Qt::AlignVCenter, outside);
    painter.setRenderHint(QPainter::Antialiasing);
    const bool values = view_->cursorShown() || view_->hovering();
    for (const Layer& layer : layers_) {
        if (layer.data->isEmpty() && !isEmpty()) continue;  // a name without a curve
        QString name = layer.name;
        const auto held = layer.data->held(shownTime());
        if (values && held) name += QLatin1Char(' ') + valueText(unit_, *held * layer.factor);
        const double wide = metrics.horizontalAdvance(name);
        if (x + 22 + wide > end) break;
        const QColor colour = colours().*layer.colour;
        painter.setPen(QPen(colour, 2));
        if (layer.style == Style::dots) {
            painter.setBrush(colour);
            painter.setPen(Qt::NoPen);
            for (const double at : {3.0, 9.0, 15.0})
                painter.drawEllipse(QPointF(x + at, y + (at == 9.0 ? -2 : 1.5)), 1.7, 1.7);
        } else {
            painter.drawLine(QPointF(x, y), QPointF(x + 16, y));
        }
        painter.setPen(colours().dim);
        painter.drawText(QRectF(x + 21, 3, wide + 4, 20), Qt::AlignLeft | Qt::AlignVCenter, name);
        x += 21 + wide + 16;
    }
    for (const Marks& kind : kinds_) {
        const bool any = (seenKinds_ >> unsigned(kind.kind) & 1) != 0;
        const double wide = metrics.horizontalAdvance(kind.name);
        if (!any || x + 14 + wide > end) continue;
        painter.setPen(Qt::NoPen);
        painter.setBrush(colours().*kind.colour);
        drawMark(painter, kind.shape, QPointF(x + 4, y), 8);
        painter.setPen(colours().dim);
        painter.drawText(QRectF(x + 12, 3, wide + 4, 20), Qt::AlignLeft | Qt::AlignVCenter, kind.name);
        x += 12 + wide + 16;
    }
}

void PlotWidget::paintCursor(QPainter& painter) const {
    const QRectF box = area();
    painter.setRenderHint(QPainter::Antialiasing, false);
    const auto line = [&](std::int64_t t, const QColor& colour, Qt::PenStyle style) {
        if (t < view_->fromNs() || t > view_->toNs()) return;
        const double x = std::floor(xOf(t)) + 0.5;
        painter.setPen(QPen(colour, 1, style));
        painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()));
    };
    if (view_->cursorShown()) line(view_->cursorNs(), colours().text, Qt::DashLine);
    if (view_->hovering()) line(view_->hoverNs(), colours().dim, Qt::SolidLine);
}

QString PlotWidget::hoverText(std::int64_t t) const {
    const std::int64_t step = (view_->toNs() - view_->fromNs()) / 2'000;
    QString told = clockText(minusNs(t, view_->beginNs()), std::max<std::int64_t>(1, step));
    for (const Layer& layer : layers_) {
        if (const auto held = layer.data->held(t))
            told += QLatin1Char('\n') + layer.name + QLatin1Char(' ') + valueText(unit_, *held * layer.factor);
    }
    const Mark* near = nullptr;
    double distance = 5;
    if (marks_ != nullptr) {
        const Mark* const end = marks_->data() + marks_->size();
        const std::int64_t reach = roundedNs(double(view_->toNs() - view_->fromNs()) / area().width() * distance);
        for (const Mark* mark = firstMark(*marks_, minusNs(t, reach)); mark < end && mark->tNs <= plusNs(t, reach); ++mark) {
            const bool shown = std::ranges::any_of(kinds_, [&](const Marks& kind) { return kind.kind == mark->kind; });
            const double off = std::abs(xOf(mark->tNs) - xOf(t));
            if (!shown || off >= distance) continue;
            near = mark;
            distance = off;
        }
    }
    if (near != nullptr && tellMark_) told += QLatin1Char('\n') + tellMark_(*near);
    return told;
}

void PlotWidget::paintHover(QPainter& painter) const {
    const QString told = hoverText(view_->hoverNs());
    painter.setFont(monoFont(11));
    const QRectF box = area();
    const QRectF text = painter.boundingRect(QRectF(0, 0, 420, 400), Qt::AlignLeft | Qt::AlignTop, told);
    QRectF frame(0, 0, text.width() + 14, text.height() + 10);
    const double x = xOf(view_->hoverNs());
    frame.moveLeft(x + 12 + frame.width() > width() ? x - 12 - frame.width() : x + 12);
    frame.moveTop(std::max(2.0, std::min(box.top() + 4, height() - frame.height() - 2)));
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(colours().border);
    QColor ground = palette().color(QPalette::ToolTipBase);
    ground.setAlpha(240);
    painter.setBrush(ground);
    painter.drawRoundedRect(frame, 4, 4);
    painter.setPen(palette().color(QPalette::ToolTipText));
    painter.drawText(frame.adjusted(7, 5, -7, -5), Qt::AlignLeft | Qt::AlignTop, told);
}

// ---- pointing

void PlotWidget::wheelEvent(QWheelEvent* event) {
    const QPoint turned = event->angleDelta();
    const bool sideways = std::abs(turned.x()) > std::abs(turned.y()) || (event->modifiers() & Qt::ShiftModifier) != 0;
    const double notches = (sideways && turned.x() != 0 ? turned.x() : turned.y()) / 120.0;
    if (sideways) view_->pan(-0.1 * notches);
    else view_->zoom(std::pow(0.8, notches), timeAt(event->position().x()));
    event->accept();
}

void PlotWidget::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return;
    pressed_ = true;
    pressedAt_ = event->position();
    pressedFrom_ = view_->fromNs();
    pressedTo_ = view_->toNs();
}

void PlotWidget::mouseMoveEvent(QMouseEvent* event) {
    const double moved = event->position().x() - pressedAt_.x();
    if (pressed_ && (dragging_ || std::abs(moved) > 4)) {
        dragging_ = true;
        setCursor(Qt::ClosedHandCursor);
        const auto by = std::int64_t(-moved / area().width() * double(pressedTo_ - pressedFrom_));
        view_->show(pressedFrom_ + by, pressedTo_ + by);
        return;
    }
    if (area().adjusted(-2, 0, 2, 0).contains(event->position())) view_->hover(timeAt(event->position().x()));
    else view_->leave();
}

void PlotWidget::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || !pressed_) return;
    if (!dragging_ && area().contains(event->position())) Q_EMIT seek(timeAt(event->position().x()));
    pressed_ = dragging_ = false;
    unsetCursor();
}

void PlotWidget::mouseDoubleClickEvent(QMouseEvent*) { view_->fit(); }

void PlotWidget::leaveEvent(QEvent*) { view_->leave(); }

void PlotWidget::changeEvent(QEvent* event) {
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) stale_ = true;
    QWidget::changeEvent(event);
}

}  // namespace weft::gui
