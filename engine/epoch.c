/*
 * epoch.c -- records, sections and deferred calls on ck_epoch.
 *
 * ck_epoch keeps a global number and, for each record, whether it is inside a section and which
 * number it saw on entering. A deferred call is filed under the number current at that time and
 * runs once every record inside a section has been seen with a later one. ck keeps records for ever
 * on a list of its own, so they are allocated by the domain, found again through ck_epoch_recycle,
 * and freed only with the domain.
 *
 * Why epoch_call fences: on a machine with store buffers the number could be read before the store
 * that unlinks the object is visible. A reader that enters after the number has moved on could then
 * still find the object, while ck believes that only readers of the earlier number can have it.
 * With the fence, whoever can find the object entered under a number not above the one drawn.
 *
 * ThreadSanitizer does not see the atomics inside ck (inline assembly). Under it, leaving a section
 * is declared a release and running callbacks an acquire on the domain: exactly what ck guarantees.
 * For the same reason due callbacks are collected first and run by epoch_poll, after the acquire.
 *
 * Threads: see epoch.h. The mutex protects the list of records, which only registration touches.
 */
#include "epoch.h"
#include "mem.h"
#include "tsan.h"

#include <ck_epoch.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define EPOCH_MAGIC 0x45504f43u /* "EPOC" */

/* ck wants its record on a cache line of its own; the visible part leads. */
struct epoch_record_whole {
    struct epoch_record face;
    struct epoch *domain;
    struct epoch_record_whole *next; /* in the domain's list, under its mutex */
    bool is_registered;              /* under the domain's mutex */
    ck_epoch_record_t ck;
};

struct epoch {
    uint32_t magic;
    pthread_mutex_t mutex;
    struct epoch_record_whole *records;
    ck_epoch_t ck;
};

STATIC_CHECK(sizeof(struct epoch_entry) == sizeof(ck_epoch_entry_t), "entry holds ck's entry");
STATIC_CHECK(_Alignof(struct epoch_entry) == _Alignof(ck_epoch_entry_t),
             "entry as aligned as ck's");

static struct epoch_record_whole *epoch_whole(struct epoch_record *record)
{
    CHECK_OBJ(record, EPOCH_RECORD_MAGIC);
    return CONTAINER_OF(record, struct epoch_record_whole, face);
}

struct epoch *epoch_create(void)
{
    struct epoch *domain = mem_alloc(sizeof *domain);
    if (domain == NULL)
        return NULL;
    memset(domain, 0, sizeof *domain);
    domain->magic = EPOCH_MAGIC;
    CHECK(pthread_mutex_init(&domain->mutex, NULL) == 0);
    ck_epoch_init(&domain->ck);
    return domain;
}

void epoch_destroy(struct epoch *domain)
{
    CHECK_OBJ(domain, EPOCH_MAGIC);
    for (struct epoch_record_whole *r = domain->records; r != NULL; r = r->next) {
        CHECK(r->face.depth == 0);
        while (epoch_pending(&r->face) > 0)
            (void)epoch_poll(&r->face);
    }
    while (domain->records != NULL) {
        struct epoch_record_whole *r = domain->records;
        domain->records = r->next;
        r->face.magic = 0;
        mem_free(r);
    }
    CHECK(pthread_mutex_destroy(&domain->mutex) == 0);
    domain->magic = 0;
    mem_free(domain);
}

struct epoch_record *epoch_register(struct epoch *domain)
{
    CHECK_OBJ(domain, EPOCH_MAGIC);
    CHECK(pthread_mutex_lock(&domain->mutex) == 0);
    struct epoch_record_whole *whole = NULL;
    ck_epoch_record_t *used = ck_epoch_recycle(&domain->ck, NULL);
    if (used != NULL) {
        whole = CONTAINER_OF(used, struct epoch_record_whole, ck);
        CHECK(!whole->is_registered);
    } else {
        size_t size = (sizeof *whole + CK_MD_CACHELINE - 1) & ~(size_t)(CK_MD_CACHELINE - 1);
        whole = mem_alloc_aligned(CK_MD_CACHELINE, size);
        if (whole != NULL) {
            memset(whole, 0, size);
            whole->face.magic = EPOCH_RECORD_MAGIC;
            whole->domain = domain;
            whole->next = domain->records;
            domain->records = whole;
            ck_epoch_register(&domain->ck, &whole->ck, NULL);
        }
    }
    if (whole != NULL)
        whole->is_registered = true;
    CHECK(pthread_mutex_unlock(&domain->mutex) == 0);
    return whole != NULL ? &whole->face : NULL;
}

