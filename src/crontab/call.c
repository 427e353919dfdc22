// SPDX-License-Identifier: MIT
// call.c: from the words of a command to the draft of a job.

#include "crontab/crontab_priv.h"

#include <stdarg.h>
#include <stdio.h>

#define NAME_BYTES 160 // A job's name: enough to tell jobs apart.

enum err crontab__call_refuse(const struct call *c, const char *format, ...)
{
    char reason[CRONTAB_REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return crontab__command_refuse(c->command, c->here.at, c->here.bytes, "%s", reason);
}

void crontab__call_note(struct call *c, const char *format, ...)
{
    char note[CRONTAB_REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note, sizeof note, format, arguments);
    va_end(arguments);
    if (c->notes.count > 0 && strstr(c->notes.bytes, note))
        return; // The option is there twice.
    if (c->notes.count + strlen(note) + 2 >= CRONTAB_REASON_BYTES)
        return; // Nobody reads that much.
    if (c->notes.count > 0)
        crontab__add(&c->notes, "; ");
    crontab__add(&c->notes, note);
}

void crontab__call_fini(struct call *c)
{
    crontab__text_fini(&c->credentials);
    crontab__text_fini(&c->headers);
    crontab__text_fini(&c->omitted);
    crontab__text_fini(&c->body);
    crontab__text_fini(&c->notes);
}

// --- Which program -------------------------------------------------------------------------------

static const struct program *find_in(const struct program *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    }
    return NULL;
}

static const char *base_name(const char *word)
{
    const char *slash = strrchr(word, '/');
    return slash ? slash + 1 : word;
}

static const struct program *find_caller(const char *name)
{
    const struct program *p = find_in(crontab__browsers, crontab__browser_count, name);
    if (!p)
        p = find_in(&crontab__curl, 1, name);
    return p ? p : find_in(&crontab__wget, 1, name);
}

static const struct program *find_program(const char *word)
{
    const char *name = base_name(word);
    const struct program *p = find_caller(name);
    return p ? p : find_in(crontab__wrappers, crontab__wrapper_count, name);
}

bool crontab__is_caller(const char *word)
{
    return find_caller(base_name(word)) != NULL;
}

bool crontab__is_program(const char *word)
{
    return find_program(word) != NULL;
}

// --- The job -------------------------------------------------------------------------------------

static void set_name(struct job *j, unsigned line)
{
    char name[NAME_BYTES];
    const char *scheme = strstr(j->api, "://");
    const char *host = scheme ? scheme + 3 : j->api;
    snprintf(name, sizeof name, "crontab line %u: %.*s", line, (int)strcspn(host, "?#"), host);
    job_set_text(&j->name, name);
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

static void set_policy(struct job *j, const struct call *c)
{
    if (c->timeout_ms > 0)
        j->timeout_ms = c->timeout_ms;
    if (c->outer_timeout_ms > 0)
        j->timeout_ms =
            c->timeout_ms > 0 ? MIN(c->timeout_ms, c->outer_timeout_ms) : c->outer_timeout_ms;
    if (c->has_retries) {
        j->max_retries = c->retries;
        j->retry_strategy = (uint8_t)c->retry_strategy;
        j->retry_base_ms = c->retry_base_ms;
        j->retry_cap_ms = c->retry_cap_ms;
    }
    j->overlap = (uint8_t)c->overlap;
    j->redirects = c->follows ? c->redirects_max : 0;
    j->tls_verify = !c->trusts_all;
}

static struct job *draft(const struct call *c, const char *url)
{
    struct job *j = job_new();
    job_set_text(&j->api, url);
    set_request(j, c);
    set_policy(j, c);
    set_name(j, c->command->line->number);
    return j;
}

// --- The whole -----------------------------------------------------------------------------------

static enum err make_url(struct call *c, struct job **out)
{
    struct text url = {0};
    enum err err = crontab__url(c, &url);
    if (!err)
        err = crontab__finish_headers(c);
    if (!err)
        *out = draft(c, url.bytes);
    crontab__text_fini(&url);
    return err;
}

// A HEAD of curl or wget has no body either, but for what nobody writes.
static enum err check_head(const struct call *c)
{
    bool head = c->has_method && c->method == METHOD_HEAD;
    if (head && c->has_body && !c->body_in_query)
        return crontab__call_refuse(c, "a HEAD request of a job has no body");
    return ERR_OK;
}

static enum err finish(struct call *c, const struct word *name, struct job **out)
{
    c->here = *name; // What is wrong from here on is wrong with the whole.
    if (!c->url || !*c->url)
        return crontab__call_refuse(c, "it has no URL");
    enum err err = c->program->finish(c);
    if (!err)
        err = check_head(c);
    if (err)
        return err;
    if (c->command->input && !c->reads_input)
        crontab__call_note(c, "what follows the %% is not read; a percent sign is written \\%%");
    return make_url(c, out);
}

enum err crontab__call(struct call *c, const struct words *w, size_t first, struct job **out)
{
    enum err err = ERR_OK;
    for (size_t next = first; !err && next < w->count;) {
        const struct word *name = &w->list[next++];
        c->here = *name;
        err = crontab__check_word(c->command, name);
        c->program = err ? NULL : find_program(name->text);
        if (!err && !c->program)
            return crontab__refuse_program(c, w, next - 1);
        if (!err)
            err = crontab__read_options(c, w, &next);
        if (!err && !c->program->enter)
            return finish(c, name, out);
        if (!err)
            err = c->program->enter(c, w, &next);
        if (!err && !c->script && next == w->count)
            err = crontab__call_refuse(c, "%s has no command", c->program->name);
    }
    return err;
}
