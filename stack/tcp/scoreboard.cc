// Records, split, marked and joined. What is SACKed joins its neighbours, so that there are never more records than
// transmissions and edges of holes.
#include "stack/tcp/scoreboard.h"

#include <algorithm>

namespace weft::tcp {

SentRecord& Flight::append(SeqNum begin, SeqNum end) {
    const std::uint32_t index = sent_.lend();
    SentRecord& record = sent_[index];
    record = {begin, end};
    record.line.previous = ends_.newest;
    (ends_.newest == none ? ends_.oldest : sent_[ends_.newest].line.next) = index;
    ends_.newest = index;
    ++ends_.records;
    if (board_) board_->out.append(index, order());
    return record;
}

void Flight::begin_order() {
    board_->out = board_->lost = {};
    for (std::uint32_t at = ends_.oldest; at != none; at = sent_[at].line.next) {
        sent_[at].fate = Fate::out;
        board_->out.append(at, order());
    }
}

void Flight::clear() {
    while (ends_.oldest != none) release(ends_.oldest);
    if (board_) {
        board_->out = board_->lost = {};
        board_->sacked = board_->given_up = 0;
        board_->hint = none;
        board_->told_count = 0;
    }
}

void Flight::release(std::uint32_t at) {
    if (board_ && board_->hint == at) board_->hint = none;
    const Place links = sent_[at].line;
    (links.previous == none ? ends_.oldest : sent_[links.previous].line.next) = links.next;
    (links.next == none ? ends_.newest : sent_[links.next].line.previous) = links.previous;
    sent_.give_back(at);
    --ends_.records;
}

void Flight::leave_list(std::uint32_t at) {
    if (!board_) return;
    SentRecord& record = sent_[at];
    switch (record.fate) {
    case Fate::out: return board_->out.remove(at, order());
    case Fate::lost: board_->given_up -= record.length(); return board_->lost.remove(at, order());
    case Fate::sacked: board_->sacked -= record.length(); return;
    }
}

// What lies in front of `until` is acknowledged: the oldest record, or a part of it.
void Flight::cut_front(SeqNum until) {
    SentRecord& record = sent_[ends_.oldest];
    if (before(until, record.end)) {
        const std::uint32_t gone = until - record.begin;
        if (board_ && record.fate == Fate::lost) board_->given_up -= gone;
        if (board_ && record.fate == Fate::sacked) board_->sacked -= gone;
        record.begin = until;
        return;
    }
    leave_list(ends_.oldest);
    release(ends_.oldest);
}

std::uint32_t Flight::find(SeqNum seq) const {
    std::uint32_t at = board_->hint;
    if (at == none || before(seq, sent_[at].begin)) at = ends_.oldest;
    while (at != none && at_or_before(sent_[at].end, seq)) at = sent_[at].line.next;
    return at;
}

std::uint32_t Flight::split(std::uint32_t at, SeqNum where) {
    const std::uint32_t second = sent_.lend();
    SentRecord& whole = sent_[at];
    sent_[second] = whole;
    sent_[second].begin = where;
    whole.end = where;
    sent_[second].line = {whole.line.next, at};
    (whole.line.next == none ? ends_.newest : sent_[whole.line.next].line.previous) = second;
    whole.line.next = second;
    ++ends_.records;
    if (board_ && whole.fate == Fate::out) board_->out.insert_after(second, at, order());
    if (board_ && whole.fate == Fate::lost) board_->lost.insert_after(second, at, order());
    return second;
}

// The part of a record that lies in the block, as a record of its own; the record itself when there is no room for more; none
// when nothing of it can be marked and nothing behind it either.
std::uint32_t Flight::isolate(std::uint32_t at, wire::SackBlock block) {
    if (before(sent_[at].begin, block.left)) {
        if (ends_.records >= most_records) return at;
        at = split(at, block.left);
    }
    if (before(block.right, sent_[at].end)) {
        if (ends_.records >= most_records) return none;
        split(at, block.right);
    }
    return at;
}

std::uint32_t Flight::mark_sacked(std::uint32_t at) {
    leave_list(at);
    sent_[at].fate = Fate::sacked;
    board_->sacked += sent_[at].length();
    const std::uint32_t previous = sent_[at].line.previous, next = sent_[at].line.next;
    if (next != none && sent_[next].fate == Fate::sacked) join(at);
    if (previous == none || sent_[previous].fate != Fate::sacked) return at;
    join(previous);
    return previous;
}

// Two of one fate; the second is in no list.
void Flight::join(std::uint32_t first) {
    const std::uint32_t second = sent_[first].line.next;
    sent_[first].end = sent_[second].end;
    release(second);
}

void Flight::leave_last(std::uint32_t index) {
    if (!board_) return;
    board_->out.remove(index, order());
    board_->out.append(index, order());
}

void Flight::lose(std::uint32_t index) {
    leave_list(index);
    sent_[index].fate = Fate::lost;
    board_->given_up += sent_[index].length();
    add_lost(index);
}

// Most are given up in the order of the stream; a retransmission that is lost lies in front of all.
void Flight::add_lost(std::uint32_t at) {
    const SeqNum begin = sent_[at].begin;
    std::uint32_t after = board_->lost.last;
    if (board_->lost.empty() || before(begin, sent_[board_->lost.first].begin)) after = none;
    while (after != none && before(begin, sent_[after].begin)) after = sent_[after].order.previous;
    board_->lost.insert_after(at, after, order());
}

void Flight::lose_all() {
    board_->out = board_->lost = {};
    board_->given_up = 0;
    for (std::uint32_t at = ends_.oldest; at != none; at = sent_[at].line.next) {
        if (sent_[at].fate == Fate::sacked) continue;
        sent_[at].fate = Fate::lost;
        board_->given_up += sent_[at].length();
        board_->lost.append(at, order());
    }
}

void Flight::forget_sacks() {
    for (std::uint32_t at = ends_.oldest; at != none; at = sent_[at].line.next) {
        if (sent_[at].fate != Fate::sacked) continue;
        sent_[at].fate = Fate::lost;
        sent_[at].again = true;  // what it was joined of left at different times
        board_->given_up += sent_[at].length();
        add_lost(at);
    }
    board_->sacked = 0;
    board_->told_count = 0;
    board_->hint = none;
}

void Flight::find_all() {
    while (!board_->lost.empty()) {  // the oldest in front of all that left later
        const std::uint32_t at = board_->lost.last;
        leave_list(at);
        sent_[at].fate = Fate::out;
        board_->out.insert_after(at, none, order());
    }
}

std::uint32_t Flight::take_lost(std::uint32_t most) {
    const std::uint32_t first = board_->lost.first;
    if (sent_[first].length() > most) split(first, sent_[first].begin + most);
    for (std::uint32_t next; sent_[first].length() < most && (next = sent_[first].line.next) != none;) {
        if (sent_[next].fate != Fate::lost) break;
        const std::uint32_t room = most - sent_[first].length();
        if (sent_[next].length() > room) split(next, sent_[next].begin + room);
        board_->lost.remove(next, order());
        join(first);
    }
    board_->given_up -= sent_[first].length();
    board_->lost.remove(first, order());
    sent_[first].fate = Fate::out;
    board_->out.append(first, order());
    return first;
}

std::uint32_t Flight::take_last(std::uint32_t mss, bool fin) {
    std::uint32_t last = ends_.newest;
    const std::uint32_t text = sent_[last].length() - (fin ? 1u : 0u);
    if (text > mss) last = split(last, sent_[last].begin + (text - 1) / mss * mss);
    leave_list(last);
    sent_[last].fate = Fate::out;
    board_->out.append(last, order());
    return last;
}

std::uint32_t Flight::highest_sacked() const {
    std::uint32_t at = ends_.newest;
    while (at != none && sent_[at].fate != Fate::sacked) at = sent_[at].line.previous;
    return at;
}

bool Flight::sound() const {
    std::uint32_t records = 0, sacked = 0, given_up = 0, listed = 0, previous = none;
    for (std::uint32_t at = ends_.oldest; at != none; previous = at, at = sent_[at].line.next) {
        const SentRecord& record = sent_[at];
        ++records;
        if (record.line.previous != previous || !before(record.begin, record.end)) return false;
        if (previous != none && sent_[previous].end != record.begin) return false;
        if (record.fate == Fate::sacked) sacked += record.length();
        if (record.fate == Fate::lost) given_up += record.length();
    }
    if (records != ends_.records || previous != ends_.newest) return false;
    if (!board_) return sacked == 0 && given_up == 0;
    if (sacked != board_->sacked || given_up != board_->given_up) return false;
    Instant left;
    for (std::uint32_t at = board_->out.first; at != none; at = sent_[at].order.next, ++listed) {
        if (sent_[at].fate != Fate::out || sent_[at].sent_at < left) return false;
        left = sent_[at].sent_at;
    }
    for (std::uint32_t at = board_->lost.first; at != none; at = sent_[at].order.next, ++listed) {
        const std::uint32_t next = sent_[at].order.next;
        if (sent_[at].fate != Fate::lost) return false;
        if (next != none && !before(sent_[at].begin, sent_[next].begin)) return false;
    }
    for (std::uint32_t at = ends_.oldest; at != none; at = sent_[at].line.next)
        if (sent_[at].fate == Fate::sacked) ++listed;
    return listed == records;
}

}  // namespace weft::tcp
