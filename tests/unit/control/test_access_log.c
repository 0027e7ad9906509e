/* test_access_log.c - the access log: lines read back with yyjson, rings that wrap and fill up,
 * files that are moved, full or never read. */
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <yyjson.h>

#include "appliance/control/access_log.h"
#include "appliance/control/access_log_line.h"
#include "core/heap.h"

#define PATIENCE_NS (10 * NS_PER_S)

/* ---- one exchange, filled in by hand ---- */

static struct {
    struct exchange exchange;
    struct attempt attempts[ATTEMPTS_MAX];
    struct config_provider providers[2];
    struct config_backend backends[2];
    struct config_model model;
    struct config_key key;
} story;

/* A hedge won: the first attempt lost after 3 events, the second answered whole. Times in ms from
 * the request's first byte at 1000. */
static void tell_story(void) {
    memset(&story, 0, sizeof story);
    for (unsigned i = 0; i < 2; i++) {
        story.providers[i].provider.name = i ? "azure-eu" : "openai";
        story.backends[i] = (struct config_backend){
            .provider = &story.providers[i], .model = i ? "gpt55-prod" : "gpt-5.5", .id = i};
    }
    story.backends[0].price = (struct config_price){true, 1250000, 125000, 10000000};
    story.backends[1].price = (struct config_price){true, 2500000, 250000, 20000000};
    story.model = (struct config_model){.name = "gpt-5.5"};
    story.key = (struct config_key){.name = "team-a"};
    story.exchange = (struct exchange){
        .id = SPAN("req-1"),
        .traceparent = SPAN("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        .key = &story.key,
        .model = &story.model,
        .status = 200,
        .req = {.stream = true, .input_tokens_estimate = 100, .model = SPAN("gpt-5.5")},
        .begin_wall_ns = UINT64_C(1709210096007) * NS_PER_MS, /* 2024-02-29 12:34:56.007 */
        .begin_ns = 1000 * NS_PER_MS,
        .whole_ns = 1001 * NS_PER_MS,
        .first_start_ns = 1001 * NS_PER_MS,
        .commit_ns = 1450 * NS_PER_MS,
        .end_ns = 2000 * NS_PER_MS + 500 * NS_PER_US,
        .overhead_ns = 47 * NS_PER_US,
        .bytes_in = 321,
        .bytes_out = 6543,
        .attempt_count = 2,
        .winner = &story.attempts[1],
    };
    for (unsigned i = 0; i < 2; i++)
        story.exchange.attempts[i] = &story.attempts[i];
    story.attempts[0] = (struct attempt){
        .exchange = &story.exchange,
        .backend = &story.backends[0],
        .trigger = HEDGE_FIRST,
        .start_ns = 1001 * NS_PER_MS,
        .reused = true,
        .head_ns = 1300 * NS_PER_MS,
        .end_ns = 1450 * NS_PER_MS,
        .status = 200,
        .why = FAIL_LOST,
        .events = 3,
    };
    story.attempts[1] = (struct attempt){
        .exchange = &story.exchange,
        .backend = &story.backends[1],
        .trigger = HEDGE_DELAY,
        .start_ns = 1400 * NS_PER_MS,
        .connected_ns = 1410 * NS_PER_MS,
        .secured_ns = 1420 * NS_PER_MS,
        .head_ns = 1445 * NS_PER_MS,
        .first_token_ns = 1450 * NS_PER_MS,
        .end_ns = 2000 * NS_PER_MS,
        .status = 200,
        .events = 40,
        .reader.usage = {.known = true,
                         .input_tokens = 120,
                         .cached_tokens = 20,
                         .output_tokens = 50},
    };
}

/* The story's line, parsed. NULL after a failure was reported. */
static yyjson_doc *line_of_story(void) {
    static char line[ACCESS_LOG_LINE_MAX];
    size_t n = access_log_line(&story.exchange, line);
    EXPECT(n > 0 && n <= sizeof line && line[n - 1] == '\n');
    EXPECT(memchr(line, '\n', n) == line + n - 1);
    yyjson_doc *doc = yyjson_read(line, n - 1, 0);
    if (!doc)
        FAIL_TEST("not JSON: %.*s", (int)n, line);
    return doc;
}

/* A member as text: a string's contents, or the JSON of anything else. */
static const char *shown(yyjson_val *object, const char *key) {
    static char text[4][600];
    static unsigned next;
    char *out = text[next++ % 4];
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value)
        return "(absent)";
    if (yyjson_is_str(value)) {
        snprintf(out, sizeof text[0], "%s", yyjson_get_str(value));
        return out;
    }
    char *json = yyjson_val_write(value, 0, NULL);
    snprintf(out, sizeof text[0], "%s", json ? json : "(unwritable)");
    free(json);
    return out;
}

