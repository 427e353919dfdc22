// SPDX-License-Identifier: MIT
// address_policy.c: classes and ranges as prefixes of 128 bits, IPv4 among them.

#include "base/address_policy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96 // ::ffff:0:0/96
#define ENTRY_BYTES_MAX 64

// In this order: the first class that has an address is its class.
static const struct {
    const char *class;
    const char *range;
} ranges[] = {
    {"loopback", "127.0.0.0/8"},
    {"loopback", "::1/128"},
    {"link-local", "169.254.0.0/16"},
    {"link-local", "fe80::/10"},
    {"link-local", "fd00:ec2::/32"},
    {"link-local", "100.100.100.200/32"},
    {"private", "10.0.0.0/8"},
    {"private", "172.16.0.0/12"},
    {"private", "192.168.0.0/16"},
    {"private", "100.64.0.0/10"},
    {"private", "fc00::/7"},
    {"private", "fec0::/10"},
    {"special", "0.0.0.0/8"},
    {"special", "192.0.0.0/24"},
    {"special", "192.0.2.0/24"},
    {"special", "198.18.0.0/15"},
    {"special", "198.51.100.0/24"},
    {"special", "203.0.113.0/24"},
    {"special", "224.0.0.0/4"},
    {"special", "240.0.0.0/4"},
    {"special", "::/128"},
    {"special", "100::/64"},
    {"special", "2001::/23"},
    {"special", "2001:db8::/32"},
    {"special", "3fff::/20"},
    {"special", "ff00::/8"},
    {"all", "::/0"},
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
static const uint8_t six_to_four[2] = {0x20, 0x02};

// --- Addresses as 128 bits -----------------------------------------------------------------------

static void map_v4(const void *four, uint8_t out[static 16])
{
    memmove(out + 12, four, 4);
    memcpy(out, mapped, sizeof mapped);
}

static bool bytes_of(const struct sockaddr *a, uint8_t out[static 16])
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
    if (memcmp(out, nat64, sizeof nat64) == 0)
        map_v4(out + 12, out);
    else if (memcmp(out, six_to_four, sizeof six_to_four) == 0)
        map_v4(out + 2, out);
    return true;
}

static bool matches(const struct address_rule *r, const uint8_t bytes[static 16])
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
static bool is_exact(const struct address_rule *r)
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

// "10.0.0.0/8" or "10.1.2.3". Cuts `text` up.
static bool read_range(char *text, struct address_rule *out)
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

static struct address_rule rule_of(const char *range)
{
    struct address_rule r;
    char text[ENTRY_BYTES_MAX];
    assert(strlen(range) < sizeof text);
    strcpy(text, range);
    bool good = read_range(text, &r);
    assert(good);
    (void)good;
    return r;
}

static enum err add(struct address_rules *to, const struct address_rule *r, struct fault *f)
{
    if (to->count == ADDRESS_RULES_MAX)
        return fault_set(f, ERR_SYNTAX, "more than %d ranges of addresses", ADDRESS_RULES_MAX);
    to->list[to->count++] = *r;
    return ERR_OK;
}

static enum err add_entry(struct address_rules *to, char *entry, struct fault *f)
{
    enum err err = ERR_OK;
    bool is_class = false;
    for (size_t i = 0; i < COUNT_OF(ranges) && !err; i++) {
        if (strcmp(ranges[i].class, entry) != 0)
            continue;
        is_class = true;
        struct address_rule r = rule_of(ranges[i].range);
        err = add(to, &r, f);
    }
    if (is_class)
        return err;
    char text[ENTRY_BYTES_MAX];
    struct address_rule r;
    memcpy(text, entry, strlen(entry) + 1);
    if (!read_range(text, &r))
        return fault_set(f, ERR_SYNTAX,
                         "\"%s\" is neither loopback, private, link-local, special or all, nor an "
                         "address or a range such as 10.0.0.0/8",
                         entry);
    return add(to, &r, f);
}

