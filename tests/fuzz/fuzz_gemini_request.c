/* fuzz_gemini_request.c - generateContent requests: what is accepted is edited to valid JSON without
 * ids in calls, and is valid JSON again in whichever dialect it is written. The first byte of the
 * input chooses quirks, model and whether losses are allowed. */
#include <stdlib.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/gemini.h"
#include "providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_edits(const struct chat_request *req, struct arena *arena) {
    struct chat_edit edits[CHAT_EDITS_MAX];
    struct json_out out;
    size_t at = 0;
    CHECK(dialect_gemini.edit_request(req, SPAN("m"), 0, arena, edits) == 0);
    int count = dialect_gemini.edit_request(req, SPAN("m"), QUIRK_NO_CALL_IDS, arena, edits);
    CHECK(count >= 0 && count <= CHAT_EDITS_MAX);
    json_out_arena(&out, arena, req->body.n);
    for (int i = 0; i < count; i++) {
        CHECK(edits[i].at >= at && edits[i].at + edits[i].remove <= req->body.n);
        json_out_raw(&out, span_of(req->body.p + at, edits[i].at - at));
        json_out_raw(&out, edits[i].insert);
        at = edits[i].at + edits[i].remove;
    }
    json_out_raw(&out, span_from(req->body, at));
    struct chat_request again = {.path_model = SPAN("m")};
    struct span why, param;
    struct span edited = json_out_span(&out);
    CHECK(dialect_gemini.read_request(edited, arena, &again, &why, &param) == 0);
    CHECK(dialect_gemini.edit_request(&again, SPAN("m"), QUIRK_NO_CALL_IDS, arena, edits) == 0);
}

static void check_written(const struct chat_prompt *prompt, const struct dialect *dialect,
                          const char *model, unsigned flags, struct arena *arena) {
    struct chat_losses losses = {.lenient = flags & 1};
    struct chat_spell spell = {.model = span_str(model),
                               .quirks = flags & 2 ? QUIRK_NO_CALL_IDS : QUIRK_NO_REMOTE_IMAGES,
                               .losses = &losses};
    struct json_out out;
    spell.facts = model_facts_find(spell.model);
    json_out_arena(&out, arena, 0);
    int rc = dialect->write_prompt(prompt, &spell, arena, &out);
    CHECK(rc == 0 || rc == -FAIL_UNSUPPORTED);
    CHECK(rc == 0 || losses.why.n > 0);
    if (rc == 0)
        CHECK(json_check(json_out_span(&out), NULL, NULL) == 0);
}

static void run(struct span body, unsigned flags, struct arena *arena) {
    static const char *const models[] = {"gemini-3-pro", "gemini-2.5-flash", "gemini-1.5-pro"};
    struct chat_request req = {.path_model = SPAN("models/m"), .path_stream = true};
    struct chat_prompt prompt;
    struct span why, param;
    int rc = dialect_gemini.read_request(body, arena, &req, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0));
    if (rc < 0)
        return;
    CHECK(req.stream && req.choices >= 1 && req.input_tokens_estimate >= 1);
    check_edits(&req, arena);
    rc = dialect_gemini.read_prompt(&req, arena, &prompt, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0));
    if (rc < 0)
        return;
    for (unsigned i = 0; i < countof(models); i++)
        check_written(&prompt, &dialect_gemini, models[i], flags, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct memory memory;
    struct arena arena;
    if (size < 1)
        return 0;
    memory_init(&memory, (size_t)1 << 30, 0);
    arena_init(&arena, &memory);
    run(span_of((const char *)bytes + 1, size - 1), bytes[0], &arena);
    arena_fini(&arena);
    memory_fini(&memory);
    return 0;
}
