// The window: all views of one session, the keys, the status line. It owns the views and the plots' stretch of time; the session is
// its owner's.
#pragma once

#include <QElapsedTimer>
#include <QMainWindow>
#include <QTimer>
#include <array>
#include <cstdint>

class QLabel;
class QMenu;
class QSplitter;
class QToolButton;

namespace weft::gui {

class DiagramWidget;
class FilterLine;
class FlowModel;
class FlowTable;
class HistoryStrip;
class LogModel;
class LogView;
class NodeActions;
class PlotsPane;
class PlotView;
class Session;
class TimelineWidget;

// How long frames took: from the request to draw to the last pixel, of all that changed.
class FrameTimes {
public:
    void add(std::int64_t ns);
    std::size_t count() const { return count_; }
    double quantileMs(double part) const;  // of the last 512 frames; 0: there were none

private:
    std::array<std::int64_t, 512> ns_{};
    std::size_t count_{0};
};

class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    explicit MainWindow(Session& session, QWidget* parent = nullptr);

    // A file's path or a socket's; errors show in the status line.
    void openRecording(const QString& path);
    void openSocket(const QString& path);
    // By place, by part of an endpoint ("10.0.0.2:80"). False: there is no such flow at the cursor.
    bool selectFlow(const QString& wanted);
    QString filterFlows(const QString& filter);  // what is wrong with it, or empty
    void finish();  // all that is under way, so that a picture shows it
    // What came of what the person did, for some seconds in place of the source's state; also while frozen.
    void notice(const QString& text, bool bad);

    const FrameTimes& frames() const { return frames_; }
    FlowTable& flows() { return *flows_; }
    FlowModel& flowModel() { return *flowModel_; }
    PlotView& plotView() { return *view_; }
    DiagramWidget& diagram() { return *diagram_; }
    FilterLine& filter() { return *filter_; }
    NodeActions& actions() { return *actions_; }

Q_SIGNALS:
    void painted();  // a frame is on the screen

protected:
    bool event(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    QWidget* makeToolbar();
    QWidget* makeBody();
    QWidget* makeStatusLine();
    QToolButton* makeMenuButton(const QString& text, const char* id, const QString& tip, QMenu* menu);
    QToolButton* makeButton(const QString& text, const char* id, const QString& tip);
    void connectSession();
    void addShortcuts();
    bool handleKey(int key, bool shift);
    bool handlePlotKey(int key);
    bool handleNodeKey(int key);
    void focusView(int number);
    void refreshTime();
    void refreshFlow();
    void refreshStatus();
    void askForRecording();
    void askForNode();
    void askForPicture();
    void togglePlay();
    void refreshActions();
    void fillNodes();
    void showHelp();
    void nextTheme();
    void setFrozen(bool frozen);

    Session* session_;
    PlotView* view_;
    FlowModel* flowModel_;
    LogModel* logModel_;
    NodeActions* actions_;
    FilterLine* filter_{nullptr};
    FlowTable* flows_{nullptr};
    PlotsPane* plots_{nullptr};
    DiagramWidget* diagram_{nullptr};
    HistoryStrip* history_{nullptr};
    LogView* log_{nullptr};
    TimelineWidget* timeline_{nullptr};
    QToolButton* freeze_{nullptr};
    QToolButton* theme_{nullptr};
    QToolButton* connect_{nullptr};
    QToolButton* record_{nullptr};
    QToolButton* pause_{nullptr};
    QToolButton* flowMenu_{nullptr};
    QToolButton* nodeMenu_{nullptr};
    QLabel* status_{nullptr};
    QLabel* trouble_{nullptr};
    FrameTimes frames_;
    QElapsedTimer statusAge_;
    QString notice_;
    bool noticeBad_{false};
    QTimer noticeEnds_;
};

}  // namespace weft::gui
