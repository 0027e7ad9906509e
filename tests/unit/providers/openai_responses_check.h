/* openai_responses_check.h - is this text a Responses stream as the SDKs want it? Read with yyjson,
 * knowing nothing of the product. For tests of the Responses writer.
 *
 * Checked: event name equals type; sequence_number from 0 without gaps; created and in_progress
 * first, empty; an item is added before its deltas and done after them, each index once, in order;
 * parts the same within items; only one message or reasoning item open; done texts and the terminal
 * event's output equal the deltas; ids are the same everywhere and of one item each; nothing follows
 * the terminal event. */
#ifndef TESTS_UNIT_PROVIDERS_OPENAI_RESPONSES_CHECK_H
#define TESTS_UNIT_PROVIDERS_OPENAI_RESPONSES_CHECK_H

#include <yyjson.h>

#include "core/span.h"
#include "net/sse.h"
#include "tests/test.h"

#define CHECK_ITEMS_MAX 300
#define CHECK_PARTS_MAX 64

struct check_text {
    char *p;
    size_t n;
};

struct check_item {
    char type[40], id[200], call_id[200], name[200];
    bool done, cut;       /* cut: its status is incomplete */
    int parts, part_open; /* index of the open part, -1: none */
    struct check_text texts[CHECK_PARTS_MAX];
    bool refusal[CHECK_PARTS_MAX];
    struct check_text arguments;
    bool arguments_done;
    char *sealed;
};

struct check {
    struct check_item items[CHECK_ITEMS_MAX];
    int count;
    long long sequence;
    char response_id[200];
    bool created, in_progress, ended, error;
    char status[40], reason[40];
    long long input, output, cached, reasoning, total;
    struct check_text text, thoughts, refusals; /* of all items */
};

static inline void check_add(struct check_text *text, const char *piece) {
    size_t n = piece ? strlen(piece) : 0;
    text->p = realloc(text->p, text->n + n + 1);
    memcpy(text->p + text->n, piece ? piece : "", n + 1);
    text->n += n;
}

static inline const char *check_str(yyjson_val *object, const char *member) {
    const char *text = yyjson_get_str(yyjson_obj_get(object, member));
    return text ? text : "(none)";
}

static inline struct check_item *check_item(struct check *c, yyjson_val *event) {
    long long index = yyjson_get_sint(yyjson_obj_get(event, "output_index"));
    EXPECT(yyjson_is_int(yyjson_obj_get(event, "output_index")));
    EXPECT(index >= 0 && index < c->count);
    if (index < 0 || index >= c->count)
        return NULL;
    struct check_item *item = &c->items[index];
    EXPECT(!item->done);
    EXPECT_STR(check_str(event, "item_id"), item->id);
    return item;
}

static inline bool is_call_type(const char *type) {
    return strcmp(type, "function_call") == 0 || strcmp(type, "custom_tool_call") == 0;
}

