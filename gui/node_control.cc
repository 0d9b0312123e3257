// Requests to a node and their answers (see node_control.h).
#include "gui/node_control.h"

#include <utility>

#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

namespace weft::gui {
namespace {

constexpr qint64 longestLine = 1 << 20;
constexpr int patienceMs = 10'000;

QString nameOf(FlowKey flow) { return QStringLiteral("%1:%2").arg(flow.place).arg(flow.generation); }

NodeControl::Answer ignoring(const NodeControl::Done& done) {
    return [done](const QJsonObject&, const QString& error) { done(error); };
}

}  // namespace

// QLocalSocket would look for a relative path among temporary files.
NodeControl::NodeControl(const QString& path, QObject* parent) : QObject{parent}, path_{QFileInfo{path}.absoluteFilePath()} {
    patience_.setSingleShot(true);
    patience_.setInterval(patienceMs);
    connect(&patience_, &QTimer::timeout, this, [this] { fail(tr("the node did not answer in time")); });
    connect(&socket_, &QLocalSocket::connected, this, [this] { socket_.write(std::exchange(unsent_, {})); });
    connect(&socket_, &QLocalSocket::readyRead, this, &NodeControl::read);
    connect(&socket_, &QLocalSocket::errorOccurred, this, [this] { fail(tr("%1: %2").arg(path_, socket_.errorString())); });
}

NodeControl::~NodeControl() { socket_.disconnect(this); }

QString NodeControl::writablePathOf(const QString& readOnlyPath) {
    const QString end = QStringLiteral(".ro.sock");
    return readOnlyPath.endsWith(end) ? readOnlyPath.chopped(end.size()) + QStringLiteral(".sock") : readOnlyPath;
}

void NodeControl::call(const QString& method, const QJsonObject& params, const Answer& answer) {
    const int id = nextId_++;
    waiting_[id] = answer;
    const QJsonObject request{{QStringLiteral("jsonrpc"), QStringLiteral("2.0")},
                              {QStringLiteral("id"), id},
                              {QStringLiteral("method"), method},
                              {QStringLiteral("params"), params}};
    const QByteArray line = QJsonDocument{request}.toJson(QJsonDocument::Compact) + '\n';
    patience_.start();
    if (socket_.state() == QLocalSocket::ConnectedState) {
        socket_.write(line);
        return;
    }
    unsent_ += line;
    if (socket_.state() == QLocalSocket::UnconnectedState) socket_.connectToServer(path_);
}

void NodeControl::read() {
    while (socket_.canReadLine()) take(socket_.readLine());
    if (socket_.bytesAvailable() > longestLine) fail(tr("what answers at %1 is no node").arg(path_));
    if (waiting_.empty()) patience_.stop();
}

void NodeControl::take(const QByteArray& line) {
    const QJsonObject answer = QJsonDocument::fromJson(line).object();
    const auto found = waiting_.find(answer[QStringLiteral("id")].toInt());
    if (found == waiting_.end()) return;  // a notification, or nothing of ours
    const Answer whose = std::move(found->second);
    waiting_.erase(found);
    const QJsonObject error = answer[QStringLiteral("error")].toObject();
    const QString message = error[QStringLiteral("message")].toString().left(300).simplified();
    if (error.isEmpty()) return whose(answer[QStringLiteral("result")].toObject(), {});
    whose({}, message.isEmpty() ? tr("the node refused") : message);
}

void NodeControl::fail(const QString& error) {
    patience_.stop();
    unsent_.clear();
    socket_.abort();
    for (const auto& [id, answer] : std::exchange(waiting_, {})) answer({}, error);
}

// ---- what can be asked

void NodeControl::listModules(const std::function<void(const QStringList& names, const QString& error)>& answer) {
    call(QStringLiteral("plugin.list"), {}, [answer](const QJsonObject& result, const QString& error) {
        QStringList names;
        const QJsonArray modules = result[QStringLiteral("modules")].toArray();
        for (const QJsonValue& module : modules) {
            const QString name = module.toObject()[QStringLiteral("name")].toString();
            if (!name.isEmpty() && !names.contains(name)) names.push_back(name);
        }
        answer(names, error);
    });
}

void NodeControl::setCongestion(FlowKey flow, const QString& module, const Done& done) {
    call(QStringLiteral("flow.set"), {{QStringLiteral("flow"), nameOf(flow)}, {QStringLiteral("congestion"), module}},
         ignoring(done));
}

void NodeControl::abort(FlowKey flow, const Done& done) {
    call(QStringLiteral("flow.abort"), {{QStringLiteral("flow"), nameOf(flow)}}, ignoring(done));
}

void NodeControl::startRecording(const Answer& answer) { call(QStringLiteral("record.start"), {}, answer); }
void NodeControl::stopRecording(const Answer& answer) { call(QStringLiteral("record.stop"), {}, answer); }

void NodeControl::mark(const QString& text, const Done& done) {
    call(QStringLiteral("record.mark"), {{QStringLiteral("text"), text}}, ignoring(done));
}

}  // namespace weft::gui
