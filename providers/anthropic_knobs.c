/* anthropic_knobs.c - writes what a canonical prompt asks for besides its messages: tools, reasoning,
 * the form of the answer, sampling. (pure)
 *
 * What a model takes is in models.def; what goes together is in PROVIDERS.md 2.3: thinking forbids
 * forced tools, prefills, temperature and top_k, and must leave room in max_tokens.
 *
 * Promises: the request is not refused for a pair of settings; which of a pair stays is said here.
 * Refuses:  through chat_lose what must then be left out. */
#include "providers/anthropic.h"

/* With thinking, top_p must be at least this. */
#define THINKING_TOP_P_MIN 0.95
/* Thinking that is asked for without saying how much. */
#define BUDGET_DEFAULT_EFFORT SPAN("medium")

static bool is(const struct anthropic_spelling *x, enum model_fact fact) {
    return x->spell->facts->facts & fact;
}

static bool can_schema(const struct anthropic_spelling *x) {
    return is(x, MODEL_SCHEMA) && !(x->spell->quirks & QUIRK_NO_SCHEMA);
}

static void write_word(struct json_out *out, struct span key, struct span plain) {
    json_out_key(out, key);
    json_out_escaped(out, plain);
}

static void write_type(struct json_out *out, struct span type) {
    write_word(out, SPAN("type"), type);
}

/* --- tools --- */

/* Tools that Anthropic runs have a date for a version: web_search_20250305. Others' have none. */
static bool is_own_hosted(struct span type) {
    if (type.n < 10 || type.p[type.n - 9] != '_')
        return false;
    return span_u64(span_from(type, type.n - 8), 99999999, &(uint64_t){0});
}

/* NULL: the tool can be written. */
static const char *fault_of(const struct chat_tool *tool) {
    if (tool->hosted.n)
        return is_own_hosted(tool->hosted) ? NULL : "it is run by another provider";
    if (tool->custom)
        return "tools with free text for input are not known there";
    return chat_is_tool_name(tool->name) ? NULL : "a tool's name is 1 to 64 of A-Z a-z 0-9 _ -";
}

static bool write_tool(struct anthropic_spelling *x, const struct chat_tool *tool,
                       struct span where) {
    struct json_out *out = x->out;
    if (tool->hosted.n) {
        json_out_value(out, tool->schema);
        return true;
    }
    bool strict = tool->strict == CHAT_YES;
    if (strict && !can_schema(x)) {
        if (!anthropic_lose(x, arena_printf(x->arena, "%.*s.strict", (int)where.n, where.p),
                            "this model does not keep to schemas strictly"))
            return false;
        strict = false;
    }
    json_out_object(out);
    write_word(out, SPAN("name"), tool->name);
    if (tool->description.n)
        write_word(out, SPAN("description"), tool->description);
    json_out_key(out, SPAN("input_schema"));
    json_out_value(out,
                   tool->schema.n ? tool->schema : SPAN("{\"type\":\"object\",\"properties\":{}}"));
    if (strict) {
        json_out_key(out, SPAN("strict"));
        json_out_bool(out, true);
    }
    anthropic_write_mark(out, tool->cache, tool->cache_ttl);
    json_out_object_end(out);
    return true;
}

static void write_choice(const struct anthropic_spelling *x) {
    const struct chat_prompt *prompt = x->prompt;
    struct json_out *out = x->out;
    bool single = prompt->parallel_tools == CHAT_NO;
    struct span type = SPAN("auto");
    switch (prompt->choose) {
    case CHAT_CHOOSE_UNSAID:
        if (!single)
            return;
        break; /* the flag stands in the choice only */
    case CHAT_CHOOSE_AUTO: break;
    case CHAT_CHOOSE_NONE:
        type = SPAN("none");
        single = false;
        break;
    case CHAT_CHOOSE_ANY: type = SPAN("any"); break;
    case CHAT_CHOOSE_NAMED: type = SPAN("tool"); break;
    }
    json_out_key(out, SPAN("tool_choice"));
    json_out_object(out);
    write_type(out, type);
    if (prompt->choose == CHAT_CHOOSE_NAMED)
        write_word(out, SPAN("name"), prompt->choose_name);
    if (single) {
        json_out_key(out, SPAN("disable_parallel_tool_use"));
        json_out_bool(out, true);
    }
    json_out_object_end(out);
}

