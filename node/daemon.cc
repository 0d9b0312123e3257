// The daemon's life: start, signals, configuration read again, the orderly end.
#include "node/daemon.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <sodium.h>

#include "node/config_shard.h"
#include "node/entropy.h"
#include "node/log.h"
#include "node/methods.h"
#include "node/paths.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

constexpr Duration stop_patience = Duration::seconds(3);   // for flows to end in order

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
    return set;
}

// As many descriptors as this process may have: each flow needs two.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

void block_signals() {
    const sigset_t set = handled_signals();
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its write
}

void forbid_core_dumps() {
    const rlimit none{};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0ul, 0ul, 0ul, 0ul);
}

std::expected<std::unique_ptr<Daemon>, std::string> Daemon::start(NodeConfig config, std::string config_path,
                                                                  CommandLine said) {
    std::unique_ptr<Daemon> daemon{new Daemon(std::move(config), std::move(config_path), std::move(said))};
    if (auto opened = daemon->open(); !opened) return std::unexpected(opened.error());
    return daemon;
}

Daemon::~Daemon() {
    if (shard_) shard_->loop().remove(signal_watch_);
}

std::expected<void, std::string> Daemon::open() {
    raise_descriptor_limit();
    if (!start_sodium()) return std::unexpected("libsodium cannot start: is there a source of randomness (/dev/urandom)?");
    const auto paths = control_paths(config_.name);
    if (!paths) return std::unexpected(paths.error());
    auto identity = read_identity(config_);
    if (!identity) return std::unexpected(identity.error());
    const auto shard = shard_config(config_);
    if (!shard) return std::unexpected(shard.error());
    auto opened = Shard::open(std::move(*identity), *shard, system_entropy());
    if (!opened) return std::unexpected(opened.error());
    shard_ = std::move(*opened);
    started_ = monotonic_now();
    if (auto loaded = open_plugins(); !loaded) return loaded;
    if (auto telemetry = open_telemetry(); !telemetry) return telemetry;

    const sigset_t set = handled_signals();
    signals_ = UniqueFd{::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (!signals_) return std::unexpected(fmt::format("signalfd: {}", std::strerror(errno)));
    signal_watch_ = shard_->loop().add(signals_.get(), EPOLLIN, [this](std::uint32_t) { take_signals(); });

    for (const PeerConfig& peer : config_.peers) shard_->add_peer(peer.address, peer.endpoints);
    auto control = Control::open(shard_->loop(), *paths, control_methods(),
                                 {[this](ClientId client, RpcRequest asked) { request(client, std::move(asked)); },
                                  [this](ClientId client) { client_gone(client); }});
    if (!control) return std::unexpected(control.error());
    control_ = std::move(*control);
    if (auto served = open_services(); !served) return served;

    const link::Udp& udp = shard_->udp();
    std::string listening;
    for (const UdpEndpoint& endpoint : {udp.local4(), udp.local6()})
        if (endpoint.port != 0) listening += (listening.empty() ? "" : ", ") + to_string(endpoint);
    log_taps();
    if (!config_.overlay) {
        log(LogLevel::info, "node", fmt::format("{} has no overlay; control socket {}", config_.name, paths->socket));
        return {};
    }
    log(LogLevel::info, "node",
        fmt::format("{} is {} in network \"{}\", on UDP {}, with {} peers; control socket {}", config_.name,
                    OverlayFamily::format(shard_->address()), config_.network, listening, config_.peers.size(),
                    paths->socket));
    return {};
}

void Daemon::run() {
    for (;;) {
        shard_->turn(listings_.empty() ? stop_by_ : Instant{});
        tend_listings();
        tend_plugins();
        watch_taps();
        if (stops_ == 0) continue;
        if (shard_->finished() || stops_ > 1 || monotonic_now() >= stop_by_) break;
    }
    shard_->close();
    control_->flush();
    log(LogLevel::info, "node", "ended");
}

void Daemon::take_signals() {
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof signal) == ssize_t(sizeof signal)) {
        if (signal.ssi_signo == SIGHUP) reload();
        else stop(signal.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
    }
}

void Daemon::stop(std::string_view why) {
    if (++stops_ > 1) return;
    log(LogLevel::info, "node",
        fmt::format("{}: ending flows in order, for at most {} s; again: at once", why,
                    stop_patience.count() / 1'000'000'000));
    stop_by_ = monotonic_now() + stop_patience;
    shard_->finish();
}

// What can change without dropping a session does; for the rest there is a message.
void Daemon::reload() {
    if (config_path_.empty())
        return log(LogLevel::warning, "config",
                   "SIGHUP: this node was configured by its command line; there is no file to read");
    auto read = read_config(config_path_);
    if (!read) {
        for (const std::string& message : read.error().messages) log(LogLevel::error, "config", message);
        return log(LogLevel::error, "config", "the configuration stays as it was");
    }
    overrule(*read);
    set_log_level(read->log_level);
    set_log_format(read->log_format);
    std::size_t added = 0, removed = 0;
    for (const PeerConfig& old : config_.peers) {
        if (std::ranges::find(read->peers, old.address, &PeerConfig::address) != read->peers.end()) continue;
        shard_->remove_peer(old.address);
        ++removed;
    }
    for (const PeerConfig& peer : read->peers) {
        const auto old = std::ranges::find(config_.peers, peer.address, &PeerConfig::address);
        if (old != config_.peers.end() && old->endpoints == peer.endpoints) continue;
        shard_->add_peer(peer.address, peer.endpoints);
        ++added;
    }
    const bool rest =
        read->name == config_.name && read->key == config_.key && read->memory == config_.memory &&
        read->network == config_.network && read->secret == config_.secret && read->work_bits == config_.work_bits &&
        read->listen4 == config_.listen4 && read->listen6 == config_.listen6 && read->mtu == config_.mtu &&
        read->suites == config_.suites && read->accept_members == config_.accept_members &&
        read->send_buffer == config_.send_buffer && read->receive_buffer == config_.receive_buffer &&
        read->time_wait == config_.time_wait && read->tunables == config_.tunables &&
        read->rekey_initiator == config_.rekey_initiator && read->rekey_responder == config_.rekey_responder &&
        read->rekey_idle == config_.rekey_idle && read->fault == config_.fault && read->call_budget == config_.call_budget &&
        read->module_defaults == config_.module_defaults && read->taps == config_.taps &&
        read->record.queue == config_.record.queue && read->services == config_.services && read->overlay == config_.overlay;
    const bool routed = reload_routes(*read);
    config_.peers = std::move(read->peers);
    config_.log_level = read->log_level;
    config_.log_format = read->log_format;
    config_.user_timeout = read->user_timeout;
    config_.backlog = read->backlog;
    config_.nodelay = read->nodelay;
    config_.record = read->record;   // of the next recording
    reload_plugins(*read);
    log(LogLevel::info, "config",
        fmt::format("read again: {} peers new or changed, {} removed{}", added, removed,
                    routed ? "" : "; the routes stay as they were"));
    if (!rest)
        log(LogLevel::warning, "config",
            "beside peers, names, routes, expose, transit, log, record, directories and load of [plugins], and "
            "user_timeout, backlog, "
            "nodelay and congestion of [tcp], "
            "changes need a restart");
}

}  // namespace weft::node
