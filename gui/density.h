// How many records there are when: counters over equal stretches of time, which become twice as long when there are too many.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stack/core/trace.h"

namespace weft::gui {

class Density {
public:
    static constexpr std::size_t most = 8'192;  // stretches

    struct Column {
        double all{0}, states{0}, losses{0};  // records in it, of any class, changes of state, losses
    };

    void add(std::int64_t tNs, trace::Type type) {
        Column& bucket = at(tNs);
        ++bucket.all;
        if (type == trace::Type::state) ++bucket.states;
        if (type == trace::Type::loss) ++bucket.losses;
    }
    // Counts known for a stretch alone, told evenly over it.
    void add(std::int64_t fromNs, std::int64_t toNs, const Column& counts);
    void clear();

    // Adds to `out` what lies in [t0Ns, t1Ns) from `fromNs` to before `toNs`, in columns of equal width.
    void columns(std::int64_t t0Ns, std::int64_t t1Ns, std::int64_t fromNs, std::int64_t toNs, std::span<Column> out) const;
    std::int64_t widthNs() const { return std::int64_t{1} << shift_; }  // of a stretch

private:
    Column& at(std::int64_t tNs);
    void halve();

    std::size_t indexOf(std::int64_t tNs) const;

    std::int64_t origin_{0};  // ns
    unsigned shift_{20};  // a stretch is 2^shift_ ns
    std::vector<Column> buckets_;
};

}  // namespace weft::gui
