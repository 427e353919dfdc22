// SPDX-License-Identifier: MIT
// dispatch_harness.h: what every test of the dispatch port needs: a loop, a scripted target, the
// dispatcher of one adapter, and the outcomes that it reported.
//
// harness_run runs a program's tests once for each adapter. No name of the test's name server
// exists, and "hanging.invalid" is never answered for. Nothing here measures time: a test
// waits for outcomes by turning the loop, and an alarm ends the program if one never comes.

#ifndef CARILLON_CONTRACT_DISPATCH_HARNESS_H
#define CARILLON_CONTRACT_DISPATCH_HARNESS_H

#include "dispatch/dispatch.h"
#include "scripted_names.h"
#include "scripted_target.h"

#include <sys/resource.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define HARNESS_EXCERPT_BYTES 4096 // An attempt's excerpt, unless the test asks for more.

struct seen {
    uint64_t ticket;
    enum outcome_kind kind;
    dur_ms retry_after_ms;
    bool asks_to_wait;
    struct attempt attempt; // With texts of its own.
    char error[ERROR_TEXT_MAX];
    char location[2 * ERROR_TEXT_MAX];
    char redirects[2 * ERROR_TEXT_MAX];
    char response[HARNESS_EXCERPT_BYTES + 1]; // Cut there.
    size_t response_bytes;
};

struct harness {
    struct loop *loop;
    struct scripted_target *target;
    struct scripted_names *names; // For adapters that ask name servers themselves.
    struct dispatch *dispatch;
    struct seen *seen;
    size_t seen_count;
    size_t seen_capacity;
    void (*on_outcome)(struct harness *h, const struct outcome *o); // May be NULL.
    uint64_t tickets;
    int open_files;
    int threads;
};

// Before each test: fills **state with a harness whose target plays `scripts`.
int harness_setup(void **state, const struct script *scripts, const char *certificate_file,
                  const char *key_file, const char *ca_file);
// Replaces the dispatcher by one with other options.
void harness_reopen(struct harness *h, const struct dispatch_options *o);
// Descriptors that the test's process has opened since the setup began, those of its target too.
int harness_open_files(const struct harness *h);
// From now on a descriptor can be opened only where one is closed. Returns the limit before, for
// setrlimit.
struct rlimit harness_use_up_descriptors(void);
// Fails the test if a descriptor was left open.
int harness_teardown(void **state);

// An attempt at `path` of the target, to be changed as a test likes, then sent with harness_send.
struct send harness_attempt(struct harness *h, const char *path);
// Checks that the outcome is not reported from inside the call.
void harness_send(struct harness *h, const struct send *s);
// Turns the loop until `count` outcomes have been seen.
void harness_wait(struct harness *h, size_t count);
// All three for a plain POST: the outcome of one attempt at `path`.
const struct seen *harness_post(struct harness *h, const char *path);

// The queue's parts, while its adapter is tested: the server of Redis, and the executor, which can
// be replaced by one that takes fewer attempts at once, or be gone at once (NULL).
struct redis_server *harness_redis(void);
struct executor *harness_executor(void);
void harness_start_executor(struct harness *h, size_t in_flight_max);
void harness_stop_executor(void);
// Until the dispatcher sees so many executors.
void harness_await_executors(int64_t count);

// Fills in {port} of `words` and compares.
void assert_error(const struct harness *h, const struct seen *s, const char *words);

int harness_run(const char *name, const struct CMUnitTest *tests, size_t count);
// The same for what cannot be promised of attempts that are sent by other processes.
int harness_run_here(const char *name, const struct CMUnitTest *tests, size_t count);
// The same for promises that one adapter makes beyond the port's.
int harness_run_only(const char *adapter, const char *name, const struct CMUnitTest *tests,
                     size_t count);

#endif
