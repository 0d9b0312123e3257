// The session's cursor: seeking, playing, stepping from event to event (see session.h).
#include <algorithm>
#include <cmath>

#include "gui/session.h"

namespace weft::gui {

void Session::moveTo(std::int64_t tNs) {
    if (history_->isEmpty()) return;
    tNs = std::clamp(tNs, beginNs(), endNs());
    if (live_) {
        state_ = history_->at(tNs);
    } else {
        history_->move(state_, tNs);
    }
    live_ = false;
    cursor_ = tNs;
    touch(Dirty::cursor | Dirty::state);
}

void Session::seek(std::int64_t tNs) {
    asked();
    search_.reset();
    playedNs_ = clock_();
    moveTo(tNs);
}

void Session::goLive() {
    asked();
    search_.reset();
    speed_ = 0;
    live_ = true;
    state_ = {};
    touch(Dirty::cursor | Dirty::state);
}

void Session::play(double speed) {
    if (speed == 0 || !std::isfinite(speed)) return pause();
    if (history_->isEmpty() || (live_ && speed > 0)) return;  // it follows already
    search_.reset();
    if (live_) moveTo(endNs());
    asked();
    playedNs_ = clock_();
    speed_ = speed;
    touch(Dirty::cursor);
}

void Session::pause() {
    asked();
    if (live_) return moveTo(endNs());
    speed_ = 0;
    touch(Dirty::cursor);
}

void Session::advance() {
    const std::int64_t now = clock_();
    const double passed = std::min(double(distanceNs(playedNs_, now)) * std::abs(speed_), 9e18);
    playedNs_ = now;
    const auto ns = std::uint64_t(passed);
    if (speed_ > 0) {
        if (distanceNs(cursor_, endNs()) <= ns) return goLive();
        return moveTo(laterNs(cursor_, ns));
    }
    const bool atBegin = distanceNs(beginNs(), cursor_) <= ns;
    moveTo(atBegin ? beginNs() : std::int64_t(std::uint64_t(cursor_) - ns));
    if (atBegin) speed_ = 0;
}

void Session::stepEvent(int direction) { step(direction, false); }
void Session::stepState(int direction) { step(direction, true); }

void Session::step(int direction, bool statesOnly) {
    if (history_->isEmpty() || direction == 0 || (live_ && direction > 0)) return;
    asked();
    speed_ = 0;
    const std::int64_t now = cursorNs();
    if (live_) moveTo(now);
    Search search{direction, statesOnly, history_->first(), history_->end(), now};
    if (direction > 0) {
        search.from = state_.next;
    } else {
        constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
        search.to = now == least ? search.from : history_->after(now - 1);
    }
    search_ = search;
    touch(Dirty::cursor);
    work(sliceNs);
}

bool Session::isWanted(const trace::Record& record) const {
    constexpr std::uint32_t untold = trace::bit(trace::Type::define) | trace::bit(trace::Type::summary) |
                                     trace::bit(trace::Type::history) | trace::bit(trace::Type::lagged);
    if (selected_ && !isOf(record, *selected_, span_)) return false;
    if ((record.flags & trace::snapshot_flag) != 0) return false;
    if (!search_->statesOnly) return std::uint32_t(record.type) < 32 && (untold & trace::bit(record.type)) == 0;
    return record.type == trace::Type::state && (record.flags & trace::moved_flag) == 0;
}

// Forwards to the first one, backwards to the last one; what was looked at in vain is not looked at again.
bool Session::search(const Deadline& enough) {
    if (!search_) return false;
    Search& search = *search_;
    std::optional<std::int64_t> found;
    while (!found && search.from < search.to) {
        const bool forwards = search.direction > 0;
        const History::Position begin = forwards ? search.from : history_->blockBefore(search.to);
        const History::Position next = history_->read(begin, search.to, [&](std::span<const trace::Record> records) {
            for (const trace::Record& record : records) {
                if (forwards) search.tNs = std::max(search.tNs, record.t_ns);
                if (!isWanted(record)) continue;
                found = forwards ? search.tNs : record.t_ns;
                if (forwards) return false;
            }
            return !forwards || !enough();
        });
        if (forwards) {
            search.from = std::max(next, search.from + 1);
        } else {
            search.to = begin;
        }
        if (!found && enough()) return search.from < search.to;
    }
    search_.reset();
    if (found) moveTo(*found);
    return false;
}

}  // namespace weft::gui
