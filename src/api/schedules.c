// SPDX-License-Identifier: MIT
// schedules.c: the handler that shows what a schedule would do, before it is posted.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <string.h>

#define PREVIEW_RUNS_DEFAULT 10

static json_t *local_time(const struct zone *z, wall_ms at)
{
    char local[RFC3339_LOCAL_BYTES];
    wall_format_local(at, zone_offset_s(z, at / 1000), local);
    return json_string(local);
}

static json_t *runs_json(const struct service_preview *preview)
{
    json_t *runs = json_array();
    for (size_t i = 0; i < preview->run_count; i++) {
        json_t *run = json_object();
        json_object_set_new(run, "utc", json_time(preview->runs[i]));
        json_object_set_new(run, "local", local_time(preview->zone, preview->runs[i]));
        json_array_append_new(runs, run);
    }
    return runs;
}

static json_t *warnings_json(const struct service_preview *preview)
{
    json_t *warnings = json_array();
    for (size_t i = 0; i < preview->warning_count; i++) {
        json_t *warning = json_object();
        json_object_set_new(warning, "code",
                            json_string(cron_warning_name(preview->warnings[i].code)));
        json_object_set_new(warning, "text", json_text(preview->warnings[i].text));
        json_array_append_new(warnings, warning);
    }
    return warnings;
}

static json_t *preview_json(const struct service_preview *preview)
{
    const char *class = preview->oneshot ? "one-shot" : preview->fixed ? "fixed" : "interval";
    json_t *o = json_object();
    json_object_set_new(o, "words", json_text(preview->words));
    json_object_set_new(o, "class", json_string(class));
    json_object_set_new(o, "normalized", json_text(preview->normal));
    json_object_set_new(o, "timezone", json_text(zone_name(preview->zone)));
    json_object_set_new(o, "next_runs", runs_json(preview));
    json_object_set_new(o, "warnings", warnings_json(preview));
    return o;
}

enum err handle_preview(struct api_request *r, struct problem *p)
{
    static const char *const members[] = {"schedule", "timezone", "count", "from", NULL};
    const char *schedule = NULL, *zone_text = NULL;
    int64_t count = PREVIEW_RUNS_DEFAULT;
    wall_ms from = clock_wall_ms();
    enum err err = members_check(r->body, members, p);
    if (!err)
        err = member_text(r->body, "schedule", &schedule, p);
    if (!err)
        err = member_text(r->body, "timezone", &zone_text, p);
    if (!err)
        err = member_integer(r->body, "count", 1, SERVICE_PREVIEW_RUNS_MAX, &count, p);
    if (!err)
        err = member_time(r->body, "from", &from, p);
    if (err)
        return err;
    if (!schedule)
        return refuse_field(p, ERR_SYNTAX, "schedule", "schedule is required");

    struct service_preview preview;
    err = service_preview_schedule(schedule, zone_text, from, (size_t)count, &preview, &p->what);
    if (!err)
        answer_json(r, 200, preview_json(&preview));
    return err;
}
