/* What the programs on lwIP's raw API have in common: the clock that lwIP asks for, the interface, and the text. */
#pragma once

#include <string.h>
#include <time.h>

#include <lwip/init.h>
#include <lwip/ip4.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>

#define BLOCK (128u << 10)

static struct netif interface;

static err_t output(struct netif* to, struct pbuf* packet, const ip4_addr_t* address); /* each program's own */

#if NO_SYS
u32_t sys_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}
#endif

static err_t begin_interface(struct netif* made) {
    made->name[0] = 'b', made->name[1] = '0';
    made->mtu = 1500;
    made->output = output;
    made->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* The block that every benchmark sends again and again. */
static void fill(unsigned char* block) {
    unsigned word = 1;
    for (unsigned i = 0; i < BLOCK; ++i) {
        word = word * 1664525u + 1013904223u;
        block[i] = (unsigned char)(word >> 24);
    }
}

static void begin(const ip4_addr_t* address, netif_input_fn input) {
    ip4_addr_t mask;
    lwip_init();
    IP4_ADDR(&mask, 255, 255, 255, 0);
    netif_add(&interface, address, &mask, address, NULL, begin_interface, input);
    netif_set_default(&interface);
    netif_set_up(&interface);
    netif_set_link_up(&interface);
}
