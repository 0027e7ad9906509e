/* gemini_config.c - reads what a generateContent request wishes: tools, toolConfig and
 * generationConfig. (pure)
 *
 * Promises: a member without an equal elsewhere becomes an extra under its full name. */
#include "providers/gemini.h"

#include "core/limits.h"
#include "net/http.h"
#include "providers/chat_body.h"

/* Each level of a schema is read once more than the one around it: this much of them in all, tools
 * of real clients have a hundredth of it. */
#define SCHEMA_BYTES_MAX (2 * 1024 * 1024)

/* A schema of the OpenAPI kind as JSON schema, in the arena. */
static struct span turned(struct gemini_prompt *x, struct span schema) {
    struct json_out out;
    x->schema_bytes += schema.n;
    if (x->schema_bytes > SCHEMA_BYTES_MAX) {
        gemini_refuse(x, SPAN("tools"), SPAN("The schemas of this request are too large."));
        return SPAN("{}");
    }
    json_out_arena(&out, x->arena, schema.n + 64);
    gemini_schema_read(schema, &out);
    if (out.full)
        gemini_no_memory(x);
    return json_out_span(&out);
}

static struct span dotted(struct gemini_prompt *x, const char *before, struct span name) {
    return arena_printf(x->arena, "%s.%.*s", before, (int)min_size(name.n, 64), name.p);
}

/* A JSON schema. `true` is one too, which no API takes. */
static struct span schema_of(struct gemini_prompt *x, const struct json_token *value,
                             struct span param) {
    if (value->kind != JSON_OBJECT)
        gemini_refuse(x, param, SPAN("Give the schema as an object."));
    return gemini_text(value);
}

/* --- tools --- */

static void read_declaration(struct gemini_prompt *x, struct span object) {
    struct json json;
    struct json_token key, value;
    struct chat_tool *tool = chat_add_tool(x->prompt, x->arena);
    if (!tool) {
        gemini_no_memory(x);
        return;
    }
    gemini_open(&json, object);
    while (gemini_pair(&json, &key, &value)) {
        if (gemini_is(&key, SPAN("name"))) {
            tool->name = gemini_plain(x, &value, SPAN("tools.functionDeclarations.name"));
        } else if (gemini_is(&key, SPAN("description")) && value.kind == JSON_STRING) {
            tool->description = value.raw;
        } else if (gemini_is(&key, SPAN("parametersJsonSchema"))) {
            tool->schema =
                schema_of(x, &value, SPAN("tools.functionDeclarations.parametersJsonSchema"));
        } else if (gemini_is(&key, SPAN("parameters")) && value.kind == JSON_OBJECT) {
            tool->schema = turned(x, value.raw);
        } else {
            gemini_extra(x, dotted(x, "tools.functionDeclarations", key.raw), gemini_text(&value),
                         false);
        }
    }
    if (!tool->name.n)
        gemini_refuse(x, SPAN("tools.functionDeclarations.name"),
                      SPAN("Each of `functionDeclarations` needs a name."));
}

static void read_hosted(struct gemini_prompt *x, struct span type, struct span object) {
    struct chat_tool *tool = chat_add_tool(x->prompt, x->arena);
    if (!tool) {
        gemini_no_memory(x);
        return;
    }
    tool->hosted = type;
    tool->schema = object;
}

static void read_tool(struct gemini_prompt *x, struct span object) {
    struct json json, items;
    struct json_token key, value, declaration;
    gemini_open(&json, object);
    while (x->rc == 0 && gemini_pair(&json, &key, &value)) {
        if (!gemini_is(&key, SPAN("functionDeclarations"))) {
            /* {"googleSearch":{}}: one tool for each of its members. */
            struct span whole = arena_printf(x->arena, "{\"%.*s\":%.*s}", (int)key.raw.n, key.raw.p,
                                             (int)gemini_text(&value).n, gemini_text(&value).p);
            if (!whole.p)
                gemini_no_memory(x);
            else
                read_hosted(x, key.raw, whole);
            continue;
        }
        gemini_open(&items, gemini_text(&value));
        while (x->rc == 0 && gemini_item(&items, &declaration))
            if (declaration.kind == JSON_OBJECT)
                read_declaration(x, declaration.raw);
    }
}