struct member {
    const char *key, *want;
};

static void expect_members(yyjson_val *object, const struct member *members, unsigned count) {
    EXPECT_EQ(yyjson_obj_size(object), count);
    for (unsigned i = 0; i < count; i++) {
        ROW("%s", members[i].key);
        EXPECT_STR(shown(object, members[i].key), members[i].want);
    }
    ROW("%s", "");
}

TEST(line_of_a_won_hedge) {
    static const struct member request[] = {
        {"time", "2024-02-29T12:34:56.007Z"},
        {"id", "req-1"},
        {"trace", "4bf92f3577b34da6a3ce929d0e0e4736"},
        {"key", "team-a"},
        {"model", "gpt-5.5"},
        {"status", "200"},
        {"stream", "true"},
        {"bytes_in", "321"},
        {"bytes_out", "6543"},
        {"input_tokens", "120"},
        {"output_tokens", "50"},
        /* 100 x 2.5 + 20 x 0.25 + 50 x 20 millionths; the loser 100 x 1.25 + 3 x 10 */
        {"cost_usd", "0.001255"},
        {"wasted_usd", "0.000155"},
        {"wasted_tokens", "3"},
        {"ttft_ms", "450"},
        {"total_ms", "1000.5"},
        {"overhead_us", "47"},
        {"itl_ms", "null"},
        {"reason", "null"},
        {"winner", "azure-eu"},
    };
    static const struct member lost[] = {
        {"provider", "openai"}, {"model", "gpt-5.5"},     {"trigger", "first"},
        {"start_ms", "1"},      {"reused", "true"},       {"connect_ms", "null"},
        {"head_ms", "300"},     {"end_ms", "450"},        {"first_token_ms", "null"},
        {"outcome", "lost"},    {"reason", "lost"},       {"status", "200"},
        {"tokens", "3"},        {"cost_usd", "0.000155"},
    };
    static const struct member won[] = {
        {"provider", "azure-eu"}, {"model", "gpt55-prod"},  {"trigger", "delay"},
        {"start_ms", "400"},      {"reused", "false"},      {"connect_ms", "20"},
        {"head_ms", "445"},       {"end_ms", "1000"},       {"first_token_ms", "450"},
        {"outcome", "won"},       {"reason", "null"},       {"status", "200"},
        {"tokens", "50"},         {"cost_usd", "0.001255"},
    };
    tell_story();
    yyjson_doc *doc = line_of_story();
    REQUIRE(doc);
    yyjson_val *root = yyjson_doc_get_root(doc), *attempts = yyjson_obj_get(root, "attempts");
    EXPECT_EQ(yyjson_obj_size(root), countof(request) + 1);
    for (unsigned i = 0; i < countof(request); i++) {
        ROW("%s", request[i].key);
        EXPECT_STR(shown(root, request[i].key), request[i].want);
    }
    EXPECT_EQ(yyjson_arr_size(attempts), 2);
    expect_members(yyjson_arr_get(attempts, 0), lost, countof(lost));
    expect_members(yyjson_arr_get(attempts, 1), won, countof(won));
    yyjson_doc_free(doc);
}

