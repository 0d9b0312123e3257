// What a session does in the background, a slice a frame: it fills the curves of the selected flow and counts events over time.
#include <algorithm>
#include <array>
#include <limits>

#include <QElapsedTimer>

#include "gui/file_history.h"
#include "gui/session.h"
#include "stack/core/recording.h"

namespace weft::gui {
namespace {

constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max();

}  // namespace

bool Session::work(std::int64_t budgetNs) {
    QElapsedTimer timer;
    timer.start();
    const Deadline enough = [&] { return timer.nsecsElapsed() >= budgetNs; };
    // Each has its turn in each slice: whoever waits for a step waits for no curve.
    return search(enough) | scanSeries(enough) | scanDensity(enough);
}

void Session::finish() {
    while (work(far)) {}
}

// ---- curves

void Session::select(FlowKey key) {
    if (selected_ == key) return;
    asked();
    selected_ = key;
    search_.reset();
    beginSeries();
    touch(Dirty::selection | Dirty::series);
}

void Session::clearSelection() {
    if (!selected_) return;
    selected_.reset();
    search_.reset();
    series_.clear();
    touch(Dirty::selection | Dirty::series);
}

void Session::beginSeries() {
    series_.clear();
    const History::Position here = live_ ? history_->end() : state_.next;
    const History::Stream stream = history_->streamOf(here > history_->first() ? here - 1 : here);
    scanned_ = seriesFirst_ = stream.first;
    scannedNs_ = stream.beginNs;
    generation_.reset();
    span_ = {};
    if (const trace::FlowState* there = stream.before.find(selected_->place)) generation_ = there->generation;
    if (const trace::FlowState* flow = stream.before.find(selected_->place, selected_->generation))
        series_.begin(*flow, scannedNs_);
}

bool Session::scanSeries(const Deadline& enough) {
    if (seriesComplete()) return false;
    const History::Position end = history_->endOfStream(seriesFirst_);
    do {
        scanned_ = history_->read(scanned_, end, [&](std::span<const trace::Record> records) {
            takeForSeries(records);
            return !enough();
        });
    } while (scanned_ < end && !enough());
    touch(Dirty::series);
    return scanned_ < end;
}

void Session::takeForSeries(std::span<const trace::Record> records) {
    const FlowKey wanted = *selected_;
    for (const trace::Record& record : records) {
        scannedNs_ = std::max(scannedNs_, record.t_ns);
        if (record.type == trace::Type::mark) series_.add(record, scannedNs_);  // of no flow: of all
        if (record.flow != wanted.place) continue;
        if (record.type == trace::Type::flow) beginInPlace(trace::body_of<trace::FlowBegin>(record), record.t_ns);
        // A change of state says whose it is: one in TIME-WAIT may end when its place has long begun anew.
        const bool names = record.type == trace::Type::state;
        const std::uint32_t whose =
            names ? trace::body_of<trace::StateChange>(record).generation : generation_.value_or(wanted.generation);
        if (whose == wanted.generation) series_.add(record, scannedNs_);
    }
}

void Session::beginInPlace(const trace::FlowBegin& begin, std::int64_t tNs) {
    constexpr std::uint8_t heldInTimeWait = 3;  // never the one that began last
    if (begin.role == heldInTimeWait) return;
    const std::uint32_t wanted = selected_->generation;
    if (begin.generation == wanted && generation_ != wanted) span_.fromNs = tNs;
    if (begin.generation != wanted && generation_ == wanted) span_.toNs = tNs;
    generation_ = begin.generation;
}

bool Session::isOf(const trace::Record& record, FlowKey key, const Span& span) {
    if (record.flow != key.place) return false;
    switch (
        record.type) {  // a change of state says whose it is: one in TIME-WAIT may end when its place has long begun anew
    case trace::Type::state: return trace::body_of<trace::StateChange>(record).generation == key.generation;
    case trace::Type::flow: return trace::body_of<trace::FlowBegin>(record).generation == key.generation;
    default: return record.t_ns >= span.fromNs && record.t_ns < span.toNs;
    }
}

// ---- the timeline

void Session::beginDensity() {
    fine_.clear();
    coarse_.clear();
    counted_ = history_->first();
    countedNs_ = std::numeric_limits<std::int64_t>::min();
    if (const auto* file = dynamic_cast<const FileHistory*>(history_)) spread(file->recording());
}

void Session::spread(const trace::Recording& recording) {
    std::int64_t from = recording.begin_ns();
    for (const trace::IndexEntry& index : recording.indices()) {
        const auto count = [&](trace::Type type) { return double(index.counts[std::size_t(type)]); };
        Density::Column sum{0, count(trace::Type::state), count(trace::Type::loss)};
        for (const std::uint32_t of_type : index.counts) sum.all += double(of_type);
        coarse_.add(from, index.t_ns, sum);
        from = std::max(from, index.t_ns);
    }
}

bool Session::scanDensity(const Deadline& enough) {
    if (counted_ >= history_->end()) return false;
    do {
        counted_ = history_->read(counted_, history_->end(), [&](std::span<const trace::Record> records) {
            for (const trace::Record& record : records) {
                countedNs_ = std::max(countedNs_, record.t_ns);
                fine_.add(countedNs_, record.type);
            }
            return !enough();
        });
    } while (counted_ < history_->end() && !enough());
    touch(Dirty::range);
    return counted_ < history_->end();
}

void Session::density(std::int64_t t0Ns, std::int64_t t1Ns, std::span<Density::Column> out) const {
    std::ranges::fill(out, Density::Column{});
    fine_.columns(t0Ns, t1Ns, std::numeric_limits<std::int64_t>::min(), far, out);
    if (counted_ < history_->end()) coarse_.columns(t0Ns, t1Ns, countedNs_, far, out);
}

}  // namespace weft::gui
