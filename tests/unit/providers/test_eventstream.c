/* test_eventstream.c - AWS event stream framing: the vectors of three SDKs, and rows for each rule.
 * Every stream is read whole, and growing from each of its offsets. */
#include "providers/eventstream.h"

#include <dirent.h>
#include <yyjson.h>
#include <zlib.h>

#include "core/limits.h"
#include "tests/test.h"

/* --- a writer of frames, for the tests alone --- */

struct frame {
    unsigned char bytes[400000];
    size_t n;
};

static void put_u32(unsigned char *p, size_t value) {
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* A frame of these headers and payload; both checksums are right. */
static void put_frame(struct frame *f, struct span headers, struct span payload) {
    unsigned char *p = f->bytes + f->n;
    size_t total = headers.n + payload.n + 16;
    put_u32(p, total);
    put_u32(p + 4, headers.n);
    put_u32(p + 8, crc32(0, p, 8));
    if (headers.n)
        memcpy(p + 12, headers.p, headers.n);
    if (payload.n)
        memcpy(p + 12 + headers.n, payload.p, payload.n);
    put_u32(p + total - 4, crc32(0, p, (uInt)(total - 4)));
    f->n += total;
}

/* --- reading --- */

struct reading {
    unsigned messages;
    long failed; /* the last result, when it is a failure */
    size_t left; /* bytes that belong to no whole message */
    uint64_t hash;
};

static void mix(struct reading *r, struct span text) {
    r->hash = r->hash * 31 + span_hash(text) + text.n;
}

static void take(struct reading *r, const struct eventstream_message *m, long used) {
    EXPECT_EQ(m->raw.n, used);
    r->messages++;
    mix(r, m->message_type);
    mix(r, m->event_type);
    mix(r, m->exception_type);
    mix(r, m->content_type);
    mix(r, m->error_code);
    mix(r, m->error_message);
    mix(r, m->payload);
    mix(r, m->raw);
}

/* Reads what came in two parts, or with step > 0 in pieces of that size. */
static struct reading read_parts(struct span bytes, size_t cut, size_t step) {
    struct eventstream stream = {0};
    struct eventstream_message m;
    struct reading r = {0};
    size_t at = 0, end = cut;
    for (;;) {
        /* A copy without a byte to spare, so that a read behind it is seen. */
        size_t n = end - at, from = 0;
        char *copy = malloc(n ? n : 1);
        memcpy(copy, bytes.p + at, n);
        long used = 0;
        while ((used = eventstream_next(&stream, span_of(copy + from, n - from), &m)) > 0) {
            take(&r, &m, used);
            from += (size_t)used;
        }
        free(copy);
        at += from;
        r.failed = used;
        if (used < 0 || end == bytes.n)
            break;
        end = step && end + step < bytes.n ? end + step : bytes.n;
    }
    r.left = bytes.n - at;
    return r;
}

static void expect_same(const struct reading *a, const struct reading *b) {
    EXPECT_EQ(a->messages, b->messages);
    EXPECT_EQ(a->failed, b->failed);
    EXPECT_EQ(a->left, b->left);
    EXPECT(a->hash == b->hash);
}

/* Reads whole, byte by byte, and cut at every offset; all must agree. */
static struct reading read_all_ways(struct span bytes) {
    struct reading whole = read_parts(bytes, bytes.n, 0);
    struct reading slow = read_parts(bytes, 0, 1);
    expect_same(&slow, &whole);
    size_t stride = bytes.n > 6000 ? 37 : 1;
    for (size_t cut = 0; cut <= bytes.n; cut += stride) {
        struct reading parts = read_parts(bytes, cut, 0);
        expect_same(&parts, &whole);
    }
    return whole;
}

/* --- vectors --- */

static void check_vector(yyjson_val *vector) {
    yyjson_val *expect = yyjson_obj_get(vector, "expect");
    const char *file = yyjson_get_str(yyjson_obj_get(vector, "file"));
    char relative[200];
    size_t n = 0;
    if (!file)
        return; /* given as a recipe: limits_are_kept has its prelude */
    ROW("%s", file);
    snprintf(relative, sizeof relative, "fixtures/bedrock-eventstream/%s", file);
    char *bytes = test_file(test_shared(relative), &n);
    REQUIRE(bytes != NULL);
    struct reading r = read_all_ways(span_of(bytes, n));
    if (yyjson_obj_get(expect, "error")) {
        EXPECT(r.failed < 0);
        EXPECT_EQ(r.messages, 0);
        free(bytes);
        return;
    }
    struct eventstream stream = {0};
    struct eventstream_message m = {.raw = {NULL, 0}};
    EXPECT_EQ(r.failed, 0);
    EXPECT_EQ(r.messages, 1);
    EXPECT_EQ(eventstream_next(&stream, span_of(bytes, n), &m), n);
    EXPECT_BYTES(m.payload.p, m.payload.n, yyjson_get_str(yyjson_obj_get(expect, "payload")));
    const struct {
        const char *name;
        struct span got;
    } known[] = {{":message-type", m.message_type},
                 {":error-code", m.error_code},
                 {":error-message", m.error_message}};
    for (int i = 0; i < 3; i++) {
        const char *want =
            yyjson_get_str(yyjson_obj_get(yyjson_obj_get(expect, "headers"), known[i].name));
        EXPECT_BYTES(known[i].got.p, known[i].got.n, want ? want : "");
    }
    free(bytes);
}

TEST(vectors_of_botocore) {
    size_t n = 0, i, max;
    const char *path = test_shared("fixtures/bedrock-eventstream/vectors.json");
    if (!path)
        SKIP("needs ../shared");
    char *text = test_file(path, &n);
    yyjson_doc *doc = yyjson_read(text, n, 0);
    yyjson_val *vector;
    REQUIRE(doc != NULL);
    EXPECT(yyjson_arr_size(yyjson_doc_get_root(doc)) >= 16);
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, max, vector) check_vector(vector);
    yyjson_doc_free(doc);
    free(text);
}

