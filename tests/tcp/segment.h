// A segment as a test writes it: what it sends says what differs from the ordinary, what it expects says what matters.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stack/core/batch.h"
#include "stack/core/seq.h"
#include "stack/core/time.h"
#include "stack/wire/tcp.h"

namespace weft::test {

// Byte `offset` of each stream, so that whatever arrives can be checked by its place alone.
constexpr std::byte pattern(std::uint64_t offset) { return std::byte((offset * 0x9e37'79b9'7f4a'7c15) >> 56); }

class Segment {
public:
    explicit Segment(std::uint16_t flags) : flags_{flags} {}

    Segment& seq(SeqNum n) { return seq_ = n, *this; }
    Segment& ack(SeqNum n) { return ack_ = n, *this; }
    Segment& window(std::uint16_t n) { return window_ = n, *this; }          // as in the header: not scaled
    Segment& length(std::uint32_t n) { return length_ = n, *this; }          // payload, bytes of the pattern
    Segment& urgent(std::uint16_t pointer) { return flags_ |= wire::urg, urgent_ = pointer, *this; }
    Segment& with(std::uint16_t flags) { return flags_ |= flags, *this; }
    Segment& without(std::uint16_t flags) { return flags_ &= std::uint16_t(~flags), *this; }
    Segment& mss(std::uint16_t n) { return mss_ = n, *this; }
    Segment& scale(std::uint8_t n) { return scale_ = n, *this; }
    Segment& timestamps(std::uint32_t value, std::uint32_t echo) { return timestamps_ = {value, echo}, *this; }
    Segment& echo(std::uint32_t n) { return echo_ = n, *this; }
    Segment& sacks(std::initializer_list<wire::SackBlock> blocks) {  // at most four
        sack_count_ = std::uint8_t(std::min(blocks.size(), sack_.size()));
        std::copy_n(blocks.begin(), sack_count_, sack_.begin());
        return *this;
    }
    Segment& accurate(std::initializer_list<std::uint32_t> counters, bool ect1_first = false) {  // an option of RFC 9768
        accurate_ = wire::AccurateEcn{std::uint8_t(std::min<std::size_t>(counters.size(), 3)), ect1_first};
        std::copy_n(counters.begin(), accurate_->fields, accurate_->counters.begin());
        return *this;
    }
    Segment& no_timestamps() { return plain_ = true, *this; }
    // In place of the options: these bytes, at most 40, with zeros up to the next word.
    Segment& raw_options(std::span<const std::uint8_t> bytes) {
        raw_size_ = std::min(bytes.size(), raw_options_.size());
        std::copy_n(bytes.begin(), raw_size_, raw_options_.begin());
        return raw_ = true, *this;
    }
    Segment& raw_options(std::initializer_list<std::uint8_t> bytes) {
        return raw_options(std::span{bytes.begin(), bytes.size()});
    }
    Segment& marked(Ecn n = Ecn::congestion_experienced) { return ecn_ = n, *this; }  // in the network header (not: overlay)
    Segment& damaged() { return damaged_ = true, *this; }  // its checksum is wrong

    std::string describe() const;

private:
    friend class Peer;
    std::uint16_t flags_;
    std::optional<SeqNum> seq_, ack_;
    std::optional<std::uint16_t> window_, urgent_, mss_;
    std::optional<std::uint8_t> scale_;
    std::optional<std::uint32_t> length_, echo_;
    std::optional<wire::TcpTimestamps> timestamps_;
    std::optional<wire::AccurateEcn> accurate_;
    std::array<wire::SackBlock, 4> sack_{};
    std::uint8_t sack_count_{0};
    std::array<std::uint8_t, wire::TcpOptions::max_size> raw_options_{};
    std::size_t raw_size_{0};
    Ecn ecn_{Ecn::not_capable};
    bool raw_{false}, plain_{false}, damaged_{false};
};

inline Segment syn() { return Segment{wire::syn}; }
inline Segment syn_ack() { return Segment{wire::syn | wire::ack}; }
inline Segment ack() { return Segment{wire::ack}; }
inline Segment rst() { return Segment{wire::rst}; }
inline Segment rst_ack() { return Segment{wire::rst | wire::ack}; }
inline Segment fin() { return Segment{wire::fin | wire::ack}; }
inline Segment data(std::uint32_t length) { return Segment{wire::ack}.length(length); }

// What the engine sent, read back from the bytes that would be on the wire.
struct Seen {
    Instant at;
    std::uint16_t flags{0}, window{0}, urgent_pointer{0};
    SeqNum seq, ack;
    std::uint32_t length{0};  // payload
    std::uint32_t packet_size{0};  // network header included
    wire::TcpOptions options;
    std::uint16_t source_port{0}, destination_port{0};
    std::uint8_t hop_limit{0}, traffic_class{0};
    Ecn ecn() const { return Ecn(traffic_class & 3); }
    std::vector<std::byte> payload;

    bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
    SeqNum end() const { return seq + length + (has(wire::syn) ? 1 : 0) + (has(wire::fin) ? 1 : 0); }
    std::string describe() const;
};

}  // namespace weft::test
