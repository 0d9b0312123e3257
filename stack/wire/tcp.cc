// TCP options read and written: RFC 9293, section 3.2; RFC 7323, sections 2.2 and 3.2; RFC 2018, sections 2 and 3; RFC 9768, 3.2.3.
#include "stack/wire/tcp.h"

#include <algorithm>

namespace weft::wire {
namespace {

enum Kind : std::uint8_t {
    end = 0,
    nop = 1,
    mss_kind = 2,
    scale_kind = 3,
    permitted_kind = 4,
    sack_kind = 5,
    stamps_kind = 8,
    timeout_kind = 28,
    fast_open_kind = 34,
    accurate0_kind = 172,
    accurate1_kind = 174,
    experiment_kind = 254
};

constexpr std::uint16_t fast_open_experiment = 0xf989;  // RFC 7413, section 7

// An odd length, or one out of range, is no Fast Open (RFC 7413, section 4.1.1).
void read_fast_open(TcpOptions& options, Bytes cookie, bool experimental) {
    if (cookie.size() % 2 != 0 || cookie.size() > 16 || cookie.size() == 2) return;
    options.fast_open = FastOpen{std::uint8_t(cookie.size()), experimental};
    std::copy(cookie.begin(), cookie.end(), options.fast_open->cookie.begin());
}

// RFC 9768, section 3.2.3: of any length the whole fields count, and what is left is padding.
AccurateEcn accurate_of(bool ect1_first, Bytes body) {
    AccurateEcn read{std::uint8_t(std::min<std::size_t>(body.size() / 3, 3)), ect1_first};
    for (std::size_t i = 0; i < read.fields; ++i)
        read.counters[i] =
            std::to_integer<std::uint32_t>(body[3 * i]) << 16 | load_big<std::uint16_t>(body.data() + 3 * i + 1);
    return read;
}

// `body` is what lies behind kind and length. False: a length that the kind does not have.
bool read_option(TcpOptions& options, std::uint8_t kind, Bytes body) {
    switch (kind) {
    case mss_kind:
        if (body.size() != 2) return false;
        options.mss = load_big<std::uint16_t>(body.data());
        return true;
    case scale_kind:
        if (body.size() != 1) return false;
        options.window_scale = std::to_integer<std::uint8_t>(body[0]);
        return true;
    case permitted_kind:
        if (!body.empty()) return false;
        options.sack_permitted = true;
        return true;
    case sack_kind:
        if (body.empty() || body.size() % 8 != 0 || body.size() / 8 > options.sack.size()) return false;
        options.sack = {};
        options.sack_count = std::uint8_t(body.size() / 8);
        for (std::size_t i = 0; i < options.sack_count; ++i)
            options.sack[i] = {SeqNum{load_big<std::uint32_t>(body.data() + 8 * i)},
                               SeqNum{load_big<std::uint32_t>(body.data() + 8 * i + 4)}};
        return true;
    case stamps_kind:
        if (body.size() != 8) return false;
        options.timestamps = {load_big<std::uint32_t>(body.data()), load_big<std::uint32_t>(body.data() + 4)};
        return true;
    case timeout_kind:
        if (body.size() != 2) return false;
        options.user_timeout = load_big<std::uint16_t>(body.data());
        return true;
    case fast_open_kind: read_fast_open(options, body, false); return true;
    case experiment_kind:
        if (body.size() >= 2 && load_big<std::uint16_t>(body.data()) == fast_open_experiment)
            read_fast_open(options, body.subspan(2), true);
        return true;
    case accurate0_kind:
    case accurate1_kind: options.accurate = accurate_of(kind == accurate1_kind, body); return true;
    default: return true;
    }
}

void write_accurate(Writer& to, const AccurateEcn& option) {
    for (std::size_t size = 2u + 3u * option.fields; size % 4 != 0; ++size) to.u8(nop);
    to.u8(option.ect1_first ? accurate1_kind : accurate0_kind), to.u8(std::uint8_t(2 + 3 * option.fields));
    for (std::size_t i = 0; i < option.fields; ++i)
        to.u8(std::uint8_t(option.counters[i] >> 16)), to.big(std::uint16_t(option.counters[i]));
}

void write_fast_open(Writer& to, const FastOpen& option) {
    const std::size_t before = option.experimental ? 4 : 2;
    to.u8(option.experimental ? experiment_kind : fast_open_kind), to.u8(std::uint8_t(before + option.size));
    if (option.experimental) to.big(fast_open_experiment);
    for (std::size_t i = 0; i < option.size; ++i) to.u8(std::to_integer<std::uint8_t>(option.cookie[i]));
    for (std::size_t size = before + option.size; size % 4 != 0; ++size) to.u8(nop);
}

}  // namespace

Parsed<TcpOptions> TcpOptions::parse(Bytes options) {
    TcpOptions read;
    // What nearly every segment carries: NOP, NOP, timestamps.
    if (options.size() == 12 && load_big<std::uint32_t>(options.data()) == 0x0101'080a) {
        read.timestamps = {load_big<std::uint32_t>(options.data() + 4), load_big<std::uint32_t>(options.data() + 8)};
        return read;
    }
    for (std::size_t at = 0; at < options.size();) {
        const auto kind = std::to_integer<std::uint8_t>(options[at]);
        if (kind == end) break;
        if (kind == nop) {
            ++at;
            continue;
        }
        if (options.size() - at < 2) return std::unexpected(Malformed::option);
        const auto length = std::to_integer<std::size_t>(options[at + 1]);
        if (length < 2 || length > options.size() - at) return std::unexpected(Malformed::option);
        if (!read_option(read, kind, options.subspan(at + 2, length - 2))) return std::unexpected(Malformed::option);
        at += length;
    }
    return read;
}

// Each group is padded by NOPs to whole words, so that values lie where a 32-bit load likes them.
std::size_t TcpOptions::size_without_sack() const {
    std::size_t size = 0;
    if (mss) size += 4;
    if (timestamps) size += 12;  // SACK-permitted takes the place of two NOPs
    else if (sack_permitted) size += 4;
    if (window_scale) size += 4;
    if (user_timeout) size += 4;
    if (fast_open) size += fast_open_fits(size) ? fast_open_size() : 0;
    if (accurate_fits(size)) size += accurate->size();
    return size;
}

std::size_t TcpOptions::fast_open_size() const {
    return (std::size_t{fast_open->experimental ? 4u : 2u} + fast_open->size + 3) / 4 * 4;
}

// Behind `taken` bytes of other options; else it is left out.
bool TcpOptions::fast_open_fits(std::size_t taken) const { return taken + fast_open_size() <= max_size; }

std::size_t TcpOptions::room_for_sack() const {
    const std::size_t taken = size_without_sack() + 4;
    const std::size_t room = taken < max_size ? (max_size - taken) / 8 : 0;
    return std::min<std::size_t>({sack_count, sack.size(), room});
}

std::size_t TcpOptions::size() const {
    const std::size_t blocks = room_for_sack();
    return size_without_sack() + (blocks != 0 ? 4 + 8 * blocks : 0);
}

// Both orders take the same room.
std::size_t TcpOptions::write_aligned(MutableBytes out) const {
    Writer to{out};
    const auto align = [&](std::size_t behind) {
        while (to.size() % 4 != behind) to.u8(nop);
    };
    if (mss) to.u8(mss_kind), to.u8(4), to.big(*mss);
    if (window_scale) align(1), to.u8(scale_kind), to.u8(3), to.u8(*window_scale);
    if (sack_permitted) to.u8(permitted_kind), to.u8(2);
    if (timestamps) align(2), to.u8(stamps_kind), to.u8(10), to.big(timestamps->value), to.big(timestamps->echo);
    if (const std::size_t blocks = room_for_sack(); blocks != 0) {
        align(2), to.u8(sack_kind), to.u8(std::uint8_t(2 + 8 * blocks));
        for (std::size_t i = 0; i < blocks; ++i) to.big(sack[i].left.raw()), to.big(sack[i].right.raw());
    }
    if (user_timeout) align(0), to.u8(timeout_kind), to.u8(4), to.big(*user_timeout);
    TcpOptions rest = *this;
    rest.accurate.reset();
    const std::size_t others = rest.size_without_sack();
    rest.fast_open.reset();
    if (fast_open && fast_open_fits(rest.size_without_sack())) align(0), write_fast_open(to, *fast_open);
    if (accurate_fits(others)) align(0), write_accurate(to, *accurate);
    while (to.size() % 4 != 0) to.u8(end);
    return to.size();
}

std::size_t TcpOptions::write(MutableBytes out, OptionOrder order) const {
    if (out.size() < size()) return 0;
    if (order == OptionOrder::aligned) return write_aligned(out);
    Writer to{out};
    if (mss) {
        to.u8(mss_kind), to.u8(4);
        to.big(*mss);
    }
    if (timestamps || sack_permitted) {
        const bool pads_first = !timestamps || !sack_permitted;
        if (pads_first) to.u8(nop), to.u8(nop);
        if (sack_permitted) to.u8(permitted_kind), to.u8(2);
        if (timestamps) to.u8(stamps_kind), to.u8(10), to.big(timestamps->value), to.big(timestamps->echo);
    }
    if (window_scale) to.u8(nop), to.u8(scale_kind), to.u8(3), to.u8(*window_scale);
    if (user_timeout) to.u8(timeout_kind), to.u8(4), to.big(*user_timeout);
    if (fast_open && fast_open_fits(to.size())) write_fast_open(to, *fast_open);
    if (accurate_fits(to.size())) write_accurate(to, *accurate);
    if (const std::size_t blocks = room_for_sack(); blocks != 0) {
        to.u8(nop), to.u8(nop), to.u8(sack_kind), to.u8(std::uint8_t(2 + 8 * blocks));
        for (std::size_t i = 0; i < blocks; ++i) to.big(sack[i].left.raw()), to.big(sack[i].right.raw());
    }
    return to.size();
}

Parsed<TcpHeader> TcpHeader::read(const TcpView& view) {
    const auto options = view.options();
    if (!options) return std::unexpected(options.error());
    return TcpHeader{view.source_port(), view.destination_port(), view.seq(), view.ack(), view.flags(), view.window(),
                     view.checksum(),    view.urgent_pointer(),   *options};
}

std::size_t TcpHeader::write(MutableBytes out) const {
    if (out.size() < size()) return 0;
    const std::size_t option_size = options.write(out.subspan(TcpView::min_size), order);
    Writer to{out};
    to.big(source_port), to.big(destination_port);
    to.big(seq.raw()), to.big(ack.raw());
    to.big(std::uint16_t((TcpView::min_size + option_size) / 4 << 12 | (flags & tcp_flag_bits)));
    to.big(window), to.big(checksum), to.big(urgent_pointer);
    return TcpView::min_size + option_size;
}

}  // namespace weft::wire
