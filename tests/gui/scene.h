// A session made up for pictures and walks: thirty seconds of seven flows in as many states, with a sawtooth of CUBIC's on the
// first. The same records each time, from no clock and no generator but its own.
#pragma once

#include <QImage>
#include <QString>
#include <QWidget>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "stack/core/address.h"
#include "stack/core/trace_sink.h"

namespace weft::gui {

template <class Body>
trace::Record told(std::int64_t t, std::uint32_t place, trace::Type type, const Body& body, std::uint16_t flags = 0) {
    trace::Record made;
    trace::Sink sink{trace::all, &made,
                     [](void* to, const trace::Record& record) { *static_cast<trace::Record*>(to) = record; }};
    sink.add(Instant::from_nanoseconds(t), place, type, body, flags);
    return made;
}

class Scene {
public:
    static constexpr std::int64_t begin = 1'000'000'000'000, second = 1'000'000'000;  // ns

    void address(std::uint32_t id, const Address& address);
    void flow(std::int64_t t, std::uint32_t place, std::uint8_t role, std::uint16_t local, std::uint16_t remote,
              const char* module);
    void state(std::int64_t t, std::uint32_t place, int from, int to, std::uint8_t cause = 0);
    void add(const trace::Record& record) { records_.push_back(record); }

    std::span<const trace::Record> records();  // in the order of their times

private:
    std::vector<trace::Record> records_;
};

Scene thirtySeconds();
Address ipv4(int a, int b, int c, int d);

// Compares with references/NAME.png: at most one pixel of a hundred is more than 8 of 255 off in a channel, and no block of 32x32
// pixels has more than eight that are like none of those around the same place in the other picture: edges of letters may be drawn
// a little differently, but no line may be missing. On failure NAME-actual.png,
// -expected.png and -diff.png are kept in the build folder, under gui-pictures. With WEFT_UPDATE_PICTURES set it writes the reference instead.
// Empty: equal; else what differs.
std::string differs(const QImage& actual, const QString& name);

}  // namespace weft::gui
