/* openai_responses_object.c - the response object and its items, as a client of OpenAI gets them.
 * (pure)
 *
 * It stands in the first two events of a stream, empty; in the last, whole; and it is the body for
 * clients that want one.
 *
 * Owns:     nothing; what was said is the writer's.
 * Promises: all members that the SDKs' types demand; what was asked is said back; output is what the
 *           deltas said. All ids are made of one name, the provider's id for the answer, so that
 *           they are the same in every event. */
#include <stdio.h>

#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

/* Ids end with at most so much of the provider's. */
#define NAME_MAX 64

static const struct span echo_names[] = {
#define RESPONSES_ECHO(name, kinds, otherwise) SPAN_CONST(name),
#include "providers/openai_responses_echo.def"
#undef RESPONSES_ECHO
};
static const struct {
    const char *kinds;
    struct span otherwise;
} echo_rows[] = {
#define RESPONSES_ECHO(name, kinds, otherwise) {kinds, SPAN_CONST(otherwise)},
#include "providers/openai_responses_echo.def"
#undef RESPONSES_ECHO
};

static void write_escaped(struct json_out *out, struct span key, struct span raw) {
    json_out_key(out, key);
    json_out_escaped(out, raw);
}

static void write_count(struct json_out *out, struct span key, uint64_t count) {
    json_out_key(out, key);
    json_out_int(out, (int64_t)count);
}

static void write_null(struct json_out *out, struct span key) {
    json_out_key(out, key);
    json_out_null(out);
}

static void write_empty_array(struct json_out *out, struct span key) {
    json_out_key(out, key);
    json_out_array(out);
    json_out_array_end(out);
}

/* --- names --- */

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

struct span openai_responses_name(struct chat_writer *writer) {
    static const struct span prefixes[] = {SPAN_CONST("resp_"), SPAN_CONST("chatcmpl-"),
                                           SPAN_CONST("msg_")};
    struct openai_responses_writing *own = writer->own;
    if (own->name.n)
        return own->name;
    struct span id = writer->answer.id.n ? writer->answer.id : writer->id;
    for (unsigned i = 0; i < countof(prefixes); i++)
        if (span_starts(id, prefixes[i]))
            id = span_from(id, prefixes[i].n);
    /* Ids differ at their ends. */
    if (id.n > NAME_MAX)
        id = span_from(id, id.n - NAME_MAX);
    char *text = arena_alloc(writer->arena, NAME_MAX);
    size_t n = 0;
    for (size_t i = 0; text && i < id.n; i++)
        if (is_name_char(id.p[i]))
            text[n++] = id.p[i];
    writer->full |= !text;
    own->name = n ? span_of(text, n) : SPAN("0");
    return own->name;
}

void openai_responses_write_id(struct chat_writer *writer, const struct openai_responses_said *item,
                               struct json_out *out) {
    static const struct span prefixes[] = {
        [RESPONSES_MESSAGE] = SPAN_CONST("msg_"),
        [RESPONSES_REASONING] = SPAN_CONST("rs_"),
        [RESPONSES_CALL] = SPAN_CONST("fc_"),
        [RESPONSES_CUSTOM] = SPAN_CONST("ctc_"),
    };
    if (item->given_id.n) {
        json_out_escaped(out, item->given_id);
        return;
    }
    char number[12];
    int n = snprintf(number, sizeof number, "_%u", item->index);
    json_out_string_begin(out);
    json_out_string_part(out, prefixes[item->kind], true);
    json_out_string_part(out, openai_responses_name(writer), true);
    json_out_string_part(out, span_of(number, (size_t)n), true);
    json_out_string_end(out);
}

/* --- items --- */

