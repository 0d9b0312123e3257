// events.subscribe and record.*: who listens to this node's events, and what the telemetry thread has to say.
#include <algorithm>

#include <fmt/format.h>

#include "node/daemon.h"
#include "node/log.h"
#include "node/recordings.h"
#include "node/units.h"
#include "stack/core/trace_names.h"
#include "stack/engine/flow_text.h"

namespace weft::node {
namespace {

constexpr std::size_t most_flows = 1'024;  // of one subscription

Json names_of(std::uint32_t classes) {
    Json list = Json::array();
    for (const std::string_view name : class_names(classes)) list.push_back(name);
    return list;
}

std::expected<std::uint32_t, RpcError> classes_of(const Json& params, std::string_view otherwise) {
    std::string list;
    for (const Json& word : params.value("classes", Json::array()))
        list += (list.empty() ? "" : ",") + word.get_ref<const std::string&>();
    const auto classes = trace::parse_classes(list.empty() ? otherwise : list);
    if (!classes) return std::unexpected(bad_parameters("\"classes\": " + classes.error()));
    return *classes;
}

// A place by itself is enough: whichever flow has it.
std::optional<ChosenFlow> flow_in(const std::string& text) {
    if (const auto flow = parse_flow(text)) return ChosenFlow{flow->place, flow->generation};
    if (const auto flow = parse_flow(text + ":0")) return ChosenFlow{flow->place};
    return std::nullopt;
}

Json describe(const RecordStatus& status) {
    Json one{{"path", status.path},
             {"bytes", status.bytes},
             {"records", status.records},
             {"dropped", status.dropped},
             {"seconds", double((status.end_ns - status.begin_ns) / 1'000) / 1e6},
             {"error", status.error.empty() ? Json(nullptr) : Json(status.error)}};
    return one;
}

}  // namespace

std::expected<void, std::string> Daemon::open_telemetry() {
    auto started = Telemetry::start(
        {.node = config_.name, .address = config_.overlay ? shard_->address() : Address{}, .queue = config_.record.queue});
    if (!started) return std::unexpected(started.error());
    telemetry_ = std::move(*started);
    if (config_.record.directory.empty()) config_.record.directory = default_recording_directory();  // no file was read
    shard_->observe(*telemetry_, [this] { take_notices(); });
    if (!config_.record.start) return {};
    const auto recording = record_start(Json::object());
    if (!recording) return std::unexpected("[record] start: " + recording.error().message);
    return {};
}

// Classes, flows and payload, which a listener and a recording say alike.
std::expected<Subscription, RpcError> Daemon::subscription_of(const Json& params, std::string_view otherwise) const {
    Subscription wants;
    const auto classes = classes_of(params, otherwise);
    if (!classes) return std::unexpected(classes.error());
    wants.classes = *classes;
    for (const Json& text : params.value("flows", Json::array())) {
        const auto flow = flow_in(text.get_ref<const std::string&>());
        if (!flow) return std::unexpected(bad_parameters("\"flows\" must be PLACE:GENERATION, as flow.list shows them"));
        if (wants.flows.size() == most_flows)
            return std::unexpected(
                bad_parameters(fmt::format("\"flows\" names more than {}: leave it out for all", most_flows)));
        wants.flows.push_back(*flow);
    }
    wants.payload = params.value("payload", false);
    return wants;
}

std::optional<RpcError> Daemon::events_subscribe(ClientId client, const RpcRequest& request) {
    const Json& params = request.params;
    auto asked = subscription_of(params, "all");
    if (!asked) return asked.error();
    Subscription& wants = *asked;
    wants.rate_limit = params.value("rate_limit", 0u);
    wants.snapshot = params.value("snapshot", true);
    const TelemetryStatus status = telemetry_->status();
    if (status.subscribers.size() >= Telemetry::max_subscribers)
        return RpcError{
            RpcCode::too_many, fmt::format("{} event connections are open already: end one", status.subscribers.size()), {}};
    auto taken = control_->take(client);
    if (!taken) return RpcError{RpcCode::failed, taken.error(), "in_use"};
    const Json answer{{"classes", names_of(wants.classes)},
                      {"flows", params.value("flows", Json::array())},
                      {"rate_limit", wants.rate_limit},
                      {"snapshot", wants.snapshot},
                      {"payload", wants.payload}};
    (void)telemetry_->subscribe(std::move(taken->fd), wants, taken->unsent + result_line(request.id, answer));
    return std::nullopt;
}

std::expected<Json, RpcError> Daemon::record_start(const Json& params) {
    const auto wants = subscription_of(params, config_.record.classes);
    if (!wants) return std::unexpected(wants.error());
    std::uint64_t limit = config_.record.limit;
    if (const auto text = params.find("limit"); text != params.end()) {
        const auto size = parse_size(text->get_ref<const std::string&>());
        if (!size) return std::unexpected(bad_parameters(fmt::format("\"limit\" {}; write {}", size.error(), size_form)));
        limit = *size;
    }
    if (const RecordStatus now = telemetry_->status().record; now.running)
        return std::unexpected(
            RpcError{RpcCode::failed, fmt::format("a recording runs already, {}: record.stop ends it", now.path), "in_use"});
    const auto name = params.find("name");
    auto file = name == params.end() ? open_new_recording(config_.record.directory, config_.name)
                                     : open_recording(config_.record.directory, name->get_ref<const std::string&>(),
                                                      params.value("overwrite", false));
    if (!file) return std::unexpected(RpcError{RpcCode::failed, file.error().message, file.error().cause});
    file->limit = limit;
    const std::string path = file->path;
    if (const auto began = telemetry_->record(std::move(*file), *wants); !began)
        return std::unexpected(RpcError{RpcCode::failed, began.error(), "in_use"});
    log(LogLevel::info, "record",
        fmt::format("recording to {}{}", path, wants->payload ? ", with what the flows carry" : ""));
    return Json{{"path", path}, {"classes", names_of(wants->classes)}, {"limit", limit}, {"payload", wants->payload}};
}

// The answer comes when the file is whole.
std::optional<RpcError> Daemon::record_stop(ClientId client, const RpcRequest& request) {
    if (!telemetry_->stop_recording())
        return RpcError{RpcCode::failed, "no recording runs: record.start begins one", "not_recording"};
    control_->hold(client);
    stopping_.push_back({client, request.id, request.wants_answer});
    return std::nullopt;
}

std::expected<Json, RpcError> Daemon::record_mark(const Json& params) {
    const std::string& text = params["text"].get_ref<const std::string&>();
    const TelemetryStatus status = telemetry_->status();
    telemetry_->mark(text);
    return Json{{"text", text.substr(0, 48)}, {"listeners", status.subscribers.size() + (status.record.running ? 1 : 0)}};
}

Json Daemon::record_status() const {
    const TelemetryStatus status = telemetry_->status();
    Json one = describe(status.record);
    one["recording"] = status.record.running;
    one["directory"] = config_.record.directory;
    one["records_taken"] = status.records;
    one["ring_dropped"] = status.dropped;
    Json subscribers = Json::array();
    for (const SubscriberStatus& subscriber : status.subscribers)
        subscribers.push_back({{"number", subscriber.number},
                               {"classes", names_of(subscriber.classes)},
                               {"bytes", subscriber.bytes},
                               {"records", subscriber.records},
                               {"dropped", subscriber.dropped},
                               {"queued", subscriber.queued}});
    one["subscribers"] = std::move(subscribers);
    return one;
}

void Daemon::take_notices() {
    using Kind = TelemetryNotice::Kind;
    for (const TelemetryNotice& notice : telemetry_->notices()) {
        if (notice.kind != Kind::record_ended) {
            log(notice.kind == Kind::warning ? LogLevel::warning : LogLevel::info, "record", notice.text);
            continue;
        }
        const RecordStatus& ended = *notice.record;
        log(ended.error.empty() ? LogLevel::info : LogLevel::warning, "record",
            fmt::format("{} ended: {} records, {} bytes, {} dropped{}{}", ended.path, ended.records, ended.bytes,
                        ended.dropped, ended.error.empty() ? "" : "; ", ended.error));
        for (const auto& [client, id, wants_answer] : std::exchange(stopping_, {})) {
            if (wants_answer) control_->send(client, result_line(id, describe(ended)));
            control_->release(client);
        }
    }
}

}  // namespace weft::node
