// Segments that belong to no connection.
#include "stack/tcp/host.h"

namespace weft::tcp {

void Host::reply(const Answer& answer) {
    if (replies.size() >= max_replies) return;
    const Path& path = paths[answer.key.path];
    Reply& out = replies.emplace_back();
    out.dscp = answer.dscp;
    out.hop_limit = answer.hop_limit;
    out.flow = answer.flow;
    out.generation = answer.generation;
    out.frame.path = answer.key.path;
    const std::size_t transport = std::size_t{path.room} + path.header_size;
    out.frame.network = path.room;
    out.frame.transport = std::uint16_t(transport);
    out.frame.sums_elided = path.sums_elided;
    const wire::TcpHeader header{answer.key.local_port,
                                 answer.key.remote_port,
                                 answer.seq,
                                 answer.ack,
                                 answer.flags,
                                 answer.window,
                                 0,
                                 0,
                                 answer.options,
                                 look().order};
    const std::size_t written = header.write(std::span{out.frame.header}.subspan(transport));
    out.frame.header_length = std::uint16_t(transport + written);
    hold_path(answer.key.path);  // until transmit() has written the network header
    if (answer.flags & wire::rst) ++statistics.resets_sent;
}

bool Host::may_answer(FlowKey key, const Segment& segment, Instant now) {
    if (segment.sequence_length() != 0) return true;
    const std::int64_t second = now.nanoseconds() / 1'000'000'000;
    if (second != answers_second) answers = {}, answers_second = second;
    std::uint8_t& given = answers[siphash(defence.key(Defence::Use::answers), key.word()) >> 56];
    if (given >= settings.challenges_a_second) return false;
    ++given;
    return true;
}

}  // namespace weft::tcp
