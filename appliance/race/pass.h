/* pass.h - requests that are passed through: other /v1 paths (files, images, audio, batches ...) go to
 * one provider, unhedged, streamed both ways whatever their size.
 *
 *   begin -> [connection] -> head and body upward -> head and body downward -> the end of both
 *
 * Only the framing, the credential and what belongs to one connection is changed; a JSON body that
 * names a configured model is read whole, so that it goes to the model's first backend under the
 * name that it has there. Back-pressure holds in both directions: at most one turn's bytes and one
 * output queue wait. */
#ifndef HEDGEROW_APPLIANCE_RACE_PASS_H
#define HEDGEROW_APPLIANCE_RACE_PASS_H

#include "appliance/race/config.h"
#include "net/pool.h"

struct exchange;

struct pass {
    struct exchange *exchange; /* owner; the pass lives in its arena, and holds it while started */
    const struct config_provider *provider;
    struct stream *upstream; /* NULL before the connection and once gone */
    struct pool_ask ask;
    struct defer later; /* a connection that failed inside pass_begin is told from the loop */
    struct timer idle;
    struct http_head head;   /* of the request, as it goes up */
    struct span rest;        /* of its target, behind /v1 */
    struct json_out waiting; /* body that came before the connection did; bytes, not JSON */
    bool sent;               /* the head went up */
    bool streamed;           /* body bytes went up that are not in `waiting` */
    bool asked_again;        /* a dead reused connection was replaced once */
    bool body_whole;         /* the client's message is whole */
    bool answered;           /* the response's head went down */
    bool over;               /* how it ended was told */
    enum fail why;
    unsigned status; /* of the provider's response; 0: none came */
};

/* May a request be passed on, judged by its head? Finds the provider and begins, or refuses. A JSON body
 * of a known, allowed size is awaited instead: pass_begin_json comes when it is whole. */
void pass_open(struct exchange *, const struct http_head *head);
/* The JSON body is whole. */
void pass_begin_json(struct exchange *);
/* The client's stream, once there is a pass. */
void pass_body(struct exchange *, struct span bytes);
void pass_end(struct exchange *);
void pass_room(struct exchange *);
void pass_gone(struct exchange *);
/* Stops its clock; when the exchange is freed. */
void pass_fini(struct exchange *);

#endif
