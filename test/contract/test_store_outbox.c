// SPDX-License-Identifier: MIT
// test_store_outbox.c: what every store promises about waiting alerts and their deliveries.

#include "store/outbox.h"
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>

static const struct store_adapter *adapter;

struct box {
    struct store_fixture *x;
    struct store_registry *registry;
};

static int setup(void **state)
{
    struct box *b = xcalloc(1, sizeof *b);
    b->x = store_fixture_new(adapter);
    store_assert_ok(store_registry_open(b->x->store, &b->registry, f));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;
    store_registry_close(b->registry);
    store_fixture_free(b->x);
    free(b);
    return 0;
}

static void reopen(struct box *b)
{
    store_registry_close(b->registry);
    store_reopen(b->x);
    store_assert_ok(store_registry_open(b->x->store, &b->registry, f));
}

// --- Short ways ------------------------------------------------------------------------------

// An alert of the server, or the opener or another one of an incident.
static void put_alert(struct box *b, int64_t id, int64_t incident, enum alert_kind kind)
{
    struct batch *batch = store_batch(b->x);
    store_add(batch, CHANGE_ALERT)->alert = (struct alert){.id = id,
                                                           .kind = kind,
                                                           .created_at = STORE_T0 + id,
                                                           .incident_id = incident,
                                                           .telling = TELLING_WAITING,
                                                           .message = ""};
    store_must(b->x, batch);
}

static struct delivery open_delivery(struct box *b, int64_t channel)
{
    struct delivery d = {.channel = channel,
                         .channel_name = "ops",
                         .window_ms = 5000,
                         .created_at = STORE_T0,
                         .next_attempt_at = STORE_T0 + 5000};
    store_assert_ok(store_delivery_open(b->registry, 0, &d, f));
    return d;
}

static void settle(struct box *b, int64_t alert, enum alert_telling telling, int64_t silence,
                   int64_t delivery)
{
    struct outbox_verdict verdict = {alert, telling, silence};
    struct outbox_link link = {delivery, alert};
    struct outbox_settlement s = {&verdict, 1, &link, delivery ? 1 : 0};
    store_assert_ok(store_outbox_settle(b->registry, 0, &s, f));
}

struct seen {
    size_t count;
    int64_t ids[16];
    enum alert_telling openers[16];
    char channels[16][32];
    char names[16][32];
    char tags[16][32];
    char named[16][32];
    struct execution_key key; // The last alert's.
};

static enum err see(void *context, const struct outbox_alert *a)
{
    struct seen *s = context;
    snprintf(s->channels[s->count], 32, "%s", a->opener_channels ? a->opener_channels : "");
    snprintf(s->names[s->count], 32, "%s", a->job_name ? a->job_name : "");
    snprintf(s->tags[s->count], 32, "%s", a->job_tags ? a->job_tags : "");
    snprintf(s->named[s->count], 32, "%s", a->job_channels ? a->job_channels : "");
    s->openers[s->count] = a->opener;
    s->key = a->alert.key;
    s->ids[s->count++] = a->alert.id;
    return ERR_OK;
}

static struct seen waiting(struct box *b)
{
    struct seen s = {0};
    store_assert_ok(store_outbox_waiting(b->registry, 16, see, &s, f));
    return s;
}

struct kept {
    size_t count;
    struct delivery rows[8];
    char texts[8][2][64]; // Message, error; "": none.
};

static enum err keep(void *context, const struct delivery *d)
{
    struct kept *k = context;
    snprintf(k->texts[k->count][0], 64, "%s", d->message ? d->message : "");
    snprintf(k->texts[k->count][1], 64, "%s", d->error ? d->error : "");
    assert_string_equal(d->channel_name, "ops");
    k->rows[k->count++] = *d;
    return ERR_OK;
}

static struct kept list(struct box *b, struct delivery_query q)
{
    struct kept k = {0};
    q.limit = q.limit ? q.limit : 8;
    store_assert_ok(store_delivery_list(b->registry, &q, keep, &k, f));
    return k;
}

static struct kept pending(struct box *b)
{
    struct kept k = {0};
    store_assert_ok(store_delivery_pending(b->registry, keep, &k, f));
    return k;
}

