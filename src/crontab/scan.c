// SPDX-License-Identifier: MIT
// scan.c: a command cut into words, operators and redirections, as a POSIX shell would.
//
// Quotes and backslashes are undone. What only a shell could work out (the output of a command, a
// variable that nobody has set) is passed over and noted in its word: it stops the conversion only
// where the word matters. `*`, `?` and `[` stay as they are: a shell leaves a pattern alone that
// names no file, and no file is named like a URL.

#include "crontab/crontab_priv.h"

void crontab__scan_init(struct scanner *s, const struct command_text *c, struct environment *e,
                        struct arena *a)
{
    *s = (struct scanner){.command = c, .environment = e, .arena = a};
}

void crontab__scan_fini(struct scanner *s)
{
    crontab__text_fini(&s->text);
}

void crontab__words_fini(struct words *w)
{
    free(w->list);
    *w = (struct words){0};
}

static const char *here(const struct scanner *s)
{
    return s->command->text + s->at;
}

// --- Inside a word -------------------------------------------------------------------------------

static enum err refuse_quote(const struct scanner *s)
{
    return crontab__command_refuse_open(s->command, s->at, 1, "the quote");
}

static enum err scan_single_quotes(struct scanner *s)
{
    const char *open = here(s) + 1;
    const char *close = strchr(open, '\'');
    if (!close)
        return refuse_quote(s);
    crontab__add_bytes(&s->text, open, (size_t)(close - open));
    s->at += (size_t)(close - open) + 2;
    return ERR_OK;
}

static enum err scan_quoted_piece(struct scanner *s)
{
    const char *c = here(s);
    if (*c == '$')
        return crontab__scan_dollar(s, true);
    if (*c == '`')
        return crontab__scan_backtick(s);
    s->at += *c == '\\' && crontab__is_one_of(c[1], "$`\"\\");
    crontab__add_bytes(&s->text, here(s), 1);
    s->at++;
    return ERR_OK;
}

static enum err scan_double_quotes(struct scanner *s)
{
    size_t open = s->at++;
    enum err err = ERR_OK;
    while (!err && *here(s) && *here(s) != '"')
        err = scan_quoted_piece(s);
    if (err)
        return err;
    if (!*here(s)) {
        s->at = open;
        return refuse_quote(s);
    }
    s->at++;
    return ERR_OK;
}

static enum err scan_piece(struct scanner *s)
{
    const char *c = here(s);
    if (*c == '$')
        return crontab__scan_dollar(s, false);
    s->begun = true;
    if (*c == '\'')
        return scan_single_quotes(s);
    if (*c == '"')
        return scan_double_quotes(s);
    if (*c == '`')
        return crontab__scan_backtick(s);
    s->at += *c == '\\' && c[1];
    crontab__add_bytes(&s->text, here(s), 1);
    s->at++;
    return ERR_OK;
}

void crontab__trouble(struct scanner *s, enum trouble_kind kind, size_t bytes)
{
    if (s->trouble.kind == TROUBLE_NONE)
        s->trouble = (struct trouble){.kind = kind, .at = s->at, .bytes = bytes};
}

enum err crontab__end_word(struct scanner *s)
{
    struct words *w = s->words;
    if (!s->begun && s->text.count == 0)
        return ERR_OK;
    if (w->count == WORDS_MAX)
        return crontab__command_refuse(s->command, s->start, MAX(s->at - s->start, 1),
                                       "the command has more than %d words", WORDS_MAX);
    w->list = grow(w->list, w->count, &w->capacity, sizeof *w->list);
    w->list[w->count++] = (struct word){
        .text = arena_copy(s->arena, s->text.bytes ? s->text.bytes : "", s->text.count)};
    crontab__text_clear(&s->text);
    s->begun = false;
    return ERR_OK;
}

// A word that is set to a value is not cut where the value has blanks.
static bool begins_assignment(const char *text)
{
    size_t name = strspn(text, NAME_CHARACTERS);
    return name > 0 && text[name] == '=' && !crontab__is_one_of(*text, "0123456789");
}

