/* test_tls.c - sessions: handshakes in all cuts, data, ends, damage, memory. */
#include "tests/unit/net/tls_pair.h"

#include "core/heap.h"
#include "net/tls_memory.h"

TEST(handshakes_in_all_cuts) {
    struct world w;
    world_open(&w);
    for (size_t v = 0; v < countof(versions); v++) {
        client_version_max(w.client, versions[v].number);
        for (unsigned i = 0; i < 12; i++) {
            enum cut cut = i < 2 ? (enum cut)i : CUT_RANDOM;
            struct end c, s;
            ROW("%s %s %u", versions[v].name, cut_names[cut], i);
            meet(&c, &s, w.client, w.server, "a.example", NULL);
            c.read_max = s.read_max = i % 3 == 2 ? 7 : 0;
            EXPECT_EQ(tls_state(c.tls), TLS_HANDSHAKE);
            EXPECT_STR(tls_version(c.tls), "");
            shuttle_cut(&c, &s, cut, i + 1);
            expect_open(&c, &s);
            EXPECT_EQ(strncmp(tls_version(c.tls), versions[v].name, 7), 0);
            EXPECT_STR(tls_version(c.tls), tls_version(s.tls));
            EXPECT_BYTES(tls_alpn(c.tls).p, tls_alpn(c.tls).n, "h2");
            EXPECT(!tls_resumed(c.tls) && !tls_resumed(s.tls));
            EXPECT_EQ(tls_write(c.tls, SPAN("a question"), 0), 0);
            EXPECT_EQ(tls_write(s.tls, SPAN("an answer"), 3), 0);
            shuttle_cut(&c, &s, cut, i + 100);
            EXPECT_BYTES(s.got.p, s.got.n, "a question");
            EXPECT_BYTES(c.got.p, c.got.n, "an answer");
            end_free(&c), end_free(&s);
        }
    }
    world_close(&w);
}

TEST(post_quantum_group_where_the_library_has_it) {
    struct world w;
    struct end c, s;
    world_open(&w);
    meet(&c, &s, w.client, w.server, "a.example", NULL);
    shuttle(&c, &s);
    expect_open(&c, &s);
    EXPECT(strstr(tls_version(c.tls), cert_post_quantum() ? "X25519MLKEM768" : "X25519") != NULL);
    end_free(&c), end_free(&s);
    world_close(&w);
}

/* ---- data ---- */

TEST(a_mebibyte_both_ways) {
    static const struct {
        size_t record_max;
        enum cut cut;
        size_t read_max;
    } rows[] = {{0, CUT_WHOLE, 0},
                {TLS_RECORD_MAX, CUT_RANDOM, 4096},
                {1300, CUT_RANDOM, 4096},
                {4096, CUT_WHOLE, 100},
                {200, CUT_WHOLE, 4096}};
    enum { TOTAL = 1 << 20 };
    struct world w;
    char *up = malloc(TOTAL), *down = malloc(TOTAL);
    uint64_t seed = 12345;
    CHECK(up && down);
    for (size_t i = 0; i < TOTAL; i++)
        up[i] = (char)dice(&seed), down[i] = (char)dice(&seed);
    world_open(&w);
    for (size_t i = 0; i < 2 * countof(rows); i++) {
        struct end c, s;
        size_t row = i / 2;
        ROW("records of %zu, %s, %s", rows[row].record_max, cut_names[rows[row].cut],
            versions[i % 2].name);
        client_version_max(w.client, versions[i % 2].number);
        meet(&c, &s, w.client, w.server, "a.example", NULL);
        c.read_max = s.read_max = rows[row].read_max;
        shuttle(&c, &s);
        expect_open(&c, &s);
        c.largest = c.writes = 0;
        EXPECT_EQ(tls_write(c.tls, span_of(up, TOTAL), rows[row].record_max), 0);
        EXPECT_EQ(tls_write(s.tls, span_of(down, TOTAL), rows[row].record_max), 0);
        size_t record = rows[row].record_max ? rows[row].record_max : TLS_RECORD_MAX;
        EXPECT_EQ(c.writes, (TOTAL + record - 1) / record);
        EXPECT(c.largest > record && c.largest <= record + 5 + 8 + 1 + 16);
        shuttle_cut(&c, &s, rows[row].cut, i + 7);
        EXPECT_MEM(s.got.p, s.got.n, up, TOTAL);
        EXPECT_MEM(c.got.p, c.got.n, down, TOTAL);
        end_free(&c), end_free(&s);
    }
    free(up), free(down);
    world_close(&w);
}

