// Asking a node, reading its stream, and coming back (see socket_source.h).
#include "gui/socket_source.h"

#include <algorithm>

#include <unistd.h>

#include <QElapsedTimer>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

namespace weft::gui {
namespace {

constexpr qint64 pieceBytes = 256 << 10, bufferBytes = 2 << 20, longestLine = 1 << 20;
constexpr qint64 sliceNs = 4'000'000;  // of reading, before others have their turn
constexpr int connectMs = 2'000;
constexpr int infoId = 1, subscribeId = 2;
constexpr int noSuchMethod = -32601;  // JSON-RPC 2.0, section 5.1

QByteArray request(int id, const QString& method, const QJsonObject& params) {
    const QJsonObject object{{QStringLiteral("jsonrpc"), QStringLiteral("2.0")},
                             {QStringLiteral("id"), id},
                             {QStringLiteral("method"), method},
                             {QStringLiteral("params"), params}};
    return QJsonDocument{object}.toJson(QJsonDocument::Compact) + '\n';
}

}  // namespace

// QLocalSocket would look for a relative path among temporary files.
SocketSource::SocketSource(const QString& path, QObject* parent)
    : Source{parent}, path_{QFileInfo{path}.absoluteFilePath()} {
    socket_.setReadBufferSize(bufferBytes);
    for (QTimer* timer : {&again_, &patience_, &more_}) timer->setSingleShot(true);
    patience_.setInterval(connectMs);
    connect(&socket_, &QLocalSocket::connected, this, &SocketSource::ask);
    connect(&socket_, &QLocalSocket::readyRead, this, &SocketSource::read);
    connect(&socket_, &QLocalSocket::errorOccurred, this, &SocketSource::fail);
    connect(&socket_, &QLocalSocket::disconnected, this, [this] {
        while (step_ == Step::streaming && readStream()) {}  // what it said before it went
        lose(tr("%1 has gone; waiting for it").arg(title()));
    });
    connect(&again_, &QTimer::timeout, this, &SocketSource::connectNow);
    connect(&more_, &QTimer::timeout, this, &SocketSource::read);
    connect(&patience_, &QTimer::timeout, this,
            [this] { setStatus(SourceStatus::Kind::connecting, tr("%1 does not answer; waiting for it").arg(title())); });
}

SocketSource::~SocketSource() { socket_.disconnect(this); }

QString SocketSource::pathOf(const QString& node) {
    QString directory = qEnvironmentVariable("WEFT_RUNTIME_DIR");
    if (directory.isEmpty()) {
        const QString ours = qEnvironmentVariable("XDG_RUNTIME_DIR");
        directory = ::geteuid() == 0 || ours.isEmpty() ? QStringLiteral("/run/weft") : ours + QStringLiteral("/weft");
    }
    return directory + QChar(u'/') + node + QStringLiteral(".ro.sock");
}

QString SocketSource::title() const {
    if (node() && !node()->name.isEmpty()) return node()->name;
    QString name = QFileInfo{path_}.fileName();
    for (const QString& end : {QStringLiteral(".ro.sock"), QStringLiteral(".sock")}) {
        if (name.endsWith(end)) return name.chopped(end.size());
    }
    return name;
}

void SocketSource::setBackOff(int leastMs, int mostMs) {
    leastMs_ = waitMs_ = leastMs;
    mostMs_ = mostMs;
}

void SocketSource::start() {
    setStatus(SourceStatus::Kind::connecting, tr("connecting to %1").arg(path_));
    connectNow();
}

void SocketSource::connectNow() {
    if (step_ != Step::away) return;
    step_ = Step::connecting;
    socket_.connectToServer(path_);
}

// ---- asking

void SocketSource::ask() {
    step_ = Step::asked;
    patience_.start();
    QJsonObject params{{QStringLiteral("snapshot"), true}};
    if (!wish_.classes.isEmpty()) params[QStringLiteral("classes")] = QJsonArray::fromStringList(wish_.classes);
    if (wish_.rateLimit > 0) params[QStringLiteral("rate_limit")] = wish_.rateLimit;
    socket_.write(request(infoId, QStringLiteral("node.info"), {}));
    socket_.write(request(subscribeId, QStringLiteral("events.subscribe"), params));
}

void SocketSource::read() {
    QElapsedTimer timer;
    timer.start();
    while (step_ == Step::asked ? readAnswer() : step_ == Step::streaming && readStream()) {
        if (timer.nsecsElapsed() < sliceNs) continue;
        more_.start(0);
        return;
    }
}

bool SocketSource::readAnswer() {
    if (!socket_.canReadLine()) {
        if (socket_.bytesAvailable() > longestLine)
            leave(SourceStatus::Kind::failed, tr("what answers at %1 is no node: its answer has no end").arg(path_),
                  mostMs_);
        return false;
    }
    takeAnswer(socket_.readLine());
    return true;
}

void SocketSource::takeAnswer(const QByteArray& line) {
    patience_.stop();
    const QJsonObject answer = QJsonDocument::fromJson(line).object();
    const QJsonObject error = answer[QStringLiteral("error")].toObject();
    const int id = answer[QStringLiteral("id")].toInt();
    if (id == infoId) {
        if (error.isEmpty()) takeInfo(answer[QStringLiteral("result")].toObject());
        return;
    }
    if (id == subscribeId && answer[QStringLiteral("result")].isObject()) return beginStream();
    if (error[QStringLiteral("code")].toInt() == noSuchMethod)
        return leave(SourceStatus::Kind::failed, tr("%1 does not tell events: it is older than this window").arg(title()),
                     mostMs_);
    const QString message = error[QStringLiteral("message")].toString();
    if (!message.isEmpty())
        return leave(SourceStatus::Kind::failed, tr("%1 refuses: %2").arg(title(), message.left(200).simplified()), mostMs_);
    if (answer.contains(QStringLiteral("method"))) return;  // a notification is for others
    leave(SourceStatus::Kind::failed, tr("what answers at %1 is no node").arg(path_), mostMs_);
}

void SocketSource::takeInfo(const QJsonObject& result) {
    const auto text = [&](const QString& name) { return result[name].toString().left(200).simplified(); };
    setNode({text(QStringLiteral("name")), text(QStringLiteral("version")), text(QStringLiteral("address")),
             result[QStringLiteral("pid")].toInteger()});
}

// ---- the stream

void SocketSource::beginStream() {
    step_ = Step::streaming;
    waitMs_ = leastMs_;
    stream_ = std::make_unique<trace::RecordingStream>();
    const qint64 pid = node() ? node()->pid : 0;
    Q_EMIT restarted(pid != 0 && pid == streamedPid_);
    streamedPid_ = pid;
    setStatus(SourceStatus::Kind::live);
}

bool SocketSource::readStream() {
    const QByteArray piece = socket_.read(pieceBytes);
    if (piece.isEmpty()) return false;
    const bool knew = stream_->info() != nullptr;
    const auto bytes = std::as_bytes(std::span{piece.constData(), std::size_t(piece.size())});
    const auto taken = stream_->feed(bytes, [this](std::span<const trace::Record> some) { Q_EMIT records(some); });
    if (!knew && stream_->info() != nullptr) setInfo(*stream_->info());
    if (!taken) {
        leave(SourceStatus::Kind::lost,
              tr("what %1 tells is no recording: %2").arg(title(), QString::fromStdString(taken.error())), mostMs_);
        return false;
    }
    return true;
}

// ---- coming back

void SocketSource::fail(QLocalSocket::LocalSocketError error) {
    switch (error) {
    case QLocalSocket::PeerClosedError: return;  // disconnected() follows, when all was read
    case QLocalSocket::ServerNotFoundError:
    case QLocalSocket::ConnectionRefusedError: return lose(tr("no node answers at %1; waiting for one").arg(path_));
    case QLocalSocket::SocketAccessError:
        return leave(SourceStatus::Kind::failed, tr("no permission to use %1").arg(path_), mostMs_);
    default: return lose(tr("%1: %2").arg(path_, socket_.errorString()));
    }
}

void SocketSource::lose(const QString& message) {
    const int wait = waitMs_;
    waitMs_ = std::min(2 * waitMs_, mostMs_);
    leave(SourceStatus::Kind::lost, message, wait);
}

void SocketSource::leave(SourceStatus::Kind kind, const QString& message, int waitMs) {
    if (step_ == Step::away) return;
    step_ = Step::away;
    patience_.stop();
    more_.stop();
    socket_.abort();
    stream_.reset();
    setStatus(kind, message);
    again_.start(waitMs);
}

}  // namespace weft::gui
