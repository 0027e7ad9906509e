/* openai_chat_request.c - reads a client's chat request, or one for completions: what the router
 * needs, and where it stands. (pure)
 *
 * Owns:     nothing; spans point into the body, decoded or collected things lie in the arena.
 * Promises: one pass over the body. What is accepted is valid JSON with one model, one non-empty
 *           list of messages or one prompt, and no member twice that hedgerow reads or edits: two
 *           parties that pick different ones of a pair would see different requests.
 * Refuses:  the rest, with a sentence that says what to do. Members that hedgerow has no use for
 *           are the provider's to judge. */
#include "providers/openai_chat.h"

#include "core/base.h"
#include "core/limits.h"
#include "providers/chat_body.h"

enum {
    MODEL,
    MESSAGES,
    STREAM,
    STREAM_OPTIONS,
    N,
    MAX_TOKENS,
    MAX_COMPLETION_TOKENS,
    TOOLS,
    FUNCTIONS,
    USER,
    SAFETY_IDENTIFIER,
    PROMPT_CACHE_KEY,
    AUDIO,
    PROMPT,
    BEST_OF,
    TOP_COUNT
};
static const struct span top_names[TOP_COUNT] = {
    [MODEL] = SPAN_CONST("model"),
    [MESSAGES] = SPAN_CONST("messages"),
    [STREAM] = SPAN_CONST("stream"),
    [STREAM_OPTIONS] = SPAN_CONST("stream_options"),
    [N] = SPAN_CONST("n"),
    [MAX_TOKENS] = SPAN_CONST("max_tokens"),
    [MAX_COMPLETION_TOKENS] = SPAN_CONST("max_completion_tokens"),
    [TOOLS] = SPAN_CONST("tools"),
    [FUNCTIONS] = SPAN_CONST("functions"),
    [USER] = SPAN_CONST("user"),
    [SAFETY_IDENTIFIER] = SPAN_CONST("safety_identifier"),
    [PROMPT_CACHE_KEY] = SPAN_CONST("prompt_cache_key"),
    [AUDIO] = SPAN_CONST("audio"),
    [PROMPT] = SPAN_CONST("prompt"),
    [BEST_OF] = SPAN_CONST("best_of"),
};
/* Members that mean nothing in the other form. */
#define CHAT_MEMBERS \
    (1u << MESSAGES | 1u << MAX_COMPLETION_TOKENS | 1u << TOOLS | 1u << FUNCTIONS | 1u << AUDIO)
#define COMPLETION_MEMBERS (1u << PROMPT | 1u << BEST_OF)

struct reading {
    enum openai_form form;
    struct json json;
    struct arena *arena;
    struct chat_request *req;
    struct span *why, *param;
    unsigned seen;       /* bit per member of top_names */
    uint64_t text_bytes; /* of all that the model will read */
    uint64_t prefix;     /* hash of the leading messages */
    bool prefix_done; /* the first user message was hashed: what follows changes with every turn */
    bool audio_container; /* audio output in a format that cannot be streamed */
    unsigned prompts;     /* each has its own choices */
    uint64_t best_of;     /* of more than one only the best is given, which is known at the end */
    struct span cache_key;
};

static int refuse(struct reading *x, struct span param, struct span why) {
    *x->param = param;
    *x->why = why;
    return -FAIL_BAD_REQUEST;
}

static int refuse_json(struct reading *x) {
    return refuse(x, SPAN(""), chat_body_why_json(&x->json, x->arena));
}

static int refuse_memory(struct reading *x) {
    refuse(x, SPAN(""), chat_body_why_memory());
    return -FAIL_OVERLOAD;
}

static int read_model(struct reading *x) {
    struct json_token value;
    size_t behind_key = json_at(&x->json);
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    if (!chat_body_name(&value, x->arena, &x->req->model))
        return refuse_memory(x);
    if (!x->req->model.n)
        return refuse(x, top_names[MODEL],
                      SPAN("Give `model` as a string: the name of a model, see GET /v1/models."));
    CHECK(value.raw.p > x->json.in.p + behind_key);
    x->req->model_value = span_of(value.raw.p - 1, value.raw.n + 2); /* with its quotes */
    return 0;
}

