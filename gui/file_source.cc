// A recording opened, and looked at while it grows (see file_source.h).
#include "gui/file_source.h"

#include <QFileInfo>

namespace weft::gui {

FileSource::FileSource(const QString& path, QObject* parent) : Source{parent}, path_{path} {
    timer_.setInterval(200);
    connect(&timer_, &QTimer::timeout, this, &FileSource::look);
}

QString FileSource::title() const { return QFileInfo{path_}.fileName(); }

void FileSource::start() {
    setStatus(SourceStatus::Kind::connecting, tr("opening %1").arg(path_));
    auto opened = FileHistory::open(path_);
    if (!opened) return setStatus(SourceStatus::Kind::failed, QString::fromStdString(opened.error()));
    history_ = std::move(*opened);
    setInfo(history_->recording().info());
    tell();
    Q_EMIT grown();
    if (!history_->recording().ended()) timer_.start();
}

void FileSource::look() {
    if (!history_) return;
    const auto more = history_->extend();
    if (!more) {
        timer_.stop();
        const std::unique_ptr<FileHistory> last = std::move(history_);  // until everybody has let go of it
        Q_EMIT grown();
        return setStatus(SourceStatus::Kind::failed, QString::fromStdString(more.error()));
    }
    if (history_->recording().ended()) timer_.stop();
    tell();
    if (*more) Q_EMIT grown();
}

void FileSource::tell() {
    const trace::Recording& recording = history_->recording();
    if (recording.ended() && !recording.torn()) return setStatus(SourceStatus::Kind::ended);
    if (recording.ended())
        return setStatus(SourceStatus::Kind::ended, tr("%1; it is not shown").arg(QString::fromStdString(recording.what())));
    const quint64 left = history_->fileBytes() - recording.bytes();
    if (left == 0)
        return setStatus(SourceStatus::Kind::live,
                         tr("the recording has no end: it is still being written, or its writer died"));
    setStatus(SourceStatus::Kind::live,
              tr("the last %1 bytes of the recording are no whole batch: still being written, or torn").arg(left));
}

}  // namespace weft::gui
