// Who may reach this host and who may send through it (docs/security.md): rules by address, protocol and port, a bounded table of
// the flows that began here, and a token bucket for each neighbour. Link permission is LinksConfig's; none implies another.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "overlay/label.h"
#include "stack/core/address.h"
#include "stack/core/bytes.h"
#include "stack/core/flat_table.h"
#include "stack/core/index_list.h"
#include "stack/core/time.h"

namespace weft::overlay {

inline constexpr std::uint8_t protocol_wcmp = 58;

struct ReachRule {
    std::optional<Address> who;  // none: every member
    std::uint8_t protocol{6};  // 0: any
    std::uint16_t port{0};  // 0: any
    friend bool operator==(const ReachRule&, const ReachRule&) = default;
};

struct TransitRules {
    enum class Mode : std::uint8_t { off, members, listed };  // off: a leaf
    Mode mode{Mode::members};
    std::vector<Address> who;  // of `listed`
    std::uint64_t rate{12'500'000};  // bytes a second from each neighbour; 0: no cap
    friend bool operator==(const TransitRules&, const TransitRules&) = default;
};

struct AccessStatistics {
    std::uint64_t reach_refused{0};  // packets, answered or not
    std::uint64_t refusals{0};  // of them answered by WCMP admin
    std::uint64_t flows{0}, flows_evicted{0};  // remembered now; forgotten because the table was full
    std::uint64_t transit_refused{0};  // SETUPs
    std::uint64_t transit_packets{0}, transit_bytes{0}, transit_capped{0};  // capped: packets over the rate
};

class Access {
public:
    static constexpr std::size_t flows_at_most = 65'536;  // opened here; as many again that were accepted
    static constexpr Duration idle_tcp = Duration::seconds(7'200), idle_udp = Duration::seconds(300);
    static constexpr unsigned refusals_a_second = 100;

    explicit Access(const HashKey& key = {}) : key_{key}, table_{{key.high, key.low}} {}

    // May this packet, from its transport header on, come in? A refused one is answered by refusal(), a dropped one never.
    enum class Verdict : std::uint8_t { pass, refuse, drop };
    Verdict inbound(const Address& peer, std::uint8_t protocol, Bytes transport, Instant now);
    // Notes what leaves, so that its answers pass.
    void outbound(const Address& peer, std::uint8_t protocol, Bytes transport, Instant now);

    // The configured rules; flows that were accepted under a rule that is gone are forgotten, all others live on.
    void set_reach(std::vector<ReachRule> rules);
    // A listener is open, or closed again (counted): its port is open to every member, unless a configured rule names it.
    void open(std::uint8_t protocol, std::uint16_t port);
    void close(std::uint8_t protocol, std::uint16_t port);
    bool exposed(const Address& peer, std::uint8_t protocol, std::uint16_t port) const;
    const std::vector<ReachRule>& reach() const { return rules_; }
    std::vector<std::uint16_t> open_ports() const;  // of listeners, TCP

    void set_transit(TransitRules rules);
    const TransitRules& transit() const { return transit_; }
    bool may_transit(const Address& neighbour) const;
    bool transit_setup(const Address& neighbour);  // may its SETUP go through?
    bool transit_bytes(LinkNumber neighbour, std::size_t bytes, Instant now);  // false: over the cap, drop

    const AccessStatistics& statistics() const { return statistics_; }

    // What who sent a refused packet gets, given the NET frame's three bytes and what follows them. What would begin a flow: WCMP
    // unreachable, admin, with the first 64 bytes. A TCP segment of a flow that is none here (this host began anew, or a rule
    // went): a reset (RFC 9293, section 3.10.7.1), so that it ends there. The checksum is zero: elided, or filled in by who
    // sends it.
    static constexpr std::size_t refusal_size = 8 + 64;
    struct Refusal {
        std::uint8_t protocol{0};
        std::size_t size{0}, checksum_at{0};
    };
    static Refusal refusal(std::uint8_t protocol, Bytes net_frame, std::array<std::byte, refusal_size>& out);

private:
    struct Key {
        std::uint64_t peer[2]{};  // of an address, which is a hash: 128 bits name it
        std::uint32_t ports{0};  // local << 16 | remote
        std::uint8_t protocol{0};
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct FlowEntry {
        Key key;
        Address peer;
        Instant used;
        bool accepted{false};
        Place place;
    };
    struct Bucket {
        Instant full_at;  // when it will be, or was
    };

    static std::optional<Key> key_of(const Address& peer, std::uint8_t protocol, Bytes transport, bool inbound);
    std::uint64_t word(const Key& key) const;
    FlowEntry* find(const Key& key, Instant now);
    void touch(FlowEntry& flow, Instant now);
    void note(const Key& key, const Address& peer, bool accepted, Instant now);
    void forget(std::uint32_t index);
    bool ruled(std::uint8_t protocol, std::uint16_t port) const;
    bool may_refuse(Instant now);

    HashKey key_;
    std::vector<ReachRule> rules_;
    std::map<std::pair<std::uint8_t, std::uint16_t>, unsigned> listeners_;

    FlatTable table_;  // word of a key to index
    std::vector<FlowEntry> flows_;
    std::vector<std::uint32_t> free_;
    std::array<IndexList, 2> used_;  // opened, accepted: the longest unused first
    std::array<std::size_t, 2> count_{};
    std::uint32_t last_{none};  // the flow of the last packet

    TransitRules transit_;
    std::set<Address> transit_who_;
    std::vector<Bucket> buckets_;  // by LinkNumber
    std::int64_t refusal_second_{-1};
    unsigned refusals_this_second_{0};
    AccessStatistics statistics_;
};

}  // namespace weft::overlay
