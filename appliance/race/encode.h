/* encode.h - the client's request as one backend wants it: the client's own bytes with a few edits
 * where both speak the same dialect, otherwise written anew from the canonical prompt (embeddings:
 * from the client's request).
 *
 * The prompt is read once per exchange, when the first backend needs it. */
#ifndef HEDGEROW_APPLIANCE_RACE_ENCODE_H
#define HEDGEROW_APPLIANCE_RACE_ENCODE_H

#include "appliance/race/config.h"
#include "appliance/race/stall.h"
#include "net/http.h"
#include "providers/embeddings.h"

struct exchange;

/* One request body; in the exchange's arena, as long as it. */
struct encoded {
    enum provider_service service;
    const struct dialect *dialect;  /* that the backend speaks; NULL: no chat */
    bool translated;                /* it is not the client's */
    enum embeddings_api embeddings; /* of embeddings: the backend's API for them */
    struct span path;
    const struct provider_target *target;
    size_t length;             /* bytes of the body */
    struct chat_losses losses; /* what compat: lenient left out; none when not translated */
    bool goes_on;              /* it asks for the rest of an answer (prefill.h) */
    struct span lost;          /* ... without this white space at the end of what was said */
    unsigned piece_count;
    struct span pieces[]; /* the body, one behind the other */
};

/* Encodes the request for a backend into *out. 0; -FAIL_UNSUPPORTED: its API cannot express the
 * request, and *why (a sentence) and *field (the client's member, may be empty) say what;
 * -FAIL_BAD_REQUEST likewise when the request is found wrong; -FAIL_OVERLOAD. */
int encode_request(struct exchange *, const struct config_backend *, struct encoded **out,
                   struct span *why, struct span *field);
/* The same for the rest of the answer of which `said` is the beginning, text and nothing else:
 * -FAIL_UNSUPPORTED also when the backend does not go on with an unfinished turn. The request allows
 * it (stall_prompt). */
int encode_rest(struct exchange *, const struct config_backend *, const struct stall_said *said,
                struct encoded **out, struct span *why, struct span *field);
/* Reads the canonical prompt into exchange->prompt at the first need of it. As encode_request. */
int encode_prompt(struct exchange *, struct span *why, struct span *field);
/* The head that goes before it; fields that authorise it are added and the body is signed. now_s is
 * Unix time. 0, -FAIL_CREDENTIAL, -FAIL_OVERLOAD. */
int encode_head(struct exchange *, const struct config_backend *, const struct encoded *,
                int64_t now_s, struct http_head *head);

#endif
