// Words for records and numbers (see record_text.h).
#include "gui/record_text.h"

#include <array>
#include <cmath>

#include "gui/history.h"
#include "stack/core/address_text.h"
#include "stack/core/trace_names.h"
#include "stack/core/transitions.h"

namespace weft::gui {
namespace {

QString qt(std::string_view text) { return QString::fromUtf8(text.data(), qsizetype(text.size())); }

// Three digits that count, and a unit.
QString scaled(double value, double step, std::span<const char* const> units) {
    std::size_t unit = 0;
    while (std::abs(value) >= step && unit + 1 < units.size()) {
        value /= step;
        ++unit;
    }
    return QString::number(value, 'f', unit == 0 ? 0 : 1) + QChar(u' ') + QString::fromLatin1(units[unit]);
}

QString stateText(const trace::Record& record) {
    const auto body = trace::body_of<trace::StateChange>(record);
    if ((record.flags & trace::moved_flag) != 0)
        return QStringLiteral("%1, goes on as a connection").arg(stateName(body.to));
    if ((record.flags & trace::snapshot_flag) != 0 || body.from == body.to) return stateName(body.to);
    QString text = stateName(body.from) + QStringLiteral(" → ") + stateName(body.to);
    const std::string_view cause = trace::cause_name(body.cause);
    if (cause == "?") return text;
    text += QStringLiteral(" (") + qt(cause);
    const QString flags = flagsText(body.segment_flags);
    return text + (flags.isEmpty() ? QStringLiteral(")") : QStringLiteral(": %1)").arg(flags));
}

QString beginText(const trace::Record& record, const trace::Replay& state) {
    const auto body = trace::body_of<trace::FlowBegin>(record);
    const auto end = [&](std::uint32_t id, std::uint16_t port) {
        const Address* address = state.address(id);
        return endpointText(address != nullptr ? *address : Address{}, port);
    };
    QString text = QStringLiteral("%1 → %2, %3")
                       .arg(end(body.local_id, body.local_port), end(body.remote_id, body.remote_port),
                            qt(trace::role_name(body.role)));
    if (body.module[0] != '\0') text += QStringLiteral(", ") + qt(trace::text_of(body.module));
    return text;
}

QString congestionText(const trace::Record& record) {
    const auto body = trace::body_of<trace::Congestion>(record);
    QString text = QStringLiteral("%1, in flight %2, ").arg(bytesText(body.cwnd), bytesText(body.in_flight)) +
                   qt(trace::phase_name(body.phase));
    if (body.srtt_ns > 0) text += QStringLiteral(", srtt ") + durationText(body.srtt_ns);
    if (body.ssthresh < 0x7fff'ffff) text += QStringLiteral(", ssthresh ") + bytesText(body.ssthresh);
    return text;
}

QString rateSampleText(const trace::Record& record) {
    const auto body = trace::body_of<trace::Rate>(record);
    QString text = QStringLiteral("%1 delivered").arg(bytesText(double(body.delivered)));
    if (body.interval_ns > 0)
        text += QStringLiteral(", ") + rateText(8e9 * double(body.delivered) / double(body.interval_ns));
    if (body.rtt_ns > 0) text += QStringLiteral(", rtt ") + durationText(body.rtt_ns);
    return text;
}

QString segmentText(const trace::Record& record) {
    const auto body = trace::body_of<trace::Segment>(record);
    constexpr unsigned ack = 16;
    QString text = flagsText(body.tcp_flags & ~ack);  // the number says that it acknowledges
    if (!text.isEmpty()) text += QChar(u' ');
    text += QStringLiteral("seq %1").arg(body.seq);
    if (body.length > 0) text += QStringLiteral(" len %1").arg(body.length);
    if ((body.tcp_flags & ack) != 0) text += QStringLiteral(" ack %1").arg(body.ack);
    if (body.sack_blocks > 0) text += QStringLiteral(" SACK %1").arg(body.sack_blocks);
    return text + QStringLiteral(" win %1").arg(body.window);
}

QString countersText(const trace::Record& record) {
    const auto body = trace::body_of<trace::Counters>(record);
    return QStringLiteral("in %1, out %2, %3 retransmissions, %4 timeouts")
        .arg(bytesText(double(body.bytes_in)), bytesText(double(body.bytes_out)))
        .arg(body.retransmissions)
        .arg(body.timeouts);
}

QString timerText(const trace::Record& record) {
    static constexpr std::array names{"timer",           "retransmission timer", "persist timer",    "delayed ack timer",
                                      "user timeout",    "module's timer",       "keep-alive timer", "tail probe timer",
                                      "reordering timer"};
    const auto body = trace::body_of<trace::TimerEvent>(record);
    const QString name = QString::fromLatin1(names[body.timer < names.size() ? body.timer : 0]);
    if (body.fired == 1) return name + QStringLiteral(" expired");
    if (body.fired == 2) return name + QStringLiteral(" stopped");
    return QStringLiteral("%1 in %2").arg(name, durationText(std::int64_t(distanceNs(record.t_ns, body.deadline_ns))));
}

QString pluginText(const trace::Record& record) {
    static constexpr std::array events{"event",       "installed",     "uninstalled",         "goes on under",
                                       "quarantined", "out of bounds", "flows were moved to", "begins with"};
    const auto body = trace::body_of<trace::Plugin>(record);
    return QString::fromLatin1(events[body.event < events.size() ? body.event : 0]) + QChar(u' ') +
           qt(trace::text_of(body.name));
}

QString networkText(const trace::Record& record) {
    switch (record.type) {
    case trace::Type::route: {
        static constexpr std::array events{"event", "SETUP", "ACK", "NAK", "TEARDOWN", "BROKEN"};
        const auto body = trace::body_of<trace::Route>(record);
        return QStringLiteral("%1 %2, path %3, link %4")
            .arg(QString::fromLatin1(events[body.event < events.size() ? body.event : 0]),
                 (record.flags & 1) != 0 ? QStringLiteral("sent") : QStringLiteral("received"))
            .arg(body.path)
            .arg(body.link);
    }
    case trace::Type::label: {
        static constexpr std::array events{"event", "made", "completed", "freed"};
        const auto body = trace::body_of<trace::Label>(record);
        return QStringLiteral("label %1 %2")
            .arg(body.label)
            .arg(QString::fromLatin1(events[body.event < events.size() ? body.event : 0]));
    }
    case trace::Type::link: {
        const auto body = trace::body_of<trace::LinkChange>(record);
        return QStringLiteral("link %1, event %2, mtu %3, rtt %4")
            .arg(body.link)
            .arg(body.event)
            .arg(body.mtu)
            .arg(durationText(body.rtt_ns));
    }
    case trace::Type::text:
    case trace::Type::mark: return qt(trace::text_of(trace::body_of<trace::Text>(record).utf8));
    default: return {};
    }
}

}  // namespace

QString typeName(trace::Type type) { return qt(trace::name(type)); }

QString shortName(trace::Type type) {
    switch (type) {
    case trace::Type::segment_sent: return QStringLiteral("sent");
    case trace::Type::segment_received: return QStringLiteral("received");
    case trace::Type::congestion: return QStringLiteral("cwnd");
    default: return typeName(type);
    }
}

QString glyph(const trace::Record& record) {
    switch (record.type) {
    case trace::Type::segment_sent: return QStringLiteral("→");
    case trace::Type::segment_received: return QStringLiteral("←");
    case trace::Type::state: return QStringLiteral("◆");
    case trace::Type::loss: return QStringLiteral("▲");
    case trace::Type::drop:
    case trace::Type::lagged: return QStringLiteral("!");
    case trace::Type::congestion:
    case trace::Type::rate:
    case trace::Type::limit: return QStringLiteral("~");
    case trace::Type::timer: return QStringLiteral("◎");
    case trace::Type::route:
    case trace::Type::label:
    case trace::Type::link: return QStringLiteral("↔");
    case trace::Type::mark: return QStringLiteral("▶");
    default: return QStringLiteral("·");
    }
}

QString recordText(const trace::Record& record, const trace::Replay& state) {
    switch (record.type) {
    case trace::Type::state: return stateText(record);
    case trace::Type::flow: return beginText(record, state);
    case trace::Type::congestion: return congestionText(record);
    case trace::Type::rate: return rateSampleText(record);
    case trace::Type::segment_sent:
    case trace::Type::segment_received: return segmentText(record);
    case trace::Type::counters: return countersText(record);
    case trace::Type::loss: {
        const auto body = trace::body_of<trace::Loss>(record);
        return QStringLiteral("seq %1, %2: %3").arg(body.seq).arg(bytesText(body.length), qt(trace::loss_name(body.reason)));
    }
    case trace::Type::timer: return timerText(record);
    case trace::Type::limit:
        return QStringLiteral("held back by %1").arg(qt(trace::limit_name(trace::body_of<trace::Limit>(record).limit)));
    case trace::Type::plugin: return pluginText(record);
    case trace::Type::lagged: {
        const auto body = trace::body_of<trace::Lagged>(record);
        return QStringLiteral("%1 records of %2 %3")
            .arg(body.count)
            .arg(typeName(trace::Type(body.type)),
                 body.where == 2 ? QStringLiteral("left out as asked") : QStringLiteral("lost: a queue was full"));
    }
    case trace::Type::drop: {
        const auto body = trace::body_of<trace::Drop>(record);
        return QStringLiteral("%1 dropped, reason %2").arg(body.count).arg(body.why);
    }
    default: return networkText(record);
    }
}

QString timeText(std::int64_t tNs, std::int64_t originNs, int decimals) {
    return QString::number((double(tNs) - double(originNs)) * 1e-9, 'f', decimals);
}

QString stateName(int state) {
    return state >= 0 && std::size_t(state) < trace::state_names.size() ? qt(trace::state_names[std::size_t(state)])
                                                                        : QStringLiteral("–");
}

QString bytesText(double bytes) {
    static constexpr std::array units{"B", "kB", "MB", "GB", "TB"};
    return scaled(bytes, 1e3, units);
}

QString rateText(double bitsPerSecond) {
    static constexpr std::array units{"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
    return scaled(bitsPerSecond, 1e3, units);
}

QString durationText(std::int64_t ns) {
    static constexpr std::array units{"ns", "µs", "ms"};
    if (ns >= 1'000'000'000) return QString::number(double(ns) * 1e-9, 'f', 2) + QStringLiteral(" s");
    double value = double(ns);
    std::size_t unit = 0;
    for (; std::abs(value) >= 1e3 && unit < 2; ++unit) value /= 1e3;
    return QString::number(value, 'f', unit == 0 ? 0 : 1) + QChar(u' ') + QString::fromUtf8(units[unit]);
}

QString addressText(const Address& address) {
    if (address.family() == Family::none) return QStringLiteral("*");
    return QString::fromStdString(address.family() == Family::overlay ? format_short_form(address) : to_string(address));
}

QString endpointText(const Address& address, std::uint16_t port) {
    QString text = addressText(address);
    if (address.family() == Family::ipv6) text = QChar(u'[') + text + QChar(u']');
    return text + QChar(u':') + (port == 0 ? QStringLiteral("*") : QString::number(port));
}

QString flagsText(unsigned tcpFlags) {
    static constexpr std::array names{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"};
    QString text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if ((tcpFlags >> i & 1) == 0) continue;
        if (!text.isEmpty()) text += QChar(u' ');
        text += QString::fromLatin1(names[i]);
    }
    return text;
}

}  // namespace weft::gui
