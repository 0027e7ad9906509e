/* rescue.c - going on for a stalled winner. See rescue.h.
 *
 * Promises: what the client was sent is never taken back, and nothing of it is sent twice: a writer
 *           that cannot be brought to where the client is ends the rescue before it begins. */
#include "appliance/race/rescue.h"

#include "appliance/race/exchange.h"
#include "appliance/race/pin.h"
#include "core/limits.h"

/* Room for the events that close what was open. */
#define CLOSE_TEXT_MAX 1024

static bool client_streams(const struct exchange *exchange) { return exchange->req.stream; }

static struct attempt *stalled(const struct exchange *exchange) { return exchange->winner; }

/* --- the writer --- */

/* A new writer that has heard what was said, and nobody has heard it: the client was told already. */
static bool retell(struct exchange *exchange, struct attempt *winner) {
    const struct dialect *dialect = exchange->dialect;
    const struct stall_said *said = &winner->said;
    struct chat_writer *writer = &winner->writer;
    const struct chat_event events[] = {
        {.kind = CHAT_START, .id = winner->reader.answer.id, .name = winner->reader.answer.model},
        {.kind = CHAT_REASONING, .text = chat_text_span(&said->reasoning)},
        {.kind = CHAT_TEXT, .text = chat_text_span(&said->text)},
    };
    struct json_out unheard;
    dialect->writer_init(writer, &exchange->arena, &exchange->req);
    writer->created_s = (int64_t)(exchange->begin_wall_ns / NS_PER_S);
    json_out_arena(&unheard, &exchange->arena, CLOSE_TEXT_MAX);
    for (unsigned i = 0; i < countof(events); i++) {
        struct chat_event event = events[i];
        event.answer = &winner->reader.answer;
        if (event.kind != CHAT_START && event.text.n == 0)
            continue;
        if (client_streams(exchange))
            dialect->write_event(writer, &event, &unheard);
        else
            dialect->collect(writer, &event);
    }
    writer->started = true; /* a provider without an id or a model: the next one's is not taken */
    return !writer->full;
}

/* Of the same dialect and not written anew: its writer knows nothing of it. */
static bool was_relayed(const struct exchange *exchange, const struct attempt *winner) {
    if (winner->encoded->translated || winner->takes_over)
        return false;
    return client_streams(exchange) || exchange->dialect->merge;
}

/* Brings the writer to where the client is. */
static bool settle_writer(struct exchange *exchange, struct attempt *winner) {
    const struct dialect *dialect = exchange->dialect;
    bool relayed = was_relayed(exchange, winner);
    struct json_out closing;
    if (relayed && !retell(exchange, winner))
        return false;
    if (!client_streams(exchange) || !dialect->resume)
        return !winner->writer.full;
    json_out_arena(&closing, &exchange->arena, CLOSE_TEXT_MAX);
    if (!dialect->resume(&winner->writer, relayed ? &winner->reader : NULL, &closing) ||
        closing.full)
        return false;
    exchange_relay(exchange, json_out_span(&closing));
    return true;
}

/* --- ready --- */

/* Can the rest of an answer to this request be asked for? It is read for that, if it was not yet. */
static enum stall_why prompt_allows(struct exchange *exchange) {
    struct span why, field;
    if (encode_prompt(exchange, &why, &field) < 0)
        return STALL_BACKEND;
    return stall_prompt(exchange->prompt);
}

bool rescue_ready(struct exchange *exchange, struct attempt *winner) {
    struct stall_verdict *verdict = &exchange->stall;
    *verdict = stall_judge(&(struct stall_case){
        .on_stall = exchange->plan.on_stall,
        .why = winner->why,
        .chat = winner->encoded->dialect != NULL,
        .stateful = exchange->pinned,
        .streaming = client_streams(exchange),
        .own = winner->reader.opaque,
        .choices = exchange->req.choices,
        .said = &winner->said,
    });
    if (verdict->go_on) {
        verdict->why = prompt_allows(exchange);
        verdict->go_on = verdict->why == STALL_NOTHING;
    }
    if (!verdict->go_on && !verdict->restart)
        return false;
    bool taken_over = client_streams(exchange) || verdict->go_on;
    if (taken_over && !settle_writer(exchange, winner)) {
        verdict->why = STALL_OWN;
        return false;
    }
    verdict->why = STALL_BACKEND; /* until one is found */
    return true;
}

/* --- another attempt --- */

int rescue_encode(struct exchange *exchange, const struct config_backend *backend,
                  struct encoded **out, struct span *why, struct span *field) {
    const struct stall_verdict *verdict = &exchange->stall;
    int rc = -FAIL_UNSUPPORTED;
    *why = *field = span_of("", 0);
    if (verdict->go_on)
        rc = encode_rest(exchange, backend, &stalled(exchange)->said, out, why, field);
    if (rc == 0 || rc == -FAIL_OVERLOAD || !verdict->restart)
        return rc;
    return encode_request(exchange, backend, out, why, field);
}

void rescue_started(struct exchange *exchange, struct attempt *attempt) {
    attempt->behind = stalled(exchange);
    attempt->takes_over = client_streams(exchange) || attempt->encoded->goes_on;
    attempt->lost = attempt->encoded->lost;
}

/* --- its commit --- */

static void tell_client(struct exchange *exchange, const struct attempt *attempt) {
    if (!client_streams(exchange) || !exchange->dialect->comments)
        return;
    exchange_relay(exchange, arena_printf(&exchange->arena, ": hedgerow: %s on %s\n\n",
                                          attempt->encoded->goes_on ? "continued" : "restarted",
                                          attempt->backend->provider->provider.name));
}

/* Who stalled has given a part of the answer, or what it gave is of no use to anybody: nor is then
 * what those gave whom it went on for. */
static void share_out(struct exchange *exchange, struct attempt *before, bool goes_on) {
    before->delivered = true;
    for (unsigned i = 0; i < exchange->attempt_count && !goes_on; i++)
        exchange->attempts[i]->delivered = false;
}

void rescue_commit(struct exchange *exchange, struct attempt *attempt) {
    struct attempt *before = stalled(exchange);
    CHECK(attempt->behind == before && before->state == ATTEMPT_ENDED);
    exchange->upstreams->models[exchange->model->index].hedges_won[HEDGE_STALL]++;
    share_out(exchange, before, attempt->encoded->goes_on);
    exchange->winner = attempt;
    if (!client_streams(exchange) && !attempt->takes_over)
        pin_remember(exchange, attempt);
    tell_client(exchange, attempt);
    attempt_commit(attempt);
}

struct chat_usage rescue_usage(const struct attempt *attempt, const struct chat_usage *usage) {
    if (!attempt->behind || !attempt->encoded->goes_on)
        return *usage;
    struct chat_usage first = rescue_usage(attempt->behind, &attempt->behind->reader.usage);
    return stall_usage(&first, attempt->behind->said.pieces, usage);
}