/* An array, or (as some clients have it) one tool. */
void gemini_read_tools(struct gemini_prompt *x, struct span tools) {
    struct json json;
    struct json_token tool;
    if (tools.p[0] == '{') {
        read_tool(x, tools);
        return;
    }
    if (tools.p[0] != '[') {
        gemini_refuse(x, SPAN("tools"), SPAN("Give `tools` as an array of objects."));
        return;
    }
    gemini_open(&json, tools);
    while (x->rc == 0 && gemini_item(&json, &tool))
        if (tool.kind == JSON_OBJECT)
            read_tool(x, tool.raw);
}

static void read_allowed(struct gemini_prompt *x, struct span names) {
    struct json json;
    struct json_token name;
    gemini_open(&json, names);
    while (x->rc == 0 && gemini_item(&json, &name)) {
        if (x->prompt->allowed_count == CHAT_ALLOWED_MAX)
            gemini_refuse(x, SPAN("toolConfig.functionCallingConfig.allowedFunctionNames"),
                          SPAN("Name fewer functions: at most 256 are allowed."));
        else if (!chat_allow(x->prompt, x->arena,
                             gemini_plain(x, &name, SPAN("allowedFunctionNames"))))
            gemini_no_memory(x);
    }
}

static void read_mode(struct gemini_prompt *x, const struct json_token *mode) {
    static const struct span field = SPAN_CONST("toolConfig.functionCallingConfig.mode");
    struct chat_prompt *prompt = x->prompt;
    if (json_is(mode, SPAN("ANY"))) {
        prompt->choose = CHAT_CHOOSE_ANY;
    } else if (json_is(mode, SPAN("NONE"))) {
        prompt->choose = CHAT_CHOOSE_NONE;
    } else if (json_is(mode, SPAN("AUTO"))) {
        prompt->choose = CHAT_CHOOSE_AUTO;
    } else if (!json_is(mode, SPAN("MODE_UNSPECIFIED"))) {
        /* VALIDATED: as AUTO, with a promise that others do not give. */
        prompt->choose = CHAT_CHOOSE_AUTO;
        gemini_extra(x, field, gemini_text(mode), false);
    }
}

void gemini_read_tool_config(struct gemini_prompt *x, struct span config) {
    struct json json, inner;
    struct json_token key, value, name;
    struct chat_prompt *prompt = x->prompt;
    if (!gemini_open(&json, config) || config.p[0] != '{')
        return;
    while (x->rc == 0 && gemini_pair(&json, &key, &value)) {
        if (!gemini_is(&key, SPAN("functionCallingConfig")) || value.kind != JSON_OBJECT) {
            gemini_extra(x, dotted(x, "toolConfig", key.raw), gemini_text(&value), false);
            continue;
        }
        gemini_open(&inner, value.raw);
        while (x->rc == 0 && gemini_pair(&inner, &name, &value)) {
            if (gemini_is(&name, SPAN("mode")) && value.kind == JSON_STRING)
                read_mode(x, &value);
            else if (gemini_is(&name, SPAN("allowedFunctionNames")) && value.kind == JSON_ARRAY)
                read_allowed(x, value.raw);
            else /* how arguments are streamed does not change them */
                gemini_extra(x, dotted(x, "toolConfig.functionCallingConfig", name.raw),
                             gemini_text(&value),
                             gemini_is(&name, SPAN("streamFunctionCallArguments")));
        }
    }
    if (prompt->choose == CHAT_CHOOSE_ANY && prompt->allowed && !prompt->allowed->next) {
        prompt->choose = CHAT_CHOOSE_NAMED;
        prompt->choose_name = prompt->allowed->text;
        prompt->allowed = NULL;
        prompt->allowed_count = 0;
    }
}

/* --- generationConfig --- */

