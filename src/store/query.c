// SPDX-License-Identifier: MIT
// query.c: which jobs a list lets through, the same for every adapter.
//
// Letters compare without regard to case within ASCII only: that is what every database does alike.

#define _GNU_SOURCE // strcasestr
#include "store/store_priv.h"

#include <jansson.h>
#include <string.h>

// The program never leaves the locale "C", in which strcasestr looks at ASCII alone; it takes time
// in proportion to both lengths together, whatever they hold.
bool job_text_has_part(const char *text, const char *part)
{
    return text && strcasestr(text, part);
}

bool job_tags_have(const char *tags, const char *tag)
{
    json_t *array = tags ? json_loads(tags, 0, NULL) : NULL;
    bool found = false;
    size_t i;
    json_t *element;
    json_array_foreach(array, i, element) {
        const char *text = json_string_value(element);
        found = found || (text && strcmp(text, tag) == 0);
    }
    json_decref(array);
    return found;
}

bool job_query_matches(const struct job_query *q, const struct job *j)
{
    if (q->is_active >= 0 && (q->is_active != 0) != j->is_active)
        return false;
    if (q->text && !job_text_has_part(j->name, q->text) && !job_text_has_part(j->api, q->text) &&
        !job_text_has_part(j->schedule, q->text))
        return false;
    return !q->tag || job_tags_have(j->tags, q->tag);
}
