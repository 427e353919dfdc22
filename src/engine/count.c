// SPDX-License-Identifier: MIT
// count.c: what the core wants recorded, as metrics and for the log.

#include "base/metrics.h"
#include "engine/engine_priv.h"

#include <assert.h>

static const int terminal_metric[EXECUTION_STATES] = {
    [EXECUTION_PENDING] = -1,
    [EXECUTION_RUNNING] = -1,
    [EXECUTION_SUCCESS] = METRIC_executions_succeeded,
    [EXECUTION_FAILED] = METRIC_executions_failed,
    [EXECUTION_MISSED] = METRIC_executions_missed,
    [EXECUTION_CANCELLED] = METRIC_executions_cancelled,
    [EXECUTION_SKIPPED] = METRIC_executions_skipped,
};

static void count_row(const struct execution *e)
{
    if (e->trigger == TRIGGER_PING)
        return; // The ping counts.
    enum metric metric = e->trigger == TRIGGER_MANUAL   ? METRIC_triggers
                         : e->trigger == TRIGGER_REPLAY ? METRIC_replays
                                                        : METRIC_executions_planned;
    metric_add(metric, 1);
    metric_add(METRIC_executions_caught_up, e->trigger == TRIGGER_CATCH_UP);
}

static void count_execution(const struct execution *e)
{
    if (!execution_state_is_terminal(e->state))
        return;
    engine__trace_execution(e);
    bool range = e->state == EXECUTION_MISSED && e->missed_count > 0;
    metric_add((enum metric)terminal_metric[e->state], range ? e->missed_count : 1);
    if (e->started_at && e->trigger == TRIGGER_SCHEDULE && !e->is_of_heartbeat)
        histogram_observe(HISTOGRAM_lateness, execution_lateness_ms(e) * 1000);
}

static void count_attempt(const struct attempt *a)
{
    if (a->is_ping) {
        metric_add(METRIC_pings, 1);
        return;
    }
    histogram_observe(HISTOGRAM_attempt_duration, a->duration_ms * 1000);
    if (a->error)
        metric_add(METRIC_attempts_failed, 1);
}

static void count_alert(struct held_list *l, const struct batch *b, const struct change *c)
{
    metric_add(METRIC_alerts_raised, 1);
    if (c->alert.telling == TELLING_WAITING)
        engine__hold_alert(l, b->sequence, c->shard, &c->alert);
}

void engine__count_changes(struct held_list *l, const struct batch *b, size_t from)
{
    assert(from <= b->count); // A batch only grows.
    for (size_t i = from; i < b->count; i++) {
        const struct change *c = &b->changes[i];
        if (c->kind == CHANGE_EXECUTION_INSERT && c->execution.state == EXECUTION_PENDING)
            count_row(&c->execution);
        if (c->kind == CHANGE_EXECUTION_INSERT || c->kind == CHANGE_EXECUTION_UPDATE)
            count_execution(&c->execution);
        if (c->kind == CHANGE_JOB_STATE && c->state.move)
            engine__hold_move(l, b->sequence, c->shard, &c->state);
        if (c->kind == CHANGE_ATTEMPT)
            count_attempt(&c->attempt);
        if (c->kind == CHANGE_ALERT)
            count_alert(l, b, c);
    }
}
