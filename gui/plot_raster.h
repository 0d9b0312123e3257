// Draws columns of a series into an image, smoothed in the vertical, without a painter's stroker: the cost is that of the columns,
// not of the points behind them. All lengths are device pixels.
#pragma once

#include <QColor>
#include <QImage>
#include <QPointF>
#include <QRect>
#include <vector>

namespace weft::gui {

class PlotRaster {
public:
    // Draws into `area` of `image`, which is ARGB32_Premultiplied or RGB32 and outlives this.
    PlotRaster(QImage& image, const QRect& area);

    // A line through the points that were given, `thickness` high. begin() and finish() hold one line.
    void begin(const QColor& colour, double thickness);
    void lineTo(double x, double y);  // x never goes back
    void stepTo(double x, double y);  // level until x, then straight up or down
    void lift();  // the next point begins anew
    void finish();

    void dot(double x, double y, double diameter, const QColor& colour);

private:
    void cover(double x, double low, double high);  // column of x: from low to high
    void blend(int x, int y, int alpha);
    void blend(int x, int y, int alpha, QRgb colour);

    QImage* image_;
    QRect area_;
    std::vector<float> low_, high_;  // of each column of the area; low_ > high_: nothing
    QRgb colour_{0};
    double thickness_{1};
    QPointF at_;
    bool down_{false};
};

}  // namespace weft::gui
