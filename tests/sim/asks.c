/* asks.c - writes requests: the good ones in all shapes that HTTP/1.1 allows, the bad ones each with one fault. */
#include "tests/sim/asks.h"

#include <stdio.h>

#include "tests/sim/asks_body.h"
#include "tests/sim/world.h"

const struct ask_row ask_rows[ASK_COUNT] = {
#define ASK(name, weight, a, b) [ASK_##name] = {#name, weight, a, b},
#include "tests/sim/asks.def"
#undef ASK
};

/* Heads and bodies that are no HTTP/1.1, each refused for a reason of its own. */
static const char *const garbage[] = {
    "GET /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: "
    "chunked\r\n\r\n0\r\n\r\n",
    "GET /v1/models HTTP/1.1\nhost: x\n\n",
    "GET /v1/models HTTP/1.1\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nhost : x\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n",
    "GET /v1/models HTTP/3.0\r\nhost: x\r\n\r\n",
    "GET  /v1/models HTTP/1.1\r\nhost: x\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: "
    "3\r\n\r\nabc",
    "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: tea\r\ncontent-length: 2\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
};

struct draft {
    struct request *request;
    const char *method, *target, *key, *model, *type;
    bool bad_chunk;
    struct text fields, body;
};

static enum ask draw_ask(bool last) {
    unsigned sum = 0;
    if (world.scenario)
        return ASK_CHAT;
    for (unsigned a = 0; a < ASK_COUNT; a++)
        sum += ask_rows[a].weight;
    uint64_t at = world_below(sum);
    unsigned ask = 0;
    while (at >= ask_rows[ask].weight)
        at -= ask_rows[ask++].weight;
    if (!world.keys && (ask == ASK_BAD_KEY || ask == ASK_FORBIDDEN))
        return ASK_NO_MODEL;
    if (world.model_count < 2 && ask == ASK_FORBIDDEN)
        return ASK_NO_MODEL;
    bool ends = ask == ASK_GARBAGE || ask == ASK_STUCK_HEAD || ask == ASK_STUCK_BODY ||
                ask == ASK_TOO_LARGE;
    return ends && !last ? ASK_CHAT : (enum ask)ask;
}

static void draw_wish(struct draft *draft) {
    struct request *request = draft->request;
    static const char *const names[] = {[HEDGE_MODE_OFF] = "off",
                                        [HEDGE_MODE_FIXED] = "fixed",
                                        [HEDGE_MODE_ADAPTIVE] = "adaptive",
                                        [HEDGE_MODE_RACE] = "race"};
    if (world_chance(0.2)) {
        request->mode_wished = true;
        request->mode = (unsigned)world_below(countof(names));
        text_printf(&draft->fields, "X-Hedgerow-Hedge: %s", names[request->mode]);
        if (request->mode == HEDGE_MODE_FIXED) {
            request->delay_ns = SIM_MS(world_between(1, 400));
            text_printf(&draft->fields, "=%ums", (unsigned)(request->delay_ns / NS_PER_MS));
        }
        text_str(&draft->fields, "\r\n");
    }
    if (world.zoned && world_chance(0.3)) {
        request->zone = cloud_zone(&clouds[world_below(2)]);
        text_printf(&draft->fields, "x-hedgerow-residency: %s\r\n", request->zone);
    }
    if (world_chance(0.05)) {
        request->total_ns = SIM_MS(world_between(50, 3000));
        text_printf(&draft->fields, "x-hedgerow-timeout: %ums\r\n",
                    (unsigned)(request->total_ns / NS_PER_MS));
    }
}

