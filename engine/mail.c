/*
 * mail.c -- rings, overflow lists and the sleep protocol of the mesh.
 *
 * One anonymous mapping holds all rings, so that pages of pairs that never talk are never touched.
 * A ring is a ck_ring head (three cache lines) followed by its records. Sizes shrink with the
 * number of endpoints: with 64 shards the data rings take 64 * 64 * 512 * 64 bytes = 134 MB of
 * address space, with 2 shards 2 MB.
 *
 * Overflow: a list of blocks of MAIL_BLOCK_RECORDS records for each (target, class), freed as it
 * drains. Above MAIL_PRESS_RECORDS waiting records, or too many bytes under way, the target is
 * pressed until the list is empty again and half of the bytes have been taken. Bytes under way are
 * counted by two free-running words of one writer each: what the sender sent and what the receiver
 * took.
 *
 * Parcels: one is open for each target that something was posted to since the last flush. Its size
 * is what all of the last turn's would have needed, within PARCEL_LEN_MIN and _MAX, so that a quiet
 * shard does not move 16 KiB for one letter. A sent parcel is a record of kind MAIL_PARCEL, taken
 * apart by whoever drains; in budgets and counters it stands for what is in it.
 *
 * Threads: see mail.h.
 */
#include "mail.h"

#include <ck_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "engine_stats.h"
#include "mem.h"
#include "parcel.h"
#include "tsan.h"

#define MESH_MAGIC 0x4d455348u
#define PORT_MAGIC 0x504f5254u

/* The simulator has sizes of its own, so small that rings are full (tests/sim). */
#ifndef MAIL_SIZES_GIVEN
#define MAIL_DATA_ENTRIES_MAX    4096 /* 256 KiB a pair: 100 us at 40 M records a second */
#define MAIL_DATA_ENTRIES_MIN    512
#define MAIL_CONTROL_ENTRIES     64 /* hand-overs and take-downs are rare */
#define MAIL_CONFIRM_ENTRIES_MAX 1024
#define MAIL_CONFIRM_ENTRIES_MIN 256
#define MAIL_BLOCK_RECORDS       63
#define MAIL_PRESS_RECORDS       4096 /* 256 KiB of records; bytes are counted apart */
#define MAIL_PARCEL_LEN_MAX      16384
#endif
#define MAIL_PARCEL_LEN_MIN 2048
#define MAIL_PARCEL         UINT8_MAX /* the kind of a record with many in it */
/* Records that are taken out of a ring at once, and cache lines fetched of what each names. */
#define MAIL_BATCH          16
#define MAIL_PREFETCH_LINES 5
#define MAIL_PARCEL_AHEAD   256 /* how far ahead of a letter its successors are fetched */
#define MAIL_PRESS_BYTES    (64 * 1024 * 1024)
#define MAIL_WORDS          ((MAIL_ENDPOINTS_MAX + 63) / 64)

STATIC_CHECK(MAIL_PARCEL_LEN_MIN <= MAIL_PARCEL_LEN_MAX, "sizes of parcels are in order");
STATIC_CHECK(sizeof(struct parcel) + sizeof(struct parcel_letter) + MAIL_POST_LEN_MAX <=
                 MAIL_PARCEL_LEN_MIN,
             "what can be posted fits an empty parcel");

CK_RING_PROTOTYPE(mail, mail)

/* Bytes of data mail that went through one pair's ring; each word has one writer. */
struct mail_flow {
    uint64_t taken; /* [A] by the receiver */
    uint8_t pad[56];
};

/* What senders and the receiver of one endpoint share. */
struct mail_box {
    uint64_t senders[MAIL_WORDS]; /* [A] bit set by a sender after enqueuing */
    uint32_t sleeping;            /* [A] 1 while the endpoint sleeps or is about to */
} __attribute__((aligned(64)));

