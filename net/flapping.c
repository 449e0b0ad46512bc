/*
 * flapping.c -- see flapping.h.
 * Threads: see flapping.h.
 */
#include "flapping.h"

#include <string.h>

#include "mem.h"

#define FLAPPING_MAGIC 0x464c4150u
#define FLAPPING_SET   8

struct flapping_place {
    uint64_t hash; /* 0: empty */
    uint32_t count;
    uint32_t since_s; /* of the shard's clock, when the window began */
};

struct flapping {
    uint32_t magic;
    struct hash_key key;
    struct flapping_place places[FLAPPING_PLACES];
};

struct flapping *flapping_create(const struct hash_key *key)
{
    struct flapping *flapping = mem_alloc(sizeof(*flapping));
    if (flapping == NULL)
        return NULL;
    memset(flapping, 0, sizeof(*flapping));
    flapping->magic = FLAPPING_MAGIC;
    flapping->key = *key;
    return flapping;
}

void flapping_destroy(struct flapping *flapping)
{
    if (flapping == NULL)
        return;
    CHECK_OBJ(flapping, FLAPPING_MAGIC);
    flapping->magic = 0;
    mem_free(flapping);
}

bool flapping_note(struct flapping *flapping, const struct flapping_limits *limits,
                   struct bytes client_id, uint64_t now_ms)
{
    CHECK_OBJ(flapping, FLAPPING_MAGIC);
    if (limits->count == 0)
        return false;
    uint64_t hash = hash_keyed(&flapping->key, client_id) | 1;
    uint32_t now_s = (uint32_t)(now_ms / 1000);
    struct flapping_place
        *set = &flapping->places[(hash >> 32) % (FLAPPING_PLACES / FLAPPING_SET) * FLAPPING_SET];
    struct flapping_place *place = &set[0];
    for (unsigned i = 0; i < FLAPPING_SET; i++) {
        if (set[i].hash == hash) {
            place = &set[i];
            break;
        }
        if (set[i].hash == 0 || (place->hash != 0 && set[i].since_s < place->since_s))
            place = &set[i];
    }
    if (place->hash != hash || (uint64_t)(now_s - place->since_s) * 1000 >= limits->window_ms)
        *place = (struct flapping_place){.hash = hash, .since_s = now_s};
    place->count++;
    if (place->count < limits->count)
        return false;
    *place = (struct flapping_place){.hash = 0};
    return true;
}
