// Nodes as a person runs them, for tests of the window beside them: `left`, and whoever else a test makes, in a directory of their own.
#pragma once

#include <gtest/gtest.h>

#include <QFile>
#include <QProcess>
#include <QTemporaryDir>
#include <QTest>
#include <QUdpSocket>

namespace weft::gui {

inline constexpr int generousMs = 30'000;

class RealNode : public testing::Test {
protected:
    struct Made {
        QByteArray name, address, endpoint;
    };

    void SetUp() override {
        ASSERT_TRUE(directory.isValid());
        ASSERT_NO_FATAL_FAILURE(make(left, "left"));
        configure(left);
    }
    void TearDown() override { stop(process); }

    // A key, and a port that is free at the moment.
    void make(Made& node, const char* name) {
        QProcess keys;
        keys.start(QStringLiteral(WEFT_BINARY_DIR "/node/weft"),
                   {QStringLiteral("-q"), QStringLiteral("key"), QStringLiteral("gen"), QStringLiteral("-o"),
                    file(QByteArray(name) + ".key")});
        ASSERT_TRUE(keys.waitForFinished(generousMs));
        ASSERT_EQ(keys.exitCode(), 0) << keys.readAllStandardError().toStdString();
        QUdpSocket port;
        ASSERT_TRUE(port.bind(QHostAddress::LocalHost));
        node = {name, keys.readAllStandardOutput().trimmed(), "127.0.0.1:" + QByteArray::number(port.localPort())};
    }
    void configure(const Made& node, const QByteArray& more = {}) {
        QFile config{file(node.name + ".toml")};
        ASSERT_TRUE(config.open(QIODevice::WriteOnly));
        config.write("[node]\nname = \"" + node.name + "\"\nkey = \"" + file(node.name + ".key").toUtf8() +
                     "\"\n[network]\nname = \"test\"\nwork = 0\n[listen]\nudp = \"" + node.endpoint + "\"\n" +
                     "[record]\ndirectory = \"" + directory.path().toUtf8() + "/recordings\"\n" + more);
    }
    static QByteArray peer(const Made& node) {
        return "[[peer]]\nname = \"" + node.name + "\"\naddress = \"" + node.address + "\"\nendpoints = [\"" +
               node.endpoint + "\"]\n";
    }
    QString file(const QByteArray& name) const { return directory.filePath(QString::fromUtf8(name)); }
    void run(QProcess& program, const char* which, const QStringList& words) {
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("WEFT_RUNTIME_DIR"), file("run"));
        program.setProcessEnvironment(environment);
        program.start(QStringLiteral(WEFT_BINARY_DIR "/node/") + QString::fromLatin1(which), words);
        ASSERT_TRUE(program.waitForStarted(generousMs));
    }
    void start() { start(process, left); }
    void start(QProcess& program, const Made& node) {
        program.setStandardErrorFile(file(node.name + ".log"));
        run(program, "weftd", {QStringLiteral("-f"), file(node.name + ".toml")});
    }
    static void stop(QProcess& program) {
        program.kill();
        program.waitForFinished(generousMs);
    }
    template <class Condition>
    bool comes(const Condition& condition) {
        return QTest::qWaitFor(condition, generousMs);
    }

    QTemporaryDir directory;
    Made left;
    QProcess process;  // of left
};

}  // namespace weft::gui
