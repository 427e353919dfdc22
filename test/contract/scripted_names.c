// SPDX-License-Identifier: MIT
// scripted_names.c: reads a question, and writes the rows of the table that answer it (RFC 1035).

#include "scripted_names.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_BYTES 512
#define HEADER_BYTES 12
#define TYPE_A 1
#define TYPE_AAAA 28
#define FLAGS_ANSWER 0x8180 // A response, recursion asked for and available.
#define CODE_NO_NAME 3
#define POINTER_TO_QUESTION 0xc00c
#define ANY_NAME "*"

struct asked {
    char name[256];
};

struct scripted_names {
    struct loop *loop;
    struct loop_source socket;
    const struct name_script *scripts;
    char server[32];
    struct asked *asked; // The names of the questions about IPv4.
    size_t asked_count;
    size_t asked_capacity;
};

struct message {
    unsigned char bytes[MESSAGE_BYTES];
    size_t count;
};

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static void set16(unsigned char *p, unsigned value)
{
    p[0] = (unsigned char)(value >> 8);
    p[1] = (unsigned char)value;
}

static void put16(struct message *m, unsigned value)
{
    set16(m->bytes + m->count, value);
    m->count += 2;
}

// Writes the name of the question in dots, and returns where its type stands.
static size_t read_name(const struct message *m, char out[static 256])
{
    size_t at = HEADER_BYTES;
    size_t used = 0;
    while (m->bytes[at]) {
        size_t n = m->bytes[at++];
        assert(n < 64 && at + n < m->count && used + n + 1 < 256);
        memcpy(out + used, m->bytes + at, n);
        used += n;
        out[used++] = '.';
        at += n;
    }
    out[used ? used - 1 : 0] = '\0';
    return at + 1;
}

static const struct name_script *script_of(const struct scripted_names *s, const char *name)
{
    for (const struct name_script *script = s->scripts; script->name; script++)
        if (strcasecmp(script->name, name) == 0 || strcmp(script->name, ANY_NAME) == 0)
            return script;
    return NULL;
}

static void put_addresses(struct message *m, const struct name_script *script, unsigned type)
{
    unsigned count = 0;
    for (size_t i = 0; i < NAME_ADDRESSES_MAX && script->addresses[i]; i++) {
        unsigned char address[sizeof(struct in6_addr)];
        const char *text = script->addresses[i];
        bool v6 = strchr(text, ':') != NULL;
        if (v6 != (type == TYPE_AAAA))
            continue;
        unsigned bytes = v6 ? 16 : 4;
        assert(inet_pton(v6 ? AF_INET6 : AF_INET, text, address) == 1);
        put16(m, POINTER_TO_QUESTION);
        put16(m, type);
        put16(m, 1); // IN
        put16(m, script->ttl_s >> 16);
        put16(m, script->ttl_s & 0xffff);
        put16(m, bytes);
        memcpy(m->bytes + m->count, address, bytes);
        m->count += bytes;
        count++;
    }
    set16(m->bytes + 6, count);
}

static void note(struct scripted_names *s, const char *name)
{
    s->asked = grow(s->asked, s->asked_count, &s->asked_capacity, sizeof *s->asked);
    snprintf(s->asked[s->asked_count++].name, sizeof s->asked->name, "%s", name);
}

static void socket_ready(void *context, uint32_t events)
{
    (void)events;
    struct scripted_names *s = context;
    struct message m;
    struct sockaddr_in from;
    socklen_t from_bytes = sizeof from;
    ssize_t n =
        recvfrom(s->socket.fd, m.bytes, sizeof m.bytes, 0, (struct sockaddr *)&from, &from_bytes);
    if (n <= HEADER_BYTES)
        return;
    m.count = (size_t)n;

    char name[256];
    size_t end = read_name(&m, name);
    unsigned type = get16(m.bytes + end);
    const struct name_script *script = script_of(s, name);
    if (type == TYPE_A)
        note(s, name);
    if (script && script->silent)
        return;
    m.count = end + 4;
    set16(m.bytes + 2, FLAGS_ANSWER | (script ? 0 : CODE_NO_NAME));
    memset(m.bytes + 6, 0, 6); // No answers, and nothing beside them.
    if (script)
        put_addresses(&m, script, type);
    sendto(s->socket.fd, m.bytes, m.count, 0, (struct sockaddr *)&from, from_bytes);
}

struct scripted_names *scripted_names_open(struct loop *l, const struct name_script *scripts)
{
    struct scripted_names *s = xcalloc(1, sizeof *s);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = bind(fd, (struct sockaddr *)&address, bytes);
    assert(rc == 0);
    getsockname(fd, (struct sockaddr *)&address, &bytes);
    snprintf(s->server, sizeof s->server, "127.0.0.1:%u", ntohs(address.sin_port));
    s->loop = l;
    s->scripts = scripts;
    s->socket = (struct loop_source){.fd = fd, .ready = socket_ready, .context = s};
    enum err err = loop_add(l, &s->socket, EPOLLIN, NULL);
    assert(!err);
    return s;
}

void scripted_names_close(struct scripted_names *s)
{
    loop_remove(s->loop, &s->socket);
    close(s->socket.fd);
    free(s->asked);
    free(s);
}

const char *scripted_names_server(const struct scripted_names *s)
{
    return s->server;
}

size_t scripted_names_questions(const struct scripted_names *s, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < s->asked_count; i++)
        count += strcasecmp(s->asked[i].name, name) == 0;
    return count;
}
