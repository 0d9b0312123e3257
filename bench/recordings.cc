// Batches to a file, a mebibyte at a time.
#include "bench/recordings.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "node/unique_fd.h"
#include "stack/core/recording.h"

namespace weft::bench {
namespace {

// A recording's writer and the file behind it; after a failure it takes what comes and does nothing.
class File {
public:
    File(const std::string& path, const trace::RecordingInfo& info)
        : fd_{::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600)}, writer_{info} {
        if (!fd_) failed_ = errno;
        bytes_.reserve(flushed_at + (1 << 20));
        writer_.begin(bytes_);
    }

    void add(const trace::Record& record) {
        if (written_.records++ == 0) written_.begin_ns = record.t_ns;
        written_.end_ns = record.t_ns;
        writer_.add(record, bytes_);
        if (bytes_.size() >= flushed_at) flush();
    }
    std::uint64_t bytes() const { return writer_.bytes(); }

    std::expected<Written, std::string> end() {
        writer_.end(bytes_);
        flush();
        if (failed_ != 0) return std::unexpected{std::string{"the recording cannot be written: "} + std::strerror(failed_)};
        written_.bytes = writer_.bytes();
        return written_;
    }

private:
    static constexpr std::size_t flushed_at = 1 << 20;

    void flush() {
        for (std::size_t done = 0; done < bytes_.size() && failed_ == 0;) {
            const ssize_t wrote = ::write(fd_.get(), bytes_.data() + done, bytes_.size() - done);
            if (wrote >= 0) done += std::size_t(wrote);
            else if (errno != EINTR) failed_ = errno;
        }
        bytes_.clear();
    }

    node::UniqueFd fd_;
    trace::RecordingWriter writer_;
    std::vector<std::byte> bytes_;
    Written written_;
    int failed_{0};
};

trace::RecordingInfo info(const char* node) {
    trace::RecordingInfo info;
    info.clocks = {0, 1'800'000'000'000'000'000};  // record time has no other beginning
    info.node = node;
    return info;
}

}  // namespace

std::expected<Written, std::string> write_made(const std::string& path, std::uint64_t bytes,
                                               const sim::MadeRecords::Plan& plan) {
    sim::MadeRecords made{plan};
    File file{path, info("made")};
    std::vector<trace::Record> records(4'096);
    while (file.bytes() < bytes) {
        made.next(records);
        for (const trace::Record& record : records) file.add(record);
    }
    return file.end();
}

std::expected<Written, std::string> write_crowd(const std::string& path, const sim::CrowdPlan& plan, Duration duration,
                                                sim::CrowdCounts* counts) {
    BufferPool pool{std::size_t{4} << 30};
    const auto crowd = std::make_unique<sim::Crowd>(pool, plan.within(duration));
    File file{path, info("crowd")};
    crowd->record({trace::all, &file, [](void* to, const trace::Record& record) { static_cast<File*>(to)->add(record); }});
    crowd->run_for(duration);
    crowd->record({});
    if (counts) *counts = crowd->counts();
    return file.end();
}

}  // namespace weft::bench