static enum err read_list(const char *text, struct address_rules *out, struct fault *f)
{
    enum err err = ERR_OK;
    out->count = 0;
    while (*text && !err) {
        size_t bytes = strcspn(text, ", ");
        char entry[ENTRY_BYTES_MAX];
        if (bytes >= sizeof entry)
            return fault_set(f, ERR_SYNTAX, "\"%.32s...\" is no range of addresses", text);
        memcpy(entry, text, bytes);
        entry[bytes] = '\0';
        text += bytes;
        text += strspn(text, ", ");
        if (bytes > 0)
            err = add_entry(out, entry, f);
    }
    return err;
}

enum err address_policy_parse(const char *deny, const char *allow, struct address_policy *out,
                              struct fault *f)
{
    struct fault own = {0};
    const char *list = "deny_targets";
    out->own.count = 0;
    out->own_port = 0;
    enum err err = read_list(deny, &out->deny, &own);
    if (!err) {
        list = "allow_targets";
        err = read_list(allow, &out->allow, &own);
    }
    return err ? fault_set(f, err, "%s: %s", list, own.text) : ERR_OK;
}

// --- Judging -------------------------------------------------------------------------------------

static bool names(const struct address_rules *rules, const uint8_t bytes[static 16])
{
    for (size_t i = 0; i < rules->count; i++)
        if (matches(&rules->list[i], bytes))
            return true;
    return false;
}

static bool is_own(const struct address_policy *p, const uint8_t bytes[static 16], uint16_t port)
{
    return p->own_port && port == p->own_port && names(&p->own, bytes);
}

bool address_policy_allows(const struct address_policy *p, const struct sockaddr *a, uint16_t port)
{
    uint8_t bytes[16];
    if (!p)
        return true;
    return bytes_of(a, bytes) && !is_own(p, bytes, port) &&
           (names(&p->allow, bytes) || !names(&p->deny, bytes));
}

void address_policy_reason(const struct address_policy *p, const struct sockaddr *a, uint16_t port,
                           char out[static ADDRESS_REASON_BYTES])
{
    uint8_t bytes[16];
    if (bytes_of(a, bytes) && is_own(p, bytes, port))
        snprintf(out, ADDRESS_REASON_BYTES, "this server itself, which no job may call");
    else
        snprintf(out, ADDRESS_REASON_BYTES, "a %s address, which deny_targets denies",
                 address_class(a));
}

const char *address_class(const struct sockaddr *a)
{
    uint8_t bytes[16];
    if (!bytes_of(a, bytes))
        return "special";
    for (size_t i = 0; strcmp(ranges[i].class, "all") != 0; i++) {
        struct address_rule r = rule_of(ranges[i].range);
        if (matches(&r, bytes))
            return ranges[i].class;
    }
    return "public";
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

// --- This program itself -------------------------------------------------------------------------

static void add_own(struct address_policy *p, const struct sockaddr *a)
{
    struct address_rule r = {.bits = 128};
    if (bytes_of(a, r.bytes) && p->own.count < ADDRESS_RULES_MAX)
        p->own.list[p->own.count++] = r;
}

static void add_own_range(struct address_policy *p, const char *range)
{
    if (p->own.count < ADDRESS_RULES_MAX)
        p->own.list[p->own.count++] = rule_of(range);
}

static void add_interfaces(struct address_policy *p)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (i->ifa_addr)
            add_own(p, i->ifa_addr);
    }
    freeifaddrs(list);
}

void address_policy_set_own(struct address_policy *p, const char *host, uint16_t port)
{
    union address a;
    bool is_name = !address_read(host, &a); // "localhost"
    bool everywhere = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    p->own.count = 0;
    p->own_port = port;
    add_own_range(p, "0.0.0.0/32"); // To connect there is to connect to loopback.
    add_own_range(p, "::/128");
    if (is_name || everywhere) {
        add_own_range(p, "127.0.0.0/8");
        add_own_range(p, "::1/128");
    }
    if (everywhere)
        add_interfaces(p);
    else if (!is_name)
        add_own(p, &a.any);
}
