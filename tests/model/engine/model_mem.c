/*
 * model_mem.c -- pools and slot tables against plain arrays (engine/mem.h).
 *
 * The twin of the pool is an array of the objects handed out, each filled with a byte of its own:
 * objects neither overlap nor change, the pool refuses exactly when its limit leaves no room, and
 * its accounts are those of the array. The twin of the slot table is an array of {handle, pointer,
 * live}: every handle ever made is asked for, the dead ones too, and allocations fail at random.
 */
#include "../model_args.h"
#include "mem.h"

#include <string.h>

#define OBJECTS_MAX 400
#define HANDLES_MAX 3000
#define SLOTS_MAX   1024

struct twin_object {
    uint8_t *ptr;
    uint8_t fill;
};

struct twin_handle {
    struct handle handle;
    int *ptr; /* NULL: removed */
};

static struct model_args args;
static struct pool pool;
static struct twin_object objects[OBJECTS_MAX];
static uint32_t num_objects;
static struct slot_table table;
static struct twin_handle handles[HANDLES_MAX];
static uint32_t num_handles;
static uint32_t num_live;
static int things[HANDLES_MAX];

static void pool_begin(void)
{
    static const uint32_t sizes[] = {8, 24, 32, 72, 128, 136, 320, 448};
    pool_init(&pool, &(struct pool_config){
                         .name = "model",
                         .object_size = sizes[model_below(&args, ARRAY_LEN(sizes))],
                         .slab_size = POOL_SLAB_SIZE_SMALL,
                         .limit_bytes = POOL_SLAB_SIZE_SMALL * (1 + model_below(&args, 20)),
                         .reserve = model_below(&args, 3),
                     });
}

static void pool_check(void)
{
    CHECK(pool.num_used == num_objects);
    CHECK(pool.num_used_high >= num_objects);
    CHECK(pool.bytes.used <= pool.bytes.limit);
    CHECK(pool.bytes.used * pool.slab_objects >= (uint64_t)num_objects * POOL_SLAB_SIZE_SMALL);
    CHECK(pool.num_empty <= (num_objects == 0 ? pool.bytes.used / pool.slab_size : pool.reserve));
}

static void pool_add(void)
{
    if (num_objects == OBJECTS_MAX)
        return;
    bool must_fail = model_below(&args, 10) == 0 && mem_fail_after(0);
    uint64_t room = pool.bytes.used / pool.slab_size * pool.slab_objects - num_objects;
    uint8_t *ptr = pool_get(&pool);
    mem_fail_after(UINT64_MAX);
    if (ptr == NULL) {
        CHECK(room == 0);
        CHECK(must_fail || pool.bytes.limit - pool.bytes.used < pool.slab_size);
        return;
    }
    CHECK(room > 0 || !must_fail);
    objects[num_objects] = (struct twin_object){.ptr = ptr, .fill = (uint8_t)model_random(&args)};
    memset(ptr, objects[num_objects].fill, pool.object_size);
    num_objects++;
}

static void pool_drop(void)
{
    if (num_objects == 0)
        return;
    uint32_t index = model_below(&args, num_objects);
    struct twin_object object = objects[index];
    for (uint32_t i = 0; i < pool.object_size; i++)
        CHECK(object.ptr[i] == object.fill);
    objects[index] = objects[--num_objects];
    pool_put(&pool, object.ptr);
}

static void table_add(void)
{
    if (num_handles == HANDLES_MAX)
        return;
    bool must_fail = model_below(&args, 4) == 0 && mem_fail_after(model_below(&args, 2));
    struct twin_handle *twin = &handles[num_handles];
    enum rc rc = slot_table_add(&table, &things[num_handles], &twin->handle);
    mem_fail_after(UINT64_MAX);
    if (rc != RC_OK) {
        CHECK(num_live == table.num_slots);
        CHECK(rc == (num_live == SLOTS_MAX ? RC_FULL : RC_NO_MEMORY));
        CHECK(rc == RC_FULL || must_fail);
        return;
    }
    CHECK(num_live < SLOTS_MAX);
    twin->ptr = &things[num_handles];
    num_handles++;
    num_live++;
}

static void table_drop(void)
{
    if (num_handles == 0)
        return;
    struct twin_handle *twin = &handles[model_below(&args, num_handles)];
    if (twin->ptr == NULL)
        return;
    CHECK(slot_table_remove(&table, twin->handle) == twin->ptr);
    twin->ptr = NULL;
    num_live--;
}

static void table_check(void)
{
    for (uint32_t i = 0; i < num_handles; i++)
        CHECK(slot_table_get(&table, handles[i].handle) == handles[i].ptr);
    uint32_t cursor = 0;
    uint32_t num_seen = 0;
    for (void *ptr; (ptr = slot_table_next(&table, &cursor)) != NULL; num_seen++)
        CHECK(slot_table_at(&table, cursor - 1) == ptr);
    CHECK(num_seen == num_live && table.num_live == num_live);
}

static void table_begin(void)
{
    num_handles = 0;
    num_live = 0;
    slot_table_init(&table, 5, SLOTS_MAX);
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 300000);
    pool_begin();
    table_begin();
    uint32_t more = 50; /* per cent of operations that add */
    for (uint64_t i = 0; i < args.steps; i++) {
        if (model_below(&args, 1000) == 0)
            more = model_below(&args, 101);
        bool add = model_below(&args, 100) < more;
        if (add)
            pool_add();
        else
            pool_drop();
        pool_check();
        if (add)
            table_add();
        else
            table_drop();
        if (model_below(&args, 500) == 0)
            table_check();
        if (num_handles == HANDLES_MAX && model_below(&args, 100) == 0) {
            table_check();
            slot_table_fini(&table);
            table_begin();
        }
        if (model_below(&args, 5000) == 0) {
            while (num_objects > 0)
                pool_drop();
            pool_fini(&pool);
            pool_begin();
        }
    }
    while (num_objects > 0)
        pool_drop();
    pool_fini(&pool);
    table_check();
    slot_table_fini(&table);
    return 0;
}
