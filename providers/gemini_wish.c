/* gemini_wish.c - writes tools, toolConfig and generationConfig of a generateContent body. (pure)
 *
 * Promises: a client's schema goes byte for byte to models that take JSON schema; others get the
 *           OpenAPI subset of it.
 * Refuses:  by chat_lose what this API cannot say. User, metadata, cache keys and service tiers are
 *           hints and left out; so is `strict`, which only says that the schema is meant. */
#include "providers/gemini.h"

#include "core/limits.h"

#define STOP_MAX 5 /* stopSequences, documented */
/* The smallest of the upper limits of 2.5 models (Flash). */
#define BUDGET_MAX 24576
/* What 2.5 Pro thinks at least. */
#define BUDGET_MIN_PRO 128

static bool takes_schema(const struct gemini_spell *x) {
    return x->spell->facts->facts & MODEL_SCHEMA;
}

static void write_schema(struct gemini_spell *x, const char *as_is, const char *cleaned,
                         struct span schema, struct span field) {
    struct json_out *out = x->out;
    if (takes_schema(x)) {
        json_out_key(out, span_str(as_is));
        json_out_value(out, schema);
        return;
    }
    struct json_out before = *out;
    json_out_key(out, span_str(cleaned));
    if (gemini_schema_clean(schema, &x->schema_bytes, out))
        return;
    out->n = before.n;
    out->comma = before.comma;
    gemini_lose(x, field, SPAN("the schema is too large with its references written out"));
}

/* --- tools --- */

/* A provider's own tools that this dialect knows, in the words of its client. */
static bool is_own_tool(struct span type) {
    static const struct span types[] = {
        SPAN_CONST("googleSearch"),  SPAN_CONST("googleSearchRetrieval"),
        SPAN_CONST("codeExecution"), SPAN_CONST("urlContext"),
        SPAN_CONST("googleMaps"),    SPAN_CONST("enterpriseWebSearch"),
        SPAN_CONST("retrieval"),     SPAN_CONST("computerUse"),
        SPAN_CONST("fileSearch")};
    struct json_token key = {.kind = JSON_KEY, .raw = type};
    return gemini_member(&key, types, countof(types)) < countof(types);
}

/* With free choice among some tools only, the others are not told of: the API has no other way. */
static bool is_offered(const struct chat_prompt *prompt, const struct chat_tool *tool) {
    return prompt->choose == CHAT_CHOOSE_ANY || chat_is_allowed(prompt, tool->name);
}

static void write_declaration(struct gemini_spell *x, const struct chat_tool *tool) {
    struct json_out *out = x->out;
    json_out_object(out);
    json_out_key(out, SPAN("name"));
    json_out_escaped(out, tool->name);
    if (tool->description.n) {
        json_out_key(out, SPAN("description"));
        json_out_escaped(out, tool->description);
    }
    if (tool->schema.n && !gemini_schema_is_empty(tool->schema))
        write_schema(x, "parametersJsonSchema", "parameters", tool->schema, tool->name);
    json_out_object_end(out);
}

static void write_functions(struct gemini_spell *x) {
    bool any = false;
    for (const struct chat_tool *tool = x->prompt->tools; tool && x->rc == 0; tool = tool->next) {
        if (tool->hosted.n || tool->custom || !is_offered(x->prompt, tool))
            continue;
        if (!any) {
            json_out_object(x->out);
            json_out_key(x->out, SPAN("functionDeclarations"));
            json_out_array(x->out);
        }
        any = true;
        write_declaration(x, tool);
    }
    if (any) {
        json_out_array_end(x->out);
        json_out_object_end(x->out);
    }
}

static void write_tools(struct gemini_spell *x) {
    if (!x->prompt->tools)
        return;
    struct json_out before = *x->out;
    json_out_key(x->out, SPAN("tools"));
    json_out_array(x->out);
    size_t start = x->out->n;
    write_functions(x);
    for (const struct chat_tool *tool = x->prompt->tools; tool && x->rc == 0; tool = tool->next) {
        if (tool->hosted.n && is_own_tool(tool->hosted))
            json_out_value(x->out, tool->schema);
        else if (tool->hosted.n)
            gemini_lose(x, tool->hosted, SPAN("this backend does not run that tool"));
        else if (tool->custom)
            gemini_lose(x, tool->name, SPAN("this API has no tools with free text input"));
    }
    if (x->out->n == start) {
        x->out->n = before.n;
        x->out->comma = before.comma;
        return;
    }
    json_out_array_end(x->out);
    if (x->prompt->parallel_tools == CHAT_NO)
        gemini_lose(x, SPAN("parallel_tool_calls"),
                    SPAN("this API cannot forbid parallel tool calls"));
}

