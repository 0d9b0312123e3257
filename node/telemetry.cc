// One thread, one poll: what the ring holds goes to every listener some forty times a second; requests come by an inbox, what the loop
// should know leaves by another. Nobody listens: the thread sleeps, and the shard's sinks are empty.
#include "node/telemetry.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_set>
#include <utility>
#include <variant>

#include "node/event_listener.h"
#include "node/loop.h"

namespace weft::node {
namespace {

// Milliseconds between two looks at the ring, unless it fills sooner (Telemetry::wake): each costs whoever has the processor at that moment
// its place on it, twice with the reader's, and far more than the records that lie there. A person sees nothing of less. `busy`: while
// payload comes, whose ring wakes nobody, or a listener is told piece by piece what there is.
constexpr int busy_pause = 4, watched_pause = 25, recorded_pause = 50;
constexpr std::int64_t retry_after = 500'000'000;  // of a full disk
constexpr std::int64_t file_pause = 100'000'000;  // between two writes to the recording
constexpr std::size_t file_batch = 64 << 10;
constexpr std::int64_t tell_again_after = 1'000'000'000;

trace::Clocks clocks() {
    timespec real{};
    ::clock_gettime(CLOCK_REALTIME, &real);
    return {monotonic_now().nanoseconds(), std::int64_t{real.tv_sec} * 1'000'000'000 + real.tv_nsec};
}

void add_one(const UniqueFd& event) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = ::write(event.get(), &one, sizeof one);
}

void take_all(const UniqueFd& event) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(event.get(), &count, sizeof count);
}

std::uint64_t identity(std::uint32_t place, std::uint32_t generation) { return std::uint64_t{place} << 32 | generation; }
std::uint32_t generation_of(const trace::Record& record) { return trace::body_of<trace::FlowBegin>(record).generation; }

}  // namespace

class Telemetry::Thread {
public:
    Thread(Telemetry& shared, TelemetryConfig config) : shared_{shared}, config_{std::move(config)} {}
    ~Thread() {
        ending_.store(true, std::memory_order_release);
        add_one(wake_);
        if (thread_.joinable()) thread_.join();
    }

    std::expected<void, std::string> start() {
        for (UniqueFd* event : {&wake_, &notify_}) {
            *event = UniqueFd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
            if (!*event) return std::unexpected(std::string("eventfd: ") + std::strerror(errno));
        }
        return begin();
    }

    struct Joining {
        EventListener::Kind kind{};
        UniqueFd fd;
        Subscription wants;
        std::string first;  // of a socket
        std::string path;  // of a file
        std::uint64_t limit{0};
    };
    struct StopRecording {};
    using Inbox =
        std::vector<std::variant<Joining, StopRecording, trace::Record>>;  // a record: a mark. In the order of the calls

    // From other threads.
    template <class Change>
    auto ask(Change&& change) {
        const std::lock_guard guard{mutex_};
        auto answer = change(inbox_, status_);
        add_one(wake_);
        return answer;
    }
    TelemetryStatus status() const {
        const std::lock_guard guard{mutex_};
        return status_;
    }
    std::vector<TelemetryNotice> take_notices() {
        take_all(notify_);
        const std::lock_guard guard{mutex_};
        return std::exchange(notices_, {});
    }
    void wake() {
        if (!woken_.exchange(true, std::memory_order_relaxed)) add_one(wake_);
    }
    int notify_descriptor() const { return notify_.get(); }

private:
    // The signals of a program are its own threads': here are only those that say that this thread itself is wrong.
    std::expected<void, std::string> begin() {
        sigset_t ours, before;
        ::sigfillset(&ours);
        for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) ::sigdelset(&ours, fault);
        ::pthread_sigmask(SIG_SETMASK, &ours, &before);
        std::expected<void, std::string> begun;
        try {
            thread_ = std::thread([this] { run(); });
            ::pthread_setname_np(thread_.native_handle(), "weft-telemetry");
        } catch (const std::system_error& error) {
            begun = std::unexpected(std::string("no thread for events: ") + error.what());
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return begun;
    }

    struct Subscriber {
        std::uint64_t number{0};
        EventListener listener;
    };
    struct Recorder {
        std::string path;
        std::uint64_t limit{0};
        EventListener listener;
        std::int64_t written_ns{0};
        bool told_stuck{false};
    };

