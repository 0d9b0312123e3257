// Text with the SYN (RFC 7413, sections 4.1.3 and 4.2).
#include "stack/tcp/fast_open.h"

#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {

wire::FastOpen option_of_cookie(std::uint64_t cookie) {
    wire::FastOpen option{8};
    for (std::size_t i = 0; i < 8; ++i) option.cookie[i] = std::byte(cookie >> (8 * i) & 0xff);
    return option;
}

bool says(const wire::FastOpen& option, std::uint64_t cookie) { return option == option_of_cookie(cookie); }

// Active, the SYN: its option, and how much text it may carry. A SYN that is sent again carries neither (section 4.1.3.1).
std::uint32_t Connection::fast_open_text(wire::TcpOptions& options, bool again) {
    if (!in_.flags.fast_open || again) return 0;
    const FastOpenCache::Entry* known = host_.fast_open.find(path().hash);
    options.fast_open = known && !known->silent ? known->option : wire::FastOpen{};  // none: asks for a cookie
    const std::uint32_t room = path().mtu - path().header_size - 20u, size = std::uint32_t(options.size());
    if (options.fast_open->size == 0) return 0;
    const std::uint32_t most = std::min<std::uint32_t>(room, known->mss);
    return most > size ? std::min(queued(), most - size) : 0;
}

// Active, the SYN,ACK: what it says of cookies, and how much of the text it took.
void Connection::hear_fast_open(const Segment& segment, std::uint32_t text_out) {
    if (!in_.flags.fast_open) return;
    in_.flags.fast_open = false;
    FastOpenCache::Entry& entry = host_.fast_open.at(path().hash);
    const wire::TcpOptions& options = *segment.options;
    if (options.fast_open && options.fast_open->size >= 4)
        entry = {path().hash, *options.fast_open, options.mss.value_or(path().default_mss), false};
    else if (entry.path_hash == path().hash && out_.backoff > 0)
        entry.silent = true;  // section 4.1.3.1: something drops them
    const std::uint32_t taken = std::min(segment.ack - out_.snd_una - 1, text_out);
    if (taken > 0) {
        ++host_.statistics.fast_opens;
        ByteQueue& queue = host_.queues[out_.queue];
        queue.drop(taken);
        if (queue.empty()) {
            queue.clear();
            host_.queues.give_back(std::exchange(out_.queue, none));
        }
    }
}

// Passive: a valid cookie came with text. The connection is there at once; it sends the SYN,ACK itself.
void Connection::open_early(const Segment& syn, Instant now) {
    in_.flags.fast_open = true;
    out_.snd_nxt = out_.snd_max = out_.snd_una;
    arrive_text(syn.within(in_.rcv_nxt, in_.rcv_adv), now);
    in_.flags.ack_now = false;
    want_output();
}

// The handshake is through, or the connection is gone.
void Connection::end_early() {
    if (!in_.flags.fast_open || cold_.listener == Handle<Listener>{}) return;
    in_.flags.fast_open = false;
    if (Listener* listener = host_.listeners.find(cold_.listener)) --listener->early_count;
}

}  // namespace weft::tcp
