// From addresses to paths, and what becomes of them.
#include "stack/engine/state.h"
#include "stack/tcp/connection.h"
#include "stack/wire/pseudo.h"

namespace weft {
namespace {

constexpr std::uint32_t least_mtu = 256, most_mtu = 65'535;  // bytes

}  // namespace

std::uint32_t Engine::State::intern(const Address& local, const Address& remote, std::uint32_t scope,
                                    const PathOptions& options, Instant now) {
    if (const std::uint32_t known = paths.find(local, remote, scope)) return known;
    const std::uint32_t index = paths.intern(local, remote, scope);
    if (index == 0) return 0;
    host.paths.reach(index);
    tcp::Path& path = host.paths[index] = {};
    path.hash = paths[index].hash;
    path.family = std::uint8_t(local.family());
    path.pseudo_sum = wire::pseudo_sum(local, remote);
    path.header_size = std::uint16_t(net::header_size(local.family()));
    path.default_mss = local.family() == Family::ipv4 ? 536 : 1'220;
    set_path(index, options, now);
    tell_path(host.sink, index, now, 0);
    return index;
}

void Engine::State::set_path(std::uint32_t path, const PathOptions& options, Instant now) {
    host.paths[path].sums_elided = options.sums_elided;
    paths[path].given_mtu = std::clamp(options.mtu, least_mtu, most_mtu);
    paths[path].given_link = options.link;
    route_path(path, now);
}

void Engine::State::free_idle_paths() {
    if (host.idle_paths.empty()) return;
    for (const std::uint32_t path : host.idle_paths)
        if (paths.alive(path) && host.paths[path].references == 0) {
            leave_neighbour(path);
            forget_lowered(path);
            paths.erase(path);
        }
    host.idle_paths.clear();
}

// The network of an address that is gone leaves the link, too, unless another address of the link lies in it.
void Engine::State::drop_network(const net::Assigned& was) {
    if (was.prefix == 0) return;
    const Prefix network{net::masked(was.address, was.prefix), was.prefix};
    const bool shared = std::any_of(addresses.all().begin(), addresses.all().end(), [&](const net::Assigned& other) {
        return other.link == was.link && other.prefix == was.prefix && net::covers(network, other.address);
    });
    if (!shared) (void)routes.remove(network, {{}, was.link, 0});
}

// One that is assigned again keeps its place among the sources.
Result<void> Engine::assign(const Address& local, const PathOptions& options, Instant now) {
    state_->begin();
    if (!net::is_unicast(local) || net::header_size(local.family()) == 0 || options.prefix > local.bytes().size() * 8)
        return std::unexpected(Error::invalid);
    if (options.prefix > 0)
        WEFT_TRY(state_->routes.add({net::masked(local, options.prefix), options.prefix}, {{}, options.link, 0}));
    const net::Assigned* known = state_->addresses.find(local);
    const net::Assigned was = known ? *known : net::Assigned{};
    state_->addresses.assign({local, options.link, options.mtu, options.sums_elided, options.prefix});
    state_->drop_network(was);
    if (options.prefix > 0 || was.prefix > 0) state_->route_paths(now);
    return {};
}

Result<void> Engine::unassign(const Address& local, Instant now) {
    state_->begin();
    const net::Assigned* found = state_->addresses.find(local);
    if (!found) return std::unexpected(Error::address_not_available);
    const net::Assigned was = *found;
    state_->addresses.unassign(local);
    state_->drop_network(was);
    if (was.prefix > 0) state_->route_paths(now);
    return {};
}

Result<PathId> Engine::open_path(const Endpoint& local, const Endpoint& remote, const PathOptions& options, Instant now) {
    state_->begin();
    if (!net::is_unicast(local.address) || !net::is_unicast(remote.address)) return std::unexpected(Error::invalid);
    const std::uint32_t index = state_->intern(local.address, remote.address, remote.scope, options, now);
    if (index == 0)
        return std::unexpected(local.address.family() == remote.address.family() ? Error::no_memory : Error::invalid);
    state_->host.hold_path(index);
    state_->host.paths[index].sessions += 1;
    change_path(index, options, now);
    return index;
}

void Engine::close_path(PathId path, Instant) {
    state_->begin();
    if (!state_->paths.alive(path) || state_->host.paths[path].sessions == 0) return;
    state_->host.paths[path].sessions -= 1;
    state_->host.release_path(path);
    state_->free_idle_paths();
}

void Engine::change_path(PathId path, const PathOptions& options, Instant now) {
    state_->begin();
    if (!state_->paths.alive(path)) return;
    state_->set_path(path, options, now);
    state_->each_flow(path, [&](tcp::Connection flow) { flow.path_changed(state_->host.paths[path].mtu, now); });
}

void Engine::path_down(PathId path, Instant now) {
    state_->begin();
    if (!state_->paths.alive(path)) return;
    state_->host.paths[path].down = true;
    state_->each_flow(path, [&](tcp::Connection flow) { flow.path_down(now); });
}

void Engine::path_unreachable(PathId path, Instant now) {
    state_->begin();
    if (!state_->paths.alive(path)) return;
    state_->each_flow(path, [&](tcp::Connection flow) { flow.unreachable(now); });
    state_->free_idle_paths();
}

void Engine::path_up(PathId path, Instant now) {
    state_->begin();
    if (!state_->paths.alive(path)) return;
    state_->host.paths[path].down = false;
    state_->each_flow(path, [&](tcp::Connection flow) { flow.path_up(now); });
}

Result<Peers> Engine::path_peers(PathId path) const {
    if (!state_->paths.alive(path)) return std::unexpected(Error::invalid);
    const net::Path& way = state_->paths[path];
    return Peers{{way.local, way.scope, 0}, {way.remote, way.scope, 0}};
}

}  // namespace weft
