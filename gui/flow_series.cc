// From records to curves and marks (see flow_series.h).
#include "gui/flow_series.h"

#include <algorithm>

#include "stack/core/trace_names.h"

namespace weft::gui {
namespace {

constexpr std::uint32_t noThreshold =
    65'535U << 14;  // bytes, the largest window (RFC 7323): from here on ssthresh stands for "none yet"
constexpr unsigned syn = 2, acknowledges = 16, ece = 64;  // RFC 9293, section 3.1; RFC 3168
constexpr std::uint32_t lostByTimeout = 2;  // trace::Loss::reason
constexpr double msPerNs = 1e-6;

}  // namespace

FlowSeries::FlowSeries(std::size_t pointLimit) { curves_.fill(Pyramid{pointLimit}); }

void FlowSeries::clear() {
    for (Pyramid& curve : curves_) curve.clear();
    marks_.clear();
    transitions_.clear();
    marksLeftOut_ = records_ = 0;
    seqKnown_ = false;
    highestSent_ = -1;
}

void FlowSeries::begin(const trace::FlowState& flow, std::int64_t tNs) {
    for (const trace::Taken& taken : flow.taken())
        addTransition({taken.t_ns, taken.from, taken.to, taken.cause, taken.segment_flags, false});
    if (transitions_.empty() || transitions_.back().to != flow.state)
        addTransition({flow.since_ns, flow.state, flow.state, 0, 0, true});
    if (flow.congestion.cwnd != 0) addCongestion(flow.congestion, tNs);
    if (flow.limit != 0) append(SeriesId::limit, tNs, flow.limit);
}

void FlowSeries::add(const trace::Record& record, std::int64_t tNs) {
    ++records_;
    switch (record.type) {
    case trace::Type::congestion: return addCongestion(trace::body_of<trace::Congestion>(record), tNs);
    case trace::Type::rate: return addRate(record, tNs);
    case trace::Type::segment_sent: return addSent(record, tNs);
    case trace::Type::segment_received: return addReceived(record, tNs);
    case trace::Type::state: return addState(record, tNs);
    case trace::Type::limit: return append(SeriesId::limit, tNs, trace::body_of<trace::Limit>(record).limit);
    case trace::Type::drop: return mark(Mark::Kind::drop, record, tNs);
    case trace::Type::plugin: return mark(Mark::Kind::moduleChange, record, tNs);
    case trace::Type::mark: return mark(Mark::Kind::note, record, tNs);
    case trace::Type::loss: {
        const auto loss = trace::body_of<trace::Loss>(record);
        const auto kind = loss.reason == lostByTimeout ? Mark::Kind::timeout : Mark::Kind::loss;
        return mark(kind, record, tNs, double(unwrapped(loss.seq)), loss.length);
    }
    default: return;
    }
}

void FlowSeries::addCongestion(const trace::Congestion& body, std::int64_t tNs) {
    append(SeriesId::cwnd, tNs, body.cwnd);
    if (body.ssthresh < noThreshold) append(SeriesId::ssthresh, tNs, body.ssthresh);
    append(SeriesId::inFlight, tNs, body.in_flight);
    if (body.srtt_ns > 0) append(SeriesId::srtt, tNs, double(body.srtt_ns) * msPerNs);
    // A rate that no link has stands for "not paced".
    if (body.pacing_rate > 0 && body.pacing_rate < (std::uint64_t{1} << 44))
        append(SeriesId::pacing, tNs, 8.0 * double(body.pacing_rate));
}

void FlowSeries::addRate(const trace::Record& record, std::int64_t tNs) {
    const auto body = trace::body_of<trace::Rate>(record);
    if (body.rtt_ns > 0) append(SeriesId::rttSample, tNs, double(body.rtt_ns) * msPerNs);
    if (body.interval_ns > 0) append(SeriesId::deliveryRate, tNs, 8e9 * double(body.delivered) / double(body.interval_ns));
}

void FlowSeries::addSent(const trace::Record& record, std::int64_t tNs) {
    const auto body = trace::body_of<trace::Segment>(record);
    if (body.length == 0 && (body.tcp_flags & syn) == 0) return;  // pure acknowledgements move nothing
    const std::int64_t begin = unwrapped(body.seq), end = begin + body.length;
    if (end <= highestSent_) return mark(Mark::Kind::retransmission, record, tNs, double(begin), body.length);
    highestSent_ = end;
    append(SeriesId::seqSent, tNs, double(end));
}

void FlowSeries::addReceived(const trace::Record& record, std::int64_t tNs) {
    const auto body = trace::body_of<trace::Segment>(record);
    if ((body.tcp_flags & acknowledges) == 0) return;
    const std::int64_t acked = unwrapped(body.ack);
    append(SeriesId::seqAcked, tNs, double(acked));
    append(SeriesId::seqWindow, tNs, double(acked + body.window));
    if ((body.tcp_flags & ece) != 0 && (body.tcp_flags & syn) == 0) mark(Mark::Kind::ecn, record, tNs, double(acked));
}

void FlowSeries::addState(const trace::Record& record, std::int64_t tNs) {
    const auto body = trace::body_of<trace::StateChange>(record);
    if ((record.flags & trace::moved_flag) != 0) return;
    const bool again = (record.flags & trace::snapshot_flag) != 0;
    if (again && !transitions_.empty() && transitions_.back().to == body.to) return;
    addTransition({tNs, body.from, body.to, body.cause, body.segment_flags, again});
}

void FlowSeries::addTransition(const Transition& transition) {
    if (transitions_.size() < mostTransitions) transitions_.push_back(transition);
}

void FlowSeries::mark(Mark::Kind kind, const trace::Record& record, std::int64_t tNs, double value, std::uint32_t length) {
    if (marks_.size() >= mostMarks) {
        ++marksLeftOut_;
        return;
    }
    marks_.push_back({tNs, kind, value, length, record});
}

// Sequence numbers run modulo 2^32: the one meant is the nearest to what was seen last.
std::int64_t FlowSeries::unwrapped(std::uint32_t seq) {
    if (!seqKnown_) {
        seqKnown_ = true;
        seqFirst_ = seq;
        seqNear_ = 0;
    }
    const std::uint32_t offset = seq - seqFirst_;
    seqNear_ += std::int32_t(offset - std::uint32_t(std::uint64_t(seqNear_)));
    return seqNear_;
}

}  // namespace weft::gui
