/* test_stall.c - may an answer that stopped in its middle be gone on with: by rows. */
#include "tests/test.h"

#include "appliance/race/stall.h"
#include "core/arena.h"
#include "core/slab.h"

static struct memory memory;
static struct arena arena;

static void begin(void) {
    memory_init(&memory, 64 << 20, 0);
    arena_init(&arena, &memory);
}

static void end(void) {
    arena_fini(&arena);
    memory_fini(&memory);
}

/* What an answer says: words of its events, and a text behind ':'. */
static void hear(struct stall_said *said, const char *story) {
    static const struct {
        const char *word;
        enum chat_event_kind kind;
        unsigned choice;
    } words[] = {
        {"start", CHAT_START, 0},     {"text", CHAT_TEXT, 0},       {"text1", CHAT_TEXT, 1},
        {"think", CHAT_REASONING, 0}, {"proof", CHAT_SIGNATURE, 0}, {"sealed", CHAT_REDACTED, 0},
        {"refuse", CHAT_REFUSAL, 0},  {"call", CHAT_TOOL_START, 0}, {"args", CHAT_TOOL_ARGS, 0},
        {"image", CHAT_MEDIA, 0},     {"finish", CHAT_FINISH, 0},   {"usage", CHAT_USAGE, 0},
        {"logprobs", CHAT_EXTRA, 0},  {"other", CHAT_OTHER, 0},
    };
    *said = (struct stall_said){.spoke = false};
    while (*story) {
        size_t n = strcspn(story, "|"), word = strcspn(story, ":|");
        size_t at = word < n ? word + 1 : n;
        unsigned i = 0;
        while (i < countof(words) && !span_eq(span_of(story, word), span_str(words[i].word)))
            i++;
        REQUIRE(i < countof(words));
        struct chat_event event = {.kind = words[i].kind,
                                   .choice = words[i].choice,
                                   .name = SPAN("f"),
                                   .text = span_of(story + at, n - at)};
        stall_hear(said, &event, &arena);
        story += n + (story[n] == '|');
    }
}

TEST(stall_hears) {
    static const struct {
        const char *story, *text, *reasoning;
        unsigned pieces;
    } rows[] = {
        {"", "", "", 0},
        {"start|text:Hello|text:, \\\"you\\\"|usage", "Hello, \\\"you\\\"", "", 2},
        {"think:Hm|think:m|proof:x|text:So", "So", "Hmm", 3},
        {"text: |text:\\n", " \\n", "", 2},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].story);
        struct stall_said said;
        begin();
        hear(&said, rows[i].story);
        EXPECT_BYTES(said.text.p, said.text.n, rows[i].text);
        EXPECT_BYTES(said.reasoning.p, said.reasoning.n, rows[i].reasoning);
        EXPECT_EQ(said.pieces, rows[i].pieces);
        end();
    }
}

