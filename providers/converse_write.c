/* converse_write.c - writes the canonical request as a body of Converse and ConverseStream, which
 * are the same. (pure)
 *
 * Owns:     nothing.
 * Promises: the limit of output tokens is always said, for Bedrock reserves its quota by it. Of what
 *           has no place here, hints are left out, and chat_lose decides about the rest.
 * Refuses:  to fetch anything. */
#include "providers/converse.h"

/* RequestMetadata of the service model. */
#define METADATA_PAIRS_MAX 16
#define METADATA_BYTES_MAX 256

/* --- helpers --- */

bool converse_lose(struct converse_write *w, struct span field, const char *why) {
    return chat_lose(w->spell->losses, field, span_str(why));
}

bool converse_full(struct converse_write *w) {
    w->out->full = true;
    return false;
}

void converse_open(struct json_out *out, struct span key) {
    json_out_key(out, key);
    json_out_object(out);
}

void converse_open_block(struct json_out *out, struct span key) {
    json_out_object(out);
    converse_open(out, key);
}

void converse_write_text(struct json_out *out, struct span key, struct span raw) {
    if (!raw.n)
        return;
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

void converse_write_cache(struct converse_write *w, struct span ttl) {
    /* Other families answer 400 to a cachePoint. */
    if (!w->claude && !w->nova)
        return;
    converse_open_block(w->out, SPAN("cachePoint"));
    converse_write_text(w->out, SPAN("type"), SPAN("default"));
    /* Five minutes is the default, and known everywhere. */
    if (span_eq(ttl, SPAN("1h")))
        converse_write_text(w->out, SPAN("ttl"), ttl);
    json_out_object_end(w->out);
    json_out_object_end(w->out);
}

/* --- what has no place --- */

/* A knob at the value that it has anyway: 0, or false. */
static bool is_idle(const struct chat_knob *knob) {
    double number;
    return !knob->value.n || span_eq(knob->value, SPAN("false")) ||
           (span_double(knob->value, &number) && number == 0);
}

static bool lose_knob(struct converse_write *w, const struct chat_knob *knob, const char *why) {
    return converse_lose(w, span_str(knob->name), why);
}

static bool lose_settings(struct converse_write *w) {
    const struct chat_prompt *p = w->prompt;
    const struct chat_knob *idle_or_lost[] = {&p->min_p, &p->frequency_penalty,
                                              &p->presence_penalty, &p->logprobs, &p->top_logprobs};
    for (unsigned i = 0; i < countof(idle_or_lost); i++)
        if (!is_idle(idle_or_lost[i]) &&
            !lose_knob(w, idle_or_lost[i], "Bedrock has no such setting"))
            return false;
    if (p->seed.value.n && !lose_knob(w, &p->seed, "Bedrock has no such setting"))
        return false;
    if (p->verbosity.value.n && !lose_knob(w, &p->verbosity, "Bedrock has no such setting"))
        return false;
    if (p->choices > 1 &&
        !converse_lose(w, span_str(p->choices_name), "Bedrock gives one answer; ask for 1"))
        return false;
    return chat_lose_extras(w->spell->losses, p);
}

/* --- system --- */

static void write_system_part(struct converse_write *w, const struct chat_part *part) {
    if (!chat_is_blank(part->text)) {
        json_out_object(w->out);
        converse_write_text(w->out, SPAN("text"), part->text);
        json_out_object_end(w->out);
    }
    if (part->cache)
        converse_write_cache(w, part->cache_ttl);
}

/* All system turns, also those in the middle: roles of messages are user and assistant. */
static bool write_system(struct converse_write *w) {
    bool open = false;
    for (const struct chat_message *m = w->prompt->messages; m; m = m->next)
        for (const struct chat_part *part = m->parts; m->role == CHAT_SYSTEM && part;
             part = part->next) {
            if (part->kind != CHAT_PART_TEXT) {
                if (!chat_lose_part(w->spell->losses, w->arena, m, part,
                                    SPAN("system turns are text only")))
                    return false;
                continue;
            }
            if (!open && chat_is_blank(part->text))
                continue;
            if (!open) {
                json_out_key(w->out, SPAN("system"));
                json_out_array(w->out);
            }
            open = true;
            write_system_part(w, part);
        }
    if (open)
        json_out_array_end(w->out);
    return true;
}

/* --- inferenceConfig --- */

static double number_of(const struct chat_knob *knob) {
    double number = 0;
    span_double(knob->value, &number);
    return number;
}

/* Writes a knob of 0 to 1, or finds out that it cannot be said. */
static bool write_sampler(struct converse_write *w, const struct chat_knob *knob, struct span key,
                          const char *why_not) {
    double number = number_of(knob);
    /* 1 is the default of both. */
    if (!knob->value.n || (why_not && number == 1))
        return true;
    if (why_not)
        return lose_knob(w, knob, why_not);
    if (number > 1 && !lose_knob(w, knob, "Bedrock takes 0 to 1"))
        return false;
    json_out_key(w->out, key);
    json_out_value(w->out, number > 1 ? SPAN("1") : knob->value);
    return true;
}

static bool write_samplers(struct converse_write *w) {
    const struct chat_prompt *p = w->prompt;
    unsigned facts = w->spell->facts->facts;
    const char *none = facts & MODEL_NO_SAMPLING ? "this model takes no sampling settings" : NULL;
    const char *both = facts & MODEL_ONE_SAMPLER && p->temperature.value.n && p->top_p.value.n
                           ? "this model takes temperature or top_p, not both"
                           : NULL;
    const char *thinks = w->reason.on ? "cannot be set while Claude reasons" : NULL;
    /* Claude lets top_p of 0.95 and more pass beside its thinking. */
    const char *low = number_of(&p->top_p) < 0.95 ? thinks : NULL;
    return write_sampler(w, &p->temperature, SPAN("temperature"), none ? none : thinks) &&
           write_sampler(w, &p->top_p, SPAN("topP"),
                         none   ? none
                         : both ? both
                                : low);
}

static bool write_stops(struct converse_write *w) {
    bool open = false;
    for (const struct chat_word *stop = w->prompt->stop; stop; stop = stop->next) {
        if (!stop->text.n || (w->claude && chat_is_blank(stop->text))) {
            if (!converse_lose(w, span_str(w->prompt->stop_name),
                               "blank stop sequences are refused"))
                return false;
            continue;
        }
        if (!open) {
            json_out_key(w->out, SPAN("stopSequences"));
            json_out_array(w->out);
        }
        open = true;
        json_out_escaped(w->out, stop->text);
    }
    if (open)
        json_out_array_end(w->out);
    return true;
}

static bool write_inference(struct converse_write *w) {
    converse_open(w->out, SPAN("inferenceConfig"));
    if (w->limit_tokens) {
        json_out_key(w->out, SPAN("maxTokens"));
        json_out_int(w->out, (int64_t)w->limit_tokens);
    }
    bool ok = write_samplers(w) && write_stops(w);
    json_out_object_end(w->out);
    return ok;
}

/* --- additionalModelRequestFields --- */

static bool judge_top_k(struct converse_write *w, bool *take) {
    const struct chat_knob *knob = &w->prompt->top_k;
    const char *why = !w->claude && !w->nova ? "there is no known way to tell this model"
                      : w->spell->facts->facts & MODEL_NO_SAMPLING
                          ? "this model takes no sampling settings"
                      : w->reason.on ? "cannot be set while Claude reasons"
                                     : NULL;
    *take = knob->value.n && !why;
    return !knob->value.n || !why || lose_knob(w, knob, why);
}

static bool write_additional(struct converse_write *w) {
    bool top_k;
    if (!judge_top_k(w, &top_k))
        return false;
    if (!top_k && !w->own_choice && !converse_has_reason(w))
        return true;
    converse_open(w->out, SPAN("additionalModelRequestFields"));
    converse_write_reason(w);
    if (w->own_choice)
        converse_write_own_choice(w);
    if (top_k && w->nova)
        converse_open(w->out, SPAN("inferenceConfig"));
    if (top_k) {
        json_out_key(w->out, w->nova ? SPAN("topK") : SPAN("top_k"));
        json_out_value(w->out, w->prompt->top_k.value);
    }
    if (top_k && w->nova)
        json_out_object_end(w->out);
    json_out_object_end(w->out);
    return true;
}

/* Asks to be told which stop sequence was met. Pointers of what is not in the answer are ignored;
 * Claude's has it in the one place whole, in the other streamed. */
static void write_response_paths(struct converse_write *w) {
    if (!w->claude || !w->prompt->stop)
        return;
    json_out_key(w->out, SPAN("additionalModelResponseFieldPaths"));
    json_out_array(w->out);
    json_out_escaped(w->out, SPAN("/stop_sequence"));
    json_out_escaped(w->out, SPAN("/delta/stop_sequence"));
    json_out_array_end(w->out);
}

/* --- outputConfig --- */

static bool judge_format(struct converse_write *w, bool *take) {
    const struct chat_format *format = &w->prompt->format;
    struct span name = span_str(w->prompt->format_name);
    *take = false;
    switch (format->kind) {
    case CHAT_FORMAT_UNSAID:
    case CHAT_FORMAT_TEXT: return true;
    case CHAT_FORMAT_OBJECT:
        return converse_lose(w, name, "Bedrock writes JSON by a schema only; give one");
    case CHAT_FORMAT_SCHEMA:
        *take = w->spell->facts->facts & MODEL_SCHEMA;
        return *take || converse_lose(w, name, "this model does not write by a schema");
    }
    return true;
}

static void write_format(struct converse_write *w) {
    const struct chat_format *format = &w->prompt->format;
    struct json_out *out = w->out;
    converse_open(out, SPAN("textFormat"));
    converse_write_text(out, SPAN("type"), SPAN("json_schema"));
    converse_open(out, SPAN("structure"));
    converse_open(out, SPAN("jsonSchema"));
    /* A string that holds the schema's text, not the schema. */
    json_out_key(out, SPAN("schema"));
    json_out_string(out, format->schema);
    converse_write_text(out, SPAN("name"), format->name);
    converse_write_text(out, SPAN("description"), format->description);
    json_out_object_end(out);
    json_out_object_end(out);
    json_out_object_end(out);
}

static bool write_output(struct converse_write *w) {
    bool format;
    struct span effort = w->claude ? w->reason.effort : SPAN("");
    if (!judge_format(w, &format))
        return false;
    if (!format && !effort.n)
        return true;
    converse_open(w->out, SPAN("outputConfig"));
    if (format)
        write_format(w);
    converse_write_text(w->out, SPAN("effort"), effort);
    json_out_object_end(w->out);
    return true;
}

/* --- hints --- */

static bool is_metadata_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr(" :_@$#=/+,-.", c));
}

