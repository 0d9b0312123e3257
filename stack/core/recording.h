// The `.weft` format: a header, then batches; the same bytes on the event connection and in a file (docs/wire.md). A writer, a reader
// of a stream and a reader of a file that lies in memory. Pure: bytes in, bytes out, no file and no clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stack/core/address.h"
#include "stack/core/bytes.h"
#include "stack/core/place_table.h"
#include "stack/core/replay.h"
#include "stack/core/trace.h"

namespace weft::trace {

namespace format {
struct EndBody;
struct IndexBody;
}  // namespace format

struct Clocks {
    std::int64_t monotonic_ns{0}, realtime_ns{0};  // read at the same moment; records tell monotonic time
};

// The header.
struct RecordingInfo {
    static constexpr std::size_t node_limit = 32;
    Clocks clocks;
    std::string node;  // its name, at most node_limit bytes (cut beyond)
    Address address;  // the node's; none: of no overlay
    bool payload{false};  // payload was asked for
    friend bool operator==(const RecordingInfo& a, const RecordingInfo& b);
};

// Unknown kinds are skipped.
enum class BatchKind : std::uint16_t { records = 1, index = 2, payload = 3, end = 4, snapshot = 5, table = 6 };

inline constexpr std::size_t header_size = 192, batch_head_size = 32;
inline constexpr std::size_t batch_limit = 1u << 20;  // bytes of a batch behind its head; nothing longer is written or read
inline constexpr std::size_t batch_records = 4'096;  // at which the writer closes a batch by itself
inline constexpr std::size_t counted_types = 24;
inline constexpr std::uint32_t lagged_payload = 23;  // Lagged::type: pieces of payload that were left out; no record has it

// Each second of record time that had records, and each part of one that had many: where it lies and what is in it.
struct IndexEntry {
    std::int64_t t_ns{0};  // all records before the index are of this time or older
    std::uint64_t offset{0};  // of the index batch
    std::uint64_t snapshot{0};  // of the first snapshot batch that belongs to it; 0: it has none of its own
    std::array<std::uint32_t, counted_types> counts{};  // records by type since the index before
    friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};

// What a flow carried.
struct Payload {
    std::int64_t t_ns{0};
    std::uint32_t flow{0};  // its place
    std::optional<std::uint32_t> generation;  // none: its writer did not say it
    bool sent{false};  // by this node; else received
    Bytes bytes;
};

// Writes. All output is appended to `out`; nothing is kept but the records of the open batch and a Replay for the snapshots.
class RecordingWriter {
public:
    // `none`: only the snapshot that it begins with, for who folds from there on. `seconds`: an index each second of record time, and
    // each 16,384 records, and a snapshot with it when the records since the last one take three times its room: so recordings grow by
    // about a third at most, and at() folds no more than four snapshots' worth of records and those up to an index.
    enum class Indices : std::uint8_t { none, seconds };

    explicit RecordingWriter(const RecordingInfo& info, Indices indices = Indices::seconds);

    // The header and, with a seed, the state before the first record, told as of `now_ns` or of the seed, if that is later. Call
    // it once, first.
    void begin(std::vector<std::byte>& out, const Replay* seed = nullptr, std::int64_t now_ns = 0);
    // Times never run back in a recording: an older one is raised to the newest. Closes a batch at batch_records.
    void add(const Record& record, std::vector<std::byte>& out);
    void add(std::span<const Record> records,
             std::vector<std::byte>& out);  // the same; a stream closes its batch behind them
    // For recordings that were asked for it; cut at batch_limit - 16 bytes.
    void add_payload(const Payload& payload, std::vector<std::byte>& out);
    // What is collected, as a batch. A file: about four times a second; a stream: whenever its reader shall see it.
    void flush(std::vector<std::byte>& out);
    // flush, the last index, a table of the last 65,536, and the end batch, by which open() finds them. Nothing may follow.
    void end(std::vector<std::byte>& out);

    std::uint64_t bytes() const { return bytes_; }  // written so far
    std::uint64_t records() const { return records_; }  // added so far
    std::int64_t now_ns() const { return now_ns_; }  // of the newest record

private:
    void index(std::uint64_t snapshot, std::vector<std::byte>& out);
    void write_table(std::vector<std::byte>& out);
    std::uint64_t write_snapshot(const Replay& state, std::vector<std::byte>& out);
    void batch(BatchKind kind, std::int64_t first_ns, std::int64_t last_ns, Bytes payload, std::vector<std::byte>& out);

    RecordingInfo info_;
    Indices indices_;
    Replay state_;
    std::vector<Record> open_, told_;
    std::array<std::uint32_t, counted_types> counts_{};
    std::int64_t now_ns_{0}, begin_ns_{0}, index_ns_{0};
    std::deque<IndexEntry> table_;
    std::uint64_t bytes_{0}, records_{0}, indexed_bytes_{0}, indexed_records_{0}, last_index_{0}, index_count_{0};
    std::uint64_t since_snapshot_{0}, snapshot_bytes_{0};  // bytes of records since the last snapshot; bytes of it
};

// Reads a stream as it comes. Holds at most one unfinished batch; after an error it stays failed.
class RecordingStream {
public:
    using Take = std::function<void(std::span<const Record>)>;
    using TakePayload = std::function<void(const Payload&)>;

