// link.list and link.set: the links of a node, and the damage that they do on purpose.
#include <algorithm>

#include <fmt/format.h>

#include "node/daemon.h"
#include "node/log.h"
#include "node/units.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

RpcError bad(std::string message) { return {RpcCode::bad_parameters, std::move(message), {}}; }

std::string percent_text(std::uint32_t parts_per_million) { return fmt::format("{:g}%", double(parts_per_million) / 1e4); }

}  // namespace

Json udp_statistics(const link::Udp::Statistics& s) {
    return Json{{"datagrams_in", s.datagrams_in}, {"datagrams_out", s.datagrams_out}, {"bytes_in", s.bytes_in},
                {"bytes_out", s.bytes_out},       {"calls_in", s.calls_in},           {"calls_out", s.calls_out},
                {"dropped_in", s.dropped_in},     {"dropped_out", s.dropped_out},     {"overflowed", s.overflowed},
                {"blocked", s.blocked},           {"soft_errors", s.soft_errors}};
}

Json fault_statistics(const link::FaultStatistics& s) {
    return Json{{"datagrams", s.datagrams},
                {"sent", s.sent},
                {"lost", s.lost},
                {"reordered", s.reordered},
                {"duplicated", s.duplicated},
                {"corrupted", s.corrupted},
                {"overflowed", s.overflowed},
                {"refused", s.refused}};
}

Json listening_on(const link::Udp& udp) {
    Json list = Json::array();
    for (const UdpEndpoint& endpoint : {udp.local4(), udp.local6()})
        if (endpoint.port != 0) list.push_back(to_string(endpoint));
    return list;
}

link::FaultConfig fault_link(const FaultConfig& fault) {
    link::FaultConfig made;
    made.seed = fault.seed;
    made.loss = fault.loss_ppm;
    made.reorder = fault.reorder_ppm;
    made.duplicate = fault.duplicate_ppm;
    made.corrupt = fault.corrupt_ppm;
    made.delay = fault.delay;
    made.jitter = fault.jitter;
    made.rate = fault.rate;
    return made;
}

Json Daemon::link_list() const {
    const link::Udp& udp = shard_->udp();
    Json one{{"link", 0},
             {"kind", "udp"},
             {"listen", listening_on(udp)},
             {"mtu", config_.mtu},
             {"statistics", udp_statistics(udp.statistics())}};
    if (const link::FaultStatistics* fault = shard_->faults()) one["fault"] = fault_statistics(*fault);
    Json list = Json::array();
    if (config_.overlay) list.push_back(std::move(one));
    for (Json taps = tap_list(); Json & tap : taps) list.push_back(std::move(tap));
    return Json{{"links", std::move(list)}};
}

std::expected<Json, RpcError> Daemon::link_set(const Json& params) {
    const auto link = params["link"].get<std::uint32_t>();
    const auto found = link == 0 && !config_.overlay ? std::nullopt : shard_->fault(link);
    if (!found)
        return std::unexpected(
            RpcError{RpcCode::failed, fmt::format("there is no link {}: link.list shows them", link), "no_such_link"});
    link::FaultConfig wanted = *found;
    std::string wrong;
    const auto read = [&](std::string_view key, auto parse, std::string_view form, auto& into) {
        const auto text = params.find(key);
        if (text == params.end()) return;
        const auto value = parse(text->template get_ref<const std::string&>());
        if (value) into = *value;
        else if (wrong.empty()) wrong = fmt::format("\"{}\" {}; write {}", key, value.error(), form);
    };
    read("loss", parse_percent, percent_form, wanted.loss);
    read("reorder", parse_percent, percent_form, wanted.reorder);
    read("duplicate", parse_percent, percent_form, wanted.duplicate);
    read("corrupt", parse_percent, percent_form, wanted.corrupt);
    read("delay", parse_duration, duration_form, wanted.delay);
    read("jitter", parse_duration, duration_form, wanted.jitter);
    if (params.value("rate", "") == "unlimited") wanted.rate = 0;
    else read("rate", parse_rate, rate_form, wanted.rate);
    if (!wrong.empty()) return std::unexpected(bad(std::move(wrong)));
    if (std::max(wanted.delay, wanted.jitter) > Duration::seconds(10))
        return std::unexpected(bad("\"delay\" and \"jitter\" are at most 10s"));
    if (wanted.rate != 0 && wanted.rate < 1'000) return std::unexpected(bad("\"rate\" is at least 8kbit, or \"unlimited\""));
    shard_->set_fault(link, wanted);
    log(LogLevel::info, "control",
        fmt::format("link {}: loss {}, delay {} us, jitter {} us, rate {}", link, percent_text(wanted.loss),
                    wanted.delay.count() / 1'000, wanted.jitter.count() / 1'000,
                    wanted.rate == 0 ? "unlimited" : fmt::format("{} bit/s", wanted.rate * 8)));
    return Json{{"link", link},
                {"fault",
                 {{"loss", percent_text(wanted.loss)},
                  {"reorder", percent_text(wanted.reorder)},
                  {"duplicate", percent_text(wanted.duplicate)},
                  {"corrupt", percent_text(wanted.corrupt)},
                  {"delay_us", wanted.delay.count() / 1'000},
                  {"jitter_us", wanted.jitter.count() / 1'000},
                  {"rate_bit_s", wanted.rate * 8}}}};
}

}  // namespace weft::node
