// SPDX-License-Identifier: MIT
// raw_client.h: a client that sends exactly the bytes it is told to, for tests of the HTTP server.
//
// Every wait is for an event and ends the test when none comes for half a minute.

#ifndef CARILLON_TEST_RAW_CLIENT_H
#define CARILLON_TEST_RAW_CLIENT_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Not NULL: connections to a port speak TLS, as this context says.
extern SSL_CTX *raw_tls;

struct raw_client {
    int fd;
    SSL *ssl; // NULL: plain text.
    size_t n;
    char bytes[64 * 1024]; // Received and not yet taken, and a NUL.
};

struct raw_answer {
    unsigned status;
    char head[4 * 1024];  // With the status line, ending in NUL.
    char body[48 * 1024]; // Followed by NUL.
    size_t body_bytes;
};

void raw_open(struct raw_client *c, uint16_t port); // On 127.0.0.1.
// The same from another address of this machine, such as 127.0.0.2.
void raw_open_from(struct raw_client *c, uint16_t port, const char *source);
// The same to another address of this machine.
void raw_open_to(struct raw_client *c, const char *address, uint16_t port);
void raw_open_plain(struct raw_client *c, uint16_t port);   // Without TLS in any case.
void raw_open_unix(struct raw_client *c, const char *path); // To a Unix socket.
void raw_close(struct raw_client *c);

// Sends everything, or what the other side takes before it closes.
void raw_send(struct raw_client *c, const char *bytes, size_t n);
void raw_say(struct raw_client *c, const char *text);

// Makes a handshake. False: it failed.
bool raw_secure(struct raw_client *c, SSL_CTX *context);

// Waits for one whole answer. False when the connection ends before its first byte.
bool raw_receive(struct raw_client *c, struct raw_answer *a);
bool raw_receive_head_only(struct raw_client *c, struct raw_answer *a); // As after HEAD.

// Waits for bytes and takes some of them. 0 or less: the connection has ended.
ssize_t raw_read(struct raw_client *c, char *bytes, size_t n);

// Waits until something can be read, or the connection ends.
void raw_wait(struct raw_client *c);

// Waits for the end of the connection. False if bytes come instead.
bool raw_ended(struct raw_client *c);

// Copies a header's value to `out`. False when there is none.
bool raw_header(const struct raw_answer *a, const char *name, char *out, size_t capacity);

#endif
