// What must hold of every congestion module, whatever it hears: asked of any weft_cc_v1, compiled in or from a file. Events come
// in arbitrary order with arbitrary, but possible, numbers; state lies between guard bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "stack/tcp/congestion.h"
#include "stack/tcp/congestion/fields.h"

namespace weft::test {

// RFC 5681 asks of a loss-based module what a module that paces by a model (BBR, say) need not do.
struct ModuleRules {
    bool loss_shrinks{true};  // a loss or a timeout never makes the window larger, and two segments are left to ssthresh
    bool acks_never_shrink{true};  // an acknowledgement without a loss never makes it smaller
    std::uint64_t most_an_ack{
        0};  // bytes by which one acknowledgement may make it larger, beside what it acknowledged; 0: any
};

// One flow of a module, driven by hand. The first fault stays.
class ModuleUnderTest {
public:
    ModuleUnderTest(const weft_cc_v1& given, std::uint32_t mss, std::uint64_t seed)
        : table_{tcp::known_part(given)}, mss_{mss}, random_{seed},
          state_(guard + table_.state_size + guard, std::byte{0xa5}), shared_(table_.shared_size) {
        std::fill_n(state_.begin() + guard, table_.state_size, std::byte{});
        for (std::uint32_t i = 0; i < table_.parameters.count; ++i) {
            const weft_field field = tcp::field_at(table_.parameters, i);
            tcp::write_field(field, field.initial, lent());
        }
        call("init",
             [&](void* state, void* shared, weft_cc_control& out) { table_.init(state, shared, now_, random_(), &out); });
    }

    std::span<std::byte> lent() { return std::span{state_}.subspan(guard, table_.state_size); }
    const tcp::Steering& steering() const { return steering_; }
    const std::string& fault() const { return fault_; }

    void acks(std::uint64_t bytes, std::uint32_t flags, std::int64_t rtt, const ModuleRules& rules) {
        weft_cc_ack ack{};
        ack.size = sizeof ack;
        ack.flags = flags;
        ack.now = now_;
        ack.random = random_();
        ack.newly_acked = bytes;
        ack.delivered = delivered_ += bytes;
        ack.prior_in_flight = std::max<std::uint64_t>(steering_.cwnd, bytes);
        ack.in_flight = ack.prior_in_flight - bytes;
        ack.rtt = ack.smoothed_rtt = rtt;
        ack.min_rtt = least_rtt_ = least_rtt_ == 0 ? rtt : std::min(least_rtt_, rtt);
        ack.round = round_ += (flags & WEFT_ACK_ROUND_START) != 0;
        ack.mss = mss_;
        ack.segments_acked = std::uint32_t((bytes + mss_ - 1) / mss_);
        ack.rate_delivered = bytes;
        ack.rate_interval = rtt;
        ack.rate_in_flight = ack.prior_in_flight;
        const std::uint64_t before = steering_.cwnd;
        call("on_ack", [&](void* state, void* shared, weft_cc_control& out) { table_.on_ack(state, shared, &ack, &out); });
        if (rules.acks_never_shrink && steering_.cwnd < before) blame("an acknowledgement made the window smaller");
        if (rules.most_an_ack != 0 && steering_.cwnd > before + bytes + rules.most_an_ack)
            blame("an acknowledgement made the window larger by more than it may");
    }

    void congestion(std::uint32_t cause, std::uint64_t in_flight, const ModuleRules& rules) {
        weft_cc_congestion event{};
        event.size = sizeof event;
        event.cause = cause;
        event.now = now_;
        event.random = random_();
        event.prior_in_flight = in_flight;
        event.newly_lost = std::min<std::uint64_t>(in_flight, mss_);
        event.in_flight = in_flight - event.newly_lost;
        event.delivered = delivered_;
        event.mss = mss_;
        const std::uint64_t before = steering_.cwnd;
        call("on_congestion",
             [&](void* state, void* shared, weft_cc_control& out) { table_.on_congestion(state, shared, &event, &out); });
        const bool loss = cause == WEFT_CONGESTION_LOSS || cause == WEFT_CONGESTION_TIMEOUT;
        if (rules.loss_shrinks && loss && steering_.cwnd > std::max<std::uint64_t>(before, 2ull * mss_))
            blame("a loss made the window larger");
    }

