/*
 * sub_ids.c -- packing and unpacking of the `aux` of a kept delivery.
 *
 * The two low bits of a pointer from the allocator are zero, which leaves room for the tag of a
 * single identifier (28 bits, so it fits beside the tag).
 *
 * Threads: see sub_ids.h.
 */
#include "sub_ids.h"

#include <string.h>

#include "mem.h"

#define EXTRA_MAGIC 0x45585452u

static struct delivery_extra *sub_ids_extra_create(const uint32_t *ids, uint32_t count)
{
    struct delivery_extra *extra = mem_alloc(sizeof(*extra) + count * sizeof(uint32_t));
    if (extra == NULL)
        return NULL;
    memset(extra, 0, sizeof(*extra));
    extra->magic = EXTRA_MAGIC;
    extra->count = count;
    if (count > 0)
        memcpy(extra->ids, ids, count * sizeof(uint32_t));
    CHECK(((uintptr_t)extra & 3) == 0);
    return extra;
}

bool sub_ids_pack(const uint32_t *ids, uint32_t count, void **out_aux)
{
    *out_aux = NULL;
    if (count == 0)
        return true;
    if (count == 1) {
        CHECK(ids[0] > 0 && ids[0] <= SUB_ID_MAX);
        *out_aux = (void *)(((uintptr_t)ids[0] << 2) | 1);
        return true;
    }
    *out_aux = sub_ids_extra_create(ids, count);
    return *out_aux != NULL;
}

struct delivery_extra *sub_ids_pack_shared(uint32_t sub_id, struct filter_id filter, uint64_t group,
                                           uint32_t attempts)
{
    CHECK(group != 0 && sub_id <= SUB_ID_MAX);
    struct delivery_extra *extra = sub_ids_extra_create(&sub_id, sub_id != 0 ? 1 : 0);
    if (extra == NULL)
        return NULL;
    extra->filter = filter;
    extra->group = group;
    extra->attempts = attempts;
    return extra;
}

uint32_t sub_ids_view(void *aux, uint32_t *scratch, const uint32_t **out_ids)
{
    uintptr_t word = (uintptr_t)aux;
    *out_ids = scratch;
    if (word == 0)
        return 0;
    if ((word & 1) != 0) {
        *scratch = (uint32_t)(word >> 2);
        return 1;
    }
    struct delivery_extra *extra = aux;
    CHECK_OBJ(extra, EXTRA_MAGIC);
    *out_ids = extra->ids;
    return extra->count;
}

struct delivery_extra *sub_ids_extra(void *aux)
{
    if (aux == NULL || ((uintptr_t)aux & 1) != 0)
        return NULL;
    struct delivery_extra *extra = aux;
    CHECK_OBJ(extra, EXTRA_MAGIC);
    return extra;
}

void sub_ids_free(void *aux)
{
    struct delivery_extra *extra = sub_ids_extra(aux);
    if (extra == NULL)
        return;
    extra->magic = 0;
    mem_free(extra);
}
