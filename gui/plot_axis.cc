// Numbers as text, always with a point and never by the locale: a picture of one machine equals that of another.
#include "gui/plot_axis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace weft::gui {

double tickStep(double span, int most) {
    const double rough = span / std::max(1, most), power = std::pow(10.0, std::floor(std::log10(rough)));
    for (const double step : {1.0, 2.0, 5.0}) {
        if (step * power >= rough * 0.999'999) return step * power;
    }
    return 10 * power;
}

Scaled scaledUnit(Unit unit, double largest) {
    const auto pick = [largest](const std::array<const char*, 4>& names, double factor) -> Scaled {
        std::size_t i = 0;
        for (; i + 1 < names.size() && largest * factor >= 1'000; ++i) factor /= 1'000;
        return {factor, QString::fromUtf8(names[i])};
    };
    switch (unit) {
    case Unit::bytes: return pick({"B", "kB", "MB", "GB"}, 1);
    case Unit::bitsPerSecond: return pick({"bit/s", "kbit/s", "Mbit/s", "Gbit/s"}, 1);
    case Unit::nanoseconds: return pick({"ns", "µs", "ms", "s"}, 1);
    case Unit::count: break;
    }
    return {1, {}};
}

namespace {

QString figures(double value) {
    const double size = std::abs(value);
    const int places = size >= 100 || size == std::floor(size) ? 0 : size >= 10 ? 1 : 2;
    return QString::number(value, 'f', places);
}

}  // namespace

QString valueText(Unit unit, double value) {
    const Scaled scaled = scaledUnit(unit, std::abs(value));
    const QString number = figures(value * scaled.factor);
    return scaled.name.isEmpty() ? number : number + QLatin1Char(' ') + scaled.name;
}

QString tickText(double value, double step) {
    const int places = std::clamp(int(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
    if (std::abs(value) < step / 1'000) value = 0;
    return QString::number(value, 'f', places);
}

QString clockText(std::int64_t ns, std::int64_t stepNs) {
    const std::int64_t whole = ns / 1'000'000'000;
    if (std::abs(whole) < 120) return tickText(double(ns) / 1e9, std::min(1.0, double(stepNs) / 1e9)) + QLatin1String(" s");
    const auto two = [](std::int64_t n) { return QStringLiteral("%1").arg(n, 2, 10, QLatin1Char('0')); };
    QString text = whole >= 3'600 ? QString::number(whole / 3'600) + QLatin1Char(':') + two(whole / 60 % 60) +
                                        QLatin1Char(':') + two(whole % 60)
                                  : QString::number(whole / 60) + QLatin1Char(':') + two(whole % 60);
    if (stepNs < 1'000'000'000) text += tickText(double(ns % 1'000'000'000) / 1e9, double(stepNs) / 1e9).mid(1);
    return text;
}

}  // namespace weft::gui
