// weft.toml: any bytes are a configuration or mistakes, each a line that begins with the file's name.
#include "node/config.h"
#include "node/paths.h"
#include "tests/fuzz/fuzz.h"

using namespace weft::node;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto config = parse_config({reinterpret_cast<const char*>(data), size}, "weft.toml");
    if (!config) {
        FUZZ_CHECK(!config.error().messages.empty() && config.error().messages.size() <= 20);
        for (const std::string& message : config.error().messages) FUZZ_CHECK(message.starts_with("weft.toml:"));
        return 0;
    }
    FUZZ_CHECK(node_name_is_valid(config->name) && !config->key.empty());
    FUZZ_CHECK(config->listen4 || config->listen6 || !config->taps.empty());  // a node needs some link
    FUZZ_CHECK(config->suites != 0 && config->suites < 4 && config->mtu >= 1'200 && config->mtu <= 65'000);
    for (const PeerConfig& peer : config->peers)
        FUZZ_CHECK(peer.address.family() == weft::Family::overlay && peer.endpoints.size() <= 8);
    return 0;
}
