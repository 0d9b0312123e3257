// The small services of old (RFC 862 to 864), and what all services share.
#include "node/service.h"

#include <algorithm>
#include <array>
#include <utility>

#include "node/admission.h"
#include "node/payload_ring.h"
#include "stack/tcp/tcb.h"

namespace weft::node {
namespace {

constexpr std::size_t kept_whole = 16 << 10;  // a slice of fewer is copied, not lent: a chunk is 65 KiB
constexpr std::size_t piece = 64 << 10;
constexpr unsigned turns = 8;                 // rounds of slices a turn
constexpr std::size_t most_flows = 1'024, most_flows_a_client = 256;
constexpr Duration patience = Duration::seconds(300), look = Duration::seconds(30);

// A place, and an end for who holds it without a use: patience without a byte that came or was acknowledged.
class SmallService : public Service {
public:
    SmallService(Flow flow, const Peers& peers, std::shared_ptr<Admission> admission, Instant now)
        : Service{flow}, place_{std::move(admission), peers.remote.address}, moved_at_{now}, due_{now + look} {}

    Instant deadline() const override { return due_; }

protected:
    bool idle_too_long(Engine& engine, Instant now) {
        if (now < due_) return false;
        due_ = now + look;
        const tcp::Tcb* tcb = engine.inspect(flow_);
        const SeqNum acked = tcb ? tcb->sending.snd_una : SeqNum{};
        const bool moved = std::exchange(acked_, acked) != acked;
        if (std::exchange(seen_in_, bytes_in_) != bytes_in_ || moved) moved_at_ = now;
        return now - moved_at_ >= patience;
    }

private:
    Admission::Place place_;
    Instant moved_at_, due_;
    SeqNum acked_;
    std::uint64_t seen_in_{0};
};

class Echo final : public SmallService {
public:
    using SmallService::SmallService;

    Progress run(Engine& engine, BufferPool&, Instant now) override {
        if (over_) return Progress::ended;
        if (idle_too_long(engine, now)) return Progress::aborted;
        for (unsigned turn = 0; turn < turns; ++turn) {
            if (const Progress sent = send_back(engine, now); sent != Progress::more) return sent;
            if (std::exchange(finishing_, false)) (void)engine.shutdown(flow_, Engine::Direction::both, now);
            if (!flow_readable_) return Progress::waiting;
            const auto count = take(engine, taken_, now);
            if (count && *count > 0) {
                last_ = *count;
                continue;
            }
            flow_readable_ = false;
            if (!count && count.error() == Error::end_of_stream) (void)engine.shutdown(flow_, Engine::Direction::write, now);
        }
        return Progress::more;
    }

    void finish() override { finishing_ = true; }

private:
    // `more` when all of it has left.
    Progress send_back(Engine& engine, Instant now) {
        for (; first_ < last_; ++first_) {
            const std::uint32_t size = taken_[first_].size();
            const Progress sent = send(engine, taken_[first_], now);
            bytes_in_ += size - taken_[first_].size();
            if (sent != Progress::more) return sent;
        }
        first_ = last_ = 0;
        return Progress::more;
    }

    std::array<Slice, 4> taken_;  // from the flow, not yet sent back: [first_, last_); what else came fills its window
    std::size_t first_{0}, last_{0};
    bool finishing_{false};
};

// Reads and forgets; as a source it also sends.
class Drain final : public SmallService {
public:
    Drain(Flow flow, const Peers& peers, std::shared_ptr<Admission> admission, Instant now, bool source)
        : SmallService{flow, peers, std::move(admission), now}, source_{source} {}

    Progress run(Engine& engine, BufferPool& pool, Instant now) override {
        if (over_) return Progress::ended;
        if (idle_too_long(engine, now)) return Progress::aborted;
        if (std::exchange(finishing_, false)) {
            source_ = false;
            (void)engine.shutdown(flow_, Engine::Direction::both, now);
        }
        for (unsigned turn = 0; turn < turns; ++turn) {
            const bool read = drain(engine, now);
            if (source_ && flow_writable_ && staged_.size() == 0 && !fill(pool)) return Progress::starved;
            const Progress sent = source_ ? send(engine, staged_, now) : Progress::waiting;
            if (sent == Progress::starved || (!read && sent != Progress::more)) return sent;
        }
        return Progress::more;
    }

    void finish() override { finishing_ = true; }

private:
    bool drain(Engine& engine, Instant now) {
        if (!flow_readable_) return false;
        std::array<Slice, 32> taken;
        const auto count = take(engine, taken, now);
        if (count && *count > 0) {
            for (const Slice& slice : std::span(taken).first(*count)) bytes_in_ += slice.size();
            return true;
        }
        flow_readable_ = false;
        if (!count && count.error() == Error::end_of_stream) {
            source_ = false;
            (void)engine.shutdown(flow_, Engine::Direction::write, now);
        }
        return false;
    }

    bool fill(BufferPool& pool) {
        if (zeros_.size() == 0) {
            Chunk* chunk = pool.allocate(piece);
            if (!chunk) return false;
            std::fill_n(chunk->data(), piece, std::byte{0});
            zeros_ = Slice{chunk, 0, piece};
        }
        staged_ = zeros_;
        return true;
    }

    Slice zeros_, staged_;
    bool source_;
    bool finishing_{false};
};

template <class Made, class... More>
ServiceFactory limited(More... more) {
    const auto admission = std::make_shared<Admission>(most_flows, most_flows_a_client);
    return [admission, more...](Flow flow, const Peers& peers, Instant now) -> std::unique_ptr<Service> {
        if (admission->full() || admission->full_for(peers.remote.address)) return nullptr;
        return std::make_unique<Made>(flow, peers, admission, now, more...);
    };
}

}  // namespace

Result<std::size_t> Service::take(Engine& engine, std::span<Slice> into, Instant now) {
    const auto count = engine.take(flow_, into, now);
    if (count && payload_ && payload_->wanted())
        for (const Slice& slice : into.first(*count)) payload_->add(now, flow_, false, slice.bytes());
    return count;
}

Result<std::size_t> Service::read(Engine& engine, std::span<std::byte> into, Instant now) {
    const auto count = engine.read(flow_, into, now);
    if (count && payload_ && payload_->wanted()) payload_->add(now, flow_, false, into.first(*count));
    return count;
}

Service::Progress Service::send(Engine& engine, Slice& slice, Instant now) {
    if (slice.size() > 0 && !flow_writable_) return Progress::waiting;
    const bool told = payload_ && payload_->wanted();
    while (slice.size() > 0) {
        if (slice.size() >= kept_whole && engine.write(flow_, slice, {}, now)) {
            if (told) payload_->add(now, flow_, true, slice.bytes());
            bytes_out_ += slice.size();
            break;
        }
        const auto written = engine.write(flow_, slice.bytes(), {}, now);
        if (!written && written.error() == Error::no_memory) return Progress::starved;
        if (!written || *written == 0) {
            flow_writable_ = false;
            return Progress::waiting;
        }
        if (told) payload_->add(now, flow_, true, slice.bytes().first(*written));
        bytes_out_ += *written;
        slice = slice.sub(std::uint32_t(*written), slice.size());
    }
    slice = {};
    return Progress::more;
}

ServiceFactory echo_service() { return limited<Echo>(); }

ServiceFactory discard_service() { return limited<Drain>(false); }

ServiceFactory source_service() { return limited<Drain>(true); }

}  // namespace weft::node
