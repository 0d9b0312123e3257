// The gate before a node's routing module: what it passes on, and how another module takes the old one's place.
#include "node/router.h"

#include "tests/node/daemon_support.h"
#include "tests/routing/router.h"

namespace weft::node {
namespace {

using routing::test::node;
using routing::test::routes;

Address address_of(char letter) {
    const auto bytes = node(letter);
    return {Family::overlay, std::as_bytes(std::span(bytes))};
}

class RouterGate : public testing::Test {
protected:
    void make(std::initializer_list<std::string_view> pairs) {
        auto made = Router::make({"static", routes(pairs)}, address_of('s'), Instant{});
        ASSERT_TRUE(made) << made.error();
        router = std::move(*made);
    }
    void link(char neighbour, std::uint32_t event) {
        const auto bytes = node(neighbour);
        weft_link link{};
        link.size = sizeof link;
        link.event = event;
        link.link = std::uint32_t(neighbour - 'a' + 1);
        link.mtu = 1'200;
        link.neighbour = bytes.data();
        Router::table().on_link(router->handle(), 0, &link);
    }
    char next(char to) {
        const weft_decision decision = router->resolve(address_of(to), Instant{});
        return decision.verdict == WEFT_ROUTE_FORWARD ? char('a' + decision.link - 1) : '-';
    }

    std::unique_ptr<Router> router;
};

TEST_F(RouterGate, NewRoutesServeTheLinksThatAreUpAlready) {
    make({"db"});
    link('b', WEFT_LINK_UP), link('c', WEFT_LINK_UP), link('e', WEFT_LINK_UP);
    link('c', WEFT_LINK_SUSPECT), link('e', WEFT_LINK_DOWN);
    EXPECT_EQ(next('d'), 'b');
    ASSERT_TRUE(router->replace({"static", routes({"dc", "de", "db"})}, Instant{}));
    EXPECT_EQ(next('d'), 'b') << "c is silent still, e is down";
    link('c', WEFT_LINK_UP);
    EXPECT_EQ(next('d'), 'c');
    EXPECT_EQ(router->rows(100).size(), 5u);
    EXPECT_EQ(router->rows(2).size(), 2u);
}

TEST_F(RouterGate, SettingsThatTheModuleRefusesLeaveTheOldOnes) {
    make({"db"});
    link('b', WEFT_LINK_UP);
    const auto refused = router->replace({"static", "{\"routs\": []}"}, Instant{});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("unknown key \"routs\""), std::string::npos) << refused.error();
    EXPECT_EQ(next('d'), 'b');
}

TEST_F(RouterGate, AnUnknownModuleIsToldWithThoseThatThereAre) {
    const auto made = Router::make({"kademlia", "{}"}, address_of('s'), Instant{});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error(), "[routing] module = \"kademlia\": there is no such module; there are: \"static\"");
}

TEST_F(RouterGate, WithoutASwitchServicesAreRefused) {
    make({});
    EXPECT_EQ(Router::table().on_wake, nullptr) << "no module has it, so the switch need not call";
    EXPECT_EQ(Router::table().on_learnt, nullptr);
    EXPECT_NE(Router::table().on_broken, nullptr);
    EXPECT_EQ(next('d'), '-');
}

}  // namespace
}  // namespace weft::node
