// A recording's file: opened at once, looked at again and again while it is still being written.
#pragma once

#include <memory>

#include <QTimer>

#include "gui/file_history.h"
#include "gui/source.h"

namespace weft::gui {

class FileSource final : public Source {
    Q_OBJECT
public:
    explicit FileSource(const QString& path, QObject* parent = nullptr);

    void start() override;
    QString title() const override;
    const History* history() const override { return history_.get(); }
    void setInterval(int milliseconds) { timer_.setInterval(milliseconds); }  // between two looks; 200
    void look();  // now

private:
    void tell();

    QString path_;
    QTimer timer_;
    std::unique_ptr<FileHistory> history_;
};

}  // namespace weft::gui
