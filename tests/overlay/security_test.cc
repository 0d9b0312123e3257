// Those who should get nothing, and get it: the rows of docs/security.md.
#include <gtest/gtest.h>

#include <cstdlib>

#include "overlay/frames.h"
#include "overlay/links.h"
#include "overlay/responder.h"
#include "tests/overlay/script.h"
#include "tests/overlay/world.h"

namespace weft::overlay {
namespace {

using Kind = LinkEvent::Kind;
using PeerState = PeerStatus::State;

const UdpEndpoint mallory_at = ipv4(203, 0, 113, 5, 999);

// One node, and somebody with a script at an address of his own.
struct Siege {
    explicit Siege(const LinksConfig& config = {}, std::uint64_t who = 50)
        : node{world.add(1, config)}, script{seed_of(who), config.network, node.address()} {
        world.outsiders[mallory_at];
        world.outsiders[ipv4(203, 0, 113, 6, 999)];
    }
    void say(Bytes bytes, const UdpEndpoint& from = mallory_at) {
        world.inject({from, node.at, {bytes.begin(), bytes.end()}, {}}, ms(1));
        world.run(ms(1));
    }
    std::vector<Datagram> heard(const UdpEndpoint& at = mallory_at) {
        world.run(ms(6));
        return std::exchange(world.outsiders[at], {});
    }
    // INIT, RESP, FIN as they should be; `frames` in FIN.
    bool shake(Bytes frames = {}) {
        say(script.init());
        const auto answer = heard();
        if (answer.size() != 1 || answer[0].bytes.size() != resp_size || !script.take_resp(answer[0].bytes)) return false;
        last_fin = script.fin(frames);
        say(last_fin);
        const auto first = heard();
        return first.size() == 1 && script.open(first[0].bytes).has_value();
    }
    World world;
    Node& node;
    Script script;
    ByteVector last_fin;
};

TEST(Handshake, AHandMadePeerThatSpeaksTheDesignsBytesIsServed) {
    Siege s;
    EXPECT_TRUE(s.shake());
    EXPECT_EQ(s.node.status(s.script.identity.address()).state, PeerState::up);
    // The ID tells what the other end saw, and the clock.
    EXPECT_EQ(s.script.peer_id.observed.ip, mallory_at.ip);
    EXPECT_EQ(s.script.peer_id.observed.port, mallory_at.port);
    EXPECT_EQ(address_of(s.script.peer_id.key), s.node.address());
    const Block<8> challenge{std::byte{1}, std::byte{2}};
    s.say(s.script.seal(make_frame(FrameType::path_challenge, challenge)));
    const auto answer = s.heard();
    ASSERT_EQ(answer.size(), 1u);
    const auto frame = make_frame(FrameType::path_response, challenge);
    EXPECT_EQ(s.script.open(answer[0].bytes), ByteVector(frame.begin(), frame.end()));
}

TEST(Stranger, WithoutTheAddressOrTheNetworkGetsSilence) {
    LinksConfig config;
    config.network = Network::make("lab", 0, seed_of(9));
    for (int kind = 0; kind < 3; ++kind) {
        Siege s{config};
        const Network wrong_secret = Network::make("lab", 0, seed_of(10)), wrong_name = Network::make("bal", 0, seed_of(9));
        const Address other = address_of(seed_of(77));
        if (kind == 0) s.script.door = Door{wrong_secret, s.node.address()};
        if (kind == 1) s.script.door = Door{wrong_name, s.node.address()};
        if (kind == 2) s.script.door = Door{config.network, other};
        for (std::uint8_t i = 0; i < 100; ++i) s.say(s.script.init(1, i));
        EXPECT_TRUE(s.heard().empty());
        EXPECT_EQ(s.node.links.statistics().mac1_wrong, 100u);
        EXPECT_EQ(s.node.links.statistics().half_open, 0u);
    }
}

TEST(Stranger, OneWhoIsNotConfiguredIsRefusedInSilenceWhereMembersAreNotAccepted) {
    LinksConfig config;
    config.accept_members = false;
    Siege s{config};
    EXPECT_FALSE(s.shake());
    EXPECT_EQ(s.node.links.statistics().refused, 1u);
    EXPECT_TRUE(s.node.events.empty());
    Siege known{config};
    known.node.links.add_peer(known.script.identity.address(), {}, known.world.now);
    EXPECT_TRUE(known.shake());
}

// A dialled address is answered by somebody else's key.
TEST(ForgedIdentity, ARespWithAnotherKeyMakesNoChannel) {
    for (int lie = 0; lie < 4; ++lie) {
        World world;
        Node& node = world.add(1);
        world.outsiders[mallory_at];
        const Identity victim{seed_of(60)};
        Script mallory{seed_of(61), node.settings.network, node.address()};
        const UdpEndpoint endpoints[] = {mallory_at};
        node.links.add_peer(victim.address(), endpoints, world.now);
        world.run(ms(10));
        ASSERT_FALSE(world.outsiders[mallory_at].empty());
        const ByteVector init = world.outsiders[mallory_at].front().bytes;
        Door door{node.settings.network, victim.address()};
        if (lie == 0) mallory.id.key = mallory.identity.public_key();   // honest about being another
        if (lie == 1) mallory.id.key = victim.public_key();             // the right key, not his static
        if (lie == 2) {
            mallory.id.key = victim.public_key();
            mallory.id.address_suite = 2;
        }
        if (lie == 3) mallory.id.aead = 7;                               // never offered
        Script truth{seed_of(60), node.settings.network, node.address()};
        truth.id.aead = mallory.id.aead;
        const ByteVector resp = lie == 3 ? truth.resp(door, init) : mallory.resp(door, init);
        world.inject({mallory_at, node.at, resp, {}}, ms(1));
        world.run(ms(50));
        EXPECT_EQ(node.links.statistics().refused, 1u) << lie;
        EXPECT_NE(node.status(victim.address()).state, PeerState::up) << lie;
        EXPECT_TRUE(node.events.empty()) << lie;
        // The true one's answer still counts: the lie has changed nothing.
        Script honest{seed_of(60), node.settings.network, node.address()};
        world.inject({mallory_at, node.at, honest.resp(door, init), {}}, ms(1));
        world.run(ms(2));
        EXPECT_EQ(node.status(victim.address()).state, PeerState::up) << lie;
    }
}

TEST(ForgedIdentity, AFinWithAnothersKeyOrAeadEndsItsRecord) {
    for (int lie = 0; lie < 5; ++lie) {
        Siege s;
        s.say(s.script.init());
        ASSERT_TRUE(s.script.take_resp(s.heard().at(0).bytes));
        if (lie == 0) s.script.id.key = Identity{seed_of(60)}.public_key();
        if (lie == 1) s.script.id.address_suite = 2;
        if (lie == 2) s.script.id.aead = 1;
        if (lie == 3) s.script.id.key = PublicKey{};
        if (lie == 4) s.script.id.key = Identity{seed_of(1)}.public_key();   // the node's own
        const ByteVector fin = s.script.fin();
        s.say(fin);
        EXPECT_TRUE(s.heard().empty()) << lie;
        EXPECT_EQ(s.node.links.statistics().half_open, 0u) << lie;
        EXPECT_TRUE(s.node.links.peers().empty()) << lie;
    }
}

TEST(ForgedIdentity, ANodeDoesNotMakeAChannelWithItself) {
    Siege s{{}, 1};   // the script has the node's own key
    EXPECT_FALSE(s.shake());
    EXPECT_TRUE(s.node.links.peers().empty());
}

TEST(ForgedIdentity, EphemeralsOfLowOrderGetNoAnswer) {
    for (const unsigned first : {0u, 1u}) {
        Siege s;
        Init init = s.script.init();
        std::fill_n(&init[8], 32, std::byte{0});
        init[8] = std::byte(first);
        append(&init[160], s.script.door.mac1(init));
        s.say(init);
        EXPECT_TRUE(s.heard().empty());
        EXPECT_EQ(s.node.links.statistics().refused, 1u);
        EXPECT_EQ(s.node.links.statistics().half_open, 0u);
    }
}

// The suites are in the prologue: who strikes one out on the way gets no channel of it.
TEST(Downgrade, AlteredSuitesMakeNoChannel) {
    World world;
    Node &a = world.add(1), &b = world.add(2);
    const Door door{a.settings.network, b.address()};
    world.wiretap = [&](Datagram& d) {
        if (d.type() == 1) {
            d.bytes[2] = std::byte{1};   // ChaCha20-Poly1305 alone; mac1 keeps no secret of the public network
            append(&d.bytes[160], door.mac1(d.bytes));
        }
        return true;
    };
    world.introduce(a, b);
    world.run(sec(20));
    EXPECT_TRUE(a.events.empty() && b.events.empty());
    EXPECT_GT(a.links.statistics().unauthentic, 0u);
}

TEST(Replay, AReplayedInitMakesAtMostOneRecordAndTheSameAnswer) {
    Siege s;
    const Init init = s.script.init();
    s.say(init);
    const auto first = s.heard();
    ASSERT_EQ(first.size(), 1u);
    for (int i = 0; i < 10; ++i) {
        s.say(init);
        const auto again = s.heard();
        ASSERT_EQ(again.size(), 1u);
        EXPECT_EQ(again[0].bytes, first[0].bytes);
    }
    EXPECT_EQ(s.node.links.statistics().half_open, 1u);
    s.world.run(sec(6));
    EXPECT_EQ(s.node.links.statistics().half_open, 0u);
}

TEST(Replay, AFinIsDeliveredOnceAndAnsweredForTenSeconds) {
    Siege s;
    ByteVector net{std::byte{0x40}, std::byte{0}, std::byte{6}};
    net.resize(30);
    ASSERT_TRUE(s.shake(net));
    EXPECT_EQ(s.node.got.size(), 1u);
    for (int i = 0; i < 5; ++i) {
        s.say(s.last_fin);
        const auto answer = s.heard();
        ASSERT_GE(answer.size(), 1u);
        EXPECT_TRUE(s.script.open(answer[0].bytes).has_value());
        EXPECT_LE(answer[0].bytes.size(), s.last_fin.size());
    }
    EXPECT_EQ(s.node.got.size(), 1u);
    ByteVector altered = s.last_fin;
    altered.back() ^= std::byte{1};
    s.say(altered);
    s.say(s.last_fin, ipv4(203, 0, 113, 6, 999));   // from elsewhere: answered to its INIT's source all the same
    EXPECT_TRUE(s.heard(ipv4(203, 0, 113, 6, 999)).empty());
    s.world.run(sec(10));
    (void)s.heard();
    s.say(s.last_fin);
    EXPECT_TRUE(s.heard().empty());
    EXPECT_EQ(s.node.count(Kind::up), 1u);
}

TEST(Replay, DuplicatesAreDroppedAt8191And8193Behind) {
    Siege s;
    ASSERT_TRUE(s.shake());
    const auto frame = make_frame(FrameType::path_challenge, Block<8>{});
    const auto arrives = [&](std::uint64_t counter) {
        s.say(s.script.seal_as(frame, counter));
        return !s.heard().empty();
    };
    EXPECT_TRUE(arrives(100));
    EXPECT_FALSE(arrives(100));
    EXPECT_FALSE(arrives(10));       // widens the window, and counts as received
    EXPECT_TRUE(arrives(50'000));
    EXPECT_TRUE(arrives(50'000 - 8'191));
    EXPECT_FALSE(arrives(50'000 - 8'191));
    EXPECT_FALSE(arrives(50'000 - 8'193));
    EXPECT_GE(s.node.links.statistics().replayed, 4u);
}

TEST(Replay, AMessageThatFailsToOpenChangesNothing) {
    Siege s;
    ASSERT_TRUE(s.shake());
    const auto frame = make_frame(FrameType::path_challenge, Block<8>{});
    ByteVector good = s.script.seal_as(frame, 1'000'000);
    ByteVector bad = good;
    bad[20] ^= std::byte{1};
    s.say(bad);
    EXPECT_TRUE(s.heard().empty());
    s.say(s.script.seal_as(frame, 5));   // the forged counter did not move the window
    EXPECT_EQ(s.heard().size(), 1u);
}

// 64 half-open records or 20 INITs a second from one network: then a cookie first.
TEST(Replay, AFinThatNoMemoryWasThereForMayComeAgain) {
    Siege s;
    s.say(s.script.init());
    const auto answer = s.heard();
    ASSERT_EQ(answer.size(), 1u);
    ASSERT_TRUE(s.script.take_resp(answer[0].bytes));
    const ByteVector fin = s.script.fin();
    std::vector<Slice> hoard;
    for (const std::size_t size : {66'560u, 10'240u, 2'048u, 256u})
        while (Chunk* chunk = s.node.pool.allocate(size)) hoard.push_back({chunk, 0, chunk->capacity});
    hoard.pop_back();
    while (Chunk* chunk = s.node.pool.allocate(256)) hoard.push_back({chunk, 0, chunk->capacity});
    hoard.pop_back();   // the one chunk that the datagram itself comes in
    s.say(fin);
    EXPECT_EQ(s.node.links.statistics().dropped_no_memory, 1u);
    hoard.clear();
    s.say(fin);
    EXPECT_EQ(s.heard().size(), 1u);
    EXPECT_EQ(s.node.status(s.script.identity.address()).state, PeerState::up);
}

// A member's one packet, as if from his victim, and what the victim gets of it: answers, and the challenges to a candidate.
TEST(Reflection, APacketWithChallengesFromAnotherSourceGetsAtMostThreeTimesItsBytes) {
    for (const int challenges : {0, 1, 2, 100}) {
        Siege s;
        ASSERT_TRUE(s.shake());
        ByteVector frames;
        for (int i = 0; i < challenges; ++i) {
            const auto frame = make_frame(FrameType::path_challenge, Block<8>{std::byte(i)});
            frames.insert(frames.end(), frame.begin(), frame.end());
        }
        const UdpEndpoint victim = ipv4(203, 0, 113, 6, 999);
        const ByteVector packet = s.script.seal(frames);
        s.say(packet, victim);
        s.world.run(sec(10));
        std::size_t bytes = 0;
        for (const Datagram& d : s.heard(victim)) bytes += d.bytes.size();
        EXPECT_GT(bytes, 0u);
        EXPECT_LE(bytes, 3 * packet.size()) << challenges;
    }
}

TEST(Flood, FromOneNetworkTheTwentyFirstInitInASecondGetsACookieThatServes) {
    Siege s;
    s.world.run(ms(500));
    std::size_t resps = 0, cookies = 0;
    ByteVector cookie;
    for (std::uint8_t i = 1; i <= 30; ++i) {
        s.world.inject({mallory_at,
                        s.node.at,
                        [&] {
                            const Init init = s.script.init(1, i);
                            return ByteVector(init.begin(), init.end());
                        }(),
                        {}});
    }
    s.world.run(ms(1));
    for (const Datagram& d : s.heard()) {
        resps += d.bytes.size() == resp_size;
        if (d.bytes.size() == cookie_size) ++cookies, cookie = d.bytes;
    }
    EXPECT_EQ(resps, 20u);
    EXPECT_EQ(cookies, 10u);
    const auto init = s.script.with_cookie(cookie);
    ASSERT_TRUE(init.has_value());
    s.say(*init);
    const auto answer = s.heard();
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].bytes.size(), resp_size);
    s.say(*init, ipv4(203, 0, 113, 6, 999));   // the cookie is bound to its source
    EXPECT_EQ(s.heard(ipv4(203, 0, 113, 6, 999)).at(0).bytes.size(), cookie_size);
}

TEST(Flood, SpoofedSourcesFillAtMostTheFreeRecordsAndGetNoMoreThan5000CookiesASecond) {
    Siege s;
    std::size_t in = 0, out = 0, cookies = 0, resps = 0;
    s.world.wiretap = [&](Datagram& d) {
        out += d.bytes.size();
        cookies += d.bytes.size() == cookie_size;
        resps += d.bytes.size() == resp_size;
        return false;
    };
    std::mt19937_64 random{4};
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t r = random();
        const Init init = s.script.init(1, std::uint8_t(i));
        s.world.inject({ipv4(std::uint8_t(r), std::uint8_t(r >> 8), std::uint8_t(r >> 16), std::uint8_t(r >> 24),
                             std::uint16_t(r >> 32)),
                        s.node.at,
                        {init.begin(), init.end()},
                        {}},
                       Duration::microseconds(i * 50));
        in += init.size();
    }
    s.world.run(sec(1));
    EXPECT_EQ(resps, HalfOpenTable::cookie_above);
    EXPECT_EQ(s.node.links.statistics().half_open, HalfOpenTable::cookie_above);
    EXPECT_LE(cookies, 2u * 5'000);
    EXPECT_GT(cookies, 4'000u);
    EXPECT_LT(out, in / 2);
    s.world.run(sec(6));
    EXPECT_EQ(s.node.links.statistics().half_open, 0u);
}

// An honest pair under such a flood: connects with a cookie, and a living channel goes on.
TEST(Flood, AnHonestNeighbourConnectsAndAChannelLivesThroughIt) {
    World world;
    Node &victim = world.add(1), &old = world.add(2), &late = world.add(3);
    world.introduce(old, victim);
    world.run(ms(100));
    Script script{seed_of(50), victim.settings.network, victim.address()};
    std::mt19937_64 random{4};
    world.wiretap = [&](Datagram& d) { return world.node_at(d.to) != nullptr; };
    const auto flood = [&](int count) {
        for (int i = 0; i < count; ++i) {
            const std::uint64_t r = random();
            const Init init = script.init(1, std::uint8_t(r >> 40));
            world.inject({ipv4(std::uint8_t(r), std::uint8_t(r >> 8), std::uint8_t(r >> 16), 1, std::uint16_t(r >> 32)),
                          victim.at,
                          {init.begin(), init.end()},
                          {}},
                         Duration::microseconds(i * 100));
        }
    };
    flood(20'000);
    world.run(ms(200));
    world.introduce(late, victim);
    std::size_t sent = 0;
    for (int i = 0; i < 100; ++i, ++sent) {
        Packet packet{old, old.path_to(victim), 100};
        old.links.send(packet.span(), world.now);
        world.run(ms(10));
    }
    EXPECT_EQ(late.status(victim).state, PeerState::up);
    EXPECT_EQ(victim.status(late).state, PeerState::up);
    EXPECT_EQ(victim.got.size(), sent);
}

TEST(HalfOpen, OneAddressGetsSixteenAbove64AndALivingEndpointAlwaysOne) {
    SeededEntropy entropy{1};
    KeyedHash hash{entropy};
    HalfOpenTable table{hash};
    Instant now = Instant::from_nanoseconds(1);
    const auto add = [&](UdpEndpoint source, std::uint8_t salt) {
        HalfOpen record;
        record.source = source;
        record.head[0] = std::byte{salt};
        record.created = now;
        return table.insert(std::move(record));
    };
    for (std::uint8_t i = 0; i < 64; ++i) add(ipv4(10, 0, i, 1, 1), 0);
    const UdpEndpoint one = ipv4(20, 0, 0, 1, 5);
    for (std::uint8_t i = 0; i < 16; ++i) {
        EXPECT_TRUE(table.admits(one, false));
        add(ipv4(20, 0, 0, 1, std::uint16_t(100 + i)), i);
    }
    EXPECT_FALSE(table.admits(one, false));
    EXPECT_TRUE(table.admits(one, true));      // its living channel's own
    add(one, 0);
    EXPECT_FALSE(table.admits(one, true));     // but one alone
    UdpEndpoint six = one;
    six.ip = {std::byte{0x20}, std::byte{1}};
    for (std::uint8_t i = 0; i < 16; ++i) {
        six.ip[15] = std::byte{i};             // another address of the same /64
        EXPECT_TRUE(table.admits(six, false));
        add(six, i);
    }
    EXPECT_FALSE(table.admits(six, false));
    for (std::size_t i = table.size(); i < HalfOpenTable::limit; ++i)
        add(ipv4(30, std::uint8_t(i >> 8), std::uint8_t(i), 1, 1), 0);
    EXPECT_FALSE(table.admits(ipv4(40, 0, 0, 1, 1), false));
    EXPECT_TRUE(table.admits(ipv4(40, 0, 0, 1, 1), true));
    now = now + sec(5);
    while (const std::uint64_t id = table.expired(now)) table.erase(id);
    EXPECT_EQ(table.size(), 0u);
}

TEST(Cookies, TheSecretChangesEach120SecondsAndTheLastOneStillServes) {
    SeededEntropy entropy{1};
    CookieJar jar{entropy};
    const UdpEndpoint source = ipv4(1, 2, 3, 4, 5);
    const Instant start = Instant::from_nanoseconds(1);
    Init init{};
    append(&init[176], Door::mac2(jar.cookie(source, start), init));
    EXPECT_TRUE(jar.mac2_holds(init, source, start + sec(119)));
    EXPECT_TRUE(jar.mac2_holds(init, source, start + sec(121)));
    EXPECT_TRUE(jar.mac2_holds(init, source, start + sec(239)));
    EXPECT_FALSE(jar.mac2_holds(init, source, start + sec(362)));
    EXPECT_FALSE(jar.mac2_holds(init, ipv4(1, 2, 3, 4, 6), start));
    CookieJar idle{entropy};
    append(&init[176], Door::mac2(idle.cookie(source, start), init));
    EXPECT_FALSE(idle.mac2_holds(init, source, start + sec(1'000)));   // untouched meanwhile: the old one is too old
}

TEST(Neighbours, StrangersAreAtMost256AndASilentOneMakesRoom) {
    Siege s;
    for (std::uint64_t i = 0; i < 300; ++i) {
        s.script = Script{seed_of(1'000 + i), s.node.settings.network, s.node.address()};
        s.script.local_index = std::uint32_t(1'000 + i);
        const bool served = s.shake();
        EXPECT_EQ(served, i < 256) << i;
        s.world.run(sec(1));
    }
    EXPECT_EQ(s.node.links.peers().size(), 256u);
    const auto close = make_frame(FrameType::close, Block<1>{});
    s.script = Script{seed_of(1'000), s.node.settings.network, s.node.address()};
    s.script.local_index = 2'000;
    ASSERT_TRUE(s.shake());   // known, so served
    s.say(s.script.seal(close));
    s.script = Script{seed_of(5'000), s.node.settings.network, s.node.address()};
    EXPECT_TRUE(s.shake());
    EXPECT_EQ(s.node.links.peers().size(), 256u);
}

// Wrong keys, truncated, replayed and random datagrams, at both ends of a living channel and during handshakes.
TEST(Hostile, AMillionDatagramsDeliverNothingGetNoLargerReplyAndLeaveMemoryFlat) {
    const char* scale = std::getenv("WEFT_HOSTILE_DATAGRAMS");
    const std::size_t total = scale ? std::size_t(std::atoll(scale)) : 1'000'000;
    World world;
    Node &a = world.add(1), &b = world.add(2);
    world.introduce(a, b);
    std::vector<Datagram> record;
    world.wiretap = [&](Datagram& d) {
        record.push_back(d);
        return true;
    };
    world.run(ms(100));
    for (int i = 0; i < 50; ++i) {
        Packet packet{a, a.path_to(b), std::size_t(i) * 20};
        a.links.send(packet.span(), world.now);
        world.run(ms(3));
    }
    world.run(sec(2));
    const std::size_t delivered = b.got.size(), events = b.events.size();
    const std::uint64_t handshakes = b.links.statistics().handshakes;
    Script script{seed_of(50), b.settings.network, b.address()};
    std::vector<Init> inits;   // of one who knows the address
    for (unsigned i = 0; i < 512; ++i) inits.push_back(script.init(std::uint16_t(i), std::uint8_t(i >> 1)));
    std::mt19937_64 random{99};
    std::size_t peak = 0, worst = 0;
    const std::size_t base = b.pool.in_use();

    for (std::size_t i = 0; i < total; ++i) {
        const std::uint64_t r = random();
        ByteVector bytes;
        UdpEndpoint from = ipv4(std::uint8_t(r), std::uint8_t(r >> 8), std::uint8_t(r >> 16), std::uint8_t(r >> 24),
                                std::uint16_t(r >> 32));
        if (r >> 60 < 4) from = a.at;
        const Datagram& seen = record[random() % record.size()];
        switch (random() % 8) {
        case 0:
        case 1:   // random, often with a plausible first byte and length
            bytes.resize(std::array<std::size_t, 8>{0, 1, 31, 32, 64, 176, 192, 1'200}[random() % 8]);
            for (std::byte& byte : bytes) byte = std::byte(random() >> 56);
            if (bytes.size() > 4 && random() % 2)
                bytes[0] = std::byte(random() % 7), bytes[1] = std::byte(random() % 2), bytes[2] = bytes[3] = std::byte{0};
            break;
        case 2: bytes = seen.bytes; break;                                             // replayed
        case 3:
            bytes = seen.bytes;
            bytes.resize(random() % (bytes.size() + 1));
            break;   // truncated
        case 4:
            bytes = seen.bytes;
            bytes[random() % bytes.size()] ^= std::byte(1 + random() % 255);
            break;
        case 5: {                                                                      // a living index, a wrong key
            bytes = seen.bytes;
            if (bytes[0] == std::byte{4}) store_little(&bytes[8], random() % 3 == 0 ? random() : random() % 200);
            break;
        }
        case 6: {
            const Init& init = inits[random() % inits.size()];
            bytes.assign(init.begin(), init.end());
            break;
        }
        default:
            bytes = seen.bytes;
            bytes.resize(bytes.size() + random() % 40);
            break;   // longer
        }
        Chunk* chunk = b.pool.allocate(std::max<std::size_t>(bytes.size(), 1));
        ASSERT_NE(chunk, nullptr);
        std::copy(bytes.begin(), bytes.end(), chunk->data());
        Receive in[1];
        in[0].frame = Slice{chunk, 0, std::uint32_t(bytes.size())};
        in[0].from = from;
        b.links.receive(in, world.now);
        in[0] = {};
        Transmit out[8];
        std::size_t reply = 0;
        while (const std::size_t n = b.links.transmit(out, world.now))
            for (std::size_t k = 0; k < n; ++k)
                for (const Slice& slice : out[k].payload) reply += slice.size();
        ASSERT_LE(reply, bytes.size());
        worst = std::max(worst, reply);
        peak = std::max(peak, b.pool.in_use());
        if (i % 8 == 0) {
            world.now = world.now + Duration::microseconds(80);
            b.links.advance(world.now);
        }
    }
    world.drain(b);
    EXPECT_EQ(b.got.size(), delivered);
    EXPECT_EQ(b.events.size(), events);
    EXPECT_EQ(b.links.statistics().handshakes, handshakes);
    EXPECT_LE(b.links.peers().size(), 1u);
    EXPECT_LE(b.links.statistics().half_open, HalfOpenTable::limit + 1);
    EXPECT_LE(peak, base + (4 << 10));
    EXPECT_LE(worst, resp_size);
    world.wiretap = {};
    Packet packet{a, a.path_to(b), 5};
    a.links.send(packet.span(), world.now);
    world.run(ms(20));
    EXPECT_EQ(b.got.size(), delivered + 1);
}

}  // namespace
}  // namespace weft::overlay
