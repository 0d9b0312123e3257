// TCP segments (RFC 9293, section 3.1) and their options (RFC 9293, 7323, 2018, 5482, 7413, 9768): a view over received bytes,
// and a writer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "stack/core/bytes.h"
#include "stack/core/seq.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

// The twelve bits behind the data offset; AE is bit 7 of RFC 9768's ACE field, above it are three reserved ones.
enum TcpFlag : std::uint16_t {
    fin = 0x001,
    syn = 0x002,
    rst = 0x004,
    psh = 0x008,
    ack = 0x010,
    urg = 0x020,
    ece = 0x040,
    cwr = 0x080,
    ae = 0x100
};
inline constexpr std::uint16_t tcp_flag_bits = 0xfff;
inline constexpr std::uint16_t ace_bits = ae | cwr | ece;  // RFC 9768, figure 3

struct TcpTimestamps {
    std::uint32_t value{0}, echo{0};  // TSval, TSecr
    friend constexpr bool operator==(const TcpTimestamps&, const TcpTimestamps&) = default;
};

struct SackBlock {
    SeqNum left, right;  // [left, right)
    friend constexpr bool operator==(const SackBlock&, const SackBlock&) = default;
};

// In which order options are written, and how they are padded to whole words.
enum class OptionOrder : std::uint8_t {
    words,  // as Linux does: each group in whole words, NOPs in front
    aligned  // as FreeBSD does: MSS, scale, SACK-permitted, timestamps, each where it is aligned; what is left at the end is zero
};

// A Fast Open cookie (RFC 7413, section 4.1.1): 4 to 16 bytes; none: a request for one.
struct FastOpen {
    std::uint8_t size{0};
    bool experimental{false};  // in the option of experiments, by its number there (RFC 7413, section 7; RFC 6994)
    std::array<std::byte, 16> cookie{};
    friend constexpr bool operator==(const FastOpen&, const FastOpen&) = default;
};

// Bytes that came, by codepoint (RFC 9768, section 3.2.3): the low 24 bits of up to three counters.
struct AccurateEcn {
    std::uint8_t fields{0};  // 0 to 3 of them, the first ones in the order; the rest are zero
    bool ect1_first{false};  // order 1 (kind 174): ECT(1), CE, ECT(0); else order 0 (kind 172): ECT(0), CE, ECT(1)
    std::array<std::uint32_t, 3> counters{};  // as they stand in the option
    std::size_t size() const { return (2u + 3u * fields + 3u) / 4 * 4; }  // bytes, padded to whole words
    friend constexpr bool operator==(const AccurateEcn&, const AccurateEcn&) = default;
};

// What the options of one segment say. Of an option that comes twice the last one counts.
struct TcpOptions {
    static constexpr std::size_t max_size = 40;  // bytes: the data offset has four bits

    std::optional<std::uint16_t> mss;  // bytes
    std::optional<std::uint8_t> window_scale;  // as sent: RFC 7323, section 2.3 has the receiver use at most 14
    std::optional<TcpTimestamps> timestamps;
    std::optional<std::uint16_t> user_timeout;  // RFC 5482, section 3: top bit set: minutes, else seconds
    std::optional<FastOpen> fast_open;  // of a SYN
    std::optional<AccurateEcn> accurate;
    bool sack_permitted{false};
    std::uint8_t sack_count{0};  // of `sack`; the rest are zero
    std::array<SackBlock, 4> sack{};

    // Unknown options are stepped over by their length (MUST-6, 68), at any alignment (MUST-64); bytes behind EOL are
    // padding (MUST-69). A length that is zero, one, too long, or wrong for a known kind is an error (MUST-7).
    static Parsed<TcpOptions> parse(Bytes options);

    // The bytes that write() needs, a multiple of four. A Fast Open cookie that does not fit is left out, then AccECN's counters,
    // and then SACK blocks, the last ones first.
    std::size_t size() const;

    // Returns size(), or 0 without writing when `out` is shorter.
    std::size_t write(MutableBytes out, OptionOrder order = OptionOrder::words) const;

