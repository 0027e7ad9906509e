/* fuzz_ratelimit.c - the fields of a response's head in which a provider tells what is left of its
 * limits. The first byte chooses the dialect and the clock, the rest is lines "name: value"; a value
 * alone is read as a duration too. Held to:
 *   - what is known makes sense: no more than the bounds, no more than its limit;
 *   - the order of different fields and the case of their names do not matter, nor fields of others
 *     in between;
 *   - whatever was told, a backend can be asked again after ten minutes, and a first attempt any time;
 *   - a duration is not shorter for a unit more at its end. */
#include <stdlib.h>

#include "appliance/race/quota.h"
#include "core/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define INPUT_MAX  4096
#define TOLD_AT_NS (1000 * NS_PER_S)

static void read_head(struct span text, struct http_head *head) {
    memset(head, 0, sizeof *head);
    while (text.n > 0 && head->field_count < HTTP_FIELDS_MAX) {
        struct span value = span_cut(&text, '\n'), name = span_cut(&value, ':');
        head->fields[head->field_count++] = (struct http_field){name, span_trim(value)};
    }
}

static void check(const struct ratelimit *told, bool any) {
    bool known = false;
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++) {
        const struct ratelimit_told *t = &told->of[q];
        known |= t->known;
        CHECK(t->known || (t->limit == 0 && t->remaining == 0 && t->reset_ns == UINT64_MAX));
        CHECK(t->remaining <= RATELIMIT_COUNT_MAX && t->limit <= RATELIMIT_COUNT_MAX);
        CHECK(t->limit == 0 || t->remaining <= t->limit);
        CHECK(t->reset_ns == UINT64_MAX || t->reset_ns <= RATELIMIT_RESET_MAX_NS);
    }
    CHECK(known == any);
}

/* Turned round, in capitals, with a stranger between any two. Of two fields that mean the same the
 * first counts: heads that have such are left out. */
static void check_order(const struct http_head *head, enum ratelimit_dialect dialect,
                        int64_t now_ms, const struct ratelimit *want) {
    static char names[INPUT_MAX];
    struct http_head other = {0};
    struct ratelimit got;
    size_t at = 0;
    for (unsigned i = 0; i < head->field_count; i++)
        for (unsigned k = 0; k < i; k++)
            if (head->fields[i].name.n < 4 ||
                span_eq_nocase(head->fields[i].name, head->fields[k].name))
                return;
    if (head->field_count > HTTP_FIELDS_MAX / 2 || dialect & RATELIMIT_PLAIN ||
        dialect & RATELIMIT_OPENROUTER)
        return; /* these two have several names for one thing */
    for (unsigned i = head->field_count; i-- > 0;) {
        struct span name = head->fields[i].name;
        for (size_t k = 0; k < name.n; k++)
            names[at + k] =
                name.p[k] >= 'a' && name.p[k] <= 'z' ? (char)(name.p[k] - 32) : name.p[k];
        other.fields[other.field_count++] =
            (struct http_field){span_of(names + at, name.n), head->fields[i].value};
        other.fields[other.field_count++] = (struct http_field){SPAN("x-ratelimit-zzz"), SPAN("1")};
        at += name.n;
    }
    ratelimit_read(&other, dialect, now_ms, &got);
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++) {
        const struct ratelimit_told *a = &got.of[q], *b = &want->of[q];
        CHECK(a->known == b->known && a->limit == b->limit && a->remaining == b->remaining &&
              a->reset_ns == b->reset_ns);
    }
}

static void check_quota(const struct ratelimit *told, enum ratelimit_dialect dialect) {
    struct provider_kind kind = {.name = "openai"};
    struct config_provider provider = {.provider = {.name = "p", .kind = &kind}};
    struct config_backend backend = {.provider = &provider, .model = "m"};
    struct config_model model = {.backends = &backend, .backend_count = 1};
    struct config config = {.providers = &provider,
                            .provider_count = 1,
                            .models = &model,
                            .model_count = 1,
                            .backend_count = 1};
    struct quota_provider providers[1] = {0};
    struct quota_backend backends[1] = {0};
    struct quota quota;
    struct quota_need need = quota_need_of(1000, 0, 1);
    struct quota_ticket ticket = {0}, hedge = {0};
    uint64_t wait_ns, left;
    quota_init(&quota, &config, providers, backends, 1);
    backends[0].dialect = dialect;
    CHECK(quota_take(&quota, &backend, need, false, TOLD_AT_NS, &ticket, &wait_ns) == QUOTA_ROOM);
    quota_heard(&ticket, told, TOLD_AT_NS);
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++)
        if (quota_remaining(&backends[0], (enum ratelimit_quantity)q, TOLD_AT_NS + NS_PER_S, &left))
            CHECK(left <= RATELIMIT_COUNT_MAX && told->of[q].known);
    quota_end(&ticket, UINT64_MAX, TOLD_AT_NS);
    CHECK(quota_take(&quota, &backend, need, false, TOLD_AT_NS, &ticket, &wait_ns) == QUOTA_ROOM);
    quota_put(&ticket, TOLD_AT_NS);
    bool room = quota_has_room(&quota, &backend, need, TOLD_AT_NS);
    if (quota_take(&quota, &backend, need, true, TOLD_AT_NS, &hedge, &wait_ns) == QUOTA_ROOM)
        CHECK(room);
    quota_put(&hedge, TOLD_AT_NS);
    CHECK(quota_has_room(&quota, &backend, need, TOLD_AT_NS + QUOTA_TOLD_MAX_NS));
}

static void check_duration(struct span text) {
    static char longer[INPUT_MAX + 2];
    uint64_t ns = 1, more_ns = 1;
    if (!ratelimit_duration(text, &ns)) {
        CHECK(ns == 1);
        return;
    }
    CHECK(ns <= RATELIMIT_RESET_MAX_NS && text.n > 0);
    char last = text.p[text.n - 1];
    if (last < '0' || last > '9') {
        memcpy(longer, text.p, text.n);
        memcpy(longer + text.n, "1s", 2);
        CHECK(ratelimit_duration(span_of(longer, text.n + 2), &more_ns));
        CHECK(more_ns == min_u64(ns + NS_PER_S, RATELIMIT_RESET_MAX_NS));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 1 || size > INPUT_MAX)
        return 0;
    static const enum ratelimit_dialect dialects[] = {RATELIMIT_NONE, RATELIMIT_PLAIN,
                                                      RATELIMIT_AZURE, RATELIMIT_ANTHROPIC,
                                                      RATELIMIT_OPENROUTER};
    char *copy = malloc(size);
    memcpy(copy, bytes + 1, size - 1);
    struct span text = span_of(copy, size - 1);
    enum ratelimit_dialect dialect = dialects[bytes[0] % countof(dialects)];
    int64_t now_ms = bytes[0] & 0x80 ? 0 : INT64_C(1760000000000);
    static struct http_head head;
    struct ratelimit told;
    read_head(text, &head);
    bool any = ratelimit_read(&head, dialect, now_ms, &told);
    check(&told, any);
    check_order(&head, dialect, now_ms, &told);
    check_quota(&told, dialect);
    check_duration(text);
    for (unsigned i = 0; i < head.field_count; i++)
        check_duration(head.fields[i].value);
    free(copy);
    return 0;
}
