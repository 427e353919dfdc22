// SPDX-License-Identifier: MIT
// completion.c: the handler by which the target of an attempt says how it ended.
//
// A target has no token of the API: the URL that it was given with the request has one of its own,
// which is good for this attempt and nothing else (base/callback.h). A person who may trigger jobs
// can say the same without that, of the attempt that is waited for.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"
#include "base/callback.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool request_has_callback(const struct api_request *r)
{
    return r->route->handle == handle_complete_execution && query_text(r, "token");
}

enum err request_check_callback(struct api_request *r, struct problem *p)
{
    char id[EXECUTION_ID_BYTES];
    const char *key = r->api->callback_key;
    execution_id_format(&r->execution, id);
    if (key && *key && callback_token_read(key, id, query_text(r, "token"), &r->attempt))
        return ERR_OK;
    return refuse(p, ERR_FORBIDDEN, REFUSED_CALLBACK, NULL,
                  "the URL is none that an attempt of this execution was given in "
                  "Carillon-Callback");
}

// --- What is said --------------------------------------------------------------------------------

static enum err read_text(const struct api_request *r, const char *name, const char **out,
                          struct problem *p)
{
    enum err err = member_text(r->body, name, out, p);
    size_t bytes = *out ? strlen(*out) : 0;
    if (err || bytes <= NOTE_TEXT_MAX)
        return err;
    return refuse_field(p, ERR_LIMIT, name, "%s has %zu bytes; at most %d are allowed", name, bytes,
                        NOTE_TEXT_MAX);
}

static enum err read_percent(const struct api_request *r, int *out, struct problem *p)
{
    const json_t *value = json_object_get(r->body, "percent");
    *out = -1;
    if (!value || json_is_null(value))
        return ERR_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > 100)
        return refuse_field(p, ERR_RANGE, "percent", "percent must be an integer from 0 to 100");
    *out = (int)json_integer_value(value);
    return ERR_OK;
}

// A note is one line.
static char *note_of(int percent, const char *text)
{
    size_t bytes = (text ? strlen(text) : 0) + 8;
    char *line = xmalloc(bytes);
    if (percent < 0)
        snprintf(line, bytes, "- %s", text ? text : "");
    else
        snprintf(line, bytes, "%d %s", percent, text ? text : "");
    for (char *at = line; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
    return line;
}

static enum err decode_note(const struct api_request *r, struct service_completion *out,
                            struct problem *p)
{
    static const char *const members[] = {"status", "note", "percent", NULL};
    const char *note = NULL;
    int percent = -1;
    enum err err = members_check(r->body, members, p);
    if (!err)
        err = read_text(r, "note", &note, p);
    if (!err)
        err = read_percent(r, &percent, p);
    if (!err && !note && percent < 0)
        err = refuse_field(p, ERR_SYNTAX, "note", "a note or a percent is needed");
    if (err)
        return err;
    out->is_note = true;
    out->text = note_of(percent, note);
    return ERR_OK;
}

static enum err decode_end(const struct api_request *r, struct service_completion *out,
                           struct problem *p)
{
    static const char *const of_failure[] = {"status", "error", NULL};
    static const char *const of_success[] = {"status", NULL};
    const char *error = NULL;
    enum err err = members_check(r->body, out->has_failed ? of_failure : of_success, p);
    if (!err)
        err = read_text(r, "error", &error, p);
    if (!err && out->has_failed)
        out->text = xstrdup(error);
    return err;
}

static enum err decode(struct api_request *r, struct service_completion *out, struct problem *p)
{
    const char *status = NULL;
    *out = (struct service_completion){.attempt = (uint16_t)r->attempt};
    enum err err = member_text(r->body, "status", &status, p);
    if (err)
        return err;
    out->has_failed = status && strcmp(status, "failed") == 0;
    if (status && strcmp(status, "running") == 0)
        return decode_note(r, out, p);
    if (status && (out->has_failed || strcmp(status, "success") == 0))
        return decode_end(r, out, p);
    return refuse_field(p, ERR_RANGE, "status", "status must be success, failed or running");
}

// --- The answer ----------------------------------------------------------------------------------

static void answer_heard(struct api_request *r, const struct service_result *result)
{
    json_t *json = json_object();
    json_object_set_new(json, "execution_id", json_execution_id(&result->execution));
    json_object_set_new(json, "job_id", json_integer(result->execution.job));
    answer_json(r, 200, json);
}

enum err handle_complete_execution(struct api_request *r, struct problem *p)
{
    struct service_completion what;
    enum err err = decode(r, &what, p);
    if (err)
        return err;
    request_drop_body(r);
    r->succeed = answer_heard;
    return service_complete_execution(r->api->service, &r->actor, &r->execution, &what, change_done,
                                      r, &p->what);
}
