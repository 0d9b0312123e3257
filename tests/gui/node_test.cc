// The window's data beside a real node: it waits for it, hears it, has it change things, and outlives it.
#include <gtest/gtest.h>

#include <QFile>
#include <QJsonObject>
#include <QProcess>
#include <QTemporaryDir>
#include <QTest>
#include <QUdpSocket>

#include "gui/file_source.h"
#include "gui/log_model.h"
#include "gui/node_control.h"
#include "gui/record_text.h"
#include "gui/session.h"
#include "gui/socket_source.h"

namespace weft::gui {
namespace {

constexpr int generousMs = 30'000;
constexpr std::uint8_t listening = 1;

class RealNode : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(directory.isValid());
        QProcess keys;
        keys.start(
            QStringLiteral(WEFT_BINARY_DIR "/node/weft"),
            {QStringLiteral("-q"), QStringLiteral("key"), QStringLiteral("gen"), QStringLiteral("-o"), file("left.key")});
        ASSERT_TRUE(keys.waitForFinished(generousMs));
        ASSERT_EQ(keys.exitCode(), 0) << keys.readAllStandardError().toStdString();
        QUdpSocket port;
        ASSERT_TRUE(port.bind(QHostAddress::LocalHost));
        QFile config{file("left.toml")};
        ASSERT_TRUE(config.open(QIODevice::WriteOnly));
        config.write("[node]\nname = \"left\"\nkey = \"" + file("left.key").toUtf8() +
                     "\"\n[network]\nname = \"test\"\nwork = 0\n" +
                     "[listen]\nudp = \"127.0.0.1:" + QByteArray::number(port.localPort()) + "\"\n" +
                     "[record]\ndirectory = \"" + directory.path().toUtf8() + "/recordings\"\n");
    }
    void TearDown() override {
        process.kill();
        process.waitForFinished(generousMs);
    }
    QString file(const char* name) const { return directory.filePath(QString::fromLatin1(name)); }
    void start() {
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("WEFT_RUNTIME_DIR"), file("run"));
        process.setProcessEnvironment(environment);
        process.setStandardErrorFile(file("left.log"));
        process.start(QStringLiteral(WEFT_BINARY_DIR "/node/weftd"), {QStringLiteral("-f"), file("left.toml")});
        ASSERT_TRUE(process.waitForStarted(generousMs));
    }
    template <class Condition>
    bool comes(const Condition& condition) {
        return QTest::qWaitFor(condition, generousMs);
    }
    static bool showsListener(const Session& session) {
        const trace::Replay& state = session.state();
        for (const trace::FlowState& flow : state.living()) {
            if (flow.state == listening && flow.begin.local_port == 7000) return true;
        }
        return false;
    }

    QTemporaryDir directory;
    QProcess process;
};

TEST_F(RealNode, IsHeardChangedAndOutlived) {
    Session session;
    LogModel log{session};
    session.open(std::make_unique<SocketSource>(file("run/left.ro.sock")));
    ASSERT_TRUE(comes([&] { return session.status().kind == SourceStatus::Kind::lost; }));
    start();
    ASSERT_TRUE(comes([&] { return session.status().kind == SourceStatus::Kind::live; }))
        << session.status().message.toStdString();
    ASSERT_TRUE(session.source()->node());
    EXPECT_EQ(session.source()->node()->pid, process.processId());
    EXPECT_EQ(session.source()->title(), QStringLiteral("left"));

    NodeControl control{file("run/left.sock")};
    std::optional<QString> outcome, path;
    control.startRecording([&](const QJsonObject& result, const QString& error) {
        path = result[QStringLiteral("path")].toString();
        EXPECT_EQ(error, QString{});
    });
    ASSERT_TRUE(comes([&] { return path.has_value(); }));
    control.call(QStringLiteral("flow.listen"), {{QStringLiteral("port"), 7000}},
                 [&](const QJsonObject&, const QString& error) { outcome = error; });
    ASSERT_TRUE(comes([&] { return outcome.has_value(); }));
    EXPECT_EQ(*outcome, QString{});
    ASSERT_TRUE(comes([&] { return showsListener(session); }));
    control.mark(QStringLiteral("half time"), [](const QString& error) { EXPECT_EQ(error, QString{}); });
    EXPECT_TRUE(comes([&] {
        for (int row = 0; row < log.rowCount(); ++row) {
            if (recordText(log.recordAt(row), session.state()) == QStringLiteral("half time")) return true;
        }
        return false;
    }));
    outcome.reset();
    control.stopRecording([&](const QJsonObject&, const QString& error) { outcome = error; });
    ASSERT_TRUE(comes([&] { return outcome.has_value(); }));
    EXPECT_EQ(*outcome, QString{});
    Session recorded;
    recorded.open(std::make_unique<FileSource>(*path));
    EXPECT_EQ(recorded.status().kind, SourceStatus::Kind::ended) << recorded.status().message.toStdString();
    EXPECT_TRUE(showsListener(recorded));

    process.kill();
    ASSERT_TRUE(process.waitForFinished(generousMs));
    ASSERT_TRUE(comes([&] { return session.status().kind == SourceStatus::Kind::lost; }));
    EXPECT_TRUE(showsListener(session));  // what was seen last stays
    const std::int64_t then = session.endNs();
    start();
    ASSERT_TRUE(comes([&] { return session.status().kind == SourceStatus::Kind::live; }));
    EXPECT_TRUE(comes([&] { return !showsListener(session); }));
    session.seek(then);
    EXPECT_TRUE(showsListener(session));
}

}  // namespace
}  // namespace weft::gui
