// SPDX-License-Identifier: MIT
// letter_fuzz.c: any bytes as a command from another node.
//
// What is a command can be packed again, and then says the same.

#include "core/core.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(const struct command *c)
{
    char *first, *second;
    size_t first_bytes, second_bytes;
    struct letter *p;
    letter_pack(c, &first, &first_bytes);
    enum err err = letter_unpack(first, first_bytes, &p, NULL);
    assert(err == ERR_OK);
    letter_pack(&p->command, &second, &second_bytes);
    assert(first_bytes == second_bytes && memcmp(first, second, first_bytes) == 0);
    letter_free(p);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct letter *p;
    struct fault f = {0};
    if (letter_unpack(data, bytes, &p, &f)) {
        assert(*f.text);
        return 0;
    }
    assert((p->command.job != NULL) ==
           (p->command.kind == COMMAND_CREATE || p->command.kind == COMMAND_UPDATE));
    check(&p->command);
    letter_free(p);
    return 0;
}
