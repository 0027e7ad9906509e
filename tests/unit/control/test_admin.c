/* test_admin.c - the admin listener over loopback: its pages, what it refuses, and that neither a
 * silent nor a slow client keeps others from an answer. */
#include "tests/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "appliance/control/admin.h"
#include "appliance/control/admin_ready.h"
#include "tests/unit/control/crew_fixture.h"

/* More than the two seconds that a connection may take. */
#define PATIENCE_S 10

static struct {
    struct admin *admin;
    uint16_t port;
} node;

/* One model with two providers, two workers, an admin listener. */
static bool begin(void) {
    world_init();
    struct config_model *model = world_model("gpt");
    world_backend(model, "openai", NULL);
    world_backend(model, "azure", NULL);
    struct crew *crew = crew_world_begin();
    node.port = 0;
    int error = admin_start(&node.admin, "127.0.0.1", 0, crew, &node.port);
    EXPECT_EQ(error, 0);
    EXPECT(node.port != 0);
    return error == 0;
}

static void end(void) {
    admin_stop(&node.admin);
    EXPECT(node.admin == NULL);
    crew_world_end();
}

static int dial(void) {
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(node.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void say(int fd, struct span text) {
    EXPECT_EQ(send(fd, text.p, text.n, MSG_NOSIGNAL), (long long)text.n);
}

/* What comes until the end of the stream; closes. Static, valid until the next call. */
static const char *hear(int fd) {
    static char text[1 << 20];
    size_t n = 0;
    ssize_t got;
    while ((got = recv(fd, text + n, sizeof text - 1 - n, 0)) > 0)
        n += (size_t)got;
    EXPECT(got == 0); /* an end, not a reset or a time-out */
    text[n] = 0;
    close(fd);
    return text;
}

static const char *ask(const char *request) {
    int fd = dial();
    say(fd, span_str(request));
    return hear(fd);
}

static const char *body_of(const char *answer) {
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "(no head)";
}

/* An answer has the status, says how long it is, and is so long. */
static void expect_answer(const char *answer, unsigned status, bool body) {
    unsigned got = 0;
    size_t length = 0;
    EXPECT(sscanf(answer, "HTTP/1.1 %u ", &got) == 1);
    EXPECT_EQ(got, status);
    const char *field = strstr(answer, "content-length: ");
    REQUIRE(field && sscanf(field, "content-length: %zu", &length) == 1);
    EXPECT(strstr(answer, "\r\nconnection: close\r\n") != NULL);
    EXPECT_EQ(strlen(body_of(answer)), body ? length : 0);
}

#define HOST "Host: 127.0.0.1\r\n"

TEST(pages) {
    static char long_head[9000] = "GET /livez HTTP/1.1\r\n" HOST "x: ";
    memset(long_head + strlen(long_head), 'a', sizeof long_head - 1 - strlen(long_head));
    const struct {
        const char *request;
        unsigned status;
        const char *body; /* its beginning */
        bool no_body;
    } rows[] = {
        {"GET /livez HTTP/1.1\r\n" HOST "\r\n", 200, "ok\n", false},
        {"GET /livez?x=1 HTTP/1.1\r\n" HOST "\r\n", 200, "ok\n", false},
        {"GET /livez HTTP/1.0\r\n\r\n", 200, "ok\n", false},
        {"HEAD /livez HTTP/1.1\r\n" HOST "\r\n", 200, "", true},
        {"GET /readyz HTTP/1.1\r\n" HOST "\r\n", 200, "ok\n", false},
        {"GET /metrics HTTP/1.1\r\n" HOST "\r\n", 200, "# HELP ", false},
        {"HEAD /metrics HTTP/1.1\r\n" HOST "\r\n", 200, "", true},
        {"GET /admin/report HTTP/1.1\r\n" HOST "\r\n", 200, "{\"models\":[{\"model\":\"gpt\",",
         false},
        {"GET /admin/report HTTP/1.1\r\n" HOST "Accept: text/plain\r\n\r\n", 200, "gpt  ", false},
        {"GET /admin/report?format=text HTTP/1.1\r\n" HOST "\r\n", 200, "gpt  ", false},
        {"GET /admin/report?a=b&format=json HTTP/1.1\r\n" HOST "Accept: text/plain\r\n\r\n", 200,
         "{\"models\"", false},
        {"POST /admin/report HTTP/1.1\r\n" HOST "\r\n", 405, "use GET", false},
        {"GET / HTTP/1.1\r\n" HOST "\r\n", 404, "there are", false},
        {"GET /livez/ HTTP/1.1\r\n" HOST "\r\n", 404, "there are", false},
        {"POST /livez HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 405, "use GET", false},
        {"DELETE /metrics HTTP/1.1\r\n" HOST "\r\n", 405, "use GET", false},
        {"GET /livez HTTP/1.1\r\n\r\n", 400, "", false},
        {"nonsense\r\n\r\n", 400, "", false},
        {"GET /livez HTTP/2.0\r\n" HOST "\r\n", 505, "", false},
        {long_head, 431, "", false},
    };
    REQUIRE(begin());
    for (unsigned i = 0; i < countof(rows); i++) {
        ROW("%.40s", rows[i].request);
        const char *answer = ask(rows[i].request);
        expect_answer(answer, rows[i].status, !rows[i].no_body);
        EXPECT(strncmp(body_of(answer), rows[i].body, strlen(rows[i].body)) == 0);
    }
    ROW("%s", "");
    EXPECT(strstr(ask("PUT /livez HTTP/1.1\r\n" HOST "\r\n"), "\r\nallow: GET, HEAD\r\n") != NULL);
    EXPECT(strstr(ask("GET /metrics HTTP/1.1\r\n" HOST "\r\n"),
                  "\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n") != NULL);
    end();
}

/* The client's body is read over, so that closing does not cost it the answer. */
TEST(answer_arrives_behind_a_body) {
    static char body[1 << 20];
    char head[128];
    snprintf(head, sizeof head, "POST /livez HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             sizeof body);
    memset(body, 'x', sizeof body);
    REQUIRE(begin());
    int fd = dial();
    say(fd, span_str(head));
    say(fd, span_of(body, sizeof body));
    shutdown(fd, SHUT_WR);
    expect_answer(hear(fd), 405, true);
    end();
}

TEST(head_in_pieces) {
    static const char request[] = "GET /livez HTTP/1.1\r\n" HOST "\r\n";
    REQUIRE(begin());
    int fd = dial();
    for (size_t i = 0; i + 1 < sizeof request; i++)
        say(fd, span_of(request + i, 1));
    expect_answer(hear(fd), 200, true);
    end();
}

TEST(readiness) {
    REQUIRE(begin());
    struct crew *crew = &crew_world.crew;
    static const char request[] = "GET /readyz HTTP/1.1\r\n" HOST "\r\n";
    expect_answer(ask(request), 200, true);

    /* One backend left: nothing to say. None: said, but ready. */
    crew_world.upstreams[1].health.backends[0].state = HEALTH_OPEN;
    EXPECT_STR(body_of(ask(request)), "ok\n");
    crew_world.upstreams[1].health.backends[1].state = HEALTH_OPEN;
    const char *answer = ask(request);
    expect_answer(answer, 200, true);
    EXPECT_STR(body_of(answer), "ok\nworker 1: every backend of model gpt is ejected\n");
    crew_world.upstreams[1].health.backends[1].state = HEALTH_HALF_OPEN;
    EXPECT_STR(body_of(ask(request)), "ok\n");

    atomic_store(&crew->draining, true);
    answer = ask(request);
    expect_answer(answer, 503, true);
    EXPECT_STR(body_of(answer), "draining\n");
    atomic_store(&crew->draining, false);

    atomic_store(&crew_world.members[0].ended, true);
    answer = ask(request);
    expect_answer(answer, 503, true);
    EXPECT_STR(body_of(answer), "1 of 2 workers run\n");
    EXPECT_STR(body_of(ask("GET /livez HTTP/1.1\r\n" HOST "\r\n")), "ok\n");
    end();
}

/* More models without backends than the text has room for: it ends with a whole line. */
TEST(readiness_text_is_bounded) {
    static struct config_model models[500];
    static struct config config;
    char text[ADMIN_READY_TEXT_MAX];
    REQUIRE(begin());
    config = world.config;
    config.models = models;
    config.model_count = countof(models);
    for (unsigned i = 0; i < countof(models); i++)
        models[i] = world.models[0];
    for (unsigned i = 0; i < 2; i++) {
        crew_world.upstreams[0].health.backends[i].state = HEALTH_OPEN;
        crew_world.upstreams[0].config = &config;
    }
    EXPECT(admin_ready(&crew_world.crew, text));
    EXPECT(strlen(text) > ADMIN_READY_TEXT_MAX / 2);
    EXPECT(text[strlen(text) - 1] == '\n');
    crew_world.upstreams[0].config = &world.config;
    end();
}

TEST(silent_clients_keep_nobody_waiting) {
    int silent[20];
    REQUIRE(begin());
    for (unsigned i = 0; i < countof(silent); i++)
        silent[i] = dial();
    uint64_t before_ns = ring_now(NULL);
    expect_answer(ask("GET /livez HTTP/1.1\r\n" HOST "\r\n"), 200, true);
    EXPECT(ring_now(NULL) - before_ns < NS_PER_S);
    end(); /* with all of them open */
    for (unsigned i = 0; i < countof(silent); i++)
        close(silent[i]);
}

/* As many silent ones as there are places: the next one is answered when their time is over. */
TEST(silent_clients_lose_their_places) {
    int silent[40];
    REQUIRE(begin());
    for (unsigned i = 0; i < countof(silent); i++)
        silent[i] = dial();
    expect_answer(ask("GET /livez HTTP/1.1\r\n" HOST "\r\n"), 200, true);
    char byte;
    EXPECT_EQ(recv(silent[0], &byte, 1, 0), 0);
    end();
    for (unsigned i = 0; i < countof(silent); i++)
        close(silent[i]);
}

TEST(addresses_that_cannot_be_used) {
    struct admin *other = NULL;
    uint16_t port;
    REQUIRE(begin());
    EXPECT_EQ(admin_start(&other, "127.0.0.1", node.port, &crew_world.crew, &port), -EADDRINUSE);
    EXPECT_EQ(admin_start(&other, "localhost", 0, &crew_world.crew, &port), -EINVAL);
    EXPECT(other == NULL);
    end();
}
