// SPDX-License-Identifier: MIT
// scripted_names.h: a name server on the test's own event loop, whose answers are a table.
//
// It listens on 127.0.0.1, UDP, on a port the kernel chooses. A name that is not in the table does
// not exist. Like the scripted target it moves only when the test turns the loop.

#ifndef CARILLON_CONTRACT_SCRIPTED_NAMES_H
#define CARILLON_CONTRACT_SCRIPTED_NAMES_H

#include "base/loop.h"

#define NAME_ADDRESSES_MAX 12

struct name_script {
    const char *name;                          // "*" is any name that no earlier row has.
    const char *addresses[NAME_ADDRESSES_MAX]; // IPv4 or IPv6, in the order of the answer.
    unsigned ttl_s;
    bool silent; // A question about it is never answered.
};

struct scripted_names;

// `scripts` ends with a row without a name and is borrowed.
struct scripted_names *scripted_names_open(struct loop *l, const struct name_script *scripts);
void scripted_names_close(struct scripted_names *s);

// "127.0.0.1:port", for dispatch_options.name_servers.
const char *scripted_names_server(const struct scripted_names *s);

// Questions about the IPv4 addresses of `name` so far; each comes with one about IPv6.
size_t scripted_names_questions(const struct scripted_names *s, const char *name);

#endif
