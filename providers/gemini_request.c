/* gemini_request.c - reads a client's generateContent request: what the router needs; and makes the
 * edits that Vertex wants. (pure)
 *
 * The model and whether to stream stand in the path, so that for a backend of this dialect the body
 * goes on byte for byte.
 *
 * Owns:     nothing; spans point into the body or the arena.
 * Promises: what is accepted is valid JSON with a list of contents that is not empty, and no member
 *           twice that hedgerow reads.
 * Refuses:  the rest, with a sentence that says what to do. Members that hedgerow has no use for are
 *           the provider's to judge. */
#include "providers/gemini.h"

#include "core/limits.h"
#include "providers/chat_body.h"
#include "providers/provider.h"

enum { CONTENTS, SYSTEM, TOOLS, TOOL_CONFIG, GENERATION, TOP_COUNT };
static const struct span top_names[TOP_COUNT] = {
    [CONTENTS] = SPAN_CONST("contents"),
    [SYSTEM] = SPAN_CONST("systemInstruction"),
    [TOOLS] = SPAN_CONST("tools"),
    [TOOL_CONFIG] = SPAN_CONST("toolConfig"),
    [GENERATION] = SPAN_CONST("generationConfig"),
};

struct reading {
    struct arena *arena;
    struct chat_request *req;
    struct span *why, *param;
    struct span members[TOP_COUNT]; /* whole values */
    uint64_t text_bytes;
};

static int refuse(struct reading *x, struct span param, struct span why) {
    *x->param = param;
    *x->why = why;
    return -FAIL_BAD_REQUEST;
}

struct span gemini_plain_model(struct span model) {
    static const struct span prefixes[] = {SPAN_CONST("publishers/google/models/"),
                                           SPAN_CONST("models/"), SPAN_CONST("google/")};
    for (unsigned i = 0; i < countof(prefixes); i++)
        if (span_starts(model, prefixes[i]))
            return span_from(model, prefixes[i].n);
    return model;
}

/* Strings that the model reads as text: not data, not signatures. */
static bool is_text(const struct json_token *key) {
    return !gemini_is(key, SPAN("data")) && !gemini_is(key, SPAN("fileUri")) &&
           !gemini_is(key, SPAN("thoughtSignature"));
}

/* Their bytes in a value, which is valid. */
static uint64_t text_bytes(struct span value) {
    struct json json;
    uint64_t bytes = 0;
    json_init(&json, value);
    chat_body_count(&json, true, is_text, &bytes);
    return bytes;
}

static int read_contents(struct reading *x) {
    struct json json;
    struct json_token content, role;
    struct span contents = x->members[CONTENTS];
    unsigned count = 0;
    bool prefix_done = false;
    uint64_t prefix = chat_body_hash(x->members[SYSTEM]);
    if (!contents.p)
        return refuse(x, top_names[CONTENTS],
                      SPAN("`contents` is missing; give an array with at least one content."));
    if (contents.p[0] != '[')
        return refuse(x, top_names[CONTENTS],
                      SPAN("Give `contents` as an array of objects, each with `parts`."));
    gemini_open(&json, contents);
    for (; gemini_item(&json, &content); count++) {
        if (content.kind != JSON_OBJECT) {
            struct span where = arena_printf(x->arena, "contents[%u]", count);
            return refuse(x, where,
                          arena_printf(x->arena,
                                       "contents[%u]: give an object with `role` and "
                                       "`parts`.",
                                       count));
        }
        if (prefix_done)
            continue;
        prefix = chat_body_mix(prefix, chat_body_hash(content.raw));
        /* What follows the first words of the user changes with every turn. */
        prefix_done =
            !gemini_find(content.raw, SPAN("role"), &role) || json_is(&role, SPAN("user"));
    }
    if (!count)
        return refuse(x, top_names[CONTENTS], SPAN("Give at least one content in `contents`."));
    x->req->prefix_hash = chat_body_mix(span_hash(x->req->model), prefix);
    return 0;
}

