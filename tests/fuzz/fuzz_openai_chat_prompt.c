/* fuzz_openai_chat_prompt.c - requests of clients as canonical prompts, and those as bodies for
 * backends. The first byte chooses the quirks of the backend, the second its model, whether it is
 * strict, and whether the request is a chat or one of the old completions. Held to:
 *   - no crash, and a refusal has a sentence;
 *   - a body that was written is valid JSON, and a request that this dialect reads again;
 *   - read again and written again it is the same, byte for byte, with nothing left to lose: what
 *     was translated once needs no second translation. */
#include <stdlib.h>

#include "core/base.h"
#include "core/slab.h"
#include "providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define QUIRKS                                                                                     \
    (QUIRK_MAX_TOKENS_ONLY | QUIRK_NO_DEVELOPER_ROLE | QUIRK_NO_STREAM_OPTIONS | QUIRK_NO_SCHEMA | \
     QUIRK_REASONING_BACK | QUIRK_NO_REMOTE_IMAGES)
/* Bits of the second byte, over the model's number. */
#define STRICT     8
#define COMPLETION 16

static const char *const models[] = {"gpt-5.5", "gpt-4o", "deepseek-reasoner",
                                     "anthropic/claude-sonnet-4-5", "x"};

static struct span write_prompt(struct arena *arena, const struct chat_prompt *prompt,
                                const uint8_t *choice, struct chat_losses *losses) {
    struct span model = span_str(models[(choice[1] & 7) % countof(models)]);
    unsigned quirks = 0, bit = 0;
    struct json_out out;
    for (unsigned quirk = 1; quirk <= QUIRKS; quirk <<= 1)
        if (quirk & QUIRKS)
            quirks |= choice[0] >> bit++ & 1 ? quirk : 0;
    struct chat_spell spell = {.model = model,
                               .quirks = quirks,
                               .facts = model_facts_find(model),
                               .stream = prompt->stream,
                               .losses = losses};
    *losses = (struct chat_losses){.lenient = !(choice[1] & STRICT)};
    json_out_arena(&out, arena, 0);
    int rc = dialect_openai_chat.write_prompt(prompt, &spell, arena, &out);
    if (rc == -FAIL_UNSUPPORTED) {
        CHECK(!losses->lenient && losses->field.n > 0 && losses->why.n > 0);
        return span_of(NULL, 0);
    }
    CHECK(rc == 0 && !out.full);
    CHECK(json_check(json_out_span(&out), NULL, NULL) == 0);
    return json_out_span(&out);
}

static void run(struct span body, const uint8_t *choice, struct arena *arena) {
    const struct dialect *dialect =
        choice[1] & COMPLETION ? &dialect_openai_completions : &dialect_openai_chat;
    struct chat_request req, again;
    struct chat_prompt prompt, second;
    struct chat_losses losses;
    struct span why, param;
    if (dialect->read_request(body, arena, &req, &why, &param) < 0)
        return;
    int rc = dialect->read_prompt(&req, arena, &prompt, &why, &param);
    CHECK(rc == 0 || (rc == -FAIL_BAD_REQUEST && why.n > 0));
    if (rc < 0)
        return;
    struct span written = write_prompt(arena, &prompt, choice, &losses);
    if (!written.p)
        return;
    /* What is left of a message that lost a picture may be an array of one text, and then that text. */
    bool lost_part = losses.count > CHAT_LOSSES_MAX;
    for (unsigned i = 0; i < losses.count && !lost_part; i++)
        lost_part = span_starts(losses.names[i], SPAN("messages["));
    rc = dialect_openai_chat.read_request(written, arena, &again, &why, &param);
    CHECK(rc == 0);
    CHECK(again.stream == req.stream);
    CHECK(dialect_openai_chat.read_prompt(&again, arena, &second, &why, &param) == 0);
    struct span rewritten = write_prompt(arena, &second, choice, &losses);
    CHECK(losses.count == 0);
    CHECK(lost_part || span_eq(rewritten, written));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct memory memory;
    struct arena arena;
    if (size < 2)
        return 0;
    memory_init(&memory, (size_t)1 << 30, 0);
    arena_init(&arena, &memory);
    run(span_of((const char *)bytes + 2, size - 2), bytes, &arena);
    arena_fini(&arena);
    memory_fini(&memory);
    return 0;
}
