/* report_command.c - see the header. */
#include "appliance/control/report_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "appliance/control/admin_ask.h"
#include "appliance/control/config_value.h"
#include "appliance/control/report_log.h"
#include "core/heap.h"

#define TRACE_SEED 1

static bool refuse(const char *what, char *why, size_t why_size) {
    snprintf(why, why_size, "%s", what);
    return false;
}

bool report_command_check(const struct report_options *options, char *why, size_t why_size) {
    struct config_address address;
    const char *reason;
    if (options->admin && options->log)
        return refuse("--admin asks a running process and --log reads a file: give one of them",
                      why, why_size);
    if (options->trace && !options->log)
        return refuse("--trace is made of an access log: --log FILE names it", why, why_size);
    if (options->model && !options->log)
        return refuse("--model chooses from an access log: --log FILE names it", why, why_size);
    if (options->admin && !config_value_address(span_str(options->admin), &address, &reason)) {
        snprintf(why, why_size, "--admin \"%.60s\" %s", options->admin, reason);
        return false;
    }
    return true;
}

static enum report_end complain(const char *path, int error) {
    fprintf(stderr, "hedgerow report: %s: %s\n", path, strerror(error));
    return REPORT_FAILED;
}

/* --- of a running process --- */

static enum report_end ask(const struct report_options *options) {
    char why[600], *body = NULL;
    size_t length = 0;
    const char *target = options->json ? "/admin/report?format=json" : "/admin/report?format=text";
    if (!admin_ask(options->admin ? options->admin : ADMIN_ASK_DEFAULT, target, &body, &length, why,
                   sizeof why)) {
        fprintf(stderr, "hedgerow report: %s\n", why);
        return REPORT_FAILED;
    }
    fwrite(body, 1, length, stdout);
    heap_free(&body);
    return REPORT_DONE;
}

/* --- of a log --- */

static void print(const struct report *report, bool json) {
    size_t length;
    if (!json) {
        report_text(report, stdout);
        return;
    }
    char *text = report_json(report, &length);
    fwrite(text, 1, length, stdout);
    heap_free(&text);
}

/* Which model's rows the trace is made of; NULL, having said what to do. */
static struct log_rows *rows_for_trace(struct report_log *log) {
    if (log->report.count == 1)
        return &log->rows[0];
    fputs("hedgerow report: the log has several models, and a trace is of one: --model names it,\n"
          "one of",
          stderr);
    for (unsigned i = 0; i < log->report.count; i++)
        fprintf(stderr, " %s", log->report.models[i].name);
    fputc('\n', stderr);
    return NULL;
}

static enum report_end write_trace(struct report_log *log, const char *path) {
    struct log_rows *rows = rows_for_trace(log);
    if (!rows)
        return REPORT_USAGE;
    if (rows->many || rows->rows.count == 0) {
        fprintf(stderr, "hedgerow report: %s: %s\n", path,
                rows->many ? "the log has more backends or attempts than a replay takes; split it"
                           : "the log has no attempt that came to a first token");
        return REPORT_FAILED;
    }
    FILE *out = fopen(path, "w");
    if (!out)
        return complain(path, errno);
    if (!rows->settled)
        log_rows_settle(rows, TRACE_SEED);
    log_rows_write(rows, out);
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed)
        return complain(path, errno);
    fprintf(stderr, "%s: %zu requests", path, rows->rows.requests);
    if (rows->drawn)
        fprintf(stderr,
                "; %" PRIu64 " attempts were cut off: their times are drawn from longer ones",
                rows->drawn);
    fputc('\n', stderr);
    return REPORT_DONE;
}

static enum report_end read_log(struct report_log *log, const char *path) {
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(path, "r");
    if (!in)
        return complain(path, errno);
    log->name = is_stdin ? "stdin" : path;
    int error = report_log_read(log, in);
    if (!is_stdin)
        fclose(in);
    if (error)
        return complain(log->name, -error);
    if (log->report.count > 0)
        return REPORT_DONE;
    fprintf(stderr, "hedgerow report: %s: no request%s%s was sent to a backend\n", log->name,
            log->only.n ? " for " : "", log->only.n ? log->only.p : "");
    return REPORT_FAILED;
}

static enum report_end tell_log(const struct report_options *options, struct report_log *log) {
    enum report_end end = read_log(log, options->log);
    if (end != REPORT_DONE)
        return end;
    if (options->trace)
        end = write_trace(log, options->trace);
    if (end == REPORT_USAGE)
        return end;
    report_log_replay(log);
    print(&log->report, options->json);
    return end;
}

enum report_end report_command_main(const struct report_options *options) {
    if (!options->log)
        return ask(options);
    struct report_log log = {
        .talk = stderr, .only = span_str(options->model), .keep_rows = options->trace != NULL};
    enum report_end end = tell_log(options, &log);
    report_log_free(&log);
    return end;
}
