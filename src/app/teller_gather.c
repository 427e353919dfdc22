// SPDX-License-Identifier: MIT
// teller_gather.c: waiting alerts become part of deliveries.
//
// A page of alerts is read, each is matched with silences and channels, and what was decided is
// settled in one transaction: so a crash leaves an alert either waiting or in its deliveries, and a
// herd of any size takes pages, never one long transaction. For each channel one delivery gathers
// at a time; the window of its first alert is its own.

#include "app/teller_priv.h"

#include <assert.h>
#include <string.h>

#define PAGES_MAX 40 // In one look, so that attempts that end meanwhile are not kept waiting.

// What is kept of an alert of the page.
struct row {
    int64_t id;
    int64_t incident;
    enum alert_telling telling; // As was decided.
};

struct page {
    struct teller *teller;
    wall_ms now;
    size_t count;
    struct row rows[OUTBOX_PAGE];
    bool *chosen; // [OUTBOX_PAGE][channel_count]
    struct outbox_verdict verdicts[OUTBOX_PAGE];
    struct outbox_link *links;
    size_t link_count;
    size_t link_capacity;
};

static bool *chosen_of(struct page *p, size_t i)
{
    return &p->chosen[i * p->teller->channel_count];
}

// --- What to do with an alert ----------------------------------------------------------------

static int64_t silence_of(const struct teller *t, const struct tell_subject *a)
{
    for (size_t i = 0; i < t->silence_count; i++)
        if (tell_silence_covers(&t->silences[i].row, a))
            return t->silences[i].row.id;
    return 0;
}

static const struct row *find_row(const struct page *p, int64_t id)
{
    for (size_t i = p->count; i-- > 0;)
        if (p->rows[i].id == id)
            return &p->rows[i];
    return NULL;
}

// What follows an alert of the same page: its decision is not in the database yet.
static size_t follow_in_page(struct page *p, const struct row *opener, bool *chosen)
{
    size_t found = 0;
    size_t channels = p->teller->channel_count;
    memcpy(chosen, chosen_of(p, (size_t)(opener - p->rows)), channels * sizeof *chosen);
    for (size_t i = 0; i < channels; i++)
        found += chosen[i];
    return found;
}

// People hear the end of an incident that they were told of, and of no other one.
static bool follows(struct page *p, const struct outbox_alert *a, bool *chosen,
                    struct outbox_verdict *v)
{
    const struct teller *t = p->teller;
    const struct row *opener = find_row(p, a->alert.incident_id);
    size_t found = 0;
    if (!opener && (a->opener == TELLING_NONE || a->opener == TELLING_WAITING))
        return false; // The opener is gone, or from before: the alert stands for itself.
    if (opener && opener->telling == TELLING_TOLD)
        found = follow_in_page(p, opener, chosen);
    else if (!opener && a->opener == TELLING_TOLD)
        found = tell_follow(t->channels, t->channel_count,
                            a->opener_channels ? a->opener_channels : "", chosen);
    v->telling = found ? TELLING_TOLD : TELLING_NOBODY;
    return true;
}

static void decide(struct page *p, const struct outbox_alert *a, bool *chosen,
                   struct outbox_verdict *v)
{
    const struct teller *t = p->teller;
    struct tell_subject s = {
        .kind = a->alert.kind, .job = a->alert.job, .tags = a->job_tags, .names = a->job_channels};
    bool is_of_channel = s.kind == ALERT_CHANNEL_DOWN || s.kind == ALERT_CHANNEL_UP;
    s.receiver = is_of_channel ? a->alert.subject : NULL;
    bool is_end = (ALERTS_CLOSING & ALERT_KIND_BIT(s.kind)) != 0;
    bool is_later = a->alert.incident_id && a->alert.incident_id != a->alert.id;
    v->silence = is_later && is_end ? 0 : silence_of(t, &s);
    if (v->silence)
        v->telling = TELLING_SILENCED;
    else if (!is_later || !follows(p, a, chosen, v))
        v->telling =
            tell_choose(t->channels, t->channel_count, &s, chosen) ? TELLING_TOLD : TELLING_NOBODY;
}

static enum err decide_row(void *context, const struct outbox_alert *a)
{
    struct page *p = context;
    assert(p->count < OUTBOX_PAGE);
    struct outbox_verdict *v = &p->verdicts[p->count];
    *v = (struct outbox_verdict){.alert = a->alert.id};
    decide(p, a, chosen_of(p, p->count), v);
    p->rows[p->count++] = (struct row){a->alert.id, a->alert.incident_id, v->telling};
    return ERR_OK;
}

