// The line in which flows are filtered, in the grammar of `weft flows`: completes the names of fields, and says what is wrong.
#pragma once

#include <QLineEdit>

class QCompleter;

namespace weft::gui {

class FlowModel;

class FilterLine : public QLineEdit {
    Q_OBJECT
public:
    explicit FilterLine(FlowModel& model, QWidget* parent = nullptr);

    const QString& problem() const { return problem_; }

Q_SIGNALS:
    void problemChanged();
    void left();  // Escape in an empty line, Enter, Down: on to the table

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    void apply();
    void complete();
    void insertName(const QString& name);
    int wordBegin() const;  // of the name in front of the cursor

    FlowModel* model_;
    QCompleter* completer_;
    QString problem_;
};

}  // namespace weft::gui
