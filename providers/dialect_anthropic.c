/* dialect_anthropic.c - Anthropic's /v1/messages, spoken by Anthropic, Vertex, Foundry and others; its
 * parts are in anthropic.h. (pure) */
#include "providers/anthropic.h"

const struct dialect dialect_anthropic = {
    .name = "anthropic",
    .named_events = true,
    .comments = true,
    .read_request = anthropic_read_request,
    .edit_request = anthropic_edit_request,
    .read_prompt = anthropic_read_prompt,
    .write_prompt = anthropic_write_prompt,
    .reader_init = anthropic_reader_init,
    .read_event = anthropic_read_event,
    .read_end = anthropic_read_end,
    .read_body = anthropic_read_body,
    .read_error = anthropic_read_error,
    .writer_init = anthropic_writer_init,
    .write_event = anthropic_write_event,
    .write_done = anthropic_write_done,
    .resume = anthropic_resume,
    .collect = anthropic_collect,
    .merge = anthropic_merge,
    .write_body = anthropic_write_body,
    .write_error = anthropic_write_error,
    .write_error_event = anthropic_write_error_event,
};