static enum err try_record(struct box *b, int64_t delivery, uint16_t number,
                           enum delivery_state state, const char *error)
{
    bool is_open = state == DELIVERY_PENDING;
    struct delivery_attempt a = {.delivery = delivery,
                                 .number = number,
                                 .http_status = error ? 503 : 200,
                                 .started_at = STORE_T0 + number,
                                 .duration_ms = 7,
                                 .dns_ms = -1,
                                 .connect_ms = 2,
                                 .tls_ms = -1,
                                 .first_byte_ms = 6,
                                 .error = error};
    struct delivery_after after = {.state = state,
                                   .next_attempt_at = is_open ? STORE_T0 + 9000 : 0,
                                   .finished_at = is_open ? 0 : STORE_T0 + 10000};
    struct fault f = {0};
    return store_delivery_record(b->registry, 0, &a, &after, &f);
}

// --- Alerts ----------------------------------------------------------------------------------

static void waiting_alert_is_settled_once_and_stands_in_its_delivery(void **state)
{
    struct box *b = *state;
    put_alert(b, 1, 0, ALERT_CLOCK);
    put_alert(b, 2, 0, ALERT_CLOCK);
    put_alert(b, 3, 0, ALERT_CLOCK);
    struct outbox_counts counts;
    store_assert_ok(store_outbox_count(b->registry, &counts, f));
    assert_int_equal(counts.waiting, 3);
    assert_int_equal(counts.oldest_at, STORE_T0 + 1);
    assert_int_equal(counts.pending, 0);

    struct delivery d = open_delivery(b, 4);
    store_assert_ok(store_outbox_count(b->registry, &counts, f));
    assert_int_equal(counts.pending, 1);
    settle(b, 1, TELLING_TOLD, 0, d.id);
    settle(b, 1, TELLING_NOBODY, 0, d.id); // Too late, and the link counts once.
    settle(b, 2, TELLING_SILENCED, 77, 0);
    reopen(b);
    struct seen left = waiting(b);
    assert_int_equal(left.count, 1);
    assert_int_equal(left.ids[0], 3);
    struct seen of = {0};
    store_assert_ok(store_outbox_of_delivery(b->registry, d.id, 0, 16, see, &of, f));
    assert_int_equal(of.count, 1);
    assert_int_equal(of.ids[0], 1);
    assert_int_equal(list(b, (struct delivery_query){.alert = 1, .state = -1}).count, 1);
    assert_int_equal(list(b, (struct delivery_query){.alert = 2, .state = -1}).count, 0);
}

static void alerts_of_a_delivery_come_in_pages(void **state)
{
    struct box *b = *state;
    struct delivery d = open_delivery(b, 4);
    for (int64_t id = 1; id <= 5; id++) {
        put_alert(b, id, 0, ALERT_CLOCK);
        settle(b, id, TELLING_TOLD, 0, d.id);
    }
    struct seen page = {0};
    store_assert_ok(store_outbox_of_delivery(b->registry, d.id, 2, 2, see, &page, f));
    assert_int_equal(page.count, 2);
    assert_int_equal(page.ids[0], 3);
    assert_int_equal(page.ids[1], 4);
}

static void alert_comes_with_its_job_and_its_execution(void **state)
{
    struct box *b = *state;
    struct batch *batch = store_batch(b->x);
    store_add_job(batch, 7);
    job_set_text(&batch->changes[batch->count - 1].job->tags, "[\"billing\"]");
    job_set_text(&batch->changes[batch->count - 1].job->alert_channels, "[\"ops\"]");
    struct execution e = store_execution(1, 7, STORE_T0 + 1000);
    store_add_insert(batch, e);
    store_add_alert(batch, 1, &e);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->changes[i].kind == CHANGE_ALERT)
            batch->changes[i].alert.telling = TELLING_WAITING;
    store_must(b->x, batch);
    struct seen s = waiting(b);
    assert_int_equal(s.count, 1);
    assert_string_equal(s.names[0], "job 7");
    assert_string_equal(s.tags[0], "[\"billing\"]");
    assert_string_equal(s.named[0], "[\"ops\"]");
    assert_int_equal(s.key.job, 7);
    assert_int_equal(s.key.scheduled_at, STORE_T0 + 1000);
}

