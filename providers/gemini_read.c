/* gemini_read.c - reads GenerateContentResponse events and bodies. (pure)
 *
 *     data: {"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"index":0}], ...}
 *     data: {"candidates":[{"finishReason":"STOP","index":0}],"usageMetadata":{..}}
 *     (end of bytes: there is no end mark)
 *
 * Owns:     nothing; what is known of the answer is in the arena, under reader->own.
 * Promises: an event is checked whole before anything of it is given: half an event must not win the
 *           race. A function call comes with whole arguments. The stream is whole only when every
 *           candidate that spoke has said why it finished, or the prompt was blocked.
 * Refuses:  what is no JSON object: ERROR with BAD_EVENT. Unknown members, parts and words are read
 *           over. */
#include "providers/gemini.h"

#include <limits.h>

#include "core/limits.h"

/* Beyond any model's count; keeps sums from wrapping. */
#define TOKENS_MAX (UINT64_MAX / 8)
/* A finish reason that says the model failed. */
#define CHAT_FINISH_FAULT ((enum chat_finish)100)

static const struct {
    struct span word;
    enum chat_finish finish;
} finishes[] = {
#define GEMINI_FINISH(word, finish) {SPAN_CONST(word), CHAT_FINISH_##finish},
#include "providers/gemini_finish.def"
#undef GEMINI_FINISH
};

void gemini_reader_init(struct chat_reader *reader, struct arena *arena) {
    *reader = (struct chat_reader){.arena = arena};
    reader->own = arena_zalloc(arena, sizeof(struct gemini_answer));
}

/* --- giving --- */

void gemini_give(struct gemini_reading *x, struct chat_event *event) {
    struct chat_reader *reader = x->reader;
    if (reader->ended || x->failed != FAIL_NONE)
        return;
    event->answer = &reader->answer;
    reader->content |= chat_event_is_content(event);
    reader->ended = event->kind == CHAT_DONE || event->kind == CHAT_ERROR;
    x->given = true;
    x->sink.event(x->sink.owner, event);
}

static void give_error(struct gemini_reading *x, enum fail why, struct span message) {
    x->failed = FAIL_NONE;
    gemini_give(x, &(struct chat_event){.kind = CHAT_ERROR, .error = why, .message = message});
}

static void give_start(struct gemini_reading *x, struct span object) {
    struct chat_reader *reader = x->reader;
    struct json_token id, model;
    if (reader->started)
        return;
    reader->started = true;
    if (gemini_find(object, SPAN("responseId"), &id) && id.kind == JSON_STRING)
        reader->answer.id = arena_copy(reader->arena, id.raw);
    if (gemini_find(object, SPAN("modelVersion"), &model) && model.kind == JSON_STRING)
        reader->answer.model = arena_copy(reader->arena, model.raw);
    gemini_give(x, &(struct chat_event){
                       .kind = CHAT_START, .id = reader->answer.id, .name = reader->answer.model});
}

static struct gemini_candidate *candidate_at(struct gemini_reading *x, uint64_t index) {
    struct gemini_answer *answer = x->answer;
    if (index >= CHOICES_MAX) {
        x->failed = FAIL_BAD_EVENT;
        return NULL;
    }
    if (index >= answer->max) {
        unsigned max = answer->max ? answer->max : 1;
        while (max <= index)
            max *= 2;
        struct gemini_candidate *candidates =
            arena_zalloc(x->reader->arena, max * sizeof *candidates);
        if (!candidates) {
            x->failed = FAIL_OVERLOAD;
            return NULL;
        }
        if (answer->count)
            memcpy(candidates, answer->candidates, answer->count * sizeof *candidates);
        answer->candidates = candidates;
        answer->max = max;
    }
    if (index >= answer->count)
        answer->count = (unsigned)index + 1;
    answer->candidates[index].seen = true;
    return &answer->candidates[index];
}

/* --- the object --- */

static enum chat_finish finish_of(struct span word) {
    for (unsigned i = 0; i < countof(finishes); i++)
        if (span_eq(word, finishes[i].word))
            return finishes[i].finish;
    return CHAT_FINISH_FAULT;
}

/* The call and its STOP come in different chunks: what counts is whether there was any. */
static void read_finish(struct gemini_reading *x, unsigned index, const struct json_token *reason,
                        struct span why) {
    struct gemini_candidate *candidate = &x->answer->candidates[index];
    enum chat_finish finish = finish_of(reason->raw);
    gemini_close_call(x, index);
    if (finish == CHAT_FINISH_FAULT) {
        if (!x->reader->content && x->failed == FAIL_NONE) {
            x->failed = FAIL_ERROR_EVENT;
            x->message = why;
            return;
        }
        finish = CHAT_FINISH_STOP;
    }
    if (finish == CHAT_FINISH_STOP && candidate->tool_count)
        finish = CHAT_FINISH_TOOL_CALLS;
    /* Old models say STOP in each chunk. */
    if (candidate->finish == finish)
        return;
    candidate->finish = finish;
    gemini_give(x, &(struct chat_event){.kind = CHAT_FINISH, .choice = index, .finish = finish});
}

