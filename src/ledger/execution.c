// SPDX-License-Identifier: MIT
// execution.c: the states of an execution, the moves between them, and the public id.

#include "ledger/ledger.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TO(state) (1u << EXECUTION_##state)

// PENDING may end at once: FAILED after a crash when its outcome is unknown.
static const unsigned moves[EXECUTION_STATES] = {
    [EXECUTION_PENDING] =
        TO(RUNNING) | TO(SUCCESS) | TO(FAILED) | TO(MISSED) | TO(CANCELLED) | TO(SKIPPED),
    [EXECUTION_RUNNING] = TO(SUCCESS) | TO(FAILED) | TO(CANCELLED),
};

bool execution_state_is_terminal(enum execution_state s)
{
    assert(s < EXECUTION_STATES);
    return moves[s] == 0;
}

bool execution_may_move(enum execution_state from, enum execution_state to)
{
    assert(from < EXECUTION_STATES && to < EXECUTION_STATES);
    return (moves[from] & (1u << to)) != 0;
}

bool execution_trigger_is_manual(int trigger)
{
    return trigger == TRIGGER_MANUAL || trigger == TRIGGER_REPLAY || trigger == TRIGGER_PING;
}

dur_ms execution_lateness_ms(const struct execution *e)
{
    assert(e->started_at);
    return e->started_at - (e->due_at ? e->due_at : e->key.scheduled_at);
}

void execution_id_format(const struct execution_key *k, char out[static EXECUTION_ID_BYTES])
{
    assert(k->job > 0 && k->scheduled_at >= 0);
    long long job = (long long)k->job, at = (long long)k->scheduled_at;
    if (k->series < 0)
        snprintf(out, EXECUTION_ID_BYTES, "%lld-m%lld", job, -(long long)k->series);
    else if (k->series > 0)
        snprintf(out, EXECUTION_ID_BYTES, "%lld-%lld-g%lld", job, at, (long long)k->series);
    else
        snprintf(out, EXECUTION_ID_BYTES, "%lld-%lld", job, at);
}

// Digits without a leading zero, at most 18 so that they cannot overflow. NULL when there are none.
static const char *scan_digits(const char *p, int64_t *out)
{
    int64_t value = 0;
    int digits = 0;
    for (; *p >= '0' && *p <= '9' && digits <= 18; p++, digits++)
        value = value * 10 + (*p - '0');
    if (digits == 0 || digits > 18)
        return NULL;
    *out = value;
    return p;
}

bool execution_id_parse(const char *id, struct execution_key *out)
{
    struct execution_key k = {0};
    const char *p = scan_digits(id, &k.job);
    if (!p || *p++ != '-')
        return false;
    bool manual = *p == 'm';
    p = scan_digits(p + manual, manual ? &k.series : &k.scheduled_at);
    if (p && !manual && p[0] == '-' && p[1] == 'g')
        p = scan_digits(p + 2, &k.series);
    if (!p || *p || k.job == 0)
        return false;
    if (manual)
        k.series = -k.series;

    // An execution has one id: what would not be written like this is not one.
    char again[EXECUTION_ID_BYTES];
    execution_id_format(&k, again);
    if (strcmp(again, id) != 0)
        return false;
    *out = k;
    return true;
}
