/* recorded.c - see the header. */
#include "bench/replay/recorded.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/dice.h"
#include "bench/replay/episodes.h"
#include "core/base.h"
#include "core/heap.h"
#include "core/span.h"

enum { LOGS_MAX = 32, FIELDS_MAX = 6, ROWS_FIRST = 1024, BACKENDS = 2 };
/* No recording of first-token times, and no hour of arrivals, goes beyond. */
static const double TTFT_MS_MAX = 1e7, TIME_MS_MAX = 1e10;

enum source { AZURE, MOONCAKE, SOURCES };

static const struct scenario {
    const char *name, *what;
    enum source arrivals;
    const char *backends[BACKENDS]; /* logs; the first is the primary */
    bool episodes;
} scenarios[] = {
    {"rec-light",
     "Azure's arrivals; anyscale 70b, then bedrock 70b: light tails",
     AZURE,
     {"anyscale_70b", "bedrock_70b"},
     false},
    {"rec-stalls",
     "Azure's arrivals; together 13b (1 % stall for 100 s), then fireworks 13b",
     AZURE,
     {"together_13b", "fireworks_13b"},
     false},
    {"rec-stalls-m",
     "Mooncake's arrivals; the same",
     MOONCAKE,
     {"together_13b", "fireworks_13b"},
     false},
    {"rec-outliers",
     "Mooncake's arrivals; fireworks 7b (1 % take 1 s), then together 7b",
     MOONCAKE,
     {"fireworks_7b", "together_7b"},
     false},
    {"rec-heavy",
     "Azure's arrivals; replicate 70b (one in ten takes many seconds), then together 70b",
     AZURE,
     {"replicate_70b", "together_70b"},
     false},
    {"rec-light-ep",
     "as rec-light, and both 3-5x slower for 10-30 s every 150 s",
     AZURE,
     {"anyscale_70b", "bedrock_70b"},
     true},
    {"rec-stalls-ep",
     "as rec-stalls, and both 3-5x slower for 10-30 s every 150 s",
     AZURE,
     {"together_13b", "fireworks_13b"},
     true},
};

struct log {
    char name[64];
    uint64_t *ttft_ns;
    size_t count, max;
};

struct arrival {
    uint64_t time_ns;
    uint32_t input_tokens, output_tokens;
};

struct arrivals {
    struct arrival *rows;
    size_t count, max;
};

struct recorded {
    struct log logs[LOGS_MAX];
    unsigned log_count;
    struct arrivals arrivals[SOURCES];
};

const char *recorded_name(unsigned trace) {
    return trace < countof(scenarios) ? scenarios[trace].name : NULL;
}

const char *recorded_what(unsigned trace) {
    return trace < countof(scenarios) ? scenarios[trace].what : NULL;
}