    void run();
    void sleep();
    void take_requests(std::int64_t now);
    void join(Joining joining, std::int64_t now);
    void drain(std::int64_t now);
    void take(std::span<trace::Record> records);
    void hand_out(std::span<const trace::Record> records);
    void retell(const trace::Record& record);
    void drain_payload();
    std::uint64_t edges_dropped() const;
    void tell_lost(std::uint32_t type, std::uint64_t count);
    void tell_dropped(std::int64_t now);
    void serve(std::int64_t now);
    void serve_recorder(std::int64_t now);
    void end_recording(std::string why, std::int64_t now);
    RecordStatus record_status() const;
    void want(bool anew = false);
    void tell_all_flows() {
        shared_.tellings_.fetch_add(1, std::memory_order_release);
        add_one(notify_);
    }
    void publish();
    void notice(TelemetryNotice notice) {
        const std::lock_guard guard{mutex_};
        notices_.push_back(std::move(notice));
        add_one(notify_);
    }
    int pause() const;
    bool nobody() const { return subscribers_.empty() && !recorder_; }

    Telemetry& shared_;
    const TelemetryConfig config_;
    UniqueFd wake_, notify_;
    std::atomic<bool> ending_{false}, woken_{false};
    std::thread thread_;

    mutable std::mutex mutex_;  // of these three
    Inbox inbox_;
    TelemetryStatus status_;
    std::vector<TelemetryNotice> notices_;

    // The thread's own.
    trace::Replay flows_;
    std::vector<Subscriber> subscribers_;
    std::optional<Recorder> recorder_;
    RecordStatus last_recording_;
    std::array<std::uint64_t, EventRing::classes> seen_dropped_{};
    std::uint64_t seen_payload_dropped_{0};
    std::uint64_t taken_{0}, dropped_{0}, last_number_{0};
    std::int64_t newest_ns_{0};  // of the stream, which never runs back
    std::int64_t told_again_ns_{0};
    bool edges_lost_{false}, retelling_{false};
    std::uint64_t retelling_dropped_{0};
    std::unordered_set<std::uint64_t> retold_;  // identities, since all began to be told anew
};

void Telemetry::Thread::run() {
    while (!ending_.load(std::memory_order_acquire)) {
        sleep();
        woken_.store(false, std::memory_order_relaxed);
        const std::int64_t now = monotonic_now().nanoseconds();
        take_requests(now);
        drain(now);
        serve(now);
        publish();
    }
    const std::int64_t now = monotonic_now().nanoseconds();
    take_requests(now);
    drain(now);
    for (Subscriber& one : subscribers_) {
        one.listener.end(now);
        (void)one.listener.write();
    }
    if (recorder_) end_recording({}, now);
    publish();
}

int Telemetry::Thread::pause() const {
    if (nobody()) return -1;
    const bool tells = std::ranges::any_of(subscribers_, [](const Subscriber& one) { return one.listener.tells(); }) ||
                       (recorder_ && recorder_->listener.tells());
    return tells || shared_.payload_.wanted() ? busy_pause : subscribers_.empty() ? recorded_pause : watched_pause;
}

void Telemetry::Thread::sleep() {
    std::vector<pollfd> ready{{wake_.get(), POLLIN, 0}};
    for (const Subscriber& one : subscribers_) {
        const short wanted = short((one.listener.hears() ? POLLIN : 0) | (one.listener.has_more() ? POLLOUT : 0));
        ready.push_back({one.listener.descriptor(), wanted, 0});
    }
    if (::poll(ready.data(), ready.size(), pause()) < 0) return;
    if (ready[0].revents != 0) take_all(wake_);
    for (std::size_t i = ready.size(); i-- > 1;) {
        const short got = ready[i].revents;
        const bool lives =
            (got & (POLLERR | POLLHUP | POLLNVAL)) == 0 && ((got & POLLIN) == 0 || subscribers_[i - 1].listener.listen());
        if (!lives) subscribers_.erase(subscribers_.begin() + std::ptrdiff_t(i - 1));
    }
    want();
}

