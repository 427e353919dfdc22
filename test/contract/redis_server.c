// SPDX-License-Identifier: MIT
// redis_server.c: a server of Redis for one test program, in a folder of its own.

#define _GNU_SOURCE // pipe2
#include "redis_server.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    pid_t owner; // The process that made the folder: its children do not remove it.
    pid_t pid;   // 0: it does not run.
    char folder[40];
    char path[64];
    char url[80];
    char password[64];
    FILE *log;
} server;

static void clean_up(void)
{
    char command[64];
    if (getpid() != server.owner)
        return;
    redis_server_stop();
    snprintf(command, sizeof command, "rm -rf '%s'", server.folder);
    if (system(command))
        print_error("%s is still there\n", server.folder);
}

static void have_folder(void)
{
    if (server.owner)
        return;
    snprintf(server.folder, sizeof server.folder, "/tmp/carillon-redis-XXXXXX");
    assert_non_null(mkdtemp(server.folder));
    server.owner = getpid();
    snprintf(server.path, sizeof server.path, "%s/socket", server.folder);
    snprintf(server.url, sizeof server.url, "unix://%s?db=3", server.path);
    atexit(clean_up);
}

const char *redis_server_url(void)
{
    have_folder();
    return server.url;
}

// In the child. It ends when the test program does, however that ends.
static void become_server(int output)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", server.path, "--dir",
           server.folder, "--save", "", "--appendonly", "no", "--daemonize", "no", "--requirepass",
           server.password, (char *)NULL);
    _exit(127);
}

// The few lines that the server says later stay in the pipe.
static void await_ready(void)
{
    char line[512] = "";
    while (fgets(line, sizeof line, server.log))
        if (strstr(line, "eady to accept connections"))
            return;
    fail_msg("redis-server did not start (apt-get install redis-server): %s", line);
}

void redis_server_start(const char *password)
{
    int ends[2];
    have_folder();
    if (server.pid)
        return;
    snprintf(server.password, sizeof server.password, "%s", password ? password : "");
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    server.pid = fork();
    assert_true(server.pid >= 0);
    if (server.pid == 0)
        become_server(ends[1]);
    close(ends[1]);
    server.log = fdopen(ends[0], "r");
    await_ready();
}

void redis_server_stop(void)
{
    if (!server.pid)
        return;
    kill(server.pid, SIGKILL);
    waitpid(server.pid, NULL, 0);
    fclose(server.log);
    unlink(server.path);
    server.pid = 0;
}

static void signal_server(int number)
{
    int status;
    kill(server.pid, number);
    if (number == SIGSTOP)
        waitpid(server.pid, &status, WUNTRACED);
}

void redis_server_freeze(void)
{
    signal_server(SIGSTOP);
}

void redis_server_thaw(void)
{
    signal_server(SIGCONT);
}

// --- Beside the program ----------------------------------------------------------------------

static void print_reply(FILE *out, const redisReply *r)
{
    if (r->type == REDIS_REPLY_INTEGER)
        fprintf(out, "%lld", r->integer);
    else if (r->type != REDIS_REPLY_ARRAY)
        fprintf(out, "%s", r->str ? r->str : "");
    for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
        fputs(i ? " " : "", out);
        print_reply(out, r->element[i]);
    }
}

static redisContext *connect_beside(void)
{
    redisContext *c = redisConnectUnix(server.path);
    assert_true(c && !c->err);
    if (server.password[0])
        freeReplyObject(redisCommand(c, "AUTH %s", server.password));
    freeReplyObject(redisCommand(c, "SELECT 3"));
    return c;
}

void redis_meddle(char *out, size_t bytes, const char *format, ...)
{
    redisContext *c = connect_beside();
    va_list values;
    va_start(values, format);
    redisReply *r = redisvCommand(c, format, values);
    va_end(values);
    assert_non_null(r);
    if (r->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", format, r->str);
    if (out) {
        *out = '\0';
        FILE *text = fmemopen(out, bytes, "w");
        print_reply(text, r);
        fclose(text);
    }
    freeReplyObject(r);
    redisFree(c);
}
