// SPDX-License-Identifier: MIT
// access.c: questions, answered at once from what is known, or by the room's thread.
//
//    ask --- known, read less than half a second ago ------------------------------> answer
//     |                                                                                ^
//     +----- else ---> line ---> thread: known meanwhile? ---> row of the database ----+
//
// The thread answers in the order of the line, and then notes which tokens were used, for each at
// most once a minute. After a failure of the database the thread asks nothing for a second, so that
// a line of clients does not wait for one timeout each.

#define _GNU_SOURCE // pthread_setname_np

#include "access/access_priv.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/registry.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>

#define BELIEVED_MS 500  // A row that was read.
#define AWAY_MS 1000     // After a failure of the database nobody asks it for so long.
#define HEALTH_MS 900000 // What was known last counts so long for questions about health.
#define TOUCH_MS 60000   // How exactly the last use of a token is known.
#define LOG_MS 60000     // Failures of an address are logged so often.
#define RATE_WINDOW_S 2  // A limit of n a second is one of 2 n in two seconds.

// Twenty at once, and twenty a minute; so are lines of the log about failures.
static const struct bucket_rule failure_rule = {3000000, 20};

struct access_errand {
    struct access_errand *next;
    access_work *work;
    void *context;
};

struct access {
    struct access_options options;
    struct store_registry *registry; // Used by the thread alone. NULL: a node without a database.
    pthread_mutex_t lock;            // For all that follows.
    pthread_cond_t came;
    struct known_tokens *tokens;
    struct visitors *visitors;
    bool is_open;        // There was never a token when it was looked for last.
    mono_ms open_at;     // When; 0: never.
    mono_ms failed_at;   // When the database failed last; 0: it answers.
    struct bucket lines; // Lines of the log about failures that may still come.
    struct access_question *first, **last;
    struct access_errand *errands, **last_errand;
    size_t waiting;
    bool ending;
    bool has_thread;
    pthread_t thread;
};

// --- What is known -------------------------------------------------------------------------------

static bool may_be_open(const struct access *a)
{
    return !a->options.is_reachable && (a->open_at == 0 || a->is_open);
}

static struct access_caller everybody(void)
{
    return (struct access_caller){.scope = SCOPE_ADMIN};
}

static enum access_verdict grant(struct access_question *q, const struct access_caller *c)
{
    q->caller = *c;
    return ACCESS_GRANTED;
}

static bool is_live(const struct known_token *t)
{
    return !t->is_revoked && clock_wall_ms() < t->expires_at;
}

// For each address once in a while, and not for too many addresses at once.
static void log_failures(struct access *a, struct visitor *v, const char *address, mono_ms now)
{
    v->unlogged++;
    if ((v->logged_at && now - v->logged_at < LOG_MS) ||
        !bucket_take(&a->lines, &failure_rule, clock_mono_us()))
        return;
    log_warn("access.refused", LOG_TEXT("address", address), LOG_INT("failures", v->unlogged));
    v->logged_at = now;
    v->unlogged = 0;
}

static enum access_verdict too_often(const struct visitor *v, struct access_question *q)
{
    int64_t wait = bucket_wait_us(&v->failures, &failure_rule, clock_mono_us());
    q->retry_after_s = (unsigned)(wait / 1000000) + 1;
    metric_add(METRIC_access_failing, 1);
    return ACCESS_FAILING;
}

// The token of the question is none, or is over.
static enum access_verdict fail(struct access *a, struct access_question *q, mono_ms now)
{
    struct visitor *v = visitor_get(a->visitors, q->address, now);
    if (!bucket_take(&v->failures, &failure_rule, clock_mono_us()))
        return too_often(v, q);
    metric_add(METRIC_access_refused, 1);
    log_failures(a, v, q->address, now);
    return ACCESS_INVALID;
}

static enum access_verdict judge(struct access *a, struct access_question *q,
                                 const struct known_token *t, mono_ms now)
{
    return is_live(t) ? grant(q, &t->caller) : fail(a, q, now);
}

