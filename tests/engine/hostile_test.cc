// A peer that knows every sequence number and means no good: random segments around the true ones, random calls, random
// pauses. Nothing crashes, hangs, or holds more than its bounds; in the end all memory is back.
#include <gtest/gtest.h>

#include <random>

#include "stack/wire/ipv4.h"
#include "stack/wire/tcp.h"
#include "tests/engine/pair.h"

namespace weft::test {
namespace {

class Attacker {
public:
    explicit Attacker(std::uint64_t seed) : draw_{seed} {
        Config config{.seed = {seed, 1}, .send_buffer = 65'536, .receive_buffer = 65'536, .time_wait_limit = 20};
        engine_.emplace(config, pool_);
        (void)engine_->assign(ipv4(2), {}, now_);
        listener_ = engine_->listen({{.local = {{}, 0, 80}, .user_timeout = Duration::seconds(30)}, 8}, now_).value();
    }

    void step() {
        switch (draw_() % 8) {
        case 0: call(); break;
        case 1: pass(); break;
        case 2: drain(); break;
        default: send(); break;
        }
        ASSERT_LE(engine_->statistics().half_open, 8u);
        ASSERT_LE(engine_->statistics().time_wait, 20u);
        ASSERT_LE(engine_->flows().size(), 200u);
        ASSERT_LE(pool_.in_use(), std::size_t{40} << 20);
    }

    void finish() {
        (void)engine_->unlisten(listener_, now_);
        for (const Flow flow : engine_->flows()) (void)engine_->abort(flow, now_);
        for (int i = 0; i < 3; ++i) {
            now_ = now_ + Duration::seconds(400);
            engine_->advance(now_);
            drain();
        }
        EXPECT_EQ(engine_->deadline(), Instant::never());
        EXPECT_EQ(engine_->statistics().connections + engine_->statistics().half_open + engine_->statistics().time_wait, 0u);
        EXPECT_EQ(engine_->statistics().paths, 0u);
        (void)engine_->transmit({}, now_);
        EXPECT_EQ(pool_.in_use(), 0u);
    }

private:
    std::uint64_t below(std::uint64_t bound) { return draw_() % bound; }