TEST(stall_rows) {
    enum { NO, RESTART, GO_ON, BOTH };
    static const char text[] = "text:Hello", blank[] = "text: |text:\\n\\t";
    static const struct {
        const char *name, *story;
        struct stall_case at;
        int verdict;
        enum stall_why why;
    } rows[] = {
#define STREAM       .chat = true, .streaming = true, .choices = 1
#define WHOLE        .chat = true, .choices = 1
#define RESUME       .on_stall = ON_STALL_CONTINUE, .why = FAIL_IDLE, STREAM
#define AGAIN        .on_stall = ON_STALL_RESTART, .why = FAIL_IDLE, STREAM
#define RESUME_WHOLE .on_stall = ON_STALL_CONTINUE, .why = FAIL_IDLE, WHOLE
#define AGAIN_WHOLE  .on_stall = ON_STALL_RESTART, .why = FAIL_IDLE, WHOLE
        {"not wished",
         text,
         {.on_stall = ON_STALL_FAIL, .why = FAIL_IDLE, STREAM},
         NO,
         STALL_SETTING},
        {"text", text, {RESUME}, GO_ON, STALL_NOTHING},
        {"text, restart", text, {AGAIN}, NO, STALL_SPOKEN},
        {"text for a whole body", text, {RESUME_WHOLE}, BOTH, STALL_NOTHING},
        {"text for a whole body, restart", text, {AGAIN_WHOLE}, RESTART, STALL_SPOKEN},
        {"blanks", blank, {AGAIN}, RESTART, STALL_SPOKEN},
        {"blanks, continue", blank, {RESUME}, RESTART, STALL_THOUGHT},
        {"blanks in pieces, and a word", "text: |text:a|text: ", {AGAIN}, NO, STALL_SPOKEN},
        {"reasoning", "think:Hm", {AGAIN}, RESTART, STALL_SPOKEN},
        {"reasoning, continue", "think:Hm", {RESUME}, RESTART, STALL_THOUGHT},
        {"reasoning and its proof", "think:Hm|proof:x|sealed:y", {RESUME}, RESTART, STALL_THOUGHT},
        {"reasoning and text", "think:Hm|text:So", {RESUME}, NO, STALL_THOUGHT},
        {"sealed reasoning and text", "sealed:y|text:So", {RESUME}, NO, STALL_THOUGHT},
        {"reasoning and text, whole", "think:Hm|text:So", {RESUME_WHOLE}, RESTART, STALL_THOUGHT},
        {"a call", "text:So|call", {RESUME}, NO, STALL_TOOL},
        {"a call, restart", "call", {AGAIN}, NO, STALL_SPOKEN},
        {"a call, whole", "text:So|call|args:{", {RESUME_WHOLE}, RESTART, STALL_TOOL},
        {"an image", "image:x", {RESUME}, NO, STALL_MEDIA},
        {"a refusal", "refuse:No", {RESUME}, NO, STALL_REFUSAL},
        {"a refusal, whole", "refuse:No", {AGAIN_WHOLE}, NO, STALL_REFUSAL},
        {"a finish", "text:So|finish", {RESUME}, NO, STALL_FINISHED},
        {"a finish, whole", "text:So|finish", {AGAIN_WHOLE}, NO, STALL_FINISHED},
        {"log probabilities of the text", "text:So|logprobs:1", {RESUME}, GO_ON, STALL_NOTHING},
        {"two answers asked for",
         text,
         {.on_stall = ON_STALL_CONTINUE,
          .why = FAIL_IDLE,
          .chat = true,
          .streaming = true,
          .choices = 2},
         NO,
         STALL_CHOICES},
        {"two answers given", "text:a|text1:b", {RESUME}, NO, STALL_CHOICES},
        {"two answers, whole",
         "text:a|text1:b",
         {.on_stall = ON_STALL_CONTINUE, .why = FAIL_IDLE, .chat = true, .choices = 2},
         RESTART,
         STALL_CHOICES},
        {"a citation", text, {RESUME, .own = true}, NO, STALL_OWN},
        {"a citation behind reasoning", "think:a", {AGAIN, .own = true}, NO, STALL_SPOKEN},
        {"state", text, {RESUME, .stateful = true}, NO, STALL_STATE},
        {"embeddings", "", {.on_stall = ON_STALL_RESTART, .why = FAIL_RESET}, NO, STALL_KIND},
#undef STREAM
#undef WHOLE
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct stall_said said;
        struct stall_case at = rows[i].at;
        begin();
        hear(&said, rows[i].story);
        at.said = &said;
        struct stall_verdict verdict = stall_judge(&at);
        EXPECT_EQ(verdict.restart + 2 * verdict.go_on, rows[i].verdict);
        EXPECT_EQ(verdict.why, rows[i].why);
        end();
    }
}

/* The column of fail.def: who broke off for a reason of his own may be gone on for, and nobody whose
 * end was decided, or who cannot have begun. */
TEST(stall_by_cause) {
    static const enum fail rescued[] = {
        FAIL_RESET,          FAIL_CLOSED,
        FAIL_PROTOCOL,       FAIL_IDLE,
        FAIL_INCOMPLETE,     FAIL_BAD_EVENT,
        FAIL_ERROR_EVENT,    FAIL_RATE_LIMITED,
        FAIL_QUOTA,          FAIL_OVERLOADED,
        FAIL_UPSTREAM_5XX,   FAIL_UPSTREAM_TIMEOUT,
        FAIL_UPSTREAM_AUTH,  FAIL_UPSTREAM_CONFLICT,
        FAIL_UPSTREAM_MODEL,
    };
    struct stall_said said;
    begin();
    hear(&said, "text:Hello");
    for (int why = 0; why < FAIL_COUNT; why++) {
        ROW("%s", fail_name((enum fail)why));
        bool expected = false;
        for (unsigned i = 0; i < countof(rescued); i++)
            expected |= rescued[i] == (enum fail)why;
        struct stall_case at = {.on_stall = ON_STALL_CONTINUE,
                                .why = (enum fail)why,
                                .chat = true,
                                .streaming = true,
                                .choices = 1,
                                .said = &said};
        EXPECT_EQ(stall_judge(&at).go_on, expected);
        EXPECT(expected || stall_judge(&at).why == STALL_CAUSE);
    }
    end();
}