// While the database cannot be asked.
static enum access_verdict judge_without(struct access *a, struct access_question *q, mono_ms now)
{
    const struct known_token *t = q->secret ? known_token_find(a->tokens, q->digest, now) : NULL;
    bool was_open = may_be_open(a) && a->open_at && now - a->open_at < HEALTH_MS;
    if (q->is_health && was_open) {
        struct access_caller c = everybody();
        return grant(q, &c);
    }
    if (q->is_health && t && is_live(t) && now - t->read_at < HEALTH_MS)
        return grant(q, &t->caller);
    return ACCESS_AWAY;
}

// From what is known alone; ACCESS_LATER: a row has to be read.
static enum access_verdict look(struct access *a, struct access_question *q, mono_ms now)
{
    if (may_be_open(a)) {
        struct access_caller c = everybody();
        bool is_fresh = a->open_at && now - a->open_at < BELIEVED_MS;
        return is_fresh ? grant(q, &c) : ACCESS_LATER;
    }
    if (!q->secret)
        return ACCESS_MISSING;
    const struct known_token *t = known_token_find(a->tokens, q->digest, now);
    if (t && now - t->read_at < BELIEVED_MS)
        return judge(a, q, t, now);
    struct visitor *v = visitor_get(a->visitors, q->address, now);
    if (!t && bucket_left(&v->failures, &failure_rule, clock_mono_us()) < 1)
        return too_often(v, q);
    return ACCESS_LATER;
}

// --- Asking --------------------------------------------------------------------------------------

// A text that is no token at all needs no database. In an open server nobody looks at it.
static bool is_nonsense(struct access *a, struct access_question *q)
{
    if (!q->secret || may_be_open(a))
        return false;
    return !token_is_whole(q->secret);
}

static enum access_verdict wait_in_line(struct access *a, struct access_question *q)
{
    if (a->waiting >= a->options.waiting_max)
        return ACCESS_BUSY;
    a->waiting++;
    q->next = NULL;
    *a->last = q;
    a->last = &q->next;
    pthread_cond_signal(&a->came);
    return ACCESS_LATER;
}

static enum access_verdict ask(struct access *a, struct access_question *q)
{
    mono_ms now = clock_mono_ms();
    if (is_nonsense(a, q))
        return fail(a, q, now);
    enum access_verdict verdict = look(a, q, now);
    if (verdict != ACCESS_LATER)
        return verdict;
    return q->database_is_away ? judge_without(a, q, now) : wait_in_line(a, q);
}

enum access_verdict access_ask(struct access *a, struct access_question *q)
{
    struct access_caller all = everybody();
    if (a->options.is_insecure || (!a->registry && !a->options.is_reachable))
        return q->verdict = grant(q, &all);
    if (!a->registry)
        return q->verdict = ACCESS_NO_TABLE;
    if (q->secret && token_digest(q->secret, q->digest, NULL) != ERR_OK)
        return q->verdict = ACCESS_AWAY;
    pthread_mutex_lock(&a->lock);
    enum access_verdict verdict = ask(a, q);
    if (verdict != ACCESS_LATER) // Else the question may be answered already, and gone.
        q->verdict = verdict;
    pthread_mutex_unlock(&a->lock);
    if (verdict == ACCESS_MISSING)
        metric_add(METRIC_access_missing, 1);
    return verdict;
}

// --- The thread ----------------------------------------------------------------------------------

struct reading {
    struct access *access;
    const struct access_question *question;
    wall_ms last_used_at;
    int64_t id; // 0: nothing was found.
};

// The digests are compared once more, as no index of a database takes the same time for all.
static enum err keep(void *context, const struct access_token *t)
{
    struct reading *r = context;
    if (CRYPTO_memcmp(t->digest, r->question->digest, TOKEN_DIGEST_BYTES) != 0)
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&r->access->lock);
    known_token_put(r->access->tokens, t, clock_mono_ms());
    pthread_mutex_unlock(&r->access->lock);
    r->id = token_is_live(t, clock_wall_ms()) ? t->id : 0;
    r->last_used_at = t->last_used_at;
    return ERR_OK;
}

