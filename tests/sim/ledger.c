/* ledger.c - keeps what happened and judges it at the end. See ledger.h.
 *
 * Times here are those of clients and clouds; what the engine knew and when follows from the latencies of the wires. */
#include "tests/sim/ledger.h"

#include <stdio.h>

#include "appliance/race/budget.h"
#include "tests/sim/account.h"
#include "tests/sim/world.h"

/* How late the engine may be for reasons of the simulated machine: wake-ups and a timer's tick; or turns in which the
 * thread was not scheduled. */
#define LATE_NS (sim.slow_turn > 0 ? SIM_MS(100) : SIM_MS(6))
/* Behind so many pipelined bytes the engine does not read on (h1_server.c), and so does not see its client leave. */
#define PIPELINE_BYTES 28000
/* After the end mark of a whole answer the engine waits so long for the end of the message (attempt.c). */
#define TAIL_NS       SIM_MS(1000)
#define BAD_DIALS_MAX 4096

const char *const format_names[FORMAT_COUNT] = {
    [FORMAT_CHAT] = "chat",     [FORMAT_RESPONSES] = "responses", [FORMAT_MESSAGES] = "messages",
    [FORMAT_GEMINI] = "gemini", [FORMAT_CONVERSE] = "converse",
};

static struct request **requests;
static struct reply **replies;
static unsigned request_count, request_max, reply_count, reply_max;
static uint64_t bad_dials[BAD_DIALS_MAX];
static unsigned bad_dial_count;

void ledger_begin(void) {
    requests = NULL;
    replies = NULL;
    request_count = request_max = reply_count = reply_max = bad_dial_count = 0;
}

static void grow(void *array_pointer, unsigned count, unsigned *max) {
    void ***array = array_pointer;
    if (count < *max)
        return;
    *max = *max ? *max * 2 : 64;
    void **bigger = sim_alloc(*max * sizeof *bigger);
    if (count)
        memcpy(bigger, *array, count * sizeof *bigger);
    *array = bigger;
}

struct request *ledger_request(enum ask ask) {
    struct request *request = sim_alloc(sizeof *request);
    grow(&requests, request_count, &request_max);
    requests[request_count++] = request;
    request->n = request_count;
    request->ask = ask;
    return request;
}

struct request *ledger_find(unsigned n) {
    return n >= 1 && n <= request_count ? requests[n - 1] : NULL;
}

struct reply *ledger_reply(struct request *request, struct cloud *cloud, enum script script) {
    struct reply *reply = sim_alloc(sizeof *reply);
    grow(&replies, reply_count, &reply_max);
    replies[reply_count++] = reply;
    *reply = (struct reply){.n = reply_count,
                            .request = request,
                            .cloud = cloud,
                            .script = script,
                            .content = script_rows[script].content,
                            .whole = script_rows[script].whole,
                            .finish = "",
                            .begin_ns = sim.now_ns};
    if (request->reply_count == REPLIES_MAX)
        sim_fail("attempts", "request %u reached clouds %u times", request->n, REPLIES_MAX);
    request->replies[request->reply_count++] = reply;
    sim.counts.attempts++;
    return reply;
}

struct reply *ledger_find_reply(unsigned n) {
    return n >= 1 && n <= reply_count ? replies[n - 1] : NULL;
}
unsigned ledger_count(void) { return request_count; }

void ledger_bad_dial(void) {
    if (bad_dial_count < BAD_DIALS_MAX)
        bad_dials[bad_dial_count++] = sim.now_ns;
}

/* ---- what follows from the drawn configuration ---- */

static bool mode_may_be(const struct request *request, unsigned mode) {
    return request->mode_wished ? request->mode == mode : request->model->modes & 1u << mode;
}

static uint64_t total_ns(const struct request *request) {
    return request->total_ns ? min_u64(request->total_ns, request->model->total_ns)
                             : request->model->total_ns;
}

/* The engine could not have waited less before a start by delay. */
static uint64_t delay_ns(const struct request *request) {
    if (mode_may_be(request, HEDGE_MODE_RACE) || mode_may_be(request, HEDGE_MODE_ADAPTIVE))
        return 0;
    if (!mode_may_be(request, HEDGE_MODE_FIXED))
        return UINT64_MAX;
    return request->mode_wished && request->delay_ns ? request->delay_ns
                                                     : request->model->delay_min_ns;
}

/* The engine has taken it up by then, but for the way there. */
static uint64_t taken_ns(const struct request *request) {
    return max_u64(request->sent_ns, request->turn_ns);
}

