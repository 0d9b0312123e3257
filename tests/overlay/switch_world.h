// Nodes with nothing but a Switch each, joined in virtual time by links that delay, lose and repeat control messages, and a
// small table of next hops as the routing module.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <stdexcept>
#include <vector>

#include "overlay/control.h"
#include "overlay/switch.h"
#include "tests/overlay/world.h"

namespace weft::overlay {

// Next hops in the order of preference, by destination; a link is known by its neighbour.
struct TableRouter {
    std::map<Tag, std::vector<Tag>> next_hops;   // 0: for every destination
    std::map<Tag, std::uint32_t> up;
    std::vector<std::pair<Address, std::uint32_t>> learnt;
    unsigned pending{0};                         // so many questions are answered by "not yet"
    unsigned broken{0}, woken{0}, asked{0};
    std::vector<std::byte> heard;                // the last message of its own
    std::function<bool(weft_query&, weft_decision&)> lie;   // true: it has answered
    std::function<void(std::uint64_t path)> meddle;         // called while it hears of a path

    static TableRouter& of(const void* r) { return *static_cast<TableRouter*>(const_cast<void*>(r)); }
    static Tag tag_at(const std::uint8_t* address) { return load_little<Tag>(reinterpret_cast<const std::byte*>(address)); }

    void decide(weft_query& query, weft_decision& out) {
        ++asked;
        if (lie && lie(query, out)) return;
        if (pending > 0) {
            --pending;
            out.verdict = WEFT_ROUTE_PENDING;
            return;
        }
        out.verdict = WEFT_ROUTE_UNREACHABLE;
        auto at = next_hops.find(tag_at(query.dst));
        if (at == next_hops.end()) at = next_hops.find(0);
        if (at == next_hops.end()) return;
        for (const Tag next : at->second) {
            const auto link = up.find(next);
            const bool tried =
                std::find(query.tried, query.tried + query.tried_count, next) != query.tried + query.tried_count;
            if (link == up.end() || tried || link->second == query.in_link) continue;
            out.verdict = WEFT_ROUTE_FORWARD;
            out.link = link->second;
            return;
        }
    }

    static const weft_router_v1& table() {
        static const weft_router_v1 it = [] {
            weft_router_v1 out{};
            out.size = sizeof out;
            out.decide = [](void* r, weft_instant, weft_query* query, weft_decision* decision) {
                of(r).decide(*query, *decision);
            };
            out.on_link = [](void* r, weft_instant, const weft_link* link) {
                if (link->event == WEFT_LINK_UP) of(r).up[tag_at(link->neighbour)] = link->link;
                if (link->event == WEFT_LINK_DOWN) of(r).up.erase(tag_at(link->neighbour));
            };
            out.on_control = [](void* r, weft_instant, std::uint32_t, const std::uint8_t* bytes, std::uint32_t length) {
                const auto* from = reinterpret_cast<const std::byte*>(bytes);
                of(r).heard.assign(from, from + length);
            };
            out.on_wake = [](void* r, weft_instant) { ++of(r).woken; };
            out.on_broken = [](void* r, weft_instant, const weft_path* path) {
                ++of(r).broken;
                if (of(r).meddle) of(r).meddle(path->id);
            };
            out.on_learnt = [](void* r, weft_instant, const weft_path* path) {
                if (of(r).meddle) of(r).meddle(path->id);
                const auto* at = reinterpret_cast<const std::byte*>(path->remote);
                of(r).learnt.emplace_back(Address{Family::overlay, {at, 64}}, path->link);
            };
            return out;
        }();
        return it;
    }
};

struct SwitchNode {
    SwitchNode(std::uint64_t seed, const SwitchConfig& settings)
        : identity{seed_of(seed)}, entropy{seed}, config{settings},
          labels{std::make_unique<Switch>(identity, settings, entropy, TableRouter::table(), &router)} {}

