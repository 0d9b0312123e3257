// The loop: what came in, what is due, what leaves; and the paths that tie the engine's numbers to neighbours.
#include "node/shard.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <fmt/format.h>

#include "node/log.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

constexpr unsigned receive_turns = 8;                    // batches of datagrams a turn
constexpr Duration release_after = Duration::seconds(60);
constexpr std::size_t held_at_most = 1'024;              // beyond, a neighbour that goes takes its path along at once
constexpr std::size_t sealed_at_once = 128 << 10;        // bytes of payload

// Unix seconds when the monotonic clock was zero: what an ID tells of the time.
std::uint64_t unix_zero() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return std::uint64_t(now.tv_sec - monotonic_now().nanoseconds() / 1'000'000'000);
}

// This host's addresses with the port of the socket of their family.
std::vector<UdpEndpoint> own_endpoints(const link::Udp& udp) {
    std::vector<UdpEndpoint> own;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return own;
    for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
        if (!entry->ifa_addr) continue;
        UdpEndpoint endpoint;
        if (entry->ifa_addr->sa_family == AF_INET) {
            sockaddr_in address{};
            std::memcpy(&address, entry->ifa_addr, sizeof address);
            endpoint.ip[10] = endpoint.ip[11] = std::byte{0xff};
            std::memcpy(endpoint.ip.data() + 12, &address.sin_addr, 4);
            endpoint.port = udp.local4().port;
        } else if (entry->ifa_addr->sa_family == AF_INET6) {
            sockaddr_in6 address{};
            std::memcpy(&address, entry->ifa_addr, sizeof address);
            std::memcpy(endpoint.ip.data(), &address.sin6_addr, 16);
            endpoint.port = udp.local6().port;
        }
        if (endpoint.port != 0) own.push_back(endpoint);
    }
    ::freeifaddrs(list);
    return own;
}

overlay::LinksConfig completed(overlay::LinksConfig config, const link::Udp& udp, overlay::Access& access, Router& router) {
    config.unix_zero = unix_zero();
    config.own = own_endpoints(udp);
    config.access = &access;
    config.router = &Router::table();
    config.routing = router.handle();
    return config;
}

HashKey drawn_key(overlay::Entropy entropy) {
    HashKey key;
    entropy(std::as_writable_bytes(std::span(&key, 1)));
    return key;
}

Config seeded(Config config, overlay::Entropy entropy) {
    entropy(std::as_writable_bytes(std::span(config.seed)));
    return config;
}

std::string udp_error(const link::SystemError& error) {
    return fmt::format("{}: {}{}", error.call, std::strerror(error.error),
                       error.error == EADDRINUSE ? ": another program has this port; choose another one in [listen]" : "");
}

}  // namespace

std::expected<std::unique_ptr<Shard>, std::string> Shard::open(overlay::Identity identity, const ShardConfig& config,
                                                               overlay::Entropy entropy) {
    auto loop = Loop::create();
    if (!loop) return std::unexpected(loop.error());
    std::expected<link::Udp, link::SystemError> udp = link::Udp::none();
    if (config.udp.listen4 || config.udp.listen6 || config.taps.empty()) udp = link::Udp::open(config.udp);
    if (!udp) {
        std::string text = udp_error(udp.error());
        errno = udp.error().error;
        return std::unexpected(std::move(text));
    }
    auto router = Router::make(config.routing, identity.address(), monotonic_now());
    if (!router) {
        errno = EINVAL;
        return std::unexpected(router.error());
    }
    ::prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);  // this thread's sleeps end to the nanosecond
    std::unique_ptr<Shard> shard{
        new Shard(std::move(identity), config, entropy, std::move(*loop), std::move(*udp), std::move(*router))};
    for (const TapConfig& tap : config.taps)
        if (auto opened_tap = shard->taps_.open(tap, shard->engine_, entropy, monotonic_now()); !opened_tap) {
            const int error = errno;
            shard.reset();
            errno = error;
            return std::unexpected(opened_tap.error());
        }
    return shard;
}

