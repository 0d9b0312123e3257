/* lwIP's raw API at both ends of a connection in one process, over a wire in memory, as bench/tcp_bench.cc wants its peer:
 *   lwip_memory memory SECONDS referenced|copied     bytes a CPU second; every byte is compared
 *   lwip_memory connections ALIVE COUNT               opened and closed a CPU second, 32 at a time, with so many others alive;
 *                                                     all stay in TIME-WAIT, and there are no more ports than 16,384
 *   lwip_memory echo ALIVE MESSAGES OUTSTANDING       CPU seconds a message of one byte there and back, in random order
 *   lwip_memory idle COUNT                            heap bytes of an idle endpoint
 * It prints one number. Compiled by ./dev, never part of weft. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/lwip/lwip_common.h"

#include <lwip/priv/tcp_priv.h>

#define QUEUE 16384u
#define CHUNK (16u * 1460u)

static unsigned char block[BLOCK + CHUNK]; /* the block, and its beginning again */
static unsigned char read_into[65536];
static struct pbuf *queue[QUEUE];
static unsigned head, tail;
static int copied;

static double cpu(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void fail(const char *why) {
    fprintf(stderr, "lwip_memory: %s\n", why);
    exit(1);
}

/* ---- the wire: what 10.0.0.1 sends to 10.0.0.2 comes back as if 10.0.0.2 had sent it, so one stack is both ends */

struct reference {
    struct pbuf_custom custom; /* first */
    struct pbuf *whole;
};

static void release(struct pbuf *packet) {
    struct reference *reference = (struct reference *)packet;
    pbuf_free(reference->whole);
    free(reference);
}

static void swap_addresses(unsigned char *header) {
    unsigned char address[4];
    memcpy(address, header + 12, 4);
    memcpy(header + 12, header + 16, 4);
    memcpy(header + 16, address, 4);
}

/* Contiguous packets are handed over as they lie; what is in several pieces is joined, since the other end gets packets. */
static err_t output(struct netif *to, struct pbuf *packet, const ip4_addr_t *address) {
    struct pbuf *crosses;
    (void)to, (void)address;
    if (tail - head >= QUEUE) return ERR_MEM;
    if (copied || packet->next) {
        crosses = pbuf_alloc(PBUF_RAW, packet->tot_len, PBUF_RAM);
        if (!crosses) return ERR_MEM;
        pbuf_copy(crosses, packet);
    } else {
        struct reference *reference = malloc(sizeof *reference);
        if (!reference) return ERR_MEM;
        reference->custom.custom_free_function = release;
        reference->whole = packet;
        pbuf_ref(packet);
        crosses = pbuf_alloced_custom(PBUF_RAW, packet->tot_len, PBUF_REF, &reference->custom, packet->payload, packet->len);
    }
    swap_addresses(crosses->payload);
    queue[tail++ % QUEUE] = crosses;
    return ERR_OK;
}

/* The receiver turns header fields round where they lie; the sender reads its own again when they are acknowledged. */
static void input(struct pbuf *packet) {
    unsigned char header[60], *at = packet->payload;
    const size_t size = packet->len < sizeof header ? packet->len : sizeof header;
    struct pbuf *whole = packet->flags & PBUF_FLAG_IS_CUSTOM ? ((struct reference *)packet)->whole : NULL;
    if (whole) {
        memcpy(header, at, size);
        pbuf_ref(whole);
    }
    if (interface.input(packet, &interface) != ERR_OK) pbuf_free(packet);
    if (whole) {
        memcpy(at, header, size);
        pbuf_free(whole);
    }
}

static int carry(void) {
    int count = 0;
    for (; head != tail && count < 64; ++count) input(queue[head++ % QUEUE]);
    return count;
}

static void timers(void) {
    static unsigned count;
    if ((++count & 15) == 0) sys_check_timeouts();
}

static void settle(void) {
    while (carry()) {}
    timers();
}

static void listen_at(u16_t port, tcp_accept_fn accepted) {
    struct tcp_pcb *pcb = tcp_new();
    if (!pcb || tcp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK) fail("bind");
    pcb = tcp_listen_with_backlog(pcb, 255);
    tcp_accept(pcb, accepted);
}

static struct tcp_pcb *open_to(u16_t port, tcp_connected_fn connected) {
    ip_addr_t peer;
    struct tcp_pcb *pcb = tcp_new();
    IP_ADDR4(&peer, 10, 0, 0, 2);
    if (!pcb || tcp_connect(pcb, &peer, port, connected) != ERR_OK) fail("connect");
    return pcb;
}

/* ---- memory */

static unsigned long long received, sent;

static err_t sink_receives(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error) {
    (void)context, (void)error;
    if (!packet) fail("the flow ended");
    pbuf_copy_partial(packet, read_into, packet->tot_len, 0); /* out of the stack, as an application reads */
    for (unsigned done = 0; done < packet->tot_len;) {
        const unsigned at = (unsigned)(received % BLOCK), left = packet->tot_len - done;
        const unsigned step = left < BLOCK - at ? left : BLOCK - at;
        if (memcmp(read_into + done, block + at, step) != 0) fail("wrong bytes");
        done += step;
        received += step;
    }
    tcp_recved(pcb, packet->tot_len);
    pbuf_free(packet);
    return ERR_OK;
}

static err_t sink_accepts(void *context, struct tcp_pcb *pcb, err_t error) {
    (void)context, (void)error;
    tcp_recv(pcb, sink_receives);
    return ERR_OK;
}

static void feed(struct tcp_pcb *pcb) {
    for (;;) {
        const unsigned room = tcp_sndbuf(pcb), at = (unsigned)(sent % BLOCK);
        const unsigned size = room > CHUNK ? CHUNK : room / 1460 * 1460;
        if (size == 0 || tcp_write(pcb, block + at, (u16_t)size, TCP_WRITE_FLAG_COPY) != ERR_OK) break;
        sent += size;
    }
    tcp_output(pcb);
}

static err_t source_sent(void *context, struct tcp_pcb *pcb, u16_t length) {
    (void)context, (void)length;
    feed(pcb);
    return ERR_OK;
}

static err_t source_connected(void *context, struct tcp_pcb *pcb, err_t error) {
    (void)context, (void)error;
    tcp_sent(pcb, source_sent);
    feed(pcb);
    return ERR_OK;
}

static void run_for(struct tcp_pcb *pcb, double seconds) {
    const double begin = cpu();
    while (cpu() - begin < seconds)
        for (int i = 0; i < 64; ++i) {
            if (!carry()) feed(pcb);
            timers();
        }
}

static int memory(double seconds) {
    struct tcp_pcb *pcb;
    unsigned long long before;
    double begin;
    listen_at(5001, sink_accepts);
    pcb = open_to(5001, source_connected);
    run_for(pcb, 0.2);
    before = received;
    begin = cpu();
    run_for(pcb, seconds);
    printf("%.0f\n", (double)(received - before) / (cpu() - begin));
    return received == before;
}

/* ---- connections */

static long closed;

static err_t ignores(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error) {
    (void)context, (void)error;
    if (!packet) {
        tcp_close(pcb);
        ++closed;
        return ERR_OK;
    }
    tcp_recved(pcb, packet->tot_len);
    pbuf_free(packet);
    return ERR_OK;
}

static err_t idle_accepts(void *context, struct tcp_pcb *pcb, err_t error) {
    (void)context, (void)error;
    tcp_recv(pcb, ignores);
    return ERR_OK;
}

static err_t closes_when_connected(void *context, struct tcp_pcb *pcb, err_t error) {
    (void)context, (void)error;
    tcp_close(pcb);
    return ERR_OK;
}

static err_t stays(void *context, struct tcp_pcb *pcb, err_t error) {
    (void)context, (void)pcb, (void)error;
    return ERR_OK;
}

static int connections(long alive, long count) {
    double begin;
    listen_at(5004, idle_accepts);
    for (long i = 0; i < alive; ++i) {
        tcp_recv(open_to(5004, stays), ignores);
        settle();
    }
    begin = cpu();
    closed = 0;
    while (closed < count) {
        for (int i = 0; i < 32; ++i) tcp_recv(open_to(5004, closes_when_connected), ignores);
        settle();
    }
    /* each connection is seen to end at the end that did not close first */
    printf("%.0f\n", (double)closed / (cpu() - begin));
    return closed == 0;
}

/* ---- echo */

static long echoed;
static unsigned long long random_word = 88172645463325252ull;
static char *busy;
static struct tcp_pcb **flows;
static long flow_count;

static unsigned long long draw(void) {
    random_word ^= random_word << 13, random_word ^= random_word >> 7, random_word ^= random_word << 17;
    return random_word;
}

static err_t echo_receives(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error) {
    (void)context, (void)error;
    if (!packet) fail("the flow ended");
    tcp_recved(pcb, packet->tot_len);
    if (tcp_write(pcb, packet->payload, packet->len, TCP_WRITE_FLAG_COPY) != ERR_OK) fail("write");
    tcp_output(pcb);
    pbuf_free(packet);
    return ERR_OK;
}

static err_t echo_accepts(void *context, struct tcp_pcb *pcb, err_t error) {
    (void)context, (void)error;
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, echo_receives);
    return ERR_OK;
}

