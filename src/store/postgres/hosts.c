// SPDX-License-Identifier: MIT
// hosts.c: the servers that a URL names, and which of them is tried first.
//
// libpq tries several hosts in turn, but ends with the first that accepts a connection and then
// closes it, as a proxy in front of a dead server does, and with one that keeps silent, since the
// time of a connection that does not block is not libpq's. A pooler even answers while its server
// is dead, and then no call succeeds. So a link turns the list when it fails to connect and when a
// call is lost: the next attempt begins with the next host.

#include "store/postgres/postgres_priv.h"

#include <assert.h>
#include <string.h>

static unsigned count_parts(const char *list)
{
    unsigned count = 1;
    for (; list && (list = strchr(list, ',')); list++)
        count++;
    return count;
}

// The first part of a list goes behind the others.
static void turn(char *list)
{
    char *comma = list ? strchr(list, ',') : NULL;
    if (!comma)
        return;
    size_t first = (size_t)(comma - list), rest = strlen(comma + 1);
    char *moved = xmalloc(first);
    memcpy(moved, list, first);
    memmove(list, comma + 1, rest);
    list[rest] = ',';
    memcpy(list + rest + 1, moved, first);
    free(moved);
}

static void keep(struct hosts *h, const PQconninfoOption *option)
{
    static const char *const keywords[HOSTS_LISTS] = {"host", "hostaddr", "port"};
    for (size_t i = 0; i < HOSTS_LISTS; i++)
        if (option->val && *option->val && strcmp(option->keyword, keywords[i]) == 0) {
            h->lists[i] = xstrdup(option->val);
            h->count = MAX(h->count, count_parts(option->val));
        }
}

void hosts_init(struct hosts *h, const char *url)
{
    *h = (struct hosts){.count = 1};
    PQconninfoOption *options = PQconninfoParse(url, NULL); // NULL: libpq will say what is wrong.
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        keep(h, o);
    PQconninfoFree(options);
}

void hosts_fini(struct hosts *h)
{
    for (size_t i = 0; i < HOSTS_LISTS; i++)
        free(h->lists[i]);
    *h = (struct hosts){0};
}

void hosts_turn(struct hosts *h)
{
    for (size_t i = 0; i < HOSTS_LISTS; i++)
        turn(h->lists[i]);
}
