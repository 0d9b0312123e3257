// Fast Open (RFC 7413): what a listener's cookie is made of, and what an active open remembers of servers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "stack/core/bytes.h"
#include "stack/core/time.h"
#include "stack/tcp/defence.h"
#include "stack/wire/tcp.h"

namespace weft::tcp {

// Section 4.1.2: a keyed hash of both addresses, the client's first, as they stand in its SYN.
inline std::uint64_t fast_open_cookie(const HashKey& key, Bytes client, Bytes server) {
    std::array<std::byte, 128> both{};
    std::copy(client.begin(), client.end(), both.begin());
    std::copy(server.begin(), server.end(), both.begin() + std::ptrdiff_t(client.size()));
    return siphash(key, Bytes{both}.first(client.size() + server.size()));
}

wire::FastOpen option_of_cookie(std::uint64_t cookie, bool experimental = false);
bool says(const wire::FastOpen& option, std::uint64_t cookie);  // in either option

// What servers gave, and how large their segments may be (section 4.1.3): as many as there is room for, the latest.
class FastOpenCache {
public:
    struct Entry {
        std::uint64_t path_hash{0};  // 0: none
        wire::FastOpen option;  // its cookie; none: nothing of it is kept
        std::uint16_t mss{0};  // bytes, of the server's SYN,ACK
        bool silent{false};  // a SYN with text went unanswered: none goes for now
        // The standard's option was not answered: the next SYN tries the experimental one. Neither was: back for good.
        enum class Tried : std::uint8_t { none, standard, both } tried{};
    };
    // What it was about another path before is forgotten.
    Entry& at(std::uint64_t path_hash) {
        Entry& entry = entries_[path_hash % entries_.size()];
        if (entry.path_hash != path_hash) entry = {.path_hash = path_hash};
        return entry;
    }
    const Entry* find(std::uint64_t path_hash) const {
        const Entry& entry = entries_[path_hash % entries_.size()];
        return entry.path_hash == path_hash ? &entry : nullptr;
    }

    // All active opens leave it for a while: longer each time that SYNs of them vanished in a row, by doublings (section 4.1.3.1 has
    // it by server; a device that drops them near the client drops them all).
    void pause(Duration first, Instant now) {
        if (first == Duration{}) return;
        paused_until_ = now + first * (1ll << std::min<unsigned>(pauses_, 6));
        if (pauses_ < 6) ++pauses_;
    }
    void worked() { pauses_ = 0; }
    bool paused(Instant now) const { return now < paused_until_; }

private:
    std::array<Entry, 64> entries_{};
    Instant paused_until_;
    std::uint8_t pauses_{0};
};

// What the SYN of an active open says and may carry.
struct FastOpenOffer {
    std::optional<wire::FastOpen> option;
    std::uint32_t text{0};  // bytes at most
};

}  // namespace weft::tcp
