// The palettes, the fonts, and how the system's wish for light or dark is found out with Qt 6.4: by comparing lightness.
#include "gui/theme.h"

#include <QApplication>
#include <QFontDatabase>
#include <QPainter>
#include <QPalette>
#include <QProxyStyle>
#include <QStringList>
#include <QStyle>
#include <QStyleFactory>
#include <QStyleOption>
#include <QToolTip>
#include <array>

// Of a static library nobody would ask for the fonts; the macro works outside of namespaces alone.
static void loadResources() { Q_INIT_RESOURCE(fonts); }

namespace weft::gui {
namespace {

const Colours darkColours{
    .dark = true,
    .window = QColor(0x14, 0x17, 0x1c),
    .panel = QColor(0x1b, 0x1f, 0x26),
    .alternate = QColor(0x20, 0x25, 0x2d),
    .border = QColor(0x34, 0x3b, 0x46),
    .grid = QColor(0x2a, 0x30, 0x39),
    .text = QColor(0xe8, 0xea, 0xed),
    .dim = QColor(0xa3, 0xab, 0xb8),
    .faint = QColor(0x6b, 0x74, 0x82),
    .selection = QColor(0x26, 0x4f, 0x78),
    .selectedText = QColor(0xff, 0xff, 0xff),
    .focus = QColor(0x56, 0xb4, 0xe9),
    .blue = QColor(0x56, 0xb4, 0xe9),
    .sky = QColor(0x9c, 0xd3, 0xf5),
    .green = QColor(0x00, 0xb3, 0x82),
    .yellow = QColor(0xf0, 0xe4, 0x42),
    .orange = QColor(0xe6, 0x9f, 0x00),
    .vermillion = QColor(0xf0, 0x74, 0x1e),
    .purple = QColor(0xd9, 0x8f, 0xb8),
    .grey = QColor(0x9a, 0xa3, 0xb0),
};

const Colours lightColours{
    .dark = false,
    .window = QColor(0xee, 0xf0, 0xf3),
    .panel = QColor(0xff, 0xff, 0xff),
    .alternate = QColor(0xf5, 0xf6, 0xf8),
    .border = QColor(0xc9, 0xcf, 0xd8),
    .grid = QColor(0xe6, 0xe8, 0xec),
    .text = QColor(0x1a, 0x1d, 0x22),
    .dim = QColor(0x55, 0x5e, 0x6c),
    .faint = QColor(0x8d, 0x96, 0xa3),
    .selection = QColor(0xcd, 0xe3, 0xfb),
    .selectedText = QColor(0x10, 0x13, 0x18),
    .focus = QColor(0x00, 0x72, 0xb2),
    .blue = QColor(0x00, 0x72, 0xb2),
    .sky = QColor(0x2b, 0x8c, 0xc4),
    .green = QColor(0x00, 0x7f, 0x5d),
    .yellow = QColor(0x8a, 0x7d, 0x00),
    .orange = QColor(0xb3, 0x77, 0x00),
    .vermillion = QColor(0xc9, 0x4a, 0x00),
    .purple = QColor(0xa9, 0x4a, 0x83),
    .grey = QColor(0x5f, 0x69, 0x78),
};

// What is in use; there is one look a program, as there is one QPalette.
struct Look {
    const Colours* colours{&darkColours};
    ThemeChoice choice{ThemeChoice::system};
    QString ui, mono;  // families that were found
    bool fonts{false};
};
Look& look() {
    static Look value;
    return value;
}

QString familyOf(const QString& file, const QString& otherwise) {
    const int id = QFontDatabase::addApplicationFont(file);
    const QStringList families = id < 0 ? QStringList() : QFontDatabase::applicationFontFamilies(id);
    return families.isEmpty() ? otherwise : families.front();
}

void loadFonts() {
    if (look().fonts) return;
    look().fonts = true;
    loadResources();
    look().ui = familyOf(QStringLiteral(":/fonts/Inter-Regular.otf"), QStringLiteral("Sans Serif"));
    familyOf(QStringLiteral(":/fonts/Inter-SemiBold.otf"), QString());
    look().mono = familyOf(QStringLiteral(":/fonts/JetBrainsMono-Regular.ttf"), QStringLiteral("Monospace"));
    familyOf(QStringLiteral(":/fonts/JetBrainsMono-Bold.ttf"), QString());
}

// An application's palette hides the system's; taking it away for a moment shows it.
bool systemIsDark() {
    QApplication::setPalette(QPalette());
    const QPalette system = QApplication::palette();
    return system.color(QPalette::Window).lightness() < system.color(QPalette::WindowText).lightness();
}

// Fusion darkens the ground for the outlines of fields: on a dark one nobody sees them. And it draws what is disabled twice, as if it were
// engraved, which nobody can read.
class Outlined : public QProxyStyle {
public:
    Outlined() : QProxyStyle(QStyleFactory::create(QStringLiteral("Fusion"))) {}

    int styleHint(StyleHint hint, const QStyleOption* option, const QWidget* widget, QStyleHintReturn* more) const override {
        return hint == SH_EtchDisabledText ? 0 : QProxyStyle::styleHint(hint, option, widget, more);
    }

