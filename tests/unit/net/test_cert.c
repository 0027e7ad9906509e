/* test_cert.c - what is taken from files, what is refused and in which words, and which certificate
 * a name gets. */
#include "tests/test.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/cert.h"
#include "tests/unit/net/make_cert.h"

/* One authority and what hangs on it, for all tests of a program run. */
struct world {
    struct pki pki;
    const struct identity *ca, *leaf;
    const char *ca_path, *leaf_path, *key_path;
};

static void world_open(struct world *w) {
    pki_open(&w->pki);
    w->ca = pki_make(&w->pki, &(struct recipe){.common_name = "Test CA", .authority = true});
    w->leaf = pki_make(
        &w->pki,
        &(struct recipe){.common_name = "leaf", .names = "DNS:a.example", .issuer = w->ca});
    w->ca_path = pki_write_chain(&w->pki, "ca.pem", w->ca, NULL, NULL);
    w->leaf_path = pki_write_chain(&w->pki, "leaf.pem", w->leaf, w->ca, NULL);
    w->key_path = pki_write_key(&w->pki, "leaf.key", w->leaf, NULL);
}

TEST(loads_a_pair) {
    struct world w;
    char why[400] = "untouched";
    struct cert_server *server;
    world_open(&w);
    struct cert_pair pair = {w.leaf_path, w.key_path};
    EXPECT_EQ(cert_server_new(&server,
                              &(struct cert_server_options){.pairs = &pair, .pair_count = 1}, why,
                              sizeof why),
              0);
    EXPECT_STR(why, "untouched");
    REQUIRE(server);
    int64_t days =
        (cert_server_not_after_s(server) - (int64_t)time(NULL) + PKI_DAY_S / 2) / PKI_DAY_S;
    EXPECT_EQ(days, PKI_VALID_DAYS);
    EXPECT_EQ(ERR_peek_error(), 0);
    cert_server_drop(&server);
    EXPECT(server == NULL);
    cert_server_drop(&server); /* nothing is fine */
    pki_close(&w.pki);
}

/* Expects a refusal whose words hold `path` and `words`. */
static void expect_refused(const struct cert_server_options *options, const char *path,
                           const char *words) {
    char why[400] = "";
    struct cert_server *server = (void *)1;
    EXPECT_EQ(cert_server_new(&server, options, why, sizeof why), -EINVAL);
    EXPECT(server == NULL);
    if (!strstr(why, path) || !strstr(why, words))
        FAIL_TEST("\"%s\" does not hold \"%s\" and \"%s\"", why, path, words);
    EXPECT_EQ(ERR_peek_error(), 0);
}

