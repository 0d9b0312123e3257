// TCP headers and options: RFC 9293, section 3; RFC 7323; RFC 2018.
#include "stack/wire/tcp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace weft::wire {
namespace {

TcpOptions random_options(std::mt19937_64& draw) {
    TcpOptions options;
    if (draw() % 2) options.mss = std::uint16_t(draw());
    if (draw() % 2) options.window_scale = std::uint8_t(draw());
    if (draw() % 2) options.timestamps = {std::uint32_t(draw()), std::uint32_t(draw())};
    options.sack_permitted = draw() % 2 != 0;
    const std::size_t fixed = (options.mss ? 4u : 0u) + (options.window_scale ? 4u : 0u) +
                              (options.timestamps       ? 12u
                               : options.sack_permitted ? 4u
                                                        : 0u);
    options.sack_count = std::uint8_t(draw() % ((TcpOptions::max_size - fixed - 4) / 8 + 1));
    for (std::size_t i = 0; i < options.sack_count; ++i)
        options.sack[i] = {SeqNum{std::uint32_t(draw())}, SeqNum{std::uint32_t(draw())}};
    return options;
}

TEST(TcpOptions, WhatIsWrittenIsReadBack) {
    std::mt19937_64 draw{1};
    for (int round = 0; round < 20'000; ++round) {
        const TcpOptions options = random_options(draw);
        std::array<std::byte, TcpOptions::max_size> bytes;
        bytes.fill(std::byte{0xee});
        const std::size_t size = options.write(bytes);
        ASSERT_EQ(size, options.size());
        ASSERT_EQ(size % 4, 0u);
        const auto read = TcpOptions::parse(Bytes{bytes}.first(size));
        ASSERT_TRUE(read);
        ASSERT_EQ(*read, options);
    }
}

TEST(TcpHeader, WhatIsWrittenIsReadBack) {
    std::mt19937_64 draw{2};
    for (int round = 0; round < 5'000; ++round) {
        const TcpHeader header{std::uint16_t(draw()),
                               std::uint16_t(draw()),
                               SeqNum{std::uint32_t(draw())},
                               SeqNum{std::uint32_t(draw())},
                               std::uint16_t(draw() & tcp_flag_bits),
                               std::uint16_t(draw()),
                               std::uint16_t(draw()),
                               std::uint16_t(draw()),
                               random_options(draw)};
        std::array<std::byte, 100> bytes{};
        const std::size_t size = header.write(bytes);
        const auto view = TcpView::parse(Bytes{bytes}.first(size + draw() % 10));
        ASSERT_TRUE(view);
        ASSERT_EQ(view->header_size(), size);
        const auto read = TcpHeader::read(*view);
        ASSERT_TRUE(read);
        ASSERT_EQ(*read, header);
        ASSERT_EQ(header.write(MutableBytes{bytes}.first(size - 1)), 0u);
    }
}

std::vector<std::byte> octets_of(std::initializer_list<int> values) {
    std::vector<std::byte> bytes;
    for (const int value : values) bytes.push_back(std::byte(value));
    return bytes;
}

TcpOptions parsed(std::initializer_list<int> values) {
    const auto options = TcpOptions::parse(octets_of(values));
    EXPECT_TRUE(options);
    return options.value_or(TcpOptions{});
}

bool illegal(std::initializer_list<int> values) {
    const auto options = TcpOptions::parse(octets_of(values));
    return !options && options.error() == Malformed::option;
}

TEST(Rfc9293, UnknownOptionsAreSkippedByTheirLength) {  // MUST-6, MUST-68
    const TcpOptions options = parsed({253, 4, 0xde, 0xad, 77, 2, 2, 4, 5, 0xb4, 30, 3, 9, 3, 3, 7});
    EXPECT_EQ(options.mss, 1460);
    EXPECT_EQ(options.window_scale, 7);
    EXPECT_EQ(parsed({253, 4, 2, 4}), TcpOptions{});  // what lies inside an unknown option is not looked at
}

TEST(Rfc9293, OptionsNeedNotBeginOnWordBoundaries) {  // MUST-64
    for (int shift = 0; shift < 4; ++shift) {
        std::vector<std::byte> bytes(std::size_t(shift), std::byte{1});
        for (const std::byte byte : octets_of({8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 2, 4, 2, 0})) bytes.push_back(byte);
        const auto options = TcpOptions::parse(bytes);
        ASSERT_TRUE(options);
        EXPECT_EQ(options->timestamps, (TcpTimestamps{1, 2}));
        EXPECT_EQ(options->mss, 512);
    }
}

TEST(Rfc9293, IllegalOptionLengthsAreErrorValues) {  // MUST-7
    EXPECT_TRUE(illegal({2, 0, 0, 0}));        // would never end
    EXPECT_TRUE(illegal({99, 1, 0, 0}));       // shorter than itself
    EXPECT_TRUE(illegal({1, 1, 1, 2}));        // no room for a length
    EXPECT_TRUE(illegal({99, 5, 0, 0}));       // beyond the header
    EXPECT_TRUE(illegal({2, 3, 5, 0}));        // MSS of one byte
    EXPECT_TRUE(illegal({3, 4, 5, 0}));        // window scale of two
    EXPECT_TRUE(illegal({4, 3, 5, 0}));        // SACK-permitted with a value
    EXPECT_TRUE(illegal({5, 2, 0, 0}));        // SACK without a block
    EXPECT_TRUE(illegal({5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_TRUE(illegal({8, 8, 0, 0, 0, 0, 0, 0}));
}

TEST(Rfc9293, WhatFollowsTheEndOfOptionsIsPadding) {  // MUST-69
    EXPECT_EQ(parsed({0, 2, 0, 0}), TcpOptions{});
    EXPECT_EQ(parsed({3, 3, 7, 0}).window_scale, 7);
}

TEST(Rfc9293, OptionsAreReadFromAnySegment) {  // MUST-5
    for (const std::uint16_t flags :
         {std::uint16_t{syn}, std::uint16_t{wire::ack}, std::uint16_t(fin | wire::ack), std::uint16_t{rst}}) {
        TcpHeader header;
        header.flags = flags;
        header.options.mss = 700;
        std::array<std::byte, TcpView::max_header> bytes{};
        const std::size_t size = header.write(bytes);
        EXPECT_EQ(TcpView::parse(Bytes{bytes}.first(size))->options()->mss, 700);
    }
}

TEST(Rfc2018, BlocksThatDoNotFitAreLeftOutFromTheEnd) {  // section 3: with timestamps there is room for three
    TcpOptions options;
    options.timestamps = TcpTimestamps{1, 2};
    options.sack_count = 4;
    for (std::uint32_t i = 0; i < 4; ++i) options.sack[i] = {SeqNum{100 * i}, SeqNum{100 * i + 50}};
    std::array<std::byte, TcpOptions::max_size> bytes{};
    ASSERT_EQ(options.write(bytes), 40u);
    const auto read = TcpOptions::parse(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->sack_count, 3);
    EXPECT_TRUE(std::equal(read->sack.begin(), read->sack.begin() + 3, options.sack.begin()));
}

TEST(Rfc7323, TimestampsLieInTheLayoutOfItsAppendix) {  // appendix A: NOP, NOP, TSopt
    TcpOptions options;
    options.timestamps = TcpTimestamps{0x01020304, 0x05060708};
    std::array<std::byte, 12> bytes{};
    ASSERT_EQ(options.write(bytes), 12u);
    EXPECT_TRUE(std::ranges::equal(bytes, octets_of({1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8})));
}

TEST(TcpView, ReadsEachFieldOfAKnownSegment) {
    auto bytes = octets_of({0x1f, 0x90, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0xa1, 0xa2, 0xa3,
                            0xa4, 0x51, 0x19, 0x72, 0x10, 0xbe, 0xef, 0x00, 0x07, 'h',  'i'});
    const auto view = TcpView::parse(bytes);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->source_port(), 8080);
    EXPECT_EQ(view->destination_port(), 80);
    EXPECT_EQ(view->seq(), SeqNum{0x01020304});
    EXPECT_EQ(view->ack(), SeqNum{0xa1a2a3a4});
    EXPECT_EQ(view->flags(), ae | psh | wire::ack | fin);
    EXPECT_TRUE(view->has(ae) && view->has(fin) && !view->has(syn) && !view->has(cwr));
    EXPECT_EQ(view->window(), 0x7210);
    EXPECT_EQ(view->checksum(), 0xbeef);
    EXPECT_EQ(view->urgent_pointer(), 7);
    EXPECT_EQ(view->payload().size(), 2u);
    EXPECT_EQ(view->sequence_length(), 3u);  // two bytes and the FIN
    bytes[12] = std::byte{0xff};             // all reserved bits, and a header longer than the segment
    EXPECT_EQ(TcpView::parse(bytes).error(), Malformed::truncated);
    bytes[12] = std::byte{0x4f};
    EXPECT_EQ(TcpView::parse(bytes).error(), Malformed::length);
    EXPECT_EQ(TcpView::parse(Bytes{bytes}.first(19)).error(), Malformed::truncated);
}

// Whatever bits are turned, parsing answers, and what it accepts lies inside the bytes.
TEST(TcpView, MutatedSegmentsAreReadOrRefused) {
    std::mt19937_64 draw{3};
    int accepted = 0;
    for (int round = 0; round < 100'000; ++round) {
        TcpHeader header;
        header.options = random_options(draw);
        std::array<std::byte, 64> room{};
        const std::size_t size = header.write(room);
        std::vector<std::byte> bytes(room.begin(), room.begin() + std::ptrdiff_t(size));
        for (std::size_t flips = 1 + draw() % 4; flips > 0; --flips) bytes[draw() % size] ^= std::byte(1 << draw() % 8);
        if (draw() % 4 == 0) bytes.resize(draw() % (size + 4));
        const auto view = TcpView::parse(bytes);
        if (!view) continue;
        ASSERT_LE(view->header_size(), bytes.size());
        const auto options = view->options();
        if (!options) {
            ASSERT_EQ(options.error(), Malformed::option);
            continue;
        }
        ++accepted;
        std::array<std::byte, TcpOptions::max_size> again{};
        const auto reread = TcpOptions::parse(Bytes{again}.first(options->write(again)));
        ASSERT_TRUE(reread);
        ASSERT_EQ(reread->mss, options->mss);
        ASSERT_EQ(reread->timestamps, options->timestamps);
        ASSERT_EQ(reread->window_scale, options->window_scale);
        ASSERT_EQ(reread->sack_permitted, options->sack_permitted);
    }
    EXPECT_GT(accepted, 10'000);
}

TEST(TcpOptions, AreWrittenInTheOrderAndWithThePaddingOfWhoeverIsAsked) {
    TcpOptions options;
    options.mss = 1460;
    options.window_scale = 6;
    options.sack_permitted = true;
    options.timestamps = TcpTimestamps{1, 0};
    const auto kinds = [](const TcpOptions& of, OptionOrder order) {
        std::array<std::byte, TcpOptions::max_size> bytes{};
        const std::size_t size = of.write(bytes, order);
        EXPECT_EQ(size, of.size());
        EXPECT_EQ(TcpOptions::parse(std::span{bytes}.first(size)), of);
        std::vector<int> seen;
        for (std::size_t at = 0; at < size;) {
            const int kind = std::to_integer<int>(bytes[at]);
            seen.push_back(kind);
            at += kind < 2 ? 1 : std::to_integer<std::size_t>(bytes[at + 1]);
        }
        return seen;
    };
    EXPECT_EQ(kinds(options, OptionOrder::words), (std::vector{2, 4, 8, 1, 3}));
    EXPECT_EQ(kinds(options, OptionOrder::aligned), (std::vector{2, 1, 3, 4, 8}));
    options.timestamps.reset();
    EXPECT_EQ(kinds(options, OptionOrder::words), (std::vector{2, 1, 1, 4, 1, 3}));
    EXPECT_EQ(kinds(options, OptionOrder::aligned), (std::vector{2, 1, 3, 4, 0, 0}));
}

}  // namespace
}  // namespace weft::wire
