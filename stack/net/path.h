// Paths: (family, scope, local, remote) interned once under a small index. Here are the addresses and the network header that
// belongs to them; what TCP knows of the same path is tcp::Path under the same index.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/flat_table.h"
#include "stack/core/index_list.h"
#include "stack/core/random.h"
#include "stack/core/slab.h"

namespace weft::net {

// Bytes of the network header that this stack writes for a family; 0: none is known.
std::size_t header_size(Family family);

// Writes it, lengths left to whoever cuts; 0 for a family without a header.
std::size_t write_header(const Address& source, const Address& destination, std::span<std::byte> out);

// Fills in what differs from packet to packet. `id`: IPv4's identification of the first segment.
void finish_header(Family family, std::span<std::byte> header, std::uint8_t dscp, Ecn ecn, std::uint8_t hop_limit,
                   std::uint16_t id);

struct Path {
    Address local, remote;
    std::uint32_t scope{0};
    std::uint32_t link{0};  // by which it leaves now
    std::uint64_t hash{0};  // of the four that name it
    std::uint32_t given_link{0}, given_mtu{1500};  // as address or session have it; routes and devices may say otherwise
    std::uint16_t lowered_mtu{0};  // what the network said that it carries, less than that; 0: nothing
    Instant lowered_until;
    Place lowered;  // among such paths, in the order of their ends
    std::uint32_t neighbour{none};  // on Ethernet, whose MAC is in `header`; none: nobody is the next hop
    Place by_neighbour;  // among the paths that go through it
    std::uint8_t network{0};  // where the network header begins in `header`: 14 on Ethernet
    std::uint16_t next_id{0};  // IPv4's identification; DF is set, so that it need not be unique (RFC 6864, section 4.1)
    bool alive{false};
    std::array<std::byte, 150>
        header{};  // Ethernet's and the network header, but for lengths and what finish_header() fills in
};

class PathTable {
public:
    explicit PathTable(const HashKey& key) : key_{key}, table_{{key.high, key.low}} {}

    // 0: no such path is interned.
    std::uint32_t find(const Address& local, const Address& remote, std::uint32_t scope) const;

    // The index of a path, new or old; 0 when the family has no header or all indices are taken.
    std::uint32_t intern(const Address& local, const Address& remote, std::uint32_t scope);

    // Net::Path::hash of a pair, also of one that is not interned.
    std::uint64_t hash_of(const Address& local, const Address& remote, std::uint32_t scope) const {
        return hash(local, remote, scope);
    }

    void erase(std::uint32_t path);
    bool alive(std::uint32_t path) const { return path > 0 && path < count_ && paths_[path].alive; }
    Path& operator[](std::uint32_t path) { return paths_[path]; }
    const Path& operator[](std::uint32_t path) const { return paths_[path]; }
    std::uint64_t erased() const { return erased_; }  // how often an index lost its path
    std::uint32_t size() const { return std::uint32_t(table_.size()); }
    std::uint32_t end() const { return count_; }  // behind the highest index ever used

private:
    static constexpr std::uint32_t most = 1 << 24;

    std::uint64_t hash(const Address& local, const Address& remote, std::uint32_t scope) const;

    HashKey key_;
    FlatTable table_;  // hash to index: two pairs with one hash of 64 keyed bits are taken for impossible, but checked
    Pages<Path, 6> paths_;
    std::vector<std::uint32_t> free_;
    std::uint64_t erased_{0};
    std::uint32_t count_{1};  // indices used so far; 0 names none
};

}  // namespace weft::net
