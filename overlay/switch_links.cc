// Links of a node as they come and go, and the messages that end a path: BROKEN, TEARDOWN and STALE; and MTU hints. They
// count only from the path's own two links (docs/wire.md).
#include <algorithm>
#include <utility>

#include "overlay/access.h"
#include "overlay/switch_state.h"

namespace weft::overlay {

void Switch::State::link_up(LinkNumber link, const Address& who, std::uint32_t mtu, Duration srtt, Instant now) {
    if (link == 0) return;
    now_ = std::max(now_, now);
    if (link >= neighbours.size()) neighbours.resize(link + 1u);
    if (neighbours[link] && neighbours[link]->address != who) link_down(link, now);
    if (neighbours[link]) neighbours[link]->reliable.forget_received();
    else neighbours[link] = std::make_unique<Neighbour>(who, std::uint16_t(random_word()));
    Neighbour& at = *neighbours[link];
    at.srtt = srtt;
    at.suspect = false;
    dirty.reserve(neighbours.size());
    lost.reserve(neighbours.size());
    if (at.mtu != 0 && at.mtu != mtu) link_mtu(link, mtu, now);
    at.mtu = mtu;
    tell_link(link, WEFT_LINK_UP, now);
    ask_waiting(now);
}

void Switch::State::link_mtu(LinkNumber link, std::uint32_t mtu, Instant now) {
    Neighbour* at = neighbour(link);
    if (!at || at->mtu == mtu) return;
    at->mtu = mtu;
    for (std::uint32_t index = 0; index < paths.made(); ++index)
        for (const Label label : {paths[index].back, paths[index].forward})
            if (LabelEntry* entry = labels.find(label); entry && entry->out_link == link)
                entry->mtu = std::uint16_t(std::min<std::uint32_t>(mtu, 0xffff));
    tell_link(link, WEFT_LINK_QUALITY, now);
}

// Whoever waits behind it for an answer tries elsewhere; all other paths over it are gone.
void Switch::State::link_down(LinkNumber link, Instant now) {
    Neighbour* at = neighbour(link);
    if (!at) return;
    now_ = std::max(now_, now);
    at->gone = true;
    tell_link(link, WEFT_LINK_DOWN, now);
    for (std::uint32_t index = 0; index < paths.made(); ++index) {
        const PathRecord& record = paths[index];
        if (record.stage == Stage::free || (record.up != link && record.down != link)) continue;
        if (record.stage == Stage::asked && record.down == link)
            try_elsewhere(index, {NakReason::timeout, own_tag(), at->tag}, record.pending->tries, now);
        else if (record.stage == Stage::refused) remove(index, now);
        else cut(index, link, at->tag, now);
    }
    // A set-up may have tried elsewhere in vain, and its refusal is kept for a neighbour that is no more.
    for (std::uint32_t index = 0; index < paths.made(); ++index)
        if (paths[index].stage != Stage::free && (paths[index].up == link || paths[index].down == link)) remove(index, now);
    statistics.repeated += at->reliable.repeated();
    link_timers.disarm(link);
    std::erase(dirty, link);
    std::erase(lost, link);
    neighbours[link].reset();
}

void Switch::State::review_transit(Instant now) {
    if (!access) return;
    for (std::uint32_t index = 0; index < paths.made(); ++index) {
        const PathRecord& record = paths[index];
        const Neighbour* from = neighbour(record.up);
        const bool carried = record.role == Role::transit && (record.stage == Stage::asked || record.stage == Stage::open);
        if (!carried || !from || access->may_transit(from->address)) continue;
        if (record.stage == Stage::open) {
            cut(index, 0, own_tag(), now, false);
            continue;
        }
        if (record.down != 0) send_teardown(record.down, record.id, now);
        give_up(index, {NakReason::admin, own_tag(), 0}, now);
    }
}

void Switch::State::cut(std::uint32_t index, LinkNumber from, Tag accused, Instant now, bool failed) {
    const PathRecord& record = paths[index];
    if (failed) ++statistics.broken;
    for (const LinkNumber link : {record.up, record.down}) {
        Neighbour* to = neighbour(link);
        if (!to || link == from || to->gone) continue;
        to->broken.push_back({record.id, accused});
        touch(link);
        note(RouteEvent::broken, true, record.id, link, now, {}, accused);
    }
    if (record.role != Role::transit) {
        PathEvent broken = event(PathEvent::Kind::broken, index);
        broken.accused = accused;
        events.push_back(std::move(broken));
        if (failed) tell_broken(record, now);
    }
    remove(index, now);
}

void Switch::State::tear(std::uint32_t index, LinkNumber from, Instant now) {
    const PathRecord& record = paths[index];
    for (const LinkNumber link : {record.up, record.down})
        if (link != 0 && link != from) send_teardown(link, record.id, now);
    if (record.role != Role::transit) events.push_back(event(PathEvent::Kind::closed, index));
    remove(index, now);
}

void Switch::State::send_teardown(LinkNumber link, std::uint64_t path, Instant now) {
    const TeardownItem items[] = {{path}};
    note(RouteEvent::teardown, true, path, link, now);
    send(link, list_body<TeardownItem>(items), path, now);
}

std::optional<std::uint32_t> Switch::State::own(LinkNumber from, std::uint64_t path) {
    const auto index = paths.find(path);
    if (index && (paths[*index].up == from || paths[*index].down == from)) return index;
    ++statistics.foreign;
    return std::nullopt;
}

void Switch::State::receive_broken(LinkNumber from, const BrokenItem& item, Instant now) {
    note(RouteEvent::broken, false, item.path, from, now, {}, item.accused);
    const auto index = own(from, item.path);
    if (!index) return;
    const PathRecord& record = paths[*index];
    if (record.stage == Stage::refused) return;
    if (record.stage == Stage::asked && record.down == from)
        return try_elsewhere(*index, {NakReason::timeout, tag_at(from), item.accused}, record.pending->tries, now);
    cut(*index, from, item.accused, now);
}

void Switch::State::receive_teardown(LinkNumber from, const TeardownItem& item, Instant now) {
    note(RouteEvent::teardown, false, item.path, from, now);
    const auto index = own(from, item.path);
    if (!index) return;
    ++statistics.teardowns;
    const PathRecord& record = paths[*index];
    if (record.stage == Stage::refused) return;
    if (record.stage == Stage::asked && record.down == from)
        return try_elsewhere(*index, {NakReason::no_route, tag_at(from), 0}, record.pending->tries, now);
    tear(*index, from, now);
}

// The neighbour does not know a label that we write: the path ends there.
void Switch::State::receive_stale(LinkNumber from, const StaleItem& item, Instant now) {
    ++statistics.stale_received;
    const auto index = paths.find_out(from, item.label);
    if (index && paths[*index].stage == Stage::open) cut(*index, from, tag_at(from), now);
}

void Switch::State::receive_mtu(LinkNumber from, const MtuItem& item, Instant now) {
    const auto index = own(from, item.path);
    if (!index || paths[*index].stage != Stage::open) return;
    const PathRecord& record = paths[*index];
    const MtuItem hint{item.path, std::max(item.mtu, mtu_floor)};
    if (record.role == Role::transit) {
        Neighbour* to = neighbour(record.up == from ? record.down : record.up);
        if (!to || !neighbour(from)->mtu_hints.take(hints_a_second, hints_a_second, now)) return;
        if (to->hints.push_back(hint)) ++statistics.mtu_hints, touch(record.up == from ? record.down : record.up);
    } else if (hint.mtu < record.end->mtu) {
        record.end->mtu = hint.mtu;
        events.push_back(event(PathEvent::Kind::mtu, *index));
    }
}

// 10 for the hop, one for each 100 us, 2,000 for a link that loses everything.
std::uint16_t Switch::State::cost_of(const Neighbour& at) const {
    const std::int64_t cost = 10 + std::max<std::int64_t>(at.srtt.count(), 0) / 100'000 + at.loss_ppm / 500;
    return std::uint16_t(std::min<std::int64_t>(cost, cost_limit));
}

}  // namespace weft::overlay