void openai_responses_write_part(const struct openai_responses_part *part, bool reasoning,
                                 bool begun, struct json_out *out) {
    struct span text = begun ? SPAN("") : chat_text_span(&part->text);
    json_out_object(out);
    if (reasoning) {
        write_escaped(out, SPAN("type"), SPAN("summary_text"));
        write_escaped(out, SPAN("text"), text);
    } else if (part->refusal) {
        write_escaped(out, SPAN("type"), SPAN("refusal"));
        write_escaped(out, SPAN("refusal"), text);
    } else {
        write_escaped(out, SPAN("type"), SPAN("output_text"));
        write_empty_array(out, SPAN("annotations"));
        write_empty_array(out, SPAN("logprobs"));
        write_escaped(out, SPAN("text"), text);
    }
    json_out_object_end(out);
}

static void write_parts(const struct openai_responses_said *item, bool begun,
                        struct json_out *out) {
    json_out_array(out);
    for (const struct openai_responses_part *part = item->parts; part && !begun; part = part->next)
        openai_responses_write_part(part, item->kind == RESPONSES_REASONING, false, out);
    json_out_array_end(out);
}

static void write_call(const struct openai_responses_said *item, bool begun, struct json_out *out) {
    bool custom = item->kind == RESPONSES_CUSTOM;
    write_escaped(out, SPAN("call_id"), item->id);
    write_escaped(out, SPAN("name"), item->name);
    write_escaped(out, custom ? SPAN("input") : SPAN("arguments"),
                  begun ? SPAN("") : chat_text_span(&item->arguments));
}

void openai_responses_write_item(struct chat_writer *writer,
                                 const struct openai_responses_said *item, bool begun,
                                 struct json_out *out) {
    static const struct span types[] = {
        [RESPONSES_MESSAGE] = SPAN_CONST("message"),
        [RESPONSES_REASONING] = SPAN_CONST("reasoning"),
        [RESPONSES_CALL] = SPAN_CONST("function_call"),
        [RESPONSES_CUSTOM] = SPAN_CONST("custom_tool_call"),
    };
    if (item->json.n && !begun) {
        json_out_value(out, item->json);
        return;
    }
    json_out_object(out);
    json_out_key(out, SPAN("id"));
    openai_responses_write_id(writer, item, out);
    write_escaped(out, SPAN("type"), types[item->kind]);
    write_escaped(out, SPAN("status"),
                  begun       ? SPAN("in_progress")
                  : item->cut ? SPAN("incomplete")
                              : SPAN("completed"));
    switch (item->kind) {
    case RESPONSES_MESSAGE:
        write_escaped(out, SPAN("role"), SPAN("assistant"));
        json_out_key(out, SPAN("content"));
        write_parts(item, begun, out);
        break;
    case RESPONSES_REASONING:
        json_out_key(out, SPAN("summary"));
        write_parts(item, begun, out);
        if (!begun && item->sealed.n)
            write_escaped(out, SPAN("encrypted_content"), chat_text_span(&item->sealed));
        break;
    case RESPONSES_CALL:
    case RESPONSES_CUSTOM: write_call(item, begun, out); break;
    case RESPONSES_UNKNOWN:
    case RESPONSES_WORK:
    case RESPONSES_DEMAND: break; /* not written here */
    }
    json_out_object_end(out);
}

/* --- the object --- */

static bool is_echo(const char *kinds, const struct json_token *value) {
    for (; *kinds; kinds++) {
        enum json_kind kind = *kinds == '"'   ? JSON_STRING
                              : *kinds == '{' ? JSON_OBJECT
                              : *kinds == '[' ? JSON_ARRAY
                              : *kinds == 't' ? JSON_TRUE
                              : *kinds == 'f' ? JSON_FALSE
                                              : JSON_NUMBER;
        if (value->kind == kind)
            return true;
    }
    return false;
}

