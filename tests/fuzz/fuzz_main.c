/* fuzz_main.c - a main() for fuzz targets where libFuzzer is not linked: hands every file named on the
 * command line, and every file of every folder named there, to the target once.
 *
 * With it the corpus is replayed in the sanitizers' build of gcc, and a crash that libFuzzer found is
 * run under gdb: build/asan/fuzz_NAME CRASH-FILE.
 *
 * Promises: to print `ok NAME: N inputs` when all of them came back, and otherwise to have ended with
 *           the target's own abort after naming the input on standard error.
 * Refuses:  to succeed without any input. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Targets may leave this out. libFuzzer calls it before the first input. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Runs one file. Returns 1, or 0 after saying why it could not be read. */
static unsigned run_file(const char *path, size_t size) {
    FILE *file = fopen(path, "rb");
    /* Exactly as large as the input, so that the sanitizer sees a read of one byte too many. */
    uint8_t *bytes = malloc(size ? size : 1);
    unsigned done = 0;
    if (file && bytes && fread(bytes, 1, size, file) == size) {
        fprintf(stderr, "%s\n", path);
        LLVMFuzzerTestOneInput(bytes, size);
        done = 1;
    } else {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    free(bytes);
    if (file)
        fclose(file);
    return done;
}

/* Runs a file, or the files of a folder and of those below it; returns how many. */
static unsigned run_path(const char *path) {
    struct stat st;
    if (stat(path, &st) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 0;
    }
    if (!S_ISDIR(st.st_mode))
        return run_file(path, (size_t)st.st_size);
    struct dirent **entries;
    /* Sorted, so that two runs of one corpus are the same run. */
    int count = scandir(path, &entries, NULL, alphasort);
    unsigned done = 0;
    for (int i = 0; i < count; i++) {
        char below[4096];
        int length = snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && length > 0 && (size_t)length < sizeof below)
            done += run_path(below);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return done;
}

int main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    unsigned done = 0;
    for (int i = 1; i < argc; i++)
        done += run_path(argv[i]);
    if (!done) {
        printf("not ok %s: no input could be read\n", name);
        return 1;
    }
    printf("ok %s: %u inputs\n", name, done);
    return 0;
}
