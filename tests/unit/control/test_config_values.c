/* test_config_values.c - the spelling of configuration values: durations, sizes, shares, money, CPU lists, addresses, digests,
 * names near to each other, URLs, and what ${...} stands for. */
#include "tests/test.h"

#include "appliance/control/config_expand.h"
#include "appliance/control/config_names.h"
#include "appliance/control/config_url.h"
#include "appliance/control/config_value.h"
#include "core/slab.h"

/* want NULL: value is the result; else the reason must hold it. */
struct row {
    const char *in;
    uint64_t value;
    const char *why;
};

static void check_rows(bool (*read)(struct span, uint64_t *, const char **), const struct row *rows,
                       size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t untouched = 0xdead;
        uint64_t got = untouched;
        const char *why = NULL;
        ROW("%s", rows[i].in);
        bool good = read(span_str(rows[i].in), &got, &why);
        EXPECT_EQ(good, rows[i].why == NULL);
        if (good) {
            EXPECT_EQ(got, rows[i].value);
            continue;
        }
        EXPECT_EQ(got, untouched);
        EXPECT(why && strstr(why, rows[i].why));
    }
}

TEST(durations) {
    static const struct row rows[] = {
        {"250ms", 250 * NS_PER_MS, NULL},
        {"500us", 500 * NS_PER_US, NULL},
        {"10s", 10 * NS_PER_S, NULL},
        {"5m", 300 * NS_PER_S, NULL},
        {"1h", 3600 * NS_PER_S, NULL},
        {"30d", 30 * 86400 * NS_PER_S, NULL},
        {"0s", 0, NULL},
        {"1.5s", 1500 * NS_PER_MS, NULL},
        {"0.000000001s", 1, NULL},
        {"0.001us", 1, NULL},
        {"0.0001us", 0, "finer"},
        {"0.0000000001s", 0, "not a duration"},
        {"10", 0, "has no unit"},
        {"10 s", 0, "unknown unit"},
        {"10sec", 0, "unknown unit"},
        {"1m30s", 0, "unknown unit"},
        {"10S", 0, "unknown unit"},
        {"-1s", 0, "not a duration"},
        {"+1s", 0, "not a duration"},
        {"1e3s", 0, "unknown unit"},
        {".5s", 0, "not a duration"},
        {"5.s", 0, "not a duration"},
        {"s", 0, "not a duration"},
        {"", 0, "not a duration"},
        {"99999999999999999999s", 0, "not a duration"},
        {"9000000000d", 0, "longer than"},
    };
    check_rows(config_value_duration, rows, countof(rows));
}

TEST(sizes) {
    static const struct row rows[] = {
        {"0", 0, NULL},
        {"65536", 65536, NULL},
        {"512B", 512, NULL},
        {"64KiB", 64 * 1024, NULL},
        {"32MiB", 32 * 1024 * 1024, NULL},
        {"1GiB", 1024 * 1024 * 1024, NULL},
        {"1.5KiB", 1536, NULL},
        {"0.3KiB", 0, "whole number of bytes"},
        {"64KB", 0, "unknown unit"},
        {"64k", 0, "unknown unit"},
        {"64 KiB", 0, "unknown unit"},
        {"MiB", 0, "not a size"},
        {"9999999999GiB", 0, "whole number of bytes"},
    };
    check_rows(config_value_size, rows, countof(rows));
}

TEST(counts) {
    static const struct row rows[] = {
        {"0", 0, NULL},
        {"600", 600, NULL},
        {"9223372036854775807", INT64_MAX, NULL},
        {"9223372036854775808", 0, "whole number"},
        {"1.0", 0, "whole number"},
        {"1_000", 0, "whole number"},
        {"0x10", 0, "whole number"},
        {"", 0, "whole number"},
    };
    check_rows(config_value_count, rows, countof(rows));
}

/* Every price of at most six decimals is exact: no value goes through a binary fraction. */
TEST(prices_are_exact) {
    static const struct row rows[] = {
        {"1.25", 1250000, NULL},    {"0.125", 125000, NULL},
        {"10", 10000000, NULL},     {"0", 0, NULL},
        {"0.000001", 1, NULL},      {"0.1", 100000, NULL},
        {"0.7", 700000, NULL},      {"4.35", 4350000, NULL},
        {"2.675", 2675000, NULL},   {"1.1234560", 1123456, NULL},
        {"0.0000001", 0, "finer"},  {"$1", 0, "not a price"},
        {"1,25", 0, "not a price"}, {"-1", 0, "not a price"},
        {"1e-3", 0, "not a price"}, {"1USD", 0, "not a price"},
    };
    check_rows(config_value_price, rows, countof(rows));
    /* All prices of four decimals below 10 dollars, against the integers they must be. */
    ROW("%s", "sweep");
    unsigned wrong = 0;
    for (unsigned n = 0; n < 100000; n++) {
        char text[16];
        uint64_t pico;
        const char *why;
        snprintf(text, sizeof text, "%u.%04u", n / 10000, n % 10000);
        wrong += !config_value_price(span_str(text), &pico, &why) || pico != n * UINT64_C(100);
    }
    EXPECT_EQ(wrong, 0);
}

