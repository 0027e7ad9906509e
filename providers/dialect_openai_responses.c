/* dialect_openai_responses.c - OpenAI's /v1/responses; its parts are in openai_responses.h. (pure) */
#include "providers/openai_chat.h"
#include "providers/openai_responses.h"

const struct dialect dialect_openai_responses = {
    .name = "openai-responses",
    .named_events = true,
    .comments = true,
    .read_request = openai_responses_read_request,
    .edit_request = openai_responses_edit_request,
    .read_prompt = openai_responses_read_prompt,
    .write_prompt = openai_responses_write_prompt,
    .reader_init = openai_responses_reader_init,
    .read_event = openai_responses_read_event,
    .read_end = openai_responses_read_end,
    .read_body = openai_responses_read_body,
    .read_error = openai_read_error,
    .writer_init = openai_responses_writer_init,
    .write_event = openai_responses_write_event,
    .write_done = openai_responses_write_done,
    .resume = openai_responses_resume,
    .collect = openai_responses_collect,
    .merge = openai_responses_merge,
    .write_body = openai_responses_write_body,
    .write_error = openai_write_error,
    .write_error_event = openai_responses_write_error_event,
};
