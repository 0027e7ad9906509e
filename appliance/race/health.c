/* health.c - outcomes in; ejection and cool-down out. (pure)
 *
 * Owns:     nothing; the backends' memory is the worker's.
 * Promises: one place changes a backend's state (set_state) and asserts that the change is one of
 *           the header's picture; an ejection ends by itself, at the latest after a minute.
 * Refuses:  nothing: also an ejected backend may be used when there is no other. */
#include "appliance/race/health.h"

#include <math.h>

#include "core/rand.h"

static struct health_backend *backend_at(const struct health *health, unsigned id) {
    CHECK(id < health->count);
    return &health->backends[id];
}

void health_init(struct health *health, struct health_backend *memory, unsigned count,
                 uint64_t now_ns) {
    *health = (struct health){.backends = memory, .count = count};
    for (unsigned i = 0; i < count; i++)
        memory[i] = (struct health_backend){.state = HEALTH_CLOSED, .recent_at_ns = now_ns};
}

static bool may_follow(enum health_state from, enum health_state to) {
    switch (from) {
    case HEALTH_CLOSED: return to == HEALTH_OPEN;
    case HEALTH_OPEN: return to == HEALTH_HALF_OPEN;
    case HEALTH_HALF_OPEN: return to == HEALTH_OPEN || to == HEALTH_CLOSED;
    }
    return false;
}

static void set_state(struct health_backend *b, enum health_state to) {
    CHECK(may_follow(b->state, to));
    b->state = to;
    b->probing = false;
}

/* Half of a failure's weight is gone after half a minute. */
static void recent_decay(struct health_backend *b, uint64_t now_ns) {
    if (now_ns <= b->recent_at_ns)
        return;
    double factor = exp2(-(double)(now_ns - b->recent_at_ns) / (double)HEALTH_RECENT_HALF_LIFE_NS);
    b->recent *= factor;
    b->recent_failed *= factor;
    b->recent_at_ns = now_ns;
}

/* Backends that fell together must not come back together. The jitter comes from who and how often
 * instead of from dice, so that the same reports always give the same state. */
static uint64_t open_ns(unsigned id, unsigned ejections) {
    uint64_t ns = HEALTH_OPEN_MIN_NS;
    for (unsigned i = 1; i < ejections && ns < HEALTH_OPEN_MAX_NS; i++)
        ns *= 2;
    struct rand rand;
    rand_init(&rand, (uint64_t)id << 32 | ejections);
    double jitter = 1 + HEALTH_OPEN_JITTER * (2 * rand_double(&rand) - 1);
    return (uint64_t)((double)min_u64(ns, HEALTH_OPEN_MAX_NS) * jitter);
}

static void eject(struct health_backend *b, unsigned id, uint64_t now_ns) {
    /* Well for as long as the longest ejection: it starts again at one second. */
    if (b->state == HEALTH_CLOSED && now_ns >= b->open_until_ns + HEALTH_OPEN_MAX_NS)
        b->ejections = 0;
    b->ejections++;
    b->open_until_ns = now_ns + open_ns(id, b->ejections);
    set_state(b, HEALTH_OPEN);
}

/* Its past failures are served: were they kept, the first new one would eject it again. */
static void readmit(struct health_backend *b) {
    set_state(b, HEALTH_CLOSED);
    b->failures_in_a_row = 0;
    b->recent = b->recent_failed = 0;
}

static void open_by_time(struct health_backend *b, uint64_t now_ns) {
    if (b->state == HEALTH_OPEN && now_ns >= b->open_until_ns)
        set_state(b, HEALTH_HALF_OPEN);
}

void health_on_start(struct health *health, unsigned id, uint64_t now_ns) {
    struct health_backend *b = backend_at(health, id);
    b->in_flight++;
    open_by_time(b, now_ns);
    if (b->state == HEALTH_HALF_OPEN)
        b->probing = true;
}

void health_on_content(struct health *health, unsigned id) {
    struct health_backend *b = backend_at(health, id);
    /* A probe's stream may go on for minutes: its first token is proof enough. Only the end of a
     * whole answer breaks a row of failures, else a backend whose streams all break off would
     * never be ejected. */
    if (b->state == HEALTH_HALF_OPEN)
        readmit(b);
}

static void on_success(struct health_backend *b) {
    b->recent += 1;
    b->failures_in_a_row = 0;
    if (b->state == HEALTH_HALF_OPEN)
        readmit(b);
}

static void on_sick(struct health_backend *b, unsigned id, uint64_t now_ns) {
    b->recent += 1;
    b->recent_failed += 1;
    b->failures_in_a_row++;
    bool row = b->failures_in_a_row >= HEALTH_ROW_MAX;
    bool share =
        b->recent >= HEALTH_SHARE_RECENT_MIN && b->recent_failed > HEALTH_SHARE_MAX * b->recent;
    /* Failures of attempts that were under way when it was ejected do not lengthen the ejection. */
    if (b->state == HEALTH_HALF_OPEN || (b->state == HEALTH_CLOSED && (row || share)))
        eject(b, id, now_ns);
}

void health_on_end(struct health *health, unsigned id, enum fail why, uint64_t retry_after_ms,
                   uint64_t now_ns) {
    struct health_backend *b = backend_at(health, id);
    CHECK(b->in_flight > 0);
    b->in_flight--;
    recent_decay(b, now_ns);
    if (retry_after_ms > 0) {
        /* Clamped before it is multiplied: it comes from outside. */
        uint64_t rest_ms = min_u64(retry_after_ms, HEALTH_COOL_MAX_NS / NS_PER_MS);
        b->cool_until_ns = max_u64(b->cool_until_ns, now_ns + rest_ms * NS_PER_MS);
    }
    if (fail_sick(why))
        on_sick(b, id, now_ns);
    else if (why == FAIL_NONE || why == FAIL_REFUSED || why == FAIL_POLICY)
        on_success(b);
    else
        b->probing = false; /* a probe that says nothing: the next one may go */
}

bool health_usable(const struct health *health, unsigned id, uint64_t now_ns) {
    const struct health_backend *b = backend_at(health, id);
    if (now_ns < b->cool_until_ns)
        return false;
    switch (b->state) {
    case HEALTH_CLOSED: return true;
    case HEALTH_OPEN: return now_ns >= b->open_until_ns;
    case HEALTH_HALF_OPEN: return !b->probing;
    }
    return false;
}

uint64_t health_back_ns(const struct health *health, unsigned id) {
    const struct health_backend *b = backend_at(health, id);
    return max_u64(b->open_until_ns, b->cool_until_ns);
}

void health_tick(struct health *health, uint64_t now_ns) {
    for (unsigned i = 0; i < health->count; i++) {
        open_by_time(&health->backends[i], now_ns);
        recent_decay(&health->backends[i], now_ns);
    }
}

const char *health_state_name(enum health_state state) {
    static const char *const names[] = {
        [HEALTH_CLOSED] = "closed", [HEALTH_OPEN] = "open", [HEALTH_HALF_OPEN] = "half_open"};
    CHECK((unsigned)state < countof(names));
    return names[state];
}
