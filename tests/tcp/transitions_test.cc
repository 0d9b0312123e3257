// RFC 9293, section 3.3.2: every transition of figure 5 and its notes that the engine can make, made and heard in the trace; and
// no other.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "tests/tcp/chronicle.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

using enum tcp::State;
using tcp::Cause;

// A peer whose engine is heard from the beginning, and that leaves nothing behind but listeners.
struct Walk {
    explicit Walk(const Opening& setup = {}) : peer{setup} { heard->hear(peer.engine(), peer.now); }

    // What was told since the last look.
    void told(std::initializer_list<Change> expected, Where where = Where::current()) {
        const std::vector<Change> some(heard->changes.begin() + std::ptrdiff_t(looked_), heard->changes.end());
        looked_ = heard->changes.size();
        std::string text, wanted;
        for (const Change& change : some) text += "\n  " + to_string(change);
        for (const Change& change : expected) wanted += "\n  " + to_string(change);
        const auto alike = [](const Change& a, const Change& b) {  // flags count where a test says them
            return a.from == b.from && a.to == b.to && a.cause == b.cause && (b.flags == 0 || a.flags == b.flags);
        };
        EXPECT_TRUE(std::equal(some.begin(), some.end(), expected.begin(), expected.end(), alike))
            << "at line " << where.line() << ": told" << text << "\nnot" << wanted;
    }
    void skip() { looked_ = heard->changes.size(); }

    // From an active OPEN to `state`. What the peer sent last is acknowledged.
    Walk& reaches(tcp::State state);

    std::unique_ptr<Chronicle> heard = std::make_unique<Chronicle>();
    Peer peer;

private:
    std::size_t looked_{0};
};

Opening active() { return {.active = true}; }

Walk& Walk::reaches(tcp::State state) {
    if (state == syn_sent) return peer.connects(), *this;
    if (state == syn_received) {
        peer.connects();
        peer.sends(syn());
        return *this;
    }
    peer.opens();
    if (state == close_wait || state == last_ack) {
        peer.sends(fin());
        if (state == last_ack) peer.closes();
    }
    if (state == fin_wait_1 || state == fin_wait_2 || state == closing || state == time_wait) {
        peer.closes();
        if (state == closing) peer.sends(fin().ack(peer.seen_end() - 1));
        if (state == fin_wait_2 || state == time_wait) peer.sends(ack());
        if (state == time_wait) peer.sends(fin());
    }
    EXPECT_EQ(peer.state(), state);
    peer.ignores_what_was_sent();
    return *this;
}

constexpr std::array living{syn_sent, syn_received, established, fin_wait_1, fin_wait_2, close_wait, closing, last_ack};

// The walk, and all that it told.
void walks(Chronicle& all, const Opening& setup, const std::function<void(Walk&)>& steps) {
    Walk walk{setup};
    steps(walk);
    for (const Change& change : walk.heard->changes) all.changes.push_back(change);
}

