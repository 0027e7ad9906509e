/* test_quota.c - room in providers' limits: the operator's, over several workers and a reload, and
 * what the providers tell. */
#include "tests/test.h"

#include "appliance/race/quota.h"
#include "core/rand.h"
#include "tests/unit/race/race_fixture.h"

#define S(n)   ((uint64_t)(n)*NS_PER_S)
#define UNTOLD UINT64_MAX
#define CREW   8

static struct quota_shared shared[FIXTURE_IDS];

/* One worker's quota over the world. */
struct bench {
    struct quota quota;
    struct quota_provider providers[FIXTURE_IDS];
    struct quota_backend backends[FIXTURE_IDS];
};

static void bench_init(struct bench *bench, unsigned workers) {
    memset(bench, 0, sizeof *bench);
    quota_init(&bench->quota, &world.config, bench->providers, bench->backends, workers);
}

/* One model with `count` backends, each at a provider of its own, of kind openai. */
static struct config_model *setup(unsigned count) {
    static const char *const names[] = {"a", "b", "c", "d"};
    world_init();
    memset(shared, 0, sizeof shared);
    struct config_model *model = world_model("m");
    world_backends(model, names, count);
    for (unsigned i = 0; i < world.config.provider_count; i++) {
        world.providers[i].provider.kind = provider_kind_find(SPAN("openai"));
        world.providers[i].shared = &shared[i];
    }
    return model;
}

static struct quota_need need_of(uint64_t input, uint64_t output) {
    return (struct quota_need){.input_tokens = input, .output_tokens = output};
}

static enum quota_verdict take(struct bench *bench, const struct config_backend *backend,
                               struct quota_need need, bool spare, uint64_t now_ns,
                               struct quota_ticket *ticket) {
    uint64_t wait_ns = 0;
    *ticket = (struct quota_ticket){0};
    enum quota_verdict verdict =
        quota_take(&bench->quota, backend, need, spare, now_ns, ticket, &wait_ns);
    EXPECT(verdict == QUOTA_ROOM || wait_ns > 0);
    EXPECT_EQ(verdict == QUOTA_ROOM, ticket->provider != NULL);
    return verdict;
}

TEST(quota_need_rows) {
    static const struct {
        uint64_t input, max_output;
        unsigned choices;
        uint64_t want_input, want_output;
    } rows[] = {
        {100, 50, 1, 100, 50},
        {100, 0, 1, 100, QUOTA_OUTPUT_TOKENS},
        {100, 50, 3, 100, 150},
        {100, 50, 0, 100, 50},
        {1, UINT64_MAX, 128, 1, QUOTA_TOKENS_MAX},
        {UINT64_MAX, UINT64_MAX, UINT32_MAX, QUOTA_TOKENS_MAX, QUOTA_TOKENS_MAX},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("row %zu", i);
        struct quota_need need = quota_need_of(rows[i].input, rows[i].max_output, rows[i].choices);
        EXPECT_EQ(need.input_tokens, rows[i].want_input);
        EXPECT_EQ(need.output_tokens, rows[i].want_output);
    }
}

TEST(quota_without_limits_everything_may_start) {
    struct config_model *model = setup(1);
    static struct bench bench;
    static struct quota_ticket tickets[1000];
    world.providers[0].shared = NULL;
    bench_init(&bench, 2);
    for (size_t i = 0; i < countof(tickets); i++) {
        EXPECT(quota_has_room(&bench.quota, &model->backends[0], need_of(1000, 1000), S(1)));
        EXPECT_EQ(take(&bench, &model->backends[0], need_of(1000, 1000), i % 2, S(1), &tickets[i]),
                  QUOTA_ROOM);
        EXPECT(quota_again(&tickets[i], S(1)));
    }
    for (size_t i = 0; i < countof(tickets); i++)
        quota_end(&tickets[i], 5000, S(2));
    EXPECT_EQ(bench.backends[0].told[RATELIMIT_TOKENS].unheard, 0);
}