TEST(shares_and_quantiles) {
    static const struct {
        const char *in;
        bool quantile;
        double value; /* < 0: refused */
    } rows[] = {
        {"5%", false, 0.05},    {"0.5%", false, 0.005}, {"100%", false, 1},  {"0%", false, 0},
        {"100.1%", false, -1},  {"5", false, -1},       {"0.05", false, -1}, {"5 %", false, -1},
        {"-5%", false, -1},     {"%", false, -1},       {"5%%", false, -1},  {"p99", true, 0.99},
        {"p99.9", true, 0.999}, {"p50", true, 0.5},     {"p0", true, -1},    {"p100", true, -1},
        {"99", true, -1},       {"P99", true, -1},      {"p", true, -1},     {"p99%", true, -1},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        double got = -1;
        const char *why = NULL;
        ROW("%s", rows[i].in);
        bool good = (rows[i].quantile ? config_value_quantile
                                      : config_value_share)(span_str(rows[i].in), &got, &why);
        EXPECT_EQ(good, rows[i].value >= 0);
        EXPECT(good || why);
        /* The same double as in C: correctly rounded, not nearly. */
        EXPECT(got == (good ? rows[i].value : -1));
    }
}

TEST(booleans_are_those_of_yaml_1_2) {
    static const struct {
        const char *in;
        bool good, value;
    } rows[] = {{"true", true, true},   {"false", true, false}, {"yes", false, false},
                {"True", false, false}, {"on", false, false},   {"1", false, false},
                {"", false, false}};
    for (size_t i = 0; i < countof(rows); i++) {
        bool got = !rows[i].value;
        const char *why;
        ROW("%s", rows[i].in);
        EXPECT_EQ(config_value_bool(span_str(rows[i].in), &got, &why), rows[i].good);
        EXPECT_EQ(got, rows[i].good ? rows[i].value : !rows[i].value);
    }
}

TEST(cpu_lists) {
    static const struct {
        const char *in;
        unsigned count; /* 0: refused */
        uint8_t first, last;
    } rows[] = {{"2-5", 4, 0x3c, 0},  {"0", 1, 1, 0},      {"0,2,4-7", 6, 0xf5, 0},
                {"1,1,0-1", 2, 3, 0}, {"255", 1, 0, 0x80}, {"0-255", 256, 0xff, 0xff},
                {"256", 0, 0, 0},     {"5-2", 0, 0, 0},    {"2-", 0, 0, 0},
                {"-2", 0, 0, 0},      {"1,,2", 0, 0, 0},   {"", 0, 0, 0},
                {"1-2-3", 0, 0, 0},   {"all", 0, 0, 0}};
    for (size_t i = 0; i < countof(rows); i++) {
        struct config_cpus cpus = {.count = 0};
        const char *why = NULL;
        ROW("%s", rows[i].in);
        EXPECT_EQ(config_value_cpus(span_str(rows[i].in), &cpus, &why), rows[i].count > 0);
        EXPECT_EQ(cpus.count, rows[i].count);
        EXPECT_EQ(cpus.bitmap[0], rows[i].first);
        EXPECT_EQ(cpus.bitmap[sizeof cpus.bitmap - 1], rows[i].last);
        EXPECT(rows[i].count || why);
    }
}

TEST(addresses) {
    static const struct {
        const char *in, *host; /* host NULL: refused, for the reason in why */
        unsigned port;
        const char *why;
    } rows[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080, NULL},
        {"[::]:8443", "::", 8443, NULL},
        {"[::1]:0", "::1", 0, NULL},
        {":8080", "", 8080, NULL},
        {"0.0.0.0:65535", "0.0.0.0", 65535, NULL},
        {"127.0.0.1:65536", NULL, 0, "port"},
        {"127.0.0.1:", NULL, 0, "port"},
        {"127.0.0.1", NULL, 0, "ADDRESS:PORT"},
        {"8080", NULL, 0, "ADDRESS:PORT"},
        {"::1:8080", NULL, 0, "brackets"},
        {"[::1]", NULL, 0, "ADDRESS:PORT"},
        {"[::1", NULL, 0, "ADDRESS:PORT"},
        {"[]:80", NULL, 0, "IP address"},
        {"[127.0.0.1]:80", NULL, 0, "IP address"},
        {"localhost:8080", NULL, 0, "IP address"},
        {"127.1:8080", NULL, 0, "IP address"},
        {"", NULL, 0, "ADDRESS:PORT"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct config_address address = {.port = 1};
        const char *why = NULL;
        ROW("%s", rows[i].in);
        bool good = config_value_address(span_str(rows[i].in), &address, &why);
        EXPECT_EQ(good, rows[i].host != NULL);
        if (good) {
            EXPECT_BYTES(address.host.p, address.host.n, rows[i].host);
            EXPECT_EQ(address.port, rows[i].port);
        } else {
            EXPECT(why && strstr(why, rows[i].why));
        }
    }
}

