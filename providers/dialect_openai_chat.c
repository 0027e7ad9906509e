/* dialect_openai_chat.c - OpenAI's /v1/chat/completions, spoken by most providers; its parts are in
 * openai_chat.h. (pure) */
#include "providers/openai_chat.h"

const struct dialect dialect_openai_chat = {
    .name = "openai-chat",
    .comments = true,
    .read_request = openai_chat_read_request,
    .edit_request = openai_chat_edit_request,
    .read_prompt = openai_chat_read_prompt,
    .write_prompt = openai_chat_write_prompt,
    .reader_init = openai_chat_reader_init,
    .read_event = openai_chat_read_event,
    .read_end = openai_chat_read_end,
    .read_body = openai_chat_read_body,
    .read_error = openai_read_error,
    .writer_init = openai_chat_writer_init,
    .write_event = openai_chat_write_event,
    .write_done = openai_chat_write_done,
    .collect = openai_chat_collect,
    .write_body = openai_chat_write_body,
    .write_error = openai_write_error,
    .write_error_event = openai_write_error_event,
};
