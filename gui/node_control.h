// Asking a node to change something: the other control socket, which is opened when a person asks for the first change and not
// before. Every request gets one answer, or the reason why there is none.
#pragma once

#include <functional>
#include <map>

#include <QLocalSocket>
#include <QObject>
#include <QString>
#include <QStringList>
#include <QTimer>

#include "gui/flow_series.h"

class QJsonObject;

namespace weft::gui {

class NodeControl final : public QObject {
    Q_OBJECT
public:
    // What came of it; `error` is empty, or a sentence for the person who asked.
    using Answer = std::function<void(const QJsonObject& result, const QString& error)>;
    using Done = std::function<void(const QString& error)>;

    explicit NodeControl(const QString& path, QObject* parent = nullptr);
    ~NodeControl() override;

    // NAME.sock beside the given NAME.ro.sock; any other path stays as it is.
    static QString writablePathOf(const QString& readOnlyPath);

    void listModules(const std::function<void(const QStringList& names, const QString& error)>& answer);
    void setCongestion(FlowKey flow, const QString& module, const Done& done);
    void abort(FlowKey flow, const Done& done);
    void startRecording(const Answer& answer);  // the result says `path`
    void stopRecording(const Answer& answer);
    void mark(const QString& text, const Done& done);
    void call(const QString& method, const QJsonObject& params, const Answer& answer);

    void setPatience(int milliseconds) { patience_.setInterval(milliseconds); }  // with an answer; 10,000

private:
    void read();
    void take(const QByteArray& line);
    void fail(const QString& error);  // all that wait

    QString path_;
    QLocalSocket socket_;
    QTimer patience_;
    std::map<int, Answer> waiting_;
    QByteArray unsent_;  // until the socket is connected
    int nextId_{1};
};

}  // namespace weft::gui