TEST(empty_writes_and_reads) {
    struct world w;
    struct end c, s;
    char plain[8];
    world_open(&w);
    meet(&c, &s, w.client, w.server, "a.example", NULL);
    shuttle(&c, &s);
    expect_open(&c, &s);
    c.writes = 0;
    EXPECT_EQ(tls_write(c.tls, (struct span){0}, 0), 0);
    EXPECT_EQ(c.writes, 0);
    EXPECT_EQ(tls_read(c.tls, plain, sizeof plain), 0);
    EXPECT_EQ(tls_read(c.tls, plain, 0), 0);
    EXPECT_EQ(tls_step(c.tls), TLS_OPEN);
    EXPECT_STR(tls_state_name(tls_state(c.tls)), "open");
    ROW("a span is taken back");
    tls_feed(c.tls, SPAN("\x17"));
    tls_feed(c.tls, (struct span){0});
    EXPECT_EQ(tls_pending_in(c.tls), 0);
    EXPECT_ABORT(tls_feed(c.tls, SPAN("\x17")); tls_feed(c.tls, SPAN("\x03")));
    ROW("several records are read at once");
    EXPECT_EQ(tls_write(c.tls, SPAN("abcdef"), 1), 0);
    tls_feed(s.tls, span_of(c.out.p, c.out.n));
    EXPECT_EQ(tls_read(s.tls, plain, 4), 4);
    EXPECT(tls_pending_in(s.tls) > 0);
    EXPECT_EQ(tls_read(s.tls, plain + 4, 4), 2);
    EXPECT_EQ(tls_pending_in(s.tls), 0);
    EXPECT_BYTES(plain, 6, "abcdef");
    end_free(&c), end_free(&s);
    world_close(&w);
}

/* ---- ends ---- */

TEST(clean_close_and_cut) {
    struct world w;
    world_open(&w);
    for (size_t v = 0; v < countof(versions); v++) {
        struct end c, s;
        char plain[16];
        client_version_max(w.client, versions[v].number);
        ROW("%s clean", versions[v].name);
        meet(&c, &s, w.client, w.server, "a.example", NULL);
        shuttle(&c, &s);
        EXPECT_EQ(tls_write(s.tls, SPAN("last words"), 0), 0);
        tls_shutdown(s.tls);
        size_t said = s.out.n;
        tls_shutdown(s.tls); /* once */
        EXPECT_EQ(s.out.n, said);
        EXPECT_EQ(tls_state(s.tls), TLS_OPEN); /* the other side may still speak */
        EXPECT_EQ(tls_write(s.tls, SPAN("more"), 0), -FAIL_CLOSED);
        bytes_add(&s.out, "bytes behind the end", 20);
        tls_feed(c.tls, span_of(s.out.p, s.out.n));
        EXPECT_EQ(tls_read(c.tls, plain, sizeof plain), 10);
        EXPECT_EQ(tls_read(c.tls, plain, sizeof plain), 0);
        EXPECT_EQ(tls_state(c.tls), TLS_CLOSED);
        EXPECT_EQ(tls_pending_in(c.tls), 0); /* dropped */
        tls_feed(c.tls, SPAN("dropped too"));
        EXPECT_EQ(tls_pending_in(c.tls), 0);
        EXPECT_EQ(tls_fail(c.tls), FAIL_NONE);
        ROW("%s half closed: the other direction goes on", versions[v].name);
        bytes_free(&s.out);
        EXPECT_EQ(tls_write(c.tls, SPAN("still here"), 0), 0);
        tls_shutdown(c.tls);
        uint64_t seed = 1;
        deliver(&c, &s, CUT_WHOLE, &seed);
        EXPECT_BYTES(s.got.p, s.got.n, "still here");
        EXPECT_EQ(tls_state(s.tls), TLS_CLOSED);
        end_free(&c), end_free(&s);

        ROW("%s cut at every byte", versions[v].name);
        meet(&c, &s, w.client, w.server, "a.example", NULL);
        shuttle(&c, &s);
        EXPECT_EQ(tls_write(s.tls, SPAN("last words"), 0), 0);
        size_t data = s.out.n;
        tls_shutdown(s.tls);
        for (size_t i = 0; i < s.out.n; i++) {
            EXPECT_EQ(tls_state(c.tls),
                      TLS_OPEN); /* so far it could be cut, and would be seen as cut */
            EXPECT_EQ(c.got.n, i < data ? 0 : 10);
            end_take(&c, s.out.p + i, 1);
        }
        EXPECT_EQ(tls_state(c.tls), TLS_CLOSED);
        end_free(&c), end_free(&s);
    }
    ROW("a second shutdown does not eat what the peer still says");
    char plain[16];
    struct end c, s;
    meet(&c, &s, w.client, w.server, "a.example", NULL);
    shuttle(&c, &s);
    tls_shutdown(s.tls);
    EXPECT_EQ(tls_write(c.tls, SPAN("not lost"), 0), 0);
    tls_feed(s.tls, span_of(c.out.p, c.out.n));
    tls_shutdown(s.tls);
    EXPECT_EQ(tls_read(s.tls, plain, sizeof plain), 8);
    end_free(&c), end_free(&s);
    ROW("closed inside the handshake");
    meet(&c, &s, w.client, w.server, "a.example", NULL);
    tls_shutdown(c.tls);
    EXPECT_EQ(c.out.n, 0);
    end_take(&s, "\x15\x03\x01\x00\x02\x01\x00", 7);
    expect_failed(&s, FAIL_TLS, "the client", "closed during the handshake");
    end_free(&c), end_free(&s);
    world_close(&w);
}

