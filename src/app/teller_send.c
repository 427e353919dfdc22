// SPDX-License-Identifier: MIT
// teller_send.c: deliveries are carried out: message, attempt, record.
//
// The deliveries of a channel go out in their order, and one at a time; those of different channels
// go beside one another, so that a channel which hangs delays nobody else. While a delivery is
// tried again, what comes meanwhile gathers in the one behind it, so that a channel that is down
// for long gets few messages when it is back.
//
// The message is written before the first attempt, and never changes; an attempt is recorded when
// it has ended. So a crash at any moment leaves the message, and what may have arrived is sent
// again as it was, under the same key.

#include "alert/digest.h"
#include "app/teller_priv.h"
#include "base/log.h"
#include "base/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPT_MS 15000
#define ANSWER_BYTES 4096
#define HELD_MS 1000   // This machine lacked something.
#define UNSURE_MS 5000 // An attempt could not be recorded.
#define EMPTY_MS 60000 // What has no alert so long after its window gets none any more.

// --- The message -----------------------------------------------------------------------------

struct adding {
    struct digest *digest;
    int64_t last;
    int64_t first_of_incident;
    size_t count;
};

static enum err add_alert(void *context, const struct outbox_alert *a)
{
    struct adding *g = context;
    digest_add(g->digest, &a->alert, a->job_name);
    g->last = a->alert.id;
    if (!g->first_of_incident && a->alert.incident_id && a->alert.job)
        g->first_of_incident = a->alert.id;
    g->count++;
    return ERR_OK;
}

// *first: the first alert that is of an incident; 0: none is.
static enum err add_alerts(struct teller *t, int64_t delivery, struct digest *d, int64_t *first,
                           struct fault *f)
{
    struct adding g = {.digest = d, .count = OUTBOX_PAGE};
    enum err err = ERR_OK;
    while (!err && g.count == OUTBOX_PAGE) {
        g.count = 0;
        err =
            store_outbox_of_delivery(t->registry, delivery, g.last, OUTBOX_PAGE, add_alert, &g, f);
    }
    *first = g.first_of_incident;
    return err;
}

// `watched`: the first alert of an incident that the channel keeps open; 0: it keeps none.
static enum err write_message(struct teller *t, struct delivery *d, const struct notice *n,
                              int64_t watched, struct fault *f)
{
    char *message = notice_pack(n);
    const struct delivery_seal s = {message, n->count, watched ? n->dedup_key : NULL, watched};
    enum err err = store_delivery_seal(t->registry, t->epoch, d->id, &s, f);
    if (err) {
        free(message);
        return err;
    }
    d->message = message;
    d->alert_count = n->count;
    return ERR_OK;
}

// Stays without a message when no alert is left, which retention may have seen to.
static enum err seal(struct teller *t, struct delivery *d, enum channel_kind kind, wall_ms now,
                     struct fault *f)
{
    const char *url = t->server->settings.public_url;
    struct digest *digest = digest_new(url);
    struct notice n = {0};
    int64_t first = 0;
    enum err err = d->is_test ? ERR_OK : add_alerts(t, d->id, digest, &first, f);
    if (!err && d->is_test)
        digest_write_test(d->channel_name, d->id, now, url, &n);
    else if (!err && digest_count(digest) > 0)
        digest_write(digest, d->id, now, &n);
    if (!err && n.title)
        err = write_message(t, d, &n, tell_keeps_keys(kind) ? first : 0, f);
    notice_clear(&n);
    digest_free(digest);
    return err;
}

// --- What an attempt makes of its delivery ----------------------------------------------------

static void log_end(const struct delivery *d, const struct delivery_attempt *a,
                    const struct delivery_after *after)
{
    if (after->state == DELIVERY_SUCCESS)
        log_info("delivery.sent", LOG_INT("delivery_id", d->id),
                 LOG_TEXT("channel", d->channel_name), LOG_INT("alerts", d->alert_count),
                 LOG_INT("attempts", a->number));
    else
        log_warn(after->state == DELIVERY_FAILED ? "delivery.failed" : "delivery.retried",
                 LOG_INT("delivery_id", d->id), LOG_TEXT("channel", d->channel_name),
                 LOG_INT("attempts", a->number), LOG_TEXT("error", a->error));
}