TEST(vectors_of_other_readers) {
    static const struct {
        const char *file;
        unsigned messages;
        long failed;
        size_t left;
    } rows[] = {
        {"aws-c/message_deserializer.outgoing_application_data_no_headers_valid_fn.0.bin", 1, 0, 0},
        {"aws-c/"
         "message_deserializer.outgoing_application_one_compressed_header_pair_valid_fn.0.bin",
         1, 0, 0},
        {"aws-c/message_deserializer.outgoing_no_op_valid_fn.0.bin", 1, 0, 0},
        {"aws-c/message_serializer.incoming_application_data_no_headers_valid_fn.0.bin", 1, 0, 0},
        {"aws-c/message_serializer.incoming_application_int32_header_valid_fn.0.bin", 1, 0, 0},
        {"aws-c/message_serializer.incoming_application_one_compressed_header_pair_valid_fn.0.bin",
         1, 0, 0},
        {"aws-c/message_serializer.incoming_no_op_valid_fn.0.bin", 1, 0, 0},
        {"aws-c/message_streaming_decoder.streaming_decoder_incoming_application_no_headers_fn.0."
         "bin",
         1, 0, 0},
        {"aws-c/message_streaming_decoder.streaming_decoder_incoming_application_one_bool_header_"
         "pair_valid_fn.0.bin",
         1, 0, 0},
        {"aws-c/message_streaming_decoder.streaming_decoder_incoming_application_one_compressed_"
         "header_pair_valid_fn.0.bin",
         1, 0, 0},
        {"aws-c/message_streaming_decoder.streaming_decoder_incoming_application_one_int32_header_"
         "pair_valid_fn.0.bin",
         1, 0, 0},
        {"aws-c/message_streaming_decoder.streaming_decoder_incoming_application_variable_headers_"
         "with_empty_length_pair_valid_fn.0.bin",
         1, 0, 0},
        {"aws-c/message_streaming_decoder.streaming_decoder_incoming_illegal_header_length_"
         "relationship_fails_fn.0.bin",
         0, -FAIL_BAD_EVENT, 21},
        {"aws-c/message_streaming_decoder.streaming_decoder_incoming_message_too_short_fn.0.bin", 0,
         -FAIL_BAD_EVENT, 13},
        {"aws-c/message_streaming_decoder.streaming_decoder_incoming_multiple_messages_fn.0.bin", 2,
         0, 0},
        {"aws-c/message_streaming_decoder.streaming_decoder_incoming_no_op_valid_single_message_fn."
         "0.bin",
         1, 0, 0},
        {"agentgateway/bedrock__basic.bin", 7, 0, 0},
        {"agentgateway/bedrock__reasoning.bin", 6, 0, 0},
        {"agentgateway/bedrock__tool.bin", 12, 0, 0},
        {"agentgateway/detect__bedrock-basic.bin", 7, 0, 0},
        {"agentgateway/detect__bedrock-broken.bin", 0, -FAIL_BAD_EVENT, 189},
        {"agentgateway/detect__bedrock-invoke.bin", 9, 0, 0},
        {"generated/ok-text.bin", 6, 0, 0},
        {"generated/crc-flip-second-frame.bin", 1, -FAIL_BAD_EVENT, 786},
        {"generated/truncated-mid-frame.bin", 2, 0, 9},
    };
    if (!test_shared("fixtures/bedrock-eventstream"))
        SKIP("needs ../shared");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char relative[300];
        size_t n = 0;
        ROW("%s", rows[i].file);
        snprintf(relative, sizeof relative, "fixtures/bedrock-eventstream/%s", rows[i].file);
        char *bytes = test_file(test_shared(relative), &n);
        REQUIRE(bytes != NULL);
        struct reading r = read_all_ways(span_of(bytes, n));
        EXPECT_EQ(r.messages, rows[i].messages);
        EXPECT_EQ(r.failed, rows[i].failed);
        EXPECT_EQ(r.left, rows[i].left);
        free(bytes);
    }
}

