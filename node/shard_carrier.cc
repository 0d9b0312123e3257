// The leader sleeps on the shard's epoll and an eventfd; an outer loop watches that epoll and a timer through one more epoll.
#include "node/shard_carrier.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "stack/wire/pseudo.h"

namespace weft::node {
namespace {

timespec to_timespec(std::int64_t ns) { return {time_t(ns / 1'000'000'000), long(ns % 1'000'000'000)}; }

bool watch(int epoll, int fd) {
    epoll_event event{EPOLLIN, {.fd = fd}};
    return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

std::expected<std::unique_ptr<ShardCarrier>, std::string> ShardCarrier::make(std::unique_ptr<Shard> shard, Beside beside) {
    std::unique_ptr<ShardCarrier> made{new ShardCarrier(std::move(shard), std::move(beside))};
    if (!made->wake_) return std::unexpected(std::string("eventfd: ") + std::strerror(errno));
    return made;
}

ShardCarrier::ShardCarrier(std::unique_ptr<Shard> shard, Beside beside)
    : beside_{std::move(beside)}, shard_{std::move(shard)}, wake_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
    shard_->share([this](const Event& event) {
        heard_ = true;
        if (hearer_) hearer_->hear(event);
    });
}

ShardCarrier::~ShardCarrier() {
    Engine& all = engine();
    for (const Flow flow : all.flows()) (void)all.abort(flow, now());
    shard_->close();
}

bool ShardCarrier::turn(api::Hearer& hearer) {
    hearer_ = &hearer;
    heard_ = false;
    shard_->turn(Instant{});
    if (Plugins* const plugins = beside_.plugins.get(); plugins && plugins->due())
        shard_->input_if([plugins](Engine& engine, Instant now) { return plugins->tend(engine, now); });
    hearer_ = nullptr;
    return heard_;
}

bool ShardCarrier::flush(api::Hearer& hearer) {
    if (hearer_) return false;  // from within a turn, which goes on
    hearer_ = &hearer;
    heard_ = false;
    shard_->push();
    hearer_ = nullptr;
    return heard_;
}

bool ShardCarrier::wait(Instant until) {
    std::array<pollfd, 2> ready{{{shard_->loop().descriptor(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    const std::int64_t left = until == Instant::never() ? -1 : std::max<std::int64_t>(0, (until - now()).count());
    const timespec timeout = to_timespec(std::max<std::int64_t>(0, left));
    (void)::ppoll(ready.data(), ready.size(), left < 0 ? nullptr : &timeout, nullptr);
    std::uint64_t count = 0;  // by who slept alone: a turn of another thread would take its waking away
    [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
    return true;
}

void ShardCarrier::wake() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t put = ::write(wake_.get(), &one, sizeof one);
}

int ShardCarrier::descriptor() {
    if (outer_) return outer_.get();
    UniqueFd outer{::epoll_create1(EPOLL_CLOEXEC)};
    timer_ = UniqueFd{::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    if (!outer || !timer_ || !watch(outer.get(), timer_.get()) || !watch(outer.get(), shard_->loop().descriptor()))
        return -1;
    outer_ = std::move(outer);
    armed_ = Instant::never();
    expect(deadline());
    return outer_.get();
}

// A time that is past makes it readable at once; that it rang is no matter: the next time sets it anew.
void ShardCarrier::expect(Instant next) {
    if (!outer_) return;
    if (next == armed_ && next > now()) return;
    armed_ = next;
    const std::int64_t at = next == Instant::never() ? 0 : std::max<std::int64_t>(1, next.nanoseconds());
    const itimerspec when{{}, to_timespec(at)};
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void ShardCarrier::listening(const Endpoint& local, bool begins) {
    const Family family = local.address.family();
    if (local.port == 0 || (family != Family::none && family != Family::overlay)) return;
    if (begins) shard_->access().open(wire::protocol_tcp, local.port);
    else shard_->access().close(wire::protocol_tcp, local.port);
}

}  // namespace weft::node
