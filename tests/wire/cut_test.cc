// A cut super-segment, put together again by a receiver that shares no code with the cut.
#include "stack/wire/cut.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/tcp.h"

namespace weft::wire {
namespace {

using Buffer = std::vector<std::byte>;

unsigned byte_at(const Buffer& bytes, std::size_t at) { return std::to_integer<unsigned>(bytes.at(at)); }
unsigned word_at(const Buffer& bytes, std::size_t at) { return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1); }
unsigned long_at(const Buffer& bytes, std::size_t at) { return word_at(bytes, at) << 16 | word_at(bytes, at + 2); }

// RFC 1071 by the book: one 16-bit word after the other, the carry added at once.
unsigned slow_sum(const Buffer& bytes, std::size_t begin, std::size_t end, unsigned sum = 0) {
    for (std::size_t at = begin; at < end; at += 2) {
        sum += byte_at(bytes, at) << 8 | (at + 1 < end ? byte_at(bytes, at + 1) : 0);
        if (sum > 0xffff) sum -= 0xffff;
    }
    return sum;
}

// A random super-segment over a random family, its payload in slices of random sizes.
struct Sample {
    BufferPool pool{64 << 20};
    std::vector<Slice> slices;
    Buffer text;
    Transmit transmit;
    std::size_t network_at{0};
    unsigned version{0};

