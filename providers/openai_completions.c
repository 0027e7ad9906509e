/* openai_completions.c - a client's completions request: read, and as one user message for backends
 * that only chat. (pure)
 *
 * Owns:     nothing.
 * Promises: a prompt goes as it is to backends of this dialect; elsewhere a single text becomes one
 *           user message (PROVIDERS.md 4.3), with the 16 tokens of answer that this API gives when
 *           the client asked for no number.
 * Refuses:  elsewhere, what is about completing a text and not about answering a message: several
 *           prompts, tokens, echo, suffix, log probabilities, best_of. */
#include "providers/openai_completions.h"

#include "providers/openai_chat_prompt.h"

/* The default of CreateCompletionRequest. */
#define OUTPUT_TOKENS_DEFAULT 16

int openai_completions_read_request(struct span body, struct arena *arena, struct chat_request *req,
                                    struct span *why, struct span *param) {
    return openai_read_request(OPENAI_COMPLETION, body, arena, req, why, param);
}

enum {
    PROMPT,
    ECHO,
    SUFFIX,
    BEST_OF,
    STOP,
    USER,
    TEMPERATURE,
    TOP_P,
    TOP_K,
    MIN_P,
    SEED,
    FREQUENCY_PENALTY,
    PRESENCE_PENALTY,
    LOGPROBS,
    TOP_COUNT
};
static const struct span top_names[TOP_COUNT] = {
    [PROMPT] = SPAN_CONST("prompt"),
    [ECHO] = SPAN_CONST("echo"),
    [SUFFIX] = SPAN_CONST("suffix"),
    [BEST_OF] = SPAN_CONST("best_of"),
    [STOP] = SPAN_CONST("stop"),
    [USER] = SPAN_CONST("user"),
    [TEMPERATURE] = SPAN_CONST("temperature"),
    [TOP_P] = SPAN_CONST("top_p"),
    [TOP_K] = SPAN_CONST("top_k"),
    [MIN_P] = SPAN_CONST("min_p"),
    [SEED] = SPAN_CONST("seed"),
    [FREQUENCY_PENALTY] = SPAN_CONST("frequency_penalty"),
    [PRESENCE_PENALTY] = SPAN_CONST("presence_penalty"),
    [LOGPROBS] = SPAN_CONST("logprobs"),
};

static int take_other(struct openai_prompt *x, struct span where, struct span name,
                      struct span value) {
    static const struct span known[] = {SPAN_CONST("model"), SPAN_CONST("stream"),
                                        SPAN_CONST("max_tokens"), SPAN_CONST("n")};
    (void)where;
    for (unsigned i = 0; i < countof(known); i++)
        if (span_eq(name, known[i]))
            return 0;
    return openai_prompt_extra(x, name, value, span_eq(name, SPAN("stream_options")));
}

/* Members that a chat has no word for, unless they say what is so anyway. */
static int refuse_texts(struct openai_prompt *x, const struct span *values) {
    static const char why[] = "only backends with completions of text can do this; leave it out";
    const struct {
        unsigned member;
        const char *nothing; /* the value that asks for nothing */
    } rows[] = {{ECHO, "false"}, {SUFFIX, "\"\""}, {BEST_OF, "1"}, {LOGPROBS, "false"}};
    for (unsigned i = 0; i < countof(rows); i++) {
        struct span value = values[rows[i].member];
        if (value.n && !span_eq(value, span_str(rows[i].nothing)))
            return openai_prompt_refuse(x, top_names[rows[i].member], why);
    }
    return 0;
}

/* A text, or an array of one. */
static int read_text(struct openai_prompt *x, struct span value) {
    struct json json;
    struct json_token token, behind = {.kind = JSON_ARRAY_END};
    json_init(&json, value);
    if (json_next(&json, &token) == JSON_ARRAY) {
        json_next(&json, &token);
        json_next(&json, &behind);
    }
    if (token.kind != JSON_STRING || behind.kind != JSON_ARRAY_END)
        return openai_prompt_refuse(x, top_names[PROMPT],
                                    "this model's backends take one text; send one string");
    struct chat_message *message = chat_add_message(x->prompt, x->arena, CHAT_USER);
    struct chat_part *part =
        message ? chat_add_part(&message->parts, x->arena, CHAT_PART_TEXT) : NULL;
    if (!part)
        return openai_prompt_memory(x);
    part->text = token.raw;
    return 0;
}

static int read_knobs(struct openai_prompt *x, const struct span *values) {
    struct chat_prompt *prompt = x->prompt;
    const struct {
        unsigned member;
        struct chat_knob *knob;
    } rows[] = {
        {TEMPERATURE, &prompt->temperature},
        {TOP_P, &prompt->top_p},
        {TOP_K, &prompt->top_k},
        {MIN_P, &prompt->min_p},
        {SEED, &prompt->seed},
        {FREQUENCY_PENALTY, &prompt->frequency_penalty},
        {PRESENCE_PENALTY, &prompt->presence_penalty},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        int rc = openai_prompt_knob(x, values[rows[i].member], top_names[rows[i].member].p,
                                    OPENAI_NUMBER, rows[i].knob);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int openai_completions_read_prompt(const struct chat_request *req, struct arena *arena,
                                   struct chat_prompt *prompt, struct span *why,
                                   struct span *param) {
    struct openai_prompt x = {.arena = arena, .prompt = prompt, .why = why, .param = param};
    static const struct openai_others others = {.take = take_other};
    struct span values[TOP_COUNT];
    chat_prompt_init(prompt);
    *why = *param = SPAN("");
    prompt->stream = req->stream;
    prompt->include_usage = req->include_usage;
    prompt->choices = req->choices;
    prompt->user = req->user;
    prompt->max_output_tokens =
        req->max_output_tokens ? req->max_output_tokens : OUTPUT_TOKENS_DEFAULT;
    int rc = openai_prompt_members(&x, req->body, top_names, TOP_COUNT, values, &others);
    if (rc == 0)
        rc = refuse_texts(&x, values);
    if (rc == 0)
        rc = read_text(&x, values[PROMPT]);
    if (rc == 0)
        rc = openai_prompt_stop(&x, values[STOP]);
    return rc < 0 ? rc : read_knobs(&x, values);
}
