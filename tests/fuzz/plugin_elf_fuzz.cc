// The file of a plugin before it is opened: whatever its bytes are, reading them stays within them and says what is wrong.
#include "plugins/host/elf.h"

#include <vector>

#include "tests/fuzz/fuzz.h"

using namespace weft;
using plugins::ElfFault;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::vector<std::byte> exact(fuzz::bytes_of(data, size).begin(), fuzz::bytes_of(data, size).end());
    const plugins::ElfReport report = plugins::read_elf(exact);
    FUZZ_CHECK(report.fault <= ElfFault::stays_mapped);
    FUZZ_CHECK((report.fault == ElfFault::other_major) == (report.major != 0));
    if (size < 64) FUZZ_CHECK(report.fault != ElfFault::none);
    return 0;
}
