// The window into the log (see log_model.h): it grows backwards and forwards from the cursor, a slice at a time, and follows it.
#include "gui/log_model.h"

#include <algorithm>
#include <limits>

#include <QElapsedTimer>

#include "gui/record_text.h"

namespace weft::gui {
namespace {

constexpr std::int64_t workNs = 3'000'000;
constexpr std::size_t mostBehind = 10'000;  // rows after the cursor; more: it went back far, and the log begins anew
constexpr std::uint32_t usual =
    ~(trace::bit(trace::Type::define) | trace::bit(trace::Type::summary) | trace::bit(trace::Type::history));

}  // namespace

LogModel::LogModel(Session& session, QObject* parent) : QAbstractTableModel{parent}, session_{session}, types_{usual} {
    slice_.setSingleShot(true);
    connect(&slice_, &QTimer::timeout, this, [this] {
        if (work(workNs)) slice_.start(0);
    });
    connect(&session_, &Session::sourceChanged, this, &LogModel::start);
    connect(&session_, &Session::selectionChanged, this, &LogModel::start);
    connect(&session_, &Session::seriesChanged, this, [this] {
        if (flow_ && session_.placeSpan() != span_) start();
    });
    connect(&session_, &Session::cursorChanged, this, &LogModel::follow);
    connect(&session_, &Session::rangeChanged, this, &LogModel::follow);
    start();
}

void LogModel::setTypes(std::uint32_t classes) {
    types_ = classes;
    start();
}

void LogModel::setAllFlows(bool all) {
    all_ = all;
    start();
}

int LogModel::rowCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int(rows_.size()); }
int LogModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int(ColumnCount); }

bool LogModel::isWanted(const trace::Record& record) const {
    if (std::uint32_t(record.type) >= 32 || (types_ & trace::bit(record.type)) == 0) return false;
    if ((record.flags & trace::snapshot_flag) != 0) return false;
    if (!flow_ || record.type == trace::Type::lagged || record.type == trace::Type::mark) return true;
    return Session::isOf(record, *flow_, span_);
}

// Anew: other flows, other types, or another place.
void LogModel::start() {
    flow_ = all_ ? std::nullopt : session_.selected();
    span_ = session_.placeSpan();
    begin(session_.isLive() ? session_.history().end() : session_.history().after(session_.cursorNs()));
}

void LogModel::begin(History::Position cursor) {
    beginResetModel();
    rows_.clear();
    before_ = 0;
    lower_ = upper_ = cursor;
    trimmed_ = false;
    endResetModel();
    if (work(workNs)) slice_.start(0);
    Q_EMIT cursorRowChanged();
}

void LogModel::follow() {
    const History& history = session_.history();
    const History::Position cursor = session_.isLive() ? history.end() : history.after(session_.cursorNs());
    // Far away it is less to begin anew than to read all that lies between; what gave way cannot be read at all.
    const bool near =
        cursor >= lower_ && upper_ >= history.first() && (cursor <= upper_ || history.blockBefore(cursor) <= upper_);
    if (!near) return begin(cursor);
    if (upper_ < cursor) {
        const std::vector<Row> rows = read(history, upper_, cursor, rows_.empty() ? history.beginNs() : rows_.back().tNs);
        if (rows.size() < mostBefore) {
            append(rows);
        } else {
            replace(rows);
        }
    }
    upper_ = std::max(upper_, cursor);
    setBefore();
    if ((trimmed_ && before_ < mostBefore / 2) || rows_.size() - before_ > mostBehind) return begin(cursor);
    trim();
    if (work(workNs)) slice_.start(0);
}

bool LogModel::wantsBefore() const { return !trimmed_ && before_ < mostBefore && lower_ > session_.history().first(); }

bool LogModel::wantsAfter() const { return rows_.size() - before_ < mostAfter && upper_ < session_.history().end(); }

bool LogModel::work(std::int64_t budgetNs) {
    QElapsedTimer timer;
    timer.start();
    do {
        if (wantsBefore()) lookBack();
        if (wantsAfter()) lookOn();
    } while ((wantsBefore() || wantsAfter()) && timer.nsecsElapsed() < budgetNs);
    return wantsBefore() || wantsAfter();
}

void LogModel::finish() {
    while (work(std::numeric_limits<std::int64_t>::max())) {}
}

// The last rows of a stretch, as many as may be shown; it begins at tNs or later.
std::vector<LogModel::Row> LogModel::read(const History& history, History::Position from, History::Position to,
                                          std::int64_t tNs) const {
    std::vector<Row> rows;
    const auto shorten = [&] {
        if (rows.size() > mostBefore) rows.erase(rows.begin(), rows.end() - mostBefore);
    };
    history.read(from, to, [&](std::span<const trace::Record> records) {
        for (const trace::Record& record : records) {
            if (!isWanted(record)) continue;
            tNs = std::max(tNs, record.t_ns);
            rows.push_back({tNs, record});
        }
        if (rows.size() > 2 * mostBefore) shorten();
        return true;
    });
    shorten();
    return rows;
}

