/* test_learn_traffic.c - learning, advice and budget together under traffic that changes, in virtual time:
 * the start, a backend that appears, one that changes its speed, one that falls silent, a request a minute. */
#include "tests/test.h"

#include <math.h>

#include "appliance/race/advise.h"
#include "appliance/race/budget.h"
#include "core/rand.h"

#define MS(ms)  ((uint64_t)(ms)*NS_PER_MS)
#define TICK_NS MS(250)
#define NEVER   UINT64_MAX
#define MINUTE  60.0

enum { BACKENDS = 2, PENDING_MAX = 8192, WAITS_MAX = 200000 };

struct pending {
    uint64_t begin_ns, hedge_ns, first_end_ns, second_end_ns; /* hedge NEVER: none */
    unsigned first, second, kind;
    bool fair;
};

/* First-token time of a backend, ms, of a request that begins at_s; INFINITY: never. */
typedef double ttft_fn(unsigned backend, double at_s, struct rand *rand);

static struct {
    struct learn learn;
    struct budget budget;
    struct rand rand;
    ttft_fn *ttft;
    double rate; /* requests per second */
    unsigned (*first)(struct rand *);
    uint32_t tokens[4];             /* prompts, one of them each time */
    uint32_t asked;                 /* .. which, for ttft() */
    double (*longest)(double at_s); /* the share of tokens[3]; NULL: all are as frequent */
    uint64_t now_ns, next_ns;
    struct pending pending[PENDING_MAX];
    unsigned pending_count;
    /* Since begin_counting(): */
    unsigned requests, hedges, refused;
    bool slowdown;
    uint64_t waits[WAITS_MAX];
    unsigned wait_count;
    _Alignas(64) char memory[1 << 20];
} world;

static unsigned always_0(struct rand *rand) {
    (void)rand;
    return 0;
}
static unsigned either(struct rand *rand) { return (unsigned)rand_below(rand, BACKENDS); }

static void setup(ttft_fn *ttft, double rate) {
    struct learn_settings settings = {.request_budget = 0.05,
                                      .cost_budget = 1,
                                      .target = 0.99,
                                      .delay_ns = MS(400),
                                      .sample = 0.005};
    memset(&world, 0, sizeof world);
    CHECK(learn_size(BACKENDS) <= sizeof world.memory);
    learn_init(&world.learn, &settings, BACKENDS, world.memory, 0);
    budget_init(&world.budget);
    rand_init(&world.rand, 1);
    world.ttft = ttft;
    world.rate = rate;
    world.first = always_0;
    for (size_t i = 0; i < countof(world.tokens); i++)
        world.tokens[i] = 300u << (2 * i);
}

static void begin_counting(void) {
    world.requests = world.hedges = world.refused = world.wait_count = 0;
    world.slowdown = false;
}

static uint64_t end_of(uint64_t begin_ns, double ms) {
    return isinf(ms) ? NEVER : begin_ns + (uint64_t)(ms * 1e6);
}

static void arrive(uint64_t begin_ns) {
    unsigned first = world.first(&world.rand);
    uint32_t tokens = world.tokens[rand_below(&world.rand, countof(world.tokens))];
    double at_s = (double)begin_ns / 1e9;
    if (world.longest)
        tokens = world.tokens[rand_double(&world.rand) < world.longest(at_s) ? 3 : 0];
    world.asked = tokens;
    struct pending p = {
        .begin_ns = begin_ns, .hedge_ns = NEVER, .first = first, .kind = learn_kind(tokens, true)};
    struct advise advice =
        advise(&world.learn.board, first, p.kind, UINT32_MAX, rand_u64(&world.rand));
    double reserved;
    bool money;
    world.requests++;
    budget_on_request(&world.budget, world.learn.settings.request_budget, begin_ns);
    p.first_end_ns = end_of(begin_ns, world.ttft(first, at_s, &world.rand));
    p.second = advice.second;
    p.fair = advice.fair;
    p.second_end_ns = NEVER;
    double second_ms = world.ttft(advice.second, at_s, &world.rand);
    if (advice.delay_ns != NEVER && begin_ns + advice.delay_ns < p.first_end_ns &&
        !world.learn.board.slowdown) {
        if (budget_take(&world.budget, &reserved, &money, begin_ns)) {
            world.hedges++;
            p.hedge_ns = begin_ns + advice.delay_ns;
            p.second_end_ns = end_of(p.hedge_ns, second_ms);
        } else {
            world.refused++;
        }
    }
    CHECK(world.pending_count < PENDING_MAX);
    world.pending[world.pending_count++] = p;
}

