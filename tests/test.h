/* test.h - the harness of the unit tests: a test program is one .c file which includes this header
 * and holds TEST(name) { ... } bodies; main() comes from here.
 *
 * Owns:     the list of the program's tests, in the order of the file, and what it prints.
 * Promises: one line per test on standard output, which tests/run.sh adds up:
 *               ok NAME
 *               not ok NAME: FILE:LINE: why (the first reason; the others go to standard error)
 *               skip NAME: why
 *           and exit status 1 when any test failed. A test that aborts (CHECK) or runs into the time
 *           limit of run.sh is named too. A test which made no EXPECT at all has failed: it cannot
 *           have tested anything.
 * Refuses:  to be part of a program with a main() of its own, unless TEST_NO_MAIN is defined.
 *
 * `PROGRAM WORD...` runs only the tests whose name contains one of the words.
 *
 *     TEST(parses_hex) {
 *         static const struct { const char *name, *in; int want; } rows[] = {...};
 *         for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
 *             ROW("%s", rows[i].name);
 *             EXPECT_EQ(hex_parse(rows[i].in), rows[i].want);
 *         }
 *     }
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct test {
    const char *name;
    void (*body)(void);
    struct test *next;
};

/* All that the running program knows. One test at a time, one thread reports. */
static struct {
    struct test *first, **last;
    const struct test *running; /* NULL between tests */
    unsigned long expects;      /* EXPECTs seen in the running test */
    unsigned failures;          /* of the running test */
    unsigned tests_failed;
    char row[200];  /* the row in work, for the messages; "" outside tables */
    char why[700];  /* the first failure of the running test */
    char skip[300]; /* why the running test was skipped; "" if it was not */
} test_state = {.last = &test_state.first};

/* Defines a test. Tests run in the order of the file. */
#define TEST(ident)                                                            \
    static void test_body_##ident(void);                                       \
    __attribute__((constructor)) static void test_add_##ident(void) {          \
        static struct test self = {.name = #ident, .body = test_body_##ident}; \
        test_add(&self);                                                       \
    }                                                                          \
    static void test_body_##ident(void)

/* Names the table row in work (printf arguments); it stands in front of every failure's message
 * until the next ROW or the end of the test. */
#define ROW(...) test_row(__VA_ARGS__)

/* Each EXPECT reports and goes on. All of them evaluate their arguments once. */
#define EXPECT(cond) ((void)test_expect((cond), __FILE__, __LINE__, "%s", #cond))

