/* credentials.h - credentials that change with time: obtained and refreshed in the background, on a
 * thread of its own, and handed to the workers through cells (providers/credential.h).
 *
 *   config_credentials.c --plans--> credentials_use --> sources --publish--> cells in the snapshot
 *                                                                              ^ the workers read
 *
 * Owns:     the thread with its loop and resolver, the sources, one hold on the snapshot in use.
 * Promises: a cell is written only while its snapshot is held; a request never waits for a source;
 *           a source goes on over a reload when nothing about it has changed.
 * Refuses:  nothing: a source that fails is tried again for ever, and said so. Only the snapshot in use
 *           is filled: requests that outlive a reload on an older one end with the credential it had,
 *           which was refreshed minutes before it would expire. */
#ifndef HEDGEROW_APPLIANCE_CONTROL_CREDENTIALS_H
#define HEDGEROW_APPLIANCE_CONTROL_CREDENTIALS_H

#include "appliance/control/credentials_source.h"
#include "appliance/race/config.h"

struct credentials;

/* Without a thread yet: that is made when the first configuration wants it. */
struct credentials *credentials_new(void);
/* Makes the snapshot's cells the ones that are filled, instead of those of the snapshot before, and
 * waits up to wait_ns until each of its sources has ended its first try, well or not. Where a source
 * has a value already, the cells have it on return. Takes a hold of the snapshot
 * (config_hold_take) until the next call; so the caller is the main thread, before the workers see
 * it. 0, or -errno when the thread cannot be made. */
int credentials_use(struct credentials *, struct config *config, uint64_t wait_ns);
/* Ends the thread, lets go of the snapshot, frees everything. NULL is fine. */
void credentials_free(struct credentials **);

/* What is known of the credential of one provider. */
struct credentials_row {
    char *provider;  /* owned */
    const char *way; /* credentials_way_text */
    enum credentials_state state;
    int64_t expires_s;             /* 0: never, or there is none */
    uint64_t got, failed;          /* tries of its source */
    char why[CREDENTIALS_WHY_MAX]; /* of the last try when it failed, else "" */
};
/* Rows of all providers of the snapshot in use whose credential changes, in its order; *count of
 * them, NULL for none. Any thread; NULL credentials have none. */
struct credentials_row *credentials_rows(struct credentials *, unsigned *count);
void credentials_rows_free(struct credentials_row **rows, unsigned count);

#endif
