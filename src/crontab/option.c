// SPDX-License-Identifier: MIT
// option.c: the words of a call: options by the program's table, and the one URL.
//
// Short options may stand together ("-fsS"), and the last of them may have its value in the same
// word ("-m10"). An option that is not in the table stops the conversion: what it does is not
// known, so nobody can say that a job does the same.

#include "crontab/crontab_priv.h"

struct reader {
    struct call *call;
    const struct words *words;
    size_t *next;
};

static enum err refuse_unknown(struct reader *r, const char *dashes, const char *name, size_t bytes)
{
    return crontab__call_refuse(r->call, "the option %s%.*s of %s is not known here", dashes,
                                (int)MIN(bytes, 64), name, r->call->program->name);
}

static const struct option *find_long(const struct program *p, const char *name, size_t bytes)
{
    for (size_t i = 0; i < p->option_count; i++) {
        const char *known = p->options[i].name;
        if (known && strlen(known) == bytes && memcmp(known, name, bytes) == 0)
            return &p->options[i];
    }
    return NULL;
}

static const struct option *find_letter(const struct program *p, char letter)
{
    for (size_t i = 0; i < p->option_count; i++) {
        if (p->options[i].letter == letter)
            return &p->options[i];
    }
    return NULL;
}

// The next word, whose meaning must be known.
static enum err take(struct reader *r, const struct word **out)
{
    *out = &r->words->list[(*r->next)++];
    return crontab__check_word(r->call->command, *out);
}

// `inside` is the value within the same word, or NULL.
static enum err apply(struct reader *r, const struct option *o, const char *inside)
{
    const char *value = inside;
    if (o->has_value && !value) {
        const struct word *word;
        if (*r->next == r->words->count)
            return crontab__call_refuse(r->call, "its last option lacks a value");
        enum err err = take(r, &word);
        if (err)
            return err;
        value = word->text;
    }
    return o->apply ? o->apply(r->call, o, value) : ERR_OK;
}

static enum err read_long(struct reader *r, const char *dashes, const char *name)
{
    bool equals = r->call->program->takes_equals;
    size_t bytes = equals ? strcspn(name, "=") : strlen(name);
    const struct option *o = find_long(r->call->program, name, bytes);
    if (!o || (name[bytes] && !o->has_value))
        return refuse_unknown(r, dashes, name, strlen(name));
    return apply(r, o, name[bytes] ? name + bytes + 1 : NULL);
}

static enum err read_letters(struct reader *r, const char *letters)
{
    enum err err = ERR_OK;
    bool more = true;
    for (; more && *letters && !err; letters++) {
        const struct option *o = find_letter(r->call->program, *letters);
        if (!o)
            return refuse_unknown(r, "-", letters, 1);
        more = !o->has_value;
        err = apply(r, o, o->has_value && letters[1] ? letters + 1 : NULL);
    }
    return err;
}

static enum err read_option(struct reader *r, const char *text)
{
    if (text[1] == '-')
        return read_long(r, "--", text + 2);
    if (!text[1])
        return refuse_unknown(r, "", text, 1);
    return r->call->program->one_dash ? read_long(r, "-", text + 1) : read_letters(r, text + 1);
}

enum err crontab__read_options(struct call *c, const struct words *w, size_t *next)
{
    struct reader r = {.call = c, .words = w, .next = next};
    bool options = c->program->option_count > 0, wraps = c->program->enter != NULL;
    enum err err = ERR_OK;
    while (*next < w->count && !err) {
        const struct word *word = &w->list[*next];
        bool is_option = options && word->text[0] == '-';
        if (wraps && !is_option)
            return ERR_OK;
        c->here = *word;
        err = take(&r, &word);
        if (err)
            return err;
        if (!is_option)
            err = crontab__set_url(c, NULL, word->text);
        else if (strcmp(word->text, "--") == 0)
            options = false;
        else
            err = read_option(&r, word->text);
    }
    return err;
}

// --- What options do -----------------------------------------------------------------------------

enum err crontab__set_url(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (c->url)
        return crontab__call_refuse(c, "it calls more than one URL");
    c->url = value;
    return ERR_OK;
}

