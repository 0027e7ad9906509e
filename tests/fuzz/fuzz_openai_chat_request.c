/* fuzz_openai_chat_request.c - chat requests: what is accepted and edited for a backend is valid
 * JSON, says what it was made to say, keeps everything else as it was (compared with yyjson), and
 * needs no second edit. The first byte of the input chooses the provider's quirks. */
#include <stdlib.h>
#include <yyjson.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define MODEL "backend\"s/model"
/* QUIRK_MODEL_IN_PATH is left out: then the model is not ours to say. */
#define QUIRKS (QUIRK_MAX_TOKENS_ONLY | QUIRK_NO_DEVELOPER_ROLE | QUIRK_NO_STREAM_OPTIONS)

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

static bool is_edited(const char *key) {
    static const char *const edited[] = {
        "model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "messages"};
    for (size_t i = 0; i < countof(edited); i++)
        if (strcmp(key, edited[i]) == 0)
            return true;
    return false;
}

/* A message list without its roles. */
static bool same_messages(yyjson_val *a, yyjson_val *b) {
    size_t i, n;
    yyjson_val *message;
    CHECK(yyjson_arr_size(a) == yyjson_arr_size(b));
    yyjson_arr_foreach(a, i, n, message) {
        yyjson_obj_iter from, to;
        yyjson_val *key_a, *key_b;
        CHECK(yyjson_obj_iter_init(message, &from) &&
              yyjson_obj_iter_init(yyjson_arr_get(b, i), &to));
        while ((key_a = yyjson_obj_iter_next(&from))) {
            key_b = yyjson_obj_iter_next(&to);
            CHECK(key_b && yyjson_equals(key_a, key_b));
            if (!yyjson_equals(yyjson_obj_iter_get_val(key_a), yyjson_obj_iter_get_val(key_b)))
                CHECK(yyjson_equals_str(key_a, "role") &&
                      yyjson_equals_str(yyjson_obj_iter_get_val(key_a), "developer") &&
                      yyjson_equals_str(yyjson_obj_iter_get_val(key_b), "system"));
        }
    }
    return true;
}

static void check_same(struct span before, struct span after, const struct chat_request *req,
                       unsigned quirks) {
    yyjson_doc *a = yyjson_read_opts((char *)before.p, before.n, 0, NULL, NULL);
    yyjson_doc *b = yyjson_read_opts((char *)after.p, after.n, 0, NULL, NULL);
    /* An escaped half of a surrogate pair is an error to yyjson, and none of the text to us. */
    if (a && b) {
        yyjson_val *from = yyjson_doc_get_root(a), *to = yyjson_doc_get_root(b), *key;
        yyjson_obj_iter iter, other;
        yyjson_obj_iter_init(from, &iter);
        yyjson_obj_iter_init(to, &other);
        while ((key = yyjson_obj_iter_next(&iter))) {
            yyjson_val *match;
            if (is_edited(yyjson_get_str(key)))
                continue;
            /* In order, for unknown members may be there twice. */
            while ((match = yyjson_obj_iter_next(&other)) && is_edited(yyjson_get_str(match)))
                ;
            CHECK(match && yyjson_equals(key, match));
            CHECK(yyjson_equals(yyjson_obj_iter_get_val(key), yyjson_obj_iter_get_val(match)));
        }
        CHECK(yyjson_equals_str(yyjson_obj_get(to, "model"), MODEL));
        CHECK(same_messages(yyjson_obj_get(from, "messages"), yyjson_obj_get(to, "messages")));
        if (!req->whole_only)
            CHECK(yyjson_is_true(yyjson_obj_get(to, "stream")));
        if (!req->whole_only && !(quirks & QUIRK_NO_STREAM_OPTIONS))
            CHECK(yyjson_is_true(
                yyjson_obj_get(yyjson_obj_get(to, "stream_options"), "include_usage")));
    }
    CHECK(!a == !b);
    yyjson_doc_free(a);
    yyjson_doc_free(b);
}

static void run(struct span body, unsigned quirks, struct arena *arena) {
    struct chat_request req, again;
    struct chat_edit edits[CHAT_EDITS_MAX];
    struct span why, param;
    int rc = dialect_openai_chat.read_request(body, arena, &req, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0));
    if (rc < 0)
        return;
    CHECK(req.model.n > 0 && req.choices >= 1 && req.choices <= CHOICES_MAX &&
          req.input_tokens_estimate >= 1);
    int count = dialect_openai_chat.edit_request(&req, SPAN(MODEL), quirks, arena, edits);
    CHECK(count >= 0 || (count == -FAIL_BAD_REQUEST && req.developer_count > CHAT_EDITS_MAX - 8));
    if (count < 0)
        return;
    struct span edited = apply(arena, &req, edits, count);
    CHECK(json_check(edited, NULL, NULL) == 0);
    check_same(body, edited, &req, quirks);
    CHECK(dialect_openai_chat.read_request(edited, arena, &again, &why, &param) == 0);
    CHECK(span_eq(again.model, SPAN(MODEL)) && again.max_output_tokens == req.max_output_tokens);
    CHECK(dialect_openai_chat.edit_request(&again, SPAN(MODEL), quirks, arena, edits) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct memory memory;
    struct arena arena;
    if (size < 1)
        return 0;
    memory_init(&memory, (size_t)1 << 30, 0);
    arena_init(&arena, &memory);
    run(span_of((const char *)bytes + 1, size - 1), bytes[0] & QUIRKS, &arena);
    arena_fini(&arena);
    memory_fini(&memory);
    return 0;
}