struct mesh {
    uint32_t magic;
    unsigned endpoints;
    size_t ring_offset[MAIL_CLASS_COUNT]; /* of a class inside a pair's area */
    unsigned ring_entries[MAIL_CLASS_COUNT];
    size_t pair_size;     /* begins with a struct mail_flow */
    uint64_t limit_bytes; /* [A] */
    uint8_t *memory;
    size_t memory_size;
    struct mail_box boxes[MAIL_ENDPOINTS_MAX];
};

struct mail_block {
    struct mail_block *next;
    uint32_t head;
    uint32_t tail;
    struct mail records[MAIL_BLOCK_RECORDS];
};

struct mail_overflow {
    struct mail_block *first;
    struct mail_block *last;
    uint32_t records;
};

struct mail_target {
    struct mail_overflow overflow[MAIL_CLASS_COUNT];
    struct parcel *parcel; /* being filled; NULL: nothing was posted */
    uint32_t parcel_bytes; /* in those sent since the last flush */
    uint32_t parcel_want;  /* the same, of the last turn that had any */
    uint64_t sent_bytes;   /* of data mail, ever */
    bool pressed;
    bool touched; /* mail was enqueued since the last flush */
};

struct mail_port {
    uint32_t magic;
    shard_id self;
    struct mesh *mesh;
    struct stats *stats;
    unsigned pressed_count;
    unsigned overflow_count; /* records in all overflow lists */
    unsigned touched_count;
    shard_id touched[MAIL_ENDPOINTS_MAX];
    struct mail_target targets[MAIL_ENDPOINTS_MAX];
};

static unsigned mail_scaled(unsigned most, unsigned least, unsigned endpoints)
{
    unsigned entries = most;
    while (entries > least && (size_t)entries * endpoints > 16 * (size_t)most)
        entries /= 2;
    return entries;
}

struct mesh *mesh_create(unsigned endpoints)
{
    CHECK(endpoints > 0 && endpoints <= MAIL_ENDPOINTS_MAX);
    struct mesh *mesh = aligned_alloc(64, (sizeof(*mesh) + 63) / 64 * 64);
    if (mesh == NULL)
        return NULL;
    memset(mesh, 0, sizeof(*mesh));
    mesh->endpoints = endpoints;
    mesh->ring_entries[MAIL_CONTROL] = MAIL_CONTROL_ENTRIES;
    mesh->ring_entries[MAIL_CONFIRM] = mail_scaled(MAIL_CONFIRM_ENTRIES_MAX,
                                                   MAIL_CONFIRM_ENTRIES_MIN, endpoints);
    mesh->ring_entries[MAIL_DATA] = mail_scaled(MAIL_DATA_ENTRIES_MAX, MAIL_DATA_ENTRIES_MIN,
                                                endpoints);
    size_t head_size = (sizeof(struct ck_ring) + 63) / 64 * 64;
    mesh->limit_bytes = MAIL_PRESS_BYTES;
    mesh->pair_size = sizeof(struct mail_flow);
    for (unsigned class = 0; class < MAIL_CLASS_COUNT; class ++) {
        mesh->ring_offset[class] = mesh->pair_size;
        mesh->pair_size += head_size + mesh->ring_entries[class] * sizeof(struct mail);
    }
    mesh->memory_size = mesh->pair_size * endpoints * endpoints;
    void *memory = mmap(NULL, mesh->memory_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        free(mesh);
        return NULL;
    }
    mesh->memory = memory;
    for (size_t pair = 0; pair < (size_t)endpoints * endpoints; pair++)
        for (unsigned class = 0; class < MAIL_CLASS_COUNT; class ++)
            ck_ring_init((struct ck_ring *)(void *)(mesh->memory + pair * mesh->pair_size +
                                                    mesh->ring_offset[class]),
                         mesh->ring_entries[class]);
    mesh->magic = MESH_MAGIC;
    return mesh;
}