bool anthropic_write_tools(struct anthropic_spelling *x) {
    unsigned number = 0;
    for (const struct chat_tool *tool = x->prompt->tools; tool; tool = tool->next, number++) {
        struct span where = arena_printf(x->arena, "tools[%u]", number);
        const char *fault = fault_of(tool);
        if (fault && !anthropic_lose(x, where, fault))
            return false;
        /* To allow only some is to give only those. */
        if (fault || !chat_is_allowed(x->prompt, tool->name))
            continue;
        if (!x->tools) {
            json_out_key(x->out, SPAN("tools"));
            json_out_array(x->out);
        }
        x->tools = true;
        if (!write_tool(x, tool, where))
            return false;
    }
    if (!x->tools)
        return true; /* a choice without tools is refused */
    json_out_array_end(x->out);
    write_choice(x);
    return true;
}

/* --- reasoning --- */

/* The word as this API and model know it; empty: nothing was said of it. */
static struct span effort_of(const struct anthropic_spelling *x) {
    const struct chat_thinking *thinking = &x->prompt->thinking;
    struct span effort = thinking->effort;
    if (!effort.n && thinking->budget_tokens && is(x, MODEL_ADAPTIVE_ONLY))
        effort = chat_effort_of_budget(thinking->budget_tokens);
    if (span_eq(effort, SPAN("none")))
        return SPAN("");
    if (span_eq(effort, SPAN("minimal")))
        return SPAN("low");
    /* Models from before adaptive thinking know three words, some of them "max". */
    if (!is(x, MODEL_ADAPTIVE_ONLY) && span_eq(effort, SPAN("xhigh")))
        return SPAN("high");
    return effort;
}

static uint64_t budget_of(const struct anthropic_spelling *x) {
    const struct chat_thinking *thinking = &x->prompt->thinking;
    uint64_t budget = thinking->budget_tokens;
    if (!budget)
        budget = chat_budget_of_effort(thinking->effort);
    if (!budget)
        budget = chat_budget_of_effort(BUDGET_DEFAULT_EFFORT);
    return min_u64(max_u64(budget, ANTHROPIC_BUDGET_MIN), x->max_tokens - 1);
}

static bool is_off(const struct chat_thinking *thinking) {
    return thinking->wanted == CHAT_NO || span_eq(thinking->effort, SPAN("none")) ||
           (thinking->budget_given && !thinking->budget_tokens);
}

static bool is_wanted(const struct chat_thinking *thinking) {
    return !is_off(thinking) && (thinking->wanted == CHAT_YES || thinking->adaptive ||
                                 thinking->effort.n || thinking->budget_tokens);
}

/* Why it cannot be had in this request; NULL: it can. */
static const char *obstacle(const struct anthropic_spelling *x) {
    enum chat_choose choose = x->prompt->choose;
    if (!is(x, MODEL_THINKS))
        return "this model does not reason";
    if (x->tools && (choose == CHAT_CHOOSE_ANY || choose == CHAT_CHOOSE_NAMED))
        return "a tool cannot be forced while the model reasons";
    if (x->ends_with_assistant)
        return "a turn of the assistant cannot be gone on with while the model reasons";
    if (!is(x, MODEL_ADAPTIVE_ONLY) && x->max_tokens <= ANTHROPIC_BUDGET_MIN)
        return "the limit of output tokens leaves no room for it: give more than 1024";
    return NULL;
}

static void write_adaptive(const struct anthropic_spelling *x) {
    struct json_out *out = x->out;
    json_out_object(out);
    write_type(out, SPAN("adaptive"));
    if (x->prompt->thinking.shown != CHAT_UNSAID)
        write_word(out, SPAN("display"),
                   x->prompt->thinking.shown == CHAT_YES ? SPAN("summarized") : SPAN("omitted"));
    json_out_object_end(out);
}

static void write_budget(const struct anthropic_spelling *x) {
    struct json_out *out = x->out;
    json_out_object(out);
    write_type(out, SPAN("enabled"));
    json_out_key(out, SPAN("budget_tokens"));
    json_out_int(out, (int64_t)budget_of(x));
    json_out_object_end(out);
}

static bool write_off(struct anthropic_spelling *x) {
    if (is(x, MODEL_NO_THINK_OFF))
        return anthropic_lose(x, span_str(x->prompt->thinking_name), "this model always reasons");
    if (is(x, MODEL_THINKS)) {
        json_out_key(x->out, SPAN("thinking"));
        json_out_object(x->out);
        write_type(x->out, SPAN("disabled"));
        json_out_object_end(x->out);
    }
    return true;
}

