// The small services of old (RFC 862 to 864), and what all services share.
#include "node/service.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weft::node {
namespace {

constexpr std::size_t kept_whole = 16 << 10;  // a slice of fewer is copied, not lent: a chunk is 65 KiB
constexpr std::size_t piece = 64 << 10;
constexpr unsigned turns = 8;                 // rounds of slices a turn

class Echo final : public Service {
public:
    using Service::Service;

    Progress run(Engine& engine, BufferPool&, Instant now) override {
        if (over_) return Progress::ended;
        for (unsigned turn = 0; turn < turns; ++turn) {
            if (!send_back(engine, now)) return Progress::waiting;
            if (std::exchange(finishing_, false)) (void)engine.shutdown(flow_, Engine::Direction::both, now);
            if (!flow_readable_) return Progress::waiting;
            const auto count = engine.take(flow_, taken_, now);
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
    // False while the flow has no room for all of it.
    bool send_back(Engine& engine, Instant now) {
        for (; first_ < last_; ++first_) {
            const std::uint32_t size = taken_[first_].size();
            if (!flow_writable_ || !send(engine, taken_[first_], now)) {
                bytes_in_ += size - taken_[first_].size();
                return false;
            }
            bytes_in_ += size;
        }
        first_ = last_ = 0;
        return true;
    }

    std::array<Slice, 32> taken_;  // from the flow, not yet sent back: [first_, last_)
    std::size_t first_{0}, last_{0};
    bool finishing_{false};
};

// Reads and forgets; as a source it also sends.
class Drain : public Service {
public:
    Drain(Flow flow, bool source) : Service{flow}, source_{source} {}

    Progress run(Engine& engine, BufferPool& pool, Instant now) override {
        if (over_) return Progress::ended;
        if (std::exchange(finishing_, false)) {
            source_ = false;
            (void)engine.shutdown(flow_, Engine::Direction::both, now);
        }
        for (unsigned turn = 0; turn < turns; ++turn) {
            const bool read = drain(engine, now);
            if (source_ && flow_writable_ && staged_.size() == 0 && !fill(pool)) return Progress::starved;
            const bool sent = source_ && flow_writable_ && send(engine, staged_, now);
            if (!read && !sent) return Progress::waiting;
        }
        return Progress::more;
    }

    void finish() override { finishing_ = true; }

private:
    bool drain(Engine& engine, Instant now) {
        if (!flow_readable_) return false;
        std::array<Slice, 32> taken;
        const auto count = engine.take(flow_, taken, now);
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

}  // namespace

bool Service::send(Engine& engine, Slice& slice, Instant now) {
    while (slice.size() > 0) {
        if (slice.size() >= kept_whole && engine.write(flow_, slice, {}, now)) {
            bytes_out_ += slice.size();
            break;
        }
        const auto written = engine.write(flow_, slice.bytes(), {}, now);
        if (!written || *written == 0) return flow_writable_ = false;
        bytes_out_ += *written;
        slice = slice.sub(std::uint32_t(*written), slice.size());
    }
    slice = {};
    return true;
}

ServiceFactory echo_service() {
    return [](Flow flow, const Peers&, Instant) { return std::make_unique<Echo>(flow); };
}

ServiceFactory discard_service() {
    return [](Flow flow, const Peers&, Instant) { return std::make_unique<Drain>(flow, false); };
}

ServiceFactory source_service() {
    return [](Flow flow, const Peers&, Instant) { return std::make_unique<Drain>(flow, true); };
}

}  // namespace weft::node
