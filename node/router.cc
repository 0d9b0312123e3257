// The gate before a routing module, and the host's services behind it.
#include "node/router.h"

#include <algorithm>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include "node/entropy.h"
#include "node/log.h"
#include "node/loop.h"
#include "overlay/switch.h"
#include "plugins/routing/static_table.h"

namespace weft::node {
namespace {

const weft_module* const compiled_in[]{&routing::static_module};

// What every module must have; the rest may be missing.
bool is_sound(const weft_router_v1& table) {
    return table.create && table.destroy && table.save && table.restore && table.resolve && table.decide && table.on_link;
}

}  // namespace

// Each function of the table, as the switch calls it.
struct Router::Gate {
    static Router& self(void* r) { return *static_cast<Router*>(r); }

    static std::int64_t save(const void* r, std::uint8_t* out, std::int64_t capacity) {
        const Module& module = static_cast<const Router*>(r)->current_;
        return module.table.save(module.r, out, capacity);
    }
    static std::int32_t restore(void* r, const std::uint8_t* bytes, std::int64_t length) {
        return self(r).current_.table.restore(self(r).current_.r, bytes, length);
    }
    static void resolve(void* r, weft_instant now, const std::uint8_t* dst, weft_decision* out) {
        self(r).current_.table.resolve(self(r).current_.r, now, dst, out);
    }
    static void decide(void* r, weft_instant now, weft_query* query, weft_decision* out) {
        self(r).current_.table.decide(self(r).current_.r, now, query, out);
    }
    static void on_link(void* r, weft_instant now, const weft_link* link) {
        self(r).note(*link);
        self(r).current_.table.on_link(self(r).current_.r, now, link);
    }
    static void on_control(void* r, weft_instant now, std::uint32_t link, const std::uint8_t* bytes, std::uint32_t length) {
        const Module& module = self(r).current_;
        if (module.table.on_control) module.table.on_control(module.r, now, link, bytes, length);
    }
    static void on_wake(void* r, weft_instant now) {
        const Module& module = self(r).current_;
        if (module.table.on_wake) module.table.on_wake(module.r, now);
    }
    static void on_broken(void* r, weft_instant now, const weft_path* path) {
        const Module& module = self(r).current_;
        if (module.table.on_broken) module.table.on_broken(module.r, now, path);
    }
    static void on_learnt(void* r, weft_instant now, const weft_path* path) {
        const Module& module = self(r).current_;
        if (module.table.on_learnt) module.table.on_learnt(module.r, now, path);
    }
    static std::uint32_t enumerate(const void* r, std::uint32_t from, weft_route_row* rows, std::uint32_t capacity) {
        const Module& module = static_cast<const Router*>(r)->current_;
        return module.table.enumerate ? module.table.enumerate(module.r, from, rows, capacity) : 0;
    }

    // The services.
    static std::int32_t send_control(void* context, std::uint32_t link, const std::uint8_t* bytes, std::uint32_t length) {
        overlay::Switch* labels = self(context).switch_;
        if (!labels || link == 0 || link > 0xffff) return 1;
        const auto sent =
            labels->send_routing(overlay::LinkNumber(link), std::as_bytes(std::span(bytes, length)), monotonic_now());
        return sent ? 0 : 1;
    }
    static void wake_at(void* context, weft_instant when) {
        if (overlay::Switch* labels = self(context).switch_) labels->wake_router_at(Instant::from_nanoseconds(when));
    }
    static std::uint64_t random(void*) {
        std::uint64_t word = 0;
        system_entropy()(std::as_writable_bytes(std::span(&word, 1)));
        return word;
    }
    static void log(void* context, std::int32_t level, const char* utf8) {
        Router& router = self(context);
        if (router.making_) router.said_ = utf8;
        else node::log(level <= 3 ? LogLevel::error : level == 4 ? LogLevel::warning : LogLevel::info, "routing", utf8);
    }

