// SPDX-License-Identifier: MIT
// health.c: the judgement, part by part, and its JSON.
//
//   failing    the server cannot do its work: nothing is written, or nothing is planned
//   degraded   it works, but somebody should look

#include "base/err.h"
#include "observe/observe.h"
#include "zones/zones.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const level_names[] = {
    [HEALTH_OK] = "ok",
    [HEALTH_DEGRADED] = "degraded",
    [HEALTH_FAILING] = "failing",
};

static const char *const part_names[HEALTH_PARTS] = {
    [HEALTH_STORE] = "store", [HEALTH_PLANNER] = "planner", [HEALTH_DISPATCH] = "dispatch",
    [HEALTH_CLOCK] = "clock", [HEALTH_CLUSTER] = "cluster", [HEALTH_ALERTS] = "alerts",
};

static void PRINTF_LIKE(4, 5)
    judge(struct health *h, enum health_part part, enum health_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(h->parts[part].reason, HEALTH_REASON_BYTES, format, arguments);
    va_end(arguments);
    h->parts[part].level = level;
    h->level = MAX(h->level, level);
}

static void judge_store(const struct engine_status *s, struct health *h)
{
    const struct store_stall *stall = store_stall_find(s->store_stalled);
    if (stall)
        judge(h, HEALTH_STORE, HEALTH_FAILING, "%s; nothing is written or sent until it %s",
              stall->what, stall->until);
    else if (s->store.is_low)
        judge(h, HEALTH_STORE, HEALTH_DEGRADED,
              "%" PRId64 " MiB of the disk are left, less than the reserve of %" PRId64
              " MiB for executions; new jobs and triggers are refused",
              s->store.free_bytes >> 20, s->store.reserve_bytes >> 20);
}

static void judge_planner(const struct engine_status *s, struct health *h)
{
    bool plans = s->core.watermark > 0; // A node without shards has nothing to plan.
    dur_ms behind = plans ? s->turned_at - s->core.watermark : 0;
    if (s->started_at == 0)
        judge(h, HEALTH_PLANNER, HEALTH_FAILING, "the server is starting");
    else if (s->core.draining)
        judge(h, HEALTH_PLANNER, HEALTH_DEGRADED, "the server is shutting down");
    else if (behind > PLANNER_LAG_MS)
        judge(h, HEALTH_PLANNER, HEALTH_DEGRADED, "planning is %" PRId64 " ms behind", behind);
}

static void judge_down(const struct core_status *s, struct health *h)
{
    char since[RFC3339_BYTES];
    wall_format(s->down[0].since, since);
    if (s->hosts_down > 1)
        judge(h, HEALTH_DISPATCH, HEALTH_DEGRADED,
              "nothing answers at %" PRIu32 " hosts: %s since %s, ...", s->hosts_down,
              s->down[0].origin, since);
    else
        judge(h, HEALTH_DISPATCH, HEALTH_DEGRADED, "nothing answers at %s since %s",
              s->down[0].origin, since);
}

static void judge_dispatch(const struct engine_status *s, struct health *h)
{
    if (s->held_at && s->turned_at - s->held_at < HELD_FRESH_MS)
        judge(h, HEALTH_DISPATCH, HEALTH_DEGRADED, "attempts are put off: %s", s->held_by);
    else if (s->core.hosts_down > 0)
        judge_down(&s->core, h);
    else if (s->core.waiting > WAITING_MAX)
        judge(h, HEALTH_DISPATCH, HEALTH_DEGRADED,
              "%" PRIu64 " executions are due but held back by a limit, %" PRIu64
              " of them by the rate of their host",
              s->core.waiting, s->core.waiting_for_rate);
}

static void judge_clock(const struct engine_status *s, wall_ms now, struct health *h)
{
    dur_ms ahead = s->core.watermark - now; // Without shards the watermark is 0.
    int64_t offset_ms = h->cluster.clock_offset_us / 1000;
    if (ahead > CLOCK_HOLD_MS)
        judge(h, HEALTH_CLOCK, HEALTH_DEGRADED,
              "the clock went back; nothing is planned for the next %" PRId64 " s", ahead / 1000);
    else if (offset_ms > CLOCK_OFFSET_MS || offset_ms < -CLOCK_OFFSET_MS)
        judge(h, HEALTH_CLOCK, HEALTH_DEGRADED,
              "the clock of this machine is %" PRId64 " ms %s that of the database, which counts",
              offset_ms > 0 ? offset_ms : -offset_ms, offset_ms > 0 ? "ahead of" : "behind");
}

