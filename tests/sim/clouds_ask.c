/* clouds_ask.c - reads requests at the clouds, each format by its own rules (PROVIDERS.md 2), and compares what they say
 * with what the client said. See clouds_ask.h. */
#include "tests/sim/clouds_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "tests/sim/asks_body.h"

/* What a request says. */
struct asked {
    const char *model; /* NULL: not in the body */
    /* All that was said, piece by piece: "|U:" of the user, "A:" of the assistant, "C:" its call, "R:" what that gave. */
    struct text talk, system;
    char latest;   /* the kind of the last piece */
    char call[64]; /* the id of the last call; of a format without ids its name */
    bool max, temperature;
    uint64_t max_tokens;
    double degrees;
    const char *stop, *tool, *tool_type; /* the type of the tool's parameter "q" */
    unsigned tools;
    bool unfinished; /* the last turn is the assistant's */
    bool final;      /* it is said that it is to be gone on with */
};

static yyjson_val *get(yyjson_val *object, const char *name) {
    return yyjson_obj_get(object, name);
}
static yyjson_val *first(yyjson_val *array) { return yyjson_arr_get(array, 0); }

/* ---- where ---- */

enum format clouds_ask_format(const struct cloud *cloud, const struct request *request,
                              struct span head) {
    bool rest = cloud->goes_on && span_starts(head, SPAN("POST /v1/chat/completions "));
    switch (cloud->kind) {
    case CLOUD_OPENAI:
        return request->format == FORMAT_RESPONSES && !rest ? FORMAT_RESPONSES : FORMAT_CHAT;
    case CLOUD_ANTHROPIC: return FORMAT_MESSAGES;
    case CLOUD_GEMINI: return FORMAT_GEMINI;
    case CLOUD_BEDROCK: break;
    }
    return FORMAT_CONVERSE;
}

const char *clouds_ask_line(const struct cloud *cloud, const struct request *request,
                            enum format format) {
    static char line[96];
    const char *model = cloud_model(cloud, request->model->index);
    switch (format) {
    case FORMAT_CHAT: return "POST /v1/chat/completions";
    case FORMAT_RESPONSES: return "POST /v1/responses";
    case FORMAT_MESSAGES: return "POST /v1/messages";
    case FORMAT_GEMINI:
        snprintf(line, sizeof line, "POST /v1beta/models/%s:streamGenerateContent?alt=sse", model);
        return line;
    case FORMAT_CONVERSE:
    case FORMAT_COUNT: break;
    }
    snprintf(line, sizeof line, "POST /model/%s/converse-stream", model);
    return line;
}

const char *clouds_ask_key_field(const struct cloud *cloud, const char **value) {
    static char bearer[48];
    *value = cloud->key;
    if (cloud->kind == CLOUD_ANTHROPIC)
        return "x-api-key";
    if (cloud->kind == CLOUD_GEMINI)
        return "x-goog-api-key";
    snprintf(bearer, sizeof bearer, "Bearer %s", cloud->key);
    *value = bearer;
    return "authorization";
}

/* ---- what ---- */

static void wrong(const struct cloud *cloud, const struct request *request, const char *what) {
    sim_fail("request", "request %u (%s) reached cloud %u (%s) with another %s", request->n,
             format_names[request->format], cloud->index,
             format_names[clouds_ask_format(cloud, request, SPAN(""))], what);
}

static void say(struct asked *asked, char who, yyjson_val *text) {
    const char *p = yyjson_get_str(text);
    if (!p || *p == 0)
        return;
    if (who != asked->latest || who == 'R')
        text_printf(&asked->talk, " |%c:", who);
    asked->latest = who;
    text_add(&asked->talk, p, yyjson_get_len(text));
}

/* A text, or a list of parts whose texts stand in `text`. */
static void say_texts(struct asked *asked, char who, yyjson_val *content) {
    size_t i, count;
    yyjson_val *part;
    if (yyjson_is_str(content))
        say(asked, who, content);
    yyjson_arr_foreach(content, i, count, part) { say(asked, who, get(part, "text")); }
}

