/* openai_responses_dump.h - a canonical prompt as one line of text, for tests.
 *
 *     system[text(..)] user@0[text(..) image(TYPE,DATA|URL) file(NAME,TYPE,DATA|URL|text)]
 *     assistant@1[reason(..) sealed(ID,..) refusal(..) call(ID,NAME,{}) custom(ID,NAME,..)]
 *     tool@2[result(ID)[text(..)]] | tool f(DESCRIPTION,SCHEMA,strict) hosted(TYPE) | choose ...
 *     | NAME=VALUE of what else was said | extra NAME=VALUE, hint NAME=VALUE */
#ifndef TESTS_UNIT_PROVIDERS_OPENAI_RESPONSES_DUMP_H
#define TESTS_UNIT_PROVIDERS_OPENAI_RESPONSES_DUMP_H

#include <limits.h>

#include "core/json.h"
#include "providers/prompt.h"
#include "tests/test.h"

static inline void dump_text(struct json_out *out, const char *text) {
    json_out_raw(out, span_str(text));
}

static inline void dump_word(struct json_out *out, const char *before, struct span text,
                             const char *after) {
    dump_text(out, before);
    json_out_raw(out, text);
    dump_text(out, after);
}

static inline void dump_part(struct json_out *out, const struct chat_part *p) {
    static const char *const signers[] = {"", "!anthropic", "!google", "!openai"};
    struct span where = p->url.n ? p->url : p->data;
    switch (p->kind) {
    case CHAT_PART_TEXT: dump_word(out, "text(", p->text, ")"); break;
    case CHAT_PART_IMAGE:
        dump_word(out, "image(", p->media_type, ",");
        dump_word(out, "", where, p->detail.n ? "," : "");
        dump_word(out, "", p->detail, ")");
        break;
    case CHAT_PART_DOCUMENT:
        dump_word(out, "file(", p->name, ",");
        dump_word(out, "", p->media_type, ",");
        dump_word(out, "", p->text.n ? p->text : where, ")");
        break;
    case CHAT_PART_AUDIO:
        dump_word(out, "audio(", p->media_type, ",");
        dump_word(out, "", p->data, ")");
        break;
    case CHAT_PART_REASONING:
        dump_word(out, "reason(", p->text, p->signature.n ? "," : "");
        dump_word(out, "", p->signature, ")");
        dump_text(out, signers[p->signer]);
        break;
    case CHAT_PART_REDACTED:
        dump_word(out, "sealed(", p->id, ",");
        dump_word(out, "", p->data, ")");
        dump_text(out, signers[p->signer]);
        break;
    case CHAT_PART_REFUSAL: dump_word(out, "refusal(", p->text, ")"); break;
    case CHAT_PART_TOOL_CALL:
        dump_word(out, p->custom ? "custom(" : "call(", p->id, ",");
        dump_word(out, "", p->name, ",");
        dump_word(out, "", p->custom ? p->text : p->input, ")");
        break;
    case CHAT_PART_TOOL_RESULT:
        dump_word(out, p->custom ? "customresult(" : "result(", p->id, ")[");
        for (const struct chat_part *in = p->parts; in; in = in->next) {
            dump_part(out, in);
            dump_text(out, in->next ? " " : "");
        }
        dump_text(out, "]");
        break;
    }
    dump_text(out, p->cache ? "#" : "");
}

static inline void dump_knob(struct json_out *out, const struct chat_knob *knob) {
    if (!knob->value.n)
        return;
    dump_word(out, " | ", span_str(knob->name), "=");
    json_out_raw(out, knob->value);
}

static inline void dump_said(struct json_out *out, const char *name, struct span value) {
    if (value.n)
        dump_word(out, name, value, "");
}

static inline void dump_flag(struct json_out *out, const char *name, enum chat_flag flag) {
    if (flag != CHAT_UNSAID)
        dump_word(out, name, span_str(flag == CHAT_YES ? "yes" : "no"), "");
}

