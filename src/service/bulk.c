// SPDX-License-Identifier: MIT
// bulk.c: changes of several jobs that are made all or not at all.
//
// Each operation becomes a change of its own as far as its row and its check go, and a part of one
// command. Nobody waits for a turn: a part names the version of the job that it was made from, and
// when one of them has changed meanwhile, all are made anew.

#include "service/service_priv.h"

#include <inttypes.h>
#include <string.h>

#define BULK_BYTES_MAX (4 << 20) // Texts of all jobs of a command.

struct service_bulk {
    struct service_operation *operations; // The caller's.
    size_t count;
    size_t *failed;
    struct service_change *parts;
    struct command *commands;
};

struct service_bulk *service__bulk_new(struct service_operation *operations, size_t count,
                                       size_t *failed)
{
    struct service_bulk *b = xcalloc(1, sizeof *b);
    b->operations = operations;
    b->count = count;
    b->failed = failed;
    b->parts = xcalloc(count, sizeof *b->parts);
    b->commands = xcalloc(count, sizeof *b->commands);
    *failed = count;
    return b;
}

static void clear_parts(struct service_bulk *b)
{
    for (size_t i = 0; i < b->count; i++) {
        job_free(b->commands[i].job); // NULL where the core has taken it.
        job_free(b->parts[i].row);
        job_free(b->parts[i].before);
        service__audit_drop(&b->parts[i]);
        b->commands[i] = (struct command){0};
        b->parts[i] = (struct service_change){0};
    }
}

void service__bulk_free(struct service_bulk *b)
{
    if (!b)
        return;
    clear_parts(b);
    free(b->parts);
    free(b->commands);
    free(b);
}

// --- Whether they can be one command -------------------------------------------------------------

static enum err check_ids(const struct service_change *c, job_id *first, struct service_problem *p)
{
    const struct service_bulk *b = c->bulk;
    uint32_t shards = c->service->shards;
    *first = 0;
    for (size_t i = 0; i < b->count; i++) {
        job_id id = b->operations[i].kind == OPERATION_CREATE ? 0 : b->operations[i].id;
        if (id && *first && shard_of(id, shards) != shard_of(*first, shards))
            return service_refuse(p, ERR_UNSUPPORTED, PROBLEM_SHARDS, NULL,
                                  "jobs %" PRId64 " and %" PRId64
                                  " are in different shards, which cannot be changed in one "
                                  "transaction; leave out atomic, or send them apart",
                                  *first, id);
        *first = *first ? *first : id;
    }
    return ERR_OK;
}

static size_t bytes_of(const struct job *j)
{
    size_t bytes = 0;
    for (size_t i = 0; j && i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        const char *text = m->kind == MEMBER_TEXT ? *job_text_at(m, j) : NULL;
        bytes += text ? strlen(text) : 0;
    }
    return bytes;
}

// --- The parts -----------------------------------------------------------------------------------

static const enum command_kind kinds[SERVICE_OPERATIONS] = {
    [OPERATION_CREATE] = COMMAND_CREATE, [OPERATION_UPDATE] = COMMAND_UPDATE,
    [OPERATION_PAUSE] = COMMAND_UPDATE,  [OPERATION_RESUME] = COMMAND_UPDATE,
    [OPERATION_DELETE] = COMMAND_DELETE,
};

static enum err make_new(struct service_change *part, struct service_problem *p)
{
    part->row = job_new();
    enum err err = part->edit(part->context, part->row, p);
    if (!err && part->row->key)
        return service_refuse(p, ERR_UNSUPPORTED, PROBLEM_FIELD, "key",
                              "a job with a key cannot be created together with others; send it "
                              "apart, or leave out atomic");
    return err;
}

