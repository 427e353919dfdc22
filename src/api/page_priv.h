// SPDX-License-Identifier: MIT
// page_priv.h: lists: what a query asks for, where a page begins and ends, how it is answered.

#ifndef CARILLON_API_PAGE_PRIV_H
#define CARILLON_API_PAGE_PRIV_H

#include "api/api_priv.h"

// --- cursor.c, query.c, page.c: lists ------------------------------------------------------------

// A position in a list, as clients see it: opaque text with a check.
enum cursor_kind {
    CURSOR_JOBS = 1,
    CURSOR_EXECUTIONS,
    CURSOR_ALERTS_BY_ID, // Older versions gave these; they are refused.
    CURSOR_JOBS_BY_NEXT_RUN,
    CURSOR_JOBS_BY_LAST_RUN,
    CURSOR_ALERTS,
    CURSOR_AUDIT,
    CURSOR_UPCOMING
};

struct cursor {
    int64_t at; // For executions and runs to come scheduled_at, for alerts created_at, for entries
                // of the audit their time, for jobs in another order the instant, else 0.
    int64_t id;
};

#define CURSOR_BYTES 32

void cursor_format(enum cursor_kind kind, const struct cursor *c, char out[static CURSOR_BYTES]);
bool cursor_parse(enum cursor_kind kind, const char *text, struct cursor *out);

// Parameters of the query; what is absent leaves *out alone.
#define LIMIT_MAX 500
enum err query_limit(const struct api_request *r, size_t *out, struct problem *p);
enum err query_cursor(const struct api_request *r, enum cursor_kind kind, struct cursor *out,
                      struct problem *p);
enum err query_time(const struct api_request *r, const char *name, wall_ms *out, struct problem *p);
// `pretty`, `pretty=true` and the like: r->pretty.
enum err query_pretty(struct api_request *r, struct problem *p);
// true, 1, false or 0.
enum err query_flag(const struct api_request *r, const char *name, int *out, struct problem *p);
enum err query_choice(const struct api_request *r, const char *name, const struct enum_words *w,
                      int *out, struct problem *p);
// "A,B": the bit of each, 1 << value.
enum err query_choices(const struct api_request *r, const char *name, const struct enum_words *w,
                       unsigned *out, struct problem *p);
enum err query_job_id(const struct api_request *r, const char *name, job_id *out,
                      struct problem *p);
// Within these bounds, of which the least is above 0.
enum err query_number(const struct api_request *r, const char *name, int64_t least,
                      int64_t greatest, int64_t *out, struct problem *p);
const char *query_text(const struct api_request *r, const char *name); // NULL when absent.
bool job_id_parse(const char *text, job_id *out);

// A page of a list: so many items, and no more than PAGE_BYTES_MAX of them unless the first alone
// is longer. Items are text as soon as they are added. The query asks for one row more than the
// page has, to see if there is more; its callback ends the list with ERR_LIMIT when the page is
// full.
#define PAGE_BYTES_MAX (8 * 1024 * 1024)

struct page {
    enum cursor_kind kind;
    size_t limit;
    size_t count;
    size_t bytes; // Bytes of the items.
    FILE *out;
    char *text;
    size_t text_bytes;
    struct cursor last; // The position of the last item.
    bool more;
    const char *beside_name; // See page_add_time; NULL: none.
    wall_ms beside_at;
    bool is_of_all; // The list is not one of a single job, so that a replica may have answered.
};

// `name` is that of the list in the answer.
void page_begin(struct page *page, enum cursor_kind kind, const char *name, size_t limit);
// False when the page is full; the row need not be looked at.
bool page_has_room(struct page *page);
// Takes the item. ERR_LIMIT: it is left for the next page.
enum err page_add(struct page *page, json_t *item, struct cursor at);
// The list goes on behind this position, whatever the last item is.
void page_end_at(struct page *page, struct cursor at);
// A member of the answer beside the list.
void page_add_time(struct page *page, const char *name, wall_ms at);
// Answers {"<name>": [...], "next_cursor": ...} and a Link header. With an error other than that of
// a full page it frees the page and returns the error.
enum err page_end(struct api_request *r, struct page *page, enum err err);
// Names the page that follows, in a header of the answer to be.
void page_add_link(struct api_request *r, const char *cursor);

// executions.c: the filters of GET /executions.
enum err query_executions(struct api_request *r, size_t limit, struct execution_query *out,
                          struct problem *p);

#endif
