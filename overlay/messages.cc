// Layouts, macs and cookies of the handshake (docs/wire.md).
#include "overlay/messages.h"

#include <string_view>

namespace weft::overlay {

bool well_formed(Bytes datagram) {
    if (datagram.size() < data_overhead) return false;
    const auto byte = [&](std::size_t at) { return std::to_integer<std::uint8_t>(datagram[at]); };
    const bool zeros = byte(2) == 0 && byte(3) == 0;
    const bool version = byte(1) == protocol_version;
    switch (Message(byte(0))) {
    case Message::init: return datagram.size() == init_size && version;
    case Message::resp: return datagram.size() == resp_size && version && zeros;
    case Message::cookie: return datagram.size() == cookie_size && version && zeros;
    case Message::fin: return datagram.size() >= fin_size && version && zeros;
    case Message::data: return byte(1) == 0 && zeros;
    }
    return false;
}

Block<Id::size> Id::encode() const {
    Block<size> out{};
    out[0] = std::byte{address_suite};
    out[1] = std::byte{aead};
    store_little(&out[2], features);
    append(&out[4], key);
    append(&out[36], observed.ip);
    store_little(&out[52], observed.port);
    store_little(&out[54], std::uint32_t(clock));
    store_little(&out[58], std::uint16_t(clock >> 32));
    store_little(&out[60], work_nonce);
    return out;
}

Id Id::decode(std::span<const std::byte, size> bytes) {
    Id id;
    id.address_suite = std::to_integer<std::uint8_t>(bytes[0]);
    id.aead = std::to_integer<std::uint8_t>(bytes[1]);
    id.features = load_little<std::uint16_t>(&bytes[2]);
    id.key = take<32>(&bytes[4]);
    id.observed.ip = take<16>(&bytes[36]);
    id.observed.port = load_little<std::uint16_t>(&bytes[52]);
    id.clock = load_little<std::uint32_t>(&bytes[54]) | std::uint64_t{load_little<std::uint16_t>(&bytes[58])} << 32;
    id.work_nonce = load_little<std::uint64_t>(&bytes[60]);
    return id;
}

Door::Door(const Network& network, const Address& responder)
    : net_{network.net}, responder_{}, mac1_key_{hash<32>(context::mac1, network.net, responder.bytes())},
      cookie_key_{hash<32>(context::cookie, network.net, responder.bytes())} {
    std::copy_n(responder.bytes().begin(), std::min(responder.bytes().size(), responder_.size()), responder_.begin());
}

Block<16> Door::mac1(Bytes init) const { return keyed_hash<16>(context::none, mac1_key_, init.first(160)); }

bool Door::mac1_holds(Bytes init) const { return equal(mac1(init), init.subspan(160, 16)); }

Block<16> Door::mac2(const Block<16>& cookie, Bytes init) { return keyed_hash<16>(context::none, cookie, init.first(176)); }

Block<109> Door::prologue(Bytes init) const {
    Block<109> out;
    std::byte* at = append(out.data(), std::as_bytes(std::span{std::string_view{"weft1"}}));
    at = append(at, net_);
    at = append(at, init.first(8));
    append(at, responder_);
    return out;
}

Cookie Door::seal_cookie(Bytes init, const Block<24>& nonce, const Block<16>& cookie) const {
    Cookie out{};
    out[0] = std::byte(Message::cookie);
    out[1] = std::byte{protocol_version};
    append(&out[4], init.subspan(4, 4));
    append(&out[8], nonce);
    crypto_aead_xchacha20poly1305_ietf_encrypt(raw(&out[32]), nullptr, raw(cookie.data()), cookie.size(), raw(&init[160]),
                                               16, nullptr, raw(nonce.data()), raw(cookie_key_.data()));
    return out;
}

std::optional<Block<16>> Door::open_cookie(Bytes message, Bytes init) const {
    Block<16> cookie;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(raw(cookie.data()), nullptr, nullptr, raw(&message[32]), 32,
                                                   raw(&init[160]), 16, raw(&message[8]), raw(cookie_key_.data())) != 0)
        return std::nullopt;
    return cookie;
}

Init make_init(const Door& door, noise::State& state, std::uint16_t suites, std::uint32_t index,
               const noise::Key& ephemeral) {
    Init init{};
    init[0] = std::byte(Message::init);
    init[1] = std::byte{protocol_version};
    store_little(&init[2], suites);
    store_little(&init[4], index);
    noise::begin(state, door.prologue(init));
    noise::write_first(state, ephemeral, {}, &init[8]);
    append(&init[160], door.mac1(init));
    return init;
}

}  // namespace weft::overlay