static inline void check_added(struct check *c, yyjson_val *event) {
    yyjson_val *json = yyjson_obj_get(event, "item");
    EXPECT_EQ(yyjson_get_sint(yyjson_obj_get(event, "output_index")), c->count);
    EXPECT(c->count < CHECK_ITEMS_MAX);
    if (c->count >= CHECK_ITEMS_MAX)
        return;
    for (int i = 0; i < c->count; i++) {
        EXPECT(strcmp(c->items[i].id, check_str(json, "id")) != 0);
        /* Calls may be open side by side; nothing else may. */
        EXPECT(c->items[i].done || is_call_type(c->items[i].type));
    }
    struct check_item *item = &c->items[c->count++];
    item->part_open = -1;
    snprintf(item->type, sizeof item->type, "%s", check_str(json, "type"));
    snprintf(item->id, sizeof item->id, "%s", check_str(json, "id"));
    EXPECT_STR(check_str(json, "status"), "in_progress");
    if (strcmp(item->type, "message") == 0) {
        EXPECT_STR(check_str(json, "role"), "assistant");
        EXPECT(yyjson_is_arr(yyjson_obj_get(json, "content")));
        EXPECT_EQ(yyjson_arr_size(yyjson_obj_get(json, "content")), 0);
        EXPECT(strncmp(item->id, "msg_", 4) == 0);
    } else if (strcmp(item->type, "reasoning") == 0) {
        EXPECT_EQ(yyjson_arr_size(yyjson_obj_get(json, "summary")), 0);
        EXPECT(yyjson_is_arr(yyjson_obj_get(json, "summary")));
        EXPECT(strncmp(item->id, "rs_", 3) == 0);
    } else {
        bool custom = strcmp(item->type, "custom_tool_call") == 0;
        EXPECT(is_call_type(item->type));
        EXPECT_STR(check_str(json, custom ? "input" : "arguments"), "");
        EXPECT(strncmp(item->id, custom ? "ctc_" : "fc_", custom ? 4 : 3) == 0);
        snprintf(item->call_id, sizeof item->call_id, "%s", check_str(json, "call_id"));
        snprintf(item->name, sizeof item->name, "%s", check_str(json, "name"));
        EXPECT(strcmp(item->call_id, "(none)") != 0 && item->call_id[0]);
    }
}

/* A whole item, against what its events said. */
static inline void check_whole_item(struct check_item *item, yyjson_val *json) {
    bool reasoning = strcmp(item->type, "reasoning") == 0;
    EXPECT_STR(check_str(json, "type"), item->type);
    EXPECT_STR(check_str(json, "id"), item->id);
    const char *status = check_str(json, "status");
    EXPECT_STR(status, item->cut ? "incomplete" : "completed");
    if (is_call_type(item->type)) {
        bool custom = strcmp(item->type, "custom_tool_call") == 0;
        EXPECT_STR(check_str(json, "call_id"), item->call_id);
        EXPECT_STR(check_str(json, "name"), item->name);
        EXPECT_STR(check_str(json, custom ? "input" : "arguments"),
                   item->arguments.p ? item->arguments.p : "");
        return;
    }
    yyjson_val *parts = yyjson_obj_get(json, reasoning ? "summary" : "content");
    EXPECT_EQ(yyjson_arr_size(parts), item->parts);
    for (int i = 0; i < item->parts; i++) {
        yyjson_val *part = yyjson_arr_get(parts, (size_t)i);
        EXPECT_STR(check_str(part, "type"), reasoning          ? "summary_text"
                                            : item->refusal[i] ? "refusal"
                                                               : "output_text");
        EXPECT_STR(check_str(part, item->refusal[i] ? "refusal" : "text"),
                   item->texts[i].p ? item->texts[i].p : "");
        EXPECT(reasoning || item->refusal[i] || yyjson_is_arr(yyjson_obj_get(part, "annotations")));
    }
}

static inline void check_done(struct check *c, yyjson_val *event) {
    yyjson_val *json = yyjson_obj_get(event, "item");
    long long index = yyjson_get_sint(yyjson_obj_get(event, "output_index"));
    EXPECT(index >= 0 && index < c->count);
    if (index < 0 || index >= c->count)
        return;
    struct check_item *item = &c->items[index];
    EXPECT(!item->done);
    EXPECT_EQ(item->part_open, -1);
    EXPECT(!is_call_type(item->type) || item->arguments_done);
    item->done = true;
    item->cut = strcmp(check_str(json, "status"), "incomplete") == 0;
    check_whole_item(item, json);
    const char *sealed = yyjson_get_str(yyjson_obj_get(json, "encrypted_content"));
    item->sealed = sealed ? strdup(sealed) : NULL;
}

static inline int check_part_index(yyjson_val *event, const struct check_item *item) {
    bool reasoning = strcmp(item->type, "reasoning") == 0;
    yyjson_val *index = yyjson_obj_get(event, reasoning ? "summary_index" : "content_index");
    EXPECT(yyjson_is_int(index));
    return yyjson_get_int(index);
}

