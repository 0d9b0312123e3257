// Reliable control messages of one link: numbers, repetitions, duplicates (docs/wire.md).
#include "overlay/reliable.h"

#include <algorithm>
#include <utility>

namespace weft::overlay {

bool Reliable::send(Body body, std::uint64_t about, Duration srtt, Instant now) {
    if (waiting_.size() >= waiting_limit) return false;
    waiting_.push_back({std::move(body), about, 0, 0, now});
    fill(srtt, now);
    return true;
}

void Reliable::fill(Duration srtt, Instant now) {
    while (!waiting_.empty() && flight_.size() < in_flight_limit &&
           (flight_.empty() || std::uint16_t(next_ - flight_.front().txid) < span_limit)) {
        Message& message = flight_.emplace_back(std::move(waiting_.front()));
        waiting_.pop_front();
        message.txid = next_++;
        set_txid(message.body, message.txid);
        message.sent = 1;
        message.due = now + repeat_after(srtt);
        ready_.push_back(message.body);
    }
}

void Reliable::got(std::uint16_t txid, Duration srtt, Instant now) {
    const auto at = std::find_if(flight_.begin(), flight_.end(), [&](const Message& m) { return m.txid == txid; });
    if (at == flight_.end()) return;
    flight_.erase(at);
    fill(srtt, now);
}

bool Reliable::holds(Op op, std::uint64_t about) const {
    const auto same = [&](const Message& m) { return m.about == about && Op(m.body[0]) == op; };
    return std::any_of(flight_.begin(), flight_.end(), same) || std::any_of(waiting_.begin(), waiting_.end(), same);
}

bool Reliable::receive(std::uint16_t txid, Instant now) {
    if (owed_.empty()) owed_by_ = now + got_delay;
    if (owed_.size() < list_bytes / GotItem::size) owed_.push_back({txid});   // beyond: it repeats, and is told then
    Seen& seen = seen_[txid % remembered];
    if (seen.used && seen.txid == txid && now < seen.when + memory) return false;
    seen = {txid, true, now};
    return true;
}

void Reliable::advance(Duration srtt, Instant now) {
    for (Message& message : flight_) {
        if (now < message.due) continue;
        if (message.sent > repetitions) {
            lost_.push_back({Op(message.body[0]), message.about});
            continue;
        }
        ++message.sent;
        ++repeated_;
        message.due = now + repeat_after(srtt);
        ready_.push_back(message.body);
    }
    std::erase_if(flight_, [&](const Message& m) { return m.sent > repetitions && now >= m.due; });
    fill(srtt, now);
}

Instant Reliable::deadline() const {
    Instant next = owed_.empty() ? Instant::never() : owed_by_;
    for (const Message& message : flight_) next = std::min(next, message.due);
    return next;
}

}  // namespace weft::overlay
