// Which curves and marks of a flow go into which plot, in which colour and shape.
#include "gui/plots_pane.h"

#include <QSplitter>
#include <QVBoxLayout>

#include "gui/plot_view.h"
#include "gui/plot_widget.h"
#include "gui/record_text.h"
#include "gui/session.h"
#include "gui/theme.h"

namespace weft::gui {
namespace {

using Style = PlotWidget::Style;
using Shape = PlotWidget::Shape;

constexpr double ms = 1e6;  // ns

std::vector<PlotWidget::Marks> eventsAbove() {
    return {{PlotWidget::tr("loss"), Mark::Kind::loss, &Colours::vermillion, Shape::triangle},
            {PlotWidget::tr("time-out"), Mark::Kind::timeout, &Colours::purple, Shape::square},
            {PlotWidget::tr("ECN"), Mark::Kind::ecn, &Colours::yellow, Shape::diamond},
            {PlotWidget::tr("module"), Mark::Kind::moduleChange, &Colours::sky, Shape::disc},
            {PlotWidget::tr("mark"), Mark::Kind::note, &Colours::text, Shape::bar}};
}

}  // namespace

PlotsPane::PlotsPane(Session& session, PlotView& view, QWidget* parent) : QWidget(parent), session_{&session}, view_{&view} {
    plots_ = {new PlotWidget(tr("Congestion window"), Unit::bytes, view, this),
              new PlotWidget(tr("Round-trip time"), Unit::nanoseconds, view, this),
              new PlotWidget(tr("Rate"), Unit::bitsPerSecond, view, this),
              new PlotWidget(tr("Sequence"), Unit::bytes, view, this)};
    auto* splitter = new QSplitter(Qt::Vertical, this);
    splitter->setChildrenCollapsible(false);
    splitter->setHandleWidth(6);
    const std::array<const char*, 4> names{"plot-window", "plot-rtt", "plot-rate", "plot-sequence"};
    for (std::size_t i = 0; i < plots_.size(); ++i) {
        plots_[i]->setObjectName(QLatin1String(names[i]));
        plots_[i]->setTimesShown(i + 1 == plots_.size());
        plots_[i]->setTellMark([this](const Mark& mark) { return recordText(mark.record, session_->state()); });
        splitter->addWidget(plots_[i]);
        splitter->setStretchFactor(int(i), i == 0 ? 5 : 3);
        connect(plots_[i], &PlotWidget::seek, session_, &Session::seek);
    }
    splitter->setSizes({190, 120, 120, 130});
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(splitter);
    attach();
    connect(session_, &Session::selectionChanged, this, &PlotsPane::attach);
    connect(session_, &Session::sourceChanged, this, &PlotsPane::attach);
    connect(session_, &Session::seriesChanged, this, &PlotsPane::refresh);
}

void PlotsPane::attach() {
    const FlowSeries& flow = session_->series();
    const std::vector<Mark>* marks = &flow.marks();
    plots_[0]->setCurves({{tr("ssthresh"), &Colours::orange, Style::step, &flow[SeriesId::ssthresh], 1, false},
                          {tr("in flight"), &Colours::green, Style::step, &flow[SeriesId::inFlight]},
                          {tr("cwnd"), &Colours::blue, Style::step, &flow[SeriesId::cwnd]}},
                         eventsAbove(), marks);
    plots_[1]->setCurves({{tr("sample"), &Colours::purple, Style::dots, &flow[SeriesId::rttSample], ms},
                          {tr("srtt"), &Colours::orange, Style::step, &flow[SeriesId::srtt], ms}},
                         eventsAbove(), marks);
    plots_[2]->setCurves({{tr("delivered"), &Colours::green, Style::dots, &flow[SeriesId::deliveryRate]},
                          {tr("pacing"), &Colours::blue, Style::step, &flow[SeriesId::pacing], 1, false}},
                         eventsAbove(), marks);
    plots_[3]->setCurves({{tr("window"), &Colours::orange, Style::step, &flow[SeriesId::seqWindow]},
                          {tr("sent"), &Colours::blue, Style::step, &flow[SeriesId::seqSent]},
                          {tr("acknowledged"), &Colours::green, Style::step, &flow[SeriesId::seqAcked]}},
                         {{tr("lost"), Mark::Kind::loss, &Colours::vermillion, Shape::triangle, true},
                          {tr("timed out"), Mark::Kind::timeout, &Colours::purple, Shape::square, true},
                          {tr("sent again"), Mark::Kind::retransmission, &Colours::sky, Shape::diamond, true}},
                         marks);
    plots_[1]->setZero(PlotWidget::Zero::ifNear);
    plots_[3]->setZero(PlotWidget::Zero::never);
    refresh();
}

void PlotsPane::refresh() {
    const auto chosen = session_->selected();
    const trace::FlowState* flow = chosen ? session_->find(*chosen) : nullptr;
    const std::int64_t until = flow != nullptr && !flow->lives() ? flow->ended_ns : session_->endNs();
    const QString why = !chosen                       ? tr("No flow is selected")
                        : !session_->seriesComplete() ? tr("Reading …")
                                                      : tr("This flow has told nothing of it yet");
    const std::uint64_t leftOut = session_->series().marksLeftOut();
    for (PlotWidget* plot : plots_) {
        plot->setNote(leftOut == 0 ? QString() : tr("%1 marks left out").arg(leftOut));
        plot->setHeldUntil(until);
        plot->setEmptyText(why);
        plot->dataChanged();
    }
}

}  // namespace weft::gui