static void write_echo(const struct chat_writer *writer, struct json_out *out) {
    const struct openai_responses_writing *own = writer->own;
    struct json_token asked[countof(echo_names)];
    openai_responses_members(own->request, echo_names, countof(echo_names), asked);
    for (unsigned i = 0; i < countof(echo_names); i++) {
        json_out_key(out, echo_names[i]);
        if (!is_echo(echo_rows[i].kinds, &asked[i]))
            json_out_value(out, echo_rows[i].otherwise);
        else if (asked[i].kind == JSON_STRING)
            json_out_escaped(out, asked[i].raw);
        else
            json_out_value_line(out, asked[i].raw);
    }
    json_out_key(out, SPAN("service_tier"));
    json_out_escaped(out,
                     writer->answer.service_tier.n ? writer->answer.service_tier : SPAN("default"));
}

static void write_usage(const struct chat_usage *usage, struct json_out *out) {
    json_out_key(out, SPAN("usage"));
    if (!usage->known) {
        json_out_null(out);
        return;
    }
    json_out_object(out);
    write_count(out, SPAN("input_tokens"), usage->input_tokens);
    json_out_key(out, SPAN("input_tokens_details"));
    json_out_object(out);
    write_count(out, SPAN("cached_tokens"), usage->cached_tokens);
    write_count(out, SPAN("cache_write_tokens"), usage->cache_write_tokens);
    json_out_object_end(out);
    write_count(out, SPAN("output_tokens"), usage->output_tokens);
    json_out_key(out, SPAN("output_tokens_details"));
    json_out_object(out);
    write_count(out, SPAN("reasoning_tokens"), usage->reasoning_tokens);
    json_out_object_end(out);
    write_count(out, SPAN("total_tokens"), usage->input_tokens + usage->output_tokens);
    json_out_object_end(out);
}

/* Why the answer is incomplete, or empty. */
static struct span reason_of(enum chat_finish finish) {
    switch (finish) {
    case CHAT_FINISH_LENGTH: return SPAN("max_output_tokens");
    case CHAT_FINISH_CONTENT_FILTER: return SPAN("content_filter");
    case CHAT_FINISH_NONE:
    case CHAT_FINISH_STOP:
    case CHAT_FINISH_TOOL_CALLS:
    case CHAT_FINISH_FUNCTION_CALL: break;
    }
    return SPAN("");
}

static void write_status(enum chat_finish finish, bool begun, struct json_out *out) {
    struct span reason = begun ? SPAN("") : reason_of(finish);
    write_escaped(out, SPAN("status"),
                  begun      ? SPAN("in_progress")
                  : reason.n ? SPAN("incomplete")
                             : SPAN("completed"));
    write_null(out, SPAN("error"));
    json_out_key(out, SPAN("incomplete_details"));
    if (!reason.n) {
        json_out_null(out);
        return;
    }
    json_out_object(out);
    write_escaped(out, SPAN("reason"), reason);
    json_out_object_end(out);
}

void openai_responses_write_object(struct chat_writer *writer, bool begun, struct json_out *out) {
    static const struct chat_usage unknown;
    const struct openai_responses_writing *own = writer->own;
    const struct chat_answer *answer = &writer->answer;
    json_out_object(out);
    json_out_key(out, SPAN("id"));
    json_out_string_begin(out);
    json_out_string_part(out, SPAN("resp_"), true);
    json_out_string_part(out, openai_responses_name(writer), true);
    json_out_string_end(out);
    write_escaped(out, SPAN("object"), SPAN("response"));
    json_out_key(out, SPAN("created_at"));
    if (answer->created.n)
        json_out_value(out, answer->created);
    else
        json_out_int(out, writer->created_s);
    write_status(own->finish, begun, out);
    write_escaped(out, SPAN("model"), answer->model.n ? answer->model : writer->model);
    json_out_key(out, SPAN("output"));
    json_out_array(out);
    for (const struct openai_responses_said *item = own->items; item && !begun; item = item->next)
        openai_responses_write_item(writer, item, false, out);
    json_out_array_end(out);
    write_echo(writer, out);
    write_usage(begun ? &unknown : &writer->usage, out);
    json_out_object_end(out);
}