/* What the client says; the formats say the same (asks_body.c). */
static void draw_words(struct request *request) {
    static const char *const odd[] = {"\"sit\" ", "\xc3\xa4met ", "a\\b\n"};
    text_printf(&request->content, "R%u ", request->n);
    size_t long_max = world.weather ? 3000 : 20000;
    bool even = world.weather && world.priced; /* dear ones would hide what the others cost */
    size_t filler = !even && world_chance(0.1) ? world_below(long_max) : world_below(200);
    bool odds = world.mixed && world_chance(0.3);
    while (request->content.n < filler) {
        text_str(&request->content, "dolor sit amet ");
        if (odds)
            text_str(&request->content, odd[world_below(countof(odd))]);
    }
    if (!world.mixed)
        return;
    if (world_chance(0.3))
        text_printf(&request->system, "S%u be brief", request->n);
    if (world_chance(0.3) || request->format == FORMAT_MESSAGES)
        request->max_tokens = (unsigned)world_between(1000, 4000);
    request->cooler = world_chance(0.3);
    request->stops = world_chance(0.2) && request->format != FORMAT_RESPONSES;
    request->tool = world_chance(0.3);
    request->hard = request->format == FORMAT_CHAT && !world.scenario && world_chance(0.05);
    request->history = request->tool && world_chance(0.5);
}

/* Where: for Gemini, model and stream are part of it. */
static void set_target(struct draft *draft) {
    struct request *request = draft->request;
    static const char *const targets[FORMAT_COUNT] = {[FORMAT_CHAT] = "/v1/chat/completions",
                                                      [FORMAT_RESPONSES] = "/v1/responses",
                                                      [FORMAT_MESSAGES] = "/v1/messages"};
    struct text target = {0};
    draft->target = targets[request->format];
    if (request->format == FORMAT_MESSAGES)
        text_str(&draft->fields, "anthropic-version: 2023-06-01\r\n");
    if (draft->target)
        return;
    text_printf(&target, "/v1beta/models/%s:%s", draft->model,
                request->stream ? "streamGenerateContent?alt=sse" : "generateContent");
    draft->target = target.p;
}

static void add_chunked(struct draft *draft, struct text *out) {
    struct span rest = text_span(&draft->body);
    while (rest.n) {
        size_t n = 1 + world_below(rest.n);
        text_printf(out, world_chance(0.5) ? "%zx\r\n" : "%zX;ext=1\r\n", n);
        text_add(out, rest.p, n);
        text_str(out, "\r\n");
        rest = span_from(rest, n);
    }
    text_str(out, draft->bad_chunk    ? "zz\r\n"
                  : world_chance(0.1) ? "0\r\ntrailer: 1\r\n\r\n"
                                      : "0\r\n\r\n");
}

static void write_bytes(struct draft *draft, bool expect) {
    struct request *request = draft->request;
    struct text *out = &request->bytes;
    bool body = draft->body.n > 0;
    bool chunked = body && !request->http10 && request->ask != ASK_TOO_LARGE && world_chance(0.3);
    text_printf(out, "%s %s HTTP/1.%d\r\nHost: engine.test\r\n", draft->method, draft->target,
                request->http10 ? 0 : 1);
    if (draft->key)
        text_printf(out,
                    world_chance(0.7)                         ? "Authorization: Bearer %s\r\n"
                    : draft->request->format == FORMAT_GEMINI ? "x-goog-api-key: %s\r\n"
                                                              : "x-api-key: %s\r\n",
                    draft->key);
    if (draft->type)
        text_printf(out, "content-type: %s\r\n", draft->type);
    text_printf(out, "x-request-id: sim-%u\r\n", request->n);
    text_add(out, draft->fields.p, draft->fields.n);
    if (request->close)
        text_str(out, "Connection: close\r\n");
    if (expect)
        text_str(out, "Expect: 100-continue\r\n");
    if (request->ask == ASK_TOO_LARGE)
        text_printf(out, "content-length: %zu\r\n", world.body_max_bytes + 1);
    else if (chunked)
        text_str(out, "transfer-encoding: chunked\r\n");
    else if (body || world_chance(0.2))
        text_printf(out, "content-length: %zu\r\n", draft->body.n);
    text_str(out, "\r\n");
    request->head_n = out->n;
    if (chunked)
        add_chunked(draft, out);
    else
        text_add(out, draft->body.p, draft->body.n);
}

