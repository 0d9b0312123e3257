// Writing a recording: records into batches, an index each second of record time and each 16,384 records, snapshots
// as often as they pay.
#include <algorithm>

#include "stack/core/recording_format.h"

namespace weft::trace {

namespace {

constexpr std::int64_t one_second = 1'000'000'000;
constexpr std::uint64_t records_per_snapshot = 3;  // bytes of records for each byte of snapshot, at least
constexpr std::uint64_t about_a_flow = 10;  // records of a snapshot
constexpr std::uint64_t indexed_together = 16'384;  // records

}  // namespace

RecordingWriter::RecordingWriter(const RecordingInfo& info, Indices indices) : info_{info}, indices_{indices} {}

void RecordingWriter::batch(BatchKind kind, std::int64_t first_ns, std::int64_t last_ns, Bytes payload,
                            std::vector<std::byte>& out) {
    const std::size_t before = out.size();
    const bool of_records = kind == BatchKind::records || kind == BatchKind::snapshot;
    const std::size_t size = of_records ? sizeof(Record) : kind == BatchKind::table ? format::table_entry_size : 0;
    const auto count = std::uint32_t(size > 0 ? payload.size() / size : 0);
    format::write_head({0, kind, 0, 0, count, first_ns, last_ns}, payload, out);
    bytes_ += out.size() - before;
}

void RecordingWriter::begin(std::vector<std::byte>& out, const Replay* seed, std::int64_t now_ns) {
    const auto header = format::write_header(info_);
    out.insert(out.end(), header.begin(), header.end());
    bytes_ = header.size();
    if (!seed) return;
    now_ns_ = std::max(seed->now_ns(), now_ns);  // a node where nothing happened yet, or for long
    const std::uint64_t snapshot = write_snapshot(*seed, out);
    if (indices_ == Indices::seconds) state_ = *seed;
    index(snapshot, out);
}

// Answers where it begins.
std::uint64_t RecordingWriter::write_snapshot(const Replay& state, std::vector<std::byte>& out) {
    const std::uint64_t begin = bytes_;
    told_.clear();
    state.snapshot(now_ns_, told_);
    for (std::size_t at = 0; at < told_.size(); at += batch_records) {
        const auto part = std::span{told_}.subspan(at, std::min(batch_records, told_.size() - at));
        batch(BatchKind::snapshot, now_ns_, now_ns_, std::as_bytes(part), out);
    }
    snapshot_bytes_ = bytes_ - begin;
    since_snapshot_ = 0;
    return begin;
}

void RecordingWriter::index(std::uint64_t snapshot, std::vector<std::byte>& out) {
    format::IndexBody body;
    body.before = last_index_;
    body.ordinal = ++index_count_;
    body.records = records_;
    body.begin_ns = begin_ns_;
    body.entry = {now_ns_, bytes_, snapshot, counts_};
    last_index_ = bytes_;
    counts_ = {};
    if (table_.size() == format::table_limit) table_.pop_front();
    table_.push_back(body.entry);
    batch(BatchKind::index, begin_ns_, now_ns_, format::write_index(body), out);
    indexed_bytes_ = bytes_;
    indexed_records_ = records_;
}

void RecordingWriter::add(const Record& record, std::vector<std::byte>& out) {
    const std::int64_t t_ns = records_ == 0 && index_count_ == 0 ? record.t_ns : std::max(record.t_ns, now_ns_);
    if (records_ == 0) begin_ns_ = index_ns_ = t_ns;
    // Between two moments: all records of one moment lie on the same side of an index.
    const bool due = std::uint64_t(t_ns) - std::uint64_t(index_ns_) >= std::uint64_t{one_second} ||
                     (records_ - indexed_records_ >= indexed_together && t_ns > now_ns_);
    if (indices_ == Indices::seconds && due) {
        flush(out);
        const std::uint64_t size = std::max(snapshot_bytes_, state_.size() * about_a_flow * sizeof(Record));
        const bool pays = since_snapshot_ >= records_per_snapshot * size;
        index(pays ? write_snapshot(state_, out) : 0, out);
        index_ns_ = t_ns;
    }
    open_.push_back(record);
    open_.back().t_ns = now_ns_ = t_ns;
    ++records_;
    since_snapshot_ += sizeof(Record);
    if (const auto type = std::size_t(record.type); type < counted_types) ++counts_[type];
    if (open_.size() >= batch_records) flush(out);
}

// Of a stream they are batches as they lie; a file counts them one by one on their way to the next index.
void RecordingWriter::add(std::span<const Record> records, std::vector<std::byte>& out) {
    const bool in_order = std::ranges::is_sorted(records, {}, &Record::t_ns) &&
                          (records.empty() || records_ == 0 || records.front().t_ns >= now_ns_);
    if (indices_ == Indices::seconds || !in_order || records_ == 0) {
        for (const Record& record : records) add(record, out);
        return;
    }
    flush(out);
    for (std::span<const Record> left = records; !left.empty(); left = left.subspan(std::min(left.size(), batch_records))) {
        const auto part = left.first(std::min(left.size(), batch_records));
        batch(BatchKind::records, part.front().t_ns, part.back().t_ns, std::as_bytes(part), out);
    }
    for (const Record& record : records)
        if (const auto type = std::size_t(record.type); type < counted_types) ++counts_[type];
    if (!records.empty()) now_ns_ = records.back().t_ns;
    records_ += records.size();
}

void RecordingWriter::add_payload(const Payload& payload, std::vector<std::byte>& out) {
    flush(out);
    const Bytes bytes = payload.bytes.first(std::min(payload.bytes.size(), batch_limit - format::payload_head_size));
    const std::int64_t at = std::max(payload.t_ns, now_ns_);
    std::vector<std::byte> body(format::payload_head_size + bytes.size());
    Writer writer{body};
    writer.little(payload.flow);
    writer.little((payload.sent ? format::payload_sent : 0) | (payload.generation ? format::payload_generation : 0));
    writer.little(std::uint32_t(bytes.size()));
    writer.little(payload.generation.value_or(0));
    writer.put(bytes);
    batch(BatchKind::payload, at, at, body, out);
}

void RecordingWriter::flush(std::vector<std::byte>& out) {
    if (open_.empty()) return;
    batch(BatchKind::records, open_.front().t_ns, open_.back().t_ns, std::as_bytes(std::span{open_}), out);
    if (indices_ == Indices::seconds) state_.apply(open_);
    open_.clear();
}

void RecordingWriter::write_table(std::vector<std::byte>& out) {
    std::vector<std::byte> entries;
    for (std::size_t at = 0; at < table_.size(); at += format::table_entries) {
        const std::size_t count = std::min(format::table_entries, table_.size() - at);
        entries.resize(count * format::table_entry_size);
        Writer writer{entries};
        for (std::size_t i = 0; i < count; ++i) format::write_entry(table_[at + i], writer);
        batch(BatchKind::table, table_[at].t_ns, table_[at + count - 1].t_ns, entries, out);
    }
}

void RecordingWriter::end(std::vector<std::byte>& out) {
    flush(out);
    if (records_ > 0 && bytes_ != indexed_bytes_) index(0, out);
    const std::int64_t end_ns = records_ > 0 ? now_ns_ : 0;
    format::EndBody body{last_index_, index_count_, records_, begin_ns_, end_ns, bytes_, table_.size()};
    write_table(out);
    batch(BatchKind::end, begin_ns_, end_ns, format::write_end(body), out);
}

}  // namespace weft::trace