static void write_choice(struct gemini_spell *x) {
    static const char *const modes[] = {[CHAT_CHOOSE_AUTO] = "AUTO",
                                        [CHAT_CHOOSE_NONE] = "NONE",
                                        [CHAT_CHOOSE_ANY] = "ANY",
                                        [CHAT_CHOOSE_NAMED] = "ANY"};
    const struct chat_prompt *prompt = x->prompt;
    struct json_out *out = x->out;
    if (prompt->choose == CHAT_CHOOSE_UNSAID || !prompt->tools)
        return;
    json_out_key(out, SPAN("toolConfig"));
    json_out_object(out);
    json_out_key(out, SPAN("functionCallingConfig"));
    json_out_object(out);
    json_out_key(out, SPAN("mode"));
    json_out_escaped(out, span_str(modes[prompt->choose]));
    bool named = prompt->choose == CHAT_CHOOSE_NAMED;
    if (named || (prompt->choose == CHAT_CHOOSE_ANY && prompt->allowed)) {
        json_out_key(out, SPAN("allowedFunctionNames"));
        json_out_array(out);
        if (named)
            json_out_escaped(out, prompt->choose_name);
        for (const struct chat_word *word = prompt->allowed; !named && word; word = word->next)
            json_out_escaped(out, word->text);
        json_out_array_end(out);
    }
    json_out_object_end(out);
    json_out_object_end(out);
}

/* --- thinking --- */

/* The level of Gemini 3 that is nearest to a word. */
static struct span level_of(const struct gemini_spell *x, struct span effort) {
    bool pro = x->spell->facts->facts & MODEL_NO_THINK_OFF;
    if (span_eq(effort, SPAN("none")) || span_eq(effort, SPAN("minimal")))
        return pro ? SPAN("low") : SPAN("minimal"); /* Pro has no less than low */
    if (span_eq(effort, SPAN("low")))
        return SPAN("low");
    /* The first 3 Pro knows low and high only. */
    if (span_eq(effort, SPAN("medium")) &&
        span_search(x->spell->model, SPAN("gemini-3-pro")) == x->spell->model.n)
        return SPAN("medium");
    return SPAN("high");
}

static bool is_off(const struct chat_thinking *thinking) {
    return thinking->wanted == CHAT_NO || span_eq(thinking->effort, SPAN("none"));
}

static bool write_level(struct gemini_spell *x, const struct chat_thinking *thinking) {
    struct span effort = thinking->effort;
    if (is_off(thinking))
        effort = SPAN("none");
    else if (!effort.n && thinking->budget_tokens)
        effort = chat_effort_of_budget(thinking->budget_tokens);
    if (!effort.n)
        return true; /* its own default */
    if (is_off(thinking) && x->spell->facts->facts & MODEL_NO_THINK_OFF &&
        !gemini_lose(x, span_str(x->prompt->thinking_name),
                     SPAN("this model always thinks; its least is \"low\"")))
        return false;
    json_out_key(x->out, SPAN("thinkingLevel"));
    json_out_escaped(x->out, level_of(x, effort));
    return true;
}

static bool write_budget(struct gemini_spell *x, const struct chat_thinking *thinking) {
    int64_t budget = -1;
    if (is_off(thinking)) {
        budget = 0;
        if (x->spell->facts->facts & MODEL_NO_THINK_OFF) {
            budget = BUDGET_MIN_PRO;
            if (!gemini_lose(x, span_str(x->prompt->thinking_name),
                             SPAN("this model always thinks")))
                return false;
        }
    } else if (thinking->budget_tokens) {
        budget = (int64_t)min_u64(thinking->budget_tokens, BUDGET_MAX);
    } else if (thinking->effort.n) {
        uint64_t tokens = chat_budget_of_effort(thinking->effort);
        budget = tokens ? (int64_t)tokens : -1;
    } else if (!thinking->adaptive) {
        return true; /* its own default */
    }
    json_out_key(x->out, SPAN("thinkingBudget"));
    json_out_int(x->out, budget);
    return true;
}

