// Two engines under calls, packets and time as the input says: its first bytes choose family and settings, then each operation is a byte
// and what it needs. In the end the network is perfect, both ends close, and nothing may be left (duel.h). Who sees the flows may
// speak on them, too; such a flow need not arrive whole, but it must end.
#include <algorithm>
#include <array>

#include "stack/core/address.h"
#include "stack/tcp/info.h"
#include "stack/tcp/tcb.h"
#include "tests/fuzz/duel.h"
#include "tests/fuzz/fuzz.h"

namespace weft::fuzz {
namespace {

BufferPool& pool() {
    static BufferPool one{std::size_t{64} << 20};
    return one;
}

Config config_of(Reader& in, std::uint64_t seed) {
    const std::uint32_t bits = in.big<std::uint32_t>();
    const auto bit = [&](unsigned n) { return (bits >> n & 1) != 0; };
    Config config{.seed = {seed, 99}};
    config.sack = !bit(0);
    config.recovery = bit(1) ? Config::Recovery::sack : Config::Recovery::rack;
    config.pacing = bit(2);
    config.timestamps = !bit(3);
    config.window_scaling = !bit(4);
    config.ecn = std::uint8_t(bits >> 5 & 3);
    config.syncookies = std::uint8_t(bits >> 7 & 3);
    config.rfc1337 = bit(9);
    config.mtu_probing = bit(10) ? 0 : 1;
    config.fast_open = std::uint8_t(bits >> 11 & 3);
    config.fast_open_key[0] = 5;  // who copies a cookie from one input may use it in another
    config.send_buffer = 2'048u << (bits >> 13 & 7);
    config.receive_buffer = 2'048u << (bits >> 16 & 7);
    config.receive_buffer_most = bit(19) ? 1 << 18 : 0;
    config.send_buffer_most = bit(20) ? 1 << 18 : 0;
    config.time_wait_limit = bit(21) ? 2 : 1'000;
    config.personality = std::uint8_t(bits >> 22 & 3);
    config.delayed_ack = Duration::milliseconds(bit(24) ? 0 : 40);
    config.accecn = std::uint8_t(bits >> 26 & 3);
    config.first_port = 50'000, config.last_port = bit(25) ? 50'003 : 50'400;
    return config;
}

class Play {
public:
    explicit Play(Bytes input)
        : in_{input}, choices_{in_.u8()}, first_{config_of(in_, 1)}, second_{config_of(in_, 2)},
          duel_{pool(), family_of(choices_), first_, second_, (choices_ & 4) != 0} {}

    void run() {
        while (in_.left() > 0) {
            const std::uint8_t code = in_.u8();
            side_ = code >> 7;
            step(code & 31);
            for (const unsigned side : {0u, 1u}) duel_.settle(side);
        }
        duel_.finish();
    }

private:
    static Family family_of(std::uint8_t choices) {
        return std::array{Family::ipv4, Family::ipv6, Family::overlay, Family::overlay}[choices & 3];
    }
    End& me() { return duel_.end(side_); }
    Engine& engine() { return me().engine; }
    Line* line() {
        std::vector<Line>& lines = me().lines;
        const std::uint8_t which = in_.u8();
        return lines.empty() ? nullptr : &lines[lines.size() - 1 - which % lines.size()];
    }
    template <class T>
    T some(const std::vector<T>& all) {
        const std::uint8_t which = in_.u8();
        return all.empty() ? T{} : all[all.size() - 1 - which % all.size()];
    }
    // Short times often, long ones too: 2^n microseconds up to a day.
    Duration time() { return Duration::microseconds(std::int64_t{1} << std::min(in_.u8() % 40, 36)); }

