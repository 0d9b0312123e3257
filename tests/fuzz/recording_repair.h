// Puts the checksums of a made or mutated recording right, so that fuzzing reaches what lies behind them.
#pragma once

#include <vector>

#include "stack/core/crc32c.h"
#include "stack/core/recording.h"

namespace weft::fuzz {

// Of the header, and of as many batches as follow each other.
inline void repair(std::vector<std::byte>& file) {
    using namespace weft::trace;
    if (file.size() < header_size) return;
    const Bytes header = Bytes{file}.first(header_size);
    store_little(&file[16], crc32c(header.subspan(20), crc32c(header.first(16))));
    for (std::size_t at = header_size; file.size() - at >= batch_head_size;) {
        const std::size_t length = load_little<std::uint32_t>(&file[at]);
        if (length > file.size() - at - batch_head_size) return;
        const Bytes batch = Bytes{file}.subspan(at, batch_head_size + length);
        store_little(&file[at + 8], crc32c(batch.subspan(12), crc32c(batch.first(8))));
        at += batch.size();
    }
}

}  // namespace weft::fuzz
