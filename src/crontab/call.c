// SPDX-License-Identifier: MIT
// call.c: from the words of a command to the draft of a job.

#include "crontab/crontab_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 160 // Of a job's name; enough to tell jobs apart.

static const struct program *const programs[] = {&crontab__curl, &crontab__wget};

enum err crontab__call_refuse(const struct call *c, const char *format, ...)
{
    char reason[CRONTAB_REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return crontab__command_refuse(c->command, c->here.at, c->here.bytes, "%s", reason);
}

void crontab__call_note(struct call *c, const char *note)
{
    if (c->notes.count > 0 && strstr(c->notes.bytes, note))
        return; // The option is there twice.
    if (c->notes.count > 0)
        crontab__add(&c->notes, "; ");
    crontab__add(&c->notes, note);
}

// --- Which program -------------------------------------------------------------------------------

static bool is_assignment(const char *word)
{
    size_t name = strspn(word, NAME_CHARACTERS);
    return name > 0 && word[name] == '=';
}

static enum err find_program(struct call *c, const struct words *w)
{
    if (w->count == 0)
        return crontab__call_refuse(c, "there is no command for the shell");
    c->here = w->list[0];
    const char *slash = strrchr(c->here.text, '/');
    const char *name = slash ? slash + 1 : c->here.text;
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        if (strcmp(programs[i]->name, name) == 0) {
            c->program = programs[i];
            return ERR_OK;
        }
    }
    if (is_assignment(c->here.text))
        return crontab__call_refuse(c, "it sets a variable for its command");
    return crontab__call_refuse(c, "its command is %.64s, neither curl nor wget", c->here.text);
}

// --- The job -------------------------------------------------------------------------------------

// Where host and path of a URL begin; what stands before an @ may be a password.
static const char *after_scheme(const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;
    size_t authority = strcspn(host, "/?#");
    for (size_t i = authority; i > 0; i--) {
        if (host[i - 1] == '@')
            return host + i;
    }
    return host;
}

static void set_name(struct job *j, unsigned line)
{
    char name[NAME_BYTES];
    const char *host = after_scheme(j->api);
    snprintf(name, sizeof name, "crontab line %u: %.*s", line, (int)strcspn(host, "?#"), host);
    job_set_text(&j->name, name);
}

// Both programs take a URL without a scheme for one of HTTP.
static void set_url(struct job *j, const struct call *c)
{
    struct text url = {0};
    if (!strstr(c->url, "://"))
        crontab__add(&url, "http://");
    crontab__add(&url, c->url);
    if (c->body_in_query && c->has_body && c->body.count > 0) {
        crontab__add(&url, strchr(c->url, '?') ? "&" : "?");
        crontab__add(&url, c->body.bytes);
    }
    job_set_text(&j->api, url.bytes);
    crontab__text_fini(&url);
}

// A job without a body would send one of its own, unless it is a GET.
static void set_request(struct job *j, const struct call *c)
{
    bool has_body = c->has_body && !c->body_in_query;
    enum job_method method = c->has_method ? c->method : has_body ? METHOD_POST : METHOD_GET;
    j->method = (uint8_t)method;
    if (has_body || method != METHOD_GET)
        job_set_text(&j->body, has_body && c->body.count > 0 ? c->body.bytes : "");
    job_set_text(&j->headers, c->headers.bytes);
}

static struct job *draft(const struct call *c)
{
    struct job *j = job_new();
    set_url(j, c);
    set_request(j, c);
    set_name(j, c->command->line->number);
    if (c->timeout_ms > 0)
        j->timeout_ms = c->timeout_ms;
    if (c->has_retries)
        j->max_retries = c->retries;
    return j;
}

// --- The whole -----------------------------------------------------------------------------------

static enum err read_call(struct call *c, const struct words *w)
{
    enum err err = find_program(c, w);
    if (!err)
        err = crontab__read_options(c, w);
    if (err)
        return err;
    c->here = w->list[0]; // What is wrong from here on is wrong with the whole.
    if (!c->url || !*c->url)
        return crontab__call_refuse(c, "it has no URL");
    err = c->program->finish(c);
    return err ? err : crontab__finish_headers(c);
}

enum err crontab__call(const struct command_text *command, struct job **out)
{
    struct call c = {.command = command};
    struct words w;
    enum err err = crontab__words_init(&w, command);
    if (!err)
        err = read_call(&c, &w);
    if (!err) {
        *out = draft(&c);
        snprintf(command->line->reason, sizeof command->line->reason, "%s",
                 c.notes.count > 0 ? c.notes.bytes : "");
    }
    crontab__words_fini(&w);
    crontab__text_fini(&c.headers);
    crontab__text_fini(&c.omitted);
    crontab__text_fini(&c.body);
    crontab__text_fini(&c.notes);
    return err;
}
