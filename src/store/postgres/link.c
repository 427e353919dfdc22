// SPDX-License-Identifier: MIT
// link.c: a connection to PostgreSQL of which every call ends within a time.
//
// A server that waits for its replica does not heed its own time limits, and a connection that
// leads nowhere says nothing at all. So the time is kept here: the connection never blocks, and
// when the time is over the socket is closed. What the call asked for may have happened all the
// same; is_doubtful says so.

#include "base/conceal.h"
#include "store/postgres/postgres_priv.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

#define IDLE_READS_MAX 4 // Wake-ups may have come on an idle connection.

void link_init(struct link *l, const char *url)
{
    *l = (struct link){.url = xstrdup(url), .call_ms = POSTGRES_CALL_MS};
    hosts_init(&l->hosts, url);
}

void link_cut(struct link *l)
{
    PQfinish(l->connection);
    l->connection = NULL;
}

void link_fini(struct link *l)
{
    link_cut(l);
    hosts_fini(&l->hosts);
    free(l->url);
    l->url = NULL;
}

// False: the time is over.
static bool wait_for(PGconn *c, short events, mono_ms deadline)
{
    struct pollfd at = {.fd = PQsocket(c), .events = events};
    int ready;
    do {
        mono_ms left = deadline - clock_mono_ms();
        if (left <= 0 || at.fd < 0)
            return false;
        ready = poll(&at, 1, (int)left);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

// --- Faults ----------------------------------------------------------------------------------

// A code of five characters, or the class of its first two.
static const struct {
    const char *state;
    enum err err;
} states[] = {
    {"CA001", ERR_CONFLICT},      // Raised by functions.c.
    {"23", ERR_CONFLICT},         // A row that is there already, or refers to what is not there.
    {"53100", ERR_STORE_FULL},    // The disk.
    {"53", ERR_STORE_AWAY},       // Connections or memory of the server.
    {"08", ERR_STORE_AWAY},       // The connection.
    {"57P", ERR_STORE_AWAY},      // The server is shutting down, or starting.
    {"25006", ERR_STORE_AWAY},    // The server is a replica now.
    {"55P03", ERR_BUSY},          // A lock did not come in time.
    {"40", ERR_BUSY},             // Deadlocks.
    {"57014", ERR_BUSY},          // Somebody cancelled the statement.
    {"XX001", ERR_STORE_CORRUPT}, // A page.
    {"XX002", ERR_STORE_CORRUPT}, // An index.
};

static enum err find_state(const char *state)
{
    for (size_t i = 0; state && i < COUNT_OF(states); i++)
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0)
            return states[i].err;
    return ERR_STORE_IO;
}

// The first line, without what libpq puts before it. It may quote the URL.
static enum err set_fault(struct fault *f, enum err err, const char *message)
{
    if (strncmp(message, "ERROR:  ", 8) == 0)
        message += 8;
    int length = (int)strcspn(message, "\n");
    (void)fault_set(f, err, "%.*s", length, length ? message : err_text(err));
    if (f)
        conceal_passwords(f->text);
    return err;
}

static enum err away(struct link *l, struct fault *f)
{
    const char *message = l->connection ? PQerrorMessage(l->connection) : "";
    enum err err = set_fault(f, ERR_STORE_AWAY, message);
    link_cut(l);
    return err;
}

static enum err too_late(struct link *l, struct fault *f)
{
    link_cut(l);
    return fault_set(f, ERR_STORE_AWAY, "PostgreSQL did not answer in time");
}

// --- Connecting ------------------------------------------------------------------------------

// A cancelled wait for the replica is a warning, and nothing else.
static void note_notice(void *link, const PGresult *notice)
{
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity && strcmp(severity, "WARNING") == 0)
        ((struct link *)link)->has_warned = true;
}

// What the URL says counts more than what stands before it, and the turned lists of its hosts more
// than what it says.
static PGconn *start(const struct link *l)
{
    const char *names[] = {
        "target_session_attrs",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "dbname",
        "fallback_application_name",
        "client_encoding",
        "host",
        "hostaddr",
        "port",
        NULL,
    };
    char *const *lists = l->hosts.lists;
    const char *values[] = {
        "read-write",
        "2",
        "1",
        "3",
        "5000",
        l->url,
        "carillon",
        "UTF8",
        lists[HOSTS_HOST],
        lists[HOSTS_HOSTADDR],
        lists[HOSTS_PORT],
        NULL,
    };
    return PQconnectStartParams(names, values, 1);
}

