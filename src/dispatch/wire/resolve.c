// SPDX-License-Identifier: MIT
// resolve.c: the names that are known, and who waits for those that are not yet.
//
// A name is asked for once, however many wait for it. It cannot be taken back from c-ares: one for
// which nobody waits any more is learnt all the same, and kept like the others.

#include "base/memory.h"
#include "dispatch/shortage_priv.h"
#include "dispatch/wire/lookup_priv.h"
#include "dispatch/wire/resolve_priv.h"
#include "dispatch/wire/table_priv.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#define KEPT_S_MIN 1
#define KEPT_S_MAX 60

TAILQ_HEAD(question_list, question);

struct name {
    struct table_entry entry;
    TAILQ_ENTRY(name) age; // Only of those that are not being asked for.
    struct resolver *owner;
    bool asked;
    unsigned telling; // Calls under way that tell who waits: the name must stay until they end.
    mono_ms until;    // What is known is good until then.
    struct addresses addresses;
    struct question_list waiting;
    char host[];
};

struct resolver {
    struct lookup *lookup;
    struct table names;
    TAILQ_HEAD(, name) by_age; // The longest unused one first.
};

// --- Without asking anybody ----------------------------------------------------------------------

static void add_address(struct addresses *a, int family, const void *bytes)
{
    union address *to = &a->list[a->count++];
    *to = (union address){.any.sa_family = (sa_family_t)family};
    if (family == AF_INET)
        memcpy(&to->v4.sin_addr, bytes, sizeof to->v4.sin_addr);
    else
        memcpy(&to->v6.sin6_addr, bytes, sizeof to->v6.sin6_addr);
}

static bool read_numbers(const char *host, struct addresses *out)
{
    union address a;
    if (!address_read(host, &a))
        return false;
    out->list[out->count++] = a;
    return true;
}

static bool is_this_machine(const char *host, struct addresses *out)
{
    static const char local[] = "localhost";
    size_t bytes = strlen(host);
    bytes -= bytes > 0 && host[bytes - 1] == '.';
    if (bytes < strlen(local) || strncmp(host + bytes - strlen(local), local, strlen(local)) != 0 ||
        (bytes > strlen(local) && host[bytes - strlen(local) - 1] != '.'))
        return false;
    struct in_addr v4 = {htonl(INADDR_LOOPBACK)};
    add_address(out, AF_INET6, &in6addr_loopback);
    add_address(out, AF_INET, &v4);
    return true;
}

// --- The names -----------------------------------------------------------------------------------

static void name_free(struct resolver *r, struct name *n)
{
    assert(TAILQ_EMPTY(&n->waiting) && n->telling == 0);
    if (!n->asked)
        TAILQ_REMOVE(&r->by_age, n, age);
    table__remove(&r->names, &n->entry);
    free(n);
}

// The longest unused name that can go; NULL when there is none.
static struct name *name_oldest(struct resolver *r)
{
    struct name *n;
    TAILQ_FOREACH(n, &r->by_age, age)
        if (n->telling == 0)
            break;
    return n;
}

// NULL when NAMES_MAX names are being asked for.
static struct name *name_new(struct resolver *r, const char *host)
{
    if (r->names.count >= NAMES_MAX) {
        struct name *oldest = name_oldest(r);
        if (!oldest)
            return NULL;
        name_free(r, oldest);
    }
    size_t bytes = strlen(host) + 1;
    struct name *n = xcalloc(1, sizeof *n + bytes);
    memcpy(n->host, host, bytes);
    n->owner = r;
    n->entry.key = n->host;
    TAILQ_INIT(&n->waiting);
    TAILQ_INSERT_TAIL(&r->by_age, n, age);
    table__add(&r->names, &n->entry);
    return n;
}

static void name_used(struct resolver *r, struct name *n)
{
    assert(!n->asked);
    TAILQ_REMOVE(&r->by_age, n, age);
    TAILQ_INSERT_TAIL(&r->by_age, n, age);
}

// An answer that a name has no address is kept for less long than its addresses, and not at all
// where this machine lacked the means to ask.
static int64_t kept_s(const struct addresses *a, int64_t ttl_s)
{
    if (a->count > 0)
        return MIN(MAX(ttl_s, KEPT_S_MIN), KEPT_S_MAX);
    return shortage_now() ? 0 : KEPT_S_MIN;
}

static void name_learnt(void *context, const struct addresses *a, int64_t ttl_s)
{
    struct name *n = context;
    assert(n->asked);
    n->addresses = *a;
    n->until = clock_mono_ms() + kept_s(a, ttl_s) * 1000;
    n->asked = false;
    TAILQ_INSERT_TAIL(&n->owner->by_age, n, age);
    // A caller that is told may forget others who wait, or ask for more: the list knows of all.
    n->telling++;
    for (struct question *q; (q = TAILQ_FIRST(&n->waiting));) {
        TAILQ_REMOVE(&n->waiting, q, link);
        q->name = NULL;
        q->answered(q->context, &n->addresses);
    }
    n->telling--;
}

// --- Asking --------------------------------------------------------------------------------------

void resolver__ask(struct resolver *r, const char *host, struct question *q)
{
    assert(!q->name);
    struct addresses a = {0};
    if (read_numbers(host, &a) || is_this_machine(host, &a)) {
        q->answered(q->context, &a);
        return;
    }
    struct name *n = (struct name *)table__find(&r->names, host);
    if (!n)
        n = name_new(r, host);
    if (!n) {
        q->answered(q->context, &a);
        return;
    }
    if (!n->asked && clock_mono_ms() < n->until) {
        name_used(r, n);
        q->answered(q->context, &n->addresses);
        return;
    }
    q->name = n;
    TAILQ_INSERT_TAIL(&n->waiting, q, link);
    if (n->asked)
        return;
    n->asked = true;
    TAILQ_REMOVE(&r->by_age, n, age);
    lookup__start(r->lookup, n->host, name_learnt, n); // May call back at once.
}

void resolver__forget(struct question *q)
{
    if (!q->name)
        return;
    TAILQ_REMOVE(&q->name->waiting, q, link);
    q->name = NULL;
}

// --- Opening and closing -------------------------------------------------------------------------

enum err resolver__open(struct loop *l, struct deadlines *deadlines, const char *name_servers,
                        deadline_over *done, void *context, struct resolver **out, struct fault *f)
{
    struct resolver *r = xcalloc(1, sizeof *r);
    TAILQ_INIT(&r->by_age);
    enum err err = lookup__open(l, deadlines, name_servers, done, context, &r->lookup, f);
    if (err)
        free(r);
    else
        *out = r;
    return err;
}

void resolver__close(struct resolver *r)
{
    if (!r)
        return;
    lookup__close(r->lookup); // Whatever was being asked for is now in by_age.
    while (!TAILQ_EMPTY(&r->by_age))
        name_free(r, TAILQ_FIRST(&r->by_age));
    table__fini(&r->names);
    free(r);
}
