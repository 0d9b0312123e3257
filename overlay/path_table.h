// What a node knows of each path through it: its id is bound to exactly two links, and names the labels of both directions
// (docs/wire.md). Records never move; they are found by id, by a neighbour's label, and by the neighbour that asked for them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "overlay/control.h"
#include "overlay/label_table.h"
#include "overlay/switch.h"
#include "stack/core/flat_table.h"
#include "stack/core/index_list.h"

namespace weft::overlay {

// A set-up that waits for its answer.
struct Pending {
    Setup setup;  // as it came; a source's as it was made
    Few<Tag, Setup::first_tries> tried;  // next hops of this node that said NAK
    std::uint8_t tries{0};
    Instant deadline;  // of this node: earlier than the previous hop's
    Label via{0};  // as sent on
    Few<std::byte, Setup::state_limit> state;  // as sent on
    std::uint32_t mtu{0};  // of the module's choice; 0: it knows none
    bool asking{false};  // the routing module does not know yet
    NakReason reason{};  // the most telling NAK so far
    Tag reporter{0}, accused{0};
};

// What an end knows besides.
struct PathEnd {
    Address remote;
    std::uint16_t mtu{0}, cost{0};
    std::uint8_t hops{0};
    Instant since;
    std::vector<Tag> visited;
};

struct PathRecord {
    enum class Role : std::uint8_t { source, transit, destination };
    enum class Stage : std::uint8_t { free, asked, open, refused };

    std::uint64_t id{0};
    Role role{};
    Stage stage{};
    bool fresh{false};  // open for less than 10 s: `answer` is kept for a retransmitted SETUP
    LinkNumber up{0}, down{0};  // towards source and destination; 0: this node is that end, or no next hop yet
    Label back{0}, forward{0};  // ours: `back` was given to `down`, `forward` to `up`
    Label out_back{0}, out_forward{0};  // theirs: `out_back` was given by `up`, `out_forward` by `down`
    std::uint32_t since{0}, seen{0};  // ticks: made; its entries' `expires` when eviction last looked
    Place place;  // in its asker's list of its stage
    std::unique_ptr<Pending> pending;  // asked
    std::unique_ptr<PathEnd> end;  // source and destination
    Body answer;  // refused: the NAK; fresh: the ACK
};

class PathTable {
public:
    explicit PathTable(const HashKey& key) : ids_{key}, outs_{{key.high, key.low}} {}

    PathRecord& operator[](std::uint32_t index) { return records_[index]; }
    const PathRecord& operator[](std::uint32_t index) const { return records_[index]; }
    std::uint32_t size() const { return std::uint32_t(ids_.size()); }
    std::uint32_t made() const { return std::uint32_t(records_.size()); }  // slots, free ones included

    std::optional<std::uint32_t> find(std::uint64_t id) const { return ids_.find(id); }

    std::uint32_t add(std::uint64_t id) {
        std::uint32_t index;
        if (free_.empty()) {
            index = std::uint32_t(records_.size());
            records_.emplace_back();
        } else {
            index = free_.back();
            free_.pop_back();
        }
        records_[index].id = id;
        ids_.insert(id, index);
        return index;
    }
    void remove(std::uint32_t index) {
        ids_.erase(records_[index].id);
        records_[index] = {};
        free_.push_back(index);
    }

    // Whose label does a neighbour mean that says STALE?
    void bind_out(LinkNumber link, Label label, std::uint32_t index) {
        if (label != 0) outs_.insert(word(link, label), index);
    }
    void unbind_out(LinkNumber link, Label label, std::uint32_t index) {
        if (label != 0 && outs_.find(word(link, label)) == index) outs_.erase(word(link, label));
    }
    std::optional<std::uint32_t> find_out(LinkNumber link, Label label) const { return outs_.find(word(link, label)); }

private:
    static std::uint64_t word(LinkNumber link, Label label) { return std::uint64_t{link} << 32 | label; }

    std::deque<PathRecord> records_;
    std::vector<std::uint32_t> free_;
    FlatTable ids_, outs_;
};

}  // namespace weft::overlay
