// The same streams over Asio without Boost, where it is installed (libasio-dev): in one program with those over Boost's.
#include <gtest/gtest.h>

#if __has_include(<asio.hpp>)

#define WEFT_STANDALONE_ASIO
#define ASIO_STANDALONE
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <string>
#include <system_error>

#include "stack/api/asio_stream.h"
#include "stack/api/virtual_net.h"
#include "tests/engine/host_address.h"

namespace weft::asio_api::standalone {
namespace {

using net::use_awaitable;

TEST(AsioStandalone, TextGoesThereAndBackAndErrorsAreTheStandardLibrarys) {
    api::VirtualNet wire;
    api::Shard& a = wire.host({test::host_address(Family::overlay, 1)});
    api::Shard& b = wire.host({test::host_address(Family::overlay, 2)});
    net::io_context context;
    Acceptor acceptor{context.get_executor(), api::Listener::open(b, {{.local = {{}, 0, 80}}}).value()};
    std::string back(5, '.');
    std::error_code end;
    bool done = false;
    const auto serve = [&]() -> net::awaitable<void> {
        Stream stream = co_await acceptor.async_accept(use_awaitable);
        std::array<char, 5> into{};
        co_await net::async_read(stream, net::buffer(into), use_awaitable);
        co_await net::async_write(stream, net::buffer(into), use_awaitable);
    };
    const auto ask = [&]() -> net::awaitable<void> {
        Stream stream{context.get_executor()};
        co_await stream.async_connect(a, {test::host_address(Family::overlay, 2), 0, 80}, use_awaitable);
        co_await net::async_write(stream, net::buffer("hello", 5), use_awaitable);
        co_await net::async_read(stream, net::buffer(back), use_awaitable);
        std::array<char, 1> more{};
        co_await net::async_read(stream, net::buffer(more), net::redirect_error(use_awaitable, end));
        done = true;
    };
    net::co_spawn(context, serve(), net::detached);
    net::co_spawn(context, ask(), net::detached);
    for (int turn = 0; turn < 100'000 && !done; ++turn)
        if (context.restart(), context.poll() == 0) wire.run(Duration::milliseconds(1));
    EXPECT_EQ(back, "hello");
    EXPECT_EQ(end, net::error::eof);
}

}  // namespace
}  // namespace weft::asio_api::standalone

#else

TEST(AsioStandalone, TextGoesThereAndBackAndErrorsAreTheStandardLibrarys) {
    GTEST_SKIP() << "no Asio without Boost (libasio-dev)";
}

#endif