static void count_end(const struct delivery_after *after)
{
    if (after->state == DELIVERY_SUCCESS)
        metric_add(METRIC_deliveries_sent, 1);
    else if (after->state == DELIVERY_FAILED)
        metric_add(METRIC_deliveries_failed, 1);
    else
        metric_add(METRIC_deliveries_retried, 1);
}

static enum err note_channel(struct teller *t, size_t place, const struct delivery_attempt *a,
                             wall_ms now, struct fault *f)
{
    struct channel *c = &t->channels[place];
    struct channel_note n = {.failing_since = a->error ? c->failing_since : 0,
                             .last_error = a->error,
                             .delivered_at = a->error ? 0 : now};
    if (a->error && !n.failing_since)
        n.failing_since = now;
    enum err err = store_channel_note(t->registry, c->id, &n, f);
    if (!err && (a->error || !t->desks[place].is_down))
        c->failing_since = n.failing_since; // Else judged first: an alert says since when it was.
    return err;
}

static bool is_over(const struct delivery *d, wall_ms next)
{
    return d->is_test || next > d->created_at + TELL_TRIED_MS;
}

static struct delivery_after judge(const struct desk *desk, const struct delivery *d,
                                   enum channel_verdict verdict, dur_ms retry_after, wall_ms now)
{
    if (verdict == CHANNEL_ARRIVED)
        return (struct delivery_after){.state = DELIVERY_SUCCESS, .finished_at = now};
    wall_ms next = now + tell_delay(MAX(desk->failures, 1), retry_after, (uint32_t)random());
    if (verdict == CHANNEL_REFUSED || is_over(d, next))
        return (struct delivery_after){.state = DELIVERY_FAILED, .finished_at = now};
    return (struct delivery_after){.state = DELIVERY_PENDING, .next_attempt_at = next};
}

static struct delivery *find_pending(const struct teller *t, int64_t id)
{
    for (size_t i = 0; i < t->pending_count; i++)
        if (t->pending[i].id == id)
            return &t->pending[i];
    return NULL;
}

static void forget_pending(struct delivery *d, const struct delivery_after *after, uint16_t number)
{
    d->state = after->state;
    d->attempts = number;
    d->next_attempt_at = after->next_attempt_at;
}

static void fail_to_record(struct desk *desk, const struct fault *f)
{
    log_warn("delivery.unrecorded", LOG_INT("channel_id", desk->channel),
             LOG_TEXT("detail", f->text));
    desk->not_before = clock_mono_ms() + UNSURE_MS;
}

static void end_attempt(struct teller *t, struct delivery *d, size_t place,
                        const struct delivery_attempt *a, enum channel_verdict verdict,
                        dur_ms retry_after)
{
    struct desk *desk = &t->desks[place];
    struct fault f = {0};
    wall_ms now = clock_wall_ms();
    desk->failures = verdict == CHANNEL_ARRIVED ? 0 : desk->failures + 1;
    struct delivery_after after = judge(desk, d, verdict, retry_after, now);
    enum err err = store_delivery_record(t->registry, t->epoch, a, &after, &f);
    if (!err)
        err = note_channel(t, place, a, now, &f);
    if (err) {
        fail_to_record(desk, &f);
        return;
    }
    if (retry_after > 0)
        desk->not_before = clock_mono_ms() + retry_after;
    bool is_final = verdict == CHANNEL_REFUSED;
    teller__judge_channel(t, place, a, t->channels[place].failing_since, is_final && !d->is_test);
    log_end(d, a, &after);
    count_end(&after);
    forget_pending(d, &after, a->number);
}

static size_t find_desk(const struct teller *t, int64_t delivery)
{
    size_t i = 0;
    while (i < t->channel_count && t->desks[i].under_way != delivery)
        i++;
    return i;
}

// How an attempt ended, whatever carried it.
struct end {
    int status; // For channel_judge.
    const char *answer;
    const char *error;
    dur_ms retry_after;
    struct delivery_attempt attempt; // Without delivery, number and error.
};

// The desk that waits for the delivery's attempt, which is over; NULL: nobody waits any more.
static struct desk *take_desk(struct teller *t, int64_t delivery)
{
    size_t place = find_desk(t, delivery);
    if (place == t->channel_count)
        return NULL; // The channel was deleted meanwhile.
    t->desks[place].under_way = 0;
    return find_pending(t, delivery) ? &t->desks[place] : NULL; // NULL: another node leads.
}

