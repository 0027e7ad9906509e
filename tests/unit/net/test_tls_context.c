/* test_tls_context.c - policy: which protocol and certificate are chosen, whom each side believes,
 * and in which words it refuses. */
#include "tests/unit/net/tls_pair.h"

/* ---- what is chosen ---- */

TEST(alpn) {
    static const struct {
        const char
            *offer; /* with lengths; NULL: what our client offers by `client_http2`; "": nothing */
        bool client_http2, server_http2;
        const char *want; /* NULL: no_application_protocol */
    } rows[] = {
        {NULL, true, true, "h2"},
        {NULL, true, false, "http/1.1"},
        {NULL, false, true, "http/1.1"},
        {NULL, false, false, "http/1.1"},
        {"\x08http/1.1\x02h2", true, true, "h2"}, /* the server's preference */
        {"", true, true, ""},
        {"\x02h2", true, false, NULL},
        {"\x06spdy/3\x02h3", true, true, NULL},
    };
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < 2 * countof(rows); i++) {
        size_t row = i / 2;
        ROW("row %zu %s", row, versions[i % 2].name);
        struct cert_server *server = make_server(&w, NULL, rows[row].server_http2);
        struct cert_client *client = make_client(w.ca_path, false, rows[row].client_http2);
        struct end c, s;
        client_version_max(client, versions[i % 2].number);
        if (rows[row].offer)
            CHECK(SSL_CTX_set_alpn_protos(cert_client_context(client),
                                          (const uint8_t *)rows[row].offer,
                                          (unsigned)strlen(rows[row].offer)) == 0);
        meet(&c, &s, client, server, "a.example", NULL);
        shuttle(&c, &s);
        if (rows[row].want) {
            expect_open(&c, &s);
            EXPECT_BYTES(tls_alpn(c.tls).p, tls_alpn(c.tls).n, rows[row].want);
            EXPECT_BYTES(tls_alpn(s.tls).p, tls_alpn(s.tls).n, rows[row].want);
        } else {
            expect_failed(&s, FAIL_TLS, "the client", "NO_APPLICATION_PROTOCOL");
            expect_failed(&c, FAIL_TLS, "a.example", "NO_APPLICATION_PROTOCOL");
        }
        end_free(&c), end_free(&s);
        cert_server_drop(&server), cert_client_drop(&client);
    }
    world_close(&w);
}

TEST(sni_chooses_the_certificate) {
    struct world w;
    char why[400] = "";
    struct cert_server *server;
    world_open(&w);
    const struct identity *b =
        pki_make(&w.pki, &(struct recipe){.names = "DNS:b.example", .issuer = w.ca});
    const struct identity *wild =
        pki_make(&w.pki, &(struct recipe){.names = "DNS:*.b.example", .issuer = w.ca});
    const struct cert_pair pairs[] = {
        w.pair,
        {pki_write_chain(&w.pki, "b.pem", b, NULL, NULL), pki_write_key(&w.pki, "b.key", b, NULL)},
        {pki_write_chain(&w.pki, "wild.pem", wild, NULL, NULL),
         pki_write_key(&w.pki, "wild.key", wild, NULL)},
    };
    const struct {
        const char *host;
        bool open; /* the client, which checks the name, took what it was shown */
    } rows[] =
        {
            {"a.example", true},   {"b.example", true},      {"B.Example", true},
            {"x.b.example", true}, {"x.y.b.example", false}, {"c.example", false},
            {"127.0.0.1", true}, /* no SNI: the first has the address */
        };
    EXPECT_EQ(
        cert_server_new(&server,
                        &(struct cert_server_options){.pairs = pairs, .pair_count = countof(pairs)},
                        why, sizeof why),
        0);
    CHECK(server);
    for (size_t i = 0; i < 2 * countof(rows); i++) {
        struct end c, s;
        ROW("%s %s", rows[i / 2].host, versions[i % 2].name);
        client_version_max(w.client, versions[i % 2].number);
        meet(&c, &s, w.client, server, rows[i / 2].host, NULL);
        shuttle(&c, &s);
        if (rows[i / 2].open)
            expect_open(&c, &s);
        else
            expect_failed(&c, FAIL_TLS_CERTIFICATE, rows[i / 2].host,
                          "a.example"); /* the words name what was shown */
        end_free(&c), end_free(&s);
    }
    cert_server_drop(&server);
    world_close(&w);
}

