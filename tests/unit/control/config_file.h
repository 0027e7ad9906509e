/* config_file.h - for the tests of configuration files: writes one, loads it, gives what was said. */
#ifndef TESTS_UNIT_CONTROL_CONFIG_FILE_H
#define TESTS_UNIT_CONTROL_CONFIG_FILE_H

#include "tests/test.h"

#include "appliance/control/config_load.h"

/* The parts of a file that a row is not about: four lines. */
#define HEAD       \
    "version: 1\n" \
    "listeners: [{address: 127.0.0.1:8080}]\n"
#define PROVIDERS "providers: {p: {kind: openai, api_key: k}}\n"
#define MODELS    "models: {m: {backends: [{provider: p, model: x}]}}\n"
#define ALL       HEAD PROVIDERS MODELS
#define SHA_A     "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" /* of "a" */

static char folder[] = "/tmp/hedgerow-test-XXXXXX";
static bool folder_made;

/* All files are "t.yaml" in a folder of the program's own, so that messages are the same everywhere. */
static inline void write_file(const char *name, const char *text, size_t n) {
    if (!folder_made && (!mkdtemp(folder) || chdir(folder) != 0))
        abort();
    folder_made = true;
    FILE *f = fopen(name, "w");
    if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0)
        abort();
}

__attribute__((destructor)) static void remove_folder(void) {
    if (folder_made) {
        unlink("t.yaml");
        unlink("key");
    }
    if (folder_made && rmdir(folder) != 0)
        fprintf(stderr, "# %s is left behind\n", folder);
}

/* Loads the text; *messages is what the report would print, freed by the caller. */
static inline struct config *load_bytes(const char *yaml, size_t yaml_n, char **messages) {
    struct config *config;
    struct config_report report;
    size_t n;
    write_file("t.yaml", yaml, yaml_n);
    int error = config_load("t.yaml", &config, &report);
    FILE *out = open_memstream(messages, &n);
    config_report_write(&report, out);
    fclose(out);
    EXPECT_EQ(error, report.counts[CONFIG_ERROR] ? -22 : 0);
    EXPECT_EQ(config == NULL, error != 0);
    config_report_fini(&report);
    return config;
}

static inline struct config *load(const char *yaml, char **messages) {
    return load_bytes(yaml, strlen(yaml), messages);
}

#endif
