/* config_report.c - what is wrong with a configuration file.
 *
 * Owns:     the texts until config_report_fini.
 * Promises: one line each, sorted by place; two reports on one place stay in the order they were
 *           made. */
#include "appliance/control/config_report.h"

#include <stdarg.h>
#include <string.h>

#include "core/heap.h"

/* Longer texts are cut: names are bounded, so this is room enough for every sentence of ours. */
#define PROBLEM_TEXT_MAX 1024

void config_report_init(struct config_report *report, const char *path) {
    *report = (struct config_report){.path = heap_text(path, strlen(path))};
}

void config_report_fini(struct config_report *report) {
    for (int severity = CONFIG_ERROR; severity <= CONFIG_WARNING; severity++)
        for (unsigned i = 0; i < CONFIG_PROBLEMS_MAX; i++)
            heap_free(&report->problems[severity][i].text);
    heap_free(&report->path);
    memset(report->counts, 0, sizeof report->counts);
}

void config_report_add(struct config_report *report, enum config_severity severity, unsigned line,
                       unsigned column, const char *format, ...) {
    unsigned at = report->counts[severity]++;
    if (at >= CONFIG_PROBLEMS_MAX)
        return;
    char text[PROBLEM_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    report->problems[severity][at] = (struct config_problem){
        .line = line, .column = column, .text = heap_text(text, strlen(text))};
}

/* Does the problem `a` stand before `b` in the file? */
static bool stands_before(const struct config_problem *a, const struct config_problem *b) {
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

static void write_one(const struct config_report *report, enum config_severity severity,
                      const struct config_problem *problem, FILE *out) {
    fprintf(out, "%s:", report->path);
    if (problem->line)
        fprintf(out, "%u:%u:", problem->line, problem->column);
    fprintf(out, " %s%s\n", severity == CONFIG_WARNING ? "warning: " : "", problem->text);
}

static void write_all(const struct config_report *report, enum config_severity severity,
                      FILE *out) {
    const struct config_problem *sorted[CONFIG_PROBLEMS_MAX];
    unsigned kept = (unsigned)min_u64(report->counts[severity], CONFIG_PROBLEMS_MAX);
    for (unsigned i = 0; i < kept; i++) {
        unsigned at = i;
        /* Insertion keeps equal places in order, which qsort does not promise. */
        for (; at > 0 && stands_before(&report->problems[severity][i], sorted[at - 1]); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &report->problems[severity][i];
    }
    for (unsigned i = 0; i < kept; i++)
        write_one(report, severity, sorted[i], out);
    if (report->counts[severity] > kept)
        fprintf(out, "%s: and %u more %s\n", report->path, report->counts[severity] - kept,
                severity == CONFIG_ERROR ? "errors" : "warnings");
}

void config_report_write(const struct config_report *report, FILE *out) {
    write_all(report, CONFIG_WARNING, out);
    write_all(report, CONFIG_ERROR, out);
}
