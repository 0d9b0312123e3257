// What the two ends of a duel do, and what must hold: streams arrive as they were written, every packet can be cut and fits its path,
// windows and counters are sound, and in the end nothing is left.
#include "tests/fuzz/duel.h"

#include <algorithm>
#include <array>

#include "sim/middlebox.h"
#include "sim/random.h"
#include "stack/tcp/info.h"
#include "stack/tcp/scoreboard.h"
#include "stack/tcp/tcb.h"
#include "stack/wire/cut.h"
#include "stack/wire/pseudo.h"
#include "tests/engine/host_address.h"
#include "tests/fuzz/fuzz.h"

namespace weft::fuzz {
namespace {

constexpr std::size_t most_under_way = 512, most_lines = 48;

std::byte text(SeqNum iss, std::uint16_t port, std::uint64_t place) {
    return std::byte(sim::mix((std::uint64_t{iss.raw()} << 16 | port) + place / 8 * sim::Draws::step) >> place % 8 * 8);
}

}  // namespace

Duel::Duel(BufferPool& pool, Family kind, const Config& a, const Config& b, bool elided)
    : family{kind}, pool_{pool}, base_{pool.in_use()}, elided_{elided && kind == Family::overlay},
      ends_{End{a, pool}, End{b, pool}} {
    for (unsigned side = 0; side < 2; ++side) {
        ends_[side].address = test::host_address(family, side + 1);
        const PathOptions options{.sums_elided = elided_};
        FUZZ_CHECK(ends_[side].engine.assign(ends_[side].address, options, now));
    }
    addresses_ = wire::pseudo_sum(ends_[0].address, ends_[1].address);
    if (family != Family::overlay) return;
    for (unsigned side = 0; side < 2; ++side) {
        const auto path = ends_[side].engine.open_path({ends_[side].address, 0, 0}, {ends_[side ^ 1].address, 0, 0},
                                                       {.sums_elided = elided_}, now);
        FUZZ_CHECK(path);
        ends_[side].path = *path;
    }
}

void Duel::connect(unsigned side, const Endpoint& remote, const ConnectOptions& options) {
    End& from = ends_[side];
    if (from.lines.size() >= 24) return;
    const auto flow = from.engine.connect(remote, options, now);
    if (flow) hold(from, *flow);
}

void Duel::accept(unsigned side, ListenerId listener) {
    End& at = ends_[side];
    if (at.lines.size() >= most_lines) return;
    const auto flow = at.engine.accept(listener, now);
    if (flow) hold(at, *flow);
}

void Duel::hold(End& end, Flow flow) {
    const auto peers = end.engine.peers(flow);
    const tcp::Cold* const cold = end.engine.inspect_cold(flow);
    FUZZ_CHECK(peers && cold);
    end.lines.push_back(
        {.flow = flow, .local_port = peers->local.port, .remote_port = peers->remote.port, .iss = cold->iss});
}

void Duel::write(unsigned side, Line& line, std::uint32_t size, WriteOptions options, bool as_slice) {
    if (line.wrote + size > 100'000) return;
    std::vector<std::byte> bytes(size);
    for (std::uint32_t i = 0; i < size; ++i) bytes[i] = text(line.iss, line.local_port, line.wrote + i);
    Engine& engine = ends_[side].engine;
    if (as_slice && size > 0) {
        WriteRight right{pool_.allocate(size)};
        if (engine.write(line.flow, right.append(bytes), options, now)) line.wrote += size;
        return;
    }
    const auto taken = engine.write(line.flow, bytes, options, now);
    if (!taken) return;
    FUZZ_CHECK(*taken <= size && (!options.overflow || *taken == size));
    FUZZ_CHECK(!line.over && !line.shut);
    line.wrote += *taken;
}

// The line at the other end whose text this one reads, if its stream was begun there and nobody else spoke on it. The last one: the
// clock of initial sequence numbers comes round, and so may names.
Line* Duel::peer_of(unsigned side, const Line& line, SeqNum irs) {
    if (tainted_.contains(std::minmax(line.local_port, line.remote_port))) return nullptr;
    std::vector<Line>& others = ends_[side ^ 1].lines;
    const auto found = std::find_if(others.rbegin(), others.rend(), [&](const Line& other) {
        return other.iss == irs && other.local_port == line.remote_port && other.remote_port == line.local_port;
    });
    return found == others.rend() ? nullptr : &*found;
}

void Duel::read(unsigned side, Line& line, std::uint32_t most, unsigned how) {
    Engine& engine = ends_[side].engine;
    const tcp::Cold* const cold = engine.inspect_cold(line.flow);
    const SeqNum irs = cold ? cold->irs : SeqNum{};
    Line* const peer = cold ? peer_of(side, line, irs) : nullptr;
    const auto expect = [&](Bytes bytes, std::uint64_t from) {
        if (!peer) return;
        FUZZ_CHECK(from + bytes.size() <= peer->wrote);
        for (std::size_t i = 0; i < bytes.size(); ++i) FUZZ_CHECK(bytes[i] == text(irs, line.remote_port, from + i));
    };
    std::vector<std::byte> into(most);
    if (how % 3 == 2)
        if (const auto seen = engine.peek(line.flow, most % 7, into, now))
            expect(Bytes{into}.first(*seen), line.read + most % 7);
    std::array<Slice, 4> slices;
    const auto got = how % 3 == 1 ? engine.take(line.flow, slices, now) : engine.read(line.flow, into, now);
    if (!got) {
        if (got.error() != Error::end_of_stream || line.deaf || line.heard_end) return;
        line.heard_end = true;
        if (peer) FUZZ_CHECK(line.read == peer->wrote && peer->shut);
        return;
    }
    if (how % 3 == 1) {
        FUZZ_CHECK(*got <= slices.size());
        for (const Slice& each : std::span{slices}.first(*got)) {
            expect(each.bytes(), line.read);
            line.read += each.size();
        }
        return;
    }
    FUZZ_CHECK(*got <= most);
    expect(Bytes{into}.first(*got), line.read);
    line.read += *got;
}

void Duel::shut(unsigned side, Line& line, Engine::Direction direction) {
    if (!ends_[side].engine.shutdown(line.flow, direction, now)) return;
    if (direction != Engine::Direction::read) line.shut = true;
    if (direction != Engine::Direction::write) line.deaf = true;
}

void Duel::abort(unsigned side, Line& line) {
    if (ends_[side].engine.abort(line.flow, now)) line.over = true;
}

void Duel::resize(unsigned side, std::uint32_t mtu) {
    End& end = ends_[side];
    if (family == Family::overlay) {
        end.mtu = std::clamp(mtu, 256u, 65'535u);
        return end.engine.change_path(end.path, {.mtu = mtu, .sums_elided = elided_}, now);
    }
    if (end.engine.attach(0, {.mtu = mtu}, now)) end.mtu = mtu;
}

void Duel::hear(unsigned side, const Event& event) {
    End& at = ends_[side];
    if (event.kind == Event::Kind::asked) {
        if (at.questions.size() < 64) at.questions.push_back(event.question);
        return;
    }
    if (event.kind == Event::Kind::accepted) return;
    const auto found =
        std::find_if(at.lines.begin(), at.lines.end(), [&](const Line& line) { return line.flow == event.flow; });
    if (event.kind != Event::Kind::closed && event.kind != Event::Kind::failed) return;
    if (found == at.lines.end()) return;
    FUZZ_CHECK(!found->over && at.engine.inspect(event.flow) == nullptr);
    found->over = true;
    found->in_order = event.kind == Event::Kind::closed;
}

void Duel::settle(unsigned side) {
    End& at = ends_[side];
    std::array<Transmit, 8> out;
    std::array<Event, 8> events;
    std::size_t rounds = 0;
    for (bool busy = true; busy;) {
        busy = false;
        while (const std::size_t made = at.engine.transmit(out, now)) {
            busy = true;
            FUZZ_CHECK(++rounds < 20'000);  // it never stops to talk
            for (const Transmit& each : std::span{out}.first(made)) {
                const auto part = family == Family::overlay ? wire::Cut::Part::transport : wire::Cut::Part::packet;
                auto cut = wire::Cut::make(each, part);
                FUZZ_CHECK(cut.has_value());
                while (cut->left() > 0) {
                    Packet packet{std::vector<std::byte>(cut->next_size()), each.ecn};
                    FUZZ_CHECK(cut->next(packet.bytes) == packet.bytes.size());
                    const std::size_t elsewhere = family == Family::overlay ? net::header_size(family) : 0;
                    FUZZ_CHECK(packet.bytes.size() + elsewhere <= at.mtu);
                    if (at.sent.size() >= most_under_way) at.sent.pop_front();
                    at.sent.push_back(std::move(packet));
                }
            }
        }
        while (const std::size_t made = at.engine.events(events, now)) {
            busy = true;
            FUZZ_CHECK(++rounds < 20'000);
            for (const Event& event : std::span{events}.first(made)) hear(side, event);
        }
    }
    check(side);
}

void Duel::check(unsigned side) {
    Engine& engine = ends_[side].engine;
    const Statistics all = engine.statistics();
    FUZZ_CHECK(all.connections <= 128 && all.half_open <= 1'024);
    for (const Line& line : ends_[side].lines) {
        const tcp::Tcb* const tcb = engine.inspect(line.flow);
        if (!tcb) continue;
        const auto& [in, out] = std::pair{tcb->receiving, tcb->sending};
        FUZZ_CHECK(at_or_before(out.snd_una, out.snd_nxt) && at_or_before(out.snd_nxt, out.snd_max));
        FUZZ_CHECK(at_or_before(in.rcv_nxt, in.rcv_adv) || in.state == tcp::State::syn_sent);
        const bool synchronized = in.state >= tcp::State::established && in.state <= tcp::State::last_ack;
        if (synchronized) FUZZ_CHECK(out.steering.cwnd >= in.mss && in.mss >= 36);
        const tcp::Scoreboard* const board = engine.inspect_scoreboard(line.flow);
        if (board && synchronized) FUZZ_CHECK(board->sacked + board->given_up <= out.snd_nxt - out.snd_una);
        const auto buffers = engine.buffers(line.flow);
        FUZZ_CHECK(buffers && buffers->unsent <= buffers->unacknowledged && buffers->unacknowledged <= line.wrote);
        FUZZ_CHECK(engine.info(line.flow, now).has_value());
    }
}

// As middleboxes do: options of SYNs become NOPs, marks come and go.
void Duel::meddle(Packet& packet) const {
    if (packet.bytes.size() <= tcp_at() || !sim::is_tcp(family, packet.bytes)) return;
    const bool inside = family == Family::overlay;
    const Ecn was = inside ? packet.ecn : sim::ecn_of(family, packet.bytes);
    const Ecn is = marks == 2 ? Ecn::not_capable : marks == 1 && was != Ecn::not_capable ? Ecn::congestion_experienced : was;
    packet.ecn = is;
    if (!inside && is != was) sim::set_ecn(family, packet.bytes, is);
    const std::span segment = std::span{packet.bytes}.subspan(tcp_at());
    if (strips != 0 && sim::strip(segment, strips) && !elided_) sim::mend_tcp(segment, addresses_);
}

void Duel::receive(unsigned to, std::vector<Packet> packets) {
    std::vector<Receive> batch;
    for (const Packet& packet : packets) {
        WriteRight right{pool_.allocate(std::max<std::size_t>(packet.bytes.size(), 1))};
        Receive& one = batch.emplace_back();
        one.frame = right.append(packet.bytes);
        one.ecn = packet.ecn;
        one.path = ends_[to].path;
        one.protocol = family == Family::overlay ? wire::protocol_tcp : std::uint8_t{0};
        one.checksum_verified = elided_;
    }
    ends_[to].engine.receive(batch, now);
    settle(to);
}

void Duel::deliver(unsigned side, std::size_t count) {
    std::deque<Packet>& sent = ends_[side].sent;
    std::vector<Packet> packets;
    for (; count > 0 && !sent.empty(); --count, sent.pop_front()) {
        meddle(sent.front());
        packets.push_back(std::move(sent.front()));
    }
    if (!packets.empty()) receive(side ^ 1, std::move(packets));
}

void Duel::forge(unsigned to, const Packet& packet) { receive(to, {packet}); }

Packet Duel::packet(unsigned from, const wire::TcpHeader& header, Bytes payload) const {
    std::array<std::byte, wire::TcpView::max_header> tcp;
    const std::size_t size = header.write(tcp);
    std::vector<std::byte> segment(size + payload.size());
    std::copy_n(tcp.begin(), size, segment.begin());
    std::copy(payload.begin(), payload.end(), segment.begin() + std::ptrdiff_t(size));
    return packet(from, segment);
}

Packet Duel::packet(unsigned from, Bytes segment) const {
    const std::size_t front = tcp_at();
    Packet made{std::vector<std::byte>(front + segment.size())};
    const std::span all{made.bytes};
    if (front > 0) {
        net::write_header(ends_[from].address, ends_[from ^ 1].address, all.first(front));
        net::finish_header(family, all.first(front), 0, Ecn::not_capable, 64, 0);
        const bool four = family == Family::ipv4;
        store_big(all.data() + (four ? 2 : 4), std::uint16_t(four ? all.size() : segment.size()));
        if (four) sim::mend_ipv4(all);
    }
    std::copy(segment.begin(), segment.end(), all.begin() + std::ptrdiff_t(front));
    if (segment.size() >= wire::TcpView::min_size) sim::mend_tcp(all.subspan(front), addresses_);
    return made;
}

void Duel::pass(Duration duration) {
    const Instant until = now + duration;
    for (int rounds = 0; deadline() <= until; ++rounds) {
        if (rounds > 3'000) break;
        const Instant before = now;
        now = std::max(now, deadline());
        for (unsigned side = 0; side < 2; ++side)
            if (ends_[side].engine.deadline() <= now) ends_[side].engine.advance(now), settle(side);
        FUZZ_CHECK(now > before || deadline() > now || rounds < 2'000);  // a timer that is due for ever
    }
    now = std::max(now, until);
}

bool Duel::all_over() const {
    for (const End& end : ends_)
        if (!end.sent.empty() ||
            !std::all_of(end.lines.begin(), end.lines.end(), [](const Line& line) { return line.over; }))
            return false;
    return true;
}

void Duel::close_all() {
    for (unsigned side = 0; side < 2; ++side) {
        End& at = ends_[side];
        for (const Question question : at.questions) (void)at.engine.answer(question, Answer::refuse, now);
        at.questions.clear();
        for (const ListenerId listener : at.listeners)
            for (std::size_t i = 0; i < most_lines; ++i) accept(side, listener);
        for (Line& line : at.lines) {
            if (line.over) continue;
            if (!line.shut) shut(side, line, Engine::Direction::write);
            for (int i = 0; i < 4 && !line.heard_end; ++i) read(side, line, 50'000, 0);
        }
        settle(side);
    }
}

// The engine of `side` has it still, which is asked itself: its application may know nothing of it. Once that accepts no more, what
// waits to be accepted does not count.
bool Duel::has_other_end(unsigned side, const Line& line) const {
    const End& at = ends_[side];
    const auto is_it = [&](const Line& other) {
        return !other.over && other.local_port == line.remote_port && other.remote_port == line.local_port;
    };
    if (std::any_of(at.lines.begin(), at.lines.end(), is_it)) return true;
    if (at.lines.size() >= most_lines) return false;
    const std::vector<Flow> flows = at.engine.flows();
    return std::any_of(flows.begin(), flows.end(), [&](Flow flow) {
        const auto peers = at.engine.peers(flow);
        return peers && peers->local.port == line.remote_port && peers->remote.port == line.local_port;
    });
}

// Who gives up by the user timeout, or whose reset is lost, tells nobody (RFC 9293, section 3.10.8). A peer that has said all, its
// FIN too, and wants to hear the rest, then waits in FIN-WAIT-2 for as long as its user likes: no timer is due there (section 3.6).
bool Duel::give_up_deserted() {
    bool any = false;
    for (unsigned side = 0; side < 2; ++side) {
        for (Line& line : ends_[side].lines) {
            const tcp::Tcb* const tcb = line.over ? nullptr : ends_[side].engine.inspect(line.flow);
            if (!tcb || tcb->receiving.state != tcp::State::fin_wait_2) continue;
            if (has_other_end(side ^ 1, line)) continue;
            abort(side, line);
            any = true;
        }
        settle(side);
    }
    return any;
}

void Duel::finish() {
    strips = marks = 0;
    for (End& end : ends_)
        if (end.path != 0) end.engine.path_up(end.path, now);
    int rounds = 0;
    for (close_all(); !all_over(); close_all()) {
        FUZZ_CHECK(
            ++rounds <
            400'000);  // somebody never ends; keep-alives each 100 ms look often until a user timeout of an hour is over
        if (!ends_[0].sent.empty() || !ends_[1].sent.empty()) {
            for (unsigned side = 0; side < 2; ++side) deliver(side, 64);
            now = now + Duration::microseconds(100);
        } else {
            if (deadline() == Instant::never()) {
                FUZZ_CHECK(give_up_deserted());  // else: a flow that waits for nothing
                continue;
            }
            pass(std::max(deadline(), now) - now + Duration::microseconds(1));
        }
    }
    for (unsigned side = 0; side < 2; ++side) {
        End& end = ends_[side];
        for (const ListenerId listener : end.listeners) (void)end.engine.unlisten(listener, now);
        if (end.path != 0) end.engine.close_path(end.path, now);
        settle(side);
    }
    for (int i = 0; i < 4; ++i) {
        for (unsigned side = 0; side < 2; ++side) deliver(side, most_under_way);
        pass(Duration::seconds(2'000));
    }
    for (End& end : ends_) {
        const Statistics all = end.engine.statistics();
        FUZZ_CHECK(all.connections == 0 && all.half_open == 0 && all.time_wait == 0 && all.listeners == 0);
        FUZZ_CHECK(all.paths == 0 && end.engine.flows().empty() && end.engine.deadline() == Instant::never());
    }
    FUZZ_CHECK(pool_.in_use() == base_);
}

}  // namespace weft::fuzz
