// SPDX-License-Identifier: MIT
// names.c: the words of every enum, as they stand in the API and in the tables.

#include "ledger/ledger.h"

#include <assert.h>
#include <string.h>

static const char *const job_types[JOB_TYPES] = {
    [JOB_ATLEAST_ONCE] = "ATLEAST_ONCE",
    [JOB_ATMOST_ONCE] = "ATMOST_ONCE",
};

static const char *const job_methods[JOB_METHODS] = {
    [METHOD_POST] = "POST",       [METHOD_GET] = "GET",       [METHOD_PUT] = "PUT",
    [METHOD_PATCH] = "PATCH",     [METHOD_DELETE] = "DELETE", [METHOD_HEAD] = "HEAD",
    [METHOD_OPTIONS] = "OPTIONS",
};

static const char *const retry_strategies[RETRY_STRATEGIES] = {
    [RETRY_LINEAR] = "linear",
    [RETRY_EXPONENTIAL] = "exponential",
    [RETRY_FIXED] = "fixed",
};

static const char *const catch_ups[CATCH_UPS] = {
    [CATCH_UP_ALL] = "all",
    [CATCH_UP_LATEST] = "latest",
    [CATCH_UP_NONE] = "none",
};

static const char *const overlaps[OVERLAPS] = {
    [OVERLAP_ALLOW] = "allow",
    [OVERLAP_SKIP] = "skip",
    [OVERLAP_QUEUE] = "queue",
    [OVERLAP_REPLACE] = "replace",
};

static const char *const phases[JOB_PHASES] = {
    [JOB_ACTIVE] = "active",
    [JOB_PAUSED] = "paused",
    [JOB_FINISHED] = "finished",
    [JOB_DELETED] = "deleted",
};

static const char *const triggers[EXECUTION_TRIGGERS] = {
    [TRIGGER_SCHEDULE] = "schedule",
    [TRIGGER_MANUAL] = "manual",
    [TRIGGER_CATCH_UP] = "catch_up",
};

static const char *const alert_kinds[ALERT_KINDS] = {
    [ALERT_FAILURE] = "failure",     [ALERT_MISSED] = "missed",
    [ALERT_CLOCK] = "clock",         [ALERT_TARGET_DOWN] = "target_down",
    [ALERT_TARGET_UP] = "target_up", [ALERT_JOB_UNUSABLE] = "job_unusable",
};

static bool find(const char *const *names, int count, const char *name, int *out)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

// Each enum gets a name function and, where clients write the word, a find function.
#define NAME(function, type, table, count)                                                         \
    const char *function(type value)                                                               \
    {                                                                                              \
        assert((int)value < (int)(count));                                                         \
        return table[value];                                                                       \
    }
#define FIND(function, type, table, count)                                                         \
    bool function(const char *name, type *out)                                                     \
    {                                                                                              \
        int index;                                                                                 \
        if (!find(table, (int)(count), name, &index))                                              \
            return false;                                                                          \
        *out = (type)index;                                                                        \
        return true;                                                                               \
    }

NAME(job_type_name, enum job_type, job_types, JOB_TYPES)
FIND(job_type_find, enum job_type, job_types, JOB_TYPES)
NAME(job_method_name, enum job_method, job_methods, JOB_METHODS)
FIND(job_method_find, enum job_method, job_methods, JOB_METHODS)
NAME(retry_strategy_name, enum retry_strategy, retry_strategies, RETRY_STRATEGIES)
FIND(retry_strategy_find, enum retry_strategy, retry_strategies, RETRY_STRATEGIES)
NAME(catch_up_name, enum catch_up, catch_ups, CATCH_UPS)
FIND(catch_up_find, enum catch_up, catch_ups, CATCH_UPS)
NAME(overlap_name, enum overlap, overlaps, OVERLAPS)
FIND(overlap_find, enum overlap, overlaps, OVERLAPS)
NAME(job_phase_name, enum job_phase, phases, JOB_PHASES)
NAME(execution_trigger_name, enum execution_trigger, triggers, EXECUTION_TRIGGERS)
FIND(execution_trigger_find, enum execution_trigger, triggers, EXECUTION_TRIGGERS)
NAME(alert_kind_name, enum alert_kind, alert_kinds, ALERT_KINDS)
