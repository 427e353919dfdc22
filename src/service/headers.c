// SPDX-License-Identifier: MIT
// headers.c: the headers that a job sends, kept as lines "Name: value\n".
//
// Every line has passed header_check when it was added, so lines cannot run into each other. A row
// may have been edited by hand, all the same: what is no such line is a name without a value, and
// what is too long is cut.

#include "base/header.h"
#include "base/stream.h"
#include "service/service_priv.h"

#include <string.h>
#include <strings.h>

// A line cut up; the pieces are copies.
struct line {
    char name[HEADER_NAME_BYTES_MAX + 1];
    char value[HEADER_VALUE_BYTES_MAX + 1];
};

static void copy_piece(char *out, size_t room, const char *from, size_t bytes)
{
    bytes = MIN(bytes, room - 1);
    memcpy(out, from, bytes);
    out[bytes] = '\0';
}

// Cuts the line at `at`; returns where the next one begins.
static const char *cut_line(const char *at, struct line *out)
{
    const char *end = at + strcspn(at, "\n");
    const char *colon = memchr(at, ':', (size_t)(end - at));
    const char *value = colon ? colon + 1 : end;
    copy_piece(out->name, sizeof out->name, at, (size_t)((colon ? colon : end) - at));
    value += value < end && *value == ' ';
    copy_piece(out->value, sizeof out->value, value, (size_t)(end - value));
    return *end ? end + 1 : end;
}

void service_each_header(const struct job *j, service_header *each, void *context)
{
    struct line line;
    for (const char *at = j->headers; at && *at;) {
        at = cut_line(at, &line);
        each(context, line.name, line.value);
    }
}

// Copies the lines of other names; returns how many there are.
static size_t copy_others(const struct job *j, const char *name, FILE *out)
{
    struct line line;
    size_t count = 0;
    for (const char *at = j->headers; at && *at;) {
        at = cut_line(at, &line);
        if (strcasecmp(line.name, name) == 0)
            continue;
        fprintf(out, "%s: %s\n", line.name, line.value);
        count++;
    }
    return count;
}

static enum err check_total(size_t count, size_t bytes, struct service_problem *p)
{
    if (count > SERVICE_HEADERS_MAX)
        return service_refuse(p, ERR_LIMIT, PROBLEM_HEADER, "headers",
                              "a job has at most %d headers", SERVICE_HEADERS_MAX);
    if (bytes > SERVICE_HEADERS_BYTES_MAX)
        return service_refuse(p, ERR_LIMIT, PROBLEM_HEADER, "headers",
                              "the headers of a job have at most %d bytes together",
                              SERVICE_HEADERS_BYTES_MAX);
    return ERR_OK;
}

enum err service_set_header(struct job *j, const char *name, const char *value,
                            struct service_problem *p)
{
    struct fault f = {0};
    enum err err = value ? header_check(name, value, &f) : ERR_OK;
    if (err) {
        service_refuse(p, err, PROBLEM_HEADER, "headers", "%s", f.text);
        service_problem_within(p, name);
        return err;
    }

    char *lines = NULL;
    size_t bytes = 0;
    FILE *out = stream_open(&lines, &bytes);
    size_t count = copy_others(j, name, out);
    if (value)
        fprintf(out, "%s: %s\n", name, value);
    stream_close(out);

    err = check_total(count + (value ? 1 : 0), bytes, p);
    if (!err)
        job_set_text(&j->headers, bytes ? lines : NULL);
    free(lines);
    return err;
}
