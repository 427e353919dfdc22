// SPDX-License-Identifier: MIT
// options.c: the names of what a job may choose where clocks change.

#include "cron/cron.h"

#include <assert.h>
#include <string.h>

static const char *const gaps[] = {
    [CRON_GAP_RUN_AFTER] = "run_after",
    [CRON_GAP_SKIP] = "skip",
};

static const char *const folds[] = {
    [CRON_FOLD_DEFAULT] = "default",
    [CRON_FOLD_FIRST] = "first",
    [CRON_FOLD_BOTH] = "both",
    [CRON_FOLD_SECOND] = "second",
};

// The index of the name, or `count`.
static size_t find(const char *const *names, size_t count, const char *name)
{
    size_t i = 0;
    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

const char *cron_gap_name(enum cron_gap gap)
{
    assert((unsigned)gap < COUNT_OF(gaps));
    return gaps[gap];
}

const char *cron_fold_name(enum cron_fold fold)
{
    assert((unsigned)fold < COUNT_OF(folds));
    return folds[fold];
}

bool cron_gap_parse(const char *name, enum cron_gap *out)
{
    size_t i = find(gaps, COUNT_OF(gaps), name);
    if (i == COUNT_OF(gaps))
        return false;
    *out = (enum cron_gap)i;
    return true;
}

bool cron_fold_parse(const char *name, enum cron_fold *out)
{
    size_t i = find(folds, COUNT_OF(folds), name);
    if (i == COUNT_OF(folds))
        return false;
    *out = (enum cron_fold)i;
    return true;
}
