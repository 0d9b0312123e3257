// How a talker talks, and how a seed becomes a transfer.
#include "tests/sim/transfer.h"

#include <algorithm>
#include <array>

#include "stack/tcp/congestion/controller.h"
#include "tests/engine/host_address.h"

namespace weft::test {

namespace {

std::byte text(std::uint64_t key, std::uint64_t offset) {
    return std::byte(sim::mix(key + offset / 8 * sim::Draws::step) >> (offset % 8 * 8));
}

// Whole words where it can, for a storm spends most of its time here.
void fill(std::uint64_t key, std::uint64_t offset, std::span<std::byte> out) {
    std::size_t i = 0;
    for (; i < out.size() && (offset + i) % 8 != 0; ++i) out[i] = text(key, offset + i);
    for (; i + 8 <= out.size(); i += 8) store_little(out.data() + i, sim::mix(key + (offset + i) / 8 * sim::Draws::step));
    for (; i < out.size(); ++i) out[i] = text(key, offset + i);
}

}  // namespace

Talker::Talker(const Plan& plan)
    : plan_{plan}, draws_{plan.key, 1}, scratch_(std::max(plan.largest_write, plan.largest_read)) {}

void Talker::begin(Engine& engine, Instant now) {
    ListenOptions options = plan_.options;
    options.local = plan_.local;
    if (plan_.listens) {
        listener_ = engine.listen(options, now).value_or(ListenerId{});
        return;
    }
    connect(engine, now);
}

void Talker::connect(Engine& engine, Instant now) {
    ListenOptions options = plan_.options;
    options.local = plan_.local;
    auto flow = engine.connect(plan_.remote, options, now);
    if (!flow && flow.error() == Error::address_in_use) {  // the last one of this name is in TIME-WAIT at this end
        options.local.port = 0;
        flow = engine.connect(plan_.remote, options, now);
    }
    if (!flow) {
        ended_ = true, failure_ = flow.error(), ended_at_ = now;
        return;
    }
    flow_ = *flow;
    if (!plan_.early) return;
    up_ = true;
    write(engine, now);
}

void Talker::again(Engine& engine, Instant now) {
    flow_ = {};
    sent_ = received_ = 0;
    write_at_ = read_at_ = Instant::never();
    up_ = closed_ = saw_end_ = ended_ = aborted_ = false;
    failure_.reset();
    if (!plan_.listens) connect(engine, now);
}

void Talker::unlisten(Engine& engine, Instant now) {
    if (plan_.listens) (void)engine.unlisten(listener_, now);
}

Instant Talker::soon(Duration pause, Instant now) {
    return now + Duration::nanoseconds(std::int64_t(draws_.below(std::uint64_t(pause.count()) + 1)));
}

void Talker::on(Engine& engine, const Event& event, Instant now) {
    if (event.kind == Event::Kind::accepted) {
        const auto flow = engine.accept(event.listener, now);
        if (!flow) return;
        if (up_) {  // a copy of an old SYN with a cookie: nobody waits for it
            (void)engine.abort(*flow, now);
            return;
        }
        flow_ = *flow, up_ = true;
        write(engine, now);
        if (plan_.sleeps != Duration{}) read_at_ = now + plan_.sleeps;
        if (read_at_ == Instant::never()) read(engine, now);
        return;
    }
    if (event.flow != flow_) return;
    switch (event.kind) {
    case Event::Kind::connected:
        up_ = true;
        write(engine, now);
        if (plan_.sleeps != Duration{} && read_at_ == Instant::never()) read_at_ = now + plan_.sleeps;
        break;
    case Event::Kind::readable:
    case Event::Kind::peer_closed:
        if (read_at_ == Instant::never()) read_at_ = soon(plan_.read_pause, now);
        if (read_at_ == now) advance(engine, now);
        break;
    case Event::Kind::writable:
        if (write_at_ == Instant::never()) write(engine, now);
        break;
    case Event::Kind::soft_error: soft_errors.push_back(event.error); break;
    case Event::Kind::failed: failure_ = event.error; [[fallthrough]];
    case Event::Kind::closed:
        ended_ = true, ended_at_ = now;
        write_at_ = read_at_ = Instant::never();
        break;
    default: break;
    }
}

void Talker::advance(Engine& engine, Instant now) {
    if (write_at_ <= now) write_at_ = Instant::never(), write(engine, now);
    if (read_at_ <= now) read_at_ = Instant::never(), read(engine, now);
}

bool Talker::gave_up(Engine& engine, Instant now) {
    if (ended_ || sent_ + received_ < plan_.aborts_at) return ended_;
    (void)engine.abort(flow_, now);
    ended_ = aborted_ = true, ended_at_ = now;
    write_at_ = read_at_ = Instant::never();
    return true;
}

void Talker::write(Engine& engine, Instant now) {
    while (up_ && !closed_ && !gave_up(engine, now)) {
        if (sent_ == plan_.to_send) {
            closed_ = engine.shutdown(flow_, Engine::Direction::write, now).has_value();
            return;
        }
        const std::uint64_t size = std::min(draws_.between(1, plan_.largest_write), plan_.to_send - sent_);
        fill(plan_.key, sent_, std::span{scratch_}.first(size));
        const auto taken = engine.write(flow_, std::span{scratch_}.first(size), {.nodelay = draws_.chance(100'000)}, now);
        if (!taken || *taken == 0) return;  // `writable` follows
        sent_ += *taken;
        if (plan_.write_pause.count() == 0) continue;
        write_at_ = soon(plan_.write_pause, now);
        if (write_at_ != now) return;
        write_at_ = Instant::never();
    }
}

void Talker::read(Engine& engine, Instant now) {
    std::array<std::byte, 4'096> expected;
    while (up_ && !gave_up(engine, now) && !saw_end_ && !held_) {
        const auto got = engine.read(flow_, std::span{scratch_}.first(draws_.between(1, plan_.largest_read)), now);
        if (!got) {
            saw_end_ = got.error() == Error::end_of_stream;
            return;
        }
        for (std::size_t done = 0; done < *got;) {
            const std::size_t part = std::min(expected.size(), *got - done);
            fill(plan_.peer_key, received_ + done, std::span{expected}.first(part));
            wrong_ |= !std::equal(expected.begin(), expected.begin() + std::ptrdiff_t(part),
                                  scratch_.begin() + std::ptrdiff_t(done));
            done += part;
        }
        received_ += *got;
        if (plan_.read_pause.count() == 0) continue;
        read_at_ = soon(plan_.read_pause, now);
        if (read_at_ != now) return;
        read_at_ = Instant::never();
    }
}

std::string Talker::describe() const {
    return "sent " + std::to_string(sent_) + "/" + std::to_string(plan_.to_send) + ", received " +
           std::to_string(received_) + "/" + std::to_string(plan_.to_receive) + (wrong_ ? ", WRONG BYTES" : "") +
           (saw_end_ ? ", saw the end" : "") +
           (ended_ ? failure_ ? ", failed with error " + std::to_string(int(*failure_)) : std::string{", closed"}
                   : std::string{", still open"});
}

Transfer::Plan Transfer::storm(std::uint64_t seed) {
    sim::Draws draws{seed, 0x7374'6f72'6d};
    Plan plan{.seed = seed};
    plan.family = std::array{Family::ipv4, Family::ipv6, Family::overlay}[draws.below(3)];
    // 0 to 1 MiB; one in four is small, so that nothing, one byte and a few segments are met too.
    const auto amount = [&draws] {
        const std::uint64_t most = draws.chance(250'000) ? std::uint64_t{1} << draws.between(0, 16) : std::uint64_t{1} << 20;
        return draws.below(most + 1);
    };
    plan.forth = amount();
    plan.back = draws.chance(500'000) ? amount() : 0;
    const auto pace = [&draws, seed](Talker::Plan& talker) {
        talker.largest_write = std::uint32_t(1) << draws.between(6, 17);
        talker.largest_read = std::uint32_t(1) << draws.between(8, 17);
        if (draws.chance(250'000)) talker.write_pause = Duration::microseconds(std::int64_t(draws.between(1, 2'000)));
        if (draws.chance(250'000)) talker.read_pause = Duration::microseconds(std::int64_t(draws.between(1, 2'000)));
        talker.options.nodelay = draws.chance(300'000);
        talker.options.user_timeout = Duration::seconds(3'600);
        talker.options.congestion = std::uint16_t(seed % tcp::controller_names.size());
    };
    pace(plan.a);
    pace(plan.b);
    const auto config = [&draws](Config& each) {
        each.seed[0] = draws.next(), each.seed[1] = draws.next();
        each.send_buffer = 1u << draws.between(13, 20);
        each.receive_buffer = 1u << draws.between(13, 20);
    };
    config(plan.config_a);
    config(plan.config_b);
    plan.path.mtu = std::uint32_t(std::array{1'500, 1'280, 9'000, 1'400}[draws.below(4)]);
    const auto wire = [&draws](sim::WireOptions& each) {
        each.rate = draws.chance(500'000) ? 0 : 1'000'000 * draws.between(2, 1'000);
        each.delay = Duration::microseconds(std::int64_t(draws.between(10, 50'000)));
        each.jitter = Duration::microseconds(std::int64_t(draws.below(1'000)));
        each.loss = 10'000;
        each.reordering = 50'000;
        each.reordering_delay = Duration::microseconds(std::int64_t(draws.between(100, 20'000)));
        each.duplication = 10'000;
        each.corruption = 10'000;
        if (draws.chance(250'000)) each.batching = Duration::microseconds(std::int64_t(draws.between(10, 500)));
    };
    wire(plan.wire_ab);
    wire(plan.wire_ba);
    if (plan.family == Family::overlay) plan.path.sums_elided = draws.chance(500'000);
    plan.wire_ab.authenticated = plan.wire_ba.authenticated = plan.path.sums_elided;
    sim::Draws recovery{seed, 0x7361'636b};  // a stream of its own: what else a seed decides stays as it was
    for (Config* each : {&plan.config_a, &plan.config_b}) {
        each->sack = recovery.chance(800'000);
        each->recovery = recovery.chance(300'000) ? Config::Recovery::sack : Config::Recovery::rack;
        each->pacing = recovery.chance(250'000);
    }
    sim::Draws ecn{seed, 0x65'636e};
    for (Config* each : {&plan.config_a, &plan.config_b}) {
        each->ecn = std::uint8_t(ecn.below(3));
        each->accecn = std::uint8_t(ecn.below(3));
    }
    for (sim::WireOptions* each : {&plan.wire_ab, &plan.wire_ba}) each->marking = ecn.chance(500'000) ? 50'000 : 0;
    return plan;
}

Transfer::Plan Transfer::plain(std::uint64_t seed, std::uint64_t forth, const sim::WireOptions& wire) {
    Plan plan{.seed = seed, .forth = forth};
    plan.config_a.seed[0] = seed, plan.config_b.seed[0] = seed + 1;
    plan.wire_ab = plan.wire_ba = wire;
    return plan;
}

Transfer::Transfer(BufferPool& pool, const Plan& plan) : world{pool, plan.seed}, plan_{plan}, base_in_use_{pool.in_use()} {
    const Address from = host_address(plan.family, 1), to = host_address(plan.family, 2);
    Talker::Plan pa = plan.a, pb = plan.b;
    pa.key = sim::mix(plan.seed + 1), pb.key = sim::mix(plan.seed + 2);
    pa.peer_key = pb.key, pb.peer_key = pa.key;
    pa.to_send = pb.to_receive = plan.forth;
    pb.to_send = pa.to_receive = plan.back;
    pa.remote = {to, 0, 80};
    pb.local = {to, 0, 80};
    pb.listens = !plan.simultaneous;
    pa.local.port = plan.port;
    if (plan.simultaneous) pb.remote = {from, 0, plan.port};
    a = std::make_unique<Node>(world, plan.config_a, Talker{pa});
    b = std::make_unique<Node>(world, plan.config_b, Talker{pb});
    for (Node* node : {a.get(), b.get()}) {
        node->digest_only(plan.traced);
        for (std::size_t i = 0; i < plan.modules.size(); ++i)
            (void)node->engine().install(std::uint16_t(tcp::compiled_slots + i), plan.modules[i], world.now());
    }
    ab = world.connect(a->id(), b->id(), 0, plan.wire_ab);
    ba = world.connect(b->id(), a->id(), 0, plan.wire_ba);
    for (const bool back : {false, true})
        if (plan_.box)
            world.tap(back ? ba : ab, [this, back](Receive& packet, Instant at) { return plan_.box(back, packet, at); });
    const Instant now = world.now();
    (void)a->engine().assign(from, plan.path, now);
    (void)b->engine().assign(to, plan.path, now);
    if (plan.family == Family::overlay) {
        path_a = a->engine().open_path({from, 0, 0}, {to, 0, 0}, plan.path, now).value_or(0);
        path_b = b->engine().open_path({to, 0, 0}, {from, 0, 0}, plan.path, now).value_or(0);
    }
    a->attach(0, ab, path_a);
    b->attach(0, ba, path_b);
    b->app.begin(b->engine(), now);
    a->app.begin(a->engine(), now);
    b->settle();
    a->settle();
}

bool Transfer::run_until_finished(Duration limit) {
    return world.run(world.now() + limit, [&] { return a->app.finished() && b->app.finished(); });
}

std::string Transfer::run_well(Duration limit) {
    std::string fault;
    if (!run_until_finished(limit)) fault += "not finished; ";
    if (!a->app.bytes_equal() || !b->app.bytes_equal()) fault += "bytes differ; ";
    if (!a->app.orderly() || !b->app.orderly()) fault += "no orderly end; ";
    return fault.empty() ? fault : fault + describe() + "; ";
}

void Transfer::again() {
    b->app.again(b->engine(), world.now());
    a->app.again(a->engine(), world.now());
    b->settle();
    a->settle();
}

std::string Transfer::back_to_base() {
    for (Node* node : {a.get(), b.get()}) {
        node->app.unlisten(node->engine(), world.now());
        if (const PathId path = node == a.get() ? path_a : path_b) node->engine().close_path(path, world.now());
        node->settle();
    }
    const Duration two_msl = std::max(plan_.config_a.time_wait, plan_.config_b.time_wait);
    world.run_until(world.now() + two_msl + two_msl + Duration::seconds(1));   // a late FIN restarts it once
    std::string held;
    const auto look = [&held](const char* what, std::uint64_t count) {
        if (count != 0) held += std::string{" "} + what + " " + std::to_string(count);
    };
    for (Node* node : {a.get(), b.get()}) {
        const Statistics all = node->engine().statistics();
        look("connections", all.connections);
        look("half-open", all.half_open);
        look("time-wait", all.time_wait);
        look("listeners", all.listeners);
        look("paths", all.paths);
        look("flows", node->engine().flows().size());
        look("a timer", node->engine().deadline() != Instant::never());
        look("malformed transmits", node->malformed());
    }
    look("packets in flight", world.in_flight());
    look("bytes of the pool", world.pool().in_use() - base_in_use_);
    for (const sim::WireId id : {ab, ba}) {
        const sim::WireStatistics& wire = world.wire(id).statistics;
        look("packets not accounted for", wire.sent + wire.duplicated - wire.delivered - wire.lost - wire.overflowed -
                                              wire.too_large - wire.blacked_out - wire.unauthentic - wire.no_memory);
        look("packets above the MTU", wire.too_large);
    }
    return held;
}

std::string Transfer::digest() const {
    return a->digest().hex() + b->digest().hex() + " in " + std::to_string(world.steps()) + " steps";
}

std::string Transfer::describe() const {
    return "a: " + a->app.describe() + "; b: " + b->app.describe() + "; at " +
           std::to_string(world.now().nanoseconds() / 1'000'000) + " ms" + (world.stuck() ? ", A NODE IS STUCK" : "");
}

}  // namespace weft::test
