// SPDX-License-Identifier: MIT
// cron_test.c: what the tests of the cron room share.

#include "cron_test.h"

struct cron_schedule schedule_with(const char *text, const struct cron_options *o)
{
    struct cron_schedule s;
    struct cron_error e;
    if (cron_parse(text, strlen(text), o, &s, &e))
        fail_msg("'%s' is refused at %zu: %s", text, e.position, e.message);
    return s;
}

struct cron_schedule schedule_of(const char *text)
{
    return schedule_with(text, NULL);
}

const struct zone *zone_of(const char *name)
{
    const struct zone *z;
    struct fault f = {0};
    if (zone_find(name, &z, &f))
        fail_msg("%s", f.text);
    return z;
}

wall_ms instant_of(const char *rfc3339)
{
    wall_ms at;
    if (!wall_parse(rfc3339, strlen(rfc3339), &at))
        fail_msg("'%s' is not a time", rfc3339);
    return at;
}

const char *runs_of(const struct cron_schedule *s, const char *zone, const char *after, int count,
                    char *out, size_t bytes)
{
    const struct zone *z = zone_of(zone);
    wall_ms at = instant_of(after);
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        at = cron_next(s, z, at);
        if (at == WALL_NEVER)
            break;
        char text[RFC3339_BYTES];
        wall_format(at, text);
        used += (size_t)snprintf(out + used, bytes - used, "%s%.19sZ", i ? " " : "", text);
    }
    if (!used)
        snprintf(out, bytes, "-");
    return out;
}
