// SPDX-License-Identifier: MIT
// address.c: HOST:PORT as it stands in --listen.

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

enum err app__address_parse(const char *text, char *host, size_t host_bytes, uint16_t *port,
                            struct fault *f)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !parse_port(colon + 1, port))
        return fault_set(f, ERR_SYNTAX, "--listen: \"%s\" is not HOST:PORT, such as 127.0.0.1:3000",
                         text);
    const char *from = text;
    size_t bytes = (size_t)(colon - text);
    if (*from == '[' && colon[-1] == ']') {
        from++;
        bytes -= 2;
    }
    if (bytes >= host_bytes)
        return fault_set(f, ERR_SYNTAX, "--listen: the host is too long");
    memcpy(host, from, bytes);
    host[bytes] = '\0';
    return ERR_OK;
}
