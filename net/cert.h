/* cert.h - what TLS needs from files: server certificates by name, trust stores for upstreams.
 * Loaded at start and at reload, off the data path; then read-only and shared by all workers. */
#ifndef HEDGEROW_NET_CERT_H
#define HEDGEROW_NET_CERT_H

#include "core/span.h"

/* One certificate chain with its key. */
struct cert_pair {
    const char *certificate_path, *private_key_path; /* PEM files */
};

/* A server side: one or several certificates chosen by SNI (exact name, then one-label wildcard,
 * else the first), optional client CA. */
struct cert_server;
/* A client side: trust store. */
struct cert_client;

struct cert_server_options {
    const struct cert_pair *pairs;
    unsigned pair_count;        /* >= 1 */
    const char *client_ca_path; /* NULL: no client certificates asked for */
    bool http2;                 /* offer h2 besides http/1.1 in ALPN */
};
struct cert_client_options {
    const char *ca_path; /* PEM file; NULL: the system's store */
    bool insecure;       /* no verification at all; said loudly in the log */
    bool http2;
};

/* Loads and checks (key matches certificate, dates); on error returns -EINVAL and writes what is
 * wrong with which file, and what to do, to why[why_max]; *out is then NULL. On success *out is one
 * hold, the caller's, given back with cert_*_drop. A reload makes new ones and drops the old;
 * tickets of the old are then refused (full handshakes, no errors). */
int cert_server_new(struct cert_server **out, const struct cert_server_options *, char *why,
                    size_t why_max);
int cert_client_new(struct cert_client **out, const struct cert_client_options *, char *why,
                    size_t why_max);
/* Counted: connections hold them so that a reload can swap them. Thread-safe. */
struct cert_server *cert_server_hold(struct cert_server *);
void cert_server_drop(struct cert_server **);
struct cert_client *cert_client_hold(struct cert_client *);
void cert_client_drop(struct cert_client **);
/* Seconds since 1970 at which the first of the server certificates expires. The rest of their
 * chains does not count: chains carry cross-signed roots that have expired and harm nobody. */
int64_t cert_server_not_after_s(const struct cert_server *);
/* For tls.c: the context that sessions are made of, borrowed as long as the hold lasts. */
struct ssl_ctx_st;
struct ssl_ctx_st *cert_server_context(const struct cert_server *);
struct ssl_ctx_st *cert_client_context(const struct cert_client *);
/* For tls.c: different for every client side ever made in this process, so that sessions verified
 * against one trust store are never resumed under another. Never 0. */
uint64_t cert_client_serial(const struct cert_client *);
/* For tls.c and tests: index of the pair that a client asking for `name` (SNI; NULL: it did not
 * ask) is shown. Case does not matter; one trailing dot is ignored. */
unsigned cert_server_choose(const struct cert_server *, const char *name);
/* "BoringSSL (API version 19)", for `hedgerow version`. Static. */
const char *cert_library(void);
/* Is the post-quantum group X25519MLKEM768 offered? That depends on the library hedgerow was built
 * with. */
bool cert_post_quantum(void);

#endif
