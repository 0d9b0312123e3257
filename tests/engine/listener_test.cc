// A listener that is a function: asked at each SYN with both endpoints, it accepts, refuses, drops, or says later; and listeners of
// any port and any address.
#include <gtest/gtest.h>

#include <utility>

#include "tests/engine/station.h"

namespace weft::test {
namespace {

constexpr Duration seconds(std::int64_t n) { return Duration::seconds(n); }

struct Asked : Station {
    explicit Asked(bool any_port = true, LinkOptions link = {}) : Station{link} {
        ListenOptions options;
        options.ask = true;
        options.any_port = any_port;
        if (!any_port) options.local.port = 80;
        listener = engine.listen(options, now).value();
    }
    std::vector<Sent> syn_to(const Address& to, std::uint16_t port, std::uint16_t from = 5'000, SeqNum seq = SeqNum{100}) {
        wire::TcpHeader header{from, port, seq, {}, wire::syn, 65'535, 0, 0, {}};
        header.options.mss = 1'460;
        return gets(tcp(to.family() == Family::ipv4 ? other4 : other6, to, header));
    }
    std::vector<Event> questions() {
        std::vector<Event> all;
        for (const Event& event : events())
            if (event.kind == Event::Kind::asked) all.push_back(event);
        return all;
    }
    // A SYN, nothing that leaves, and the one question about it.
    Event asks(const Address& to, std::uint16_t port) {
        EXPECT_TRUE(syn_to(to, port).empty());
        const auto all = questions();
        EXPECT_EQ(all.size(), 1u);
        return all.empty() ? Event{} : all.front();
    }
    // The peer's acknowledgement of our SYN,ACK.
    void acks(const Sent& answer, const Address& to) {
        const wire::TcpView said = answer.tcp();
        gets(tcp(other4, to,
                 {said.destination_port(), said.source_port(), said.ack(), said.seq() + 1, wire::ack, 65'535, 0, 0, {}}));
    }
    std::vector<Sent> says(const Event& question, Answer answer) {
        EXPECT_TRUE(engine.answer(question.question, answer, now));
        return sent();
    }
    ListenerId listener;
};

TEST(AskingListener, IsAskedWithBothEndpointsAndNothingLeavesBefore) {
    Asked s;
    const Event asked = s.asks(s.own4, 8'080);
    EXPECT_EQ(asked.listener, s.listener);
    const auto peers = s.engine.peers(asked.question);
    ASSERT_TRUE(peers);
    EXPECT_EQ(peers->local.address, s.own4);
    EXPECT_EQ(peers->local.port, 8'080);
    EXPECT_EQ(peers->remote.address, s.other4);
    EXPECT_EQ(peers->remote.port, 5'000);
    EXPECT_TRUE(s.wait(seconds(30)).empty());
    EXPECT_TRUE(s.questions().empty()) << "asked once";
}

TEST(AskingListener, AcceptSendsTheSynAckAndTheConnectionOpens) {
    Asked s;
    const Event asked = s.asks(s.own4, 443);
    const auto answer = s.says(asked, Answer::accept);
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].tcp().flags(), wire::syn | wire::ack);
    EXPECT_EQ(answer[0].tcp().ack(), SeqNum{101});
    s.acks(answer[0], s.own4);
    const auto flow = s.engine.accept(s.listener, s.now);
    ASSERT_TRUE(flow);
    EXPECT_EQ(s.engine.peers(*flow)->local.port, 443);
    EXPECT_FALSE(s.engine.answer(asked.question, Answer::refuse, s.now)) << "the question is no more";
    EXPECT_FALSE(s.engine.peers(asked.question));
}

TEST(AskingListener, RefuseIsAReset) {
    Asked s;
    const Event asked = s.asks(s.own6, 22);
    const auto answer = s.says(asked, Answer::refuse);
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].tcp().flags(), wire::rst | wire::ack);
    EXPECT_EQ(answer[0].tcp().ack(), SeqNum{101});
    EXPECT_EQ(s.engine.statistics().half_open, 0u);
}

TEST(AskingListener, DropIsSilenceAndTheNextSynIsAskedAboutAnew) {
    Asked s;
    const Event asked = s.asks(s.own4, 22);
    EXPECT_TRUE(s.says(asked, Answer::drop).empty());
    EXPECT_EQ(s.engine.statistics().half_open, 0u);
    s.syn_to(s.own4, 22);
    EXPECT_EQ(s.questions().size(), 1u);
}

TEST(AskingListener, LaterKeepsItUntilTheApplicationSaysSo) {
    Asked s;
    const Event asked = s.asks(s.own4, 80);
    EXPECT_TRUE(s.says(asked, Answer::later).empty());
    for (int i = 0; i < 3; ++i) {
        s.wait(seconds(3));
        EXPECT_TRUE(s.syn_to(s.own4, 80).empty()) << "the SYN again";
        EXPECT_TRUE(s.questions().empty()) << "it is not asked again";
    }
    const auto answer = s.says(asked, Answer::accept);
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].tcp().flags(), wire::syn | wire::ack);
    EXPECT_FALSE(s.wait(seconds(2)).empty()) << "and now it is sent again like any other";
}

TEST(AskingListener, WithoutAnAnswerEachSynAsksAgain) {
    Asked s;
    s.syn_to(s.own4, 80);
    s.syn_to(s.own4, 80);
    EXPECT_EQ(s.questions().size(), 1u) << "one question at a time";
    s.syn_to(s.own4, 80);
    EXPECT_EQ(s.questions().size(), 1u);
}

TEST(AskingListener, AQuestionEndsWithThePeersResetItsTimeOrItsListener) {
    Asked s;
    const auto gone = [&s](const Event& asked) { return !s.engine.answer(asked.question, Answer::accept, s.now); };
    Event asked = s.asks(s.own4, 80);
    s.gets(tcp(s.other4, s.own4, {5'000, 80, SeqNum{101}, {}, wire::rst, 0, 0, 0, {}}));
    EXPECT_TRUE(gone(asked));
    asked = s.asks(s.own4, 81);
    s.wait(seconds(301));
    EXPECT_TRUE(gone(asked));
    asked = s.asks(s.own4, 82);
    ASSERT_TRUE(s.engine.unlisten(s.listener, s.now));
    EXPECT_TRUE(gone(asked));
    EXPECT_EQ(s.engine.statistics().half_open, 0u);
    EXPECT_EQ(s.engine.statistics().paths, 0u);
}

TEST(AskingListener, TheBacklogBoundsQuestionsAndTheOldestGoes) {
    Asked s;
    for (std::uint16_t from = 1'000; from < 1'400; ++from) s.syn_to(s.own4, 80, from);
    EXPECT_EQ(s.engine.statistics().half_open, 128u);
    const auto asked = s.questions();
    EXPECT_EQ(asked.size(), 128u) << "those that went are not told";
    EXPECT_EQ(s.engine.peers(asked.front().question)->remote.port, 1'400 - 128);
}

TEST(AskingListener, ACopyOfTheEngineAsksTheSame) {
    Asked s;
    s.syn_to(s.own4, 80);
    Engine copy{s.engine};
    std::array<Event, 4> events;
    ASSERT_EQ(copy.events(events, s.now), 1u);
    EXPECT_EQ(events[0].kind, Event::Kind::asked);
    EXPECT_TRUE(copy.answer(events[0].question, Answer::accept, s.now));
    std::array<Transmit, 4> out;
    EXPECT_EQ(copy.transmit(out, s.now), 1u);
    EXPECT_EQ(s.questions().size(), 1u);
}

TEST(AnyPort, TakesWhatNoOtherListenerHas) {
    Station s{{}};
    ListenOptions any, one;
    any.any_port = true;
    one.local.port = 80;
    const ListenerId wide = s.engine.listen(any, s.now).value(), narrow = s.engine.listen(one, s.now).value();
    EXPECT_EQ(s.engine.listen(any, s.now).error(), Error::address_in_use);
    any.local.port = 5;
    EXPECT_EQ(s.engine.listen(any, s.now).error(), Error::invalid);
    const auto opens = [&](std::uint16_t port) {
        const auto answer = s.gets(tcp(s.other4, s.own4, {6'000, port, SeqNum{1}, {}, wire::syn, 65'535, 0, 0, {}}));
        s.gets(tcp(s.other4, s.own4, {6'000, port, SeqNum{2}, answer.at(0).tcp().seq() + 1, wire::ack, 65'535, 0, 0, {}}));
    };
    opens(80);
    opens(12'345);
    EXPECT_TRUE(s.engine.accept(narrow, s.now));
    EXPECT_FALSE(s.engine.accept(narrow, s.now));
    EXPECT_TRUE(s.engine.accept(wide, s.now));
    EXPECT_FALSE(s.engine.accept(wide, s.now));
    ASSERT_TRUE(s.engine.unlisten(wide, s.now));
    EXPECT_EQ(s.gets(tcp(s.other4, s.own4, {6'001, 99, SeqNum{1}, {}, wire::syn, 65'535, 0, 0, {}})).at(0).tcp().flags(),
              wire::rst | wire::ack);
}

TEST(AnyAddress, ALinkMayBringEveryAddressToUs) {
    Asked s{true, {.any_address = true}};
    const Address foreign = ip4(203, 0, 113, 9);
    const Event asked = s.asks(foreign, 25);
    EXPECT_EQ(s.engine.peers(asked.question)->local.address, foreign);
    const auto answer = s.says(asked, Answer::accept);
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].source(), foreign) << "it answers as who it was taken for";
    s.acks(answer[0], foreign);
    EXPECT_TRUE(s.engine.accept(s.listener, s.now));
    for (const Address& none : {ip4(224, 0, 0, 1), ip4(127, 0, 0, 1), ip4(255, 255, 255, 255)})
        EXPECT_TRUE(s.syn_to(none, 25).empty() && s.questions().empty());
}

TEST(AnyAddress, OtherLinksBringTheirOwnAlone) {
    Asked s;
    EXPECT_TRUE(s.syn_to(ip4(203, 0, 113, 9), 25).empty());
    EXPECT_TRUE(s.questions().empty());
    EXPECT_EQ(s.engine.statistics().half_open, 0u);
}

}  // namespace
}  // namespace weft::test
