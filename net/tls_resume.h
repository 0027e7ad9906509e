/* tls_resume.h - TLS sessions of one origin, kept so that the next connection to it costs a third
 * of the CPU and, on TLS 1.2, a round trip less (RFC 8446 2.2, RFC 5077). One worker's; not
 * thread-safe. */
#ifndef HEDGEROW_NET_TLS_RESUME_H
#define HEDGEROW_NET_TLS_RESUME_H

#include <stdbool.h>
#include <stdint.h>

struct ssl_session_st;
struct tls_resume;

/* Sessions kept of one origin. Servers send one or two tickets a connection; a pool opens its
 * spares in small bursts. */
#define TLS_RESUME_MAX 8

/* An empty stack. Must outlive every session (struct tls) that was made with it. */
struct tls_resume *tls_resume_new(void);
void tls_resume_free(struct tls_resume **);
/* Sessions that could be used now. */
unsigned tls_resume_count(const struct tls_resume *);

/* For tls.c. `bound` names what a session was verified against: host and trust store. A resumed
 * handshake does not show a certificate, so a session must never be offered under other terms; the
 * stack forgets all of them when `bound` changes. Returns the newest session (the caller's
 * reference, freed with SSL_SESSION_free) or NULL. One of TLS 1.3 is taken out, because a ticket
 * used twice lets an onlooker link the connections (RFC 8446 C.4); one of TLS 1.2 stays. */
struct ssl_session_st *tls_resume_take(struct tls_resume *, uint64_t bound);
/* Keeps `session` as the newest and owns the reference; the oldest goes when there is no room.
 * Returns false, and takes nothing, when it is of other terms than the stack. */
bool tls_resume_give(struct tls_resume *, uint64_t bound, struct ssl_session_st *session);

#endif
