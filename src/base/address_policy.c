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

// Words for several classes: in any case, and for a server that listens beyond loopback.
static const struct {
    const char *word;
    const char *always;
    const char *when_reached;
} groups[] = {
    {"guarded", "link-local special", "loopback private"},
};

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
    unwrap(out);
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
    struct address_rule r = {0};
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

// Whether the word of a list names this class.
static bool covers(const char *word, const char *class, bool reached_by_others)
{
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        if (strcmp(word, groups[i].word) == 0)
            return strstr(groups[i].always, class) ||
                   (reached_by_others && strstr(groups[i].when_reached, class));
    }
    return strcmp(word, class) == 0;
}

// A list being read.
struct list {
    struct address_rules *rules;
    bool narrow; // What a class allows is of this class alone.
    bool reached_by_others;
};

static enum err add_classes(const struct list *l, const char *word, bool *found, struct fault *f)
{
    enum err err = ERR_OK;
    *found = false;
    for (size_t i = 0; i < COUNT_OF(ranges) && !err; i++) {
        const char *class = ranges[i].class;
        if (!covers(word, class, l->reached_by_others))
            continue;
        struct address_rule r = rule_of(ranges[i].range);
        r.class = l->narrow && strcmp(class, "all") != 0 ? class : NULL;
        err = add(l->rules, &r, f);
        *found = true;
    }
    return err;
}

static enum err add_entry(const struct list *l, const char *entry, struct fault *f)
{
    bool is_class;
    enum err err = add_classes(l, entry, &is_class, f);
    if (err || is_class)
        return err;
    char text[ENTRY_BYTES_MAX];
    struct address_rule r = {0};
    memcpy(text, entry, strlen(entry) + 1);
    if (!read_range(text, &r))
        return fault_set(f, ERR_SYNTAX,
                         "\"%s\" is neither loopback, private, link-local, special, guarded or "
                         "all, nor an address or a range such as 10.0.0.0/8",
                         entry);
    return add(l->rules, &r, f);
}

static enum err read_list(const struct list *l, const char *text, struct fault *f)
{
    enum err err = ERR_OK;
    l->rules->count = 0;
    while (text && *text && !err) {
        size_t bytes = strcspn(text, ", ");
        char entry[ENTRY_BYTES_MAX];
        if (bytes >= sizeof entry)
            return fault_set(f, ERR_SYNTAX, "\"%.32s...\" is no range of addresses", text);
        memcpy(entry, text, bytes);
        entry[bytes] = '\0';
        text += bytes;
        text += strspn(text, ", ");
        if (bytes > 0)
            err = add_entry(l, entry, f);
    }
    return err;
}

static enum err parse_targets(const struct address_lists *lists, struct address_policy *out,
                              const char **name, struct fault *f)
{
    struct list deny = {&out->deny, false, lists->reached_by_others};
    struct list allow = {&out->allow, true, lists->reached_by_others};
    *name = "deny_targets";
    enum err err = read_list(&deny, lists->deny, f);
    if (err)
        return err;
    *name = "allow_targets";
    return read_list(&allow, lists->allow, f);
}

static enum err parse_ports(const struct address_lists *lists, struct address_policy *out,
                            const char **name, struct fault *f)
{
    struct port_set allowed;
    *name = "deny_ports";
    enum err err =
        port_set_parse(lists->deny_ports ? lists->deny_ports : "", &out->denied_ports, f);
    if (err)
        return err;
    *name = "allow_ports";
    err = port_set_parse(lists->allow_ports ? lists->allow_ports : "", &allowed, f);
    if (!err)
        port_set_remove(&out->denied_ports, &allowed);
    return err;
}

enum err address_policy_parse(const struct address_lists *lists, struct address_policy *out,
                              struct fault *f)
{
    struct fault own = {0};
    const char *name;
    out->own.count = 0;
    out->own_port = 0;
    enum err err = parse_targets(lists, out, &name, &own);
    if (!err)
        err = parse_ports(lists, out, &name, &own);
    return err ? fault_set(f, err, "%s: %s", name, own.text) : ERR_OK;
}

// --- Judging -------------------------------------------------------------------------------------

static const char *class_of(const uint8_t bytes[static 16])
{
    for (size_t i = 0; strcmp(ranges[i].class, "all") != 0; i++) {
        struct address_rule r = rule_of(ranges[i].range);
        if (matches(&r, bytes))
            return ranges[i].class;
    }
    return "public";
}

static bool names(const struct address_rules *rules, const uint8_t bytes[static 16])
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct address_rule *r = &rules->list[i];
        if (matches(r, bytes) && (!r->class || strcmp(r->class, class_of(bytes)) == 0))
            return true;
    }
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
    return bytes_of(a, bytes) && !is_own(p, bytes, port) && address_policy_allows_port(p, port) &&
           (names(&p->allow, bytes) || !names(&p->deny, bytes));
}

bool address_policy_allows_port(const struct address_policy *p, uint16_t port)
{
    return !p || !port_set_has(&p->denied_ports, port);
}

void address_policy_reason(const struct address_policy *p, const struct sockaddr *a, uint16_t port,
                           char out[static ADDRESS_REASON_BYTES])
{
    uint8_t bytes[16];
    if (bytes_of(a, bytes) && is_own(p, bytes, port))
        snprintf(out, ADDRESS_REASON_BYTES, "this server itself, which no job may call");
    else if (!address_policy_allows_port(p, port))
        snprintf(out, ADDRESS_REASON_BYTES, "behind a port of %s, which deny_ports denies",
                 port_protocol(port) ? port_protocol(port) : "others");
    else
        snprintf(out, ADDRESS_REASON_BYTES, "a %s address, which deny_targets denies",
                 address_class(a));
}

const char *address_class(const struct sockaddr *a)
{
    uint8_t bytes[16];
    if (!bytes_of(a, bytes))
        return "special";
    return class_of(bytes);
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
