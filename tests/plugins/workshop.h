// Where tests make plugins: a directory of their own, outside the tree, and the one compiler command of docs/plugins.md.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "plugins/host/host.h"
#include "tests/node/daemon_support.h"

namespace weft::test {

class Workshop {
public:
    Workshop();

    const std::string& directory() const { return files_.path(); }
    std::string operator/(std::string_view name) const { return files_ / name; }

    // NAME.so of a source file, by the document's command with more options at its end. It takes the place of an older one.
    bool build(std::string_view name, const std::string& source, std::string_view options = {}) const;
    // ... of tests/plugins/odd.c.
    bool build_odd(std::string_view name, std::string_view options = {}) const;

    plugins::HostConfig config() const { return {{directory()}, Duration::milliseconds(1), {"newreno", "cubic"}, {}}; }

    // What the host says to a file of this name; empty: it opened it.
    std::string refusal(std::string_view name) const;

private:
    node::TemporaryDirectory files_;
};

// "cc ... -I WEFT -o aimd.so aimd.c", as the document has it.
std::string documented_command();

// The plugins that ship, in the build tree.
std::string built_plugins();

}  // namespace weft::test
