// The devices and the routes that the engine was told of.
#include "stack/engine/state.h"

namespace weft {
namespace {

constexpr std::uint32_t most_links = 256;
constexpr std::uint32_t least_link_mtu = 576;  // bytes: what every host must take (RFC 791, section 3.2)

}  // namespace

Result<void> Engine::attach(std::uint32_t link, const LinkOptions& options, Instant now) {
    state_->begin();
    const bool group = (options.mac[0] & std::byte{1}) != std::byte{0};
    if (link >= most_links || options.mtu < least_link_mtu || options.mtu > 65'535 || (options.ethernet && group))
        return std::unexpected(Error::invalid);
    if (state_->link(link).attached) detach(link, now);
    if (link >= state_->links.size()) state_->links.resize(link + 1);
    state_->links[link] = {options, true};
    state_->addresses.open(link, options.any_address);
    if (options.ethernet) WEFT_TRY(assign(net::link_local_of(options.mac), {link, options.mtu, false, 64}, now));
    state_->route_paths(now);
    return {};
}

void Engine::detach(std::uint32_t link, Instant now) {
    state_->begin();
    if (!state_->link(link).attached) return;
    const LinkOptions was = state_->links[link].options;
    state_->links[link] = {};
    state_->addresses.open(link, false);
    if (was.ethernet) (void)unassign(net::link_local_of(was.mac), now);
    state_->routes.remove_link(link);
    state_->route_paths(now);
    state_->neighbours.remove_link(link);
}

Result<void> Engine::add_route(const Prefix& to, const Route& by, Instant now) {
    state_->begin();
    WEFT_TRY(state_->routes.add(to, by));
    state_->route_paths(now);
    return {};
}

Result<void> Engine::remove_route(const Prefix& to, const Route& by, Instant now) {
    state_->begin();
    WEFT_TRY(state_->routes.remove(to, by));
    state_->route_paths(now);
    return {};
}

std::vector<RouteEntry> Engine::routes() const { return state_->routes.all(); }
std::vector<NeighbourEntry> Engine::neighbours() const { return state_->neighbours.all(); }

}  // namespace weft
