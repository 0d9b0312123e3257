// What the window does when a person asks: keys, opening, connecting, theme, help.
#include <QAction>
#include <QApplication>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QInputDialog>
#include <QKeyEvent>
#include <QMenu>
#include <QPixmap>
#include <QShortcut>
#include <QTableView>
#include <QToolButton>

#include "gui/diagram_widget.h"
#include "gui/file_source.h"
#include "gui/filter_line.h"
#include "gui/flow_model.h"
#include "gui/flow_table.h"
#include "gui/help_dialog.h"
#include "gui/log_view.h"
#include "gui/main_window.h"
#include "gui/node_actions.h"
#include "gui/plot_view.h"
#include "gui/plot_widget.h"
#include "gui/plots_pane.h"
#include "gui/session.h"
#include "gui/socket_source.h"
#include "gui/theme.h"
#include "gui/timeline_widget.h"

namespace weft::gui {

void MainWindow::addShortcuts() {
    const auto add = [this](const QKeySequence& keys, auto done) {
        connect(new QShortcut(keys, this), &QShortcut::activated, this, done);
    };
    add(QKeySequence(Qt::CTRL | Qt::Key_F), [this] {
        filter_->setFocus(Qt::ShortcutFocusReason);
        filter_->selectAll();
    });
    add(QKeySequence(Qt::CTRL | Qt::Key_O), [this] { askForRecording(); });
    add(QKeySequence(Qt::CTRL | Qt::Key_N), [this] { askForNode(); });
    add(QKeySequence(Qt::CTRL | Qt::Key_S), [this] { askForPicture(); });
    add(QKeySequence(Qt::CTRL | Qt::Key_Q), [this] { close(); });
    add(QKeySequence(Qt::Key_F1), [this] { showHelp(); });
}

// Keys reach the window when the view that has the focus has no use for them; so a letter typed into the filter stays a letter.
void MainWindow::keyPressEvent(QKeyEvent* event) {
    const bool plain = (event->modifiers() & (Qt::ControlModifier | Qt::AltModifier | Qt::MetaModifier)) == 0;
    const bool shift = (event->modifiers() & Qt::ShiftModifier) != 0;
    if (plain && QApplication::focusWidget() != filter_ &&
        (handleKey(event->key(), shift) || handlePlotKey(event->key()) || handleNodeKey(event->key())))
        return;
    QMainWindow::keyPressEvent(event);
}

bool MainWindow::handleKey(int key, bool shift) {
    switch (key) {
    case Qt::Key_Space: togglePlay(); return true;
    case Qt::Key_Left: shift ? session_->stepState(-1) : session_->stepEvent(-1); return true;
    case Qt::Key_Right: shift ? session_->stepState(1) : session_->stepEvent(1); return true;
    case Qt::Key_BracketLeft: timeline_->faster(-1); return true;
    case Qt::Key_BracketRight: timeline_->faster(1); return true;
    case Qt::Key_Home: session_->seek(session_->beginNs()); return true;
    case Qt::Key_End:
    case Qt::Key_Escape: session_->goLive(); return true;
    case Qt::Key_P: flows_->step(-1); return true;
    case Qt::Key_N: flows_->step(1); return true;
    case Qt::Key_F: freeze_->toggle(); return true;
    case Qt::Key_T: nextTheme(); return true;
    case Qt::Key_Question: showHelp(); return true;
    default: break;
    }
    if (key < Qt::Key_1 || key > Qt::Key_5) return false;
    focusView(key - Qt::Key_0);
    return true;
}

bool MainWindow::handlePlotKey(int key) {
    switch (key) {
    case Qt::Key_Plus:
    case Qt::Key_Equal: view_->zoomAtCursor(0.7); return true;
    case Qt::Key_Minus: view_->zoomAtCursor(1 / 0.7); return true;
    case Qt::Key_PageUp: view_->pan(-0.5); return true;
    case Qt::Key_PageDown: view_->pan(0.5); return true;
    case Qt::Key_0: view_->fit(); return true;
    case Qt::Key_9: view_->recentre(); return true;
    default: return false;
    }
}

bool MainWindow::handleNodeKey(int key) {
    const auto popUp = [](QToolButton* button) { button->showMenu(); };
    switch (key) {
    case Qt::Key_R: actions_->toggleRecording(); return true;
    case Qt::Key_M: actions_->askForMark(); return true;
    case Qt::Key_L: actions_->showLinks(); return true;
    case Qt::Key_Delete: actions_->askToAbort(); return true;
    case Qt::Key_C: popUp(flowMenu_); return true;
    case Qt::Key_O: popUp(nodeMenu_); return true;
    default: return false;
    }
}

void MainWindow::togglePlay() {
    timeline_->togglePlay();
    if (session_->isFrozen() && session_->isPlaying()) notice(tr("The window is frozen: F lets it go on"), false);
}

void MainWindow::focusView(int number) {
    const std::array<QWidget*, 5> views{flows_, plots_->plots()[0], diagram_, log_->table(), timeline_->bar()};
    views[std::size_t(number - 1)]->setFocus(Qt::ShortcutFocusReason);
}

void MainWindow::openRecording(const QString& path) { session_->open(std::make_unique<FileSource>(path)); }

void MainWindow::openSocket(const QString& path) { session_->open(std::make_unique<SocketSource>(path)); }

void MainWindow::askForRecording() {
    const QString path =
        QFileDialog::getOpenFileName(this, tr("Open a recording"), {}, tr("Recordings (*.weft);;All files (*)"));
    if (!path.isEmpty()) openRecording(path);
}

// As it is when it was asked for: the dialog would be in the way, and time goes on meanwhile.
void MainWindow::askForPicture() {
    const QPixmap taken = grab();
    const QString path = QFileDialog::getSaveFileName(this, tr("Save a picture of the window"), QStringLiteral("weft.png"),
                                                      tr("Pictures (*.png)"));
    if (path.isEmpty()) return;
    const bool saved = taken.save(path, "PNG");
    notice(saved ? tr("Saved %1").arg(path) : tr("%1: cannot be written").arg(path), !saved);
}

// The running nodes are those with a socket where nodes put theirs.
void MainWindow::fillNodes() {
    QMenu* menu = connect_->menu();
    menu->clear();
    const QFileInfo place(SocketSource::pathOf(QStringLiteral("default")));
    const QStringList found = place.dir().entryList({QStringLiteral("*.ro.sock")}, QDir::System | QDir::Files, QDir::Name);
    for (const QString& socket : found) {
        const QString name = socket.chopped(qsizetype(sizeof ".ro.sock") - 1);
        connect(menu->addAction(name), &QAction::triggered, this, [this, name] { openSocket(SocketSource::pathOf(name)); });
    }
    if (!found.isEmpty()) menu->addSeparator();
    connect(menu->addAction(tr("Name or socket…")), &QAction::triggered, this, &MainWindow::askForNode);
}

void MainWindow::askForNode() {
    bool yes = false;
    const QString name = QInputDialog::getText(this, tr("Connect to a node"), tr("Its name, or the path of its socket:"),
                                               QLineEdit::Normal, QStringLiteral("default"), &yes);
    if (!yes || name.isEmpty()) return;
    openSocket(name.contains(QLatin1Char('/')) ? name : SocketSource::pathOf(name));
}

QString MainWindow::filterFlows(const QString& filter) {
    filter_->setText(filter);
    return filter_->problem();
}

bool MainWindow::selectFlow(const QString& wanted) {
    bool number = false;
    const std::uint32_t place = wanted.toUInt(&number);
    if (number) {
        const trace::FlowState* flow = session_->state().find(place);
        if (flow != nullptr) session_->select({flow->place, flow->generation});
        if (flow != nullptr) return true;
    }
    for (int row = 0; row < flowModel_->rowCount(); ++row) {
        for (const int column : {int(FlowModel::Local), int(FlowModel::Remote)}) {
            const QString text = flowModel_->data(flowModel_->index(row, column), Qt::DisplayRole).toString();
            if (!text.contains(wanted, Qt::CaseInsensitive)) continue;
            session_->select(flowModel_->keyAt(row));
            return true;
        }
    }
    return false;
}

void MainWindow::showHelp() {
    HelpDialog help(this);
    help.exec();
}

void MainWindow::nextTheme() {
    const ThemeChoice now = themeChoice();
    const ThemeChoice next = now == ThemeChoice::system  ? (colours().dark ? ThemeChoice::light : ThemeChoice::dark)
                             : now == ThemeChoice::light ? ThemeChoice::dark
                                                         : ThemeChoice::system;
    applyTheme(next);
    theme_->setAccessibleDescription(next == ThemeChoice::system ? tr("as the system")
                                     : next == ThemeChoice::dark ? tr("dark")
                                                                 : tr("light"));
    theme_->setToolTip(tr("Light, dark, as the system (T); now: %1").arg(theme_->accessibleDescription()));
}

}  // namespace weft::gui
