// SPDX-License-Identifier: MIT
// outbox.c: the front of the door for deliveries: checks what holds for every adapter.

#include "store/outbox.h"
#include "store/store_priv.h"

#include <assert.h>

enum err store_outbox_waiting(struct store_registry *r, size_t limit, store_each_outbox_alert *each,
                              void *context, struct fault *f)
{
    assert(limit > 0 && limit <= OUTBOX_PAGE);
    return r->ops->outbox->waiting(r, limit, each, context, f);
}

enum err store_outbox_of_delivery(struct store_registry *r, int64_t delivery, int64_t after,
                                  size_t limit, store_each_outbox_alert *each, void *context,
                                  struct fault *f)
{
    assert(delivery > 0 && after >= 0 && limit > 0 && limit <= OUTBOX_PAGE);
    return r->ops->outbox->of_delivery(r, delivery, after, limit, each, context, f);
}

enum err store_outbox_settle(struct store_registry *r, int64_t epoch,
                             const struct outbox_settlement *s, struct fault *f)
{
    assert(epoch >= 0 && s->verdict_count <= OUTBOX_PAGE);
    for (size_t i = 0; i < s->verdict_count; i++)
        assert(s->verdicts[i].alert > 0 && s->verdicts[i].telling > TELLING_WAITING &&
               (s->verdicts[i].silence > 0) == (s->verdicts[i].telling == TELLING_SILENCED));
    for (size_t i = 0; i < s->link_count; i++)
        assert(s->links[i].delivery > 0 && s->links[i].alert > 0);
    return r->ops->outbox->settle(r, epoch, s, f);
}

enum err store_outbox_silences(struct store_registry *r, uint64_t closing, int64_t *ids,
                               size_t ids_max, size_t *count, struct fault *f)
{
    assert(ids_max > 0);
    return r->ops->outbox->silences(r, closing, ids, ids_max, count, f);
}

enum err store_outbox_unsilence(struct store_registry *r, int64_t epoch, int64_t silence,
                                uint64_t closing, struct fault *f)
{
    assert(epoch >= 0 && silence > 0);
    return r->ops->outbox->unsilence(r, epoch, silence, closing, f);
}

enum err store_outbox_count(struct store_registry *r, struct outbox_counts *out, struct fault *f)
{
    return r->ops->outbox->count(r, out, f);
}

enum err store_delivery_open(struct store_registry *r, int64_t epoch, struct delivery *d,
                             struct fault *f)
{
    assert(epoch >= 0 && d->channel > 0 && d->channel_name && d->created_at > 0);
    assert(d->state == DELIVERY_PENDING && !d->message && d->attempts == 0);
    return r->ops->outbox->open(r, epoch, d, f);
}

enum err store_delivery_seal(struct store_registry *r, int64_t epoch, int64_t id,
                             const struct delivery_seal *s, struct fault *f)
{
    assert(epoch >= 0 && id > 0 && s->message && s->alert_count >= 0);
    assert((s->dedup_key != NULL) == (s->watched > 0));
    return r->ops->outbox->seal(r, epoch, id, s, f);
}

enum err store_opening_list(struct store_registry *r, int64_t after, size_t limit,
                            store_each_opening *each, void *context, struct fault *f)
{
    assert(after >= 0 && limit > 0 && limit <= OUTBOX_PAGE);
    return r->ops->outbox->openings(r, after, limit, each, context, f);
}

enum err store_opening_advance(struct store_registry *r, int64_t epoch, int64_t delivery,
                               bool *moved, struct fault *f)
{
    assert(epoch >= 0 && delivery > 0);
    return r->ops->outbox->advance(r, epoch, delivery, moved, f);
}

enum err store_opening_ends(struct store_registry *r, int64_t delivery, size_t limit,
                            store_each_outbox_alert *each, void *context, struct fault *f)
{
    assert(delivery > 0 && limit > 0 && limit <= OUTBOX_PAGE);
    return r->ops->outbox->ends(r, delivery, limit, each, context, f);
}

enum err store_opening_follow(struct store_registry *r, int64_t epoch,
                              const struct opening_follow *w, struct delivery *d, struct fault *f)
{
    assert(epoch >= 0 && w->opening > 0 && w->alert_count <= OUTBOX_PAGE);
    assert(d->channel > 0 && d->channel_name && d->message && d->created_at > 0);
    assert(d->state == DELIVERY_PENDING && d->attempts == 0 && !d->is_test);
    return r->ops->outbox->follow(r, epoch, w, d, f);
}

enum err store_delivery_record(struct store_registry *r, int64_t epoch,
                               const struct delivery_attempt *a, const struct delivery_after *after,
                               struct fault *f)
{
    bool is_open = after->state == DELIVERY_PENDING;
    assert(epoch >= 0 && a->delivery > 0 && a->number > 0 && a->started_at > 0);
    assert(is_open == (after->finished_at == 0) && is_open == (after->next_attempt_at > 0));
    return r->ops->outbox->record(r, epoch, a, after, f);
}

enum err store_delivery_give_up(struct store_registry *r, int64_t epoch, int64_t id,
                                const char *why, wall_ms now, struct fault *f)
{
    assert(epoch >= 0 && id > 0 && why && now > 0);
    return r->ops->outbox->give_up(r, epoch, id, why, now, f);
}

enum err store_delivery_pending(struct store_registry *r, store_each_delivery *each, void *context,
                                struct fault *f)
{
    return r->ops->outbox->pending(r, each, context, f);
}

enum err store_delivery_list(struct store_registry *r, const struct delivery_query *q,
                             store_each_delivery *each, void *context, struct fault *f)
{
    assert(q->limit > 0);
    return r->ops->outbox->list(r, q, each, context, f);
}

enum err store_delivery_attempts(struct store_registry *r, int64_t delivery,
                                 store_each_delivery_attempt *each, void *context, struct fault *f)
{
    return r->ops->outbox->attempts(r, delivery, each, context, f);
}
