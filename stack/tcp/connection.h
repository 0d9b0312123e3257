// What one connection does, for the length of a call. Each concept of TCP has a file of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "stack/tcp/host.h"
#include "stack/tcp/info.h"
#include "stack/tcp/marks.h"

namespace weft::tcp {

class Connection : Marks {
public:
    Connection(Host& host, std::uint32_t index) : Marks{host, index} {}

    // lifetime.cc
    static std::optional<std::uint32_t> open(Host& host, FlowKey key, const FlowOptions& options, SeqNum iss, Instant now,
                                             Handle<Listener> listener = {});
    void start(Instant now, bool wanted_fast_open);  // active OPEN: the SYN
    void adopt(const HalfOpen& half, Instant now);  // passive OPEN: the handshake is through
    void open_early(const Segment& syn, Instant now);  // after adopt(): the SYN brought text and a valid cookie
    void fail(Error error, Cause cause, Instant now, Event::Limit limit = {});  // CLOSED, and the user hears why
    void reset_and_fail(Error error, Cause cause, Instant now, Event::Limit limit = {});
    void remove();  // the record itself
    void raise(Event::Kind kind);
    void accepted_by_user();

    TcpInfo info(Instant now) const;  // info.cc

    using Standing::waits, Standing::arm_anew, Standing::name, Standing::in_flight;
    // tell.cc: what trace records say of it
    void tell_begin(const trace::Sink& to, Instant now, std::uint16_t flags = 0) const;
    void tell_counters(const trace::Sink& to, Instant now, std::uint16_t flags = 0) const;
    void tell(const trace::Sink& to, Instant now) const;  // all that there is
    void note_told();  // counters and limit were
    bool tell_changed(Instant now);  // the counters, if they changed
    std::uint32_t held_by() const;  // trace::Limit

    // input.cc
    void arrive(const Segment& arrived, Instant now);

    // output.cc: the next thing to send; false when there is nothing.
    bool emit(Transmit& frame, Instant now);
    bool has_more(Instant now);  // after that: is it worth asking again? If not, the trace hears why
    void want_output();

    // timeouts.cc
    void look(Line line, Instant now);
    void path_changed(std::uint32_t mtu, Instant now);
    void path_mtu(bool lowered, Instant now);

    // trouble.cc: what the network says of this flow's packets
    bool in_flight(SeqNum seq) const;
    void trouble(Error error, bool hard, Instant now);
    void unreachable(Instant now);
    void path_down(Instant now);
    void path_up(Instant now);

    // calls.cc
    std::uint32_t send_room() const;
    Result<std::size_t> write(Bytes bytes, const SendOptions& options);
    Result<void> write(const Slice& slice, const SendOptions& options);
    Result<std::size_t> read(MutableBytes into);
    Result<std::size_t> take(std::span<Slice> into);
    Result<std::size_t> peek(std::size_t offset, MutableBytes into);
    Buffers buffers() const;
    void shutdown_read();
    void shutdown_write();
    void close(Instant now);
    void abort(Instant now);
    std::uint32_t urgent_left() const;
    void set(const FlowOptions& options, Instant now);

    // steering.cc: which congestion module. The window stays.
    std::uint16_t congestion_slot() const { return host_.modules.slot_of(host_.congestion[index_]); }
    void ask_for_module(std::uint16_t slot, Instant now);
    void steer_to(std::uint16_t slot, Instant now);
    void change_module(std::uint16_t slot, ModuleReason reason, Instant now);
    void leave_quarantined(ModuleReason reason, Instant now);
    bool migrate_module(std::uint16_t slot, Instant now);
    Result<void> set_parameter(std::uint32_t index, weft_value value, Instant now);

private:
    // calls.cc
    Result<void> may_send() const;
    void written(const SendOptions& options);
    Error nothing_to_read();
    void consumed();
    void discard_unread();

    // lifetime.cc
    void enter(State state, Cause cause, Instant now);
    void reply(SeqNum seq, SeqNum ack, std::uint16_t flags, const wire::TcpOptions& options = {});
    void leave_network(State state, Cause cause, Instant now);
    void enter_time_wait(Instant now);
    void settle_end();
    void negotiate(const wire::TcpOptions& options);
    void established(Instant now);
    void derive_mss();
    void set_limits(const FlowOptions& options);
    void give_back_queues();
    ByteQueue& receive_queue();
    ByteQueue& send_queue();

