// Two hosts, a transfer between them, and all that a seed decides about it. Used by the storm and by the scenarios.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/host.h"
#include "stack/tcp/modules.h"

namespace weft::test {

// One end of a transfer: writes what it has to say in pieces of drawn sizes, reads what comes, slowly or at once, checks
// each byte by its place, and closes when it has said all.
class Talker {
public:
    struct Plan {
        std::uint64_t key{0};              // of what it draws, and of the text that it writes
        std::uint64_t peer_key{0};         // of the text that it should read
        std::uint64_t to_send{0}, to_receive{0};  // bytes
        std::uint32_t largest_write{65'536}, largest_read{65'536};
        Duration write_pause, read_pause;  // at most so long between two calls; 0: at once
        bool listens{false};
        bool early{false};                 // writes before the handshake is through
        Duration sleeps;                   // reads nothing for so long
        std::uint64_t aborts_at{~std::uint64_t{0}};  // bytes sent and received together: then it resets
        Endpoint local, remote;
        ListenOptions options;
    };

    explicit Talker(const Plan& plan);

    void begin(Engine& engine, Instant now);
    void again(Engine& engine, Instant now);  // after the end: the same once more, on the same listener
    void on(Engine& engine, const Event& event, Instant now);
    void advance(Engine& engine, Instant now);
    Instant deadline() const { return std::min(write_at_, read_at_); }

    bool finished() const { return ended_; }       // it heard `closed` or `failed`
    bool orderly() const {
        return ended_ && !failure_ && saw_end_ && sent_ == plan_.to_send && received_ == plan_.to_receive;
    }
    bool bytes_equal() const { return !wrong_; }
    bool up() const { return up_; }
    bool aborted() const { return aborted_; }
    std::uint64_t sent() const { return sent_; }
    std::uint64_t received() const { return received_; }
    std::optional<Error> failure() const { return failure_; }
    std::vector<Error> soft_errors;
    Flow flow() const { return flow_; }
    const Plan& plan() const { return plan_; }
    void unlisten(Engine& engine, Instant now);
    std::string describe() const;
    Instant ended_at() const { return ended_at_; }
    void hold_reading(bool hold) { held_ = hold; }  // reads nothing until it is let go; then call read_now()
    void read_now(Engine& engine, Instant now) { read_at_ = Instant::never(), read(engine, now); }

private:
    void write(Engine& engine, Instant now);
    void read(Engine& engine, Instant now);
    Instant soon(Duration pause, Instant now);
    void connect(Engine& engine, Instant now);
    bool gave_up(Engine& engine, Instant now);

    Plan plan_;
    sim::Draws draws_;
    Flow flow_;
    ListenerId listener_;
    std::uint64_t sent_{0}, received_{0};
    Instant write_at_{Instant::never()}, read_at_{Instant::never()}, ended_at_;
    bool up_{false}, closed_{false}, saw_end_{false}, ended_{false}, wrong_{false}, held_{false}, aborted_{false};
    std::optional<Error> failure_;
    std::vector<std::byte> scratch_;
};

// Two hosts and a wire each way, a world of their own around them. Text goes from a (which connects) to b, and back.
class Transfer {
public:
    struct Plan {
        std::uint64_t seed{0};
        Family family{Family::ipv4};
        std::uint64_t forth{0}, back{0};   // bytes
        Talker::Plan a, b;                 // their pace; addresses, amounts and keys are filled in
        Config config_a, config_b;
        PathOptions path;
        sim::WireOptions wire_ab, wire_ba;
        bool simultaneous{false};          // b does not listen: both connect
        std::uint16_t port{0};             // that a connects from; 0: any
        std::function<bool(bool back, Receive& packet, Instant now)> box;  // on the wires, as sim::World::Tap
        std::vector<tcp::Module> modules;  // in the slots from tcp::compiled_slots on, at both ends
        std::uint32_t traced{trace::all};  // classes that the digest is over
    };

    Transfer(BufferPool& pool, const Plan& plan);

    static Plan storm(std::uint64_t seed);     // all that the seed decides
    static Plan plain(std::uint64_t seed, std::uint64_t forth, const sim::WireOptions& wire);  // the same wire each way

    bool run_until_finished(Duration limit);   // both have heard how it ended
    std::string run_well(Duration limit = Duration::seconds(3'600));  // the same; empty, or what was not as it should be
    void run_for(Duration duration) { world.run_until(world.now() + duration); }
    void again();                              // both talk once more
    std::string back_to_base();                // empty, or what is still held after 2 MSL
    std::string digest() const;                // of both engines' records
    std::string describe() const;

    using Node = sim::Host<Talker>;
    sim::World world;
    std::unique_ptr<Node> a, b;
    sim::WireId ab{0}, ba{0};
    PathId path_a{0}, path_b{0};

private:
    Plan plan_;
    std::size_t base_in_use_{0};
};

}  // namespace weft::test
