/* Two TCP stacks, joined by a pipe each way, move 100 MB. libweft does no I/O of its own: the packets and the time are moved
 * here. Build: cc -std=c11 pipe.c $(pkg-config --cflags --libs weft) -o pipe */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>

enum { WARM = 4 << 20, TOTAL = WARM + 100000000, BATCH = 64 };

struct host {
    weft_stack *stack;
    weft_fd flow;
    int in, out; /* ends of the pipes */
    weft_packet packets[BATCH];
    int next, count; /* of them: those that did not fit wait */
};

static weft_time now = 1; /* ours to say: a microsecond a turn */

static void check(int64_t result, const char *what) {
    if (result >= 0) return;
    fprintf(stderr, "%s: %s %s\n", what, strerror((int)-result), weft_why());
    exit(1);
}

static void send_packets(struct host *host) {
    do { /* a pipe in packet mode keeps each write apart */
        for (; host->next < host->count; ++host->next)
            if (write(host->out, host->packets[host->next].data, host->packets[host->next].length) < 0) return; /* full */
        host->next = 0;
        check(host->count = weft_output(host->stack, host->packets, BATCH, now), "weft_output");
    } while (host->count > 0);
}

static void receive_packets(struct host *host) {
    static char bytes[65536];
    ssize_t length;
    for (int i = 0; i < BATCH && (length = read(host->in, bytes, sizeof bytes)) > 0; ++i) {
        weft_packet packet = {sizeof packet, 0, bytes, (size_t)length};
        check(weft_input(host->stack, &packet, 1, now), "weft_input");
    }
}

static void turn(struct host *a, struct host *b) {
    now += 1000;
    struct host *both[] = {a, b};
    for (int i = 0; i < 2; ++i) {
        if (weft_deadline(both[i]->stack) <= now) weft_advance(both[i]->stack, now);
        receive_packets(both[i]);
        send_packets(both[i]);
    }
}

int main(void) {
    static const uint8_t seed[2][16] = {{1}, {2}};
    static char chunk[65536], got[65536];
    static struct host a, b;
    int ab[2], ba[2];
    check(pipe2(ab, O_DIRECT | O_NONBLOCK), "pipe"), check(pipe2(ba, O_DIRECT | O_NONBLOCK), "pipe");
    a.in = ba[0], a.out = ab[1], b.in = ab[0], b.out = ba[1];
    check(weft_new("address = 10.0.0.1/24", seed[0], &a.stack), "weft_new");
    check(weft_new("address = 10.0.0.2/24", seed[1], &b.stack), "weft_new");

    weft_sockaddr to;
    check(weft_parse("10.0.0.2:80", &to), "weft_parse");
    const weft_fd listener = weft_listen(b.stack, &to, 8, NULL);
    check(listener, "weft_listen");
    check(a.flow = weft_connect(a.stack, NULL, &to, NULL), "weft_connect");
    while ((b.flow = weft_accept(b.stack, listener, NULL)) < 0) turn(&a, &b);

    size_t sent = 0, received = 0;
    int marked = 0;
    for (int ended = 0; !ended;) {
        if (sent < TOTAL) {
            for (size_t i = 0; i < sizeof chunk; ++i) chunk[i] = (char)((sent + i) * 2654435761u >> 24);
            const size_t left = TOTAL - sent < sizeof chunk ? TOTAL - sent : sizeof chunk;
            const ssize_t taken = weft_write(a.stack, a.flow, chunk, left, 0);
            if (taken > 0) sent += (size_t)taken;
            if (sent == TOTAL) check(weft_shutdown(a.stack, a.flow, WEFT_WRITE), "weft_shutdown");
        }
        turn(&a, &b);
        ssize_t read_now;
        while ((read_now = weft_read(b.stack, b.flow, got, sizeof got, 0)) > 0) {
            for (ssize_t i = 0; i < read_now; ++i)
                if (got[i] != (char)((received + (size_t)i) * 2654435761u >> 24)) return fprintf(stderr, "wrong byte\n"), 1;
            received += (size_t)read_now;
        }
        ended = read_now == 0;
        if (received >= WARM && !marked) marked = sched_yield() == 0; /* what strace shows from here on, */
    }
    sched_yield(); /* to here, is this program's: libweft makes no system call */
    printf("%zu bytes\n", received);
    weft_free(a.stack), weft_free(b.stack);
    return received == TOTAL ? 0 : 1;
}
