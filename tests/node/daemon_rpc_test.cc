// The line handler of the control socket: every way in which a line can be wrong has its code and its words.
#include "node/methods.h"
#include "node/rpc.h"
#include "tests/node/daemon_support.h"

namespace weft::node {
namespace {

struct Refused {
    int code{0};
    std::string message;
    bool answered{true};
};

Refused refused_call(std::string_view line, bool read_only = false) {
    const auto request = parse_request(line, control_methods(), read_only);
    if (request) return {0, "it was accepted", false};
    return {int(request.error().error.code), request.error().error.message, request.error().wants_answer};
}

std::string call(std::string_view method, std::string_view params) {
    return R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(method) + R"(","params":)" + std::string(params) + "}";
}

TEST(Rpc, ARequestIsTaken) {
    const auto request = parse_request(call("flow.connect", R"({"address":"bob","port":7000})"), control_methods(), false);
    ASSERT_TRUE(request) << request.error().error.message;
    EXPECT_EQ(request->method->name, "flow.connect");
    EXPECT_EQ(request->id, 1);
    EXPECT_EQ(request->params["port"], 7000);
    EXPECT_TRUE(request->wants_answer);
}

TEST(Rpc, ParametersMayBeLeftOutAndARequestWithoutIdIsANotification) {
    const auto request = parse_request(R"({"jsonrpc":"2.0","method":"node.info"})", control_methods(), true);
    ASSERT_TRUE(request);
    EXPECT_FALSE(request->wants_answer);
    EXPECT_TRUE(request->params.empty());
}

TEST(Rpc, WhatIsNotJsonIsToldWithItsByte) {
    EXPECT_EQ(refused_call("").code, -32700);
    EXPECT_EQ(refused_call("").message, "the line is not JSON: it ends too early, at byte 1");
    EXPECT_EQ(refused_call("{\"id\":").message, "the line is not JSON: it ends too early, at byte 7");
    EXPECT_EQ(refused_call("hello").message, "the line is not JSON: unexpected text at byte 1");
    EXPECT_EQ(refused_call("{} {}").message, "the line is not JSON: unexpected text at byte 4");
    EXPECT_EQ(refused_call("{\"a\":1,\"a\":2}").message, "the line is not JSON: the member \"a\" stands twice");
    EXPECT_EQ(refused_call("\"\xff\xfe\"").code, -32700);
    EXPECT_EQ(refused_call(std::string("{\0}", 3)).code, -32700);
    EXPECT_EQ(refused_call("1e999").code, -32700);
}

