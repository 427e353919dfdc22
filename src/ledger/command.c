// SPDX-License-Identifier: MIT
// command.c: the ids of commands.

#include "ledger/ledger.h"

#include <string.h>

bool command_id_is_set(const struct command_id *id)
{
    static const struct command_id none;
    return !command_ids_equal(id, &none);
}

bool command_ids_equal(const struct command_id *a, const struct command_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
