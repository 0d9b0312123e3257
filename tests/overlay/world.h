// Nodes with nothing but a Links each, joined by a seeded wire in virtual time: delay, loss, and a hook that sees, changes
// or swallows every datagram.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "overlay/links.h"
#include "stack/core/bytes.h"
#include "stack/wire/overlay.h"

namespace weft::overlay {

inline UdpEndpoint ipv4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d, std::uint16_t port) {
    UdpEndpoint out;
    out.ip[10] = out.ip[11] = std::byte{0xff};
    out.ip[12] = std::byte{a}, out.ip[13] = std::byte{b}, out.ip[14] = std::byte{c}, out.ip[15] = std::byte{d};
    out.port = port;
    return out;
}

inline constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }
inline constexpr Duration sec(std::int64_t n) { return Duration::seconds(n); }

// A seeded stand-in for the operating system's entropy.
struct SeededEntropy {
    std::mt19937_64 random;
    explicit SeededEntropy(std::uint64_t seed) : random{seed} {}
    operator Entropy() {
        return {this, [](void* self, std::span<std::byte> out) {
                    for (std::byte& b : out) b = std::byte(static_cast<SeededEntropy*>(self)->random() >> 56);
                }};
    }
};

inline Seed seed_of(std::uint64_t number) {
    Seed seed{};
    store_little(seed.data(), number);
    return seed;
}

struct Datagram {
    UdpEndpoint from, to;
    std::vector<std::byte> bytes;
    Ecn ecn{};
    std::uint8_t type() const { return bytes.empty() ? std::uint8_t{0} : std::uint8_t(bytes[0]); }
};

struct Node {
    Node(std::uint64_t seed, const LinksConfig& config, UdpEndpoint where)
        : entropy{seed}, at{where}, settings{config}, links{Identity{seed_of(seed)}, config, entropy, pool} {}

    BufferPool pool{64 << 20};
    SeededEntropy entropy;
    UdpEndpoint at;
    LinksConfig settings;
    Links links;
    bool alive{true};
    bool binds{true};                        // gives every neighbour a path as it comes up
    std::map<Address, std::uint32_t> paths;
    std::vector<LinkEvent> events;
    std::vector<std::vector<std::byte>> got;  // NET payloads as delivered
    std::vector<Receive> packets;

    const Address& address() const { return links.address(); }
    std::uint32_t path_to(const Node& other) { return path_to(other.address()); }
    std::uint32_t path_to(const Address& peer) {
        auto [at_path, fresh] = paths.try_emplace(peer, std::uint32_t(paths.size() + 1));
        links.bind(peer, at_path->second);
        return at_path->second;
    }
    PeerStatus status(const Address& peer) const {
        for (const PeerStatus& status : links.peers())
            if (status.address == peer) return status;
        return {};
    }
    PeerStatus status(const Node& peer) const { return status(peer.address()); }
    std::size_t count(LinkEvent::Kind kind) const {
        std::size_t n = 0;
        for (const LinkEvent& event : events) n += event.kind == kind;
        return n;
    }
};

class World {
public:
    explicit World(std::uint64_t seed = 1) : random{seed} {}

    Node& add(std::uint64_t seed, LinksConfig config = {}) {
        const UdpEndpoint at = ipv4(10, 0, 0, std::uint8_t(nodes.size() + 1), 7000);
        if (config.own.empty()) config.own = {at};
        return *nodes.emplace_back(std::make_unique<Node>(seed, config, at));
    }

    // What became of a kill -9 and a new start: same key, same port, nothing remembered.
    void restart(Node& node, std::uint64_t entropy_seed, std::uint64_t identity_seed) {
        node.entropy = SeededEntropy{entropy_seed};
        node.links = Links{Identity{seed_of(identity_seed)}, node.settings, node.entropy, node.pool};
        node.paths.clear();
        node.alive = true;
    }

    void introduce(Node& a, const Node& b) {
        const UdpEndpoint endpoints[] = {b.at};
        a.links.add_peer(b.address(), endpoints, now);
    }

