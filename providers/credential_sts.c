/* credential_sts.c - the XML that AWS STS answers. (pure)
 *
 * Not a reader of all XML: elements, text, the five named entities and numeric ones, comments and a
 * declaration at the top. That is all STS has ever sent; what else there is in XML (DOCTYPE, CDATA,
 * processing instructions) is refused, and with it entities that grow.
 *
 * Owns:     nothing; texts are copied into the arena.
 * Promises: one step for each byte; every element is closed by its own name; no byte of the answer
 *           in a reason but the error's name. */
#include <errno.h>

#include "core/base.h"
#include "providers/credential_read.h"

/* Response, Result, Credentials, AccessKeyId: 4. */
#define DEPTH_MAX 16
/* "&#x10FFFF;" without its ends */
#define ENTITY_MAX 8
#define CODE_MAX   64

enum xml_kind {
    XML_ERROR, /* also when it ends too early */
    XML_OPEN,  /* <name>: its names are the path */
    XML_TEXT,  /* the text of an element that holds nothing else, behind its opening */
    XML_CLOSE, /* </name> or the end of <name/> */
    XML_END,   /* behind the one outermost element only white space and comments came */
};

struct xml {
    struct span in;
    size_t at;
    unsigned depth;
    struct span path[DEPTH_MAX]; /* names of the open elements */
    struct span text;            /* XML_TEXT: as it was written */
    bool closing;                /* <name/>: its close is due */
    bool opened;                 /* the last thing read was an opening tag */
    bool whole;                  /* the outermost element was closed */
};

static bool at_word(const struct xml *xml, struct span word) {
    return span_starts(span_from(xml->in, xml->at), word);
}

/* Moves behind the next `word`; false when there is none. */
static bool past(struct xml *xml, struct span word) {
    size_t found = span_search(span_from(xml->in, xml->at), word);
    if (xml->in.n - xml->at - found < word.n)
        return false;
    xml->at += found + word.n;
    return true;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':';
}

static struct span name(struct xml *xml) {
    size_t from = xml->at;
    while (xml->at < xml->in.n && is_name(xml->in.p[xml->at]))
        xml->at++;
    return span_of(xml->in.p + from, xml->at - from);
}

/* Behind '<': reads over the attributes, in whose values '>' may stand. */
static enum xml_kind open_tag(struct xml *xml) {
    struct span called = name(xml);
    char quote = 0;
    if (called.n == 0 || xml->depth == DEPTH_MAX || xml->whole)
        return XML_ERROR;
    for (; xml->at < xml->in.n; xml->at++) {
        char c = xml->in.p[xml->at];
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '<')
            return XML_ERROR;
        else if (c == '>')
            break;
    }
    if (xml->at == xml->in.n)
        return XML_ERROR;
    xml->closing = xml->in.p[xml->at - 1] == '/';
    xml->opened = !xml->closing;
    xml->at++;
    xml->path[xml->depth++] = called;
    return XML_OPEN;
}

static enum xml_kind closed(struct xml *xml) {
    xml->depth--;
    xml->whole = xml->depth == 0;
    return XML_CLOSE;
}

/* Behind "</". */
static enum xml_kind close_tag(struct xml *xml) {
    struct span called = name(xml);
    while (xml->at < xml->in.n && is_space(xml->in.p[xml->at]))
        xml->at++;
    if (xml->at == xml->in.n || xml->in.p[xml->at] != '>' || xml->depth == 0 ||
        !span_eq(called, xml->path[xml->depth - 1]))
        return XML_ERROR;
    xml->at++;
    return closed(xml);
}

/* White space between elements; false when there is anything else. */
static bool is_blank(struct span text) {
    for (size_t i = 0; i < text.n; i++)
        if (!is_space(text.p[i]))
            return false;
    return true;
}

static enum xml_kind xml_next(struct xml *xml) {
    if (xml->closing) {
        xml->closing = false;
        return closed(xml);
    }
    for (;;) {
        size_t end = span_find(xml->in, '<', xml->at);
        struct span text = span_of(xml->in.p + xml->at, end - xml->at);
        bool leaf = xml->opened && end + 1 < xml->in.n && xml->in.p[end + 1] == '/';
        xml->opened = false;
        xml->at = end;
        if (leaf) {
            xml->text = text;
            return XML_TEXT;
        }
        if (!is_blank(text))
            return XML_ERROR;
        if (end == xml->in.n)
            return xml->whole ? XML_END : XML_ERROR;
        if (at_word(xml, SPAN("<!--"))) {
            if (!past(xml, SPAN("-->")))
                return XML_ERROR;
            continue;
        }
        /* The declaration, and nothing before it. */
        if (at_word(xml, SPAN("<?xml ")) && xml->at == 0) {
            if (!past(xml, SPAN("?>")))
                return XML_ERROR;
            continue;
        }
        xml->at++;
        if (!at_word(xml, SPAN("/")))
            return open_tag(xml);
        xml->at++;
        return close_tag(xml);
    }
}