/* Whether strings under this key are read by the model as text; images, audio and files are not. */
static bool is_text_key(const struct json_token *key) {
    return !json_is(key, SPAN("url")) && !json_is(key, SPAN("image_url")) &&
           !json_is(key, SPAN("data")) && !json_is(key, SPAN("file_data"));
}

/* Reads over a value of a message and counts its text. */
static bool count_text(struct reading *x, bool text) {
    return chat_body_count(&x->json, text, is_text_key, &x->text_bytes);
}

static bool note_developer(struct reading *x, struct span role) {
    struct chat_request *req = x->req;
    if (req->developer_count == req->developer_max) {
        unsigned max = req->developer_max ? req->developer_max * 2 : 4;
        struct span *roles = arena_alloc(x->arena, max * sizeof *roles);
        if (!roles)
            return false;
        if (req->developer_count)
            memcpy(roles, req->developer_roles, req->developer_count * sizeof *roles);
        req->developer_roles = roles;
        req->developer_max = max;
    }
    req->developer_roles[req->developer_count++] = role;
    return true;
}

static int refuse_message(struct reading *x, unsigned number, const char *member,
                          const char *what) {
    return refuse(x, arena_printf(x->arena, "messages[%u]%s", number, member),
                  arena_printf(x->arena, "messages[%u]%s: %s", number, member, what));
}

/* One message, behind its opening brace. */
static int read_message(struct reading *x, unsigned number) {
    struct json *json = &x->json;
    const char *start = json->in.p + json_at(json);
    struct json_token key, role = {.kind = JSON_NULL};
    while (json_next(json, &key) == JSON_KEY) {
        if (!json_is(&key, SPAN("role"))) {
            if (!count_text(x, is_text_key(&key)))
                return refuse_json(x);
            continue;
        }
        if (role.kind == JSON_STRING)
            return refuse_message(x, number, ".role", "is there twice; give it once.");
        if (json_next(json, &role) == JSON_ERROR)
            return refuse_json(x);
        if (role.kind != JSON_STRING || !role.raw.n)
            return refuse_message(x, number, ".role",
                                  "give a string such as \"system\", \"user\" or \"assistant\".");
    }
    if (key.kind != JSON_OBJECT_END)
        return refuse_json(x);
    if (role.kind != JSON_STRING)
        return refuse_message(x, number, ".role",
                              "is missing; give \"system\", \"user\", \"assistant\" or \"tool\".");
    if (json_is(&role, SPAN("developer")) && !note_developer(x, role.raw))
        return refuse_memory(x);
    if (!x->prefix_done) {
        size_t n = (size_t)(json->in.p + json_at(json) - start);
        x->prefix = chat_body_mix(x->prefix, chat_body_hash(span_of(start, n)));
        x->prefix_done = json_is(&role, SPAN("user"));
    }
    return 0;
}

static int read_messages(struct reading *x) {
    struct json *json = &x->json;
    struct json_token token;
    unsigned count = 0;
    if (json_next(json, &token) == JSON_ERROR)
        return refuse_json(x);
    if (token.kind != JSON_ARRAY)
        return refuse(x, top_names[MESSAGES],
                      SPAN("Give `messages` as an array of objects, each with a `role`."));
    while (json_next(json, &token) == JSON_OBJECT) {
        int rc = read_message(x, count++);
        if (rc < 0)
            return rc;
    }
    if (token.kind == JSON_ERROR)
        return refuse_json(x);
    if (token.kind != JSON_ARRAY_END)
        return refuse_message(x, count, "", "give an object with a `role` and `content`.");
    if (!count)
        return refuse(x, top_names[MESSAGES], SPAN("Give at least one message in `messages`."));
    return 0;
}

