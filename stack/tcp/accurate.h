// More accurate ECN feedback (RFC 9768): what a flow that negotiated it counts, the codes of the handshake, and how a counter
// of three bits is read when it may have gone round.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "stack/core/batch.h"
#include "stack/core/time.h"
#include "stack/wire/tcp.h"

namespace weft::tcp {

inline constexpr std::uint32_t first_cep = 5, first_e0b = 1, first_e1b = 1, first_ceb = 0;  // section 3.2.1
inline constexpr std::uint32_t ace_cycle = 8, option_cycle = 1 << 24;  // DIVACE and DIVOPT of appendix A
inline constexpr unsigned ace_shift = 6;  // of AE, CWR and ECE in the flags

constexpr unsigned ace_of(std::uint16_t flags) { return (flags & wire::ace_bits) >> ace_shift; }
constexpr std::uint16_t flags_of_ace(std::uint32_t count) { return std::uint16_t((count % ace_cycle) << ace_shift); }

// Tables 2 and 3: which codepoint a SYN, or a SYN,ACK, came with.
constexpr std::uint16_t handshake_flags(Ecn came_with) {
    constexpr std::array<std::uint32_t, 4> codes{0b010, 0b011, 0b100, 0b110};  // Not-ECT, ECT(1), ECT(0), CE
    return flags_of_ace(codes[std::size_t(came_with)]);
}
constexpr std::optional<Ecn> handshake_codepoint(unsigned ace) {
    switch (ace) {
    case 0b010: return Ecn::not_capable;
    case 0b011: return Ecn::ect1;
    case 0b100: return Ecn::ect0;
    case 0b110: return Ecn::congestion_experienced;
    default: return std::nullopt;
    }
}

// Sections 3.1.1 and 3.1.3: does a SYN with these flags ask for it? All but none and RFC 3168's two do.
constexpr bool asks_accurate(std::uint16_t flags) { return ace_of(flags) != 0 && ace_of(flags) != 0b011; }

// Appendix A.2.1: by how much the count grew at least, and at most without exceeding what was acknowledged, in segments.
constexpr std::uint32_t least_marks(unsigned ace, std::uint32_t count) { return (ace - count) % ace_cycle; }
constexpr std::uint32_t safer_marks(std::uint32_t least, std::uint32_t acknowledged) {
    return acknowledged <= least ? least : acknowledged - (acknowledged - least) % ace_cycle;
}

// Appendix A.2.2: the bytes that were marked tell whether the least is right after all. SAFETY_FACTOR is 2.
constexpr std::uint32_t marks_by_bytes(std::uint32_t least, std::uint32_t safer, std::uint32_t bytes, std::uint32_t mss) {
    const bool fits = std::uint64_t{bytes} <= std::uint64_t{mss} * least;
    return safer > least && fits && std::uint64_t{bytes} * 2 < std::uint64_t{mss} * safer ? least : safer;
}

// Appendix A.1: what to add to a counter so that its low 24 bits are `field`.
constexpr std::uint32_t option_step(std::uint32_t field, std::uint32_t count) { return (field - count) % option_cycle; }

// Of one flow, lent: counters of bytes by codepoint and of marked packets, both ways, and what is known of the way between.
struct Accurate {
    enum Field : std::uint8_t { ect0, ce, ect1 };  // in the order of option 172
    std::array<std::uint32_t, 3> received{first_e0b, first_ceb, first_e1b};  // r.e0b, r.ceb, r.e1b
    std::array<std::uint32_t, 3> told{first_e0b, first_ceb, first_e1b};  // s.e0b, s.ceb, s.e1b
    std::uint32_t r_cep{first_cep}, s_cep{first_cep};
    std::uint16_t stretch{0};  // segments that an acknowledgement acknowledges, a mean, in sixteenths
    std::uint8_t unsaid{0};  // marked packets since the last acknowledgement left
    std::uint8_t marks_since{0}, segments_since{0};  // told, and acknowledged, since the last option came; up to 255
    std::uint8_t room{0};  // bytes that full segments leave for the option
    std::uint8_t ever : 3 {0}, fresh : 3 {0};  // counters that ever grew, and since the last option left: a bit a Field
    std::uint8_t wanted : 2 {0};  // so many options leave whether or not a counter grew
    std::uint8_t handshake : 2 {0};  // the Ecn of the peer's latest SYN or SYN,ACK
    std::uint8_t last : 2 {0};  // the Ecn of the packet before
    std::uint8_t repeats : 2 {0};  // of text that was acknowledged with an option, each time
    bool repeated : 1 {false};  // what came last was such text
    bool offered : 1 {false};  // the acknowledgement of the last text carried an option
    bool owes_handshake : 1 {false};  // the next pure acknowledgement says `handshake` (section 3.2.2.1)
    bool optional : 1 {false};  // the peer's options come through
    bool zeroed : 1 {false};  // they came with counters that cannot be zero: they are ignored
    bool silent : 1 {false};  // ours may be what loses packets: none is sent
    bool plain : 1 {false};  // no packet is sent ECN-capable
    bool deaf : 1 {false};  // what is told of marks is not believed
    bool checked : 1 {false};  // the first count after the handshake was looked at (section 3.2.2.4)
    bool unmarked : 1 {false};  // something arrived without a mark: they are not continuous (3.2.2.3)
};
static_assert(std::is_trivially_copyable_v<Accurate> && sizeof(Accurate) <= 44);

// Which peers did not answer before a SYN asked for less (section 3.1.4.1): the latest ones, and for a while.
class AccurateCache {
public:
    static constexpr std::uint8_t failures_in_a_row = 3;
    static constexpr Duration forgotten_after = Duration::seconds(600);

    bool may_ask(std::uint64_t path_hash, Instant now) const {
        const Entry& entry = entries_[path_hash % entries_.size()];
        return entry.path_hash != path_hash || entry.failures < failures_in_a_row || entry.until <= now;
    }
    void note(std::uint64_t path_hash, bool answered, Instant now) {
        Entry& entry = entries_[path_hash % entries_.size()];
        if (answered && entry.path_hash != path_hash) return;
        if (answered || entry.path_hash != path_hash) entry = {path_hash};
        if (answered) return;
        if (entry.failures < failures_in_a_row) ++entry.failures;
        entry.until = now + forgotten_after;
    }

private:
    struct Entry {
        std::uint64_t path_hash{0};
        Instant until;
        std::uint8_t failures{0};
    };
    std::array<Entry, 64> entries_{};
};

void offer_counters(const Accurate& state, wire::TcpOptions& to);  // the option, where there is room beside the others

}  // namespace weft::tcp
