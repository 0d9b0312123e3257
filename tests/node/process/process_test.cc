// What the first thread promises, on real processes: transfers through faults, NATs and new keys lose no byte, a node that
// is killed is noticed, the other one lives on, and whoever comes back is reachable at once.
#include <csignal>
#include <cstring>
#include <fstream>
#include <random>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/node/process/nodes.h"

namespace weft::node {
namespace {

constexpr std::uint64_t endless = 1ull << 40;

class Processes : public testing::Test {
protected:
    void configure(std::string_view more = {}) {
        a.configure(b, b.port(), more);
        b.configure(a, a.port(), more);
    }
    void start() {
        ASSERT_NO_FATAL_FAILURE(a.start());
        ASSERT_NO_FATAL_FAILURE(b.start());
        ASSERT_TRUE(a.wait_for_link());
        ASSERT_TRUE(b.wait_for_link());
    }
    // Both threads end when their descriptors do.
    void transfer(Ends& ends, std::uint64_t size, std::uint64_t rate = 0) {
        writer = std::thread([this, fd = ends.sender.get(), size, rate] { send_pattern(fd, size, rate, sent); });
        reader = std::thread([this, fd = ends.receiver.get()] { result = receive_pattern(fd, received); });
    }
    void join() {
        if (writer.joinable()) writer.join();
        if (reader.joinable()) reader.join();
    }
    void TearDown() override {
        for (NodeProcess* node : {&a, &b})
            if (node->pid() > 0) node->kill();
        join();
    }
    bool wait_for_bytes(std::uint64_t count) const {
        for (const auto begin = Clock::now(); since(begin) < milliseconds{10'000};
             std::this_thread::sleep_for(milliseconds{2}))
            if (received >= count) return true;
        return false;
    }
    // From one node to the other, a new flow and a few bytes.
    static void expect_reachable(const NodeProcess& from, const NodeProcess& to, std::uint16_t port) {
        const Ends ends = connect(from, to, port, milliseconds{2'000});
        ASSERT_TRUE(ends.sender && ends.receiver);
        ASSERT_EQ(::send(ends.sender.get(), "hello", 5, MSG_NOSIGNAL), 5);
        char text[5]{};
        ASSERT_EQ(::recv(ends.receiver.get(), text, 5, MSG_WAITALL), 5);
        EXPECT_EQ(std::memcmp(text, "hello", 5), 0);
    }

    const TemporaryDirectory directory;
    NodeProcess a{directory, "a"}, b{directory, "b"};
    std::thread writer, reader;
    std::atomic<std::uint64_t> sent{0}, received{0};
    Received result;
};

TEST_F(Processes, ATransferIsEqualAndBothEndsHearOfItsOrderlyEnd) {
    configure();
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    constexpr std::uint64_t size = (8 << 20) + 12'345;
    transfer(ends, size);
    join();
    EXPECT_EQ(result.bytes, size);
    EXPECT_TRUE(result.equal && result.ended);
    // The other direction is still open: a half-close is one.
    ASSERT_EQ(::send(ends.receiver.get(), "thanks", 6, MSG_NOSIGNAL), 6);
    ::shutdown(ends.receiver.get(), SHUT_WR);
    char text[16]{};
    EXPECT_EQ(::recv(ends.sender.get(), text, 6, MSG_WAITALL), 6);
    EXPECT_EQ(::recv(ends.sender.get(), text, 1, 0), 0);
    const Ended sender = wait_for_end(*ends.sender_control, milliseconds{3'000}),
                receiver = wait_for_end(*ends.receiver_control, milliseconds{3'000});
    EXPECT_EQ(sender.error, "");
    EXPECT_EQ(receiver.error, "");
    EXPECT_EQ(sender.params["flow"], ends.sender_flow);
    EXPECT_EQ(sender.params["bytes_out"], size);
    EXPECT_EQ(sender.params["bytes_in"], 6);
    EXPECT_EQ(receiver.params["bytes_in"], size);
    EXPECT_EQ(b.call("flow.list")["flows"].size(), 0u);
    EXPECT_EQ(a.call("node.info")["tcp"]["bytes_out"], size);
}

TEST_F(Processes, WithoutAListenerNobodyReachesThePort) {
    configure();
    ASSERT_NO_FATAL_FAILURE(start());
    Client control = a.client();
    const auto answer = control.call("flow.connect", {{"address", "b"}, {"port", 7001}}, milliseconds{3'000});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().cause, "prohibited");
    EXPECT_TRUE(answer.error().message.starts_with("b lets this node reach no port 7001: run `weft nc -l 7001` on it"));
    {
        const Ends ends = connect(a, b, 7001);
        EXPECT_TRUE(ends.sender);
    }
    // The listener went with its control connection.
    for (const auto begin = Clock::now(); since(begin) < milliseconds{2'000};)
        if (b.call("node.info")["tcp"]["listeners"] == 0) break;
    const auto again = control.call("flow.connect", {{"address", "b"}, {"port", 7001}}, milliseconds{3'000});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().cause, "prohibited");
}

TEST_F(Processes, AFlowOutlivesTheControlConnectionThatOpenedIt) {
    configure();
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    ends.sender_control.reset();
    ends.receiver_control.reset();
    transfer(ends, 1 << 20);
    join();
    EXPECT_EQ(result.bytes, 1u << 20);
    EXPECT_TRUE(result.equal && result.ended);
}

TEST_F(Processes, AProgramThatDiesWithUnreadBytesResetsItsFlow) {
    configure();
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    ASSERT_EQ(::send(ends.sender.get(), "unread", 6, MSG_NOSIGNAL), 6);
    char text = 0;
    ASSERT_EQ(::recv(ends.receiver.get(), &text, 1, MSG_PEEK), 1);
    ends.receiver.reset();
    EXPECT_EQ(wait_for_end(*ends.receiver_control, milliseconds{3'000}).error, "aborted");
    EXPECT_EQ(wait_for_end(*ends.sender_control, milliseconds{3'000}).error, "reset");
}

TEST_F(Processes, ASenderWhoseReceiverWasKilledTimesOutAndTheRestartedPeerIsReachable) {
    configure("[tcp]\nuser_timeout = \"5s\"\n");
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    transfer(ends, endless);
    ASSERT_TRUE(wait_for_bytes(4 << 20));
    b.kill();
    const Ended ended = wait_for_end(*ends.sender_control, milliseconds{9'000});
    EXPECT_EQ(ended.error, "timed_out");
    EXPECT_GE(ended.after, milliseconds{4'000});
    EXPECT_GT(ended.params["retransmissions"], 0);
    join();
    ASSERT_TRUE(a.alive());
    ASSERT_NO_FATAL_FAILURE(b.start());
    ASSERT_NO_FATAL_FAILURE(expect_reachable(a, b, 7001));
    ASSERT_NO_FATAL_FAILURE(expect_reachable(b, a, 7002));
}

TEST_F(Processes, AReceiverWhoseSenderWasKilledHearsThatItIsUnreachable) {
    configure("[tcp]\nuser_timeout = \"5s\"\n");
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    transfer(ends, endless);
    ASSERT_TRUE(wait_for_bytes(4 << 20));
    a.kill();
    const Ended ended = wait_for_end(*ends.receiver_control, milliseconds{12'000});
    EXPECT_EQ(ended.error, "unreachable");
    join();
    EXPECT_TRUE(result.equal);
    ASSERT_TRUE(b.alive());
    ASSERT_NO_FATAL_FAILURE(a.start());
    ASSERT_NO_FATAL_FAILURE(expect_reachable(b, a, 7001));
}

TEST_F(Processes, ASenderWhosePeerCameBackIsReset) {
    configure("[tcp]\nuser_timeout = \"5s\"\n");
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    transfer(ends, endless);
    ASSERT_TRUE(wait_for_bytes(4 << 20));
    b.kill();
    ASSERT_NO_FATAL_FAILURE(b.start());
    const Ended ended = wait_for_end(*ends.sender_control, milliseconds{5'000});
    EXPECT_EQ(ended.error, "reset");
    EXPECT_LT(ended.after, milliseconds{4'000});
    join();
    ASSERT_NO_FATAL_FAILURE(expect_reachable(a, b, 7001));
}

TEST_F(Processes, NewKeysEverySecondUnderLoadLoseNoByte) {
    configure("[rekey]\ninitiator = \"1s\"\nresponder = \"1.5s\"\n");
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    const Json before = a.call("peer.list")["peers"][0]["handshakes"];
    constexpr std::uint64_t size = 40 << 20;
    transfer(ends, size, 8 << 20);
    join();
    EXPECT_EQ(result.bytes, size);
    EXPECT_TRUE(result.equal && result.ended);
    EXPECT_LT(result.longest_gap, milliseconds{1'000});
    EXPECT_GE(a.call("peer.list")["peers"][0]["handshakes"].get<int>() - before.get<int>(), 3);
}

// In both directions: the node behind the NAT sends, or the other one does.
class BehindNat : public Processes, public testing::WithParamInterface<bool> {};

TEST_P(BehindNat, ANewPortInMidTransferLosesNoByteAndTheFlowGoesOnWithinASecond) {
    Nat nat{b.port()};
    a.configure(b, nat.port(), "[rekey]\ninitiator = \"1s\"\nresponder = \"1.5s\"\n");
    b.configure(a, 0, "[rekey]\ninitiator = \"1s\"\nresponder = \"1.5s\"\n");
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = GetParam() ? connect(a, b, 7000) : connect(b, a, 7000);
    constexpr std::uint64_t size = 24 << 20;
    transfer(ends, size, 8 << 20);
    for (unsigned change = 1; change <= 3; ++change) {
        ASSERT_TRUE(wait_for_bytes(change * (6 << 20)));
        nat.change_port();
    }
    join();
    EXPECT_EQ(nat.changed(), 3u);
    EXPECT_EQ(result.bytes, size);
    EXPECT_TRUE(result.equal && result.ended);
    EXPECT_LT(result.longest_gap, milliseconds{1'000});
}

INSTANTIATE_TEST_SUITE_P(Direction, BehindNat, testing::Bool(),
                         [](const auto& given) { return given.param ? "ItSends" : "ItReceives"; });

TEST_F(Processes, ATransferThroughFaultsIsEqual) {
    configure(
        "[fault]\nloss = \"1%\"\nreorder = \"5%\"\nduplicate = \"1%\"\ncorrupt = \"1%\"\ndelay = \"1ms\"\njitter = "
        "\"1ms\"\nseed = 7\n");
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    constexpr std::uint64_t size = 4 << 20;
    transfer(ends, size);
    join();
    EXPECT_EQ(result.bytes, size);
    EXPECT_TRUE(result.equal && result.ended);
    const Json info = a.call("node.info");
    EXPECT_GT(info["fault"]["lost"], 0);
    EXPECT_GT(info["fault"]["corrupted"], 0);
    EXPECT_GT(info["tcp"]["retransmitted_segments"], 0);
    EXPECT_EQ(info["tcp"]["checksum_errors"], 0) << "corruption ends at the channel";
}

TEST_F(Processes, SigtermEndsFlowsInOrderAndTellsTheNeighbour) {
    configure();
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    ASSERT_EQ(::send(ends.sender.get(), "last words", 10, MSG_NOSIGNAL), 10);
    a.signal(SIGTERM);
    char text[16]{};
    EXPECT_EQ(::recv(ends.receiver.get(), text, 10, MSG_WAITALL), 10);
    EXPECT_EQ(::recv(ends.receiver.get(), text, 1, 0), 0) << "a FIN after them";
    ends.receiver.reset();
    EXPECT_EQ(wait_for_end(*ends.receiver_control, milliseconds{3'000}).error, "");
    EXPECT_EQ(wait_for_end(*ends.sender_control, milliseconds{3'000}).error, "");
    EXPECT_EQ(a.wait(), 0);
    for (const auto begin = Clock::now(); since(begin) < milliseconds{1'000};)
        if (b.call("peer.list")["peers"][0]["state"] != "up") break;
    EXPECT_NE(b.call("peer.list")["peers"][0]["state"], "up") << "CLOSE came";
}

TEST_F(Processes, ASecondSignalEndsTheNodeAtOnce) {
    configure();
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    a.signal(SIGTERM);
    std::this_thread::sleep_for(milliseconds{100});
    ASSERT_TRUE(a.alive()) << "the flow's other half is still open";
    a.signal(SIGINT);
    const auto begin = Clock::now();
    EXPECT_EQ(a.wait(), 0);
    EXPECT_LT(since(begin), milliseconds{1'500});
    EXPECT_EQ(wait_for_end(*ends.receiver_control, milliseconds{3'000}).error, "reset");
}

TEST_F(Processes, SighupReadsTheConfigurationAgainWithoutDroppingASession) {
    configure();
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(a, b, 7000);
    constexpr std::uint64_t size = 8 << 20;
    transfer(ends, size, 8 << 20);
    ASSERT_TRUE(wait_for_bytes(1 << 20));
    const NodeProcess c{directory, "c"};
    const std::string more = "[[peer]]\nname = \"c\"\naddress = \"" + c.address() +
                             "\"\nendpoints = [\"127.0.0.1:" + std::to_string(c.port()) + "\"]\n";
    a.configure(b, b.port(), more);
    a.signal(SIGHUP);
    for (const auto begin = Clock::now(); since(begin) < milliseconds{2'000} && a.call("peer.list")["peers"].size() < 2;) {}
    EXPECT_EQ(a.call("peer.list")["peers"].size(), 2u);
    a.configure(b, b.port(), "[tcp]\nuser_timeot = \"5s\"\n");
    a.signal(SIGHUP);
    join();
    EXPECT_TRUE(result.equal && result.ended);
    EXPECT_EQ(result.bytes, size);
    EXPECT_EQ(a.call("peer.list")["peers"].size(), 2u) << "a configuration with mistakes changes nothing";
    EXPECT_NE(a.log().find("did you mean \"user_timeout\"?"), std::string::npos);
    a.configure(b, b.port());
    a.signal(SIGHUP);
    for (const auto begin = Clock::now(); since(begin) < milliseconds{2'000} && a.call("peer.list")["peers"].size() > 1;) {}
    EXPECT_EQ(a.call("peer.list")["peers"].size(), 1u);
}

// Resident memory, KiB.
long resident(pid_t pid) {
    std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    return 0;
}

// What an attacker on the path has: every datagram of the handshake and of a flow, and all that can be made of them.
class Attacker {
public:
    Attacker(std::uint16_t target, std::vector<std::vector<std::byte>> heard) : heard_{std::move(heard)} {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(target);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    }

    void send_one() {
        const std::vector<std::byte>& real = heard_[random_() % heard_.size()];
        std::array<std::byte, 2'048> bytes{};
        std::size_t size = std::min(real.size(), bytes.size());
        std::copy_n(real.begin(), size, bytes.begin());
        switch (random_() % 4) {
        case 0: break;                                                        // again, as it was
        case 1: size = random_() % size; break;                               // cut off
        case 2: bytes[random_() % size] ^= std::byte(1 + random_() % 255); break;  // sealed under other keys
        case 3:                                                               // made up: every type of packet, and others
            size = random_() % 256;
            for (std::size_t i = 0; i < size; ++i) bytes[i] = std::byte(random_());
            bytes[0] = std::byte(random_() % 7);
            bytes[1] = std::byte(random_() % 2);
        }
        if (::send(socket_.get(), bytes.data(), size, 0) >= 0) sent_ += size;
        std::array<std::byte, 2'048> reply;
        for (ssize_t got; (got = ::recv(socket_.get(), reply.data(), reply.size(), MSG_DONTWAIT)) > 0;) {
            heard_back_ += std::uint64_t(got);
            largest_ = std::max(largest_, got);
        }
    }

    std::uint64_t sent() const { return sent_; }              // bytes
    std::uint64_t heard_back() const { return heard_back_; }
    ssize_t largest_reply() const { return largest_; }

private:
    UniqueFd socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    std::vector<std::vector<std::byte>> heard_;
    std::mt19937_64 random_{11};
    std::uint64_t sent_{0}, heard_back_{0};
    ssize_t largest_{0};
};

// Replayed, truncated, altered and random datagrams, a million of them, while a flow is open.
TEST_F(Processes, AMillionHostileDatagramsAtTheUdpPortDeliverNothingAndMemoryStaysFlat) {
    Nat nat{b.port()};
    a.configure(b, nat.port());
    b.configure(a, 0);
    ASSERT_NO_FATAL_FAILURE(start());
    const Ends ends = connect(a, b, 7000);
    ASSERT_TRUE(ends.sender && ends.receiver);
    const std::string text(20'000, 'w');
    ASSERT_EQ(::send(ends.sender.get(), text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
    std::string got(text.size(), ' ');
    ASSERT_EQ(::recv(ends.receiver.get(), got.data(), got.size(), MSG_WAITALL), ssize_t(got.size()));
    ASSERT_EQ(got, text);

    Attacker attacker{b.port(), nat.passed()};
    const auto before_any = b.call("node.info")["overlay"]["datagrams_in"].get<std::uint64_t>();
    long before = 0;
    for (int i = 0; i < 1'000'000; ++i) {
        if (i == 200'000) before = resident(b.pid());
        attacker.send_one();
        if (i % 64 == 0) std::this_thread::sleep_for(std::chrono::microseconds{100});  // or the socket would drop most
    }
    ASSERT_TRUE(b.alive());
    EXPECT_LT(resident(b.pid()) - before, 4'096) << "KiB";
    EXPECT_GT(b.call("node.info")["overlay"]["datagrams_in"].get<std::uint64_t>() - before_any, 500'000u);
    EXPECT_LE(attacker.largest_reply(), 176) << "a RESP, which a replayed INIT of 192 bytes may have";
    EXPECT_LE(attacker.heard_back(), attacker.sent());
    char more = 0;
    EXPECT_EQ(::recv(ends.receiver.get(), &more, 1, MSG_DONTWAIT), -1) << "nothing was delivered";
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(::send(ends.sender.get(), "still", 5, MSG_NOSIGNAL), 5);
    ASSERT_EQ(::recv(ends.receiver.get(), got.data(), 5, MSG_WAITALL), 5);
    EXPECT_EQ(got.substr(0, 5), "still");
    ASSERT_NO_FATAL_FAILURE(expect_reachable(b, a, 7001));
}

}  // namespace
}  // namespace weft::node