static uint64_t over_ns(const struct request *request) {
    return request->left_ns ? request->left_ns : request->done_ns;
}

/* Somebody may go on for a winner that stalls or breaks off. */
static bool may_rescue(const struct request *request) {
    return request->model->stalls > 1u << ON_STALL_FAIL;
}

/* Could an attempt of the request have failed by then, so that the next one starts at once? */
static bool failure_seen(const struct request *request, unsigned before, uint64_t by_ns) {
    const struct world_model *model = request->model;
    if (world.tight_memory)
        return true; /* an attempt may have ended for want of memory, which no cloud sees */
    uint64_t clock_ns = min_u64(min_u64(model->head_ns, model->first_token_ns), model->connect_ns);
    if (by_ns >= max_u64(request->sent_ns, request->whole_ns) + clock_ns)
        return true;
    for (unsigned i = 0; i < before; i++)
        if (!request->replies[i]->content || request->replies[i]->script == SCRIPT_RESET_CONTENT ||
            (may_rescue(request) && !request->replies[i]->whole))
            return true;
    for (unsigned i = 0; i < bad_dial_count; i++)
        if (bad_dials[i] <= by_ns && bad_dials[i] + SIM_MS(8000) >= request->sent_ns)
            return true;
    /* A pooled connection that had just been closed: the attempt's only trace is its absence. */
    return world.reloaded_ns && world.reloaded_ns < by_ns;
}

/* ---- the checks, one request each ---- */

/* Tries that came to nothing before a byte was answered are sent once more on a new connection: the same attempt. */
static unsigned attempts_of(const struct request *request) {
    unsigned count = request->reply_count;
    for (unsigned i = 0; i < request->reply_count; i++) {
        const struct reply *reply = request->replies[i];
        bool silent = reply->script == SCRIPT_CLOSE_HEAD || reply->script == SCRIPT_RESET_HEAD ||
                      reply->script == SCRIPT_RESET_BODY || reply->script == SCRIPT_RESET_CONTENT;
        count -= silent && reply->reused;
    }
    return count;
}

static void check_attempts(const struct request *request) {
    unsigned attempts = attempts_of(request);
    unsigned most = request->model->attempts_max + request->model->fallbacks;
    if (attempts > most || request->attempts_said > most)
        sim_fail("attempts", "request %u: %u attempts seen, %u said, at most %u", request->n,
                 attempts, request->attempts_said, most);
}

/* Returns how many attempts nothing but the delay explains. A first attempt that had to dial may arrive behind the second:
 * of i + 1 that have arrived, the latest was started i delays after the first at the earliest. */
static unsigned check_delay(const struct request *request) {
    unsigned by_delay = 0;
    uint64_t step_ns = delay_ns(request), latest_ns = 0;
    for (unsigned i = 0; i < request->reply_count; i++) {
        const struct reply *reply = request->replies[i];
        uint64_t begin_ns = reply->begin_ns - reply->cloud->latency_ns;
        latest_ns = max_u64(latest_ns, begin_ns);
        if (i == 0 || failure_seen(request, i, latest_ns))
            continue;
        request->replies[i]->by_delay = true;
        by_delay++;
        sim_mark(MARK_HEDGE_BY_DELAY);
        if (step_ns == UINT64_MAX)
            sim_fail("delay", "request %u: A%u was started without a failure, and hedging is off",
                     request->n, reply->n);
        uint64_t earliest_ns = request->sent_ns + request->client_latency_ns + step_ns * i;
        if (latest_ns < earliest_ns)
            sim_fail("delay", "request %u: A%u was started %.3f ms too early", request->n, reply->n,
                     (double)(earliest_ns - latest_ns) / 1e6);
    }
    return by_delay;
}

/* Who leaves before the end of an answer has come to it does not know whose it was. */
static bool may_have_won(const struct request *request, const struct reply *reply) {
    if (request->winner || !request->left_ns || !request->commit_ns)
        return reply == request->winner;
    return reply->whole;
}