// What closes an incident goes where its opening went, and nowhere if that went nowhere.
static void alert_of_an_incident_tells_what_became_of_its_opener(void **state)
{
    struct box *b = *state;
    struct delivery first = open_delivery(b, 4);
    struct delivery second = open_delivery(b, 9);
    put_alert(b, 1, 1, ALERT_TARGET_DOWN);
    settle(b, 1, TELLING_TOLD, 0, first.id);
    settle(b, 1, TELLING_TOLD, 0, second.id);
    put_alert(b, 2, 1, ALERT_TARGET_UP);
    put_alert(b, 3, 3, ALERT_TARGET_DOWN);
    struct seen s = waiting(b);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.openers[0], TELLING_TOLD);
    assert_string_equal(s.channels[0], "4,9,");
    assert_int_equal(s.openers[1], TELLING_NONE); // The alert is the opener itself.
    assert_string_equal(s.channels[1], "");
}

static void silenced_opener_waits_again_unless_its_incident_is_over(void **state)
{
    struct box *b = *state;
    uint64_t closing = ALERT_KIND_BIT(ALERT_TARGET_UP);
    for (int64_t id = 1; id <= 3; id++)
        put_alert(b, id, id, ALERT_TARGET_DOWN);
    put_alert(b, 4, 2, ALERT_TARGET_UP);
    put_alert(b, 5, 1, ALERT_TARGET_DOWN); // Opened nothing.
    settle(b, 1, TELLING_SILENCED, 50, 0);
    settle(b, 2, TELLING_SILENCED, 50, 0);
    settle(b, 3, TELLING_SILENCED, 51, 0);
    settle(b, 4, TELLING_NOBODY, 0, 0);
    settle(b, 5, TELLING_SILENCED, 50, 0);
    int64_t ids[4];
    size_t count;
    store_assert_ok(store_outbox_silences(b->registry, closing, ids, 4, &count, f));
    assert_int_equal(count, 2);
    assert_int_equal(ids[0], 50);
    assert_int_equal(ids[1], 51);
    store_assert_ok(store_outbox_unsilence(b->registry, 0, 50, closing, f));
    struct seen s = waiting(b);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.ids[0], 1);
    store_assert_ok(store_outbox_silences(b->registry, closing, ids, 4, &count, f));
    assert_int_equal(count, 1);
}

// --- Deliveries ------------------------------------------------------------------------------

static void message_is_written_once(void **state)
{
    struct box *b = *state;
    struct delivery d = open_delivery(b, 4);
    assert_int_equal(try_record(b, d.id, 1, DELIVERY_SUCCESS, NULL), ERR_CONFLICT); // Gathers.
    store_assert_ok(store_delivery_seal(b->registry, 0, d.id,
                                        &(struct delivery_seal){"{\"a\":1}", 3, NULL, 0}, f));
    struct fault f = {0};
    assert_int_equal(store_delivery_seal(b->registry, 0, d.id,
                                         &(struct delivery_seal){"{\"a\":2}", 4, NULL, 0}, &f),
                     ERR_CONFLICT);
    reopen(b);
    struct kept k = pending(b);
    assert_int_equal(k.count, 1);
    assert_string_equal(k.texts[0][0], "{\"a\":1}");
    assert_int_equal(k.rows[0].alert_count, 3);
    assert_int_equal(k.rows[0].window_ms, 5000);
    assert_int_equal(k.rows[0].next_attempt_at, STORE_T0 + 5000);
}

struct tried {
    size_t count;
    struct delivery_attempt attempts[4];
    char errors[4][32];
};

static enum err note_attempt(void *context, const struct delivery_attempt *a)
{
    struct tried *t = context;
    snprintf(t->errors[t->count], 32, "%s", a->error ? a->error : "");
    t->attempts[t->count++] = *a;
    return ERR_OK;
}

