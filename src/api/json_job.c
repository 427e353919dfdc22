// SPDX-License-Identifier: MIT
// json_job.c: a job as JSON, both ways, member by member.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "base/near.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

// What other schedulers call these, where no letter is alike.
static const struct {
    const char *theirs;
    const char *ours;
} aliases[] = {
    {"url", "api"},          {"uri", "api"},
    {"endpoint", "api"},     {"target", "api"},
    {"webhook", "api"},      {"cron", "schedule"},
    {"tz", "timezone"},      {"payload", "body"},
    {"data", "body"},        {"enabled", "is_active"},
    {"paused", "is_active"}, {"retries", "max_retries"},
    {"labels", "tags"},      {"concurrency", "overlap"},
};

// Only what a client may set: nobody means the others.
static const char *member_meant(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(aliases); i++) {
        if (strcasecmp(aliases[i].theirs, name) == 0)
            return aliases[i].ours;
    }
    struct near n = near_to(name);
    for (size_t i = 0; i < job_member_count; i++) {
        if (job_members[i].access == ACCESS_CLIENT)
            near_see(&n, job_members[i].name);
    }
    return n.best;
}

static const struct job_member *member_shown(const char *name)
{
    const struct job_member *m = job_member_find(name);
    return m && m->access != ACCESS_HIDDEN ? m : NULL;
}

static bool is_as_sent(const struct job_member *m, const json_t *value, const struct job *j)
{
    json_t *own = m->kind == MEMBER_COMPUTED ? json_integer(j->id) : json_job_member(m, j);
    bool same = json_equal(own, value);
    json_decref(own);
    return same;
}

// What only the server sets, in a job that a client has read and sends back. Another id is a
// mistake, and an older version means that somebody changed the job meanwhile. What is passed over
// follows from the rest, or changes while the job runs.
static enum err decode_read_only(const struct job_member *m, const json_t *value, struct job *j,
                                 struct problem *p)
{
    if (strcmp(m->name, "finished") == 0)
        j->finished = json_is_true(value); // The service knows whether it is.
    if (m->access == ACCESS_SERVER || is_as_sent(m, value, j))
        return ERR_OK;
    if (m->access == ACCESS_STAMPED)
        return service_refuse(&p->what, ERR_CONFLICT, PROBLEM_VERSION, m->name,
                              "%s is not that of the job, which is at version %" PRId64
                              "; read it again, or leave %s out",
                              m->name, j->version, m->name);
    return refuse_field(p, ERR_FORBIDDEN, m->name,
                        "%s is not that of the job, and only the server "
                        "sets it",
                        m->name);
}

static enum err decode_member(const char *name, const json_t *value, const struct job_reading *how,
                              struct job *j, struct problem *p)
{
    const struct job_member *m = member_shown(name);
    if (!m)
        return refuse_unknown_field(p, name, member_meant(name));
    if (m->access == ACCESS_CLIENT)
        return job_member_decode(m, value, how, j, p);
    if (how->how == JOB_REPLACE)
        return decode_read_only(m, value, j, p);
    return refuse_field(p, ERR_FORBIDDEN, name, "only the server sets %s", name);
}

// The default of catch_up follows from the type, so it can be known only at the end.
static void default_catch_up(const json_t *object, enum job_decoding how, struct job *j)
{
    const json_t *value = json_object_get(object, "catch_up");
    if (json_is_null(value) || (!value && how == JOB_CREATE))
        j->catch_up = (uint8_t)service_catch_up_default(j->type);
}

enum err job_decode(const json_t *object, const struct job_reading *how, struct job *j,
                    struct problem *p)
{
    const char *name;
    json_t *value;
    struct job_reading here = *how;
    here.moves = !api_is_same_server(j->api, json_string_value(json_object_get(object, "api")));
    struct job before = {.api = xstrdup(j->api),
                         .tls_client_cert = xstrdup(j->tls_client_cert),
                         .tls_client_key = xstrdup(j->tls_client_key)};
    enum err err = ERR_OK;
    json_object_foreach((json_t *)object, name, value) {
        if (!err)
            err = decode_member(name, value, &here, j, p);
    }
    if (!err && !how->settles)
        err = tls_key_settle(how->secrets, j, &before, &p->what);
    if (!err)
        default_catch_up(object, how->how, j);
    free(before.api);
    free(before.tls_client_cert);
    free(before.tls_client_key);
    return err;
}

