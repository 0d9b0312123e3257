// Control messages: parsing, writing and signing (docs/wire.md).
#include "overlay/control.h"

#include <algorithm>

#include "overlay/hash.h"

namespace weft::overlay {

namespace {

constexpr std::size_t address_size = 64;

Address read_address(Reader& in) { return {Family::overlay, in.take(address_size)}; }

template <std::size_t N>
void read_bytes(Reader& in, std::size_t count, Few<std::byte, N>& out) {
    for (const std::byte b : in.take(count)) out.push_back(b);
}

template <std::size_t N>
void read_tags(Reader& in, std::size_t count, Few<Tag, N>& out) {
    for (std::size_t i = 0; i < count; ++i) out.push_back(in.little<Tag>());
}

Body begin(Op op, std::uint8_t flags, std::size_t message) {
    Body body(ControlHeader::size + message);
    body[0] = std::byte(op);
    body[1] = std::byte(flags);
    return body;
}

Writer message_of(Body& body) { return Writer{MutableBytes{body}.subspan(ControlHeader::size)}; }

// context, 16 bytes zero-padded || netid || path id || ts || dst || src || H32(none, payload)
struct SignedPart {
    Block<200> bytes{};

    SignedPart(std::string_view name, const Block<8>& netid, std::uint64_t path, std::uint64_t ts, const Address& dst,
               const Address& src, Bytes payload) {
        Writer out{bytes};
        out.put(name);
        out.zeros(16 - name.size());
        out.put(netid);
        out.little(path);
        out.little(ts);
        out.put(dst.bytes());
        out.put(src.bytes());
        out.put(hash<32>(context::none, payload));
    }
};

bool signed_by(const PublicKey& key, std::uint8_t suite, const Address& address, const SignedPart& part,
               const Block<64>& signature) {
    return suite == suite_ed25519 && address_of(key, suite) == address && verify_signature(key, part.bytes, signature);
}

}  // namespace

std::optional<ControlHeader> ControlHeader::parse(Bytes body) {
    if (body.size() < size) return std::nullopt;
    return ControlHeader{Op(body[0]), std::to_integer<std::uint8_t>(body[1]), load_little<std::uint16_t>(&body[2])};
}

void set_txid(Body& body, std::uint16_t txid) { store_little(&body[2], txid); }

std::optional<Setup> Setup::parse(const ControlHeader& header, Bytes message) {
    if (message.size() < fixed) return std::nullopt;
    Reader in{message};
    Setup out;
    out.pinned = (header.flags & pinned_flag) != 0;
    out.private_source = (header.flags & private_flag) != 0;
    out.path = in.little<std::uint64_t>();
    out.hops_left = in.u8();
    out.tries_left = in.u8();
    const std::size_t visited_count = in.u8(), avoid_count = in.u8(), state_length = in.u8();
    out.suite = in.u8();
    out.pmtu = in.little<std::uint16_t>();
    out.cost = in.little<std::uint16_t>();
    const std::size_t payload_length = in.little<std::uint16_t>();
    out.back_label = in.little<Label>();
    out.via = in.little<Label>();
    out.ts = in.little<std::uint64_t>();
    out.deadline = in.little<std::uint16_t>();
    in.skip(2);
    out.dst = read_address(in);
    out.src = read_address(in);
    in.copy(out.key);
    in.copy(out.signature);
    if (visited_count > visited_limit || avoid_count > avoid_limit || state_length > state_limit) return std::nullopt;
    if (payload_length != ((header.flags & init_flag) != 0 ? init_bytes : 0)) return std::nullopt;
    if (in.left() != 8 * (visited_count + avoid_count) + state_length + payload_length) return std::nullopt;
    if (out.path == 0 || !is_label(out.back_label) || (out.via != 0 && !is_label(out.via))) return std::nullopt;
    read_tags(in, visited_count, out.visited);
    read_tags(in, avoid_count, out.avoid);
    read_bytes(in, state_length, out.state);
    read_bytes(in, payload_length, out.payload);
    return out;
}

Body Setup::body() const {
    const std::uint8_t flags = std::uint8_t(ControlHeader::reliable_flag | (payload.empty() ? 0 : init_flag) |
                                            (pinned ? pinned_flag : 0) | (private_source ? private_flag : 0));
    Body body = begin(Op::setup, flags, fixed + 8 * (visited.size() + avoid.size()) + state.size() + payload.size());
    Writer out = message_of(body);
    out.little(path);
    out.u8(hops_left);
    out.u8(tries_left);
    out.u8(std::uint8_t(visited.size()));
    out.u8(std::uint8_t(avoid.size()));
    out.u8(std::uint8_t(state.size()));
    out.u8(suite);
    out.little(pmtu);
    out.little(cost);
    out.little(std::uint16_t(payload.size()));
    out.little(back_label);
    out.little(via);
    out.little(ts);
    out.little(deadline);
    out.zeros(2);
    out.put(dst.bytes());
    out.put(src.bytes());
    out.put(key);
    out.put(signature);
    for (const Tag tag : visited) out.little(tag);
    for (const Tag tag : avoid) out.little(tag);
    out.put(state.span());
    out.put(payload.span());
    return body;
}

void Setup::sign(const Identity& identity, const Block<8>& netid) {
    key = identity.public_key();
    suite = suite_ed25519;
    signature = identity.sign(SignedPart{context::setup, netid, path, ts, dst, src, payload.span()}.bytes);
}

bool Setup::verify(const Block<8>& netid) const {
    return signed_by(key, suite, src, {context::setup, netid, path, ts, dst, src, payload.span()}, signature);
}

std::optional<SetupAck> SetupAck::parse(Bytes message) {
    if (message.size() < fixed) return std::nullopt;
    Reader in{message};
    SetupAck out;
    out.path = in.little<std::uint64_t>();
    out.forward_label = in.little<Label>();
    out.pmtu = in.little<std::uint16_t>();
    out.cost = in.little<std::uint16_t>();
    out.hops = in.u8();
    out.suite = in.u8();
    const std::size_t visited_count = in.u8(), shortcut_count = in.u8();
    const std::size_t payload_length = in.little<std::uint16_t>();
    in.skip(2);
    out.ts = in.little<std::uint64_t>();
    in.copy(out.key);
    in.copy(out.signature);
    if (visited_count > Setup::visited_limit || shortcut_count > shortcut_limit) return std::nullopt;
    if (payload_length != 0 && payload_length != resp_bytes) return std::nullopt;
    if (in.left() != payload_length + 8 * visited_count + 16 * shortcut_count) return std::nullopt;
    if (out.path == 0 || !is_label(out.forward_label)) return std::nullopt;
    read_bytes(in, payload_length, out.payload);
    read_tags(in, visited_count, out.visited);
    for (std::size_t i = 0; i < shortcut_count; ++i) {
        const Tag hop = in.little<Tag>();
        out.shortcuts.push_back({hop, in.little<Tag>()});
    }
    return out;
}

Body SetupAck::body() const {
    Body body = begin(Op::setup_ack, ControlHeader::reliable_flag,
                      fixed + payload.size() + 8 * visited.size() + 16 * shortcuts.size());
    Writer out = message_of(body);
    out.little(path);
    out.little(forward_label);
    out.little(pmtu);
    out.little(cost);
    out.u8(hops);
    out.u8(suite);
    out.u8(std::uint8_t(visited.size()));
    out.u8(std::uint8_t(shortcuts.size()));
    out.little(std::uint16_t(payload.size()));
    out.zeros(2);
    out.little(ts);
    out.put(key);
    out.put(signature);
    out.put(payload.span());
    for (const Tag tag : visited) out.little(tag);
    for (const Shortcut& cut : shortcuts) out.little(cut.hop), out.little(cut.mine);
    return body;
}

void SetupAck::sign(const Identity& identity, const Block<8>& netid, const Address& dst, const Address& src) {
    key = identity.public_key();
    suite = suite_ed25519;
    signature = identity.sign(SignedPart{context::ack, netid, path, ts, dst, src, payload.span()}.bytes);
}

bool SetupAck::verify(const Block<8>& netid, const Address& dst, const Address& src) const {
    return signed_by(key, suite, dst, {context::ack, netid, path, ts, dst, src, payload.span()}, signature);
}

std::optional<SetupNak> SetupNak::parse(Bytes message) {
    if (message.size() != size) return std::nullopt;
    Reader in{message};
    SetupNak out;
    out.path = in.little<std::uint64_t>();
    out.reason = in.u8();
    out.tries_left = in.u8();
    in.skip(2);
    out.reporter = in.little<Tag>();
    out.accused = in.little<Tag>();
    if (out.path == 0 || out.reason == 0) return std::nullopt;
    return out;
}

Body SetupNak::body(bool reliable) const {
    Body body = begin(Op::setup_nak, reliable ? ControlHeader::reliable_flag : std::uint8_t{0}, size);
    Writer out = message_of(body);
    out.little(path);
    out.u8(reason);
    out.u8(tries_left);
    out.zeros(2);
    out.little(reporter);
    out.little(accused);
    return body;
}

}  // namespace weft::overlay
