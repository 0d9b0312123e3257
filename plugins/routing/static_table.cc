// The table, and the choice among its next hops; the functions of weft_router_v1 are at the end.
#include "plugins/routing/static_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "plugins/routing/static_config.h"
#include "stack/core/address_text.h"
#include "stack/core/bytes.h"

namespace weft::routing {
namespace {

using Key = std::array<std::uint8_t, WEFT_ADDRESS_BYTES>;

constexpr weft_duration demoted_for = 30'000'000'000;   // after a path broke
constexpr std::size_t demotions_at_most = 1'024;
constexpr std::uint32_t saved_magic = 0x3152'5357;       // "WSR1"
constexpr std::size_t saved_head = 8, saved_entry = 2 * WEFT_ADDRESS_BYTES + 8;
constexpr std::int32_t level_error = 3;

Key key_of(const std::uint8_t* bytes) {
    Key key;
    std::memcpy(key.data(), bytes, key.size());
    return key;
}

Key key_of(const Address& address) {
    Key key{};
    std::memcpy(key.data(), address.bytes().data(), std::min(key.size(), address.bytes().size()));
    return key;
}

std::uint64_t tag_of(const Key& key) { return load_little<std::uint64_t>(std::as_bytes(std::span(key)).data()); }

bool among(const std::uint64_t* tags, std::uint32_t count, std::uint64_t tag) {
    return count != 0 && std::find(tags, tags + count, tag) != tags + count;
}

// Of a link: 10, 1 for each 100 us of its round trip, 2,000 for the loss of all; below 0xffff, which says withdrawn.
std::uint32_t cost_of(weft_duration srtt, std::uint32_t loss_ppm) {
    const std::uint64_t cost = 10 + std::uint64_t(std::max<weft_duration>(srtt, 0)) / 100'000 + loss_ppm / 500;
    return std::uint32_t(std::min<std::uint64_t>(cost, 0xfffe));
}

struct Neighbour {
    std::uint32_t link{0}, mtu{0}, cost{0};
    bool suspect{false};
};

class Table {
public:
    Table(const weft_router_host* host, const std::uint8_t* self) : host_{host}, self_{key_of(self)} {}

    std::string configure(const char* config_json);   // empty: done
    void say(const std::string& what) const {
        if (host_ && host_->log) host_->log(host_->context, level_error, what.c_str());
    }

    void decide(weft_instant now, const Key& dst, const weft_query* query, weft_decision& out) const;
    void on_link(const weft_link& link);
    void on_broken(weft_instant now, const weft_path& path);
    std::int64_t save(std::uint8_t* out, std::int64_t capacity) const;
    bool restore(std::span<const std::byte> bytes);
    std::uint32_t enumerate(std::uint32_t from, weft_route_row* rows, std::uint32_t capacity) const;

private:
    struct Choice {
        const Neighbour* neighbour{nullptr};
        bool looped{false};   // a next hop was left out because the SETUP comes from it or passed it
    };
    void consider(const Key& dst, const Key& via, weft_instant now, const weft_query* query, Choice& first,
                  Choice& last_resort) const;
    bool demoted(const Key& dst, const Key& via, weft_instant now) const;
    const std::vector<Key>* routes_to(const Key& dst) const;
    const Neighbour* neighbour(const Key& key) const {
        const auto found = up_.find(key);
        return found == up_.end() ? nullptr : &found->second;
    }

