// [[tap]] and [services] of weft.toml, and the text forms in them.
#include <gtest/gtest.h>

#include "node/config.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

std::string mistake_in_tap(const std::string& text) {
    const auto config = parse_config(text, "weft.toml");
    return config ? "" : config.error().messages.front();
}

std::string why_not(std::string_view text) {
    const auto parsed = parse_interface_address(text);
    return parsed ? "" : parsed.error();
}

TEST(ConfigTap, ADeviceIsReadWithAllThatItMaySay) {
    const auto config = parse_config(R"(
[listen]
udp = []
[[tap]]
name = "lab0"
mode = "tap"
address = ["10.0.0.2/24", "fd00::2/64"]
kernel = "10.0.0.1/24"
route = ["0.0.0.0/0 via 10.0.0.1", "10.7.0.0/16"]
vnet_hdr = false
mtu = 9000
mac = "02:00:00:00:00:01"
fault = { loss = "1%", delay = "3ms" }
[[tap]]
mode = "tun"
address = "10.1.0.2/32"
[services]
http = "files"
http_port = 8080
echo = true
)",
                                     "/etc/weft/weft.toml");
    ASSERT_TRUE(config) << config.error().messages.front();
    EXPECT_FALSE(config->overlay);
    ASSERT_EQ(config->taps.size(), 2u);
    const TapSettings& device = config->taps[0].device;
    EXPECT_EQ(device.name, "lab0");
    EXPECT_FALSE(device.tun || device.vnet_hdr);
    EXPECT_EQ(device.mtu, 9'000u);
    EXPECT_EQ(format_mac(*device.mac), "02:00:00:00:00:01");
    ASSERT_EQ(device.addresses.size(), 2u);
    EXPECT_EQ(to_string(device.addresses[0]), "10.0.0.2/24");
    EXPECT_EQ(to_string(device.addresses[1]), "fd00::2/64");
    EXPECT_EQ(to_string(device.kernel.at(0)), "10.0.0.1/24");
    ASSERT_EQ(device.routes.size(), 2u);
    EXPECT_EQ(to_string(device.routes[0].to), "0.0.0.0/0");
    EXPECT_EQ(weft::to_string(device.routes[0].gateway), "10.0.0.1");
    EXPECT_EQ(device.routes[1].gateway.family(), Family::none);
    EXPECT_EQ(config->taps[0].fault.loss_ppm, 10'000u);
    EXPECT_EQ(config->taps[0].fault.delay, Duration::milliseconds(3));
    EXPECT_TRUE(config->taps[1].device.tun);
    EXPECT_EQ(config->taps[1].device.name, "weft%d");
    EXPECT_EQ(config->services.http, "/etc/weft/files");
    EXPECT_EQ(config->services.http_port, 8'080);
    EXPECT_TRUE(config->services.echo);
    EXPECT_FALSE(config->services.discard);
}

TEST(ConfigTap, EachMistakeIsToldWithItsPlaceAndMend) {
    EXPECT_EQ(mistake_in_tap("[[tap]]\nname = \"lab0\"\n"),
              "weft.toml:1:1: a device without an \"address\" for this node: give it one, such as \"10.0.0.2/24\"");
    EXPECT_EQ(
        mistake_in_tap("[[tap]]\naddress = \"10.0.0.2\"\n"),
        "weft.toml:2:11: \"address\": \"10.0.0.2\" has no prefix length: write 10.0.0.2/24; write an address and the length "
        "of its prefix, such as \"10.0.0.2/24\"");
    EXPECT_EQ(mistake_in_tap("[[tap]]\naddress = \"10.0.0.2/24\"\nmode = \"tum\"\n"),
              "weft.toml:3:8: \"mode\" = \"tum\"; did you mean \"tun\"? (allowed: tap, tun)");
    EXPECT_EQ(mistake_in_tap("[[tap]]\naddress = \"10.0.0.2/24\"\nmode = \"tun\"\nmac = \"02:00:00:00:00:01\"\n"),
              "weft.toml:4:7: \"mac\" is for Ethernet: a device of mode \"tun\" has none");
    EXPECT_EQ(mistake_in_tap("[[tap]]\naddress = \"10.0.0.2/24\"\nroute = \"0.0.0.0/0 via 10.0.1.1\"\n"),
              "weft.toml:1:1: the gateway 10.0.1.1 is in the network of no address of this device");
    EXPECT_EQ(mistake_in_tap("[[tap]]\naddress = \"10.0.0.2/24\"\nkernel = \"10.0.0.2/24\"\n"),
              "weft.toml:1:1: 10.0.0.2 is to be both ours and the kernel's: the two sides of a device have an address each");
    EXPECT_EQ(mistake_in_tap("[[tap]]\naddress = \"fd00::2/64\"\nmtu = 1279\n"),
              "weft.toml:1:1: IPv6 needs an MTU of 1280 or more");
    EXPECT_EQ(mistake_in_tap(
                  "[[tap]]\nname = \"a\"\naddress = \"10.0.0.2/24\"\n[[tap]]\nname = \"a\"\naddress = \"10.1.0.2/24\"\n"),
              "weft.toml:4:1: \"a\" is the name of two devices");
    EXPECT_EQ(mistake_in_tap("[listen]\nudp = []\n[[tap]]\naddress = \"10.0.0.2/24\"\n"), "");
    EXPECT_EQ(mistake_in_tap("[[tap]]\naddress = \"10.0.0.2/24\"\n"), "");  // beside the overlay
}

TEST(ConfigTap, AnInterfaceAddressIsOneHostsInANetwork) {
    EXPECT_EQ(why_not("10.0.0.2/24"), "");
    EXPECT_EQ(why_not("10.0.0.0/31"), "");  // RFC 3021: both are hosts
    EXPECT_EQ(why_not("10.0.0.2/32"), "");
    EXPECT_EQ(why_not("fd00::/64"), "");    // the routers' anycast address, but an address
    EXPECT_EQ(why_not("10.0.0.0/24"), "is the network itself: write a host of it");
    EXPECT_EQ(why_not("10.0.0.255/24"), "is the broadcast address of its network");
    EXPECT_EQ(why_not("10.0.255.255/12"), "");
    EXPECT_EQ(why_not("10.15.255.255/12"), "is the broadcast address of its network");
    EXPECT_EQ(why_not("224.0.0.1/4"), "is the address of no single host");
    EXPECT_EQ(why_not("::/0"), "is the address of no single host");
    EXPECT_EQ(why_not("10.0.0.2/0"), "has a prefix of no bits: every address would be on the link");
    for (const char* text : {"10.0.0.2/33", "fd00::2/129", "10.0.0.2/", "10.0.0.2/2x", "10.0.0.2/-1", "10.0.0.2/24 "})
        EXPECT_TRUE(why_not(text).starts_with("has a prefix length that is no number")) << text;
    EXPECT_TRUE(why_not("10.0.0/24").starts_with("begins with no address"));
    EXPECT_TRUE(why_not("").starts_with("begins with no address"));
}

TEST(ConfigTap, RoutesAndMacsAndNamesAreReadExactly) {
    EXPECT_TRUE(parse_tap_route("::/0 via fe80::1"));
    EXPECT_FALSE(parse_tap_route("::/0 via 10.0.0.1"));
    EXPECT_EQ(parse_tap_route("10.0.0.1/8").error(), "has bits set behind its prefix: write 10.0.0.0/8");
    EXPECT_FALSE(parse_tap_route("10.0.0.0/8 via 224.0.0.1"));
    EXPECT_FALSE(parse_tap_route("10.0.0.0/8 through 10.0.0.1"));
    EXPECT_EQ(format_mac(parse_mac("0A:00:00:00:00:ff").value()), "0a:00:00:00:00:ff");
    for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:0g", "02-00-00-00-00-01", "03:00:00:00:00:01",
                             "00:00:00:00:00:00", "02:00:00:00:00:011"})
        EXPECT_FALSE(parse_mac(text)) << text;
    for (const char* name : {"weft0", "weft%d", "a", "fifteen_letters"}) EXPECT_TRUE(device_name_is_valid(name)) << name;
    for (const char* name : {"", "sixteen_letters_", "a/b", "a b", "a:b", "..", ".", "weft%s", "a%d%d", "weft%"})
        EXPECT_FALSE(device_name_is_valid(name)) << name;
}

}  // namespace
}  // namespace weft::node
