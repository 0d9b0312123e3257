// Real nodes and who watches them: event connections, recordings, the commands over them, and what a hostile or lazy watcher can do.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <random>

#include "node/keyfile.h"
#include "node/methods.h"
#include "stack/core/address_text.h"
#include "tests/node/process/events.h"

namespace weft::node {
namespace {

using trace::Type;

std::string hex(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes)
        text += "0123456789abcdef"[std::to_integer<unsigned>(byte) >> 4],
            text += "0123456789abcdef"[std::to_integer<unsigned>(byte) & 15];
    return text;
}

std::string base64(std::string_view bytes) {
    static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    std::uint32_t word = 0, bits = 0;
    for (const char c : bytes)
        for (word = word << 8 | std::uint8_t(c), bits += 8; bits >= 6; bits -= 6) text += letters[word >> (bits - 6) & 63];
    return text;
}

TEST_F(Events, AnEventConnectionOnTheReadOnlySocketTellsAFlowsWholeLife) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    EventReader events = subscribe(0);
    Ends ends = connect(node(0), node(1), 7000);
    ASSERT_TRUE(ends.sender && ends.receiver);
    begin_transfer(ends, 1 << 20);
    join();
    ASSERT_EQ(result.bytes, 1u << 20);
    ends.sender.reset();
    ends.receiver.reset();
    ASSERT_TRUE(events.read_until([&] { return events.saw_state(4) && events.saw_state(5) && events.saw_state(10); }));
    ASSERT_NE(events.stream.info(), nullptr);
    EXPECT_EQ(events.stream.info()->node, "a");
    EXPECT_EQ(to_string(events.stream.info()->address), node(0).address());
    EXPECT_GT(events.count(Type::congestion), 0u);
    EXPECT_EQ(events.error, "");
    const Json status = node(0).call("record.status");
    EXPECT_EQ(status["subscribers"].size(), 1u);
    EXPECT_EQ(node(0).call("node.info")["control"]["clients"], 2)
        << "the sender's and the one that asks: it is no client any more";
    node(0).signal(SIGTERM);
    ASSERT_TRUE(events.read_until([&] { return events.stream.ended(); })) << "the stream ends in order with the node";
    EXPECT_EQ(node(0).wait(), 0);
}

