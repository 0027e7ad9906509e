/* test_fetch.c - one request with its whole answer, over real sockets: what servers answer, how they
 * fail, and that each start has one end. */
#include "net/fetch.h"
#include "tests/unit/net/engine_call.h"
#include "tests/unit/net/engine_server.h"
#include "tests/unit/net/tls_pair.h"

#define MEMORY 100

static struct bed bed;
static struct upstream up; /* of it only the listening socket */

/* One fetch and what was heard of it. */
static struct got {
    struct fetch fetch;
    unsigned dones, status;
    enum fail why;
    char field[FETCH_FIELD_MAX + 1], body[MEMORY + 1], memory[MEMORY];
    bool again; /* start once more inside of done */
    const struct fetch_request *request;
} got;

static void done(struct fetch *fetch, const struct fetch_answer *answer) {
    got.dones++;
    got.why = answer->why;
    got.status = answer->status;
    span_text(answer->field, got.field, sizeof got.field);
    span_text(answer->body, got.body, sizeof got.body);
    EXPECT(!fetch_running(fetch));
    EXPECT(!fetch->origin.sessions.chunks && !fetch->origin.dials.chunks); /* taken down */
    if (got.again)
        fetch_start(fetch, &bed.loop, &bed.resolve, got.request, done);
    got.again = false;
}

static struct fetch_request request_to(uint16_t port) {
    return (struct fetch_request){.method = HTTP_GET,
                                  .host = "127.0.0.1",
                                  .port = port,
                                  .authority = SPAN("m.example:80"),
                                  .target = SPAN("/token?x=1"),
                                  .connect_ns = 5 * NS_PER_S,
                                  .total_ns = 5 * NS_PER_S,
                                  .memory = got.memory,
                                  .memory_bytes = MEMORY};
}

static void begin(const struct fetch_request *request) {
    memset(&got, 0, sizeof got);
    got.request = request;
    fetch_start(&got.fetch, &bed.loop, &bed.resolve, request, done);
    EXPECT(fetch_running(&got.fetch));
    EXPECT_EQ(got.dones, 0);
}

static bool setup(void) {
    if (!bed_open(&bed))
        return false;
    up = (struct upstream){.bed = &bed};
    up.listen_fd = listen_on(&up.port);
    CHECK(fcntl(up.listen_fd, F_SETFL, O_NONBLOCK) == 0);
    return true;
}

static void teardown(void) {
    close(up.listen_fd);
    bed_close(&bed);
}

TEST(requests_as_sent) {
    static const struct http_field fields[] = {
        {SPAN_CONST("metadata-flavor"), SPAN_CONST("Google")},
        {SPAN_CONST("x-a"), SPAN_CONST("b")}};
    static const struct {
        enum http_method method;
        const char *body, *want;
        unsigned field_count;
    } rows[] = {
        {HTTP_GET, "", "GET /token?x=1 HTTP/1.1\r\nhost: m.example:80\r\n\r\n", 0},
        {HTTP_GET, "",
         "GET /token?x=1 HTTP/1.1\r\nhost: m.example:80\r\nmetadata-flavor: Google\r\nx-a: "
         "b\r\n\r\n",
         2},
        {HTTP_PUT, "", "PUT /token?x=1 HTTP/1.1\r\nhost: m.example:80\r\ncontent-length: 0\r\n\r\n",
         0},
        {HTTP_POST, "a=b&c",
         "POST /token?x=1 HTTP/1.1\r\nhost: m.example:80\r\nmetadata-flavor: Google\r\n"
         "content-length: 5\r\n\r\na=b&c",
         1},
    };
    if (!setup())
        return;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%zu", i);
        struct fetch_request request = request_to(up.port);
        request.method = rows[i].method;
        request.body = span_str(rows[i].body);
        request.fields = fields;
        request.field_count = rows[i].field_count;
        begin(&request);
        struct raw *server = upstream_accept(&up);
        UNTIL(&bed, server->got_n >= strlen(rows[i].want));
        EXPECT_BYTES(server->got, server->got_n, rows[i].want);
        raw_say(server, "HTTP/1.1 204 No Content\r\n\r\n");
        UNTIL(&bed, got.dones > 0);
        EXPECT_EQ(got.why, FAIL_NONE);
        EXPECT_EQ(got.status, 204);
        UNTIL(&bed, server->ended);
        bed_drop(&bed, server);
    }
    teardown();
}

