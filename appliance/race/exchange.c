/* exchange.c - one client request. See exchange.h. */
#include "appliance/race/exchange.h"

#include "appliance/race/cost.h"
#include "appliance/race/intake.h"
#include "appliance/race/permit.h"
#include "appliance/race/pin.h"
#include "appliance/race/rescue.h"
#include "appliance/race/saved.h"
#include "appliance/race/teach.h"
#include "core/limits.h"
#include "net/server.h"

static const struct stream_on client_on, overload_on;

static void step(struct exchange *exchange);
static void give_key_slot(struct exchange *exchange);

/* --- life --- */

static void hold(struct exchange *exchange) { exchange->holds++; }

unsigned exchange_status(const struct exchange *exchange) {
    unsigned stands_for = (unsigned)fail_status(exchange->why);
    return exchange->status == 0 || stands_for == 499 ? stands_for : exchange->status;
}

static void count_request(struct exchange *exchange) {
    unsigned status = exchange_status(exchange);
    CHECK(status < RACE_STATUS_MAX); /* ours, or of a head that was parsed: both keep to 100..599 */
    if (!exchange->model) {
        exchange->race->unmatched[status]++;
        return;
    }
    struct race_model_stats *stats = &exchange->upstreams->models[exchange->model->index];
    bool answered_well = exchange->why == FAIL_NONE;
    stats->requests[status]++;
    hist_add(answered_well ? &stats->duration : &stats->duration_failed,
             exchange->end_ns - exchange->begin_ns);
}

/* What a loser has cost is known when it is known who won. */
static void count_costs(struct exchange *exchange) {
    struct upstreams *upstreams = exchange->upstreams;
    uint64_t won_pico = 0, wasted_pico = 0, wasted_tokens = 0;
    for (unsigned i = 0; i < exchange->attempt_count; i++) {
        const struct attempt *attempt = exchange->attempts[i];
        struct cost cost = cost_of(attempt);
        bool wasted = cost_is_wasted(attempt);
        upstreams->backends[attempt->backend->id].cost_pico += cost.pico;
        *(wasted ? &wasted_pico : &won_pico) += cost.pico;
        wasted_tokens += wasted ? cost.output_tokens : 0;
    }
    if (exchange->attempt_count == 0)
        return;
    struct race_model_stats *stats = &upstreams->models[exchange->model->index];
    stats->won_pico += won_pico;
    stats->wasted_pico += wasted_pico;
    stats->wasted_tokens += wasted_tokens;
    saved_count(exchange, stats);
    /* What a client that left, or a failing backend, has cost is not the hedges' to pay. */
    unsigned hedges = permit_hedges(exchange);
    uint64_t of_hedges_pico = hedges > 0 ? wasted_pico : 0;
    permit_end(exchange, won_pico, of_hedges_pico);
    teach_cost(exchange, won_pico, of_hedges_pico, hedges);
}

static void drop(struct exchange *exchange) {
    CHECK(exchange->holds > 0);
    if (--exchange->holds > 0)
        return;
    struct race *race = exchange->race;
    count_request(exchange);
    count_costs(exchange);
    if (race->finished)
        race->finished(race, exchange);
    loop_disarm(race->loop, &exchange->wake);
    if (exchange->pass)
        pass_fini(exchange);
    for (unsigned i = 0; i < exchange->attempt_count; i++)
        if (exchange->attempts[i])
            attempt_free(&exchange->attempts[i]);
    void *body = exchange->body;
    if (body)
        memory_put(&race->loop->memory, &body, exchange->body_size);
    arena_fini(&exchange->arena);
    upstreams_drop(exchange->upstreams);
    list_remove(&exchange->link);
    race->exchange_count--;
    void *memory = exchange;
    slab_free(&race->exchange_slab, &memory);
}

static void set_state(struct exchange *exchange, enum exchange_state state) {
    static const unsigned allowed[] = {
        [EXCHANGE_REQUEST] =
            1u << EXCHANGE_RACING | 1u << EXCHANGE_PASSING | 1u << EXCHANGE_ANSWERED,
        [EXCHANGE_RACING] = 1u << EXCHANGE_RELAYING | 1u << EXCHANGE_ANSWERED,
        [EXCHANGE_RELAYING] = 1u << EXCHANGE_ANSWERED,
        [EXCHANGE_PASSING] = 1u << EXCHANGE_ANSWERED,
        [EXCHANGE_ANSWERED] = 0,
    };
    CHECK(allowed[exchange->state] & 1u << state);
    /* While a first token is awaited the loop does not linger for batches. */
    if (state == EXCHANGE_RACING) {
        exchange->race->loop->urgent++;
        list_push_back(&exchange->race->racing, &exchange->racing);
    }
    if (exchange->state == EXCHANGE_RACING) {
        exchange->race->loop->urgent--;
        list_remove(&exchange->racing);
    }
    exchange->state = state;
}

