// The made-up session, and the comparing of pictures.
#include "tests/gui/scene.h"

#include <QColor>
#include <QDir>
#include <QFile>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <utility>

namespace weft::gui {
namespace {

constexpr std::int64_t ms = 1'000'000;

// Noise that is the same everywhere.
struct Noise {
    std::uint64_t state{88'172'645'463'325'252ULL};
    double next() {  // from -1 to 1
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return double(std::int64_t(state >> 11) % 2'001 - 1'000) / 1'000;
    }
};

Address overlay(int seed) {
    std::array<std::byte, 64> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte((seed * 37 + int(i) * 101) & 0xff);
    return Address{Family::overlay, bytes};
}

Address ipv6(int last) {
    std::array<std::byte, 16> bytes{};
    bytes[0] = std::byte{0xfd};
    bytes[15] = std::byte(last);
    return Address{Family::ipv6, bytes};
}

double cubicWindow(double t) {  // bytes at t seconds
    if (t < 1.05) return std::min(158'000.0, 14'480 * std::pow(2.0, t * 3.35));
    const double since = std::fmod(t - 1.05, 2.9), left = 1 - since / 2.9;
    return 150'000 - 44'000 * left * left * left;
}

void sawtooth(Scene& scene, std::int64_t from, std::int64_t to) {
    Noise noise;
    double srtt = 38, sent = 5'000, acked = 5'000, before = 0;
    std::uint32_t number = 1;
    for (std::int64_t t = from; t < to; t += 20 * ms) {
        const double at = double(t - from) / 1e9, window = cubicWindow(at),
                     rtt = 40 + 6 * window / 150'000 + noise.next() * 2.4;
        srtt += (rtt - srtt) / 8;
        const double flight = window * (0.95 + noise.next() * 0.04), per = window / 2.2;
        const bool lost = before > window + 10'000;
        before = window;
        if (lost) scene.add(told(t, 0, trace::Type::loss, trace::Loss{std::uint32_t(acked + 4'344), 4'344, 3, 0}));
        scene.add(
            told(t + ms, 0, trace::Type::congestion,
                 trace::Congestion{std::uint32_t(window), at < 1.05 ? 0x7fff'ffffU : 106'000U, std::uint32_t(flight),
                                   at < 1.05 ? 0U
                                   : lost    ? 2U
                                             : 1U,
                                   std::uint64_t(window * 1'250 / srtt), std::int64_t(srtt * 1e6), std::int64_t(2 * ms)}));
        scene.add(told(t + ms, 0, trace::Type::rate,
                       trace::Rate{std::int64_t(rtt * 1e6), std::int64_t(rtt * 1e6), std::uint64_t(flight * 0.97),
                                   std::uint64_t(acked), std::uint32_t(flight), 0, number, 1}));
        sent = std::max(sent, acked + flight);
        scene.add(told(
            t + 2 * ms, 0, trace::Type::segment_sent,
            trace::Segment{std::uint32_t(sent - per), 7'001, std::uint32_t(per), 512'000, number++, 0x18, 1'448, 0, 1}));
        sent += per * 0.01;
        if (lost)
            scene.add(
                told(t + 3 * ms, 0, trace::Type::segment_sent,
                     trace::Segment{std::uint32_t(acked + 4'344), 7'001, 4'344, 512'000, number++, 0x18, 1'448, 0, 1}));
        acked += per * 0.98;
        scene.add(told(t + 12 * ms, 0, trace::Type::segment_received,
                       trace::Segment{7'001, std::uint32_t(acked), 0, 262'144, 0, 0x10, 0, lost ? 1U : 0U, 1}));
        if ((t - from) % (500 * ms) != 0) continue;
        const auto retransmissions = std::uint32_t(std::max(0.0, (at - 1.05) / 2.9 + 1) * (at > 1.05 ? 1 : 0));
        scene.add(told(t + 13 * ms, 0, trace::Type::counters,
                       trace::Counters{480, std::uint64_t(acked), number, number * 2, retransmissions, 0, 120'000, 0,
                                       262'144, 512'000}));
    }
}

void others(Scene& scene) {
    const std::int64_t t = Scene::begin;
    const auto counted = [&](std::uint32_t place, std::uint64_t in, std::uint64_t out, std::uint32_t again) {
        scene.add(told(t + 400 * ms, place, trace::Type::counters,
                       trace::Counters{in / 2, out / 2, 80, 90, again, 0, 0, 0, 65'536, 65'536}));
        scene.add(told(t + 1'400 * ms, place, trace::Type::counters,
                       trace::Counters{in, out, 160, 180, again, 0, 0, 0, 65'536, 65'536}));
    };
    const auto window = [&](std::uint32_t place, std::uint32_t cwnd, std::int64_t srtt) {
        scene.add(
            told(t + 390 * ms, place, trace::Type::congestion, trace::Congestion{cwnd, 90'000, cwnd / 2, 1, 0, srtt, ms}));
    };
    scene.flow(t + 20 * ms, 1, 0, 49'153, 443, "bbr");
    scene.state(t + 21 * ms, 1, 0, 2, 1);
    scene.state(t + 34 * ms, 1, 2, 4);
    window(1, 310'464, 12'400'000);
    counted(1, 2'000, 40'000'000, 0);
    scene.flow(t + 900 * ms, 2, 0, 49'154, 22, "cubic");
    scene.state(t + 901 * ms, 2, 0, 2, 1);
    scene.flow(t + 40 * ms, 3, 0, 49'141, 8'080, "newreno");
    scene.state(t + 41 * ms, 3, 0, 2, 1);
    scene.state(t + 50 * ms, 3, 2, 4);
    window(3, 28'960, 8'800'000);
    counted(3, 900'000, 44'000, 0);
    scene.state(t + 2'600 * ms, 3, 4, 5, 1);
    scene.state(t + 2'609 * ms, 3, 5, 6);
    scene.flow(t + 60 * ms, 4, 1, 5'201, 40'140, "cubic");
    scene.state(t + 60 * ms, 4, 3, 4);
    window(4, 61'000, 310'000);
    counted(4, 44'000'000, 900, 0);
    scene.state(t + 8'000 * ms, 4, 4, 5, 1);
    scene.state(t + 8'001 * ms, 4, 5, 10);
    scene.flow(t + 70 * ms, 5, 1, 9'000, 51'022, "cubic");
    scene.state(t + 70 * ms, 5, 3, 4);
    window(5, 20'272, 77'000'000);
    counted(5, 70'000, 880'000, 9);
    scene.state(t + 12'000 * ms, 5, 4, 7);
    scene.flow(t, trace::listener_place, 2, 9'000, 0, "");
    scene.state(t, trace::listener_place, 0, 1, 1);
}

}  // namespace

Address ipv4(int a, int b, int c, int d) {
    const std::array<std::byte, 4> bytes{std::byte(a), std::byte(b), std::byte(c), std::byte(d)};
    return Address{Family::ipv4, bytes};
}

void Scene::address(std::uint32_t id, const Address& address) {
    for (std::uint32_t part = 0; part < 2; ++part) {
        trace::Define body{id, part, {}};
        const auto bytes = address.bytes();
        for (std::size_t i = 0; i < 40 && part * 40 + i < bytes.size(); ++i) body.bytes[i] = bytes[part * 40 + i];
        add(told(begin, trace::no_flow, trace::Type::define, body, std::uint16_t(address.family())));
    }
}

void Scene::flow(std::int64_t t, std::uint32_t place, std::uint8_t role, std::uint16_t local, std::uint16_t remote,
                 const char* module) {
    const bool listens = trace::is_listener(place);
    trace::FlowBegin body{1,
                          listens ? trace::no_id : 2 * place,
                          listens ? trace::no_id : 2 * place + 1,
                          local,
                          remote,
                          std::uint8_t(listens                    ? 0
                                       : place == 3               ? int(Family::ipv6)
                                       : place == 0 || place == 4 ? int(Family::ipv4)
                                                                  : int(Family::overlay)),
                          role,
                          0,
                          place + 1,
                          t,
                          {}};
    for (std::size_t i = 0; module[i] != 0 && i < body.module.size(); ++i) body.module[i] = module[i];
    add(told(t, place, trace::Type::flow, body));
}

void Scene::state(std::int64_t t, std::uint32_t place, int from, int to, std::uint8_t cause) {
    add(told(t, place, trace::Type::state, trace::StateChange{std::uint8_t(from), std::uint8_t(to), cause, 0, 1}));
}

std::span<const trace::Record> Scene::records() {
    std::ranges::stable_sort(records_, {}, &trace::Record::t_ns);
    return records_;
}

Scene thirtySeconds() {
    Scene scene;
    scene.address(0, ipv4(10, 9, 0, 1));
    scene.address(1, ipv4(10, 9, 0, 2));
    for (const std::uint32_t place : {1U, 2U, 5U}) {
        scene.address(2 * place, overlay(7));
        scene.address(2 * place + 1, overlay(int(place) * 11 + 3));
    }
    scene.address(6, ipv6(1));
    scene.address(7, ipv6(7));
    scene.address(8, ipv4(10, 9, 0, 1));
    scene.address(9, ipv4(10, 9, 0, 7));
    const std::int64_t t = Scene::begin;
    scene.flow(t + 100 * ms, 0, 0, 49'152, 80, "cubic");
    scene.state(t + 100 * ms, 0, 0, 2, 1);
    scene.state(t + 141 * ms, 0, 2, 4);
    sawtooth(scene, t + 150 * ms, t + 29'000 * ms);
    scene.state(t + 29'100 * ms, 0, 4, 5, 1);
    scene.state(t + 29'142 * ms, 0, 5, 6);
    scene.state(t + 29'160 * ms, 0, 6, 10);
    others(scene);
    scene.add(told(t + 30 * Scene::second, 0, trace::Type::counters,
                   trace::Counters{480, 90'000'000, 1, 2, 9, 0, 0, 0, 262'144, 512'000}));
    return scene;
}

namespace {

int distance(QRgb a, QRgb b) {
    return std::max({std::abs(qRed(a) - qRed(b)), std::abs(qGreen(a) - qGreen(b)), std::abs(qBlue(a) - qBlue(b))});
}

// Nothing around that place in the other picture looks like it.
bool isForeign(QRgb pixel, const QImage& other, int x, int y) {
    constexpr int alike = 48;
    for (int row = std::max(0, y - 1); row <= std::min(other.height() - 1, y + 1); ++row) {
        for (int column = std::max(0, x - 1); column <= std::min(other.width() - 1, x + 1); ++column) {
            if (distance(pixel, other.pixel(column, row)) <= alike) return false;
        }
    }
    return true;
}

}  // namespace

std::string differs(const QImage& actual, const QString& name) {
    constexpr int fuzz = 8;
    const QString reference = QStringLiteral(WEFT_SOURCE_DIR "/tests/gui/references/") + name + QStringLiteral(".png");
    const QImage shown = actual.convertToFormat(QImage::Format_RGB32);
    if (qEnvironmentVariableIsSet("WEFT_UPDATE_PICTURES")) {
        QDir().mkpath(QStringLiteral(WEFT_SOURCE_DIR "/tests/gui/references"));
        return shown.save(reference, "PNG", 0) ? std::string() : "cannot write " + reference.toStdString();
    }
    const QImage expected = QImage(reference).convertToFormat(QImage::Format_RGB32);
    QImage difference(shown.size(), QImage::Format_RGB32);
    difference.fill(Qt::black);
    constexpr int block = 32, mostForeign = 8;
    std::map<std::pair<int, int>, int> foreign;  // by block
    std::int64_t wrong = 0;
    std::string what;
    if (expected.size() != shown.size()) {
        what = expected.isNull() ? "there is no reference; WEFT_UPDATE_PICTURES=1 writes it" : "it has another size";
    } else {
        for (int y = 0; y < shown.height(); ++y) {
            for (int x = 0; x < shown.width(); ++x) {
                const QRgb a = shown.pixel(x, y), b = expected.pixel(x, y);
                const int off = distance(a, b);
                if (off <= fuzz) continue;
                ++wrong;
                if (isForeign(a, expected, x, y) || isForeign(b, shown, x, y)) ++foreign[{y / block, x / block}];
                difference.setPixel(x, y, qRgb(255, std::max(0, 255 - off), 0));
            }
        }
        for (const auto& [place, count] : foreign) {
            if (count > mostForeign && what.empty())
                what = std::to_string(count) + " pixels differ in the block at " + std::to_string(place.second * block) +
                       "," + std::to_string(place.first * block);
        }
        if (wrong * 100 > std::int64_t(shown.width()) * shown.height()) what = std::to_string(wrong) + " pixels differ";
    }
    if (what.empty()) return {};
    const QString folder = QStringLiteral(WEFT_BINARY_DIR "/gui-pictures/");
    QDir().mkpath(folder);
    shown.save(folder + name + QStringLiteral("-actual.png"));
    expected.save(folder + name + QStringLiteral("-expected.png"));
    difference.save(folder + name + QStringLiteral("-diff.png"));
    return what + " (see " + folder.toStdString() + name.toStdString() + "-*.png)";
}

}  // namespace weft::gui
