// SPDX-License-Identifier: MIT
// test_server_tls.c: handshakes that are made and those that are not, sessions that go on, clients
// that are known by their certificates, and files that change while the server runs.
//
// That everything else is the same over TLS is the matter of the other tests of the server, which
// run once more over it.

#include "authority.h"
#include "echo_server.h"
#include "raw_client.h"

#include "api/server_tls_priv.h"
#include "base/metrics.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GET "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"

static struct authority ours;
static struct authority others;
static struct signed_files server_files;

static int open_authorities(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    authority_open(&ours, "Ours");
    authority_open(&others, "Others");
    authority_sign(&ours, "server", "server", &server_files);
    return 0;
}

static int close_authorities(void **state)
{
    (void)state;
    authority_close(&ours);
    authority_close(&others);
    return 0;
}

static void tell_caller(void *context, struct exchange *x)
{
    (void)context;
    char text[512];
    snprintf(text, sizeof text, "%s %s", exchange_is_tls(x) ? "tls" : "plain", exchange_caller(x));
    exchange_answer(x, 200, "text/plain", strdup(text), strlen(text));
}

static struct server *open_secure(struct server_options o)
{
    struct fault f = {0};
    struct server *s = NULL;
    o.host = "127.0.0.1";
    o.tls_certificate = server_files.certificate;
    o.tls_key = server_files.key;
    if (server_open(&o, tell_caller, NULL, &s, &f) != ERR_OK)
        fail_msg("%s", f.text);
    return s;
}

static SSL_CTX *client_context(int version)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(c, version);
    SSL_CTX_set_max_proto_version(c, version);
    assert_int_equal(SSL_CTX_load_verify_file(c, ours.file), 1);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    return c;
}

static void expect_caller(struct raw_client *c, const char *expected)
{
    struct raw_answer a;
    raw_say(c, GET);
    assert_true(raw_receive(c, &a));
    expect_text(&a, 200, expected);
}

// --- Handshakes ----------------------------------------------------------------------------------

static void tls_1_2_and_1_3_are_spoken_and_nothing_older(void **state)
{
    (void)state;
    static const struct {
        int version;
        bool good;
    } cases[] = {{TLS1_1_VERSION, false}, {TLS1_2_VERSION, true}, {TLS1_3_VERSION, true}};
    struct server *s = open_secure((struct server_options){0});
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct raw_client client;
        SSL_CTX *c = client_context(cases[i].version);
        SSL_CTX_set_security_level(c, 0); // Else our own side would refuse the old version.
        raw_open(&client, server_port(s));
        assert_int_equal(raw_secure(&client, c), cases[i].good);
        if (cases[i].good)
            expect_caller(&client, "tls 127.0.0.1");
        raw_close(&client);
        SSL_CTX_free(c);
    }
    server_close(s);
}

static void the_protocol_is_http_1_1_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *offered, *chosen; // NULL: the handshake fails.
    } cases[] = {{"", ""},
                 {"\x08http/1.1", "http/1.1"},
                 {"\x02h2\x08http/1.1", "http/1.1"},
                 {"\x02h2", NULL}};
    struct server *s = open_secure((struct server_options){0});
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct raw_client client;
        const unsigned char *chosen;
        unsigned bytes;
        SSL_CTX *c = client_context(TLS1_3_VERSION);
        SSL_CTX_set_alpn_protos(c, (const unsigned char *)cases[i].offered,
                                (unsigned)strlen(cases[i].offered));
        raw_open(&client, server_port(s));
        assert_int_equal(raw_secure(&client, c), cases[i].chosen != NULL);
        if (cases[i].chosen) {
            SSL_get0_alpn_selected(client.ssl, &chosen, &bytes);
            assert_int_equal(bytes, strlen(cases[i].chosen));
            assert_true(bytes == 0 || memcmp(chosen, cases[i].chosen, bytes) == 0);
        }
        raw_close(&client);
        SSL_CTX_free(c);
    }
    server_close(s);
}

static SSL_SESSION *kept;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

// Asks once; whether the session before was gone on with.
static bool ask_again(struct server *s, SSL_CTX *c, const char *caller)
{
    struct raw_client client;
    raw_open_plain(&client, server_port(s));
    client.ssl = SSL_new(c);
    SSL_set_fd(client.ssl, client.fd);
    if (kept)
        SSL_set_session(client.ssl, kept);
    assert_int_equal(SSL_connect(client.ssl), 1);
    bool resumed = SSL_session_reused(client.ssl);
    expect_caller(&client, caller);
    SSL_shutdown(client.ssl);
    raw_close(&client);
    return resumed;
}

static SSL_CTX *resuming_context(int version)
{
    SSL_CTX *c = client_context(version);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(c, keep);
    return c;
}