    Identity identity;
    SeededEntropy entropy;
    SwitchConfig config;
    TableRouter router;
    std::unique_ptr<Switch> labels;
    std::map<LinkNumber, std::pair<SwitchNode*, LinkNumber>> links;   // to whom, and its number there
    std::vector<PathEvent> events;
    std::vector<std::pair<LinkNumber, std::vector<std::byte>>> sent;  // control bodies, when kept
    std::vector<LinkNumber> lost;
    std::vector<std::pair<std::uint64_t, std::size_t>> got;           // path, bytes: packets that ended here
    bool accepts{true}, alive{true}, keeps{false};
    LinkNumber next_link{1};

    const Address& address() const { return identity.address(); }
    Tag tag() const { return tag_of(identity.address()); }
    LinkNumber link_to(const SwitchNode& other) const {
        for (const auto& [link, at] : links)
            if (at.first == &other) return link;
        return 0;
    }
    const PathEvent* last(PathEvent::Kind kind) const {
        for (auto at = events.rbegin(); at != events.rend(); ++at)
            if (at->kind == kind) return &*at;
        return nullptr;
    }
    std::size_t count(PathEvent::Kind kind) const {
        std::size_t n = 0;
        for (const PathEvent& event : events) n += event.kind == kind;
        return n;
    }
};

class SwitchWorld {
public:
    explicit SwitchWorld(std::uint64_t seed = 1) : random{seed} {}

    SwitchNode& add(SwitchConfig config = {}) {
        config.unix_zero = 1'700'000'000;
        return *nodes.emplace_back(std::make_unique<SwitchNode>(nodes.size() + 1, config));
    }

    void join(SwitchNode& a, SwitchNode& b, std::uint32_t mtu = 1'472) {
        const LinkNumber at_a = a.next_link++, at_b = b.next_link++;
        a.links[at_a] = {&b, at_b};
        b.links[at_b] = {&a, at_a};
        a.labels->link_up(at_a, b.address(), mtu, delay * 2, now);
        b.labels->link_up(at_b, a.address(), mtu, delay * 2, now);
    }

    void part(SwitchNode& a, SwitchNode& b) {
        const LinkNumber at_a = a.link_to(b), at_b = b.link_to(a);
        a.links.erase(at_a), b.links.erase(at_b);
        a.labels->link_down(at_a, now), b.labels->link_down(at_b, now);
    }

    // A line of nodes, each with its two neighbours as the next hops in the line's directions.
    void line(std::size_t count) {
        const std::size_t first = nodes.size();
        for (std::size_t i = 0; i < count; ++i) add();
        for (std::size_t i = 0; i + 1 < count; ++i) join(*nodes[first + i], *nodes[first + i + 1]);
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t to = 0; to < count; ++to)
                if (to != i)
                    nodes[first + i]->router.next_hops[nodes[first + to]->tag()] = {
                        nodes[first + (to > i ? i + 1 : i - 1)]->tag()};
    }