static void each_attempt_is_recorded_once_and_the_last_ends_the_delivery(void **state)
{
    struct box *b = *state;
    struct delivery d = open_delivery(b, 4);
    store_assert_ok(
        store_delivery_seal(b->registry, 0, d.id, &(struct delivery_seal){"{}", 1, NULL, 0}, f));
    assert_int_equal(try_record(b, d.id, 1, DELIVERY_PENDING, "no"), ERR_OK);
    assert_int_equal(try_record(b, d.id, 1, DELIVERY_PENDING, "no"), ERR_CONFLICT);
    assert_int_equal(pending(b).rows[0].next_attempt_at, STORE_T0 + 9000);
    assert_int_equal(try_record(b, d.id, 2, DELIVERY_SUCCESS, NULL), ERR_OK);
    assert_int_equal(try_record(b, d.id, 3, DELIVERY_SUCCESS, NULL), ERR_CONFLICT);
    reopen(b);
    assert_int_equal(pending(b).count, 0);
    struct kept k = list(b, (struct delivery_query){.id = d.id, .state = DELIVERY_SUCCESS});
    assert_int_equal(k.count, 1);
    assert_int_equal(k.rows[0].attempts, 2);
    assert_int_equal(k.rows[0].http_status, 200);
    assert_int_equal(k.rows[0].finished_at, STORE_T0 + 10000);
    assert_int_equal(k.rows[0].next_attempt_at, 0);
    struct tried t = {0};
    store_assert_ok(store_delivery_attempts(b->registry, d.id, note_attempt, &t, f));
    assert_int_equal(t.count, 2);
    assert_string_equal(t.errors[0], "no");
    assert_string_equal(t.errors[1], "");
    assert_int_equal(t.attempts[0].http_status, 503);
    assert_int_equal(t.attempts[1].number, 2);
    assert_int_equal(t.attempts[1].connect_ms, 2);
    assert_int_equal(t.attempts[1].dns_ms, -1);
}

// --- What is open at channels ------------------------------------------------------------------

// The alert that opens an incident of the job, whose row remembers it.
static void open_incident(struct box *b, job_id job, int64_t alert)
{
    char trouble[64];
    struct batch *batch = store_batch(b->x);
    store_add_job(batch, job);
    snprintf(trouble, sizeof trouble, "failure:%lld,1,1;openings:1,1", (long long)alert);
    job_set_text(&batch->changes[batch->count - 1].job->trouble, trouble);
    store_add(batch, CHANGE_ALERT)->alert = (struct alert){.id = alert,
                                                           .kind = ALERT_FAILURE,
                                                           .job = job,
                                                           .created_at = STORE_T0 + alert,
                                                           .incident_id = alert,
                                                           .telling = TELLING_WAITING,
                                                           .message = ""};
    store_must(b->x, batch);
}

// The incident is over, and the job's row remembers how many there were.
static void close_incident(struct box *b, job_id job, int64_t incident, int64_t alert)
{
    char trouble[64];
    struct batch *batch = store_batch(b->x);
    store_add_job(batch, job);
    snprintf(trouble, sizeof trouble, "openings:%lld,1", (long long)incident);
    job_set_text(&batch->changes[batch->count - 1].job->trouble, trouble);
    store_add(batch, CHANGE_ALERT)->alert = (struct alert){.id = alert,
                                                           .kind = ALERT_RECOVERED,
                                                           .job = job,
                                                           .created_at = STORE_T0 + alert,
                                                           .incident_id = incident,
                                                           .telling = TELLING_WAITING,
                                                           .message = ""};
    store_must(b->x, batch);
}

static void acknowledge(struct box *b, int64_t alert)
{
    struct batch *batch = store_batch(b->x);
    struct change *c = store_add(batch, CHANGE_ALERT_ACK);
    c->ack.id = alert;
    c->ack.at = STORE_T0 + 1;
    store_must(b->x, batch);
}

static void seal_opening(struct box *b, int64_t id, const char *key, int64_t watched)
{
    struct delivery_seal s = {"{}", 1, key, watched};
    store_assert_ok(store_delivery_seal(b->registry, 0, id, &s, f));
}

struct openings {
    size_t count;
    struct outbox_opening rows[4];
    char keys[4][32];
};

static enum err see_opening(void *context, const struct outbox_opening *o)
{
    struct openings *s = context;
    assert_string_equal(o->channel_name, "ops");
    snprintf(s->keys[s->count], 32, "%s", o->dedup_key);
    s->rows[s->count++] = *o;
    return ERR_OK;
}

