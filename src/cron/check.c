// SPDX-License-Identifier: MIT
// check.c: what a new job's schedule must pass besides parsing.
//
// A schedule may be well formed and still be a mistake: a date that no calendar has, a year that is
// over, a single run at a local time that the clock skips. These need a zone and the time.

#include "cron/next_priv.h"
#include "cron/text_priv.h"
#include "cron/zone_priv.h"

static enum err refuse(struct cron_error *e, enum cron_code code, const char *message,
                       const char *hint)
{
    struct cron_error filled = {.code = code, .field = CRON_NO_FIELD};
    struct text t = cron__text(filled.message, sizeof filled.message);
    cron__add(&t, "%s", message);
    t = cron__text(filled.hint, sizeof filled.hint);
    cron__add(&t, "%s", hint);
    if (e)
        *e = filled;
    return ERR_RANGE;
}

// "02:00" of local seconds, with the seconds only when there are any.
static void add_time(struct text *t, int64_t local)
{
    unsigned second = (unsigned)(local - cron__floor_div(local, DAY_S) * DAY_S);
    cron__add(t, "%02u:%02u", second / 3600, second / 60 % 60);
    if (second % 60)
        cron__add(t, ":%02u", second % 60);
}

static enum err refuse_skipped(const struct zone *z, size_t span, struct cron_error *e)
{
    char message[sizeof e->message], hint[sizeof e->hint];
    struct text m = cron__text(message, sizeof message), h = cron__text(hint, sizeof hint);
    int64_t begin = zone__local_end(z, span - 1), end = zone__local_start(z, span);
    cron__add(&m, "local time skipped ");
    add_time(&m, begin);
    cron__add(&m, "-");
    add_time(&m, end);
    cron__add(&m, " in %s", zone_name(z));
    cron__add(&h, "add an offset, or ");
    add_time(&h, end);
    return refuse(e, CRON_NO_SUCH_TIME, message, hint);
}

enum err cron_check_oneshot(const struct cron_schedule *s, const struct zone *z, wall_ms now,
                            struct cron_error *e)
{
    if (!cron_is_oneshot(s))
        return ERR_OK;
    size_t gap = 0;
    int64_t at_s = s->kind == CRON_AT_LOCAL ? cron__oneshot_utc(z, s->span_s, &gap) : s->span_s;
    if (gap)
        return refuse_skipped(z, gap, e);
    if (at_s * 1000 <= now)
        return refuse(e, CRON_PAST, "this time is in the past", "");
    return ERR_OK;
}

enum err cron_check(const struct cron_schedule *s, const struct zone *z, wall_ms now,
                    struct cron_error *e)
{
    enum err err = cron_check_oneshot(s, z, now, e);
    if (err)
        return err;
    if (cron_next(s, z, now) != WALL_NEVER)
        return ERR_OK;
    bool past = s->last_day >= 0 && cron_next(s, z, -1) != WALL_NEVER;
    return refuse(e, CRON_NEVER_FIRES,
                  past ? "all its dates are in the past" : "no such date exists before 2200", "");
}
