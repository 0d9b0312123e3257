// The table of flows (see flow_model.h): which rows there are, in what order, and what stands in them.
#include "gui/flow_model.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_set>

#include "gui/record_text.h"
#include "stack/core/address_text.h"
#include "stack/core/trace_names.h"

namespace weft::gui {
namespace {

constexpr std::size_t manyRows = 2'000;  // from here on the order is looked at a few times a second, not each frame
constexpr int manyRowsMs = 150;
constexpr std::size_t mostRanges = 32;  // of rows that go at once; more: the table begins anew

QString qt(std::string_view text) { return QString::fromUtf8(text.data(), qsizetype(text.size())); }

// Address and port as bytes that compare as they do.
std::string sortText(const Address& address, std::uint16_t port) {
    std::string text(1, char(address.family()));
    for (const std::byte byte : address.bytes()) text += char(byte);
    text += char(port >> 8);
    text += char(port & 0xff);
    return text;
}

double bitsPerSecond(const trace::FlowState& flow) { return 8.0 * double(std::max(flow.rate_in, flow.rate_out)); }

QString familyText(std::uint8_t family) {
    switch (Family(family)) {
    case Family::ipv4: return QStringLiteral("IPv4");
    case Family::ipv6: return QStringLiteral("IPv6");
    case Family::overlay: return QStringLiteral("overlay");
    default: return QStringLiteral("any");
    }
}

bool isNumber(int column) { return column >= FlowModel::Cwnd; }

struct KeyHash {
    std::size_t operator()(const FlowKey& key) const {
        return std::hash<std::uint64_t>{}((std::uint64_t{key.generation} << 32 | key.place) * 0x9e37'79b9'7f4a'7c15u);
    }
};

}  // namespace

FlowModel::FlowModel(Session& session, QObject* parent) : QAbstractTableModel{parent}, session_{session} {
    later_.setSingleShot(true);
    connect(&later_, &QTimer::timeout, this, &FlowModel::refresh);
    connect(&session_, &Session::stateChanged, this, [this] {
        if (session_.state().size() <= manyRows || total_ == 0) return refresh();  // the first look waits for nothing
        if (!later_.isActive()) later_.start(manyRowsMs);
        if (!rows_.empty()) Q_EMIT dataChanged(index(0, 0), index(int(rows_.size()) - 1, ColumnCount - 1));
    });
    refresh();
}

QString FlowModel::setFilter(const QString& filter) {
    auto parsed = trace::Filter::parse(filter.toStdString());
    if (!parsed) return QString::fromStdString(trace::to_string(parsed.error()));
    filterText_ = filter;
    filter_ = std::move(*parsed);
    refresh();
    return {};
}

int FlowModel::rowOf(FlowKey key) const {
    const auto found = std::ranges::find(rows_, key, &Row::key);
    return found == rows_.end() ? -1 : int(found - rows_.begin());
}

int FlowModel::rowCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int(rows_.size()); }
int FlowModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int(ColumnCount); }

void FlowModel::sort(int column, Qt::SortOrder order) {
    sortColumn_ = column;
    sortOrder_ = order;
    refresh();
}

// ---- rows

void FlowModel::fill(Row& row, const trace::FlowState& flow) const {
    switch (sortColumn_) {
    case State: row.number = flow.lives() ? flow.state : 100; break;
    case Local: row.text = sortText(flow.local, flow.begin.local_port); break;
    case Remote: row.text = sortText(flow.remote, flow.begin.remote_port); break;
    case Path: row.number = flow.begin.family; break;
    case Module: row.text = trace::text_of(flow.module); break;
    case Cwnd: row.number = flow.congestion.cwnd; break;
    case Srtt: row.number = double(flow.congestion.srtt_ns); break;
    case Throughput: row.number = bitsPerSecond(flow); break;
    case Retransmissions: row.number = flow.counters.retransmissions; break;
    default: row.number = flow.lives() ? 0 : 1; break;  // who lives comes first
    }
}

std::vector<FlowModel::Row> FlowModel::wanted() const {
    const trace::Replay& state = session_.state();
    std::vector<Row> rows;
    rows.reserve(state.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
        const trace::FlowState& flow = state.at(i);
        if (filter_ && !filter_->matches(state, flow)) continue;
        Row& row = rows.emplace_back();
        row.key = {flow.place, flow.generation};
        row.openedNs = flow.begin.opened_ns;
        fill(row, flow);
    }
    const bool falling = sortColumn_ >= 0 && sortOrder_ == Qt::DescendingOrder;
    std::ranges::sort(rows, [falling](const Row& a, const Row& b) {
        const auto order = [](const Row& row) { return std::tie(row.number, row.text); };
        if (order(a) != order(b)) return falling ? order(b) < order(a) : order(a) < order(b);
        return std::tie(a.openedNs, a.key) < std::tie(b.openedNs, b.key);
    });
    return rows;
}

void FlowModel::refresh() {
    later_.stop();
    total_ = session_.state().size();
    std::vector<Row> rows = wanted();
    if (std::ranges::equal(rows, rows_, {}, &Row::key, &Row::key)) {
        rows_ = std::move(rows);
        if (!rows_.empty()) Q_EMIT dataChanged(index(0, 0), index(int(rows_.size()) - 1, ColumnCount - 1));
        return;
    }
    if (keepOnly(rows) && addMissing(rows)) return reorder(std::move(rows));
    beginResetModel();
    rows_ = std::move(rows);
    endResetModel();
}

