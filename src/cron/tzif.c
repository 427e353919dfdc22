// SPDX-License-Identifier: MIT
// tzif.c: reading a compiled zone file (RFC 9636).
//
// A file has a 32-bit block for old readers, which is skipped, a 64-bit block, and a footer with
// the rule for later times. Everything is read through a cursor that knows the end of the bytes:
// the file may be damaged or made to do harm. Names, leap seconds and daylight-saving flags are not
// used; files with leap seconds are refused because their clocks are not POSIX time.

#include "base/memory.h"
#include "cron/zone_priv.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 44
#define FAR_S (INT64_C(1) << 40) // 34,000 years: additions below cannot overflow.

struct counts {
    uint32_t is_ut, is_standard, leap, time, type, character;
};

struct tzif {
    const unsigned char *bytes;
    size_t size;
    size_t at;
};

static int64_t big_endian(const unsigned char *at, size_t bytes)
{
    uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return (int64_t)value;
}

// The next `bytes` bytes, or NULL when there are fewer.
static const unsigned char *take(struct tzif *t, size_t bytes)
{
    if (bytes > t->size - t->at)
        return NULL;
    const unsigned char *here = t->bytes + t->at;
    t->at += bytes;
    return here;
}

static bool take_header(struct tzif *t, struct counts *c, char *version)
{
    const unsigned char *h = take(t, HEADER_BYTES);
    if (!h || memcmp(h, "TZif", 4) != 0)
        return false;
    uint32_t *const fields[] = {&c->is_ut, &c->is_standard, &c->leap,
                                &c->time,  &c->type,        &c->character};
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        *fields[i] = (uint32_t)big_endian(h + 20 + 4 * i, 4);
    *version = (char)h[4];
    return true;
}

// Bytes of a block whose times have `width` bytes.
static size_t block_bytes(const struct counts *c, size_t width)
{
    return (size_t)c->time * (width + 1) + (size_t)c->type * 6 + c->character +
           (size_t)c->leap * (width + 4) + c->is_standard + c->is_ut;
}

// A type is an offset (4 bytes), a flag and a name; only the offset is of interest.
static bool read_offset(const unsigned char *types, uint32_t type, int32_t *out)
{
    int64_t offset = big_endian(types + 6 * (size_t)type, 4);
    *out = (int32_t)offset;
    return offset >= -ZONE_OFFSET_S_MAX && offset <= ZONE_OFFSET_S_MAX;
}

static enum err read_changes(const unsigned char *block, const struct counts *c,
                             struct zone_builder *b, int64_t *last_s, struct fault *f)
{
    const unsigned char *times = block;
    const unsigned char *indices = times + 8 * (size_t)c->time;
    const unsigned char *types = indices + c->time;
    int32_t offset;

    // Before the first change, the first type holds.
    if (!read_offset(types, 0, &offset))
        return fault_set(f, ERR_SYNTAX, "an offset is out of range");
    zone__builder_add(b, INT64_MIN, offset);

    for (uint32_t i = 0; i < c->time; i++) {
        int64_t at_s = big_endian(times + 8 * (size_t)i, 8);
        if (i > 0 && at_s <= *last_s)
            return fault_set(f, ERR_SYNTAX, "changes are not in order of time");
        if (indices[i] >= c->type || !read_offset(types, indices[i], &offset))
            return fault_set(f, ERR_SYNTAX, "a change has an impossible offset");
        *last_s = at_s;
        // Some files begin with the Big Bang; what is that far away needs no exact instant.
        if (at_s < FAR_S && !zone__builder_add(b, MAX(at_s, -FAR_S), offset))
            return fault_set(f, ERR_LIMIT, "more than %d changes", ZONE_CHANGES_MAX);
    }
    return ERR_OK;
}

static enum err read_footer(struct tzif *t, int64_t last_s, struct zone_builder *b, struct fault *f)
{
    const unsigned char *start = t->bytes + t->at + 1;
    if (t->at == t->size || t->bytes[t->at] != '\n')
        return fault_set(f, ERR_SYNTAX, "the footer is missing");
    const unsigned char *end = memchr(start, '\n', t->size - t->at - 1);
    if (!end)
        return fault_set(f, ERR_SYNTAX, "the footer does not end");
    if (end == start)
        return ERR_OK; // No rule: the last offset goes on.

    struct posix_rule rule;
    if (!zone__rule_parse((const char *)start, (size_t)(end - start), &rule))
        return fault_set(f, ERR_SYNTAX, "the footer is not a rule");
    if (!zone__rule_expand(&rule, last_s, b))
        return fault_set(f, ERR_LIMIT, "more than %d changes", ZONE_CHANGES_MAX);
    return ERR_OK;
}

static enum err read_file(struct tzif *t, struct zone_builder *b, struct fault *f)
{
    struct counts c;
    char version;
    if (!take_header(t, &c, &version))
        return fault_set(f, ERR_SYNTAX, "not a zone file");
    if (version < '2')
        return fault_set(f, ERR_SYNTAX, "a zone file without a 64-bit block");
    if (!take(t, block_bytes(&c, 4)) || !take_header(t, &c, &version))
        return fault_set(f, ERR_SYNTAX, "the file is cut short");
    if (c.leap)
        return fault_set(f, ERR_SYNTAX, "the file counts leap seconds");
    if (!c.type)
        return fault_set(f, ERR_SYNTAX, "the file has no offset");
    const unsigned char *block = take(t, block_bytes(&c, 8));
    if (!block)
        return fault_set(f, ERR_SYNTAX, "the file is cut short");

    int64_t last_s = INT64_MIN;
    enum err err = read_changes(block, &c, b, &last_s, f);
    return err ? err : read_footer(t, last_s, b, f);
}

enum err zone_parse(const void *tzif, size_t bytes, const char *name, struct zone **out,
                    struct fault *f)
{
    struct tzif t = {.bytes = tzif, .size = bytes};
    struct zone_builder *b = xmalloc(sizeof *b); // 64 KiB: too large for a stack.
    b->count = 0;
    enum err err = read_file(&t, b, f);
    if (!err)
        *out = zone__build(b, name);
    free(b);
    return err;
}
