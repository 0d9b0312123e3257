// The frame grammar against an independent reading of docs/wire.md.
#include "overlay/frames.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace weft::overlay {
namespace {

using ByteVector = std::vector<std::byte>;

struct Read {
    std::vector<std::pair<unsigned, std::size_t>> frames;   // type, body size
    bool malformed{false};
};

Read read(const ByteVector& bytes) {
    Read out;
    FrameReader reader{bytes};
    for (Frame frame; reader.next(frame);) {
        EXPECT_LE(frame.offset + frame.body.size(), bytes.size());
        EXPECT_EQ(frame.body.data(), bytes.data() + frame.offset);
        out.frames.emplace_back(unsigned(frame.type), frame.body.size());
    }
    out.malformed = reader.malformed();
    return out;
}

// The grammar once more, in other words.
Read model(const ByteVector& bytes) {
    Read out;
    std::size_t at = 0;
    while (at < bytes.size()) {
        const unsigned type = unsigned(bytes[at]);
        const std::size_t rest = bytes.size() - at;
        if (type == 0) return out.frames.emplace_back(0, rest - 1), out;
        if (type / 4 == 4) return out.frames.emplace_back(0x10, rest - 1), out;
        if (type / 4 == 16) {
            if (rest < 3) out.malformed = true;
            else out.frames.emplace_back(0x40, rest - 3);
            return out;
        }
        const std::size_t length = rest < 3 ? bytes.size() : unsigned(bytes[at + 1]) + unsigned(bytes[at + 2]) * 256;
        const bool fits = rest >= 3 && length <= rest - 3;
        const bool exact =
            !((type == 4 || type == 5) && length != 8) && !(type == 6 && length != 1) && !(type == 7 && length != 12);
        if (!fits || !exact) return out.malformed = true, out;
        out.frames.emplace_back(type, length);
        at += 3 + length;
    }
    return out;
}

TEST(Frames, SeveralSmallOnesAndThenNetToTheEnd) {
    ByteVector bytes;
    const auto challenge = make_frame(FrameType::path_challenge, Block<8>{});
    const auto close = make_frame(FrameType::close, Block<1>{});
    bytes.insert(bytes.end(), challenge.begin(), challenge.end());
    bytes.insert(bytes.end(), close.begin(), close.end());
    for (const unsigned b : {0x41u, 0xb8u, 6u, 1u, 2u}) bytes.push_back(std::byte(b));
    FrameReader reader{bytes};
    Frame frame;
    ASSERT_TRUE(reader.next(frame));
    EXPECT_EQ(frame.type, FrameType::path_challenge);
    ASSERT_TRUE(reader.next(frame));
    EXPECT_EQ(frame.type, FrameType::close);
    ASSERT_TRUE(reader.next(frame));
    EXPECT_EQ(frame.type, FrameType::net);
    EXPECT_EQ(frame.net, (wire::NetFrame{true, false, 0xb8, 6}));
    EXPECT_EQ(frame.body.size(), 2u);
    EXPECT_FALSE(reader.next(frame));
    EXPECT_FALSE(reader.malformed());
}

TEST(Frames, AgreeWithTheGrammarOverRandomBytes) {
    std::mt19937_64 random{11};
    for (int i = 0; i < 200'000; ++i) {
        ByteVector bytes(random() % 48);
        for (std::byte& b : bytes) b = std::byte(random() % 3 == 0 ? random() >> 56 : random() % 13);
        const Read got = read(bytes), expected = model(bytes);
        ASSERT_EQ(got.frames, expected.frames) << i;
        ASSERT_EQ(got.malformed, expected.malformed) << i;
    }
}

}  // namespace
}  // namespace weft::overlay
