// SPDX-License-Identifier: MIT
// digest.c: counts, the worst few, and what a notice says of them.

#include "alert/digest.h"

#include "alert/alert.h"
#include "alert/tell.h"
#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct incident_seen {
    int64_t id;
    bool began;
    bool goes_on; // People are reminded of it.
    bool ended;
};

struct digest {
    char *public_url;
    int64_t count;
    int64_t counts[ALERT_KINDS];
    struct notice_item items[NOTICE_ITEMS_MAX]; // The worst come first, then the oldest.
    size_t item_count;
    struct incident_seen *incidents; // In order of coming.
    size_t incident_count;
    size_t incident_capacity;
    int64_t loose;      // Alerts of no incident that say that something is wrong,
    int64_t loose_ends; // and those that say that something is well again.
    char *subject;      // What the first alert is about, if that is no incident; or NULL.
};

struct digest *digest_new(const char *public_url)
{
    struct digest *d = xcalloc(1, sizeof *d);
    d->public_url = xstrdup(public_url);
    return d;
}

static void item_clear(struct notice_item *item)
{
    free(item->job_name);
    free(item->sentence);
    free(item->execution);
    free(item->link);
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->item_count; i++)
        item_clear(&d->items[i]);
    free(d->incidents);
    free(d->subject);
    free(d->public_url);
    free(d);
}

int64_t digest_count(const struct digest *d)
{
    return d->count;
}

// --- Adding ----------------------------------------------------------------------------------

static bool is_closing(enum alert_kind kind)
{
    return (ALERTS_CLOSING & ALERT_KIND_BIT(kind)) != 0;
}

static char *link_to(const struct digest *d, const char *what, int64_t id)
{
    char text[NOTICE_LINK_BYTES_MAX + 1];
    if (!*d->public_url)
        return NULL;
    size_t bytes = strlen(d->public_url);
    bytes -= d->public_url[bytes - 1] == '/';
    snprintf(text, sizeof text, "%.*s/%s/%" PRId64, (int)bytes, d->public_url, what, id);
    return xstrdup(text);
}

static struct notice_item item_of(const struct digest *d, const struct alert *a,
                                  const char *job_name)
{
    char id[EXECUTION_ID_BYTES];
    if (a->execution_id)
        execution_id_format(&a->key, id);
    return (struct notice_item){.alert = a->id,
                                .kind = a->kind,
                                .job = a->job,
                                .job_name = xstrdup(job_name),
                                .sentence = alert_sentence(a),
                                .execution = a->execution_id ? xstrdup(id) : NULL,
                                .at = a->created_at,
                                .incident = a->incident_id,
                                .link = link_to(d, "alerts", a->id)};
}

// The last of the incidents are looked at first: a herd's ends come in the order of its beginnings,
// but most deliveries know a few only.
static struct incident_seen *incident_of(struct digest *d, int64_t id)
{
    for (size_t i = d->incident_count; i-- > 0;)
        if (d->incidents[i].id == id)
            return &d->incidents[i];
    return NULL;
}

static bool note_incident(struct digest *d, const struct alert *a)
{
    bool begins = a->incident_id == a->id;
    struct incident_seen *seen = begins ? NULL : incident_of(d, a->incident_id);
    bool began_here = seen && seen->began;
    if (!seen) {
        d->incidents =
            grow(d->incidents, d->incident_count, &d->incident_capacity, sizeof *d->incidents);
        seen = &d->incidents[d->incident_count++];
        *seen = (struct incident_seen){.id = a->incident_id};
    }
    seen->began |= begins;
    seen->goes_on |= a->kind == ALERT_REMINDER;
    seen->ended |= is_closing(a->kind);
    return began_here && is_closing(a->kind);
}

static bool is_worse(const struct alert *a, const struct notice_item *than)
{
    return alert_severity(a->kind) > alert_severity(than->kind);
}

static void keep_if_bad(struct digest *d, const struct alert *a, const char *job_name)
{
    size_t at = d->item_count;
    while (at > 0 && is_worse(a, &d->items[at - 1]))
        at--;
    if (at == NOTICE_ITEMS_MAX)
        return;
    if (d->item_count == NOTICE_ITEMS_MAX)
        item_clear(&d->items[--d->item_count]);
    memmove(&d->items[at + 1], &d->items[at], (d->item_count - at) * sizeof *d->items);
    d->items[at] = item_of(d, a, job_name);
    d->item_count++;
}

