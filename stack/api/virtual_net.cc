// Hosts of a virtual net: each packet goes to all others, and the engines look whose it is.
#include "stack/api/virtual_net.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <thread>

#include "stack/wire/cut.h"

namespace weft::api {

struct VirtualNet::Packet {
    Instant when;
    std::shared_ptr<const std::vector<std::byte>> bytes;
};

class VirtualNet::Host final : public Carrier {
public:
    Host(VirtualNet& net, const Config& config) : net_{net}, pool_{std::size_t{256} << 20}, engine_{config, pool_} {}

    Engine& engine() override { return engine_; }
    BufferPool& pool() override { return pool_; }
    Instant now() override { return net_.now(); }
    bool wait(Instant until) override { return net_.wait(*this, until); }
    void wake() noexcept override {}

    bool turn(Hearer& hearer) override {
        const bool came = receive();
        const bool due = engine_.deadline() <= now();
        if (due) engine_.advance(now());
        return flush(hearer) || came || due;
    }

    bool flush(Hearer& hearer) override {
        bool any = false;
        for (bool busy = true; busy; any = any || busy) {
            busy = false;
            std::array<Transmit, 16> out;
            while (const std::size_t count = engine_.transmit(out, now())) {
                busy = true;
                for (const Transmit& one : std::span{out}.first(count)) send(one);
            }
            std::array<Event, 16> events;
            while (const std::size_t count = engine_.events(events, now())) {
                busy = true;
                for (const Event& event : std::span{events}.first(count)) hearer.hear(event);
            }
        }
        return any;
    }

    Instant deadline() override {
        const std::lock_guard lock{net_.mutex_};
        return std::min(engine_.deadline(), inbox.empty() ? Instant::never() : inbox.front().when);
    }

    Shard& shard() { return shard_; }
    std::deque<Packet> inbox;  // under the net's mutex

private:
    bool receive() {
        bool any = false;
        for (;;) {
            std::array<Receive, 16> batch;
            std::size_t count = 0;
            for (std::unique_lock lock{net_.mutex_};
                 count < batch.size() && !inbox.empty() && inbox.front().when <= now();) {
                const Packet packet = std::move(inbox.front());
                inbox.pop_front();
                Chunk* const chunk = pool_.allocate(packet.bytes->size());
                if (!chunk) continue;
                std::memcpy(chunk->data(), packet.bytes->data(), packet.bytes->size());
                batch[count++].frame = Slice{chunk, 0, std::uint32_t(packet.bytes->size())};
            }
            if (count == 0) return any;
            any = true;
            engine_.receive(std::span{batch}.first(count), now());
        }
    }

    void send(const Transmit& whole) {
        auto cut = wire::Cut::make(whole);
        while (cut && cut->left() > 0) {
            std::vector<std::byte> bytes(cut->next_size());
            (void)cut->next(bytes);
            net_.send(*this, std::move(bytes));
        }
    }

    VirtualNet& net_;
    BufferPool pool_;
    Engine engine_;
    Shard shard_{*this};
};

VirtualNet::VirtualNet(std::uint64_t seed) : seed_{seed} {}

// Tasks of one host may hold streams of another.
VirtualNet::~VirtualNet() {
    for (auto& host : hosts_) host->shard().disconnect();
    ended_ = true;
}

Shard& VirtualNet::host(std::initializer_list<Address> addresses, Config config) {
    config.seed[0] ^= seed_ * 0x9e37'79b9'7f4a'7c15 + hosts_.size() + 1;
    hosts_.push_back(std::make_unique<Host>(*this, config));
    Host& made = *hosts_.back();
    for (const Address& address : addresses) (void)made.engine().assign(address, {}, now());
    return made.shard();
}

std::uint64_t VirtualNet::packets() const {
    const std::lock_guard lock{mutex_};
    return sent_;
}

void VirtualNet::send(const Host& from, std::vector<std::byte> bytes) {
    const std::lock_guard lock{mutex_};
    ++sent_;
    if (ended_ || (lose && lose(sent_))) return;
    const auto shared = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    for (const auto& host : hosts_)
        if (host.get() != &from) host->inbox.push_back({now() + delay, shared});
}

bool VirtualNet::serve(const Host* but) {
    bool any = false;
    for (const auto& host : hosts_)
        if (host.get() != but) any = host->shard().turn() || any;
    return any;
}

Instant VirtualNet::deadline() {
    Instant next = Instant::never();
    for (const auto& host : hosts_) next = std::min(next, host->shard().deadline());
    return next;
}

void VirtualNet::advance(Instant to) {
    std::int64_t time = now_.load(std::memory_order_relaxed);
    while (time < to.nanoseconds() && !now_.compare_exchange_weak(time, to.nanoseconds(), std::memory_order_relaxed)) {}
}

bool VirtualNet::wait(const Host& host, Instant until) {
    if (serve(&host)) return true;
    const Instant next = std::min(until, deadline());
    if (next == Instant::never()) {
        if (threads) std::this_thread::yield();
        return threads;
    }
    if (next <= now() && threads) std::this_thread::yield();  // somebody is at it
    advance(next);
    return true;
}

void VirtualNet::run(Duration time) {
    const Instant end = now() + time;
    for (;;) {
        if (serve(nullptr)) continue;
        const Instant next = deadline();
        if (next > end) break;
        advance(next);
    }
    advance(end);
    while (serve(nullptr)) {}
}

}  // namespace weft::api
