// SPDX-License-Identifier: MIT
// data.c: the options by which curl and wget are given a body.
//
// curl puts the values of several -d together with an "&", and those of several --json without
// anything. A value "@-" is what cron writes to the command's standard input; any other "@" names a
// file, which a job cannot read.

#include "crontab/crontab_priv.h"

#include <string.h>

static void begin(struct call *c, const char *separator, const char *content_type)
{
    if (c->has_body)
        crontab__add(&c->body, separator);
    else if (!c->content_type)
        c->content_type = content_type;
    c->has_body = true;
}

// What is read from a file or from standard input by -d loses its line ends.
static void add_without_ends(struct text *t, const char *text)
{
    while (*text) {
        size_t bytes = strcspn(text, "\r\n");
        crontab__add_bytes(t, text, bytes);
        text += bytes + (text[bytes] != '\0');
    }
}

static enum err read_input(struct call *c, const char *file, const char **out)
{
    if (strcmp(file, "-") != 0)
        return crontab__call_refuse(c, "it sends the file %.64s", file);
    c->reads_input = true;
    *out = c->command->input ? c->command->input : "";
    return ERR_OK;
}

static enum err add_data(struct call *c, const char *value, bool keeps_ends, const char *separator)
{
    const char *input = "";
    if (value[0] != '@') {
        begin(c, separator, CONTENT_TYPE_FORM);
        crontab__add(&c->body, value);
        return ERR_OK;
    }
    enum err err = read_input(c, value + 1, &input);
    if (err)
        return err;
    begin(c, separator, CONTENT_TYPE_FORM);
    if (keeps_ends)
        crontab__add(&c->body, input);
    else
        add_without_ends(&c->body, input);
    return ERR_OK;
}

enum err crontab__data(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    return add_data(c, value, false, "&");
}

enum err crontab__data_binary(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    return add_data(c, value, true, "&");
}

enum err crontab__data_json(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    c->content_type = c->accept = "application/json";
    return add_data(c, value, true, "");
}

enum err crontab__data_raw(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    begin(c, "&", CONTENT_TYPE_FORM);
    crontab__add(&c->body, value);
    return ERR_OK;
}

// "content", "=content", "name=content", and with "@file" in place of "=content".
enum err crontab__data_encoded(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    const char *mark = strchr(value, '=');
    if (!mark)
        mark = strchr(value, '@');
    const char *content = mark ? mark + 1 : value;
    enum err err = mark && *mark == '@' ? read_input(c, content, &content) : ERR_OK;
    if (err)
        return err;
    begin(c, "&", CONTENT_TYPE_FORM);
    if (mark && mark > value) {
        crontab__add_bytes(&c->body, value, (size_t)(mark - value));
        crontab__add(&c->body, "=");
    }
    crontab__add_encoded(&c->body, content);
    return ERR_OK;
}

// wget takes one body, as it is.
enum err crontab__data_only(struct call *c, const struct option *o, const char *value)
{
    if (c->has_body)
        return crontab__call_refuse(c, "it has more than one body");
    return crontab__data_raw(c, o, value);
}
