/* test_units.c - notations of bench/units.c, by rows. */
#include "tests/test.h"

#include "bench/units.h"

#include <netinet/in.h>

TEST(bench_units_durations) {
    static const struct {
        const char *text;
        bool good;
        uint64_t ns;
    } rows[] = {
        {"250ms", true, 250000000},
        {"1.5s", true, 1500000000},
        {"0", true, 0},
        {"10us", true, 10000},
        {"3ns", true, 3},
        {"2m", true, 120000000000},
        {"1h", true, 3600000000000},
        {"0s", true, 0},
        {"5", false, 0},
        {"", false, 0},
        {"ms", false, 0},
        {"-1s", false, 0},
        {"1 s", false, 0},
        {"1sec", false, 0},
        {"inf", false, 0},
        {"0x10s", false, 0},
        {"nan", false, 0},
        {"2000h", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ns = 77;
        ROW("\"%s\"", rows[i].text);
        EXPECT_EQ(units_duration_ns(rows[i].text, &ns), rows[i].good);
        EXPECT_EQ(ns, rows[i].good ? rows[i].ns : 77);
    }
}

TEST(bench_units_shares) {
    static const struct {
        const char *text;
        bool good;
        double share;
    } rows[] = {{"3%", true, 0.03},   {"0.5%", true, 0.005}, {"100%", true, 1}, {"0", true, 0},
                {"0.25", true, 0.25}, {"101%", false, 0},    {"1.5", false, 0}, {"%", false, 0},
                {"-1%", false, 0},    {"3 %", false, 0},     {"3%%", false, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double share = 0;
        ROW("\"%s\"", rows[i].text);
        EXPECT_EQ(units_share(rows[i].text, &share), rows[i].good);
        EXPECT_NEAR(share, rows[i].share, 1e-12);
    }
}

TEST(bench_units_counts) {
    static const struct {
        const char *text;
        bool good;
        uint64_t count;
    } rows[] = {{"0", true, 0},
                {"42", true, 42},
                {"18446744073709551600", true, 18446744073709551600u},
                {"", false, 0},
                {"-1", false, 0},
                {"1e3", false, 0},
                {"99999999999999999999", false, 0},
                {"4 ", false, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t count = 0;
        ROW("\"%s\"", rows[i].text);
        EXPECT_EQ(units_count(rows[i].text, &count), rows[i].good);
        EXPECT_EQ(count, rows[i].count);
    }
}

TEST(bench_units_addresses) {
    static const struct {
        const char *text;
        int family; /* 0: refused */
        unsigned port;
    } rows[] = {{"127.0.0.1:8443", AF_INET, 8443},
                {"[::1]:80", AF_INET6, 80},
                {"0.0.0.0:0", AF_INET, 0},
                {"localhost:80", 0, 0},
                {"127.0.0.1", 0, 0},
                {"127.0.0.1:65536", 0, 0},
                {"::1:80", 0, 0},
                {"[::1:80", 0, 0},
                {":80", 0, 0},
                {"127.0.0.1:", 0, 0},
                {"[127.0.0.1]:80", 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct units_address a = {0};
        ROW("\"%s\"", rows[i].text);
        EXPECT_EQ(units_address(rows[i].text, &a), rows[i].family != 0);
        EXPECT_EQ(a.sockaddr.ss_family, rows[i].family);
        if (rows[i].family)
            EXPECT_EQ(ntohs(((struct sockaddr_in *)&a.sockaddr)->sin_port), rows[i].port);
    }
}