    // Pieces of any size. The snapshot that a stream begins with comes as records with snapshot_flag; later ones tell nothing new and are
    // skipped. Errors: "at byte 4096: ..." of the stream.
    std::expected<void, std::string> feed(Bytes bytes, const Take& take);
    // Who wants payload, too; without this it is skipped.
    void on_payload(TakePayload take) { take_payload_ = std::move(take); }
    const RecordingInfo* info() const { return info_ ? &*info_ : nullptr; }  // nullptr: the header has not come yet
    bool ended() const { return ended_; }  // its end batch came
    bool between_batches() const { return pending_.empty(); }
    std::uint64_t bytes() const { return offset_; }  // taken in whole batches

private:
    std::expected<void, std::string> take_whole(Bytes whole, const Take& take);
    std::expected<std::size_t, std::string> wanted(Bytes bytes) const;
    std::expected<void, std::string> take_batch(Bytes batch, const Take& take);
    std::unexpected<std::string> fail(std::string why);

    std::optional<RecordingInfo> info_;
    TakePayload take_payload_;
    std::vector<std::byte> pending_;
    std::vector<Record> aligned_;
    std::uint64_t offset_{0};
    std::string failed_;
    bool ended_{false}, began_{false};
};

// Reads a whole recording that lies in memory, a mapped file: the bytes stay the caller's and stay where they are as long as this is
// used. Records are handed out in place if the bytes lie at a multiple of 8, else through a copy. Costs memory for the indices alone.
class Recording {
public:
    using Index = IndexEntry;
    struct Mark {
        std::int64_t t_ns{0};
        std::string text;
    };
    // Return false to stop.
    using Take = std::function<bool(std::span<const Record>)>;
    struct Reading {
        // Told which bytes of the file will be read next, by stretches: they may be fetched meanwhile.
        void (*soon)(Bytes stretch){nullptr};
        std::uint64_t walked{16 << 20};  // bytes of a file without an end in which the heads of all batches are looked at
    };

    // By the end batch; without one (it is being written, or its writer died) by the last index that can be found, and the heads
    // of the batches behind it.
    static std::expected<Recording, std::string> open(Bytes file, const Reading& reading = default_reading());
    // The file has grown, and may lie elsewhere now. Costs what is new.
    std::expected<void, std::string> extend(Bytes file);

    const RecordingInfo& info() const { return info_; }
    std::span<const Index> indices() const { return indices_; }
    std::int64_t begin_ns() const { return begin_ns_; }  // of the first record; 0: there is none
    std::int64_t end_ns() const { return end_ns_; }  // of the last one
    bool ended() const { return ended_; }  // its writer closed it
    // Bytes behind the last whole batch: its writer died, or writes at the moment. what(): "at byte 4096: ...".
    bool torn() const { return whole_ < file_.size(); }
    const std::string& what() const { return what_; }
    std::uint64_t bytes() const { return whole_; }  // up to the end of the last whole batch

    // The records from `from` (inclusive) to `to` (exclusive), in order; snapshots of indices are not among them. In files of
    // RecordingWriter times never run back; where they do, the newest so far counts, and nothing breaks. Batches whose checksum is wrong are left out; says how many.
    std::size_t read(std::int64_t from, std::int64_t to, const Take& take) const;
    // A place between two records, in the order of the file; stays true when the file grows.
    using Position = std::uint64_t;
    Position begin_position() const { return position(header_size, 0); }
    // Of the first record at `t` or later; of the end if there is none.
    Position position_at(std::int64_t t) const;
    // Records in order from there on, by spans; answers where to go on: behind what `take` was given last, or at the end.
    Position read_on(Position from, const Take& take) const;
    Position read_on(Position from, Position until, const Take& take) const;  // and stops before `until`
    // Where a batch begins before this, and no more than 16,384 records away; at the beginning: there.
    Position before(Position position) const;
    // Payload of the same time, where it was recorded.
    std::size_t read_payload(std::int64_t from, std::int64_t to, const RecordingStream::TakePayload& take) const;
    // The state after the last record of `t` or earlier: the nearest snapshot, and the records from there on.
    Replay at(std::int64_t t) const;
    // The last `most` marks. Looks only where an index counted one.
    std::vector<Mark> marks(std::size_t most = 1'024) const;

private:
    struct Batch;
    static Reading default_reading() { return {}; }
    static Position position(std::uint64_t offset, std::size_t record) {
        return offset << 11 | record;
    }  // offsets are multiples of 8
    std::optional<Batch> batch_at(std::uint64_t offset, std::string* why = nullptr) const;
    void reading(std::uint64_t offset, std::uint64_t until) const;
    bool is_whole(const Batch& batch) const;
    bool open_by_end();
    bool open_by_last_index();
    std::optional<format::IndexBody> last_index(std::uint64_t after) const;
    bool follow_chain(std::uint64_t offset, std::uint64_t below, std::uint64_t ordinal, std::int64_t latest,
                      std::vector<Index>& found) const;
    std::optional<std::vector<Index>> take_table(const format::EndBody& body, std::uint64_t end) const;
    bool take_chain(const format::EndBody& body, std::vector<Index> found);
    void walk(bool to_an_index = false);
    bool times_hold(const Batch& batch) const;
    std::uint64_t start_of(std::int64_t t) const;
    std::uint64_t end_of(std::int64_t to, Position until) const;
    Position go_on(Position from, std::int64_t to, const Take& take, std::size_t& damaged,
                   Position until = ~Position{0}) const;
    bool fold_snapshot(const Index& index, Replay& into) const;

    Bytes file_;
    Reading reading_;
    RecordingInfo info_;
    std::vector<Index> indices_;
    std::uint64_t whole_{0};
    std::int64_t begin_ns_{0}, end_ns_{0};
    bool any_{false}, ended_{false};
    std::string what_;
    mutable std::vector<std::uint32_t> told_;  // of each mebibyte: the number of its telling; 0: never
    mutable std::uint32_t tellings_{0};
    mutable PlaceTable whole_batches_;  // by offset: large ones whose sums were right; each is looked at once
};

}  // namespace weft::trace