    explicit Sample(std::mt19937_64& draw) {
        network_at = draw() % 3 == 0 ? 14 : 0;
        version = 4 + 2 * unsigned(draw() % 3);
        const auto address = [&](Family family, std::size_t size) {
            std::array<std::byte, 64> bytes{};
            for (std::byte& byte : bytes) byte = std::byte(draw());
            return Address{family, Bytes{bytes}.first(size)};
        };
        for (std::size_t i = 0; i < network_at; ++i) transmit.header[i] = std::byte(draw());
        MutableBytes rest = MutableBytes{transmit.header}.subspan(network_at);
        std::size_t size = 0;
        if (version == 4) {
            size = Ipv4Header{.dscp = std::uint8_t(draw() % 64),
                              .ecn = Ecn(draw() % 4),
                              .id = std::uint16_t(draw()),
                              .protocol = 6,
                              .source = address(Family::ipv4, 4),
                              .destination = address(Family::ipv4, 4)}
                       .write(rest);
        } else if (version == 6) {
            size = Ipv6Header{.traffic_class = std::uint8_t(draw()),
                              .flow_label = std::uint32_t(draw()),
                              .protocol = 6,
                              .source = address(Family::ipv6, 16),
                              .destination = address(Family::ipv6, 16)}
                       .write(rest);
        } else {
            size = OverlayHeader{.traffic_class = std::uint8_t(draw()),
                                 .flow = std::uint32_t(draw()),
                                 .protocol = 6,
                                 .source = address(Family::overlay, 64),
                                 .destination = address(Family::overlay, 64)}
                       .write(rest);
        }
        transmit.transport = std::uint16_t(network_at + size);
        transmit.network = std::uint8_t(network_at);
        TcpHeader tcp{std::uint16_t(draw()),
                      std::uint16_t(draw()),
                      SeqNum{std::uint32_t(draw())},
                      SeqNum{std::uint32_t(draw())},
                      std::uint16_t(draw() & tcp_flag_bits & ~std::uint64_t{syn | rst}),
                      std::uint16_t(draw()),
                      std::uint16_t(draw()),
                      std::uint16_t(draw() % 5000),
                      {}};
        if (draw() % 2) tcp.options.timestamps = {std::uint32_t(draw()), std::uint32_t(draw())};
        transmit.header_length = std::uint16_t(transmit.transport + tcp.write(rest.subspan(size)));
        transmit.sums_elided = draw() % 4 == 0;
        transmit.segment_size = std::uint16_t(draw() % 4 == 0 ? 0 : 1 + draw() % 2000);

        for (std::size_t count = draw() % 8; count > 0; --count) {
            const std::size_t length = draw() % (draw() % 2 ? 8000 : 5);
            Chunk* chunk = pool.allocate(length + 3);
            const auto offset = std::uint32_t(draw() % 4);
            for (std::size_t i = 0; i < length; ++i) text.push_back(chunk->data()[offset + i] = std::byte(draw()));
            slices.emplace_back(chunk, offset, std::uint32_t(length));
        }
        transmit.payload = slices;
        if (draw() % 2) {
            transmit.payload_summed = true;
            transmit.payload_sum = std::uint16_t(slow_sum(text, 0, text.size()));
        }
    }
};

void check_network(const Sample& sample, const Buffer& segment, std::size_t index) {
    const std::size_t at = sample.network_at, length = segment.size() - at;
    const unsigned id = word_at({sample.transmit.header.begin(), sample.transmit.header.end()}, at + 4);
    if (sample.version == 4) {
        ASSERT_EQ(word_at(segment, at + 2), length);
        ASSERT_EQ(word_at(segment, at + 4), (id + index) & 0xffff);
        ASSERT_EQ(slow_sum(segment, at, at + 20), 0xffffu);
    } else {
        ASSERT_EQ(word_at(segment, at + 4), length - (sample.version == 6 ? 40 : 136));
    }
}

void check_checksum(const Sample& sample, const Buffer& segment) {
    const std::size_t at = sample.network_at, tcp = sample.transmit.transport;
    if (sample.transmit.sums_elided) {
        ASSERT_EQ(word_at(segment, tcp + 16), 0u);
        return;
    }
    const std::size_t from = at + (sample.version == 4 ? 12 : 8);
    unsigned sum = slow_sum(segment, from, tcp);
    sum = slow_sum(segment, tcp, segment.size(), sum);
    sum += 6 + unsigned(segment.size() - tcp);
    ASSERT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
}

void check_tcp(const Sample& sample, const Buffer& segment, std::size_t before, bool first, bool last) {
    const Buffer whole{sample.transmit.header.begin(), sample.transmit.header.begin() + sample.transmit.header_length};
    const std::size_t tcp = sample.transmit.transport;
    ASSERT_EQ(long_at(segment, tcp), long_at(whole, tcp));  // ports
    ASSERT_EQ(long_at(segment, tcp + 4), long_at(whole, tcp + 4) + std::uint32_t(before));
    ASSERT_EQ(long_at(segment, tcp + 8), long_at(whole, tcp + 8));
    ASSERT_EQ(word_at(segment, tcp + 14), word_at(whole, tcp + 14));
    for (std::size_t at = tcp + 20; at < whole.size(); ++at) ASSERT_EQ(segment[at], whole[at]);  // options

    const unsigned were = word_at(whole, tcp + 12), are = word_at(segment, tcp + 12);
    const bool had_urgent = (were & urg) != 0, urgent = (are & urg) != 0;
    ASSERT_EQ(are & ~unsigned{cwr | psh | fin | urg}, were & ~unsigned{cwr | psh | fin | urg});
    ASSERT_EQ(are & cwr, first ? were & cwr : 0u);
    ASSERT_EQ(are & (psh | fin), last ? were & (psh | fin) : 0u);
    // The urgent octet is the same one, told by every segment that begins at or before it.
    const unsigned octet = word_at(whole, tcp + 18);
    ASSERT_EQ(urgent, had_urgent && octet >= before);
    if (urgent) { ASSERT_EQ(word_at(segment, tcp + 18) + before, octet); }
}

TEST(Cut, SegmentsCarryTheTextInOrderEachCompleteInItself) {
    std::mt19937_64 draw{1};
    for (int round = 0; round < 3'000; ++round) {
        const Sample sample{draw};
        const auto made = Cut::make(sample.transmit);
        ASSERT_TRUE(made) << to_string(made.error());
        Cut cut = *made;
        Buffer text;
        for (std::size_t index = 0; cut.left() > 0; ++index) {
            Buffer segment(cut.next_size());
            ASSERT_EQ(cut.next(MutableBytes{segment}.first(segment.size() - 1)), 0u);  // too short: nothing happens
            const std::size_t before = text.size();
            ASSERT_EQ(cut.next(segment), segment.size());
            text.insert(text.end(), segment.begin() + sample.transmit.header_length, segment.end());
            const bool last = cut.left() == 0;
            if (sample.transmit.segment_size != 0) {
                const std::size_t carried = text.size() - before;
                ASSERT_LE(carried, sample.transmit.segment_size);
                ASSERT_TRUE(last || carried == sample.transmit.segment_size);
                ASSERT_TRUE(index == 0 || carried > 0);
            }
            for (std::size_t at = 0; at < sample.network_at; ++at) ASSERT_EQ(segment[at], sample.transmit.header[at]);
            check_network(sample, segment, index);
            check_checksum(sample, segment);
            check_tcp(sample, segment, before, index == 0, last);
            if (HasFatalFailure()) return;
            ASSERT_EQ(index + 1 + cut.left(), cut.segments());
        }
        ASSERT_EQ(text, sample.text);
        ASSERT_EQ(cut.next_size(), 0u);
    }
}

TEST(Cut, TransportPartIsThePacketWithoutWhatLiesInFrontOfTcp) {
    std::mt19937_64 draw{2};
    for (int round = 0; round < 500; ++round) {
        const Sample sample{draw};
        auto packets = Cut::make(sample.transmit);
        auto parts = Cut::make(sample.transmit, Cut::Part::transport);
        ASSERT_TRUE(packets && parts);
        ASSERT_EQ(packets->segments(), parts->segments());
        while (packets->left() > 0) {
            Buffer packet(packets->next_size()), part(parts->next_size());
            ASSERT_EQ(packets->next(packet), packet.size());
            ASSERT_EQ(parts->next(part), part.size());
            ASSERT_EQ(part, Buffer(packet.begin() + sample.transmit.transport, packet.end()));
        }
        ASSERT_EQ(parts->left(), 0u);
    }
}

TEST(Cut, HeadersThatContradictThemselvesAreErrors) {
    std::mt19937_64 draw{3};
    const Sample sample{draw};
    const auto error_of = [&](auto&& change) {
        Transmit transmit = sample.transmit;
        change(transmit);
        const auto cut = Cut::make(transmit);
        EXPECT_FALSE(cut);
        return cut ? Malformed::refused : cut.error();
    };
    EXPECT_EQ(error_of([](Transmit& t) { t.header_length = 225; }), Malformed::length);
    EXPECT_EQ(error_of([](Transmit& t) { t.transport = std::uint16_t(t.header_length + 1); }), Malformed::length);
    EXPECT_EQ(error_of([](Transmit& t) { t.transport = 0; }), Malformed::length);
    EXPECT_EQ(error_of([&](Transmit& t) { t.header[sample.network_at] = std::byte{0x50}; }), Malformed::version);
    EXPECT_EQ(error_of([](Transmit& t) { t.header_length = std::uint16_t(t.header_length - 1); }), Malformed::truncated);
    EXPECT_EQ(error_of([](Transmit& t) { t.header_length = std::uint16_t(t.header_length + 4); }), Malformed::length);
    EXPECT_EQ(error_of([](Transmit& t) { t.header[t.transport + 12u] = std::byte{0x40}; }), Malformed::length);
}

TEST(Cut, ASegmentThatNoLengthFieldCanHoldIsAnError) {
    std::mt19937_64 draw{4};
    Sample sample{draw};
    Chunk* chunk = sample.pool.allocate(66'560);
    const std::vector<Slice> large{Slice{chunk, 0, 65'536}};
    sample.transmit.payload = large;
    sample.transmit.segment_size = 0;
    EXPECT_EQ(Cut::make(sample.transmit).error(), Malformed::length);
    sample.transmit.segment_size = 1'000;
    const auto cut = Cut::make(sample.transmit);
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->segments(), 66u);
}

}  // namespace
}  // namespace weft::wire