TEST(quota_limits_without_shared_memory_are_our_mistake) {
    setup(1);
    static struct bench bench;
    world.providers[0].limit_rpm = 5;
    world.providers[0].shared = NULL;
    EXPECT_ABORT(bench_init(&bench, 1));
}

TEST(quota_of_a_held_ticket_is_our_mistake) {
    struct config_model *model = setup(1);
    static struct bench bench;
    bench_init(&bench, 1);
    struct quota_ticket ticket = {0};
    uint64_t wait_ns;
    quota_take(&bench.quota, &model->backends[0], need_of(1, 1), false, S(1), &ticket, &wait_ns);
    EXPECT_ABORT(quota_take(&bench.quota, &model->backends[0], need_of(1, 1), false, S(1), &ticket,
                            &wait_ns));
}

/* ---- the operator's limits ---- */

TEST(quota_concurrency_rows) {
    /* What firsts and hedges may have at a time. */
    static const struct {
        uint64_t limit;
        unsigned firsts, hedges;
    } rows[] = {{1, 1, 1}, {3, 3, 3}, {9, 9, 9}, {10, 10, 9}, {25, 25, 23}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("limit %llu", (unsigned long long)rows[i].limit);
        struct config_model *model = setup(1);
        static struct bench two[2];
        struct quota_ticket tickets[32];
        world.providers[0].limit_concurrency = rows[i].limit;
        for (int w = 0; w < 2; w++)
            bench_init(&two[w], 2);
        unsigned hedges = 0;
        while (take(&two[hedges % 2], &model->backends[0], need_of(1, 1), true, S(1),
                    &tickets[hedges]) == QUOTA_ROOM)
            hedges++;
        EXPECT_EQ(hedges, rows[i].hedges);
        EXPECT(!quota_has_spare(&two[0].quota, &model->backends[0], need_of(1, 1), S(1)));
        EXPECT_EQ(quota_has_room(&two[0].quota, &model->backends[0], need_of(1, 1), S(1)),
                  hedges < rows[i].firsts);
        unsigned all = hedges;
        while (take(&two[all % 2], &model->backends[0], need_of(1, 1), false, S(1),
                    &tickets[all]) == QUOTA_ROOM)
            all++;
        EXPECT_EQ(all, rows[i].firsts);
        EXPECT(!quota_has_room(&two[0].quota, &model->backends[0], need_of(1, 1), S(1)));
        quota_end(&tickets[0], 2, S(1));
        quota_end(&tickets[0], 2, S(1)); /* an empty ticket: nothing happens */
        EXPECT(quota_has_room(&two[1].quota, &model->backends[0], need_of(1, 1), S(1)));
        quota_put(&tickets[1 % all], S(1));
        for (unsigned k = 2; k < all; k++)
            quota_end(&tickets[k], 2, S(1));
        EXPECT_EQ(shared[0].in_flight, 0);
        EXPECT_EQ(two[0].providers[0].denied[QUOTA_CONCURRENCY] +
                      two[1].providers[0].denied[QUOTA_CONCURRENCY],
                  2);
    }
}

TEST(quota_pass_counts_with_attempts) {
    struct config_model *model = setup(1);
    static struct bench bench;
    world.providers[0].limit_concurrency = 2;
    world.providers[0].limit_rpm = 600;
    bench_init(&bench, 1);
    struct quota_ticket attempt, pass = {0}, more = {0};
    uint64_t wait_ns;
    EXPECT_EQ(take(&bench, &model->backends[0], need_of(1, 1), false, S(1), &attempt), QUOTA_ROOM);
    EXPECT_EQ(quota_take_pass(&bench.quota, &world.providers[0], S(1), &pass, &wait_ns),
              QUOTA_ROOM);
    EXPECT_EQ(quota_take_pass(&bench.quota, &world.providers[0], S(1), &more, &wait_ns),
              QUOTA_CONCURRENCY);
    EXPECT_EQ(wait_ns, QUOTA_SLOT_WAIT_NS);
    struct ratelimit told = {.of = {{.known = true}}};
    quota_heard(&pass, &told, S(1)); /* it belongs to no backend */
    quota_end(&pass, 0, S(1));
    quota_end(&attempt, 0, S(1));
    EXPECT_EQ(shared[0].in_flight, 0);
}

