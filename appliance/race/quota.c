/* quota.c - room in each provider's limits. See quota.h. (pure)
 *
 * Owns:     nothing; tickets are the attempts', shared memory is control's.
 * Promises: never more attempts in flight than limits.concurrency, on all workers together; what a
 *           ticket took is given back or settled exactly once; nothing that a provider tells makes a
 *           backend unusable, only less wanted.
 * Refuses:  an attempt over the operator's limits, whoever asks. */
#include "appliance/race/quota.h"

#include <string.h>

const char *quota_verdict_name(enum quota_verdict verdict) {
    static const char *const names[] = {[QUOTA_ROOM] = "room",
                                        [QUOTA_CONCURRENCY] = "concurrency",
                                        [QUOTA_RPM] = "rpm",
                                        [QUOTA_TPM] = "tpm",
                                        [QUOTA_RETRY_AFTER] = "retry_after",
                                        [QUOTA_REMAINING] = "remaining"};
    CHECK((unsigned)verdict < countof(names));
    return names[verdict];
}

struct quota_need quota_need_of(uint64_t input_tokens, uint64_t max_output_tokens,
                                unsigned choices) {
    /* Clamped before they are multiplied: a client chose them. */
    uint64_t each =
        max_output_tokens ? min_u64(max_output_tokens, QUOTA_TOKENS_MAX) : QUOTA_OUTPUT_TOKENS;
    return (struct quota_need){
        .input_tokens = min_u64(input_tokens, QUOTA_TOKENS_MAX),
        .output_tokens = min_u64(each * max_u64(1, choices), QUOTA_TOKENS_MAX),
    };
}

static uint64_t tokens_of(struct quota_need need) { return need.input_tokens + need.output_tokens; }

static uint64_t amount_of(struct quota_need need, enum ratelimit_quantity quantity) {
    switch (quantity) {
    case RATELIMIT_REQUESTS: return 1;
    case RATELIMIT_TOKENS: return tokens_of(need);
    case RATELIMIT_INPUT: return need.input_tokens;
    case RATELIMIT_OUTPUT: return need.output_tokens;
    case RATELIMIT_QUANTITIES: break;
    }
    CHECK(!"a quantity");
    return 0;
}

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

void quota_init(struct quota *quota, const struct config *config, struct quota_provider *providers,
                struct quota_backend *backends, unsigned workers) {
    *quota = (struct quota){.providers = providers,
                            .backends = backends,
                            .provider_count = config->provider_count,
                            .backend_count = config->backend_count};
    for (unsigned i = 0; i < config->provider_count; i++) {
        const struct config_provider *provider = &config->providers[i];
        bool limited = provider->limit_rpm || provider->limit_tpm || provider->limit_concurrency;
        CHECK(!limited || provider->shared);
        providers[i].shared = limited ? provider->shared : NULL;
        providers[i].requests = rate_terms_of(provider->limit_rpm, workers, false);
        providers[i].tokens = rate_terms_of(provider->limit_tpm, workers, true);
        providers[i].limit_concurrency = provider->limit_concurrency;
    }
    for (unsigned m = 0; m < config->model_count; m++)
        for (unsigned b = 0; b < config->models[m].backend_count; b++) {
            const struct config_backend *backend = &config->models[m].backends[b];
            const struct provider_kind *kind = backend->provider->provider.kind;
            CHECK(backend->id < config->backend_count);
            backends[backend->id].dialect =
                kind ? ratelimit_dialect_of(span_str(kind->name)) : RATELIMIT_NONE;
        }
}

/* ---- what providers tell ---- */

/* Limits refill steadily (OpenAI's, Groq's, Azure's and Anthropic's recorded answers all say so:
 * missing / limit = reset / period), so that half way to the reset half of what is missing is back. */
static uint64_t refilled(const struct quota_told *told, uint64_t now_ns) {
    if (told->limit == 0 || told->reset_ns == UINT64_MAX || now_ns <= told->at_ns)
        return told->remaining;
    uint64_t age_ns = now_ns - told->at_ns;
    if (age_ns >= told->reset_ns)
        return told->limit;
    double share = (double)age_ns / (double)told->reset_ns;
    return told->remaining + (uint64_t)(share * (double)less(told->limit, told->remaining));
}

static bool fresh(const struct quota_told *told, uint64_t now_ns) {
    return told->known && now_ns < told->forget_ns;
}

/* Is there so much, by what was told? What is not told is there. */
static bool told_has(const struct quota_backend *backend, struct quota_need need, bool spare,
                     uint64_t now_ns) {
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++) {
        const struct quota_told *told = &backend->told[q];
        if (!fresh(told, now_ns))
            continue;
        uint64_t left = less(refilled(told, now_ns), told->unheard);
        uint64_t reserve = spare ? told->limit / QUOTA_RESERVE_PART : 0;
        if (left < amount_of(need, (enum ratelimit_quantity)q) + reserve)
            return false;
    }
    return true;
}

