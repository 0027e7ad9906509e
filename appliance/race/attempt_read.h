/* attempt_read.h - what comes from a provider: bytes into events, events to the race and, once the
 * attempt is committed, to the client. For attempt.c alone. */
#ifndef HEDGEROW_APPLIANCE_RACE_ATTEMPT_READ_H
#define HEDGEROW_APPLIANCE_RACE_ATTEMPT_READ_H

#include "appliance/race/attempt.h"

/* Body bytes in state STREAMING; valid during the call. May end the attempt. */
void attempt_read_stream(struct attempt *, struct span bytes);
/* The message is whole: an event that lacks its empty line is read too. Ends the attempt. */
void attempt_finish_stream(struct attempt *);
/* Body bytes in state COLLECTING, and the end of the message. */
void attempt_read_body(struct attempt *, struct span bytes);
void attempt_finish_body(struct attempt *);

/* --- attempt.c, for attempt_read.c --- */

/* Settles how it ended and reports it. */
void attempt_end(struct attempt *, enum fail why);
/* The response was not of status 2xx. */
bool attempt_failed_status(const struct attempt *);

#endif
