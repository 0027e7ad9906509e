/* test_tls_resume.c - sessions are used again, once where it matters, and only under the terms they
 * were made on. */
#include "tests/unit/net/tls_pair.h"

TEST(resumes) {
    struct world w;
    world_open(&w);
    for (size_t v = 0; v < countof(versions); v++) {
        ROW("%s", versions[v].name);
        struct tls_resume *resume = tls_resume_new();
        client_version_max(w.client, versions[v].number);
        EXPECT(!connect_once(w.client, w.server, "a.example", resume));
        EXPECT(tls_resume_count(resume) >= 1);
        for (unsigned i = 0; i < 20; i++)
            EXPECT(connect_once(w.client, w.server, "a.example", resume));
        EXPECT(tls_resume_count(resume) <= TLS_RESUME_MAX);
        tls_resume_free(&resume);
        EXPECT(resume == NULL);
        tls_resume_free(&resume);
        EXPECT(!connect_once(w.client, w.server, "a.example", NULL));
    }
    world_close(&w);
}

/* A ticket of TLS 1.3 is offered once, whatever became of the connection; one of TLS 1.2 may be
 * offered again. */
TEST(tickets_of_1_3_are_used_once) {
    struct world w;
    world_open(&w);
    for (size_t v = 0; v < countof(versions); v++) {
        ROW("%s", versions[v].name);
        struct tls_resume *resume = tls_resume_new();
        struct end out = {0};
        client_version_max(w.client, versions[v].number);
        connect_once(w.client, w.server, "a.example", resume);
        unsigned had = tls_resume_count(resume);
        EXPECT(had >= 1);
        for (unsigned i = 0; i < had; i++) { /* connections that come to nothing */
            struct tls *t = tls_connect(w.client, "a.example", resume, end_out(&out));
            tls_free(&t);
        }
        EXPECT_EQ(tls_resume_count(resume), versions[v].number == TLS1_3_VERSION ? 0 : had);
        EXPECT_EQ(connect_once(w.client, w.server, "a.example", resume),
                  versions[v].number != TLS1_3_VERSION);
        bytes_free(&out.out);
        tls_resume_free(&resume);
    }
    world_close(&w);
}

/* A resumed handshake shows no certificate: what was verified for one host or trust store must not
 * serve for another. */
TEST(sessions_are_kept_to_their_terms) {
    struct world w;
    world_open(&w);
    struct tls_resume *resume = tls_resume_new();
    struct cert_client *reloaded = make_client(w.ca_path, false, true);
    struct cert_client *distrusts = make_client(w.leaf_path, false, true);
    ROW("another host");
    connect_once(w.client, w.server, "a.example", resume);
    EXPECT(!connect_once(w.client, w.server, "x.wild.example", resume));
    EXPECT(connect_once(w.client, w.server, "x.wild.example", resume));
    ROW("a reloaded trust store");
    EXPECT(!connect_once(reloaded, w.server, "x.wild.example", resume));
    EXPECT(connect_once(reloaded, w.server, "x.wild.example", resume));
    ROW("a ticket that comes late from before the reload");
    struct end c, s;
    meet(&c, &s, w.client, w.server, "a.example", resume);
    struct tls *newer = tls_connect(distrusts, "a.example", resume, end_out(&c));
    shuttle(&c, &s);
    EXPECT_EQ(tls_write(s.tls, SPAN("hello"), 0), 0); /* tickets travel with the first data */
    shuttle(&c, &s);
    EXPECT_EQ(c.got.n, 5);
    EXPECT_EQ(tls_resume_count(resume), 0);
    tls_free(&newer);
    end_free(&c), end_free(&s);
    ROW("a server with other ticket keys");
    struct cert_server *restarted = make_server(&w, NULL, true);
    connect_once(w.client, w.server, "a.example", resume);
    EXPECT(!connect_once(w.client, restarted, "a.example", resume));
    cert_server_drop(&restarted);
    cert_client_drop(&reloaded), cert_client_drop(&distrusts);
    tls_resume_free(&resume);
    world_close(&w);
}

TEST(resumes_with_client_certificates) {
    struct world w;
    world_open(&w);
    struct tls_resume *resume = tls_resume_new();
    struct cert_server *server = make_server(&w, w.ca_path, true);
    const struct identity *me =
        pki_make(&w.pki, &(struct recipe){.common_name = "me", .issuer = w.ca});
    SSL_CTX *shows = cert_client_context(w.client);
    CHECK(SSL_CTX_use_certificate(shows, me->certificate) &&
          SSL_CTX_use_PrivateKey(shows, me->key));
    EXPECT(!connect_once(w.client, server, "a.example", resume));
    EXPECT(connect_once(w.client, server, "a.example", resume));
    tls_resume_free(&resume);
    cert_server_drop(&server);
    world_close(&w);
}