void mesh_destroy(struct mesh *mesh)
{
    if (mesh == NULL)
        return;
    CHECK_OBJ(mesh, MESH_MAGIC);
    munmap(mesh->memory, mesh->memory_size);
    mesh->magic = 0;
    free(mesh);
}

bool mesh_sleeps(const struct mesh *mesh, shard_id id)
{
    CHECK_OBJ(mesh, MESH_MAGIC);
    CHECK(id < mesh->endpoints);
    return __atomic_load_n(&mesh->boxes[id].sleeping, __ATOMIC_RELAXED) != 0;
}

unsigned mesh_endpoints(const struct mesh *mesh)
{
    CHECK_OBJ(mesh, MESH_MAGIC);
    return mesh->endpoints;
}

void mesh_set_limit(struct mesh *mesh, uint64_t limit_bytes)
{
    CHECK_OBJ(mesh, MESH_MAGIC);
    __atomic_store_n(&mesh->limit_bytes, limit_bytes, __ATOMIC_RELAXED);
}

static struct mail_flow *mail_flow(const struct mesh *mesh, shard_id from, shard_id to)
{
    size_t pair = (size_t)from * mesh->endpoints + to;
    return (struct mail_flow *)(void *)(mesh->memory + pair * mesh->pair_size);
}

/* Bytes of data mail from this port that the receiver has not taken yet. */
static uint64_t mail_under_way(const struct mail_port *port, shard_id to)
{
    const struct mail_flow *flow = mail_flow(port->mesh, port->self, to);
    return port->targets[to].sent_bytes - __atomic_load_n(&flow->taken, __ATOMIC_RELAXED);
}

static struct ck_ring *mail_ring(const struct mesh *mesh, shard_id from, shard_id to,
                                 enum mail_class class, struct mail **out_records)
{
    CHECK(from < mesh->endpoints && to < mesh->endpoints);
    size_t pair = (size_t)from * mesh->endpoints + to;
    uint8_t *area = mesh->memory + pair * mesh->pair_size + mesh->ring_offset[class];
    *out_records = (struct mail *)(void *)(area + (sizeof(struct ck_ring) + 63) / 64 * 64);
    return (struct ck_ring *)(void *)area;
}

struct mail_fill mesh_fill(const struct mesh *mesh, shard_id to, enum mail_class class)
{
    CHECK_OBJ(mesh, MESH_MAGIC);
    CHECK(to < mesh->endpoints && class < MAIL_CLASS_COUNT);
    struct mail_fill fill = {.records = 0};
    /* A ring holds one record less than it has entries. */
    const double room = (double)mesh->ring_entries[class] - 1;
    for (unsigned from = 0; from < mesh->endpoints; from++) {
        struct mail *records;
        unsigned num = ck_ring_size(mail_ring(mesh, (shard_id)from, to, class, &records));
        fill.records += num;
        if (num / room > fill.fullest)
            fill.fullest = num / room;
    }
    return fill;
}

/* Letters are handed on as the records that they stand for. Frees the parcel. */
static void mail_unpack(struct parcel *parcel, shard_id from, mail_fn fn, void *context)
{
    struct parcel_letter letter;
    uint32_t at = 0;
    for (void *bytes; (bytes = parcel_next(parcel, &at, &letter)) != NULL;) {
        struct mail mail = {
            .kind = (uint8_t)letter.kind, .from = from, .ptr = bytes, .words = {letter.len}};
        __builtin_prefetch((const uint8_t *)parcel + at + MAIL_PARCEL_AHEAD);
        __builtin_prefetch((const uint8_t *)parcel + at + MAIL_PARCEL_AHEAD + 64);
        fn(context, &mail);
    }
    mem_free(parcel);
}

static inline void mail_hand(const struct mail *mail, mail_fn fn, void *context)
{
    if (mail->kind == MAIL_PARCEL)
        mail_unpack(mail->ptr, mail->from, fn, context);
    else
        fn(context, mail);
}

