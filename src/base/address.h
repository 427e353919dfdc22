// SPDX-License-Identifier: MIT
// address.h: addresses in numbers, ranges of them, and what kind of network they are of.
//
// Classes, after the registries of special-purpose addresses (RFC 6890) and IPv6's (RFC 4291):
//
//   loopback    this machine: 127.0.0.0/8, ::1
//   private     networks of one's own: 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7
//   link-local  169.254/16, fe80::/10, where clouds have their metadata services; and those of them
//               that are elsewhere (the table in address.c)
//   special     no host at all, or no host of the internet: 0/8, multicast, reserved,
//               documentation, benchmarks
//   public      everything else
//
// An IPv6 address that stands for one of IPv4 is judged as that: mapped, compatible, translated,
// 6to4, NAT64 (64:ff9b::/96, and 64:ff9b:1::/48 when the last four bytes are the address).

#ifndef CARILLON_BASE_ADDRESS_H
#define CARILLON_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// Reads an address in numbers (an IPv6 one without brackets). The port is 0. False for a name.
bool address_read(const char *host, union address *out);

uint16_t address_port(const struct sockaddr *a); // 0 for what is neither IPv4 nor IPv6.

// The address as one of IPv6, or of IPv4 mapped into IPv6 whichever form it came in. False for what
// is neither.
bool address_bytes(const struct sockaddr *a, uint8_t out[static 16]);

// Addresses that begin with these bits. IPv4 is written as mapped into IPv6.
struct address_range {
    uint8_t bytes[16];
    unsigned bits;
};

// "10.0.0.0/8" or "10.1.2.3". False when it is neither, or has bits beyond its length.
bool address_range_read(const char *text, struct address_range *out);
bool address_range_has(const struct address_range *r, const uint8_t bytes[static 16]);

// "loopback", "private", "link-local", "special"; "public" for every other.
const char *address_class(const struct sockaddr *a);
const char *address_class_of(const uint8_t bytes[static 16]);

// In this order: the first class that has an address is its class. The last one, "all", has them
// all.
struct address_class_range {
    const char *class;
    const char *range;
};
extern const struct address_class_range address_classes[];
extern const size_t address_class_count;

#endif
