// SPDX-License-Identifier: MIT
// choice.c: the enums that clients write as words, seen through one kind of glass.

#include "api/api_priv.h"

#include <stdio.h>
#include <string.h>

// Each name function takes its own enum; a choice needs one that takes an int.
#define CHOICE(object, name, type, values)                                                         \
    static const char *object##_word(int value)                                                    \
    {                                                                                              \
        return name((type)value);                                                                  \
    }                                                                                              \
    const struct choice object = {object##_word, (values)};

CHOICE(choice_type, job_type_name, enum job_type, JOB_TYPES)
CHOICE(choice_method, job_method_name, enum job_method, JOB_METHODS)
CHOICE(choice_retry_strategy, retry_strategy_name, enum retry_strategy, RETRY_STRATEGIES)
CHOICE(choice_catch_up, catch_up_name, enum catch_up, CATCH_UPS)
CHOICE(choice_overlap, overlap_name, enum overlap, OVERLAPS)
CHOICE(choice_gap, cron_gap_name, enum cron_gap, CRON_GAP_SKIP + 1)
CHOICE(choice_fold, cron_fold_name, enum cron_fold, CRON_FOLD_SECOND + 1)
CHOICE(choice_state, execution_state_name, enum execution_state, EXECUTION_STATES)
CHOICE(choice_trigger, execution_trigger_name, enum execution_trigger, EXECUTION_TRIGGERS)

bool choice_find(const struct choice *c, const char *word, int *out)
{
    for (int value = 0; value < c->count; value++) {
        if (strcmp(c->word(value), word) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

void choice_list(const struct choice *c, char *out, size_t bytes)
{
    size_t used = 0;
    for (int value = 0; value < c->count && used < bytes; value++) {
        const char *between = value == 0 ? "" : value == c->count - 1 ? " or " : ", ";
        used += (size_t)snprintf(out + used, bytes - used, "%s%s", between, c->word(value));
    }
}
