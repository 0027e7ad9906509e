/* converse_tools.c - toolConfig: tools, and which of them may be called. (pure)
 *
 * Promises: a conversation that holds tool calls or results has a toolConfig, without which Bedrock
 *           refuses it. Tools that may not be chosen (allowed_tools) are not sent.
 * Refuses:  names that Bedrock does not take: the answer would name what the client does not know. */
#include "providers/converse.h"

#define EMPTY_SCHEMA SPAN("{\"type\":\"object\",\"properties\":{}}")

/* May the tool be written? False: give up. */
static bool judge_tool(struct converse_write *w, const struct chat_tool *tool, unsigned index,
                       bool *take) {
    const char *why =
        tool->hosted.n ? "a tool that its provider runs itself; Bedrock has no such tool"
        : tool->custom ? "Bedrock's tools take JSON; give it parameters"
        : !chat_is_tool_name(tool->name) ? "Bedrock takes names of 1 to 64 letters, digits, _ and -"
                                         : NULL;
    *take = !why && chat_is_allowed(w->prompt, tool->name);
    return !why || converse_lose(w, arena_printf(w->arena, "tools[%u]", index), why);
}

static void write_spec(struct converse_write *w, struct span name, struct span description,
                       struct span schema, bool strict) {
    struct json_out *out = w->out;
    converse_open_block(out, SPAN("toolSpec"));
    converse_write_text(out, SPAN("name"), name);
    converse_write_text(out, SPAN("description"), description);
    converse_open(out, SPAN("inputSchema"));
    json_out_key(out, SPAN("json"));
    json_out_value(out, schema.n ? schema : EMPTY_SCHEMA);
    json_out_object_end(out);
    if (strict) {
        json_out_key(out, SPAN("strict"));
        json_out_bool(out, true);
    }
    json_out_object_end(out);
    json_out_object_end(out);
}

static void open_tools(struct json_out *out) {
    converse_open(out, SPAN("toolConfig"));
    json_out_key(out, SPAN("tools"));
    json_out_array(out);
}

/* Writes the tools that can be, and finds out whether the chosen one is among them. */
static bool write_tools(struct converse_write *w, unsigned *count) {
    unsigned index = 0;
    for (const struct chat_tool *tool = w->prompt->tools; tool; tool = tool->next) {
        bool take;
        if (!judge_tool(w, tool, index++, &take))
            return false;
        if (!take)
            continue;
        if ((*count)++ == 0)
            open_tools(w->out);
        write_spec(w, tool->name, tool->description, tool->schema, tool->strict == CHAT_YES);
        /* Nova caches no tools. */
        if (tool->cache && w->claude)
            converse_write_cache(w, tool->cache_ttl);
        w->chosen |=
            w->prompt->choose == CHAT_CHOOSE_NAMED && span_eq(tool->name, w->prompt->choose_name);
    }
    return true;
}

/* One call at a time: only Claude can be told. */
static bool decide_parallel(struct converse_write *w) {
    if (w->prompt->parallel_tools != CHAT_NO)
        return true;
    w->own_choice = w->claude;
    return w->claude || converse_lose(w, SPAN("parallel_tool_calls"),
                                      "this model cannot be held to one call at a time");
}

/* "auto" is what happens anyway, and some models refuse to be told. */
static bool write_choice(struct converse_write *w) {
    struct json_out *out = w->out;
    if (w->prompt->choose == CHAT_CHOOSE_NAMED && !w->chosen &&
        !converse_lose(w, SPAN("tool_choice"), "names a tool that is not among the tools"))
        return false;
    if (w->own_choice || (w->prompt->choose != CHAT_CHOOSE_ANY && !w->chosen))
        return true;
    converse_open(out, SPAN("toolChoice"));
    converse_open(out, w->chosen ? SPAN("tool") : SPAN("any"));
    if (w->chosen)
        converse_write_text(out, SPAN("name"), w->prompt->choose_name);
    json_out_object_end(out);
    json_out_object_end(out);
    return true;
}

/* The conversation speaks of tools that are not there: one that nobody calls. */
static void write_placeholder(struct converse_write *w) {
    open_tools(w->out);
    write_spec(w, SPAN("unused_tool_placeholder"),
               SPAN("Stands for tools of earlier turns, which are gone. Never call it."), SPAN(""),
               false);
    json_out_array_end(w->out);
    json_out_object_end(w->out);
}

bool converse_write_tools(struct converse_write *w) {
    unsigned count = 0;
    if (w->prompt->choose == CHAT_CHOOSE_NONE) {
        if (w->prompt->tools && w->tool_blocks &&
            !converse_lose(w, SPAN("tool_choice"),
                           "Bedrock has no \"none\" for a conversation that holds tool calls"))
            return false;
        if (w->tool_blocks)
            write_placeholder(w);
        return true;
    }
    if (!write_tools(w, &count))
        return false;
    if (count == 0) {
        if (w->tool_blocks)
            write_placeholder(w);
        return true;
    }
    json_out_array_end(w->out);
    if (!decide_parallel(w) || !write_choice(w))
        return false;
    json_out_object_end(w->out);
    return true;
}

/* In Claude's own words, type and all: Bedrock refuses it without the type, and beside a toolChoice
 * of toolConfig with one. */
void converse_write_own_choice(struct converse_write *w) {
    struct json_out *out = w->out;
    converse_open(out, SPAN("tool_choice"));
    converse_write_text(out, SPAN("type"),
                        w->chosen                              ? SPAN("tool")
                        : w->prompt->choose == CHAT_CHOOSE_ANY ? SPAN("any")
                                                               : SPAN("auto"));
    if (w->chosen)
        converse_write_text(out, SPAN("name"), w->prompt->choose_name);
    json_out_key(out, SPAN("disable_parallel_tool_use"));
    json_out_bool(out, true);
    json_out_object_end(out);
}
