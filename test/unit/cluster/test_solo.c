// SPDX-License-Identifier: MIT
// test_solo.c: one process owns a database, the others are told which, and only who may write the
// lock file can be that process.

#include "cluster/cluster.h"

#include "base/memory.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

struct place {
    char folder[64];
    char db[96];
    char lock[96];
};

static int make_place(void **state)
{
    struct place *p = xcalloc(1, sizeof *p);
    snprintf(p->folder, sizeof p->folder, "/tmp/carillon-solo-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->db, sizeof p->db, "%s/a.db", p->folder);
    snprintf(p->lock, sizeof p->lock, "%s/a.db.lock", p->folder);
    *state = p;
    return 0;
}

static int remove_place(void **state)
{
    struct place *p = *state;
    unlink(p->lock);
    rmdir(p->folder);
    free(p);
    return 0;
}

static enum err open_and_close(const struct place *p, struct fault *f)
{
    struct cluster *c = NULL;
    enum err err = cluster_solo_open(p->db, &c, f);
    cluster_close(c);
    return err;
}

// A process that holds the lock until it is killed.
static pid_t start_owner(const struct place *p)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct cluster *c;
        struct fault f;
        char byte = cluster_solo_open(p->db, &c, &f) ? 'n' : 'y';
        if (write(ready[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    char byte = 'n';
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(ready[0]);
    return pid;
}

static void end_owner(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void the_owner_is_named_for_as_long_as_it_lives(void **state)
{
    const struct place *p = *state;
    struct fault f = {0};
    char words[64];
    pid_t owner = start_owner(p);
    assert_int_equal(open_and_close(p, &f), ERR_BUSY);
    snprintf(words, sizeof words, "in use by another server, process %ld", (long)owner);
    assert_non_null(strstr(f.text, words));
    end_owner(owner);
    assert_int_equal(open_and_close(p, &f), ERR_OK);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

// Also that of an older version, in which a process id stands.
static void the_lock_file_is_its_owners_alone(void **state)
{
    const struct place *p = *state;
    struct fault f = {0};
    mode_t before = umask(0);
    assert_int_equal(open_and_close(p, &f), ERR_OK);
    assert_int_equal(mode_of(p->lock), 0600);
    assert_int_equal(chmod(p->lock, 0644), 0);
    assert_int_equal(open_and_close(p, &f), ERR_OK);
    assert_int_equal(mode_of(p->lock), 0600);
    umask(before);
}

// Which needs no right to write.
static void a_lock_of_flock_keeps_nobody_out(void **state)
{
    const struct place *p = *state;
    struct fault f = {0};
    pid_t other = fork();
    if (other == 0) {
        int fd = open(p->lock, O_RDONLY | O_CREAT, 0600);
        _exit(flock(fd, LOCK_EX | LOCK_NB) != 0 || open_and_close(p, &f) != ERR_OK);
    }
    int status;
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
}

static void text_in_the_lock_file_names_nobody(void **state)
{
    const struct place *p = *state;
    struct fault f = {0};
    pid_t owner = start_owner(p);
    int fd = open(p->lock, O_WRONLY);
    assert_int_equal(write(fd, "4194303\n", 8), 8);
    close(fd);
    assert_int_equal(open_and_close(p, &f), ERR_BUSY);
    assert_null(strstr(f.text, "4194303"));
    end_owner(owner);
}

// --- Shards ---

struct heard {
    uint32_t gained;
    int64_t epochs;
    unsigned losses;
    mono_ms until;
    bool is_leader;
};

static void hear_gained(void *context, const struct shard *row)
{
    struct heard *h = context;
    assert_int_equal(row->number, h->gained++);
    assert_int_equal(row->tick, 0);
    h->epochs += row->epoch;
    assert_int_equal(h->until, 0); // The lease comes last.
}

static void hear_lost(void *context, uint32_t shard)
{
    (void)shard;
    ((struct heard *)context)->losses++;
}

static void hear_lease(void *context, mono_ms until)
{
    ((struct heard *)context)->until = until;
}

static void hear_leader(void *context, bool is_leader)
{
    ((struct heard *)context)->is_leader = is_leader;
}

// A status of one node that owns so many shards.
static void expect_status(struct cluster *c, uint32_t shards)
{
    struct cluster_status s;
    cluster_status(c, &s);
    assert_int_equal(s.node_count, 1);
    assert_true(s.nodes[0].is_self);
    assert_int_equal(s.nodes[0].shards, shards);
    assert_int_equal(s.owned, shards);
    assert_int_equal(s.is_leader, shards > 0);
    assert_int_equal(s.lease_until, shards ? MONO_NEVER : 0);
    cluster_status_fini(&s);
}

// Every shard is taken in a new epoch, for ever.
static void who_is_alone_owns_every_shard_for_ever(void **state)
{
    const struct place *p = *state;
    struct cluster *c;
    struct store *s;
    assert_int_equal(store_memory_open(3, &s, NULL), ERR_OK);
    for (int64_t start = 1; start <= 2; start++) {
        struct heard h = {0};
        const struct cluster_events e = {.gained = hear_gained,
                                         .lost = hear_lost,
                                         .lease = hear_lease,
                                         .leader = hear_leader,
                                         .context = &h};
        assert_int_equal(cluster_solo_open(p->db, &c, NULL), ERR_OK);
        assert_false(cluster_owns(c, 0));
        expect_status(c, 0);
        assert_int_equal(cluster_start(c, s, &e, NULL), ERR_OK);
        assert_int_equal(h.gained, 3);
        assert_int_equal(h.epochs, 3 * start);
        assert_int_equal(h.losses, 0);
        assert_int_equal(h.until, MONO_NEVER);
        assert_true(h.is_leader);
        assert_true(cluster_owns(c, 2));
        expect_status(c, 3);
        assert_int_equal(cluster_drain(c, 0), 0); // Nobody is there who could take them.
        assert_false(cluster_owns(c, 3));
        cluster_close(c);
    }
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_owner_is_named_for_as_long_as_it_lives, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(the_lock_file_is_its_owners_alone, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_lock_of_flock_keeps_nobody_out, make_place, remove_place),
        cmocka_unit_test_setup_teardown(text_in_the_lock_file_names_nobody, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(who_is_alone_owns_every_shard_for_ever, make_place,
                                        remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