/* Attempts of several workers that start, fail, are sent again, end; ticks; and a reload in the
 * middle, after which old attempts go on. At no time more than `concurrency` run, in no minute more
 * than rpm and a tenth are sent. */
struct play {
    struct bench workers[CREW], after[CREW];
    struct quota_ticket running[64];
    unsigned running_count, worker_count;
    uint64_t sent_at_ns[100000];
    unsigned sent;
};
static struct play play;

static void note_sent(uint64_t now_ns) {
    CHECK(play.sent < countof(play.sent_at_ns));
    play.sent_at_ns[play.sent++] = now_ns;
}

static unsigned worst_minute(void) {
    unsigned worst = 0;
    for (unsigned from = 0, to = 0; to < play.sent; to++) {
        while (play.sent_at_ns[to] - play.sent_at_ns[from] > S(60))
            from++;
        worst = to - from + 1 > worst ? to - from + 1 : worst;
    }
    return worst;
}

static void end_one(struct rand *rand, uint64_t now_ns) {
    if (play.running_count == 0)
        return;
    unsigned i = (unsigned)rand_below(rand, play.running_count);
    if (rand_below(rand, 10) == 0 && quota_again(&play.running[i], now_ns))
        note_sent(now_ns);
    quota_end(&play.running[i], rand_below(rand, 3000), now_ns);
    play.running[i] = play.running[--play.running_count];
}

static void start_one(struct bench *bench, const struct config_backend *backend, struct rand *rand,
                      uint64_t now_ns) {
    struct quota_ticket ticket;
    struct quota_need need = need_of(rand_below(rand, 500), rand_below(rand, 500));
    bool spare = rand_below(rand, 4) == 0;
    if (play.running_count == countof(play.running) ||
        take(bench, backend, need, spare, now_ns, &ticket) != QUOTA_ROOM)
        return;
    if (rand_below(rand, 20) == 0) {
        quota_put(&ticket, now_ns);
        return;
    }
    note_sent(now_ns);
    play.running[play.running_count++] = ticket;
    EXPECT(!world.providers[0].limit_concurrency ||
           play.running_count <= world.providers[0].limit_concurrency);
}

static void play_minutes(struct rand *rand, const struct config_backend *backend) {
    uint64_t now_ns = S(100), reload_ns = now_ns + rand_below(rand, S(120));
    uint64_t pause_ns = S(60) / world.providers[0].limit_rpm;
    struct bench *benches = play.workers;
    for (; now_ns < S(260) && play.sent < countof(play.sent_at_ns) - 2;
         now_ns += rand_below(rand, pause_ns)) {
        unsigned w = (unsigned)rand_below(rand, play.worker_count);
        uint64_t die = rand_below(rand, 20);
        if (die < 12)
            start_one(&benches[w], backend, rand, now_ns);
        else if (die < 19)
            end_one(rand, now_ns);
        else
            quota_tick(&benches[w].quota);
        if (now_ns < reload_ns || benches == play.after)
            continue;
        for (w = 0; w < play.worker_count; w++)
            quota_retire(&play.workers[w].quota);
        benches = play.after;
    }
    while (play.running_count)
        end_one(rand, now_ns);
}

