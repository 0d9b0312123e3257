// What every view looks at: one cursor in time, the state of all flows there, the selected flow and its curves. Live it follows
// the end; rewound it shows what was, while records go on being kept. Signals come once a frame at most.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include <QObject>
#include <QTimer>

#include "gui/density.h"
#include "gui/flow_series.h"
#include "gui/history.h"
#include "gui/memory_history.h"
#include "gui/source.h"

namespace weft::gui {

class Session final : public QObject {
    Q_OBJECT
public:
    static constexpr int frameMs = 16;
    static constexpr std::int64_t sliceNs = 4'000'000;  // of background work a frame

    explicit Session(QObject* parent = nullptr);
    ~Session() override;

    // ---- where records come from
    void open(std::unique_ptr<Source> source);  // in place of what was open; starts it
    void push(std::span<const trace::Record> records);  // as a live source would; without open() too
    // What is pushed from now on knows nothing of what came before. By the same node: flows keep their names.
    void restart(bool sameNode = false);
    void setMemory(std::size_t bytes,
                   std::size_t chunkRecords = MemoryHistory::usualChunk);  // of live sessions; forgets all
    const Source* source() const { return source_.get(); }
    const SourceStatus& status() const;
    const History& history() const { return *history_; }

    // ---- time, in ns of the engine's clock
    bool isLive() const { return live_; }  // at the end, and follows it
    bool isPlaying() const { return speed_ != 0; }
    double speed() const { return speed_; }  // seconds of record time a second; 0: stands
    std::int64_t beginNs() const { return history_->beginNs(); }
    std::int64_t endNs() const { return history_->endNs(); }
    std::int64_t cursorNs() const { return live_ ? endNs() : cursor_; }
    std::optional<std::int64_t> realtimeNs(std::int64_t tNs) const;  // since 1970, if the source said its clocks
    void seek(std::int64_t tNs);  // stops to follow; held to begin and end
    void goLive();
    void play(double speed);  // from the cursor; negative: backwards. At the end of a live session it follows again
    void pause();
    // To the next (+1) or last (-1) record, or change of state, of the selected flow, or of any. A long search goes on by slices.
    void stepEvent(int direction);
    void stepState(int direction);

    // ---- the state of all flows at the cursor
    const trace::Replay& state() const { return live_ ? history_->newest() : state_.replay; }
    const trace::FlowState* find(FlowKey key) const;  // at the cursor
    std::uint64_t lagged() const;  // records that node or subscription could not keep, in all
    std::uint64_t forgotten() const;  // records that gave way in memory
    double recordsPerSecond() const { return rate_; }  // that came, over the last second; of a live source

    // ---- the selected flow
    void select(FlowKey key);
    void clearSelection();
    std::optional<FlowKey> selected() const { return selected_; }
    const FlowSeries& series() const { return series_; }  // of the selected flow, over all of the history
    // When its place was the selected flow's: what names no generation is of who began there last. All of time until that was read.
    struct Span {
        std::int64_t fromNs{std::numeric_limits<std::int64_t>::min()}, toNs{std::numeric_limits<std::int64_t>::max()};
        friend bool operator==(const Span&, const Span&) = default;
    };
    const Span& placeSpan() const { return span_; }
    static bool isOf(const trace::Record& record, FlowKey key, const Span& span);
    bool seriesComplete() const { return !selected_ || scanned_ >= history_->endOfStream(seriesFirst_); }

    // ---- the timeline
    void density(std::int64_t t0Ns, std::int64_t t1Ns, std::span<Density::Column> out) const;

    // ---- a window that stands still, for readers of screens: records go on being kept, signals wait. What its user does
    // (seek, step, select, ...) is answered all the same, by what is then.
    bool isFrozen() const { return frozen_; }
    void setFrozen(bool frozen);

    // ---- for tests and pictures
    void flush();  // what the next frame would do, now
    void finish();  // all background work, now
    void setClock(std::function<std::int64_t()> monotonicNs) { clock_ = std::move(monotonicNs); }

Q_SIGNALS:
    void sourceChanged();  // another source, or forgotten all
    void statusChanged();  // status(), info, lagged(), recordsPerSecond()
    void rangeChanged();  // beginNs(), endNs(), density()
    void cursorChanged();  // cursorNs(), isLive(), speed()
    void stateChanged();  // state()
    void selectionChanged();
    void seriesChanged();

private:
    struct Dirty {  // bits: what a frame has to tell
        static constexpr unsigned source = 1, status = 2, range = 4, cursor = 8, state = 16, selection = 32, series = 64;
    };
    struct Search {  // of stepEvent and stepState
        int direction{0};
        bool statesOnly{false};
        History::Position from{0}, to{0};  // what has not been looked at
        std::int64_t tNs{0};  // of what was seen last
    };
    using Deadline = std::function<bool()>;  // true: enough for now

    void touch(unsigned what);
    void asked();  // by the user: told also while frozen
    void frame();
    void tell();
    void attach(const History* history);
    void connectSource();
    void grow(std::size_t records);
    void measureRate();
    // Time.
    void advance();
    void moveTo(std::int64_t tNs);
    void step(int direction, bool statesOnly);
    bool search(const Deadline& enough);
    bool isWanted(const trace::Record& record) const;
    // Background work, by slices. False: nothing is left to do.
    bool work(std::int64_t budgetNs);
    bool scanSeries(const Deadline& enough);
    bool scanDensity(const Deadline& enough);
    void beginSeries();
    void takeForSeries(std::span<const trace::Record> records);
    void beginInPlace(const trace::FlowBegin& begin, std::int64_t tNs);
    void beginDensity();
    void spread(const trace::Recording& recording);

    std::unique_ptr<MemoryHistory> memory_;
    std::unique_ptr<Source> source_;
    const History* history_;
    std::function<std::int64_t()> clock_;
    QTimer frame_, slice_, second_;
    unsigned dirty_{0};
    bool frozen_{false}, asked_{false};

    bool live_{true};
    double speed_{0};
    std::int64_t cursor_{0}, playedNs_{0};
    History::State state_;  // at cursor_, unless live_
    std::optional<Search> search_;

    std::optional<FlowKey> selected_;
    FlowSeries series_;
    History::Position scanned_{0}, seriesFirst_{0};
    std::int64_t scannedNs_{0};
    Span span_;
    std::optional<std::uint32_t> generation_;  // of who has the selected place, where the scan is

    Density fine_, coarse_;  // counted record by record; spread by a recording's index
    History::Position counted_{0};
    std::int64_t countedNs_{0};

    std::size_t memoryBytes_{MemoryHistory::usualLimit}, chunkRecords_{MemoryHistory::usualChunk};
    std::uint64_t came_{0}, cameBefore_{0}, laggedBefore_{0};
    std::int64_t ratedNs_{0};
    double rate_{0};
};

}  // namespace weft::gui