/* Integers of any type up to 64 bits, enums and bools: equal as 64-bit values. */
#define EXPECT_EQ(got, want) \
    test_expect_eq((long long)(got), (long long)(want), __FILE__, __LINE__, #got, #want)

/* Doubles which differ by no more than `within`. */
#define EXPECT_NEAR(got, want, within) \
    test_expect_near((got), (want), (within), __FILE__, __LINE__, #got)

/* NUL-terminated strings; a NULL equals only a NULL. */
#define EXPECT_STR(got, want) test_expect_str((got), (want), __FILE__, __LINE__, #got)

/* Bytes: pointer and size on both sides. The pointer of no bytes may be NULL. */
#define EXPECT_MEM(got, got_size, want, want_size) \
    test_expect_mem((got), (got_size), (want), (want_size), __FILE__, __LINE__, #got)

/* Bytes against a NUL-terminated string, for spans: EXPECT_BYTES(s.data, s.len, "GET"). */
#define EXPECT_BYTES(got, got_size, want) \
    test_expect_mem((got), (got_size), (want), strlen(want), __FILE__, __LINE__, #got)

/* The statement ends its process with SIGABRT, as a failed CHECK does. Runs in a child. */
#define EXPECT_ABORT(...)                                                 \
    do {                                                                  \
        pid_t test_child_ = test_fork();                                  \
        if (test_child_ == 0) {                                           \
            __VA_ARGS__;                                                  \
            _exit(0);                                                     \
        }                                                                 \
        test_expect_abort(test_child_, __FILE__, __LINE__, #__VA_ARGS__); \
    } while (0)

/* As EXPECT, but leaves the function (one that returns void) when it fails: for what the rest of
 * the test stands on. */
#define REQUIRE(cond)                                              \
    do {                                                           \
        if (!test_expect((cond), __FILE__, __LINE__, "%s", #cond)) \
            return;                                                \
    } while (0)

/* Fails with a message of its own (printf arguments) and goes on. */
#define FAIL_TEST(...) ((void)test_expect(false, __FILE__, __LINE__, __VA_ARGS__))

/* Leaves the test (a function that returns void) as skipped, with the reason (printf arguments). */
#define SKIP(...)               \
    do {                        \
        test_skip(__VA_ARGS__); \
        return;                 \
    } while (0)

/* ---- what stands behind the macros ---- */

static inline void test_add(struct test *t) {
    *test_state.last = t;
    test_state.last = &t->next;
}

__attribute__((format(printf, 1, 2))) static inline void test_row(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(test_state.row, sizeof test_state.row, format, args);
    va_end(args);
}

__attribute__((format(printf, 1, 2))) static inline void test_skip(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(test_state.skip, sizeof test_state.skip, format, args);
    va_end(args);
}

/* Counts one expectation and says whether it held; the format is its message if it did not. */
__attribute__((format(printf, 4, 5))) static inline bool
test_expect(bool held, const char *file, int line, const char *format, ...) {
    test_state.expects++;
    if (held)
        return true;
    char text[400], where[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* The message is one line: what came from outside may hold line ends. */
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    snprintf(where, sizeof where, "%s:%d: %s%s%s", file, line, test_state.row,
             test_state.row[0] ? ": " : "", text);
    if (test_state.failures++ == 0)
        snprintf(test_state.why, sizeof test_state.why, "%s", where);
    fprintf(stderr, "# %s: %s\n", test_state.running ? test_state.running->name : "?", where);
    return false;
}

static inline bool test_expect_eq(long long got, long long want, const char *file, int line,
                                  const char *got_text, const char *want_text) {
    return test_expect(got == want, file, line, "%s is %lld, not %lld (%s)", got_text, got, want,
                       want_text);
}

static inline bool test_expect_near(double got, double want, double within, const char *file,
                                    int line, const char *got_text) {
    double apart = got > want ? got - want : want - got;
    /* Written so that a NaN fails. */
    return test_expect(apart <= within, file, line, "%s is %g, not %g +- %g", got_text, got, want,
                       within);
}

static inline bool test_expect_str(const char *got, const char *want, const char *file, int line,
                                   const char *got_text) {
    bool same = got && want ? strcmp(got, want) == 0 : got == want;
    return test_expect(same, file, line, "%s is \"%.140s\", not \"%.140s\"", got_text,
                       got ? got : "(NULL)", want ? want : "(NULL)");
}

static inline bool test_expect_mem(const void *got, size_t got_size, const void *want,
                                   size_t want_size, const char *file, int line,
                                   const char *got_text) {
    size_t shorter = got_size < want_size ? got_size : want_size, same = 0;
    const unsigned char *g = got, *w = want;
    while (same < shorter && g[same] == w[same])
        same++;
    if (same == got_size && same == want_size)
        return test_expect(true, file, line, "%s", got_text);
    size_t g_shown = got_size - same < 60 ? got_size - same : 60;
    size_t w_shown = want_size - same < 60 ? want_size - same : 60;
    return test_expect(
        false, file, line, "%s: %zu bytes, not %zu; from byte %zu on \"%.*s\", not \"%.*s\"",
        got_text, got_size, want_size, same, (int)g_shown, g_shown ? (const char *)g + same : "",
        (int)w_shown, w_shown ? (const char *)w + same : "");
}

static inline pid_t test_fork(void) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        /* The message of the CHECK is expected: it would only worry the reader of the log. */
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(1);
    }
    return child;
}

static inline void test_expect_abort(pid_t child, const char *file, int line, const char *text) {
    int status = 0;
    bool waited = child > 0 && waitpid(child, &status, 0) == child;
    test_expect(waited && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, file, line,
                "%s did not abort", text);
}

/* ---- helpers for files ---- */

/* Reads a whole file. Returns malloc()ed bytes with a NUL behind them, the caller frees; their
 * number in *size. NULL if the file cannot be read. */
static inline char *test_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    struct stat st;
    char *bytes = NULL;
    if (f && fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode)) {
        bytes = malloc((size_t)st.st_size + 1);
        *size = bytes ? fread(bytes, 1, (size_t)st.st_size, f) : 0;
        if (bytes)
            bytes[*size] = 0;
    }
    if (f)
        fclose(f);
    return bytes;
}

/* The path of a file or folder under the shared data (HEDGEROW_SHARED, or ../shared beside the
 * project). Returns a string which is valid until the next call, NULL when it is not there: tests
 * which need it then say SKIP("needs ../shared"). */
static inline const char *test_shared(const char *relative) {
    static char path[4096];
    const char *root = getenv("HEDGEROW_SHARED");
    snprintf(path, sizeof path, "%s/%s", root && *root ? root : "../shared", relative);
    return access(path, R_OK) == 0 ? path : NULL;
}

/* ---- main ---- */

/* Says which test the signal ended, then lets the signal end the program. Only calls which are safe
 * in a handler. */
static inline void test_on_signal(int number) {
    const char *name = test_state.running ? test_state.running->name : "(between tests)";
    const char *why = number == SIGTERM ? ": ran into the time limit\n" : ": aborted\n";
    if (write(1, "not ok ", 7) < 0 || write(1, name, strlen(name)) < 0 ||
        write(1, why, strlen(why)) < 0)
        _exit(1);
    signal(number, SIG_DFL);
    raise(number);
}

static inline bool test_wanted(const struct test *t, char *const *words) {
    if (!*words)
        return true;
    for (; *words; words++)
        if (strstr(t->name, *words))
            return true;
    return false;
}

static inline void test_run(const struct test *t) {
    test_state.running = t;
    test_state.expects = test_state.failures = 0;
    test_state.row[0] = test_state.why[0] = test_state.skip[0] = 0;
    t->body();
    if (!test_state.failures && !test_state.skip[0] && !test_state.expects)
        test_expect(false, t->name, 0, "the test expected nothing");
    if (test_state.failures)
        printf("not ok %s: %s\n", t->name, test_state.why);
    else if (test_state.skip[0])
        printf("skip %s: %s\n", t->name, test_state.skip);
    else
        printf("ok %s\n", t->name);
    test_state.tests_failed += test_state.failures > 0;
    test_state.running = NULL;
    fflush(stdout);
}

#ifndef TEST_NO_MAIN
int main(int argc, char **argv) {
    (void)argc;
    signal(SIGABRT, test_on_signal);
    signal(SIGTERM, test_on_signal);
    for (const struct test *t = test_state.first; t; t = t->next)
        if (test_wanted(t, argv + 1))
            test_run(t);
    return test_state.tests_failed ? 1 : 0;
}
#endif

#endif
