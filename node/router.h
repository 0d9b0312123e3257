// The routing module of a node and the services that it is lent. The switch sees a gate in front of the module, so that new
// routes, or another module, take the old one's place while paths live on.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/abi/weft_plugin.h"
#include "stack/core/address.h"
#include "stack/core/time.h"

namespace weft::overlay {
class Switch;
}

namespace weft::node {

struct RoutingConfig {
    std::string module{"static"};
    std::string settings{"{}"};   // the module's, in JSON
    friend bool operator==(const RoutingConfig&, const RoutingConfig&) = default;
};

class Router {
public:
    // The error is the module's own sentence, or says which modules there are.
    static std::expected<std::unique_ptr<Router>, std::string> make(const RoutingConfig& config, const Address& self,
                                                                    Instant now);
    ~Router();
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;

    // For the switch: the gate, and what its functions take as `r`.
    static const weft_router_v1& table();
    void* handle() { return this; }

    // Where the module's calls go; nullptr: they are refused.
    void attach(overlay::Switch* labels) { switch_ = labels; }

    // Another module or other settings: the new one is told the links that are up and, if it is of the same name, what the
    // old one saved. On an error the old one stays.
    std::expected<void, std::string> replace(const RoutingConfig& config, Instant now);

    const std::string& module() const { return name_; }
    weft_decision resolve(const Address& destination, Instant now);
    std::vector<weft_route_row> rows(std::size_t limit) const;

private:
    struct Link {
        weft_link last{};  // `neighbour` points at `address` when it is told
        std::array<std::uint8_t, WEFT_ADDRESS_BYTES> address{};
    };
    struct Module {
        weft_router_v1 table{};  // as long as this version knows it; a missing tail is zero
        void* r{nullptr};
        std::string name;
    };
    struct Gate;

    explicit Router(const Address& self);
    std::expected<Module, std::string> create(const RoutingConfig& config, Instant now);
    void note(const weft_link& link);

    std::array<std::uint8_t, WEFT_ADDRESS_BYTES> self_{};
    weft_router_host host_{};
    Module current_;
    std::string name_;
    std::map<std::uint32_t, Link> links_;
    overlay::Switch* switch_{nullptr};
    std::string said_;  // by a module that is being made
    bool making_{false};
};

}  // namespace weft::node
