// SPDX-License-Identifier: MIT
// page.c: one page of a list, and the way to the next one.

#include "api/api_priv.h"
#include "base/stream.h"

#include <string.h>

void page_init(struct page *page, enum cursor_kind kind, size_t limit)
{
    *page = (struct page){.kind = kind, .limit = limit, .items = json_array()};
}

bool page_has_room(struct page *page)
{
    if (json_array_size(page->items) < page->limit)
        return true;
    page->more = true;
    return false;
}

void page_add(struct page *page, json_t *item, struct cursor at)
{
    json_array_append_new(page->items, item);
    page->last = at;
}

static void write_encoded(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool plain = ('a' <= *c && *c <= 'z') || ('A' <= *c && *c <= 'Z') ||
                     ('0' <= *c && *c <= '9') || strchr("-._~", *c);
        fprintf(out, plain ? "%c" : "%%%02X", *c);
    }
}

// The same address with its other parameters and the next cursor.
void page_add_link(struct api_request *r, const char *cursor)
{
    char *link = NULL;
    size_t bytes = 0;
    FILE *out = stream_open(&link, &bytes);
    const char *target = exchange_target(r->exchange);
    fprintf(out, "<%.*s?", (int)strcspn(target, "?"), target);
    for (size_t i = 0; i < exchange_parameters(r->exchange); i++) {
        const char *name = exchange_parameter_name(r->exchange, i);
        if (strcmp(name, "cursor") == 0)
            continue;
        fprintf(out, "%s=", name); // A known name, so it needs no encoding.
        write_encoded(out, exchange_parameter_value(r->exchange, i));
        fputc('&', out);
    }
    fprintf(out, "cursor=%s>; rel=\"next\"", cursor);
    stream_close(out);
    exchange_add_header(r->exchange, "Link", link);
    free(link);
}

void page_answer(struct api_request *r, const char *name, struct page *page)
{
    char cursor[CURSOR_BYTES];
    cursor_format(page->kind, &page->last, cursor);
    if (page->more)
        page_add_link(r, cursor);
    json_t *o = json_object();
    json_object_set_new(o, name, page->items);
    json_object_set_new(o, "next_cursor", page->more ? json_string(cursor) : json_null());
    answer_json(r, 200, o);
}
