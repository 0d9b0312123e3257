/* weft in C: the calls you know from sockets, over any address family. Errors are negative errno values.
 *
 * Threads: calls on one stack may come from any thread; each takes the stack's lock. What says otherwise says so. A stack of
 * weft_new() has no thread, socket or clock of its own and makes no system call: you move packets and the time, and nothing
 * blocks: -EAGAIN instead. A call happens at the time last given. A stack of weft_open() has links of its own, but no thread: what
 * waits in a call serves all flows meanwhile, and who waits elsewhere watches weft_event_fd(). */
#ifndef WEFT_H
#define WEFT_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#ifdef __cplusplus
extern "C" {
#endif

#if defined(WEFT_BUILD)
#define WEFT_API __attribute__((visibility("default")))
#else
#define WEFT_API
#endif

#define WEFT_ABI 1                /* libweft.so.1 */
WEFT_API int weft_abi(void);      /* of the library that is loaded; any thread, no lock */

typedef struct weft_stack weft_stack;
typedef int64_t weft_fd; /* shard 7, index 24, generation 32 bits: a stale one answers -EBADF, never another flow */
typedef int64_t weft_time; /* ns on your clock; it never runs backwards */
#define WEFT_NEVER INT64_MAX /* no deadline */

enum { WEFT_ANY = 0, WEFT_IPV4 = 1, WEFT_IPV6 = 2, WEFT_OVERLAY = 3 };

typedef struct weft_sockaddr { /* every family in one struct: no casts */
    uint32_t size; /* sizeof(weft_sockaddr): fields are only appended */
    uint8_t family; /* WEFT_ANY: the wildcard */
    uint8_t length; /* bytes of the address: 0, 4, 16 or 64 */
    uint16_t port; /* host order; 0: any */
    uint32_t scope; /* zone of a link-local address, an interface's index; else 0 */
    uint8_t bytes[64];
} weft_sockaddr;

/* "10.0.0.1:80", "[fe80::1%2]:80", "weft1...:80", "*:80", and "[...]" around any address. Any thread, no lock. weft_format
 * returns the length that the text has; -ENOSPC: capacity is not above it. */
WEFT_API int weft_parse(const char* text, weft_sockaddr* out);
WEFT_API int weft_format(const weft_sockaddr* address, char* out, size_t capacity);

/* ---- a stack without I/O --------------------------------------------------------------------------------------------- */

/* Lines of "name = value", "#" begins a comment: "address = 10.0.0.1" or "10.0.0.1/24" (as many as you like), "link" and "mtu"
 * for what follows, "any_address = on" (or "off"): TCP to every address behind that link is for us, "memory" in bytes, and any
 * tunable of docs/tunables.md. NULL: nothing but defaults. The same seed and the same calls give the same run. -EINVAL: a line
 * or an argument is wrong; weft_why() says which one and what would be right. */
WEFT_API int weft_new(const char* config, const uint8_t seed[16], weft_stack** out);
/* What was wrong with this thread's last weft_new() or weft_open() that failed, or what a listener's function threw in a call of this
 * thread, whichever was later; "" before. */
WEFT_API const char* weft_why(void);
/* What is open is gone; all leases were returned, no other call is running. From within a listener's function: when the call that
 * asked it ends, which says -ECONNABORTED if it waits. */
WEFT_API void weft_free(weft_stack* stack);

/* ---- a stack with links of its own --------------------------------------------------------------------------------------- */

/* The text of a weft.toml (docs/node.md): UDP sockets and peers of the overlay, TAP devices, what flows begin with ([tcp]), plugins,
 * services, which answer while somebody waits in a call, and a recording, which has the one thread of a stack and no signals. [plugins]
 * needs `directories`: the default is beside the program, not beside the library. Without [node] key
 * the key is fresh; NULL: such a node, on UDP port 7001. Errors: -EINVAL where the text is wrong or names what cannot be read, -EIO where
 * no recording can begin, -ENOMEM, else what the system said (-EADDRINUSE, -EADDRNOTAVAIL, -EPERM, ...); weft_why() says what is wrong and
 * its mend. weft_input(), weft_output() are
 * -EOPNOTSUPP on it; weft_advance() does what is to be done now, whatever the time it is given. */
WEFT_API int weft_open(const char* config, weft_stack** out);
/* One descriptor of the kernel's for poll(), epoll and their like, level-triggered: readable when there is something to do. Then call
 * weft_advance(), and weft_events() or weft_poll(). It is the stack's: do not close it. -EOPNOTSUPP without I/O. */
WEFT_API int weft_event_fd(weft_stack* s);

/* This stack's first address of a family, WEFT_ANY: of all; port 0. -EADDRNOTAVAIL: it has none. */
WEFT_API int weft_self(weft_stack* s, int family, weft_sockaddr* out);

/* ---- packets and time of a stack without I/O -------------------------------------------------------------------------------- */

typedef struct weft_packet { /* from the IP or overlay header on */
    uint32_t size; /* sizeof(weft_packet) */
    uint32_t link; /* yours: which way it came, which way it goes */
    const void* data;
    size_t length; /* bytes, at most 65,535 */
} weft_packet;

/* Copies the packets in. Returns how many were taken: the others were too long, or found no memory. */
WEFT_API int weft_input(weft_stack* s, const weft_packet* packets, size_t count, weft_time now);
/* What is to be sent now: how many of `out` were filled; 0: nothing more. Their data is valid until the next weft_output(). */
WEFT_API int weft_output(weft_stack* s, weft_packet* out, size_t capacity, weft_time now);
WEFT_API weft_time weft_deadline(weft_stack* s); /* call weft_advance no later than this */
WEFT_API int weft_advance(weft_stack* s, weft_time now);

/* ---- flows --------------------------------------------------------------------------------------------------------- */

/* WEFT_FAST_OPEN (RFC 7413): text goes with the SYN. A listener takes it, accept() may give the flow before the handshake is through; of
 * weft_connect() the SYN leaves with the first weft_write(), which says how much of it went, where the server's cookie is known.
 * No other call sends it: who reads first waits until somebody writes, as on Linux. -EOPNOTSUPP: the stack is tuned not to. Accepted
 * flows begin without WEFT_NONBLOCK. */
enum { WEFT_NODELAY = 1, WEFT_KEEPALIVE = 2, WEFT_NONBLOCK = 4, WEFT_FAST_OPEN = 8 };
typedef struct weft_options { /* zero: the default of each */
    uint32_t size; /* sizeof(weft_options) */
    uint32_t flags; /* WEFT_NODELAY, WEFT_KEEPALIVE, WEFT_NONBLOCK, WEFT_FAST_OPEN */
    const char* congestion; /* "reno", "cubic", a plugin's module; NULL: the default */
    uint32_t user_timeout_ms;
    uint32_t send_buffer, receive_buffer; /* bytes */
    uint8_t dscp, hop_limit, reserved[2];
} weft_options;

/* NULL local: any. NULL options: defaults. Without I/O, or with WEFT_NONBLOCK, a flow is connected when weft_poll() says POLLOUT;
 * else weft_connect() returns when it is, and weft_accept, weft_read, weft_take, weft_finish wait for what they give, and
 * weft_write until all is taken. */
WEFT_API weft_fd weft_connect(weft_stack* s, const weft_sockaddr* local, const weft_sockaddr* remote,
                              const weft_options* options);
/* A backlog that is not above 0 is the stack's: 128, or as [tcp] says. */
WEFT_API weft_fd weft_listen(weft_stack* s, const weft_sockaddr* local, int backlog, const weft_options* options);
WEFT_API weft_fd weft_accept(weft_stack* s, weft_fd listener, weft_sockaddr* remote); /* remote may be NULL */

/* A listener as a function, asked at each SYN with both endpoints; local WEFT_ANY and port 0 is any address, any port; an address
 * and port 0 is any port of it. The function runs under the lock: of this stack it may call weft_return() and weft_free() alone; all
 * else says -EDEADLK. It returns: of C++ that throws the SYN is refused, and weft_why() says what it threw; no longjmp(), no
 * pthread_exit(). After WEFT_LATER nothing goes back before weft_answer(): keep `asked`, which is
 * no flow: it is -EBADF to other calls, as a flow is to weft_answer(). -EBADF, too: the peer gave up meanwhile. Over weft_open() a
 * listener opens its one port to the overlay's members; of one on any port, [[expose]] in the configuration names those that are open. */
enum weft_answer { WEFT_ACCEPT, WEFT_REFUSE, WEFT_DROP, WEFT_LATER };
typedef enum weft_answer weft_listener(void* context, weft_fd asked, const weft_sockaddr* local,
                                       const weft_sockaddr* remote);
WEFT_API weft_fd weft_listen_with(weft_stack* s, const weft_sockaddr* local, int backlog, const weft_options* options,
                                  weft_listener* function, void* context);
WEFT_API int weft_answer(weft_stack* s, weft_fd asked, int answer); /* one of enum weft_answer, else -EINVAL */

/* Flags of reading and writing have the values of MSG_OOB, MSG_PEEK, MSG_DONTWAIT and MSG_MORE. Urgent text stays in the stream
 * (RFC 6093). 0 bytes read: the peer has ended its half. */
enum { WEFT_URGENT = 0x1, WEFT_PEEK = 0x2, WEFT_DONTWAIT = 0x40, WEFT_MORE = 0x8000 };
WEFT_API ssize_t weft_read(weft_stack* s, weft_fd fd, void* buffer, size_t length, int flags);
WEFT_API ssize_t weft_readv(weft_stack* s, weft_fd fd, const struct iovec* iov, int count, int flags);
WEFT_API ssize_t weft_write(weft_stack* s, weft_fd fd, const void* buffer, size_t length, int flags);
WEFT_API ssize_t weft_writev(weft_stack* s, weft_fd fd, const struct iovec* iov, int count, int flags);

/* What came is lent, not copied, until it is returned, by any thread. Returns the bytes in the first parts of iov; the others
 * have the length 0. count is at most 64. *lease is NULL where nothing is lent; returning NULL, or what has been returned and
 * is not lent anew, does nothing. */
typedef struct weft_lease weft_lease;
WEFT_API ssize_t weft_take(weft_stack* s, weft_fd fd, struct iovec* iov, int count, weft_lease** lease);
WEFT_API void weft_return(weft_lease* lease);

enum { WEFT_READ = 1, WEFT_WRITE = 2 };
WEFT_API int weft_shutdown(weft_stack* s, weft_fd fd, int directions);
WEFT_API int weft_close(weft_stack* s, weft_fd fd); /* a flow or a listener; never blocks: safe in a destructor */
/* Ends our half. 0: both have ended and all was read; -EAGAIN: not yet; -ENOTCONN: a listener, or a flow whose SYN never left; or what
 * the flow failed with, as often as it is asked. Where it waits, what still comes is thrown away. */
WEFT_API int weft_finish(weft_stack* s, weft_fd fd);
WEFT_API int weft_abort(weft_stack* s, weft_fd fd); /* a reset */
WEFT_API int weft_peers(weft_stack* s, weft_fd fd, weft_sockaddr* local, weft_sockaddr* remote); /* either may be NULL */
WEFT_API int weft_set(weft_stack* s, weft_fd fd, const weft_options* options);

/* Level, name and value as setsockopt() and getsockopt() have them, and FIONREAD, SIOCOUTQ, SIOCATMARK as ioctl() has them. */
WEFT_API int weft_setsockopt(weft_stack* s, weft_fd fd, int level, int name, const void* value, size_t length);
WEFT_API int weft_getsockopt(weft_stack* s, weft_fd fd, int level, int name, void* value, size_t* length);
WEFT_API int weft_ioctl(weft_stack* s, weft_fd fd, unsigned long request); /* the number, or an error */

typedef struct weft_pollfd {
    weft_fd fd;
    int16_t events, revents; /* POLLIN, POLLOUT, POLLPRI, POLLERR, POLLHUP, POLLRDHUP */
    uint32_t reserved;
} weft_pollfd;
WEFT_API int weft_poll(weft_stack* s, weft_pollfd* fds, size_t count); /* what is ready now: how many */
/* The same, when there is something, or timeout_ms have passed: 0. -1: no timeout. Serves the stack meanwhile, also with no fds at all;
 * without I/O it is weft_poll(). */
WEFT_API int weft_wait(weft_stack* s, weft_pollfd* fds, size_t count, int timeout_ms);
/* Edges: what happened to whom since the last call, at most `capacity` of them; 0: nothing more. `revents` says what, of all. */
WEFT_API int weft_events(weft_stack* s, weft_pollfd* out, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
