/* test_engine_upstream.c - pool, dial and the client's half of HTTP/1.1 on real sockets: what
 * well-meaning, clumsy and broken providers do to them. */
#include "tests/unit/net/engine_call.h"

#define MIB ((size_t)1 << 20)

static struct bed bed;
static struct upstream up;
static struct call call, other;

#define ANSWER "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

static bool setup(unsigned min_idle, unsigned max) {
    if (!bed_open(&bed))
        return false;
    upstream_open(&up, &bed, min_idle, max);
    memset(&call, 0, sizeof call);
    memset(&other, 0, sizeof other);
    return true;
}

static void teardown(void) {
    upstream_close(&up);
    bed_close(&bed);
}

static void expect_answered(const struct call *of) {
    EXPECT_EQ(of->heads, 1);
    EXPECT_EQ(of->status, 200);
    EXPECT_EQ(of->ends, 1);
    EXPECT_EQ(of->gones, 1);
    EXPECT_EQ(of->why, FAIL_NONE);
}

TEST(connection_is_used_again) {
    if (!setup(0, 10))
        return;
    call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
    struct raw *server = upstream_accept(&up);
    UNTIL(&bed, raw_has(server, "\r\n\r\nabc"));
    EXPECT(raw_has(server, "POST /one HTTP/1.1\r\nhost: a.example\r\n"));
    raw_say(server,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" ANSWER);
    UNTIL(&bed, call_over(&call));
    expect_answered(&call);
    EXPECT(!call.reused);
    raw_forget(server);
    call_ask(&call, &bed, &up.origin, "/two", "abcd", 4);
    EXPECT(call.reused);
    UNTIL(&bed, raw_has(server, "\r\n\r\nabcd"));
    raw_say(server, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    UNTIL(&bed, call_over(&call));
    expect_answered(&call);
    EXPECT_EQ(call.got_n, 3);
    EXPECT_EQ(up.origin.stats.dials, 1);
    EXPECT_EQ(up.origin.stats.reused, 1);
    teardown();
}

/* What ends an idle connection is noticed before it is handed out. */
TEST(idle_connection_that_ended_is_not_handed_out) {
    for (unsigned how = 0; how < 3; how++) {
        ROW("%s", how == 0 ? "end" : how == 1 ? "reset" : "an answer to nothing");
        if (!setup(0, 10))
            return;
        call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
        struct raw *server = upstream_accept(&up);
        UNTIL(&bed, server->got_n > 0);
        raw_say(server, ANSWER);
        UNTIL(&bed, call_over(&call));
        EXPECT_EQ(up.origin.idle_count, 1);
        if (how == 0)
            raw_close(server);
        else if (how == 1)
            raw_reset(server);
        else
            raw_say(server, ANSWER);
        UNTIL(&bed, up.origin.idle_count == 0);
        call_ask(&call, &bed, &up.origin, "/two", "abc", 3);
        EXPECT(!call.stream);
        server = upstream_accept(&up);
        UNTIL(&bed, server->got_n > 0);
        raw_say(server, ANSWER);
        UNTIL(&bed, call_over(&call));
        expect_answered(&call);
        teardown();
    }
}

/* The race that no pool can avoid: closed just as it is used. The user must be able to tell. */
TEST(reused_connection_that_dies) {
    for (unsigned how = 0; how < 2; how++) {
        ROW("%s", how ? "reset" : "end");
        if (!setup(0, 10))
            return;
        call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
        struct raw *server = upstream_accept(&up);
        UNTIL(&bed, server->got_n > 0);
        raw_say(server, ANSWER);
        UNTIL(&bed, call_over(&call));
        if (how)
            raw_reset(server);
        else
            raw_close(server);
        call_ask(&call, &bed, &up.origin, "/two", "abc", 3); /* before the loop turns */
        EXPECT(call.stream && call.reused);
        UNTIL(&bed, call_over(&call));
        EXPECT(call.why == FAIL_RESET || call.why == FAIL_CLOSED);
        EXPECT_EQ(call.heads, 0);
        EXPECT_EQ(call.gones, 1);
        UNTIL(&bed, up.origin.busy_count == 0);
        teardown();
    }
}

TEST(answers_that_are_cut) {
    static const struct {
        const char *text;
        enum fail why;
    } rows[] = {
        {"HTTP/1.1 200 O", FAIL_CLOSED},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", FAIL_CLOSED},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", FAIL_CLOSED},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", FAIL_CLOSED},
        {"HTTP/1.1 200 OK\r\n\r\nabc", FAIL_NONE}, /* until close: that is its end */
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", FAIL_PROTOCOL},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", FAIL_PROTOCOL},
        {"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", FAIL_PROTOCOL},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].text);
        if (!setup(0, 10))
            return;
        call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
        struct raw *server = upstream_accept(&up);
        UNTIL(&bed, server->got_n > 0);
        raw_say(server, rows[i].text);
        raw_close(server);
        UNTIL(&bed, call_over(&call));
        EXPECT_EQ(call.why, rows[i].why);
        EXPECT_EQ(call.ends, rows[i].why == FAIL_NONE);
        UNTIL(&bed, up.origin.busy_count == 0);
        EXPECT_EQ(up.origin.idle_count, 0);
        teardown();
    }
}

