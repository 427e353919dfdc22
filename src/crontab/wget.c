// SPDX-License-Identifier: MIT
// wget.c: the options of wget that a job can do without or has a member for.

#include "crontab/crontab_priv.h"

#include <string.h>

static enum err set_output(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (strcmp(value, "/dev/null") != 0 && strcmp(value, "-") != 0)
        return crontab__call_refuse(c, "it writes the answer to the file %.64s", value);
    c->drops_answer = true;
    return ERR_OK;
}

// Its short options of two letters: -nv, -nc and their like.
static enum err set_no(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (strcmp(value, "v") != 0)
        return crontab__call_refuse(c, "the option -n%.32s of wget is not known here", value);
    return ERR_OK;
}

static enum err set_tries(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    return crontab__set_retries(c, value, 1);
}

static enum err set_password(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    c->password = value;
    return ERR_OK;
}

static enum err set_redirects(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    c->stays = strcmp(value, "0") == 0;
    return ERR_OK;
}

static const struct option options[] = {
    // What a job has a member for.
    {0, "method", true, crontab__set_method, NULL},
    {0, "post-data", true, crontab__data_only, NULL},
    {0, "body-data", true, crontab__data_only, NULL},
    {0, "header", true, crontab__add_header, NULL},
    {'U', "user-agent", true, crontab__set_header, "User-Agent"},
    {0, "referer", true, crontab__set_header, "Referer"},
    {0, "user", true, crontab__set_user, NULL},
    {0, "http-user", true, crontab__set_user, NULL},
    {0, "password", true, set_password, NULL},
    {0, "http-password", true, set_password, NULL},
    {0, "auth-no-challenge", false, NULL, NULL},
    {'T', "timeout", true, crontab__set_timeout, NULL},
    {0, "read-timeout", true, crontab__set_timeout, NULL},
    {'t', "tries", true, set_tries, NULL},
    {0, "max-redirect", true, set_redirects, NULL},
    // What only changes what is printed or kept: a job keeps status and answer anyway.
    {'q', "quiet", false, NULL, NULL},
    {'n', NULL, true, set_no, NULL},
    {0, "no-verbose", false, NULL, NULL},
    {'v', "verbose", false, NULL, NULL},
    {'O', "output-document", true, set_output, NULL},
    {0, "retry-connrefused", false, NULL, NULL},
    // What a job does otherwise.
    {0, "no-check-certificate", false, crontab__note,
     "certificates are always checked (--no-check-certificate)"},
    {0, "connect-timeout", true, crontab__note,
     "the timeout covers connecting (--connect-timeout)"},
    {0, "waitretry", true, crontab__note, "retries wait 1, 2, 3 seconds (--waitretry)"},
    // What a job cannot do.
    {0, "spider", false, crontab__cannot, "it sends HEAD (--spider), which a job cannot"},
    {0, "post-file", true, crontab__cannot, "it sends a file (--post-file)"},
    {0, "body-file", true, crontab__cannot, "it sends a file (--body-file)"},
    {'i', "input-file", true, crontab__cannot, "it reads URLs from a file (-i)"},
    {'r', "recursive", false, crontab__cannot, "it fetches more than one URL (-r)"},
    {'b', "background", false, crontab__cannot, "it runs in the background (-b)"},
};

static enum err finish(struct call *c)
{
    if (c->user && !c->password)
        return crontab__call_refuse(c, "wget would look for the password of %.64s", c->user);
    if (c->has_body && c->has_method && c->method == METHOD_GET)
        return crontab__call_refuse(c, "wget sends no body with GET");
    if (!c->drops_answer)
        crontab__call_note(c, "the answer is not saved as a file");
    if (!c->stays)
        crontab__call_note(c, "redirects are not followed");
    return ERR_OK;
}

const struct program crontab__wget = {
    .name = "wget",
    .options = options,
    .option_count = COUNT_OF(options),
    .takes_equals = true,
    .finish = finish,
};
