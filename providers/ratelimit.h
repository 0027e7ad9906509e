/* ratelimit.h - what a provider says in a response's head of the room that is left in its rate
 * limit: the fields of ratelimit.def, whatever their names and units, as one struct. (pure)
 *
 * Refuses:  to believe nonsense: a value that does not parse is as if it were not there; a limit of
 *           0, and at Azure a remainder of 0 or -1 without a limit (the Responses API sends them on
 *           good answers, PROVIDERS.md 5.3), say nothing. */
#ifndef HEDGEROW_PROVIDERS_RATELIMIT_H
#define HEDGEROW_PROVIDERS_RATELIMIT_H

#include "net/http.h"

/* Which fields a kind of provider uses. */
enum ratelimit_dialect {
    RATELIMIT_NONE = 0,
    RATELIMIT_PLAIN = 1 << 0,
    RATELIMIT_AZURE = 1 << 1,
    RATELIMIT_ANTHROPIC = 1 << 2,
    RATELIMIT_OPENROUTER = 1 << 3,
};

enum ratelimit_quantity {
    RATELIMIT_REQUESTS,
    RATELIMIT_TOKENS,
    RATELIMIT_INPUT,
    RATELIMIT_OUTPUT,
    RATELIMIT_QUANTITIES
};
/* "requests" "tokens" "input_tokens" "output_tokens". Static. */
const char *ratelimit_quantity_name(enum ratelimit_quantity);

/* More than any limit that is sold; what is above is cut to it. */
#define RATELIMIT_COUNT_MAX UINT64_C(1000000000000000)
/* A limit of a day is the longest known. */
#define RATELIMIT_RESET_MAX_NS (86400 * UINT64_C(1000000000))

struct ratelimit_told {
    bool known;         /* the remainder was told, and makes sense */
    uint64_t limit;     /* 0: not told; else >= remaining */
    uint64_t remaining; /* 0 .. RATELIMIT_COUNT_MAX */
    uint64_t reset_ns;  /* from now until the whole limit is there again; UINT64_MAX: not told; else
                           at most RATELIMIT_RESET_MAX_NS */
};

struct ratelimit {
    struct ratelimit_told of[RATELIMIT_QUANTITIES];
};

/* By the kind's name in the configuration. */
enum ratelimit_dialect ratelimit_dialect_of(struct span kind);
/* Reads the fields of a response's head, of which nothing is kept. now_ms: Unix time; dates are
 * measured from the head's own Date where it has one. True when anything is known. Of a field that
 * stands there twice the first counts. */
bool ratelimit_read(const struct http_head *head, enum ratelimit_dialect, int64_t now_ms,
                    struct ratelimit *out);
/* "6m0s", "1m2.5s", "88ms", "17.379s", "1h", "2d", or seconds "7", "0.5". Cut to
 * RATELIMIT_RESET_MAX_NS; false, with *out untouched, for anything else. */
bool ratelimit_duration(struct span text, uint64_t *out_ns);

#endif