/* Nothing goes on upstream for a request that is over, and no loser after the commit. */
static void check_cut(const struct request *request) {
    for (unsigned i = 0; i < request->reply_count; i++) {
        const struct reply *reply = request->replies[i];
        uint64_t since_ns = over_ns(request) + request->client_latency_ns;
        /* Who stalled had won; who was asked to go on has not lost, but failed. */
        bool rescue = request->rescues > 0 &&
                      ((reply->content && !reply->whole) || reply->begin_ns > request->commit_ns);
        bool loser = request->commit_ns && request->winner && reply != request->winner &&
                     !reply->stalled && !rescue;
        if (loser)
            since_ns = min_u64(since_ns, request->commit_ns);
        since_ns = max_u64(since_ns, reply->begin_ns);
        uint64_t limit_ns =
            since_ns + reply->cloud->latency_ns + LATE_NS +
            (reply->script == SCRIPT_NO_TAIL || may_have_won(request, reply) ? TAIL_NS : 0);
        uint64_t end_ns = reply->closed_ns ? reply->closed_ns : reply->whole_ns;
        if (!end_ns)
            sim_fail("cancel", "request %u: A%u (%s) was never ended", request->n, reply->n,
                     script_rows[reply->script].name);
        if (request->left_ns && request->behind_bytes > PIPELINE_BYTES)
            continue;
        if (request->outcome == OUT_CUT && world.tight_memory)
            continue; /* closed for want of memory: what its client saw first was not the last */
        if (end_ns > limit_ns && reply->closed_ns)
            sim_fail("cancel", "request %u: %s A%u was cut off %.3f ms late", request->n,
                     loser ? "the loser" : "over, but", reply->n,
                     (double)(end_ns - limit_ns) / 1e6);
        if (loser && reply->closed_ns)
            sim_mark(MARK_LOSER_CUT);
    }
}

/* An error inside a stream ends the attempt at once, whether the cloud goes on or not. */
static void check_hang(const struct request *request) {
    for (unsigned i = 0; i < request->reply_count; i++) {
        const struct reply *reply = request->replies[i];
        if (!reply->hangs || reply->script != SCRIPT_ERROR_FIRST || !reply->said_all_ns)
            continue;
        uint64_t limit_ns = reply->said_all_ns + 2 * reply->cloud->latency_ns + LATE_NS;
        if (reply->closed_ns > limit_ns)
            sim_fail("cancel", "request %u: the error of A%u (%s) was seen %.3f ms late",
                     request->n, reply->n, format_names[reply->format],
                     (double)(reply->closed_ns - limit_ns) / 1e6);
    }
}

/* An error is right only when no cloud's token had come. */
static void check_error(const struct request *request) {
    if (world.tight_memory)
        return; /* the token may have come and found no memory */
    uint64_t told_ns = request->first_ns - request->client_latency_ns;
    for (unsigned i = 0; i < request->reply_count; i++) {
        const struct reply *reply = request->replies[i];
        uint64_t come_ns = reply->content_ns + reply->cloud->latency_ns + LATE_NS;
        /* Who waits for a whole body is told an error, too, when the winner breaks off. */
        bool broke = request->slow ||
                     (request->commit_ns && (!reply->whole || come_ns > request->commit_ns));
        /* A reset may eat what came before it; and a time limit may have run out just then. */
        uint64_t clock_ns = min_u64(request->model->head_ns, request->model->first_token_ns);
        bool lost = reply->script == SCRIPT_RESET_CONTENT ||
                    come_ns >= request->whole_ns + min_u64(clock_ns, total_ns(request)) ||
                    (reply->gone_ns && come_ns + reply->cloud->latency_ns >= reply->gone_ns);
        if (reply->content_ns && reply->content && !broke && !lost && come_ns < told_ns)
            sim_fail("answer",
                     "request %u: status %u although A%u (%s) had answered %.3f ms before",
                     request->n, request->status, reply->n, script_rows[reply->script].name,
                     (double)(told_ns - come_ns) / 1e6);
    }
}

/* Its end may have to do with the drain: it came after it. */
static bool was_draining(const struct request *request) {
    return world.draining && request->done_ns >= world.drained_ns;
}

static bool overload_excused(const struct request *request) {
    return was_draining(request) || world.few_exchanges || world.tight_memory ||
           request->attempts_said > 0;
}

/* Backends that can express what it says. */
static unsigned able_backends(const struct request *request) {
    unsigned able = 0;
    for (unsigned i = 0; i < world.cloud_count; i++)
        able += (!request->hard || clouds[i].kind == CLOUD_OPENAI) &&
                (!request->zone || strcmp(request->zone, cloud_zone(&clouds[i])) == 0);
    return able;
}

/* So many attempts went beyond the first ones that answers may not have paid for another. */
static bool retries_spent(const struct world_model *model) {
    unsigned extra = 0;
    for (unsigned i = 0; i < request_count; i++)
        if (requests[i]->model == model && requests[i]->attempts_made > 1)
            extra += requests[i]->attempts_made - 1;
    return extra >= BUDGET_RETRIES;
}