TEST(refuses_bad_pairs_in_words) {
    struct world w;
    world_open(&w);
    struct pki *p = &w.pki;
    const struct identity *old = pki_make(
        p,
        &(struct recipe){.names = "DNS:a.example", .from_days = -9, .to_days = -2, .issuer = w.ca});
    const struct identity *young = pki_make(
        p,
        &(struct recipe){.names = "DNS:a.example", .from_days = 2, .to_days = 9, .issuer = w.ca});
    const char *text = pki_write_text(p, "text", "no certificate here\n");
    const char *broken = pki_write_text(
        p, "broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const char *broken_key = pki_write_text(
        p, "broken.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    const char *locked = pki_write_key(p, "locked.key", w.leaf, "secret");
    const char *ca_key = pki_write_key(p, "ca.key", w.ca, NULL);
    const char *old_path = pki_write_chain(p, "old.pem", old, NULL, NULL),
               *old_key = pki_write_key(p, "old.key", old, NULL);
    const char *young_path = pki_write_chain(p, "young.pem", young, NULL, NULL),
               *young_key = pki_write_key(p, "young.key", young, NULL);
    const char *absent = pki_path(p, "absent");
    const struct {
        const char *name, *certificate, *key, *path, *words;
    } rows[] = {
        {"no certificate file", absent, w.key_path, absent, "No such file"},
        {"no key file", w.leaf_path, absent, absent, "No such file"},
        {"a folder", p->folder, w.key_path, p->folder, ""},
        {"text", text, w.key_path, text, "no PEM block"},
        {"text as key", w.leaf_path, text, text, "no PEM block"},
        {"damaged certificate", broken, w.key_path, broken, "damaged"},
        {"damaged key", w.leaf_path, broken_key, broken_key, "damaged"},
        {"key with passphrase", w.leaf_path, locked, locked, "encrypted"},
        {"another's key", w.leaf_path, ca_key, ca_key, "does not belong"},
        {"expired", old_path, old_key, old_path, "expired on 20"},
        {"not yet valid", young_path, young_key, young_path, "clock"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        /* Behind a good pair, so that what was loaded before is freed too. */
        struct cert_pair pairs[] = {{w.leaf_path, w.key_path}, {rows[i].certificate, rows[i].key}};
        expect_refused(&(struct cert_server_options){.pairs = pairs, .pair_count = 2}, rows[i].path,
                       rows[i].words);
        expect_refused(&(struct cert_server_options){.pairs = pairs + 1, .pair_count = 1},
                       rows[i].path, rows[i].words);
    }
    ROW("client_ca");
    struct cert_pair good = {w.leaf_path, w.key_path};
    expect_refused(
        &(struct cert_server_options){.pairs = &good, .pair_count = 1, .client_ca_path = absent},
        absent, "client_ca");
    expect_refused(
        &(struct cert_server_options){.pairs = &good, .pair_count = 1, .client_ca_path = text},
        text, "client_ca");
    pki_close(p);
}

TEST(explanation_is_cut_to_its_room) {
    char why[12];
    struct cert_server *server;
    struct cert_pair pair = {"/nonexistent/certificate", "/nonexistent/key"};
    struct cert_server_options options = {.pairs = &pair, .pair_count = 1};
    memset(why, 'x', sizeof why);
    EXPECT_EQ(cert_server_new(&server, &options, why, 8), -EINVAL);
    EXPECT_MEM(why, 9, "certifi\0x", 9);
    EXPECT_EQ(cert_server_new(&server, &options, NULL, 0), -EINVAL);
}

/* The expired root that public chains carried for years (a cross-signed one) must not stop a
 * server. */
TEST(an_expired_certificate_above_the_leaf_is_let_be) {
    struct world w;
    char why[400] = "";
    struct cert_server *server;
    world_open(&w);
    const struct identity *old = pki_make(
        &w.pki, &(struct recipe){
                    .common_name = "Old CA", .authority = true, .from_days = -9, .to_days = -2});
    const char *chain = pki_write_chain(&w.pki, "chain.pem", w.leaf, old, NULL);
    struct cert_pair pair = {chain, w.key_path};
    EXPECT_EQ(cert_server_new(&server,
                              &(struct cert_server_options){.pairs = &pair, .pair_count = 1}, why,
                              sizeof why),
              0);
    EXPECT_STR(why, "");
    REQUIRE(server);
    EXPECT(cert_server_not_after_s(server) > (int64_t)time(NULL));
    cert_server_drop(&server);
    pki_close(&w.pki);
}

TEST(chooses_by_name) {
    static const char *const names[] = {
        "DNS:first.example",
        "DNS:exact.example,DNS:*.wild.example,DNS:UPPER.example",
        "DNS:*.wild.example,DNS:in.wild.example,DNS:*.deep.wild.example",
        "IP:127.0.0.1",
        NULL, /* no alternative names: the common name */
    };
    struct pki pki;
    struct cert_pair pairs[countof(names)];
    int64_t least_days = 0;
    pki_open(&pki);
    for (unsigned i = 0; i < countof(names); i++) {
        char file[32];
        long days = 20 - 3 * (long)i; /* the last one is the first to expire */
        const struct identity *one =
            pki_make(&pki, &(struct recipe){.common_name = "common.example",
                                            .names = names[i],
                                            .from_days = -1,
                                            .to_days = days});
        snprintf(file, sizeof file, "%u.pem", i);
        pairs[i].certificate_path = pki_write_chain(&pki, file, one, NULL, NULL);
        snprintf(file, sizeof file, "%u.key", i);
        pairs[i].private_key_path = pki_write_key(&pki, file, one, NULL);
        least_days = days;
    }
    struct cert_server *server;
    char why[400] = "", longest[300];
    EXPECT_EQ(
        cert_server_new(&server,
                        &(struct cert_server_options){.pairs = pairs, .pair_count = countof(pairs)},
                        why, sizeof why),
        0);
    EXPECT_STR(why, "");
    REQUIRE(server);
    int64_t days =
        (cert_server_not_after_s(server) - (int64_t)time(NULL) + PKI_DAY_S / 2) / PKI_DAY_S;
    EXPECT_EQ(days, least_days);
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 284, ".wild.example", 14);
    const struct {
        const char *name;
        unsigned want;
    } rows[] = {
        {NULL, 0},
        {"", 0},
        {".", 0},
        {"first.example", 0},
        {"exact.example", 1},
        {"EXACT.Example", 1},
        {"exact.example.", 1},
        {"upper.example", 1},
        {"any.wild.example", 1}, /* both have the wildcard: the first of them */
        {"in.wild.example", 2},  /* exact goes before wildcard */
        {"a.b.wild.example", 0}, /* one label only */
        {"x.deep.wild.example", 2},
        {"wild.example", 0},
        {".wild.example", 0},
        {"*.wild.example", 1},
        {"common.example", 4},
        {"127.0.0.1", 0},
        {"unknown.example", 0},
        {"a b", 0},
        {"\xc3\xa4.wild.example", 0},
        {longest, 0},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%.40s", rows[i].name ? rows[i].name : "(none)");
        EXPECT_EQ(cert_server_choose(server, rows[i].name), rows[i].want);
    }
    cert_server_drop(&server);
    pki_close(&pki);
}

TEST(client_trust) {
    struct world w;
    world_open(&w);
    const char *text = pki_write_text(&w.pki, "text", "nothing\n"),
               *absent = pki_path(&w.pki, "absent");
    const struct {
        const char *name, *ca, *environment, *words; /* words NULL: taken */
        bool insecure;
    } rows[] = {
        {"a file", w.ca_path, NULL, NULL, false},
        {"a file goes before the environment", w.ca_path, absent, NULL, false},
        {"absent file", absent, NULL, "tls.ca", false},
        {"file without certificates", text, NULL, "no usable PEM", false},
        {"environment", NULL, w.ca_path, NULL, false},
        {"absent, environment", NULL, absent, "SSL_CERT_FILE", false},
        {"empty environment means the system", NULL, "", NULL, false},
        {"insecure needs nothing", NULL, absent, NULL, true},
    };
    uint64_t last_serial = 0;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        char why[400] = "";
        struct cert_client *client;
        if (rows[i].environment)
            setenv("SSL_CERT_FILE", rows[i].environment, 1);
        else
            unsetenv("SSL_CERT_FILE");
        bool system = rows[i].environment && !*rows[i].environment;
        int error = cert_client_new(
            &client,
            &(struct cert_client_options){.ca_path = rows[i].ca, .insecure = rows[i].insecure}, why,
            sizeof why);
        if (system && error) { /* a machine without ca-certificates: then the words must help */
            EXPECT(strstr(why, "ca-certificates") != NULL);
            continue;
        }
        EXPECT_EQ(error, rows[i].words ? -EINVAL : 0);
        EXPECT_EQ(client != NULL, rows[i].words == NULL);
        if (rows[i].words && !strstr(why, rows[i].words))
            FAIL_TEST("\"%s\" does not hold \"%s\"", why, rows[i].words);
        EXPECT_EQ(ERR_peek_error(), 0);
        if (client) {
            EXPECT(cert_client_serial(client) > last_serial);
            last_serial = cert_client_serial(client);
            int mode = SSL_CTX_get_verify_mode(cert_client_context(client));
            EXPECT_EQ(mode, rows[i].insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER);
        }
        cert_client_drop(&client);
    }
    unsetenv("SSL_CERT_FILE");
    pki_close(&w.pki);
}