// A link that had a connection before waits for its primary: its replica is not promoted yet.
static enum err refuse_connection(struct link *l, struct fault *f)
{
    if (!strstr(PQerrorMessage(l->connection), "session is read-only"))
        return away(l, f);
    link_cut(l);
    return fault_set(f, l->made ? ERR_STORE_AWAY : ERR_STORE_OPEN,
                     "the database is read-only: it is a replica, or set so");
}

static enum err connect_by(struct link *l, mono_ms deadline, struct fault *f)
{
    link_cut(l);
    l->connection = start(l);
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    if (!l->connection || PQstatus(l->connection) == CONNECTION_BAD)
        next = PGRES_POLLING_FAILED;
    while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
        short events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!wait_for(l->connection, events, deadline))
            return too_late(l, f);
        next = PQconnectPoll(l->connection);
    }
    return next == PGRES_POLLING_FAILED ? refuse_connection(l, f) : ERR_OK;
}

// Each host has its share of the time to be the first that is tried.
enum err link_connect(struct link *l, struct fault *f)
{
    mono_ms begin = clock_mono_ms();
    struct fault last = {0};
    enum err err = ERR_STORE_AWAY;
    for (unsigned i = 1; err && i <= l->hosts.count; i++) {
        err = connect_by(l, begin + l->call_ms * i / l->hosts.count, &last);
        if (err)
            hosts_turn(&l->hosts);
    }
    if (err)
        return fault_set(f, err, "%s", last.text);
    l->made++;
    PQsetnonblocking(l->connection, 1);
    PQsetNoticeReceiver(l->connection, note_notice, l);
    return ERR_OK;
}

// --- Calls -----------------------------------------------------------------------------------

bool link_flush(struct link *l, mono_ms deadline)
{
    PGconn *c = l->connection;
    int left;
    while ((left = PQflush(c)) > 0) {
        if (!wait_for(c, POLLIN | POLLOUT, deadline) || !PQconsumeInput(c))
            return false;
    }
    return left == 0;
}

bool link_wait(struct link *l, mono_ms deadline)
{
    return wait_for(l->connection, POLLIN, deadline) && PQconsumeInput(l->connection);
}

bool link_next(struct link *l, mono_ms deadline, PGresult **out)
{
    while (PQisBusy(l->connection))
        if (!link_wait(l, deadline))
            return false;
    *out = PQgetResult(l->connection);
    return true;
}

// A pooler takes connections also while its server is dead: so the next one is made elsewhere
// first.
enum err link_lost(struct link *l, mono_ms deadline, struct fault *f)
{
    l->is_doubtful = true;
    hosts_turn(&l->hosts);
    return clock_mono_ms() >= deadline ? too_late(l, f) : away(l, f);
}

// The first result that is an error, else the last one.
enum err link_receive(struct link *l, mono_ms deadline, PGresult **out, struct fault *f)
{
    PGresult *kept = NULL, *next = NULL;
    bool is_there;
    while ((is_there = link_next(l, deadline, &next)) && next) {
        bool has_failed = kept && PQresultStatus(kept) == PGRES_FATAL_ERROR;
        PQclear(has_failed ? next : kept);
        kept = has_failed ? kept : next;
    }
    *out = kept;
    if (is_there && PQstatus(l->connection) == CONNECTION_OK)
        return ERR_OK;
    PQclear(kept);
    return link_lost(l, deadline, f);
}

// Which partition a row belongs to is looked up before the lock on the partition is waited for.
// When the day of the row was attached meanwhile, the default partition refuses the row; of that
// fault there is no name of a constraint.
static bool is_misrouted(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state && strcmp(state, "23514") == 0 &&
           !PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
}

enum err link_judge(struct link *l, PGresult *result, struct fault *f)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return ERR_OK;
    l->is_misrouted = is_misrouted(result);
    enum err err =
        l->is_misrouted ? ERR_BUSY : find_state(PQresultErrorField(result, PG_DIAG_SQLSTATE));
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    set_fault(f, err, message ? message : "");
    if (err == ERR_STORE_AWAY) {
        l->is_doubtful = true; // A server that shuts down gives up waiting for its replica.
        hosts_turn(&l->hosts);
        link_cut(l);
    }
    return err;
}

