// One grammar that chooses flows, for commands and window: `tcp.state == ESTABLISHED && rtt > 20ms` (docs/node.md).
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stack/core/replay.h"

namespace weft::trace {

struct FilterError {
    std::string message;  // a sentence that names its mend
    std::size_t position{0};  // of the character in the text, from 0
};
std::string to_string(const FilterError& error);  // "at character 5: ..."

class Filter {
public:
    enum class Kind : std::uint8_t { state, family, text, count, bytes, duration, bit_rate, address, flag };
    struct Field {
        std::string_view name;
        Kind kind;
        std::string_view doc;  // one line: meaning, unit
    };
    static constexpr std::size_t length_limit = 1'024,
                                 depth_limit = 32;  // characters; parentheses and negations in each other

    // An empty text, or only blanks, matches every flow.
    static std::expected<Filter, FilterError> parse(std::string_view text);
    bool matches(const Replay& replay, const FlowState& flow) const;
    bool empty() const { return program_.empty(); }

    // For completion, help and `rpc.discover`.
    static std::span<const Field> fields();
    static std::string_view kind_name(Kind kind);  // "duration"
    static std::string_view example(Kind kind);  // "20ms": a value as one writes it

private:
    friend class FilterParser;
    enum class Operator : std::uint8_t {
        equal,
        unequal,
        less,
        less_equal,
        greater,
        greater_equal,
        contains,
        set,
        negate,
        both,
        either
    };
    struct Step {  // of a program in postfix order
        Operator op{};
        std::uint8_t field{0};
        std::uint64_t number{0};
        std::string text;  // of texts and addresses, in small letters
    };
    static bool compare(const Step& step, const Replay& replay, const FlowState& flow);

    std::vector<Step> program_;
};

}  // namespace weft::trace