// A copy for the caller, without what is secret of the channel; NULL gives NULL.
static char *without_secrets(const struct teller *t, size_t place, const char *text)
{
    const struct channel *c = &t->channels[place];
    struct fault ignored;
    json_t *settings = NULL;
    char *copy = xstrdup(text);
    if (copy && !channel_open(t->server->secrets, c, &settings, &ignored))
        channel_conceal(c->kind, settings, copy);
    json_decref(settings);
    return copy;
}

static void end_of(struct teller *t, int64_t delivery, struct end *e)
{
    char words[CHANNEL_ERROR_BYTES] = "";
    struct desk *desk = take_desk(t, delivery);
    if (!desk)
        return;
    size_t place = (size_t)(desk - t->desks);
    char *answer = without_secrets(t, place, e->answer);
    char *error = without_secrets(t, place, e->error);
    enum channel_verdict verdict =
        channel_judge(t->channels[place].kind, e->status, answer, &e->retry_after, words);
    const char *why = *words ? words : error ? error : "there was no answer";
    e->attempt.delivery = delivery;
    e->attempt.number = desk->number;
    e->attempt.error = verdict == CHANNEL_ARRIVED ? NULL : why;
    end_attempt(t, find_pending(t, delivery), place, &e->attempt, verdict, e->retry_after);
    free(answer);
    free(error);
}

void teller__outcome(void *context, const struct outcome *o)
{
    struct teller *t = context;
    const struct attempt *a = &o->attempt;
    if (o->kind == OUTCOME_HELD) {
        struct desk *desk = take_desk(t, (int64_t)o->ticket);
        if (desk)
            desk->not_before = clock_mono_ms() + HELD_MS;
        return;
    }
    struct end e = {.status = o->kind == OUTCOME_ANSWERED ? a->http_status : 0,
                    .answer = a->response,
                    .error = a->error,
                    .retry_after = o->retry_after_ms,
                    .attempt = {.http_status = a->http_status,
                                .started_at = a->started_at,
                                .duration_ms = a->duration_ms,
                                .dns_ms = a->dns_ms,
                                .connect_ms = a->connect_ms,
                                .tls_ms = a->tls_ms,
                                .first_byte_ms = a->first_byte_ms}};
    end_of(t, (int64_t)o->ticket, &e);
}

// The reply code of the mail server stands where the status of HTTP does.
void teller__mail_outcome(void *context, const struct mail_outcome *o)
{
    struct end e = {.status = o->status,
                    .answer = o->reply,
                    .error = o->error,
                    .attempt = {.http_status = (uint16_t)o->status,
                                .started_at = o->started_at,
                                .duration_ms = o->duration_ms,
                                .dns_ms = (int32_t)o->dns_ms,
                                .connect_ms = (int32_t)o->connect_ms,
                                .tls_ms = -1,
                                .first_byte_ms = -1}};
    end_of(context, (int64_t)o->ticket, &e);
}

// --- An attempt ------------------------------------------------------------------------------

static void send_request(struct teller *t, const struct delivery *d,
                         const struct channel_request *r)
{
    struct send s = {.ticket = (uint64_t)d->id,
                     .request = {.api = r->url,
                                 .headers = r->headers,
                                 .body = r->body,
                                 .method = r->method,
                                 .attempt = d->attempts + 1u,
                                 .timeout_ms = ATTEMPT_MS,
                                 .is_plain = true,
                                 .tls_verify = true,
                                 .response_excerpt_bytes = ANSWER_BYTES}};
    dispatch_send(t->dispatch, &s);
}

// What cannot even be said, such as to a channel whose secrets are sealed with a key that is gone,
// counts as an attempt: the next may find another key.
static void fail_to_say(struct teller *t, struct delivery *d, size_t place, const struct fault *f)
{
    struct delivery_attempt a = {.delivery = d->id,
                                 .number = t->desks[place].number,
                                 .started_at = clock_wall_ms(),
                                 .dns_ms = -1,
                                 .connect_ms = -1,
                                 .tls_ms = -1,
                                 .first_byte_ms = -1,
                                 .error = f->text};
    t->desks[place].under_way = 0;
    end_attempt(t, d, place, &a, CHANNEL_AGAIN, 0);
}

