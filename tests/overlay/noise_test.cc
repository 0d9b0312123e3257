// Published vectors of Noise_XX_25519_ChaChaPoly_BLAKE2b: numbers of vectors/cacophony.txt in haskell-cryptography/cacophony
// and of tests/vector/noise-c-basic.txt in rweather/noise-c. Keys and payloads are the same in both, prologues differ.
#include "overlay/noise.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <string>
#include <vector>

#include "overlay/aead.h"
#include "overlay/block.h"
#include "overlay/hash.h"
#include "overlay/secret.h"
#include "tests/overlay/hex.h"

namespace weft::overlay {
namespace {

struct Vector {
    const char *prologue, *handshake_hash, *second, *third;
};

constexpr const char* initiator_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
constexpr const char* initiator_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
constexpr const char* responder_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
constexpr const char* responder_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
constexpr const char* payloads[] = {
    "4c756477696720766f6e204d69736573", "4d757272617920526f746862617264",     "462e20412e20486179656b",
    "4361726c204d656e676572",           "4a65616e2d426170746973746520536179", "457567656e2042f6686d20766f6e2042617765726b"};
constexpr const char* first =
    "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573";
constexpr const char* transport[] = {"fc56eea290b3f3a21aac0c70cd5787b5ee99be37d2f4d751329b55",
                                     "bb31c9da10d5639a4cdb88a12f5c61de41bbc7df09bf75d94f8184fe4157f5c68f",
                                     "f6199cadb152fb27f82be0a0891ec76a33598ae92a46cab2fb5a8ed5bf48b7f267f8370af7"};

constexpr Vector vectors[] = {
    {"4a6f686e2047616c74",
     "8cf47d7b3cb5804c0109d48e8bcdbee2cbb65687d8ea2c92994ca361fb86151ad93627b98936cbb32de56e8abb21def3925011ac3e35db9cbeea73"
     "ab9a4392c2",
     "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430505b6745ce64a5f33f0e8e3b83f11ce8802bca507f4f2d8b564db"
     "e277e19661"
     "16e132faa2dfd70b8b077b9f94b913df5056ae1319469b824a98d54bbaa82c325595587064f978c4b6d104f7596e6f",
     "99579e1c1ee15e422a57ddd6b16d37087b17558e8369c18991b4b2ca3a824abf904cdcf5458b5431a75af034ca9e9b982de039eaaf156775e2d580"
     "cd4e5ebae8"
     "9c3f8cb2594b556d8a8169"},
    {"50726f6c6f677565313233",
     "7f6b8a1de1faf8b5e153ded74c950d09c5caf62a8e2eeb73277671d4e65ef9ca2421a748a4af050284fa6f3eb40bb77f4ace99b7f3ea01db295323"
     "3a546a72d2",
     "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430505b6745ce64a5f33f0e8e3b83f11ce8802bca507f4f2d8b564db"
     "e277e19661"
     "57671ea3b8853f41ae9fb01b5198b7355056ae1319469b824a98d54bbaa82c264bbb329d7b104cdeeda568b40a097c",
     "99579e1c1ee15e422a57ddd6b16d37087b17558e8369c18991b4b2ca3a824abf55433b8625300437ffbe733f1c6cf40b2de039eaaf156775e2d580"
     "21e5d46b9c"
     "b99b280c73026b50f27736"},
};

noise::Key key(const char* hex) { return take<32>(from_hex(hex).data()); }

struct Person {
    noise::Key secret, public_key;
    explicit Person(const char* hex) : secret{key(hex)} {
        crypto_ready();
        crypto_scalarmult_curve25519_base(raw(public_key.data()), raw(secret.data()));
    }
    noise::Static keys() const { return {secret, public_key}; }
};

TEST(Noise, PublishedVectorsOfTheXxPatternHoldByteForByte) {
    const Person initiator{initiator_static}, responder{responder_static};
    for (const Vector& v : vectors) {
        noise::State a, b;
        noise::begin(a, from_hex(v.prologue));
        noise::begin(b, from_hex(v.prologue));
        std::vector<std::byte> message(48), read(48);

        noise::write_first(a, key(initiator_ephemeral), from_hex(payloads[0]), message.data());
        EXPECT_EQ(to_hex(message), first);
        read.resize(16);
        noise::read_first(b, message, read.data());
        EXPECT_EQ(to_hex(read), payloads[0]);

        message.resize(96 + 15);
        ASSERT_TRUE(
            noise::write_second(b, responder.keys(), key(responder_ephemeral), from_hex(payloads[1]), message.data()));
        EXPECT_EQ(to_hex(message), v.second);
        read.resize(15);
        ASSERT_TRUE(noise::read_second(a, message, read.data()));
        EXPECT_EQ(to_hex(read), payloads[1]);
        EXPECT_EQ(a.rs, responder.public_key);

        message.resize(48 + 11 + 16);
        ASSERT_TRUE(noise::write_third(a, initiator.keys(), from_hex(payloads[2]), message.data()));
        EXPECT_EQ(to_hex(message), v.third);
        read.resize(11);
        ASSERT_TRUE(noise::read_third_static(b, std::span{message}.first<48>()));
        ASSERT_TRUE(noise::read_third_payload(b, std::span{message}.subspan(48), read.data()));
        EXPECT_EQ(to_hex(read), payloads[2]);
        EXPECT_EQ(b.rs, initiator.public_key);

        EXPECT_EQ(to_hex(a.h), v.handshake_hash);
        EXPECT_EQ(to_hex(b.h), v.handshake_hash);

        // The vectors' transport messages: the responder speaks first, then in turn, without associated data.
        const noise::Keys keys = noise::split(a), same = noise::split(b);
        EXPECT_EQ(keys.initiator_sends, same.initiator_sends);
        EXPECT_EQ(keys.responder_sends, same.responder_sends);
        Aead from_initiator, from_responder;
        from_initiator.set(Suite::chacha20_poly1305, keys.initiator_sends);
        from_responder.set(Suite::chacha20_poly1305, keys.responder_sends);
        for (std::size_t i = 0; i < 3; ++i) {
            const Aead& cipher = i % 2 == 0 ? from_responder : from_initiator;
            std::vector<std::byte> text = from_hex(payloads[3 + i]);
            const std::size_t size = text.size();
            text.resize(size + Aead::tag_size);
            cipher.seal({}, text.data(), size, i / 2);
            EXPECT_EQ(to_hex(text), transport[i]);
            EXPECT_TRUE(cipher.open({}, text, i / 2));
            EXPECT_EQ(to_hex(Bytes{text}.first(size)), payloads[3 + i]);
        }
    }
}

TEST(Noise, EveryAlteredByteOfTheSecondAndThirdMessageIsRefused) {
    const Person initiator{initiator_static}, responder{responder_static};
    noise::State a, b;
    noise::begin(a, {});
    noise::begin(b, {});
    std::vector<std::byte> message(32), scratch(64);
    noise::write_first(a, key(initiator_ephemeral), {}, message.data());
    noise::read_first(b, message, scratch.data());
    message.resize(96 + 5);
    ASSERT_TRUE(noise::write_second(b, responder.keys(), key(responder_ephemeral), from_hex("0102030405"), message.data()));
    for (std::size_t i = 0; i < message.size(); ++i) {
        noise::State copy = a;
        message[i] ^= std::byte{0x40};
        EXPECT_FALSE(noise::read_second(copy, message, scratch.data())) << "byte " << i;
        message[i] ^= std::byte{0x40};
    }
    ASSERT_TRUE(noise::read_second(a, message, scratch.data()));
    message.resize(48 + 5 + 16);
    ASSERT_TRUE(noise::write_third(a, initiator.keys(), from_hex("0102030405"), message.data()));
    for (std::size_t i = 0; i < message.size(); ++i) {
        noise::State copy = b;
        message[i] ^= std::byte{1};
        EXPECT_FALSE(noise::read_third_static(copy, std::span{message}.first<48>()) &&
                     noise::read_third_payload(copy, std::span{message}.subspan(48), scratch.data()))
            << "byte " << i;
        message[i] ^= std::byte{1};
    }
}

// The points of small order on Curve25519 (RFC 7748, section 6.1: the all-zero output is to be checked for).
TEST(Noise, AnEphemeralOfLowOrderEndsTheHandshake) {
    const char* points[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000000",
                            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
    const Person responder{responder_static};
    for (const char* point : points) {
        noise::State b;
        noise::begin(b, {});
        std::byte nothing;
        noise::read_first(b, from_hex(point), &nothing);
        std::vector<std::byte> out(96);
        EXPECT_FALSE(noise::write_second(b, responder.keys(), key(responder_ephemeral), {}, out.data())) << point;
    }
}

}  // namespace
}  // namespace weft::overlay
