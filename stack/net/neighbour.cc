// The states of RFC 4861, section 7.3.2. An address that was confirmed needs no timer: it is looked at again when it is used.
#include "stack/net/neighbour.h"

#include <utility>

namespace weft::net {

std::uint64_t Neighbours::name_of(const Address& address, std::uint32_t link) const {
    return siphash(key_, address.bytes()) ^ siphash(key_, std::uint64_t{link} << 8 | std::uint64_t(address.family()));
}

std::uint32_t Neighbours::find(const Address& address, std::uint32_t link) const {
    const auto found = table_.find(name_of(address, link));
    if (!found) return none;
    const Neighbour& entry = entries_[*found];
    return entry.address == address && entry.link == link ? *found : none;
}

std::uint32_t Neighbours::make(const Address& address, std::uint32_t link) {
    const std::uint64_t name = name_of(address, link);
    if (table_.find(name)) return none;  // two names with one keyed hash of 64 bits
    std::uint32_t index = count_;
    if (!free_.empty()) {
        index = free_.back();
        free_.pop_back();
    } else {
        entries_.reach(count_++);
    }
    entries_[index] = {};
    entries_[index].address = address;
    entries_[index].link = link;
    entries_[index].alive = true;
    entries_[index].name = name;
    table_.insert(name, index);
    return index;
}

void Neighbours::erase(std::uint32_t index) {
    Neighbour& entry = entries_[index];
    dropped_ += entry.held.size();
    held_ -= entry.held.size();
    wheel_.disarm(index);
    table_.erase(entry.name);
    entry = {};
    free_.push_back(index);
}

std::uint32_t Neighbours::hold(const Address& address, std::uint32_t link) {
    std::uint32_t index = find(address, link);
    if (index == none) index = make(address, link);
    else if (entries_[index].users == 0) idle_.remove(index, idle_place()), --idle_count_;
    if (index != none) ++entries_[index].users;
    return index;
}

// The last path is gone: what was learnt stays for a while, a question without an answer does not.
void Neighbours::release(std::uint32_t index) {
    Neighbour& entry = entries_[index];
    if (--entry.users > 0) return;
    idle_.append(index, idle_place());
    ++idle_count_;
    if (entry.fresh_until == Instant{} && entry.state != NeighbourState::stale) {
        idle_.remove(index, idle_place());
        --idle_count_;
        return erase(index);
    }
    while (idle_count_ > most_idle) {
        const std::uint32_t oldest = idle_.first;
        idle_.remove(oldest, idle_place());
        --idle_count_;
        erase(oldest);
    }
}

bool Neighbours::usable_after_a_look(std::uint32_t index, Instant now) {
    Neighbour& entry = entries_[index];
    switch (entry.state) {
    case NeighbourState::reachable:
    case NeighbourState::stale:  // section 7.3.3: use it, and ask a little later whether it is still there
        entry.state = NeighbourState::delay;
        entry.fresh_until = Instant::never();
        wheel_.arm(index, now + first_probe);
        return true;
    case NeighbourState::delay:
    case NeighbourState::probe: return true;
    case NeighbourState::failed:
        if (now < entry.retry_at) return false;
        [[fallthrough]];
    case NeighbourState::incomplete:
        entry.state = NeighbourState::incomplete;
        if (entry.asking) return false;
        entry.asking = true;
        entry.tries = 1;
        asks.push_back({index, false});
        wheel_.arm(index, now + retransmit);
        return false;
    }
    return false;
}

// The newest packets wait (RFC 1122, section 2.3.2.2: at least the latest).
void Neighbours::keep(std::uint32_t index, const Transmit& frame, std::span<const Slice> payload) {
    Neighbour& entry = entries_[index];
    if (entry.state == NeighbourState::failed || (held_ >= most_held_in_all && entry.held.empty())) {
        ++dropped_;
        return;
    }
    if (entry.held.size() >= most_held || held_ >= most_held_in_all) {
        entry.held.erase(entry.held.begin());
        --held_;
        ++dropped_;
    }
    entry.held.push_back({frame, {payload.begin(), payload.end()}});
    entry.held.back().frame.payload = {};
    ++held_;
}

std::vector<Held> Neighbours::take_held(std::uint32_t index) {
    held_ -= entries_[index].held.size();
    return std::exchange(entries_[index].held, {});
}

// Between one half and three halves of the base, so that hosts do not ask in step (RFC 4861, section 6.3.2).
void Neighbours::confirm(Neighbour& entry, Instant now) {
    const std::int64_t base = reachable_time.count();
    const std::uint64_t random = siphash(key_, entry.name, draws_++) % std::uint64_t(base);
    entry.state = NeighbourState::reachable;
    entry.fresh_until = now + Duration::nanoseconds(base / 2 + std::int64_t(random));
}

// RFC 4861, section 7.2.5, and for who asks us section 7.2.3.
Neighbours::Heard Neighbours::hear(const Address& address, std::uint32_t link, const Said& said, Instant now) {
    std::uint32_t index = find(address, link);
    if (index == none) {
        if (!said.asks_us || !said.has_mac) return Heard::nothing;
        index = make(address, link);
        if (index == none) return Heard::nothing;
        entries_[index].mac = said.mac;
        entries_[index].state = NeighbourState::stale;
        ++entries_[index].users;
        release(index);
        return Heard::nothing;
    }
    Neighbour& entry = entries_[index];
    const bool unknown = entry.state == NeighbourState::incomplete || entry.state == NeighbourState::failed;
    if (unknown && !said.has_mac) return Heard::nothing;
    const bool other = said.has_mac && said.mac != entry.mac;
    const bool answers = said.solicited && (entry.asking || entry.state == NeighbourState::probe);
    if (!unknown && other && !said.overrides) {
        if (entry.state == NeighbourState::reachable) entry.state = NeighbourState::stale, entry.fresh_until = {};
        return Heard::nothing;
    }
    if (said.has_mac) entry.mac = said.mac;
    if (answers || unknown || other) {
        wheel_.disarm(index);
        entry.asking = false;
        entry.tries = 0;
        entry.state = NeighbourState::stale;
        entry.fresh_until = {};
        if (answers) confirm(entry, now);
    }
    return unknown ? Heard::resolved : other ? Heard::moved : Heard::nothing;
}

void Neighbours::advance(Instant now) {
    wheel_.advance(now, [&](std::uint32_t index) { expire(index, now); });
}

void Neighbours::expire(std::uint32_t index, Instant now) {
    Neighbour& entry = entries_[index];
    if (entry.state == NeighbourState::delay) {
        entry.state = NeighbourState::probe;
        entry.tries = 0;
    }
    if (entry.tries >= most_tries) {
        if (entry.state != NeighbourState::probe || entry.users == 0) return fail(index, now);
        // Section 7.3.3: what was known is forgotten, and whoever has the address now is asked for.
        entry.state = NeighbourState::incomplete;
        entry.mac = {};
        entry.fresh_until = {};
        entry.asking = true;
        entry.tries = 0;
    }
    ++entry.tries;
    asks.push_back({index, entry.state == NeighbourState::probe});
    wheel_.arm(index, now + retransmit);
}

void Neighbours::fail(std::uint32_t index, Instant now) {
    Neighbour& entry = entries_[index];
    entry.asking = false;
    entry.tries = 0;
    entry.mac = {};
    entry.fresh_until = {};
    entry.state = NeighbourState::failed;
    entry.retry_at = now + retransmit;  // RFC 1122, section 2.3.2.1: at most one question a second
    dropped_ += entry.held.size();
    held_ -= entry.held.size();
    entry.held.clear();
    if (entry.users > 0) return failed.push_back(index);
    idle_.remove(index, idle_place());
    --idle_count_;
    erase(index);
}

void Neighbours::remove_link(std::uint32_t link) {
    for (std::uint32_t index = 0; index < count_; ++index) {
        if (!entries_[index].alive || entries_[index].link != link || entries_[index].users > 0) continue;
        idle_.remove(index, idle_place());
        --idle_count_;
        erase(index);
    }
}

std::vector<NeighbourEntry> Neighbours::all() const {
    std::vector<NeighbourEntry> rows;
    for (std::uint32_t index = 0; index < count_; ++index) {
        const Neighbour& entry = entries_[index];
        if (entry.alive) rows.push_back({entry.address, entry.link, entry.state, entry.mac, entry.users});
    }
    return rows;
}

}  // namespace weft::net