/* "HIGH" -> "high", in the arena. */
static struct span lower(struct gemini_prompt *x, struct span word) {
    char *text = arena_alloc(x->arena, word.n + 1);
    if (!text) {
        gemini_no_memory(x);
        return SPAN("");
    }
    for (size_t i = 0; i < word.n; i++)
        text[i] = (char)(word.p[i] >= 'A' && word.p[i] <= 'Z' ? word.p[i] - 'A' + 'a' : word.p[i]);
    return span_of(text, word.n);
}

static void read_thinking(struct gemini_prompt *x, struct span config) {
    struct chat_thinking *thinking = &x->prompt->thinking;
    struct json json;
    struct json_token key, value;
    gemini_open(&json, config);
    while (x->rc == 0 && gemini_pair(&json, &key, &value)) {
        if (gemini_is(&key, SPAN("includeThoughts"))) {
            thinking->shown = gemini_true(&value) ? CHAT_YES : CHAT_NO;
        } else if (gemini_is(&key, SPAN("thinkingLevel")) && value.kind == JSON_STRING) {
            if (json_is(&value, SPAN("THINKING_LEVEL_UNSPECIFIED")))
                continue;
            thinking->wanted = CHAT_YES;
            thinking->effort = lower(x, value.raw);
            if (!http_is_token(value.raw))
                gemini_refuse(x, SPAN("generationConfig.thinkingConfig.thinkingLevel"),
                              SPAN("Give `thinkingLevel` as a word such as \"LOW\"."));
        } else if (gemini_is(&key, SPAN("thinkingBudget"))) {
            if (span_eq(value.raw, SPAN("-1"))) {
                thinking->adaptive = true; /* the model decides */
                thinking->wanted = CHAT_YES;
                continue;
            }
            if (!gemini_count(&value, CHAT_OUTPUT_TOKENS_MAX, &thinking->budget_tokens)) {
                gemini_refuse(x, SPAN("generationConfig.thinkingConfig.thinkingBudget"),
                              SPAN("Give `thinkingBudget` as a whole number, or -1."));
                return;
            }
            thinking->budget_given = true;
            thinking->wanted = thinking->budget_tokens ? CHAT_YES : CHAT_NO;
        } else {
            gemini_extra(x, dotted(x, "generationConfig.thinkingConfig", key.raw),
                         gemini_text(&value), false);
        }
    }
}

static void read_stop(struct gemini_prompt *x, struct span words) {
    struct json json;
    struct json_token word;
    if (!gemini_open(&json, words))
        return;
    while (gemini_item(&json, &word))
        if (word.kind == JSON_STRING && !chat_add_word(&x->prompt->stop, x->arena, word.raw))
            gemini_no_memory(x);
}

static void read_schema(struct gemini_prompt *x, struct span schema, bool openapi) {
    struct chat_format *format = &x->prompt->format;
    format->kind = CHAT_FORMAT_SCHEMA;
    format->schema = openapi ? turned(x, schema) : schema;
}

static void read_mime(struct gemini_prompt *x, const struct json_token *type) {
    struct chat_format *format = &x->prompt->format;
    if (json_is(type, SPAN("application/json"))) {
        if (format->kind != CHAT_FORMAT_SCHEMA)
            format->kind = CHAT_FORMAT_OBJECT;
    } else if (json_is(type, SPAN("text/plain"))) {
        format->kind = CHAT_FORMAT_TEXT;
    } else { /* text/x.enum */
        gemini_extra(x, SPAN("generationConfig.responseMimeType"), gemini_text(type), false);
    }
}

static bool is_text_only(struct span modalities) {
    struct json json;
    struct json_token word;
    bool only = modalities.p[0] == '[' && gemini_open(&json, modalities);
    while (only && gemini_item(&json, &word))
        only = word.kind == JSON_STRING && json_is(&word, SPAN("TEXT"));
    return only;
}

