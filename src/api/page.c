// SPDX-License-Identifier: MIT
// page.c: one page of a list, and the way to the next one.

#include "api/api_priv.h"
#include "api/page_priv.h"
#include "base/stream.h"

#include <string.h>

void page_begin(struct page *page, enum cursor_kind kind, const char *name, size_t limit)
{
    *page = (struct page){.kind = kind, .limit = limit};
    page->out = stream_open(&page->text, &page->text_bytes);
    fprintf(page->out, "{\"%s\":[", name);
}

bool page_has_room(struct page *page)
{
    if (page->count < page->limit)
        return true;
    page->more = true;
    return false;
}

enum err page_add(struct page *page, json_t *item, struct cursor at)
{
    char *text = json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);
    size_t bytes = strlen(text);
    json_decref(item);
    page->more = page->count > 0 && page->bytes + bytes > PAGE_BYTES_MAX;
    if (!page->more) {
        fprintf(page->out, "%s%s", page->count ? "," : "", text);
        page->count++;
        page->bytes += bytes;
        page->last = at;
    }
    free(text);
    return page->more ? ERR_LIMIT : ERR_OK;
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

void page_end_at(struct page *page, struct cursor at)
{
    page->last = at;
    page->more = true;
}

void page_add_time(struct page *page, const char *name, wall_ms at)
{
    page->beside_name = name;
    page->beside_at = at;
}

static void write_beside(const struct page *page)
{
    char text[RFC3339_BYTES];
    wall_format(page->beside_at, text);
    fprintf(page->out, "\"%s\":\"%s\",", page->beside_name, text);
}

enum err page_end(struct api_request *r, struct page *page, enum err err)
{
    char cursor[CURSOR_BYTES];
    cursor_format(page->kind, &page->last, cursor);
    fputs("],", page->out);
    if (page->beside_name)
        write_beside(page);
    if (page->more)
        fprintf(page->out, "\"next_cursor\":\"%s\"}", cursor);
    else
        fputs("\"next_cursor\":null}", page->out);
    stream_close(page->out);
    if (err && !(page->more && err == ERR_LIMIT)) {
        free(page->text);
        return err;
    }
    if (page->more)
        page_add_link(r, cursor);
    if (page->is_of_all)
        answer_add_age(r);
    answer_text(r, 200, "application/json", page->text, page->text_bytes);
    return ERR_OK;
}