/* --- answers of our own --- */

static void answered(struct exchange *exchange, enum fail why) {
    if (exchange->state == EXCHANGE_ANSWERED)
        return;
    exchange->why = why;
    set_state(exchange, EXCHANGE_ANSWERED);
    permit_leave(exchange);
    loop_disarm(exchange->race->loop, &exchange->wake);
}

void exchange_refuse(struct exchange *exchange, enum fail why, struct span message,
                     struct span param) {
    relay_refuse(exchange, why, message, param);
    answered(exchange, why);
}

void exchange_answered(struct exchange *exchange) { answered(exchange, FAIL_NONE); }

static void refuse_text(struct exchange *exchange, enum fail why, const char *message) {
    exchange_refuse(exchange, why, span_str(message), span_of("", 0));
}

void exchange_open(struct race *race, struct stream *client) {
    bool room = race->current && race->exchange_count < race->exchange_max;
    struct exchange *exchange = room ? slab_new(&race->exchange_slab) : NULL;
    if (!exchange) {
        stream_use(client, &overload_on, race);
        return;
    }
    exchange->race = race;
    exchange->upstreams = race->current;
    upstreams_hold(exchange->upstreams);
    exchange->client = client;
    exchange->begin_ns = race->loop->now_ns;
    exchange->begin_wall_ns = ring_wall(race->loop->ring);
    arena_init(&exchange->arena, &race->loop->memory);
    list_init(&exchange->link);
    list_push_back(&race->exchanges, &exchange->link);
    race->exchange_count++;
    exchange->dialect = &dialect_openai_chat; /* until the path is known */
    exchange_init_wake(exchange);
    hold(exchange);
    stream_use(client, &client_on, exchange);
}

/* The limit on requests in flight of a key holds for the whole process, so the count is shared by the workers. */
bool exchange_take_slot(struct exchange *exchange) {
    const struct config_key *key = exchange->key;
    if (!key || !key->in_flight)
        return true;
    if (__atomic_add_fetch(key->in_flight, 1, __ATOMIC_RELAXED) <= key->limit_concurrency) {
        exchange->key_slot = true;
        return true;
    }
    __atomic_sub_fetch(key->in_flight, 1, __ATOMIC_RELAXED);
    return false;
}

static void give_key_slot(struct exchange *exchange) {
    if (!exchange->key_slot)
        return;
    exchange->key_slot = false;
    __atomic_sub_fetch(exchange->key->in_flight, 1, __ATOMIC_RELAXED);
}

static struct route_dice throw_dice(struct exchange *exchange) {
    struct route_dice dice = {.random = rand_u64(&exchange->race->loop->rand),
                              .quota = &exchange->upstreams->quota,
                              .need = permit_need(exchange),
                              .boards = exchange->upstreams->batch.boards,
                              .kind = exchange->kind};
    switch (exchange->model->affinity) {
    case AFFINITY_NONE: break;
    case AFFINITY_PREFIX: dice.affinity_hash = exchange->req.prefix_hash; break;
    case AFFINITY_USER:
        dice.affinity_hash = exchange->req.user.n ? span_hash(exchange->req.user) : 0;
        break;
    }
    return dice;
}

static void refuse_plan(struct exchange *exchange, enum fail why) {
    if (why == FAIL_RESIDENCY)
        refuse_text(exchange, why,
                    "no backend of this model is in the region that x-hedgerow-residency or the "
                    "API key requires");
    else if (why == FAIL_BAD_REQUEST)
        exchange_refuse(exchange, why, SPAN("x-hedgerow-backends names no provider of this model"),
                        SPAN("x-hedgerow-backends"));
    else
        refuse_text(exchange, why, fail_text(why));
}

static void on_head(struct stream *stream, const struct http_head *head) {
    intake_head(stream->user, head);
}

static void on_body(struct stream *stream, struct span bytes) {
    struct exchange *exchange = stream->user;
    exchange->bytes_in += bytes.n;
    if (exchange->passing)
        pass_body(exchange, bytes);
    else
        intake_body(exchange, bytes);
}

