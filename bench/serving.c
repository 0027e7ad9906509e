/* serving.c - which answer a request to a simulated cloud gets: the path and the key first, then the
 * body, as the providers' front ends check them; see cloud.h. What differs between vendors is asked of
 * vendor.h. */
#include "bench/vendor.h"
#include "bench/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LAST_BODY_BYTES = 1 << 20, /* of a request kept for /sim/last */
    STORED_S = 30 * 24 * 3600, /* how long an answer may be referred to */
    REQUEST_ID_SEED = 0x7265716964
};

static const struct vendor *vendor(const struct peer *p) {
    return vendor_of(p->cloud->config->kind);
}

const struct vendor *vendor_of(enum sim_kind kind) {
    static const struct vendor *const vendors[SIM_KINDS] = {[SIM_OPENAI] = &vendor_openai,
                                                            [SIM_AZURE] = &vendor_openai,
                                                            [SIM_OCI] = &vendor_openai,
                                                            [SIM_ANTHROPIC] = &vendor_anthropic,
                                                            [SIM_GEMINI] = &vendor_google,
                                                            [SIM_VERTEX] = &vendor_google,
                                                            [SIM_VERTEX_ANTHROPIC] = &vendor_google,
                                                            [SIM_BEDROCK] = &vendor_bedrock,
                                                            [SIM_IDENTITY] = &vendor_identity};
    return vendors[kind];
}

/* ---- for the vendors ---- */

void vendor_trouble(struct peer *p, const struct trouble_row rows[TROUBLES], enum trouble what,
                    const char *detail, struct ask_error *e) {
    *e = (struct ask_error){.status = rows[what].status, .type = rows[what].type, .code = ""};
    const char *hole = strstr(rows[what].message, "%s");
    size_t before = hole ? (size_t)(hole - rows[what].message) : strlen(rows[what].message);
    snprintf(e->message, sizeof e->message, "%.*s%.200s%s", (int)before, rows[what].message,
             hole ? detail : "", hole ? hole + 2 : "");
    p->cloud->stats.unauthorized += what == TROUBLE_KEY_MISSING || what == TROUBLE_KEY_WRONG;
}

const char *vendor_path(struct peer *p, size_t *len) {
    const char *path = bytes_text(&p->request.target), *prefix = p->cloud->config->prefix;
    size_t prefix_len = strlen(prefix), path_len = strcspn(path, "?");
    if (strncmp(path, prefix, prefix_len) || path_len < prefix_len)
        return NULL;
    *len = path_len - prefix_len;
    return path + prefix_len;
}

bool vendor_take_model(struct place *place, const char *at, size_t len) {
    if (!len || len >= sizeof place->model)
        return false;
    memcpy(place->model, at, len);
    place->model[len] = 0;
    fields_decode(place->model, false);
    return true;
}

bool vendor_open_to_all(const struct peer *p) {
    const struct sim_cloud *config = p->cloud->config;
    return !*config->api_key && !p->cloud->issuer && !p->cloud->key &&
           !*config->credentials.access_key_id;
}

bool vendor_token_good(const struct peer *p, const char *token) {
    const char *key = p->cloud->config->api_key;
    return vendor_open_to_all(p) || (*key && auth_same(key, strlen(key), token, strlen(token))) ||
           (p->cloud->issuer && tokens_find(p->cloud->issuer, token, cloud_now_s(p->cloud), NULL));
}

const char *vendor_bearer(const struct peer *p) {
    const char *text = peer_header(p, "authorization");
    return text && !strncasecmp(text, "bearer ", 7) ? text + 7 : NULL;
}

struct auth_request vendor_auth_request(struct peer *p) {
    struct request *r = &p->request;
    return (struct auth_request){.method = r->method,
                                 .target = bytes_text(&r->target),
                                 .headers = &r->headers,
                                 .body = bytes_text(&r->body),
                                 .body_len = bytes_len(&r->body)};
}

void vendor_request_id(const struct peer *p, char *out, unsigned letters) {
    struct dice dice;
    dice_init(&dice, p->cloud->seed ^ REQUEST_ID_SEED, p->cloud->requests_seen);
    dice_name(&dice, out, letters);
}

