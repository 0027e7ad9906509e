/* tls_context.h - what hedgerow's TLS is like: versions, ciphers, groups, ALPN, tickets,
 * verification. Between cert.c (which puts certificates and trust into a context) and tls.c (which
 * makes sessions of it); nobody else includes it. */
#ifndef HEDGEROW_NET_TLS_CONTEXT_H
#define HEDGEROW_NET_TLS_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

struct tls_resume;

/* Post-quantum key agreement where the library has the standard (X25519MLKEM768,
 * draft-ietf-tls-ecdhe-mlkem); its older draft X25519Kyber768 has been withdrawn and is never
 * offered. */
#ifdef SSL_GROUP_X25519_MLKEM768
#define TLS_POST_QUANTUM true
#else
#define TLS_POST_QUANTUM false
#endif

/* Words for the log: a host of 255 bytes and a sentence. */
#define TLS_WHY_MAX 512

/* What the callbacks of a context need of the session they are called for. tls.c embeds it in its
 * session and sets it as the SSL's application data before the handshake. */
struct tls_peer {
    const char
        *host; /* client: whom the certificate must name. NULL: a server's session. Borrowed */
    struct tls_resume *resume; /* client: where its sessions are kept, or NULL. Borrowed */
    uint64_t bound;            /* terms of those sessions */
    char why[TLS_WHY_MAX];     /* a certificate was refused: why, in words, one line; else "" */
};

/* A context without certificates and trust; `http2` puts h2 before http/1.1 in ALPN. NULL when
 * memory is used up. */
SSL_CTX *tls_context_server(bool http2);
SSL_CTX *tls_context_client(bool http2);

#endif
