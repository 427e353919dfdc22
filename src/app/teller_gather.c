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

#define GATHER_MS 2000  // In one look, so that attempts that end meanwhile are not kept waiting.
#define LINKS_MAX 10000 // In one transaction, while which the writing thread waits: about 50 ms.

// What is kept of an alert of the page.
struct row {
    int64_t id;
    int64_t incident;
    bool is_end;                // Ends an incident that another alert began.
    enum alert_telling telling; // As was decided.
};

struct page {
    struct teller *teller;
    struct tell_index *index;
    wall_ms now;
    size_t limit; // So many alerts at most,
    size_t count; // and so many are there.
    struct row rows[OUTBOX_PAGE];
    bool *chosen; // [limit][channel_count]
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

static bool is_later(const struct alert *a)
{
    return a->incident_id && a->incident_id != a->id;
}

static bool is_end(const struct alert *a)
{
    return is_later(a) && (ALERTS_CLOSING & ALERT_KIND_BIT(a->kind));
}

static void decide(struct page *p, const struct outbox_alert *a, bool *chosen,
                   struct outbox_verdict *v)
{
    struct tell_subject s = {
        .kind = a->alert.kind, .job = a->alert.job, .tags = a->job_tags, .names = a->job_channels};
    bool is_of_channel = s.kind == ALERT_CHANNEL_DOWN || s.kind == ALERT_CHANNEL_UP;
    s.receiver = is_of_channel ? a->alert.subject : NULL;
    const struct silence *silence = is_end(&a->alert) ? NULL : tell_silence(p->index, &s);
    v->silence = silence ? silence->id : 0;
    if (silence)
        v->telling = TELLING_SILENCED;
    else if (!is_later(&a->alert) || !follows(p, a, chosen, v))
        v->telling = tell_choose(p->index, &s, chosen) ? TELLING_TOLD : TELLING_NOBODY;
}

static enum err decide_row(void *context, const struct outbox_alert *a)
{
    struct page *p = context;
    assert(p->count < p->limit);
    struct outbox_verdict *v = &p->verdicts[p->count];
    *v = (struct outbox_verdict){.alert = a->alert.id};
    decide(p, a, chosen_of(p, p->count), v);
    p->rows[p->count++] =
        (struct row){a->alert.id, a->alert.incident_id, is_end(&a->alert), v->telling};
    return ERR_OK;
}

// --- The deliveries that gather --------------------------------------------------------------

static const struct delivery *gathering(const struct teller *t, int64_t channel)
{
    for (size_t i = 0; i < t->pending_count; i++) {
        const struct delivery *d = &t->pending[i];
        if (d->channel == channel && d->state == DELIVERY_PENDING && !d->message && !d->is_test)
            return d;
    }
    return NULL;
}

static enum err open_window(struct teller *t, size_t place, wall_ms now, int64_t *id,
                            struct fault *f)
{
    struct desk *desk = &t->desks[place];
    mono_ms at = clock_mono_ms();
    struct delivery d = {.channel = t->channels[place].id,
                         .channel_name = t->channels[place].name,
                         .created_at = now};
    d.window_ms =
        tell_window(t->server->settings.alert_window_ms, desk->window_ms, at - desk->gathered_at);
    d.next_attempt_at = now + d.window_ms;
    teller__rest(t);
    enum err err = store_delivery_open(t->registry, t->epoch, &d, f);
    if (err)
        return err;
    desk->window_ms = d.window_ms;
    desk->gathered_at = at + d.window_ms;
    teller__add_pending(t, &d);
    *id = d.id;
    return ERR_OK;
}

static void add_link(struct page *p, int64_t delivery, int64_t alert)
{
    p->links = grow(p->links, p->link_count, &p->link_capacity, sizeof *p->links);
    p->links[p->link_count++] = (struct outbox_link){delivery, alert};
}

// Where keys are kept, teller_follow.c tells the ends.
static bool goes_to(struct page *p, size_t i, size_t place)
{
    const struct row *r = &p->rows[i];
    return r->telling == TELLING_TOLD && chosen_of(p, i)[place] &&
           !(r->is_end && tell_keeps_keys(p->teller->channels[place].kind));
}

static enum err link_channel(struct page *p, size_t place, struct fault *f)
{
    struct teller *t = p->teller;
    const struct delivery *d = gathering(t, t->channels[place].id);
    int64_t id = d ? d->id : 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < p->count && !err; i++) {
        if (!goes_to(p, i, place))
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
    teller__rest(t);
    return err ? err : store_outbox_settle(t->registry, t->epoch, &s, f);
}

// The more channels there are, the fewer alerts: each may go to all of them.
static size_t page_limit(const struct teller *t)
{
    size_t limit = LINKS_MAX / MAX(t->channel_count, 1);
    return MAX(MIN(OUTBOX_PAGE, limit), 1);
}

static enum err gather_page(struct page *p, struct fault *f)
{
    struct teller *t = p->teller;
    p->count = p->link_count = 0;
    memset(p->chosen, 0, p->limit * t->channel_count * sizeof *p->chosen);
    enum err err = store_outbox_waiting(t->registry, p->limit, decide_row, p, f);
    return err || p->count == 0 ? err : settle_page(p, f);
}

enum err teller__gather(struct teller *t, wall_ms now, struct fault *f)
{
    struct page *p = xcalloc(1, sizeof *p);
    mono_ms until = clock_mono_ms() + GATHER_MS;
    enum err err;
    p->teller = t;
    p->now = now;
    p->limit = page_limit(t);
    p->chosen = xcalloc(p->limit * MAX(t->channel_count, 1), sizeof *p->chosen);
    p->index = tell_index_new(t->channels, t->channel_count, t->silences, t->silence_count);
    do {
        err = gather_page(p, f);
    } while (!err && p->count == p->limit && clock_mono_ms() < until);
    tell_index_free(p->index);
    free(p->links);
    free(p->chosen);
    free(p);
    return err;
}

// --- Silences that end -----------------------------------------------------------------------

// More than can be on at once: so some of those which have ended are always among them, and the
// next look finds the others.
#define SILENCES_LOOKED_AT (SILENCE_COUNT_MAX + 64)

static bool is_active(const struct teller *t, int64_t silence)
{
    for (size_t i = 0; i < t->silence_count; i++)
        if (t->silences[i].id == silence)
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
