// SPDX-License-Identifier: MIT
// dispatch_harness.c: the common ground of the dispatch port's tests.

#include "dispatch_harness.h"

#include "base/metrics.h"
#include "redis_server.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ALARM_SECONDS 120

// --- The queue, with an executor in this process ---

static struct {
    struct redis_server *redis;
    struct executor *executor;
} queue;

static struct executor *start_executor(const struct dispatch_options *o, size_t in_flight_max,
                                       struct fault *f)
{
    struct executor *e = NULL;
    struct executor_options options = {
        .open = dispatch_wire_open, .dispatch = *o, .in_flight_max = in_flight_max};
    options.dispatch.redis = queue.redis;
    return executor_start(&options, &e, f) ? NULL : e;
}

struct redis_server *harness_redis(void)
{
    return queue.redis;
}

struct executor *harness_executor(void)
{
    return queue.executor;
}

void harness_start_executor(struct harness *h, size_t in_flight_max)
{
    struct dispatch_options o = {.version = "1.2.3",
                                 .name_servers = scripted_names_server(h->names)};
    harness_stop_executor();
    queue.executor = start_executor(&o, in_flight_max, NULL);
    assert_non_null(queue.executor);
}

void harness_stop_executor(void)
{
    executor_stop(queue.executor);
    queue.executor = NULL;
}

void harness_await_executors(int64_t count)
{
    while (metric_get(METRIC_executors) != count)
        sched_yield();
}

// What is sent before the node knows of an executor would not go through the queue.
static enum err open_queue(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                           void *context, struct dispatch **out, struct fault *f)
{
    struct dispatch_options node = *o;
    enum err err = redis_server_open(redis_server_url(), &queue.redis, f);
    queue.executor = err ? NULL : start_executor(o, 2048, f);
    if (!err && !queue.executor)
        err = f ? f->code : ERR_SYSTEM;
    node.targets = NULL; // Executors decide.
    node.redis = queue.redis;
    if (!err)
        err = dispatch_queue_open(l, &node, done, context, out, f);
    if (!err)
        harness_await_executors(1);
    return err;
}

static void close_queue(void)
{
    harness_stop_executor();
    redis_server_close(queue.redis);
    queue.redis = NULL;
    metric_set(METRIC_executors, 0);
}

static const struct adapter {
    const char *name;
    dispatch_opener *open;
} adapters[] = {
    {"wire", dispatch_wire_open},
    {"curl", dispatch_curl_open},
    {"queue", open_queue},
};

static const struct adapter *adapter;

static const struct name_script no_names[] = {
    {.name = "hanging.invalid", .silent = true},
    {.name = NULL},
};

static void outcome_seen(void *context, const struct outcome *o)
{
    struct harness *h = context;
    h->seen = grow(h->seen, h->seen_count, &h->seen_capacity, sizeof *h->seen);
    struct seen *s = &h->seen[h->seen_count++];
    *s = (struct seen){.ticket = o->ticket,
                       .kind = o->kind,
                       .retry_after_ms = o->retry_after_ms,
                       .asks_to_wait = o->asks_to_wait,
                       .attempt = o->attempt};
    snprintf(s->error, sizeof s->error, "%s", o->attempt.error ? o->attempt.error : "");
    snprintf(s->location, sizeof s->location, "%s", o->location ? o->location : "");
    snprintf(s->redirects, sizeof s->redirects, "%s",
             o->attempt.redirects ? o->attempt.redirects : "");
    snprintf(s->response, sizeof s->response, "%s", o->attempt.response ? o->attempt.response : "");
    s->response_bytes = o->attempt.response ? strlen(o->attempt.response) : 0;
    if (h->on_outcome)
        h->on_outcome(h, o);
}

static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

int harness_setup(void **state, const struct script *scripts, const char *certificate_file,
                  const char *key_file, const char *ca_file)
{
    struct harness *h = xcalloc(1, sizeof *h);
    struct fault f = {0};
    h->threads = count_entries("/proc/self/task");
    h->open_files = count_entries("/proc/self/fd");
    if (loop_open(&h->loop, &f))
        fail_msg("%s", f.text);
    h->target = scripted_target_open(h->loop, scripts, certificate_file, key_file);
    h->names = scripted_names_open(h->loop, no_names);
    struct dispatch_options o = {
        .version = "1.2.3", .ca_file = ca_file, .name_servers = scripted_names_server(h->names)};
    if (adapter->open(h->loop, &o, outcome_seen, h, &h->dispatch, &f))
        fail_msg("%s", f.text);
    *state = h;
    return 0;
}

void harness_reopen(struct harness *h, const struct dispatch_options *o)
{
    dispatch_close(h->dispatch);
    close_queue();
    assert_int_equal(adapter->open(h->loop, o, outcome_seen, h, &h->dispatch, NULL), ERR_OK);
}

