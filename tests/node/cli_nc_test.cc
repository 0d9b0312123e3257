// `weft nc` as a program, against a node that is only pretended: bytes both ways, half-close, ends of every kind.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "overlay/identity.h"
#include "stack/core/address_text.h"
#include "tests/node/cli_support.h"

namespace weft::node::test {
namespace {

std::string some_address() {
    std::array<std::byte, 64> bytes{};
    bytes.fill(std::byte{0x33});
    return OverlayFamily::format(Address{Family::overlay, bytes});
}

Json ended(std::string_view flow, const Json& error = nullptr) {
    return {{"flow", flow}, {"error", error}, {"bytes_in", 0}, {"bytes_out", 0}, {"retransmissions", 3}, {"seconds", 0.1}};
}

// Answers flow.connect or flow.listen with one flow, whose far end `peer` has; says how it ended.
struct OneFlow {
    std::function<void(int)> peer;
    Json error = nullptr;
    bool confirms = true;

    void operator()(FakeConnection& node) const {
        for (Json request; !(request = node.request()).is_null();) {
            if (request.at("method") == "flow.abort") {
                node.answer(request, {{"flow", "5:1"}});
                continue;
            }
            auto [near, far] = stream_pair();
            if (request.at("method") == "flow.listen") {
                node.answer(request, {{"listener", "1:1"}, {"port", 7000}});
                node.notify(
                    "flow.accepted",
                    {{"listener", "1:1"}, {"flow", "5:1"}, {"remote", {{"address", some_address()}, {"port", 50'000}}}},
                    near.get());
            } else {
                EXPECT_EQ(request.at("method"), "flow.connect");
                EXPECT_EQ(request.at("params").at("address"), some_address());
                node.answer(request, {{"flow", "5:1"}}, near.get());
            }
            near.reset();
            peer(far.get());
            far.reset();
            if (!confirms) return;
            node.notify("flow.ended", ended("5:1", error));
        }
    }
};

class CliNc : public ::testing::Test {
protected:
    TemporaryDirectory directory;
    const std::string socket = directory / "node.sock";

    std::vector<std::string> words(std::vector<std::string> more) const {
        std::vector<std::string> all{weft_binary(), "nc", "--node", socket};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    Outcome run(std::vector<std::string> more, std::string_view input = {}) const {
        std::vector<std::string> all = words(std::move(more));
        all.erase(all.begin());
        return run_weft(std::move(all), {}, input);
    }
};

TEST_F(CliNc, SendsItsInputAndWritesWhatComesBack) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100'000}, std::size_t{5} << 20}) {
        const std::string sent = noise(size, size + 1), back = noise(size / 2, 99);
        write_file(directory / "in", sent);
        std::string arrived;
        Outcome outcome;
        {
            const FakeNode node{socket, OneFlow{[&](int flow) {
                                    arrived = read_to_end(flow);  // ends only by the half-close
                                    write_all(flow, back);
                                }}};
            outcome = run({some_address(), "7000", "-i", directory / "in", "--summary"});
        }
        std::filesystem::remove(socket);
        EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
        EXPECT_TRUE(arrived == sent);
        EXPECT_TRUE(outcome.out == back) << outcome.out.size() << " of " << back.size();
        EXPECT_TRUE(outcome.err.starts_with("bytes=" + std::to_string(sent.size() + back.size()) + " seconds="))
            << outcome.err;
    }
}

TEST_F(CliNc, ThePeersEndDoesNotEndTheInput) {
    std::atomic<bool> half_closed{false};
    std::string arrived;
    const FakeNode node{socket, OneFlow{[&](int flow) {
                            write_all(flow, "bye");
                            ::shutdown(flow, SHUT_WR);
                            half_closed = true;
                            arrived = read_to_end(flow);
                        }}};
    Program program{words({some_address(), "7000"}), {}};
    while (!half_closed) std::this_thread::yield();
    write_all(program.input(), "still here");
    const Outcome outcome = program.finish();
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "bye");
    EXPECT_EQ(arrived, "still here");
}

TEST_F(CliNc, AListenerSaysWhenItIsReadyWritesTheFileAndHashesIt) {
    const FakeNode node{socket, OneFlow{[](int flow) {
                            write_all(flow, "abc");
                            ::shutdown(flow, SHUT_WR);
                            EXPECT_EQ(read_to_end(flow), "") << "with --output nothing is sent";
                        }}};
    write_file(directory / "a file", "longer than what comes");
    Program program{words({"-q", "-l", "7000", "-o", directory / "a file", "--sha256", "--summary"}), {}};
    EXPECT_TRUE(program.wait_for_err("listening on 7000\n"));
    const Outcome outcome = program.finish();
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(read_file(directory / "a file"), "abc");
    // FIPS 180-4's example.
    EXPECT_TRUE(outcome.err.starts_with(
        "listening on 7000\nbytes=3 sha256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad seconds="))
        << outcome.err;
}

TEST_F(CliNc, AnEmptyTransferHasTheHashOfNothing) {
    const FakeNode node{socket, OneFlow{[](int) {}}};
    const Outcome outcome = run({"-l", "7000", "-o", directory / "f", "--sha256", "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const Json summary = Json::parse(outcome.out);
    EXPECT_EQ(summary.at("sha256"), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(summary.at("bytes_in"), 0);
    EXPECT_EQ(summary.at("bytes_out"), 0);
    EXPECT_EQ(summary.at("remote"), Json({{"address", some_address()}, {"port", 50'000}}));
    EXPECT_EQ(summary.at("flow"), "5:1");
    EXPECT_EQ(summary.at("retransmissions"), 3);
    EXPECT_TRUE(summary.at("error").is_null());
    EXPECT_TRUE(summary.at("seconds").is_number() && summary.at("mbit_per_s").is_number());
    EXPECT_TRUE(std::filesystem::exists(directory / "f"));
}

TEST_F(CliNc, ReadyFdGetsThePortAndIsClosed) {
    std::atomic<bool> go{false};
    const FakeNode node{socket, OneFlow{[&](int) {
                            while (!go) std::this_thread::yield();
                        }}};
    ASSERT_EQ(::mkfifo((directory / "ready").c_str(), 0600), 0);
    const std::string command = "exec 9>'" + (directory / "ready") + "'; exec " + weft_binary() + " nc --node " + socket +
                                " -l 7000 -o '" + (directory / "f") + "' --ready-fd 9";
    Program program{{"/bin/sh", "-c", command}, {}};
    EXPECT_EQ(read_file(directory / "ready"), "7000\n");
    go = true;
    EXPECT_EQ(program.finish().exit_code, 0);
}

TEST_F(CliNc, AFlowThatFailsIsNoSuccessEvenIfAllItsBytesLookFine) {
    const std::vector<std::pair<std::string, int>> causes{
        {"timed_out", 4}, {"reset", 1}, {"unreachable", 1}, {"something_new", 1}};
    for (const auto& [cause, code] : causes) {
        {
            const FakeNode node{socket, OneFlow{[](int flow) { write_all(flow, "part"); }, cause}};
            const Outcome outcome = run({"-l", "7000", "-o", directory / "f", "--sha256", "--json"});
            EXPECT_EQ(outcome.exit_code, code) << outcome.err;
            const Json summary = Json::parse(outcome.out);
            EXPECT_EQ(summary.at("error"), cause);
            EXPECT_FALSE(summary.contains("sha256"));
            EXPECT_EQ(summary.at("bytes_in"), 4);
        }
        std::filesystem::remove(socket);
    }
}

TEST_F(CliNc, ANodeThatDiesInMidTransferIsAFailure) {
    const FakeNode node{socket, OneFlow{[](int flow) { write_all(flow, "part"); }, nullptr, false}};
    const Outcome outcome = run({"-l", "7000"});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(outcome.out, "part");
    EXPECT_NE(outcome.err.find("bytes may be missing"), std::string::npos) << outcome.err;
}

TEST_F(CliNc, AFlowThatEndsDoesNotWaitForAnInputThatIsOpen) {
    const FakeNode node{socket, OneFlow{[](int) {}, "reset"}};
    Program program{words({some_address(), "7000"}), {}};
    EXPECT_TRUE(program.wait_for_err("broke the connection off"));
    EXPECT_EQ(program.finish().exit_code, 1);
}

TEST_F(CliNc, ARefusedConnectionSaysWhatToDo) {
    const std::vector<std::tuple<std::string, int, std::string>> cases{
        {"refused", 1, "weft nc -l"}, {"timed_out", 4, "weft peers"}, {"unreachable", 1, "[[peer]]"}};
    for (const auto& [cause, code, mend] : cases) {
        {
            const FakeNode node{socket,
                                [&](FakeConnection& connection) { connection.refuse(connection.request(), "no", cause); }};
            const Outcome outcome = run({some_address(), "7000", "--json"}, "never sent");
            EXPECT_EQ(outcome.exit_code, code);
            EXPECT_NE(outcome.err.find(mend), std::string::npos) << outcome.err;
            EXPECT_EQ(Json::parse(outcome.out).at("error").at("kind"), cause);
        }
        std::filesystem::remove(socket);
    }
}

TEST_F(CliNc, APetnameIsLookedUpAmongTheNodesPeers) {
    std::string arrived;
    const FakeNode node{socket, [&](FakeConnection& connection) {
                            const Json request = connection.request();
                            EXPECT_EQ(request.at("method"), "peer.list");
                            connection.answer(request, {{"peers", {{{"name", "bob"}, {"address", some_address()}}}}});
                            OneFlow{[&](int flow) { arrived = read_to_end(flow); }}(connection);
                        }};
    const Outcome outcome = run({"bob", "7000"}, "hello");
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(arrived, "hello");
}

TEST_F(CliNc, AReaderOfTheOutputThatGoesAwayEndsIt) {
    const FakeNode node{socket, OneFlow{[](int flow) {
                            while (write_all(flow, std::string(65'536, 'x'))) {}
                        }}};
    Program program{words({some_address(), "7000"}), {}};
    program.close_output();
    const Outcome outcome = program.finish();
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.err.find("Broken pipe"), std::string::npos) << outcome.err;
}

TEST_F(CliNc, GivesUpWhenNobodyComesOrNothingMoves) {
    std::atomic<bool> over{false};
    {
        const FakeNode node{socket, [](FakeConnection& connection) {
                                connection.answer(connection.request(), {{"listener", "1:1"}, {"port", 7000}});
                                connection.request();
                            }};
        const Outcome outcome = run({"-l", "7000", "-w", "0.05"});
        EXPECT_EQ(outcome.exit_code, 4);
        EXPECT_NE(outcome.err.find("nobody connected"), std::string::npos) << outcome.err;
    }
    std::filesystem::remove(socket);
    const FakeNode node{socket, OneFlow{[&](int) {
                            while (!over) std::this_thread::yield();
                        }}};
    Program program{words({some_address(), "7000", "-w", "0.05"}), {}};
    EXPECT_TRUE(program.wait_for_err("nothing moved"));
    EXPECT_EQ(program.finish().exit_code, 4);
    over = true;
}

TEST_F(CliNc, KeepsServingOneAfterAnother) {
    const FakeNode node{socket, [](FakeConnection& connection) {
                            connection.answer(connection.request(), {{"listener", "1:1"}, {"port", 7000}});
                            std::vector<UniqueFd> far;
                            for (int i = 0; i < 3; ++i) {  // all at once
                                auto [near, end] = stream_pair();
                                connection.notify("flow.accepted",
                                                  {{"flow", std::to_string(i)}, {"remote", {{"address", "x"}, {"port", 1}}}},
                                                  near.get());
                                far.push_back(std::move(end));
                            }
                            for (int i = 0; i < 3; ++i) {
                                write_all(far[std::size_t(i)].get(), "flow " + std::to_string(i) + ";");
                                far[std::size_t(i)].reset();
                                connection.notify("flow.ended", ended(std::to_string(i)));
                            }
                        }};
    const Outcome outcome = run({"-l", "-k", "7000"});
    EXPECT_EQ(outcome.out, "flow 0;flow 1;flow 2;");
    EXPECT_EQ(outcome.exit_code, 1) << "then the node went away: " << outcome.err;
}

TEST_F(CliNc, FilesThatCannotBeUsedAreFoundBeforeAnythingIsSent) {
    const FakeNode node{socket, [](FakeConnection&) { ADD_FAILURE() << "asked the node"; }};
    for (const auto& more : std::vector<std::vector<std::string>>{{"x", "1", "-i", directory / "none"},
                                                                  {"x", "1", "-i", directory.path()},
                                                                  {"x", "1", "-o", directory.path()},
                                                                  {"-l", "1", "-o", "/dev/null", "--sha256"},
                                                                  {"-l", "1", "--ready-fd", "77"}}) {
        const Outcome outcome = run(more);
        EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
        EXPECT_FALSE(outcome.err.empty());
    }
}

}  // namespace
}  // namespace weft::node::test