TEST(quota_holds_over_workers_and_a_reload) {
    static const uint64_t rates[] = {5, 60, 600, 6000};
    struct rand rand;
    rand_init(&rand, 99);
    for (int round = 0; round < 60; round++) {
        struct config_model *model = setup(1);
        memset(&play, 0, sizeof play);
        play.worker_count = 1 + (unsigned)rand_below(&rand, CREW);
        world.providers[0].limit_rpm = rates[rand_below(&rand, countof(rates))];
        world.providers[0].limit_concurrency = rand_below(&rand, 2) ? 1 + rand_below(&rand, 20) : 0;
        world.providers[0].limit_tpm = rand_below(&rand, 2) ? 50000 : 0;
        for (unsigned w = 0; w < play.worker_count; w++) {
            bench_init(&play.workers[w], play.worker_count);
            bench_init(&play.after[w], play.worker_count);
        }
        ROW("round %d: %u workers, rpm %llu, concurrency %llu, tpm %llu", round, play.worker_count,
            (unsigned long long)world.providers[0].limit_rpm,
            (unsigned long long)world.providers[0].limit_concurrency,
            (unsigned long long)world.providers[0].limit_tpm);
        play_minutes(&rand, &model->backends[0]);
        uint64_t rpm = world.providers[0].limit_rpm;
        EXPECT(worst_minute() <= rpm + max_u64(1, rpm / 10));
        EXPECT(play.sent > 0);
        EXPECT_EQ(shared[0].in_flight, 0);
        for (unsigned q = 0; q < RATELIMIT_QUANTITIES; q++)
            for (unsigned w = 0; w < play.worker_count; w++)
                EXPECT_EQ(play.workers[w].backends[0].told[q].unheard +
                              play.after[w].backends[0].told[q].unheard,
                          0);
    }
}

TEST(quota_waits_as_long_as_it_says) {
    struct config_model *model = setup(1);
    static struct bench bench;
    world.providers[0].limit_rpm = 30; /* three at once, one in two seconds */
    bench_init(&bench, 1);
    struct quota_ticket ticket = {0};
    uint64_t wait_ns = 0;
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(take(&bench, &model->backends[0], need_of(1, 1), false, S(5), &ticket),
                  QUOTA_ROOM);
    ticket = (struct quota_ticket){0};
    EXPECT_EQ(quota_take(&bench.quota, &model->backends[0], need_of(1, 1), false, S(5), &ticket,
                         &wait_ns),
              QUOTA_RPM);
    EXPECT_EQ(wait_ns, S(2));
    EXPECT_EQ(shared[0].in_flight, 3); /* the slot was given back */
    EXPECT_EQ(bench.providers[0].denied[QUOTA_RPM], 1);
    EXPECT(!quota_has_room(&bench.quota, &model->backends[0], need_of(1, 1), S(7) - 1));
    EXPECT(quota_has_room(&bench.quota, &model->backends[0], need_of(1, 1), S(7)));
}

TEST(quota_tokens_are_set_right_at_the_end) {
    struct config_model *model = setup(1);
    static struct bench bench;
    world.providers[0].limit_tpm = 60000; /* 6000 at once, 1000 a second */
    world.providers[0].limit_rpm = 600000;
    bench_init(&bench, 0);
    const struct config_backend *backend = &model->backends[0];
    struct quota_ticket ticket, other;
    EXPECT_EQ(take(&bench, backend, need_of(1000, 4000), false, S(5), &ticket), QUOTA_ROOM);
    uint64_t requests_ns = shared[0].requests.full_at_ns;
    EXPECT_EQ(take(&bench, backend, need_of(1000, 1000), false, S(5), &other), QUOTA_TPM);
    EXPECT_EQ(shared[0].in_flight, 1);
    EXPECT_EQ(shared[0].requests.full_at_ns, requests_ns); /* all of it was given back */
    /* It took 1500 of its 5000: 3500 are back. */
    quota_end(&ticket, 1500, S(5));
    EXPECT_NEAR((double)(shared[0].tokens.full_at_ns - S(5)), 1500e6, 5);
    /* One that takes more than was thought is charged for it. */
    EXPECT_EQ(take(&bench, backend, need_of(500, 500), false, S(5), &ticket), QUOTA_ROOM);
    quota_end(&ticket, 31000, S(5));
    EXPECT(!quota_has_room(&bench.quota, backend, need_of(1, 1), S(30)));
    EXPECT(quota_has_room(&bench.quota, backend, need_of(1, 1), S(33)));
    /* What nobody could have sent counts as a minute's worth, and comes back whole. */
    EXPECT_EQ(take(&bench, backend, need_of(QUOTA_TOKENS_MAX, 1), false, S(500), &ticket),
              QUOTA_ROOM);
    EXPECT_NEAR((double)(shared[0].tokens.full_at_ns - S(500)), (double)S(60), 2);
    quota_end(&ticket, 10, S(500));
    EXPECT_NEAR((double)(shared[0].tokens.full_at_ns - S(500)), 10e6, 5);
}