/* The request is whole: make the plan, start the race. */
static void on_end(struct stream *stream) {
    struct exchange *exchange = stream->user;
    struct upstreams *upstreams = exchange->upstreams;
    uint64_t now_ns = exchange->race->loop->now_ns;
    if (exchange->passing)
        pass_end(exchange);
    if (exchange->state != EXCHANGE_REQUEST)
        return;
    exchange->whole_ns = now_ns;
    if (exchange->pass)
        pass_begin_json(exchange);
    if (!exchange->raced || !intake_read(exchange))
        return;
    exchange->kind = learn_kind(exchange->req.input_tokens_estimate, exchange->req.stream);
    enum fail fail = plan_make(&exchange->plan, exchange->model, exchange->key, &exchange->wish,
                               &upstreams->health, throw_dice(exchange), now_ns);
    if (fail != FAIL_NONE) {
        refuse_plan(exchange, fail);
        return;
    }
    if (pin_plan(exchange) != FAIL_NONE) {
        exchange_refuse(exchange, FAIL_UNSUPPORTED,
                        SPAN("no backend of this model keeps responses or conversations: send the "
                             "whole conversation in input"),
                        SPAN("previous_response_id"));
        return;
    }
    if (!exchange_take_slot(exchange)) {
        refuse_text(exchange, FAIL_KEY_LIMIT,
                    "this API key has as many requests in flight as it may; try again when one "
                    "has ended");
        return;
    }
    if (exchange->plan.confined)
        upstreams->models[exchange->model->index].suppressed[SUPPRESS_RESIDENCY]++;
    permit_request(exchange);
    set_state(exchange, EXCHANGE_RACING);
    hedge_init(&exchange->hedge, &exchange->plan, now_ns);
    step(exchange);
}

/* --- doing what hedge decides --- */

/* NULL after the backend was found unable to take the request; says so to hedge. */
static const struct encoded *encode(struct exchange *exchange, unsigned attempt,
                                    const struct config_backend *backend) {
    struct encoded *encoded = NULL;
    struct span why, field;
    int rc = exchange->winner ? rescue_encode(exchange, backend, &encoded, &why, &field)
                              : encode_request(exchange, backend, &encoded, &why, &field);
    if (rc == 0)
        return encoded;
    uint64_t now_ns = exchange->race->loop->now_ns;
    if (rc == -FAIL_OVERLOAD) {
        exchange->denied = true;
        hedge_on_denied(&exchange->hedge, attempt, now_ns);
        return NULL;
    }
    exchange->unable_field = field;
    exchange->unable =
        arena_printf(&exchange->arena, "%s: %.*s%s%.*s", backend->provider->provider.name,
                     (int)field.n, field.p, field.n ? ": " : "", (int)why.n, why.p);
    hedge_on_unable(&exchange->hedge, attempt, now_ns);
    return NULL;
}

/* elsewhere: why a hedge cannot go to this backend, but may to another; SUPPRESS_COUNT: to none. */
static void deny(struct exchange *exchange, unsigned attempt, enum suppress elsewhere) {
    uint64_t now_ns = exchange->race->loop->now_ns;
    exchange->denied = true;
    if (elsewhere == SUPPRESS_COUNT)
        hedge_on_denied(&exchange->hedge, attempt, now_ns);
    else if (!hedge_on_passed(&exchange->hedge, attempt, now_ns))
        permit_refused(exchange, elsewhere);
}

