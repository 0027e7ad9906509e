/* converse_reason.c - asks for reasoning the way the model's family wants to be asked. (pure)
 *
 *     Claude    additionalModelRequestFields.thinking, and outputConfig.effort
 *     others    a word in additionalModelRequestFields, by converse_reason.def
 *
 * Promises: thinking is not asked for where it would be answered with 400: without room for its
 *           budget, with a forced tool, or amid a tool turn whose own thinking is missing. */
#include "providers/converse.h"

/* Claude's least budget. */
#define BUDGET_MIN UINT64_C(1024)
/* Reasoning is wanted, and nobody said how much. */
#define EFFORT_DEFAULT SPAN("medium")

static const struct {
    const char *pattern;
    struct span member, low, medium, high;
} reason_rows[] = {
#define CONVERSE_REASON(glob, name, a, b, c) \
    {glob, SPAN_CONST(name), SPAN_CONST(a), SPAN_CONST(b), SPAN_CONST(c)},
#include "providers/converse_reason.def"
#undef CONVERSE_REASON
};

static bool is_unwanted(const struct chat_thinking *t) {
    return t->wanted == CHAT_NO || span_eq(t->effort, SPAN("none")) ||
           (t->budget_given && !t->budget_tokens && !t->adaptive);
}

/* A word of effort alone says how hard to try, not that reasoning is to be switched on. */
static bool is_wanted(const struct chat_thinking *t) {
    return t->wanted == CHAT_YES || t->adaptive || t->budget_tokens;
}

static bool lose(struct converse_write *w, const char *why) {
    return converse_lose(w, span_str(w->prompt->thinking_name), why);
}

/* --- Claude --- */

/* Does the turn hold reasoning that Claude can read again? */
static bool has_signed(const struct chat_message *message) {
    for (const struct chat_part *part = message->parts; part; part = part->next)
        if (part->signer == CHAT_SIGNER_ANTHROPIC &&
            (part->kind == CHAT_PART_REDACTED ||
             (part->kind == CHAT_PART_REASONING && part->signature.n)))
            return true;
    return false;
}

static bool has_call(const struct chat_message *message) {
    for (const struct chat_part *part = message->parts; part; part = part->next)
        if (part->kind == CHAT_PART_TOOL_CALL)
            return true;
    return false;
}

/* Is the conversation amid a tool turn that began without thinking (another model's, or the client
 * lost it)? Claude then refuses to think. */
static bool is_unsigned_turn(const struct chat_prompt *prompt) {
    bool within = false;
    for (const struct chat_message *m = prompt->messages; m; m = m->next) {
        if (m->role == CHAT_ASSISTANT)
            within = has_call(m) && !has_signed(m);
        else if (m->role == CHAT_USER)
            within = false;
    }
    return within;
}

static const char *why_not(const struct converse_write *w) {
    if (!(w->spell->facts->facts & MODEL_THINKS))
        return "this model does not reason";
    if (w->prompt->tools &&
        (w->prompt->choose == CHAT_CHOOSE_ANY || w->prompt->choose == CHAT_CHOOSE_NAMED))
        return "Claude does not reason when a tool call is forced";
    if (w->spell->facts->facts & MODEL_ADAPTIVE_ONLY)
        return NULL;
    if (w->limit_tokens && w->limit_tokens <= BUDGET_MIN)
        return "needs a limit of more than 1024 output tokens";
    return NULL;
}

static uint64_t budget_of(const struct converse_write *w) {
    const struct chat_thinking *t = &w->prompt->thinking;
    uint64_t tokens = t->budget_tokens ? t->budget_tokens : chat_budget_of_effort(t->effort);
    if (!tokens)
        tokens = chat_budget_of_effort(EFFORT_DEFAULT);
    tokens = max_u64(tokens, BUDGET_MIN);
    /* It is part of the limit, and must be less. */
    return w->limit_tokens ? min_u64(tokens, w->limit_tokens - 1) : tokens;
}

