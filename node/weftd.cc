// weftd: one node of the overlay as a daemon. -f names its configuration; --check reads it and its key, and ends.
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/daemon.h"
#include "node/entropy.h"
#include "node/keyfile.h"
#include "node/log.h"
#include "node/paths.h"
#include "stack/link/huge_pages.h"

namespace {

using namespace weft::node;

constexpr std::string_view usage =
    "usage: weftd [-f FILE] [--name NAME] [--expose PORT]... [--http DIRECTORY] [--http-port PORT] [--echo] [--check]\n"
    "\n"
    "  -f, --config FILE  the configuration; without it ~/.config/weft/weft.toml, for root /etc/weft/weft.toml\n"
    "  --name NAME        the node's name, instead of [node] name: its control socket is NAME.sock\n"
    "  --expose PORT      let every member reach this TCP port, beside what [[expose]] says\n"
    "  --http DIRECTORY, --http-port PORT, --echo\n"
    "                     services that the node runs itself, instead of those of [services]\n"
    "  --check            read the configuration and the key, report every mistake, and end\n"
    "  --version, --help\n"
    "\n"
    "SIGTERM ends flows in order, a second one at once; SIGHUP reads the configuration again.\n";

struct Options {
    std::string config;
    CommandLine said;
    bool check{false};
};

int complain(std::string_view message) {
    std::fprintf(stderr, "weftd: %.*s\n", int(message.size()), message.data());
    return 1;
}

int misuse(std::string_view message) {
    complain(message);
    std::fputs("try weftd --help\n", stderr);
    return 2;
}

std::optional<std::uint16_t> port_in(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

// An exit code instead, if there is nothing more to do.
std::optional<int> parse(int count, char** words, Options& options) {
    options.config = default_config_path();
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        if (word == "--help" || word == "-h") return std::fputs(usage.data(), stdout), 0;
        if (word == "--version") return std::printf("weftd %s\n", WEFT_VERSION), 0;
        if (word == "--check") {
            options.check = true;
            continue;
        }
        if (word == "--echo") {
            options.said.echo = true;
            continue;
        }
        const bool config = word == "-f" || word == "--config", port = word == "--expose" || word == "--http-port";
        if (!config && !port && word != "--name" && word != "--http")
            return misuse("there is no option " + std::string(word));
        if (++i == count) return misuse(std::string(word) + " needs a value");
        if (config) options.config = words[i];
        else if (word == "--name") options.said.name = words[i];
        else if (word == "--http") options.said.http = words[i];
        else if (const auto number = port_in(words[i]); !number)
            return misuse(std::string(words[i]) + " is not a port: a number from 1 to 65535");
        else if (word == "--expose") options.said.expose.push_back(*number);
        else options.said.http_port = *number;
    }
    if (options.said.name && !node_name_is_valid(*options.said.name))
        return misuse("\"" + *options.said.name +
                      "\" is not a node's name: 1 to 32 characters of a-z, A-Z, 0-9, -, _ and .");
    return std::nullopt;
}

int check(const NodeConfig& config, const std::string& path) {
    if (!start_sodium()) return complain("libsodium cannot start");
    if (config.overlay)
        if (const auto key = read_secret_file(config.key, SecretKind::node_key); !key) return complain(key.error());
    if (!config.secret.empty())
        if (const auto secret = read_secret_file(config.secret, SecretKind::network_secret); !secret)
            return complain(secret.error());
    std::printf("%s: ok\n", path.c_str());
    return 0;
}

}  // namespace

int main(int count, char** words) {
    Options options;
    if (const auto done = parse(count, words, options)) return *done;
    auto config = read_config(options.config);
    if (!config) {
        for (const std::string& message : config.error().messages) std::fprintf(stderr, "%s\n", message.c_str());
        return 1;
    }
    if (options.check) return check(*config, options.config);

    if (!config->core_dumps) forbid_core_dumps();
    set_log_level(config->log_level);
    set_log_format(config->log_format);
    block_signals();
    static_cast<void>(weft::link::use_huge_pages());
    auto daemon = Daemon::start(std::move(*config), options.config, options.said);
    if (!daemon) return complain(daemon.error());
    (*daemon)->run();
    return 0;
}
