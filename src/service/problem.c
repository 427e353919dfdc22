// SPDX-License-Identifier: MIT
// problem.c: why something was refused, in words for the client.
//
// Faults of the database may name files or statements, so their text never gets into a problem:
// the client reads what it means for them, and the log has the rest.

#include "base/log.h"
#include "service/service_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Appends "/name" to the pointer, escaped as a JSON pointer demands; cut when too long.
static void point_at(struct service_problem *p, const char *name)
{
    size_t used = strlen(p->pointer);
    size_t room = sizeof p->pointer - 3; // An escape and the NUL always fit.
    if (used < room)
        p->pointer[used++] = '/';
    for (; *name && used < room; name++) {
        if (*name == '~' || *name == '/') {
            p->pointer[used++] = '~';
            p->pointer[used++] = *name == '~' ? '0' : '1';
        } else {
            p->pointer[used++] = *name;
        }
    }
    p->pointer[used] = '\0';
}

enum err service_refuse(struct service_problem *p, enum err code, enum problem_kind kind,
                        const char *member, const char *format, ...)
{
    *p = (struct service_problem){.kind = kind};
    if (member)
        point_at(p, member);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(p->detail, sizeof p->detail, format, arguments);
    va_end(arguments);
    return code;
}

void service_problem_within(struct service_problem *p, const char *part)
{
    point_at(p, part);
}

enum err service__refuse_version(struct service_problem *p)
{
    return service_refuse(p, ERR_CONFLICT, PROBLEM_VERSION, NULL,
                          "the job has been changed since that version");
}

// What each error of the store or the engine means to a client.
static const struct {
    enum err err;
    enum problem_kind kind;
    const char *detail;
} meanings[] = {
    {ERR_NOT_FOUND, PROBLEM_NOT_FOUND, "there is no such job"},
    {ERR_LIMIT, PROBLEM_BUSY, "too many changes are under way; try again in a moment"},
    {ERR_CLOSED, PROBLEM_CLOSED, "the server is shutting down"},
    {ERR_AWAY, PROBLEM_AWAY, "the job's shard is not on this node, or is still being loaded"},
    {ERR_UNCLAIMED, PROBLEM_AWAY, "no node took the change in time; nothing was changed"},
    {ERR_UNSUPPORTED, PROBLEM_AWAY,
     "the node that owns the job is of another version and could not read the change; nothing was "
     "changed"},
    {ERR_STORE_FULL, PROBLEM_STORE_FULL, "the server's disk is full; nothing was changed"},
    {ERR_STORE_LOW, PROBLEM_STORE_LOW,
     "what is left of the server's disk is kept for executions; nothing was changed"},
    {ERR_UNUSABLE, PROBLEM_UNUSABLE,
     "the job cannot be used as its row in the database is; paused_reason says why"},
    {ERR_BUSY, PROBLEM_STORE_BUSY,
     "another program holds the server's database; nothing was changed"},
    {ERR_STORE_AWAY, PROBLEM_STORE_AWAY,
     "the server's database cannot be reached; nothing was changed"},
    {ERR_FENCED, PROBLEM_MOVED,
     "another node has taken the job over meanwhile; nothing was changed"},
    {ERR_DOUBT, PROBLEM_DOUBT,
     "the database gave no answer, so the change may have been made; ask what there is, or send "
     "the "
     "same request again with the same Idempotency-Key"},
};

enum err service__refuse_err(struct service_problem *p, enum err err, const struct fault *f)
{
    for (size_t i = 0; i < COUNT_OF(meanings); i++) {
        if (meanings[i].err == err)
            return service_refuse(p, err, meanings[i].kind, NULL, "%s", meanings[i].detail);
    }
    log_error("store.failed", LOG_TEXT("error", err_name(err)),
              LOG_TEXT("detail", f ? f->text : ""));
    if (err == ERR_STORE_CORRUPT)
        return service_refuse(p, err, PROBLEM_DAMAGED, NULL,
                              "a row of the database is damaged; carillon doctor names it");
    return service_refuse(p, err, PROBLEM_STORE, NULL,
                          "the server's database failed; see the server's log");
}
