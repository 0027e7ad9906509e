/* openai_completions.h - what the files of the completions dialect share; not for others, who use
 * dialect_openai_completions. (pure)
 *
 *   openai_completions.c         requests: to edit, and as a canonical prompt
 *   openai_completions_write.c   canonical events -> a client's stream or whole body
 *
 * Requests and answers are read by the files of the chat dialect, which share all but the inside of
 * a choice (openai_chat.h, enum openai_form). Formats: OpenAI API specification 2.3.0:
 * CreateCompletionRequest and its -Response. */
#ifndef HEDGEROW_PROVIDERS_OPENAI_COMPLETIONS_H
#define HEDGEROW_PROVIDERS_OPENAI_COMPLETIONS_H

#include "providers/openai_chat.h"

/* Contracts in dialect.h. */
int openai_completions_read_request(struct span body, struct arena *arena, struct chat_request *req,
                                    struct span *why, struct span *param);
int openai_completions_read_prompt(const struct chat_request *req, struct arena *arena,
                                   struct chat_prompt *prompt, struct span *why,
                                   struct span *param);
enum chat_relay openai_completions_read_event(struct chat_reader *, struct span name,
                                              struct span data, struct chat_sink sink);
void openai_completions_read_body(struct chat_reader *, struct span body, struct chat_sink sink);
void openai_completions_writer_init(struct chat_writer *, struct arena *arena,
                                    const struct chat_request *req);
void openai_completions_write_event(struct chat_writer *, const struct chat_event *event,
                                    struct json_out *out);
void openai_completions_write_done(struct chat_writer *, const struct chat_reader *reader,
                                   struct json_out *out);
void openai_completions_collect(struct chat_writer *, const struct chat_event *event);
void openai_completions_write_body(struct chat_writer *, struct json_out *out);

#endif
