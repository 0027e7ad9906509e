/* play.c - a simulated answer in time: when its head, its events and its end go out, and where a
 * fault breaks it; see cloud.h.
 *
 *     request complete                                   next_ns           + interval
 *          |<------------- first-token time ------------->|                 |
 *          |            head_ns: head, preface, role      piece 0           piece 1 ... finish,
 *          usage, done
 *
 * Without head_delay the head goes out together with the first piece. */
#include "bench/vendor.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    POUR_BYTES = 64 << 10,               /* of a file at a time */
    PLAY_AHEAD_BYTES = 256 << 10,        /* unsent output that stops the play: a slow reader */
    RESET_AFTER_NS = 5 * UNITS_NS_PER_MS /* lets the head arrive before the reset overtakes it */
};

static const size_t NEVER = SIZE_MAX;

static const struct sim_tune *tune_of(const struct peer *p) { return &p->cloud->config->tune; }

/* One die decides among all faults, so that the shares add up. */
static enum sim_fault draw_fault(struct peer *p, struct dice *dice) {
    struct sim_tune *tune = &p->cloud->config->tune;
    double at = dice_unit(dice);
    if (tune->next.taken < tune->next.count)
        return tune->next.fault[tune->next.taken++];
    for (int i = 0; i < SIM_FAULTS; i++) {
        if (sim_fault_info[i].scope != SIM_SCOPE_REQUEST)
            continue;
        if (at < tune->faults[i])
            return (enum sim_fault)i;
        at -= tune->faults[i];
    }
    return SIM_FAULT_NONE;
}

/* ---- pieces of the stream ---- */

static void send_scratch(struct peer *p) {
    peer_body(p, bytes_at(&p->play.scratch), bytes_len(&p->play.scratch));
    bytes_clear(&p->play.scratch);
}

/* A recording has its own type; so has Gemini's stream without alt=sse. */
static const char *stream_type(const struct peer *p) {
    const struct recording *r = p->play.recording;
    if (r)
        return r->binary ? format_converse.stream_type
               : r->json ? "application/json"
                         : format_openai.stream_type;
    return p->play.ask.array ? "application/json; charset=UTF-8" : p->play.format->stream_type;
}

static void send_stream_head(struct peer *p) {
    struct bytes headers = {0};
    serving_headers(p, &headers);
    bytes_str(&headers, "Cache-Control: no-cache, must-revalidate\r\n");
    peer_head(p, 200, stream_type(p), -1, bytes_text(&headers));
    bytes_free(&headers);
    p->play.head_sent = true;
}

static void send_error_event(struct peer *p, bool late) {
    p->play.format->error_event(&p->play.answer, late, &p->play.scratch);
    send_scratch(p);
}

static void play_end(struct peer *p) {
    p->play.blocked = false;
    peer_done(p);
}

/* The connection ends inside the body: what was written goes out, the end of the body does not. */
static void play_break(struct peer *p) {
    p->framed = false;
    p->play.blocked = false;
    peer_set_state(p, PEER_CLOSING);
}

static void play_stall(struct peer *p) {
    p->play.blocked = false;
    peer_set_state(p, PEER_STALLED);
}

/* ---- where faults strike ---- */

/* Sends the head and what comes with it. Returns false when a fault ended the play there. */
static bool play_head(struct peer *p) {
    struct play *play = &p->play;
    send_stream_head(p);
    if (play->fault == SIM_FAULT_error_event) {
        send_error_event(p, false);
        play_end(p);
        return false;
    }
    if (!play->recording) {
        play->format->open(&play->answer, &play->scratch);
        send_scratch(p);
    }
    if (play->fault == SIM_FAULT_role_then_stall) {
        play_stall(p);
        return false;
    }
    if (play->fault == SIM_FAULT_reset_after_head) {
        poller_set(&p->cloud->poller, &p->alarm, poller_clock_ns() + RESET_AFTER_NS);
        return false;
    }
    return true;
}