static void take(unsigned backend, unsigned behind, unsigned kind, uint64_t value_ns, bool cut) {
    learn_take(&world.learn, &(struct learn_sample){.value_ns = value_ns,
                                                    .backend = (uint16_t)backend,
                                                    .behind = (uint16_t)behind,
                                                    .kind = (uint8_t)kind,
                                                    .cut = cut});
}

static void finish(const struct pending *p) {
    uint64_t end_ns = min_u64(p->first_end_ns, p->second_end_ns);
    bool by_first = end_ns == p->first_end_ns;
    take(p->first, LEARN_NOBODY, p->kind, end_ns - p->begin_ns, !by_first);
    if (p->hedge_ns < end_ns)
        take(p->second, p->fair ? LEARN_NOBODY : p->first, p->kind, end_ns - p->hedge_ns, by_first);
    CHECK(world.wait_count < WAITS_MAX);
    world.waits[world.wait_count++] = end_ns - p->begin_ns;
}

static void tick(void) {
    static struct learn_sample ages[PENDING_MAX];
    unsigned left = 0;
    for (unsigned i = 0; i < world.pending_count; i++) {
        struct pending p = world.pending[i];
        if (min_u64(p.first_end_ns, p.second_end_ns) <= world.now_ns) {
            finish(&p);
            continue;
        }
        ages[left] = (struct learn_sample){.value_ns = world.now_ns - p.begin_ns,
                                           .backend = (uint16_t)p.first,
                                           .behind = LEARN_NOBODY,
                                           .kind = (uint8_t)p.kind,
                                           .cut = true};
        world.pending[left++] = p;
    }
    world.pending_count = left;
    learn_compute(&world.learn, ages, left, world.now_ns);
    world.slowdown |= world.learn.board.slowdown;
}

