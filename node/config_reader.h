// How weft.toml is read: values of a table by key and type, and each section. Whatever is wrong becomes a mistake with its place, and
// reading goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "node/config.h"

namespace weft::node {

std::string_view type_of(const toml::node& node);  // "a table"

class ConfigReader {
public:
    explicit ConfigReader(const std::string& path) : path_{path} {}

    std::vector<std::string> mistakes;

    NodeConfig read(const toml::table& root);

private:
    using Keys = std::span<const std::string_view>;

    void mistake(const toml::source_region& at, std::string what);
    void only(const toml::table& table, std::string_view where, Keys allowed);
    // The table of this name, checked for unknown keys; nullptr if it is absent or something else.
    const toml::table* section(const toml::table& root, std::string_view name, Keys allowed);
    // The string under a key; nullptr if it is absent or something else.
    const toml::value<std::string>* text(const toml::table* table, std::string_view key, std::string_view form);
    void boolean(const toml::table* table, std::string_view key, bool& into);
    std::optional<std::int64_t> whole(const toml::table* table, std::string_view key, std::int64_t least, std::int64_t most);
    template <class Number>
    void integer(const toml::table* table, std::string_view key, std::int64_t least, std::int64_t most, Number& into) {
        if (const auto number = whole(table, key, least, most)) into = Number(*number);
    }
    // A value with its unit, written as `form` says, between `least` and `most`.
    template <class Value, class Parse>
    void measure(const toml::table* table, std::string_view key, Parse parse, std::string_view form, Value least, Value most,
                 std::string_view range, Value& into);
    void duration(const toml::table* table, std::string_view key, Duration least, Duration most, std::string_view range,
                  Duration& into);
    void size(const toml::table* table, std::string_view key, std::uint64_t least, std::uint64_t most,
              std::string_view range, std::uint64_t& into);
    void percent(const toml::table* table, std::string_view key, std::uint32_t& into);
    // One of `words`: its index.
    std::optional<std::size_t> choice(const toml::value<std::string>& value, std::string_view key, Keys words);
    // The strings of an array, or a single string.
    std::vector<const toml::value<std::string>*> strings(const toml::table& table, std::string_view key,
                                                         std::string_view form);
    // The array of tables [[name]]; nullptr if it is absent or something else.
    const toml::array* tables(const toml::table& root, std::string_view name, std::size_t at_most);
    std::string beside(const std::string& file) const;

    void read_node(const toml::table& root, NodeConfig& config);
    void read_log(const toml::table& root, NodeConfig& config);
    void read_network(const toml::table& root, NodeConfig& config);
    void read_listen(const toml::table& root, NodeConfig& config);
    void read_listen_endpoint(const toml::value<std::string>& value, NodeConfig& config);
    void read_peers(const toml::table& root, NodeConfig& config);
    void read_peer(const toml::table& table, NodeConfig& config);
    void read_names(const toml::table& root, NodeConfig& config);
    void read_groups(const toml::table& root, const NodeConfig& config);
    void who(const toml::value<std::string>& value, const NodeConfig& config, bool groups, std::vector<Address>& into);
    void read_routes(const toml::table& root, NodeConfig& config);
    void read_expose(const toml::table& root, NodeConfig& config);
    void read_ports(const toml::table& table, std::vector<std::uint16_t>& ports);
    void read_transit(const toml::table& root, NodeConfig& config);
    void read_tcp(const toml::table& root, NodeConfig& config);
    void read_tunables(const toml::table& table, NodeConfig& config);
    void read_rekey(const toml::table& root, NodeConfig& config);
    void read_plugins(const toml::table& root, NodeConfig& config);
    void read_module(std::string_view module, const toml::table& table, NodeConfig& config);
    void read_fault(const toml::table* table, FaultConfig& fault);
    void read_taps(const toml::table& root, NodeConfig& config);
    void read_tap(const toml::table& table, NodeConfig& config);
    template <class Value, class Parse>
    void each_text(const toml::table& table, std::string_view key, std::string_view form, Parse parse,
                   std::vector<Value>& into);
    void read_services(const toml::table& root, NodeConfig& config);
    void read_record(const toml::table& root, NodeConfig& config);

    const std::string& path_;
    std::map<std::string, std::vector<Address>, std::less<>> groups_;
};

}  // namespace weft::node
