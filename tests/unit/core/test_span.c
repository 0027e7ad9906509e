/* test_span.c - core/span.c by rows. */
#include "core/span.h"

#include <math.h>

#include "tests/test.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

TEST(span_compares) {
    static const struct {
        const char *a, *b;
        bool eq, eq_nocase, starts, starts_nocase, ends;
    } rows[] = {
        {"", "", true, true, true, true, true},
        {"a", "", false, false, true, true, true},
        {"", "a", false, false, false, false, false},
        {"Content-Type", "content-type", false, true, false, true, false},
        {"content-type", "content-type", true, true, true, true, true},
        {"content-type", "content", false, false, true, true, false},
        {"Content-type", "content", false, false, false, true, false},
        {"content-type", "type", false, false, false, false, true},
        /* Only letters have a case: '@' and '`', '[' and '{' differ by the same bit. */
        {"@[", "`{", false, false, false, false, false},
        {"\xc4", "\xe4", false, false, false, false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ROW("%s / %s", rows[i].a, rows[i].b);
        struct span a = span_str(rows[i].a), b = span_str(rows[i].b);
        EXPECT_EQ(span_eq(a, b), rows[i].eq);
        EXPECT_EQ(span_eq_nocase(a, b), rows[i].eq_nocase);
        EXPECT_EQ(span_starts(a, b), rows[i].starts);
        EXPECT_EQ(span_starts_nocase(a, b), rows[i].starts_nocase);
        EXPECT_EQ(span_ends(a, b), rows[i].ends);
    }
}

TEST(span_of_nothing_is_safe) {
    struct span none = span_str(NULL);
    char text[4];
    EXPECT_EQ(none.n, 0);
    EXPECT(span_eq(none, SPAN("")));
    EXPECT(span_from(none, 5).p == NULL);
    EXPECT_EQ(span_find(none, 'a', 0), 0);
    EXPECT_EQ(span_search(none, SPAN("a")), 0);
    EXPECT_EQ(span_trim(none).n, 0);
    EXPECT_EQ(span_cut(&none, ',').n, 0);
    EXPECT(none.p == NULL);
    EXPECT_STR(span_text(none, text, sizeof text), "");
    EXPECT(span_glob(none, none));
    EXPECT(span_ends(none, none));
}

TEST(span_finds) {
    static const struct {
        const char *a;
        size_t from, found;
    } bytes[] = {{"", 0, 0},     {"abc", 0, 3},  {"x", 0, 0}, {"axbx", 0, 1},
                 {"axbx", 2, 3}, {"axbx", 4, 4}, {"ax", 9, 2}};
    for (size_t i = 0; i < COUNT(bytes); i++) {
        ROW("%s from %zu", bytes[i].a, bytes[i].from);
        EXPECT_EQ(span_find(span_str(bytes[i].a), 'x', bytes[i].from), bytes[i].found);
    }
    static const struct {
        const char *a, *needle;
        size_t found;
    } needles[] = {{"", "", 0},        {"abc", "", 0},       {"abc", "abc", 0},
                   {"abc", "abcd", 3}, {"aababc", "abc", 3}, {"\n\r\n\n", "\n\n", 2},
                   {"abc", "d", 3}};
    for (size_t i = 0; i < COUNT(needles); i++) {
        ROW("%s in %s", needles[i].needle, needles[i].a);
        EXPECT_EQ(span_search(span_str(needles[i].a), span_str(needles[i].needle)),
                  needles[i].found);
    }
}

TEST(span_from_trim_text) {
    struct span a = SPAN("hello");
    EXPECT_BYTES(span_from(a, 0).p, span_from(a, 0).n, "hello");
    EXPECT_BYTES(span_from(a, 3).p, span_from(a, 3).n, "lo");
    EXPECT_EQ(span_from(a, 5).n, 0);
    EXPECT_EQ(span_from(a, 500).n, 0);
    static const struct {
        const char *a, *trimmed;
    } rows[] = {{"", ""}, {"  \t ", ""}, {" a b\t", "a b"}, {"a", "a"}, {"\na ", "\na"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct span trimmed = span_trim(span_str(rows[i].a));
        ROW("%s", rows[i].a);
        EXPECT_BYTES(trimmed.p, trimmed.n, rows[i].trimmed);
    }
    char text[4];
    EXPECT_STR(span_text(a, text, sizeof text), "hel");
    EXPECT_STR(span_text(SPAN("hel"), text, sizeof text), "hel");
    EXPECT_STR(span_text(a, text, 1), "");
    EXPECT_ABORT(span_text(a, text, 0));
}

TEST(span_cut_visits_every_part) {
    static const struct {
        const char *text, *parts; /* each part in brackets */
    } rows[] = {
        {"", "[]"}, {"a", "[a]"}, {"a,b", "[a][b]"}, {",", "[][]"}, {"a,,b,", "[a][][b][]"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char seen[64] = "", part[16];
        ROW("%s", rows[i].text);
        for (struct span rest = span_str(rows[i].text); rest.p;) {
            span_text(span_cut(&rest, ','), part, sizeof part);
            snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "[%s]", part);
        }
        EXPECT_STR(seen, rows[i].parts);
    }
}

TEST(span_u64_reads_digits_only) {
    static const struct {
        const char *text;
        uint64_t max;
        bool well;
        uint64_t value;
    } rows[] = {
        {"0", UINT64_MAX, true, 0},
        {"007", UINT64_MAX, true, 7},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999999", UINT64_MAX, false, 0},
        {"65535", 65535, true, 65535},
        {"65536", 65535, false, 0},
        {"0", 0, true, 0},
        {"1", 0, false, 0},
        {"7", 5, false, 0},
        {"5", 5, true, 5},
        {"", UINT64_MAX, false, 0},
        {"-1", UINT64_MAX, false, 0},
        {"+1", UINT64_MAX, false, 0},
        {" 1", UINT64_MAX, false, 0},
        {"1 ", UINT64_MAX, false, 0},
        {"0x10", UINT64_MAX, false, 0},
        {"1e3", UINT64_MAX, false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t value = 0;
        ROW("%s max %llu", rows[i].text, (unsigned long long)rows[i].max);
        EXPECT_EQ(span_u64(span_str(rows[i].text), rows[i].max, &value), rows[i].well);
        EXPECT_EQ(value, rows[i].value);
    }
}

TEST(span_double_takes_numbers_and_nothing_else) {
    static const struct {
        const char *text;
        bool well;
        double value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"007.50", true, 7.5},
        {"+2", true, 2},
        {"1e3", true, 1000},
        {"1E+3", true, 1000},
        {"12.5e-1", true, 1.25},
        {"0.1", true, 0.1},
        {"0.000001234", true, 0.000001234},
        {"123456789012345678901234567890", true, 123456789012345678901234567890.0},
        {"9007199254740993", true, 9007199254740992.0}, /* half way: to even */
        {"9007199254740993.00000000000000000000000001", true, 9007199254740994.0},
        {"1.7976931348623157e308", true, 1.7976931348623157e308},
        {"1.7976931348623159e308", false, 0}, /* rounds to infinity */
        {"1e999999999999999999999", false, 0},
        {"0e999999999999999999999", true, 0},
        {"1e-999999999999999999999", true, 0},
        {"4.9406564584124654e-324", true, 4.9406564584124654e-324},
        {"2.2250738585072011e-308", true, 2.2250738585072011e-308},
        {"", false, 0},
        {"-", false, 0},
        {".5", false, 0},
        {"5.", false, 0},
        {"1e", false, 0},
        {"1e+", false, 0},
        {"1.e5", false, 0},
        {"--1", false, 0},
        {"1 ", false, 0},
        {" 1", false, 0},
        {"0x1p3", false, 0},
        {"inf", false, 0},
        {"nan", false, 0},
        {"1,5", false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        double value = 0;
        ROW("%s", rows[i].text);
        EXPECT_EQ(span_double(span_str(rows[i].text), &value), rows[i].well);
        EXPECT(value == rows[i].value);
    }
    double zero = 1;
    EXPECT(span_double(SPAN("-0.0"), &zero) && signbit(zero));
}

/* Numbers of every length against strtod, also with more digits than a double has. */
TEST(span_double_rounds_like_strtod) {
    unsigned seed = 7;
    for (int i = 0; i < 20000; i++) {
        char text[1200];
        size_t n = 0, digits = 1 + (size_t)rand_r(&seed) % (i % 50 == 0 ? 1000 : 30);
        size_t point = (size_t)rand_r(&seed) % digits;
        for (size_t d = 0; d < digits; d++) {
            text[n++] = (char)('0' + rand_r(&seed) % 10);
            if (d == point && d + 1 < digits)
                text[n++] = '.';
        }
        /* A long one is brought back to where doubles are. */
        int shift = digits > 300 ? (int)point : 0;
        n += (size_t)snprintf(text + n, sizeof text - n, "e%d", rand_r(&seed) % 640 - 320 - shift);
        double got = 0, want = strtod(text, NULL);
        bool well = span_double(span_of(text, n), &got);
        if (well != (isfinite(want) != 0) || (well && got != want))
            FAIL_TEST("%s is %.17g, not %.17g", text, got, want);
    }
    /* An exact midpoint, of 768 digits with the last one far behind it: above it, so up. */
    char text[1200] = "9007199254740993.";
    memset(text + strlen(text), '0', 900);
    double got = 0;
    EXPECT(span_double(span_str(text), &got) && got == 9007199254740992.0);
    strcat(text, "1");
    EXPECT(span_double(span_str(text), &got) && got == 9007199254740994.0);
}

TEST(span_glob_matches) {
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "abc", true},
        {"gpt-*", "gpt-4o", true},
        {"gpt-*", "gpt-", true},
        {"gpt-*", "gp", false},
        {"*-mini", "gpt-4o-mini", true},
        {"*-mini", "gpt-4o-mini-x", false},
        {"a*b*c", "abbbcbc", true},
        {"a*b*c", "abcb", false},
        {"**a**", "a", true},
        {"a?c", "abc", false}, /* only '*' is special */
        {"a?c", "a?c", true},
        {"*aab", "aaaaab", true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ROW("%s ~ %s", rows[i].pattern, rows[i].text);
        EXPECT_EQ(span_glob(span_str(rows[i].pattern), span_str(rows[i].text)), rows[i].match);
    }
    /* The pattern that takes exponential time in matchers which try every '*' again. */
    char text[2000], pattern[41];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < 40; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[40] = 'b';
    ROW("many stars");
    EXPECT(!span_glob(span_of(pattern, sizeof pattern), span_of(text, sizeof text)));
}

/* Vectors of draft-eastlake-fnv, appendix C. */
TEST(span_hash_is_fnv1a) {
    EXPECT(span_hash(SPAN("")) == UINT64_C(0xcbf29ce484222325));
    EXPECT(span_hash(SPAN("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    EXPECT(span_hash(SPAN("foobar")) == UINT64_C(0x85944171f73967e8));
}