/* The faults in the middle. */
static void play_strike(struct peer *p) {
    switch (p->play.fault) {
    case SIM_FAULT_stall: play_stall(p); return;
    case SIM_FAULT_error_event_late:
        send_error_event(p, true);
        play_end(p);
        return;
    case SIM_FAULT_garbled:
        p->play.format->garbage(&p->play.answer, &p->play.scratch);
        send_scratch(p);
        play_end(p);
        return;
    case SIM_FAULT_truncate_clean: play_end(p); return;
    default: play_break(p); return;
    }
}

static bool strikes_midway(enum sim_fault fault) {
    return fault == SIM_FAULT_stall || fault == SIM_FAULT_truncate ||
           fault == SIM_FAULT_truncate_clean || fault == SIM_FAULT_error_event_late ||
           fault == SIM_FAULT_garbled;
}

/* ---- generated streams ---- */

static void play_finish(struct peer *p) {
    struct play *play = &p->play;
    play->format->close(&play->answer, &play->scratch);
    send_scratch(p);
    serving_completed(p);
    p->cloud->stats.streams_completed++;
    play_end(p);
}

/* Rounds up to a multiple of the interval when streams are to fall due together. */
static uint64_t play_due(const struct peer *p, uint64_t due_ns) {
    const struct sim_tokens *tokens = &tune_of(p)->tokens;
    if (!tokens->align || !tokens->interval_ns)
        return due_ns;
    return (due_ns + tokens->interval_ns - 1) / tokens->interval_ns * tokens->interval_ns;
}

/* Sends all pieces that are due. */
static void play_pieces(struct peer *p) {
    struct play *play = &p->play;
    uint64_t now_ns = poller_clock_ns();
    play->blocked = false;
    while (play->at < play->answer.pieces_count && play->next_ns <= now_ns) {
        if (play->at == play->strike_at) {
            play_strike(p);
            return;
        }
        if (bytes_len(&p->wire.out) > PLAY_AHEAD_BYTES) {
            play->blocked = true;
            return;
        }
        play->format->piece(&play->answer, play->at++, &play->scratch);
        send_scratch(p);
        play->next_ns = play_due(p, play->next_ns + tune_of(p)->tokens.interval_ns);
    }
    if (play->at < play->answer.pieces_count)
        poller_set(&p->cloud->poller, &p->alarm, play->next_ns);
    else if (play->at == play->strike_at)
        play_strike(p);
    else
        play_finish(p);
}

/* ---- recordings ---- */

static void play_recording(struct peer *p) {
    const struct bytes *content = &p->play.recording->content;
    const char *data = content->data + content->start;
    size_t len = bytes_len(content);
    if (strikes_midway(p->play.fault)) {
        peer_body(p, data, len / 2);
        play_strike(p);
        return;
    }
    peer_body(p, data, len);
    p->cloud->stats.streams_completed++;
    play_end(p);
}

static void refuse_recording(struct peer *p, const char *why) {
    struct ask_error e;
    ask_error_set(&e, 404, "simulator_error", "%s", why);
    e.code = "no_recording";
    vendor_of(p->cloud->config->kind)->refuse(p, &e, "");
}

/* The recording this request asks for, by header, by metadata, or in turn. Returns false after an
 * answer that says why there is none. */
static bool choose_recording(struct peer *p) {
    const struct sim_replay *replay = &tune_of(p)->replay;
    struct recordings *all = &p->cloud->recordings;
    const char *name = peer_header(p, "x-sim-file");
    char why[256];
    p->play.recording = NULL;
    bool file = replay->file && *replay->file, folder = replay->folder && *replay->folder;
    if (!file && !folder)
        return true;
    if (!name)
        name = bytes_text(&p->play.ask.sim_file);
    p->play.recording = file ? recordings_file(all, replay->file, why, sizeof why)
                             : recordings_in(all, replay->folder, name, p->cloud->requests_seen - 1,
                                             why, sizeof why);
    if (!p->play.recording)
        refuse_recording(p, why);
    return p->play.recording;
}

/* ---- answers without stream ---- */

