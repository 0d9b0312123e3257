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
    made.name = options.output.empty() ? recording_name_for(node) + ".weft" : options.output;
    if (options.output == "-") {
        if (::isatty(STDOUT_FILENO) == 1)
            return std::unexpected(
                usage_problem("a recording is no text for a terminal", "weft record -o FILE, or a pipe behind it"));
        return made;
    }
    // A file that is written over may be mapped by who reads it: it stays theirs, and the name leads to a new one.
    struct stat there{};
    const bool replace = options.overwrite && ::lstat(made.name.c_str(), &there) == 0 && S_ISREG(there.st_mode) &&
                         ::unlink(made.name.c_str()) == 0;
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (options.overwrite && !replace ? O_TRUNC : O_EXCL);
    made.file = UniqueFd{::open(made.name.c_str(), flags, 0600)};
    if (!made.file && errno == EEXIST)
        return std::unexpected(
            failure("exists", printable(made.name) + " is there already", "--overwrite puts a new one in its place"));
    if (!made.file)
        return std::unexpected(
            failure("output", fmt::format("cannot write {}: {}", printable(made.name), std::strerror(errno))));
    ::fchmod(made.file.get(), 0600);
    made.fd = made.file.get();
    return made;
}

// Rewrites the stream: the same records, and what a file has beside them.
class Rewriter {
public:
    explicit Rewriter(int fd) : fd_{fd} {}

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

    int fd_;
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
    auto stream = subscribe(common, {{"classes", classes_json(options.classes)}});
    if (!stream) return console.fail(stream.error());
    auto output = open_output(options, node_name(common));
    if (!output) return console.fail(output.error());
    if (output->file) console.note(fmt::format("recording to {}; Ctrl-C ends it\n", printable(output->name)));
    Rewriter file{output->fd};
    const StreamEnd end =
        read_stream(*stream, signals, options.duration, [&](std::span<const std::byte> bytes) { return file.take(bytes); });
    const bool whole = (end != StreamEnd::refused || file.error().starts_with("the node's")) && file.end();
    if (!file.error().empty())
        return console.fail(failure("output", fmt::format("{}: {}", printable(output->name), file.error()),
                                    "what is there can be opened; the last moment is missing"));
    if (!whole) return console.fail(failure("closed", "the node ended the connection before it sent anything"));
    const std::string said =
        fmt::format("{} records, {}{}{}\n", file.records(), human_bytes(file.bytes()),
                    file.lost() > 0 ? fmt::format("; {} were lost on the way", file.lost()) : std::string{},
                    end == StreamEnd::closed ? "; the node has ended" : "");
    if (console.json && output->file)
        console.print_json(
            {{"path", output->name}, {"records", file.records()}, {"bytes", file.bytes()}, {"dropped", file.lost()}});
    else console.note(said);
    return exit_done;
}

}  // namespace weft::node
