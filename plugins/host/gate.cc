// One place a gate, in one array; a call goes through it and, most of the time, costs a decrement and a jump.
#include "plugins/host/gate.h"

#include <array>
#include <atomic>
#include <ctime>
#include <mutex>
#include <utility>

namespace weft::plugins {
namespace {

// Used by one thread at a time, the one that runs the engine in which the module is installed.
struct alignas(64) Place {
    weft_cc_v1 inner{};              // the module's own functions
    weft_cc_v1 outer{};              // those that the engine gets
    std::uint32_t untimed{0};        // calls until the next one that is timed
    std::uint32_t watched{0};        // calls that are timed one after the other
    std::uint32_t points{0};
    std::int64_t budget{0};          // ns
    GateStatus status;
    bool taken{false};
};

constinit std::array<Place, most_gates> places{};
constinit std::atomic<std::uint64_t> faults{0};
std::mutex opening;                  // of `taken`: hosts of several threads share the places

std::int64_t nanoseconds() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void judge(Place& place, std::int64_t took) {
    GateStatus& status = place.status;
    ++status.timed;
    if (took > status.longest.count()) status.longest = Duration::nanoseconds(took);
    if (took > place.budget) {
        ++status.late;
        place.points += late_points;
        place.watched = watched_calls;
        if (place.points >= fault_points && !std::exchange(status.faulty, true))
            faults.fetch_add(1, std::memory_order_relaxed);
    } else if (place.points > 0) {
        --place.points;
    }
    if (place.watched > 0) --place.watched;
    place.untimed = place.watched > 0 ? 0 : sample_interval - 1;
}

template <auto Member>
struct Call;

template <class R, class... A, R (*weft_cc_v1::*Member)(A...)>
struct Call<Member> {
    [[gnu::noinline, gnu::cold]] static R timed(Place& place, A... arguments) {
        const std::int64_t begin = nanoseconds();
        if constexpr (std::is_void_v<R>) {
            (place.inner.*Member)(arguments...);
            judge(place, nanoseconds() - begin);
        } else {
            const R result = (place.inner.*Member)(arguments...);
            judge(place, nanoseconds() - begin);
            return result;
        }
    }

    template <std::size_t Number>
    static R through(A... arguments) {
        Place& place = places[Number];
        if (place.untimed == 0) [[unlikely]]
            return timed(place, arguments...);
        --place.untimed;
        return (place.inner.*Member)(arguments...);
    }

    template <std::size_t Number>
    static void lead() {
        Place& place = places[Number];
        if (place.inner.*Member) place.outer.*Member = &through<Number>;
    }
};

template <std::size_t Number>
void lead_all() {
    places[Number].outer = places[Number].inner;
    Call<&weft_cc_v1::init>::lead<Number>();
    Call<&weft_cc_v1::on_ack>::lead<Number>();
    Call<&weft_cc_v1::on_congestion>::lead<Number>();
    Call<&weft_cc_v1::on_sent>::lead<Number>();
    Call<&weft_cc_v1::on_idle>::lead<Number>();
    Call<&weft_cc_v1::on_timer>::lead<Number>();
    Call<&weft_cc_v1::on_path>::lead<Number>();
    Call<&weft_cc_v1::on_parameter>::lead<Number>();
    Call<&weft_cc_v1::migrate>::lead<Number>();
}

template <std::size_t... Numbers>
constexpr auto leads(std::index_sequence<Numbers...>) {
    return std::array<void (*)(), sizeof...(Numbers)>{&lead_all<Numbers>...};
}

constexpr auto lead_table = leads(std::make_index_sequence<most_gates>{});

}  // namespace

std::optional<Gate> Gate::open(const weft_cc_v1& module, Duration budget) {
    const std::scoped_lock lock{opening};
    for (std::size_t number = 0; number < most_gates; ++number) {
        if (places[number].taken) continue;
        places[number] = Place{};
        places[number].taken = true;
        places[number].inner = module;
        places[number].budget = budget.count();
        lead_table[number]();
        return Gate{number};
    }
    return std::nullopt;
}

Gate::Gate(Gate&& other) noexcept : number_{std::exchange(other.number_, most_gates)} {}

Gate& Gate::operator=(Gate&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
}

Gate::~Gate() {
    if (number_ == most_gates) return;
    const std::scoped_lock lock{opening};
    places[number_].taken = false;
}

const weft_cc_v1* Gate::table() const { return &places[number_].outer; }
GateStatus Gate::status() const { return places[number_].status; }

std::uint64_t gate_faults() { return faults.load(std::memory_order_relaxed); }

}  // namespace weft::plugins
