// What tests of streams run over: hosts with one address each of IPv4, IPv6 or 512 bits, on one wire in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "stack/api/stream.h"
#include "stack/api/task.h"
#include "stack/api/virtual_net.h"
#include "tests/engine/host_address.h"
#include "tests/seeds/seed.h"

namespace weft::test {

using api::Lease;
using api::Listener;
using api::Shard;
using api::Stream;
using api::Task;
namespace async = api::async;

inline std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span{text}); }

// Reads to the end, and counts the bytes.
inline Task<> counts(Stream& stream, std::size_t& count) {
    std::array<std::byte, 4'096> into;
    while (const auto some = co_await async::read_some(stream, into)) count += *some;
}

class StreamSeed : public ::testing::TestWithParam<Family> {
protected:
    StreamSeed() { net.delay = ms(5); }

    Endpoint server_at(std::uint16_t port = 80) const { return {host_address(GetParam(), 2), 0, port}; }
    static ListenOptions at(std::uint16_t port) {
        ListenOptions options;
        options.local.port = port;
        return options;
    }
    // Both ends of a connection.
    std::pair<Stream, Stream> opens(const ConnectOptions& options = {}) {
        if (!listener) listener = Listener::open(b, at(80)).value();
        Stream client = Stream::connect(a, server_at(), options).value();
        return {std::move(client), listener->accept().value()};
    }
    // Exactly so much of what came.
    static std::string reads(Stream& stream, std::size_t count) {
        std::string text(count, ' ');
        const auto all = stream.read_exactly(std::as_writable_bytes(std::span{text}));
        return all ? text : "(nothing)";
    }
    static Result<std::size_t> read_some(Stream& stream, Instant until = Instant::never()) {
        std::array<std::byte, 1'024> into;
        return stream.read_some(into, until);
    }
    void cuts_the_wire() {
        net.lose = [](std::uint64_t) { return true; };
    }

    api::VirtualNet net;
    Shard& a = net.host({host_address(GetParam(), 1)});
    Shard& b = net.host({host_address(GetParam(), 2)});
    std::optional<Listener> listener;
};

}  // namespace weft::test
