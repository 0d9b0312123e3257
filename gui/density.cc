// Counters over stretches of time (see density.h).
#include "gui/density.h"

#include <algorithm>

#include "gui/history.h"

namespace weft::gui {

void Density::clear() { *this = Density{}; }

std::size_t Density::indexOf(std::int64_t tNs) const { return std::size_t(distanceNs(origin_, tNs) >> shift_); }

Density::Column& Density::at(std::int64_t tNs) {
    if (buckets_.empty()) {
        origin_ = tNs;
        buckets_.reserve(most);
    }
    while (indexOf(tNs) >= most) halve();
    const std::size_t index = indexOf(tNs);
    if (index >= buckets_.size()) buckets_.resize(index + 1);
    return buckets_[index];
}

void Density::halve() {
    const std::size_t half = (buckets_.size() + 1) / 2;
    for (std::size_t i = 0; i < half; ++i) {
        Column sum = buckets_[2 * i];
        if (2 * i + 1 < buckets_.size()) {
            sum.all += buckets_[2 * i + 1].all;
            sum.states += buckets_[2 * i + 1].states;
            sum.losses += buckets_[2 * i + 1].losses;
        }
        buckets_[i] = sum;
    }
    buckets_.resize(half);
    ++shift_;
}

void Density::add(std::int64_t fromNs, std::int64_t toNs, const Column& counts) {
    const std::int64_t lastNs = toNs > fromNs ? toNs - 1 : fromNs;
    at(fromNs);
    at(lastNs);  // now stretches are as wide as they stay
    const std::size_t first = indexOf(fromNs), last = indexOf(lastNs);
    const double share = 1.0 / double(last - first + 1);
    for (std::size_t i = first; i <= last; ++i) {
        buckets_[i].all += counts.all * share;
        buckets_[i].states += counts.states * share;
        buckets_[i].losses += counts.losses * share;
    }
}

void Density::columns(std::int64_t t0Ns, std::int64_t t1Ns, std::int64_t fromNs, std::int64_t toNs,
                      std::span<Column> out) const {
    if (out.empty() || t1Ns <= t0Ns) return;
    const double origin = double(t0Ns), width = double(widthNs());
    const double scale = double(out.size()) / (double(t1Ns) - origin);
    const double low = double(std::max(fromNs, t0Ns)) - origin, high = double(std::min(toNs, t1Ns)) - origin;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        const double begin = double(origin_) - origin + double(i) * width, end = begin + width;
        const double left = std::max(begin, low), right = std::min(end, high);
        if (left >= right || buckets_[i].all == 0) continue;
        // A stretch wider than a column is shared among those that it covers.
        const double x0 = left * scale, x1 = right * scale;
        const std::size_t last = std::min(std::size_t(x1), out.size() - 1);
        for (std::size_t x = std::min(std::size_t(x0), last); x <= last; ++x) {
            const double overlap = (std::min(double(x + 1), x1) - std::max(double(x), x0)) / scale / width;
            if (overlap <= 0) continue;
            out[x].all += buckets_[i].all * overlap;
            out[x].states += buckets_[i].states * overlap;
            out[x].losses += buckets_[i].losses * overlap;
        }
    }
}

}  // namespace weft::gui
