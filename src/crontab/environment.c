// SPDX-License-Identifier: MIT
// environment.c: the variables that commands of a crontab see, as far as they are known.
//
// Cron hands a variable's value to the commands below its line, as it stands: a `$` in the value
// means nothing to cron, and a shell does not look at it again. The list is sorted, since a crontab
// may have many variables and each command many uses.

#include "crontab/crontab_priv.h"

#include <assert.h>

// As strcmp, for a name that does not end.
static int compare(const char *known, const char *name, size_t bytes)
{
    int difference = strncmp(known, name, bytes);
    return difference ? difference : known[bytes] != '\0';
}

// Where the name stands, or belongs.
static size_t place_of(const struct environment *e, const char *name, size_t bytes)
{
    size_t low = 0, high = e->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(e->list[middle].name, name, bytes) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct environment *e, size_t place, const char *name, size_t bytes)
{
    return place < e->count && compare(e->list[place].name, name, bytes) == 0;
}

const char *crontab__value(const struct environment *e, const char *name, size_t bytes)
{
    for (size_t i = e->local_count; i > 0; i--) {
        if (compare(e->locals[i - 1].name, name, bytes) == 0)
            return e->locals[i - 1].value;
    }
    size_t place = place_of(e, name, bytes);
    return is_at(e, place, name, bytes) ? e->list[place].value : NULL;
}

static char *copy(const char *text, size_t bytes)
{
    char *out = xmalloc(bytes + 1);
    memcpy(out, text, bytes);
    out[bytes] = '\0';
    return out;
}

enum err crontab__set_value(struct environment *e, const char *name, size_t name_bytes,
                            const char *value, size_t value_bytes, bool fixed)
{
    size_t place = place_of(e, name, name_bytes);
    if (is_at(e, place, name, name_bytes)) {
        if (e->list[place].fixed)
            return ERR_FORBIDDEN;
        free(e->list[place].value);
        e->list[place].value = copy(value, value_bytes);
        return ERR_OK;
    }
    if (e->count == VARIABLES_MAX)
        return ERR_LIMIT;
    e->list = grow(e->list, e->count, &e->capacity, sizeof *e->list);
    memmove(&e->list[place + 1], &e->list[place], (e->count - place) * sizeof *e->list);
    e->list[place] = (struct variable){
        .name = copy(name, name_bytes), .value = copy(value, value_bytes), .fixed = fixed};
    e->count++;
    return ERR_OK;
}

enum err crontab__set_local(struct environment *e, const char *name, const char *value)
{
    if (e->local_count == LOCALS_MAX)
        return ERR_LIMIT;
    e->locals[e->local_count++] = (struct crontab_variable){.name = name, .value = value};
    return ERR_OK;
}

void crontab__environment_fini(struct environment *e)
{
    for (size_t i = 0; i < e->count; i++) {
        free(e->list[i].name);
        free(e->list[i].value);
    }
    free(e->list);
    crontab__text_fini(&e->used);
    *e = (struct environment){0};
}
