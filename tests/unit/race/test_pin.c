/* test_pin.c - requests that refer to what a provider keeps: where they may go, and what is
 * remembered. */
#include "appliance/race/pin.h"

#include "appliance/race/exchange.h"
#include "core/slab.h"
#include "tests/test.h"
#include "tests/unit/race/race_fixture.h"

/* Model "m" at a and b (openai), c (anthropic), d (azure); fallback "f" at e (openai). */
static struct {
    struct memory memory;
    struct race race;
    struct exchange exchange;
    struct config_model *model;
} pinned;
static struct sticky sticky; /* too large for a stack */

static void set_kind(unsigned id, const char *kind) {
    world.providers[id].provider.kind = provider_kind_find(span_str(kind));
    REQUIRE(world.providers[id].provider.kind);
}

static void setup(void) {
    static const struct config_model *fallback[1];
    static const char *const kinds[] = {"openai", "openai", "anthropic", "azure", "openai"};
    memset(&pinned, 0, sizeof pinned);
    memset(&sticky, 0, sizeof sticky);
    world_init();
    struct config_model *m = world_model("m"), *f = world_model("f");
    world_backends(m, (const char *const[]){"a", "b", "c", "d"}, 4);
    world_backend(f, "e", NULL);
    for (unsigned i = 0; i < countof(kinds); i++)
        set_kind(i, kinds[i]);
    fallback[0] = f;
    m->fallback = fallback;
    m->fallback_count = 1;
    pinned.model = m;
    memory_init(&pinned.memory, (size_t)1 << 20, 0);
    arena_init(&pinned.exchange.arena, &pinned.memory);
    pinned.race.sticky = &sticky;
    pinned.exchange.race = &pinned.race;
    pinned.exchange.model = m;
}

static void teardown(void) {
    arena_fini(&pinned.exchange.arena);
    memory_fini(&pinned.memory);
}

/* The client asks with that body; the outcome of pin_plan. */
static enum fail pin(const struct dialect *dialect, const char *body) {
    static const struct plan_wish no_wish;
    static const struct route_dice no_dice;
    struct exchange *exchange = &pinned.exchange;
    struct span why = {NULL, 0}, param = {NULL, 0};
    exchange->dialect = dialect;
    exchange->pinned = false;
    exchange->req = (struct chat_request){.stream = false};
    EXPECT_EQ(dialect->read_request(span_str(body), &exchange->arena, &exchange->req, &why, &param),
              0);
    EXPECT_EQ(plan_make(&exchange->plan, pinned.model, NULL, &no_wish, &world.health, no_dice, 0),
              FAIL_NONE);
    return pin_plan(exchange);
}

static const char *order(void) {
    static char text[PLAN_BACKENDS_MAX + 1];
    const struct plan *plan = &pinned.exchange.plan;
    for (unsigned i = 0; i < plan->backend_count; i++)
        text[i] = plan->backends[i]->provider->provider.name[0];
    text[plan->backend_count] = 0;
    return text;
}

#define REFERS(id) "{\"model\":\"m\",\"input\":\"x\",\"previous_response_id\":\"" id "\"}"

TEST(what_refers_to_nothing_is_left_alone) {
    setup();
    EXPECT_EQ(pin(&dialect_openai_responses, "{\"model\":\"m\",\"input\":\"x\"}"), FAIL_NONE);
    EXPECT_STR(order(), "abcde");
    EXPECT_EQ(pin(&dialect_openai_responses,
                  "{\"model\":\"m\",\"input\":\"x\",\"previous_response_id\":null}"),
              FAIL_NONE);
    EXPECT_STR(order(), "abcde");
    EXPECT_EQ(pin(&dialect_openai_chat,
                  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"),
              FAIL_NONE);
    EXPECT_STR(order(), "abcde");
    EXPECT(!pinned.exchange.pinned);
    EXPECT_EQ(pinned.exchange.plan.mode, HEDGE_MODE_FIXED);
    teardown();
}

TEST(who_made_it_is_asked_alone) {
    setup();
    sticky_put(&sticky, SPAN("resp_1"), SPAN("b"));
    EXPECT_EQ(pin(&dialect_openai_responses, REFERS("resp_1")), FAIL_NONE);
    EXPECT_STR(order(), "b");
    EXPECT(pinned.exchange.pinned);
    EXPECT_EQ(pinned.exchange.plan.mode, HEDGE_MODE_OFF);
    EXPECT_EQ(pinned.exchange.plan.delay_ns, UINT64_MAX);
    EXPECT_EQ(pinned.exchange.plan.fallback_attempts, 0);
    EXPECT_EQ(pinned.exchange.plan.own_count, 1);
    teardown();
}

TEST(an_unknown_one_is_asked_for_in_turn) {
    setup();
    EXPECT_EQ(pin(&dialect_openai_responses, REFERS("resp_2")), FAIL_NONE);
    EXPECT_STR(order(), "abd"); /* all that keep responses, and no fallback */
    EXPECT_EQ(pinned.exchange.plan.mode, HEDGE_MODE_OFF);
    pinned.race.sticky = NULL; /* nothing is remembered: the same */
    EXPECT_EQ(pin(&dialect_openai_responses, REFERS("resp_2")), FAIL_NONE);
    EXPECT_STR(order(), "abd");
    teardown();
}

TEST(where_nobody_can_have_it) {
    setup();
    for (unsigned i = 0; i < 4; i++)
        set_kind(i, "anthropic");
    EXPECT_EQ(pin(&dialect_openai_responses, REFERS("resp_3")), FAIL_UNSUPPORTED);
    teardown();
    /* Made by somebody who is not a backend of this model. */
    setup();
    sticky_put(&sticky, SPAN("resp_4"), SPAN("elsewhere"));
    EXPECT_EQ(pin(&dialect_openai_responses, REFERS("resp_4")), FAIL_UNSUPPORTED);
    teardown();
}

TEST(other_state_than_responses) {
    static const char *const rows[] = {
        "{\"model\":\"m\",\"input\":\"x\",\"conversation\":\"conv_1\"}",
        "{\"model\":\"m\",\"input\":\"x\",\"conversation\":{\"id\":\"conv_1\"}}",
        "{\"model\":\"m\",\"input\":[{\"type\":\"item_reference\",\"id\":\"msg_1\"}]}",
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i]);
        setup();
        EXPECT_EQ(pin(&dialect_openai_responses, rows[i]), FAIL_NONE);
        EXPECT_STR(order(), "abd");
        EXPECT(pinned.exchange.pinned);
        teardown();
    }
}