enum err crontab__set_method(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    int method;
    if (!enum_find(&job_method_words, value, &method))
        return crontab__call_refuse(c,
                                    "a job can POST, GET, PUT, PATCH, DELETE, HEAD or OPTIONS, but "
                                    "not send the method '%.32s'",
                                    value);
    c->method = (enum job_method)method;
    c->has_method = true;
    return ERR_OK;
}

enum err crontab__set_header(struct call *c, const struct option *o, const char *value)
{
    return crontab__header(c, o->text, value);
}

enum err crontab__add_header(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    return crontab__header_line(c, value);
}

enum err crontab__set_user(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    c->user = value;
    return ERR_OK;
}

// Without a limit, or with one that no job has, the longest timeout is nearest.
enum err crontab__set_timeout(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    uint64_t ms;
    if (!crontab__duration(value, false, &ms) || (ms > 0 && ms < JOB_MIN(timeout_ms)))
        return crontab__call_refuse(c, "the timeout of a job is 0.1 to 3600 seconds, not '%.32s'",
                                    value);
    if (ms == 0 || ms > JOB_MAX(timeout_ms)) {
        crontab__call_note(c, "the timeout is 3600 seconds, the longest of a job, not %.32s",
                           ms == 0 ? "unlimited" : value);
        ms = JOB_MAX(timeout_ms);
    }
    c->timeout_ms = (uint32_t)ms;
    return ERR_OK;
}

enum err crontab__set_retries(struct call *c, const char *value, unsigned more)
{
    size_t digits = strspn(value, "0123456789");
    unsigned count = 0;
    for (size_t i = 0; i < digits; i++)
        count = MIN(count * 10 + (unsigned)(value[i] - '0'), 1000000);
    if (digits == 0 || value[digits] || count < more)
        return crontab__call_refuse(c, "'%.32s' is no number of %s", value,
                                    more ? "tries" : "retries");
    if (count - more > JOB_MAX(max_retries))
        crontab__call_note(c, "a job has at most %d retries", JOB_MAX(max_retries));
    c->retries = (uint16_t)MIN(count - more, JOB_MAX(max_retries));
    c->has_retries = true;
    return ERR_OK;
}

enum err crontab__set_redirects(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    size_t digits = strspn(value, "0123456789");
    unsigned count = 0;
    for (size_t i = 0; i < digits; i++)
        count = MIN(count * 10 + (unsigned)(value[i] - '0'), 1000000);
    bool unlimited = strcmp(value, "-1") == 0;
    if (!unlimited && (value[digits] || digits == 0))
        return crontab__call_refuse(c, "'%.32s' is no number of redirects", value);
    c->has_redirects_max = true;
    if (unlimited || count > JOB_MAX(redirects))
        crontab__call_note(c, "a job follows at most %d redirects", JOB_MAX(redirects));
    c->redirects_max = (uint16_t)(unlimited ? JOB_MAX(redirects) : MIN(count, JOB_MAX(redirects)));
    return ERR_OK;
}

enum err crontab__trust_all(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->trusts_all = true;
    crontab__call_note(c, "certificates are not checked");
    return ERR_OK;
}

enum err crontab__ask_head(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->asks_head = true;
    return ERR_OK;
}

// To the program's own output, or to nobody.
enum err crontab__set_output(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    c->drops_answer = true;
    if (strcmp(value, "/dev/null") == 0 || strcmp(value, "-") == 0)
        return ERR_OK;
    if (!crontab__is_log(value))
        return crontab__call_refuse(c, "it writes the answer to the file %.64s", value);
    crontab__call_note(c, "the answer is kept with the execution, not in %.64s", value);
    return ERR_OK;
}

enum err crontab__note(struct call *c, const struct option *o, const char *value)
{
    (void)value;
    crontab__call_note(c, "%s", o->text);
    return ERR_OK;
}

enum err crontab__cannot(struct call *c, const struct option *o, const char *value)
{
    (void)value;
    return crontab__call_refuse(c, "%s", o->text);
}
