// What a shard tells the telemetry thread: the sinks of engine, links and switch while somebody listens, the state of all flows when
// somebody new does, and each second what the flows have counted.
#include <sys/epoll.h>

#include "node/shard.h"
#include "node/telemetry.h"

namespace weft::node {
namespace {

constexpr Duration count_every = Duration::seconds(1);
constexpr Duration pause_when_full = Duration::milliseconds(2);  // for the ring to drain before more is told
constexpr std::size_t told_at_once = 64, told_a_turn = 512;  // flows, neighbours, labels

}  // namespace

void Shard::observe(Telemetry& telemetry, std::function<void()> noticed) {
    telemetry_ = &telemetry;
    ring_ = &telemetry.ring();
    payload_ = &telemetry.payload();
    for (Carried& carried : carried_)
        if (carried.service) carried.service->tell_payload(payload_);
    told_ = telemetry.tellings();
    notice_watch_ = loop_.add(telemetry.notify_descriptor(), EPOLLIN, [this, noticed = std::move(noticed)](std::uint32_t) {
        if (noticed) noticed();
        else (void)telemetry_->notices();
    });
}

void Shard::trace_modules(const trace::Sink& sink) {
    modules_ = sink;
    set_sinks();
}

void Shard::set_sinks() {
    trace::Sink to = ring_ ? ring_->sink(event_classes_) : trace::Sink{};
    links_.trace(to);
    to.classes |= modules_.classes;
    to.direct &= ~trace::bit(trace::Type::plugin);
    to.context = this;
    to.write = &Shard::write_event;
    engine_.trace(to);
}

// What concerns modules, others may want to hear as well.
void Shard::write_event(void* context, const trace::Record& record) {
    Shard& shard = *static_cast<Shard*>(context);
    const bool happens = (record.flags & trace::snapshot_flag) == 0;
    if (happens && shard.modules_.wants(record.type)) shard.modules_.write(shard.modules_.context, record);
    if ((shard.event_classes_ & trace::bit(record.type)) != 0) shard.ring_->add(record);
}

void Shard::publish_events() {
    if (ring_) ring_->publish();
}

// Once a turn; one comparison while nobody listens.
void Shard::tend_events(Instant now) {
    const std::uint32_t tellings = telemetry_->tellings();  // first: the classes that they are for are there then
    const std::uint32_t wanted = telemetry_->wanted();
    publish_events();
    if (wanted != event_classes_) {
        if (event_classes_ == 0) count_at_ = now + count_every;
        event_classes_ = wanted;
        set_sinks();
        if (wanted == 0) tell_at_ = count_at_ = Instant::never();
    }
    if (wanted == 0) return;
    if (tellings != told_) {
        told_ = tellings;
        telling_ = {};
        tell_at_ = now;
        ring_->add(telling_record(now, telling_begins));
    }
    if (tell_at_ <= now) tell_all(now);
    if (count_at_ <= now) tell_counters(now);
    publish_events();
    if (ring_->backlog() > ring_->capacity() / 2) telemetry_->wake();
}

bool Shard::ring_has_room() { return ring_->backlog() < ring_->capacity() / 2; }

// Flows, then neighbours, then labels, a bounded number a turn and never more than the ring holds.
void Shard::tell_all(Instant now) {
    const trace::Sink to = ring_->sink(event_classes_);
    std::size_t told = 0;
    for (; telling_.part < 3 && told < told_a_turn && ring_has_room(); told += told_at_once) {
        bool more = false;
        if (telling_.part == 0) more = engine_.tell_flows(telling_.cursor, told_at_once, now);
        if (telling_.part == 1) more = links_.tell(to, telling_.cursor, told_at_once, now);
        if (telling_.part == 2 && links_.labels()) more = links_.labels()->tell(to, telling_.cursor, told_at_once, now);
        if (more) continue;
        ++telling_.part;
        telling_.cursor = 0;
    }
    if (telling_.part == 3) ring_->add(telling_record(now, telling_ends));
    tell_at_ = telling_.part == 3 ? Instant::never() : told >= told_a_turn ? now : now + pause_when_full;
}

void Shard::tell_counters(Instant now) {
    for (std::size_t told = 0; told < told_a_turn && ring_has_room(); told += told_at_once) {
        if (engine_.tell_counters(count_cursor_, told_at_once, now)) continue;
        count_cursor_ = 0;
        count_at_ = now + count_every;
        return;
    }
    count_at_ = ring_has_room() ? now : now + pause_when_full;
}

}  // namespace weft::node
