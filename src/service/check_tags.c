// SPDX-License-Identifier: MIT
// check_tags.c: a job's tags: a JSON array of short strings.

#include "service/service_priv.h"

#include <jansson.h>
#include <string.h>

// `number` counts from 1, for people.
static enum err check_tag(const json_t *tag, size_t number, struct service_problem *p)
{
    const char *text = json_string_value(tag);
    if (!text)
        return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, "tags",
                              "tags must be strings; number %zu is none", number);
    if (!*text || strlen(text) > SERVICE_TAG_BYTES_MAX)
        return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, "tags",
                              "tags must have 1 to %d bytes; number %zu has %zu",
                              SERVICE_TAG_BYTES_MAX, number, strlen(text));
    return ERR_OK;
}

static enum err check_array(const json_t *array, struct service_problem *p)
{
    if (!json_is_array(array))
        return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, "tags",
                              "tags must be an array of strings");
    if (json_array_size(array) > SERVICE_TAGS_MAX)
        return service_refuse(p, ERR_LIMIT, PROBLEM_FIELD, "tags", "a job has at most %d tags",
                              SERVICE_TAGS_MAX);
    size_t index;
    const json_t *tag;
    json_array_foreach(array, index, tag) {
        enum err err = check_tag(tag, index + 1, p);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err service__check_tags(const char *tags, struct service_problem *p)
{
    if (!tags)
        return ERR_OK;
    json_t *array = json_loads(tags, JSON_DECODE_ANY, NULL);
    enum err err = check_array(array, p);
    json_decref(array);
    return err;
}
