// Neighbours that lie, guess, flood and send noise: no foreign path feels it, and memory stays bounded (docs/security.md).
#include "overlay/access.h"
#include "overlay/switch.h"

#include <gtest/gtest.h>

#include "tests/overlay/switch_world.h"

namespace weft::overlay {
namespace {

using PathKind = PathEvent::Kind;
using SetupMessage = Setup;   // GoogleTest keeps the name for itself

// s - m - d, and e, who is m's neighbour too.
struct Crossing : SwitchWorld {
    explicit Crossing(SwitchConfig config = {}, std::uint64_t seed = 1)
        : SwitchWorld{seed}, s{add(config)}, m{add(config)}, d{add(config)}, e{add(config)} {
        join(s, m), join(m, d), join(e, m);
        s.router.next_hops[0] = {m.tag()};
        e.router.next_hops[0] = {m.tag()};
        d.router.next_hops[0] = {m.tag()};
        for (SwitchNode* to : {&s, &d, &e}) m.router.next_hops[to->tag()] = {to->tag()};
    }

    // A CTRL body straight from e.
    void from_e(Body body) {
        if ((unsigned(body[1]) & 0x80) != 0) set_txid(body, ++txid);
        m.labels->receive_control(m.link_to(e), body, now);
    }
    SetupMessage setup_of(SwitchNode& source, const Address& to) {
        SetupMessage out;
        out.path = random();
        out.back_label = 0x1001;
        out.ts = 1;
        out.deadline = 1'000;
        out.pmtu = 1'400;
        out.dst = to, out.src = source.address();
        return out;
    }