static enum err finish(struct link *l, bool was_sent, mono_ms deadline, PGresult **out,
                       struct fault *f)
{
    PGresult *result = NULL;
    if (!was_sent)
        return link_lost(l, deadline, f);
    enum err err = link_receive(l, deadline, &result, f);
    if (err)
        return err;
    err = link_judge(l, result, f);
    if (err)
        PQclear(result);
    else
        *out = result;
    return err;
}

// Whether an idle connection can still be used, as far as is known here: a server that has ended
// says so, and then closes. To find that out before anything is sent leaves no doubt what came of
// the call.
static bool is_open(PGconn *c)
{
    for (int i = 0; i < IDLE_READS_MAX && PQstatus(c) == CONNECTION_OK; i++) {
        struct pollfd at = {.fd = PQsocket(c), .events = POLLIN};
        if (poll(&at, 1, 0) <= 0)
            return true;
        if (!PQconsumeInput(c) || PQisBusy(c))
            return false;
    }
    return PQstatus(c) == CONNECTION_OK;
}

enum err link_begin(struct link *l, struct fault *f)
{
    l->has_warned = l->is_doubtful = l->is_misrouted = false;
    if (l->connection && is_open(l->connection))
        return ERR_OK;
    enum err err = link_connect(l, f);
    if (err == ERR_STORE_OPEN) // While the primary is gone, its replica answers at the same URL.
        err = fault_set(f, ERR_STORE_AWAY, "nothing but a replica of the database answers");
    return err;
}

enum err link_run(struct link *l, const char *sql, const struct parameters *p, PGresult **out,
                  struct fault *f)
{
    static const struct parameters none;
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX];
    int formats[PARAMETERS_MAX];
    p = p ? p : &none;
    for (int i = 0; i < p->used; i++) {
        values[i] = p->is_null[i] ? NULL : p->bytes + p->begins[i];
        lengths[i] = (int)p->lengths[i];
        formats[i] = 1;
    }
    enum err err = link_begin(l, f);
    if (err)
        return err;
    mono_ms deadline = clock_mono_ms() + l->call_ms;
    bool was_sent =
        PQsendQueryParams(l->connection, sql, p->used, p->types, values, lengths, formats, 1) &&
        link_flush(l, deadline);
    return finish(l, was_sent, deadline, out, f);
}

// --- What clients are told -------------------------------------------------------------------
//
// What a server that has just come back shows may not be on its replica, and so be lost yet. On a
// new connection a message goes into the server's log before anything is read: its commit waits for
// the replica, and so for all that was visible.

static enum err settle(struct link *l, struct fault *f)
{
    static const char sql[] =
        "SELECT set_config('synchronous_commit', 'on', true)"
        " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        " UNION ALL SELECT pg_logical_emit_message(true, 'carillon', '')::text";
    PGresult *result = NULL;
    enum err err = link_begin(l, f);
    if (err || l->settled == l->made)
        return err;
    err = link_run(l, sql, NULL, &result, f);
    if (err)
        return err;
    PQclear(result);
    if (l->has_warned)
        return fault_set(f, ERR_STORE_AWAY, "the server gave up waiting for its replica");
    l->settled = l->made;
    return ERR_OK;
}

enum err link_run_settled(struct link *l, const char *sql, const struct parameters *p,
                          PGresult **out, struct fault *f)
{
    PGresult *result = NULL;
    enum err err = settle(l, f);
    assert(err || l->settled == l->made);
    if (!err)
        err = link_run(l, sql, p, &result, f);
    if (err)
        return err;
    if (l->settled == l->made) {
        *out = result;
        return ERR_OK;
    }
    PQclear(result); // Another connection than the one that was settled.
    return fault_set(f, ERR_STORE_AWAY, "the connection has ended");
}

// --- Scripts ---------------------------------------------------------------------------------

enum err link_script(struct link *l, const char *sql, struct fault *f)
{
    PGresult *result = NULL;
    enum err err = link_begin(l, f);
    if (err)
        return err;
    mono_ms deadline = clock_mono_ms() + POSTGRES_MIGRATE_MS;
    bool was_sent = PQsendQuery(l->connection, sql) && link_flush(l, deadline);
    err = finish(l, was_sent, deadline, &result, f);
    PQclear(result);
    return err;
}