static void ask(void) {
    long i = (long)(draw() % (unsigned long long)flow_count);
    while (busy[i]) i = i + 1 == flow_count ? 0 : i + 1;
    busy[i] = 1;
    if (tcp_write(flows[i], "x", 1, TCP_WRITE_FLAG_COPY) != ERR_OK) fail("write");
    tcp_output(flows[i]);
}

static err_t answer_comes(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error) {
    (void)error;
    if (!packet) fail("the flow ended");
    tcp_recved(pcb, packet->tot_len);
    pbuf_free(packet);
    busy[(long)(size_t)context] = 0;
    ++echoed;
    return ERR_OK;
}

static int echo(long alive, long messages, long outstanding) {
    double begin;
    long asked = 0;
    flow_count = alive;
    flows = calloc((size_t)alive, sizeof *flows);
    busy = calloc((size_t)alive, 1);
    listen_at(5003, echo_accepts);
    for (long i = 0; i < alive; ++i) {
        flows[i] = open_to(5003, stays);
        tcp_nagle_disable(flows[i]);
        tcp_arg(flows[i], (void *)(size_t)i);
        tcp_recv(flows[i], answer_comes);
        settle();
    }
    begin = cpu();
    while (echoed < messages) {
        for (; asked - echoed < outstanding; ++asked) ask();
        if (!carry()) timers();
        timers();
    }
    printf("%.9f\n", (cpu() - begin) / (double)messages);
    return 0;
}

static int idle(long count) {
    const size_t before = mallinfo2().uordblks;
    listen_at(5004, idle_accepts);
    for (long i = 0; i < count; ++i) {
        tcp_recv(open_to(5004, stays), ignores);
        settle();
    }
    printf("%.0f\n", (double)(mallinfo2().uordblks - before) / (2.0 * (double)count));
    return 0;
}

int main(int count, char **words) {
    ip4_addr_t address;
    fill(block);
    memcpy(block + BLOCK, block, CHUNK);
    IP4_ADDR(&address, 10, 0, 0, 1);
    begin(&address, ip_input);
    if (count == 4 && strcmp(words[1], "memory") == 0) {
        copied = strcmp(words[3], "copied") == 0;
        return memory(atof(words[2]));
    }
    if (count == 4 && strcmp(words[1], "connections") == 0) return connections(atol(words[2]), atol(words[3]));
    if (count == 5 && strcmp(words[1], "echo") == 0) return echo(atol(words[2]), atol(words[3]), atol(words[4]));
    if (count == 3 && strcmp(words[1], "idle") == 0) return idle(atol(words[2]));
    fprintf(stderr, "usage: see the beginning of lwip_memory.c\n");
    return 2;
}
