// SPDX-License-Identifier: MIT
// tell.c: channels and silences are matched with alerts; windows and delays grow.

#include "alert/tell.h"

#include "base/integer.h"
#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_MS 5000
#define DELAY_MS_MAX 900000

enum notice_severity alert_severity(enum alert_kind kind)
{
    static const enum notice_severity severities[ALERT_KINDS] = {
        [ALERT_FAILURE] = SEVERITY_CRITICAL,      [ALERT_MISSED] = SEVERITY_WARNING,
        [ALERT_CLOCK] = SEVERITY_CRITICAL,        [ALERT_TARGET_DOWN] = SEVERITY_CRITICAL,
        [ALERT_TARGET_UP] = SEVERITY_INFO,        [ALERT_JOB_UNUSABLE] = SEVERITY_CRITICAL,
        [ALERT_JOB_PAUSED] = SEVERITY_CRITICAL,   [ALERT_REMINDER] = SEVERITY_WARNING,
        [ALERT_RECOVERED] = SEVERITY_INFO,        [ALERT_FAILURE_RATE] = SEVERITY_CRITICAL,
        [ALERT_LATE] = SEVERITY_WARNING,          [ALERT_SLOW] = SEVERITY_WARNING,
        [ALERT_SILENT] = SEVERITY_CRITICAL,       [ALERT_FLAPPING] = SEVERITY_CRITICAL,
        [ALERT_CHANNEL_DOWN] = SEVERITY_WARNING,  [ALERT_CHANNEL_UP] = SEVERITY_INFO,
        [ALERT_STORE_STALLED] = SEVERITY_WARNING, [ALERT_DISK_LOW] = SEVERITY_CRITICAL,
        [ALERT_DISK_OK] = SEVERITY_INFO,          [ALERT_LEASE_LOST] = SEVERITY_WARNING,
    };
    assert(kind < ALERT_KINDS);
    return severities[kind];
}

// The lists of filters are turned round once, and an alert looks its own few words up: so a page of
// alerts takes as long as it has words, however many channels and silences have lists of them.
struct tell_index {
    const struct channel *channels;
    size_t channel_count;
    const struct silence *silences;
    size_t silence_count;
    json_t *named; // Which channels have the name, the tag, or the job: their places.
    json_t *tagged;
    json_t *of_job;
    json_t *silenced; // Which silences have the tag.
    bool *has_tag;    // What was found for an alert, for each channel
    bool *has_job;
    bool *is_covered; // and for each silence.
};

// --- Lists that were turned round ----------------------------------------------------------------

static void put_place(json_t *index, const char *word, size_t place)
{
    json_t *places = json_object_get(index, word);
    if (!places) {
        places = json_array();
        json_object_set_new(index, word, places);
    }
    json_array_append_new(places, json_integer((json_int_t)place));
}

static const char *job_word(job_id job, char out[static 24])
{
    snprintf(out, 24, "%" PRId64, job);
    return out;
}

static void put_list(json_t *index, const char *array, size_t place)
{
    json_t *list = array ? json_loads(array, 0, NULL) : NULL;
    const json_t *element;
    size_t i;
    char word[24];
    json_array_foreach(list, i, element) {
        if (json_is_string(element))
            put_place(index, json_string_value(element), place);
        else if (json_is_integer(element))
            put_place(index, job_word(json_integer_value(element), word), place);
    }
    json_decref(list);
}

static void mark(const json_t *index, const char *word, bool *marks)
{
    const json_t *place;
    size_t i;
    json_array_foreach(json_object_get(index, word), i, place)
        marks[json_integer_value(place)] = true;
}

static void mark_list(const json_t *index, const char *array, bool *marks, size_t count)
{
    json_t *list = array ? json_loads(array, 0, NULL) : NULL;
    const json_t *element;
    size_t i;
    memset(marks, 0, count * sizeof *marks);
    json_array_foreach(list, i, element)
        if (json_is_string(element))
            mark(index, json_string_value(element), marks);
    json_decref(list);
}

struct tell_index *tell_index_new(const struct channel *channels, size_t channel_count,
                                  const struct silence *silences, size_t silence_count)
{
    struct tell_index *x = xcalloc(1, sizeof *x);
    *x = (struct tell_index){channels,      channel_count, silences,      silence_count,
                             json_object(), json_object(), json_object(), json_object(),
                             NULL,          NULL,          NULL};
    x->has_tag = xcalloc(channel_count + 1, sizeof *x->has_tag);
    x->has_job = xcalloc(channel_count + 1, sizeof *x->has_job);
    x->is_covered = xcalloc(silence_count + 1, sizeof *x->is_covered);
    for (size_t i = 0; i < channel_count; i++) {
        put_place(x->named, channels[i].name, i);
        put_list(x->tagged, channels[i].tags, i);
        put_list(x->of_job, channels[i].jobs, i);
    }
    for (size_t i = 0; i < silence_count; i++)
        if (silences[i].tag)
            put_place(x->silenced, silences[i].tag, i);
    return x;
}

