// SPDX-License-Identifier: MIT
// bulk.c: changes of several jobs of one shard in one step, all or none.
//
// All parts are checked before the first is made, and a job is in one of them only, so that nothing
// which a part does can make a later one fail. What the parts add to the bounds of all jobs counts
// as if the parts before were made already; what they give back does not. All changes are in the
// batch of this step.

#include "core/core_priv.h"

#include <assert.h>

static bool is_part(const struct command *p)
{
    return p->kind == COMMAND_CREATE || p->kind == COMMAND_UPDATE || p->kind == COMMAND_DELETE;
}

static bool is_named_before(const struct command *cmd, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (cmd->parts[i].id && cmd->parts[k].id == cmd->parts[i].id)
            return true;
    return false;
}

static bool is_of_shard(const struct core *c, const struct command *p, uint32_t shard)
{
    return p->kind == COMMAND_CREATE || shard_of(MAX(p->id, 0), c->limits.shards) == shard;
}

// The caller puts right again how long the texts of all jobs are.
static enum err check(struct core *c, struct command *cmd, uint32_t shard, size_t *failed)
{
    uint32_t created = 0;
    for (size_t i = 0; i < cmd->part_count; i++) {
        struct command *p = &cmd->parts[i];
        *failed = i;
        if (!is_part(p) || is_named_before(cmd, i) || !is_of_shard(c, p, shard))
            return ERR_UNSUPPORTED;
        p->shard = shard;
        enum err err = core__part_check(c, p, created);
        if (err)
            return err;
        created += p->kind == COMMAND_CREATE;
        if (p->job)
            c->texts_bytes += core__texts_growth(core__job_find(c, p->id), p->job);
    }
    return ERR_OK;
}

static void refuse(struct command *cmd, struct reply *r, size_t failed)
{
    r->version = (int64_t)failed;
    for (size_t i = 0; i < cmd->part_count; i++) {
        job_free(cmd->parts[i].job);
        cmd->parts[i].job = NULL;
    }
}

void core__bulk(struct core *c, struct command *cmd, struct reply *r)
{
    uint64_t texts_bytes = c->texts_bytes;
    size_t failed = 0;
    uint32_t shard = cmd->id ? shard_of(cmd->id, c->limits.shards) : cmd->shard;
    r->err = check(c, cmd, shard, &failed);
    c->texts_bytes = texts_bytes;
    if (r->err) {
        refuse(cmd, r, failed);
        return;
    }
    for (size_t i = 0; i < cmd->part_count; i++) {
        struct reply part = {0};
        bool is_first_new = cmd->parts[i].kind == COMMAND_CREATE && r->job == 0;
        core__part_act(c, &cmd->parts[i], &part);
        assert(!part.err);
        if (is_first_new)
            r->job = part.job;
    }
    r->job = r->job ? r->job : cmd->id;
}
