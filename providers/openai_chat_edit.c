/* openai_chat_edit.c - the body for a backend, as edits of the client's own. (pure)
 *
 * The client's bytes go on as they came, unknown members and the spelling of numbers included; only
 * what must differ is cut out and replaced. All edits are collected in any order, then sorted:
 *
 *     {"model":"gpt","messages":[{"role":"developer",...}],"stream_options":{"x":1}}
 *      ^       ^                          ^                                 ^
 *      |       the backend's name         system                            "include_usage":true,
 *      "stream":true,
 *
 * Promises: edits in rising order, not overlapping; applied they give valid JSON without a member
 *           twice.
 * Refuses:  a request that needs more than CHAT_EDITS_MAX of them. */
#include "providers/openai_chat.h"

#include "core/base.h"
#include "providers/provider.h"

/* stream_options and max_completion_tokens. */
#define REMOVED_MAX 2

struct range {
    size_t from, to;
};

struct editing {
    const struct chat_request *req;
    struct chat_edit *edits;
    unsigned count;
    bool overflow;
    struct range removed[REMOVED_MAX]; /* to be cut out: from the key's quote to the value's end */
    unsigned removed_count;
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

static void remove_member(struct editing *x, struct span raw_key, struct span value) {
    CHECK(x->removed_count < REMOVED_MAX);
    x->removed[x->removed_count++] = (struct range){
        .from = offset_of(x, raw_key.p) - 1, /* its quote */
        .to = offset_of(x, value.p) + value.n,
    };
}

/* The offset of the comma behind `at`, or of what else is there. */
static size_t behind_blanks(const struct editing *x, size_t at) {
    while (is_blank(x->req->body.p[at]))
        at++;
    return at;
}

/* Cuts members out, each run of neighbours with exactly one comma. The bodies that get here hold
 * model and messages, so that another member is always left. */
static void cut_removed(struct editing *x) {
    const char *body = x->req->body.p;
    struct range *removed = x->removed;
    if (x->removed_count == 2 && removed[0].from > removed[1].from) {
        struct range first = removed[1];
        removed[1] = removed[0];
        removed[0] = first;
    }
    for (unsigned i = 0; i < x->removed_count; i++) {
        size_t from = removed[i].from, comma = behind_blanks(x, removed[i].to);
        if (i + 1 < x->removed_count && body[comma] == ',' &&
            behind_blanks(x, comma + 1) == removed[i + 1].from)
            comma = behind_blanks(x, removed[++i].to);
        if (body[comma] == ',') {
            edit(x, from, comma + 1 - from, SPAN(""));
            continue;
        }
        /* The last in the object: the comma before it goes. */
        while (body[from - 1] != ',')
            from--;
        CHECK(from > x->req->object_start);
        edit(x, from - 1, removed[i].to - from + 1, SPAN(""));
    }
}

/* stream true, and usage asked for: the race is decided on events, and the bill is wanted for each
 * answer. */
static void edit_stream(struct editing *x, unsigned quirks) {
    const struct chat_request *req = x->req;
    struct span options = req->stream_options_value;
    bool insert_stream = !req->stream_value.p, insert_options = false;

    if (!insert_stream && !req->stream)
        replace(x, req->stream_value, SPAN("true"));
    if (quirks & QUIRK_NO_STREAM_OPTIONS) {
        if (options.p)
            remove_member(x, req->stream_options_key, options);
    } else if (!options.p) {
        insert_options = true;
    } else if (options.p[0] != '{') {
        replace(x, options, SPAN("{\"include_usage\":true}"));
    } else if (req->include_usage_value.p) {
        if (!req->include_usage)
            replace(x, req->include_usage_value, SPAN("true"));
    } else {
        edit(x, offset_of(x, options.p) + 1, 0,
             openai_says_something(options) ? SPAN("\"include_usage\":true,")
                                            : SPAN("\"include_usage\":true"));
    }
    if (insert_stream && insert_options)
        edit(x, req->object_start, 0,
             SPAN("\"stream\":true,\"stream_options\":{\"include_usage\":true},"));
    else if (insert_stream)
        edit(x, req->object_start, 0, SPAN("\"stream\":true,"));
    else if (insert_options)
        edit(x, req->object_start, 0, SPAN("\"stream_options\":{\"include_usage\":true},"));
}

static void edit_quirks(struct editing *x, unsigned quirks) {
    const struct chat_request *req = x->req;
    if (quirks & QUIRK_MAX_TOKENS_ONLY && req->max_completion_tokens_key.p) {
        /* Careful clients give both spellings with one value. */
        if (req->max_tokens_key.p)
            remove_member(x, req->max_completion_tokens_key, req->max_completion_tokens_value);
        else
            replace(x, req->max_completion_tokens_key, SPAN("max_tokens"));
    }
    if (quirks & QUIRK_NO_DEVELOPER_ROLE)
        for (unsigned i = 0; i < req->developer_count; i++)
            replace(x, req->developer_roles[i], SPAN("system"));
}

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

int openai_chat_edit_request(const struct chat_request *req, struct span model, unsigned quirks,
                             struct arena *arena, struct chat_edit *edits) {
    struct editing x = {.req = req, .edits = edits};
    if (!(quirks & QUIRK_MODEL_IN_PATH) && !span_eq(model, req->model)) {
        struct json_out name;
        json_out_arena(&name, arena, model.n + 2);
        json_out_string(&name, model);
        if (name.full)
            return -FAIL_OVERLOAD;
        replace(&x, req->model_value, json_out_span(&name));
    }
    if (!req->whole_only)
        edit_stream(&x, quirks);
    edit_quirks(&x, quirks);
    cut_removed(&x);
    if (x.overflow)
        return -FAIL_BAD_REQUEST;
    sort(&x);
    for (unsigned i = 1; i < x.count; i++)
        CHECK(edits[i].at >= edits[i - 1].at + edits[i - 1].remove);
    return (int)x.count;
}
