// What a flow holds of its congestion module: a module that is compiled in, as a value whose calls inline, or where the state
// of a loaded one lies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <variant>

#include "stack/tcp/congestion/cubic.h"
#include "stack/tcp/congestion/newreno.h"

namespace weft::tcp {

// A table in a slot (stack/tcp/modules.h), and the bytes that are lent to this flow.
struct Loaded {
    std::uint16_t slot{0};
    std::uint32_t size{0};  // bytes of state
    std::uint32_t place{0};  // in the store of that size
};

using Controller = std::variant<NewReno, Cubic, Loaded>;
static_assert(sizeof(Controller) <= 64 && std::is_trivially_copyable_v<Controller>);

// The names of those that are compiled in, by slot: the place in the variant.
inline constexpr std::array<std::string_view, std::variant_size_v<Controller> - 1> controller_names{"newreno", "cubic"};

constexpr std::optional<std::uint16_t> controller_slot(std::string_view name) {
    for (std::size_t slot = 0; slot < controller_names.size(); ++slot)
        if (controller_names[slot] == name) return std::uint16_t(slot);
    return std::nullopt;
}

inline Controller make_controller(std::uint16_t slot) { return slot == 1 ? Controller{Cubic{}} : Controller{NewReno{}}; }

}  // namespace weft::tcp
