// Links under a script: raw datagrams, handshakes and packets under true keys with any plaintext, and time, as the input says.
// A node that carries label paths serves a member and dials another; neither strangers' datagrams nor members' frames may do more than they should.
#include "overlay/links.h"

#include <optional>

#include "tests/fuzz/fuzz.h"
#include "tests/overlay/script.h"
#include "tests/overlay/switch_world.h"
#include "tests/overlay/world.h"

using namespace weft;
using namespace weft::overlay;

namespace {

const UdpEndpoint stranger = ipv4(9, 9, 9, 9, 9), member_at = ipv4(1, 1, 1, 1, 1), dialled_at = ipv4(2, 2, 2, 2, 2);

struct Play {
    explicit Play(Bytes input)
        : in{input}, links{Identity{seed_of(1)}, config, entropy, pool}, member{seed_of(2), config.network, links.address()},
          dialled{seed_of(3), config.network, links.address()} {
        const UdpEndpoint to[] = {dialled_at};
        links.add_peer(dialled.identity.address(), to, now);
        links.bind(dialled.identity.address(), 1);
        drain();
    }

    Bytes some() { return in.take(std::min<std::size_t>(in.u8() * std::size_t{in.u8() % 2 == 0 ? 1u : 6u}, in.left())); }

    // Every reply to a datagram that opened under no keys is at most as large.
    void give(Bytes bytes, const UdpEndpoint& from, bool authentic) {
        Chunk* chunk = pool.allocate(bytes.size());
        if (!chunk) return;
        append(chunk->data(), bytes);
        Receive one[1];
        one[0].frame = Slice{chunk, 0, std::uint32_t(bytes.size())};
        one[0].from = from;
        one[0].ecn = Ecn(in.u8() & 3);
        drain();
        const std::size_t had = got;
        links.receive(one, now);
        one[0] = {};
        const std::size_t reply = drain();
        FUZZ_CHECK(authentic || (reply <= bytes.size() && got == had));
    }

    std::size_t drain() {
        LinkEvent events[2];
        while (const std::size_t n = links.events(events))
            for (std::size_t i = 0; i < n; ++i)
                if (events[i].peer == member.identity.address()) links.bind(events[i].peer, 2);
        Receive packets[2];
        while (const std::size_t n = links.deliver(packets)) got += n;
        Transmit out[3];
        std::size_t bytes = 0;
        while (const std::size_t n = links.transmit(out, now))
            for (std::size_t i = 0; i < n; ++i)
                for (const Slice& slice : out[i].payload) {
                    bytes += slice.size();
                    if (out[i].to == dialled_at && slice.size() == init_size)
                        last_init.assign(slice.bytes().begin(), slice.bytes().end());
                    if (out[i].to == member_at && slice.size() == resp_size)
                        last_resp.assign(slice.bytes().begin(), slice.bytes().end());
                    if (out[i].to == dialled_at && slice.size() >= fin_size && slice.bytes()[0] == std::byte{5})
                        last_fin.assign(slice.bytes().begin(), slice.bytes().end());
                }
        return bytes;
    }

    static ByteVector bent(ByteVector bytes, Bytes with) {
        for (std::size_t i = 0; i + 1 < with.size() && !bytes.empty(); i += 2)
            bytes[std::size_t(with[i]) % bytes.size()] ^= with[i + 1];
        return bytes;
    }

    void step() {
        switch (in.u8() % 10) {
        case 0: return give(some(), stranger, false);
        case 1: {
            const Init init = member.init(in.little<std::uint16_t>(), in.u8());
            return give(bent({init.begin(), init.end()}, some()), member_at, false);
        }
        case 2:
            if (!last_resp.empty() && member.take_resp(last_resp)) give(member.fin(some()), member_at, true), shaken = true;
            return;
        case 3:
            if (shaken) give(member.seal(some()), in.u8() % 8 == 0 ? stranger : member_at, true);
            return;
        case 4:
            if (shaken) give(bent(member.seal_as(some(), in.little<std::uint64_t>()), some()), member_at, true);
            return;
        case 5:
            if (!last_init.empty())
                give(bent(dialled.resp(Door{config.network, dialled.identity.address()}, last_init), some()), dialled_at,
                     true);
            return;
        case 6:
            if (!last_fin.empty() && dialled.take_fin(last_fin)) give(dialled.seal(some()), dialled_at, true);
            return;
        case 7: now = now + Duration::milliseconds(in.little<std::uint16_t>()); return links.advance(now);
        case 8: {
            Transmit packet;
            packet.path = 1 + in.u8() % 2u;
            packet.header_length = in.u8() % 230u;
            packet.transport = in.u8() % 230u;
            packet.segment_size = in.u8();
            in.copy(MutableBytes{packet.header}.first(4));
            if (in.u8() % 2 == 0) {
                packet.transport = 136, packet.header_length = 156;
                packet.header[0] = std::byte{0x80}, packet.header[6] = std::byte{6}, packet.header[148] = std::byte{0x50};
            }
            const Bytes payload = some();
            Chunk* chunk = pool.allocate(payload.size());
            append(chunk->data(), payload);
            const Slice slices[] = {{chunk, 0, std::uint32_t(payload.size())}};
            packet.payload = slices;
            return links.send({&packet, 1}, now);
        }
        default: {
            const Address peer = in.u8() % 2 == 0 ? member.identity.address() : dialled.identity.address();
            if (in.u8() % 4 == 0) links.remove_peer(peer, now);
            else links.add_peer(peer, {}, now);
        }
        }
    }

    Reader in;
    static LinksConfig carrying(TableRouter& router) {  // it would set up and carry label paths
        LinksConfig config;
        config.router = &TableRouter::table();
        config.routing = &router;
        return config;
    }

    TableRouter router;
    LinksConfig config{carrying(router)};
    BufferPool pool{16 << 20};
    SeededEntropy entropy{5};
    Instant now = Instant::from_nanoseconds(1'000'000'000);
    Links links;
    Script member, dialled;
    ByteVector last_init, last_resp, last_fin;
    std::size_t got{0};
    bool shaken{false};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Play play{fuzz::bytes_of(data, size)};
    for (int steps = 0; play.in.left() > 0 && steps < 64; ++steps) play.step();
    play.drain();
    FUZZ_CHECK(play.links.peers().size() <= 3);
    return 0;
}
