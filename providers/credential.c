/* credential.c - the cell through which control hands changing credentials to the workers. (pure)
 *
 * Owns:     nothing; the cell belongs to control.
 * Promises: a reader gets one credential whole, never the halves of two; no data race in the sense
 *           of C11 5.1.2.4, for every word that is shared is read and written atomically.
 * Refuses:  more than one writer. */
#include "providers/credential.h"

#include <assert.h>

#include "core/base.h"

#define WORDS_MAX (CREDENTIAL_TEXT_MAX / 8)
static_assert(CREDENTIAL_TEXT_MAX % 8 == 0, "the text is copied by words");

static void store(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

static void write_copy(struct credential_copy *copy, const struct credential *from,
                       const uint64_t text[WORDS_MAX]) {
    store(&copy->kind, from->kind);
    store(&copy->expires_s, (uint64_t)from->expires_s);
    store(&copy->token_n, from->token.n);
    store(&copy->key_id_n, from->key_id.n);
    store(&copy->secret_n, from->secret.n);
    for (unsigned i = 0; i < WORDS_MAX; i++)
        store(&copy->text[i], text[i]);
}

static char *append(char *at, struct span text) {
    if (text.n)
        memcpy(at, text.p, text.n);
    return at + text.n;
}

bool credential_publish(struct credential_cell *cell, const struct credential *from) {
    uint64_t text[WORDS_MAX] = {0};
    /* One by one, so that no sum of hostile lengths can wrap. */
    if (from->token.n > CREDENTIAL_TEXT_MAX || from->key_id.n > CREDENTIAL_TEXT_MAX ||
        from->secret.n > CREDENTIAL_TEXT_MAX ||
        from->token.n + from->key_id.n + from->secret.n > CREDENTIAL_TEXT_MAX)
        return false;
    append(append(append((char *)text, from->token), from->key_id), from->secret);
    uint64_t generation = load(&cell->generation);
    for (unsigned i = 0; i < 2; i++) {
        /* Whoever sees one of the words that follow sees this generation too, and knows by it that
         * the copy is being changed (pairs with the fence of the reader). */
        __atomic_thread_fence(__ATOMIC_RELEASE);
        write_copy(&cell->copies[(generation + 1) % 2], from, text);
        __atomic_store_n(&cell->generation, ++generation, __ATOMIC_RELEASE);
    }
    /* No copy of a secret stays on the stack. */
    explicit_bzero(text, sizeof text);
    return true;
}

/* A copy in the reader's hands: which of the lengths and words fit together is not yet known. */
struct reading {
    struct credential credential; /* without its texts */
    uint64_t token_n, key_id_n, secret_n;
    uint64_t *text; /* in the arena */
    size_t words_max;
};

enum read_result { READ_DONE, READ_AGAIN, READ_FULL };

static enum read_result read_copy(const struct credential_copy *copy, struct arena *arena,
                                  struct reading *out) {
    out->credential.kind = (enum credential_kind)load(&copy->kind);
    out->credential.expires_s = (int64_t)load(&copy->expires_s);
    out->token_n = load(&copy->token_n);
    out->key_id_n = load(&copy->key_id_n);
    out->secret_n = load(&copy->secret_n);
    /* Each was written within the limit, but not all of them by the same publication. */
    uint64_t n = out->token_n + out->key_id_n + out->secret_n;
    if (n > CREDENTIAL_TEXT_MAX)
        return READ_AGAIN;
    size_t words = (size_t)(n + 7) / 8;
    if (words > out->words_max || !out->text) {
        out->text = arena_alloc(arena, words * 8);
        out->words_max = words;
        if (!out->text)
            return READ_FULL;
    }
    for (size_t i = 0; i < words; i++)
        out->text[i] = load(&copy->text[i]);
    return READ_DONE;
}

bool credential_read(const struct credential_cell *cell, struct arena *arena,
                     struct credential *out) {
    struct reading reading = {.text = NULL};
    for (;;) {
        uint64_t before = __atomic_load_n(&cell->generation, __ATOMIC_ACQUIRE);
        if (before == 0)
            return false;
        enum read_result result = read_copy(&cell->copies[before % 2], arena, &reading);
        if (result == READ_FULL)
            return false;
        /* All loads above come before the one below. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (load(&cell->generation) == before && result == READ_DONE)
            break;
        /* A publication was completed meanwhile; the next is a matter of minutes. */
    }
    *out = reading.credential;
    const char *at = (const char *)reading.text;
    out->token = span_of(at, reading.token_n);
    out->key_id = span_of(at + reading.token_n, reading.key_id_n);
    out->secret = span_of(at + reading.token_n + reading.key_id_n, reading.secret_n);
    return true;
}