bool quota_remaining(const struct quota_backend *backend, enum ratelimit_quantity quantity,
                     uint64_t now_ns, uint64_t *out) {
    const struct quota_told *told = &backend->told[quantity];
    if (!fresh(told, now_ns))
        return false;
    *out = less(refilled(told, now_ns), told->unheard);
    return true;
}

static void note_sent(struct quota_ticket *ticket) {
    ticket->unheard = true;
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++)
        ticket->backend->told[q].unheard += amount_of(ticket->need, (enum ratelimit_quantity)q);
}

/* It was heard of, or nothing will be. sent: then what it took is missing from what was told before. */
static void note_heard(struct quota_ticket *ticket, bool sent) {
    if (!ticket->unheard)
        return;
    ticket->unheard = false;
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++) {
        struct quota_told *told = &ticket->backend->told[q];
        uint64_t amount = amount_of(ticket->need, (enum ratelimit_quantity)q);
        CHECK(told->unheard >= amount);
        told->unheard -= amount;
        told->remaining = less(told->remaining, sent ? amount : 0);
    }
}

void quota_heard(struct quota_ticket *ticket, const struct ratelimit *heard, uint64_t now_ns) {
    if (!ticket->backend || !ticket->unheard)
        return;
    note_heard(ticket, true);
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++) {
        const struct ratelimit_told *from = &heard->of[q];
        struct quota_told *told = &ticket->backend->told[q];
        if (!from->known)
            continue;
        uint64_t valid_ns = from->reset_ns == UINT64_MAX ? QUOTA_TOLD_NS : from->reset_ns;
        told->known = true;
        told->limit = from->limit;
        told->remaining = from->remaining;
        told->at_ns = now_ns;
        told->reset_ns = from->reset_ns;
        told->forget_ns = now_ns + min_u64(valid_ns, QUOTA_TOLD_MAX_NS);
    }
}

/* ---- what the operator allows ---- */

/* 0: no limit. */
static uint64_t slots_of(const struct quota_provider *provider, bool spare) {
    uint64_t limit = provider->limit_concurrency;
    return spare ? limit - limit / QUOTA_RESERVE_PART : limit;
}

/* A compare-and-swap, not an addition that is taken back: another worker must not be refused for a
 * slot that nobody got. */
static bool take_slot(struct quota_provider *provider, bool spare) {
    uint64_t limit = slots_of(provider, spare);
    unsigned *count = &provider->shared->in_flight, seen = __atomic_load_n(count, __ATOMIC_RELAXED);
    do
        if (limit && seen >= limit)
            return false;
    while (!__atomic_compare_exchange_n(count, &seen, seen + 1, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED));
    return true;
}

static void give_slot(struct quota_provider *provider) {
    CHECK(__atomic_fetch_sub(&provider->shared->in_flight, 1, __ATOMIC_RELAXED) > 0);
}

static enum quota_verdict take_limits(struct quota_provider *provider, uint64_t tokens, bool spare,
                                      uint64_t now_ns, uint64_t *wait_ns) {
    struct quota_shared *shared = provider->shared;
    *wait_ns = QUOTA_SLOT_WAIT_NS;
    if (!shared)
        return QUOTA_ROOM;
    if (!take_slot(provider, spare))
        return QUOTA_CONCURRENCY;
    if (!rate_take(&shared->requests, &provider->requests, &provider->requests_lease, 1, spare,
                   now_ns, wait_ns)) {
        give_slot(provider);
        return QUOTA_RPM;
    }
    if (!rate_take(&shared->tokens, &provider->tokens, &provider->tokens_lease, tokens, spare,
                   now_ns, wait_ns)) {
        rate_put(&shared->requests, &provider->requests, 1);
        give_slot(provider);
        return QUOTA_TPM;
    }
    return QUOTA_ROOM;
}

static bool limits_have(const struct quota_provider *provider, uint64_t tokens, bool spare,
                        uint64_t now_ns) {
    const struct quota_shared *shared = provider->shared;
    if (!shared)
        return true;
    unsigned in_flight = __atomic_load_n(&shared->in_flight, __ATOMIC_RELAXED);
    if (provider->limit_concurrency && in_flight >= slots_of(provider, spare))
        return false;
    return rate_has(&shared->requests, &provider->requests, &provider->requests_lease, 1, spare,
                    now_ns) &&
           rate_has(&shared->tokens, &provider->tokens, &provider->tokens_lease, tokens, spare,
                    now_ns);
}

/* ---- one attempt ---- */

static struct quota_provider *provider_of(const struct quota *quota,
                                          const struct config_provider *provider) {
    CHECK(provider->index < quota->provider_count);
    return &quota->providers[provider->index];
}

static struct quota_backend *backend_of(const struct quota *quota,
                                        const struct config_backend *backend) {
    CHECK(backend->id < quota->backend_count);
    return &quota->backends[backend->id];
}

static bool has_room(const struct quota *quota, const struct config_backend *backend,
                     struct quota_need need, bool spare, uint64_t now_ns) {
    return told_has(backend_of(quota, backend), need, spare, now_ns) &&
           limits_have(provider_of(quota, backend->provider), tokens_of(need), spare, now_ns);
}

