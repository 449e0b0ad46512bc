/*
 * rcu_table.c -- the writer's side of the table: put in, take out, copy a segment.
 *
 * A segment is copied to an array with room for at least twice its objects when three quarters of
 * its places are in use (removed ones count, they lengthen probes), and when it has become seven
 * eighths empty. A removed place whose successor is empty becomes empty itself, and so do removed
 * places before it: no probe that passes here could have gone further anyway.
 *
 * Threads: under the mutex of the owner.
 */
#include "rcu_table.h"
#include "alloc.h"

#define RCU_TABLE_CAPACITY_MIN 4

static struct rcu_table_array *rcu_table_array_of(uint64_t head)
{
    return (struct rcu_table_array *)(uintptr_t)(head & RCU_TABLE_POINTER);
}

static uint64_t rcu_table_capacity_of(uint64_t head)
{
    return head == 0 ? 0 : UINT64_C(1) << (head >> 56);
}

static size_t rcu_table_array_size(uint64_t capacity)
{
    return sizeof(struct rcu_table_array) + capacity * sizeof(uint64_t);
}

static uint64_t rcu_table_word(uint64_t hash, const void *object)
{
    uint64_t pointer = (uint64_t)(uintptr_t)object;
    CHECK((pointer & ~RCU_TABLE_POINTER) == 0);
    CHECK(pointer > RCU_TABLE_REMOVED);
    return rcu_table_tag(hash) << 48 | pointer;
}

enum rc rcu_table_init(struct rcu_table *table, rcu_table_hash_of *hash_of)
{
    CHECK(hash_of != NULL);
    struct rcu_table_segment *segments = alloc_zeroed(RCU_TABLE_SEGMENTS * sizeof *segments);
    if (segments == NULL)
        return RC_NO_MEMORY;
    *table = (struct rcu_table){.magic = RCU_TABLE_MAGIC,
                                .hash_of = hash_of,
                                .segments = segments,
                                .bytes = RCU_TABLE_SEGMENTS * sizeof *segments};
    return RC_OK;
}

void rcu_table_fini(struct rcu_table *table)
{
    if (table->magic == 0)
        return;
    CHECK_OBJ(table, RCU_TABLE_MAGIC);
    for (uint32_t i = 0; i < RCU_TABLE_SEGMENTS; i++)
        mem_free(rcu_table_array_of(atomic_load(&table->segments[i].head)));
    mem_free(table->segments);
    *table = (struct rcu_table){.magic = 0};
}

static void rcu_table_array_free(struct epoch_entry *entry)
{
    mem_free(CONTAINER_OF(entry, struct rcu_table_array, retire));
}

/* The array is either new and private or has at least one empty place. */
static void rcu_table_place(struct rcu_table_array *array, uint64_t mask, uint64_t hash,
                            uint64_t word, bool *out_was_empty)
{
    for (uint64_t at = hash;; at++) {
        CHECK(at - hash <= mask);
        uint64_t old = atomic_load_explicit(&array->word[at & mask], memory_order_relaxed);
        if (old > RCU_TABLE_REMOVED)
            continue;
        atomic_store_explicit(&array->word[at & mask], word, memory_order_release);
        *out_was_empty = old == 0;
        return;
    }
}

/* Copies a segment into an array with room for `live` objects twice over. */
static enum rc rcu_table_resize(struct rcu_table *table, struct epoch_record *record,
                                struct rcu_table_segment *segment, uint32_t live)
{
    uint64_t log2 = 2;
    while ((UINT64_C(1) << log2) < 2 * (uint64_t)live)
        log2++;
    uint64_t capacity = UINT64_C(1) << log2;
    CHECK(capacity >= RCU_TABLE_CAPACITY_MIN);
    CHECK(capacity > segment->live);
    struct rcu_table_array *array = alloc_zeroed(rcu_table_array_size(capacity));
    if (array == NULL)
        return RC_NO_MEMORY;
    CHECK(((uint64_t)(uintptr_t)array & ~RCU_TABLE_POINTER) == 0);
    uint64_t head_old = atomic_load_explicit(&segment->head, memory_order_relaxed);
    struct rcu_table_array *old = rcu_table_array_of(head_old);
    uint64_t capacity_old = rcu_table_capacity_of(head_old);
    uint32_t moved = 0;
    for (uint64_t i = 0; i < capacity_old; i++) {
        uint64_t word = atomic_load_explicit(&old->word[i], memory_order_relaxed);
        if (word <= RCU_TABLE_REMOVED)
            continue;
        bool was_empty;
        uint64_t hash = table->hash_of((const void *)(uintptr_t)(word & RCU_TABLE_POINTER));
        CHECK_SLOW(rcu_table_tag(hash) == word >> 48);
        rcu_table_place(array, capacity - 1, hash, word, &was_empty);
        moved++;
    }
    CHECK(moved == segment->live);
    segment->used = moved;
    uint64_t head = log2 << 56 | (uint64_t)(uintptr_t)array;
    atomic_store_explicit(&segment->head, head, memory_order_release);
    table->bytes += rcu_table_array_size(capacity);
    if (old != NULL) {
        table->bytes -= rcu_table_array_size(capacity_old);
        epoch_call(record, &old->retire, rcu_table_array_free);
    }
    return RC_OK;
}

