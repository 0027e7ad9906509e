/* cost.c - see cost.h. */
#include "bench/yard/cost.h"

#include <dirent.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A thread that has been still for a millisecond is taken to be done; the longest wait for that. */
enum { SETTLE_NS = 1000000, SETTLE_TRIES = 50 };

static int counter_open(pid_t thread, uint64_t event) {
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE, .size = sizeof attr, .config = event, .exclude_hv = 1};
    return (int)syscall(SYS_perf_event_open, &attr, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static double counter_read(int fd) {
    uint64_t value = 0;
    return read(fd, &value, sizeof value) == (ssize_t)sizeof value ? (double)value : 0;
}

static DIR *tasks_of(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    return opendir(path);
}

/* The next thread of the folder, 0 at its end. */
static pid_t task_next(DIR *tasks) {
    struct dirent *entry;
    while ((entry = readdir(tasks)))
        if (entry->d_name[0] != '.')
            return (pid_t)atoi(entry->d_name);
    return 0;
}

/* Counters for every thread, or none at all: half of them would be a wrong sum. */
static void counters_open(struct cost_meter *m, DIR *tasks) {
    for (pid_t thread; (thread = task_next(tasks)) && m->counting;) {
        if (m->counters == COST_COUNTERS_MAX) {
            m->counting = false;
            return;
        }
        int cycles = counter_open(thread, PERF_COUNT_HW_CPU_CYCLES);
        int instructions = counter_open(thread, PERF_COUNT_HW_INSTRUCTIONS);
        m->cycles[m->counters] = cycles;
        m->instructions[m->counters++] = instructions;
        m->counting = cycles >= 0 && instructions >= 0;
    }
}

bool cost_open(struct cost_meter *m, const char *list) {
    memset(m, 0, sizeof *m);
    m->counting = true;
    for (const char *at = list; *at && m->processes < COST_PROCESSES_MAX;) {
        char *end;
        pid_t pid = (pid_t)strtol(at, &end, 10);
        DIR *tasks = pid > 0 ? tasks_of(pid) : NULL;
        if (!tasks || (*end && *end != ',')) {
            if (tasks)
                closedir(tasks);
            return false;
        }
        m->pids[m->processes++] = pid;
        counters_open(m, tasks);
        closedir(tasks);
        at = *end ? end + 1 : end;
    }
    return m->processes > 0;
}

void cost_close(struct cost_meter *m) {
    for (unsigned i = 0; i < m->counters; i++) {
        if (m->cycles[i] >= 0)
            close(m->cycles[i]);
        if (m->instructions[i] >= 0)
            close(m->instructions[i]);
    }
    m->counters = 0;
}

/* Adds the scheduler's account of one thread; nothing when it has just ended. */
static void task_add(pid_t pid, pid_t thread, struct cost *cost) {
    char path[96];
    unsigned long long run_ns, wait_ns, slices;
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)pid, (int)thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (fscanf(file, "%llu %llu %llu", &run_ns, &wait_ns, &slices) == 3) {
        cost->cpu_ns += (double)run_ns;
        cost->wakeups += (double)slices;
    }
    fclose(file);
}

static void memory_add(pid_t pid, struct cost *cost) {
    char path[64], line[128];
    unsigned long long kib;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %llu", &kib) == 1 || sscanf(line, "RssShmem: %llu", &kib) == 1)
            cost->bytes += (double)kib * 1024;
    if (file)
        fclose(file);
}

static bool sum(struct cost_meter *m, struct cost *cost) {
    memset(cost, 0, sizeof *cost);
    for (unsigned i = 0; i < m->processes; i++) {
        DIR *tasks = tasks_of(m->pids[i]);
        if (!tasks)
            return false;
        for (pid_t thread; (thread = task_next(tasks));)
            task_add(m->pids[i], thread, cost);
        closedir(tasks);
        memory_add(m->pids[i], cost);
    }
    for (unsigned i = 0; i < m->counters && m->counting; i++) {
        cost->cycles += counter_read(m->cycles[i]);
        cost->instructions += counter_read(m->instructions[i]);
    }
    return true;
}

bool cost_read(struct cost_meter *m, struct cost *cost) {
    const struct timespec settle = {.tv_nsec = SETTLE_NS};
    struct cost before;
    if (!sum(m, cost))
        return false;
    for (int i = 0; i < SETTLE_TRIES; i++) {
        before = *cost;
        nanosleep(&settle, NULL);
        if (!sum(m, cost))
            return false;
        if (cost->cpu_ns == before.cpu_ns)
            return true;
    }
    return true;
}
