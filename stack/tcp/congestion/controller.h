// The congestion modules that are compiled in, as one value: a flow holds one of them, and a call to it inlines.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "stack/tcp/congestion/cubic.h"
#include "stack/tcp/congestion/newreno.h"

namespace weft::tcp {

using Controller = std::variant<NewReno, Cubic>;
static_assert(sizeof(Controller) <= 64 && std::is_trivially_copyable_v<Controller>);

// Their names, by slot: the place in the variant.
inline constexpr std::array<std::string_view, std::variant_size_v<Controller>> controller_names{"newreno", "cubic"};

constexpr std::optional<std::uint16_t> controller_slot(std::string_view name) {
    for (std::uint16_t slot = 0; slot < controller_names.size(); ++slot)
        if (controller_names[slot] == name) return slot;
    return std::nullopt;
}

inline Controller make_controller(std::uint16_t slot) { return slot == 1 ? Controller{Cubic{}} : Controller{NewReno{}}; }

}  // namespace weft::tcp
