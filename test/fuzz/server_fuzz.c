// SPDX-License-Identifier: MIT
// server_fuzz.c: any bytes from a client of the HTTP server, cut at any place.
//
// The first byte chooses how the rest is cut into pieces and how the handler answers: at once, in
// a later turn, or as a stream. The server's thread is driven by hand over one end of a pair of
// sockets. A second, naive reader says what each request is, from the bytes as they were sent: for
// every request that the server has handed to the handler, both must see the same method, target
// and body, and the client must get one good answer for each and at most one refusal behind them.

#define _GNU_SOURCE // memmem

#include "api/server_inside_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define INPUT_BYTES_MAX (64 * 1024)
#define BODY_BYTES_MAX 2048

enum manner { AT_ONCE, LATER, STATIC, STREAM };

static struct server *server;
static struct server_thread *thread;
static enum manner manner;
static struct exchange *waiting; // The exchange whose answer comes in a later turn.

// What is left of the bytes for the naive reader, and what it has read so far.
static const char *input;
static size_t input_bytes;
static size_t requests;

// --- The naive reader ----------------------------------------------------------------------------

static char *find(const char *in, size_t bytes, const char *what)
{
    return memmem(in, bytes, what, strlen(what));
}

// The value of a header in the text of a head, without blanks around it; "" when there is none.
static void naive_header(const char *head, const char *name, char out[static 64])
{
    out[0] = '\0';
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        size_t length = strlen(name);
        if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':')
            continue;
        sscanf(line + 2 + length + 1, " %63[^ \t\r]", out);
    }
}

// Takes a body off the input.
static size_t naive_body(const char *head, char out[static BODY_BYTES_MAX])
{
    char length[64], encoding[64];
    naive_header(head, "Content-Length", length);
    naive_header(head, "Transfer-Encoding", encoding);
    size_t n = 0;
    if (!*encoding) {
        n = strtoul(length, NULL, 10);
        assert(n <= BODY_BYTES_MAX && n <= input_bytes);
        memcpy(out, input, n);
        input += n, input_bytes -= n;
        return n;
    }
    size_t size;
    do {
        const char *line_end = find(input, input_bytes, "\r\n");
        assert(line_end);
        size = strtoul(input, NULL, 16);
        input_bytes -= (size_t)(line_end + 2 - input);
        input = line_end + 2;
        assert(n + size <= BODY_BYTES_MAX && size + 2 <= input_bytes);
        memcpy(out + n, input, size);
        n += size;
        input += size, input_bytes -= size;
        if (size > 0)
            input += 2, input_bytes -= 2;
    } while (size > 0);
    while (memcmp(input, "\r\n", 2) != 0) { // Trailers.
        const char *line_end = find(input, input_bytes, "\r\n");
        assert(line_end);
        input_bytes -= (size_t)(line_end + 2 - input);
        input = line_end + 2;
    }
    input += 2, input_bytes -= 2;
    return n;
}

struct naive_request {
    char head[INPUT_BYTES_MAX + 1];
    size_t method_bytes; // The target begins one byte later.
    size_t target_bytes;
    char body[BODY_BYTES_MAX];
    size_t body_bytes;
};

// Takes a whole request off the input.
static void naive_read(struct naive_request *r)
{
    if (input_bytes >= 2 && memcmp(input, "\r\n", 2) == 0)
        input += 2, input_bytes -= 2;
    const char *end = find(input, input_bytes, "\r\n\r\n");
    assert(end);
    size_t head_bytes = (size_t)(end + 2 - input);
    memcpy(r->head, input, head_bytes);
    r->head[head_bytes] = '\0';
    input += head_bytes + 2, input_bytes -= head_bytes + 2;
    r->method_bytes = strcspn(r->head, " ");
    r->target_bytes = strcspn(r->head + r->method_bytes + 1, " ");
    r->body_bytes = naive_body(r->head, r->body);
}

// The server refuses a request whose target cannot be decoded by itself, and goes on.
static bool target_is_good(const struct naive_request *r)
{
    struct arena arena = {0};
    struct target target;
    const char *detail;
    const char *text = arena_copy(&arena, r->head + r->method_bytes + 1, r->target_bytes);
    bool good = target_parse(text, &arena, &target, &detail);
    arena_clear(&arena);
    return good;
}

static bool is_text(const char *text, const char *bytes, size_t n)
{
    return strlen(text) == n && memcmp(text, bytes, n) == 0;
}

