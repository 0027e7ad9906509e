/* test_sticky.c - who made which response. */
#include "appliance/race/sticky.h"

#include <stdio.h>

#include "tests/test.h"

static struct sticky sticky;

static struct span id_of(unsigned i, char text[32]) {
    return span_of(text, (size_t)snprintf(text, 32, "resp_%08x", i));
}

TEST(what_was_put_is_known) {
    memset(&sticky, 0, sizeof sticky);
    EXPECT_EQ(sticky_made(&sticky, SPAN("resp_1"), SPAN("azure")), STICKY_UNKNOWN);
    sticky_put(&sticky, SPAN("resp_1"), SPAN("azure"));
    EXPECT_EQ(sticky_made(&sticky, SPAN("resp_1"), SPAN("azure")), STICKY_YES);
    EXPECT_EQ(sticky_made(&sticky, SPAN("resp_1"), SPAN("openai")), STICKY_NO);
    EXPECT_EQ(sticky_made(&sticky, SPAN("resp_2"), SPAN("azure")), STICKY_UNKNOWN);
    sticky_put(&sticky, SPAN("resp_1"), SPAN("openai"));
    EXPECT_EQ(sticky_made(&sticky, SPAN("resp_1"), SPAN("openai")), STICKY_YES);
}

TEST(the_newest_stay) {
    char text[32];
    unsigned lost = 0, wrong = 0, recent = STICKY_SETS;
    memset(&sticky, 0, sizeof sticky);
    for (unsigned i = 0; i < 16 * STICKY_SETS; i++)
        sticky_put(&sticky, id_of(i, text), i % 2 ? SPAN("a") : SPAN("b"));
    for (unsigned i = 16 * STICKY_SETS - recent; i < 16 * STICKY_SETS; i++) {
        enum sticky_says says = sticky_made(&sticky, id_of(i, text), i % 2 ? SPAN("a") : SPAN("b"));
        lost += says == STICKY_UNKNOWN;
        wrong += says == STICKY_NO;
    }
    EXPECT_EQ(wrong, 0);
    /* With one newer id a set on average more than four in one are rare (Poisson: 0.4 %). */
    EXPECT(lost < recent / 50);
}
