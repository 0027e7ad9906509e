/* openai_chat_spell.c - a canonical request as the body of a chat completion: what clients of other
 * dialects ask of OpenAI and of all who speak like it (PROVIDERS.md 2.7). (pure)
 *
 * The turns are in openai_chat_say.c; here is the rest: tools, limits, sampling, the answer's form,
 * reasoning, the stream.
 *
 * Owns:     nothing; the body is in the arena.
 * Promises: only members that the kind takes (quirks) and the model takes (facts); of texts, schemas
 *           and numbers the client's own bytes.
 * Refuses:  what the API has no word for, by chat_lose. Left out without a word: hints (cache marks,
 *           metadata, service tier, cache key), and reasoning of earlier answers, which only helps
 *           its maker. */
#include "providers/openai_chat_spell.h"

#include "providers/provider.h"

/* OpenAI takes no more. */
#define STOPS_MAX 4

bool openai_spell_lose(struct openai_spell *x, struct span field, const char *why) {
    return chat_lose(x->spell->losses, field, span_str(why));
}

static bool lose(struct openai_spell *x, const char *field, const char *why) {
    return openai_spell_lose(x, span_str(field), why);
}

static bool has_fact(const struct openai_spell *x, unsigned fact) {
    return (x->spell->facts->facts & fact) != 0;
}