static void judge_cluster(struct health *h)
{
    const struct cluster_summary *c = &h->cluster;
    if (!c->has_lease)
        judge(h, HEALTH_CLUSTER, HEALTH_FAILING,
              "this node has no lease: it could not renew it at the database for %" PRId64
              " ms, and sends nothing until it can",
              c->lease_age_ms);
    else if (c->workers == 0)
        judge(h, HEALTH_CLUSTER, HEALTH_DEGRADED, "there is no worker: nothing is sent");
    else if (c->unowned > 0)
        judge(h, HEALTH_CLUSTER, HEALTH_DEGRADED, "%" PRIu32 " of %" PRIu32 " shards have no owner",
              c->unowned, c->shards);
}

static void judge_alerts(const struct telling_state *t, wall_ms now, struct health *h)
{
    char since[RFC3339_BYTES];
    dur_ms waits = t->oldest_at ? now - t->oldest_at : 0;
    wall_format(t->down_since, since);
    if (t->down > 1)
        judge(h, HEALTH_ALERTS, HEALTH_DEGRADED,
              "messages do not get through to %" PRIu32 " channels: %s since %s, ...", t->down,
              t->channel, since);
    else if (t->down == 1)
        judge(h, HEALTH_ALERTS, HEALTH_DEGRADED,
              "messages do not get through to channel %s since %s", t->channel, since);
    else if (waits > TELLING_LATE_MS)
        judge(h, HEALTH_ALERTS, HEALTH_DEGRADED,
              "%" PRId64 " alerts wait to be told, the first for %" PRId64 " s", t->waiting,
              waits / 1000);
}

static struct cluster_summary sum_up(const struct cluster_status *s, mono_ms now)
{
    struct cluster_summary sum = {
        .nodes = (uint32_t)s->node_count,
        .shards = s->shards,
        .owned = s->owned,
        .unowned = s->unowned,
        .is_alone = s->lease_ttl_ms == 0,
        .has_lease = s->lease_until > now,
        .is_leader = s->is_leader,
        .is_draining = s->is_draining,
        .lease_age_ms = s->lease_age_ms,
        .seen_ms_ago = s->seen_ms_ago,
        .clock_offset_us = s->clock_offset_us,
    };
    for (size_t i = 0; i < s->node_count; i++) {
        sum.workers += s->nodes[i].works;
        if (s->nodes[i].is_leader)
            memcpy(sum.leader, s->nodes[i].name, sizeof sum.leader);
    }
    return sum;
}

void health_judge(const struct health_facts *facts, struct health *out)
{
    const struct engine_status *s = &facts->engine;
    *out = (struct health){.status = *s,
                           .cluster = sum_up(&facts->cluster, facts->mono_now),
                           .telling = facts->telling,
                           .judged_at = facts->now};
    judge_store(s, out);
    judge_planner(s, out);
    judge_dispatch(s, out);
    judge_clock(s, facts->now, out);
    judge_alerts(&facts->telling, facts->now, out);
    if (s->started_at != 0)
        judge_cluster(out);
}

// --- As JSON -------------------------------------------------------------------------------------

static json_t *time_json(wall_ms at)
{
    char text[RFC3339_BYTES];
    if (at <= 0)
        return json_null();
    wall_format(at, text);
    return json_string(text);
}

static json_t *part_json(const struct health *h, enum health_part part)
{
    json_t *o = json_pack("{s:s}", "status", level_names[h->parts[part].level]);
    if (*h->parts[part].reason)
        json_object_set_new(o, "reason", json_string(h->parts[part].reason));
    return o;
}