static void forget(SSL_CTX *c)
{
    SSL_SESSION_free(kept);
    kept = NULL;
    SSL_CTX_free(c);
}

static void sessions_are_resumed_until_the_files_are_read_again(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct server *s = open_secure((struct server_options){0});
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_CTX *c = resuming_context(versions[i]);
        int64_t before = metric_get(METRIC_tls_handshakes_resumed);
        assert_false(ask_again(s, c, "tls 127.0.0.1"));
        assert_true(ask_again(s, c, "tls 127.0.0.1"));
        assert_true(ask_again(s, c, "tls 127.0.0.1"));
        assert_int_equal(metric_get(METRIC_tls_handshakes_resumed), before + 2);
        assert_int_equal(server_reload(s, NULL), ERR_OK);
        assert_false(ask_again(s, c, "tls 127.0.0.1"));
        forget(c);
    }
    server_close(s);
}

// A new handshake on an old connection is the classic way to make a server work for nothing.
static void renegotiation_is_refused(void **state)
{
    (void)state;
    struct server *s = open_secure((struct server_options){0});
    struct raw_client client;
    SSL_CTX *c = client_context(TLS1_2_VERSION);
    raw_open(&client, server_port(s));
    assert_true(raw_secure(&client, c));
    expect_caller(&client, "tls 127.0.0.1");
    assert_int_equal(SSL_renegotiate(client.ssl), 1);
    assert_int_not_equal(SSL_do_handshake(client.ssl), 1);
    raw_close(&client);
    SSL_CTX_free(c);
    server_close(s);
}

static void keys_may_be_renewed_between_requests(void **state)
{
    (void)state;
    struct server *s = open_secure((struct server_options){0});
    struct raw_client client;
    SSL_CTX *c = client_context(TLS1_3_VERSION);
    raw_open(&client, server_port(s));
    assert_true(raw_secure(&client, c));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        expect_caller(&client, "tls 127.0.0.1");
    }
    raw_close(&client);
    SSL_CTX_free(c);
    server_close(s);
}

// --- Failures ------------------------------------------------------------------------------------

static void plain_http_is_told_that_this_is_tls(void **state)
{
    (void)state;
    static const char *const requests[] = {GET, "DELETE /jobs/1 HTTP/1.1\r\nHost: h\r\n\r\n", "x"};
    struct server *s = open_secure((struct server_options){0});
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct raw_client client;
        struct raw_answer a;
        raw_open(&client, server_port(s));
        raw_say(&client, requests[i]);
        assert_true(raw_receive(&client, &a));
        expect_text(&a, 400, "this port speaks TLS; ask by https\n");
        expect_header(&a, "Connection", "close");
        assert_true(raw_ended(&client));
        raw_close(&client);
    }
    server_close(s);
}

static void nonsense_ends_the_connection_and_is_counted(void **state)
{
    (void)state;
    static const char *const nonsense[] = {"\x16\x03\x01\x02\x01", "\x16\xff\xff\xff\xff\xff",
                                           "\x80\x2e\x01\x03\x01", "\r\n\r\n",
                                           "\x16\x03\x01\xff\xff\x01\x01\x01\x01"};
    struct server *s = open_secure((struct server_options){.handshake_timeout_ms = 50});
    for (size_t i = 0; i < COUNT_OF(nonsense); i++) {
        struct raw_client client;
        int64_t before = metric_get(METRIC_tls_handshakes_failed);
        raw_open(&client, server_port(s));
        raw_say(&client, nonsense[i]);
        char byte;
        while (raw_read(&client, &byte, 1) > 0) // An alert, perhaps.
            ;
        assert_int_equal(metric_get(METRIC_tls_handshakes_failed), before + 1);
        raw_close(&client);
    }
    server_close(s);
}

static void whoever_says_nothing_in_time_is_out(void **state)
{
    (void)state;
    struct server *s = open_secure((struct server_options){.handshake_timeout_ms = 50});
    struct raw_client silent, slow;
    int64_t before = metric_get(METRIC_tls_handshakes_failed);
    raw_open(&silent, server_port(s));
    raw_open(&slow, server_port(s));
    raw_say(&slow, "\x16");
    assert_true(raw_ended(&silent));
    assert_true(raw_ended(&slow));
    assert_int_equal(metric_get(METRIC_tls_handshakes_failed), before + 2);
    raw_close(&silent);
    raw_close(&slow);
    server_close(s);
}

// Monitors of ports do that all day.
static void a_connection_that_is_closed_at_once_is_no_failure(void **state)
{
    (void)state;
    struct server *s = open_secure((struct server_options){0});
    struct raw_client client;
    int64_t before = metric_get(METRIC_tls_handshakes_failed);
    raw_open(&client, server_port(s));
    shutdown(client.fd, SHUT_WR);
    assert_true(raw_ended(&client));
    raw_close(&client);
    assert_int_equal(metric_get(METRIC_tls_handshakes_failed), before);
    server_close(s);
}