/* The answers of attempts. */
static struct attempt attempt;
static struct encoded encoded;

static void answered(const char *id, unsigned backend, bool translated) {
    memset(&attempt, 0, sizeof attempt);
    encoded.translated = translated;
    attempt.encoded = &encoded;
    attempt.backend = &pinned.model->backends[backend];
    attempt.reader.answer.id = span_str(id);
    pin_remember(&pinned.exchange, &attempt);
}

TEST(what_is_remembered) {
    setup();
    pinned.exchange.dialect = &dialect_openai_responses;
    answered("resp_5", 1, false);
    answered("resp_6", 2, true); /* made up by us: nobody keeps it */
    answered("", 1, false);
    EXPECT_EQ(sticky_made(&sticky, SPAN("resp_5"), SPAN("b")), STICKY_YES);
    EXPECT_EQ(sticky_made(&sticky, SPAN("resp_5"), SPAN("a")), STICKY_NO);
    EXPECT_EQ(sticky_made(&sticky, SPAN("resp_6"), SPAN("c")), STICKY_UNKNOWN);
    EXPECT_EQ(sticky_made(&sticky, SPAN(""), SPAN("b")), STICKY_UNKNOWN);
    pinned.exchange.dialect = &dialect_openai_chat;
    answered("chatcmpl_1", 1, false);
    EXPECT_EQ(sticky_made(&sticky, SPAN("chatcmpl_1"), SPAN("b")), STICKY_UNKNOWN);
    pinned.race.sticky = NULL;
    pinned.exchange.dialect = &dialect_openai_responses;
    answered("resp_7", 1, false); /* no table: no harm */
    teardown();
}

TEST(who_knows_nothing_of_it) {
    static const struct {
        const char *body;
        bool pinned, unknown;
    } rows[] = {
        {"{\"error\":{\"message\":\"Previous response with id 'resp_1' not found.\",\"code\":"
         "\"previous_response_not_found\"}}",
         true, true},
        {"{\"error\":{\"message\":\"Conversation with id 'conv_1' not found.\"}}", true, true},
        {"{\"error\":{\"message\":\"Item with id 'msg_1' not found.\"}}", true, true},
        {"{\"error\":{\"message\":\"Previous response with id 'resp_1' not found.\"}}", false,
         false},
        {"{\"error\":{\"message\":\"Invalid value for 'temperature'.\"}}", true, false},
        {"", true, false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].body);
        memset(&attempt, 0, sizeof attempt);
        pinned.exchange.pinned = rows[i].pinned;
        attempt.body = span_str(rows[i].body);
        EXPECT_EQ(pin_unknown_there(&pinned.exchange, &attempt), rows[i].unknown);
    }
}

/* plan_pin by itself. */
static bool keep_named(const struct config_backend *backend, void *names) {
    return strchr(names, backend->provider->provider.name[0]) != NULL;
}

TEST(plans_are_narrowed) {
    static const struct {
        const char *keep, *want;
    } rows[] = {{"abcd", "abcd"}, {"ca", "ac"}, {"d", "d"}, {"e", NULL}, {"", NULL}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].keep);
        setup();
        pin(&dialect_openai_responses, "{\"model\":\"m\",\"input\":\"x\"}");
        struct plan *plan = &pinned.exchange.plan, before = *plan;
        char keep[8];
        bool kept =
            plan_pin(plan, keep_named, span_text(span_str(rows[i].keep), keep, sizeof keep));
        EXPECT_EQ(kept, rows[i].want != NULL);
        EXPECT_STR(order(), kept ? rows[i].want : "abcde");
        EXPECT_EQ(plan->mode, kept ? HEDGE_MODE_OFF : before.mode);
        EXPECT_EQ(plan->own_count, kept ? strlen(rows[i].want) : before.own_count);
        teardown();
    }
}
