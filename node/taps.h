// The TUN and TAP devices of a shard, under the link numbers from 1 on (0 is the overlay): opening and configuring them, the
// batches to and from each, and a word to the engine when one goes away.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "node/fault_device.h"
#include "node/loop.h"
#include "node/tap_settings.h"
#include "overlay/entropy.h"
#include "stack/engine/engine.h"
#include "stack/link/fault.h"
#include "stack/link/tap.h"

namespace weft::node {

struct TapConfig {
    TapSettings settings;
    std::optional<link::FaultConfig> fault;  // of what leaves
};

class Taps {
public:
    static constexpr std::size_t most = 64;

    Taps(Loop& loop, BufferPool& pool) : loop_{loop}, pool_{pool} {}
    Taps(const Taps&) = delete;
    Taps& operator=(const Taps&) = delete;
    ~Taps();

    // Opens the device, gives the kernel's side its addresses and tells the engine of ours. The error is for a person, and names
    // its mend.
    std::expected<std::uint32_t, std::string> open(const TapConfig& config, Engine& engine, overlay::Entropy entropy,
                                                   Instant now);  // its link
    bool close(std::uint32_t link, Engine& engine, Instant now);  // its number is free again; false: no such link

    // What came; 0 when no device has more. Each device in its turn.
    std::size_t receive(std::span<Receive> in);
    bool readable() const;

    // All of them go by one link. What a full device does not take is lost, as in any queue.
    void send(std::span<const Transmit> out);

    void advance(Instant now);  // delayed packets of fault links leave
    Instant deadline() const;

    // Lets the engine forget devices that were removed under us: their links.
    std::vector<std::uint32_t> drop_gone(Engine& engine, Instant now);

    std::size_t living() const;
    std::size_t size() const { return ports_.size(); }

    // Those with a number below size() + 1 that was not closed.
    struct Status {
        std::uint32_t link{0};
        std::string name;
        bool tun{false}, vnet_hdr{false}, gone{false};
        Mac mac{}, kernel_mac{};
        const TapSettings* settings{nullptr};
        const link::Tap::Statistics* statistics{nullptr};
        const link::FaultStatistics* faults{nullptr};  // nullptr: no fault link
    };
    std::optional<Status> status(std::size_t index) const;  // below size(); nothing: it was closed

    // What the fault link before a device does, all zero without one; nullopt: no such link, or its device is gone.
    std::optional<link::FaultConfig> fault(std::uint32_t link) const;
    void set_fault(std::uint32_t link, const link::FaultConfig& config, Instant now);

private:
    using Device = FaultDevice<link::Tap>;
    struct Port {
        Device device;
        TapSettings settings;
        Mac mac{};
        Loop::Watch watch;
        bool readable{true}, gone{false}, closed{false};  // closed: the place is free
        const link::Tap& tap() const;
    };

    static void forget(const TapSettings& settings, std::uint32_t link, Engine& engine, Instant now);

    Loop& loop_;
    BufferPool& pool_;
    std::deque<Port> ports_;  // by link number, from 1 on; watches point into it
    std::size_t turn_{0};  // the device to ask first
};

// What failed, and what mends it, by the step that the error's call names.
std::string tap_error(const link::SystemError& error, const TapSettings& settings);

}  // namespace weft::node
