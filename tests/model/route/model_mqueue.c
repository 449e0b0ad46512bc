/*
 * model_mqueue.c -- the session queue against one array (route/mqueue.h).
 *
 * The twin is an array of entries in the order of arrival. Delivery order, victims of the limits
 * and refusals are each computed from it by plain search, as the head of mqueue.h words them.
 * Allocations fail at random; then nothing may have changed.
 */
#include "../model_args.h"
#include "mem.h"
#include "mqueue.h"

#include <string.h>

#define TWINS_MAX 5000

struct twin_drop {
    struct mqueue_entry entry;
    enum mqueue_drop reason;
};

static struct model_args args;
static struct mqueue queue;
static struct mqueue_limits limits;
static struct mqueue_entry twins[TWINS_MAX];
static uint32_t num_twins;
static struct twin_drop drops[TWINS_MAX]; /* what the queue said */
static uint32_t num_drops;
static uintptr_t next_msg = 1;
static uint32_t num_priorities = 1;

static void note_drop(void *context, const struct mqueue_entry *entry, enum mqueue_drop reason)
{
    CHECK(context == &queue && num_drops < TWINS_MAX);
    drops[num_drops++] = (struct twin_drop){*entry, reason};
}

static bool same(const struct mqueue_entry *a, const struct mqueue_entry *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static void twin_remove(uint32_t index)
{
    num_twins--;
    memmove(&twins[index], &twins[index + 1], (num_twins - index) * sizeof(twins[0]));
}

/* The first of the highest priority, or of the lowest. */
static uint32_t twin_extreme(bool highest)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < num_twins; i++)
        if (highest ? twins[i].priority > twins[best].priority
                    : twins[i].priority < twins[best].priority)
            best = i;
    return best;
}

static uint64_t twin_bytes(uint32_t priority_min)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < num_twins; i++)
        if (twins[i].priority >= priority_min)
            bytes += twins[i].bytes;
    return bytes;
}

static uint32_t twin_count(uint8_t priority, uint32_t *out_first)
{
    uint32_t count = 0;
    for (uint32_t i = num_twins; i-- > 0;) {
        if (twins[i].priority != priority)
            continue;
        *out_first = i;
        count++;
    }
    return count;
}

static enum rc twin_admit(const struct mqueue_entry *entry)
{
    if (limits.bytes_max == 0)
        return RC_OK;
    if (entry->bytes > limits.bytes_max)
        return RC_TOO_LARGE;
    uint64_t stays = twin_bytes((uint32_t)entry->priority + 1);
    return stays + entry->bytes > limits.bytes_max ? RC_FULL : RC_OK;
}

/* Applies the limits to the twin and checks that the queue named the same victims. */
static void twin_drop_for(const struct mqueue_entry *entry)
{
    uint32_t num_checked = 0;
    uint32_t first = 0;
    while (limits.len_max != 0 && twin_count(entry->priority, &first) >= limits.len_max) {
        CHECK(num_checked < num_drops && drops[num_checked].reason == MQUEUE_DROP_LEN);
        CHECK(same(&drops[num_checked].entry, &twins[first]));
        num_checked++;
        twin_remove(first);
    }
    while (limits.bytes_max != 0 && twin_bytes(0) + entry->bytes > limits.bytes_max) {
        uint32_t victim = twin_extreme(false);
        CHECK(num_checked < num_drops && drops[num_checked].reason == MQUEUE_DROP_BYTES);
        CHECK(same(&drops[num_checked].entry, &twins[victim]));
        num_checked++;
        twin_remove(victim);
    }
    CHECK(num_checked == num_drops);
}

static void queue_put(void)
{
    if (num_twins == TWINS_MAX)
        return;
    struct mqueue_entry entry = {
        .msg = (struct msg *)next_msg,
        .aux = (void *)(next_msg * 5),
        .bytes = model_below(&args, 1u << model_below(&args, 12)),
        .qos = (uint8_t)model_below(&args, 3),
        .priority = (uint8_t)(model_below(&args, num_priorities) * 255 / num_priorities),
        .flags = (uint16_t)model_random(&args),
    };
    num_drops = 0;
    bool must_fail = model_below(&args, 20) == 0 && mem_fail_after(model_below(&args, 2));
    enum rc rc = mqueue_put(&queue, &limits, &entry, note_drop, &queue);
    mem_fail_after(UINT64_MAX);
    enum rc expected = twin_admit(&entry);
    if (expected != RC_OK)
        CHECK(rc == expected);
    else
        CHECK(rc == RC_OK || (rc == RC_NO_MEMORY && must_fail));
    if (rc != RC_OK) {
        CHECK(num_drops == 0);
        return;
    }
    twin_drop_for(&entry);
    twins[num_twins++] = entry;
    next_msg++;
}

