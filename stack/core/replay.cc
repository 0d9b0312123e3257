// Folding records into the state of all flows. Identity of a flow is (place, generation); what names no generation is about who
// began last at its place, in a snapshot about the flow that is being told of.
#include "stack/core/replay.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "stack/core/fetch.h"

namespace weft::trace {
namespace {

constexpr std::uint32_t number_mask = 0x7fff'ffff;

bool is_told(const Record& record) { return (record.flags & snapshot_flag) != 0; }

// Bytes per second; no product overflows.
std::uint64_t rate_of(std::uint64_t before, std::uint64_t after, std::uint64_t interval_ns) {
    if (after <= before) return 0;
    const std::uint64_t bytes = after - before, microseconds = std::max<std::uint64_t>(interval_ns / 1'000, 1);
    constexpr std::uint64_t second = 1'000'000, most = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t whole = bytes / microseconds, rest = bytes % microseconds;
    if (whole >= most / second || rest > most / second) return most;
    return whole * second + rest * second / microseconds;
}

bool same(const Taken& a, const Taken& b) {
    return a.t_ns == b.t_ns && a.from == b.from && a.to == b.to && a.cause == b.cause &&
           a.segment_flags == b.segment_flags && a.generation == b.generation;
}

// Once, however often it is told.
void push(FlowState& flow, const Taken& taken) {
    if (std::ranges::any_of(flow.taken(), [&](const Taken& had) { return same(had, taken); })) return;
    if (flow.changes == FlowState::history_limit) {
        std::copy(flow.history.begin() + 1, flow.history.end(), flow.history.begin());
        --flow.changes;
    }
    flow.history[flow.changes++] = taken;
}

template <class Body>
bool same_bytes(const Body& a, const Body& b) {
    using Raw = std::array<std::byte, sizeof(Body)>;
    return std::bit_cast<Raw>(a) == std::bit_cast<Raw>(b);
}

}  // namespace

bool operator==(const FlowState& a, const FlowState& b) {
    return a.place == b.place && a.generation == b.generation && a.known == b.known && a.state == b.state &&
           a.ended_cause == b.ended_cause && a.changes == b.changes && same_bytes(a.begin, b.begin) && a.local == b.local &&
           a.remote == b.remote && a.since_ns == b.since_ns && a.ended_ns == b.ended_ns && a.slot == b.slot &&
           a.module == b.module && a.limit == b.limit && same_bytes(a.congestion, b.congestion) &&
           same_bytes(a.rate, b.rate) && same_bytes(a.counters, b.counters) && a.counters_ns == b.counters_ns &&
           a.rate_in == b.rate_in && a.rate_out == b.rate_out && a.losses == b.losses &&
           std::ranges::equal(a.taken(), b.taken(), same);
}

// With many flows the time goes into fetching them: who comes soon is fetched ahead.
void Replay::apply(std::span<const Record> records) {
    constexpr std::size_t ahead = 12;
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (i + ahead < records.size()) fetch(records[i + ahead]);
        apply(records[i]);
    }
}

void Replay::fetch(const Record& record) const {
    if (record.type == Type::segment_sent || record.type == Type::segment_received) return;
    const std::uint32_t index = latest_.find(record.flow);
    if (index == PlaceTable::none) return;
    const FlowState& flow = living_[index];
    const void* wanted = record.type == Type::congestion ? static_cast<const void*>(&flow.congestion)
                         : record.type == Type::rate     ? static_cast<const void*>(&flow.rate)
                         : record.type == Type::counters ? static_cast<const void*>(&flow.counters)
                                                         : static_cast<const void*>(&flow.limit);
    fetch_line(wanted);
    fetch_line(static_cast<const std::byte*>(wanted) + 40);
}

void Replay::apply(const Record& record) {
    now_ns_ = std::max(now_ns_, record.t_ns);
    switch (record.type) {
    case Type::congestion:
        if (FlowState* flow = sampled(record)) flow->congestion = body_of<Congestion>(record);
        return;
    case Type::rate:
        if (FlowState* flow = sampled(record)) flow->rate = body_of<Rate>(record);
        return;
    case Type::limit:
        if (FlowState* flow = sampled(record)) flow->limit = body_of<Limit>(record).limit;
        return;
    case Type::loss:
        if (FlowState* flow = sampled(record)) flow->losses += flow->losses != std::numeric_limits<std::uint32_t>::max();
        return;
    case Type::counters: return apply_counters(record);
    case Type::state: return apply_state(record);
    case Type::flow: return apply_begin(record);
    case Type::define: return apply_define(record);
    case Type::plugin: return apply_plugin(record);
    case Type::lagged: return apply_lagged(record);
    case Type::history: return apply_history(record);
    case Type::summary: return apply_summary(record);
    default: return;
    }
}

FlowState* Replay::latest(std::uint32_t place) {
    const std::uint32_t index = latest_.find(place);
    return index == PlaceTable::none ? nullptr : &living_[index];
}

FlowState* Replay::living(std::uint32_t place, std::uint32_t generation) {
    FlowState* last = latest(place);
    if (last && last->generation == generation) return last;
    const std::uint32_t index = aside_.find(identity(place, generation));
    return index == PlaceTable::none ? nullptr : &living_[index];
}

// Whom a record without a generation is about.
FlowState* Replay::sampled(const Record& record) {
    if (is_told(record) && std::uint32_t(telling_) == record.flow) return living(record.flow, std::uint32_t(telling_ >> 32));
    return latest(record.flow);
}

const FlowState* Replay::find(std::uint32_t place) const {
    if (const std::uint32_t index = latest_.find(place); index != PlaceTable::none) return &living_[index];
    const auto last =
        std::find_if(ended_.rbegin(), ended_.rend(), [&](const FlowState& flow) { return flow.place == place; });
    return last == ended_.rend() ? nullptr : &*last;
}

const FlowState* Replay::find(std::uint32_t place, std::uint32_t generation) const {
    if (const std::uint32_t index = latest_.find(place);
        index != PlaceTable::none && living_[index].generation == generation)
        return &living_[index];
    if (const std::uint32_t index = aside_.find(identity(place, generation)); index != PlaceTable::none)
        return &living_[index];
    const std::uint32_t number = ended_numbers_.find(identity(place, generation));
    return number == PlaceTable::none ? nullptr : &ended_[(number - first_ended_) & number_mask];
}

// Its place, if it is not `earlier`, is free.
FlowState* Replay::add(const Record& record, std::uint32_t generation, bool earlier) {
    if (living_.size() >= limits_.living || record.flow == no_flow) {
        ++refused_;
        return nullptr;
    }
    const auto index = std::uint32_t(living_.size());
    FlowState& flow = living_.emplace_back();
    flow.place = record.flow;
    flow.generation = generation;
    flow.since_ns = record.t_ns;
    if (earlier) aside_.insert(identity(flow.place, generation), index);
    else latest_.insert(flow.place, index);
    return &flow;
}

// Somebody else begins at the place: a connection in TIME-WAIT goes on, of anybody else the end was not heard.
void Replay::displace(std::uint32_t place, std::int64_t t_ns) {
    FlowState* old = latest(place);
    if (!old) return;
    if (old->state == state_time_wait) {
        latest_.erase(place);
        aside_.insert(identity(place, old->generation), std::uint32_t(old - living_.data()));
        return;
    }
    push(*old, {t_ns, old->state, state_closed, cause_unheard, 0, old->generation});
    old->state = state_closed;
    old->since_ns = t_ns;
    end(*old, t_ns, cause_unheard);
}

void Replay::remove(FlowState& flow) {
    const auto index = std::uint32_t(&flow - living_.data()), last = std::uint32_t(living_.size() - 1);
    if (latest_.find(flow.place) == index) latest_.erase(flow.place);
    else aside_.erase(identity(flow.place, flow.generation));
    if (index != last) {
        const FlowState& moves = living_[last];
        if (latest_.find(moves.place) == last) latest_.insert(moves.place, index);
        else aside_.insert(identity(moves.place, moves.generation), index);
        living_[index] = living_[last];
    }
    living_.pop_back();
}

void Replay::end(FlowState& flow, std::int64_t t_ns, std::uint8_t cause) {
    flow.ended_ns = std::max<std::int64_t>(t_ns, 1);
    flow.ended_cause = cause;
    if (limits_.ended > 0) {
        if (ended_.size() >= limits_.ended) forget_ended();
        ended_numbers_.insert(identity(flow.place, flow.generation),
                              (first_ended_ + std::uint32_t(ended_.size())) & number_mask);
        ended_.push_back(flow);
    }
    remove(flow);
}

void Replay::forget_ended() {
    const FlowState& oldest = ended_.front();
    const std::uint64_t id = identity(oldest.place, oldest.generation);
    if (ended_numbers_.find(id) == first_ended_) ended_numbers_.erase(id);
    ended_.pop_front();
    first_ended_ = (first_ended_ + 1) & number_mask;
}

void Replay::apply_begin(const Record& record) {
    constexpr std::uint8_t only_time_wait = 3;
    const auto body = body_of<FlowBegin>(record);
    FlowState* flow = living(record.flow, body.generation);
    if (flow && flow->known && body.role == only_time_wait) return;  // it says less than what is known
    if (!flow) {
        if (ended_numbers_.find(identity(record.flow, body.generation)) != PlaceTable::none) {
            refused_ += !is_told(record);  // a generation never comes again
            telling_ = identity(record.flow, body.generation);
            return;
        }
        const bool earlier = body.role == only_time_wait || (record.flags & earlier_flag) != 0;
        if (!earlier) displace(record.flow, record.t_ns);
        flow = add(record, body.generation, earlier);
        if (!flow) return;
        if (body.role == only_time_wait) flow->state = state_time_wait;
    }
    telling_ = identity(record.flow, body.generation);
    flow->known = true;
    flow->begin = body;
    flow->slot = body.slot;
    flow->module = body.module;
    flow->local = heard(body.local_id);
    flow->remote = heard(body.remote_id);
}

void Replay::apply_state(const Record& record) {
    const auto change = body_of<StateChange>(record);
    if (change.from >= state_names.size() || change.to >= state_names.size() || record.flow == no_flow) {
        ++refused_;
        return;
    }
    if (is_told(record)) return apply_told_state(record, change);
    if ((record.flags & moved_flag) != 0) return apply_moved(record, change);
    if (change.from == change.to) {
        ++refused_;
        return;
    }
    FlowState* flow = living(record.flow, change.generation);
    if (!flow) {  // its begin was not heard
        if (change.to == state_closed || ended_numbers_.find(identity(record.flow, change.generation)) != PlaceTable::none)
            return;
        displace(record.flow, record.t_ns);
        flow = add(record, change.generation, false);
        if (!flow) return;
    }
    push(*flow, {record.t_ns, change.from, change.to, change.cause, change.segment_flags, change.generation});
    flow->state = change.to;
    flow->since_ns = record.t_ns;
    const bool half_open_ends = change.from == state_syn_received && change.to == state_listen;
    if (change.to == state_closed || half_open_ends) end(*flow, record.t_ns, change.cause);
}

// Told again: it never ends a flow, a Summary does that.
void Replay::apply_told_state(const Record& record, const StateChange& change) {
    FlowState* flow = living(record.flow, change.generation);
    telling_ = identity(record.flow, change.generation);
    if (!flow) {
        if (ended_numbers_.find(telling_) != PlaceTable::none) return;
        const bool earlier = (record.flags & earlier_flag) != 0;
        if (!earlier) displace(record.flow, record.t_ns);
        flow = add(record, change.generation, earlier);
        if (!flow) return;
    }
    if (flow->state != change.to) flow->since_ns = record.t_ns;
    flow->state = change.to;
    flow->ended_cause = change.cause;
}

// First the half-open record, which is over without an end, then the connection, which inherits how it came so far.
void Replay::apply_moved(const Record& record, const StateChange& change) {
    FlowState* flow = living(record.flow, change.generation);
    if (is_half_open(record.flow)) {
        if (!flow) return;
        moving_ = *flow;
        moving_.ended_ns = std::max<std::int64_t>(record.t_ns, 1);
        return remove(*flow);
    }
    if (!flow) {
        if (ended_numbers_.find(identity(record.flow, change.generation)) != PlaceTable::none) return;
        displace(record.flow, record.t_ns);
        flow = add(record, change.generation, false);
        if (!flow) return;
    }
    flow->state = change.to;
    flow->since_ns = record.t_ns;
    const bool same_flow = moving_.ended_ns == std::max<std::int64_t>(record.t_ns, 1) && flow->changes == 0 &&
                           moving_.begin.local_port == flow->begin.local_port &&
                           moving_.begin.remote_port == flow->begin.remote_port && moving_.remote == flow->remote;
    if (!same_flow) return;
    flow->since_ns = moving_.since_ns;
    flow->history = moving_.history;
    flow->changes = moving_.changes;
    moving_ = {};
}

const Replay::Known* Replay::known(std::uint32_t id) const {
    const std::uint32_t index = address_ids_.find(id);
    return index == PlaceTable::none ? nullptr : &addresses_[index];
}

const Address* Replay::address(std::uint32_t id) const {
    const Known* there = id == no_id ? nullptr : known(id);
    return there && there->address.family() != Family::none ? &there->address : nullptr;
}

Address Replay::heard(std::uint32_t id) const {
    const Address* there = address(id);
    return there ? *there : Address{};
}

void Replay::apply_define(const Record& record) {
    const auto body = body_of<Define>(record);
    if (body.part > 1 || body.id == no_id) {
        ++refused_;
        return;
    }
    const auto family = Family(record.flags & 0xff);
    std::uint32_t index = address_ids_.find(body.id);
    if (index == PlaceTable::none) {
        if (family == Family::none || limits_.addresses == 0) return;
        if (addresses_.size() < limits_.addresses) {
            index = std::uint32_t(addresses_.size());
            addresses_.emplace_back();
        } else {
            index = std::uint32_t(next_address_);
            next_address_ = (next_address_ + 1) % limits_.addresses;
            address_ids_.erase(addresses_[index].id);
            addresses_[index] = {};
        }
        address_ids_.insert(body.id, index);
    }
    Known& it = addresses_[index];
    // The first part begins the address anew: ids are used again.
    if (body.part == 0 || it.family != family) it = {body.id, family, 0, {}, {}};
    if (family == Family::none) return;
    constexpr std::size_t first = 40;
    const std::size_t from = body.part * first, size = std::min(first, Address::max_size - from);
    std::copy_n(body.bytes.begin(), size, it.bytes.begin() + std::ptrdiff_t(from));
    it.parts = std::uint8_t(it.parts | 1u << body.part);
    const std::size_t length = family == Family::ipv4 ? 4 : family == Family::ipv6 ? 16 : Address::max_size;
    const bool complete = (it.parts & 1) != 0 && (length <= first || it.parts == 3);
    it.address = complete ? Address{family, std::span{it.bytes}.first(length)} : Address{};
}

// Events 3 and 7 name the module that a flow goes on with or begins with.
void Replay::apply_plugin(const Record& record) {
    const auto body = body_of<Plugin>(record);
    if (record.flow == no_flow || (body.event != 3 && body.event != 7)) return;
    if (FlowState* flow = living(record.flow, body.generation)) {
        flow->slot = body.slot;
        flow->module = body.name;
    }
}

void Replay::apply_counters(const Record& record) {
    FlowState* flow = sampled(record);
    if (!flow) return;
    const auto body = body_of<Counters>(record);
    // Two of the same moment tell no rate, and from before the first one nothing is known but when the flow began.
    const std::int64_t since = flow->counters_ns != 0 ? flow->counters_ns : flow->begin.opened_ns;
    if (!is_told(record) && since != 0 && record.t_ns > since) {
        const std::uint64_t interval = std::uint64_t(record.t_ns) - std::uint64_t(since);
        flow->rate_in = rate_of(flow->counters.bytes_in, body.bytes_in, interval);
        flow->rate_out = rate_of(flow->counters.bytes_out, body.bytes_out, interval);
    }
    flow->counters = body;
    flow->counters_ns = record.t_ns;
}

void Replay::apply_lagged(const Record& record) {
    const auto body = body_of<Lagged>(record);
    if (body.where >= lagged_.size() || body.type >= lagged_[0].size()) {
        ++refused_;
        return;
    }
    std::uint64_t& total = lagged_[body.where][body.type];
    total = is_told(record) ? std::max(total, body.count) : total + std::min(body.count, ~total);
}

std::uint64_t Replay::lagged(Type type) const {
    const auto number = std::size_t(type);
    return number < lagged_[0].size() ? lagged_[0][number] + lagged_[1][number] : 0;
}

std::uint64_t Replay::lagged() const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < lagged_[0].size(); ++i) total += lagged(Type(i));
    return total;
}

