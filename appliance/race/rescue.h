/* rescue.h - another backend in the place of a winner that stalled: does what stall.h and hedge.h
 * decide.
 *
 *     winner ends -> rescue_ready -> hedge_on_stall -> HEDGE_START: rescue_encode, rescue_started
 *                        |                                 |
 *                        | no                              v  its first content
 *                        v                            HEDGE_COMMIT: rescue_commit
 *                   hedge_on_end -> HEDGE_FAIL
 *
 * The client's stream is one answer: one id, one role, indexes that go on. So the attempt that takes
 * over writes with the writer of the one that stalled, which is made to know what was relayed as it
 * came. A client that waits for a whole body and gets an answer from the start gets that alone. */
#ifndef HEDGEROW_APPLIANCE_RACE_RESCUE_H
#define HEDGEROW_APPLIANCE_RACE_RESCUE_H

#include "appliance/race/attempt.h"
#include "appliance/race/encode.h"

/* The winner has ended before its answer was whole. Can it be gone on for? Then its writer is ready to
 * be taken over, and hedge is to be told. False: exchange->stall.why says why not. */
bool rescue_ready(struct exchange *, struct attempt *winner);
/* The request for a backend that is to go on: for the rest of the answer, or, as far as the verdict
 * allows, for another one. As encode_request. */
int rescue_encode(struct exchange *, const struct config_backend *, struct encoded **out,
                  struct span *why, struct span *field);
/* An attempt was started with it; before anything of it was read. */
void rescue_started(struct exchange *, struct attempt *);
/* It has answered: it is the winner from here on, and the client is told in a comment. */
void rescue_commit(struct exchange *, struct attempt *);
/* What the client is told of the usage when this attempt reports `usage`: of the whole answer. */
struct chat_usage rescue_usage(const struct attempt *, const struct chat_usage *usage);

#endif
