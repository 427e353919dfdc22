// SPDX-License-Identifier: MIT
// demo.c: `carillon demo`: the server, a small target and ten jobs, so that nothing is empty.
//
// Its database stays, so that one can kill the demo at any moment, start it again, and look what
// became of every occurrence. Jobs are found again by name; only their URL follows the target.

#include "app/app_priv.h"
#include "base/log.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define TARGET_PORT 3001 // Any other free one when it is taken.

struct sample {
    const char *name;
    const char *schedule;
    const char *timezone;
    const char *path; // A path of the target; a whole URL is taken as it is.
    enum job_type type;
    uint32_t timeout_ms;
    uint16_t max_retries;
};

static const struct sample samples[] = {
    {"heartbeat", "* * * * * *", "UTC", "/ok", JOB_ATLEAST_ONCE, 30000, 3},
    {"every five seconds", "*/5 * * * * *", "UTC", "/ok", JOB_ATLEAST_ONCE, 30000, 3},
    {"slow export", "*/10 * * * * *", "UTC", "/slow", JOB_ATLEAST_ONCE, 30000, 3},
    {"one payment only", "*/15 * * * * *", "UTC", "/ok", JOB_ATMOST_ONCE, 30000, 3},
    {"flaky webhook", "*/20 * * * * *", "UTC", "/flaky", JOB_ATLEAST_ONCE, 30000, 3},
    {"broken report", "*/30 * * * * *", "UTC", "/fail", JOB_ATLEAST_ONCE, 30000, 3},
    {"never answers", "0 * * * * *", "UTC", "/never", JOB_ATLEAST_ONCE, 3000, 1},
    {"nobody listens", "30 * * * * *", "UTC", "http://127.0.0.1:4/", JOB_ATLEAST_ONCE, 30000, 1},
    {"weekdays after one", "31 10-15 1 * * MON-FRI", "UTC", "/ok", JOB_ATLEAST_ONCE, 30000, 3},
    {"nightly in Paris", "30 2 * * *", "Europe/Paris", "/ok", JOB_ATLEAST_ONCE, 30000, 3},
};

// --- Waiting for the service, which answers on a thread of its own ---

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    bool failed;
    const char *api; // For set_api.
};

static void answered(void *context, const struct service_result *r)
{
    struct waiter *w = context;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    w->failed = r->problem != NULL;
    pthread_cond_signal(&w->answered);
    pthread_mutex_unlock(&w->lock);
}

static bool wait_for(struct waiter *w, enum err submitted)
{
    pthread_mutex_lock(&w->lock);
    while (!submitted && !w->done)
        pthread_cond_wait(&w->answered, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return !submitted && !w->failed;
}

// --- The sample jobs ---

static enum err set_api(void *context, struct job *j, struct service_problem *p)
{
    (void)p;
    struct waiter *w = context;
    job_set_text(&j->api, w->api);
    return ERR_OK;
}

static struct job *draft_of(const struct sample *s, const char *api)
{
    struct job *j = job_new();
    job_set_text(&j->name, s->name);
    job_set_text(&j->schedule, s->schedule);
    job_set_text(&j->timezone, s->timezone);
    job_set_text(&j->api, api);
    job_set_text(&j->tags, "[\"demo\"]");
    j->type = (uint8_t)s->type;
    j->catch_up = (uint8_t)service_catch_up_default(s->type);
    j->timeout_ms = s->timeout_ms;
    j->max_retries = s->max_retries;
    return j;
}

struct search {
    const char *name;
    job_id id; // 0: not found.
    char *api;
};

static enum err match_name(void *context, const struct job *j)
{
    struct search *s = context;
    if (s->id == 0 && j->name && strcmp(j->name, s->name) == 0) {
        s->id = j->id;
        s->api = xstrdup(j->api);
    }
    return ERR_OK;
}

static bool put_sample(struct carillon *c, const struct sample *s, const char *api)
{
    struct waiter w = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER, .api = api};
    struct search found = {.name = s->name};
    struct job_query q = {.text = s->name, .is_active = -1, .limit = 100};
    struct service_problem p = {0};
    enum err err = service_list_jobs(c->service, &q, match_name, &found, &p);
    bool same = found.api && strcmp(found.api, api) == 0;
    free(found.api);
    if (err || same)
        return !err;
    if (found.id)
        err = service_update_job(c->service, NULL, found.id, 0, set_api, answered, &w, &p);
    else
        err = service_create_job(c->service, NULL, draft_of(s, api), NULL, answered, &w, &p);
    return wait_for(&w, err);
}

static bool put_samples(struct carillon *c, uint16_t target_port)
{
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        char api[128];
        if (samples[i].path[0] == '/')
            snprintf(api, sizeof api, "http://127.0.0.1:%u%s", (unsigned)target_port,
                     samples[i].path);
        else
            snprintf(api, sizeof api, "%s", samples[i].path);
        if (!put_sample(c, &samples[i], api))
            return false;
    }
    return true;
}

static void print_welcome(const struct carillon *c)
{
    unsigned port = api_port(c->api);
    printf("\nCarillon is running, with %zu sample jobs. In another terminal, try:\n\n"
           "  curl -s http://127.0.0.1:%u/jobs\n"
           "  curl -s http://127.0.0.1:%u/observability/executions/recent\n"
           "  curl -s http://127.0.0.1:%u/jobs/6/executions      # one that fails\n"
           "  curl -s http://127.0.0.1:%u/observability/alerts\n"
           "  curl -s -X POST http://127.0.0.1:%u/jobs/1/trigger\n\n"
           "Kill it at any moment (also with -9) and start it again: nothing is lost.\n"
           "Everything is in %s. Ctrl-C stops it.\n\n",
           COUNT_OF(samples), port, port, port, port, port, c->settings.db);
    fflush(stdout);
}

static enum err open_target(struct demo_target **out, struct fault *f)
{
    if (demo_target_open(TARGET_PORT, out, NULL) == ERR_OK)
        return ERR_OK;
    return demo_target_open(0, out, f);
}

int app__demo(int argc, char **argv)
{
    struct carillon c = {0};
    int code;
    if (!app__settings(argc, argv, "Runs the server with a sample target and ten jobs.", &c, &code))
        return code;
    if (strcmp(c.settings.db, "carillon.db") == 0)
        strcpy(c.settings.db, "carillon-demo.db"); // Never mix samples into real jobs.
    app__block_signals();
    struct demo_target *target = NULL;
    struct fault f = {0};
    enum err err = open_target(&target, &f);
    if (!err)
        err = app__start(&c, &f);
    if (err) {
        log_error("server.start_failed", LOG_TEXT("detail", f.text));
        demo_target_close(target);
        return EXIT_START;
    }
    if (put_samples(&c, demo_target_port(target)))
        print_welcome(&c);
    else
        log_error("demo.samples_failed");
    app__wait(&c);
    app__stop(&c);
    demo_target_close(target);
    return EXIT_OK;
}
