// SPDX-License-Identifier: MIT
// outbox.c: waiting alerts and deliveries in memory: the plain reading of what store/outbox.h says.

#include "store/memory/memory_priv.h"

#include <stdio.h>
#include <string.h>

// --- Rows ------------------------------------------------------------------------------------

static void replace(const char **text, const char *with)
{
    free((char *)(uintptr_t)*text);
    *text = xstrdup(with);
}

static void disown(struct memory_delivery *d)
{
    for (size_t i = 0; i < d->row.attempts; i++)
        free((char *)(uintptr_t)d->attempts[i].error);
    free((char *)(uintptr_t)d->row.channel_name);
    free((char *)(uintptr_t)d->row.error);
    free((char *)(uintptr_t)d->row.message);
    free(d->dedup_key);
    free(d->alerts);
    free(d->attempts);
}

static struct memory_delivery *add(struct memory_store *s, const struct delivery *row)
{
    s->deliveries =
        grow(s->deliveries, s->delivery_count, &s->delivery_capacity, sizeof *s->deliveries);
    struct memory_delivery *d = &s->deliveries[s->delivery_count++];
    *d = (struct memory_delivery){.row = *row};
    d->row.attempts = 0;
    d->row.channel_name = xstrdup(row->channel_name);
    d->row.error = xstrdup(row->error);
    d->row.message = xstrdup(row->message);
    return d;
}

static void add_alert(struct memory_delivery *d, int64_t alert)
{
    size_t at = 0;
    while (at < d->alert_count && d->alerts[at] < alert)
        at++;
    if (at < d->alert_count && d->alerts[at] == alert)
        return;
    d->alerts = grow(d->alerts, d->alert_count, &d->alert_capacity, sizeof *d->alerts);
    memmove(&d->alerts[at + 1], &d->alerts[at], (d->alert_count - at) * sizeof *d->alerts);
    d->alerts[at] = alert;
    d->alert_count++;
}

static void add_attempt(struct memory_delivery *d, const struct delivery_attempt *a)
{
    d->attempts = grow(d->attempts, d->row.attempts, &d->attempt_capacity, sizeof *d->attempts);
    struct delivery_attempt *own = &d->attempts[d->row.attempts++];
    *own = *a;
    own->error = xstrdup(a->error);
}

void memory_deliveries_copy(struct memory_store *to, const struct memory_store *from)
{
    for (size_t i = 0; i < from->delivery_count; i++) {
        const struct memory_delivery *old = &from->deliveries[i];
        struct memory_delivery *new = add(to, &old->row);
        new->dedup_key = xstrdup(old->dedup_key);
        new->watched_alert = old->watched_alert;
        new->is_acknowledged = old->is_acknowledged;
        for (size_t n = 0; n < old->alert_count; n++)
            add_alert(new, old->alerts[n]);
        for (size_t n = 0; n < old->row.attempts; n++)
            add_attempt(new, &old->attempts[n]);
    }
    to->delivery_last = from->delivery_last;
}

void memory_deliveries_free(struct memory_store *s)
{
    for (size_t i = 0; i < s->delivery_count; i++)
        disown(&s->deliveries[i]);
    free(s->deliveries);
}

void memory_deliveries_sweep(struct memory_store *s, wall_ms before)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->delivery_count; i++) {
        struct memory_delivery *d = &s->deliveries[i];
        if (d->row.state != DELIVERY_PENDING && d->row.created_at < before)
            disown(d);
        else
            s->deliveries[kept++] = *d;
    }
    s->delivery_count = kept;
}

static struct memory_delivery *find(const struct memory_store *s, int64_t id)
{
    for (size_t i = 0; i < s->delivery_count; i++)
        if (s->deliveries[i].row.id == id)
            return &s->deliveries[i];
    return NULL;
}

static bool has_alert(const struct memory_delivery *d, int64_t alert)
{
    for (size_t i = 0; i < d->alert_count; i++)
        if (d->alerts[i] == alert)
            return true;
    return false;
}

// --- Alerts ----------------------------------------------------------------------------------

// "1,2,", of the deliveries that tell of the alert. The caller frees it.
static char *channels_of(const struct memory_store *s, int64_t alert)
{
    char *text = NULL;
    size_t bytes = 0;
    for (size_t i = 0; i < s->delivery_count; i++) {
        char one[32];
        if (!has_alert(&s->deliveries[i], alert))
            continue;
        int n = snprintf(one, sizeof one, "%lld,", (long long)s->deliveries[i].row.channel);
        text = xrealloc(text, bytes + (size_t)n + 1);
        memcpy(text + bytes, one, (size_t)n + 1);
        bytes += (size_t)n;
    }
    return text;
}