    ConnectOptions options() {
        const std::uint32_t bits = in_.big<std::uint32_t>();
        const auto bit = [&](unsigned n) { return (bits >> n & 1) != 0; };
        ConnectOptions options{.nodelay = bit(0), .congestion = std::uint16_t(bit(1))};
        options.user_timeout = Duration::seconds(std::array{300, 5, 3'600, 20}[bits >> 2 & 3]);
        options.fast_open = bit(4);
        options.exchange_user_timeout = bit(5);
        options.report_errors = !bit(6);
        options.keepalive.on = bit(7);
        options.keepalive.idle = Duration::seconds(bit(8) ? 1 : 60);
        options.keepalive.interval = Duration::milliseconds(bit(9) ? 100 : 10'000);
        options.send_buffer = bit(10) ? 4'096u << (bits >> 11 & 7) : 0;
        options.receive_buffer = bit(14) ? 2'048u << (bits >> 15 & 7) : 0;
        options.maximum_segment = bit(18) ? std::uint16_t(bits >> 20) : std::uint16_t{0};
        if (bit(19)) options.local = {{}, 0, std::uint16_t(1'000 + (bits >> 30))};
        return options;
    }

    void step(unsigned code) {
        switch (code) {
        case 0: return connect();
        case 1: return listen();
        case 2: return void(engine().unlisten(some(me().listeners), duel_.now));
        case 3: return duel_.accept(side_, some(me().listeners));
        case 4: return answer();
        case 5:
        case 6: return write(code == 6);
        case 7:
        case 8: return read();
        case 9: return shut();
        case 10:
            if (Line* const flow = line()) duel_.abort(side_, *flow);
            return;
        case 11: return set();
        case 12: return engine().tune(config_of(in_, 1), duel_.now);
        case 13:
        case 14: return duel_.pass(time());
        case 15:
        case 16: return duel_.deliver(side_, 1 + in_.u8() % 32);
        case 17: return exchange();
        case 18: return damage();
        case 19: return duel_.resize(side_, 600 + in_.big<std::uint16_t>() % 9'000);
        case 20: return path();
        case 21:
        case 22: return attack();
        case 23: return attack_with_bytes();
        case 24: return trouble();
        case 25: return void(engine() = Engine{engine()});
        case 26: return look();
        case 27: duel_.strips = in_.u8(); return;
        case 28: duel_.marks = in_.u8() % 3; return;
        case 29:
            if (Line* const flow = line()) (void)engine().steer(flow->flow, in_.u8() & 1, duel_.now);
            return;
        default: return exchange();
        }
    }

    Endpoint there() {
        const std::uint8_t port = in_.u8();
        return {duel_.end(side_ ^ 1).address, 0, std::uint16_t((port & 4) != 0 ? 1'000 + (port & 3) : 80 + (port & 3))};
    }
    void connect() {
        const Endpoint remote = there();
        duel_.connect(side_, remote, options());
    }
    void listen() {
        ListenOptions listening{options()};
        const std::uint8_t choices = in_.u8();
        listening.local = {{}, 0, std::uint16_t(80 + (choices & 3))};
        listening.backlog = choices >> 2 & 7;
        listening.ask = (choices & 32) != 0;
        if ((choices & 64) != 0) listening.any_port = true, listening.local.port = 0;
        if ((choices & 128) != 0) listening.local.address = me().address;
        if (const auto id = engine().listen(listening, duel_.now); id && me().listeners.size() < 64)
            me().listeners.push_back(*id);
    }
    void answer() {
        const Question question = some(me().questions);
        (void)engine().answer(question, Answer(in_.u8() & 3), duel_.now);
    }
    void write(bool as_slice) {
        Line* const flow = line();
        const auto size = in_.big<std::uint16_t>();
        const std::uint8_t how = in_.u8();
        if (!flow) return;
        const WriteOptions options{(how & 1) != 0, (how & 2) != 0, (how & 4) != 0, (how & 8) != 0};
        duel_.write(side_, *flow, (how & 16) != 0 ? size : size % 300, options, as_slice);
    }
    void read() {
        Line* const flow = line();
        const auto most = in_.big<std::uint16_t>();
        const std::uint8_t how = in_.u8();
        if (flow) duel_.read(side_, *flow, most, how);
    }
    void shut() {
        Line* const flow = line();
        const auto direction = Engine::Direction(in_.u8() % 3);
        if (flow) duel_.shut(side_, *flow, direction);
    }
    void set() {
        const ConnectOptions wanted = options();
        Line* const flow = line();
        if (flow) (void)engine().set(flow->flow, wanted, duel_.now);
        else (void)engine().set(some(me().listeners), wanted, duel_.now);
    }
    // A network without faults for a while.
    void exchange() {
        for (int rounds = 1 + in_.u8() % 16; rounds > 0; --rounds) {
            for (const unsigned side : {0u, 1u}) duel_.deliver(side, 32);
            duel_.pass(Duration::milliseconds(5));
        }
    }
    void damage() {
        std::deque<Packet>& sent = me().sent;
        const std::uint8_t how = in_.u8(), which = in_.u8();
        const auto where = in_.big<std::uint16_t>();
        if (sent.empty()) return;
        const auto at = sent.begin() + which % sent.size();
        switch (how & 3) {
        case 0: sent.erase(at); return;
        case 1: sent.push_back(*at); return;
        case 2: std::iter_swap(at, sent.begin() + where % sent.size()); return;
        default: break;
        }
        // One byte of TCP's, which its sum catches; where sums are elided the session would have dropped it.
        if ((choices_ & 4) != 0 && duel_.family == Family::overlay) return;
        const std::size_t front = sim::transport_at(duel_.family);
        std::span segment = std::span{at->bytes}.subspan(std::min(front, at->bytes.size()));
        if (!segment.empty()) segment[where % segment.size()] ^= std::byte(how | 4);
    }
    void path() {
        const std::uint8_t how = in_.u8();
        if (me().path == 0) return;
        switch (how & 3) {
        case 0: return engine().path_down(me().path, duel_.now);
        case 1: return engine().path_unreachable(me().path, duel_.now);
        default: return engine().path_up(me().path, duel_.now);
        }
    }

    // A segment to `side_` on one of its flows, a little beside what that expects.
    void attack() {
        Line* const flow = line();
        const auto offset = [this] { return std::int32_t(std::int16_t(in_.big<std::uint16_t>())); };
        wire::TcpHeader header{.source_port = 80, .destination_port = 80};
        const std::int32_t seq = offset(), ack = offset();
        header.flags = in_.big<std::uint16_t>() & wire::tcp_flag_bits;
        header.window = in_.big<std::uint16_t>();
        const std::uint8_t more = in_.u8();
        header.urgent_pointer = (header.flags & wire::urg) != 0 ? in_.big<std::uint16_t>() : std::uint16_t{0};
        const tcp::Tcb* const tcb = flow ? engine().inspect(flow->flow) : nullptr;
        if (flow) header.source_port = flow->remote_port, header.destination_port = flow->local_port;
        if (tcb) {
            header.seq = tcb->receiving.rcv_nxt + std::uint32_t(seq);
            header.ack = ((more & 1) != 0 ? tcb->sending.snd_max : tcb->sending.snd_una) + std::uint32_t(ack);
            if ((more & 2) != 0)
                header.options.timestamps = {{tcb->receiving.ts_recent + (more >> 6), in_.big<std::uint32_t>()}};
        } else {
            header.seq = SeqNum{std::uint32_t(seq)}, header.ack = SeqNum{std::uint32_t(ack)};
        }
        for (unsigned i = 0; i < (more >> 2 & 3) && tcb; ++i) {
            const SeqNum left = tcb->sending.snd_una + std::uint32_t(offset());
            header.options.sack[header.options.sack_count++] = {left, left + in_.big<std::uint16_t>()};
        }
        if ((more & 16) != 0) header.options.mss = in_.big<std::uint16_t>();
        if ((more & 32) != 0) header.options.window_scale = in_.u8();
        const std::vector<std::byte> payload((more & 64) != 0 ? in_.u8() : 0, std::byte{7});
        duel_.taint(header.source_port, header.destination_port);
        duel_.forge(side_, duel_.packet(side_ ^ 1, header, payload));
    }
    // The TCP header's own bytes, options and all.
    void attack_with_bytes() {
        const Bytes bytes = in_.take(std::min<std::size_t>(in_.u8(), in_.left()));
        const auto view = wire::TcpView::parse(bytes);
        if (view) duel_.taint(view->source_port(), view->destination_port());
        duel_.forge(side_, duel_.packet(side_ ^ 1, bytes));
    }

    // A router complains of a packet that `side_` has under way.
    void trouble() {
        const std::uint8_t which = in_.u8(), kind = in_.u8();
        const auto value = in_.big<std::uint16_t>();
        if (me().sent.empty() || duel_.family == Family::overlay) return;
        const Bytes quoted = me().sent[which % me().sent.size()].bytes;
        const bool four = duel_.family == Family::ipv4;
        if ((kind & 128) != 0) return duel_.forge(side_, {sim::too_big(duel_.family, quoted, value)});
        const wire::IcmpHeader header{std::uint8_t(four ? 3 : 1), std::uint8_t(kind % 8), 0};
        duel_.forge(side_, {sim::icmp_about(duel_.family, quoted, header, 8u + kind % 64u)});
    }

    void look() {
        Line* const flow = line();
        if (!flow) return;
        (void)engine().urgent(flow->flow);
        (void)engine().congestion_state(flow->flow);
        engine().expect(flow->flow);
        FUZZ_CHECK(engine().info(flow->flow, duel_.now).has_value() == (engine().inspect(flow->flow) != nullptr));
        std::uint32_t cursor = 0;
        const trace::Sink sink{trace::all, this, [](void*, const trace::Record&) {}};
        for (int i = 0; engine().tell_flows(sink, cursor, 8, duel_.now); ++i) FUZZ_CHECK(i < 100'000);
        FUZZ_CHECK(engine().flows().size() == engine().statistics().connections);
    }

    Reader in_;
    std::uint8_t choices_;
    Config first_, second_;
    unsigned side_{0};
    Duel duel_;
};

}  // namespace
}  // namespace weft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4'096) return 0;
    weft::fuzz::Play{weft::fuzz::bytes_of(data, size)}.run();
    return 0;
}
