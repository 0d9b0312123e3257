// What one flow's records draw: curves, marks, and the states that it was in. Filled record by record, in order.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gui/pyramid.h"
#include "stack/core/replay.h"
#include "stack/core/trace.h"

namespace weft::gui {

// A flow, for all time: a place is used again with another generation.
struct FlowKey {
    std::uint32_t place{trace::no_flow}, generation{0};
    friend auto operator<=>(const FlowKey&, const FlowKey&) = default;
};

enum class SeriesId : std::uint8_t {
    cwnd,  // bytes
    ssthresh,  // bytes; not while it is without limit
    inFlight,  // bytes
    rttSample,  // ms
    srtt,  // ms
    pacing,  // bit/s; not while it is without limit
    deliveryRate,  // bit/s
    seqSent,  // bytes since the first sequence number seen: the end of what was sent
    seqAcked,  // the same: what the peer acknowledged
    seqWindow,  // the same: the end of what the peer lets in
    limit,  // trace::Limit::limit, a step curve: what holds the flow back
    count
};
inline constexpr std::size_t seriesCount = std::size_t(SeriesId::count);

// Something that happened at one moment. `value` is where on the sequence axis, where it has one (as SeriesId::seqSent).
struct Mark {
    enum class Kind : std::uint8_t { loss, timeout, retransmission, ecn, drop, moduleChange, note };
    std::int64_t tNs{0};
    Kind kind{};
    double value{0};
    std::uint32_t length{0};  // bytes
    trace::Record record;  // as it was told
};

struct Transition {
    std::int64_t tNs{0};
    std::uint8_t from{0}, to{0}, cause{0}, segmentFlags{0};
    bool toldAgain{false};  // in that state at tNs: how it came there was not heard; from == to
};

class FlowSeries {
public:
    static constexpr std::size_t mostMarks = 1 << 17, mostTransitions = 1 << 12;

    // `pointLimit`: of each curve.
    explicit FlowSeries(std::size_t pointLimit = Pyramid::usualLimit);

    void clear();
    void begin(const trace::FlowState& flow, std::int64_t tNs);  // what is known of it before the first record; once, first
    void add(const trace::Record& record, std::int64_t tNs);  // of this flow; tNs: its place in time

    const Pyramid& operator[](SeriesId id) const { return curves_[std::size_t(id)]; }
    const std::vector<Mark>& marks() const { return marks_; }
    std::uint64_t marksLeftOut() const { return marksLeftOut_; }
    const std::vector<Transition>& transitions() const { return transitions_; }
    std::uint64_t records() const { return records_; }

private:
    void addRate(const trace::Record& record, std::int64_t tNs);
    void addSent(const trace::Record& record, std::int64_t tNs);
    void addReceived(const trace::Record& record, std::int64_t tNs);
    void addState(const trace::Record& record, std::int64_t tNs);
    void mark(Mark::Kind kind, const trace::Record& record, std::int64_t tNs, double value = 0, std::uint32_t length = 0);
    void append(SeriesId id, std::int64_t tNs, double value) { curves_[std::size_t(id)].append(tNs, value); }
    void addCongestion(const trace::Congestion& body, std::int64_t tNs);
    void addTransition(const Transition& transition);
    std::int64_t unwrapped(std::uint32_t seq);

    std::array<Pyramid, seriesCount> curves_;
    std::vector<Mark> marks_;
    std::vector<Transition> transitions_;
    std::uint64_t marksLeftOut_{0}, records_{0};
    std::int64_t seqNear_{0};  // what was seen last, unwrapped
    std::uint32_t seqFirst_{0};
    bool seqKnown_{false};
    std::int64_t highestSent_{-1};
};

}  // namespace weft::gui
