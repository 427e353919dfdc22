// SPDX-License-Identifier: MIT
// test_allocation_faults.c: memory runs out at the nth allocation, of whichever library.
//
// The allocator of the C library is replaced by one that forks at an allocation: in the child there
// is no memory, this once; the parent waits to see what becomes of the child, and goes on with the
// memory. Either the child stops at once, on the assertion which the x-functions have for this, and
// then a start finds everything that was acknowledged; or it reports an error, and loses nothing
// and leaks nothing; or the missing memory makes no difference.

#define _GNU_SOURCE // RTLD_NEXT, memfd_create

#include "../contract/certificate.h"
#include "../unit/routes/fake_exchange.h"
#include "api/api_priv.h"
#include "api/json_priv.h"
#include "app/app_priv.h"
#include "config/config.h"
#include "store/store_priv.h"
#include "story.h"

#include <dlfcn.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

// A start makes more than ten thousand allocations, nearly all in the parser of SQL. Beyond the
// first ones of a call, some stand for all.
#define EVERY_ONE_UP_TO 150
#define THEN_ONE_IN 199

// TSan takes seconds to fork, and has nothing to find in a single thread.
#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif

enum ending { NEVER_ENDED, SURVIVED = 40, DIED, WRONG };

static struct {
    bool watching;
    bool in_child;
    unsigned of_call; // Allocations in the call at hand.
    unsigned nth;     // If set, there is no child: this allocation of the call fails.
    int64_t blocks;   // In use.
    unsigned endings[WRONG + 1];
    bool (*is_well_after_death)(void);
    int words; // What the children say on standard error.
} scarce;

// --- The child -------------------------------------------------------------------------------

static void leave_child(enum ending e)
{
    _exit((int)e);
}

// An assertion of the program, in the midst of a call, or one of the test.
static void died(int number)
{
    (void)number;
    bool (*is_well)(void) = scarce.is_well_after_death;
    scarce.is_well_after_death = NULL;
    bool is_fine = is_well && is_well();
    fprintf(stderr, "%s\n", is_well ? "died, and something is lost" : "an assertion of the test");
    leave_child(is_fine ? DIED : WRONG);
}

static void become_child(void)
{
    int64_t blocks = scarce.blocks;
    scarce.in_child = true;
    dup2(scarce.words, STDERR_FILENO);
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    signal(SIGABRT, died);
    scarce.blocks = blocks;
}

// --- The parent ------------------------------------------------------------------------------

static void show_words(void)
{
    char line[512];
    ssize_t n;
    lseek(scarce.words, 0, SEEK_SET);
    while ((n = read(scarce.words, line, sizeof line)) > 0)
        print_error("%.*s", (int)n, line);
}

static void wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    int e = WIFEXITED(status) ? WEXITSTATUS(status) : WRONG;
    if (e != SURVIVED && e != DIED) {
        show_words();
        fail_msg("allocation %u of a call: status %x", scarce.of_call, (unsigned)status);
    }
    scarce.endings[e]++;
    assert_int_equal(ftruncate(scarce.words, 0), 0);
    lseek(scarce.words, 0, SEEK_SET);
}

// --- The allocator ---------------------------------------------------------------------------

static bool is_missing_now(void)
{
    unsigned n = ++scarce.of_call;
    if (scarce.nth)
        return n == scarce.nth;
    if (n > EVERY_ONE_UP_TO && n % THEN_ONE_IN != 0)
        return false;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        wait_for(child);
    else
        become_child();
    return child == 0;
}

// The allocator is used before a sanitizer has made itself ready, so it must do without.
#define BARE __attribute__((no_sanitize("address", "thread", "undefined")))

// In the child only one allocation fails.
BARE static bool is_missing(void)
{
    if (!scarce.watching || disk_is_at_work())
        return false;
    scarce.watching = false;
    bool missing = is_missing_now();
    scarce.watching = !missing;
    if (missing)
        errno = ENOMEM;
    return missing;
}