static void read_candidate(struct gemini_reading *x, struct span object, unsigned position) {
    struct json json;
    struct json_token key, value, content = {.kind = JSON_NULL}, reason = {.kind = JSON_NULL};
    struct span why = SPAN("");
    uint64_t index = position;
    gemini_open(&json, object);
    while (gemini_pair(&json, &key, &value)) {
        if (gemini_is(&key, SPAN("index")))
            gemini_count(&value, UINT_MAX, &index);
        else if (gemini_is(&key, SPAN("content")) && value.kind == JSON_OBJECT)
            content = value;
        else if (gemini_is(&key, SPAN("finishReason")) && value.kind == JSON_STRING &&
                 !json_is(&value, SPAN("FINISH_REASON_UNSPECIFIED")))
            reason = value;
        else if (gemini_is(&key, SPAN("finishMessage")) && value.kind == JSON_STRING)
            why = value.raw;
    }
    if (!candidate_at(x, index))
        return;
    if (content.kind == JSON_OBJECT)
        gemini_read_parts(x, (unsigned)index, content.raw);
    if (reason.kind == JSON_STRING && x->failed == FAIL_NONE)
        read_finish(x, (unsigned)index, &reason, why);
}

/* A blocked prompt is an answer: there will be no candidates. */
static void read_feedback(struct gemini_reading *x, struct span feedback) {
    struct json_token reason;
    if (x->answer->count || !gemini_find(feedback, SPAN("blockReason"), &reason))
        return;
    struct gemini_candidate *candidate = candidate_at(x, 0);
    if (!candidate)
        return;
    candidate->finish = CHAT_FINISH_CONTENT_FILTER;
    gemini_give(
        x, &(struct chat_event){.kind = CHAT_FINISH, .choice = 0, .finish = candidate->finish});
}

static void read_usage(struct gemini_reading *x, struct span object) {
    struct chat_reader *reader = x->reader;
    struct json json;
    struct json_token key, value;
    uint64_t prompt = 0, tools = 0, candidates = 0, thoughts = 0, cached = 0;
    const struct {
        struct span name;
        uint64_t *to;
    } counts[] = {
        {SPAN("promptTokenCount"), &prompt},         {SPAN("toolUsePromptTokenCount"), &tools},
        {SPAN("candidatesTokenCount"), &candidates}, {SPAN("thoughtsTokenCount"), &thoughts},
        {SPAN("cachedContentTokenCount"), &cached},
    };
    bool any = false;
    gemini_open(&json, object);
    while (gemini_pair(&json, &key, &value))
        for (unsigned i = 0; i < countof(counts); i++)
            if (gemini_is(&key, counts[i].name))
                any |= gemini_count(&value, TOKENS_MAX, counts[i].to);
    if (!any)
        return; /* {"trafficType":"ON_DEMAND"} in all chunks but the last */
    reader->usage = (struct chat_usage){.known = true,
                                        .input_tokens = prompt + tools,
                                        .output_tokens = candidates + thoughts,
                                        .cached_tokens = cached,
                                        .reasoning_tokens = thoughts};
    gemini_give(x, &(struct chat_event){.kind = CHAT_USAGE, .usage = reader->usage});
}

static bool all_finished(const struct gemini_answer *answer) {
    bool any = false;
    for (unsigned i = 0; i < answer->count; i++) {
        if (answer->candidates[i].seen && answer->candidates[i].finish == CHAT_FINISH_NONE)
            return false;
        any |= answer->candidates[i].seen;
    }
    return any;
}

static void read_candidates(struct gemini_reading *x, struct span candidates) {
    struct json json;
    struct json_token candidate;
    gemini_open(&json, candidates);
    for (unsigned i = 0; x->failed == FAIL_NONE && gemini_item(&json, &candidate); i++)
        if (candidate.kind == JSON_OBJECT)
            read_candidate(x, candidate.raw, i);
}

