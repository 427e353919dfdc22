// SPDX-License-Identifier: MIT
// shell.c: a list of commands, of which one calls a URL.
//
// Only what a list does when all goes well can be a job: commands that make no difference to the
// call (bystander.c), then the call, then again such commands. What would run after a failure (||)
// is left out, since a failure raises an alert. Brackets and `sh -c '...'` are lists within lists.
// Where what is run depends on anything else, the line stays with cron.

#include "crontab/shell_priv.h"

#include <stdio.h>

#define DEPTH_MAX 8
#define SHOWN 80 // Bytes of the command that a note shows.

// How the list ends that is being read.
enum closing { CLOSES_AT_END, CLOSES_WITH_BRACKET, CLOSES_WITH_BRACE };

// A list under way.
struct list {
    struct shell *shell;
    struct scanner scanner;
    enum closing closing;
    size_t opened_at;     // Where the bracket stands that closes the list.
    enum token connector; // What stands before the command being read; TOKEN_END: nothing.
    struct trouble connector_place;
};

static enum err run_list(struct list *l);

static enum err refuse_at(const struct list *l, const struct trouble *where, const char *reason)
{
    return crontab__command_refuse(l->scanner.command, where->at, where->bytes, "%s", reason);
}

// --- Where a list ends ---------------------------------------------------------------------------

static bool is_at_end(struct list *l)
{
    enum token token = crontab__peek(&l->scanner);
    return token == TOKEN_END || token == TOKEN_CLOSE ||
           (token == TOKEN_WORD && crontab__is_brace(&l->scanner, '}'));
}

static enum err close_list(struct list *l)
{
    struct scanner *s = &l->scanner;
    enum token token = crontab__peek(s);
    bool closes = l->closing == CLOSES_WITH_BRACKET ? token == TOKEN_CLOSE
                  : l->closing == CLOSES_WITH_BRACE ? token == TOKEN_WORD
                                                    : token == TOKEN_END;
    if (!closes && token == TOKEN_END)
        return crontab__command_refuse_open(s->command, l->opened_at, 1, "the bracket");
    if (!closes)
        return crontab__command_refuse(s->command, s->at, 1, "the bracket was not opened");
    s->at += l->closing != CLOSES_AT_END;
    return ERR_OK;
}

// --- What is left out ----------------------------------------------------------------------------

static enum err skip_alternative(struct list *l)
{
    struct scanner *s = &l->scanner;
    crontab__peek(s);
    size_t start = s->at;
    enum err err = crontab__skip_command(s);
    size_t bytes = s->at - start;
    while (bytes > 0 && crontab__is_blank(s->command->text[start + bytes - 1]))
        bytes--;
    if (!err && l->shell->job)
        crontab__call_note(&l->shell->call,
                           "what follows || is not run (%.*s): a failure raises an alert",
                           (int)MIN(bytes, SHOWN), s->command->text + start);
    return err;
}

// --- One command ---------------------------------------------------------------------------------

static enum err read_redirection(struct list *l)
{
    struct redirection r;
    enum err err = crontab__scan_redirection(&l->scanner, &r);
    return err ? err : crontab__judge_redirection(l->shell, l->scanner.command, &r);
}

static enum err read_redirections(struct list *l)
{
    enum err err = ERR_OK;
    while (!err && crontab__peek(&l->scanner) == TOKEN_REDIRECTION)
        err = read_redirection(l);
    return err;
}

// Words may be assignments until the first that is none.
static enum err read_words(struct list *l, struct words *w)
{
    enum err err = ERR_OK;
    bool first = true;
    for (enum token t;
         !err && ((t = crontab__peek(&l->scanner)) == TOKEN_WORD || t == TOKEN_REDIRECTION);) {
        if (t == TOKEN_REDIRECTION) {
            err = read_redirection(l);
            continue;
        }
        err = crontab__scan_word(&l->scanner, w, first);
        first = first && w->count > 0 && crontab__is_assignment(w->list[w->count - 1].text);
    }
    return err;
}

static enum err check_depth(const struct list *l, size_t at, size_t bytes)
{
    if (l->shell->depth < DEPTH_MAX)
        return ERR_OK;
    return crontab__command_refuse(l->scanner.command, at, bytes,
                                   "it is a command within more than %d others", DEPTH_MAX - 1);
}

static enum err check_call(const struct shell *sh, const struct command_text *c, size_t at,
                           size_t bytes)
{
    if (sh->job)
        return ERR_OK;
    return crontab__command_refuse(c, at, bytes, "there is no call of curl or wget in it");
}