    // Both directions until nothing more happens at this instant, then on to the next moment, up to now + `span`.
    void run(Duration span) {
        const Instant end = now + span;
        for (;;) {
            pump();
            Instant next = wire.empty() ? Instant::never() : wire.top().arrives;
            for (const auto& node : nodes)
                if (node->alive) next = std::min(next, std::max(node->links.deadline(), now));
            if (next > end) break;
            if (next == now && ++idle > 10'000) throw std::runtime_error{"the world stands still"};
            if (next > now) idle = 0;
            now = next;
            arrive();
            for (const auto& node : nodes)
                if (node->alive) node->links.advance(now);
        }
        now = end;
        for (const auto& node : nodes)
            if (node->alive) node->links.advance(now);
        pump();
    }

    bool run_until(Duration span, const std::function<bool()>& done) {
        const Instant end = now + span;
        while (now < end) {
            run(ms(1));
            if (done()) return true;
        }
        return false;
    }

    // A datagram from anybody.
    void inject(Datagram datagram, Duration after = {}) { wire.push({now + after, ++sequence, std::move(datagram)}); }

    void pump() {
        for (bool busy = true; busy;) {
            busy = false;
            for (const auto& node : nodes) {
                if (!node->alive) continue;
                drain(*node);
                Transmit out[8];
                while (const std::size_t n = node->links.transmit(out, now)) {
                    busy = true;
                    for (std::size_t i = 0; i < n; ++i) send(*node, out[i]);
                }
            }
        }
    }

    void drain(Node& node) {
        LinkEvent events[4];
        while (const std::size_t n = node.links.events(events))
            for (std::size_t i = 0; i < n; ++i) {
                node.events.push_back(events[i]);
                if (events[i].kind == LinkEvent::Kind::up && node.binds) node.path_to(events[i].peer);
            }
        Receive packets[16];
        while (const std::size_t n = node.links.deliver(packets))
            for (std::size_t i = 0; i < n; ++i) {
                node.got.emplace_back(packets[i].frame.bytes().begin(), packets[i].frame.bytes().end());
                if (keep_packets) node.packets.push_back(packets[i]);
            }
    }

    Instant now = Instant::from_nanoseconds(1'000'000'000);
    Duration delay{ms(5)};
    unsigned loss_percent{0};
    bool keep_packets{false};
    bool gaps{false};                        // in DATA's counters: a session's keys came to a link
    std::function<bool(Datagram&)> wiretap;   // false: swallowed; may change it
    std::function<void(Node&, Bytes)> opened;   // a datagram after a node has read it: opened in place
    std::vector<std::unique_ptr<Node>> nodes;
    std::mt19937_64 random;
    std::uint64_t carried{0}, trains{0};

    // Endpoints that are no node: what is sent to them is kept here.
    std::map<UdpEndpoint, std::vector<Datagram>> outsiders;

    Node* node_at(const UdpEndpoint& at) {
        for (const auto& node : nodes)
            if (node->at == at) return node.get();
        return nullptr;
    }

private:
    struct Flying {
        Instant arrives;
        std::uint64_t sequence;
        Datagram datagram;
        bool operator<(const Flying& other) const {
            return arrives != other.arrives ? arrives > other.arrives : sequence > other.sequence;
        }
    };

    void send(Node& node, const Transmit& packet) {
        std::vector<std::byte> bytes;
        for (const Slice& slice : packet.payload) bytes.insert(bytes.end(), slice.bytes().begin(), slice.bytes().end());
        const std::size_t size = packet.segment_size == 0 ? bytes.size() : packet.segment_size;
        if (packet.segment_size != 0) ++trains;
        for (std::size_t at = 0; at < bytes.size(); at += size) {
            Datagram one{node.at, packet.to, {}, packet.ecn};
            const std::size_t end = std::min(bytes.size(), at + size);
            one.bytes.assign(bytes.begin() + std::ptrdiff_t(at), bytes.begin() + std::ptrdiff_t(end));
            ++carried;
            check_counter(node, one);
            if (wiretap && !wiretap(one)) continue;
            if (loss_percent != 0 && random() % 100 < loss_percent) continue;
            wire.push({now + delay, ++sequence, std::move(one)});
        }
    }

    // One counter a key and direction, from 0: no nonce is ever used twice. Gaps: the key also sealed session packets.
    void check_counter(const Node& node, const Datagram& one) {
        if (one.type() != 4) return;
        const auto key = std::pair{&node, load_little<std::uint32_t>(&one.bytes[4])};
        const std::uint64_t counter = load_little<std::uint64_t>(&one.bytes[8]);
        std::uint64_t& next = counters[key];
        if (gaps ? counter < next : counter != next) throw std::runtime_error{"a nonce was reused or skipped"};
        next = counter + 1;
    }

    void arrive() {
        while (!wire.empty() && wire.top().arrives <= now) {
            Datagram datagram = wire.top().datagram;
            wire.pop();
            if (const auto outsider = outsiders.find(datagram.to); outsider != outsiders.end()) {
                outsider->second.push_back(std::move(datagram));
                continue;
            }
            Node* node = node_at(datagram.to);
            if (!node || !node->alive) continue;
            Chunk* chunk = node->pool.allocate(datagram.bytes.size());
            if (!chunk) continue;
            std::copy(datagram.bytes.begin(), datagram.bytes.end(), chunk->data());
            Receive in[1];
            in[0].frame = Slice{chunk, 0, std::uint32_t(datagram.bytes.size())};
            in[0].from = datagram.from;
            in[0].ecn = datagram.ecn;
            node->links.receive(in, now);
            if (opened) opened(*node, in[0].frame.bytes());
        }
    }

    std::map<std::pair<const Node*, std::uint32_t>, std::uint64_t> counters;
    std::priority_queue<Flying> wire;
    std::uint64_t sequence{0};
    unsigned idle{0};
};

// A packet as the engine gives it: 20 bytes of TCP header, and payload that is cut every `segment` bytes.
class Packet {
public:
    Packet(Node& node, std::uint32_t path, std::size_t payload, std::uint16_t segment = 0, std::uint32_t seq = 1000,
           std::uint8_t fill = 0) {
        transmit.path = path;
        transmit.segment_size = segment;
        transmit.transport = 136;
        transmit.header_length = 156;
        transmit.sums_elided = node.settings.checksum_elision;
        Address peer;
        for (const auto& [address, number] : node.paths)
            if (number == path) peer = address;
        wire::OverlayHeader{.protocol = 6, .source = node.address(), .destination = peer}.write(transmit.header);
        std::byte* tcp = &transmit.header[136];
        store_big(tcp, std::uint16_t{4000}), store_big(tcp + 2, std::uint16_t{80}), store_big(tcp + 4, seq);
        tcp[12] = std::byte{5 << 4}, tcp[13] = std::byte{0x98};   // CWR, ACK, PSH
        std::uint8_t next = fill;
        for (std::size_t left = payload; left > 0;) {
            const std::size_t n = std::min<std::size_t>(left, 1'777);
            Chunk* chunk = node.pool.allocate(n);
            for (std::size_t i = 0; i < n; ++i) chunk->data()[i] = std::byte{next++};
            slices.push_back({chunk, 0, std::uint32_t(n)});
            left -= n;
        }
    }
    std::span<const Transmit> span() {
        transmit.payload = slices;
        return {&transmit, 1};
    }

    Transmit transmit;
    std::vector<Slice> slices;
};

}  // namespace weft::overlay
