// The levels of a curve (see pyramid.h): a point raises one entry of each; a query climbs where whole entries fit.
#include "gui/pyramid.h"

#include <algorithm>

#include "gui/history.h"

namespace weft::gui {

Pyramid::Pyramid(std::size_t limit) : limit_{std::max<std::size_t>(limit, 64)} {}

void Pyramid::clear() {
    times_.clear();
    values_.clear();
    levels_.clear();
    thinned_ = 0;
}

void Pyramid::append(std::int64_t tNs, double value) {
    if (times_.size() >= limit_) thin();
    if (!times_.empty()) tNs = std::max(tNs, times_.back());
    times_.push_back(tNs);
    values_.push_back(value);
    raise(times_.size() - 1, value);
}

void Pyramid::raise(std::size_t index, double value) {
    for (std::size_t level = 0;; ++level) {
        index >>= shift;
        if (level == levels_.size()) {
            if (index == 0) return;  // one entry would say no more than the level below
            // A level begins when the one below has its second entry's worth; its first entry is what lies below.
            const Column whole = range(0, values_.size() - 1);
            levels_.push_back({Extent{whole.min, whole.max}});
        }
        std::vector<Extent>& entries = levels_[level];
        if (index == entries.size()) {
            entries.push_back({value, value});
        } else {
            entries[index].min = std::min(entries[index].min, value);
            entries[index].max = std::max(entries[index].max, value);
        }
    }
}

void Pyramid::thin() {
    std::size_t to = 0;
    const std::size_t before = times_.size();
    for (std::size_t from = 0; from < before; from += 4) {
        const std::size_t end = std::min(from + 4, before);
        std::size_t least = from, most = from;
        for (std::size_t i = from + 1; i < end; ++i) {
            if (values_[i] < values_[least]) least = i;
            if (values_[i] >= values_[most]) most = i;
        }
        const auto keep = [&](std::size_t i) {
            times_[to] = times_[i];
            values_[to++] = values_[i];
        };
        keep(std::min(least, most));
        if (least != most) keep(std::max(least, most));
    }
    times_.resize(to);
    values_.resize(to);
    thinned_ += before - to;
    levels_.clear();
    std::vector<double> values;
    values.swap(values_);
    values_.reserve(values.capacity());
    for (std::size_t i = 0; i < values.size(); ++i) {
        values_.push_back(values[i]);
        raise(i, values[i]);
    }
}

std::size_t Pyramid::lowerBound(std::int64_t tNs) const {
    return std::size_t(std::ranges::lower_bound(times_, tNs) - times_.begin());
}

std::optional<double> Pyramid::held(std::int64_t tNs) const {
    const auto after = std::ranges::upper_bound(times_, tNs);
    if (after == times_.begin()) return std::nullopt;
    return values_[std::size_t(after - times_.begin()) - 1];
}

Pyramid::Column Pyramid::range(std::size_t from, std::size_t to) const {
    to = std::min(to, values_.size());
    if (from >= to) return {};
    Column column{values_[from], values_[from], values_[from], values_[to - 1], std::uint32_t(to - from)};
    const auto widen = [&](double least, double most) {
        column.min = std::min(column.min, least);
        column.max = std::max(column.max, most);
    };
    constexpr std::size_t width = std::size_t{1} << shift;
    const auto take = [&](std::size_t level, std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            if (level == 0) {
                widen(values_[i], values_[i]);
            } else {
                widen(levels_[level - 1][i].min, levels_[level - 1][i].max);
            }
        }
    };
    for (std::size_t level = 0; from < to; ++level) {
        if (level == levels_.size() || to - from <= 2 * width) {
            take(level, from, to);
            break;
        }
        const std::size_t up = (from + width - 1) >> shift << shift, down = to >> shift << shift;
        take(level, from, up);
        take(level, down, to);
        from = up >> shift;
        to = down >> shift;
    }
    return column;
}

void Pyramid::columns(std::int64_t t0Ns, std::int64_t t1Ns, std::span<Column> out) const {
    const std::uint64_t count = out.size(), width = distanceNs(t0Ns, t1Ns);
    std::size_t from = lowerBound(t0Ns);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::int64_t end = laterNs(t0Ns, width / count * (i + 1) + width % count * (i + 1) / count);
        // The next boundary is near as a rule: strides that double, then a search between the last two.
        std::size_t low = from, step = 1;
        while (low + step < times_.size() && times_[low + step] < end) {
            low += step;
            step *= 2;
        }
        const auto begin = times_.begin() + std::ptrdiff_t(std::min(low, times_.size()));
        const auto last = times_.begin() + std::ptrdiff_t(std::min(low + step + 1, times_.size()));
        const std::size_t to = std::size_t(std::lower_bound(begin, last, end) - times_.begin());
        out[i] = range(from, to);
        from = std::max(from, to);
    }
}

}  // namespace weft::gui
