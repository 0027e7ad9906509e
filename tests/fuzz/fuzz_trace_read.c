/* fuzz_trace_read.c - traces from CSV, and the policies over what came of it. Held to:
 *   - the same trace, or the same refusal in the same words, however small the pieces that the file comes in;
 *   - what is read keeps its promises: two backends or more, times that never fall, a primary that is there;
 *   - what trace_write writes of it is read as the same trace, but for the order of backends;
 *   - every policy ends, waits no longer than for the primary and no shorter than the race, and the
 *     oracles keep their budget. Times may lie centuries apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/replay/replay_parts.h"
#include "appliance/replay/trace_read.h"
#include "core/base.h"
#include "core/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { INPUT_MAX = 8192, WHY_MAX = 400, PIECE_MAX = 7 };

/* ---- a file that comes in pieces ---- */

struct source {
    const uint8_t *bytes;
    size_t size, at;
    size_t piece; /* at most so much at once */
};

static ssize_t source_read(void *cookie, char *out, size_t max) {
    struct source *s = cookie;
    size_t n = min_size(min_size(max, s->piece), s->size - s->at);
    memcpy(out, s->bytes + s->at, n);
    s->at += n;
    /* Pieces of different lengths. */
    s->piece = s->piece % PIECE_MAX + 1;
    return (ssize_t)n;
}

static bool read_pieces(const void *bytes, size_t size, size_t piece, struct trace *t, char *why) {
    struct source source = {.bytes = bytes, .size = size, .piece = piece};
    FILE *in = fopencookie(&source, "r", (cookie_io_functions_t){.read = source_read});
    CHECK(in);
    setvbuf(in, NULL, _IONBF, 0);
    bool ok = trace_read(in, "x", 1, t, why, WHY_MAX);
    fclose(in);
    return ok;
}

/* ---- what must hold ---- */

static void check_equal(const struct trace *a, const struct trace *b) {
    CHECK(a->count == b->count && a->backends == b->backends);
    CHECK(memcmp(a->ttft_ns, b->ttft_ns, a->count * a->backends * sizeof *a->ttft_ns) == 0);
    CHECK(memcmp(a->time_ns, b->time_ns, a->count * sizeof *a->time_ns) == 0);
    CHECK(memcmp(a->input_tokens, b->input_tokens, a->count * sizeof *a->input_tokens) == 0);
    CHECK(memcmp(a->primary, b->primary, a->count) == 0);
}

static void check_trace(const struct trace *t) {
    CHECK(t->count > 0 && t->backends >= 2 && t->backends <= TRACE_BACKENDS_MAX);
    CHECK(t->time_ns[0] == 0);
    for (size_t i = 0; i < t->count; i++) {
        CHECK(i == 0 || t->time_ns[i] >= t->time_ns[i - 1]);
        CHECK(t->primary[i] < t->backends);
    }
    for (unsigned b = 0; b < t->backends; b++)
        CHECK(t->backend_names[b][0]);
}

static unsigned backend_of_name(const struct trace *t, const char *name) {
    unsigned b = 0;
    while (b < t->backends && strcmp(t->backend_names[b], name) != 0)
        b++;
    CHECK(b < t->backends);
    return b;
}

static void check_written(const struct trace *t) {
    char *text = NULL, why[WHY_MAX] = "";
    size_t size = 0;
    struct trace back;
    FILE *out = open_memstream(&text, &size);
    CHECK(out);
    trace_write(t, out);
    fclose(out);
    CHECK(read_pieces(text, size, SIZE_MAX, &back, why));
    CHECK(back.count == t->count && back.backends == t->backends);
    for (unsigned b = 0; b < t->backends; b++) {
        unsigned there = backend_of_name(&back, t->backend_names[b]);
        for (size_t i = 0; i < t->count; i++)
            CHECK(trace_ttft_ns(&back, i, there) == trace_ttft_ns(t, i, b));
    }
    CHECK(back.time_ns[t->count - 1] == t->time_ns[t->count - 1]);
    trace_fini(&back);
    free(text);
}

static void check_policies(const struct trace *t) {
    struct replay_settings s = replay_defaults();
    struct replay_result race;
    s.request_budget = 0.3;
    replay_result_init(&race, REPLAY_RACE, t->count);
    replay_run(REPLAY_RACE, t, &s, &race);
    for (unsigned p = 0; p < REPLAY_POLICIES; p++) {
        struct replay_result r;
        replay_result_init(&r, (enum replay_policy)p, t->count);
        replay_run((enum replay_policy)p, t, &s, &r);
        for (size_t i = 0; i < t->count; i++)
            CHECK(r.ttft_ns[i] >= race.ttft_ns[i] && r.ttft_ns[i] <= replay_primary_ns(t, i));
        CHECK(p < REPLAY_ORACLE_SINGLE || r.hedges <= replay_allowance(s.request_budget, t->count));
        CHECK(replay_worst_10s(t, &r) >= 0);
        replay_result_fini(&r);
    }
    replay_result_fini(&race);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char why[WHY_MAX] = "", why_pieces[WHY_MAX] = "";
    struct trace whole, pieces;
    if (size > INPUT_MAX)
        return 0;
    bool ok = read_pieces(bytes, size, SIZE_MAX, &whole, why);
    CHECK(read_pieces(bytes, size, 1, &pieces, why_pieces) == ok);
    CHECK(strcmp(why, why_pieces) == 0 && ok == !why[0]);
    if (!ok) {
        CHECK(strncmp(why, "x:", 2) == 0);
        return 0;
    }
    check_equal(&whole, &pieces);
    check_trace(&whole);
    check_written(&whole);
    check_policies(&whole);
    trace_fini(&whole);
    trace_fini(&pieces);
    return 0;
}