    // input.cc
    void arrive_syn_sent(const Segment& segment, Instant now);
    bool is_other_syn_ack(const Segment& segment) const;
    bool echoes_nothing_sent(const Segment& segment, Instant now) const;
    Segment without_syn(Segment segment) const;
    bool predicted(const Segment& segment) const;
    void take_predicted(const Segment& segment, Instant now);
    bool outdated(const Segment& segment, Instant now) const;
    bool acceptable(const Segment& segment) const;
    void answer_unacceptable(const Segment& segment, Instant now);
    Segment trimmed(const Segment& segment);
    void arrive_reset(const Segment& segment, Instant now);
    void challenge(Instant now);
    void arrive_urgent(const Segment& segment);
    void arrive_text(const Segment& segment, Instant now);
    void arrive_fin(Instant now);
    bool fin_is_next(const Segment& segment) const;
    void accept_text(const Segment& segment, Instant now);
    bool acks_at_once(Instant now);
    void keep_for_later(const Segment& segment);
    void note_duplicate(SeqNum begin, SeqNum end);
    Reassembly& reassembly();
    void give_back_reassembly();
    void drain_reassembly();
    void make_room(std::size_t charge);
    void remember_timestamp(const Segment& segment, Instant now);

    // fast_open.cc, buffers.cc, user_timeout.cc, ecn.cc, accurate.cc
    std::uint32_t fast_open_text(wire::TcpOptions& options, bool again, Instant now);
    void hear_fast_open(const Segment& segment, std::uint32_t text_out);
    void end_early(Cause cause, Instant now);
    void tune_receive(Instant now);
    void tune_send();
    void set_exchange(bool wanted);
    void hear_user_timeout(std::uint16_t said, Instant now);
    std::uint16_t timeout_option() const;
    Duration user_timeout() const;
    void hear_marks(const Segment& segment);
    void hear_echo(const Segment& segment, Instant now);
    void answer_marks(const Segment& segment, Instant now);
    bool says_more(const Segment& segment) const;
    void hear_accurate(const Segment& segment, Instant now);
    void answer_handshake_mark(Instant now);

    // acknowledge.cc
    bool arrive_ack(const Segment& segment, Instant now);
    void update_window(const Segment& segment, Instant now);
    void advance(const Segment& segment, Instant now);
    bool pass(SeqNum ack, Instant now);
    void settle_acknowledged(bool fin_acked, const Segment& segment, Instant now);
    bool duplicate(const Segment& segment) const;
    void sample(const Segment& segment, Duration longest, Instant now);
    void fin_acknowledged(const Segment& segment, Instant now);
    bool brings_fin(const Segment& segment) const;
    // recovery.cc
    void count_duplicate(Instant now);
    void recover_on_ack(std::uint32_t acked, Instant now);

    // selective.cc
    void lend_scoreboard(Instant now);
    void end_scoreboard();
    void arrive_selective(const Segment& segment, Instant now);
    bool tells_duplicate(const Segment& segment, News& news) const;
    bool sound_block(const wire::SackBlock& block, SeqNum una) const;
    bool speaks_beyond(const Segment& segment) const;
    void take_delivered(const Segment& segment, News& news, Instant now);
    wire::SackBlock untold(wire::SackBlock block) const;
    void sample_selected(const Segment& segment, const RateSample& sample, const News& news, Instant now);
    void judge_episode(const Segment& segment, const News& news, Instant now);
    void begin_undo(std::uint32_t prior, bool timeout);
    void undo_episode(const News& news, Instant now);
    std::uint32_t flight_before(const News& news) const;
    void react_to_losses(std::uint32_t lost, News& news, Instant now);
    void move_on(const News& news, Instant now);
    void end_recovery(Instant now);
    bool has_own_recovery() const;
    void reduce(const News& news);

    // loss.cc
    void update_rack(const SentRecord& record, SeqNum end, std::optional<std::uint32_t> echo, Instant now);
    void note_reordering(std::uint32_t distance);
    void adapt_reordering(bool duplicate, bool leaves_recovery);
    Duration reordering_window() const;
    std::uint32_t detect_losses(Instant now);
    Duration detect_by_time(Instant now);
    void detect_by_count(Instant now);
    void give_up(std::uint32_t record, std::uint32_t reason, Instant now);
    void reordering_timeout(Instant now);
    void timeout_selective(Instant now);
    void go_back_selective(Instant now);
    bool emit_lost(Transmit& frame, Instant now);
    void note_resent(const SentRecord& record, Instant now);
    void send_record(Transmit& frame, const SentRecord& record, Instant now);
    bool emit_rescue(Transmit& frame, Instant now);
    bool tail_allowed() const;
    Duration probe_timeout() const;
    Instant rto_at() const;
    void resume_timer(Instant now);
    void settle_timers(const News& news, Instant now);
    void probe_tail(Instant now);
    bool emit_tail(Transmit& frame, Instant now);
    void answer_to_probe(const Segment& segment, const News& news, Instant now);

