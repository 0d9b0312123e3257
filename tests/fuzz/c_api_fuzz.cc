// weft.h: any calls with any descriptors, sizes and options on two stacks without I/O and a pipe between them. No call answers with an
// error that it does not document, streams arrive in order, and closing both stacks leaves nothing (the sanitizers look).
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <string>
#include <vector>

#include "sim/random.h"
#include "stack/api/weft.h"
#include "stack/core/time.h"
#include "tests/fuzz/fuzz.h"

namespace weft::fuzz {
namespace {

constexpr std::array documented{EACCES,       EADDRINUSE,   EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN,   EALREADY,     EBADF,
                                EBUSY,        ECONNABORTED, ECONNREFUSED,  ECONNRESET,   EDEADLK,  EDESTADDRREQ, EFAULT,
                                EHOSTUNREACH, EINPROGRESS,  EINVAL,        EISCONN,      EMSGSIZE, ENETUNREACH,  ENFILE,
                                ENOBUFS,      ENOENT,       ENOMEM,        ENOPROTOOPT,  ENOTCONN, ENOTTY,       EOPNOTSUPP,
                                EPERM,        EPIPE,        ETIMEDOUT};

// What a call answered: a number, or an error that some page names.
template <class T>
T answered(T value) {
    if (value >= 0) return value;
    for (const int each : documented)
        if (value == -each) return value;
    std::fprintf(stderr, "answered %lld\n", static_cast<long long>(value));
    FUZZ_CHECK(!"an error that no page names");
    return value;
}

std::byte text(std::uint16_t from, std::uint16_t to, std::uint64_t place) {
    const std::uint64_t key = std::uint64_t{from} << 16 | to;
    return std::byte(sim::mix(key + place / 8 * sim::Draws::step) >> place % 8 * 8);
}

struct Open {
    weft_fd fd;
    std::uint16_t local{0}, remote{0};  // ports; 0: not known yet
    std::uint64_t wrote{0}, read{0};
    bool closed{false}, deaf{false};  // deaf: what reading says of the end is no word of the peer's
    bool shut{false};  // our own half, by shutdown
};

struct Lent {
    weft_lease* lease;
    bool returned;
};

struct Side {
    weft_stack* stack{nullptr};
    std::vector<Open> open;
    std::vector<weft_fd> asked;
    std::vector<Lent> leases;
    std::deque<std::vector<std::byte>> sent;
};

class Play {
public:
    explicit Play(Bytes input) : in_{input} {
        const std::uint8_t kind = in_.u8();
        for (unsigned side = 0; side < 2; ++side) {
            const std::uint8_t seed[16] = {std::uint8_t(side + 1)};
            FUZZ_CHECK(weft_new(config(kind, side).c_str(), seed, &sides_[side].stack) == 0);
        }
    }
    ~Play() {
        for (Side& side : sides_) {
            for (Lent& each : side.leases)
                if (!each.returned) weft_return(each.lease);
            weft_free(side.stack);
        }
    }
    Play(const Play&) = delete;

    void run() {
        while (in_.left() > 0) {
            const std::uint8_t code = in_.u8();
            me_ = &sides_[code >> 7];
            step(code & 31);
        }
        wind_up();
    }

private:
    std::string config(std::uint8_t kind, unsigned side) {
        const std::string last = std::to_string(side + 1);
        std::string lines = "memory = 4000000\naddress = 10.0.0." + last + "\naddress = fd00::" + last + "\n";
        if ((kind & 1) != 0) lines += "mtu = 9000\n";
        if ((kind & 2) != 0) lines += "any_address = on\n";
        if ((kind & 4) != 0) lines += "syncookies = always\n";
        if ((kind & 8) != 0) lines += "receive_buffer = 8192\nsend_buffer = 4096\n";
        if ((kind & 16) != 0) lines += "sack = off\n";
        if ((kind & 32) != 0) lines += "ecn = on\n";
        if ((kind & 64) != 0) lines += "pacing = on\n";
        return lines;
    }