// The line of the incident's beginning goes; that of its end stays.
static void drop_beginning(struct digest *d, int64_t incident)
{
    for (size_t i = 0; i < d->item_count; i++) {
        if (d->items[i].alert != incident)
            continue;
        item_clear(&d->items[i]);
        d->item_count--;
        memmove(&d->items[i], &d->items[i + 1], (d->item_count - i) * sizeof *d->items);
        return;
    }
}

static void add_loose(struct digest *d, const struct alert *a)
{
    bool ends = is_closing(a->kind);
    d->loose += !ends;
    d->loose_ends += ends;
    if (!d->subject)
        d->subject = xstrdup(a->subject);
}

void digest_add(struct digest *d, const struct alert *a, const char *job_name)
{
    assert(a->kind < ALERT_KINDS);
    d->count++;
    d->counts[a->kind]++;
    if (a->incident_id == 0)
        add_loose(d, a);
    else if (note_incident(d, a))
        drop_beginning(d, a->incident_id);
    keep_if_bad(d, a, job_name);
}

// --- Writing ---------------------------------------------------------------------------------

struct tally {
    int64_t open;     // Incidents that began here and go on.
    int64_t passed;   // Incidents that began and ended here.
    int64_t standing; // Incidents of before that go on, as a reminder says.
    int64_t ended;    // Incidents of before that ended here.
};

static struct tally count_incidents(const struct digest *d)
{
    struct tally t = {0};
    for (size_t i = 0; i < d->incident_count; i++) {
        const struct incident_seen *s = &d->incidents[i];
        t.open += s->began && !s->ended;
        t.passed += s->began && s->ended;
        t.standing += !s->began && !s->ended && s->goes_on;
        t.ended += !s->began && s->ended;
    }
    return t;
}

static enum notice_event event_of(const struct digest *d, const struct tally *t)
{
    if (t->open > 0 || d->loose > 0)
        return NOTICE_TRIGGER;
    if (t->standing > 0)
        return NOTICE_REMIND;
    if (t->ended > 0 || d->loose_ends > 0)
        return NOTICE_RESOLVE;
    return NOTICE_INFO;
}

void digest_incident_key(int64_t incident, char out[static NOTICE_KEY_BYTES_MAX + 1])
{
    snprintf(out, NOTICE_KEY_BYTES_MAX + 1, "carillon-incident-%" PRId64, incident);
}

static char *key_of(const struct digest *d, int64_t delivery)
{
    char text[NOTICE_KEY_BYTES_MAX + 1];
    if (d->count == 1 && d->subject) // A target or a channel, which comes back under the same key.
        snprintf(text, sizeof text, "carillon-of-%s", d->subject);
    else if (d->incident_count == 1 && d->loose + d->loose_ends == 0)
        digest_incident_key(d->incidents[0].id, text);
    else
        snprintf(text, sizeof text, "carillon-digest-%" PRId64, delivery);
    return xstrdup(text);
}

static void add_counts(const struct digest *d, struct notice *n)
{
    for (int kind = 0; kind < ALERT_KINDS; kind++)
        if (d->counts[kind] > 0)
            n->counts[n->count_count++] =
                (struct notice_count){(enum alert_kind)kind, d->counts[kind]};
}

static void add_items(const struct digest *d, struct notice *n)
{
    n->items = xcalloc(d->item_count, sizeof *n->items);
    for (size_t i = 0; i < d->item_count; i++) {
        const struct notice_item *from = &d->items[i];
        n->items[i] = *from;
        n->items[i].job_name = xstrdup(from->job_name);
        n->items[i].sentence = xstrdup(from->sentence);
        n->items[i].execution = xstrdup(from->execution);
        n->items[i].link = xstrdup(from->link);
    }
    n->item_count = d->item_count;
}

static bool is_single(const struct digest *d)
{
    return d->item_count == 1 && d->incident_count <= 1;
}

static bool has_headline(const struct notice_item *item)
{
    return item->job > 0 && alert_headline(item->kind);
}

static void write_headline(FILE *out, const struct notice_item *item)
{
    if (!has_headline(item))
        fprintf(out, "%s", item->sentence);
    else if (item->job_name)
        fprintf(out, "%s %s", item->job_name, alert_headline(item->kind));
    else
        fprintf(out, "job %" PRId64 " %s", item->job, alert_headline(item->kind));
}

