// SPDX-License-Identifier: MIT
// replays.c: the handlers of what is carried out again: an execution, those that a filter finds, a
// range of a job.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum err handle_replay_execution(struct api_request *r, struct problem *p)
{
    struct service_key key;
    enum err err = decode_client_key(r, &key, p);
    if (!err)
        err = request_count_execution(r, p);
    if (err)
        return err;
    r->succeed = answer_triggered;
    return service_replay_execution(r->api->service, &r->actor, &r->execution, &key, change_done, r,
                                    &p->what);
}

// --- A range -------------------------------------------------------------------------------------

static enum err answer_count(struct api_request *r, const struct backfill *b, struct problem *p)
{
    struct occurrences found;
    enum err err =
        service_count_occurrences(r->api->service, r->job, b->from, b->to, &found, &p->what);
    if (err)
        return err;
    json_t *json = json_object();
    json_object_set_new(json, "dry_run", json_true());
    json_object_set_new(json, "count", json_integer(found.count));
    json_object_set_new(json, "more", json_boolean(found.more));
    json_object_set_new(json, "count_max", json_integer(BACKFILL_MAX));
    json_object_set_new(json, "first", json_time(found.first));
    json_object_set_new(json, "last", json_time(found.last));
    answer_json(r, 200, json);
    return ERR_OK;
}

enum err handle_backfill_job(struct api_request *r, struct problem *p)
{
    struct backfill b;
    struct service_key key;
    enum err err = decode_backfill(r, &b, &key, p);
    if (err)
        return err;
    if (b.dry_run)
        return answer_count(r, &b, p);
    err = request_count_execution(r, p);
    if (err)
        return err;
    r->succeed = answer_backfilled;
    return service_backfill_job(r->api->service, &r->actor, r->job, b.from, b.to, &key, change_done,
                                r, &p->what);
}

// --- What a filter finds -------------------------------------------------------------------------
//
// One page of the list that GET /executions would give. Each of its executions is a change of its
// own; several lanes keep some of them under way, as in an import, and the last lane to end
// answers.

#define REPLAYS_LIMIT_DEFAULT LIMIT_MAX
#define REPLAYS_COUNTED_MAX 10000
#define REPLAY_LANES 16

struct replay_item {
    struct execution_key origin;
    json_t *result;
};

struct replays {
    struct api_request *request;
    char *key; // The client's Idempotency-Key; NULL: none.
    uint8_t digest[CLIENT_KEY_DIGEST_BYTES];
    struct replay_item items[LIMIT_MAX];
    size_t count;
    size_t limit;
    size_t left_out; // Ranges, which have no request of their own.
    struct cursor last;
    bool more;
    atomic_size_t next;
    atomic_size_t done;
    atomic_size_t lanes;
};

struct replay_lane {
    struct replays *replays;
    struct replay_item *item;
    char key[CLIENT_KEY_BYTES_MAX + 1];
};

static void replays_free(struct replays *all)
{
    for (size_t i = 0; i < all->count; i++)
        json_decref(all->items[i].result);
    free(all->key);
    free(all);
}

static void answer_replays(struct replays *all)
{
    struct api_request *r = all->request;
    char cursor[CURSOR_BYTES];
    json_t *json = json_object(), *results = json_array();
    for (size_t i = 0; i < all->count; i++)
        json_array_append(results, all->items[i].result);
    size_t replayed = atomic_load(&all->done);
    json_object_set_new(json, "replayed", json_integer((json_int_t)replayed));
    json_object_set_new(json, "failed", json_integer((json_int_t)(all->count - replayed)));
    json_object_set_new(json, "left_out", json_integer((json_int_t)all->left_out));
    json_object_set_new(json, "results", results);
    cursor_format(CURSOR_EXECUTIONS, &all->last, cursor);
    json_object_set_new(json, "next_cursor", all->more ? json_string(cursor) : json_null());
    replays_free(all);
    answer_json(r, 202, json);
}

static void run_lane(struct replay_lane *l);

static void say_problem(struct replay_lane *l, const struct service_problem *what)
{
    const struct problem problem = {.what = *what};
    const struct api_request *r = l->replays->request;
    json_object_set_new(l->item->result, "problem",
                        problem_json(&problem, exchange_request_id(r->exchange)));
}

static void replayed(void *lane, const struct service_result *result)
{
    struct replay_lane *l = lane;
    if (result->problem) {
        say_problem(l, result->problem);
    } else {
        json_object_set_new(l->item->result, "execution_id", json_execution_id(&result->execution));
        atomic_fetch_add(&l->replays->done, 1);
    }
    run_lane(l);
}

// The key of one of many: so a repeated request replays none of them twice, and goes on with what
// the first one did not reach.
static struct service_key key_of(struct replay_lane *l)
{
    struct service_key key = {0};
    char id[EXECUTION_ID_BYTES];
    if (!l->replays->key)
        return key;
    execution_id_format(&l->item->origin, id);
    snprintf(l->key, sizeof l->key, "%.*s:%s", CLIENT_KEY_BYTES_MAX - EXECUTION_ID_BYTES - 1,
             l->replays->key, id);
    key.text = l->key;
    memcpy(key.digest, l->replays->digest, sizeof key.digest);
    return key;
}

