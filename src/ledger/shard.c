// SPDX-License-Identifier: MIT
// shard.c: which shard a job belongs to, and which ids a shard gives.
//
// Shards take turns in the numbers: with S shards, shard k gives S + k, 2 S + k, 3 S + k, ... So an
// id tells its shard, nobody has to be asked for one, and with one shard they are 1, 2, 3, ...

#include "ledger/ledger.h"

#include <assert.h>

uint32_t shard_of(job_id job, uint32_t shards)
{
    assert(job >= 0 && shards > 0);
    return (uint32_t)((uint64_t)job % shards);
}

int64_t shard_id(uint32_t number, int64_t n, uint32_t shards)
{
    assert(n > 0 && number < shards);
    return n * shards + number;
}

void shard_set_add(struct shard_set *s, uint32_t number)
{
    assert(number < SHARDS_MAX);
    s->bits[number / 64] |= (uint64_t)1 << number % 64;
}

bool shard_set_has(const struct shard_set *s, uint32_t number)
{
    assert(number < SHARDS_MAX);
    return s->bits[number / 64] >> number % 64 & 1;
}
