// What the keys do, as a window over the window.
#pragma once

#include <QDialog>
#include <span>

namespace weft::gui {

struct Shortcut {
    const char* keys;
    const char* what;
};
std::span<const Shortcut> shortcuts();

class HelpDialog : public QDialog {
    Q_OBJECT
public:
    explicit HelpDialog(QWidget* parent = nullptr);
};

}  // namespace weft::gui
