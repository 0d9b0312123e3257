// Who comes late is told what is: the fold over all records that came and the fold over what is told again agree, whatever
// happens to a crowd of flows.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "stack/core/address_text.h"
#include "stack/core/replay.h"
#include "tests/engine/pair.h"
#include "tests/tcp/chronicle.h"

namespace weft::test {
namespace {

using trace::FlowState;
using trace::Replay;

trace::Sink into(Replay& replay, std::uint32_t classes = trace::all) {
    return {classes, &replay, [](void* self, const trace::Record& record) { static_cast<Replay*>(self)->apply(record); }};
}

// What is known of who lives, but for what is only sampled.
std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> facts(const Replay& replay) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> all;
    for (const FlowState& flow : replay.living()) {
        std::string text{trace::state_name(flow.state)};
        text += flow.known ? " " : " unknown ";
        text += weft::to_string(flow.local) + ":" + std::to_string(flow.begin.local_port) + " " +
                weft::to_string(flow.remote) + ":" + std::to_string(flow.begin.remote_port) + " path " +
                std::to_string(flow.begin.path);
        const bool no_more = flow.state == std::uint8_t(tcp::State::time_wait);  // of it the record may be all there is
        if (!no_more)
            text += " role " + std::to_string(flow.begin.role) + " " + flow.module.data() + " since " +
                    std::to_string(flow.begin.opened_ns);
        all.emplace(std::pair{flow.place, flow.generation}, text);
    }
    return all;
}

Replay told_again(const Engine& engine, Instant now, std::size_t most = 1'000'000) {
    Replay replay;
    std::uint32_t cursor = 0;
    while (engine.tell_flows(into(replay), cursor, most, now)) {}
    return replay;
}

// Flows from a to b that begin, talk and end as a seed decides, through loss.
struct Crowd : Pair {
    explicit Crowd(std::uint64_t seed)
        : Pair{{.time_wait = Duration::seconds(2), .time_wait_limit = 8, .syncookies = 0}}, draw{seed} {
        for (Engine* engine : {&a, &b}) heard(*engine).hear(*engine, now);
        lose = [this](std::uint64_t) { return draw() % 20 == 0; };
        listener = b.listen({{.local = {{}, 0, 80}, .user_timeout = Duration::seconds(200)}, 4}, now).value();
    }
    Chronicle& heard(Engine& engine) { return &engine == &a ? heard_a : heard_b; }

