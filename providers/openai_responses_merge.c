/* openai_responses_merge.c - client and provider both speak Responses, and the client wants one body:
 * the response object of the terminal event, as it is. (pure)
 *
 * Some backends and gateways leave `output` of that object empty, having told all items before:
 * then the items of the output_item.done events stand in it.
 *
 * Owns:     nothing; copies are in the writer's arena.
 * Promises: what the provider said goes to the client byte by byte.
 * Refuses:  bodies larger than ANSWER_MAX_BYTES, and more than RESPONSE_ITEMS_MAX items: `full` is
 *           set. */
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

enum { TYPE, RESPONSE, ITEM, OUTPUT_INDEX, OBJECT, MEMBER_COUNT };
static const struct span member_names[MEMBER_COUNT] = {
    [TYPE] = SPAN_CONST("type"),     [RESPONSE] = SPAN_CONST("response"),
    [ITEM] = SPAN_CONST("item"),     [OUTPUT_INDEX] = SPAN_CONST("output_index"),
    [OBJECT] = SPAN_CONST("object"),
};

static void keep_item(struct chat_writer *writer, struct span json, uint64_t index) {
    struct openai_responses_writing *own = writer->own;
    struct openai_responses_kept *kept =
        own->kept_count++ < RESPONSE_ITEMS_MAX ? arena_zalloc(writer->arena, sizeof *kept) : NULL;
    if (!openai_responses_may_keep(writer, json.n + sizeof *kept) || !kept) {
        writer->full = true;
        return;
    }
    kept->index = index;
    kept->json = arena_copy(writer->arena, json);
    writer->full |= !kept->json.p;
    /* In the order of their places; mostly at the end. */
    struct openai_responses_kept **at = &own->kept;
    if (own->last_kept && own->last_kept->index <= index)
        at = &own->last_kept->next;
    while (*at && (*at)->index <= index)
        at = &(*at)->next;
    kept->next = *at;
    *at = kept;
    if (!kept->next)
        own->last_kept = kept;
}

static bool is_terminal(const struct json_token *type) {
    static const struct span types[] = {
        SPAN_CONST("response.completed"), SPAN_CONST("response.incomplete"),
        SPAN_CONST("response.failed"), SPAN_CONST("response.cancelled"),
        SPAN_CONST("response.done")};
    for (unsigned i = 0; type->kind == JSON_STRING && i < countof(types); i++)
        if (json_is(type, types[i]))
            return true;
    return false;
}

void openai_responses_merge(struct chat_writer *writer, struct span name, struct span data) {
    struct openai_responses_writing *own = writer->own;
    struct json_token members[MEMBER_COUNT];
    struct span response = {NULL, 0};
    /* Nothing follows the terminal event that is of this answer. */
    if (writer->full || !own || own->merged.n ||
        !openai_responses_members(data, member_names, MEMBER_COUNT, members))
        return;
    if (members[TYPE].kind != JSON_STRING)
        members[TYPE] = (struct json_token){.kind = JSON_STRING, .raw = name};
    if (members[ITEM].kind == JSON_OBJECT &&
        json_is(&members[TYPE], SPAN("response.output_item.done")))
        keep_item(writer, members[ITEM].raw, openai_responses_number(&members[OUTPUT_INDEX], 0));
    if (members[RESPONSE].kind == JSON_OBJECT && is_terminal(&members[TYPE]))
        response = members[RESPONSE].raw;
    else if (members[OBJECT].kind == JSON_STRING && json_is(&members[OBJECT], SPAN("response")))
        response = data; /* a backend that does not stream: its body */
    if (response.n && openai_responses_may_keep(writer, response.n) &&
        !chat_text_set(&own->merged, writer->arena, response))
        writer->full = true;
}

bool openai_responses_write_merged(struct chat_writer *writer, struct json_out *out) {
    static const struct span path[] = {SPAN_CONST("output")};
    struct openai_responses_writing *own = writer->own;
    struct span response = chat_text_span(&own->merged);
    struct json json;
    struct json_token key, output;
    if (!response.n)
        return false;
    bool told =
        json_find(response, path, countof(path), &output) && openai_says_something(output.raw);
    if (told || !own->kept) {
        json_out_value(out, response);
        return true;
    }
    json_out_object(out);
    json_init(&json, response);
    json_next(&json, &key);
    while (json_next(&json, &key) == JSON_KEY) {
        struct span value;
        if (!json_value(&json, &value))
            break;
        if (json_is(&key, path[0]))
            continue;
        json_out_key(out, key.raw);
        json_out_value(out, value);
    }
    json_out_key(out, path[0]);
    json_out_array(out);
    for (const struct openai_responses_kept *kept = own->kept; kept; kept = kept->next)
        json_out_value(out, kept->json);
    json_out_array_end(out);
    json_out_object_end(out);
    return true;
}
