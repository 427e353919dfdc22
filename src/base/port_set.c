// SPDX-License-Identifier: MIT
// port_set.c: a bit for each port.

#include "base/port_set.h"

#include <stdio.h>
#include <string.h>

#define ENTRY_BYTES_MAX 32

static const struct {
    uint16_t port;
    const char *protocol;
} unsafe[] = {
#define PORT(number, protocol) {(number), (protocol)},
#include "base/unsafe_ports.def"
#undef PORT
};

bool port_set_has(const struct port_set *s, uint16_t port)
{
    return s->bits[port / 64] >> (port % 64) & 1;
}

static void add_range(struct port_set *s, unsigned first, unsigned last)
{
    for (unsigned port = first; port <= last; port++)
        s->bits[port / 64] |= UINT64_C(1) << (port % 64);
}

void port_set_remove(struct port_set *from, const struct port_set *what)
{
    for (size_t i = 0; i < COUNT_OF(from->bits); i++)
        from->bits[i] &= ~what->bits[i];
}

const char *port_protocol(uint16_t port)
{
    for (size_t i = 0; i < COUNT_OF(unsafe); i++) {
        if (unsafe[i].port == port)
            return unsafe[i].protocol;
    }
    return NULL;
}

// "25" or "8000-8080".
static bool read_range(const char *entry, unsigned *first, unsigned *last)
{
    int end = 0;
    if (sscanf(entry, "%5u%n", first, &end) != 1)
        return false;
    *last = *first;
    if (entry[end] == '-') {
        int more = 0;
        if (sscanf(entry + end + 1, "%5u%n", last, &more) != 1)
            return false;
        end += 1 + more;
    }
    bool digits = strspn(entry, "0123456789-") == (size_t)end;
    return digits && !entry[end] && 0 < *first && *first <= *last && *last <= UINT16_MAX;
}

static enum err add_entry(struct port_set *s, const char *entry, struct fault *f)
{
    unsigned first, last;
    if (strcmp(entry, "all") == 0) {
        add_range(s, 0, UINT16_MAX);
    } else if (strcmp(entry, PORT_SET_UNSAFE) == 0) {
        for (size_t i = 0; i < COUNT_OF(unsafe); i++)
            add_range(s, unsafe[i].port, unsafe[i].port);
    } else if (read_range(entry, &first, &last)) {
        add_range(s, first, last);
    } else {
        return fault_set(f, ERR_SYNTAX,
                         "\"%s\" is neither a port, a range such as 8000-8080, unsafe nor all",
                         entry);
    }
    return ERR_OK;
}

enum err port_set_parse(const char *text, struct port_set *out, struct fault *f)
{
    struct port_set s = {0};
    enum err err = ERR_OK;
    while (*text && !err) {
        char entry[ENTRY_BYTES_MAX];
        size_t bytes = strcspn(text, ", ");
        if (bytes >= sizeof entry)
            return fault_set(f, ERR_SYNTAX, "\"%.20s...\" is no port", text);
        memcpy(entry, text, bytes);
        entry[bytes] = '\0';
        text += bytes;
        text += strspn(text, ", ");
        if (bytes > 0)
            err = add_entry(&s, entry, f);
    }
    if (!err)
        *out = s;
    return err;
}
