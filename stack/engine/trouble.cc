// ICMP errors about packets of ours: believed where they quote what a flow has in flight (RFC 5927, section 4), and what they change.
#include "stack/engine/state.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/handshake.h"
#include "stack/wire/pseudo.h"

namespace weft {
namespace {

constexpr std::uint32_t least_mtu4 = 552, least_mtu6 = 1'280;  // bytes: below that nobody's word is taken
constexpr Duration lowered_for = Duration::seconds(600);  // RFC 1191, section 6.3; RFC 8201, section 4

// RFC 1191, section 7.1: what links commonly carry, for routers that do not say.
constexpr std::array<std::uint16_t, 7> plateaus{17'914, 8'166, 4'352, 2'002, 1'492, 1'006, 552};

std::uint32_t below(std::uint32_t length) {
    for (const std::uint16_t plateau : plateaus)
        if (plateau < length) return plateau;
    return least_mtu4;
}

// RFC 1122, section 4.2.3.9; RFC 5461, section 2: what can pass is soft.
struct Weight {
    Error error;
    bool hard;
};
Weight weight_of(wire::IcmpMeaning meaning) {
    switch (meaning) {
    case wire::IcmpMeaning::port:
    case wire::IcmpMeaning::protocol: return {Error::refused, true};
    case wire::IcmpMeaning::prohibited: return {Error::prohibited, true};
    default: return {Error::unreachable, false};
    }
}

}  // namespace

// The flow that sent what is quoted, and where in its stream that was.
std::optional<Engine::State::Quoted> Engine::State::quoted_flow(const net::Arrived& packet, const wire::IcmpQuote& quote) {
    if (quote.protocol != wire::protocol_tcp || quote.transport.size() < 8) return std::nullopt;
    const std::uint32_t scope = net::is_link_local(quote.destination) ? packet.link : 0;
    const std::uint32_t path = packet.path != 0 ? packet.path : paths.find(quote.source, quote.destination, scope);
    if (path == 0) return std::nullopt;
    const auto local = load_big<std::uint16_t>(quote.transport.data());
    const auto remote = load_big<std::uint16_t>(quote.transport.data() + 2);
    const tcp::Found found = host.find({path, local, remote});
    if (found.kind != tcp::Found::Kind::connection) return std::nullopt;
    const SeqNum seq{load_big<std::uint32_t>(quote.transport.data() + 4)};
    if (!tcp::Connection{host, found.index}.in_flight(seq)) return std::nullopt;
    return Quoted{path, found.index};
}

// Who shows the habit forgets a half-open record whose SYN,ACK the network could not deliver, whatever the reason (RFC 5461, section 4.1).
bool Engine::State::forget_quoted(const net::Arrived& packet, const wire::IcmpQuote& quote, wire::IcmpMeaning meaning,
                                  Instant now) {
    if (!host.look().soft_ends_opening || meaning == wire::IcmpMeaning::too_big) return false;
    if (quote.protocol != wire::protocol_tcp || quote.transport.size() < 8) return false;
    const std::uint32_t scope = net::is_link_local(quote.destination) ? packet.link : 0;
    const std::uint32_t path = packet.path != 0 ? packet.path : paths.find(quote.source, quote.destination, scope);
    if (path == 0) return false;
    const auto local = load_big<std::uint16_t>(quote.transport.data());
    const auto remote = load_big<std::uint16_t>(quote.transport.data() + 2);
    const tcp::Found found = host.find({path, local, remote});
    if (found.kind != tcp::Found::Kind::half_open) return false;
    if (host.half_open[found.index].iss != SeqNum{load_big<std::uint32_t>(quote.transport.data() + 4)}) return false;
    tcp::drop_half(host, found.index, tcp::State::listen, tcp::Cause::path, now);
    return true;
}

void Engine::State::receive_trouble(const net::Arrived& packet, const wire::IcmpView& error, Instant now) {
    const auto quote = wire::IcmpQuote::parse(packet.family, error.body());
    const auto flow = quote && !packet.to_group ? quoted_flow(packet, *quote) : std::nullopt;
    if (!flow && quote && !packet.to_group && forget_quoted(packet, *quote, error.meaning(), now)) return;
    if (!flow) {
        ++host.statistics.icmp_ignored;
        return reject(engine::Reject::unbelieved, now);
    }
    if (error.meaning() == wire::IcmpMeaning::too_big) return lower_mtu(flow->path, error.mtu(), quote->length, now);
    const Weight weight = weight_of(error.meaning());
    tcp::Connection{host, flow->connection}.trouble(weight.error, weight.hard, now);
}

// RFC 1191, RFC 8201. The quoted packet was larger than what it says fits, or it is not about that packet (RFC 5927, section 7.2).
// A session of the overlay measures its MTU itself.
void Engine::State::lower_mtu(std::uint32_t index, std::uint32_t mtu, std::uint32_t quoted, Instant now) {
    net::Path& path = paths[index];
    const bool ipv4 = path.remote.family() == Family::ipv4;
    if (ipv4 && mtu == 0) mtu = below(std::min<std::uint32_t>(quoted, host.paths[index].mtu));
    if (ipv4) mtu = std::max(mtu, least_mtu4);
    const bool plausible = (ipv4 || mtu >= least_mtu6) && mtu < quoted && mtu < host.paths[index].mtu;
    if (path.remote.family() == Family::overlay || !plausible) {
        ++host.statistics.icmp_ignored;
        return reject(engine::Reject::unbelieved, now);
    }
    ++host.statistics.mtu_lowered;
    forget_lowered(index);
    path.lowered_mtu = std::uint16_t(mtu);
    path.lowered_until = now + lowered_for;
    lowered.append(index, lowered_place());
    set_mtu(index, now);
}

void Engine::State::forget_lowered(std::uint32_t index) {
    if (paths[index].lowered_mtu == 0) return;
    lowered.remove(index, lowered_place());
    paths[index].lowered_mtu = 0;
}

// All wait equally long, so that the list is the timer. A larger packet is tried again.
void Engine::State::raise_mtus(Instant now) {
    while (!lowered.empty() && paths[lowered.first].lowered_until <= now) {
        const std::uint32_t index = lowered.first;
        forget_lowered(index);
        set_mtu(index, now);
    }
}

}  // namespace weft
