/*
 * micro_memory.c -- what it costs to make, count and give back: messages, pool objects, timers.
 *
 * Threads: one.
 */
#include "mem.h"
#include "micro.h"
#include "msg.h"
#include "timer.h"

#define MEMORY_OBJECTS 256

static const uint8_t memory_payload[1024];

static struct pub memory_pub(int64_t payload_len)
{
    return (struct pub){
        .topic = bytes_of_text("site/12/device/3456/state"),
        .payload = bytes_of(memory_payload, (size_t)payload_len),
        .publisher = HANDLE_NONE,
    };
}

static void *memory_msg_setup(int64_t payload_len)
{
    struct pub *pub = mem_alloc(sizeof(*pub));
    CHECK(pub != NULL && payload_len <= (int64_t)sizeof(memory_payload));
    *pub = memory_pub(payload_len);
    return pub;
}

static void memory_msg_create(void *context, uint64_t num)
{
    const struct pub *pub = context;
    for (uint64_t i = 0; i < num; i++) {
        struct msg *msg = msg_create(pub, 0);
        CHECK(msg != NULL);
        micro_keep((uintptr_t)msg);
        msg_unref(msg, 0);
    }
}

static void *memory_ref_setup(int64_t argument)
{
    (void)argument;
    struct pub pub = memory_pub(64);
    struct msg *msg = msg_create(&pub, 0);
    CHECK(msg != NULL);
    return msg;
}

static void memory_ref_teardown(void *context)
{
    msg_unref(context, 0);
}

static void memory_ref_home(void *context, uint64_t num)
{
    for (uint64_t i = 0; i < num; i++) {
        msg_ref(context, 0);
        micro_keep(i);
        msg_unref(context, 0);
    }
}

static void memory_ref_shared(void *context, uint64_t num)
{
    for (uint64_t i = 0; i < num; i++) {
        msg_ref_shared(context);
        micro_keep(i);
        msg_unref_shared(context);
    }
}

static void *memory_pool_setup(int64_t object_size)
{
    struct pool *pool = mem_alloc(sizeof(*pool));
    CHECK(pool != NULL);
    pool_init(pool, &(struct pool_config){.name = "micro",
                                          .object_size = (uint32_t)object_size,
                                          .slab_size = POOL_SLAB_SIZE_USUAL,
                                          .limit_bytes = UINT64_C(64) << 20,
                                          .reserve = 1});
    return pool;
}

static void memory_pool_teardown(void *context)
{
    pool_fini(context);
    mem_free(context);
}

/* Takes many and gives them back in the same order. */
static void memory_pool(void *context, uint64_t num)
{
    void *objects[MEMORY_OBJECTS];
    for (uint64_t done = 0; done < num; done += MEMORY_OBJECTS) {
        for (unsigned i = 0; i < MEMORY_OBJECTS; i++) {
            objects[i] = pool_get(context);
            CHECK(objects[i] != NULL);
        }
        for (unsigned i = 0; i < MEMORY_OBJECTS; i++)
            pool_put(context, objects[i]);
    }
}

static void memory_allocator(void *context, uint64_t num)
{
    (void)context;
    void *objects[MEMORY_OBJECTS];
    for (uint64_t done = 0; done < num; done += MEMORY_OBJECTS) {
        for (unsigned i = 0; i < MEMORY_OBJECTS; i++) {
            objects[i] = mem_alloc(192);
            CHECK(objects[i] != NULL);
        }
        for (unsigned i = 0; i < MEMORY_OBJECTS; i++)
            mem_free(objects[i]);
    }
}

/* So many timers are pending while some of them are set again, or fire. */
struct memory_timers {
    struct timer_wheel wheel;
    struct timer *timers;
    uint32_t num;
    uint32_t next;
    uint64_t now_ms;
};

/* Deadlines are spread over an hour, as keep alives of many clients are, in no order. */
static uint64_t memory_timer_deadline(const struct memory_timers *timers, uint32_t number)
{
    return timers->now_ms + TIMER_TICK_MS + (number * UINT32_C(2654435761)) % 3600000;
}

static void memory_timer_fired(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    struct memory_timers *timers = wheel->owner;
    micro_keep(now_ms);
    timer_set(wheel, timer, memory_timer_deadline(timers, timers->next++));
}

static void *memory_timer_setup(int64_t num)
{
    struct memory_timers *timers = mem_alloc(sizeof(*timers));
    CHECK(timers != NULL);
    *timers = (struct memory_timers){.num = (uint32_t)num, .now_ms = 1000};
    timers->timers = mem_alloc((size_t)num * sizeof(*timers->timers));
    CHECK(timers->timers != NULL);
    timer_wheel_init(&timers->wheel, timers, timers->now_ms);
    for (uint32_t i = 0; i < timers->num; i++) {
        timer_init(&timers->timers[i], memory_timer_fired);
        timer_set(&timers->wheel, &timers->timers[i], memory_timer_deadline(timers, i));
    }
    return timers;
}

static void memory_timer_teardown(void *context)
{
    struct memory_timers *timers = context;
    for (uint32_t i = 0; i < timers->num; i++)
        timer_cancel(&timers->wheel, &timers->timers[i]);
    timer_wheel_fini(&timers->wheel);
    mem_free(timers->timers);
    mem_free(timers);
}

static void memory_timer_set(void *context, uint64_t num)
{
    struct memory_timers *timers = context;
    for (uint64_t i = 0; i < num; i++) {
        uint32_t number = timers->next++ * UINT32_C(2654435761) % timers->num;
        timer_set(&timers->wheel, &timers->timers[number],
                  memory_timer_deadline(timers, timers->next));
    }
}

/* Time passes until as many have fired, each of which is set again. */
static void memory_timer_fire(void *context, uint64_t num)
{
    struct memory_timers *timers = context;
    uint64_t fired = 0;
    while (fired < num) {
        uint64_t next_ms = timers_next_ms(&timers->wheel);
        CHECK(next_ms != TIMER_NEVER_MS);
        if (next_ms > timers->now_ms)
            timers->now_ms = next_ms;
        fired += timers_run(&timers->wheel, timers->now_ms, MEMORY_OBJECTS);
    }
}

static const struct micro_case memory_cases[] = {
    {.name = "msg_create_unref",
     .setup = memory_msg_setup,
     .run = memory_msg_create,
     .teardown = mem_free,
     .arguments = {16, 64, 1024},
     .num_arguments = 3},
    {.name = "msg_ref_unref_home",
     .setup = memory_ref_setup,
     .run = memory_ref_home,
     .teardown = memory_ref_teardown},
    {.name = "msg_ref_unref_shared",
     .setup = memory_ref_setup,
     .run = memory_ref_shared,
     .teardown = memory_ref_teardown},
    {.name = "pool_get_put",
     .setup = memory_pool_setup,
     .run = memory_pool,
     .teardown = memory_pool_teardown,
     .arguments = {64, 512},
     .num_arguments = 2},
    {.name = "mem_alloc_free_192", .run = memory_allocator},
    {.name = "timer_set",
     .setup = memory_timer_setup,
     .run = memory_timer_set,
     .teardown = memory_timer_teardown,
     .arguments = {256, 1000000},
     .num_arguments = 2},
    {.name = "timer_set_and_fire",
     .setup = memory_timer_setup,
     .run = memory_timer_fire,
     .teardown = memory_timer_teardown,
     .arguments = {256, 1000000},
     .num_arguments = 2},
};

const struct micro_suite micro_memory = {memory_cases, ARRAY_LEN(memory_cases)};
