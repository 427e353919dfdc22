// SPDX-License-Identifier: MIT
// tell.c: channels and silences are matched with alerts; windows and delays grow.

#include "alert/tell.h"

#include "base/integer.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_MS 5000
#define DELAY_MS_MAX 900000

enum notice_severity alert_severity(enum alert_kind kind)
{
    static const enum notice_severity severities[ALERT_KINDS] = {
        [ALERT_FAILURE] = SEVERITY_CRITICAL,     [ALERT_MISSED] = SEVERITY_WARNING,
        [ALERT_CLOCK] = SEVERITY_CRITICAL,       [ALERT_TARGET_DOWN] = SEVERITY_CRITICAL,
        [ALERT_TARGET_UP] = SEVERITY_INFO,       [ALERT_JOB_UNUSABLE] = SEVERITY_CRITICAL,
        [ALERT_JOB_PAUSED] = SEVERITY_CRITICAL,  [ALERT_REMINDER] = SEVERITY_WARNING,
        [ALERT_RECOVERED] = SEVERITY_INFO,       [ALERT_FAILURE_RATE] = SEVERITY_CRITICAL,
        [ALERT_LATE] = SEVERITY_WARNING,         [ALERT_SLOW] = SEVERITY_WARNING,
        [ALERT_SILENT] = SEVERITY_CRITICAL,      [ALERT_FLAPPING] = SEVERITY_CRITICAL,
        [ALERT_CHANNEL_DOWN] = SEVERITY_WARNING, [ALERT_CHANNEL_UP] = SEVERITY_INFO,
    };
    assert(kind < ALERT_KINDS);
    return severities[kind];
}

// --- Who -------------------------------------------------------------------------------------

static bool has_word(const char *array, const char *word)
{
    json_t *list = array ? json_loads(array, 0, NULL) : NULL;
    const json_t *element;
    size_t i;
    bool found = false;
    json_array_foreach(list, i, element) {
        const char *text = json_string_value(element);
        found |= text && strcmp(text, word) == 0;
    }
    json_decref(list);
    return found;
}

static bool have_word_in_common(const char *array, const char *words)
{
    json_t *list = array ? json_loads(array, 0, NULL) : NULL;
    const json_t *element;
    size_t i;
    bool found = false;
    json_array_foreach(list, i, element)
        found |= json_is_string(element) && has_word(words, json_string_value(element));
    json_decref(list);
    return found;
}

static bool has_job(const char *array, job_id job)
{
    json_t *list = json_loads(array, 0, NULL);
    const json_t *element;
    size_t i;
    bool found = false;
    json_array_foreach(list, i, element)
        found |= json_is_integer(element) && json_integer_value(element) == job;
    json_decref(list);
    return found && job > 0;
}

static bool has_kind(uint64_t kinds, enum alert_kind kind)
{
    return kinds == 0 || (kinds & ALERT_KIND_BIT(kind)) != 0;
}

bool tell_silence_covers(const struct silence *s, const struct tell_subject *a)
{
    return has_kind(s->kinds, a->kind) && (s->job == 0 || s->job == a->job) &&
           (!s->tag || has_word(a->tags, s->tag));
}

static bool may_get(const struct channel *c, const struct tell_subject *a)
{
    return c->is_enabled && (!a->receiver || strcmp(a->receiver, c->name) != 0);
}

static bool filters_match(const struct channel *c, const struct tell_subject *a)
{
    return has_kind(c->kinds, a->kind) && (!c->tags || have_word_in_common(c->tags, a->tags)) &&
           (!c->jobs || has_job(c->jobs, a->job));
}

static bool is_named(const struct channel *c, const struct tell_subject *a)
{
    return has_word(a->names, c->name);
}

static bool is_wanted(const struct channel *c, const struct tell_subject *a)
{
    return !c->is_default && filters_match(c, a);
}

static bool is_last_resort(const struct channel *c, const struct tell_subject *a)
{
    return c->is_default && filters_match(c, a);
}

typedef bool choice(const struct channel *c, const struct tell_subject *a);

size_t tell_choose(const struct channel *channels, size_t count, const struct tell_subject *a,
                   bool *chosen)
{
    static choice *const choices[] = {is_named, is_wanted, is_last_resort};
    size_t found = 0;
    for (size_t rule = 0; rule < COUNT_OF(choices) && found == 0; rule++)
        for (size_t i = 0; i < count; i++) {
            chosen[i] = may_get(&channels[i], a) && choices[rule](&channels[i], a);
            found += chosen[i];
        }
    return found;
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
