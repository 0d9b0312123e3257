// Menus, questions and answers (see node_actions.h). An answer that comes when the window shows another node is not heard.
#include "gui/node_actions.h"

#include <QAction>
#include <QComboBox>
#include <QDialog>
#include <QDialogButtonBox>
#include <QFormLayout>
#include <QInputDialog>
#include <QJsonArray>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QMessageBox>
#include <QPointer>
#include <QPushButton>
#include <algorithm>

#include "gui/flow_model.h"
#include "gui/record_text.h"
#include "gui/session.h"
#include "gui/socket_source.h"
#include "gui/theme.h"
#include "stack/core/trace_names.h"

namespace weft::gui {
namespace {

constexpr int recordingMs = 2'000;  // from one look at whether the node records to the next

QString flowName(FlowKey flow) { return QStringLiteral("%1:%2").arg(flow.place).arg(flow.generation); }

QString flowTitle(const trace::FlowState& flow) {
    return endpointText(flow.local, flow.begin.local_port) + QStringLiteral(" → ") +
           endpointText(flow.remote, flow.begin.remote_port);
}

QMenu* makeMenu(const QString& title, QWidget* parent) {
    auto* menu = new QMenu(title, parent);
    menu->setAccessibleName(title);
    menu->setToolTipsVisible(true);
    return menu;
}

// An entry that only says something.
void say(QMenu* menu, const QString& text) { menu->addAction(text)->setEnabled(false); }

// "loss 1%, delay 20 ms, rate 10.0 Mbit/s"; what is zero is left out.
QString faultText(const QJsonObject& fault) {
    QStringList parts;
    for (const char* share : {"loss", "reorder", "duplicate", "corrupt"}) {
        const QString value = fault[QLatin1String(share)].toString();
        if (!value.isEmpty() && value != QLatin1String("0%")) parts << QLatin1String(share) + QChar(u' ') + value;
    }
    for (const char* time : {"delay", "jitter"}) {
        const qint64 us = fault[QLatin1String(time) + QLatin1String("_us")].toInteger();
        if (us > 0) parts << QLatin1String(time) + QChar(u' ') + durationText(us * 1'000);
    }
    const double rate = fault[QStringLiteral("rate_bit_s")].toDouble();
    if (rate > 0) parts << QStringLiteral("rate ") + rateText(rate);
    return parts.isEmpty() ? QObject::tr("no damage") : parts.join(QStringLiteral(", "));
}

// What link.set takes, a line for each: the node says what there is, and what it means.
class LinkDialog : public QDialog {
public:
    LinkDialog(NodeActions& actions, const QJsonArray& links, const QJsonObject& method, QWidget* parent)
        : QDialog(parent), actions_{&actions}, links_{new QComboBox(this)}, told_{new QLabel(this)} {
        setObjectName(QStringLiteral("links"));
        setWindowTitle(tr("Links"));
        setAccessibleName(tr("Damage to what leaves by a link"));
        auto* form = new QFormLayout(this);
        form->setLabelAlignment(Qt::AlignRight);
        links_->setObjectName(QStringLiteral("link"));
        links_->setAccessibleName(tr("Link"));
        for (const QJsonValue& value : links) addLink(value.toObject());
        form->addRow(tr("Link"), links_);
        for (const QJsonValue& value : method[QStringLiteral("params")].toArray()) addField(form, value.toObject());
        told_->setTextFormat(Qt::PlainText);
        told_->setWordWrap(true);
        told_->setObjectName(QStringLiteral("told"));
        told_->setText(tr("It hits what leaves this node, on purpose. What is left empty stays as it is."));
        form->addRow(told_);
        auto* buttons = new QDialogButtonBox(QDialogButtonBox::Apply | QDialogButtonBox::Close, this);
        QPushButton* none = buttons->addButton(tr("No damage"), QDialogButtonBox::ResetRole);
        none->setObjectName(QStringLiteral("no-damage"));
        none->setAccessibleName(tr("End all damage to this link"));
        buttons->button(QDialogButtonBox::Apply)->setObjectName(QStringLiteral("apply"));
        buttons->button(QDialogButtonBox::Apply)->setAccessibleName(tr("Apply to this link"));
        buttons->button(QDialogButtonBox::Apply)->setDefault(true);
        buttons->button(QDialogButtonBox::Close)->setAccessibleName(tr("Close"));
        connect(buttons->button(QDialogButtonBox::Apply), &QPushButton::clicked, this, [this] { apply(false); });
        connect(none, &QPushButton::clicked, this, [this] { apply(true); });
        connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
        form->addRow(buttons);
        setMinimumWidth(440);
    }

private:
    void addLink(const QJsonObject& link) {
        const int number = link[QStringLiteral("link")].toInt();
        QString text = QStringLiteral("%1  %2").arg(number).arg(link[QStringLiteral("kind")].toString());
        const QString name = link[QStringLiteral("name")].toString();
        if (!name.isEmpty()) text += QChar(u' ') + name;
        QStringList places;
        for (const QJsonValue& place : link[QStringLiteral("listen")].toArray()) places << place.toString();
        if (!places.isEmpty()) text += QChar(u' ') + places.join(QStringLiteral(", "));
        links_->addItem(text, number);
    }

    void addField(QFormLayout* form, const QJsonObject& parameter) {
        const QString name = parameter[QStringLiteral("name")].toString(), doc = parameter[QStringLiteral("doc")].toString();
        if (name == QLatin1String("link") || name.isEmpty()) return;
        auto* line = new QLineEdit(this);
        line->setObjectName(QStringLiteral("link-") + name);
        line->setAccessibleName(name);
        line->setAccessibleDescription(doc);
        line->setToolTip(doc);
        line->setPlaceholderText(doc);
        form->addRow(name, line);
        fields_.push_back({name, line});
    }

    void apply(bool none) {
        QJsonObject params{{QStringLiteral("link"), links_->currentData().toInt()}};
        for (const auto& [name, line] : fields_) {
            const bool time = name == QLatin1String("delay") || name == QLatin1String("jitter");
            if (none) line->clear();
            const QString zero = name == QLatin1String("rate") ? QStringLiteral("unlimited")
                                 : time                        ? QStringLiteral("0ms")
                                                               : QStringLiteral("0%");
            const QString value = none ? zero : line->text().trimmed();
            if (!value.isEmpty()) params[name] = value;
        }
        if (params.size() == 1) return tell(tr("Nothing is asked for: fill in a line"), true);
        tell(tr("asking the node …"), false);
        actions_->change(QStringLiteral("link.set"), params,
                         [self = QPointer<LinkDialog>(this)](const QJsonObject& result, const QString& error) {
                             if (self == nullptr) return;
                             const QString now = faultText(result[QStringLiteral("fault")].toObject());
                             self->tell(error.isEmpty() ? tr("Now: %1").arg(now) : error, !error.isEmpty());
                         });
    }

    void tell(const QString& text, bool bad) {
        told_->setForegroundRole(bad ? QPalette::BrightText : QPalette::WindowText);
        told_->setText(text);
        adjustSize();
    }

    NodeActions* actions_;
    QComboBox* links_;
    QLabel* told_;
    std::vector<std::pair<QString, QLineEdit*>> fields_;
};

}  // namespace

NodeActions::NodeActions(Session& session, QWidget* window)
    : QObject{window}, session_{&session}, window_{window}, flow_{makeMenu(tr("Flow"), window)},
      node_{makeMenu(tr("Node"), window)}, congestion_{makeMenu(tr("Congestion control"), flow_)},
      segments_{makeMenu(tr("Small segments"), flow_)}, swap_{makeMenu(tr("Move all flows"), node_)},
      load_{makeMenu(tr("Load a plugin"), node_)} {
    connect(flow_, &QMenu::aboutToShow, this, [this] {
        fillFlowMenu();
        askForModules();
    });
    connect(node_, &QMenu::aboutToShow, this, [this] {
        fillNodeMenu();
        askForModules();
    });
    connect(session_, &Session::statusChanged, this, &NodeActions::followSource);
    connect(session_, &Session::sourceChanged, this, &NodeActions::followSource);
    again_.setInterval(recordingMs);
    connect(&again_, &QTimer::timeout, this, &NodeActions::askForRecording);
    followSource();
}

NodeActions::~NodeActions() = default;

// ---- the node

void NodeActions::followSource() {
    const auto* source = dynamic_cast<const SocketSource*>(session_->source());
    const bool there = source != nullptr && session_->status().kind == SourceStatus::Kind::live;
    const QString path = there ? source->path() : QString();
    if (path == path_ && there == hasNode()) return;
    path_ = path;
    changing_.reset();
    asking_.reset();
    methods_.clear();
    modules_.clear();
    files_.clear();
    recording_ = false;
    recordingPath_.clear();
    again_.stop();
    if (there) discover();
    Q_EMIT changed();
}

void NodeActions::discover() {
    asking_ = std::make_unique<NodeControl>(path_);
    asking_->call(QStringLiteral("rpc.discover"), {}, [this](const QJsonObject& result, const QString& error) {
        if (!error.isEmpty()) return;  // an old node: nothing is offered
        for (const QJsonValue& value : result[QStringLiteral("methods")].toArray())
            methods_[value[QStringLiteral("name")].toString()] = value.toObject();
        Q_EMIT changed();
        askForModules();
        askForRecording();
        again_.start();
    });
}

bool NodeActions::serves(const QString& method, const QString& parameter) const {
    const auto found = methods_.find(method);
    if (found == methods_.end() || parameter.isEmpty()) return found != methods_.end();
    const QJsonArray params = (*found)[QStringLiteral("params")].toArray();
    return std::ranges::any_of(
        params, [&](const QJsonValue& value) { return value[QStringLiteral("name")].toString() == parameter; });
}

void NodeActions::askForModules() {
    if (!serves(QStringLiteral("plugin.list"))) return;
    asking_->call(QStringLiteral("plugin.list"), {}, [this](const QJsonObject& result, const QString& error) {
        if (!error.isEmpty()) return;
        std::vector<Module> found;
        for (const QJsonValue& value : result[QStringLiteral("modules")].toArray()) {
            const Module one{value[QStringLiteral("name")].toString(), value[QStringLiteral("state")].toString(),
                             value[QStringLiteral("flows")].toInt()};
            if (!one.name.isEmpty() && one.state != QLatin1String("retired")) found.push_back(one);
        }
        QStringList files;
        for (const QJsonValue& value : result[QStringLiteral("available")].toArray()) files << value.toString();
        if ((found == modules_ && files == files_) || swap_->isVisible()) return;
        modules_ = std::move(found);
        files_ = std::move(files);
        fillModules();
    });
}

void NodeActions::askForRecording() {
    if (!serves(QStringLiteral("record.status"))) return;
    asking_->call(QStringLiteral("record.status"), {}, [this](const QJsonObject& result, const QString& error) {
        if (!error.isEmpty()) return;
        const bool now = result[QStringLiteral("recording")].toBool();
        const QString path = now ? result[QStringLiteral("path")].toString() : QString();
        if (now == recording_ && path == recordingPath_) return;
        recording_ = now;
        recordingPath_ = path;
        Q_EMIT changed();
    });
}

void NodeActions::tell(const QString& done, const QString& error) {
    Q_EMIT told(error.isEmpty() ? done : error, !error.isEmpty());
}

bool NodeActions::may(const QString& method) {
    const QString why = !hasNode()        ? tr("This needs a running node: Ctrl+N connects to one")
                        : !serves(method) ? tr("This node does not serve %1").arg(method)
                                          : QString();
    if (!why.isEmpty()) Q_EMIT told(why, true);
    return why.isEmpty();
}

void NodeActions::change(const QString& method, const QJsonObject& params, const NodeControl::Answer& answer) {
    if (!may(method)) return answer({}, tr("the node is not there"));
    if (changing_ == nullptr) changing_ = std::make_unique<NodeControl>(NodeControl::writablePathOf(path_));
    changing_->call(method, params, answer);
}

// ---- the flow

std::optional<FlowKey> NodeActions::changeable() {
    const auto key = session_->selected();
    const trace::FlowState* flow = key ? session_->history().newest().find(key->place, key->generation) : nullptr;
    const QString why = !key                                ? tr("No flow is selected")
                        : !trace::is_connection(key->place) ? tr("A listener is no connection")
                        : flow == nullptr || !flow->lives() ? tr("This flow is over")
                                                            : QString();
    if (why.isEmpty()) return key;
    Q_EMIT told(why, true);
    return std::nullopt;
}

void NodeActions::setFlow(FlowKey flow, const QJsonObject& what, const QString& done) {
    QJsonObject params = what;
    params[QStringLiteral("flow")] = flowName(flow);
    change(QStringLiteral("flow.set"), params,
           [this, done](const QJsonObject&, const QString& error) { tell(done, error); });
}

void NodeActions::abort(FlowKey flow) {
    change(QStringLiteral("flow.abort"), {{QStringLiteral("flow"), flowName(flow)}},
           [this](const QJsonObject&, const QString& error) { tell(tr("The flow was aborted"), error); });
}

void NodeActions::askToAbort() {
    if (!may(QStringLiteral("flow.abort"))) return;
    const auto key = changeable();
    if (!key) return;
    const trace::FlowState* flow = session_->history().newest().find(key->place, key->generation);
    QMessageBox box(QMessageBox::Warning, tr("Abort a flow"),
                    tr("Abort the flow %1?\nIts peer gets a reset; what was not delivered is lost.").arg(flowTitle(*flow)),
                    QMessageBox::NoButton, window_);
    box.setObjectName(QStringLiteral("abort-question"));
    QPushButton* yes = box.addButton(tr("Abort it"), QMessageBox::DestructiveRole);
    QPushButton* no = box.addButton(tr("Leave it"), QMessageBox::RejectRole);
    yes->setObjectName(QStringLiteral("abort"));
    yes->setAccessibleName(yes->text());
    no->setAccessibleName(no->text());
    box.setDefaultButton(no);
    box.setEscapeButton(no);
    box.exec();
    if (box.clickedButton() == yes) abort(*key);
}

void NodeActions::fillFlowMenu() {
    flow_->clear();
    const auto key = session_->selected();
    const trace::FlowState* flow = key ? session_->history().newest().find(key->place, key->generation) : nullptr;
    say(flow_, flow == nullptr ? tr("No flow is selected") : flowTitle(*flow));
    if (!hasNode()) return say(flow_, tr("A recording cannot be changed: connect to a node"));
    const bool lives = flow != nullptr && flow->lives() && trace::is_connection(flow->place);
    flow_->addSeparator();
    fillModules();
    if (serves(QStringLiteral("flow.set"), QStringLiteral("congestion"))) flow_->addMenu(congestion_)->setEnabled(lives);
    if (serves(QStringLiteral("flow.set"), QStringLiteral("nodelay"))) flow_->addMenu(segments_)->setEnabled(lives);
    segments_->clear();
    const auto offer = [&](const QString& text, bool nodelay, const QString& done) {
        connect(segments_->addAction(text), &QAction::triggered, this, [this, nodelay, done] {
            if (const auto chosen = changeable()) setFlow(*chosen, {{QStringLiteral("nodelay"), nodelay}}, done);
        });
    };
    offer(tr("Send at once (nodelay)"), true, tr("Small segments leave at once"));
    offer(tr("Collect (Nagle)"), false, tr("Small segments are collected"));
    if (!serves(QStringLiteral("flow.abort"))) return;
    flow_->addSeparator();
    QAction* abort = flow_->addAction(tr("Abort …\tDel"));
    abort->setEnabled(lives);
    connect(abort, &QAction::triggered, this, &NodeActions::askToAbort);
}

void NodeActions::fillModules() {
    congestion_->clear();
    const auto key = session_->selected();
    const trace::FlowState* flow = key ? session_->history().newest().find(key->place, key->generation) : nullptr;
    const QString now = flow == nullptr ? QString() : QString::fromStdString(std::string(trace::text_of(flow->module)));
    if (modules_.empty()) say(congestion_, tr("Asking the node …"));
    for (const Module& module : modules_) {
        QAction* entry = congestion_->addAction(module.name);
        entry->setCheckable(true);
        entry->setChecked(module.name == now);
        entry->setEnabled(module.state != QLatin1String("quarantined"));
        connect(entry, &QAction::triggered, this, [this, name = module.name] {
            if (const auto chosen = changeable())
                setFlow(*chosen, {{QStringLiteral("congestion"), name}}, tr("The flow goes on under %1").arg(name));
        });
    }
    swap_->clear();
    for (QMenu* old : swap_->findChildren<QMenu*>(QString(), Qt::FindDirectChildrenOnly)) old->deleteLater();
    for (const Module& from : modules_) {
        QMenu* targets = makeMenu(tr("of %1 (%2)").arg(from.name).arg(from.flows), swap_);
        swap_->addMenu(targets);
        for (const Module& to : modules_) {
            if (to.name == from.name || to.state == QLatin1String("quarantined")) continue;
            connect(targets->addAction(tr("to %1").arg(to.name)), &QAction::triggered, this,
                    [this, a = from.name, b = to.name] { swapModules(a, b); });
        }
    }
    load_->clear();
    if (files_.isEmpty()) say(load_, tr("No file is left in the configured directories"));
    for (const QString& file : std::as_const(files_))
        connect(load_->addAction(file), &QAction::triggered, this, [this, file] { loadPlugin(file); });
}

// ---- the node: recordings, links, modules

void NodeActions::fillNodeMenu() {
    node_->clear();
    const NodeInfo* node =
        session_->source() != nullptr && session_->source()->node() ? &*session_->source()->node() : nullptr;
    if (!hasNode()) return say(node_, tr("No node is connected: Ctrl+N connects to one"));
    say(node_, node == nullptr ? path_ : tr("%1, weft %2").arg(node->name, node->version));
    node_->addSeparator();
    const auto offer = [this](const char* method, const QString& text, auto done) {
        if (serves(QLatin1String(method))) connect(node_->addAction(text), &QAction::triggered, this, done);
    };
    offer(recording_ ? "record.stop" : "record.start", recording_ ? tr("Stop recording\tR") : tr("Record\tR"),
          &NodeActions::toggleRecording);
    offer("record.mark", tr("Mark …\tM"), &NodeActions::askForMark);
    node_->addSeparator();
    offer("link.set", tr("Damage to links …\tL"), &NodeActions::showLinks);
    fillModules();
    if (serves(QStringLiteral("plugin.swap"))) node_->addMenu(swap_);
    if (serves(QStringLiteral("plugin.load"))) node_->addMenu(load_);
}

void NodeActions::toggleRecording() {
    if (!may(recording_ ? QStringLiteral("record.stop") : QStringLiteral("record.start"))) return;
    if (recording_) {
        change(QStringLiteral("record.stop"), {}, [this](const QJsonObject& result, const QString& error) {
            const double dropped = result[QStringLiteral("dropped")].toDouble();
            QString done =
                tr("Recorded %1: %2")
                    .arg(result[QStringLiteral("path")].toString(), bytesText(result[QStringLiteral("bytes")].toDouble()));
            if (dropped > 0) done += tr(", %1 records dropped").arg(dropped);
            tell(done, error);
            askForRecording();
        });
        return;
    }
    change(QStringLiteral("record.start"), {}, [this](const QJsonObject& result, const QString& error) {
        tell(tr("Recording to %1").arg(result[QStringLiteral("path")].toString()), error);
        askForRecording();
    });
}

void NodeActions::askForMark() {
    if (!may(QStringLiteral("record.mark"))) return;
    QInputDialog dialog(window_);
    dialog.setObjectName(QStringLiteral("mark-question"));
    dialog.setWindowTitle(tr("Mark"));
    dialog.setLabelText(tr("What to remember of this moment (48 bytes are kept):"));
    dialog.setInputMode(QInputDialog::TextInput);
    if (auto* line = dialog.findChild<QLineEdit*>()) line->setAccessibleName(tr("Text of the mark"));
    if (dialog.exec() == QDialog::Accepted && !dialog.textValue().trimmed().isEmpty()) mark(dialog.textValue().trimmed());
}

void NodeActions::mark(const QString& text) {
    change(QStringLiteral("record.mark"), {{QStringLiteral("text"), text}},
           [this, text](const QJsonObject&, const QString& error) { tell(tr("Marked: %1").arg(text), error); });
}

void NodeActions::swapModules(const QString& from, const QString& to) {
    change(QStringLiteral("plugin.swap"), {{QStringLiteral("from"), from}, {QStringLiteral("to"), to}},
           [this, from, to](const QJsonObject& result, const QString& error) {
               tell(tr("%1 flows went from %2 to %3").arg(result[QStringLiteral("moved")].toInt()).arg(from, to), error);
           });
}

void NodeActions::loadPlugin(const QString& name) {
    change(QStringLiteral("plugin.load"), {{QStringLiteral("name"), name}},
           [this, name](const QJsonObject& result, const QString& error) {
               tell(tr("%1: %2").arg(name, result[QStringLiteral("outcome")].toString()), error);
               askForModules();
           });
}

void NodeActions::showLinks() {
    if (!may(QStringLiteral("link.set")) || !may(QStringLiteral("link.list"))) return;
    asking_->call(QStringLiteral("link.list"), {}, [this](const QJsonObject& result, const QString& error) {
        if (!error.isEmpty()) return tell({}, error);
        const QJsonArray links = result[QStringLiteral("links")].toArray();
        if (links.isEmpty()) return tell({}, tr("The node has no link"));
        auto* dialog = new LinkDialog(*this, links, methods_[QStringLiteral("link.set")], window_);
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        dialog->open();
    });
}

}  // namespace weft::gui
