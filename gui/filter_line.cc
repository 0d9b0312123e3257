// A filter counts from the letter that makes it whole; until then the last whole one stays.
#include "gui/filter_line.h"

#include <QAbstractItemView>
#include <QCompleter>
#include <QKeyEvent>
#include <QPainter>
#include <QStringList>

#include "gui/flow_model.h"
#include "gui/theme.h"
#include "stack/core/filter.h"

namespace weft::gui {

FilterLine::FilterLine(FlowModel& model, QWidget* parent) : QLineEdit(parent), model_{&model} {
    setObjectName(QStringLiteral("filter"));
    setAccessibleName(tr("Filter of flows"));
    setPlaceholderText(tr("Filter:  tcp.state == ESTABLISHED && cc == cubic && rtt > 20ms        Ctrl+F"));
    setClearButtonEnabled(true);
    setFont(monoFont(12));
    QStringList names;
    for (const trace::Filter::Field& field : trace::Filter::fields())
        names << QString::fromUtf8(field.name.data(), qsizetype(field.name.size()));
    completer_ = new QCompleter(names, this);
    completer_->setWidget(this);
    completer_->setCompletionMode(QCompleter::PopupCompletion);
    completer_->popup()->setAccessibleName(tr("Names of fields"));
    connect(completer_, qOverload<const QString&>(&QCompleter::activated), this, &FilterLine::insertName);
    connect(this, &QLineEdit::textChanged, this, &FilterLine::apply);
    connect(this, &QLineEdit::textEdited, this, &FilterLine::complete);
}

void FilterLine::apply() {
    const QString problem = model_->setFilter(text());
    if (problem == problem_) return;
    problem_ = problem;
    setToolTip(problem_);
    setAccessibleDescription(problem_);
    update();
    Q_EMIT problemChanged();
}

int FilterLine::wordBegin() const {
    int begin = cursorPosition();
    const QString all = text();
    while (begin > 0 &&
           (all[begin - 1].isLetterOrNumber() || all[begin - 1] == QLatin1Char('.') || all[begin - 1] == QLatin1Char('_')))
        --begin;
    return begin;
}

void FilterLine::complete() {
    const QString word = text().mid(wordBegin(), cursorPosition() - wordBegin());
    completer_->setCompletionPrefix(word);
    const bool useful = !word.isEmpty() && completer_->completionCount() > 0 && completer_->currentCompletion() != word;
    if (useful) completer_->complete();
    else completer_->popup()->hide();
}

void FilterLine::insertName(const QString& name) {
    const int begin = wordBegin();
    setSelection(begin, cursorPosition() - begin);
    insert(name);
}

void FilterLine::keyPressEvent(QKeyEvent* event) {
    const int key = event->key();
    const bool enter = key == Qt::Key_Return || key == Qt::Key_Enter;
    if (completer_->popup()->isVisible() && (enter || key == Qt::Key_Escape || key == Qt::Key_Tab)) return event->ignore();
    if (key == Qt::Key_Escape && !text().isEmpty()) return clear();
    if (key == Qt::Key_Escape || key == Qt::Key_Down || enter) {
        Q_EMIT left();
        return;
    }
    QLineEdit::keyPressEvent(event);
}

void FilterLine::paintEvent(QPaintEvent* event) {
    QLineEdit::paintEvent(event);
    if (problem_.isEmpty()) return;
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(colours().vermillion, 2));
    painter.drawRoundedRect(QRectF(rect()).adjusted(1, 1, -1, -1), 3, 3);
}

}  // namespace weft::gui