static inline void check_part_added(struct check *c, yyjson_val *event) {
    struct check_item *item = check_item(c, event);
    yyjson_val *part = yyjson_obj_get(event, "part");
    if (!item)
        return;
    EXPECT_EQ(check_part_index(event, item), item->parts);
    EXPECT_EQ(item->part_open, -1);
    EXPECT(item->parts < CHECK_PARTS_MAX);
    if (item->parts >= CHECK_PARTS_MAX)
        return;
    item->refusal[item->parts] = strcmp(check_str(part, "type"), "refusal") == 0;
    EXPECT_STR(check_str(part, item->refusal[item->parts] ? "refusal" : "text"), "");
    item->part_open = item->parts++;
}

static inline void check_delta(struct check *c, yyjson_val *event, const char *type, bool refusal,
                               bool text) {
    struct check_item *item = check_item(c, event);
    if (!item)
        return;
    EXPECT_STR(item->type, type);
    EXPECT(check_part_index(event, item) == item->part_open && item->part_open >= 0);
    if (item->part_open < 0)
        return;
    EXPECT_EQ(item->refusal[item->part_open], refusal);
    EXPECT(strlen(check_str(event, "delta")) > 0);
    EXPECT(!text || yyjson_is_arr(yyjson_obj_get(event, "logprobs")));
    check_add(&item->texts[item->part_open], check_str(event, "delta"));
    check_add(refusal ? &c->refusals : text ? &c->text : &c->thoughts, check_str(event, "delta"));
}

static inline void check_text_done(struct check *c, yyjson_val *event, const char *member) {
    struct check_item *item = check_item(c, event);
    if (!item || item->part_open < 0) {
        EXPECT(!"a part is open");
        return;
    }
    EXPECT_EQ(check_part_index(event, item), item->part_open);
    EXPECT_STR(check_str(event, member), item->texts[item->part_open].p);
}

static inline void check_part_done(struct check *c, yyjson_val *event) {
    struct check_item *item = check_item(c, event);
    yyjson_val *part = yyjson_obj_get(event, "part");
    if (!item || item->part_open < 0) {
        EXPECT(!"a part is open");
        return;
    }
    EXPECT_STR(check_str(part, item->refusal[item->part_open] ? "refusal" : "text"),
               item->texts[item->part_open].p);
    item->part_open = -1;
}

static inline void check_arguments(struct check *c, yyjson_val *event, const char *type,
                                   const char *done) {
    struct check_item *item = check_item(c, event);
    if (!item)
        return;
    EXPECT_STR(item->type, type);
    EXPECT(!item->arguments_done);
    if (done) {
        item->arguments_done = true;
        EXPECT_STR(check_str(event, done), item->arguments.p ? item->arguments.p : "");
    } else {
        check_add(&item->arguments, check_str(event, "delta"));
    }
}