/* The text of a number, which may stand in quotes (proto3 JSON); empty: it is none. */
static struct span number_of(const struct json_token *value) {
    bool quoted = value->kind == JSON_STRING && value->raw.n &&
                  gemini_token(value->raw).kind == JSON_NUMBER &&
                  json_check(value->raw, NULL, NULL) == 0;
    return quoted || value->kind == JSON_NUMBER ? value->raw : SPAN("");
}

static struct span bool_of(const struct json_token *value) {
    return value->kind == JSON_TRUE || value->kind == JSON_FALSE ? value->raw : SPAN("");
}

/* Members that are the same number or word in the canonical request. */
static bool read_knob(struct gemini_prompt *x, const struct json_token *key,
                      const struct json_token *value) {
    struct chat_prompt *prompt = x->prompt;
    const struct {
        struct span name;
        const char *full;
        struct chat_knob *knob;
        bool boolean; /* or a number */
    } rows[] = {
        {SPAN("temperature"), "generationConfig.temperature", &prompt->temperature, false},
        {SPAN("topP"), "generationConfig.topP", &prompt->top_p, false},
        {SPAN("topK"), "generationConfig.topK", &prompt->top_k, false},
        {SPAN("seed"), "generationConfig.seed", &prompt->seed, false},
        {SPAN("presencePenalty"), "generationConfig.presencePenalty", &prompt->presence_penalty,
         false},
        {SPAN("frequencyPenalty"), "generationConfig.frequencyPenalty", &prompt->frequency_penalty,
         false},
        {SPAN("responseLogprobs"), "generationConfig.responseLogprobs", &prompt->logprobs, true},
        {SPAN("logprobs"), "generationConfig.logprobs", &prompt->top_logprobs, false},
    };
    unsigned i = 0;
    while (i < countof(rows) && !gemini_is(key, rows[i].name))
        i++;
    if (i == countof(rows))
        return false;
    struct span given = rows[i].boolean ? bool_of(value) : number_of(value);
    *rows[i].knob = (struct chat_knob){.value = given, .name = rows[i].full};
    if (!given.n)
        gemini_refuse(x, span_str(rows[i].full),
                      rows[i].boolean ? SPAN("Give true or false.") : SPAN("Give a number."));
    return true;
}

static void read_generation_member(struct gemini_prompt *x, const struct json_token *key,
                                   const struct json_token *value) {
    struct chat_prompt *prompt = x->prompt;
    struct span text = gemini_text(value);
    uint64_t count;
    if (read_knob(x, key, value))
        return;
    if (gemini_is(key, SPAN("maxOutputTokens"))) {
        gemini_count(value, CHAT_OUTPUT_TOKENS_MAX, &prompt->max_output_tokens);
    } else if (gemini_is(key, SPAN("candidateCount"))) {
        if (gemini_count(value, CHOICES_MAX, &count) && count)
            prompt->choices = (unsigned)count;
    } else if (gemini_is(key, SPAN("stopSequences"))) {
        read_stop(x, text);
    } else if (gemini_is(key, SPAN("thinkingConfig")) && value->kind == JSON_OBJECT) {
        read_thinking(x, text);
    } else if (gemini_is(key, SPAN("responseMimeType")) && value->kind == JSON_STRING) {
        read_mime(x, value);
    } else if (gemini_is(key, SPAN("responseSchema")) && value->kind == JSON_OBJECT) {
        read_schema(x, text, true);
    } else if (gemini_is(key, SPAN("responseJsonSchema")) ||
               json_is(key, SPAN("_responseJsonSchema"))) {
        read_schema(x, schema_of(x, value, SPAN("generationConfig.responseJsonSchema")), false);
    } else if (!gemini_is(key, SPAN("responseModalities")) || !is_text_only(text)) {
        gemini_extra(x, dotted(x, "generationConfig", key->raw), text, false);
    }
}

void gemini_read_generation(struct gemini_prompt *x, struct span config) {
    struct json json;
    struct json_token key, value;
    if (!gemini_open(&json, config) || config.p[0] != '{')
        return;
    while (x->rc == 0 && gemini_pair(&json, &key, &value))
        read_generation_member(x, &key, &value);
}
