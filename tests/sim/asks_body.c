/* asks_body.c - writes the bodies of requests in the clients' formats. See asks_body.h. */
#include "tests/sim/asks_body.h"

#include "tests/sim/say.h"

#define SCHEMA "{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"string\"}}}"

/* A text as itself, or as a list with one part. */
static void add_content(struct text *body, struct span text, const char *part_type) {
    bool list = world_chance(0.4);
    if (list)
        text_printf(body, "[{\"type\":\"%s\",\"text\":", part_type);
    say_string(body, text);
    if (list)
        text_str(body, "}]");
}

static void add_turn(struct text *body, const char *role, struct span text, const char *part_type) {
    text_printf(body, "{\"role\":\"%s\",\"content\":", role);
    add_content(body, text, part_type);
    text_str(body, "}");
}

struct asks_history asks_history(const struct request *request) {
    struct asks_history h = {0};
    text_printf(&h.asked, "Q%u what is it", request->n);
    text_printf(&h.said, "H%u let me look", request->n);
    text_printf(&h.id, "call_H%u", request->n);
    text_printf(&h.name, "g_R%u", request->n);
    text_printf(&h.arguments, "{\"q\":\"H%u\"}", request->n);
    text_printf(&h.found, "F%u found", request->n);
    return h;
}

static void add_stream(struct text *body, const struct request *request) {
    if (request->stream)
        text_str(body, "\"stream\":true,");
    else if (world_chance(0.3))
        text_str(body, "\"stream\" : false , ");
}

static void chat(struct text *body, const struct request *request, const char *model) {
    text_printf(body, "{\"model\":\"%s\",", model);
    add_stream(body, request);
    if (request->usage)
        text_str(body, "\"stream_options\":{\"include_usage\":true},");
    if (request->max_tokens)
        text_printf(body, "\"%s\":%u,", world_chance(0.5) ? "max_tokens" : "max_completion_tokens",
                    request->max_tokens);
    if (request->cooler)
        text_str(body, "\"temperature\":0.5,");
    if (request->stops)
        text_str(body, world_chance(0.5) ? "\"stop\":\"END\"," : "\"stop\":[\"END\"],");
    if (request->hard)
        text_str(body, "\"logit_bias\":{\"50256\":-100},");
    if (request->tool)
        text_printf(body,
                    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g_R%u\","
                    "\"parameters\":" SCHEMA "}}],",
                    request->n);
    text_printf(body, "\"user\":\"u%u\",\"messages\":[", request->n);
    if (request->system.n) {
        add_turn(body, world_chance(0.5) ? "system" : "developer", text_span(&request->system),
                 "text");
        text_str(body, ",");
    }
    if (request->history) {
        struct asks_history h = asks_history(request);
        add_turn(body, "user", text_span(&h.asked), "text");
        text_printf(body,
                    ",{\"role\":\"assistant\",\"content\":\"%s\",\"tool_calls\":[{\"id\":\"%s\","
                    "\"type\":\"function\",\"function\":{\"name\":\"%s\",\"arguments\":",
                    h.said.p, h.id.p, h.name.p);
        say_string(body, text_span(&h.arguments));
        text_printf(body, "}}]},{\"role\":\"tool\",\"tool_call_id\":\"%s\",\"content\":\"%s\"},",
                    h.id.p, h.found.p);
    }
    add_turn(body, "user", text_span(&request->content), "text");
    text_str(body, "]}");
}

static void responses(struct text *body, const struct request *request, const char *model) {
    bool apart = world_chance(0.5);
    text_printf(body, "{\"model\":\"%s\",\"store\":false,", model);
    add_stream(body, request);
    if (request->max_tokens)
        text_printf(body, "\"max_output_tokens\":%u,", request->max_tokens);
    if (request->cooler)
        text_str(body, "\"temperature\":0.5,");
    if (request->tool)
        text_printf(body,
                    "\"tools\":[{\"type\":\"function\",\"name\":\"g_R%u\",\"strict\":false,"
                    "\"parameters\":" SCHEMA "}],",
                    request->n);
    if (request->system.n && apart) {
        text_str(body, "\"instructions\":");
        say_string(body, text_span(&request->system));
        text_str(body, ",");
    }
    text_str(body, "\"input\":");
    if (world_chance(0.4) && (apart || request->system.n == 0) && !request->history) {
        say_string(body, text_span(&request->content));
    } else {
        text_str(body, "[");
        if (request->system.n && !apart) {
            add_turn(body, "system", text_span(&request->system), "input_text");
            text_str(body, ",");
        }
        if (request->history) {
            struct asks_history h = asks_history(request);
            add_turn(body, "user", text_span(&h.asked), "input_text");
            text_printf(body,
                        ",{\"type\":\"message\",\"role\":\"assistant\",\"content\":"
                        "[{\"type\":\"output_text\",\"text\":\"%s\"}]},"
                        "{\"type\":\"function_call\",\"call_id\":\"%s\",\"name\":\"%s\","
                        "\"arguments\":",
                        h.said.p, h.id.p, h.name.p);
            say_string(body, text_span(&h.arguments));
            text_printf(body,
                        "},{\"type\":\"function_call_output\",\"call_id\":\"%s\","
                        "\"output\":\"%s\"},",
                        h.id.p, h.found.p);
        }
        add_turn(body, "user", text_span(&request->content), "input_text");
        text_str(body, "]");
    }
    text_str(body, "}");
}

