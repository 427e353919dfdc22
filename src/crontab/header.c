// SPDX-License-Identifier: MIT
// header.c: the headers of a call: those it names, and those its program would add.

#include "base/header.h"
#include "crontab/crontab_priv.h"

#include <strings.h>

// Whether one of the lines begins with the name and then `end`.
static bool has_line(const struct text *lines, const char *name, char end)
{
    size_t bytes = strlen(name);
    for (const char *at = lines->count > 0 ? lines->bytes : ""; *at;) {
        if (strncasecmp(at, name, bytes) == 0 && at[bytes] == end)
            return true;
        const char *next = strchr(at, '\n');
        at = next ? next + 1 : "";
    }
    return false;
}

enum err crontab__header(struct call *c, const char *name, const char *value)
{
    struct fault f = {0};
    if (header_check(name, value, &f))
        return crontab__call_refuse(c, "%s", f.text);
    if (has_line(&c->headers, name, ':'))
        return crontab__call_refuse(c, "it sends the header %.64s twice", name);
    crontab__add(&c->headers, name);
    crontab__add(&c->headers, ": ");
    crontab__add(&c->headers, value);
    crontab__add(&c->headers, "\n");
    return ERR_OK;
}

// "Name:" means that the header is not to be sent, "Name;" that it is sent without a value.
static enum err read_line(struct call *c, char *name)
{
    size_t bytes = strcspn(name, ":;");
    char separator = name[bytes];
    name[bytes] = '\0';
    char *value = name + bytes + (separator != '\0');
    value += strspn(value, " \t");
    for (size_t end = strlen(value); end > 0 && crontab__is_blank(value[end - 1]); end--)
        value[end - 1] = '\0';
    if (separator == ':' && *value)
        return crontab__header(c, name, value);
    if (separator == ';' && !*value)
        return crontab__header(c, name, "");
    if (separator != ':')
        return crontab__call_refuse(c, "'%.64s' is no header such as 'Name: value'", name);
    crontab__add(&c->omitted, name);
    crontab__add(&c->omitted, "\n");
    return ERR_OK;
}

enum err crontab__header_line(struct call *c, const char *line)
{
    char *copy = xstrdup(line);
    enum err err = read_line(c, copy);
    free(copy);
    return err;
}

// A header which the program sends unless the user has said something about it.
static enum err add_own(struct call *c, const char *name, const char *value)
{
    if (!value || has_line(&c->headers, name, ':') || has_line(&c->omitted, name, '\n'))
        return ERR_OK;
    return crontab__header(c, name, value);
}

static enum err add_authorization(struct call *c)
{
    struct text credentials = {0}, value = {0};
    crontab__add(&credentials, c->user);
    if (c->password) {
        crontab__add(&credentials, ":");
        crontab__add(&credentials, c->password);
    }
    crontab__add(&value, "Basic ");
    crontab__add_base64(&value, credentials.bytes);
    enum err err = add_own(c, "Authorization", value.bytes);
    crontab__text_fini(&credentials);
    crontab__text_fini(&value);
    return err;
}

enum err crontab__finish_headers(struct call *c)
{
    enum err err = c->user ? add_authorization(c) : ERR_OK;
    if (!err)
        err = add_own(c, "Accept", c->accept);
    if (!err && c->has_body && !c->body_in_query)
        err = add_own(c, "Content-Type", c->content_type);
    struct fault f = {0};
    if (!err && c->headers.count > 0 && header_check_lines(c->headers.bytes, &f))
        err = crontab__call_refuse(c, "%s", f.text);
    return err;
}
