/* suppress.h - why an attempt that was due was not started. (pure) */
#ifndef HEDGEROW_APPLIANCE_RACE_SUPPRESS_H
#define HEDGEROW_APPLIANCE_RACE_SUPPRESS_H

enum suppress {
    SUPPRESS_BUDGET, /* the model's hedges have used up their share of the requests */
    SUPPRESS_COST,   /* ... of the money */
    SUPPRESS_OVERLOAD, /* this process or the backend is near its limit of requests in flight, or the core is busy */
    SUPPRESS_QUOTA,     /* the backend's rate limit has no room */
    SUPPRESS_RESIDENCY, /* the only other backends may not see this request */
    SUPPRESS_SLOWDOWN,  /* all are slow at once: more load would only feed it */
    SUPPRESS_ERRORS,    /* too many attempts fail */
    SUPPRESS_RETRIES,   /* after a failure: answers have not paid for another try */
    SUPPRESS_COUNT
};
/* "budget" "cost" "overload" "quota" "residency" "slowdown" "errors" "retries" */
const char *suppress_name(enum suppress);

#endif