void epoch_unregister(struct epoch_record *record)
{
    struct epoch_record_whole *whole = epoch_whole(record);
    CHECK(record->depth == 0);
    if (epoch_pending(record) > 0)
        epoch_barrier(record);
    CHECK(pthread_mutex_lock(&whole->domain->mutex) == 0);
    CHECK(whole->is_registered);
    whole->is_registered = false;
    /* ck empties the record's lists here: whatever were still pending would be lost. */
    CHECK(epoch_pending(record) == 0);
    ck_epoch_unregister(&whole->ck);
    CHECK(pthread_mutex_unlock(&whole->domain->mutex) == 0);
}

void epoch_begin(struct epoch_record *record)
{
    struct epoch_record_whole *whole = epoch_whole(record);
    CHECK(record->depth < UINT32_MAX);
    if (record->depth++ > 0)
        return;
    record->sections++;
    ck_epoch_begin(&whole->ck, NULL);
    /* What the section reads must not be read before the number it entered under. */
    atomic_thread_fence(memory_order_acquire);
}

void epoch_end(struct epoch_record *record)
{
    struct epoch_record_whole *whole = epoch_whole(record);
    CHECK(record->depth > 0);
    if (--record->depth > 0)
        return;
    TSAN_RELEASE(whole->domain);
    (void)ck_epoch_end(&whole->ck, NULL);
}

void epoch_call(struct epoch_record *record, struct epoch_entry *entry, epoch_callback *callback)
{
    struct epoch_record_whole *whole = epoch_whole(record);
    CHECK(entry != NULL);
    CHECK(callback != NULL);
    atomic_thread_fence(memory_order_seq_cst);
    TSAN_RELEASE(whole->domain);
    /* ck only stores the callback; epoch_poll turns it back into ours before calling. */
    ck_epoch_call(&whole->ck, (ck_epoch_entry_t *)(void *)entry,
                  (ck_epoch_cb_t *)(void (*)(void))callback);
}

bool epoch_poll(struct epoch_record *record)
{
    struct epoch_record_whole *whole = epoch_whole(record);
    CHECK(record->depth == 0);
    if (whole->ck.n_pending == 0)
        return false;
    ck_stack_t due;
    ck_stack_init(&due);
    bool moved = ck_epoch_poll_deferred(&whole->ck, &due);
    TSAN_ACQUIRE(whole->domain);
    ck_stack_entry_t *at = CK_STACK_FIRST(&due);
    while (at != NULL) {
        ck_epoch_entry_t *entry = CONTAINER_OF(at, ck_epoch_entry_t, stack_entry);
        at = CK_STACK_NEXT(at); /* before the callback frees the entry */
        epoch_callback *callback = (epoch_callback *)(void (*)(void))entry->function;
        callback((struct epoch_entry *)(void *)entry);
    }
    return moved;
}

void epoch_barrier(struct epoch_record *record)
{
    CHECK_OBJ(record, EPOCH_RECORD_MAGIC);
    CHECK(record->depth == 0);
    while (epoch_pending(record) > 0) {
        if (!epoch_poll(record))
            (void)sched_yield();
    }
}

uint32_t epoch_pending(const struct epoch_record *record)
{
    CHECK_OBJ(record, EPOCH_RECORD_MAGIC);
    return CONTAINER_OF(record, const struct epoch_record_whole, face)->ck.n_pending;
}