TEST(quota_put_gives_all_back) {
    struct config_model *model = setup(1);
    static struct bench bench;
    world.providers[0].limit_tpm = 10000;
    world.providers[0].limit_rpm = 10;
    world.providers[0].limit_concurrency = 1;
    bench_init(&bench, 1);
    struct quota_ticket ticket;
    for (int i = 0; i < 100; i++) {
        EXPECT_EQ(take(&bench, &model->backends[0], need_of(100, 900), false, S(1), &ticket),
                  QUOTA_ROOM);
        quota_put(&ticket, S(1));
    }
    EXPECT_EQ(shared[0].in_flight, 0);
    EXPECT(bench.providers[0].requests_lease.units == 0);
    EXPECT_EQ(bench.backends[0].told[RATELIMIT_REQUESTS].unheard, 0);
}

TEST(quota_leases_go_back) {
    struct config_model *model = setup(1);
    static struct bench bench;
    world.providers[0].limit_rpm = 6000; /* 600 at once, of which one worker leases 150 */
    bench_init(&bench, 1);
    struct quota_ticket ticket;
    const uint64_t *full_at_ns = &shared[0].requests.full_at_ns;
    take(&bench, &model->backends[0], need_of(1, 1), false, S(1), &ticket);
    EXPECT_EQ(bench.providers[0].requests_lease.units, 150);
    EXPECT_EQ(*full_at_ns - S(1), 151 * MS(10));
    quota_tick(&bench.quota);
    EXPECT_EQ(bench.providers[0].requests_lease.units, 0);
    EXPECT_EQ(*full_at_ns - S(1), MS(10));
    take(&bench, &model->backends[0], need_of(1, 1), false, S(1), &ticket);
    quota_retire(&bench.quota);
    EXPECT_EQ(*full_at_ns - S(1), 2 * MS(10));
    take(&bench, &model->backends[0], need_of(1, 1), false, S(1), &ticket);
    EXPECT_EQ(bench.providers[0].requests_lease.units, 0);
    EXPECT_EQ(*full_at_ns - S(1), 3 * MS(10));
}

/* ---- what providers tell ---- */

static void tell(struct bench *bench, const struct config_backend *backend,
                 struct ratelimit_told requests, struct ratelimit_told tokens, uint64_t now_ns) {
    struct quota_ticket ticket;
    struct ratelimit told = {.of = {[RATELIMIT_REQUESTS] = requests, [RATELIMIT_TOKENS] = tokens}};
    take(bench, backend, need_of(0, 0), false, now_ns, &ticket);
    quota_heard(&ticket, &told, now_ns);
    quota_end(&ticket, 0, now_ns);
}

#define TOLD(l, r, reset) \
    { .known = true, .limit = (l), .remaining = (r), .reset_ns = (reset) }
#define NOT_TOLD \
    { .reset_ns = UNTOLD }