static int read_stream(struct reading *x) {
    struct json_token value;
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    if (value.kind != JSON_TRUE && value.kind != JSON_FALSE && value.kind != JSON_NULL)
        return refuse(x, top_names[STREAM], SPAN("Give `stream` as true or false."));
    x->req->stream = value.kind == JSON_TRUE;
    x->req->stream_value = value.raw;
    return 0;
}

static int read_stream_options(struct reading *x) {
    struct json *json = &x->json;
    struct json_token token, value;
    if (json_next(json, &token) == JSON_ERROR)
        return refuse_json(x);
    x->req->stream_options_value = token.raw; /* null, or ends with the object below */
    if (token.kind == JSON_NULL)
        return 0;
    if (token.kind != JSON_OBJECT)
        return refuse(x, top_names[STREAM_OPTIONS],
                      SPAN("Give `stream_options` as an object, or leave it out."));
    while (json_next(json, &token) == JSON_KEY) {
        bool usage = json_is(&token, SPAN("include_usage"));
        bool each = json_is(&token, SPAN("continuous_usage_stats"));
        if (json_next(json, &value) == JSON_ERROR || !openai_skip(json, &value))
            return refuse_json(x);
        if (each)
            x->req->continuous_usage = value.kind == JSON_TRUE;
        if (!usage)
            continue;
        if (x->req->include_usage_value.p ||
            (value.kind != JSON_TRUE && value.kind != JSON_FALSE && value.kind != JSON_NULL))
            return refuse(x, SPAN("stream_options.include_usage"),
                          SPAN("Give `stream_options.include_usage` once, as true or false."));
        x->req->include_usage = value.kind == JSON_TRUE;
        x->req->include_usage_value = value.raw;
    }
    if (token.kind != JSON_OBJECT_END)
        return refuse_json(x);
    const char *start = x->req->stream_options_value.p;
    x->req->stream_options_value = span_of(start, (size_t)(json->in.p + json_at(json) - start));
    return 0;
}

/* A whole number from 1 to max, or null. Not there or null: *out stays. */
static int read_count(struct reading *x, struct span name, uint64_t max, uint64_t *out) {
    struct json_token value;
    if (json_next(&x->json, &value) == JSON_ERROR)
        return refuse_json(x);
    uint64_t number = 0;
    if (value.kind == JSON_NULL)
        return 0;
    if (value.kind != JSON_NUMBER || !span_u64(value.raw, max, &number) || !number)
        return refuse(x, name,
                      arena_printf(x->arena, "Give `%.*s` as a whole number from 1 to %llu.",
                                   (int)name.n, name.p, (unsigned long long)max));
    *out = number;
    return 0;
}

/* Reads `max_tokens` or `max_completion_tokens` and remembers where. */
static int read_limit(struct reading *x, struct span name, struct span raw_key, struct span *key,
                      struct span *value) {
    struct json ahead = x->json;
    *key = raw_key;
    if (!json_value(&ahead, value))
        return refuse_json(x);
    return read_count(x, name, CHAT_OUTPUT_TOKENS_MAX, &x->req->max_output_tokens);
}

static int read_tools(struct reading *x) {
    struct span value;
    if (!json_value(&x->json, &value))
        return refuse_json(x);
    if (openai_says_something(value)) {
        x->req->has_tools = true;
        x->text_bytes += value.n;
    }
    return 0;
}

/* A string that names something; other kinds of values are the provider's to judge. */
static int read_name(struct reading *x, struct span *out) {
    struct json_token value;
    json_next(&x->json, &value);
    if (!openai_skip(&x->json, &value))
        return refuse_json(x);
    if (value.kind == JSON_STRING)
        *out = value.raw;
    return 0;
}

static int read_audio(struct reading *x) {
    static const struct span path[] = {SPAN_CONST("format")};
    struct span value;
    struct json_token format;
    if (!json_value(&x->json, &value))
        return refuse_json(x);
    /* With stream true OpenAI gives pcm16 only: wav, mp3, flac, opus have headers that know the
     * length. */
    x->audio_container = json_find(value, path, countof(path), &format) &&
                         format.kind == JSON_STRING && !json_is(&format, SPAN("pcm16"));
    return 0;
}

