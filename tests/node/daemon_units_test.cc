// Numbers with units, and the words that were probably meant.
#include "node/suggest.h"
#include "node/units.h"

namespace weft::node {
namespace {

TEST(Units, DurationsAreExactToTheNanosecond) {
    EXPECT_EQ(parse_duration("5s"), Duration::seconds(5));
    EXPECT_EQ(parse_duration("0.1ms"), Duration::microseconds(100));
    EXPECT_EQ(parse_duration("1.000000001s"), Duration::nanoseconds(1'000'000'001));
    EXPECT_EQ(parse_duration("90min"), Duration::seconds(5'400));
    EXPECT_EQ(parse_duration("1000h"), Duration::seconds(3'600'000));
    EXPECT_EQ(parse_duration("0s"), Duration{});
}

TEST(Units, DurationsSayWhatIsWrong) {
    EXPECT_EQ(parse_duration("5").error(), "has no unit");
    EXPECT_EQ(parse_duration("").error(), "does not begin with a number");
    EXPECT_EQ(parse_duration("s").error(), "does not begin with a number");
    EXPECT_EQ(parse_duration("-1s").error(), "is negative");
    EXPECT_EQ(parse_duration("1.s").error(), "has no digits after its point");
    EXPECT_EQ(parse_duration(".5s").error(), "does not begin with a number");
    EXPECT_EQ(parse_duration("5 s").error(), "has a space before its unit");
    EXPECT_EQ(parse_duration("5S").error(), "has an unknown unit");
    EXPECT_EQ(parse_duration("5sec").error(), "has an unknown unit");
    EXPECT_EQ(parse_duration("0.5ns").error(), "is finer than a nanosecond");
    EXPECT_EQ(parse_duration("24001h").error(), "is longer than 1000 days");
    EXPECT_EQ(parse_duration("1234567890123456789s").error(), "has too many digits");
    EXPECT_EQ(parse_duration("999999999999999999h").error(), "is longer than 1000 days");
}

TEST(Units, SizesKnowBothKindsOfThousand) {
    EXPECT_EQ(parse_size("1B"), 1u);
    EXPECT_EQ(parse_size("1kB"), 1'000u);
    EXPECT_EQ(parse_size("1KiB"), 1'024u);
    EXPECT_EQ(parse_size("1.5MiB"), 1'572'864u);
    EXPECT_EQ(parse_size("2GB"), 2'000'000'000u);
    EXPECT_EQ(parse_size("1000000GiB").value(), 1'073'741'824'000'000u);
    EXPECT_EQ(parse_size("0.5B").error(), "is not a whole number of bytes");
    EXPECT_EQ(parse_size("99999999GiB").error(), "is larger than 2^50 bytes");
    EXPECT_EQ(parse_size("5kb").error(), "has an unknown unit");
}

TEST(Units, PercentsAreWholePartsPerMillion) {
    EXPECT_EQ(parse_percent("1%"), 10'000u);
    EXPECT_EQ(parse_percent("0.0001%"), 1u);
    EXPECT_EQ(parse_percent("100%"), 1'000'000u);
    EXPECT_EQ(parse_percent("100.1%").error(), "is more than 100%");
    EXPECT_EQ(parse_percent("0.00001%").error(), "is finer than a part per million");
    EXPECT_EQ(parse_percent("1").error(), "has no unit");
}

TEST(Units, RatesAreInBitsAndReadInBytes) {
    EXPECT_EQ(parse_rate("100Mbit"), 12'500'000u);
    EXPECT_EQ(parse_rate("1.5Gbit"), 187'500'000u);
    EXPECT_EQ(parse_rate("8bit"), 1u);
    EXPECT_EQ(parse_rate("12bit").error(), "is not a whole number of bytes a second");
    EXPECT_EQ(parse_rate("100").error(), "has no unit");
    EXPECT_EQ(parse_rate("100MB").error(), "has an unknown unit");
    EXPECT_EQ(parse_rate("999999999999Gbit").error(), "is more than 2^53 bits a second");
}

TEST(Suggest, DistanceCountsEditsAndSwaps) {
    EXPECT_EQ(edit_distance("", ""), 0u);
    EXPECT_EQ(edit_distance("abc", ""), 3u);
    EXPECT_EQ(edit_distance("listen", "lisetn"), 1u);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Suggest, OnlyWhatIsNearIsMeant) {
    constexpr std::string_view words[]{"listen", "network", "node"};
    EXPECT_EQ(nearest("lisen", words), "listen");
    EXPECT_EQ(nearest("netwrok", words), "network");
    EXPECT_EQ(nearest("banana", words), "");
    EXPECT_EQ(nearest(std::string(10'000, 'n'), words), "");
    EXPECT_EQ(did_you_mean("nod", words), "; did you mean \"node\"?");
}

}  // namespace
}  // namespace weft::node