TEST(digests) {
    static const char hex[] = "00112233445566778899aAbBcCdDeEfF00112233445566778899aabbccddeeff";
    static const uint8_t want[32] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                     0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
                                     0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                     0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    uint8_t got[32];
    const char *why;
    EXPECT(config_value_sha256(span_str(hex), got, &why));
    EXPECT_MEM(got, sizeof got, want, sizeof want);
    EXPECT(!config_value_sha256(span_of(hex, 63), got, &why));
    EXPECT(!config_value_sha256(
        SPAN("g0112233445566778899aAbBcCdDeEfF00112233445566778899aabbccddeeff"), got, &why));
    EXPECT(!config_value_sha256(SPAN("sk-secret"), got, &why));
    EXPECT(!strstr(why, "sk-secret"));
}

TEST(nearest_names) {
    static const char *const names[] = {"body", "header", "connections", "drain_timeout",
                                        "request_timeout"};
    static const struct {
        const char *wanted, *best; /* best NULL: none is near */
    } rows[] = {{"bodi", "body"},
                {"hedaer", "header"},
                {"conections", "connections"},
                {"drain_time", "drain_timeout"},
                {"requst_timeout", "request_timeout"},
                {"bytes", NULL},
                {"x", NULL},
                {"", NULL},
                {"drain-timeout", "drain_timeout"},
                {"limits", NULL}};
    for (size_t i = 0; i < countof(rows); i++) {
        struct config_nearest nearest = {.wanted = span_str(rows[i].wanted)};
        ROW("%s", rows[i].wanted);
        for (size_t n = 0; n < countof(names); n++)
            config_nearest_offer(&nearest, span_str(names[n]));
        EXPECT_BYTES(nearest.best.p, nearest.best.n, rows[i].best ? rows[i].best : "");
    }
}

TEST(urls) {
    static const struct {
        const char *in, *host, *prefix; /* host NULL: refused */
        unsigned port;
        bool tls, ipv6, loopback;
        const char *why;
    } rows[] = {
        {"https://api.openai.com/v1", "api.openai.com", "/v1", 443, true, false, false, NULL},
        {"https://api.openai.com/v1/", "api.openai.com", "/v1", 443, true, false, false, NULL},
        {"https://api.openai.com//", "api.openai.com", "", 443, true, false, false, NULL},
        {"http://127.0.0.1:8000/v1", "127.0.0.1", "/v1", 8000, false, false, true, NULL},
        {"HTTP://LocalHost", "LocalHost", "", 80, false, false, true, NULL},
        {"http://[::1]:9/a/b", "::1", "/a/b", 9, false, true, true, NULL},
        {"https://[2001:db8::1]", "2001:db8::1", "", 443, true, true, false, NULL},
        {"http://llm_server:80", "llm_server", "", 80, false, false, false, NULL},
        {"http://127.evil.example", "127.evil.example", "", 80, false, false, false, NULL},
        {"https://h/a%20b~c", "h", "/a%20b~c", 443, true, false, false, NULL},
        {"api.openai.com/v1", NULL, NULL, 0, false, false, false, "does not begin"},
        {"ftp://h/", NULL, NULL, 0, false, false, false, "does not begin"},
        {"https://", NULL, NULL, 0, false, false, false, "host name"},
        {"https:///v1", NULL, NULL, 0, false, false, false, "host name"},
        {"https://user:secret@h/v1", NULL, NULL, 0, false, false, false, "credentials"},
        {"https://h/v1?key=secret", NULL, NULL, 0, false, false, false, "query"},
        {"https://h/v1#x", NULL, NULL, 0, false, false, false, "query"},
        {"https://h:0/", NULL, NULL, 0, false, false, false, "port"},
        {"https://h:65536/", NULL, NULL, 0, false, false, false, "port"},
        {"https://h:/", NULL, NULL, 0, false, false, false, "port"},
        {"https://::1/", NULL, NULL, 0, false, false, false, "host name"},
        {"https://[::1/", NULL, NULL, 0, false, false, false, "IPv6"},
        {"https://[h]/", NULL, NULL, 0, false, false, false, "IPv6"},
        {"https://[::1]x/", NULL, NULL, 0, false, false, false, "port"},
        {"https://a..b/", NULL, NULL, 0, false, false, false, "host name"},
        {"https://b\xc3\xbc"
         "cher.example/",
         NULL, NULL, 0, false, false, false, "host name"},
        {"https://h/a b", NULL, NULL, 0, false, false, false, "path"},
        {"https://h/a/../b", NULL, NULL, 0, false, false, false, "path"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct config_url url = {.port = 0};
        const char *why = NULL;
        ROW("%s", rows[i].in);
        bool good = config_url_parse(span_str(rows[i].in), &url, &why);
        EXPECT_EQ(good, rows[i].host != NULL);
        if (!good) {
            EXPECT(why && strstr(why, rows[i].why) && !strstr(why, "secret"));
            continue;
        }
        EXPECT_BYTES(url.host.p, url.host.n, rows[i].host);
        EXPECT_BYTES(url.prefix.p, url.prefix.n, rows[i].prefix);
        EXPECT_EQ(url.port, rows[i].port);
        EXPECT_EQ(url.tls, rows[i].tls);
        EXPECT_EQ(url.ipv6, rows[i].ipv6);
        EXPECT_EQ(config_url_loopback(&url), rows[i].loopback);
    }
}

/* Writes a file of the test's folder. */
static void put_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    REQUIRE(f);
    EXPECT(fputs(text, f) >= 0 && fclose(f) == 0);
}

