// What the menus of flow and node do with a real node: each entry is chosen as a person does it, and the node's answer is seen, in what
// the window says, in what it shows from then on, and at the node itself.
#include <gtest/gtest.h>

#include <QAction>
#include <QApplication>
#include <QJsonArray>
#include <QJsonObject>
#include <QLabel>
#include <QMenu>
#include <QMessageBox>
#include <QPushButton>
#include <QTest>
#include <QTimer>

#include "gui/flow_table.h"
#include "gui/main_window.h"
#include "gui/node_actions.h"
#include "gui/node_control.h"
#include "gui/session.h"
#include "stack/core/trace_names.h"
#include "tests/gui/real_node.h"

namespace weft::gui {
namespace {

// Two nodes with a flow from left to right; the window is on left.
class Menus : public RealNode {
protected:
    void SetUp() override {
        ASSERT_NO_FATAL_FAILURE(RealNode::SetUp());
        ASSERT_NO_FATAL_FAILURE(make(right, "right"));
        configure(left, peer(right) + "[plugins]\ndirectories = \"" WEFT_BINARY_DIR "/plugins\"\n");
        configure(right, peer(left));
        start(otherProcess, right);
        start();
        ASSERT_TRUE(comes([&] { return QFile::exists(file("run/left.ro.sock")) && QFile::exists(file("run/right.sock")); }));
        run(receiver, "weft",
            {QStringLiteral("--node"), QStringLiteral("right"), QStringLiteral("nc"), QStringLiteral("-l"),
             QStringLiteral("7000")});
        window.show();
        QApplication::setActiveWindow(&window);
        window.openSocket(file("run/left.ro.sock"));
        trouble = window.findChild<QLabel*>(QStringLiteral("trouble"));
        ASSERT_TRUE(comes([&] { return window.actions().serves(QStringLiteral("flow.set")); }));
        QByteArray said;
        ASSERT_TRUE(comes([&] { return (said += receiver.readAllStandardError()).contains("listening"); }));
        run(sender, "weft",
            {QStringLiteral("--node"), QStringLiteral("left"), QStringLiteral("nc"), QString::fromUtf8(right.address),
             QStringLiteral("7000")});
        ASSERT_TRUE(comes([&] { return flow() != nullptr; }));
        key = FlowKey{flow()->place, flow()->generation};
        session.select(*key);
    }
    void TearDown() override {
        stop(sender);
        stop(receiver);
        stop(otherProcess);
        RealNode::TearDown();
    }

    // The established connection; of the chosen one, once there is one.
    const trace::FlowState* flow() const {
        if (key) return session.history().newest().find(key->place, key->generation);
        for (const trace::FlowState& one : session.history().newest().living())
            if (trace::is_connection(one.place) && one.state == trace::state_established) return &one;
        return nullptr;
    }
    QString module() const {
        return flow() ? QString::fromStdString(std::string(trace::text_of(flow()->module))) : QString();
    }
    // Chooses an entry: a menu's, or of one below it. It is filled as if it were shown.
    bool choose(QMenu* menu, const QStringList& titles) {
        Q_EMIT menu->aboutToShow();
        for (const QString& title : titles) {
            QAction* found = nullptr;
            for (QAction* entry : menu->actions())
                if (entry->isEnabled() && entry->text().startsWith(title)) found = entry;
            if (found == nullptr) return false;
            if (title == titles.back()) return found->trigger(), true;
            menu = found->menu();
            if (menu == nullptr) return false;
        }
        return false;
    }
    bool says(const QString& what) {
        const bool came = comes([&] { return trouble->text().contains(what); });
        EXPECT_TRUE(came) << "it says: " << trouble->text().toStdString();
        return came;
    }
    // What the node itself answers of the flow.
    QJsonObject asked() {
        NodeControl control{file("run/left.ro.sock")};
        std::optional<QJsonObject> found;
        control.call(QStringLiteral("flow.list"), {}, [&](const QJsonObject& result, const QString& error) {
            EXPECT_EQ(error, QString{});
            found = result[QStringLiteral("flows")].toArray().first().toObject();
        });
        EXPECT_TRUE(comes([&] { return found.has_value(); }));
        return found.value_or(QJsonObject{});
    }

