// The list of keys, which docs/window.md repeats.
#include "gui/help_dialog.h"

#include <QDialogButtonBox>
#include <QGridLayout>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>
#include <array>

#include "gui/theme.h"

namespace weft::gui {
namespace {

constexpr std::array<Shortcut, 25> keys{{
    {"Space", "play or pause; live: stand still"},
    {"←  →", "event before, next event"},
    {"Shift+←  Shift+→", "change of state before, next one"},
    {"[  ]", "half, double speed"},
    {"Home  End", "beginning, end (in a table: its first, last row)"},
    {"Esc", "back to live, or to the end of a recording"},
    {"+  −", "zoom the plots in, out (wheel)"},
    {"PgUp  PgDn", "earlier, later in the plots (Shift+wheel, drag)"},
    {"0", "all of the session in the plots (double click)"},
    {"9", "the last 30 s in the plots"},
    {"↑  ↓", "in a table: row; in the diagram and its history: transition"},
    {"Enter", "in events and diagram: go to that moment"},
    {"P  N", "flow before, next flow"},
    {"S  Shift+S", "in the flows: sort by the next column; the other way round"},
    {"1 … 5", "to flows, plots, diagram, events, timeline"},
    {"Tab", "to the next view"},
    {"Ctrl+F", "filter the flows (Esc: clear, leave)"},
    {"Ctrl+O  Ctrl+N", "open a recording; connect to a node"},
    {"Ctrl+S", "save a picture of the window"},
    {"R  M", "the node records, or ends it; put a mark into what it tells"},
    {"C  Del", "change the flow; abort it, after a question"},
    {"O  L", "what the node may do; damage to its links"},
    {"F", "freeze: nothing moves until it is pressed again"},
    {"T", "light, dark, as the system"},
    {"F1  ?", "this list"},
}};

}  // namespace

std::span<const Shortcut> shortcuts() { return keys; }

HelpDialog::HelpDialog(QWidget* parent) : QDialog(parent) {
    setObjectName(QStringLiteral("help"));
    setWindowTitle(tr("Keys"));
    setAccessibleName(tr("Keys"));
    auto* layout = new QVBoxLayout(this);
    auto* grid = new QGridLayout;
    grid->setHorizontalSpacing(24);
    grid->setVerticalSpacing(5);
    int row = 0;
    QString all;
    for (const Shortcut& shortcut : keys) {
        auto* keys = new QLabel(QString::fromUtf8(shortcut.keys), this);
        keys->setFont(monoFont(12, true));
        auto* what = new QLabel(QString::fromUtf8(shortcut.what), this);
        grid->addWidget(keys, row, 0, Qt::AlignRight);
        grid->addWidget(what, row, 1);
        all += keys->text() + QLatin1String(": ") + what->text() + QLatin1String(". ");
        ++row;
    }
    setAccessibleDescription(all);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    buttons->button(QDialogButtonBox::Close)->setAccessibleName(tr("Close the list of keys"));
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    layout->addLayout(grid);
    layout->addSpacing(8);
    layout->addWidget(buttons);
}

}  // namespace weft::gui
