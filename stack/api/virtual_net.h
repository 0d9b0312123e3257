// Shards in virtual time, with one wire between all of them: whoever waits serves the others, and time goes on when nobody has
// anything to do. For tests, and for programs that try a protocol without a network. The same seed gives the same run.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <vector>

#include "stack/api/shard.h"

namespace weft::api {

class VirtualNet {
public:
    explicit VirtualNet(std::uint64_t seed = 1);
    ~VirtualNet();

    // A host with these addresses, of any families; it lives as long as the net.
    Shard& host(std::initializer_list<Address> addresses, Config config = {});

    Instant now() const { return Instant::from_nanoseconds(now_.load(std::memory_order_relaxed)); }
    void run(Duration time);  // serves all hosts for so long; not while a call waits
    void settle() { run({}); }  // what is to be done now

    Duration delay;  // of each packet
    std::function<bool(std::uint64_t packet)> lose;  // by its number, from 1, in the order in which they were sent
    // Hosts are used by threads of their own: one that has nothing to wait for waits for the other threads. Else it says timed_out.
    bool threads{false};
    std::uint64_t packets() const;  // that were sent

private:
    class Host;
    struct Packet;
    void send(const Host& from, std::vector<std::byte> bytes);
    bool serve(const Host* but);
    Instant deadline();
    bool wait(const Host& host, Instant until);
    void advance(Instant to);

    std::uint64_t seed_;
    std::atomic<std::int64_t> now_{1'000'000'000};
    mutable std::mutex mutex_;  // of what is on the wire; never held while a shard's lock is taken
    std::uint64_t sent_{0};
    bool ended_{false};
    std::vector<std::unique_ptr<Host>> hosts_;
};

}  // namespace weft::api
