// SPDX-License-Identifier: MIT
// story_picture.c: all that a store holds, as text, read by every query of the port.

#include "../contract/store_fixture.h"
#include "story_priv.h"

#include <stdio.h>
#include <string.h>

#define IDS_MAX 64

struct picture {
    char *out;
    size_t used;
    struct execution_place places[IDS_MAX]; // Executions, for the queries about each.
    struct execution_key keys[IDS_MAX];
    size_t count;
};

static void say(struct picture *p, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(struct picture *p, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(p->out + p->used, STORY_PICTURE_BYTES - p->used, format, arguments);
    va_end(arguments);
    p->used += (size_t)n;
    assert_true(p->used < STORY_PICTURE_BYTES);
}

// Texts can be long: their length and their first letter tell them apart.
static void draw_text(struct picture *p, const char *text)
{
    if (text)
        say(p, " \"%.24s\"(%zu)", text, strlen(text));
    else
        say(p, " -");
}

static enum err draw_job(void *context, const struct job *j)
{
    struct picture *p = context;
    say(p, "job %lld v%lld active %d paused %lld", (long long)j->id, (long long)j->version,
        j->is_active, (long long)j->paused_until);
    draw_text(p, j->name);
    draw_text(p, j->schedule);
    draw_text(p, j->api);
    draw_text(p, j->body);
    say(p, "\n");
    return ERR_OK;
}

static enum err draw_execution(void *context, const struct execution *e)
{
    struct picture *p = context;
    say(p, "execution %lld %lld-%lld/%lld %s %lld %lld tries %u", (long long)e->id,
        (long long)e->key.job, (long long)e->key.scheduled_at, (long long)e->key.series,
        execution_state_name(e->state), (long long)e->started_at, (long long)e->completed_at,
        e->attempts);
    draw_text(p, e->error);
    draw_text(p, e->request_body);
    say(p, "\n");
    return ERR_OK;
}

static enum err draw_and_note(void *context, const struct execution *e)
{
    struct picture *p = context;
    assert_true(p->count < IDS_MAX);
    p->places[p->count] = (struct execution_place){e->id, e->key.scheduled_at};
    p->keys[p->count++] = e->key;
    return draw_execution(context, e);
}

static enum err draw_attempt(void *context, const struct attempt *a)
{
    struct picture *p = context;
    say(p, "  attempt %u at %lld %u", a->number, (long long)a->started_at, a->http_status);
    draw_text(p, a->response);
    say(p, "\n");
    return ERR_OK;
}

static enum err draw_alert(void *context, const struct alert *a)
{
    struct picture *p = context;
    say(p, "alert %lld job %lld execution %lld at %lld", (long long)a->id, (long long)a->job,
        (long long)a->execution_id, (long long)a->key.scheduled_at);
    draw_text(p, a->last_error);
    say(p, " %lld\n", (long long)a->attempts);
    return ERR_OK;
}

static enum err draw_key(void *context, const struct client_key *k)
{
    struct picture *p = context;
    say(p, "key %s job %lld %u\n", k->text, (long long)k->job, k->digest[0]);
    return ERR_OK;
}

static enum err draw_open(void *context, const struct execution *e)
{
    struct picture *p = context;
    say(p, e->lingers ? "open, lingers: " : "open: ");
    return draw_execution(context, e);
}

// What a start loads.
static enum err draw_start(struct picture *p, struct store *s, struct fault *f)
{
    struct shard progress;
    enum err err = store_get_shard(s, 0, &progress, f);
    if (!err)
        say(p, "progress %lld %lld %lld open from %lld\n", (long long)progress.watermark,
            (long long)progress.job_next, (long long)progress.execution_next,
            (long long)progress.open_from);
    struct store_reader *r;
    if (!err)
        err = store_reader_open(s, &r, f);
    if (err)
        return err;
    const struct store_slice all = {.limit = SIZE_MAX};
    err = store_load_jobs(r, &all, draw_job, p, f);
    if (!err)
        err = store_load_open(r, &all, draw_open, p, f);
    store_reader_close(r);
    return err;
}

static enum err draw_lists(struct picture *p, struct store_reader *r, struct fault *f)
{
    struct job_query jobs = {.is_active = -1, .limit = IDS_MAX};
    struct execution_query all = store_all_executions();
    struct execution_query failed = all;
    failed.states = EXECUTION_BIT(EXECUTION_FAILED);
    int64_t counts[EXECUTION_STATES];
    const struct alert_query alerts = {.before = store_newest_alerts, .limit = IDS_MAX};
    enum err err = store_list_jobs(r, &jobs, draw_job, p, f);
    if (!err)
        err = store_list_executions(r, &failed, draw_execution, p, f);
    if (!err)
        err = store_list_executions(r, &all, draw_and_note, p, f);
    if (!err)
        err = store_list_alerts(r, &alerts, draw_alert, p, f);
    if (!err)
        err = store_count_executions(r, 0, WALL_NEVER, counts, f);
    for (size_t state = 0; state < EXECUTION_STATES && !err; state++)
        say(p, "%s %lld\n", execution_state_name((enum execution_state)state),
            (long long)counts[state]);
    return err;
}

static enum err draw_each(struct picture *p, struct store_reader *r, struct fault *f)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < p->count && !err; i++) {
        err = store_get_execution(r, &p->keys[i], draw_execution, p, f);
        if (!err)
            err = store_list_attempts(r, &p->places[i], draw_attempt, p, f);
    }
    return err;
}

static enum err found(enum err err)
{
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err draw_singles(struct picture *p, struct store_reader *r, struct fault *f)
{
    static const char *const keys[] = {"first", "second"};
    enum err err = ERR_OK;
    for (job_id id = 1; id <= 2 && !err; id++) {
        struct job *j = NULL;
        err = found(store_get_job(r, id, &j, f));
        if (j)
            err = draw_job(p, j);
        job_free(j);
    }
    for (size_t i = 0; i < COUNT_OF(keys) && !err; i++)
        err = found(store_get_client_key(r, keys[i], STORE_T0, draw_key, p, f));
    return err;
}

enum err story_picture(struct store *s, struct store_reader *r, char out[STORY_PICTURE_BYTES],
                       struct fault *f)
{
    struct picture p = {.out = out};
    enum err err = draw_start(&p, s, f);
    if (!err)
        err = draw_lists(&p, r, f);
    if (!err)
        err = draw_each(&p, r, f);
    if (!err)
        err = draw_singles(&p, r, f);
    return err;
}
