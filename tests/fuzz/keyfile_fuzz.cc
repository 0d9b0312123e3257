// A key file's text: any bytes are a secret that stands there in hexadecimal, or a mistake that names its line.
#include "node/keyfile.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/fuzz/fuzz.h"

using namespace weft::node;

namespace {

bool stands_in(std::string_view text, const Secret& secret) {
    std::string hex;
    for (const std::byte byte : secret.bytes()) hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    const auto same = [](char a, char b) { return (a >= 'A' && a <= 'F' ? char(a - 'A' + 'a') : a) == b; };
    return !std::ranges::search(text, hex, same).empty();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto key = parse_secret(text, SecretKind::node_key), secret = parse_secret(text, SecretKind::network_secret);
    FUZZ_CHECK(!(key && secret));
    for (const auto* read : {&key, &secret}) {
        if (*read) FUZZ_CHECK(stands_in(text, **read));
        else FUZZ_CHECK(read->error().starts_with("line ") || read->error().starts_with("no line "));
    }
    return 0;
}
