// The filter grammar: what it chooses, and what it says of mistakes.
#include "stack/core/filter.h"

#include <gtest/gtest.h>

#include <set>

#include "stack/core/address_text.h"
#include "tests/core/made_records.h"

namespace weft::trace {
namespace {

class Filters : public testing::Test {
protected:
    Filters() {
        const auto define = [&](std::uint32_t id, std::string_view text) {
            const Address address = *parse_address(text);
            Define body{id, 0, {}};
            std::ranges::copy(address.bytes(), body.bytes.begin());
            replay_.apply(record_of(1, no_flow, Type::define, body, std::uint16_t(address.family())));
        };
        define(0, "192.0.2.1"), define(1, "192.0.2.77"), define(3, "2001:db8::1");
        FlowBegin begin{1, 0, 1, 7'000, 443, 1, 0, 1, 0, second, {'c', 'u', 'b', 'i', 'c'}};
        replay_.apply(record_of(second, 5, Type::flow, begin));
        replay_.apply(record_of(second, 5, Type::state, StateChange{0, 2, 1, 0, 1}));
        replay_.apply(record_of(2 * second, 5, Type::state, StateChange{2, 4, 0, 0, 1}));
        replay_.apply(
            record_of(2 * second, 5, Type::congestion, Congestion{65'536, 1'000, 4'000, 1, 1'250'000, 25'000'000, 1'500}));
        replay_.apply(record_of(3 * second, 5, Type::counters, Counters{0, 0, 0, 0, 3, 1, 0, 0, 0, 0}));
        replay_.apply(record_of(4 * second, 5, Type::counters, Counters{1'250'000, 10, 0, 0, 3, 1, 0, 0, 0, 0}));
        replay_.apply(record_of(4 * second, 5, Type::limit, Limit{2, 0}));
    }

    bool matches(std::string_view text) {
        const auto filter = Filter::parse(text);
        EXPECT_TRUE(filter.has_value()) << text << ": " << to_string(filter.error());
        return filter && filter->matches(replay_, *replay_.find(5));
    }
    static std::string error(std::string_view text) {
        const auto filter = Filter::parse(text);
        return filter ? "none" : to_string(filter.error());
    }

    static constexpr std::int64_t second = 1'000'000'000;
    Replay replay_;
};

TEST_F(Filters, ChooseByEveryKindOfField) {
    for (const std::string_view yes : {"",
                                       "  ",
                                       "tcp.state == ESTABLISHED",
                                       "tcp.state == established",
                                       "tcp.state != TIME-WAIT",
                                       "tcp.state ~ estab",
                                       "rtt > 20ms",
                                       "rtt == 25ms",
                                       "rtt>=25000us",
                                       "rtt < 1s",
                                       "rtt < 0.5s",
                                       "rttvar == 1.5us",
                                       "cwnd == 64KiB",
                                       "cwnd > 65kB",
                                       "ssthresh == 1000",
                                       "inflight <= 4kB",
                                       "pacing == 10Mbit/s",
                                       "rate.in == 10M",
                                       "rate > 9.9Mbit/s",
                                       "rate.out < 1k",
                                       "local == 192.0.2.1",
                                       "local == 192.0.2.1:7000",
                                       "remote == 192.0.2.77:443",
                                       "remote ~ 2.77",
                                       "remote ~ \":443\"",
                                       "remote != 192.0.2.1",
                                       "port == 443",
                                       "port == 7000",
                                       "port != 80",
                                       "local.port == 7000",
                                       "remote.port < 1024",
                                       "cc == cubic",
                                       "cc == CUBIC",
                                       "cc ~ ubi",
                                       "cc != newreno",
                                       "family == ipv4",
                                       "role == active",
                                       "limit == rwnd",
                                       "retransmissions == 3",
                                       "timeouts > 0",
                                       "bytes.in == 1250kB",
                                       "bytes.out == 10B",
                                       "flow == 5",
                                       "generation == 1",
                                       "age == 3s",
                                       "since == 2s",
                                       "losses == 0",
                                       "known",
                                       "!ended",
                                       "known && !ended"})
        EXPECT_TRUE(matches(yes)) << yes;
    for (const std::string_view no :
         {"tcp.state == LISTEN", "tcp.state != established", "rtt > 25ms", "rtt < 20ms", "cwnd < 64KiB", "rate > 10Mbit/s",
          "local == 192.0.2.77", "remote ~ 99", "remote == 2001:db8::1", "remote == *", "port != 443", "cc == newreno",
          "cc ~ x", "family == overlay", "ended", "!known", "age > 1h", "limit == cwnd"})
        EXPECT_FALSE(matches(no)) << no;
}

TEST_F(Filters, AndBindsTighterThanOr) {
    EXPECT_TRUE(matches("known || ended && ended"));
    EXPECT_FALSE(matches("(known || ended) && ended"));
    EXPECT_TRUE(matches("ended && ended || known"));
    EXPECT_TRUE(matches("!(ended || rtt < 1ms) && (cc == cubic || cc == bbr)"));
    EXPECT_TRUE(matches("!!known"));
    EXPECT_FALSE(matches("!known || ended"));
    EXPECT_TRUE(matches("tcp.state==ESTABLISHED&&rtt>20ms"));
}

TEST_F(Filters, AnOldRateIsNone) {
    replay_.apply(record_of(60 * second, no_flow, Type::mark, Text{}));
    EXPECT_TRUE(matches("rate == 0"));
}

TEST_F(Filters, AnAddressOfTheOverlayIsChosenByItsShortForm) {
    std::array<std::byte, 64> bytes{};
    bytes.fill(std::byte{0x5a});
    const Address address{Family::overlay, bytes};
    for (std::uint32_t part = 0; part < 2; ++part) {
        Define body{9, part, {}};
        std::copy_n(bytes.begin(), part == 0 ? 40 : 24, body.bytes.begin());
        replay_.apply(record_of(5 * second, no_flow, Type::define, body, std::uint16_t(Family::overlay)));
    }
    FlowBegin begin{2, no_id, 9, 7'000, 443, 3, 0, 1, 0, second, {}};
    replay_.apply(record_of(5 * second, 5, Type::flow, begin));
    EXPECT_TRUE(matches("remote == " + format_short_form(address)));
    EXPECT_TRUE(matches("remote == " + to_string(address)));
    EXPECT_TRUE(matches("remote == " + OverlayFamily::format_host_name(address)));
    EXPECT_TRUE(matches("remote ~ weft1"));
    EXPECT_TRUE(matches("local == *"));
    EXPECT_FALSE(matches("remote != " + to_string(address)));
}

TEST_F(Filters, MistakesAreSentencesWithTheirPlace) {
    EXPECT_TRUE(
        error("rt > 20ms").starts_with("at character 1: no field is called 'rt': there are tcp.state, local, remote"));
    EXPECT_EQ(error("rtt > 20"), "at character 7: '20' is no duration: write it as in rtt == 20ms");
    EXPECT_EQ(error("rtt"), "at character 4: expected ==, !=, <, <=, >, >= or ~ behind rtt, as in rtt == 20ms");
    EXPECT_EQ(error("rtt >"), "at character 6: expected a value here, as in rtt == 20ms");
    EXPECT_EQ(error("rtt ~ 20ms"), "at character 5: rtt is a number: ~ is for texts");
    EXPECT_EQ(error("cc > cubic"), "at character 4: cc has no order: use ==, != or ~");
    EXPECT_EQ(error("tcp.state == OPEN"), "at character 14: 'OPEN' is no state: write it as in tcp.state == ESTABLISHED");
    EXPECT_EQ(error("(known"), "at character 1: this parenthesis is never closed");
    EXPECT_EQ(error("known)"), "at character 6: this parenthesis was never opened");
    EXPECT_EQ(error("known known"), "at character 7: expected && or || here, or the end");
    EXPECT_EQ(error("known &&"), "at character 9: expected a field here, such as tcp.state or rtt");
    EXPECT_EQ(error("ended == 1"), "at character 7: ended stands alone, or behind !: it is true or not");
    EXPECT_EQ(error("cc == \"cub"), "at character 7: this quotation is never closed");
    EXPECT_EQ(error("remote == example"), "at character 11: 'example' is no address: write it as in remote == 192.0.2.1");
    EXPECT_EQ(error("bytes.in > 99999999999999999999"),
              "at character 12: '99999999999999999999' is no number of bytes: write it as in bytes.in == 64KiB");
    EXPECT_EQ(error("bytes.in > 18446744073709551615GiB").substr(0, 15), "at character 12");
}

TEST_F(Filters, DepthAndLengthAreBounded) {
    const auto nested = [](std::size_t depth) { return std::string(depth, '(') + "known" + std::string(depth, ')'); };
    EXPECT_TRUE(matches(nested(Filter::depth_limit - 1)));
    EXPECT_TRUE(error(nested(Filter::depth_limit)).contains("at most 32 deep"));
    EXPECT_TRUE(error(std::string(Filter::depth_limit, '!') + "known").contains("at most 32 deep"));
    EXPECT_EQ(error(std::string(2'000, ' ')), "at character 1025: a filter has at most 1024 characters");
    std::string deep = "known";  // each level leaves an operand of || and one of && waiting
    for (std::size_t i = 1; i < Filter::depth_limit; ++i) deep = "ended||known&&(" + deep + ")";
    EXPECT_TRUE(matches(deep));
}

TEST_F(Filters, EveryFieldIsThereOnceWithAnExampleThatIsRead) {
    std::set<std::string_view> names;
    for (const Filter::Field& field : Filter::fields()) {
        EXPECT_TRUE(names.insert(field.name).second) << field.name;
        EXPECT_FALSE(field.doc.empty());
        EXPECT_FALSE(Filter::kind_name(field.kind).empty());
        const std::string text = field.kind == Filter::Kind::flag
                                     ? std::string(field.name)
                                     : std::string(field.name) + " == " + std::string(Filter::example(field.kind));
        EXPECT_EQ(error(text), "none") << text;
    }
}

}  // namespace
}  // namespace weft::trace
