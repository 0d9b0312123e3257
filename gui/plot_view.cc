// Arithmetic of what is shown: always within the bounds, never shorter than PlotView::shortest.
#include "gui/plot_view.h"

#include <algorithm>
#include <cmath>

#include "gui/history.h"

namespace weft::gui {

PlotView::PlotView(QObject* parent) : QObject(parent) {}

void PlotView::set(std::int64_t from, std::int64_t to) {
    const std::int64_t room = std::max(minusNs(end_, begin_), shortest);
    const std::int64_t span = std::clamp(minusNs(to, from), shortest, std::max(room, youngest));
    from = span >= room ? begin_ : std::clamp(from, begin_, std::max(begin_, minusNs(plusNs(begin_, room), span)));
    to = plusNs(from, span);
    from = to - span;  // at the end of time
    if (from == from_ && to == to_) return;
    from_ = from;
    to_ = to;
    Q_EMIT rangeChanged();
}

void PlotView::setAutomatic() {
    const std::int64_t span = std::clamp(minusNs(end_, begin_), youngest, usual);
    const std::int64_t to = cursorShown_ && cursor_ < minusNs(end_, span / 2) ? plusNs(cursor_, span / 2) : end_;
    set(minusNs(to, span), to);
}

void PlotView::setBounds(std::int64_t begin, std::int64_t end, bool follow) {
    begin_ = begin;
    end_ = std::max(begin, end);
    if (first_ && !follow) mode_ = Mode::whole;
    first_ = false;
    if (mode_ == Mode::whole) return set(begin_, std::max(end_, plusNs(begin_, shortest)));
    if (mode_ == Mode::automatic) return follow || !cursorShown_ ? setAutomatic() : set(from_, to_);
    const std::int64_t span = to_ - from_;
    if (follow && following_) return set(minusNs(end_, span), end_);
    set(from_, to_);
}

void PlotView::reset() {
    mode_ = Mode::automatic;
    following_ = first_ = true;
    cursorShown_ = false;
}

void PlotView::bringCursorIntoSight() {
    const std::int64_t span = to_ - from_;
    if (!cursorShown_ || (cursor_ >= from_ && cursor_ <= to_)) return;
    const std::int64_t from = minusNs(cursor_, span / 2);
    set(from, plusNs(from, span));
}

void PlotView::setCursor(std::int64_t t, bool shown) {
    if (t == cursor_ && shown == cursorShown_) return;
    cursor_ = t;
    cursorShown_ = shown;
    if (!shown) following_ = true;
    bringCursorIntoSight();
    Q_EMIT cursorChanged();
}

void PlotView::hover(std::int64_t t) {
    hover_ = t;
    hovering_ = true;
    Q_EMIT cursorChanged();
}

void PlotView::leave() {
    if (!hovering_) return;
    hovering_ = false;
    Q_EMIT cursorChanged();
}

void PlotView::zoom(double factor, std::int64_t about) {
    const double left = double(minusNs(about, from_)) * factor, right = double(minusNs(to_, about)) * factor;
    const double most = double(std::max(minusNs(end_, begin_), youngest));
    mode_ = left + right >= most ? Mode::whole : Mode::chosen;
    const std::int64_t from = minusNs(about, roundedNs(std::min(left, most)));
    const std::int64_t to = plusNs(about, roundedNs(std::min(right, most)));
    following_ = to >= end_;
    set(from, std::max(to, plusNs(from, shortest)));
}

void PlotView::zoomAtCursor(double factor) {
    const bool seen = cursorShown_ && cursor_ >= from_ && cursor_ <= to_;
    zoom(factor, seen ? cursor_ : following_ && end_ <= to_ ? std::min(end_, to_) : from_ + (to_ - from_) / 2);
}

void PlotView::pan(double part) {
    mode_ = Mode::chosen;
    const std::int64_t by = roundedNs(double(to_ - from_) * part);
    following_ = plusNs(to_, by) >= end_;
    set(plusNs(from_, by), plusNs(to_, by));
}

void PlotView::show(std::int64_t from, std::int64_t to) {
    mode_ = Mode::chosen;
    following_ = to >= end_;
    set(from, to);
}

void PlotView::fit() {
    mode_ = Mode::whole;
    following_ = true;
    set(begin_, std::max(end_, plusNs(begin_, shortest)));
}

void PlotView::recentre() {
    mode_ = Mode::automatic;
    following_ = true;
    setAutomatic();
}

}  // namespace weft::gui
