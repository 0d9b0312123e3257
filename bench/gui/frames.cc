// Clocks around the event loop.
#include "bench/gui/frames.h"

#include <QElapsedTimer>
#include <QTimer>
#include <algorithm>
#include <chrono>

#include "gui/main_window.h"

namespace weft::bench {
namespace {

constexpr double apart_ms = 8;  // half a refresh at 60 Hz

}  // namespace

std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool BusyApplication::notify(QObject* receiver, QEvent* event) {
    if (depth_++ == 0) begun_ = now_ns();
    const bool taken = QApplication::notify(receiver, event);
    if (--depth_ == 0) busy_ += now_ns() - begun_;
    return taken;
}

std::int64_t BusyApplication::takeBusy() {
    const std::int64_t now = now_ns(), busy = busy_ + (depth_ > 0 ? now - begun_ : 0);
    busy_ = 0;
    begun_ = now;
    return busy;
}

Frames::Frames(BusyApplication& application, gui::MainWindow& window) : application_{application} {
    connection_ = QObject::connect(&window, &gui::MainWindow::painted, &window, [this] {
        const std::int64_t now = now_ns(), before = std::exchange(ended_, now);
        const double busy = double(application_.takeBusy()) / 1e6;
        if (before == 0) return;  // what came before the first frame belongs to none
        const double interval = double(now - before) / 1e6;
        if (interval < apart_ms &&
            !busy_ms_.empty()) {  // drawn again for the same refresh of a screen: one frame, and both count
            busy_ms_.back() += busy;
            interval_ms_.back() += interval;
            return;
        }
        busy_ms_.push_back(busy);
        interval_ms_.push_back(interval);
    });
}

Frames::~Frames() { QObject::disconnect(connection_); }

void Frames::clear() {
    ended_ = 0;
    busy_ms_.clear();
    interval_ms_.clear();
}

double Frames::busyMs(double part) const { return quantile(busy_ms_, part); }
double Frames::intervalMs(double part) const { return quantile(interval_ms_, part); }

double quantile(std::vector<double> values, double part) {
    const auto at = values.begin() + std::ptrdiff_t(std::min(double(values.size() - 1), double(values.size()) * part));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

bool runUntil(const std::function<bool()>& done, double seconds) {
    QTimer tick;  // so that waiting ends
    tick.start(50);
    QElapsedTimer timer;
    timer.start();
    while (!done()) {
        if (double(timer.nsecsElapsed()) > seconds * 1e9) return false;
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
    }
    return true;
}

void runFor(double seconds) {
    (void)runUntil([] { return false; }, seconds);
}

}  // namespace weft::bench
