// Services inside the node, asked by a program behind another shard.
#include "node/service.h"

#include "tests/node/two_shards.h"

namespace weft::node {
namespace {

class Services : public Shards {
protected:
    // A flow of a's to the service at b's port.
    void ask(Seen& seen, std::uint16_t port) {
        ASSERT_TRUE(a->connect(b->address(), port, {}, seen.callbacks()));
        ASSERT_TRUE(run_until([&] { return seen.opened; }));
    }
    bool over(const Seen& seen) {
        return run_until([&] { return seen.ended && a->finished() && b->finished(); });
    }
};

TEST_F(Services, EchoSendsBackWhatComesAndEndsWhenTheClientEnds) {   // RFC 862
    ASSERT_TRUE(b->serve(7, echo_service(), {}));
    Seen seen;
    ASSERT_NO_FATAL_FAILURE(ask(seen, 7));
    const std::string bytes = noise(5 << 20, 1);
    std::string got;
    std::size_t sent = 0;
    bool shut = false;
    ASSERT_TRUE(run_until([&] {
        put(seen.fd, bytes, sent);
        if (sent == bytes.size() && !std::exchange(shut, true)) ::shutdown(seen.fd.get(), SHUT_WR);
        return get(seen.fd, got);
    }));
    EXPECT_TRUE(got == bytes);
    ASSERT_TRUE(over(seen));
    EXPECT_FALSE(seen.error);
    expect_memory_at_base();
}

TEST_F(Services, EchoIsHeldBackByAClientThatDoesNotRead) {
    ASSERT_TRUE(b->serve(7, echo_service(), {}));
    Seen seen;
    ASSERT_NO_FATAL_FAILURE(ask(seen, 7));
    const std::string bytes = noise(16 << 20, 2);
    std::size_t sent = 0, last = 0;
    Instant since = monotonic_now();
    ASSERT_TRUE(run_until([&] {
        put(seen.fd, bytes, sent);
        if (std::exchange(last, sent) != sent) since = monotonic_now();
        return monotonic_now() > since + Duration::milliseconds(300);
    }));
    EXPECT_LT(sent, 12u << 20) << "the echo kept what it could not send back";
    seen.fd.reset();
    ASSERT_TRUE(over(seen));
    expect_memory_at_base();
}

TEST_F(Services, DiscardReadsAllAndSaysNothing) {   // RFC 863
    ASSERT_TRUE(b->serve(9, discard_service(), {}));
    Seen seen;
    ASSERT_NO_FATAL_FAILURE(ask(seen, 9));
    const std::string bytes = noise(4 << 20, 3);
    std::string got;
    std::size_t sent = 0;
    ASSERT_TRUE(run_until([&] {
        put(seen.fd, bytes, sent);
        return sent == bytes.size();
    }));
    ::shutdown(seen.fd.get(), SHUT_WR);
    ASSERT_TRUE(run_until([&] { return get(seen.fd, got); }));
    EXPECT_EQ(got, "");
    ASSERT_TRUE(over(seen));
    EXPECT_EQ(seen.report.bytes_out, bytes.size());
}

TEST_F(Services, ASourceSendsUntilItsClientEnds) {
    ASSERT_TRUE(b->serve(19, source_service(), {}));
    Seen seen;
    ASSERT_NO_FATAL_FAILURE(ask(seen, 19));
    std::string got;
    ASSERT_TRUE(run_until([&] {
        get(seen.fd, got);
        return got.size() > (4u << 20);
    }));
    ::shutdown(seen.fd.get(), SHUT_WR);
    ASSERT_TRUE(run_until([&] { return get(seen.fd, got); }));
    EXPECT_EQ(got.find_first_not_of('\0'), std::string::npos);
    ASSERT_TRUE(over(seen));
    EXPECT_FALSE(seen.error);
}

TEST_F(Services, AFactoryThatMakesNothingResetsTheFlow) {
    ASSERT_TRUE(b->serve(7, [](Flow, const Peers&, Instant) { return nullptr; }, {}));
    Seen seen;
    ASSERT_TRUE(a->connect(b->address(), 7, {}, seen.callbacks()));
    ASSERT_TRUE(over(seen));
    EXPECT_EQ(seen.error, Error::reset);
}

// Waits, and says when its shard ran it.
class Sleeper final : public Service {
public:
    Sleeper(Flow flow, Instant now, std::vector<Instant>& runs) : Service{flow}, due_{now + pause}, runs_{runs} {}
    Progress run(Engine&, BufferPool&, Instant now) override {
        if (over_) return Progress::ended;
        runs_.push_back(now);
        if (now < due_) return Progress::waiting;
        due_ = now + pause;
        return runs_.size() < 4 ? Progress::waiting : Progress::aborted;
    }
    void finish() override {}
    Instant deadline() const override { return due_; }

    static constexpr Duration pause = Duration::milliseconds(30);

private:
    Instant due_;
    std::vector<Instant>& runs_;
};

TEST_F(Services, AServiceIsRunWhenItsDeadlineComesAndMayAbort) {
    std::vector<Instant> runs;
    const auto factory = [&](Flow flow, const Peers&, Instant now) { return std::make_unique<Sleeper>(flow, now, runs); };
    ASSERT_TRUE(b->serve(7, factory, {}));
    Seen seen;
    ASSERT_NO_FATAL_FAILURE(ask(seen, 7));
    ASSERT_TRUE(over(seen));
    EXPECT_EQ(seen.error, Error::reset);
    ASSERT_EQ(runs.size(), 4u);   // once when it came, thrice by its deadline
    for (std::size_t i = 1; i < runs.size(); ++i) EXPECT_GE(runs[i], runs[i - 1] + Sleeper::pause);
}

TEST_F(Services, AFlowWithAServiceEndsInOrderWhenTheNodeStops) {
    ASSERT_TRUE(b->serve(7, echo_service(), {}));
    Seen seen;
    ASSERT_NO_FATAL_FAILURE(ask(seen, 7));
    std::string got;
    b->finish();
    ASSERT_TRUE(run_until([&] { return get(seen.fd, got); }));
    seen.fd.reset();
    ASSERT_TRUE(over(seen));
    EXPECT_FALSE(seen.error);
}

}  // namespace
}  // namespace weft::node
