// An engine's objects and tables in huge pages of the kernel's, where it has them.
#pragma once

namespace weft::link {

// From now on, for the whole process; to be called before its first engine. False: there is no such range, and nothing changes; whether
// its pages become huge is the kernel's.
bool use_huge_pages();

}  // namespace weft::link
