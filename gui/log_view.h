// What happened around the cursor, a line an event: of the selected flow or of all. Enter or a double click on a line goes there.
#pragma once

#include <QWidget>

class QCheckBox;
class QTableView;

namespace weft::gui {

class LogModel;
class Session;

class DetailLine;

class LogView : public QWidget {
    Q_OBJECT
public:
    LogView(Session& session, LogModel& model, QWidget* parent = nullptr);

    QTableView* table() const { return table_; }

private:
    void followCursor();
    void showDetail();

    Session* session_;
    LogModel* model_;
    QTableView* table_;
    QCheckBox* all_;
    DetailLine* detail_;
};

}  // namespace weft::gui