static void spoil(struct draft *draft) {
    struct request *request = draft->request;
    switch (request->ask) {
    case ASK_MODELS: draft->target = world_chance(0.5) ? "/v1/models" : "/models"; break;
    case ASK_MODEL: draft->target = "/v1/models/m0"; break;
    case ASK_HEALTH: draft->target = "/health"; break;
    case ASK_HEAD:
        draft->method = "HEAD";
        draft->target = "/v1/models";
        break;
    case ASK_NO_PATH: draft->target = "/v2/nothing"; break;
    case ASK_METHOD: draft->method = "DELETE"; break;
    case ASK_BAD_KEY: draft->key = world_chance(0.5) ? "ck-wrong" : NULL; break;
    case ASK_FORBIDDEN: draft->key = CLIENT_KEY_NARROW; break;
    case ASK_BAD_WISH: text_str(&draft->fields, "x-hedgerow-timeout: soon\r\n"); break;
    case ASK_MEDIA_TYPE: draft->type = "text/plain"; break;
    default: break;
    }
    bool get =
        request->ask == ASK_MODELS || request->ask == ASK_MODEL || request->ask == ASK_HEALTH;
    if (get)
        draft->method = "GET";
    if (get || request->ask == ASK_HEAD)
        draft->type = NULL;
}

static bool has_body(enum ask ask) {
    return ask != ASK_MODELS && ask != ASK_MODEL && ask != ASK_HEALTH && ask != ASK_HEAD &&
           ask != ASK_NO_BODY && ask != ASK_METHOD;
}

static void cut(struct request *request) {
    if (request->ask == ASK_STUCK_HEAD)
        request->bytes.n = 1 + world_below(request->head_n - 1);
    if (request->ask == ASK_STUCK_BODY)
        request->bytes.n = request->head_n + world_below(request->bytes.n - request->head_n);
}

struct request *asks_draw(bool last, bool *expect, bool *whole) {
    struct request *request = ledger_request(draw_ask(last));
    *expect = false;
    *whole = request->ask != ASK_STUCK_HEAD && request->ask != ASK_STUCK_BODY &&
             request->ask != ASK_TOO_LARGE;
    request->model = &world.models[world.scenario ? 0 : world_below(world.model_count)];
    if (request->ask == ASK_FORBIDDEN)
        request->model = &world.models[0];
    if (request->ask == ASK_GARBAGE) {
        text_str(&request->bytes, garbage[world_below(countof(garbage))]);
        request->head_n = request->bytes.n;
        return request;
    }
    struct draft draft = {.request = request,
                          .method = "POST",
                          .key = world.keys ? CLIENT_KEY : NULL,
                          .type = world_chance(0.9) ? "application/json" : NULL};
    draft.model = request->model->name;
    if (request->ask == ASK_NO_MODEL)
        draft.model = "unknown";
    if (world.mixed)
        request->format = (enum format)world_below(FORMAT_CLIENTS);
    request->stream = world_chance(0.7);
    request->usage = request->stream && request->format == FORMAT_CHAT && world_chance(0.3);
    if (world.scenario) {
        request->format = world.scenario->format;
        request->stream = world.scenario->stream;
        request->usage = request->stream && request->format == FORMAT_CHAT;
    }
    set_target(&draft);
    request->http10 = last && world_chance(0.05);
    request->close = !request->http10 && last && world_chance(0.1);
    request->total_ns = 0;
    if (!world.scenario && world_chance(0.3) && request->ask == ASK_CHAT)
        draw_wish(&draft);
    spoil(&draft);
    if (request->ask == ASK_BAD_JSON)
        text_str(&draft.body, world_chance(0.5) ? "{\"model\":" : "[1,2]");
    else if (has_body(request->ask)) {
        draw_words(request);
        asks_body(&draft.body, request, draft.model);
    }
    bool stuck = request->ask == ASK_STUCK_BODY ||
                 request->ask == ASK_STUCK_HEAD; /* what is sent is sent at once */
    *expect = draft.body.n && !request->http10 && !stuck && world_chance(0.15);
    write_bytes(&draft, *expect);
    cut(request);
    return request;
}