    // congestion.cc: what the module hears, and what becomes of its answer
    void hear_ack(const RateSample& sample, std::uint32_t text, std::uint32_t lost, std::uint32_t prior, bool may_grow,
                  Instant now);
    void hear_idle(Instant now);
    void hear_path(std::uint32_t mtu, Instant now);
    void hear_congestion(std::uint32_t cause, std::uint32_t lost, std::uint32_t prior, Instant now);
    void hear_sent(std::uint32_t length, Instant now);
    void hear_timer(Instant now);
    void begin_module(bool keeps_window, Instant now);
    std::uint64_t random(std::uint64_t event, Instant now) const;
    template <class Call>
    void steer(Instant now, Call&& call);
    Control control() const;
    void take(const Control& wanted, Instant now);
    std::uint16_t take_timer(weft_instant wanted, Instant now);
    void violated(std::uint16_t kinds, std::uint64_t window, Instant now);
    trace::Congestion congestion_record() const;
    trace::Plugin module_record(ModuleEvent event, std::uint16_t from, std::uint16_t reason, std::uint64_t window) const;
    void trace_module(ModuleEvent event, std::uint16_t from, std::uint16_t reason, std::uint64_t window, Instant now) const;

    // rate.cc
    void stamp(SentRecord& record, bool again, Instant now) const;
    bool sampled(const SentRecord& record);
    void record_sent(const Span& span, bool again, Instant now);
    void drop_records(SeqNum end);
    void forget_sent();
    RateSample take_rate_sample(std::uint32_t text, Instant now);
    RateSample rate_sample(const SentRecord* last, std::uint32_t text, Instant now);
    void note_app_limit();

    // timeouts.cc
    void retransmission_timeout(Instant now);
    void persist_timeout();
    void suspect_size(Instant now);
    void try_larger(Instant now);
    void go_back(Instant now);
    void arm_loss(Instant now);
    void start_probing(Instant now);
    void schedule(Instant& deadline, Instant when, Instant now);
    void stop(Instant& deadline, Instant now);
    void watch_user_timeout(Instant now);
    void check_user_timeout(Instant now);
    void set_keepalive(const KeepAlive& wanted, Instant now);
    void check_keepalive(Instant now);
    Extra& extra();
    void tell_timer(const Instant& which, std::uint32_t fired, Instant deadline, Instant now) const;

    // output.cc
    bool emit_syn(Transmit& frame, Instant now);
    bool emit_resent(Transmit& frame, Instant now);
    bool emit_probe(Transmit& frame, Instant now);
    bool emit_text(Transmit& frame, Instant now);
    bool emit_selective(Transmit& frame, Instant now);
    bool emit_ack(Transmit& frame, Instant now);
    std::uint32_t sendable(std::uint32_t unsent, bool record);
    bool short_may_go() const;
    std::uint64_t pacing_rate() const;
    std::uint32_t super_segment() const;
    void note_flight();
    void keep_time(Instant now, bool by_window);
    std::uint64_t window_rate() const;
    bool pace_allows(Instant now);
    void charge_pace(std::uint32_t length, Instant now);
    void send(Transmit& frame, const Span& span, Instant now);
    void send_ack(Transmit& frame, SeqNum seq, Instant now);
    std::uint16_t ecn_flags(Transmit& frame, const Span& span);
    void head(Transmit& frame, SeqNum seq, std::uint16_t flags, std::uint16_t window, const wire::TcpOptions& options);
    std::uint16_t window_field();
    wire::TcpOptions options(Instant now) const;
    void acknowledged(Instant now);
    void sent(const Span& span, std::uint32_t segments, bool again, Instant now);
    void trace_sent(SeqNum seq, std::uint32_t length, std::uint16_t flags, std::uint16_t window, Instant now,
                    std::uint32_t blocks = 0) const;

    // One branch where nobody listens.
    void trace_timer(const Instant& which, std::uint32_t fired, Instant deadline, Instant now) const {
        if (host_.sink.wants(trace::Type::timer)) tell_timer(which, fired, deadline, now);
    }
    void trace_limit(Instant now) {
        if (host_.sink.wants(trace::Type::limit)) tell_limit(now);
    }
    void tell_limit(Instant now);
};

// steering.cc: what becomes of a whole slot. Its flows go on under NewReno; or, those for which the module agrees, under `to`.
void quarantine_module(Host& host, std::uint16_t slot, ModuleReason reason, Instant now);
std::uint32_t migrate_module(Host& host, std::uint16_t from, std::uint16_t to, Instant now);
void trace_module(const Host& host, ModuleEvent event, std::uint16_t slot, std::uint16_t from, ModuleReason reason,
                  std::uint32_t flows, Instant now);

}  // namespace weft::tcp