    static constexpr weft_router_v1 table{.size = sizeof(weft_router_v1),
                                          .flags = 0,
                                          .create = nullptr,
                                          .destroy = nullptr,
                                          .save = save,
                                          .restore = restore,
                                          .resolve = resolve,
                                          .decide = decide,
                                          .on_link = on_link,
                                          .on_control = on_control,
                                          .on_wake = on_wake,
                                          .on_broken = on_broken,
                                          .on_learnt = on_learnt,
                                          .enumerate = enumerate};
};

// What no module has, the gate has not either: the switch then spares the work that leads there.
const weft_router_v1& Router::table() {
    static const weft_router_v1 gate = [] {
        weft_router_v1 table = Gate::table;
        const auto any_has = [](auto member) {
            return std::ranges::any_of(compiled_in, [&](const weft_module* one) {
                return static_cast<const weft_router_v1*>(one->table)->*member != nullptr;
            });
        };
        if (!any_has(&weft_router_v1::on_control)) table.on_control = nullptr;
        if (!any_has(&weft_router_v1::on_wake)) table.on_wake = nullptr;
        if (!any_has(&weft_router_v1::on_broken)) table.on_broken = nullptr;
        if (!any_has(&weft_router_v1::on_learnt)) table.on_learnt = nullptr;
        return table;
    }();
    return gate;
}

Router::Router(const Address& self) {
    std::memcpy(self_.data(), self.bytes().data(), std::min(self_.size(), self.bytes().size()));
    host_.size = sizeof host_;
    host_.abi_minor = 0;
    host_.context = this;
    host_.send_control = Gate::send_control;
    host_.wake_at = Gate::wake_at;
    host_.random = Gate::random;
    host_.log = Gate::log;
}

Router::~Router() {
    if (current_.r) current_.table.destroy(current_.r);
}

std::expected<std::unique_ptr<Router>, std::string> Router::make(const RoutingConfig& config, const Address& self,
                                                                 Instant now) {
    std::unique_ptr<Router> router{new Router(self)};
    if (auto made = router->replace(config, now); !made) return std::unexpected(made.error());
    return router;
}

std::expected<Router::Module, std::string> Router::create(const RoutingConfig& config, Instant now) {
    const auto found = std::ranges::find_if(compiled_in, [&](const weft_module* one) { return one->name == config.module; });
    if (found == std::end(compiled_in)) {
        std::string names;
        for (const weft_module* one : compiled_in) names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", one->name);
        return std::unexpected(
            fmt::format("[routing] module = \"{}\": there is no such module; there are: {}", config.module, names));
    }
    Module module;
    const auto* given = static_cast<const weft_router_v1*>((*found)->table);
    std::memcpy(&module.table, given, std::min<std::size_t>(given->size, sizeof module.table));
    module.name = config.module;
    if (!is_sound(module.table)) return std::unexpected(fmt::format("routing module {}: its table has holes", module.name));
    said_.clear();
    making_ = true;
    module.r = module.table.create(&host_, self_.data(), config.settings.c_str(), now.nanoseconds());
    making_ = false;
    if (!module.r)
        return std::unexpected(said_.empty() ? fmt::format("routing module {}: it refused its settings", module.name)
                                             : said_);
    return module;
}

std::expected<void, std::string> Router::replace(const RoutingConfig& config, Instant now) {
    auto made = create(config, now);
    if (!made) return std::unexpected(made.error());
    if (current_.r && current_.name == made->name) {
        std::vector<std::uint8_t> saved(std::size_t(std::max<std::int64_t>(current_.table.save(current_.r, nullptr, 0), 0)));
        current_.table.save(current_.r, saved.data(), std::int64_t(saved.size()));
        if (made->table.restore(made->r, saved.data(), std::int64_t(saved.size())) != 0)
            log(LogLevel::warning, "routing", "the module did not take what it had saved: it begins anew");
    }
    if (current_.r) current_.table.destroy(current_.r);
    current_ = std::move(*made);
    name_ = current_.name;
    for (auto& [number, link] : links_) {
        weft_link told = link.last;
        told.neighbour = link.address.data();
        const bool silent = told.event == WEFT_LINK_SUSPECT;
        told.event = WEFT_LINK_UP;
        current_.table.on_link(current_.r, now.nanoseconds(), &told);
        told.event = WEFT_LINK_SUSPECT;
        if (silent) current_.table.on_link(current_.r, now.nanoseconds(), &told);
    }
    return {};
}

void Router::note(const weft_link& link) {
    if (link.event == WEFT_LINK_DOWN) {
        links_.erase(link.link);
        return;
    }
    Link& known = links_[link.link];
    const std::uint32_t event = link.event == WEFT_LINK_QUALITY ? known.last.event : link.event;
    std::memcpy(&known.last, &link, std::min<std::size_t>(link.size, sizeof known.last));
    known.last.event = event;
    std::memcpy(known.address.data(), link.neighbour, known.address.size());
}

weft_decision Router::resolve(const Address& destination, Instant now) {
    weft_decision decision{};
    decision.size = sizeof decision;
    std::array<std::uint8_t, WEFT_ADDRESS_BYTES> bytes{};
    std::memcpy(bytes.data(), destination.bytes().data(), std::min(bytes.size(), destination.bytes().size()));
    current_.table.resolve(current_.r, now.nanoseconds(), bytes.data(), &decision);
    return decision;
}

std::vector<weft_route_row> Router::rows(std::size_t limit) const {
    std::vector<weft_route_row> all;
    std::array<weft_route_row, 64> some{};
    while (all.size() < limit) {
        for (weft_route_row& row : some) row.size = sizeof row;
        const std::uint32_t count =
            Gate::enumerate(this, std::uint32_t(all.size()), some.data(), std::uint32_t(some.size()));
        if (count == 0) break;
        // The module's count is its word: no more than was lent.
        all.insert(all.end(), some.begin(),
                   some.begin() + std::ptrdiff_t(std::min({std::size_t{count}, some.size(), limit - all.size()})));
    }
    return all;
}

}  // namespace weft::node
