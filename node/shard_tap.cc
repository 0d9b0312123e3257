// The shard's part with TUN and TAP devices: what comes goes to the engine as it is, what leaves goes to the device of its link.
#include <algorithm>

#include "node/shard.h"

namespace weft::node {

std::expected<std::uint32_t, std::string> Shard::add_tap(const TapConfig& config, overlay::Entropy entropy) {
    work_left_ = true;
    return taps_.open(config, engine_, entropy, monotonic_now());
}

bool Shard::remove_tap(std::uint32_t link) {
    work_left_ = true;
    const Instant now = monotonic_now();
    if (const auto tap = link == 0 || link > taps_.size() ? std::nullopt : taps_.status(link - 1))
        end_flows_of(*tap->settings, link, now);
    return taps_.close(link, engine_, now);
}

// Nothing that is sent to its addresses comes here any more, and who waits for it would wait for ever.
void Shard::end_flows_of(const TapSettings& device, std::uint32_t link, Instant now) {
    for (const Flow flow : engine_.flows()) {
        const auto peers = engine_.peers(flow);
        if (!peers) continue;
        const auto is_local = [&](const Prefix& address) { return address.address == peers->local.address; };
        if (peers->local.scope != link && peers->remote.scope != link && !std::ranges::any_of(device.addresses, is_local))
            continue;
        if (carried(flow)) {
            reset(place_of_[flow.place], Error::network_unreachable, now);
        } else if (engine_.abort(flow, now); others_) {
            Event lost;
            lost.kind = Event::Kind::failed;
            lost.flow = flow;
            lost.error = Error::network_unreachable;
            lost_.push_back(lost);
        }
    }
}

namespace {

constexpr unsigned tap_turns = 8;  // batches of packets a turn

}  // namespace

void Shard::receive_taps(Instant now) {
    for (unsigned turn = 0; turn < tap_turns; ++turn) {
        const std::size_t count = taps_.receive(in_);
        if (count == 0) break;
        engine_.receive(std::span(in_).first(count), now);
        for (std::size_t i = 0; i < count; ++i) in_[i].frame = {};
        while (transmit(now)) {}
        flush(now);
    }
    for (const std::uint32_t link : taps_.drop_gone(engine_, now)) {
        work_left_ = true;
        if (const auto tap = taps_.status(link - 1)) end_flows_of(*tap->settings, link, now);
    }
}

// Sends those in front that leave by one device; how many they were.
std::size_t Shard::send_to_tap(std::span<const Transmit> out) {
    std::size_t count = 0;
    while (count < out.size() && out[count].link != default_options_.link && out[count].link == out.front().link) ++count;
    taps_.send(out.first(count));
    return count;
}

}  // namespace weft::node
