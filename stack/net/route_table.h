// Routes: where a packet for an address goes next. The longest prefix decides, then the smaller metric, then who came first
// (RFC 1122, section 3.3.1; RFC 4861, section 5.2). One table for all families.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stack/core/address.h"
#include "stack/core/result.h"

namespace weft {

// All addresses that begin with the first `bits` bits of `address`; 0 bits: every address of its family.
struct Prefix {
    Address address;
    std::uint16_t bits{0};
    friend bool operator==(const Prefix&, const Prefix&) = default;
};

// Where packets under a prefix go.
struct Route {
    Address gateway;          // none: the destination itself is on the link
    std::uint32_t link{0};
    std::uint32_t metric{0};  // the smaller one wins among equal prefixes
    friend bool operator==(const Route&, const Route&) = default;
};

struct RouteEntry {
    Prefix to;
    Route by;
    friend bool operator==(const RouteEntry&, const RouteEntry&) = default;
};

namespace net {

// Does the prefix cover the address? Of another family: no.
bool covers(const Prefix& prefix, const Address& address);

// The address with all bits behind the prefix cleared.
Address masked(const Address& address, unsigned bits);

class RouteTable {
public:
    static constexpr std::size_t most = 4'096;

    // Replaces one of the same prefix, gateway and link. Errors: invalid (more bits than the family has, bits set behind the
    // prefix, a gateway of another family), no_memory (the table is full).
    Result<void> add(const Prefix& to, const Route& by);
    Result<void> remove(const Prefix& to, const Route& by);  // the metric is not compared; invalid: no such route
    void remove_link(std::uint32_t link);

    // The best route, on `link` alone where one is asked for.
    const RouteEntry* find(const Address& to, std::optional<std::uint32_t> link = std::nullopt) const;
    const std::vector<RouteEntry>& all() const { return all_; }

private:
    std::vector<RouteEntry> all_;  // longest prefix first, then by metric: the first that covers is the best
};

}  // namespace net
}  // namespace weft
