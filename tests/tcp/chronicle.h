// Reads the trace records of one engine as they come and holds them to what the schema promises: who begins is told first,
// states follow each other without a gap, each change is one that the state diagram has, and nothing comes after the end.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "stack/core/trace_sink.h"
#include "stack/core/transitions.h"
#include "stack/engine/engine.h"
#include "stack/tcp/host.h"
#include "stack/tcp/tcb.h"

namespace weft::test {

struct Change {
    tcp::State from, to;
    tcp::Cause cause;
    std::uint16_t flags{0};  // of the segment
    friend bool operator==(const Change&, const Change&) = default;
};

inline std::string to_string(const Change& change) {
    return std::string{tcp::to_string(change.from)} + " -> " + std::string{tcp::to_string(change.to)} + " (" +
           std::string{trace::cause_name(std::uint8_t(change.cause))} + ")";
}

class Chronicle {
public:
    // From now on all of it; what is there already is told again.
    void hear(Engine& engine, Instant now, std::uint32_t classes = trace::all) {
        engine.trace(sink(classes));
        std::uint32_t cursor = 0;
        while (engine.tell_flows(cursor, 64, now)) {}
    }

    trace::Sink sink(std::uint32_t classes = trace::all) {
        return {classes, this, [](void* self, const trace::Record& record) { static_cast<Chronicle*>(self)->take(record); }};
    }

    void take(const trace::Record& record) {
        records.push_back(record);
        if (record.type == trace::Type::define) defined_.insert(trace::body_of<trace::Define>(record).id);
        if ((record.flags & trace::snapshot_flag) != 0) return;
        if (record.type == trace::Type::flow) begin(record);
        if (record.type == trace::Type::state) change(record);
    }

    std::vector<trace::Record> of(trace::Type type) const {
        std::vector<trace::Record> some;
        for (const trace::Record& record : records)
            if (record.type == type) some.push_back(record);
        return some;
    }
    template <class Body>
    std::vector<Body> bodies(trace::Type type) const {
        std::vector<Body> some;
        for (const trace::Record& record : of(type)) some.push_back(trace::body_of<Body>(record));
        return some;
    }

    std::set<std::pair<std::uint8_t, std::uint8_t>> pairs() const {
        std::set<std::pair<std::uint8_t, std::uint8_t>> all;
        for (const Change& each : changes) all.emplace(std::uint8_t(each.from), std::uint8_t(each.to));
        return all;
    }
    std::size_t living() const { return living_.size(); }

    std::vector<trace::Record> records;
    std::vector<Change> changes;  // without those that are told again

private:
    using Name = std::pair<std::uint32_t, std::uint32_t>;  // place, generation

    void begin(const trace::Record& record) {
        const auto body = trace::body_of<trace::FlowBegin>(record);
        const bool listens = trace::is_listener(record.flow);
        for (const std::uint32_t id : {body.local_id, body.remote_id})
            EXPECT_TRUE(defined_.contains(id) || (listens && id == trace::no_id)) << "an address that nobody told: " << id;
        EXPECT_EQ(body.role == 2, listens);
        EXPECT_LT(body.role, 3) << "only who is told again is in TIME-WAIT and nothing more";
        EXPECT_EQ(body.opened_ns, listens ? 0 : record.t_ns);
        const bool comes_of_listener = trace::is_half_open(record.flow) || body.role == 1;
        const auto first = comes_of_listener ? tcp::State::listen : tcp::State::closed;
        EXPECT_TRUE(living_.try_emplace({record.flow, body.generation}, first).second) << "begins twice";
    }

    void change(const trace::Record& record) {
        const auto body = trace::body_of<trace::StateChange>(record);
        const Change told{tcp::State(body.from), tcp::State(body.to), tcp::Cause(body.cause), body.segment_flags};
        const Name name{record.flow, body.generation};
        const auto found = living_.find(name);
        ASSERT_NE(found, living_.end()) << to_string(told) << " of what did not begin, or is over: " << record.flow;
        if ((record.flags & trace::moved_flag) != 0) {
            EXPECT_EQ(told.from, tcp::State::syn_received);
            EXPECT_EQ(told.to, tcp::State::syn_received);
            EXPECT_NE(moving_, trace::is_half_open(record.flow)) << "first of the record, then of the connection";
            moving_ = trace::is_half_open(record.flow);
            if (moving_) living_.erase(found);
            else found->second = told.to;
            return;
        }
        EXPECT_EQ(told.from, found->second) << to_string(told) << " leaves out something";
        const std::size_t edge = trace::transition_of(body.from, body.to);
        EXPECT_LT(edge, trace::transitions.size()) << to_string(told) << " is no edge of the diagram";
        if (edge < trace::transitions.size()) { EXPECT_TRUE(trace::transitions[edge].made) << to_string(told); }
        if (told.cause != tcp::Cause::segment) { EXPECT_EQ(told.flags, 0) << to_string(told); }
        changes.push_back(told);
        found->second = told.to;
        const bool over =
            told.to == tcp::State::closed || (told.to == tcp::State::listen && !trace::is_listener(record.flow));
        if (over) living_.erase(found);
    }

    std::map<Name, tcp::State> living_;
    std::set<std::uint32_t> defined_;
    bool moving_{false};
};

}  // namespace weft::test
