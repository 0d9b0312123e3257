// The control socket's client against a node that cuts, delays, reorders and misbehaves.
#include "node/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>

#include "tests/node/cli_support.h"

namespace weft::node::test {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds patience{20'000};

// A client and the other end of its socket, served by `serve` in a thread.
struct Conversation {
    template <class Serve>
    explicit Conversation(Serve serve) : Conversation{stream_pair(), std::move(serve)} {}
    template <class Serve>
    Conversation(std::pair<UniqueFd, UniqueFd> ends, Serve serve)
        : client{std::move(ends.first)}, node{[serve, socket = std::move(ends.second)]() mutable {
              FakeConnection connection{std::move(socket)};
              serve(connection);
          }} {}
    ~Conversation() { node.join(); }

    Client client;
    std::thread node;
};

ControlError::Kind kind_of(std::string_view line) {
    Conversation talk{[text = std::string{line}](FakeConnection& node) {
        node.request();
        node.raw(text);
    }};
    const auto answer = talk.client.call("node.info", Json::object(), patience);
    EXPECT_FALSE(answer) << line;
    return answer ? ControlError::Kind{} : answer.error().kind;
}

TEST(ControlClient, SendsARequestOnOneLineAndTakesItsAnswer) {
    Conversation talk{[](FakeConnection& node) {
        const Json request = node.request();
        EXPECT_EQ(request.at("jsonrpc"), "2.0");
        EXPECT_EQ(request.at("method"), "peer.remove");
        EXPECT_EQ(request.at("params").at("address"), "line\nfeed");
        node.answer(request, {{"removed", true}});
    }};
    const auto answer = talk.client.call("peer.remove", {{"address", "line\nfeed"}}, patience);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->result.at("removed"), true);
    EXPECT_FALSE(answer->flow);
}

TEST(ControlClient, KeepsNotificationsThatComeBeforeTheAnswer) {
    Conversation talk{[](FakeConnection& node) {
        const Json request = node.request();
        node.notify("flow.ended", {{"flow", "1:1"}});
        node.notify("flow.ended", {{"flow", "2:1"}});
        node.answer(request, Json::object());
    }};
    ASSERT_TRUE(talk.client.call("node.info", Json::object(), patience));
    EXPECT_TRUE(talk.client.has_waiting());
    EXPECT_EQ(talk.client.next(patience)->params.at("flow"), "1:1");
    EXPECT_EQ(talk.client.next(patience)->params.at("flow"), "2:1");
    EXPECT_EQ(talk.client.next(patience).error().kind, ControlError::Kind::closed);
}

TEST(ControlClient, ToldWhyACallWasRefused) {
    Conversation talk{[](FakeConnection& node) { node.refuse(node.request(), "nobody listens", "refused"); }};
    const auto answer = talk.client.call("flow.connect", Json::object(), patience);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ControlError::Kind::rejected);
    EXPECT_EQ(answer.error().message, "nobody listens");
    EXPECT_EQ(answer.error().cause, "refused");
    EXPECT_EQ(answer.error().code, -32000);
}

TEST(ControlClient, TakesAnErrorWithoutAnIdAsTheAnswer) {  // JSON-RPC 2.0, section 5: the id is null if it could not be read
    EXPECT_EQ(kind_of("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"not JSON\"}}\n"),
              ControlError::Kind::rejected);
}

TEST(ControlClient, SurvivesWhatIsNotTheProtocol) {
    for (const char* line : {"\n", "hello\n", "[]\n", "7\n", "{\n", "{\"id\":1}\n", "{\"method\":7}\n", "{}\n", "\xff\xfe\n",
                             "{\"id\":1,\"id\":2}\n", "{\"method\":\"flow.accepted\",\"params\":{}}\n"})
        EXPECT_EQ(kind_of(line), ControlError::Kind::malformed) << line;
    for (const char* fault :
         {"7", "null", "\"x\"", "[]", "{}", "{\"message\":7,\"code\":\"x\",\"data\":[]}", "{\"data\":{\"error\":{}}}"})
        EXPECT_EQ(kind_of("{\"id\":1,\"error\":" + std::string{fault} + "}\n"), ControlError::Kind::rejected) << fault;
    EXPECT_EQ(kind_of(std::string(Client::max_depth + 1, '[') + "\n"), ControlError::Kind::malformed);
    EXPECT_EQ(kind_of(std::string(Client::max_line + 2, 'x')), ControlError::Kind::malformed);
    EXPECT_EQ(kind_of(""), ControlError::Kind::closed);
    EXPECT_EQ(kind_of("{\"id\":1,\"res"), ControlError::Kind::closed);
}

TEST(ControlClient, BoundsNotificationsThatNobodyTakes) {
    std::string flood;
    for (std::size_t i = 0; i <= Client::max_waiting; ++i) flood += "{\"method\":\"x\"}\n";
    EXPECT_EQ(kind_of(flood), ControlError::Kind::malformed);
}

