// What states the selected flow went through, as a row of pills with the times between them; those after the cursor are pale.
// Each is a place to go to.
#pragma once

#include <QRectF>
#include <QWidget>
#include <cstdint>
#include <vector>

#include "gui/flow_series.h"

namespace weft::gui {

class HistoryStrip : public QWidget {
    Q_OBJECT
public:
    explicit HistoryStrip(QWidget* parent = nullptr);

    void setHistory(const std::vector<Transition>& steps, std::int64_t beginNs, std::int64_t cursorNs);

    QSize sizeHint() const override { return {400, 44}; }
    QSize minimumSizeHint() const override { return {160, 44}; }

Q_SIGNALS:
    void jump(qint64 t_ns);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    struct Pill {
        QRectF frame;
        std::size_t step;
    };
    std::vector<Pill> pills() const;  // the last that there is room for
    int current() const;  // the step that holds at the cursor; -1: none

    std::vector<Transition> steps_;
    std::int64_t beginNs_{0}, cursorNs_{0};
};

}  // namespace weft::gui