void LogModel::lookBack() {
    const History& history = session_.history();
    const History::Position block = history.blockBefore(lower_);
    std::vector<Row> rows = read(history, block, lower_, std::numeric_limits<std::int64_t>::min());
    lower_ = block;
    const std::size_t most = mostBefore - before_;
    if (rows.size() >= most) {
        rows.erase(rows.begin(), rows.end() - std::ptrdiff_t(most));
        trimmed_ = true;
    }
    if (rows.empty()) return;
    const std::int64_t latest = rows_.empty() ? session_.cursorNs() : rows_.front().tNs;
    for (Row& row : rows) row.tNs = std::min(row.tNs, latest);
    beginInsertRows({}, 0, int(rows.size()) - 1);
    rows_.insert(rows_.begin(), rows.begin(), rows.end());
    before_ += rows.size();
    endInsertRows();
    Q_EMIT cursorRowChanged();
}

void LogModel::lookOn() {
    const History& history = session_.history();
    std::vector<Row> rows;
    std::int64_t t = rows_.empty() ? session_.cursorNs() : rows_.back().tNs;
    upper_ = history.read(upper_, history.end(), [&](std::span<const trace::Record> records) {
        for (const trace::Record& record : records) {
            if (!isWanted(record)) continue;
            t = std::max(t, record.t_ns);
            rows.push_back({t, record});
        }
        return false;  // a span at a time
    });
    append(rows);
}

void LogModel::append(const std::vector<Row>& rows) {
    if (rows.empty()) return;
    beginInsertRows({}, int(rows_.size()), int(rows_.size() + rows.size()) - 1);
    rows_.insert(rows_.end(), rows.begin(), rows.end());
    endInsertRows();
}

// So much came that nothing of what was shown is left.
void LogModel::replace(const std::vector<Row>& rows) {
    beginResetModel();
    rows_.assign(rows.begin(), rows.end());
    before_ = 0;
    trimmed_ = true;
    endResetModel();
}

// Rows up to the cursor: those of its moment are among them.
void LogModel::setBefore() {
    const std::int64_t now = session_.cursorNs();
    const std::size_t before = std::size_t(std::ranges::upper_bound(rows_, now, {}, &Row::tNs) - rows_.begin());
    if (before == before_) return;
    before_ = before;
    Q_EMIT cursorRowChanged();
}

void LogModel::trim() {
    constexpr std::size_t slack = 200;  // so that not each new row takes an old one away
    if (before_ <= mostBefore + slack) return;
    const std::size_t surplus = before_ - mostBefore;
    beginRemoveRows({}, 0, int(surplus) - 1);
    rows_.erase(rows_.begin(), rows_.begin() + std::ptrdiff_t(surplus));
    before_ -= surplus;
    trimmed_ = true;
    endRemoveRows();
    Q_EMIT cursorRowChanged();
}

// ---- cells

QVariant LogModel::data(const QModelIndex& index, int role) const {
    if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
    const Row& row = rows_[std::size_t(index.row())];
    switch (role) {
    case TypeRole: return int(row.record.type);
    case TimeRole: return qlonglong(row.tNs);
    case PlaceRole: return row.record.flow;
    case Qt::DisplayRole: break;
    case Qt::ToolTipRole: return recordText(row.record, session_.state());
    default: return {};
    }
    switch (index.column()) {
    case Time: return timeText(row.tNs, session_.beginNs());
    case Flow: return flowText(row.record);
    case Event: return glyph(row.record) + QChar(u' ') + shortName(row.record.type);
    default: return recordText(row.record, session_.state());
    }
}

// By its ends, as the table of flows names it; by its number where they are not known any more.
QString LogModel::flowText(const trace::Record& record) const {
    if (record.flow == trace::no_flow) return {};
    const trace::FlowState* flow = session_.state().find(record.flow);
    if (flow == nullptr) flow = session_.history().newest().find(record.flow);
    if (flow == nullptr || !flow->known) return QStringLiteral("#%1").arg(record.flow & 0x00ff'ffff);
    return QStringLiteral(":%1 ").arg(flow->begin.local_port) + endpointText(flow->remote, flow->begin.remote_port);
}

QVariant LogModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole || section < 0 || section >= ColumnCount) return {};
    static const char* const names[]{"Time s", "Flow", "Event", "What"};
    return tr(names[section]);
}

}  // namespace weft::gui
