// A host: a production engine between wires, and the application that uses it. Super-segments are cut into real packets,
// as a device would, and on a wire of the overlay they travel without the network header that a session does not send.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "sim/records.h"
#include "sim/world.h"
#include "stack/core/address.h"
#include "stack/engine/engine.h"
#include "stack/wire/cut.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/pseudo.h"

namespace weft::sim {

// What runs on a host. It is told the events, and woken at its own deadline; what it asks of the engine is seen at once.
template <class T>
concept Application = requires(T app, Engine& engine, const weft::Event& event, Instant now) {
    app.on(engine, event, now);
    app.advance(engine, now);
    { app.deadline() } -> std::same_as<Instant>;
};

template <Application App>
class Host {
public:
    // Joins the world and stays in it: a host does not move.
    Host(World& world, const Config& config, App application)
        : app{std::move(application)}, world_{&world}, engine_{config, world.pool()}, id_{world.add(*this)} {
        follow();
    }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    App app;

    NodeId id() const { return id_; }
    Engine& engine() { return engine_; }
    const Digest& digest() const { return records_.digest(); }  // of all that the engine traced
    std::uint64_t malformed() const { return malformed_; }      // Transmits that could not be cut: a defect of the engine

    // The engine's link `link` leads to `out`. With `path` it is a session of the overlay: Receive::path of what comes in.
    void attach(std::uint32_t link, WireId out, PathId path = 0) {
        if (link >= links_.size()) links_.resize(link + 1);
        links_[link] = {out, path};
    }

    // From now on the digest is over these classes of records.
    void digest_only(std::uint32_t classes) {
        records_.digest_only(classes);
        follow();
    }

    // Its records go to `sink`, too, from now on: to a recording, say. What is already there tell_flows() tells.
    void record(const trace::Sink& sink) {
        records_.also(sink);
        follow();
    }

    // The same, and it is Ethernet: frames with headers of their own, neighbours that must be found.
    Result<void> attach_ethernet(std::uint32_t link, WireId out, const LinkOptions& options) {
        attach(link, out);
        world_->wire(out).options.front = wire::EthernetView::header_size;  // that is where its marks go
        return engine_.attach(link, options, world_->now());
    }

    // Goes on with a copy of the engine. The original is gone, and nothing may change by that.
    void continue_with_a_copy() {
        Engine copy{engine_};
        engine_ = copy;
        follow();
    }

    // After calls on the engine from outside an event.
    void settle() {
        drain(world_->now());
        world_->touch(id_);
    }

    void receive(std::span<Receive> batch, Instant now) {
        for (Receive& packet : batch) {
            packet.path = links_[packet.link].path;
            if (packet.path != 0) packet.protocol = wire::protocol_tcp;
        }
        engine_.receive(batch, now);
        drain(now);
    }

    void advance(Instant now) {
        if (engine_.deadline() <= now) engine_.advance(now);
        drain(now);
        if (app.deadline() <= now) app.advance(engine_, now);
        drain(now);
    }

    Instant deadline() const { return std::min(engine_.deadline(), app.deadline()); }

private:
    struct Attached {
        WireId out{0};
        PathId path{0};
    };

    void follow() { engine_.trace(records_.sink()); }

    void drain(Instant now) {
        std::array<Transmit, 16> out;
        std::array<weft::Event, 16> events;
        for (bool busy = true; busy;) {
            busy = false;
            while (const std::size_t count = engine_.transmit(out, now)) {
                busy = true;
                for (const Transmit& each : std::span{out}.first(count)) send(each, now);
            }
            while (const std::size_t count = engine_.events(events, now)) {
                busy = true;
                for (const weft::Event& event : std::span{events}.first(count)) app.on(engine_, event, now);
            }
        }
    }

    void send(const Transmit& whole, Instant now) {
        if (whole.link >= links_.size()) return;
        const Attached& link = links_[whole.link];
        auto cut = wire::Cut::make(whole, link.path != 0 ? wire::Cut::Part::transport : wire::Cut::Part::packet);
        if (!cut) {
            ++malformed_;
            return;
        }
        while (cut->left() != 0) {
            Chunk* const chunk = world_->pool().allocate(cut->next_size());
            if (!chunk) return;  // as a full queue would
            Receive packet{.frame = Slice{chunk, 0, std::uint32_t(cut->next_size())}, .ecn = whole.ecn};
            if (link.path != 0) packet.protocol = wire::protocol_tcp;
            packet.checksum_verified = whole.sums_elided;  // the session answers for it
            cut->next({chunk->data(), chunk->capacity});
            world_->send(link.out, std::move(packet), std::max(whole.depart, now));
        }
    }

    World* world_;
    Engine engine_;
    Records records_;
    std::vector<Attached> links_;
    std::uint64_t malformed_{0};
    NodeId id_;
};

}  // namespace weft::sim
