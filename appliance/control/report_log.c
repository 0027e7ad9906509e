/* report_log.c - see the header. */
#include "appliance/control/report_log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "appliance/race/learn.h"
#include "appliance/race/saved.h"
#include "appliance/replay/replay_figures.h"
#include "core/base.h"
#include "core/heap.h"
#include "core/json.h"

/* A piece of the file; and a line, of which the proxy writes none that is half as long. */
#define BUF_BYTES      (1u << 20)
#define LINE_BYTES_MAX (64u << 10)
#define NAME_BYTES_MAX 1024
#define REPLAY_SEED    1

static void broken(struct report_log *log, const char *why) {
    log->report.lost_lines++;
    if (log->report.lost_lines <= REPORT_LOG_TOLD_MAX)
        fprintf(log->talk, "%s:%" PRIu64 ": %s\n", log->name, log->lines, why);
}

/* --- models --- */

/* Control characters would talk to the terminal. */
static void clean(char *name) {
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == 127)
            *name = '?';
}

static struct span decode(struct span raw, char text[NAME_BYTES_MAX]) {
    long n = json_decode(raw, true, text, NAME_BYTES_MAX);
    return n < 0 ? raw : span_of(text, (size_t)n);
}

static unsigned find_model(const struct report_log *log, struct span name) {
    unsigned i = 0;
    while (i < log->report.count && !span_eq(span_str(log->report.models[i].name), name))
        i++;
    return i;
}

/* The row of the line's model; NULL: it is not to be counted, or there is no more room. */
static struct report_model *model_of(struct report_log *log, const struct log_line *line,
                                     struct log_rows **rows) {
    char text[NAME_BYTES_MAX], name[NAME_BYTES_MAX];
    struct span decoded = decode(line->model, text);
    span_text(decoded, name, sizeof name);
    clean(name);
    /* A name that nobody has configured: 404, and what was refused before it was looked up. */
    if (line->model.n == 0 || (line->attempt_count == 0 && line->status == 404))
        return NULL;
    if (log->only.n && !span_eq(log->only, span_str(name)))
        return NULL;
    unsigned i = find_model(log, span_str(name));
    if (i == log->report.count) {
        if (i == REPORT_LOG_MODELS_MAX) {
            broken(log, "there are too many models in this log");
            return NULL;
        }
        report_add(&log->report, span_str(name))->target = replay_defaults().target;
        log->rows = heap_realloc(log->rows, log->report.count * sizeof *log->rows);
        log->rows[i] = (struct log_rows){.backend_count = 0};
    }
    *rows = &log->rows[i];
    return &log->report.models[i];
}

/* --- counting --- */

/* By whom the answer began: the first whose token came, or who won without any. */
static const struct log_attempt *answered_by(const struct log_line *line) {
    const struct log_attempt *best = NULL;
    for (unsigned i = 0; i < line->attempt_count; i++) {
        const struct log_attempt *here = &line->attempts[i];
        if (here->trigger == HEDGE_STALL)
            continue;
        bool first = here->first_ns != LOG_NEVER && (!best || here->first_ns < best->first_ns);
        if (first || (!best && here->outcome == OUTCOME_WON))
            best = here;
    }
    return best;
}

static void count_hedges(struct report_model *model, const struct log_line *line) {
    const struct log_attempt *winner = line->ttft_ns == LOG_NEVER ? NULL : answered_by(line);
    for (unsigned i = 0; i < line->attempt_count; i++) {
        const struct log_attempt *attempt = &line->attempts[i];
        if (attempt->trigger == HEDGE_FIRST)
            continue;
        bool rescued = attempt->trigger == HEDGE_STALL && attempt->first_ns != LOG_NEVER;
        model->started[attempt->trigger]++;
        model->won[attempt->trigger] += rescued || attempt == winner;
    }
}

