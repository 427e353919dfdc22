// SPDX-License-Identifier: MIT
// change_quota.c: what a change adds to the jobs of a token, and takes from them (quota.c).
//
// A job counts for the token that created it. A change is refused by the quota of the token that
// asks for it, for jobs of that token; what others do to these counts, and is not refused. The
// parts of a bulk are taken together.

#include "service/service_priv.h"

static struct quota_claim *claim_of(struct service_change *c, int64_t token)
{
    for (size_t i = 0; i < c->claim_count; i++)
        if (c->claims[i].token == token)
            return &c->claims[i];
    c->claims = grow(c->claims, c->claim_count, &c->claim_capacity, sizeof *c->claims);
    c->claims[c->claim_count] = (struct quota_claim){.token = token};
    return &c->claims[c->claim_count++];
}

void service__quota_note(struct service_change *c, const struct service_change *part,
                         const struct job *after)
{
    bool has_before = part->kind == COMMAND_UPDATE || part->kind == COMMAND_DELETE;
    const struct job *before = has_before ? part->before : NULL;
    const struct job *either = after ? after : before;
    if (!either || !either->created_by)
        return;
    struct quota_claim *claim = claim_of(c, either->created_by);
    claim->change.jobs += (after != NULL) - (before != NULL);
    claim->change.bytes += (after ? after->texts_bytes : 0) - (before ? before->texts_bytes : 0);
}

// Where several nodes take changes, what was done before for the client's key is found out on the
// way: such a change adds nothing.
static bool was_done_before(struct service_change *c)
{
    return c->key.text && c->service->submit && service__key_is_known(c);
}

enum err service__quota_take(struct service_change *c, struct service_problem *p)
{
    if (c->claim_count == 0)
        return ERR_OK;
    enum err err = service__quotas_take(c->service->quotas, c->by, c->claims, c->claim_count,
                                        clock_mono_ms(), p);
    return err && p->kind == PROBLEM_QUOTA && was_done_before(c) ? ERR_OK : err;
}

static enum quota_end end_of(const struct service_change *c)
{
    if (c->replayed || !c->replied)
        return QUOTA_NOT_MADE;
    return c->reply.err ? QUOTA_IN_DOUBT : QUOTA_MADE;
}

void service__quota_settle(struct service_change *c)
{
    if (c->claim_count > 0)
        service__quotas_settle(c->service->quotas, c->claims, c->claim_count, end_of(c));
    free(c->claims);
    c->claims = NULL;
    c->claim_count = c->claim_capacity = 0;
}

// --- What a token has ----------------------------------------------------------------------------

enum err service__quota_read(void *service, int64_t token, struct job_sum *out,
                             struct service_problem *p)
{
    struct service *s = service;
    struct fault f = {0};
    struct store_reader *r = service__reader_take(&s->readers);
    enum err err = store_sum_jobs(r, token, out, &f);
    service__reader_return(&s->readers, r);
    return err ? service__refuse_err(p, err, &f) : ERR_OK;
}
