// SPDX-License-Identifier: MIT
// port_set.h: sets of TCP ports, as lists of people: "unsafe", "25,8000-8080", "all", or empty.
//
// "unsafe" are the ports of unsafe_ports.def: servers there expect another protocol than HTTP, or
// obey any client that reaches them.

#ifndef CARILLON_BASE_PORT_SET_H
#define CARILLON_BASE_PORT_SET_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define PORT_SET_UNSAFE "unsafe"

struct port_set {
    uint64_t bits[1024]; // A bit for each port.
};

// ERR_SYNTAX names the entry that is none.
MUST_CHECK enum err port_set_parse(const char *text, struct port_set *out, struct fault *f);
bool port_set_has(const struct port_set *s, uint16_t port);
void port_set_remove(struct port_set *from, const struct port_set *what);

// What listens at a port of unsafe_ports.def: "Redis"; NULL for every other.
const char *port_protocol(uint16_t port);

#endif