TEST(line_of_a_refused_request_has_nulls) {
    static const char *const nulls[] = {"id",           "trace",         "key",      "model",
                                        "input_tokens", "output_tokens", "cost_usd", "ttft_ms",
                                        "overhead_us",  "winner"};
    tell_story();
    story.exchange = (struct exchange){
        .why = FAIL_NO_PATH, .status = 404, .begin_ns = NS_PER_S, .end_ns = NS_PER_S + 1500};
    yyjson_doc *doc = line_of_story();
    REQUIRE(doc);
    yyjson_val *root = yyjson_doc_get_root(doc);
    for (unsigned i = 0; i < countof(nulls); i++) {
        ROW("%s", nulls[i]);
        EXPECT_STR(shown(root, nulls[i]), "null");
    }
    ROW("%s", "");
    EXPECT_STR(shown(root, "reason"), "no_path");
    EXPECT_STR(shown(root, "status"), "404");
    EXPECT_STR(shown(root, "total_ms"), "0.001");
    EXPECT_STR(shown(root, "attempts"), "[]");
    yyjson_doc_free(doc);
}

TEST(line_status) {
    static const struct {
        unsigned sent;
        enum fail why;
        const char *want;
    } rows[] = {
        {200, FAIL_NONE, "200"},        {200, FAIL_IDLE, "200"},
        {200, FAIL_CLIENT_LEFT, "499"}, {0, FAIL_CLIENT_LEFT, "499"},
        {0, FAIL_SLOW_REQUEST, "408"},  {502, FAIL_CONNECT, "502"},
        {200, FAIL_SLOW_READER, "499"},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        tell_story();
        story.exchange.status = rows[i].sent;
        story.exchange.why = rows[i].why;
        yyjson_doc *doc = line_of_story();
        REQUIRE(doc);
        ROW("%u %s", rows[i].sent, fail_name(rows[i].why));
        EXPECT_STR(shown(yyjson_doc_get_root(doc), "status"), rows[i].want);
        yyjson_doc_free(doc);
    }
}

TEST(line_times_of_day) {
    static const struct {
        uint64_t wall_ms;
        const char *want;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {951868799999, "2000-02-29T23:59:59.999Z"},
        {1709164800000, "2024-02-29T00:00:00.000Z"},
        {1709251200000, "2024-03-01T00:00:00.000Z"},
        {1735689599001, "2024-12-31T23:59:59.001Z"},
        {1735689600000, "2025-01-01T00:00:00.000Z"},
        {1740787199000, "2025-02-28T23:59:59.000Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        tell_story();
        story.exchange.begin_wall_ns = rows[i].wall_ms * NS_PER_MS;
        yyjson_doc *doc = line_of_story();
        REQUIRE(doc);
        EXPECT_STR(shown(yyjson_doc_get_root(doc), "time"), rows[i].want);
        yyjson_doc_free(doc);
    }
}

TEST(line_trace_id) {
    static const struct {
        const char *given, *want;
    } rows[] = {
        {"", "null"},
        {"00", "null"},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736", "null"},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-", "4bf92f3577b34da6a3ce929d0e0e4736"},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "null"},
        {"00-4bf92f3577b34da6a3ce929d0e0e47\"6-00f067aa0ba902b7-01", "null"},
        {"00x4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "null"},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        tell_story();
        story.exchange.traceparent = span_str(rows[i].given);
        yyjson_doc *doc = line_of_story();
        REQUIRE(doc);
        ROW("%s", rows[i].given);
        EXPECT_STR(shown(yyjson_doc_get_root(doc), "trace"), rows[i].want);
        yyjson_doc_free(doc);
    }
}

