// SPDX-License-Identifier: MIT
// address.c: where the server listens, as it stands in settings: HOST:PORT, unix:PATH, PATH,MODE.

#include "app/app_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_port(const char *text, uint16_t *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > 65535)
        return false;
    *out = (uint16_t)value;
    return true;
}

enum err app__address_parse(const char *setting, const char *text, struct listen_address *out,
                            struct fault *f)
{
    struct listen_address a = {0};
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !parse_port(colon + 1, &a.port))
        return fault_set(f, ERR_SYNTAX, "--%s: \"%s\" is not HOST:PORT, such as 127.0.0.1:3000",
                         setting, text);
    const char *from = text;
    size_t bytes = (size_t)(colon - text);
    if (*from == '[' && colon[-1] == ']') {
        from++;
        bytes -= 2;
    }
    if (bytes >= sizeof a.host)
        return fault_set(f, ERR_SYNTAX, "--%s: the host is too long", setting);
    memcpy(a.host, from, bytes);
    *out = a;
    return ERR_OK;
}

// "660" or "0660". Whoever cannot write to a socket cannot connect, and executing one means
// nothing.
static bool parse_mode(const char *text, unsigned *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);
    if (*text < '0' || *text > '7' || *end || value > 0777 || (value & 0600) != 0600)
        return false;
    *out = (unsigned)value;
    return true;
}

enum err app__socket_parse(const char *setting, const char *text, struct listen_address *out,
                           struct fault *f)
{
    struct listen_address a = {.mode = LISTEN_MODE};
    const char *comma = strrchr(text, ',');
    size_t bytes = comma ? (size_t)(comma - text) : strlen(text);
    if (bytes == 0)
        return fault_set(f, ERR_SYNTAX, "--%s: the path of the socket is missing", setting);
    if (comma && !parse_mode(comma + 1, &a.mode))
        return fault_set(
            f, ERR_SYNTAX,
            "--%s: \"%s\" is not the mode of a file that its owner can read and write, "
            "such as 600 or 660",
            setting, comma + 1);
    if (bytes >= sizeof a.path)
        return fault_set(f, ERR_SYNTAX, "--%s: the path of a Unix socket has at most %zu bytes",
                         setting, sizeof a.path - 1);
    memcpy(a.path, text, bytes);
    *out = a;
    return ERR_OK;
}

enum err app__listen_parse(const struct settings *s, struct listening *out, struct fault *f)
{
    static const char prefix[] = "unix:";
    bool is_socket = strncmp(s->listen, prefix, strlen(prefix)) == 0;
    enum err err;
    if (is_socket)
        err = app__socket_parse("listen", s->listen + strlen(prefix), &out->local, f);
    else
        err = app__address_parse("listen", s->listen, &out->api, f);
    if (!err && s->listen_observe[0])
        err = app__address_parse("listen-observe", s->listen_observe, &out->observe, f);
    if (err || !s->listen_unix[0])
        return err;
    if (is_socket)
        return fault_set(f, ERR_SYNTAX, "--listen-unix: --listen names a Unix socket already");
    return app__socket_parse("listen-unix", s->listen_unix, &out->local, f);
}