BARE static void *count_block(void *block)
{
    scarce.blocks += block != NULL;
    return block;
}

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    bool looking;
} real;

BARE static void find_real(void)
{
    if (real.free || real.looking)
        return;
    real.looking = true;
    *(void **)&real.malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&real.calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&real.realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&real.free = dlsym(RTLD_NEXT, "free");
}

BARE void *malloc(size_t bytes)
{
    find_real();
    return is_missing() ? NULL : count_block(real.malloc(bytes));
}

BARE void *calloc(size_t count, size_t bytes)
{
    find_real();
    return is_missing() ? NULL : count_block(real.calloc(count, bytes));
}

BARE void *realloc(void *old, size_t bytes)
{
    find_real();
    if (is_missing())
        return NULL;
    return old ? real.realloc(old, bytes) : count_block(real.realloc(old, bytes));
}

BARE void free(void *block)
{
    find_real();
    if (!real.free)
        return; // A message of dlsym's, of earlier.
    scarce.blocks -= block != NULL;
    real.free(block);
}

static void watch(void)
{
    scarce.of_call = 0;
    scarce.watching = !scarce.in_child;
}

static void stop_watching(void)
{
    scarce.watching = false;
}

// --- The store -------------------------------------------------------------------------------

static void begin_call(void)
{
    scarce.is_well_after_death = story_survives_death;
    watch();
}

static void end_call(void)
{
    stop_watching();
    scarce.is_well_after_death = NULL;
}

static void without_memory_the_store_loses_nothing(void **state)
{
    (void)state;
    if (UNDER_TSAN)
        skip();
    struct story_turn turn = {0};
    disk_start();
    story_tell(&turn); // What is allocated only once is there.
    disk_stop();

    turn = (struct story_turn){.before_call = begin_call, .after_call = end_call};
    int64_t blocks = scarce.blocks;
    disk_start();
    struct story_end end = story_tell(&turn);
    disk_stop();
    if (scarce.in_child && scarce.blocks != blocks)
        fail_msg("%d blocks have leaked", (int)(scarce.blocks - blocks));
    if (scarce.in_child)
        leave_child(end.lost ? WRONG : SURVIVED);
    print_message("%u died, %u went on\n", scarce.endings[DIED], scarce.endings[SURVIVED]);
    assert_false(end.lost);
    assert_true(scarce.endings[DIED] > 20);
    assert_true(scarce.endings[SURVIVED] > 300); // The newer SQLite, the fewer: 3.46 has 734.
}

// --- Answers ---------------------------------------------------------------------------------

static bool yes(void)
{
    return true;
}

static const char body[] =
    "{\"schedule\":\"*/5 * * * *\",\"api\":\"http://a/\",\"type\":\"ATLEAST_ONCE\","
    "\"headers\":{\"X-A\":\"1\",\"X-B\":\"2\"},\"body\":{\"a\":[1,2.5,null]},"
    "\"tags\":[\"red\",\"blue\"],\"start_at\":\"2027-01-31T08:00:00Z\"}";

// Everything between the bytes of a request and those of its answer, but for the work itself.
static void answer(char out[static 4096])
{
    struct problem p = {0};
    struct service_key key;
    struct exchange x = {
        .method = "POST", .target = "/jobs", .headers = {{"Idempotency-Key", "k"}}, .body = body};
    struct api api = {0};
    struct api_request r = {.api = &api, .exchange = &x};
    struct job *j = NULL;
    char *text = NULL;
    enum err err = json_read(body, sizeof body - 1, &r.body, &p);
    if (!err)
        err = decode_create(&r, &j, &key, &p);
    struct job_query q = {.is_active = -1, .tag = "blue"};
    bool listed = !err && job_query_matches(&q, j);
    json_t *made = err ? problem_json(&p, "id") : json_job(j);
    text = json_dumps(made, JSON_COMPACT);
    snprintf(out, 4096, "%d %d %02x%02x %s", err, listed, key.digest[0], key.digest[31], text);
    free(text);
    json_decref(made);
    request_drop_body(&r);
    job_free(j);
}

