// A running node: asks its control socket what it is and for its events, reads the recording that follows in bounded slices, and
// comes back when the node was away. The read-only socket is enough.
#pragma once

#include <cstdint>
#include <memory>

#include <QLocalSocket>
#include <QStringList>
#include <QTimer>

#include "gui/source.h"
#include "stack/core/recording.h"

class QJsonObject;

namespace weft::gui {

class SocketSource final : public Source {
    Q_OBJECT
public:
    // What to ask for. Empty classes: all that the node has.
    struct Wish {
        QStringList classes;
        qint64 rateLimit{0};  // records of sampled classes a second; 0: no limit
    };
    explicit SocketSource(const QString& path, QObject* parent = nullptr);
    ~SocketSource() override;

    // NAME.ro.sock in $WEFT_RUNTIME_DIR, $XDG_RUNTIME_DIR/weft or /run/weft, as the node chooses it.
    static QString pathOf(const QString& node);

    void setWish(const Wish& wish) { wish_ = wish; }
    void setBackOff(int leastMs, int mostMs);  // between two attempts; 100 and 2,000, doubled from one to the next
    void start() override;
    QString title() const override;
    const QString& path() const { return path_; }

private:
    enum class Step : std::uint8_t { away, connecting, asked, streaming };

    void connectNow();
    void ask();
    void read();
    bool readAnswer();  // one line; false: there is none yet
    bool readStream();  // one piece; false: nothing is there
    void takeAnswer(const QByteArray& line);
    void takeInfo(const QJsonObject& result);
    void beginStream();
    void fail(QLocalSocket::LocalSocketError error);
    void leave(SourceStatus::Kind kind, const QString& message, int waitMs);
    void lose(const QString& message);

    QString path_;
    Wish wish_;
    QLocalSocket socket_;
    QTimer again_, patience_, more_;
    std::unique_ptr<trace::RecordingStream> stream_;
    int leastMs_{100}, mostMs_{2000}, waitMs_{100};
    Step step_{Step::away};
    qint64 streamedPid_{0};  // of the node whose stream came last; 0: not known
};

}  // namespace weft::gui