/* Bytes behind an answer would be taken for the next one. */
TEST(more_than_was_asked_for) {
    if (!setup(0, 10))
        return;
    call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
    struct raw *server = upstream_accept(&up);
    UNTIL(&bed, server->got_n > 0);
    raw_say(server, ANSWER "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
    UNTIL(&bed, call_over(&call));
    expect_answered(&call);
    EXPECT_EQ(call.got_n, 2);
    call_ask(&call, &bed, &up.origin, "/two", "abc", 3);
    EXPECT(!call.stream);
    server = upstream_accept(&up);
    UNTIL(&bed, server->got_n > 0);
    raw_say(server, ANSWER);
    UNTIL(&bed, call_over(&call));
    EXPECT_STR(call.got, "ok");
    teardown();
}

/* Refused before the body was read, and closed: the reset must not eat the reason (RFC 9112 9.5). */
TEST(early_answer_survives_the_reset_behind_it) {
    static char body[16 << 20];
    static const struct {
        const char *text;
        enum fail why;
    } rows[] = {
        {"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig", FAIL_NONE},
        {"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig", FAIL_NONE},
        {"HTTP/1.1 413 Too Large\r\n\r\nbig", FAIL_RESET}, /* who knows what is missing */
    };
    for (unsigned i = 0; i < 20 * countof(rows); i++) {
        ROW("%s", rows[i % countof(rows)].text);
        if (!setup(0, 10))
            return;
        call_ask(&call, &bed, &up.origin, "/one", body, sizeof body);
        struct raw *server = upstream_accept(&up);
        server->muted = true;
        bed_turns(&bed, 1 + i / countof(rows));
        raw_say(server, rows[i % countof(rows)].text);
        raw_close(server); /* with bytes unread: a reset follows */
        UNTIL(&bed, call_over(&call));
        EXPECT_EQ(call.status, 413);
        EXPECT_EQ(call.why, rows[i % countof(rows)].why);
        EXPECT_EQ(call.ends, call.why == FAIL_NONE);
        UNTIL(&bed, up.origin.busy_count == 0);
        EXPECT_EQ(up.origin.idle_count, 0);
        teardown();
    }
}

TEST(large_body_is_lent_not_copied) {
    static char body[64 << 20];
    if (!setup(0, 10))
        return;
    for (size_t i = 0; i < sizeof body; i += 997)
        body[i] = (char)i;
    call_ask(&call, &bed, &up.origin, "/one", body, sizeof body);
    struct raw *server = upstream_accept(&up);
    server->muted = true;
    bed_turns(&bed, 50);
    EXPECT(bed.memory_peak < MIB);
    server->muted = false;
    UNTIL(&bed, server->got_n > sizeof body);
    EXPECT(memcmp(server->got + server->got_n - sizeof body, body, sizeof body) == 0);
    EXPECT(bed.memory_peak < MIB);
    raw_say(server, ANSWER);
    UNTIL(&bed, call_over(&call));
    expect_answered(&call);
    EXPECT_EQ(up.origin.idle_count, 1);
    teardown();
}

TEST(body_leaves_right_behind_its_head) {
    static char body[60000];
    if (!setup(0, 10))
        return;
    call_ask(&call, &bed, &up.origin, "/one", body, sizeof body);
    struct raw *server = upstream_accept(&up);
    uint64_t begin_ns = ring_now(bed.loop.ring);
    bed.turn_ns = 400 * NS_PER_MS; /* once: behind the last send, before we look */
    UNTIL(&bed, server->got_n > sizeof body);
    EXPECT(ring_now(bed.loop.ring) - begin_ns < 700 * NS_PER_MS);
    bed.turn_ns = BED_TURN_NS;
    teardown();
}

/* A user that wants no more gets no more than what has already been received. */
TEST(paused_user_holds_the_provider) {
    static char page[65536];
    enum { OFFERED = 64 << 20 };
    if (!setup(0, 10))
        return;
    call.stop_early = true;
    call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
    struct raw *server = upstream_accept(&up);
    UNTIL(&bed, server->got_n > 0);
    char head[100];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n", OFFERED);
    raw_say(server, head);
    size_t sent = 0;
    for (unsigned stuck = 0; stuck < 50;) {
        size_t n = raw_send_some(server, page, sizeof page);
        sent += n;
        stuck = n ? 0 : stuck + 1;
        bed_turn(&bed);
    }
    EXPECT(call.got_n < MIB);
    EXPECT(sent < 32 * MIB);
    stream_more(call.stream, true);
    while (sent < OFFERED && !server->error) {
        sent += raw_send_some(server, page,
                              sizeof page < OFFERED - sent ? sizeof page : OFFERED - sent);
        bed_turn(&bed);
    }
    UNTIL(&bed, call_over(&call));
    expect_answered(&call);
    EXPECT_EQ(call.got_n, OFFERED);
    teardown();
}

TEST(cancelled_one_is_replaced_by_a_spare) {
    if (!setup(1, 10))
        return;
    struct raw *spare = upstream_accept(&up);
    UNTIL(&bed, up.origin.idle_count == 1);
    call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
    EXPECT(call.stream && !call.reused);
    UNTIL(&bed, spare->got_n > 0);
    struct raw *second = upstream_accept(&up); /* as soon as the first is taken */
    stream_reset(call.stream, FAIL_LOST);
    EXPECT_EQ(call.gones, 0);
    UNTIL(&bed, call_over(&call));
    EXPECT_EQ(call.why, FAIL_LOST);
    UNTIL(&bed, spare->ended || spare->error);
    UNTIL(&bed, up.origin.idle_count == 1 && up.origin.busy_count == 0);
    call_ask(&call, &bed, &up.origin, "/two", "abc", 3);
    EXPECT(call.stream != NULL);
    UNTIL(&bed, second->got_n > 0);
    raw_say(second, ANSWER);
    UNTIL(&bed, call_over(&call));
    expect_answered(&call);
    teardown();
}

TEST(full_pool_lets_others_wait) {
    if (!setup(0, 1))
        return;
    call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
    call_ask(&other, &bed, &up.origin, "/two", "abc", 3);
    struct raw *server = upstream_accept(&up);
    UNTIL(&bed, server->got_n > 0);
    EXPECT_EQ(call.readies + other.readies, 1);
    raw_say(server, ANSWER);
    UNTIL(&bed, call_over(&call) && other.readies == 1);
    EXPECT(other.reused);
    ROW("the connection is lost: a new one is dialled for who waits");
    call_ask(&call, &bed, &up.origin, "/three", "abc", 3);
    EXPECT_EQ(call.readies, 0);
    raw_reset(server);
    UNTIL(&bed, call_over(&other));
    server = upstream_accept(&up);
    UNTIL(&bed, server->got_n > 0);
    raw_say(server, ANSWER);
    UNTIL(&bed, call_over(&call));
    expect_answered(&call);
    EXPECT_EQ(up.origin.stats.dials, 2);
    teardown();
}

/* Nobody is left waiting, and nothing is opened, whenever it is asked for. */
TEST(stopped_pool_answers_and_stays_empty) {
    for (unsigned turns = 0; turns < 6; turns++) {
        if (!setup(2, 3))
            return;
        ROW("after %u turns", turns);
        call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
        bed_turns(&bed, turns);
        pool_stop(&up.origin);
        call_ask(&other, &bed, &up.origin, "/two", "abc", 3); /* as a hedge does that fails over */
        EXPECT_EQ(other.faileds, 0);
        UNTIL(&bed, call_over(&call) && call_over(&other));
        EXPECT_EQ(other.faileds, 1);
        EXPECT_EQ(other.why, FAIL_POOL);
        UNTIL(&bed, pool_done(&up.origin));
        bed_turns(&bed, 20);
        EXPECT(pool_done(&up.origin));
        teardown();
    }
}

TEST(cancelled_asks_leave_nothing_behind) {
    for (unsigned turns = 0; turns < 6; turns++) {
        if (!setup(0, 10))
            return;
        ROW("after %u turns", turns);
        call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
        bed_turns(&bed, turns);
        if (call.stream)
            stream_reset(call.stream, FAIL_CANCELLED);
        else
            pool_cancel(&up.origin, &call.ask);
        bed_turns(&bed, 20);
        EXPECT_EQ(call.faileds, 0);
        EXPECT_EQ(call.gones, call.readies);
        EXPECT_EQ(up.origin.busy_count + up.origin.opening_count + up.origin.waiting_count, 0);
        teardown();
    }
}

TEST(dials_that_fail) {
    if (!setup(0, 10))
        return;
    close(up.listen_fd);
    up.listen_fd = -1;
    call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
    UNTIL(&bed, call_over(&call));
    EXPECT_EQ(call.faileds, 1);
    EXPECT_EQ(call.why, FAIL_CONNECT);
    ROW("at once again: the pause after a failure is for spares only");
    call_ask(&call, &bed, &up.origin, "/one", "abc", 3);
    UNTIL(&bed, call_over(&call));
    EXPECT_EQ(call.why, FAIL_CONNECT);
    EXPECT_EQ(up.origin.stats.dials, 2);
    teardown();
}

/* "localhost" comes from /etc/hosts or by RFC 6761, mostly as ::1 and 127.0.0.1; only the second is
 * listened on, so that the first must be refused and followed up. */
TEST(names_and_happy_eyeballs) {
    if (!setup(0, 10))
        return;
    struct upstream named = {.port = up.port, .listen_fd = -1};
    upstream_pool(&named, &bed, "localhost", NULL, 0, 10);
    uint64_t begin_ns = ring_now(bed.loop.ring);
    call_ask(&call, &bed, &named.origin, "/one", "abc", 3);
    struct raw *server = upstream_accept(&up);
    UNTIL(&bed, server->got_n > 0);
    raw_say(server, ANSWER);
    UNTIL(&bed, call_over(&call));
    expect_answered(&call);
    EXPECT(ring_now(bed.loop.ring) - begin_ns < 5 * NS_PER_S);
    EXPECT_EQ(bed.resolve.misses, 1);
    ROW("from the cache");
    raw_close(server);
    UNTIL(&bed, named.origin.idle_count == 0);
    call_ask(&call, &bed, &named.origin, "/one", "abc", 3);
    server = upstream_accept(&up);
    UNTIL(&bed, server->got_n > 0);
    EXPECT_EQ(bed.resolve.misses, 1);
    EXPECT_EQ(bed.resolve.hits, 1);
    upstream_close(&named);
    EXPECT_EQ(call.gones, 1);
    teardown();
}

static struct dial dial;
static unsigned dial_dones, dial_idles;
static int dial_fd;
static enum fail dial_why;

static void on_dial_done(struct dial *of, int fd, enum fail why) {
    (void)of;
    dial_dones++;
    dial_fd = fd;
    dial_why = why;
}

static void on_dial_idle(struct dial *of) {
    (void)of;
    dial_idles++;
}

/* Both families by hand: whatever the machine's names say. */
TEST(refused_family_is_followed_by_the_other) {
    struct resolve_ask *ask = &dial.ask;
    for (unsigned cancel = 0; cancel < 2; cancel++) {
        if (!setup(0, 10))
            return;
        dial_dones = dial_idles = 0;
        dial.done = on_dial_done;
        dial.idle = on_dial_idle;
        dial_start(&dial, &bed.loop, &bed.resolve, "localhost", up.port, 5 * NS_PER_S);
        bed_turn(&bed);
        struct addr_list both = {.count = 2};
        addr_parse(SPAN("::1"), 0, &both.addrs[0]);
        addr_parse(SPAN("127.0.0.1"), 0, &both.addrs[1]);
        if (dial.asking) { /* not answered yet: with ours */
            resolve_cancel(ask);
            ask->done(ask, &both);
        }
        if (cancel)
            dial_cancel(&dial);
        UNTIL(&bed, dial_idles == 1);
        EXPECT_EQ(dial_dones, !cancel);
        if (!cancel) {
            EXPECT(dial_why == FAIL_NONE && dial_fd >= 0);
            close(dial_fd);
        }
        bed_turns(&bed, 5);
        EXPECT_EQ(dial_idles, 1);
        teardown();
    }
}

TEST(name_that_does_not_exist) {
    if (!setup(0, 10))
        return;
    struct upstream named = {.port = up.port, .listen_fd = -1};
    upstream_pool(&named, &bed, "no-such-host.invalid", NULL, 0, 10);
    call_ask(&call, &bed, &named.origin, "/one", "abc", 3);
    call.ask.connect_ns = NS_PER_S;
    UNTIL(&bed, call_over(&call));
    EXPECT_EQ(call.faileds, 1);
    EXPECT_EQ(call.why, FAIL_DNS);
    upstream_close(&named);
    teardown();
}
