/* recording.h - recorded provider streams, read from files and replayed byte for byte.
 *
 *     X.sse          the bytes of the file
 *     X.bin          the same, of application/vnd.amazon.eventstream
 *     X.chunks.txt   one JSON text a line: each becomes `data: LINE`, a blank line; at the end
 *                    `data: [DONE]`
 *     other names    the bytes of the file, sent as application/json
 *
 * Owns:     the contents of the files read so far.
 * Refuses:  names that lead out of the folder, files above RECORDING_MAX bytes.
 */
#ifndef BENCH_RECORDING_H
#define BENCH_RECORDING_H

#include "bench/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORDING_MAX = 16 << 20 };

struct recording {
    char *path;  /* owned */
    bool json;   /* not a stream */
    bool binary; /* a stream of application/vnd.amazon.eventstream */
    struct bytes content;
    struct recording *next;
};

/* A zeroed one is empty. */
struct recordings {
    struct recording *first;
    char **names; /* owned: the streams of `listed`, sorted */
    size_t names_count;
    char *listed; /* owned: the folder that `names` lists */
};

/* The recording of one file (cached); NULL with a reason in error[error_size]. */
const struct recording *recordings_file(struct recordings *all, const char *path, char *error,
                                        size_t error_size);
/* The recording `name` (a relative path) of a folder; `name` "" takes its streams in turn, by
 * `turn`. */
const struct recording *recordings_in(struct recordings *all, const char *folder, const char *name,
                                      uint64_t turn, char *error, size_t error_size);
void recordings_free(struct recordings *all);

#endif
