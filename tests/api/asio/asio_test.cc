// Unmodified Boost.Beast and ssl::stream over weft streams: HTTP in virtual time over each family, the same through TLS, and an io_context
// that turns two shards over real sockets. All of Boost is in this one source: it takes long to compile.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "node/entropy.h"
#include "node/log.h"
#include "node/shard_carrier.h"
#include "stack/api/asio_stream.h"
#include "stack/api/task.h"
#include "stack/api/virtual_net.h"
#include "stack/core/address_text.h"
#include "tests/engine/host_address.h"

namespace weft::asio_api {
namespace {

namespace http = boost::beast::http;
namespace ssl = net::ssl;
using net::use_awaitable;

template <class Over>
net::awaitable<void> answer_one(Over& stream) {
    boost::beast::flat_buffer buffer;
    http::request<http::string_body> request;
    co_await http::async_read(stream, buffer, request, use_awaitable);
    http::response<http::string_body> response{http::status::ok, 11};
    response.body() = std::string(request.target()) + std::string(200'000, '.');
    response.prepare_payload();
    co_await http::async_write(stream, response, use_awaitable);
}

template <class Over>
net::awaitable<std::string> ask_one(Over& stream, std::string path) {
    http::request<http::empty_body> request{http::verb::get, path, 11};
    co_await http::async_write(stream, request, use_awaitable);
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    co_await http::async_read(stream, buffer, response, use_awaitable);
    co_return response.body().substr(0, path.size()) + " " + std::to_string(response.body().size());
}

// A key and a certificate of its own making, as PEM would hold them.
void certify(ssl::context& context) {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3'600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3'600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("weft"), -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    EXPECT_GT(X509_sign(certificate, key, EVP_sha256()), 0);
    EXPECT_EQ(SSL_CTX_use_certificate(context.native_handle(), certificate), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context.native_handle(), key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void rethrow(std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
}

struct AsioStreams : testing::TestWithParam<Family> {
    AsioStreams() { net_.delay = Duration::milliseconds(1); }
    void run(const bool& done) {
        for (int turn = 0; turn < 1'000'000 && !done; ++turn)
            if (context.restart(), context.poll() == 0) net_.run(Duration::milliseconds(1));
        EXPECT_TRUE(done);
    }
    Endpoint server(std::uint16_t port = 80) const { return {test::host_address(GetParam(), 2), 0, port}; }

    api::VirtualNet net_;
    api::Shard& a = net_.host({test::host_address(GetParam(), 1)});
    api::Shard& b = net_.host({test::host_address(GetParam(), 2)});
    net::io_context context;
    Acceptor acceptor{context.get_executor(), api::Listener::open(b, {{.local = {{}, 0, 80}}}).value()};
};
INSTANTIATE_TEST_SUITE_P(Families, AsioStreams, testing::Values(Family::ipv4, Family::ipv6, Family::overlay),
                         [](const auto& one) {
                             return one.param == Family::ipv4 ? "ipv4" : one.param == Family::ipv6 ? "ipv6" : "overlay";
                         });

TEST_P(AsioStreams, BeastSpeaksHttpAndTheSameThroughTls) {
    ssl::context serving{ssl::context::tls_server}, asking{ssl::context::tls_client};
    certify(serving);
    bool served = false, done = false;
    const auto serve = [&]() -> net::awaitable<void> {
        Stream plain = co_await acceptor.async_accept(use_awaitable);
        co_await answer_one(plain);
        ssl::stream<Stream> secure{co_await acceptor.async_accept(use_awaitable), serving};
        co_await secure.async_handshake(ssl::stream_base::server, use_awaitable);
        co_await answer_one(secure);
        error_code truncated;
        co_await secure.async_shutdown(net::redirect_error(use_awaitable, truncated));
        served = true;
    };
    std::string first, second;
    const auto ask = [&]() -> net::awaitable<void> {
        Stream plain{context.get_executor()};
        co_await plain.async_connect(a, server(), use_awaitable);
        first = co_await ask_one(plain, "/plain");
        ssl::stream<Stream> secure{context.get_executor(), asking};
        co_await secure.lowest_layer().async_connect(a, server(), use_awaitable);
        co_await secure.async_handshake(ssl::stream_base::client, use_awaitable);
        second = co_await ask_one(secure, "/secure");
        boost::system::error_code ignored;
        co_await secure.async_shutdown(net::redirect_error(use_awaitable, ignored));
        secure.lowest_layer().close();
        done = true;
    };
    net::co_spawn(context, serve(), rethrow);
    net::co_spawn(context, ask(), rethrow);
    run(done);
    run(served);
    EXPECT_EQ(first, "/plain 200006");
    EXPECT_EQ(second, "/secure 200007");
}

// One server and one client, whatever their sockets are.
template <class Listens>
net::awaitable<void> serve_one(Listens& listens) {
    auto stream = co_await listens.async_accept(use_awaitable);
    co_await answer_one(stream);
}

TEST_P(AsioStreams, OneServerRunsOverTheKernelsSocketsAndOverWeft) {
    using net::ip::tcp;
    std::string by_kernel, by_weft;
    bool done = false;
    tcp::acceptor kernel{context, tcp::endpoint{net::ip::address_v4::loopback(), 0}};
    const auto ask_both = [&]() -> net::awaitable<void> {
        tcp::socket socket{context};
        co_await socket.async_connect(kernel.local_endpoint(), use_awaitable);
        by_kernel = co_await ask_one(socket, "/same");
        Stream stream{context.get_executor()};
        co_await stream.async_connect(a, server(), use_awaitable);
        by_weft = co_await ask_one(stream, "/same");
        done = true;
    };
    net::co_spawn(context, serve_one(kernel), rethrow);
    net::co_spawn(context, serve_one(acceptor), rethrow);
    net::co_spawn(context, ask_both(), rethrow);
    run(done);
    EXPECT_EQ(by_kernel, "/same 200005");
    EXPECT_EQ(by_weft, by_kernel);
}

TEST_P(AsioStreams, APendingReadEndsWhenItIsCancelledAndWhenItsStreamIsClosed) {
    error_code refused, cancelled, closed, after, empty = net::error::eof, unopened;
    Stream stream{context.get_executor()}, nobody{context.get_executor()}, none{context.get_executor()};
    std::array<std::byte, 8> into{};
    net::cancellation_signal signal;
    bool done = false;
    const auto try_all = [&]() -> net::awaitable<void> {
        co_await nobody.async_connect(a, server(81), net::redirect_error(use_awaitable, refused));
        co_await none.async_read_some(net::buffer(into), net::redirect_error(use_awaitable, unopened));
        co_await stream.async_connect(a, server(), use_awaitable);
        stream.async_read_some(net::buffer(into), net::bind_cancellation_slot(
                                                      signal.slot(), [&](auto error, std::size_t) { cancelled = error; }));
        signal.emit(net::cancellation_type::terminal);
        co_await stream.async_read_some(net::mutable_buffer{}, net::redirect_error(use_awaitable, empty));
        stream.async_read_some(net::buffer(into), [&](auto error, std::size_t) { closed = error; });
        stream.close();
        co_await stream.async_write_some(net::buffer(into), net::redirect_error(use_awaitable, after));
        done = true;
    };
    net::co_spawn(context, try_all(), rethrow);
    run(done);
    EXPECT_EQ(refused, net::error::connection_refused);
    EXPECT_EQ(cancelled, net::error::operation_aborted);
    EXPECT_EQ(closed, net::error::operation_aborted);
    EXPECT_EQ(after, net::error::bad_descriptor);
    EXPECT_EQ(unopened, net::error::bad_descriptor);
    EXPECT_FALSE(empty);
}

// A handler that says whether it was called, and whether it lives.
struct Watched {
    std::shared_ptr<int> calls{std::make_shared<int>(0)};
    auto handler() const {
        return [calls = calls](auto&&...) { ++*calls; };
    }
    bool gone() const { return calls.use_count() == 1; }
};

TEST_P(AsioStreams, WhatIsPendingGoesWithItsContextAndTheShardGoesOn) {
    Watched accepts, reads, owned, inner, connects;
    std::array<std::byte, 8> to{};
    auto ending = std::make_unique<net::io_context>();
    Acceptor waits{ending->get_executor(), api::Listener::open(b, {{.local = {{}, 0, 82}}}).value()};
    waits.async_accept(accepts.handler());
    Stream silent{ending->get_executor(), api::Stream::connect(a, server()).value()}, open{ending->get_executor()};
    silent.async_read_some(net::buffer(to), reads.handler());
    api::Stream kept = api::Stream::connect(a, server()).value();
    const auto owns_its_stream = [&]() -> net::awaitable<void> {
        Stream mine{ending->get_executor(), std::move(kept)};
        mine.async_read_some(net::mutable_buffer{to.data(), 1}, inner.handler());  // its stream's end ends it
        co_await mine.async_read_some(net::buffer(to), use_awaitable);
    };
    net::co_spawn(*ending, owns_its_stream(), owned.handler());
    for (int turn = 0; turn < 5; ++turn) ending->poll();
    open.async_connect(a, server(), connects.handler());
    net_.run(Duration::milliseconds(10));  // this one is in the context's queue, and not called
    const std::array all{&accepts, &reads, &owned, &inner, &connects};
    for (const Watched* one : all) EXPECT_FALSE(one->gone());
    ending.reset();
    for (const Watched* one : all) {
        EXPECT_EQ(*one->calls, 0);
        EXPECT_TRUE(one->gone());
    }
    auto next = api::Stream::connect(a, server(82));
    ASSERT_TRUE(next) << "its listener is there";
    EXPECT_TRUE(next->write(std::array{std::byte{1}}));
    net_.run(Duration::seconds(1));
    EXPECT_EQ(b.peers().size(), 4u);
}

std::unique_ptr<node::ShardCarrier> carrier() {
    EXPECT_TRUE(node::start_sodium());
    node::set_log_level(node::LogLevel::error);
    overlay::Seed seed{};
    node::system_entropy()(seed);
    node::ShardConfig config;
    config.links.network = overlay::Network::make("asio", 0, std::nullopt);
    config.udp.listen4 = parse_udp_endpoint("127.0.0.1:0").value();
    auto shard = node::Shard::open(overlay::Identity{seed}, config, node::system_entropy());
    EXPECT_TRUE(shard) << shard.error();
    return node::ShardCarrier::make(std::move(*shard)).value();
}

TEST(AsioTurner, AnIoContextTurnsShardsOverRealSockets) {
    const auto left = carrier(), right = carrier();
    UdpEndpoint where = left->shard().udp().local4();
    right->shard().add_peer(left->shard().address(), {&where, 1});
    api::Shard a{*left}, b{*right};
    std::string body;
    {
        net::io_context context;
        Acceptor acceptor{context.get_executor(), api::Listener::open(a, {{.local = {{}, 0, 80}}}).value()};
        Turner first{context, a}, second{context, b};
        const auto serve = [&]() -> net::awaitable<void> {
            Stream stream = co_await acceptor.async_accept(use_awaitable);
            co_await answer_one(stream);
            std::array<std::byte, 8> into{};
            error_code end;
            co_await stream.async_read_some(net::buffer(into), net::redirect_error(use_awaitable, end));
            EXPECT_EQ(end, net::error::eof);
            context.stop();
        };
        const auto ask = [&]() -> net::awaitable<void> {
            Stream stream{context.get_executor()};
            co_await stream.async_connect(b, {left->shard().address(), 0, 80}, use_awaitable);
            body = co_await ask_one(stream, "/512-bit");
        };
        net::co_spawn(context, serve(), rethrow);
        net::co_spawn(context, ask(), rethrow);
        context.run_for(std::chrono::seconds(120));
    }
    EXPECT_EQ(body, "/512-bit 200008");
}

// The reactor finds both at once; the call of the second waits in its queue when both go.
TEST(AsioTurner, ATurnerMayGoFromWithinItsOwnTurn) {
    const auto left = carrier(), right = carrier();
    api::Shard a{*left}, b{*right};
    net::io_context context;
    auto first = std::make_unique<Turner>(context, a), second = std::make_unique<Turner>(context, b);
    while (context.poll() > 0) {}
    const auto ends = [](std::unique_ptr<Turner>& one, std::unique_ptr<Turner>& other) -> api::Task<> {
        one.reset();
        other.reset();
        co_return;
    };
    a.spawn(ends(first, second));
    b.spawn(ends(first, second));
    context.run_for(std::chrono::seconds(60));
    EXPECT_TRUE(context.stopped()) << "it waits for nothing more";
    EXPECT_FALSE(first || second);
    (void)a.turn();
    (void)b.turn();
}

TEST(AsioTurner, AContextMayEndWhileAnotherThreadAnswersWhatIsPendingInIt) {
    const auto left = carrier(), right = carrier();
    const UdpEndpoint where = left->shard().udp().local4();
    right->shard().add_peer(left->shard().address(), {&where, 1});
    api::Shard a{*left}, b{*right};
    api::Listener listener = api::Listener::open(a, {{.local = {{}, 0, 80}}}).value();
    std::atomic<bool> done{false};
    std::thread leads{[&] {
        while (!done) (void)a.turn(a.in(Duration::milliseconds(5)));
    }};
    for (int round = 0; round < 40; ++round) {
        api::Stream client = api::Stream::connect(b, {left->shard().address(), 0, 80}).value();
        api::Stream server = listener.accept().value();
        Watched reads;
        std::array<std::byte, 8> into{};
        auto context = std::make_unique<net::io_context>();
        Stream stream{context->get_executor(), std::move(server)};  // it outlives the context: nothing else ends its read
        stream.async_read_some(net::buffer(into), reads.handler());
        EXPECT_TRUE(client.write(std::array{std::byte{1}}));
        for (int turn = 0; turn < round % 8; ++turn) (void)b.turn();
        context.reset();
        EXPECT_EQ(*reads.calls, 0);
        EXPECT_TRUE(reads.gone());
    }
    done = true;
    leads.join();
}

// An executor whose end takes its time, the n-th of them in the thread that answers: meanwhile another thread ends the context.
struct Witness {
    int slow{0};  // which one
    std::atomic<bool> posted{false}, begin{false}, gone{false}, late{false};
    std::atomic<int> ended{0};
    std::atomic<std::thread::id> answers;
};
struct SlowExecutor {
    net::io_context::executor_type inner;
    Witness* seen;

    SlowExecutor(net::io_context::executor_type over, Witness& by) : inner{over}, seen{&by} {}
    SlowExecutor(const SlowExecutor&) noexcept = default;
    SlowExecutor& operator=(const SlowExecutor&) = delete;
    ~SlowExecutor() {
        if (!seen->posted || seen->answers.load() != std::this_thread::get_id() || ++seen->ended != seen->slow) return;
        seen->begin = true;
        for (int i = 0; i < 50 && !seen->gone; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        seen->late = seen->gone.load();
    }
    bool operator==(const SlowExecutor& other) const noexcept { return inner == other.inner; }
    net::execution_context& query(net::execution::context_t) const noexcept { return inner.context(); }
    SlowExecutor require(net::execution::blocking_t::never_t) const { return *this; }
    template <class Call>
    void execute(Call call) const {
        net::post(inner, std::move(call));
        seen->posted = true;
    }
};

TEST(AsioContext, WhoAnswersHoldsNothingOfAContextThatMayEnd) {
    int last = 0;  // how many of them end where it is answered
    for (int slow = 1; slow <= last + 1; ++slow) {
        api::VirtualNet wire;
        api::Shard& a = wire.host({test::host_address(Family::overlay, 1)});
        api::Shard& b = wire.host({test::host_address(Family::overlay, 2)});
        api::Listener listener = api::Listener::open(b, {{.local = {{}, 0, 80}}}).value();
        api::Stream client = api::Stream::connect(a, {test::host_address(Family::overlay, 2), 0, 80}).value();
        Witness seen{.slow = slow};
        auto context = std::make_unique<net::io_context>();
        Stream stream{context->get_executor(), listener.accept().value()};
        std::array<std::byte, 8> into{};
        stream.async_read_some(net::buffer(into),
                               net::bind_executor(SlowExecutor{context->get_executor(), seen}, [](auto&&...) {}));
        std::atomic<bool> done{false};
        std::thread answers{[&] {
            seen.answers = std::this_thread::get_id();
            (void)client.try_write(std::array{std::byte{1}});
            wire.run(Duration::milliseconds(50));
            done = true;
        }};
        while (!seen.begin && !done) std::this_thread::yield();
        context.reset();
        seen.gone = true;
        answers.join();
        EXPECT_TRUE(seen.posted);
        EXPECT_FALSE(seen.late) << "the end of executor " << slow << " outlived the context";
        last = std::max(last, seen.ended.load());
        ASSERT_LT(last, 100);
    }
    EXPECT_GT(last, 0);
}

}  // namespace
}  // namespace weft::asio_api
