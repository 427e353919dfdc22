// SPDX-License-Identifier: MIT
// jobs.c: where the core keeps its jobs: by id, in pages that never move.
//
// Ids are given in order, so an array is as good as a hash and knows the order. A page holds a few
// jobs in one piece, without an allocation and a pointer for each; it is small, so that those which
// stay when most others have been deleted hold little beside themselves. Folders of pages keep the
// array short when ids have become large. What has become empty is freed.

#include "core/core_priv.h"

#include <assert.h>

struct job_page {
    uint32_t used;
    struct core_job jobs[JOB_PAGE]; // A free place has id 0.
};

struct job_folder {
    uint32_t used;
    struct job_page *pages[JOB_FOLDER];
};

// What holds a job: in which folder, on which page of it, and where there.
struct place {
    size_t folder;
    size_t page;
    size_t job;
};

static struct place place_of(job_id id)
{
    uint64_t page = (uint64_t)id / JOB_PAGE;
    return (struct place){
        .folder = page / JOB_FOLDER, .page = page % JOB_FOLDER, .job = (uint64_t)id % JOB_PAGE};
}

static struct job_folder *folder_at(const struct job_table *t, const struct place *p)
{
    return p->folder < t->folder_count ? t->folders[p->folder] : NULL;
}

static struct job_page *page_at(const struct job_table *t, const struct place *p)
{
    struct job_folder *f = folder_at(t, p);
    return f ? f->pages[p->page] : NULL;
}

struct core_job *core__job_find(struct core *c, job_id id)
{
    if (id <= 0)
        return NULL;
    struct place p = place_of(id);
    struct job_page *page = page_at(&c->jobs, &p);
    struct core_job *j = page ? &page->jobs[p.job] : NULL;
    return j && j->id && !j->deleted ? j : NULL;
}

static struct job_folder *make_folder(struct job_table *t, size_t at)
{
    if (at >= t->folder_count) {
        size_t count = MAX(at + 1, t->folder_count * 2);
        t->folders = xrealloc(t->folders, count * sizeof *t->folders);
        for (size_t i = t->folder_count; i < count; i++)
            t->folders[i] = NULL;
        t->folder_count = count;
    }
    if (!t->folders[at])
        t->folders[at] = xcalloc(1, sizeof *t->folders[at]);
    return t->folders[at];
}

static struct job_page *make_page(struct job_folder *f, size_t at)
{
    if (!f->pages[at]) {
        f->pages[at] = xcalloc(1, sizeof *f->pages[at]);
        f->used++;
    }
    return f->pages[at];
}

struct core_job *core__job_insert(struct core *c, job_id id)
{
    assert(id > 0);
    struct place p = place_of(id);
    struct job_page *page = make_page(make_folder(&c->jobs, p.folder), p.page);
    struct core_job *j = &page->jobs[p.job];
    assert(j->id == 0);
    j->id = id;
    page->used++;
    c->jobs.count++;
    return j;
}

// The place is zeroed, so that whoever still pointed there would soon stumble.
void core__job_remove(struct core *c, struct core_job *j)
{
    struct place p = place_of(j->id);
    struct job_folder *f = folder_at(&c->jobs, &p);
    struct job_page *page = f->pages[p.page];
    assert(&page->jobs[p.job] == j);
    *j = (struct core_job){0};
    c->jobs.count--;
    if (--page->used > 0)
        return;
    free(page);
    f->pages[p.page] = NULL;
    if (--f->used > 0)
        return;
    free(f);
    c->jobs.folders[p.folder] = NULL;
}

// The first job whose id is at least `id`.
static struct core_job *job_from(const struct job_table *t, job_id id)
{
    struct place p = place_of(id);
    for (; p.folder < t->folder_count; p.folder++, p.page = 0, p.job = 0) {
        const struct job_folder *f = t->folders[p.folder];
        for (; f && p.page < JOB_FOLDER; p.page++, p.job = 0) {
            struct job_page *page = f->pages[p.page];
            for (; page && p.job < JOB_PAGE; p.job++)
                if (page->jobs[p.job].id)
                    return &page->jobs[p.job];
        }
    }
    return NULL;
}

struct core_job *core__job_from(const struct core *c, job_id id)
{
    return job_from(&c->jobs, id);
}

struct core_job *core__job_next(const struct core *c, const struct core_job *j)
{
    return job_from(&c->jobs, j ? j->id + 1 : 1);
}

// At the end of the core: also those whose executions are not over.
static void job_free_memory(struct core *c, struct core_job *j)
{
    while (j->first_open)
        core__open_free(c, j->first_open);
    free(j->gate);
    free(j->trouble);
    free((char *)j->api);
}

void core__jobs_free(struct core *c)
{
    for (struct core_job *j = core__job_next(c, NULL), *next; j; j = next) {
        next = core__job_next(c, j);
        job_free_memory(c, j);
        core__job_remove(c, j);
    }
    free(c->jobs.folders);
}
