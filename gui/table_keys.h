// What the tables share: keys that move from row to row (a view of Qt's own would have Home and End move along a row, and hand the
// key on), and the frame that shows where the focus is.
#pragma once

#include <QAbstractItemModel>
#include <QHeaderView>
#include <QPainter>
#include <QTableView>
#include <algorithm>

#include "gui/theme.h"

namespace weft::gui {

// False: the key is none of a table's.
inline bool moveRow(QTableView& table, int key) {
    const int last = table.model()->rowCount() - 1, now = table.currentIndex().row();
    const int page = std::max(1, table.viewport()->height() / std::max(1, table.verticalHeader()->defaultSectionSize()) - 1);
    int row = now;
    switch (key) {
    case Qt::Key_Up: row = now - 1; break;
    case Qt::Key_Down: row = now + 1; break;
    case Qt::Key_PageUp: row = now - page; break;
    case Qt::Key_PageDown: row = now + page; break;
    case Qt::Key_Home: row = 0; break;
    case Qt::Key_End: row = last; break;
    default: return false;
    }
    if (last >= 0) table.setCurrentIndex(table.model()->index(std::clamp(row, 0, last), 0));
    return true;
}

inline void paintFocus(const QTableView& table, QPainter& painter) {
    if (!table.hasFocus()) return;
    painter.setPen(colours().focus);
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(table.viewport()->rect().adjusted(0, 0, -1, -1));
}

}  // namespace weft::gui
