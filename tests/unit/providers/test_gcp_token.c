/* test_gcp_token.c - the JWT of a Google service account, against its vector. */
#include "core/base.h"
#include "core/json.h"
#include "core/slab.h"
#include "providers/credential_form.h"
#include "providers/sign.h"
#include "tests/test.h"

struct bench {
    struct memory memory;
    struct arena arena;
    struct span json; /* the vector */
    struct span pem;
    const char *why;
};

/* False: the vector is not there. */
static bool bench_init(struct bench *b) {
    size_t n = 0;
    const char *path = test_shared("fixtures/gcp-oauth/generated/service-account-jwt.json");
    if (!path)
        return false;
    memset(b, 0, sizeof *b);
    memory_init(&b->memory, (size_t)1 << 20, 0);
    arena_init(&b->arena, &b->memory);
    char *text = test_file(path, &n);
    b->json = arena_copy(&b->arena, span_of(text, n));
    free(text);
    path = test_shared("fixtures/gcp-oauth/generated/test-only-rsa2048.pem");
    text = path ? test_file(path, &n) : NULL;
    b->pem = arena_copy(&b->arena, span_of(text, text ? n : 0));
    free(text);
    return true;
}

static void bench_fini(struct bench *b) {
    arena_fini(&b->arena);
    memory_fini(&b->memory);
}

static struct span text_at(struct bench *b, struct span json, const char *name) {
    struct span path = span_str(name);
    struct json_token token;
    if (!json_find(json, &path, 1, &token) || token.kind != JSON_STRING)
        return SPAN("");
    char *out = arena_alloc(&b->arena, token.raw.n + 1);
    return span_of(out, (size_t)json_decode(token.raw, false, out, token.raw.n));
}

static void expect_span(struct span got, struct span want) {
    EXPECT_MEM(got.p, got.n, want.p, want.n);
}

/* The part of a JWT before the n-th point, decoded from base64url. */
static struct span part(struct bench *b, struct span jwt, unsigned which) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct span text = span_cut(&jwt, '.');
    while (which--)
        text = span_cut(&jwt, '.');
    char *out = arena_alloc(&b->arena, text.n + 1);
    unsigned bits = 0, held = 0;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = memchr(digits, text.p[i], 64);
        EXPECT(at != NULL);
        bits = bits << 6 | (unsigned)(at ? at - digits : 0);
        held += 6;
        if (held >= 8)
            out[n++] = (char)(bits >> (held -= 8));
    }
    return span_of(out, n);
}

static const struct span scope = SPAN_CONST("https://www.googleapis.com/auth/cloud-platform");

TEST(vector) {
    struct bench b;
    if (!bench_init(&b))
        SKIP("needs ../shared/fixtures");
    struct span jwt = gcp_jwt(SPAN("proxy@example-project.iam.gserviceaccount.com"),
                              SPAN("0123456789abcdef0123456789abcdef01234567"), b.pem, scope,
                              text_at(&b, b.json, "token_url"), 1795225323, &b.arena, &b.why);
    expect_span(jwt, text_at(&b, b.json, "jwt"));
    expect_span(part(&b, jwt, 0), text_at(&b, b.json, "header_json"));
    expect_span(part(&b, jwt, 1), text_at(&b, b.json, "claims_json"));
    expect_span(credential_form_google_jwt(jwt, &b.arena), text_at(&b, b.json, "form_body"));
    bench_fini(&b);
}

TEST(members_that_are_not_given) {
    struct bench b;
    if (!bench_init(&b))
        SKIP("needs ../shared/fixtures");
    struct span jwt = gcp_jwt(SPAN("a\"b@c"), SPAN(""), b.pem, SPAN(""),
                              SPAN("https://aiplatform.googleapis.com/"), 100, &b.arena, &b.why);
    expect_span(part(&b, jwt, 0), SPAN("{\"alg\":\"RS256\",\"typ\":\"JWT\"}"));
    expect_span(part(&b, jwt, 1),
                SPAN("{\"iss\":\"a\\\"b@c\",\"sub\":\"a\\\"b@c\",\"aud\":\"https://"
                     "aiplatform.googleapis.com/\",\"iat\":100,\"exp\":3700}"));
    EXPECT_EQ(part(&b, jwt, 2).n, 256);
    bench_fini(&b);
}

TEST(refuses) {
    struct bench b;
    if (!bench_init(&b))
        SKIP("needs ../shared/fixtures");
    struct span jwt =
        gcp_jwt(SPAN("e"), SPAN("k"), SPAN("no key"), scope, SPAN("a"), 0, &b.arena, &b.why);
    EXPECT(!jwt.p && strstr(b.why, "PEM"));
    /* An escaped key, as it stands in JSON, is not a key yet. */
    jwt = gcp_jwt(SPAN("e"), SPAN("k"), SPAN("-----BEGIN PRIVATE KEY-----\\nMIIE\\n"), scope,
                  SPAN("a"), 0, &b.arena, &b.why);
    EXPECT(!jwt.p && strstr(b.why, "PEM"));
    /* No memory at any of the steps. */
    size_t fails = 0;
    for (size_t room = 0; room < 8000; room += 160) {
        struct memory memory;
        struct arena arena;
        memory_init(&memory, ARENA_BLOCK_SIZE, 0);
        arena_init(&arena, &memory);
        arena_alloc(&arena, 8);
        arena_alloc(&arena, (size_t)(arena.end - arena.at) - room);
        ROW("%zu bytes", room);
        jwt = gcp_jwt(SPAN("e"), SPAN("k"), b.pem, scope, SPAN("a"), 0, &arena, &b.why);
        if (!jwt.p)
            EXPECT(strstr(b.why, "memory"));
        fails += !jwt.p;
        arena_fini(&arena);
        memory_fini(&memory);
    }
    EXPECT(fails > 3 && fails < 50);
    bench_fini(&b);
}
