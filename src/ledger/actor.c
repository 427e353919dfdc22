// SPDX-License-Identifier: MIT
// actor.c: who asks for something, as it is kept while a change is under way.

#include "ledger/ledger.h"

#include <string.h>

static size_t bytes_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

// Copies the text to *at and moves *at behind it.
static const char *put(char **at, const char *text)
{
    size_t bytes = bytes_of(text);
    char *copy = *at;
    if (!text)
        return NULL;
    memcpy(copy, text, bytes);
    *at += bytes;
    return copy;
}

struct actor *actor_copy(const struct actor *a)
{
    static const struct actor unknown;
    const struct actor *from = a ? a : &unknown;
    struct actor *copy = xmalloc(sizeof *copy + bytes_of(from->token_name) +
                                 bytes_of(from->address) + bytes_of(from->request_id));
    char *at = (char *)(copy + 1);
    copy->token = from->token;
    copy->max_jobs = from->max_jobs;
    copy->max_bytes = from->max_bytes;
    copy->token_name = put(&at, from->token_name);
    copy->address = put(&at, from->address);
    copy->request_id = put(&at, from->request_id);
    return copy;
}
