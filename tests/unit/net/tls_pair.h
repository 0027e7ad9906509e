/* tls_pair.h - two struct tls against each other in memory, for tests: bytes shuttled whole, one by
 * one, and in random cuts. No sockets.
 *
 * Owns:     what the ends have said and heard, until end_free; a small world of certificates, until
 *           world_close.
 * Promises: a piece is fed from memory of exactly its size, freed right after, so that the
 *           sanitizer sees a read past it or after it.
 */
#ifndef TESTS_UNIT_NET_TLS_PAIR_H
#define TESTS_UNIT_NET_TLS_PAIR_H

#include "tests/test.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/tls.h"
#include "tests/unit/net/make_cert.h"

/* ---- two ends and the wire between them ---- */

struct bytes {
    char *p;
    size_t n, room;
};

static inline void bytes_add(struct bytes *b, const void *p, size_t n) {
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n);
        b->p = realloc(b->p, b->room);
        CHECK(b->p);
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static inline void bytes_free(struct bytes *b) {
    free(b->p);
    *b = (struct bytes){0};
}

struct end {
    struct tls *tls;
    struct bytes out; /* sealed, not yet delivered */
    struct bytes got; /* plaintext received */
    size_t read_max;  /* room given to tls_read; 0: a page */
    unsigned writes;  /* calls of out.write */
    size_t largest;   /* of them, bytes */
    bool full;        /* refuse output */
};

static inline bool end_write(void *owner, struct span bytes) {
    struct end *e = owner;
    if (e->full)
        return false;
    e->writes++;
    e->largest = bytes.n > e->largest ? bytes.n : e->largest;
    bytes_add(&e->out, bytes.p, bytes.n);
    return true;
}

static inline struct tls_out end_out(struct end *e) { return (struct tls_out){end_write, e}; }

static inline void end_free(struct end *e) {
    tls_free(&e->tls);
    bytes_free(&e->out);
    bytes_free(&e->got);
}

/* A small generator of our own, so that a failing cut can be repeated. */
static inline uint64_t dice(uint64_t *seed) {
    *seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
    return *seed;
}

/* Feeds one piece, from memory of exactly its size, and reads as a connection would. */
static inline void end_take(struct end *e, const char *p, size_t n) {
    char *piece = malloc(n ? n : 1), plain[4096];
    size_t room = e->read_max ? e->read_max : sizeof plain;
    long got;
    CHECK(piece);
    memcpy(piece, p, n);
    tls_feed(e->tls, span_of(piece, n));
    tls_step(e->tls);
    while ((got = tls_read(e->tls, plain, room)) > 0)
        bytes_add(&e->got, plain, (size_t)got);
    EXPECT_EQ(tls_pending_in(e->tls), 0);
    free(piece);
}

enum cut { CUT_WHOLE, CUT_BYTES, CUT_RANDOM, CUTS };
__attribute__((unused)) static const char *const cut_names[] = {"whole", "bytes", "random"};

/* Delivers what `from` has said so far. */
static inline void deliver(struct end *from, struct end *to, enum cut cut, uint64_t *seed) {
    struct bytes flight = from->out;
    from->out = (struct bytes){0};
    for (size_t at = 0, n; at < flight.n; at += n) {
        n = cut == CUT_WHOLE ? flight.n : cut == CUT_BYTES ? 1 : 1 + dice(seed) % 1500;
        n = n < flight.n - at ? n : flight.n - at;
        end_take(to, flight.p + at, n);
    }
    bytes_free(&flight);
}

/* Until nobody has anything to say. */
static inline void shuttle_cut(struct end *client, struct end *server, enum cut cut,
                               uint64_t seed) {
    seed = seed * 2654435761u + 88172645463325252u;
    tls_step(client->tls);
    for (unsigned round = 0; client->out.n || server->out.n; round++) {
        if (round > 50) {
            FAIL_TEST("the two never stop talking");
            return;
        }
        deliver(client, server, cut, &seed);
        deliver(server, client, cut, &seed);
    }
}

static inline void shuttle(struct end *client, struct end *server) {
    shuttle_cut(client, server, CUT_WHOLE, 1);
}

/* ---- the world: authorities, servers, clients ---- */

struct world {
    struct pki pki;
    const struct identity *ca, *leaf;
    const char *ca_path, *leaf_path, *key_path;
    struct cert_pair pair;
    struct cert_server *server;
    struct cert_client *client;
};

static inline struct cert_server *make_server(struct world *w, const char *client_ca, bool http2) {
    char why[400] = "";
    struct cert_server *server;
    struct cert_server_options options = {
        .pairs = &w->pair, .pair_count = 1, .client_ca_path = client_ca, .http2 = http2};
    EXPECT_EQ(cert_server_new(&server, &options, why, sizeof why), 0);
    EXPECT_STR(why, "");
    CHECK(server);
    return server;
}

