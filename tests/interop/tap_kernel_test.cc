// `weft tap` and the kernel of this host, each test in a network namespace of its own: files by curl, echo requests, every congestion
// controller, losses, neighbours forgotten in mid-transfer, a narrow path behind a router.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <cstdlib>
#include <sstream>

#include "tests/interop/tap_node.h"
#include "tests/link/namespace.h"

namespace weft::test {
namespace {

constexpr std::size_t mega = 1 << 20;

struct Kind {
    bool v6, vnet_hdr, tun;
};

std::vector<Kind> kinds() {
    return {{false, true, false}, {true, true, false}, {false, false, false},
            {true, false, false}, {false, true, true}, {true, false, true}};
}

std::string name_of(const ::testing::TestParamInfo<Kind>& kind) {
    return std::string{kind.param.v6 ? "Ipv6" : "Ipv4"} + (kind.param.vnet_hdr ? "Vnet" : "Plain") +
           (kind.param.tun ? "Tun" : "Tap");
}

class TapKernel : public ::testing::Test {
protected:
    void SetUp() override { WEFT_NEEDS_NAMESPACE(space); }

    // Starts a node at 10.0.0.2 and fd00::2; the kernel is .1 and ::1.
    void start(std::vector<std::string> more = {}, Kind kind = {false, true, false}) {
        std::vector<std::string> words{"--address", "10.0.0.2/24", "--address", "fd00::2/64",
                                       "--kernel",  "10.0.0.1/24", "--kernel",  "fd00::1/64"};
        if (!kind.vnet_hdr) words.emplace_back("--no-vnet-hdr");
        if (kind.tun) words.emplace_back("--tun");
        words.insert(words.end(), more.begin(), more.end());
        node.emplace(words);
        node->start();
        ASSERT_TRUE(node->running());
    }

    void fetch(const std::string& url, const std::string& bytes, const std::vector<std::string>& more = {}) {
        const std::string into = files / "fetched";
        std::vector<std::string> words{"curl", "-sS", "--max-time", "50", "-o", into, "--url", url};
        words.insert(words.end(), more.begin(), more.end());
        const Outcome curl = run(words);
        if (curl.status == 127) GTEST_SKIP() << "curl is not installed";
        ASSERT_EQ(curl.status, 0) << curl.err;
        ASSERT_TRUE(node::read_file(into) == bytes) << url << ": not the bytes that were served";
    }

    // What the node says of its only device, at `key` of its statistics.
    std::uint64_t counted(const char* key) {
        return node->call("link.list")["links"][0]["statistics"][key].get<std::uint64_t>();
    }

