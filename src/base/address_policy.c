// SPDX-License-Identifier: MIT
// address_policy.c: lists of classes and ranges, read and asked.

#include "base/address_policy.h"

#include <assert.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

#define ENTRY_BYTES_MAX 64

// Words for several classes: in any case, and for a server that listens beyond loopback.
static const struct {
    const char *word;
    const char *always;
    const char *when_reached;
} groups[] = {
    {"guarded", "link-local special", "loopback private"},
};

// --- Reading -------------------------------------------------------------------------------------

static struct address_rule rule_of(const char *range)
{
    struct address_rule r = {0};
    bool good = address_range_read(range, &r.range);
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
    for (size_t i = 0; i < address_class_count && !err; i++) {
        const char *class = address_classes[i].class;
        if (!covers(word, class, l->reached_by_others))
            continue;
        struct address_rule r = rule_of(address_classes[i].range);
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
    struct address_rule r = {0};
    if (!address_range_read(entry, &r.range))
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

static bool names(const struct address_rules *rules, const uint8_t bytes[static 16])
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct address_rule *r = &rules->list[i];
        if (address_range_has(&r->range, bytes) &&
            (!r->class || strcmp(r->class, address_class_of(bytes)) == 0))
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
    return address_bytes(a, bytes) && !is_own(p, bytes, port) &&
           address_policy_allows_port(p, port) &&
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
    if (address_bytes(a, bytes) && is_own(p, bytes, port))
        snprintf(out, ADDRESS_REASON_BYTES, "this server itself, which no job may call");
    else if (!address_policy_allows_port(p, port))
        snprintf(out, ADDRESS_REASON_BYTES, "behind a port of %s, which deny_ports denies",
                 port_protocol(port) ? port_protocol(port) : "others");
    else
        snprintf(out, ADDRESS_REASON_BYTES, "a %s address, which deny_targets denies",
                 address_class(a));
}

// --- This program itself -------------------------------------------------------------------------

static void add_own(struct address_policy *p, const struct sockaddr *a)
{
    struct address_rule r = {.range.bits = 128};
    if (address_bytes(a, r.range.bytes) && p->own.count < ADDRESS_RULES_MAX)
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