static void write_thinking(struct gemini_spell *x) {
    const struct chat_thinking *thinking = &x->prompt->thinking;
    bool says = thinking->wanted != CHAT_UNSAID || thinking->effort.n || thinking->budget_given ||
                thinking->adaptive;
    if (!says && thinking->shown == CHAT_UNSAID)
        return;
    if (!(x->spell->facts->facts & MODEL_THINKS)) {
        if (says && !is_off(thinking))
            gemini_lose(x, span_str(x->prompt->thinking_name), SPAN("this model cannot think"));
        return;
    }
    json_out_key(x->out, SPAN("thinkingConfig"));
    json_out_object(x->out);
    if (says && !(gemini_is_3(x) ? write_level(x, thinking) : write_budget(x, thinking)))
        return;
    bool shown = thinking->shown == CHAT_YES ||
                 (thinking->shown == CHAT_UNSAID && thinking->wanted == CHAT_YES);
    if (shown || thinking->shown == CHAT_NO) {
        json_out_key(x->out, SPAN("includeThoughts"));
        json_out_bool(x->out, shown);
    }
    json_out_object_end(x->out);
}

/* --- generationConfig --- */

static void write_stop(struct gemini_spell *x) {
    unsigned count = 0;
    if (!x->prompt->stop)
        return;
    json_out_key(x->out, SPAN("stopSequences"));
    json_out_array(x->out);
    for (const struct chat_word *word = x->prompt->stop; word; word = word->next) {
        if (count++ == STOP_MAX) {
            gemini_lose(x, span_str(x->prompt->stop_name),
                        SPAN("this API takes at most five stop sequences"));
            break;
        }
        json_out_escaped(x->out, word->text);
    }
    json_out_array_end(x->out);
}

static void write_format(struct gemini_spell *x) {
    const struct chat_format *format = &x->prompt->format;
    if (format->kind != CHAT_FORMAT_OBJECT && format->kind != CHAT_FORMAT_SCHEMA)
        return;
    json_out_key(x->out, SPAN("responseMimeType"));
    json_out_escaped(x->out, SPAN("application/json"));
    if (format->kind == CHAT_FORMAT_SCHEMA)
        write_schema(x, "responseJsonSchema", "responseSchema", format->schema,
                     span_str(x->prompt->format_name));
}

static void write_knobs(struct gemini_spell *x) {
    const struct chat_prompt *prompt = x->prompt;
    const struct {
        const char *name; /* NULL: the API has none */
        const struct chat_knob *knob;
    } rows[] = {
        {"temperature", &prompt->temperature},
        {"topP", &prompt->top_p},
        {"topK", &prompt->top_k},
        {"seed", &prompt->seed},
        {"presencePenalty", &prompt->presence_penalty},
        {"frequencyPenalty", &prompt->frequency_penalty},
        {"responseLogprobs", &prompt->logprobs},
        {"logprobs", &prompt->top_logprobs},
        {NULL, &prompt->min_p},
        {NULL, &prompt->verbosity},
    };
    for (unsigned i = 0; i < countof(rows) && x->rc == 0; i++) {
        if (!rows[i].knob->value.n)
            continue;
        if (!rows[i].name) {
            gemini_lose(x, span_str(rows[i].knob->name), SPAN("this API has no such setting"));
            continue;
        }
        json_out_key(x->out, span_str(rows[i].name));
        json_out_value(x->out, rows[i].knob->value);
    }
}

static void write_generation(struct gemini_spell *x) {
    struct json_out before = *x->out;
    json_out_key(x->out, SPAN("generationConfig"));
    json_out_object(x->out);
    size_t start = x->out->n;
    if (x->prompt->max_output_tokens) {
        json_out_key(x->out, SPAN("maxOutputTokens"));
        json_out_int(x->out, (int64_t)x->prompt->max_output_tokens);
    }
    write_knobs(x);
    if (x->prompt->choices > 1) {
        json_out_key(x->out, SPAN("candidateCount"));
        json_out_int(x->out, x->prompt->choices);
    }
    write_stop(x);
    write_format(x);
    if (x->rc == 0)
        write_thinking(x);
    if (x->out->n == start) {
        x->out->n = before.n;
        x->out->comma = before.comma;
        return;
    }
    json_out_object_end(x->out);
}

void gemini_write_wishes(struct gemini_spell *x) {
    write_tools(x);
    if (x->rc == 0)
        write_choice(x);
    if (x->rc == 0)
        write_generation(x);
}
