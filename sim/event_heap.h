// What happens next: a 4-ary heap of events in the total order (time, source node, source sequence), so that a run
// depends on neither insertion order nor memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include "stack/core/time.h"

namespace weft::sim {

struct Event {
    Instant at;
    std::uint32_t source{0};    // the node that caused it
    std::uint32_t sequence{0};  // of that node's events; 2^32 of them outlast any run
    std::uint32_t target{0};    // the node that it happens to
    std::uint32_t frame{0};     // place of the frame that arrives; `wake`: a deadline

    static constexpr std::uint32_t wake = 0xffff'ffff;

    friend bool before(const Event& a, const Event& b) {
        return std::tie(a.at, a.source, a.sequence) < std::tie(b.at, b.source, b.sequence);
    }
};
static_assert(sizeof(Event) == 24);

class EventHeap {
public:
    bool empty() const { return events_.empty(); }
    std::size_t size() const { return events_.size(); }
    const Event& top() const { return events_.front(); }
    void clear() { events_.clear(); }

    void push(const Event& event) {
        std::size_t hole = events_.size();
        events_.push_back(event);
        while (hole != 0 && before(event, events_[(hole - 1) / arity])) {
            events_[hole] = events_[(hole - 1) / arity];
            hole = (hole - 1) / arity;
        }
        events_[hole] = event;
    }

    Event pop() {
        const Event first = events_.front();
        const Event last = events_.back();
        events_.pop_back();
        if (events_.empty()) return first;
        std::size_t hole = 0;
        while (hole * arity + 1 < events_.size()) {
            const std::size_t child = least_child(hole);
            if (!before(events_[child], last)) break;
            events_[hole] = events_[child];
            hole = child;
        }
        events_[hole] = last;
        return first;
    }

private:
    static constexpr std::size_t arity = 4;

    std::size_t least_child(std::size_t parent) const {
        const std::size_t begin = parent * arity + 1, end = std::min(begin + arity, events_.size());
        std::size_t least = begin;
        for (std::size_t child = begin + 1; child < end; ++child)
            if (before(events_[child], events_[least])) least = child;
        return least;
    }

    std::vector<Event> events_;
};

}  // namespace weft::sim
