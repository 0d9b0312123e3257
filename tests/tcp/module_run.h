// A flow on a module that a test installed, and what the trace says of modules meanwhile.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "stack/tcp/modules.h"
#include "tests/tcp/peer.h"

namespace weft::test {

inline constexpr std::uint16_t slot = 2;
inline constexpr std::uint32_t mss = 1'460;

// A flow on a module that was installed in slot 2.
inline Peer running(const tcp::Module& module, Opening how = {.timestamps = false}) {
    Peer peer{how};
    EXPECT_TRUE(peer.engine().install(slot, module, peer.now).has_value()) << tcp::refusal(module).why;
    peer.setup.options.congestion = slot;
    peer.opens();
    EXPECT_EQ(peer.engine().congestion_slot(peer.flow()), slot);
    return peer;
}
inline Peer running(const weft_cc_v1& table, Opening how = {.timestamps = false}) {
    return running(tcp::make_module(table, "test"), how);
}

template <class T>
T state_of(Peer& peer) {
    T copy;
    const auto bytes = peer.engine().congestion_state(peer.flow());
    EXPECT_EQ(bytes.size(), sizeof copy);
    if (bytes.size() == sizeof copy) std::memcpy(&copy, bytes.data(), sizeof copy);
    return copy;
}

inline std::vector<trace::Plugin> heard;

inline void follow(Engine& engine) {
    heard.clear();
    engine.trace({trace::bit(trace::Type::plugin), nullptr,
                  [](void*, const trace::Record& record) { heard.push_back(trace::body_of<trace::Plugin>(record)); }});
}

inline std::size_t count(tcp::ModuleEvent event) {
    return std::size_t(
        std::count_if(heard.begin(), heard.end(), [&](const auto& each) { return each.event == std::uint16_t(event); }));
}

}  // namespace weft::test
