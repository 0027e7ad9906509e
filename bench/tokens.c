/* tokens.c - issued tokens; see tokens.h. */
#include "bench/tokens.h"
#include "bench/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS_FIRST = 64 };

void tokens_open(struct tokens *t) {
    *t = (struct tokens){.capacity = TOKENS_FIRST};
    pthread_mutex_init(&t->lock, NULL);
    t->slots = bytes_alloc(t->capacity, sizeof *t->slots);
}

void tokens_close(struct tokens *t) {
    if (!t->slots)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t->slots);
    *t = (struct tokens){0};
}

/* FNV-1a. */
static uint64_t hash(const char *text) {
    uint64_t h = 0xcbf29ce484222325;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3;
    return h;
}

/* The slot of the id, or the free one where it belongs. */
static struct token *slot_of(const struct tokens *t, const char *id) {
    size_t at = hash(id) & (t->capacity - 1);
    while (t->slots[at].id[0] && strcmp(t->slots[at].id, id))
        at = (at + 1) & (t->capacity - 1);
    return &t->slots[at];
}

static void grow(struct tokens *t) {
    struct tokens old = *t;
    t->capacity *= 2;
    t->slots = bytes_alloc(t->capacity, sizeof *t->slots);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].id[0])
            *slot_of(t, old.slots[i].id) = old.slots[i];
    free(old.slots);
}

void tokens_add(struct tokens *t, const struct token *token) {
    pthread_mutex_lock(&t->lock);
    if (t->count * 2 >= t->capacity)
        grow(t);
    struct token *slot = slot_of(t, token->id);
    t->count += !slot->id[0];
    *slot = *token;
    pthread_mutex_unlock(&t->lock);
}

bool tokens_find(struct tokens *t, const char *id, int64_t now_s, struct token *out) {
    if (!*id || strlen(id) >= TOKEN_ID_BYTES)
        return false;
    pthread_mutex_lock(&t->lock);
    const struct token *slot = slot_of(t, id);
    bool found = slot->id[0] && now_s < slot->expires_s;
    if (found && out)
        *out = *slot;
    pthread_mutex_unlock(&t->lock);
    return found;
}