static inline void dump_turns(struct json_out *out, const struct chat_prompt *prompt) {
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    char at[20];
    for (const struct chat_message *m = prompt->messages; m; m = m->next) {
        snprintf(at, sizeof at, "@%u", m->at);
        dump_text(out, out->n ? " " : "");
        dump_text(out, roles[m->role]);
        dump_text(out, m->at == UINT_MAX ? "" : at);
        dump_text(out, "[");
        for (const struct chat_part *p = m->parts; p; p = p->next) {
            dump_part(out, p);
            dump_text(out, p->next ? " " : "");
        }
        dump_text(out, "]");
    }
}

static inline void dump_tools(struct json_out *out, const struct chat_prompt *prompt) {
    static const char *const chooses[] = {"", "auto", "none", "any", "named"};
    for (const struct chat_tool *t = prompt->tools; t; t = t->next) {
        if (t->hosted.n) {
            dump_word(out, " | hosted ", t->hosted, "=");
            json_out_raw(out, t->schema);
            continue;
        }
        dump_word(out, t->custom ? " | customtool " : " | tool ", t->name, "(");
        dump_word(out, "", t->description, ",");
        dump_word(out, "", t->schema, "");
        dump_flag(out, ",strict:", t->strict);
        dump_text(out, ")");
    }
    if (prompt->choose != CHAT_CHOOSE_UNSAID)
        dump_word(out, " | choose ", span_str(chooses[prompt->choose]), "");
    dump_said(out, " ", prompt->choose_name);
    for (const struct chat_word *w = prompt->allowed; w; w = w->next)
        dump_word(out, " allow:", w->text, "");
    dump_flag(out, " | parallel ", prompt->parallel_tools);
}

static inline void dump_rest(struct json_out *out, const struct chat_prompt *prompt) {
    static const char *const formats[] = {"", "text", "object", "schema"};
    char number[60];
    if (prompt->max_output_tokens) {
        snprintf(number, sizeof number, " | %s=%llu", prompt->max_output_name,
                 (unsigned long long)prompt->max_output_tokens);
        dump_text(out, number);
    }
    dump_knob(out, &prompt->temperature);
    dump_knob(out, &prompt->top_p);
    dump_knob(out, &prompt->logprobs);
    dump_knob(out, &prompt->top_logprobs);
    dump_knob(out, &prompt->verbosity);
    if (prompt->format.kind != CHAT_FORMAT_UNSAID) {
        dump_word(out, " | format ", span_str(formats[prompt->format.kind]), "");
        dump_said(out, ":", prompt->format.name);
        dump_said(out, ":", prompt->format.schema);
        dump_said(out, ":", prompt->format.description);
        dump_flag(out, ":", prompt->format.strict);
    }
    dump_flag(out, " | think ", prompt->thinking.wanted);
    dump_said(out, " effort:", prompt->thinking.effort);
    dump_flag(out, " shown:", prompt->thinking.shown);
    dump_said(out, " | user=", prompt->user);
    dump_said(out, " | metadata=", prompt->metadata);
    dump_said(out, " | tier=", prompt->service_tier);
    dump_said(out, " | cache=", prompt->cache_key);
}

static inline void dump_extras(struct json_out *out, const struct chat_prompt *prompt) {
    for (const struct chat_extra *e = prompt->extras; e; e = e->next) {
        dump_word(out, e->hint ? " | hint " : " | extra ", e->name, "=");
        json_out_raw(out, e->value);
    }
}

/* In the arena, NUL-terminated. */
static inline const char *dump_prompt(const struct chat_prompt *prompt, struct arena *arena) {
    struct json_out out;
    json_out_arena(&out, arena, 0);
    dump_turns(&out, prompt);
    dump_tools(&out, prompt);
    dump_rest(&out, prompt);
    dump_extras(&out, prompt);
    json_out_raw(&out, span_of("", 1));
    return out.p;
}

#endif
