// A device that may stand behind a fault link, put there and taken away while it runs.
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "stack/link/fault.h"

namespace weft::node {

template <class Inner>
using FaultDevice = std::variant<Inner, link::Fault<Inner>>;

template <class Inner>
std::optional<link::FaultConfig> fault_of(const FaultDevice<Inner>& device) {
    const auto* fault = std::get_if<link::Fault<Inner>>(&device);
    return fault ? fault->config() : link::FaultConfig{};
}

template <class Inner>
void put_fault(FaultDevice<Inner>& device, const link::FaultConfig& config, BufferPool& pool, Instant now) {
    if (auto* fault = std::get_if<link::Fault<Inner>>(&device)) return fault->configure(config);
    if (!config.any()) return;
    Inner inner = std::move(std::get<Inner>(device));
    device.template emplace<link::Fault<Inner>>(std::move(inner), config, pool).advance(now);
}

// Delayed datagrams leave. A fault link that does nothing any more goes when nothing waits in it: it would only cut what need not be.
template <class Inner>
void advance_fault(FaultDevice<Inner>& device, Instant now) {
    auto* fault = std::get_if<link::Fault<Inner>>(&device);
    if (!fault) return;
    fault->advance(now);
    if (fault->config().any() || fault->waiting() > 0) return;
    Inner inner = std::move(fault->inner());
    device.template emplace<Inner>(std::move(inner));
}

}  // namespace weft::node
