// TCP headers and options: RFC 9293, section 3; RFC 7323; RFC 2018.
#include "stack/wire/tcp.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"
#include "stack/wire/udp.h"

namespace weft::wire {
namespace {

TcpOptions random_options(std::mt19937_64& draw) {
    TcpOptions options;
    if (draw() % 2) options.mss = std::uint16_t(draw());
    if (draw() % 2) options.window_scale = std::uint8_t(draw());
    if (draw() % 2) options.timestamps = {std::uint32_t(draw()), std::uint32_t(draw())};
    options.sack_permitted = draw() % 2 != 0;
    const std::size_t fixed = (options.mss ? 4u : 0u) + (options.window_scale ? 4u : 0u) +
                              (options.timestamps ? 12u : options.sack_permitted ? 4u : 0u);
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
        const TcpHeader header{std::uint16_t(draw()), std::uint16_t(draw()), SeqNum{std::uint32_t(draw())},
                               SeqNum{std::uint32_t(draw())}, std::uint16_t(draw() & tcp_flag_bits), std::uint16_t(draw()),
                               std::uint16_t(draw()), std::uint16_t(draw()), random_options(draw)};
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

}  // namespace
}  // namespace weft::wire