TEST(line_escapes_what_clients_say) {
    static const struct {
        const char *given, *want;
    } rows[] = {
        {"say \"hi\"", "say \"hi\""},
        {"back\\slash", "back\\slash"},
        {"line\nend\r\t\x01\x1f", "line\nend\r\t\x01\x1f"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x94", "\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x94"},
        {"bad \xff\xfe utf-8", "bad \xef\xbf\xbd\xef\xbf\xbd utf-8"},
        {"\"},{\"status\":200,\"x\":\"", "\"},{\"status\":200,\"x\":\""},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        tell_story();
        story.exchange.model = NULL;
        story.exchange.req.model = span_str(rows[i].given);
        yyjson_doc *doc = line_of_story();
        REQUIRE(doc);
        EXPECT_STR(shown(yyjson_doc_get_root(doc), "model"), rows[i].want);
        EXPECT_EQ(yyjson_obj_size(yyjson_doc_get_root(doc)), 21);
        yyjson_doc_free(doc);
    }
}

/* Eight attempts at backends with the worst of names, and a model of control characters: the line
 * keeps to its room and says how many attempts it left out. */
TEST(line_that_does_not_fit_leaves_attempts_out) {
    static char quotes[1025], controls[2000];
    memset(quotes, '"', sizeof quotes - 1);
    memset(controls, 1, sizeof controls);
    tell_story();
    story.providers[0].provider.name = story.backends[0].model = story.key.name = quotes;
    story.exchange.model = NULL;
    story.exchange.req.model = span_of(controls, sizeof controls);
    story.exchange.attempt_count = ATTEMPTS_MAX;
    story.exchange.winner = &story.attempts[0];
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        story.attempts[i] = story.attempts[0];
        story.exchange.attempts[i] = &story.attempts[i];
    }
    yyjson_doc *doc = line_of_story();
    REQUIRE(doc);
    yyjson_val *root = yyjson_doc_get_root(doc);
    size_t written = yyjson_arr_size(yyjson_obj_get(root, "attempts"));
    int64_t omitted = yyjson_get_sint(yyjson_obj_get(root, "attempts_omitted"));
    EXPECT(written >= 2 && omitted > 0);
    EXPECT_EQ((int64_t)written + omitted, ATTEMPTS_MAX);
    EXPECT_EQ(yyjson_get_len(yyjson_obj_get(root, "key")), 256);
    EXPECT_EQ(yyjson_get_len(yyjson_obj_get(root, "model")), 256);
    yyjson_doc_free(doc);
}

/* ---- files and rings ---- */

static char folder[64];

static const char *path_of(const char *name) {
    static char path[2][128];
    static unsigned next;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/hedgerow-test-XXXXXX");
        if (!mkdtemp(folder))
            abort();
    }
    char *out = path[next++ % 2];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

__attribute__((destructor)) static void remove_folder(void) {
    static const char *const names[] = {"log", "old", "fifo", "blocked"};
    if (!folder[0])
        return;
    for (unsigned i = 0; i < countof(names); i++)
        unlink(path_of(names[i]));
    rmdir(folder);
}

static uint64_t deadline_ns(void) { return ring_now(NULL) + PATIENCE_NS; }

/* Puts it as soon as there is room. */
static bool put_patiently(struct access_log_writer *writer, struct span line) {
    uint64_t limit_ns = deadline_ns();
    while (!access_log_put(writer, line)) {
        if (ring_now(NULL) > limit_ns)
            return false;
        sched_yield();
    }
    return true;
}

/* "WRITER NUMBER xxxx...\n", from 20 to 1019 bytes long. */
static struct span numbered(unsigned writer, unsigned number, char line[1100]) {
    int n = snprintf(line, 64, "%u %u ", writer, number);
    size_t length = 20 + number * 7919u % 1000;
    memset(line + n, 'x', length - (size_t)n);
    line[length - 1] = '\n';
    return span_of(line, length);
}

/* Every line of the writer is there, whole and in order. */
static void expect_numbered(const char *bytes, size_t n, unsigned writers, unsigned count) {
    unsigned next[4] = {0};
    struct span rest = span_of(bytes, n);
    while (rest.n) {
        char want[1100];
        unsigned writer = (unsigned)(rest.p[0] - '0');
        REQUIRE(writer < writers);
        struct span line = numbered(writer, next[writer]++, want);
        REQUIRE(rest.n >= line.n);
        EXPECT_MEM(rest.p, line.n, line.p, line.n);
        rest = span_from(rest, line.n);
    }
    for (unsigned i = 0; i < writers; i++)
        EXPECT_EQ(next[i], count);
}

TEST(ring_wraps) {
    enum { COUNT = 8000 }; /* about 4 MiB through a ring of one */
    struct access_log *log;
    char line[1100];
    size_t n = 0;
    unlink(path_of("log"));
    REQUIRE(access_log_open(&log, path_of("log"), 1) == 0);
    bool whole = true;
    for (unsigned i = 0; i < COUNT && whole; i++)
        whole = put_patiently(access_log_writer(log, 0), numbered(0, i, line));
    EXPECT(whole);
    access_log_close(&log);
    EXPECT(log == NULL);
    char *bytes = test_file(path_of("log"), &n);
    REQUIRE(bytes);
    expect_numbered(bytes, n, 1, COUNT);
    free(bytes);
}