static int read_limits(struct reading *x) {
    static const struct span limit = SPAN_CONST("maxOutputTokens"),
                             count = SPAN_CONST("candidateCount");
    struct json_token value;
    uint64_t choices = 1;
    struct span config = x->members[GENERATION];
    if (!config.p)
        return 0;
    if (config.p[0] != '{')
        return refuse(x, top_names[GENERATION], SPAN("Give `generationConfig` as an object."));
    if (gemini_find(config, limit, &value) &&
        !gemini_count(&value, CHAT_OUTPUT_TOKENS_MAX, &x->req->max_output_tokens))
        return refuse(x, SPAN("generationConfig.maxOutputTokens"),
                      SPAN("Give `generationConfig.maxOutputTokens` as a whole number."));
    if (gemini_find(config, count, &value) &&
        (!gemini_count(&value, CHOICES_MAX, &choices) || !choices))
        return refuse(x, SPAN("generationConfig.candidateCount"),
                      arena_printf(x->arena,
                                   "Give `generationConfig.candidateCount` as a whole "
                                   "number from 1 to %d.",
                                   CHOICES_MAX));
    x->req->choices = (unsigned)choices;
    return 0;
}

static int read_members(struct reading *x, struct span body) {
    struct json json;
    struct json_token key, value;
    gemini_open(&json, body);
    x->req->object_start = json_at(&json);
    x->req->object_empty = true;
    while (gemini_pair(&json, &key, &value)) {
        unsigned member = gemini_member(&key, top_names, TOP_COUNT);
        x->req->object_empty = false;
        if (member == TOP_COUNT)
            continue;
        if (x->members[member].p)
            return refuse(x, top_names[member],
                          arena_printf(x->arena, "`%.*s` is there twice; give it once.",
                                       (int)top_names[member].n, top_names[member].p));
        x->members[member] = gemini_text(&value);
    }
    return 0;
}

int gemini_read_request(struct span body, struct arena *arena, struct chat_request *req,
                        struct span *why, struct span *param) {
    struct reading x = {.arena = arena, .req = req, .why = why, .param = param};
    struct span path_model = req->path_model, betas = req->betas;
    bool path_stream = req->path_stream;
    const char *fault;
    size_t at;
    *req = (struct chat_request){.body = body,
                                 .choices = 1,
                                 .path_model = path_model,
                                 .path_stream = path_stream,
                                 .betas = betas,
                                 .model = gemini_plain_model(path_model),
                                 .stream = path_stream,
                                 /* Usage is part of each answer in this dialect. */
                                 .include_usage = true};
    *why = *param = SPAN("");
    if (json_check(body, &at, &fault) < 0)
        return refuse(&x, SPAN(""),
                      arena_printf(arena,
                                   "The body is not valid JSON (%s at byte %zu): send one JSON "
                                   "object.",
                                   fault, at));
    struct json json;
    struct json_token token;
    json_init(&json, body);
    if (json_next(&json, &token) != JSON_OBJECT)
        return refuse(&x, SPAN(""), SPAN("The body is not a JSON object: send one."));
    if (!req->model.n)
        return refuse(
            &x, SPAN("model"),
            SPAN("The path names no model: ask for /v1beta/models/MODEL:generateContent."));
    int rc = read_members(&x, body);
    if (rc == 0)
        rc = read_contents(&x);
    if (rc == 0)
        rc = read_limits(&x);
    if (rc < 0)
        return rc;
    req->has_tools = x.members[TOOLS].n > 2 && gemini_open(&json, x.members[TOOLS]) &&
                     gemini_item(&json, &token);
    uint64_t bytes = text_bytes(x.members[CONTENTS]);
    if (x.members[SYSTEM].p)
        bytes += text_bytes(x.members[SYSTEM]);
    if (req->has_tools)
        bytes += x.members[TOOLS].n;
    req->input_tokens_estimate = max_u64(bytes / CHAT_BYTES_PER_TOKEN, 1);
    return 0;
}

/* --- edits --- */

struct cut {
    size_t from, to;
};
struct cutting {
    struct arena *arena;
    struct span body;
    struct cut *cuts; /* in the arena, in rising order */
    size_t count, max;
    bool full;
};

static void cut(struct cutting *x, size_t from, size_t to) {
    if (x->count == x->max) {
        size_t max = x->max ? x->max * 2 : CHAT_EDITS_MAX;
        struct cut *cuts =
            x->cuts ? arena_grow(x->arena, x->cuts, x->max * sizeof *cuts, max * sizeof *cuts)
                    : arena_alloc(x->arena, max * sizeof *cuts);
        x->full |= !cuts;
        if (!cuts)
            return;
        x->cuts = cuts;
        x->max = max;
    }
    x->cuts[x->count++] = (struct cut){from, to};
}