    Namespace space;
    node::TemporaryDirectory files;
    std::optional<TapNode> node;
};

class TapKernelKinds : public TapKernel, public ::testing::WithParamInterface<Kind> {
protected:
    std::string host() const { return GetParam().v6 ? "fd00::2" : "10.0.0.2"; }
    std::string url(const std::string& file) const {
        return "http://" + (GetParam().v6 ? "[" + host() + "]" : host()) + "/" + file;
    }
};

INSTANTIATE_TEST_SUITE_P(Interop, TapKernelKinds, ::testing::ValuesIn(kinds()), name_of);

TEST_P(TapKernelKinds, CurlFetchesAFileWhole) {
    const char* const asked = std::getenv("WEFT_TAP_MEGABYTES");  // 1024 for the long run
    const std::size_t usual = GetParam().vnet_hdr && !GetParam().tun ? 32 : 12;
    const std::string bytes = pattern_text((asked ? std::strtoull(asked, nullptr, 10) : usual) * mega, 1);
    files.write("file", bytes);
    files.write("empty", "");
    ASSERT_NO_FATAL_FAILURE(start({"--http", files.path()}, GetParam()));
    fetch(url("file"), bytes);
    fetch(url("empty"), "");
    const Outcome missing = run({"curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url("missing")});
    EXPECT_EQ(missing.out, "404");
    EXPECT_EQ(counted("malformed_in"), 0u);
    EXPECT_EQ(counted("dropped_in"), 0u);
    // A super-segment is one packet where the device cuts it, else each segment is.
    EXPECT_EQ(counted("segments_out") > 4 * counted("packets_out"), GetParam().vnet_hdr);
}

TEST_P(TapKernelKinds, EveryEchoRequestIsAnsweredWithItsBytes) {
    ASSERT_NO_FATAL_FAILURE(start({}, GetParam()));
    const std::size_t largest = GetParam().v6 ? 1'452 : 1'472;  // fills a packet of 1,500 bytes
    for (std::size_t size = 56; size < largest; size += 59) EXPECT_EQ(ping(host(), size, 2), 2u) << size;
    EXPECT_EQ(ping(host(), largest, 2), 2u);
    EXPECT_EQ(ping(host(), 0, 2), 2u);
    EXPECT_EQ(ping(host(), 56, 500, 32), 500u);  // a flood, within what is answered at once
}

TEST_P(TapKernelKinds, EveryControllerOfTheKernelSendsAndReceivesWhole) {
    ASSERT_NO_FATAL_FAILURE(start({"--echo"}, GetParam()));
    std::istringstream names{Namespace::get("ipv4/tcp_available_congestion_control")};
    const std::string bytes = pattern_text(3 * mega, 2);
    unsigned count = 0;
    for (std::string name; names >> name; ++count) {
        const UniqueFd fd = connect_to(host(), 7, name);
        ASSERT_TRUE(fd) << name;
        EXPECT_TRUE(through_echo(fd.get(), bytes) == bytes) << name;
    }
    EXPECT_GT(count, 0u);
}

TEST_P(TapKernelKinds, OnePercentLossCostsTimeAndNoByte) {
    const std::string bytes = pattern_text(6 * mega, 3);
    files.write("file", bytes);
    ASSERT_NO_FATAL_FAILURE(start({"--http", files.path(), "--echo", "--loss", "1%"}, GetParam()));
    fetch(url("file"), bytes);
    const UniqueFd fd = connect_to(host(), 7);
    ASSERT_TRUE(fd);
    const std::string some = bytes.substr(0, mega);
    EXPECT_TRUE(through_echo(fd.get(), some) == some);
    const Json fault = node->call("link.list")["links"][0]["fault"];
    EXPECT_GT(fault["lost"].get<std::uint64_t>(), 20u);
    EXPECT_GT(node->call("node.info")["tcp"]["retransmitted_segments"].get<std::uint64_t>(), 0u);
}

TEST_F(TapKernel, FlowsSurviveThatTheKernelForgetsItsNeighbours) {
    ASSERT_NO_FATAL_FAILURE(start({"--echo"}));
    const std::string bytes = pattern_text(mega, 4);
    for (const std::string host : {"10.0.0.2", "fd00::2"}) {
        const UniqueFd fd = connect_to(host, 7);
        ASSERT_TRUE(fd);
        for (int round = 0; round < 4; ++round) {
            ASSERT_TRUE(through_echo(fd.get(), bytes) == bytes) << host << " " << round;
            ASSERT_NO_FATAL_FAILURE(must("ip neigh flush dev weft0"));
        }
    }
}

TEST_F(TapKernel, AKernelWithAnotherMacIsFollowed) {
    ASSERT_NO_FATAL_FAILURE(start({"--echo"}));
    const std::string bytes = pattern_text(mega / 4, 4);
    const UniqueFd fd = connect_to("10.0.0.2", 7);
    ASSERT_TRUE(fd);
    ASSERT_TRUE(through_echo(fd.get(), bytes) == bytes);
    ASSERT_NO_FATAL_FAILURE(must("ip link set dev weft0 address 02:00:00:00:aa:bb"));  // the old one gets nothing any more
    EXPECT_TRUE(through_echo(fd.get(), bytes) == bytes);
}

// Behind the kernel, as a router, lies a network whose way in carries less than its hosts believe.
TEST_F(TapKernel, ARouterWithANarrowPathLowersTheMtuOfFlowsThatLive) {
    const std::string bytes = pattern_text(4 * mega, 5);
    files.write("file", bytes);
    ASSERT_NO_FATAL_FAILURE(start({"--http", files.path(), "--gateway", "10.0.0.1", "--gateway", "fd00::1"}));
    ASSERT_TRUE(Namespace::set("ipv4/ip_forward", "1") && Namespace::set("ipv6/conf/all/forwarding", "1"));
    const Namespace behind;
    WEFT_NEEDS_NAMESPACE(behind);
    space.enter();
    for (const std::string& line :
         {std::string{"ip link add near type veth peer name far netns "} + behind.path(),
          std::string{"ip link set near up mtu 1400"}, std::string{"ip addr add 10.1.0.1/24 dev near"},
          std::string{"ip addr add fd01::1/64 dev near nodad"}})
        ASSERT_NO_FATAL_FAILURE(must(line));
    behind.enter();
    for (const char* line : {"ip addr add 10.1.0.2/24 dev far", "ip addr add fd01::2/64 dev far nodad", "ip link set far up",
                             "ip route add default via 10.1.0.1", "ip route add default via fd01::1"})
        ASSERT_NO_FATAL_FAILURE(must(line));
    fetch("http://10.0.0.2/file", bytes);
    fetch("http://[fd00::2]/file", bytes);
    const Json tcp = node->call("node.info")["tcp"];
    EXPECT_GT(tcp["retransmitted_segments"].get<std::uint64_t>(), 0u);
    space.enter();
    EXPECT_NE(run({"ip", "-s", "link", "show", "near"}).out.find("mtu 1400"), std::string::npos);
    behind.enter();  // where its destructor expects the thread
}

TEST_F(TapKernel, WhatNobodyServesIsRefusedAtOnceBothWays) {
    ASSERT_NO_FATAL_FAILURE(start({"--echo"}));
    for (const std::string host : {"10.0.0.2", "fd00::2"}) {
        EXPECT_FALSE(connect_to(host, 81));
        EXPECT_EQ(errno, ECONNREFUSED);
        // A port that no UDP has: an ICMP error comes back to the kernel's socket.
        const bool v6 = host.find(':') != std::string::npos;
        const UniqueFd udp{::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        sockaddr_in6 to{};
        auto* const four = reinterpret_cast<sockaddr_in*>(&to);
        to.sin6_family = v6 ? AF_INET6 : AF_INET, to.sin6_port = htons(9'999);
        ::inet_pton(v6 ? AF_INET6 : AF_INET, host.c_str(),
                    v6 ? static_cast<void*>(&to.sin6_addr) : static_cast<void*>(&four->sin_addr));
        ASSERT_EQ(::connect(udp.get(), reinterpret_cast<const sockaddr*>(&to), v6 ? sizeof to : sizeof *four), 0);
        ASSERT_EQ(::send(udp.get(), "x", 1, 0), 1);
        const timeval patience{10, 0};
        ::setsockopt(udp.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        char byte = 0;
        EXPECT_EQ(::recv(udp.get(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNREFUSED) << host;
    }
}

TEST_F(TapKernel, TheNodeConnectsToTheKernelAndSaysWhyItCannot) {
    ASSERT_NO_FATAL_FAILURE(start({"--echo"}));
    const UniqueFd listener{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(5'000);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
    ASSERT_EQ(::listen(listener.get(), 4), 0);
    node::Client control = node->client();
    const auto connect = [&](const std::string& address, int port) {
        return control.call("flow.connect", {{"address", address}, {"port", port}}, milliseconds{20'000});
    };
    for (const std::string host : {"10.0.0.1", "fd00::1"}) {
        const auto flow = connect(host, 5'000);
        ASSERT_TRUE(flow) << flow.error().message;
        const UniqueFd theirs{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        ASSERT_EQ(::send(flow->flow.get(), "to the kernel", 13, 0), 13);
        char got[13];
        ASSERT_EQ(::recv(theirs.get(), got, sizeof got, MSG_WAITALL), 13);
        EXPECT_EQ(std::string_view(got, 13), "to the kernel");
        const auto refused = connect(host, 5'001);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().cause, "refused");
    }
    const auto silent = connect("10.0.0.77", 80);  // nobody answers for it
    ASSERT_FALSE(silent);
    EXPECT_EQ(silent.error().cause, "unreachable");
    const auto lost = connect("192.0.2.1", 80);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().cause, "unreachable");
    EXPECT_NE(lost.error().message.find("no route"), std::string::npos) << lost.error().message;
}

TEST_F(TapKernel, EndsInOrderAndTakesItsDeviceAlong) {
    for (const int signal : {SIGTERM, SIGINT}) {
        ASSERT_NO_FATAL_FAILURE(start({"--echo"}));
        const UniqueFd fd = connect_to("10.0.0.2", 7);
        ASSERT_TRUE(fd);
        EXPECT_EQ(through_echo(fd.get(), "hello"), "hello");
        const Json flows = node->call("flow.list");
        ASSERT_EQ(flows["flows"].size(), 1u);
        EXPECT_EQ(flows["flows"][0]["local"]["address"], "10.0.0.2");
        ::shutdown(fd.get(), SHUT_WR);
        EXPECT_EQ(node->end(signal), 0);
        EXPECT_FALSE(link::NetDevice{"weft0"}.index());
    }
}

TEST_F(TapKernel, EndsWithAnErrorWhenItsDeviceIsRemoved) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(must("ip link del weft0"));
    EXPECT_EQ(node->end(0), 1);
    EXPECT_NE(node->said().find("somebody removed the device"), std::string::npos);
    node.reset();
}

TEST_F(TapKernel, DevicesComeAndGoWhileTheNodeRuns) {
    ASSERT_NO_FATAL_FAILURE(start({"--echo"}));
    const std::string bytes = pattern_text(mega / 2, 6);
    const UniqueFd stays = connect_to("10.0.0.2", 7);
    ASSERT_TRUE(stays);
    for (const std::string kind : {"tap", "tun"}) {
        const Json device{{"kind", kind},
                          {"name", "extra"},
                          {"address", Json::array({"10.1.0.2/24", "fd01::2/64"})},
                          {"kernel", Json::array({"10.1.0.1/24", "fd01::1/64"})}};
        const Json added = node->call("link.add", device);
        ASSERT_EQ(added.value("name", ""), "extra");
        EXPECT_NE(::if_nametoindex("extra"), 0u);
        EXPECT_EQ(node->call("link.list")["links"].back()["kind"], kind);
        for (const std::string host : {"10.1.0.2", "fd01::2"}) {
            const UniqueFd fd = connect_to(host, 7);
            ASSERT_TRUE(fd) << kind << ' ' << host;
            EXPECT_TRUE(through_echo(fd.get(), bytes) == bytes) << kind << ' ' << host;
            EXPECT_EQ(ping(host, 56, 3), 3u) << kind;
        }
        const auto twice = node->client().call("link.add", device, milliseconds{5'000});
        ASSERT_FALSE(twice);
        EXPECT_NE(twice.error().message.find("is an address of link"), std::string::npos) << twice.error().message;

        const UniqueFd ends = connect_to("10.1.0.2", 7);
        ASSERT_TRUE(ends);
        EXPECT_EQ(node->call("link.remove", {{"link", added["link"]}})["name"], "extra");
        EXPECT_EQ(::if_nametoindex("extra"), 0u);
        EXPECT_EQ(node->call("flow.list")["total"], 1) << "its flows went with it";
        EXPECT_TRUE(through_echo(stays.get(), bytes) == bytes) << "and no other";
    }
    const auto last = node->client().call("link.remove", {{"link", 1}}, milliseconds{5'000});
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().cause, "last_link");
}

TEST_F(TapKernel, WhatCannotStartNamesItsMend) {
    const auto said = [](std::vector<std::string> words) {
        words.insert(words.begin(), {WEFT_BINARY_DIR "/node/weft", "tap"});
        return run(words);
    };
    const Outcome other = said({"--address", "10.0.0.2/24", "--name", "lo"});
    EXPECT_EQ(other.status, 1);
    EXPECT_NE(other.err.find("choose another name"), std::string::npos) << other.err;
    const Outcome prefix = said({"--address", "10.0.0.2"});
    EXPECT_EQ(prefix.status, 2);
    EXPECT_NE(prefix.err.find("write 10.0.0.2/24"), std::string::npos) << prefix.err;
    const Outcome directory = said({"--address", "10.0.0.2/24", "--http", "/does/not/exist"});
    EXPECT_EQ(directory.status, 1);
    EXPECT_NE(directory.err.find("/does/not/exist"), std::string::npos) << directory.err;
    const Outcome unprivileged = run({"setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--clear-groups",
                                      WEFT_BINARY_DIR "/node/weft", "tap", "--address", "10.0.0.2/24"});
    if (unprivileged.status == 127 || unprivileged.err.find("setpriv") != std::string::npos) return;  // it is not there
    EXPECT_EQ(unprivileged.status, 1);
    EXPECT_NE(unprivileged.err.find("CAP_NET_ADMIN"), std::string::npos) << unprivileged.err;
}

}  // namespace
}  // namespace weft::test
