// SPDX-License-Identifier: MIT
// visitors.c: what is known of the addresses of clients: how often they failed, and how often they
// ask.
//
// A client of IPv6 owns a network of 2^64 addresses, so those count as one. Who has very many
// networks can drive others out of the table, who are then judged as if they were new.

#include "access/access_priv.h"
#include "base/address.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define SETS 512
#define PLACES 8 // In each set.

struct visitors {
    uint64_t seed;
    struct visitor places[SETS][PLACES];
};

enum err visitors_new(struct visitors **out, struct fault *f)
{
    struct visitors *v = xcalloc(1, sizeof *v);
    if (getrandom(&v->seed, sizeof v->seed, 0) != sizeof v->seed) {
        free(v);
        return fault_set(f, ERR_SYSTEM, "no random numbers: %s", strerror(errno));
    }
    *out = v;
    return ERR_OK;
}

void visitors_free(struct visitors *v)
{
    free(v);
}

static bool read_key(const char *address, uint8_t key[static 16])
{
    union address a;
    memset(key, 0, 16);
    return address_read(address, &a) && address_bytes(&a.any, key);
}

static bool is_ipv4(const uint8_t key[static 16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(key, mapped, sizeof mapped) == 0;
}

// What is no address, such as the other end of a socket of this machine, is one visitor.
static void key_of(const char *address, uint8_t key[static 16])
{
    if (read_key(address, key) && !is_ipv4(key))
        memset(key + 8, 0, 8);
}

static size_t set_of(const struct visitors *v, const uint8_t key[static 16])
{
    uint64_t hash = v->seed ^ 0xcbf29ce484222325;
    for (size_t i = 0; i < 16; i++)
        hash = (hash ^ key[i]) * 0x100000001b3;
    hash ^= hash >> 29;
    hash *= v->seed | 1;
    return (size_t)(hash >> 40) % SETS;
}

struct visitor *visitor_get(struct visitors *v, const char *address, mono_ms now)
{
    uint8_t key[16];
    key_of(address, key);
    struct visitor *set = v->places[set_of(v, key)];
    struct visitor *place = &set[0];
    for (size_t i = 0; i < PLACES; i++) {
        if (set[i].is_taken && memcmp(set[i].key, key, sizeof key) == 0) {
            set[i].used_at = now;
            return &set[i];
        }
        if (!set[i].is_taken || (place->is_taken && set[i].used_at < place->used_at))
            place = &set[i];
    }
    *place = (struct visitor){.is_taken = true, .used_at = now};
    memcpy(place->key, key, sizeof key);
    return place;
}

bool visitor_is_loopback(const char *address)
{
    uint8_t key[16];
    return !read_key(address, key) || strcmp(address_class_of(key), "loopback") == 0;
}
