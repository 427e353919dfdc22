// SPDX-License-Identifier: MIT
// address_policy.h: which addresses a request may go to.
//
// A service that calls any URL it is given can be made to call what only its own machine can reach:
// the metadata service of a cloud, which hands out credentials, or a database beside it. A name
// tells nothing, since its owner decides what it resolves to. So this is asked for the very address
// that a socket is about to connect to.
//
// A policy is two lists, `deny` and `allow`, separated by commas, of classes, of ranges
// (10.0.0.0/8, fd00::/8) and of single addresses. What `allow` names is allowed; else what `deny`
// names is denied; all else is allowed. Beside the classes of base/address.h there are
//
//   guarded     link-local and special; for a server that others reach, loopback and private too,
//               since its clients could else read what only its machine can
//   all         everything, for a policy that only lists what is allowed
//
// Two lists of ports (base/port_set.h) mean the same for ports: servers that read lines would take
// the body of a request for commands.
//
// The address on which this program itself listens is never a target, whatever the lists say: a job
// that could call it could create and trigger jobs.

#ifndef CARILLON_BASE_ADDRESS_POLICY_H
#define CARILLON_BASE_ADDRESS_POLICY_H

#include "base/address.h"
#include "base/err.h"
#include "base/port_set.h"

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_RULES_MAX 128
#define ADDRESS_DENY_DEFAULT "guarded"

// A range in a list.
struct address_rule {
    struct address_range range;
    const char *class; // Only networks of this class; NULL: of every class.
};

struct address_rules {
    size_t count;
    struct address_rule list[ADDRESS_RULES_MAX];
};

struct address_policy {
    struct address_rules deny;
    struct address_rules allow;
    struct address_rules own; // Addresses by which this program is reached,
    uint16_t own_port;        // at this port; 0: it does not listen.
    struct port_set denied_ports;
};

// The texts of a policy; NULL is an empty list.
struct address_lists {
    const char *deny;
    const char *allow; // A class in it leaves out what is of another class: `private` opens no
                       // metadata service, though some lie in ranges of its own.
    const char *deny_ports;
    const char *allow_ports;
    bool reached_by_others; // For `guarded`: the server listens beyond loopback.
};

// ERR_SYNTAX names the list (as the setting is called: deny_targets, allow_targets, deny_ports,
// allow_ports) and the entry that is none, or says that there are too many.
MUST_CHECK enum err address_policy_parse(const struct address_lists *lists,
                                         struct address_policy *out, struct fault *f);
// For a URL whose host is a name, of which only the port can be judged yet.
bool address_policy_allows_port(const struct address_policy *p, uint16_t port);

// The program listens here: "127.0.0.1", "localhost", or "0.0.0.0" for all addresses that this
// machine has now.
void address_policy_set_own(struct address_policy *p, const char *host, uint16_t port);

// A NULL policy allows everything; every policy denies what is neither IPv4 nor IPv6. The port of
// the address itself is not looked at.
bool address_policy_allows(const struct address_policy *p, const struct sockaddr *a, uint16_t port);

#define ADDRESS_REASON_BYTES 96
// Why the policy does not allow it, as the end of a sentence that begins with the address and "is":
// "a loopback address, which deny_targets denies".
void address_policy_reason(const struct address_policy *p, const struct sockaddr *a, uint16_t port,
                           char out[static ADDRESS_REASON_BYTES]);

#endif
