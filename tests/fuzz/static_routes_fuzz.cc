// The static table's configuration: any bytes are routes or one mistake with its place; a module made of it answers.
#include "plugins/routing/static_config.h"
#include "plugins/routing/static_table.h"
#include "tests/fuzz/fuzz.h"

using namespace weft;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text{reinterpret_cast<const char*>(data), size};
    const auto routes = routing::parse_static_routes(text);
    if (!routes) {
        FUZZ_CHECK(routes.error().starts_with("static routes, byte "));
        return 0;
    }
    for (const routing::StaticRoute& route : *routes) {
        FUZZ_CHECK(route.via.family() == Family::overlay);
        FUZZ_CHECK(route.to.family() == Family::overlay || route.to.family() == Family::none);
    }
    const std::uint8_t self[WEFT_ADDRESS_BYTES]{};
    const weft_router_host host{};
    void* router = routing::static_table.create(&host, self, text.c_str(), 0);
    if (!router) return 0;   // a route to itself, or one twice
    weft_decision decision{};
    decision.size = sizeof decision;
    routing::static_table.resolve(router, 0, self, &decision);
    FUZZ_CHECK(decision.verdict == WEFT_ROUTE_DELIVER);
    FUZZ_CHECK(routing::static_table.restore(router, data, std::int64_t(size)) != 0);
    routing::static_table.destroy(router);
    return 0;
}