TEST(Rpc, NestingBeyond32LevelsIsRefusedAndNotFollowed) {
    const std::string deep = std::string(32, '[') + std::string(32, ']');
    EXPECT_EQ(refused_call(deep).message, "batches are not served: send one object a line");
    const std::string deeper = std::string(33, '[') + std::string(33, ']');
    EXPECT_EQ(refused_call(deeper).code, -32600);
    EXPECT_EQ(refused_call(deeper).message, "the line is no request: it is nested deeper than 32 levels");
    std::string bottomless;
    for (int i = 0; i < 100'000; ++i) bottomless += "{\"a\":[";
    EXPECT_EQ(refused_call(bottomless).message, "the line is no request: it is nested deeper than 32 levels");
}

TEST(Rpc, WhatIsNoRequestIsToldWhy) {
    EXPECT_EQ(refused_call("[]").message, "batches are not served: send one object a line");
    EXPECT_EQ(refused_call("3").message, "a request is an object, not integer");
    EXPECT_EQ(refused_call("{}").message, "\"jsonrpc\" must be \"2.0\"");
    EXPECT_EQ(refused_call(R"({"jsonrpc":2.0,"method":"node.info"})").message, "\"jsonrpc\" must be \"2.0\"");
    EXPECT_EQ(refused_call(R"({"jsonrpc":"2.0","id":1})").message, "\"method\" must be a string");
    EXPECT_EQ(refused_call(R"({"jsonrpc":"2.0","id":1,"method":7})").message, "\"method\" must be a string");
    EXPECT_EQ(refused_call(R"({"jsonrpc":"2.0","id":1.5,"method":"node.info"})").message,
              "\"id\" must be a string or an integer, not fraction");
    EXPECT_EQ(refused_call(R"({"jsonrpc":"2.0","id":{},"method":"node.info"})").message,
              "\"id\" must be a string or an integer, not object");
    EXPECT_EQ(refused_call(R"({"jsonrpc":"2.0","id":1,"method":"node.info","params":[]})").message,
              "\"params\" must be an object with named members, not array");
    EXPECT_EQ(refused_call(R"({"jsonrpc":"2.0","id":1,"method":"node.info","parms":{}})").message,
              "a request has no member \"parms\"; did you mean \"params\"?");
}

TEST(Rpc, AnUnknownMethodIsToldWithTheNearest) {
    EXPECT_EQ(refused_call(call("flow.conect", "{}")).code, -32601);
    EXPECT_EQ(refused_call(call("flow.conect", "{}")).message,
              "there is no method \"flow.conect\"; did you mean \"flow.connect\"? (rpc.discover lists them)");
    EXPECT_EQ(refused_call(call(std::string(300, 'x'), "{}")).message,
              "there is no method \"" + std::string(61, 'x') + "...\" (rpc.discover lists them)");
    EXPECT_FALSE(refused_call(R"({"jsonrpc":"2.0","method":"nothing"})").answered) << "a notification has no answer";
}

TEST(Rpc, WrongParametersAreToldByName) {
    EXPECT_EQ(
        refused_call(call("flow.connect", R"({"port":1})")).message,
        "flow.connect needs \"address\": a 512-bit address (weft1...), its short form, or the name of a configured peer");
    EXPECT_EQ(refused_call(call("flow.connect", R"({"address":"b","prt":1})")).message,
              "flow.connect has no parameter \"prt\"; did you mean \"port\"? (allowed: address, port, user_timeout_ms)");
    EXPECT_EQ(refused_call(call("flow.connect", R"({"address":5,"port":1})")).message,
              "flow.connect: \"address\" must be a string, not 5");
    for (const char* port : {"0", "65536", "-1", "7.5", "18446744073709551615", "1e300"})
        EXPECT_EQ(refused_call(call("flow.connect", std::string(R"({"address":"b","port":)") + port + "}")).code, -32602)
            << port;
    EXPECT_EQ(refused_call(call("flow.connect", R"({"address":"b","port":"7000"})")).message,
              "flow.connect: \"port\" must be an integer from 1 to 65535, not string");
    EXPECT_EQ(refused_call(call("peer.add", R"({"address":"b","endpoints":[1]})")).message,
              "peer.add: \"endpoints\" must be an array of strings, not array");
    EXPECT_EQ(refused_call(call("node.info", R"({"x":1})")).message, "node.info has no parameter \"x\" (allowed: none)");
}

TEST(Rpc, TheReadOnlySocketTakesNoChange) {
    for (const RpcMethod& method : control_methods()) {
        const Refused answer = refused_call(call(method.name, "{}"), true);
        EXPECT_EQ(answer.code == -32001, method.changes) << method.name;
    }
    EXPECT_EQ(refused_call(call("node.stop", "{}"), true).message,
              "node.stop changes the node, and this socket only reads: use NAME.sock");
}

TEST(Rpc, LinesAreOneLineWhateverTheyHold) {
    const std::string line = error_line("id\n", {RpcCode::failed, "two\nlines and \xff", "refused"});
    EXPECT_EQ(std::ranges::count(line, '\n'), 1);
    EXPECT_EQ(line.back(), '\n');
    const auto read = parse_json(line, 32);
    ASSERT_TRUE(read);
    EXPECT_EQ((*read)["error"]["data"]["error"], "refused");
    EXPECT_EQ((*read)["error"]["code"], -32000);
    EXPECT_EQ((*read)["id"], "id\n");
}

TEST(Rpc, DiscoveryNamesEveryMethodOnce) {
    const Json all = describe(control_methods());
    ASSERT_EQ(all["methods"].size(), control_methods().size());
    for (const Json& method : all["methods"]) {
        EXPECT_FALSE(method["doc"].get<std::string>().empty());
        EXPECT_TRUE(method["params"].is_array());
    }
}

}  // namespace
}  // namespace weft::node
