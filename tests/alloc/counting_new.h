// What this program has asked of operator new so far. It lies in a program of its own, because it replaces the operators.
#pragma once

#include <cstddef>

namespace weft::test {

std::size_t allocations_so_far();

}  // namespace weft::test
