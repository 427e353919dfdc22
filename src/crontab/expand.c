// SPDX-License-Identifier: MIT
// expand.c: the parts of a word that a shell replaces.
//
// A variable which the crontab sets has a value that does not depend on the moment, so the value is
// put in; a shell cuts it at blanks unless quotes are around. All else that a shell would work out
// is passed over, as a whole, and noted.

#include "crontab/crontab_priv.h"

#include <stdio.h>

// --- Passing over --------------------------------------------------------------------------------

// Where the quote that opens at `text` closes; at the end when it does not.
static const char *skip_quotes(const char *text)
{
    char quote = *text++;
    while (*text && *text != quote)
        text += quote != '\'' && *text == '\\' && text[1] ? 2 : 1;
    return text;
}

// How many bytes at `text`, which begins with a bracket, belong to what is inside of it. 0: it does
// not close.
static size_t nested_bytes(const char *text)
{
    size_t depth = 0;
    for (const char *at = text; *at; at++) {
        if (*at == '\\' && at[1])
            at++;
        else if (crontab__is_one_of(*at, "'\"`"))
            at = skip_quotes(at);
        else if (*at == '(')
            depth++;
        else if (*at == ')' && --depth == 0)
            return (size_t)(at - text) + 1;
        if (!*at)
            break;
    }
    return 0;
}

static enum err skip_output(struct scanner *s)
{
    size_t bytes = nested_bytes(s->command->text + s->at + 1);
    if (bytes == 0)
        return crontab__command_refuse_open(s->command, s->at, 2, "the bracket");
    bool sum = strncmp(s->command->text + s->at, "$((", 3) == 0;
    crontab__trouble(s, sum ? TROUBLE_SHELL : TROUBLE_OUTPUT, 2);
    s->at += bytes + 1;
    return ERR_OK;
}

enum err crontab__scan_backtick(struct scanner *s)
{
    const char *open = s->command->text + s->at;
    const char *close = skip_quotes(open);
    if (!*close)
        return crontab__command_refuse_open(s->command, s->at, 1, "the quote");
    crontab__trouble(s, TROUBLE_BACKTICK, 1);
    s->at += (size_t)(close - open) + 1;
    return ERR_OK;
}

// --- Variables -----------------------------------------------------------------------------------

// Puts a value in; outside of quotes its blanks end words.
static enum err put_in(struct scanner *s, const char *value, bool quoted)
{
    size_t bytes = strlen(value);
    if (bytes > s->environment->bytes_left)
        return crontab__command_refuse(s->command, s->start, s->at - s->start,
                                       "with all its variables put in the crontab would be longer "
                                       "than %d bytes",
                                       CRONTAB_BYTES_MAX);
    s->environment->bytes_left -= bytes;
    if (quoted || !s->splits) {
        crontab__add_bytes(&s->text, value, bytes);
        return ERR_OK;
    }
    enum err err = ERR_OK;
    for (; *value && !err; value += strspn(value, " \t")) {
        size_t word = strcspn(value, " \t");
        crontab__add_bytes(&s->text, value, word);
        value += word;
        if (*value)
            err = crontab__end_word(s);
    }
    return err;
}

static void note_use(struct environment *e, const char *name, size_t bytes)
{
    char word[64];
    snprintf(word, sizeof word, "$%.*s ", (int)MIN(bytes, sizeof word - 3), name);
    if (e->used.count < CRONTAB_REASON_BYTES && !(e->used.bytes && strstr(e->used.bytes, word)))
        crontab__add(&e->used, word);
}

// How long the name of the variable at `name` is, with its braces; 0 when there is none.
static size_t variable_bytes(const char *name)
{
    if (*name == '{')
        return strcspn(name, "}") + (strchr(name, '}') != NULL);
    return crontab__is_one_of(*name, "@*#?-$!0123456789") ? 1 : strspn(name, NAME_CHARACTERS);
}

static enum err scan_variable(struct scanner *s, const char *name, size_t bytes, bool quoted)
{
    bool braces = *name == '{';
    const char *bare = name + braces;
    size_t bare_bytes = strspn(bare, NAME_CHARACTERS);
    bool whole = bare_bytes > 0 && bare_bytes + 2 * (size_t)braces == bytes;
    const char *value =
        whole && s->environment ? crontab__value(s->environment, bare, bare_bytes) : NULL;
    if (!value)
        crontab__trouble(s, whole || !braces ? TROUBLE_VARIABLE : TROUBLE_SHELL, bytes + 1);
    s->at += bytes + 1;
    if (!value)
        return ERR_OK;
    note_use(s->environment, bare, bare_bytes);
    return put_in(s, value, quoted);
}

// A `$` that begins no expansion is a character like any other.
enum err crontab__scan_dollar(struct scanner *s, bool quoted)
{
    const char *next = s->command->text + s->at + 1;
    if (*next == '(')
        return skip_output(s);
    size_t bytes = variable_bytes(next);
    if (bytes > 0)
        return scan_variable(s, next, bytes, quoted);
    if (!quoted && crontab__is_one_of(*next, "'\""))
        crontab__trouble(s, TROUBLE_SHELL, 2);
    crontab__add_bytes(&s->text, "$", 1);
    s->at++;
    return ERR_OK;
}

// --- What could not be worked out ----------------------------------------------------------------

static enum err refuse_variable(const struct command_text *c, const struct trouble *t)
{
    const char *name = c->text + t->at + 1;
    const char *bare = name + (*name == '{');
    size_t bytes = strspn(bare, NAME_CHARACTERS);
    if (bytes > 0 && !crontab__is_one_of(*bare, "0123456789"))
        crontab__hint(c->line, "--set %.*s=VALUE", (int)MIN(bytes, 64), bare);
    return crontab__command_refuse(c, t->at, t->bytes,
                                   "it uses the variable $%.*s, which the crontab does not set",
                                   (int)MIN(t->bytes - 1, 64), name);
}

enum err crontab__check_word(const struct command_text *c, const struct word *w)
{
    static const char *const reasons[] = {
        [TROUBLE_OUTPUT] = "it uses the output of another command: $(...)",
        [TROUBLE_BACKTICK] = "it uses the output of another command: `...`",
        [TROUBLE_SHELL] = "only a shell could expand it",
    };
    const struct trouble *t = &w->trouble;
    if (t->kind == TROUBLE_NONE)
        return ERR_OK;
    if (t->kind == TROUBLE_VARIABLE)
        return refuse_variable(c, t);
    return crontab__command_refuse(c, t->at, t->bytes, "%s", reasons[t->kind]);
}