static void count_times(struct report_model *model, const struct log_line *line) {
    struct saved_try tries[ATTEMPTS_MAX];
    uint64_t last_ns = 0;
    for (unsigned i = 0; i < line->attempt_count; i++) {
        const struct log_attempt *attempt = &line->attempts[i];
        tries[i] = (struct saved_try){.hedge = attempt->trigger == HEDGE_DELAY,
                                      .first_ns = attempt->first_ns,
                                      .end_ns = attempt->end_ns};
        last_ns = max_u64(last_ns, attempt->end_ns);
    }
    struct saved_request request = {.tries = tries,
                                    .count = line->attempt_count,
                                    .ttft_ns = line->ttft_ns,
                                    .end_ns =
                                        line->total_ns == LOG_NEVER ? last_ns : line->total_ns};
    struct saved_time with = saved_with(&request), without = saved_without(&request);
    hist_add(with.cut ? &model->with_cut : &model->with, with.value_ns);
    hist_add(without.cut ? &model->without_cut : &model->without, without.value_ns);
}

static void count_money(struct report_model *model, const struct log_line *line) {
    uint64_t all_pico = 0, losers_pico = 0, losers_tokens = 0;
    for (unsigned i = 0; i < line->attempt_count; i++) {
        const struct log_attempt *attempt = &line->attempts[i];
        bool won = attempt->outcome == OUTCOME_WON;
        model->priced |= attempt->priced;
        model->part_priced |= !attempt->priced;
        all_pico += attempt->pico;
        losers_pico += won ? 0 : attempt->pico;
        losers_tokens += won ? 0 : attempt->tokens;
    }
    /* The line's own sums know which attempt gave a part of the answer before it stalled. */
    uint64_t wasted_pico = line->wasted_priced ? line->wasted_pico
                           : line->won_priced  ? all_pico - min_u64(line->won_pico, all_pico)
                                               : losers_pico;
    model->wasted_pico += wasted_pico;
    model->won_pico += all_pico - min_u64(wasted_pico, all_pico);
    model->wasted_tokens += line->wasted_counted ? line->wasted_tokens : losers_tokens;
}

static void count_line(struct report_log *log, const struct log_line *line) {
    struct log_rows *rows;
    struct report_model *model = model_of(log, line, &rows);
    if (!model)
        return;
    uint64_t end_ms = line->time_ms;
    if (line->total_ns != LOG_NEVER)
        end_ms += line->total_ns / NS_PER_MS;
    log->first_ms = log->first_ms ? min_u64(log->first_ms, line->time_ms) : line->time_ms;
    log->last_ms = max_u64(log->last_ms, end_ms);
    model->requests++;
    if (line->attempt_count == 0)
        return;
    model->raced++;
    count_hedges(model, line);
    count_times(model, line);
    count_money(model, line);
    if (log->keep_rows || model->started[HEDGE_DELAY] == 0)
        log_rows_add(rows, line);
    else if (rows->rows.count > 0)
        log_rows_fini(rows); /* it was hedged: nothing is to be replayed */
}

/* --- reading --- */

static void read_line(struct report_log *log, struct span line) {
    struct log_line parsed;
    log->lines++;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (span_trim(line).n == 0)
        return;
    if (line.n > LINE_BYTES_MAX) {
        broken(log, "the line is longer than the proxy writes any");
        return;
    }
    const char *why = log_line_read(line, &parsed);
    if (why)
        broken(log, why);
    else
        count_line(log, &parsed);
}

/* Takes the whole lines of buf[0, n); what is left of the last one goes to its start. *skipping: inside of
 * a line that is too long to be kept, and was told of. Returns how many bytes are left. */
static size_t take_lines(struct report_log *log, char *buf, size_t n, bool *skipping) {
    size_t at = 0;
    for (const char *end; (end = memchr(buf + at, '\n', n - at)); at = (size_t)(end - buf) + 1) {
        if (*skipping)
            *skipping = false;
        else
            read_line(log, span_of(buf + at, (size_t)(end - buf) - at));
    }
    if (!*skipping && n - at > LINE_BYTES_MAX) {
        read_line(log, span_of(buf + at, n - at));
        *skipping = true;
    }
    if (*skipping)
        return 0;
    memmove(buf, buf + at, n - at);
    return n - at;
}

/* Models that only refused requests name were perhaps never there. */
static void drop_unasked(struct report_log *log) {
    unsigned kept = 0;
    for (unsigned i = 0; i < log->report.count; i++) {
        if (log->report.models[i].raced == 0) {
            heap_free(&log->report.models[i].name);
            log_rows_fini(&log->rows[i]);
            continue;
        }
        log->report.models[kept] = log->report.models[i];
        log->rows[kept++] = log->rows[i];
    }
    log->report.count = kept;
}