TEST(quota_told_rows) {
    /* Told at 100 s; asked later for 10 + 90 tokens: may it go there first, and as a hedge? */
    static const struct {
        const char *name;
        struct ratelimit_told requests, tokens;
        uint64_t after_ns;
        bool first, hedge;
    } rows[] = {
        {"nothing told", NOT_TOLD, NOT_TOLD, 0, true, true},
        {"plenty", TOLD(100, 90, UNTOLD), TOLD(10000, 9000, UNTOLD), 0, true, true},
        {"the last request", TOLD(100, 1, UNTOLD), NOT_TOLD, 0, true, false},
        {"no request", TOLD(100, 0, UNTOLD), NOT_TOLD, 0, false, false},
        {"a tenth and one", TOLD(100, 11, UNTOLD), NOT_TOLD, 0, true, true},
        {"a tenth", TOLD(100, 10, UNTOLD), NOT_TOLD, 0, true, false},
        {"few of an unknown limit", TOLD(0, 1, UNTOLD), NOT_TOLD, 0, true, true},
        {"the last tokens", NOT_TOLD, TOLD(10000, 100, UNTOLD), 0, true, false},
        {"too few tokens", NOT_TOLD, TOLD(10000, 99, UNTOLD), 0, false, false},
        {"tokens and a tenth", NOT_TOLD, TOLD(10000, 1100, UNTOLD), 0, true, true},
        {"tokens but no request", TOLD(100, 0, UNTOLD), TOLD(10000, 9000, UNTOLD), 0, false, false},
        {"more than ever", NOT_TOLD, TOLD(50, 50, UNTOLD), 0, false, false},
        {"refilled by half", NOT_TOLD, TOLD(10000, 0, S(60)), S(30), true, true},
        {"not refilled yet", NOT_TOLD, TOLD(10000, 0, S(60)), MS(500), false, false},
        {"refilled for a first", NOT_TOLD, TOLD(10000, 0, S(60)), S(1), true, false},
        {"reset", TOLD(100, 0, S(20)), NOT_TOLD, S(20), true, true},
        {"just before the reset, of 20", TOLD(20, 0, S(20)), NOT_TOLD, S(20) - 1, true, true},
        {"unknown limit before its reset", TOLD(0, 0, S(20)), NOT_TOLD, S(20) - 1, false, false},
        {"unknown reset, a minute on", TOLD(100, 0, UNTOLD), NOT_TOLD, S(60), true, true},
        {"unknown reset, nearly", TOLD(100, 0, UNTOLD), NOT_TOLD, S(60) - 1, false, false},
        {"a day's limit, after a while", TOLD(100, 0, S(86400)), NOT_TOLD, S(599), false, false},
        {"a day's limit is asked again", TOLD(100, 0, S(86400)), NOT_TOLD, S(600), true, true},
        {"whole at once", TOLD(100, 99, 0), NOT_TOLD, 0, true, true},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        struct config_model *model = setup(1);
        static struct bench bench;
        bench_init(&bench, 1);
        const struct config_backend *backend = &model->backends[0];
        uint64_t now_ns = S(100) + rows[i].after_ns;
        tell(&bench, backend, rows[i].requests, rows[i].tokens, S(100));
        EXPECT_EQ(quota_has_room(&bench.quota, backend, need_of(10, 90), now_ns), rows[i].first);
        EXPECT_EQ(quota_has_spare(&bench.quota, backend, need_of(10, 90), now_ns), rows[i].hedge);
        struct quota_ticket ticket;
        EXPECT_EQ(take(&bench, backend, need_of(10, 90), true, now_ns, &ticket),
                  rows[i].hedge ? QUOTA_ROOM : QUOTA_REMAINING);
        EXPECT_EQ(bench.providers[0].denied[QUOTA_REMAINING], !rows[i].hedge);
        /* Whoever has nowhere else to go may go there whatever was told. */
        EXPECT_EQ(take(&bench, backend, need_of(10, 90), false, now_ns, &ticket), QUOTA_ROOM);
    }
}

TEST(quota_told_of_input_and_output) {
    struct config_model *model = setup(1);
    static struct bench bench;
    bench_init(&bench, 1);
    const struct config_backend *backend = &model->backends[0];
    struct quota_ticket ticket;
    struct ratelimit told = {
        .of = {[RATELIMIT_INPUT] = TOLD(0, 500, UNTOLD), [RATELIMIT_OUTPUT] = TOLD(0, 80, UNTOLD)}};
    take(&bench, backend, need_of(0, 0), false, S(1), &ticket);
    quota_heard(&ticket, &told, S(1));
    EXPECT(quota_has_room(&bench.quota, backend, need_of(500, 80), S(1)));
    EXPECT(!quota_has_room(&bench.quota, backend, need_of(501, 80), S(1)));
    EXPECT(!quota_has_room(&bench.quota, backend, need_of(500, 81), S(1)));
}

