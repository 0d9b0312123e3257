/* A congestion module that is sound unless a definition on the compiler's command line makes it otherwise. Not built with the
 * tree: tests compile it, each in the way that it needs. */
#include "plugins/abi/weft_plugin.h"

#include <stddef.h>
#ifdef SLEEPS
#include <time.h>
#endif

#ifndef NAME
#define NAME "odd"
#endif
#ifndef STATE_SIZE
#define STATE_SIZE sizeof(struct state)
#endif
#ifndef STATE_VERSION
#define STATE_VERSION 1
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE sizeof(weft_cc_v1)
#endif
#ifndef FLAGS
#define FLAGS 0
#endif
#ifndef OFFSET
#define OFFSET offsetof(struct state, step)
#endif
#ifndef TYPE
#define TYPE WEFT_TYPE_U32
#endif
#ifndef KIND
#define KIND WEFT_KIND_GAUGE
#endif
#ifndef INITIAL
#define INITIAL 1
#endif
#ifndef ON_ACK
#define ON_ACK on_ack
#endif
#ifndef STRIDE
#define STRIDE sizeof(weft_field)
#endif
#ifndef MODULE_KIND
#define MODULE_KIND WEFT_MODULE_CONGESTION
#endif
#ifndef SECOND
#define SECOND "odder"
#endif
#ifndef COUNT
#define COUNT 1
#endif
#ifndef CWND /* what each acknowledgement answers */
#define CWND out->cwnd
#endif

struct state {
    uint64_t calls;
    uint32_t step, more;
};

#ifdef UNDEFINED
void that_nobody_defines(void);
#endif

static const weft_host *told;

static void init(void *state, void *shared, weft_instant now, uint64_t random, weft_cc_control *out) {
    (void)state, (void)shared, (void)now, (void)random;
    out->cwnd = 10ull * out->mss;
}

static void on_ack(void *state, void *shared, const weft_cc_ack *ack, weft_cc_control *out) {
    struct state *own = state;
    (void)shared, (void)ack;
    ++own->calls;
#ifdef SPINS /* turns of a loop that the compiler may not leave out */
    for (volatile uint64_t i = 0; i < SPINS; ++i) {}
#endif
#ifdef SLEEPS /* ns: what no module may do */
    const struct timespec pause = {0, SLEEPS};
    nanosleep(&pause, NULL);
#endif
#ifdef UNDEFINED
    that_nobody_defines();
#endif
    out->cwnd = CWND;
}

static void on_congestion(void *state, void *shared, const weft_cc_congestion *event, weft_cc_control *out) {
    (void)state, (void)shared;
#ifdef UNMOVED
    (void)event, (void)out;
#else
    out->ssthresh = event->prior_in_flight / 2 > 2ull * event->mss ? event->prior_in_flight / 2 : 2ull * event->mss;
    out->cwnd = out->ssthresh;
#endif
}

#ifdef MIGRATES
static int32_t migrate(uint32_t from_version, const void *old_state, uint32_t old_size, void *new_state) {
    if (from_version != 1 || old_size != sizeof(struct state)) return 0;
    ((struct state *)new_state)->calls = ((const struct state *)old_state)->calls;
    return 1;
}
#endif

static const weft_field parameters[] = {
    {.name = "step", .unit = "bytes", .doc = "a step", .offset = OFFSET, .type = TYPE, .kind = KIND,
     .initial.integer = INITIAL, .lowest.integer = 1, .highest.integer = 100},
#ifdef TWICE
    {.name = "step", .unit = "bytes", .doc = "a step", .offset = 12, .type = TYPE, .kind = KIND,
     .initial.integer = INITIAL, .lowest.integer = 1, .highest.integer = 100},
#endif
};
static const weft_field variables[] = {
    {.name = "calls", .unit = "", .doc = "acknowledgements", .offset = 0, .type = WEFT_TYPE_U64, .kind = WEFT_KIND_COUNTER},
};
static const weft_cc_v1 table = {
    .size = TABLE_SIZE, .flags = FLAGS, .state_size = STATE_SIZE, .state_version = STATE_VERSION,
    .parameters = {parameters, sizeof parameters / sizeof *parameters, STRIDE},
    .variables = {variables, sizeof variables / sizeof *variables, sizeof *variables},
    .init = init, .on_ack = ON_ACK, .on_congestion = on_congestion,
#ifdef MIGRATES
    .migrate = migrate,
#endif
};
static const weft_module first = {sizeof first, MODULE_KIND, NAME, "what a test asks for", &table};
static const weft_module second = {sizeof second, WEFT_MODULE_CONGESTION, SECOND, "another", &table};
static const weft_module *const modules[] = {&first, &second};
static const weft_plugin self = {
    .size = sizeof self, .name = "odd", .version = "7", .license = "MIT", .modules = modules, .count = COUNT,
};

#ifdef ENTRY
WEFT_EXPORT const weft_plugin *ENTRY(const weft_host *host);
const weft_plugin *ENTRY(const weft_host *host) {
#else
const weft_plugin *weft_plugin_entry_v1(const weft_host *host) {
#endif
    told = host;
    if (told->log) told->log(told->context, 6, "here I am");
#ifdef RETURNS_NOTHING
    return NULL;
#else
    return &self;
#endif
}
