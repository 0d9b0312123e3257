// `weft plugin list|load|unload` and `weft cc`: congestion modules, and which one a living flow runs.
#include <vector>

#include <fmt/core.h>

#include "node/cli_commands.h"

namespace weft::node {
namespace {

std::expected<Json, Problem> call(std::string_view node, std::string_view method, const Json& params) {
    auto client = connect_to_node(node);
    if (!client) return std::unexpected(client.error());
    auto answer = client->call(method, params, answer_time);
    if (!answer) return std::unexpected(problem_of(answer.error(), node));
    return std::move(answer->result);
}

std::string value_text(const Json& value) {
    if (value.is_string()) return printable(value.get<std::string>());
    return value.is_number() || value.is_boolean() ? value.dump() : "?";
}

std::string value_in(const Json& object, std::string_view key) {
    const auto found = object.find(key);
    return found == object.end() ? "?" : value_text(*found);
}

std::string pairs(const Json& values) {
    std::string text;
    for (const auto& [name, value] : values.items()) text += fmt::format(" {}:{}", printable(name), value_text(value));
    return text;
}

Colour state_colour(std::string_view state) {
    if (state == "loaded") return Colour::green;
    return state == "quarantined" ? Colour::red : state == "retired" ? Colour::yellow : Colour::plain;
}

// "increase = 1 (1 to 64 segments): added to the window each round"
std::string parameter_line(const Json& parameter) {
    const std::string unit = text_in(parameter, "unit");
    return fmt::format("    {} = {} ({} to {}{}{}): {}\n", text_in(parameter, "name", "?"), value_in(parameter, "initial"),
                       value_in(parameter, "lowest"), value_in(parameter, "highest"), unit.empty() ? "" : " ", unit,
                       text_in(parameter, "doc"));
}

std::string variable_names(const Json& module) {
    std::string names;
    for (const Json& variable : array_in(module, "variables"))
        names += (names.empty() ? "" : ", ") + text_in(variable, "name", "?");
    return names.empty() ? "" : "    shows " + names + "\n";
}

Json number(plugins::Number value) {
    return std::visit([](auto n) { return Json(n); }, value);
}

}  // namespace

std::string module_details(const Json& flow) {
    const Json& module = object_in(flow, "module");
    if (module.empty()) return {};
    std::string text = "    module " + text_in(flow, "congestion", "?");
    if (const std::string hash = text_in(module, "hash"); !hash.empty()) text += " hash:" + hash;
    text += fmt::format(" slot:{}", count_in(module, "slot"));
    if (const std::uint64_t violations = count_in(module, "violations"); violations > 0)
        text += fmt::format(" violations:{}", violations);
    text += pairs(object_in(module, "parameters")) + pairs(object_in(module, "variables"));
    if (const std::string instead = text_in(module, "instead_of"); !instead.empty())
        text += fmt::format("  (instead of {}: {})", instead, text_in(module, "why", "?"));
    return text + "\n";
}

std::string format_modules(const Json& modules, bool colour) {
    const Json& known = array_in(modules, "modules");
    std::vector<Row> rows{{"NAME", "KIND", "STATE", "SLOT", "FLOWS", "VERSION", "LICENSE", "HASH", "FILE"}};
    for (const Json& module : known) {
        const std::string state = text_in(module, "state", "?");
        rows.push_back({text_in(module, "name", "?"), text_in(module, "kind", "?"),
                        coloured(state, state_colour(state), colour), fmt::format("{}", count_in(module, "slot")),
                        fmt::format("{}", count_in(module, "flows")), text_in(module, "version", "-"),
                        text_in(module, "license", "-"), text_in(module, "hash", "-"), text_in(module, "file", "-")});
    }
    const std::string all = table(rows, colour);
    std::string text;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= known.size(); ++i) {
        const std::size_t end = all.find('\n', begin) + 1;
        text += all.substr(begin, end - begin);
        begin = end;
        if (i == 0) continue;
        const Json& module = known[i - 1];
        if (const std::uint64_t violations = count_in(module, "violations"); violations > 0)
            text += fmt::format("    {} answers out of bounds\n", violations);
        if (const std::string doc = text_in(module, "doc"); !doc.empty()) text += "    " + doc + "\n";
        for (const Json& parameter : array_in(module, "parameters")) text += parameter_line(parameter);
        text += variable_names(module);
    }
    std::string there, directories;
    for (const Json& name : array_in(modules, "available"))
        if (name.is_string()) there += " " + printable(name.get<std::string>());
    for (const Json& name : array_in(modules, "directories"))
        if (name.is_string()) directories += " " + printable(name.get<std::string>());
    if (!there.empty()) text += "not loaded:" + there + "\n";
    return text + "directories:" + (directories.empty() ? " none ([plugins] directories)" : directories) + "\n";
}

