// SPDX-License-Identifier: MIT
// trial.c: one attempt of a draft, of which nothing is kept.

#include "service/service_priv.h"

#include <assert.h>
#include <stdio.h>

struct trial {
    struct status_set success_status;
    service_tried *done;
    void *context;
};

static void outcome_came(void *context, const struct outcome *o)
{
    struct trial *t = context;
    char text[ERROR_TEXT_MAX];
    struct attempt a = o->attempt;
    bool is_answered = o->kind == OUTCOME_ANSWERED;
    bool good_status = is_answered && status_set_has(&t->success_status, a.http_status);
    bool success = good_status && !o->body_error;
    bool is_of_body = good_status && o->body_error;
    snprintf(text, sizeof text, "answered with HTTP status %u%s%s", (unsigned)a.http_status,
             is_of_body ? ", but " : "", is_of_body ? o->body_error : "");
    a.number = 1;
    a.error = success ? NULL : is_answered ? text : a.error;
    t->done(t->context, &(struct service_trial){.attempt = &a, .success = success});
    free(t);
}

// An id that no execution has, and another one for each trial.
static struct execution_key key_of_trial(void)
{
    static atomic_int_least64_t count;
    return (struct execution_key){.scheduled_at = clock_wall_ms(),
                                  .series = atomic_fetch_add(&count, 1) + 1};
}

static struct send send_of(const struct job *j)
{
    return (struct send){
        .ticket = 1,
        .request = {.api = j->api,
                    .headers = j->headers,
                    .body = j->body,
                    .tls_ca = j->tls_ca,
                    .tls_client_cert = j->tls_client_cert,
                    .tls_client_key = j->tls_client_key,
                    .signing = j->signing,
                    .oauth = j->oauth,
                    .success_body = j->success_body,
                    .failure_body = j->failure_body,
                    .method = j->method,
                    .key = key_of_trial(),
                    .trigger = TRIGGER_MANUAL,
                    .attempt = 1,
                    .timeout_ms = MIN((dur_ms)j->timeout_ms, SERVICE_TRIAL_MS_MAX),
                    .is_trial = true,
                    .body_is_json = j->body_is_json,
                    .tls_verify = j->tls_verify,
                    .fresh_connection = true,
                    .redirects = (uint8_t)j->redirects,
                    .response_excerpt_bytes = j->response_excerpt_bytes},
    };
}

static enum err try_job(struct service *s, const struct job *j, struct trial *t,
                        struct service_problem *p)
{
    struct fault f = {0};
    enum err err = ERR_OK;
    t->success_status = status_set_2xx;
    if (j->success_status)
        err = status_set_parse(j->success_status, &t->success_status, &f);
    assert(!err); // The draft was checked.
    const struct send send = send_of(j);
    err = s->attempt(s->attempt_context, &send, outcome_came, t);
    if (err == ERR_LIMIT)
        return service_refuse(p, err, PROBLEM_BUSY, NULL,
                              "too many tests are under way; try again in a moment");
    return err ? service__refuse_err(p, err, NULL) : ERR_OK;
}

enum err service_test_job(struct service *s, struct job *draft, service_tried *done, void *context,
                          struct service_problem *p)
{
    struct trial *t = xcalloc(1, sizeof *t);
    t->done = done;
    t->context = context;
    enum err err = service_check_job(s, draft, p);
    if (!err && draft->kind == JOB_HEARTBEAT)
        err = service_refuse(p, ERR_CONFLICT, PROBLEM_HEARTBEAT, NULL,
                             "a heartbeat calls nobody, so there is nothing to test");
    if (!err)
        err = try_job(s, draft, t, p);
    if (err)
        free(t);
    job_free(draft);
    return err;
}
