// The state diagram of RFC 9293 (section 3.3.2, figure 5 and its notes) as a table: what trace records of states and causes
// are called, and every transition there is. A test walks those that the engine makes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::trace {

// Numbers are tcp::State.
inline constexpr std::array<std::string_view, 11> state_names{"CLOSED",      "LISTEN",     "SYN-SENT",   "SYN-RECEIVED",
                                                              "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                                              "CLOSING",     "LAST-ACK",   "TIME-WAIT"};
constexpr std::string_view state_name(std::uint8_t state) { return state < state_names.size() ? state_names[state] : "?"; }

// Numbers are tcp::Cause: a segment came, a call, a timer, what the network says of the path, a limit was reached.
inline constexpr std::array<std::string_view, 5> cause_names{"segment", "call", "timer", "path", "room"};
constexpr std::string_view cause_name(std::uint8_t cause) { return cause < cause_names.size() ? cause_names[cause] : "?"; }

// `figure`: drawn in figure 5; `note`: its second note adds it; `reset`: its third note, and ABORT (section 3.10.5) and the user
// timeout (section 3.10.8), lead from any state to CLOSED: these are one class, and where the figure has such an edge already it is that.
enum class TransitionKind : std::uint8_t { figure, note, reset };

struct Transition {
    std::uint8_t from, to;
    TransitionKind kind;
    bool made;  // by this engine; else `remark` says why not
    std::string_view section;  // of RFC 9293, that tells what is done
    std::string_view event, action;  // in the figure's words
    std::string_view remark;
};

// The third note also lets a reset that is sent lead to TIME-WAIT; section 3.10.5 says CLOSED, and so it is here.
inline constexpr std::array<Transition, 27> transitions{{
    {0, 1, TransitionKind::figure, true, "3.10.1", "passive OPEN", "create TCB", "of a listener"},
    {0, 2, TransitionKind::figure, true, "3.10.1", "active OPEN", "create TCB, snd SYN", ""},
    {1, 0, TransitionKind::figure, true, "3.10.4", "CLOSE", "delete TCB", "of a listener"},
    {1, 2, TransitionKind::figure, false, "3.10.2", "SEND", "snd SYN",
     "a listener never becomes a connection: it has no SEND"},
    {1, 3, TransitionKind::figure, true, "3.10.7.2", "rcv SYN", "snd SYN,ACK", ""},
    {2, 0, TransitionKind::figure, true, "3.10.4", "CLOSE", "delete TCB", "also: RST, ABORT, user timeout, unreachable"},
    {2, 3, TransitionKind::figure, true, "3.10.7.3", "rcv SYN", "snd SYN,ACK", "simultaneous open (MUST-10)"},
    {2, 4, TransitionKind::figure, true, "3.10.7.3", "rcv SYN,ACK", "snd ACK", ""},
    {3, 1, TransitionKind::figure, true, "3.10.7.4", "rcv RST", "",
     "note 1: after a passive OPEN; also: SYN,ACK was never answered, or others need the room"},
    {3, 4, TransitionKind::figure, true, "3.10.7.4", "rcv ACK of SYN", "", ""},
    {3, 5, TransitionKind::figure, false, "3.10.4", "CLOSE", "snd FIN", "CLOSE waits until the connection is ESTABLISHED"},
    {4, 5, TransitionKind::figure, true, "3.10.4", "CLOSE", "snd FIN", ""},
    {4, 7, TransitionKind::figure, true, "3.10.7.4", "rcv FIN", "snd ACK", ""},
    {5, 6, TransitionKind::figure, true, "3.10.7.4", "rcv ACK of FIN", "", ""},
    {5, 8, TransitionKind::figure, true, "3.10.7.4", "rcv FIN", "snd ACK", ""},
    {5, 10, TransitionKind::note, true, "3.10.7.4", "rcv FIN,ACK of FIN", "snd ACK", "note 2: both in one segment"},
    {6, 10, TransitionKind::figure, true, "3.10.7.4", "rcv FIN", "snd ACK", ""},
    {7, 9, TransitionKind::figure, true, "3.10.4", "CLOSE", "snd FIN", ""},
    {8, 10, TransitionKind::figure, true, "3.10.7.4", "rcv ACK of FIN", "", ""},
    {9, 0, TransitionKind::figure, true, "3.10.7.4", "rcv ACK of FIN", "", "also: RST, ABORT, user timeout"},
    {10, 0, TransitionKind::figure, true, "3.10.8", "timeout = 2 MSL", "delete TCB",
     "also: RST, a new SYN (MAY-2), others need the room"},
    {3, 0, TransitionKind::reset, true, "3.10.7.4", "rcv RST, ABORT or timeout", "delete TCB",
     "after an active OPEN, or the listener went"},
    {4, 0, TransitionKind::reset, true, "3.10.7.4", "rcv RST, ABORT or timeout", "delete TCB", "note 3"},
    {5, 0, TransitionKind::reset, true, "3.10.7.4", "rcv RST, ABORT or timeout", "delete TCB", "note 3"},
    {6, 0, TransitionKind::reset, true, "3.10.7.4", "rcv RST, ABORT or timeout", "delete TCB", "note 3"},
    {7, 0, TransitionKind::reset, true, "3.10.7.4", "rcv RST, ABORT or timeout", "delete TCB", "note 3"},
    {8, 0, TransitionKind::reset, true, "3.10.7.4", "rcv RST, ABORT or timeout", "delete TCB", "note 3"},
}};

// Its place in `transitions`; transitions.size(): there is none such.
constexpr std::size_t transition_of(std::uint8_t from, std::uint8_t to) {
    std::size_t at = 0;
    while (at < transitions.size() && (transitions[at].from != from || transitions[at].to != to)) ++at;
    return at;
}

}  // namespace weft::trace
