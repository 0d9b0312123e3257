// A peer made by hand from the handshake's parts: it can lie in every field, and seal any plaintext.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "overlay/aead.h"
#include "overlay/identity.h"
#include "overlay/messages.h"
#include "overlay/noise.h"

namespace weft::overlay {

using ByteVector = std::vector<std::byte>;

struct Script {
    Script(const Seed& seed, const Network& net, const Address& other) : identity{seed}, door{net, other} {
        id.key = identity.public_key();
    }

    noise::Static statics() const { return {identity.noise_secret(), identity.noise_public()}; }

    // As initiator: INIT, take RESP, FIN.
    Init init(std::uint16_t suites = 1, std::uint8_t salt = 7) {
        noise::Key ephemeral{};
        ephemeral.fill(std::byte{salt});
        return last_init = make_init(door, state, suites, local_index, ephemeral);
    }

    // With the cookie of a COOKIE message: the INIT to send again.
    std::optional<Init> with_cookie(Bytes message) {
        const auto cookie = door.open_cookie(message, last_init);
        if (!cookie) return std::nullopt;
        append(&last_init[176], Door::mac2(*cookie, last_init));
        return last_init;
    }

    bool take_resp(Bytes message) {
        remote_index = load_little<std::uint32_t>(&message[4]);
        Block<Id::size> plain;
        if (!noise::read_second(state, message.subspan(12), plain.data())) return false;
        peer_id = Id::decode(plain);
        id.aead = peer_id.aead;
        return true;
    }

    ByteVector fin(Bytes frames = {}) {
        ByteVector plain(Id::size), out(fin_size + frames.size());
        append(plain.data(), id.encode());
        plain.insert(plain.end(), frames.begin(), frames.end());
        out[0] = std::byte(Message::fin);
        out[1] = std::byte{protocol_version};
        store_little(&out[4], remote_index);
        if (!noise::write_third(state, statics(), plain, &out[8])) return {};
        keys(true);
        return out;
    }

    // As responder, whose door this is: RESP to an INIT.
    ByteVector resp(const Door& own_door, Bytes message) {
        remote_index = load_little<std::uint32_t>(&message[4]);
        noise::begin(state, own_door.prologue(message));
        std::byte nothing;
        noise::read_first(state, message.subspan(8, 32), &nothing);
        ByteVector out(resp_size);
        out[0] = std::byte(Message::resp);
        out[1] = std::byte{protocol_version};
        store_little(&out[4], local_index);
        store_little(&out[8], remote_index);
        noise::Key ephemeral{};
        ephemeral.fill(std::byte{9});
        if (!noise::write_second(state, statics(), ephemeral, id.encode(), &out[12])) return {};
        return out;
    }

    bool take_fin(Bytes message) {
        ByteVector plain(message.size());
        if (!noise::read_third_static(state, message.subspan<8, 48>())) return false;
        if (!noise::read_third_payload(state, message.subspan(56), plain.data())) return false;
        keys(false);
        return true;
    }

    ByteVector seal(Bytes frames) { return seal_as(frames, counter++); }

    ByteVector seal_as(Bytes frames, std::uint64_t number) {
        ByteVector out(data_overhead + frames.size());
        out[0] = std::byte(Message::data);
        store_little(&out[4], remote_index);
        store_little(&out[8], number);
        append(&out[16], frames);
        send.seal(Bytes{out}.first(16), &out[16], frames.size(), number);
        return out;
    }

    std::optional<ByteVector> open(ByteVector datagram) {
        if (datagram.size() < data_overhead || datagram[0] != std::byte(Message::data)) return std::nullopt;
        const std::uint64_t number = load_little<std::uint64_t>(&datagram[8]);
        if (!receive.open(Bytes{datagram}.first(16), MutableBytes{datagram}.subspan(16), number)) return std::nullopt;
        return ByteVector{datagram.begin() + 16, datagram.end() - 16};
    }

    void keys(bool initiator) {
        const noise::Keys both = noise::split(state);
        send.set(Suite(id.aead), initiator ? both.initiator_sends : both.responder_sends);
        receive.set(Suite(id.aead), initiator ? both.responder_sends : both.initiator_sends);
    }

    Identity identity;
    Door door;
    noise::State state;
    Init last_init{};
    Id id, peer_id;
    Aead send, receive;
    std::uint32_t local_index{0x1234'5678}, remote_index{0};
    std::uint64_t counter{0};
};

}  // namespace weft::overlay