void tell_index_free(struct tell_index *x)
{
    if (!x)
        return;
    json_decref(x->named);
    json_decref(x->tagged);
    json_decref(x->of_job);
    json_decref(x->silenced);
    free(x->has_tag);
    free(x->has_job);
    free(x->is_covered);
    free(x);
}

// --- Who -----------------------------------------------------------------------------------------

static bool has_kind(uint64_t kinds, enum alert_kind kind)
{
    return kinds == 0 || (kinds & ALERT_KIND_BIT(kind)) != 0;
}

const struct silence *tell_silence(struct tell_index *x, const struct tell_subject *a)
{
    if (x->silence_count == 0)
        return NULL;
    mark_list(x->silenced, a->tags, x->is_covered, x->silence_count);
    for (size_t i = 0; i < x->silence_count; i++) {
        const struct silence *s = &x->silences[i];
        if (has_kind(s->kinds, a->kind) && (s->job == 0 || s->job == a->job) &&
            (!s->tag || x->is_covered[i]))
            return s;
    }
    return NULL;
}

static bool may_get(const struct channel *c, const struct tell_subject *a)
{
    return c->is_enabled && (!a->receiver || strcmp(a->receiver, c->name) != 0);
}

static size_t choose_named(const struct tell_index *x, const struct tell_subject *a, bool *chosen)
{
    size_t found = 0;
    mark_list(x->named, a->names, chosen, x->channel_count);
    for (size_t i = 0; i < x->channel_count; i++) {
        chosen[i] = chosen[i] && may_get(&x->channels[i], a);
        found += chosen[i];
    }
    return found;
}

static bool filters_match(const struct tell_index *x, size_t i, const struct tell_subject *a)
{
    const struct channel *c = &x->channels[i];
    return has_kind(c->kinds, a->kind) && (!c->tags || x->has_tag[i]) &&
           (!c->jobs || x->has_job[i]);
}

static size_t choose_wanted(const struct tell_index *x, const struct tell_subject *a,
                            bool is_default, bool *chosen)
{
    size_t found = 0;
    for (size_t i = 0; i < x->channel_count; i++) {
        const struct channel *c = &x->channels[i];
        chosen[i] = c->is_default == is_default && may_get(c, a) && filters_match(x, i, a);
        found += chosen[i];
    }
    return found;
}

size_t tell_choose(struct tell_index *x, const struct tell_subject *a, bool *chosen)
{
    char word[24];
    size_t found = choose_named(x, a, chosen);
    if (found)
        return found;
    mark_list(x->tagged, a->tags, x->has_tag, x->channel_count);
    memset(x->has_job, 0, x->channel_count * sizeof *x->has_job);
    if (a->job > 0)
        mark(x->of_job, job_word(a->job, word), x->has_job);
    found = choose_wanted(x, a, false, chosen);
    return found ? found : choose_wanted(x, a, true, chosen);
}

size_t tell_follow(const struct channel *channels, size_t count, const char *ids, bool *chosen)
{
    size_t found = 0;
    memset(chosen, 0, count * sizeof *chosen);
    while (*ids) {
        char *end;
        int64_t id = strtoll(ids, &end, 10);
        for (size_t i = 0; i < count; i++) {
            bool is_new = channels[i].id == id && channels[i].is_enabled && !chosen[i];
            chosen[i] |= is_new;
            found += is_new;
        }
        ids = end + strcspn(end, ",");
        ids += *ids == ',';
    }
    return found;
}

bool tell_keeps_keys(enum channel_kind kind)
{
    return kind == CHANNEL_WEBHOOK || kind == CHANNEL_PAGERDUTY || kind == CHANNEL_OPSGENIE;
}

// --- When ------------------------------------------------------------------------------------

dur_ms tell_window(dur_ms base_ms, dur_ms last_ms, dur_ms quiet_ms)
{
    assert(base_ms >= 0 && last_ms >= 0);
    if (last_ms == 0 || quiet_ms > 2 * last_ms)
        return base_ms;
    return MAX(base_ms, MIN(2 * last_ms, TELL_WINDOW_MS_MAX));
}

dur_ms tell_delay(unsigned failures, dur_ms retry_after_ms, uint32_t random)
{
    dur_ms delay = DELAY_MS;
    assert(failures > 0);
    for (unsigned i = 1; i < failures && delay < DELAY_MS_MAX; i++)
        delay *= 2;
    delay = MIN(delay, DELAY_MS_MAX);
    delay += (dur_ms)(random % (uint32_t)(delay / 10 + 1));
    return MAX(delay, retry_after_ms);
}

bool tell_is_due(wall_ms at, wall_ms now, dur_ms longest_ms)
{
    return now >= at || at - now > longest_ms;
}