/* Cuts each member `id` out of a call's or a response's object, with exactly one comma: that behind
 * it, or for the last ones that before them. */
static void cut_ids(struct cutting *x, struct span object) {
    struct json json;
    struct json_token key;
    struct span value;
    size_t base = (size_t)(object.p - x->body.p);
    size_t kept_end = base + 1; /* behind the brace or the last member that stays */
    bool dropped = false, any_kept = false;
    gemini_open(&json, object);
    while (json_next(&json, &key) == JSON_KEY && json_value(&json, &value)) {
        size_t key_at = (size_t)(key.raw.p - x->body.p) - 1;
        size_t end = (size_t)(value.p - x->body.p) + value.n;
        if (gemini_is(&key, SPAN("id"))) {
            dropped = true;
            continue;
        }
        if (dropped && !any_kept)
            cut(x, kept_end, key_at);
        else if (dropped) /* the comma behind the kept one stays, those behind the ids go */
            cut(x,
                (size_t)((const char *)memchr(x->body.p + kept_end, ',', key_at - kept_end) -
                         x->body.p) +
                    1,
                key_at);
        dropped = false;
        any_kept = true;
        kept_end = end;
    }
    if (dropped)
        cut(x, kept_end, base + object.n - 1);
}

static void cut_parts(struct cutting *x, struct span parts) {
    struct json json, members;
    struct json_token part, key, value;
    if (parts.p[0] != '[' || !gemini_open(&json, parts))
        return;
    while (gemini_item(&json, &part)) {
        if (part.kind != JSON_OBJECT)
            continue;
        gemini_open(&members, part.raw);
        while (gemini_pair(&members, &key, &value))
            if (value.kind == JSON_OBJECT && (gemini_is(&key, SPAN("functionCall")) ||
                                              gemini_is(&key, SPAN("functionResponse"))))
                cut_ids(x, value.raw);
    }
}

static void cut_contents(struct cutting *x) {
    struct json json;
    struct json_token contents, content, parts;
    if (!gemini_find(x->body, top_names[CONTENTS], &contents))
        return;
    gemini_open(&json, contents.raw);
    while (gemini_item(&json, &content))
        if (gemini_find(content.raw, SPAN("parts"), &parts))
            cut_parts(x, gemini_text(&parts));
}

/* A long history has more calls than there may be edits: then one edit holds all that is between. */
static int edit_as_one(struct cutting *x, struct chat_edit *edits) {
    size_t from = x->cuts[0].from, to = x->cuts[x->count - 1].to, at = from;
    struct json_out out;
    json_out_arena(&out, x->arena, to - from);
    for (size_t i = 0; i < x->count; i++) {
        json_out_raw(&out, span_of(x->body.p + at, x->cuts[i].from - at));
        at = x->cuts[i].to;
    }
    if (out.full)
        return -FAIL_OVERLOAD;
    edits[0] = (struct chat_edit){.at = from, .remove = to - from, .insert = json_out_span(&out)};
    return 1;
}

int gemini_edit_request(const struct chat_request *req, struct span model, unsigned quirks,
                        struct arena *arena, struct chat_edit *edits) {
    struct cutting x = {.arena = arena, .body = req->body};
    (void)model; /* stands in the path */
    if (!(quirks & QUIRK_NO_CALL_IDS))
        return 0;
    x.body = gemini_skip_blanks(x.body); /* gemini_find looks for the brace */
    cut_contents(&x);
    if (x.full)
        return -FAIL_OVERLOAD;
    /* Offsets are those of the whole body. */
    size_t skipped = (size_t)(x.body.p - req->body.p);
    for (size_t i = 0; i < x.count; i++) {
        x.cuts[i].from += skipped;
        x.cuts[i].to += skipped;
    }
    x.body = req->body;
    if (x.count > CHAT_EDITS_MAX)
        return edit_as_one(&x, edits);
    for (size_t i = 0; i < x.count; i++)
        edits[i] = (struct chat_edit){
            .at = x.cuts[i].from, .remove = x.cuts[i].to - x.cuts[i].from, .insert = SPAN("")};
    return (int)x.count;
}
