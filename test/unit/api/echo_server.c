// SPDX-License-Identifier: MIT
// echo_server.c: the handler that tells what it has seen, and what tests expect of its answers.

#include "echo_server.h"

#include "authority.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void echo(void *context, struct exchange *x)
{
    (void)context;
    static const size_t capacity = 40 * 1024;
    char *out = malloc(capacity);
    size_t bytes;
    const char *body = exchange_body(x, &bytes);
    assert_int_equal(body[bytes], '\0');
    int n = snprintf(out, capacity, "%s %s [", exchange_method(x), exchange_target(x));
    for (size_t i = 0; i < exchange_segments(x); i++)
        n += snprintf(out + n, capacity - (size_t)n, "%s|", exchange_segment(x, i));
    n += snprintf(out + n, capacity - (size_t)n, "] {");
    for (size_t i = 0; i < exchange_parameters(x); i++)
        n += snprintf(out + n, capacity - (size_t)n, "%s=%s|", exchange_parameter_name(x, i),
                      exchange_parameter_value(x, i));
    n += snprintf(out + n, capacity - (size_t)n, "} #%zu %.20s", bytes, body);
    exchange_answer(x, 200, "text/plain", out, (size_t)n);
}

char *coded_error(void *context, const struct refusal *r, size_t *bytes)
{
    (void)context;
    char text[256];
    snprintf(text, sizeof text, "{\"status\":%u,\"detail\":\"%s\",\"instance\":\"%s\"}", r->status,
             r->detail, r->request_id);
    *bytes = strlen(text);
    return strdup(text);
}

static struct authority authority;
static struct signed_files files;

void speak_tls(void)
{
    signal(SIGPIPE, SIG_IGN); // OpenSSL writes to sockets of servers that have ended.
    authority_open(&authority, "Test");
    authority_sign(&authority, "server", "server", &files);
    raw_tls = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_file(raw_tls, authority.file), 1);
    SSL_CTX_set_verify(raw_tls, SSL_VERIFY_PEER, NULL);
}

void speak_plain(void)
{
    SSL_CTX_free(raw_tls);
    raw_tls = NULL;
    authority_close(&authority);
}

struct server *open_server(struct server_options o, server_handler *handler, void *context)
{
    struct fault f = {0};
    struct server *s = NULL;
    o.host = "127.0.0.1";
    if (raw_tls) {
        o.tls_certificate = files.certificate;
        o.tls_key = files.key;
    }
    if (server_open(&o, handler, context, &s, &f) != ERR_OK)
        fail_msg("%s", f.text);
    return s;
}

int open_echo(void **state)
{
    const struct server_options o = {.error_body = coded_error, .headers = "X-Every: answer\r\n"};
    *state = open_server(o, echo, NULL);
    return 0;
}

int close_echo(void **state)
{
    server_close(*state);
    return 0;
}

void expect_text(const struct raw_answer *a, unsigned status, const char *body)
{
    if (a->status != status)
        fail_msg("status %u, expected %u: %s", a->status, status, a->body);
    assert_string_equal(a->body, body);
}

void expect_header(const struct raw_answer *a, const char *name, const char *value)
{
    char found[256];
    assert_true(raw_header(a, name, found, sizeof found));
    assert_string_equal(found, value);
}