TEST(stall_of_what_was_too_long) {
    struct stall_said said;
    begin();
    hear(&said, "text:Hello");
    said.full = true;
    struct stall_case at = {.on_stall = ON_STALL_CONTINUE,
                            .why = FAIL_IDLE,
                            .chat = true,
                            .streaming = true,
                            .choices = 1,
                            .said = &said};
    EXPECT_EQ(stall_judge(&at).why, STALL_LARGE);
    EXPECT(!stall_judge(&at).go_on && !stall_judge(&at).restart);
    at.streaming = false;
    EXPECT(stall_judge(&at).restart); /* nothing of it is needed */
    end();
}

TEST(stall_by_prompt) {
    struct chat_prompt prompt;
    begin();
    chat_prompt_init(&prompt);
    chat_add_message(&prompt, &arena, CHAT_USER);
    EXPECT_EQ(stall_prompt(&prompt), STALL_NOTHING);
    prompt.format.kind = CHAT_FORMAT_TEXT;
    EXPECT_EQ(stall_prompt(&prompt), STALL_NOTHING);
    prompt.format.kind = CHAT_FORMAT_OBJECT;
    EXPECT_EQ(stall_prompt(&prompt), STALL_FORMAT);
    prompt.format.kind = CHAT_FORMAT_SCHEMA;
    EXPECT_EQ(stall_prompt(&prompt), STALL_FORMAT);
    prompt.format.kind = CHAT_FORMAT_UNSAID;
    prompt.thinking.wanted = CHAT_NO;
    EXPECT_EQ(stall_prompt(&prompt), STALL_NOTHING);
    prompt.thinking.wanted = CHAT_YES;
    EXPECT_EQ(stall_prompt(&prompt), STALL_THOUGHT);
    prompt.thinking.wanted = CHAT_UNSAID;
    chat_add_extra(&prompt, &arena, SPAN("repetition_penalty"), SPAN("1"), false);
    EXPECT_EQ(stall_prompt(&prompt), STALL_NOTHING);
    chat_add_extra(&prompt, &arena, SPAN("guided_regex"), SPAN("\"a+\""), false);
    EXPECT_EQ(stall_prompt(&prompt), STALL_FORMAT);
    prompt.extras = prompt.last_extra = NULL;
    chat_add_message(&prompt, &arena, CHAT_ASSISTANT);
    EXPECT_EQ(stall_prompt(&prompt), STALL_PREFILLED);
    end();
}

TEST(stall_usage_rows) {
    static const struct {
        const char *name;
        struct chat_usage first;
        uint64_t pieces;
        struct chat_usage rest;
        uint64_t in, cached, written, out;
    } rows[] = {
        {"the first was not counted",
         {.known = false},
         6,
         {.known = true, .input_tokens = 50, .output_tokens = 4, .cached_tokens = 10},
         44,
         10,
         0,
         10},
        {"more was estimated than there was",
         {.known = false},
         60,
         {.known = true, .input_tokens = 50, .output_tokens = 4, .cached_tokens = 10},
         0,
         0,
         0,
         64},
        {"its cache is of what the client sent",
         {.known = false},
         6,
         {.known = true,
          .input_tokens = 50,
          .output_tokens = 4,
          .cached_tokens = 40,
          .cache_write_tokens = 10},
         44,
         40,
         4,
         10},
        {"the first said its input at its start",
         {.known = true, .input_tokens = 30, .output_tokens = 1, .cached_tokens = 7},
         6,
         {.known = true,
          .raw = SPAN_CONST("{}"),
          .input_tokens = 50,
          .output_tokens = 4,
          .cached_tokens = 20},
         30,
         7,
         0,
         10},
        {"the first counted as it went",
         {.known = true, .input_tokens = 30, .output_tokens = 8},
         6,
         {.known = true, .input_tokens = 50, .output_tokens = 4},
         30,
         0,
         0,
         12},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct chat_usage sum = stall_usage(&rows[i].first, rows[i].pieces, &rows[i].rest);
        EXPECT(sum.known);
        EXPECT_EQ(sum.input_tokens, rows[i].in);
        EXPECT_EQ(sum.cached_tokens, rows[i].cached);
        EXPECT_EQ(sum.cache_write_tokens, rows[i].written);
        EXPECT_EQ(sum.output_tokens, rows[i].out);
        EXPECT_EQ(sum.raw.n, 0);
    }
    struct chat_usage none = {.known = false}, first = {.known = true, .output_tokens = 5};
    EXPECT(!stall_usage(&first, 5, &none).known);
}

TEST(stall_texts) {
    for (int why = STALL_NOTHING + 1; why < STALL_WHY_COUNT; why++)
        EXPECT(strlen(stall_why_text((enum stall_why)why)) > 10);
    EXPECT_STR(stall_why_text(STALL_NOTHING), "");
    EXPECT_ABORT(stall_why_text(STALL_WHY_COUNT));
}
