/* fake_source.h - for the tests of credentials: a token endpoint or metadata server on loopback, on a
 * thread of its own; and providers' settings made into a snapshot with plans.
 *
 * Owns:     the listening socket, the thread, what was asked.
 * Promises: answers by the script of the test, one connection after the other; every request is kept.
 * Refuses:  to sleep: the test waits for conditions with a limit. */
#ifndef TESTS_UNIT_CONTROL_FAKE_SOURCE_H
#define TESTS_UNIT_CONTROL_FAKE_SOURCE_H

#include "tests/unit/control/config_file.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "appliance/control/credentials.h"

#define FAKE_ASKED_MAX 64
#define FAKE_SAID_MAX  16384
#define PATIENCE_MS    10000

/* How requests that begin with `begins` ("GET /path") are answered. */
struct fake_answer {
    const char *begins;
    unsigned status;    /* 0: never answered */
    const char *fields; /* "name: value\r\n" or NULL */
    const char *body;   /* one %u in it becomes the number of the request */
};

struct fake {
    int fd, wake;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    const struct fake_answer *answers;
    unsigned answer_count;
    unsigned asked;
    char requests[FAKE_ASKED_MAX][FAKE_SAID_MAX];
};

/* Reads a request with its body; false when the peer left. */
static inline bool fake_read(int fd, char *out) {
    size_t n = 0;
    for (;;) {
        ssize_t got = recv(fd, out + n, FAKE_SAID_MAX - 1 - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        out[n] = 0;
        char *end = strstr(out, "\r\n\r\n"), *length = strstr(out, "content-length: ");
        size_t body_n = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
        if (end && n >= (size_t)(end + 4 - out) + body_n)
            return true;
    }
}

static inline void fake_say(int fd, const struct fake_answer *answer, unsigned number) {
    static char body[FAKE_SAID_MAX], text[2 * FAKE_SAID_MAX];
    const char *mark = strstr(answer->body, "%u");
    snprintf(body, sizeof body, "%.*s", mark ? (int)(mark - answer->body) : FAKE_SAID_MAX - 1,
             answer->body);
    if (mark)
        snprintf(body + strlen(body), sizeof body - strlen(body), "%u%s", number, mark + 2);
    int n = snprintf(text, sizeof text, "HTTP/1.1 %u X\r\n%scontent-length: %zu\r\n\r\n%s",
                     answer->status, answer->fields ? answer->fields : "", strlen(body), body);
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        return;
}

static inline const struct fake_answer *fake_find(const struct fake *fake, const char *request) {
    static const struct fake_answer none = {"", 404, NULL, "no such path"};
    for (unsigned i = 0; i < fake->answer_count; i++)
        if (strncmp(request, fake->answers[i].begins, strlen(fake->answers[i].begins)) == 0)
            return &fake->answers[i];
    return &none;
}

static inline bool fake_readable(struct fake *fake, int fd) {
    struct pollfd wanted[2] = {{.fd = fake->wake, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    return poll(wanted, 2, -1) > 0 && !wanted[0].revents;
}

static inline void *fake_run(void *argument) {
    struct fake *fake = argument;
    static char request[FAKE_SAID_MAX];
    while (fake_readable(fake, fake->fd)) {
        int fd = accept4(fake->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        if (fake_readable(fake, fd) && fake_read(fd, request)) {
            pthread_mutex_lock(&fake->lock);
            unsigned number = fake->asked++;
            memcpy(fake->requests[number % FAKE_ASKED_MAX], request, sizeof request);
            struct fake_answer answer = *fake_find(fake, request);
            pthread_mutex_unlock(&fake->lock);
            if (answer.status)
                fake_say(fd, &answer, number);
            fake_readable(fake, fd); /* until the peer closes, so that it is the one who does */
        }
        close(fd);
    }
    return NULL;
}

static inline void fake_script(struct fake *fake, const struct fake_answer *answers,
                               unsigned count) {
    pthread_mutex_lock(&fake->lock);
    fake->answers = answers;
    fake->answer_count = count;
    pthread_mutex_unlock(&fake->lock);
}

static inline void fake_open(struct fake *fake, const struct fake_answer *answers, unsigned count) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    memset(fake, 0, sizeof *fake);
    pthread_mutex_init(&fake->lock, NULL);
    fake_script(fake, answers, count);
    fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fake->wake = eventfd(0, EFD_CLOEXEC);
    CHECK(fake->fd >= 0 && fake->wake >= 0);
    CHECK(bind(fake->fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(fake->fd, 16) == 0);
    CHECK(getsockname(fake->fd, (struct sockaddr *)&address, &length) == 0);
    fake->port = ntohs(address.sin_port);
    CHECK(pthread_create(&fake->thread, NULL, fake_run, fake) == 0);
}

static inline void fake_close(struct fake *fake) {
    uint64_t one = 1;
    CHECK(write(fake->wake, &one, sizeof one) == sizeof one);
    pthread_join(fake->thread, NULL);
    close(fake->fd);
    close(fake->wake);
    pthread_mutex_destroy(&fake->lock);
}

static inline unsigned fake_asked(struct fake *fake) {
    pthread_mutex_lock(&fake->lock);
    unsigned asked = fake->asked;
    pthread_mutex_unlock(&fake->lock);
    return asked;
}

/* ---- settings and the environment ---- */

/* Everything that config_credentials.c and the ways look at. */
static const char *const fake_environment[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_EC2_METADATA_V1_DISABLED",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "AZURE_TENANT_ID",
    "GCE_METADATA_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
};

/* Only these are set: "NAME=value" lines; "PORT" in a value becomes the number. */
static inline void fake_settings(char *out, size_t max, const char *text, unsigned port) {
    size_t n = 0;
    for (const char *c = text; *c && n + 8 < max;) {
        if (strncmp(c, "PORT", 4) == 0) {
            n += (size_t)snprintf(out + n, max - n, "%u", port);
            c += 4;
        } else {
            out[n++] = *c++;
        }
    }
    out[n] = 0;
}

static inline void fake_environ(const char *lines, unsigned port) {
    char text[2048];
    for (size_t i = 0; i < countof(fake_environment); i++)
        unsetenv(fake_environment[i]);
    fake_settings(text, sizeof text, lines, port);
    struct span rest = span_str(text);
    while (rest.n) {
        struct span line = span_cut(&rest, '\n'), name = span_cut(&line, '=');
        char name_text[128], value[1024];
        span_text(name, name_text, sizeof name_text);
        span_text(line, value, sizeof value);
        CHECK(setenv(name_text, value, 1) == 0);
    }
}

/* A snapshot with the providers ("p: {...}, q: {...}"), which must be right. NULL after a failure. */
static inline struct config *fake_config(const char *providers, unsigned port) {
    char settings[2048], yaml[4096], *messages;
    fake_settings(settings, sizeof settings, providers, port);
    snprintf(yaml, sizeof yaml,
             HEAD "providers: {%s}\nmodels: {m: {backends: [{provider: p, model: x}]}}\n",
             settings);
    struct config *config = load(yaml, &messages);
    EXPECT_STR(messages, "");
    free(messages);
    return config;
}

/* Waits until the condition holds, or fails the test. */
#define AWAIT(condition)                                                       \
    do {                                                                       \
        bool held_ = false;                                                    \
        for (int i_ = 0; i_ < PATIENCE_MS && !(held_ = (condition)); i_++)     \
            poll(NULL, 0, 1);                                                  \
        (void)test_expect(held_, __FILE__, __LINE__, "never: %s", #condition); \
    } while (0)

/* ---- standard error ---- */

/* Keeps it until unhush, which returns it (static). */
static inline int hush(void) {
    fflush(stderr);
    int saved = dup(2), file = open(".", O_TMPFILE | O_RDWR, 0600);
    CHECK(saved >= 0 && file >= 0 && dup2(file, 2) == 2);
    close(file);
    return saved;
}

static inline const char *unhush(int saved) {
    static char text[65536];
    fflush(stderr);
    ssize_t n = pread(2, text, sizeof text - 1, 0);
    CHECK(n >= 0);
    text[n] = 0;
    dup2(saved, 2);
    close(saved);
    return text;
}

/* What stands in a cell, as "KEY_ID SECRET TOKEN"; "" when nothing does. Static. */
static inline const char *cell_text(const struct credential_cell *cell, int64_t *expires_s) {
    static char text[CREDENTIAL_TEXT_MAX + 3];
    struct memory memory;
    struct arena arena;
    struct credential got;
    memory_init(&memory, SIZE_MAX, 0);
    arena_init(&arena, &memory);
    text[0] = 0;
    if (cell && credential_read(cell, &arena, &got)) {
        snprintf(text, sizeof text, "%.*s%s%.*s%s%.*s", (int)got.key_id.n, got.key_id.p,
                 got.key_id.n ? " " : "", (int)got.secret.n, got.secret.p, got.secret.n ? " " : "",
                 (int)got.token.n, got.token.p);
        if (expires_s)
            *expires_s = got.expires_s;
    }
    arena_fini(&arena);
    memory_fini(&memory);
    return text;
}

/* The row of the first provider. */
static inline struct credentials_row first_row(struct credentials *credentials) {
    unsigned count;
    struct credentials_row *rows = credentials_rows(credentials, &count);
    struct credentials_row row = {.provider = NULL};
    if (count)
        row = rows[0];
    credentials_rows_free(&rows, count);
    row.provider = NULL;
    return row;
}

#endif
