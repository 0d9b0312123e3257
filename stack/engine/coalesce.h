// Joins consecutive data segments of one flow in one batch, so that TCP runs once for all of them. Flags, options,
// acknowledgement, window and ECN must be equal; PSH, FIN or a segment shorter than those before it ends the run.
#pragma once

#include <cstdint>
#include <vector>

#include "stack/engine/packet.h"

namespace weft::engine {

class Coalescer {
public:
    bool empty() const { return empty_; }

    // True if the packet was joined to the run.
    bool join(const Packet& packet) {
        const tcp::Segment& next = packet.segment;
        if (empty_ || ended_ || next.length == 0 || next.length > segment_size_) return false;
        if (packet.path != first_.path || packet.local_port != first_.local_port || packet.remote_port != first_.remote_port)
            return false;
        if (packet.path == 0 || packet.ecn != first_.ecn || !alike(next)) return false;
        if (packet.options.accurate != first_.options.accurate) return false;
        text_.push_back(packet.text);
        first_.segment.flags |= next.flags;
        first_.segment.length += next.length;
        first_.segment.count = std::uint16_t(first_.segment.count + next.count);
        ended_ = ends(next) || next.length < segment_size_ || first_.segment.length > longest;
        return true;
    }

    // Begins a run; what was there must have been taken.
    void begin(const Packet& packet) {
        first_ = packet;
        text_.clear();
        if (packet.segment.length > 0) text_.push_back(packet.text);
        segment_size_ = packet.segment.length / packet.segment.count;
        ended_ = packet.segment.length == 0 || (packet.segment.flags & ~joinable) != 0 || ends(packet.segment) ||
                 packet.segment.count > 1;
        empty_ = false;
    }

    // The run as one segment, valid until the next begin().
    const Packet& take() {
        first_.segment.text = text_;
        first_.segment.options = &first_.options;
        empty_ = true;
        return first_;
    }

    // Lets the buffers of the last run go.
    void clear() {
        text_.clear();
        first_.text = {};
        empty_ = true;
    }

private:
    static constexpr std::uint16_t joinable = wire::ack | wire::psh | wire::fin | wire::ace_bits | tcp::ce_mark;
    static constexpr std::uint32_t longest = 1 << 18;  // bytes

    static bool ends(const tcp::Segment& segment) { return (segment.flags & (wire::psh | wire::fin)) != 0; }

    bool alike(const tcp::Segment& next) const {
        const tcp::Segment& so_far = first_.segment;
        return (next.flags & ~(wire::psh | wire::fin)) == so_far.flags && next.seq == so_far.seq + so_far.length &&
               next.ack == so_far.ack && next.window == so_far.window && packet_options_alike(next);
    }
    bool packet_options_alike(const tcp::Segment& next) const {
        const tcp::Segment& so_far = first_.segment;
        return (next.sack_count | so_far.sack_count) == 0 && next.timestamps == so_far.timestamps &&
               next.ts_value == so_far.ts_value && next.ts_echo == so_far.ts_echo;
    }

    Packet first_;
    std::vector<Slice> text_;
    std::uint32_t segment_size_{0};
    bool empty_{true}, ended_{false};
};

}  // namespace weft::engine
