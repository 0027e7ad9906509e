/* tokens.h - what a cloud has issued and remembers: access tokens, AWS keys, ids of stored answers.
 *
 * Owns:     copies of all of it. One of its lists may be read by the threads of several clouds.
 * Promises: what is past its end is not found.
 */
#ifndef BENCH_TOKENS_H
#define BENCH_TOKENS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOKEN_ID_BYTES = 256, TOKEN_SECRET_BYTES = 96 };

struct token {
    char id[TOKEN_ID_BYTES];         /* a bearer token, or an access key's id */
    char secret[TOKEN_SECRET_BYTES]; /* of an access key, else "" */
    char session[TOKEN_ID_BYTES];    /* the session token that belongs to it, else "" */
    int64_t expires_s;               /* Unix time */
};

struct tokens {
    pthread_mutex_t lock;
    struct token *slots; /* owned: a hash table with open addressing */
    size_t count, capacity;
};

void tokens_open(struct tokens *t);
void tokens_close(struct tokens *t);
/* Remembers a copy; an id known already gets the new values. */
void tokens_add(struct tokens *t, const struct token *token);
/* Copies the token of this id; false when it is unknown or has ended at `now_s`. `out` NULL: only
 * asks. */
bool tokens_find(struct tokens *t, const char *id, int64_t now_s, struct token *out);

#endif