int recorded_find(const char *name) {
    for (unsigned i = 0; i < countof(scenarios); i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* ---- the files ---- */

struct fields {
    struct span of[FIELDS_MAX];
};

static struct span next_field(struct span *rest) { return span_trim(span_cut(rest, ',')); }

static bool read_tokens(struct span text, uint32_t *out) {
    uint64_t tokens;
    bool ok = span_u64(text, UINT32_MAX, &tokens);
    *out = ok ? (uint32_t)tokens : 0;
    return ok;
}

/* Its place among the logs, or their number. */
static unsigned find_log(const struct recorded *r, struct span name) {
    unsigned i = 0;
    while (i < r->log_count && !span_eq(span_str(r->logs[i].name), name))
        i++;
    return i;
}

static struct log *add_log(struct recorded *r, struct span name) {
    if (r->log_count == LOGS_MAX || name.n == 0 || name.n >= sizeof r->logs[0].name)
        return NULL;
    struct log *log = &r->logs[r->log_count++];
    span_text(name, log->name, sizeof log->name);
    return log;
}

static bool take_llmperf(struct recorded *r, const struct fields *f) {
    double ms;
    unsigned found = find_log(r, f->of[0]);
    struct log *log = found < r->log_count ? &r->logs[found] : add_log(r, f->of[0]);
    if (!log || !span_double(f->of[1], &ms) || !(ms > 0 && ms <= TTFT_MS_MAX))
        return false;
    if (log->count == log->max) {
        log->max = log->max ? 2 * log->max : ROWS_FIRST;
        log->ttft_ns = heap_realloc(log->ttft_ns, log->max * sizeof *log->ttft_ns);
    }
    log->ttft_ns[log->count++] = (uint64_t)(ms * (double)NS_PER_MS);
    return true;
}

static bool add_arrival(struct arrivals *a, struct arrival arrival) {
    if (a->count && arrival.time_ns < a->rows[a->count - 1].time_ns)
        return false;
    if (a->count == a->max) {
        a->max = a->max ? 2 * a->max : ROWS_FIRST;
        a->rows = heap_realloc(a->rows, a->max * sizeof *a->rows);
    }
    a->rows[a->count++] = arrival;
    return true;
}

/* "2023-11-16 18:15:46.6805900", as nanoseconds since 1970 if it is UTC. */
static bool read_timestamp(struct span text, uint64_t *ns) {
    char copy[40];
    struct tm tm = {0};
    struct span whole = span_cut(&text, '.');
    const char *end = strptime(span_text(whole, copy, sizeof copy), "%Y-%m-%d %H:%M:%S", &tm);
    time_t seconds = timegm(&tm);
    if (!end || *end || seconds < 0)
        return false;
    uint64_t fraction = 0, unit = NS_PER_S;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        unit /= 10;
        fraction += unit * (uint64_t)(text.p[i] - '0');
    }
    *ns = (uint64_t)seconds * NS_PER_S + fraction;
    return true;
}

static bool take_azure(struct recorded *r, const struct fields *f) {
    struct arrival a;
    return read_timestamp(f->of[0], &a.time_ns) && read_tokens(f->of[1], &a.input_tokens) &&
           read_tokens(f->of[2], &a.output_tokens) && add_arrival(&r->arrivals[AZURE], a);
}

static bool take_mooncake(struct recorded *r, const struct fields *f) {
    struct arrival a;
    double ms;
    if (!span_double(f->of[0], &ms) || !(ms >= 0 && ms <= TIME_MS_MAX))
        return false;
    a.time_ns = (uint64_t)(ms * (double)NS_PER_MS);
    return read_tokens(f->of[1], &a.input_tokens) && read_tokens(f->of[2], &a.output_tokens) &&
           add_arrival(&r->arrivals[MOONCAKE], a);
}

static const struct file {
    const char *name, *header;
    unsigned fields;
    bool (*take)(struct recorded *, const struct fields *);
} files[] = {
    {"llmperf_ttft.csv", "backend,ttft_ms,total_ms,inter_token_ms,input_tokens,output_tokens", 6,
     take_llmperf},
    {"azure_llm_2023_conv.csv", "TIMESTAMP,ContextTokens,GeneratedTokens", 3, take_azure},
    {"mooncake_conversation.csv", "time_ms,input_tokens,output_tokens,prefix_hash_ids", 4,
     take_mooncake},
};

static struct span without_end(const char *line, ssize_t n) {
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        n--;
    return span_of(line, (size_t)n);
}

/* The line, where it is wrong; 0: the file is good. */
static unsigned long read_lines(struct recorded *r, const struct file *file, FILE *in) {
    char *line = NULL;
    size_t size = 0;
    unsigned long number = 0, wrong = 0;
    for (ssize_t n; !wrong && (n = getline(&line, &size, in)) >= 0;) {
        struct span rest = without_end(line, n);
        struct fields fields = {0};
        if (number++ == 0) {
            wrong = span_eq(rest, span_str(file->header)) ? 0 : number;
            continue;
        }
        for (unsigned i = 0; i < file->fields; i++)
            fields.of[i] = next_field(&rest);
        if (rest.p || !file->take(r, &fields))
            wrong = number;
    }
    free(line);
    /* A header alone is no recording. */
    return number < 2 ? 1 : wrong;
}

static bool read_file(struct recorded *r, const char *folder, const struct file *file, char *why,
                      size_t why_size) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, file->name);
    FILE *in = fopen(path, "r");
    if (!in) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return false;
    }
    unsigned long wrong = read_lines(r, file, in);
    fclose(in);
    if (wrong)
        snprintf(why, why_size, "%s:%lu: not a line of such a recording; the header is %s", path,
                 wrong, file->header);
    return !wrong;
}

