// The byte queue against a deque in which each byte knows whose memory it lies in.
#include "stack/core/byte_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <vector>

namespace weft {
namespace {

struct Model {
    struct Byte {
        std::byte value{};
        int chunk{0};               // 0: copied into memory of the queue's own
    };
    std::deque<Byte> bytes;
    std::map<int, std::size_t> capacity;

    // Each byte that was copied, and each run of one chunk's bytes once by the whole chunk.
    std::size_t charge() const {
        std::size_t sum = 0;
        int before = 0;
        for (const Byte& byte : bytes) {
            if (byte.chunk == 0) ++sum;
            else if (byte.chunk != before) sum += capacity.at(byte.chunk);
            before = byte.chunk;
        }
        return sum;
    }
};

using Text = std::vector<std::byte>;

Text text_of(const ByteQueue& queue, std::uint32_t offset, std::uint32_t length) {
    Text text;
    queue.each(offset, length, [&](const Slice& part) {
        EXPECT_GT(part.size(), 0u);
        text.insert(text.end(), part.bytes().begin(), part.bytes().end());
    });
    return text;
}

Text text_of(const Model& model, std::size_t offset, std::size_t length) {
    Text text;
    for (std::size_t i = offset; i < std::min(model.bytes.size(), offset + length); ++i)
        text.push_back(model.bytes[i].value);
    return text;
}

// Drives one queue by random calls; a copy is taken now and then and must go on as the original does.
class Driver {
public:
    explicit Driver(std::uint64_t seed) : draw_{seed} {}

    void step(std::vector<ByteQueue>& queues) {
        switch (draw_() % 8) {
        case 0:
        case 1: push(queues); break;
        case 2:
        case 3: append(queues); break;
        case 4: drop(queues); break;
        case 5: read(queues); break;
        case 6: take(queues); break;
        case 7: look(queues); break;
        }
        for (const ByteQueue& queue : queues) {
            ASSERT_EQ(queue.size(), model.bytes.size());
            ASSERT_EQ(queue.empty(), model.bytes.empty());
            ASSERT_EQ(queue.charge(), model.charge());
        }
    }

    BufferPool pool{256 << 20};
    Model model;

private:
    // Slices of one chunk, side by side or with a gap between them, now and then a few bytes of a large one.
    void push(std::vector<ByteQueue>& queues) {
        if (room_ < 400 || draw_() % 3 == 0) {
            const std::size_t size = draw_() % 2 ? 2'000 : 200;
            chunk_ = pool.allocate(size);
            keep_ = Slice{chunk_, 0, chunk_->capacity};
            room_ = chunk_->capacity;
            for (std::size_t i = 0; i < room_; ++i) chunk_->data()[i] = std::byte(draw_());
            model.capacity[++id_] = chunk_->capacity;
        }
        const auto gap = std::uint32_t(draw_() % 3 == 0 ? draw_() % 20 : 0);
        const auto length = std::uint32_t(
            std::min<std::size_t>(draw_() % (draw_() % 4 ? room_ : 60), room_ - std::min<std::size_t>(gap, room_)));
        const auto begin = std::uint32_t(chunk_->capacity - room_ + gap);
        const Slice slice{chunk_, begin, length};
        if (length == 0) return;
        for (ByteQueue& queue : queues) queue.push(slice, pool);
        const bool held = !model.bytes.empty() && model.bytes.back().chunk == id_;
        const int tag = !held && std::size_t{length} * 4 < slice.charge() ? 0 : id_;
        for (std::uint32_t i = 0; i < length; ++i) model.bytes.push_back({slice.bytes()[i], tag});
        room_ -= gap + length;
    }