static enum err tell(const struct memory_store *s, const struct alert *a,
                     store_each_outbox_alert *each, void *context)
{
    struct outbox_alert out = {.alert = *a};
    struct memory_job *j = a->job ? table_find(&s->jobs, a->job) : NULL;
    char *channels = NULL;
    if (j) {
        out.job_name = j->job->name;
        out.job_tags = j->job->tags;
        out.job_channels = j->job->alert_channels;
    }
    if (a->incident_id && a->incident_id != a->id) {
        const struct alert *opener = table_find(&s->alerts, a->incident_id);
        out.opener = opener ? opener->telling : TELLING_NONE;
        out.opener_channels = channels = channels_of(s, a->incident_id);
    }
    enum err err = each(context, &out);
    free(channels);
    return err;
}

static enum err waiting(struct store_registry *r, size_t limit, store_each_outbox_alert *each,
                        void *context, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    enum err err = ERR_OK;
    (void)f;
    for (size_t i = 0; i < s->alerts.count && limit > 0 && !err; i++) {
        const struct alert *a = s->alerts.rows[i];
        if (a->telling != TELLING_WAITING)
            continue;
        limit--;
        err = tell(s, a, each, context);
    }
    return memory_registry_unlock(s, err);
}

static enum err of_delivery(struct store_registry *r, int64_t delivery, int64_t after, size_t limit,
                            store_each_outbox_alert *each, void *context, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    const struct memory_delivery *d = find(s, delivery);
    enum err err = ERR_OK;
    (void)f;
    for (size_t i = 0; d && i < d->alert_count && limit > 0 && !err; i++) {
        const struct alert *a = table_find(&s->alerts, d->alerts[i]);
        if (d->alerts[i] <= after || !a)
            continue;
        limit--;
        err = tell(s, a, each, context);
    }
    return memory_registry_unlock(s, err);
}

static enum err settle(struct store_registry *r, int64_t epoch, const struct outbox_settlement *c,
                       struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    (void)epoch;
    (void)f;
    for (size_t i = 0; i < c->verdict_count; i++) {
        struct alert *a = table_find(&s->alerts, c->verdicts[i].alert);
        if (!a || a->telling != TELLING_WAITING)
            continue;
        a->telling = c->verdicts[i].telling;
        a->silence_id = c->verdicts[i].silence;
    }
    for (size_t i = 0; i < c->link_count; i++)
        add_alert(find(s, c->links[i].delivery), c->links[i].alert);
    return memory_registry_unlock(s, ERR_OK);
}

static bool is_closed(const struct memory_store *s, int64_t incident, uint64_t closing)
{
    for (size_t i = 0; i < s->alerts.count; i++) {
        const struct alert *a = s->alerts.rows[i];
        if (a->incident_id == incident && (closing & ALERT_KIND_BIT(a->kind)))
            return true;
    }
    return false;
}

static bool is_silenced(const struct memory_store *s, const struct alert *a, uint64_t closing)
{
    return a->telling == TELLING_SILENCED && a->incident_id == a->id &&
           !is_closed(s, a->id, closing);
}

static void note(int64_t *ids, size_t ids_max, size_t *count, int64_t id)
{
    size_t at = 0;
    while (at < *count && ids[at] < id)
        at++;
    if (*count == ids_max || (at < *count && ids[at] == id))
        return;
    memmove(&ids[at + 1], &ids[at], (*count - at) * sizeof *ids);
    ids[at] = id;
    ++*count;
}

static enum err silences(struct store_registry *r, uint64_t closing, int64_t *ids, size_t ids_max,
                         size_t *count, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    (void)f;
    *count = 0;
    for (size_t i = 0; i < s->alerts.count; i++) {
        const struct alert *a = s->alerts.rows[i];
        if (is_silenced(s, a, closing))
            note(ids, ids_max, count, a->silence_id);
    }
    return memory_registry_unlock(s, ERR_OK);
}

static enum err unsilence(struct store_registry *r, int64_t epoch, int64_t silence,
                          uint64_t closing, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    (void)epoch;
    (void)f;
    for (size_t i = 0; i < s->alerts.count; i++) {
        struct alert *a = s->alerts.rows[i];
        if (a->silence_id != silence || !is_silenced(s, a, closing))
            continue;
        a->telling = TELLING_WAITING;
        a->silence_id = 0;
    }
    return memory_registry_unlock(s, ERR_OK);
}

static enum err count(struct store_registry *r, struct outbox_counts *out, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    (void)f;
    *out = (struct outbox_counts){0};
    for (size_t i = 0; i < s->delivery_count; i++)
        out->pending += s->deliveries[i].row.state == DELIVERY_PENDING;
    for (size_t i = 0; i < s->alerts.count; i++) {
        const struct alert *a = s->alerts.rows[i];
        if (a->telling != TELLING_WAITING)
            continue;
        out->oldest_at = out->waiting++ ? MIN(out->oldest_at, a->created_at) : a->created_at;
    }
    return memory_registry_unlock(s, ERR_OK);
}