static void start(struct exchange *exchange, const struct hedge_step *todo) {
    struct upstreams *upstreams = exchange->upstreams;
    uint64_t now_ns = exchange->race->loop->now_ns;
    CHECK(todo->attempt == exchange->attempt_count && todo->attempt < ATTEMPTS_MAX);
    const struct config_backend *backend = hedge_backend(&exchange->hedge, todo->attempt);
    struct attempt *attempt = NULL;
    struct quota_ticket ticket = {0};
    enum suppress elsewhere = SUPPRESS_COUNT;
    /* Asked first: most hedges that are due are over the budget, and writing a request anew is work. */
    if (permit_take(exchange, backend, todo->trigger, &ticket, &elsewhere)) {
        const struct encoded *encoded = encode(exchange, todo->attempt, backend);
        if (encoded)
            attempt = attempt_start(exchange, todo->attempt, backend, encoded, todo->trigger);
        if (!attempt)
            permit_give_back(exchange, todo->trigger, &ticket);
        if (!encoded)
            return; /* hedge knows */
    }
    if (!attempt) {
        deny(exchange, todo->attempt, elsewhere);
        return;
    }
    attempt->quota = ticket;
    exchange->attempts[exchange->attempt_count++] = attempt;
    hold(exchange);
    if (todo->trigger == HEDGE_STALL)
        rescue_started(exchange, attempt);
    health_on_start(&upstreams->health, backend->id, now_ns);
    if (!exchange->first_start_ns) {
        exchange->first_start_ns = now_ns;
        exchange->overhead_ns = ring_now(exchange->race->loop->ring) - exchange->whole_ns;
    }
    if (todo->trigger == HEDGE_FIRST)
        return;
    exchange->hedges++;
    upstreams->models[exchange->model->index].hedges_started[todo->trigger]++;
}

/* What the provider counts against its limit of tokens, as far as is known when the attempt ends. */
static uint64_t used_tokens(const struct attempt *attempt) {
    const struct chat_usage *usage = &attempt->reader.usage;
    bool sent = attempt->reused || attempt->connected_ns;
    if (usage->known)
        return usage->input_tokens + usage->output_tokens;
    if (!sent || attempt->status > 299)
        return 0;
    if (attempt->backend->provider->cancel == CANCEL_BILLS_ON)
        return attempt->quota.tokens; /* it may go on with what it was asked for */
    return attempt->exchange->req.input_tokens_estimate + attempt->events;
}

/* We ended it while it might still have answered: all that is known is "longer than that". */
static bool was_cut_off(enum fail why) {
    return why == FAIL_LOST || why == FAIL_CANCELLED || why == FAIL_CLIENT_LEFT ||
           why == FAIL_DRAINING || why == FAIL_TOTAL || why == FAIL_FIRST_TOKEN ||
           why == FAIL_HEAD_TIMEOUT;
}

/* Tells health and statistics how an attempt ended; once for each. */
static void account(struct exchange *exchange, struct attempt *attempt) {
    struct upstreams *upstreams = exchange->upstreams;
    unsigned id = attempt->backend->id;
    struct race_backend_stats *stats = &upstreams->backends[id];
    uint64_t age_ns = attempt->end_ns - attempt->start_ns;
    health_on_end(&upstreams->health, id, attempt->why, attempt->retry_after_ms, attempt->end_ns);
    budget_on_attempt(&upstreams->budgets[exchange->model->index], fail_sick(attempt->why),
                      attempt->end_ns);
    if (!attempt->content && was_cut_off(attempt->why))
        teach_cut(exchange, attempt, age_ns);
    quota_end(&attempt->quota, used_tokens(attempt), attempt->end_ns);
    stats->failures[attempt->why]++;
    enum race_outcome outcome = race_outcome_of(attempt->why);
    stats->attempts[outcome]++;
    hist_add(&stats->duration[outcome], age_ns);
    if (attempt->reader.usage.known) {
        race_stats_add_tokens(&stats->input, attempt->reader.usage.input_tokens);
        race_stats_add_tokens(&stats->output, attempt->reader.usage.output_tokens);
    }
}

static void cancel(struct exchange *exchange, struct attempt *attempt, enum fail why) {
    if (attempt->state == ATTEMPT_ENDED)
        return;
    attempt_cancel(attempt, why);
    account(exchange, attempt);
}

static void commit(struct exchange *exchange, struct attempt *attempt) {
    if (exchange->winner) {
        rescue_commit(exchange, attempt);
        return;
    }
    exchange->winner = attempt;
    permit_leave(exchange);
    exchange->commit_ns = exchange->race->loop->now_ns;
    set_state(exchange, EXCHANGE_RELAYING);
    struct race_model_stats *stats = &exchange->upstreams->models[exchange->model->index];
    if (attempt->number > 0)
        stats->hedges_won[attempt->trigger]++;
    pin_remember(exchange, attempt);
    relay_begin(exchange, attempt);
    attempt_commit(attempt);
    exchange->overhead_ns += ring_now(exchange->race->loop->ring) - exchange->commit_ns;
    hist_add(&stats->overhead, exchange->overhead_ns);
}

