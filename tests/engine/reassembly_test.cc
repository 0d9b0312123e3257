// Reassembly against a map of bytes.
#include "stack/tcp/reassembly.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace weft::tcp {
namespace {

TEST(Reassembly, KeepsTheFirstOfEachByteAndGivesThemInOrder) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        std::mt19937_64 draw{seed};
        BufferPool pool{std::size_t{16} << 20};
        Reassembly reassembly;
        std::map<std::uint32_t, std::byte> model;  // by the distance from `base`
        const SeqNum base{std::uint32_t(0xffff'f000 + draw() % 0x2000)};
        std::uint32_t next = 0;
        for (int step = 0; step < 300; ++step) {
            if (draw() % 3 != 0) {
                const auto begin = next + std::uint32_t(draw() % 4'000),
                           length = 1 + std::uint32_t(draw() % (draw() % 4 == 0 ? 1'500 : 60));
                Chunk* chunk = pool.allocate(length);
                for (std::uint32_t i = 0; i < length; ++i) {
                    chunk->data()[i] = std::byte(draw());
                    model.emplace(begin + i, chunk->data()[i]);
                }
                reassembly.insert(base + begin, Slice{chunk, 0, length}, pool);
            } else {
                if (draw() % 2 == 0) next += std::uint32_t(draw() % 500);
                model.erase(model.begin(), model.lower_bound(next));
                for (Slice text; (text = reassembly.pop(base + next)).size() > 0;)
                    for (const std::byte byte : text.bytes()) {
                        ASSERT_FALSE(model.empty());
                        ASSERT_EQ(model.begin()->first, next) << seed;
                        ASSERT_EQ(model.begin()->second, byte) << seed;
                        model.erase(model.begin());
                        ++next;
                    }
                ASSERT_FALSE(!model.empty() && model.begin()->first == next) << seed;
            }
            ASSERT_EQ(reassembly.has_text(), !model.empty()) << seed;
        }
        while (reassembly.shed()) {}
        EXPECT_EQ(reassembly.charge(), 0u);
        reassembly.clear();
        EXPECT_EQ(pool.in_use(), 0u);
    }
}

}  // namespace
}  // namespace weft::tcp