// --- Deliveries ------------------------------------------------------------------------------

static enum err open_delivery(struct store_registry *r, int64_t epoch, struct delivery *d,
                              struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    (void)epoch;
    (void)f;
    d->id = ++s->delivery_last;
    add(s, d);
    return memory_registry_unlock(s, ERR_OK);
}

static enum err conflict(struct fault *f)
{
    return fault_set(f, ERR_CONFLICT, "the delivery is not as it was");
}

static void take_over(struct memory_store *s, const struct memory_delivery *d)
{
    for (size_t i = 0; i < s->delivery_count; i++) {
        struct memory_delivery *other = &s->deliveries[i];
        if (other != d && other->watched_alert && other->row.channel == d->row.channel &&
            strcmp(other->dedup_key, d->dedup_key) == 0)
            other->watched_alert = 0;
    }
}

static enum err seal(struct store_registry *r, int64_t epoch, int64_t id,
                     const struct delivery_seal *w, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    struct memory_delivery *d = find(s, id);
    (void)epoch;
    if (!d || d->row.state != DELIVERY_PENDING || d->row.message)
        return memory_registry_unlock(s, conflict(f));
    replace(&d->row.message, w->message);
    d->row.alert_count = w->alert_count;
    d->dedup_key = xstrdup(w->dedup_key);
    d->watched_alert = w->watched;
    if (w->dedup_key)
        take_over(s, d);
    return memory_registry_unlock(s, ERR_OK);
}

static enum err record(struct store_registry *r, int64_t epoch, const struct delivery_attempt *a,
                       const struct delivery_after *after, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    struct memory_delivery *d = find(s, a->delivery);
    (void)epoch;
    if (!d || d->row.state != DELIVERY_PENDING || !d->row.message ||
        d->row.attempts + 1 != a->number)
        return memory_registry_unlock(s, conflict(f));
    add_attempt(d, a);
    d->row.state = after->state;
    d->row.next_attempt_at = after->next_attempt_at;
    d->row.finished_at = after->finished_at;
    d->row.http_status = a->http_status;
    d->watched_alert = after->state == DELIVERY_FAILED ? 0 : d->watched_alert;
    replace(&d->row.error, a->error);
    return memory_registry_unlock(s, ERR_OK);
}

static enum err give_up(struct store_registry *r, int64_t epoch, int64_t id, const char *why,
                        wall_ms now, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    struct memory_delivery *d = find(s, id);
    (void)epoch;
    if (!d || d->row.state != DELIVERY_PENDING)
        return memory_registry_unlock(s, conflict(f));
    d->row.state = DELIVERY_FAILED;
    d->row.next_attempt_at = 0;
    d->row.finished_at = now;
    d->watched_alert = 0;
    replace(&d->row.error, why);
    return memory_registry_unlock(s, ERR_OK);
}

// --- What is open at channels ------------------------------------------------------------------

static bool is_open(const struct memory_store *s, const struct alert *a)
{
    struct memory_job *j = a && a->job ? table_find(&s->jobs, a->job) : NULL;
    struct incidents i;
    bool found = false;
    if (!j || j->deleted_at)
        return false;
    incidents_parse(j->job->trouble, &i);
    for (size_t k = 0; k < INCIDENT_CAUSES; k++)
        found |= i.of[k].id == a->incident_id;
    return found && a->incident_id;
}

// The first alert of the incident that somebody has seen, or the last one of all; 0: none.
static int64_t find_of_incident(const struct memory_store *s, int64_t incident, bool is_last)
{
    int64_t id = 0;
    for (size_t i = 0; incident && i < s->alerts.count; i++) {
        const struct alert *a = s->alerts.rows[i];
        if (a->incident_id == incident && (is_last || (a->acknowledged_at && !id)))
            id = a->id;
    }
    return id;
}

static enum err openings(struct store_registry *r, int64_t after, size_t limit,
                         store_each_opening *each, void *context, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    enum err err = ERR_OK;
    (void)f;
    for (size_t i = 0; i < s->delivery_count && limit > 0 && !err; i++) {
        const struct memory_delivery *d = &s->deliveries[i];
        if (d->row.id <= after || !d->watched_alert)
            continue;
        const struct alert *a = table_find(&s->alerts, d->watched_alert);
        struct outbox_opening o = {.delivery = d->row.id,
                                   .channel = d->row.channel,
                                   .channel_name = d->row.channel_name,
                                   .dedup_key = d->dedup_key,
                                   .alert_count = d->row.alert_count,
                                   .incident = a ? a->incident_id : 0,
                                   .is_over = !is_open(s, a)};
        o.acknowledged = d->is_acknowledged ? 0 : find_of_incident(s, o.incident, false);
        limit--;
        err = each(context, &o);
    }
    return memory_registry_unlock(s, err);
}

