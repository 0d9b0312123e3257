// Reach and transit (docs/security.md): what comes in is a flow that began here, a port that is open, or refused.
#include "overlay/access.h"

#include <algorithm>
#include <utility>

#include "stack/wire/overlay.h"
#include "stack/wire/tcp.h"

namespace weft::overlay {
namespace {

constexpr std::uint8_t tcp = 6, udp = 17;
constexpr std::byte flag_syn{2}, flag_rst{4}, flag_ack{16};
constexpr Duration touch_after = Duration::seconds(1);   // the order of use is kept to this

// What a neighbour may send at once after a pause, as time at its rate.
constexpr Duration burst = Duration::milliseconds(50);

std::byte tcp_flags(Bytes transport) { return transport[13]; }
bool has(std::byte flags, std::byte flag) { return (flags & flag) != std::byte{0}; }

bool covers(const ReachRule& rule, std::uint8_t protocol, std::uint16_t port) {
    return (rule.protocol == 0 || rule.protocol == protocol) && (rule.port == 0 || rule.port == port);
}

bool allows(const std::vector<ReachRule>& rules, const Address& peer, std::uint8_t protocol, std::uint16_t port) {
    return std::ranges::any_of(
        rules, [&](const ReachRule& rule) { return covers(rule, protocol, port) && (!rule.who || *rule.who == peer); });
}

// RFC 9293, section 3.10.7.1.
Access::Refusal reset_of(const wire::TcpView& segment, MutableBytes out) {
    wire::TcpHeader reset{.source_port = segment.destination_port(), .destination_port = segment.source_port()};
    reset.flags = wire::rst;
    if (segment.has(wire::ack)) {
        reset.seq = segment.ack();
    } else {
        reset.flags |= wire::ack;
        reset.ack = segment.seq() + segment.sequence_length();
    }
    return {tcp, reset.write(out), wire::TcpView::checksum_at};
}

}  // namespace

// The flow that a packet belongs to; none if it is too short to say. A protocol without ports is one flow a peer.
std::optional<Access::Key> Access::key_of(const Address& peer, std::uint8_t protocol, Bytes transport, bool inbound) {
    Key key;
    key.protocol = protocol;
    key.peer[0] = load_little<std::uint64_t>(peer.bytes().data());
    key.peer[1] = load_little<std::uint64_t>(peer.bytes().data() + 8);
    if (protocol != tcp && protocol != udp) return key;
    if (transport.size() < (protocol == tcp ? 20u : 8u)) return std::nullopt;
    const std::uint16_t source = load_big<std::uint16_t>(transport.data());
    const std::uint16_t destination = load_big<std::uint16_t>(transport.data() + 2);
    const std::uint32_t local = inbound ? destination : source, remote = inbound ? source : destination;
    key.ports = local << 16 | remote;
    return key;
}

std::uint64_t Access::word(const Key& key) const {
    SipHash hash{key_};
    hash.word(key.peer[0]), hash.word(key.peer[1]);
    hash.word(std::uint64_t{key.ports} << 8 | key.protocol);
    return hash.finish();
}

Access::FlowEntry* Access::find(const Key& key, Instant now) {
    if (last_ == none || flows_[last_].key != key) {
        const auto index = table_.find(word(key));
        if (!index || flows_[*index].key != key) return nullptr;
        last_ = *index;
    }
    FlowEntry& flow = flows_[last_];
    if (now - flow.used <= (key.protocol == tcp ? idle_tcp : idle_udp)) return &flow;
    forget(last_);
    return nullptr;
}

void Access::touch(FlowEntry& flow, Instant now) {
    if (now - flow.used < touch_after) return;
    flow.used = now;
    const auto index = std::uint32_t(&flow - flows_.data());
    const auto place = [this](std::uint32_t at) -> Place& { return flows_[at].place; };
    used_[flow.accepted].remove(index, place);
    used_[flow.accepted].append(index, place);
}

void Access::note(const Key& key, const Address& peer, bool accepted, Instant now) {
    if (count_[accepted] == flows_at_most) {
        ++statistics_.flows_evicted;
        forget(used_[accepted].first);
    }
    if (const auto other = table_.find(word(key))) forget(*other);   // of another key with this hash
    if (free_.empty()) {
        free_.push_back(std::uint32_t(flows_.size()));
        flows_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    flows_[index] = {key, peer, now, accepted, {}};
    table_.insert(word(key), index);
    used_[accepted].append(index, [this](std::uint32_t at) -> Place& { return flows_[at].place; });
    ++count_[accepted];
    ++statistics_.flows;
    last_ = index;
}

void Access::forget(std::uint32_t index) {
    FlowEntry& flow = flows_[index];
    used_[flow.accepted].remove(index, [this](std::uint32_t at) -> Place& { return flows_[at].place; });
    table_.erase(word(flow.key));
    --count_[flow.accepted];
    --statistics_.flows;
    if (last_ == index) last_ = none;
    flow = {};
    free_.push_back(index);
}

Access::Verdict Access::inbound(const Address& peer, std::uint8_t protocol, Bytes transport, Instant now) {
    if (protocol == protocol_wcmp) return Verdict::pass;   // echo is for every member; an error only hints
    const auto key = peer.bytes().size() >= 16 ? key_of(peer, protocol, transport, true) : std::nullopt;
    if (!key) return Verdict::drop;
    if (FlowEntry* flow = find(*key, now)) {
        touch(*flow, now);
        return Verdict::pass;
    }
    if (exposed(peer, protocol, std::uint16_t(key->ports >> 16))) return Verdict::pass;
    ++statistics_.reach_refused;
    if (protocol == tcp && has(tcp_flags(transport), flag_rst)) return Verdict::drop;
    return may_refuse(now) ? Verdict::refuse : Verdict::drop;
}

void Access::outbound(const Address& peer, std::uint8_t protocol, Bytes transport, Instant now) {
    if (protocol == protocol_wcmp) return;
    const auto key = peer.bytes().size() >= 16 ? key_of(peer, protocol, transport, false) : std::nullopt;
    if (!key) return;
    if (FlowEntry* flow = find(*key, now)) return touch(*flow, now);
    if (protocol != tcp) return note(*key, peer, exposed(peer, protocol, std::uint16_t(key->ports >> 16)), now);
    const std::byte flags = tcp_flags(transport);
    if (has(flags, flag_rst)) return;
    note(*key, peer, !has(flags, flag_syn) || has(flags, flag_ack), now);
}

// At most so many answers a second: who scans learns no faster than that, and cannot make us a source of traffic.
bool Access::may_refuse(Instant now) {
    const std::int64_t second = now.nanoseconds() / 1'000'000'000;
    if (second != refusal_second_) {
        refusal_second_ = second;
        refusals_this_second_ = 0;
    }
    if (refusals_this_second_ == refusals_a_second) return false;
    ++refusals_this_second_;
    ++statistics_.refusals;
    return true;
}

bool Access::ruled(std::uint8_t protocol, std::uint16_t port) const {
    return std::ranges::any_of(rules_,
                               [&](const ReachRule& rule) { return rule.port != 0 && covers(rule, protocol, port); });
}

bool Access::exposed(const Address& peer, std::uint8_t protocol, std::uint16_t port) const {
    if (allows(rules_, peer, protocol, port)) return true;
    return listeners_.contains({protocol, port}) && !ruled(protocol, port);
}

void Access::set_reach(std::vector<ReachRule> rules) {
    const std::vector<ReachRule> old = std::exchange(rules_, std::move(rules));
    std::vector<std::uint32_t> gone;
    for (std::uint32_t index = used_[1].first; index != none; index = flows_[index].place.next) {
        const FlowEntry& flow = flows_[index];
        const auto port = std::uint16_t(flow.key.ports >> 16);
        const bool by_rule = allows(old, flow.peer, flow.key.protocol, port) || ruled(flow.key.protocol, port);
        if (by_rule && !exposed(flow.peer, flow.key.protocol, port)) gone.push_back(index);
    }
    for (const std::uint32_t index : gone) forget(index);
}

void Access::open(std::uint8_t protocol, std::uint16_t port) { ++listeners_[{protocol, port}]; }

void Access::close(std::uint8_t protocol, std::uint16_t port) {
    const auto listener = listeners_.find({protocol, port});
    if (listener != listeners_.end() && --listener->second == 0) listeners_.erase(listener);
}

std::vector<std::uint16_t> Access::open_ports() const {
    std::vector<std::uint16_t> ports;
    for (const auto& [what, count] : listeners_)
        if (what.first == tcp) ports.push_back(what.second);
    return ports;
}

void Access::set_transit(TransitRules rules) {
    transit_ = std::move(rules);
    transit_who_ = {transit_.who.begin(), transit_.who.end()};
}

bool Access::may_transit(const Address& neighbour) const {
    using Mode = TransitRules::Mode;
    return transit_.mode == Mode::members || (transit_.mode == Mode::listed && transit_who_.contains(neighbour));
}

bool Access::transit_setup(const Address& neighbour) {
    if (may_transit(neighbour)) return true;
    ++statistics_.transit_refused;
    return false;
}

// A bucket is told by when it will be full: the time that it lacks is what its neighbour has taken beyond its rate.
bool Access::transit_bytes(LinkNumber neighbour, std::size_t bytes, Instant now) {
    if (transit_.rate != 0) {
        if (buckets_.size() <= neighbour) buckets_.resize(std::size_t{neighbour} + 1);
        const auto cost = Duration::nanoseconds(std::int64_t(std::uint64_t{bytes} * 1'000'000'000 / transit_.rate));
        const Instant full_at = std::max(buckets_[neighbour].full_at, now) + cost;
        if (full_at - now > std::max(burst, cost)) {
            ++statistics_.transit_capped;
            return false;
        }
        buckets_[neighbour].full_at = full_at;
    }
    ++statistics_.transit_packets;
    statistics_.transit_bytes += bytes;
    return true;
}

Access::Refusal Access::refusal(std::uint8_t protocol, Bytes net_frame, std::array<std::byte, refusal_size>& out) {
    constexpr std::uint8_t unreachable = 1, admin = 2;
    out.fill(std::byte{0});
    if (protocol == tcp) {
        const auto segment = wire::TcpView::parse(net_frame.subspan(wire::NetFrame::header_size));
        if (segment && (!segment->has(wire::syn) || segment->has(wire::ack))) return reset_of(*segment, out);
    }
    out[0] = std::byte{unreachable};
    out[1] = std::byte{admin};
    const std::size_t concerned = std::min<std::size_t>(net_frame.size(), 64);
    std::copy_n(net_frame.begin(), concerned, out.begin() + 8);
    return {protocol_wcmp, 8 + concerned, 2};
}

}  // namespace weft::overlay