    // A segment for a flow that there is, or for none.
    void send() {
        std::vector<Receive> batch;
        wire::TcpHeader header{.source_port = std::uint16_t(1'000 + below(20)), .destination_port = 80};
        const auto flows = engine_->flows();
        unsigned from = unsigned(3 + below(3));
        if (!flows.empty() && below(8) != 0) {
            const Flow flow = flows[below(flows.size())];
            const tcp::Tcb& tcb = *engine_->inspect(flow);
            header.source_port = tcb.receiving.key.remote_port;
            header.destination_port = tcb.receiving.key.local_port;
            header.seq = tcb.receiving.rcv_nxt + near();
            header.ack = tcb.sending.snd_una + (below(2) ? tcb.sending.snd_max - tcb.sending.snd_una : near());
            from = std::to_integer<unsigned>(engine_->peers(flow)->remote.address.bytes()[3]);
        } else {
            header.seq = SeqNum{std::uint32_t(below(100'000))};
            header.ack = SeqNum{std::uint32_t(draw_())};
        }
        static constexpr std::uint16_t likely[] = {
            wire::ack, wire::ack | wire::psh, wire::ack | wire::fin, wire::syn, wire::syn | wire::ack,
            wire::rst, wire::rst | wire::ack, wire::ack | wire::urg};
        header.flags =
            below(10) == 0 ? std::uint16_t(below(512)) : likely[below(8) * (below(3) != 0 || below(2) != 0 ? 1 : 0)];
        if (below(3) != 0) header.flags = wire::ack;
        header.window = std::uint16_t(below(4) == 0 ? 0 : draw_());
        header.urgent_pointer = std::uint16_t(draw_());
        if (below(2) == 0)
            header.options.timestamps =
                wire::TcpTimestamps{std::uint32_t(now_.nanoseconds() / 1'000'000 + below(5)), std::uint32_t(draw_())};
        if (header.flags & wire::syn) {
            header.options.mss = std::uint16_t(draw_());
            if (below(2) == 0) header.options.window_scale = std::uint8_t(below(20));
        }
        for (std::uint64_t count = 1 + below(4); count > 0; --count) {
            const std::uint64_t text = below(2) == 0 ? 0 : below(1'460);
            batch.push_back(frame(from, header, text));
            header.seq += std::uint32_t(text);
            if (below(4) == 0) header.seq += std::uint32_t(near());
        }
        engine_->receive(batch, now_);
    }

    std::uint32_t near() {
        switch (below(6)) {
        case 0: return std::uint32_t(below(70'000));
        case 1: return std::uint32_t(-std::int32_t(below(3'000)));
        case 2: return std::uint32_t(below(4'000));
        default: return 0;
        }
    }

    Receive frame(unsigned from, const wire::TcpHeader& header, std::size_t text) {
        const std::size_t size = 20 + header.size() + text;
        Chunk* chunk = pool_.allocate(size);
        const std::span out{chunk->data(), size};
        wire::Ipv4Header{.total_length = std::uint16_t(size), .protocol = 6, .source = ipv4(from), .destination = ipv4(2)}
            .write(out);
        header.write(out.subspan(20));
        for (std::byte& byte : out.last(text)) byte = std::byte{7};
        return {.frame = Slice{chunk, 0, std::uint32_t(size)}, .checksum_verified = true};
    }

    void call() {
        std::array<std::byte, 3'000> bytes{};
        std::array<Slice, 3> slices;
        while (engine_->accept(listener_, now_)) {}
        if (below(4) == 0 && engine_->flows().size() < 100)
            (void)engine_->connect({ipv4(unsigned(3 + below(3))), 0, 80}, {.local = {{}, 0, 80}}, now_);
        const auto flows = engine_->flows();
        if (flows.empty()) return;
        const Flow flow = flows[below(flows.size())];
        const auto length = std::size_t(below(bytes.size()));
        switch (below(9)) {
        case 0:
        case 1:
            (void)engine_->write(flow, std::span{bytes}.first(length),
                                 {below(2) == 0, below(8) == 0, below(2) == 0, below(20) == 0}, now_);
            break;
        case 2: (void)engine_->write(flow, Slice{pool_.allocate(2'000), 0, std::uint32_t(below(2'000))}, {}, now_); break;
        case 3: (void)engine_->read(flow, std::span{bytes}.first(length), now_); break;
        case 4: (void)engine_->take(flow, slices, now_); break;
        case 5: (void)engine_->shutdown(flow, Engine::Direction(below(3)), now_); break;
        case 6:
            (void)engine_->set(flow, {.user_timeout = Duration::seconds(std::int64_t(below(60))), .nodelay = below(2) == 0},
                               now_);
            break;
        case 7:
            if (const tcp::Tcb* tcb = engine_->inspect(flow)) {
                const PathId path = tcb->receiving.key.path;
                if (below(2)) engine_->path_down(path, now_);
                else engine_->path_up(path, now_);
                if (below(3) == 0) engine_->change_path(path, {.mtu = std::uint32_t(200 + below(3'000))}, now_);
            }
            break;
        case 8:
            if (below(4) == 0) (void)engine_->abort(flow, now_);
            break;
        }
    }

    void pass() {
        now_ = now_ + Duration::nanoseconds(std::int64_t(1) << below(34));
        if (below(3) == 0) now_ = std::max(now_, std::min(engine_->deadline(), now_ + Duration::seconds(100)));
        engine_->advance(now_);
    }

    void drain() {
        std::array<Transmit, 8> out;
        std::array<Event, 8> events;
        for (std::size_t i = 0; i < 10'000; ++i) {
            const std::size_t made = engine_->transmit(out, now_);
            if (made == 0) break;
            ASSERT_LT(i, 9'999u) << "output without end";
            for (std::size_t j = 0; j < made; ++j) ASSERT_TRUE(wire::Cut::make(out[j]));
        }
        while (engine_->events(events, now_) > 0) {}
    }

    std::mt19937_64 draw_;
    BufferPool pool_{std::size_t{64} << 20};
    Instant now_ = Instant::from_nanoseconds(1'000'000'000);
    std::optional<Engine> engine_;
    ListenerId listener_;
};

TEST(HostilePeer, CanNeitherCrashNorExhaustTheEngine) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        Attacker attacker{seed};
        for (int i = 0; i < 3'000 && !testing::Test::HasFatalFailure(); ++i) attacker.step();
        if (testing::Test::HasFatalFailure()) return;
        attacker.finish();
    }
}

}  // namespace
}  // namespace weft::test