static void add_system(struct asked *asked, yyjson_val *content) {
    size_t i, count;
    yyjson_val *part;
    if (yyjson_is_str(content))
        text_add(&asked->system, yyjson_get_str(content), yyjson_get_len(content));
    yyjson_arr_foreach(content, i, count, part) {
        yyjson_val *text = get(part, "text");
        text_add(&asked->system, yyjson_get_str(text), yyjson_get_len(text));
    }
}

static void call(struct asked *asked, yyjson_val *id, yyjson_val *name, yyjson_val *arguments) {
    char *written = yyjson_is_str(arguments) ? NULL : yyjson_val_write(arguments, 0, NULL);
    const char *text = written ? written : yyjson_get_str(arguments);
    snprintf(asked->call, sizeof asked->call, "%s", yyjson_get_str(id) ? yyjson_get_str(id) : "");
    text_printf(&asked->talk, " |C:%s%s", yyjson_get_str(name) ? yyjson_get_str(name) : "(none)",
                text ? text : "(none)");
    asked->latest = 'C';
    free(written);
}

/* Of a result that is an object only what the client can have put there is looked at. */
static void result(struct asked *asked, yyjson_val *id, yyjson_val *content) {
    if (!yyjson_equals_str(id, asked->call))
        text_str(&asked->talk, " |(of another call)");
    if (!yyjson_is_obj(content)) {
        say_texts(asked, 'R', content);
        return;
    }
    yyjson_val *inner =
        yyjson_get_str(get(content, "result")) ? get(content, "result") : get(content, "output");
    say(asked, 'R', inner);
}

static bool is_role(yyjson_val *turn, const char *role) {
    return yyjson_equals_str(get(turn, "role"), role);
}

/* A part of a turn, of whichever format has parts. */
static void read_part(struct asked *asked, char who, yyjson_val *part) {
    yyjson_val *use = get(part, "toolUse"), *given = get(part, "toolResult");
    yyjson_val *function = get(part, "functionCall"), *response = get(part, "functionResponse");
    if (yyjson_equals_str(get(part, "type"), "tool_use"))
        call(asked, get(part, "id"), get(part, "name"), get(part, "input"));
    else if (yyjson_equals_str(get(part, "type"), "tool_result"))
        result(asked, get(part, "tool_use_id"), get(part, "content"));
    else if (use)
        call(asked, get(use, "toolUseId"), get(use, "name"), get(use, "input"));
    else if (given)
        result(asked, get(given, "toolUseId"), get(given, "content"));
    else if (function)
        call(asked, get(function, "name"), get(function, "name"), get(function, "args"));
    else if (response)
        result(asked, get(response, "name"), get(response, "response"));
    else
        say(asked, who, get(part, "text"));
}

/* Turns {role, NAME}, which take turns where `strict`. */
static bool read_turns(struct asked *asked, yyjson_val *turns, const char *name, bool strict) {
    size_t i, count, k, part_count;
    yyjson_val *turn, *part;
    bool user = false, right = true;
    yyjson_arr_foreach(turns, i, count, turn) {
        yyjson_val *content = get(turn, name);
        right &= !strict || is_role(turn, "user") != user;
        user = is_role(turn, "user");
        right &= user || is_role(turn, "assistant") || is_role(turn, "model");
        if (yyjson_is_str(content))
            say(asked, user ? 'U' : 'A', content);
        yyjson_arr_foreach(content, k, part_count, part) {
            read_part(asked, user ? 'U' : 'A', part);
        }
    }
    asked->unfinished = !user;
    return right;
}

static void read_tool(struct asked *asked, yyjson_val *tools, yyjson_val *tool,
                      const char *schema) {
    asked->tools = (unsigned)yyjson_arr_size(tools);
    asked->tool = yyjson_get_str(get(tool, "name"));
    yyjson_val *q = get(get(get(tool, schema), "properties"), "q");
    asked->tool_type = yyjson_get_str(get(q, "type"));
}

static void read_max(struct asked *asked, yyjson_val *object, const char *name) {
    yyjson_val *max = get(object, name);
    asked->max |= max != NULL;
    asked->max_tokens += yyjson_get_uint(max);
}

