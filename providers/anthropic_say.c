/* anthropic_say.c - canonical events become content blocks: which block an event belongs to. (pure)
 *
 * Blocks are a list in the order they began. In a stream only the first is open and the others wait,
 * for blocks do not interleave here, and tool calls of other dialects do:
 *
 *     call 0 "{\"a"   call 1 "{"   text "So"   call 0 "\":1}"   call 1 "}"
 *     open: 0         0, 1         0, 1, So    1, So            So
 *
 * Owns:     nothing; blocks and their text are in the writer's arena.
 * Promises: text goes to the last block of the list or a new one; input to its own tool's.
 * Refuses:  what Anthropic's clients cannot be told: media, foreign signatures, a second choice. */
#include "core/limits.h"
#include "providers/anthropic.h"

void anthropic_keep(struct chat_writer *writer, struct chat_text *text, struct span piece) {
    writer->collected_bytes += piece.n;
    if (writer->collected_bytes > ANSWER_MAX_BYTES || !chat_text_add(text, writer->arena, piece))
        writer->full = true;
}

/* --- is a tool's input whole? --- */

/* One character of the JSON text. */
static void scan_char(struct anthropic_scan *scan, char c) {
    if (scan->string) {
        if (scan->escaped)
            scan->escaped = false;
        else if (c == '\\')
            scan->escaped = true;
        else if (c == '"')
            scan->string = false;
        return;
    }
    switch (c) {
    case '"': scan->string = true; break;
    case '{':
    case '[':
        scan->depth++;
        scan->begun = true;
        break;
    case '}':
    case ']': scan->depth -= scan->depth > 0; break;
    }
}

bool anthropic_is_whole(const struct anthropic_scan *scan) {
    return scan->begun && scan->depth == 0 && !scan->string;
}

/* The character of a "\uXXXX" at raw[i], if it is of ASCII: all that has a meaning here. */
static char hex_char(struct span raw, size_t i) {
    unsigned code = 0;
    for (size_t k = i + 2; k < i + 6 && k < raw.n; k++) {
        char c = raw.p[k], lower = (char)(c | 0x20);
        code = code * 16 + (unsigned)(c >= '0' && c <= '9' ? c - '0' : lower - 'a' + 10);
    }
    return code < 0x80 ? (char)code : 'x';
}

bool anthropic_scan(struct anthropic_scan *scan, struct span raw) {
    for (size_t i = 0; i < raw.n && !anthropic_is_whole(scan); i++) {
        char c = raw.p[i];
        if (c == '\\' && i + 1 < raw.n) {
            char next = raw.p[i + 1];
            /* \n, \t and the like are white space or inside a string, where they mean nothing. */
            c = next == 'u' ? hex_char(raw, i) : next == '"' || next == '\\' ? next : ' ';
            i += next == 'u' ? 5 : 1;
        }
        scan_char(scan, c);
    }
    return anthropic_is_whole(scan);
}

/* --- ids --- */

static bool is_used(const struct anthropic_saying *own, struct span id) {
    const struct anthropic_id *used = own->ids;
    while (used && !span_eq(used->id, id))
        used = used->next;
    return used != NULL;
}

/* The id a client is told: the provider's, made fit, and unique within the answer, for some backends
 * call each of their calls call_0. */
static struct span make_id(struct chat_writer *writer, const struct chat_event *event) {
    struct anthropic_saying *own = writer->own;
    struct arena *arena = writer->arena;
    char text[CHAT_CALL_ID_BYTES];
    struct span answer = writer->answer.id.n ? writer->answer.id : writer->id;
    struct span raw = event->id.n ? event->id : chat_call_id(answer, 0, event->tool, text);
    struct span id = chat_safe_id(arena_copy(arena, raw), ANTHROPIC_ID_MAX, arena), base = id;
    for (unsigned suffix = own->tool_count; id.p && is_used(own, id); suffix++)
        id = chat_safe_id(arena_printf(arena, "%.*s_%u", (int)base.n, base.p, suffix),
                          ANTHROPIC_ID_MAX, arena);
    struct anthropic_id *used = arena_zalloc(arena, sizeof *used);
    if (!id.p || !used) {
        writer->full = true;
        return SPAN("");
    }
    *used = (struct anthropic_id){.next = own->ids, .id = id};
    own->ids = used;
    return id;
}

/* --- blocks --- */

static struct anthropic_block *block_new(struct chat_writer *writer,
                                         enum anthropic_block_kind kind) {
    struct anthropic_saying *own = writer->own;
    struct anthropic_block *block = own->spare;
    if (block) {
        own->spare = block->next;
        *block = (struct anthropic_block){.text = block->text, .signature = block->signature};
    } else {
        block = arena_zalloc(writer->arena, sizeof *block);
        writer->collected_bytes += sizeof *block; /* a hostile stream is cut into many */
    }
    if (!block || writer->collected_bytes > ANSWER_MAX_BYTES) {
        writer->full = true;
        return NULL;
    }
    block->kind = kind;
    CHECK(!own->blocks || own->last);
    if (own->blocks)
        own->last->next = block;
    else
        own->blocks = block;
    own->last = block;
    return block;
}