/* What the types of the SDKs demand of a response object. */
static inline void check_object(struct check *c, yyjson_val *response) {
    static const char *const numbers_or_null[] = {"temperature", "top_p", "max_output_tokens"};
    EXPECT(strncmp(check_str(response, "id"), "resp_", 5) == 0);
    if (!c->response_id[0])
        snprintf(c->response_id, sizeof c->response_id, "%s", check_str(response, "id"));
    EXPECT_STR(check_str(response, "id"), c->response_id);
    EXPECT_STR(check_str(response, "object"), "response");
    EXPECT(yyjson_is_num(yyjson_obj_get(response, "created_at")));
    EXPECT(strlen(check_str(response, "model")) > 0);
    EXPECT(yyjson_is_arr(yyjson_obj_get(response, "output")));
    EXPECT(yyjson_is_arr(yyjson_obj_get(response, "tools")));
    EXPECT(yyjson_is_bool(yyjson_obj_get(response, "parallel_tool_calls")));
    EXPECT(yyjson_is_obj(yyjson_obj_get(response, "metadata")));
    EXPECT(yyjson_is_obj(yyjson_obj_get(response, "text")));
    EXPECT(yyjson_is_null(yyjson_obj_get(response, "error")));
    EXPECT(yyjson_obj_get(response, "incomplete_details") != NULL);
    EXPECT(yyjson_obj_get(response, "instructions") != NULL);
    EXPECT(yyjson_obj_get(response, "usage") != NULL);
    yyjson_val *choice = yyjson_obj_get(response, "tool_choice");
    EXPECT(yyjson_is_str(choice) || yyjson_is_obj(choice));
    for (size_t i = 0; i < sizeof numbers_or_null / sizeof numbers_or_null[0]; i++) {
        yyjson_val *value = yyjson_obj_get(response, numbers_or_null[i]);
        EXPECT(yyjson_is_num(value) || yyjson_is_null(value));
    }
    yyjson_obj_iter iter;
    yyjson_val *key;
    yyjson_obj_iter_init(response, &iter);
    while ((key = yyjson_obj_iter_next(&iter)))
        EXPECT(yyjson_obj_get(response, yyjson_get_str(key)) == yyjson_obj_iter_get_val(key));
}

static inline void check_terminal(struct check *c, yyjson_val *response) {
    yyjson_val *output = yyjson_obj_get(response, "output");
    yyjson_val *usage = yyjson_obj_get(response, "usage");
    check_object(c, response);
    EXPECT(c->created && c->in_progress);
    EXPECT_EQ(yyjson_arr_size(output), c->count);
    for (int i = 0; i < c->count; i++) {
        yyjson_val *json = yyjson_arr_get(output, (size_t)i);
        EXPECT(c->items[i].done);
        check_whole_item(&c->items[i], json);
        EXPECT_STR(yyjson_get_str(yyjson_obj_get(json, "encrypted_content")), c->items[i].sealed);
    }
    snprintf(c->status, sizeof c->status, "%s", check_str(response, "status"));
    yyjson_val *details = yyjson_obj_get(response, "incomplete_details");
    snprintf(c->reason, sizeof c->reason, "%s",
             yyjson_is_obj(details) ? check_str(details, "reason") : "");
    c->input = yyjson_get_sint(yyjson_obj_get(usage, "input_tokens"));
    c->output = yyjson_get_sint(yyjson_obj_get(usage, "output_tokens"));
    c->total = yyjson_get_sint(yyjson_obj_get(usage, "total_tokens"));
    c->cached = yyjson_get_sint(
        yyjson_obj_get(yyjson_obj_get(usage, "input_tokens_details"), "cached_tokens"));
    c->reasoning = yyjson_get_sint(
        yyjson_obj_get(yyjson_obj_get(usage, "output_tokens_details"), "reasoning_tokens"));
}

static inline void check_error(struct check *c, yyjson_val *event) {
    yyjson_val *error = yyjson_obj_get(event, "error");
    c->error = true;
    EXPECT(yyjson_is_obj(error)); /* on which the SDKs raise */
    EXPECT(strlen(check_str(error, "message")) > 0);
    EXPECT_STR(check_str(event, "message"), check_str(error, "message"));
    EXPECT(yyjson_equals(yyjson_obj_get(event, "code"), yyjson_obj_get(error, "code")));
    EXPECT(yyjson_is_int(yyjson_obj_get(event, "sequence_number")));
}