/* How many records it stands for. */
static inline unsigned mail_count(const struct mail *mail)
{
    return mail->kind == MAIL_PARCEL ? (unsigned)mail->words[0] : 1;
}

void mesh_empty(struct mesh *mesh, mail_fn fn, void *context)
{
    CHECK_OBJ(mesh, MESH_MAGIC);
    for (size_t pair = 0; pair < (size_t)mesh->endpoints * mesh->endpoints; pair++) {
        for (unsigned class = 0; class < MAIL_CLASS_COUNT; class ++) {
            struct mail *records;
            struct ck_ring *ring = mail_ring(mesh, (shard_id)(pair / mesh->endpoints),
                                             (shard_id)(pair % mesh->endpoints),
                                             (enum mail_class) class, &records);
            struct mail mail;
            while (ck_ring_dequeue_spsc_mail(ring, records, &mail))
                mail_hand(&mail, fn, context);
        }
    }
}

struct mail_port *mail_port_create(struct mesh *mesh, shard_id self, struct stats *stats)
{
    CHECK_OBJ(mesh, MESH_MAGIC);
    CHECK(self < mesh->endpoints && stats != NULL);
    struct mail_port *port = calloc(1, sizeof(*port));
    if (port == NULL)
        return NULL;
    port->magic = PORT_MAGIC;
    port->self = self;
    port->mesh = mesh;
    port->stats = stats;
    return port;
}

static void mail_overflow_empty(struct mail_port *port, struct mail_overflow *overflow, mail_fn fn,
                                void *context)
{
    while (overflow->first != NULL) {
        struct mail_block *block = overflow->first;
        for (; block->head < block->tail; block->head++) {
            mail_hand(&block->records[block->head], fn, context);
            CHECK(overflow->records > 0 && port->overflow_count > 0);
            overflow->records--;
            port->overflow_count--;
        }
        overflow->first = block->next;
        free(block);
    }
    overflow->last = NULL;
}

void mail_port_empty(struct mail_port *port, mail_fn fn, void *context)
{
    CHECK_OBJ(port, PORT_MAGIC);
    for (unsigned to = 0; to < port->mesh->endpoints; to++)
        for (unsigned class = 0; class < MAIL_CLASS_COUNT; class ++)
            mail_overflow_empty(port, &port->targets[to].overflow[class], fn, context);
    for (unsigned to = 0; to < port->mesh->endpoints; to++) {
        if (port->targets[to].parcel != NULL)
            mail_unpack(port->targets[to].parcel, port->self, fn, context);
        port->targets[to].parcel = NULL;
    }
}

void mail_port_destroy(struct mail_port *port)
{
    if (port == NULL)
        return;
    CHECK_OBJ(port, PORT_MAGIC);
    for (unsigned to = 0; to < port->mesh->endpoints; to++) {
        mem_free(port->targets[to].parcel);
        for (unsigned class = 0; class < MAIL_CLASS_COUNT; class ++) {
            struct mail_block *block = port->targets[to].overflow[class].first;
            while (block != NULL) {
                struct mail_block *next = block->next;
                free(block);
                block = next;
            }
        }
    }
    port->magic = 0;
    free(port);
}

static void mail_touch(struct mail_port *port, shard_id to)
{
    struct mail_target *target = &port->targets[to];
    if (!target->touched) {
        target->touched = true;
        CHECK(port->touched_count < MAIL_ENDPOINTS_MAX);
        port->touched[port->touched_count++] = to;
    }
}

static bool mail_enqueue(struct mail_port *port, shard_id to, enum mail_class class,
                         struct mail *mail)
{
    struct mail *records;
    struct ck_ring *ring = mail_ring(port->mesh, port->self, to, class, &records);
    TSAN_ACQUIRE(records); /* places that the consumer has given back */
    struct mail *place = ck_ring_enqueue_reserve_spsc_mail(ring, records);
    if (place == NULL)
        return false;
    *place = *mail;
    TSAN_RELEASE(ring);
    ck_ring_enqueue_commit_spsc(ring);
    mail_touch(port, to);
    return true;
}

