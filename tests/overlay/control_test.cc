// Control messages to the byte: recorded bytes of an independent writer (docs/wire.md), what is refused, and signatures.
#include "overlay/control.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>

#include "tests/overlay/hex.h"
#include "tests/overlay/world.h"

namespace weft::overlay {
namespace {

using SetupMessage = Setup;   // GoogleTest keeps the name for itself

// Made from docs/wire.md in another language, with its own BLAKE2b and Ed25519: keys of seed_of(1) (source) and seed_of(2).
constexpr std::string_view setup_hex =
    "208534128877665544332211fe1f020103017805dc002800010a0000020b00007b68e5cf8b0100006e0500007323042b415c37e364aec7c1"
    "9291e5bd09930ed75fda1fc60707d2b325cf918eb61569344e2f2adb8a8c325b4901698be1157706a29096bededb15af7ce94313c6d45952"
    "0d49738f7012f0cf5aeb1a7181bcde6e73f67694cfdc82789f5cc92497e638660427e7e07f2e40f2f9c771c6965c5b7ff11d96b261080290"
    "4faa6678cecc1507dc1ddd7295951c290888f095adb9044d1b73d696e6df065d683bd4fcdb480a1313bd4d0b2f4c83d2ca1dab45fe3add88"
    "5277c0196fb8e56ec15284c18083a6c8d0e6c2e782c528621859a85acd2c0a6ae3fbc595e1470c7a856bc702a100000000000000a2000000"
    "00000000b100000000000000010203000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627";
constexpr std::string_view ack_hex =
    "218035128877665544332211030c000000054a0103010201b00000007b68e5cf8b0100006b79c57e6a095239282c04818e96112f3f03a400"
    "1ba97a564c23852a3f1ea5fc21c8c66a91af5e31db89225df88f30d584f31beff44c69ee0385d8a90ba923a24d5c0ec6815f6af22c865831"
    "e8f92f7efcb60d6a60bb163fb18d81b8ae77c90c00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9e0e7eef5"
    "fc030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c535a61686f767d"
    "848b9299a0a7aeb5bcc3cad1d8dfe6edf4fb020910171e252c333a41484f565d646b727980878e959ca3aab1b8bfc6cdd4dbe2e9f0f7fe05"
    "0c131a21282f363d444b525960676e757c838a91989fa6adb4bbc2c9a100000000000000a200000000000000c100000000000000c2000000"
    "00000000";
constexpr std::string_view nak_hex = "228036128877665544332211021e0000d100000000000000d200000000000000";
constexpr std::uint64_t path = 0x1122'3344'5566'7788, ts = 1'700'000'000'123;

Block<8> netid() {
    Block<8> out;
    for (std::size_t i = 0; i < 8; ++i) out[i] = std::byte(i);
    return out;
}

Bytes message_of(const Body& body) { return Bytes{body}.subspan(ControlHeader::size); }

std::optional<SetupMessage> read_setup(const Body& body) {
    const auto header = ControlHeader::parse(body);
    return header ? SetupMessage::parse(*header, message_of(body)) : std::nullopt;
}

SetupMessage example_setup() {
    const Identity source{seed_of(1)}, destination{seed_of(2)};
    SetupMessage out;
    out.private_source = true;
    out.path = path;
    out.hops_left = 254, out.tries_left = 31;
    out.pmtu = 1'400, out.cost = 220;
    out.back_label = 0x0a01, out.via = 0x0b02;
    out.ts = ts;
    out.deadline = 1'390;
    out.dst = destination.address(), out.src = source.address();
    for (const Tag tag : {0xa1, 0xa2}) out.visited.push_back(tag);
    out.avoid.push_back(0xb1);
    for (const int b : {1, 2, 3}) out.state.push_back(std::byte(b));
    for (int i = 0; i < 40; ++i) out.payload.push_back(std::byte(i));
    out.sign(source, netid());
    return out;
}

SetupAck example_ack() {
    const Identity source{seed_of(1)}, destination{seed_of(2)};
    SetupAck out;
    out.path = path;
    out.forward_label = 0x0c03;
    out.pmtu = 1'280, out.cost = 330, out.hops = 3;
    out.ts = ts;
    for (int i = 0; i < 176; ++i) out.payload.push_back(std::byte(i * 7));
    for (const Tag tag : {0xa1, 0xa2}) out.visited.push_back(tag);
    out.shortcuts.push_back({0xc1, 0xc2});
    out.sign(destination, netid(), destination.address(), source.address());
    return out;
}

TEST(Control, SetupIsTheRecordedBytes) {
    Body body = example_setup().body();
    set_txid(body, 0x1234);
    EXPECT_EQ(to_hex(body), setup_hex);
    EXPECT_EQ(read_setup(from_hex(setup_hex)), example_setup());
    EXPECT_TRUE(read_setup(from_hex(setup_hex))->verify(netid()));
    EXPECT_EQ(*ControlHeader::parse(from_hex(setup_hex)), (ControlHeader{Op::setup, 0x85, 0x1234}));
}

TEST(Control, AckIsTheRecordedBytes) {
    Body body = example_ack().body();
    set_txid(body, 0x1235);
    EXPECT_EQ(to_hex(body), ack_hex);
    const auto read = SetupAck::parse(message_of(from_hex(ack_hex)));
    EXPECT_EQ(read, example_ack());
    EXPECT_TRUE(read->verify(netid(), Identity{seed_of(2)}.address(), Identity{seed_of(1)}.address()));
}

TEST(Control, NakAndListsAreTheRecordedBytes) {
    Body nak = SetupNak{path, 2, 30, 0xd1, 0xd2}.body(true);
    set_txid(nak, 0x1236);
    EXPECT_EQ(to_hex(nak), nak_hex);
    EXPECT_EQ(SetupNak::parse(message_of(from_hex(nak_hex))), (SetupNak{path, 2, 30, 0xd1, 0xd2}));
    const BrokenItem broken[] = {{path, 0xd2}, {1, 2}};
    EXPECT_EQ(to_hex(list_body<BrokenItem>(broken)),
              "248000008877665544332211d20000000000000001000000000000000200000000000000");
    const StaleItem stale[] = {{0x0a01}};
    EXPECT_EQ(to_hex(list_body<StaleItem>(stale)), "25000000010a0000");
    const TeardownItem teardown[] = {{path}};
    EXPECT_EQ(to_hex(list_body<TeardownItem>(teardown)), "268000008877665544332211");
    const MtuItem mtu[] = {{path, 1'280}};
    EXPECT_EQ(to_hex(list_body<MtuItem>(mtu)), "2700000088776655443322110005");
    const GotItem got[] = {{0x1234}, {0x1235}};
    EXPECT_EQ(to_hex(list_body<GotItem>(got)), "0d00000034123512");
}

TEST(Control, LargestMessagesAreAsLargeAsTheyMayBe) {
    SetupMessage setup = example_setup();
    while (setup.visited.push_back(1)) {}
    while (setup.avoid.push_back(2)) {}
    while (setup.state.push_back(std::byte{3})) {}
    EXPECT_EQ(setup.body().size(), ControlHeader::size + SetupMessage::largest);
    EXPECT_EQ(read_setup(setup.body()), setup);
    SetupAck ack = example_ack();
    while (ack.visited.push_back(1)) {}
    while (ack.shortcuts.push_back({1, 2})) {}
    EXPECT_EQ(ack.body().size(), ControlHeader::size + SetupAck::largest);
    EXPECT_EQ(SetupAck::parse(message_of(ack.body())), ack);
}

TEST(Control, NoOtherLengthIsRead) {
    const Body setup = example_setup().body(), ack = example_ack().body(), nak = SetupNak{path, 2, 30, 1, 2}.body(true);
    for (std::size_t size = 0; size < setup.size(); ++size) {
        EXPECT_FALSE(read_setup({setup.begin(), setup.begin() + std::ptrdiff_t(size)})) << size;
        if (size < ControlHeader::size) continue;
        const std::size_t message = size - ControlHeader::size;
        EXPECT_FALSE(size < ack.size() && SetupAck::parse(message_of(ack).first(message))) << size;
        EXPECT_FALSE(size < nak.size() && SetupNak::parse(message_of(nak).first(message))) << size;
    }
    for (Body longer : {setup, ack, nak}) {
        longer.push_back(std::byte{0});
        EXPECT_FALSE(read_setup(longer));
        EXPECT_FALSE(SetupAck::parse(message_of(longer)));
        EXPECT_FALSE(SetupNak::parse(message_of(longer)));
    }
}

TEST(Control, WhatNoNodeWouldWriteIsNotRead) {
    const auto with = [](std::size_t at, std::vector<int> bytes) {
        Body body = example_setup().body();
        for (const int b : bytes) body[ControlHeader::size + at++] = std::byte(b);
        return read_setup(body);
    };
    EXPECT_TRUE(with(8, {255, 32}));
    EXPECT_FALSE(with(0, {0, 0, 0, 0, 0, 0, 0, 0}));   // path id 0
    EXPECT_FALSE(with(10, {65}));                      // visited
    EXPECT_FALSE(with(11, {17}));                      // avoid
    EXPECT_FALSE(with(12, {33}));                      // state
    EXPECT_FALSE(with(18, {39}));                      // INIT is 40 bytes
    EXPECT_FALSE(with(20, {0}));                       // a label's generation is never 0
    EXPECT_FALSE(with(24, {0}));
    EXPECT_TRUE(with(24, {0, 0, 0, 0}));               // no via
    Body without_flag = example_setup().body();
    without_flag[1] = std::byte{0x80};
    EXPECT_FALSE(read_setup(without_flag));
}

TEST(Control, SignatureCoversEndsPathTimePayloadAndNetworkAndNothingElse) {
    const SetupMessage good = example_setup();
    EXPECT_TRUE(good.verify(netid()));
    SetupMessage bent = good;
    bent.path ^= 1;
    EXPECT_FALSE(bent.verify(netid()));
    bent = good, bent.ts ^= 1;
    EXPECT_FALSE(bent.verify(netid()));
    bent = good, bent.dst = Identity{seed_of(3)}.address();
    EXPECT_FALSE(bent.verify(netid()));
    bent = good, bent.src = Identity{seed_of(3)}.address();
    EXPECT_FALSE(bent.verify(netid()));
    bent = good, bent.key = Identity{seed_of(3)}.public_key();
    EXPECT_FALSE(bent.verify(netid()));
    bent = good, bent.payload.clear();
    EXPECT_FALSE(bent.verify(netid()));
    bent = good, bent.signature[63] ^= std::byte{1};
    EXPECT_FALSE(bent.verify(netid()));
    bent = good, bent.suite = 2;
    EXPECT_FALSE(bent.verify(netid()));
    EXPECT_FALSE(good.verify({}));
    bent = good;   // what changes on the way
    bent.hops_left = 3, bent.cost = 9, bent.pmtu = 8, bent.back_label = 0x0101, bent.via = 0, bent.deadline = 1;
    bent.visited.clear(), bent.state.clear();
    EXPECT_TRUE(bent.verify(netid()));
}

TEST(Control, AckOfOnePathIsNoneOfAnother) {
    const Address dst = Identity{seed_of(2)}.address(), src = Identity{seed_of(1)}.address();
    const SetupAck good = example_ack();
    EXPECT_TRUE(good.verify(netid(), dst, src));
    EXPECT_FALSE(good.verify(netid(), src, dst));
    EXPECT_FALSE(good.verify(netid(), dst, Identity{seed_of(3)}.address()));
    SetupAck bent = good;
    bent.path ^= 1;
    EXPECT_FALSE(bent.verify(netid(), dst, src));
    bent = good, bent.payload.clear();
    EXPECT_FALSE(bent.verify(netid(), dst, src));
    // A signature over the SETUP is none over the ACK.
    SetupMessage setup = example_setup();
    SetupAck crossed;
    crossed.path = setup.path, crossed.ts = setup.ts, crossed.key = setup.key, crossed.signature = setup.signature;
    EXPECT_FALSE(crossed.verify(netid(), src, dst));
}

TEST(Control, ReadingAndWritingAgreeOverBentBytes) {
    std::mt19937_64 random{3};
    const Body good[] = {example_setup().body(), example_ack().body()};
    unsigned read = 0;
    for (int i = 0; i < 100'000; ++i) {
        Body body = good[i % 2];
        for (unsigned bends = unsigned(random() % 4); bends > 0; --bends) body[random() % 40] = std::byte(random() >> 56);
        body.resize(body.size() - (random() % 8 == 0 ? random() % 300 : 0));
        const auto header = ControlHeader::parse(body);
        ASSERT_TRUE(header);
        const auto setup = i % 2 == 0 ? SetupMessage::parse(*header, message_of(body)) : std::nullopt;
        const auto ack = i % 2 == 1 ? SetupAck::parse(message_of(body)) : std::nullopt;
        read += setup || ack;
        ASSERT_TRUE(!setup || read_setup(setup->body()) == setup);
        ASSERT_TRUE(!ack || SetupAck::parse(message_of(ack->body())) == ack);
    }
    EXPECT_GT(read, 10'000u);
}

TEST(Control, LabelFrameIsEightBytes) {
    const LabelHeader header{2, 254, 0x1234, 0xaabb'cc01};
    Block<8> bytes;
    header.write(bytes.data());
    EXPECT_EQ(to_hex(bytes), "12fe341201ccbbaa");
    const LabelHeader read = LabelHeader::read(bytes.data());
    EXPECT_EQ(read.ecn, 2);
    EXPECT_EQ(read.hop_limit, 254);
    EXPECT_EQ(read.flow, 0x1234);
    EXPECT_EQ(read.label, 0xaabb'cc01u);
}

}  // namespace
}  // namespace weft::overlay
