/* tls.h - TLS 1.2 and 1.3 by BoringSSL as a transformer of bytes: ciphertext in, ciphertext out, no
 * sockets. (pure in that sense)
 *
 *   received bytes --tls_feed--> [BIO reads from the fed span] --tls_read--> the caller's memory
 *   plaintext --tls_write--> [sealed records] --> out callback --> the connection's send queue
 *
 * The custom BIO reads from the one fed span (no memory BIO: it moves the remainder on every read)
 * and writes through `out`. */
#ifndef HEDGEROW_NET_TLS_H
#define HEDGEROW_NET_TLS_H

#include "core/fail.h"
#include "net/cert.h"
#include "net/tls_resume.h"

struct tls;

/* Where sealed bytes go: appends to the connection's queue. Called from inside tls_step, tls_read
 * (answers to key updates, alerts), tls_write and tls_shutdown. Returns false when there is no
 * memory (the session then fails with FAIL_OVERLOAD). Must not call back into the session. */
struct tls_out {
    bool (*write)(void *owner, struct span bytes);
    void *owner;
};

enum tls_state {
    TLS_HANDSHAKE, /* neither side may send data yet */
    TLS_OPEN,      /* data flows */
    TLS_CLOSED,    /* the peer sent close_notify: a clean end of its data. Ours may still be sent */
    TLS_FAILED,    /* tls_fail says why; an alert for the peer may have been given to out */
};

/* The largest piece of plaintext in one record (RFC 8446 5.1). */
#define TLS_RECORD_MAX 16384

/* A server session. NULL when memory is used up. `out` must outlive it; the cert_server is held by
 * it. */
struct tls *tls_accept(struct cert_server *, struct tls_out out);
/* A client session to `host`: a name or an IP literal, which the certificate must name; a name is
 * sent as SNI. Copied; one trailing dot and the brackets of an IPv6 literal are ignored. `resume`:
 * where sessions to this origin are kept, must outlive this; or NULL. NULL when memory is used up,
 * or when `host` cannot be the name of a machine (empty, longer than 255). */
struct tls *tls_connect(struct cert_client *, const char *host, struct tls_resume *resume,
                        struct tls_out out);
/* Ends it without a word to the peer (see tls_shutdown), frees it and nulls the pointer. NULL is
 * fine. */
void tls_free(struct tls **);

/* Gives received ciphertext. The span must stay valid until it is used up: call tls_step / tls_read
 * until tls_pending_in is 0. All of the last span must have been used up. Whatever comes after the
 * peer's close_notify or a failure is dropped. A record cut by the end of the span is kept inside:
 * nothing of it stays pending. An empty span takes back one that was not used up, when the session
 * is being ended and its memory goes: there is no reading after that. */
void tls_feed(struct tls *, struct span ciphertext);
/* Fed bytes not yet used up. 0 once the state is CLOSED or FAILED. */
size_t tls_pending_in(const struct tls *);
/* Drives the handshake as far as the fed bytes allow; also begins a client's. Returns the state.
 * Does nothing once open. */
enum tls_state tls_step(struct tls *);
enum tls_state tls_state(const struct tls *);
/* Plaintext into out[max], from as many of the fed records as fit: bytes read (> 0); 0 when more
 * ciphertext is needed or the peer closed (see tls_state); -enum fail. Bytes that came before a
 * failure are returned first. Continues a handshake if one is going on. The peer's TCP end while
 * the state is OPEN means that its data was cut off: only close_notify makes it CLOSED (RFC 8446
 * 6.1). */
long tls_read(struct tls *, char *out, size_t max);
/* Seals all of `plain` into records of at most record_max bytes (1 .. TLS_RECORD_MAX; 0 means the
 * largest) and gives each to out. 0 or -enum fail: FAIL_CLOSED after tls_shutdown, else the reason
 * the session failed for. Only when TLS_OPEN, or TLS_CLOSED to finish what we had to say. */
int tls_write(struct tls *, struct span plain, size_t record_max);
/* Sends close_notify once; ignored in a handshake or after failure. Reading may go on. */
void tls_shutdown(struct tls *);
/* Why the state is TLS_FAILED: FAIL_TLS; FAIL_TLS_CERTIFICATE when a client refused the server's
 * certificate; FAIL_OVERLOAD when memory was used up. FAIL_NONE otherwise. (A server that refuses a
 * client's certificate says FAIL_TLS.) */
enum fail tls_fail(const struct tls *);
/* The same in words for the log, one line: host, what the verifier or the library said. Owned by
 * the session; "" when it has not failed. */
const char *tls_error(const struct tls *);
/* "h2", "http/1.1" or empty; valid once open, until tls_free. */
struct span tls_alpn(const struct tls *);
/* Was the handshake a resumed one? Valid once open. */
bool tls_resumed(const struct tls *);
/* "TLSv1.3 TLS_AES_128_GCM_SHA256 X25519"; "" until the handshake is done. Owned by the session. */
const char *tls_version(const struct tls *);

/* Per-process set-up; before any session is made; once. BoringSSL's memory goes through
 * net/tls_memory.c by being linked. */
void tls_init(void);

/* Name of a state, lower case, static. */
const char *tls_state_name(enum tls_state);

#endif
