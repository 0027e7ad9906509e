/* fuzz_embeddings.c - requests for embeddings and answers to them, the same bytes taken for both.
 * Held to: no crash; a request that is accepted is valid JSON, says what yyjson says, and stays so
 * with another model; an answer that is whole has embeddings in yyjson's eyes too. What is written for
 * an API that is not OpenAI's is valid JSON, and what is read of one is a whole answer of OpenAI's with
 * one embedding for each input. */
#include <stdlib.h>
#include <yyjson.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/embeddings.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define MODEL "back\"end"

static yyjson_doc *parse(struct span text) {
    return yyjson_read_opts((char *)text.p, text.n, 0, NULL, NULL);
}

static void check_input(const struct embeddings_request *req, yyjson_val *input) {
    yyjson_val *first = yyjson_arr_get_first(input);
    switch (req->input) {
    case EMBEDDINGS_TEXT: CHECK(yyjson_get_len(input) > 0 && yyjson_is_str(input)); break;
    case EMBEDDINGS_TEXTS: CHECK(yyjson_is_str(first)); break;
    case EMBEDDINGS_TOKENS: CHECK(yyjson_is_uint(first)); break;
    case EMBEDDINGS_TOKEN_LISTS: CHECK(yyjson_is_uint(yyjson_arr_get_first(first))); break;
    }
    bool many = req->input == EMBEDDINGS_TEXTS || req->input == EMBEDDINGS_TOKEN_LISTS;
    CHECK(req->inputs == (many ? yyjson_arr_size(input) : 1));
}

static void run_request(struct span body, struct arena *arena) {
    struct embeddings_request req;
    struct chat_edit edit[CHAT_EDITS_MAX];
    struct span why, param;
    struct json_out out;
    int rc = embeddings_read_request(body, arena, &req, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0));
    if (rc < 0)
        return;
    CHECK(json_check(body, NULL, NULL) == 0 && req.inputs > 0 && req.input_tokens_estimate > 0);
    CHECK(embeddings_edit(&req, SPAN(MODEL), 0, arena, edit) == 1);
    json_out_arena(&out, arena, 0);
    json_out_raw(&out, span_of(body.p, edit->at));
    json_out_raw(&out, edit->insert);
    json_out_raw(&out, span_from(body, edit->at + edit->remove));
    yyjson_doc *before = parse(body), *after = parse(json_out_span(&out));
    CHECK(json_check(json_out_span(&out), NULL, NULL) == 0);
    if (before && after) {
        yyjson_val *root = yyjson_doc_get_root(after);
        CHECK(yyjson_equals_str(yyjson_obj_get(root, "model"), MODEL));
        check_input(&req, yyjson_obj_get(root, "input"));
        CHECK(yyjson_equals(yyjson_obj_get(root, "input"),
                            yyjson_obj_get(yyjson_doc_get_root(before), "input")));
    }
    yyjson_doc_free(before);
    yyjson_doc_free(after);
}

static void run_answer(struct span body) {
    struct chat_usage usage;
    int rc = embeddings_check_body(body, &usage);
    CHECK(rc <= 0 && rc > -FAIL_COUNT);
    if (rc < 0)
        return;
    yyjson_doc *doc = parse(body);
    CHECK(json_check(body, NULL, NULL) == 0);
    if (doc) {
        yyjson_val *root = yyjson_doc_get_root(doc);
        CHECK(yyjson_is_obj(root) && yyjson_obj_get(root, "data"));
    }
    yyjson_doc_free(doc);
}

static void check_respelt(struct span text, const struct embeddings_request *req) {
    struct chat_usage usage;
    size_t i, max;
    yyjson_val *item;
    CHECK(json_check(text, NULL, NULL) == 0);
    CHECK(embeddings_check_body(text, &usage) == 0 && usage.known);
    yyjson_doc *doc = parse(text);
    yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(doc), "data");
    CHECK(!doc || yyjson_arr_size(data) == req->inputs);
    yyjson_arr_foreach(data, i, max, item) {
        yyjson_val *embedding = yyjson_obj_get(item, "embedding");
        CHECK(yyjson_get_uint(yyjson_obj_get(item, "index")) == i);
        CHECK(req->encoding_format.n
                  ? yyjson_get_len(embedding) % 4 == 0 && yyjson_is_str(embedding)
                  : yyjson_arr_size(embedding) > 0);
    }
    yyjson_doc_free(doc);
}

static void run_apis(struct span body, struct arena *arena) {
    struct embeddings_request req;
    struct span why, param;
    struct chat_usage usage;
    struct json_out out;
    bool asked = embeddings_read_request(body, arena, &req, &why, &param) == 0;
    for (unsigned api = EMBEDDINGS_UNKNOWN + 1; api <= EMBEDDINGS_VERTEX; api++) {
        for (unsigned lenient = 0; asked && lenient < 2; lenient++) {
            struct chat_losses losses = {.lenient = lenient};
            json_out_arena(&out, arena, 0);
            int rc = embeddings_write(&req, api, &losses, &out);
            CHECK(rc == 0 ? json_check(json_out_span(&out), NULL, NULL) == 0 : losses.why.n > 0);
        }
        for (unsigned inputs = 1; inputs <= 3; inputs++) {
            struct embeddings_request want = {.inputs = inputs};
            want.encoding_format = inputs == 2 ? SPAN("base64") : SPAN("");
            json_out_arena(&out, arena, 0);
            int rc = embeddings_read(body, api, &want, SPAN(MODEL), &out, &usage);
            CHECK(rc <= 0 && rc > -FAIL_COUNT);
            if (rc == 0)
                check_respelt(json_out_span(&out), &want);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct memory memory;
    struct arena arena;
    /* A copy of exactly these bytes, so that a read behind them is seen. */
    char *copy = malloc(size ? size : 1);
    CHECK(copy);
    if (size)
        memcpy(copy, bytes, size);
    memory_init(&memory, (size_t)1 << 30, 0);
    arena_init(&arena, &memory);
    run_request(span_of(copy, size), &arena);
    run_answer(span_of(copy, size));
    run_apis(span_of(copy, size), &arena);
    arena_fini(&arena);
    memory_fini(&memory);
    free(copy);
    return 0;
}
