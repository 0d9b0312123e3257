// The few signs on buttons, drawn in the colours of the theme: no font has to hold them.
#pragma once

#include <QIcon>
#include <cstdint>

namespace weft::gui {

enum class Sign : std::uint8_t { toBegin, back, play, pause, on, toEnd, live, record, stop };
QIcon icon(Sign sign);  // ask again when the theme changed

}  // namespace weft::gui
