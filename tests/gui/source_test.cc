// Files that grow, are torn, cut or no recordings; nodes that are not there, slow, hostile, or come back.
#include <gtest/gtest.h>

#include <QDir>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLocalServer>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "gui/file_source.h"
#include "gui/node_control.h"
#include "gui/session.h"
#include "gui/socket_source.h"
#include "stack/core/recording.h"
#include "tests/gui/made_stream.h"

namespace weft::gui {
namespace {

using trace::Record;
using Kind = SourceStatus::Kind;
constexpr int generousMs = 30'000;

void put(const QString& path, std::span<const std::byte> bytes) {
    QFile file{path};
    ASSERT_TRUE(file.open(QIODevice::WriteOnly));
    ASSERT_EQ(file.write(reinterpret_cast<const char*>(bytes.data()), qint64(bytes.size())), qint64(bytes.size()));
}

struct Written {
    explicit Written(std::uint64_t seed) : stream{seed} { writer.begin(bytes); }
    void add(std::size_t count) {
        for (const Record& record : stream.next(count)) {
            writer.add(record, bytes);
            state.apply(record);
        }
        writer.flush(bytes);
    }
    MadeStream stream;
    trace::RecordingWriter writer{{}};
    trace::Replay state;
    std::vector<std::byte> bytes;
};

TEST(FileSource, FollowsAFileThatIsStillBeingWritten) {
    const QTemporaryDir directory;
    const QString path = directory.filePath(QStringLiteral("growing.weft"));
    Written written{1};
    written.add(3'000);
    put(path, written.bytes);
    auto source = std::make_unique<FileSource>(path);
    FileSource& file = *source;
    Session session;
    session.open(std::move(source));
    EXPECT_EQ(session.status().kind, Kind::live);
    EXPECT_TRUE(session.state() == written.state);
    session.select({2, 1});
    session.finish();
    for (int round = 0; round < 5; ++round) {
        const std::size_t before = written.bytes.size();
        written.add(500);
        // First the half of it, as a reader sees it that comes between two writes.
        put(path, std::span{written.bytes}.first(before + (written.bytes.size() - before) / 2));
        file.look();
        EXPECT_NE(session.status().message, QString{});
        put(path, written.bytes);
        file.look();
        ASSERT_TRUE(session.state() == written.state);
        EXPECT_TRUE(session.isLive());
    }
    session.finish();
    const std::uint64_t followed = session.series().records();
    session.clearSelection();
    session.select({2, 1});
    session.finish();
    EXPECT_EQ(session.series().records(), followed);  // what was added bit by bit is what is there
    written.writer.end(written.bytes);
    put(path, written.bytes);
    file.look();
    EXPECT_EQ(session.status().kind, Kind::ended);
}

TEST(FileSource, ATornTailCostsTheLastBatchAndIsTold) {
    const QTemporaryDir directory;
    const QString path = directory.filePath(QStringLiteral("torn.weft"));
    Written written{2};
    written.add(2'000);
    const trace::Replay whole = written.state;
    const std::size_t before = written.bytes.size();
    written.add(700);
    put(path, std::span{written.bytes}.first(before + 1'000));
    Session session;
    session.open(std::make_unique<FileSource>(path));
    EXPECT_TRUE(session.state() == whole);
    EXPECT_TRUE(session.status().message.contains(QStringLiteral("torn"))) << session.status().message.toStdString();
}

TEST(FileSource, WhatIsNoRecordingIsAMessage) {
    const QTemporaryDir directory;
    const QString path = directory.filePath(QStringLiteral("none.weft"));
    const auto failure = [&] {
        Session session;
        session.open(std::make_unique<FileSource>(path));
        session.flush();
        session.finish();
        EXPECT_EQ(session.status().kind, Kind::failed);
        return session.status().message.toStdString();
    };
    EXPECT_NE(failure(), "");  // no such file
    put(path, {});
    EXPECT_NE(failure().find("empty"), std::string::npos);
    std::vector<std::byte> garbage(5'000, std::byte{0x5a});
    put(path, garbage);
    EXPECT_NE(failure(), "");
}

TEST(FileSource, AFileThatIsCutMeanwhileIsAMessage) {
    const QTemporaryDir directory;
    const QString path = directory.filePath(QStringLiteral("cut.weft"));
    Written written{2};
    written.add(2'000);
    put(path, written.bytes);
    auto source = std::make_unique<FileSource>(path);
    FileSource& file = *source;
    Session session;
    session.open(std::move(source));
    QFile::resize(path, 100);
    file.look();
    EXPECT_EQ(session.status().kind, Kind::failed);
    session.flush();
    session.seek(session.beginNs());  // nothing of the file is touched any more
    session.finish();
    EXPECT_TRUE(session.history().isEmpty());
}

// Bytes turned over and cut anywhere: whatever it is by then, looking at it ends and harms nobody.
TEST(FileSource, DamagedRecordingsAreLookedAtWithoutHarm) {
    const QTemporaryDir directory;
    const QString path = directory.filePath(QStringLiteral("damaged.weft"));
    Written written{7};
    for (int round = 0; round < 4; ++round) written.add(800);
    written.writer.end(written.bytes);
    std::mt19937_64 random{7};
    for (int round = 0; round < 120; ++round) {
        std::vector<std::byte> bytes = written.bytes;
        for (std::uint64_t flips = random() % 6; flips > 0; --flips)
            bytes[random() % bytes.size()] = std::byte(random() % 256);
        if (random() % 3 == 0) bytes.resize(random() % bytes.size());
        put(path, bytes);
        Session session;
        session.open(std::make_unique<FileSource>(path));
        session.select({1, 1});
        session.finish();
        for (int seeks = 0; seeks < 4 && !session.history().isEmpty(); ++seeks)
            session.seek(session.beginNs() + std::int64_t(random() % (1 + distanceNs(session.beginNs(), session.endNs()))));
        session.stepState(-1);
        session.finish();
        std::vector<Density::Column> columns(50);
        session.density(session.beginNs(), session.endNs(), columns);
    }
}

// ---- a node, as its control socket behaves

class FakeNode {
public:
    explicit FakeNode(const QString& path) : path_{path} {}

    void listen(qint64 pid) {
        pid_ = pid;
        QLocalServer::removeServer(path_);
        server_ = std::make_unique<QLocalServer>();
        ASSERT_TRUE(server_->listen(path_));
        QObject::connect(server_.get(), &QLocalServer::newConnection, server_.get(), [this] {
            peer_ = server_->nextPendingConnection();
            QObject::connect(peer_, &QLocalSocket::readyRead, peer_, [this] { answer(); });
        });
    }
    void die() {
        delete peer_;
        peer_ = nullptr;
        server_.reset();
    }
    void say(std::span<const std::byte> bytes) {
        peer_->write(reinterpret_cast<const char*>(bytes.data()), qint64(bytes.size()));
        peer_->flush();
    }
    bool subscribed() const { return peer_ != nullptr && subscribed_; }
    QJsonObject asked;
    QString method;
    QByteArray refusal;  // in place of a stream
    bool silent{false};

private:
    void answer() {
        while (peer_ != nullptr && peer_->canReadLine()) {
            const QJsonObject request = QJsonDocument::fromJson(peer_->readLine()).object();
            if (silent) continue;
            const QString wanted = request[QStringLiteral("method")].toString();
            if (wanted == QStringLiteral("node.info")) {
                peer_->write("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"name\":\"left\",\"version\":\"0.1.0\",\"pid\":" +
                             QByteArray::number(pid_) + "}}\n");
            } else if (!refusal.isEmpty()) {
                asked = request[QStringLiteral("params")].toObject();
                method = wanted;
                peer_->write(refusal);
            } else {
                asked = request[QStringLiteral("params")].toObject();
                subscribed_ = true;
                peer_->write("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n");
            }
        }
    }

    QString path_;
    qint64 pid_{0};
    std::unique_ptr<QLocalServer> server_;
    QLocalSocket* peer_{nullptr};
    bool subscribed_{false};
};

class Live : public testing::Test {
protected:
    Live() {
        auto source = std::make_unique<SocketSource>(path);
        source->setBackOff(1, 20);
        socket = source.get();
        session = std::make_unique<Session>();
        pending = std::move(source);
    }
    void open() { session->open(std::move(pending)); }
    bool becomes(Kind kind) {
        return QTest::qWaitFor([&] { return session->status().kind == kind; }, generousMs);
    }
    bool shows(std::int64_t endNs) {
        return QTest::qWaitFor([&] { return session->endNs() == endNs; }, generousMs);
    }

    QTemporaryDir directory;
    QString path = directory.filePath(QStringLiteral("left.ro.sock"));
    FakeNode node{path};
    SocketSource* socket{nullptr};
    std::unique_ptr<Source> pending;
    std::unique_ptr<Session> session;
};

TEST_F(Live, ShowsWhatTheNodeTells) {
    node.listen(10);
    open();
    ASSERT_TRUE(becomes(Kind::live));
    Written written{1};
    for (int round = 0; round < 20; ++round) {
        const std::size_t before = written.bytes.size();
        written.add(3'000);
        node.say(std::span{written.bytes}.subspan(round == 0 ? 0 : before));
    }
    ASSERT_TRUE(shows(written.stream.nowNs()));
    EXPECT_TRUE(session->state() == written.state);
    EXPECT_EQ(session->source()->title(), QStringLiteral("left"));
    EXPECT_TRUE(node.asked[QStringLiteral("snapshot")].toBool());
    ASSERT_TRUE(session->source()->info());
}

TEST_F(Live, ARelativePathBelongsToTheWorkingDirectory) {
    node.listen(10);
    pending = std::make_unique<SocketSource>(QDir::current().relativeFilePath(path));
    open();
    EXPECT_TRUE(becomes(Kind::live)) << session->status().message.toStdString();
}

TEST_F(Live, SurvivesTheNodesRestart) {
    node.listen(10);
    open();
    ASSERT_TRUE(becomes(Kind::live));
    Written first{1};
    first.add(500);
    node.say(first.bytes);
    ASSERT_TRUE(shows(first.stream.nowNs()));
    session->select({1, 1});
    node.die();
    ASSERT_TRUE(becomes(Kind::lost));
    EXPECT_TRUE(session->state() == first.state);  // what was seen last stays
    EXPECT_TRUE(
        QTest::qWaitFor([&] { return session->status().message.contains(QStringLiteral("no node answers")); }, generousMs));
    node.listen(11);
    ASSERT_TRUE(becomes(Kind::live));
    EXPECT_FALSE(session->selected());
    Written second{2};
    second.stream = MadeStream{2, 12, first.stream.nowNs() + 1'000'000'000};
    second.add(500);
    node.say(second.bytes);
    ASSERT_TRUE(shows(second.stream.nowNs()));
    EXPECT_TRUE(session->state() == second.state);
    session->seek(first.stream.nowNs());
    EXPECT_TRUE(session->state() == first.state);
}

TEST_F(Live, WaitsForANodeThatIsNotThere) {
    open();
    ASSERT_TRUE(becomes(Kind::lost));
    EXPECT_TRUE(session->status().message.contains(path));
    node.listen(10);
    EXPECT_TRUE(becomes(Kind::live));
}

TEST_F(Live, ANodeThatDoesNotAnswerIsTold) {
    node.silent = true;
    node.listen(10);
    open();
    ASSERT_TRUE(
        QTest::qWaitFor([&] { return session->status().message.contains(QStringLiteral("does not answer")); }, generousMs));
    EXPECT_EQ(session->status().kind, Kind::connecting);
}

TEST_F(Live, ARefusalIsToldInTheNodesWords) {
    node.refusal =
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32002,\"message\":\"16 event connections are open\"}}\n";
    node.listen(10);
    open();
    ASSERT_TRUE(becomes(Kind::failed));
    EXPECT_TRUE(session->status().message.contains(QStringLiteral("16 event connections are open")));
    node.refusal.clear();
    EXPECT_TRUE(becomes(Kind::live));  // it asks again
}

TEST_F(Live, GarbageInPlaceOfAnAnswerIsAMessage) {
    node.refusal = "GARBAGE\n";
    node.listen(10);
    open();
    ASSERT_TRUE(becomes(Kind::failed));
    EXPECT_TRUE(session->status().message.contains(QStringLiteral("no node")));
}

TEST_F(Live, GarbageInPlaceOfAStreamIsAMessageAndAnotherAttempt) {
    node.listen(10);
    open();
    ASSERT_TRUE(becomes(Kind::live));
    std::vector<std::byte> garbage(2'000, std::byte{0x77});
    node.say(garbage);
    ASSERT_TRUE(becomes(Kind::lost));
    EXPECT_TRUE(session->status().message.contains(QStringLiteral("no recording")))
        << session->status().message.toStdString();
    EXPECT_TRUE(becomes(Kind::live));
}

TEST_F(Live, AStreamThatComesByteByByteIsTheSame) {
    node.listen(10);
    open();
    ASSERT_TRUE(becomes(Kind::live));
    Written written{3};
    written.add(40);
    for (const std::byte byte : written.bytes) node.say({&byte, 1});
    ASSERT_TRUE(shows(written.stream.nowNs()));
    EXPECT_TRUE(session->state() == written.state);
}

// ---- changes that a person asks for

TEST_F(Live, AChangeIsAskedForAndAnswered) {
    node.listen(10);
    node.refusal = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"flow\":\"7:2\"}}\n";
    NodeControl control{path};
    std::optional<QString> outcome;
    control.setCongestion({7, 2}, QStringLiteral("newreno"), [&](const QString& error) { outcome = error; });
    ASSERT_TRUE(QTest::qWaitFor([&] { return outcome.has_value(); }, generousMs));
    EXPECT_EQ(*outcome, QString{});
    EXPECT_EQ(node.method, QStringLiteral("flow.set"));
    EXPECT_EQ(node.asked[QStringLiteral("flow")].toString(), QStringLiteral("7:2"));
    EXPECT_EQ(node.asked[QStringLiteral("congestion")].toString(), QStringLiteral("newreno"));

    node.refusal = "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32000,\"message\":\"no such flow\"}}\n";
    outcome.reset();
    control.abort({7, 2}, [&](const QString& error) { outcome = error; });
    ASSERT_TRUE(QTest::qWaitFor([&] { return outcome.has_value(); }, generousMs));
    EXPECT_EQ(*outcome, QStringLiteral("no such flow"));
}

TEST_F(Live, AChangeThatNobodyAnswersFailsInTheEnd) {
    NodeControl control{NodeControl::writablePathOf(path)};  // nobody listens there
    std::optional<QString> outcome;
    control.abort({1, 1}, [&](const QString& error) { outcome = error; });
    ASSERT_TRUE(QTest::qWaitFor([&] { return outcome.has_value(); }, generousMs));
    EXPECT_TRUE(outcome->contains(QStringLiteral("left.sock")));
    node.silent = true;
    node.listen(10);
    NodeControl patient{path};
    patient.setPatience(20);
    outcome.reset();
    patient.mark(QStringLiteral("here"), [&](const QString& error) { outcome = error; });
    ASSERT_TRUE(QTest::qWaitFor([&] { return outcome.has_value(); }, generousMs));
    EXPECT_TRUE(outcome->contains(QStringLiteral("in time")));
}

}  // namespace
}  // namespace weft::gui
