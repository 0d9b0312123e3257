// What the next packets of a batch will touch is fetched while those before them are worked on: with many flows, or when frames
// have waited long, most of the time goes into waiting for memory. A guess that is wrong costs nothing but itself.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "stack/core/address.h"  // before index_list.h, whose `none` its own would shadow
#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/core/fetch.h"
#include "stack/tcp/host.h"

namespace weft::engine {

class Ahead {
public:
    static constexpr std::size_t depth = 6;  // packets between a frame's first look and its turn

    // The addresses that packets mostly have, with their path; any are right.
    void learn(std::uint32_t path, Bytes addresses) {
        path_ = path;
        size_ = std::uint8_t(addresses.size());
        std::copy(addresses.begin(), addresses.end(), addresses_.begin());
    }

    // Before the packet with this number has its turn `depth` calls later.
    void look(std::span<const Receive> batch, std::size_t number, const tcp::Host& host) {
        if (number < batch.size()) fetch(batch[number].frame.bytes());
        if (!many_) return;
        if (number >= 2 && number - 2 < batch.size()) {
            std::uint64_t& word = words_[(number - 2) % depth] = key_of(batch[number - 2]);
            if (word == last_word_) word = 0;  // a run of one flow
            else if (word != 0) last_word_ = word, host.demux.fetch(word);
        }
        if (number >= 4 && number - 4 < batch.size()) {
            const std::uint64_t word = words_[(number - 4) % depth];
            const auto found = word != 0 ? host.demux.find(word) : std::nullopt;
            if (found && tcp::Found::Kind(*found >> 30) == tcp::Found::Kind::connection) host.fetch(*found & 0x3fff'ffff);
        }
    }
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
            if (bytes.size() < transport || !std::equal(addresses_.begin(), addresses_.begin() + size_, &bytes[addresses]))
                return 0;
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
    std::uint64_t last_word_{0};
    bool many_{true};
};

}  // namespace weft::engine