    weft_stack* stack() { return me_->stack; }
    Side& other() { return sides_[me_ == &sides_[0] ? 1 : 0]; }
    Open* some() {
        const std::uint8_t which = in_.u8();
        return me_->open.empty() ? nullptr : &me_->open[me_->open.size() - 1 - which % me_->open.size()];
    }
    // Mostly one that was given out once; sometimes no descriptor at all.
    weft_fd any() {
        const std::uint8_t which = in_.u8();
        if (which >= 250) return weft_fd(in_.big<std::uint64_t>());
        return me_->open.empty() ? weft_fd{-1} : me_->open[me_->open.size() - 1 - which % me_->open.size()].fd;
    }

    void step(unsigned code) {
        switch (code) {
        case 0: return connect();
        case 1: return listen();
        case 2: return accept();
        case 3:
        case 4: return write(code == 4);
        case 5:
        case 6: return read(code == 6);
        case 7: return take();
        case 8: return give_back();
        case 9: return shut();
        case 10: return close();
        case 11: return finish();
        case 12: return abort();
        case 13: return set_option();
        case 14: return get_option();
        case 15: return set();
        case 16: return void(answered(weft_ioctl(stack(), any(), request())));
        case 17: return poll();
        case 18: return events();
        case 19: return answer();
        case 20: return pass(Duration::microseconds(std::int64_t{1} << in_.u8() % 34));
        case 21: return move(1 + in_.u8() % 8);
        case 22: return lose();
        case 23: return garbage();
        case 24: return peers();
        case 25: return texts();
        case 26: return listen_with();
        default: return exchange(1 + in_.u8() % 8);
        }
    }

    weft_sockaddr address(unsigned side, std::uint8_t choices) {
        weft_sockaddr out{.size = sizeof(weft_sockaddr), .port = std::uint16_t(80 + (choices & 3))};
        if ((choices & 4) != 0) {
            out.family = WEFT_IPV6, out.length = 16;
            out.bytes[0] = 0xfd, out.bytes[15] = std::uint8_t(side + 1);
        } else {
            out.family = WEFT_IPV4, out.length = 4;
            out.bytes[0] = 10, out.bytes[3] = std::uint8_t(side + 1);
        }
        if ((choices & 8) != 0) out = {.size = sizeof(weft_sockaddr), .port = out.port};  // WEFT_ANY
        if ((choices & 16) != 0) out.port = 0;
        if ((choices & 224) == 224) out.family = in_.u8(), out.length = in_.u8(), out.scope = in_.u8();
        return out;
    }
    unsigned ours() const { return me_ == &sides_[0] ? 0 : 1; }

    weft_options options() {
        const std::uint8_t bits = in_.u8();
        weft_options out{.size = sizeof(weft_options)};
        if ((bits & 1) != 0) out.flags = in_.u8();
        if ((bits & 2) != 0) out.congestion = std::array{"reno", "cubic", "", "nobody", "newreno"}[in_.u8() % 5];
        if ((bits & 4) != 0) out.user_timeout_ms = in_.big<std::uint32_t>();
        if ((bits & 8) != 0) out.send_buffer = in_.big<std::uint32_t>() >> (in_.u8() & 31);
        if ((bits & 16) != 0) out.receive_buffer = in_.big<std::uint32_t>() >> (in_.u8() & 31);
        if ((bits & 32) != 0) out.dscp = in_.u8(), out.hop_limit = in_.u8();
        if ((bits & 192) == 192) out.size = in_.u8();
        return out;
    }

    void keep(weft_fd fd) {
        if (fd < 0 || me_->open.size() >= 200) return;
        me_->open.push_back({fd});
        know(me_->open.back());
    }
    void know(Open& one) { know(*me_, one); }
    static void know(Side& side, Open& one) {
        weft_sockaddr local{}, remote{};
        if (weft_peers(side.stack, one.fd, &local, &remote) != 0) return;
        one.local = local.port, one.remote = remote.port;
    }