    // A new process on the same links.
    void restart(SwitchNode& node) {
        node.labels = std::make_unique<Switch>(node.identity, node.config, node.entropy, TableRouter::table(), &node.router);
        for (const auto& [link, at] : node.links) {
            node.labels->link_up(link, at.first->address(), 1'472, delay * 2, now);
            at.first->labels->link_up(at.second, node.address(), 1'472, delay * 2, now);
        }
    }

    void run(Duration span) {
        const Instant end = now + span;
        unsigned idle = 0;
        for (;;) {
            pump();
            Instant next = wire.empty() ? Instant::never() : wire.top().arrives;
            for (const auto& node : nodes)
                if (node->alive) next = std::min(next, std::max(node->labels->deadline(), now));
            if (next > end) break;
            if (next > now) idle = 0;
            else if (++idle > 100'000) throw std::runtime_error{"the world stands still"};
            now = next;
            while (!wire.empty() && wire.top().arrives <= now) {
                const Flying flying = wire.top();
                wire.pop();
                SwitchNode& to = *flying.to;
                if (to.alive && to.links.contains(flying.link)) to.labels->receive_control(flying.link, flying.body, now);
            }
            for (const auto& node : nodes)
                if (node->alive) node->labels->advance(now);
        }
        now = end;
    }

    void pump() {
        for (bool busy = true; busy;) {
            busy = false;
            for (const auto& node : nodes) {
                if (!node->alive) continue;
                busy |= drain(*node);
                Switch::Control out[3];
                while (const std::size_t n = node->labels->control(out, now)) {
                    busy = true;
                    for (std::size_t i = 0; i < n; ++i) carry(*node, out[i]);
                }
            }
        }
    }

    bool drain(SwitchNode& node) {
        bool any = false;
        PathEvent events[2];
        while (const std::size_t n = node.labels->events(events)) {
            any = true;
            for (std::size_t i = 0; i < n; ++i) {
                node.events.push_back(events[i]);
                if (events[i].kind == PathEvent::Kind::offered && node.accepts)
                    node.labels->accept(events[i].path, answer, now);
            }
        }
        for (LinkNumber link; (link = node.labels->take_lost()) != 0; any = true) node.lost.push_back(link);
        return any;
    }

    // A labelled packet from an end of a path, at once through all nodes to where it ends. Its way, in tags.
    std::vector<Tag> send(SwitchNode& from, LinkNumber link, Label label, std::size_t bytes = 1'000) {
        std::vector<Tag> way;
        std::uint8_t hop_limit = LabelHeader::first_hop_limit;
        SwitchNode* at = &from;
        for (int hops = 0; hops < 300; ++hops) {
            const auto next = at->links.find(link);
            if (next == at->links.end()) return way;
            const LinkNumber in = next->second.second;
            at = next->second.first;
            const Onward onward = at->labels->onward(in, label, hop_limit, bytes, now);
            if (onward.kind == Onward::Kind::drop) return way;
            way.push_back(at->tag());
            if (onward.kind == Onward::Kind::deliver) return at->got.emplace_back(onward.path, bytes), way;
            link = onward.link, label = onward.label, hop_limit = onward.hop_limit;
        }
        return way;
    }
    std::vector<Tag> send(SwitchNode& from, const PathEvent& path, std::size_t bytes = 1'000) {
        return send(from, path.link, path.label, bytes);
    }

    const PathEvent& open(SwitchNode& from, SwitchNode& to, Duration patience = sec(2)) {
        const auto path = from.labels->open(to.address(), init, now);
        if (!path) throw std::runtime_error{"no way at once"};
        run(patience);
        const PathEvent* opened = from.last(PathEvent::Kind::opened);
        if (!opened || opened->path != *path) throw std::runtime_error{"the path did not open"};
        return *opened;
    }

    Instant now = Instant::from_nanoseconds(1'000'000'000);
    Duration delay{ms(5)};
    unsigned loss_percent{0}, twice_percent{0};
    std::function<bool(SwitchNode& from, SwitchNode& to, std::vector<std::byte>& body)> wiretap;   // false: swallowed
    std::vector<std::unique_ptr<SwitchNode>> nodes;
    std::vector<std::byte> init = std::vector<std::byte>(Setup::init_bytes, std::byte{0x11});
    std::vector<std::byte> answer = std::vector<std::byte>(SetupAck::resp_bytes, std::byte{0x22});
    std::mt19937_64 random;

private:
    struct Flying {
        Instant arrives;
        std::uint64_t sequence;
        SwitchNode* to;
        LinkNumber link;
        std::vector<std::byte> body;
        bool operator<(const Flying& other) const {
            return arrives != other.arrives ? arrives > other.arrives : sequence > other.sequence;
        }
    };

    void carry(SwitchNode& from, Switch::Control& one) {
        if (from.keeps) from.sent.emplace_back(one.link, one.body);
        const auto at = from.links.find(one.link);
        if (at == from.links.end()) return;
        SwitchNode& to = *at->second.first;
        if (wiretap && !wiretap(from, to, one.body)) return;
        for (unsigned copies = random() % 100 < twice_percent ? 2 : 1; copies > 0; --copies)
            if (loss_percent == 0 || random() % 100 >= loss_percent)
                wire.push({now + delay, ++sequence, &to, at->second.second, one.body});
    }

    std::priority_queue<Flying> wire;
    std::uint64_t sequence{0};
};

}  // namespace weft::overlay