    SwitchNode &s, &m, &d, &e;
    std::uint16_t txid{0};
};

TEST(Hostile, AMillionGuessedLabelsFindOnlyTheGuessersOwn) {
    Crossing world;
    const PathEvent theirs = world.open(world.s, world.d), own = world.open(world.e, world.d);
    const std::uint64_t before = world.d.got.size();
    const LinkNumber in = world.m.link_to(world.e);
    std::mt19937_64 random{7};
    std::uint64_t through = 0;
    constexpr unsigned guesses = 1u << 20;
    for (unsigned i = 0; i < guesses; ++i) {
        // Every index that exists under every generation, and random ones.
        const Label label = i < 4'096 ? make_label(i >> 8, std::uint8_t(i)) : Label(random());
        const Onward onward = world.m.labels->onward(in, label, 255, 100, world.now);
        if (onward.kind == Onward::Kind::drop) continue;
        EXPECT_EQ(label, own.label);
        ++through;
    }
    EXPECT_EQ(through, 1u);
    const SwitchStatistics statistics = world.m.labels->statistics();
    EXPECT_EQ(statistics.dropped[1] + statistics.dropped[2] + statistics.dropped[3], guesses - 1);
    EXPECT_GE(statistics.dropped[std::size_t(LabelDrop::wrong_link)], 2u);
    EXPECT_LE(statistics.stale_sent, 101u);
    for (const LabelRow& row : world.m.labels->labels(100)) EXPECT_EQ(row.packets, row.label == own.label ? 1u : 0u);
    world.run(sec(1));
    EXPECT_EQ(world.d.got.size(), before);
    EXPECT_EQ(world.s.count(PathKind::broken) + world.d.count(PathKind::broken) + world.e.count(PathKind::broken), 0u);
    EXPECT_EQ(world.send(world.s, theirs).size(), 2u);
    EXPECT_EQ(world.send(world.e, own).size(), 2u);
}

TEST(Hostile, DropsTellWhatWasWrongAndAnswerAllAlike) {
    Crossing world;
    const PathEvent theirs = world.open(world.s, world.d);
    const LinkNumber in = world.m.link_to(world.e), home = world.m.link_to(world.s);
    const auto why = [&](LinkNumber link, Label label) { return world.m.labels->onward(link, label, 9, 9, world.now).why; };
    EXPECT_EQ(why(in, theirs.label), LabelDrop::wrong_link);
    EXPECT_EQ(why(home, theirs.label + 1), LabelDrop::stale_generation);
    EXPECT_EQ(why(home, 0x00ff'ff01), LabelDrop::unknown);
    EXPECT_EQ(why(home, make_label(index_of(theirs.label), 0)), LabelDrop::stale_generation);   // 0 is nobody's
    world.m.keeps = true;
    world.run(ms(50));
    std::size_t to_e = 0, to_s = 0;
    for (const auto& [link, body] : world.m.sent)
        if (Op(body[0]) == Op::stale) (link == in ? to_e : to_s) += (body.size() - 4) / 4;
    EXPECT_EQ(to_e, 1u);
    EXPECT_EQ(to_s, 3u);
    EXPECT_EQ(world.s.count(PathKind::broken), 0u);   // none of them is a label that s writes
}

TEST(Hostile, ThirdPartyEndsMovesAndAnswersNoPath) {
    Crossing world;
    const PathEvent theirs = world.open(world.s, world.d);
    const TeardownItem teardown[] = {{theirs.path}};
    const BrokenItem broken[] = {{theirs.path, world.d.tag()}};
    const MtuItem mtu[] = {{theirs.path, 1'200}};
    const StaleItem stale[] = {{theirs.label}, {world.d.last(PathKind::offered)->label}};
    world.from_e(list_body<TeardownItem>(teardown));
    world.from_e(list_body<BrokenItem>(broken));
    world.from_e(list_body<MtuItem>(mtu));
    world.from_e(list_body<StaleItem>(stale));
    world.from_e(SetupNak{theirs.path, 1, 0, 0, 0}.body(true));
    SetupMessage again = world.setup_of(world.e, world.d.address());
    again.path = theirs.path;
    world.from_e(again.body());
    SetupAck ack;
    ack.path = theirs.path, ack.forward_label = 0x101;
    world.from_e(ack.body());
    world.run(sec(1));
    EXPECT_EQ(world.s.events.size(), 1u);   // opened, nothing since
    EXPECT_EQ(world.d.events.size(), 1u);
    EXPECT_GE(world.m.labels->statistics().foreign, 5u);
    EXPECT_EQ(world.m.labels->statistics().naks_out[std::size_t(NakReason::loop)], 1u);
    EXPECT_EQ(world.send(world.s, theirs).size(), 2u);
    EXPECT_EQ(world.send(world.d, *world.d.last(PathKind::offered)).size(), 2u);
}

TEST(Hostile, ThirdPartyAnswersNoSetupThatIsUnderWay) {
    Crossing world;
    world.d.accepts = false;
    const auto path = world.s.labels->open(world.d.address(), world.init, world.now);
    world.run(ms(100));
    SetupAck ack;
    ack.path = *path, ack.forward_label = 0x101, ack.ts = 1'700'000'001'000;
    world.from_e(ack.body());
    world.from_e(SetupNak{*path, 1, 0, 0, 0}.body(true));
    world.run(ms(100));
    EXPECT_TRUE(world.s.events.empty());
    world.d.labels->accept(*path, world.answer, world.now);
    world.run(ms(100));
    EXPECT_TRUE(world.s.last(PathKind::opened));
}

TEST(Hostile, TransitThatAnswersForTheDestinationOpensNothing) {
    SwitchWorld world;
    SwitchNode &s = world.add(), &liar = world.add(), &b = world.add(), &d = world.add();
    world.join(s, liar), world.join(liar, d), world.join(s, b), world.join(b, d);
    s.router.next_hops[0] = {liar.tag(), b.tag()};
    liar.router.next_hops[0] = {d.tag()}, b.router.next_hops[0] = {d.tag()};
    world.wiretap = [&](SwitchNode& from, SwitchNode& to, std::vector<std::byte>& body) {
        if (&from != &liar || &to != &s || Op(body[0]) != Op::setup_ack) return true;
        auto ack = SetupAck::parse(Bytes{body}.subspan(4));
        ack->sign(liar.identity, s.config.netid, d.address(), s.address());
        const Body bent = ack->body();
        std::copy(bent.begin() + 4, bent.end(), body.begin() + 4);
        return true;
    };
    const PathEvent opened = world.open(s, d);
    EXPECT_EQ(opened.visited, (std::vector<Tag>{b.tag()}));   // by another way, for the liar's answer is not d's
    EXPECT_EQ(s.labels->statistics().bad_signatures, 1u);
    EXPECT_EQ(s.router.learnt.size(), 1u);
    EXPECT_EQ(s.router.learnt[0].second, s.link_to(b));
}

TEST(Hostile, ForgedSourceIsNotOffered) {
    Crossing world;
    SetupMessage forged = world.setup_of(world.s, world.d.address());
    forged.sign(world.e.identity, {});
    forged.src = world.s.address();
    world.from_e(forged.body());
    SetupMessage unsigned_one = world.setup_of(world.e, world.d.address());
    world.from_e(unsigned_one.body());
    world.run(ms(200));
    EXPECT_TRUE(world.d.events.empty());
    EXPECT_EQ(world.d.labels->statistics().bad_signatures, 2u);
    EXPECT_EQ(world.m.labels->statistics().labels, 0u);
}

TEST(Hostile, PrivateSourceIsOfferedAndNeverLearnt) {
    Crossing world;
    SetupMessage setup = world.setup_of(world.e, world.d.address());
    setup.private_source = true;
    setup.ts = 1'700'000'001'000;
    setup.sign(world.e.identity, {});
    world.from_e(setup.body());
    world.run(ms(200));
    ASSERT_TRUE(world.d.last(PathKind::offered));
    EXPECT_TRUE(world.d.last(PathKind::offered)->private_source);
    EXPECT_TRUE(world.m.router.learnt.empty());
    EXPECT_TRUE(world.d.router.learnt.empty());
}

TEST(Hostile, TenThousandSetupsASecondFromOneLeaveOthersUnchanged) {
    Crossing world;
    const PathEvent before = world.open(world.s, world.d);
    SetupMessage setup = world.setup_of(world.e, world.d.address());
    std::uint32_t most = 0;
    unsigned opened = 0;
    for (int tenth = 0; tenth < 30; ++tenth) {
        for (int i = 0; i < 1'000; ++i) {
            setup.path = world.random();
            world.from_e(setup.body());
            if (i % 100 == 0) world.run(Duration::microseconds(100));
        }
        most = std::max(most, world.m.labels->statistics().labels);
        if (tenth % 5 == 0) {
            const auto path = world.s.labels->open(world.d.address(), world.init, world.now);
            ASSERT_TRUE(path);
            world.run(ms(50));
            opened += world.s.last(PathKind::opened)->path == *path;
            world.s.labels->close(*path, world.now);
        }
        world.run(ms(50));
        EXPECT_EQ(world.send(world.s, before).size(), 2u);
    }
    EXPECT_EQ(opened, 6u);
    const SwitchStatistics statistics = world.m.labels->statistics();
    EXPECT_LE(statistics.setups_forwarded, 50u + 50 * 4 + 7);
    EXPECT_LE(most, 2u * (50 + 50 * 4) + 4);
    EXPECT_GT(statistics.naks_out[std::size_t(NakReason::busy)], 100u);
    world.run(sec(15));
    EXPECT_EQ(world.m.labels->statistics().labels, 2u);   // s's alone
    EXPECT_EQ(world.m.labels->statistics().paths, 1u);
}

TEST(Hostile, FullTableEvictsTheUnansweredFirstAndThenTheHeaviest) {
    SwitchConfig small;
    small.labels = 40;
    small.labels_a_link = 30;
    Crossing world;
    world.m.config.labels = 40, world.m.config.labels_a_link = 30;
    world.restart(world.m);
    const PathEvent honest = world.open(world.s, world.d);
    for (int i = 0; i < 40; ++i) {   // e's own paths: its own limit is what it meets
        world.open(world.e, world.d, ms(100));
        EXPECT_LE(world.m.labels->statistics().labels, 32u);
    }
    EXPECT_EQ(world.send(world.s, honest).size(), 2u);
    EXPECT_GE(world.m.labels->statistics().evicted, 20u);
    EXPECT_GE(world.e.count(PathKind::broken), 20u);
    EXPECT_EQ(world.s.count(PathKind::broken), 0u);
    // More paths of s: the table is full, and the heaviest pays, its oldest first.
    for (int i = 0; i < 8; ++i) {
        world.open(world.s, world.d, ms(100));
        EXPECT_LE(world.m.labels->statistics().labels, 40u);
    }
    EXPECT_EQ(world.s.count(PathKind::broken), 0u);
    EXPECT_EQ(world.s.count(PathKind::opened), 9u);
    // Unanswered ones go before anything open.
    const std::size_t broken = world.e.count(PathKind::broken);
    world.wiretap = [&](SwitchNode& from, SwitchNode&, std::vector<std::byte>& body) {
        return &from != &world.d || Op(body[0]) == Op::got;
    };
    SetupMessage setup = world.setup_of(world.s, world.d.address());
    for (int i = 0; i < 6; ++i) {
        setup.path = world.random();
        setup.sign(world.s.identity, {});
        Body body = setup.body();
        set_txid(body, std::uint16_t(40'000 + i));
        world.m.labels->receive_control(world.m.link_to(world.s), body, world.now);
        world.run(ms(1));
    }
    EXPECT_EQ(world.s.count(PathKind::broken), 0u);
    EXPECT_LE(world.e.count(PathKind::broken), broken + 1);   // for the first one there was none to evict but an open one
}

TEST(Hostile, SlotsAreReusedAndOldLabelsNeverHit) {
    Crossing world;
    const PathEvent first = world.open(world.s, world.d);
    world.s.labels->close(first.path, world.now);
    world.run(ms(100));
    for (int i = 0; i < 100; ++i) {
        const PathEvent path = world.open(world.s, world.d, ms(100));
        EXPECT_LE(index_of(path.label), 1u);
        EXPECT_NE(path.label, first.label);
        EXPECT_TRUE(world.send(world.s, first).empty());
        EXPECT_EQ(world.send(world.s, path).size(), 2u);
        world.s.labels->close(path.path, world.now);
        world.run(ms(100));
    }
    EXPECT_EQ(world.m.labels->statistics().labels, 0u);
}

TEST(Hostile, TransitThatIsOffIsRefusedAndTheCapDrops) {
    Crossing world;
    Access access;
    access.set_transit({.mode = TransitRules::Mode::off});
    world.m.labels->access(&access);
    ASSERT_TRUE(world.s.labels->open(world.d.address(), world.init, world.now));
    world.run(ms(100));
    ASSERT_TRUE(world.s.last(PathKind::failed));
    EXPECT_EQ(world.s.last(PathKind::failed)->reason, NakReason::admin);
    EXPECT_EQ(world.s.last(PathKind::failed)->reporter, world.m.tag());
    EXPECT_EQ(world.m.labels->statistics().setups_forwarded, 0u);
    EXPECT_EQ(world.open(world.s, world.m).hops, 1);   // to the leaf itself, nothing is in transit

    access.set_transit({.mode = TransitRules::Mode::members, .rate = 1'000'000});
    const PathEvent opened = world.open(world.s, world.d);
    std::uint64_t through = 0;
    const Instant begun = world.now;
    for (int i = 0; i < 20'000; ++i) {   // 10 MB/s over two seconds
        through += world.send(world.s, opened, 1'000).size() == 2 ? 1'000 : 0;
        world.now = world.now + Duration::microseconds(100);
    }
    EXPECT_NEAR(double(through), 1e6 * double((world.now - begun).count()) / 1e9, 1e5);
    EXPECT_GT(world.m.labels->statistics().dropped[std::size_t(LabelDrop::transit)], 15'000u);
}

TEST(Hostile, LyingNakCostsTriesAndNoMore) {
    SwitchWorld world;
    SwitchNode &s = world.add(), &liar = world.add(), &b = world.add(), &d = world.add();
    world.join(s, liar), world.join(s, b), world.join(b, d);
    s.router.next_hops[0] = {liar.tag(), b.tag()};
    b.router.next_hops[0] = {d.tag()};
    world.wiretap = [&](SwitchNode& from, SwitchNode&, std::vector<std::byte>& body) {
        if (&from != &liar || Op(body[0]) != Op::setup_nak) return true;
        SetupNak lie = *SetupNak::parse(Bytes{body}.subspan(4));
        lie.tries_left = 255, lie.reason = 8, lie.accused = b.tag(), lie.reporter = d.tag();
        const Body bent = lie.body(true);
        std::copy(bent.begin() + 4, bent.end(), body.begin() + 4);
        return true;
    };
    const PathEvent opened = world.open(s, d);
    EXPECT_EQ(opened.visited, (std::vector<Tag>{b.tag()}));
}

TEST(Hostile, AMillionRandomBodiesNeitherCrashNorGrow) {
    Crossing world;
    const PathEvent theirs = world.open(world.s, world.d);
    std::mt19937_64 random{9};
    std::vector<Body> good;
    {
        SetupMessage setup = world.setup_of(world.e, world.d.address());
        setup.path = theirs.path;
        good.push_back(setup.body());
        SetupAck ack;
        ack.path = theirs.path, ack.forward_label = 0x101;
        good.push_back(ack.body());
        good.push_back(SetupNak{theirs.path, 2, 9, 1, 2}.body(true));
        const BrokenItem broken[] = {{theirs.path, 3}, {5, 3}};
        good.push_back(list_body<BrokenItem>(broken));
        const TeardownItem teardown[] = {{theirs.path}, {77}};
        good.push_back(list_body<TeardownItem>(teardown));
        const StaleItem stale[] = {{theirs.label}, {0x101}};
        good.push_back(list_body<StaleItem>(stale));
        const MtuItem mtu[] = {{theirs.path, 9}};
        good.push_back(list_body<MtuItem>(mtu));
        const GotItem got[] = {{1}, {2}};
        good.push_back(list_body<GotItem>(got));
    }
    const LinkNumber in = world.m.link_to(world.e);
    Switch& m = *world.m.labels;
    std::vector<std::byte> noise(64);
    for (unsigned i = 0; i < 1'000'000; ++i) {
        if (i % 16 == 0) {
            Body body = good[random() % good.size()];
            for (unsigned bends = unsigned(random() % 3); bends > 0; --bends)
                body[random() % body.size()] = std::byte(random());
            set_txid(body, std::uint16_t(random()));
            if (random() % 8 == 0) body.resize(random() % (body.size() + 1));
            m.receive_control(in, body, world.now);
        } else {
            const std::uint64_t word = random();
            noise[0] = std::byte(0x20 + word % 9), noise[1] = std::byte(word >> 8), noise[2] = std::byte(word >> 16);
            noise[3] = std::byte(word >> 24), noise[4 + (word >> 32) % 60] = std::byte(word >> 40);
            m.receive_control(in, Bytes{noise}.first((word >> 48) % 65), world.now);
        }
        if (i % 1'000 == 0) world.run(ms(1));
    }
    world.run(sec(20));
    EXPECT_EQ(world.m.labels->statistics().paths, 1u);
    EXPECT_EQ(world.m.labels->statistics().labels, 2u);
    EXPECT_EQ(world.send(world.s, theirs).size(), 2u);
    EXPECT_EQ(world.s.count(PathKind::broken) + world.s.count(PathKind::closed), 0u);
}

}  // namespace
}  // namespace weft::overlay
