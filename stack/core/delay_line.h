// Timers that all wait equally long: who came first is due first, so that a queue is enough. Entries lie in a row, which is
// what a hierarchy of lists cannot do: those that follow are known, and fetched, before their turn. A plain value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "stack/core/time.h"
#include "stack/core/timer_wheel.h"

namespace weft {

class DelayLine {
public:
    struct Entry {
        Instant due;
        std::uint32_t id{0}, owner{0};  // a place, and its generation: somebody else may have it before the turn comes
    };

    // Where an entry for `due` would stand in order. Whoever is in the line then is due no later.
    bool takes(Instant due) const { return count_ == 0 || !(due < at(count_ - 1).due); }
    void push(const Entry& entry) {
        if (count_ == entries_.size()) grow();
        at(count_++) = entry;
        ++members_;
    }
    // Somebody waits no longer: its entry is passed over in its turn. Of a line that nobody waits in nothing is left.
    void leave() {
        if (--members_ == 0) count_ = settled_ = 0;
    }

    Instant next() const { return count_ == 0 ? Instant::never() : at(0).due; }
    std::size_t size() const { return count_; }
    std::size_t unsettled() const { return count_ - settled_; }  // that came since sift() was last called

    // Hands out what is due, and before that shows `soon` what will be some turns later. Whose entry it still is, `expired` finds
    // out, and calls leave() for it.
    template <class Expired, class Soon>
    void advance(Instant now, Expired&& expired, Soon&& soon) {
        if (next() > now) return;
        constexpr std::size_t ahead = 12;
        for (std::size_t i = 0; i < std::min(ahead, count_) && at(i).due <= now; ++i) soon(at(i).id);
        while (next() <= now) {
            if (count_ > ahead && at(ahead).due <= now) soon(at(ahead).id);
            const Entry entry = at(0);
            begin_ = (begin_ + 1) & mask();
            --count_;
            settled_ -= std::min<std::size_t>(settled_, 1);
            expired(entry);
        }
    }

    // Those that came since this was last asked and for which `stays` says no, having called leave(), are taken out. Once the
    // others stand in order again each is told `gone`, and may come back, behind them.
    template <class Stays, class Gone>
    void sift(Stays&& stays, Gone&& gone) {
        const std::size_t end = std::exchange(count_, settled_);
        for (std::size_t i = settled_; i < end; ++i) {
            const Entry entry = at(i);
            if (stays(entry)) at(count_++) = entry;
            else gone_.push_back(entry);
        }
        for (const Entry& entry : gone_) gone(entry);
        gone_.clear();
        settled_ = count_;
    }

private:
    std::size_t mask() const { return entries_.size() - 1; }
    Entry& at(std::size_t i) { return entries_[(begin_ + i) & mask()]; }
    const Entry& at(std::size_t i) const { return entries_[(begin_ + i) & mask()]; }

    void grow() {
        std::vector<Entry> wider(std::max<std::size_t>(64, entries_.size() * 2));
        for (std::size_t i = 0; i < count_; ++i) wider[i] = at(i);
        entries_ = std::move(wider);
        begin_ = 0;
    }

    std::vector<Entry> entries_;  // a ring; a power of two
    std::size_t begin_{0}, count_{0};
    std::size_t settled_{0};  // those in front that were sifted
    std::size_t members_{0};  // those that wait
    std::vector<Entry> gone_;  // for the length of a sift
};

}  // namespace weft
