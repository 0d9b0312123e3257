// The static table: what it makes of its configuration, and where it sends a SETUP.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "plugins/routing/static_config.h"
#include "tests/routing/router.h"

namespace weft::routing::test {
namespace {

constexpr char no_route = '0' + WEFT_ROUTE_NO_ROUTE, loop = '0' + WEFT_ROUTE_LOOP;

TEST(StaticTable, DeliversWhatIsForThisNode) {
    Router router{routes({"db"})};
    EXPECT_EQ(router.next('s'), '.');
}

TEST(StaticTable, FollowsTheConfiguredNextHopWhileItsLinkIsUp) {
    Router router{routes({"db"})};
    EXPECT_EQ(router.next('d'), no_route);
    router.up("b");
    EXPECT_EQ(router.next('d'), 'b');
    router.link('b', WEFT_LINK_DOWN);
    EXPECT_EQ(router.next('d'), no_route);
}

TEST(StaticTable, SendsStraightToADestinationThatIsANeighbour) {
    Router router{routes({"db", "*b"})};
    router.up("bd");
    EXPECT_EQ(router.next('d'), 'd');
    EXPECT_EQ(router.next('d', {.from = 'a', .avoid = "d", .source = 'a'}), 'd');   // avoided are hops, not the end
}

TEST(StaticTable, TriesSeveralNextHopsInTheirOrderAndTheDefaultLast) {
    Router router{routes({"*e", "db", "dc"})};
    router.up("bce");
    EXPECT_EQ(router.next('d'), 'b');
    EXPECT_EQ(router.next('d', {.tried = "b"}), 'c');
    EXPECT_EQ(router.next('d', {.tried = "bc"}), 'e');
    EXPECT_EQ(router.next('d', {.tried = "bce"}), no_route);
    EXPECT_EQ(router.next('x'), 'e');
}

TEST(StaticTable, SkipsWhatIsToBeAvoided) {
    Router router{routes({"db", "dc"})};
    router.up("bc");
    EXPECT_EQ(router.next('d', {.avoid = "b"}), 'c');
    EXPECT_EQ(router.next('d', {.avoid = "bc"}), no_route);
}

TEST(StaticTable, NeverSendsBackWhereASetupCameFromAndCallsItALoop) {
    Router router{routes({"da"})};
    router.up("a");
    EXPECT_EQ(router.next('d', {.from = 'a', .source = 'x'}), loop);
    EXPECT_EQ(router.next('d', {.from = 'c', .visited = "xac", .source = 'x'}), loop);
    EXPECT_EQ(router.next('d', {.from = 'c', .source = 'a'}), loop);   // the source is the first that was visited
}

TEST(StaticTable, PrefersAnotherNextHopToALoop) {
    Router router{routes({"da", "db"})};
    router.up("ab");
    EXPECT_EQ(router.next('d', {.from = 'a', .source = 'x'}), 'b');
}

TEST(StaticTable, UsesASilentNextHopOnlyAsALastResort) {
    Router router{routes({"db", "dc"})};
    router.up("bc");
    router.link('b', WEFT_LINK_SUSPECT);
    EXPECT_EQ(router.next('d'), 'c');
    router.link('c', WEFT_LINK_DOWN);
    EXPECT_EQ(router.next('d'), 'b');
    router.up("c");
    router.link('b', WEFT_LINK_UP);
    EXPECT_EQ(router.next('d'), 'b');
}

TEST(StaticTable, PutsANextHopLastForThirtySecondsAfterItsPathBroke) {
    Router router{routes({"db", "dc", "eb"})};
    router.up("bc");
    router.broken('d', 'b');
    EXPECT_EQ(router.next('d'), 'c');
    EXPECT_EQ(router.next('e'), 'b');   // other destinations know nothing of it
    EXPECT_EQ(router.next('d', {.tried = "c"}), 'b');
    router.now += 30'000'000'000;
    EXPECT_EQ(router.next('d'), 'b');
}

TEST(StaticTable, SavesAndRestoresWhatItLearnt) {
    Router router{routes({"db", "dc"})};
    router.up("bc");
    router.broken('d', 'b');
    const std::int64_t size = static_table.save(router.handle(), nullptr, 0);
    std::vector<std::uint8_t> bytes(std::size_t(size), 0);
    ASSERT_EQ(static_table.save(router.handle(), bytes.data(), size), size);
    Router second{routes({"db", "dc"})};
    second.up("bc");
    ASSERT_EQ(second.next('d'), 'b');
    ASSERT_EQ(static_table.restore(second.handle(), bytes.data(), size), 0);
    EXPECT_EQ(second.next('d'), 'c');
    for (std::int64_t cut = 0; cut < size; ++cut) EXPECT_NE(static_table.restore(second.handle(), bytes.data(), cut), 0);
    bytes[0] ^= 1;
    EXPECT_NE(static_table.restore(second.handle(), bytes.data(), size), 0);
    EXPECT_EQ(second.next('d'), 'c');   // what was refused changed nothing
}

TEST(StaticTable, TellsItsRowsInPieces) {
    Router router{routes({"db", "dc", "*b"})};
    router.up("c");
    std::vector<weft_route_row> all;
    for (;;) {
        weft_route_row row{};
        row.size = sizeof row;
        if (static_table.enumerate(router.handle(), std::uint32_t(all.size()), &row, 1) == 0) break;
        all.push_back(row);
    }
    ASSERT_EQ(all.size(), 4u);
    EXPECT_EQ(all[0].flags, unsigned{WEFT_ROW_DIRECT | WEFT_ROW_USED});
    EXPECT_EQ(all[0].via[0], 'c');
    EXPECT_EQ(all[1].dst[0], 'd');
    EXPECT_EQ(all[1].via[0], 'b');
    EXPECT_EQ(all[1].link, 0u);
    EXPECT_EQ(all[1].flags, 0u);
    EXPECT_EQ(all[2].link, Router::link_of('c'));
    EXPECT_EQ(all[2].flags, unsigned{WEFT_ROW_USED});
    EXPECT_EQ(all[3].flags, unsigned{WEFT_ROW_ANY});
    weft_route_row rows[8]{};
    rows[0].size = sizeof rows[0];
    EXPECT_EQ(static_table.enumerate(router.handle(), 0, rows, 8), 4u);
    EXPECT_EQ(std::memcmp(&rows[3], &all[3], sizeof rows[3]), 0);
}

struct Mistake {
    std::string config, said;
};

TEST(StaticTable, RefusesAConfigurationWithAMistakeAndSaysWhere) {
    const std::string d = text('d'), b = text('b');
    const Mistake mistakes[]{
        {"", "byte 1: expected '{'"},
        {"[]", "byte 1: expected '{'"},
        {"{\"route\": []}", "unknown key \"route\"; the only one is \"routes\""},
        {"{\"routes\": [], \"routes\": []}", "\"routes\" stands there twice"},
        {"{\"routes\": {}}", "byte 12: expected '['"},
        {"{\"routes\": []} x", "something follows the closing '}'"},
        {"{\"routes\": [{\"to\": \"*\"}]}", "\"via\" of route 1 is missing"},
        {"{\"routes\": [{\"via\": \"" + b + "\"}]}", "\"to\" of route 1 is missing"},
        {"{\"routes\": [{\"to\": \"*\", \"via\": \"*\"}]}", "\"via\" of route 1 is no overlay address"},
        {"{\"routes\": [{\"to\": \"" + d + "\", \"via\": \"" + b.substr(0, 122) + "\"}]}", "is no overlay address"},
        {"{\"routes\": [{\"to\": \"*\", \"via\": \"" + b + "\", \"cost\": 1}]}", "unknown key \"cost\""},
        {"{\"routes\": [{\"to\": \"*\", \"to\": \"*\"}]}", "\"to\" of route 1 stands there twice"},
        {"{\"routes\": [{\"to\": \"*\\u0020\"}]}", "a character that no address has"},
        {"{\"routes\": [{\"to\": \"", "a string without its end"},
        {routes({"db", "db"}), "route 2: the same route stands there twice"},
        {routes({"ds"}), "route 1: \"via\" is this node itself"},
        {routes({"sb"}), "route 1: \"to\" is this node itself"},
    };
    for (const Mistake& mistake : mistakes) {
        Router router{mistake.config};
        EXPECT_FALSE(router.made()) << mistake.config;
        EXPECT_NE(router.said().find(mistake.said), std::string::npos) << mistake.config << "\n said: " << router.said();
    }
}

TEST(StaticTable, TakesAnEmptyConfiguration) {
    EXPECT_TRUE(Router{"{}"}.made());
    EXPECT_TRUE(Router{" { \"routes\" : [ ] } \n"}.made());
}

// Whatever is asked, the answer is a link that is up and neither the arrival link nor a hop that is barred, or there is none
// and all next hops are barred.
TEST(StaticTable, AnswersArbitraryQueriesWithinTheRules) {
    std::mt19937_64 random{7};
    const auto some = [&](std::string_view of) {
        std::string chosen;
        for (const char letter : of)
            if (random() % 3 == 0) chosen += letter;
        return chosen;
    };
    for (unsigned round = 0; round < 400; ++round) {
        Router router{routes({"xa", "xb", "xc", "ya", "yd", "*e", "*f"})};
        const std::string up = some("abcdefxy");
        router.up(up);
        for (const char letter : some(up)) router.link(letter, WEFT_LINK_SUSPECT);
        for (const char letter : some(up)) router.broken('x', letter);
        for (unsigned query = 0; query < 20; ++query) {
            const char to = "xyzs"[random() % 4];
            const Router::Asked asked{.from = random() % 2 ? "abcdef"[random() % 6] : '\0',
                                      .visited = some("abcdefgh"),
                                      .avoid = some("abcdefgh"),
                                      .tried = some("abcdef"),
                                      .source = "sgh"[random() % 3]};
            const weft_decision decision = router.decide(to, asked);
            if (to == 's') {
                EXPECT_EQ(decision.verdict, unsigned{WEFT_ROUTE_DELIVER});
                continue;
            }
            const std::string hops = std::string(1, to) + (to == 'x' ? "abc" : to == 'y' ? "ad" : "") + "ef";
            std::string usable;
            for (const char hop : hops) {
                const bool barred = (asked.visited + asked.avoid).contains(hop) || hop == asked.source;
                if (up.contains(hop) && hop != asked.from && !asked.tried.contains(hop) && (hop == to || !barred))
                    usable += hop;
            }
            if (usable.empty()) {
                EXPECT_EQ(decision.verdict, unsigned{WEFT_ROUTE_UNREACHABLE});
                EXPECT_TRUE(decision.reason == WEFT_ROUTE_NO_ROUTE || decision.reason == WEFT_ROUTE_LOOP);
            } else {
                ASSERT_EQ(decision.verdict, unsigned{WEFT_ROUTE_FORWARD});
                EXPECT_TRUE(usable.contains(char('a' + decision.link - 1)));
            }
        }
    }
}

}  // namespace
}  // namespace weft::routing::test
