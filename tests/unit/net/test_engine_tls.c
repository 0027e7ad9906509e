/* test_engine_tls.c - TLS on real sockets: our server against our pool, and our pool against a
 * scripted server that cuts. */
#include "tests/unit/net/engine_call.h"
#include "tests/unit/net/engine_server.h"
#include "tests/unit/net/tls_pair.h"

#define MIB ((size_t)1 << 20)

static struct bed bed;
static struct upstream up;
static struct call call, other;
static struct world world;
static char body[64 << 20];

static bool setup(unsigned min_idle) {
    if (!bed_open(&bed))
        return false;
    world_open(&world);
    bed_serve(&bed, world.server);
    up = (struct upstream){.port = bed.port, .listen_fd = -1};
    upstream_pool(&up, &bed, "127.0.0.1", world.client, min_idle, 10);
    memset(&call, 0, sizeof call);
    return true;
}

static void teardown(void) {
    upstream_close(&up);
    bed_close(&bed);
    world_close(&world);
}

static void expect_echo(size_t n) {
    char want[64];
    snprintf(want, sizeof want, "%zu %08x", n, sum_of(0, body, n));
    EXPECT_EQ(call.why, FAIL_NONE);
    EXPECT_EQ(call.ends, 1);
    EXPECT_STR(call.got, want);
}

TEST(both_sides) {
    if (!setup(0))
        return;
    for (size_t i = 0; i < sizeof body; i += 991)
        body[i] = (char)i;
    static const size_t sizes[] = {5, 70000, sizeof body, 17};
    for (size_t i = 0; i < countof(sizes); i++) {
        ROW("%zu bytes", sizes[i]);
        call_ask(&call, &bed, &up.origin, "/echo", body, sizes[i]);
        UNTIL(&bed, call_over(&call));
        expect_echo(sizes[i]);
        EXPECT_EQ(call.reused, i > 0);
    }
    EXPECT_EQ(bed.server.stats.handshakes, 1);
    EXPECT(bed.memory_peak < 2 * MIB);
    teardown();
}

TEST(sessions_are_resumed_over_the_pool) {
    if (!setup(0))
        return;
    for (unsigned i = 0; i < 3; i++) {
        call_ask(&call, &bed, &up.origin, "/echo", body, 5);
        UNTIL(&bed, call_over(&call));
        expect_echo(5);
        EXPECT(!call.reused);
        EXPECT_EQ(call.resumed, i > 0);
        conn_stop(&bed_session(&bed)->h1.conn, FAIL_NONE);
        UNTIL(&bed, up.origin.idle_count == 0);
    }
    EXPECT_EQ(bed.server.stats.handshakes_resumed, 2);
    EXPECT_EQ(up.origin.stats.handshakes_resumed, 2);
    teardown();
}

TEST(slow_reader) {
    if (!setup(0))
        return;
    bed.stream_bytes = 100 * MIB;
    call.stop_early = true;
    call_ask(&call, &bed, &up.origin, "/stream", "", 0);
    UNTIL(&bed, call.heads == 1 && stream_room(bed.users[0].stream) == 0);
    bed_turns(&bed, 50);
    EXPECT(bed.users[0].left > 50 * MIB);
    EXPECT(bed.memory_peak < MIB);
    stream_more(call.stream, true);
    UNTIL(&bed, call_over(&call));
    EXPECT_EQ(call.why, FAIL_NONE);
    EXPECT_EQ(call.got_n, bed.stream_bytes);
    EXPECT(bed.users[0].rooms > 10);
    EXPECT(bed.memory_peak < MIB);
    teardown();
}

TEST(cancel_and_leave) {
    if (!setup(1))
        return;
    bed.stream_bytes = 100 * MIB;
    for (unsigned i = 0; i < 6; i++) {
        call_ask(&call, &bed, &up.origin, "/stream", "", 0);
        UNTIL(&bed, call.stream != NULL);
        bed_turns(&bed, 2 * i);
        stream_reset(call.stream, FAIL_LOST);
        UNTIL(&bed, call_over(&call));
        EXPECT_EQ(call.why, FAIL_LOST);
    }
    UNTIL(&bed, bed.server.session_count == up.origin.idle_count);
    for (unsigned i = 0; i < bed.user_count; i++)
        EXPECT_EQ(bed.users[i].gones, 1);
    teardown();
}

