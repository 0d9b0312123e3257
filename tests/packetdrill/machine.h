// A stack alone in virtual time: engine, sockets, the packets that wait to be looked at, and calls that block on a thread of
// their own. One mutex; time moves only when somebody moves it, and a call that becomes ready goes on before it moves again.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "stack/api/sockets.h"
#include "stack/core/buffer.h"
#include "stack/engine/engine.h"

namespace weft::drill {

class Machine {
public:
    explicit Machine(std::string_view flags);

    using Lock = std::unique_lock<std::mutex>;
    Lock lock() { return Lock{mutex_}; }

    // All below: under the lock.
    api::Sockets& sockets() { return *sockets_; }
    Instant now() const { return now_; }

    // What was changed goes through: packets, events, and calls that wait for one of them.
    void pump(Lock& lock);
    void run_until(Instant until, Lock& lock);
    // Puts a packet in; false when the pool is full.
    bool deliver(const void* packet, std::size_t count, Lock& lock);

    struct Packet {
        std::vector<std::byte> bytes;
        Instant at;
    };
    // The next packet that left. Time goes on until there is one; none comes when nothing is left to wait for.
    std::optional<Packet> next_packet(Lock& lock);

    // Calls `attempt` until it says true or the time is `until`. On the main thread time goes on meanwhile; another thread sleeps.
    bool block(const std::function<bool()>& attempt, Instant until, Lock& lock);

    // The time for who asks. It goes on by a microsecond, so that waiting for it ends; but for a thread whose call has just
    // returned it is when that was.
    Instant read_clock(Lock& lock);

    void rest(Lock& lock);

    // One tunable, by its name or Linux's. Unknown ones are told on stderr where WEFT_PACKETDRILL_VERBOSE is set.
    void tune(std::string_view name, std::string_view value);
    void take_tunables();  // what the stand-in for sysctl has written since
    void listens(std::uint16_t port);  // for who looks into the kernel's table of sockets
    void wakes(std::function<void(const api::Sockets::Woken&)> hook) { hook_ = std::move(hook); }
    void moves(std::function<void()> hook) { moved_ = std::move(hook); }  // called whenever text may have moved

private:
    struct Blocked {
        const std::function<bool()>* attempt;
        Instant until;
        bool done{false}, in_time{false};
        Instant finished;
    };

    bool tune_fast_open(std::string_view name, std::string_view value);
    void tell_state() const;
    void collect();
    void wake_blocked(Lock& lock);
    Instant next_deadline() const;

    static constexpr Duration patience = Duration::seconds(600);  // that a packet is waited for

    std::mutex mutex_;
    std::condition_variable changed_;
    BufferPool pool_{std::size_t{512} << 20};
    Config config_;
    std::optional<Engine> engine_;
    std::optional<api::Sockets> sockets_;
    Instant now_ = Instant::from_nanoseconds(1'000'000'000'000);
    std::deque<Packet> packets_;
    std::list<Blocked*> blocked_;
    unsigned returning_{0};  // calls that are ready and whose threads have not read the clock yet
    std::function<void(const api::Sockets::Woken&)> hook_;
    std::function<void()> moved_;
    std::string tunables_path_;
    long tunables_read_{0};  // bytes
    bool device_cuts_{true};  // super-segments are seen whole
    std::set<std::uint16_t> listening_;
    std::uint64_t errors_told_{0};  // ICMP errors that were not believed
};

}  // namespace weft::drill
