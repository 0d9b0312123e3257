// The session loop (see cli_session.h). That all bytes came is the node's word, flow.ended without an error: the end of the
// stream alone looks the same when the node dies.
#include "node/cli_session.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <utility>

#include <fmt/core.h>

#include "node/cli_copy.h"
#include "node/cli_progress.h"

namespace weft::node {
namespace {

using Clock = std::chrono::steady_clock;

// After both ways ended the last acknowledgement is on its way: a few round trips, or retransmissions of our FIN.
constexpr std::chrono::seconds confirmation_time{60};

volatile std::sig_atomic_t interrupted_by = 0;  // a signal's number, once

// While it lives, SIGINT, SIGTERM and SIGHUP end a session in order, unless the caller had them ignored.
class Interrupts {
public:
    Interrupts() {
        interrupted_by = 0;
        struct sigaction action{};
        action.sa_handler = [](int number) { interrupted_by = number; };
        for (std::size_t i = 0; i < signals.size(); ++i) {
            ::sigaction(signals[i], nullptr, &before_[i]);
            if (before_[i].sa_handler != SIG_IGN) ::sigaction(signals[i], &action, nullptr);
        }
    }
    ~Interrupts() {
        for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before_[i], nullptr);
    }
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;

private:
    static constexpr std::array<int, 3> signals{SIGINT, SIGTERM, SIGHUP};
    std::array<struct sigaction, 3> before_{};
};

class Session {
public:
    Session(OpenFlow& flow, FlowEvents& events, const SessionPlan& plan, const Console& console)
        : flow_{flow}, events_{events}, plan_{plan}, start_{Clock::now()}, progress_{console, plan.expected, start_},
          copy_{flow.stream.get(), plan.input, plan.output} {}

    SessionResult run() {
        while (!over()) wait();
        const std::optional<Problem> found = problem();
        if (found && !ended_ && !lost_) events_.abort(flow_.id);
        copy_.stop();
        progress_.clear();
        return result(found);
    }

private:
    bool over() {
        const Clock::time_point now = Clock::now();
        if (!lost_) lost_ = !events_.take(std::chrono::milliseconds{0});
        if (!ended_) ended_ = events_.ended(flow_.id);
        const bool in_ended = copy_.in().ended;
        const std::uint64_t moved = copy_.in().bytes + copy_.out().bytes;
        if (moved != moved_ || (in_ended && !in_was_ended_)) quiet_since_ = now;
        moved_ = moved;
        progress_.update(moved, now);
        if (in_ended && !in_was_ended_) close_after_peer();
        in_was_ended_ = in_ended;
        const bool out_ended = closed_out_ || copy_.out().ended;
        if (fault() != nullptr || interrupted_by != 0) return true;
        if (in_ended && (ended_ || lost_)) return true;
        if (in_ended && out_ended && !both_ended_) both_ended_ = now;
        if (both_ended_ && now - *both_ended_ > confirmation_time) return unconfirmed_ = true;
        if (plan_.timeout.count() > 0 && !both_ended_ && now - quiet_since_ > plan_.timeout) return idle_ = true;
        return false;
    }

    // With nothing to send, or a person at the keyboard, the peer's end is ours as well.
    void close_after_peer() {
        closed_out_ = plan_.input < 0 || plan_.input_is_terminal;
        if (closed_out_) copy_.close_out();
    }

    void wait() {
        std::array<pollfd, 2> entries{{{copy_.ended_event(), POLLIN, 0}, {lost_ ? -1 : events_.descriptor(), POLLIN, 0}}};
        if (::poll(entries.data(), entries.size(), 100) <= 0) return;
        std::uint64_t count = 0;
        if (entries[0].revents != 0) [[maybe_unused]]
            const ssize_t got = ::read(copy_.ended_event(), &count, sizeof count);
    }

    const TwoWayCopy::Way* fault() const {
        for (const TwoWayCopy::Way* way : {&copy_.in(), &copy_.out()})
            if (way->ended && way->fault != TwoWayCopy::Fault::none) return way;
        return nullptr;
    }

