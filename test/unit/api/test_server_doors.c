// SPDX-License-Identifier: MIT
// test_server_doors.c: one server at several doors: its address, a Unix socket, a second address to
// observe; and the file of the socket.

#include "echo_server.h"
#include "raw_client.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define GET "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"

static char folder[64];
static char path[96];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/carillon-doors-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void tell_door(void *context, struct exchange *x)
{
    (void)context;
    static const char *const names[SERVER_DOORS] = {"main", "unix", "observe"};
    char text[128];
    snprintf(text, sizeof text, "%s from %s to %s %u", names[exchange_door(x)], exchange_peer(x),
             exchange_local(x), (unsigned)exchange_local_port(x));
    exchange_answer(x, 200, "text/plain", strdup(text), strlen(text));
}

static struct server *open_at(struct server_options o)
{
    struct fault f = {0};
    struct server *s = NULL;
    if (server_open(&o, tell_door, NULL, &s, &f) != ERR_OK)
        fail_msg("%s", f.text);
    return s;
}

static void expect_at(struct raw_client *client, const char *expected)
{
    struct raw_answer a;
    raw_say(client, GET);
    assert_true(raw_receive(client, &a));
    expect_text(&a, 200, expected);
    raw_close(client);
}

static void a_request_knows_the_door_it_came_in_by(void **state)
{
    (void)state;
    struct server *s = open_at((struct server_options){
        .host = "127.0.0.1", .unix_path = path, .observe_host = "127.0.0.2"});
    struct raw_client client;
    char expected[128];

    raw_open(&client, server_port(s));
    snprintf(expected, sizeof expected, "main from 127.0.0.1 to 127.0.0.1 %u",
             (unsigned)server_port(s));
    expect_at(&client, expected);

    raw_open_unix(&client, path);
    snprintf(expected, sizeof expected, "unix from unix:uid=%u to unix 0", (unsigned)getuid());
    expect_at(&client, expected);

    raw_open_to(&client, "127.0.0.2", server_observe_port(s));
    snprintf(expected, sizeof expected, "observe from 127.0.0.1 to 127.0.0.2 %u",
             (unsigned)server_observe_port(s));
    expect_at(&client, expected);
    server_close(s);
}

static void a_server_may_have_a_unix_socket_alone(void **state)
{
    (void)state;
    struct server *s = open_at((struct server_options){.unix_path = path});
    struct raw_client client;
    char expected[128];
    assert_int_equal(server_port(s), 0);
    assert_int_equal(server_observe_port(s), 0);
    raw_open_unix(&client, path);
    snprintf(expected, sizeof expected, "unix from unix:uid=%u to unix 0", (unsigned)getuid());
    expect_at(&client, expected);
    server_close(s);
}

static unsigned mode_of(const char *file)
{
    struct stat s;
    assert_int_equal(lstat(file, &s), 0);
    assert_true(S_ISSOCK(s.st_mode));
    return s.st_mode & 07777;
}

static void the_socket_has_its_mode_whatever_the_umask_is(void **state)
{
    (void)state;
    static const struct {
        unsigned given, expected;
        mode_t mask;
    } cases[] = {{0, 0600, 0}, {0660, 0660, 0077}, {0666, 0666, 0022}, {0600, 0600, 0777}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mode_t before = umask(cases[i].mask);
        struct server *s =
            open_at((struct server_options){.unix_path = path, .unix_mode = cases[i].given});
        umask(before);
        assert_int_equal(mode_of(path), cases[i].expected);
        server_close(s);
        assert_int_equal(access(path, F_OK), -1); // The file goes with the server.
    }
}

// As a server leaves it that was killed.
static void leave_socket(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd);
    assert_int_equal(mode_of(path) & 0600, 0600);
}

static void a_socket_that_nobody_listens_at_is_replaced(void **state)
{
    (void)state;
    leave_socket();
    struct server *s = open_at((struct server_options){.unix_path = path});
    struct raw_client client;
    struct raw_answer a;
    raw_open_unix(&client, path);
    raw_say(&client, GET);
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 200);
    raw_close(&client);
    server_close(s);
}

static void expect_refused(const char *at, enum err err, const char *why)
{
    struct fault f = {0};
    struct server *s = NULL;
    const struct server_options o = {.unix_path = at};
    assert_int_equal(server_open(&o, tell_door, NULL, &s, &f), err);
    assert_null(s);
    assert_non_null(strstr(f.text, why));
}

static void what_is_there_already_stays_there(void **state)
{
    (void)state;
    struct server *s = open_at((struct server_options){.unix_path = path});
    expect_refused(path, ERR_BUSY, "socket is already in use");
    assert_int_equal(mode_of(path), 0600);
    server_close(s);

    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "mine", 4), 4);
    close(fd);
    expect_refused(path, ERR_BUSY, "is there already, and is no socket");
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, 4);
    unlink(path);
}

// The file of another server, which has been put into the place of this one's.
static void a_server_removes_only_its_own_socket(void **state)
{
    (void)state;
    struct server *s = open_at((struct server_options){.unix_path = path});
    char other[sizeof path + 8];
    snprintf(other, sizeof other, "%s2", path);
    struct server *o = open_at((struct server_options){.unix_path = other});
    assert_int_equal(rename(other, path), 0);
    server_close(s);
    assert_int_equal(mode_of(path), 0600);
    server_close(o);
    unlink(path);
}

static void a_path_that_cannot_be_is_refused_with_a_reason(void **state)
{
    (void)state;
    char at[256];
    snprintf(at, sizeof at, "%s/none/socket", folder);
    expect_refused(at, ERR_SYSTEM, "No such file or directory");
    memset(at, 'a', 200);
    at[200] = '\0';
    expect_refused(at, ERR_SYNTAX, "has at most 107 bytes");
}

// A start that fails at its last door leaves nothing of the others.
static void a_start_that_fails_leaves_no_socket(void **state)
{
    (void)state;
    struct server *s = open_at((struct server_options){.host = "127.0.0.1"});
    const struct server_options o = {
        .unix_path = path, .observe_host = "127.0.0.1", .observe_port = server_port(s)};
    struct server *other = NULL;
    struct fault f = {0};
    assert_int_equal(server_open(&o, tell_door, NULL, &other, &f), ERR_BUSY);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(errno, ENOENT);
    server_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_knows_the_door_it_came_in_by),
        cmocka_unit_test(a_server_may_have_a_unix_socket_alone),
        cmocka_unit_test(the_socket_has_its_mode_whatever_the_umask_is),
        cmocka_unit_test(a_socket_that_nobody_listens_at_is_replaced),
        cmocka_unit_test(what_is_there_already_stays_there),
        cmocka_unit_test(a_server_removes_only_its_own_socket),
        cmocka_unit_test(a_path_that_cannot_be_is_refused_with_a_reason),
        cmocka_unit_test(a_start_that_fails_leaves_no_socket),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
