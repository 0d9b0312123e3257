// Room is found by classes: samples may use seven eighths of the queue, edges all of it. Once something was lost, more of its kind
// is let in only when half of the queue is free: so a Lagged record stands where the gap is.
#include "node/event_listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weft::node {
namespace {

constexpr std::size_t about_a_flow = 11 * sizeof(trace::Record);  // bytes of a snapshot
constexpr std::size_t told_at_once = 2'048, addresses_at_once = 64;  // places, of addresses in each such step
constexpr std::size_t write_at_once = 1 << 20;
constexpr std::int64_t second = 1'000'000'000;

// Without these nothing else can be read.
constexpr std::uint32_t always = trace::fold_classes | trace::bit(trace::Type::mark);

constexpr std::uint32_t from_queue = 1, from_rate_limit = 2;  // Lagged::where; 0 is the ring

bool is_snapshot(const trace::Record& record) { return (record.flags & trace::snapshot_flag) != 0; }

}  // namespace

EventListener::EventListener(Kind kind, UniqueFd fd, Subscription wants, const trace::RecordingInfo& info, std::size_t queue)
    : kind_{kind}, fd_{std::move(fd)}, wants_{std::move(wants)},
      writer_{info, kind == Kind::file ? trace::RecordingWriter::Indices::seconds : trace::RecordingWriter::Indices::none},
      limit_{queue} {
    std::ranges::sort(wants_.flows, {}, &ChosenFlow::place);
}

void EventListener::begin(std::string_view first, const trace::Replay& flows, std::int64_t now_ns) {
    const auto* bytes = reinterpret_cast<const std::byte*>(first.data());
    out_.assign(bytes, bytes + first.size());
    begin_ns_ = now_ns;
    if (!wants_.snapshot) return writer_.begin(out_);
    if (flows.size() * about_a_flow > limit_ / 2) {
        writer_.begin(out_);
        telling_what_ = Telling::addresses;
        return tell(flows, now_ns);
    }
    if (wants_.flows.empty()) return writer_.begin(out_, &flows, now_ns);
    std::vector<trace::Record> all;
    flows.snapshot(now_ns, all);
    trace::Replay chosen;
    for (const trace::Record& record : all)
        if (record.flow == trace::no_flow || wants_flow(record.flow)) chosen.apply(record);
    writer_.begin(out_, &chosen, now_ns);
}

bool EventListener::wants_flow(std::uint32_t place) const {
    return wants_.flows.empty() || std::ranges::binary_search(wants_.flows, place, {}, &ChosenFlow::place);
}

// Who named one flow is not handed the bytes of the next one at its place.
bool EventListener::wants_payload_of(std::uint32_t place, std::uint32_t generation) const {
    if (wants_.flows.empty()) return true;
    const auto chosen = std::ranges::equal_range(wants_.flows, place, {}, &ChosenFlow::place);
    return std::ranges::any_of(chosen,
                               [&](const ChosenFlow& one) { return one.generation.value_or(generation) == generation; });
}

// Of a place that is told later nothing is passed on before.
bool EventListener::is_untold(std::uint32_t place) const {
    if (telling_what_ == Telling::addresses) return true;
    if (next_untold_ == untold_.size() || place < untold_[next_untold_].place) return false;
    const auto from = untold_.begin() + std::ptrdiff_t(next_untold_);
    const auto found = std::lower_bound(from, untold_.end(), Identity{place, 0});
    return found != untold_.end() && found->place == place;
}

bool EventListener::wants(const trace::Record& record) {
    if (record.flow != trace::no_flow && (!wants_flow(record.flow) || is_untold(record.flow))) return false;
    const std::uint32_t bit = trace::bit(record.type);
    if ((bit & (always | wants_.classes)) == 0) return false;
    if (is_snapshot(record)) return wants_.snapshot;
    if (wants_.rate_limit == 0 || !trace::is_sample(record.type)) return true;
    if (record.t_ns - window_ns_ >= second) {
        window_ns_ = record.t_ns;
        in_window_ = 0;
    }
    if (in_window_ < wants_.rate_limit) return ++in_window_, true;
    ++thinned_[std::size_t(record.type) % EventRing::classes];
    any_thinned_ = true;
    return false;
}

