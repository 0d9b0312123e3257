// docs/node.md has a row for each method of the control socket, made from the table that checks requests: they cannot differ.
#include <gtest/gtest.h>

#include "node/methods.h"
#include "stack/core/filter.h"
#include "tests/node/daemon_support.h"

namespace weft::node {
namespace {

std::string without_bars(std::string_view text) {
    std::string plain;
    for (const char c : text) plain += c == '|' ? std::string("\\|") : std::string(1, c);
    return plain;
}

std::string row_of(const RpcMethod& method) {
    std::string parameters;
    for (const RpcParameter& parameter : method.parameters)
        parameters +=
            (parameters.empty() ? "" : ", ") + ("`" + std::string(parameter.name) + "`") + (parameter.required ? "" : "?");
    return "| `" + std::string(method.name) + "`" + (method.changes ? " *" : "") + " | " + parameters + " | " +
           without_bars(method.doc) + " | `" + without_bars(method.result) + "` |\n";
}

TEST(Methods, HaveEachARowInTheDocumentation) {
    const std::string text = read_file(std::string(WEFT_SOURCE_DIR) + "/docs/node.md");
    ASSERT_FALSE(text.empty());
    std::string table, missing;
    for (const RpcMethod& method : control_methods()) {
        table += row_of(method);
        if (text.find(row_of(method)) == std::string::npos) missing += " " + std::string(method.name);
    }
    EXPECT_EQ(missing, "") << "the rows as they should be:\n" << table;
    const std::string rows =
        text.substr(text.find("| method | parameters"),
                    text.find("\n\n", text.find("| method | parameters")) - text.find("| method | parameters"));
    for (std::size_t at = rows.find("\n| `"); at != std::string::npos; at = rows.find("\n| `", at + 1)) {
        const std::string name = rows.substr(at + 4, rows.find('`', at + 4) - at - 4);
        EXPECT_TRUE(std::ranges::any_of(control_methods(), [&](const RpcMethod& method) { return method.name == name; }))
            << "docs/node.md has a row for a method that is none: " << name;
    }
}

TEST(Filters, HaveEachFieldInTheDocumentation) {
    const std::string text = read_file(std::string(WEFT_SOURCE_DIR) + "/docs/node.md");
    for (const trace::Filter::Field& field : trace::Filter::fields())
        EXPECT_NE(text.find("`" + std::string(field.name) + "`"), std::string::npos) << field.name;
}

TEST(Methods, SayWhatTheyAndTheirParametersAreFor) {
    for (const RpcMethod& method : control_methods()) {
        EXPECT_GT(method.doc.size(), 8u) << method.name;
        EXPECT_TRUE(method.result.empty() || method.result.front() == '{' || method.result.starts_with("as "))
            << method.name;
        EXPECT_FALSE(method.result.empty()) << method.name;
        for (const RpcParameter& parameter : method.parameters)
            EXPECT_GT(parameter.doc.size(), 8u) << method.name << " " << parameter.name;
    }
}

}  // namespace
}  // namespace weft::node