static enum err advance(struct store_registry *r, int64_t epoch, int64_t delivery, bool *moved,
                        struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    struct memory_delivery *d = find(s, delivery);
    size_t left = OUTBOX_PAGE;
    bool found = false;
    (void)epoch;
    (void)f;
    *moved = false;
    for (size_t i = 0; d && d->watched_alert && i < d->alert_count && left > 0 && !found; i++) {
        if (d->alerts[i] <= d->watched_alert)
            continue;
        left--;
        d->watched_alert = d->alerts[i];
        found = is_open(s, table_find(&s->alerts, d->alerts[i]));
        *moved = true;
    }
    return memory_registry_unlock(s, ERR_OK);
}

static enum err ends(struct store_registry *r, int64_t delivery, size_t limit,
                     store_each_outbox_alert *each, void *context, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    const struct memory_delivery *d = find(s, delivery);
    enum err err = ERR_OK;
    (void)f;
    for (size_t i = 0; i < s->alerts.count && !err; i++) {
        const struct alert *a = s->alerts.rows[i];
        bool is_of_delivery = false;
        for (size_t n = 0; d && n < d->alert_count && n < limit; n++) {
            const struct alert *told = table_find(&s->alerts, d->alerts[n]);
            is_of_delivery |= told && told->incident_id && told->incident_id == a->incident_id;
        }
        if (is_of_delivery && find_of_incident(s, a->incident_id, true) == a->id)
            err = tell(s, a, each, context);
    }
    return memory_registry_unlock(s, err);
}

static enum err follow(struct store_registry *r, int64_t epoch, const struct opening_follow *w,
                       struct delivery *d, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    struct memory_delivery *opening = find(s, w->opening);
    (void)epoch;
    if (!opening || !opening->watched_alert || (!w->ends && opening->is_acknowledged))
        return memory_registry_unlock(s, conflict(f));
    opening->watched_alert = w->ends ? 0 : opening->watched_alert;
    opening->is_acknowledged = true;
    d->id = ++s->delivery_last;
    struct memory_delivery *new = add(s, d);
    for (size_t i = 0; i < w->alert_count; i++)
        add_alert(new, w->alerts[i]);
    return memory_registry_unlock(s, ERR_OK);
}

// --- Reading deliveries ------------------------------------------------------------------------

static enum err pending(struct store_registry *r, store_each_delivery *each, void *context,
                        struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    enum err err = ERR_OK;
    (void)f;
    for (size_t i = 0; i < s->delivery_count && !err; i++)
        if (s->deliveries[i].row.state == DELIVERY_PENDING)
            err = each(context, &s->deliveries[i].row);
    return memory_registry_unlock(s, err);
}

static bool is_wanted(const struct delivery_query *q, const struct memory_delivery *d)
{
    return (!q->id || q->id == d->row.id) && (!q->channel || q->channel == d->row.channel) &&
           (q->state < 0 || q->state == (int)d->row.state) &&
           (!q->before || d->row.id < q->before) && (!q->alert || has_alert(d, q->alert));
}

static enum err list(struct store_registry *r, const struct delivery_query *q,
                     store_each_delivery *each, void *context, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    size_t left = q->limit;
    enum err err = ERR_OK;
    (void)f;
    for (size_t i = s->delivery_count; i-- > 0 && left > 0 && !err;) {
        if (!is_wanted(q, &s->deliveries[i]))
            continue;
        left--;
        err = each(context, &s->deliveries[i].row);
    }
    return memory_registry_unlock(s, err);
}

static enum err attempts(struct store_registry *r, int64_t delivery,
                         store_each_delivery_attempt *each, void *context, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    const struct memory_delivery *d = find(s, delivery);
    enum err err = ERR_OK;
    (void)f;
    for (size_t i = 0; d && i < d->row.attempts && !err; i++)
        err = each(context, &d->attempts[i]);
    return memory_registry_unlock(s, err);
}

const struct store_outbox_ops memory_outbox = {
    .waiting = waiting,
    .of_delivery = of_delivery,
    .settle = settle,
    .silences = silences,
    .unsilence = unsilence,
    .count = count,
    .open = open_delivery,
    .seal = seal,
    .openings = openings,
    .advance = advance,
    .ends = ends,
    .follow = follow,
    .record = record,
    .give_up = give_up,
    .pending = pending,
    .list = list,
    .attempts = attempts,
};