static void mail_overflow_add(struct mail_port *port, shard_id to, enum mail_class class,
                              const struct mail *mail)
{
    struct mail_overflow *overflow = &port->targets[to].overflow[class];
    if (overflow->last == NULL || overflow->last->tail == MAIL_BLOCK_RECORDS) {
        struct mail_block *block = malloc(sizeof(*block));
        /* The record may hold the only reference to an acknowledged message: it cannot be lost. */
        CHECK(block != NULL);
        block->next = NULL;
        block->head = 0;
        block->tail = 0;
        if (overflow->last != NULL)
            overflow->last->next = block;
        else
            overflow->first = block;
        overflow->last = block;
    }
    overflow->last->records[overflow->last->tail++] = *mail;
    overflow->records++;
    port->overflow_count++;
    stat_add(port->stats, STAT_MAIL_OVERFLOWED, 1);
}

static void mail_press(struct mail_port *port, shard_id to)
{
    struct mail_target *target = &port->targets[to];
    if (target->pressed)
        return;
    uint64_t limit = __atomic_load_n(&port->mesh->limit_bytes, __ATOMIC_RELAXED);
    if (target->overflow[MAIL_DATA].records <= MAIL_PRESS_RECORDS &&
        mail_under_way(port, to) <= limit)
        return;
    target->pressed = true;
    port->pressed_count++;
}

static void mail_unpress(struct mail_port *port, shard_id to)
{
    struct mail_target *target = &port->targets[to];
    uint64_t limit = __atomic_load_n(&port->mesh->limit_bytes, __ATOMIC_RELAXED);
    if (!target->pressed || target->overflow[MAIL_DATA].records > 0 ||
        mail_under_way(port, to) > limit / 2)
        return;
    target->pressed = false;
    port->pressed_count--;
}

/* Into the ring, or behind what waits for it. */
static void mail_put(struct mail_port *port, shard_id to, enum mail_class class, struct mail *mail)
{
    mail->from = port->self;
    stat_add(port->stats, STAT_MAIL_SENT, mail_count(mail));
    if (port->targets[to].overflow[class].records > 0 || !mail_enqueue(port, to, class, mail))
        mail_overflow_add(port, to, class, mail);
    if (class == MAIL_DATA) {
        port->targets[to].sent_bytes += mail->weight;
        mail_press(port, to);
    }
}

/* Sends the open parcel. */
static void mail_parcel_send(struct mail_port *port, shard_id to)
{
    struct mail_target *target = &port->targets[to];
    struct parcel *parcel = target->parcel;
    CHECK(parcel->count > 0);
    struct mail mail = {
        .kind = MAIL_PARCEL, .weight = parcel->capacity, .ptr = parcel, .words = {parcel->count}};
    target->parcel = NULL;
    target->parcel_bytes += parcel->used;
    mail_put(port, to, MAIL_DATA, &mail);
}

void mail_send(struct mail_port *port, shard_id to, enum mail_class class, struct mail *mail)
{
    CHECK_OBJ(port, PORT_MAGIC);
    CHECK(to < port->mesh->endpoints && (unsigned)class < MAIL_CLASS_COUNT);
    CHECK(mail->kind != MAIL_PARCEL);
    if (class == MAIL_DATA && port->targets[to].parcel != NULL)
        mail_parcel_send(port, to);
    mail_put(port, to, class, mail);
}

static uint32_t mail_parcel_capacity(const struct mail_target *target)
{
    uint32_t capacity = MAIL_PARCEL_LEN_MIN;
    while (capacity < target->parcel_want && capacity < MAIL_PARCEL_LEN_MAX)
        capacity *= 2;
    return capacity;
}

