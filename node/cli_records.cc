// One function says what fields a body has; text and JSON come of it, but for the classes whose text a person reads most.
#include "node/cli_records.h"

#include <array>
#include <ctime>
#include <string_view>

#include <fmt/core.h>

#include "node/cli_format.h"
#include "node/json_library.h"
#include "stack/core/address_text.h"
#include "stack/core/trace_names.h"
#include "stack/core/transitions.h"

namespace weft::node {
namespace {

using trace::body_of;
using trace::Type;

template <std::size_t size>
std::string text_in(const std::array<char, size>& field) {
    return printable(trace::text_of(field));
}

std::string bytes_text(std::uint64_t bytes) { return bytes >= 0x7fff'ffff ? "unlimited" : fmt::format("{}", bytes); }

std::string_view name_in(std::initializer_list<std::string_view> names, std::size_t index) {
    return index < names.size() ? names.begin()[index] : std::string_view{"?"};
}
std::string_view role_of(const trace::FlowBegin& body) { return trace::role_name(body.role); }
std::string_view link_event(std::uint32_t event) {
    return name_in({"up", "suspect", "recovered", "down", "rekeyed", "roamed", "new MTU", "unreachable", "resting"}, event);
}
std::string_view timer_of(std::uint32_t timer) {
    return name_in({"?", "retransmission", "persist", "delayed ack", "user timeout", "module", "keep-alive", "tail probe",
                    "reordering"},
                   timer);
}
std::string_view fired_of(std::uint32_t fired) { return name_in({"armed", "expired", "stopped"}, fired); }
std::string_view route_event(std::uint32_t event) {
    return name_in({"?", "SETUP", "ACK", "NAK", "TEARDOWN", "BROKEN"}, event);
}
std::string_view label_event(std::uint32_t event) { return name_in({"?", "made", "completed", "freed"}, event); }
std::string_view plugin_event(std::uint16_t event) {
    return name_in(
        {"?", "installed", "uninstalled", "goes on under", "quarantined", "out of bounds", "migrated to", "begins with"},
        event);
}

// The names of RFC 9293, section 3.1, and RFC 3168.
std::string flags_text(std::uint16_t flags) {
    static constexpr std::array<std::string_view, 9> names{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"};
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i)
        if ((flags >> i & 1) != 0) text += (text.empty() ? "" : ",") + std::string(names[i]);
    return text.empty() ? "none" : text;
}

std::string address_of(const trace::Replay& flows, std::uint32_t id, std::uint16_t port) {
    const Address* address = id == trace::no_id ? nullptr : flows.address(id);
    std::string text = address ? to_string(*address) : "*";
    if (address && address->family() == Family::overlay) text = format_short_form(*address);
    if (text.find(':') != std::string::npos && address && address->family() == Family::ipv6) text = "[" + text + "]";
    return fmt::format("{}:{}", text, port == 0 ? std::string("*") : std::to_string(port));
}

std::string_view family_name(std::uint8_t family) {
    switch (Family(family)) {
    case Family::ipv4: return "ipv4";
    case Family::ipv6: return "ipv6";
    case Family::overlay: return "overlay";
    default: return "any";
    }
}

// Calls `field(name, value)` for each of the body's: of what is told of flows.
template <class Field>
void each_field_of_flow(const trace::Record& record, const trace::Replay& flows, Field&& field) {
    switch (record.type) {
    case Type::state: {
        const auto body = body_of<trace::StateChange>(record);
        field("from", trace::state_name(body.from)), field("to", trace::state_name(body.to));
        field("cause", trace::cause_name(body.cause)), field("segment_flags", flags_text(body.segment_flags));
        return field("generation", body.generation);
    }
    case Type::flow: {
        const auto body = body_of<trace::FlowBegin>(record);
        field("generation", body.generation), field("role", role_of(body)), field("family", family_name(body.family));
        field("local", address_of(flows, body.local_id, body.local_port));
        field("remote", address_of(flows, body.remote_id, body.remote_port));
        field("path", body.path), field("opened_ns", body.opened_ns), field("slot", body.slot);
        return field("module", text_in(body.module));
    }
    case Type::congestion: {
        const auto body = body_of<trace::Congestion>(record);
        field("cwnd", body.cwnd), field("ssthresh", body.ssthresh), field("in_flight", body.in_flight);
        field("phase", trace::phase_name(body.phase)), field("pacing_rate", body.pacing_rate);
        return field("srtt_ns", body.srtt_ns), field("rttvar_ns", body.rttvar_ns);
    }
    case Type::segment_sent:
    case Type::segment_received: {
        const auto body = body_of<trace::Segment>(record);
        field("seq", body.seq), field("ack", body.ack), field("length", body.length), field("window", body.window);
        field("flags", flags_text(body.tcp_flags)), field("transmission", body.transmission);
        field("segment_size", body.segment_size), field("sack_blocks", body.sack_blocks);
        return field("generation", body.generation);
    }
    case Type::loss: {
        const auto body = body_of<trace::Loss>(record);
        return field("seq", body.seq), field("length", body.length), field("reason", trace::loss_name(body.reason));
    }
    case Type::timer: {
        const auto body = body_of<trace::TimerEvent>(record);
        return field("timer", timer_of(body.timer)), field("event", fired_of(body.fired)),
               field("deadline_ns", body.deadline_ns);
    }
    case Type::limit: return field("limit", trace::limit_name(body_of<trace::Limit>(record).limit));
    case Type::rate: {
        const auto body = body_of<trace::Rate>(record);
        field("rtt_ns", body.rtt_ns), field("interval_ns", body.interval_ns), field("delivered", body.delivered);
        field("total", body.total), field("in_flight", body.in_flight), field("lost", body.lost);
        return field("round", body.round), field("sample_flags", body.flags);
    }
    case Type::counters: {
        const auto body = body_of<trace::Counters>(record);
        field("bytes_in", body.bytes_in), field("bytes_out", body.bytes_out), field("segments_in", body.segments_in);
        field("segments_out", body.segments_out), field("retransmissions", body.retransmissions),
            field("timeouts", body.timeouts);
        field("send_queue", body.send_queue), field("receive_queue", body.receive_queue);
        return field("send_window", body.send_window), field("receive_window", body.receive_window);
    }
    default: return;
    }
}

// The same of all classes.
template <class Field>
void each_field(const trace::Record& record, const trace::Replay& flows, Field&& field) {
    switch (record.type) {
    case Type::define: {
        const auto body = body_of<trace::Define>(record);
        field("id", body.id), field("part", body.part);
        if (const Address* address = flows.address(body.id)) field("address", to_string(*address));
        return;
    }
    case Type::link: {
        const auto body = body_of<trace::LinkChange>(record);
        field("link", body.link), field("event", link_event(body.event)), field("mtu", body.mtu),
            field("loss_ppm", body.loss_ppm);
        field("rtt_ns", body.rtt_ns);
        if (const Address* peer = flows.address(trace::peer_id | body.link)) field("peer", to_string(*peer));
        return field("peer_tag", fmt::format("{:016x}", body.peer_tag));
    }
    case Type::plugin: {
        const auto body = body_of<trace::Plugin>(record);
        field("event", plugin_event(body.event)), field("name", text_in(body.name)), field("slot", body.slot);
        field("from_slot", body.from_slot), field("reason", body.reason), field("flows", body.flows),
            field("window", body.window);
        return field("generation", body.generation), field("file_tag", fmt::format("{:016x}", body.file_tag));
    }
    case Type::route: {
        const auto body = body_of<trace::Route>(record);
        field("event", route_event(body.event)), field("sent", (record.flags & 1) != 0), field("link", body.link);
        field("path", fmt::format("{:016x}", body.path)), field("reason", body.reason), field("hops", body.hops);
        field("peer_tag", fmt::format("{:016x}", body.peer_tag));
        return field("accused_tag", fmt::format("{:016x}", body.accused_tag));
    }
    case Type::label: {
        const auto body = body_of<trace::Label>(record);
        field("event", label_event(body.event)), field("label", fmt::format("{:08x}", body.label));
        field("out_label", fmt::format("{:08x}", body.out_label)), field("in_link", body.in_link),
            field("out_link", body.out_link);
        return field("mtu", body.mtu), field("path", fmt::format("{:016x}", body.path));
    }
    case Type::drop: {
        const auto body = body_of<trace::Drop>(record);
        return field("where", body.where), field("why", body.why), field("count", body.count), field("detail", body.detail);
    }
    case Type::lagged: {
        const auto body = body_of<trace::Lagged>(record);
        field("class", trace::name(Type(body.type)));
        return field("where", name_in({"ring", "queue", "rate_limit"}, body.where)), field("count", body.count);
    }
    case Type::text:
    case Type::mark: return field("text", text_in(body_of<trace::Text>(record).utf8));
    default: return each_field_of_flow(record, flows, field);
    }
}

std::string fields_text(const trace::Record& record, const trace::Replay& flows) {
    std::string text;
    each_field(record, flows, [&](std::string_view name, const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, bool>)
            text += value ? fmt::format(" {}", name) : std::string{};
        else if (name != "generation") text += fmt::format(" {} {}", name, value);
    });
    return text.empty() ? text : text.substr(1);
}

std::string state_text(const trace::Record& record) {
    const auto body = body_of<trace::StateChange>(record);
    const std::string_view to = trace::state_name(body.to);
    if ((record.flags & trace::moved_flag) != 0) return fmt::format("{}, as a connection of its own", to);
    if (body.from == body.to) return fmt::format("is {}", to);
    const std::string flags = body.segment_flags != 0 ? " " + flags_text(body.segment_flags) : std::string{};
    const bool unheard = body.cause == trace::cause_unheard;
    return fmt::format("{} -> {} ({}{})", trace::state_name(body.from), to,
                       unheard ? "unheard" : trace::cause_name(body.cause), flags);
}

}  // namespace

std::string place_text(const trace::Record& record, const trace::Replay& flows) {
    if (record.flow == trace::no_flow) return "-";
    const std::string_view kind = trace::is_half_open(record.flow)  ? "half-open "
                                  : trace::is_listener(record.flow) ? "listener "
                                                                    : "";
    const std::uint32_t place = kind.empty() ? record.flow : record.flow & 0xff'ffff;
    const trace::FlowState* known = flows.find(record.flow);
    return known ? fmt::format("{}{}:{}", kind, place, known->generation) : fmt::format("{}{}", kind, place);
}

std::string record_text(const trace::Record& record, const trace::Replay& flows) {
    switch (record.type) {
    case Type::state: return state_text(record);
    case Type::flow: {
        const auto body = body_of<trace::FlowBegin>(record);
        return fmt::format("{} {} -> {} {}", role_of(body), address_of(flows, body.local_id, body.local_port),
                           address_of(flows, body.remote_id, body.remote_port), text_in(body.module));
    }
    case Type::congestion: {
        const auto body = body_of<trace::Congestion>(record);
        std::string text =
            fmt::format("{}, cwnd {} ssthresh {} in flight {} srtt {} rttvar {}", trace::phase_name(body.phase), body.cwnd,
                        bytes_text(body.ssthresh), body.in_flight, human_microseconds(std::uint64_t(body.srtt_ns) / 1'000),
                        human_microseconds(std::uint64_t(body.rttvar_ns) / 1'000));
        if (body.pacing_rate > 0) text += fmt::format(" pacing {}", human_rate(body.pacing_rate, 1));
        return text;
    }
    case Type::timer: {
        const auto body = body_of<trace::TimerEvent>(record);
        std::string text = fmt::format("{} {}", timer_of(body.timer), fired_of(body.fired));
        if (body.fired == 0 && body.deadline_ns > record.t_ns)
            text += fmt::format(" for {}",
                                human_microseconds((std::uint64_t(body.deadline_ns) - std::uint64_t(record.t_ns)) / 1'000));
        return text;
    }
    case Type::link: {
        const auto body = body_of<trace::LinkChange>(record);
        const Address* peer = flows.address(trace::peer_id | body.link);
        return fmt::format("{} {}, MTU {}, rtt {}", peer ? format_short_form(*peer) : fmt::format("link {}", body.link),
                           link_event(body.event), body.mtu, human_microseconds(std::uint64_t(body.rtt_ns) / 1'000));
    }
    case Type::plugin: {
        const auto body = body_of<trace::Plugin>(record);
        return fmt::format("{} {} (slot {})", plugin_event(body.event), text_in(body.name), body.slot);
    }
    case Type::mark:
    case Type::text: return text_in(body_of<trace::Text>(record).utf8);
    default: return fields_text(record, flows);
    }
}

namespace {

// Whatever a file says: it wraps.
std::int64_t real_time(const trace::Record& record, const trace::Clocks& clocks) {
    return std::int64_t(std::uint64_t(record.t_ns) - std::uint64_t(clocks.monotonic_ns) + std::uint64_t(clocks.realtime_ns));
}

}  // namespace

std::string record_line(const trace::Record& record, const trace::Replay& flows, const trace::Clocks& clocks) {
    const std::int64_t real = real_time(record, clocks);
    const std::time_t seconds = real / 1'000'000'000;
    tm local{};
    ::localtime_r(&seconds, &local);
    return fmt::format("{:02}:{:02}:{:02}.{:06} {} {}{} {}\n", local.tm_hour, local.tm_min, local.tm_sec,
                       real % 1'000'000'000 / 1'000, place_text(record, flows), trace::name(record.type),
                       (record.flags & trace::snapshot_flag) != 0 ? " (as it is)" : "", record_text(record, flows));
}

Json record_json(const trace::Record& record, const trace::Replay& flows, const trace::Clocks& clocks) {
    const std::int64_t real = real_time(record, clocks);
    Json one{{"t_ns", record.t_ns},
             {"time", double(real / 1'000) / 1e6},
             {"flow", record.flow == trace::no_flow ? Json(nullptr) : Json(place_text(record, flows))},
             {"type", trace::name(record.type)}};
    if ((record.flags & trace::snapshot_flag) != 0) one["told_again"] = true;
    each_field(record, flows, [&](std::string_view name, const auto& value) { one[std::string(name)] = value; });
    return one;
}

}  // namespace weft::node