static void fail(struct exchange *exchange, const struct hedge_step *todo) {
    struct attempt *shown =
        todo->attempt == HEDGE_NOBODY ? NULL : exchange->attempts[todo->attempt];
    if (exchange->state == EXCHANGE_RELAYING) {
        relay_break(exchange, exchange->winner);
        answered(exchange, todo->why);
        return;
    }
    /* A clean answer without content is still the best there is. */
    if (shown && shown->whole && (todo->why == FAIL_EMPTY || todo->why == FAIL_POLICY)) {
        commit(exchange, shown);
        relay_finish(exchange, shown);
        answered(exchange, FAIL_NONE);
        return;
    }
    if (exchange->attempt_count == 0 && exchange->room_wait_ns) {
        refuse_text(exchange, FAIL_NO_ROOM,
                    "every backend of this model is at a limit that is configured for it; try "
                    "again after the time in Retry-After");
        return;
    }
    if (exchange->attempt_count == 0 && exchange->unable.n && !exchange->denied) {
        exchange_refuse(exchange, FAIL_UNSUPPORTED,
                        arena_printf(&exchange->arena,
                                     "no backend of this model can take the request; %.*s",
                                     (int)min_size(exchange->unable.n, 1024), exchange->unable.p),
                        exchange->unable_field);
        return;
    }
    relay_fail(exchange, todo->why, shown);
    answered(exchange, todo->why);
}

int exchange_check_count(struct span body) {
    static const struct span path[] = {SPAN_CONST("input_tokens")};
    struct json_token token;
    bool found = json_find(body, path, countof(path), &token) && token.kind == JSON_NUMBER;
    return found && json_check(body, NULL, NULL) == 0 ? 0 : -FAIL_BAD_EVENT;
}

/* Asks hedge what to do until it says wait. Attempts report from inside their own callbacks; a
 * report that comes while a step is being done is taken up by the loop here, not by recursion. */
static void step(struct exchange *exchange) {
    if (exchange->stepping)
        return;
    exchange->stepping = true;
    while (exchange->state == EXCHANGE_RACING || exchange->state == EXCHANGE_RELAYING) {
        struct hedge_step todo = hedge_next(&exchange->hedge, exchange->race->loop->now_ns);
        if (todo.what == HEDGE_WAIT) {
            if (todo.wake_ns == UINT64_MAX)
                loop_disarm(exchange->race->loop, &exchange->wake);
            else
                timer_arm(&exchange->race->loop->timers, &exchange->wake, todo.wake_ns);
            break;
        }
        switch (todo.what) {
        case HEDGE_WAIT: break;
        case HEDGE_START: start(exchange, &todo); break;
        case HEDGE_CANCEL: cancel(exchange, exchange->attempts[todo.attempt], todo.why); break;
        case HEDGE_COMMIT: commit(exchange, exchange->attempts[todo.attempt]); break;
        case HEDGE_FAIL: fail(exchange, &todo); break;
        }
    }
    exchange->stepping = false;
}

void exchange_hedge_again(struct exchange *exchange) {
    if (exchange->state != EXCHANGE_RACING)
        return;
    hedge_again(&exchange->hedge, exchange->race->loop->now_ns);
    if (exchange->hedge.hedge_at_ns == UINT64_MAX)
        permit_leave(exchange); /* nobody is left whom it might ask */
    step(exchange);
}

static void wake_fired(struct timer *timer) { step(container_of(timer, struct exchange, wake)); }

void exchange_init_wake(struct exchange *exchange) {
    timer_init(&exchange->wake, wake_fired);
    list_init(&exchange->racing);
    list_init(&exchange->waiting);
}

/* --- what attempts report --- */

static bool racing(const struct exchange *exchange) {
    return exchange->state == EXCHANGE_RACING || exchange->state == EXCHANGE_RELAYING;
}

void exchange_on_head(struct exchange *exchange, struct attempt *attempt) {
    if (racing(exchange))
        hedge_on_head(&exchange->hedge, attempt->number, exchange->race->loop->now_ns);
}

void exchange_on_content(struct exchange *exchange, struct attempt *attempt) {
    uint64_t now_ns = exchange->race->loop->now_ns, ttft_ns = now_ns - attempt->start_ns;
    health_on_content(&exchange->upstreams->health, attempt->backend->id);
    teach_content(exchange, attempt, ttft_ns);
    hist_add(&exchange->upstreams->backends[attempt->backend->id].ttft, ttft_ns);
    if (!racing(exchange))
        return;
    CHECK(
        !exchange->stepping); /* nothing is received inside a step, so the commit follows at once */
    hedge_on_content(&exchange->hedge, attempt->number, now_ns);
    step(exchange);
}

