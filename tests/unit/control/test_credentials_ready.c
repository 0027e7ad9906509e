/* test_credentials_ready.c - what operators see of credentials: /readyz and /metrics. */
#include "tests/unit/control/fake_source.h"

#include "appliance/control/admin_ready.h"
#include "appliance/control/metrics.h"
#include "core/heap.h"
#include "net/tls.h"
#include "tests/unit/control/crew_fixture.h"

#define CLIENT(name, tenant)                                                   \
    name ": {kind: azure, endpoint: \"https://r.example\", tenant_id: " tenant \
         ", client_id: c, client_secret: s, authority: \"http://127.0.0.1:PORT\"}"

static struct fake fake;
static const struct fake_answer answers[] = {
    {"POST /good/", 200, NULL, "{\"access_token\":\"T\",\"expires_in\":3600}"},
    {"POST /bad/", 400, NULL, "{\"error\":\"invalid_client\"}"}};

/* One model with the backends p and q, and credentials of what the settings say. NULL: failed. */
static struct credentials *begin(const char *settings, struct crew **crew) {
    world_init();
    struct config_model *model = world_model("gpt");
    world_backend(model, "p", NULL);
    world_backend(model, "q", NULL);
    *crew = crew_world_begin();
    fake_open(&fake, answers, countof(answers));
    fake_environ("", 0);
    struct config *config = fake_config(settings, fake.port);
    if (!config)
        return NULL;
    struct credentials *credentials = credentials_new();
    EXPECT_EQ(credentials_use(credentials, config, 5 * NS_PER_S), 0);
    (*crew)->credentials = credentials;
    return credentials;
}

static void end(struct credentials **credentials) {
    credentials_free(credentials);
    crew_world_end();
    fake_close(&fake);
}

/* A provider without a credential is named; the instance stays in service while any model is served. */
TEST(ready) {
    static const struct {
        const char *name, *settings, *holds[3], *not ;
        bool ready;
    } rows[] = {
        {"both good", CLIENT("p", "good") ", " CLIENT("q", "good"), {"ok\n"}, "provider", true},
        {"one bad",
         CLIENT("p", "good") ", " CLIENT("q", "bad"),
         {"ok\n", "provider q: credential missing: the client's secret: http://127.0.0.1:",
          "/bad/oauth2/v2.0/token: status 400, the source answered invalid_client\n"},
         "provider p",
         true},
        {"both bad",
         CLIENT("p", "bad") ", " CLIENT("q", "bad"),
         {"no model has a backend with a credential\n", "provider p: credential missing",
          "provider q: credential missing"},
         "ok\n",
         false},
        {"the other needs none",
         CLIENT("p", "bad") ", q: {kind: openai, api_key: k}",
         {"ok\n", "provider p: credential missing"},
         "provider q",
         true},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char text[ADMIN_READY_TEXT_MAX];
        struct crew *crew;
        ROW("%s", rows[i].name);
        int saved = hush();
        struct credentials *credentials = begin(rows[i].settings, &crew);
        unhush(saved);
        REQUIRE(credentials);
        EXPECT_EQ(admin_ready(crew, text), rows[i].ready);
        for (unsigned k = 0; k < 3 && rows[i].holds[k]; k++)
            if (!strstr(text, rows[i].holds[k]))
                FAIL_TEST("not in it: %s; but %s", rows[i].holds[k], text);
        EXPECT(strstr(text, rows[i].not ) == NULL);
        end(&credentials);
    }
}

TEST(metrics) {
    struct crew *crew;
    int saved = hush();
    struct credentials *credentials =
        begin(CLIENT("p", "good") ", " CLIENT("q", "bad") ", r: {kind: openai, api_key: k}", &crew);
    unhush(saved);
    REQUIRE(credentials);
    struct credentials_row row = first_row(credentials);
    char expires[128];
    snprintf(expires, sizeof expires, "hedgerow_credential_expires_seconds{provider=\"p\"} %lld\n",
             (long long)row.expires_s);
    const char *const holds[] = {
        "hedgerow_credential_state{provider=\"p\"} 0\n",
        "hedgerow_credential_state{provider=\"q\"} 3\n",
        "hedgerow_credential_refreshes_total{provider=\"p\",outcome=\"good\"} 1\n",
        "hedgerow_credential_refreshes_total{provider=\"p\",outcome=\"failed\"} 0\n",
        "hedgerow_credential_refreshes_total{provider=\"q\",outcome=\"good\"} 0\n",
        expires,
    };
    const char *const absent[] = {"hedgerow_credential_expires_seconds{provider=\"q\"}",
                                  "hedgerow_credential_state{provider=\"r\"}"};
    size_t length;
    char *text = metrics_text(crew, &length);
    for (size_t i = 0; i < countof(holds); i++)
        if (!strstr(text, holds[i]))
            FAIL_TEST("not in it: %s", holds[i]);
    for (size_t i = 0; i < countof(absent); i++)
        EXPECT(strstr(text, absent[i]) == NULL);
    EXPECT(row.expires_s > 0);
    heap_free(&text);
    end(&credentials);
}
