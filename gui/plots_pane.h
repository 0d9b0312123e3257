// The four plots of the selected flow under each other, over one axis of time: congestion window, round-trip time, rates, sequence.
#pragma once

#include <QWidget>
#include <array>

class QSplitter;

namespace weft::gui {

class PlotView;
class PlotWidget;
class Session;

class PlotsPane : public QWidget {
    Q_OBJECT
public:
    PlotsPane(Session& session, PlotView& view, QWidget* parent = nullptr);

    const std::array<PlotWidget*, 4>& plots() const { return plots_; }

private:
    void attach();  // another flow
    void refresh();  // the same flow has more

    Session* session_;
    PlotView* view_;
    std::array<PlotWidget*, 4> plots_{};
};

}  // namespace weft::gui
