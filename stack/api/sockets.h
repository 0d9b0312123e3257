// Sockets over an engine: the calls of POSIX with the errno values of Linux, without descriptors, blocking, threads or a clock.
// Nothing here waits: what would block says EAGAIN or EINPROGRESS, and who can wait (an adapter) calls again when told.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "stack/api/errors.h"
#include "stack/core/address.h"
#include "stack/core/random.h"
#include "stack/core/slab.h"
#include "stack/engine/engine.h"

namespace weft::api {

struct Socket;
using SocketId = Handle<Socket>;

// What setsockopt() keeps of a socket; accepted ones begin with their listener's. Times are milliseconds or, where POSIX has
// them so, seconds.
struct SocketOptions {
    bool reuse_address{false}, keepalive{false}, nodelay{false}, cork{false}, oob_inline{false}, linger{false};
    bool quickack{true}, inq{false};
    std::int32_t linger_seconds{0};
    std::uint32_t receive_buffer{0}, send_buffer{0};  // bytes as they were asked for; 0: the stack's default
    std::uint32_t user_timeout{0};  // ms; 0: the stack's default
    std::uint32_t keep_idle{0}, keep_interval{0};  // s; 0: as the stack is tuned
    std::uint8_t keep_probes{0};
    std::uint32_t unsent_low{0};  // bytes: TCP_NOTSENT_LOWAT; 0: no bound
    std::uint32_t receive_low{1};  // bytes: SO_RCVLOWAT
    std::uint16_t max_segment{0};  // bytes; 0: what the path lets through
    std::uint16_t congestion{0};  // slot of the module
    std::uint8_t defer_accept{0}, syn_count{0}, dscp{0}, ecn{0}, hop_limit{64};
    std::uint32_t fast_open{0};  // listener: flows whose SYN brought text and whose handshake is not through; 0: off
    std::array<std::uint64_t, 2> fast_open_key{};  // listener: of its cookies; zero: the stack's
    bool fast_open_connect{false};  // connect() waits for the first text where a cookie of the server is known
};

struct Socket {
    // `deferred`: connect() has said 0, and the SYN leaves with the first text.
    enum class Kind : std::uint8_t { fresh, listener, deferred, connecting, stream, ended };
    Kind kind{};
    Family family{};
    bool bound{false}, told_connected{false};  // bind() was called; connect() has said 0
    bool end{false};  // the peer's FIN is in: reading ends behind what is there
    bool read_shut{false}, write_shut{false};
    bool urgent{false};  // urgent text is ahead
    std::uint32_t woken{0};  // what next_woken() has not told yet
    int error{0};  // SO_ERROR: an errno value, taken by the call that tells it
    int fate{0};  // what the flow failed with; nobody takes it
    Endpoint local, remote;
    Flow flow;
    ListenerId listener;
    SocketOptions options;
};

// poll(2)'s bits, with Linux's values.
enum Ready : std::uint32_t {
    in = 0x001,
    priority = 0x002,
    out = 0x004,
    trouble = 0x008,
    hang_up = 0x010,
    peer_shut = 0x2000
};

// Of send() and receive(), with Linux's values; others are refused with EINVAL or ignored as Linux does.
enum MessageFlag : int {
    oob = 0x1,
    peek = 0x2,
    truncate = 0x20,
    dont_wait = 0x40,
    end_of_record = 0x80,
    wait_all = 0x100,
    more = 0x8000
};

class Sockets {
public:
    Sockets(Engine& engine, const HashKey& ports) : engine_{&engine}, ports_{ports} {}

    Outcome<SocketId> open(Family family);
    // `any_port`: port 0 stays open for listen() to take every port.
    Outcome<void> bind(SocketId id, const Endpoint& local, bool any_port = false);
    // `ask`: each SYN is a question of next_question(). `any_port`: every port that no other listener has; then it is not bound.
    Outcome<void> listen(SocketId id, int backlog, Instant now, bool ask = false, bool any_port = false);
    Outcome<SocketId> accept(SocketId id, Instant now);
    Outcome<void> connect(SocketId id, const Endpoint& remote, Instant now);
    Outcome<void> disconnect(SocketId id, Instant now);  // connect() with AF_UNSPEC
    Outcome<std::size_t> receive(SocketId id, std::span<const iovec> into, int flags, Instant now);
    Outcome<std::size_t> send(SocketId id, std::span<const iovec> from, int flags, Instant now);
    // connect() and send() in one, the text with the SYN (MSG_FASTOPEN, RFC 7413): how much of it left so. EINPROGRESS: none, as no
    // cookie of that server is known, or there is no text. EOPNOTSUPP: Fast Open is off; EALREADY: the handshake is under way.
    // `all`: who waits for the handshake anyway has the rest queued behind the SYN, and 0 stands for EINPROGRESS.
    Outcome<std::size_t> send_first(SocketId id, const Endpoint& remote, std::span<const iovec> from, int flags, Instant now,
                                    bool all = false);
    Outcome<std::size_t> take(SocketId id, std::span<Slice> into, Instant now);  // lends what came, no copy: how many slices
    Outcome<std::size_t> give(SocketId id, const Slice& slice, Instant now);  // all of it or EAGAIN, no copy
    enum class How : std::uint8_t { read, write, both };
    Outcome<void> shutdown(SocketId id, How how, Instant now);
    Outcome<void> close(SocketId id, Instant now);  // never waits; lingering is up to who can
    Outcome<void> abort(SocketId id, Instant now);  // a reset, at once