static void check_request(struct exchange *x)
{
    static struct naive_request r;
    do
        naive_read(&r);
    while (!target_is_good(&r));
    bool is_head = is_text("HEAD", r.head, r.method_bytes);
    assert(is_head ? strcmp(exchange_method(x), "GET") == 0
                   : is_text(exchange_method(x), r.head, r.method_bytes));
    assert(is_text(exchange_target(x), r.head + r.method_bytes + 1, r.target_bytes));
    size_t bytes;
    const char *body = exchange_body(x, &bytes);
    assert(bytes == r.body_bytes && memcmp(body, r.body, bytes) == 0 && body[bytes] == '\0');
    requests++;
}

// --- The handler ---------------------------------------------------------------------------------

static void ignore(void *context)
{
    (void)context;
}

static void answer(struct exchange *x)
{
    static const struct exchange_stream_calls calls = {ignore, ignore, NULL};
    exchange_add_header(x, "X-Peer", exchange_peer(x));
    if (manner == STREAM) {
        exchange_stream_begin(x, 200, "text/plain", &calls);
        (void)!exchange_stream_write(x, "ok", 2);
        exchange_stream_end(x);
    } else if (manner == STATIC) {
        exchange_answer_static(x, 200, "text/plain", "ok", 2);
    } else {
        exchange_answer(x, 200, "text/plain", strdup("ok"), 2);
    }
}

static void handle(void *context, struct exchange *x)
{
    (void)context;
    for (size_t i = 0; i < x->client->guard.headers_count; i++)
        (void)exchange_header(x, guard_header_name(&x->client->guard, i));
    check_request(x);
    assert(!waiting);
    if (manner == LATER)
        waiting = x;
    else
        answer(x);
}

// --- One input -----------------------------------------------------------------------------------

static void open_server(void)
{
    static const struct server_options o = {.threads = 1,
                                            .uri_bytes_max = 256,
                                            .head_bytes_max = 1024,
                                            .headers_max = 16,
                                            .body_bytes_max = BODY_BYTES_MAX};
    server = server__new(&o, handle, NULL);
    enum err err = server_thread__open(server, &server->threads[0], NULL);
    assert(!err);
    (void)err;
    server->threads_count = 1;
    thread = server->threads[0];
}

static int connect_client(void)
{
    int ends[2];
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
    assert(rc == 0);
    (void)rc;
    struct arrival a = {.fd = ends[1]};
    a.peer.v4.sin_family = AF_INET;
    a.local = a.peer;
    server_thread__arrive(thread, &a);
    return ends[0];
}

// What the client has received.
struct received {
    char text[4 * INPUT_BYTES_MAX];
    size_t bytes;
};

static void turn(int fd, struct received *r)
{
    if (waiting) {
        struct exchange *x = waiting;
        waiting = NULL;
        answer(x);
    }
    server_thread__turn(thread, 0);
    ssize_t got = recv(fd, r->text + r->bytes, sizeof r->text - 1 - r->bytes, MSG_DONTWAIT);
    r->bytes += got > 0 ? (size_t)got : 0;
    assert(r->bytes < sizeof r->text - 1);
}

static size_t count(const struct received *r, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(r->text, what); at; at = strstr(at + 1, what))
        n++;
    return n;
}

// Each request that was handed on has its good answer. A refusal that ends the connection comes
// once, behind all of them.
static void check_answers(const struct received *r)
{
    assert(count(r, "HTTP/1.1 200 OK\r\n") == requests);
    assert(count(r, "Connection: close\r\n") <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct received received;
    if (!server)
        open_server();
    if (bytes == 0 || bytes > INPUT_BYTES_MAX)
        return 0;
    input = (const char *)data + 1;
    input_bytes = bytes - 1;
    requests = 0;
    manner = (enum manner)(data[0] >> 6);
    size_t root = data[0] & 0x3fU;
    size_t piece = 1 + root * root;
    received.bytes = 0;

    const char *at = input;
    const char *end = input + input_bytes;
    int fd = connect_client();
    while (at < end) {
        ssize_t sent = send(fd, at, MIN(piece, (size_t)(end - at)), MSG_NOSIGNAL);
        at = sent < 0 ? end : at + sent; // The server may have closed.
        turn(fd, &received);
    }
    shutdown(fd, SHUT_WR);
    for (size_t quiet = 0, before; quiet < 3; quiet = before < received.bytes ? 0 : quiet + 1) {
        before = received.bytes;
        turn(fd, &received);
    }
    received.text[received.bytes] = '\0';
    close(fd);
    turn(fd, &received);
    server_thread__close_connections(thread);
    check_answers(&received);
    return 0;
}