bool quota_has_room(const struct quota *quota, const struct config_backend *backend,
                    struct quota_need need, uint64_t now_ns) {
    return has_room(quota, backend, need, false, now_ns);
}

bool quota_has_spare(const struct quota *quota, const struct config_backend *backend,
                     struct quota_need need, uint64_t now_ns) {
    return has_room(quota, backend, need, true, now_ns);
}

enum quota_verdict quota_take(struct quota *quota, const struct config_backend *backend,
                              struct quota_need need, bool spare, uint64_t now_ns,
                              struct quota_ticket *ticket, uint64_t *wait_ns) {
    struct quota_provider *provider = provider_of(quota, backend->provider);
    struct quota_backend *b = backend_of(quota, backend);
    CHECK(!ticket->provider);
    enum quota_verdict verdict = QUOTA_REMAINING;
    *wait_ns = QUOTA_SLOT_WAIT_NS;
    if (!spare || told_has(b, need, spare, now_ns))
        verdict = take_limits(provider, tokens_of(need), spare, now_ns, wait_ns);
    if (verdict != QUOTA_ROOM) {
        provider->denied[verdict]++;
        return verdict;
    }
    *ticket = (struct quota_ticket){.provider = provider, .backend = b, .need = need};
    /* Of what is more than a whole minute's, a minute's was taken. */
    ticket->tokens = min_u64(tokens_of(need), provider->tokens.limit);
    note_sent(ticket);
    return QUOTA_ROOM;
}

enum quota_verdict quota_take_pass(struct quota *quota, const struct config_provider *provider,
                                   uint64_t now_ns, struct quota_ticket *ticket,
                                   uint64_t *wait_ns) {
    struct quota_provider *p = provider_of(quota, provider);
    CHECK(!ticket->provider);
    enum quota_verdict verdict = take_limits(p, 0, false, now_ns, wait_ns);
    if (verdict == QUOTA_ROOM)
        *ticket = (struct quota_ticket){.provider = p};
    else
        p->denied[verdict]++;
    return verdict;
}

bool quota_again(struct quota_ticket *ticket, uint64_t now_ns) {
    struct quota_provider *provider = ticket->provider;
    uint64_t wait_ns;
    return !provider || !provider->shared ||
           rate_take(&provider->shared->requests, &provider->requests, &provider->requests_lease, 1,
                     false, now_ns, &wait_ns);
}

void quota_deny(struct quota *quota, const struct config_provider *provider,
                enum quota_verdict verdict) {
    CHECK(verdict != QUOTA_ROOM && (unsigned)verdict < QUOTA_VERDICTS);
    provider_of(quota, provider)->denied[verdict]++;
}

void quota_end(struct quota_ticket *ticket, uint64_t used_tokens, uint64_t now_ns) {
    struct quota_provider *provider = ticket->provider;
    if (!provider)
        return;
    if (ticket->backend)
        note_heard(ticket, true);
    if (provider->shared) {
        give_slot(provider);
        rate_put(&provider->shared->tokens, &provider->tokens, less(ticket->tokens, used_tokens));
        rate_charge(&provider->shared->tokens, &provider->tokens, less(used_tokens, ticket->tokens),
                    now_ns);
    }
    *ticket = (struct quota_ticket){0};
}

void quota_put(struct quota_ticket *ticket, uint64_t now_ns) {
    struct quota_provider *provider = ticket->provider;
    if (!provider)
        return;
    if (ticket->backend)
        note_heard(ticket, false);
    if (provider->shared)
        rate_put(&provider->shared->requests, &provider->requests, 1);
    quota_end(ticket, 0, now_ns);
}

/* ---- the life of a configuration ---- */

void quota_tick(struct quota *quota) {
    for (unsigned i = 0; i < quota->provider_count; i++) {
        struct quota_provider *provider = &quota->providers[i];
        if (!provider->shared)
            continue;
        rate_lease_return(&provider->shared->requests, &provider->requests,
                          &provider->requests_lease);
        rate_lease_return(&provider->shared->tokens, &provider->tokens, &provider->tokens_lease);
    }
}

void quota_retire(struct quota *quota) {
    quota_tick(quota);
    for (unsigned i = 0; i < quota->provider_count; i++)
        quota->providers[i].requests.ahead = quota->providers[i].tokens.ahead = 0;
}

void quota_merge_denied(uint64_t into[QUOTA_VERDICTS], const uint64_t from[QUOTA_VERDICTS]) {
    for (unsigned i = 0; i < QUOTA_VERDICTS; i++)
        into[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void quota_inherit(struct quota_backend *backend, const struct quota_backend *was) {
    memcpy(backend->told, was->told, sizeof backend->told);
    for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++) {
        /* What is still under way is counted where it began; here it is as if it had been sent. */
        struct quota_told *told = &backend->told[q];
        told->remaining = less(told->remaining, told->unheard);
        told->unheard = 0;
    }
}
