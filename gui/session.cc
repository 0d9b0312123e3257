// The session's ways in and out: sources, frames, signals (see session.h).
#include "gui/session.h"

#include <chrono>
#include <utility>

#include "gui/file_history.h"

namespace weft::gui {
namespace {

constexpr int rateMs = 500;

std::int64_t monotonicNs() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Session::Session(QObject* parent)
    : QObject{parent}, memory_{std::make_unique<MemoryHistory>()}, history_{memory_.get()}, clock_{monotonicNs} {
    frame_.setSingleShot(true);
    frame_.setTimerType(Qt::PreciseTimer);
    frame_.setInterval(frameMs);
    slice_.setSingleShot(true);
    second_.setInterval(rateMs);
    connect(&frame_, &QTimer::timeout, this, &Session::frame);
    connect(&slice_, &QTimer::timeout, this, [this] {
        if (work(sliceNs)) slice_.start(0);
    });
    connect(&second_, &QTimer::timeout, this, &Session::measureRate);
}

Session::~Session() {
    if (source_) source_->disconnect(this);
}

// ---- where records come from

void Session::open(std::unique_ptr<Source> source) {
    if (source_) source_->disconnect(this);
    attach(nullptr);
    source_ = std::move(source);
    connectSource();
    source_->start();
    touch(Dirty::status);
}

void Session::connectSource() {
    Source* source = source_.get();
    connect(source, &Source::statusChanged, this, [this] { touch(Dirty::status); });
    connect(source, &Source::infoChanged, this, [this] { touch(Dirty::status); });
    connect(source, &Source::restarted, this, &Session::restart);
    connect(source, &Source::records, this, &Session::push, Qt::DirectConnection);
    connect(source, &Source::grown, this, [this, source] {
        if (history_ != source->history()) attach(source->history());
        grow(0);
    });
    second_.start();
}

// nullptr: an empty memory.
void Session::attach(const History* history) {
    memory_ = std::make_unique<MemoryHistory>(memoryBytes_, chunkRecords_);
    history_ = history != nullptr ? history : memory_.get();
    live_ = true;
    speed_ = 0;
    state_ = {};
    search_.reset();
    selected_.reset();
    series_.clear();
    came_ = cameBefore_ = laggedBefore_ = 0;
    rate_ = 0;
    beginDensity();
    touch(~0u);
}

void Session::setMemory(std::size_t bytes, std::size_t chunkRecords) {
    memoryBytes_ = bytes;
    chunkRecords_ = chunkRecords;
    if (history_ == memory_.get()) attach(nullptr);
}

void Session::push(std::span<const trace::Record> records) {
    if (records.empty()) return;
    const std::int64_t before = memory_->beginNs();
    memory_->append(records);
    grow(records.size());
    // What the cursor pointed at has given way.
    if (!live_ && history_ == memory_.get() && memory_->beginNs() != before && cursor_ < memory_->beginNs())
        moveTo(memory_->beginNs());
}

void Session::restart(bool sameNode) {
    if (!sameNode) clearSelection();
    laggedBefore_ += memory_->newest().lagged();
    memory_->restart();
    touch(Dirty::status | Dirty::range | (live_ ? Dirty::state | Dirty::cursor : 0));
}

void Session::grow(std::size_t records) {
    came_ += records;
    touch(Dirty::range | Dirty::series | (live_ ? Dirty::state | Dirty::cursor : 0));
    if (!slice_.isActive() && !frame_.isActive()) slice_.start(0);
}

const SourceStatus& Session::status() const {
    static const SourceStatus none;
    return source_ ? source_->status() : none;
}

std::optional<std::int64_t> Session::realtimeNs(std::int64_t tNs) const {
    if (!source_ || !source_->info()) return std::nullopt;
    const trace::Clocks& clocks = source_->info()->clocks;
    return std::int64_t(std::uint64_t(tNs) - std::uint64_t(clocks.monotonic_ns) + std::uint64_t(clocks.realtime_ns));
}

const trace::FlowState* Session::find(FlowKey key) const { return state().find(key.place, key.generation); }

std::uint64_t Session::lagged() const { return laggedBefore_ + history_->newest().lagged(); }

std::uint64_t Session::forgotten() const { return history_ == memory_.get() ? memory_->forgotten() : 0; }

void Session::measureRate() {
    const std::int64_t now = clock_();
    const std::uint64_t passed = distanceNs(ratedNs_, now);
    const double rate = ratedNs_ == 0 || passed == 0 ? 0 : double(came_ - cameBefore_) * 1e9 / double(passed);
    ratedNs_ = now;
    cameBefore_ = came_;
    if (rate == rate_) return;
    rate_ = rate;
    touch(Dirty::status);
}

// ---- frames

void Session::touch(unsigned what) {
    dirty_ |= what;
    if ((!frozen_ || asked_) && !frame_.isActive()) frame_.start();
}

void Session::asked() {
    if (!frozen_) return;
    asked_ = true;
    if (!frame_.isActive()) frame_.start();
}

void Session::setFrozen(bool frozen) {
    if (frozen == frozen_) return;
    frozen_ = frozen;
    asked_ = false;
    playedNs_ = clock_();
    touch(Dirty::status);
}

void Session::frame() {
    flush();
    if (isPlaying() && !frozen_) frame_.start();
}

void Session::flush() {
    if (isPlaying() && !frozen_) advance();
    const bool more = work(sliceNs);
    if (more && !slice_.isActive()) slice_.start(0);
    if (!frozen_ || asked_) tell();
    asked_ = asked_ && more;  // curves of another flow, a step that searches
}

void Session::tell() {
    const unsigned dirty = std::exchange(dirty_, 0u);
    if ((dirty & Dirty::source) != 0) Q_EMIT sourceChanged();
    if ((dirty & Dirty::status) != 0) Q_EMIT statusChanged();
    if ((dirty & Dirty::range) != 0) Q_EMIT rangeChanged();
    if ((dirty & Dirty::selection) != 0) Q_EMIT selectionChanged();
    if ((dirty & Dirty::state) != 0) Q_EMIT stateChanged();
    if ((dirty & Dirty::cursor) != 0) Q_EMIT cursorChanged();
    if ((dirty & Dirty::series) != 0) Q_EMIT seriesChanged();
}

}  // namespace weft::gui
