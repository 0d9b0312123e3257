// weft: the command line of a node.
#include <cstdio>

#include "node/cli_commands.h"

int main(int count, char** arguments) {
    const auto request = weft::node::parse_command_line({arguments, std::size_t(count)});
    if (request) return weft::node::run(*request);
    const weft::node::Advice& advice = request.error();
    std::fputs(advice.text.c_str(), advice.exit_code == 0 ? stdout : stderr);
    return advice.exit_code;
}