// Whether there was ever a token. Read before the token itself, and no more once there was.
static enum err read_open(struct access *a, struct fault *f)
{
    struct token_counts counts = {0};
    pthread_mutex_lock(&a->lock);
    bool asks = may_be_open(a);
    pthread_mutex_unlock(&a->lock);
    if (!asks)
        return ERR_OK;
    enum err err = store_token_count(a->registry, clock_wall_ms(), &counts, f);
    if (err)
        return err;
    pthread_mutex_lock(&a->lock);
    a->is_open = counts.all == 0;
    a->open_at = clock_mono_ms();
    pthread_mutex_unlock(&a->lock);
    return ERR_OK;
}

static enum err read_token(struct access *a, struct reading *r, struct fault *f)
{
    const struct access_question *q = r->question;
    pthread_mutex_lock(&a->lock);
    bool is_open = may_be_open(a);
    pthread_mutex_unlock(&a->lock);
    if (is_open || !q->secret || !token_is_whole(q->secret))
        return ERR_OK;
    enum err err = store_token_find(a->registry, q->digest, keep, r, f);
    if (err != ERR_NOT_FOUND)
        return err;
    pthread_mutex_lock(&a->lock);
    known_token_forget(a->tokens, q->digest);
    pthread_mutex_unlock(&a->lock);
    return ERR_OK;
}

// What the rows that were read say of the question. Nothing is asked for again, however long that
// has taken.
static enum access_verdict conclude(struct access *a, struct access_question *q, enum err err,
                                    mono_ms now)
{
    if (err)
        return judge_without(a, q, now);
    if (may_be_open(a)) {
        struct access_caller c = everybody();
        return grant(q, &c);
    }
    if (!q->secret)
        return ACCESS_MISSING;
    const struct known_token *t =
        token_is_whole(q->secret) ? known_token_find(a->tokens, q->digest, now) : NULL;
    return t ? judge(a, q, t, now) : fail(a, q, now);
}

static void note_failure(struct access *a, enum err err, const struct fault *f)
{
    mono_ms now = clock_mono_ms();
    bool is_news = err && !a->failed_at;
    a->failed_at = err ? now : 0;
    if (is_news)
        log_warn("access.database_failed", LOG_TEXT("error", err_text(err)),
                 LOG_TEXT("detail", f->text));
}

// The row of the token, unless another question has just had it read.
static enum err read_rows(struct access *a, struct reading *r, bool *is_known)
{
    struct fault f = {0};
    mono_ms now = clock_mono_ms();
    pthread_mutex_lock(&a->lock);
    const struct known_token *t =
        r->question->secret ? known_token_find(a->tokens, r->question->digest, now) : NULL;
    bool rests = a->failed_at && now - a->failed_at < AWAY_MS;
    *is_known = may_be_open(a) ? a->open_at && now - a->open_at < BELIEVED_MS
                               : t && now - t->read_at < BELIEVED_MS;
    pthread_mutex_unlock(&a->lock);
    if (*is_known)
        return ERR_OK;
    if (rests)
        return ERR_STORE_AWAY;
    metric_add(METRIC_access_lookups, 1);
    enum err err = read_open(a, &f);
    if (!err)
        err = read_token(a, r, &f);
    pthread_mutex_lock(&a->lock);
    note_failure(a, err, &f);
    pthread_mutex_unlock(&a->lock);
    return err;
}

// Failing to note a use harms nobody: the next one is a minute away at most.
static void touch(struct access *a, const struct reading *r, const char *address)
{
    wall_ms now = clock_wall_ms();
    struct fault f = {0};
    if (r->id && now - r->last_used_at >= TOUCH_MS &&
        store_token_touch(a->registry, r->id, now, address, &f))
        log_warn("access.use_not_noted", LOG_INT("token", r->id), LOG_TEXT("detail", f.text));
}

