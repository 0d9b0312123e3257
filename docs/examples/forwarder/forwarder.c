/* Accepts any address and any port behind a TUN device, and relays each connection to the same port of one host. The SYN,ACK leaves
 * when the way onward is open, and a way that is refused is a refusal.
 *   forwarder weft0 127.0.0.1
 * Build: cc -std=c11 forwarder.c $(pkg-config --cflags --libs weft) -o forwarder */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <weft.h>

enum { MOST = 1024, PIECE = 65536, PATIENCE = 120 /* s from the SYN until there is a flow */ };

/* One direction: what was read on one side and not yet written on the other. */
struct way {
    char bytes[PIECE];
    size_t begin, end;
    int closed; /* 1: the reading side has ended; 2: the writing side was told */
};

struct relay {
    int onward;              /* the kernel's socket; -1: free */
    int open;                /* connected */
    weft_fd asked, flow;     /* flow 0: not accepted yet */
    weft_sockaddr from, to;
    weft_time began;
    struct way there, back;
};

static struct relay *relays[MOST];
static weft_stack *stack;
static struct in_addr target;
static int tun;

static weft_time now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (weft_time)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "forwarder: %s: %s %s\n", what, strerror(errno), weft_why());
    exit(1);
}

static int same(const weft_sockaddr *a, const weft_sockaddr *b) {
    return a->port == b->port && a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* Asked at each SYN, with both endpoints. */
static enum weft_answer ask(void *context, weft_fd asked, const weft_sockaddr *local, const weft_sockaddr *remote) {
    (void)context;
    int i = 0;
    while (i < MOST && relays[i]) ++i;
    if (i == MOST) return WEFT_DROP;
    struct relay *r = calloc(1, sizeof *r);
    if (!r) return WEFT_DROP;
    const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(local->port), .sin_addr = target};
    r->onward = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (r->onward < 0 || (connect(r->onward, (const struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)) {
        if (r->onward >= 0) close(r->onward);
        free(r);
        return WEFT_REFUSE;
    }
    r->asked = asked, r->from = *remote, r->to = *local, r->began = now();
    relays[i] = r;
    return WEFT_LATER;
}

static void drop(struct relay **r) {
    close((*r)->onward);
    if ((*r)->flow) weft_close(stack, (*r)->flow);
    free(*r);
    *r = NULL;
}

/* The way onward is open, or will never be. Who asked may have given up meanwhile: then the answer is an error. */
static void settle(struct relay **r) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt((*r)->onward, SOL_SOCKET, SO_ERROR, &error, &size);
    const int answered = weft_answer(stack, (*r)->asked, error ? WEFT_REFUSE : WEFT_ACCEPT);
    (*r)->open = !error && answered == 0;
    if (!(*r)->open) drop(r);
}

static void accept_all(weft_fd listener) {
    weft_sockaddr from, to;
    for (weft_fd flow; (flow = weft_accept(stack, listener, &from)) > 0;) {
        weft_peers(stack, flow, &to, NULL);
        struct relay *found = NULL;
        for (int i = 0; i < MOST && !found; ++i)
            if (relays[i] && !relays[i]->flow && same(&relays[i]->from, &from) && same(&relays[i]->to, &to)) found = relays[i];
        if (found) found->flow = flow;
        else weft_abort(stack, flow);
    }
}

/* Nothing tells of a SYN that was accepted and whose sender was never heard of again. */
static void drop_forgotten(void) {
    const weft_time oldest = now() - (weft_time)PATIENCE * 1000000000;
    for (int i = 0; i < MOST; ++i) {
        if (!relays[i] || relays[i]->flow || relays[i]->began > oldest) continue;
        if (!relays[i]->open) weft_answer(stack, relays[i]->asked, WEFT_DROP);
        drop(&relays[i]);
    }
}

/* Both directions, as far as they go now. 0: it is over. */
static int pump(struct relay *r) {
    for (ssize_t n = 1; n > 0;) {
        struct way *w = &r->there;
        if (w->begin == w->end && !w->closed) {
            n = weft_read(stack, r->flow, w->bytes, PIECE, 0);
            if (n < 0 && n != -EAGAIN) return 0;
            w->begin = 0, w->end = n > 0 ? (size_t)n : 0, w->closed = n == 0;
        }
        if (w->begin == w->end) break;
        n = send(r->onward, w->bytes + w->begin, w->end - w->begin, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return 0;
        if (n > 0) w->begin += (size_t)n;
    }
    if (r->there.closed == 1 && r->there.begin == r->there.end) shutdown(r->onward, SHUT_WR), r->there.closed = 2;
    for (ssize_t n = 1; n > 0;) {
        struct way *w = &r->back;
        if (w->begin == w->end && !w->closed) {
            n = read(r->onward, w->bytes, PIECE);
            if (n < 0 && errno != EAGAIN) return 0;
            w->begin = 0, w->end = n > 0 ? (size_t)n : 0, w->closed = n == 0;
        }
        if (w->begin == w->end) break;
        n = weft_write(stack, r->flow, w->bytes + w->begin, w->end - w->begin, 0);
        if (n < 0 && n != -EAGAIN) return 0;
        if (n > 0) w->begin += (size_t)n;
    }
    if (r->back.closed == 1 && r->back.begin == r->back.end) weft_shutdown(stack, r->flow, WEFT_WRITE), r->back.closed = 2;
    return r->there.closed != 2 || r->back.closed != 2;
}

static void move_packets(void) {
    static char bytes[PIECE];
    ssize_t length;
    for (int i = 0; i < 64 && (length = read(tun, bytes, sizeof bytes)) > 0; ++i) {
        const weft_packet packet = {sizeof packet, 0, bytes, (size_t)length};
        weft_input(stack, &packet, 1, now());
    }
    weft_packet out[64];
    for (int count; (count = weft_output(stack, out, 64, now())) > 0;)
        for (int i = 0; i < count; ++i)
            if (write(tun, out[i].data, out[i].length) < 0) continue; /* lost, as by any device */
}

/* Until a packet comes, a socket can go on, or it is time. */
static void wait_for_something(void) {
    static struct pollfd fds[MOST + 1];
    nfds_t count = 0;
    fds[count++] = (struct pollfd){tun, POLLIN, 0};
    for (int i = 0; i < MOST; ++i)
        if (relays[i]) {
            const struct relay *r = relays[i];
            short events = 0;
            if (!r->open || r->there.begin < r->there.end) events |= POLLOUT;
            if (r->flow && !r->back.closed && r->back.begin == r->back.end) events |= POLLIN;
            if (events) fds[count++] = (struct pollfd){r->onward, events, 0};
        }
    const weft_time deadline = weft_deadline(stack), left = deadline - now();
    poll(fds, count, deadline == WEFT_NEVER || left > 1000000000 ? 1000 : left > 0 ? (int)(left / 1000000) + 1 : 0);
}

int main(int argc, char **argv) {
    if (argc != 3 || inet_pton(AF_INET, argv[2], &target) != 1) return fprintf(stderr, "usage: forwarder TUN ADDRESS\n"), 2;
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", argv[1]);
    tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0) die(argv[1]);
    uint8_t seed[16];
    if (getrandom(seed, sizeof seed, 0) != sizeof seed) die("getrandom");
    if (weft_new("any_address = on", seed, &stack) < 0) die("weft_new");
    const weft_sockaddr any = {.size = sizeof any};
    const weft_fd listener = weft_listen_with(stack, &any, MOST, NULL, ask, NULL);
    if (listener < 0) die("weft_listen_with");
    for (;;) {
        wait_for_something();
        weft_advance(stack, now());
        move_packets();
        for (int i = 0; i < MOST; ++i)
            if (relays[i] && !relays[i]->open) {
                struct pollfd one = {relays[i]->onward, POLLOUT, 0};
                if (poll(&one, 1, 0) == 1) settle(&relays[i]);
            }
        accept_all(listener);
        drop_forgotten();
        for (int i = 0; i < MOST; ++i)
            if (relays[i] && relays[i]->flow && !pump(relays[i])) drop(&relays[i]);
        move_packets();
    }
}