void exchange_on_end(struct exchange *exchange, struct attempt *attempt) {
    account(exchange, attempt);
    if (!racing(exchange))
        return;
    if (attempt == exchange->winner && attempt->why == FAIL_NONE) {
        hedge_on_end(&exchange->hedge, attempt->number, FAIL_NONE, attempt->end_ns);
        relay_finish(exchange, attempt);
        answered(exchange, FAIL_NONE);
        return;
    }
    if (attempt == exchange->winner && rescue_ready(exchange, attempt))
        hedge_on_stall(&exchange->hedge, attempt->number, attempt->why, attempt->end_ns);
    else
        hedge_on_end(&exchange->hedge, attempt->number, attempt->why, attempt->end_ns);
    step(exchange);
}

void exchange_attempt_home(struct exchange *exchange, struct attempt *attempt) {
    if (attempt->counted_home || !attempt_home(attempt))
        return;
    attempt->counted_home = true;
    drop(exchange);
}

void exchange_passing(struct exchange *exchange) {
    exchange->passing = true;
    exchange->first_start_ns = exchange->race->loop->now_ns;
    set_state(exchange, EXCHANGE_PASSING);
    hold(exchange);
}

void exchange_pass_home(struct exchange *exchange) {
    if (!exchange->passing)
        return;
    exchange->passing = false;
    quota_end(&exchange->pass_quota, 0, exchange->race->loop->now_ns);
    drop(exchange);
}

/* --- the client's stream --- */

static void on_room(struct stream *stream) {
    struct exchange *exchange = stream->user;
    if (exchange->winner)
        attempt_resume(exchange->winner);
    if (exchange->passing)
        pass_room(exchange);
}

/* The client's stream is over: what still runs for it is cut off at once, whether it streamed or
 * waited for a whole body. */
static void on_gone(struct stream *stream, enum fail why) {
    struct exchange *exchange = stream->user;
    exchange->client = NULL;
    give_key_slot(
        exchange); /* not when the attempts are home: the client's next request is here before */
    exchange->end_ns = exchange->race->loop->now_ns;
    if (exchange->state != EXCHANGE_ANSWERED)
        answered(exchange, why == FAIL_NONE ? FAIL_CLIENT_LEFT : why);
    else if (why != FAIL_NONE && exchange->why == FAIL_NONE)
        exchange->why = why;
    for (unsigned i = 0; i < exchange->attempt_count; i++)
        cancel(exchange, exchange->attempts[i], FAIL_CANCELLED);
    if (exchange->passing)
        pass_gone(exchange);
    drop(exchange);
}

static const struct stream_on client_on = {
    .head = on_head, .body = on_body, .end = on_end, .room = on_room, .gone = on_gone};

void exchange_cut(struct exchange *exchange, enum fail why) {
    if (exchange->client)
        stream_reset(exchange->client, why);
}

/* --- no room for an exchange: a bare 503 --- */

static void overload_head(struct stream *stream, const struct http_head *request) {
    struct race *race = stream->user;
    struct json_out body;
    char text[512];
    json_out_init(&body, text, sizeof text);
    endpoint_of(http_path(request->target))
        .dialect->write_error(
            FAIL_OVERLOAD,
            SPAN("the server is at its limit of requests in flight; try again shortly"),
            span_of("", 0), &body);
    struct http_head head = {.status = 503,
                             .minor = 1,
                             .body = HTTP_BODY_LENGTH,
                             .body_length = body.n,
                             .keep_alive = true,
                             .field_count = 2,
                             .fields = {{SPAN("content-type"), SPAN("application/json")},
                                        {SPAN("retry-after"), SPAN("1")}}};
    race->unmatched[503]++;
    if (stream_send_head(stream, &head) == 0 && stream_send_body(stream, json_out_span(&body)) == 0)
        stream_send_end(stream);
}

static void overload_body(struct stream *stream, struct span bytes) {
    (void)stream;
    (void)bytes;
}

static void overload_nothing(struct stream *stream) { (void)stream; }

static void overload_gone(struct stream *stream, enum fail why) {
    (void)stream;
    (void)why;
}

static const struct stream_on overload_on = {.head = overload_head,
                                             .body = overload_body,
                                             .end = overload_nothing,
                                             .room = overload_nothing,
                                             .gone = overload_gone};
