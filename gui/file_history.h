// A recording's file as a history. It lies in memory as a mapping, which is made anew when the file has grown.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>

#include <QFile>

#include "gui/history.h"
#include "stack/core/recording.h"

namespace weft::gui {

class FileHistory final : public History {
public:
    // The error says what is wrong with the file, and where.
    static std::expected<std::unique_ptr<FileHistory>, std::string> open(const QString& path);
    ~FileHistory() override;

    // Looks whether the file has grown: true if there are more records. The error: it was cut, or what came is no recording.
    std::expected<bool, std::string> extend();
    const trace::Recording& recording() const { return recording_; }
    std::uint64_t fileBytes() const { return mapped_.size(); }

    Position first() const override;
    Position end() const override;
    std::int64_t beginNs() const override;
    std::int64_t endNs() const override;
    Position after(std::int64_t t) const override;
    Position blockBefore(Position position) const override;
    Position read(Position from, Position to, const Take& take) const override;
    State at(std::int64_t t) const override;
    void move(State& state, std::int64_t t) const override;
    const trace::Replay& newest() const override { return newest_; }
    Stream streamOf(Position position) const override;
    Position endOfStream(Position) const override { return end_; }

private:
    FileHistory(std::unique_ptr<QFile> file, std::span<const std::byte> mapped, trace::Recording recording);
    static std::expected<std::span<const std::byte>, std::string> map(QFile& file);
    bool wasCut() const;

    std::unique_ptr<QFile> file_;
    std::span<const std::byte> mapped_;
    trace::Recording recording_;
    trace::Replay newest_;
    Position end_{0};  // newest_ has heard what lies before
};

}  // namespace weft::gui
