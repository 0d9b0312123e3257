// A line at the control socket: whatever it holds is taken or refused with words, and every answer is one line of JSON.
#include "node/methods.h"
#include "node/rpc.h"
#include "tests/fuzz/fuzz.h"

using namespace weft::node;

namespace {

void check_line(const std::string& line) {
    FUZZ_CHECK(!line.empty() && line.find('\n') == line.size() - 1);
    const auto read = parse_json(std::string_view(line).substr(0, line.size() - 1), rpc_max_depth + 3);
    FUZZ_CHECK(read && read->is_object() && (*read)["jsonrpc"] == "2.0");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line{reinterpret_cast<const char*>(data), size};
    for (const bool read_only : {false, true}) {
        const auto request = parse_request(line, control_methods(), read_only);
        if (!request) {
            FUZZ_CHECK(!request.error().error.message.empty());
            check_line(error_line(request.error().id, request.error().error));
            continue;
        }
        FUZZ_CHECK(!(read_only && request->method->changes));
        FUZZ_CHECK(request->params.is_object());
        for (const RpcParameter& parameter : request->method->parameters)
            FUZZ_CHECK(!parameter.required || request->params.contains(parameter.name));
        check_line(result_line(request->id, request->params));
    }
    return 0;
}