void anthropic_block_free(struct anthropic_saying *own, struct anthropic_block *block) {
    block->text.n = 0;
    block->signature.n = 0;
    block->next = own->spare;
    own->spare = block;
}

/* The last block if it is of that kind, else a new one. */
static struct anthropic_block *block_last(struct chat_writer *writer,
                                          enum anthropic_block_kind kind) {
    struct anthropic_saying *own = writer->own;
    struct anthropic_block *last = own->blocks ? own->last : NULL;
    return last && last->kind == kind ? last : block_new(writer, kind);
}

static struct anthropic_block *tool_new(struct chat_writer *writer,
                                        const struct chat_event *event) {
    struct anthropic_saying *own = writer->own;
    if (!own->tools)
        own->tools = arena_zalloc(writer->arena, TOOL_CALLS_MAX * sizeof(struct anthropic_block *));
    if (!own->tools || own->tool_count == TOOL_CALLS_MAX || event->tool >= TOOL_CALLS_MAX) {
        writer->full = true;
        return NULL;
    }
    struct anthropic_block *block = block_new(writer, ANTHROPIC_TOOL);
    if (!block)
        return NULL;
    own->tools[event->tool] = block;
    block->tool = event->tool;
    block->id = make_id(writer, event);
    block->name = arena_copy(writer->arena, event->name);
    own->tool_count++;
    return block;
}

static struct anthropic_block *tool_of(const struct anthropic_saying *own, unsigned tool) {
    return own->tools && tool < TOOL_CALLS_MAX ? own->tools[tool] : NULL;
}

/* What follows a signature is reasoning of its own. */
static struct anthropic_block *thinking_of(struct chat_writer *writer) {
    struct anthropic_block *block = block_last(writer, ANTHROPIC_THINKING);
    return block && block->signature.n ? block_new(writer, ANTHROPIC_THINKING) : block;
}

struct anthropic_block *anthropic_block_for(struct chat_writer *writer,
                                            const struct chat_event *event) {
    bool own_signer = event->signer == CHAT_SIGNER_ANTHROPIC && !event->of_tool;
    if (event->choice > 0)
        return NULL; /* there is one answer here; a request for more was refused */
    switch (event->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL: return event->text.n ? block_last(writer, ANTHROPIC_TEXT) : NULL;
    case CHAT_REASONING: return event->text.n ? thinking_of(writer) : NULL;
    case CHAT_SIGNATURE: return own_signer && event->text.n ? thinking_of(writer) : NULL;
    case CHAT_REDACTED:
        return own_signer && event->text.n ? block_new(writer, ANTHROPIC_REDACTED) : NULL;
    case CHAT_TOOL_START: return tool_new(writer, event);
    case CHAT_TOOL_ARGS: return event->text.n ? tool_of(writer->own, event->tool) : NULL;
    case CHAT_START:
    case CHAT_MEDIA:
    case CHAT_EXTRA:
    case CHAT_FINISH:
    case CHAT_USAGE:
    case CHAT_DONE:
    case CHAT_ERROR:
    case CHAT_OTHER: break;
    }
    return NULL;
}

/* --- what is said of the answer as a whole --- */

static void take_answer(struct chat_writer *writer, const struct chat_event *event) {
    struct span id = event->answer ? event->answer->id : span_of(NULL, 0);
    struct span model = event->answer ? event->answer->model : span_of(NULL, 0);
    if (event->kind == CHAT_START && !id.n && !model.n) {
        id = event->id;
        model = event->name;
    }
    if (writer->started || (!id.n && !model.n))
        return;
    writer->started = true;
    writer->answer.id = arena_copy(writer->arena, id);
    writer->answer.model = arena_copy(writer->arena, model);
}

void anthropic_take(struct chat_writer *writer, const struct chat_event *event) {
    struct anthropic_saying *own = writer->own;
    take_answer(writer, event);
    own->refused |= event->kind == CHAT_REFUSAL && event->text.n && !event->choice;
    if (event->kind == CHAT_FINISH && !event->choice) {
        own->finish = event->finish;
        writer->full |= !chat_text_set(&own->stop_sequence, writer->arena, event->text);
    }
    if (event->kind == CHAT_USAGE && event->usage.known) {
        writer->usage = event->usage;
        writer->usage.raw = span_of(NULL, 0); /* of another dialect, and not ours to keep */
    }
}
