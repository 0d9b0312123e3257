// Two engines and the network between them in virtual time, for the fuzzer of segments and calls: what each end wrote and read,
// packets under way that may be lost, damaged and changed, and what must hold after every step.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "sim/middlebox.h"
#include "stack/engine/engine.h"
#include "stack/wire/tcp.h"

namespace weft::fuzz {

// One end of a connection, as its application knows it.
struct Line {
    Flow flow;
    std::uint16_t local_port{0}, remote_port{0};
    SeqNum iss;
    std::uint64_t wrote{0}, read{0};  // bytes
    bool shut{false};  // it will write no more
    bool deaf{false};  // it reads no more
    bool heard_end{false};  // of the peer's stream
    bool over{false}, in_order{false};  // `closed` or `failed` was heard; it was `closed`
};

struct Packet {
    std::vector<std::byte> bytes;  // from the network header on; over a session from TCP's
    Ecn ecn{Ecn::not_capable};
};

struct End {
    explicit End(const Config& config, BufferPool& pool) : engine{config, pool} {}

    Engine engine;
    Address address;
    PathId path{0};
    std::uint32_t mtu{1'500};
    std::vector<Line> lines;
    std::vector<ListenerId> listeners;
    std::vector<Question> questions;
    std::deque<Packet> sent;  // under way to the other end
};

class Duel {
public:
    Duel(BufferPool& pool, Family family, const Config& a, const Config& b, bool elided);

    End& end(unsigned side) { return ends_[side & 1]; }

    // What applications do. Streams are written so that each byte tells its place.
    void connect(unsigned side, const Endpoint& remote, const ConnectOptions& options);
    void accept(unsigned side, ListenerId listener);
    void write(unsigned side, Line& line, std::uint32_t size, WriteOptions options, bool as_slice);
    void read(unsigned side, Line& line, std::uint32_t most, unsigned how);  // how: read, take, or peek and read
    void shut(unsigned side, Line& line, Engine::Direction direction);
    void abort(unsigned side, Line& line);
    void resize(unsigned side, std::uint32_t mtu);  // of the path, as `side` sees it

    // What the network does to packets that `side` has sent.
    void deliver(unsigned side, std::size_t count);
    void forge(unsigned to, const Packet& packet);  // a packet that nobody sent reaches `to`
    void taint(std::uint16_t port, std::uint16_t other) { tainted_.insert(std::minmax(port, other)); }
    std::uint8_t strips{0};  // options that SYNs lose: of sim::Strips
    std::uint8_t marks{0};  // 1: what may be marked is, 2: no packet may be marked any more
    Packet packet(unsigned from, const wire::TcpHeader& header, Bytes payload) const;
    Packet packet(unsigned from, Bytes segment) const;  // with sums that are right

    void pass(Duration duration);  // deadlines in between are met
    void settle(unsigned side);  // everything that the engine has to say
    void check(unsigned side);  // what always holds
    void finish();  // a perfect network, both ends close: all must come to its end

    Instant now = Instant::from_nanoseconds(1'000'000'000'000);
    Family family;

private:
    void hold(End& end, Flow flow);
    Line* peer_of(unsigned side, const Line& line, SeqNum irs);
    void hear(unsigned side, const Event& event);
    void meddle(Packet& packet) const;
    void receive(unsigned to, std::vector<Packet> packets);
    std::size_t tcp_at() const { return sim::transport_at(family); }
    Instant deadline() const { return std::min(ends_[0].engine.deadline(), ends_[1].engine.deadline()); }
    bool all_over() const;
    void close_all();
    bool has_other_end(unsigned side, const Line& line) const;
    bool give_up_deserted();

    BufferPool& pool_;
    std::size_t base_;  // bytes that it had given away before
    bool elided_;
    End ends_[2];
    std::set<std::pair<std::uint16_t, std::uint16_t>> tainted_;  // ports of flows that somebody else spoke on
    std::uint16_t addresses_{0};  // the sum of both
};

}  // namespace weft::fuzz