static void queue_pop(void)
{
    struct mqueue_entry entry;
    const struct mqueue_entry *peeked = mqueue_peek(&queue);
    CHECK((peeked != NULL) == (num_twins > 0));
    struct mqueue_entry copy = peeked != NULL ? *peeked : (struct mqueue_entry){0};
    CHECK(mqueue_pop(&queue, &entry) == (num_twins > 0));
    if (num_twins == 0)
        return;
    uint32_t index = twin_extreme(true);
    CHECK(same(&entry, &twins[index]) && same(&copy, &entry));
    twin_remove(index);
}

static bool match_some(void *context, struct mqueue_entry *entry)
{
    return (uintptr_t)entry->msg % *(uint32_t *)context == 0;
}

static void queue_remove_some(void)
{
    uint32_t divisor = 1 + model_below(&args, 20);
    uint32_t num_removed = mqueue_remove_if(&queue, match_some, &divisor);
    for (uint32_t i = num_twins; i-- > 0;) {
        if ((uintptr_t)twins[i].msg % divisor != 0)
            continue;
        twin_remove(i);
        num_removed--;
    }
    CHECK(num_removed == 0);
}

/* Changes a weight half way through an iteration. */
static void queue_reweigh(void)
{
    struct mqueue_cursor cursor;
    struct mqueue_entry *entry = mqueue_first(&queue, &cursor);
    for (uint32_t i = model_below(&args, num_twins + 1); entry != NULL && i > 0; i--)
        entry = mqueue_next(&queue, &cursor);
    if (entry == NULL)
        return;
    uint32_t bytes = model_below(&args, 3000);
    mqueue_set_bytes(&queue, entry, bytes);
    for (uint32_t i = 0; i < num_twins; i++)
        if (twins[i].msg == entry->msg)
            twins[i].bytes = bytes;
}

static void queue_check(void)
{
    struct mqueue_cursor cursor;
    const struct mqueue_entry *entry = mqueue_first(&queue, &cursor);
    uint32_t num_seen = 0;
    for (int priority = 255; priority >= 0 && entry != NULL; priority--) {
        for (uint32_t i = 0; i < num_twins; i++) {
            if (twins[i].priority != priority)
                continue;
            CHECK(entry != NULL && same(entry, &twins[i]));
            entry = mqueue_next(&queue, &cursor);
            num_seen++;
        }
    }
    CHECK(entry == NULL && num_seen == num_twins);
}

static void queue_step(uint32_t more)
{
    switch (model_below(&args, 1000)) {
    case 0:
        limits.len_max = model_below(&args, 1u << model_below(&args, 10));
        return;
    case 1:
        limits.bytes_max = model_below(&args, 1u << model_below(&args, 20));
        return;
    case 2:
        num_priorities = 1 + model_below(&args, 1u << model_below(&args, 9));
        return;
    case 3:
    case 4:
        queue_remove_some();
        return;
    case 5:
        mqueue_trim(&queue);
        CHECK(num_twins > 0 || mqueue_bytes(&queue) == 0);
        return;
    case 6:
    case 7:
        queue_reweigh();
        return;
    default:
        if (model_below(&args, 100) < more)
            queue_put();
        else
            queue_pop();
    }
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 150000);
    mqueue_init(&queue);
    uint32_t more = 55; /* per cent of operations that put */
    for (uint64_t i = 0; i < args.steps; i++) {
        if (model_below(&args, 2000) == 0)
            more = 30 + model_below(&args, 50);
        queue_step(more);
        CHECK(mqueue_count(&queue) == num_twins);
        if (model_below(&args, 200) == 0) {
            CHECK(mqueue_weight_bytes(&queue) == twin_bytes(0));
            queue_check();
        }
    }
    queue_check();
    while (num_twins > 0)
        queue_pop();
    CHECK(mqueue_bytes(&queue) < 3072); /* what an emptied queue keeps: mqueue.h */
    mqueue_fini(&queue);
    return 0;
}