// sh -c 'script': the script's list, which has to end where the word does.
static enum err run_script(struct list *l)
{
    struct call *c = &l->shell->call;
    enum err err = check_depth(l, c->script_word.at, c->script_word.bytes);
    if (err)
        return err;
    const struct command_text *outer = l->scanner.command;
    struct command_text inner = {.line = outer->line,
                                 .text = (char *)(uintptr_t)c->script, // Which is only read.
                                 .input = outer->input,
                                 .outer = outer,
                                 .outer_at = c->script_word.at,
                                 .outer_bytes = c->script_word.bytes};
    struct list list = {.shell = l->shell, .closing = CLOSES_AT_END};
    struct environment *known = l->shell->environment, none = {.bytes_left = known->bytes_left};
    c->script = NULL;
    c->runs_script = false;
    l->shell->environment = c->forgets ? &none : known;
    crontab__scan_init(&list.scanner, &inner, l->shell->environment, &l->shell->arena);
    err = run_list(&list);
    crontab__scan_fini(&list.scanner);
    l->shell->environment = known;
    crontab__text_fini(&none.used);
    return err ? err : check_call(l->shell, outer, c->script_word.at, c->script_word.bytes);
}

// The call, or a command before it.
static enum err run_before(struct list *l, const struct words *w, size_t first)
{
    struct shell *sh = l->shell;
    const struct bystander *b = crontab__bystander(w->list[first].text);
    if (b && b->before)
        return b->before(sh, l->scanner.command, w, first);
    sh->call.command = l->scanner.command;
    enum err err = crontab__call(&sh->call, w, first, &sh->job);
    return !err && sh->call.script ? run_script(l) : err;
}

static enum err refuse_another(const struct list *l)
{
    static const char *const reasons[] = {
        [TOKEN_AND] = "it runs another command as well (&&)",
        [TOKEN_SEMICOLON] = "it runs another command as well (;)",
    };
    return refuse_at(l, &l->connector_place, reasons[l->connector]);
}

// A command after the call.
static enum err run_after(struct list *l, const struct words *w, size_t first)
{
    struct shell *sh = l->shell;
    const struct word *name = &w->list[first];
    const struct bystander *b = crontab__bystander(name->text);
    if (crontab__is_caller(name->text)) {
        crontab__hint(sh->line, "give each call a line of its own");
        return crontab__command_refuse(l->scanner.command, name->at, name->bytes,
                                       "it makes more than one call");
    }
    if (!b || !b->after)
        return refuse_another(l);
    const struct word *last = &w->list[w->count - 1];
    crontab__call_note(&sh->call, "%.*s is not run",
                       (int)MIN(last->at + last->bytes - name->at, SHOWN),
                       l->scanner.command->text + name->at);
    return ERR_OK;
}

static enum err run_simple(struct list *l)
{
    struct environment *e = l->shell->environment;
    struct words w = {0};
    size_t locals = e->local_count, first = 0;
    size_t start = l->scanner.at;
    enum err err = read_words(l, &w);
    if (!err && w.count == 0)
        err = crontab__command_refuse(l->scanner.command, start, 0,
                                      "there is no command for the shell");
    if (!err)
        err = crontab__take_assignments(l->shell, l->scanner.command, &w, &first);
    if (!err && first < w.count) {
        err = l->shell->job ? run_after(l, &w, first) : run_before(l, &w, first);
        if (e->local_count > locals && !l->shell->exports)
            e->local_count = locals; // The variables were for this command.
    }
    l->shell->exports = false;
    crontab__words_fini(&w);
    return err;
}

static enum err run_group(struct list *l, enum closing closing)
{
    struct list group = *l;
    size_t *locals = &l->shell->environment->local_count, before = *locals;
    enum err err = check_depth(l, l->scanner.at, 1);
    if (err)
        return err;
    group.closing = closing;
    group.opened_at = group.scanner.at++;
    err = run_list(&group);
    l->scanner = group.scanner;
    if (closing == CLOSES_WITH_BRACKET)
        *locals = before; // A shell of its own, whose variables end with it.
    return err ? err : read_redirections(l);
}

static enum err run_command(struct list *l)
{
    enum token token = crontab__peek(&l->scanner);
    if (token == TOKEN_OPEN)
        return run_group(l, CLOSES_WITH_BRACKET);
    if (token == TOKEN_WORD && crontab__is_brace(&l->scanner, '{'))
        return run_group(l, CLOSES_WITH_BRACE);
    return run_simple(l);
}