    void connect() {
        const std::uint8_t how = in_.u8();
        const weft_sockaddr remote = address(ours() ^ 1, how), local = address(ours(), (how & 128) != 0 ? in_.u8() : 24);
        const weft_options with = options();
        keep(
            answered(weft_connect(stack(), (how & 64) != 0 ? &local : nullptr, &remote, (how & 32) != 0 ? &with : nullptr)));
    }
    void listen() {
        const std::uint8_t how = in_.u8();
        const weft_sockaddr local = address(ours(), how);
        const weft_options with = options();
        keep(answered(weft_listen(stack(), &local, std::int8_t(in_.u8()), (how & 32) != 0 ? &with : nullptr)));
    }
    void listen_with() {
        const std::uint8_t how = in_.u8();
        const weft_sockaddr local = address(ours(), how);
        keep(answered(weft_listen_with(stack(), &local, std::int8_t(in_.u8()), nullptr, asked, this)));
    }
    static enum weft_answer asked(void* context, weft_fd question, const weft_sockaddr* local, const weft_sockaddr* remote) {
        auto& play = *static_cast<Play*>(context);
        FUZZ_CHECK(local && remote && local->length == remote->length && question >= 0);
        const std::uint8_t how = play.in_.u8();
        for (Side& side : play.sides_) {
            if (how < 128) break;
            const auto done = weft_shutdown(side.stack, question, WEFT_READ);  // either it is this stack, or no flow of it
            FUZZ_CHECK(done == -EDEADLK || done == -EBADF);
        }
        for (Side& side : play.sides_)
            if (side.asked.size() < 100) side.asked.push_back(question);
        return static_cast<enum weft_answer>(how % 4);
    }
    void answer() {
        const std::uint8_t which = in_.u8(), how = in_.u8();
        const weft_fd question = me_->asked.empty() ? any() : me_->asked[which % me_->asked.size()];
        answered(weft_answer(stack(), question, how % 5));
    }
    void accept() {
        weft_sockaddr remote{};
        keep(answered(weft_accept(stack(), any(), (in_.u8() & 1) != 0 ? &remote : nullptr)));
    }

