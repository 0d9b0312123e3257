// How long the window's thread is busy for each frame, and how long one waits for a picture.
#pragma once

#include <QApplication>
#include <cstdint>
#include <functional>
#include <vector>

namespace weft::gui {
class MainWindow;
}

namespace weft::bench {

std::int64_t now_ns();

// An application that adds up the time in which its one thread works on events: reading records, folding them, refreshing
// models, laying out and painting.
class BusyApplication final : public QApplication {
public:
    using QApplication::QApplication;

    bool notify(QObject* receiver, QEvent* event) override;

    std::int64_t takeBusy();  // ns since it was asked last

private:
    int depth_{0};
    std::int64_t begun_{0}, busy_{0};
};

// What the frames of a window cost: all that its thread did from the end of one to the end of the next. What is drawn twice for one
// refresh of a screen at 60 Hz is one frame.
class Frames {
public:
    Frames(BusyApplication& application, weft::gui::MainWindow& window);
    ~Frames();
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;

    void clear();
    std::size_t count() const { return busy_ms_.size(); }
    double busyMs(double part) const;  // quantile
    double intervalMs(double part) const;  // between the ends of two frames

private:
    BusyApplication& application_;
    QMetaObject::Connection connection_;
    std::int64_t ended_{0};
    std::vector<double> busy_ms_, interval_ms_;
};

double quantile(std::vector<double> values, double part);  // of at least one

void runFor(double seconds);  // the event loop
// The event loop until `done`, which is asked after each turn; false: not within so many seconds.
bool runUntil(const std::function<bool()>& done, double seconds);

}  // namespace weft::bench
