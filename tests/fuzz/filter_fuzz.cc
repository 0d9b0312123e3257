// Filters and lists of classes: any text is one, or one sentence with its place; a filter answers for any flow.
#include "stack/core/filter.h"
#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::trace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text{reinterpret_cast<const char*>(data), size};
    if (const auto classes = parse_classes(text)) {
        FUZZ_CHECK(parse_classes(to_string_of_classes(*classes)) == classes);
    } else {
        FUZZ_CHECK(classes.error().starts_with("no class of events is called '"));
    }
    const auto filter = Filter::parse(text);
    if (!filter) {
        FUZZ_CHECK(filter.error().position <= size && !filter.error().message.empty());
        return 0;
    }
    Replay replay;
    FlowState flow;
    const bool as_it_is = filter->matches(replay, flow);
    FUZZ_CHECK(as_it_is == filter->matches(replay, flow));
    flow.known = true;
    flow.local = Address{Family::overlay, std::array<std::byte, 64>{}};
    flow.remote = Address{Family::ipv4, std::array<std::byte, 4>{}};
    flow.rate_in = ~0ull;
    flow.congestion.pacing_rate = ~0ull;
    flow.since_ns = INT64_MIN;
    filter->matches(replay, flow);
    if (!filter->empty() && size + 3 <= Filter::length_limit) {
        const auto negated = Filter::parse("!(" + text + ")");
        FUZZ_CHECK(!negated || negated->matches(replay, flow) != filter->matches(replay, flow));
    }
    return 0;
}
