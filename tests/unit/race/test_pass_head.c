/* test_pass_head.c - paths and heads that are passed through. */
#include <stdio.h>

#include "appliance/race/exchange.h"
#include "appliance/race/pass_parts.h"
#include "core/base.h"
#include "core/slab.h"
#include "tests/test.h"

TEST(paths_stay_below_their_prefix) {
    static const struct {
        const char *path;
        bool plain;
    } rows[] = {
        {"/v1/files", true},
        {"/v1/files/", true},
        {"/v1/files/file-1/content", true},
        {"/v1/fine-tunes/a.b..c/x", true},
        {"/v1/.../x", true},
        {"/v1/.well-known", true},
        {"/v1/..", false},
        {"/v1/../admin", false},
        {"/v1/%2e%2e/admin", false},
        {"/v1/.%2E/admin", false},
        {"/v1/./files", false},
        {"/v1/%2e", false},
        {"/v1//files", false},
        {"//files", false},
        {"/v1/\\..\\x", false},
        {"/v1/a%2fb", false},
        {"/v1/a%5Cb", false},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].path);
        EXPECT_EQ(pass_path_is_plain(span_str(rows[i].path)), rows[i].plain);
    }
}

/* A pass to a provider whose operator has fields of his own. */
struct world {
    struct memory memory;
    struct exchange exchange;
    struct config_provider provider;
    struct pass pass;
};

static void world_open(struct world *w) {
    memset(w, 0, sizeof *w);
    memory_init(&w->memory, (size_t)1 << 20, 0);
    arena_init(&w->exchange.arena, &w->memory);
    w->exchange.id = SPAN("ours");
    w->provider.provider.name = "p";
    w->provider.provider.authority = "api.test";
    w->provider.pass = (struct provider_target){
        .path = SPAN_CONST("/base/v1"),
        .field_count = 3,
        .fields = {{SPAN_CONST("authorization"), SPAN_CONST("Bearer operators")},
                   {SPAN_CONST("openai-organization"), SPAN_CONST("mine")},
                   {SPAN_CONST("content-type"), SPAN_CONST("application/json")}}};
    w->pass.exchange = &w->exchange;
    w->pass.provider = &w->provider;
}

static void world_close(struct world *w) {
    arena_fini(&w->exchange.arena);
    memory_fini(&w->memory);
}

static void print(const struct http_head *head, char *text, size_t max) {
    size_t n = 0;
    text[0] = 0;
    for (unsigned i = 0; i < head->field_count && n < max; i++)
        n += (size_t)snprintf(text + n, max - n, "%.*s: %.*s\n", (int)head->fields[i].name.n,
                              head->fields[i].name.p, (int)head->fields[i].value.n,
                              head->fields[i].value.p);
}

TEST(fields_go_up) {
    static const struct http_head from = {
        .field_count = 9,
        .fields = {{SPAN_CONST("Host"), SPAN_CONST("proxy")},
                   {SPAN_CONST("Authorization"), SPAN_CONST("Bearer clients")},
                   {SPAN_CONST("OpenAI-Organization"), SPAN_CONST("theirs")},
                   {SPAN_CONST("Content-Type"), SPAN_CONST("multipart/form-data; boundary=x")},
                   {SPAN_CONST("openai-organization"), SPAN_CONST("again")},
                   {SPAN_CONST("Connection"), SPAN_CONST("close, X-Hop")},
                   {SPAN_CONST("X-Hop"), SPAN_CONST("1")},
                   {SPAN_CONST("x-hedgerow-tags"), SPAN_CONST("a=b")},
                   {SPAN_CONST("Range"), SPAN_CONST("bytes=0-1")}}};
    struct world w;
    char text[1000];
    world_open(&w);
    w.pass.rest = pass_rest(&w.exchange, SPAN("/v1/files?limit=2&key=clients&after=x"));
    EXPECT(pass_keep_fields(&w.pass, &from));
    EXPECT_EQ(pass_upward(&w.pass), FAIL_NONE);
    EXPECT_BYTES(w.pass.head.target.p, w.pass.head.target.n, "/base/v1/files?limit=2&after=x");
    print(&w.pass.head, text, sizeof text);
    EXPECT_STR(text, "Content-Type: multipart/form-data; boundary=x\nRange: bytes=0-1\n"
                     "authorization: Bearer operators\nopenai-organization: mine\n"
                     "x-request-id: ours\n");
    world_close(&w);
}

TEST(fields_come_down) {
    static const struct http_head response = {
        .status = 200,
        .body = HTTP_BODY_UNTIL_CLOSE,
        .field_count = 5,
        .fields = {{SPAN_CONST("Content-Type"), SPAN_CONST("audio/mpeg")},
                   {SPAN_CONST("X-Hedgerow-Provider"), SPAN_CONST("forged")},
                   {SPAN_CONST("Set-Cookie"), SPAN_CONST("a=b")},
                   {SPAN_CONST("X-Request-Id"), SPAN_CONST("theirs")},
                   {SPAN_CONST("x-upstream-request-id"), SPAN_CONST("forged")}}};
    struct world w;
    struct http_head head, many = {.status = 200, .field_count = PASS_FIELDS_MAX + 1};
    char text[1000];
    world_open(&w);
    EXPECT(pass_downward(&w.pass, &response, &head));
    EXPECT_EQ(head.body, HTTP_BODY_CHUNKED);
    print(&head, text, sizeof text);
    EXPECT_STR(text, "Content-Type: audio/mpeg\nx-request-id: ours\n"
                     "x-upstream-request-id: theirs\nx-hedgerow-provider: p\n");
    for (unsigned i = 0; i < many.field_count; i++)
        many.fields[i] = (struct http_field){SPAN("x"), SPAN("y")};
    EXPECT(!pass_downward(&w.pass, &many, &head));
    world_close(&w);
}