    Made right;
    QProcess otherProcess, receiver, sender;
    Session session;
    MainWindow window{session};
    QLabel* trouble{nullptr};
    std::optional<FlowKey> key;
};

TEST_F(Menus, AFlowGoesOnUnderAnotherModuleAndTellsSmallSegmentsApart) {
    QMenu* menu = window.actions().flowMenu();
    const QString before = module(),
                  other = before == QLatin1String("cubic") ? QStringLiteral("newreno") : QStringLiteral("cubic");
    ASSERT_TRUE(comes([&] { return choose(menu, {QStringLiteral("Congestion control"), other}); }));
    says(QStringLiteral("The flow goes on under ") + other);
    EXPECT_TRUE(comes([&] { return module() == other; })) << "the node told it, too";
    EXPECT_EQ(asked()[QStringLiteral("congestion")].toString(), other);

    ASSERT_TRUE(choose(menu, {QStringLiteral("Small segments"), QStringLiteral("Send at once")}));
    says(QStringLiteral("Small segments leave at once"));
    EXPECT_TRUE(asked()[QStringLiteral("nodelay")].toBool());
    ASSERT_TRUE(choose(menu, {QStringLiteral("Small segments"), QStringLiteral("Collect")}));
    says(QStringLiteral("Small segments are collected"));
    EXPECT_FALSE(asked()[QStringLiteral("nodelay")].toBool(true));

    window.actions().setFlow(*key, {{QStringLiteral("congestion"), QStringLiteral("warp")}}, QStringLiteral("done"));
    says(QStringLiteral("warp"));  // the node's own words
    EXPECT_NE(trouble->text(), QStringLiteral("done"));
    EXPECT_EQ(module(), other);
}

TEST_F(Menus, AFlowIsAbortedAfterAQuestionAndNotTwice) {
    const auto answer = [&](const QString& name) {
        QTimer::singleShot(0, &window, [name] {
            QWidget* asked = QApplication::activeModalWidget();
            ASSERT_NE(asked, nullptr);
            auto* question = qobject_cast<QMessageBox*>(asked);
            ASSERT_NE(question, nullptr);
            EXPECT_TRUE(question->text().contains(QLatin1String(":7000")));
            if (name.isEmpty()) return question->reject();
            QTest::mouseClick(question->findChild<QPushButton*>(name), Qt::LeftButton);
        });
    };
    answer({});
    QTest::keyClick(&window.flows(), Qt::Key_Delete);
    EXPECT_TRUE(flow()->lives()) << "the question was not answered with yes";
    answer(QStringLiteral("abort"));
    QTest::keyClick(&window.flows(), Qt::Key_Delete);
    says(QStringLiteral("The flow was aborted"));
    EXPECT_TRUE(comes([&] { return flow() == nullptr || !flow()->lives(); }));
    EXPECT_TRUE(comes([&] { return receiver.state() == QProcess::NotRunning; })) << "its peer got a reset";
    EXPECT_NE(receiver.exitCode(), 0);
    window.actions().abort(*key);
    says(QStringLiteral("there is no such flow"));
    QTest::keyClick(&window.flows(), Qt::Key_Delete);
    says(QStringLiteral("This flow is over"));
}

TEST_F(Menus, APluginIsLoadedAndTakesAllFlowsOfAModule) {
    QMenu* menu = window.actions().nodeMenu();
    const QString before = module();
    ASSERT_TRUE(comes([&] { return choose(menu, {QStringLiteral("Load a plugin"), QStringLiteral("aimd")}); }));
    says(QStringLiteral("aimd: loaded"));
    ASSERT_TRUE(comes([&] {
        return choose(menu, {QStringLiteral("Move all flows"), QStringLiteral("of ") + before, QStringLiteral("to aimd")});
    }));
    says(QStringLiteral("1 flows went from ") + before + QStringLiteral(" to aimd"));
    EXPECT_TRUE(comes([&] { return module() == QLatin1String("aimd"); }));
    EXPECT_EQ(asked()[QStringLiteral("congestion")].toString(), QStringLiteral("aimd"));
    EXPECT_TRUE(comes([&] { return choose(window.actions().flowMenu(), {QStringLiteral("Congestion control"), before}); }))
        << "and back again, this one alone";
    EXPECT_TRUE(comes([&] { return module() == before; }));
    window.actions().loadPlugin(QStringLiteral("nothing"));
    says(QStringLiteral("nothing"));
    EXPECT_FALSE(trouble->text().contains(QLatin1String("loaded"))) << trouble->text().toStdString();
    window.actions().swapModules(QStringLiteral("warp"), before);
    says(QStringLiteral("warp"));
}

}  // namespace
}  // namespace weft::gui
