/* fuzz_anthropic_request.c - Messages requests. The first two bytes of the input choose the quirks and
 * what the model can do. Held to:
 *   - what is accepted and edited is valid JSON, read again as the same request, and needs no second
 *     edit;
 *   - what is read as a prompt can be written for any model in lenient mode, as valid JSON that is a
 *     request again, and written from that once more it is the same bytes;
 *   - in strict mode it is written, or refused with a member and a sentence. */
#include <stdlib.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/anthropic.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define MODEL "backend\"s/model"

static struct span apply(struct arena *arena, struct span body, const struct chat_edit *edits,
                         int count) {
    struct json_out out;
    size_t at = 0;
    json_out_arena(&out, arena, body.n);
    for (int i = 0; i < count; i++) {
        CHECK(edits[i].at >= at && edits[i].at + edits[i].remove <= body.n);
        json_out_raw(&out, span_of(body.p + at, edits[i].at - at));
        json_out_raw(&out, edits[i].insert);
        at = edits[i].at + edits[i].remove;
    }
    json_out_raw(&out, span_from(body, at));
    CHECK(!out.full);
    return json_out_span(&out);
}

static bool read(struct span body, struct arena *arena, struct chat_request *req) {
    struct span why, param;
    *req = (struct chat_request){.choices = 0};
    int rc = dialect_anthropic.read_request(body, arena, req, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0));
    return rc == 0;
}

static void run_edits(const struct chat_request *req, unsigned quirks, struct arena *arena) {
    struct chat_edit edits[CHAT_EDITS_MAX];
    struct chat_request again;
    int count = dialect_anthropic.edit_request(req, SPAN(MODEL), quirks, arena, edits);
    CHECK(count >= 0 || count == -FAIL_BAD_REQUEST);
    if (count < 0)
        return;
    struct span edited = apply(arena, req->body, edits, count);
    CHECK(json_check(edited, NULL, NULL) == 0);
    if (quirks & QUIRK_CLAUDE_ON_VERTEX) {
        CHECK(!read(edited, arena, &again)); /* it has no model any more */
        return;
    }
    CHECK(read(edited, arena, &again));
    CHECK(span_eq(again.model, SPAN(MODEL)) && again.stream &&
          again.max_output_tokens == req->max_output_tokens);
    CHECK(dialect_anthropic.edit_request(&again, SPAN(MODEL), quirks, arena, edits) == 0);
}

static bool write(const struct chat_request *req, struct chat_spell *spell, struct arena *arena,
                  struct json_out *out) {
    struct chat_prompt prompt;
    struct span why, param;
    int rc = dialect_anthropic.read_prompt(req, arena, &prompt, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0 && param.n > 0));
    if (rc < 0)
        return false;
    json_out_arena(out, arena, 0);
    rc = dialect_anthropic.write_prompt(&prompt, spell, arena, out);
    CHECK(rc == 0 ||
          (!spell->losses->lenient && rc == -FAIL_UNSUPPORTED && spell->losses->why.n > 0));
    CHECK(rc < 0 || json_check(json_out_span(out), NULL, NULL) == 0);
    return rc == 0;
}

static void run_prompt(const struct chat_request *req, unsigned quirks, unsigned facts,
                       struct arena *arena) {
    struct model_facts model = {.max_output_tokens = 5000, .facts = facts};
    struct chat_losses lenient = {.lenient = true}, strict = {.lenient = false},
                       none = {.lenient = true};
    struct chat_spell spell = {.model = SPAN(MODEL),
                               .quirks = quirks,
                               .facts = &model,
                               .stream = req->stream,
                               .losses = &lenient};
    struct json_out once, twice, out;
    struct chat_request again;
    bool written = write(req, &spell, arena, &once);
    spell.losses = &strict;
    CHECK(write(req, &spell, arena, &out) == (written && !lenient.count));
    if (!written || quirks & QUIRK_CLAUDE_ON_VERTEX)
        return;
    CHECK(read(json_out_span(&once), arena, &again));
    spell.losses = &none;
    CHECK(write(&again, &spell, arena, &twice));
    CHECK(span_eq(json_out_span(&once), json_out_span(&twice)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const unsigned quirks[] = {0, QUIRK_CLAUDE_ON_VERTEX, QUIRK_NO_SCHEMA,
                                      QUIRK_NO_REMOTE_IMAGES};
    struct memory memory;
    struct arena arena;
    struct chat_request req;
    if (size < 2)
        return 0;
    memory_init(&memory, (size_t)1 << 30, 0);
    arena_init(&arena, &memory);
    if (read(span_of((const char *)bytes + 2, size - 2), &arena, &req)) {
        CHECK(req.model.n > 0 && req.input_tokens_estimate >= 1 && req.max_output_tokens >= 1);
        run_edits(&req, quirks[bytes[0] & 3], &arena);
        run_prompt(&req, quirks[bytes[0] & 3], bytes[1], &arena);
    }
    arena_fini(&arena);
    memory_fini(&memory);
    return 0;
}