TEST(recorded_streams) {
    char folder[4096];
    unsigned files = 0;
    struct dirent *entry;
    const char *path = test_shared("fixtures/bedrock");
    if (!path)
        SKIP("needs ../shared");
    snprintf(folder, sizeof folder, "%s", path);
    DIR *dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        char file[5000];
        size_t n = 0;
        if (!strstr(entry->d_name, ".resp.bin"))
            continue;
        ROW("%s", entry->d_name);
        snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
        char *bytes = test_file(file, &n);
        struct reading r = read_all_ways(span_of(bytes, n));
        EXPECT_EQ(r.failed, 0);
        EXPECT_EQ(r.left, 0);
        EXPECT(r.messages > 0);
        files++;
        free(bytes);
    }
    if (dir)
        closedir(dir);
    EXPECT(files >= 15);
}

/* --- rules --- */

#define STRING(length, name, value_length, value) length name "\7" value_length value

TEST(headers_are_checked) {
    static const struct {
        const char *name;
        struct span headers;
        long want; /* 0: all is well */
    } rows[] = {
        {"none", SPAN_CONST(""), 0},
        {"a string", SPAN_CONST("\1a\7\0\1x"), 0},
        {"an empty string", SPAN_CONST("\1a\7\0\0"), 0},
        {"an empty value of a known header", SPAN_CONST("\13:event-type\7\0\0"), 0},
        {"every type",
         SPAN_CONST("\1a\0\1b\1\1c\2x\1d\3xx\1e\4xxxx\1f\5xxxxxxxx\1g\6\0\2xx\1h\7\0\1x"
                    "\1i\10xxxxxxxx\1j\11xxxxxxxxxxxxxxxx"),
         0},
        {"a name without bytes", SPAN_CONST("\0\0"), -FAIL_BAD_EVENT},
        {"a name that is longer than the rest", SPAN_CONST("\5ab\0"), -FAIL_BAD_EVENT},
        {"no type behind the name", SPAN_CONST("\1a"), -FAIL_BAD_EVENT},
        {"a type that nobody knows", SPAN_CONST("\1a\12"), -FAIL_BAD_EVENT},
        {"a short number", SPAN_CONST("\1a\4xxx"), -FAIL_BAD_EVENT},
        {"a short timestamp", SPAN_CONST("\1a\10xxxxxxx"), -FAIL_BAD_EVENT},
        {"a short uuid", SPAN_CONST("\1a\11xxxxxxxxxxxxxxx"), -FAIL_BAD_EVENT},
        {"half a length", SPAN_CONST("\1a\7\0"), -FAIL_BAD_EVENT},
        {"a string that is longer than the rest", SPAN_CONST("\1a\7\0\2x"), -FAIL_BAD_EVENT},
        {"bytes that are longer than the rest", SPAN_CONST("\1a\6\1\0x"), -FAIL_BAD_EVENT},
        {"the same header twice", SPAN_CONST("\1a\0\1b\0\1a\0"), -FAIL_BAD_EVENT},
        {"a known header that is no string", SPAN_CONST("\13:event-type\0"), -FAIL_BAD_EVENT},
        {"a known header of bytes", SPAN_CONST("\13:event-type\6\0\1x"), -FAIL_BAD_EVENT},
        {"something behind the last header", SPAN_CONST("\1a\0\0"), -FAIL_BAD_EVENT},
    };
    static struct frame f;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ROW("%s", rows[i].name);
        f.n = 0;
        put_frame(&f, rows[i].headers, SPAN("{}"));
        struct reading r = read_all_ways(span_of((char *)f.bytes, f.n));
        EXPECT_EQ(r.failed, rows[i].want);
        EXPECT_EQ(r.messages, rows[i].want == 0);
    }
}