TEST(quota_counts_what_was_sent_since) {
    struct config_model *model = setup(1);
    static struct bench bench;
    bench_init(&bench, 1);
    const struct config_backend *backend = &model->backends[0];
    struct quota_ticket tickets[5];
    uint64_t left;
    tell(&bench, backend, (struct ratelimit_told)TOLD(0, 5, UNTOLD),
         (struct ratelimit_told)NOT_TOLD, S(1));
    EXPECT(!quota_remaining(&bench.backends[0], RATELIMIT_TOKENS, S(1), &left));
    for (unsigned i = 0; i < 4; i++)
        take(&bench, backend, need_of(1, 1), false, S(1), &tickets[i]);
    EXPECT(quota_has_room(&bench.quota, backend, need_of(1, 1), S(1)));
    take(&bench, backend, need_of(1, 1), false, S(1), &tickets[4]);
    EXPECT(!quota_has_room(&bench.quota, backend, need_of(1, 1), S(1)));
    quota_put(&tickets[4], S(1));
    EXPECT(quota_remaining(&bench.backends[0], RATELIMIT_REQUESTS, S(1), &left));
    EXPECT_EQ(left, 1);
    /* Heads that say nothing: what was sent is missing all the same. */
    struct ratelimit silent = {0};
    quota_heard(&tickets[0], &silent, S(2));
    quota_heard(&tickets[0], &silent, S(2)); /* and once only */
    quota_end(&tickets[1], 0, S(2));
    quota_remaining(&bench.backends[0], RATELIMIT_REQUESTS, S(2), &left);
    EXPECT_EQ(left, 1);
    /* What was never sent is there again. */
    quota_put(&tickets[2], S(2));
    quota_remaining(&bench.backends[0], RATELIMIT_REQUESTS, S(2), &left);
    EXPECT_EQ(left, 2);
    /* A head tells anew; of those under way it may know or not, so they are still taken off. */
    take(&bench, backend, need_of(1, 1), false, S(3), &tickets[4]);
    struct ratelimit told = {.of = {TOLD(0, 50, UNTOLD)}};
    quota_heard(&tickets[3], &told, S(3));
    quota_remaining(&bench.backends[0], RATELIMIT_REQUESTS, S(3), &left);
    EXPECT_EQ(left, 49);
    quota_end(&tickets[3], 0, S(3));
    quota_end(&tickets[4], 0, S(3));
    quota_remaining(&bench.backends[0], RATELIMIT_REQUESTS, S(3), &left);
    EXPECT_EQ(left, 49);
    EXPECT(!quota_remaining(&bench.backends[0], RATELIMIT_REQUESTS, S(63), &left));
}

TEST(quota_inherits_what_was_told) {
    struct config_model *model = setup(1);
    static struct bench before, after;
    bench_init(&before, 1);
    bench_init(&after, 1);
    const struct config_backend *backend = &model->backends[0];
    struct quota_ticket running;
    uint64_t left = 0;
    tell(&before, backend, (struct ratelimit_told)TOLD(100, 30, UNTOLD),
         (struct ratelimit_told)NOT_TOLD, S(1));
    take(&before, backend, need_of(1, 1), false, S(1), &running);
    quota_inherit(&after.backends[0], &before.backends[0]);
    EXPECT(quota_remaining(&after.backends[0], RATELIMIT_REQUESTS, S(1), &left));
    EXPECT_EQ(left, 29);
    quota_end(&running, 1, S(1));
    EXPECT(quota_remaining(&after.backends[0], RATELIMIT_REQUESTS, S(1), &left));
    EXPECT_EQ(left, 29);
    EXPECT_EQ(after.backends[0].dialect, RATELIMIT_PLAIN);
}

TEST(quota_verdicts_have_names) {
    for (unsigned i = 0; i < QUOTA_VERDICTS; i++)
        for (unsigned k = 0; k < i; k++)
            EXPECT(strcmp(quota_verdict_name((enum quota_verdict)i),
                          quota_verdict_name((enum quota_verdict)k)) != 0);
    uint64_t sum[QUOTA_VERDICTS] = {1};
    quota_merge_denied(sum, (uint64_t[QUOTA_VERDICTS]){[QUOTA_RPM] = 4, [QUOTA_REMAINING] = 2});
    EXPECT_EQ(sum[QUOTA_ROOM] + 10 * sum[QUOTA_RPM] + 100 * sum[QUOTA_REMAINING], 241);
}