static struct span effort_of(const struct converse_write *w) {
    const struct chat_thinking *t = &w->prompt->thinking;
    unsigned facts = w->spell->facts->facts;
    if (!(facts & MODEL_EFFORT))
        return SPAN("");
    if (span_eq(t->effort, SPAN("minimal")))
        return SPAN("low");
    if (t->effort.n && !span_eq(t->effort, SPAN("none")))
        return t->effort;
    /* A budget, which an adaptive model does not take, says the same in another scale. */
    return facts & MODEL_ADAPTIVE_ONLY && t->budget_tokens ? chat_effort_of_budget(t->budget_tokens)
                                                           : SPAN("");
}

static bool decide_claude(struct converse_write *w) {
    const struct chat_thinking *t = &w->prompt->thinking;
    unsigned facts = w->spell->facts->facts;
    bool wanted = is_wanted(t);
    if (is_unwanted(t)) {
        if (facts & MODEL_NO_THINK_OFF)
            return lose(w, "this model's reasoning cannot be switched off");
        w->reason.off = facts & MODEL_THINKS;
        return true;
    }
    w->reason.effort = effort_of(w);
    if (!wanted)
        return !t->effort.n || w->reason.effort.n || lose(w, "this model knows no effort");
    const char *why = why_not(w);
    /* Amid another model's tool turn this call goes without, as Anthropic's own dialect does: the
     * conversation could otherwise never change its cloud there. */
    bool without = !(facts & MODEL_ADAPTIVE_ONLY) && is_unsigned_turn(w->prompt);
    if (why || without) {
        /* Without thinking more than high is refused. */
        if (span_eq(w->reason.effort, SPAN("xhigh")) || span_eq(w->reason.effort, SPAN("max")))
            w->reason.effort = SPAN("high");
        return !why || lose(w, why);
    }
    w->reason.on = true;
    if (!(facts & MODEL_ADAPTIVE_ONLY))
        w->reason.budget_tokens = budget_of(w);
    return true;
}

/* --- other families --- */

static bool decide_other(struct converse_write *w) {
    const struct chat_thinking *t = &w->prompt->thinking;
    unsigned i = 0;
    while (i < countof(reason_rows) &&
           !span_glob(span_str(reason_rows[i].pattern), w->spell->model))
        i++;
    bool known = i < countof(reason_rows);
    if (is_unwanted(t))
        return !known || lose(w, "this model's reasoning cannot be switched off");
    if (!is_wanted(t) && !t->effort.n)
        return true;
    if (!known)
        return lose(w, "there is no known way to ask this model for reasoning");
    struct span word = t->effort.n        ? t->effort
                       : t->budget_tokens ? chat_effort_of_budget(t->budget_tokens)
                                          : EFFORT_DEFAULT;
    w->reason.member = reason_rows[i].member;
    w->reason.effort = span_eq(word, SPAN("minimal")) || span_eq(word, SPAN("low"))
                           ? reason_rows[i].low
                       : span_eq(word, SPAN("medium")) ? reason_rows[i].medium
                                                       : reason_rows[i].high;
    return true;
}

bool converse_decide_reason(struct converse_write *w) {
    return w->claude ? decide_claude(w) : decide_other(w);
}

/* --- writing --- */

bool converse_has_reason(const struct converse_write *w) {
    return w->reason.on || w->reason.off || w->reason.member.n;
}

void converse_write_reason(struct converse_write *w) {
    struct json_out *out = w->out;
    if (w->reason.member.n) {
        converse_write_text(out, w->reason.member, w->reason.effort);
        return;
    }
    if (!w->reason.on && !w->reason.off)
        return;
    bool adaptive = w->reason.on && !w->reason.budget_tokens;
    converse_open(out, SPAN("thinking"));
    converse_write_text(out, SPAN("type"),
                        w->reason.off ? SPAN("disabled")
                        : adaptive    ? SPAN("adaptive")
                                      : SPAN("enabled"));
    if (w->reason.budget_tokens) {
        json_out_key(out, SPAN("budget_tokens"));
        json_out_int(out, (int64_t)w->reason.budget_tokens);
    }
    /* Models that think as they like show nothing of it unless asked. */
    if (adaptive && w->prompt->thinking.shown != CHAT_UNSAID)
        converse_write_text(out, SPAN("display"),
                            w->prompt->thinking.shown == CHAT_YES ? SPAN("summarized")
                                                                  : SPAN("omitted"));
    json_out_object_end(out);
}
