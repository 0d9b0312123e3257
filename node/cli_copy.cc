// The two copying loops (see cli_copy.h).
#include "node/cli_copy.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <mutex>

namespace weft::node {
namespace {

constexpr std::size_t block = std::size_t{256} << 10;
constexpr int wake_signal = SIGUSR1;

// A handler that does nothing, so that the signal ends a blocking call instead of the process.
void install_wake_signal() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action{};
        action.sa_handler = [](int) {};
        ::sigaction(wake_signal, &action, nullptr);
    });
}

bool flow_is_gone(int number) { return number == EPIPE || number == ECONNRESET || number == ENOTCONN; }

// The signal may come just before the call that it should end, so it is repeated.
void join_by_signal(std::thread& thread, const std::atomic<bool>& ended) {
    if (!thread.joinable()) return;
    while (!ended) {
        ::pthread_kill(thread.native_handle(), wake_signal);
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    thread.join();
}

}  // namespace

TwoWayCopy::TwoWayCopy(int flow, int input, int output)
    : flow_{flow}, input_{input}, output_{output}, event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    install_wake_signal();
    in_thread_ = std::thread{[this] { run_in(); }};
    if (input_ >= 0) out_thread_ = std::thread{[this] { run_out(); }};
}

TwoWayCopy::~TwoWayCopy() { stop(); }

void TwoWayCopy::stop() {
    stopping_ = true;
    join_by_signal(in_thread_, in_.ended);
    join_by_signal(out_thread_, out_.ended);
}

void TwoWayCopy::close_out() {
    ::shutdown(flow_, SHUT_WR);
    if (input_ < 0) finish(out_, Fault::none, 0);
}

void TwoWayCopy::finish(Way& way, Fault fault, int error) {
    way.fault = fault;
    way.error = error;
    way.ended = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t told = ::write(event_.get(), &one, sizeof one);
}

void TwoWayCopy::run_in() {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(block);
    while (!stopping_) {
        const ssize_t got = ::recv(flow_, buffer.get(), block, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;  // the peer's end, or the flow's: the node tells which
        for (ssize_t written = 0; written < got;) {
            const ssize_t n = ::write(output_, buffer.get() + written, std::size_t(got - written));
            if (n >= 0) {
                written += n;
                in_.bytes += std::uint64_t(n);
            } else if (errno != EINTR || stopping_) {
                return finish(in_, Fault::output, errno);
            }
        }
    }
    finish(in_, Fault::none, 0);
}

void TwoWayCopy::run_out() {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(block);
    while (!stopping_) {
        const ssize_t got = ::read(input_, buffer.get(), block);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return finish(out_, Fault::input, errno);
        if (got == 0) {
            ::shutdown(flow_, SHUT_WR);
            break;
        }
        for (ssize_t sent = 0; sent < got;) {
            const ssize_t n = ::send(flow_, buffer.get() + sent, std::size_t(got - sent), MSG_NOSIGNAL);
            if (n >= 0) {
                sent += n;
                out_.bytes += std::uint64_t(n);
            } else if (errno != EINTR || stopping_) {
                return finish(out_, flow_is_gone(errno) || errno == EINTR ? Fault::none : Fault::input, errno);
            }
        }
    }
    finish(out_, Fault::none, 0);
}

}  // namespace weft::node