    std::optional<Problem> problem() const {
        const std::string where = fmt::format("{} port {}", flow_.address, flow_.port);
        const std::string cause = ended_ ? text_in(*ended_, "error") : "";
        if (!cause.empty()) return flow_problem(cause, where);
        if (const TwoWayCopy::Way* way = fault()) {
            const bool writing = way->fault == TwoWayCopy::Fault::output;
            return failure(
                writing ? "output" : "input",
                fmt::format("cannot {}: {}", writing ? "write the output" : "read the input", std::strerror(way->error)));
        }
        if (interrupted_by != 0)
            return Problem{128 + int(interrupted_by),
                           "interrupted",
                           fmt::format("ended by signal {}: the flow was reset", int(interrupted_by)),
                           {}};
        if (idle_)
            return Problem{exit_timed_out, "timed_out",
                           fmt::format("nothing moved for {}", human_seconds(double(plan_.timeout.count()) / 1e3)),
                           "--timeout sets how long to wait"};
        if (unconfirmed_)
            return Problem{
                exit_timed_out, "unconfirmed", "the node did not say how the flow ended: the last bytes may be missing", {}};
        if (!ended_ && lost_)
            return failure("closed", "the node went away before the flow ended: bytes may be missing",
                           events_.error().message);
        return std::nullopt;
    }

    SessionResult result(const std::optional<Problem>& found) const {
        SessionResult made;
        made.bytes_in = copy_.in().bytes;
        made.bytes_out = copy_.out().bytes;
        made.retransmissions = ended_ ? count_in(*ended_, "retransmissions") : 0;
        made.seconds = std::chrono::duration<double>(both_ended_.value_or(Clock::now()) - start_).count();
        made.problem = found;
        return made;
    }

    Interrupts interrupts_;
    OpenFlow& flow_;
    FlowEvents& events_;
    const SessionPlan& plan_;
    Clock::time_point start_, quiet_since_{start_};
    Progress progress_;
    TwoWayCopy copy_;
    std::optional<Json> ended_;                     // the node's word
    std::optional<Clock::time_point> both_ended_;
    std::uint64_t moved_{0};
    bool lost_{false}, idle_{false}, unconfirmed_{false}, in_was_ended_{false}, closed_out_{false};
};

}  // namespace

bool FlowEvents::take(std::chrono::milliseconds timeout) {
    for (auto next = client_.next(timeout);; next = client_.next(std::chrono::milliseconds{0})) {
        if (next) {
            sort(std::move(*next));
        } else {
            error_ = next.error();
            return error_.kind == ControlError::Kind::timed_out;
        }
    }
}

void FlowEvents::sort(Notification notification) {
    const std::string flow = text_in(notification.params, "flow");
    if (notification.method == "flow.accepted") {
        const Json& remote = object_in(notification.params, "remote");
        if (accepted_.size() < max_waiting)
            accepted_.push_back({flow, text_in(remote, "address", "?"), std::uint16_t(count_in(remote, "port")),
                                 std::move(notification.flow)});
    } else if (notification.method == "flow.ended" && ended_.size() < max_waiting) {
        ended_[flow] = std::move(notification.params);
    }
}

std::optional<OpenFlow> FlowEvents::accepted() {
    if (accepted_.empty()) return std::nullopt;
    OpenFlow first = std::move(accepted_.front());
    accepted_.pop_front();
    return first;
}

std::optional<Json> FlowEvents::ended(const std::string& flow) {
    const auto found = ended_.find(flow);
    if (found == ended_.end()) return std::nullopt;
    Json params = std::move(found->second);
    ended_.erase(found);
    return params;
}

void FlowEvents::abort(const std::string& flow) {
    if (auto answer = client_.call("flow.abort", {{"flow", flow}}, std::chrono::seconds{1}); !answer)
        error_ = answer.error();
}

SessionResult run_session(OpenFlow& flow, FlowEvents& events, const SessionPlan& plan, const Console& console) {
    return Session{flow, events, plan, console}.run();
}

Problem flow_problem(std::string_view cause, std::string_view where) {
    const std::string kind{cause};
    if (cause == "refused")
        return failure(kind, fmt::format("{} refused the connection", where),
                       "nobody listens there: run `weft nc -l PORT` on that node");
    if (cause == "prohibited")
        return failure(kind, fmt::format("{} is not open to this node", where),
                       "run `weft nc -l PORT` on that node, or expose the port there: `weft up --expose PORT`");
    if (cause == "timed_out")
        return {exit_timed_out, kind, fmt::format("{} did not answer in time", where),
                "is that node up? `weft peers` shows when it was last heard"};
    if (cause == "unreachable" || cause == "network_unreachable")
        return failure(
            kind, fmt::format("there is no way to {}", where),
            "name its endpoint under [[peer]], or a neighbour towards it under [[route]]; `weft path` asks for the way");
    if (cause == "reset")
        return failure(kind, fmt::format("{} broke the connection off", where),
                       "its program or its node ended before all was sent");
    return failure(kind, fmt::format("the flow with {} failed: {}", where, kind));
}

}  // namespace weft::node