    void append(std::vector<ByteQueue>& queues) {
        Text text(draw_() % (draw_() % 4 ? 100 : 5'000));
        for (std::byte& byte : text) byte = std::byte(draw_());
        for (ByteQueue& queue : queues) ASSERT_EQ(queue.append(text, pool), text.size());
        for (const std::byte byte : text) model.bytes.push_back({byte, 0});
    }

    void drop(std::vector<ByteQueue>& queues) {
        const auto count = std::uint32_t(draw_() % 4'000);
        for (ByteQueue& queue : queues) queue.drop(count);
        forget(count);
    }

    void read(std::vector<ByteQueue>& queues) {
        const std::size_t wanted = draw_() % 3'000;
        for (ByteQueue& queue : queues) {
            Text into(wanted);
            const std::size_t count = queue.read(into);
            into.resize(count);
            ASSERT_EQ(into, text_of(model, 0, wanted));
        }
        forget(wanted);
    }

    void take(std::vector<ByteQueue>& queues) {
        const std::size_t most = draw_() % 5;
        std::size_t gone = 0;
        for (ByteQueue& queue : queues) {
            std::vector<Slice> into(most);
            into.resize(queue.take(into));
            Text text;
            for (const Slice& slice : into) text.insert(text.end(), slice.bytes().begin(), slice.bytes().end());
            ASSERT_TRUE(into.size() == most || queue.empty());
            ASSERT_EQ(text, text_of(model, 0, text.size()));
            // A copy appends in chunks of its own, so its slices may end elsewhere: bring all to the same length.
            gone = std::max(gone, text.size());
            lengths_.push_back(text.size());
        }
        for (std::size_t i = 0; i < queues.size(); ++i) queues[i].drop(std::uint32_t(gone - lengths_[i]));
        lengths_.clear();
        forget(gone);
    }

    void look(std::vector<ByteQueue>& queues) {
        const auto offset = std::uint32_t(draw_() % 9'000), length = std::uint32_t(draw_() % 9'000);
        for (const ByteQueue& queue : queues) ASSERT_EQ(text_of(queue, offset, length), text_of(model, offset, length));
    }

    void forget(std::size_t count) {
        count = std::min(count, model.bytes.size());
        model.bytes.erase(model.bytes.begin(), model.bytes.begin() + std::ptrdiff_t(count));
    }

    std::mt19937_64 draw_;
    Chunk* chunk_{nullptr};
    Slice keep_;
    std::size_t room_{0};
    int id_{0};
    std::vector<std::size_t> lengths_;
};

TEST(ByteQueue, HoldsTheBytesThatWentInAndChargesWhatItKeepsAlive) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        Driver driver{seed};
        std::vector<ByteQueue> queues(1);
        for (int step = 0; step < 2'000; ++step) {
            driver.step(queues);
            if (HasFatalFailure()) return;
        }
    }
}

TEST(ByteQueue, ACopyGoesOnAsTheOriginal) {
    for (std::uint64_t seed = 11; seed <= 14; ++seed) {
        Driver driver{seed};
        std::vector<ByteQueue> queues(1);
        for (int step = 0; step < 1'500; ++step) {
            if (step % 100 == 50) queues.push_back(queues[std::size_t(step) % queues.size()]);
            if (queues.size() > 4) queues.erase(queues.begin());
            driver.step(queues);
            if (HasFatalFailure()) return;
        }
    }
}

TEST(ByteQueue, WhatACopySharesIsNeverOverwritten) {
    BufferPool pool{1 << 20};
    ByteQueue original;
    const Text first(100, std::byte{1}), second(50, std::byte{2}), third(50, std::byte{3});
    original.append(first, pool);
    ByteQueue copy = original;
    original.append(second, pool);
    copy.append(third, pool);
    EXPECT_EQ(text_of(original, 100, 50), second);
    EXPECT_EQ(text_of(copy, 100, 50), third);
    EXPECT_EQ(text_of(original, 0, 100), first);
}

TEST(ByteQueue, ADryPoolTakesPartAndSaysHowMuch) {
    BufferPool pool{2'100};
    ByteQueue queue;
    const Text text(5'000, std::byte{9});
    const std::size_t taken = queue.append(text, pool);
    EXPECT_LT(taken, text.size());
    EXPECT_EQ(queue.size(), taken);
    EXPECT_EQ(queue.append(Bytes{text}.first(taken == 0 ? 3'000 : 0), pool), 0u);
}

TEST(ByteQueue, EmptyAgainItHoldsNoChunk) {
    BufferPool pool{1 << 24};
    std::mt19937_64 draw{1};
    ByteQueue queue;
    for (int round = 0; round < 200; ++round) {
        const Text text(1 + draw() % 100'000, std::byte{5});
        queue.append(text, pool);
        queue.clear();
        ASSERT_TRUE(queue.empty());
        ASSERT_EQ(queue.charge(), 0u);
        ASSERT_EQ(pool.in_use(), 0u);
    }
}

}  // namespace
}  // namespace weft
