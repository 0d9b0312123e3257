// A mapped recording (see file_history.h).
#include "gui/file_history.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace weft::gui {
namespace {

// The kernel would read megabytes around each place that is looked at; what is read is said instead.
void readSoon(std::span<const std::byte> stretch) {
    static const auto page = std::uintptr_t(::sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(stretch.data()) / page * page;
    const auto end = reinterpret_cast<std::uintptr_t>(stretch.data() + stretch.size());
    // By parts: of each the kernel fetches only so much as the device takes at once.
    constexpr std::uintptr_t part = 128 << 10;
    for (auto at = begin; at < end; at += part) {
        const auto size = std::size_t(std::min(part, end - at));
        ::madvise(reinterpret_cast<void*>(at), size, MADV_WILLNEED);
    }
}

constexpr std::uint64_t farNs = 1'000'000'000;  // further than this a snapshot is nearer than the records between

std::string said(const QFile& file, const QString& what) {
    return (file.fileName() + QStringLiteral(": ") + what).toStdString();
}

}  // namespace

FileHistory::FileHistory(std::unique_ptr<QFile> file, std::span<const std::byte> mapped, trace::Recording recording)
    : file_{std::move(file)}, mapped_{mapped}, recording_{std::move(recording)} {
    end_ = recording_.position_at(std::numeric_limits<std::int64_t>::max());
    newest_ = recording_.at(std::numeric_limits<std::int64_t>::max());
}

FileHistory::~FileHistory() = default;  // the file unmaps what it mapped

std::expected<std::span<const std::byte>, std::string> FileHistory::map(QFile& file) {
    const qint64 size = file.size();
    if (size <= 0) return std::unexpected(said(file, QStringLiteral("the file is empty: no recording, or none yet")));
    const uchar* bytes = file.map(0, size);
    if (bytes == nullptr) return std::unexpected(said(file, file.errorString()));
    ::madvise(const_cast<uchar*>(bytes), std::size_t(size), MADV_RANDOM);
    return std::span{reinterpret_cast<const std::byte*>(bytes), std::size_t(size)};
}

std::expected<std::unique_ptr<FileHistory>, std::string> FileHistory::open(const QString& path) {
    auto file = std::make_unique<QFile>(path);
    if (!file->open(QIODevice::ReadOnly | QIODevice::Unbuffered)) return std::unexpected(said(*file, file->errorString()));
    if (file->isSequential()) return std::unexpected(said(*file, QStringLiteral("a recording is a regular file")));
    const auto mapped = map(*file);
    if (!mapped) return std::unexpected(mapped.error());
    auto recording = trace::Recording::open(*mapped, {.soon = &readSoon});
    if (!recording) return std::unexpected(said(*file, QString::fromStdString(recording.error())));
    return std::unique_ptr<FileHistory>{new FileHistory{std::move(file), *mapped, std::move(*recording)}};
}

std::expected<bool, std::string> FileHistory::extend() {
    const qint64 size = file_->size();
    if (size == qint64(mapped_.size())) return false;
    if (size < qint64(mapped_.size()))
        return std::unexpected(said(*file_, QStringLiteral("the file has become shorter: open it anew")));
    const auto mapped = map(*file_);
    if (!mapped) return std::unexpected(mapped.error());
    const auto extended = recording_.extend(*mapped);
    const std::span<const std::byte> old = std::exchange(mapped_, *mapped);
    file_->unmap(const_cast<uchar*>(reinterpret_cast<const uchar*>(old.data())));
    if (!extended) return std::unexpected(said(*file_, QString::fromStdString(extended.error())));
    const Position before = end_;
    end_ = recording_.read_on(end_, [&](std::span<const trace::Record> records) {
        newest_.apply(records);
        return true;
    });
    return end_ != before;
}

History::Position FileHistory::first() const { return recording_.begin_position(); }
History::Position FileHistory::end() const { return end_; }
std::int64_t FileHistory::beginNs() const { return recording_.begin_ns(); }
std::int64_t FileHistory::endNs() const { return recording_.end_ns(); }

History::Position FileHistory::after(std::int64_t t) const {
    return t == std::numeric_limits<std::int64_t>::max() || wasCut() ? end_ : std::min(end_, recording_.position_at(t + 1));
}

History::Position FileHistory::blockBefore(Position position) const {
    return position <= first() || wasCut() ? first() : recording_.before(position);
}

History::Position FileHistory::read(Position from, Position to, const Take& take) const {
    from = std::max(from, first());
    to = std::min(to, end_);
    if (from >= to || wasCut()) return std::max(from, to);
    bool any = false;
    const Position next = recording_.read_on(from, to, [&](std::span<const trace::Record> records) {
        any = true;
        return take(records);
    });
    // Whatever the file says, reading comes to an end: what nobody can read is left out.
    return any || next > from ? std::min(next, to) : to;
}

History::Stream FileHistory::streamOf(Position) const {
    constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
    return {first(), beginNs(), beginNs() == least || wasCut() ? trace::Replay{} : recording_.at(beginNs() - 1)};
}

// What lies behind the end of a file cannot be read, though it is mapped.
bool FileHistory::wasCut() const { return file_->size() < qint64(mapped_.size()); }

History::State FileHistory::at(std::int64_t t) const {
    return wasCut() ? State{{}, end_} : State{recording_.at(t), after(t)};
}

void FileHistory::move(State& state, std::int64_t t) const {
    const Position to = after(t);
    if (state.next > to || distanceNs(state.replay.now_ns(), t) > farNs) {
        state = at(t);
        return;
    }
    read(state.next, to, [&](std::span<const trace::Record> records) {
        state.replay.apply(records);
        return true;
    });
    state.next = to;
}

}  // namespace weft::gui