    void write(bool parts) {
        Open* const one = some();
        const std::uint32_t size = in_.big<std::uint16_t>() % 20'000;
        const std::uint8_t how = in_.u8();
        const int flags = ((how & 1) != 0 ? WEFT_URGENT : 0) | ((how & 2) != 0 ? WEFT_DONTWAIT : 0) |
                          ((how & 4) != 0 ? WEFT_MORE : 0) | ((how & 192) == 192 ? 0x10'0000 : 0);
        if (!one || one->wrote > 300'000) return;
        if (one->local == 0) know(*one);
        std::vector<std::byte> bytes(size);
        for (std::uint32_t i = 0; i < size; ++i) bytes[i] = text(one->local, one->remote, one->wrote + i);
        const std::size_t cut = size / 3;
        const std::array<iovec, 3> iov{{{bytes.data(), cut}, {bytes.data() + cut, 0}, {bytes.data() + cut, size - cut}}};
        const ssize_t done =
            parts ? weft_writev(stack(), one->fd, iov.data(), (how & 8) != 0 ? std::min<int>(std::int8_t(how), 3) : 3, flags)
                  : weft_write(stack(), one->fd, bytes.data(), bytes.size(), flags);
        hear(*one, done);
        FUZZ_CHECK(done <= ssize_t(size));
        if (done > 0) one->wrote += std::uint64_t(done);
    }

    void expect(const Open& one, Bytes bytes, std::uint64_t from) {
        for (std::size_t i = 0; i < bytes.size(); ++i) FUZZ_CHECK(bytes[i] == text(one.remote, one.local, from + i));
    }
    // A failure is told once; from then on a flow reads as ended, as it does in Linux: EPIPE also stands for a reset behind the peer's end.
    static void hear(Open& one, ssize_t done) {
        answered(done);
        for (const int failure : {ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ECONNABORTED})
            one.deaf |= done == -failure;
        one.deaf |= done == -EPIPE && !one.shut;
    }
    // The peer's half is over: somebody wrote exactly this.
    void ended(const Open& one) {
        if (one.deaf) return;
        const Side& writer = other();
        FUZZ_CHECK(std::any_of(writer.open.begin(), writer.open.end(), [&](const Open& each) {
            const bool unknown = each.local == 0;  // closed before anybody asked
            return unknown || (each.wrote == one.read && each.local == one.remote && each.remote == one.local);
        }));
    }
    void read(bool parts) {
        Open* const one = some();
        const std::uint32_t most = in_.big<std::uint16_t>();
        const std::uint8_t how = in_.u8();
        const int flags =
            ((how & 1) != 0 ? WEFT_PEEK : 0) | ((how & 2) != 0 ? WEFT_DONTWAIT : 0) | ((how & 192) == 192 ? how : 0);
        if (!one) return;
        if (one->local == 0) know(*one);
        std::vector<std::byte> bytes(most);
        const std::array<iovec, 2> iov{{{bytes.data(), most / 2}, {bytes.data() + most / 2, most - most / 2}}};
        const ssize_t done = parts ? weft_readv(stack(), one->fd, iov.data(), 2, flags)
                                   : weft_read(stack(), one->fd, bytes.data(), bytes.size(), flags);
        hear(*one, done);
        if (done < 0) return;
        FUZZ_CHECK(done <= ssize_t(most));
        if (done == 0 && most > 0) return ended(*one);
        expect(*one, Bytes{bytes}.first(std::size_t(done)), one->read);
        if ((flags & WEFT_PEEK) == 0) one->read += std::uint64_t(done);
    }
    void take() {
        Open* const one = some();
        const int count = std::int8_t(in_.u8()) % 70;
        if (!one) return;
        if (one->local == 0) know(*one);
        std::array<iovec, 70> iov;
        weft_lease* lease = nullptr;
        const ssize_t done = weft_take(stack(), one->fd, iov.data(), count, &lease);
        hear(*one, done);
        FUZZ_CHECK((done > 0) == (lease != nullptr));
        if (done <= 0) return;
        std::uint64_t bytes = 0;
        for (int i = 0; i < count; ++i) {
            expect(*one, {static_cast<const std::byte*>(iov[std::size_t(i)].iov_base), iov[std::size_t(i)].iov_len},
                   one->read + bytes);
            bytes += iov[std::size_t(i)].iov_len;
        }
        FUZZ_CHECK(bytes == std::uint64_t(done));
        one->read += bytes;
        for (Lent& each : me_->leases) {
            if (each.lease != lease) continue;
            FUZZ_CHECK(each.returned);
            each.returned = false;
            lease = nullptr;
        }
        if (lease) me_->leases.push_back({lease, false});
    }
    void give_back() {
        const std::uint8_t which = in_.u8();
        if (which == 255 || me_->leases.empty()) return weft_return(nullptr);
        Lent& one = me_->leases[which % me_->leases.size()];
        weft_return(one.lease);  // perhaps for the second time
        one.returned = true;
    }

    void shut() {
        Open* const one = some();
        const int how = in_.u8() % 5;
        if (!one) return;
        const int done = weft_shutdown(stack(), one->fd, how);
        hear(*one, done);
        if (done == 0 && (how & WEFT_READ) != 0) one->deaf = true;
        if (done == 0 && (how & WEFT_WRITE) != 0) one->shut = true;
    }
    void close() {
        const std::uint8_t which = in_.u8();
        if (which >= 250) return void(answered(weft_close(stack(), weft_fd(in_.big<std::uint64_t>()))));
        if (me_->open.empty()) return;
        Open& one = me_->open[me_->open.size() - 1 - which % me_->open.size()];
        const int done = answered(weft_close(stack(), one.fd));
        FUZZ_CHECK(one.closed ? done == -EBADF : done == 0);  // a stale descriptor is never another
        one.closed = true;
    }
    void finish() {
        const weft_fd fd = any();
        const int done = weft_finish(stack(), fd);
        for (Open& one : me_->open)
            if (one.fd == fd) hear(one, done);
    }
    void abort() {
        Open* const one = some();
        if (!one) return;
        const int done = answered(weft_abort(stack(), one->fd));
        FUZZ_CHECK(one->closed ? done == -EBADF : done == 0);
        one->closed = true;
    }

    static constexpr std::array levels{SOL_SOCKET, int(IPPROTO_TCP), int(IPPROTO_IP), int(IPPROTO_IPV6)};
    void set_option() {
        const weft_fd fd = any();
        const int level = levels[in_.u8() % levels.size()], name = in_.u8();
        const std::size_t size = in_.u8() % 33;
        std::array<std::byte, 32> value{};
        in_.copy(std::span{value}.first(std::min<std::size_t>(size, 4)));
        answered(weft_setsockopt(stack(), fd, level, name, value.data(), std::min<std::size_t>(size, 32)));
    }
    void get_option() {
        const weft_fd fd = any();
        const int level = levels[in_.u8() % levels.size()], name = in_.u8();
        std::vector<std::byte> value(in_.big<std::uint16_t>() % 300);
        std::size_t size = value.size();
        static std::byte nothing;
        if (answered(weft_getsockopt(stack(), fd, level, name, value.empty() ? &nothing : value.data(), &size)) == 0)
            FUZZ_CHECK(size <= value.size());
        if (level == SOL_SOCKET && name == SO_ERROR)
            for (Open& one : me_->open) one.deaf |= one.fd == fd;
    }
    void set() {
        const weft_fd fd = any();
        const weft_options with = options();
        answered(weft_set(stack(), fd, &with));
    }
    unsigned long request() {
        return std::array<unsigned long, 5>{FIONREAD, TIOCOUTQ, 0x8905, 0x894b, in_.u8()}[in_.u8() % 5];
    }
    void poll() {
        std::vector<weft_pollfd> all;
        for (int i = in_.u8() % 8; i > 0; --i) all.push_back({any(), std::int16_t(in_.big<std::uint16_t>()), 0, 0});
        const int ready = answered(weft_poll(stack(), all.data(), all.size()));
        FUZZ_CHECK(ready == std::count_if(all.begin(), all.end(), [](const weft_pollfd& one) { return one.revents != 0; }));
    }
    void events() {
        std::array<weft_pollfd, 16> all;
        const std::size_t room = in_.u8() % 17;
        const int told = answered(weft_events(stack(), all.data(), room));
        FUZZ_CHECK(std::size_t(told) <= room);
        for (int i = 0; i < told; ++i)
            FUZZ_CHECK(std::any_of(me_->open.begin(), me_->open.end(),
                                   [&](const Open& one) { return one.fd == all[std::size_t(i)].fd; }) ||
                       me_->open.size() >= 200);
    }
    void peers() {
        weft_sockaddr local{}, remote{};
        const std::uint8_t which = in_.u8();
        answered(weft_peers(stack(), any(), (which & 1) != 0 ? &local : nullptr, (which & 2) != 0 ? &remote : nullptr));
    }
    void texts() {
        std::array<char, 64> bytes{};
        in_.copy(std::as_writable_bytes(std::span{bytes}.first(1 + in_.u8() % 60)));
        weft_sockaddr parsed{};
        if (answered(weft_parse(bytes.data(), &parsed)) != 0) return;
        std::array<char, 256> out{};
        const std::size_t room = in_.u8();
        const int length = weft_format(&parsed, out.data(), room);
        FUZZ_CHECK(length == -ENOSPC || (length > 0 && std::size_t(length) < room));
        weft_sockaddr again{};
        if (length > 0) FUZZ_CHECK(weft_parse(out.data(), &again) == 0 && again.port == parsed.port);
    }

    // --- packets and time ---
    void collect(Side& side) {
        std::array<weft_packet, 8> out;
        for (int made, rounds = 0; (made = weft_output(side.stack, out.data(), out.size(), now_.nanoseconds())) > 0;) {
            FUZZ_CHECK(++rounds < 20'000);
            for (const weft_packet& each : std::span{out}.first(std::size_t(made))) {
                const auto* const bytes = static_cast<const std::byte*>(each.data);
                if (side.sent.size() >= 256) side.sent.pop_front();
                side.sent.emplace_back(bytes, bytes + each.length);
            }
        }
    }
    void deliver(Side& from, Side& to, std::size_t most) {
        collect(from);
        std::vector<weft_packet> batch;
        std::vector<std::vector<std::byte>> alive;
        for (; most > 0 && !from.sent.empty(); --most, from.sent.pop_front()) alive.push_back(std::move(from.sent.front()));
        for (const auto& each : alive) batch.push_back({sizeof(weft_packet), 0, each.data(), each.size()});
        const int took = answered(weft_input(to.stack, batch.data(), batch.size(), now_.nanoseconds()));
        FUZZ_CHECK(std::size_t(took) <= batch.size());
    }
    void move(std::size_t count) { deliver(*me_, other(), count); }
    void lose() {
        collect(*me_);
        const std::uint8_t which = in_.u8();
        if (me_->sent.empty()) return;
        const auto at = me_->sent.begin() + which % me_->sent.size();
        if ((which & 128) != 0) me_->sent.push_back(*at);
        else me_->sent.erase(at);
    }
    void garbage() {
        const Bytes bytes = in_.take(std::min<std::size_t>(in_.u8(), in_.left()));
        const weft_packet one{sizeof(weft_packet), in_.u8() % 4u, bytes.data(), bytes.size()};
        answered(weft_input(stack(), &one, 1, now_.nanoseconds()));
    }
    void pass(Duration duration) {
        now_ = now_ + duration;
        for (Side& side : sides_) {
            for (int i = 0; i < 1'000 && weft_deadline(side.stack) <= now_.nanoseconds(); ++i) {
                FUZZ_CHECK(weft_advance(side.stack, now_.nanoseconds()) == 0);
                collect(side);
            }
        }
    }
    void exchange(int rounds) {
        for (; rounds > 0; --rounds) {
            deliver(sides_[0], sides_[1], 64);
            deliver(sides_[1], sides_[0], 64);
            pass(Duration::milliseconds(2));
        }
        for (Side& side : sides_)
            for (Open& one : side.open)
                if (one.local == 0 && !one.closed) know(side, one);
    }
    // Everything is closed, and in the end no timer runs.
    void wind_up() {
        for (Side& side : sides_) {
            me_ = &side;
            for (Open& one : side.open)
                if (!one.closed) FUZZ_CHECK(answered(weft_close(side.stack, one.fd)) == 0);
        }
        for (int rounds = 0; rounds < 20'000; ++rounds) {
            exchange(1);
            const weft_time next = std::min(weft_deadline(sides_[0].stack), weft_deadline(sides_[1].stack));
            if (next == WEFT_NEVER && sides_[0].sent.empty() && sides_[1].sent.empty()) return;
            if (sides_[0].sent.empty() && sides_[1].sent.empty() && next != WEFT_NEVER && next > now_.nanoseconds())
                pass(Instant::from_nanoseconds(next) - now_);
        }
        FUZZ_CHECK(!"something never ends");
    }

    Reader in_;
    Side sides_[2];
    Side* me_{&sides_[0]};
    Instant now_ = Instant::from_nanoseconds(1'000'000'000);
};

}  // namespace
}  // namespace weft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4'096) return 0;
    weft::fuzz::Play{weft::fuzz::bytes_of(data, size)}.run();
    return 0;
}
