/* access_log.h - one JSON object a line, one line a request (INTERFACE.md "Access log"). Never a
 * key, a prompt or an answer.
 *
 * Each worker formats its lines into a ring of its own (single producer); one thread writes them
 * out. A worker never waits for a disk: when its ring is full the line is dropped and counted. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_ACCESS_LOG_H
#define HEDGEROW_APPLIANCE_CONTROL_ACCESS_LOG_H

#include "appliance/race/exchange.h"

struct access_log;
struct access_log_writer;

/* path: "-" standard output, a file to append to, or NULL for none (then nothing is formatted).
 * `writers`: how many workers. Starts the writing thread. 0 or -errno of opening the file. */
int access_log_open(struct access_log **out, const char *path, unsigned writers);
/* The ring of worker `index`; lives as long as the log. */
struct access_log_writer *access_log_writer(struct access_log *, unsigned index);
/* Puts a whole line, its end included, into the ring; the writer's worker only. False when it was
 * dropped, which is counted. Nothing when there is no log. */
bool access_log_put(struct access_log_writer *, struct span line);
/* race.finished: race->owner is the worker's access_log_writer. */
void access_log_finished(struct race *, const struct exchange *);
/* SIGUSR1: opens the path again, for log rotation. Any thread. */
void access_log_reopen(struct access_log *);
/* Lines lost: a ring was full or the file could not be written. All workers, any thread. */
uint64_t access_log_dropped(const struct access_log *);
/* Writes what is left and ends the thread. The workers have ended. A reader that does not read is
 * waited for a second at most. NULL is fine. */
void access_log_close(struct access_log **);

#endif
