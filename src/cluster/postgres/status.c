// SPDX-License-Identifier: MIT
// status.c: the cluster as it was seen last. Nothing here asks the database.

#include "cluster/postgres/postgres_priv.h"

#include "base/memory.h"

#include <string.h>

static struct cluster_node describe_node(const struct postgres_cluster *p, const struct node *n,
                                         mono_ms now)
{
    struct cluster_node out = {.beat_age_ms = sightings_age(&p->seen.sightings, n->id, now),
                               .shards = n->shards,
                               .works = n->works,
                               .is_draining = n->is_draining,
                               .is_leader = strcmp(n->id, p->seen.view.leader) == 0,
                               .is_self = strcmp(n->id, p->self.id) == 0};
    memcpy(out.id, n->id, sizeof out.id);
    memcpy(out.name, n->name, sizeof out.name);
    memcpy(out.role, n->role, sizeof out.role);
    memcpy(out.version, n->version, sizeof out.version);
    return out;
}

static struct cluster_replica describe_replica(const struct node_replica *r)
{
    struct cluster_replica out = {.lag_bytes = r->lag_bytes, .lag_ms = r->lag_ms};
    memcpy(out.name, r->name, sizeof out.name);
    memcpy(out.sync, r->sync, sizeof out.sync);
    return out;
}

static void describe_all(const struct postgres_cluster *p, struct cluster_status *out, mono_ms now)
{
    const struct seen *s = &p->seen;
    out->nodes = xcalloc(s->view.count + 1, sizeof *out->nodes);
    for (; out->node_count < s->view.count; out->node_count++)
        out->nodes[out->node_count] = describe_node(p, &s->view.nodes[out->node_count], now);
    out->replicas = xcalloc(s->replica_count + 1, sizeof *out->replicas);
    for (; out->replica_count < s->replica_count; out->replica_count++)
        out->replicas[out->replica_count] = describe_replica(&s->replicas[out->replica_count]);
    memcpy(out->standbys, s->standbys, sizeof out->standbys);
    out->commit_quorum = commit_quorum(s->standbys);
    out->shards = p->shards;
    out->unowned = s->view.unowned;
    out->timeline = s->view.timeline;
    out->leader_epoch = s->view.leader_epoch;
    out->seen_ms_ago = s->looked_at ? now - s->looked_at : 0;
}

void cluster__status(struct cluster *c, struct cluster_status *out)
{
    struct postgres_cluster *p = (struct postgres_cluster *)c;
    mono_ms now = clock_mono_ms();
    pthread_mutex_lock(&p->lock);
    describe_all(p, out, now);
    cluster__shards_in(p, TENURE_OWNED, &out->owned);
    out->lease_until = p->is_registered ? p->lease_until : 0;
    out->lease_age_ms = p->asked_at ? now - p->asked_at : 0;
    out->lease_ttl_ms = p->self.ttl_ms;
    out->clock_offset_us = p->machine_ahead_us;
    out->is_leader = p->leads;
    out->is_draining = p->draining;
    pthread_mutex_unlock(&p->lock);
}
