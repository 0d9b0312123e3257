// The window's data beside a real node: it waits for it, hears it, has it change things, and outlives it.
#include <gtest/gtest.h>

#include <QAccessible>
#include <QApplication>
#include <QDialog>
#include <QDir>
#include <QFile>
#include <QImage>
#include <QJsonObject>
#include <QLabel>
#include <QLineEdit>
#include <QLocalSocket>
#include <QProcess>
#include <QTest>
#include <QTimer>
#include <QToolButton>

#include "gui/file_source.h"
#include "gui/flow_table.h"
#include "gui/log_model.h"
#include "gui/main_window.h"
#include "gui/node_actions.h"
#include "gui/node_control.h"
#include "gui/record_text.h"
#include "gui/session.h"
#include "gui/socket_source.h"
#include "tests/gui/real_node.h"

namespace weft::gui {
namespace {

constexpr std::uint8_t listening = 1;

bool showsListener(const Session& session) {
    const trace::Replay& state = session.state();
    for (const trace::FlowState& flow : state.living()) {
        if (flow.state == listening && flow.begin.local_port == 7000) return true;
    }
    return false;
}

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

TEST_F(RealNode, IsAskedForAChangeByARelativePath) {
    start();
    ASSERT_TRUE(comes([&] {  // it has its name before anybody listens there
        QLocalSocket socket;
        socket.connectToServer(file("run/left.sock"));
        return socket.waitForConnected(generousMs);
    }));
    const QString before = QDir::currentPath();
    ASSERT_TRUE(QDir::setCurrent(directory.path()));
    NodeControl control{QStringLiteral("run/left.sock")};
    ASSERT_TRUE(QDir::setCurrent(before));
    std::optional<QString> outcome;
    control.mark(QStringLiteral("here"), [&](const QString& error) { outcome = error; });
    ASSERT_TRUE(comes([&] { return outcome.has_value(); }));
    EXPECT_EQ(*outcome, QString{});
}

TEST_F(RealNode, DoesWhatTheWindowIsAskedForByKeyboard) {
    start();
    Session session;
    MainWindow window{session};
    window.show();
    QApplication::setActiveWindow(&window);
    window.openSocket(file("run/left.ro.sock"));
    const auto* trouble = window.findChild<QLabel*>(QStringLiteral("trouble"));
    auto* record = window.findChild<QToolButton*>(QStringLiteral("record"));
    ASSERT_TRUE(comes([&] { return record->isEnabled(); }));
    EXPECT_FALSE(window.actions().hasAskedForChange()) << "looking needs the read-only socket alone";

    QTest::keyClick(&window.flows(), Qt::Key_R);
    ASSERT_TRUE(comes([&] { return window.actions().isRecording(); })) << trouble->text().toStdString();
    EXPECT_TRUE(window.actions().hasAskedForChange());
    EXPECT_EQ(record->text(), QStringLiteral("Stop"));
    EXPECT_TRUE(trouble->text().startsWith(QLatin1String("Recording to "))) << trouble->text().toStdString();

    QTimer::singleShot(0, &window, [] {  // the question is there by then
        QWidget* asked = QApplication::activeModalWidget();
        ASSERT_NE(asked, nullptr);
        auto* line = asked->findChild<QLineEdit*>();
        QTest::keyClicks(line, QStringLiteral("half time"));
        QTest::keyClick(line, Qt::Key_Return);
    });
    QTest::keyClick(&window.flows(), Qt::Key_M);
    EXPECT_TRUE(comes([&] { return trouble->text() == QLatin1String("Marked: half time"); }))
        << trouble->text().toStdString();

    QTest::keyClick(&window.flows(), Qt::Key_L);
    ASSERT_TRUE(comes([&] { return window.findChild<QDialog*>(QStringLiteral("links")) != nullptr; }));
    auto* links = window.findChild<QDialog*>(QStringLiteral("links"));
    auto* loss = links->findChild<QLineEdit*>(QStringLiteral("link-loss"));
    auto* told = links->findChild<QLabel*>(QStringLiteral("told"));
    ASSERT_TRUE(loss != nullptr && told != nullptr) << "its lines are what the node serves";
    for (QWidget* widget : links->findChildren<QWidget*>()) {
        if (widget->focusPolicy() == Qt::NoFocus || !widget->isVisibleTo(links)) continue;
        EXPECT_FALSE(QAccessible::queryAccessibleInterface(widget)->text(QAccessible::Name).isEmpty())
            << widget->metaObject()->className();
    }
    QTest::keyClicks(loss, QStringLiteral("much"));
    QTest::keyClick(loss, Qt::Key_Return);
    ASSERT_TRUE(comes([&] { return told->text().contains(QLatin1String("\"loss\"")); })) << told->text().toStdString();
    loss->setText(QStringLiteral("1%"));
    QTest::keyClick(loss, Qt::Key_Return);
    EXPECT_TRUE(comes([&] { return told->text() == QLatin1String("Now: loss 1%"); })) << told->text().toStdString();
    QTest::keyClick(loss, Qt::Key_Escape);

    QTest::keyClick(&window.flows(), Qt::Key_R);
    ASSERT_TRUE(comes([&] { return !window.actions().isRecording(); }));
    EXPECT_TRUE(comes([&] { return trouble->text().startsWith(QLatin1String("Recorded ")); }))
        << trouble->text().toStdString();
    process.kill();
    ASSERT_TRUE(process.waitForFinished(generousMs));
    EXPECT_TRUE(comes([&] { return !record->isEnabled(); })) << "nobody is there to ask";
}

TEST_F(RealNode, IsShownAtAMomentWithAFlow) {
    start();
    ASSERT_TRUE(comes([&] { return QFile::exists(file("run/left.sock")); }));
    NodeControl control{file("run/left.sock")};
    std::optional<QString> outcome;
    control.call(QStringLiteral("flow.listen"), {{QStringLiteral("port"), 7000}},
                 [&](const QJsonObject&, const QString& error) { outcome = error; });
    ASSERT_TRUE(comes([&] { return outcome.has_value(); }));
    const auto picture = [&](const char* at, const char* flow) {
        QProcess gui;
        gui.start(QStringLiteral(WEFT_BINARY_DIR "/gui/weft-gui"),
                  {QStringLiteral("--socket"), file("run/left.ro.sock"), QStringLiteral("--at"), QString::fromLatin1(at),
                   QStringLiteral("--select"), QString::fromLatin1(flow), QStringLiteral("--wait"), QStringLiteral("0.3"),
                   QStringLiteral("--screenshot"), file("out.png")});
        EXPECT_TRUE(QTest::qWaitFor([&] { return gui.state() == QProcess::NotRunning; }, 2 * generousMs));
        return std::pair{gui.exitCode(), QString::fromUtf8(gui.readAllStandardError())};
    };
    const auto [code, error] = picture("end", ":7000");
    EXPECT_EQ(code, 0) << error.toStdString();
    EXPECT_FALSE(QImage(file("out.png")).isNull());
    const auto [none, why] = picture("60%", "192.0.2.1");
    EXPECT_EQ(none, 1);
    EXPECT_TRUE(why.contains(QLatin1String("192.0.2.1"))) << why.toStdString();
}

}  // namespace
}  // namespace weft::gui
