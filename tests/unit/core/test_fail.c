/* test_fail.c - core/fail.def as a whole: what every row must hold, and some that others rely on;
 * and core/base.c, which is how our own mistakes end. */
#include "core/fail.h"

#include <ctype.h>

#include "core/base.h"
#include "tests/test.h"

TEST(fail_rows_are_well_formed) {
    for (int i = 0; i < FAIL_COUNT; i++) {
        enum fail fail = (enum fail)i;
        const char *name = fail_name(fail), *text = fail_text(fail);
        ROW("%s", name);
        EXPECT(strlen(name) > 0 && strlen(text) > 0);
        for (const char *c = name; *c; c++)
            EXPECT(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
        /* A sentence that can stand in the middle of another. */
        EXPECT(text[strlen(text) - 1] != '.');
        EXPECT(!strpbrk(text, "\"\\\n"));
        EXPECT(fail_status(fail) == 200 || (fail_status(fail) >= 400 && fail_status(fail) < 600));
        for (int other = 0; other < i; other++) {
            EXPECT(strcmp(name, fail_name((enum fail)other)) != 0);
            EXPECT(strcmp(text, fail_text((enum fail)other)) != 0);
        }
        /* What the client did wrong is wrong everywhere and nobody else's fault; but another backend
         * may be able to express what this one's API cannot. */
        if (fail_status(fail) == 400 || fail_status(fail) == 499)
            EXPECT(fail_retry(fail) == (fail == FAIL_UNSUPPORTED) && !fail_sick(fail));
    }
}

TEST(fail_columns) {
    static const struct {
        enum fail fail;
        const char *name;
        int status;
        bool retry, sick;
    } rows[] = {
        {FAIL_NONE, "none", 200, false, false},
        {FAIL_FIRST_TOKEN, "first_token", 504, true, true},
        {FAIL_UPSTREAM_5XX, "upstream_5xx", 502, true, true},
        {FAIL_UPSTREAM_CONFLICT, "upstream_conflict", 502, true, false},
        {FAIL_RATE_LIMITED, "rate_limited", 429, true, false},
        {FAIL_LOST, "lost", 200, false, false},
        {FAIL_CLIENT_LEFT, "client_left", 499, false, false},
        {FAIL_DRAINING, "draining", 503, false, false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        EXPECT_STR(fail_name(rows[i].fail), rows[i].name);
        EXPECT_EQ(fail_status(rows[i].fail), rows[i].status);
        EXPECT_EQ(fail_retry(rows[i].fail), rows[i].retry);
        EXPECT_EQ(fail_sick(rows[i].fail), rows[i].sick);
    }
}

TEST(fail_refuses_what_is_none) {
    EXPECT_ABORT(fail_name(FAIL_COUNT));
    EXPECT_ABORT(fail_text((enum fail) - 1));
}

/* What base_check_failed writes to standard error before it aborts. */
static size_t check_message(const char *condition, char *message, size_t max) {
    int pipes[2], status;
    if (pipe(pipes) != 0)
        return 0;
    pid_t child = test_fork();
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        base_check_failed("core/x.c", 120, condition);
    }
    close(pipes[1]);
    size_t n = 0;
    for (ssize_t got; n < max - 1 && (got = read(pipes[0], message + n, max - 1 - n)) > 0;)
        n += (size_t)got;
    message[n] = 0;
    close(pipes[0]);
    waitpid(child, &status, 0);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    return n;
}

TEST(base_check_failed_says_where_and_aborts) {
    char message[2000], longest[1500];
    check_message("a > b", message, sizeof message);
    EXPECT_STR(message, "core/x.c:120: CHECK failed: a > b\n");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    size_t n = check_message(longest, message, sizeof message);
    EXPECT_EQ(n, 512);
    EXPECT(strncmp(message, "core/x.c:120: CHECK failed: xxx", 31) == 0);
    EXPECT_EQ(message[n - 1], '\n');
    CHECK(true);
    EXPECT_ABORT(CHECK(1 > 2));
}
