// What every test here runs over: two engines that speak IPv4, IPv6 or 512-bit addresses with each other, in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/engine/pair.h"

namespace weft::test {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }
constexpr Duration seconds(std::int64_t n) { return Duration::seconds(n); }

inline std::string family_name(const ::testing::TestParamInfo<Family>& info) {
    return info.param == Family::ipv4 ? "Ipv4" : info.param == Family::ipv6 ? "Ipv6" : "Bits512";
}

class Seed : public ::testing::TestWithParam<Family> {
protected:
    explicit Seed(const Config& config = {}) : pair{config, GetParam()} {}

    Endpoint server_at(std::uint16_t port = 80) const { return {pair.address(2), 0, port}; }
    ListenerId listens(Engine& at, std::uint16_t port = 80, ListenOptions options = {}) {
        options.local = {{}, 0, port};
        return at.listen(options, pair.now).value();
    }
    Flow connects(std::uint16_t port = 80, const ConnectOptions& options = {}) {
        return pair.a.connect(server_at(port), options, pair.now).value();
    }
    std::pair<Flow, Flow> opens(std::uint16_t port = 80, const ConnectOptions& options = {}) {
        const ListenerId listener = listens(pair.b, port);
        const Flow client = connects(port, options);
        pair.settle();
        const Flow server = pair.b.accept(listener, pair.now).value();
        pair.events(pair.a), pair.events(pair.b);
        return {client, server};
    }

    Result<std::size_t> writes(Engine& at, Flow flow, std::string_view text, WriteOptions options = {}) {
        return at.write(flow, std::as_bytes(std::span{text}), options, pair.now);
    }
    Result<std::string> reads(Engine& at, Flow flow, std::size_t most = 1 << 20) {
        std::string text(most, ' ');
        const auto count = at.read(flow, std::as_writable_bytes(std::span{text}), pair.now);
        if (!count) return std::unexpected(count.error());
        text.resize(*count);
        return text;
    }

    // The first event of this kind; others that were raised meanwhile are gone.
    std::optional<Event> hears(Engine& at, Event::Kind kind) {
        for (const Event& event : pair.events(at))
            if (event.kind == kind) return event;
        return {};
    }
    void cuts_the_wire(bool cut = true) {
        if (cut) pair.lose = [](std::uint64_t) { return true; };
        else pair.lose = {};
    }

    Pair pair;
};

#define WEFT_SEED_FAMILIES(suite) \
    INSTANTIATE_TEST_SUITE_P(Seeds, suite, ::testing::Values(Family::ipv4, Family::ipv6, Family::overlay), family_name)

}  // namespace weft::test
