// SPDX-License-Identifier: MIT
// cluster_json.c: what a node knows of the cluster, as JSON.
//
// Everything is as old as this node's last look at the database, which `seen_ms_ago` says; what is
// not known is null.

#include "observe/observe.h"

static json_t *known(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static json_t *text_or_null(const char *text)
{
    return *text ? json_string(text) : json_null();
}

static json_t *node_json(const struct cluster_node *n)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", text_or_null(n->id));
    json_object_set_new(o, "name", text_or_null(n->name));
    json_object_set_new(o, "role", json_string(n->role));
    json_object_set_new(o, "version", json_string(n->version));
    json_object_set_new(o, "beat_age_ms", json_integer(n->beat_age_ms));
    json_object_set_new(o, "shards", json_integer(n->shards));
    json_object_set_new(o, "works", json_boolean(n->works));
    json_object_set_new(o, "draining", json_boolean(n->is_draining));
    json_object_set_new(o, "leader", json_boolean(n->is_leader));
    json_object_set_new(o, "self", json_boolean(n->is_self));
    return o;
}

static json_t *nodes_json(const struct cluster_status *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->node_count; i++)
        json_array_append_new(list, node_json(&s->nodes[i]));
    return list;
}

static json_t *replicas_json(const struct cluster_status *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->replica_count; i++) {
        const struct cluster_replica *r = &s->replicas[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", json_string(r->name));
        json_object_set_new(o, "sync", text_or_null(r->sync));
        json_object_set_new(o, "lag_bytes", known(r->lag_bytes));
        json_object_set_new(o, "lag_ms", known(r->lag_ms));
        json_array_append_new(list, o);
    }
    return list;
}

// A manager that promotes must ask so many replicas that one of them has each answered commit.
static json_t *replication_warning(const struct cluster_status *s)
{
    if (s->replica_count == 0 || s->replica_count <= s->commit_quorum)
        return json_null();
    if (s->commit_quorum == 0)
        return json_string("commits wait for no replica: a promotion may lose answered changes");
    return json_sprintf("commits wait for %u of %u replicas, so one that is promoted may lack an "
                        "answered change: promote the furthest of at least %u",
                        (unsigned)s->commit_quorum, (unsigned)s->replica_count,
                        (unsigned)(s->replica_count - s->commit_quorum + 1));
}

static json_t *replication_json(const struct cluster_status *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "synchronous_standby_names", json_string(s->standbys));
    json_object_set_new(o, "commits_wait_for", json_integer(s->commit_quorum));
    json_object_set_new(o, "warning", replication_warning(s));
    return o;
}

// How long this node may send from now on; null: for ever.
static json_t *left_json(mono_ms until, mono_ms now)
{
    return until == MONO_NEVER ? json_null() : json_integer(MAX(until - now, 0));
}

static json_t *lease_json(const struct cluster_status *s, mono_ms now)
{
    json_t *o = json_object();
    json_object_set_new(o, "held", json_boolean(s->lease_until > now));
    json_object_set_new(o, "ttl_ms", s->lease_ttl_ms ? json_integer(s->lease_ttl_ms) : json_null());
    json_object_set_new(o, "age_ms", json_integer(s->lease_age_ms));
    json_object_set_new(o, "left_ms", left_json(s->lease_until, now));
    return o;
}

static json_t *leader_json(const struct cluster_status *s)
{
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].is_leader && *s->nodes[i].name)
            return json_string(s->nodes[i].name);
    return json_null();
}

static json_t *shards_json(const struct cluster_status *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "all", json_integer(s->shards));
    json_object_set_new(o, "own", json_integer(s->owned));
    json_object_set_new(o, "unowned", json_integer(s->unowned));
    return o;
}

json_t *cluster_json(const struct cluster_status *s, mono_ms now)
{
    bool is_alone = s->lease_ttl_ms == 0;
    json_t *o = json_object();
    json_object_set_new(o, "kind", json_string(is_alone ? "solo" : "cluster"));
    json_object_set_new(o, "leader", leader_json(s));
    json_object_set_new(o, "leader_epoch", json_integer(s->leader_epoch));
    json_object_set_new(o, "shards", shards_json(s));
    json_object_set_new(o, "lease", lease_json(s, now));
    json_object_set_new(o, "clock_offset_ms", json_real((double)s->clock_offset_us / 1000));
    json_object_set_new(o, "timeline", s->timeline ? json_integer(s->timeline) : json_null());
    json_object_set_new(o, "seen_ms_ago", json_integer(s->seen_ms_ago));
    json_object_set_new(o, "nodes", nodes_json(s));
    json_object_set_new(o, "replicas", replicas_json(s));
    json_object_set_new(o, "replication", is_alone ? json_null() : replication_json(s));
    return o;
}
