// SPDX-License-Identifier: MIT
// check_kind.c: which members a job of its kind may have.
//
// A heartbeat makes no request, so what says how requests are made means nothing there, and is
// refused rather than passed over: somebody has thought that it does something.

#include "service/service_priv.h"

#include <string.h>

// What a heartbeat has of the members that say how executions are carried out.
static bool is_of_heartbeat(const char *name)
{
    static const char *const names[] = {"kind", "api", "grace_s", "auto_pause_after",
                                        "response_excerpt_bytes"};
    if (strncmp(name, "alert_", 6) == 0) // Who is told of failures, and when.
        return true;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool says_how(const struct job_member *m)
{
    return m->access == ACCESS_CLIENT && (m->role == ROLE_POLICY || m->role == ROLE_REQUEST) &&
           m->kind != MEMBER_COMPUTED;
}

static enum err check_heartbeat(struct job *j, struct service_problem *p)
{
    if (j->api && *j->api)
        return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, "api",
                              "a heartbeat has no api: it calls nobody, and waits for a ping");
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        if (says_how(m) && !is_of_heartbeat(m->name) && !job_same_member(m, j, &job_defaults))
            return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, m->name,
                                  "a heartbeat has no %s: it calls nobody, and waits for a ping",
                                  m->name);
    }
    job_set_text(&j->api, "");
    return j->ping_key ? ERR_OK : service__draw_ping_key(j, p);
}

enum err service__check_kind(struct job *j, const struct job_check *c, struct service_problem *p)
{
    if (c->before && c->before->kind != j->kind)
        return service_refuse(p, ERR_FORBIDDEN, PROBLEM_FIELD, "kind",
                              "the kind of a job is set when the job is created, and cannot be "
                              "changed");
    return j->kind == JOB_HEARTBEAT ? check_heartbeat(j, p) : ERR_OK;
}
