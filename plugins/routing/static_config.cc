// A reader of the one shape that the static table's configuration has; it knows no other JSON.
#include "plugins/routing/static_config.h"

#include <optional>

#include "stack/core/address_text.h"

namespace weft::routing {
namespace {

class Reader {
public:
    explicit Reader(std::string_view text) : text_{text} {}

    std::expected<std::vector<StaticRoute>, std::string> read() {
        bool seen = false;
        const bool whole = members([&](std::string_view key) {
            if (key != "routes") return fail("unknown key \"" + std::string(key) + "\"; the only one is \"routes\"");
            if (seen) return fail("\"routes\" stands there twice");
            seen = true;
            return list();
        });
        skip();
        if (whole && at_ != text_.size()) fail("something follows the closing '}'");
        if (!error_.empty()) return std::unexpected(std::move(error_));
        return std::move(routes_);
    }

private:
    // The first mistake counts.
    bool fail(std::string what) { return fail_at(at_, std::move(what)); }
    bool fail_at(std::size_t at, std::string what) {
        if (error_.empty()) error_ = "static routes, byte " + std::to_string(at + 1) + ": " + std::move(what);
        return false;
    }
    std::string of_route(std::string_view key) const {
        return "\"" + std::string(key) + "\" of route " + std::to_string(routes_.size() + 1);
    }

    void skip() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
    }
    bool is(char wanted) {
        skip();
        return at_ < text_.size() && text_[at_] == wanted;
    }
    bool take(char wanted) {
        if (!is(wanted)) return fail(std::string("expected '") + wanted + "'");
        ++at_;
        return true;
    }

    // A string of plain ASCII without escapes: no address needs one.
    std::optional<std::string_view> string() {
        if (!take('"')) return std::nullopt;
        const std::size_t begin = at_;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '"') return text_.substr(begin, at_++ - begin);
            if (c == '\\' || c < ' ' || c == '\x7f') break;
        }
        fail(at_ == text_.size() ? "a string without its end" : "a character that no address has");
        return std::nullopt;
    }

    // `member(key)` reads the value.
    template <class Member>
    bool members(Member&& member) {
        if (!take('{')) return false;
        if (is('}')) return take('}');
        for (;;) {
            const auto key = string();
            if (!key || !take(':') || !member(*key)) return false;
            if (is('}')) return take('}');
            if (!take(',')) return false;
        }
    }

    bool list() {
        if (!take('[')) return false;
        if (is(']')) return take(']');
        for (;;) {
            if (!route()) return false;
            if (is(']')) return take(']');
            if (!take(',')) return false;
        }
    }

    bool route() {
        skip();
        const std::size_t begin = at_;
        StaticRoute route;
        bool to = false, via = false;
        const bool whole = members([&](std::string_view key) {
            if (key != "to" && key != "via")
                return fail("unknown key \"" + std::string(key) + "\"; a route has \"to\" and \"via\"");
            bool& seen = key == "to" ? to : via;
            if (seen) return fail(of_route(key) + " stands there twice");
            seen = true;
            return address(key, key == "to" ? route.to : route.via);
        });
        if (!whole) return false;
        if (!to || !via) return fail_at(begin, of_route(to ? "via" : "to") + " is missing");
        if (routes_.size() == routes_at_most)
            return fail_at(begin, "more than " + std::to_string(routes_at_most) + " routes");
        routes_.push_back(route);
        return true;
    }

    bool address(std::string_view key, Address& into) {
        skip();
        const std::size_t begin = at_;
        const auto text = string();
        if (!text) return false;
        if (key == "to" && *text == "*") return true;
        const auto parsed = OverlayFamily::parse(*text);
        if (!parsed) return fail_at(begin, of_route(key) + " is no overlay address: " + to_string(parsed.error()));
        into = *parsed;
        return true;
    }

    std::string_view text_;
    std::size_t at_{0};
    std::vector<StaticRoute> routes_;
    std::string error_;
};

}  // namespace

std::expected<std::vector<StaticRoute>, std::string> parse_static_routes(std::string_view json) {
    return Reader{json}.read();
}

}  // namespace weft::routing
