// Header, heads, indices and ends to the byte. Records are little-endian in memory and in the file alike.
#include "stack/core/recording_format.h"

#include <algorithm>
#include <bit>

#include "stack/core/crc32c.h"

namespace weft::trace {
namespace {

static_assert(std::endian::native == std::endian::little, "records lie in a recording as they lie in memory");

}  // namespace

bool operator==(const RecordingInfo& a, const RecordingInfo& b) {
    return a.clocks.monotonic_ns == b.clocks.monotonic_ns && a.clocks.realtime_ns == b.clocks.realtime_ns &&
           a.node == b.node && a.address == b.address && a.payload == b.payload;
}

namespace format {
namespace {

constexpr std::size_t crc_at = 16, body_sizes_at = 144, body_sizes = 48;

// How many bytes of a record's body each type uses, by number.
constexpr std::array<std::size_t, 23> used{0,
                                           sizeof(Define),
                                           sizeof(StateChange),
                                           sizeof(Congestion),
                                           sizeof(Segment),
                                           sizeof(Segment),
                                           sizeof(Loss),
                                           sizeof(TimerEvent),
                                           sizeof(Limit),
                                           sizeof(Route),
                                           sizeof(Label),
                                           sizeof(LinkChange),
                                           sizeof(Plugin),
                                           sizeof(Drop),
                                           48,
                                           sizeof(Text),
                                           sizeof(Rate),
                                           sizeof(FlowBegin),
                                           sizeof(Counters),
                                           sizeof(Lagged),
                                           sizeof(Text),
                                           sizeof(Summary),
                                           sizeof(History)};

std::uint32_t header_crc(Bytes header) {
    return crc32c(header.subspan(crc_at + 4, header_size - crc_at - 4), crc32c(header.first(crc_at)));
}

std::uint32_t batch_crc(Bytes batch) { return crc32c(batch.subspan(12), crc32c(batch.first(8))); }

std::size_t address_size(Family family) {
    switch (family) {
    case Family::none: return 0;
    case Family::ipv4: return 4;
    case Family::ipv6: return 16;
    default: return Address::max_size;
    }
}

}  // namespace

std::string at_byte(std::uint64_t offset, std::string_view what) {
    return "at byte " + std::to_string(offset) + ": " + std::string(what);
}

std::array<std::byte, header_size> write_header(const RecordingInfo& info) {
    std::array<std::byte, header_size> header{};
    Writer writer{header};
    writer.put(std::as_bytes(std::span{magic}));
    writer.little(version);
    writer.little(std::uint16_t(header_size));
    writer.little(std::uint16_t(sizeof(Record)));
    writer.little(std::uint16_t(info.payload ? 1 : 0));
    writer.little(std::uint32_t(0));  // the sum, below
    writer.little(std::uint32_t(batch_limit));
    writer.little(std::uint64_t(info.clocks.monotonic_ns));
    writer.little(std::uint64_t(info.clocks.realtime_ns));
    const std::string_view node = std::string_view{info.node}.substr(0, RecordingInfo::node_limit);
    writer.put(node);
    writer.zeros(RecordingInfo::node_limit - node.size());
    writer.u8(std::uint8_t(info.address.family()));
    writer.u8(std::uint8_t(info.address.bytes().size()));
    writer.zeros(6);
    writer.put(info.address.bytes());
    for (std::size_t i = 0; i < used.size(); ++i) header[body_sizes_at + i] = std::byte(used[i]);
    store_little(&header[crc_at], header_crc(header));
    return header;
}

std::string may_begin(Bytes bytes) {
    const std::size_t seen = std::min(bytes.size(), magic.size());
    if (std::ranges::equal(bytes.first(seen), std::as_bytes(std::span{magic}).first(seen))) return "";
    return "no recording of weft begins so: its first bytes are 89 'weft' 0d 0a 1a";
}

std::expected<RecordingInfo, std::string> read_header(Bytes bytes) {
    if (std::string why = may_begin(bytes); !why.empty()) return std::unexpected(at_byte(0, why));
    if (bytes.size() < header_size)
        return std::unexpected(at_byte(bytes.size(), "the file ends within the header, which has " +
                                                         std::to_string(header_size) + " bytes: recording had not begun"));
    Reader reader{bytes.subspan(magic.size())};
    if (const auto is = reader.little<std::uint16_t>(); is != version)
        return std::unexpected(at_byte(8, "version " + std::to_string(is) + " of the format; this program reads version " +
                                              std::to_string(version) + ": use the weft that wrote it, or a newer one"));
    const auto size = reader.little<std::uint16_t>(), record = reader.little<std::uint16_t>(),
               flags = reader.little<std::uint16_t>();
    if (size != header_size || record != sizeof(Record))
        return std::unexpected(at_byte(10, "a header of " + std::to_string(size) + " bytes and records of " +
                                               std::to_string(record) + "; version 1 has 192 and 64"));
    if (reader.little<std::uint32_t>() != header_crc(bytes))
        return std::unexpected(at_byte(crc_at, "the header's checksum is wrong: it was changed or damaged"));
    reader.skip(4);
    RecordingInfo info;
    info.payload = (flags & 1) != 0;
    info.clocks.monotonic_ns = std::int64_t(reader.little<std::uint64_t>());
    info.clocks.realtime_ns = std::int64_t(reader.little<std::uint64_t>());
    for (const std::byte letter : reader.take(RecordingInfo::node_limit)) {
        if (letter == std::byte{0}) break;
        const auto code = std::to_integer<unsigned char>(letter);
        info.node += code < 0x20 || code == 0x7f ? '?' : char(code);  // it will be printed
    }
    const auto family = Family(reader.u8());
    const std::size_t length = reader.u8();
    if (length != address_size(family))
        return std::unexpected(at_byte(
            72, "an address of family " + std::to_string(unsigned(family)) + " with " + std::to_string(length) + " bytes"));
    reader.skip(6);
    info.address = Address{family, reader.take(Address::max_size).first(length)};
    return info;
}

void write_head(Head head, Bytes payload, std::vector<std::byte>& out) {
    const std::size_t begin = out.size(), padding = (8 - payload.size() % 8) % 8;
    out.resize(begin + batch_head_size);
    out.insert(out.end(), payload.begin(), payload.end());
    out.resize(out.size() + padding);
    Writer writer{MutableBytes{out}.subspan(begin, batch_head_size)};
    writer.little(std::uint32_t(payload.size() + padding));
    writer.little(std::uint16_t(head.kind));
    writer.little(head.flags);
    writer.little(std::uint32_t(0));
    writer.little(head.count);
    writer.little(std::uint64_t(head.first_ns));
    writer.little(std::uint64_t(head.last_ns));
    store_little(&out[begin + 8], batch_crc(Bytes{out}.subspan(begin)));
}

std::expected<Head, std::string> read_head(Bytes bytes) {
    Reader reader{bytes};
    Head head;
    head.length = reader.little<std::uint32_t>();
    head.kind = BatchKind(reader.little<std::uint16_t>());
    head.flags = reader.little<std::uint16_t>();
    head.crc = reader.little<std::uint32_t>();
    head.count = reader.little<std::uint32_t>();
    head.first_ns = std::int64_t(reader.little<std::uint64_t>());
    head.last_ns = std::int64_t(reader.little<std::uint64_t>());
    if (std::uint16_t(head.kind) == 0 || head.length % 8 != 0) return std::unexpected("no batch begins here");
    if (head.length > batch_limit)
        return std::unexpected("a batch of " + std::to_string(head.length) + " bytes; none has more than " +
                               std::to_string(batch_limit));
    const bool of_records = head.kind == BatchKind::records || head.kind == BatchKind::snapshot;
    if (head.kind == BatchKind::table && head.length != head.count * std::uint64_t{table_entry_size})
        return std::unexpected("a table of " + std::to_string(head.count) + " indices in " + std::to_string(head.length) +
                               " bytes");
    if (of_records && head.length != head.count * std::uint64_t{sizeof(Record)})
        return std::unexpected("a batch of " + std::to_string(head.count) + " records in " + std::to_string(head.length) +
                               " bytes");
    return head;
}

bool is_whole(Bytes batch) { return batch_crc(batch) == load_little<std::uint32_t>(&batch[8]); }

std::optional<Payload> read_payload(const Head& head, Bytes batch) {
    Reader reader{batch.subspan(batch_head_size)};
    Payload body;
    body.t_ns = head.first_ns;
    body.flow = reader.little<std::uint32_t>();
    const auto flags = reader.little<std::uint32_t>(), size = reader.little<std::uint32_t>(),
               generation = reader.little<std::uint32_t>();
    body.sent = (flags & payload_sent) != 0;
    if ((flags & payload_generation) != 0) body.generation = generation;
    body.bytes = reader.take(size);
    if (!reader.ok()) return std::nullopt;
    return body;
}

std::span<const Record> records_in(Bytes payload, std::vector<Record>& copy) {
    const std::size_t count = payload.size() / sizeof(Record);
    if (std::bit_cast<std::uintptr_t>(payload.data()) % alignof(Record) == 0)
        return {reinterpret_cast<const Record*>(payload.data()), count};
    copy.resize(count);
    if (count > 0) std::memcpy(copy.data(), payload.data(), count * sizeof(Record));
    return copy;
}

std::array<std::byte, index_size> write_index(const IndexBody& body) {
    std::array<std::byte, index_size> bytes{};
    Writer writer{bytes};
    writer.little(body.before);
    writer.little(body.entry.snapshot);
    writer.little(body.records);
    writer.little(body.ordinal);
    writer.little(std::uint64_t(body.begin_ns));
    for (const std::uint32_t count : body.entry.counts) writer.little(count);
    return bytes;
}

std::optional<IndexBody> read_index(std::uint64_t offset, Bytes batch) {
    if (batch.size() != batch_head_size + index_size || !is_whole(batch)) return std::nullopt;
    IndexBody body;
    body.entry.t_ns = std::int64_t(load_little<std::uint64_t>(&batch[24]));
    body.entry.offset = offset;
    Reader reader{batch.subspan(batch_head_size)};
    body.before = reader.little<std::uint64_t>();
    body.entry.snapshot = reader.little<std::uint64_t>();
    body.records = reader.little<std::uint64_t>();
    body.ordinal = reader.little<std::uint64_t>();
    body.begin_ns = std::int64_t(reader.little<std::uint64_t>());
    for (std::uint32_t& count : body.entry.counts) count = reader.little<std::uint32_t>();
    const auto lies_before = [&](std::uint64_t other) {
        return other == 0 || (other >= header_size && other % 8 == 0 && other < offset);
    };
    if (!lies_before(body.before) || !lies_before(body.entry.snapshot)) return std::nullopt;
    if (body.entry.snapshot != 0 && body.entry.snapshot < body.before) return std::nullopt;  // no two share a snapshot
    return body;
}

void write_entry(const IndexEntry& entry, Writer& writer) {
    writer.little(std::uint64_t(entry.t_ns));
    writer.little(entry.offset);
    writer.little(entry.snapshot);
    for (const std::uint32_t count : entry.counts) writer.little(count);
}

IndexEntry read_entry(Reader& reader) {
    IndexEntry entry;
    entry.t_ns = std::int64_t(reader.little<std::uint64_t>());
    entry.offset = reader.little<std::uint64_t>();
    entry.snapshot = reader.little<std::uint64_t>();
    for (std::uint32_t& count : entry.counts) count = reader.little<std::uint32_t>();
    return entry;
}

std::array<std::byte, end_size> write_end(const EndBody& body) {
    std::array<std::byte, end_size> bytes{};
    Writer writer{bytes};
    writer.little(body.last_index);
    writer.little(body.indices);
    writer.little(body.records);
    writer.little(std::uint64_t(body.begin_ns));
    writer.little(std::uint64_t(body.end_ns));
    writer.little(body.table);
    writer.little(body.tabled);
    return bytes;
}

std::optional<EndBody> read_end(Bytes batch) {
    if (batch.size() != batch_head_size + end_size || !is_whole(batch)) return std::nullopt;
    Reader reader{batch.subspan(batch_head_size)};
    EndBody body;
    body.last_index = reader.little<std::uint64_t>();
    body.indices = reader.little<std::uint64_t>();
    body.records = reader.little<std::uint64_t>();
    body.begin_ns = std::int64_t(reader.little<std::uint64_t>());
    body.end_ns = std::int64_t(reader.little<std::uint64_t>());
    body.table = reader.little<std::uint64_t>();
    body.tabled = reader.little<std::uint64_t>();
    return body;
}

}  // namespace format
}  // namespace weft::trace
