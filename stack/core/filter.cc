// Reading a filter into a program in postfix order, by recursive descent over a bounded depth:
//   either := both ('||' both)*   both := one ('&&' one)*   one := '!' one | '(' either ')' | field (operator value)?
#include "stack/core/filter.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "stack/core/address_text.h"
#include "stack/core/lower_case.h"
#include "stack/core/units.h"

namespace weft::trace {
namespace {

using Kind = Filter::Kind;

// Beside the units of configurations a filter has short ones, and a number of bytes or of anything needs none.
std::optional<std::uint64_t> factor_of(Kind kind, std::string_view unit) {
    switch (kind) {
    case Kind::duration: return weft::factor_of(duration_units, unit == "m" ? "min" : unit);
    case Kind::bytes: return weft::factor_of(size_units, unit.empty() ? "B" : unit);
    case Kind::bit_rate: {
        static constexpr std::array<Unit, 3> short_ones{{{"k", 1'000}, {"M", 1'000'000}, {"G", 1'000'000'000}}};
        if (const auto factor = weft::factor_of(short_ones, unit)) return factor;
        return unit.ends_with("/s") ? weft::factor_of(rate_units, unit.substr(0, unit.size() - 2)) : std::nullopt;
    }
    default: return unit.empty() ? std::optional<std::uint64_t>{1} : std::nullopt;
    }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string quoted(std::string_view word) { return "'" + std::string(word.substr(0, 40)) + "'"; }

// "1.5ms" in units of the kind: digits behind the point count as far as the unit can tell them. Nothing: too large, or no number.
std::optional<std::uint64_t> number_of(std::string_view text, Kind kind) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    std::size_t at = 0;
    std::uint64_t whole = 0, part = 0, scale = 1;
    for (; at < text.size() && is_digit(text[at]); ++at) {
        const auto digit = std::uint64_t(text[at] - '0');
        if (whole > (most - digit) / 10) return std::nullopt;
        whole = whole * 10 + digit;
    }
    if (at == 0) return std::nullopt;
    if (at + 1 < text.size() && text[at] == '.' && is_digit(text[at + 1])) {
        for (++at; at < text.size() && is_digit(text[at]); ++at) {
            if (scale >= 1'000'000) continue;
            part = part * 10 + std::uint64_t(text[at] - '0');
            scale *= 10;
        }
    }
    const std::string_view unit = text.substr(at);
    if (const auto factor = factor_of(kind, unit)) {
        if (whole > most / *factor) return std::nullopt;
        const std::uint64_t rest = part * *factor / scale;  // under 10^6 * 3.6 * 10^12
        return whole * *factor > most - rest ? std::nullopt : std::optional{whole * *factor + rest};
    }
    return whole == 0 && part == 0 && unit.empty() ? std::optional<std::uint64_t>{0} : std::nullopt;  // nothing of any unit
}

// As flows are compared with it: the canonical text of an address, an endpoint or a short form.
std::optional<std::string> address_text(std::string_view text) {
    if (text == "*") return "*";
    if (const auto address = parse_address(text)) return to_string(*address);
    if (parse_short_form(text)) return lower_case(text);
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const auto port = number_of(text.substr(colon + 1), Kind::count);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto address = parse_address(host);
    if (!address || !port || *port > 65'535) return std::nullopt;
    return to_string(Endpoint{*address, 0, std::uint16_t(*port)});
}

}  // namespace

std::string to_string(const FilterError& error) {
    return "at character " + std::to_string(error.position + 1) + ": " + error.message;
}

class FilterParser {
public:
    explicit FilterParser(std::string_view text) : text_{text} {}

    std::expected<Filter, FilterError> parse() {
        Filter filter;
        if (text_.size() > Filter::length_limit)
            return std::unexpected(FilterError{
                "a filter has at most " + std::to_string(Filter::length_limit) + " characters", Filter::length_limit});
        skip_blanks();
        if (at_ == text_.size()) return filter;
        if (parse_either(0) && at_ < text_.size())
            fail(text_[at_] == ')' ? "this parenthesis was never opened" : "expected && or || here, or the end", at_);
        if (failed_) return std::unexpected(std::move(*failed_));
        filter.program_ = std::move(program_);
        return filter;
    }

private:
    using Operator = Filter::Operator;

    bool fail(std::string message, std::size_t position) {
        if (!failed_) failed_ = FilterError{std::move(message), position};
        return false;
    }

    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    }

    bool take(std::string_view token) {
        if (!text_.substr(at_).starts_with(token)) return false;
        at_ += token.size();
        skip_blanks();
        return true;
    }

    void emit(Operator op) { program_.push_back({op, 0, 0, {}}); }

    bool parse_either(std::size_t depth) {
        if (!parse_both(depth)) return false;
        while (take("||")) {
            if (!parse_both(depth)) return false;
            emit(Operator::either);
        }
        return true;
    }

    bool parse_both(std::size_t depth) {
        if (!parse_one(depth)) return false;
        while (take("&&")) {
            if (!parse_one(depth)) return false;
            emit(Operator::both);
        }
        return true;
    }