static void run_until(double end_s) {
    while ((double)world.now_ns < end_s * 1e9) {
        world.now_ns += TICK_NS;
        while (world.next_ns <= world.now_ns) {
            arrive(world.next_ns);
            world.next_ns += (uint64_t)(-log1p(-rand_double(&world.rand)) / world.rate * 1e9);
        }
        tick();
    }
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Of the requests answered since begin_counting(), ms. */
static double waited_ms(double q) {
    CHECK(world.wait_count > 0);
    qsort(world.waits, world.wait_count, sizeof *world.waits, by_size);
    return (double)world.waits[(size_t)(q * (world.wait_count - 1))] / 1e6;
}

static const struct learn_advice *advice(void) {
    return learn_advice(&world.learn.board, 0, learn_kind(1200, true), 1);
}
static double delay_ms(void) {
    return advice()->delay_ns == NEVER ? INFINITY : (double)advice()->delay_ns / 1e6;
}
static double share(void) { return (double)world.hedges / world.requests; }
static double p50_ms(unsigned backend) {
    return (double)learn_speed(&world.learn.board, backend, learn_kind(1200, true))->p50_ns / 1e6;
}

static double lognormal(struct rand *rand, double median, double sigma) {
    return median * exp(sigma * rand_normal(rand));
}

/* --- the start --- */

static double light(unsigned b, double at_s, struct rand *rand) {
    (void)at_s;
    return lognormal(rand, b ? 450 : 400, 0.2);
}
static double heavy(unsigned b, double at_s, struct rand *rand) {
    (void)at_s;
    return lognormal(rand, b ? 450 : 400, 0.8);
}
static double stalling(unsigned b, double at_s, struct rand *rand) {
    double ms = light(b, at_s, rand);
    return rand_below(rand, 50) ? ms : ms * 20;
}

TEST(traffic_start) {
    setup(heavy, 100);
    /* Nothing is known: the configured delay, and the budget's burst. */
    EXPECT_NEAR(delay_ms(), 400, 0.001);
    run_until(0.25);
    EXPECT(world.hedges <= BUDGET_BURST + 0.05 * world.requests);
    run_until(10);
    EXPECT_NEAR(learn_speed(&world.learn.board, 0, LEARN_ANY)->p50_ns / 1e6, 400, 60);
    /* Between p90 (1115 ms) and p97 (1800 ms) of the first. */
    EXPECT(delay_ms() > 1100 && delay_ms() < 1850);
    begin_counting();
    run_until(130);
    EXPECT(share() < 0.05);
    EXPECT(waited_ms(0.99) < 2300);  /* 2570 without */
    EXPECT(waited_ms(0.999) < 3300); /* 4740 without */
}

TEST(traffic_light_tail_is_left_alone) {
    setup(light, 100);
    run_until(20);
    begin_counting();
    run_until(200);
    EXPECT_NEAR(share(), 0.005, 0.003); /* the fair samples */
    EXPECT(isinf(delay_ms()));
}

/* --- few requests --- */

TEST(traffic_one_a_minute) {
    setup(light, 1 / MINUTE);
    run_until(300 * MINUTE);
    begin_counting();
    run_until(1500 * MINUTE);
    EXPECT(share() < 0.015);
    EXPECT_NEAR(p50_ms(0), 400, 60);
    setup(stalling, 1 / MINUTE);
    run_until(300 * MINUTE);
    EXPECT(delay_ms() > 400 && delay_ms() < 5000);
    begin_counting();
    run_until(3000 * MINUTE);
    /* The stalls, and no more than the budget. */
    EXPECT(share() > 0.015 && share() <= 0.05 + BUDGET_BURST / world.requests);
    EXPECT(waited_ms(0.99) < 3000); /* 8000 without */
}

TEST(traffic_of_one_size) {
    setup(stalling, 50);
    for (size_t i = 0; i < countof(world.tokens); i++)
        world.tokens[i] = 5000;
    run_until(60);
    const struct learn_board *board = &world.learn.board;
    unsigned own = learn_kind(5000, true);
    EXPECT_NEAR(learn_speed(board, 0, own)->p50_ns / 1e6, 400, 40);
    EXPECT(learn_advice(board, 0, own, 1)->delay_ns != NEVER);
    for (unsigned kind = 0; kind < LEARN_KINDS; kind++)
        if (kind != own) {
            EXPECT_EQ(learn_advice(board, 0, kind, 1)->delay_ns,
                      learn_advice(board, 0, LEARN_ANY, 1)->delay_ns);
            EXPECT(learn_speed(board, 0, kind)->p50_ns > 0);
        }
}

/* --- a second that is new, bad, or changes --- */

static double second_s_ms; /* the second's median */
static double changing_second(unsigned b, double at_s, struct rand *rand) {
    if (b == 1)
        return lognormal(rand, second_s_ms, 0.2);
    return stalling(b, at_s, rand);
}

TEST(traffic_new_backend) {
    static const struct {
        const char *name;
        double second_ms;
        bool hedges;
    } rows[] = {{"as fast", 450, true}, {"useless", 60000, false}, {"faster", 100, true}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        second_s_ms = rows[i].second_ms;
        setup(changing_second, 100);
        world.learn.board.sample = 0; /* nobody has asked it so far */
        run_until(60);
        begin_counting();
        run_until(120);
        EXPECT_EQ(share() > 0.01, rows[i].hedges);
        EXPECT_EQ(isinf(delay_ms()), !rows[i].hedges);
        if (rows[i].hedges)
            EXPECT(waited_ms(0.99) < 2500); /* 8000 without */
    }
}

/* Ordered: the second is asked for hedges only. It becomes useless, and good again. */
TEST(traffic_second_for_hedges_only) {
    second_s_ms = 450;
    setup(changing_second, 100);
    run_until(120);
    EXPECT(delay_ms() < 5000);
    EXPECT_NEAR(p50_ms(1), 450, 60);
    second_s_ms = 60000;
    run_until(300);
    begin_counting();
    run_until(400);
    EXPECT(share() < 0.02); /* of the 0.05 that may be spent */
    second_s_ms = 450;
    run_until(900);
    begin_counting();
    run_until(1000);
    EXPECT(share() > 0.015);
    EXPECT(waited_ms(0.99) < 3000);
}

/* --- a first that changes --- */

static double from_factor, to_factor;
static double ramp(unsigned b, double at_s, struct rand *rand) {
    /* Over the third minute. */
    double x = fmin(fmax((at_s - 120) / 60, 0), 1);
    double ms = lognormal(rand, b ? 450 : 400, 0.5);
    return b ? ms : ms * from_factor * pow(to_factor / from_factor, x);
}

/* Seconds to the first token, as ever: nothing has changed, and the tail is worth a hedge. A request that
 * waits must not count as slow while it waits, and again when it is answered. */
TEST(traffic_slow_and_steady) {
    from_factor = to_factor = 10;
    setup(ramp, 100);
    for (double s = 60; s <= 240; s += 5) {
        run_until(s);
        EXPECT_EQ(world.learn.backends[0].settle_ns, 0);
        EXPECT(!world.slowdown);
    }
    EXPECT_NEAR(p50_ms(0), 4000, 400);
    EXPECT(delay_ms() > 4000 && delay_ms() < 12000);
    EXPECT(world.learn.backends[0].slow_pace_ns < 3 * LEARN_PACE_NS);
}

/* Both are asked first for hours; then the first one's tail turns heavy. What is known of hedges behind it
 * has stood still all the while, and what is known of the second has not. */
static double heavy_from_s;
static double turns_heavy(unsigned b, double at_s, struct rand *rand) {
    double ms = lognormal(rand, b ? 450 : 400, 0.2);
    bool stall = b == 0 && at_s >= heavy_from_s && rand_below(rand, 50) == 0;
    return stall ? ms * 20 : ms;
}

TEST(traffic_heavy_after_hours) {
    static const double hours[] = {0.2, 3, 6};
    for (size_t i = 0; i < countof(hours); i++) {
        ROW("%g hours", hours[i]);
        heavy_from_s = hours[i] * 60 * MINUTE;
        setup(turns_heavy, 4);
        world.first = either;
        run_until(heavy_from_s + 5 * MINUTE);
        EXPECT(delay_ms() < 2000);
        begin_counting();
        run_until(heavy_from_s + 20 * MINUTE);
        EXPECT(waited_ms(0.995) < 3000); /* stalls are 8000 */
    }
}

TEST(traffic_ten_times_within_a_minute) {
    static const struct {
        const char *name;
        double from, to;
    } rows[] = {{"slower", 1, 10}, {"faster", 10, 1}};
    for (size_t i = 0; i < countof(rows); i++) {
        ROW("%s", rows[i].name);
        from_factor = rows[i].from;
        to_factor = rows[i].to;
        setup(ramp, 100);
        run_until(120);
        double before = delay_ms();
        EXPECT_NEAR(p50_ms(0), 400 * rows[i].from, 80 * rows[i].from);
        /* Never more than four times the budget's share in ten seconds of the change. */
        for (double s = 130; s <= 200; s += 10) {
            begin_counting();
            run_until(s);
            EXPECT(share() <= 0.2);
        }
        EXPECT_NEAR(p50_ms(0), 400 * rows[i].to, 80 * rows[i].to);
        double ratio = rows[i].to / rows[i].from;
        EXPECT(delay_ms() / before > 0.6 * ratio && delay_ms() / before < 1.6 * ratio);
        run_until(260);
        begin_counting();
        run_until(360);
        EXPECT(share() < 0.055);
    }
}

static double silent(unsigned b, double at_s, struct rand *rand) {
    double ms = stalling(b, at_s, rand);
    return b == 0 && at_s >= 120 && at_s < 150 ? ms + (150 - at_s) * 1000 : ms;
}

/* From one moment on the first answers nothing: only ages tell. */
TEST(traffic_silence) {
    setup(silent, 50);
    run_until(119);
    EXPECT_NEAR(p50_ms(0), 400, 40);
    run_until(125);
    EXPECT(p50_ms(0) > 4000);
    begin_counting();
    run_until(150);
    /* All that the budget allows is hedged, and answered by the second. */
    EXPECT(world.hedges >= 0.03 * world.requests);
    EXPECT(world.hedges <= BUDGET_BURST + 0.05 * world.requests);
    EXPECT(!world.slowdown);
    run_until(200);
    EXPECT_NEAR(p50_ms(0), 400, 60);
    begin_counting();
    run_until(300);
    EXPECT(share() <= 0.05);
}

/* --- all change --- */

static double episode(unsigned b, double at_s, struct rand *rand) {
    return light(b, at_s, rand) * (at_s >= 120 && at_s < 150 ? 4 : 1);
}
/* The same, and a minute later the first alone. */
static double episode_then_first(unsigned b, double at_s, struct rand *rand) {
    double ms = episode(b, at_s, rand);
    return b == 0 && at_s >= 160 ? ms * (rand_below(rand, 20) ? 4 : 40) : ms;
}

TEST(traffic_global_slowdown) {
    unsigned (*const firsts[])(struct rand *) = {always_0, either};
    for (size_t i = 0; i < countof(firsts); i++) {
        ROW("%s", i ? "both asked first" : "one asked first");
        setup(episode, 100);
        world.first = firsts[i];
        run_until(120);
        begin_counting();
        run_until(150);
        EXPECT(world.slowdown);
        EXPECT(share() <= 0.03);
        /* It is over for us soon after it is over. */
        run_until(165);
        EXPECT(!world.learn.board.slowdown);
        begin_counting();
        run_until(300);
        EXPECT(share() <= 0.02);
    }
}

static double all_silent(unsigned b, double at_s, struct rand *rand) {
    return light(b, at_s, rand) + (at_s >= 120 && at_s < 150 ? (150 - at_s) * 1000 : 0);
}

/* While nobody answers what waits tells of the slowdown. */
TEST(traffic_all_fall_silent) {
    setup(all_silent, 100);
    world.first = either;
    run_until(128);
    EXPECT(world.learn.board.slowdown);
}

/* Other prompts come, of which many are long; no kind of them has become slower. */
static double by_length(unsigned b, double at_s, struct rand *rand) {
    return light(b, at_s, rand) * (world.asked == world.tokens[3] ? 10 : 1);
}
static double by_length_then_slow(unsigned b, double at_s, struct rand *rand) {
    return by_length(b, at_s, rand) * (at_s >= 300 && at_s < 330 ? 4 : 1);
}
static double more_long_ones(double at_s) { return at_s < 120 ? 0.2 : 0.7; }

TEST(traffic_of_other_prompts_is_no_slowdown) {
    setup(by_length, 100);
    world.first = either;
    world.longest = more_long_ones;
    run_until(120);
    begin_counting();
    run_until(400);
    EXPECT(!world.slowdown);
    /* A slowdown of all kinds is one, whatever the mix. */
    setup(by_length_then_slow, 100);
    world.first = either;
    world.longest = more_long_ones;
    run_until(300);
    begin_counting();
    run_until(330);
    EXPECT(world.slowdown);
    run_until(360);
    EXPECT(!world.learn.board.slowdown);
}

/* What was seen of the second in the slowdown must not forbid hedges for ever: whether samples tell that
 * it is well again, or nobody asks it. */
TEST(traffic_slowdown_ends) {
    for (int fair = 1; fair >= 0; fair--) {
        ROW("%s fair samples", fair ? "with" : "without");
        setup(episode_then_first, 100);
        run_until(150);
        if (!fair)
            world.learn.board.sample = 0;
        run_until(190);
        begin_counting();
        run_until(250);
        EXPECT(!world.learn.board.slowdown);
        EXPECT(share() > (fair ? 0.012 : 0.007)); /* the fair samples are 0.005 */
    }
}
