// Requests are checked in the order of JSON-RPC 2.0, section 4: is it JSON, is it a request, is there such a method, are
// its parameters right.
#include "node/rpc.h"

#include <algorithm>

#include <fmt/format.h>

#include "node/suggest.h"

namespace weft::node {
namespace {

std::string_view type_name(const Json& value) {
    return value.is_number() ? (value.is_number_integer() ? "integer" : "fraction") : value.type_name();
}

std::string wanted(const RpcParameter& parameter) {
    switch (parameter.type) {
    case RpcParameter::Type::string: return "a string";
    case RpcParameter::Type::integer: return fmt::format("an integer from {} to {}", parameter.least, parameter.most);
    case RpcParameter::Type::strings: return "an array of strings";
    case RpcParameter::Type::boolean: return "true or false";
    case RpcParameter::Type::numbers: return "an object whose members are numbers";
    }
    return {};
}

bool fits(const RpcParameter& parameter, const Json& value) {
    switch (parameter.type) {
    case RpcParameter::Type::string: return value.is_string();
    case RpcParameter::Type::strings:
        return value.is_array() && std::ranges::all_of(value, [](const Json& v) { return v.is_string(); });
    case RpcParameter::Type::boolean: return value.is_boolean();
    case RpcParameter::Type::numbers:
        return value.is_object() && std::ranges::all_of(value, [](const Json& v) { return v.is_number(); });
    case RpcParameter::Type::integer:
        if (value.is_number_unsigned())
            return value.get<std::uint64_t>() <= std::uint64_t(parameter.most) &&
                   std::int64_t(value.get<std::uint64_t>()) >= parameter.least;
        return value.is_number_integer() && value.get<std::int64_t>() >= parameter.least &&
               value.get<std::int64_t>() <= parameter.most;
    }
    return false;
}

std::string cut(std::string_view text) {
    return text.size() <= 64 ? std::string(text) : std::string(text.substr(0, 61)) + "...";
}

// "" if they are right.
std::string wrong_parameters(const RpcMethod& method, const Json& params) {
    std::vector<std::string_view> names;
    for (const RpcParameter& parameter : method.parameters) names.push_back(parameter.name);
    for (const auto& [name, value] : params.items()) {
        const auto known = std::ranges::find(method.parameters, std::string_view(name), &RpcParameter::name);
        if (known == method.parameters.end())
            return fmt::format("{} has no parameter \"{}\"{} (allowed: {})", method.name, cut(name),
                               did_you_mean(name, names), names.empty() ? "none" : listed(names));
        if (!fits(*known, value))
            return fmt::format("{}: \"{}\" must be {}, not {}", method.name, name, wanted(*known),
                               value.is_number() ? cut(value.dump()) : fmt::format("{}", type_name(value)));
    }
    for (const RpcParameter& parameter : method.parameters)
        if (parameter.required && !params.contains(parameter.name))
            return fmt::format("{} needs \"{}\": {}", method.name, parameter.name, parameter.doc);
    return {};
}

std::unexpected<RpcRefusal> refuse(Json id, RpcCode code, std::string message, bool wants_answer = true) {
    return std::unexpected(RpcRefusal{std::move(id), {code, std::move(message), {}}, wants_answer});
}

// "" if the members of the envelope are those of a request.
std::string wrong_envelope(const Json& value) {
    if (value.is_array()) return "batches are not served: send one object a line";
    if (!value.is_object()) return fmt::format("a request is an object, not {}", type_name(value));
    static constexpr std::string_view members[]{"jsonrpc", "id", "method", "params"};
    const auto version = value.find("jsonrpc");
    if (version == value.end() || *version != "2.0") return "\"jsonrpc\" must be \"2.0\"";
    const auto method = value.find("method");
    if (method == value.end() || !method->is_string()) return "\"method\" must be a string";
    const auto params = value.find("params");
    if (params != value.end() && !params->is_object())
        return fmt::format("\"params\" must be an object with named members, not {}", type_name(*params));
    for (const auto& [name, member] : value.items())
        if (std::ranges::find(members, std::string_view(name)) == std::end(members))
            return fmt::format("a request has no member \"{}\"{}", cut(name), did_you_mean(name, members));
    return {};
}

}  // namespace

std::expected<RpcRequest, RpcRefusal> parse_request(std::string_view line, std::span<const RpcMethod> methods,
                                                    bool read_only) {
    auto parsed = parse_json(line, rpc_max_depth);
    if (!parsed)
        return refuse(
            nullptr, parsed.error().too_deep ? RpcCode::not_a_request : RpcCode::not_json,
            fmt::format("the line is {}: {}", parsed.error().too_deep ? "no request" : "not JSON", parsed.error().message));
    Json& value = *parsed;

    RpcRequest request;
    if (value.is_object()) {
        const auto id = value.find("id");
        request.wants_answer = id != value.end();
        if (id != value.end()) {
            if (!id->is_string() && !id->is_number_integer() && !id->is_null())
                return refuse(nullptr, RpcCode::not_a_request,
                              fmt::format("\"id\" must be a string or an integer, not {}", type_name(*id)));
            if (id->is_string() && id->get_ref<const std::string&>().size() > 256)
                return refuse(nullptr, RpcCode::not_a_request, "\"id\" is longer than 256 bytes");
            request.id = *id;
        }
    }
    if (std::string wrong = wrong_envelope(value); !wrong.empty())
        return refuse(request.id, RpcCode::not_a_request, std::move(wrong));

    const std::string& name = value["method"].get_ref<const std::string&>();
    const auto method = std::ranges::find(methods, std::string_view(name), &RpcMethod::name);
    if (method == methods.end()) {
        std::vector<std::string_view> names;
        for (const RpcMethod& known : methods) names.push_back(known.name);
        return refuse(
            request.id, RpcCode::no_such_method,
            fmt::format("there is no method \"{}\"{} (rpc.discover lists them)", cut(name), did_you_mean(name, names)),
            request.wants_answer);
    }
    if (read_only && method->changes)
        return refuse(request.id, RpcCode::read_only,
                      fmt::format("{} changes the node, and this socket only reads: use NAME.sock", method->name),
                      request.wants_answer);
    request.method = &*method;
    request.params = value.contains("params") ? std::move(value["params"]) : Json::object();
    if (std::string wrong = wrong_parameters(*method, request.params); !wrong.empty())
        return refuse(request.id, RpcCode::bad_parameters, std::move(wrong), request.wants_answer);
    for (const RpcParameter& parameter : method->parameters)
        if (read_only && parameter.guarded && request.params.value(parameter.name, false))
            return refuse(request.id, RpcCode::read_only,
                          fmt::format("\"{}\" is not for this socket, which only watches: use NAME.sock", parameter.name),
                          request.wants_answer);
    return request;
}

std::string result_line(const Json& id, Json result) {
    return to_line(Json{{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}}) + "\n";
}

std::string error_line(const Json& id, const RpcError& error) {
    Json body{{"code", int(error.code)}, {"message", error.message}};
    if (!error.cause.empty()) body["data"] = Json{{"error", error.cause}};
    return to_line(Json{{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(body)}}) + "\n";
}

std::string notification_line(std::string_view method, Json params) {
    return to_line(Json{{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}}) + "\n";
}

Json describe(std::span<const RpcMethod> methods) {
    Json list = Json::array();
    for (const RpcMethod& method : methods) {
        Json parameters = Json::array();
        for (const RpcParameter& parameter : method.parameters) {
            Json one{{"name", parameter.name},
                     {"required", parameter.required},
                     {"doc", parameter.doc},
                     {"type", wanted(parameter)}};
            if (parameter.guarded) one["guarded"] = true;
            parameters.push_back(std::move(one));
        }
        list.push_back(Json{{"name", method.name},
                            {"params", std::move(parameters)},
                            {"changes", method.changes},
                            {"doc", method.doc},
                            {"result", method.result}});
    }
    return Json{{"methods", std::move(list)}};
}

}  // namespace weft::node
