// SPDX-License-Identifier: MIT
// words.c: a command cut into words, as a POSIX shell would, for commands that need no shell.
//
// Quotes and backslashes are undone. Redirections of what the command prints to /dev/null are
// passed over, since a job's answer is kept elsewhere. Everything whose meaning depends on the
// moment (variables, substitutions) or on other commands (pipes, lists) is refused with its
// position. `*`, `?` and `[` stay as they are: a shell leaves a pattern alone that names no file,
// and no file is named like a URL.

#include "crontab/crontab_priv.h"

#include <string.h>

struct scanner {
    const struct command_text *command;
    const char *text; // Of the command.
    size_t at;
    char *out; // Where the next byte of a word goes.
    struct words *words;
};

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static enum err refuse(const struct scanner *s, size_t bytes, const char *reason)
{
    return crontab__command_refuse(s->command, s->at, bytes, "%s", reason);
}

// --- Inside a word -------------------------------------------------------------------------------

// How long the name of the variable at `name` is; 0 when there is none.
static size_t variable_bytes(const char *name)
{
    if (*name == '{')
        return strcspn(name, "}") + (strchr(name, '}') != NULL);
    return is_one_of(*name, "@*#?-$!") ? 1 : strspn(name, NAME_CHARACTERS);
}

// A `$` that begins no expansion is a character like any other.
static enum err scan_dollar(struct scanner *s, bool quoted)
{
    const char *next = s->text + s->at + 1;
    if (*next == '(')
        return refuse(s, 2, "it uses the output of another command: $(...)");
    if (!quoted && is_one_of(*next, "'\""))
        return refuse(s, 2, "only a shell could expand it");
    size_t bytes = variable_bytes(next);
    if (bytes > 0)
        return crontab__command_refuse(s->command, s->at, bytes + 1, "it uses the variable $%.*s",
                                       (int)MIN(bytes, 64), next);
    *s->out++ = s->text[s->at++];
    return ERR_OK;
}

static enum err scan_single_quotes(struct scanner *s)
{
    const char *open = s->text + s->at + 1;
    const char *close = strchr(open, '\'');
    if (!close)
        return refuse(s, 1, "the quote is not closed");
    memcpy(s->out, open, (size_t)(close - open));
    s->out += close - open;
    s->at += (size_t)(close - open) + 2;
    return ERR_OK;
}

static enum err scan_backquote(struct scanner *s)
{
    return refuse(s, 1, "it uses the output of another command: `...`");
}

static enum err scan_quoted_piece(struct scanner *s)
{
    char c = s->text[s->at];
    if (c == '$')
        return scan_dollar(s, true);
    if (c == '`')
        return scan_backquote(s);
    s->at += c == '\\' && is_one_of(s->text[s->at + 1], "$`\"\\");
    *s->out++ = s->text[s->at++];
    return ERR_OK;
}

static enum err scan_double_quotes(struct scanner *s)
{
    size_t open = s->at++;
    enum err err = ERR_OK;
    while (!err && s->text[s->at] && s->text[s->at] != '"')
        err = scan_quoted_piece(s);
    if (err)
        return err;
    if (!s->text[s->at]) {
        s->at = open;
        return refuse(s, 1, "the quote is not closed");
    }
    s->at++;
    return ERR_OK;
}

static enum err scan_piece(struct scanner *s)
{
    switch (s->text[s->at]) {
    case '\'':
        return scan_single_quotes(s);
    case '"':
        return scan_double_quotes(s);
    case '`':
        return scan_backquote(s);
    case '$':
        return scan_dollar(s, false);
    case '\\':
        s->at += s->text[s->at + 1] != '\0';
        break;
    }
    *s->out++ = s->text[s->at++];
    return ERR_OK;
}

