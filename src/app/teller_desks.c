// SPDX-License-Identifier: MIT
// teller_desks.c: channels, silences and pending deliveries, as the teller read them last.
//
// They are few, and read again at each look at which there is anything to do, so that a change of a
// channel counts at once. What is known of a channel beside its row stays: its desk.

#include "app/teller_priv.h"
#include "base/log.h"
#include "zones/zones.h"

#include <string.h>

#define LONG_MS 60000

static void drop(const char *text)
{
    free((char *)(uintptr_t)text);
}

// --- Channels --------------------------------------------------------------------------------

static void channel_own(struct channel *c)
{
    c->name = xstrdup(c->name);
    c->config = xstrdup(c->config);
    c->secrets = xstrdup(c->secrets);
    c->tags = xstrdup(c->tags);
    c->jobs = xstrdup(c->jobs);
    c->last_error = xstrdup(c->last_error);
}

static void channel_disown(struct channel *c)
{
    drop(c->name);
    drop(c->config);
    drop(c->secrets);
    drop(c->tags);
    drop(c->jobs);
    drop(c->last_error);
}

static void free_channels(struct channel *channels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        channel_disown(&channels[i]);
    free(channels);
}

struct reading {
    struct channel *channels;
    size_t count;
    size_t capacity;
};

static enum err keep_channel(void *context, const struct channel *c)
{
    struct reading *r = context;
    r->channels = grow(r->channels, r->count, &r->capacity, sizeof *r->channels);
    r->channels[r->count] = *c;
    channel_own(&r->channels[r->count++]);
    return ERR_OK;
}

// A channel that has failed for long counts as down: its alert was raised in an earlier life, or by
// the node that led meanwhile.
static struct desk desk_of(const struct teller *t, const struct channel *c)
{
    size_t place = teller__place(t, c->id);
    bool is_known = place < t->channel_count;
    struct desk desk = is_known ? t->desks[place] : (struct desk){.channel = c->id};
    if (!is_known || t->desks_epoch != t->epoch)
        desk.is_down = c->failing_since && clock_wall_ms() - c->failing_since > LONG_MS;
    return desk;
}

size_t teller__place(const struct teller *t, int64_t channel)
{
    size_t i = 0;
    while (i < t->channel_count && t->channels[i].id != channel)
        i++;
    return i;
}

enum err teller__read_channels(struct teller *t, struct fault *f)
{
    struct reading r = {0};
    enum err err = store_channel_list(t->registry, keep_channel, &r, f);
    if (err) {
        free_channels(r.channels, r.count);
        return err;
    }
    struct desk *desks = xcalloc(r.count, sizeof *desks);
    for (size_t i = 0; i < r.count; i++)
        desks[i] = desk_of(t, &r.channels[i]);
    free_channels(t->channels, t->channel_count);
    free(t->desks);
    t->channels = r.channels;
    t->desks = desks;
    t->desks_epoch = t->epoch;
    t->channel_count = r.count;
    return ERR_OK;
}

// --- Silences --------------------------------------------------------------------------------

static void free_silences(struct teller *t)
{
    for (size_t i = 0; i < t->silence_count; i++)
        drop(t->silences[i].tag);
    free(t->silences);
    t->silences = NULL;
    t->silence_count = 0;
}

// Whether a window that the schedule began is open: windows may overlap.
static bool is_in_window(const struct silence *s, wall_ms now)
{
    const struct zone *zone;
    struct cron_schedule schedule;
    struct fault f = {0};
    if (zone_find(s->timezone ? s->timezone : "UTC", &zone, &f) ||
        cron_parse(s->schedule, strlen(s->schedule), NULL, &schedule, NULL)) {
        log_warn("silence.unusable", LOG_INT("silence_id", s->id), LOG_TEXT("detail", f.text));
        return false;
    }
    wall_ms since = MAX(now - (wall_ms)s->duration_s * 1000, s->from - 1);
    return cron_next(&schedule, zone, since) <= now;
}

static bool is_on(const struct silence *s, wall_ms now)
{
    return s->from <= now && now < s->until && (!s->schedule || is_in_window(s, now));
}

struct silence_reading {
    struct teller *teller;
    wall_ms now;
    size_t capacity;
};

static enum err keep_silence(void *context, const struct silence *s)
{
    struct silence_reading *r = context;
    struct teller *t = r->teller;
    if (!is_on(s, r->now))
        return ERR_OK;
    t->silences = grow(t->silences, t->silence_count, &r->capacity, sizeof *t->silences);
    struct silence *own = &t->silences[t->silence_count++];
    *own = *s;
    own->tag = xstrdup(s->tag);
    own->schedule = own->timezone = own->reason = own->created_by = NULL;
    return ERR_OK;
}

enum err teller__read_silences(struct teller *t, wall_ms now, struct fault *f)
{
    struct silence_reading r = {.teller = t, .now = now};
    free_silences(t);
    return store_silence_list(t->registry, keep_silence, &r, f);
}

// --- Deliveries ------------------------------------------------------------------------------

static void free_pending(struct teller *t)
{
    for (size_t i = 0; i < t->pending_count; i++) {
        drop(t->pending[i].channel_name);
        drop(t->pending[i].error);
        drop(t->pending[i].message);
    }
    t->pending_count = 0;
}

void teller__add_pending(struct teller *t, const struct delivery *d)
{
    t->pending = grow(t->pending, t->pending_count, &t->pending_capacity, sizeof *t->pending);
    struct delivery *own = &t->pending[t->pending_count++];
    *own = *d;
    own->channel_name = xstrdup(d->channel_name);
    own->error = xstrdup(d->error);
    own->message = xstrdup(d->message);
}

static enum err keep_pending(void *context, const struct delivery *d)
{
    teller__add_pending(context, d);
    return ERR_OK;
}

enum err teller__read_pending(struct teller *t, struct fault *f)
{
    free_pending(t);
    return store_delivery_pending(t->registry, keep_pending, t, f);
}

void teller__forget(struct teller *t)
{
    free_pending(t);
    free(t->pending);
    free_silences(t);
    free_channels(t->channels, t->channel_count);
    free(t->desks);
    t->pending = NULL;
    t->pending_capacity = 0;
    t->channels = NULL;
    t->desks = NULL;
    t->channel_count = 0;
}
