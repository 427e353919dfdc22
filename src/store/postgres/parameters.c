// SPDX-License-Identifier: MIT
// parameters.c: the parameters of a statement, in the binary form of PostgreSQL.
//
// Many rows go as one array for each column. An array is: the number of dimensions, whether it has
// NULLs, the type of its elements, and for its one dimension the length and the lower bound; then
// each element as its length (-1 for NULL) and its bytes. Numbers are in network order.

#include "store/postgres/postgres_priv.h"

#include "base/utf8.h"

#include <assert.h>
#include <endian.h>

#define OID_INTEGER 20
#define OID_TEXT 25
#define OID_INTEGERS 1016
#define OID_TEXTS 1009
#define OID_BYTES 17
#define OID_BYTES_MANY 1001
#define OID_UUID 2950
#define OID_UUIDS 2951

void parameters_fini(struct parameters *p)
{
    free(p->bytes);
    *p = (struct parameters){0};
}

static char *add_bytes(struct parameters *p, size_t bytes)
{
    while (p->capacity - p->count < bytes)
        p->bytes = grow(p->bytes, p->capacity, &p->capacity, 1);
    p->count += bytes;
    return p->bytes + p->count - bytes;
}

static void add_32(struct parameters *p, int32_t value)
{
    uint32_t big = htobe32((uint32_t)value);
    memcpy(add_bytes(p, sizeof big), &big, sizeof big);
}

static void add_64(struct parameters *p, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);
    memcpy(add_bytes(p, sizeof big), &big, sizeof big);
}

// The server refuses a text that is no UTF-8, and a whole commit with it: what is none becomes "?".
static void add_text(struct parameters *p, const char *text, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        size_t fine = utf8_span(text + done, bytes - done);
        memcpy(add_bytes(p, fine), text + done, fine);
        done += fine;
        if (done < bytes) {
            *add_bytes(p, 1) = '?';
            done++;
        }
    }
}

static void begin(struct parameters *p, Oid type, bool is_null)
{
    assert(p->used < PARAMETERS_MAX);
    p->types[p->used] = type;
    p->begins[p->used] = p->count;
    p->is_null[p->used] = is_null;
}

static void end(struct parameters *p)
{
    p->lengths[p->used] = p->count - p->begins[p->used];
    p->used++;
}

void parameter_integer(struct parameters *p, int64_t value)
{
    begin(p, OID_INTEGER, false);
    add_64(p, value);
    end(p);
}

void parameter_integer_or_null(struct parameters *p, int64_t value, int64_t null)
{
    begin(p, OID_INTEGER, value == null);
    if (value != null)
        add_64(p, value);
    end(p);
}

void parameter_bytes(struct parameters *p, const void *bytes, size_t count)
{
    begin(p, OID_BYTES, false);
    memcpy(add_bytes(p, count), bytes, count);
    end(p);
}

void parameter_text(struct parameters *p, const char *text)
{
    begin(p, OID_TEXT, !text);
    if (text)
        add_text(p, text, strlen(text));
    end(p);
}

static void begin_array(struct parameters *p, Oid type, Oid element, size_t count)
{
    assert(count <= INT32_MAX);
    begin(p, type, false);
    add_32(p, count > 0);
    add_32(p, 1);
    add_32(p, (int32_t)element);
    if (count == 0)
        return;
    add_32(p, (int32_t)count);
    add_32(p, 1);
}

void parameter_array(struct parameters *p, bool of_texts, size_t count)
{
    begin_array(p, of_texts ? OID_TEXTS : OID_INTEGERS, of_texts ? OID_TEXT : OID_INTEGER, count);
}

void parameter_array_of_bytes(struct parameters *p, size_t count)
{
    begin_array(p, OID_BYTES_MANY, OID_BYTES, count);
}

void parameter_array_of_ids(struct parameters *p, size_t count)
{
    begin_array(p, OID_UUIDS, OID_UUID, count);
}

void parameter_id(struct parameters *p, const struct command_id *id)
{
    begin(p, OID_UUID, false);
    memcpy(add_bytes(p, sizeof id->bytes), id->bytes, sizeof id->bytes);
    end(p);
}

void parameter_put_bytes(struct parameters *p, const void *bytes, size_t count)
{
    assert(count <= INT32_MAX);
    add_32(p, (int32_t)count);
    memcpy(add_bytes(p, count), bytes, count);
}

void parameter_put_null(struct parameters *p)
{
    add_32(p, -1);
}

void parameter_put_integer(struct parameters *p, int64_t value)
{
    add_32(p, sizeof value);
    add_64(p, value);
}

void parameter_put_text(struct parameters *p, const char *text)
{
    if (!text) {
        parameter_put_null(p);
        return;
    }
    size_t bytes = strlen(text);
    add_32(p, (int32_t)bytes); // A replaced byte is a byte.
    add_text(p, text, bytes);
}

void parameter_array_end(struct parameters *p)
{
    end(p);
}

static void put_cell(struct parameters *p, const struct column *c, const void *row)
{
    char words[COLUMN_WORDS_BYTES];
    int64_t number;
    switch (c->cell) {
    case CELL_INTEGER:
        number = column_integer(c, row);
        if (number != c->null)
            parameter_put_integer(p, number);
        else
            parameter_put_null(p);
        break;
    case CELL_TEXT:
        parameter_put_text(p, column_text(c, row));
        break;
    case CELL_WORD:
        parameter_put_text(p, enum_word(c->words, (int)column_integer(c, row)));
        break;
    case CELL_WORDS:
        parameter_put_text(p, column_words(c, row, words));
        break;
    case CELL_DURATION:
        if (execution_duration(row, &number))
            parameter_put_integer(p, number);
        else
            parameter_put_null(p);
        break;
    }
}

void parameter_rows(struct parameters *p, const struct row_map *m, size_t first,
                    const void *const *rows, size_t count)
{
    for (size_t i = first; i < m->count; i++) {
        const struct column *c = &m->columns[i];
        parameter_array(p, column_is_text(c), count);
        for (size_t k = 0; k < count; k++) {
            if (rows[k])
                put_cell(p, c, rows[k]);
            else
                parameter_put_null(p);
        }
        parameter_array_end(p);
    }
}

void parameter_row(struct parameters *p, const struct row_map *m, size_t first, const void *row)
{
    char words[COLUMN_WORDS_BYTES];
    for (size_t i = first; i < m->count; i++) {
        const struct column *c = &m->columns[i];
        if (c->cell == CELL_INTEGER)
            parameter_integer_or_null(p, column_integer(c, row), c->null);
        else if (c->cell == CELL_TEXT)
            parameter_text(p, column_text(c, row));
        else if (c->cell == CELL_WORDS)
            parameter_text(p, column_words(c, row, words));
        else
            parameter_text(p, enum_word(c->words, (int)column_integer(c, row)));
    }
}
