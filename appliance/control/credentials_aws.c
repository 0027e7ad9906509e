/* credentials_aws.c - the ways to AWS credentials that change: STS, containers, instances. See
 * credentials_try.h; what is sent and answered is in PROVIDERS.md 1.4. */
#include "appliance/control/credentials_try.h"
#include "core/base.h"
#include "providers/credential_read.h"

/* Six hours, the most that the metadata service gives; it is used for one try only. */
#define INSTANCE_TOKEN_TTL "21600"
/* IMDS hands out credentials that have expired during some faults of AWS, which then honours them
 * longer: they are used on for so long before there must be newer ones (botocore does it for 10 to
 * 15 minutes). */
#define EXTENDED_S 900

enum credentials_do credentials_aws_web_identity(struct credentials_try *try) {
    if (try->step > 0)
        return credentials_try_sts(try);
    struct span token = credentials_try_file(try);
    if (!token.p)
        return CREDENTIALS_FAIL;
    struct credential_form_sts form = {.role_arn = credentials_try_text(try, CREDENTIALS_ID),
                                       .session_name =
                                           credentials_try_text(try, CREDENTIALS_SESSION),
                                       .token = token};
    return credentials_try_post(try, credentials_try_text(try, CREDENTIALS_URL),
                                credential_form_sts(&form, try->arena));
}

/* ECS, EKS Pod Identity. The agent changes the token in the file. */
enum credentials_do credentials_aws_container(struct credentials_try *try) {
    if (try->step > 0)
        return credentials_try_aws(try);
    struct span token = credentials_try_text(try, CREDENTIALS_TOKEN);
    if (try->recipe->text[CREDENTIALS_FILE]) {
        token = credentials_try_file(try);
        if (!token.p)
            return CREDENTIALS_FAIL;
    }
    if (!http_is_value(token))
        return credentials_try_fail(try, "the container's authorization token cannot be sent");
    enum credentials_do what = credentials_try_get(try, credentials_try_text(try, CREDENTIALS_URL));
    credentials_try_field(try, SPAN("accept"), SPAN("application/json"));
    if (token.n)
        credentials_try_field(try, SPAN("authorization"), token);
    return what;
}

/* --- IMDSv2, and v1 where it is all there is --- */

enum { INSTANCE_TOKEN, INSTANCE_TOKEN_READ, INSTANCE_ROLE_READ, INSTANCE_READ };

static enum credentials_do ask_instance(struct credentials_try *try, struct span role) {
    struct span base = credentials_try_text(try, CREDENTIALS_URL);
    enum credentials_do what = credentials_try_get(
        try, arena_printf(try->arena, "%.*s/latest/meta-data/iam/security-credentials/%.*s",
                          (int)base.n, base.p, (int)role.n, role.p));
    if (try->kept.n)
        credentials_try_field(try, SPAN("x-aws-ec2-metadata-token"), try->kept);
    return what;
}

static enum credentials_do ask_instance_token(struct credentials_try *try) {
    struct span base = credentials_try_text(try, CREDENTIALS_URL);
    enum credentials_do what = credentials_try_get(
        try, arena_printf(try->arena, "%.*s/latest/api/token", (int)base.n, base.p));
    try->method = HTTP_PUT;
    credentials_try_field(try, SPAN("x-aws-ec2-metadata-token-ttl-seconds"),
                          SPAN(INSTANCE_TOKEN_TTL));
    return what;
}

/* The PUT is refused by what has only v1, and from inside of a container its answer gets lost at the
 * hop limit. */
static bool only_v1(const struct credentials_try *try) {
    if (try->fail != FAIL_NONE)
        return try->fail == FAIL_HEAD_TIMEOUT;
    return try->status == 403 || try->status == 404 || try->status == 405;
}

static bool is_answer(const struct credentials_try *try) {
    return try->fail == FAIL_NONE && try->status == 200;
}

static enum credentials_do read_instance_token(struct credentials_try *try) {
    if (only_v1(try) && !try->recipe->text[CREDENTIALS_ONLY_V2])
        return ask_instance(try, SPAN(""));
    if (!is_answer(try) || try->body.n == 0 || !http_is_value(try->body))
        return credentials_try_refused(try, SPAN("it has no session token"));
    try->kept = arena_copy(try->arena, try->body);
    return ask_instance(try, SPAN(""));
}

/* One line: the name of the instance's role. */
static enum credentials_do read_role(struct credentials_try *try) {
    struct span role = try->body;
    role.n = span_find(role, '\n', 0);
    role = span_trim(role);
    if (!is_answer(try) || role.n == 0 || !http_is_target(role))
        return credentials_try_refused(try, SPAN("the instance has no role"));
    return ask_instance(try, role);
}

enum credentials_do credentials_aws_instance(struct credentials_try *try) {
    switch (try->step) {
    case INSTANCE_TOKEN: return ask_instance_token(try);
    case INSTANCE_TOKEN_READ: return read_instance_token(try);
    case INSTANCE_ROLE_READ: return read_role(try);
    default: break;
    }
    enum credentials_do what = credentials_try_aws(try);
    if (what == CREDENTIALS_HAVE && try->got.expires_s && try->got.expires_s <= try->now_s)
        try->got.expires_s = try->now_s + EXTENDED_S;
    return what;
}