static inline void check_event(struct check *c, const struct sse_event *sse) {
    yyjson_doc *doc = yyjson_read(sse->data.p, sse->data.n, 0);
    yyjson_val *event = yyjson_doc_get_root(doc), *response = yyjson_obj_get(event, "response");
    const char *type = check_str(event, "type");
    EXPECT(doc != NULL);
    EXPECT_MEM(sse->name.p, sse->name.n, type, strlen(type));
    EXPECT(!c->ended && !c->error);
    if (strcmp(type, "error") != 0) {
        EXPECT_EQ(yyjson_get_sint(yyjson_obj_get(event, "sequence_number")), c->sequence);
        c->sequence++;
        EXPECT(c->created || strcmp(type, "response.created") == 0);
    }
    if (strcmp(type, "response.created") == 0 || strcmp(type, "response.in_progress") == 0) {
        EXPECT_EQ(c->sequence, strcmp(type, "response.created") == 0 ? 1 : 2);
        check_object(c, response);
        EXPECT_STR(check_str(response, "status"), "in_progress");
        EXPECT_EQ(yyjson_arr_size(yyjson_obj_get(response, "output")), 0);
        c->created = true;
        c->in_progress = strcmp(type, "response.in_progress") == 0;
    } else if (strcmp(type, "response.output_item.added") == 0) {
        check_added(c, event);
    } else if (strcmp(type, "response.output_item.done") == 0) {
        check_done(c, event);
    } else if (strcmp(type, "response.content_part.added") == 0 ||
               strcmp(type, "response.reasoning_summary_part.added") == 0) {
        check_part_added(c, event);
    } else if (strcmp(type, "response.content_part.done") == 0 ||
               strcmp(type, "response.reasoning_summary_part.done") == 0) {
        check_part_done(c, event);
    } else if (strcmp(type, "response.output_text.delta") == 0) {
        check_delta(c, event, "message", false, true);
    } else if (strcmp(type, "response.refusal.delta") == 0) {
        check_delta(c, event, "message", true, false);
    } else if (strcmp(type, "response.reasoning_summary_text.delta") == 0) {
        check_delta(c, event, "reasoning", false, false);
    } else if (strcmp(type, "response.output_text.done") == 0 ||
               strcmp(type, "response.reasoning_summary_text.done") == 0) {
        check_text_done(c, event, "text");
    } else if (strcmp(type, "response.refusal.done") == 0) {
        check_text_done(c, event, "refusal");
    } else if (strcmp(type, "response.function_call_arguments.delta") == 0) {
        check_arguments(c, event, "function_call", NULL);
    } else if (strcmp(type, "response.function_call_arguments.done") == 0) {
        check_arguments(c, event, "function_call", "arguments");
    } else if (strcmp(type, "response.custom_tool_call_input.delta") == 0) {
        check_arguments(c, event, "custom_tool_call", NULL);
    } else if (strcmp(type, "response.custom_tool_call_input.done") == 0) {
        check_arguments(c, event, "custom_tool_call", "input");
    } else if (strcmp(type, "response.completed") == 0 ||
               strcmp(type, "response.incomplete") == 0) {
        check_terminal(c, response);
        EXPECT_STR(c->status, type + strlen("response."));
        EXPECT_EQ(c->reason[0] != 0, strcmp(type, "response.incomplete") == 0);
        c->ended = true;
    } else if (strcmp(type, "error") == 0) {
        check_error(c, event);
    } else {
        FAIL_TEST("an event of type %s", type);
    }
    yyjson_doc_free(doc);
}

/* Checks a whole stream; free with check_free. */
static inline struct check *check_stream(struct span text) {
    struct check *c = calloc(1, sizeof *c);
    struct sse sse = {0};
    struct sse_event event;
    long used;
    check_add(&c->text, "");
    check_add(&c->thoughts, "");
    check_add(&c->refusals, "");
    for (; (used = sse_next(&sse, text, &event)) > 0; text = span_from(text, (size_t)used)) {
        EXPECT(event.data_lines == 1 && !event.foreign);
        check_event(c, &event);
    }
    EXPECT_EQ(text.n, 0);
    EXPECT(c->ended || c->error);
    return c;
}

static inline void check_free(struct check *c) {
    for (int i = 0; i < c->count; i++) {
        for (int p = 0; p < CHECK_PARTS_MAX; p++)
            free(c->items[i].texts[p].p);
        free(c->items[i].arguments.p);
        free(c->items[i].sealed);
    }
    free(c->text.p);
    free(c->thoughts.p);
    free(c->refusals.p);
    free(c);
}

#endif
