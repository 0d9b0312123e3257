/* AIMD(a, b), the smallest useful congestion module: each round the window grows by `increase` segments, at a loss
 * `decrease` per cent of it stay. To read first, to copy, and to teach with; docs/plugins.md goes through it. */
#include "plugins/abi/weft_plugin.h"

#include <stddef.h>

/* A flow's state: lent by the engine, zeroed; parameters are written into it before init is called. */
struct aimd {
    uint64_t credit;    /* bytes acknowledged, times increase, not yet turned into window */
    uint64_t losses;    /* episodes */
    uint32_t increase;  /* segments a round */
    uint32_t decrease;  /* per cent of the window that stay after a loss */
    uint8_t phase;      /* of names_of_phases */
};

enum { STARTING, AVOIDING, RECOVERING };
static const char *const names_of_phases[] = {"slow_start", "avoidance", "recovery", NULL};

static void init(void *state, void *shared, weft_instant now, uint64_t random, weft_cc_control *out) {
    (void)state, (void)shared, (void)now, (void)random;
    out->cwnd = 10ull * out->mss; /* RFC 6928; a flow that had another module keeps the window that it has */
}

static void on_ack(void *state, void *shared, const weft_cc_ack *ack, weft_cc_control *out) {
    struct aimd *aimd = state;
    (void)shared;
    if (ack->flags & WEFT_ACK_IN_RECOVERY) return;
    aimd->phase = out->cwnd < out->ssthresh ? STARTING : AVOIDING;
    if (!(ack->flags & WEFT_ACK_CWND_LIMITED)) return; /* the window was not what held the flow back */
    if (aimd->phase == STARTING) {
        out->cwnd += ack->newly_acked;
        return;
    }
    aimd->credit += ack->newly_acked * aimd->increase;
    while (aimd->credit >= out->cwnd) {
        aimd->credit -= out->cwnd;
        out->cwnd += ack->mss;
    }
}

static void on_congestion(void *state, void *shared, const weft_cc_congestion *event, weft_cc_control *out) {
    struct aimd *aimd = state;
    const uint64_t least = 2ull * event->mss;
    (void)shared;
    switch (event->cause) {
    case WEFT_CONGESTION_LOSS:
    case WEFT_CONGESTION_ECN:
    case WEFT_CONGESTION_TIMEOUT:
    case WEFT_CONGESTION_PERSISTENT: break;
    default: return;
    }
    ++aimd->losses;
    aimd->credit = 0;
    aimd->phase = RECOVERING;
    out->ssthresh = event->prior_in_flight * aimd->decrease / 100;
    if (out->ssthresh < least) out->ssthresh = least;
    out->cwnd = out->ssthresh;
    if (event->cause == WEFT_CONGESTION_TIMEOUT || event->cause == WEFT_CONGESTION_PERSISTENT) out->cwnd = event->mss;
}

/* The state may come from an older build of this file: of the same version it has the same layout. */
static int32_t migrate(uint32_t from_version, const void *old_state, uint32_t old_size, void *new_state) {
    const struct aimd *old = old_state;
    struct aimd *new = new_state;
    if (from_version != 1 || old_size != sizeof *old) return 0;
    *new = *old;
    return 1;
}

static const weft_field parameters[] = {
    {.name = "increase", .unit = "segments", .doc = "added to the window each round",
     .offset = offsetof(struct aimd, increase), .type = WEFT_TYPE_U32, .kind = WEFT_KIND_GAUGE,
     .initial.integer = 1, .lowest.integer = 1, .highest.integer = 64},
    {.name = "decrease", .unit = "%", .doc = "of the window that stay after a loss",
     .offset = offsetof(struct aimd, decrease), .type = WEFT_TYPE_U32, .kind = WEFT_KIND_GAUGE,
     .initial.integer = 50, .lowest.integer = 1, .highest.integer = 99},
};
static const weft_field variables[] = {
    {.name = "phase", .unit = "", .doc = "what the window does", .offset = offsetof(struct aimd, phase),
     .type = WEFT_TYPE_U8, .kind = WEFT_KIND_STATE, .names = names_of_phases},
    {.name = "credit", .unit = "bytes", .doc = "acknowledged, times increase, not yet window",
     .offset = offsetof(struct aimd, credit), .type = WEFT_TYPE_U64, .kind = WEFT_KIND_GAUGE},
    {.name = "losses", .unit = "", .doc = "episodes of loss since the flow began with this module",
     .offset = offsetof(struct aimd, losses), .type = WEFT_TYPE_U64, .kind = WEFT_KIND_COUNTER},
};

static const weft_cc_v1 table = {
    .size = sizeof table, .state_size = sizeof(struct aimd), .state_version = 1,
    .parameters = {parameters, sizeof parameters / sizeof *parameters, sizeof *parameters},
    .variables = {variables, sizeof variables / sizeof *variables, sizeof *variables},
    .init = init, .on_ack = on_ack, .on_congestion = on_congestion, .migrate = migrate,
};
static const weft_module congestion = {
    .size = sizeof congestion, .kind = WEFT_MODULE_CONGESTION,
    .name = "aimd", .doc = "additive increase, multiplicative decrease", .table = &table,
};
static const weft_module *const modules[] = {&congestion};
static const weft_plugin self = {
    .size = sizeof self, .name = "aimd", .version = "1.0", .license = "MIT", .modules = modules, .count = 1,
};

const weft_plugin *weft_plugin_entry_v1(const weft_host *host) {
    (void)host;
    return &self;
}
