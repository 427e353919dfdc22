// SPDX-License-Identifier: MIT
// cron_parse_fuzz.c: any bytes as a schedule, and everything that can be asked of one that parses.
//
// What is refused says where and why. What is accepted has a normal form with the same meaning,
// words that fit, and instants which go forwards and match.

#include "cron/cron.h"
#include "zones/zones.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_refusal(const struct cron_error *e, size_t bytes)
{
    assert(e->code != CRON_FINE && e->message[0]);
    assert(e->position <= bytes && e->length <= bytes - e->position);
    assert(strlen(e->message) < sizeof e->message && strlen(e->hint) < sizeof e->hint);
    assert(cron_code_name(e->code) && cron_field_name(e->field));
}

static void check_normal_form(const char *text, size_t bytes, const struct cron_options *o,
                              const struct cron_schedule *s)
{
    char normal[CRON_NORMAL_BYTES];
    struct cron_schedule again, before = *s;
    struct cron_error e;
    enum err err = cron_normalise(text, bytes, o, normal, sizeof normal, &e);
    assert(err == ERR_OK);
    if (strlen(normal) > CRON_TEXT_BYTES_MAX)
        return; // Expanding `H` makes a text longer.
    err = cron_parse(normal, strlen(normal), o, &again, &e);
    assert(err == ERR_OK);
    // Warnings are about the text: an expanded `H/7` may be warned about as the step it now is.
    again.steps_uneven = before.steps_uneven = 0;
    again.steps_shifted = before.steps_shifted = 0;
    again.quartz_weekdays = before.quartz_weekdays = false; // The normal form has no `?`,
    again.hashed = before.hashed = false;                   // and no `H`.
    assert(memcmp(&again, &before, sizeof again) == 0);
}

static void check_instants(const struct cron_schedule *s, const struct zone *z)
{
    static const wall_ms starts[] = {INT64_MIN, 0, 1774742400000, 1792886400000, 7258000000000};
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        wall_ms at = starts[i];
        for (int j = 0; j < 5; j++) {
            wall_ms next = cron_next(s, z, at);
            assert(next > at && (next == WALL_NEVER || next % 1000 == 0));
            if (next == WALL_NEVER)
                break;
            assert(cron_matches(s, z, next));
            at = next;
        }
        assert(cron_next(s, z, at) > at);
    }
}

static void check_words(const struct cron_schedule *s, const struct zone *z)
{
    char words[CRON_WORDS_BYTES];
    size_t length = cron_explain(s, words, sizeof words);
    assert(length == strlen(words));
    struct cron_warning warnings[CRON_WARNING_CODES];
    size_t count = cron_warnings(s, z, 1795478400000, warnings);
    for (size_t i = 0; i < count; i++)
        assert(warnings[i].text[0] && strlen(warnings[i].text) < sizeof warnings[i].text - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct zone *paris;
    if (!paris && zone_find("Europe/Paris", &paris, NULL))
        paris = zone_utc();

    const char *text = (const char *)data;
    struct cron_options o = {.hash_seed = (int64_t)bytes,
                             .gap = (enum cron_gap)(bytes % 2),
                             .fold = (enum cron_fold)(bytes % 4)};
    struct cron_schedule s;
    struct cron_error e = {0};
    if (cron_parse(text, bytes, &o, &s, &e)) {
        check_refusal(&e, bytes);
        return 0;
    }
    check_normal_form(text, bytes, &o, &s);
    check_instants(&s, paris);
    check_words(&s, paris);
    enum err err = cron_check(&s, paris, 1795478400000, &e);
    assert(err == ERR_OK || e.message[0]);
    return 0;
}
