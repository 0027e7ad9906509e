/* openai_responses_carry.c - how reasoning of other makers travels through a Responses client. (pure)
 *
 *     "encrypted_content": "hedgerow.anthropic.EqQBCg.."
 *
 * A Responses client gives reasoning items back whole, and the one member in them that is nobody's to
 * read is encrypted_content. So a signature goes out in it, marked with its maker, and comes back for
 * him. Reasoning without a signature is marked too: OpenAI's own backends refuse reasoning that they
 * did not make, and by the mark it is known and left out (openai_responses_request.c).
 *
 * Promises: what was carried out is read back byte by byte. */
#include "providers/openai_responses.h"

static const struct {
    struct span mark;
    enum chat_signer signer;
    bool redacted; /* the data stands for the reasoning, it does not prove it */
} rows[] = {
    {SPAN_CONST("hedgerow.none."), CHAT_SIGNER_NONE, false},
    {SPAN_CONST("hedgerow.anthropic."), CHAT_SIGNER_ANTHROPIC, false},
    {SPAN_CONST("hedgerow.anthropic-redacted."), CHAT_SIGNER_ANTHROPIC, true},
    {SPAN_CONST("hedgerow.google."), CHAT_SIGNER_GOOGLE, false},
};

struct span openai_responses_mark(enum chat_signer signer, bool redacted) {
    for (unsigned i = 0; i < countof(rows); i++)
        if (rows[i].signer == signer && rows[i].redacted == redacted)
            return rows[i].mark;
    return SPAN("");
}

bool openai_responses_carried(struct span sealed, enum chat_signer *signer, bool *redacted,
                              struct span *data) {
    for (unsigned i = 0; i < countof(rows); i++) {
        if (!span_starts(sealed, rows[i].mark))
            continue;
        *signer = rows[i].signer;
        *redacted = rows[i].redacted;
        *data = span_from(sealed, rows[i].mark.n);
        return true;
    }
    return false;
}