/* One GenerateContentResponse, valid JSON. */
static void read_object(struct gemini_reading *x, struct span object) {
    struct json_token candidates, feedback, usage;
    struct chat_error error;
    gemini_read_error(object, &error);
    if (error.message.n || error.code.n || error.status.n) {
        enum fail why = gemini_error_fail(&error, object);
        give_error(x, why == FAIL_NONE ? FAIL_ERROR_EVENT : why, error.message);
        return;
    }
    bool speaks =
        gemini_find(object, SPAN("candidates"), &candidates) && candidates.kind == JSON_ARRAY;
    bool feeds =
        gemini_find(object, SPAN("promptFeedback"), &feedback) && feedback.kind == JSON_OBJECT;
    if (speaks || feeds)
        give_start(x, object);
    if (speaks)
        read_candidates(x, candidates.raw);
    if (feeds && x->failed == FAIL_NONE)
        read_feedback(x, feedback.raw);
    if (x->failed == FAIL_NONE && gemini_find(object, SPAN("usageMetadata"), &usage) &&
        usage.kind == JSON_OBJECT)
        read_usage(x, usage.raw);
    x->reader->finished = all_finished(x->answer);
    if (x->failed != FAIL_NONE)
        give_error(x, x->failed, x->message);
}

/* --- events, ends, bodies --- */

static bool begin(struct gemini_reading *x, struct chat_reader *reader, struct chat_sink sink) {
    *x = (struct gemini_reading){.reader = reader, .answer = reader->own, .sink = sink};
    if (reader->ended)
        return false;
    if (!x->answer)
        give_error(x, FAIL_OVERLOAD, SPAN(""));
    return x->answer != NULL;
}

enum chat_relay gemini_read_event(struct chat_reader *reader, struct span name, struct span data,
                                  struct chat_sink sink) {
    struct gemini_reading x;
    size_t at;
    (void)name;
    if (!begin(&x, reader, sink))
        return CHAT_DROP;
    /* Data joined from several lines cannot stand in one. */
    bool lines = data.n && memchr(data.p, '\n', data.n);
    data = gemini_skip_blanks(data);
    if (!data.n || data.p[0] == ':' || span_eq(data, SPAN("[DONE]"))) {
        gemini_give(
            &x, &(struct chat_event){.kind = CHAT_OTHER}); /* keep-alives; an end mark of a proxy */
        return CHAT_DROP;
    }
    if (json_check(data, &at, NULL) < 0) {
        give_error(&x, at == data.n ? FAIL_INCOMPLETE : FAIL_BAD_EVENT, SPAN(""));
        return CHAT_DROP;
    }
    if (data.p[0] != '{') {
        give_error(&x, FAIL_BAD_EVENT, SPAN(""));
        return CHAT_DROP;
    }
    read_object(&x, data);
    if (reader->ended)
        return CHAT_DROP; /* the owner tells the error */
    if (!x.given)
        gemini_give(&x, &(struct chat_event){.kind = CHAT_OTHER});
    return lines ? CHAT_REWRITE : CHAT_AS_IS;
}

/* `whole`: the answer is one JSON value, so that what is in it is all, even if nobody says why it
 * finished. */
static void end(struct gemini_reading *x, bool whole) {
    struct chat_reader *reader = x->reader;
    if (reader->ended)
        return;
    if (reader->finished || (whole && reader->content))
        gemini_give(x, &(struct chat_event){.kind = CHAT_DONE});
    else
        give_error(x, reader->content ? FAIL_INCOMPLETE : FAIL_EMPTY, SPAN(""));
}

void gemini_read_end(struct chat_reader *reader, struct chat_sink sink) {
    struct gemini_reading x;
    if (begin(&x, reader, sink))
        end(&x, false);
}

/* A stream without alt=sse: [{..},{..}]. */
static void read_array(struct gemini_reading *x, struct span array) {
    struct json json;
    struct json_token item;
    gemini_open(&json, array);
    while (!x->reader->ended && gemini_item(&json, &item)) {
        if (item.kind == JSON_OBJECT)
            read_object(x, item.raw);
        else
            give_error(x, FAIL_BAD_EVENT, SPAN(""));
    }
}

void gemini_read_body(struct chat_reader *reader, struct span body, struct chat_sink sink) {
    struct gemini_reading x;
    size_t at;
    if (!begin(&x, reader, sink))
        return;
    body = gemini_skip_blanks(body);
    if (!body.n) {
        end(&x, false);
    } else if (json_check(body, &at, NULL) < 0) {
        bool half = at == body.n && (body.p[0] == '{' || body.p[0] == '[');
        give_error(&x, half ? FAIL_INCOMPLETE : FAIL_BAD_EVENT, SPAN(""));
    } else if (body.p[0] == '{') {
        read_object(&x, body);
        end(&x, true);
    } else if (body.p[0] == '[') {
        read_array(&x, body);
        end(&x, false);
    } else {
        give_error(&x, FAIL_BAD_EVENT, SPAN(""));
    }
}