bool EventListener::find_room(const trace::Record& record) {
    const bool sample = trace::is_sample(record.type);
    const std::size_t most = sample ? limit_ - limit_ / 8 : limit_;
    const bool refused = gap_ || (congested_ && sample);
    if (!refused && queued() + sizeof record <= most) return true;
    ++lost_[std::size_t(record.type) % EventRing::classes];
    ++total_lost_[std::size_t(record.type) % EventRing::classes];
    congested_ = true;
    gap_ = gap_ || !sample;
    return false;
}

void EventListener::add(const trace::Record& record) {
    writer_.add(record, out_);
    ++collected_;
    ++records_;
}

// Everything is wanted, and there is room for all of these.
bool EventListener::takes_all(std::span<const trace::Record> records) const {
    const bool wants_all = wants_.flows.empty() && wants_.rate_limit == 0 && wants_.snapshot &&
                           (wants_.classes | always) == trace::all && telling_what_ == Telling::nothing;
    return kind_ == Kind::socket && wants_all && !gap_ && !congested_ &&
           queued() + trace::batch_head_size + records.size_bytes() <= limit_ - limit_ / 8;
}

void EventListener::take(std::span<const trace::Record> records) {
    if (takes_all(records)) {
        close_batch();
        writer_.add(records, out_);
        queued_bytes_ = writer_.bytes();
        records_ += records.size();
        return;
    }
    for (const trace::Record& record : records)
        if (wants(record) && find_room(record)) add(record);
}

// Without room for it the number is told later, as if it had been lost here.
void EventListener::tell_lagged(const trace::Record& lagged) {
    const auto body = trace::body_of<trace::Lagged>(lagged);
    const std::size_t type = body.type % EventRing::classes;
    const bool payload = type == trace::lagged_payload;
    if (payload ? !wants_.payload : (1u << type & (always | wants_.classes)) == 0) return;
    total_lost_[type] += body.count;
    if (!gap_ && queued() + sizeof lagged <= limit_) return add(lagged);
    lost_[type] += body.count;
    congested_ = true;
    gap_ = gap_ || (!payload && !trace::is_sample(trace::Type(type)));
}

// It may use three quarters of the queue: what happens goes first.
void EventListener::take_payload(const PayloadRing::Piece& piece) {
    if (!wants_.payload || !wants_payload_of(piece.flow, piece.generation)) return;
    if (gap_ || payload_gap_ || queued() + piece.bytes.size() + trace::batch_head_size > limit_ - limit_ / 4) {
        payload_gap_ = true;
        ++lost_[trace::lagged_payload];
        ++total_lost_[trace::lagged_payload];
        return;
    }
    writer_.add_payload({piece.t_ns, piece.flow, piece.generation, piece.sent, piece.bytes}, out_);
    close_batch();
}

// A bounded part of what there is, and never more than half of the queue.
void EventListener::tell(const trace::Replay& flows, std::int64_t now_ns) {
    for (std::size_t left = told_at_once; left > 0 && telling_what_ != Telling::nothing && queued() <= limit_ / 2; --left)
        tell_some(flows, now_ns);
}

void EventListener::tell_some(const trace::Replay& flows, std::int64_t now_ns) {
    telling_.clear();
    if (telling_what_ == Telling::flows) {
        tell_next_place(flows, now_ns);
        return add_told();
    }
    if (!flows.snapshot_addresses(next_address_, addresses_at_once, now_ns, telling_)) {
        next_address_ = 0;
        flows.snapshot_ended(limit_ / 8 / about_a_flow, now_ns, telling_);
        untold_.clear();
        for (const trace::FlowState& flow : flows.living())
            if (wants_flow(flow.place)) untold_.push_back({flow.place, flow.generation});
        std::ranges::sort(untold_);
        next_untold_ = 0;
        telling_what_ = Telling::flows;
    }
    add_told();
}

// Whoever is or was there, each as it is by now.
void EventListener::tell_next_place(const trace::Replay& flows, std::int64_t now_ns) {
    if (next_untold_ == untold_.size()) {
        untold_ = {};
        next_untold_ = 0;
        telling_what_ = Telling::nothing;
        return;
    }
    const std::uint32_t place = untold_[next_untold_].place;
    const trace::FlowState* const last = flows.find(place);
    bool last_told = !last || !last->lives();
    for (; next_untold_ < untold_.size() && untold_[next_untold_].place == place; ++next_untold_) {
        const trace::FlowState* const flow = flows.find(place, untold_[next_untold_].generation);
        if (!flow) continue;
        last_told = last_told || flow == last;
        flows.snapshot_flow(*flow, now_ns, telling_);
    }
    if (!last_told) flows.snapshot_flow(*last, now_ns, telling_);
}

