// How the window looks: the light and the dark palette, Okabe-Ito colours that people who see few colours can tell apart, and the
// bundled fonts. Views ask colours() when they paint, so that a change of theme needs nothing but a repaint.
#pragma once

#include <QColor>
#include <QFont>
#include <QString>
#include <cstdint>

namespace weft::gui {

enum class ThemeChoice : std::uint8_t { system, light, dark };

struct Colours {
    bool dark;
    QColor window, panel, alternate, border, grid;  // from behind to front
    QColor text, dim, faint;  // dim: labels; faint: what is there but not meant now
    QColor selection, selectedText, focus;
    // Okabe and Ito's eight, each in a lightness that has a contrast of at least 3:1 on `panel`.
    QColor blue, sky, green, yellow, orange, vermillion, purple, grey;
};
const Colours& colours();

// A TCP state (its number, RFC 9293's order): its colour, with `fill` for a surface behind text in it.
QColor stateColour(unsigned state);
QColor stateFill(unsigned state);
// The same hue over `panel`, opaque: `part` of it in percent.
QColor mixed(const QColor& colour, const QColor& ground, int part);

// Sizes are pixels at a scale of one.
QFont uiFont(double pixels = 13, bool bold = false);
QFont monoFont(double pixels = 12, bool bold = false);

// Sets style, palette, fonts of the program. Call it once behind the QApplication, and again whenever
// the choice or the system's look changed.
void applyTheme(ThemeChoice choice);
ThemeChoice themeChoice();  // what was asked for last
bool parseTheme(const QString& text, ThemeChoice& choice);

}  // namespace weft::gui
