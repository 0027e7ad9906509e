/* fuzz_openai_responses_request.c - Responses requests: what is accepted and edited for a backend is
 * valid JSON, says what it was made to say, keeps everything else as it was (compared with yyjson),
 * and needs no second edit; what is read as a prompt can be written again, reads the same, and is
 * written the same. */
#include <stdlib.h>
#include <yyjson.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/openai_responses.h"
#include "providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define RESPONSES (&dialect_openai_responses)
#define MODEL     "backend\"s/model"

static struct span apply(struct arena *arena, const struct chat_request *req,
                         const struct chat_edit *edits, int count) {
    struct json_out out;
    size_t at = 0;
    json_out_arena(&out, arena, req->body.n);
    for (int i = 0; i < count; i++) {
        CHECK(edits[i].at >= at && edits[i].at + edits[i].remove <= req->body.n);
        json_out_raw(&out, span_of(req->body.p + at, edits[i].at - at));
        json_out_raw(&out, edits[i].insert);
        at = edits[i].at + edits[i].remove;
    }
    json_out_raw(&out, span_from(req->body, at));
    CHECK(!out.full);
    return json_out_span(&out);
}

/* Of `input` reasoning of other makers may be left out; the unit tests look at that. */
static bool is_edited(yyjson_val *key) {
    return yyjson_equals_str(key, "model") || yyjson_equals_str(key, "stream");
}

static bool is_sealed_by_us(yyjson_val *item) {
    yyjson_val *key, *value;
    size_t i, n;
    /* Every member of that name: given twice, the last one counts. */
    yyjson_obj_foreach(item, i, n, key, value) {
        const char *sealed = yyjson_get_str(value);
        if (yyjson_equals_str(key, "encrypted_content") && sealed &&
            strncmp(sealed, "hedgerow.", 9) == 0)
            return true;
    }
    return false;
}

static bool is_carrying(yyjson_val *input) {
    yyjson_val *item;
    size_t i, n;
    yyjson_arr_foreach(input, i, n, item) if (is_sealed_by_us(item)) return true;
    return false;
}

static void check_same(struct span before, struct span after) {
    yyjson_doc *a = yyjson_read_opts((char *)before.p, before.n, 0, NULL, NULL);
    yyjson_doc *b = yyjson_read_opts((char *)after.p, after.n, 0, NULL, NULL);
    /* An escaped half of a surrogate pair is an error to yyjson, and none of the text to us. */
    CHECK(!a == !b);
    if (a) {
        yyjson_val *from = yyjson_doc_get_root(a), *to = yyjson_doc_get_root(b), *key, *match;
        yyjson_obj_iter iter, other;
        yyjson_obj_iter_init(from, &iter);
        yyjson_obj_iter_init(to, &other);
        while ((key = yyjson_obj_iter_next(&iter))) {
            if (is_edited(key))
                continue;
            /* In order, for unknown members may be there twice. */
            while ((match = yyjson_obj_iter_next(&other)) && is_edited(match))
                ;
            CHECK(match && yyjson_equals(key, match));
            CHECK(yyjson_equals(yyjson_obj_iter_get_val(key), yyjson_obj_iter_get_val(match)) ||
                  is_carrying(yyjson_obj_iter_get_val(key)));
        }
        CHECK(yyjson_equals_str(yyjson_obj_get(to, "model"), MODEL));
        CHECK(yyjson_is_true(yyjson_obj_get(to, "stream")));
    }
    yyjson_doc_free(a);
    yyjson_doc_free(b);
}

static struct span write_prompt(const struct chat_prompt *prompt, struct arena *arena,
                                unsigned *lost) {
    struct chat_losses losses = {.lenient = true};
    struct chat_spell spell = {.model = SPAN(MODEL),
                               .facts = model_facts_find(SPAN("gpt-5")),
                               .quirks = QUIRK_REASONING_BACK,
                               .stream = true,
                               .losses = &losses};
    struct json_out out;
    json_out_arena(&out, arena, 0);
    CHECK(RESPONSES->write_prompt(prompt, &spell, arena, &out) == 0);
    CHECK(json_check(json_out_span(&out), NULL, NULL) == 0);
    *lost = losses.count;
    return json_out_span(&out);
}

/* Every turn has something that this API can be told. */
static bool all_turns_speak(const struct chat_prompt *prompt) {
    for (const struct chat_message *turn = prompt->messages; turn; turn = turn->next) {
        if (!turn->parts)
            return false;
        for (const struct chat_part *part = turn->parts; part; part = part->next)
            if (part->signer == CHAT_SIGNER_ANTHROPIC || part->signer == CHAT_SIGNER_GOOGLE)
                return false;
    }
    return true;
}

static void check_prompt(const struct chat_request *req, struct arena *arena) {
    struct chat_prompt prompt, again;
    struct chat_request written;
    struct span why, param, id;
    int rc = RESPONSES->read_prompt(req, arena, &prompt, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0 && param.n > 0));
    if (rc < 0)
        return;
    CHECK(!openai_responses_stateful(req, &id));
    unsigned lost;
    struct span first = write_prompt(&prompt, arena, &lost);
    /* Turns without content leave nothing to ask. */
    rc = RESPONSES->read_request(first, arena, &written, &why, &param);
    CHECK(rc == 0 || span_eq(param, SPAN("input")));
    if (rc < 0)
        return;
    CHECK(RESPONSES->read_prompt(&written, arena, &again, &why, &param) == 0);
    /* Where a part was lost, or a turn says nothing, the rest may be said more simply. */
    bool whole = lost == 0 && all_turns_speak(&prompt);
    struct span second = write_prompt(&again, arena, &lost);
    CHECK(lost == 0 && (!whole || span_eq(second, first)));
}

static void run(struct span body, struct arena *arena) {
    struct chat_request req, again;
    struct chat_edit edits[CHAT_EDITS_MAX];
    struct span why, param, id, other;
    int rc = RESPONSES->read_request(body, arena, &req, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0));
    if (rc < 0)
        return;
    CHECK(req.model.n > 0 && req.choices == 1 && req.input_tokens_estimate >= 1);
    int count = RESPONSES->edit_request(&req, SPAN(MODEL), 0, arena, edits);
    CHECK(count >= 0);
    struct span edited = apply(arena, &req, edits, count);
    CHECK(json_check(edited, NULL, NULL) == 0);
    check_same(body, edited);
    rc = RESPONSES->read_request(edited, arena, &again, &why, &param);
    if (rc < 0) {
        /* An input of nothing but such reasoning is empty without it. */
        CHECK(span_eq(param, SPAN("input")) && span_search(edited, SPAN("[]")) < edited.n);
        return;
    }
    CHECK(span_eq(again.model, SPAN(MODEL)) && again.stream);
    CHECK(openai_responses_stateful(&again, &id) == openai_responses_stateful(&req, &other));
    CHECK(span_eq(id, other));
    CHECK(RESPONSES->edit_request(&again, SPAN(MODEL), 0, arena, edits) == 0);
    check_prompt(&req, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct memory memory;
    struct arena arena;
    memory_init(&memory, (size_t)1 << 30, 0);
    arena_init(&arena, &memory);
    run(span_of((const char *)bytes, size), &arena);
    arena_fini(&arena);
    memory_fini(&memory);
    return 0;
}