/* An answer that the engine could have made better by asking on. */
static void check_gave_up(const struct request *request) {
    unsigned able = able_backends(request);
    unsigned least = request->model->attempts_min < able ? request->model->attempts_min : able;
    bool in_time =
        request->first_ns < request->whole_ns + min_u64(request->model->total_min_ns,
                                                        request->model->first_token_ns) &&
        !request->total_ns;
    bool broke = false;
    for (unsigned i = 0; i < request->reply_count; i++)
        broke |= request->replies[i]->content_ns != 0; /* committed to, and broke off */
    if (in_time && !broke && !world.tight_memory && !world.limits && request->attempts_said > 0 &&
        request->attempts_said < least && !retries_spent(request->model))
        sim_fail("attempts", "request %u: gave up after %u attempts of %u", request->n,
                 request->attempts_said, least);
}

/* Where no cloud failed and no time was over, an error is the engine's own. */
static void check_fault(const struct request *request) {
    uint64_t took_ns = request->first_ns - max_u64(request->sent_ns, request->whole_ns);
    bool fault = world.limits || took_ns >= min_u64(total_ns(request), request->model->idle_ns) ||
                 failure_seen(request, request->reply_count, request->first_ns);
    for (unsigned i = 0; i < request->reply_count; i++)
        fault |= !request->replies[i]->whole;
    if (!fault)
        sim_fail("answer", "request %u: status %u, and no cloud had failed", request->n,
                 request->status);
}

static void judge_status(const struct request *request) {
    bool draining = was_draining(request);
    switch (request->status) {
    case 200: return;
    case 400:
        if (request->winner)
            return;
        if (able_backends(request) == 0 && request->reply_count == 0 && request->named_field) {
            sim_mark(MARK_UNABLE);
            return;
        }
        break;
    case 429:
        if (request->attempts_said == 0 && !world.limits)
            sim_fail("answer", "request %u: status 429 without an attempt", request->n);
        if (request->attempts_said == 0)
            sim_mark(MARK_NO_ROOM);
        /* fall through */
    case 502:
    case 504:
        check_error(request);
        check_gave_up(request);
        check_fault(request);
        sim_mark(MARK_ALL_FAILED);
        return;
    case 503:
        if (draining && request->attempts_said == 0)
            sim_mark(MARK_DRAIN_REFUSED);
        else if (world.tight_memory && request->attempts_said == 0)
            sim_mark(MARK_OUT_OF_MEMORY);
        else if (world.few_exchanges && request->attempts_said == 0)
            sim_mark(MARK_EXCHANGES_FULL);
        check_error(request);
        if (overload_excused(request))
            return;
        break;
    default: break;
    }
    sim_fail("answer", "request %u: status %u for a good request", request->n, request->status);
}

/* A stream that stalls is broken off after the idle time, and not much later: the client must hear of it. */
static void check_stall(const struct request *request) {
    const struct reply *winner = request->winner;
    bool stalls = winner->script == SCRIPT_STALL_CONTENT || winner->script == SCRIPT_STALL_CALL ||
                  winner->script == SCRIPT_STALL_THOUGHT;
    if (!stalls || request->slow || request->rescues)
        return; /* or others were asked to go on, each in its time */
    uint64_t way_ns = (request->answer_bytes / request->pipe_bytes + 2) *
                      (2 * request->client_latency_ns + SIM_MS(1));
    uint64_t broken_ns = winner->said_ns + winner->cloud->latency_ns + request->model->idle_max_ns;
    /* Pipelined, it waits until the client has read what was answered before. */
    uint64_t limit_ns = max_u64(broken_ns, request->turn_ns) + way_ns + LATE_NS;
    if (request->done_ns > limit_ns)
        sim_fail("liveness", "request %u: A%u stalled and was broken off %.3f ms late", request->n,
                 winner->n, (double)(request->done_ns - limit_ns) / 1e6);
}

static void judge_broken(const struct request *request) {
    const struct reply *winner = request->winner;
    sim_mark(MARK_BROKEN_AFTER);
    if (request->rescues)
        sim_mark(MARK_STALL_IN_VAIN);
    sim.counts.broken++;
    check_stall(request);
    uint64_t took_ns = request->done_ns - taken_ns(request);
    bool late = took_ns + LATE_NS >= total_ns(request) || took_ns >= request->model->idle_ns;
    if (winner->whole && !late && !world.stopped && !world.tight_memory)
        sim_fail("answer", "request %u: A%u (%s) was broken off", request->n, winner->n,
                 script_rows[winner->script].name);
}

