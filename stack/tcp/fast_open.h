// Fast Open (RFC 7413): what a listener's cookie is made of, and what an active open remembers of servers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "stack/core/bytes.h"
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

wire::FastOpen option_of_cookie(std::uint64_t cookie);
bool says(const wire::FastOpen& option, std::uint64_t cookie);

// What servers gave, and how large their segments may be (section 4.1.3): as many as there is room for, the latest.
class FastOpenCache {
public:
    struct Entry {
        std::uint64_t path_hash{0};  // 0: none
        wire::FastOpen option;
        std::uint16_t mss{0};  // bytes, of the server's SYN,ACK
        bool silent{false};  // a SYN with text went unanswered: none goes for now
    };
    Entry& at(std::uint64_t path_hash) { return entries_[path_hash % entries_.size()]; }
    const Entry* find(std::uint64_t path_hash) const {
        const Entry& entry = entries_[path_hash % entries_.size()];
        return entry.path_hash == path_hash && entry.option.size > 0 ? &entry : nullptr;
    }

private:
    std::array<Entry, 64> entries_{};
};

}  // namespace weft::tcp