// The union of what all of them want; `anew`: somebody must hear what is told only when it happens. The classes go first: who
// sees the count of tellings sees them, too.
void Telemetry::Thread::want(bool anew) {
    std::uint32_t wanted = nobody() ? 0 : base_classes;
    bool payload = recorder_ && recorder_->listener.wants_payload();
    for (const Subscriber& one : subscribers_) {
        wanted |= one.listener.classes();
        payload = payload || one.listener.wants_payload();
    }
    if (recorder_) wanted |= recorder_->listener.classes();
    shared_.payload_.want(payload);
    const std::uint32_t before = shared_.wanted_.exchange(wanted, std::memory_order_relaxed);
    if ((wanted & ~before) != 0 || anew) tell_all_flows();
}

void Telemetry::Thread::take_requests(std::int64_t now) {
    Inbox asked;
    {
        const std::lock_guard guard{mutex_};
        asked = std::exchange(inbox_, {});
    }
    for (auto& one : asked) {
        drain(now);  // what happened before the word came, came before it
        if (auto* joining = std::get_if<Joining>(&one)) join(std::move(*joining), now);
        if (auto* mark = std::get_if<trace::Record>(&one)) take({mark, 1});
        if (std::holds_alternative<StopRecording>(one) && recorder_) end_recording({}, now);
    }
    if (!asked.empty()) want();
}

void Telemetry::Thread::join(Joining joining, std::int64_t now) {
    // Links and labels are no part of the state that a listener begins with: they are told by the shard alone.
    const bool beyond_state =
        joining.wants.snapshot &&
        (joining.wants.classes & (trace::bit(trace::Type::link) | trace::bit(trace::Type::label))) != 0;
    const bool anew = nobody() || beyond_state;
    if (nobody()) {  // what is known, and what still lies in the ring, is of another time
        flows_ = {};
        for (auto left = shared_.ring_.front(); !left.empty(); left = shared_.ring_.front()) shared_.ring_.pop(left.size());
        for (std::uint32_t type = 0; type < EventRing::classes; ++type)
            seen_dropped_[type] = shared_.ring_.dropped(trace::Type(type));
    }
    newest_ns_ = std::max(newest_ns_, now);
    trace::RecordingInfo info{clocks(), config_.node, config_.address, joining.wants.payload};
    EventListener listener{joining.kind, std::move(joining.fd), std::move(joining.wants), info, config_.queue};
    listener.begin(joining.first, flows_, newest_ns_);
    if (joining.kind == EventListener::Kind::socket) subscribers_.push_back({++last_number_, std::move(listener)});
    else recorder_.emplace(std::move(joining.path), joining.limit, std::move(listener), std::int64_t{0}, false);
    want(anew);
}

void Telemetry::Thread::drain(std::int64_t now) {
    EventRing& ring = shared_.ring_;
    for (std::size_t most = ring.capacity(); most > 0;) {  // the shard may add as fast as this takes
        std::span<trace::Record> records = ring.front();
        if (records.empty()) break;
        records = records.first(std::min({records.size(), most, std::size_t{1024}}));
        take(records);
        most -= records.size();
        ring.pop(records.size());
    }
    drain_payload();
    tell_dropped(now);
}

// Behind the records that were taken so far. Those of the same moments may come later: a shard publishes its records turn by turn, but
// what flows carry at once. So a piece says by itself whose it is.
void Telemetry::Thread::drain_payload() {
    shared_.payload_.drain([this](const PayloadRing::Piece& piece) {
        for (Subscriber& one : subscribers_) one.listener.take_payload(piece);
        if (recorder_) recorder_->listener.take_payload(piece);
    });
    const std::uint64_t dropped = shared_.payload_.dropped();
    if (const std::uint64_t more = dropped - std::exchange(seen_payload_dropped_, dropped); more > 0)
        tell_lost(trace::lagged_payload, more);
}

void Telemetry::Thread::take(std::span<trace::Record> records) {
    for (std::size_t i = 0; i < records.size(); ++i) {
        trace::Record& record = records[i];
        newest_ns_ = record.t_ns = std::max(newest_ns_, record.t_ns);
        if (record.type == trace::Type::flow && retelling_) retold_.insert(identity(record.flow, generation_of(record)));
        if (record.type != trace::Type{}) continue;
        hand_out(records.first(i));
        retell(record);
        return take(records.subspan(i + 1));
    }
    hand_out(records);
}

