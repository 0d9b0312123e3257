// The shard's part with TUN and TAP devices: what comes goes to the engine as it is, what leaves goes to the device of its link.
#include "node/shard.h"

namespace weft::node {

std::expected<std::uint32_t, std::string> Shard::add_tap(const TapConfig& config, overlay::Entropy entropy) {
    work_left_ = true;
    return taps_.open(config, engine_, entropy, monotonic_now());
}

bool Shard::remove_tap(std::uint32_t link) {
    work_left_ = true;
    return taps_.close(link, engine_, monotonic_now());
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
    if (taps_.drop_gone(engine_, now)) work_left_ = true;
}

// Sends those in front that leave by one device; how many they were.
std::size_t Shard::send_to_tap(std::span<const Transmit> out) {
    std::size_t count = 0;
    while (count < out.size() && out[count].link != default_options_.link && out[count].link == out.front().link) ++count;
    taps_.send(out.first(count));
    return count;
}

}  // namespace weft::node