static struct openings openings(struct box *b)
{
    struct openings s = {0};
    store_assert_ok(store_opening_list(b->registry, 0, 4, see_opening, &s, f));
    return s;
}

static enum err follow(struct box *b, int64_t opening, bool ends, int64_t alert, int64_t *id)
{
    struct delivery d = {.channel = 4,
                         .channel_name = "ops",
                         .created_at = STORE_T0,
                         .next_attempt_at = STORE_T0,
                         .message = "{\"b\":1}",
                         .alert_count = 1};
    struct opening_follow w = {opening, ends, &alert, 1};
    struct fault f = {0};
    enum err err = store_opening_follow(b->registry, 0, &w, &d, &f);
    *id = d.id;
    return err;
}

static bool advance(struct box *b, int64_t opening)
{
    bool moved = false;
    store_assert_ok(store_opening_advance(b->registry, 0, opening, &moved, f));
    return moved;
}

static void end_of_an_opening_is_told_once(void **state)
{
    struct box *b = *state;
    struct delivery d = open_delivery(b, 4);
    int64_t id;
    open_incident(b, 7, 1);
    settle(b, 1, TELLING_TOLD, 0, d.id);
    assert_int_equal(openings(b).count, 0);
    seal_opening(b, d.id, "k", 1);
    struct openings o = openings(b);
    assert_int_equal(o.count, 1);
    assert_int_equal(o.rows[0].delivery, d.id);
    assert_int_equal(o.rows[0].channel, 4);
    assert_int_equal(o.rows[0].alert_count, 1);
    assert_int_equal(o.rows[0].incident, 1);
    assert_string_equal(o.keys[0], "k");
    assert_false(o.rows[0].is_over);

    close_incident(b, 7, 1, 2);
    reopen(b);
    assert_true(openings(b).rows[0].is_over);
    assert_false(advance(b, d.id));
    struct seen ends = {0};
    store_assert_ok(store_opening_ends(b->registry, d.id, 4, see, &ends, f));
    assert_int_equal(ends.count, 1);
    assert_int_equal(ends.ids[0], 2);

    assert_int_equal(follow(b, d.id, true, 2, &id), ERR_OK);
    assert_true(id > d.id);
    assert_int_equal(follow(b, d.id, true, 2, &id), ERR_CONFLICT);
    reopen(b);
    assert_int_equal(openings(b).count, 0);
    struct kept k = list(b, (struct delivery_query){.alert = 2, .state = -1});
    assert_int_equal(k.count, 1);
    assert_string_equal(k.texts[0][0], "{\"b\":1}");
    assert_int_equal(k.rows[0].alert_count, 1);
}

static void opening_of_several_incidents_is_over_with_the_last_of_them(void **state)
{
    struct box *b = *state;
    struct delivery d = open_delivery(b, 4);
    for (int64_t i = 1; i <= 3; i++) {
        open_incident(b, 6 + i, i);
        settle(b, i, TELLING_TOLD, 0, d.id);
    }
    seal_opening(b, d.id, "k", 1);
    close_incident(b, 8, 2, 4);
    assert_false(openings(b).rows[0].is_over); // The first goes on.
    close_incident(b, 7, 1, 5);
    assert_true(openings(b).rows[0].is_over);
    assert_true(advance(b, d.id));
    assert_false(openings(b).rows[0].is_over); // The third does; the second was passed over.
    assert_int_equal(openings(b).rows[0].incident, 3);
    close_incident(b, 9, 3, 6);
    assert_true(openings(b).rows[0].is_over);
    assert_false(advance(b, d.id));
    struct seen ends = {0};
    store_assert_ok(store_opening_ends(b->registry, d.id, 16, see, &ends, f));
    assert_int_equal(ends.count, 3);
    assert_int_equal(ends.ids[0], 4);
    assert_int_equal(ends.ids[2], 6);
}

static void incident_ends_with_its_job(void **state)
{
    struct box *b = *state;
    struct delivery d = open_delivery(b, 4);
    open_incident(b, 7, 1);
    settle(b, 1, TELLING_TOLD, 0, d.id);
    seal_opening(b, d.id, "k", 1);
    struct batch *batch = store_batch(b->x);
    struct change *c = store_add(batch, CHANGE_JOB_DELETE);
    c->deleted.id = 7;
    c->deleted.at = STORE_T0 + 1;
    store_must(b->x, batch);
    assert_true(openings(b).rows[0].is_over);
}