TEST_F(Events, ASubscriptionIsRefusedWithASentenceAndTheConnectionServesOn) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    Client control = node(0).client();
    const auto fails = [&](const Json& params) {
        const auto answer = control.call("events.subscribe", params, milliseconds{5'000});
        return answer ? std::string("it was done") : answer.error().message;
    };
    EXPECT_NE(fails({{"classes", {"stat"}}}).find("'stat'"), std::string::npos);
    EXPECT_NE(fails({{"flows", {"x"}}}).find("PLACE:GENERATION"), std::string::npos);
    EXPECT_NE(fails({{"rate_limit", 0}}).find("from 1 to"), std::string::npos);
    EXPECT_NE(fails({{"snapshots", true}}).find("did you mean \"snapshot\""), std::string::npos);
    ASSERT_TRUE(control.call("flow.listen", {{"port", 7000}}, milliseconds{5'000}));
    EXPECT_NE(fails(Json::object()).find("use one of its own"), std::string::npos);
    EXPECT_TRUE(control.call("node.info", Json::object(), milliseconds{5'000}));
    std::vector<EventReader> many;
    for (int i = 0; i < 16; ++i) many.push_back(subscribe(0));
    EXPECT_NE(fails(Json::object()).find("16 event connections"), std::string::npos);
    many.clear();
    ASSERT_TRUE(wait_until([&] { return node(0).call("record.status")["subscribers"].empty(); }))
        << "who goes away is forgotten";
}

TEST_F(Events, WhatAWatcherSendsAfterwardsEndsItsStreamAndNothingElse) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    EventReader polite = subscribe(0), rude = subscribe(0);
    ASSERT_EQ(::shutdown(polite.descriptor(), SHUT_WR), 0);
    const std::string garbage = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node.stop\"}\n";
    ASSERT_EQ(::send(rude.descriptor(), garbage.data(), garbage.size(), MSG_NOSIGNAL), ssize_t(garbage.size()));
    EXPECT_FALSE(rude.read_until([] { return false; }, 5'000));
    ASSERT_TRUE(wait_until([&] { return node(0).call("record.status")["subscribers"].size() == 1; }));
    node(0).call("record.mark", {{"text", "still here"}});
    ASSERT_TRUE(polite.read_until([&] { return polite.count(Type::mark) == 1; })) << "half a close is none";
    // A request that was sent with the subscription in one piece.
    const UniqueFd fd = raw(0, true);
    const std::string two = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\"}\n" + garbage;
    ASSERT_EQ(::send(fd.get(), two.data(), two.size(), MSG_NOSIGNAL), ssize_t(two.size()));
    std::string answer(4'096, '\0');
    answer.resize(std::size_t(std::max<ssize_t>(0, ::recv(fd.get(), answer.data(), answer.size(), 0))));
    EXPECT_NE(answer.find("nothing may follow"), std::string::npos) << answer;
    EXPECT_TRUE(node(0).alive());
}

TEST_F(Events, AWatcherThatNeverReadsSlowsNobodyAndHearsWhatItMissed) {
    constexpr std::uint64_t size = 12 << 20;
    ASSERT_NO_FATAL_FAILURE(start_two("queue = \"256KiB\"\n"));
    const auto timed = [&] {
        const auto begin = Clock::now();
        transfer(node(0), node(1), 7000, size);
        return since(begin);
    };
    timed();
    const milliseconds alone = timed();
    EventReader stalled = subscribe(0), other = subscribe(1);
    const milliseconds watched = timed();
    EXPECT_LT(watched, alone * 3 + milliseconds{2'000}) << alone.count() << " ms without";
    // Enough to fill every queue, whatever the transfer made: marks are edges.
    Client control = node(0).client();
    const auto queued = [&] { return node(0).call("record.status")["subscribers"][0]; };
    std::uint64_t marks = 0;
    const std::string text(48, 'm');
    for (int i = 0; i < 400 && queued()["dropped"] == 0; ++i)
        for (int j = 0; j < 500; ++j, ++marks) {
            const std::string line =
                "{\"jsonrpc\":\"2.0\",\"method\":\"record.mark\",\"params\":{\"text\":\"" + text + "\"}}\n";
            ASSERT_EQ(::send(control.descriptor(), line.data(), line.size(), MSG_NOSIGNAL), ssize_t(line.size()));
        }
    ASSERT_TRUE(control.call("node.info", Json::object(), milliseconds{10'000})) << "all of them were heard";
    ASSERT_GT(queued()["dropped"].get<std::uint64_t>(), 0u);
    EXPECT_LE(queued()["queued"].get<std::uint64_t>(), 512u << 10);
    ASSERT_TRUE(stalled.read_until([&] { return stalled.count(Type::mark) + stalled.lagged[Type::mark] >= marks; }));
    EXPECT_EQ(stalled.count(Type::mark) + stalled.lagged[Type::mark], marks);
    EXPECT_GE(stalled.lost(), 1u);
    EXPECT_EQ(stalled.error, "");
}

TEST_F(Events, ARecordingHoldsTheFlowAndTheMarkAndIsWholeAfterItsStop) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    const Json began = node(0).call("record.start", {{"name", "run"}, {"classes", {"all", "-segments"}}});
    EXPECT_EQ(began["path"], directory / "rec-a/run.weft");
    EXPECT_EQ(call(node(0), "record.start", Json::object()).error().cause, "in_use");
    transfer(node(0), node(1), 7000, 1 << 20);
    node(0).call("record.mark", {{"text", "done"}});
    const Json ended = node(0).call("record.stop");
    EXPECT_EQ(ended["path"], directory / "rec-a/run.weft");
    EXPECT_EQ(ended["dropped"], 0);
    const std::string bytes = read_file(directory / "rec-a/run.weft");
    EXPECT_EQ(ended["bytes"], bytes.size());
    const auto recording = open(bytes);
    ASSERT_TRUE(recording) << recording.error();
    EXPECT_TRUE(recording->ended());
    ASSERT_EQ(recording->marks().size(), 1u);
    std::size_t segments = 0, states = 0;
    recording->read(INT64_MIN, INT64_MAX, [&](std::span<const trace::Record> records) {
        for (const trace::Record& record : records)
            segments += record.type == Type::segment_sent, states += record.type == Type::state;
        return true;
    });
    EXPECT_EQ(segments, 0u);
    EXPECT_GE(states, 3u);
    EXPECT_EQ(call(node(0), "record.stop", Json::object()).error().cause, "not_recording");
    EXPECT_EQ(call(node(0), "record.start", {{"name", "run"}}).error().cause, "exists");
    EXPECT_EQ(call(node(0), "record.start", {{"name", "../run"}}).error().cause, "bad_name");
    EXPECT_TRUE(call(node(0), "record.start", {{"name", "run"}, {"overwrite", true}}));
}

TEST_F(Events, ANodeThatIsKilledWhileItRecordsLeavesAReadableFile) {
    ASSERT_NO_FATAL_FAILURE(start_two("start = true\n"));
    transfer(node(0), node(1), 7000, 1 << 20);
    ASSERT_TRUE(wait_until([&] { return node(0).call("record.status")["records"].get<int>() > 30; }));
    const std::string path = node(0).call("record.status")["path"];
    std::this_thread::sleep_for(milliseconds{250});  // what the thread holds back at most, twice
    node(0).kill();
    const std::string bytes = read_file(path);
    const auto recording = open(bytes);
    ASSERT_TRUE(recording) << recording.error();
    EXPECT_FALSE(recording->ended());
    bool established = false;
    EXPECT_EQ(recording->read(INT64_MIN, INT64_MAX,
                              [&](std::span<const trace::Record> records) {
                                  for (const trace::Record& record : records)
                                      established |=
                                          record.type == Type::state && trace::body_of<trace::StateChange>(record).to == 4;
                                  return true;
                              }),
              0u);
    EXPECT_TRUE(established);
    Running shown{directory, {"trace", path}};
    EXPECT_EQ(shown.wait(), 0);
    EXPECT_NE(shown.text().find("-> ESTABLISHED"), std::string::npos) << shown.text();
}

TEST_F(Events, AFullDiskIsLoggedAndCountedAndTheRecordingGoesOnWhenThereIsRoom) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    const std::string path = node(0).call("record.start", {{"name", "full"}})["path"];
    // A file may not grow beyond this: to the node that is a full disk, with another number.
    const rlimit small{64 << 10, RLIM_INFINITY};
    ASSERT_EQ(::prlimit(node(0).pid(), RLIMIT_FSIZE, &small, nullptr), 0);
    const auto status = [&] { return node(0).call("record.status"); };
    for (int i = 0; i < 20 && status()["error"].is_null(); ++i) transfer(node(0), node(1), std::uint16_t(7100 + i), 4 << 20);
    const Json stuck = status();
    ASSERT_TRUE(stuck["error"].is_string());
    EXPECT_EQ(stuck["recording"], true);
    ASSERT_TRUE(wait_until([&] { return node(0).log().find("cannot be written: File too large") != std::string::npos; }));
    EXPECT_LE(read_file(path).size(), 64u << 10);
    const rlimit large{RLIM_INFINITY, RLIM_INFINITY};
    ASSERT_EQ(::prlimit(node(0).pid(), RLIMIT_FSIZE, &large, nullptr), 0);
    ASSERT_TRUE(wait_until([&] { return status()["error"].is_null(); })) << "it tries again by itself";
    transfer(node(0), node(1), 7200, 100'000);
    const Json ended = node(0).call("record.stop");
    const std::string bytes = read_file(path);
    const auto recording = open(bytes);
    ASSERT_TRUE(recording) << recording.error();
    EXPECT_TRUE(recording->ended());
    EXPECT_EQ(recording->read(INT64_MIN, INT64_MAX, [](auto) { return true; }), 0u) << "no batch is damaged";
    EXPECT_GT(bytes.size(), 64u << 10);
    EXPECT_EQ(ended["error"], nullptr);
}

// Each node's seed, and with it the keys of hash and handshake that come of it, in any form.
void add_keys(const TemporaryDirectory& directory, const std::string& name, std::vector<std::string>& secrets) {
    const auto seed = read_secret_file(directory / (name + ".key"), SecretKind::node_key);
    ASSERT_TRUE(seed);
    const auto bytes = std::as_bytes(std::span(seed->bytes()));
    for (const std::size_t at : {0u, 8u, 16u, 24u}) {
        const auto part = bytes.subspan(at, 8);
        secrets.emplace_back(reinterpret_cast<const char*>(part.data()), part.size());
        secrets.push_back(hex(part));
    }
    secrets.push_back(base64({reinterpret_cast<const char*>(bytes.data()), 24}).substr(0, 16));
}

TEST_F(Events, RecordingsAndLogsHoldNeitherPlaintextNorKeys) {
    ASSERT_NO_FATAL_FAILURE(start_two("start = true\n"));
    Running client{directory, {"record", "--node", "a", "-o", "client.weft"}};
    ASSERT_TRUE(wait_until([&] { return node(0).call("record.status")["subscribers"].size() == 1; }));
    const Ends ends = connect(node(0), node(1), 7000);
    const std::string text = marked_text(512 << 10);
    carry(ends, text);
    client.interrupt();
    EXPECT_EQ(client.wait(), 0) << client.text();
    std::vector<std::string> files{directory / "client.weft"};
    for (std::size_t i = 0; i < 2; ++i) {
        files.push_back(node(i).call("record.stop")["path"]);
        files.push_back(directory / (node(i).name() + ".log"));
    }
    std::vector<std::string> secrets{text.substr(0, 8), hex(std::as_bytes(std::span(text).first(8))),
                                     base64(text.substr(0, 16)).substr(0, 12)};
    for (std::size_t i = 0; i < 2; ++i) ASSERT_NO_FATAL_FAILURE(add_keys(directory, node(i).name(), secrets));
    EXPECT_NE(text.find(secrets.front()), std::string::npos) << "or this search would find nothing anywhere";
    for (const std::string& file : files) {
        const std::string bytes = read_file(file);
        EXPECT_GT(bytes.size(), 500u) << file;
        for (const std::string& secret : secrets) EXPECT_EQ(bytes.find(secret), std::string::npos) << file;
    }
}

TEST_F(Events, RecordingsHoldWhatTheChosenFlowsCarryIfItIsAskedForAndKeysNever) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    const Ends ends = connect(node(0), node(1), 7000), other = connect(node(0), node(1), 7001);
    EXPECT_EQ(node(1).call("record.start", {{"name", "all"}, {"payload", true}})["payload"], true);
    Running client{directory, {"record", "--node", "a", "-o", "client.weft", "--payload", "--flow", ends.sender_flow}};
    ASSERT_TRUE(wait_until([&] { return node(0).call("record.status")["subscribers"].size() == 1; }));
    const std::string text = marked_text(512 << 10), private_text = marked_text(64 << 10);
    carry(ends, text);
    carry(other, private_text);
    ASSERT_TRUE(wait_until([&] {
        return read_file(directory / "client.weft").size() > text.size() &&
               node(1).call("record.status")["bytes"].get<std::uint64_t>() > text.size() + private_text.size();
    }));
    client.interrupt();
    EXPECT_EQ(client.wait(), 0) << client.text();
    const std::string node_file = node(1).call("record.stop")["path"];
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < 2; ++i) ASSERT_NO_FATAL_FAILURE(add_keys(directory, node(i).name(), keys));
    for (const std::string& file : {std::string(directory / "client.weft"), node_file}) {
        const std::string bytes = read_file(file);
        struct stat status{};
        ASSERT_EQ(::stat(file.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777, 0600u);
        EXPECT_NE(bytes.find(text.substr(0, 16)), std::string::npos) << file;
        EXPECT_EQ(bytes.find(private_text.substr(0, 16)) != std::string::npos, file == node_file) << file;
        for (const std::string& key : keys) EXPECT_EQ(bytes.find(key), std::string::npos) << file;
        const auto recording = open(bytes);
        ASSERT_TRUE(recording) << recording.error();
        EXPECT_TRUE(recording->info().payload);
        EXPECT_TRUE(recording->ended());
        std::string out, in;
        EXPECT_EQ(recording->read_payload(INT64_MIN, INT64_MAX,
                                          [&](const trace::Payload& payload) {
                                              EXPECT_TRUE(payload.generation.has_value());
                                              (payload.sent ? out : in)
                                                  .append(reinterpret_cast<const char*>(payload.bytes.data()),
                                                          payload.bytes.size());
                                          }),
                  0u);
        EXPECT_EQ(file == node_file ? in : out, file == node_file ? text + private_text : text);
        EXPECT_EQ(file == node_file ? out : in, "");
    }
    // The socket that only watches never shows it.
    const auto refused =
        Client::connect(socket_of(0, true))->call("events.subscribe", {{"payload", true}}, milliseconds{5'000});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, int(RpcCode::read_only));
    const Json listed = node(0).call("rpc.discover");
    EXPECT_NE(listed.dump().find("\"guarded\":true"), std::string::npos);
}

TEST_F(Events, RecordNeverWritesThroughALinkAndNeverOverAnotherOfItsSecond) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    const std::string victim = directory.write("victim", "precious");
    ASSERT_EQ(::symlink(victim.c_str(), (directory / "link.weft").c_str()), 0);
    Running through{directory, {"record", "--node", "a", "-o", "link.weft", "--overwrite", "--duration", "100ms"}};
    EXPECT_EQ(through.wait(), 1);
    EXPECT_NE(through.text().find("symbolic link"), std::string::npos) << through.text();
    EXPECT_EQ(read_file(victim), "precious");
    std::vector<std::unique_ptr<Running>> together;
    for (int i = 0; i < 3; ++i)
        together.push_back(
            std::make_unique<Running>(directory, std::vector<std::string>{"record", "--node", "a", "--duration", "300ms"}));
    for (auto& one : together) EXPECT_EQ(one->wait(), 0) << one->text();
    std::size_t recordings = 0;
    for (const auto& entry : std::filesystem::directory_iterator{directory.path()})
        recordings += entry.path().filename().string().starts_with("a-") && entry.path().extension() == ".weft" ? 1 : 0;
    EXPECT_EQ(recordings, 3u);
}

TEST_F(Events, TraceShowsALineForEachEventOfAFlowLiveAndFromAFile) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    Running all{directory, {"trace", "--node", "a"}},
        chosen{directory, {"trace", "--node", "a", "remote.port == 7001", "--json"}};
    ASSERT_TRUE(wait_until([&] { return node(0).call("record.status")["subscribers"].size() == 2; }));
    Running record{directory, {"record", "--node", "a", "-o", "kept.weft", "--duration", "20"}};
    ASSERT_TRUE(wait_until([&] { return node(0).call("record.status")["subscribers"].size() == 3; }));
    transfer(node(0), node(1), 7000, 50'000);
    transfer(node(0), node(1), 7001, 50'000);
    const auto shows = [](const Running& command, std::string_view what) {
        return command.text().find(what) != std::string::npos;
    };
    ASSERT_TRUE(wait_until([&] { return shows(all, "SYN-SENT -> ESTABLISHED (segment"); })) << all.text();
    ASSERT_TRUE(wait_until([&] { return shows(all, "-> CLOSED") || shows(all, "-> TIME-WAIT"); })) << all.text();
    ASSERT_TRUE(wait_until([&] { return shows(chosen, "\"ESTABLISHED\""); })) << chosen.text();
    all.interrupt();
    chosen.interrupt();
    record.interrupt();
    EXPECT_EQ(all.wait(), 0);
    EXPECT_EQ(chosen.wait(), 0);
    EXPECT_EQ(record.wait(), 0) << record.text();
    EXPECT_EQ(chosen.text().find(":7000"), std::string::npos) << "another flow's";
    const std::string bytes = read_file(directory / "kept.weft");
    const auto recording = open(bytes);
    ASSERT_TRUE(recording) << recording.error();
    EXPECT_TRUE(recording->ended()) << "Ctrl-C ends it whole";
    struct stat status{};
    ASSERT_EQ(::stat((directory / "kept.weft").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
    Running again{directory, {"trace", "kept.weft", "remote.port == 7000", "--class", "state"}};
    EXPECT_EQ(again.wait(), 0);
    EXPECT_TRUE(shows(again, "state SYN-SENT -> ESTABLISHED")) << again.text();
    Running there{directory, {"record", "--node", "a", "-o", "kept.weft"}};
    EXPECT_EQ(there.wait(), 1) << "nothing is overwritten untold";
    directory.write("bad.weft", "this is no recording, and long enough to have a head: " + std::string(400, 'x'));
    Running bad{directory, {"trace", "bad.weft"}};
    EXPECT_EQ(bad.wait(), 1);
    EXPECT_TRUE(shows(bad, "bad.weft")) << bad.text();
    Running missing{directory, {"trace", "none.weft"}};
    EXPECT_EQ(missing.wait(), 2) << missing.text();
}

}  // namespace
}  // namespace weft::node
