// Nodes in a line that know their neighbours alone, each with a Links, a switch in it and a small table of next hops; and a spy
// that reads what a node in the middle can read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/overlay/switch_world.h"
#include "tests/overlay/world.h"

namespace weft::overlay {

struct Line {
    explicit Line(std::size_t count, LinksConfig config = {}, std::uint64_t seed = 1) : world{seed} {
        for (std::size_t i = 0; i < count; ++i) add(config);
        for (std::size_t i = 0; i + 1 < count; ++i) world.introduce((*this)[i], (*this)[i + 1]);
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t to = 0; to < count; ++to)
                if (to != i) leads(i, to, to > i ? i + 1 : i - 1);
        world.run(ms(200));
        for (const auto& node : world.nodes) node->events.clear();
    }

    Node& add(LinksConfig config) {
        routers.push_back(std::make_unique<TableRouter>());
        config.router = &TableRouter::table();
        config.routing = routers.back().get();
        config.unix_zero = 1'700'000'000;
        return world.add(world.nodes.size() + 1, config);
    }

    // At node `at`, paths to node `to` go on to node `next`, before all that were named until now.
    void leads(std::size_t at, std::size_t to, std::size_t next) {
        auto& hops = routers[at]->next_hops[tag_of((*this)[to].address())];
        hops.insert(hops.begin(), tag_of((*this)[next].address()));
    }

    Node& operator[](std::size_t i) { return *world.nodes[i]; }
    Node& first() { return *world.nodes.front(); }
    Node& last() { return *world.nodes.back(); }

    void send(Node& from, Node& to, std::size_t bytes, std::uint16_t segment = 0, std::uint8_t fill = 0) {
        Packet packet{from, from.path_to(to), bytes, segment, 1'000, fill};
        from.links.send(packet.span(), world.now);
    }

    // kill -9 and a new start: same key, same port, nothing remembered.
    void restart(std::size_t i, std::uint64_t entropy_seed) {
        Node& node = (*this)[i];
        routers[i]->up.clear();
        world.restart(node, entropy_seed, i + 1);
        if (i > 0) world.introduce(node, (*this)[i - 1]);
        if (i + 1 < world.nodes.size()) world.introduce(node, (*this)[i + 1]);
    }

    std::vector<std::unique_ptr<TableRouter>> routers;  // outlive the world
    World world;
};

}  // namespace weft::overlay
