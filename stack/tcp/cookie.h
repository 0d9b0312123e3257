// SYN cookies (RFC 4987, section 3.6): the initial sequence number of a SYN,ACK for which no state is kept, from which the
// acknowledgement of it tells all that counts. What timestamps can carry rides in theirs.
#pragma once

#include <cstdint>
#include <optional>

#include "stack/core/seq.h"
#include "stack/core/time.h"
#include "stack/tcp/defence.h"

namespace weft::tcp {

// Of whom, and which SYN.
struct CookieOf {
    std::uint64_t path_hash{0};
    std::uint16_t local_port{0}, remote_port{0};
    SeqNum irs;
};

inline constexpr Duration cookie_life = Duration::seconds(128);  // at most; at least half of it

// What the peer offered in its SYN and an acknowledgement does not say again.
struct CookieOptions {
    std::optional<std::uint8_t> shift;  // of its window
    bool sack{false}, ecn{false};
};

// `peer_mss` is rounded down to one of eight values.
SeqNum make_cookie(const Defence& defence, const CookieOf& of, std::uint16_t peer_mss, Instant now);

// The peer's MSS as it was kept; nullopt: not a cookie of ours, or too old.
std::optional<std::uint16_t> read_cookie(const Defence& defence, const CookieOf& of, SeqNum cookie, Instant now);

// The latest timestamp up to `clock` whose low six bits say the options; and what those of its echo say.
std::uint32_t cookie_timestamp(std::uint32_t clock, const CookieOptions& options);
CookieOptions cookie_options(std::uint32_t echo);

}  // namespace weft::tcp