static void judge_time(const struct request *request) {
    uint64_t limit_ns =
        taken_ns(request) + total_ns(request) + 2 * request->client_latency_ns + LATE_NS;
    bool excused =
        request->slow || world.few_connections || world.tight_memory || sim.no_descriptor > 0;
    if (!excused && request->sent_ns && request->first_ns > limit_ns)
        sim_fail("liveness", "request %u: answered %.3f ms after its total time", request->n,
                 (double)(request->first_ns - limit_ns) / 1e6);
}

static void mark_formats(const struct request *request) {
    unsigned seen = 0;
    for (unsigned i = 0; i < request->reply_count; i++)
        seen |= 1u << request->replies[i]->format;
    if (__builtin_popcount(seen) >= 3)
        sim_mark(MARK_THREE_FORMATS);
}

static void judge_chat(const struct request *request) {
    mark_formats(request);
    check_attempts(request);
    check_cut(request);
    check_hang(request);
    if (request->outcome != OUT_ANSWERED)
        return;
    judge_time(request);
    judge_status(request);
    if (request->broken)
        judge_broken(request);
    if (request->status != 200) {
        sim.counts.errors++;
        return;
    }
    sim.counts.answers++;
    sim.counts.commits++;
    if (request->winner->whole && !request->winner->content)
        sim_mark(MARK_EMPTY_ANSWER);
    if (!request->stream && request->rescues && !request->winner->behind.n)
        sim_mark(MARK_STALL_RESTART_BODY);
    if (request->reply_count < 2)
        return;
    if (request->winner == request->replies[0])
        sim_mark(MARK_FIRST_WON_HEDGED);
    else
        sim_mark(MARK_HEDGE_WON);
    if (!request->replies[0]->content && request->replies[0]->whole_ns)
        sim_mark(MARK_FAILED_OVER);
}

static void judge_other(const struct request *request) {
    const struct ask_row *row = &ask_rows[request->ask];
    if (request->outcome != OUT_ANSWERED || request->status == row->status)
        return;
    bool refused = request->status == 503 &&
                   (was_draining(request) || world.few_exchanges || world.tight_memory);
    bool garbage = request->ask == ASK_GARBAGE && request->status >= 400 && request->status < 600 &&
                   request->status != 500 && request->status != 502;
    if (!refused && !garbage)
        sim_fail("answer", "request %u (%s): status %u", request->n, row->name, request->status);
}

static void judge_outcome(const struct request *request) {
    switch (request->outcome) {
    case OUT_PENDING: sim_fail("liveness", "request %u has no end", request->n);
    case OUT_CUT: {
        /* Bytes behind a request that was refused early meet a closed socket: the reset may eat the answer. */
        bool ours = request->ask == ASK_GARBAGE || request->slow || request->idle_before ||
                    request->behind_bytes > 0;
        bool theirs = was_draining(request) || world.tight_memory || world.few_connections ||
                      sim.no_descriptor > 0;
        if (!ours && !theirs)
            sim_fail("answer", "request %u (%s) was cut off without an answer", request->n,
                     ask_rows[request->ask].name);
        break;
    }
    case OUT_ANSWERED:
        if (request->ask == ASK_GARBAGE)
            sim_mark(MARK_GARBAGE_REFUSED);
        if (request->ask == ASK_STUCK_BODY || request->ask == ASK_STUCK_HEAD)
            sim_mark(MARK_REQUEST_TIMEOUT);
        break;
    case OUT_LEFT:
        if (!request->stream && request->reply_count && request->sent_ns)
            sim_mark(MARK_LEFT_WHOLE_BODY);
        break;
    case OUT_UNSENT: break;
    }
    if (request->reply_count && request->outcome == OUT_UNSENT && !was_draining(request) &&
        !request->slow && !world.few_connections && !world.tight_memory)
        sim_fail("answer", "request %u was not answered, and yet taken up", request->n);
}

void ledger_judge(void) {
    for (unsigned i = 0; i < request_count; i++) {
        struct request *request = requests[i];
        judge_outcome(request);
        if (request->ask != ASK_CHAT) {
            judge_other(request);
            continue;
        }
        judge_chat(request);
        request->attempts = attempts_of(request);
        sim.counts.hedges += request->sent_ns ? check_delay(request) : 0;
    }
    account_judge(requests, request_count);
}
