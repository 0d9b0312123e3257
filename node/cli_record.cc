// `weft record`: a node's events as a recording, written here: the stream of an event connection, with the indices that a file has.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "node/cli_events.h"
#include "node/recordings.h"
#include "stack/core/recording.h"
#include "stack/core/trace_names.h"

namespace weft::node {
namespace {

constexpr std::size_t write_at = 64 << 10;  // bytes that wait for a write

struct Output {
    UniqueFd file;
    int fd{STDOUT_FILENO};
    std::string name;
};

std::expected<Output, Problem> open_output(const RecordOptions& options, std::string_view node) {
    Output made;
    if (options.output == "-") {
        made.name = options.output;
        if (::isatty(STDOUT_FILENO) == 1)
            return std::unexpected(
                usage_problem("a recording is no text for a terminal", "weft record -o FILE, or a pipe behind it"));
        return made;
    }
    // Of a second: another one may have begun in it.
    const std::string base = options.output.empty() ? recording_name_for(node) : std::string{};
    made.name = options.output.empty() ? base + ".weft" : options.output;
    struct stat there{};
    if (options.overwrite && ::stat(made.name.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {  // a pipe, a device
        made.file = UniqueFd{::open(made.name.c_str(), O_WRONLY | O_CLOEXEC)};
    } else if (options.overwrite && ::lstat(made.name.c_str(), &there) == 0 && S_ISLNK(there.st_mode)) {
        return std::unexpected(failure("exists", printable(made.name) + " is a symbolic link",
                                       "take it away, or name the file that it leads to, which then goes"));
    } else {
        auto file = make_private_file(AT_FDCWD, made.name, options.overwrite);
        for (int next = 2; !file && file.error() == EEXIST && !base.empty() && next < 100; ++next) {
            made.name = fmt::format("{}-{}.weft", base, next);
            file = make_private_file(AT_FDCWD, made.name, false);
        }
        if (file) made.file = std::move(*file);
        else errno = file.error();
    }
    if (!made.file && errno == EEXIST)
        return std::unexpected(
            failure("exists", printable(made.name) + " is there already", "--overwrite puts a new one in its place"));
    if (!made.file)
        return std::unexpected(
            failure("output", fmt::format("cannot write {}: {}", printable(made.name), std::strerror(errno))));
    made.fd = made.file.get();
    return made;
}

// Rewrites the stream: the same records, and what a file has beside them.
class Rewriter {
public:
    Rewriter(int fd, std::uint64_t limit) : fd_{fd}, limit_{limit} {
        stream_.on_payload([this](const trace::Payload& payload) {
            if (begin()) writer_->add_payload(payload, out_);
        });
    }

    // False: it takes no more, for an error or because it is full.
    bool take(std::span<const std::byte> bytes) {
        const auto fed = stream_.feed(bytes, [this](std::span<const trace::Record> records) {
            if (!begin()) return;
            for (const trace::Record& record : records) {
                writer_->add(record, out_);
                lost_ += record.type == trace::Type::lagged ? lost(record) : 0;
            }
        });
        if (!fed) error_ = "the node's stream is no recording: " + fed.error();
        if (!begin()) return fed.has_value();
        full_ = limit_ != 0 && writer_->bytes() + end_room >= limit_;
        if (full_) return false;
        const auto now = std::chrono::steady_clock::now();
        if (out_.size() < write_at && now - written_at_ < std::chrono::milliseconds{250}) return fed.has_value();
        writer_->flush(out_);
        written_at_ = now;
        return write() && fed.has_value();
    }

    // The recording is whole then.
    bool end() {
        if (!begin()) return false;
        writer_->end(out_);
        return write();
    }

    bool full() const { return full_; }
    const std::string& error() const { return error_; }
    bool node_ended() const { return stream_.ended(); }
    std::uint64_t bytes() const { return writer_ ? writer_->bytes() : 0; }
    std::uint64_t records() const { return writer_ ? writer_->records() : 0; }
    std::uint64_t lost() const { return lost_; }

private:
    static std::uint64_t lost(const trace::Record& record) {
        const auto body = trace::body_of<trace::Lagged>(record);
        return body.where == 2 ? 0 : body.count;  // 2: as we asked
    }
    // False: the header has not come yet.
    bool begin() {
        if (writer_) return true;
        if (!stream_.info()) return false;
        writer_.emplace(*stream_.info());
        writer_->begin(out_);
        return true;
    }
    bool write() {
        std::size_t done = 0;
        while (done < out_.size()) {
            const ssize_t wrote = ::write(fd_, out_.data() + done, out_.size() - done);
            if (wrote < 0 && errno == EINTR) continue;
            if (wrote <= 0) {
                error_ = std::strerror(errno);
                return false;
            }
            done += std::size_t(wrote);
        }
        out_.clear();
        return true;
    }

    static constexpr std::uint64_t end_room = 64 << 10;  // about what the last batches take

    int fd_;
    std::uint64_t limit_;  // bytes; 0: none
    bool full_{false};
    trace::RecordingStream stream_;
    std::optional<trace::RecordingWriter> writer_;
    std::vector<std::byte> out_;
    std::uint64_t lost_{0};
    std::chrono::steady_clock::time_point written_at_{};
    std::string error_;
};

std::string node_name(const CommonOptions& common) {
    const char* chosen = std::getenv("WEFT_NODE");
    const std::string name = !common.node.empty() ? common.node : chosen && *chosen ? chosen : "default";
    return recording_name_is_valid(name) ? name : "weft";
}

}  // namespace

int run_record(const RecordOptions& options, const CommonOptions& common, const Console& console) {
    if (const auto classes = trace::parse_classes(options.classes); !classes)
        return console.fail(usage_problem("--class: " + classes.error()));
    StopSignals signals;  // before anything is made that they would leave behind
    Json params{{"classes", classes_json(options.classes)}};
    if (!options.flows.empty()) params["flows"] = options.flows;
    if (options.payload) params["payload"] = true;
    auto stream = subscribe(common, params);
    if (!stream) return console.fail(stream.error());
    auto output = open_output(options, node_name(common));
    if (!output) return console.fail(output.error());
    if (output->file) console.note(fmt::format("recording to {}; Ctrl-C ends it\n", printable(output->name)));
    Rewriter file{output->fd, options.limit};
    const StreamEnd end =
        read_stream(*stream, signals, options.duration, [&](std::span<const std::byte> bytes) { return file.take(bytes); });
    const bool readable = end != StreamEnd::refused || file.full() || file.error().starts_with("the node's");
    const bool whole = readable && file.end();
    if (!file.error().empty())
        return console.fail(failure("output", fmt::format("{}: {}", printable(output->name), file.error()),
                                    "what is there can be opened; the last moment is missing"));
    if (!whole) return console.fail(failure("closed", "the node ended the connection before it sent anything"));
    const std::string said =
        fmt::format("{} records, {}{}{}\n", file.records(), human_bytes(file.bytes()),
                    file.lost() > 0 ? fmt::format("; {} were lost on the way", file.lost()) : std::string{},
                    file.full()                ? "; it is as large as --limit allows"
                    : end == StreamEnd::closed ? "; the node has ended"
                                               : "");
    if (console.json && output->file)
        console.print_json(
            {{"path", output->name}, {"records", file.records()}, {"bytes", file.bytes()}, {"dropped", file.lost()}});
    else console.note(said);
    return exit_done;
}

}  // namespace weft::node
