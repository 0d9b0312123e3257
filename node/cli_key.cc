// `weft key gen` and `weft key show`: a node's key file and the address that it hashes to.
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fmt/core.h>

#include "node/cli_commands.h"
#include "node/keyfile.h"
#include "node/paths.h"
#include "overlay/identity.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

std::string hexadecimal(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes) text += fmt::format("{:02x}", unsigned(byte));
    return text;
}

std::string file_or_default(const std::string& file) {
    return file.empty() ? default_key_path(default_config_path()) : file;
}

Json describe(const overlay::Identity& identity, const std::string& file) {
    const Address& address = identity.address();
    return {{"address", OverlayFamily::format(address)},
            {"host_name", OverlayFamily::format_host_name(address)},
            {"short", format_short_form(address)},
            {"public_key", hexadecimal(identity.public_key())},
            {"file", file}};
}

// Directories of ours alone: a key's name and age are nobody's business either.
std::expected<void, Problem> make_parents(const std::string& file) {
    const std::filesystem::path parent = std::filesystem::path{file}.parent_path();
    std::filesystem::path made;
    for (const auto& part : parent) {
        made /= part;
        if (::mkdir(made.c_str(), 0700) == 0 || errno == EEXIST || errno == EROFS) continue;
        return std::unexpected(failure("system", "cannot make the directory " + made.string() + ": " + std::strerror(errno),
                                       "choose another place with --output FILE"));
    }
    return {};
}

}  // namespace

int run_key_gen(const KeyGenOptions& options, const Console& console) {
    const std::string file = file_or_default(options.file);
    if (auto made = make_parents(file); !made) return console.fail(made.error());
    const Secret seed = Secret::random();
    const overlay::Identity identity{seed.bytes()};
    if (auto written = write_secret_file(file, SecretKind::node_key, seed); !written)
        return console.fail(failure("file", written.error()));
    const Json shown = describe(identity, file);
    if (console.json) return console.print_json(shown), exit_done;
    console.note(fmt::format("wrote {} (mode 0600): whoever has it is this node\n", printable(file)));
    console.print(text_in(shown, "address") + '\n');
    return exit_done;
}

int run_key_show(const KeyShowOptions& options, const Console& console) {
    const std::string file = file_or_default(options.file);
    auto seed = read_secret_file(file, SecretKind::node_key);
    if (!seed) return console.fail(failure("file", seed.error()));
    const overlay::Identity identity{seed->bytes()};
    const Json shown = describe(identity, file);
    if (console.json) return console.print_json(shown), exit_done;
    std::string text;
    static constexpr std::array<std::pair<const char*, const char*>, 4> lines{
        {{"address", "address"}, {"host name", "host_name"}, {"short form", "short"}, {"public key", "public_key"}}};
    for (const auto& [title, key] : lines) text += fmt::format("{:<12}{}\n", title, text_in(shown, key));
    console.print(text);
    return exit_done;
}

}  // namespace weft::node