void *mail_post(struct mail_port *port, shard_id to, uint8_t kind, uint32_t len)
{
    CHECK_OBJ(port, PORT_MAGIC);
    CHECK(to < port->mesh->endpoints && kind != MAIL_PARCEL && len <= MAIL_POST_LEN_MAX);
    struct mail_target *target = &port->targets[to];
    if (LIKELY(target->parcel != NULL)) {
        void *bytes = parcel_add(target->parcel, kind, len);
        if (LIKELY(bytes != NULL))
            return bytes;
        mail_parcel_send(port, to);
    }
    target->parcel = parcel_create(mail_parcel_capacity(target));
    if (target->parcel == NULL)
        return NULL;
    mail_touch(port, to);
    return parcel_add(target->parcel, kind, len);
}

bool mail_pressed(const struct mail_port *port, shard_id to)
{
    CHECK_OBJ(port, PORT_MAGIC);
    CHECK(to < port->mesh->endpoints);
    return port->targets[to].pressed;
}

bool mail_pressed_any(const struct mail_port *port)
{
    return port->pressed_count > 0;
}

bool mail_has_overflow(const struct mail_port *port)
{
    return port->overflow_count > 0 || port->pressed_count > 0;
}

static void mail_overflow_move(struct mail_port *port, shard_id to, enum mail_class class)
{
    struct mail_overflow *overflow = &port->targets[to].overflow[class];
    while (overflow->first != NULL) {
        struct mail_block *block = overflow->first;
        while (block->head < block->tail) {
            if (!mail_enqueue(port, to, class, &block->records[block->head]))
                return;
            block->head++;
            overflow->records--;
            port->overflow_count--;
        }
        overflow->first = block->next;
        if (overflow->first == NULL)
            overflow->last = NULL;
        free(block);
    }
    CHECK(overflow->records == 0);
}

/* Sends what is open, and learns how large the next is to be. */
static void mail_parcels_flush(struct mail_port *port)
{
    for (unsigned i = 0; i < port->touched_count; i++) {
        struct mail_target *target = &port->targets[port->touched[i]];
        if (target->parcel != NULL)
            mail_parcel_send(port, port->touched[i]);
        if (target->parcel_bytes == 0)
            continue;
        target->parcel_want = target->parcel_bytes;
        target->parcel_bytes = 0;
    }
}

void mail_flush(struct mail_port *port, mail_wake_fn wake, void *context)
{
    CHECK_OBJ(port, PORT_MAGIC);
    mail_parcels_flush(port);
    if (port->overflow_count > 0) {
        for (unsigned to = 0; to < port->mesh->endpoints; to++)
            for (unsigned class = 0; class < MAIL_CLASS_COUNT; class ++)
                if (port->targets[to].overflow[class].records > 0)
                    mail_overflow_move(port, (shard_id)to, (enum mail_class) class);
    }
    if (port->pressed_count > 0)
        for (unsigned to = 0; to < port->mesh->endpoints; to++)
            mail_unpress(port, (shard_id)to);
    if (port->touched_count == 0)
        return;
    uint64_t bit = UINT64_C(1) << (port->self % 64);
    for (unsigned i = 0; i < port->touched_count; i++) {
        struct mail_box *box = &port->mesh->boxes[port->touched[i]];
        /* Unconditional: a test before it could read the bit that the receiver is just clearing. */
        __atomic_fetch_or(&box->senders[port->self / 64], bit, __ATOMIC_SEQ_CST);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < port->touched_count; i++) {
        shard_id to = port->touched[i];
        struct mail_box *box = &port->mesh->boxes[to];
        port->targets[to].touched = false;
        if (__atomic_load_n(&box->sleeping, __ATOMIC_RELAXED) != 0 &&
            __atomic_exchange_n(&box->sleeping, 0, __ATOMIC_ACQ_REL) != 0) {
            stat_add(port->stats, STAT_MAIL_WAKES, 1);
            wake(context, to);
        }
    }
    port->touched_count = 0;
}

