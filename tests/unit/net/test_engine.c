/* test_engine.c - the server's half of HTTP/1.1 on real sockets, in clear text: what well-meaning,
 * clumsy and hostile clients do to it. */
#include "tests/unit/net/engine_server.h"

#define MIB ((size_t)1 << 20)

static struct bed bed;

/* Every request has ended once, and why. */
static void expect_gone(unsigned count, enum fail why) {
    EXPECT_EQ(bed.user_count, count);
    for (unsigned i = 0; i < count && i < BED_USERS_MAX; i++) {
        EXPECT_EQ(bed.users[i].heads, 1);
        EXPECT_EQ(bed.users[i].gones, 1);
        EXPECT_EQ(bed.users[i].why, why);
    }
}

TEST(pipelined_requests_are_answered_in_order) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    struct raw *client = bed_connect(&bed, bed.port, 0);
    raw_say(client, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n"
                    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345"
                    "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                    "GET /now HTTP/1.1\r\nHost: a\r\n\r\nGET /h");
    UNTIL(&bed, raw_count(client, "HTTP/1.1 200") == 4);
    raw_say(client, "ello HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&bed, raw_count(client, "HTTP/1.1 200") == 5);
    EXPECT_EQ(raw_count(client, "connection: close"), 0);
    EXPECT(!client->ended);
    EXPECT_STR(bed.users[0].target, "/now");
    EXPECT_STR(bed.users[1].target, "/echo");
    EXPECT_STR(bed.users[4].target, "/hello");
    expect_gone(5, FAIL_NONE);
    bed_close(&bed);
}

TEST(chunked_request) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    struct raw *client = bed_connect(&bed, bed.port, 0);
    static const char request[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        "\r\n5;x=y\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\nt: v\r\n\r\n";
    raw_say(client, request);
    char want[64];
    snprintf(want, sizeof want, "\r\n\r\n12 %08x", sum_of(0, "hello, world", 12));
    UNTIL(&bed, raw_has(client, want));
    raw_forget(client);
    for (size_t i = 0; i < sizeof request - 1; i++) { /* the same, byte by byte */
        raw_send_some(client, request + i, 1);
        bed_turn(&bed);
    }
    UNTIL(&bed, raw_has(client, want));
    expect_gone(2, FAIL_NONE);
    ROW("not chunked after all");
    raw_forget(client);
    raw_say(client,
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX");
    UNTIL(&bed, client->ended);
    EXPECT(raw_has(client, "HTTP/1.1 400"));
    EXPECT_EQ(bed.users[2].why, FAIL_BAD_HTTP);
    bed_close(&bed);
}

TEST(expect_continue) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    struct raw *client = bed_connect(&bed, bed.port, 0);
    raw_say(client,
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    UNTIL(&bed, raw_has(client, "HTTP/1.1 100 Continue\r\n\r\n"));
    raw_say(client, "12345");
    UNTIL(&bed, raw_has(client, "HTTP/1.1 200"));
    ROW("the body comes unasked");
    raw_forget(client);
    raw_say(
        client,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n123");
    bed_turns(&bed, 5);
    raw_say(client, "45");
    UNTIL(&bed, raw_has(client, "HTTP/1.1 200"));
    EXPECT(!raw_has(client, " 100 "));
    ROW("refused");
    raw_forget(client);
    raw_say(client,
            "POST /limit HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    UNTIL(&bed, client->ended);
    EXPECT(raw_has(client, "HTTP/1.1 413"));
    EXPECT(!raw_has(client, " 100 "));
    EXPECT_EQ(bed.user_count, 3);
    bed_close(&bed);
}

TEST(http_1_0) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    bed.stream_bytes = 100000;
    struct raw *client = bed_connect(&bed, bed.port, 0);
    raw_say(client, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    UNTIL(&bed, raw_has(client, "hello"));
    EXPECT(raw_has(client, "connection: keep-alive\r\n"));
    raw_forget(client);
    ROW("a stream of unknown length ends with the connection");
    raw_say(client, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    UNTIL(&bed, client->ended);
    EXPECT(!raw_has(client, "chunked"));
    const char *body = memmem(client->got, client->got_n, "\r\n\r\n", 4);
    EXPECT(body && client->got_n - (size_t)(body + 4 - client->got) == bed.stream_bytes);
    expect_gone(2, FAIL_NONE);
    bed_close(&bed);
}

TEST(head_has_no_body) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    bed.stream_bytes = 100000;
    struct raw *client = bed_connect(&bed, bed.port, 0);
    raw_say(client, "HEAD /big HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n"
                    "HEAD /now HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&bed, raw_has(client, "\r\n\r\nhello"));
    EXPECT(raw_has(client, "content-length: 100000\r\n"));
    EXPECT_EQ(raw_count(client, "HTTP/1.1 200"), 4);
    EXPECT(client->got_n < 2000);
    expect_gone(4, FAIL_NONE);
    bed_close(&bed);
}

/* Most HTTP libraries send the whole body before they read: the refusal must wait for them. */
TEST(early_refusal_reaches_a_client_that_goes_on_sending) {
    static char piece[65536];
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    struct raw *client = bed_connect(&bed, bed.port, 0);
    client->muted = true;
    raw_say(client, "POST /limit HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n");
    /* Slower than a second, the time that a short lingering would take. */
    uint64_t end_ns = ring_now(bed.loop.ring) + 2 * NS_PER_S;
    size_t sent = 0;
    while (ring_now(bed.loop.ring) < end_ns && !client->error) {
        sent += raw_send_some(client, piece, 4096);
        bed_turn(&bed);
    }
    EXPECT_EQ(client->error, 0);
    EXPECT(sent > 100000);
    client->muted = false;
    shutdown(client->fd, SHUT_WR);
    UNTIL(&bed, client->ended);
    EXPECT(raw_has(client, "HTTP/1.1 413"));
    EXPECT(bed.memory_peak < MIB);
    UNTIL(&bed, bed.server.session_count == 0);
    bed_close(&bed);
}

TEST(slow_reader_holds_the_producer) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    bed.stream_bytes = 100 * MIB;
    struct raw *client = bed_connect(&bed, bed.port, 0);
    client->muted = true;
    raw_say(client, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&bed,
          bed.user_count == 1 && bed.users[0].left > 0 && stream_room(bed.users[0].stream) == 0);
    bed_turns(&bed, 50);
    EXPECT(bed.users[0].left > 80 * MIB);
    client->muted = false;
    size_t total = 0;
    UNTIL(&bed, (total += client->got_n, client->got_n = 0, bed.users[0].gones == 1));
    UNTIL(&bed, (total += client->got_n, client->got_n = 0, total >= bed.stream_bytes));
    EXPECT(bed.users[0].rooms > 10);
    EXPECT(bed.memory_peak < MIB);
    expect_gone(1, FAIL_NONE);
    bed_close(&bed);
}

/* Requests are small and answers are not: who asks on and never reads must not fill our memory. */
TEST(pipelining_without_reading_is_held) {
    enum { ASKED = 8000 }; /* more answers than the sockets' buffers hold */
    static const char ask[] = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    bed.stream_bytes = 4000;
    struct raw *client = bed_connect(&bed, bed.port, 0);
    client->muted = true;
    size_t sent = 0, all = ASKED * (sizeof ask - 1), stuck = 0;
    while (sent < all && stuck < 100) {
        size_t at = sent % (sizeof ask - 1);
        size_t n = raw_send_some(client, ask + at, sizeof ask - 1 - at);
        sent += n;
        stuck = n ? 0 : stuck + 1;
        if (n == 0 || sent % 1024 < n)
            bed_turn(&bed);
    }
    EXPECT(bed.memory_peak < 2 * MIB);
    client->muted = false;
    while (sent < all && !client->error && !client->ended) {
        size_t at = sent % (sizeof ask - 1);
        sent += raw_send_some(client, ask + at, sizeof ask - 1 - at);
        bed_turn(&bed);
    }
    UNTIL(&bed, client->ended || client->got_n > 0);
    const char *body = memmem(client->got, client->got_n, "\r\n\r\n", 4);
    REQUIRE(body);
    size_t answer = (size_t)(body + 4 - client->got) + bed.stream_bytes; /* all of one length */
    UNTIL(&bed, client->ended || client->got_n >= ASKED * answer);
    EXPECT_EQ(raw_count(client, "HTTP/1.1 200"), ASKED);
    EXPECT(!client->ended);
    EXPECT(bed.memory_peak < 2 * MIB);
    bed_close(&bed);
}

TEST(client_that_shuts_its_side_behind_the_answer_gets_all_of_it) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    bed.stream_bytes = 8 * MIB;
    struct raw *client = bed_connect(&bed, bed.port, 0);
    client->muted = true;
    raw_say(client, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&bed, bed.user_count == 1 && bed.users[0].gones == 1);
    bed_turns(&bed, 10);
    shutdown(client->fd, SHUT_WR);
    bed_turns(&bed, 10);
    client->muted = false;
    UNTIL(&bed, client->ended);
    EXPECT(client->got_n > bed.stream_bytes);
    expect_gone(1, FAIL_NONE);
    UNTIL(&bed, bed.server.session_count == 0);
    bed_close(&bed);
}

TEST(request_and_end_in_one_segment) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    /* The end is seen in the turn in which the answer was made: what is promised must be kept. */
    for (unsigned i = 0; i < 50; i++) {
        struct raw *client = bed_connect(&bed, bed.port, 0);
        bed_turns(&bed, 2);
        raw_say(client, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
        shutdown(client->fd, SHUT_WR);
        UNTIL(&bed, client->ended || client->error);
        bool answered = raw_has(client, "\r\n\r\nnow");
        UNTIL(&bed, bed.users[i].gones == 1);
        EXPECT_EQ(answered, bed.users[i].why == FAIL_NONE);
        bed_drop(&bed, client);
    }
    EXPECT_EQ(bed.user_count, 50);
    bed_close(&bed);
}

TEST(client_that_leaves_is_noticed) {
    static const char *const requests[] = {
        "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n123",
        "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    bed.stream_bytes = 100 * MIB;
    for (unsigned i = 0; i < 2 * countof(requests); i++) {
        ROW("%s %s", i % 2 ? "reset" : "end", requests[i / 2]);
        struct raw *client = bed_connect(&bed, bed.port, 0);
        client->muted = true;
        raw_say(client, requests[i / 2]);
        UNTIL(&bed, bed.user_count == i + 1);
        bed_turns(&bed, 3);
        if (i % 2)
            raw_reset(client);
        bed_drop(&bed, client);
        UNTIL(&bed, bed.users[i].gones == 1);
        EXPECT_EQ(bed.users[i].why, FAIL_CLIENT_LEFT);
    }
    UNTIL(&bed, bed.server.session_count == 0);
    bed_close(&bed);
}

/* An answer to a client that goes slowly is not cut while it goes, and not kept for one that stopped. */
TEST(last_answer_has_a_clock_that_progress_winds) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    bed.stream_bytes = 16 * MIB;
    struct raw *client = bed_connect(&bed, bed.port, 0);
    client->muted = true;
    raw_say(client, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    UNTIL(&bed, bed.user_count == 1 && bed.users[0].gones == 1);
    bed_turns(&bed, 5);
    struct conn *conn = &bed_session(&bed)->h1.conn;
    EXPECT_EQ(conn->state, CONN_FINISHING);
    EXPECT(timer_armed(&conn->clock));
    uint64_t first_ns = conn->clock.at_ns;
    size_t waiting = conn->plain.bytes;
    client->muted = false;
    UNTIL(&bed, conn->plain.bytes < waiting / 2);
    EXPECT(timer_armed(&conn->clock));
    EXPECT(conn->clock.at_ns > first_ns);
    UNTIL(&bed, client->ended);
    EXPECT(client->got_n > bed.stream_bytes);
    ROW("a producer that was held");
    raw_forget(client);
    client = bed_connect(&bed, bed.port, 0);
    client->muted = true;
    bed.stream_bytes = 8 * MIB;
    raw_say(client, "GET /stream HTTP/1.0\r\n\r\n");
    UNTIL(&bed,
          bed.user_count == 2 && bed.users[1].left > 0 && stream_room(bed.users[1].stream) == 0);
    client->muted = false;
    UNTIL(&bed, bed.users[1].gones == 1);
    if (bed.server.session_count == 1 && bed_session(&bed)->h1.conn.state == CONN_FINISHING)
        EXPECT(timer_armed(&bed_session(&bed)->h1.conn.clock));
    UNTIL(&bed, client->ended);
    bed_close(&bed);
}

/* A send that succeeds at once makes no completion: what waits for it must not wait for the next
 * timer. */
TEST(nothing_sleeps_behind_a_send) {
    static const struct {
        const char *request;
        size_t answer;
        bool ends;
    } rows[] = {
        {"GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 3, true},
        {"GET /stream HTTP/1.0\r\n\r\n", 200000, true},
        {"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", 200000, false},
        {"GET /big HTTP/1.1\r\nHost: a\r\n\r\n", 200000, false},
    };
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].request);
        bed.stream_bytes = rows[i].answer;
        struct raw *client = bed_connect(&bed, bed.port, 0);
        raw_say(client, rows[i].request);
        uint64_t begin_ns = ring_now(bed.loop.ring);
        bed.turn_ns = 400 * NS_PER_MS; /* once: behind the last send, before we look */
        UNTIL(&bed, rows[i].ends ? client->ended : client->got_n > rows[i].answer);
        EXPECT(ring_now(bed.loop.ring) - begin_ns < 700 * NS_PER_MS);
        bed.turn_ns = BED_TURN_NS;
        EXPECT(client->got_n > rows[i].answer);
        bed_drop(&bed, client);
    }
    bed_close(&bed);
}

TEST(every_head_has_its_own_clock) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    struct raw *client = bed_connect(&bed, bed.port, 0);
    raw_say(client, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&bed, raw_has(client, "now"));
    struct timer *clock = &bed_session(&bed)->h1.clock;
    EXPECT(clock->at_ns > bed.loop.now_ns + bed.settings.head_ns);
    raw_say(client, "GET /now HTTP/1.1\r\nHo");
    UNTIL(&bed, carry_bytes(&bed_session(&bed)->h1.carry) > 0);
    uint64_t at_ns = clock->at_ns;
    EXPECT(at_ns <= bed.loop.now_ns + bed.settings.head_ns);
    raw_say(client, "st:");
    bed_turns(&bed, 20);
    EXPECT_EQ(clock->at_ns, at_ns); /* more of it does not wind it again */
    bed_close(&bed);
}

TEST(what_is_no_request_is_refused) {
    static const struct {
        const char *text;
        const char *status;
    } rows[] = {
        {"\x16\x03\x01\x02", "400"},
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         "400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", "417"},
    };
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].text);
        struct raw *client = bed_connect(&bed, bed.port, 0);
        char want[32];
        snprintf(want, sizeof want, "HTTP/1.1 %s", rows[i].status);
        raw_say(client, rows[i].text);
        UNTIL(&bed, client->ended);
        EXPECT(raw_has(client, want));
        bed_drop(&bed, client);
    }
    ROW("a head without end");
    struct raw *client = bed_connect(&bed, bed.port, 0);
    raw_say(client, "GET / HTTP/1.1\r\n");
    for (unsigned i = 0; i < 100000 && !client->ended && !client->error; i++) {
        raw_send_some(client, "a: bcdefgh\r\n", 12);
        if (i % 100 == 0)
            bed_turn(&bed);
    }
    UNTIL(&bed, client->ended || client->error);
    EXPECT(raw_has(client, "HTTP/1.1 431"));
    EXPECT(bed.memory_peak < MIB);
    EXPECT_EQ(bed.user_count, 0);
    raw_close(client);
    UNTIL(&bed, bed.server.session_count == 0);
    bed_close(&bed);
}

