// SPDX-License-Identifier: MIT
// echo_server.h: a server for tests whose handler tells what it has seen.

#ifndef CARILLON_TEST_ECHO_SERVER_H
#define CARILLON_TEST_ECHO_SERVER_H

#include "api/server_priv.h"
#include "raw_client.h"

// A server on 127.0.0.1 and a port of the kernel's choice.
struct server *open_server(struct server_options o, server_handler *handler, void *context);

// From now on servers are opened with TLS, and raw clients speak it; until speak_plain.
void speak_tls(void);
void speak_plain(void);

// "GET /x [segment|segment|] {name=value|} #bytes-of-body first-bytes-of-body"
void echo(void *context, struct exchange *x);

// The body of a refusal as JSON: status, detail and instance.
char *coded_error(void *context, const struct refusal *r, size_t *bytes);

// For cmocka's group: *state becomes an echoing server whose refusals are coded, and whose answers
// all have the header "X-Every: answer".
int open_echo(void **state);
int close_echo(void **state);

void expect_text(const struct raw_answer *a, unsigned status, const char *body);
void expect_header(const struct raw_answer *a, const char *name, const char *value);

#endif