TEST(corrupted_records_fail) {
    struct world w;
    world_open(&w);
    for (size_t v = 0; v < countof(versions); v++) {
        client_version_max(w.client, versions[v].number);
        for (size_t at = 0; at < 5 + 8 + 8 + 16; at++) {
            struct end c, s;
            ROW("%s byte %zu", versions[v].name, at);
            meet(&c, &s, w.client, w.server, "a.example", NULL);
            shuttle(&c, &s);
            EXPECT_EQ(tls_write(c.tls, SPAN("a secret"), 0), 0);
            if (at >= c.out.n) {
                end_free(&c), end_free(&s);
                break;
            }
            c.out.p[at] ^= 0x41;
            /* A longer length in the header would wait for bytes that must then fail. */
            char filler[TLS_RECORD_MAX + 512];
            memset(filler, 'f', sizeof filler);
            bytes_add(&c.out, filler, sizeof filler);
            uint64_t seed = 1;
            deliver(&c, &s, CUT_WHOLE, &seed);
            EXPECT_EQ(s.got.n, 0);
            expect_failed(&s, FAIL_TLS, "the client", "");
            end_free(&c), end_free(&s);
        }
    }
    world_close(&w);
}

TEST(what_came_before_a_damaged_record_is_read_first) {
    struct world w;
    struct end c, s;
    char plain[64];
    world_open(&w);
    meet(&c, &s, w.client, w.server, "a.example", NULL);
    shuttle(&c, &s);
    EXPECT_EQ(tls_write(c.tls, SPAN("whole"), 0), 0);
    EXPECT_EQ(tls_write(c.tls, SPAN("damaged"), 0), 0);
    c.out.p[c.out.n - 1] ^= 1;
    tls_feed(s.tls, span_of(c.out.p, c.out.n));
    EXPECT_EQ(tls_read(s.tls, plain, sizeof plain), 5);
    EXPECT_EQ(tls_read(s.tls, plain, sizeof plain), -FAIL_TLS);
    expect_failed(&s, FAIL_TLS, "the client", "a record was changed on its way");
    end_free(&c), end_free(&s);
    world_close(&w);
}

/* Damages handshakes at random: they open or fail, and nothing else happens. */
TEST(damaged_handshakes) {
    struct world w;
    uint64_t seed = 4711;
    unsigned failed = 0;
    world_open(&w);
    for (unsigned i = 0; i < 300; i++) {
        struct end c, s;
        ROW("run %u", i);
        client_version_max(w.client, versions[i % 2].number);
        meet(&c, &s, w.client, w.server, "a.example", NULL);
        tls_step(c.tls);
        for (unsigned round = 0; round < 6 && (c.out.n || s.out.n); round++) {
            struct end *speaker = dice(&seed) & 1 ? &c : &s;
            if (speaker->out.n)
                speaker->out.p[dice(&seed) % speaker->out.n] ^= (char)(1 << (dice(&seed) % 8));
            deliver(&c, &s, CUT_RANDOM, &seed);
            deliver(&s, &c, CUT_RANDOM, &seed);
        }
        enum tls_state state = tls_state(s.tls);
        failed += tls_state(c.tls) == TLS_FAILED || state == TLS_FAILED;
        EXPECT_EQ(state == TLS_FAILED, tls_error(s.tls)[0] != 0);
        EXPECT_EQ(ERR_peek_error(), 0);
        end_free(&c), end_free(&s);
    }
    EXPECT(failed > 100);
    world_close(&w);
}

