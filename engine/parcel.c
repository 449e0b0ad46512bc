/*
 * parcel.c -- see parcel.h.
 *
 * Threads: see parcel.h.
 */
#include "parcel.h"

#include "mem.h"

struct parcel *parcel_create(uint32_t capacity)
{
    CHECK(capacity > sizeof(struct parcel) && capacity % 8 == 0);
    struct parcel *parcel = mem_alloc(capacity);
    if (parcel != NULL)
        *parcel = (struct parcel){.capacity = capacity, .used = sizeof(*parcel)};
    return parcel;
}
