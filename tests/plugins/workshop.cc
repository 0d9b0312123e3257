// The command is read from the document, so that the document is what is tested.
#include "tests/plugins/workshop.h"

#include <sodium.h>

#include <cstdlib>
#include <filesystem>

namespace weft::test {
namespace {

void replace(std::string& text, std::string_view from, std::string_view to) {
    if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
}

}  // namespace

std::string documented_command() {
    const std::string document = node::read_file(WEFT_SOURCE_DIR "/docs/plugins.md");
    const std::size_t begin = document.find("    cc -std=c11");
    if (begin == std::string::npos) return {};
    return document.substr(begin + 4, document.find('\n', begin) - begin - 4);
}

std::string built_plugins() { return WEFT_BINARY_DIR "/plugins"; }

Workshop::Workshop() { EXPECT_GE(sodium_init(), 0); }

bool Workshop::build(std::string_view name, const std::string& source, std::string_view options) const {
    std::string command = documented_command();
    const std::string fresh = files_ / (std::string(name) + ".fresh"), file = files_ / (std::string(name) + ".so");
    replace(command, "cc ", WEFT_C_COMPILER " ");
    replace(command, "WEFT", WEFT_SOURCE_DIR);
    replace(command, "aimd.so", fresh);
    replace(command, "aimd.c", source);
    const std::string log = files_ / "compiler.log";
    const bool done = std::system((command + " " + std::string(options) + " >" + log + " 2>&1").c_str()) == 0;
    EXPECT_TRUE(done) << command << "\n" << node::read_file(log);
    std::error_code error;
    std::filesystem::rename(fresh, file, error);
    return done && !error;
}

bool Workshop::build_odd(std::string_view name, std::string_view options) const {
    return build(name, WEFT_SOURCE_DIR "/tests/plugins/odd.c", options);
}

std::string Workshop::refusal(std::string_view name) const {
    const plugins::Host host{config()};
    const auto file = host.find(name);
    if (!file) return file.error().message;
    const auto opened = host.open(*file, {});
    return opened ? std::string{} : opened.error().message;
}

}  // namespace weft::test
