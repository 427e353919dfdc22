// SPDX-License-Identifier: MIT
// check_tags.c: members of a job that are a JSON array of short strings: its tags, and the names of
// its channels.

#include "ledger/channel.h"
#include "service/service_priv.h"

#include <jansson.h>
#include <string.h>

struct rule {
    const char *member;
    size_t count_max;
    size_t bytes_max;
};

static const struct rule tags_rule = {"tags", SERVICE_TAGS_MAX, SERVICE_TAG_BYTES_MAX};
static const struct rule channels_rule = {"alert_channels", SERVICE_CHANNELS_MAX,
                                          CHANNEL_NAME_BYTES_MAX};

// `number` counts from 1, for people.
static enum err check_entry(const struct rule *r, const json_t *entry, size_t number,
                            struct service_problem *p)
{
    const char *text = json_string_value(entry);
    if (!text)
        return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, r->member,
                              "%s must be strings; number %zu is none", r->member, number);
    if (!*text || strlen(text) > r->bytes_max)
        return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, r->member,
                              "%s must have 1 to %zu bytes; number %zu has %zu", r->member,
                              r->bytes_max, number, strlen(text));
    return ERR_OK;
}

static enum err check_array(const struct rule *r, const json_t *array, struct service_problem *p)
{
    if (!json_is_array(array))
        return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, r->member,
                              "%s must be an array of strings", r->member);
    if (json_array_size(array) > r->count_max)
        return service_refuse(p, ERR_LIMIT, PROBLEM_FIELD, r->member, "a job has at most %zu %s",
                              r->count_max, r->member);
    size_t index;
    const json_t *entry;
    json_array_foreach(array, index, entry) {
        enum err err = check_entry(r, entry, index + 1, p);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err check_text(const struct rule *r, const char *text, struct service_problem *p)
{
    if (!text)
        return ERR_OK;
    json_t *array = json_loads(text, JSON_DECODE_ANY, NULL);
    enum err err = check_array(r, array, p);
    json_decref(array);
    return err;
}

enum err service__check_tags(const struct job *j, struct service_problem *p)
{
    enum err err = check_text(&tags_rule, j->tags, p);
    return err ? err : check_text(&channels_rule, j->alert_channels, p);
}
