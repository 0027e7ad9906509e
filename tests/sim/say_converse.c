/* say_converse.c - answers as frames of Bedrock's ConverseStream (PROVIDERS.md 3.5), with a checksum of its own. See
 * say.h.
 *
 *     total u32 | headers u32 | crc u32 of these | headers | payload | crc u32 of all before it */
#include "tests/sim/say.h"

#define HEADER_STRING 7

/* Bit by bit once for each byte there is, then by table. */
static uint32_t crc_of(struct span bytes) {
    static uint32_t table[256];
    for (uint32_t i = 0; i < countof(table) && !table[countof(table) - 1]; i++) {
        table[i] = i;
        for (unsigned bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? UINT32_C(0xedb88320) : 0);
    }
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < bytes.n; i++)
        crc = crc >> 8 ^ table[(crc ^ (unsigned char)bytes.p[i]) & 0xff];
    return ~crc;
}

static void add_u32(struct text *out, uint32_t n) {
    char bytes[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    text_add(out, bytes, sizeof bytes);
}

static void add_header(struct text *out, const char *name, const char *value) {
    size_t n = strlen(value);
    char name_n = (char)strlen(name);
    char type[3] = {HEADER_STRING, (char)(n >> 8), (char)n};
    text_add(out, &name_n, 1);
    text_str(out, name);
    text_add(out, type, sizeof type);
    text_str(out, value);
}

static struct text frame_of(const char *kind, const char *name, struct span payload) {
    struct text headers = {0}, out = {0};
    char type[24] = ":event-type";
    if (strcmp(kind, "event") != 0)
        strcpy(type, ":exception-type");
    add_header(&headers, type, name);
    add_header(&headers, ":content-type", "application/json");
    add_header(&headers, ":message-type", kind);
    add_u32(&out, (uint32_t)(16 + headers.n + payload.n));
    add_u32(&out, (uint32_t)headers.n);
    add_u32(&out, crc_of(text_span(&out)));
    text_add(&out, headers.p, headers.n);
    text_add(&out, payload.p, payload.n);
    add_u32(&out, crc_of(text_span(&out)));
    return out;
}

/* An event; with padding of a random length, as Bedrock has it. */
static void frame(struct saying *w, uint64_t delay_ns, const char *name, const char *members,
                  bool content) {
    static const char padding[] = "abcdefghijklmnopqrstuvwxyz";
    struct text payload = {0};
    text_printf(&payload, "{%s%s\"p\":\"%.*s\"}", members, *members ? "," : "",
                (int)world_below(sizeof padding), padding);
    struct text out = frame_of("event", name, text_span(&payload));
    say_bytes(w, delay_ns, text_span(&out), content);
}

static const char *stop_reason(const struct reply *reply) {
    if (strcmp(reply->finish, "length") == 0)
        return "max_tokens";
    return strcmp(reply->finish, "tool_calls") == 0 ? "tool_use" : "end_turn";
}

static void begin(struct saying *w) {
    frame(w, say_gap(w), "messageStart", "\"role\":\"assistant\"", false);
}

static void close_block(struct saying *w) {
    struct text members = {0};
    if (w->part == SAY_NOTHING)
        return;
    if (w->part == SAY_THOUGHT) {
        text_printf(&members,
                    "\"contentBlockIndex\":%u,\"delta\":{\"reasoningContent\":{\"signature\":"
                    "\"EqQB%u\"}}",
                    w->parts, w->reply->n);
        frame(w, 0, "contentBlockDelta", members.p, false);
        members = (struct text){0};
    }
    w->part = SAY_NOTHING;
    text_printf(&members, "\"contentBlockIndex\":%u", w->parts++);
    frame(w, say_gap(w), "contentBlockStop", members.p, false);
}

static void delta(struct saying *w, uint64_t delay_ns, const char *before, struct span piece,
                  const char *after) {
    struct text members = {0};
    text_printf(&members, "\"contentBlockIndex\":%u,\"delta\":{%s", w->parts, before);
    say_string(&members, piece);
    text_printf(&members, "%s}", after);
    frame(w, delay_ns, "contentBlockDelta", members.p, true);
}

static void think(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    (void)last;
    w->part = SAY_THOUGHT;
    delta(w, delay_ns, "\"reasoningContent\":{\"text\":", piece, "}");
}

/* Texts have no contentBlockStart. */
static void say_text(struct saying *w, uint64_t delay_ns, struct span piece, bool last) {
    (void)last;
    if (w->part != SAY_TEXT)
        close_block(w);
    w->part = SAY_TEXT;
    delta(w, delay_ns, "\"text\":", piece, "");
}

static void tool(struct saying *w, uint64_t delay_ns, unsigned index, const struct call *call) {
    struct text members = {0};
    close_block(w);
    w->part = SAY_TOOL;
    text_printf(&members,
                "\"contentBlockIndex\":%u,\"start\":{\"toolUse\":{\"toolUseId\":\"tooluse_A%u_%u\","
                "\"name\":\"%s\"}}",
                w->parts, w->reply->n, index, call->name.p);
    frame(w, delay_ns, "contentBlockStart", members.p, true);
    for (struct span rest = text_span(&call->arguments); rest.n;)
        delta(w, say_gap(w), "\"toolUse\":{\"input\":", say_piece(&rest), "}");
}

static void finish(struct saying *w) {
    struct text members = {0};
    close_block(w);
    text_printf(&members, "\"stopReason\":\"%s\"", stop_reason(w->reply));
    frame(w, say_gap(w), "messageStop", members.p, false);
}

static void add_usage(struct text *json, const struct reply *reply) {
    text_printf(json,
                "\"usage\":{\"inputTokens\":%u,\"outputTokens\":%u,\"totalTokens\":%u,"
                "\"cacheReadInputTokens\":%u,\"cacheWriteInputTokens\":0},"
                "\"metrics\":{\"latencyMs\":12}",
                reply->input_tokens - reply->cached_tokens, reply->tokens,
                reply->input_tokens + reply->tokens, reply->cached_tokens);
}

/* Usage comes behind messageStop, and ends the stream. */
static void end_mark(struct saying *w) {
    struct text members = {0};
    add_usage(&members, w->reply);
    frame(w, say_gap(w), "metadata", members.p, false);
}

static void noise(struct saying *w) { frame(w, say_gap(w), "somethingNew", "\"x\":[1]", false); }

static void error(struct saying *w) {
    static const char *const types[] = {"throttlingException", "internalServerException",
                                        "serviceUnavailableException", "modelStreamErrorException"};
    struct text payload = {0};
    text_printf(&payload, "{\"message\":\"overloaded A%u\"}", w->reply->n);
    struct text out =
        frame_of("exception", types[world_below(countof(types))], text_span(&payload));
    say_bytes(w, w->first_ns, text_span(&out), false);
}

/* A token that a flipped bit has spoilt, or a payload that is no JSON. */
static void garbage(struct saying *w) {
    struct span payload =
        SPAN("{\"contentBlockIndex\":0,\"delta\":{\"text\":\"A0.0 \"},\"p\":\"ab\"}");
    bool spoilt = world_chance(0.5);
    if (!spoilt)
        payload.n /= 2;
    struct text out = frame_of("event", "contentBlockDelta", payload);
    if (spoilt)
        *(char *)memmem(out.p, out.n, "A0.0", 4) ^= 1;
    say_bytes(w, w->first_ns, text_span(&out), false);
}

static void whole(const struct saying *w, struct text *json) {
    text_str(json, "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[");
    if (w->reply->thought.n) {
        text_str(json, "{\"reasoningContent\":{\"reasoningText\":{\"text\":");
        say_string(json, text_span(&w->reply->thought));
        text_str(json, ",\"signature\":\"EqQB\"}}},");
    }
    text_str(json, "{\"text\":");
    say_string(json, text_span(&w->reply->said));
    text_printf(json, "}]}},\"stopReason\":\"%s\",", stop_reason(w->reply));
    add_usage(json, w->reply);
    text_str(json, "}");
}

static struct say_error refuse(const struct saying *w, enum script script, struct text *json) {
    text_printf(json, "{\"message\":\"refused A%u\"}", w->reply->n);
    switch (script) {
    case SCRIPT_STATUS_429:
        return (struct say_error){429, "", "x-amzn-ErrorType: ThrottlingException\r\n"};
    case SCRIPT_STATUS_401:
        return (struct say_error){403, "", "x-amzn-ErrorType: AccessDeniedException\r\n"};
    case SCRIPT_STATUS_400:
        return (struct say_error){
            400, "", "x-amzn-ErrorType: ValidationException:http://internal.amazon.com/\r\n"};
    case SCRIPT_STATUS_529:
    case SCRIPT_EARLY_503:
        return (struct say_error){503, "", "x-amzn-ErrorType: ServiceUnavailableException\r\n"};
    default: return (struct say_error){500, "", "x-amzn-ErrorType: InternalServerException\r\n"};
    }
}

const struct say say_converse = {
    .type = "application/vnd.amazon.eventstream",
    .begin = begin,
    .think = think,
    .text = say_text,
    .tool = tool,
    .finish = finish,
    .end_mark = end_mark,
    .noise = noise,
    .error = error,
    .garbage = garbage,
    .whole = whole,
    .refuse = refuse,
};
