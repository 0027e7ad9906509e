/* dialect_converse.c - Amazon Bedrock's Converse and ConverseStream, the provider's side of it; its
 * parts are in converse.h. (pure) */
#include "providers/converse.h"

const struct dialect dialect_converse = {
    .name = "converse",
    .write_prompt = converse_write_prompt,
    .reader_init = converse_reader_init,
    .read_event = converse_read_event,
    .read_end = converse_read_end,
    .read_body = converse_read_body,
    .read_error = converse_read_error,
};