TEST(known_headers_are_told) {
    static struct frame f;
    struct eventstream stream = {0};
    struct eventstream_message m;
    put_frame(&f,
              SPAN("\17:exception-type\7\0\1x\15:content-type\7\0\2ct\15:message-type\7\0\2mt"
                   "\13:event-type\7\0\2et\13:error-code\7\0\2ec\16:error-message\7\0\2em"
                   "\13other-thing\7\0\1o"),
              SPAN("{\"p\":1}"));
    EXPECT_EQ(eventstream_next(&stream, span_of((char *)f.bytes, f.n), &m), f.n);
    EXPECT_BYTES(m.exception_type.p, m.exception_type.n, "x");
    EXPECT_BYTES(m.content_type.p, m.content_type.n, "ct");
    EXPECT_BYTES(m.message_type.p, m.message_type.n, "mt");
    EXPECT_BYTES(m.event_type.p, m.event_type.n, "et");
    EXPECT_BYTES(m.error_code.p, m.error_code.n, "ec");
    EXPECT_BYTES(m.error_message.p, m.error_message.n, "em");
    EXPECT_BYTES(m.payload.p, m.payload.n, "{\"p\":1}");
    EXPECT_MEM(m.raw.p, m.raw.n, f.bytes, f.n);
}

TEST(limits_are_kept) {
    static const struct {
        const char *name;
        size_t total, headers;
        long want; /* of the prelude alone */
    } rows[] = {
        {"the largest", SSE_EVENT_MAX, 0, 0},
        {"one byte more", SSE_EVENT_MAX + 1, 0, -FAIL_TOO_LARGE},
        {"botocore's INVALID_PAYLOAD_LENGTH", 0x1800020, 0, -FAIL_TOO_LARGE},
        {"all there is", 0xffffffff, 0, -FAIL_TOO_LARGE},
        {"the most headers", 200000, 128 * 1024, 0},
        {"one byte more of headers", 200000, 128 * 1024 + 1, -FAIL_TOO_LARGE},
        {"headers beyond everything", 16, 0xffffffff, -FAIL_TOO_LARGE},
        {"nothing", 0, 0, -FAIL_BAD_EVENT},
        {"less than a frame", 15, 0, -FAIL_BAD_EVENT},
        {"the least", 16, 0, 0},
        {"headers that just fit", 32, 16, 0},
        {"headers that do not", 32, 17, -FAIL_BAD_EVENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char prelude[12];
        struct eventstream stream = {0};
        struct eventstream_message m;
        ROW("%s", rows[i].name);
        put_u32(prelude, rows[i].total);
        put_u32(prelude + 4, rows[i].headers);
        put_u32(prelude + 8, crc32(0, prelude, 8));
        EXPECT_EQ(eventstream_next(&stream, span_of((char *)prelude, 11), &m), 0);
        EXPECT_EQ(eventstream_next(&stream, span_of((char *)prelude, 12), &m), rows[i].want);
    }
}

/* 64 headers pass, 65 do not: each is compared with all before it. */
TEST(headers_are_few) {
    static struct frame f;
    for (int count = 64; count <= 65; count++) {
        char headers[65 * 4];
        size_t n = 0;
        for (int i = 0; i < count; i++) {
            headers[n++] = 2;
            headers[n++] = (char)('a' + i / 26);
            headers[n++] = (char)('a' + i % 26);
            headers[n++] = 0;
        }
        f.n = 0;
        put_frame(&f, span_of(headers, n), SPAN(""));
        struct reading r = read_parts(span_of((char *)f.bytes, f.n), f.n, 0);
        ROW("%d", count);
        EXPECT_EQ(r.failed, count == 65 ? -FAIL_TOO_LARGE : 0);
    }
}

/* Whatever bit is flipped on the way, the message is not given. */
TEST(every_flipped_bit_is_found) {
    static struct frame f;
    put_frame(&f, SPAN("\15:message-type\7\0\5event\13:event-type\7\0\10metadata"),
              SPAN("{\"usage\":{\"inputTokens\":10}}"));
    for (size_t bit = 0; bit < f.n * 8; bit++) {
        f.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        struct reading r = read_parts(span_of((char *)f.bytes, f.n), f.n, 0);
        ROW("bit %zu", bit);
        EXPECT_EQ(r.messages, 0);
        EXPECT_EQ(r.failed, -FAIL_BAD_EVENT);
        f.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    EXPECT_EQ(read_parts(span_of((char *)f.bytes, f.n), f.n, 0).messages, 1);
}

/* Large messages among small ones; the prelude's lengths are remembered while the rest comes. */
TEST(sizes_and_pieces) {
    static struct frame f;
    static char payload[100000];
    memset(payload, 'x', sizeof payload);
    f.n = 0;
    for (size_t n = 0; n < sizeof payload; n = n * 3 + 1)
        put_frame(&f, SPAN("\13:event-type\7\0\1e"), span_of(payload, n));
    struct reading whole = read_parts(span_of((char *)f.bytes, f.n), f.n, 0);
    EXPECT_EQ(whole.messages, 12);
    EXPECT_EQ(whole.left, 0);
    static const size_t steps[] = {1009, 4096, 16384, 65536};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct reading r = read_parts(span_of((char *)f.bytes, f.n), 0, steps[i]);
        ROW("%zu", steps[i]);
        expect_same(&r, &whole);
    }
}
