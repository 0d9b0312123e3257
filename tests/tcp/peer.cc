// How the peer builds its segments, reads the engine's, and what it holds every one of them to.
#include "tests/tcp/peer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "stack/wire/cut.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"

namespace weft::test {

namespace {

Address address(Family family, std::uint8_t last) {
    std::array<std::byte, 64> bytes{};
    switch (family) {
    case Family::ipv4:
        bytes = {std::byte{192}, std::byte{0}, std::byte{2}, std::byte{last}};
        return {family, std::span{bytes}.first(4)};
    case Family::ipv6:
        bytes = {std::byte{0x20}, std::byte{0x01}, std::byte{0x0d}, std::byte{0xb8}};
        bytes[15] = std::byte{last};
        return {family, std::span{bytes}.first(16)};
    default:
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i * 7 + last);
        return {family, bytes};
    }
}

std::string flag_names(std::uint16_t flags) {
    static constexpr std::array<std::pair<std::uint16_t, const char*>, 9> names{{{wire::syn, "SYN"},
                                                                                 {wire::fin, "FIN"},
                                                                                 {wire::rst, "RST"},
                                                                                 {wire::psh, "PSH"},
                                                                                 {wire::ack, "ACK"},
                                                                                 {wire::urg, "URG"},
                                                                                 {wire::ece, "ECE"},
                                                                                 {wire::cwr, "CWR"},
                                                                                 {wire::ae, "AE"}}};
    std::string text;
    for (const auto& [flag, name] : names)
        if ((flags & flag) != 0) text += (text.empty() ? "" : ",") + std::string{name};
    return "<" + text + ">";
}

::testing::AssertionResult good(bool holds) { return holds ? ::testing::AssertionSuccess() : ::testing::AssertionFailure(); }

}  // namespace

std::string Segment::describe() const {
    std::string text = flag_names(flags_);
    if (seq_) text += " seq " + std::to_string(seq_->raw());
    if (ack_) text += " ack " + std::to_string(ack_->raw());
    if (length_) text += " length " + std::to_string(*length_);
    if (window_) text += " window " + std::to_string(*window_);
    if (urgent_) text += " urgent " + std::to_string(*urgent_);
    return text;
}