void Telemetry::Thread::hand_out(std::span<const trace::Record> records) {
    if (records.empty()) return;
    taken_ += records.size();
    flows_.apply(records);
    for (Subscriber& one : subscribers_) one.listener.take(records);
    if (recorder_) recorder_->listener.take(records);
}

// Flows whose end was lost would live for ever: when everything was told anew and nothing of it was lost, what was not told is over.
void Telemetry::Thread::retell(const trace::Record& record) {
    const bool whole = retelling_ && record.flags == telling_ends && edges_dropped() == retelling_dropped_;
    if (whole)
        for (const trace::FlowState& flow : std::vector<trace::FlowState>(flows_.living().begin(), flows_.living().end())) {
            if (retold_.contains(identity(flow.place, flow.generation))) continue;
            trace::Record end =
                record_of(record.t_ns, trace::Type::state,
                          trace::StateChange{flow.state, trace::state_closed, trace::cause_unheard, 0, flow.generation});
            end.flow = flow.place;
            hand_out({&end, 1});
        }
    retelling_ = record.flags == telling_begins;
    retelling_dropped_ = edges_dropped();
    retold_.clear();
}

std::uint64_t Telemetry::Thread::edges_dropped() const {
    std::uint64_t sum = 0;
    for (std::uint32_t type = 0; type < EventRing::classes; ++type)
        if (!trace::is_sample(trace::Type(type))) sum += shared_.ring_.dropped(trace::Type(type));
    return sum;
}

void Telemetry::Thread::tell_lost(std::uint32_t type, std::uint64_t count) {
    dropped_ += count;
    const trace::Record lagged = record_of(newest_ns_, trace::Type::lagged, trace::Lagged{type, 0, count});
    flows_.apply(lagged);
    for (Subscriber& one : subscribers_) one.listener.tell_lagged(lagged);
    if (recorder_) recorder_->listener.tell_lagged(lagged);
}

void Telemetry::Thread::tell_dropped(std::int64_t now) {
    for (std::uint32_t type = 0; type < EventRing::classes; ++type) {
        const std::uint64_t dropped = shared_.ring_.dropped(trace::Type(type));
        const std::uint64_t more = dropped - std::exchange(seen_dropped_[type], dropped);
        if (more == 0) continue;
        edges_lost_ |= !trace::is_sample(trace::Type(type));
        if (type == 0) continue;  // nobody's but ours
        tell_lost(type, more);
    }
    if (!edges_lost_ || now - told_again_ns_ < tell_again_after) return;
    told_again_ns_ = now;
    edges_lost_ = false;
    tell_all_flows();
}

void Telemetry::Thread::serve(std::int64_t now) {
    for (Subscriber& one : subscribers_) one.listener.flush(flows_, newest_ns_);
    std::erase_if(subscribers_, [](Subscriber& one) { return !one.listener.write(); });
    serve_recorder(now);
    want();
}

void Telemetry::Thread::serve_recorder(std::int64_t now) {
    if (!recorder_) return;
    Recorder& recorder = *recorder_;
    EventListener& file = recorder.listener;
    const std::int64_t since = now - recorder.written_ns;
    if (file.stuck() ? since < retry_after : since < file_pause && file.queued() < file_batch) return;
    recorder.written_ns = now;
    file.flush(flows_, newest_ns_);
    (void)file.write();
    if (file.stuck() && !std::exchange(recorder.told_stuck, true))
        notice({TelemetryNotice::Kind::warning,
                "the recording " + recorder.path + " cannot be written: " + file.error() +
                    "; what finds no room in memory is left out and counted, and it goes on when there is room again",
                {}});
    if (!file.stuck() && std::exchange(recorder.told_stuck, false))
        notice({TelemetryNotice::Kind::info, "the recording " + recorder.path + " goes on", {}});
    if (recorder.limit != 0 && file.bytes() >= recorder.limit) end_recording("it has reached its limit", now);
}

void Telemetry::Thread::end_recording(std::string why, std::int64_t now) {
    Recorder& recorder = *recorder_;
    recorder.listener.end(std::max(newest_ns_, now));
    (void)recorder.listener.write();
    if (recorder.listener.has_more()) recorder.listener.cut_torn_tail();
    last_recording_ = record_status();
    last_recording_.running = false;
    last_recording_.end_ns = now;
    if (!why.empty()) last_recording_.error = why;
    recorder_.reset();
    publish();  // who hears of the end finds it in status()
    notice({TelemetryNotice::Kind::record_ended, std::move(why), last_recording_});
}