TEST(peers_that_do_not_speak_tls) {
    static const struct {
        const char *bytes;
        bool to_client;
        const char *words;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", false, "HTTP in clear text"},
        {"CONNECT a.example:443 HTTP/1.1\r\n\r\n", false, "proxy"},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", true, "not TLS"},
        {"SSH-2.0-OpenSSH_9.2\r\n", true, "not TLS"},
        {"\x16\x03\x01\xff\xff garbage of a length that no record has", false, ""},
    };
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < countof(rows); i++) {
        struct end c, s;
        ROW("%.20s", rows[i].bytes);
        meet(&c, &s, w.client, w.server, "a.example", NULL);
        tls_step(c.tls);
        struct end *victim = rows[i].to_client ? &c : &s;
        end_take(victim, rows[i].bytes, strlen(rows[i].bytes));
        expect_failed(victim, FAIL_TLS, rows[i].to_client ? "a.example" : "the client",
                      rows[i].words);
        end_free(&c), end_free(&s);
    }
    world_close(&w);
}

TEST(no_room_for_output) {
    struct world w;
    struct end c, s;
    world_open(&w);
    ROW("handshake");
    meet(&c, &s, w.client, w.server, "a.example", NULL);
    c.full = true;
    EXPECT_EQ(tls_step(c.tls), TLS_FAILED);
    expect_failed(&c, FAIL_OVERLOAD, "a.example", "no memory");
    end_free(&c), end_free(&s);
    ROW("data");
    meet(&c, &s, w.client, w.server, "a.example", NULL);
    shuttle(&c, &s);
    s.full = true;
    EXPECT_EQ(tls_write(s.tls, SPAN("data"), 0), -FAIL_OVERLOAD);
    expect_failed(&s, FAIL_OVERLOAD, "the client", "no memory");
    tls_shutdown(s.tls);
    EXPECT_EQ(s.out.n, 0);
    end_free(&c), end_free(&s);
    world_close(&w);
}

/* The session holds its certificates: a reload may drop them while it lives. */
TEST(sessions_outlive_a_reload) {
    struct world w;
    struct end c, s;
    world_open(&w);
    meet(&c, &s, w.client, w.server, "a.example", NULL);
    cert_server_drop(&w.server);
    cert_client_drop(&w.client);
    shuttle(&c, &s);
    expect_open(&c, &s);
    end_free(&c), end_free(&s);
    world_close(&w);
}

/* ---- memory ---- */

/* Writes, delivers and reads one record without memory of the test's own moving. */
static void relay_one(struct end *from, struct end *to, const char *plain, size_t n) {
    char got[TLS_RECORD_MAX];
    from->out.n = 0;
    EXPECT_EQ(tls_write(from->tls, span_of(plain, n), 0), 0);
    tls_feed(to->tls, span_of(from->out.p, from->out.n));
    EXPECT_EQ(tls_read(to->tls, got, sizeof got), (long)n);
    from->out.n = 0;
}

TEST(records_ask_nothing_of_the_heap) {
    static const size_t sizes[] = {1, 200, 1400, TLS_RECORD_MAX};
    struct world w;
    char plain[TLS_RECORD_MAX];
    memset(plain, 'p', sizeof plain);
    world_open(&w);
    EXPECT(tls_memory_hooked());
    for (size_t i = 0; i < 2 * countof(sizes); i++) {
        struct end c, s;
        ROW("%zu bytes, %s", sizes[i / 2], versions[i % 2].name);
        client_version_max(w.client, versions[i % 2].number);
        meet(&c, &s, w.client, w.server, "a.example", NULL);
        shuttle(&c, &s);
        expect_open(&c, &s);
        relay_one(&c, &s, plain, sizes[i / 2]);
        relay_one(&s, &c, plain, sizes[i / 2]);
        uint64_t misses = tls_memory_misses(), calls = heap_calls();
        for (unsigned record = 0; record < 1000; record++)
            relay_one(record % 2 ? &c : &s, record % 2 ? &s : &c, plain, sizes[i / 2]);
        EXPECT_EQ(tls_memory_misses() - misses, 0);
        EXPECT_EQ(heap_calls() - calls, 0);
        end_free(&c), end_free(&s);
    }
    world_close(&w);
}

/* Also connections that come and go find all they need in what earlier ones left. */
TEST(connections_ask_nothing_of_the_heap) {
    struct world w;
    world_open(&w);
    struct tls_resume *resume = tls_resume_new();
    for (unsigned i = 0; i < 20; i++)
        connect_once(w.client, w.server, "a.example", i % 2 ? resume : NULL);
    uint64_t misses = tls_memory_misses();
    for (unsigned i = 0; i < 20; i++)
        connect_once(w.client, w.server, "a.example", i % 2 ? resume : NULL);
    EXPECT_EQ(tls_memory_misses() - misses, 0);
    tls_resume_free(&resume);
    world_close(&w);
}
