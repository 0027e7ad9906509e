/* pin.c - requests that refer to a provider's state. See pin.h. */
#include "appliance/race/pin.h"

#include "appliance/race/exchange.h"
#include "core/base.h"
#include "providers/openai_responses.h"

struct pin {
    const struct sticky *sticky; /* or NULL */
    struct span id;
};

static bool keeps_responses(const struct config_backend *backend) {
    return backend->provider->provider.kind->services & SERVICE_BIT(RESPONSES);
}

static enum sticky_says says(const struct config_backend *backend, const struct pin *pin) {
    if (!pin->sticky || pin->id.n == 0)
        return STICKY_UNKNOWN;
    return sticky_made(pin->sticky, pin->id, span_str(backend->provider->provider.name));
}

static bool made_it(const struct config_backend *backend, void *owner) {
    return keeps_responses(backend) && says(backend, owner) == STICKY_YES;
}

static bool may_have(const struct config_backend *backend, void *owner) {
    return keeps_responses(backend) && says(backend, owner) == STICKY_UNKNOWN;
}

enum fail pin_plan(struct exchange *exchange) {
    struct pin pin = {.sticky = exchange->race->sticky};
    if (exchange->dialect != &dialect_openai_responses ||
        !openai_responses_stateful(&exchange->req, &pin.id))
        return FAIL_NONE;
    exchange->pinned = true;
    if (plan_pin(&exchange->plan, made_it, &pin) || plan_pin(&exchange->plan, may_have, &pin))
        return FAIL_NONE;
    return FAIL_UNSUPPORTED;
}

void pin_remember(struct exchange *exchange, const struct attempt *winner) {
    struct span id = winner->reader.answer.id;
    if (!exchange->race->sticky || exchange->dialect != &dialect_openai_responses ||
        winner->encoded->translated || id.n == 0)
        return;
    sticky_put(exchange->race->sticky, id, span_str(winner->backend->provider->provider.name));
}

bool pin_unknown_there(const struct exchange *exchange, const struct attempt *attempt) {
    static const struct span words[] = {
        SPAN_CONST("previous_response_not_found"), SPAN_CONST("Previous response"),
        SPAN_CONST("Conversation with id"), SPAN_CONST("not found")};
    if (!exchange->pinned)
        return false;
    for (unsigned i = 0; i < countof(words); i++)
        if (span_search(attempt->body, words[i]) < attempt->body.n)
            return true;
    return false;
}