static inline struct cert_client *make_client(const char *ca, bool insecure, bool http2) {
    char why[400] = "";
    struct cert_client *client;
    EXPECT_EQ(cert_client_new(&client,
                              &(struct cert_client_options){
                                  .ca_path = ca, .insecure = insecure, .http2 = http2},
                              why, sizeof why),
              0);
    EXPECT_STR(why, "");
    CHECK(client);
    return client;
}

static inline void world_open(struct world *w) {
    static bool begun;
    if (!begun)
        tls_init();
    begun = true;
    pki_open(&w->pki);
    w->ca = pki_make(&w->pki, &(struct recipe){.common_name = "Test CA", .authority = true});
    w->leaf = pki_make(
        &w->pki, &(struct recipe){.common_name = "cn.example",
                                  .issuer = w->ca,
                                  .names = "DNS:a.example,DNS:*.wild.example,IP:127.0.0.1,IP:::1"});
    w->ca_path = pki_write_chain(&w->pki, "ca.pem", w->ca, NULL, NULL);
    w->leaf_path = pki_write_chain(&w->pki, "leaf.pem", w->leaf, NULL, NULL);
    w->key_path = pki_write_key(&w->pki, "leaf.key", w->leaf, NULL);
    w->pair = (struct cert_pair){w->leaf_path, w->key_path};
    w->server = make_server(w, NULL, true);
    w->client = make_client(w->ca_path, false, true);
}

static inline void world_close(struct world *w) {
    cert_server_drop(&w->server);
    cert_client_drop(&w->client);
    pki_close(&w->pki);
}

static inline void client_version_max(struct cert_client *client, unsigned version) {
    CHECK(SSL_CTX_set_max_proto_version(cert_client_context(client), (uint16_t)version));
}

__attribute__((unused)) static const struct {
    const char *name;
    unsigned number;
} versions[] = {{"TLSv1.2", TLS1_2_VERSION}, {"TLSv1.3", TLS1_3_VERSION}};

/* A pair of ends about to shake hands. */
static inline void meet(struct end *c, struct end *s, struct cert_client *client,
                        struct cert_server *server, const char *host, struct tls_resume *resume) {
    *c = *s = (struct end){0};
    c->tls = tls_connect(client, host, resume, end_out(c));
    s->tls = tls_accept(server, end_out(s));
    CHECK(c->tls && s->tls);
}

static inline void expect_open(const struct end *c, const struct end *s) {
    EXPECT_STR(tls_error(c->tls), "");
    EXPECT_STR(tls_error(s->tls), "");
    EXPECT_EQ(tls_state(c->tls), TLS_OPEN);
    EXPECT_EQ(tls_state(s->tls), TLS_OPEN);
    EXPECT_EQ(tls_fail(c->tls), FAIL_NONE);
    EXPECT_EQ(ERR_peek_error(), 0);
}

/* The end failed in this way, and its words hold all the given ones. */
static inline void expect_failed(const struct end *e, enum fail why, const char *one,
                                 const char *two) {
    EXPECT_EQ(tls_state(e->tls), TLS_FAILED);
    EXPECT_STR(fail_name(tls_fail(e->tls)), fail_name(why));
    const char *said = tls_error(e->tls);
    if (!strstr(said, one) || !strstr(said, two))
        FAIL_TEST("\"%s\" does not hold \"%s\" and \"%s\"", said, one, two);
    char plain[8];
    EXPECT_EQ(tls_read(e->tls, plain, sizeof plain), -(long)why);
    EXPECT_EQ(tls_write(e->tls, SPAN("x"), 0), -(int)why);
    EXPECT_EQ(ERR_peek_error(), 0);
}

/* One connection that says a word, so that the tickets travel. Returns whether it was resumed. */
static inline bool connect_once(struct cert_client *client, struct cert_server *server,
                                const char *host, struct tls_resume *resume) {
    struct end c, s;
    meet(&c, &s, client, server, host, resume);
    shuttle(&c, &s);
    expect_open(&c, &s);
    EXPECT_EQ(tls_write(c.tls, SPAN("hello"), 0), 0);
    EXPECT_EQ(tls_write(s.tls, SPAN("hello"), 0), 0);
    shuttle(&c, &s);
    EXPECT_EQ(s.got.n, 5);
    EXPECT_EQ(c.got.n, 5);
    bool resumed = tls_resumed(c.tls);
    EXPECT_EQ(resumed, tls_resumed(s.tls));
    EXPECT_BYTES(tls_alpn(c.tls).p, tls_alpn(c.tls).n, "h2");
    end_free(&c), end_free(&s);
    return resumed;
}

#endif
