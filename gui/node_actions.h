// What a person may have the shown node do: change or abort a flow, record, mark, damage a link, move flows to another congestion
// module. Offers what the node serves (rpc.discover), asks by its read-only socket, and opens the other one for a change alone.
#pragma once

#include <QJsonObject>
#include <QMap>
#include <QObject>
#include <QStringList>
#include <QTimer>
#include <memory>
#include <optional>

#include "gui/flow_series.h"
#include "gui/node_control.h"

class QMenu;
class QWidget;

namespace weft::gui {

class Session;

class NodeActions final : public QObject {
    Q_OBJECT
public:
    NodeActions(Session& session, QWidget* window);
    ~NodeActions() override;

    QMenu* flowMenu() { return flow_; }  // both are filled when they are about to show
    QMenu* nodeMenu() { return node_; }

    bool hasNode() const { return asking_ != nullptr; }
    bool serves(const QString& method, const QString& parameter = {}) const;
    bool isRecording() const { return recording_; }
    const QString& recordingPath() const { return recordingPath_; }  // empty: not known
    bool hasAskedForChange() const { return changing_ != nullptr; }

    // What follows asks the person first, where that is due.
    void toggleRecording();
    void askForMark();
    void askToAbort();
    void showLinks();
    // And these do not. Whatever comes of it is told.
    void setFlow(FlowKey flow, const QJsonObject& what, const QString& done);
    void abort(FlowKey flow);
    void mark(const QString& text);
    void swapModules(const QString& from, const QString& to);
    void loadPlugin(const QString& name);
    void change(const QString& method, const QJsonObject& params, const NodeControl::Answer& answer);

Q_SIGNALS:
    void told(const QString& text, bool bad);  // what came of a wish, or why nothing did
    void changed();  // what the node serves, whether it records

private:
    struct Module {
        QString name, state;
        int flows{0};
        friend bool operator==(const Module&, const Module&) = default;
    };

    void followSource();
    void discover();
    void askForModules();
    void askForRecording();
    void fillFlowMenu();
    void fillNodeMenu();
    void fillModules();
    bool may(const QString& method);  // false, and says why: it cannot be asked for
    std::optional<FlowKey> changeable();  // the selected flow, if it is a living connection; else says why not
    void tell(const QString& done, const QString& error);

    Session* session_;
    QWidget* window_;
    QMenu* flow_;
    QMenu* node_;
    QMenu* congestion_;
    QMenu* segments_;
    QMenu* swap_;
    QMenu* load_;
    QString path_;  // of the socket that was asked last
    std::unique_ptr<NodeControl> asking_, changing_;
    QMap<QString, QJsonObject> methods_;  // as rpc.discover told them
    std::vector<Module> modules_;
    QStringList files_;  // plugins that may be loaded
    QTimer again_;
    bool recording_{false};
    QString recordingPath_;
};

}  // namespace weft::gui
