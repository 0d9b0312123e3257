// The world's clockwork: one event a node for its next deadline, re-armed lazily, and one for each packet on its way.
#include "sim/world.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "stack/core/checksum.h"
#include "stack/wire/ipv4.h"

namespace weft::sim {

void World::reset(std::uint64_t seed) {
    seed_ = seed;
    now_ = {};
    steps_ = wakes_at_once_ = 0;
    heap_.clear();
    places_.clear();
    lines_.clear();
    frames_.clear();
    carriers_.clear();
    free_.clear();
    batch_.clear();
}

NodeId World::add(const Actor& actor) {
    places_.push_back({.actor = actor});
    return NodeId(places_.size() - 1);
}

WireId World::connect(NodeId from, NodeId to, std::uint32_t link, const WireOptions& options) {
    const WireId id = WireId(lines_.size());
    lines_.push_back({Wire{seed_, id, options}, from, to, link, {}});
    return id;
}

std::uint32_t World::push(NodeId source, NodeId target, Instant at, std::uint32_t frame) {
    const std::uint32_t sequence = places_[source].next_sequence++;
    heap_.push({std::max(at, now_), source, sequence, target, frame});
    return sequence;
}

void World::touch(NodeId node) {
    Place& place = places_[node];
    const Instant deadline = std::max(place.actor.deadline(place.actor.self), now_);
    if (deadline >= place.armed) return;  // it will be asked again when the armed event fires
    place.armed = deadline;
    place.armed_sequence = push(node, node, deadline, Event::wake);
}

// The same packet in bytes of its own: nobody may see another's changes, and the overlay opens frames in place.
Receive World::copy_of(const Receive& packet) {
    Receive copy = packet;
    const auto bytes = packet.frame.bytes();
    Chunk* const chunk = pool_->allocate(bytes.size());
    copy.frame = Slice{chunk, 0, chunk ? packet.frame.size() : 0};
    if (chunk) std::copy(bytes.begin(), bytes.end(), chunk->data());
    return copy;
}

// The mark of a congested router, on a packet that may have it: beside a datagram or a segment of a session, whose first bytes are
// ports; else in the network header. What has none of these, as ARP's frames, goes unmarked.
Receive World::marked(const Receive& packet, Wire& wire) {
    if (packet.path != 0 || packet.protocol != 0 || packet.from.port != 0) {
        if (packet.ecn != Ecn::ect0 && packet.ecn != Ecn::ect1) return packet;
        Receive copy = copy_of(packet);
        copy.ecn = Ecn::congestion_experienced;
        ++wire.statistics.marked;
        return copy;
    }
    const std::size_t front = wire.options.front;
    if (packet.frame.size() < front + 20) return packet;
    const Bytes header = packet.frame.bytes().subspan(front);
    const unsigned version = std::to_integer<unsigned>(header[0] >> 4);
    if (version != 4 && version != 6 && version != 8) return packet;
    const unsigned shift = version == 4 ? 0 : 4;  // IPv6's traffic class, and ours, begin with the first byte's low half
    const Ecn is = Ecn(std::to_integer<unsigned>(header[1] >> shift) & 3);
    if (is != Ecn::ect0 && is != Ecn::ect1) return packet;
    Receive copy = copy_of(packet);
    copy.ecn = Ecn::congestion_experienced;
    ++wire.statistics.marked;
    if (copy.frame.size() == 0) return copy;
    auto* const bytes = const_cast<std::byte*>(copy.frame.bytes().data()) + front;  // nobody else holds the copy
    bytes[1] |= std::byte(3 << shift);
    if (version != 4) return copy;
    const std::size_t length = std::min(std::to_integer<std::size_t>(header[0] & std::byte{15}) * 4, header.size());
    store_big(bytes + wire::Ipv4View::checksum_at, std::uint16_t{0});
    store_big(bytes + wire::Ipv4View::checksum_at, checksum::field(checksum::sum({bytes, length})));
    return copy;
}

void World::put(WireId id, Receive packet, Instant at) {
    const Line& line = lines_[id];
    std::uint32_t place = std::uint32_t(frames_.size());
    if (free_.empty()) {
        frames_.emplace_back();
        carriers_.emplace_back();
    } else {
        place = free_.back();
        free_.pop_back();
    }
    packet.link = line.link;
    frames_[place] = std::move(packet);
    carriers_[place] = id;
    push(line.from, line.to, at, place);
}

void World::send(WireId id, Receive packet, Instant depart) {
    Line& line = lines_[id];
    if (line.tap && !line.tap(packet, now_)) {
        ++line.wire.statistics.sent, ++line.wire.statistics.lost;
        return;
    }
    const Fate fate = line.wire.carry(packet.frame.size(), std::max(depart, now_));
    if (!fate.arrival) return;
    if (fate.marked) packet = marked(packet, line.wire);
    // The duplicate is whole even when the first is not: it was made before the damage.
    Receive second = fate.second_arrival ? copy_of(packet) : Receive{};
    if (fate.corrupted && packet.frame.size() != 0) {
        // One byte is changed: the Internet checksum catches every such change, so that whatever damage reaches a
        // stream is a defect of the stack and not of the arithmetic.
        packet = copy_of(packet);
        const std::size_t length = packet.frame.size();
        if (length != 0) {
            auto* const bytes = const_cast<std::byte*>(packet.frame.bytes().data());  // nobody else holds the copy
            bytes[fate.corruption % length] ^= std::byte(1 + (fate.corruption >> 32) % 255);
        }
    }
    const auto launch = [&](Receive& each, Instant at) {
        if (each.frame.size() == 0) ++line.wire.statistics.no_memory;
        else put(id, std::move(each), at);
    };
    launch(packet, *fate.arrival);
    if (fate.second_arrival) launch(second, *fate.second_arrival);
}

void World::deliver(Event event) {
    batch_.clear();
    const NodeId target = event.target;
    for (;;) {
        batch_.push_back(std::exchange(frames_[event.frame], {}));
        ++lines_[carriers_[event.frame]].wire.statistics.delivered;
        free_.push_back(event.frame);
        if (heap_.empty()) break;
        const Event& next = heap_.top();
        if (next.at != now_ || next.target != target || next.frame == Event::wake) break;
        event = heap_.pop();
        ++steps_;
    }
    const Actor actor = places_[target].actor;
    actor.receive(actor.self, batch_, now_);
    batch_.clear();
}

bool World::step() {
    if (heap_.empty() || stuck()) return false;
    const Event event = heap_.pop();
    wakes_at_once_ = event.at == now_ && event.frame == Event::wake ? wakes_at_once_ + 1 : 0;
    now_ = event.at;
    ++steps_;
    if (event.frame != Event::wake) {
        deliver(event);
    } else {
        Place& place = places_[event.target];
        if (place.armed_sequence != event.sequence || place.armed == Instant::never())
            return true;  // an earlier one took its place
        place.armed = Instant::never();
        const Actor actor = place.actor;
        if (actor.deadline(actor.self) <= now_) actor.advance(actor.self, now_);
    }
    touch(event.target);
    return true;
}

void World::run_until(Instant until) {
    while (!heap_.empty() && heap_.top().at <= until && step()) {}
    now_ = std::max(now_, until);
}

}  // namespace weft::sim
