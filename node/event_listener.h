// One who listens to a node's events: what it wants of the stream, as recording bytes in a bounded queue, and from there to its
// socket or file as fast as that takes them. What finds no room is counted by class and told by a Lagged record.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/telemetry.h"
#include "stack/core/recording.h"
#include "stack/core/replay.h"

namespace weft::node {

template <class Body>
trace::Record record_of(std::int64_t t_ns, trace::Type type, const Body& body) {
    trace::Record record;
    const trace::Sink copy{trace::all, &record,
                           [](void* to, const trace::Record& made) { *static_cast<trace::Record*>(to) = made; }};
    copy.add(Instant::from_nanoseconds(t_ns), trace::no_flow, type, body);
    return record;
}

class EventListener {
public:
    enum class Kind : std::uint8_t { socket, file };

    // At most `queue` bytes wait for the descriptor.
    EventListener(Kind kind, UniqueFd fd, Subscription wants, const trace::RecordingInfo& info, std::size_t queue);

    // The header, after `first`; then the state of all flows, if it is wanted: at once while it takes less than half of the queue, else
    // flow by flow as the queue drains (flush). What happens to a flow whose turn is to come is part of what is told then.
    void begin(std::string_view first, const trace::Replay& flows, std::int64_t now_ns);
    // What it wants of them is queued, or dropped and counted.
    void take(std::span<const trace::Record> records);
    void take_payload(const PayloadRing::Piece& piece);  // the same of what a flow carried
    void tell_lagged(const trace::Record& lagged);  // of the ring
    // Closes the batch at hand. When there is room again, what was lost is told, and where edges were lost all flows anew.
    void flush(const trace::Replay& flows, std::int64_t now_ns);
    void end(std::int64_t now_ns);  // and the recording

    // As much as the descriptor takes now. False: it takes nothing any more, error() says why.
    bool write();
    // False: the other side went away, or sent something: then it does not know what it speaks to.
    bool listen();

    int descriptor() const { return fd_.get(); }
    bool has_more() const { return sent_ < out_.size(); }
    bool hears() const { return kind_ == Kind::socket && !input_ended_; }  // poll for input, too
    std::size_t queued() const { return out_.size() - sent_ + collected_ * sizeof(trace::Record); }
    std::uint32_t classes() const { return wants_.classes; }
    bool wants_payload() const { return wants_.payload; }
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t records() const { return records_; }
    std::uint64_t dropped() const;
    const std::string& error() const { return error_; }
    bool tells() const {
        return telling_what_ != Telling::nothing;
    }  // the state of all flows is still on its way into the queue
    bool stuck() const { return stuck_; }  // a file that takes nothing at the moment: worth another try in a while
    std::int64_t begin_ns() const { return begin_ns_; }

    // Of a file that ends: cuts off what was written of a batch that never became whole, and counts what still waits as dropped.
    void cut_torn_tail();

private:
    bool takes_all(std::span<const trace::Record> records) const;
    bool wants(const trace::Record& record);
    bool wants_flow(std::uint32_t place) const;
    bool wants_payload_of(std::uint32_t place, std::uint32_t generation) const;
    bool is_untold(std::uint32_t place) const;
    bool find_room(const trace::Record& record);
    void add(const trace::Record& record);
    void tell(const trace::Replay& flows, std::int64_t now_ns);
    void tell_some(const trace::Replay& flows, std::int64_t now_ns);
    void tell_next_place(const trace::Replay& flows, std::int64_t now_ns);
    void add_told();
    void tell_losses(std::int64_t now_ns);
    void close_batch();

    Kind kind_;
    UniqueFd fd_;
    Subscription wants_;
    trace::RecordingWriter writer_;
    std::size_t limit_;  // bytes
    std::vector<std::byte> out_;  // whole batches; the first sent_ bytes are gone already
    std::size_t sent_{0};
    std::size_t collected_{0};  // records in the writer's hands
    struct BatchEnd {
        std::uint64_t bytes{0}, records{0};  // since the beginning
    };
    BatchEnd whole_;  // of the last batch that left as a whole
    std::vector<BatchEnd> ends_;  // of queued batches; of a file
    std::uint64_t bytes_{0}, records_{0}, queued_bytes_{0};  // written; queued ever
    std::array<std::uint64_t, EventRing::classes> lost_{}, thinned_{}, total_lost_{};  // lost_, thinned_: not told yet
    std::int64_t window_ns_{0};  // the second that `rate_limit` counts in
    std::uint32_t in_window_{0};
    std::int64_t begin_ns_{0}, told_thinned_ns_{0};
    bool congested_{false};  // samples were lost: none goes in before there is room again
    bool gap_{false};  // edges were lost, too: nothing goes in, and then all flows are told anew
    bool any_thinned_{false};
    bool payload_gap_{false};  // payload was lost: none goes in before there is room again
    struct Identity {
        std::uint32_t place{0}, generation{0};
        auto operator<=>(const Identity&) const = default;
    };
    enum class Telling : std::uint8_t { nothing, addresses, flows };
    Telling telling_what_{};  // of the state of all flows; while it is addresses nothing of any flow is passed on
    std::size_t next_address_{0};
    std::vector<Identity>
        untold_;  // flows that were there when it came to them, in order; those before next_untold_ were told
    std::size_t next_untold_{0};
    std::vector<trace::Record> telling_;  // kept for its memory
    bool input_ended_{false}, stuck_{false};
    std::string error_;
};

}  // namespace weft::node
