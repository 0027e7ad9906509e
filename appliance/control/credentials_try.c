/* credentials_try.c - one try at obtaining a credential. See credentials_try.h. */
#include "appliance/control/credentials_try.h"

#include <stdarg.h>
#include <stdio.h>

#include "appliance/control/config_expand.h"
#include "core/base.h"
#include "providers/credential_read.h"

#define STATUS_OK     200
#define URL_SHOWN_MAX 120

static void forget_request(struct credentials_try *try) {
    try->field_count = 0;
    try->request_body = try->wanted = (struct span){NULL, 0};
}

enum credentials_do credentials_try_get(struct credentials_try *try, struct span url) {
    forget_request(try);
    try->method = HTTP_GET;
    try->url = url;
    if (!url.p)
        return credentials_try_fail(try, "memory is used up");
    return CREDENTIALS_ASK;
}

enum credentials_do credentials_try_post(struct credentials_try *try, struct span url,
                                         struct span form) {
    enum credentials_do what = credentials_try_get(try, url);
    if (!form.p)
        return credentials_try_fail(try, "memory is used up");
    try->method = HTTP_POST;
    try->request_body = form;
    credentials_try_field(try, SPAN("content-type"), SPAN("application/x-www-form-urlencoded"));
    return what;
}

void credentials_try_field(struct credentials_try *try, struct span name, struct span value) {
    CHECK(try->field_count < CREDENTIALS_FIELDS_MAX);
    try->fields[try->field_count++] = (struct http_field){.name = name, .value = value};
}

enum credentials_do credentials_try_fail(struct credentials_try *try, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(try->why, sizeof try->why, format, arguments);
    va_end(arguments);
    for (char *c = try->why; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            *c = '?';
    return CREDENTIALS_FAIL;
}

/* Shorter ones stand in any sentence. */
#define SECRET_MIN_BYTES 6

static bool holds(struct span text, struct span secret) {
    return secret.n >= SECRET_MIN_BYTES && span_search(text, secret) < text.n;
}

/* Of the recipe, or got or read on the way. */
static bool tells_secret(const struct credentials_try *try, struct span text) {
    return holds(text, credentials_try_text(try, CREDENTIALS_SECRET)) ||
           holds(text, credentials_try_text(try, CREDENTIALS_TOKEN)) || holds(text, try->kept) ||
           holds(text, try->secret) || holds(text, try->got.token);
}

enum credentials_do credentials_try_refused(struct credentials_try *try, struct span why) {
    struct span url = try->url;
    /* The query may be long; it is never a secret, but nothing to look at either. */
    int url_n = (int)min_size(span_find(url, '?', 0), URL_SHOWN_MAX);
    if (try->fail != FAIL_NONE)
        return credentials_try_fail(try, "%.*s: %s", url_n, url.p, fail_text(try->fail));
    if (tells_secret(try, why))
        why = SPAN("with an error that repeats a secret");
    int why_n = (int)min_size(why.n, CREDENTIALS_WHY_MAX);
    if (try->status != STATUS_OK)
        return credentials_try_fail(try, "%.*s: status %u%s%.*s", url_n, url.p, try->status,
                                    why_n ? ", " : "", why_n, why.p);
    return credentials_try_fail(try, "%.*s: %.*s", url_n, url.p, why_n, why.p);
}

/* --- answers --- */

enum reader { READ_OAUTH, READ_AWS, READ_STS };

static enum credentials_do read_answer(struct credentials_try *try, enum reader reader) {
    struct span why = {NULL, 0};
    int error = -1;
    if (try->fail != FAIL_NONE)
        return credentials_try_refused(try, why);
    switch (reader) {
    case READ_OAUTH:
        error = credential_read_oauth(try->body, try->now_s, try->arena, &try->got, &why);
        break;
    case READ_AWS: error = credential_read_aws(try->body, try->arena, &try->got, &why); break;
    case READ_STS: error = credential_read_sts(try->body, try->arena, &try->got, &why); break;
    }
    /* An error's body is read for the name that the source gives it. */
    if (error || try->status != STATUS_OK)
        return credentials_try_refused(try, why);
    return CREDENTIALS_HAVE;
}

enum credentials_do credentials_try_oauth(struct credentials_try *try) {
    return read_answer(try, READ_OAUTH);
}
enum credentials_do credentials_try_aws(struct credentials_try *try) {
    return read_answer(try, READ_AWS);
}
enum credentials_do credentials_try_sts(struct credentials_try *try) {
    return read_answer(try, READ_STS);
}

static bool is_white(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

struct span credentials_try_file(struct credentials_try *try) {
    const char *path = try->recipe->text[CREDENTIALS_FILE], *why = "";
    struct span text = {NULL, 0};
    if (!config_expand_file(path, CREDENTIALS_FILE_MAX, try->arena, &text, &why)) {
        credentials_try_fail(try, "%s cannot be read: %s", path, why);
        return span_of(NULL, 0);
    }
    while (text.n && is_white(text.p[text.n - 1]))
        text.n--;
    while (text.n && is_white(*text.p))
        text = span_from(text, 1);
    try->secret = text;
    if (text.n)
        return text;
    credentials_try_fail(try, "%s is empty", path);
    return span_of(NULL, 0);
}
