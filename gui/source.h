// Where a session's records come from: a node's socket, or a recording's file. Both tell how they are, in words for people.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <QObject>
#include <QString>

#include "stack/core/recording.h"
#include "stack/core/trace.h"

namespace weft::gui {

class History;

struct SourceStatus {
    enum class Kind : std::uint8_t {
        idle,  // not started
        connecting,  // no record has come yet
        live,  // records come, or will
        ended,  // a whole recording is there; nothing more will come
        lost,  // the node has gone; tried again by and by
        failed  // cannot go on: what is there is no recording, or no node that tells events
    };
    Kind kind{Kind::idle};
    QString message;  // a sentence that names the mend where there is one; may be empty
    friend bool operator==(const SourceStatus&, const SourceStatus&) = default;
};

// What the node said of itself (node.info).
struct NodeInfo {
    QString name, version, address;
    qint64 pid{0};
};

class Source : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;

    virtual void start() = 0;
    virtual QString title() const = 0;  // "left" or "demo.weft"
    virtual const History* history() const { return nullptr; }  // nullptr: live, the session keeps what comes
    const SourceStatus& status() const { return status_; }
    const std::optional<trace::RecordingInfo>& info() const { return info_; }
    const std::optional<NodeInfo>& node() const { return node_; }

Q_SIGNALS:
    void statusChanged();
    void infoChanged();  // info() or node()
    void restarted(bool sameNode);  // a stream begins: what was told before holds no more
    void records(std::span<const weft::trace::Record> records);  // directly connected alone: the span ends with the call
    void grown();  // history() has more, is there, or has gone

protected:
    void setStatus(SourceStatus::Kind kind, const QString& message = {});
    void setInfo(const trace::RecordingInfo& info);
    void setNode(const NodeInfo& node);

private:
    SourceStatus status_;
    std::optional<trace::RecordingInfo> info_;
    std::optional<NodeInfo> node_;
};

}  // namespace weft::gui