struct recorded *recorded_open(const char *folder, char *why, size_t why_size) {
    struct recorded *r = heap_alloc(sizeof *r);
    for (size_t i = 0; i < countof(files); i++)
        if (!read_file(r, folder, &files[i], why, why_size)) {
            recorded_close(&r);
            return NULL;
        }
    return r;
}

void recorded_close(struct recorded **recorded) {
    struct recorded *r = *recorded;
    for (unsigned i = 0; r && i < r->log_count; i++)
        heap_free(&r->logs[i].ttft_ns);
    for (unsigned i = 0; r && i < SOURCES; i++)
        heap_free(&r->arrivals[i].rows);
    heap_free(recorded);
}

/* ---- a trace ---- */

enum stream { STREAM_TIMES, STREAM_EPISODES };

/* What the times of a trace are drawn from. */
struct draw {
    const struct log *logs[BACKENDS];
    bool with_episodes;
    struct dice dice;
    struct episodes episodes;
};

static bool find_logs(const struct recorded *r, const struct scenario *s, struct draw *d, char *why,
                      size_t why_size) {
    for (unsigned b = 0; b < BACKENDS; b++) {
        unsigned found = find_log(r, span_str(s->backends[b]));
        if (found == r->log_count) {
            snprintf(why, why_size, "%s: there is no log of %s", s->name, s->backends[b]);
            return false;
        }
        d->logs[b] = &r->logs[found];
    }
    return true;
}

static void draw_request(struct draw *d, const struct arrival *a, uint64_t time_ns,
                         struct trace *out) {
    uint64_t ttft_ns[BACKENDS];
    double factor = 1;
    if (d->with_episodes)
        factor = episodes_factor(&d->episodes, (double)time_ns / (double)NS_PER_S);
    for (unsigned b = 0; b < BACKENDS; b++) {
        const struct log *log = d->logs[b];
        uint64_t ns = log->ttft_ns[dice_below(&d->dice, log->count)];
        ttft_ns[b] = (uint64_t)((double)ns * factor);
    }
    trace_add(out, time_ns, 0, a->input_tokens, a->output_tokens, ttft_ns);
}

bool recorded_make(const struct recorded *r, unsigned trace, const struct generate_options *options,
                   struct trace *out, char *why, size_t why_size) {
    CHECK(trace < countof(scenarios));
    const struct scenario *s = &scenarios[trace];
    const struct arrivals *arrivals = &r->arrivals[s->arrivals];
    struct draw d = {.with_episodes = s->episodes};
    if (!find_logs(r, s, &d, why, why_size))
        return false;
    dice_init(&d.dice, options->seed, STREAM_TIMES);
    episodes_init(&d.episodes, options->seed, STREAM_EPISODES);
    trace_init(out, s->name, BACKENDS, min_size(arrivals->count, options->requests));
    for (unsigned b = 0; b < BACKENDS; b++)
        memcpy(out->backend_names[b], d.logs[b]->name, sizeof d.logs[b]->name);
    for (size_t i = 0; i < out->max; i++)
        draw_request(&d, &arrivals->rows[i], arrivals->rows[i].time_ns - arrivals->rows[0].time_ns,
                     out);
    return true;
}
