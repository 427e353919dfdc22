// SPDX-License-Identifier: MIT
// replay.c: runs a fuzz target over its corpus once, without libFuzzer.
//
// Every *_fuzz.c is linked with this main as well, into a *_replay which `./dev test` runs like any
// test: what a fuzzer has found once stays found, under every compiler and sanitizer. Each file of
// the folder in the argument counts as one test, in the words of cmocka. A target that does not
// like an input aborts, as it does under the fuzzer.

#include <assert.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define INPUT_BYTES_MAX (1 << 20)

static void replay(const char *path)
{
    static uint8_t input[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    assert(file);
    size_t bytes = fread(input, 1, sizeof input, file);
    assert(feof(file) && !ferror(file));
    fclose(file);

    // A copy of exactly the right size, so that ASan sees a read past the end.
    uint8_t *copy = malloc(bytes ? bytes : 1);
    assert(copy);
    for (size_t i = 0; i < bytes; i++)
        copy[i] = input[i];
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

int main(int argc, char **argv)
{
    assert(argc == 2);
    DIR *folder = opendir(argv[1]);
    if (!folder) {
        fprintf(stderr, "there is no corpus in %s\n", argv[1]);
        return 1;
    }
    unsigned replayed = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_type != DT_REG)
            continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        replay(path);
        replayed++;
    }
    closedir(folder);
    printf("[  PASSED  ] %u test(s).\n", replayed);
    return 0;
}