/* An array of texts, of tokens or of token lists: how many prompts it is, and how long. */
static int read_prompts(struct reading *x) {
    struct json *json = &x->json;
    struct json_token token;
    uint64_t tokens = 0;
    unsigned prompts = 0;
    while (json_next(json, &token) != JSON_ARRAY_END) {
        if (token.kind == JSON_ERROR)
            return refuse_json(x);
        if (token.kind == JSON_NUMBER) {
            tokens++;
            continue;
        }
        if (token.kind != JSON_STRING && token.kind != JSON_ARRAY)
            return refuse(x, top_names[PROMPT],
                          SPAN("Give `prompt` as a string, an array of strings or of tokens."));
        if (prompts++ == CHOICES_MAX)
            return refuse(x, top_names[PROMPT],
                          arena_printf(x->arena,
                                       "`prompt` has more than %d prompts; send them in "
                                       "several requests.",
                                       CHOICES_MAX));
        if (token.kind == JSON_STRING) {
            x->text_bytes += token.raw.n;
            continue;
        }
        while (json_next(json, &token) == JSON_NUMBER)
            tokens++;
        if (token.kind == JSON_ERROR)
            return refuse_json(x);
        if (token.kind != JSON_ARRAY_END)
            return refuse(x, top_names[PROMPT], SPAN("Give tokens in `prompt` as numbers."));
    }
    x->text_bytes += tokens * CHAT_BYTES_PER_TOKEN;
    x->prompts = prompts ? prompts : 1;
    if (!prompts && !tokens)
        return refuse(x, top_names[PROMPT], SPAN("Give at least one text in `prompt`."));
    return 0;
}

static int read_prompt(struct reading *x) {
    struct json *json = &x->json;
    struct json ahead = *json;
    struct json_token token;
    struct span value;
    int rc = 0;
    if (json_next(json, &token) == JSON_ARRAY)
        rc = read_prompts(x);
    else if (token.kind == JSON_STRING)
        x->text_bytes += token.raw.n;
    else if (token.kind == JSON_ERROR)
        rc = refuse_json(x);
    else
        rc = refuse(x, top_names[PROMPT],
                    SPAN("Give `prompt` as a string, an array of strings or of tokens."));
    if (rc == 0 && json_value(&ahead, &value))
        x->prefix = chat_body_hash(value);
    return rc;
}

static int read_member(struct reading *x, const struct json_token *key) {
    struct chat_request *req = x->req;
    unsigned member = openai_member(key, top_names, TOP_COUNT);
    unsigned foreign = x->form == OPENAI_CHAT ? COMPLETION_MEMBERS : CHAT_MEMBERS;
    struct span unused;
    if (member == TOP_COUNT || foreign & 1u << member)
        return json_value(&x->json, &unused) ? 0 : refuse_json(x);
    if (x->seen & 1u << member)
        return refuse(x, top_names[member],
                      arena_printf(x->arena, "`%.*s` is there twice; give it once.",
                                   (int)top_names[member].n, top_names[member].p));
    x->seen |= 1u << member;

    uint64_t choices = 1;
    int rc;
    switch (member) {
    case MODEL: return read_model(x);
    case MESSAGES: return read_messages(x);
    case STREAM: return read_stream(x);
    case STREAM_OPTIONS: req->stream_options_key = key->raw; return read_stream_options(x);
    case N:
        rc = read_count(x, top_names[N], CHOICES_MAX, &choices);
        req->choices = (unsigned)choices;
        return rc;
    case MAX_TOKENS:
        return read_limit(x, top_names[MAX_TOKENS], key->raw, &req->max_tokens_key,
                          &req->max_tokens_value);
    case MAX_COMPLETION_TOKENS:
        return read_limit(x, top_names[MAX_COMPLETION_TOKENS], key->raw,
                          &req->max_completion_tokens_key, &req->max_completion_tokens_value);
    case TOOLS:
    case FUNCTIONS: return read_tools(x);
    case USER: return req->user.n ? read_name(x, &unused) : read_name(x, &req->user);
    case SAFETY_IDENTIFIER: return read_name(x, &req->user);
    case PROMPT_CACHE_KEY: return read_name(x, &x->cache_key);
    case AUDIO: return read_audio(x);
    case PROMPT: return read_prompt(x);
    case BEST_OF: return read_count(x, top_names[BEST_OF], UINT32_MAX, &x->best_of);
    }
    return 0;
}

