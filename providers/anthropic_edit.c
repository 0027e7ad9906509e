/* anthropic_edit.c - the Messages body for a backend that speaks the same dialect, as edits of the
 * client's own. (pure)
 *
 * The client's bytes go on as they came. What differs: the model's name, "stream":true, and on Vertex
 * (PROVIDERS.md 1.1) no model, which stands in the path, an anthropic_version, and no scope in a
 * cache_control, which Vertex answers with 400:
 *
 *     {"model":"claude","max_tokens":9,"system":[{..,"cache_control":{"type":"ephemeral","scope":"x"}}]
 *      ^ cut, with its comma                                                          ^ cut, too
 *     ^ "anthropic_version":"vertex-2023-10-16","stream":true, comes here
 *
 * Promises: edits in rising order, not overlapping; applied they give valid JSON without a member
 *           twice.
 * Refuses:  a request that needs more than CHAT_EDITS_MAX of them. */
#include "providers/anthropic.h"

struct editing {
    const struct chat_request *req;
    struct chat_edit *edits;
    unsigned count;
    bool overflow;
};

static void edit(struct editing *x, size_t at, size_t remove, struct span insert) {
    if (x->count == CHAT_EDITS_MAX) {
        x->overflow = true;
        return;
    }
    x->edits[x->count++] = (struct chat_edit){.at = at, .remove = remove, .insert = insert};
}

static size_t offset_of(const struct editing *x, const char *p) {
    return (size_t)(p - x->req->body.p);
}

static void replace(struct editing *x, struct span old, struct span new) {
    edit(x, offset_of(x, old.p), old.n, new);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Cuts a member of an object out, with the comma behind it, or as the last one with the comma before
 * it, or as the only one without any. */
static void cut_member(struct editing *x, struct span raw_key, struct span value) {
    const char *body = x->req->body.p;
    size_t from = offset_of(x, raw_key.p) - 1; /* its quote */
    size_t to = offset_of(x, value.p) + value.n, comma = to;
    while (is_blank(body[comma]))
        comma++;
    if (body[comma] == ',') {
        edit(x, from, comma + 1 - from, SPAN(""));
        return;
    }
    size_t before = from;
    while (is_blank(body[before - 1]))
        before--;
    if (body[before - 1] == ',')
        from = before - 1;
    edit(x, from, to - from, SPAN(""));
}

static bool set_model(struct editing *x, struct span model, struct arena *arena) {
    struct json_out name;
    if (span_eq(model, x->req->model))
        return true;
    json_out_arena(&name, arena, model.n + 2);
    json_out_string(&name, model);
    if (!name.full)
        replace(x, x->req->model_value, json_out_span(&name));
    return !name.full;
}

/* --- cache_control.scope --- */

/* Under these keys stand the user's own data, in which a member of that name means nothing. */
static const struct span data_names[] = {
    SPAN_CONST("input"),
    SPAN_CONST("input_schema"),
    SPAN_CONST("schema"),
    SPAN_CONST("metadata"),
};

/* The members of one cache_control, behind its opening brace. */
static void edit_mark(struct editing *x, struct json *json) {
    struct json_token key;
    struct span value;
    bool cut = false;
    while (json_next(json, &key) == JSON_KEY && json_value(json, &value)) {
        /* A second one is cut by itself; neighbours would share a comma. Nobody writes that. */
        if (!cut && json_is(&key, SPAN("scope"))) {
            cut_member(x, key.raw, value);
            cut = true;
        }
    }
}

static void edit_scopes(struct editing *x) {
    struct json json;
    struct json_token token, value;
    struct span unused;
    json_init(&json, x->req->body);
    /* The body was read before: it is valid. */
    while (json_next(&json, &token) != JSON_END && token.kind != JSON_ERROR) {
        if (token.kind != JSON_KEY)
            continue;
        if (anthropic_member(&token, data_names, countof(data_names)) < countof(data_names)) {
            json_value(&json, &unused);
        } else if (json_is(&token, SPAN("cache_control"))) {
            json_next(&json, &value);
            if (value.kind == JSON_OBJECT)
                edit_mark(x, &json);
        }
    }
}

/* --- whole requests --- */

#define VERTEX_VERSION "\"" ANTHROPIC_VERTEX_VERSION "\""

/* An insertion stands before what is cut out at the same place. */
static bool is_behind(const struct chat_edit *a, const struct chat_edit *b) {
    return a->at != b->at ? a->at > b->at : a->remove > b->remove;
}

/* Insertion sort: a handful of edits, nearly in order. */
static void sort(struct editing *x) {
    for (unsigned i = 1; i < x->count; i++) {
        struct chat_edit moving = x->edits[i];
        unsigned to = i;
        for (; to > 0 && is_behind(&x->edits[to - 1], &moving); to--)
            x->edits[to] = x->edits[to - 1];
        x->edits[to] = moving;
    }
}

static int finish(struct editing *x) {
    if (x->overflow)
        return -FAIL_BAD_REQUEST;
    sort(x);
    for (unsigned i = 1; i < x->count; i++)
        CHECK(x->edits[i].at >= x->edits[i - 1].at + x->edits[i - 1].remove);
    return (int)x->count;
}

/* The version that Vertex wants in the body; true when it is still to be inserted. */
static bool edit_version(struct editing *x) {
    const struct anthropic_request *own = x->req->own;
    if (own->version_value.p && !span_eq(own->version_value, SPAN(VERTEX_VERSION)))
        replace(x, own->version_value, SPAN(VERTEX_VERSION));
    return !own->version_value.p;
}

int anthropic_edit_request(const struct chat_request *req, struct span model, unsigned quirks,
                           struct arena *arena, struct chat_edit *edits) {
    struct editing x = {.req = req, .edits = edits};
    const struct anthropic_request *own = req->own;
    bool stream = !req->whole_only && !req->stream_value.p, version = false;
    if (!req->whole_only && req->stream_value.p && !req->stream)
        replace(&x, req->stream_value, SPAN("true"));
    if (quirks & QUIRK_CLAUDE_ON_VERTEX) {
        version = edit_version(&x);
        cut_member(&x, own->model_key, req->model_value);
        edit_scopes(&x);
    } else if (!set_model(&x, model, arena)) {
        return -FAIL_OVERLOAD;
    }
    /* Another member always follows: the messages. */
    if (version && stream)
        edit(&x, req->object_start, 0,
             SPAN("\"anthropic_version\":" VERTEX_VERSION ",\"stream\":true,"));
    else if (version)
        edit(&x, req->object_start, 0, SPAN("\"anthropic_version\":" VERTEX_VERSION ","));
    else if (stream)
        edit(&x, req->object_start, 0, SPAN("\"stream\":true,"));
    return finish(&x);
}

int anthropic_edit_count(const struct chat_request *req, struct span model, unsigned quirks,
                         struct arena *arena, struct chat_edit *edits) {
    struct editing x = {.req = req, .edits = edits};
    if (!set_model(&x, model, arena))
        return -FAIL_OVERLOAD;
    if (quirks & QUIRK_CLAUDE_ON_VERTEX) {
        if (edit_version(&x))
            edit(&x, req->object_start, 0, SPAN("\"anthropic_version\":" VERTEX_VERSION ","));
        edit_scopes(&x);
    }
    return finish(&x);
}