static enum err make_part(struct service_change *c, size_t i, struct service_problem *p)
{
    const struct service_operation *o = &c->bulk->operations[i];
    struct service_change *part = &c->bulk->parts[i];
    *part = (struct service_change){.service = c->service,
                                    .by = c->by,
                                    .kind = kinds[o->kind],
                                    .id = o->kind == OPERATION_CREATE ? 0 : o->id,
                                    .edit = o->edit,
                                    .context = o->context,
                                    .resumes = o->kind == OPERATION_RESUME,
                                    .text = (char *)(uintptr_t)o->reason, // Borrowed.
                                    .until = o->until};
    enum err err = part->kind == COMMAND_CREATE ? make_new(part, p) : service__change_row(part, p);
    if (!err && part->kind == COMMAND_DELETE && !part->before)
        err = service_refuse(p, ERR_NOT_FOUND, PROBLEM_NOT_FOUND, NULL, "there is no such job");
    if (!err)
        err = service__change_check(part, &c->bulk->commands[i], p);
    if (!err)
        service__quota_note(c, part, c->bulk->commands[i].job);
    return err;
}

enum err service__bulk_check(struct service_change *c, struct command *out,
                             struct service_problem *p)
{
    struct service_bulk *b = c->bulk;
    size_t bytes = 0;
    clear_parts(b);
    *b->failed = b->count;
    *out = (struct command){.kind = COMMAND_BULK,
                            .client_key = c->key.text ? &c->key : NULL,
                            .parts = b->commands,
                            .part_count = b->count};
    enum err err = check_ids(c, &out->id, p);
    for (size_t i = 0; !err && i < b->count; i++) {
        err = make_part(c, i, p);
        *b->failed = err ? i : b->count;
        bytes += bytes_of(b->commands[i].job);
    }
    if (!err && bytes > BULK_BYTES_MAX)
        err = service_refuse(p, ERR_LIMIT, PROBLEM_FIELD, "operations",
                             "the jobs have %zu bytes in all; at most %d can be changed in one "
                             "transaction",
                             bytes, BULK_BYTES_MAX);
    return err;
}

// --- What became of them -------------------------------------------------------------------------

static int64_t version_after(const struct service_change *part)
{
    return part->kind == COMMAND_CREATE ? 1 : part->before ? part->before->version + 1 : 0;
}

// New jobs have ids one behind the other in their shard.
void service__bulk_succeed(struct service_change *c)
{
    job_id next = c->reply.job;
    for (size_t i = 0; i < c->bulk->count; i++) {
        struct service_operation *o = &c->bulk->operations[i];
        bool is_deleted = o->kind == OPERATION_DELETE;
        o->version = is_deleted || c->replayed ? 0 : version_after(&c->bulk->parts[i]);
        if (o->kind != OPERATION_CREATE)
            continue;
        o->id = next;
        next += c->service->shards;
    }
}

// The core says which part it has refused, for these.
void service__bulk_refuse(struct service_change *c, struct service_problem *p)
{
    enum err err = c->reply.err;
    if (err == ERR_NOT_FOUND || err == ERR_RANGE || err == ERR_SPACE || err == ERR_LIMIT)
        *c->bulk->failed = MIN((size_t)c->reply.version, c->bulk->count - 1);
    if (err == ERR_RANGE)
        service_refuse(p, err, PROBLEM_SCHEDULE, "schedule",
                       "the job would never run: its schedule has no instant to come");
    else if (err == ERR_LIMIT)
        service_refuse(p, err, PROBLEM_LIMIT, NULL, "the server has as many jobs as it may have");
    else if (err == ERR_SPACE)
        service_refuse(p, err, PROBLEM_LIMIT, NULL,
                       "the URLs, headers and bodies of all jobs are as long as the server allows");
    else
        service__refuse_err(p, err, NULL);
}

void service__bulk_count(const struct service_change *c, size_t counts[static SERVICE_OPERATIONS])
{
    for (size_t i = 0; i < c->bulk->count; i++)
        counts[c->bulk->operations[i].kind]++;
}
