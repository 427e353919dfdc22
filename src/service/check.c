// SPDX-License-Identifier: MIT
// check.c: whether a job as its client wants it is acceptable, member by member.
//
// The texts that mean something are read here, once, and what they mean goes with the job from here
// on: the schedule (check_schedule.c) and the URL (check_url.c). Headers are not looked at:
// service_set_header has checked each of them.

#include "base/body_rule.h"
#include "base/certificates.h"
#include "service/service_priv.h"

#include <string.h>
#include <strings.h>

static enum err check_method(const struct job *j, struct service_problem *p)
{
    if (j->method != METHOD_HEAD || !j->body || !*j->body)
        return ERR_OK;
    return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, "body", "a HEAD request has no body");
}

// A pause is said of a job that is paused; saying it of an active one would be lost.
static enum err check_pause(const struct job *j, const struct job_check *c,
                            struct service_problem *p)
{
    if (j->is_active && j->paused_reason)
        return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, "paused_reason",
                              "only a paused job has a paused_reason; set is_active to false too");
    if (j->paused_until == WALL_NEVER || (c->before && j->paused_until == c->before->paused_until))
        return ERR_OK;
    if (j->is_active)
        return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, "paused_until",
                              "only a paused job has a paused_until; set is_active to false too");
    if (j->paused_until <= c->now)
        return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, "paused_until",
                              "paused_until lies in the past");
    return ERR_OK;
}

static enum err check_success_status(const struct job *j, struct service_problem *p)
{
    struct status_set ignored;
    struct fault f = {0};
    enum err err = j->success_status ? status_set_parse(j->success_status, &ignored, &f) : ERR_OK;
    return err ? service_refuse(p, err, PROBLEM_FIELD, "success_status", "success_status: %s",
                                f.text)
               : ERR_OK;
}

static enum err check_alert_rate(const struct job *j, struct service_problem *p)
{
    struct failure_rate ignored;
    struct fault f = {0};
    enum err err = failure_rate_parse(j->alert_rate, &ignored, &f);
    return err ? service_refuse(p, err, PROBLEM_FIELD, "alert_rate", "alert_rate: %s", f.text)
               : ERR_OK;
}

// What a path can have without being escaped.
static enum err check_key(const struct job *j, struct service_problem *p)
{
    static const char may[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~:-";
    if (!j->key || (*j->key && j->key[strspn(j->key, may)] == '\0'))
        return ERR_OK;
    return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, "key",
                          "key must be letters, digits and . _ ~ : - only");
}

static enum err check_certificates(const char *name, const char *pem, struct service_problem *p)
{
    struct fault f = {0};
    enum err err = pem ? certificates_add(pem, NULL, &f) : ERR_OK;
    return err ? service_refuse(p, err, PROBLEM_FIELD, name, "%s: %s", name, f.text) : ERR_OK;
}

// Whether the key is that of the certificate was judged where the key was sealed.
static enum err check_tls_client(const struct job *j, struct service_problem *p)
{
    if (!j->tls_client_cert == !j->tls_client_key)
        return check_certificates("tls_client_cert", j->tls_client_cert, p);
    const char *there = j->tls_client_cert ? "tls_client_cert" : "tls_client_key";
    const char *missing = j->tls_client_cert ? "tls_client_key" : "tls_client_cert";
    return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, missing,
                          "%s is missing: a job has it with %s, or neither", missing, there);
}

static void see_authorization(void *context, const char *name, const char *value)
{
    (void)value;
    *(bool *)context = *(bool *)context || strcasecmp(name, "Authorization") == 0;
}

// The access token is what the request says in Authorization.
static enum err check_oauth(const struct job *j, const struct job_check *c,
                            struct service_problem *p)
{
    bool has_authorization = false;
    if (!j->oauth)
        return ERR_OK;
    service_each_header(j, see_authorization, &has_authorization);
    if (has_authorization)
        return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, "oauth",
                              "a job with oauth has no header Authorization: the access token "
                              "stands there");
    return service__check_token_url(j, c, p);
}

static enum err check_body_rule(const char *name, const char *text, struct service_problem *p)
{
    struct body_rule *rule = NULL;
    struct fault f = {0};
    enum err err = text ? body_rule_new(text, &rule, &f) : ERR_OK;
    body_rule_free(rule);
    return err ? service_refuse(p, err, PROBLEM_FIELD, name, "%s: %s", name, f.text) : ERR_OK;
}

enum err service__check_job(struct job *j, const struct job_check *c, struct service_reading *out,
                            struct service_problem *p)
{
    if (!j->timezone)
        job_set_text(&j->timezone, "UTC");
    enum err err = service__check_kind(j, c, p);
    if (!err)
        err = service__check_texts(j, p);
    if (!err)
        err = check_key(j, p);
    if (!err)
        err = service__check_schedule(j, c, &out->schedule, p);
    if (!err)
        err = j->kind == JOB_HEARTBEAT ? ERR_OK : service__check_url(j, c, &out->url, p);
    if (!err)
        err = check_method(j, p);
    if (!err)
        err = service__check_numbers(j, p);
    if (!err)
        err = check_success_status(j, p);
    if (!err)
        err = check_alert_rate(j, p);
    if (!err)
        err = check_body_rule("success_body", j->success_body, p);
    if (!err)
        err = check_body_rule("failure_body", j->failure_body, p);
    if (!err)
        err = check_certificates("tls_ca", j->tls_ca, p);
    if (!err)
        err = check_tls_client(j, p);
    if (!err)
        err = check_oauth(j, c, p);
    if (!err)
        err = service__check_tags(j, p);
    if (!err)
        err = check_pause(j, c, p);
    return err;
}

enum err service_check_job(const struct service *s, struct job *draft, struct service_problem *p)
{
    struct service_reading ignored;
    struct job_check c = {.targets = s->targets, .must_fire = true, .now = clock_wall_ms()};
    return service__check_job(draft, &c, &ignored, p);
}