static void messages(struct text *body, const struct request *request, const char *model) {
    text_printf(body, "{\"model\":\"%s\",\"max_tokens\":%u,", model, request->max_tokens);
    add_stream(body, request);
    if (request->cooler)
        text_str(body, "\"temperature\":0.5,");
    if (request->stops)
        text_str(body, "\"stop_sequences\":[\"END\"],");
    if (request->tool)
        text_printf(body, "\"tools\":[{\"name\":\"g_R%u\",\"input_schema\":" SCHEMA "}],",
                    request->n);
    if (request->system.n) {
        text_str(body, "\"system\":");
        add_content(body, text_span(&request->system), "text");
        text_str(body, ",");
    }
    text_str(body, "\"messages\":[");
    if (request->history) { /* what the call gave and what is asked next are one turn */
        struct asks_history h = asks_history(request);
        add_turn(body, "user", text_span(&h.asked), "text");
        text_printf(body,
                    ",{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"},"
                    "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":\"%s\",\"input\":%s}]},"
                    "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
                    "\"tool_use_id\":\"%s\",\"content\":\"%s\"},{\"type\":\"text\",\"text\":",
                    h.said.p, h.id.p, h.name.p, h.arguments.p, h.id.p, h.found.p);
        say_string(body, text_span(&request->content));
        text_str(body, "}]}");
    } else {
        add_turn(body, "user", text_span(&request->content), "text");
    }
    text_str(body, "]}");
}

static void add_parts(struct text *body, struct span text) {
    text_str(body, "\"parts\":[{\"text\":");
    say_string(body, text);
    text_str(body, "}]}");
}

static void gemini(struct text *body, const struct request *request, const char *model) {
    const char *comma = "";
    (void)model; /* in the path */
    text_str(body, "{\"contents\":[");
    if (request->history) {
        struct asks_history h = asks_history(request);
        text_str(body, "{\"role\":\"user\",");
        add_parts(body, text_span(&h.asked));
        text_printf(body,
                    ",{\"role\":\"model\",\"parts\":[{\"text\":\"%s\"},{\"functionCall\":"
                    "{\"name\":\"%s\",\"args\":%s}}]},{\"role\":\"user\",\"parts\":"
                    "[{\"functionResponse\":{\"name\":\"%s\",\"response\":{\"result\":"
                    "\"%s\"}}}]},",
                    h.said.p, h.name.p, h.arguments.p, h.name.p, h.found.p);
    }
    text_str(body, "{\"role\":\"user\",");
    add_parts(body, text_span(&request->content));
    text_str(body, "],");
    if (request->system.n) {
        text_str(body, "\"systemInstruction\":{");
        add_parts(body, text_span(&request->system));
        text_str(body, ",");
    }
    if (request->tool)
        text_printf(body,
                    "\"tools\":[{\"functionDeclarations\":[{\"name\":\"g_R%u\",\"parameters\":"
                    "{\"type\":\"OBJECT\",\"properties\":{\"q\":{\"type\":\"STRING\"}}}}]}],",
                    request->n);
    text_str(body, "\"generationConfig\":{");
    if (request->max_tokens) {
        text_printf(body, "\"maxOutputTokens\":%u", request->max_tokens);
        comma = ",";
    }
    if (request->cooler) {
        text_printf(body, "%s\"temperature\":0.5", comma);
        comma = ",";
    }
    if (request->stops)
        text_printf(body, "%s\"stopSequences\":[\"END\"]", comma);
    text_str(body, "}}");
}

void asks_body(struct text *body, const struct request *request, const char *model) {
    switch (request->format) {
    case FORMAT_CHAT: chat(body, request, model); return;
    case FORMAT_RESPONSES: responses(body, request, model); return;
    case FORMAT_MESSAGES: messages(body, request, model); return;
    case FORMAT_GEMINI: gemini(body, request, model); return;
    case FORMAT_CONVERSE:
    case FORMAT_COUNT: CHECK(false);
    }
}