static bool is_metadata(struct span raw) {
    for (size_t i = 0; i < raw.n; i++)
        if (!is_metadata_char(raw.p[i]))
            return false;
    return raw.n <= METADATA_BYTES_MAX;
}

static void write_pair(struct converse_write *w, unsigned *count, struct span key,
                       struct span value) {
    if (!key.n || *count == METADATA_PAIRS_MAX || !is_metadata(key) || !is_metadata(value))
        return;
    if ((*count)++ == 0)
        converse_open(w->out, SPAN("requestMetadata"));
    json_out_key(w->out, key);
    json_out_escaped(w->out, value);
}

/* For the operator's invocation logs; pairs that Bedrock would refuse are left out. */
static void write_metadata(struct converse_write *w) {
    struct json json;
    struct json_token key, value;
    unsigned count = 0;
    bool user = w->prompt->user.n > 0;
    json_init(&json, w->prompt->metadata);
    if (w->prompt->metadata.n && json_next(&json, &key) == JSON_OBJECT)
        while (json_next(&json, &key) == JSON_KEY) {
            json_next(&json, &value);
            if (value.kind != JSON_STRING)
                break; /* the reader said that they are strings */
            write_pair(w, &count, key.raw, value.raw);
            user = user && !span_eq(key.raw, SPAN("user"));
        }
    if (user)
        write_pair(w, &count, SPAN("user"), w->prompt->user);
    if (count)
        json_out_object_end(w->out);
}

