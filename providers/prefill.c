/* prefill.c - asking for the rest of an answer. See prefill.h. (pure)
 *
 * Owns:     nothing; what is written is in the arena.
 * Promises: the limit of tokens is lowered by what was used up, but not to nothing: the client asked
 *           for one answer of that length.
 * Refuses:  a body that says itself how its last turn is to be taken. */
#include "providers/prefill.h"

#include "core/base.h"

struct span prefill_text(const struct prefill *prefill) {
    return prefill->how == CHAT_PREFILL_PLAIN ? chat_trim_end(prefill->text) : prefill->text;
}

static uint64_t tokens_left(uint64_t limit, const struct prefill *prefill) {
    return limit > prefill->tokens ? limit - prefill->tokens : 1;
}

/* --- edits --- */

struct editing {
    const struct chat_request *req;
    struct chat_edit *edits;
    unsigned count;
};

/* Before what was edited at the same place: an insertion goes in front of what is cut out there. */
static bool insert(struct editing *x, struct chat_edit edit) {
    unsigned at = x->count;
    if (x->count == CHAT_EDITS_MAX)
        return false;
    for (; at > 0 && x->edits[at - 1].at >= edit.at; at--)
        x->edits[at] = x->edits[at - 1];
    x->edits[at] = edit;
    x->count++;
    return true;
}

static size_t offset_of(const struct editing *x, const char *p) {
    return (size_t)(p - x->req->body.p);
}

static bool has_member(struct span body, struct span name) {
    struct json_token token;
    return json_find(body, &name, 1, &token);
}

/* The turn, behind the last of the messages, of which there is one at least. */
static int add_turn(struct editing *x, const struct prefill *prefill, struct arena *arena) {
    static const struct span path[] = {SPAN_CONST("messages")};
    struct json_token messages;
    struct json_out out;
    if (!json_find(x->req->body, path, countof(path), &messages) || messages.kind != JSON_ARRAY)
        return -FAIL_UNSUPPORTED;
    json_out_arena(&out, arena, prefill->text.n + 64);
    json_out_raw(&out, SPAN(",{\"role\":\"assistant\",\"content\":\""));
    json_out_raw(&out, prefill_text(prefill));
    json_out_raw(&out, SPAN("\""));
    if (prefill->how == CHAT_PREFILL_PREFIX)
        json_out_raw(&out, SPAN(",\"prefix\":true"));
    if (prefill->how == CHAT_PREFILL_PARTIAL)
        json_out_raw(&out, SPAN(",\"partial\":true"));
    json_out_raw(&out, SPAN("}"));
    if (out.full)
        return -FAIL_OVERLOAD;
    size_t end = offset_of(x, messages.raw.p) + messages.raw.n - 1; /* its closing bracket */
    return insert(x, (struct chat_edit){.at = end, .insert = json_out_span(&out)})
               ? 0
               : -FAIL_UNSUPPORTED;
}

static int add_members(struct editing *x) {
    static const struct span names[] = {SPAN_CONST("add_generation_prompt"),
                                        SPAN_CONST("continue_final_message")};
    for (unsigned i = 0; i < countof(names); i++)
        if (has_member(x->req->body, names[i]))
            return -FAIL_UNSUPPORTED;
    struct chat_edit edit = {
        .at = x->req->object_start,
        .insert = SPAN("\"add_generation_prompt\":false,\"continue_final_message\":true,")};
    return insert(x, edit) ? 0 : -FAIL_UNSUPPORTED;
}

/* The limit, where it was said once: of two spellings one may be cut out already. */
static int lower_limit(struct editing *x, const struct prefill *prefill, struct arena *arena) {
    const struct chat_request *req = x->req;
    struct span value =
        req->max_tokens_value.p ? req->max_tokens_value : req->max_completion_tokens_value;
    bool twice = req->max_tokens_value.p && req->max_completion_tokens_value.p;
    if (!value.p || twice || !req->max_output_tokens)
        return 0;
    struct span left = arena_printf(
        arena, "%llu", (unsigned long long)tokens_left(req->max_output_tokens, prefill));
    struct chat_edit edit = {.at = offset_of(x, value.p), .remove = value.n, .insert = left};
    if (!left.p)
        return -FAIL_OVERLOAD;
    return insert(x, edit) ? 0 : -FAIL_UNSUPPORTED;
}

int prefill_edit(const struct chat_request *req, const struct prefill *prefill, struct arena *arena,
                 struct chat_edit *edits, unsigned count) {
    struct editing x = {.req = req, .edits = edits, .count = count};
    CHECK(prefill->how != CHAT_PREFILL_NONE && prefill->text.n);
    int rc = add_turn(&x, prefill, arena);
    if (rc == 0 && prefill->how == CHAT_PREFILL_FINAL)
        rc = add_members(&x);
    if (rc == 0)
        rc = lower_limit(&x, prefill, arena);
    return rc < 0 ? rc : (int)x.count;
}

/* --- canonical prompts --- */

const struct chat_prompt *prefill_prompt(const struct chat_prompt *prompt,
                                         const struct prefill *prefill, struct arena *arena) {
    struct chat_prompt *copy = arena_zalloc(arena, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *prompt;
    copy->messages = copy->last_message = NULL;
    for (const struct chat_message *m = prompt->messages; m; m = m->next) {
        struct chat_message *turn = chat_add_message(copy, arena, m->role);
        if (!turn)
            return NULL;
        turn->name = m->name;
        turn->parts = m->parts;
        turn->at = m->at;
    }
    struct chat_message *last = chat_add_message(copy, arena, CHAT_ASSISTANT);
    struct chat_part *part = last ? chat_add_part(&last->parts, arena, CHAT_PART_TEXT) : NULL;
    if (!part)
        return NULL;
    part->text = prefill_text(prefill);
    if (copy->max_output_tokens)
        copy->max_output_tokens = tokens_left(copy->max_output_tokens, prefill);
    return copy;
}

size_t prefill_repeated(struct span lost, struct span rest) {
    size_t n = 0;
    while (n < lost.n && n < rest.n) {
        /* A whole character at a time, escapes as they were written. */
        size_t size = lost.p[n] != '\\' ? 1 : n + 1 < lost.n && lost.p[n + 1] == 'u' ? 6 : 2;
        if (n + size > lost.n || n + size > rest.n || memcmp(lost.p + n, rest.p + n, size) != 0)
            break;
        n += size;
    }
    return n;
}