static void answer(struct access *a, struct access_question *q)
{
    struct reading r = {.access = a, .question = q};
    char address[64];
    bool is_known;
    memccpy(address, q->address, '\0', sizeof address - 1); // The question is gone when answered.
    address[sizeof address - 1] = '\0';
    enum err err = read_rows(a, &r, &is_known);
    pthread_mutex_lock(&a->lock);
    enum access_verdict verdict = conclude(a, q, err, clock_mono_ms());
    pthread_mutex_unlock(&a->lock);
    if (verdict == ACCESS_MISSING)
        metric_add(METRIC_access_missing, 1);
    q->verdict = verdict;
    q->answered(q->context);
    if (!err && !is_known)
        touch(a, &r, address);
}

static struct access_question *take_question(struct access *a)
{
    struct access_question *q = a->first;
    if (!q)
        return NULL;
    a->first = q->next;
    if (!a->first)
        a->last = &a->first;
    a->waiting--;
    return q;
}

static struct access_errand *take_errand(struct access *a)
{
    struct access_errand *e = a->errands;
    if (!e)
        return NULL;
    a->errands = e->next;
    if (!a->errands)
        a->last_errand = &a->errands;
    a->waiting--;
    return e;
}

static void *work(void *context)
{
    struct access *a = context;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        struct access_question *q = take_question(a);
        struct access_errand *e = take_errand(a);
        if (!q && !e && a->ending)
            break;
        if (!q && !e) {
            pthread_cond_wait(&a->came, &a->lock);
            continue;
        }
        pthread_mutex_unlock(&a->lock);
        if (q)
            answer(a, q);
        if (e)
            e->work(e->context, a->registry);
        free(e);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

enum err access_run(struct access *a, access_work *run, void *context)
{
    if (!a->registry)
        return ERR_UNSUPPORTED;
    pthread_mutex_lock(&a->lock);
    bool is_full = a->waiting >= a->options.waiting_max;
    if (!is_full) {
        struct access_errand *e = xcalloc(1, sizeof *e);
        *e = (struct access_errand){.work = run, .context = context};
        a->waiting++;
        *a->last_errand = e;
        a->last_errand = &e->next;
        pthread_cond_signal(&a->came);
    }
    pthread_mutex_unlock(&a->lock);
    return is_full ? ERR_LIMIT : ERR_OK;
}

void access_forget(struct access *a)
{
    pthread_mutex_lock(&a->lock);
    a->open_at = a->is_open ? 0 : a->open_at;
    known_tokens_doubt(a->tokens);
    pthread_mutex_unlock(&a->lock);
}

// --- Rates ---------------------------------------------------------------------------------------

static struct bucket_rule rule_of(unsigned rate)
{
    return (struct bucket_rule){1000000 / (int64_t)rate, (int64_t)rate * RATE_WINDOW_S};
}

static bool count(struct bucket *b, unsigned rate, const char *name, struct access_rate *left,
                  unsigned *retry_after_s)
{
    const struct bucket_rule rule = rule_of(rate);
    int64_t now = clock_mono_us();
    bool is_fine = bucket_take(b, &rule, now);
    int64_t remaining = bucket_left(b, &rule, now);
    if (!is_fine)
        *retry_after_s = (unsigned)(bucket_wait_us(b, &rule, now) / 1000000) + 1;
    if (!is_fine || !left->name || remaining < left->remaining)
        *left = (struct access_rate){name, rate * RATE_WINDOW_S, RATE_WINDOW_S, (unsigned)remaining,
                                     (unsigned)((bucket_fill_us(b, now) + 999999) / 1000000)};
    return is_fine;
}

static bool count_both(struct access *a, const struct access_caller *c, const char *address,
                       struct access_rate *left, unsigned *retry_after_s)
{
    const struct access_options *o = &a->options;
    bool counts = o->rate_per_address && !(o->spares_loopback && visitor_is_loopback(address));
    struct visitor *v = counts ? visitor_get(a->visitors, address, clock_mono_ms()) : NULL;
    if (v && !count(&v->requests, o->rate_per_address, "address", left, retry_after_s))
        return false;
    struct known_token *t =
        o->rate_per_token && c->token ? known_token_find_id(a->tokens, c->token) : NULL;
    return !t || count(&t->requests, o->rate_per_token, "token", left, retry_after_s);
}

bool access_count(struct access *a, const struct access_caller *c, const char *address,
                  struct access_rate *left, unsigned *retry_after_s)
{
    *left = (struct access_rate){0};
    if (!a->options.rate_per_address && !a->options.rate_per_token)
        return true;
    pthread_mutex_lock(&a->lock);
    bool is_fine = count_both(a, c, address, left, retry_after_s);
    pthread_mutex_unlock(&a->lock);
    if (!is_fine)
        metric_add(METRIC_access_limited, 1);
    return is_fine;
}

static struct known_token *limited(struct access *a, const struct access_caller *c)
{
    bool counts = c->token && c->executions_per_second;
    return counts ? known_token_find_id(a->tokens, c->token) : NULL;
}

bool access_fail(struct access *a, const char *address, unsigned *retry_after_s)
{
    struct access_question q = {.address = address};
    pthread_mutex_lock(&a->lock);
    enum access_verdict verdict = fail(a, &q, clock_mono_ms());
    pthread_mutex_unlock(&a->lock);
    *retry_after_s = q.retry_after_s;
    return verdict != ACCESS_FAILING;
}

bool access_count_execution(struct access *a, const struct access_caller *c,
                            unsigned *retry_after_s)
{
    struct access_rate left = {0};
    if (!c->executions_per_second)
        return true;
    pthread_mutex_lock(&a->lock);
    struct known_token *t = limited(a, c);
    bool is_fine =
        !t || count(&t->executions, c->executions_per_second, "token", &left, retry_after_s);
    pthread_mutex_unlock(&a->lock);
    if (!is_fine)
        metric_add(METRIC_access_limited, 1);
    return is_fine;
}

void access_charge_executions(struct access *a, const struct access_caller *c, size_t executions)
{
    if (!c->executions_per_second)
        return;
    const struct bucket_rule rule = rule_of(c->executions_per_second);
    pthread_mutex_lock(&a->lock);
    struct known_token *t = limited(a, c);
    if (t)
        bucket_charge(&t->executions, &rule, clock_mono_us(), (int64_t)executions);
    pthread_mutex_unlock(&a->lock);
}

// --- Opening and closing -------------------------------------------------------------------------

static enum err check_admins(struct access *a, struct fault *f)
{
    struct token_counts counts;
    enum err err = store_token_count(a->registry, clock_wall_ms(), &counts, f);
    if (err || counts.admins > 0)
        return err;
    return fault_set(f, ERR_FORBIDDEN,
                     "nobody could be let in: others can reach this server, and there is no token "
                     "of scope admin; make one with: carillon tokens create --name admin --scope "
                     "admin --db ...; or let everybody in with --insecure-no-auth");
}

static enum err start_thread(struct access *a, struct fault *f)
{
    int error = pthread_create(&a->thread, NULL, work, a);
    if (error)
        return fault_set(f, ERR_SYSTEM, "cannot start a thread: %s", strerror(error));
    pthread_setname_np(a->thread, "access");
    a->has_thread = true;
    return ERR_OK;
}

enum err access_open(const struct access_options *o, struct access **out, struct fault *f)
{
    struct access *a = xcalloc(1, sizeof *a);
    a->options = *o;
    a->last = &a->first;
    a->last_errand = &a->errands;
    a->tokens = known_tokens_new();
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->came, NULL);
    enum err err = visitors_new(&a->visitors, f);
    if (!err && o->store)
        err = store_registry_open(o->store, &a->registry, f);
    if (!err && a->registry && o->is_reachable && !o->is_insecure)
        err = check_admins(a, f);
    if (!err && a->registry)
        err = start_thread(a, f);
    if (err) {
        access_close(a);
        return err;
    }
    *out = a;
    return ERR_OK;
}

void access_close(struct access *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    assert(!a->first);
    a->ending = true;
    pthread_cond_signal(&a->came);
    pthread_mutex_unlock(&a->lock);
    if (a->has_thread)
        pthread_join(a->thread, NULL);
    store_registry_close(a->registry);
    visitors_free(a->visitors);
    known_tokens_free(a->tokens);
    pthread_cond_destroy(&a->came);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
