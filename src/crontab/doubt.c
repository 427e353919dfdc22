// SPDX-License-Identifier: MIT
// doubt.c: what a command was probably meant to be that is no call of a known program.

#include "crontab/crontab_priv.h"

static bool is_field(const char *text)
{
    return *text && strspn(text, "0123456789*/,-?~") == strlen(text);
}

// A name such as users have, with something behind it that looks like a command.
static bool is_user_column(const struct call *c, const struct words *w, size_t at)
{
    static const char *const users[] = {"root", "www-data", "nobody", "daemon", "apache", "nginx"};
    if (at > 0 || c->command->outer || w->count < 2)
        return false;
    const char *name = w->list[0].text;
    bool is_name = *name && strspn(name, NAME_CHARACTERS "-.") == strlen(name);
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(users); i++)
        known = known || strcmp(users[i], name) == 0;
    return (is_name && crontab__is_program(w->list[1].text)) || (known && *w->list[1].text == '/');
}

static bool is_keyword(const char *word)
{
    static const char *const keywords[] = {"if", "for", "while", "until", "case",   "function", "!",
                                           "[",  "[[",  "test",  "eval",  "source", "."};
    for (size_t i = 0; i < COUNT_OF(keywords); i++) {
        if (strcmp(keywords[i], word) == 0)
            return true;
    }
    return false;
}

enum err crontab__refuse_program(struct call *c, const struct words *w, size_t at)
{
    const char *name = w->list[at].text;
    if (is_field(name)) {
        crontab__hint(c->command->line, "post a job, whose schedule can have seconds");
        return crontab__call_refuse(c, "its command is %.32s: cron has five fields, not six", name);
    }
    if (is_user_column(c, w, at)) {
        crontab__hint(c->command->line, "--system");
        return crontab__call_refuse(c,
                                    "its command is %.64s; if that is a user, this is a system "
                                    "crontab",
                                    name);
    }
    if (is_keyword(name))
        return crontab__call_refuse(c, "only a shell could run it (%.32s)", name);
    return crontab__call_refuse(c, "its command is %.64s, neither curl nor wget", name);
}