/* The server says this, then closes. */
TEST(answers) {
    static char long_field[400] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nflavor: ";
    memset(long_field + strlen(long_field), 'a', FETCH_FIELD_MAX + 1);
    memcpy(long_field + strlen(long_field), "\r\n\r\n", 4);
    static const char digits[] = "0123456789";
    static char largest[400], larger[400];
    for (unsigned large = 0; large < 2; large++) {
        char *to = large ? larger : largest;
        int n = sprintf(to, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for (unsigned i = 0; i < MEMORY / 10; i++)
            n += sprintf(to + n, "a\r\n%s\r\n", digits);
        sprintf(to + n, "%s0\r\n\r\n", large ? "1\r\nx\r\n" : "");
    }
    const struct {
        const char *name, *answer, *field, *body;
        enum fail why;
        unsigned status;
    } rows[] = {
        {"whole", "HTTP/1.1 200 OK\r\nFlavor:  G 1\r\ncontent-length: 2\r\n\r\nok", "G 1", "ok",
         FAIL_NONE, 200},
        {"an error is an answer", "HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nbusy", "", "busy",
         FAIL_NONE, 503},
        {"a redirect is an answer",
         "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "", "",
         FAIL_NONE, 302},
        {"interim answers are not",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nconnection: "
         "close\r\ncontent-length: 1\r\n\r\na",
         "", "a", FAIL_NONE, 200},
        {"until the end", "HTTP/1.0 200 OK\r\n\r\nall of it", "", "all of it", FAIL_NONE, 200},
        {"field too long", long_field, "", "", FAIL_NONE, 200},
        {"just fits", largest, "", NULL, FAIL_NONE, 200},
        {"too large", larger, "", NULL, FAIL_TOO_LARGE, 200},
        {"too large by its length",
         "HTTP/1.0 200 OK\r\ncontent-length: 101\r\n\r\n"
         "01234567890123456789012345678901234567890123456789"
         "01234567890123456789012345678901234567890123456789x",
         "", NULL, FAIL_TOO_LARGE, 200},
        {"cut", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", "", "ok", FAIL_CLOSED, 200},
        {"no answer", "", "", "", FAIL_CLOSED, 0},
        {"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "", "", FAIL_PROTOCOL, 0},
    };
    if (!setup())
        return;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct fetch_request request = request_to(up.port);
        request.wanted = SPAN("flavor");
        begin(&request);
        struct raw *server = upstream_accept(&up);
        UNTIL(&bed, server->got_n > 0);
        raw_say(server, rows[i].answer);
        raw_close(server);
        UNTIL(&bed, got.dones > 0);
        bed_drop(&bed, server);
        EXPECT_EQ(got.why, rows[i].why);
        EXPECT_EQ(got.status, rows[i].status);
        EXPECT_STR(got.field, rows[i].field);
        if (rows[i].body)
            EXPECT_STR(got.body, rows[i].body);
        bed_turns(&bed, 3);
        EXPECT_EQ(got.dones, 1);
    }
    teardown();
}

TEST(servers_that_are_not_there) {
    if (!setup())
        return;
    uint16_t port;
    close(listen_on(&port));
    struct fetch_request request = request_to(port);
    begin(&request);
    UNTIL(&bed, got.dones > 0);
    EXPECT_EQ(got.why, FAIL_CONNECT);
    request.host = "no.such.host.invalid";
    begin(&request);
    UNTIL(&bed, got.dones > 0);
    EXPECT_EQ(got.why, FAIL_DNS);
    teardown();
}

/* Silence at each stage; and what is cancelled there. */
TEST(limits_and_cancelling) {
    static const struct {
        const char *name, *answer; /* NULL: the connection is not accepted by the test */
        enum fail why;
        bool cancel;
    } rows[] = {
        {"no head", "", FAIL_HEAD_TIMEOUT, false},
        {"half a head", "HTTP/1.1 200 OK\r\n", FAIL_HEAD_TIMEOUT, false},
        {"half a body", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", FAIL_TOTAL, false},
        {"cancelled at once", NULL, FAIL_CANCELLED, true},
        {"cancelled without a head", "", FAIL_CANCELLED, true},
        {"cancelled in the body", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
         FAIL_CANCELLED, true},
    };
    if (!setup())
        return;
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct fetch_request request = request_to(up.port);
        if (!rows[i].cancel)
            request.total_ns = 50 * NS_PER_MS;
        begin(&request);
        struct raw *server = NULL;
        if (rows[i].answer) {
            server = upstream_accept(&up);
            UNTIL(&bed, server->got_n > 0);
            raw_say(server, rows[i].answer);
            bed_turns(&bed, 5);
        }
        if (rows[i].cancel) {
            EXPECT_EQ(got.dones, 0);
            fetch_cancel(&got.fetch);
            fetch_cancel(&got.fetch);
            EXPECT_EQ(got.dones, 0);
        }
        UNTIL(&bed, got.dones > 0);
        EXPECT_EQ(got.why, rows[i].why);
        if (server) {
            UNTIL(&bed, server->ended || server->error);
            bed_drop(&bed, server);
        }
        EXPECT(upstream_try_accept(&up) == NULL);
        bed_turns(&bed, 3);
        EXPECT_EQ(got.dones, 1);
        fetch_cancel(&got.fetch);
        EXPECT(!fetch_running(&got.fetch));
    }
    teardown();
}

TEST(started_again_when_done) {
    if (!setup())
        return;
    struct fetch_request request = request_to(up.port);
    begin(&request);
    got.again = true;
    for (unsigned i = 1; i <= 2; i++) {
        struct raw *server = upstream_accept(&up);
        UNTIL(&bed, server->got_n > 0);
        raw_say(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        UNTIL(&bed, got.dones == i);
        EXPECT_STR(got.body, "ok");
        bed_drop(&bed, server);
    }
    teardown();
}

/* The certificate must name the host. */
TEST(secured) {
    static const struct {
        const char *host, *body;
        enum fail why;
    } rows[] = {{"127.0.0.1", "hello", FAIL_NONE}, {"localhost", "", FAIL_TLS_CERTIFICATE}};
    static struct world world;
    if (!setup())
        return;
    world_open(&world);
    bed_serve(&bed, world.server);
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].host);
        struct fetch_request request = request_to(bed.port);
        request.tls = world.client;
        request.host = rows[i].host;
        request.target = SPAN("/hello");
        begin(&request);
        UNTIL(&bed, got.dones > 0);
        EXPECT_EQ(got.why, rows[i].why);
        EXPECT_STR(got.body, rows[i].body);
    }
    teardown();
    world_close(&world);
}
