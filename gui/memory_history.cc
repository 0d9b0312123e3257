// Chunks of records with a state before each (see memory_history.h).
#include "gui/memory_history.h"

#include <algorithm>

namespace weft::gui {
namespace {

constexpr std::size_t longestSpan = 4'096;  // records
constexpr std::uint64_t clockSlackNs = 60'000'000'000;  // so much a stream may begin before the last one ended

// What a state takes, nearly: flows, their addresses, and the tables that find both.
std::size_t bytesOf(const trace::Replay& state) {
    return state.size() * (sizeof(trace::FlowState) + 2 * sizeof(Address) + 64);
}

}  // namespace

MemoryHistory::MemoryHistory(std::size_t limitBytes, std::size_t chunkRecords)
    : limit_{limitBytes}, chunkRecords_{std::max<std::size_t>(chunkRecords, 1)} {}

void MemoryHistory::append(std::span<const trace::Record> records) {
    std::size_t told = 0;  // to newest_: by runs, which is faster than one by one
    const auto tell = [&](std::size_t to) {
        newest_.apply(records.subspan(told, to - told));
        told = to;
    };
    for (std::size_t i = 0; i < records.size(); ++i) {
        const trace::Record& record = records[i];
        if (clockIsNew_ && record.t_ns > 0 && (record.flags & trace::snapshot_flag) == 0) {
            clockIsNew_ = false;
            if (distanceNs(record.t_ns, latest_) > clockSlackNs) {  // of another clock: both do not fit one axis
                tell(i);
                first_ = end_;
                chunks_.clear();
                bytes_ = 0;
                restarted_ = true;
            }
        }
        // What a new stream tells first may be from before: the last moment of the old one stays what it was.
        const std::int64_t t =
            chunks_.empty() ? record.t_ns : std::max(restarted_ ? laterNs(latest_, 1) : latest_, record.t_ns);
        if (restarted_ || isFull()) {
            tell(i);
            open(t);
        }
        Chunk& chunk = *chunks_.back();
        if (chunk.records.size() % stride == 0) chunk.times.push_back(t);
        chunk.records.push_back(record);
        chunk.endNs = latest_ = t;
        ++end_;
    }
    tell(records.size());
}

void MemoryHistory::restart() {
    newest_ = trace::Replay{};
    restarted_ = clockIsNew_ = true;
}

// With many flows chunks get longer, or most of the memory would hold states.
bool MemoryHistory::isFull() const {
    const Chunk& chunk = *chunks_.back();
    return chunk.records.size() >= chunkRecords_ && chunk.records.size() * sizeof(trace::Record) >= 2 * chunk.stateBytes;
}

void MemoryHistory::open(std::int64_t t) {
    forget();
    std::unique_ptr<Chunk> chunk = spare_ ? std::move(spare_) : std::make_unique<Chunk>();
    chunk->first = end_;
    chunk->beginNs = chunk->endNs = t;
    chunk->anew = restarted_;
    chunk->state = newest_;
    chunk->stateBytes = bytesOf(newest_);
    chunk->records.clear();
    chunk->times.clear();
    chunk->records.reserve(std::max(chunkRecords_, 2 * chunk->stateBytes / sizeof(trace::Record) + 1));
    bytes_ += chunk->stateBytes + chunk->records.capacity() * sizeof(trace::Record);
    chunks_.push_back(std::move(chunk));
    restarted_ = false;
}

void MemoryHistory::forget() {
    while (bytes_ > limit_ && chunks_.size() > 1) {
        Chunk& oldest = *chunks_.front();
        bytes_ -= oldest.stateBytes + oldest.records.capacity() * sizeof(trace::Record);
        spare_ = std::move(chunks_.front());
        chunks_.pop_front();
        first_ = chunks_.front()->first;
    }
}

std::int64_t MemoryHistory::beginNs() const { return chunks_.empty() ? 0 : chunks_.front()->beginNs; }

std::size_t MemoryHistory::chunkOf(Position position) const {
    const auto later = std::ranges::upper_bound(chunks_, position, {}, [](const auto& chunk) { return chunk->first; });
    return later == chunks_.begin() ? 0 : std::size_t(later - chunks_.begin()) - 1;
}

History::Position MemoryHistory::after(std::int64_t t) const {
    const auto later = std::ranges::upper_bound(chunks_, t, {}, [](const auto& chunk) { return chunk->beginNs; });
    if (later == chunks_.begin()) return first_;
    const Chunk& chunk = **std::prev(later);
    const auto coarse = std::ranges::upper_bound(chunk.times, t) - chunk.times.begin();
    if (coarse == 0) return chunk.first;
    std::size_t at = (std::size_t(coarse) - 1) * stride;
    while (at < chunk.records.size() && chunk.records[at].t_ns <= t) ++at;
    return chunk.first + at;
}

History::Position MemoryHistory::blockBefore(Position position) const {
    position = std::min(position, end_);
    return position > first_ + longestSpan ? position - longestSpan : first_;
}

History::Position MemoryHistory::read(Position from, Position to, const Take& take) const {
    from = std::max(from, first_);
    to = std::min(to, end_);
    while (from < to) {
        const Chunk& chunk = *chunks_[chunkOf(from)];
        const std::size_t at = from - chunk.first;
        const std::size_t count = std::min({chunk.records.size() - at, std::size_t(to - from), longestSpan});
        from += count;
        if (!take(std::span{chunk.records}.subspan(at, count))) break;
    }
    return from;
}

void MemoryHistory::fold(State& state, Position to) const {
    state.next = read(state.next, to, [&](std::span<const trace::Record> records) {
        state.replay.apply(records);
        return true;
    });
}

History::State MemoryHistory::at(std::int64_t t) const {
    if (chunks_.empty()) return {};
    const Position to = after(t);
    // Where a chunk is full the place behind its last record is the first of the next one: the state there is the same.
    const Chunk& chunk = *chunks_[chunkOf(to > first_ ? to - 1 : to)];
    State state{chunk.state, chunk.first};
    fold(state, to);
    return state;
}

History::Stream MemoryHistory::streamOf(Position position) const {
    if (chunks_.empty()) return {};
    std::size_t at = chunkOf(position);
    while (at > 0 && !chunks_[at]->anew) --at;
    return {chunks_[at]->first, chunks_[at]->beginNs, chunks_[at]->state};
}

History::Position MemoryHistory::endOfStream(Position position) const {
    if (chunks_.empty()) return end_;
    std::size_t at = chunkOf(position) + 1;
    while (at < chunks_.size() && !chunks_[at]->anew) ++at;
    return at < chunks_.size() ? chunks_[at]->first : end_;
}

void MemoryHistory::move(State& state, std::int64_t t) const {
    const Position to = after(t);
    bool onTheWay = state.next >= first_ && state.next <= to && to - state.next <= chunkRecords_;
    for (std::size_t i = chunkOf(state.next); onTheWay && i < chunks_.size() && chunks_[i]->first < to; ++i)
        onTheWay = !chunks_[i]->anew || chunks_[i]->first < state.next;
    if (onTheWay) {
        fold(state, to);
    } else {
        state = at(t);
    }
}

}  // namespace weft::gui