// Rows that are no longer wanted go, by ranges. False, and nothing was done: there are too many of them.
bool FlowModel::keepOnly(const std::vector<Row>& rows) {
    std::unordered_set<FlowKey, KeyHash> stay;
    stay.reserve(rows.size());
    for (const Row& row : rows) stay.insert(row.key);
    std::vector<std::pair<int, int>> ranges;  // first and last
    for (int i = 0; i < int(rows_.size()); ++i) {
        if (stay.contains(keyAt(i))) continue;
        if (ranges.empty() || ranges.back().second != i - 1) ranges.emplace_back(i, i);
        ranges.back().second = i;
        if (ranges.size() > mostRanges) return false;
    }
    for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
        beginRemoveRows({}, range->first, range->second);
        rows_.erase(rows_.begin() + range->first, rows_.begin() + range->second + 1);
        endRemoveRows();
    }
    return true;
}

// New rows come at the end. False: a flow is there twice, which no node says, but a file may.
bool FlowModel::addMissing(const std::vector<Row>& rows) {
    if (rows.size() == rows_.size()) return true;
    std::unordered_set<FlowKey, KeyHash> there;
    there.reserve(rows_.size());
    for (const Row& row : rows_) there.insert(row.key);
    std::vector<Row> missing;
    for (const Row& row : rows) {
        if (!there.contains(row.key)) missing.push_back(row);
    }
    if (rows_.size() + missing.size() != rows.size()) return false;
    beginInsertRows({}, int(rows_.size()), int(rows.size()) - 1);
    rows_.insert(rows_.end(), missing.begin(), missing.end());
    endInsertRows();
    return true;
}

// The same rows in another order: whoever holds one keeps it.
void FlowModel::reorder(std::vector<Row> rows) {
    const bool moved = !std::ranges::equal(rows, rows_, {}, &Row::key, &Row::key);
    if (moved) Q_EMIT layoutAboutToBeChanged({}, QAbstractItemModel::VerticalSortHint);
    rows_.swap(rows);
    if (moved) {
        const QModelIndexList held = persistentIndexList();
        QModelIndexList now;
        for (const QModelIndex& old : held) {
            const int row = rowOf(rows[std::size_t(old.row())].key);
            now.push_back(row < 0 ? QModelIndex{} : index(row, old.column()));
        }
        changePersistentIndexList(held, now);
        Q_EMIT layoutChanged({}, QAbstractItemModel::VerticalSortHint);
    }
    if (!rows_.empty()) Q_EMIT dataChanged(index(0, 0), index(int(rows_.size()) - 1, ColumnCount - 1));
}

// ---- cells

QString FlowModel::text(const trace::FlowState& flow, int column) const {
    const auto orDash = [](bool known, const QString& text) { return known ? text : QStringLiteral("–"); };
    switch (column) {
    case State: return stateName(flow.state);
    case Local: return endpointText(flow.local, flow.begin.local_port);
    case Remote: return endpointText(flow.remote, flow.begin.remote_port);
    case Path: return familyText(flow.begin.family);
    case Module: return orDash(flow.module[0] != '\0', qt(trace::text_of(flow.module)));
    case Cwnd: return orDash(flow.congestion.cwnd != 0, QString::number(flow.congestion.cwnd / 1e3, 'f', 1));
    case Srtt: return orDash(flow.congestion.srtt_ns > 0, QString::number(double(flow.congestion.srtt_ns) / 1e6, 'f', 1));
    case Throughput: return QString::number(bitsPerSecond(flow) / 1e6, 'f', 1);
    case Retransmissions: return QString::number(flow.counters.retransmissions);
    default: return {};
    }
}

QVariant FlowModel::data(const QModelIndex& index, int role) const {
    if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
    const Row& row = rows_[std::size_t(index.row())];
    if (role == PlaceRole) return row.key.place;
    if (role == GenerationRole) return row.key.generation;
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue(
            Qt::Alignment{Qt::AlignVCenter | (isNumber(index.column()) ? Qt::AlignRight : Qt::AlignLeft)});
    const trace::FlowState* flow = session_.find(row.key);
    if (flow == nullptr)
        return role == StateRole ? QVariant{-1} : role == Qt::DisplayRole ? QVariant{QStringLiteral("–")} : QVariant{};
    switch (role) {
    case Qt::DisplayRole: return text(*flow, index.column());
    case StateRole: return int(flow->state);
    case EndedRole: return !flow->lives();
    case SortRole: {
        Row key;
        fill(key, *flow);
        return key.text.empty() ? QVariant{key.number} : QVariant{QString::fromStdString(key.text)};
    }
    case Qt::ToolTipRole:
        if (index.column() == Local || index.column() == Remote)
            return QString::fromStdString(to_string(index.column() == Local ? flow->local : flow->remote));
        if (index.column() == State && !flow->lives())
            return tr("ended in %1").arg(qt(trace::state_name(flow->state))) + QStringLiteral(" (") +
                   qt(trace::cause_name(flow->ended_cause)) + QChar(u')');
        return {};
    default: return {};
    }
}

QVariant FlowModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount) return {};
    static const char* const names[]{"State", "Local", "Remote", "Family", "CC", "cwnd kB", "srtt ms", "Mbit/s", "Rtx"};
    static const char* const docs[]{"RFC 9293's state",         "local address and port",
                                    "remote address and port",  "of the addresses: IPv4, IPv6, or the overlay's",
                                    "congestion control",       "congestion window",
                                    "smoothed round-trip time", "text a second, of the busier direction",
                                    "retransmissions"};
    if (role == Qt::DisplayRole) return tr(names[section]);
    if (role == Qt::ToolTipRole) return tr(docs[section]);
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue(Qt::Alignment{Qt::AlignVCenter | (isNumber(section) ? Qt::AlignRight : Qt::AlignLeft)});
    return {};
}

}  // namespace weft::gui
