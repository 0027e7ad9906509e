/* dialect_openai_completions.c - OpenAI's /v1/completions, the old ones: a text goes on. Its parts
 * are in openai_completions.h. No request of another dialect can be sent to it. (pure) */
#include "providers/openai_completions.h"

const struct dialect dialect_openai_completions = {
    .name = "openai-completions",
    .comments = true,
    .read_request = openai_completions_read_request,
    .edit_request = openai_chat_edit_request,
    .read_prompt = openai_completions_read_prompt,
    .reader_init = openai_chat_reader_init,
    .read_event = openai_completions_read_event,
    .read_end = openai_chat_read_end,
    .read_body = openai_completions_read_body,
    .read_error = openai_read_error,
    .writer_init = openai_completions_writer_init,
    .write_event = openai_completions_write_event,
    .write_done = openai_completions_write_done,
    .collect = openai_completions_collect,
    .write_body = openai_completions_write_body,
    .write_error = openai_write_error,
    .write_error_event = openai_write_error_event,
};
