// SPDX-License-Identifier: MIT
// events_look.c: what has happened since the last look: to executions, alerts, jobs and nodes.
//
// Each look reads the newest rows and compares them with what the last one saw. Executions that are
// open are asked for as well, and one that was open and is in neither list has ended: it is read by
// itself. All of that is bounded: where more happens than a look can see, the news say `more`, and
// whoever wants to know all of it asks for the lists.

#include "api/events_priv.h"
#include "api/json_priv.h"

#include <string.h>

#define NEWEST_EXECUTIONS 200
#define OPEN_EXECUTIONS 500
#define NEWEST_ALERTS 50
#define CHANGED_JOBS 200
#define TOLD_MAX 50   // In one piece of news.
#define ENDED_MAX 50  // Executions that are read by themselves in one look.
#define LATE_MS 10000 // A commit may come so much later than the time in its rows says.
#define OLD_MS 20000
#define REMEMBERED_MAX 800

// What was seen of a row.
struct seen {
    int64_t id;
    int64_t version; // Changes whenever there is something to tell.
    struct execution_key key;
    bool is_open;
};

struct sight {
    struct seen rows[REMEMBERED_MAX]; // In order of id, once a look is over.
    size_t count;
};

struct look {
    const struct api *api;
    bool is_first;
    struct sight executions;
    struct sight alerts;
    struct sight jobs;
    char *nodes; // The text of the last news.
};

struct look *look_new(const struct api *a)
{
    struct look *l = xcalloc(1, sizeof *l);
    l->api = a;
    l->is_first = true;
    return l;
}

void look_free(struct look *l)
{
    if (!l)
        return;
    free(l->nodes);
    free(l);
}

// --- What was seen before ------------------------------------------------------------------------

static int compare_ids(const void *a, const void *b)
{
    int64_t x = ((const struct seen *)a)->id, y = ((const struct seen *)b)->id;
    return (x > y) - (x < y);
}

static struct seen *find(const struct sight *s, int64_t id)
{
    struct seen wanted = {.id = id};
    return bsearch(&wanted, s->rows, s->count, sizeof wanted, compare_ids);
}

// A list of a look: what it has seen so far, and the news.
struct news {
    const struct sight *before;
    struct sight now;
    json_t *list;
    wall_ms now_ms;
    bool is_first;
    bool more;
};

static struct news *news_new(const struct look *l, const struct sight *before)
{
    struct news *n = xcalloc(1, sizeof *n);
    n->before = before;
    n->list = json_array();
    n->now_ms = clock_wall_ms();
    n->is_first = l->is_first;
    return n;
}

static bool has(const struct news *n, int64_t id)
{
    for (size_t i = 0; i < n->now.count; i++)
        if (n->now.rows[i].id == id)
            return true;
    return false;
}

static void remember(struct news *n, const struct seen *row)
{
    if (n->now.count < REMEMBERED_MAX)
        n->now.rows[n->now.count++] = *row;
}

// Whether the row is to be told of; it is remembered. A row that was over at `over_at` and was not
// seen before is no news when that is long ago: rows that stood before it have been removed.
static bool is_news(struct news *n, const struct seen *row, wall_ms over_at)
{
    if (has(n, row->id))
        return false;
    const struct seen *before = find(n->before, row->id);
    remember(n, row);
    if (n->is_first || (before && before->version == row->version))
        return false;
    if (!before && over_at && over_at < n->now_ms - OLD_MS)
        return false;
    n->more = n->more || json_array_size(n->list) == TOLD_MAX;
    return json_array_size(n->list) < TOLD_MAX;
}

// Ends the list. What could not be read stays as it was seen.
static void news_end(struct news *n, struct sight *seen, enum err err, const char *event,
                     look_tell *tell, void *context)
{
    if (!err) {
        qsort(n->now.rows, n->now.count, sizeof *n->now.rows, compare_ids);
        *seen = n->now;
    }
    if (json_array_size(n->list) > 0) {
        json_t *data = json_pack("{s:O, s:b}", event, n->list, "more", n->more);
        tell(context, event, data);
        json_decref(data);
    }
    json_decref(n->list);
    free(n);
}

// --- Executions ----------------------------------------------------------------------------------

static enum err see_execution(void *news, const struct execution *e)
{
    struct news *n = news;
    const struct seen row = {.id = e->id,
                             .version = e->state | (int64_t)e->attempts << 8,
                             .key = e->key,
                             .is_open = !execution_state_is_terminal(e->state)};
    if (is_news(n, &row, e->completed_at))
        json_array_append_new(n->list, json_execution(e));
    return ERR_OK;
}