static void finish(struct report_log *log) {
    drop_unasked(log);
    log->report.of_log = true;
    log->report.since_s = (double)(log->last_ms - log->first_ms) / 1000;
    for (unsigned i = 0; i < log->report.count; i++) {
        struct report_model *model = &log->report.models[i];
        model->part_priced &= model->priced;
    }
    report_settle(&log->report);
    if (log->report.lost_lines > REPORT_LOG_TOLD_MAX)
        fprintf(log->talk, "%s: %" PRIu64 " lines in all could not be read\n", log->name,
                log->report.lost_lines);
}

int report_log_read(struct report_log *log, FILE *in) {
    char *buf = heap_alloc(BUF_BYTES);
    size_t kept = 0, got;
    bool skipping = false;
    while ((got = fread(buf + kept, 1, BUF_BYTES - kept, in)) > 0)
        kept = take_lines(log, buf, kept + got, &skipping);
    int error = ferror(in) ? -errno : 0;
    /* The last line of a log that is being written may be cut: it is told, and does no harm. */
    if (kept > 0 && !skipping)
        read_line(log, span_of(buf, kept));
    heap_free(&buf);
    finish(log);
    return error;
}

/* --- what would have been --- */

static enum report_would_state can_replay(const struct report_model *model,
                                          const struct log_rows *rows) {
    if (rows->many)
        return REPORT_WOULD_MANY;
    if (model->with.count < LEARN_FULL)
        return REPORT_WOULD_FEW;
    if (rows->backend_count < 2)
        return REPORT_WOULD_UNSEEN;
    for (unsigned i = 0; i < rows->backend_count; i++)
        if (rows->backends[i].known < LEARN_KNOWN)
            return REPORT_WOULD_UNSEEN;
    return REPORT_WOULD_KNOWN;
}

static uint64_t told(uint64_t ns, size_t count, unsigned q) {
    const double rounding = 1e-9;
    bool few = (double)count * (1 - report_quantiles[q]) + rounding < REPORT_BEYOND_MIN;
    return few ? REPORT_FEW : ns;
}

static void take_times(uint64_t out_ns[REPORT_QUANTILES], const struct replay_figures *figures) {
    const uint64_t ns[REPORT_QUANTILES] = {figures->p50_ns, figures->p95_ns, figures->p99_ns,
                                           figures->p999_ns};
    for (unsigned q = 0; q < REPORT_QUANTILES; q++)
        out_ns[q] = told(ns[q], figures->count, q);
}

static void replay(struct report_model *model, struct log_rows *rows) {
    struct replay_settings settings = replay_defaults();
    struct replay_figures figures[REPLAY_POLICIES];
    struct trace trace;
    model->would = (struct report_would){.state = can_replay(model, rows), .extra_cost = NAN};
    if (model->would.state != REPORT_WOULD_KNOWN)
        return;
    if (!rows->settled)
        log_rows_settle(rows, REPLAY_SEED);
    trace_rows_build(&rows->rows, model->name, REPLAY_SEED, &trace);
    unsigned count =
        replay_figures_run(&trace, &settings, 1u << REPLAY_NONE | 1u << REPLAY_ADAPTIVE, figures);
    CHECK(count == 2);
    take_times(model->would.without_ns, &figures[0]);
    take_times(model->would.with_ns, &figures[1]);
    model->would.extra_requests = figures[1].extra_requests;
    model->would.extra_cost = figures[1].extra_cost;
    trace_fini(&trace);
}

void report_log_replay(struct report_log *log) {
    for (unsigned i = 0; i < log->report.count; i++)
        if (log->report.models[i].started[HEDGE_DELAY] == 0)
            replay(&log->report.models[i], &log->rows[i]);
}

struct log_rows *report_log_rows(struct report_log *log, struct span model) {
    unsigned i = find_model(log, model);
    return i < log->report.count ? &log->rows[i] : NULL;
}

void report_log_free(struct report_log *log) {
    for (unsigned i = 0; i < log->report.count; i++)
        log_rows_fini(&log->rows[i]);
    heap_free(&log->rows);
    report_free(&log->report);
}
