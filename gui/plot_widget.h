// One plot: lines, steps or dots over min/max pyramids, marks of single events above them, the shared cursor, and what lies under the
// mouse as text. Series are drawn into an image that is kept until data or range change; the cursor is drawn over it.
#pragma once

#include <QColor>
#include <QImage>
#include <QString>
#include <QWidget>
#include <cstdint>
#include <functional>
#include <vector>

#include "gui/flow_series.h"
#include "gui/plot_axis.h"

class QPainter;

namespace weft::gui {

struct Colours;
class PlotRaster;
class PlotView;

class PlotWidget : public QWidget {
    Q_OBJECT
public:
    enum class Style : std::uint8_t { line, step, dots };
    enum class Shape : std::uint8_t {
        triangle,
        square,
        diamond,
        disc,
        bar
    };  // a kind of event is told by its shape, not by colour alone

    struct Layer {
        QString name;
        QColor Colours::* colour;
        Style style;
        const Pyramid* data;  // outlives this, or is taken away by setLayers()
        double factor{1};  // from the data's unit to `unit`'s
    };
    struct Marks {
        QString name;
        Mark::Kind kind;
        QColor Colours::* colour;
        Shape shape;
        bool atValue{false};  // at its place on the y axis; else at the upper edge, with a line down
    };

    PlotWidget(QString title, Unit unit, PlotView& view, QWidget* parent = nullptr);

    // `marks`: in order of time; outlives this, or is taken away.
    void setCurves(std::vector<Layer> layers, std::vector<Marks> kinds, const std::vector<Mark>* marks);
    void setFromZero(bool fromZero) { fromZero_ = fromZero; }
    void setEmptyText(const QString& text);
    // Steps hold their last value until then: the flow's end, or the newest time.
    void setHeldUntil(std::int64_t t) { heldUntil_ = t; }
    void setTimesShown(bool shown) { showsTimes_ = shown; }  // below the plot
    // The full text of an event; asked only while the mouse is there.
    void setTellMark(std::function<QString(const Mark&)> tell) { tellMark_ = std::move(tell); }
    void dataChanged();

    QString hoverText(std::int64_t t) const;
    bool isEmpty() const;

    QSize sizeHint() const override { return {760, 160}; }
    QSize minimumSizeHint() const override { return {240, 64}; }

Q_SIGNALS:
    void seek(qint64 t_ns);

protected:
    void paintEvent(QPaintEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    QRectF area() const;  // where series are drawn
    double xOf(std::int64_t t) const;
    double yOf(double value) const;
    std::int64_t timeAt(double x) const;
    std::int64_t shownTime() const;
    void findScale();
    void renderLayer();
    void renderGrid(QPainter& painter) const;
    void renderCurve(PlotRaster& raster, const Layer& layer) const;
    void renderMarks(QPainter& painter) const;
    void renderMark(QPainter& painter, const Marks& kind, const Mark& mark, double x) const;
    void lookAtMarks();
    void paintLegend(QPainter& painter) const;
    void paintCursor(QPainter& painter) const;
    void paintHover(QPainter& painter) const;
    void describe();

    QString title_, emptyText_;
    Unit unit_;
    PlotView* view_;
    std::vector<Layer> layers_;
    std::vector<Marks> kinds_;
    const std::vector<Mark>* marks_{nullptr};
    std::size_t seenMarks_{0};
    unsigned seenKinds_{0};  // bit n: Mark::Kind n is among them
    std::function<QString(const Mark&)> tellMark_;
    std::int64_t heldUntil_{0};
    bool fromZero_{true}, showsTimes_{true};
    double low_{0}, high_{1}, step_{1};  // of the y axis, in the data's unit times factor
    QImage layer_;
    bool stale_{true};
    bool pressed_{false}, dragging_{false};
    QPointF pressedAt_;
    std::int64_t pressedFrom_{0}, pressedTo_{0};
};

// A mark's outline around (0, 0), `size` wide; legends draw it too.
void drawMark(QPainter& painter, PlotWidget::Shape shape, const QPointF& middle, double size);

}  // namespace weft::gui
