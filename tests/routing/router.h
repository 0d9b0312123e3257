// A routing module under test, and the host that it believes to have.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "plugins/routing/static_table.h"
#include "stack/core/address_text.h"

namespace weft::routing::test {

using Bytes64 = std::array<std::uint8_t, 64>;

// An address that is all this letter.
inline Bytes64 node(char letter) {
    Bytes64 address;
    address.fill(std::uint8_t(letter));
    return address;
}

inline std::string text(char letter) {
    const Bytes64 address = node(letter);
    return OverlayFamily::format({Family::overlay, std::as_bytes(std::span(address))});
}

inline std::uint64_t tag(char letter) { return 0x0101'0101'0101'0101u * std::uint8_t(letter); }

// {"routes": ..} of pairs such as "dc" (to d, via c) and "*b".
inline std::string routes(std::initializer_list<std::string_view> pairs) {
    std::string json = "{\"routes\": [";
    for (const std::string_view pair : pairs) {
        if (json.back() == '}') json += ", ";
        const std::string to = pair[0] == '*' ? "*" : text(pair[0]);
        json += R"({"to": ")" + to + R"(", "via": ")" + text(pair[1]) + "\"}";
    }
    return json + "]}";
}

class Router {
public:
    explicit Router(const std::string& config, const weft_router_v1& table = static_table) : table_{table} {
        host_.size = sizeof host_;
        host_.context = this;
        host_.log = [](void* context, std::int32_t, const char* what) { static_cast<Router*>(context)->said_ = what; };
        r_ = table_.create(&host_, node('s').data(), config.c_str(), 0);
    }
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;
    ~Router() {
        if (r_) table_.destroy(r_);
    }

    bool made() const { return r_ != nullptr; }
    const std::string& said() const { return said_; }
    void* handle() { return r_; }

    // Neighbour x is link x - 'a' + 1.
    static std::uint32_t link_of(char letter) { return std::uint32_t(letter - 'a' + 1); }
    void link(char neighbour, std::uint32_t event, weft_duration srtt = 0) {
        const Bytes64 address = node(neighbour);
        const weft_link link{.size = sizeof(weft_link),
                             .event = event,
                             .link = link_of(neighbour),
                             .mtu = 1'200,
                             .neighbour = address.data(),
                             .srtt = srtt,
                             .rate = 0,
                             .loss_ppm = 0,
                             .marked_ppm = 0};
        table_.on_link(r_, now, &link);
    }
    void up(std::string_view neighbours) {
        for (const char neighbour : neighbours) link(neighbour, WEFT_LINK_UP);
    }

    struct Asked {
        char from{0};   // the neighbour; 0: it begins here
        std::string visited, avoid, tried;
        char source{'s'};
    };
    weft_decision decide(char to) { return decide(to, Asked{}); }
    weft_decision decide(char to, const Asked& asked) {
        const Bytes64 dst = node(to), src = node(asked.source);
        const auto tags = [](const std::string& letters) {
            std::vector<std::uint64_t> all;
            for (const char letter : letters) all.push_back(tag(letter));
            return all;
        };
        const auto visited = tags(asked.visited), avoid = tags(asked.avoid), tried = tags(asked.tried);
        weft_query query{};
        query.size = sizeof query;
        query.in_link = asked.from ? link_of(asked.from) : 0;
        query.hops_left = 255;
        query.dst = dst.data();
        query.src = src.data();
        query.visited = visited.data(), query.visited_count = std::uint32_t(visited.size());
        query.avoid = avoid.data(), query.avoid_count = std::uint32_t(avoid.size());
        query.tried = tried.data(), query.tried_count = std::uint32_t(tried.size());
        weft_decision out{};
        out.size = sizeof out;
        table_.decide(r_, now, &query, &out);
        return out;
    }
    // The letter of the next hop, '.' for delivery, or the digit of the reason why there is none.
    char next(char to) { return next(to, Asked{}); }
    char next(char to, const Asked& asked) {
        const weft_decision decision = decide(to, asked);
        if (decision.verdict == WEFT_ROUTE_DELIVER) return '.';
        if (decision.verdict == WEFT_ROUTE_FORWARD) return char('a' + decision.link - 1);
        return char('0' + decision.reason);
    }
    void broken(char remote, char next_hop) {
        const Bytes64 address = node(remote);
        weft_path path{};
        path.size = sizeof path;
        path.link = link_of(next_hop);
        path.remote = address.data();
        table_.on_broken(r_, now, &path);
    }

    weft_instant now{1'000'000'000};

private:
    const weft_router_v1& table_;
    weft_router_host host_{};
    std::string said_;
    void* r_{nullptr};
};

}  // namespace weft::routing::test