TEST(ControlClient, RandomBytesEndInAnErrorAndNeverInACrash) {
    std::mt19937_64 random{7};
    const std::string_view pieces = "{}[]\":,\\n0147etruflsjidm\x01\xc3";
    for (int run = 0; run < 200; ++run) {
        std::string line;
        for (std::size_t i = random() % 60; i > 0; --i)
            line.push_back(random() % 8 == 0 ? '\n' : pieces[random() % pieces.size()]);
        const ControlError::Kind kind = kind_of(line);
        EXPECT_TRUE(kind == ControlError::Kind::malformed || kind == ControlError::Kind::closed) << line;
    }
}

TEST(ControlClient, AWaitEndsAtItsTime) {
    auto [ours, theirs] = stream_pair();
    Client client{std::move(ours)};
    const auto answer = client.call("node.info", Json::object(), milliseconds{20});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ControlError::Kind::timed_out);
    EXPECT_EQ(client.next(milliseconds{0}).error().kind, ControlError::Kind::timed_out);
}

TEST(ControlClient, ANodeThatReadsNothingDoesNotHoldTheCallerForEver) {
    auto [ours, theirs] = stream_pair();
    Client client{std::move(ours)};
    const auto answer = client.call("x", {{"long", std::string(std::size_t{4} << 20, 'x')}}, milliseconds{50});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ControlError::Kind::timed_out);
}

TEST(ControlClient, ALateAnswerDoesNotPassItsFlowOnToTheNextCall) {
    auto [ours, theirs] = stream_pair();
    Client client{std::move(ours)};
    FakeConnection node{std::move(theirs)};
    auto [late, late_end] = stream_pair();
    auto [right, right_end] = stream_pair();
    ASSERT_FALSE(client.call("flow.connect", Json::object(), milliseconds{1}));
    node.answer(node.request(), {{"flow", "1:1"}}, late.get());
    // The client numbers its calls from 1.
    node.answer({{"id", 2}}, {{"flow", "2:1"}}, right.get());
    late.reset();
    right.reset();
    const auto answer = client.call("flow.connect", Json::object(), patience);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->result.at("flow"), "2:1");
    write_all(answer->flow.get(), "x");
    char byte = 0;
    EXPECT_EQ(::recv(right_end.get(), &byte, 1, MSG_DONTWAIT), 1);
    EXPECT_EQ(::recv(late_end.get(), &byte, 1, 0), 0) << "the late flow was closed";
}

// However the stream is cut, each flow comes with the line that named it.
TEST(ControlClient, DescriptorsStayWithTheirLinesHoweverTheStreamIsCut) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        constexpr int lines = 40;
        Conversation talk{[seed](FakeConnection& node) {
            std::mt19937_64 random{seed};
            std::string pending;
            for (int i = 0; i < lines; ++i) {
                const bool carries = random() % 2 == 0;
                std::string line =
                    Json{{"method", carries ? "flow.accepted" : "flow.ended"}, {"params", {{"flow", std::to_string(i)}}}}
                        .dump() +
                    '\n';
                if (carries) {
                    node.raw(pending);
                    auto [sent, kept] = stream_pair();
                    write_all(kept.get(), std::to_string(i));
                    kept.reset();
                    const std::size_t cut = 1 + random() % line.size();
                    node.raw(line.substr(0, cut), sent.get());
                    pending = line.substr(cut);
                } else {
                    pending += line;
                }
                if (random() % 3 == 0) {
                    const std::size_t cut = random() % (pending.size() + 1);
                    node.raw(pending.substr(0, cut));
                    pending.erase(0, cut);
                }
            }
            node.raw(pending);
        }};
        for (int i = 0; i < lines; ++i) {
            const auto got = talk.client.next(patience);
            ASSERT_TRUE(got) << got.error().message;
            ASSERT_EQ(got->params.at("flow"), std::to_string(i));
            ASSERT_EQ(bool(got->flow), got->method == "flow.accepted");
            if (got->flow) { EXPECT_EQ(read_to_end(got->flow.get()), std::to_string(i)); }
        }
    }
}

TEST(ControlClient, SaysThatNobodyIsThere) {
    TemporaryDirectory directory;
    EXPECT_EQ(Client::connect(directory / "none.sock").error().kind, ControlError::Kind::not_running);
    {
        const FakeNode gone{directory / "gone.sock", [](FakeConnection&) {}};
    }
    EXPECT_EQ(Client::connect(directory / "gone.sock").error().kind, ControlError::Kind::not_running)
        << "a socket that a dead node left";
    EXPECT_EQ(Client::connect("/" + std::string(200, 'x')).error().kind, ControlError::Kind::system);
}

}  // namespace
}  // namespace weft::node::test
