// SPDX-License-Identifier: MIT
// rows.c: the rows of a result, which come in the binary form of PostgreSQL.
//
// Integers come with two, four or eight bytes, as their column has; texts have a NUL at their end.

#include "store/postgres/postgres_priv.h"

#include <assert.h>
#include <endian.h>

int64_t result_integer(const struct result_row *r, int column)
{
    const char *value = PQgetvalue(r->result, r->row, column);
    uint16_t small;
    uint32_t middle;
    uint64_t large;
    switch (PQgetlength(r->result, r->row, column)) {
    case sizeof small:
        memcpy(&small, value, sizeof small);
        return (int16_t)be16toh(small);
    case sizeof middle:
        memcpy(&middle, value, sizeof middle);
        return (int32_t)be32toh(middle);
    case sizeof large:
        memcpy(&large, value, sizeof large);
        return (int64_t)be64toh(large);
    default:
        return 0;
    }
}

const char *result_text(const struct result_row *r, int column)
{
    bool is_null = PQgetisnull(r->result, r->row, column);
    return is_null ? NULL : PQgetvalue(r->result, r->row, column);
}

bool result_cell(const struct row_map *m, size_t i, void *source, void *row)
{
    assert(i < m->count);
    const struct result_row *r = source;
    const struct column *c = &m->columns[i];
    int at = (int)i;
    switch (c->cell) {
    case CELL_INTEGER:
        return column_set_integer(c, row, PQgetisnull(r->result, r->row, at),
                                  result_integer(r, at));
    case CELL_TEXT:
        column_set_text(c, row, result_text(r, at));
        return true;
    case CELL_WORD:
        return column_set_word(c, row, result_text(r, at));
    case CELL_WORDS:
        return column_set_words(c, row, result_text(r, at));
    case CELL_DURATION:
        return true;
    }
    return false;
}

enum err result_read(const struct row_map *m, const struct result_row *r, void *row,
                     struct fault *f)
{
    for (size_t i = 0; i < m->count; i++)
        if (!result_cell(m, i, (void *)(uintptr_t)r, row))
            return fault_set(f, ERR_STORE_CORRUPT,
                             "column %s of table %s holds what no version writes, in row %lld",
                             row_column(m, i), m->table, (long long)result_integer(r, 0));
    return ERR_OK;
}

void result_shard(const struct result_row *r, struct shard *out)
{
    memset(out, 0, sizeof *out); // Equal rows are equal in memory.
    out->number = (uint32_t)result_integer(r, 0);
    out->watermark = result_integer(r, 1);
    out->watermark_job = result_integer(r, 2);
    out->job_next = result_integer(r, 3);
    out->execution_next = result_integer(r, 4);
    out->alert_next = result_integer(r, 5);
    out->epoch = result_integer(r, 6);
    out->tick = result_integer(r, 7);
    out->generation = result_integer(r, 8);
    out->corrected_at = result_integer(r, 9);
    out->open_from = result_integer(r, 10);
}
