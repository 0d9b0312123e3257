// From connections to packets, events and the next deadline: what the engine gives out.
#include "stack/engine/state.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/handshake.h"
#include "stack/tcp/time_wait.h"
#include "stack/wire/tcp.h"

namespace weft {
namespace {

void blank(Transmit& frame) {
    frame.link = frame.path = 0;
    frame.network = 0;
    frame.complete = false;
    frame.to = {};
    frame.segment_size = frame.payload_sum = 0;
    frame.payload_summed = frame.sums_elided = frame.accurate_ecn = false;
    frame.ecn = Ecn::not_capable;
    frame.depart = {};
    frame.payload = {};
}

}  // namespace

// Replies first, then what the network layer has to say, then each connection that has something to send, one super-segment
// in turn. A question for a neighbour that arises on the way leaves in the same call.
std::size_t Engine::State::transmit(std::span<Transmit> out, Instant now) {
    lent.clear();
    std::size_t made = transmit_replies(out, now);
    if (!packets.empty()) made += transmit_packets(out.subspan(made));
    while (made < out.size() && !host.output.empty()) {
        const std::uint32_t index = host.output.first;
        Transmit& frame = out[made];
        blank(frame);
        const auto first = std::uint32_t(host.lent.size());
        tcp::Connection connection{host, index};
        const bool sent = connection.emit(frame, now);
        host.output.remove(index, host.output_place());
        if (sent && connection.has_more(now)) host.output.append(index, host.output_place());
        else host.connections[index].receiving.flags.in_output = false;
        if (!sent) continue;
        if (!finish(frame, host.cold[index].dscp, host.cold[index].hop_limit, first, now)) continue;
        lent.push_back({first, std::uint32_t(host.lent.size()) - first});
        ++made;
    }
    if (!packets.empty()) made += transmit_packets(out.subspan(made));
    for (std::size_t i = 0; i < made; ++i) out[i].payload = std::span{host.lent}.subspan(lent[i].first, lent[i].count);
    free_idle_paths();
    return made;
}

std::size_t Engine::State::transmit_replies(std::span<Transmit> out, Instant now) {
    std::size_t made = 0;
    while (made < out.size() && next_reply < host.replies.size()) {
        const tcp::Reply& reply = host.replies[next_reply++];
        out[made] = reply.frame;
        ++host.statistics.segments_out;
        trace_reply(reply, now);
        const auto first = std::uint32_t(host.lent.size());
        const bool leaves = reply.complete || finish(out[made], reply.dscp, reply.hop_limit, first, now);
        if (!reply.complete) host.release_path(reply.frame.path);
        if (!leaves) continue;
        lent.push_back({first, 0});
        ++made;
    }
    if (next_reply == host.replies.size()) {
        host.replies.clear();
        next_reply = 0;
    }
    return made;
}

// A segment that no connection sent, read back from the header that was written for it.
void Engine::State::trace_reply(const tcp::Reply& reply, Instant now) const {
    if (!host.sink.wants(trace::Type::segment_sent)) return;
    const Transmit& frame = reply.frame;
    const auto view = wire::TcpView::parse(Bytes{frame.header}.first(frame.header_length).subspan(frame.transport));
    if (!view) return;
    host.sink.add(
        now, reply.flow, trace::Type::segment_sent,
        trace::Segment{view->seq().raw(), view->ack().raw(), 0, view->window(), 0, view->flags(), 0, 0, reply.generation});
}

// The network header, from the path's own, and Ethernet's in front of it. False: it does not leave now.
bool Engine::State::finish(Transmit& frame, std::uint8_t dscp, std::uint8_t hop_limit, std::uint32_t first_slice,
                           Instant now) {
    net::Path& path = paths[frame.path];
    if (frame.network != path.network) return false;  // the device changed under a reply that waited
    std::copy_n(path.header.begin(), frame.transport, frame.header.begin());
    net::finish_header(path.local.family(), std::span{frame.header}.subspan(frame.network), dscp, frame.ecn, hop_limit,
                       path.next_id);
    path.next_id = std::uint16_t(path.next_id + (frame.segment_size == 0 ? 1 : 64));
    frame.link = path.link;
    return frame.network == 0 || leaves_to_neighbour(frame, path, first_slice, now);
}

std::size_t Engine::State::events(std::span<Event> out) {
    std::size_t made = 0;
    while (made < out.size() && !host.listener_events.empty()) {
        const std::uint32_t index = host.listener_events.first;
        host.listener_events.remove(index, host.listener_place());
        host.listeners[index].in_events = false;
        out[made++] = {Event::Kind::accepted, {}, {}, host.listeners.handle(index)};
    }
    while (made < out.size() && host.next_question < host.questions.size()) {
        const Question question = host.questions[host.next_question++];
        tcp::HalfOpen* half = host.half_open.find(question);
        if (!half) continue;  // the peer gave up meanwhile
        half->in_questions = false;
        out[made] = {Event::Kind::asked, {}, {}, half->listener};
        out[made++].question = question;
    }
    if (host.next_question == host.questions.size()) {
        host.questions.clear();
        host.next_question = 0;
    }
    while (made < out.size() && !host.events.empty()) {
        const std::uint32_t index = host.events.first;
        tcp::Tcb::Receiving& flow = host.connections[index].receiving;
        const auto kind = Event::Kind(std::countr_zero(flow.events));
        flow.events = std::uint16_t(flow.events & (flow.events - 1));
        const tcp::Cold& cold = host.cold[index];
        const Error error = kind == Event::Kind::failed       ? cold.failure
                            : kind == Event::Kind::soft_error ? cold.soft_error
                                                              : Error{};
        out[made++] = {kind, error, host.connections.handle(index), {}};
        if (kind == Event::Kind::closed || kind == Event::Kind::failed) {
            out[made - 1].retransmissions = cold.retransmissions;
            out[made - 1].timeouts = cold.timeouts;
            out[made - 1].limit = Event::Limit(cold.ended_by);
            if (kind == Event::Kind::closed || !cold.keeps_failed) {
                tcp::Connection{host, index}.remove();
                continue;
            }
        }
        if (flow.events == 0) {
            host.events.remove(index, host.event_place());
            flow.flags.in_events = false;
        }
    }
    free_idle_paths();
    return made;
}

// Acknowledgements that left with an answer, and text that was acknowledged, need no timer any more: those of the last turns, whose
// connections are at hand still, leave before their time. Nobody need look at them then, when they are not.
void Engine::State::sift(tcp::Line which, Instant now) {
    using Entry = DelayLine::Entry;
    DelayLine& line = which == tcp::Line::acks ? host.ack_line : host.loss_line;
    line.sift([&](const Entry& entry) { return host.owns(entry) && tcp::Connection{host, entry.id}.waits(which, now); },
              [&](const Entry& entry) {
                  if (host.owns(entry)) tcp::Connection{host, entry.id}.arm_anew(now);
              });
}

void Engine::State::advance_lines(Instant now) {
    using Entry = DelayLine::Entry;
    sift(tcp::Line::acks, now);
    const auto looks = [&](tcp::Line line) {
        return [this, line, now](const Entry& entry) {
            if (host.owns(entry)) tcp::Connection{host, entry.id}.look(line, now);
        };
    };
    host.ack_line.advance(now, looks(tcp::Line::acks), [&](std::uint32_t index) { host.fetch_timers(index, true); });
    host.loss_line.advance(now, looks(tcp::Line::losses), [&](std::uint32_t index) { host.fetch_timers(index, false); });
}

void Engine::State::advance(Instant now) {
    advance_lines(now);
    host.wheel.advance(
        now, [&](std::uint32_t index) { tcp::Connection{host, index}.look(tcp::Line::wheel, now); },
        [&](std::uint32_t index) { host.fetch(index); });
    host.half_open_wheel.advance(now, [&](std::uint32_t index) { tcp::expire_half(host, index, now); });
    tcp::expire_time_waits(host, now);
    advance_neighbours(now);
    raise_mtus(now);
    free_idle_paths();
}

Instant Engine::State::deadline() const {
    Instant earliest =
        std::min({host.wheel.next(), host.half_open_wheel.next(), host.ack_line.next(), host.loss_line.next()});
    if (!host.time_waits.empty()) earliest = std::min(earliest, host.time_wait[host.time_waits.first].expires);
    if (!lowered.empty()) earliest = std::min(earliest, paths[lowered.first].lowered_until);
    return std::min(earliest, neighbours.deadline());
}

}  // namespace weft
