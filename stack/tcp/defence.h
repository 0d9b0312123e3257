// What an outsider must not be able to guess: initial sequence numbers (RFC 6528), ports (RFC 6056, algorithm 4) and the
// offset of the timestamp clock (RFC 7323, section 5.4). All are keyed hashes, so that one seed gives one run.
#pragma once

#include <array>
#include <cstdint>

#include "stack/core/random.h"
#include "stack/core/seq.h"
#include "stack/core/time.h"
#include "stack/tcp/path.h"

namespace weft::tcp {

class Defence {
public:
    Defence() = default;
    explicit Defence(const HashKey& seed) : seed_{seed} {}

    // A key of its own for each use.
    enum class Use : std::uint64_t { sequence, ports, table, paths, listeners, neighbours, cookies, fast_open, answers };
    HashKey key(Use use) const { return {siphash(seed_, std::uint64_t(use), 0), siphash(seed_, std::uint64_t(use), 1)}; }

    // RFC 6528, section 3: M + F(localip, localport, remoteip, remoteport, secretkey), M ticking every 4 us (MUST-8).
    SeqNum initial_sequence(std::uint64_t path_hash, FlowKey key, Instant now) const {
        const std::uint64_t f =
            siphash(this->key(Use::sequence), path_hash, std::uint64_t{key.local_port} << 16 | key.remote_port);
        return SeqNum{std::uint32_t(f) + std::uint32_t(now.nanoseconds() / 4'000)};
    }

    // Milliseconds, from an offset that belongs to the pair of addresses: a later connection of the same name goes on where
    // the earlier one was (RFC 6191 needs that), and the host's uptime stays its own.
    std::uint32_t timestamp(std::uint64_t path_hash, Instant now) const {
        return std::uint32_t(now.nanoseconds() / 1'000'000) + std::uint32_t(path_hash >> 32);
    }

    struct Ports {
        std::uint32_t first, last;
    };

    // Tries ports until free(port) says yes; 0 when none is.
    template <class Free>
    std::uint16_t port(std::uint64_t path_hash, std::uint16_t remote_port, Ports ports, Free&& free) {
        const std::uint32_t range = ports.last - ports.first + 1;
        const HashKey secret = key(Use::ports);
        const std::uint64_t offset = siphash(secret, path_hash, remote_port);
        std::uint16_t& used = table_[siphash(secret, path_hash, std::uint64_t{remote_port} | 1ull << 32) % table_.size()];
        for (std::uint32_t tries = 0; tries < range; ++tries) {
            const auto candidate = std::uint16_t(ports.first + (offset + used++) % range);
            if (free(candidate)) return candidate;
        }
        return 0;
    }

private:
    HashKey seed_;
    std::array<std::uint16_t, 64> table_{};
};

}  // namespace weft::tcp