RecordStatus Telemetry::Thread::record_status() const {
    if (!recorder_) return last_recording_;
    const EventListener& file = recorder_->listener;
    return {true, recorder_->path, file.bytes(), file.records(), file.dropped(), file.begin_ns(), newest_ns_, file.error()};
}

void Telemetry::Thread::publish() {
    TelemetryStatus status;
    status.record = record_status();
    status.records = taken_;
    status.dropped = dropped_;
    for (const auto& [number, listener] : subscribers_)
        status.subscribers.push_back(
            {number, listener.classes(), listener.bytes(), listener.records(), listener.dropped(), listener.queued()});
    const std::lock_guard guard{mutex_};
    for (const auto& asked : inbox_) {  // not looked at yet, and there for who counts
        const auto* one = std::get_if<Joining>(&asked);
        if (one && one->kind == EventListener::Kind::socket) status.subscribers.push_back({.classes = one->wants.classes});
        if (one && one->kind == EventListener::Kind::file) status.record = {.running = true, .path = one->path};
    }
    status_ = std::move(status);
}

Telemetry::Telemetry(TelemetryConfig config) : ring_{config.ring} {
    thread_ = std::make_unique<Thread>(*this, std::move(config));
}
Telemetry::~Telemetry() = default;

std::expected<std::unique_ptr<Telemetry>, std::string> Telemetry::start(TelemetryConfig config) {
    std::unique_ptr<Telemetry> made{new Telemetry(std::move(config))};
    if (auto started = made->thread_->start(); !started) return std::unexpected(started.error());
    return made;
}

void Telemetry::wake() { thread_->wake(); }

std::expected<void, std::string> Telemetry::subscribe(UniqueFd socket, const Subscription& wants, std::string first) {
    return thread_->ask([&](Thread::Inbox& inbox, TelemetryStatus& status) -> std::expected<void, std::string> {
        if (status.subscribers.size() >= max_subscribers) return std::unexpected("the node has too many event connections");
        status.subscribers.push_back({.classes = wants.classes});
        inbox.emplace_back(Thread::Joining{EventListener::Kind::socket, std::move(socket), wants, std::move(first), {}, 0});
        return {};
    });
}

std::expected<void, std::string> Telemetry::record(RecordingFile file, const Subscription& wants) {
    return thread_->ask([&](Thread::Inbox& inbox, TelemetryStatus& status) -> std::expected<void, std::string> {
        if (status.record.running) return std::unexpected("a recording runs already");
        status.record = {.running = true, .path = file.path};
        inbox.emplace_back(
            Thread::Joining{EventListener::Kind::file, std::move(file.fd), wants, {}, std::move(file.path), file.limit});
        return {};
    });
}

bool Telemetry::stop_recording() {
    return thread_->ask([](Thread::Inbox& inbox, TelemetryStatus& status) {
        if (status.record.running) inbox.emplace_back(Thread::StopRecording{});
        return status.record.running;
    });
}

void Telemetry::mark(std::string_view text) {
    trace::Text body{};
    std::ranges::copy(text.substr(0, body.utf8.size()), body.utf8.begin());
    const trace::Record record = record_of(monotonic_now().nanoseconds(), trace::Type::mark, body);
    thread_->ask([&](Thread::Inbox& inbox, TelemetryStatus&) {
        inbox.emplace_back(record);
        return true;
    });
}

TelemetryStatus Telemetry::status() const { return thread_->status(); }
int Telemetry::notify_descriptor() const { return thread_->notify_descriptor(); }
std::vector<TelemetryNotice> Telemetry::notices() { return thread_->take_notices(); }

std::vector<std::string_view> class_names(std::uint32_t classes) {
    std::vector<std::string_view> names;
    for (std::uint32_t type = 1; type < EventRing::classes; ++type)
        if (const auto name = trace::name(trace::Type(type)); (classes >> type & 1) != 0 && !name.empty())
            names.push_back(name);
    return names;
}

}  // namespace weft::node
