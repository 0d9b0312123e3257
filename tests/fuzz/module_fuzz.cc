// A congestion module from a file: a table of arbitrary numbers is refused or can be used, and a module that answers arbitrary
// numbers takes no byte from a stream, never stops the clock, and ends in quarantine after sixteen faults.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "stack/tcp/congestion/fields.h"
#include "stack/tcp/modules.h"
#include "tests/engine/pair.h"
#include "tests/fuzz/fuzz.h"

using namespace weft;

namespace {

// Numbers from the input, zeros when it is used up.
struct Source {
    Bytes left;

    template <class T>
    T next() {
        T value{};
        const std::size_t size = std::min(sizeof value, left.size());
        if (size != 0) std::memcpy(&value, left.data(), size);
        left = left.subspan(size);
        return value;
    }
};

Source* answers = nullptr;

// A byte says which fields are answered, and how large a number is.
void answer(weft_cc_control* out) {
    const auto which = answers->next<std::uint8_t>();
    const auto number = [&] { return answers->next<std::uint64_t>() >> (answers->next<std::uint8_t>() & 63); };
    if (which & 1) out->cwnd = number();
    if (which & 2) out->ssthresh = number();
    if (which & 4) out->pacing_rate = number();
    if (which & 8) out->send_quantum = std::uint32_t(number());
    if (which & 16) out->timer = std::int64_t(number());
    if (which & 32) out->ecn = std::uint32_t(number());
    if (which & 64) out->cwnd += out->cwnd / 2;
}

weft_cc_v1 speaking() {
    weft_cc_v1 table{};
    table.size = sizeof table;
    table.state_size = 40;
    table.init = [](void*, void*, weft_instant, std::uint64_t, weft_cc_control* out) { answer(out); };
    table.on_ack = [](void*, void*, const weft_cc_ack*, weft_cc_control* out) { answer(out); };
    table.on_congestion = [](void*, void*, const weft_cc_congestion*, weft_cc_control* out) { answer(out); };
    table.on_sent = [](void*, void*, const weft_cc_sent*, weft_cc_control* out) { answer(out); };
    table.on_idle = [](void*, void*, const weft_cc_idle*, weft_cc_control* out) { answer(out); };
    table.on_timer = [](void*, void*, weft_instant, std::uint64_t, weft_cc_control* out) { answer(out); };
    return table;
}

// Each array is exactly as long as its count and stride say: a sanitizer sees one byte too far.
void read_tables(Source& source) {
    weft_cc_v1 table = speaking();
    const std::array<const char*, 4> names{"a", "b", "", nullptr};
    std::array<std::vector<std::byte>, 2> memory;
    table.size = source.next<std::uint8_t>();
    table.flags = source.next<std::uint8_t>() & source.next<std::uint8_t>() & source.next<std::uint8_t>();
    table.state_size = source.next<std::uint32_t>() >> (source.next<std::uint8_t>() & 31);
    table.shared_size = source.next<std::uint32_t>() >> (source.next<std::uint8_t>() & 31);
    for (weft_fields* fields : {&table.parameters, &table.variables}) {
        auto& bytes = memory[fields == &table.variables];
        fields->count = source.next<std::uint8_t>() & 7;
        fields->stride = source.next<std::uint8_t>();
        bytes.resize(std::size_t{fields->count} * fields->stride);
        fields->at = reinterpret_cast<const weft_field*>(bytes.data());
        for (std::uint32_t i = 0; i < fields->count; ++i) {
            weft_field field{};
            field.name = names[source.next<std::uint8_t>() & 3];
            field.type = source.next<std::uint8_t>() & 15;
            field.offset = source.next<std::uint32_t>() >> (source.next<std::uint8_t>() & 31);
            field.initial.integer = source.next<std::int64_t>();
            field.lowest.integer = source.next<std::int64_t>();
            field.highest.integer = source.next<std::int64_t>();
            const std::size_t known = std::min<std::size_t>(fields->stride, sizeof field);
            if (known != 0) std::memcpy(bytes.data() + std::size_t{i} * fields->stride, &field, known);
        }
    }
    // The table itself, too: no byte behind its own size is there.
    std::vector<std::byte> exact(std::max<std::size_t>(table.size, sizeof table.size));
    std::memcpy(exact.data(), &table, std::min(exact.size(), sizeof table));
    const tcp::Module module = tcp::make_module(*reinterpret_cast<const weft_cc_v1*>(exact.data()), "fuzz");
    tcp::Modules modules;
    const bool good = tcp::refusal(module).why.empty();
    FUZZ_CHECK(modules.install(2, module).has_value() == good);
    if (!good) return;
    const tcp::Controller flow = modules.begin(2);
    const auto state = modules.state(std::get<tcp::Loaded>(flow));
    const weft_cc_v1& known = modules.table(2);
    FUZZ_CHECK(state.size() == known.state_size);
    for (std::uint32_t i = 0; i < known.variables.count; ++i)
        (void)tcp::read_field(tcp::field_at(known.variables, i), state);
    for (std::uint32_t i = 0; i < known.parameters.count; ++i) {
        const weft_field field = tcp::field_at(known.parameters, i);
        (void)tcp::read_field(field, state);
        FUZZ_CHECK(tcp::within(field, field.initial));
    }
    modules.give_back(flow);
    modules.uninstall(2);
}

void talk(Source& source) {
    answers = &source;
    const weft_cc_v1 table = speaking();
    test::Pair pair;
    FUZZ_CHECK(pair.a.install(2, tcp::make_module(table, "fuzz"), pair.now).has_value());
    const std::uint64_t losses = source.next<std::uint64_t>() | 0xffff'ffff'ffff'0000;  // at most a quarter
    pair.lose = [&](std::uint64_t number) { return number > 3 && !(losses >> number % 64 & 1); };
    const auto [client, server] = pair.open();
    FUZZ_CHECK(pair.a.steer(client, 2, pair.now).has_value());
    std::array<std::byte, 8'000> text{};
    std::size_t written = 0, got = 0;
    for (int turn = 0; turn < 60; ++turn) {
        for (std::size_t i = 0; i < text.size(); ++i) text[i] = std::byte((written + i) * 31 >> 3);
        if (const auto count = pair.a.write(client, text, {}, pair.now)) written += *count;
        for (int step = 0; step < 200 && pair.step(pair.now + Duration::milliseconds(50)); ++step) {}
        while (const auto count = pair.b.read(server, text, pair.now))
            for (std::size_t i = 0; i < *count; ++i, ++got) FUZZ_CHECK(text[i] == std::byte(got * 31 >> 3));
        const tcp::Tcb* const tcb = pair.a.inspect(client);
        FUZZ_CHECK(tcb != nullptr);
        FUZZ_CHECK(tcb->sending.steering.cwnd >= tcb->receiving.mss && tcb->sending.steering.cwnd <= tcp::Steering::cap);
        const auto status = pair.a.module(2);
        FUZZ_CHECK(status && status->violations <= tcp::violation_limit);
        FUZZ_CHECK(status->quarantined == (status->violations == tcp::violation_limit));
        FUZZ_CHECK(pair.a.congestion_slot(client) == (status->quarantined ? 0 : 2));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    Source source{fuzz::bytes_of(data, size)};
    if (source.next<std::uint8_t>() & 1) talk(source);
    else read_tables(source);
    return 0;
}