/* The head of a body of known length. */
static void send_whole_head(struct peer *p, size_t len) {
    struct bytes headers = {0};
    if (!p->play.format) {
        peer_head(p, p->play.prepared_status, p->play.prepared_type, (long long)len,
                  bytes_text(&p->play.headers));
        return;
    }
    serving_headers(p, &headers);
    peer_head(p, 200, "application/json", (long long)len, bytes_text(&headers));
    bytes_free(&headers);
}

static void send_whole(struct peer *p, const char *data, size_t len) {
    enum sim_fault fault = p->play.fault;
    send_whole_head(p, len);
    p->play.head_sent = true;
    switch (fault) {
    case SIM_FAULT_reset_after_head:
        poller_set(&p->cloud->poller, &p->alarm, poller_clock_ns() + RESET_AFTER_NS);
        return;
    case SIM_FAULT_role_then_stall: play_stall(p); return;
    case SIM_FAULT_stall:
        peer_body(p, data, len / 2);
        play_stall(p);
        return;
    case SIM_FAULT_truncate:
    case SIM_FAULT_truncate_clean:
    case SIM_FAULT_garbled:
        peer_body(p, data, len / 2);
        play_break(p);
        return;
    default: break;
    }
    peer_body(p, data, len);
    p->cloud->stats.answers_completed += fault == SIM_FAULT_NONE;
    serving_completed(p);
    peer_done(p);
}

static void play_whole(struct peer *p) {
    struct play *play = &p->play;
    bytes_clear(&play->scratch);
    bool error = play->fault == SIM_FAULT_error_event || play->fault == SIM_FAULT_error_event_late;
    if (error && play->format)
        play->format->error_body(&play->scratch);
    else if (play->fault == SIM_FAULT_empty_stream)
        bytes_clear(&play->scratch);
    else if (play->recording)
        bytes_add(&play->scratch, play->recording->content.data, play->recording->content.end);
    else if (!play->format)
        bytes_add(&play->scratch, bytes_text(&play->prepared), bytes_len(&play->prepared));
    else
        play->format->whole(&play->answer, &play->scratch);
    send_whole(p, bytes_at(&play->scratch), bytes_len(&play->scratch));
    bytes_clear(&play->scratch);
}

/* ---- start and steps ---- */

static void trouble(struct peer *p, enum trouble what) {
    vendor_of(p->cloud->config->kind)->trouble(p, what, "");
}

/* Faults that need no time. Returns true when the request is dealt with. */
static bool play_at_once(struct peer *p) {
    switch (p->play.fault) {
    case SIM_FAULT_rate_limit: trouble(p, TROUBLE_RATE); return true;
    case SIM_FAULT_error_500: trouble(p, TROUBLE_FAILED); return true;
    case SIM_FAULT_error_503: trouble(p, TROUBLE_UNAVAILABLE); return true;
    case SIM_FAULT_error_529: trouble(p, TROUBLE_OVERLOADED); return true;
    case SIM_FAULT_no_answer: play_stall(p); return true;
    case SIM_FAULT_reset_before_head: peer_set_state(p, PEER_RESETTING); return true;
    case SIM_FAULT_empty_stream:
        if (!p->play.format || !p->play.ask.stream)
            return false;
        send_stream_head(p);
        if (p->play.format->nothing)
            p->play.format->nothing(&p->play.scratch);
        send_scratch(p);
        play_end(p);
        return true;
    default: return false;
    }
}

static void compose(struct peer *p, const char *model) {
    const struct sim_cloud *config = p->cloud->config;
    struct answer_settings settings = {.format = p->play.format,
                                       .kind = config->kind,
                                       .obfuscation = config->obfuscation,
                                       .empty = p->play.fault == SIM_FAULT_empty_answer,
                                       .tokens = config->tune.tokens.count,
                                       .created_s = (long)time(NULL),
                                       .model = model};
    answer_compose(&p->play.answer, &p->play.ask, &settings, &p->play.dice);
}