/* ---- whom the client believes ---- */

TEST(host_names) {
    static const struct {
        const char *host;
        bool good;
    } rows[] = {
        {"a.example", true},       {"A.EXAMPLE", true},
        {"a.example.", true},      {"x.wild.example", true},
        {"127.0.0.1", true},       {"::1", true},
        {"[::1]", true},           {"0:0:0:0:0:0:0:1", true},
        {"b.example", false},      {"cn.example", false},
        {"wild.example", false},   {"x.y.wild.example", false},
        {"127.0.0.2", false},      {"::2", false},
        {"a.example.evil", false}, {"evil-a.example", false},
    };
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < countof(rows); i++) {
        struct end c, s;
        ROW("%s", rows[i].host);
        meet(&c, &s, w.client, w.server, rows[i].host, NULL);
        shuttle(&c, &s);
        if (rows[i].good) {
            expect_open(&c, &s);
        } else {
            expect_failed(&c, FAIL_TLS_CERTIFICATE, rows[i].host, "mismatch");
            EXPECT_EQ(tls_state(s.tls), TLS_FAILED); /* the alert arrived */
        }
        end_free(&c), end_free(&s);
    }
    ROW("no host at all");
    struct end c = {0};
    EXPECT(tls_connect(w.client, "", NULL, end_out(&c)) == NULL);
    EXPECT(tls_connect(w.client, ".", NULL, end_out(&c)) == NULL);
    char longest[400];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    EXPECT(tls_connect(w.client, longest, NULL, end_out(&c)) == NULL);
    world_close(&w);
}

TEST(certificates_refused_and_taken) {
    struct world w;
    world_open(&w);
    struct pki *p = &w.pki;
    const struct identity *other_ca =
        pki_make(p, &(struct recipe){.common_name = "Other CA", .authority = true});
    const struct identity *middle = pki_make(
        p, &(struct recipe){.common_name = "Middle CA", .authority = true, .issuer = w.ca});
    const struct identity *dead_ca = pki_make(
        p, &(struct recipe){
               .common_name = "Dead CA", .authority = true, .from_days = -9, .to_days = -2});
    const char *other_path = pki_write_chain(p, "other.pem", other_ca, NULL, NULL);
    const char *middle_path = pki_write_chain(p, "middle.pem", middle, NULL, NULL);
    const char *dead_path = pki_write_chain(p, "dead.pem", dead_ca, NULL, NULL);
#define LEAF(...) pki_make(p, &(struct recipe){.names = "DNS:a.example", __VA_ARGS__})
    const struct identity *selfsigned = LEAF(.common_name = "self");
    const char *self_path = pki_write_chain(p, "self.pem", selfsigned, NULL, NULL);
    const struct {
        const char *name;
        const struct identity *shown, *above; /* the server's chain */
        const char *ca;
        const char *words; /* NULL: taken */
    } rows[] = {
        {"good", LEAF(.issuer = w.ca), NULL, w.ca_path, NULL},
        {"expired", LEAF(.issuer = w.ca, .from_days = -9, .to_days = -2), NULL, w.ca_path,
         "expired"},
        {"not yet valid", LEAF(.issuer = w.ca, .from_days = 2, .to_days = 9), NULL, w.ca_path,
         "not yet valid"},
        {"unknown authority", LEAF(.issuer = other_ca), NULL, w.ca_path,
         "unable to get local issuer"},
        {"authority that is shown but not believed", LEAF(.issuer = other_ca), other_ca, w.ca_path,
         "self signed certificate in certificate chain"},
        {"expired authority", LEAF(.issuer = dead_ca), NULL, dead_path, "expired"},
        {"self-signed", selfsigned, NULL, w.ca_path, "self signed"},
        {"self-signed and named by the operator", selfsigned, NULL, self_path, NULL},
        {"intermediate shown", LEAF(.issuer = middle), middle, w.ca_path, NULL},
        {"intermediate missing", LEAF(.issuer = middle), NULL, w.ca_path,
         "unable to get local issuer"},
        {"intermediate named by the operator", LEAF(.issuer = middle), NULL, middle_path, NULL},
        {"signed by a leaf", LEAF(.issuer = w.leaf), w.leaf, w.ca_path, "invalid CA certificate"},
        {"named only in its subject",
         pki_make(p, &(struct recipe){.common_name = "a.example", .issuer = w.ca}), NULL, w.ca_path,
         "mismatch"},
        {"for clients only", LEAF(.issuer = w.ca, .usage = "clientAuth"), NULL, w.ca_path,
         "purpose"},
        {"other authority believed", LEAF(.issuer = w.ca), NULL, other_path,
         "unable to get local issuer"},
    };
    for (size_t i = 0; i < 2 * countof(rows); i++) {
        struct end c, s;
        size_t row = i / 2;
        ROW("%s %s", rows[row].name, versions[i % 2].name);
        struct cert_server *server = make_server(&w, NULL, true);
        struct cert_client *client = make_client(rows[row].ca, false, true);
        SSL_CTX *shows = cert_server_context(server);
        /* Past cert_server_new, which refuses what would be refused here. */
        CHECK(SSL_CTX_use_certificate(shows, rows[row].shown->certificate) &&
              SSL_CTX_use_PrivateKey(shows, rows[row].shown->key));
        SSL_CTX_clear_chain_certs(shows);
        if (rows[row].above)
            CHECK(SSL_CTX_add1_chain_cert(shows, rows[row].above->certificate));
        client_version_max(client, versions[i % 2].number);
        meet(&c, &s, client, server, "a.example", NULL);
        shuttle(&c, &s);
        if (rows[row].words) {
            expect_failed(&c, FAIL_TLS_CERTIFICATE, "a.example", rows[row].words);
            EXPECT_EQ(tls_fail(s.tls), FAIL_TLS); /* by alert */
        } else {
            expect_open(&c, &s);
        }
        end_free(&c), end_free(&s);
        cert_server_drop(&server), cert_client_drop(&client);
    }
    ROW("insecure takes anything");
    struct end c, s;
    struct cert_client *blind = make_client(NULL, true, true);
    meet(&c, &s, blind, w.server, "b.example", NULL);
    shuttle(&c, &s);
    expect_open(&c, &s);
    end_free(&c), end_free(&s);
    cert_client_drop(&blind);
    world_close(&w);
}

