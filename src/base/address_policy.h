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
// names is denied; all else is allowed. Classes, after the registries of special-purpose addresses
// (RFC 6890) and IPv6's (RFC 4291):
//
//   loopback    this machine: 127.0.0.0/8, ::1
//   private     networks of one's own: 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7
//   link-local  169.254/16, fe80::/10, where clouds have their metadata services; and those of them
//               that are elsewhere (the table in address_policy.c)
//   special     no host at all, or no host of the internet: 0/8, multicast, reserved,
//               documentation, benchmarks
//   guarded     link-local and special; for a server that others reach, loopback and private too,
//               since its clients could else read what only its machine can
//   all         everything, for a policy that only lists what is allowed
//
// An IPv6 address that stands for one of IPv4 is judged as that: mapped, compatible, translated,
// 6to4, NAT64 (64:ff9b::/96, and 64:ff9b:1::/48 when the last four bytes are the address).
//
// Two lists of ports (base/port_set.h) mean the same for ports: servers that read lines would take
// the body of a request for commands.
//
// The address on which this program itself listens is never a target, whatever the lists say: a job
// that could call it could create and trigger jobs.

#ifndef CARILLON_BASE_ADDRESS_POLICY_H
#define CARILLON_BASE_ADDRESS_POLICY_H

#include "base/err.h"
#include "base/port_set.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_RULES_MAX 128
#define ADDRESS_DENY_DEFAULT "guarded"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// Addresses that begin with these bits. IPv4 is written as mapped into IPv6.
struct address_rule {
    uint8_t bytes[16];
    unsigned bits;
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

uint16_t address_port(const struct sockaddr *a); // 0 for what is neither IPv4 nor IPv6.

// "loopback", "private", "link-local", "special"; "public" for every other.
const char *address_class(const struct sockaddr *a);

// Reads an address in numbers (an IPv6 one without brackets). The port is 0. False for a name.
bool address_read(const char *host, union address *out);

#endif
