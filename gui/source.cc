// What all sources have in common: to be asked for their status, and to tell when it changes.
#include "gui/source.h"

namespace weft::gui {

void Source::setStatus(SourceStatus::Kind kind, const QString& message) {
    SourceStatus status{kind, message};
    if (status == status_) return;
    status_ = std::move(status);
    Q_EMIT statusChanged();
}

void Source::setInfo(const trace::RecordingInfo& info) {
    info_ = info;
    Q_EMIT infoChanged();
}

void Source::setNode(const NodeInfo& node) {
    node_ = node;
    Q_EMIT infoChanged();
}

}  // namespace weft::gui