// --- The deliveries that gather --------------------------------------------------------------

static const struct delivery *gathering(const struct teller *t, int64_t channel)
{
    for (size_t i = 0; i < t->pending_count; i++) {
        const struct delivery *d = &t->pending[i];
        if (d->channel == channel && !d->message && !d->is_test)
            return d;
    }
    return NULL;
}

static enum err open_window(struct teller *t, size_t place, wall_ms now, int64_t *id,
                            struct fault *f)
{
    struct desk *desk = &t->desks[place];
    dur_ms quiet = now - desk->gathered_at;
    struct delivery d = {.channel = t->channels[place].id,
                         .channel_name = t->channels[place].name,
                         .created_at = now};
    d.window_ms = tell_window(t->server->settings.alert_window_ms, desk->window_ms, quiet);
    d.next_attempt_at = now + d.window_ms;
    enum err err = store_delivery_open(t->registry, t->epoch, &d, f);
    if (err)
        return err;
    desk->window_ms = d.window_ms;
    desk->gathered_at = d.next_attempt_at;
    teller__add_pending(t, &d);
    *id = d.id;
    return ERR_OK;
}

static void add_link(struct page *p, int64_t delivery, int64_t alert)
{
    p->links = grow(p->links, p->link_count, &p->link_capacity, sizeof *p->links);
    p->links[p->link_count++] = (struct outbox_link){delivery, alert};
}

static enum err link_channel(struct page *p, size_t place, struct fault *f)
{
    struct teller *t = p->teller;
    const struct delivery *d = gathering(t, t->channels[place].id);
    int64_t id = d ? d->id : 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < p->count && !err; i++) {
        if (p->rows[i].telling != TELLING_TOLD || !chosen_of(p, i)[place])
            continue;
        if (!id)
            err = open_window(t, place, p->now, &id, f);
        if (!err)
            add_link(p, id, p->rows[i].id);
    }
    return err;
}

static enum err settle_page(struct page *p, struct fault *f)
{
    struct teller *t = p->teller;
    enum err err = ERR_OK;
    for (size_t i = 0; i < t->channel_count && !err; i++)
        err = link_channel(p, i, f);
    const struct outbox_settlement s = {p->verdicts, p->count, p->links, p->link_count};
    return err ? err : store_outbox_settle(t->registry, t->epoch, &s, f);
}

enum err teller__gather(struct teller *t, wall_ms now, bool *changed, struct fault *f)
{
    struct page *p = xcalloc(1, sizeof *p);
    enum err err = ERR_OK;
    p->teller = t;
    p->now = now;
    p->chosen = xcalloc(OUTBOX_PAGE * MAX(t->channel_count, 1), sizeof *p->chosen);
    for (int i = 0; i < PAGES_MAX && !err; i++) {
        p->count = p->link_count = 0;
        memset(p->chosen, 0, OUTBOX_PAGE * t->channel_count * sizeof *p->chosen);
        err = store_outbox_waiting(t->registry, OUTBOX_PAGE, decide_row, p, f);
        if (!err && p->count > 0)
            err = settle_page(p, f);
        *changed |= !err && p->count > 0;
        if (p->count < OUTBOX_PAGE)
            break;
    }
    free(p->links);
    free(p->chosen);
    free(p);
    return err;
}

// --- Silences that end -----------------------------------------------------------------------

#define SILENCES_LOOKED_AT 64 // So many are looked at in one look; the next look finds the others.

static bool is_active(const struct teller *t, int64_t silence)
{
    for (size_t i = 0; i < t->silence_count; i++)
        if (t->silences[i].row.id == silence)
            return true;
    return false;
}

enum err teller__unsilence(struct teller *t, struct fault *f)
{
    int64_t ids[SILENCES_LOOKED_AT];
    size_t count = 0;
    enum err err =
        store_outbox_silences(t->registry, ALERTS_CLOSING, ids, SILENCES_LOOKED_AT, &count, f);
    for (size_t i = 0; i < count && !err; i++)
        if (!is_active(t, ids[i]))
            err = store_outbox_unsilence(t->registry, t->epoch, ids[i], ALERTS_CLOSING, f);
    return err;
}
