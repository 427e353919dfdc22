// SPDX-License-Identifier: MIT
// tzif_fuzz.c: any bytes as a zone file, and schedules in the zones that come out.
//
// A damaged file is refused in words. A zone that is accepted, however odd its rules, has offsets
// of less than 26 hours, and schedules in it go forwards.

#include "cron/cron.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_offsets(const struct zone *z)
{
    for (int64_t at_s = INT64_C(-5000000000); at_s < INT64_C(7400000000); at_s += 8640007) {
        int32_t offset_s = zone_offset_s(z, at_s);
        assert(offset_s >= -26 * 3600 && offset_s <= 26 * 3600);
    }
    zone_offset_s(z, INT64_MIN);
    zone_offset_s(z, INT64_MAX);
}

static void check_schedule(const struct zone *z, const char *text, const struct cron_options *o)
{
    struct cron_schedule s;
    enum err err = cron_parse(text, strlen(text), o, &s, NULL);
    assert(err == ERR_OK);
    wall_ms at = 1700000000000;
    for (int i = 0; i < 20; i++) {
        wall_ms next = cron_next(&s, z, at);
        assert(next > at);
        if (next == WALL_NEVER)
            break;
        assert(cron_matches(&s, z, next));
        at = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const texts[] = {"* * * * *", "30 2 * * *", "0 0 L * *", "59 23 29 2 *",
                                        "2030-03-31T02:30"};
    struct zone *z = NULL;
    struct fault f = {0};
    if (zone_parse(data, bytes, "Fuzz/Zone", &z, &f)) {
        assert(!z && f.text[0]);
        return 0;
    }
    assert(!strcmp(zone_name(z), "Fuzz/Zone"));
    check_offsets(z);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (unsigned fold = CRON_FOLD_FIRST; fold <= CRON_FOLD_SECOND; fold++) {
            struct cron_options o = {.gap = (enum cron_gap)(fold % 2),
                                     .fold = (enum cron_fold)fold};
            check_schedule(z, texts[i], &o);
        }
    }
    zone_free(z);
    return 0;
}
