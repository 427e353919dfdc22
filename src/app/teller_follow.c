// SPDX-License-Identifier: MIT
// teller_follow.c: what became of incidents that channels keep open.
//
// PagerDuty, Opsgenie and webhooks keep something open under the key of a message, which may tell
// of one incident or of thousands. So they are told once that all of a key's incidents are over,
// under that key, and that somebody looks after the incident of a key. Both are deliveries like any
// other.
//
// What is to be said is read from the rows, a page of openings at a look, and marked in the
// transaction in which its delivery is made: no crash loses it or says it twice. An idle cluster
// looks seldom, so that its database is not asked all the time for nothing.

#include "alert/digest.h"
#include "app/teller_priv.h"

#include <string.h>

#define PENDING_MAX 20 // So many messages wait for a channel; further ones are made later.

struct looking {
    struct outbox_opening *found; // What there is something to say of. Own their texts.
    size_t count;
    size_t capacity;
    size_t seen;
    int64_t last;
};

static enum err look_at(void *context, const struct outbox_opening *o)
{
    struct looking *l = context;
    l->seen++;
    l->last = o->delivery;
    char key[NOTICE_KEY_BYTES_MAX + 1];
    digest_incident_key(o->incident, key);
    bool is_seen = o->acknowledged && strcmp(key, o->dedup_key) == 0;
    if (!o->is_over && !is_seen)
        return ERR_OK;
    l->found = grow(l->found, l->count, &l->capacity, sizeof *l->found);
    l->found[l->count] = *o;
    l->found[l->count].channel_name = xstrdup(o->channel_name);
    l->found[l->count++].dedup_key = xstrdup(o->dedup_key);
    return ERR_OK;
}

static void looking_free(struct looking *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free((char *)(uintptr_t)l->found[i].channel_name);
        free((char *)(uintptr_t)l->found[i].dedup_key);
    }
    free(l->found);
}

// --- What is said ----------------------------------------------------------------------------

struct telling {
    struct digest *digest;
    int64_t alerts[OUTBOX_PAGE]; // The message tells of these.
    size_t count;
};

static enum err add_end(void *context, const struct outbox_alert *a)
{
    struct telling *g = context;
    if (!(ALERTS_CLOSING & ALERT_KIND_BIT(a->alert.kind)))
        return ERR_OK; // The incident went with its job, or with its rule.
    digest_add(g->digest, &a->alert, a->job_name);
    g->alerts[g->count++] = a->alert.id;
    return ERR_OK;
}

static enum err add_told(void *context, const struct outbox_alert *a)
{
    digest_add(((struct telling *)context)->digest, &a->alert, a->job_name);
    return ERR_OK;
}

static enum err write_end(struct teller *t, const struct outbox_opening *o, struct telling *g,
                          wall_ms now, struct notice *n, struct fault *f)
{
    enum err err = store_opening_ends(t->registry, o->delivery, OUTBOX_PAGE, add_end, g, f);
    if (!err)
        digest_write_end(g->digest, o->dedup_key, o->delivery, o->alert_count, now, n);
    return err;
}

static enum err write_ack(struct teller *t, const struct outbox_opening *o, struct telling *g,
                          wall_ms now, struct notice *n, struct fault *f)
{
    enum err err = store_outbox_of_delivery(t->registry, o->delivery, 0, 1, add_told, g, f);
    g->alerts[g->count++] = o->acknowledged;
    if (!err && digest_count(g->digest) > 0)
        digest_write_ack(g->digest, o->dedup_key, now, n);
    return err;
}

static enum err make(struct teller *t, const struct outbox_opening *o, const struct telling *g,
                     const struct notice *n, wall_ms now, struct fault *f)
{
    char *message = notice_pack(n);
    struct delivery d = {.channel = o->channel,
                         .channel_name = o->channel_name,
                         .created_at = now,
                         .next_attempt_at = now,
                         .message = message,
                         .alert_count = n->count};
    const struct opening_follow w = {.opening = o->delivery,
                                     .ends = n->event == NOTICE_RESOLVE,
                                     .alerts = g->alerts,
                                     .alert_count = g->count};
    enum err err = store_opening_follow(t->registry, t->epoch, &w, &d, f);
    if (!err)
        teller__add_pending(t, &d);
    free(message);
    return err == ERR_CONFLICT ? ERR_OK : err;
}

static enum err say(struct teller *t, const struct outbox_opening *o, bool ends, wall_ms now,
                    struct fault *f)
{
    struct telling *g = xcalloc(1, sizeof *g);
    struct notice n = {0};
    g->digest = digest_new(t->server->settings.public_url);
    enum err err = ends ? write_end(t, o, g, now, &n, f) : write_ack(t, o, g, now, &n, f);
    if (!err && n.title)
        err = make(t, o, g, &n, now, f);
    notice_clear(&n);
    digest_free(g->digest);
    free(g);
    return err;
}

// --- A look ----------------------------------------------------------------------------------

static bool has_room(const struct teller *t, int64_t channel)
{
    size_t n = 0;
    for (size_t i = 0; i < t->pending_count; i++)
        n += t->pending[i].channel == channel && t->pending[i].state == DELIVERY_PENDING;
    return n < PENDING_MAX;
}

static enum err follow(struct teller *t, const struct outbox_opening *o, wall_ms now,
                       struct fault *f)
{
    bool moved = false;
    if (!has_room(t, o->channel))
        return ERR_OK;
    teller__rest(t);
    if (!o->is_over)
        return say(t, o, false, now, f);
    enum err err = store_opening_advance(t->registry, t->epoch, o->delivery, &moved, f);
    return err || moved ? err : say(t, o, true, now, f);
}

enum err teller__follow(struct teller *t, wall_ms now, struct fault *f)
{
    struct looking l = {0};
    enum err err = store_opening_list(t->registry, t->looked_at, OUTBOX_PAGE, look_at, &l, f);
    t->looked_at = !err && l.seen == OUTBOX_PAGE ? l.last : 0;
    if (!err && l.count > 0)
        err = teller__read_pending(t, f);
    for (size_t i = 0; i < l.count && !err; i++)
        err = follow(t, &l.found[i], now, f);
    looking_free(&l);
    return err;
}