static char *title_of(const struct digest *d)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert(out);
    if (is_single(d))
        write_headline(out, &d->items[0]);
    else {
        const char *comma = "";
        fprintf(out, "%" PRId64 " alerts: ", d->count);
        for (int kind = 0; kind < ALERT_KINDS; kind++)
            if (d->counts[kind] > 0) {
                fprintf(out, "%s%" PRId64 " %s", comma, d->counts[kind],
                        alert_kind_name((enum alert_kind)kind));
                comma = ", ";
            }
    }
    fclose(out);
    return text;
}

static void add_line(FILE *out, int64_t count, const char *singular, const char *plural)
{
    if (count > 0)
        fprintf(out, "%" PRId64 " %s\n", count, count == 1 ? singular : plural);
}

static char *text_of(const struct digest *d, const struct tally *t)
{
    char *text = NULL;
    size_t bytes = 0;
    if (is_single(d)) // Unless the title says all.
        return has_headline(&d->items[0]) ? xstrdup(d->items[0].sentence) : NULL;
    FILE *out = open_memstream(&text, &bytes);
    assert(out);
    add_line(out, t->open, "incident has begun.", "incidents have begun.");
    add_line(out, t->passed, "incident began and is over already.",
             "incidents began and are over already.");
    add_line(out, t->standing, "incident goes on.", "incidents go on.");
    add_line(out, t->ended, "incident is over.", "incidents are over.");
    add_line(out, d->count - (int64_t)d->item_count, "more alert is not shown here.",
             "more alerts are not shown here.");
    fclose(out);
    return text;
}

static enum notice_severity severity_of(const struct digest *d, enum notice_event event)
{
    if (event == NOTICE_RESOLVE || event == NOTICE_INFO)
        return SEVERITY_INFO;
    return alert_severity(d->items[0].kind);
}

void digest_write(const struct digest *d, int64_t delivery, wall_ms now, struct notice *out)
{
    assert(d->count > 0 && d->item_count > 0);
    struct tally t = count_incidents(d);
    enum notice_event event = event_of(d, &t);
    *out = (struct notice){.delivery = delivery,
                           .at = now,
                           .event = event,
                           .severity = severity_of(d, event),
                           .title = title_of(d),
                           .text = text_of(d, &t),
                           .dedup_key = key_of(d, delivery),
                           .link = is_single(d) ? link_to(d, "alerts", d->items[0].alert)
                                                : link_to(d, "deliveries", delivery),
                           .count = d->count};
    add_counts(d, out);
    add_items(d, out);
}

// What was written, as a notice of another event under another key.
static void turn_into(struct notice *n, enum notice_event event, const char *key, char *title)
{
    free(n->title);
    free(n->dedup_key);
    n->delivery = 0;
    n->event = event;
    n->severity = SEVERITY_INFO;
    n->title = title;
    n->dedup_key = xstrdup(key);
}

static char *format_title(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *format_title(const char *format, ...)
{
    char text[NOTICE_TITLE_BYTES_MAX + 1];
    va_list rest;
    va_start(rest, format);
    vsnprintf(text, sizeof text, format, rest);
    va_end(rest);
    return xstrdup(text);
}

void digest_write_ack(const struct digest *d, const char *key, wall_ms now, struct notice *out)
{
    digest_write(d, 0, now, out);
    turn_into(out, NOTICE_ACK, key, format_title("Somebody looks after it: %s", out->title));
}

static char *end_title(const struct digest *d, const char *written, int64_t told)
{
    if (told > 1)
        return format_title("All is over that a message about %" PRId64 " alerts told of", told);
    return d->count > 0 ? xstrdup(written)
                        : xstrdup("The incident ended with its job, or with the job's rule");
}

void digest_write_end(const struct digest *d, const char *key, int64_t delivery, int64_t told,
                      wall_ms now, struct notice *out)
{
    if (d->count > 0)
        digest_write(d, delivery, now, out);
    else
        *out = (struct notice){.at = now, .link = link_to(d, "deliveries", delivery)};
    turn_into(out, NOTICE_RESOLVE, key, end_title(d, out->title, told));
}

void digest_write_test(const char *channel, int64_t delivery, wall_ms now, const char *public_url,
                       struct notice *out)
{
    struct digest d = {.public_url = (char *)(uintptr_t)public_url};
    char title[NOTICE_TITLE_BYTES_MAX + 1];
    snprintf(title, sizeof title, "Carillon tries the channel %s", channel);
    *out = (struct notice){.delivery = delivery,
                           .at = now,
                           .event = NOTICE_TEST,
                           .severity = SEVERITY_INFO,
                           .title = xstrdup(title),
                           .text = xstrdup("This is a test: nothing has happened."),
                           .link = link_to(&d, "deliveries", delivery)};
}