Shard::Shard(overlay::Identity identity, const ShardConfig& config, overlay::Entropy entropy, Loop loop, link::Udp udp,
             std::unique_ptr<Router> router)
    : pool_{config.memory}, loop_{std::move(loop)}, device_{make_device(config, std::move(udp))},
      access_{drawn_key(entropy)}, router_{std::move(router)},
      links_{std::move(identity), completed(config.links, this->udp(), access_, *router_), entropy, pool_},
      engine_{seeded(config.engine, entropy), pool_}, taps_{loop_, pool_},
      default_options_{.link = config.links.link, .mtu = overlay::path_mtu(config.links.mtu)} {
    router_->attach(links_.labels());
    access_.set_reach(config.reach);
    access_.set_transit(config.transit);
    (void)engine_.assign(links_.address(), default_options_, monotonic_now());
    watch_udp();
}

void Shard::watch_udp() {
    for (const Loop::Watch watch : std::exchange(udp_watches_, {})) loop_.remove(watch);
    for (const int fd : udp().descriptors())
        udp_watches_.push_back(loop_.add(fd, EPOLLIN, [this](std::uint32_t) { udp_readable_ = true; }));
    udp_readable_ = true;
}

Shard::~Shard() {
    for (const Loop::Watch watch : udp_watches_) loop_.remove(watch);
    loop_.remove(notice_watch_);
    for (Carried& carried : carried_)
        if (carried.watch.generation != 0) loop_.remove(carried.watch);
}

Shard::Device Shard::make_device(const ShardConfig& config, link::Udp udp) {
    if (config.fault) return link::Fault<link::Udp>{std::move(udp), *config.fault, pool_};
    return udp;
}

const link::Udp& Shard::udp() const {
    if (const auto* fault = std::get_if<link::Fault<link::Udp>>(&device_)) return fault->inner();
    return std::get<link::Udp>(device_);
}

link::Udp& Shard::bound_udp() {
    if (auto* fault = std::get_if<link::Fault<link::Udp>>(&device_)) return fault->inner();
    return std::get<link::Udp>(device_);
}

// The kernel takes a descriptor out of the epoll set by itself when it is closed.
std::expected<void, std::string> Shard::add_udp(const UdpEndpoint& listen) {
    if (auto added = bound_udp().add(listen); !added) return std::unexpected(udp_error(added.error()));
    watch_udp();
    return {};
}

bool Shard::remove_udp(const UdpEndpoint& local) {
    for (const Loop::Watch watch : std::exchange(udp_watches_, {})) loop_.remove(watch);
    const bool removed = bound_udp().remove(local);
    watch_udp();
    return removed;
}

const link::FaultStatistics* Shard::faults() const {
    const auto* fault = std::get_if<link::Fault<link::Udp>>(&device_);
    return fault ? &fault->statistics() : nullptr;
}

std::optional<link::FaultConfig> Shard::fault(std::uint32_t link) const {
    return link == 0 ? fault_of(device_) : taps_.fault(link);
}

void Shard::set_fault(std::uint32_t link, const link::FaultConfig& config) {
    const Instant now = monotonic_now();
    if (link == 0) put_fault(device_, config, pool_, now);
    else taps_.set_fault(link, config, now);
    work_left_ = true;
}

std::size_t Shard::device_receive(std::span<Receive> in) {
    return std::visit([&](auto& device) { return device.receive(in, pool_); }, device_);
}

std::size_t Shard::device_send(std::span<const Transmit> out) {
    return std::visit([&](auto& device) { return device.send(out); }, device_);
}

Instant Shard::deadline() const {
    Instant next = std::min({engine_.deadline(), links_.deadline(), release_at_, starved_until_, tell_at_, count_at_});
    if (!due_.empty()) next = std::min(next, due_.begin()->first);
    if (const auto* fault = std::get_if<link::Fault<link::Udp>>(&device_)) next = std::min(next, fault->deadline());
    return std::min(next, taps_.deadline());
}

Instant Shard::due() const {
    const bool busy = work_left_ || udp_readable_ || taps_.readable() || !queue_.empty();
    return busy ? Instant{} : deadline();
}

void Shard::push() { settle(monotonic_now()); }

void Shard::turn(Instant until) {
    publish_events();  // what was told since the last turn: the wait may be long
    loop_.wait(std::min(until, due()));
    work_left_ = false;
    const Instant now = monotonic_now();
    advance_fault(device_, now);
    taps_.advance(now);
    if (udp_readable_) receive(now);
    if (taps_.readable()) receive_taps(now);
    if (links_.deadline() <= now) {
        links_.advance(now);
        take_link_events(now);
    }
    if (engine_.deadline() <= now) engine_.advance(now);
    if (release_at_ <= now) release_unused(now);
    if (starved_until_ <= now) {
        starved_until_ = Instant::never();
        for (const std::uint32_t place : starved_) queue(place);
        starved_.clear();
    }
    wake_due(now);
    settle(now);
    if (telemetry_) tend_events(now);
}

