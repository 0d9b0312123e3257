// epoll_pwait2 sleeps in nanoseconds (Linux 5.11); a timerfd does where it is missing.
#include "node/loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace weft::node {
namespace {

constexpr std::uint64_t timer_tag = ~0ull;
constexpr std::size_t batch = 64;

timespec to_timespec(std::int64_t ns) { return {time_t(ns / 1'000'000'000), long(ns % 1'000'000'000)}; }

}  // namespace

Instant monotonic_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return Instant::from_nanoseconds(std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

std::expected<Loop, std::string> Loop::create() {
    Loop loop;
    loop.epoll_ = UniqueFd{::epoll_create1(EPOLL_CLOEXEC)};
    if (!loop.epoll_) return std::unexpected(std::string("epoll_create1: ") + std::strerror(errno));
    const timespec none{};
    std::array<epoll_event, 1> events{};
    if (::epoll_pwait2(loop.epoll_.get(), events.data(), 1, &none, nullptr) < 0 && errno == ENOSYS) {
        loop.timer_ = UniqueFd{::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
        epoll_event event{EPOLLIN, {.u64 = timer_tag}};
        if (!loop.timer_ || ::epoll_ctl(loop.epoll_.get(), EPOLL_CTL_ADD, loop.timer_.get(), &event) != 0)
            return std::unexpected(std::string("timerfd: ") + std::strerror(errno));
    }
    loop.ready_.resize(batch * sizeof(epoll_event));
    return loop;
}

Loop::Slot* Loop::find(Watch watch) {
    if (watch.index >= slots_.size() || (watch.generation & 1) == 0) return nullptr;
    Slot& slot = slots_[watch.index];
    return slot.generation == watch.generation ? &slot : nullptr;
}

Loop::Watch Loop::add(int fd, std::uint32_t events, Handler handler) {
    if (free_.empty()) {
        free_.push_back(std::uint32_t(slots_.size()));
        slots_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    Slot& slot = slots_[index];
    epoll_event event{events, {.u64 = std::uint64_t{slot.generation + 1} << 32 | index}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return {};
    free_.pop_back();
    slot.handler = std::move(handler);
    slot.fd = fd;
    return {index, ++slot.generation};
}

void Loop::modify(Watch watch, std::uint32_t events) {
    const Slot* slot = find(watch);
    if (!slot) return;
    epoll_event event{events, {.u64 = std::uint64_t{watch.generation} << 32 | watch.index}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, slot->fd, &event);
}

void Loop::remove(Watch watch) {
    Slot* slot = find(watch);
    if (!slot) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot->fd, nullptr);
    removed_.push_back(std::move(slot->handler));
    slot->handler = nullptr;
    slot->fd = -1;
    ++slot->generation;
    free_.push_back(watch.index);
}

int Loop::sleep(Instant deadline) {
    auto* events = reinterpret_cast<epoll_event*>(ready_.data());
    const std::int64_t left =
        deadline == Instant::never() ? -1 : std::max<std::int64_t>(0, (deadline - monotonic_now()).count());
    if (!timer_ || left <= 0) {
        const timespec timeout = to_timespec(std::max<std::int64_t>(0, left));
        if (timer_) return ::epoll_wait(epoll_.get(), events, batch, left < 0 ? -1 : 0);
        return ::epoll_pwait2(epoll_.get(), events, batch, left < 0 ? nullptr : &timeout, nullptr);
    }
    const itimerspec at{{}, to_timespec(deadline.nanoseconds())};
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
    return ::epoll_wait(epoll_.get(), events, batch, -1);
}

void Loop::wait(Instant deadline) {
    const int count = sleep(deadline);
    for (int i = 0; i < count; ++i) {
        epoll_event event{};
        std::memcpy(&event, ready_.data() + std::size_t(i) * sizeof event, sizeof event);
        if (event.data.u64 == timer_tag) {
            std::uint64_t expirations = 0;
            [[maybe_unused]] const ssize_t got = ::read(timer_.get(), &expirations, sizeof expirations);
            continue;
        }
        // Its generation is another if a handler that ran before removed it.
        const Watch watch{std::uint32_t(event.data.u64), std::uint32_t(event.data.u64 >> 32)};
        if (Slot* slot = find(watch)) slot->handler(event.events);
    }
    removed_.clear();
}

}  // namespace weft::node