int harness_open_files(const struct harness *h)
{
    return count_entries("/proc/self/fd") - h->open_files;
}

int harness_teardown(void **state)
{
    struct harness *h = *state;
    dispatch_close(h->dispatch);
    close_queue();
    scripted_target_close(h->target);
    scripted_names_close(h->names);
    loop_close(h->loop);
    while (count_entries("/proc/self/task") > h->threads)
        sched_yield(); // A thread that resolves a name is left behind, and ends by itself.
    int left_open = harness_open_files(h);
    free(h->seen);
    free(h);
    assert_int_equal(left_open, 0);
    return 0;
}

struct send harness_attempt(struct harness *h, const char *path)
{
    static char url[256]; // A single attempt is made ready at a time.
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", scripted_target_port(h->target), path);
    return (struct send){.ticket = ++h->tickets,
                         .request = {.api = url,
                                     .method = METHOD_POST,
                                     .key = {.job = 7, .scheduled_at = 1700000000000},
                                     .attempt = 1,
                                     .timeout_ms = 60000,
                                     .epoch = 3,
                                     .tls_verify = true,
                                     .response_excerpt_bytes = HARNESS_EXCERPT_BYTES}};
}

void harness_send(struct harness *h, const struct send *s)
{
    size_t before = h->seen_count;
    size_t in_flight = dispatch_in_flight(h->dispatch);
    struct send sent = *s;
    sent.request.repeatable |= queue.redis != NULL; // Others do not go through the queue.
    dispatch_send(h->dispatch, &sent);
    assert_int_equal(h->seen_count, before);
    assert_int_equal(dispatch_in_flight(h->dispatch), in_flight + 1);
}

void harness_wait(struct harness *h, size_t count)
{
    while (h->seen_count < count)
        loop_turn(h->loop, -1);
    assert_int_equal(h->seen_count, count);
}

const struct seen *harness_post(struct harness *h, const char *path)
{
    size_t in_flight = dispatch_in_flight(h->dispatch);
    struct send s = harness_attempt(h, path);
    harness_send(h, &s);
    harness_wait(h, h->seen_count + 1);
    const struct seen *seen = &h->seen[h->seen_count - 1];
    assert_int_equal(seen->ticket, s.ticket);
    assert_int_equal(dispatch_in_flight(h->dispatch), in_flight);
    return seen;
}

void assert_error(const struct harness *h, const struct seen *s, const char *words)
{
    char expected[ERROR_TEXT_MAX];
    const char *brace = strstr(words, "{port}");
    if (brace)
        snprintf(expected, sizeof expected, "%.*s%u%s", (int)(brace - words), words,
                 scripted_target_port(h->target), brace + strlen("{port}"));
    else
        snprintf(expected, sizeof expected, "%s", words);
    assert_string_equal(s->error, expected);
}

// This process has both ends of a thousand connections.
static void allow_many_files(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

struct rlimit harness_use_up_descriptors(void)
{
    struct rlimit before;
    int free_one = dup(STDIN_FILENO);
    close(free_one);
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {.rlim_cur = (rlim_t)free_one, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    return before;
}

static void *end_at_once(void *unused)
{
    return unused;
}

// TSan starts a thread of its own beside the program's first, and keeps it. It has to be there
// before a test counts its threads.
static void start_sanitizer_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_at_once, NULL) == 0)
        pthread_join(thread, NULL);
}

static int run_adapter(const char *name, const struct CMUnitTest *tests, size_t count)
{
    char title[64];
    if (strcmp(adapter->name, "queue") == 0)
        redis_server_start(NULL);
    snprintf(title, sizeof title, "%s: %s", name, adapter->name);
    alarm(ALARM_SECONDS);
    return _cmocka_run_group_tests(title, tests, count, NULL, NULL);
}

// `only` and `but` may be NULL.
static int run_adapters(const char *only, const char *but, const char *name,
                        const struct CMUnitTest *tests, size_t count)
{
    signal(SIGPIPE, SIG_IGN);
    allow_many_files();
    start_sanitizer_thread();
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(adapters); i++) {
        adapter = &adapters[i];
        bool runs = (!only || strcmp(only, adapter->name) == 0) &&
                    (!but || strcmp(but, adapter->name) != 0);
        failed += runs ? run_adapter(name, tests, count) : 0;
    }
    return failed;
}

int harness_run_only(const char *only, const char *name, const struct CMUnitTest *tests,
                     size_t count)
{
    return run_adapters(only, NULL, name, tests, count);
}

int harness_run_here(const char *name, const struct CMUnitTest *tests, size_t count)
{
    return run_adapters(NULL, "queue", name, tests, count);
}

int harness_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    return run_adapters(NULL, NULL, name, tests, count);
}