void Shard::receive(Instant now) {
    for (unsigned turn = 0; turn < receive_turns; ++turn) {
        const std::size_t count = device_receive(in_);
        if (count == 0) {
            udp_readable_ = false;
            return;
        }
        links_.receive(std::span(in_).first(count), now);
        for (std::size_t i = 0; i < count; ++i) in_[i].frame = {};
        take_link_events(now);
        deliver(now);
        // Acknowledgements leave between batches: a peer's window must not wait for the end of a long burst.
        while (transmit(now)) {}
        flush(now);
    }
}

void Shard::deliver(Instant now) {
    while (const std::size_t count = links_.deliver(in_)) {
        engine_.receive(std::span(in_).first(count), now);
        for (std::size_t i = 0; i < count; ++i) in_[i].frame = {};
    }
}

void Shard::take_link_events(Instant now) {
    std::array<overlay::LinkEvent, 16> events;
    while (const std::size_t count = links_.events(events))
        for (std::size_t i = 0; i < count; ++i) take_link_event(events[i], now);
}

// A member may come and go as often as it likes: its lines are limited.
void Shard::log_link_event(const overlay::LinkEvent& event, Instant now) {
    using Kind = overlay::LinkEvent::Kind;
    static constexpr std::array<std::string_view, 9> names{"is up",         "is silent",      "is heard again",
                                                           "is down",       "has new keys",   "has moved",
                                                           "has a new MTU", "is unreachable", "rests"};
    const bool notable =
        event.kind == Kind::up || event.kind == Kind::down || event.kind == Kind::roamed || event.kind == Kind::unreachable;
    const LogLevel level = notable ? LogLevel::info : LogLevel::debug;
    if (!log_wanted(level) || !link_lines_.allow(now)) return;
    if (const std::uint64_t kept = link_lines_.take_suppressed(); kept > 0)
        log(LogLevel::info, "link", fmt::format("{} lines about links were left out", kept));
    log(level, "link",
        fmt::format("{} {} ({})", format_short_form(event.peer), names[std::size_t(event.kind)],
                    event.kind == Kind::unreachable ? std::string{to_string(event.reason)}
                    : event.session                 ? "along a label path"
                                                    : to_string(event.endpoint)));
}

void Shard::take_link_event(const overlay::LinkEvent& event, Instant now) {
    using Kind = overlay::LinkEvent::Kind;
    log_link_event(event, now);
    const auto known = held_.find(event.peer);
    if (event.kind == Kind::unreachable) take_unreachable(event, now);
    if (event.kind == Kind::down || event.kind == Kind::unreachable || event.kind == Kind::resting) {
        if (known == held_.end()) return;
        known->second.up = false;
        known->second.used = now;
        release_at_ = std::min(release_at_, now + release_after);
        if (event.kind != Kind::resting) engine_.path_down(known->second.path, now);
        if (held_.size() > held_at_most) release(known, now);   // a member may come and go under many keys
        return;
    }
    if (event.kind == Kind::suspect || event.kind == Kind::recovered) return;
    unreachable_.erase(event.peer);
    const PathOptions options{default_options_.link, event.mtu, event.sums_elided};
    HeldPath& held = hold(event.peer, options, now);
    const bool was_up = std::exchange(held.up, true);
    if (held.options != options || event.kind == Kind::roamed) engine_.change_path(held.path, options, now);
    held.options = options;
    if (!was_up) engine_.path_up(held.path, now);
}

Shard::HeldPath& Shard::hold(const Address& peer, const PathOptions& options, Instant now) {
    if (const auto known = held_.find(peer); known != held_.end()) {
        if (known->second.path != 0) links_.bind(peer, known->second.path);  // the links may have forgotten it meanwhile
        return known->second;
    }
    const auto path = engine_.open_path({.address = links_.address()}, {.address = peer}, options, now);
    const auto [place, added] = held_.emplace(peer, HeldPath{path.value_or(0), options, false, now});
    if (path) bound_[*path] = &place->first;
    links_.bind(peer, path.value_or(0));
    return place->second;
}