static void write_tier(struct converse_write *w) {
    static const struct {
        struct span said, tier;
    } rows[] = {
        {SPAN_CONST("default"), SPAN_CONST("default")},
        {SPAN_CONST("priority"), SPAN_CONST("priority")},
        {SPAN_CONST("flex"), SPAN_CONST("flex")},
        {SPAN_CONST("reserved"), SPAN_CONST("reserved")},
        {SPAN_CONST("standard_only"), SPAN_CONST("default")}, /* Anthropic's */
    };
    for (unsigned i = 0; i < countof(rows); i++)
        if (span_eq(w->prompt->service_tier, rows[i].said)) {
            converse_open(w->out, SPAN("serviceTier"));
            converse_write_text(w->out, SPAN("type"), rows[i].tier);
            json_out_object_end(w->out);
        }
}

/* --- the body --- */

static bool has_tool_blocks(const struct chat_prompt *prompt) {
    for (const struct chat_message *m = prompt->messages; m; m = m->next)
        for (const struct chat_part *part = m->parts; part; part = part->next)
            if (part->kind == CHAT_PART_TOOL_CALL || part->kind == CHAT_PART_TOOL_RESULT)
                return true;
    return false;
}

static bool write_body(struct converse_write *w) {
    if (!lose_settings(w) || !converse_decide_reason(w))
        return false;
    json_out_object(w->out);
    if (!write_system(w) || !converse_write_messages(w) || !write_inference(w) ||
        !converse_write_tools(w) || !write_additional(w) || !write_output(w))
        return false;
    write_response_paths(w);
    write_metadata(w);
    write_tier(w);
    json_out_object_end(w->out);
    return true;
}

int converse_write_prompt(const struct chat_prompt *prompt, const struct chat_spell *spell,
                          struct arena *arena, struct json_out *out) {
    struct converse_write w = {
        .prompt = prompt,
        .spell = spell,
        .arena = arena,
        .out = out,
        .claude = spell->facts->facts & MODEL_CLAUDE,
        .nova = span_search(spell->model, SPAN("amazon.nova")) < spell->model.n,
        .tool_blocks = has_tool_blocks(prompt),
        .limit_tokens =
            prompt->max_output_tokens ? prompt->max_output_tokens : spell->facts->max_output_tokens,
    };
    bool whole = write_body(&w);
    if (out->full)
        return -FAIL_OVERLOAD;
    return whole ? 0 : -FAIL_UNSUPPORTED;
}