    friend constexpr bool operator==(const TcpOptions&, const TcpOptions&) = default;

private:
    std::size_t write_aligned(MutableBytes out) const;
    std::size_t size_without_sack() const;  // bytes
    std::size_t room_for_sack() const;  // blocks
    std::size_t fast_open_size() const;  // bytes
    bool fast_open_fits(std::size_t taken) const;
    bool accurate_fits(std::size_t taken) const { return accurate && taken + accurate->size() <= max_size; }
};

//   0                   1                   2                   3
//  +-------------------------------+-------------------------------+
//  |          source port          |       destination port        |
//  +-------------------------------+-------------------------------+
//  |                        sequence number                        |
//  +---------------------------------------------------------------+
//  |                    acknowledgment number                      |
//  +-------+-----+-----------------+-------------------------------+
//  | offset| rsv |A C E U A P R S F|            window             |
//  +-------+-----+-----------------+-------------------------------+
//  |           checksum            |         urgent pointer        |
//  +-------------------------------+-------------------------------+
//  |                        options, padding                       |
class TcpView {
public:
    static constexpr std::size_t min_size = 20, max_header = 60;
    static constexpr std::size_t seq_at = 4, ack_at = 8, flags_at = 12, window_at = 14, checksum_at = 16, urgent_at = 18;

    // `segment` is the whole transport part of a packet, header and payload. Options are not looked at yet.
    static Parsed<TcpView> parse(Bytes segment) {
        if (segment.size() < min_size) return std::unexpected(Malformed::truncated);
        const TcpView view{segment};
        if (view.header_size() < min_size) return std::unexpected(Malformed::length);
        if (view.header_size() > segment.size()) return std::unexpected(Malformed::truncated);
        return view;
    }

    std::uint16_t source_port() const { return load_big<std::uint16_t>(at(0)); }
    std::uint16_t destination_port() const { return load_big<std::uint16_t>(at(2)); }
    SeqNum seq() const { return SeqNum{load_big<std::uint32_t>(at(seq_at))}; }
    SeqNum ack() const { return SeqNum{load_big<std::uint32_t>(at(ack_at))}; }
    std::size_t header_size() const { return std::size_t(std::to_integer<unsigned>(segment_[flags_at]) >> 4) * 4; }
    std::uint16_t flags() const { return load_big<std::uint16_t>(at(flags_at)) & tcp_flag_bits; }
    bool has(TcpFlag flag) const { return (flags() & flag) != 0; }
    std::uint16_t window() const { return load_big<std::uint16_t>(at(window_at)); }
    std::uint16_t checksum() const { return load_big<std::uint16_t>(at(checksum_at)); }
    std::uint16_t urgent_pointer() const { return load_big<std::uint16_t>(at(urgent_at)); }

    Bytes option_bytes() const { return segment_.subspan(min_size, header_size() - min_size); }
    Parsed<TcpOptions> options() const { return TcpOptions::parse(option_bytes()); }
    Bytes payload() const { return segment_.subspan(header_size()); }
    Bytes bytes() const { return segment_; }

    // SEG.LEN: payload and one each for SYN and FIN.
    std::uint32_t sequence_length() const {
        return std::uint32_t(payload().size()) + (has(syn) ? 1 : 0) + (has(fin) ? 1 : 0);
    }

private:
    explicit TcpView(Bytes segment) : segment_{segment} {}
    const std::byte* at(std::size_t offset) const { return segment_.data() + offset; }
    Bytes segment_;  // at least min_size bytes, and at least header_size()
};

// A header to be written. The checksum is stored as given: it covers the payload, which is not here.
struct TcpHeader {
    std::uint16_t source_port{0}, destination_port{0};
    SeqNum seq, ack;
    std::uint16_t flags{0};  // of TcpFlag
    std::uint16_t window{0}, checksum{0}, urgent_pointer{0};
    TcpOptions options;
    OptionOrder order{};  // how write() writes them

    static Parsed<TcpHeader> read(const TcpView& view);
    std::size_t size() const { return TcpView::min_size + options.size(); }

    // Returns the bytes written, or 0 without writing when `out` is shorter than size().
    std::size_t write(MutableBytes out) const;

    friend constexpr bool operator==(const TcpHeader&, const TcpHeader&) = default;
};

}  // namespace weft::wire
