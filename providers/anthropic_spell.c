/* anthropic_spell.c - writes the canonical prompt as a Messages body. (pure)
 *
 *     {"model"|"anthropic_version", "max_tokens", "system":[..], "messages":[..], "tools",
 *      "tool_choice", "thinking", "output_config", "temperature" .., "metadata", "stream"}
 *
 * Owns:     nothing; the text is `out`'s.
 * Promises: max_tokens is always there; what was asked for is said, or lost aloud, or is a hint.
 * Refuses:  through chat_lose what the API or the model (models.def) cannot do. */
#include "providers/anthropic.h"

/* Where models.def does not know the model's limit. */
#define MAX_TOKENS_DEFAULT 4096
/* metadata.user_id is at most as long. */
#define USER_ID_MAX 256

bool anthropic_lose(struct anthropic_spelling *x, struct span field, const char *why) {
    return chat_lose(x->spell->losses, field, span_str(why));
}

static void write_word(struct json_out *out, struct span key, struct span plain) {
    json_out_key(out, key);
    json_out_escaped(out, plain);
}

static void write_begin(struct anthropic_spelling *x) {
    struct json_out *out = x->out;
    json_out_object(out);
    if (x->spell->quirks & QUIRK_CLAUDE_ON_VERTEX) {
        write_word(out, SPAN("anthropic_version"), SPAN(ANTHROPIC_VERTEX_VERSION));
    } else {
        json_out_key(out, SPAN("model"));
        json_out_string(out, x->spell->model);
    }
    json_out_key(out, SPAN("max_tokens"));
    json_out_int(out, (int64_t)x->max_tokens);
}

/* --- what no Messages request can say --- */

static bool is_neutral(const struct chat_knob *knob, const char *neutral) {
    double value, nothing;
    if (span_eq(knob->value, span_str(neutral)))
        return true;
    return span_double(knob->value, &value) && span_double(span_str(neutral), &nothing) &&
           value == nothing;
}

static bool lose_knobs(struct anthropic_spelling *x) {
    const struct chat_prompt *prompt = x->prompt;
    /* `neutral` asks for what happens anyway. */
    const struct {
        const struct chat_knob *knob;
        const char *neutral;
    } rows[] = {
        {&prompt->seed, "null"},
        {&prompt->min_p, "0"},
        {&prompt->frequency_penalty, "0"},
        {&prompt->presence_penalty, "0"},
        {&prompt->logprobs, "false"},
        {&prompt->top_logprobs, "0"},
        {&prompt->verbosity, "\"medium\""},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        const struct chat_knob *knob = rows[i].knob;
        if (knob->value.n && !is_neutral(knob, rows[i].neutral) &&
            !anthropic_lose(x, span_str(knob->name), "the Messages API has no such setting"))
            return false;
    }
    if (prompt->choices > 1 &&
        !anthropic_lose(x, span_str(prompt->choices_name), "the Messages API gives one answer"))
        return false;
    return chat_lose_extras(x->spell->losses, prompt);
}

/* --- small members --- */

static bool write_stops(struct anthropic_spelling *x) {
    bool any = false;
    for (const struct chat_word *word = x->prompt->stop; word; word = word->next) {
        if (chat_is_blank(word->text)) {
            if (!anthropic_lose(x, span_str(x->prompt->stop_name),
                                "a stop sequence of white space only is refused there"))
                return false;
            continue;
        }
        if (!any) {
            json_out_key(x->out, SPAN("stop_sequences"));
            json_out_array(x->out);
        }
        any = true;
        json_out_escaped(x->out, word->text);
    }
    if (any)
        json_out_array_end(x->out);
    return true;
}

/* Hints: whose request it is, and how it is billed. */
static void write_hints(const struct anthropic_spelling *x) {
    struct span user = x->prompt->user, tier = x->prompt->service_tier;
    struct json_out *out = x->out;
    if (user.n && user.n <= USER_ID_MAX) {
        json_out_key(out, SPAN("metadata"));
        json_out_object(out);
        write_word(out, SPAN("user_id"), user);
        json_out_object_end(out);
    }
    if (x->spell->quirks & QUIRK_CLAUDE_ON_VERTEX)
        return; /* knows no tiers */
    if (span_eq(tier, SPAN("auto")))
        write_word(out, SPAN("service_tier"), tier);
    else if (span_eq(tier, SPAN("default")) || span_eq(tier, SPAN("standard_only")))
        write_word(out, SPAN("service_tier"), SPAN("standard_only"));
}

static bool write_all(struct anthropic_spelling *x) {
    if (!lose_knobs(x) || !anthropic_plan_turns(x))
        return false;
    write_begin(x);
    anthropic_write_system(x);
    anthropic_write_turns(x);
    if (!anthropic_write_tools(x) || !anthropic_write_thinking(x) || !anthropic_write_sampling(x) ||
        !write_stops(x))
        return false;
    write_hints(x);
    if (x->spell->stream) {
        json_out_key(x->out, SPAN("stream"));
        json_out_bool(x->out, true);
    }
    json_out_object_end(x->out);
    return true;
}

int anthropic_write_prompt(const struct chat_prompt *prompt, const struct chat_spell *spell,
                           struct arena *arena, struct json_out *out) {
    struct anthropic_spelling x = {.prompt = prompt, .spell = spell, .arena = arena, .out = out};
    x.max_tokens = prompt->max_output_tokens         ? prompt->max_output_tokens
                   : spell->facts->max_output_tokens ? spell->facts->max_output_tokens
                                                     : MAX_TOKENS_DEFAULT;
    if (!write_all(&x))
        return -FAIL_UNSUPPORTED;
    return out->full ? -FAIL_OVERLOAD : 0;
}