// --- What stands between commands ----------------------------------------------------------------

// Where the call's answer goes to: only to what keeps it.
static enum err read_pipe(struct list *l)
{
    struct trouble where;
    struct words w = {0};
    crontab__take(&l->scanner, &where);
    crontab__peek(&l->scanner);
    size_t start = l->scanner.at;
    enum err err = read_words(l, &w);
    const struct bystander *b = w.count > 0 ? crontab__bystander(w.list[0].text) : NULL;
    if (!err && (!b || !b->takes_output))
        err = refuse_at(l, &where, "its output goes to another command (|)");
    if (!err)
        err = b->takes_output(l->shell, l->scanner.command, &w, 0);
    if (!err)
        crontab__call_note(
            &l->shell->call, "the answer is kept with the execution, not given to %.*s",
            (int)MIN(l->scanner.at - start, SHOWN), l->scanner.command->text + start);
    crontab__words_fini(&w);
    return err;
}

static enum err read_pipes(struct list *l, bool was_call)
{
    enum err err = ERR_OK;
    while (!err && crontab__peek(&l->scanner) == TOKEN_PIPE) {
        struct trouble where = {.at = l->scanner.at, .bytes = 1};
        err = was_call ? read_pipe(l)
                       : refuse_at(l, &where, "its output goes to another command (|)");
    }
    return err;
}

// What connects the command just read with the next. A `&` at the end of all makes no difference.
static enum err read_connector(struct list *l)
{
    l->connector = TOKEN_END;
    if (is_at_end(l))
        return ERR_OK;
    l->connector = crontab__peek(&l->scanner);
    if (l->connector < TOKEN_AND || l->connector == TOKEN_OPEN)
        return crontab__command_refuse(l->scanner.command, l->scanner.at, 1,
                                       "only a shell could run it");
    crontab__take(&l->scanner, &l->connector_place);
    if (l->connector == TOKEN_AMPERSAND && !(l->shell->job && is_at_end(l)))
        return refuse_at(l, &l->connector_place,
                         "it runs in the background (&); a URL with an & in it needs quotes");
    return ERR_OK;
}

static enum err run_step(struct list *l)
{
    bool before = l->shell->job != NULL;
    enum err err = l->connector == TOKEN_OR ? skip_alternative(l) : run_command(l);
    if (!err)
        err = read_pipes(l, !before && l->shell->job);
    return err ? err : read_connector(l);
}

static enum err run_list(struct list *l)
{
    enum err err = ERR_OK;
    l->shell->depth++;
    do {
        err = run_step(l);
    } while (!err && !is_at_end(l));
    l->shell->depth--;
    if (!err && (l->connector == TOKEN_AND || l->connector == TOKEN_OR))
        return refuse_at(l, &l->connector_place, "a command is missing behind it");
    return err ? err : close_list(l);
}

// --- The whole -----------------------------------------------------------------------------------

static void note_variables(struct shell *sh)
{
    struct text *used = &sh->environment->used;
    if (used->count == 0)
        return;
    bool one = strchr(used->bytes, ' ') == used->bytes + used->count - 1;
    crontab__call_note(&sh->call, "the %s of %.*s %s put in", one ? "value" : "values",
                       (int)used->count - 1, used->bytes, one ? "is" : "are");
}

enum err crontab__shell(const struct command_text *command, struct environment *e, struct job **out,
                        uint32_t *delay_s)
{
    struct shell sh = {.line = command->line, .environment = e};
    struct list list = {.shell = &sh, .closing = CLOSES_AT_END};
    crontab__text_clear(&e->used);
    crontab__scan_init(&list.scanner, command, e, &sh.arena);
    enum err err = run_list(&list);
    if (!err)
        err = check_call(&sh, command, 0, strlen(command->text));
    if (!err) {
        note_variables(&sh);
        snprintf(command->line->reason, sizeof command->line->reason, "%s",
                 sh.call.notes.count > 0 ? sh.call.notes.bytes : "");
        *out = sh.job;
        *delay_s = (uint32_t)(sh.delay_ms / 1000);
        sh.job = NULL;
    }
    job_free(sh.job);
    crontab__scan_fini(&list.scanner);
    crontab__call_fini(&sh.call);
    arena_clear(&sh.arena);
    e->local_count = 0;
    return err;
}