    std::uint32_t poll(SocketId id);  // of Ready; a stale id is in trouble
    Outcome<Endpoint> local(SocketId id) const;
    Outcome<Endpoint> remote(SocketId id) const;  // ENOTCONN
    const Socket* find(SocketId id) const { return sockets_.find(id); }
    Engine& engine() { return *engine_; }
    // As Linux's sockets do it: what had come can be read after a reset, before accept(), too, and TCP_INFO tells of a flow that failed
    // (ConnectOptions::keep_failed). Of sockets to come.
    void keep_failed(bool wanted) { keep_failed_ = wanted; }
    // Send buffers count as Linux's do: by the packets that text is put into, each with its overhead, filled to half of the peer's
    // window whatever the bound says; ready to write is what has a third of it free. Of sockets to come.
    void count_packets(bool wanted) { counts_packets_ = wanted; }
    void unsent_low(std::uint32_t bytes) { unsent_low_ = bytes; }  // TCP_NOTSENT_LOWAT of sockets that set none; 0: no bound
    void begin_with(const SocketOptions& options) { defaults_ = options; }  // of sockets to come
    const SocketOptions& defaults() const { return defaults_; }

    // options.cc: level, name and value as in <sys/socket.h> and <netinet/tcp.h>.
    Outcome<void> set_option(SocketId id, int level, int name, std::span<const std::byte> value, Instant now);
    Outcome<std::size_t> get_option(SocketId id, int level, int name, std::span<std::byte> value, Instant now);
    Outcome<int> ask(SocketId id, unsigned long request) const;  // FIONREAD, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK

    // Takes the engine's events. To be called after every input of the engine; what they changed is then told by next_woken().
    void settle(Instant now);
    void hear(const Event& event) { take_event(event); }  // where somebody else takes them
    // Sockets of which something happened since they were last told: each once, with all that it was.
    struct Woken {
        SocketId socket;
        std::uint32_t what{0};  // of Ready
    };
    bool next_woken(Woken& out);
    // SYNs that wait for Engine::answer(), and who listens.
    struct Asked {
        Question question;
        SocketId listener;
    };
    bool next_question(Asked& out);
    std::uint32_t count() const { return std::uint32_t(sockets_.size()); }

private:
    Outcome<Socket*> get(SocketId id);
    Outcome<void> begin(Socket& socket, SocketId id, const Endpoint& remote, bool fast_open, Instant now);
    SocketId owner(Flow flow) const;
    void own(Flow flow, SocketId id);
    void take_event(const Event& event);
    void wake(SocketId id, std::uint32_t what);
    Outcome<std::uint16_t> free_port(const Endpoint& local, bool reuse);
    bool port_taken(const Endpoint& local, bool reuse) const;
    void forget_port(const Socket& socket, SocketId id);
    Outcome<void> apply(Socket& socket, Instant now);
    void let_go(Socket& socket, Instant now);
    int take_error(Socket& socket);
    Outcome<std::size_t> nothing_to_read(Socket& socket, Error why);
    Outcome<void> may_send(Socket& socket);
    bool writable(const Socket& socket) const;
    ConnectOptions connect_options(const Socket& socket) const;
    ConnectOptions active_options(const Socket& socket) const;  // from where it is bound, too

    Outcome<void> set_socket_level(Socket& socket, int name, std::span<const std::byte> value, Instant now);
    Outcome<void> set_tcp_level(Socket& socket, int name, std::span<const std::byte> value, Instant now);
    Outcome<int> get_socket_level(Socket& socket, int name);
    Outcome<int> get_tcp_level(const Socket& socket, int name) const;

    Engine* engine_;
    HashKey ports_;
    std::uint64_t drawn_{0};
    // What is in a send buffer that counts packets: all that was ever written, and where packets end in it.
    struct Counted {
        std::uint64_t written{0};
        std::deque<std::uint64_t> ends;
    };
    Outcome<std::size_t> send_counted(Socket& socket, std::span<const iovec> from, int flags, Instant now);
    std::size_t packets_take(const Socket& socket, Counted& counted, std::size_t wanted);
    bool packets_ready(const Socket& socket, const Counted& counted) const;
    std::uint64_t packet_memory(const Socket& socket, const Counted& counted) const;
    std::uint64_t memory_limit(const Socket& socket) const;
    std::map<std::uint32_t, Counted> counted_;  // under the place of the flow's handle
    bool keep_failed_{false}, counts_packets_{false};
    SocketOptions defaults_;
    std::uint32_t unsent_low_{0};
    std::uint32_t unsent_low(const Socket& socket) const {
        return socket.options.unsent_low > 0 ? socket.options.unsent_low : unsent_low_;
    }
    Slab<Socket> sockets_;
    std::vector<SocketId> by_flow_, by_listener_;  // under the index of flow or listener
    std::multimap<std::uint16_t, SocketId> by_port_;  // who is bound to it
    std::vector<SocketId> woken_;  // whose Socket::woken is not zero, and some that are gone
    std::size_t told_{0};  // of them
    std::vector<Asked> asked_;  // the newest first
};

}  // namespace weft::api
