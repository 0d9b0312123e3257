// A Replay as records that make an empty one equal to it: a Summary of no flow, addresses, what was lost, the flows that ended, oldest
// first, and those that live. Also equality, which says what "equal" means.
#include <algorithm>
#include <bit>

#include "stack/core/replay.h"

namespace weft::trace {

class Replay::Teller {
public:
    Teller(const Replay& state, std::int64_t t_ns, std::vector<Record>& out) : state_{state}, t_ns_{t_ns}, out_{out} {}

    void tell() {
        const std::size_t flows = state_.size();
        out_.reserve(out_.size() + 11 * flows + 2 * state_.addresses_.size() + 96);
        Summary begin{};
        begin.generation = std::uint32_t(state_.living_.size());
        begin.losses = std::uint32_t(state_.addresses_.size());
        add(no_flow, Type::summary, begin);
        // From where the ring of addresses begins, so that it ends up in the same order.
        const std::size_t count = state_.addresses_.size(),
                          first = count == state_.limits_.addresses ? state_.next_address_ : 0;
        for (std::size_t i = 0; i < count; ++i) tell(state_.addresses_[(first + i) % count]);
        tell_lagged();
        for (const FlowState& flow : state_.ended_) tell(flow, true);
        for (std::size_t i = 0; i < state_.living_.size(); ++i)
            tell(state_.living_[i], state_.latest_.find(state_.living_[i].place) != i);
        set_ids_right();
    }

    bool tell_addresses(std::size_t& next, std::size_t most) {
        for (; most > 0 && next < state_.addresses_.size(); --most) tell(state_.addresses_[next++]);
        return next < state_.addresses_.size();
    }
    void tell_ended(std::size_t most) {
        tell_lagged();
        for (std::size_t i = state_.ended_.size() - std::min(most, state_.ended_.size()); i < state_.ended_.size(); ++i)
            tell(state_.ended_[i], true);
        set_ids_right();
    }
    // Of one that its reader knows nothing of.
    void tell_alone(const FlowState& flow) {
        tell(flow, !flow.lives() || state_.find(flow.place) != &flow);
        set_ids_right();
    }
    void set_ids_right() {
        for (const Said& said : said_) {
            const Known* known = state_.known(said.id);
            if (known && known->parts != 0) tell(*known);
            else define(said.id, 0, Family::none, {});
        }
    }

private:
    template <class Body>
    void add(std::uint32_t flow, Type type, const Body& body, std::uint16_t flags = 0) {
        static_assert(sizeof(Body) <= 48 && std::has_unique_object_representations_v<Body>);
        Record& record = out_.emplace_back();
        record = {t_ns_, flow, type, std::uint16_t(flags | snapshot_flag), {}};
        const auto bytes = std::bit_cast<std::array<std::byte, sizeof(Body)>>(body);
        std::copy(bytes.begin(), bytes.end(), record.body.begin());
    }

    template <class Body>
    void add_sample(const FlowState& flow, Type type, const Body& body) {
        const auto bytes = std::bit_cast<std::array<std::byte, sizeof(Body)>>(body);
        if (std::ranges::any_of(bytes, [](std::byte b) { return b != std::byte{0}; })) add(flow.place, type, body);
    }

    void define(std::uint32_t id, std::uint32_t part, Family family, std::span<const std::byte> bytes) {
        Define body{id, part, {}};
        const auto rest = bytes.subspan(std::min<std::size_t>(bytes.size(), part * std::size_t{40}));
        std::copy_n(rest.begin(), std::min<std::size_t>(rest.size(), 40), body.bytes.begin());
        add(no_flow, Type::define, body, std::uint16_t(family));
    }

    void tell(const Known& known) {
        if (known.family == Family::none) return;
        for (std::uint32_t part = 0; part < 2; ++part)
            if (known.parts & 1u << part) define(known.id, part, known.family, known.bytes);
    }

    void tell_lagged() {
        for (std::uint32_t where = 0; where < state_.lagged_.size(); ++where)
            for (std::uint32_t type = 0; type < state_.lagged_[where].size(); ++type)
                if (const std::uint64_t count = state_.lagged_[where][type])
                    add(no_flow, Type::lagged, Lagged{type, where, count});
    }