void opening_and_closing(Chronicle& all) {
    walks(all, {}, [](Walk& walk) {
        walk.peer.listens();
        walk.told({{closed, listen, Cause::call}});
        EXPECT_TRUE(walk.peer.engine().unlisten(walk.peer.listener(), walk.peer.now));
        walk.told({{listen, closed, Cause::call}});
        EXPECT_EQ(walk.heard->living(), 0u);
    });
    walks(all, active(), [](Walk& walk) {  // figure 12, A
        walk.peer.opens();
        walk.told({{closed, syn_sent, Cause::call}, {syn_sent, established, Cause::segment, wire::syn | wire::ack}});
        walk.peer.closes();
        walk.told({{established, fin_wait_1, Cause::call}});
        walk.peer.sends(ack());
        walk.told({{fin_wait_1, fin_wait_2, Cause::segment, wire::ack}});
        walk.peer.sends(fin());
        walk.told({{fin_wait_2, time_wait, Cause::segment, wire::fin | wire::ack}});
        walk.peer.after(seconds(61));
        walk.told({{time_wait, closed, Cause::timer}});
        EXPECT_EQ(walk.heard->living(), 0u);
    });
    walks(all, {}, [](Walk& walk) {  // figure 12, B
        walk.peer.opens();
        walk.told({{closed, listen, Cause::call},
                   {listen, syn_received, Cause::segment, wire::syn},
                   {syn_received, established, Cause::segment, wire::ack}});
        walk.peer.sends(fin());
        walk.told({{established, close_wait, Cause::segment, wire::fin | wire::ack}});
        walk.peer.closes();
        walk.told({{close_wait, last_ack, Cause::call}});
        walk.peer.sends(ack());
        walk.told({{last_ack, closed, Cause::segment, wire::ack}});
        EXPECT_EQ(walk.heard->living(), 1u) << "the listener";
    });
    walks(all, active(), [](Walk& walk) {  // figure 13
        walk.reaches(fin_wait_1).skip();
        walk.peer.sends(fin().ack(walk.peer.seen_end() - 1));
        walk.told({{fin_wait_1, closing, Cause::segment, wire::fin | wire::ack}});
        walk.peer.sends(ack());
        walk.told({{closing, time_wait, Cause::segment, wire::ack}});
    });
    walks(all, active(), [](Walk& walk) {  // note 2
        walk.reaches(fin_wait_1).skip();
        walk.peer.sends(fin().length(100));
        walk.told({{fin_wait_1, time_wait, Cause::segment, wire::fin | wire::ack}});
        EXPECT_EQ(walk.peer.reads(), 100u);
    });
    walks(all, active(), [](Walk& walk) {  // figure 7
        walk.peer.connects();
        walk.skip();
        walk.peer.sends(syn());
        walk.told({{syn_sent, syn_received, Cause::segment, wire::syn}});
        walk.peer.sends(ack());
        walk.told({{syn_received, established, Cause::segment, wire::ack}});
    });
}

