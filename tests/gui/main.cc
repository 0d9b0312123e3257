// The one program of the window's tests: offscreen, with a fixed language and scale, and an application that lives throughout.
#include <gtest/gtest.h>

#include <QApplication>
#include <QLocale>

#include "gui/theme.h"

int main(int argc, char** argv) {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    qputenv("QT_SCALE_FACTOR", "1");
    qunsetenv("QT_FONT_DPI");
    qputenv("LC_ALL", "C.UTF-8");
    QLocale::setDefault(QLocale::c());
    const QApplication application{argc, argv};
    weft::gui::applyTheme(weft::gui::ThemeChoice::light);  // so that the first window is as all others
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
