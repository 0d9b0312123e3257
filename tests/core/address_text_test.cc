// Addresses as text: RFC 4291, RFC 5952, the overlay's forms with their published vectors.
#include "stack/core/address_text.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "stack/core/bech32.h"

namespace weft {
namespace {

static_assert(AddressFamily<Ipv4Family> && AddressFamily<Ipv6Family> && AddressFamily<OverlayFamily>);

Address bytes_address(Family family, const std::vector<int>& values) {
    std::vector<std::byte> bytes;
    for (const int value : values) bytes.push_back(std::byte(value));
    return {family, bytes};
}

Address counting() {
    std::vector<int> values;
    for (int i = 0; i < 64; ++i) values.push_back(i);
    return bytes_address(Family::overlay, values);
}

ParseError error_of(std::string_view text) {
    const auto read = parse_address(text);
    EXPECT_FALSE(read) << text;
    return read ? ParseError{} : read.error();
}

constexpr std::string_view counting_text =
    "weft1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0jqgfzyvjz2f389q5j52ev95hz7vp3xgengdfkxuurjw3m8s7nu0cgtz8t88hdnq"
    "pmhm";

// RFC 5952, section 4, by a reader and writer that are not ours.
std::string system_text(const Address& address) {
    std::array<char, 64> text{};
    inet_ntop(address.family() == Family::ipv4 ? AF_INET : AF_INET6, address.bytes().data(), text.data(), text.size());
    return text.data();
}

TEST(AddressText, AgreesWithTheSystemOnWhatItWrites) {
    std::mt19937_64 draw{1};
    for (int round = 0; round < 20'000; ++round) {
        std::vector<int> values(draw() % 2 ? 16 : 4);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = draw() % 3 ? int(draw() % 2) : int(draw() % 256);
        if (values.size() == 16 && draw() % 2)
            for (std::size_t i = draw() % 8; i < 8 + draw() % 8; ++i) values[i] = 0;
        if (values.size() == 16 && values[0] == 0) values[0] = 0x20;  // ::a.b.c.d is the system's own choice
        const Address address = bytes_address(values.size() == 4 ? Family::ipv4 : Family::ipv6, values);
        ASSERT_EQ(to_string(address), system_text(address));
        ASSERT_EQ(parse_address(to_string(address)), address);
    }
}

TEST(AddressText, AgreesWithTheSystemOnWhatItReads) {
    std::mt19937_64 draw{2};
    constexpr std::string_view letters = "0123456789abcdefABCDEF::::...g";
    int good = 0;
    for (int round = 0; round < 300'000; ++round) {
        std::string text;
        if (draw() % 2) {
            for (std::size_t size = 1 + draw() % 12; size > 0; --size) text += letters[draw() % letters.size()];
        } else {
            const bool four = draw() % 2 != 0;
            text = four ? "10.20.30.255" : "2001:db8::12:a.b:1.2.3.4";
            if (!four && draw() % 2) text = "1:2:3:4:5:6:7:8";
            for (std::size_t edits = 1 + draw() % 3; edits > 0; --edits) {
                const std::size_t at = draw() % text.size();
                if (draw() % 2) text[at] = letters[draw() % letters.size()];
                else text.erase(at, 1);
            }
        }
        std::array<std::byte, 16> system{};
        const bool is6 = text.find(':') != std::string::npos;
        const bool accepted = inet_pton(is6 ? AF_INET6 : AF_INET, text.c_str(), system.data()) == 1;
        const auto read = is6 ? Ipv6Family::parse(text) : Ipv4Family::parse(text);
        ASSERT_EQ(read.has_value(), accepted) << text;
        if (!accepted) continue;
        ++good;
        ASSERT_EQ(*read, Address(is6 ? Family::ipv6 : Family::ipv4, std::span{system}.first(is6 ? 16 : 4))) << text;
    }
    EXPECT_GT(good, 1'000);
}

TEST(AddressText, ErrorsNameTheirPlace) {
    using enum ParseError::Kind;
    EXPECT_EQ(error_of(""), (ParseError{empty, 0}));
    EXPECT_EQ(error_of("host"), (ParseError{unknown_family, 0}));
    EXPECT_EQ(error_of("1.2.3"), (ParseError{wrong_length, 5}));
    EXPECT_EQ(error_of("1.2.3."), (ParseError{wrong_length, 6}));
    EXPECT_EQ(error_of("1.2.3.4.5"), (ParseError{wrong_length, 7}));
    EXPECT_EQ(error_of("1.2.300.4"), (ParseError{out_of_range, 4}));
    EXPECT_EQ(error_of("1.02.3.4"), (ParseError{out_of_range, 2}));
    EXPECT_EQ(error_of("1.2,3.4"), (ParseError{bad_character, 3}));
    EXPECT_EQ(error_of("1::2::3"), (ParseError{bad_character, 5}));
    EXPECT_EQ(error_of("1:2:3:4:5:6:7"), (ParseError{wrong_length, 13}));
    EXPECT_EQ(error_of("1:2:3:4:5:6:7::8"), (ParseError{wrong_length, 16}));
    EXPECT_EQ(error_of("1:2:3:4:5:6:7:8:9"), (ParseError{wrong_length, 16}));
    EXPECT_EQ(error_of("1:12345::"), (ParseError{out_of_range, 2}));
    EXPECT_EQ(error_of("::1%3"), (ParseError{bad_character, 3}));
    EXPECT_EQ(to_string(error_of("1.2,3.4")), "unexpected character at position 4");
}

TEST(AddressText, EndpointsAreReadAndWritten) {
    for (const std::string_view text :
         {"192.0.2.1:7000", "0.0.0.0:0", "[2001:db8::1]:65535", "[fe80::1%3]:7000", "[::]:1"}) {
        const auto endpoint = parse_udp_endpoint(text);
        ASSERT_TRUE(endpoint) << text;
        EXPECT_EQ(to_string(*endpoint), text);
    }
    EXPECT_EQ(parse_udp_endpoint("[fe80::1%3]:7000")->scope, 3u);
    EXPECT_EQ(parse_udp_endpoint("192.0.2.1:7000")->ip[15], std::byte{1});
    EXPECT_EQ(parse_udp_endpoint("[::ffff:192.0.2.1]:7000"), parse_udp_endpoint("192.0.2.1:7000"));
    for (const auto& [text, kind, at] : std::vector<std::tuple<std::string_view, ParseError::Kind, std::uint32_t>>{
             {"", ParseError::empty, 0},
             {"1.2.3.4", ParseError::wrong_length, 7},
             {"1.2.3.4:", ParseError::wrong_length, 8},
             {"1.2.3.4:65536", ParseError::out_of_range, 8},
             {"1.2.3.4:7x", ParseError::bad_character, 9},
             {"[::1", ParseError::wrong_length, 4},
             {"[::1]7000", ParseError::bad_character, 5},
             {"[::g]:7000", ParseError::bad_character, 3},
             {"[::1%]:7000", ParseError::wrong_length, 5},
             {"[::1%eth0]:7000", ParseError::bad_character, 5},
             {"::1:7000", ParseError::bad_character, 0},
         }) {
        const auto endpoint = parse_udp_endpoint(text);
        ASSERT_FALSE(endpoint) << text;
        EXPECT_EQ(endpoint.error(), (ParseError{kind, at})) << text;
    }
    EXPECT_EQ(to_string(Endpoint{*parse_address("2001:db8::1"), 0, 80}), "[2001:db8::1]:80");
    EXPECT_EQ(to_string(Endpoint{*parse_address("1.2.3.4"), 0, 80}), "1.2.3.4:80");
}

TEST(OverlayText, VectorsOfTheFormat) {
    EXPECT_EQ(to_string(counting()), counting_text);
    const Address zeros = bytes_address(Family::overlay, std::vector<int>(64, 0));
    const Address ones = bytes_address(Family::overlay, std::vector<int>(64, 0xff));
    EXPECT_EQ(to_string(zeros), "weft1" + std::string(103, 'q') + "0xnjt4d7e049g4m");
    EXPECT_EQ(to_string(ones), "weft1" + std::string(102, 'l') + "c" + "ghkwlrn269vvlmy");
    for (const Address& address : {counting(), zeros, ones}) EXPECT_EQ(parse_address(to_string(address)), address);
}

TEST(OverlayText, TheAddressOfAPublishedKeyIsRead) {
    EXPECT_TRUE(
        parse_address("weft1rqgtwsr7ql7crrak2dcdqvlc006cjvjuykdwgk5xzzc9j3x64varxyhrqk9yw37jmrnwlp2xdyn4q0884n0dg9s6g48rrxlx"
                      "80nts3qtt9rxee0nrqvgrd"));
}

TEST(OverlayText, ChecksumIsThatOfBip93) {  // "Test vector 5", a 512-bit seed in the long code
    constexpr std::string_view vector =
        "MS100C8VSM32ZXFGUHPCHTLUPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZYGSFJD6AN074RXVCEMLH8WU3TK925ACDEFGHJKLMNPQRSTUVWXY06FHPV"
        "80UNDVARHRAK";
    std::vector<std::uint8_t> symbols;
    for (const char letter : vector.substr(3)) symbols.push_back(bech32::symbol_of(letter));
    EXPECT_TRUE(bech32::verifies("ms", symbols));
    EXPECT_FALSE(bech32::verifies("weft", symbols));
    const auto data = std::span{symbols}.first(symbols.size() - bech32::checksum_size);
    const auto sum = bech32::checksum("ms", data);
    EXPECT_TRUE(std::ranges::equal(sum, std::span{symbols}.last(bech32::checksum_size)));
}

TEST(OverlayText, WhatIsWrittenIsReadBackInEveryForm) {
    std::mt19937_64 draw{3};
    for (int round = 0; round < 1'000; ++round) {
        std::vector<int> values(64);
        for (int& value : values) value = int(draw() % 256);
        const Address address = bytes_address(Family::overlay, values);
        std::string text = to_string(address), host = OverlayFamily::format_host_name(address);
        ASSERT_EQ(text.size(), OverlayFamily::text_size);
        ASSERT_EQ(host.size(), 124u);
        ASSERT_EQ(host.find('.'), 60u);
        ASSERT_EQ(host.substr(119), ".weft");
        for (char& c : text)
            if (draw() % 2 && c >= 'a') c = char(c - 'a' + 'A');
        for (char& c : host)
            if (draw() % 2 && c >= 'a') c = char(c - 'a' + 'A');
        ASSERT_EQ(parse_address(text), address);
        ASSERT_EQ(parse_address(host), address);
        const auto short_form = parse_short_form(format_short_form(address));
        ASSERT_TRUE(short_form);
        ASSERT_TRUE(begins_with(address, *short_form));
        values[draw() % 10] ^= 1 << draw() % 8;
        ASSERT_FALSE(begins_with(bytes_address(Family::overlay, values), *short_form));
    }
    EXPECT_EQ(format_short_form(counting()), "weft:qqqs-yqcy-q5rq-wzqf");
}

TEST(OverlayText, UpToEightWrongSymbolsAreAlwaysNoticed) {
    std::mt19937_64 draw{4};
    for (int round = 0; round < 20'000; ++round) {
        std::string text{counting_text};
        for (std::size_t count = 1 + draw() % 8; count > 0; --count) text[5 + draw() % 118] = bech32::alphabet[draw() % 32];
        if (text == counting_text) continue;
        ASSERT_EQ(error_of(text).kind, ParseError::bad_checksum) << text;
    }
}

TEST(OverlayText, ErrorsNameTheirPlace) {
    using enum ParseError::Kind;
    const std::string text{counting_text};
    EXPECT_EQ(error_of(text.substr(0, 122)), (ParseError{wrong_length, 122}));
    EXPECT_EQ(error_of(text + "q"), (ParseError{wrong_length, 123}));
    EXPECT_EQ(error_of("weft1"), (ParseError{wrong_length, 5}));
    std::string bad = text;
    bad[40] = 'b';
    EXPECT_EQ(error_of(bad), (ParseError{bad_character, 40}));
    std::string host = OverlayFamily::format_host_name(counting());
    host[60] = 'q';
    EXPECT_EQ(error_of(host), (ParseError{wrong_length, 118}));
    host = OverlayFamily::format_host_name(counting());
    host.erase(10, 1);
    EXPECT_EQ(error_of(host), (ParseError{bad_character, 59}));

    // Padding that is not zero under a checksum that is right.
    std::vector<std::uint8_t> symbols(103, 0);
    symbols.back() = 4;
    std::string padded = "weft1";
    for (const std::uint8_t symbol : symbols) padded += bech32::alphabet[symbol];
    for (const std::uint8_t symbol : bech32::checksum("weft", symbols)) padded += bech32::alphabet[symbol];
    EXPECT_EQ(error_of(padded), (ParseError{bad_padding, 107}));

    EXPECT_EQ(parse_short_form("weft:qqqs-yqcy-q5rq").error(), (ParseError{wrong_length, 19}));
    EXPECT_EQ(parse_short_form("weft:qqqs-yqcy-q5rq-wzqfq").error(), (ParseError{wrong_length, 24}));
    EXPECT_EQ(parse_short_form("weft:qqqsyqcy").error(), (ParseError{bad_character, 9}));
    EXPECT_EQ(parse_short_form("weft1qqqs").error(), (ParseError{unknown_family, 0}));
}

}  // namespace
}  // namespace weft
