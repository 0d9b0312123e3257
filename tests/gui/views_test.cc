// Every view as a picture, light and dark; that none is without a name for who hears it; and that all can be done by keyboard.
#include <gtest/gtest.h>

#include <QAccessible>
#include <QApplication>
#include <QCursor>
#include <QFile>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QRawFont>
#include <QTableView>
#include <QTemporaryDir>
#include <QTest>
#include <QToolButton>
#include <limits>

#include "gui/diagram_widget.h"
#include "gui/filter_line.h"
#include "gui/flow_model.h"
#include "gui/flow_table.h"
#include "gui/help_dialog.h"
#include "gui/main_window.h"
#include "gui/node_actions.h"
#include "gui/plot_view.h"
#include "gui/plot_widget.h"
#include "gui/record_text.h"
#include "gui/session.h"
#include "gui/theme.h"
#include "stack/core/recording.h"
#include "tests/gui/scene.h"

namespace weft::gui {
namespace {

// The window on the made-up session, paused in the middle.
class Shown {
public:
    explicit Shown(ThemeChoice theme, QSize size = {1'280, 800}, double at = 22.412) {
        applyTheme(theme);
        QCursor::setPos(32'000, 32'000);  // over nothing
        session_.setClock([] { return std::int64_t{0}; });
        session_.push(scene_.records());
        window_.resize(size);
        window_.show();
        QApplication::setActiveWindow(&window_);
        window_.finish();
        window_.selectFlow(QStringLiteral("0"));
        session_.seek(Scene::begin + std::int64_t(at * 1e9));
        window_.plotView().fit();
        window_.finish();
        QApplication::processEvents();
    }

    Session& session() { return session_; }
    MainWindow& window() { return window_; }
    template <class Widget>
    Widget* find(const char* name) {
        auto* found = window_.findChild<Widget*>(QLatin1String(name));
        EXPECT_NE(found, nullptr) << name;
        return found;
    }
    double cursor() const { return double(session_.cursorNs() - Scene::begin) / 1e9; }

private:
    Scene scene_{thirtySeconds()};
    Session session_;
    MainWindow window_{session_};
};

QString themed(const char* name, ThemeChoice theme) {
    return QLatin1String(name) + (theme == ThemeChoice::dark ? QLatin1String("-dark") : QLatin1String("-light"));
}

class Pictures : public testing::TestWithParam<ThemeChoice> {};

TEST_P(Pictures, OfTheWholeWindowIsAsItWas) {
    Shown shown(GetParam());
    EXPECT_EQ(differs(shown.window().grab().toImage(), themed("window", GetParam())), "");
}

TEST_P(Pictures, OfEachViewIsAsItWas) {
    Shown shown(GetParam());
    for (const char* name :
         {"flows", "plot-window", "plot-rtt", "plot-rate", "plot-sequence", "diagram", "history", "log", "timeline"}) {
        EXPECT_EQ(differs(shown.find<QWidget>(name)->grab().toImage(), themed(name, GetParam())), "") << name;
    }
}

TEST_P(Pictures, OfTheListOfKeysIsAsItWas) {
    Shown shown(GetParam());
    HelpDialog help;
    help.resize(640, help.sizeHint().height());
    EXPECT_EQ(differs(help.grab().toImage(), themed("help", GetParam())), "");
}

TEST_P(Pictures, OfAWindowWithoutASessionIsAsItWas) {
    applyTheme(GetParam());
    Session session;
    MainWindow window(session);
    window.resize(1'280, 800);
    EXPECT_EQ(differs(window.grab().toImage(), themed("empty", GetParam())), "");
}

INSTANTIATE_TEST_SUITE_P(Themes, Pictures, testing::Values(ThemeChoice::dark, ThemeChoice::light),
                         [](const auto& theme) { return theme.param == ThemeChoice::dark ? "Dark" : "Light"; });

TEST(Views, AComparisonOfPicturesSeesADifference) {
    if (qEnvironmentVariableIsSet("WEFT_UPDATE_PICTURES")) GTEST_SKIP() << "references are being written";
    Shown shown(ThemeChoice::dark);
    QImage other = shown.find<QWidget>("diagram")->grab().toImage();
    for (int y = 40; y < 80; ++y) {
        for (int x = 40; x < 160; ++x) other.setPixel(x, y, qRgb(255, 0, 255));
    }
    EXPECT_NE(differs(other, QStringLiteral("diagram-dark")), "");
    EXPECT_NE(differs(shown.find<QWidget>("history")->grab().toImage(), QStringLiteral("diagram-dark")), "");
}

// Covers a part of a picture with what lies beside it, or with its ground.
void cover(QImage& picture, const QRect& part, int from) {
    for (int y = part.top(); y <= part.bottom(); ++y) {
        for (int x = part.left(); x <= part.right(); ++x) picture.setPixel(x, y, picture.pixel(x + from, y));
    }
}

TEST(Views, AComparisonOfPicturesSeesThatALineOrARowIsMissing) {
    if (qEnvironmentVariableIsSet("WEFT_UPDATE_PICTURES")) GTEST_SKIP() << "references are being written";
    for (const ThemeChoice theme : {ThemeChoice::dark, ThemeChoice::light}) {
        Shown shown(theme);
        const double part = double(shown.session().cursorNs() - Scene::begin) / 30e9;
        QImage timeline = shown.find<QWidget>("timeline")->grab().toImage();
        const int playhead = 12 + int(part * (timeline.width() - 24));
        ASSERT_EQ(differs(timeline, themed("timeline", theme)), "");
        cover(timeline, {playhead - 7, 0, 14, timeline.height()}, 18);
        EXPECT_NE(differs(timeline, themed("timeline", theme)), "") << "without its playhead";

        QImage plot = shown.find<QWidget>("plot-window")->grab().toImage();
        const int cursor = 50 + int(part * (plot.width() - 64));
        cover(plot, {cursor - 2, 28, 5, plot.height() - 30}, 6);
        EXPECT_NE(differs(plot, themed("plot-window", theme)), "") << "without its cursor";

        QImage flows = shown.find<QWidget>("flows")->grab().toImage();
        const QRect row = shown.window().flows().visualRect(shown.window().flowModel().index(2, FlowModel::State));
        const QRgb ground = flows.pixel(4, flows.height() - 8);
        for (int y = 0; y < row.height(); ++y) {
            for (int x = 2; x < flows.width() - 2; ++x) flows.setPixel(x, y + 22 + row.top(), ground);
        }
        EXPECT_NE(differs(flows, themed("flows", theme)), "") << "without a row";

        QImage window = shown.window().grab().toImage();
        const QPoint at = shown.find<QWidget>("timeline")->mapTo(&shown.window(), QPoint(playhead - 7, 0));
        cover(window, QRect(at, QSize(14, shown.find<QWidget>("timeline")->height())), 18);
        EXPECT_NE(differs(window, themed("window", theme)), "") << "the window without its playhead";
    }
}

TEST(Views, EveryThingThatCanHaveTheFocusHasAName) {
    Shown shown(ThemeChoice::light);
    HelpDialog help;
    int seen = 0;
    for (QWidget* top : {static_cast<QWidget*>(&shown.window()), static_cast<QWidget*>(&help)}) {
        for (QWidget* widget : top->findChildren<QWidget*>()) {
            if (widget->focusPolicy() == Qt::NoFocus || !widget->isVisibleTo(top)) continue;
            ++seen;
            QAccessibleInterface* heard = QAccessible::queryAccessibleInterface(widget);
            ASSERT_NE(heard, nullptr);
            EXPECT_FALSE(heard->text(QAccessible::Name).isEmpty())
                << widget->metaObject()->className() << ' ' << widget->objectName().toStdString();
        }
    }
    EXPECT_GT(seen, 16);
}

TEST(Views, TabReachesEveryViewAndComesBack) {
    Shown shown(ThemeChoice::light);
    std::vector<QString> order;
    for (int i = 0; i < 60; ++i) {
        QWidget* focus = QApplication::focusWidget();
        ASSERT_NE(focus, nullptr);
        if (!order.empty() && focus->objectName() == order.front()) break;
        order.push_back(focus->objectName());
        QTest::keyClick(focus, Qt::Key_Tab);
    }
    for (const char* name :
         {"open",    "connect", "flow-menu", "node-menu",   "filter",   "pause",     "freeze",        "picture",
          "theme",   "keys",    "flows",     "plot-window", "plot-rtt", "plot-rate", "plot-sequence", "diagram",
          "history", "log-all", "log",       "to-begin",    "play",     "timeline"}) {
        EXPECT_NE(std::ranges::find(order, QLatin1String(name)), order.end()) << name;
    }
}

void press(MainWindow& window, Qt::Key key, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
    QWidget* focus = QApplication::focusWidget();
    ASSERT_NE(focus, nullptr);
    QTest::keyClick(focus, key, modifiers);
    QApplication::processEvents();
    window.finish();
}

TEST(Views, AWalkByKeyboardAlone) {
    Shown shown(ThemeChoice::dark);
    MainWindow& window = shown.window();
    Session& session = shown.session();

    press(window, Qt::Key_1);
    EXPECT_EQ(QApplication::focusWidget(), &window.flows());
    press(window, Qt::Key_Home);
    press(window, Qt::Key_Down);
    EXPECT_EQ(window.flows().currentIndex().row(), 1);
    ASSERT_TRUE(session.selected());
    EXPECT_EQ(*session.selected(), window.flowModel().keyAt(1));
    press(window, Qt::Key_P);
    EXPECT_EQ(window.flows().currentIndex().row(), 0);

    const auto ports = [&] {
        QStringList found;
        for (int row = 0; row < window.flowModel().rowCount(); ++row)
            found += window.flowModel().index(row, FlowModel::Local).data().toString();
        return found;
    };
    const QStringList byAge = ports();
    press(window, Qt::Key_S);
    press(window, Qt::Key_S);
    EXPECT_EQ(window.flows().horizontalHeader()->sortIndicatorSection(), FlowModel::Local);
    const QStringList rising = ports();
    EXPECT_NE(rising, byAge);
    press(window, Qt::Key_S, Qt::ShiftModifier);
    EXPECT_EQ(ports(), QStringList(rising.rbegin(), rising.rend()));
    for (int column = FlowModel::Local; column < FlowModel::ColumnCount; ++column) press(window, Qt::Key_S);
    EXPECT_EQ(ports(), byAge);

    window.selectFlow(QStringLiteral("0"));
    window.finish();
    const double before = shown.cursor();
    press(window, Qt::Key_Right);
    EXPECT_GT(shown.cursor(), before);
    press(window, Qt::Key_Left);
    press(window, Qt::Key_Right, Qt::ShiftModifier);
    EXPECT_NEAR(shown.cursor(), 29.1, 0.001);  // ESTABLISHED to FIN-WAIT-1
    press(window, Qt::Key_Left, Qt::ShiftModifier);
    EXPECT_NEAR(shown.cursor(), 0.141, 0.001);
    press(window, Qt::Key_Escape);
    EXPECT_TRUE(session.isLive());
    press(window, Qt::Key_2);  // in a table Home is the first row
    press(window, Qt::Key_Home);
    EXPECT_EQ(session.cursorNs(), session.beginNs());
    EXPECT_EQ(session.selected()->place, 0U) << "what is not there yet stays chosen";

    press(window, Qt::Key_Space);
    EXPECT_TRUE(session.isPlaying());
    press(window, Qt::Key_BracketRight);
    EXPECT_EQ(session.speed(), 2);
    press(window, Qt::Key_Space);
    EXPECT_FALSE(session.isPlaying());

    const std::int64_t span = window.plotView().toNs() - window.plotView().fromNs();
    press(window, Qt::Key_Plus);
    EXPECT_LT(window.plotView().toNs() - window.plotView().fromNs(), span);
    const std::int64_t from = window.plotView().fromNs();
    press(window, Qt::Key_PageDown);
    EXPECT_GT(window.plotView().fromNs(), from);
    press(window, Qt::Key_0);
    EXPECT_EQ(window.plotView().toNs() - window.plotView().fromNs(), span);

    press(window, Qt::Key_End);
    EXPECT_TRUE(session.isLive());
    press(window, Qt::Key_3);
    EXPECT_EQ(QApplication::focusWidget(), &window.diagram());
    press(window, Qt::Key_Up);
    press(window, Qt::Key_Return);  // the last transition
    EXPECT_NEAR(shown.cursor(), 29.16, 0.001);

    press(window, Qt::Key_F);
    EXPECT_TRUE(session.isFrozen());
    press(window, Qt::Key_F);
    EXPECT_FALSE(session.isFrozen());
}

TEST(Views, TheFilterIsTypedLeftAndSaysWhatIsWrong) {
    Shown shown(ThemeChoice::dark);
    MainWindow& window = shown.window();
    const int all = window.flowModel().rowCount();
    press(window, Qt::Key_F, Qt::ControlModifier);
    ASSERT_EQ(QApplication::focusWidget(), &window.filter());
    QTest::keyClicks(&window.filter(), QStringLiteral("tcp.state == ESTABLISHED"));
    press(window, Qt::Key_Return);
    EXPECT_EQ(QApplication::focusWidget(), &window.flows());
    EXPECT_LT(window.flowModel().rowCount(), all);
    EXPECT_GT(window.flowModel().rowCount(), 0);
    QApplication::setActiveWindow(&window);  // the list of names had it; without a display nobody gives it back
    press(window, Qt::Key_F, Qt::ControlModifier);
    ASSERT_EQ(QApplication::focusWidget(), &window.filter());
    QTest::keyClicks(&window.filter(), QStringLiteral("no.such.field == 1"));
    EXPECT_FALSE(window.filter().problem().isEmpty());
    EXPECT_FALSE(window.filter().accessibleDescription().isEmpty());
    press(window, Qt::Key_Escape);
    EXPECT_TRUE(window.filter().text().isEmpty())
        << window.filter().text().toStdString() << " " << QApplication::focusWidget()->objectName().toStdString();
    EXPECT_EQ(window.flowModel().rowCount(), all);
    press(window, Qt::Key_Escape);
    EXPECT_EQ(QApplication::focusWidget(), &window.flows());
}

TEST(Views, ARecordingOfManyFlowsShowsThemAndTheBusiestAtOnce) {
    Scene scene;
    for (std::uint32_t place = 0; place < 3'000; ++place) {
        const std::int64_t t = Scene::begin + place * 1'000;
        scene.flow(t, place, 0, std::uint16_t(10'000 + place), 80, "cubic");
        scene.state(t + 1, place, 0, 2, 1);
        const std::uint64_t moved = place == 1'234 ? 9'000'000 : place;
        scene.add(told(t + 2, place, trace::Type::counters, trace::Counters{0, moved, 1, 1, 0, 0, 0, 0, 65'536, 65'536}));
    }
    std::vector<std::byte> bytes;
    trace::RecordingWriter writer{{}};
    writer.begin(bytes);
    for (const trace::Record& record : scene.records()) writer.add(record, bytes);
    writer.end(bytes);
    const QTemporaryDir folder;
    QFile file(folder.filePath(QStringLiteral("many.weft")));
    ASSERT_TRUE(file.open(QIODevice::WriteOnly));
    file.write(reinterpret_cast<const char*>(bytes.data()), qint64(bytes.size()));
    file.close();
    Session session;
    MainWindow window(session);
    window.openRecording(file.fileName());
    session.flush();  // one frame, and no more
    ASSERT_TRUE(session.selected());
    EXPECT_EQ(session.selected()->place, 1'234U);
    const QString told = window.findChild<QLabel*>(QStringLiteral("status"))->text();
    EXPECT_TRUE(told.contains(QLatin1String("3000 flows"))) << told.toStdString();
}

TEST(Views, NoTextOfTheStatusLineMakesTheWindowWider) {
    Shown shown(ThemeChoice::light, {800, 600});
    MainWindow& window = shown.window();
    const int least = window.minimumSizeHint().width();
    EXPECT_FALSE(window.filterFlows(QString(400, QLatin1Char('x')) + QLatin1String(" == 1")).isEmpty());
    QApplication::processEvents();
    EXPECT_EQ(window.minimumSizeHint().width(), least);
    EXPECT_EQ(window.grab().size(), QSize(800, 600));
}

TEST(Views, EverySignOfAnEventIsInTheBundledFont) {
    const QRawFont font = QRawFont::fromFont(monoFont(12));
    ASSERT_EQ(font.familyName(), QStringLiteral("JetBrains Mono"));
    for (std::uint8_t type = 0; type < 32; ++type) {
        trace::Record record{};
        record.type = trace::Type(type);
        for (const QChar sign : glyph(record)) EXPECT_TRUE(font.supportsCharacter(sign)) << glyph(record).toStdString();
    }
}

TEST(Views, TimesAndValuesAtTheEndsOfTheirRangeAreDrawn) {
    constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min(), most = std::numeric_limits<std::int64_t>::max();
    constexpr std::uint64_t much = std::uint64_t{1} << 60;
    Scene scene;
    scene.flow(least, 0, 0, 1, 80, "cubic");
    scene.state(least, 0, 0, 2, 1);
    scene.add(told(0, 0, trace::Type::rate, trace::Rate{most - 1, 1, much, 0, 0, 0, 0, 0}));
    scene.add(told(1, 0, trace::Type::rate, trace::Rate{most, 1, much + 1'024, 0, 0, 0, 0, 0}));
    scene.state(most, 0, 2, 4);
    Session session;
    MainWindow window(session);
    session.push(scene.records());
    window.resize(1'280, 800);
    window.finish();
    PlotView& view = window.plotView();
    for (const std::int64_t at : {least, std::int64_t{0}, most}) {
        session.seek(at);
        window.finish();
        view.hover(at);
        for (int i = 0; i < 100; ++i) view.zoomAtCursor(0.5);
        window.grab();
        view.pan(-0.5);
        view.pan(5);
        view.zoom(1e9, at);
        window.grab();
        view.recentre();
        window.grab();
        view.fit();
        window.grab();
        EXPECT_LT(view.fromNs(), view.toNs());
    }
}

TEST(Views, AFrozenWindowStandsStillAndCatchesUp) {
    Shown shown(ThemeChoice::dark);
    press(shown.window(), Qt::Key_Escape);
    const QImage before = shown.find<QWidget>("timeline")->grab().toImage();
    press(shown.window(), Qt::Key_F);
    const trace::Record late = told(Scene::begin + 60 * Scene::second, 0, trace::Type::limit, trace::Limit{1, 0});
    shown.session().push({&late, 1});
    shown.session().flush();
    QApplication::processEvents();
    EXPECT_EQ(shown.find<QWidget>("timeline")->grab().toImage(), before);
    press(shown.window(), Qt::Key_F);
    EXPECT_NE(shown.find<QWidget>("timeline")->grab().toImage(), before);
}

TEST(Views, AFrozenWindowAnswersToWhatItsUserDoes) {
    Shown shown(ThemeChoice::dark);
    press(shown.window(), Qt::Key_F);
    const QString before = shown.find<QWidget>("timeline")->accessibleDescription();
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Right, Qt::ShiftModifier);
    shown.session().flush();
    const QString after = shown.find<QWidget>("timeline")->accessibleDescription();
    EXPECT_NE(after, before);
    EXPECT_TRUE(after.contains(QLatin1String("29.1"))) << after.toStdString();
    const int row = shown.window().flows().currentIndex().row();
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_P);
    shown.session().flush();
    EXPECT_EQ(shown.window().flows().currentIndex().row(), row - 1);
    EXPECT_EQ(*shown.session().selected(), shown.window().flowModel().keyAt(row - 1));
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Space);
    EXPECT_TRUE(shown.find<QLabel>("trouble")->text().contains(QLatin1String("frozen")));
    EXPECT_TRUE(shown.find<QLabel>("status")->text().contains(QLatin1String("frozen")));
}

TEST(Views, WishesThatNeedANodeSayThatThereIsNone) {
    Shown shown(ThemeChoice::light);
    const auto* trouble = shown.find<QLabel>("trouble");
    for (const Qt::Key key : {Qt::Key_R, Qt::Key_M, Qt::Key_L, Qt::Key_Delete}) {
        shown.window().notice({}, false);
        press(shown.window(), key);
        EXPECT_TRUE(trouble->text().contains(QLatin1String("needs a running node"))) << trouble->text().toStdString();
    }
    EXPECT_FALSE(shown.find<QToolButton>("record")->isEnabled());
    for (QMenu* menu : {shown.window().actions().flowMenu(), shown.window().actions().nodeMenu()}) {
        Q_EMIT menu->aboutToShow();
        ASSERT_FALSE(menu->actions().isEmpty());
        for (const QAction* entry : menu->actions()) EXPECT_FALSE(entry->isEnabled()) << entry->text().toStdString();
    }
}

TEST(Views, TheChosenFlowStaysInSightWhenTheWindowShrinks) {
    Shown shown(ThemeChoice::light, {1'280, 1'000});
    FlowTable& flows = shown.window().flows();
    const int last = flows.model()->rowCount() - 1;
    ASSERT_GT(last, 3);
    flows.setCurrentIndex(flows.model()->index(last, 0));
    shown.window().resize(800, 600);
    QApplication::processEvents();
    const QRect row = flows.visualRect(flows.currentIndex());
    EXPECT_GE(row.top(), 0);
    EXPECT_LT(row.bottom(), flows.viewport()->height());
}

TEST(Views, AFontThatADesktopSetsLateDoesNotStay) {
    Shown shown(ThemeChoice::light);
    QApplication::setFont(QFont(QStringLiteral("Monospace"), 22));
    EXPECT_TRUE(QTest::qWaitFor([] { return QApplication::font() == uiFont(); }, 30'000));
}

TEST(Views, FewFarSamplesDoNotPressTheOthersIntoALine) {
    Shown shown(ThemeChoice::light);
    Session& session = shown.session();
    auto* plot = shown.find<PlotWidget>("plot-rate");
    plot->grab();
    const double before = plot->axisHigh();
    EXPECT_FALSE(plot->outsideText().contains(QLatin1String("delivered")));
    const trace::Record far =
        told(Scene::begin + 31 * Scene::second, 0, trace::Type::rate, trace::Rate{1, 1'000, 1'000'000'000, 0, 0, 0, 0, 0});
    const trace::Record later = told(Scene::begin + 32 * Scene::second, 0, trace::Type::limit, trace::Limit{1, 0});
    session.push({&far, 1});
    session.push({&later, 1});
    shown.window().finish();
    shown.window().plotView().fit();
    shown.window().grab();
    EXPECT_LT(plot->axisHigh(), before * 2);
    EXPECT_TRUE(plot->outsideText().contains(QLatin1String("above: delivered"))) << plot->outsideText().toStdString();
    auto* rtt = shown.find<PlotWidget>("plot-rtt");
    EXPECT_GT(rtt->axisLow(), 20e6) << "round-trip times around 45 ms need no zero";
}

TEST(Views, MarksThatAreLeftOutAreCounted) {
    Scene scene = thirtySeconds();
    for (std::size_t i = 0; i < FlowSeries::mostMarks + 5; ++i)
        scene.add(told(Scene::begin + 20 * Scene::second + std::int64_t(i), 0, trace::Type::loss, trace::Loss{1, 1, 3, 0}));
    Session session;
    MainWindow window(session);
    session.push(scene.records());
    window.selectFlow(QStringLiteral("0"));
    window.finish();
    ASSERT_GT(session.series().marksLeftOut(), 0U);
    const QString count = QString::number(session.series().marksLeftOut());
    EXPECT_TRUE(window.findChild<PlotWidget*>(QStringLiteral("plot-window"))->outsideText().contains(count));
    EXPECT_TRUE(window.findChild<QLabel*>(QStringLiteral("status"))->text().contains(count + QLatin1String(" marks")));
}

TEST(Views, AnotherThemeChangesEveryPixelOfTheGround) {
    Shown shown(ThemeChoice::dark);
    const QRgb dark = shown.find<QWidget>("diagram")->grab().toImage().pixel(2, 40);
    applyTheme(ThemeChoice::light);
    QApplication::processEvents();
    const QRgb light = shown.find<QWidget>("diagram")->grab().toImage().pixel(2, 40);
    EXPECT_LT(qGray(dark), 64);
    EXPECT_GT(qGray(light), 192);
}

}  // namespace
}  // namespace weft::gui
