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

constexpr std::uint64_t near = 16'384 * sizeof(Record);  // bytes of a file: read in some milliseconds, whatever lies there
constexpr std::uint64_t fetched_at_once = 1 << 20, fetched_ahead = 512 << 10;
constexpr std::uint32_t told_again = 64;  // tellings later: who was told may have forgotten
constexpr std::uint64_t searched = 64 << 20;  // bytes before the end of a file in which an index is looked for
constexpr std::size_t remembered = 16 << 10;  // bytes of a batch whose sum takes long enough to remember it
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

}  // namespace

// Who reads at `offset`, and on up to `until`, will soon need what lies there: told by parts of a mebibyte, each once in a while.
void Recording::reading(std::uint64_t offset, std::uint64_t until) const {
    if (!reading_.soon) return;
    until = std::min({until, offset + fetched_ahead, std::uint64_t{file_.size()}});
    for (std::uint64_t part = offset / fetched_at_once; part * fetched_at_once < until; ++part) {
        if (part >= told_.size()) told_.resize(std::size_t(file_.size() / fetched_at_once + 1));
        std::uint32_t& told = told_[std::size_t(part)];
        if (told != 0 && tellings_ - told < told_again) continue;
        told = ++tellings_;
        const std::uint64_t begin = part * fetched_at_once;
        reading_.soon(file_.subspan(std::size_t(begin), std::size_t(std::min(fetched_at_once, file_.size() - begin))));
    }
}

bool Recording::is_whole(const Batch& batch) const {
    if (whole_batches_.find(batch.offset) == batch.bytes.size()) return true;
    if (!format::is_whole(batch.bytes)) return false;
    if (batch.bytes.size() >= remembered) whole_batches_.insert(batch.offset, std::uint32_t(batch.bytes.size()));
    return true;
}

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

std::expected<Recording, std::string> Recording::open(Bytes file, const Reading& reading) {
    auto info = format::read_header(file);
    if (!info) return std::unexpected(info.error());
    Recording recording;
    recording.file_ = file;
    recording.reading_ = reading;
    recording.info_ = std::move(*info);
    recording.whole_ = header_size;
    if (!recording.open_by_end() && !recording.open_by_last_index()) recording.walk();
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
    if (!follow_chain(offset, below, ordinal, latest, found)) return false;
    std::ranges::reverse(found);
    indices_ = std::move(found);
    return true;
}

// From the index at `offset`, which is the so manyth, back to the first.
bool Recording::follow_chain(std::uint64_t offset, std::uint64_t below, std::uint64_t ordinal, std::int64_t latest,
                             std::vector<Index>& found) const {
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
    return ordinal == 0;
}

// The last one that lies whole in the file, if it does not lie far before its end.
std::optional<format::IndexBody> Recording::last_index(std::uint64_t after) const {
    constexpr std::size_t size = batch_head_size + format::index_size;
    constexpr std::uint64_t begins = std::uint64_t(BatchKind::index) << 32 | format::index_size;  // length, kind, no flags
    std::uint64_t end = file_.size() / 8 * 8;
    const std::uint64_t least = std::max(after, end - std::min(end, searched));
    while (end > least) {
        const std::uint64_t begin = std::max(least, end - std::min(end, fetched_at_once));
        reading(begin, end);
        reading(begin + (end - begin) / 2, end);
        for (std::uint64_t offset = end; offset > begin;) {
            offset -= 8;
            if (load_little<std::uint64_t>(&file_[offset]) != begins || file_.size() - offset < size) continue;
            if (const auto index = format::read_index(offset, file_.subspan(offset, size))) return index;
        }
        end = begin;
    }
    return std::nullopt;
}

// Of a large file without an end only what lies before the first and behind the last index is walked. What looks like an index may be
// payload that somebody made up: it must lead back to the first one.
bool Recording::open_by_last_index() {
    if (file_.size() < reading_.walked) return false;
    walk(true);
    if (indices_.empty() || file_.size() - whole_ < reading_.walked) return false;
    const auto last = last_index(whole_);
    if (!last) return false;
    std::vector<Index> found;
    const std::uint64_t end = last->entry.offset + batch_head_size + format::index_size;
    if (!follow_chain(last->entry.offset, end, last->ordinal, last->entry.t_ns, found) || found.back() != indices_.front())
        return false;
    std::ranges::reverse(found);
    indices_ = std::move(found);
    whole_ = end;
    if (any_ || last->records > 0) {
        end_ns_ = any_ ? std::max(end_ns_, last->entry.t_ns) : last->entry.t_ns;
        if (!any_) begin_ns_ = std::min(last->begin_ns, end_ns_);
        any_ = true;
    }
    walk();
    return true;
}

