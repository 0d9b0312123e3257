// Room for labels and how long paths live: a neighbour pays for the paths that it asked for, and when all is full the oldest
// unanswered one goes first, then the heaviest neighbour's oldest idle (docs/wire.md).
#include <algorithm>
#include <utility>

#include "overlay/switch_state.h"

namespace weft::overlay {

Label Switch::State::give_label(std::uint32_t index, LinkNumber in_link, Instant now) {
    if (!room(index, now)) return 0;
    const Label label = labels.allocate(in_link, index);
    if (label != 0) ++asker(paths[index].up).labels;
    return label;
}

void Switch::State::free_label(Label& label, LinkNumber asked_by, Instant now) {
    if (label == 0) return;
    note(LabelEvent::freed, label, now);
    labels.free(std::exchange(label, 0));
    --asker(asked_by).labels;
}

// Makes room for one label of path `keep`, which is not evicted for it.
bool Switch::State::room(std::uint32_t keep, Instant now) {
    Neighbour& who = asker(paths[keep].up);
    if (&who != &self && who.labels >= config.labels_a_link && !evict(who, keep, now)) return false;
    if (!labels.full()) return true;
    Neighbour* heaviest = nullptr;
    std::uint32_t oldest = none;
    for (const auto& at : neighbours) {
        if (!at) continue;
        if (!heaviest || at->labels > heaviest->labels) heaviest = at.get();
        const std::uint32_t first = at->asked.first == keep ? paths[keep].place.next : at->asked.first;
        if (first != none && (oldest == none || paths[first].since < paths[oldest].since)) oldest = first;
    }
    if (oldest != none) evict(oldest, now);
    else if (heaviest) evict(*heaviest, keep, now);
    return !labels.full();
}

// The oldest unanswered path that it asked for, else an open one that was idle longest, about.
bool Switch::State::evict(Neighbour& from, std::uint32_t keep, Instant now) {
    const std::uint32_t first = from.asked.first == keep ? paths[keep].place.next : from.asked.first;
    if (first != none) return evict(first, now), true;
    const auto place = [&](std::uint32_t index) -> Place& { return paths[index].place; };
    for (int looked = 0; looked < 8 && from.open.first != from.open.last; ++looked) {
        const std::uint32_t index = from.open.first;
        const std::uint32_t expires = expiry(paths[index]);
        if (paths[index].seen == expires) break;  // nothing came since it was put here
        paths[index].seen = expires;
        from.open.remove(index, place);
        from.open.append(index, place);
    }
    if (from.open.first == none || from.open.first == keep) return false;
    return evict(from.open.first, now), true;
}

void Switch::State::evict(std::uint32_t index, Instant now) {
    ++statistics.evicted;
    const PathRecord& record = paths[index];
    if (record.stage != Stage::asked) return cut(index, 0, 0, now, false);
    nak(record.up, record.id, {NakReason::busy, own_tag(), 0}, record.pending->tries, false, now);
    if (record.down != 0) send_teardown(record.down, record.id, now);
    if (record.role == Role::destination) events.push_back(event(PathEvent::Kind::closed, index));
    remove(index, now);
}

void Switch::State::set_stage(std::uint32_t index, Stage stage, Instant now) {
    PathRecord& record = paths[index];
    Neighbour& who = asker(record.up);
    const auto place = [&](std::uint32_t i) -> Place& { return paths[i].place; };
    if (record.stage == Stage::asked) who.asked.remove(index, place);
    if (record.stage == Stage::open) who.open.remove(index, place);
    record.stage = stage;
    if (stage == Stage::asked) return who.asked.append(index, place);
    if (record.pending && record.pending->asking) --waiting;
    record.pending.reset();
    if (stage == Stage::open) {
        record.seen = expiry(record);
        return who.open.append(index, place);
    }
    paths.unbind_out(record.up, record.out_back, index);
    paths.unbind_out(record.down, record.out_forward, index);
    free_label(record.back, record.up, now);
    free_label(record.forward, record.up, now);
    record.end.reset();
}

void Switch::State::remove(std::uint32_t index, Instant now) {
    set_stage(index, Stage::free, now);
    path_timers.disarm(index);
    paths.remove(index);
}

std::uint32_t Switch::State::expiry(const PathRecord& record) const {
    std::uint32_t latest = 0;
    for (const Label label : {record.back, record.forward})
        if (const LabelEntry* entry = labels.find(label)) latest = std::max(latest, entry->expires);
    return latest;
}

// A path's timer: its deadline, the end of its memory, or its last packet was long ago.
void Switch::State::expire(std::uint32_t index, Instant now) {
    PathRecord& record = paths[index];
    switch (record.stage) {
    case Stage::free: return;
    case Stage::refused: return remove(index, now);
    case Stage::asked:
        if (record.pending->asking && now < record.pending->deadline) {
            if (const auto why = attempt(index, now)) give_up(index, *why, now);
            return;
        }
        if (record.role == Role::destination) events.push_back(event(PathEvent::Kind::closed, index));
        if (record.down != 0) send_teardown(record.down, record.id, now);
        return give_up(index, {NakReason::timeout, own_tag(), tag_at(record.down)}, now);
    case Stage::open:
        if (std::exchange(record.fresh, false)) record.answer = {};
        if (tick_of(now) < expiry(record)) return path_timers.arm(index, instant_of(expiry(record)));
        ++statistics.expired;
        if (record.role == Role::transit) return remove(index, now);
        return cut(index, 0, 0, now, false);
    }
}

}  // namespace weft::overlay
