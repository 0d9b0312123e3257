// `weft trace`: events as they happen, or those of a recording, a line each.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "node/cli_events.h"
#include "node/cli_records.h"
#include "node/json.h"
#include "stack/core/filter.h"
#include "stack/core/trace_names.h"
#include "stack/engine/flow_text.h"

namespace weft::node {
namespace {

// What only says who is who is shown to those who ask for it by name.
constexpr std::uint32_t silent =
    trace::bit(trace::Type::define) | trace::bit(trace::Type::summary) | trace::bit(trace::Type::history);

class Printer {
public:
    static std::expected<Printer, Problem> make(const TraceOptions& options, const Console& console) {
        Printer made{console};
        const auto classes = trace::parse_classes(options.classes);
        if (!classes) return std::unexpected(usage_problem("--class: " + classes.error()));
        made.shown_ = *classes & ~silent;
        for (const trace::Type type : {trace::Type::define, trace::Type::summary, trace::Type::history})
            if (options.classes.find(trace::name(type)) != std::string::npos) made.shown_ |= trace::bit(type);
        made.flow_ = parse_flow(options.which);
        auto filter = trace::Filter::parse(made.flow_ ? std::string_view{} : std::string_view(options.which));
        if (!filter)
            return std::unexpected(usage_problem("the filter is wrong " + trace::to_string(filter.error()),
                                                 "FLOW is PLACE:GENERATION; `weft flows --help` explains filters"));
        made.filter_ = std::move(*filter);
        return made;
    }

    void take(std::span<const trace::Record> records, const trace::Clocks& clocks) {
        for (const trace::Record& record : records) {
            flows_.apply(record);
            const bool known = std::uint32_t(record.type) < 32;  // a newer node may have more
            if (!known || (shown_ & trace::bit(record.type)) == 0 || !chosen(record)) continue;
            text_ +=
                console_.json ? to_line(record_json(record, flows_, clocks)) + '\n' : record_line(record, flows_, clocks);
        }
        console_.print(text_);
        text_.clear();
    }

private:
    explicit Printer(const Console& console) : console_{console} {}

    bool chosen(const trace::Record& record) const {
        if (!flow_ && filter_.empty()) return true;
        if (record.type == trace::Type::lagged) return true;  // what is missing may be of the flow
        if (record.flow == trace::no_flow) return false;
        const trace::FlowState* flow = flows_.find(record.flow);
        if (flow_) return record.flow == flow_->place && flow && flow->generation == flow_->generation;
        return flow && filter_.matches(flows_, *flow);
    }

    const Console& console_;
    trace::Replay flows_;
    std::uint32_t shown_{0};
    std::optional<Flow> flow_;
    trace::Filter filter_;
    std::string text_;
};

class MappedFile {
public:
    explicit MappedFile(const std::string& path) {
        const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
        struct stat status{};
        if (!fd || ::fstat(fd.get(), &status) != 0) return;
        if (S_ISDIR(status.st_mode)) {
            errno = EISDIR;
            return;
        }
        size_ = std::size_t(status.st_size);
        if (size_ > 0) at_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
        good_ = size_ == 0 || at_ != MAP_FAILED;
    }
    ~MappedFile() {
        if (good_ && size_ > 0) ::munmap(at_, size_);
    }
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    explicit operator bool() const { return good_; }
    std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(at_), size_}; }

private:
    void* at_{nullptr};
    std::size_t size_{0};
    bool good_{false};
};

int trace_file(const TraceOptions& options, Printer& printer, const Console& console) {
    const MappedFile file{options.file};
    if (!file)
        return console.fail(usage_problem(fmt::format("cannot read {}: {}", printable(options.file), std::strerror(errno))));
    const auto recording = trace::Recording::open(file.bytes());
    if (!recording)
        return console.fail(failure("not_a_recording", fmt::format("{}: {}", printable(options.file), recording.error()),
                                    "`weft record` and record.start write recordings"));
    const std::size_t wrong = recording->read(INT64_MIN, INT64_MAX, [&](std::span<const trace::Record> records) {
        printer.take(records, recording->info().clocks);
        return std::ferror(console.out) == 0;
    });
    if (recording->torn()) console.note(fmt::format("the recording ends torn: {}\n", recording->what()));
    if (wrong > 0)
        return console.fail(failure("damaged", fmt::format("{} batches of {} were left out: their checksums are wrong",
                                                           wrong, printable(options.file))));
    return exit_done;
}

}  // namespace

int run_trace(const TraceOptions& options, const CommonOptions& common, const Console& console) {
    auto printer = Printer::make(options, console);
    if (!printer) return console.fail(printer.error());
    if (!options.file.empty()) return trace_file(options, *printer, console);
    Json params{{"classes", classes_json(options.classes)}};
    if (parse_flow(options.which)) params["flows"] = Json::array({options.which});
    auto stream = subscribe(common, params);
    if (!stream) return console.fail(stream.error());
    StopSignals signals;
    trace::RecordingStream reader;
    std::string wrong;
    const StreamEnd end = read_stream(*stream, signals, std::nullopt, [&](std::span<const std::byte> bytes) {
        const auto fed = reader.feed(
            bytes, [&](std::span<const trace::Record> records) { printer->take(records, reader.info()->clocks); });
        if (!fed) wrong = fed.error();
        return fed.has_value() && std::ferror(console.out) == 0;
    });
    if (!wrong.empty()) return console.fail(failure("malformed", "the node's stream is no recording: " + wrong));
    if (end == StreamEnd::closed) console.note("the node has ended\n");
    return exit_done;
}

}  // namespace weft::node
