// Which counters of one key were received (RFC 6479): 64 bits inline, 8,192 once the traffic needs them (docs/wire.md).
#pragma once

#include <array>
#include <cstdint>
#include <memory>

namespace weft::overlay {

class ReplayWindow {
public:
    static constexpr std::uint64_t small = 64, large = 8'192;   // how many counters, from the highest down, are known

    // May this counter still be new? Asked before the packet is opened; false costs the packet.
    bool acceptable(std::uint64_t counter) const {
        if (counter >= next_) return counter != ~0ull;   // that one leaves no room for `next_`
        const std::uint64_t behind = next_ - 1 - counter;
        if (behind < small) return (recent_ >> behind & 1) == 0;
        if (behind >= large) return false;
        return !wide_ || !marked(counter);
    }

    // After authentication only. false: seen before, or older than the inline window, which counts as seen.
    bool take(std::uint64_t counter) {
        if (!acceptable(counter)) return false;
        if (counter >= next_) {
            advance(counter);
            return true;
        }
        const std::uint64_t behind = next_ - 1 - counter;
        if (behind < small) recent_ |= 1ull << behind;
        else if (!wide_) return widen();
        if (wide_) mark(counter);
        return true;
    }

    std::uint64_t next() const { return next_; }   // the highest taken counter + 1; 0: none
    bool wide() const { return wide_ != nullptr; }

private:
    // One word more than the window, so that the word of the highest counter can be cleared as a whole.
    static constexpr std::uint64_t words = large / 64 + 1;

    void advance(std::uint64_t counter) {
        const std::uint64_t step = counter + 1 - next_;
        recent_ = step < 64 ? recent_ << step : 0;
        recent_ |= 1;
        if (wide_) {
            const std::uint64_t from = next_ == 0 ? 0 : (next_ - 1) / 64 + 1, to = counter / 64;
            if (to >= from && to - from >= words) wide_->fill(0);
            else
                for (std::uint64_t word = from; word <= to; ++word) (*wide_)[word % words] = 0;
        }
        next_ = counter + 1;
        if (wide_) mark(counter);
    }

    // What lies behind the inline window counts as received, also the packet that made the wide one necessary.
    bool widen() {
        wide_ = std::make_unique<std::array<std::uint64_t, words>>();
        wide_->fill(~0ull);
        const std::uint64_t top = next_ - 1;
        for (std::uint64_t bit = top % 64 + 1; bit < 64; ++bit) (*wide_)[top / 64 % words] &= ~(1ull << bit);
        for (std::uint64_t behind = 0; behind < small && behind <= top; ++behind)
            if ((recent_ >> behind & 1) == 0) {
                const std::uint64_t counter = top - behind;
                (*wide_)[counter / 64 % words] &= ~(1ull << counter % 64);
            }
        return false;
    }

    bool marked(std::uint64_t counter) const { return ((*wide_)[counter / 64 % words] >> counter % 64 & 1) != 0; }
    void mark(std::uint64_t counter) { (*wide_)[counter / 64 % words] |= 1ull << counter % 64; }

    std::uint64_t next_{0};
    std::uint64_t recent_{0};   // bit i: counter next_ - 1 - i was taken
    std::unique_ptr<std::array<std::uint64_t, words>> wide_;
};

}  // namespace weft::overlay
