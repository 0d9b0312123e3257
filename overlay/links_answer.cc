// The responder: length, mac1, load, half-open table, Diffie-Hellman, in this order; then FIN (docs/wire.md).
#include "overlay/frames.h"
#include "overlay/links_state.h"

namespace weft::overlay {

// Lengths were checked by well_formed(). Nothing is kept of an INIT that does not get past the half-open table.
void Links::State::receive_init(const Receive& datagram, Instant now) {
    const Bytes init = datagram.frame.bytes();
    if (!door.mac1_holds(init)) return drop(LinkDrop::mac1_wrong, 0, now);
    if (owes_cookie(datagram, now)) return;
    if (const HalfOpen* known = half_open.find(datagram.from, init)) {
        send_raw(nullptr, known->resp, datagram.from);
        return;
    }
    const bool kept = std::any_of(peers.begin(), peers.end(), [&](const auto& entry) {
        return entry.second->current && entry.second->way == Way{datagram.from};
    });
    if (!half_open.admits(datagram.from, kept)) return drop(LinkDrop::half_open_full, half_open.size(), now);
    if (const HalfOpen* made = answer_init(init, datagram.from, now)) send_raw(nullptr, made->resp, datagram.from);
}

// Under load an INIT needs a cookie in mac2; one without gets it, and costs no more than two hashes.
bool Links::State::owes_cookie(const Receive& datagram, Instant now) {
    const bool busy = meter.over(datagram.from, keyed_hash, now) || half_open.over_udp() >= HalfOpenTable::cookie_above;
    const Bytes init = datagram.frame.bytes();
    if (!busy || jar.mac2_holds(init, datagram.from, now)) return false;
    const std::int64_t second = now.nanoseconds() / 1'000'000'000;
    if (second != cookie_second) {
        cookie_second = second;
        cookies_this_second = 0;
    }
    if (cookies_this_second == cookies_a_second) {
        drop(LinkDrop::cookie_limit, 0, now);
        return true;
    }
    ++cookies_this_second;
    ++statistics.cookies_sent;
    Block<24> nonce;
    entropy(nonce);
    send_raw(nullptr, door.seal_cookie(init, nonce, jar.cookie(datagram.from, now)), datagram.from);
    return true;
}

// INIT's first 40 bytes are all that the handshake needs.
const HalfOpen* Links::State::answer_init(Bytes init, const Way& from, Instant now) {
    const std::uint16_t offered = load_little<std::uint16_t>(&init[2]);
    const std::uint16_t common = offered & config.suites;
    if (common == 0) {
        drop(LinkDrop::refused, 5, now);
        return nullptr;
    }
    const std::uint8_t chosen = std::uint8_t((common & 2) != 0 ? Suite::aes256_gcm : Suite::chacha20_poly1305);

    HalfOpen record;
    record.source = from;
    record.head = take<init_head>(init.data());
    record.state = Lent{states};
    record.remote_index = load_little<std::uint32_t>(&init[4]);
    record.offered = offered;
    record.chosen = chosen;
    record.created = now;
    noise::begin(*record.state, door.prologue(init));
    std::byte nothing;
    noise::read_first(*record.state, init.subspan(8, 32), &nothing);
    noise::Key ephemeral;
    entropy(ephemeral);
    const Block<Id::size> id = own_id(from.endpoint, chosen, now).encode();
    const bool sound = noise::write_second(*record.state, own_keys(), ephemeral, id, &record.resp[12]);
    sodium_memzero(ephemeral.data(), ephemeral.size());
    if (!sound) {   // a point of low order
        drop(LinkDrop::refused, 4, now);
        return nullptr;
    }

    record.local_index = fresh_index({});
    record.resp[0] = std::byte(Message::resp);
    record.resp[1] = std::byte{protocol_version};
    store_little(&record.resp[4], record.local_index);
    store_little(&record.resp[8], record.remote_index);
    const std::uint32_t index = record.local_index;
    const std::uint64_t id_of_record = half_open.insert(std::move(record));
    indices.insert(index, {Target::Kind::half_open, nullptr, nullptr, id_of_record});
    wheel.arm(global_timer, half_open.deadline());
    return half_open.find(id_of_record);
}

std::uint64_t Links::State::half_open_id(std::uint32_t local_index) {
    const Target* target = indices.find(local_index);
    return target && target->kind == Target::Kind::half_open ? target->half_open : 0;
}

// Every FIN is answered under the new keys to its INIT's source; its frames are delivered once.
void Links::State::receive_fin(Bytes message, const Arrival& arrival, Instant now) {
    const Target* target = indices.find(load_little<std::uint32_t>(&message[4]));
    if (target && target->kind == Target::Kind::half_open) return open_fin(message, arrival, target->half_open, now);
    if (!target || target->kind != Target::Kind::keying) return drop(LinkDrop::unknown_index, 0, now);
    Keying& keying = *target->keying;
    if (keying.initiator || now >= keying.fin_until || !equal(hash<32>(context::none, message), keying.fin_digest))
        return drop(LinkDrop::unauthentic, 0, now);
    if (may_seal(keying, now)) send_frames(*target->peer, keying, {}, keying.fin_from, Ecn::not_capable, now);
}

// On a copy until s opens; then the record has had its one chance.
void Links::State::open_fin(Bytes message, const Arrival& arrival, std::uint64_t record_id, Instant now) {
    HalfOpen& record = *half_open.find(record_id);
    const bool session = record.source.labelled();
    if ((session || arrival.from.labelled()) && arrival.from != record.source) return drop(LinkDrop::refused, 10, now);
    Lent<noise::State> copy{states};
    *copy = *record.state;
    if (!noise::read_third_static(*copy, message.subspan<8, 48>())) return drop(LinkDrop::unauthentic, 0, now);

    Chunk* chunk = pool.allocate(message.size() - 56);
    if (!chunk) return drop(LinkDrop::no_memory, 0, now);   // it will be repeated
    const HalfOpen spent = std::move(record);
    half_open.erase(record_id);
    indices.erase(spent.local_index);
    const Slice plain{chunk, 0, std::uint32_t(message.size() - 56 - noise::tag_size)};
    if (!noise::read_third_payload(*copy, message.subspan(56), chunk->data())) return drop(LinkDrop::unauthentic, 1, now);

    const Id id = Id::decode(plain.bytes().first<Id::size>());
    if (id.address_suite != suite_ed25519) return drop(LinkDrop::refused, 1, now);
    const Address address = address_of(id.key, id.address_suite);
    Peer* peer = find_peer(address);
    const std::optional<Block<32>> converted = peer && peer->noise_public ? peer->noise_public : noise_public_of(id.key);
    if (!converted || *converted != copy->rs) return drop(LinkDrop::refused, 2, now);
    if (id.aead != spent.chosen || (spent.offered >> id.aead & 1) == 0) return drop(LinkDrop::refused, 3, now);
    if (address == identity.address() || (!session && !may_link(peer))) return drop(LinkDrop::refused, 6, now);
    if (session && !may_end_at(arrival.from.path, address)) return drop(LinkDrop::refused, 11, now);
    if (!peer && !(peer = make_room(address, session, false, now))) return drop(LinkDrop::refused, 7, now);
    if (session) {   // who made room may have had paths
        LabelPath* path = find_label_path(arrival.from.path);
        if (!path) return drop(LinkDrop::refused, 11, now);
        path->remote = address;
        path->any_remote = false;   // from its first FIN on it has a name
        attach(*path, *peer, now);
    }
    peer->noise_public = converted;

    auto keying = make_keying(false, Suite(id.aead), id, now);
    set_keys(*keying, *copy);
    keying->local_index = spent.local_index;
    keying->remote_index = spent.remote_index;
    keying->confirmed = true;
    keying->confirmed_at = now;
    keying->fin_digest = hash<32>(context::none, message);
    keying->fin_from = spent.source;
    keying->fin_until = now + Duration::seconds(10);
    Keying& kept = *keying;
    indices.insert(kept.local_index, {Target::Kind::keying, peer, &kept, 0});
    if (!session) peer->behind_nat = std::find(config.own.begin(), config.own.end(), id.observed) == config.own.end();
    adopt(*peer, std::move(keying), spent.created, now);
    send_frames(*peer, kept, {}, spent.source, Ecn::not_capable, now);
    read_frames(*peer, kept, arrival, plain.sub(Id::size, plain.size()), now);
}

// Verified: the newest keys win, unless both ends shook hands at once. That is so if this end's INIT or FIN was still
// unanswered when the other's INIT came; both then send on the handshake whose initiator has the lower address.
void Links::State::adopt(Peer& peer, std::unique_ptr<Keying> fresh, Instant record_created, Instant now) {
    Keying& keying = *fresh;
    const bool mine = identity.address() < peer.address;
    bool keep = false;
    bool crossed = peer.attempt != nullptr;
    for (const auto& other : peer.keyings) {
        const bool unanswered = other->waits() || (other->confirmed && record_created < other->confirmed_at);
        if (!other->initiator || !unanswered) continue;
        other->crossed = crossed = true;
        if (mine && other.get() == peer.current) keep = true;
    }
    if (crossed && !mine) end_attempt(peer);   // as if its INIT had been lost: theirs is the one
    if (peer.attempt) peer.attempt->crossed = true;
    ++peer.handshakes;
    ++statistics.handshakes;
    peer.gap = Duration::seconds(5);
    peer.next_attempt = now;
    peer.next_for_link = now + peer.gap;
    peer.last_heard = now;
    const bool was_up = peer.current != nullptr;
    const bool was_silent = peer.suspect;
    // New keys long before they are due: a new process, which remembers no control message.
    const bool reborn = peer.linked && !was_silent && !crossed && young(*peer.current, now);
    keep_keying(peer, std::move(fresh));
    const bool better = peer.way.labelled() && !keying.fin_from.labelled();   // a link, proved by RESP and FIN
    if (!was_up || was_silent || better) {
        if (peer.way != keying.fin_from) move_to(peer, keying.fin_from, now);
    }
    if (reborn) fabric->link_up(LinkNumber(peer.number), peer.address, config.mtu, peer.srtt, now);
    if (!keep) choose(peer, &keying, now);
    if (was_up && !was_silent && peer.way != keying.fin_from) consider(peer, keying.fin_from, fin_size, now);
    flush(peer, now);
    note_state(peer, now);
}

}  // namespace weft::overlay