    bool parse_one(std::size_t depth) {
        if (depth >= Filter::depth_limit)
            return fail(
                "parentheses and negations lie in each other at most " + std::to_string(Filter::depth_limit) + " deep", at_);
        if (take("!")) {
            if (!parse_one(depth + 1)) return false;
            emit(Operator::negate);
            return true;
        }
        const std::size_t open = at_;
        if (take("(")) {
            if (!parse_either(depth + 1)) return false;
            return take(")") || fail("this parenthesis is never closed", open);
        }
        return parse_comparison();
    }

    bool parse_comparison() {
        const std::size_t begin = at_;
        while (at_ < text_.size() &&
               (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '.' || text_[at_] == '_'))
            ++at_;
        const std::string_view word = text_.substr(begin, at_ - begin);
        if (word.empty()) return fail("expected a field here, such as tcp.state or rtt", begin);
        const auto fields = Filter::fields();
        const auto field = std::ranges::find(fields, word, &Filter::Field::name);
        if (field == fields.end()) return fail("no field is called " + quoted(word) + ": there are " + names(), begin);
        skip_blanks();
        const std::size_t sign = at_;
        const auto op = parse_operator();
        const auto number = std::uint8_t(field - fields.begin());
        if (field->kind == Kind::flag) {
            if (op) return fail(std::string(word) + " stands alone, or behind !: it is true or not", sign);
            program_.push_back({Operator::set, number, 0, {}});
            return true;
        }
        if (!op)
            return fail("expected ==, !=, <, <=, >, >= or ~ behind " + std::string(word) + ", as in " + std::string(word) +
                            " == " + std::string(Filter::example(field->kind)),
                        sign);
        return parse_value(*field, number, *op, sign);
    }

    std::optional<Operator> parse_operator() {
        if (take("==")) return Operator::equal;
        if (take("!=")) return Operator::unequal;
        if (take("<=")) return Operator::less_equal;
        if (take(">=")) return Operator::greater_equal;
        if (take("<")) return Operator::less;
        if (take(">")) return Operator::greater;
        if (take("~")) return Operator::contains;
        return std::nullopt;
    }

    // A word up to what cannot belong to one, or anything between quotes.
    std::optional<std::string_view> parse_word() {
        const std::size_t begin = at_;
        if (at_ < text_.size() && text_[at_] == '"') {
            const std::size_t end = text_.find('"', at_ + 1);
            if (end == std::string_view::npos) {
                fail("this quotation is never closed", begin);
                return std::nullopt;
            }
            at_ = end + 1;
            skip_blanks();
            return text_.substr(begin + 1, end - begin - 1);
        }
        while (at_ < text_.size() && !is_blank(text_[at_]) && !std::string_view("()&|!=<>~\"").contains(text_[at_])) ++at_;
        const std::string_view word = text_.substr(begin, at_ - begin);
        skip_blanks();
        return word;
    }

    bool parse_value(const Filter::Field& field, std::uint8_t number, Operator op, std::size_t sign) {
        const std::size_t begin = at_;
        const auto word = parse_word();
        if (!word) return false;
        const std::string example = std::string(field.name) + " == " + std::string(Filter::example(field.kind));
        if (word->empty()) return fail("expected a value here, as in " + example, begin);
        Filter::Step step{op, number, 0, {}};
        const bool ordered = op != Operator::equal && op != Operator::unequal && op != Operator::contains;
        const bool of_text = field.kind == Kind::text || field.kind == Kind::address || field.kind == Kind::state ||
                             field.kind == Kind::family;
        if (of_text && ordered) return fail(std::string(field.name) + " has no order: use ==, != or ~", sign);
        if (!of_text && op == Operator::contains)
            return fail(std::string(field.name) + " is a number: ~ is for texts", sign);
        if (of_text) {
            step.text = lower_case(*word);
            if (op != Operator::contains && !resolve(field.kind, *word, step))
                return fail(
                    quoted(*word) + " is no " + std::string(Filter::kind_name(field.kind)) + ": write it as in " + example,
                    begin);
        } else {
            const auto value = number_of(*word, field.kind);
            if (!value)
                return fail(
                    quoted(*word) + " is no " + std::string(Filter::kind_name(field.kind)) + ": write it as in " + example,
                    begin);
            step.number = *value;
        }
        program_.push_back(std::move(step));
        return true;
    }

    static bool resolve(Kind kind, std::string_view word, Filter::Step& step) {
        if (kind == Kind::state) {
            const auto state = state_named(word);
            if (state) step.text = lower_case(state_name(*state));
            return state.has_value();
        }
        if (kind == Kind::family) return step.text == "ipv4" || step.text == "ipv6" || step.text == "overlay";
        if (kind == Kind::address) {
            const auto text = address_text(word);
            if (text) step.text = *text;
            return text.has_value();
        }
        return true;
    }

    static std::string names() {
        std::string list;
        for (const Filter::Field& field : Filter::fields()) list += (list.empty() ? "" : ", ") + std::string(field.name);
        return list;
    }

    std::string_view text_;
    std::size_t at_{0};
    std::vector<Filter::Step> program_;
    std::optional<FilterError> failed_;
};

std::expected<Filter, FilterError> Filter::parse(std::string_view text) { return FilterParser{text}.parse(); }

}  // namespace weft::trace
