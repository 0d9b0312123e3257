// JSON-RPC 2.0 over lines: what a request is, what is wrong with it, and the table of methods that rpc.discover shows and
// that every request is checked against before its handler sees it.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/json.h"
#include "node/json_library.h"

namespace weft::node {

inline constexpr std::size_t rpc_max_line = 1 << 20;  // bytes, the line feed not counted
inline constexpr std::size_t rpc_max_depth = 32;

// The codes of JSON-RPC 2.0, section 5.1, and our own.
enum class RpcCode : int {
    not_json = -32700,
    not_a_request = -32600,
    no_such_method = -32601,
    bad_parameters = -32602,
    internal = -32603,
    failed = -32000,          // the method was tried; data.error says why
    read_only = -32001,       // a change was asked for on NAME.ro.sock
    too_many = -32002,        // clients, or requests that wait
    not_permitted = -32003,
};

struct RpcError {
    RpcCode code{};
    std::string message;
    std::string cause;        // data.error, unless empty
};

inline RpcError bad_parameters(std::string message) { return {RpcCode::bad_parameters, std::move(message), {}}; }

struct RpcParameter {
    enum class Type : std::uint8_t { string, integer, strings, boolean, numbers };  // numbers: an object of them
    std::string_view name;
    Type type{};
    bool required{false};
    std::int64_t least{0}, most{0};   // of an integer
    std::string_view doc;
    bool guarded{false};              // of a boolean: true is refused on the read-only socket
};

struct RpcMethod {
    std::string_view name;
    std::span<const RpcParameter> parameters;
    bool changes{false};              // not on the read-only socket
    std::string_view doc, result;
};

struct RpcRequest {
    Json id;                          // null where there is none
    bool wants_answer{true};          // false: a notification
    const RpcMethod* method{nullptr};
    Json params;                      // an object whose members are those of the table, each of its type and range
};

// A line that is no valid request becomes the id to answer to and the error to answer with.
struct RpcRefusal {
    Json id;
    RpcError error;
    bool wants_answer{true};
};

std::expected<RpcRequest, RpcRefusal> parse_request(std::string_view line, std::span<const RpcMethod> methods,
                                                    bool read_only);

// Each one line, its line feed included.
std::string result_line(const Json& id, Json result);
std::string error_line(const Json& id, const RpcError& error);
std::string notification_line(std::string_view method, Json params);

// What rpc.discover answers.
Json describe(std::span<const RpcMethod> methods);

}  // namespace weft::node
