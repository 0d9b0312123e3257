// Signs on a grid of 16 units, at twice the size for dense screens.
#include "gui/icons.h"

#include <QPainter>
#include <QPixmap>
#include <QPolygonF>

#include "gui/theme.h"

namespace weft::gui {
namespace {

void triangle(QPainter& painter, double x, double width) {
    painter.drawPolygon(QPolygonF({QPointF(x, 3), QPointF(x + width, 8), QPointF(x, 13)}));
}

void draw(QPainter& painter, Sign sign) {
    switch (sign) {
    case Sign::toBegin:
        painter.drawRect(QRectF(2.5, 3, 2, 10));
        triangle(painter, 13, -8);
        break;
    case Sign::back:
        triangle(painter, 10, -7);
        painter.drawRect(QRectF(11.5, 3, 2, 10));
        break;
    case Sign::play: triangle(painter, 4, 9); break;
    case Sign::pause:
        painter.drawRect(QRectF(3.5, 3, 3, 10));
        painter.drawRect(QRectF(9.5, 3, 3, 10));
        break;
    case Sign::on:
        painter.drawRect(QRectF(2.5, 3, 2, 10));
        triangle(painter, 6, 7);
        break;
    case Sign::toEnd:
        triangle(painter, 3, 8);
        painter.drawRect(QRectF(11.5, 3, 2, 10));
        break;
    case Sign::live: painter.drawEllipse(QPointF(8, 8), 4, 4); break;
    case Sign::record: painter.drawEllipse(QPointF(8, 8), 4.5, 4.5); break;
    case Sign::stop: painter.drawRect(QRectF(4, 4, 8, 8)); break;
    }
}

QColor signColour(Sign sign) {
    if (sign == Sign::live) return colours().green;
    return sign == Sign::record || sign == Sign::stop ? colours().vermillion : colours().text;
}

QPixmap drawn(Sign sign, const QColor& colour, double ratio) {
    QPixmap pixmap(int(16 * ratio), int(16 * ratio));
    pixmap.setDevicePixelRatio(ratio);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(colour);
    draw(painter, sign);
    return pixmap;
}

}  // namespace

QIcon icon(Sign sign) {
    QIcon made;
    for (const double ratio : {1.0, 2.0}) {
        made.addPixmap(drawn(sign, signColour(sign), ratio), QIcon::Normal);
        made.addPixmap(drawn(sign, colours().faint, ratio), QIcon::Disabled);
    }
    return made;
}

}  // namespace weft::gui
