/* credential.h - what authorises requests to a provider, when it changes with time. (pure: no I/O,
 * no clock)
 *
 * Control obtains credentials in the background (control/credentials.c) and publishes them in a
 * cell; attempts read the cell. One writer, any number of readers on other threads; a reader copies
 * and never waits for a writer that sleeps (a sequence lock over two copies, what Linux calls a
 * latch: seqlock.h, raw_write_seqcount_latch; it starts over only when a whole publication went by
 * while it copied). Keys that stand in the configuration have no cell: they are in the provider's
 * target. */
#ifndef HEDGEROW_PROVIDERS_CREDENTIAL_H
#define HEDGEROW_PROVIDERS_CREDENTIAL_H

#include "core/arena.h"
#include "core/span.h"

enum credential_kind {
    CREDENTIAL_NONE,   /* not obtained yet */
    CREDENTIAL_BEARER, /* token: "authorization: Bearer TOKEN" */
    CREDENTIAL_AWS, /* key_id, secret, token (session token, may be empty): Signature Version 4 */
};

/* Token, key id and secret together: session tokens of AWS reach 4 KiB, Entra's tokens 6 KiB. */
#define CREDENTIAL_TEXT_MAX 12288

struct credential {
    enum credential_kind kind;
    int64_t expires_s; /* Unix time; 0: never */
    struct span token, key_id, secret;
};

/* One copy of what is published. Every word is read and written by itself, with relaxed atomics. */
struct credential_copy {
    uint64_t kind, expires_s;
    uint64_t token_n, key_id_n, secret_n;   /* bytes */
    uint64_t text[CREDENTIAL_TEXT_MAX / 8]; /* token, key id, secret behind each other */
};

/* Readers read copy [generation % 2] while the writer fills the other one; then the generation is
 * raised, and the copy that was read before is filled too, so that no older secret stays.
 *
 *     generation    copies[0]   copies[1]
 *     2, reading 0  old         old
 *                   old         new, being written
 *     3, reading 1  new <- now  new
 *     4, reading 0  new         new
 *
 * Zero it to begin. Owned by control, which outlives the workers. */
struct credential_cell {
    uint64_t generation; /* 0: nothing was published yet */
    struct credential_copy copies[2];
};

/* Publishes; the writer's thread alone. False: the texts are longer than CREDENTIAL_TEXT_MAX, and
 * nothing is changed. The text of an older one is overwritten. */
bool credential_publish(struct credential_cell *, const struct credential *);
/* Copies what is published into the arena. False when there is none yet, or no memory. Whether it
 * has expired is for the caller to judge: an expired one is still tried, clocks may differ. */
bool credential_read(const struct credential_cell *, struct arena *, struct credential *out);

#endif
