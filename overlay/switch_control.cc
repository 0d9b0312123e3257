// Control messages of a node: who reads them, what is owed for them, and what waits for control() (docs/wire.md).
#include <algorithm>
#include <utility>

#include "overlay/switch_state.h"

namespace weft::overlay {

void Switch::State::receive(LinkNumber from, Bytes body, Instant now) {
    now_ = std::max(now_, now);
    Neighbour* at = neighbour(from);
    if (!at) return;
    ++statistics.control_in;
    const auto header = ControlHeader::parse(body);
    if (!header) return ++statistics.malformed, void();
    const Bytes message = body.subspan(ControlHeader::size);
    if (header->op == Op::got) {
        const bool well =
            read_list<GotItem>(message, [&](const GotItem& item) { at->reliable.got(item.txid, at->srtt, now); });
        statistics.malformed += !well;
        return touch(from);
    }
    if (header->reliable()) {
        const bool fresh = at->reliable.receive(header->txid, now);
        link_timers.arm(from, at->reliable.deadline());
        if (!fresh) return ++statistics.duplicates, void();
    }
    take(from, *header, body, now);
}

void Switch::State::take(LinkNumber from, const ControlHeader& header, Bytes body, Instant now) {
    const Bytes message = body.subspan(ControlHeader::size);
    bool well = true;
    switch (header.op) {
    case Op::setup: return receive_setup(from, header, message, now);
    case Op::setup_ack: return receive_ack(from, message, now);
    case Op::setup_nak: return receive_nak(from, message, now);
    case Op::broken:
        well = read_list<BrokenItem>(message, [&](const BrokenItem& item) { receive_broken(from, item, now); });
        break;
    case Op::stale:
        well = read_list<StaleItem>(message, [&](const StaleItem& item) { receive_stale(from, item, now); });
        break;
    case Op::teardown:
        well = read_list<TeardownItem>(message, [&](const TeardownItem& item) { receive_teardown(from, item, now); });
        break;
    case Op::mtu: well = read_list<MtuItem>(message, [&](const MtuItem& item) { receive_mtu(from, item, now); }); break;
    default:
        if (header.op >= Op::routing_first && header.op <= Op::routing_last && router.on_control)
            return router.on_control(module, now.nanoseconds(), from, reinterpret_cast<const std::uint8_t*>(body.data()),
                                     std::uint32_t(body.size()));
        ++statistics.unknown;
    }
    statistics.malformed += !well;
}

bool Switch::State::send(LinkNumber link, Body body, std::uint64_t about, Instant now) {
    Neighbour* to = neighbour(link);
    if (!to || !to->reliable.send(std::move(body), about, to->srtt, now)) return ++statistics.overflowed, false;
    link_timers.arm(link, to->reliable.deadline());
    touch(link);
    return true;
}

void Switch::State::send_once(LinkNumber link, Body body) {
    Neighbour* to = neighbour(link);
    if (!to || to->once.size() == Neighbour::once_limit) return ++statistics.overflowed, void();
    to->once.push_back(std::move(body));
    touch(link);
}

// Never allocates: room for every link was made as it came up.
void Switch::State::touch(LinkNumber link) {
    Neighbour* at = neighbour(link);
    if (at && !std::exchange(at->dirty, true)) dirty.push_back(link);
}

void Switch::State::gather(Instant now) {
    for (std::size_t i = 0; i < dirty.size(); ++i) {
        const LinkNumber link = dirty[i];
        Neighbour* to = neighbour(link);
        if (!to) continue;
        to->dirty = false;
        flush_lists(link, *to, now);
        to->reliable.drain([&](Body&& body) { outgoing.push_back({link, std::move(body)}); }, !to->once.empty(), now);
        for (Body& body : to->once) outgoing.push_back({link, std::move(body)});
        to->once.clear();
        link_timers.arm(link, to->reliable.deadline());
        to->dirty = false;   // what flush_lists() sent is gathered already
    }
    dirty.clear();
}

// STALE, MTU and BROKEN are collected, and go as few messages.
void Switch::State::flush_lists(LinkNumber link, Neighbour& to, Instant now) {
    if (!to.stale.empty()) send_once(link, list_body<StaleItem>(to.stale.span()));
    if (!to.hints.empty()) send_once(link, list_body<MtuItem>(to.hints.span()));
    to.stale.clear();
    to.hints.clear();
    constexpr std::size_t most = list_bytes / BrokenItem::size;
    const std::span<const BrokenItem> all{to.broken};
    for (std::size_t at = 0; at < all.size(); at += most)
        send(link, list_body<BrokenItem>(all.subspan(at, std::min(most, all.size() - at))), 0, now);
    to.broken.clear();
}

// The link's timer: repetitions and GOTs that are due. Who acknowledges nothing is reported, and set-ups go elsewhere.
void Switch::State::repeat(LinkNumber link, Instant now) {
    Neighbour* at = neighbour(link);
    if (!at) return;
    at->reliable.advance(at->srtt, now);
    touch(link);
    link_timers.arm(link, std::max(at->reliable.deadline(), now + Duration::milliseconds(1)));
    const std::vector<Reliable::Lost> given_up = at->reliable.take_lost();
    if (given_up.empty()) return;
    statistics.lost += given_up.size();
    if (std::find(lost.begin(), lost.end(), link) == lost.end()) lost.push_back(link);
    for (const Reliable::Lost& message : given_up) {
        if (message.op != Op::setup) continue;
        const auto index = paths.find(message.about);
        if (!index || paths[*index].stage != Stage::asked || paths[*index].down != link) continue;
        try_elsewhere(*index, {NakReason::timeout, own_tag(), at->tag}, paths[*index].pending->tries, now);
    }
}

}  // namespace weft::overlay