static void a_server_closes_with_handshakes_under_way(void **state)
{
    (void)state;
    struct server *s = open_secure((struct server_options){0});
    struct raw_client client;
    raw_open(&client, server_port(s));
    raw_say(&client, "\x16\x03");
    while (server_connections(s) == 0)
        usleep(100);
    server_close(s);
    assert_true(raw_ended(&client));
    raw_close(&client);
}

// A streaming answer and its owner, who waits for the end.
static atomic_bool over;
static _Atomic(struct exchange *) streaming;

static void note_over(void *context)
{
    (void)context;
    atomic_store(&over, true);
}

static void note_room(void *context)
{
    (void)context;
}

static void stream(void *context, struct exchange *x)
{
    static const struct exchange_stream_calls calls = {note_room, note_over, NULL};
    (void)context;
    exchange_stream_begin(x, 200, "text/plain", &calls);
    atomic_store(&streaming, x);
}

// Bytes that are no record come behind a request, and more of them: they must not keep the server
// busy until the stream ends, which may be never.
static void a_client_that_breaks_tls_during_a_stream_has_gone(void **state)
{
    (void)state;
    struct server *s = NULL;
    const struct server_options o = {.host = "127.0.0.1",
                                     .tls_certificate = server_files.certificate,
                                     .tls_key = server_files.key};
    assert_int_equal(server_open(&o, stream, NULL, &s, NULL), ERR_OK);
    SSL_CTX *c = client_context(TLS1_3_VERSION);
    struct raw_client client;
    struct raw_answer a;
    atomic_store(&over, false);
    raw_open(&client, server_port(s));
    assert_true(raw_secure(&client, c));
    raw_say(&client, GET);
    assert_true(raw_receive_head_only(&client, &a));
    char garbage[4096];
    memset(garbage, 'x', sizeof garbage);
    assert_true(send(client.fd, garbage, sizeof garbage, MSG_NOSIGNAL) > 0);
    while (!atomic_load(&over))
        usleep(100);
    exchange_stream_end(atomic_load(&streaming));
    raw_close(&client);
    SSL_CTX_free(c);
    server_close(s);
}

// --- Clients with certificates -------------------------------------------------------------------

static bool connects_as(struct server *s, const struct signed_files *files, int version,
                        const char *caller)
{
    struct raw_client client;
    struct raw_answer a;
    SSL_CTX *c = client_context(version);
    if (files) {
        assert_int_equal(SSL_CTX_use_certificate_chain_file(c, files->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(c, files->key, SSL_FILETYPE_PEM), 1);
    }
    raw_open(&client, server_port(s));
    // In TLS 1.3 a client hears only after its handshake that its certificate is not wanted.
    bool good = raw_secure(&client, c);
    if (good) {
        raw_say(&client, GET);
        good = raw_receive(&client, &a);
    }
    if (good)
        expect_text(&a, 200, caller);
    raw_close(&client);
    SSL_CTX_free(c);
    return good;
}

static void only_clients_of_the_authority_get_in_and_are_known(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct signed_files alice, mallory, nameless;
    authority_sign(&ours, "alice", "alice\n\xc3\xa4, the first", &alice);
    authority_sign(&ours, "nameless", "", &nameless);
    authority_sign(&others, "mallory", "alice", &mallory);
    struct server *s = open_secure((struct server_options){.tls_client_ca = ours.file});
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        int v = versions[i];
        assert_true(connects_as(s, &alice, v, "tls 127.0.0.1 CN=alice\\0A\\C3\\A4\\, the first"));
        assert_true(connects_as(s, &nameless, v, "tls 127.0.0.1 DNS:localhost"));
        assert_false(connects_as(s, &mallory, v, NULL));
        assert_false(connects_as(s, NULL, v, NULL));
    }
    server_close(s);
}

static void a_resumed_session_knows_its_client(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct signed_files alice;
    authority_sign(&ours, "alice", "alice", &alice);
    struct server *s = open_secure((struct server_options){.tls_client_ca = ours.file});
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_CTX *c = resuming_context(versions[i]);
        assert_int_equal(SSL_CTX_use_certificate_chain_file(c, alice.certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(c, alice.key, SSL_FILETYPE_PEM), 1);
        assert_false(ask_again(s, c, "tls 127.0.0.1 CN=alice"));
        assert_true(ask_again(s, c, "tls 127.0.0.1 CN=alice"));
        forget(c);
    }
    server_close(s);
}

// --- Files ---------------------------------------------------------------------------------------