// Batch heads from where the last walk ended. The sum of the last batch is looked at, as a crash may leave zeros behind a head, and
// those of batches whose records say other times than their heads.
void Recording::walk(bool to_an_index) {
    what_.clear();
    if (ended_ && whole_ < file_.size()) what_ = format::at_byte(whole_, "bytes behind the end of the recording");
    std::string why;
    while (!ended_ && whole_ < file_.size() && !(to_an_index && !indices_.empty())) {
        const auto batch = batch_at(whole_, &why);
        if (!batch) break;
        if (!batch_at(batch->end()) && !is_whole(*batch)) {
            why = format::at_byte(whole_, "the checksum of the last batch is wrong: it was not written to its end");
            break;
        }
        if (batch->head.kind == BatchKind::records && batch->head.count > 0 && times_hold(*batch)) {
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

// True if the head of a batch of records tells the times of its first and last one: those lie beside heads, the sum needs all of it.
bool Recording::times_hold(const Batch& batch) const {
    const bool same = time_at(batch.payload(), 0) == batch.head.first_ns &&
                      time_at(batch.payload(), batch.head.count - 1) == batch.head.last_ns;
    return same || is_whole(batch);
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
            } else if (!is_whole(*batch)) {
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

// Nothing that lies behind this is read for records before `to` and before `until`.
std::uint64_t Recording::end_of(std::int64_t to, Position until) const {
    const auto later = std::ranges::lower_bound(indices_, to, {}, &Index::t_ns);
    const std::uint64_t offset = later == indices_.end() ? whole_ : later->offset;
    return std::min(offset, (until >> record_bits << 3) + batch_head_size + batch_limit);
}

// From the first index that is near enough; where there is none, over heads.
Recording::Position Recording::before(Position position) const {
    const std::uint64_t target = position >> record_bits << 3;
    const bool within = (position & ((1u << record_bits) - 1)) != 0;
    if (target <= header_size + near) return begin_position();
    auto index = std::ranges::lower_bound(indices_, target - near, {}, &Index::offset);
    if (index != indices_.end() && index->offset < target) return Recording::position(index->offset, 0);
    std::uint64_t offset = index == indices_.begin() ? header_size : std::prev(index)->offset, last = offset;
    while (offset < target && target - offset > near) {
        const auto batch = batch_at(offset);
        if (!batch) break;
        last = offset;
        offset = batch->end();
    }
    return Recording::position(offset < target ? offset : within ? target : last, 0);
}

Recording::Position Recording::go_on(Position from, std::int64_t to, const Take& take, std::size_t& damaged,
                                     Position until) const {
    std::vector<Record> copy;
    std::uint64_t offset = from >> record_bits << 3;
    std::size_t record = from & ((1u << record_bits) - 1);
    const std::uint64_t last = std::min(whole_, end_of(to, until));
    while (offset < whole_) {
        reading(offset, last);
        const auto batch = batch_at(offset);
        if (!batch) break;
        if (batch->head.kind == BatchKind::records && batch->head.count > record) {
            if (position(offset, record) >= until) return position(offset, record);
            if (is_whole(*batch)) {  // its head says nothing before
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
        if (batch->head.kind == BatchKind::records && batch->head.first_ns >= to && is_whole(*batch)) break;
        offset = batch->end();
        if (batch->head.kind != BatchKind::payload || batch->head.first_ns < from || batch->head.first_ns >= to) continue;
        const auto body = format::read_payload(batch->head, batch->bytes);
        if (!body || !format::is_whole(batch->bytes)) ++damaged;
        else take(*body);
    }
    return damaged;
}

// False: damaged.
bool Recording::fold_snapshot(const Index& index, Replay& into) const {
    std::vector<Record> copy;
    std::uint64_t offset = index.snapshot;
    while (offset < index.offset) {
        reading(offset, index.offset);
        const auto batch = batch_at(offset);
        if (!batch || batch->head.kind != BatchKind::snapshot || !is_whole(*batch)) return false;
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
