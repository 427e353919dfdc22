// SPDX-License-Identifier: MIT
// option.c: the words of a call: options by the program's table, and the one URL.
//
// Short options may stand together ("-fsS"), and the last of them may have its value in the same
// word ("-m10"). An option that is not in the table stops the conversion: what it does is not
// known, so nobody can say that a job does the same.

#include "crontab/crontab_priv.h"

#include <string.h>

struct reader {
    struct call *call;
    const struct words *words;
    size_t next;
};

static enum err refuse_unknown(struct reader *r, const char *dashes, const char *name, size_t bytes)
{
    return crontab__call_refuse(r->call, "the option %s%.*s of %s is not known here", dashes,
                                (int)MIN(bytes, 64), name, r->call->program->name);
}

static const struct option *find_long(const struct program *p, const char *name, size_t bytes)
{
    for (size_t i = 0; i < p->option_count; i++) {
        const char *known = p->options[i].name;
        if (known && strlen(known) == bytes && memcmp(known, name, bytes) == 0)
            return &p->options[i];
    }
    return NULL;
}

static const struct option *find_letter(const struct program *p, char letter)
{
    for (size_t i = 0; i < p->option_count; i++) {
        if (p->options[i].letter == letter)
            return &p->options[i];
    }
    return NULL;
}

// `inside` is the value within the same word, or NULL.
static enum err apply(struct reader *r, const struct option *o, const char *inside)
{
    const char *value = inside;
    if (o->has_value && !value) {
        if (r->next == r->words->count)
            return crontab__call_refuse(r->call, "its last option lacks a value");
        value = r->words->list[r->next++].text;
    }
    return o->apply ? o->apply(r->call, o, value) : ERR_OK;
}

static enum err read_long(struct reader *r, const char *name)
{
    bool equals = r->call->program->takes_equals;
    size_t bytes = equals ? strcspn(name, "=") : strlen(name);
    const struct option *o = find_long(r->call->program, name, bytes);
    if (!o || (name[bytes] && !o->has_value))
        return refuse_unknown(r, "--", name, strlen(name));
    return apply(r, o, name[bytes] ? name + bytes + 1 : NULL);
}

static enum err read_letters(struct reader *r, const char *letters)
{
    enum err err = ERR_OK;
    bool more = true;
    for (; more && *letters && !err; letters++) {
        const struct option *o = find_letter(r->call->program, *letters);
        if (!o)
            return refuse_unknown(r, "-", letters, 1);
        more = !o->has_value;
        err = apply(r, o, o->has_value && letters[1] ? letters + 1 : NULL);
    }
    return err;
}

enum err crontab__read_options(struct call *c, const struct words *w)
{
    struct reader r = {.call = c, .words = w, .next = 1};
    bool options = true;
    enum err err = ERR_OK;
    while (r.next < w->count && !err) {
        c->here = w->list[r.next++];
        const char *text = c->here.text;
        if (!options || text[0] != '-')
            err = crontab__set_url(c, NULL, text);
        else if (strcmp(text, "--") == 0)
            options = false;
        else if (text[1] == '-')
            err = read_long(&r, text + 2);
        else if (text[1])
            err = read_letters(&r, text + 1);
        else
            err = refuse_unknown(&r, "", text, 1);
    }
    return err;
}

// --- What options do -----------------------------------------------------------------------------

enum err crontab__set_url(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (c->url)
        return crontab__call_refuse(c, "it calls more than one URL");
    c->url = value;
    return ERR_OK;
}

enum err crontab__set_method(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (!job_method_find(value, &c->method))
        return crontab__call_refuse(
            c, "a job can POST, GET, PUT, PATCH or DELETE, but not send the method '%.32s'", value);
    c->has_method = true;
    return ERR_OK;
}

enum err crontab__set_header(struct call *c, const struct option *o, const char *value)
{
    return crontab__header(c, o->text, value);
}

enum err crontab__add_header(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    return crontab__header_line(c, value);
}

enum err crontab__set_user(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    c->user = value;
    return ERR_OK;
}

// Seconds with at most three decimals as milliseconds. False when it is no such number, or a larger
// one than any job may have.
static bool read_seconds(const char *text, uint32_t *out)
{
    uint32_t ms = 0;
    size_t whole = strspn(text, "0123456789");
    size_t decimals = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    const char *end = text + whole + (text[whole] == '.' ? decimals + 1 : 0);
    if (*end || whole + decimals == 0 || whole > 6)
        return false;
    for (size_t i = 0; i < whole; i++)
        ms = ms * 10 + (uint32_t)(text[i] - '0');
    for (size_t i = 0; i < 3; i++)
        ms = ms * 10 + (i < decimals ? (uint32_t)(text[whole + 1 + i] - '0') : 0);
    *out = ms;
    return true;
}

enum err crontab__set_timeout(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    uint32_t ms;
    if (!read_seconds(value, &ms) || ms < JOB_TIMEOUT_MS_MIN || ms > JOB_TIMEOUT_MS_MAX)
        return crontab__call_refuse(c, "the timeout of a job is 0.1 to 3600 seconds, not '%.32s'",
                                    value);
    c->timeout_ms = ms;
    return ERR_OK;
}

enum err crontab__set_retries(struct call *c, const char *value, unsigned more)
{
    size_t digits = strspn(value, "0123456789");
    unsigned count = 0;
    for (size_t i = 0; i < MIN(digits, 6); i++)
        count = count * 10 + (unsigned)(value[i] - '0');
    if (digits == 0 || value[digits] || digits > 6 || count < more ||
        count - more > JOB_RETRIES_MAX)
        return crontab__call_refuse(c, "a job has %u to %u %s, not '%.32s'", more,
                                    JOB_RETRIES_MAX + more, more ? "tries" : "retries", value);
    c->retries = (uint16_t)(count - more);
    c->has_retries = true;
    return ERR_OK;
}

enum err crontab__note(struct call *c, const struct option *o, const char *value)
{
    (void)value;
    crontab__call_note(c, o->text);
    return ERR_OK;
}

enum err crontab__cannot(struct call *c, const struct option *o, const char *value)
{
    (void)value;
    return crontab__call_refuse(c, "%s", o->text);
}