enum rc rcu_table_insert(struct rcu_table *table, struct epoch_record *record, uint64_t hash,
                         void *object)
{
    CHECK_OBJ(table, RCU_TABLE_MAGIC);
    CHECK(object != NULL);
    struct rcu_table_segment *segment = &table->segments[hash >> (64 - RCU_TABLE_SEGMENT_BITS)];
    uint64_t head = atomic_load_explicit(&segment->head, memory_order_relaxed);
    if ((segment->used + UINT64_C(1)) * 4 > rcu_table_capacity_of(head) * 3) {
        enum rc rc = rcu_table_resize(table, record, segment, segment->live + 1);
        if (rc != RC_OK)
            return rc;
        head = atomic_load_explicit(&segment->head, memory_order_relaxed);
    }
    bool was_empty;
    rcu_table_place(rcu_table_array_of(head), rcu_table_capacity_of(head) - 1, hash,
                    rcu_table_word(hash, object), &was_empty);
    segment->live++;
    segment->used += was_empty;
    table->live++;
    CHECK(segment->used < rcu_table_capacity_of(head));
    CHECK(segment->live <= segment->used);
    return RC_OK;
}

/* Turns removed places before an empty one into empty ones. Returns how many. */
static uint32_t rcu_table_clear_back(struct rcu_table_array *array, uint64_t mask, uint64_t at)
{
    uint32_t cleared = 0;
    if (atomic_load_explicit(&array->word[(at + 1) & mask], memory_order_relaxed) != 0)
        return 0;
    while (atomic_load_explicit(&array->word[at & mask], memory_order_relaxed) ==
           RCU_TABLE_REMOVED) {
        atomic_store_explicit(&array->word[at & mask], 0, memory_order_release);
        cleared++;
        at--;
    }
    return cleared;
}

void rcu_table_remove(struct rcu_table *table, struct epoch_record *record, uint64_t hash,
                      void *object)
{
    CHECK_OBJ(table, RCU_TABLE_MAGIC);
    struct rcu_table_segment *segment = &table->segments[hash >> (64 - RCU_TABLE_SEGMENT_BITS)];
    uint64_t head = atomic_load_explicit(&segment->head, memory_order_relaxed);
    CHECK(head != 0);
    struct rcu_table_array *array = rcu_table_array_of(head);
    uint64_t mask = rcu_table_capacity_of(head) - 1;
    uint64_t word = rcu_table_word(hash, object);
    uint64_t at = hash;
    while (atomic_load_explicit(&array->word[at & mask], memory_order_relaxed) != word) {
        CHECK(atomic_load_explicit(&array->word[at & mask], memory_order_relaxed) != 0);
        at++;
    }
    atomic_store_explicit(&array->word[at & mask], RCU_TABLE_REMOVED, memory_order_release);
    CHECK(segment->live > 0);
    segment->live--;
    table->live--;
    segment->used -= rcu_table_clear_back(array, mask, at);
    CHECK(segment->live <= segment->used);
    if (mask + 1 > RCU_TABLE_CAPACITY_MIN && segment->live * UINT64_C(8) < mask + 1) {
        /* Without memory for a smaller array the larger one serves as well. */
        (void)!rcu_table_resize(table, record, segment, segment->live);
    }
}

void rcu_table_each(const struct rcu_table *table, void (*visit)(void *context, void *object),
                    void *context)
{
    CHECK_OBJ(table, RCU_TABLE_MAGIC);
    for (uint32_t i = 0; i < RCU_TABLE_SEGMENTS; i++) {
        uint64_t head = atomic_load_explicit(&table->segments[i].head, memory_order_acquire);
        const struct rcu_table_array *array = rcu_table_array_of(head);
        for (uint64_t at = 0; at < rcu_table_capacity_of(head); at++) {
            uint64_t word = atomic_load_explicit(&array->word[at], memory_order_acquire);
            if (word > RCU_TABLE_REMOVED)
                visit(context, (void *)(uintptr_t)(word & RCU_TABLE_POINTER));
        }
    }
}