// Whether the list "headers, tags" has this name.
static bool list_has(const char *list, const char *name)
{
    size_t bytes = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += strspn(at, ", ");
        if (strncmp(at, name, bytes) == 0 && (at[bytes] == ',' || !at[bytes]))
            return true;
    }
    return false;
}

enum err job_decode_repair(const json_t *object, const struct job *j, struct problem *p)
{
    for (size_t i = 0; j->damaged && i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        if (m->access != ACCESS_CLIENT || !list_has(j->damaged, m->name) ||
            json_object_get(object, m->name))
            continue;
        return refuse_field(p, ERR_UNUSABLE, m->name,
                            "%s of the job is damaged in the database, and must be given too",
                            m->name);
    }
    return ERR_OK;
}

json_t *json_job(const struct job *j)
{
    json_t *o = json_object();
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        if (m->kind != MEMBER_COMPUTED && m->access != ACCESS_HIDDEN)
            json_object_set_new_nocheck(o, m->name, json_job_member(m, j));
    }
    if (j->kind == JOB_HEARTBEAT) // Which calls nobody.
        json_object_set_new(o, "api", json_null());
    if (j->is_active) // A pause that ended by itself has left its reason behind.
        json_object_set_new(o, "paused_reason", json_null());
    if (j->max_runs == 0) // Nobody counts them then.
        json_object_set_new(o, "runs", json_null());
    if (j->damaged)
        json_object_set_new(o, "damaged", json_string(j->damaged));
    return o;
}

json_t *json_job_writable(const struct job *j)
{
    json_t *o = json_job(j);
    for (size_t i = 0; i < job_member_count; i++) {
        if (job_members[i].access != ACCESS_CLIENT)
            json_object_del(o, job_members[i].name);
    }
    return o;
}

json_t *json_job_listed(const struct job *j, wall_ms next, const struct execution *last)
{
    json_t *o = json_job(j);
    json_object_set_new(o, "next_run", json_time(next));
    json_object_set_new(o, "last_execution", last ? json_execution(last) : json_null());
    return o;
}

static void add_schedule(json_t *o, const struct job *j, const struct service_schedule *s)
{
    wall_ms runs[SERVICE_NEXT_RUNS];
    size_t count = service_next_runs(j, s, clock_wall_ms(), SERVICE_NEXT_RUNS, runs);
    char words[CRON_WORDS_BYTES];
    cron_explain(&s->compiled, words, sizeof words);
    json_object_set_new(o, "schedule_words", json_text(words));
    json_object_set_new(o, "schedule_normalized", json_text(s->normal));
    json_object_set_new(o, "next_run", json_time(count ? runs[0] : WALL_NEVER));
    json_object_set_new(o, "next_runs", json_times(runs, count));
}

// The schedule of a row that was edited by hand. The same members are always there.
static void add_no_schedule(json_t *o)
{
    json_object_set_new(o, "schedule_words", json_null());
    json_object_set_new(o, "schedule_normalized", json_null());
    json_object_set_new(o, "next_run", json_null());
    json_object_set_new(o, "next_runs", json_array());
}

// Who reads a heartbeat alone reads the address of its pings as well.
static json_t *ping_url(const struct job *j, const char *base)
{
    size_t bytes = strlen(base);
    bytes -= bytes > 0 && base[bytes - 1] == '/';
    return j->ping_key ? json_sprintf("%.*s/ping/%s", (int)bytes, base, j->ping_key) : json_null();
}

json_t *json_job_ahead(const struct job *j, const struct service_schedule *s, const char *base)
{
    json_t *o = json_job(j);
    json_object_set_new(o, "ping_url", ping_url(j, base));
    if (s)
        add_schedule(o, j, s);
    else
        add_no_schedule(o);
    return o;
}

json_t *json_incidents(const struct job *j)
{
    struct incidents all;
    json_t *list = json_array();
    incidents_parse(j->trouble, &all);
    for (size_t k = 0; k < INCIDENT_CAUSES; k++) {
        const struct incident *i = &all.of[k];
        if (!i->id)
            continue;
        json_t *o = json_object();
        json_object_set_new(o, "alert_id", json_integer(i->id));
        json_object_set_new(o, "cause", json_string(incident_cause_name((enum incident_cause)k)));
        json_object_set_new(o, "since", json_time(i->since));
        json_object_set_new(o, "count", json_integer(i->count));
        json_object_set_new(o, "acknowledged", json_boolean(i->is_acknowledged));
        json_array_append_new(list, o);
    }
    return list;
}
