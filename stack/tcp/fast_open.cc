// Text with the SYN (RFC 7413, sections 4.1.3 and 4.2).
#include "stack/tcp/fast_open.h"

#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {

namespace {

// Room that is left for options, also for those that a box in the middle adds to a SYN (section 4.1.3: the MSS is the bound).
constexpr std::uint32_t most_options = wire::TcpOptions::max_size;

}  // namespace

wire::FastOpen option_of_cookie(std::uint64_t cookie, bool experimental) {
    wire::FastOpen option{8, experimental};
    for (std::size_t i = 0; i < 8; ++i) option.cookie[i] = std::byte(cookie >> (8 * i) & 0xff);
    return option;
}

bool says(const wire::FastOpen& option, std::uint64_t cookie) {
    return option == option_of_cookie(cookie, option.experimental);
}

FastOpenOffer fast_open_offer(const Host& host, std::uint64_t path_hash, std::uint32_t largest_segment, Instant now) {
    using Tried = FastOpenCache::Entry::Tried;
    if ((host.settings.fast_open & 1) == 0 || host.fast_open.paused(now)) return {};
    const FastOpenCache::Entry* known = host.fast_open.find(path_hash);
    const std::uint32_t mss =
        known && known->mss != 0 ? std::min<std::uint32_t>(known->mss, largest_segment) : largest_segment;
    const std::uint32_t room = mss > most_options ? mss - most_options : 0;
    if ((host.settings.fast_open_bare & 1) != 0) return {{}, room};
    if (known && known->option.size > 0 && !known->silent) return {known->option, room};
    return {wire::FastOpen{0, known && known->tried == Tried::standard}, 0};  // asks for a cookie
}

// Active, the SYN: its option, and how much text it carries. A SYN that is sent again has neither (section 4.1.3.1).
std::uint32_t Connection::fast_open_text(wire::TcpOptions& options, bool again, Instant now) {
    if (!in_.flags.fast_open || again) return 0;
    const FastOpenOffer offer = fast_open_offer(host_, path().hash, largest_segment(), now);
    options.fast_open = offer.option;
    cold_.asked_cookie = offer.option.has_value();
    cold_.asked_experimental = offer.option && offer.option->experimental;
    return std::min(queued(), offer.text);
}

// Active, the SYN,ACK: what it says of cookies, and how much of the text it took.
void Connection::hear_fast_open(const Segment& segment, std::uint32_t text_out) {
    if (!in_.flags.fast_open) return;
    in_.flags.fast_open = false;
    using Tried = FastOpenCache::Entry::Tried;
    FastOpenCache::Entry& entry = host_.fast_open.at(path().hash);
    const wire::TcpOptions& options = *segment.options;
    const std::uint32_t taken = std::min(segment.ack - out_.snd_una - 1, text_out);
    entry.mss = options.mss.value_or(path().default_mss);
    if (cold_.asked_cookie && options.fast_open && options.fast_open->size >= 4) {
        entry.option = *options.fast_open;
        entry.silent = false;
    } else if (out_.backoff > 0) {
        entry.silent = entry.option.size > 0 && text_out > 0 && taken == 0;  // section 4.1.3.1: something drops them
    } else if (cold_.asked_cookie && text_out == 0 && entry.option.size == 0) {
        const Tried tried = cold_.asked_experimental ? Tried::both : Tried::standard;
        entry.tried = std::max(entry.tried, tried);
    }
    if (taken < text_out && host_.look().short_trains) {  // what is left of it goes again as it went
        Extra& kept = extra();
        if (kept.records < kept.record_ends.size()) kept.record_ends[kept.records++] = out_.snd_una + 1 + text_out;
    }
    if (taken > 0) {
        ++host_.statistics.fast_opens;
        host_.fast_open.worked();
        cold_.syn_text = taken == text_out;
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
    begin_module(false, now);
    if (syn.length > 0) arrive_text(syn.within(in_.rcv_nxt, in_.rcv_adv), now);
    cold_.syn_text = syn.length > 0;
    in_.flags.ack_now = false;
    want_output();
}

// The handshake is through, or the connection is gone. Whom the network ended still counts for a while.
void Connection::end_early(Cause cause, Instant now) {
    if (!in_.flags.fast_open || cold_.listener == Handle<Listener>{}) return;
    const bool reset = early() && (cause == Cause::segment || cause == Cause::path);
    in_.flags.fast_open = false;
    Listener* listener = host_.listeners.find(cold_.listener);
    if (!listener) return;
    --listener->early_count;
    if (reset) listener->early_resets.add(now);
}

}  // namespace weft::tcp