static void *hold_and_drop(void *server) {
    for (unsigned i = 0; i < 20000; i++) {
        struct cert_server *mine = cert_server_hold(server);
        cert_server_drop(&mine);
    }
    return NULL;
}

/* Two threads hold and drop while the owner's own hold keeps it alive; the sanitizers and the count
 * tell. */
TEST(holds_are_counted_across_threads) {
    struct world w;
    char why[400];
    struct cert_server *server;
    pthread_t other;
    world_open(&w);
    struct cert_pair pair = {w.leaf_path, w.key_path};
    REQUIRE(cert_server_new(&server, &(struct cert_server_options){.pairs = &pair, .pair_count = 1},
                            why, sizeof why) == 0);
    REQUIRE(pthread_create(&other, NULL, hold_and_drop, server) == 0);
    hold_and_drop(server);
    pthread_join(other, NULL);
    EXPECT_EQ(cert_server_choose(server, "a.example"), 0);
    struct cert_server *again = cert_server_hold(server);
    cert_server_drop(&server);
    EXPECT(cert_server_context(again) != NULL);
    cert_server_drop(&again);
    pki_close(&w.pki);
}

TEST(says_what_is_built_in) {
    EXPECT(strstr(cert_library(), "BoringSSL") == cert_library());
    EXPECT(strchr(cert_library(), ')') != NULL);
}
