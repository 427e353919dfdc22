// SPDX-License-Identifier: MIT
// role.c: what a node of a cluster does, and which settings fit together.
//
// A server on a file is the whole service, whose role is `all`; on a database of PostgreSQL it is
// one node of several. An executor has no database: it sends what workers put into Redis.

#include "app/app_priv.h"

#include <string.h>

static const struct node_role roles[] = {
    {.name = "all", .answers = true, .works = true},
    {.name = "api", .answers = true},
    {.name = "worker", .works = true},
    {.name = "executor", .executes = true},
};

static const struct node_role *find_role(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (strcmp(roles[i].name, name) == 0)
            return &roles[i];
    return NULL;
}

bool app__is_shared(const char *db)
{
    return strncmp(db, "postgresql://", 13) == 0 || strncmp(db, "postgres://", 11) == 0;
}

// What follows the scheme may hold a password.
static enum err check_scheme(const char *db, struct fault *f)
{
    const char *scheme = strstr(db, "://");
    if (!scheme || strchr(db, '/') != scheme + 1 || app__is_shared(db))
        return ERR_OK;
    return fault_set(f, ERR_UNSUPPORTED,
                     "--db %.*s://...: give the path of a file, or postgresql://...",
                     (int)MIN(scheme - db, 32), db);
}

static enum err check_alone(const struct settings *s, struct fault *f)
{
    if (strcmp(s->role, "all") != 0)
        return fault_set(f, ERR_SYNTAX,
                         "--role %s needs a database that nodes share: --db postgresql://...",
                         s->role);
    if (s->redis[0] && strcmp(s->dispatch, "queue") != 0)
        return fault_set(f, ERR_SYNTAX,
                         "--redis is for a cluster: it needs --db postgresql://..., or --dispatch "
                         "queue");
    return ERR_OK;
}

static enum err check_replica(const struct settings *s, struct fault *f)
{
    if (s->db_replica[0] && !app__is_shared(s->db))
        return fault_set(f, ERR_SYNTAX,
                         "--db-replica is for a cluster: it needs --db postgresql://...");
    if (s->db_replica[0] && !app__is_shared(s->db_replica))
        return fault_set(f, ERR_SYNTAX, "--db-replica is not postgresql://...");
    return ERR_OK;
}

// What is sent through Redis.
static enum err check_queue(const struct carillon *c, struct fault *f)
{
    const struct settings *s = &c->settings;
    if (s->redis[0])
        return ERR_OK;
    if (c->role->executes)
        return fault_set(f, ERR_SYNTAX,
                         "--role executor needs --redis: its requests come from there");
    if (strcmp(s->dispatch, "queue") == 0)
        return fault_set(f, ERR_SYNTAX, "--dispatch queue needs --redis: requests go through it");
    return ERR_OK;
}

static enum err check_name(const char *name, struct fault *f)
{
    bool fits = strlen(name) < NODE_NAME_BYTES;
    for (const char *p = name; *p; p++)
        fits &= *p > ' ' && *p < 127;
    if (fits)
        return ERR_OK;
    return fault_set(f, ERR_SYNTAX, "--node-name: at most %d letters, digits and signs, no blanks",
                     NODE_NAME_BYTES - 1);
}

enum err app__check_role(struct carillon *c, struct fault *f)
{
    const struct settings *s = &c->settings;
    enum err err = check_scheme(s->db, f);
    c->role = find_role(s->role);
    if (!err && !c->role)
        err =
            fault_set(f, ERR_SYNTAX, "--role %s: there are all, api, worker and executor", s->role);
    if (!err)
        err = check_replica(s, f);
    if (!err)
        err = check_queue(c, f);
    if (!err && !c->role->executes && !app__is_shared(s->db))
        err = check_alone(s, f);
    return err ? err : check_name(s->node_name, f);
}