static void acknowledgement_is_told_once_for_each_opening(void **state)
{
    struct box *b = *state;
    struct delivery d = open_delivery(b, 4);
    int64_t id;
    open_incident(b, 7, 1);
    put_alert(b, 2, 1, ALERT_FAILURE);
    settle(b, 1, TELLING_TOLD, 0, d.id);
    seal_opening(b, d.id, "k", 1);
    assert_int_equal(openings(b).rows[0].acknowledged, 0);
    acknowledge(b, 2); // Any alert of the incident.
    reopen(b);
    assert_int_equal(openings(b).rows[0].acknowledged, 2);
    assert_int_equal(follow(b, d.id, false, 2, &id), ERR_OK);
    assert_int_equal(follow(b, d.id, false, 2, &id), ERR_CONFLICT);
    struct openings o = openings(b);
    assert_int_equal(o.count, 1); // The end is still to come.
    assert_int_equal(o.rows[0].acknowledged, 0);
    assert_int_equal(follow(b, d.id, true, 1, &id), ERR_OK);
}

// A reminder opens again what its incident opened; the end is told once.
static void later_opening_takes_over_its_key_at_the_channel(void **state)
{
    struct box *b = *state;
    struct delivery first = open_delivery(b, 4);
    struct delivery other = open_delivery(b, 5);
    struct delivery later = open_delivery(b, 4);
    seal_opening(b, first.id, "k", 1);
    seal_opening(b, other.id, "k", 1);
    seal_opening(b, later.id, "k", 1);
    struct openings o = openings(b);
    assert_int_equal(o.count, 2);
    assert_int_equal(o.rows[0].delivery, other.id);
    assert_int_equal(o.rows[1].delivery, later.id);
    assert_true(o.rows[0].is_over); // The alert has gone.
    assert_int_equal(o.rows[0].incident, 0);
}

static void delivery_that_failed_opens_nothing(void **state)
{
    struct box *b = *state;
    struct delivery d = open_delivery(b, 4);
    struct delivery gone = open_delivery(b, 4);
    seal_opening(b, d.id, "k", 1);
    seal_opening(b, gone.id, "l", 1);
    assert_int_equal(try_record(b, d.id, 1, DELIVERY_PENDING, "no"), ERR_OK);
    assert_int_equal(openings(b).count, 2);
    assert_int_equal(try_record(b, d.id, 2, DELIVERY_FAILED, "no"), ERR_OK);
    store_assert_ok(store_delivery_give_up(b->registry, 0, gone.id, "gone", STORE_T0 + 1, f));
    assert_int_equal(openings(b).count, 0);
}

static void delivery_can_be_given_up(void **state)
{
    struct box *b = *state;
    struct delivery d = open_delivery(b, 4);
    struct fault f = {0};
    assert_int_equal(store_delivery_give_up(b->registry, 0, d.id, "gone", STORE_T0 + 1, &f), 0);
    assert_int_equal(store_delivery_give_up(b->registry, 0, d.id, "gone", STORE_T0 + 1, &f),
                     ERR_CONFLICT);
    struct kept k = list(b, (struct delivery_query){.state = DELIVERY_FAILED});
    assert_int_equal(k.count, 1);
    assert_string_equal(k.texts[0][1], "gone");
}

static void deliveries_are_listed_by_channel_newest_first(void **state)
{
    struct box *b = *state;
    int64_t ids[4];
    for (int64_t i = 0; i < 4; i++)
        ids[i] = open_delivery(b, 4 + i % 2).id;
    assert_true(ids[0] < ids[1] && ids[1] < ids[2] && ids[2] < ids[3]);
    struct kept k = list(b, (struct delivery_query){.channel = 4, .state = -1});
    assert_int_equal(k.count, 2);
    assert_int_equal(k.rows[0].id, ids[2]);
    assert_int_equal(k.rows[1].id, ids[0]);
    k = list(b, (struct delivery_query){.state = -1, .before = ids[2], .limit = 1});
    assert_int_equal(k.count, 1);
    assert_int_equal(k.rows[0].id, ids[1]);
}

