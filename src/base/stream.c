// SPDX-License-Identifier: MIT
// stream.c: a stream of the C library whose bytes go to a buffer of ours.

#define _GNU_SOURCE // fopencookie

#include "base/stream.h"

#include "base/err.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

struct stream {
    char *data;
    size_t count;
    size_t capacity;
    char **text;
    size_t *bytes;
};

static void make_room(struct stream *s, size_t more)
{
    size_t needed = s->count + more + 1;
    if (needed <= s->capacity)
        return;
    s->capacity = MAX(needed, 2 * s->capacity);
    s->data = xrealloc(s->data, s->capacity);
}

static ssize_t stream_write(void *context, const char *bytes, size_t count)
{
    struct stream *s = context;
    make_room(s, count);
    memcpy(s->data + s->count, bytes, count);
    s->count += count;
    return (ssize_t)count;
}

// For ftell. The end is the only place there is.
static int stream_seek(void *context, off64_t *offset, int from)
{
    const struct stream *s = context;
    if (from != SEEK_CUR || *offset != 0)
        return -1;
    *offset = (off64_t)s->count;
    return 0;
}

static int stream_end(void *context)
{
    struct stream *s = context;
    make_room(s, 0);
    s->data[s->count] = '\0';
    *s->text = s->data;
    *s->bytes = s->count;
    free(s);
    return 0;
}

FILE *stream_open(char **text, size_t *bytes)
{
    struct stream *s = xcalloc(1, sizeof *s);
    s->text = text;
    s->bytes = bytes;
    FILE *stream = fopencookie(
        s, "w",
        (cookie_io_functions_t){.write = stream_write, .seek = stream_seek, .close = stream_end});
    assert(stream && "out of memory");
    return stream;
}

void stream_close(FILE *stream)
{
    int failed = fclose(stream);
    assert(!failed); // The callbacks of a stream never fail.
    (void)failed;
}