static enum err see_nothing(void *news, const struct attempt *a)
{
    (void)news;
    (void)a;
    return ERR_OK;
}

static struct execution_query newest(unsigned states, size_t limit)
{
    return (struct execution_query){.states = states,
                                    .trigger = -1,
                                    .to = clock_wall_ms(),
                                    .before = {.scheduled_at = WALL_NEVER, .id = INT64_MAX},
                                    .limit = limit};
}

// An execution that is gone has been removed, with its job.
static enum err read_ended(const struct look *l, struct news *n)
{
    struct service_problem p;
    size_t asked = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < n->before->count && !err; i++) {
        const struct seen *was = &n->before->rows[i];
        if (!was->is_open || has(n, was->id))
            continue;
        if (asked++ >= ENDED_MAX)
            remember(n, was); // The next look reads it.
        else
            err = service_get_execution(l->api->service, &was->key, see_execution, see_nothing, n,
                                        &p);
        err = err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    return err;
}

// When all of the newest are new, there were others before them.
static void look_at_executions(struct look *l, look_tell *tell, void *context)
{
    struct service_problem p;
    struct news *n = news_new(l, &l->executions);
    struct execution_query due = newest(0, NEWEST_EXECUTIONS);
    struct execution_query open = newest(
        EXECUTION_BIT(EXECUTION_PENDING) | EXECUTION_BIT(EXECUTION_RUNNING), OPEN_EXECUTIONS);
    enum err err = service_list_executions(l->api->service, &due, see_execution, n, &p);
    if (!err)
        err = service_list_executions(l->api->service, &open, see_execution, n, &p);
    if (!err)
        err = read_ended(l, n);
    news_end(n, &l->executions, err, "executions", tell, context);
}

// --- Alerts, jobs, nodes -------------------------------------------------------------------------

static enum err see_alert(void *news, const struct alert *a)
{
    struct news *n = news;
    const struct seen row = {.id = a->id, .version = a->acknowledged_at};
    if (is_news(n, &row, a->created_at))
        json_array_append_new(n->list, json_alert(a));
    return ERR_OK;
}

static void look_at_alerts(struct look *l, look_tell *tell, void *context)
{
    struct service_problem p;
    struct news *n = news_new(l, &l->alerts);
    const struct alert_query q = {.before = {.created_at = WALL_NEVER, .id = INT64_MAX},
                                  .limit = NEWEST_ALERTS};
    enum err err = service_list_alerts(l->api->service, &q, see_alert, n, &p);
    news_end(n, &l->alerts, err, "alerts", tell, context);
}

static enum err see_job(void *news, const struct job_changed *c)
{
    struct news *n = news;
    const struct job *j = c->job;
    const struct seen row = {.id = j->id, .version = 2 * j->version + c->is_deleted};
    if (is_news(n, &row, 0))
        json_array_append_new(n->list, json_pack("{s:I, s:o, s:I, s:b, s:b, s:b}", "id",
                                                 (json_int_t)j->id, "name", json_text(j->name),
                                                 "version", (json_int_t)j->version, "is_active",
                                                 j->is_active && !c->is_deleted, "finished",
                                                 j->finished, "deleted", c->is_deleted));
    return ERR_OK;
}

static void look_at_jobs(struct look *l, look_tell *tell, void *context)
{
    struct service_problem p;
    struct news *n = news_new(l, &l->jobs);
    enum err err = service_list_changed_jobs(l->api->service, clock_wall_ms() - LATE_MS,
                                             CHANGED_JOBS, see_job, n, &p);
    news_end(n, &l->jobs, err, "jobs", tell, context);
}

// The nodes without what changes all the time.
static void look_at_nodes(struct look *l, look_tell *tell, void *context)
{
    json_t *cluster = observer_cluster_json(l->api->observer);
    json_t *nodes = json_object_get(cluster, "nodes"), *node;
    size_t i;
    json_array_foreach(nodes, i, node)
        json_object_del(node, "beat_age_ms");
    json_t *data = json_pack("{s:O}", "nodes", nodes);
    char *text = json_dumps(data, JSON_COMPACT);
    if (l->nodes && strcmp(l->nodes, text) != 0)
        tell(context, "nodes", data);
    free(l->nodes);
    l->nodes = text;
    json_decref(data);
    json_decref(cluster);
}

void look_again(struct look *l, look_tell *tell, void *context)
{
    look_at_executions(l, tell, context);
    look_at_alerts(l, tell, context);
    look_at_jobs(l, tell, context);
    look_at_nodes(l, tell, context);
    l->is_first = false;
}
