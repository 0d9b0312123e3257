// What stands at the node's end of a flow: a pump to a program's socket, or a service that answers by itself, without a descriptor.
// One object a flow; its shard runs it a turn at a time when the flow, or its deadline, gives it work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "stack/core/buffer.h"
#include "stack/engine/engine.h"

namespace weft::node {

class PayloadRing;

class Service {
public:
    explicit Service(Flow flow) : flow_{flow} {}
    virtual ~Service() = default;
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    enum class Progress : std::uint8_t {
        waiting,  // for the flow, the other side or the deadline
        more,  // its turn is over, not its work
        starved,  // no chunk was free: try again later
        ended,  // nothing is left to carry either way, and the flow is over
        aborted,  // the flow is to be reset: not all was read, or what was promised cannot be sent
    };

    // A turn: a bounded number of bytes each way.
    virtual Progress run(Engine& engine, BufferPool& pool, Instant now) = 0;

    // The node stops: nothing new begins; what was begun still leaves, then the flow ends in order.
    virtual void finish() = 0;

    // When to run it though nothing happened; looked at after each run.
    virtual Instant deadline() const { return Instant::never(); }

    // What has become ready since.
    void flow_readable() { flow_readable_ = true; }
    void flow_writable() { flow_writable_ = true; }
    void flow_over() { over_ = true; }  // it closed or failed: what was taken is still handed over

    // Who hears what its flow carries, while somebody asks for it; nullptr: nobody.
    void tell_payload(PayloadRing* to) { payload_ = to; }

    // How to be run soon, at somebody else's wish; its shard says.
    void on_wake(std::function<void()> wake) { wake_ = std::move(wake); }

    std::uint64_t bytes_in() const { return bytes_in_; }  // that the flow gave, and this end is through with
    std::uint64_t bytes_out() const { return bytes_out_; }  // taken by the flow

protected:
    // Gives `slice` to the flow: `more` when nothing of it is left; `waiting` until the flow has room; `starved` when there is
    // no memory for a copy: a slice of fewer than 16 KiB is copied, for a chunk that it would keep alive is 65 KiB.
    Progress send(Engine& engine, Slice& slice, Instant now);

    // What came by the flow, as Engine::take and Engine::read hand it out.
    Result<std::size_t> take(Engine& engine, std::span<Slice> into, Instant now);
    Result<std::size_t> read(Engine& engine, std::span<std::byte> into, Instant now);

    void wake() const {
        if (wake_) wake_();
    }

    Flow flow_;
    std::function<void()> wake_;
    PayloadRing* payload_{nullptr};
    std::uint64_t bytes_in_{0}, bytes_out_{0};
    bool flow_readable_{true}, flow_writable_{true};  // until a call says would block
    bool over_{false};
};

// Makes the service of a flow that a listener accepted. Nothing: the flow is reset.
using ServiceFactory = std::function<std::unique_ptr<Service>(Flow flow, const Peers& peers, Instant now)>;

// The small services: 1,024 flows at once, 256 of a client (IPv6: of a network of 64 bits); five minutes without a byte that came
// or was acknowledged end one.
// RFC 862: what comes is sent back, lent and not copied.
ServiceFactory echo_service();
// RFC 863: what comes is read and forgotten.
ServiceFactory discard_service();
// Sends zero bytes without end, as discard reads them (RFC 864 without its letters); what comes is forgotten.
ServiceFactory source_service();

}  // namespace weft::node
