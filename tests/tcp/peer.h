// One production engine in virtual time, and in front of it a peer whose segments the test writes and reads one by one.
// Whatever the engine sends is checked at once for what must always hold; sees() then says what should have been sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <vector>

#include "stack/core/time.h"
#include "stack/engine/engine.h"
#include "stack/tcp/scoreboard.h"
#include "stack/tcp/tcb.h"
#include "tests/tcp/segment.h"

namespace weft::test {

using tcp::State;
using Where = std::source_location;

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }
constexpr Duration seconds(std::int64_t n) { return Duration::seconds(n); }

// How the two ends begin. The defaults make a plain connection with all that RFC 7323 offers.
struct Opening {
    Family family{Family::ipv4};
    bool active{false};                    // who opens: the engine, or the peer
    Config config{.seed = {7, 11}};
    ListenOptions options;                 // of the listener or of connect(): `local` is filled in
    PathOptions path;
    std::optional<std::uint16_t> mss{1460};       // in the peer's SYN
    std::optional<std::uint8_t> scale{7};
    bool timestamps{true};
    bool sack{false};                      // SACK-permitted in the peer's SYN
    std::uint16_t window{65'535};          // in the peer's segments, not scaled
    SeqNum irs{0xffff'f000};               // the peer's first sequence number: streams soon wrap
    Duration round_trip{ms(0)};            // of the handshake, when the engine opens
};

class Peer {
public:
    explicit Peer(const Opening& setup = {});

    static constexpr std::uint16_t engine_port = 80, peer_port = 40'000;

    // The peer speaks. Unless said otherwise: its next sequence number, everything acknowledged, its window, and
    // timestamps when they were negotiated.
    void sends(const Segment& segment);
    void sends_together(std::span<const Segment> segments);  // as one batch
    void sends_packet(std::vector<std::byte> packet);        // from the network header on (overlay: TCP's)
    std::vector<std::byte> packet_of(const Segment& segment) { return build(segment); }
    void mend(std::vector<std::byte>& packet) const;         // its checksums hold again, whatever it says

    // The engine has sent exactly this as the next segment not yet looked at.
    Seen sees(const Segment& expected, Where where = Where::current());
    void sees_nothing(Where where = Where::current());
    std::optional<Seen> next();                              // whatever it is
    std::size_t waiting() const { return seen_.size(); }
    void ignores_what_was_sent() { seen_.clear(); }
    std::uint32_t bytes_waiting() const;                     // payload of what was not yet looked at
    bool watches{true};                                      // off: what the engine sends is not even read

    // Time passes: each deadline in between is met.
    void after(Duration duration);
    // Until the engine sends something, at most for `limit`. How long that took; `limit` if it did not.
    Duration until_it_sends(Duration limit = seconds(1'000));
    Duration until_event(Event::Kind kind, Duration limit = seconds(1'000));
    Instant now{Instant::from_nanoseconds(1'000'000'000'000)};

    // The application at the engine's side.
    void listens();
    void connects();
    std::size_t writes(std::size_t bytes, WriteOptions options = {});
    std::size_t reads(std::size_t most = ~std::size_t{0});   // checks the pattern
    Result<std::size_t> tries_to_read(std::size_t most);
    void closes() { shuts(Engine::Direction::write); }
    void shuts(Engine::Direction direction);
    void aborts();
    void reads_the_end(Where where = Where::current());  // end_of_stream: after it the handle is stale, if all is over
    std::optional<Event> hears(Event::Kind kind);  // takes the first event of this kind, if there is one
    bool accepts(Where where = Where::current());  // the flow that accept() hands out becomes flow()

    // Opens as the setup says and leaves nothing to look at.
    void opens(Where where = Where::current());

    Engine& engine() { return *engine_; }
    Engine& swap_engine(Engine other);
    Flow flow() const { return flow_; }
    ListenerId listener() const { return listener_; }
    const tcp::Tcb& tcb() const;
    const tcp::Cold& cold() const;
    const tcp::Scoreboard* scoreboard() const { return engine_->inspect_scoreboard(flow_); }  // none while nothing is amiss
    bool gone() const { return engine_->inspect(flow_) == nullptr; }
    State state() const { return tcb().receiving.state; }
    Statistics statistics() const { return engine_->statistics(); }
    std::size_t pool_in_use() const { return pool_->in_use(); }

    // The engine's variables, and the peer's.
    SeqNum rcv_nxt() const { return tcb().receiving.rcv_nxt; }
    SeqNum snd_nxt() const { return tcb().sending.snd_nxt; }
    SeqNum snd_una() const { return tcb().sending.snd_una; }
    SeqNum iss() const { return iss_; }  // of the engine's SYN
    SeqNum peer_next() const { return peer_next_; }
    SeqNum seen_end() const { return seen_end_; }  // highest the engine has sent
    SeqNum advertised() const { return right_edge_; }  // RCV.NXT + RCV.WND as last told
    std::uint32_t effective_mss() const;  // payload of a full-sized segment of the engine
    std::uint8_t engine_scale() const { return engine_scale_; }
    std::uint64_t most_in_a_super_segment() const { return most_segments_; }
    std::uint32_t clock() const { return std::uint32_t(now.nanoseconds() / 1'000'000); }  // the peer's timestamps
    std::uint32_t last_value() const { return last_value_; }  // the engine's latest TSval
    std::uint16_t remote_port() const { return remote_port_; }
    // The peer's next SYN begins another connection: from this port, with this sequence number.
    void begins_anew(std::uint16_t port, SeqNum irs);
    Opening setup;
    Endpoint local, remote;
    std::uint32_t path() const { return path_; }

    void settle();  // drains the engine

private:
    std::vector<std::byte> build(const Segment& segment);
    std::vector<std::byte> enveloped(std::vector<std::byte> segment, Ecn ecn) const;
    void read_packet(std::span<const std::byte> packet);
    void check(const Seen& seen);
    void deliver(std::span<std::vector<std::byte>> packets);

    std::unique_ptr<BufferPool> pool_;
    std::unique_ptr<Engine> engine_;
    Flow flow_;
    ListenerId listener_;
    std::uint32_t path_{0};
    std::deque<Seen> seen_;
    std::deque<Event> events_;
    std::uint16_t local_port_{engine_port}, remote_port_{peer_port};
    SeqNum iss_, peer_next_, seen_end_, right_edge_;
    bool knows_iss_{false}, timestamps_on_{false}, edge_known_{false};
    bool offered_scale_{false}, offered_timestamps_{false};  // by the peer
    std::uint8_t engine_scale_{0};
    std::uint32_t last_value_{0};
    std::uint64_t written_{0}, read_{0}, most_segments_{0};
};

// A connection in ESTABLISHED, nothing outstanding, nothing to look at.
Peer established(const Opening& setup = {}, Where where = Where::current());

}  // namespace weft::test