    // Ids are used again: a flow keeps the addresses that its ids meant when it began.
    void name(std::uint32_t id, const Address& address) {
        if (id == no_id) return;
        const std::uint32_t said = said_at_.find(id);
        const Address* is = said != PlaceTable::none ? &said_[said].address : state_.address(id);
        if (is ? *is == address : address.family() == Family::none) return;
        if (address.family() == Family::none) {
            define(id, 0, Family::none, {});
        } else {
            define(id, 0, address.family(), address.bytes());
            if (address.bytes().size() > 40) define(id, 1, address.family(), address.bytes());
        }
        if (said != PlaceTable::none) {
            said_[said].address = address;
        } else {
            said_at_.insert(id, std::uint32_t(said_.size()));
            said_.push_back({id, address});
        }
    }

    void tell(const FlowState& flow, bool earlier) {
        const std::uint16_t flags = earlier ? earlier_flag : 0;
        const StateChange state{flow.state, flow.state, flow.ended_cause, 0, flow.generation};
        // A begin in TIME-WAIT would be taken for an earlier one of its place.
        const bool state_first = !earlier && flow.begin.role == 3;
        if (state_first) add(flow.place, Type::state, state);
        if (flow.known) {
            name(flow.begin.local_id, flow.local);
            name(flow.begin.remote_id, flow.remote);
            add(flow.place, Type::flow, flow.begin, flags);
        }
        if (!state_first) add(flow.place, Type::state, state, flags);
        if (flow.slot != flow.begin.slot || flow.module != flow.begin.module) {
            Plugin body{};
            body.slot = flow.slot;
            body.event = 3;
            body.generation = flow.generation;
            body.name = flow.module;
            add(flow.place, Type::plugin, body);
        }
        add_sample(flow, Type::congestion, flow.congestion);
        add_sample(flow, Type::rate, flow.rate);
        add_sample(flow, Type::limit, Limit{flow.limit, 0});
        add_sample(flow, Type::counters, flow.counters);
        tell_history(flow);
        add(flow.place, Type::summary,
            Summary{flow.generation, flow.losses, flow.since_ns, flow.ended_ns, flow.counters_ns, flow.rate_in,
                    flow.rate_out});
    }

    void tell_history(const FlowState& flow) {
        History body{};
        constexpr std::size_t room = body.taken.size();
        const auto taken = flow.taken();
        for (std::size_t i = 0; i < taken.size(); i += room) {
            body = {};
            std::copy_n(taken.begin() + std::ptrdiff_t(i), std::min(room, taken.size() - i), body.taken.begin());
            add(flow.place, Type::history, body);
        }
    }

    struct Said {
        std::uint32_t id;
        Address address;
    };
    const Replay& state_;
    std::int64_t t_ns_;
    std::vector<Record>& out_;
    std::vector<Said> said_;
    PlaceTable said_at_;
};

void Replay::snapshot(std::int64_t t_ns, std::vector<Record>& out) const { Teller{*this, t_ns, out}.tell(); }

bool Replay::snapshot_addresses(std::size_t& next, std::size_t most, std::int64_t t_ns, std::vector<Record>& out) const {
    return Teller{*this, t_ns, out}.tell_addresses(next, most);
}

void Replay::snapshot_ended(std::size_t most, std::int64_t t_ns, std::vector<Record>& out) const {
    Teller{*this, t_ns, out}.tell_ended(most);
}

void Replay::snapshot_flow(const FlowState& flow, std::int64_t t_ns, std::vector<Record>& out) const {
    Teller{*this, t_ns, out}.tell_alone(flow);
}

bool operator==(const Replay& a, const Replay& b) {
    const auto addresses = [](const Replay& replay) {
        return std::ranges::count_if(replay.addresses_, [](const auto& known) { return known.parts != 0; });
    };
    const auto told_alike = [&](const Replay::Known& known) {
        const Replay::Known* other = b.known(known.id);
        return known.parts == 0 ||
               (other && other->parts == known.parts && other->family == known.family && other->bytes == known.bytes);
    };
    const auto last_alike = [&](const FlowState& flow) { return a.latest_.find(flow.place) == b.latest_.find(flow.place); };
    return a.now_ns_ == b.now_ns_ && a.living_ == b.living_ && a.ended_ == b.ended_ && a.lagged_ == b.lagged_ &&
           std::ranges::all_of(a.living_, last_alike) && addresses(a) == addresses(b) &&
           std::ranges::all_of(a.addresses_, told_alike);
}

}  // namespace weft::trace
