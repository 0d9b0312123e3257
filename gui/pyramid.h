// A curve: points in order of time under levels of minima and maxima, each sixteen times coarser than the one below. Any stretch
// of it becomes as many columns as a widget has pixels in time that does not depend on how many points it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace weft::gui {

class Pyramid {
public:
    static constexpr std::size_t usualLimit = std::size_t{1} << 20;  // points: 17 MiB

    struct Column {
        double min{0}, max{0}, first{0}, last{0};
        std::uint32_t count{0};  // points in it; 0: the other fields mean nothing
    };

    // At the limit every four points become two, their least and their greatest: extremes stay exact.
    explicit Pyramid(std::size_t limit = usualLimit);

    void append(std::int64_t tNs, double value);  // a time before the last one counts as the last one
    void clear();

    bool isEmpty() const { return times_.empty(); }
    std::size_t size() const { return times_.size(); }
    std::uint64_t thinned() const { return thinned_; }  // points that gave way
    std::int64_t timeAt(std::size_t index) const { return times_[index]; }
    double valueAt(std::size_t index) const { return values_[index]; }

    std::size_t lowerBound(std::int64_t tNs) const;  // the first point at `tNs` or later; size(): none
    std::optional<double> held(
        std::int64_t tNs) const;  // of the last point at `tNs` or before: what a step curve shows there
    Column range(std::size_t from, std::size_t to) const;  // of the points [from, to)
    // Cuts [t0Ns, t1Ns) into out.size() columns of equal width.
    void columns(std::int64_t t0Ns, std::int64_t t1Ns, std::span<Column> out) const;

private:
    struct Extent {
        double min, max;
    };
    static constexpr unsigned shift = 4;  // sixteen to one

    void raise(std::size_t index, double value);
    void thin();

    std::size_t limit_;
    std::vector<std::int64_t> times_;
    std::vector<double> values_;
    std::vector<std::vector<Extent>> levels_;
    std::uint64_t thinned_{0};
};

}  // namespace weft::gui
