// Sessions along label paths over real nodes: bytes arrive, forwarders know nothing of them, permissions hold, and whatever
// goes wrong on the way is said at once.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/node/process/line.h"

namespace weft::node {
namespace {

constexpr std::uint64_t unending = 1ull << 40;

TEST_F(Line, ThreeNodesCarryAFileBothWays) {
    make(3);
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(transfer(node(0), node(2), 7000, (4 << 20) + 7));
    ASSERT_NO_FATAL_FAILURE(transfer(node(2), node(0), 7001, (4 << 20) + 9));
    EXPECT_GT(counter(node(1), "forwarded_bytes"), 8u << 20);
    EXPECT_EQ(counter(node(0), "forwarded"), 0u);
    const Json path = node(0).call("path.get", {{"address", "c"}});
    EXPECT_EQ(path["state"], "up");
    EXPECT_EQ(path["kind"], "session");
    EXPECT_EQ(path["hops"], 2);
    EXPECT_EQ(path["next_hop"]["name"], "b");
    EXPECT_EQ(path["path"]["nodes"][0]["name"], "b") << path;
    EXPECT_TRUE(path["srtt_us"].is_number()) << path;
    const Json labels = node(1).call("label.list")["labels"];
    ASSERT_GE(labels.size(), 2u);
    for (const Json& label : labels) EXPECT_TRUE((label["in"] == "a" && label["out"] == "c") || label["in"] == "c");
}

TEST_F(Line, FiveNodesCarryAFileBothWays) {
    make(5);
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(transfer(node(0), node(4), 7000, (2 << 20) + 7));
    ASSERT_NO_FATAL_FAILURE(transfer(node(4), node(0), 7001, (2 << 20) + 9));
    for (std::size_t i = 1; i < 4; ++i) EXPECT_GT(counter(node(i), "forwarded_bytes"), 4u << 20);
    const Json path = node(0).call("path.get", {{"address", "e"}});
    EXPECT_EQ(path["hops"], 4);
    ASSERT_EQ(path["path"]["nodes"].size(), 3u) << path;
}

// ---- what a forwarder knows ----------------------------------------------------------------------------------------------

// How often a text stands in a process's memory. Pages that were never touched, and the sanitizer's terabytes, are left out.
class Memory {
public:
    explicit Memory(pid_t pid) : pid_{std::to_string(pid)} {
        memory_ = UniqueFd{::open(("/proc/" + pid_ + "/mem").c_str(), O_RDONLY | O_CLOEXEC)};
        pages_ = UniqueFd{::open(("/proc/" + pid_ + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC)};
    }
    bool readable() const { return memory_ && pages_; }
    std::uint64_t searched() const { return searched_; }  // bytes

    std::size_t count(std::string_view text) {
        std::ifstream maps{"/proc/" + pid_ + "/maps"};
        std::size_t found = 0;
        searched_ = 0;
        for (std::string line; std::getline(maps, line);) {
            std::uint64_t begin = 0, end = 0;
            char dash = 0;
            std::string rights;
            std::istringstream{line} >> std::hex >> begin >> dash >> end >> rights;
            if (rights.starts_with("r") && end - begin <= most) found += count_in(begin, end, text);
        }
        return found;
    }

private:
    static constexpr std::uint64_t page = 4'096, most = 8ull << 30;

    // Runs of pages that are there, each read whole.
    std::size_t count_in(std::uint64_t begin, std::uint64_t end, std::string_view text) {
        std::vector<std::uint64_t> entries((end - begin) / page);
        const ssize_t got = ::pread(pages_.get(), entries.data(), entries.size() * 8, off_t(begin / page * 8));
        if (got <= 0) return 0;
        entries.resize(std::size_t(got) / 8);
        std::size_t found = 0;
        for (std::size_t first = 0; first < entries.size();) {
            const auto there = [&](std::size_t i) { return (entries[i] >> 62) != 0; };  // present, or swapped
            std::size_t last = first;
            while (last < entries.size() && there(last)) ++last;
            if (last > first) found += count_run(begin + first * page, (last - first) * page, text);
            first = last + 1;
        }
        return found;
    }
    std::size_t count_run(std::uint64_t at, std::size_t size, std::string_view text) {
        std::string bytes(size, '\0');
        const ssize_t got = ::pread(memory_.get(), bytes.data(), size, off_t(at));
        if (got <= 0) return 0;  // a guard page
        searched_ += std::uint64_t(got);
        const std::string_view all{bytes.data(), std::size_t(got)};
        std::size_t found = 0;
        for (std::size_t where = 0; (where = all.find(text, where)) != std::string_view::npos; ++where) ++found;
        return found;
    }

    std::string pid_;
    UniqueFd memory_, pages_;
    std::uint64_t searched_{0};
};

TEST_F(Line, AForwardersMemoryAndLogNeverHoldThePlaintext) {
    make(3);
    ASSERT_NO_FATAL_FAILURE(start());
    const Ends ends = connect(node(0), node(2), 7000, milliseconds{15'000});
    ASSERT_TRUE(ends.sender && ends.receiver);
    std::mt19937_64 random{std::random_device{}()};
    std::string marker;
    while (marker.size() < 24) marker += char('A' + random() % 26);
    // The receiver reads only half of it: the rest lies in queues and buffers of both ends while we look.
    std::string text;
    while (text.size() < (1 << 20)) text += marker + ' ';
    std::thread sender{[&] {
        for (std::size_t at = 0; at < text.size();) {
            const ssize_t wrote = ::send(ends.sender.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL);
            if (wrote <= 0) return;
            at += std::size_t(wrote);
        }
    }};
    std::string half(text.size() / 2, '\0');
    EXPECT_EQ(::recv(ends.receiver.get(), half.data(), half.size(), MSG_WAITALL), ssize_t(half.size()));
    EXPECT_EQ(half, text.substr(0, half.size()));
    Memory ours{node(0).pid()}, forwarder{node(1).pid()}, theirs{node(2).pid()};
    const bool readable = ours.readable() && forwarder.readable() && theirs.readable();
    std::size_t at_ends = 0, between = 0;
    if (readable) {
        at_ends = ours.count(marker) + theirs.count(marker);
        between = forwarder.count(marker);
    }
    ::shutdown(ends.receiver.get(), SHUT_RDWR);
    sender.join();
    if (!readable) GTEST_SKIP() << "another process's memory needs CAP_SYS_PTRACE";
    EXPECT_GT(at_ends, 0u) << "or this search would find nothing anywhere";
    EXPECT_EQ(between, 0u);
    EXPECT_GT(forwarder.searched(), 1u << 20);
    EXPECT_GT(counter(node(1), "forwarded_bytes"), half.size());
    EXPECT_EQ(node(1).log().find(marker), std::string::npos);
    EXPECT_GT(node(1).log().size(), 100u) << "at debug level it says something";
}

// ---- what goes wrong is said at once -----------------------------------------------------------------------------------------

TEST_F(Line, RoutesThatFormALoopEndInAClearErrorAtTheCaller) {
    make(3);
    const NodeProcess nowhere{directory, "x"};
    const auto towards = [&](std::size_t i, std::string_view via) { configure(i, route(nowhere.address(), via)); };
    towards(0, "b"), towards(1, "c"), towards(2, "b");
    ASSERT_NO_FATAL_FAILURE(start());
    const Refused loop = refused(node(0), nowhere.address(), 7000);
    EXPECT_EQ(loop.cause, "unreachable");
    EXPECT_NE(loop.message.find("the configured next hops form a loop at"), std::string::npos) << loop.message;
    EXPECT_LT(loop.after, milliseconds{2'000});
}

TEST_F(Line, ANodeWithoutARouteIsNamedToTheCaller) {
    make(4);
    node(1).configure(node(0).peer_table(node(0).port()) + node(2).peer_table(node(2).port()));  // knows no way to d
    ASSERT_NO_FATAL_FAILURE(start());
    const Refused none = refused(node(0), "d", 7000);
    EXPECT_EQ(none.cause, "unreachable");
    EXPECT_NE(none.message.find("no route to d: b said so"), std::string::npos) << none.message;
    EXPECT_LT(none.after, milliseconds{2'000});
    const Refused own = refused(node(1), node(3).address(), 7000);
    EXPECT_EQ(own.cause, "unreachable");
    EXPECT_NE(own.message.find("[[route]]"), std::string::npos) << own.message;
    // The route is written down, and SIGHUP is enough.
    configure(1);
    node(1).signal(SIGHUP);
    ASSERT_TRUE(wait_until([&] { return node(1).call("route.lookup", {{"address", "d"}})["verdict"] == "forward"; }));
    EXPECT_EQ(node(1).call("route.lookup", {{"address", "d"}})["via_name"], "c");
    // Whoever was told "no route" a moment ago does not ask anew with every packet.
    ASSERT_TRUE(wait_until([&] { return refused(node(0), "d", 7000).cause == "prohibited"; }));
    ASSERT_NO_FATAL_FAILURE(transfer(node(0), node(3), 7000, 100'000));
}

TEST_F(Line, AFarEndThatIsNotThereEndsInAClearError) {
    make(3);
    ASSERT_NO_FATAL_FAILURE(start());
    node(2).kill();
    const Refused gone = refused(node(0), "c", 7000);
    EXPECT_TRUE(gone.cause == "unreachable" || gone.cause == "timed_out") << gone.cause;
    EXPECT_LT(gone.after, milliseconds{8'000});
    EXPECT_FALSE(gone.message.empty());
}

TEST_F(Line, AForwarderThatIsKilledAndComesBackCarriesTheFlowOn) {
    make(3);
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(node(0), node(2), 7000, milliseconds{15'000});
    ASSERT_TRUE(ends.sender && ends.receiver);
    constexpr std::uint64_t size = 6 << 20;
    begin_transfer(ends, size, 4 << 20);
    ASSERT_TRUE(wait_until([&] { return received >= 1 << 20; }));
    node(1).kill();
    std::this_thread::sleep_for(milliseconds{300});
    ASSERT_NO_FATAL_FAILURE(node(1).start());
    join();
    EXPECT_EQ(result.bytes, size);
    EXPECT_TRUE(result.equal && result.ended);
    EXPECT_GT(counter(node(1), "forwarded_bytes"), 0u) << "the new process carried the rest";
}

// ---- transit ---------------------------------------------------------------------------------------------------------------

TEST_F(Line, ALeafForwardsNothingAndTheCallerHearsThatItsOwnerSaysSo) {
    make(3);
    configure(1, "[transit]\nallow = \"off\"\n");
    ASSERT_NO_FATAL_FAILURE(start());
    const Refused leaf = refused(node(0), "c", 7000);
    EXPECT_EQ(leaf.cause, "unreachable");
    EXPECT_NE(leaf.message.find("b carries nothing for others"), std::string::npos) << leaf.message;
    EXPECT_LT(leaf.after, milliseconds{2'000});
    EXPECT_EQ(counter(node(1), "forwarded"), 0u);
    EXPECT_GT(counter(node(1), "transit_refused"), 0u);
    ASSERT_NO_FATAL_FAILURE(transfer(node(0), node(1), 7000, 100'000));  // it is reached itself
    ASSERT_NO_FATAL_FAILURE(transfer(node(1), node(2), 7000, 100'000));
    // The owner changes its mind: for c's traffic only, then for all.
    configure(1, "[transit]\nallow = \"listed\"\nfrom = \"c\"\n");
    node(1).signal(SIGHUP);
    ASSERT_TRUE(wait_until([&] { return node(1).call("access.get")["transit"]["allow"] == "listed"; }));
    EXPECT_EQ(refused(node(0), "c", 7000).cause, "unreachable");
    ASSERT_NO_FATAL_FAILURE(transfer(node(2), node(0), 7001, 100'000));
}

TEST_F(Line, TransitThatIsTakenAwayEndsThePathsThatLiveByIt) {
    make(3);
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(node(0), node(2), 7000, milliseconds{15'000});
    ASSERT_TRUE(ends.sender && ends.receiver);
    begin_transfer(ends, unending, 4 << 20);
    ASSERT_TRUE(wait_until([&] { return received >= 200'000; }));
    configure(1, "[transit]\nallow = \"off\"\n");
    node(1).signal(SIGHUP);
    ASSERT_TRUE(wait_until([&] { return node(1).call("label.list")["labels"].empty(); }));
    const std::uint64_t forwarded = counter(node(1), "forwarded");
    std::this_thread::sleep_for(milliseconds{300});
    EXPECT_EQ(counter(node(1), "forwarded"), forwarded);
    ::shutdown(ends.sender.get(), SHUT_RDWR);
    ::shutdown(ends.receiver.get(), SHUT_RDWR);
    join();
    EXPECT_TRUE(result.equal);
}

TEST_F(Line, ANeighboursTransitStaysUnderItsCap) {
    make(3);
    configure(1, "[transit]\nrate = \"16Mbit\"\n");
    ASSERT_NO_FATAL_FAILURE(start());
    Ends ends = connect(node(0), node(2), 7000, milliseconds{15'000});
    ASSERT_TRUE(ends.sender && ends.receiver);
    const std::uint64_t before = node(1).call("access.get")["transit"]["bytes"].get<std::uint64_t>();
    const auto begin = Clock::now();
    begin_transfer(ends, unending);
    ASSERT_TRUE(wait_until([&] { return received >= 1 << 20; }, milliseconds{30'000}));
    const Json transit = node(1).call("access.get")["transit"];
    const double seconds = double(since(begin).count()) / 1e3;
    // What came from a stays within cap and burst; c's acknowledgements, under a cap of their own, are a tenth of it at most.
    EXPECT_LE(double(transit["bytes"].get<std::uint64_t>() - before), 1.1 * 2'000'000 * (1.05 * seconds + 0.05));
    EXPECT_GT(transit["capped"].get<std::uint64_t>(), 0u);
    EXPECT_EQ(transit["bytes_per_s"], 2'000'000);
    ::shutdown(ends.sender.get(), SHUT_RDWR);
    ::shutdown(ends.receiver.get(), SHUT_RDWR);
    join();
    EXPECT_TRUE(result.equal);
}

// ---- reach -----------------------------------------------------------------------------------------------------------------

TEST_F(Line, APortThatNobodyOpenedIsRefusedAtOnceAlikeForEveryPort) {
    make(3);
    ASSERT_NO_FATAL_FAILURE(start());
    const Refused first = refused(node(0), "c", 7000), second = refused(node(0), "c", 22);
    EXPECT_EQ(first.cause, "prohibited") << first.message;
    EXPECT_EQ(second.cause, first.cause);
    EXPECT_NE(first.message.find("c lets this node reach no port 7000"), std::string::npos) << first.message;
    EXPECT_LT(second.after, milliseconds{2'000});
    const Refused neighbour = refused(node(1), "c", 7000);
    EXPECT_EQ(neighbour.cause, "prohibited") << "a neighbour is no friend";
    EXPECT_GE(node(2).call("access.get")["reach"]["refused"].get<std::uint64_t>(), 3u);
}

TEST_F(Line, ExposedPortsAreReachedByThoseWhoAreNamed) {
    make(3);
    configure(2, "[[expose]]\nport = 7000\nfrom = \"a\"\n[[expose]]\nport = 7001\n");
    ASSERT_NO_FATAL_FAILURE(start());
    EXPECT_EQ(refused(node(0), "c", 7001).cause, "refused") << "it is open, and nobody listens";
    ASSERT_NO_FATAL_FAILURE(transfer(node(0), node(2), 7000, 100'000));
    Client listener = node(2).client();
    ASSERT_TRUE(listener.call("flow.listen", {{"port", 7000}}, milliseconds{5'000}));
    EXPECT_EQ(refused(node(1), "c", 7000).cause, "prohibited") << "the rule names another, so the listener is not for b";
    ASSERT_NO_FATAL_FAILURE(transfer(node(1), node(2), 7002, 100'000));
}

TEST_F(Line, NewRulesDropNoFlowThatIsStillAllowed) {
    make(3);
    configure(2, "[[expose]]\nport = [7000, 7001]\n");
    ASSERT_NO_FATAL_FAILURE(start());
    Ends kept = connect(node(0), node(2), 7000, milliseconds{15'000});
    Ends ended = connect(node(0), node(2), 7001, milliseconds{15'000});
    ASSERT_TRUE(kept.sender && kept.receiver && ended.sender && ended.receiver);
    configure(2, "[[expose]]\nport = 7000\n[[expose]]\nport = 7001\nfrom = \"b\"\n");
    node(2).signal(SIGHUP);
    ASSERT_TRUE(wait_until([&] { return node(2).call("access.get")["reach"]["rules"][1]["from"] == "b"; }));
    begin_transfer(kept, 1 << 20);
    join();
    EXPECT_TRUE(result.equal && result.ended);
    const std::uint64_t before = node(2).call("access.get")["reach"]["refused"].get<std::uint64_t>();
    ASSERT_EQ(::send(ended.sender.get(), "hello", 5, MSG_NOSIGNAL), 5);
    ASSERT_TRUE(wait_until([&] { return node(2).call("access.get")["reach"]["refused"].get<std::uint64_t>() > before; }));
    char byte = 0;
    EXPECT_EQ(::recv(ended.receiver.get(), &byte, 1, MSG_DONTWAIT), -1);
}

}  // namespace
}  // namespace weft::node
