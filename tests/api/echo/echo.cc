// The same server twice: as a thread that blocks, and as coroutines. Its clients are of the other kind. In virtual time: `echo blocking`
// or `echo coroutines`; both say the same.
#include <array>
#include <cstdio>
#include <string_view>
#include <thread>
#include <vector>

#include "stack/api/task.h"
#include "stack/api/virtual_net.h"
#include "stack/core/address_text.h"

using namespace weft;
using namespace weft::api;

namespace {

constexpr int clients = 3;
constexpr std::size_t length = 10'000;

// ---- the server that blocks: a thread for each connection ----
void serve(Stream stream) {
    std::array<std::byte, 4'096> into;
    while (const auto count = stream.read_some(into))
        if (!stream.write(std::span{into}.first(*count))) return;
    (void)stream.finish();
}

void serve_all(Listener& listener) {
    std::vector<std::thread> threads;
    for (int i = 0; i < clients; ++i)
        if (auto stream = listener.accept()) threads.emplace_back(serve, std::move(*stream));
    for (std::thread& one : threads) one.join();
}

// ---- the same as coroutines: no thread ----
Task<> echo(Stream stream) {
    std::array<std::byte, 4'096> into;
    while (const auto count = co_await async::read_some(stream, into))
        if (!co_await async::write(stream, std::span{into}.first(*count))) co_return;
    (void)co_await async::finish(stream);
}

Task<> echo_all(Shard& shard, Listener& listener) {
    while (auto stream = co_await async::accept(listener)) shard.spawn(echo(std::move(*stream)));
}

// ---- a client ----
std::size_t ask(Shard& shard, const Endpoint& server) {
    auto stream = Stream::connect(shard, server);
    if (!stream) return 0;
    const std::vector<std::byte> sent(length, std::byte{'w'});
    std::vector<std::byte> back(length);
    if (!stream->write(sent) || !stream->read_exactly(back) || !stream->finish()) return 0;
    return sent == back ? length : 0;
}

}  // namespace

int main(int argc, char** argv) {
    const bool blocking = argc > 1 && std::string_view{argv[1]} == "blocking";
    VirtualNet net;
    net.threads = blocking;
    Shard& here = net.host({*parse_address("10.0.0.1")});
    Shard& there = net.host({*parse_address("10.0.0.2")});
    auto listener = Listener::open(there, {{.local = {{}, 0, 7}}});
    if (!listener) return 1;
    std::thread server;
    if (blocking) server = std::thread{[&] { serve_all(*listener); }};
    else there.spawn(echo_all(there, *listener));
    std::size_t echoed = 0;
    for (int i = 0; i < clients; ++i) echoed += ask(here, {*parse_address("10.0.0.2"), 0, 7});
    if (server.joinable()) server.join();
    there.disconnect();
    std::printf("%zu bytes came back\n", echoed);
    return echoed == clients * length ? 0 : 1;
}
