/* admin_ready.c - may a load balancer send requests here? See admin_ready.h. */
#include "appliance/control/admin_ready.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "appliance/control/credentials.h"
#include "core/base.h"

struct ready_text {
    char *p;
    size_t n;
    bool full; /* the last line that did not fit was left out */
};

static void say(struct ready_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct ready_text *text, const char *format, ...) {
    size_t room = ADMIN_READY_TEXT_MAX - text->n;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text->p + text->n, room, format, arguments);
    va_end(arguments);
    text->full |= n < 0 || (size_t)n >= room;
    if (!text->full)
        text->n += (size_t)n;
    text->p[text->n] = 0;
}

static bool all_ejected(const struct upstreams *upstreams, const struct config_model *model) {
    unsigned ejected = 0;
    for (unsigned i = 0; i < model->backend_count; i++)
        ejected += upstreams->health.backends[model->backends[i].id].state == HEALTH_OPEN;
    return model->backend_count > 0 && ejected == model->backend_count;
}

/* Each worker learns by itself, so it is said for each. */
static void say_ejected(struct crew_member *member, struct ready_text *text) {
    const struct upstreams *upstreams = crew_view(member);
    for (unsigned i = 0; upstreams && i < upstreams->config->model_count; i++) {
        const struct config_model *model = &upstreams->config->models[i];
        if (all_ejected(upstreams, model))
            say(text, "worker %u: every backend of model %s is ejected\n", member->worker.index,
                model->name);
    }
    crew_view_end(member);
}

/* --- credentials --- */

static bool row_usable(const struct credentials_row *row) {
    return row->state == CREDENTIALS_GOOD || row->state == CREDENTIALS_AGING;
}

static bool provider_usable(const struct credentials_row *rows, unsigned count, const char *name) {
    for (unsigned i = 0; i < count; i++)
        if (strcmp(rows[i].provider, name) == 0)
            return row_usable(&rows[i]);
    return true;
}

/* Has any model a backend that can be asked, as far as credentials go? */
static bool any_usable(struct crew_member *member, const struct credentials_row *rows,
                       unsigned count) {
    const struct upstreams *upstreams = crew_view(member);
    bool usable = !upstreams;
    for (unsigned i = 0; upstreams && !usable && i < upstreams->config->model_count; i++) {
        const struct config_model *model = &upstreams->config->models[i];
        for (unsigned k = 0; k < model->backend_count; k++)
            usable |= provider_usable(rows, count, model->backends[k].provider->provider.name);
    }
    crew_view_end(member);
    return usable;
}

static void say_credentials(const struct credentials_row *rows, unsigned count,
                            struct ready_text *text) {
    for (unsigned i = 0; i < count; i++)
        if (!row_usable(&rows[i]))
            say(text, "provider %s: credential %s: %s: %s\n", rows[i].provider,
                credentials_state_name(rows[i].state), rows[i].way,
                rows[i].why[0] ? rows[i].why : "not obtained yet");
}

bool admin_ready(struct crew *crew, char out[ADMIN_READY_TEXT_MAX]) {
    struct ready_text text = {.p = out};
    bool draining = atomic_load(&crew->draining);
    unsigned running = 0;
    for (unsigned i = 0; i < crew->count; i++)
        running += atomic_load(&crew->members[i].ready) && !atomic_load(&crew->members[i].ended);
    unsigned count;
    struct credentials_row *rows = credentials_rows(crew->credentials, &count);
    /* The workers have the same configuration but for the moment of a reload. */
    bool usable = count == 0 || crew->count == 0 || any_usable(&crew->members[0], rows, count);
    bool ready = running == crew->count && !draining && usable;
    if (ready)
        say(&text, "ok\n");
    if (draining)
        say(&text, "draining\n");
    if (running < crew->count)
        say(&text, "%u of %u workers run\n", running, crew->count);
    for (unsigned i = 0; i < crew->count; i++)
        say_ejected(&crew->members[i], &text);
    if (!usable)
        say(&text, "no model has a backend with a credential\n");
    say_credentials(rows, count, &text);
    credentials_rows_free(&rows, count);
    return ready;
}
