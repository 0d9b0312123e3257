// How a stack lives alone in virtual time: what moves the time, and how calls that block hand over.
#include "tests/packetdrill/machine.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "stack/core/address_text.h"
#include "stack/tcp/modules.h"
#include "stack/tcp/tunables.h"
#include "stack/wire/cut.h"

namespace weft::drill {
namespace {

const std::thread::id main_thread = std::this_thread::get_id();
thread_local std::optional<Instant> finished;  // when the call of this thread became ready

bool verbose() {
    static const bool wanted = std::getenv("WEFT_PACKETDRILL_VERBOSE") != nullptr;
    return wanted;
}

// "a=b c=d", words apart by blanks or commas.
template <class Visit>
void each_flag(std::string_view flags, Visit&& visit) {
    while (!flags.empty()) {
        const std::size_t end = std::min(flags.find_first_of(" ,\n"), flags.size());
        const std::string_view word = flags.substr(0, end);
        flags.remove_prefix(std::min(end + 1, flags.size()));
        const std::size_t equal = word.find('=');
        if (equal != std::string_view::npos) visit(word.substr(0, equal), word.substr(equal + 1));
    }
}

}  // namespace

Machine::Machine(std::string_view flags) {
    config_.seed[0] = 0x7765'6674;
    PathOptions path;
    std::vector<Address> locals;
    each_flag(flags, [&](std::string_view name, std::string_view value) {
        if (name == "local") {
            if (const auto address = parse_address(value)) locals.push_back(*address);
            else std::fprintf(stderr, "weft_packetdrill: local=%s is no address\n", std::string(value).c_str());
        } else if (name == "mtu") {
            path.mtu = std::uint32_t(std::strtoul(std::string(value).c_str(), nullptr, 10));
        }
    });
    (void)tcp::tune(config_, "personality", "linux");
    engine_.emplace(config_, pool_);
    sockets_.emplace(*engine_, HashKey{config_.seed[0], 1});
    sockets_->keep_failed(true);
    sockets_->count_packets(true);
    for (const Address& local : locals) (void)engine_->assign(local, path, now_);
    each_flag(flags, [&](std::string_view name, std::string_view value) {
        if (name != "local" && name != "mtu") tune(name, value);
    });
    if (const char* file = std::getenv("WEFT_PACKETDRILL_TUNABLES")) tunables_path_ = file;
    take_tunables();
}

// Linux's tcp_fastopen is a number of bits: 1 connect, 2 listen, 4 and 0x200: those without a cookie, 0x400: all listeners. Its key is
// four words in hexadecimal. What servers gave is forgotten where `ip tcp_metrics flush` says so.
bool Machine::tune_fast_open(std::string_view name, std::string_view value) {
    const std::string text{value};
    if (name == "flush_metrics" || name.ends_with("tcp_fastopen_cookies")) {
        engine_->forget_cookies(now_);
        return true;
    }
    if (name.ends_with("tcp_fastopen")) {
        const unsigned long bits = std::strtoul(text.c_str(), nullptr, 0);
        config_.fast_open = std::uint8_t(bits & 3);
        config_.fast_open_bare = std::uint8_t((bits >> 2 & 1) | (bits >> 8 & 2));
        config_.fast_open_all = (bits & 0x400) != 0;
        return true;
    }
    if (!name.ends_with("tcp_fastopen_key")) return false;
    std::array<unsigned, 4> words{};
    if (std::sscanf(text.c_str(), "%8x-%8x-%8x-%8x", &words[0], &words[1], &words[2], &words[3]) != 4) return true;
    for (std::size_t i = 0; i < 2; ++i) config_.fast_open_key[i] = std::uint64_t{words[2 * i + 1]} << 32 | words[2 * i];
    return true;
}

void Machine::tune(std::string_view name, std::string_view value) {
    if (name == "device_cuts") {
        device_cuts_ = value != "0";
        return;
    }
    if (name.ends_with("tcp_congestion_control")) {
        for (const tcp::ModuleStatus& module : engine_->modules())
            if (tcp::name_of(module.module) == (value == "reno" ? "newreno" : value))
                sockets_->begin_with({.congestion = module.slot});
        return;
    }
    if (name.ends_with("tcp_notsent_lowat"))
        return sockets_->unsent_low(std::uint32_t(std::strtoul(std::string(value).c_str(), nullptr, 0)));
    if (tune_fast_open(name, value)) return engine_->tune(config_, now_);
    if (const auto set = tcp::tune(config_, name, value); !set) {
        if (verbose()) std::fprintf(stderr, "weft_packetdrill: %s\n", set.error().c_str());
        return;
    }
    engine_->tune(config_, now_);
}

void Machine::take_tunables() {
    if (tunables_path_.empty()) return;
    std::FILE* file = std::fopen(tunables_path_.c_str(), "r");
    if (!file) return;
    std::fseek(file, tunables_read_, SEEK_SET);
    std::array<char, 512> line{};
    while (std::fgets(line.data(), int(line.size()), file)) {
        std::string_view text{line.data()};
        while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
        const std::size_t equal = text.find('=');
        if (equal != std::string_view::npos) tune(text.substr(0, equal), text.substr(equal + 1));
    }
    tunables_read_ = std::ftell(file);
    std::fclose(file);
}

void Machine::listens(std::uint16_t port) {
    listening_.insert(port);
    tell_state();
}

// What the stand-ins for nstat and grep read.
void Machine::tell_state() const {
    if (tunables_path_.empty()) return;
    std::FILE* file = std::fopen((tunables_path_ + ".state").c_str(), "w");
    if (!file) return;
    if (errors_told_ > 0)
        std::fprintf(file, "TcpExtOutOfWindowIcmps %llu 0.0\n", static_cast<unsigned long long>(errors_told_));
    for (const std::uint16_t port : listening_)
        std::fprintf(file, "   0: 00000000:%04X 00000000:0000 0A 00000000:00000000\n", unsigned{port});
    std::fclose(file);
}

// What leaves is looked at whole: a super-segment is one packet, as it is to who listens above a device that cuts. Or the device
// does not (ethtool), and each segment is one.
void Machine::collect() {
    std::array<Transmit, 16> out;
    while (const std::size_t made = engine_->transmit(out, now_))
        for (Transmit& one : std::span{out}.first(made)) {
            if (device_cuts_) one.segment_size = 0;
            auto cut = wire::Cut::make(one);
            while (cut && cut->next_size() > 0) {
                Packet packet{std::vector<std::byte>(cut->next_size()), std::max(now_, one.depart)};
                (void)cut->next(packet.bytes);
                packets_.push_back(std::move(packet));
            }
        }
}

void Machine::pump(Lock& lock) {
    collect();
    sockets_->settle(now_);
    collect();
    api::Sockets::Woken one;
    while (sockets_->next_woken(one))
        if (hook_) hook_(one);
    if (moved_) moved_();
    wake_blocked(lock);
}

// Lets go what is ready, and waits until each has read the clock: so its end has the time at which it became ready.
void Machine::wake_blocked(Lock& lock) {
    for (auto at = blocked_.begin(); at != blocked_.end();) {
        Blocked& call = **at;
        call.in_time = (*call.attempt)();
        call.done = call.in_time || call.until <= now_;
        if (!call.done) {
            ++at;
            continue;
        }
        call.finished = now_;
        at = blocked_.erase(at);
        ++returning_;
        changed_.notify_all();
        changed_.wait_for(lock, std::chrono::seconds(2), [&] { return returning_ == 0; });
        returning_ = 0;
        collect();
    }
}

Instant Machine::next_deadline() const {
    Instant next = engine_->deadline();
    for (const Blocked* call : blocked_) next = std::min(next, call->until);
    return next;
}

void Machine::run_until(Instant until, Lock& lock) {
    take_tunables();
    while (next_deadline() <= until) {
        now_ = std::max(now_, next_deadline());
        engine_->advance(now_);
        pump(lock);
    }
    now_ = std::max(now_, until);
}

// What packetdrill's second thread, or a program that the script left running, does in real time gets some.
void Machine::rest(Lock& lock) {
    lock.unlock();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    lock.lock();
    take_tunables();
}

bool Machine::deliver(const void* packet, std::size_t count, Lock& lock) {
    take_tunables();
    Chunk* chunk = pool_.allocate(count);
    if (!chunk) return false;
    std::memcpy(chunk->data(), packet, count);
    std::array<Receive, 1> in{Receive{.frame = Slice{chunk, 0, std::uint32_t(count)}}};
    engine_->receive(in, now_);
    in = {};
    pump(lock);
    if (const std::uint64_t ignored = engine_->statistics().icmp_ignored; ignored != errors_told_) {
        errors_told_ = ignored;
        tell_state();
    }
    return true;
}

std::optional<Machine::Packet> Machine::next_packet(Lock& lock) {
    const Instant end = now_ + patience;
    while (packets_.empty()) {
        const Instant next = next_deadline();
        if (next > end) return std::nullopt;
        run_until(std::max(next, now_), lock);
    }
    Packet packet = std::move(packets_.front());
    packets_.pop_front();
    if (packet.at > now_) run_until(packet.at, lock);
    return packet;
}

bool Machine::block(const std::function<bool()>& attempt, Instant until, Lock& lock) {
    take_tunables();
    const bool ready = attempt();
    pump(lock);
    if (ready || until <= now_) return ready;
    if (std::this_thread::get_id() == main_thread) {
        const Instant end = std::min(until, now_ + patience);
        while (!attempt()) {
            const Instant next = next_deadline();
            if (next > end) {
                run_until(end, lock);
                return attempt();
            }
            run_until(next, lock);
        }
        pump(lock);
        return true;
    }
    Blocked call{&attempt, until};
    blocked_.push_back(&call);
    changed_.wait(lock, [&] { return call.done; });
    finished = call.finished;
    return call.in_time;
}

Instant Machine::read_clock(Lock& lock) {
    if (finished) {
        const Instant at = *finished;
        finished.reset();
        if (returning_ > 0) --returning_;
        changed_.notify_all();
        return at;
    }
    run_until(now_ + Duration::microseconds(1), lock);
    return now_;
}

}  // namespace weft::drill
