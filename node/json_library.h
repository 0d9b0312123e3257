// The JSON library, whose templates are compiled once, in json.cc. What only passes values on includes node/json.h.
#pragma once

#include <nlohmann/json.hpp>

extern template class nlohmann::basic_json<>;
