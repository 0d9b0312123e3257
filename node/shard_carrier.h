// A node's shard as what the faces of the API run over: its links, its clock, its epoll.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <utility>

#include "node/plugins.h"
#include "node/shard.h"
#include "node/telemetry.h"
#include "node/unique_fd.h"
#include "stack/api/carrier.h"

namespace weft::node {

// What outlives a shard: the code that its engine calls, and where its events go.
struct Beside {
    std::unique_ptr<Plugins> plugins;
    std::unique_ptr<Telemetry> telemetry;
};

class ShardCarrier final : public api::Carrier {
public:
    static std::expected<std::unique_ptr<ShardCarrier>, std::string> make(std::unique_ptr<Shard> shard, Beside beside = {});
    ~ShardCarrier() override;  // resets what is open, and tells the neighbours

    Shard& shard() { return *shard_; }
    void keep(std::unique_ptr<Telemetry> telemetry) { beside_.telemetry = std::move(telemetry); }

    Engine& engine() override { return shard_->shared_engine(); }
    BufferPool& pool() override { return shard_->shared_pool(); }
    bool turn(api::Hearer& hearer) override;
    bool flush(api::Hearer& hearer) override;
    Instant deadline() override { return shard_->due(); }
    Instant now() override { return monotonic_now(); }
    bool wait(Instant until) override;
    void wake() noexcept override;
    int descriptor() override;
    void expect(Instant deadline) override;
    // Members of the overlay reach what listens on an overlay address, or on any.
    void listening(const Endpoint& local, bool begins) override;

private:
    ShardCarrier(std::unique_ptr<Shard> shard, Beside beside);
    Beside beside_;
    std::unique_ptr<Shard> shard_;
    api::Hearer* hearer_{nullptr};  // during a turn
    bool heard_{false};
    UniqueFd wake_, outer_, timer_;  // the last two from when somebody asks for the descriptor
    Instant armed_{Instant::never()};
};

}  // namespace weft::node
