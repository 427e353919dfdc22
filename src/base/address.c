// SPDX-License-Identifier: MIT
// address.c: addresses, ranges and their classes as prefixes of 128 bits, IPv4 among them.

#include "base/address.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96 // ::ffff:0:0/96
#define RANGE_BYTES_MAX 64

const struct address_class_range address_classes[] = {
    {"loopback", "127.0.0.0/8"},
    {"loopback", "::1/128"},
    {"link-local", "169.254.0.0/16"},
    {"link-local", "fe80::/10"},
    // Metadata services elsewhere, as their clouds' documentation and cloud-init have them.
    {"link-local", "fd00:ec2::/32"},          // Amazon
    {"link-local", "fd20:ce::254/128"},       // Google
    {"link-local", "fd00:c1::a9fe:a9fe/128"}, // Oracle
    {"link-local", "fd00:42::42/128"},        // Scaleway
    {"link-local", "fd00:a9fe:a9fe::1/128"},  // Akamai
    {"link-local", "fd00:100::100:200/128"},  // Alibaba
    {"link-local", "100.100.100.200/32"},
    {"link-local", "168.63.129.16/32"}, // Azure; it looks like any address of the internet.
    {"private", "10.0.0.0/8"},
    {"private", "172.16.0.0/12"},
    {"private", "192.168.0.0/16"},
    {"private", "100.64.0.0/10"},
    {"private", "fc00::/7"},
    {"private", "fec0::/10"},
    {"special", "0.0.0.0/8"},
    {"special", "192.0.0.0/24"},
    {"special", "192.0.2.0/24"},
    {"special", "192.88.99.0/24"},
    {"special", "198.18.0.0/15"},
    {"special", "198.51.100.0/24"},
    {"special", "203.0.113.0/24"},
    {"special", "224.0.0.0/4"},
    {"special", "240.0.0.0/4"},
    {"special", "::/128"},
    {"special", "64:ff9b:1::/48"},
    {"special", "100::/64"},
    {"special", "100:0:0:1::/64"},
    {"special", "2001::/23"},
    {"special", "2001:db8::/32"},
    {"special", "3fff::/20"},
    {"special", "5f00::/16"},
    {"special", "ff00::/8"},
    {"all", "::/0"},
};

const size_t address_class_count = COUNT_OF(address_classes);

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

// --- Addresses as 128 bits -----------------------------------------------------------------------

static void map_v4(const void *four, uint8_t out[static 16])
{
    memmove(out + 12, four, 4);
    memcpy(out, mapped, sizeof mapped);
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
    while (count > 0 && bytes[count - 1] == 0)
        count--;
    return count == 0;
}

// Addresses of IPv6 that begin so and stand for one of IPv4.
static const struct {
    uint8_t prefix[12];
    unsigned prefix_bytes;
    unsigned zeros; // So many bytes after the prefix are 0, or it stands for none.
    unsigned at;    // Where the four bytes are.
} embeddings[] = {
    {{0x20, 0x02}, 2, 0, 2},                          // 6to4, RFC 3056
    {{0x00, 0x64, 0xff, 0x9b}, 4, 8, 12},             // NAT64, RFC 6052
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 6, 6, 12}, // NAT64 of a network, RFC 8215
    {{[8] = 0xff, [9] = 0xff}, 12, 0, 12},            // translated, RFC 2765
    {{0x00}, 12, 0, 12},                              // compatible, RFC 4291
};

// :: and ::1 are written like compatible ones, but have a meaning of their own.
static bool is_own_meaning(const uint8_t bytes[static 16])
{
    return is_zero(bytes, 15) && bytes[15] <= 1;
}

static void unwrap(uint8_t bytes[static 16])
{
    if (is_own_meaning(bytes))
        return;
    for (size_t i = 0; i < COUNT_OF(embeddings); i++) {
        unsigned n = embeddings[i].prefix_bytes;
        if (memcmp(bytes, embeddings[i].prefix, n) == 0 &&
            is_zero(bytes + n, embeddings[i].zeros)) {
            map_v4(bytes + embeddings[i].at, bytes);
            return;
        }
    }
}

bool address_bytes(const struct sockaddr *a, uint8_t out[static 16])
{
    union address copy;
    if (a->sa_family == AF_INET) {
        memcpy(&copy.v4, a, sizeof copy.v4);
        map_v4(&copy.v4.sin_addr, out);
        return true;
    }
    if (a->sa_family != AF_INET6)
        return false;
    memcpy(&copy.v6, a, sizeof copy.v6);
    memcpy(out, &copy.v6.sin6_addr, 16);
    unwrap(out);
    return true;
}

bool address_range_has(const struct address_range *r, const uint8_t bytes[static 16])
{
    unsigned whole = r->bits / 8;
    unsigned rest = r->bits % 8;
    if (memcmp(r->bytes, bytes, whole) != 0)
        return false;
    return rest == 0 || (r->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

// --- Reading -------------------------------------------------------------------------------------

bool address_read(const char *host, union address *out)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1)
        out->any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1)
        out->any.sa_family = AF_INET6;
    else
        return false;
    return true;
}

// Bits that the length leaves out must be 0: "10.1.2.3/8" is more likely a slip than a wish.
static bool is_exact(const struct address_range *r)
{
    for (unsigned bit = r->bits; bit < 128; bit++)
        if (r->bytes[bit / 8] >> (7 - bit % 8) & 1)
            return false;
    return true;
}

static bool read_length(const char *text, unsigned max, unsigned *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > max)
        return false;
    *out = (unsigned)value;
    return true;
}

// Cuts `text` up.
static bool read_range(char *text, struct address_range *out)
{
    union address a;
    char *slash = strchr(text, '/');
    if (slash)
        *slash = '\0';
    if (!address_read(text, &a))
        return false;
    bool v4 = a.any.sa_family == AF_INET;
    unsigned max = v4 ? 32 : 128;
    out->bits = max;
    if (slash && !read_length(slash + 1, max, &out->bits))
        return false;
    if (v4) {
        map_v4(&a.v4.sin_addr, out->bytes);
        out->bits += MAPPED_BITS;
    } else {
        memcpy(out->bytes, &a.v6.sin6_addr, sizeof out->bytes);
    }
    return is_exact(out);
}

bool address_range_read(const char *text, struct address_range *out)
{
    char copy[RANGE_BYTES_MAX];
    size_t bytes = strlen(text) + 1;
    if (bytes > sizeof copy)
        return false;
    memcpy(copy, text, bytes);
    return read_range(copy, out);
}

// --- Classes -------------------------------------------------------------------------------------

const char *address_class_of(const uint8_t bytes[static 16])
{
    for (size_t i = 0; strcmp(address_classes[i].class, "all") != 0; i++) {
        struct address_range r;
        bool good = address_range_read(address_classes[i].range, &r);
        assert(good);
        (void)good;
        if (address_range_has(&r, bytes))
            return address_classes[i].class;
    }
    return "public";
}

const char *address_class(const struct sockaddr *a)
{
    uint8_t bytes[16];
    if (!address_bytes(a, bytes))
        return "special";
    return address_class_of(bytes);
}

uint16_t address_port(const struct sockaddr *a)
{
    union address copy;
    if (a->sa_family == AF_INET) {
        memcpy(&copy.v4, a, sizeof copy.v4);
        return ntohs(copy.v4.sin_port);
    }
    if (a->sa_family != AF_INET6)
        return 0;
    memcpy(&copy.v6, a, sizeof copy.v6);
    return ntohs(copy.v6.sin6_port);
}