/* ---- headers and errors ---- */

void serving_headers(struct peer *p, struct bytes *out) { vendor(p)->headers(p, out); }

void serving_refuse(struct peer *p, int status, struct bytes *body, const char *extra) {
    struct bytes headers = {0};
    serving_headers(p, &headers);
    bytes_str(&headers, extra);
    if (status < 500 && status != 429)
        p->cloud->stats.refused++;
    peer_json(p, status, bytes_text(&headers), bytes_at(body), bytes_len(body));
    bytes_free(&headers);
    bytes_free(body);
}

void serving_broken(struct peer *p, int status, const char *why) {
    struct ask_error e;
    ask_error_set(&e, status, vendor(p)->broken_type, "%s", why);
    vendor(p)->refuse(p, &e, "");
}

/* ---- models ---- */

static void write_model(struct bytes *out, const char *name) {
    bytes_str(out, "{\"id\":\"");
    bytes_json(out, name, strlen(name));
    bytes_str(out, "\",\"object\":\"model\",\"created\":1715367049,\"owned_by\":\"system\"}");
}

static void serving_models(struct peer *p) {
    const struct sim_cloud *config = p->cloud->config;
    struct bytes body = {0}, headers = {0};
    bytes_str(&body, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < config->models_count; i++) {
        bytes_str(&body, i ? "," : "");
        write_model(&body, config->models[i].asked);
    }
    bytes_str(&body, "]}");
    serving_headers(p, &headers);
    peer_json(p, 200, bytes_text(&headers), bytes_at(&body), bytes_len(&body));
    bytes_free(&headers);
    bytes_free(&body);
}

static void serving_model(struct peer *p, const char *name) {
    struct bytes body = {0}, headers = {0};
    if (!sim_model_answered(p->cloud->config, name)) {
        vendor(p)->trouble(p, TROUBLE_MODEL, name);
        return;
    }
    write_model(&body, name);
    serving_headers(p, &headers);
    peer_json(p, 200, bytes_text(&headers), bytes_at(&body), bytes_len(&body));
    bytes_free(&headers);
    bytes_free(&body);
}

/* ---- answers ---- */

static bool json_type(struct peer *p) {
    static const char json[] = "application/json";
    const char *type = peer_header(p, "content-type");
    if (type && !strncasecmp(type, json, sizeof json - 1) && strchr("; \t", type[sizeof json - 1]))
        return true;
    vendor(p)->trouble(p, TROUBLE_CONTENT_TYPE, type ? type : "");
    return false;
}

/* An answer that is referred to is known only to the cloud that gave it. */
static bool previous_known(struct peer *p) {
    const char *id = bytes_text(&p->play.ask.previous);
    struct ask_error e;
    if (!*id || tokens_find(&p->cloud->issued, id, cloud_now_s(p->cloud), NULL))
        return true;
    ask_error_set(&e, 400, "invalid_request_error", "Previous response with id '%.100s' not found.",
                  id);
    e.code = "previous_response_not_found";
    snprintf(e.param, sizeof e.param, "previous_response_id");
    vendor(p)->refuse(p, &e, "");
    return false;
}

void serving_completed(struct peer *p) {
    const struct answer *a = &p->play.answer;
    struct token stored = {.expires_s = cloud_now_s(p->cloud) + STORED_S};
    if (p->play.format != &format_responses || !a->store || p->play.recording)
        return;
    snprintf(stored.id, sizeof stored.id, "%s", a->id);
    tokens_add(&p->cloud->issued, &stored);
}

static void serving_answer(struct peer *p, const struct place *place) {
    struct ask_error e;
    struct ask *ask = &p->play.ask;
    struct bytes *body = &p->request.body;
    struct format_request request = {.body = bytes_text(body),
                                     .size = bytes_len(body),
                                     .kind = p->cloud->config->kind,
                                     .model_in_path = place->model_in_path,
                                     .stream = place->stream,
                                     .array = place->array,
                                     .model = place->model};
    if (!json_type(p))
        return;
    if (!place->format->read(ask, &request, &e)) {
        vendor(p)->refuse(p, &e, "");
        return;
    }
    const char *asked = place->model_in_path ? place->model : bytes_text(&ask->model);
    const char *answered = sim_model_answered(p->cloud->config, asked);
    if (!answered)
        vendor(p)->trouble(p, TROUBLE_MODEL, asked);
    else if (previous_known(p) && play_admit(p, place->format))
        play_start(p, answered);
}

