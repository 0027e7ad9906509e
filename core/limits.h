/* limits.h - every bound of the data path, with its reason. Sizes are bytes unless the name says
 * otherwise. */
#ifndef HEDGEROW_CORE_LIMITS_H
#define HEDGEROW_CORE_LIMITS_H

/* Ring (PERFORMANCE.md A.2): completions must hold 4 x the sockets that can be ready in one turn.
 */
#define RING_SQ_ENTRIES 2048
#define RING_CQ_ENTRIES 16384
/* One provided buffer holds a TLS record of an SSE burst or any ordinary request head. 4096 x 4 KiB
 * = 16 MiB a worker. */
#define RING_BUF_SIZE 4096
#define RING_BUFS     4096 /* a power of two (io_uring_register_buf_ring(3)) */
/* A turn handles at most this many completions before timers and deferred work run. */
#define LOOP_BATCH_MAX 512

/* HTTP heads: the largest that any of the known SDKs sends is about 4 KiB; the setting
 * `limits.header` can lower it. */
#define HTTP_HEAD_MAX   32768
#define HTTP_FIELDS_MAX 100
/* A chunk-size line with extensions (RFC 9112 7.1.1); longer ones are an attack on parsers. */
#define HTTP_CHUNK_LINE_MAX 256
#define HTTP_TRAILER_MAX    8192

/* One SSE event: a tool call given whole, or an image part in base64, is the largest real one. */
#define SSE_EVENT_MAX (8 * 1024 * 1024)
/* JSON nesting: tool schemas reach about 20; yyjson and most servers stop at 1024 or less. */
#define JSON_DEPTH_MAX 256

/* Output that waits for a slow reader, per connection: above HIGH the producer is stopped, below
 * LOW it goes on. */
#define OUT_HIGH_BYTES (64 * 1024)
#define OUT_LOW_BYTES  (16 * 1024)
#define OUT_BLOCK_SIZE 4096

/* Blocks of an exchange's arena. */
#define ARENA_BLOCK_SIZE 8192
/* A request body; the setting `limits.body` can lower it or raise it up to this. */
#define BODY_MAX_BYTES     (256u * 1024 * 1024)
#define BODY_DEFAULT_BYTES (32u * 1024 * 1024)
/* A whole-body answer assembled from events, or an error body kept to be shown. */
#define ANSWER_MAX_BYTES     (64u * 1024 * 1024)
#define ERROR_BODY_MAX_BYTES (64 * 1024)

/* Attempts of one request, hedges and retries together. */
#define ATTEMPTS_MAX 8
/* Backends of a model, models, providers, keys, fallbacks. */
#define BACKENDS_MAX   16
#define CHOICES_MAX    128 /* `n` of the OpenAI chat dialect */
#define TOOL_CALLS_MAX 256

#define WORKERS_MAX    256
#define REQUEST_ID_MAX 128

#endif