static void read_temperature(struct asked *asked, yyjson_val *object) {
    yyjson_val *value = get(object, "temperature");
    asked->temperature = value != NULL;
    asked->degrees = yyjson_get_num(value);
}

/* OpenAI's: system turns among the others, calls and results apart from the texts. */
static void read_chat_turn(struct asked *asked, yyjson_val *turn) {
    yyjson_val *content = get(turn, "content"), *piece;
    size_t i, count;
    if (is_role(turn, "system") || is_role(turn, "developer"))
        add_system(asked, content);
    else if (is_role(turn, "tool"))
        result(asked, get(turn, "tool_call_id"), content);
    else
        say_texts(asked, is_role(turn, "user") ? 'U' : 'A', content);
    yyjson_arr_foreach(get(turn, "tool_calls"), i, count, piece) {
        yyjson_val *function = get(piece, "function");
        call(asked, get(piece, "id"), get(function, "name"), get(function, "arguments"));
    }
}

static bool read_chat(struct asked *asked, yyjson_val *root) {
    size_t i, count;
    yyjson_val *turn;
    yyjson_arr_foreach(get(root, "messages"), i, count, turn) {
        read_chat_turn(asked, turn);
        asked->unfinished = is_role(turn, "assistant");
    }
    asked->final = yyjson_is_true(get(root, "continue_final_message")) &&
                   yyjson_is_false(get(root, "add_generation_prompt"));
    read_max(asked, root, "max_tokens");
    read_max(asked, root, "max_completion_tokens");
    read_temperature(asked, root);
    yyjson_val *stop = get(root, "stop"), *tools = get(root, "tools");
    asked->stop = yyjson_get_str(yyjson_is_arr(stop) ? first(stop) : stop);
    read_tool(asked, tools, get(first(tools), "function"), "parameters");
    return true;
}

static bool read_responses(struct asked *asked, yyjson_val *root) {
    size_t i, count;
    yyjson_val *item;
    yyjson_val *input = get(root, "input"), *tools = get(root, "tools");
    say_texts(asked, 'U', yyjson_is_str(input) ? input : NULL);
    yyjson_arr_foreach(input, i, count, item) {
        if (yyjson_equals_str(get(item, "type"), "function_call"))
            call(asked, get(item, "call_id"), get(item, "name"), get(item, "arguments"));
        else if (yyjson_equals_str(get(item, "type"), "function_call_output"))
            result(asked, get(item, "call_id"), get(item, "output"));
        else
            read_chat_turn(asked, item);
    }
    add_system(asked, get(root, "instructions"));
    read_max(asked, root, "max_output_tokens");
    read_temperature(asked, root);
    read_tool(asked, tools, first(tools), "parameters");
    return true;
}

static bool read_messages(struct asked *asked, yyjson_val *root) {
    yyjson_val *tools = get(root, "tools");
    bool right = read_turns(asked, get(root, "messages"), "content", true);
    add_system(asked, get(root, "system"));
    read_max(asked, root, "max_tokens");
    read_temperature(asked, root);
    asked->stop = yyjson_get_str(first(get(root, "stop_sequences")));
    read_tool(asked, tools, first(tools), "input_schema");
    return right;
}

static bool read_gemini(struct asked *asked, yyjson_val *root) {
    yyjson_val *settings = get(root, "generationConfig");
    yyjson_val *tools = get(first(get(root, "tools")), "functionDeclarations");
    bool right = read_turns(asked, get(root, "contents"), "parts", false);
    add_system(asked, get(get(root, "systemInstruction"), "parts"));
    read_max(asked, settings, "maxOutputTokens");
    read_temperature(asked, settings);
    asked->stop = yyjson_get_str(first(get(settings, "stopSequences")));
    bool plain = get(first(tools), "parameters") != NULL;
    read_tool(asked, tools, first(tools), plain ? "parameters" : "parametersJsonSchema");
    return right;
}

