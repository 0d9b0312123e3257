// Reads min(size) of each struct, an array by its stride, and says of the first thing that is wrong how to mend it.
#include "plugins/host/tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "plugins/host/values.h"

namespace weft::plugins {
namespace {

constexpr std::uint32_t largest_struct = 4'096;  // bytes: a `size` beyond is garbage
constexpr std::size_t longest_text = 4'096;

// Who reads takes the smaller of two sizes; a missing tail is zero.
template <class T>
T taken(const void* from, std::uint32_t size) {
    T value{};
    std::memcpy(&value, from, std::min<std::size_t>(size, sizeof value));
    return value;
}

std::string text_of(const char* text) { return text ? std::string(text, ::strnlen(text, longest_text)) : std::string{}; }

struct Reader {
    const std::string& path;

    std::unexpected<Problem> unsound(std::string what) const {
        return std::unexpected(Problem{"unsound", path + ": " + std::move(what)});
    }

    std::expected<std::vector<weft_field>, Problem> fields(const weft_fields& list, std::uint32_t state, bool parameters,
                                                           const std::string& module) const;
    std::string field_fault(const weft_field& field, std::uint32_t state, bool parameter) const;
    std::expected<Congestion, Problem> congestion(const weft_module& module) const;
    std::string table_fault(const weft_cc_v1& table) const;
};

bool names_end(const char* const* names) {
    for (std::uint32_t i = 0; i <= most_names; ++i)
        if (!names[i]) return i > 0;
    return false;
}

// lowest <= initial <= highest, in the type's own numbers; a NaN is no number.
bool ordered(const weft_field& field) {
    if (field.type == WEFT_TYPE_F64)
        return std::isfinite(field.lowest.real) && std::isfinite(field.highest.real) &&
               field.lowest.real <= field.initial.real && field.initial.real <= field.highest.real;
    return field.lowest.integer <= field.initial.integer && field.initial.integer <= field.highest.integer;
}

// Whether the bounds fit the type: the host writes what lies between them.
bool representable(const weft_field& field) {
    switch (field.type) {
    case WEFT_TYPE_U8: return field.lowest.integer >= 0 && field.highest.integer <= 0xff;
    case WEFT_TYPE_U32: return field.lowest.integer >= 0 && field.highest.integer <= 0xffff'ffff;
    case WEFT_TYPE_U64: return field.lowest.integer >= 0;
    default: return true;
    }
}

std::string Reader::field_fault(const weft_field& field, std::uint32_t state, bool parameter) const {
    const std::size_t size = type_size(field.type);
    if (size == 0) return fmt::format("has the type {}: write one of WEFT_TYPE_*", field.type);
    if (field.kind < WEFT_KIND_GAUGE || field.kind > WEFT_KIND_FLAG)
        return fmt::format("has the kind {}: write one of WEFT_KIND_*", field.kind);
    if (field.offset > state || state - field.offset < size)
        return fmt::format(
            "lies at offset {}, beyond the {} bytes of the state: use offsetof() of the struct whose sizeof is "
            "state_size",
            field.offset, state);
    if (field.offset % size != 0)
        return fmt::format("lies at offset {}, not a multiple of its {} bytes", field.offset, size);
    if (field.kind == WEFT_KIND_STATE && (!field.names || !names_end(field.names)))
        return fmt::format("is a WEFT_KIND_STATE without `names`: give one to {} of them, ended by NULL", most_names);
    if (!parameter) return {};
    if (!representable(field)) return fmt::format("has bounds that {} cannot hold", type_name(field.type));
    if (!ordered(field)) return "must have lowest <= initial <= highest";
    return {};
}

std::expected<std::vector<weft_field>, Problem> Reader::fields(const weft_fields& list, std::uint32_t state, bool parameters,
                                                               const std::string& module) const {
    std::vector<weft_field> all;
    const std::string_view what = parameters ? "parameter" : "variable";
    if (list.count == 0) return all;
    if (!list.at || list.count > most_fields)
        return unsound(fmt::format("module {}: a table of {} {}s{}; at most {} are read", module, list.count, what,
                                   list.at ? "" : " at no address", most_fields));
    if (list.stride < offsetof(weft_field, initial) || list.stride > largest_struct)
        return unsound(
            fmt::format("module {}: the stride of its {}s is {}: write sizeof(weft_field)", module, what, list.stride));
    for (std::uint32_t i = 0; i < list.count; ++i) {
        const auto* at = reinterpret_cast<const std::byte*>(list.at) + std::size_t{i} * list.stride;
        weft_field field = taken<weft_field>(at, list.stride);
        const std::string name = text_of(field.name);
        if (!name_is_valid(name))
            return unsound(fmt::format("module {}: {} {} has no good name: 1 to {} characters of a-z, A-Z, 0-9, _ and -",
                                       module, what, i, longest_name));
        if (std::string fault = field_fault(field, state, parameters); !fault.empty())
            return unsound(fmt::format("module {}: the {} \"{}\" {}", module, what, name, fault));
        const bool twice = std::ranges::any_of(all, [&](const weft_field& other) { return name == other.name; });
        if (twice) return unsound(fmt::format("module {}: two {}s are called \"{}\": rename one", module, what, name));
        if (!field.unit) field.unit = "";
        if (!field.doc) field.doc = "";
        all.push_back(field);
    }
    return all;
}

// The names of the flags of `more`.
std::string flag_names(std::uint32_t more) {
    constexpr std::array<std::string_view, 6> names{"NEEDS_PACING", "ECN", "ACCECN", "ECT1", "OWN_RECOVERY", "PACKETS"};
    std::string text;
    for (std::uint32_t bit = 0; bit < 32; ++bit) {
        if ((more & 1u << bit) == 0) continue;
        text += text.empty() ? "" : ", ";
        text += bit < names.size() ? fmt::format("WEFT_CC_{}", names[bit]) : fmt::format("bit {}", bit);
    }
    return text;
}

std::string Reader::table_fault(const weft_cc_v1& table) const {
    if (const std::uint32_t more = table.flags & ~served_flags; more != 0)
        return fmt::format("it asks for what this host does not serve: {}; leave that out of .flags and do without it",
                           flag_names(more));
    if (table.state_size > WEFT_CC_STATE_MAX)
        return fmt::format(
            "a state of {} bytes a flow; at most {} are lent: keep less, or put what flows share into `shared`",
            table.state_size, WEFT_CC_STATE_MAX);
    if (table.shared_size > largest_shared)
        return fmt::format("{} bytes of shared state; at most {} are lent", table.shared_size, largest_shared);
    if (!table.init || !table.on_ack || !table.on_congestion) return "init, on_ack and on_congestion must be there";
    return {};
}

std::expected<Congestion, Problem> Reader::congestion(const weft_module& module) const {
    Congestion found;
    found.name = text_of(module.name);
    found.doc = text_of(module.doc);
    std::uint32_t size = 0;
    if (!module.table) return unsound(fmt::format("module {} has no table", found.name));
    std::memcpy(&size, module.table, sizeof size);
    if (size < offsetof(weft_cc_v1, on_sent) || size > largest_struct)
        return unsound(fmt::format("module {}: its table says that it has {} bytes: write .size = sizeof(weft_cc_v1)",
                                   found.name, size));
    found.table = taken<weft_cc_v1>(module.table, size);
    found.table.size = sizeof found.table;
    if (std::string fault = table_fault(found.table); !fault.empty())
        return unsound(fmt::format("module {}: {}", found.name, fault));
    auto parameters = fields(found.table.parameters, found.table.state_size, true, found.name);
    if (!parameters) return std::unexpected(parameters.error());
    auto variables = fields(found.table.variables, found.table.state_size, false, found.name);
    if (!variables) return std::unexpected(variables.error());
    found.parameters = std::move(*parameters);
    found.variables = std::move(*variables);
    found.table.parameters = {found.parameters.data(), std::uint32_t(found.parameters.size()), sizeof(weft_field)};
    found.table.variables = {found.variables.data(), std::uint32_t(found.variables.size()), sizeof(weft_field)};
    return found;
}

}  // namespace

std::expected<Contents, Problem> read_tables(const weft_plugin* plugin, const std::string& path) {
    const Reader reader{path};
    if (!plugin) return reader.unsound("its entry returned nothing: return the address of a static weft_plugin");
    std::uint32_t size = 0;
    std::memcpy(&size, plugin, sizeof size);
    if (size < offsetof(weft_plugin, reserved) || size > largest_struct)
        return reader.unsound(
            fmt::format("its weft_plugin says that it has {} bytes: write .size = sizeof(weft_plugin)", size));
    const auto self = taken<weft_plugin>(plugin, size);
    if (self.count == 0 || self.count > most_modules || !self.modules)
        return reader.unsound(fmt::format("it holds {} modules; 1 to {} are read", self.count, most_modules));
    Contents contents{text_of(self.name), text_of(self.version), text_of(self.license), {}, {}};
    for (std::uint32_t i = 0; i < self.count; ++i) {
        const weft_module* at = self.modules[i];
        if (!at) return reader.unsound(fmt::format("module {} is at no address", i));
        std::uint32_t module_size = 0;
        std::memcpy(&module_size, at, sizeof module_size);
        if (module_size < sizeof(weft_module) || module_size > largest_struct)
            return reader.unsound(
                fmt::format("module {} says that it has {} bytes: write .size = sizeof(weft_module)", i, module_size));
        const auto module = taken<weft_module>(at, module_size);
        const std::string name = text_of(module.name);
        if (!name_is_valid(name))
            return reader.unsound(
                fmt::format("module {} has no good name: 1 to {} characters of a-z, A-Z, 0-9, _ and -, the "
                            "first one a letter",
                            i, longest_name));
        if (module.kind != WEFT_MODULE_CONGESTION) {
            contents.not_served.push_back(
                fmt::format("{} is a module of kind {}, which this host does not serve", name, module.kind));
            continue;
        }
        auto found = reader.congestion(module);
        if (!found) return std::unexpected(found.error());
        if (std::ranges::find(contents.congestion, name, &Congestion::name) != contents.congestion.end())
            return std::unexpected(
                Problem{"duplicate", fmt::format("{}: two of its modules are called \"{}\": rename one", path, name)});
        contents.congestion.push_back(std::move(*found));
    }
    if (contents.congestion.empty())
        return reader.unsound(fmt::format("it holds nothing for this host: {}", fmt::join(contents.not_served, "; ")));
    return contents;
}

}  // namespace weft::plugins