// Goes on until an execution is under way: then replayed() goes on, and has perhaps already begun
// to.
static void run_lane(struct replay_lane *l)
{
    struct replays *all = l->replays;
    struct api_request *r = all->request;
    size_t i;
    while ((i = atomic_fetch_add(&all->next, 1)) < all->count) {
        struct service_problem problem;
        l->item = &all->items[i];
        l->item->result = json_object();
        json_object_set_new(l->item->result, "origin", json_execution_id(&l->item->origin));
        const struct service_key key = key_of(l);
        if (service_replay_execution(r->api->service, &r->actor, &l->item->origin, &key, replayed,
                                     l, &problem) == ERR_OK)
            return;
        say_problem(l, &problem);
    }
    free(l);
    if (atomic_fetch_sub(&all->lanes, 1) == 1)
        answer_replays(all);
}

static void run_replays(struct replays *all)
{
    atomic_store(&all->lanes, REPLAY_LANES);
    for (size_t i = 0; i < REPLAY_LANES; i++) {
        struct replay_lane *l = xcalloc(1, sizeof *l);
        l->replays = all;
        run_lane(l);
    }
}

static enum err take_origin(void *context, const struct execution *e)
{
    struct replays *all = context;
    all->more = all->count + all->left_out == all->limit;
    if (all->more)
        return ERR_LIMIT;
    all->last = (struct cursor){e->key.scheduled_at, e->id};
    if (e->missed_count > 1)
        all->left_out++;
    else
        all->items[all->count++].origin = e->key;
    return ERR_OK;
}

static enum err start_replays(struct api_request *r, const struct execution_query *q,
                              struct problem *p)
{
    struct service_key key;
    struct execution_query one_more = *q;
    enum err err = decode_client_key(r, &key, p);
    if (!err && key.text && strlen(key.text) > CLIENT_KEY_BYTES_MAX - EXECUTION_ID_BYTES - 1)
        err = service_refuse(&p->what, ERR_LIMIT, PROBLEM_HEADER, NULL,
                             "Idempotency-Key must be at most %d characters here",
                             CLIENT_KEY_BYTES_MAX - EXECUTION_ID_BYTES - 1);
    if (!err)
        err = request_count_execution(r, p);
    if (err)
        return err;
    struct replays *all = xcalloc(1, sizeof *all);
    all->request = r;
    all->key = xstrdup(key.text);
    memcpy(all->digest, key.digest, sizeof all->digest);
    all->limit = q->limit;
    one_more.limit++;
    err = service_list_executions(r->api->service, &one_more, take_origin, all, &p->what);
    if (err && !(all->more && err == ERR_LIMIT)) {
        replays_free(all);
        return err;
    }
    request_charge_executions(r, all->count);
    run_replays(all);
    return ERR_OK;
}

struct tally {
    size_t count;
    size_t left_out;
    bool more;
};

static enum err count_origin(void *context, const struct execution *e)
{
    struct tally *t = context;
    t->more = t->count + t->left_out == REPLAYS_COUNTED_MAX;
    if (t->more)
        return ERR_LIMIT;
    *(e->missed_count > 1 ? &t->left_out : &t->count) += 1;
    return ERR_OK;
}

static enum err count_replays(struct api_request *r, struct execution_query *q, struct problem *p)
{
    struct tally t = {0};
    q->limit = REPLAYS_COUNTED_MAX + 1;
    enum err err = service_list_executions(r->api->service, q, count_origin, &t, &p->what);
    if (err && !(t.more && err == ERR_LIMIT))
        return err;
    json_t *json = json_object();
    json_object_set_new(json, "dry_run", json_true());
    json_object_set_new(json, "count", json_integer((json_int_t)t.count));
    json_object_set_new(json, "more", json_boolean(t.more));
    json_object_set_new(json, "left_out", json_integer((json_int_t)t.left_out));
    answer_json(r, 200, json);
    return ERR_OK;
}

// What is to run again is said by its status, so that nobody replays all there is by leaving out a
// filter.
static enum err check_states(const struct execution_query *q, struct problem *p)
{
    for (enum execution_state s = 0; s < EXECUTION_STATES; s++)
        if ((q->states & EXECUTION_BIT(s)) && !execution_state_is_terminal(s))
            return refuse(p, ERR_RANGE, REFUSED_PARAMETER, "status",
                          "an execution that is %s is not over", execution_state_name(s));
    if (q->states)
        return ERR_OK;
    return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, "status",
                  "status must say which executions are meant, as in status=FAILED,MISSED");
}

enum err handle_replay_executions(struct api_request *r, struct problem *p)
{
    int dry_run = false;
    struct execution_query q;
    struct cursor before = {.at = WALL_NEVER, .id = INT64_MAX};
    enum err err = query_executions(r, REPLAYS_LIMIT_DEFAULT, &q, p);
    if (!err)
        err = query_flag(r, "dry_run", &dry_run, p);
    if (!err)
        err = query_limit(r, &q.limit, p);
    if (!err)
        err = query_cursor(r, CURSOR_EXECUTIONS, &before, p);
    if (!err)
        err = check_states(&q, p);
    if (err)
        return err;
    q.before = (struct execution_cursor){.scheduled_at = before.at, .id = before.id};
    return dry_run ? count_replays(r, &q, p) : start_replays(r, &q, p);
}
