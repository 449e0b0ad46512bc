/*
 * parcel.h -- many small letters to one receiver in one piece of memory.
 *
 * What is sent to the same shard within a turn shares an allocation, a record of the ring and its
 * bytes' way between the cores, which lie one behind the other:
 *
 *     struct parcel | len kind | bytes ... | len kind | bytes ... | room |
 *
 * The bytes of a letter are aligned to 8. Letters come out in the order in which they went in.
 *
 * Bounds: the capacity, given at the beginning; a parcel never grows.
 *
 * Threads: the sender's until it is sent, the receiver's afterwards (mail.h).
 */
#ifndef SLUICE_PARCEL_H
#define SLUICE_PARCEL_H

#include "check.h"

struct parcel {
    uint32_t capacity; /* [I] of the allocation, bytes */
    uint32_t used;     /* [M] of it, this head included */
    uint32_t count;    /* [M] letters */
    uint32_t reserved; /* [I] 0 */
};

struct parcel_letter {
    uint32_t len;  /* [M] of the bytes that follow, as asked for */
    uint32_t kind; /* [M] */
};

/* What a letter of `len` bytes takes up. */
static inline uint32_t parcel_room(uint32_t len)
{
    return (uint32_t)sizeof(struct parcel_letter) + ((len + 7) & ~(uint32_t)7);
}

/* Empty, or NULL without memory. To be given back with mem_free. */
MUST_USE struct parcel *parcel_create(uint32_t capacity);

/* Room for a letter of `len` bytes, which are not set; NULL if there is too little. */
static inline void *parcel_add(struct parcel *parcel, uint8_t kind, uint32_t len)
{
    uint32_t room = parcel_room(len);
    if (parcel->capacity - parcel->used < room)
        return NULL;
    struct parcel_letter *letter = (struct parcel_letter *)(void *)((uint8_t *)parcel +
                                                                    parcel->used);
    *letter = (struct parcel_letter){.len = len, .kind = kind};
    parcel->used += room;
    parcel->count++;
    return letter + 1;
}

/*
 * The letter at *at, NULL at the end; *at moves on to the next and is 0 in the beginning. The kind
 * and the length are the letter's.
 */
static inline void *parcel_next(struct parcel *parcel, uint32_t *at, struct parcel_letter *out)
{
    if (*at == 0)
        *at = sizeof(struct parcel);
    if (*at >= parcel->used)
        return NULL;
    struct parcel_letter *letter = (struct parcel_letter *)(void *)((uint8_t *)parcel + *at);
    *out = *letter;
    *at += parcel_room(letter->len);
    CHECK(*at <= parcel->used);
    return letter + 1;
}

#endif