void back_to_listen(Chronicle& all) {
    const auto half_open = [](Walk& walk) {
        walk.peer.listens();
        walk.peer.sends(syn());
        walk.skip();
    };
    walks(all, {}, [&](Walk& walk) {  // note 1
        half_open(walk);
        walk.peer.sends(rst());
        walk.told({{syn_received, listen, Cause::segment, wire::rst}});
        EXPECT_EQ(walk.heard->living(), 1u) << "the listener";
    });
    walks(all, {}, [&](Walk& walk) {
        half_open(walk);
        walk.peer.after(seconds(400));
        walk.told({{syn_received, listen, Cause::timer}});
    });
    walks(all, {}, [&](Walk& walk) {
        half_open(walk);
        walk.peer.sends(syn().seq(walk.peer.peer_next() + 10));
        walk.told({{syn_received, listen, Cause::segment, wire::syn}});
    });
    Opening small;
    small.options.backlog = 1;
    small.config.syncookies = 0;  // else the second is answered without a record
    walks(all, small, [&](Walk& walk) {
        half_open(walk);
        walk.peer.begins_anew(2'000, SeqNum{100});
        walk.peer.sends(syn());
        walk.told({{syn_received, listen, Cause::room}, {listen, syn_received, Cause::segment, wire::syn}});
    });
    walks(all, {}, [&](Walk& walk) {
        half_open(walk);
        EXPECT_TRUE(walk.peer.engine().unlisten(walk.peer.listener(), walk.peer.now));
        walk.told({{listen, closed, Cause::call}, {syn_received, closed, Cause::call}});
        EXPECT_EQ(walk.heard->living(), 0u);
    });
    walks(all, {}, [&](Walk& walk) {  // its ACK lacks the timestamps that were agreed upon: it is none
        half_open(walk);
        walk.peer.sends(ack().no_timestamps());
        walk.told({});
        walk.peer.sends(rst());
        walk.told({{syn_received, listen, Cause::segment, wire::rst}});
        EXPECT_EQ(walk.heard->living(), 1u);
    });
}

void resets_and_aborts(Chronicle& all) {
    for (const tcp::State state : living) {
        SCOPED_TRACE(tcp::to_string(state));
        walks(all, active(), [&](Walk& walk) {
            walk.reaches(state).skip();
            walk.peer.aborts();
            walk.told({{state, closed, Cause::call}});
            EXPECT_EQ(walk.heard->living(), 0u);
        });
        walks(all, active(), [&](Walk& walk) {
            walk.reaches(state).skip();
            walk.peer.sends(state == syn_sent ? rst_ack() : rst());
            const int flags = state == syn_sent ? wire::rst | wire::ack : wire::rst;
            walk.told({{state, closed, Cause::segment, std::uint16_t(flags)}});
            EXPECT_EQ(walk.heard->living(), 0u);
        });
    }
    for (const tcp::State state : {syn_sent, syn_received, established, fin_wait_1, close_wait, closing, last_ack}) {
        SCOPED_TRACE(tcp::to_string(state));
        Opening patient = active();
        patient.options.user_timeout = seconds(200);
        walks(all, patient, [&](Walk& walk) {  // section 3.10.8
            walk.reaches(state);
            if (state == established || state == close_wait) walk.peer.writes(10);
            walk.skip();
            walk.peer.watches = false;
            walk.peer.after(seconds(1'000));
            walk.told({{state, closed, Cause::timer}});
        });
    }
    walks(all, active(), [](Walk& walk) {
        walk.reaches(syn_sent).skip();
        walk.peer.shuts(Engine::Direction::both);
        walk.told({{syn_sent, closed, Cause::call}});
    });
    walks(all, {.family = Family::overlay, .active = true}, [](Walk& walk) {
        walk.reaches(syn_sent).skip();
        walk.peer.engine().path_unreachable(walk.peer.path(), walk.peer.now);
        walk.told({{syn_sent, closed, Cause::path}});
    });
    walks(all, active(), [](Walk& walk) {  // nobody waits for an orphan for ever
        walk.peer.opens();
        walk.peer.shuts(Engine::Direction::both);
        walk.peer.sends(ack());
        walk.skip();
        walk.peer.after(seconds(200));
        walk.told({{fin_wait_2, closed, Cause::timer}});
    });
}

void out_of_time_wait(Chronicle& all) {
    walks(all, active(), [](Walk& walk) {
        walk.reaches(time_wait).skip();
        walk.peer.reads_the_end();
        EXPECT_TRUE(walk.peer.gone());
        walk.peer.sends(rst());
        walk.told({{time_wait, closed, Cause::segment, wire::rst}});
        EXPECT_EQ(walk.heard->living(), 0u);
    });
    Opening small;
    small.config.time_wait_limit = 1;
    walks(all, small, [](Walk& walk) {
        walk.peer.listens();
        for (const std::uint16_t port : std::array<std::uint16_t, 2>{1'001, 1'002}) {
            walk.peer.begins_anew(port, SeqNum{100});
            walk.peer.sends(syn());
            walk.peer.sends(ack());
            ASSERT_TRUE(walk.peer.accepts());
            walk.peer.closes();
            walk.skip();
            walk.peer.sends(fin());
            walk.peer.reads_the_end();
        }
        walk.told({{time_wait, closed, Cause::room}, {fin_wait_1, time_wait, Cause::segment}});
    });
    walks(all, {}, [](Walk& walk) {  // MAY-2
        walk.peer.opens();
        walk.peer.closes();
        walk.peer.sends(fin());
        walk.peer.reads_the_end();
        walk.skip();
        walk.peer.after(ms(500));
        walk.peer.begins_anew(Peer::peer_port, walk.peer.peer_next() + 100'000);
        walk.peer.sends(syn());
        walk.told({{time_wait, closed, Cause::segment, wire::syn}, {listen, syn_received, Cause::segment, wire::syn}});
    });
    walks(all, active(), [](Walk& walk) {  // its TIME-WAIT is over before the end was read: CLOSED is told once
        walk.reaches(time_wait).skip();
        walk.peer.after(seconds(61));
        walk.told({{time_wait, closed, Cause::timer}});
        walk.peer.reads_the_end();
        walk.told({});
    });
}

TEST(Transitions, EngineMakesEachThatTheTableListsAndNoOther) {
    Chronicle all;
    opening_and_closing(all);
    back_to_listen(all);
    resets_and_aborts(all);
    out_of_time_wait(all);
    std::set<std::pair<std::uint8_t, std::uint8_t>> listed;
    for (const trace::Transition& each : trace::transitions)
        if (each.made) listed.emplace(each.from, each.to);
    for (const auto& [from, to] : listed)
        EXPECT_TRUE(all.pairs().contains({from, to}))
            << "nobody walked " << trace::state_name(from) << " -> " << trace::state_name(to);
    EXPECT_EQ(all.pairs(), listed);
}

TEST(Transitions, TableNamesEachPairOnceAndSaysWhereTheRfcHasIt) {
    std::set<std::pair<std::uint8_t, std::uint8_t>> pairs;
    std::set<std::uint8_t> states;
    std::size_t drawn = 0, notes = 0;
    for (const trace::Transition& each : trace::transitions) {
        EXPECT_TRUE(pairs.emplace(each.from, each.to).second) << trace::state_name(each.from) << " twice";
        states.insert({each.from, each.to});
        EXPECT_TRUE(each.section.starts_with("3.10.")) << each.section;
        EXPECT_FALSE(each.event.empty());
        EXPECT_TRUE(each.made || !each.remark.empty()) << "who draws it wants to know why it is never taken";
        drawn += each.kind == trace::TransitionKind::figure;
        notes += each.kind == trace::TransitionKind::note;
        EXPECT_EQ(each.kind == trace::TransitionKind::reset, trace::transition_of(each.from, each.to) >= 21);
    }
    EXPECT_EQ(states.size(), trace::state_names.size());
    EXPECT_EQ(drawn, 20u);
    EXPECT_EQ(notes, 1u);
    for (const tcp::State state : living) {  // note 3: a reset leads from any state to CLOSED
        EXPECT_LT(trace::transition_of(std::uint8_t(state), 0), trace::transitions.size()) << tcp::to_string(state);
    }
    EXPECT_EQ(trace::transition_of(std::uint8_t(listen), std::uint8_t(established)), trace::transitions.size());
}

// No half-open record was there before, and so nothing moves.
TEST(Transitions, ConnectionBornOfASynCookieComesOfListenByTheAckThatBringsIt) {
    Opening setup;
    setup.config.syncookies = 2;
    Walk walk{setup};
    walk.peer.listens();
    walk.skip();
    walk.peer.sends(syn());
    walk.told({});
    walk.peer.sends(ack().ack(walk.peer.sees(syn_ack()).seq + 1));
    walk.told({{listen, syn_received, Cause::segment, wire::ack}, {syn_received, established, Cause::segment, wire::ack}});
    EXPECT_TRUE(walk.peer.accepts());
}

TEST(Transitions, ConnectionBornOfAFastOpenCookieComesOfListenByItsSyn) {
    Opening setup{.scale = {}, .timestamps = false};
    setup.options.fast_open = true;
    Walk walk{setup};
    walk.peer.listens();
    walk.peer.sends(syn().raw_options({34, 2, 1, 1}));
    const auto cookie = walk.peer.sees(syn_ack()).options.fast_open.value().cookie;
    walk.peer.sends(rst().seq(walk.peer.peer_next()));
    walk.skip();
    walk.peer.begins_anew(50'000, SeqNum{1});
    std::vector<std::uint8_t> option{34, 10};
    for (std::size_t i = 0; i < 8; ++i) option.push_back(std::to_integer<std::uint8_t>(cookie[i]));
    walk.peer.sends(syn().raw_options(option).length(100));
    walk.told({{listen, syn_received, Cause::segment, wire::syn}});
    walk.peer.sends(ack().ack(walk.peer.sees(syn_ack()).seq + 1));
    walk.told({{syn_received, established, Cause::segment, wire::ack}});
}

// Figure 5, note 2, where it does not hold: text or the FIN itself cannot be taken with the segment.
TEST(Transitions, FinThatCannotBeTakenYetLeavesFinWait1ByTheAckAlone) {
    Walk walk{active()};
    walk.reaches(fin_wait_1).skip();
    const SeqNum begin = walk.peer.peer_next();
    walk.peer.sends(fin().seq(begin + 100).length(10));  // behind a hole
    walk.told({{fin_wait_1, fin_wait_2, Cause::segment, wire::fin | wire::ack}});
    walk.peer.sends(data(100).seq(begin));
    walk.told({{fin_wait_2, time_wait, Cause::segment, wire::ack}});
    EXPECT_EQ(walk.peer.reads(), 110u);
}

}  // namespace
}  // namespace weft::test
