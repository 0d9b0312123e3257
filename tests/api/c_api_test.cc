// The C API's stack without I/O: two of them, whose packets a test carries.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "stack/api/c_stack.h"
#include "stack/api/weft.h"

namespace {

struct C : testing::Test {
    C() {
        const std::array<uint8_t, 16> one{1}, two{2};
        EXPECT_EQ(weft_new("address = 10.0.0.1/24", one.data(), &a), 0) << weft_why();
        EXPECT_EQ(
            weft_new("# the other\naddress = \"10.0.0.2/24\"\naddress = 10.0.0.3\nsend_buffer = 65536\n", two.data(), &b), 0)
            << weft_why();
    }
    ~C() override {
        weft_free(a);
        weft_free(b);
    }

    bool carry(weft_stack* from, weft_stack* to) {
        std::array<weft_packet, 8> packets;
        bool any = false;
        for (int count = 0; (count = weft_output(from, packets.data(), packets.size(), now)) > 0;) {
            any = true;
            EXPECT_EQ(weft_input(to, packets.data(), std::size_t(count), now), count);
        }
        return any;
    }
    void settle() {
        while (carry(a, b) | carry(b, a)) {}
    }
    void run(weft_time time) {
        const weft_time end = now + time;
        for (settle(); std::min(weft_deadline(a), weft_deadline(b)) <= end; settle()) {
            now = std::max(now, std::min(weft_deadline(a), weft_deadline(b)));
            EXPECT_EQ(weft_advance(a, now), 0);
            EXPECT_EQ(weft_advance(b, now), 0);
        }
        now = end;
    }
    static weft_sockaddr address(const char* text) {
        weft_sockaddr out;
        EXPECT_EQ(weft_parse(text, &out), 0) << text;
        return out;
    }
    // A connection from `a` to port 80 of `b`: its ends.
    std::pair<weft_fd, weft_fd> joined(const weft_options* options = nullptr) {
        const weft_sockaddr to = address("10.0.0.2:80");
        const weft_fd listener = weft_listen(b, &to, 5, nullptr);
        const weft_fd client = weft_connect(a, nullptr, &to, options);
        settle();
        return {client, weft_accept(b, listener, nullptr)};
    }
    std::int16_t ready(weft_stack* s, weft_fd fd, std::int16_t events) {
        weft_pollfd one{fd, events, 0, 0};
        weft_poll(s, &one, 1);
        return one.revents;
    }

