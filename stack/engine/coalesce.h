// Joins consecutive data segments of one flow in one batch, so that TCP runs once for all of them. Flags, options,
// acknowledgement, window and ECN must be equal; PSH, FIN or a segment shorter than those before it ends the run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "stack/engine/packet.h"

namespace weft::engine {

class Coalescer {
public:
    bool empty() const { return empty_; }

    // Where the next packet is read into.
    Packet& scratch() { return packets_[1 - current_]; }

    // True if the packet in `scratch` was joined to the run.
    bool join() {
        const Packet& packet = scratch();
        Packet& first = packets_[current_];
        const tcp::Segment& next = packet.segment;
        if (empty_ || ended_ || next.length == 0 || next.length > segment_size_) return false;
        if (packet.path != first.path || packet.local_port != first.local_port || packet.remote_port != first.remote_port)
            return false;
        if (packet.path == 0 || packet.ecn != first.ecn || !alike(next)) return false;
        if (packet.options.accurate != first.options.accurate) return false;
        text_.push_back(packet.text);
        first.segment.flags |= next.flags;
        first.segment.length += next.length;
        first.segment.count = std::uint16_t(first.segment.count + next.count);
        ended_ = ends(next) || next.length < segment_size_ || first.segment.length > longest;
        return true;
    }

    // The packet in `scratch` begins a run; what was there must have been taken.
    void begin() {
        current_ = 1 - current_;
        const Packet& packet = packets_[current_];
        text_.clear();
        if (packet.segment.length > 0) text_.push_back(packet.text);
        segment_size_ = packet.segment.length / packet.segment.count;
        ended_ = packet.segment.length == 0 || (packet.segment.flags & ~joinable) != 0 || ends(packet.segment) ||
                 packet.segment.count > 1;
        empty_ = false;
    }

    // The run as one segment, valid until the next begin().
    Packet& take() {
        Packet& first = packets_[current_];
        first.segment.text = text_;
        first.segment.options = &first.options;
        empty_ = true;
        return first;
    }

    // Lets the buffers of the last run go.
    void clear() {
        text_.clear();
        for (Packet& packet : packets_) packet.text = {};
        empty_ = true;
    }

private:
    static constexpr std::uint16_t joinable = wire::ack | wire::psh | wire::fin | wire::ace_bits | tcp::ce_mark;
    static constexpr std::uint32_t longest = 1 << 18;  // bytes

    static bool ends(const tcp::Segment& segment) { return (segment.flags & (wire::psh | wire::fin)) != 0; }

    bool alike(const tcp::Segment& next) const {
        const tcp::Segment& so_far = packets_[current_].segment;
        return (next.flags & ~(wire::psh | wire::fin)) == so_far.flags && next.seq == so_far.seq + so_far.length &&
               next.ack == so_far.ack && next.window == so_far.window && packet_options_alike(next);
    }
    bool packet_options_alike(const tcp::Segment& next) const {
        const tcp::Segment& so_far = packets_[current_].segment;
        return (next.sack_count | so_far.sack_count) == 0 && next.timestamps == so_far.timestamps &&
               next.ts_value == so_far.ts_value && next.ts_echo == so_far.ts_echo;
    }

    std::array<Packet, 2> packets_;  // the run's first, and the next
    std::size_t current_{0};
    std::vector<Slice> text_;
    std::uint32_t segment_size_{0};
    bool empty_{true}, ended_{false};
};

}  // namespace weft::engine
