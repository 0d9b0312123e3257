// The stretch of time that all plots and the timeline show together, with one cursor and one place under the mouse. Zooming and
// moving happen here, so that keyboard, wheel and drag do the same.
#pragma once

#include <QObject>
#include <cstdint>

namespace weft::gui {

class PlotView : public QObject {
    Q_OBJECT
public:
    static constexpr std::int64_t shortest = 10'000;  // ns that a plot may show at least
    static constexpr std::int64_t usual = 30'000'000'000;  // and what it shows of a live session
    static constexpr std::int64_t youngest = 1'000'000'000;

    explicit PlotView(QObject* parent = nullptr);

    std::int64_t fromNs() const { return from_; }
    std::int64_t toNs() const { return to_; }  // > fromNs()
    std::int64_t beginNs() const { return begin_; }
    std::int64_t endNs() const { return end_; }
    std::int64_t cursorNs() const { return cursor_; }
    bool cursorShown() const { return cursorShown_; }
    bool hovering() const { return hovering_; }
    std::int64_t hoverNs() const { return hover_; }

    // What there is to see. When `follow`, the newest end stays in sight unless the view was moved away from it.
    void setBounds(std::int64_t begin, std::int64_t end, bool follow);
    void reset();  // another session: nothing was chosen
    void setCursor(std::int64_t t, bool shown);
    void hover(std::int64_t t);
    void leave();

    void zoom(double factor, std::int64_t about);  // factor < 1: closer
    void zoomAtCursor(double factor);
    void pan(double part);  // of what is shown; > 0: later
    void show(std::int64_t from, std::int64_t to);
    void fit();  // everything
    void recentre();  // the usual stretch around the cursor, following again

Q_SIGNALS:
    void rangeChanged();  // fromNs, toNs: all is drawn anew
    void cursorChanged();  // cursor or hover: a line moves

private:
    void set(std::int64_t from, std::int64_t to);
    void setAutomatic();
    void bringCursorIntoSight();

    std::int64_t from_{0}, to_{usual}, begin_{0}, end_{0}, cursor_{0}, hover_{0};
    bool cursorShown_{false}, hovering_{false};
    // automatic: all of a young session, then its usual stretch; whole: everything; chosen: what was zoomed or moved to.
    enum class Mode : std::uint8_t { automatic, whole, chosen } mode_{Mode::automatic};
    bool following_{true}, first_{true};
};

}  // namespace weft::gui
