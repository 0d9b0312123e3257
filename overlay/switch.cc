// Label switching of one node: the data plane, time, traces, and the public face (docs/wire.md).
#include "overlay/switch.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "overlay/access.h"
#include "overlay/switch_state.h"

namespace weft::overlay {

namespace {

HashKey key_from(const Entropy& entropy) {
    Block<16> bytes;
    entropy(bytes);
    return {load_little<std::uint64_t>(&bytes[0]), load_little<std::uint64_t>(&bytes[8])};
}

}  // namespace

std::string_view to_string(NakReason reason) {
    static constexpr std::string_view names[nak_reasons] = {"none", "no route", "loop",  "hops", "tries",
                                                            "busy", "timeout",  "stale", "admin"};
    return std::size_t(reason) < nak_reasons ? names[std::size_t(reason)] : "unknown";
}

Switch::State::State(const Identity& who, const SwitchConfig& settings, Entropy random, const weft_router_v1& table, void* r)
    : identity{who}, config{settings}, entropy{random}, module{r}, labels{settings.labels}, paths{key_from(random)} {
    std::memcpy(&router, &table, std::min<std::size_t>(table.size, sizeof router));
}

std::uint64_t Switch::State::random_word() {
    Block<8> bytes;
    entropy(bytes);
    return load_little<std::uint64_t>(bytes.data());
}

std::uint64_t Switch::State::unix_ms(Instant now) const {
    return config.unix_zero * 1'000 + std::uint64_t(now.nanoseconds() / 1'000'000);
}

// One entry, and for a packet that ends here its path's id.
Onward Switch::State::onward(LinkNumber in, Label label, std::uint8_t hop_limit, std::size_t bytes, Instant now) {
    Onward out;
    LabelEntry* entry = labels.look_up(in, label, out.why);
    if (!entry) return drop(in, label, out.why, now), out;
    if ((entry->flags & LabelEntry::terminal) != 0) {
        out.kind = Onward::Kind::deliver;
        out.path = paths[entry->path].id;
        ++statistics.delivered;
    } else {
        if (hop_limit <= 1) out.why = LabelDrop::hop_limit;
        else if (bytes > entry->mtu) out.why = LabelDrop::too_large;
        else if (access && !access->transit_bytes(in, bytes, now)) out.why = LabelDrop::transit;
        if (out.why != LabelDrop::none) return drop(in, label, out.why, now), out;
        out.kind = Onward::Kind::forward;
        out.link = entry->out_link;
        out.label = entry->out_label;
        out.hop_limit = std::uint8_t(hop_limit - 1);
        ++statistics.forwarded;
        statistics.forwarded_bytes += bytes;
    }
    ++entry->packets;
    entry->bytes += bytes;
    if ((entry->flags & LabelEntry::acked) != 0) entry->expires = tick_of(now) + idle_ticks;
    return out;
}

void Switch::State::drop(LinkNumber in, Label label, LabelDrop why, Instant now) {
    ++statistics.dropped[std::size_t(why)];
    sink.add(now, trace::no_flow, trace::Type::drop, trace::Drop{trace_switch, std::uint32_t(why), 1, label});
    Neighbour* from = neighbour(in);
    if (!from) return;
    if (why == LabelDrop::too_large) {
        const LabelEntry* entry = labels.find(label);
        if (!from->mtu_hints.take(hints_a_second, hints_a_second, now)) return;
        if (from->hints.push_back({paths[entry->path].id, entry->mtu})) ++statistics.mtu_hints, touch(in);
    } else if (why != LabelDrop::hop_limit && why != LabelDrop::transit) {
        // The same answer for all three: a guesser learns nothing from it, and an honest neighbour ends its path.
        const StaleItem item{label};
        if (from->stale.size() == from->stale.limit || from->stale.contains(item)) return;
        if (!from->stales.take(stale_a_second, stale_a_second, now)) return;
        from->stale.push_back(item), ++statistics.stale_sent, touch(in);
    }
}

void Switch::State::advance(Instant now) {
    now_ = std::max(now_, now);
    close_unwanted(now);
    link_timers.advance(now, [&](std::uint32_t link) { repeat(LinkNumber(link), now); });
    path_timers.advance(now, [&](std::uint32_t index) { expire(index, now); });
    if (now >= wake) {
        wake = Instant::never();
        if (router.on_wake) router.on_wake(module, now.nanoseconds());
    }
}

Instant Switch::State::deadline() const {
    if (!outgoing.empty() || !dirty.empty() || !events.empty() || !lost.empty() || !unwanted.empty()) return now_;
    return std::min({path_timers.next(), link_timers.next(), wake});
}

void Switch::State::note(RouteEvent event, bool sent, std::uint64_t path, LinkNumber link, Instant now, NakReason reason,
                         Tag accused, std::uint32_t hops) {
    if (!sink.wants(trace::Type::route)) return;
    const trace::Route body{path, tag_at(link), accused, std::uint32_t(event), link, std::uint32_t(reason), hops};
    sink.add(now, trace::no_flow, trace::Type::route, body, sent ? 1 : 0);
}

void Switch::State::note(LabelEvent event, Label label, Instant now) {
    if (!sink.wants(trace::Type::label)) return;
    if (const LabelEntry* entry = labels.find(label))
        sink.add(now, trace::no_flow, trace::Type::label, body_of(event, label, *entry));
}

trace::Label Switch::State::body_of(LabelEvent event, Label label, const LabelEntry& entry) const {
    return {paths[entry.path].id, std::uint32_t(event), label, entry.out_label, entry.in_link, entry.out_link, entry.mtu};
}

Switch::Switch(const Identity& identity, const SwitchConfig& config, Entropy entropy, const weft_router_v1& table,
               void* router)
    : state_{std::make_unique<State>(identity, config, entropy, table, router)} {}
Switch::Switch(Switch&&) noexcept = default;
Switch& Switch::operator=(Switch&&) noexcept = default;
Switch::~Switch() = default;

void Switch::access(Access* access) { state_->access = access; }
void Switch::review_transit(Instant now) { state_->review_transit(now); }

void Switch::link_up(LinkNumber link, const Address& who, std::uint32_t mtu, Duration srtt, Instant now) {
    state_->link_up(link, who, mtu, srtt, now);
}

void Switch::link_quality(LinkNumber link, Duration srtt, std::uint32_t loss_ppm, Instant now) {
    Neighbour* at = state_->neighbour(link);
    if (!at) return;
    at->srtt = srtt;
    at->loss_ppm = loss_ppm;
    state_->tell_link(link, WEFT_LINK_QUALITY, now);
}

void Switch::link_mtu(LinkNumber link, std::uint32_t mtu, Instant now) { state_->link_mtu(link, mtu, now); }

void Switch::link_suspect(LinkNumber link, Instant now) {
    Neighbour* at = state_->neighbour(link);
    if (!at || std::exchange(at->suspect, true)) return;
    state_->tell_link(link, WEFT_LINK_SUSPECT, now);
}

void Switch::link_recovered(LinkNumber link, Instant now) {
    Neighbour* at = state_->neighbour(link);
    if (!at || !std::exchange(at->suspect, false)) return;
    state_->tell_link(link, WEFT_LINK_UP, now);
}

void Switch::link_down(LinkNumber link, Instant now) { state_->link_down(link, now); }

void Switch::receive_control(LinkNumber from, Bytes body, Instant now) { state_->receive(from, body, now); }

std::size_t Switch::control(std::span<Control> out, Instant now) {
    state_->close_unwanted(now);
    if (state_->outgoing.empty()) state_->gather(now);
    std::size_t filled = 0;
    for (; filled < out.size() && !state_->outgoing.empty(); ++filled) {
        out[filled] = std::move(state_->outgoing.front());
        state_->outgoing.pop_front();
        ++state_->statistics.control_out;
    }
    return filled;
}

LinkNumber Switch::take_lost() {
    if (state_->lost.empty()) return 0;
    const LinkNumber link = state_->lost.back();
    state_->lost.pop_back();
    return link;
}

Onward Switch::onward(LinkNumber in, Label label, std::uint8_t hop_limit, std::size_t bytes, Instant now) {
    return state_->onward(in, label, hop_limit, bytes, now);
}

Result<std::uint64_t> Switch::open(const Address& destination, Bytes init, Instant now, const PathWish& wish) {
    return state_->open(destination, init, now, wish);
}

void Switch::accept(std::uint64_t path, Bytes resp, Instant now) { state_->accept(path, resp, now); }
void Switch::refuse(std::uint64_t path, NakReason why, Instant now) { state_->refuse(path, why, now); }
void Switch::close(std::uint64_t path, Instant now) { state_->close(path, now); }
void Switch::renew(std::uint64_t path, Instant now) { state_->renew(path, now); }

std::size_t Switch::events(std::span<PathEvent> out) {
    std::size_t filled = 0;
    for (; filled < out.size() && !state_->events.empty(); ++filled) {
        out[filled] = std::move(state_->events.front());
        state_->events.pop_front();
    }
    return filled;
}

Result<void> Switch::send_routing(LinkNumber link, Bytes body, Instant now) {
    const auto header = ControlHeader::parse(body);
    if (!header || header->op < Op::routing_first || header->op > Op::routing_last) return std::unexpected(Error::invalid);
    if (body.size() > ControlHeader::size + list_bytes) return std::unexpected(Error::too_large);
    if (!state_->neighbour(link)) return std::unexpected(Error::unreachable);
    Body copy(body.begin(), body.end());
    if (!header->reliable()) state_->send_once(link, std::move(copy));
    else if (!state_->send(link, std::move(copy), 0, now)) return std::unexpected(Error::would_block);
    return {};
}

// Not at once: a module that asks for the past would keep the loop from sleeping.
void Switch::wake_router_at(Instant when) { state_->wake = std::max(when, state_->now_ + Duration::milliseconds(1)); }
void Switch::advance(Instant now) { state_->advance(now); }
Instant Switch::deadline() const { return state_->deadline(); }

std::vector<LabelRow> Switch::labels(std::size_t limit) const {
    std::vector<LabelRow> rows;
    const State& s = *state_;
    for (std::uint32_t index = 0; index < s.labels.made() && rows.size() < limit; ++index) {
        const LabelEntry* entry = s.labels.slot(index);
        if (!entry) continue;
        rows.push_back({make_label(index, entry->generation), entry->out_label, entry->in_link, entry->out_link,
                        entry->generation, (entry->flags & LabelEntry::acked) != 0,
                        (entry->flags & LabelEntry::terminal) != 0, entry->mtu, instant_of(entry->expires), entry->packets,
                        entry->bytes, s.paths[entry->path].id});
    }
    return rows;
}

std::vector<PathStatus> Switch::paths() const { return state_->statuses(); }

std::optional<PathStatus> Switch::path(const Address& remote) const {
    std::optional<PathStatus> best;
    for (PathStatus& status : state_->statuses()) {
        if (status.remote != remote) continue;
        const auto rank = [](const PathStatus& p) { return std::pair{p.open, p.since}; };
        if (!best || rank(status) > rank(*best)) best = std::move(status);
    }
    return best;
}

SwitchStatistics Switch::statistics() const {
    SwitchStatistics out = state_->statistics;
    out.labels = state_->labels.size();
    out.paths = state_->paths.size();
    for (const auto& at : state_->neighbours)
        if (at) out.repeated += at->reliable.repeated();
    return out;
}

void Switch::trace(const trace::Sink& sink) { state_->sink = sink; }

bool Switch::tell(const trace::Sink& to, std::uint32_t& cursor, std::size_t most, Instant now) const {
    using Event = State::LabelEvent;
    if (!to.wants(trace::Type::label)) return false;
    for (; cursor < state_->labels.made(); ++cursor, --most) {
        if (most == 0) return true;
        const LabelEntry* const entry = state_->labels.slot(cursor);
        if (!entry) continue;
        const Event how = (entry->flags & LabelEntry::acked) != 0 ? Event::completed : Event::made;
        to.add(now, trace::no_flow, trace::Type::label, state_->body_of(how, make_label(cursor, entry->generation), *entry),
               trace::snapshot_flag);
    }
    return false;
}

}  // namespace weft::overlay
