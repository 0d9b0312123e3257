// A column is covered from its lowest to its highest point; the ends are blended by how much of the pixel they cover.
#include "gui/plot_raster.h"

#include <algorithm>
#include <cmath>

namespace weft::gui {

PlotRaster::PlotRaster(QImage& image, const QRect& area)
    : image_{&image}, area_{area.intersected(image.rect())}, low_(std::size_t(std::max(0, area_.width()))),
      high_(low_.size()) {}

void PlotRaster::begin(const QColor& colour, double thickness) {
    std::ranges::fill(low_, 1e9F);
    std::ranges::fill(high_, -1e9F);
    colour_ = colour.rgba();
    thickness_ = thickness;
    down_ = false;
}

void PlotRaster::lift() { down_ = false; }

void PlotRaster::cover(double x, double low, double high) {
    const double column = std::floor(x) - area_.left();
    if (column < 0 || column >= double(low_.size())) return;
    float& bottom = low_[std::size_t(column)];
    float& top = high_[std::size_t(column)];
    bottom = std::min(bottom, float(low));
    top = std::max(top, float(high));
}

void PlotRaster::lineTo(double x, double y) {
    if (!down_) {
        cover(x, y, y);
    } else {
        const double width = x - at_.x(), left = area_.left(), right = area_.left() + double(low_.size());
        const double slope = width > 0 ? (y - at_.y()) / width : 0;
        for (double from = std::max(at_.x(), left), last = std::min(x, right); from < last;) {
            const double to = std::min(last, std::floor(from) + 1);
            const double a = at_.y() + slope * (from - at_.x()), b = at_.y() + slope * (to - at_.x());
            cover(from, std::min(a, b), std::max(a, b));
            from = to;
        }
        if (std::floor(x) == std::floor(at_.x())) cover(x, std::min(y, at_.y()), std::max(y, at_.y()));
        else cover(x, y, y);
    }
    at_ = QPointF(x, y);
    down_ = true;
}

void PlotRaster::stepTo(double x, double y) {
    if (down_) lineTo(x, at_.y());
    lineTo(x, y);
}

void PlotRaster::blend(int x, int y, int alpha, QRgb colour) {
    auto* line = reinterpret_cast<QRgb*>(image_->scanLine(y));
    const QRgb under = line[x];
    const auto mix = [alpha](int over, int below) { return (over * alpha + below * (255 - alpha)) / 255; };
    line[x] =
        qRgba(mix(qRed(colour), qRed(under)), mix(qGreen(colour), qGreen(under)), mix(qBlue(colour), qBlue(under)), 255);
}

void PlotRaster::blend(int x, int y, int alpha) { blend(x, y, alpha * qAlpha(colour_) / 255, colour_); }

void PlotRaster::finish() {
    const double top = area_.top(), bottom = area_.bottom() + 1.0, half = thickness_ / 2;
    for (std::size_t i = 0; i < low_.size(); ++i) {
        if (low_[i] > high_[i]) continue;
        const double from = std::max(top, double(low_[i]) - half), to = std::min(bottom, double(high_[i]) + half);
        const int x = area_.left() + int(i);
        for (int y = int(std::floor(from)); y < int(std::ceil(to)); ++y) {
            const double part = std::min(to, y + 1.0) - std::max(from, double(y));
            if (part > 0) blend(x, y, int(part * 255));
        }
    }
}

void PlotRaster::dot(double x, double y, double diameter, const QColor& colour) {
    const double radius = diameter / 2;
    const QRgb rgb = colour.rgba();
    for (int row = int(std::floor(y - radius)); row <= int(std::floor(y + radius)); ++row) {
        for (int column = int(std::floor(x - radius)); column <= int(std::floor(x + radius)); ++column) {
            if (!area_.contains(column, row)) continue;
            const double off = std::hypot(column + 0.5 - x, row + 0.5 - y);
            const double part = std::clamp(radius + 0.5 - off, 0.0, 1.0);
            if (part > 0) blend(column, row, int(part * 255) * qAlpha(rgb) / 255, rgb);
        }
    }
}

}  // namespace weft::gui