int run_plugin_list(const CommonOptions& common, const Console& console) {
    const auto answer = call(common.node, "plugin.list", Json::object());
    if (!answer) return console.fail(answer.error());
    if (console.json) console.print_json(*answer);
    else console.print(format_modules(*answer, console.colour));
    return exit_done;
}

int run_plugin_load(const PluginLoadOptions& options, const CommonOptions& common, const Console& console) {
    const auto answer = call(common.node, "plugin.load", Json{{"name", options.name}});
    if (!answer) return console.fail(answer.error());
    if (console.json) return console.print_json(*answer), exit_done;
    const std::string outcome = text_in(*answer, "outcome", "?");
    std::string text =
        fmt::format("{} {} (hash {})\n", outcome, text_in(*answer, "file", "?"), text_in(*answer, "hash", "?"));
    for (const Json& module : array_in(*answer, "modules")) {
        text += fmt::format("  {} in slot {}", text_in(module, "name", "?"), count_in(module, "slot"));
        if (outcome == "reloaded")
            text += fmt::format(": {} flows moved, {} end on the older version", count_in(module, "moved"),
                                count_in(module, "left"));
        text += "\n";
    }
    if (const auto held = answer->find("quarantined"); held != answer->end() && *held == true)
        text +=
            "  in quarantine: mend it, build it and load it again; or unload it and load it to try this very file again\n";
    console.print(text);
    return exit_done;
}

int run_plugin_unload(const PluginUnloadOptions& options, const CommonOptions& common, const Console& console) {
    const auto answer = call(common.node, "plugin.unload", Json{{"name", options.name}, {"force", options.force}});
    if (!answer) return console.fail(answer.error());
    if (console.json) return console.print_json(*answer), exit_done;
    const std::uint64_t moved = count_in(*answer, "moved");
    console.print(fmt::format("unloaded {}{}\n", printable(options.name),
                              moved > 0 ? fmt::format(": {} flows go on under newreno", moved) : ""));
    return exit_done;
}

int run_cc(const CcOptions& options, const CommonOptions& common, const Console& console) {
    Json params{{"flow", options.flow}, {"congestion", options.module}};
    for (const auto& [name, value] : options.parameters) params["parameters"][name] = number(value);
    std::vector<std::string> flows{options.flow};
    if (options.flow == "all") {
        const auto known = call(common.node, "flow.list", Json::object());
        if (!known) return console.fail(known.error());
        flows.clear();
        for (const Json& flow : array_in(*known, "flows")) flows.push_back(text_in(flow, "flow"));
        if (flows.empty()) return console.fail(failure("no_such_flow", "the node has no flow", "`weft nc` opens one"));
    }
    for (const std::string& flow : flows) {
        params["flow"] = flow;
        const auto answer = call(common.node, "flow.set", params);
        if (!answer) return console.fail(answer.error());
        if (console.json) {
            console.print_json(*answer);
            continue;
        }
        const std::string hash = text_in(*answer, "hash");
        console.print(fmt::format("{} runs {}{}\n", printable(flow), text_in(*answer, "congestion", "?"),
                                  hash.empty() ? "" : " (hash " + hash + ")"));
    }
    return exit_done;
}

}  // namespace weft::node
