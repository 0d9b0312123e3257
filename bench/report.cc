// Medians, JSON lines and the table.
#include "bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace weft::bench {
namespace {

// Enough digits for a ratio, few enough to read.
double rounded(double value) {
    double scale = 1;
    while (scale < 1e6 && value * scale < 1'000) scale *= 10;
    return double(std::int64_t(value * scale + 0.5)) / scale;
}

std::string number(std::optional<double> value) { return value ? fmt::format("{}", rounded(*value)) : "-"; }

}  // namespace

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Case::Case(std::string name, std::string unit, Better better, std::string peer)
    : name_{std::move(name)}, unit_{std::move(unit)}, peer_{std::move(peer)}, better_{better} {}

void Case::add(double weft, std::optional<double> peer) { rounds_.push_back({weft, peer}); }

Case::Result Case::result() const {
    std::vector<double> weft, peer, ratio;
    for (const Round& round : rounds_) {
        weft.push_back(round.weft);
        if (!round.peer || *round.peer <= 0 || round.weft <= 0) continue;
        peer.push_back(*round.peer);
        ratio.push_back(better_ == Better::more ? round.weft / *round.peer : *round.peer / round.weft);
    }
    Result result{median(weft), *std::ranges::min_element(weft), *std::ranges::max_element(weft), {}, {}};
    if (!ratio.empty()) result.peer = median(peer), result.ratio = median(ratio);
    return result;
}

std::string Case::json(const std::string& bench) const {
    const Result found = result();
    nlohmann::ordered_json line;
    line["bench"] = bench;
    line["case"] = name_;
    line["unit"] = unit_;
    line["weft"] = rounded(found.weft);
    line["peer"] = found.peer ? peer_ : "";
    line["peer_value"] = found.peer ? nlohmann::ordered_json(rounded(*found.peer)) : nlohmann::ordered_json();
    line["ratio"] = found.ratio ? nlohmann::ordered_json(rounded(*found.ratio)) : nlohmann::ordered_json();
    return line.dump();
}

std::string Case::header() {
    return fmt::format("{:<22} {:<8} {:>9} {:>19} {:>9} {:>8}  {}", "case", "unit", "weft", "(least .. most)", "peer",
                       "ratio", "peer");
}

std::string Case::row() const {
    const Result found = result();
    const std::string range = fmt::format("({} .. {})", number(found.least), number(found.most));
    return fmt::format("{:<22} {:<8} {:>9} {:>19} {:>9} {:>8}  {}", name_, unit_, number(found.weft), range,
                       number(found.peer), number(found.ratio), found.peer ? peer_ : "none");
}

}  // namespace weft::bench
