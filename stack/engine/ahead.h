// What the next packets of a batch will touch is fetched while those before them are worked on: with many flows, or when frames
// have waited long, most of the time goes into waiting for memory. A guess that is wrong costs nothing but itself.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "stack/core/address.h"  // before index_list.h, whose `none` its own would shadow
#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/core/fetch.h"
#include "stack/tcp/host.h"

namespace weft::engine {

class Ahead {
public:
    static constexpr std::size_t stride = 3;  // packets between two looks: what the first asked for has come
    static constexpr std::size_t depth = 5 * stride;  // packets between a frame's first look and its turn

    static constexpr std::size_t whole_frames = 6;  // packets ahead
    static constexpr std::size_t least = 4;  // packets of a batch that is worth it

    // The addresses that packets mostly have, with their path; any are right.
    void learn(std::uint32_t path, Bytes addresses) {
        path_ = path;
        size_ = std::uint8_t(addresses.size());
        std::copy(addresses.begin(), addresses.end(), addresses_.begin());
    }

    // Before the packet with this number has its turn `depth` calls later.
    void look(std::span<const Receive> batch, std::size_t number, const tcp::Host& host) {
        const std::size_t later =
            many_ ? 0 : depth - whole_frames;  // of few flows the frames are full: too many at once push each other out
        if (number >= later && number - later < batch.size()) fetch(batch[number - later].frame.bytes());
        if (!many_) return;
        // The frame, the table, the connection, what it was lent, the text in that: each is found by the one before it.
        if (number >= stride && number - stride < batch.size()) {
            std::uint64_t& word = words_[(number - stride) % depth] = key_of(batch[number - stride]);
            if (word == last_word_) word = 0;  // a run of one flow
            else if (word != 0) last_word_ = word, host.demux.fetch(word);
        }
        if (number >= 2 * stride && number - 2 * stride < batch.size()) {
            const std::uint64_t word = words_[(number - 2 * stride) % depth];
            const auto found = word != 0 ? host.demux.find(word) : std::nullopt;
            const bool connected = found && tcp::Found::Kind(*found >> 30) == tcp::Found::Kind::connection;
            std::uint32_t& connection = connections_[(number - 2 * stride) % depth] =
                connected ? *found & 0x3fff'ffff : none;
            if (connected) host.fetch(connection);
        }
        if (number >= 3 * stride && number - 3 * stride < batch.size())
            if (const std::uint32_t connection = connections_[(number - 3 * stride) % depth]; connection != none)
                host.fetch_lent(connection);
        if (number >= 4 * stride && number - 4 * stride < batch.size())
            if (const std::uint32_t connection = connections_[(number - 4 * stride) % depth]; connection != none)
                host.fetch_text(connection);
    }
    // Which connection the packet whose turn it is now may be of; none: who knows.
    std::uint32_t guess(std::size_t number) const { return many_ ? connections_[number % depth] : none; }
    void begin() { last_word_ = 0; }
    // The last batch had so many runs of one flow: of few there is nothing to guess.
    void end(std::size_t runs, std::size_t packets) { many_ = runs * 2 > packets; }

private:
    static void fetch(Bytes frame) {
        constexpr std::size_t most = 2'048, line = 64;  // bytes; of a longer one the processor sees the pattern
        for (std::size_t at = 0; at < std::min(frame.size(), most); at += line) fetch_line(frame.data() + at);
    }

    // Of a packet without network options between the addresses that were learnt, or of a path that its session says; 0: who knows.
    std::uint64_t key_of(const Receive& packet) const {
        const Bytes bytes = packet.frame.bytes();
        std::size_t transport = 0;
        if (packet.path == 0) {
            if (path_ == 0 || bytes.size() < 20) return 0;
            const unsigned version = std::to_integer<unsigned>(bytes[0]) >> 4;
            const std::size_t addresses = version == 4 ? 12 : 8;
            if (size_ != (version == 4 ? 8 : version == 6 ? 32 : version == 8 ? 128 : 0)) return 0;
            transport = addresses + size_;
            if (bytes.size() < transport || std::memcmp(addresses_.data(), &bytes[addresses], size_) != 0) return 0;
        }
        if (bytes.size() < transport + 4) return 0;
        const auto remote = load_big<std::uint16_t>(&bytes[transport]),
                   local = load_big<std::uint16_t>(&bytes[transport + 2]);
        return tcp::FlowKey{packet.path != 0 ? packet.path : path_, local, remote}.word();
    }

    std::uint32_t path_{0};  // 0: nothing was learnt
    std::uint8_t size_{0};
    std::array<std::byte, 128> addresses_{};
    std::array<std::uint64_t, depth> words_{};  // keys by the packet's number
    std::array<std::uint32_t, depth> connections_{};  // their places; none: none is known
    std::uint64_t last_word_{0};
    bool many_{true};
};

}  // namespace weft::engine