enum err crontab__scan_word(struct scanner *s, struct words *w, bool first)
{
    size_t before = w->count;
    s->words = w;
    s->start = s->at;
    s->trouble = (struct trouble){0};
    s->splits = !(first && begins_assignment(here(s)));
    if (*here(s) == '~')
        crontab__trouble(s, TROUBLE_SHELL, 1);
    enum err err = ERR_OK;
    while (!err && *here(s) && !crontab__is_one_of(*here(s), " \t|&;()<>"))
        err = scan_piece(s);
    if (!err && s->trouble.kind)
        s->begun = true;
    if (!err)
        err = crontab__end_word(s);
    for (size_t i = before; i < w->count; i++) {
        w->list[i].at = s->start;
        w->list[i].bytes = s->at - s->start;
        w->list[i].trouble = s->trouble;
    }
    return err;
}

// --- Between words -------------------------------------------------------------------------------

// In the order in which they must be tried.
static const struct {
    const char *sign;
    bool appends;
    bool takes_descriptor;
    bool reads;
} redirections[] = {
    {"&>>", true, false, false}, {"&>", false, false, false}, {">>", true, false, false},
    {">|", false, false, false}, {">&", false, true, false},  {">", false, false, false},
    {"<<", false, false, true},  {"<&", false, true, true},   {"<>", false, false, true},
    {"<", false, false, true},
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

static bool is_redirection(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    size_t row = find_redirection(text + digits);
    return row < COUNT_OF(redirections) && (digits == 0 || *redirections[row].sign != '&');
}

static const struct {
    const char *sign;
    enum token token;
} operators[] = {
    {"&&", TOKEN_AND},      {"||", TOKEN_OR},       {"|&", TOKEN_PIPE}, {"|", TOKEN_PIPE},
    {";", TOKEN_SEMICOLON}, {"&", TOKEN_AMPERSAND}, {"(", TOKEN_OPEN},  {")", TOKEN_CLOSE},
};

// The row of the operator that comes next; COUNT_OF(operators) when a word does.
static size_t find_operator(const struct scanner *s)
{
    size_t i = 0;
    while (i < COUNT_OF(operators) &&
           strncmp(here(s), operators[i].sign, strlen(operators[i].sign)) != 0)
        i++;
    return i;
}

// A word that begins with `#` is a comment to the shell.
enum token crontab__peek(struct scanner *s)
{
    s->at += strspn(here(s), " \t");
    if (!*here(s) || *here(s) == '#')
        return TOKEN_END;
    if (is_redirection(here(s)))
        return TOKEN_REDIRECTION;
    size_t row = find_operator(s);
    return row < COUNT_OF(operators) ? operators[row].token : TOKEN_WORD;
}

void crontab__take(struct scanner *s, struct trouble *where)
{
    size_t bytes = strlen(operators[find_operator(s)].sign);
    *where = (struct trouble){.at = s->at, .bytes = bytes};
    s->at += bytes;
}

static bool is_descriptor(const char *text)
{
    return strcmp(text, "-") == 0 || (*text && strspn(text, "0123456789") == strlen(text));
}

// Reads the file's name as a word of no command.
static enum err scan_file(struct scanner *s, const char **out)
{
    struct words w = {0};
    enum err err = crontab__scan_word(s, &w, true);
    *out = w.count > 0 ? w.list[0].text : "";
    crontab__words_fini(&w);
    return err;
}

// The digits before the sign, if any, say which descriptor is meant.
enum err crontab__scan_redirection(struct scanner *s, struct redirection *out)
{
    size_t start = s->at;
    size_t digits = strspn(here(s), "0123456789");
    bool complains = digits == 1 && *here(s) == '2';
    size_t row = find_redirection(here(s) + digits);
    s->at += digits + strlen(redirections[row].sign);
    s->at += strspn(here(s), " \t");
    size_t file_at = s->at;
    const char *file;
    enum err err = scan_file(s, &file);
    if (err)
        return err;
    bool descriptor = redirections[row].takes_descriptor && is_descriptor(file);
    *out = (struct redirection){
        .at = start,
        .bytes = s->at - start,
        .reads = redirections[row].reads,
        .appends = redirections[row].appends,
        .complains = complains,
        .goes_nowhere = descriptor || (strcmp(file, "/dev/null") == 0 &&
                                       strcmp(redirections[row].sign, "<<") != 0),
        .file = file,
        .file_at = file_at,
    };
    return ERR_OK;
}