/* ---- files ---- */

void serving_head(struct peer *p) {
    struct place place = {.route = ROUTE_NONE};
    if (p->control || vendor(p)->serve)
        return;
    vendor(p)->place(p, &place);
    p->request.counted = place.route == ROUTE_FILE_IN;
}

static void serving_file_in(struct peer *p) {
    char id[25];
    vendor_request_id(p, id, sizeof id - 1);
    p->cloud->stats.bytes_received += p->request.counted_bytes;
    if (!play_admit(p, NULL))
        return;
    bytes_fmt(&p->play.prepared, "{\"id\":\"file-%s\",\"object\":\"file\",\"bytes\":%llu}", id,
              (unsigned long long)p->request.counted_bytes);
    serving_headers(p, &p->play.headers);
    play_prepared(p, 200, "application/json");
}

static void serving_file_out(struct peer *p, uint64_t size) {
    if (!play_admit(p, NULL))
        return;
    serving_headers(p, &p->play.headers);
    play_pour(p, size);
}

/* ---- the request ---- */

/* Keeps the request for /sim/last: what a proxy really sent can then be looked at. */
static void keep_last(struct peer *p) {
    struct request *r = &p->request;
    struct bytes *out = &p->cloud->last;
    const char *at = r->headers.data + r->headers.start, *end = r->headers.data + r->headers.end;
    size_t body_len = bytes_len(&r->body) < LAST_BODY_BYTES ? bytes_len(&r->body) : LAST_BODY_BYTES;
    bytes_clear(out);
    bytes_fmt(out, "{\"method\":\"%s\",\"target\":\"", r->method);
    bytes_json(out, bytes_at(&r->target), bytes_len(&r->target));
    bytes_str(out, "\",\"headers\":[");
    for (bool first = true; at < end; first = false) {
        const char *value = at + strlen(at) + 1;
        bytes_str(out, first ? "[\"" : ",[\"");
        bytes_json(out, at, strlen(at));
        bytes_str(out, "\",\"");
        bytes_json(out, value, strlen(value));
        bytes_str(out, "\"]");
        at = value + strlen(value) + 1;
    }
    bytes_str(out, "],\"body\":\"");
    bytes_json(out, bytes_at(&r->body), body_len);
    bytes_str(out, "\"}\n");
}

static bool is_sim(struct peer *p) {
    return !strncmp(bytes_text(&p->request.target), "/sim/", strlen("/sim/"));
}

static void serving_place(struct peer *p, const struct place *place) {
    switch (place->route) {
    case ROUTE_NONE: vendor(p)->trouble(p, TROUBLE_PATH, ""); return;
    case ROUTE_ANSWER: serving_answer(p, place); return;
    case ROUTE_MODELS: serving_models(p); return;
    case ROUTE_MODEL: serving_model(p, place->model); return;
    case ROUTE_FILE_IN: serving_file_in(p); return;
    case ROUTE_FILE_OUT: serving_file_out(p, place->size); return;
    }
}

void serving_request(struct peer *p) {
    struct cloud *c = p->cloud;
    struct place place = {.route = ROUTE_NONE, .method = "GET"};
    p->play.started_ns = poller_clock_ns();
    if (is_sim(p)) {
        sim_control_request(p);
        return;
    }
    if (p->control) {
        vendor(p)->trouble(p, TROUBLE_PATH, "");
        return;
    }
    c->requests_seen++;
    c->stats.requests++;
    c->stats.keepalive_reuse += p->answered > 0;
    keep_last(p);
    if (vendor(p)->serve) {
        vendor(p)->serve(p);
        return;
    }
    vendor(p)->place(p, &place);
    if (!vendor(p)->allowed(p, &place))
        return;
    if (place.route != ROUTE_NONE && strcmp(p->request.method, place.method))
        vendor(p)->trouble(p, TROUBLE_METHOD, place.method);
    else
        serving_place(p, &place);
}
