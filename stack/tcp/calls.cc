// What the user asks of a connection (RFC 9293, sections 3.9.1 and 3.10.2 to 3.10.5): SEND, RECEIVE, CLOSE, ABORT.
#include <algorithm>

#include "stack/tcp/connection.h"
#include "stack/tcp/window.h"

namespace weft::tcp {
namespace {

constexpr std::uint32_t most_queued = 1 << 30;  // bytes, also with WriteOptions::overflow: sequence numbers are circular

}  // namespace

std::uint32_t Connection::send_room() const { return out_.limit > queued() ? out_.limit - queued() : 0; }

Result<void> Connection::may_send() const {
    if (cold_.failed) return std::unexpected(cold_.failure);
    if (ended() || in_.flags.fin_wanted) return std::unexpected(Error::closed_by_peer);
    return {};
}

Result<std::size_t> Connection::write(Bytes bytes, const SendOptions& options) {
    WEFT_TRY(may_send());
    note_app_limit();
    const std::size_t room = options.overflow ? most_queued - std::min(queued(), most_queued) : send_room();
    const std::size_t wanted = std::min(bytes.size(), room);
    in_.flags.wants_room = in_.flags.wants_room || wanted < bytes.size();
    if (wanted == 0 && !bytes.empty()) return std::unexpected(Error::would_block);
    const std::size_t taken = wanted == 0 ? 0 : send_queue().append(bytes.first(wanted), *host_.pool);
    if (taken < wanted) in_.flags.wants_room = true;
    if (taken == 0 && wanted > 0) {
        if (queued() == 0) {
            host_.queues[out_.queue].clear();
            host_.queues.give_back(std::exchange(out_.queue, none));
        }
        return std::unexpected(Error::no_memory);
    }
    SendOptions said = options;
    if (bytes.empty()) said.held_back = cold_.held_back;  // it lets go of what was written before, and says nothing of it
    written(said);
    return taken;
}

Result<void> Connection::write(const Slice& slice, const SendOptions& options) {
    WEFT_TRY(may_send());
    note_app_limit();
    const bool fits = options.overflow || queued() == 0 || slice.size() <= send_room();
    if (!fits || slice.size() > most_queued - std::min(queued(), most_queued)) {
        in_.flags.wants_room = true;
        return std::unexpected(Error::would_block);
    }
    if (slice.size() > 0) send_queue().push(slice, *host_.pool);
    written(options);
    return {};
}

void Connection::written(const SendOptions& options) {
    in_.flags.more = options.more;
    cold_.held_back = options.held_back;
    if (options.ends_record && queued() > 0) {
        Extra& kept = extra();
        if (kept.records < kept.record_ends.size()) kept.record_ends[kept.records++] = end_of_text();
    }
    in_.flags.push_all = in_.flags.push_all || options.nodelay;
    in_.flags.wants_sent = true;
    if (options.urgent && queued() > 0) {
        cold_.snd_up = end_of_text();
        in_.flags.snd_urgent = true;
        if (out_.snd_wnd == 0) in_.flags.ack_now = true;  // the pointer goes even where no text may
    }
    want_output();
}

Buffers Connection::buffers() const {
    // A FIN that is out counts one more than there is.
    const std::uint32_t sent = before(first_text(), out_.snd_max) ? out_.snd_max - first_text() : 0;
    return {unread(), queued(), sent < queued() ? queued() - sent : 0, send_room()};
}

Result<std::size_t> Connection::read(MutableBytes into) {
    if (unread() == 0) return std::unexpected(nothing_to_read());
    const std::size_t count = host_.queues[in_.queue].read(into);
    consumed();
    return count;
}

Result<std::size_t> Connection::take(std::span<Slice> into) {
    if (unread() == 0) return std::unexpected(nothing_to_read());
    const std::size_t count = host_.queues[in_.queue].take(into);
    consumed();
    return count;
}

// Like read(), but all stays where it is. Behind the last byte there is nothing yet.
Result<std::size_t> Connection::peek(std::size_t offset, MutableBytes into) {
    if (unread() == 0) return std::unexpected(nothing_to_read());
    if (offset >= unread()) return std::unexpected(Error::would_block);
    std::size_t done = 0;
    host_.queues[in_.queue].each(std::uint32_t(offset), std::uint32_t(std::min<std::size_t>(into.size(), unread())),
                                 [&](const Slice& part) {
                                     std::copy_n(part.bytes().begin(), part.size(), into.begin() + std::ptrdiff_t(done));
                                     done += part.size();
                                 });
    return done;
}

Error Connection::nothing_to_read() {
    if (cold_.failed) return cold_.failure;
    if (!in_.flags.fin_received && !in_.flags.read_shut && !ended()) return Error::would_block;
    in_.flags.end_read = true;
    settle_end();
    return Error::end_of_stream;
}

// What was read makes room: the peer hears of it when it is worth a segment (MUST-39).
void Connection::consumed() {
    if (in_.flags.rcv_urgent && !before(in_.rcv_nxt - unread(), cold_.rcv_up)) in_.flags.rcv_urgent = false;
    const std::uint32_t left = unread();
    if (left == 0) discard_unread();
    if (ended() || in_.flags.fin_received) return;
    const SeqNum edge = right_edge(in_.rcv_nxt, in_.rcv_adv, sayable(), left, in_.their_mss);
    if (!worth_telling(receive_window(), edge - in_.rcv_adv, in_.limit, in_.their_mss)) return;
    in_.flags.ack_now = true;
    want_output();
}

void Connection::discard_unread() {
    if (in_.queue == none) return;
    host_.queues[in_.queue].clear();
    host_.queues.give_back(std::exchange(in_.queue, none));
}

void Connection::shutdown_read() {
    in_.flags.read_shut = in_.flags.end_read = true;
    in_.flags.rcv_urgent = false;
    discard_unread();
    settle_end();
}

void Connection::shutdown_write() {
    if (in_.flags.fin_wanted || ended()) return;
    in_.flags.fin_wanted = true;
    in_.flags.more = in_.flags.wants_room = false;
    want_output();
}

// CLOSE. Text that nobody will read is lost, and the peer is told so (RFC 9293, section 3.6.1: SHLD-3).
void Connection::close(Instant now) {
    if (in_.state == State::syn_sent) leave_network(State::closed, Cause::call, now);
    const bool loses = unread() > 0 || (in_.reassembly != none && host_.reassemblies[in_.reassembly].has_text());
    if (!ended() && loses) return reset_and_fail(Error::aborted, Cause::call, now);
    in_.flags.orphan = true;
    shutdown_write();
    shutdown_read();
    if (in_.state == State::fin_wait_2) schedule(tcb_.deadlines.user, now + host_.settings.fin_wait, now);
}

// ABORT (section 3.10.5). The handle is stale at once, and no event follows.
void Connection::abort(Instant now) {
    const bool tell = in_.state == State::syn_received || in_.state == State::established ||
                      in_.state == State::fin_wait_1 || in_.state == State::fin_wait_2 || in_.state == State::close_wait;
    if (tell) reply(out_.snd_max, in_.rcv_nxt, wire::rst | wire::ack, options(now));  // RFC 7323, section 3.2
    if (!ended()) leave_network(State::closed, Cause::call, now);
    remove();
}

// STATUS of urgent text (MUST-33): bytes from the next unread one to the end of what is urgent.
std::uint32_t Connection::urgent_left() const { return in_.flags.rcv_urgent ? cold_.rcv_up - (in_.rcv_nxt - unread()) : 0; }

// What the application bounds, and what it no longer leaves to the stack. The advertised edge never moves left (SHLD-14).
void Connection::set_limits(const FlowOptions& options) {
    if (options.receive_buffer > 0) {
        in_.limit = options.receive_buffer;
        in_.flags.tunes = false;
    }
    if (options.send_buffer > 0) {
        out_.limit = options.send_buffer;
        extra().send_fixed = true;
    }
    if (options.maximum_segment == 0 && cold_.extra == none) return;
    extra().maximum_segment = options.maximum_segment;
    if (in_.state != State::closed && !ended()) derive_mss();
}

void Connection::set(const FlowOptions& options, Instant now) {
    cold_.user_timeout = options.user_timeout;
    cold_.dscp = options.dscp;
    cold_.hop_limit = options.hop_limit;
    in_.flags.nodelay = options.nodelay;
    in_.flags.quiet = !options.report_errors;
    set_limits(options);
    cold_.keeps_failed = options.keep_failed;
    if (options.syn_retries != 0 || cold_.extra != none) extra().syn_retries = options.syn_retries;
    if (ended()) return;
    tcb_.deadlines.user = Instant::never();
    if (out_.snd_una != out_.snd_max || in_.flags.probing || in_.flags.unreachable) schedule(tcb_.deadlines.user, now, now);
    if (in_.flags.orphan && in_.state == State::fin_wait_2) schedule(tcb_.deadlines.user, now, now);
    set_keepalive(options.keepalive, now);
    set_exchange(options.exchange_user_timeout);
    if (options.nodelay) want_output();
}

}  // namespace weft::tcp