struct producer {
    struct access_log_writer *writer;
    unsigned index, count;
    bool well;
    pthread_t thread;
};

static void *produce(void *argument) {
    struct producer *producer = argument;
    char line[1100];
    producer->well = true;
    for (unsigned i = 0; i < producer->count && producer->well; i++)
        producer->well = put_patiently(producer->writer, numbered(producer->index, i, line));
    return NULL;
}

TEST(lines_of_several_workers_stay_whole) {
    enum { WRITERS = 3, COUNT = 3000 };
    struct producer producers[WRITERS];
    struct access_log *log;
    size_t n = 0;
    unlink(path_of("log"));
    REQUIRE(access_log_open(&log, path_of("log"), WRITERS) == 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        producers[i] = (struct producer){access_log_writer(log, i), i, COUNT, false, 0};
        REQUIRE(pthread_create(&producers[i].thread, NULL, produce, &producers[i]) == 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(producers[i].thread, NULL);
        EXPECT(producers[i].well);
    }
    access_log_close(&log);
    char *bytes = test_file(path_of("log"), &n);
    REQUIRE(bytes);
    expect_numbered(bytes, n, WRITERS, COUNT);
    free(bytes);
}

/* Reads a pipe to its end: the bytes, to be freed. */
struct reader {
    int fd;
    char *bytes;
    size_t n, max;
    pthread_t thread;
};

static void *read_to_end(void *argument) {
    struct reader *reader = argument;
    ssize_t n;
    while ((n = read(reader->fd, reader->bytes + reader->n, reader->max - reader->n)) > 0)
        reader->n += (size_t)n;
    return NULL;
}

/* Nobody reads: the ring fills up, further lines are dropped and counted, those taken come whole. */
TEST(full_ring_drops_and_counts) {
    struct reader reader = {.max = 8u << 20};
    struct access_log *log;
    char line[1100];
    unsigned taken = 0, refused = 0;
    unlink(path_of("fifo"));
    REQUIRE(mkfifo(path_of("fifo"), 0600) == 0);
    reader.fd = open(path_of("fifo"), O_RDONLY | O_NONBLOCK);
    REQUIRE(reader.fd >= 0);
    REQUIRE(access_log_open(&log, path_of("fifo"), 1) == 0);
    for (uint64_t limit_ns = deadline_ns(); refused < 100 && ring_now(NULL) < limit_ns;) {
        if (access_log_put(access_log_writer(log, 0), numbered(0, taken, line)))
            taken++;
        else
            refused++;
    }
    EXPECT_EQ(refused, 100);
    EXPECT_EQ(access_log_dropped(log), refused);
    EXPECT(taken > 1500); /* a ring of 1 MiB, lines of about 520 bytes */
    reader.bytes = heap_alloc(reader.max);
    EXPECT(fcntl(reader.fd, F_SETFL, 0) == 0);
    REQUIRE(pthread_create(&reader.thread, NULL, read_to_end, &reader) == 0);
    access_log_close(&log);
    pthread_join(reader.thread, NULL);
    expect_numbered(reader.bytes, reader.n, 1, taken);
    heap_free(&reader.bytes);
    close(reader.fd);
}

/* Nobody will ever read: closing must not wait for ever. */
TEST(closing_does_not_wait_for_a_reader) {
    struct access_log *log;
    char line[1100];
    unlink(path_of("blocked"));
    REQUIRE(mkfifo(path_of("blocked"), 0600) == 0);
    int fd = open(path_of("blocked"), O_RDONLY | O_NONBLOCK);
    REQUIRE(access_log_open(&log, path_of("blocked"), 1) == 0);
    unsigned taken = 0;
    while (taken < 100000 && access_log_put(access_log_writer(log, 0), numbered(0, taken, line)))
        taken++;
    uint64_t before_ns = ring_now(NULL);
    access_log_close(&log);
    EXPECT(ring_now(NULL) - before_ns < 5 * NS_PER_S);
    close(fd);
}

static bool wait_for_file(const char *path) {
    uint64_t limit_ns = deadline_ns();
    while (access(path, F_OK) != 0 && ring_now(NULL) < limit_ns)
        sched_yield();
    return access(path, F_OK) == 0;
}

static void expect_file(const char *name, const char *want) {
    size_t n = 0;
    char *bytes = test_file(path_of(name), &n);
    REQUIRE(bytes);
    EXPECT_BYTES(bytes, n, want);
    free(bytes);
}

TEST(reopen_after_the_file_was_moved) {
    struct access_log *log;
    unlink(path_of("log"));
    unlink(path_of("old"));
    REQUIRE(access_log_open(&log, path_of("log"), 1) == 0);
    EXPECT(access_log_put(access_log_writer(log, 0), SPAN("{\"before\":1}\n")));
    REQUIRE(rename(path_of("log"), path_of("old")) == 0);
    access_log_reopen(log);
    REQUIRE(wait_for_file(path_of("log")));
    EXPECT(access_log_put(access_log_writer(log, 0), SPAN("{\"behind\":2}\n")));
    access_log_close(&log);
    expect_file("old", "{\"before\":1}\n");
    expect_file("log", "{\"behind\":2}\n");
}

TEST(appends_to_what_is_there) {
    struct access_log *log;
    unlink(path_of("log"));
    for (unsigned i = 0; i < 2; i++) {
        REQUIRE(access_log_open(&log, path_of("log"), 1) == 0);
        EXPECT(access_log_put(access_log_writer(log, 0), SPAN("{}\n")));
        access_log_close(&log);
    }
    expect_file("log", "{}\n{}\n");
}

/* A disk that is full: lines are counted as lost, and the rings stay empty. */
TEST(unwritable_lines_are_counted) {
    struct access_log *log;
    char line[1100];
    bool well = true;
    if (access("/dev/full", W_OK) != 0)
        SKIP("needs /dev/full");
    REQUIRE(access_log_open(&log, "/dev/full", 2) == 0);
    for (unsigned i = 0; i < 6000 && well; i++)
        well = put_patiently(access_log_writer(log, i % 2), numbered(0, i, line));
    EXPECT(well);
    uint64_t limit_ns = deadline_ns();
    while (access_log_dropped(log) < 6000 && ring_now(NULL) < limit_ns)
        sched_yield();
    EXPECT(access_log_dropped(log) >= 6000);
    access_log_close(&log);
}

TEST(no_log) {
    struct access_log *log;
    tell_story();
    REQUIRE(access_log_open(&log, NULL, 2) == 0);
    struct race race = {.owner = access_log_writer(log, 1)};
    access_log_finished(&race, &story.exchange);
    access_log_reopen(log);
    EXPECT_EQ(access_log_dropped(log), 0);
    access_log_close(&log);
}

TEST(path_that_cannot_be_opened) {
    struct access_log *log = NULL;
    EXPECT_EQ(access_log_open(&log, "/nonexistent/folder/log", 1), -ENOENT);
    EXPECT(log == NULL);
    access_log_close(&log);
}

/* The hook of the race: a line for each exchange, and nothing from the heap for it. */
TEST(finished_writes_a_line_without_the_heap) {
    struct access_log *log;
    size_t n = 0;
    tell_story();
    unlink(path_of("log"));
    REQUIRE(access_log_open(&log, path_of("log"), 1) == 0);
    struct race race = {.owner = access_log_writer(log, 0)};
    uint64_t calls = heap_calls();
    for (unsigned i = 0; i < 100; i++)
        access_log_finished(&race, &story.exchange);
    EXPECT_EQ(heap_calls(), calls);
    access_log_close(&log);
    char *bytes = test_file(path_of("log"), &n), *rest = bytes;
    unsigned lines = 0;
    for (char *end; rest && (end = memchr(rest, '\n', n - (size_t)(rest - bytes)));
         rest = end + 1) {
        yyjson_doc *doc = yyjson_read(rest, (size_t)(end - rest), 0);
        EXPECT(doc != NULL);
        yyjson_doc_free(doc);
        lines++;
    }
    EXPECT_EQ(lines, 100);
    free(bytes);
}