void EventListener::add_told() {
    for (const trace::Record& record : telling_)
        if (record.flow == trace::no_flow || wants_flow(record.flow)) add(record);
}

void EventListener::tell_losses(std::int64_t now_ns) {
    const auto tell = [&](auto& counts, std::uint32_t where) {
        for (std::uint32_t type = 0; type < counts.size(); ++type) {
            if (counts[type] == 0) continue;
            add(record_of(now_ns, trace::Type::lagged, trace::Lagged{type, where, std::exchange(counts[type], 0)}));
        }
    };
    tell(lost_, from_queue);
    if (any_thinned_ && now_ns - told_thinned_ns_ >= second) {
        told_thinned_ns_ = now_ns;
        any_thinned_ = false;
        tell(thinned_, from_rate_limit);
    }
}

void EventListener::flush(const trace::Replay& flows, std::int64_t now_ns) {
    if ((congested_ || any_thinned_ || payload_gap_) && queued() <= limit_ / 2) {
        tell_losses(now_ns);
        const bool anew = std::exchange(gap_, false);
        congested_ = payload_gap_ = false;
        if (anew && wants_.snapshot) {
            telling_what_ = Telling::addresses;
            next_address_ = 0;
        }
    }
    if (!gap_) tell(flows, now_ns);
    close_batch();
}

void EventListener::close_batch() {
    writer_.flush(out_);
    collected_ = 0;
    const std::uint64_t now = writer_.bytes();
    if (kind_ == Kind::file && now != queued_bytes_) ends_.push_back({now, records_});
    queued_bytes_ = now;
}

void EventListener::end(std::int64_t now_ns) {
    tell_losses(now_ns);
    writer_.end(out_);
    collected_ = 0;
    if (kind_ == Kind::file) ends_.push_back({writer_.bytes(), records_});
}

bool EventListener::write() {
    stuck_ = false;
    while (has_more()) {
        const std::size_t size = std::min(write_at_once, out_.size() - sent_);
        const ssize_t wrote = kind_ == Kind::file
                                  ? ::write(fd_.get(), out_.data() + sent_, size)
                                  : ::send(fd_.get(), out_.data() + sent_, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0 && kind_ == Kind::socket) {
            if (errno == EAGAIN) break;
            error_ = std::strerror(errno);
            return false;
        }
        if (wrote <= 0) {  // a full disk may have room again
            error_ = wrote == 0 ? "nothing was written" : std::strerror(errno);
            stuck_ = true;
            break;
        }
        if (kind_ == Kind::file) error_.clear();
        sent_ += std::size_t(wrote);
        bytes_ += std::uint64_t(wrote);
    }
    while (!ends_.empty() && ends_.front().bytes <= bytes_) {
        whole_ = ends_.front();
        ends_.erase(ends_.begin());
    }
    if (sent_ == out_.size()) out_.clear(), sent_ = 0;
    else if (sent_ > out_.size() / 2) out_.erase(out_.begin(), out_.begin() + std::ptrdiff_t(sent_)), sent_ = 0;
    return true;
}

bool EventListener::listen() {
    std::byte byte{};
    const ssize_t got = ::recv(fd_.get(), &byte, 1, MSG_DONTWAIT);
    if (got == 0) input_ended_ = true;  // it has nothing to say, and may go on reading
    return got == 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void EventListener::cut_torn_tail() {
    if (kind_ != Kind::file || !has_more()) return;
    if (bytes_ > whole_.bytes) [[maybe_unused]]
        const int cut = ::ftruncate(fd_.get(), off_t(whole_.bytes));
    total_lost_[0] += records_ - whole_.records;  // of whatever class
    bytes_ = whole_.bytes;
    records_ = whole_.records;
    out_.clear();
    sent_ = 0;
    ends_.clear();
}

std::uint64_t EventListener::dropped() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : total_lost_) sum += count;
    return sum;
}

}  // namespace weft::node