static bool read_converse(struct asked *asked, yyjson_val *root) {
    yyjson_val *settings = get(root, "inferenceConfig");
    yyjson_val *tools = get(get(root, "toolConfig"), "tools");
    yyjson_val *tool = get(first(tools), "toolSpec");
    bool right = read_turns(asked, get(root, "messages"), "content", true);
    add_system(asked, get(root, "system"));
    read_max(asked, settings, "maxTokens");
    read_temperature(asked, settings);
    asked->stop = yyjson_get_str(first(get(settings, "stopSequences")));
    read_tool(asked, tools, tool, "inputSchema");
    yyjson_val *schema = get(get(tool, "inputSchema"), "json");
    asked->tool_type = yyjson_get_str(get(get(get(schema, "properties"), "q"), "type"));
    return right;
}

/* `model` and `stream` where they belong and nowhere else. */
static void check_frame(const struct cloud *cloud, const struct request *request,
                        enum format format, yyjson_val *root) {
    bool in_path = format == FORMAT_GEMINI || format == FORMAT_CONVERSE;
    yyjson_val *model = get(root, "model"), *stream = get(root, "stream");
    if (in_path && request->format != format && (model || stream))
        wrong(cloud, request, "place for model and stream than the path");
    if (in_path)
        return;
    if (!yyjson_is_str(model) ||
        strcmp(yyjson_get_str(model), cloud_model(cloud, request->model->index)) != 0)
        wrong(cloud, request, "model");
    if (!yyjson_get_bool(stream))
        wrong(cloud, request, "stream");
    if (format == FORMAT_CHAT &&
        !yyjson_get_bool(get(get(root, "stream_options"), "include_usage")))
        wrong(cloud, request, "include_usage");
    if (request->hard != (get(root, "logit_bias") != NULL))
        wrong(cloud, request, "logit_bias");
    if (format == FORMAT_MESSAGES && yyjson_get_uint(get(root, "max_tokens")) == 0)
        wrong(cloud, request, "max_tokens, which it must have");
}

static bool same_text(const struct text *a, const struct text *b) {
    return span_eq(text_span(a), text_span(b));
}

static struct text talk_of(const struct request *request) {
    struct asks_history h = asks_history(request);
    struct text talk = {0};
    if (request->history)
        text_printf(&talk, " |U:%s |A:%s |C:%s%s |R:%s", h.asked.p, h.said.p, h.name.p,
                    h.arguments.p, h.found.p);
    text_str(&talk, " |U:");
    text_add(&talk, request->content.p, request->content.n);
    return talk;
}

static void check_said(const struct cloud *cloud, const struct request *request, enum format format,
                       const struct asked *asked) {
    bool fills_in = format == FORMAT_MESSAGES || format == FORMAT_CONVERSE;
    struct text talk = talk_of(request);
    if (!same_text(&asked->talk, &talk))
        sim_fail("request", "request %u (%s) reached cloud %u (%s) saying %.300s", request->n,
                 format_names[request->format], cloud->index, format_names[format],
                 asked->talk.n ? asked->talk.p : "nothing");
    if (!same_text(&asked->system, &request->system))
        wrong(cloud, request, "system prompt");
    /* What was said already is not to be said again. */
    bool lowered =
        asked->unfinished && asked->max_tokens >= 1 && asked->max_tokens < request->max_tokens;
    if (request->max_tokens ? asked->max_tokens != request->max_tokens && !lowered
                            : asked->max && !fills_in)
        wrong(cloud, request, "limit of tokens");
    if (asked->temperature != request->cooler || (request->cooler && asked->degrees != 0.5))
        wrong(cloud, request, "temperature");
    if (request->stops != (asked->stop != NULL) || (asked->stop && strcmp(asked->stop, "END") != 0))
        wrong(cloud, request, "stop sequence");
}

static void check_tool(const struct cloud *cloud, const struct request *request,
                       const struct asked *asked) {
    char name[24];
    snprintf(name, sizeof name, "g_R%u", request->n);
    if (asked->tools != request->tool)
        wrong(cloud, request, "number of tools");
    if (!request->tool)
        return;
    if (!asked->tool || strcmp(asked->tool, name) != 0)
        wrong(cloud, request, "tool");
    /* Gemini's own schemas have types in capitals. */
    if (!asked->tool_type || strcasecmp(asked->tool_type, "string") != 0)
        wrong(cloud, request, "schema of its tool");
}

