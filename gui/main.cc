// weft-gui: the window on a recording or on a running node; with --screenshot a picture of it, for which no display is needed.
// Exit codes: 0 done, 1 what was asked for cannot be shown, 2 usage, 3 the node does not run.
#include <QApplication>
#include <QCommandLineParser>
#include <QCursor>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QLocale>
#include <QTimer>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "gui/file_source.h"
#include "gui/flow_model.h"
#include "gui/main_window.h"
#include "gui/session.h"
#include "gui/socket_source.h"
#include "gui/theme.h"

namespace {

using weft::gui::MainWindow;
using weft::gui::Session;
using weft::gui::SourceStatus;

constexpr int failed = 1, usage = 2, notRunning = 3;
constexpr int patienceMs = 3'000;  // for a node to answer, when a picture of it is wanted

struct Wish {
    QString file, socket, at, picture, flow, filter;
    QSize size{1'400, 860};
    weft::gui::ThemeChoice theme{weft::gui::ThemeChoice::system};
    double waitSeconds{1.5};
    bool tellFirstFrame{false};
};

bool displayOpened = false;

int complain(int code, const QString& what) {
    std::fprintf(stderr, "weft-gui: %s\n", qUtf8Printable(what));
    return code;
}

// What Qt has to say of displays and directories is nothing that a person could mend.
void hear(QtMsgType type, const QMessageLogContext&, const QString& text) {
    if (type == QtFatalMsg && !displayOpened) {
        const QString display = qEnvironmentVariable("WAYLAND_DISPLAY", qEnvironmentVariable("DISPLAY"));
        complain(failed, QStringLiteral("the display %1 cannot be opened; --screenshot OUT.png needs none").arg(display));
        std::_Exit(failed);  // else Qt would abort, and leave a core
    }
    if (type == QtCriticalMsg || type == QtFatalMsg) std::fprintf(stderr, "weft-gui: %s\n", qUtf8Printable(text));
}

void addOptions(QCommandLineParser& parser) {
    const auto text = [](const char* words) { return QString::fromUtf8(words); };
    parser.setApplicationDescription(
        text("Shows connections: live from a node, or from a recording.\nWithout --open, --node or --socket it looks for "
             "the node `default`, or $WEFT_NODE."));
    parser.addHelpOption();
    parser.addVersionOption();
    parser.addOptions({
        {text("open"), text("A recording (FILE.weft), whole or still being written."), text("FILE")},
        {text("node"), text("The node of that name."), text("NAME")},
        {text("socket"), text("The node with that control socket."), text("PATH")},
        {text("at"), text("Where the cursor stands: seconds from the beginning (12.5s), a part (60%), begin or end."),
         text("T")},
        {text("select"), text("The flow to show: its number, or part of an endpoint."), text("FLOW")},
        {text("filter"), text("Show only flows for which this holds, as `weft flows` has it."), text("EXPRESSION")},
        {text("screenshot"), text("Write a picture there instead of opening a window; needs no display."), text("OUT.png")},
        {text("wait"), text("How long to watch a node before the picture (1.5)."), text("SECONDS")},
        {text("size"), text("Of the window (1400x860)."), text("WxH")},
        {text("theme"), text("light, dark or system (system)."), text("NAME")},
        {text("tell-first-frame"), text("Print `first-frame` when the window is drawn.")},
    });
}

std::optional<QSize> sizeOf(const QString& text) {
    const QStringList parts = text.split(QLatin1Char('x'));
    bool wide = false, high = false;
    if (parts.size() != 2) return std::nullopt;
    const QSize size(parts[0].toInt(&wide), parts[1].toInt(&high));
    if (!wide || !high || size.width() < 640 || size.height() < 400 || size.width() > 8'192 || size.height() > 8'192)
        return std::nullopt;
    return size;
}

// A moment of the session; nothing: the text is none.
std::optional<std::int64_t> momentOf(QString text, std::int64_t begin, std::int64_t end) {
    if (text == QLatin1String("begin")) return begin;
    if (text == QLatin1String("end")) return end;
    const bool part = text.endsWith(QLatin1Char('%'));
    if (part || text.endsWith(QLatin1Char('s'))) text.chop(1);
    bool number = false;
    const double value = text.toDouble(&number);
    if (!number || value < 0 || value > 1e9) return std::nullopt;
    return part ? begin + std::int64_t(double(end - begin) * value / 100) : begin + std::int64_t(value * 1e9);
}

// Empty: the wish is whole; else what is wrong with it.
QString read(const QCommandLineParser& parser, Wish& wish) {
    const auto value = [&](const char* name) { return parser.value(QLatin1String(name)); };
    const auto set = [&](const char* name) { return parser.isSet(QLatin1String(name)); };
    if (!parser.positionalArguments().isEmpty())
        return QStringLiteral("%1: options only; a recording is opened by --open FILE")
            .arg(parser.positionalArguments().front());
    if (int(set("open")) + int(set("node")) + int(set("socket")) > 1)
        return QStringLiteral("--open, --node and --socket exclude each other");
    wish.file = value("open");
    if (set("open") && wish.file.isEmpty()) return QStringLiteral("--open: the name of a file is missing");
    const QString usual = qEnvironmentVariable("WEFT_NODE", QStringLiteral("default"));
    if (!set("open"))
        wish.socket = set("socket") ? value("socket") : weft::gui::SocketSource::pathOf(set("node") ? value("node") : usual);
    wish.at = value("at");
    if (set("at") && !momentOf(wish.at, 0, 0))
        return QStringLiteral("--at %1: seconds (12.5s), a part (60%), begin or end").arg(wish.at);
    wish.flow = value("select");
    wish.filter = value("filter");
    wish.picture = value("screenshot");
    if (set("screenshot") && wish.picture.isEmpty()) return QStringLiteral("--screenshot: the name of a file is missing");
    wish.tellFirstFrame = set("tell-first-frame");
    if (set("size")) {
        const auto size = sizeOf(value("size"));
        if (!size)
            return QStringLiteral("--size %1: width and height from 640x400 to 8192x8192, as 1280x800").arg(value("size"));
        wish.size = *size;
    }
    if (set("theme") && !weft::gui::parseTheme(value("theme"), wish.theme))
        return QStringLiteral("--theme %1: light, dark or system").arg(value("theme"));
    bool number = true;
    if (set("wait")) wish.waitSeconds = value("wait").toDouble(&number);
    if (!number || wish.waitSeconds < 0 || wish.waitSeconds > 3'600)
        return QStringLiteral("--wait %1: seconds").arg(value("wait"));
    return {};
}

// Chooses flow and moment; an empty answer: done.
QString arrange(const Wish& wish, Session& session, MainWindow& window) {
    window.finish();
    if (!wish.at.isEmpty()) session.seek(*momentOf(wish.at, session.beginNs(), session.endNs()));
    window.finish();
    if (!wish.flow.isEmpty() && !window.selectFlow(wish.flow))
        return QStringLiteral("--select %1: no such flow at that moment").arg(wish.flow);
    window.finish();
    return {};
}

// A turn of the event loop now and then, until the source is live, ended or failed, and `ms` are over.
bool waitFor(Session& session, int ms, SourceStatus::Kind kind) {
    QElapsedTimer timer;
    timer.start();
    while (session.status().kind != kind && timer.elapsed() < ms)
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents | QEventLoop::AllEvents, 20);
    return session.status().kind == kind;
}

int takePicture(const Wish& wish, Session& session, MainWindow& window) {
    if (wish.file.isEmpty()) {
        QTimer tick;  // so that waiting ends
        tick.start(20);
        if (!waitFor(session, patienceMs, SourceStatus::Kind::live)) {
            const QString why = session.status().message;
            return complain(notRunning, why.isEmpty()
                                            ? QStringLiteral("%1: no node answers there; is it running?").arg(wish.socket)
                                            : why);
        }
        QElapsedTimer timer;
        timer.start();
        while (timer.elapsed() < std::int64_t(wish.waitSeconds * 1'000))
            QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents, 20);
    }
    QCursor::setPos(32'000, 32'000);  // over nothing that would light up
    window.resize(wish.size);
    window.show();
    QCoreApplication::processEvents();
    if (const QString wrong = arrange(wish, session, window); !wrong.isEmpty()) return complain(failed, wrong);
    QCoreApplication::processEvents();
    if (!window.grab().save(wish.picture, "PNG"))
        return complain(failed, QStringLiteral("%1: cannot be written").arg(wish.picture));
    return 0;
}

// Moment and flow for a window, which waits for nothing: chosen once there is a history, from a node that may tell its flows a little later.
class Chooser {
public:
    Chooser(const Wish& wish, Session& session, MainWindow& window)
        : wish_{wish}, session_{session}, window_{window}, done_{wish.at.isEmpty() && wish.flow.isEmpty()} {}

    void look() {
        if (done_ || session_.history().isEmpty()) return;
        if (!since_.isValid()) {
            since_.start();
            if (!wish_.at.isEmpty()) session_.seek(*momentOf(wish_.at, session_.beginNs(), session_.endNs()));
        }
        window_.flowModel().refresh();
        done_ = wish_.flow.isEmpty() || window_.selectFlow(wish_.flow);
        if (done_ || (wish_.file.isEmpty() && since_.elapsed() < patienceMs)) return;
        done_ = true;
        complain(failed, QStringLiteral("--select %1: no such flow at that moment").arg(wish_.flow));
    }

private:
    const Wish& wish_;
    Session& session_;
    MainWindow& window_;
    QElapsedTimer since_;
    bool done_;
};

int watch(const Wish& wish, Session& session, MainWindow& window) {
    if (wish.tellFirstFrame) {
        QObject::connect(
            &window, &MainWindow::painted, &window,
            [] {
                std::puts("first-frame");
                std::fflush(stdout);
            },
            Qt::SingleShotConnection);
    }
    Chooser chooser{wish, session, window};
    QObject::connect(&session, &Session::rangeChanged, &window, [&chooser] { chooser.look(); });
    window.resize(wish.size);
    window.show();
    chooser.look();
    return QApplication::exec();
}

int run(QApplication& application, const Wish& wish) {
    application.setQuitOnLastWindowClosed(true);
    weft::gui::applyTheme(wish.theme);
    Session session;
    MainWindow window(session);
    if (!wish.filter.isEmpty()) {
        if (const QString wrong = window.filterFlows(wish.filter); !wrong.isEmpty())
            return complain(usage, QStringLiteral("--filter: ") + wrong);
    }
    if (wish.file.isEmpty()) window.openSocket(wish.socket);
    else window.openRecording(wish.file);
    if (session.status().kind == SourceStatus::Kind::failed && !wish.file.isEmpty())
        return complain(failed, session.status().message);
    return wish.picture.isEmpty() ? watch(wish, session, window) : takePicture(wish, session, window);
}

}  // namespace

int main(int argc, char** argv) {
    // A picture needs no display, and looks alike everywhere.
    for (int i = 1; i < argc; ++i) {
        const QByteArray argument(argv[i]);
        if (!argument.startsWith("--screenshot") && argument != "--help" && argument != "-h" && argument != "--version" &&
            argument != "-v")
            continue;
        qputenv("QT_QPA_PLATFORM", "offscreen");
        for (const char* scale : {"QT_SCALE_FACTOR", "QT_SCREEN_SCALE_FACTORS", "QT_FONT_DPI"}) qunsetenv(scale);
    }
    const bool display = !qEnvironmentVariableIsEmpty("DISPLAY") || !qEnvironmentVariableIsEmpty("WAYLAND_DISPLAY") ||
                         !qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM");
    if (!display) return complain(failed, QStringLiteral("there is no display; --screenshot OUT.png needs none"));
    qInstallMessageHandler(hear);
    QLocale::setDefault(QLocale::c());
    QApplication application(argc, argv);
    displayOpened = true;
    QApplication::setApplicationName(QStringLiteral("weft-gui"));
    QApplication::setApplicationVersion(QStringLiteral(WEFT_VERSION));
    QCommandLineParser parser;
    addOptions(parser);
    if (!parser.parse(QApplication::arguments()))
        return complain(usage, parser.errorText() + QStringLiteral("; try --help"));
    if (parser.isSet(QStringLiteral("help"))) parser.showHelp(0);
    if (parser.isSet(QStringLiteral("version"))) parser.showVersion();
    Wish wish;
    if (const QString wrong = read(parser, wish); !wrong.isEmpty()) return complain(usage, wrong);
    return run(application, wish);
}
