/* stall.c - may a stalled answer be gone on with? See stall.h. (pure)
 *
 * Owns:     nothing; texts are in the exchange's arena.
 * Promises: an answer of which a tool call, media or a finish was sent is never gone on with; text
 *           that was sent is never followed by an answer from the start. */
#include "appliance/race/stall.h"

#include <assert.h>

#include "core/base.h"
#include "core/limits.h"

static const char *const texts[] = {
#define STALL(name, text) [STALL_##name] = text,
#include "appliance/race/stall.def"
#undef STALL
};
static_assert(countof(texts) == STALL_WHY_COUNT, "stall.def makes the enum and the texts alike");

/* --- what was said --- */

static void keep(struct stall_said *said, struct chat_text *text, struct span piece,
                 struct arena *arena) {
    if (said->full || said->text.n + said->reasoning.n + piece.n > ANSWER_MAX_BYTES ||
        !chat_text_add(text, arena, piece))
        said->full = true;
}

void stall_hear(struct stall_said *said, const struct chat_event *event, struct arena *arena) {
    if (chat_event_is_content(event)) {
        said->pieces++;
        said->others |= event->choice > 0;
    }
    switch (event->kind) {
    case CHAT_TEXT:
        keep(said, &said->text, event->text, arena);
        said->spoke |= !chat_is_blank(event->text);
        break;
    case CHAT_REASONING:
        said->thought |= event->text.n > 0;
        keep(said, &said->reasoning, event->text, arena);
        break;
    case CHAT_SIGNATURE:
    case CHAT_REDACTED: said->thought = true; break;
    case CHAT_REFUSAL: said->refused |= event->text.n > 0; break;
    case CHAT_TOOL_START:
    case CHAT_TOOL_ARGS: said->tool = true; break;
    case CHAT_MEDIA: said->media = true; break;
    case CHAT_FINISH: said->finished = true; break;
    case CHAT_START:
    case CHAT_EXTRA:
    case CHAT_USAGE:
    case CHAT_DONE:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
}

/* --- the verdict --- */

/* Why nobody may answer in its place, from wherever. */
static enum stall_why never(const struct stall_case *x) {
    if (x->on_stall == ON_STALL_FAIL)
        return STALL_SETTING;
    if (!fail_rescue(x->why))
        return STALL_CAUSE;
    if (!x->chat)
        return STALL_KIND;
    if (x->stateful)
        return STALL_STATE;
    if (x->said->finished)
        return STALL_FINISHED;
    return x->said->refused ? STALL_REFUSAL : STALL_NOTHING;
}

/* Why what was sent can be followed by nothing but its own rest. */
static enum stall_why sent(const struct stall_case *x) {
    const struct stall_said *said = x->said;
    if (x->choices > 1 || said->others)
        return STALL_CHOICES;
    if (said->tool)
        return STALL_TOOL;
    if (said->media)
        return STALL_MEDIA;
    if (x->own)
        return STALL_OWN;
    return said->full ? STALL_LARGE : STALL_NOTHING;
}

static enum stall_why no_restart(const struct stall_case *x) {
    if (!x->streaming)
        return STALL_NOTHING; /* nothing was sent */
    enum stall_why why = sent(x);
    return why == STALL_NOTHING && x->said->spoke ? STALL_SPOKEN : why;
}

static enum stall_why no_going_on(const struct stall_case *x) {
    if (x->on_stall != ON_STALL_CONTINUE)
        return STALL_SPOKEN;
    enum stall_why why = sent(x);
    if (why != STALL_NOTHING)
        return why;
    /* Without text there is nothing to go on with: from the start it is. */
    return x->said->thought || !x->said->spoke ? STALL_THOUGHT : STALL_NOTHING;
}

struct stall_verdict stall_judge(const struct stall_case *x) {
    enum stall_why why = never(x);
    if (why != STALL_NOTHING)
        return (struct stall_verdict){.why = why};
    enum stall_why no_rest = no_going_on(x);
    return (struct stall_verdict){.restart = no_restart(x) == STALL_NOTHING,
                                  .go_on = no_rest == STALL_NOTHING,
                                  .why = no_rest};
}

/* Servers of one's own know more ways to ask for a structure; they are members without a canonical
 * meaning. */
static bool structured(const struct chat_prompt *prompt) {
    static const struct span names[] = {
        SPAN_CONST("response_format"), SPAN_CONST("structured_outputs"),
        SPAN_CONST("guided_json"),     SPAN_CONST("guided_regex"),
        SPAN_CONST("guided_choice"),   SPAN_CONST("guided_grammar"),
        SPAN_CONST("regex"),           SPAN_CONST("ebnf"),
        SPAN_CONST("json_schema"),
    };
    for (const struct chat_extra *extra = prompt->extras; extra; extra = extra->next)
        for (unsigned i = 0; i < countof(names); i++)
            if (span_eq(extra->name, names[i]))
                return true;
    return prompt->format.kind == CHAT_FORMAT_OBJECT || prompt->format.kind == CHAT_FORMAT_SCHEMA;
}

enum stall_why stall_prompt(const struct chat_prompt *prompt) {
    if (structured(prompt))
        return STALL_FORMAT;
    if (prompt->last_message && prompt->last_message->role == CHAT_ASSISTANT)
        return STALL_PREFILLED;
    /* With reasoning asked for, an answer that was begun for it is refused or not thought over. */
    return prompt->thinking.wanted == CHAT_YES ? STALL_THOUGHT : STALL_NOTHING;
}

struct chat_usage stall_usage(const struct chat_usage *first, uint64_t pieces,
                              const struct chat_usage *rest) {
    struct chat_usage sum = *rest;
    uint64_t before = max_u64(first->known ? first->output_tokens : 0, pieces);
    if (!rest->known)
        return sum;
    sum.raw = span_of(NULL, 0); /* another one's own words for less */
    sum.output_tokens += before;
    if (first->known && first->input_tokens) {
        sum.input_tokens = first->input_tokens;
        sum.cached_tokens = first->cached_tokens;
        sum.cache_write_tokens = first->cache_write_tokens;
        return sum;
    }
    /* What was said before was part of its input; the client's own part is what remains. */
    sum.input_tokens = rest->input_tokens > before ? rest->input_tokens - before : 0;
    sum.cached_tokens = min_u64(rest->cached_tokens, sum.input_tokens);
    sum.cache_write_tokens =
        min_u64(rest->cache_write_tokens, sum.input_tokens - sum.cached_tokens);
    return sum;
}

const char *stall_why_text(enum stall_why why) {
    CHECK((unsigned)why < STALL_WHY_COUNT);
    return texts[why];
}
