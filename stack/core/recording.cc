// Reading a recording that lies in memory. Everything in it may be hostile: what is read was checked to lie inside, sums are looked
// at before records are handed out, and nothing is kept but indices.
#include "stack/core/recording.h"

#include <algorithm>
#include <limits>

#include "stack/core/recording_format.h"

namespace weft::trace {

struct Recording::Batch {
    std::uint64_t offset{0};
    format::Head head;
    Bytes bytes;  // head and payload
    Bytes payload() const { return bytes.subspan(batch_head_size); }
    std::uint64_t end() const { return offset + bytes.size(); }
};

namespace {

constexpr std::uint64_t record_bits = 14;  // of a position: a batch has at most 2^14 records
static_assert(batch_limit / sizeof(Record) <= 1u << record_bits);

// Of the record at a place in a batch, however it is aligned.
std::int64_t time_at(Bytes payload, std::size_t record) {
    return std::int64_t(load_little<std::uint64_t>(payload.data() + record * sizeof(Record)));
}

// The first record of `t` or later; the count if there is none.
std::size_t first_at(Bytes payload, std::int64_t t) {
    std::size_t low = 0, high = payload.size() / sizeof(Record);
    while (low < high) {
        const std::size_t middle = low + (high - low) / 2;
        if (time_at(payload, middle) < t) low = middle + 1;
        else high = middle;
    }
    return low;
}

// True if the head of a batch of records tells the times of its first and last one: those lie beside heads, the sum needs all of it.
bool times_hold(const format::Head& head, Bytes batch) {
    const Bytes payload = batch.subspan(batch_head_size);
    const bool same = time_at(payload, 0) == head.first_ns && time_at(payload, head.count - 1) == head.last_ns;
    return same || format::is_whole(batch);
}

}  // namespace

// The batch there, if all of it lies in the file.
std::optional<Recording::Batch> Recording::batch_at(std::uint64_t offset, std::string* why) const {
    const auto refuse = [&](std::string_view what) {
        if (why) *why = format::at_byte(offset, what);
        return std::nullopt;
    };
    if (offset >= file_.size()) return refuse("the file ends");
    const Bytes rest = file_.subspan(std::size_t(offset));
    if (rest.size() < batch_head_size) return refuse("the file ends within the head of a batch");
    const auto head = format::read_head(rest);
    if (!head) return refuse(head.error());
    if (rest.size() - batch_head_size < head->length)
        return refuse("the file ends within a batch of " + std::to_string(head->length) + " bytes");
    return Batch{offset, *head, rest.first(batch_head_size + head->length)};
}

std::expected<Recording, std::string> Recording::open(Bytes file) {
    auto info = format::read_header(file);
    if (!info) return std::unexpected(info.error());
    Recording recording;
    recording.file_ = file;
    recording.info_ = std::move(*info);
    recording.whole_ = header_size;
    if (!recording.open_by_end()) recording.walk();
    return recording;
}

std::expected<void, std::string> Recording::extend(Bytes file) {
    if (file.size() < whole_)
        return std::unexpected(format::at_byte(
            file.size(), "the file is shorter than before, when it had " + std::to_string(whole_) + " bytes: open it anew"));
    const auto info = format::read_header(file);
    if (!info) return std::unexpected(info.error());
    if (*info != info_)
        return std::unexpected(format::at_byte(0, "the file is another recording than before: open it anew"));
    file_ = file;
    walk();
    return {};
}

bool Recording::open_by_end() {
    constexpr std::size_t size = batch_head_size + format::end_size;
    if (file_.size() < header_size + size || file_.size() % 8 != 0) return false;
    const std::uint64_t offset = file_.size() - size;
    const auto batch = batch_at(offset);
    if (!batch || batch->head.kind != BatchKind::end) return false;
    const auto body = format::read_end(batch->bytes);
    if (!body) return false;
    auto tabled = take_table(*body, offset);
    if (!tabled || !take_chain(*body, std::move(*tabled))) return false;
    any_ = body->records > 0;
    begin_ns_ = any_ ? body->begin_ns : 0;
    end_ns_ = any_ ? body->end_ns : 0;
    whole_ = file_.size();
    ended_ = true;
    return true;
}

// The last indices, newest first, by the tables: one look at the end of the file.
std::optional<std::vector<Recording::Index>> Recording::take_table(const format::EndBody& body, std::uint64_t end) const {
    std::vector<Index> found;
    if (body.tabled > format::table_limit || body.tabled > body.indices || body.table < header_size) return std::nullopt;
    std::uint64_t offset = body.table, after = 0;
    std::int64_t oldest = std::numeric_limits<std::int64_t>::min();
    while (offset < end) {
        const auto batch = batch_at(offset);
        if (!batch || batch->head.kind != BatchKind::table || !format::is_whole(batch->bytes)) return std::nullopt;
        Reader reader{batch->payload()};
        for (std::uint32_t i = 0; i < batch->head.count; ++i) {
            const Index entry = format::read_entry(reader);
            const bool lies_behind = entry.offset % 8 == 0 && entry.offset >= header_size && entry.offset > after &&
                                     entry.offset < body.table && entry.t_ns >= oldest;
            const bool own = entry.snapshot == 0 || (entry.snapshot > after && entry.snapshot >= header_size &&
                                                     entry.snapshot % 8 == 0 && entry.snapshot < entry.offset);
            if (!lies_behind || !own) return std::nullopt;
            found.push_back(entry);
            after = entry.offset;
            oldest = entry.t_ns;
        }
        offset = batch->end();
    }
    if (offset != end || found.size() != body.tabled || (!found.empty() && after != body.last_index)) return std::nullopt;
    std::ranges::reverse(found);
    return found;
}

// Behind those found, all older ones, each by what the one after it says; nothing is kept if one of them makes no sense.
bool Recording::take_chain(const format::EndBody& body, std::vector<Index> found) {
    std::uint64_t offset = body.last_index, below = body.table, ordinal = body.indices;
    std::int64_t latest = std::numeric_limits<std::int64_t>::max();
    if (body.indices > file_.size() / (batch_head_size + format::index_size)) return false;
    if (body.indices == 0) offset = 0;
    if (!found.empty()) {  // its oldest one leads on
        ordinal -= found.size();
        latest = found.back().t_ns;
        below = found.back().offset;
        offset = 0;
        if (ordinal > 0) {
            const auto batch = batch_at(below);
            const auto index = batch ? format::read_index(below, batch->bytes) : std::nullopt;
            if (!index) return false;
            offset = index->before;
        }
    }
    for (; offset != 0; --ordinal) {
        if (offset >= below || offset < header_size || offset % 8 != 0 || ordinal == 0) return false;
        const auto batch = batch_at(offset);
        if (!batch || batch->head.kind != BatchKind::index) return false;
        const auto index = format::read_index(offset, batch->bytes);
        if (!index || index->ordinal != ordinal || index->entry.t_ns > latest) return false;
        found.push_back(index->entry);
        latest = index->entry.t_ns;
        below = offset;
        offset = index->before;
    }
    if (ordinal != 0) return false;
    std::ranges::reverse(found);
    indices_ = std::move(found);
    return true;
}

// Batch heads from where the last walk ended. The sum of the last batch is looked at, as a crash may leave zeros behind a head, and
// those of batches whose records say other times than their heads.
void Recording::walk() {
    what_.clear();
    if (ended_ && whole_ < file_.size()) what_ = format::at_byte(whole_, "bytes behind the end of the recording");
    std::string why;
    while (!ended_ && whole_ < file_.size()) {
        const auto batch = batch_at(whole_, &why);
        if (!batch) break;
        if (!batch_at(batch->end()) && !format::is_whole(batch->bytes)) {
            why = format::at_byte(whole_, "the checksum of the last batch is wrong: it was not written to its end");
            break;
        }
        if (batch->head.kind == BatchKind::records && batch->head.count > 0 && times_hold(batch->head, batch->bytes)) {
            if (!any_) begin_ns_ = end_ns_ = batch->head.first_ns;
            any_ = true;
            end_ns_ = std::max(end_ns_, batch->head.last_ns);
        }
        if (batch->head.kind == BatchKind::index) {
            const auto index = format::read_index(batch->offset, batch->bytes);
            const bool follows =
                index &&
                (indices_.empty() || (indices_.back().t_ns <= index->entry.t_ns && indices_.back().offset <= index->before));
            if (follows) indices_.push_back(index->entry);
        }
        ended_ = batch->head.kind == BatchKind::end;
        whole_ = batch->end();
    }
    if (torn() && what_.empty())
        what_ = why.empty() ? format::at_byte(whole_, "bytes behind the end of the recording") : why;
}

// From where on all records of `t` and later lie.
std::uint64_t Recording::start_of(std::int64_t t) const {
    const auto later = std::ranges::lower_bound(indices_, t, {}, &Index::t_ns);
    return later == indices_.begin() ? header_size : std::prev(later)->offset;
}

// Before the damaged batches that lie between it and the last older record: who reads on counts them.
Recording::Position Recording::position_at(std::int64_t t) const {
    std::uint64_t offset = start_of(t);
    std::optional<Position> damaged;
    while (offset < whole_) {
        const auto batch = batch_at(offset);
        if (!batch) break;
        if (batch->head.kind == BatchKind::records) {
            if (batch->head.last_ns < t) {
                damaged.reset();
            } else if (!format::is_whole(batch->bytes)) {
                if (!damaged) damaged = position(offset, 0);
            } else {
                const std::size_t record = first_at(batch->payload(), t);
                if (record == 0 && damaged) return *damaged;
                if (record < batch->head.count) return position(offset, record);
                damaged.reset();
            }
        }
        offset = batch->end();
    }
    return damaged.value_or(position(whole_, 0));
}

Recording::Position Recording::go_on(Position from, std::int64_t to, const Take& take, std::size_t& damaged,
                                     Position until) const {
    std::vector<Record> copy;
    std::uint64_t offset = from >> record_bits << 3;
    std::size_t record = from & ((1u << record_bits) - 1);
    while (offset < whole_) {
        const auto batch = batch_at(offset);
        if (!batch) break;
        if (batch->head.kind == BatchKind::records && batch->head.count > record) {
            if (position(offset, record) >= until) return position(offset, record);
            if (format::is_whole(batch->bytes)) {  // its head says nothing before
                if (batch->head.first_ns >= to) return position(offset, record);
                std::size_t end = batch->head.last_ns < to ? batch->head.count : first_at(batch->payload(), to);
                if (until < position(batch->end(), 0)) end = std::min<std::size_t>(end, until - position(offset, 0));
                const auto records = format::records_in(batch->payload(), copy);
                // Behind the last record lies the next batch: 2^14 is no place in this one.
                const Position next = end < batch->head.count ? position(offset, end) : position(batch->end(), 0);
                if (end > record && !take(records.subspan(record, end - record))) return next;
                if (end < batch->head.count) return position(offset, std::max(record, end));
            } else {
                ++damaged;
            }
        }
        offset = batch->end();
        record = 0;
    }
    return position(std::min(offset, whole_), 0);
}

Recording::Position Recording::read_on(Position from, Position until, const Take& take) const {
    std::size_t damaged = 0;
    return go_on(from, std::numeric_limits<std::int64_t>::max(), take, damaged, until);
}

Recording::Position Recording::read_on(Position from, const Take& take) const {
    std::size_t damaged = 0;
    return go_on(from, std::numeric_limits<std::int64_t>::max(), take, damaged);
}

std::size_t Recording::read(std::int64_t from, std::int64_t to, const Take& take) const {
    std::size_t damaged = 0;
    if (from < to) go_on(position_at(from), to, take, damaged);
    return damaged;
}

std::size_t Recording::read_payload(std::int64_t from, std::int64_t to, const RecordingStream::TakePayload& take) const {
    std::size_t damaged = 0;
    std::uint64_t offset = start_of(from);
    while (offset < whole_) {
        const auto batch = batch_at(offset);
        if (!batch) break;
        if (batch->head.kind == BatchKind::records && batch->head.first_ns >= to && format::is_whole(batch->bytes)) break;
        offset = batch->end();
        if (batch->head.kind != BatchKind::payload || batch->head.first_ns < from || batch->head.first_ns >= to) continue;
        Reader reader{batch->payload()};
        const auto flow = reader.little<std::uint32_t>(), flags = reader.little<std::uint32_t>();
        const auto size = reader.little<std::uint32_t>();
        reader.skip(4);
        const Bytes bytes = reader.take(size);
        if (!reader.ok() || !format::is_whole(batch->bytes)) ++damaged;
        else take(batch->head.first_ns, flow, (flags & 1) != 0, bytes);
    }
    return damaged;
}

// False: damaged.
bool Recording::fold_snapshot(const Index& index, Replay& into) const {
    std::vector<Record> copy;
    std::uint64_t offset = index.snapshot;
    while (offset < index.offset) {
        const auto batch = batch_at(offset);
        if (!batch || batch->head.kind != BatchKind::snapshot || !format::is_whole(batch->bytes)) return false;
        into.apply(format::records_in(batch->payload(), copy));
        offset = batch->end();
    }
    return offset == index.offset;
}

Replay Recording::at(std::int64_t t) const {
    Replay state;
    std::uint64_t offset = header_size;
    for (auto next = std::ranges::upper_bound(indices_, t, {}, &Index::t_ns); next != indices_.begin(); --next) {
        const Index& index = *std::prev(next);
        if (index.snapshot == 0) continue;
        if (fold_snapshot(index, state)) {
            offset = index.offset;
            break;
        }
        state = Replay{};
    }
    const auto fold = [&](std::span<const Record> records) {
        state.apply(records);
        return true;
    };
    std::size_t damaged = 0;
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    go_on(position(offset, 0), t < most ? t + 1 : most, fold, damaged);
    return state;
}

std::vector<Recording::Mark> Recording::marks(std::size_t most) const {
    std::vector<Mark> found;
    std::size_t damaged = 0;
    const auto look = [&](std::span<const Record> records) {
        for (const Record& record : records)
            if (record.type == Type::mark) found.push_back({record.t_ns, std::string(text_of(body_of<Text>(record).utf8))});
        return true;
    };
    constexpr std::int64_t newest = std::numeric_limits<std::int64_t>::max();
    std::uint64_t after = header_size;
    for (const Index& index : indices_) {
        // Its records end where it lies; all of them are of its time or older, those of the next index are younger.
        if (index.counts[std::size_t(Type::mark)] > 0 && index.t_ns < newest)
            go_on(position(after, 0), index.t_ns + 1, look, damaged, position(index.offset, 0));
        after = index.offset;
        if (found.size() > 2 * most) found.erase(found.begin(), found.end() - std::ptrdiff_t(most));
    }
    go_on(position(after, 0), newest, look, damaged);
    if (found.size() > most) found.erase(found.begin(), found.end() - std::ptrdiff_t(most));
    return found;
}

}  // namespace weft::trace
