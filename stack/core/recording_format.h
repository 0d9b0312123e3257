// The bytes of the `.weft` format (docs/wire.md): header, head of a batch, index, end. Shared by the writer and both readers; others
// include recording.h.
#pragma once

#include <array>
#include <expected>
#include <optional>
#include <string>

#include "stack/core/bytes.h"
#include "stack/core/recording.h"

namespace weft::trace::format {

inline constexpr std::array<unsigned char, 8> magic{0x89, 'w', 'e', 'f', 't', '\r', '\n', 0x1a};
inline constexpr std::uint16_t version = 1;
inline constexpr std::size_t index_size = 136, end_size = 56, payload_head_size = 16;
inline constexpr std::size_t table_entry_size = 120, table_entries = 8'192, table_limit = 65'536;  // a batch; in all

// "at byte 4096: ..."
std::string at_byte(std::uint64_t offset, std::string_view what);

std::array<std::byte, header_size> write_header(const RecordingInfo& info);
// Of fewer bytes than a header: an error if it cannot become one.
std::expected<RecordingInfo, std::string> read_header(Bytes bytes);
std::string may_begin(Bytes bytes);  // "" if a header may begin so; else why not

// What stands before each batch.
struct Head {
    std::uint32_t length{0};  // bytes behind the head: a multiple of 8, at most batch_limit
    BatchKind kind{};
    std::uint16_t flags{0};  // none are known
    std::uint32_t crc{0};  // CRC-32C of the head without this field, and of what follows
    std::uint32_t count{0};  // of records
    std::int64_t first_ns{0}, last_ns{0};  // of its records
};
void write_head(Head head, Bytes payload, std::vector<std::byte>& out);  // and the payload; computes length and crc
std::expected<Head, std::string> read_head(Bytes bytes);  // at least batch_head_size of them; errors without a place
bool is_whole(Bytes batch);  // head and payload agree with the checksum

// Records of a batch, in place if they lie at a multiple of 8, else in `copy`.
std::span<const Record> records_in(Bytes payload, std::vector<Record>& copy);

struct IndexBody {
    std::uint64_t before{0};  // offset of the index before; 0: this is the first
    std::uint64_t ordinal{0};  // from 1
    std::uint64_t records{0};  // in the recording so far
    std::int64_t begin_ns{0};  // of the first record
    IndexEntry entry;  // its offset is the batch's own
};
std::array<std::byte, index_size> write_index(const IndexBody& body);
std::optional<IndexBody> read_index(std::uint64_t offset, Bytes batch);  // nothing: damaged, or it makes no sense there

void write_entry(const IndexEntry& entry, Writer& writer);  // of a table
IndexEntry read_entry(Reader& reader);

inline constexpr std::uint32_t payload_sent = 1,
                               payload_generation = 2;  // flags: this node sent it; the fourth word says whose it is
std::optional<Payload> read_payload(const Head& head, Bytes batch);  // nothing: it is shorter than it says

struct EndBody {
    std::uint64_t last_index{0}, indices{0}, records{0};
    std::int64_t begin_ns{0}, end_ns{0};
    std::uint64_t table{0};  // offset of the first table; of the end batch if there is none
    std::uint64_t tabled{0};  // how many indices the tables name: the last ones
};
std::array<std::byte, end_size> write_end(const EndBody& body);
std::optional<EndBody> read_end(Bytes batch);

}  // namespace weft::trace::format
