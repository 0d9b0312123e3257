// A neighbour of a real node that is made by hand: it has a proper link, and can send any frame over it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "overlay/frames.h"
#include "overlay/switch.h"
#include "tests/node/process/nodes.h"
#include "tests/overlay/script.h"

namespace weft::node {

class HostileNeighbour {
public:
    // Of `target`, which must have its address among its peers or accept members.
    HostileNeighbour(const overlay::Seed& seed, const overlay::Network& network, const Address& target, std::uint16_t port);
    ~HostileNeighbour();

    const Address& address() const { return script_.identity.address(); }
    bool link();                                      // the handshake
    // A label path of its own through the target: its first label, once the far end has accepted.
    std::optional<overlay::Label> open_path(const Address& to);

    void send_label(overlay::Label label, std::size_t bytes = 64);   // with a session packet of random bytes
    void send_control(Bytes body);
    void serve(milliseconds span);                    // answers what keeps link and path alive

private:
    void send(Bytes datagram);
    std::vector<std::byte> receive(milliseconds patience);   // empty: nothing came
    void take(std::vector<std::byte> datagram);
    void flush();

    overlay::Network network_;
    overlay::Script script_;
    Address target_;
    UniqueFd socket_;
    std::unique_ptr<overlay::Switch> switch_;
    void* router_{nullptr};
};

}  // namespace weft::node