static void without_memory_no_answer_is_cut_short(void **state)
{
    (void)state;
    char expected[4096];
    char found[4096];
    answer(expected);
    answer(expected);
    memset(scarce.endings, 0, sizeof scarce.endings);
    scarce.is_well_after_death = yes;
    watch();
    answer(found);
    stop_watching();
    scarce.is_well_after_death = NULL;
    assert_string_equal(found, expected);
    if (scarce.in_child)
        leave_child(SURVIVED);
    print_message("%u died, %u went on\n", scarce.endings[DIED], scarce.endings[SURVIVED]);
    assert_true(scarce.endings[DIED] > 50);
}

// --- Settings --------------------------------------------------------------------------------

// The line is longer than what is there for lines at first. Processes that fork share their place
// in a file, so this one stays alone.
static void without_memory_no_setting_is_passed_over(void **state)
{
    (void)state;
    char path[] = "/tmp/carillon-settings-XXXXXX";
    char serve[] = "serve";
    char config[] = "--config";
    char *flags[] = {serve, config, path, NULL};
    static struct settings expected, found;
    struct fault f = {0};
    int fd = mkstemp(path);
    dprintf(fd, "db = %0200d.db\n", 7);
    close(fd);
    assert_int_equal(config_load(3, flags, &expected, &f), ERR_OK);
    unsigned errors = 0;
    do {
        scarce.nth++;
        watch();
        enum err err = config_load(3, flags, &found, &f);
        stop_watching();
        errors += err != ERR_OK;
        if (!err)
            assert_string_equal(found.db, expected.db);
    } while (scarce.of_call >= scarce.nth);
    scarce.nth = 0;
    assert_true(errors >= 3);
    unlink(path);
}

// --- Certificates ----------------------------------------------------------------------------

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    X509 *x = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    assert_non_null(x);
    return x;
}

static bool is_trusted(X509_STORE *authorities, X509 *certificate)
{
    X509_STORE_CTX *c = X509_STORE_CTX_new();
    bool yes = X509_STORE_CTX_init(c, authorities, certificate, NULL) && X509_verify_cert(c) == 1;
    X509_STORE_CTX_free(c);
    return yes;
}

// The target shows its certificate anew in each handshake; what the program knows of authorities
// stays the same.
static void without_memory_no_authority_is_forgotten(void **state)
{
    (void)state;
    struct certificate c;
    certificate_make(&c, "DNS:localhost", false);
    X509 *authority = read_certificate(c.certificate_file);
    X509 *shown = read_certificate(c.certificate_file);
    X509 *shown_later = read_certificate(c.certificate_file);
    X509_STORE *authorities = X509_STORE_new();
    assert_int_equal(X509_STORE_add_cert(authorities, authority), 1);
    memset(scarce.endings, 0, sizeof scarce.endings);
    scarce.is_well_after_death = yes;
    watch();
    bool trusted = is_trusted(authorities, shown);
    stop_watching();
    scarce.is_well_after_death = NULL;
    assert_true(trusted);
    assert_true(is_trusted(authorities, shown_later));
    if (scarce.in_child)
        leave_child(SURVIVED);
    print_message("%u died, %u went on\n", scarce.endings[DIED], scarce.endings[SURVIVED]);
    assert_true(scarce.endings[DIED] > 20);
    X509_STORE_free(authorities);
    X509_free(authority);
    X509_free(shown);
    X509_free(shown_later);
    certificate_remove(&c);
}

int main(void)
{
    app__give_memory();
    scarce.words = memfd_create("words", MFD_CLOEXEC);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_the_store_loses_nothing),
        cmocka_unit_test(without_memory_no_answer_is_cut_short),
        cmocka_unit_test(without_memory_no_setting_is_passed_over),
        cmocka_unit_test(without_memory_no_authority_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
