// weft.toml: names, groups, routes, and who may reach and send through.
#include "node/config.h"
#include "stack/core/address_text.h"
#include "tests/node/daemon_support.h"

namespace weft::node {
namespace {

using Mode = overlay::TransitRules::Mode;

Address numbered_address(unsigned number) {
    std::array<std::byte, 64> bytes{};
    bytes[0] = std::byte(number);
    return {Family::overlay, bytes};
}

std::string text(unsigned number) { return '"' + OverlayFamily::format(numbered_address(number)) + '"'; }

// Peers bob (1) and carol (2), and a name dan (3).
std::string with_names(std::string_view rest) {
    return "[[peer]]\nname = \"bob\"\naddress = " + text(1) + "\n[[peer]]\nname = \"carol\"\naddress = " + text(2) +
           "\n[names]\ndan = " + text(3) + "\n[groups]\nfriends = [\"carol\", \"dan\"]\n" + std::string(rest);
}

NodeConfig read(std::string_view rest) {
    const auto config = parse_config(with_names(rest), "weft.toml");
    EXPECT_TRUE(config) << config.error().messages.front();
    return config.value_or(NodeConfig{});
}

std::string mistake_in_routes(std::string_view rest) {
    const auto config = parse_config(with_names(rest), "weft.toml");
    if (config) return "there is none";
    EXPECT_EQ(config.error().messages.size(), 1u) << config.error().messages.back();
    const std::string& message = config.error().messages.front();
    return message.substr(message.find(": ") + 2);
}

TEST(ConfigRoutes, NextHopsAreNamesOrAddressesInTheirOrder) {
    const NodeConfig config =
        read("[[route]]\nto = \"dan\"\nvia = [\"carol\", " + text(1) + "]\n[[route]]\nto = \"*\"\nvia = \"bob\"\n");
    ASSERT_EQ(config.routes.size(), 2u);
    EXPECT_EQ(config.routes[0], (RouteConfig{numbered_address(3), {numbered_address(2), numbered_address(1)}}));
    EXPECT_EQ(config.routes[1], (RouteConfig{std::nullopt, {numbered_address(1)}}));
    EXPECT_EQ(config.routing, "static");
    EXPECT_EQ(config.names, (std::vector<std::pair<std::string, Address>>{{"dan", numbered_address(3)}}));
}

TEST(ConfigRoutes, MistakesInRoutesAreTold) {
    EXPECT_EQ(mistake_in_routes("[[route]]\nto = \"dan\"\n"),
              "a route needs \"to\", a name, an address or \"*\", and \"via\", one neighbour or several");
    EXPECT_EQ(mistake_in_routes("[[route]]\nto = \"dan\"\nvia = []\n"), "\"via\" names no neighbour");
    EXPECT_EQ(mistake_in_routes("[[route]]\nto = \"don\"\nvia = \"bob\"\n"),
              "\"don\" is neither the name of a [[peer]] or in [names] nor an address; did you mean \"dan\"?");
    EXPECT_EQ(mistake_in_routes("[[route]]\nto = \"dan\"\nvia = \"@friends\"\n"),
              "\"@friends\" is neither the name of a [[peer]] or in [names] nor an address");
    EXPECT_EQ(mistake_in_routes("[routing]\nmodule = \"\"\n"),
              "\"module\" is empty; it must name a routing module: \"static\"");
}

TEST(ConfigRoutes, ReachIsForNobodyUnlessItIsExposed) {
    EXPECT_TRUE(read("").reach.empty());
    const NodeConfig config = read(R"(
[[expose]]
port = [80, 443]
from = ["bob", "@friends"]
[[expose]]
port = "any"
protocol = "udp"
)");
    ASSERT_EQ(config.reach.size(), 7u);
    EXPECT_EQ(config.reach[0], (overlay::ReachRule{numbered_address(1), 6, 80}));
    EXPECT_EQ(config.reach[2], (overlay::ReachRule{numbered_address(3), 6, 80}));
    EXPECT_EQ(config.reach[5], (overlay::ReachRule{numbered_address(3), 6, 443}));
    EXPECT_EQ(config.reach[6], (overlay::ReachRule{std::nullopt, 17, 0}));
}

TEST(ConfigRoutes, MistakesInExposeAreTold) {
    EXPECT_TRUE(mistake_in_routes("[[expose]]\nfrom = \"bob\"\n").contains("without \"port\": a port from 1 to 65535"));
    EXPECT_TRUE(mistake_in_routes("[[expose]]\nport = 0\n").contains("must be a port from 1 to 65535"));
    EXPECT_TRUE(
        mistake_in_routes("[[expose]]\nport = 80\nfrom = \"@foes\"\n").contains("\"@foes\" is no group of [groups]"));
    EXPECT_TRUE(mistake_in_routes("[[expose]]\nport = 80\nprotocol = \"ftp\"\n").contains("(allowed: tcp, udp, any)"));
}

// An empty list must not become a rule for everybody.
TEST(ConfigRoutes, AnEmptyListExposesToNobody) { EXPECT_TRUE(read("[[expose]]\nport = 80\nfrom = []\n").reach.empty()); }

TEST(ConfigRoutes, TransitIsForMembersAtAHundredMegabits) {
    const overlay::TransitRules defaults = read("").transit;
    EXPECT_EQ(defaults.mode, Mode::members);
    EXPECT_EQ(defaults.rate, 12'500'000u);
    const overlay::TransitRules listed =
        read("[transit]\nallow = \"listed\"\nfrom = [\"bob\", \"@friends\"]\nrate = \"unlimited\"\n").transit;
    EXPECT_EQ(listed.mode, Mode::listed);
    EXPECT_EQ(listed.who, (std::vector<Address>{numbered_address(1), numbered_address(2), numbered_address(3)}));
    EXPECT_EQ(listed.rate, 0u);
    EXPECT_EQ(read("[transit]\nallow = \"off\"\n").transit.mode, Mode::off);
}

TEST(ConfigRoutes, MistakesInTransitAreTold) {
    EXPECT_TRUE(mistake_in_routes("[transit]\nallow = \"listed\"\n").contains("goes with allow = \"listed\""));
    EXPECT_TRUE(mistake_in_routes("[transit]\nfrom = \"bob\"\n").contains("goes with allow = \"listed\""));
    EXPECT_TRUE(mistake_in_routes("[transit]\nrate = \"0bit\"\n").contains("is too little"));
    EXPECT_TRUE(mistake_in_routes("[transit]\nrate = \"5\"\n").contains("has no unit"));
}

TEST(ConfigRoutes, NamesAndGroupsAreChecked) {
    const auto only = [](std::string_view rest) {
        const auto config = parse_config(rest, "weft.toml");
        return config ? std::string{"none"} : config.error().messages.front();
    };
    EXPECT_TRUE(only("[names]\n\"a b\" = " + text(1)).contains("a name is 1 to 32 characters"));
    EXPECT_TRUE(only("[names]\ndan = 1\n").contains("must be a weft1... text form"));
    EXPECT_TRUE(only("[names]\ndan = \"weft1qq\"\n").contains("must be a weft1... text form: "));
    EXPECT_TRUE(only("[[peer]]\nname = \"dan\"\naddress = " + text(1) + "\n[names]\ndan = " + text(2))
                    .contains("is the name of a peer, too"));
    EXPECT_TRUE(only("[groups]\nfoes = [\"eve\"]\n").contains("\"eve\" is neither the name"));
    EXPECT_TRUE(only("names = 1\n").contains("it must be a table: [names]"));
}

}  // namespace
}  // namespace weft::node
