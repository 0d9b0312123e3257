// weft-gui as a program: what it answers to which wish, and with which exit code.
#include <gtest/gtest.h>

#include <QDir>
#include <QFile>
#include <QImage>
#include <QProcess>
#include <QTemporaryDir>

#include "stack/core/recording.h"
#include "tests/gui/scene.h"

namespace weft::gui {
namespace {

struct Answer {
    int code;
    QString out, error;
};

Answer run(const QStringList& arguments, const QList<std::pair<QString, QString>>& set = {}) {
    QProcess program;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    for (const char* name : {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}) environment.remove(QLatin1String(name));
    for (const auto& [name, value] : set) environment.insert(name, value);
    program.setProcessEnvironment(environment);
    program.start(QStringLiteral(WEFT_BINARY_DIR "/gui/weft-gui"), arguments);
    EXPECT_TRUE(program.waitForFinished(60'000));
    const bool well = program.exitStatus() == QProcess::NormalExit;
    return {well ? program.exitCode() : -1, QString::fromUtf8(program.readAllStandardOutput()),
            QString::fromUtf8(program.readAllStandardError())};
}

class Program : public testing::Test {
protected:
    QString path(const char* name) const { return folder_.filePath(QLatin1String(name)); }

    QString recording(std::size_t without = 0) {
        Scene scene = thirtySeconds();
        std::vector<std::byte> bytes;
        trace::RecordingInfo info;
        info.node = "left";
        trace::RecordingWriter writer(info);
        writer.begin(bytes);
        for (const trace::Record& record : scene.records()) writer.add(record, bytes);
        writer.end(bytes);
        QFile file(path("made.weft"));
        EXPECT_TRUE(file.open(QIODevice::WriteOnly));
        file.write(reinterpret_cast<const char*>(bytes.data()), qint64(bytes.size() - without));
        return file.fileName();
    }

    QTemporaryDir folder_;
};

TEST_F(Program, TakesAPictureOfARecordingWithoutADisplay) {
    const Answer answer = run({QStringLiteral("--open"), recording(), QStringLiteral("--at"), QStringLiteral("22.4s"),
                               QStringLiteral("--screenshot"), path("out.png"), QStringLiteral("--size"),
                               QStringLiteral("1280x800"), QStringLiteral("--theme"), QStringLiteral("dark")});
    EXPECT_EQ(answer.code, 0) << answer.error.toStdString();
    EXPECT_EQ(QImage(path("out.png")).size(), QSize(1'280, 800));
}

TEST_F(Program, TakesTheSamePictureWhateverTheDesktopAsksFor) {
    const QStringList wish{QStringLiteral("--open"), recording(), QStringLiteral("--theme"), QStringLiteral("light"),
                           QStringLiteral("--screenshot")};
    ASSERT_EQ(run(wish + QStringList{path("plain.png")}).code, 0);
    const Answer answer =
        run(wish + QStringList{path("desktop.png")}, {{QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("xcb")},
                                                      {QStringLiteral("QT_SCALE_FACTOR"), QStringLiteral("2")},
                                                      {QStringLiteral("QT_FONT_DPI"), QStringLiteral("192")}});
    EXPECT_EQ(answer.code, 0) << answer.error.toStdString();
    EXPECT_EQ(QImage(path("plain.png")).size(), QImage(path("desktop.png")).size());
}

TEST_F(Program, TakesOneOfARecordingThatWasCutOff) {
    const Answer answer = run({QStringLiteral("--open"), recording(5'000), QStringLiteral("--at"), QStringLiteral("60%"),
                               QStringLiteral("--screenshot"), path("out.png")});
    EXPECT_EQ(answer.code, 0) << answer.error.toStdString();
    EXPECT_FALSE(QImage(path("out.png")).isNull());
}

TEST_F(Program, SaysWhatCannotBeShown) {
    const Answer gone =
        run({QStringLiteral("--open"), path("no-such.weft"), QStringLiteral("--screenshot"), path("out.png")});
    EXPECT_EQ(gone.code, 1);
    EXPECT_TRUE(gone.error.contains(QLatin1String("no-such.weft"))) << gone.error.toStdString();
    QFile garbage(path("garbage.weft"));
    ASSERT_TRUE(garbage.open(QIODevice::WriteOnly));
    garbage.write(QByteArray(4'096, 'x'));
    garbage.close();
    const Answer no = run({QStringLiteral("--open"), garbage.fileName(), QStringLiteral("--screenshot"), path("out.png")});
    EXPECT_EQ(no.code, 1);
    EXPECT_FALSE(no.error.isEmpty());
    EXPECT_FALSE(QFile::exists(path("out.png")));
}

TEST_F(Program, SaysThatANodeDoesNotRun) {
    const Answer answer =
        run({QStringLiteral("--socket"), path("none.sock"), QStringLiteral("--screenshot"), path("out.png")});
    EXPECT_EQ(answer.code, 3);
    EXPECT_FALSE(answer.error.isEmpty());
}

TEST_F(Program, RefusesWhatItDoesNotUnderstand) {
    const QStringList wrong[] = {
        {QStringLiteral("--nonsense")},
        {QStringLiteral("file.weft")},
        {QStringLiteral("--open"), QStringLiteral("a"), QStringLiteral("--node"), QStringLiteral("b")},
        {QStringLiteral("--at"), QStringLiteral("soon"), QStringLiteral("--screenshot"), QStringLiteral("x.png")},
        {QStringLiteral("--size"), QStringLiteral("big"), QStringLiteral("--screenshot"), QStringLiteral("x.png")},
        {QStringLiteral("--theme"), QStringLiteral("pink"), QStringLiteral("--screenshot"), QStringLiteral("x.png")}};
    for (const QStringList& arguments : wrong) {
        const Answer answer = run(arguments + QStringList{QStringLiteral("--screenshot"), path("out.png")});
        EXPECT_EQ(answer.code, 2) << arguments.join(QLatin1Char(' ')).toStdString() << ": " << answer.error.toStdString();
        EXPECT_TRUE(answer.error.startsWith(QLatin1String("weft-gui: "))) << answer.error.toStdString();
    }
}

TEST_F(Program, AsksForADisplayOnlyWhenItNeedsOne) {
    const Answer window = run({QStringLiteral("--open"), recording()});
    EXPECT_EQ(window.code, 1);
    EXPECT_TRUE(window.error.contains(QLatin1String("--screenshot"))) << window.error.toStdString();
    EXPECT_EQ(run({QStringLiteral("--help")}).code, 0);
}

TEST_F(Program, SaysThatADisplayCannotBeOpened) {
    for (const char* display : {":4711", "127.0.0.1:4711", "nonsense"}) {
        const Answer answer =
            run({QStringLiteral("--open"), recording()}, {{QStringLiteral("DISPLAY"), QLatin1String(display)}});
        EXPECT_EQ(answer.code, 1) << answer.error.toStdString();
        EXPECT_TRUE(answer.error.contains(QLatin1String(display)) && answer.error.contains(QLatin1String("--screenshot")))
            << answer.error.toStdString();
    }
}

}  // namespace
}  // namespace weft::gui