/* When the first event falls due, and the head before it. */
static void schedule(struct peer *p, uint64_t ttft_ns) {
    struct play *play = &p->play;
    const struct sim_tune *tune = tune_of(p);
    uint64_t start_ns = play->started_ns;
    if (!play->ask.stream && play->answer.pieces_count && !play->recording)
        ttft_ns += tune->tokens.interval_ns * (play->answer.pieces_count - 1);
    play->next_ns = play_due(p, start_ns + ttft_ns);
    play->head_ns = play->next_ns;
    if (play->ask.stream && tune->head_delay_ns < ttft_ns)
        play->head_ns = start_ns + tune->head_delay_ns;
    poller_set(&p->cloud->poller, &p->alarm, play->head_ns);
}

bool play_admit(struct peer *p, const struct format *format) {
    struct play *play = &p->play;
    struct dice dice;
    dice_init(&dice, p->cloud->seed, p->cloud->requests_seen);
    enum sim_fault fault = draw_fault(p, &dice);
    if (!limit_take(&p->cloud->limit, tune_of(p)->rpm, poller_clock_ns()))
        fault = SIM_FAULT_rate_limit;
    play->format = format;
    play->recording = NULL;
    play->ttft_ns = latency_draw(&tune_of(p)->ttft, &dice);
    play->dice = dice;
    play->at = 0;
    play->pour_left = 0;
    play->head_sent = play->blocked = false;
    bytes_clear(&play->scratch);
    bytes_clear(&play->prepared);
    bytes_clear(&play->headers);
    p->wire.cut = tune_of(p)->replay.cut;
    peer_fault(p, fault);
    peer_set_state(p, PEER_ANSWERING);
    return !play_at_once(p);
}

void play_start(struct peer *p, const char *model) {
    struct play *play = &p->play;
    enum sim_fault fault = play->fault;
    if (!choose_recording(p))
        return;
    if (play->recording)
        play->answer.array = play->ask.array;
    else
        compose(p, model);
    size_t pieces = play->recording ? 0 : play->answer.pieces_count;
    /* At least one piece goes out before, so that it is a fault after the first token. */
    play->strike_at = strikes_midway(fault) ? (pieces > 1 ? (pieces + 1) / 2 : pieces) : NEVER;
    schedule(p, play->ttft_ns);
}

void play_prepared(struct peer *p, int status, const char *type) {
    p->play.prepared_status = status;
    p->play.prepared_type = type;
    p->play.ask.stream = false;
    p->play.answer.pieces_count = 0;
    schedule(p, p->play.ttft_ns);
}

/* ---- files ---- */

/* Fills the output as far as it may run ahead; peer_settle() comes back when it has left. */
static void pour_on(struct peer *p) {
    static const char block[POUR_BYTES] = "hedgerow";
    struct play *play = &p->play;
    while (play->pour_left && bytes_len(&p->wire.out) < PLAY_AHEAD_BYTES) {
        size_t len = play->pour_left < sizeof block ? (size_t)play->pour_left : sizeof block;
        peer_body(p, block, len);
        play->pour_left -= len;
    }
    play->blocked = play->pour_left > 0;
    if (play->blocked)
        return;
    p->cloud->stats.answers_completed++;
    play_end(p);
}

void play_pour(struct peer *p, uint64_t size) {
    peer_head(p, 200, "application/octet-stream", (long long)size, bytes_text(&p->play.headers));
    p->play.pour_left = size;
    p->play.head_sent = true;
    pour_on(p);
}

void play_step(struct peer *p) {
    struct play *play = &p->play;
    if (p->state != PEER_ANSWERING)
        return;
    if (play->pour_left) {
        pour_on(p);
        return;
    }
    if (play->head_sent && play->fault == SIM_FAULT_reset_after_head) {
        peer_set_state(p, PEER_RESETTING);
        return;
    }
    if (!play->ask.stream) {
        play_whole(p);
        return;
    }
    if (!play->head_sent && !play_head(p))
        return;
    if (poller_clock_ns() < play->next_ns)
        poller_set(&p->cloud->poller, &p->alarm, play->next_ns);
    else if (play->recording)
        play_recording(p);
    else
        play_pieces(p);
}

void play_free(struct play *play) {
    ask_free(&play->ask);
    answer_free(&play->answer);
    bytes_free(&play->scratch);
    bytes_free(&play->prepared);
    bytes_free(&play->headers);
}
