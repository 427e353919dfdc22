// SPDX-License-Identifier: MIT
// zone_cache.c: zones by name, loaded once and shared.
//
// A table guarded by one lock. Zones are never freed: schedules hold plain pointers to them. When a
// file changes, the new rules become a new zone and the old one is kept on a list, which grows by
// the few zones of each release of the zone data.

#include "base/memory.h"
#include "zones/zone_files_priv.h"
#include "zones/zone_names_priv.h"
#include "zones/zones.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (2 * ZONE_CACHED_MAX) // A power of two, never more than half full.
#define NAMES_MAX 2048

struct slot {
    struct zone *zone; // NULL: free.
    struct zone_stamp stamp;
};

struct retired {
    struct zone *zone;
    struct retired *next;
};

static struct {
    pthread_mutex_t lock;
    const char *directory;
    struct slot slots[SLOTS];
    size_t count;
    struct retired *retired;
    char (*names)[ZONE_NAME_BYTES]; // All of the system's zones, listed at the first misspelling.
    size_t name_count;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER, .directory = "/usr/share/zoneinfo"};

static void lock(void)
{
    int rc = pthread_mutex_lock(&cache.lock);
    assert(rc == 0);
    (void)rc;
}

static void unlock(void)
{
    int rc = pthread_mutex_unlock(&cache.lock);
    assert(rc == 0);
    (void)rc;
}

void zone_directory_set(const char *path)
{
    lock();
    cache.directory = path;
    free(cache.names);
    cache.names = NULL;
    unlock();
}

// The slot of the name, or the free one where it belongs.
static struct slot *find_slot(const char *name)
{
    uint32_t hash = 2166136261u; // FNV-1a.
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (size_t i = hash % SLOTS;; i = (i + 1) % SLOTS)
        if (!cache.slots[i].zone || !strcmp(zone_name(cache.slots[i].zone), name))
            return &cache.slots[i];
}

static enum err find_locked(const char *name, const struct zone **out, struct fault *f)
{
    struct slot *slot = find_slot(name);
    if (!slot->zone) {
        if (cache.count == ZONE_CACHED_MAX)
            return fault_set(f, ERR_LIMIT, "more than %d time zones in use", ZONE_CACHED_MAX);
        struct zone *zone;
        enum err err = zone__read(cache.directory, name, &zone, &slot->stamp, f);
        if (err)
            return err;
        slot->zone = zone;
        cache.count++;
    }
    *out = slot->zone;
    return ERR_OK;
}

static void name_nearest(const char *name, struct fault *f)
{
    char hint[ZONE_HINT_BYTES];
    zone_hint(name, hint);
    fault_set(f, ERR_NOT_FOUND, "unknown time zone '%.64s'%s%s%s", name,
              *hint ? "; did you mean " : "", hint, *hint ? "?" : "");
}

enum err zone_find(const char *name, const struct zone **out, struct fault *f)
{
    if (!strcmp(name, "UTC")) { // Always there, also without zone data.
        *out = zone_utc();
        return ERR_OK;
    }
    enum err err = ERR_NOT_FOUND;
    if (zone__name_allowed(name)) {
        lock();
        err = find_locked(name, out, f);
        unlock();
    }
    if (err == ERR_NOT_FOUND)
        name_nearest(name, f);
    return err;
}

static bool is_listed(const char *name)
{
    for (size_t i = 0; i < cache.name_count; i++)
        if (!strcmp(cache.names[i], name))
            return true;
    return !strcmp(name, "UTC");
}

// The names that `name` stands for elsewhere and that this system has.
static size_t suggest_alias(const char *name,
                            char out[static ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES])
{
    char alias[ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES];
    size_t count = zone__alias(name, alias), kept = 0;
    for (size_t i = 0; i < count; i++)
        if (is_listed(alias[i]))
            memcpy(out[kept++], alias[i], ZONE_NAME_BYTES);
    return kept;
}

size_t zone_suggest(const char *name, char out[static ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES])
{
    lock();
    if (!cache.names) {
        cache.names = xcalloc(NAMES_MAX, sizeof *cache.names);
        cache.name_count = zone__list(cache.directory, cache.names, NAMES_MAX);
    }
    size_t count = suggest_alias(name, out);
    if (count == 0)
        count =
            zone__nearest(name, (const char(*)[ZONE_NAME_BYTES])cache.names, cache.name_count, out);
    unlock();
    return count;
}

void zone_hint(const char *name, char out[static ZONE_HINT_BYTES])
{
    char near[ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES];
    size_t count = zone_suggest(name, near), used = 0;
    int hours;
    *out = '\0';
    if (count == 1 && sscanf(near[0], "Etc/GMT%d", &hours) == 1) {
        snprintf(out, ZONE_HINT_BYTES,
                 "%s (%d hours %s UTC all year; the sign in its name is turned round)", near[0],
                 abs(hours), hours < 0 ? "ahead of" : "behind");
        return;
    }
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, ZONE_HINT_BYTES - used, "%s%s",
                                 i == 0           ? ""
                                 : i + 1 == count ? " or "
                                                  : ", ",
                                 near[i]);
}

// Reads the slot's file again if it has changed. True when the rules are new.
static bool refresh_slot(struct slot *slot, struct fault *f)
{
    const char *name = zone_name(slot->zone);
    struct zone_stamp stamp;
    struct zone *zone;
    if (zone__stamp(cache.directory, name, &stamp) && zone__stamp_same(&stamp, &slot->stamp))
        return false;
    if (zone__read(cache.directory, name, &zone, &stamp, f))
        return false; // Goes on with the rules it has, and tries again next time.
    slot->stamp = stamp;
    if (zone_same_rules(zone, slot->zone)) {
        zone_free(zone);
        return false;
    }
    struct retired *r = xmalloc(sizeof *r);
    *r = (struct retired){.zone = slot->zone, .next = cache.retired};
    cache.retired = r;
    slot->zone = zone;
    return true;
}

size_t zone_refresh(struct fault *f)
{
    size_t changed = 0;
    lock();
    free(cache.names); // A new release may bring new names.
    cache.names = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        struct fault this = {0};
        if (cache.slots[i].zone)
            changed += refresh_slot(&cache.slots[i], &this);
        if (this.code && f && !f->code)
            *f = this;
    }
    unlock();
    return changed;
}

void zone_data_version(char out[static ZONE_VERSION_BYTES])
{
    // The first line of tzdata.zi is "# version 2026f".
    char path[4096], version[ZONE_VERSION_BYTES] = "unknown";
    lock();
    snprintf(path, sizeof path, "%s/tzdata.zi", cache.directory);
    unlock();
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "# version %15s", version) != 1)
            strcpy(version, "unknown");
        fclose(file);
    }
    memcpy(out, version, ZONE_VERSION_BYTES);
}
