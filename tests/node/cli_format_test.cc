// What the command line prints, from what a node answers, including answers of a shape that no node sends.
#include "node/cli_format.h"

#include <random>

#include "node/cli_commands.h"
#include "node/cli_progress.h"
#include "overlay/identity.h"
#include "stack/core/address_text.h"

namespace weft::node::test {
namespace {

Address address_number(unsigned n) {
    std::array<std::byte, 64> bytes{};
    bytes.fill(std::byte(n));
    return Address{Family::overlay, bytes};
}

Json peer(std::string_view name, const Address& address) {
    return {{"name", name},
            {"address", OverlayFamily::format(address)},
            {"short", format_short_form(address)},
            {"state", "up"},
            {"endpoint", "127.0.0.1:7000"},
            {"srtt_us", 1250},
            {"last_heard_s", 0.5},
            {"bytes_in", 2048},
            {"bytes_out", 100},
            {"aead", "aes"}};
}

TEST(CliFormat, BytesHaveThreeDigitsAndABinaryUnit) {
    EXPECT_EQ(human_bytes(0), "0 B");
    EXPECT_EQ(human_bytes(1023), "1023 B");
    EXPECT_EQ(human_bytes(1024), "1.00 KiB");
    EXPECT_EQ(human_bytes(10'239), "10.0 KiB");
    EXPECT_EQ(human_bytes(1'048'575), "1.00 MiB");
    EXPECT_EQ(human_bytes(200'000'000), "191 MiB");
    EXPECT_EQ(human_bytes(~std::uint64_t{0}), "16.0 EiB");
}

TEST(CliFormat, TimesAndRates) {
    EXPECT_EQ(human_seconds(0.519), "0.52 s");
    EXPECT_EQ(human_seconds(59.6), "1 min 0 s");
    EXPECT_EQ(human_seconds(3'725), "1 h 2 min");
    EXPECT_EQ(human_seconds(200'000), "2 d 7 h");
    EXPECT_EQ(human_seconds(-1), "-");
    EXPECT_EQ(human_rate(1 << 20, 0.5), "2.00 MiB/s");
    EXPECT_EQ(human_rate(1, 0), "-");
    EXPECT_EQ(human_microseconds(950), "950 us");
    EXPECT_EQ(human_microseconds(1'250), "1.25 ms");
    EXPECT_EQ(human_microseconds(3'200'000), "3.20 s");
}

TEST(CliFormat, APortIsADecimalNumberOfSixteenBits) {
    EXPECT_EQ(parse_port("65535"), 65535);
    EXPECT_EQ(parse_port("0"), 0);
    for (const char* text : {"", "65536", "-1", "+1", " 1", "1 ", "0x10", "7000x", "99999999999999999999"})
        EXPECT_FALSE(parse_port(text)) << text;
}

TEST(CliFormat, NothingFromOutsideMovesTheCursor) {
    EXPECT_EQ(printable("a\x1b[2Jb\r\x7f"), "a\\x1b[2Jb\\x0d\\x7f");
    EXPECT_EQ(printable("\xc2\x9b"
                        "2J"),
              "\\x9b2J");
    EXPECT_EQ(printable("größer"), "größer");
}

TEST(CliFormat, ATableAlignsCellsByWhatIsShown) {
    const std::vector<Row> rows{{"A", "B"}, {coloured("grün", Colour::green, true), "x"}, {"longer", "y"}};
    EXPECT_EQ(table(rows, false), "A       B\n\x1b[32mgrün\x1b[0m    x\nlonger  y\n");
}

TEST(CliFormat, TheProgressLineKnowsShareRateAndTimeToGo) {
    EXPECT_EQ(progress_line(50 << 20, 100 << 20, 10 << 20), "50.0 MiB  50 %  10.0 MiB/s  5.00 s to go");
    EXPECT_EQ(progress_line(50 << 20, std::nullopt, 10 << 20), "50.0 MiB  10.0 MiB/s");
    EXPECT_EQ(progress_line(5, 10, 0), "5 B  50 %  stalled");
    EXPECT_EQ(progress_line(20, 10, 1), "20 B  100 %  1 B/s") << "a file that grew";
    EXPECT_EQ(progress_line(0, 0, 0), "0 B  stalled");
}

TEST(CliFormat, StatusNamesTheNodeItsCountersAndItsPeers) {
    const Json info{{"name", "alice"},
                    {"short", "weft:aaaa"},
                    {"address", "weft1xyz"},
                    {"pid", 42},
                    {"version", "0.1.0"},
                    {"uptime_s", 61.5},
                    {"listen", {"127.0.0.1:7000", "[::1]:7000"}},
                    {"network", "weft"},
                    {"work_bits", 20},
                    {"mtu", 1200},
                    {"udp", {{"datagrams_in", 3}, {"datagrams_out", 4}, {"bytes_in", 5}, {"bytes_out", 6}}},
                    {"tcp",
                     {{"segments_in", 7},
                      {"segments_out", 8},
                      {"retransmitted_segments", 9},
                      {"retransmitted_bytes", 10},
                      {"timeouts", 11}}}};
    const Json peers{{"peers", {peer("bob", address_number(1)), {{"state", "idle"}}}}};
    const std::string text = format_status(info, peers, {{"flows", Json::array()}}, false);
    for (const char* part :
         {"node alice  weft:aaaa\n", "weft1xyz\n", "1 min 2 s, pid 42, weft 0.1.0\n", "127.0.0.1:7000, [::1]:7000\n",
          "1 up of 2\n", "3 datagrams in, 4 out; 5 B in, 6 B out\n", "9 segments, 10 B; 11 timeouts\n"})
        EXPECT_NE(text.find(part), std::string::npos) << part << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_NE(format_status(info, peers, {}, true).find('\x1b'), std::string::npos);
}

TEST(CliFormat, PeersWithoutNameRttOrWordAreShownAsSuch) {
    const Json list{{"peers",
                     {peer("bob", address_number(1)),
                      {{"short", "weft:qqqq"}, {"state", "init_sent"}, {"srtt_us", nullptr}, {"last_heard_s", nullptr}}}}};
    const std::string text = format_peers(list, false);
    EXPECT_NE(text.find("bob   weft:qyqs-zqgp-qyqs-zqgp  up"), std::string::npos) << text;
    EXPECT_NE(text.find("127.0.0.1:7000  1.25 ms  0.50 s ago  2.00 KiB  100 B  aes"), std::string::npos) << text;
    EXPECT_NE(text.find("-     weft:qqqq"), std::string::npos) << text;
    EXPECT_NE(text.find("never"), std::string::npos) << text;
    EXPECT_NE(format_peers(Json::object(), false).find("[[peer]]"), std::string::npos);
}

TEST(CliFormat, FlowsAreShownInTheMannerOfSs) {
    const Json flow{{"flow", "3:1"},
                    {"state", "ESTABLISHED"},
                    {"local", {{"address", OverlayFamily::format(address_number(2))}, {"port", 50000}}},
                    {"remote", {{"address", OverlayFamily::format(address_number(1))}, {"port", 7000}}},
                    {"congestion", "newreno"},
                    {"mss", 1000},
                    {"cwnd", 10'000},
                    {"ssthresh", 20'000},
                    {"srtt_us", 1'500},
                    {"rttvar_us", 250},
                    {"rto_ms", 201},
                    {"snd_wnd", 65'535},
                    {"rcv_wnd", 1'000'000},
                    {"unacked", 2'500},
                    {"send_queue", 77},
                    {"receive_queue", 88},
                    {"bytes_in", 5},
                    {"bytes_out", 6},
                    {"segments_in", 7},
                    {"segments_out", 8},
                    {"retransmissions", 3},
                    {"timeouts", 1},
                    {"age_s", 2.0}};
    const Json peers{{"peers", {peer("bob", address_number(1))}}};
    const std::string plain = format_flows({{"flows", {flow}}}, peers, false, false);
    EXPECT_NE(plain.find("ESTABLISHED  88      77      weft:qgpq-yqsz-qgpq-yqsz:50000  bob:7000  5 B  6 B  3:1\n"),
              std::string::npos)
        << plain;
    const std::string details = format_flows({{"flows", {flow, flow}}}, peers, true, false);
    EXPECT_NE(details.find(
                  "3:1\n    newreno rto:201 rtt:1.500/0.250 mss:1000 cwnd:10 ssthresh:20 bytes_sent:6 bytes_received:5 "
                  "segs_out:8 segs_in:7 "
                  "unacked:3 retrans:0/3 timeouts:1 snd_wnd:65535 rcv_wnd:1000000 send 53333333bps age:2.00 s\nESTABLISHED"),
              std::string::npos)
        << details;
}

// Any value in place of any field: the tables get dull, never broken.
TEST(CliFormat, AnswersOfAnyShapeAreShownWithoutACrash) {
    std::mt19937_64 random{3};
    const std::vector<Json> values{nullptr,           true,           -1,       0,
                                   ~std::uint64_t{0}, 1e308,          "",       "text\n",
                                   Json::array(),     Json::object(), {1, "x"}, {{"address", 7}}};
    const auto any = [&] { return values[random() % values.size()]; };
    for (int i = 0; i < 2'000; ++i) {
        Json item = Json::object();
        for (const char* key :
             {"name", "address", "short",    "state",   "endpoint", "srtt_us", "last_heard_s", "bytes_in", "local", "remote",
              "mss",  "cwnd",    "ssthresh", "unacked", "udp",      "tcp",     "listen",       "uptime_s", "age_s", "pid"})
            if (random() % 2 == 0) item[key] = any();
        const Json peers = random() % 4 == 0 ? any() : Json{{"peers", random() % 4 == 0 ? any() : Json{item, any()}}};
        const Json flows = random() % 4 == 0 ? any() : Json{{"flows", random() % 4 == 0 ? any() : Json{item, any()}}};
        EXPECT_FALSE(format_status(random() % 8 == 0 ? any() : item, peers, flows, true).empty());
        EXPECT_FALSE(format_peers(peers, true).empty());
        EXPECT_FALSE(format_flows(flows, peers, true, true).empty());
        EXPECT_FALSE(
            format_modules({{"modules", {item, any()}}, {"available", any()}, {"directories", {any()}}}, true).empty());
    }
}

TEST(CliAddress, EveryFormOfAnAddressMeansTheSame) {
    const Address bob = address_number(0x5a);
    const std::string text = OverlayFamily::format(bob);
    const Json peers{{"peers", {peer("alice", address_number(1)), peer("bob", bob)}}};
    for (const std::string& operand :
         {text, OverlayFamily::format_host_name(bob), format_short_form(bob), std::string{"bob"}}) {
        const auto resolved = resolve_address(operand, peers);
        ASSERT_TRUE(resolved) << operand << ": " << resolved.error().message;
        EXPECT_EQ(*resolved, text);
    }
}

TEST(CliAddress, WhatMeansNoAddressIsRefusedWithItsMend) {
    const Address bob = address_number(1);
    std::string mistyped = OverlayFamily::format(bob);
    mistyped[30] = mistyped[30] == 'q' ? 'p' : 'q';
    const Json peers{{"peers", {peer("alice", bob), peer("carol", bob), peer("", bob)}}};
    const auto refused = [&](std::string_view operand) {
        const auto resolved = resolve_address(operand, peers);
        EXPECT_FALSE(resolved) << operand;
        return resolved ? Problem{} : resolved.error();
    };
    EXPECT_EQ(refused(mistyped).kind, "bad_address");
    EXPECT_EQ(refused("weft:zzzz-zzzz-zzzz-zzzz").kind, "unknown_address");
    EXPECT_EQ(refused("weft:zzzz").kind, "bad_address");
    EXPECT_EQ(refused(format_short_form(bob)).kind, "ambiguous");
    EXPECT_NE(refused("alcie").message.find("did you mean \"alice\"?"), std::string::npos);
    EXPECT_EQ(resolve_address("127.0.0.1", Json::object()).value(), "127.0.0.1");  // a device of the node may lead there
    EXPECT_EQ(refused("").kind, "unknown_address") << "a peer without a name is not called \"\"";
}

}  // namespace
}  // namespace weft::node::test