static long serial_at(struct server_tls *t)
{
    SSL *ssl = server_tls_accept(t, -1);
    long serial = ASN1_INTEGER_get(X509_get0_serialNumber(SSL_get_certificate(ssl)));
    SSL_free(ssl);
    return serial;
}

static void copy(const char *from, const char *to)
{
    char text[8192];
    FILE *in = fopen(from, "r");
    size_t bytes = fread(text, 1, sizeof text, in);
    fclose(in);
    FILE *out = fopen(to, "w");
    fwrite(text, 1, bytes, out);
    fclose(out);
}

// The new pair arrives one file after the other: what does not fit together does not count.
static void renewed_files_count_when_they_fit_together(void **state)
{
    (void)state;
    struct signed_files used, renewed;
    struct server_tls *t;
    authority_sign(&ours, "used", "a", &used);
    authority_sign(&ours, "renewed", "a", &renewed);
    const struct server_tls_files files = {.certificate = used.certificate, .key = used.key};
    assert_int_equal(server_tls_open(&files, &t, NULL), ERR_OK);
    mono_ms now = clock_mono_ms();
    long first = serial_at(t);

    copy(renewed.certificate, used.certificate);
    server_tls_look(t, now += 100); // Looked at a moment ago.
    assert_int_equal(serial_at(t), first);
    server_tls_look(t, now += 3000); // The certificate is not that of the key.
    assert_int_equal(serial_at(t), first);
    server_tls_look(t, now += 3000); // Nothing new: not even tried.
    assert_int_equal(serial_at(t), first);
    copy(renewed.key, used.key);
    server_tls_look(t, now += 3000);
    long second = serial_at(t);
    assert_int_not_equal(second, first);

    unlink(used.key);
    server_tls_look(t, now += 3000);
    assert_int_equal(serial_at(t), second);
    struct fault f = {0};
    assert_int_equal(server_tls_reload(t, &f), ERR_SYNTAX);
    assert_non_null(strstr(f.text, "No such file or directory"));
    assert_int_equal(serial_at(t), second);
    server_tls_close(t);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void files_that_cannot_be_used_are_named(void **state)
{
    (void)state;
    struct signed_files other;
    char none[160], text[160], locked[160];
    authority_sign(&ours, "other", "a", &other);
    snprintf(none, sizeof none, "%s/none", ours.folder);
    snprintf(text, sizeof text, "%s/text", ours.folder);
    snprintf(locked, sizeof locked, "%s/locked", ours.folder);
    write_text(text, "no certificate\n");
    write_text(locked, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
                       "-----END ENCRYPTED PRIVATE KEY-----\n");
    const char *certificate = server_files.certificate;
    const char *key = server_files.key;
    const struct {
        struct server_tls_files files;
        const char *named, *why;
    } cases[] = {
        {{none, key, NULL}, none, "cannot read the certificate in"},
        {{text, key, NULL}, text, "cannot read the certificate in"},
        {{certificate, none, NULL}, none, "cannot read the key in"},
        {{certificate, text, NULL}, text, "cannot read the key in"},
        {{certificate, locked, NULL}, locked, "cannot read the key in"},
        {{certificate, other.key, NULL}, other.key, "is not that of the certificate in"},
        {{certificate, key, none}, none, "cannot read the certificates for clients in"},
        {{certificate, key, text}, text, "cannot read the certificates for clients in"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct server_tls *t = NULL;
        struct fault f = {0};
        assert_int_equal(server_tls_open(&cases[i].files, &t, &f), ERR_SYNTAX);
        assert_null(t);
        if (!strstr(f.text, cases[i].named) || !strstr(f.text, cases[i].why))
            fail_msg("%s", f.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_1_2_and_1_3_are_spoken_and_nothing_older),
        cmocka_unit_test(the_protocol_is_http_1_1_or_none),
        cmocka_unit_test(sessions_are_resumed_until_the_files_are_read_again),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(keys_may_be_renewed_between_requests),
        cmocka_unit_test(plain_http_is_told_that_this_is_tls),
        cmocka_unit_test(nonsense_ends_the_connection_and_is_counted),
        cmocka_unit_test(whoever_says_nothing_in_time_is_out),
        cmocka_unit_test(a_connection_that_is_closed_at_once_is_no_failure),
        cmocka_unit_test(a_server_closes_with_handshakes_under_way),
        cmocka_unit_test(a_client_that_breaks_tls_during_a_stream_has_gone),
        cmocka_unit_test(only_clients_of_the_authority_get_in_and_are_known),
        cmocka_unit_test(a_resumed_session_knows_its_client),
        cmocka_unit_test(renewed_files_count_when_they_fit_together),
        cmocka_unit_test(files_that_cannot_be_used_are_named),
    };
    return cmocka_run_group_tests(tests, open_authorities, close_authorities);
}