/* ---- client certificates ---- */

TEST(client_certificates) {
    struct world w;
    world_open(&w);
    struct pki *p = &w.pki;
    const struct identity *other_ca =
        pki_make(p, &(struct recipe){.common_name = "Other CA", .authority = true});
    const struct {
        const char *name;
        const struct identity *shown; /* NULL: none */
        const char *words;            /* of the server; NULL: taken */
    } rows[] = {
        {"good", pki_make(p, &(struct recipe){.common_name = "good", .issuer = w.ca}), NULL},
        {"none", NULL, "no certificate"},
        {"unknown authority",
         pki_make(p, &(struct recipe){.common_name = "stranger", .issuer = other_ca}), "stranger"},
        {"expired",
         pki_make(p,
                  &(struct recipe){
                      .common_name = "late", .issuer = w.ca, .from_days = -9, .to_days = -2}),
         "expired"},
        {"for servers only",
         pki_make(p,
                  &(struct recipe){.common_name = "server", .issuer = w.ca, .usage = "serverAuth"}),
         "purpose"},
    };
    struct cert_server *server = make_server(&w, w.ca_path, true);
    for (size_t i = 0; i < 2 * countof(rows); i++) {
        struct end c, s;
        size_t row = i / 2;
        ROW("%s %s", rows[row].name, versions[i % 2].name);
        struct cert_client *client = make_client(w.ca_path, false, true);
        SSL_CTX *shows = cert_client_context(client);
        if (rows[row].shown)
            CHECK(SSL_CTX_use_certificate(shows, rows[row].shown->certificate) &&
                  SSL_CTX_use_PrivateKey(shows, rows[row].shown->key));
        client_version_max(client, versions[i % 2].number);
        meet(&c, &s, client, server, "a.example", NULL);
        shuttle(&c, &s);
        if (rows[row].words) {
            expect_failed(&s, FAIL_TLS, "client", rows[row].words);
            expect_failed(&c, FAIL_TLS, "a.example", "ALERT"); /* not our judgement of the server */
        } else {
            expect_open(&c, &s);
        }
        end_free(&c), end_free(&s);
        cert_client_drop(&client);
    }
    cert_server_drop(&server);
    world_close(&w);
}
