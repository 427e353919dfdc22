// SPDX-License-Identifier: MIT
// skip.c: a command that is passed over, whatever it is, up to where it ends.
//
// Nothing in it has to be known but quotes and brackets, so variables are not looked up.

#include "crontab/shell_priv.h"

bool crontab__is_brace(const struct scanner *s, char brace)
{
    const char *text = s->command->text + s->at;
    return *text == brace && (!text[1] || crontab__is_one_of(text[1], " \t;|&()<>"));
}

// Passes over words and redirections. A brace among them is a word like any other.
static enum err skip_words(struct scanner *s)
{
    struct environment *known = s->environment;
    enum err err = ERR_OK;
    s->environment = NULL;
    for (enum token t; !err && ((t = crontab__peek(s)) == TOKEN_WORD || t == TOKEN_REDIRECTION);) {
        struct redirection ignored;
        struct words words = {0};
        err = t == TOKEN_WORD ? crontab__scan_word(s, &words, false)
                              : crontab__scan_redirection(s, &ignored);
        crontab__words_fini(&words);
    }
    s->environment = known;
    return err;
}

static bool is_bracket(const struct scanner *s, enum token token, enum token bracket, char brace)
{
    return token == bracket || (token == TOKEN_WORD && crontab__is_brace(s, brace));
}

// What comes next is a bracket, a sign between commands, or a command.
static enum err skip_one(struct scanner *s, enum token token, size_t *depth, size_t *opened_at)
{
    struct trouble ignored;
    if (is_bracket(s, token, TOKEN_OPEN, '{')) {
        if ((*depth)++ == 0)
            *opened_at = s->at;
        s->at++;
    } else if (is_bracket(s, token, TOKEN_CLOSE, '}')) {
        --*depth;
        s->at++;
    } else if (token >= TOKEN_AND) {
        crontab__take(s, &ignored);
    } else {
        return skip_words(s);
    }
    return ERR_OK;
}

// Whether the command that is not inside of brackets ends here.
static bool ends_here(const struct scanner *s, enum token token)
{
    if (is_bracket(s, token, TOKEN_OPEN, '{') || token == TOKEN_PIPE)
        return false;
    return is_bracket(s, token, TOKEN_CLOSE, '}') || token >= TOKEN_AND || token == TOKEN_END;
}

enum err crontab__skip_command(struct scanner *s)
{
    size_t depth = 0, opened_at = s->at;
    enum err err = ERR_OK;
    for (enum token token; !err;) {
        token = crontab__peek(s);
        if (depth == 0 && ends_here(s, token))
            return ERR_OK;
        if (token == TOKEN_END)
            return crontab__command_refuse_open(s->command, opened_at, 1, "the bracket");
        err = skip_one(s, token, &depth, &opened_at);
    }
    return err;
}