std::string Seen::describe() const {
    return flag_names(flags) + " seq " + std::to_string(seq.raw()) + " ack " + std::to_string(ack.raw()) + " length " +
           std::to_string(length) + " window " + std::to_string(window) + " at " + std::to_string(at.nanoseconds() / 1'000) +
           " us";
}

Peer::Peer(const Opening& how)
    : setup{how}, pool_{std::make_unique<BufferPool>(std::size_t{64} << 20)},
      engine_{std::make_unique<Engine>(how.config, *pool_)}, peer_next_{how.irs} {
    local = {address(how.family, 1), 0, engine_port};
    remote = {address(how.family, 2), 0, peer_port};
    EXPECT_TRUE(good(engine_->assign(local.address, how.path, now).has_value()));
    if (how.family != Family::overlay) return;
    const auto opened = engine_->open_path({local.address, 0, 0}, {remote.address, 0, 0}, how.path, now);
    EXPECT_TRUE(good(opened.has_value()));
    path_ = opened.value_or(0);
}

Engine& Peer::swap_engine(Engine other) {
    engine_ = std::make_unique<Engine>(std::move(other));
    return *engine_;
}

// --- The application's side ---

void Peer::listens() {
    ListenOptions options = setup.options;
    options.local = {local.address, 0, engine_port};
    const auto listening = engine_->listen(options, now);
    ASSERT_TRUE(listening.has_value());
    listener_ = *listening;
    settle();
}

void Peer::connects() {
    ConnectOptions options = setup.options;
    const auto flow = engine_->connect({remote.address, 0, remote_port_}, options, now);
    ASSERT_TRUE(flow.has_value()) << "connect: error " << (flow ? 0 : int(flow.error()));
    flow_ = *flow;
    const auto peers = engine_->peers(flow_);
    ASSERT_TRUE(peers.has_value());
    local_port_ = peers->local.port;
    settle();
}

std::size_t Peer::writes(std::size_t bytes, WriteOptions options) {
    std::vector<std::byte> text(bytes);
    for (std::size_t i = 0; i < bytes; ++i) text[i] = pattern(written_ + i);
    const auto taken = engine_->write(flow_, text, options, now);
    settle();
    if (!taken) return 0;
    written_ += *taken;
    return *taken;
}

Result<std::size_t> Peer::tries_to_read(std::size_t most) {
    std::vector<std::byte> text(std::min<std::size_t>(most, 1 << 20));
    const auto got = engine_->read(flow_, text, now);
    for (std::size_t i = 0; got && i < *got; ++i) {
        if (text[i] == pattern(read_ + i)) continue;
        ADD_FAILURE() << "byte " << read_ + i << " that the application read is not what the peer sent";
        break;
    }
    if (got) read_ += *got;
    settle();
    return got;
}

std::size_t Peer::reads(std::size_t most) {
    std::size_t all = 0;
    while (all < most) {
        const auto got = tries_to_read(most - all);
        if (!got || *got == 0) break;
        all += *got;
    }
    return all;
}

void Peer::shuts(Engine::Direction direction) {
    EXPECT_TRUE(good(engine_->shutdown(flow_, direction, now).has_value()));
    settle();
}

void Peer::aborts() {
    EXPECT_TRUE(good(engine_->abort(flow_, now).has_value()));
    settle();
}

void Peer::reads_the_end(Where where) {
    const auto end = tries_to_read(1);
    EXPECT_TRUE(good(!end && end.error() == Error::end_of_stream)) << "at line " << where.line();
}

void Peer::begins_anew(std::uint16_t port, SeqNum irs) {
    remote_port_ = port;
    setup.irs = peer_next_ = irs;
    knows_iss_ = edge_known_ = timestamps_on_ = false;
    written_ = read_ = 0;
}

std::optional<Event> Peer::hears(Event::Kind kind) {
    const auto found = std::find_if(events_.begin(), events_.end(), [&](const Event& event) { return event.kind == kind; });
    if (found == events_.end()) return {};
    const Event event = *found;
    events_.erase(found);
    return event;
}

bool Peer::accepts(Where where) {
    if (!hears(Event::Kind::accepted)) return false;
    const auto flow = engine_->accept(listener_, now);
    EXPECT_TRUE(good(flow.has_value())) << "accept, at line " << where.line();
    if (!flow) return false;
    flow_ = *flow;
    settle();
    return true;
}

void Peer::opens(Where where) {
    if (setup.active) {
        connects();
        const Seen first = sees(syn(), where);
        after(setup.round_trip);
        sends(syn_ack().ack(first.seq + 1));
        sees(ack().seq(first.seq + 1).ack(peer_next_), where);
        EXPECT_TRUE(hears(Event::Kind::connected)) << "at line " << where.line();
    } else {
        listens();
        sends(syn());
        const Seen answer = sees(syn_ack().ack(peer_next_), where);
        sends(ack().ack(answer.seq + 1));
        EXPECT_TRUE(accepts(where)) << "no flow was accepted, at line " << where.line();
    }
    sees_nothing(where);
}

const tcp::Tcb& Peer::tcb() const {
    static const tcp::Tcb none;
    const tcp::Tcb* const found = engine_->inspect(flow_);
    EXPECT_TRUE(good(found != nullptr)) << "the flow is gone";
    return found ? *found : none;
}

const tcp::Cold& Peer::cold() const {
    static const tcp::Cold none;
    const tcp::Cold* const found = engine_->inspect_cold(flow_);
    EXPECT_TRUE(good(found != nullptr)) << "the flow is gone";
    return found ? *found : none;
}

std::uint32_t Peer::effective_mss() const {
    const std::uint32_t network = setup.family == Family::ipv4 ? 20 : setup.family == Family::ipv6 ? 40 : 136;
    const std::uint32_t without = setup.family == Family::ipv4 ? 536 : 1220;
    const std::uint32_t theirs = setup.mss.value_or(std::uint16_t(without));
    return std::min(theirs, setup.path.mtu - network - 20) - (timestamps_on_ ? 12 : 0);
}

std::uint32_t Peer::bytes_waiting() const {
    std::uint32_t bytes = 0;
    for (const Seen& seen : seen_) bytes += seen.length;
    return bytes;
}

// --- Time ---

void Peer::settle() {
    std::array<Transmit, 16> out;
    std::array<Event, 16> events;
    for (bool busy = true; busy;) {
        busy = false;
        while (const std::size_t count = engine_->transmit(out, now)) {
            busy = true;
            for (const Transmit& each : std::span{out}.first(count)) {
                auto cut = wire::Cut::make(each);
                ASSERT_TRUE(cut.has_value()) << "a Transmit that cannot be cut";
                if (!watches) continue;
                most_segments_ = std::max<std::uint64_t>(most_segments_, cut->segments());
                std::vector<std::byte> packet(1 << 16);
                while (const std::size_t size = cut->next(packet)) read_packet(std::span{packet}.first(size));
            }
        }
        while (const std::size_t count = engine_->events(events, now)) {
            busy = true;
            events_.insert(events_.end(), events.begin(), events.begin() + std::ptrdiff_t(count));
        }
    }
}

void Peer::after(Duration duration) {
    const Instant until = now + duration;
    for (int wakes = 0; engine_->deadline() <= until; ++wakes) {
        ASSERT_LT(wakes, 1'000'000) << "the engine wants to be woken again and again";
        now = std::max(now, engine_->deadline());
        engine_->advance(now);
        settle();
    }
    now = until;
}

Duration Peer::until_it_sends(Duration limit) {
    const Instant began = now;
    const std::size_t had = seen_.size();
    for (int wakes = 0; seen_.size() == had && engine_->deadline() <= began + limit && wakes < 1'000'000; ++wakes) {
        now = std::max(now, engine_->deadline());
        engine_->advance(now);
        settle();
    }
    if (seen_.size() == had) now = began + limit;
    return now - began;
}

Duration Peer::until_event(Event::Kind kind, Duration limit) {
    const Instant began = now;
    const auto heard = [&] {
        return std::any_of(events_.begin(), events_.end(), [&](const Event& event) { return event.kind == kind; });
    };
    for (int wakes = 0; !heard() && engine_->deadline() <= began + limit && wakes < 1'000'000; ++wakes) {
        now = std::max(now, engine_->deadline());
        engine_->advance(now);
        settle();
    }
    if (!heard()) now = began + limit;
    return now - began;
}

// --- The peer's side ---

std::vector<std::byte> Peer::build(const Segment& segment) {
    const bool opening = (segment.flags_ & wire::syn) != 0;
    wire::TcpHeader header{.source_port = remote_port_, .destination_port = local_port_, .flags = segment.flags_};
    header.seq = segment.seq_.value_or(peer_next_);
    if ((segment.flags_ & wire::ack) != 0) header.ack = segment.ack_.value_or(seen_end_);
    else if (segment.ack_) header.ack = *segment.ack_;
    header.window = segment.window_.value_or(setup.window);
    header.urgent_pointer = segment.urgent_.value_or(0);
    if (opening) {
        header.options.mss = segment.mss_ ? segment.mss_ : setup.mss;
        header.options.window_scale = segment.scale_ ? segment.scale_ : setup.scale;
        header.options.sack_permitted = setup.sack && !segment.plain_;
        offered_scale_ = header.options.window_scale.has_value();
        offered_timestamps_ = setup.timestamps && !segment.plain_;
    }
    const bool stamped = !segment.plain_ && (opening ? setup.timestamps : timestamps_on_);
    if (stamped) header.options.timestamps = {clock(), opening && (segment.flags_ & wire::ack) == 0 ? 0 : last_value_};
    if (segment.timestamps_) header.options.timestamps = segment.timestamps_;
    if (segment.echo_ && header.options.timestamps) header.options.timestamps->echo = *segment.echo_;

    header.options.accurate = segment.accurate_;
    header.options.sack_count = segment.sack_count_;
    header.options.sack = segment.sack_;

    std::vector<std::byte> bytes(wire::TcpView::max_header);
    std::size_t size = header.write(bytes);
    if (segment.raw_) {
        header.options = {};
        size = header.write(bytes) + (segment.raw_size_ + 3) / 4 * 4;
        std::fill(bytes.begin() + wire::TcpView::min_size, bytes.end(), std::byte{0});
        std::transform(segment.raw_options_.begin(), segment.raw_options_.begin() + std::ptrdiff_t(segment.raw_size_),
                       bytes.begin() + wire::TcpView::min_size, [](std::uint8_t b) { return std::byte{b}; });
        bytes[wire::TcpView::flags_at] = std::byte(size / 4 << 4) | (bytes[wire::TcpView::flags_at] & std::byte{0x0f});
    }
    const std::uint32_t length = segment.length_.value_or(0);
    bytes.resize(size + length);
    const SeqNum first = header.seq + (opening ? 1 : 0);
    for (std::uint32_t i = 0; i < length; ++i) bytes[size + i] = pattern(std::uint64_t{(first - (setup.irs + 1)) + i});
    const std::uint16_t pseudo =
        wire::pseudo_sum(wire::pseudo_sum(remote.address, local.address), wire::protocol_tcp, std::uint32_t(bytes.size()));
    const std::uint16_t field = checksum::field(checksum::add(pseudo, checksum::sum(bytes)));
    store_big(bytes.data() + wire::TcpView::checksum_at, std::uint16_t(segment.damaged_ ? field + 1 : field));

    if (!segment.seq_) peer_next_ += length + (opening ? 1 : 0) + ((segment.flags_ & wire::fin) != 0 ? 1 : 0);
    return enveloped(std::move(bytes), segment.ecn_);
}

std::vector<std::byte> Peer::enveloped(std::vector<std::byte> segment, Ecn ecn) const {
    if (setup.family == Family::overlay) return segment;
    std::vector<std::byte> packet(40 + segment.size());
    std::size_t size = 0;
    if (setup.family == Family::ipv4) {
        size = wire::Ipv4Header{.ecn = ecn,
                                .total_length = std::uint16_t(20 + segment.size()),
                                .protocol = wire::protocol_tcp,
                                .source = remote.address,
                                .destination = local.address}
                   .write(packet);
    } else {
        size = wire::Ipv6Header{.traffic_class = std::uint8_t(ecn),
                                .payload_length = std::uint16_t(segment.size()),
                                .protocol = wire::protocol_tcp,
                                .source = remote.address,
                                .destination = local.address}
                   .write(packet);
    }
    packet.resize(size + segment.size());
    std::copy(segment.begin(), segment.end(), packet.begin() + std::ptrdiff_t(size));
    return packet;
}

void Peer::mend(std::vector<std::byte>& packet) const {
    const std::size_t header = setup.family == Family::ipv4 ? 20 : setup.family == Family::ipv6 ? 40 : 0;
    if (packet.size() < header + wire::TcpView::min_size) return;
    if (setup.family == Family::ipv4) {
        store_big(packet.data() + wire::Ipv4View::checksum_at, std::uint16_t{0});
        store_big(packet.data() + wire::Ipv4View::checksum_at, checksum::field(checksum::sum(std::span{packet}.first(20))));
    }
    const auto segment = std::span{packet}.subspan(header);
    store_big(segment.data() + wire::TcpView::checksum_at, std::uint16_t{0});
    const std::uint16_t pseudo =
        wire::pseudo_sum(wire::pseudo_sum(remote.address, local.address), wire::protocol_tcp, std::uint32_t(segment.size()));
    store_big(segment.data() + wire::TcpView::checksum_at, checksum::field(checksum::add(pseudo, checksum::sum(segment))));
}

void Peer::deliver(std::span<std::vector<std::byte>> packets) {
    std::vector<Receive> batch(packets.size());
    for (std::size_t i = 0; i < packets.size(); ++i) {
        Chunk* const chunk = pool_->allocate(packets[i].size());
        ASSERT_NE(chunk, nullptr);
        std::copy(packets[i].begin(), packets[i].end(), chunk->data());
        batch[i].frame = Slice{chunk, 0, std::uint32_t(packets[i].size())};
        if (setup.family != Family::overlay) continue;
        batch[i].path = path_;
        batch[i].protocol = wire::protocol_tcp;
    }
    engine_->receive(batch, now);
    batch.clear();
    settle();
}

void Peer::sends(const Segment& segment) {
    std::array<std::vector<std::byte>, 1> packet{build(segment)};
    deliver(packet);
}

void Peer::sends_together(std::span<const Segment> segments) {
    std::vector<std::vector<std::byte>> packets;
    for (const Segment& segment : segments) packets.push_back(build(segment));
    deliver(packets);
}

void Peer::sends_packet(std::vector<std::byte> packet) {
    std::array<std::vector<std::byte>, 1> packets{std::move(packet)};
    deliver(packets);
}

// --- What the engine sent ---

void Peer::read_packet(std::span<const std::byte> packet) {
    Seen seen{.at = now, .packet_size = std::uint32_t(packet.size())};
    std::span<const std::byte> transport;
    Address source, destination;
    const auto read = [&](const auto& view, std::uint8_t traffic_class) {
        ASSERT_TRUE(view.has_value()) << "the engine sent a packet whose network header cannot be read";
        EXPECT_EQ(view->bytes().size(), packet.size()) << "the network header's length is wrong";
        EXPECT_EQ(view->protocol(), wire::protocol_tcp);
        seen.hop_limit = view->hop_limit(), seen.traffic_class = traffic_class;
        transport = view->payload(), source = view->source(), destination = view->destination();
    };
    if (setup.family == Family::ipv4) {
        const auto view = wire::Ipv4View::parse(packet);
        read(view, view ? std::uint8_t(view->dscp() << 2 | std::uint8_t(view->ecn())) : std::uint8_t{0});
        EXPECT_TRUE(good(view && view->checksum_verifies())) << "IPv4 header checksum";
    } else if (setup.family == Family::ipv6) {
        const auto view = wire::Ipv6View::parse(packet);
        read(view, view ? view->traffic_class() : std::uint8_t{0});
    } else {
        const auto view = wire::OverlayView::parse(packet);
        read(view, view ? view->traffic_class() : std::uint8_t{0});
    }
    EXPECT_LE(packet.size(), setup.path.mtu) << "larger than the path's MTU";
    EXPECT_TRUE(good(source == local.address && destination == remote.address)) << "addresses";
    if (!setup.path.sums_elided) {
        EXPECT_TRUE(good(wire::transport_verifies(wire::pseudo_sum(source, destination), wire::protocol_tcp, transport)))
            << "the engine sent a wrong checksum (MUST-2)";
    }
    const auto view = wire::TcpView::parse(transport);
    ASSERT_TRUE(view.has_value());
    const auto options = view->options();
    ASSERT_TRUE(options.has_value()) << "the engine sent options that cannot be read";
    seen.flags = view->flags(), seen.window = view->window(), seen.urgent_pointer = view->urgent_pointer();
    seen.seq = view->seq(), seen.ack = view->ack(), seen.length = std::uint32_t(view->payload().size());
    seen.options = *options, seen.source_port = view->source_port(), seen.destination_port = view->destination_port();
    seen.payload.assign(view->payload().begin(), view->payload().end());
    check(seen);
    seen_.push_back(std::move(seen));
}

// What holds of every segment, whatever the test is about.
void Peer::check(const Seen& seen) {
    const std::string what = seen.describe();
    const bool opening = seen.has(wire::syn), resets = seen.has(wire::rst);
    EXPECT_EQ(seen.destination_port, remote_port_) << what;
    EXPECT_EQ(seen.source_port, local_port_) << what;
    if (resets) return;
    if (opening) {
        iss_ = seen.seq;
        seen_end_ = knows_iss_ ? later(seen_end_, seen.end()) : seen.end();
        knows_iss_ = true;
        EXPECT_TRUE(good(seen.options.mss.has_value())) << "a SYN without an MSS option (MUST-14): " << what;
        const bool answers = seen.has(wire::ack);
        if (answers) {
            EXPECT_LE(seen.options.window_scale.has_value(), offered_scale_) << "a scale that was not offered: " << what;
            EXPECT_LE(seen.options.sack_permitted, setup.sack) << "SACK that was not offered: " << what;
            EXPECT_LE(seen.options.timestamps.has_value(), offered_timestamps_)
                << "timestamps that were not offered: " << what;
        }
        engine_scale_ = seen.options.window_scale.value_or(0);
        EXPECT_LE(engine_scale_, 14) << what;
        timestamps_on_ = seen.options.timestamps.has_value() && setup.timestamps;
    } else {
        EXPECT_FALSE(seen.options.mss.has_value()) << "MSS outside a SYN (MUST-65): " << what;
        EXPECT_FALSE(seen.options.window_scale.has_value()) << "a scale outside a SYN: " << what;
        EXPECT_FALSE(seen.options.sack_permitted) << "SACK-permitted outside a SYN (RFC 2018, 2): " << what;
        EXPECT_TRUE(setup.sack || seen.options.sack_count == 0) << "SACK that was not offered: " << what;
        EXPECT_TRUE(good(seen.has(wire::ack))) << "without ACK (RFC 9293, 3.10.7.4): " << what;
        EXPECT_EQ(seen.options.timestamps.has_value(), timestamps_on_) << "RFC 7323, 3.2: " << what;
        const SeqNum begin = iss_ + 1;
        for (std::uint32_t i = 0; i < seen.length; ++i) {
            if (seen.payload[i] == pattern((seen.seq - begin) + i)) continue;
            ADD_FAILURE() << "payload differs from what was written at byte " << (seen.seq - begin) + i << ": " << what;
            break;
        }
        seen_end_ = later(seen_end_, seen.end());
    }
    if (seen.options.timestamps) last_value_ = seen.options.timestamps->value;
    if (!seen.has(wire::ack)) return;
    const std::uint8_t shift = opening || !offered_scale_ ? std::uint8_t{0} : engine_scale_;
    const SeqNum edge = seen.ack + (std::uint32_t{seen.window} << shift);
    // A right edge may seem to move left by what the scale cannot express (RFC 7323, section 2.4), and by no more.
    if (edge_known_) {
        EXPECT_TRUE(good(at_or_before(right_edge_, edge + ((1u << shift) - 1)))) << "the window shrank (SHLD-14): " << what;
    }
    right_edge_ = edge_known_ ? later(right_edge_, edge) : edge;
    edge_known_ = true;
}

std::optional<Seen> Peer::next() {
    if (seen_.empty()) return {};
    Seen seen = std::move(seen_.front());
    seen_.pop_front();
    return seen;
}

Seen Peer::sees(const Segment& expected, Where where) {
    const auto seen = next();
    const std::string line = "  at " + std::string{where.file_name()} + ":" + std::to_string(where.line());
    if (!seen) {
        ADD_FAILURE() << "expected " << expected.describe() << ", but the engine sent nothing" << line;
        return {};
    }
    const std::uint16_t pushed = (expected.flags_ & wire::psh) != 0 ? 0 : wire::psh;  // PSH counts where it is asked for
    const bool equal = std::uint16_t(seen->flags & ~pushed) == expected.flags_ &&
                       expected.seq_.value_or(seen->seq) == seen->seq && expected.ack_.value_or(seen->ack) == seen->ack &&
                       expected.window_.value_or(seen->window) == seen->window &&
                       expected.urgent_.value_or(seen->urgent_pointer) == seen->urgent_pointer &&
                       expected.length_.value_or(expected.flags_ == wire::ack ? 0 : seen->length) == seen->length &&
                       (!expected.mss_ || expected.mss_ == seen->options.mss) &&
                       (!expected.scale_ || expected.scale_ == seen->options.window_scale) &&
                       (!expected.echo_ || (seen->options.timestamps && seen->options.timestamps->echo == *expected.echo_));
    EXPECT_TRUE(good(equal)) << "expected " << expected.describe() << "\n  but saw " << seen->describe() << "\n" << line;
    return *seen;
}

void Peer::sees_nothing(Where where) {
    EXPECT_TRUE(good(seen_.empty())) << "expected nothing, but saw " << (seen_.empty() ? "" : seen_.front().describe())
                                     << "\n  at " << where.file_name() << ":" << where.line();
}

Peer established(const Opening& setup, Where where) {
    Peer peer{setup};
    peer.opens(where);
    return peer;
}

}  // namespace weft::test