/* Takes the last turn, which is the assistant's, off the talk. */
static struct text cut_unfinished(struct asked *asked) {
    static const char mark[] = " |A:";
    struct text last = {0};
    for (size_t at = asked->talk.n; at-- > 0;) {
        if (asked->talk.n - at < sizeof mark - 1 ||
            memcmp(asked->talk.p + at, mark, sizeof mark - 1) != 0)
            continue;
        size_t from = at + sizeof mark - 1;
        text_add(&last, asked->talk.p + from, asked->talk.n - from);
        asked->talk.n = at;
        break;
    }
    return last;
}

static bool is_white(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* Is `turn` how the answer before + said begins, white space apart? Some formats refuse it at the end of a
 * turn, so that it is missing in what was handed from one to the next. */
static bool begins(const struct text *before, const struct text *said, const struct text *turn) {
    struct text whole = {0};
    size_t at = 0;
    text_add(&whole, before->p, before->n);
    text_add(&whole, said->p, said->n);
    for (size_t i = 0; i < turn->n; i++) {
        if (is_white(turn->p[i]))
            continue;
        while (at < whole.n && is_white(whole.p[at]))
            at++;
        if (at == whole.n || whole.p[at++] != turn->p[i])
            return false;
    }
    return turn->n > 0;
}

/* Only a cloud that can is asked to go on, in its own words, behind what another one has said. */
static void check_unfinished(const struct cloud *cloud, const struct request *request,
                             enum format format, const struct asked *asked,
                             const struct text *turn) {
    bool blunt = format == FORMAT_MESSAGES || format == FORMAT_CONVERSE, known = false;
    if (!cloud->goes_on || format == FORMAT_GEMINI || format == FORMAT_RESPONSES)
        wrong(cloud, request, "last turn than it can go on with");
    if (!(request->model->stalls & 1u << ON_STALL_CONTINUE))
        wrong(cloud, request, "last turn than its operator wants");
    if (asked->final != (format == FORMAT_CHAT))
        wrong(cloud, request, "word for what is to be done with the last turn");
    if (blunt && turn->n && is_white(turn->p[turn->n - 1]))
        wrong(cloud, request, "end of its last turn than may be");
    for (unsigned i = 0; i < request->reply_count; i++)
        known |= begins(&request->replies[i]->behind, &request->replies[i]->said, turn);
    if (!known)
        sim_fail("request", "request %u reached cloud %u behind an answer that nobody gave: %.200s",
                 request->n, cloud->index, turn->p ? turn->p : "");
}

struct text clouds_ask_check(const struct cloud *cloud, const struct request *request,
                             enum format format, struct span body) {
    struct text unfinished = {0};
    static bool (*const reads[FORMAT_COUNT])(struct asked *, yyjson_val *) = {
        [FORMAT_CHAT] = read_chat,         [FORMAT_RESPONSES] = read_responses,
        [FORMAT_MESSAGES] = read_messages, [FORMAT_GEMINI] = read_gemini,
        [FORMAT_CONVERSE] = read_converse,
    };
    if (request->hard && format != FORMAT_CHAT)
        wrong(cloud, request, "meaning, which it cannot express");
    struct asked asked = {0};
    yyjson_doc *doc = yyjson_read(body.p, body.n, 0);
    if (!doc)
        sim_fail("request", "request %u reached cloud %u as something that is not JSON", request->n,
                 cloud->index);
    yyjson_val *root = yyjson_doc_get_root(doc);
    check_frame(cloud, request, format, root);
    if (!reads[format](&asked, root))
        wrong(cloud, request, "order of turns than there may be");
    if (asked.unfinished) {
        unfinished = cut_unfinished(&asked);
        check_unfinished(cloud, request, format, &asked, &unfinished);
    } else if (asked.final) {
        wrong(cloud, request, "word for what is to be done with the last turn");
    }
    check_said(cloud, request, format, &asked);
    check_tool(cloud, request, &asked);
    yyjson_doc_free(doc);
    return unfinished;
}
