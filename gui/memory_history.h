// The records of a live session, kept in memory up to a limit: chunks, each with the state of all flows before its first record, so
// that any moment is one chunk away. The oldest chunk gives way; how many records went is counted.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "gui/history.h"

namespace weft::gui {

class MemoryHistory final : public History {
public:
    static constexpr std::size_t usualLimit = std::size_t{256} << 20;  // bytes
    static constexpr std::size_t usualChunk = 65'536;  // records

    explicit MemoryHistory(std::size_t limitBytes = usualLimit, std::size_t chunkRecords = usualChunk);

    void append(std::span<const trace::Record> records);
    // What follows is told by another node, or by one that knows nothing of what it told before: the state is empty again.
    void restart();

    std::uint64_t forgotten() const { return first_; }  // records that gave way
    std::size_t bytes() const { return bytes_; }

    Position first() const override { return first_; }
    Position end() const override { return end_; }
    std::int64_t beginNs() const override;
    std::int64_t endNs() const override { return latest_; }
    Position after(std::int64_t t) const override;
    Position blockBefore(Position position) const override;
    Position read(Position from, Position to, const Take& take) const override;
    State at(std::int64_t t) const override;
    void move(State& state, std::int64_t t) const override;
    const trace::Replay& newest() const override { return newest_; }
    Stream streamOf(Position position) const override;
    Position endOfStream(Position position) const override;

private:
    static constexpr std::size_t stride = 256;  // records between two entries of Chunk::times

    struct Chunk {
        Position first{0};
        std::int64_t beginNs{0}, endNs{0};  // of its first and its last record
        bool anew{false};  // the state before its first record is empty, whatever came before
        trace::Replay state;  // before its first record
        std::size_t stateBytes{0};
        std::vector<trace::Record> records;
        std::vector<std::int64_t> times;  // of every 256th record
    };

    bool isFull() const;
    void open(std::int64_t t);  // a chunk for the next record
    void forget();
    std::size_t chunkOf(Position position) const;  // the one that holds it, or the last
    void fold(State& state, Position to) const;

    std::size_t limit_, chunkRecords_;
    std::deque<std::unique_ptr<Chunk>> chunks_;
    std::unique_ptr<Chunk> spare_;  // a chunk that gave way, to be filled again
    trace::Replay newest_;
    Position first_{0}, end_{0};
    std::int64_t latest_{0};
    std::size_t bytes_{0};
    bool clockIsNew_{false};  // nothing was heard of the new stream but what is told again, maybe from before
    bool restarted_{true};  // the next record begins a chunk with an empty state
};

}  // namespace weft::gui
