// The table of functions that packetdrill calls, called as packetdrill calls it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "stack/core/address_text.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/tcp.h"
#include "tests/packetdrill/abi.h"

namespace weft::drill {
namespace {

sockaddr_in address(const char* text, std::uint16_t port) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    inet_pton(AF_INET, text, &in.sin_addr);
    return in;
}

const sockaddr* generic(const sockaddr_in& in) { return reinterpret_cast<const sockaddr*>(&in); }

// One script: a table that is filled anew.
struct Script : testing::Test {
    Script() { packetdrill_interface_init("local=192.168.0.1 mtu=1500", &table); }
    ~Script() override { table.free(table.userdata); }

    int socket() { return table.socket(table.userdata, AF_INET, SOCK_STREAM, IPPROTO_TCP); }

    // The next packet that leaves, its TCP header read.
    wire::TcpHeader next() {
        std::array<std::byte, 65'536> bytes;
        std::size_t count = bytes.size();
        EXPECT_EQ(table.netdev_receive(table.userdata, bytes.data(), &count, &left_at), 0);
        payload = 0;
        const auto view = wire::TcpView::parse(std::span{bytes}.subspan(20, count > 20 ? count - 20 : 0));
        if (!view) return {};
        payload = view->payload().size();
        return *wire::TcpHeader::read(*view);
    }

    long long now() {
        timeval time{};
        table.gettimeofday(table.userdata, &time, nullptr);
        return time.tv_sec * 1'000'000LL + time.tv_usec;
    }

    packetdrill_interface table{};
    long long left_at{0};
    std::size_t payload{0};
};

TEST_F(Script, EachLookAtTheClockMovesItSoThatWaitingForAnEventEnds) {
    const long long first = now();
    EXPECT_GT(now(), first);
    table.usleep(table.userdata, 5'000);
    EXPECT_GE(now(), first + 5'000);
}

TEST_F(Script, ANonblockingConnectLeavesASynAndSaysThatItIsOnItsWay) {
    const int fd = socket();
    ASSERT_GE(fd, 0);
    ASSERT_EQ(table.fcntl(table.userdata, fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
    EXPECT_EQ(table.fcntl(table.userdata, fd, F_GETFL), O_RDWR | O_NONBLOCK);
    const sockaddr_in to = address("192.0.2.1", 8080);
    EXPECT_EQ(table.connect(table.userdata, fd, generic(to), sizeof to), -1);
    EXPECT_EQ(errno, EINPROGRESS);
    EXPECT_EQ(table.connect(table.userdata, fd, generic(to), sizeof to), -1);
    EXPECT_EQ(errno, EALREADY);
    EXPECT_EQ(next().flags & (wire::syn | wire::ack), wire::syn);
    EXPECT_EQ(table.close(table.userdata, fd), 0);
}

TEST_F(Script, ABlockingConnectOnAThreadEndsWhenItWouldHaveAndThatThreadReadsThatTime) {
    const int fd = socket();
    const sockaddr_in to = address("192.0.2.1", 8080);
    int result = -2, error = 0;
    long long ended = 0;
    std::thread blocked{[&] {
        result = table.connect(table.userdata, fd, generic(to), sizeof to);
        error = errno;
        ended = now();
    }};
    // As packetdrill does it: nothing goes on before that thread sleeps.
    while ((next().flags & wire::syn) == 0) std::this_thread::yield();
    std::size_t repeated = 0;
    while ((next().flags & wire::syn) != 0) ++repeated;
    EXPECT_GT(repeated, 2u);
    blocked.join();
    EXPECT_EQ(result, -1);
    EXPECT_EQ(error, ETIMEDOUT);
    EXPECT_LE(ended, now());
    EXPECT_EQ(table.close(table.userdata, fd), 0);
}

TEST_F(Script, WhatNeverComesEndsTheWaitWithAPacketThatNobodyCanRead) {
    std::array<std::byte, 1'500> bytes;
    std::size_t count = bytes.size();
    EXPECT_EQ(table.netdev_receive(table.userdata, bytes.data(), &count, &left_at), 0);
    EXPECT_EQ(count, 1u);
}

TEST_F(Script, TheSocketsOfAStackAreRefusedWhatLinuxRefuses) {
    EXPECT_EQ(table.socket(table.userdata, AF_INET, SOCK_DGRAM, 0), -1);
    EXPECT_EQ(errno, EPROTONOSUPPORT);
    const int fd = socket();
    const sockaddr_in far = address("10.9.9.9", 80);
    EXPECT_EQ(table.bind(table.userdata, fd, generic(far), sizeof far), -1);
    EXPECT_EQ(errno, EADDRNOTAVAIL);
    char byte = 0;
    EXPECT_EQ(table.read(table.userdata, fd, &byte, 1), -1);
    EXPECT_EQ(errno, ENOTCONN);
    EXPECT_EQ(table.write(table.userdata, fd, &byte, 1), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_EQ(table.shutdown(table.userdata, fd, SHUT_WR), -1);
    EXPECT_EQ(errno, ENOTCONN);
    EXPECT_EQ(table.accept(table.userdata, fd, nullptr, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(table.close(table.userdata, fd), 0);
    EXPECT_EQ(table.close(table.userdata, fd), -1);
    EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace weft::drill
