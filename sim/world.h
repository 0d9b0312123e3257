// The world: virtual time, nodes and the wires between them. It runs production objects, not models of them, and the
// same seed gives the same run to the bit.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "sim/event_heap.h"
#include "sim/wire.h"
#include "stack/core/batch.h"
#include "stack/core/buffer.h"
#include "stack/core/time.h"

namespace weft::sim {

using NodeId = std::uint32_t;
using WireId = std::uint32_t;

// What can be a node: packets and the time go in, and it says when it wants to run next.
template <class T>
concept Node = requires(T node, std::span<Receive> batch, Instant now) {
    node.receive(batch, now);
    node.advance(now);
    { node.deadline() } -> std::same_as<Instant>;
};

class World {
public:
    // The pool must outlive the world and serves all its nodes.
    explicit World(BufferPool& pool, std::uint64_t seed = 0) : pool_{&pool}, seed_{seed} {}

    // Empty again, at time 0, with another seed; memory stays warm.
    void reset(std::uint64_t seed);

    // `node` must stay where it is for as long as the world runs.
    template <Node T>
    NodeId add(T& node) {
        return add(Actor{
            &node, [](void* self, std::span<Receive> batch, Instant now) { static_cast<T*>(self)->receive(batch, now); },
            [](void* self, Instant now) { static_cast<T*>(self)->advance(now); },
            [](void* self) { return static_cast<T*>(self)->deadline(); }});
    }

    // One direction. Packets arrive at `to` with `link` as Receive::link.
    WireId connect(NodeId from, NodeId to, std::uint32_t link, const WireOptions& options);

    Wire& wire(WireId id) { return lines_[id].wire; }

    // Sees each packet as it is sent, before anything else happens to it, and may change it; one for which it says false is lost. The
    // bytes are the packet's own where the sender made them for it alone, as a Host does.
    using Tap = std::function<bool(Receive& packet, Instant now)>;
    void tap(WireId id, Tap tap) { lines_[id].tap = std::move(tap); }

    // A node sends. `packet.link` is set here; the rest arrives as given. `depart` is not before now.
    void send(WireId id, Receive packet, Instant depart);

    // A node's deadline may have changed by a call from outside an event: look at it again.
    void touch(NodeId node);

    Instant now() const { return now_; }
    BufferPool& pool() { return *pool_; }
    std::uint64_t seed() const { return seed_; }
    std::uint64_t steps() const { return steps_; }  // events so far
    std::size_t in_flight() const { return frames_.size() - free_.size(); }

    // One instant of one node: a deadline, or all packets that arrive there at once. False: nothing is left to happen,
    // or a node is stuck.
    bool step();

    // A node asked 100,000 times to be woken without time moving on: a defect of that node.
    bool stuck() const { return wakes_at_once_ >= 100'000; }

    // Until `until`, or until nothing is left to happen; the clock then stands at `until`.
    void run_until(Instant until);

    // Until `done` holds, which is asked after each step. False: nothing was left, or `limit` would have been passed.
    template <std::predicate Done>
    bool run(Instant limit, Done done) {
        while (!done())
            if (heap_.empty() || heap_.top().at > limit || !step()) return false;
        return true;
    }

private:
    struct Actor {
        void* self;
        void (*receive)(void* self, std::span<Receive> batch, Instant now);
        void (*advance)(void* self, Instant now);
        Instant (*deadline)(void* self);
    };
    struct Place {
        Actor actor;
        Instant armed{Instant::never()};  // of the one event that will wake it; later deadlines wait for that one
        std::uint32_t armed_sequence{0};
        std::uint32_t next_sequence{0};
    };
    struct Line {
        Wire wire;
        NodeId from, to;
        std::uint32_t link;
        Tap tap;
    };

    NodeId add(const Actor& actor);
    void deliver(Event first);
    void put(WireId id, Receive packet, Instant at);
    Receive copy_of(const Receive& packet);
    Receive marked(const Receive& packet, Wire& wire);
    std::uint32_t push(NodeId source, NodeId target, Instant at, std::uint32_t frame);

    BufferPool* pool_;
    std::uint64_t seed_;
    Instant now_;
    std::uint64_t steps_{0}, wakes_at_once_{0};
    EventHeap heap_;
    std::vector<Place> places_;
    std::vector<Line> lines_;
    std::vector<Receive> frames_;  // under way; places are used again
    std::vector<WireId> carriers_;  // of each frame
    std::vector<std::uint32_t> free_;
    std::vector<Receive> batch_;
};

}  // namespace weft::sim