static int check_whole(struct reading *x) {
    struct chat_request *req = x->req;
    if (!req->model_value.p)
        return refuse(x, top_names[MODEL],
                      SPAN("`model` is missing; give the name of a model, see GET /v1/models."));
    if (x->form == OPENAI_COMPLETION && !(x->seen & 1u << PROMPT))
        return refuse(x, top_names[PROMPT],
                      SPAN("`prompt` is missing; give a text for the model to go on with."));
    if (x->form == OPENAI_CHAT && !(x->seen & 1u << MESSAGES))
        return refuse(x, top_names[MESSAGES],
                      SPAN("`messages` is missing; give an array with at least one message."));
    /* Some servers read one, some the other; careful clients say the same in both. */
    if (req->max_tokens_key.p && req->max_completion_tokens_key.p &&
        !span_eq(req->max_tokens_value, req->max_completion_tokens_value))
        return refuse(x, top_names[MAX_TOKENS],
                      SPAN("`max_tokens` and `max_completion_tokens` differ; give one of them."));
    if (req->choices > CHOICES_MAX / x->prompts)
        return refuse(x, top_names[N],
                      arena_printf(x->arena,
                                   "`n` for each prompt makes more than %d choices; ask "
                                   "for fewer.",
                                   CHOICES_MAX));
    req->choices *= x->prompts;
    /* A null or an empty object asks for nothing. OpenAI refuses the rest in the same way. */
    if (!req->stream && openai_says_something(req->stream_options_value))
        return refuse(
            x, top_names[STREAM_OPTIONS],
            SPAN("`stream_options` needs \"stream\": true; set it or leave the options out."));
    return 0;
}

int openai_read_request(enum openai_form form, struct span body, struct arena *arena,
                        struct chat_request *req, struct span *why, struct span *param) {
    struct reading x = {
        .form = form, .arena = arena, .req = req, .why = why, .param = param, .prompts = 1};
    struct json_token token;
    *req = (struct chat_request){.body = body, .choices = 1};
    *why = *param = SPAN("");
    json_init(&x.json, body);
    if (json_next(&x.json, &token) != JSON_OBJECT)
        return token.kind == JSON_ERROR
                   ? refuse_json(&x)
                   : refuse(&x, SPAN(""), SPAN("The body is not a JSON object: send one."));
    req->object_start = json_at(&x.json);
    while (json_next(&x.json, &token) == JSON_KEY) {
        int rc = read_member(&x, &token);
        if (rc < 0)
            return rc;
    }
    req->object_empty = !x.seen;
    if (token.kind != JSON_OBJECT_END || json_next(&x.json, &token) != JSON_END)
        return refuse_json(&x);
    int rc = check_whole(&x);
    if (rc < 0)
        return rc;
    req->whole_only = (x.audio_container || x.best_of > 1) && !req->stream;
    req->input_tokens_estimate = max_u64(x.text_bytes / CHAT_BYTES_PER_TOKEN, 1);
    req->prefix_hash =
        chat_body_mix(chat_body_mix(span_hash(req->model), x.prefix), span_hash(x.cache_key));
    return 0;
}

int openai_chat_read_request(struct span body, struct arena *arena, struct chat_request *req,
                             struct span *why, struct span *param) {
    return openai_read_request(OPENAI_CHAT, body, arena, req, why, param);
}