// What is over goes with age; its id is not given again, since receivers remember it.
static void old_delivery_goes_and_its_id_does_not_come_again(void **state)
{
    struct box *b = *state;
    struct delivery over = open_delivery(b, 4);
    struct delivery still = open_delivery(b, 4);
    struct delivery last = open_delivery(b, 4);
    put_alert(b, 1, 0, ALERT_CLOCK);
    settle(b, 1, TELLING_TOLD, 0, over.id);
    store_assert_ok(
        store_delivery_seal(b->registry, 0, over.id, &(struct delivery_seal){"{}", 1, NULL, 0}, f));
    assert_int_equal(try_record(b, over.id, 1, DELIVERY_SUCCESS, NULL), ERR_OK);
    store_assert_ok(store_delivery_give_up(b->registry, 0, last.id, "gone", STORE_T0, f));
    struct store_retention r = {.age_ms = 86400000};
    size_t removed;
    store_assert_ok(store_retain(b->x->store, &r, STORE_T0 + 2 * 86400000, 100, &removed, f));
    struct kept k = list(b, (struct delivery_query){.state = -1});
    assert_int_equal(k.count, 1);
    assert_int_equal(k.rows[0].id, still.id);
    assert_true(open_delivery(b, 4).id > last.id);
}

// A node that leads no more changes nothing.
static void teller_of_another_epoch_is_fenced(void **state)
{
    struct box *b = *state;
    struct fault f = {0};
    struct delivery d = open_delivery(b, 4);
    if (!adapter->is_server)
        return; // A file has one node.
    put_alert(b, 1, 0, ALERT_CLOCK);
    struct delivery other = d;
    struct outbox_verdict verdict = {1, TELLING_TOLD, 0};
    struct outbox_settlement s = {&verdict, 1, NULL, 0};
    assert_int_equal(store_delivery_open(b->registry, 99, &other, &f), ERR_FENCED);
    assert_int_equal(store_outbox_settle(b->registry, 99, &s, &f), ERR_FENCED);
    assert_int_equal(
        store_delivery_seal(b->registry, 99, d.id, &(struct delivery_seal){"{}", 1, NULL, 0}, &f),
        ERR_FENCED);
    assert_int_equal(store_delivery_give_up(b->registry, 99, d.id, "x", 1, &f), ERR_FENCED);
    assert_int_equal(waiting(b).count, 1);
    assert_string_equal(pending(b).texts[0][0], "");
    bool moved;
    int64_t alert = 1;
    struct opening_follow w = {d.id, true, &alert, 1};
    seal_opening(b, d.id, "k", 1);
    other.message = "{}";
    assert_int_equal(store_opening_advance(b->registry, 99, d.id, &moved, &f), ERR_FENCED);
    assert_int_equal(store_opening_follow(b->registry, 99, &w, &other, &f), ERR_FENCED);
    assert_int_equal(openings(b).count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(waiting_alert_is_settled_once_and_stands_in_its_delivery),
        TEST(alerts_of_a_delivery_come_in_pages),
        TEST(alert_comes_with_its_job_and_its_execution),
        TEST(alert_of_an_incident_tells_what_became_of_its_opener),
        TEST(silenced_opener_waits_again_unless_its_incident_is_over),
        TEST(message_is_written_once),
        TEST(each_attempt_is_recorded_once_and_the_last_ends_the_delivery),
        TEST(end_of_an_opening_is_told_once),
        TEST(opening_of_several_incidents_is_over_with_the_last_of_them),
        TEST(incident_ends_with_its_job),
        TEST(acknowledgement_is_told_once_for_each_opening),
        TEST(later_opening_takes_over_its_key_at_the_channel),
        TEST(delivery_that_failed_opens_nothing),
        TEST(delivery_can_be_given_up),
        TEST(deliveries_are_listed_by_channel_newest_first),
        TEST(old_delivery_goes_and_its_id_does_not_come_again),
        TEST(teller_of_another_epoch_is_fenced),
    };
    int failed = 0;
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
    }
    return failed;
}
