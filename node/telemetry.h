// The telemetry thread of a node: drains the shard's event ring, knows the state of all flows by it, and serves who listens, the
// event connections and one recorder. It never holds up the shard, and waits for no listener: what finds no room is counted and told.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/event_ring.h"
#include "node/payload_ring.h"
#include "node/recordings.h"
#include "node/unique_fd.h"
#include "stack/core/address.h"
#include "stack/core/trace.h"

namespace weft::node {

struct TelemetryConfig {
    std::string node;  // its name, for headers
    Address address;  // none: of no overlay
    std::size_t ring{1 << 14};  // records
    std::size_t queue{8 << 20};  // bytes that a listener may leave unread
};

// A flow that a listener names.
struct ChosenFlow {
    std::uint32_t place{0};
    std::optional<std::uint32_t> generation;  // none: of whichever flow has the place

    ChosenFlow(std::uint32_t at, std::optional<std::uint32_t> which = {}) : place{at}, generation{which} {}
};

// What a listener wants to hear.
struct Subscription {
    std::uint32_t classes{trace::all};
    // Empty: all. Records come by place, and say themselves when another flow takes it; payload of the generation alone. Records of
    // no flow come in any case.
    std::vector<ChosenFlow> flows;
    std::uint32_t rate_limit{0};  // samples a second; 0: no limit
    bool snapshot{true};  // begin with the state of all flows
    bool payload{false};  // also what the flows carry: the first that finds no room, and counted (trace::lagged_payload)
};

struct RecordStatus {
    bool running{false};
    std::string path;  // of the last one, also when it has ended
    std::uint64_t bytes{0}, records{0};
    std::uint64_t dropped{0};  // records that it lacks, of any class
    std::int64_t begin_ns{0}, end_ns{0};  // on the node's monotonic clock
    std::string error{};  // why nothing can be written at the moment, or why it ended; empty: all is well
};

struct SubscriberStatus {
    std::uint64_t number{0};
    std::uint32_t classes{0};
    std::uint64_t bytes{0}, records{0}, dropped{0};
    std::size_t queued{0};  // bytes that it has not read
};

struct TelemetryStatus {
    RecordStatus record;
    std::vector<SubscriberStatus> subscribers;
    std::uint64_t records{0};  // taken out of the ring since the start
    std::uint64_t dropped{0};  // that found no room in it
};

// What the thread has to say to the loop: taken by notices() when notify_descriptor() is readable.
struct TelemetryNotice {
    enum class Kind : std::uint8_t { warning, info, record_ended };
    Kind kind{};
    std::string text;
    std::optional<RecordStatus> record;  // of record_ended
};

class Telemetry {
public:
    static constexpr std::size_t max_subscribers = 16;
    // Without them nobody can tell what flows there are: they are wanted whenever anything is.
    static constexpr std::uint32_t base_classes =
        trace::fold_classes | trace::bit(trace::Type::plugin) | trace::bit(trace::Type::counters);

    static std::expected<std::unique_ptr<Telemetry>, std::string> start(TelemetryConfig config);
    ~Telemetry();  // ends recording and event connections in order
    Telemetry(const Telemetry&) = delete;
    Telemetry& operator=(const Telemetry&) = delete;

    // The shard's side, from its one thread.
    EventRing& ring() { return ring_; }
    PayloadRing& payload() { return payload_; }
    std::uint32_t wanted() const { return wanted_.load(std::memory_order_relaxed); }  // classes; 0: nobody listens
    // Counts the times at which all flows were to be told anew: when somebody new listens, or edges were lost.
    std::uint32_t tellings() const { return tellings_.load(std::memory_order_acquire); }
    void wake();  // the ring fills faster than it is drained

    // From any thread; each returns at once. `first` goes before the stream: what the socket owed, and the answer.
    std::expected<void, std::string> subscribe(UniqueFd socket, const Subscription& wants, std::string first);
    // A file that recordings.h made: it holds a whole recording after each write, but for the last batch.
    std::expected<void, std::string> record(RecordingFile file, const Subscription& wants);
    bool stop_recording();  // false: none runs. A notice tells when the file is whole
    void mark(std::string_view text);  // at most 48 bytes of it
    TelemetryStatus status() const;

    int notify_descriptor() const;  // readable when there are notices, or when tellings() has changed
    std::vector<TelemetryNotice> notices();

private:
    class Thread;
    explicit Telemetry(TelemetryConfig config);

    EventRing ring_;
    PayloadRing payload_;
    std::atomic<std::uint32_t> wanted_{0}, tellings_{0};
    std::unique_ptr<Thread> thread_;
};

// Names of classes, for answers.
std::vector<std::string_view> class_names(std::uint32_t classes);

}  // namespace weft::node
