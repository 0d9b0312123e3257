// Records in the order in which they expire: all wait equally long, so a list is the timer.
#include "stack/tcp/time_wait.h"

#include <algorithm>

#include "stack/tcp/window.h"

namespace weft::tcp {

void arrive_time_wait(Host& host, std::uint32_t index, const Segment& segment, Instant now) {
    TimeWait& record = host.time_wait[index];
    if (segment.rst()) {
        if (host.settings.rfc1337) return;
        if (segment.seq == record.rcv_nxt) drop_time_wait(host, index, Cause::segment, now, segment.flags);
        else if (segment.seq - record.rcv_nxt < record.window && host.may_answer(record.key, segment, now))
            answer_time_wait(host, index, now);  // RFC 5961, section 3.2
        return;
    }
    if (segment.fin() && segment.end() == record.rcv_nxt) {  // the FIN again: 2 MSL begin anew
        host.time_waits.remove(index, host.time_wait_place());
        record.expires = now + host.settings.time_wait;
        host.time_waits.append(index, host.time_wait_place());
        return answer_time_wait(host, index, now);
    }
    const bool fits = acceptable(segment.seq, segment.sequence_length(), record.rcv_nxt, record.window);
    const bool wrong = !fits || segment.syn() || before(record.snd_nxt, segment.ack);
    if (wrong && host.may_answer(record.key, segment, now)) answer_time_wait(host, index, now);
}

// RFC 6191, section 2: by timestamps where both have them, else by sequence numbers.
bool reusable(const TimeWait& record, const Segment& segment) {
    if (!segment.syn() || segment.ack_set() || segment.rst() || !segment.options) return false;
    const bool later_number = before(record.rcv_nxt, segment.seq);
    if (!record.timestamps || !segment.options->timestamps) return later_number;
    const std::uint32_t value = segment.options->timestamps->value;
    return std::int32_t(value - record.ts_recent) > 0 || (value == record.ts_recent && later_number);
}

void answer_time_wait(Host& host, std::uint32_t index, Instant now) {
    const TimeWait& record = host.time_wait[index];
    const std::uint32_t window = std::min(record.window >> record.rcv_shift, 65'535u);
    const auto flags = std::uint16_t(wire::ack | flags_of_ace(record.ace));
    Host::Answer answer{record.key, record.snd_nxt, record.rcv_nxt, flags, std::uint16_t(window), {}};
    if (record.timestamps)
        answer.options.timestamps =
            wire::TcpTimestamps{host.defence.timestamp(host.paths[record.key.path].hash, now), record.ts_recent};
    answer.flow = host.name_time_wait(index).place;
    answer.generation = record.generation;
    host.reply(answer);
}

void drop_time_wait(Host& host, std::uint32_t index, Cause cause, Instant now, std::uint16_t segment_flags) {
    const TimeWait record = host.time_wait[index];
    host.tell_state(host.name_time_wait(index), State::time_wait, State::closed, cause, now, segment_flags);
    host.time_waits.remove(index, host.time_wait_place());
    host.demux.erase(record.key.word());
    host.release_path(record.key.path);
    host.time_wait.erase(host.time_wait.handle(index));
}

void expire_time_waits(Host& host, Instant now) {
    while (!host.time_waits.empty() && host.time_wait[host.time_waits.first].expires <= now)
        drop_time_wait(host, host.time_waits.first, Cause::timer, now);
}

}  // namespace weft::tcp
