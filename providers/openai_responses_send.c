/* openai_responses_send.c - a canonical prompt as the body of a Responses request. (pure)
 *
 *     {"model","instructions","input":[..],"tools":[..],"text":{..},"reasoning":{..},
 *      "include":[..],"store":false,"stream":true}
 *
 * Owns:     nothing; writes to `out`.
 * Promises: nothing is stored at the provider (store false), so that a conversation goes on at any
 *           backend; what the API cannot say is asked of chat_lose first. The turns are written in
 *           openai_responses_turns.c.
 * Refuses:  with -FAIL_UNSUPPORTED what may not be lost. */
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"
#include "providers/provider.h"

/* The API's least max_output_tokens, and its longest safety_identifier. */
#define OUTPUT_TOKENS_MIN     16
#define SAFETY_IDENTIFIER_MAX 64

struct sending {
    const struct chat_prompt *prompt;
    const struct chat_spell *spell;
    struct arena *arena;
    struct json_out *out;
};

static void write_escaped(struct json_out *out, struct span key, struct span raw) {
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

static void write_flag(struct json_out *out, struct span key, enum chat_flag flag) {
    if (flag == CHAT_UNSAID)
        return;
    json_out_key(out, key);
    json_out_bool(out, flag == CHAT_YES);
}

/* --- what cannot be said --- */

static bool lose_knob(const struct sending *x, const struct chat_knob *knob) {
    return !knob->value.n || chat_lose(x->spell->losses, span_str(knob->name),
                                       SPAN("the Responses API has no such member"));
}

static bool lose_others(const struct sending *x) {
    const struct chat_prompt *prompt = x->prompt;
    struct chat_losses *losses = x->spell->losses;
    if (!lose_knob(x, &prompt->top_k) || !lose_knob(x, &prompt->min_p) ||
        !lose_knob(x, &prompt->seed) || !lose_knob(x, &prompt->frequency_penalty) ||
        !lose_knob(x, &prompt->presence_penalty))
        return false;
    if (prompt->stop && !chat_lose(losses, span_str(prompt->stop_name),
                                   SPAN("the Responses API has no stop sequences")))
        return false;
    if (prompt->choices > 1 && !chat_lose(losses, span_str(prompt->choices_name),
                                          SPAN("the Responses API gives one answer")))
        return false;
    bool logprobs = prompt->logprobs.value.n && !span_eq(prompt->logprobs.value, SPAN("false"));
    if (logprobs && !chat_lose(losses, span_str(prompt->logprobs.name),
                               SPAN("log probabilities of this backend are not translated")))
        return false;
    return chat_lose_extras(losses, prompt);
}

/* --- knobs --- */

static bool write_sampling(const struct sending *x) {
    const struct chat_knob *knobs[] = {&x->prompt->temperature, &x->prompt->top_p};
    static const struct span names[] = {SPAN_CONST("temperature"), SPAN_CONST("top_p")};
    bool refused = x->spell->facts && x->spell->facts->facts & MODEL_NO_SAMPLING;
    for (unsigned i = 0; i < countof(knobs); i++) {
        if (!knobs[i]->value.n)
            continue;
        if (refused && !chat_lose(x->spell->losses, span_str(knobs[i]->name),
                                  SPAN("this model takes no sampling parameters")))
            return false;
        if (refused)
            continue;
        json_out_key(x->out, names[i]);
        json_out_value(x->out, knobs[i]->value);
    }
    return true;
}

static bool write_limit(const struct sending *x) {
    uint64_t limit = x->prompt->max_output_tokens;
    if (!limit)
        return true;
    if (limit < OUTPUT_TOKENS_MIN &&
        !chat_lose(x->spell->losses, span_str(x->prompt->max_output_name),
                   SPAN("the Responses API takes 16 or more")))
        return false;
    json_out_key(x->out, SPAN("max_output_tokens"));
    json_out_int(x->out, (int64_t)max_u64(limit, OUTPUT_TOKENS_MIN));
    return true;
}

/* Whether and how much to think, and whether to show it. */
static bool write_thinking(const struct sending *x) {
    const struct chat_thinking *thinking = &x->prompt->thinking;
    unsigned facts = x->spell->facts ? x->spell->facts->facts : 0;
    bool wanted = thinking->wanted == CHAT_YES;
    struct span effort = thinking->effort;
    if (wanted && !effort.n && thinking->budget_tokens)
        effort = chat_effort_of_budget(thinking->budget_tokens);
    if (thinking->wanted == CHAT_NO) {
        /* A model that does not think has nothing to switch off, and refuses the word. */
        effort = facts & MODEL_THINKS ? SPAN("none") : SPAN("");
        if (facts & MODEL_NO_THINK_OFF) {
            if (!chat_lose(x->spell->losses, span_str(x->prompt->thinking_name),
                           SPAN("this model's reasoning cannot be switched off")))
                return false;
            effort = SPAN("");
        }
    }
    bool shown = thinking->shown == CHAT_YES && thinking->wanted != CHAT_NO;
    if (effort.n || shown) {
        json_out_key(x->out, SPAN("reasoning"));
        json_out_object(x->out);
        if (effort.n)
            write_escaped(x->out, SPAN("effort"), effort);
        if (shown)
            write_escaped(x->out, SPAN("summary"), SPAN("auto"));
        json_out_object_end(x->out);
    }
    /* Nothing is stored, so that reasoning must be carried: sealed, for its maker. Models that do
     * not reason refuse to be asked for it. */
    if (wanted && (effort.n || shown || facts & MODEL_THINKS)) {
        json_out_key(x->out, SPAN("include"));
        json_out_array(x->out);
        json_out_escaped(x->out, SPAN("reasoning.encrypted_content"));
        json_out_array_end(x->out);
    }
    return true;
}

/* --- the form of the answer --- */

static bool write_format(const struct sending *x) {
    const struct chat_format *format = &x->prompt->format;
    struct json_out *out = x->out;
    if (format->kind == CHAT_FORMAT_UNSAID)
        return true;
    if (format->kind == CHAT_FORMAT_SCHEMA && x->spell->quirks & QUIRK_NO_SCHEMA &&
        !chat_lose(x->spell->losses, span_str(x->prompt->format_name),
                   SPAN("this backend takes no JSON schema")))
        return false;
    bool schema = format->kind == CHAT_FORMAT_SCHEMA && !(x->spell->quirks & QUIRK_NO_SCHEMA);
    json_out_key(out, SPAN("format"));
    json_out_object(out);
    write_escaped(out, SPAN("type"),
                  schema                             ? SPAN("json_schema")
                  : format->kind == CHAT_FORMAT_TEXT ? SPAN("text")
                                                     : SPAN("json_object"));
    if (schema) {
        /* The name is demanded; other APIs have none. */
        write_escaped(out, SPAN("name"), format->name.n ? format->name : SPAN("response"));
        if (format->description.n)
            write_escaped(out, SPAN("description"), format->description);
        json_out_key(out, SPAN("schema"));
        json_out_value(out, format->schema.n ? format->schema : SPAN("{\"type\":\"object\"}"));
        write_flag(out, SPAN("strict"), format->strict);
    }
    json_out_object_end(out);
    return true;
}

static bool write_text(const struct sending *x) {
    bool verbosity = x->prompt->verbosity.value.n > 0;
    if (x->prompt->format.kind == CHAT_FORMAT_UNSAID && !verbosity)
        return true;
    json_out_key(x->out, SPAN("text"));
    json_out_object(x->out);
    if (!write_format(x))
        return false;
    if (verbosity) {
        json_out_key(x->out, SPAN("verbosity"));
        json_out_value(x->out, x->prompt->verbosity.value);
    }
    json_out_object_end(x->out);
    return true;
}

/* --- tools --- */

/* The form of a custom tool's input. The chat dialect wraps a grammar once more:
 * {"type":"grammar","grammar":{"syntax","definition"}}. */
static void write_custom_format(struct span format, struct json_out *out) {
    static const struct span path[] = {SPAN_CONST("grammar")},
                             names[] = {SPAN_CONST("syntax"), SPAN_CONST("definition")};
    struct json_token grammar, members[countof(names)];
    if (!format.n)
        return;
    json_out_key(out, SPAN("format"));
    if (!json_find(format, path, countof(path), &grammar) || grammar.kind != JSON_OBJECT ||
        !openai_responses_members(grammar.raw, names, countof(names), members)) {
        json_out_value(out, format);
        return;
    }
    json_out_object(out);
    write_escaped(out, SPAN("type"), SPAN("grammar"));
    for (unsigned i = 0; i < countof(names); i++)
        write_escaped(out, names[i], openai_responses_string(&members[i]));
    json_out_object_end(out);
}

static void write_tool(const struct chat_tool *tool, struct json_out *out) {
    json_out_object(out);
    write_escaped(out, SPAN("type"), tool->custom ? SPAN("custom") : SPAN("function"));
    write_escaped(out, SPAN("name"), tool->name);
    if (tool->description.n)
        write_escaped(out, SPAN("description"), tool->description);
    if (tool->custom) {
        write_custom_format(tool->schema, out);
    } else {
        json_out_key(out, SPAN("parameters"));
        json_out_value(out, tool->schema.n ? tool->schema
                                           : SPAN("{\"type\":\"object\",\"properties\":{}}"));
        /* Here, and here only, tools are strict when nothing is said. */
        json_out_key(out, SPAN("strict"));
        json_out_bool(out, tool->strict == CHAT_YES);
    }
    json_out_object_end(out);
}

/* False when a hosted tool may not be lost; *any: there is a tool to write. */
static bool lose_hosted(const struct sending *x, bool *any) {
    unsigned index = 0;
    *any = false;
    for (const struct chat_tool *tool = x->prompt->tools; tool; tool = tool->next, index++) {
        *any |= !tool->hosted.n;
        if (tool->hosted.n &&
            !chat_lose(x->spell->losses, arena_printf(x->arena, "tools[%u]", index),
                       SPAN("a tool that the provider runs has no equal at this backend")))
            return false;
    }
    return true;
}

static bool is_custom(const struct chat_prompt *prompt, struct span name) {
    for (const struct chat_tool *tool = prompt->tools; tool; tool = tool->next)
        if (tool->custom && span_eq(tool->name, name))
            return true;
    return false;
}

static void write_choice_of(const struct sending *x, struct span name) {
    json_out_object(x->out);
    write_escaped(x->out, SPAN("type"),
                  is_custom(x->prompt, name) ? SPAN("custom") : SPAN("function"));
    write_escaped(x->out, SPAN("name"), name);
    json_out_object_end(x->out);
}

static void write_choice(const struct sending *x) {
    static const struct span words[] = {[CHAT_CHOOSE_UNSAID] = SPAN_CONST("auto"),
                                        [CHAT_CHOOSE_AUTO] = SPAN_CONST("auto"),
                                        [CHAT_CHOOSE_NONE] = SPAN_CONST("none"),
                                        [CHAT_CHOOSE_ANY] = SPAN_CONST("required"),
                                        [CHAT_CHOOSE_NAMED] = SPAN_CONST("required")};
    const struct chat_prompt *prompt = x->prompt;
    if (prompt->choose == CHAT_CHOOSE_UNSAID && !prompt->allowed)
        return;
    json_out_key(x->out, SPAN("tool_choice"));
    if (prompt->choose == CHAT_CHOOSE_NAMED) {
        write_choice_of(x, prompt->choose_name);
        return;
    }
    if (!prompt->allowed || prompt->choose == CHAT_CHOOSE_NONE) {
        json_out_escaped(x->out, words[prompt->choose]);
        return;
    }
    json_out_object(x->out);
    write_escaped(x->out, SPAN("type"), SPAN("allowed_tools"));
    write_escaped(x->out, SPAN("mode"), words[prompt->choose]);
    json_out_key(x->out, SPAN("tools"));
    json_out_array(x->out);
    for (const struct chat_word *word = prompt->allowed; word; word = word->next)
        write_choice_of(x, word->text);
    json_out_array_end(x->out);
    json_out_object_end(x->out);
}

static bool write_tools(const struct sending *x) {
    bool any;
    if (!lose_hosted(x, &any))
        return false;
    if (!any)
        return true; /* a choice among no tools is refused */
    json_out_key(x->out, SPAN("tools"));
    json_out_array(x->out);
    for (const struct chat_tool *tool = x->prompt->tools; tool; tool = tool->next)
        if (!tool->hosted.n)
            write_tool(tool, x->out);
    json_out_array_end(x->out);
    write_choice(x);
    write_flag(x->out, SPAN("parallel_tool_calls"), x->prompt->parallel_tools);
    return true;
}

/* --- hints --- */

static bool is_tier(struct span tier) {
    static const struct span tiers[] = {SPAN_CONST("auto"),     SPAN_CONST("default"),
                                        SPAN_CONST("flex"),     SPAN_CONST("scale"),
                                        SPAN_CONST("priority"), SPAN_CONST("fast")};
    unsigned i = 0;
    while (i < countof(tiers) && !span_eq(tier, tiers[i]))
        i++;
    return i < countof(tiers);
}

/* Left out where the API would refuse them: they change no answer. */
static void write_hints(const struct sending *x) {
    const struct chat_prompt *prompt = x->prompt;
    if (prompt->user.n && prompt->user.n <= SAFETY_IDENTIFIER_MAX)
        write_escaped(x->out, SPAN("safety_identifier"), prompt->user);
    if (prompt->metadata.n) {
        json_out_key(x->out, SPAN("metadata"));
        json_out_value(x->out, prompt->metadata);
    }
    if (is_tier(prompt->service_tier))
        write_escaped(x->out, SPAN("service_tier"), prompt->service_tier);
    if (prompt->cache_key.n)
        write_escaped(x->out, SPAN("prompt_cache_key"), prompt->cache_key);
}

int openai_responses_write_prompt(const struct chat_prompt *prompt, const struct chat_spell *spell,
                                  struct arena *arena, struct json_out *out) {
    const struct sending x = {.prompt = prompt, .spell = spell, .arena = arena, .out = out};
    if (!lose_others(&x))
        return -FAIL_UNSUPPORTED;
    json_out_object(out);
    json_out_key(out, SPAN("model"));
    json_out_string(out, spell->model);
    int rc = openai_responses_write_turns(prompt, spell, arena, out);
    if (rc < 0)
        return rc;
    if (!write_tools(&x) || !write_limit(&x) || !write_sampling(&x) || !write_text(&x) ||
        !write_thinking(&x))
        return -FAIL_UNSUPPORTED;
    write_hints(&x);
    json_out_key(out, SPAN("store"));
    json_out_bool(out, false);
    json_out_key(out, SPAN("stream"));
    json_out_bool(out, spell->stream);
    json_out_object_end(out);
    return out->full ? -FAIL_OVERLOAD : 0;
}
