/* credentials_recipe.c - how one provider's changing credential is obtained. (pure) See
 * credentials_recipe.h. */
#include "appliance/control/credentials_recipe.h"

#include "appliance/control/config_url.h"
#include "core/base.h"
#include "net/http.h"

bool credentials_recipe_equal(const struct credentials_recipe *a,
                              const struct credentials_recipe *b) {
    if (a->way != b->way)
        return false;
    for (unsigned i = 0; i < CREDENTIALS_TEXT_COUNT; i++) {
        if (!a->text[i] != !b->text[i])
            return false;
        if (a->text[i] && strcmp(a->text[i], b->text[i]) != 0)
            return false;
    }
    return true;
}

void credentials_recipe_copy(struct credentials_recipe *to, const struct credentials_recipe *from,
                             struct arena *arena) {
    *to = (struct credentials_recipe){.way = from->way};
    for (unsigned i = 0; i < CREDENTIALS_TEXT_COUNT; i++) {
        if (!from->text[i])
            continue;
        struct span copy = arena_copy(arena, span_of(from->text[i], strlen(from->text[i]) + 1));
        CHECK(copy.p); /* bounded by the size of a configuration file */
        to->text[i] = copy.p;
    }
}

const char *credentials_way_text(enum credentials_way way) {
    static const char *const texts[] = {
        [CREDENTIALS_FIXED] = "the configuration",
#define WAY(name, function, text, early_s, connect_s, total_s) [CREDENTIALS_##name] = text,
#include "appliance/control/credentials_ways.def"
#undef WAY
    };
    CHECK(way < CREDENTIALS_WAY_COUNT);
    return texts[way];
}

bool credentials_url_parse(struct span text, struct credentials_url *out, const char **why) {
    size_t slashes = span_search(text, SPAN("://"));
    size_t begin = slashes < text.n ? slashes + 3 : text.n, end = begin;
    while (end < text.n && text.p[end] != '/' && text.p[end] != '?')
        end++;
    struct config_url url;
    if (!config_url_parse(span_of(text.p, end), &url, why))
        return false;
    struct span target = span_from(text, end);
    if (end == text.n)
        target = SPAN("/");
    if (target.p[0] != '/' || !http_is_target(target)) {
        *why = "has a path that cannot be sent: it must begin with / and be percent-encoded";
        return false;
    }
    *out = (struct credentials_url){.tls = url.tls,
                                    .loopback = config_url_loopback(&url),
                                    .host = url.host,
                                    .port = url.port,
                                    .authority = span_of(text.p + begin, end - begin),
                                    .target = target};
    return true;
}