    const weft_router_host* host_;
    Key self_;
    std::map<Key, std::vector<Key>> routes_;
    std::vector<Key> any_;
    std::map<Key, Neighbour> up_;
    std::map<std::pair<Key, Key>, weft_instant> demotions_;   // (destination, next hop): until when
};

std::string Table::configure(const char* config_json) {
    const auto parsed = parse_static_routes(config_json ? config_json : "{}");
    if (!parsed) return parsed.error();
    std::size_t number = 0;
    for (const StaticRoute& route : *parsed) {
        ++number;
        const auto wrong = [&](const char* what) { return "static routes, route " + std::to_string(number) + ": " + what; };
        const Key to = key_of(route.to), via = key_of(route.via);
        const bool any = route.to.family() == Family::none;
        if (via == self_) return wrong("\"via\" is this node itself; it must be a neighbour");
        if (!any && to == self_) return wrong("\"to\" is this node itself; it needs no route");
        std::vector<Key>& hops = any ? any_ : routes_[to];
        if (std::ranges::find(hops, via) != hops.end()) return wrong("the same route stands there twice");
        hops.push_back(via);
    }
    return {};
}

const std::vector<Key>* Table::routes_to(const Key& dst) const {
    const auto found = routes_.find(dst);
    return found == routes_.end() ? nullptr : &found->second;
}

bool Table::demoted(const Key& dst, const Key& via, weft_instant now) const {
    const auto found = demotions_.find({dst, via});
    return found != demotions_.end() && now < found->second && found->second - now <= demoted_for;
}

void Table::consider(const Key& dst, const Key& via, weft_instant now, const weft_query* query, Choice& first,
                     Choice& last_resort) const {
    const Neighbour* hop = neighbour(via);
    if (query) {
        const std::uint64_t tag = tag_of(via);
        const bool transit = via != dst;
        if (among(query->tried, query->tried_count, tag)) return;
        if (transit && among(query->avoid, query->avoid_count, tag)) return;
        if ((hop && hop->link == query->in_link) || (transit && among(query->visited, query->visited_count, tag)) ||
            (transit && std::memcmp(via.data(), query->src, via.size()) == 0)) {
            first.looped = true;
            return;
        }
    }
    if (!hop) return;
    Choice& choice = hop->suspect || demoted(dst, via, now) ? last_resort : first;
    if (!choice.neighbour) choice.neighbour = hop;
}

void Table::decide(weft_instant now, const Key& dst, const weft_query* query, weft_decision& out) const {
    if (dst == self_) {
        out.verdict = WEFT_ROUTE_DELIVER;
        return;
    }
    Choice first, last_resort;
    const Neighbour* direct = neighbour(dst);
    if (direct) consider(dst, dst, now, query, first, last_resort);
    if (const std::vector<Key>* hops = routes_to(dst); hops && !first.neighbour)
        for (const Key& via : *hops) consider(dst, via, now, query, first, last_resort);
    if (!first.neighbour)
        for (const Key& via : any_) consider(dst, via, now, query, first, last_resort);
    const Neighbour* chosen = first.neighbour ? first.neighbour : last_resort.neighbour;
    if (!chosen) {
        out.verdict = WEFT_ROUTE_UNREACHABLE;
        out.reason = first.looped ? WEFT_ROUTE_LOOP : WEFT_ROUTE_NO_ROUTE;
        return;
    }
    out.verdict = WEFT_ROUTE_FORWARD;
    out.link = chosen->link;
    out.mtu = chosen->mtu;
    out.cost = chosen == direct ? chosen->cost : 0;
}

void Table::on_link(const weft_link& link) {
    const Key key = key_of(link.neighbour);
    if (link.event == WEFT_LINK_DOWN) {
        up_.erase(key);
        return;
    }
    if (link.event < WEFT_LINK_UP || link.event > WEFT_LINK_QUALITY || link.link == 0 || key == self_) return;
    if (link.event != WEFT_LINK_UP && !up_.contains(key)) return;
    Neighbour& neighbour = up_[key];
    neighbour.link = link.link;
    neighbour.mtu = link.mtu;
    if (link.event != WEFT_LINK_QUALITY) neighbour.suspect = link.event == WEFT_LINK_SUSPECT;
    neighbour.cost = cost_of(link.srtt, link.loss_ppm);
}

void Table::on_broken(weft_instant now, const weft_path& path) {
    const auto hop = std::ranges::find(up_, path.link, [](const auto& entry) { return entry.second.link; });
    if (hop == up_.end()) return;   // a link that went down says enough
    std::erase_if(demotions_, [&](const auto& entry) { return entry.second <= now; });
    if (demotions_.size() < demotions_at_most) demotions_[{key_of(path.remote), hop->first}] = now + demoted_for;
}

// magic u32 | count u32 | {destination[64] | next hop[64] | until i64}.., little-endian: what was learnt, not what was told.
std::int64_t Table::save(std::uint8_t* out, std::int64_t capacity) const {
    const std::size_t size = saved_head + saved_entry * demotions_.size();
    if (!out || capacity < std::int64_t(size)) return std::int64_t(size);
    std::byte* at = std::as_writable_bytes(std::span(out, size)).data();
    store_little(at, saved_magic);
    store_little(at + 4, std::uint32_t(demotions_.size()));
    at += saved_head;
    for (const auto& [pair, until] : demotions_) {
        std::memcpy(at, pair.first.data(), pair.first.size());
        std::memcpy(at + WEFT_ADDRESS_BYTES, pair.second.data(), pair.second.size());
        store_little(at + 2 * WEFT_ADDRESS_BYTES, std::uint64_t(until));
        at += saved_entry;
    }
    return std::int64_t(size);
}

bool Table::restore(std::span<const std::byte> bytes) {
    if (bytes.size() < saved_head || load_little<std::uint32_t>(bytes.data()) != saved_magic) return false;
    const std::size_t count = load_little<std::uint32_t>(&bytes[4]);
    if (count > demotions_at_most || bytes.size() != saved_head + count * saved_entry) return false;
    std::map<std::pair<Key, Key>, weft_instant> read;
    for (std::size_t i = 0; i < count; ++i) {
        const std::byte* at = &bytes[saved_head + i * saved_entry];
        std::pair<Key, Key> pair;
        std::memcpy(pair.first.data(), at, WEFT_ADDRESS_BYTES);
        std::memcpy(pair.second.data(), at + WEFT_ADDRESS_BYTES, WEFT_ADDRESS_BYTES);
        const auto until = weft_instant(load_little<std::uint64_t>(at + 2 * WEFT_ADDRESS_BYTES));
        if (until < 0 || !read.emplace(pair, until).second) return false;
    }
    demotions_ = std::move(read);
    return true;
}

// Neighbours first, then the routes; each row is what a SETUP that begins here would find.
std::uint32_t Table::enumerate(std::uint32_t from, weft_route_row* rows, std::uint32_t capacity) const {
    std::uint32_t number = 0, written = 0;
    const std::uint32_t stride = capacity == 0 ? 0 : rows->size;
    if (stride < sizeof(weft_route_row)) return 0;
    const auto write = [&](const Key* dst, const Key& via, std::uint32_t flags) {
        if (number++ < from || written == capacity) return;
        weft_route_row row{};
        row.size = stride;
        row.flags = flags;
        if (dst) std::memcpy(row.dst, dst->data(), dst->size());
        std::memcpy(row.via, via.data(), via.size());
        if (const Neighbour* hop = neighbour(via)) row.link = hop->link, row.cost = hop->cost;
        std::memcpy(reinterpret_cast<std::uint8_t*>(rows) + std::size_t{written} * stride, &row, sizeof row);
        ++written;
    };
    const auto used = [&](const std::vector<Key>& hops, const Key& via, bool direct) {
        if (direct) return 0u;
        for (const Key& hop : hops)
            if (const Neighbour* up = neighbour(hop); up && !up->suspect) return hop == via ? unsigned{WEFT_ROW_USED} : 0u;
        return 0u;
    };
    for (const auto& entry : up_) write(&entry.first, entry.first, WEFT_ROW_DIRECT | WEFT_ROW_USED);
    for (const auto& [dst, hops] : routes_)
        for (const Key& via : hops) write(&dst, via, used(hops, via, neighbour(dst) != nullptr));
    for (const Key& via : any_) write(nullptr, via, WEFT_ROW_ANY | used(any_, via, false));
    return written;
}

Table& table_of(void* r) { return *static_cast<Table*>(r); }
const Table& table_of(const void* r) { return *static_cast<const Table*>(r); }

// Nothing may be thrown across the boundary; only memory can fail here.
template <class Work>
void guarded(const Table& table, Work&& work) noexcept {
    try {
        work();
    } catch (const std::bad_alloc&) { table.say("static routes: out of memory"); }
}

void* create(const weft_router_host* host, const std::uint8_t* self, const char* config_json, weft_instant) noexcept {
    try {
        auto table = std::make_unique<Table>(host, self);
        const std::string wrong = table->configure(config_json);
        if (wrong.empty()) return table.release();
        table->say(wrong);
    } catch (const std::bad_alloc&) {}
    return nullptr;
}

void destroy(void* r) noexcept { delete &table_of(r); }

std::int64_t save(const void* r, std::uint8_t* out, std::int64_t capacity) noexcept {
    return table_of(r).save(out, capacity);
}

std::int32_t restore(void* r, const std::uint8_t* bytes, std::int64_t length) noexcept {
    bool done = false;
    guarded(table_of(r), [&] {
        done = bytes && length >= 0 && table_of(r).restore(std::as_bytes(std::span(bytes, std::size_t(length))));
    });
    return done ? 0 : 1;
}

void resolve(void* r, weft_instant now, const std::uint8_t* dst, weft_decision* out) noexcept {
    table_of(r).decide(now, key_of(dst), nullptr, *out);
}

void decide(void* r, weft_instant now, weft_query* query, weft_decision* out) noexcept {
    table_of(r).decide(now, key_of(query->dst), query, *out);
}

void on_link(void* r, weft_instant, const weft_link* link) noexcept {
    guarded(table_of(r), [&] { table_of(r).on_link(*link); });
}

void on_broken(void* r, weft_instant now, const weft_path* path) noexcept {
    guarded(table_of(r), [&] { table_of(r).on_broken(now, *path); });
}

std::uint32_t enumerate(const void* r, std::uint32_t from, weft_route_row* rows, std::uint32_t capacity) noexcept {
    return table_of(r).enumerate(from, rows, capacity);
}

}  // namespace

const weft_router_v1 static_table{.size = sizeof(weft_router_v1),
                                  .flags = 0,
                                  .create = create,
                                  .destroy = destroy,
                                  .save = save,
                                  .restore = restore,
                                  .resolve = resolve,
                                  .decide = decide,
                                  .on_link = on_link,
                                  .on_control = nullptr,
                                  .on_wake = nullptr,
                                  .on_broken = on_broken,
                                  .on_learnt = nullptr,
                                  .enumerate = enumerate};

const weft_module static_module{.size = sizeof(weft_module),
                                .kind = WEFT_MODULE_ROUTING,
                                .name = "static",
                                .doc = "next hops as they are configured, in their order",
                                .table = &static_table};

}  // namespace weft::routing
