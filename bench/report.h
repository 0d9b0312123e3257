// The form that every benchmark's results have: rounds in which weft and its peer take turns, and one JSON object a case.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace weft::bench {

enum class Better { more, less };

// What the rounds of one case measured. A round without the peer has none.
class Case {
public:
    Case(std::string name, std::string unit, Better better, std::string peer);

    void add(double weft, std::optional<double> peer);

    // {bench, case, unit, weft, peer, peer_value, ratio}: medians; the ratio is the median of the rounds' ratios and above 1
    // when weft is better. Without a single round of the peer `peer` is "", peer_value and ratio are null.
    std::string json(const std::string& bench) const;
    std::string row() const;  // for people, under header()
    static std::string header();

private:
    struct Round {
        double weft;
        std::optional<double> peer;
    };
    struct Result {
        double weft, least, most;
        std::optional<double> peer, ratio;
    };
    Result result() const;

    std::string name_, unit_, peer_;
    Better better_;
    std::vector<Round> rounds_;
};

double median(std::vector<double> values);  // of at least one; the mean of the middle two

}  // namespace weft::bench