/* output_config: how hard to try, and the form of the answer. */
static bool write_output_config(struct anthropic_spelling *x) {
    const struct chat_format *format = &x->prompt->format;
    bool tries = is(x, MODEL_EFFORT) && is(x, MODEL_THINKS);
    struct span effort = tries ? effort_of(x) : SPAN(""), schema = {NULL, 0};
    struct json_out *out = x->out;
    if (format->kind == CHAT_FORMAT_SCHEMA || format->kind == CHAT_FORMAT_OBJECT) {
        schema = format->kind == CHAT_FORMAT_SCHEMA && format->schema.n
                     ? format->schema
                     : SPAN("{\"type\":\"object\"}");
        if (!can_schema(x)) {
            /* A forced tool would do it, and change what the client sees. */
            if (!anthropic_lose(x, span_str(x->prompt->format_name),
                                "this model does not keep to schemas: ask for it in words"))
                return false;
            schema = span_of(NULL, 0);
        }
    }
    if (!effort.n && !schema.n)
        return true;
    json_out_key(out, SPAN("output_config"));
    json_out_object(out);
    if (effort.n)
        write_word(out, SPAN("effort"), effort);
    if (schema.n) {
        json_out_key(out, SPAN("format"));
        json_out_object(out);
        write_type(out, SPAN("json_schema"));
        json_out_key(out, SPAN("schema"));
        json_out_value(out, schema);
        json_out_object_end(out);
    }
    json_out_object_end(out);
    return true;
}

bool anthropic_write_thinking(struct anthropic_spelling *x) {
    const struct chat_thinking *thinking = &x->prompt->thinking;
    if (is_off(thinking) && !write_off(x))
        return false;
    if (is_wanted(thinking)) {
        const char *why = obstacle(x);
        if (why && !anthropic_lose(x, span_str(x->prompt->thinking_name), why))
            return false;
        /* With a budget, the API demands the signed reasoning of the last calls back, and answers 400
         * where another family of models made them: this call then goes without. Adaptive thinking
         * does not ask for it. */
        x->thinking = !why && (is(x, MODEL_ADAPTIVE_ONLY) || !x->calls_without_thinking);
    }
    if (x->thinking) {
        json_out_key(x->out, SPAN("thinking"));
        if (is(x, MODEL_ADAPTIVE_ONLY))
            write_adaptive(x);
        else
            write_budget(x);
    }
    return write_output_config(x);
}

/* --- sampling --- */

static double value_of(const struct chat_knob *knob) {
    double value = 1;
    span_double(knob->value, &value);
    return value;
}

/* Why a setting cannot be sent as it is; NULL: it can. A neutral value is left out in silence. */
static const char *sampling_fault(const struct anthropic_spelling *x,
                                  const struct chat_knob *knob) {
    const struct chat_prompt *prompt = x->prompt;
    double value = value_of(knob);
    if (is(x, MODEL_NO_SAMPLING))
        return "this model does not take sampling settings";
    if (knob == &prompt->temperature)
        return x->thinking ? "it cannot be set while the model reasons"
               : value > 1 ? "it is at most 1 there"
                           : NULL;
    if (knob == &prompt->top_k)
        return x->thinking ? "it cannot be set while the model reasons" : NULL;
    if (x->thinking && value < THINKING_TOP_P_MIN)
        return "it is at least 0.95 while the model reasons";
    if (is(x, MODEL_ONE_SAMPLER) && value_of(&prompt->temperature) < 1)
        return "this model takes temperature or top_p, not both";
    return NULL;
}

bool anthropic_write_sampling(struct anthropic_spelling *x) {
    const struct chat_prompt *prompt = x->prompt;
    const struct {
        const struct chat_knob *knob;
        struct span name;
        bool neutral; /* 1 is what happens anyway */
    } rows[] = {
        {&prompt->temperature, SPAN("temperature"), true},
        {&prompt->top_p, SPAN("top_p"), true},
        {&prompt->top_k, SPAN("top_k"), false},
    };
    for (unsigned i = 0; i < countof(rows); i++) {
        const struct chat_knob *knob = rows[i].knob;
        if (!knob->value.n || (rows[i].neutral && value_of(knob) == 1))
            continue;
        const char *why = sampling_fault(x, knob);
        if (why && !anthropic_lose(x, span_str(knob->name), why))
            return false;
        /* A temperature above 1 that is left out is 1, the nearest there is. */
        if (why)
            continue;
        json_out_key(x->out, rows[i].name);
        json_out_value(x->out, knob->value);
    }
    return true;
}
