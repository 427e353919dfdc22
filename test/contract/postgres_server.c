// SPDX-License-Identifier: MIT
// postgres_server.c: a server of PostgreSQL for one test program, in a folder of its own.

#define _GNU_SOURCE // asprintf
#include "postgres_server.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "base/err.h"

#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 24

static struct {
    pid_t owner; // The process that started the server: its children do not stop it.
    pid_t pid;
    char folder[48];
    char programs[128];
    FILE *log; // What the server says.
    pthread_t reader;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool is_ready;
    bool is_over;
    char last_words[512];
    unsigned databases;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

// --- Processes -------------------------------------------------------------------------------

static void find_programs(void)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0) {
        print_error("the server of PostgreSQL is not here: apt-get install postgresql\n");
        exit(1);
    }
    const char *newest = found.gl_pathv[found.gl_pathc - 1];
    snprintf(server.programs, sizeof server.programs, "%.*s",
             (int)(strlen(newest) - strlen("/initdb")), newest);
    globfree(&found);
}

static const struct passwd *other_user(void)
{
    const struct passwd *user = getpwnam("postgres");
    return user ? user : getpwnam("nobody");
}

// In the child. It ends when the test program does, however that ends.
static void become_other(void)
{
    const struct passwd *user = geteuid() == 0 ? other_user() : NULL;
    if (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid)))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (chdir(server.folder))
        _exit(126);
}

// The first of the arguments becomes its path, by which a program finds what lies beside it.
static pid_t start(const char *program, const char *const *arguments, int output)
{
    char path[192];
    const char *words[ARGUMENTS_MAX + 1] = {path};
    snprintf(path, sizeof path, "%s/%s", server.programs, program);
    for (size_t i = 1; arguments[i]; i++) {
        assert_true(i < ARGUMENTS_MAX);
        words[i] = arguments[i];
    }
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    become_other();
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execv(path, (char *const *)(uintptr_t)words);
    _exit(127);
}

static void make_cluster(void)
{
    char data[64];
    int status;
    snprintf(data, sizeof data, "%s/data", server.folder);
    const char *arguments[] = {"initdb",     "-D", data,    "-U",
                               "carillon",   "-A", "trust", "--encoding=UTF8",
                               "--locale=C", "-N", NULL};
    FILE *output = tmpfile();
    assert_non_null(output);
    assert_true(waitpid(start("initdb", arguments, fileno(output)), &status, 0) > 0);
    if (status != 0) {
        char words[1024];
        rewind(output);
        words[fread(words, 1, sizeof words - 1, output)] = '\0';
        fail_msg("initdb ended with status %d: %s", status, words);
    }
    fclose(output);
}

// Reads on until the server is gone, so that the server never waits for a reader.
static void *read_log(void *unused)
{
    char line[512];
    (void)unused;
    while (fgets(line, sizeof line, server.log)) {
        pthread_mutex_lock(&server.lock);
        server.is_ready |= strstr(line, "ready to accept connections") != NULL;
        snprintf(server.last_words, sizeof server.last_words, "%s", line);
        pthread_cond_signal(&server.change);
        pthread_mutex_unlock(&server.lock);
    }
    pthread_mutex_lock(&server.lock);
    server.is_over = true;
    pthread_cond_signal(&server.change);
    pthread_mutex_unlock(&server.lock);
    return NULL;
}

static void stop_server(void)
{
    char command[128];
    if (getpid() != server.owner)
        return;
    kill(server.pid, SIGQUIT);
    waitpid(server.pid, NULL, 0);
    pthread_join(server.reader, NULL);
    fclose(server.log);
    snprintf(command, sizeof command, "rm -rf '%s'", server.folder);
    if (system(command))
        print_error("%s is still there\n", server.folder);
}

static void start_server(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const char *arguments[] = {"postgres",
                               "-D",
                               "data",
                               "-k",
                               server.folder,
                               "-h",
                               "",
                               "-c",
                               "max_connections=40",
                               "-c",
                               "shared_buffers=32MB",
                               "-c",
                               "checkpoint_timeout=1h",
                               NULL};
    server.pid = start("postgres", arguments, ends[1]);
    server.owner = getpid();
    close(ends[1]);
    server.log = fdopen(ends[0], "r");
    assert_int_equal(pthread_create(&server.reader, NULL, read_log, NULL), 0);
    atexit(stop_server);
    pthread_mutex_lock(&server.lock);
    while (!server.is_ready && !server.is_over)
        pthread_cond_wait(&server.change, &server.lock);
    bool is_ready = server.is_ready;
    pthread_mutex_unlock(&server.lock);
    if (!is_ready)
        fail_msg("PostgreSQL did not start: %s", server.last_words);
}

static void have_server(void)
{
    if (server.pid)
        return;
    find_programs();
    snprintf(server.folder, sizeof server.folder, "/tmp/carillon-pg-XXXXXX");
    assert_non_null(mkdtemp(server.folder));
    const struct passwd *user = other_user();
    if (geteuid() == 0 && user)
        assert_int_equal(chown(server.folder, user->pw_uid, user->pw_gid), 0);
    make_cluster();
    start_server();
}

pid_t postgres_program_start(const char *program, const char *const *arguments, int output)
{
    have_server();
    return start(program, arguments, output);
}

// --- Databases -------------------------------------------------------------------------------

static void make_url(const char *database, char url[static POSTGRES_URL_BYTES])
{
    snprintf(url, POSTGRES_URL_BYTES, "postgresql://carillon@/%s?host=%s", database, server.folder);
}

void postgres_meddle(const char *url, const char *sql, char *out, size_t bytes)
{
    PGconn *connection = PQconnectdb(url);
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(connection));
    if (out)
        snprintf(out, bytes, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(connection);
}

// pg_terminate_backend() waits by itself from PostgreSQL 14 on.
void postgres_end_connections(const char *url)
{
    postgres_meddle(url,
                    "DO $$ DECLARE pids integer[] := ARRAY(SELECT pid FROM pg_stat_activity"
                    "  WHERE application_name = 'carillon' AND datname = current_database()); BEGIN"
                    " PERFORM pg_terminate_backend(pid) FROM unnest(pids) AS pid;"
                    " WHILE EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY (pids)) LOOP"
                    "  PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$",
                    NULL, 0);
}

void postgres_database_new(char url[static POSTGRES_URL_BYTES])
{
    char root[POSTGRES_URL_BYTES], name[16], sql[64];
    have_server();
    snprintf(name, sizeof name, "t%u", ++server.databases);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    make_url("postgres", root);
    make_url(name, url);
    postgres_meddle(root, sql, NULL, 0);
}

void postgres_database_drop(const char *url)
{
    char root[POSTGRES_URL_BYTES], sql[128];
    const char *name = strrchr(url, '@') + 2;
    make_url("postgres", root);
    snprintf(sql, sizeof sql, "DROP DATABASE %.*s WITH (FORCE)", (int)strcspn(name, "?"), name);
    postgres_meddle(root, sql, NULL, 0);
}