/* What the kernel had accepted already is closed, the rest waits for a place. */
TEST(full_server_lets_others_wait) {
    if (!bed_open(&bed))
        return;
    bed.settings.connections_max = 2;
    bed_serve(&bed, NULL);
    struct raw *clients[3];
    for (unsigned i = 0; i < countof(clients); i++) {
        clients[i] = bed_connect(&bed, bed.port, 0);
        raw_say(clients[i], "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
        if (i < 2)
            UNTIL(&bed, raw_has(clients[i], "now"));
    }
    bed_turns(&bed, 250);
    EXPECT_EQ(bed.server.session_count, 2);
    EXPECT(!clients[2]->ended && !clients[2]->error);
    raw_close(clients[0]);
    UNTIL(&bed, raw_has(clients[2], "now"));
    EXPECT_EQ(bed.server.stats.refused, 0);
    bed_close(&bed);
}

TEST(drain) {
    if (!bed_open(&bed))
        return;
    bed_serve(&bed, NULL);
    struct raw *idle = bed_connect(&bed, bed.port, 0), *busy = bed_connect(&bed, bed.port, 0);
    raw_say(idle, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&bed, raw_has(idle, "now"));
    raw_say(busy, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(&bed, bed.user_count == 2);
    server_drain(&bed.server);
    UNTIL(&bed, idle->ended);
    EXPECT(!busy->ended);
    user_text(&bed.users[1], 200, "done");
    UNTIL(&bed, busy->ended);
    EXPECT(raw_has(busy, "connection: close\r\n") && raw_has(busy, "\r\n\r\ndone"));
    EXPECT_EQ(raw_count(busy, "HTTP/1.1"), 1);
    raw_close(busy);
    UNTIL(&bed, server_done(&bed.server));
    expect_gone(2, FAIL_NONE);
    bed_close(&bed);
}

TEST(stop_in_every_phase) {
    static const char *const requests[] = {
        "",
        "GET /no",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n1",
        "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"};
    for (unsigned turns = 0; turns < 4; turns++) {
        if (!bed_open(&bed))
            return;
        bed_serve(&bed, NULL);
        bed.stream_bytes = 20 * MIB;
        for (size_t i = 0; i < countof(requests); i++) {
            struct raw *client = bed_connect(&bed, bed.port, 0);
            client->muted = true;
            if (*requests[i])
                raw_say(client, requests[i]);
        }
        bed_turns(&bed, turns * turns);
        server_stop(&bed.server);
        UNTIL(&bed, server_done(&bed.server));
        for (unsigned i = 0; i < bed.user_count; i++)
            EXPECT_EQ(bed.users[i].gones, 1);
        bed_close(&bed);
    }
}

/* A pause that is asked for while the receive waits for a buffer must not be lost. */
static void pause_bytes(struct conn *conn, struct span bytes);
static struct paused {
    struct conn conn;
    size_t got_n;
    unsigned closed;
} paused[2];

static void pause_open(struct conn *conn) { (void)conn; }
static void pause_bytes(struct conn *conn, struct span bytes) {
    container_of(conn, struct paused, conn)->got_n += bytes.n;
}
static void pause_end(struct conn *conn) { conn_stop(conn, FAIL_NONE); }
static void pause_closed(struct conn *conn, enum fail why) {
    (void)why;
    container_of(conn, struct paused, conn)->closed++;
}
static const struct conn_on pause_on = {.open = pause_open,
                                        .bytes = pause_bytes,
                                        .end = pause_end,
                                        .room = pause_open,
                                        .closed = pause_closed};

static bool is_starved(const struct conn *conn) {
    return conn->recv.armed && list_linked(&conn->recv.link);
}

TEST(pause_and_close_while_starved_of_buffers) {
    static char bytes[32768];
    for (unsigned closing = 0; closing < 2; closing++) {
        ROW("%s", closing ? "close" : "pause");
        if (!bed_open_with(&bed, 2))
            return;
        memset(paused, 0, sizeof paused);
        struct raw *ends[2];
        for (unsigned i = 0; i < 2; i++) {
            int fds[2];
            CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
            ends[i] = bed_raw(&bed, fds[0]);
            conn_init(&paused[i].conn, &bed.loop, fds[1], &pause_on);
            conn_start(&paused[i].conn);
        }
        bed_turns(&bed, 2);
        bool starved = false;
        for (unsigned i = 0; i < 1000 && !starved; i++) {
            raw_send_some(ends[0], bytes, sizeof bytes);
            raw_send_some(ends[1], bytes, sizeof bytes);
            /* Looked at inside of the turn's end: a deferred run would be too late. */
            bed_turn(&bed);
            starved = is_starved(&paused[0].conn);
        }
        EXPECT(starved);
        size_t had = paused[0].got_n;
        if (closing)
            conn_stop(&paused[0].conn, FAIL_NONE);
        else
            conn_more(&paused[0].conn, false);
        bed_turns(&bed, 20);
        if (closing) {
            EXPECT_EQ(paused[0].closed, 1);
        } else {
            EXPECT_EQ(paused[0].got_n, had);
            EXPECT(!paused[0].conn.recv.armed);
            conn_more(&paused[0].conn, true);
            UNTIL(&bed, paused[0].got_n > had);
            conn_stop(&paused[0].conn, FAIL_NONE);
        }
        conn_stop(&paused[1].conn, FAIL_NONE);
        UNTIL(&bed, paused[0].closed == 1 && paused[1].closed == 1);
        bed_close(&bed);
    }
}