    void act() {
        const auto choose = [&](std::vector<Flow>& flows) { return flows[draw() % flows.size()]; };
        std::vector<Flow> of_a = a.flows(), of_b = b.flows();
        std::vector<std::byte> text(draw() % 20'000);
        switch (draw() % 9) {
        case 0:
        case 1:
            if (of_a.size() < 12) (void)a.connect({ipv4(2), 0, 80}, {.congestion = std::uint16_t(draw() % 2)}, now);
            break;
        case 2: (void)b.accept(*listener, now); break;
        case 3:
            if (!of_a.empty()) (void)a.write(choose(of_a), text, {}, now);
            break;
        case 4:
            if (!of_b.empty()) (void)b.write(choose(of_b), text, {}, now);
            break;
        case 5:
            for (const Flow flow : of_a) (void)a.read(flow, text, now);
            for (const Flow flow : of_b) (void)b.read(flow, text, now);
            break;
        case 6:
            if (!of_a.empty()) (void)a.shutdown(choose(of_a), Engine::Direction(draw() % 3), now);
            break;
        case 7:
            if (!of_b.empty()) (void)b.shutdown(choose(of_b), Engine::Direction(draw() % 3), now);
            break;
        default:
            if (draw() % 4 == 0 && !of_a.empty()) (void)a.abort(choose(of_a), now);
            else if (draw() % 4 == 0 && !of_b.empty()) (void)b.abort(choose(of_b), now);
        }
        if (draw() % 3 == 0) settle();
        if (draw() % 5 == 0) run(Duration::milliseconds(std::int64_t(draw() % 700)));
        (void)events(a), (void)events(b);
    }

    std::mt19937_64 draw;
    Chronicle heard_a, heard_b;
};

TEST(Tell, FoldOfAllRecordsIsWhatIsToldAgain) {
    std::size_t in_time_wait = 0, half_open = 0, most = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        Crowd crowd{seed};
        Replay all_a, all_b;
        std::size_t read_a = 0, read_b = 0;
        for (int step = 0; step < 300 && !testing::Test::HasFailure(); ++step) {
            crowd.act();
            for (; read_a < crowd.heard_a.records.size(); ++read_a) all_a.apply(crowd.heard_a.records[read_a]);
            for (; read_b < crowd.heard_b.records.size(); ++read_b) all_b.apply(crowd.heard_b.records[read_b]);
            if (step % 10 != 0) continue;
            const auto now_a = facts(told_again(crowd.a, crowd.now)), now_b = facts(told_again(crowd.b, crowd.now, 3));
            EXPECT_EQ(facts(all_a), now_a) << "seed " << seed << " step " << step;
            EXPECT_EQ(facts(all_b), now_b) << "seed " << seed << " step " << step;
            for (const auto& [name, text] : now_b) half_open += trace::is_half_open(name.first);
            in_time_wait += crowd.a.statistics().time_wait;
            most = std::max(most, now_a.size());
        }
        EXPECT_EQ(all_a.refused(), 0u);
        EXPECT_EQ(all_b.refused(), 0u);
    }
    EXPECT_GT(in_time_wait, 20u) << "the seeds bring all kinds";
    EXPECT_GT(half_open, 5u);
    EXPECT_GT(most, 5u);
}

TEST(Tell, EachIsToldOnceHoweverItIsDividedAndAddressesComeFirst) {
    Pair pair;
    const ListenerId bound = pair.b.listen({{.local = {ipv4(2), 0, 81}}}, pair.now).value();
    std::vector<Flow> flows;
    for (int i = 0; i < 20; ++i) flows.push_back(pair.open().first);
    for (const Flow flow : {flows[3], flows[11]}) (void)pair.a.abort(flow, pair.now);
    pair.settle();
    for (const std::size_t most : {std::size_t{1}, std::size_t{7}, std::size_t{10'000}}) {
        std::vector<trace::Record> records;
        const trace::Sink sink{trace::all, &records, [](void* to, const trace::Record& record) {
                                   static_cast<std::vector<trace::Record>*>(to)->push_back(record);
                               }};
        std::uint32_t cursor = 0;
        std::size_t calls = 1;
        for (; pair.b.tell_flows(sink, cursor, most, pair.now); ++calls) ASSERT_LT(calls, 1'000u);
        EXPECT_GE(calls * most, 21u);
        std::set<std::uint32_t> known, begun;
        std::size_t listening = 0;
        for (const trace::Record& record : records) {
            EXPECT_TRUE(record.flags & trace::snapshot_flag);
            EXPECT_EQ(record.t_ns, pair.now.nanoseconds());
            if (record.type == trace::Type::define) known.insert(trace::body_of<trace::Define>(record).id);
            if (record.type == trace::Type::state) {
                EXPECT_TRUE(begun.contains(record.flow));
                const auto body = trace::body_of<trace::StateChange>(record);
                EXPECT_EQ(body.from, body.to);
            }
            if (record.type != trace::Type::flow) continue;
            EXPECT_TRUE(begun.insert(record.flow).second) << "told twice";
            const auto body = trace::body_of<trace::FlowBegin>(record);
            const bool listener = trace::is_listener(record.flow);
            listening += listener;
            EXPECT_EQ(known.contains(body.local_id), !listener || body.local_port == 81);
            EXPECT_EQ(known.contains(body.remote_id), !listener);
        }
        EXPECT_EQ(listening, 2u);
        EXPECT_EQ(begun.size(), 20u) << "18 flows and two listeners";
    }
    EXPECT_TRUE(pair.b.unlisten(bound, pair.now));
}

TEST(Tell, CountersComeAgainOfThoseAloneThatChanged) {
    Pair pair;
    const auto [client, server] = pair.open();
    const auto [other, silent] = pair.open();
    Chronicle heard;
    pair.b.trace(heard.sink(trace::bit(trace::Type::counters)));
    const auto changed = [&] {
        heard.records.clear();
        std::uint32_t cursor = 0;
        while (pair.b.tell_counters(cursor, 1, pair.now)) {}
        std::set<std::uint32_t> places;
        for (const trace::Record& record : heard.records) {
            EXPECT_EQ(record.flags, 0);
            places.insert(record.flow);
        }
        return places;
    };
    std::uint32_t cursor = 0;
    while (pair.b.tell_flows(cursor, 100, pair.now)) {}
    EXPECT_EQ(heard.records.size(), 2u);
    EXPECT_EQ(changed(), std::set<std::uint32_t>{}) << "nothing happened since";
    ASSERT_TRUE(pair.a.write(client, std::vector<std::byte>(5'000), {}, pair.now));
    pair.settle();
    EXPECT_EQ(changed(), std::set{server.place});
    const auto body = trace::body_of<trace::Counters>(heard.records.at(0));
    EXPECT_EQ(body.bytes_in, 5'000u);
    EXPECT_EQ(body.bytes_out, 0u);
    EXPECT_EQ(body.receive_queue, 5'000u);
    EXPECT_EQ(body.segments_in, pair.b.inspect_cold(server)->segments_in);
    EXPECT_EQ(changed(), std::set<std::uint32_t>{});
    EXPECT_TRUE(pair.a.inspect(other) && pair.b.inspect(silent));
    pair.b.trace({});
    cursor = 0;
    EXPECT_FALSE(pair.b.tell_counters(cursor, 1, pair.now)) << "nobody wants them: nothing is looked at";
}

TEST(Tell, ChangesNothingThatTheEngineDoes) {
    const auto run = [](bool told) {
        Crowd crowd{5};
        for (Engine* engine : {&crowd.a, &crowd.b}) engine->trace({});
        for (int step = 0; step < 200; ++step) {
            crowd.act();
            if (!told) continue;
            for (Engine* engine : {&crowd.a, &crowd.b}) {
                engine->trace(step % 3 == 0 ? trace::Sink{} : crowd.heard(*engine).sink(~trace::bit(trace::Type::state)));
                std::uint32_t cursor = 0;
                while (engine->tell_flows(cursor, 4, crowd.now)) {}
                cursor = 0;
                while (engine->tell_counters(cursor, 4, crowd.now)) {}
            }
        }
        return std::pair{crowd.digest, crowd.segments};
    };
    EXPECT_EQ(run(false), run(true));
}

}  // namespace
}  // namespace weft::test