static enum err say(struct teller *t, const struct delivery *d, size_t place,
                    struct channel_request *out, struct fault *f)
{
    struct notice n = {0};
    json_t *settings = NULL;
    const struct channel *c = &t->channels[place];
    enum err err = notice_unpack(d->message, &n, f);
    if (err)
        return err;
    n.delivery = d->id;
    err = channel_open(t->server->secrets, c, &settings, f);
    if (!err)
        err = channel_form(c->kind, settings, &n, clock_wall_ms(), out, f);
    json_decref(settings);
    notice_clear(&n);
    return err;
}

static void attempt(struct teller *t, struct delivery *d, size_t place)
{
    struct channel_request r = {0};
    struct fault f = {0};
    struct desk *desk = &t->desks[place];
    desk->under_way = d->id;
    desk->number = (uint16_t)(d->attempts + 1);
    enum err err = say(t, d, place, &r, &f);
    if (err) {
        fail_to_say(t, d, place, &f);
        return;
    }
    if (r.is_mail)
        mailer_send(t->mailer, (uint64_t)d->id, &r.mail);
    else
        send_request(t, d, &r);
    channel_request_clear(&r);
}

// --- What is due -----------------------------------------------------------------------------

// The next delivery of a channel: a test if there is one, else the oldest.
static struct delivery *next_of(const struct teller *t, int64_t channel)
{
    struct delivery *oldest = NULL;
    for (size_t i = 0; i < t->pending_count; i++) {
        struct delivery *d = &t->pending[i];
        if (d->channel != channel || d->state != DELIVERY_PENDING)
            continue;
        if (d->is_test)
            return d;
        oldest = oldest ? oldest : d;
    }
    return oldest;
}

static bool is_due(const struct delivery *d, wall_ms now)
{
    bool has_windows_end = !d->message && !d->is_test;
    return tell_is_due(d->next_attempt_at, now,
                       has_windows_end ? d->window_ms : CHANNEL_RETRY_AFTER_MS_MAX);
}

static enum err give_up(struct teller *t, struct delivery *d, const char *why, wall_ms now,
                        struct fault *f)
{
    static const struct delivery_after over = {.state = DELIVERY_FAILED};
    enum err err = store_delivery_give_up(t->registry, t->epoch, d->id, why, now, f);
    forget_pending(d, &over, d->attempts);
    return err;
}

// A delivery without alerts: a crash came before they were put into it, or retention after that.
// The next ones of the channel may still join it, for a while.
static enum err leave_empty(struct teller *t, struct delivery *d, wall_ms now, struct fault *f)
{
    return now - d->next_attempt_at > EMPTY_MS
               ? give_up(t, d, "there is no alert to tell of", now, f)
               : ERR_OK;
}

static enum err serve(struct teller *t, size_t place, wall_ms now, struct fault *f)
{
    struct desk *desk = &t->desks[place];
    struct delivery *d = next_of(t, desk->channel);
    if (!d || desk->under_way || !t->channels[place].is_enabled ||
        clock_mono_ms() < desk->not_before || !is_due(d, now))
        return ERR_OK;
    if (!d->message) {
        teller__rest(t);
        enum err err = seal(t, d, t->channels[place].kind, now, f);
        if (err)
            return err;
        if (!d->message)
            return leave_empty(t, d, now, f);
    }
    attempt(t, d, place);
    return ERR_OK;
}

// Why nobody will ever get the delivery; NULL: somebody may.
static const char *hopeless(const struct teller *t, const struct delivery *d, wall_ms now)
{
    size_t place = teller__place(t, d->channel);
    if (place == t->channel_count)
        return "the channel was deleted";
    bool is_old = now - d->created_at > TELL_TRIED_MS;
    return is_old && !t->channels[place].is_enabled ? "the channel was off for a day" : NULL;
}

static enum err give_up_strays(struct teller *t, wall_ms now, struct fault *f)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < t->pending_count && !err; i++) {
        struct delivery *d = &t->pending[i];
        const char *why = d->state == DELIVERY_PENDING ? hopeless(t, d, now) : NULL;
        if (why)
            err = give_up(t, d, why, now, f);
    }
    return err;
}

enum err teller__send(struct teller *t, wall_ms now, struct fault *f)
{
    enum err err = give_up_strays(t, now, f);
    for (size_t i = 0; i < t->channel_count && !err; i++)
        err = serve(t, i, now, f);
    return err;
}

size_t teller__under_way(const struct teller *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->channel_count; i++)
        n += t->desks[i].under_way != 0;
    return n;
}
