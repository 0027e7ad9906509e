/* fail.h - why something ended: the enum made from fail.def, and its columns. (pure)
 *
 * One reason is stored per end of life; the log, the metrics, the client's status and the decision
 * to try again are all read from that one value. Every function aborts (CHECK) on a value that is
 * no enum fail. */
#ifndef HEDGEROW_CORE_FAIL_H
#define HEDGEROW_CORE_FAIL_H

#include <stdbool.h>

enum fail {
#define FAIL(name, text, status, retry, sick, rescue) FAIL_##name,
#include "core/fail.def"
#undef FAIL
    FAIL_COUNT
};

/* Lower-case name for logs and metrics, e.g. "first_token". Static. */
const char *fail_name(enum fail);
/* One sentence without full stop for people. Static. */
const char *fail_text(enum fail);
/* The HTTP status a client gets when its request failed for this reason: 200, or 400..599 (499 is
 * ours for a client that left, as in nginx: it is logged, never sent). */
int fail_status(enum fail);
/* May another attempt be started because of it? */
bool fail_retry(enum fail);
/* Does it count against the backend's health? */
bool fail_sick(enum fail);
/* May an answer that ended like this after its first token be gone on with elsewhere? */
bool fail_rescue(enum fail);

#endif