// Adds the word that begins here.
static enum err scan_word(struct scanner *s)
{
    struct words *w = s->words;
    size_t start = s->at;
    if (w->count == WORDS_MAX)
        return refuse(s, 1, "the command has more than 256 words");
    if (s->text[start] == '~')
        return refuse(s, 1, "only a shell could expand it");
    const char *word = s->out;
    enum err err = ERR_OK;
    while (!err && s->text[s->at] && !is_one_of(s->text[s->at], " \t|&;()<>"))
        err = scan_piece(s);
    *s->out++ = '\0';
    if (!err)
        w->list[w->count++] = (struct word){.text = word, .at = start, .bytes = s->at - start};
    return err;
}

// --- Between words -------------------------------------------------------------------------------

static const struct {
    const char *sign;
    const char *reason;
} operators[] = {
    {"&&", "it runs another command as well (&&)"},
    {"||", "it runs another command as well (||)"},
    {"|", "its output goes to another command (|)"},
    {";", "it runs another command as well (;)"},
    {"&", "it runs in the background (&); a URL with an & in it needs quotes"},
    {"(", "only a shell could run it"},
    {")", "only a shell could run it"},
};

static enum err refuse_operator(const struct scanner *s)
{
    size_t i = 0;
    while (strncmp(s->text + s->at, operators[i].sign, strlen(operators[i].sign)) != 0)
        i++;
    return refuse(s, strlen(operators[i].sign), operators[i].reason);
}

// In the order in which they must be tried.
static const struct {
    const char *sign;
    bool takes_file;
    bool takes_descriptor;
} redirections[] = {
    {"&>>", true, false}, {"&>", true, false}, {">>", true, false},  {">|", true, false},
    {">&", true, true},   {">", true, false},  {"<<", false, false}, {"<&", false, true},
    {"<>", true, false},  {"<", true, false},
};

// The row of the redirection at `sign`; COUNT_OF(redirections) when there is none.
static size_t find_redirection(const char *sign)
{
    size_t i = 0;
    while (i < COUNT_OF(redirections) &&
           strncmp(sign, redirections[i].sign, strlen(redirections[i].sign)) != 0)
        i++;
    return i;
}

static bool is_descriptor(const char *text)
{
    return strcmp(text, "-") == 0 || (*text && strspn(text, "0123456789") == strlen(text));
}

// The digits before the sign, if any, begin at s->at.
static enum err scan_redirection(struct scanner *s, size_t digits, size_t row)
{
    size_t start = s->at;
    s->at += digits + strlen(redirections[row].sign);
    s->at += strspn(s->text + s->at, " \t");
    enum err err = scan_word(s);
    if (err)
        return err;
    const struct word *target = &s->words->list[--s->words->count]; // Not a word of the command.
    if ((redirections[row].takes_file && strcmp(target->text, "/dev/null") == 0) ||
        (redirections[row].takes_descriptor && is_descriptor(target->text)))
        return ERR_OK;
    return crontab__command_refuse(s->command, start, s->at - start,
                                   "it reads or writes a file (%.*s)", (int)(s->at - start),
                                   s->text + start);
}

static enum err scan_next(struct scanner *s)
{
    size_t digits = strspn(s->text + s->at, "0123456789");
    size_t row = find_redirection(s->text + s->at + digits);
    if (row < COUNT_OF(redirections) && (digits == 0 || *redirections[row].sign != '&'))
        return scan_redirection(s, digits, row);
    return is_one_of(s->text[s->at], "|&;()") ? refuse_operator(s) : scan_word(s);
}

// A word that begins with `#` is a comment to the shell.
enum err crontab__words_init(struct words *w, const struct command_text *c)
{
    // Each word ends in a NUL where at least one byte of the command ended it.
    *w = (struct words){.bytes = xmalloc(strlen(c->text) + 2)};
    struct scanner s = {.command = c, .text = c->text, .out = w->bytes, .words = w};
    enum err err = ERR_OK;
    for (;;) {
        s.at += strspn(s.text + s.at, " \t");
        if (err || !s.text[s.at] || s.text[s.at] == '#')
            return err;
        err = scan_next(&s);
    }
}

void crontab__words_fini(struct words *w)
{
    free(w->bytes);
}