    weft_stack *a = nullptr, *b = nullptr;
    weft_time now = 1'000'000'000;
};

TEST_F(C, AConnectionCarriesTextBothWaysAndEnds) {
    const weft_sockaddr to = address("10.0.0.2:80");
    const weft_fd listener = weft_listen(b, &to, 5, nullptr);
    ASSERT_GT(listener, 0);
    const weft_fd client = weft_connect(a, nullptr, &to, nullptr);
    ASSERT_GT(client, 0);
    EXPECT_EQ(weft_accept(b, listener, nullptr), -EAGAIN);
    EXPECT_EQ(ready(a, client, POLLOUT), 0);
    settle();
    EXPECT_EQ(ready(a, client, POLLOUT), POLLOUT);
    EXPECT_EQ(ready(b, listener, POLLIN), POLLIN);
    weft_sockaddr from, local;
    const weft_fd server = weft_accept(b, listener, &from);
    ASSERT_GT(server, 0);
    EXPECT_EQ(from.bytes[3], 1);
    EXPECT_EQ(weft_peers(b, server, &local, &from), 0);
    EXPECT_EQ(local.port, 80);

    EXPECT_EQ(weft_write(a, client, "hello", 5, 0), 5);
    settle();
    std::array<char, 16> text{};
    EXPECT_EQ(weft_ioctl(b, server, FIONREAD), 5);
    EXPECT_EQ(weft_read(b, server, text.data(), text.size(), WEFT_PEEK), 5);
    iovec parts[2];
    weft_lease* lease = nullptr;
    ASSERT_EQ(weft_take(b, server, parts, 2, &lease), 5);
    EXPECT_EQ(std::string(static_cast<char*>(parts[0].iov_base), parts[0].iov_len), "hello");
    std::thread{[&] { weft_return(lease); }}.join();
    EXPECT_EQ(weft_take(b, server, parts, 2, &lease), -EAGAIN);
    EXPECT_EQ(weft_finish(a, client), -EAGAIN);
    settle();
    EXPECT_EQ(weft_read(b, server, text.data(), text.size(), 0), 0);
    EXPECT_EQ(weft_close(b, server), 0);
    EXPECT_EQ(weft_close(b, server), -EBADF);
    settle();
    EXPECT_EQ(weft_read(a, client, text.data(), text.size(), 0), 0);
    EXPECT_EQ(weft_finish(a, client), 0);
    EXPECT_EQ(weft_close(a, client), 0);
}

TEST_F(C, TextGoesWithTheSynOnceTheServersCookieIsKnown) {  // RFC 7413
    const weft_options fast{.size = sizeof fast, .flags = WEFT_FAST_OPEN};
    const weft_sockaddr to = address("10.0.0.2:80");
    const weft_fd listener = weft_listen(b, &to, 5, &fast);
    ASSERT_GT(listener, 0);
    const weft_fd first = weft_connect(a, nullptr, &to, &fast);
    ASSERT_GT(first, 0);
    EXPECT_EQ(weft_write(a, first, "early", 5, 0), -EAGAIN) << "it asks for a cookie, and carries nothing";
    settle();
    EXPECT_EQ(weft_close(b, weft_accept(b, listener, nullptr)), 0);
    EXPECT_EQ(weft_close(a, first), 0);
    settle();

    const weft_fd second = weft_connect(a, nullptr, &to, &fast);
    ASSERT_GT(second, 0);
    EXPECT_EQ(ready(a, second, POLLOUT), POLLOUT) << "the SYN waits for it";
    settle();
    EXPECT_EQ(weft_accept(b, listener, nullptr), -EAGAIN);
    EXPECT_EQ(weft_write(a, second, "early", 5, 0), 5);
    EXPECT_TRUE(carry(a, b)) << "one packet";
    const weft_fd server = weft_accept(b, listener, nullptr);
    ASSERT_GT(server, 0) << "before the handshake is through";
    std::array<char, 16> text{};
    EXPECT_EQ(weft_read(b, server, text.data(), text.size(), 0), 5);
    EXPECT_STREQ(text.data(), "early");
    EXPECT_EQ(weft_write(b, server, "answer", 6, 0), 6);
    settle();
    EXPECT_EQ(weft_read(a, second, text.data(), text.size(), 0), 6);
    EXPECT_STREQ(text.data(), "answer");
}

TEST_F(C, AResetIsNoEndEvenWhereAnotherCallHasToldItFirst) {
    const auto [client, server] = joined();
    ASSERT_GT(server, 0);
    EXPECT_EQ(weft_write(a, client, "unread", 6, 0), 6);
    settle();
    EXPECT_EQ(weft_close(b, server), 0);
    settle();
    char byte = 0;
    EXPECT_EQ(weft_read(a, client, &byte, 1, 0), -ECONNRESET);
    EXPECT_EQ(weft_read(a, client, &byte, 1, 0), 0) << "as Linux has it: an error is told once";
    EXPECT_EQ(weft_finish(a, client), -ECONNRESET);
    EXPECT_EQ(weft_finish(a, client), -ECONNRESET);
}

TEST_F(C, ALeaseThatIsReturnedTwiceIsLentToOneAlone) {
    const weft_options at_once{.size = sizeof at_once, .flags = WEFT_NODELAY};
    const auto [client, server] = joined(&at_once);
    iovec part;
    weft_lease* lease = nullptr;
    const auto take = [&](const char* text) {
        EXPECT_EQ(weft_write(a, client, text, 1, 0), 1);
        settle();
        EXPECT_EQ(weft_take(b, server, &part, 1, &lease), 1);
        return lease;
    };
    weft_lease* const once = take("1");
    weft_return(once);
    weft_return(once);
    weft_return(nullptr);
    weft_lease* const first = take("2");
    const iovec kept = part;
    weft_lease* const second = take("3");
    EXPECT_NE(first, second);
    EXPECT_EQ(*static_cast<char*>(kept.iov_base), '2');
    EXPECT_EQ(*static_cast<char*>(part.iov_base), '3');
    EXPECT_EQ(weft_take(b, server, &part, 1, &lease), -EAGAIN);
    EXPECT_EQ(lease, nullptr);
    lease = second;
    EXPECT_EQ(weft_take(b, server, nullptr, 1, &lease), -EINVAL);
    EXPECT_EQ(lease, nullptr);
    weft_return(first);
    weft_return(second);
}

TEST_F(C, WhatIsRefusedAndWhatIsNonsenseSaysWhy) {
    const weft_sockaddr to = address("10.0.0.2:81"), any = address("*:0");
    EXPECT_EQ(weft_connect(a, nullptr, &any, nullptr), -EINVAL);
    EXPECT_EQ(weft_connect(a, &to, &to, nullptr), -EADDRNOTAVAIL);
    const weft_options short_one{.size = 3};
    EXPECT_EQ(weft_connect(a, nullptr, &to, &short_one), -EINVAL);
    const weft_fd client = weft_connect(a, nullptr, &to, nullptr);
    settle();
    EXPECT_EQ(ready(a, client, POLLIN) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    EXPECT_EQ(weft_write(a, client, "x", 1, 0), -ECONNREFUSED);
    EXPECT_EQ(weft_write(a, client, "x", 1, 0), -EPIPE);
    EXPECT_EQ(weft_write(a, client, "x", 1, 0x4000'0000), -EINVAL);
    EXPECT_EQ(weft_read(a, -5, nullptr, 0, 0), -EBADF);
    weft_stack* none = nullptr;
    const std::array<uint8_t, 16> seed{};
    EXPECT_EQ(weft_new("address = 10.0.0.1\nsend_bufer = 1", seed.data(), &none), -EINVAL);
    EXPECT_TRUE(std::string(weft_why()).starts_with("line 2: ")) << weft_why();
    EXPECT_EQ(weft_new("address = 10.0.0.300", seed.data(), &none), -EINVAL);
    EXPECT_EQ(weft_new("mtu", seed.data(), &none), -EINVAL);
    EXPECT_EQ(weft_new("mtu = 5", seed.data(), &none), -EINVAL);
    EXPECT_EQ(weft_new("address = 10.0.0.1", nullptr, &none), -EINVAL);
    EXPECT_NE(std::string(weft_why()).find("seed"), std::string::npos) << weft_why();
    EXPECT_EQ(weft_new("address = 10.0.0.1", seed.data(), nullptr), -EINVAL);
    EXPECT_NE(std::string(weft_why()).find("out"), std::string::npos) << weft_why();
    EXPECT_EQ(none, nullptr);
}

TEST_F(C, AFunctionThatListensIsAskedWithBothEndsAndDecides) {
    struct Asked {
        std::vector<std::string> who;
        enum weft_answer answer { WEFT_ACCEPT };
        weft_fd last{0};
    } asked;
    const auto function = [](void* context, weft_fd fd, const weft_sockaddr* local, const weft_sockaddr*) {
        auto& to = *static_cast<Asked*>(context);
        std::array<char, 64> text{};
        weft_format(local, text.data(), text.size());
        to.who.emplace_back(text.data());
        to.last = fd;
        return to.answer;
    };
    const weft_sockaddr any = address("*:0");
    const weft_fd listener = weft_listen_with(b, &any, 8, nullptr, function, &asked);
    ASSERT_GT(listener, 0);
    const weft_sockaddr one = address("10.0.0.2:5"), two = address("10.0.0.3:60000");
    const weft_fd first = weft_connect(a, nullptr, &one, nullptr);
    settle();
    EXPECT_EQ(ready(a, first, POLLOUT), POLLOUT);
    const weft_fd accepted = weft_accept(b, listener, nullptr);
    EXPECT_GT(accepted, 0);
    asked.answer = WEFT_REFUSE;
    const weft_fd second = weft_connect(a, nullptr, &two, nullptr);
    settle();
    EXPECT_EQ(weft_write(a, second, "x", 1, 0), -ECONNREFUSED);
    asked.answer = WEFT_LATER;
    const weft_fd third = weft_connect(a, nullptr, &two, nullptr);
    run(100'000'000);
    EXPECT_EQ(ready(a, third, POLLOUT), 0) << "nothing went back";
    char byte = 0;
    EXPECT_EQ(weft_close(b, asked.last), -EBADF) << "a question is no flow";
    EXPECT_EQ(weft_read(b, asked.last, &byte, 1, 0), -EBADF);
    for (const weft_fd flow : {listener, accepted, asked.last & 0x00ff'ffff'ffff'ffff, weft_fd{-1}})
        EXPECT_EQ(weft_answer(b, flow, WEFT_REFUSE), -EBADF) << "a flow is no question: " << flow;
    for (const int none : {-1, int(WEFT_LATER) + 1, 1 << 30}) EXPECT_EQ(weft_answer(b, asked.last, none), -EINVAL);
    EXPECT_EQ(weft_answer(b, asked.last, WEFT_ACCEPT), 0);
    settle();
    EXPECT_EQ(ready(a, third, POLLOUT), POLLOUT);
    EXPECT_EQ(weft_answer(b, asked.last, WEFT_ACCEPT), -EBADF);
    EXPECT_EQ(asked.who, (std::vector<std::string>{"10.0.0.2:5", "10.0.0.3:60000", "10.0.0.3:60000"}));
}

TEST_F(C, AFunctionThatCallsItsOwnStackIsToldSoAndDoesNotWaitForItself) {
    struct Heard {
        weft_stack *stack, *other;
        weft_lease* lease{nullptr};
        std::vector<std::int64_t> said;
    } heard{b, a};
    const auto function = [](void* context, weft_fd, const weft_sockaddr* local, const weft_sockaddr*) {
        auto& to = *static_cast<Heard*>(context);
        weft_packet packet{};
        std::array<char, 100> text{};
        to.said = {weft_listen(to.stack, local, 1, nullptr),
                   weft_close(to.stack, -5),
                   weft_advance(to.stack, 0),
                   weft_deadline(to.stack),
                   weft_input(to.stack, &packet, 0, 0),
                   weft_output(to.stack, &packet, 1, 0)};
        weft_return(to.lease);
        EXPECT_GT(weft_format(local, text.data(), text.size()), 0);
        EXPECT_EQ(weft_close(to.other, -5), -EBADF) << "another stack has a lock of its own";
        return WEFT_ACCEPT;
    };
    const weft_sockaddr plain = address("10.0.0.2:80"), asks = address("10.0.0.2:81");
    const weft_fd listener = weft_listen(b, &plain, 5, nullptr);
    ASSERT_GT(weft_listen_with(b, &asks, 8, nullptr, function, &heard), 0);
    const weft_fd client = weft_connect(a, nullptr, &plain, nullptr);
    settle();
    EXPECT_EQ(weft_write(a, client, "x", 1, 0), 1);
    settle();
    iovec part;
    ASSERT_EQ(weft_take(b, weft_accept(b, listener, nullptr), &part, 1, &heard.lease), 1);
    const weft_fd asked = weft_connect(a, nullptr, &asks, nullptr);
    settle();
    EXPECT_EQ(heard.said, std::vector<std::int64_t>(6, -EDEADLK));
    EXPECT_EQ(ready(a, asked, POLLOUT), POLLOUT);
    EXPECT_EQ(weft_close(b, -5), -EBADF) << "and the lock is free again";
}

TEST_F(C, AFunctionThatThrowsHasRefusedTheSynAndSaysSo) {
    const auto function = [](void* context, weft_fd, const weft_sockaddr*, const weft_sockaddr*) -> enum weft_answer {
        if (++*static_cast<int*>(context) == 1) throw std::runtime_error("no such guest");
        if (*static_cast<int*>(context) == 2) throw 5;
        return WEFT_ACCEPT;
    };
    int asked = 0;
    const weft_sockaddr to = address("10.0.0.2:81");
    ASSERT_GT(weft_listen_with(b, &to, 8, nullptr, function, &asked), 0);
    for (const char* const what : {"no such guest", "no std::exception"}) {
        const weft_fd refused = weft_connect(a, nullptr, &to, nullptr);
        settle();
        EXPECT_EQ(weft_write(a, refused, "x", 1, 0), -ECONNREFUSED);
        EXPECT_NE(std::string(weft_why()).find(what), std::string::npos) << weft_why();
    }
    const weft_fd third = weft_connect(a, nullptr, &to, nullptr);
    settle();
    EXPECT_EQ(ready(a, third, POLLOUT), POLLOUT) << "the stack goes on";
    EXPECT_EQ(asked, 3);
}

TEST_F(C, AListenerThatNamesNoBacklogHasTheStacks) {
    b->backlog = 1;
    const auto let_in = [&](const char* text, int backlog) {
        const weft_sockaddr to = address(text);
        const weft_fd listener = weft_listen(b, &to, backlog, nullptr);
        EXPECT_GT(listener, 0);
        for (int i = 0; i < 10; ++i) EXPECT_GT(weft_connect(a, nullptr, &to, nullptr), 0);
        settle();
        int count = 0;
        while (weft_accept(b, listener, nullptr) > 0) ++count;
        return count;
    };
    EXPECT_EQ(let_in("10.0.0.2:81", 0), 2) << "one more than is said, as on Linux";
    EXPECT_EQ(let_in("10.0.0.2:82", -1), 2);
    EXPECT_EQ(let_in("10.0.0.2:83", 5), 6);
}

TEST_F(C, AFunctionMayListenOnEachPortOfOneAddress) {
    const auto function = [](void* context, weft_fd, const weft_sockaddr* local, const weft_sockaddr*) {
        static_cast<std::vector<int>*>(context)->push_back(local->port);
        return WEFT_ACCEPT;
    };
    std::vector<int> ports;
    const weft_sockaddr every = address("10.0.0.3:0"), same = address("10.0.0.3:9"), other = address("10.0.0.2:9");
    const weft_fd listener = weft_listen_with(b, &every, 8, nullptr, function, &ports);
    ASSERT_GT(listener, 0);
    const weft_fd reached = weft_connect(a, nullptr, &same, nullptr), refused = weft_connect(a, nullptr, &other, nullptr);
    settle();
    EXPECT_EQ(ready(a, reached, POLLOUT), POLLOUT);
    EXPECT_EQ(weft_write(a, refused, "x", 1, 0), -ECONNREFUSED);
    EXPECT_EQ(ports, std::vector<int>{9});
    EXPECT_EQ(weft_close(b, listener), 0);
}

// The largest segment that the SYN,ACK of a stack names, asked by a stack with frames that fit any.
int offered(const char* config) {
    const std::array<uint8_t, 16> seed{};
    weft_stack *ours = nullptr, *asking = nullptr;
    EXPECT_EQ(weft_new(config, seed.data(), &ours), 0) << weft_why();
    EXPECT_EQ(weft_new("mtu = 9000\naddress = 10.0.0.1/24", seed.data(), &asking), 0) << weft_why();
    const auto accept = [](void*, weft_fd, const weft_sockaddr*, const weft_sockaddr*) { return WEFT_ACCEPT; };
    weft_sockaddr any, to;
    weft_parse("*:0", &any);
    weft_parse("10.0.0.9:80", &to);
    EXPECT_GT(weft_listen_with(ours, &any, 8, nullptr, accept, nullptr), 0);
    EXPECT_GT(weft_connect(asking, nullptr, &to, nullptr), 0);
    weft_packet packet;
    EXPECT_EQ(weft_output(asking, &packet, 1, 1'000'000'000), 1);
    weft_input(ours, &packet, 1, 1'000'000'000);
    int segment = -1;
    if (weft_output(ours, &packet, 1, 1'000'000'000) == 1 && packet.length > 44) {
        const auto* bytes = static_cast<const std::uint8_t*>(packet.data);
        for (std::size_t at = 40; at + 4 <= packet.length && segment < 0;
             at += bytes[at] == 1 ? 1 : std::max(1, +bytes[at + 1]))
            if (bytes[at] == 2) segment = bytes[at + 2] << 8 | bytes[at + 3];
    }
    weft_free(ours);
    weft_free(asking);
    return segment;
}

TEST(CStack, ALinkThatBringsAnyAddressHasTheMtuOfItsLineAndMayBeTurnedOff) {
    EXPECT_EQ(offered("mtu = 4000\nany_address = on\nlink = 1\nmtu = 1400\naddress = 10.0.1.1/24"), 3'960);
    EXPECT_EQ(offered("any_address = on\nany_address = off\naddress = 10.0.1.1/24"), -1);
}

TEST_F(C, AddressesOfAllFamiliesAreReadAndWritten) {
    for (const char* text : {"10.0.0.1:80", "[fe80::1%2]:80", "[::1]:0", "*:7000"}) {
        const weft_sockaddr parsed = address(text);
        std::array<char, 200> out{};
        EXPECT_EQ(weft_format(&parsed, out.data(), out.size()), int(std::strlen(text)));
        EXPECT_STREQ(out.data(), text);
        EXPECT_EQ(weft_format(&parsed, out.data(), std::strlen(text)), -ENOSPC);
    }
    weft_sockaddr out;
    for (const char* text :
         {"", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "fe80::1:80", "[fe80::1%x]:80", "nobody:1", "[*]:80"})
        EXPECT_EQ(weft_parse(text, &out), -EINVAL) << text;
    EXPECT_EQ(weft_abi(), WEFT_ABI);
}

TEST_F(C, EdgesAreToldOnceAndLevelsAsLongAsTheyHold) {
    const weft_sockaddr to = address("10.0.0.2:80");
    const weft_fd listener = weft_listen(b, &to, 5, nullptr);
    const weft_fd client = weft_connect(a, nullptr, &to, nullptr);
    settle();
    std::array<weft_pollfd, 4> edges;
    ASSERT_EQ(weft_events(b, edges.data(), edges.size()), 1);
    EXPECT_EQ(edges[0].fd, listener);
    EXPECT_EQ(edges[0].revents, POLLIN);
    EXPECT_EQ(weft_events(b, edges.data(), edges.size()), 0);
    EXPECT_EQ(ready(b, listener, POLLIN), POLLIN);
    ASSERT_EQ(weft_events(a, edges.data(), edges.size()), 1);
    EXPECT_EQ(edges[0].fd, client);
}

TEST_F(C, AStackThatItsOwnFunctionFreesGoesWhenTheCallThatAskedEnds) {
    struct Freed {
        weft_stack* stack;
        int calls{0};
    } freed{b};
    const auto function = [](void* context, weft_fd, const weft_sockaddr*, const weft_sockaddr*) {
        auto& mine = *static_cast<Freed*>(context);
        ++mine.calls;
        weft_free(mine.stack);
        return WEFT_ACCEPT;
    };
    const weft_sockaddr to = address("10.0.0.2:80");
    ASSERT_GT(weft_listen_with(b, &to, 5, nullptr, function, &freed), 0);
    ASSERT_GT(weft_connect(a, nullptr, &to, nullptr), 0);
    weft_packet packet;
    ASSERT_EQ(weft_output(a, &packet, 1, now), 1);
    EXPECT_EQ(weft_input(b, &packet, 1, now), 1) << "the call ends as if nothing had happened; the stack is gone then";
    EXPECT_EQ(freed.calls, 1);
    b = nullptr;  // the sanitizer says whether it is gone, once
}

TEST_F(C, HalvesPartsLingeringAndUrgentTextAreAsLinuxHasThem) {
    const auto [client, server] = joined();
    char one[] = "one ", two[] = "two ", three[] = "three";
    const iovec out[] = {{one, 4}, {nullptr, 0}, {two, 4}, {three, 5}};
    EXPECT_EQ(weft_writev(a, client, out, 4, 0), 13);
    EXPECT_EQ(weft_writev(a, client, out, -1, 0), -EINVAL);
    EXPECT_EQ(weft_writev(a, client, nullptr, 1, 0), -EINVAL);
    EXPECT_EQ(weft_ioctl(a, client, TIOCOUTQ), 13);
    EXPECT_EQ(weft_shutdown(a, client, WEFT_WRITE), 0);
    EXPECT_EQ(weft_write(a, client, "x", 1, 0), -EPIPE);
    EXPECT_EQ(weft_shutdown(a, client, 0), -EINVAL);
    settle();
    std::array<char, 5> head{};
    std::array<char, 16> tail{};
    const iovec in[] = {{head.data(), head.size()}, {tail.data(), tail.size()}};
    EXPECT_EQ(ready(b, server, POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
    EXPECT_EQ(weft_readv(b, server, in, 2, WEFT_PEEK), 13);
    EXPECT_EQ(weft_readv(b, server, in, 2, 0), 13);
    EXPECT_EQ(std::string(head.data(), 5) + tail.data(), "one two three");
    EXPECT_EQ(weft_readv(b, server, in, 2, 0), 0) << "the end, as often as it is asked";
    EXPECT_EQ(weft_readv(b, server, in, 2, 0), 0);
    EXPECT_EQ(weft_write(b, server, "back!", 5, WEFT_URGENT), 5) << "its half is open";
    settle();
    EXPECT_EQ(ready(a, client, POLLIN | POLLPRI), POLLIN | POLLPRI);
    EXPECT_EQ(weft_read(a, client, tail.data(), tail.size(), WEFT_URGENT), -EINVAL) << "it stays in the stream";
    EXPECT_EQ(weft_read(a, client, tail.data(), tail.size(), 0), 5);

    const linger at_once{1, 0};
    linger told{};
    std::size_t length = sizeof told;
    EXPECT_EQ(weft_setsockopt(b, server, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    EXPECT_EQ(weft_getsockopt(b, server, SOL_SOCKET, SO_LINGER, &told, &length), 0);
    EXPECT_EQ(told.l_onoff, 1);
    EXPECT_EQ(weft_setsockopt(b, server, SOL_SOCKET, SO_LINGER, &at_once, 3), -EINVAL);
    EXPECT_EQ(weft_setsockopt(b, server, SOL_SOCKET, SO_LINGER, nullptr, 8), -EFAULT);
    EXPECT_EQ(weft_close(b, server), 0);
    settle();
    EXPECT_EQ(ready(a, client, POLLIN) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    EXPECT_EQ(weft_read(a, client, tail.data(), tail.size(), 0), -ECONNRESET);
}

TEST_F(C, WhatNeedsLinksOfItsOwnSaysThatThereAreNone) {
    EXPECT_EQ(weft_event_fd(a), -EOPNOTSUPP);
    weft_sockaddr own;
    EXPECT_EQ(weft_self(b, WEFT_ANY, &own), 0);
    EXPECT_EQ(own.bytes[3], 2);
    EXPECT_EQ(weft_self(b, WEFT_OVERLAY, &own), -EADDRNOTAVAIL);
    EXPECT_EQ(weft_wait(a, nullptr, 0, -1), 0) << "nothing blocks";
    EXPECT_EQ(weft_wait(a, nullptr, 0, -2), -EINVAL);
}

TEST_F(C, TwoThreadsMayUseOneStack) {
    const auto [client, server] = joined();
    constexpr std::size_t total = 300'000;
    std::thread writer{[&] {
        for (std::size_t sent = 0; sent < total;) {
            const std::array<char, 1'000> bytes{};
            const ssize_t taken = weft_write(a, client, bytes.data(), std::min(bytes.size(), total - sent), 0);
            if (taken > 0) sent += std::size_t(taken);
            else std::this_thread::yield();
        }
    }};
    std::size_t received = 0;
    std::array<char, 4'096> into;
    while (received < total) {
        now += 1'000'000;
        EXPECT_EQ(weft_advance(a, now), 0);
        EXPECT_EQ(weft_advance(b, now), 0);
        settle();
        for (ssize_t got = 0; (got = weft_read(b, server, into.data(), into.size(), 0)) > 0;) received += std::size_t(got);
    }
    writer.join();
    EXPECT_EQ(received, total);
}

}  // namespace