TEST(failed_handshakes) {
    if (!setup(0))
        return;
    ROW("clear text");
    struct raw *client = bed_connect(&bed, bed.port, 0);
    raw_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&bed, client->ended || client->error);
    EXPECT_EQ(bed.server.stats.handshakes_failed, 1);
    ROW("gone in the middle");
    client = bed_connect(&bed, bed.port, 0);
    raw_say(client, "\x16\x03\x01");
    bed_turns(&bed, 3);
    raw_close(client);
    UNTIL(&bed, bed.server.stats.handshakes_failed == 2);
    ROW("a certificate that is not trusted");
    const struct identity *ca =
        pki_make(&world.pki, &(struct recipe){.common_name = "Another CA", .authority = true});
    struct cert_client *distrusts =
        make_client(pki_write_chain(&world.pki, "other.pem", ca, NULL, NULL), false, true);
    struct upstream wary = {.port = bed.port, .listen_fd = -1};
    upstream_pool(&wary, &bed, "127.0.0.1", distrusts, 0, 10);
    call_ask(&call, &bed, &wary.origin, "/echo", "abc", 3);
    UNTIL(&bed, call_over(&call));
    EXPECT_EQ(call.faileds, 1);
    EXPECT_EQ(call.why, FAIL_TLS_CERTIFICATE);
    upstream_close(&wary);
    cert_client_drop(&distrusts);
    ROW("a server that does not answer");
    struct upstream mute = {.bed = &bed};
    mute.listen_fd = listen_on(&mute.port);
    upstream_pool(&mute, &bed, "127.0.0.1", world.client, 0, 10);
    call_ask(&call, &bed, &mute.origin, "/echo", "abc", 3);
    bed_turns(&bed, 5);
    EXPECT_EQ(mute.origin.opening_count, 1);
    upstream_close(&mute);
    EXPECT_EQ(call.faileds, 1);
    UNTIL(&bed, bed.server.session_count == 0);
    teardown();
}

/* ---- a scripted TLS server: struct tls over a raw socket ---- */

static void shuttle_raw(struct end *end, struct raw *raw) {
    if (raw->got_n)
        end_take(end, raw->got, raw->got_n);
    raw_forget(raw);
    if (end->out.n)
        EXPECT_EQ(raw_send_some(raw, end->out.p, end->out.n), end->out.n);
    end->out.n = 0;
}

/* Under TLS only close_notify ends a message that lasts until the end: a bare FIN may be anybody's. */
TEST(truncation_is_noticed) {
    static const struct {
        const char *name;
        bool notify;
        enum fail why;
    } rows[] = {{"close_notify", true, FAIL_NONE}, {"bare FIN", false, FAIL_CLOSED}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        if (!setup(0))
            return;
        struct upstream cut = {.bed = &bed};
        struct end end = {0};
        cut.listen_fd = listen_on(&cut.port);
        CHECK(fcntl(cut.listen_fd, F_SETFL, O_NONBLOCK) == 0);
        upstream_pool(&cut, &bed, "127.0.0.1", world.client, 0, 10);
        call_ask(&call, &bed, &cut.origin, "/x", "abc", 3);
        struct raw *server = upstream_accept(&cut);
        end.tls = tls_accept(world.server, end_out(&end));
        UNTIL(&bed, (shuttle_raw(&end, server), end.got.n > 0));
        static const char answer[] = "HTTP/1.1 200 OK\r\n\r\nuntil the end";
        tls_write(end.tls, span_str(answer), 0);
        if (rows[i].notify)
            tls_shutdown(end.tls);
        shuttle_raw(&end, server);
        raw_close(server);
        UNTIL(&bed, call_over(&call));
        EXPECT_EQ(call.got_n, 13);
        EXPECT_EQ(call.why, rows[i].why);
        EXPECT_EQ(call.ends, rows[i].notify);
        end_free(&end);
        upstream_close(&cut);
        teardown();
    }
}

TEST(stop_in_every_phase) {
    for (unsigned turns = 0; turns < 12; turns++) {
        if (!setup(1))
            return;
        ROW("after %u turns", turns);
        bed.stream_bytes = 20 * MIB;
        call_ask(&call, &bed, &up.origin, "/stream", "", 0);
        memset(&other, 0, sizeof other);
        call_ask(&other, &bed, &up.origin, "/echo", body, MIB);
        bed_turns(&bed, turns);
        server_stop(&bed.server);
        pool_stop(&up.origin);
        UNTIL(&bed, call_over(&call) && call_over(&other));
        EXPECT_EQ(call.gones, call.readies);
        EXPECT_EQ(other.gones, other.readies);
        teardown();
    }
}