    void drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                       const QWidget* widget) const override {
        QProxyStyle::drawPrimitive(element, option, painter, widget);
        const bool box = element == PE_IndicatorCheckBox;
        if (!colours().dark || !(box || element == PE_FrameLineEdit) || (option->state & State_HasFocus) != 0) return;
        painter->save();
        painter->setRenderHint(QPainter::Antialiasing, false);
        painter->setPen(box ? colours().faint : colours().border);
        painter->setBrush(Qt::NoBrush);
        painter->drawRect(option->rect.adjusted(0, 0, -1, -1));
        painter->restore();
    }
};

QPalette paletteOf(const Colours& c) {
    QPalette palette;
    const auto set = [&](QPalette::ColorRole role, const QColor& colour, const QColor& disabled) {
        palette.setColor(QPalette::Active, role, colour);
        palette.setColor(QPalette::Inactive, role, colour);
        palette.setColor(QPalette::Disabled, role, disabled);
    };
    const QColor white(0xff, 0xff, 0xff), black(0, 0, 0);
    set(QPalette::Window, c.window, c.window);
    set(QPalette::WindowText, c.text, c.faint);
    set(QPalette::Base, c.panel, c.window);
    set(QPalette::AlternateBase, c.alternate, c.window);
    set(QPalette::ToolTipBase, c.dark ? QColor(0x2b, 0x31, 0x3b) : white, c.window);
    set(QPalette::ToolTipText, c.text, c.faint);
    set(QPalette::PlaceholderText, c.faint, c.faint);
    set(QPalette::Text, c.text, c.faint);
    set(QPalette::Button, c.dark ? QColor(0x23, 0x28, 0x31) : QColor(0xf7, 0xf8, 0xfa), c.window);
    set(QPalette::ButtonText, c.text, c.faint);
    set(QPalette::BrightText, c.vermillion, c.faint);
    set(QPalette::Highlight, c.selection, c.border);
    set(QPalette::HighlightedText, c.selectedText, c.dim);
    set(QPalette::Link, c.blue, c.faint);
    set(QPalette::LinkVisited, c.purple, c.faint);
    set(QPalette::Light, c.dark ? QColor(0x3d, 0x45, 0x52) : white, c.border);
    set(QPalette::Midlight, c.dark ? QColor(0x2e, 0x35, 0x40) : QColor(0xf2, 0xf3, 0xf5), c.border);
    set(QPalette::Mid, c.border, c.border);
    set(QPalette::Dark, c.dark ? QColor(0x0f, 0x11, 0x15) : QColor(0xb4, 0xbb, 0xc6), c.border);
    set(QPalette::Shadow, c.dark ? black : QColor(0x8d, 0x96, 0xa3), c.border);
    return palette;
}

}  // namespace

const Colours& colours() { return *look().colours; }

QColor mixed(const QColor& colour, const QColor& ground, int part) {
    const auto blend = [part](int a, int b) { return (a * part + b * (100 - part)) / 100; };
    return QColor(blend(colour.red(), ground.red()), blend(colour.green(), ground.green()),
                  blend(colour.blue(), ground.blue()));
}

// Grey: no connection; blue: opening; green: open; orange: this side closed first; vermillion: the other side did, or both.
QColor stateColour(unsigned state) {
    const Colours& c = colours();
    const std::array<QColor, 11> table{c.grey,   c.grey,       c.blue,       c.blue,       c.green, c.orange,
                                       c.orange, c.vermillion, c.vermillion, c.vermillion, c.orange};
    return state < table.size() ? table[state] : c.grey;
}

QColor stateFill(unsigned state) { return mixed(stateColour(state), colours().panel, colours().dark ? 26 : 16); }

QFont uiFont(double pixels, bool bold) {
    loadFonts();
    QFont font(look().ui);
    font.setPixelSize(qMax(1, qRound(pixels)));
    font.setWeight(bold ? QFont::DemiBold : QFont::Normal);
    font.setHintingPreference(QFont::PreferNoHinting);
    return font;
}

QFont monoFont(double pixels, bool bold) {
    loadFonts();
    QFont font(look().mono);
    font.setPixelSize(qMax(1, qRound(pixels)));
    font.setWeight(bold ? QFont::Bold : QFont::Normal);
    font.setHintingPreference(QFont::PreferNoHinting);
    font.setFixedPitch(true);  // without shaping: == stays two signs
    font.setStyleStrategy(QFont::StyleStrategy(QFont::PreferAntialias | QFont::PreferNoShaping));
    return font;
}

void applyTheme(ThemeChoice choice) {
    loadFonts();
    look().choice = choice;
    const bool dark = choice == ThemeChoice::dark || (choice == ThemeChoice::system && systemIsDark());
    look().colours = dark ? &darkColours : &lightColours;
    if (dynamic_cast<const Outlined*>(QApplication::style()) == nullptr) QApplication::setStyle(new Outlined);
    const QPalette palette = paletteOf(*look().colours);
    QApplication::setPalette(palette);
    QToolTip::setPalette(palette);
    QApplication::setFont(uiFont());
    QToolTip::setFont(uiFont(12));
}

ThemeChoice themeChoice() { return look().choice; }

bool parseTheme(const QString& text, ThemeChoice& choice) {
    if (text == QLatin1String("system")) choice = ThemeChoice::system;
    else if (text == QLatin1String("light")) choice = ThemeChoice::light;
    else if (text == QLatin1String("dark")) choice = ThemeChoice::dark;
    else return false;
    return true;
}

}  // namespace weft::gui