std::uint64_t Replay::left_out() const {
    std::uint64_t total = 0;
    for (const std::uint64_t count : lagged_[2]) total += count;
    return total;
}

void Replay::apply_history(const Record& record) {
    FlowState* flow = sampled(record);
    if (!flow || !is_told(record)) return;
    for (const Taken& taken : body_of<History>(record).taken) {
        const bool nothing = taken.t_ns == 0 && taken.from == 0 && taken.to == 0 && taken.generation == 0;
        if (nothing || taken.from >= state_names.size() || taken.to >= state_names.size()) continue;
        push(*flow, taken);
    }
}

void Replay::apply_summary(const Record& record) {
    if (!is_told(record)) return;
    const auto body = body_of<Summary>(record);
    if (record.flow == no_flow) {  // a snapshot begins, and says how much room it takes
        const auto flows = std::min<std::size_t>(body.generation, limits_.living);
        const auto addresses = std::min<std::size_t>(body.losses, limits_.addresses);
        if (living_.empty() && living_.capacity() < flows) {
            living_.reserve(flows);
            latest_.reserve(flows);
        }
        if (addresses_.empty() && addresses_.capacity() < addresses) {
            addresses_.reserve(addresses);
            address_ids_.reserve(addresses);
        }
        return;
    }
    FlowState* flow = living(record.flow, body.generation);
    if (!flow) return;
    flow->losses = body.losses;
    flow->since_ns = body.since_ns;
    flow->counters_ns = body.counters_ns;
    flow->rate_in = body.rate_in;
    flow->rate_out = body.rate_out;
    if (body.ended_ns != 0) end(*flow, body.ended_ns, flow->ended_cause);
}

}  // namespace weft::trace