static json_t *down_json(const struct core_status *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < MIN(s->hosts_down, HOSTS_DOWN_SHOWN); i++) {
        json_t *o = json_object();
        json_object_set_new(o, "host", json_string(s->down[i].origin));
        json_object_set_new(o, "since", time_json(s->down[i].since));
        json_object_set_new(o, "open", json_integer(s->down[i].open));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *paced_json(const struct core_status *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < MIN(s->hosts_paced, HOSTS_PACED_SHOWN); i++) {
        json_t *o = json_object();
        json_object_set_new(o, "host", json_string(s->paced[i].origin));
        json_object_set_new(o, "rate", json_integer(s->paced[i].rate));
        json_object_set_new(o, "waiting", json_integer(s->paced[i].waiting));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *bytes_json(int64_t bytes)
{
    return bytes < 0 ? json_null() : json_integer(bytes);
}

static void add_cluster(const struct cluster_summary *c, json_t *o)
{
    json_object_set_new(o, "nodes", json_integer(c->nodes));
    json_object_set_new(o, "workers", json_integer(c->workers));
    json_object_set_new(o, "leader", *c->leader ? json_string(c->leader) : json_null());
    json_object_set_new(o, "shards", json_integer(c->shards));
    json_object_set_new(o, "shards_owned", json_integer(c->owned));
    json_object_set_new(o, "shards_unowned", json_integer(c->unowned));
    json_object_set_new(o, "lease_age_ms", json_integer(c->lease_age_ms));
}

// The figures on which the judgement of each part rests.
static void add_figures(const struct health *h, json_t *o)
{
    const struct engine_status *s = &h->status;
    json_t *store = json_object_get(o, part_names[HEALTH_STORE]);
    json_object_set_new(store, "commits", json_integer((json_int_t)s->store.commits));
    json_object_set_new(store, "last_commit_us", json_integer(s->store.last_commit_us));
    json_object_set_new(store, "disk_free_bytes", bytes_json(s->store.free_bytes));
    json_object_set_new(store, "disk_reserve_bytes", json_integer(s->store.reserve_bytes));
    json_t *planner = json_object_get(o, part_names[HEALTH_PLANNER]);
    json_object_set_new(planner, "watermark", time_json(s->core.watermark));
    json_object_set_new(planner, "ahead_ms", json_integer(s->core.watermark - h->judged_at));
    json_object_set_new(planner, "jobs_active", json_integer((json_int_t)s->core.jobs_active));
    json_t *dispatch = json_object_get(o, part_names[HEALTH_DISPATCH]);
    json_object_set_new(dispatch, "in_flight", json_integer((json_int_t)s->core.in_flight));
    json_object_set_new(dispatch, "waiting", json_integer((json_int_t)s->core.waiting));
    json_object_set_new(dispatch, "waiting_for_rate",
                        json_integer((json_int_t)s->core.waiting_for_rate));
    json_object_set_new(dispatch, "paced", paced_json(&s->core));
    json_object_set_new(dispatch, "retrying", json_integer((json_int_t)s->core.retrying));
    json_object_set_new(dispatch, "awaiting", json_integer((json_int_t)s->core.awaiting));
    json_object_set_new(dispatch, "hosts_down", json_integer(s->core.hosts_down));
    json_object_set_new(dispatch, "down", down_json(&s->core));
    json_t *clock = json_object_get(o, part_names[HEALTH_CLOCK]);
    json_object_set_new(clock, "now", time_json(h->judged_at));
    json_object_set_new(clock, "offset_ms", json_integer(h->cluster.clock_offset_us / 1000));
    json_t *alerts = json_object_get(o, part_names[HEALTH_ALERTS]);
    json_object_set_new(alerts, "waiting", json_integer(h->telling.waiting));
    json_object_set_new(alerts, "oldest", time_json(h->telling.oldest_at));
    json_object_set_new(alerts, "channels_down", json_integer(h->telling.down));
    add_cluster(&h->cluster, json_object_get(o, part_names[HEALTH_CLUSTER]));
}

json_t *health_json(const struct health *h, const char *version)
{
    char tzdata[ZONE_VERSION_BYTES];
    zone_data_version(tzdata);
    json_t *o = json_object();
    json_object_set_new(o, "status", json_string(level_names[h->level]));
    json_object_set_new(o, "version", json_string(version));
    json_object_set_new(o, "tzdata", json_string(tzdata));
    json_object_set_new(o, "started_at", time_json(h->status.started_at));
    wall_ms started_at = h->status.started_at ? h->status.started_at : h->judged_at;
    json_object_set_new(o, "uptime_s", json_integer((h->judged_at - started_at) / 1000));
    json_object_set_new(o, "epoch", json_integer(h->status.epoch));
    json_object_set_new(o, "draining", json_boolean(h->status.core.draining));
    for (enum health_part part = 0; part < HEALTH_PARTS; part++)
        json_object_set_new(o, part_names[part], part_json(h, part));
    add_figures(h, o);
    return o;
}