    // Anything else that may happen.
    void hears_something(std::uint64_t drawn) {
        const auto rtt = std::int64_t(drawn % 1'000'000'000);
        const weft_cc_sent sent{sizeof sent, std::uint32_t(drawn % 65'000), now_, ++sent_, random_(), steering_.cwnd};
        const weft_cc_idle idle{sizeof idle, mss_, now_, random_(), rtt * 3, rtt};
        const weft_cc_path path{sizeof path,           mss_ + 40,          now_, random_(), mss_, 0,
                                drawn % 2 ? drawn : 0, drawn % 3 ? rtt : 0};
        switch (drawn >> 40 & 3) {
        case 0:
            if (table_.on_sent)
                call("on_sent", [&](void* s, void* g, weft_cc_control& out) { table_.on_sent(s, g, &sent, &out); });
            return;
        case 1:
            if (table_.on_idle)
                call("on_idle", [&](void* s, void* g, weft_cc_control& out) { table_.on_idle(s, g, &idle, &out); });
            return;
        case 2:
            if (table_.on_path)
                call("on_path", [&](void* s, void* g, weft_cc_control& out) { table_.on_path(s, g, &path, &out); });
            return;
        default: return fires_timer();
        }
    }

    void sets_parameter(std::uint32_t index, weft_value value) {
        tcp::write_field(tcp::field_at(table_.parameters, index), value, lent());
        if (table_.on_parameter)
            call("on_parameter", [&](void* s, void* g, weft_cc_control& out) { table_.on_parameter(s, g, index, &out); });
    }

    void passes(std::int64_t ns) {
        now_ += ns;
        if (timer_ != 0 && timer_ <= now_) fires_timer();
    }

private:
    static constexpr std::size_t guard = 64;

    void fires_timer() {
        timer_ = 0;
        if (table_.on_timer)
            call("on_timer", [&](void* s, void* g, weft_cc_control& out) { table_.on_timer(s, g, now_, random_(), &out); });
    }

    template <class Call>
    void call(const char* name, Call&& callback) {
        calling_ = name;
        weft_cc_control out = steering_.control(mss_);
        out.timer = timer_;
        callback(table_.state_size == 0 ? nullptr : static_cast<void*>(state_.data() + guard),
                 shared_.empty() ? nullptr : static_cast<void*>(shared_.data()), out);
        if (out.cwnd < mss_) blame("a window below one segment: " + std::to_string(out.cwnd));
        if (out.cwnd > tcp::Steering::cap) blame("a window above 2^30: " + std::to_string(out.cwnd));
        if (out.ssthresh < mss_) blame("ssthresh below one segment: " + std::to_string(out.ssthresh));
        if (out.ecn > 2) blame("a codepoint that is none");
        if (out.timer != timer_ && out.timer != 0 && out.timer <= now_) blame("a timer that is past");
        timer_ = out.timer;
        const auto whole = [](std::byte each) { return each == std::byte{0xa5}; };
        if (!std::all_of(state_.begin(), state_.begin() + guard, whole) ||
            !std::all_of(state_.end() - guard, state_.end(), whole))
            blame("bytes were written outside the state");
        steering_.take(out, mss_);
    }

    void blame(const std::string& what) {
        if (fault_.empty()) fault_ = std::string(calling_) + ": " + what;
    }

    weft_cc_v1 table_;
    std::uint32_t mss_;
    std::mt19937_64 random_;
    std::vector<std::byte> state_, shared_;
    tcp::Steering steering_;
    std::int64_t now_{1'000'000'000}, timer_{0}, least_rtt_{0};
    std::uint64_t delivered_{0}, round_{0}, sent_{0};
    const char* calling_{""};
    std::string fault_;
};

// A life of `steps` events that the seed decides. Empty, or the first fault and how to see it again. Windows beyond a quarter of
// the cap hear no more acknowledgements: growth up to there is honest.
inline std::string live_through(const weft_cc_v1& table, const ModuleRules& rules, std::uint64_t seed, int steps = 2'000) {
    std::mt19937_64 draw{seed};
    const std::uint32_t mss = std::uint32_t(36 + draw() % (seed % 4 == 0 ? 64'965 : 1'425));
    ModuleUnderTest module{table, mss, seed};
    for (int step = 0; step < steps && module.fault().empty(); ++step) {
        module.passes(std::int64_t(draw() >> (24 + draw() % 40)));
        const std::uint64_t window = module.steering().cwnd, kind = draw() % 64, drawn = draw();
        const std::uint64_t in_flight = drawn % (window + 1);
        if (kind == 0) {
            module.congestion(std::uint32_t(WEFT_CONGESTION_LOSS + draw() % 6), in_flight, rules);
        } else if (kind == 1) {
            module.hears_something(drawn);
        } else if (kind == 2 && table.parameters.count > 0) {
            const auto index = std::uint32_t(drawn % table.parameters.count);
            const weft_field field = tcp::field_at(table.parameters, index);
            const weft_value any[]{field.initial, field.lowest, field.highest};
            module.sets_parameter(index, any[draw() % 3]);
        } else if (window < tcp::Steering::cap / 4) {
            module.acks(in_flight, unsigned(draw() % 128), std::int64_t(draw() >> 30), rules);
        }
    }
    if (module.fault().empty()) return {};
    std::ostringstream text;
    text << "seed " << seed << ", segments of " << mss << " bytes: " << module.fault();
    return text.str();
}

}  // namespace weft::test
