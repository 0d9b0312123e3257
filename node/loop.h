// The one epoll of a shard: descriptors with their handlers, and a sleep that ends to the nanosecond.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "node/unique_fd.h"
#include "stack/core/time.h"

namespace weft::node {

Instant monotonic_now();

class Loop {
public:
    using Handler = std::function<void(std::uint32_t events)>;  // EPOLLIN, EPOLLOUT, ...

    // Names a watched descriptor; one that was removed names nothing.
    struct Watch {
        std::uint32_t index{0}, generation{0};  // generation is odd while it is watched
    };

    static std::expected<Loop, std::string> create();

    // The descriptor stays its owner's, who removes the watch before closing it. Handlers may add and remove, even
    // themselves.
    Watch add(int fd, std::uint32_t events, Handler handler);
    void modify(Watch watch, std::uint32_t events);
    void remove(Watch watch);

    // Sleeps until a descriptor is ready or the deadline has passed, then runs the handlers of what is ready.
    void wait(Instant deadline);

    int descriptor() const { return epoll_.get(); }  // readable when wait() would not sleep for a descriptor's sake

private:
    struct Slot {
        Handler handler;
        int fd{-1};
        std::uint32_t generation{0};
    };

    Loop() = default;
    Slot* find(Watch watch);
    int sleep(Instant deadline);

    UniqueFd epoll_;
    UniqueFd timer_;  // where the kernel has no epoll_pwait2
    std::deque<Slot> slots_;  // a running handler must not move
    std::vector<std::uint32_t> free_;
    std::vector<Handler> removed_;  // one of them may be running
    std::vector<std::byte> ready_;  // epoll_event[], seen in the source alone
};

}  // namespace weft::node
