/*
 * sweep.c -- a timer, a cursor over everything, and a word that says whether a walk is worth it.
 *
 * The word is cleared when a walk begins and set again by every value with an expiry that the walk
 * meets or that somebody stores meanwhile. So a sweep that finds none is the last one until then.
 *
 * Threads: see sweep.h.
 */
#include "sweep.h"

#define SWEEP_MAGIC    0x53575050u
#define SWEEP_NODES    2048
#define SWEEP_SLICE_MS 100
#define SWEEP_PAUSE_MS 10000

struct sweep {
    uint32_t magic;
    bool walking;
    struct router *router;
    struct timer timer;
    struct retained_cursor cursor;
};

void sweep_note(struct route_shared *shared)
{
    if (__atomic_load_n(&shared->retained_expires, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(&shared->retained_expires, 1, __ATOMIC_RELAXED);
}

static enum retained_verdict sweep_visit(void *context, void *value, uint64_t version)
{
    (void)version;
    struct router *router = context;
    const struct msg *msg = value;
    CHECK_OBJ(msg, MSG_MAGIC);
    if (msg->pub.expires_at_ms == 0)
        return RETAINED_TAKEN;
    if (!pub_is_expired(&msg->pub, router->shard->now_ms)) {
        sweep_note(router->shared);
        return RETAINED_TAKEN;
    }
    router_count(router, STAT_RETAINED_EXPIRED, 1);
    return RETAINED_DELETE;
}

static bool sweep_begin(struct sweep *sweep)
{
    struct route_shared *shared = sweep->router->shared;
    /* A fence, as at the end of retained_set: who sees the 1 has stored where we will look. */
    if (__atomic_exchange_n(&shared->retained_expires, 0, __ATOMIC_SEQ_CST) == 0)
        return false;
    sweep->walking = retained_cursor_init_all(&sweep->cursor) == RC_OK;
    if (!sweep->walking)
        sweep_note(shared);
    return sweep->walking;
}

static void sweep_end(struct sweep *sweep)
{
    retained_cursor_fini(&sweep->cursor);
    sweep->walking = false;
}

static void sweep_on_timer(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ms)
{
    struct sweep *sweep = CONTAINER_OF(timer, struct sweep, timer);
    CHECK_OBJ(sweep, SWEEP_MAGIC);
    struct router *router = sweep->router;
    if ((sweep->walking || sweep_begin(sweep)) &&
        retained_walk(router->shared->retained, router->shard->epoch, &sweep->cursor, SWEEP_NODES,
                      sweep_visit, router) == RC_OK)
        sweep_end(sweep);
    timer_set(wheel, timer, now_ms + (sweep->walking ? SWEEP_SLICE_MS : SWEEP_PAUSE_MS));
}

enum rc sweep_start(struct router *router)
{
    SHARD_CHECK(router->shard);
    CHECK(router->shard->id == 0 && router->sweep == NULL);
    struct sweep *sweep = mem_alloc(sizeof(*sweep));
    if (sweep == NULL)
        return RC_NO_MEMORY;
    *sweep = (struct sweep){.magic = SWEEP_MAGIC, .router = router};
    timer_init(&sweep->timer, sweep_on_timer);
    timer_set(&router->shard->timers, &sweep->timer, router->shard->now_ms + SWEEP_PAUSE_MS);
    router->sweep = sweep;
    return RC_OK;
}

void sweep_stop(struct router *router)
{
    struct sweep *sweep = router->sweep;
    if (sweep == NULL)
        return;
    CHECK_OBJ(sweep, SWEEP_MAGIC);
    timer_cancel(&router->shard->timers, &sweep->timer);
    if (sweep->walking)
        sweep_end(sweep);
    router->sweep = NULL;
    sweep->magic = 0;
    mem_free(sweep);
}
