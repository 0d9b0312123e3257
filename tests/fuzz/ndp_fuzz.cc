// Neighbour solicitations and advertisements in IPv6 packets: what is read keeps RFC 4861's rules and survives being written.
#include "stack/wire/ndp.h"

#include <array>

#include "stack/wire/ethernet.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/pseudo.h"
#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto packet = Ipv6View::parse(fuzz::bytes_of(data, size));
    if (!packet || packet->protocol() != protocol_icmpv6) return 0;
    const auto icmp = IcmpView::parse(Family::ipv6, packet->payload());
    if (!icmp) return 0;
    const Address source = packet->source(), destination = packet->destination();
    const auto message = NeighbourMessage::parse(*icmp, source, destination, packet->hop_limit());
    if (!message) return 0;
    FUZZ_CHECK(packet->hop_limit() == ndp_hop_limit && icmp->code() == 0);
    FUZZ_CHECK(message->target.bytes()[0] != std::byte{0xff});
    FUZZ_CHECK(!message->mac || !is_group(*message->mac));
    std::array<std::byte, 32> out{};
    const std::size_t written = message->write(out, source, destination);
    FUZZ_CHECK(written == 24u + (message->mac ? 8u : 0u));
    const auto again = IcmpView::parse(Family::ipv6, Bytes{out}.first(written));
    FUZZ_CHECK(again && again->checksum_verifies(pseudo_sum(source, destination)));
    const auto read = NeighbourMessage::parse(*again, source, destination, ndp_hop_limit);
    FUZZ_CHECK(read && *read == *message);
    return 0;
}
