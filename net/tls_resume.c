/* tls_resume.c - the stack of sessions of one origin.
 *
 * Owns:     a reference to each session in it.
 * Promises: the newest first; never more than TLS_RESUME_MAX; all of the same terms (see
 *           tls_resume_take).
 * Refuses:  to judge age: BoringSSL drops an expired session itself when it is offered, and makes a
 *           full handshake.
 */
#include "net/tls_resume.h"

#include <string.h>

#include <openssl/ssl.h>

#include "core/base.h"
#include "core/heap.h"

struct tls_resume {
    uint64_t bound; /* terms of all that is kept */
    unsigned count;
    SSL_SESSION *kept[TLS_RESUME_MAX]; /* oldest first */
};

struct tls_resume *tls_resume_new(void) {
    return heap_alloc(sizeof(struct tls_resume));
}

static void resume_forget(struct tls_resume *r) {
    while (r->count)
        SSL_SESSION_free(r->kept[--r->count]);
}

void tls_resume_free(struct tls_resume **r) {
    if (!*r)
        return;
    resume_forget(*r);
    heap_free(r);
}

unsigned tls_resume_count(const struct tls_resume *r) { return r->count; }

SSL_SESSION *tls_resume_take(struct tls_resume *r, uint64_t bound) {
    if (r->bound != bound) {
        resume_forget(r);
        r->bound = bound;
    }
    if (r->count == 0)
        return NULL;
    SSL_SESSION *newest = r->kept[r->count - 1];
    if (SSL_SESSION_should_be_single_use(newest))
        r->count--;
    else
        SSL_SESSION_up_ref(newest);
    return newest;
}

bool tls_resume_give(struct tls_resume *r, uint64_t bound, SSL_SESSION *session) {
    CHECK(session);
    /* A connection made before a reload is still open and its server sends another ticket. */
    if (r->bound != bound)
        return false;
    if (r->count == TLS_RESUME_MAX) {
        SSL_SESSION_free(r->kept[0]);
        memmove(r->kept, r->kept + 1, (TLS_RESUME_MAX - 1) * sizeof r->kept[0]);
        r->count--;
    }
    r->kept[r->count++] = session;
    return true;
}