static void write_word(struct json_out *out, struct span key, struct span raw) {
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

static void write_value(struct json_out *out, struct span key, struct span json) {
    json_out_key(out, key);
    json_out_value(out, json);
}

/* --- tools --- */

static void write_tool(const struct chat_tool *tool, struct json_out *out) {
    struct span type = tool->custom ? SPAN("custom") : SPAN("function");
    json_out_object(out);
    write_word(out, SPAN("type"), type);
    json_out_key(out, type);
    json_out_object(out);
    write_word(out, SPAN("name"), tool->name);
    if (tool->description.n)
        write_word(out, SPAN("description"), tool->description);
    if (tool->schema.n)
        write_value(out, tool->custom ? SPAN("format") : SPAN("parameters"), tool->schema);
    if (tool->strict != CHAT_UNSAID) {
        json_out_key(out, SPAN("strict"));
        json_out_bool(out, tool->strict == CHAT_YES);
    }
    json_out_object_end(out);
    json_out_object_end(out);
}

/* allowed_tools is known to OpenAI alone; to offer nothing but the allowed ones means the same
 * everywhere. */
static bool write_tools(struct openai_spell *x) {
    const struct chat_prompt *prompt = x->prompt;
    unsigned index = 0;
    for (const struct chat_tool *tool = prompt->tools; tool; tool = tool->next, index++) {
        if (tool->hosted.n) {
            struct span field = arena_printf(x->arena, "tools[%u]", index);
            if (!openai_spell_lose(x, field, "this backend cannot run the provider's own tools"))
                return false;
            continue;
        }
        if (!chat_is_allowed(prompt, tool->name))
            continue;
        if (!x->tools++) {
            json_out_key(x->out, SPAN("tools"));
            json_out_array(x->out);
        }
        write_tool(tool, x->out);
    }
    if (x->tools)
        json_out_array_end(x->out);
    return true;
}

static const struct chat_tool *named_tool(const struct chat_prompt *prompt) {
    const struct chat_tool *tool = prompt->tools;
    while (tool && (tool->hosted.n || !span_eq(tool->name, prompt->choose_name)))
        tool = tool->next;
    return tool;
}

static void write_named(struct openai_spell *x) {
    const struct chat_tool *tool = named_tool(x->prompt);
    struct span type = tool && tool->custom ? SPAN("custom") : SPAN("function");
    /* A hosted tool that was lost cannot be asked for. */
    if (!tool)
        return;
    json_out_key(x->out, SPAN("tool_choice"));
    json_out_object(x->out);
    write_word(x->out, SPAN("type"), type);
    json_out_key(x->out, type);
    json_out_object(x->out);
    write_word(x->out, SPAN("name"), tool->name);
    json_out_object_end(x->out);
    json_out_object_end(x->out);
}

/* Choices without tools are refused. */
static void write_choice(struct openai_spell *x) {
    const struct chat_prompt *prompt = x->prompt;
    if (!x->tools)
        return;
    switch (prompt->choose) {
    case CHAT_CHOOSE_UNSAID: break;
    case CHAT_CHOOSE_AUTO: write_word(x->out, SPAN("tool_choice"), SPAN("auto")); break;
    case CHAT_CHOOSE_NONE: write_word(x->out, SPAN("tool_choice"), SPAN("none")); break;
    case CHAT_CHOOSE_ANY: write_word(x->out, SPAN("tool_choice"), SPAN("required")); break;
    case CHAT_CHOOSE_NAMED: write_named(x); break;
    }
    if (prompt->parallel_tools == CHAT_UNSAID)
        return;
    json_out_key(x->out, SPAN("parallel_tool_calls"));
    json_out_bool(x->out, prompt->parallel_tools == CHAT_YES);
}

/* --- limits and sampling --- */

static bool write_limits(struct openai_spell *x) {
    const struct chat_prompt *prompt = x->prompt;
    bool old = (x->spell->quirks & QUIRK_MAX_TOKENS_ONLY) != 0;
    if (prompt->max_output_tokens) {
        json_out_key(x->out, old ? SPAN("max_tokens") : SPAN("max_completion_tokens"));
        json_out_int(x->out, (int64_t)prompt->max_output_tokens);
    }
    if (prompt->choices > 1) {
        json_out_key(x->out, SPAN("n"));
        json_out_int(x->out, prompt->choices);
    }
    if (!prompt->stop)
        return true;
    unsigned count = 0;
    json_out_key(x->out, SPAN("stop"));
    json_out_array(x->out);
    for (const struct chat_word *word = prompt->stop; word; word = word->next)
        if (count++ < STOPS_MAX)
            json_out_escaped(x->out, word->text);
    json_out_array_end(x->out);
    return count <= STOPS_MAX || lose(x, prompt->stop_name, "this backend takes four of them");
}

static bool write_knobs(struct openai_spell *x) {
    const struct chat_prompt *prompt = x->prompt;
    static const char no_word[] = "this backend's API has no such member";
    static const char no_model[] = "this model does not take it";
    bool fixed = has_fact(x, MODEL_NO_SAMPLING);
    bool one = has_fact(x, MODEL_ONE_SAMPLER) && prompt->temperature.value.n;
    /* Gemini's number of alternatives asks for the chosen ones too; here they are asked for apart. */
    struct chat_knob logprobs = prompt->logprobs;
    if (prompt->top_logprobs.value.n && !logprobs.value.n)
        logprobs.value = SPAN("true");
    const struct {
        const struct chat_knob *knob;
        const char *name, *lost; /* why it cannot be said; NULL: it can */
    } rows[] = {
        {&prompt->temperature, "temperature", fixed ? no_model : NULL},
        {&prompt->top_p, "top_p", fixed || one ? no_model : NULL},
        {&prompt->top_k, "top_k", no_word},
        {&prompt->min_p, "min_p", no_word},
        {&prompt->seed, x->spell->quirks & QUIRK_CALL_IDS_9 ? "random_seed" : "seed", NULL},
        {&prompt->frequency_penalty, "frequency_penalty", NULL},
        {&prompt->presence_penalty, "presence_penalty", NULL},
        {&logprobs, "logprobs", NULL},
        {&prompt->top_logprobs, "top_logprobs", NULL},
        {&prompt->verbosity, "verbosity", has_fact(x, MODEL_MAX_COMPLETION) ? NULL : no_model},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        if (!rows[i].knob->value.n)
            continue;
        if (!rows[i].lost)
            write_value(x->out, span_str(rows[i].name), rows[i].knob->value);
        else if (!lose(x, rows[i].knob->name, rows[i].lost))
            return false;
    }
    return true;
}

/* --- the form of the answer --- */

static bool write_format(struct openai_spell *x) {
    const struct chat_format *format = &x->prompt->format;
    struct json_out *out = x->out;
    /* Text is what is answered anyway. */
    if (format->kind == CHAT_FORMAT_UNSAID || format->kind == CHAT_FORMAT_TEXT)
        return true;
    if (format->kind == CHAT_FORMAT_SCHEMA && x->spell->quirks & QUIRK_NO_SCHEMA)
        return lose(x, x->prompt->format_name,
                    "this backend knows no schemas; ask for a JSON object, or use another backend");
    json_out_key(out, SPAN("response_format"));
    json_out_object(out);
    if (format->kind == CHAT_FORMAT_OBJECT) {
        write_word(out, SPAN("type"), SPAN("json_object"));
        json_out_object_end(out);
        return true;
    }
    write_word(out, SPAN("type"), SPAN("json_schema"));
    json_out_key(out, SPAN("json_schema"));
    json_out_object(out);
    /* A name is demanded, and other dialects have none. */
    write_word(out, SPAN("name"), format->name.n ? format->name : SPAN("response"));
    if (format->description.n)
        write_word(out, SPAN("description"), format->description);
    write_value(out, SPAN("schema"), format->schema);
    if (format->strict != CHAT_UNSAID) {
        json_out_key(out, SPAN("strict"));
        json_out_bool(out, format->strict == CHAT_YES);
    }
    json_out_object_end(out);
    json_out_object_end(out);
    return true;
}

/* --- reasoning --- */

/* The effort that is meant; empty: as much as the model likes. */
static struct span effort_of(const struct chat_thinking *thinking) {
    if (thinking->effort.n || !thinking->budget_tokens)
        return thinking->effort;
    return chat_effort_of_budget(thinking->budget_tokens);
}

/* To switch reasoning off. Only OpenAI is known to have a word for it; elsewhere a client that did
 * not insist pays for some thought at worst, for its own API does the same when nothing is said. */
static bool write_no_thinking(struct openai_spell *x) {
    bool insists = span_eq(x->prompt->thinking.effort, SPAN("none"));
    bool can = has_fact(x, MODEL_EFFORT) && !has_fact(x, MODEL_NO_THINK_OFF);
    if (!has_fact(x, MODEL_THINKS))
        return true;
    if (can && (insists || has_fact(x, MODEL_MAX_COMPLETION)))
        write_word(x->out, SPAN("reasoning_effort"), SPAN("none"));
    return can || !insists || lose(x, x->prompt->thinking_name, "this model always reasons");
}

static bool write_thinking(struct openai_spell *x) {
    const struct chat_thinking *thinking = &x->prompt->thinking;
    if (thinking->wanted == CHAT_UNSAID)
        return true;
    if (thinking->wanted == CHAT_NO)
        return write_no_thinking(x);
    if (!has_fact(x, MODEL_THINKS))
        return lose(x, x->prompt->thinking_name, "this model is not known to reason");
    struct span effort = effort_of(thinking);
    /* Without a word for it the model reasons as much as it likes, which is what was wanted. */
    if (effort.n && has_fact(x, MODEL_EFFORT))
        write_word(x->out, SPAN("reasoning_effort"), effort);
    return true;
}

/* --- the request --- */

static void write_user(struct openai_spell *x) {
    /* A hint. Mistral, which refuses stream_options, refuses every member that it does not know. */
    if (x->prompt->user.n && !(x->spell->quirks & QUIRK_NO_STREAM_OPTIONS))
        write_word(x->out, SPAN("user"), x->prompt->user);
}

static void write_stream(struct openai_spell *x) {
    if (!x->spell->stream)
        return;
    write_value(x->out, SPAN("stream"), SPAN("true"));
    if (!(x->spell->quirks & QUIRK_NO_STREAM_OPTIONS))
        write_value(x->out, SPAN("stream_options"), SPAN("{\"include_usage\":true}"));
}

static bool write_request(struct openai_spell *x) {
    json_out_object(x->out);
    json_out_key(x->out, SPAN("model"));
    json_out_string(x->out, x->spell->model);
    write_stream(x);
    if (!openai_spell_messages(x) || !write_tools(x))
        return false;
    write_choice(x);
    if (!write_limits(x) || !write_knobs(x) || !write_format(x) || !write_thinking(x))
        return false;
    write_user(x);
    if (x->spell->prefill == CHAT_PREFILL_FINAL) {
        write_value(x->out, SPAN("add_generation_prompt"), SPAN("false"));
        write_value(x->out, SPAN("continue_final_message"), SPAN("true"));
    }
    json_out_object_end(x->out);
    return chat_lose_extras(x->spell->losses, x->prompt);
}

int openai_chat_write_prompt(const struct chat_prompt *prompt, const struct chat_spell *spell,
                             struct arena *arena, struct json_out *out) {
    struct openai_spell x = {.prompt = prompt, .spell = spell, .arena = arena, .out = out};
    bool said = write_request(&x);
    if (out->full || x.memory)
        return -FAIL_OVERLOAD;
    return said ? 0 : -FAIL_UNSUPPORTED;
}
