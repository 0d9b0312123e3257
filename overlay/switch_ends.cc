// Paths that begin or end at this node, and what their sessions hear of them (docs/wire.md).
#include <algorithm>
#include <utility>

#include "overlay/switch_state.h"

namespace weft::overlay {

Result<std::uint64_t> Switch::State::open(const Address& destination, Bytes init, Instant now, const PathWish& wish) {
    if (asking) return std::unexpected(Error::would_block);
    if (destination.family() != Family::overlay || destination == identity.address()) return std::unexpected(Error::invalid);
    if ((!init.empty() && init.size() != Setup::init_bytes) || wish.avoid.size() > Setup::avoid_limit)
        return std::unexpected(Error::invalid);
    if (paths.size() >= config.labels) return std::unexpected(Error::no_memory);
    Setup setup;
    do setup.path = random_word();
    while (setup.path == 0 || paths.find(setup.path));
    setup.pmtu = 0xffff;
    setup.ts = unix_ms(now);
    setup.dst = destination;
    setup.src = identity.address();
    for (const Tag tag : wish.avoid) setup.avoid.push_back(tag);
    for (const std::byte b : init) setup.payload.push_back(b);
    setup.sign(identity, config.netid);
    const std::uint64_t path = setup.path;
    const std::uint32_t index = begin(0, Role::source, std::move(setup), wish.deadline, now);
    paths[index].end = std::make_unique<PathEnd>();
    paths[index].end->remote = destination;
    paths[index].end->since = now;
    if (const auto why = attempt(index, now)) {
        remove(index, now);
        return std::unexpected(why->reason == NakReason::busy ? Error::no_memory : Error::unreachable);
    }
    return path;
}

void Switch::State::accept(std::uint64_t path, Bytes resp, Instant now) {
    const auto index = paths.find(path);
    if (!index || (!resp.empty() && resp.size() != SetupAck::resp_bytes)) return;
    PathRecord& record = paths[*index];
    if (record.role != Role::destination || record.stage != Stage::asked) return;
    const Setup& setup = record.pending->setup;
    SetupAck ack;
    ack.path = path;
    ack.forward_label = record.forward;
    ack.pmtu = setup.pmtu;
    ack.hops = 1;
    ack.ts = setup.ts;
    for (const Tag tag : setup.visited) ack.visited.push_back(tag);
    for (const std::byte b : resp) ack.payload.push_back(b);
    ack.sign(identity, config.netid, setup.dst, setup.src);
    LabelEntry& entry = *labels.find(record.forward);
    entry.flags |= LabelEntry::acked;
    entry.expires = tick_of(now) + idle_ticks;
    note(LabelEvent::completed, record.forward, now);
    learn_source(record, now);
    set_stage(*index, Stage::open, now);
    answer_ack(*index, ack, now);
}

void Switch::State::refuse(std::uint64_t path, NakReason why, Instant now) {
    const auto index = paths.find(path);
    if (!index || paths[*index].role != Role::destination || paths[*index].stage != Stage::asked) return;
    give_up(*index, {why == NakReason::none ? NakReason::admin : why, own_tag(), 0}, now);
}

void Switch::State::close(std::uint64_t path, Instant now) {
    if (asking) return unwanted.push_back(path);
    const auto index = paths.find(path);
    if (!index) return;
    const PathRecord& record = paths[*index];
    if (record.role == Role::transit || record.stage == Stage::refused) return;
    if (record.role == Role::destination && record.stage == Stage::asked) return refuse(path, NakReason::admin, now);
    for (const LinkNumber link : {record.up, record.down})
        if (link != 0) send_teardown(link, path, now);
    remove(*index, now);
}

void Switch::State::renew(std::uint64_t path, Instant now) {
    const auto index = paths.find(path);
    if (!index || paths[*index].stage != Stage::open) return;
    for (const Label label : {paths[*index].back, paths[*index].forward})
        if (LabelEntry* entry = labels.find(label)) entry->expires = tick_of(now) + idle_ticks;
}

// Of an end: which link and label its packets leave by.
PathEvent Switch::State::event(PathEvent::Kind kind, std::uint32_t index) {
    const PathRecord& record = paths[index];
    PathEvent out;
    out.kind = kind;
    out.path = record.id;
    out.link = record.role == Role::source ? record.down : record.up;
    out.label = record.role == Role::source ? record.out_forward : record.out_back;
    if (!record.end) return out;
    out.remote = record.end->remote;
    out.mtu = record.end->mtu;
    out.cost = record.end->cost;
    out.hops = record.end->hops;
    if (kind == PathEvent::Kind::opened || kind == PathEvent::Kind::offered) out.visited = record.end->visited;
    return out;
}

std::vector<PathStatus> Switch::State::statuses() const {
    std::vector<PathStatus> out;
    for (std::uint32_t index = 0; index < paths.made(); ++index) {
        const PathRecord& record = paths[index];
        if (!record.end || record.stage == Stage::free) continue;
        const bool source = record.role == Role::source;
        out.push_back({record.id, record.end->remote, source, record.stage == Stage::open, source ? record.down : record.up,
                       source ? record.out_forward : record.out_back, source ? record.back : record.forward, record.end->mtu,
                       record.end->cost, record.end->hops, record.end->since, instant_of(expiry(record)),
                       record.end->visited});
    }
    return out;
}

}  // namespace weft::overlay
