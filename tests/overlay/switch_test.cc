// Label paths over several nodes in virtual time: set-up, data, repair of lost messages, and how paths end (docs/wire.md).
#include "overlay/switch.h"

#include <gtest/gtest.h>

#include "tests/overlay/switch_world.h"

namespace weft::overlay {
namespace {

using PathKind = PathEvent::Kind;

class LineOf : public testing::TestWithParam<std::size_t> {};

TEST_P(LineOf, NodesCarriesLabelledPacketsBothWays) {
    SwitchWorld world;
    world.line(GetParam());
    SwitchNode &source = *world.nodes.front(), &destination = *world.nodes.back();
    const PathEvent opened = world.open(source, destination);
    EXPECT_EQ(opened.payload, world.answer);
    EXPECT_EQ(opened.hops, GetParam() - 1);
    EXPECT_EQ(opened.mtu, 1'472);
    EXPECT_EQ(opened.remote, destination.address());
    ASSERT_EQ(opened.visited.size(), GetParam() - 2);
    const PathEvent offered = *destination.last(PathKind::offered);
    EXPECT_EQ(offered.payload, world.init);
    EXPECT_EQ(offered.hops, GetParam() - 1);
    EXPECT_EQ(offered.remote, source.address());

    std::vector<Tag> way;
    for (std::size_t i = 1; i < GetParam(); ++i) way.push_back(world.nodes[i]->tag());
    EXPECT_EQ(world.send(source, opened), way);
    EXPECT_TRUE(std::equal(opened.visited.begin(), opened.visited.end(), way.begin()));
    ASSERT_EQ(destination.got.size(), 1u);
    EXPECT_EQ(destination.got[0].first, opened.path);

    way.clear();
    for (std::size_t i = GetParam() - 1; i-- > 0;) way.push_back(world.nodes[i]->tag());
    EXPECT_EQ(world.send(destination, offered), way);
    ASSERT_EQ(source.got.size(), 1u);
    EXPECT_EQ(source.got[0].first, opened.path);
    for (std::size_t i = 1; i + 1 < GetParam(); ++i) {
        const SwitchStatistics statistics = world.nodes[i]->labels->statistics();
        EXPECT_EQ(statistics.forwarded, 2u);
        EXPECT_EQ(statistics.labels, 2u);
        EXPECT_EQ(statistics.paths, 1u);
    }
}

INSTANTIATE_TEST_SUITE_P(Switch, LineOf, testing::Values(3, 5, 12));

TEST(Switch, CostAndMtuOfAPathComeFromItsLinks) {
    SwitchWorld world;
    SwitchNode &a = world.add(), &b = world.add(), &c = world.add();
    world.join(a, b, 1'400);
    world.join(b, c, 1'300);
    a.router.next_hops[0] = {b.tag()};
    b.router.next_hops[0] = {c.tag()};
    const PathEvent opened = world.open(a, c);
    EXPECT_EQ(opened.mtu, 1'300);
    EXPECT_EQ(opened.cost, 2 * (10 + 100));   // 10 ms round trip each
    EXPECT_EQ(c.last(PathKind::offered)->mtu, 1'300);
    EXPECT_EQ(c.last(PathKind::offered)->cost, opened.cost);
}

TEST(Switch, LostAndRepeatedControlMessagesRecover) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SwitchWorld world{seed};
        world.line(5);
        world.loss_percent = 20;
        world.twice_percent = 30;
        SwitchNode &source = *world.nodes.front(), &destination = *world.nodes.back();
        unsigned opened = 0;
        for (int i = 0; i < 10; ++i) {
            const auto path = source.labels->open(destination.address(), world.init, world.now);
            ASSERT_TRUE(path);
            world.run(sec(2));
            const PathEvent* event = source.last(PathKind::opened);
            if (!event || event->path != *path) continue;
            ++opened;
            EXPECT_EQ(world.send(source, *event).size(), 4u);
            source.labels->close(*path, world.now);
            world.run(sec(1));
        }
        EXPECT_GE(opened, 9u) << seed;   // a message is lost for good once in 600
        EXPECT_GT(source.labels->statistics().repeated, 0u);
        EXPECT_LE(destination.count(PathKind::offered), 10u);   // no duplicate is taken for a new one
    }
}

TEST(Switch, SetupAlongAConfiguredLoopEndsInALoopNakAtTheSource) {
    SwitchWorld world;
    SwitchNode &s = world.add(), &a = world.add(), &b = world.add(), &c = world.add(), &d = world.add();
    world.join(s, a), world.join(a, b), world.join(b, c), world.join(c, a);
    for (const auto& [from, to] : {std::pair{&s, &a}, {&a, &b}, {&b, &c}, {&c, &a}}) from->router.next_hops[0] = {to->tag()};
    ASSERT_TRUE(s.labels->open(d.address(), world.init, world.now));
    world.run(sec(2));
    const PathEvent* failed = s.last(PathKind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->reason, NakReason::loop);
    EXPECT_EQ(failed->reporter, a.tag());
    EXPECT_EQ(failed->remote, d.address());
    for (SwitchNode* node : {&s, &a, &b, &c}) EXPECT_EQ(node->labels->statistics().labels, 0u);
    EXPECT_GE(a.labels->statistics().naks_out[std::size_t(NakReason::loop)], 1u);
}

TEST(Switch, DeadEndMakesThePreviousHopTryItsNextBest) {
    SwitchWorld world;
    SwitchNode &s = world.add(), &a = world.add(), &dead = world.add(), &b = world.add(), &d = world.add();
    world.join(s, a), world.join(a, dead), world.join(a, b), world.join(b, d);
    s.router.next_hops[0] = {a.tag()};
    a.router.next_hops[0] = {dead.tag(), b.tag()};
    b.router.next_hops[0] = {d.tag()};
    const PathEvent opened = world.open(s, d);
    EXPECT_EQ(opened.visited, (std::vector<Tag>{a.tag(), b.tag()}));
    EXPECT_EQ(world.send(s, opened), (std::vector<Tag>{a.tag(), b.tag(), d.tag()}));
    EXPECT_EQ(world.send(d, *d.last(PathKind::offered)), (std::vector<Tag>{b.tag(), a.tag(), s.tag()}));
    EXPECT_EQ(dead.labels->statistics().naks_out[std::size_t(NakReason::no_route)], 1u);
    EXPECT_EQ(dead.labels->statistics().labels, 0u);
}

TEST(Switch, SilentNextHopIsReportedLostAndTheSetupGoesElsewhere) {
    SwitchWorld world;
    SwitchNode &s = world.add(), &hole = world.add(), &b = world.add(), &d = world.add();
    world.join(s, hole), world.join(s, b), world.join(b, d);
    s.router.next_hops[0] = {hole.tag(), b.tag()};
    b.router.next_hops[0] = {d.tag()};
    hole.alive = false;
    const Instant begun = world.now;
    const PathEvent opened = world.open(s, d);
    EXPECT_EQ(opened.visited, (std::vector<Tag>{b.tag()}));
    EXPECT_EQ(s.lost, (std::vector<LinkNumber>{s.link_to(hole)}));
    EXPECT_EQ(s.labels->statistics().lost, 1u);
    EXPECT_LE(s.labels->path(d.address())->since - begun, sec(1));
}

TEST(Switch, WhoTakesASetupAndAnswersNothingIsAccusedByTheHopBeforeIt) {
    SwitchWorld world;
    world.line(5);
    SwitchNode &s = *world.nodes[0], &before = *world.nodes[2], &hole = *world.nodes[3], &d = *world.nodes[4];
    world.wiretap = [&](SwitchNode& from, SwitchNode&, std::vector<std::byte>& body) {
        return &from != &hole || Op(body[0]) == Op::got;   // acknowledges, and forwards nothing
    };
    const Instant begun = world.now;
    const auto path = s.labels->open(d.address(), world.init, world.now);
    ASSERT_TRUE(path);
    while (!s.last(PathKind::failed) && world.now < begun + sec(3)) world.run(ms(1));
    const PathEvent* failed = s.last(PathKind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->reason, NakReason::timeout);
    EXPECT_EQ(failed->reporter, before.tag());
    EXPECT_EQ(failed->accused, hole.tag());
    EXPECT_LE(world.now - begun, ms(1'501));
    world.run(sec(30));
    for (const auto& node : world.nodes) EXPECT_EQ(node->labels->statistics().labels, 0u);
}

TEST(Switch, TriesAreSpentAndNoMore) {
    SwitchWorld world;
    SwitchNode &s = world.add(), &d = world.add();
    std::vector<Tag> all;
    for (int i = 0; i < 40; ++i) {
        SwitchNode& dead = world.add();
        world.join(s, dead);
        all.push_back(dead.tag());
    }
    s.router.next_hops[0] = all;
    const auto path = s.labels->open(d.address(), world.init, world.now);
    ASSERT_TRUE(path);
    world.run(sec(3));
    const PathEvent* failed = s.last(PathKind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->reason, NakReason::tries);
    unsigned reached = 0;
    for (const auto& node : world.nodes) reached += unsigned(node->labels->statistics().setups);
    EXPECT_EQ(reached, 32u);
}

TEST(Switch, LongLineEndsAtTheHopLimit) {
    SwitchWorld world;
    world.delay = Duration::microseconds(10);
    world.line(270);
    SwitchNode &s = *world.nodes.front(), &d = *world.nodes.back();
    PathWish wish;
    wish.deadline = sec(9);
    ASSERT_TRUE(s.labels->open(d.address(), world.init, world.now, wish));
    world.run(sec(9));
    const PathEvent* failed = s.last(PathKind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->reason, NakReason::hops);
    EXPECT_EQ(failed->reporter, world.nodes[255]->tag());
    // 255 links carry set-up and packets alike.
    ASSERT_TRUE(s.labels->open(world.nodes[255]->address(), world.init, world.now, wish));
    world.run(sec(9));
    const PathEvent* opened = s.last(PathKind::opened);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->hops, 255);
    EXPECT_EQ(opened->visited.size(), 64u);   // the last ones
    EXPECT_EQ(opened->visited.back(), world.nodes[254]->tag());
    EXPECT_EQ(world.send(s, *opened).size(), 255u);
}

TEST(Switch, HopLimitOfAPacketRunsOut) {
    SwitchWorld world;
    world.line(3);
    const PathEvent opened = world.open(*world.nodes[0], *world.nodes[2]);
    SwitchNode& middle = *world.nodes[1];
    const LinkNumber in = middle.link_to(*world.nodes[0]);
    EXPECT_EQ(middle.labels->onward(in, opened.label, 2, 100, world.now).hop_limit, 1);
    const Onward spent = middle.labels->onward(in, opened.label, 1, 100, world.now);
    EXPECT_EQ(spent.kind, Onward::Kind::drop);
    EXPECT_EQ(spent.why, LabelDrop::hop_limit);
}

TEST(Switch, DestinationMayRefuse) {
    SwitchWorld world;
    world.line(3);
    SwitchNode &s = *world.nodes[0], &d = *world.nodes[2];
    d.accepts = false;
    const auto path = s.labels->open(d.address(), world.init, world.now);
    world.run(ms(100));
    ASSERT_TRUE(d.last(PathKind::offered));
    d.labels->refuse(*path, NakReason::admin, world.now);
    world.run(ms(100));
    const PathEvent* failed = s.last(PathKind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->reason, NakReason::admin);
    EXPECT_EQ(failed->reporter, d.tag());
}

TEST(Switch, OfferThatNobodyAnswersIsGivenUp) {
    SwitchWorld world;
    world.line(3);
    SwitchNode &s = *world.nodes[0], &d = *world.nodes[2];
    d.accepts = false;
    ASSERT_TRUE(s.labels->open(d.address(), world.init, world.now));
    world.run(sec(2));
    EXPECT_EQ(s.last(PathKind::failed)->reason, NakReason::timeout);
    EXPECT_EQ(d.count(PathKind::closed), 1u);
    world.run(sec(15));
    for (const auto& node : world.nodes) EXPECT_EQ(node->labels->statistics().paths, 0u);
}

TEST(Switch, TeardownReachesTheOtherEndAndFreesEveryLabel) {
    SwitchWorld world;
    world.line(5);
    SwitchNode &s = *world.nodes.front(), &d = *world.nodes.back();
    const PathEvent opened = world.open(s, d);
    d.labels->close(opened.path, world.now);
    world.run(ms(200));
    EXPECT_EQ(s.count(PathKind::closed), 1u);
    EXPECT_EQ(d.count(PathKind::closed), 0u);
    for (const auto& node : world.nodes) {
        EXPECT_EQ(node->labels->statistics().labels, 0u);
        EXPECT_EQ(node->labels->statistics().paths, 0u);
    }
}

TEST(Switch, LinkThatGoesDownBreaksItsPathsBothWays) {
    SwitchWorld world;
    world.line(6);
    SwitchNode &s = *world.nodes.front(), &d = *world.nodes.back();
    const PathEvent opened = world.open(s, d);
    world.part(*world.nodes[2], *world.nodes[3]);
    world.run(ms(200));
    ASSERT_EQ(s.count(PathKind::broken), 1u);
    ASSERT_EQ(d.count(PathKind::broken), 1u);
    EXPECT_EQ(s.last(PathKind::broken)->accused, world.nodes[3]->tag());
    EXPECT_EQ(d.last(PathKind::broken)->accused, world.nodes[2]->tag());
    EXPECT_EQ(s.router.broken, 1u);
    for (const auto& node : world.nodes) EXPECT_EQ(node->labels->statistics().labels, 0u);
}

TEST(Switch, LinkThatGoesDownBeforeTheAnswerMakesTheSetupGoElsewhere) {
    SwitchWorld world;
    SwitchNode &s = world.add(), &hole = world.add(), &b = world.add(), &d = world.add();
    world.join(s, hole), world.join(s, b), world.join(b, d);
    s.router.next_hops[0] = {hole.tag(), b.tag()};
    b.router.next_hops[0] = {d.tag()};
    world.wiretap = [&](SwitchNode& from, SwitchNode&, std::vector<std::byte>& body) {
        return &from != &hole || Op(body[0]) == Op::got;
    };
    ASSERT_TRUE(s.labels->open(d.address(), world.init, world.now));
    world.run(ms(20));
    world.part(s, hole);
    world.run(ms(100));
    ASSERT_TRUE(s.last(PathKind::opened));
    EXPECT_EQ(s.last(PathKind::opened)->visited, (std::vector<Tag>{b.tag()}));
}

TEST(Switch, RestartedNeighbourSaysStaleAndThePathBreaksAtBothEnds) {
    SwitchWorld world;
    world.line(5);
    SwitchNode &s = *world.nodes.front(), &d = *world.nodes.back();
    const PathEvent opened = world.open(s, d);
    world.restart(*world.nodes[2]);
    world.run(sec(1));
    EXPECT_EQ(s.count(PathKind::broken), 0u);   // nobody has noticed
    EXPECT_EQ(world.send(s, opened).size(), 1u);
    world.send(d, *d.last(PathKind::offered));
    world.run(ms(200));
    EXPECT_EQ(s.count(PathKind::broken), 1u);
    EXPECT_EQ(d.count(PathKind::broken), 1u);
    EXPECT_EQ(world.nodes[2]->labels->statistics().stale_sent, 2u);
    EXPECT_EQ(s.last(PathKind::broken)->accused, world.nodes[2]->tag());
    const PathEvent again = world.open(s, d);   // its new numbers are no duplicates
    EXPECT_EQ(world.send(s, again).size(), 4u);
}

TEST(Switch, IdlePathsExpireAndUsedOnesLive) {
    SwitchWorld world;
    world.line(3);
    SwitchNode &s = *world.nodes[0], &d = *world.nodes[2];
    const PathEvent idle = world.open(s, d), used = world.open(s, d);
    for (int i = 0; i < 8; ++i) {
        world.run(sec(100));
        EXPECT_EQ(world.send(s, used).size(), 2u);
        world.send(d, *d.last(PathKind::offered));
    }
    EXPECT_EQ(s.count(PathKind::broken), 1u);
    EXPECT_EQ(s.last(PathKind::broken)->path, idle.path);
    EXPECT_EQ(world.nodes[1]->labels->statistics().paths, 1u);
    EXPECT_EQ(world.nodes[1]->labels->statistics().expired, 1u);
    EXPECT_TRUE(world.send(s, idle).empty());
    s.labels->renew(used.path, world.now);
    world.run(sec(400));
    for (const auto& node : world.nodes) EXPECT_EQ(node->labels->statistics().labels, 0u);
}

TEST(Switch, PacketTooLargeForALinkIsAnsweredByItsMtuAtTheEnd) {
    SwitchWorld world;
    SwitchNode &a = world.add(), &b = world.add(), &c = world.add(), &d = world.add();
    world.join(a, b), world.join(b, c), world.join(c, d);
    a.router.next_hops[0] = {b.tag()}, b.router.next_hops[0] = {c.tag()}, c.router.next_hops[0] = {d.tag()};
    const PathEvent opened = world.open(a, d);
    c.labels->link_mtu(c.link_to(d), 1'280, world.now);
    EXPECT_EQ(world.send(a, opened, 1'281).size(), 1u);
    EXPECT_EQ(world.send(a, opened, 1'280).size(), 3u);
    world.run(ms(100));
    ASSERT_TRUE(a.last(PathKind::mtu));
    EXPECT_EQ(a.last(PathKind::mtu)->mtu, 1'280);
    EXPECT_EQ(c.labels->statistics().dropped[std::size_t(LabelDrop::too_large)], 1u);
    EXPECT_EQ(d.count(PathKind::mtu), 0u);
}

TEST(Switch, ModuleThatDoesNotKnowYetIsAskedAgain) {
    SwitchWorld world;
    world.line(3);
    SwitchNode &s = *world.nodes[0], &d = *world.nodes[2];
    world.nodes[1]->router.pending = 5;
    const PathEvent opened = world.open(s, d);
    EXPECT_EQ(opened.hops, 2);
    world.nodes[1]->router.pending = 1'000'000;
    ASSERT_TRUE(s.labels->open(d.address(), world.init, world.now));
    world.run(sec(2));
    ASSERT_TRUE(s.last(PathKind::failed));
    EXPECT_EQ(s.last(PathKind::failed)->reason, NakReason::timeout);
}

TEST(Switch, LiesOfAModuleAreNotBelieved) {
    SwitchWorld world;
    world.line(3);
    SwitchNode &s = *world.nodes[0], &m = *world.nodes[1], &d = *world.nodes[2];
    std::uint32_t link = 0, verdict = WEFT_ROUTE_FORWARD, state = 0;
    m.router.lie = [&](weft_query& query, weft_decision& out) {
        out.verdict = verdict;
        out.link = link;
        query.state_length = state;
        return true;
    };
    const std::uint32_t links[] = {0, m.link_to(s), 77, 70'000, 0xffff'ffff};
    for (const std::uint32_t lie : links) {
        link = lie;
        ASSERT_TRUE(s.labels->open(d.address(), world.init, world.now));
        world.run(ms(100));
        ASSERT_TRUE(s.last(PathKind::failed)) << lie;
        EXPECT_EQ(s.last(PathKind::failed)->reason, NakReason::no_route);
    }
    link = m.link_to(d);
    for (const std::uint32_t bad : {0u, 2u, 5u, 99u}) {
        verdict = bad;
        ASSERT_TRUE(s.labels->open(d.address(), world.init, world.now));
        world.run(ms(100));
    }
    verdict = WEFT_ROUTE_FORWARD, state = 33;
    ASSERT_TRUE(s.labels->open(d.address(), world.init, world.now));
    world.run(ms(100));
    EXPECT_EQ(s.count(PathKind::failed), 10u);
    EXPECT_EQ(m.labels->statistics().refused_answers, 10u);
    state = 32;
    EXPECT_EQ(world.open(s, d).hops, 2);
}

TEST(Switch, ModuleMayCloseAndOpenPathsWhileItIsAsked) {
    SwitchWorld world;
    world.line(3);
    SwitchNode &s = *world.nodes[0], &d = *world.nodes[2];
    std::uint64_t last = 0;
    unsigned refused = 0;
    const auto meddle = [&](SwitchNode& node, std::uint64_t path) {
        node.labels->close(path, world.now);
        const auto another = node.labels->open(d.address(), {}, world.now);
        refused += !another && another.error() == Error::would_block;
    };
    s.router.meddle = [&](std::uint64_t path) { meddle(s, path); };
    s.router.lie = [&](weft_query&, weft_decision&) { return meddle(s, last), false; };
    last = *s.labels->open(d.address(), world.init, world.now);
    world.run(sec(1));
    EXPECT_EQ(s.count(PathKind::opened), 1u);   // and closed as soon as the module was heard out
    EXPECT_EQ(refused, 2u);
    EXPECT_EQ(s.labels->statistics().paths, 0u);
    EXPECT_EQ(d.count(PathKind::closed), 1u);
    s.router.lie = nullptr, s.router.meddle = nullptr;
    const PathEvent opened = world.open(s, d);
    s.router.meddle = [&](std::uint64_t path) { meddle(s, path); };
    world.part(s, *world.nodes[1]);
    world.run(sec(1));
    EXPECT_EQ(s.count(PathKind::broken), 1u);
    EXPECT_EQ(s.last(PathKind::broken)->path, opened.path);
    EXPECT_EQ(s.labels->statistics().paths, 0u);
}

TEST(Switch, StateOfTheModuleTravelsInTheSetup) {
    SwitchWorld world;
    world.line(4);
    std::vector<std::uint8_t> seen;
    for (const auto& node : world.nodes)
        node->router.lie = [&, at = node.get()](weft_query& query, weft_decision&) {
            if (at == world.nodes[2].get()) seen.assign(query.state, query.state + query.state_length);
            query.state[query.state_length] = std::uint8_t(0xa0 + query.state_length);
            ++query.state_length;
            return false;
        };
    world.open(*world.nodes[0], *world.nodes[3]);
    EXPECT_EQ(seen, (std::vector<std::uint8_t>{0xa0, 0xa1}));
}

TEST(Switch, LabelOfAWaypointIsFollowedWhereTheModuleKnowsNoWay) {
    SwitchWorld world;
    SwitchNode &s = world.add(), &a = world.add(), &b = world.add(), &w = world.add(), &d = world.add();
    world.join(s, a), world.join(a, b), world.join(b, w), world.join(w, d);
    for (const auto& [from, to] : {std::pair{&s, &a}, {&a, &b}, {&b, &w}}) from->router.next_hops[w.tag()] = {to->tag()};
    w.router.next_hops[d.tag()] = {d.tag()};
    const PathEvent to_waypoint = world.open(s, w);
    s.router.lie = [&](weft_query& query, weft_decision& out) {
        if (TableRouter::tag_at(query.dst) != d.tag()) return false;
        out.verdict = WEFT_ROUTE_FORWARD;
        out.link = to_waypoint.link;
        out.via = to_waypoint.label;
        return true;
    };
    const PathEvent opened = world.open(s, d);
    EXPECT_EQ(world.send(s, opened), (std::vector<Tag>{a.tag(), b.tag(), w.tag(), d.tag()}));
    s.labels->close(to_waypoint.path, world.now);
    world.run(ms(200));
    ASSERT_TRUE(s.labels->open(d.address(), world.init, world.now));
    world.run(sec(2));
    ASSERT_TRUE(s.last(PathKind::failed));
    EXPECT_EQ(s.last(PathKind::failed)->reason, NakReason::stale);   // the label that it named is gone
    EXPECT_EQ(s.last(PathKind::failed)->reporter, a.tag());
}

TEST(Switch, BothEndsAreLearntInTransitOnlyFromGoodSignaturesAndTimes) {
    SwitchWorld world;
    world.line(3);
    SwitchNode &s = *world.nodes[0], &m = *world.nodes[1], &d = *world.nodes[2];
    world.open(s, d);
    ASSERT_EQ(m.router.learnt.size(), 2u);
    EXPECT_EQ(m.router.learnt[0], (std::pair{s.address(), std::uint32_t{m.link_to(s)}}));
    EXPECT_EQ(m.router.learnt[1], (std::pair{d.address(), std::uint32_t{m.link_to(d)}}));
    EXPECT_EQ(s.router.learnt.size(), 1u);
    EXPECT_EQ(d.router.learnt.size(), 1u);
}

TEST(Switch, ClockOfFiftyYearsAgoReachesButIsNotLearnt) {
    SwitchWorld world;
    SwitchConfig config;
    SwitchNode &s = world.add(), &m = world.add(), &d = world.add();
    s.config.unix_zero = 0;
    s.labels = std::make_unique<Switch>(s.identity, s.config, s.entropy, TableRouter::table(), &s.router);
    world.join(s, m), world.join(m, d);
    s.router.next_hops[0] = {m.tag()}, m.router.next_hops[0] = {d.tag()};
    const PathEvent opened = world.open(s, d);
    EXPECT_EQ(world.send(s, opened).size(), 2u);
    EXPECT_TRUE(m.router.learnt.empty());
    EXPECT_TRUE(d.router.learnt.empty());
}

TEST(Switch, MessagesOfTheModuleGoToTheNeighboursModule) {
    SwitchWorld world;
    world.line(2);
    SwitchNode &a = *world.nodes[0], &b = *world.nodes[1];
    const std::vector<std::byte> body{std::byte{0x41}, std::byte{0x80}, {}, {}, std::byte{7}};
    ASSERT_TRUE(a.labels->send_routing(a.link_to(b), body, world.now));
    world.run(ms(50));
    ASSERT_EQ(b.router.heard.size(), 5u);
    EXPECT_EQ(b.router.heard[4], std::byte{7});
    EXPECT_EQ(a.labels->statistics().repeated, 0u);
    const std::vector<std::byte> foreign{std::byte{0x20}, {}, {}, {}};
    EXPECT_EQ(a.labels->send_routing(a.link_to(b), foreign, world.now).error(), Error::invalid);
    a.labels->wake_router_at(world.now + sec(1));
    world.run(sec(2));
    EXPECT_EQ(a.router.woken, 1u);
}

TEST(Switch, SaysAtOnceWhenThereIsNoWay) {
    SwitchWorld world;
    world.line(3);
    SwitchNode& s = *world.nodes[0];
    EXPECT_EQ(s.labels->open(Identity{seed_of(99)}.address(), world.init, world.now).error(), Error::unreachable);
    EXPECT_EQ(s.labels->open(s.address(), world.init, world.now).error(), Error::invalid);
    EXPECT_EQ(s.labels->statistics().paths, 0u);
    EXPECT_EQ(s.labels->statistics().labels, 0u);
}

TEST(Switch, TracesNameWhatBecameOfAPath) {
    SwitchWorld world;
    world.line(3);
    std::vector<trace::Record> records;
    world.nodes[1]->labels->trace({trace::all, &records, [](void* to, const trace::Record& record) {
                                       static_cast<std::vector<trace::Record>*>(to)->push_back(record);
                                   }});
    const PathEvent opened = world.open(*world.nodes[0], *world.nodes[2]);
    world.nodes[1]->labels->onward(1, 0x77'01, 9, 10, world.now);
    world.nodes[0]->labels->close(opened.path, world.now);
    world.run(ms(100));
    std::vector<std::uint32_t> routes, labels, drops;
    for (const trace::Record& record : records) {
        if (record.type == trace::Type::route) {
            const auto body = trace::body_of<trace::Route>(record);
            EXPECT_EQ(body.path, opened.path);
            routes.push_back(body.event * 2 + record.flags);
        }
        if (record.type == trace::Type::label) labels.push_back(trace::body_of<trace::Label>(record).event);
        if (record.type == trace::Type::drop) drops.push_back(trace::body_of<trace::Drop>(record).why);
    }
    EXPECT_EQ(routes, (std::vector<std::uint32_t>{2, 3, 4, 5, 8, 9}));   // SETUP in, out; ACK in, out; TEARDOWN in, out
    EXPECT_EQ(labels, (std::vector<std::uint32_t>{1, 1, 2, 2, 3, 3}));
    EXPECT_EQ(drops, (std::vector<std::uint32_t>{std::uint32_t(LabelDrop::unknown)}));
}

TEST(Switch, WhoComesLateIsToldOfTheLabelsThereAre) {
    SwitchWorld world;
    world.line(3);
    const PathEvent opened = world.open(*world.nodes[0], *world.nodes[2]);
    std::vector<trace::Record> records;
    const trace::Sink sink{trace::all, &records, [](void* to, const trace::Record& record) {
                               static_cast<std::vector<trace::Record>*>(to)->push_back(record);
                           }};
    std::uint32_t cursor = 0;
    EXPECT_TRUE(world.nodes[1]->labels->tell(sink, cursor, 1, world.now)) << "one of two: there is more";
    while (world.nodes[1]->labels->tell(sink, cursor, 1, world.now)) {}
    ASSERT_EQ(records.size(), 2u);
    std::vector<LabelRow> rows = world.nodes[1]->labels->labels(10);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(records[i].flags, trace::snapshot_flag);
        const auto body = trace::body_of<trace::Label>(records[i]);
        EXPECT_EQ(body.path, opened.path);
        EXPECT_EQ(body.label, rows[i].label);
        EXPECT_EQ(body.event, 2u) << "completed";
    }
}

TEST(Switch, RowsAndPathsForPeople) {
    SwitchWorld world;
    world.line(3);
    SwitchNode &s = *world.nodes[0], &m = *world.nodes[1], &d = *world.nodes[2];
    const PathEvent opened = world.open(s, d);
    world.send(s, opened, 500);
    const std::vector<LabelRow> rows = m.labels->labels(10);
    ASSERT_EQ(rows.size(), 2u);
    for (const LabelRow& row : rows) {
        EXPECT_EQ(row.path, opened.path);
        EXPECT_TRUE(row.acked);
        EXPECT_FALSE(row.terminal);
        EXPECT_EQ(row.packets, row.label == opened.label ? 1u : 0u);
        EXPECT_EQ(row.bytes, row.label == opened.label ? 500u : 0u);
    }
    EXPECT_EQ(m.labels->labels(1).size(), 1u);
    const auto status = s.labels->path(d.address());
    ASSERT_TRUE(status);
    EXPECT_TRUE(status->open);
    EXPECT_TRUE(status->source);
    EXPECT_EQ(status->visited, (std::vector<Tag>{m.tag()}));
    EXPECT_EQ(status->label_out, opened.label);
    EXPECT_FALSE(d.labels->path(m.address()));
}

}  // namespace
}  // namespace weft::overlay