// A path without a channel is given back after a while. A flow that still lives over it binds it anew when it sends.
void Shard::release_unused(Instant now) {
    release_at_ = Instant::never();
    for (auto held = held_.begin(); held != held_.end();) {
        const auto next = std::next(held);
        if (!held->second.up) {
            const Instant due = held->second.used + release_after;
            if (due <= now) release(held, now);
            else release_at_ = std::min(release_at_, due);
        }
        held = next;
    }
}

void Shard::release(std::map<Address, HeldPath>::iterator held, Instant now) {
    links_.bind(held->first, 0);
    bound_.erase(held->second.path);
    engine_.close_path(held->second.path, now);
    held_.erase(held);
}

// False when the engine had nothing.
bool Shard::transmit(Instant now) {
    const std::size_t count = engine_.transmit(out_, now);
    for (std::size_t i = 0; i < count; ++i) {
        if (out_[i].link != default_options_.link) continue;  // a device's
        const PathId path = out_[i].path;
        if (const auto known = bound_.find(path); known != bound_.end()) continue;
        if (std::ranges::find(unheld_, path) != unheld_.end()) continue;
        const auto peers = engine_.path_peers(path);
        if (!peers || peers->remote.address.family() != Family::overlay) continue;
        links_.bind(peers->remote.address, path);
        unheld_.push_back(path);
    }
    // Sealed and sent by pieces: the peer opens the first while we seal the second.
    for (std::span<const Transmit> rest = std::span(out_).first(count); !rest.empty();) {
        std::size_t packets = send_to_tap(rest);
        rest = rest.subspan(packets);
        packets = 0;
        const auto sealed = [&](const Transmit& one) { return one.link == default_options_.link; };
        for (std::size_t bytes = 0; packets < rest.size() && sealed(rest[packets]) && bytes < sealed_at_once; ++packets)
            for (const Slice& slice : rest[packets].payload) bytes += slice.size();
        if (packets == 0) continue;
        links_.send(rest.first(packets), now);
        flush(now);
        rest = rest.subspan(packets);
    }
    for (const PathId path : unheld_) {
        const auto peers = engine_.path_peers(path);
        if (!peers) continue;
        hold(peers->remote.address, default_options_, now).used = now;
        release_at_ = std::min(release_at_, now + release_after);
    }
    unheld_.clear();
    return count > 0;
}

void Shard::flush(Instant now) {
    while (const std::size_t count = links_.transmit(datagrams_, now)) {
        std::span<const Transmit> left = std::span(datagrams_).first(count);
        left = left.subspan(device_send(left));
        // A full socket has a moment to drain; what it does not take then is lost, as in any queue.
        if (!left.empty() && wait_writable()) (void)device_send(left);
    }
}

bool Shard::wait_writable() const {
    std::array<pollfd, 2> sockets{};
    nfds_t count = 0;
    for (const int fd : udp().descriptors()) sockets[count++] = {fd, POLLOUT, 0};
    return ::poll(sockets.data(), count, 1) > 0;
}

bool Shard::take_events(Instant now) {
    bool any = !lost_.empty();
    for (const Event& event : std::exchange(lost_, {}))
        if (others_) others_(event);
    while (const std::size_t count = engine_.events(events_, now)) {
        any = true;
        for (std::size_t i = 0; i < count; ++i) take_event(events_[i], now);
    }
    return any;
}

// Everything that is due leaves; programs are served a turn at a time.
void Shard::settle(Instant now) {
    for (unsigned round = 0; round < 4; ++round) {
        while (transmit(now)) {}
        flush(now);
        const bool events = take_events(now);
        if (!run_services(now) && !events) return;
    }
    work_left_ = true;
}

void Shard::add_peer(const Address& peer, std::span<const UdpEndpoint> endpoints) {
    links_.add_peer(peer, endpoints, monotonic_now());
    work_left_ = true;
}

void Shard::remove_peer(const Address& peer) {
    const Instant now = monotonic_now();
    links_.remove_peer(peer, now);
    take_link_events(now);
    if (const auto held = held_.find(peer); held != held_.end() && held->second.up) {
        held->second.up = false;
        engine_.path_down(held->second.path, now);
    }
    if (const auto held = held_.find(peer); held != held_.end()) release(held, now);
    work_left_ = true;
}

void Shard::close() {
    const Instant now = monotonic_now();
    for (std::uint32_t place = 0; place < carried_.size(); ++place) {
        if (carried_[place].flow == Flow{}) continue;
        reset(place, Error::aborted, now);
    }
    while (transmit(now)) {}
    links_.close(now);
    flush(now);
}

}  // namespace weft::node
