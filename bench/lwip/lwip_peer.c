// A server on lwIP's raw API over a TUN device, as bench/tap_flow.cc wants its peers: 10.88.0.2, port 5001 reads and compares, port
// 5002 sends until the client has ended; then one line says how many bytes it was. Compiled by ./dev, never part of weft.
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "bench/lwip/lwip_common.h"

static unsigned char block[BLOCK];
static int tun;
static unsigned long long bytes;
static double cpu_at_begin;
static int over; /* 1: ended in order, 2: not */

static double cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static err_t output(struct netif *to, struct pbuf *packet, const ip4_addr_t *address) {
    struct iovec parts[64];
    int count = 0;
    (void)to, (void)address;
    for (; packet && count < 64; packet = packet->next) {
        parts[count].iov_base = packet->payload;
        parts[count++].iov_len = packet->len;
    }
    return writev(tun, parts, count) < 0 && errno != EAGAIN ? ERR_IF : ERR_OK;
}

static void failed(void *unused, err_t error) {
    (void)unused, (void)error;
    over = 2;
}

static err_t sink(void *unused, struct tcp_pcb *flow, struct pbuf *got, err_t error) {
    (void)unused, (void)error;
    if (!got) {
        over = 1;
        return tcp_close(flow);
    }
    for (struct pbuf *part = got; part; part = part->next) {
        const unsigned char *at = part->payload;
        for (unsigned left = part->len; left > 0;) {
            const unsigned place = (unsigned)(bytes % BLOCK), room = BLOCK - place, step = left < room ? left : room;
            if (memcmp(at, block + place, step) != 0) over = 2;
            bytes += step, at += step, left -= step;
        }
    }
    tcp_recved(flow, got->tot_len);
    pbuf_free(got);
    return ERR_OK;
}

/* Lent, not copied: the block stays as it is. */
static void feed(struct tcp_pcb *flow) {
    for (;;) {
        const unsigned place = (unsigned)(bytes % BLOCK), room = tcp_sndbuf(flow);
        unsigned step = room < BLOCK - place ? room : BLOCK - place;
        if (step > 23360) step = 23360;
        if (step == 0 || (step < 1460 && step < BLOCK - place) || tcp_write(flow, block + place, (u16_t)step, 0) != ERR_OK) break;
        bytes += step;
    }
    tcp_output(flow);
}

static err_t sent(void *unused, struct tcp_pcb *flow, u16_t count) {
    (void)unused, (void)count;
    if (!over) feed(flow);
    return ERR_OK;
}

static err_t poll_flow(void *unused, struct tcp_pcb *flow) { return sent(unused, flow, 0); }

static err_t client_ended(void *unused, struct tcp_pcb *flow, struct pbuf *got, err_t error) {
    (void)unused, (void)error;
    if (got) {
        tcp_recved(flow, got->tot_len);
        pbuf_free(got);
        return ERR_OK;
    }
    over = 1;
    return tcp_close(flow); /* what was written still leaves */
}

static err_t accept_sink(void *unused, struct tcp_pcb *flow, err_t error) {
    (void)unused, (void)error;
    cpu_at_begin = cpu();
    tcp_err(flow, failed);
    tcp_recv(flow, sink);
    return ERR_OK;
}

static err_t accept_source(void *unused, struct tcp_pcb *flow, err_t error) {
    (void)unused, (void)error;
    cpu_at_begin = cpu();
    tcp_err(flow, failed);
    tcp_recv(flow, client_ended);
    tcp_sent(flow, sent);
    tcp_poll(flow, poll_flow, 1);
    feed(flow);
    return ERR_OK;
}

static void serve(u16_t port, tcp_accept_fn accepted) {
    struct tcp_pcb *listener = tcp_new();
    if (!listener || tcp_bind(listener, IP_ANY_TYPE, port) != ERR_OK) exit(1);
    tcp_accept(tcp_listen_with_backlog(listener, 8), accepted);
}

static int open_tun(const char *name) {
    struct ifreq request;
    char command[200];
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) != 0) return 0;
    snprintf(command, sizeof command,
             "ip addr add 10.88.0.1/24 dev %s && ip link set %s up mtu 1500 txqueuelen 2000", name, name);
    return system(command) == 0;
}

static void receive(void) {
    for (int count = 0; count < 64; ++count) {
        struct pbuf *packet = pbuf_alloc(PBUF_RAW, 1500, PBUF_RAM);
        if (!packet) return;
        const ssize_t length = read(tun, packet->payload, 1500);
        if (length <= 0) {
            pbuf_free(packet);
            return;
        }
        pbuf_realloc(packet, (u16_t)length);
        if (interface.input(packet, &interface) != ERR_OK) pbuf_free(packet);
    }
}

int main(int count, char **words) {
    ip4_addr_t address;
    fill(block);
    if (count != 2 || !open_tun(words[1])) return 1;
    IP4_ADDR(&address, 10, 88, 0, 2);
    begin(&address, ip_input);
    serve(5001, accept_sink);
    serve(5002, accept_source);
    puts("ready");
    fflush(stdout);
    for (int told = 0;;) {
        struct pollfd waiting = {tun, POLLIN, 0};
        const u32_t sleep = sys_timeouts_sleeptime();
        poll(&waiting, 1, sleep < 20 ? (int)sleep : 20);
        receive();
        sys_check_timeouts();
        if (!over || told) continue;
        if (over == 2) return 2;
        told = 1; /* and on, until it is killed: the last bytes are still on their way */
        printf("%llu 0 %.9f\n", bytes, cpu() - cpu_at_begin);
        fflush(stdout);
    }
}