/* What a record names is in the cache of the core that wrote it, and comes meanwhile. */
static void mail_prefetch(const struct mail *mail)
{
    const uint8_t *at = mail->ptr;
    for (unsigned line = 0; line < MAIL_PREFETCH_LINES; line++)
        __builtin_prefetch(at + 64 * line);
}

/* True if records remain in the ring. */
static bool mail_drain_ring(struct mail_port *port, shard_id from, enum mail_class class,
                            unsigned *budget, mail_fn fn, void *context)
{
    struct mail *records;
    struct ck_ring *ring = mail_ring(port->mesh, from, port->self, class, &records);
    struct mail_flow *flow = mail_flow(port->mesh, from, port->self);
    struct mail batch[MAIL_BATCH];
    while (*budget > 0) {
        unsigned num = 0;
        unsigned count = 0;
        /* Not more than are there now: what comes meanwhile has not been acquired. */
        const unsigned there = ck_ring_size(ring);
        TSAN_ACQUIRE(ring);
        while (num < MAIL_BATCH && num < there && count < *budget &&
               ck_ring_dequeue_spsc_mail(ring, records, &batch[num])) {
            mail_prefetch(&batch[num]);
            count += mail_count(&batch[num++]);
        }
        TSAN_RELEASE(records);
        if (num == 0)
            return false;
        *budget -= count < *budget ? count : *budget;
        stat_add(port->stats, STAT_MAIL_RECEIVED, count);
        uint64_t weight = 0;
        for (unsigned i = 0; i < num; i++) {
            CHECK(batch[i].from == from);
            weight += batch[i].weight;
            mail_hand(&batch[i], fn, context);
        }
        if (class == MAIL_DATA)
            __atomic_store_n(&flow->taken, flow->taken + weight, __ATOMIC_RELAXED);
    }
    return ck_ring_size(ring) > 0;
}

bool mail_drain(struct mail_port *port, unsigned budget, mail_fn fn, void *context)
{
    CHECK_OBJ(port, PORT_MAGIC);
    struct mail_box *box = &port->mesh->boxes[port->self];
    bool more = false;
    for (unsigned word = 0; word < MAIL_WORDS; word++) {
        if (__atomic_load_n(&box->senders[word], __ATOMIC_RELAXED) == 0)
            continue;
        uint64_t senders = __atomic_exchange_n(&box->senders[word], 0, __ATOMIC_SEQ_CST);
        uint64_t left = 0;
        for (unsigned class = 0; class < MAIL_CLASS_COUNT; class ++) {
            for (uint64_t rest = senders; rest != 0; rest &= rest - 1) {
                unsigned at = (unsigned)__builtin_ctzll(rest);
                unsigned own = budget;
                if (mail_drain_ring(port, (shard_id)(word * 64 + at), (enum mail_class) class, &own,
                                    fn, context))
                    left |= UINT64_C(1) << at;
            }
        }
        if (left != 0) {
            __atomic_fetch_or(&box->senders[word], left, __ATOMIC_RELAXED);
            more = true;
        }
    }
    return more;
}

bool mail_has_news(const struct mail_port *port)
{
    const struct mail_box *box = &port->mesh->boxes[port->self];
    for (unsigned word = 0; word < MAIL_WORDS; word++)
        if (__atomic_load_n(&box->senders[word], __ATOMIC_RELAXED) != 0)
            return true;
    return false;
}

bool mail_sleep(struct mail_port *port)
{
    CHECK_OBJ(port, PORT_MAGIC);
    struct mail_box *box = &port->mesh->boxes[port->self];
    __atomic_store_n(&box->sleeping, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!mail_has_news(port))
        return true;
    __atomic_store_n(&box->sleeping, 0, __ATOMIC_RELAXED);
    return false;
}

void mail_awake(struct mail_port *port)
{
    CHECK_OBJ(port, PORT_MAGIC);
    __atomic_store_n(&port->mesh->boxes[port->self].sleeping, 0, __ATOMIC_RELAXED);
}
