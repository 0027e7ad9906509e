/* dialect_gemini.c - Google's generateContent and streamGenerateContent, spoken by the Gemini API and
 * Vertex AI; its parts are in gemini.h. (pure) */
#include "providers/gemini.h"

const struct dialect dialect_gemini = {
    .name = "gemini",
    .read_request = gemini_read_request,
    .edit_request = gemini_edit_request,
    .read_prompt = gemini_read_prompt,
    .write_prompt = gemini_write_prompt,
    .reader_init = gemini_reader_init,
    .read_event = gemini_read_event,
    .read_end = gemini_read_end,
    .read_body = gemini_read_body,
    .read_error = gemini_read_error,
    .writer_init = gemini_writer_init,
    .write_event = gemini_write_event,
    .write_done = gemini_write_done,
    .collect = gemini_collect,
    .merge = gemini_merge,
    .write_body = gemini_write_body,
    .write_error = gemini_write_error,
    .write_error_event = gemini_write_error_event,
};