TEST(references_to_environment_and_files) {
    static const struct {
        const char *in, *out; /* out NULL: refused, for the reason in why */
        const char *why;
    } rows[] = {
        {"plain", "plain", NULL},
        {"", "", NULL},
        {"${HR_TEST}", "value", NULL},
        {"a${HR_TEST}b${HR_TEST}c", "avaluebvaluec", NULL},
        {"${HR_EMPTY}", "", NULL},
        {"${file:one}", "line", NULL},
        {"${file:windows}", "line", NULL},
        {"${file:bare}", "line\r", NULL},
        {"${file:two}", "line\n", NULL},
        {"Bearer ${file:one}!", "Bearer line!", NULL},
        {"${file:sub/../one}", NULL, "No such file"},
        {"cost $5 $", "cost $5 $", NULL},
        {"$$", "$", NULL},
        {"$${HR_TEST}", "${HR_TEST}", NULL},
        {"$$${HR_TEST}", "$value", NULL},
        {"${HR_NESTED}", "${HR_TEST}", NULL},
        {"${HR_UNSET}", NULL, "${HR_UNSET} is not set"},
        {"${file:absent}", NULL, "${file:absent} cannot be read: No such file"},
        {"${file:}", NULL, "names no file"},
        {"${file:.}", NULL, "directory"},
        {"${file:large}", NULL, "too large"},
        {"${file:full}${file:full}", NULL, "longer than 64 KiB"},
        {"${HR_TEST", NULL, "not closed"},
        {"${}", NULL, "neither"},
        {"${sk-pasted-secret}", NULL, "neither"},
        {"${HR_TEST:-default}", NULL, "neither"},
        {"${1X}", NULL, "neither"},
    };
    char folder[] = "/tmp/hedgerow-test-XXXXXX", path[64];
    REQUIRE(mkdtemp(folder));
    static const struct {
        const char *name, *text;
    } files[] = {
        {"one", "line\n"}, {"windows", "line\r\n"}, {"bare", "line\r"}, {"two", "line\n\n"}};
    for (size_t i = 0; i < countof(files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        put_file(path, files[i].text);
    }
    char *large = calloc(1, CONFIG_VALUE_MAX_BYTES + 2);
    memset(large, 'x', CONFIG_VALUE_MAX_BYTES + 1);
    snprintf(path, sizeof path, "%s/large", folder);
    put_file(path, large);
    large[CONFIG_VALUE_MAX_BYTES - 1] = 0;
    snprintf(path, sizeof path, "%s/full", folder);
    put_file(path, large);
    setenv("HR_TEST", "value", 1);
    setenv("HR_EMPTY", "", 1);
    setenv("HR_NESTED", "${HR_TEST}", 1);
    unsetenv("HR_UNSET");
    for (size_t i = 0; i < countof(rows); i++) {
        struct memory memory;
        struct arena arena;
        struct span out = {NULL, 0};
        const char *why = NULL;
        memory_init(&memory, SIZE_MAX, 0);
        arena_init(&arena, &memory);
        ROW("%s", rows[i].in);
        bool good = config_expand(span_str(rows[i].in), folder, &arena, &out, &why);
        EXPECT_EQ(good, rows[i].out != NULL);
        if (good)
            EXPECT_BYTES(out.p, out.n, rows[i].out);
        else
            EXPECT(why && strstr(why, rows[i].why) && !strstr(why, "pasted"));
        arena_fini(&arena);
        memory_fini(&memory);
    }
    for (size_t i = 0; i < countof(files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/large", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/full", folder);
    unlink(path);
    EXPECT_EQ(rmdir(folder), 0);
    free(large);
}