/* --- entities --- */

/* The character that `&name;` stands for, if it is in ASCII: nothing that STS says is not. 0: none.
 */
static char entity(struct span called) {
    static const struct {
        struct span name;
        char c;
    } named[] = {{SPAN_CONST("amp"), '&'},
                 {SPAN_CONST("lt"), '<'},
                 {SPAN_CONST("gt"), '>'},
                 {SPAN_CONST("quot"), '"'},
                 {SPAN_CONST("apos"), '\''}};
    unsigned code = 0, base = 10;
    for (unsigned i = 0; i < countof(named); i++)
        if (span_eq(called, named[i].name))
            return named[i].c;
    if (!span_starts(called, SPAN("#")) || called.n > ENTITY_MAX)
        return 0;
    called = span_from(called, 1);
    if (span_starts(called, SPAN("x"))) {
        base = 16;
        called = span_from(called, 1);
    }
    for (size_t i = 0; i < called.n; i++) {
        char c = called.p[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : base;
        if (digit >= base)
            return 0;
        code = code * base + digit;
    }
    return code < 0x80 ? (char)code : 0;
}

/* In the arena; {NULL, 0} for an entity that is none, for bytes that are no visible ASCII, and
 * without memory. */
static struct span decode(struct span text, struct arena *arena) {
    char *out = arena_alloc(arena, text.n + 1);
    size_t n = 0;
    for (size_t at = 0; out && at < text.n; at++) {
        char c = text.p[at];
        if (c == '&') {
            size_t end = span_find(text, ';', at);
            c = entity(span_of(text.p + at + 1, end == text.n ? 0 : end - at - 1));
            at = end;
        }
        if (c <= ' ' || c > '~')
            return span_of(NULL, 0);
        out[n++] = c;
    }
    return span_of(out, n);
}

/* --- the answer --- */

struct sts {
    struct span key_id, secret, token, expires; /* as written */
    struct span code;                           /* of an error */
};

/* Puts a text where its path says; names are without a prefix, as STS writes them. */
static void take(const struct xml *xml, struct sts *out) {
    const struct span *path = xml->path;
    if (xml->depth == 3 && span_eq(path[0], SPAN("ErrorResponse")) &&
        span_eq(path[1], SPAN("Error")) && span_eq(path[2], SPAN("Code")))
        out->code = xml->text;
    if (xml->depth != 4 || !span_eq(path[0], SPAN("AssumeRoleWithWebIdentityResponse")) ||
        !span_eq(path[1], SPAN("AssumeRoleWithWebIdentityResult")) ||
        !span_eq(path[2], SPAN("Credentials")))
        return;
    if (span_eq(path[3], SPAN("AccessKeyId")))
        out->key_id = xml->text;
    else if (span_eq(path[3], SPAN("SecretAccessKey")))
        out->secret = xml->text;
    else if (span_eq(path[3], SPAN("SessionToken")))
        out->token = xml->text;
    else if (span_eq(path[3], SPAN("Expiration")))
        out->expires = xml->text;
}

/* The name of an error, which is a word ("ExpiredTokenException"), in a sentence. */
static struct span complaint(struct span code, struct arena *arena) {
    for (size_t i = 0; i < code.n; i++)
        if (!is_name(code.p[i]))
            code.n = 0;
    if (code.n == 0 || code.n > CODE_MAX)
        return SPAN("STS answered an error without a readable name");
    struct span why = arena_printf(arena, "STS answered %.*s", (int)code.n, code.p);
    return why.p ? why : SPAN("there is no memory for it");
}

int credential_read_sts(struct span text, struct arena *arena, struct credential *out,
                        struct span *why) {
    struct xml xml = {.in = text};
    struct sts sts = {.code = {NULL, 0}};
    enum xml_kind kind;
    int64_t expires_s;
    do {
        kind = xml_next(&xml);
        if (kind == XML_TEXT)
            take(&xml, &sts);
    } while (kind != XML_ERROR && kind != XML_END);
    if (kind == XML_ERROR) {
        *why = SPAN("the answer of STS is not XML of the kind it sends");
        return -EINVAL;
    }
    if (sts.code.p) {
        *why = complaint(sts.code, arena);
        return -EINVAL;
    }
    struct credential read = {.kind = CREDENTIAL_AWS,
                              .key_id = decode(sts.key_id, arena),
                              .secret = decode(sts.secret, arena),
                              .token = decode(sts.token, arena)};
    /* A role's credentials always have all four. */
    if (!read.key_id.n || !read.secret.n || !read.token.n) {
        *why = SPAN("the answer of STS has no credentials that can be read");
        return -EINVAL;
    }
    if (!credential_iso8601(sts.expires, &expires_s)) {
        *why = SPAN("the answer of STS has no date of expiry that can be read");
        return -EINVAL;
    }
    read.expires_s = expires_s;
    *out = read;
    return 0;
}
