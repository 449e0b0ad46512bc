/*
 * mqueue.c -- a short array of priority levels, each a chain of chunks.
 *
 *   struct mqueue -> body -> levels[]: { priority, count, bytes, head, tail }  highest first
 *                                         chunk -> chunk -> chunk
 *
 * A level exists while it holds messages, so the first level is the one to deliver from and the
 * last one the one to drop from. A chunk has 7, 15, 31 or 63 entries (with its 16 bytes of head it
 * fills a size class of the allocator, near enough); the size of a new one follows the number of
 * messages that the level holds, so that an offline session with three messages pays for seven.
 * Messages leave at `head` and enter at `tail`. One chunk that fell empty is kept as the spare, so
 * that a queue hovering around a few messages does not go to the allocator each time it crosses
 * from chunk to chunk.
 *
 * The array of levels doubles when a priority more is in use, up to 256, and goes with the body.
 */
#include "mqueue.h"

#include "mem.h"

#include <string.h>

#define MQUEUE_BODY_MAGIC   0x71ce6003u
#define MQUEUE_CHUNK_FIRST  7
#define MQUEUE_CHUNK_LAST   63
#define MQUEUE_LEVELS_FIRST 2
#define MQUEUE_LEVELS_KEPT  8
#define MQUEUE_PRIORITIES   256

struct mqueue_chunk {
    struct mqueue_chunk *next;
    uint16_t capacity;
    uint16_t begin; /* first entry not yet taken out */
    uint16_t end;   /* behind the last entry */
    struct mqueue_entry entries[];
};
STATIC_CHECK(sizeof(struct mqueue_chunk) == 16, "16 + 40 * 7 = 296 and so on fit size classes");

struct mqueue_level {
    struct mqueue_chunk *head; /* never NULL between calls, nor empty */
    struct mqueue_chunk *tail;
    uint64_t bytes;
    uint32_t count;
    uint8_t priority;
};

struct mqueue_body {
    uint32_t magic;
    uint32_t count;
    uint64_t bytes;
    struct mqueue_chunk *spare; /* empty, or NULL */
    size_t chunk_bytes;         /* allocated for chunks, the spare included */
    uint16_t num_levels;
    uint16_t levels_cap;
    bool busy; /* a callback runs */
    /* A walk: it has passed all numbers up to walk_number in levels of at least walk_priority. */
    uint16_t walk_priority;
    uint64_t walk_number;
    struct mqueue_chunk *walk_chunk; /* where to look first; NULL: from the head of the level */
    struct mqueue_level levels[];
};

/* What every public function starts with: sound, and not from inside a callback. */
static void mqueue_check(const struct mqueue *queue)
{
    const struct mqueue_body *body = queue->body;
    if (body == NULL)
        return;
    CHECK_OBJ(body, MQUEUE_BODY_MAGIC);
    CHECK(!body->busy);
    CHECK((body->count == 0) == (body->num_levels == 0));
}

void mqueue_init(struct mqueue *queue)
{
    *queue = (struct mqueue){0};
}

void mqueue_fini(struct mqueue *queue)
{
    CHECK(mqueue_count(queue) == 0);
    mqueue_trim(queue);
    CHECK(queue->body == NULL);
}

uint32_t mqueue_count(const struct mqueue *queue)
{
    return queue->body == NULL ? 0 : queue->body->count;
}

uint64_t mqueue_weight_bytes(const struct mqueue *queue)
{
    return queue->body == NULL ? 0 : queue->body->bytes;
}

static size_t mqueue_body_size(uint16_t levels_cap)
{
    return sizeof(struct mqueue_body) + levels_cap * sizeof(struct mqueue_level);
}

static size_t mqueue_chunk_size(uint16_t capacity)
{
    return sizeof(struct mqueue_chunk) + capacity * sizeof(struct mqueue_entry);
}

/* ---- chunks ---- */

/* An empty chunk for a level of `count` messages, the spare if it is large enough; or NULL. */
static struct mqueue_chunk *mqueue_chunk_create(struct mqueue_body *body, uint32_t count)
{
    uint16_t capacity = MQUEUE_CHUNK_FIRST;
    while (capacity < MQUEUE_CHUNK_LAST && capacity <= count)
        capacity = (uint16_t)(capacity * 2 + 1);
    struct mqueue_chunk *chunk = body->spare;
    if (chunk != NULL && chunk->capacity >= capacity) {
        body->spare = NULL;
        chunk->next = NULL;
        chunk->begin = 0;
        chunk->end = 0;
        return chunk;
    }
    chunk = mem_alloc(mqueue_chunk_size(capacity));
    if (chunk == NULL)
        return NULL;
    *chunk = (struct mqueue_chunk){.capacity = capacity};
    body->chunk_bytes += mqueue_chunk_size(capacity);
    return chunk;
}

/* Keeps the larger of this chunk and the spare. */
static void mqueue_chunk_retire(struct mqueue_body *body, struct mqueue_chunk *chunk)
{
    struct mqueue_chunk *loser = chunk;
    if (body->spare == NULL || body->spare->capacity < chunk->capacity) {
        loser = body->spare;
        body->spare = chunk;
    }
    if (loser == NULL)
        return;
    CHECK(body->chunk_bytes >= mqueue_chunk_size(loser->capacity));
    body->chunk_bytes -= mqueue_chunk_size(loser->capacity);
    mem_free(loser);
}

/* ---- levels ---- */

/* The index of the first level whose priority is not above `priority`; num_levels if none. */
static uint16_t mqueue_level_index(const struct mqueue_body *body, uint8_t priority)
{
    uint16_t low = 0;
    uint16_t high = body->num_levels;
    while (low < high) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (body->levels[middle].priority > priority)
            low = (uint16_t)(middle + 1);
        else
            high = middle;
    }
    return low;
}

static struct mqueue_level *mqueue_level_find(struct mqueue_body *body, uint8_t priority)
{
    uint16_t index = mqueue_level_index(body, priority);
    if (index == body->num_levels || body->levels[index].priority != priority)
        return NULL;
    return &body->levels[index];
}

/* Makes the body, or one with room for a level more. */
static enum rc mqueue_body_grow(struct mqueue *queue)
{
    struct mqueue_body *old = queue->body;
    CHECK(old == NULL || old->levels_cap < MQUEUE_PRIORITIES);
    uint16_t cap = old == NULL ? MQUEUE_LEVELS_FIRST : (uint16_t)(old->levels_cap * 2);
    struct mqueue_body *body = mem_alloc(mqueue_body_size(cap));
    if (body == NULL)
        return RC_NO_MEMORY;
    if (old == NULL) {
        *body = (struct mqueue_body){.magic = MQUEUE_BODY_MAGIC};
    } else {
        memcpy(body, old, mqueue_body_size(old->levels_cap));
        old->magic = 0;
        mem_free(old);
    }
    body->levels_cap = cap;
    queue->body = body;
    return RC_OK;
}

/* Puts a level with one empty chunk where it belongs. The body has room. */
static struct mqueue_level *mqueue_level_create(struct mqueue_body *body, uint8_t priority)
{
    struct mqueue_chunk *chunk = mqueue_chunk_create(body, 0);
    if (chunk == NULL)
        return NULL;
    CHECK(body->num_levels < body->levels_cap);
    uint16_t index = mqueue_level_index(body, priority);
    struct mqueue_level *level = &body->levels[index];
    memmove(level + 1, level, (size_t)(body->num_levels - index) * sizeof(*level));
    *level = (struct mqueue_level){.head = chunk, .tail = chunk, .priority = priority};
    body->num_levels++;
    return level;
}

/* Removes a level that holds nothing, with the one chunk that it has left. */
static void mqueue_level_destroy(struct mqueue_body *body, struct mqueue_level *level)
{
    CHECK(level->count == 0 && level->bytes == 0);
    CHECK(level->head == level->tail);
    if (body->walk_chunk == level->head)
        body->walk_chunk = NULL;
    mqueue_chunk_retire(body, level->head);
    size_t num_behind = (size_t)(&body->levels[body->num_levels] - (level + 1));
    memmove(level, level + 1, num_behind * sizeof(*level));
    body->num_levels--;
}

/* The level of this priority, with room for an entry at its tail, made if need be; or NULL. */
static struct mqueue_level *mqueue_level_with_room(struct mqueue *queue, uint8_t priority)
{
    struct mqueue_level *level = NULL;
    if (queue->body != NULL)
        level = mqueue_level_find(queue->body, priority);
    if (level == NULL) {
        struct mqueue_body *body = queue->body;
        if (body == NULL || body->num_levels == body->levels_cap)
            if (mqueue_body_grow(queue) != RC_OK)
                return NULL;
        return mqueue_level_create(queue->body, priority);
    }
    if (level->tail->end == level->tail->capacity) {
        struct mqueue_chunk *chunk = mqueue_chunk_create(queue->body, level->count);
        if (chunk == NULL)
            return NULL;
        level->tail->next = chunk;
        level->tail = chunk;
    }
    return level;
}

/* ---- putting in and taking out ---- */

/* The oldest entry of a level that is not empty. */
static struct mqueue_entry *mqueue_level_oldest(const struct mqueue_level *level)
{
    CHECK(level->count > 0);
    CHECK(level->head->begin < level->head->end);
    return &level->head->entries[level->head->begin];
}

/* Takes the oldest entry out. The level stays, even if it holds nothing any more. */
static void mqueue_level_take(struct mqueue_body *body, struct mqueue_level *level,
                              struct mqueue_entry *out_entry)
{
    struct mqueue_chunk *chunk = level->head;
    *out_entry = *mqueue_level_oldest(level);
    CHECK(out_entry->priority == level->priority);
    CHECK(level->bytes >= out_entry->bytes && body->bytes >= out_entry->bytes);
    level->count--;
    level->bytes -= out_entry->bytes;
    body->count--;
    body->bytes -= out_entry->bytes;
    chunk->begin++;
    if (chunk->begin < chunk->end)
        return;
    if (chunk->next != NULL) {
        level->head = chunk->next;
        if (body->walk_chunk == chunk)
            body->walk_chunk = chunk->next;
        mqueue_chunk_retire(body, chunk);
    } else {
        CHECK(level->count == 0);
        chunk->begin = 0;
        chunk->end = 0;
    }
}

/* Bytes that a message of this priority may push out: those of its own level and of lower ones. */
static uint64_t mqueue_droppable_bytes(const struct mqueue_body *body, uint8_t priority)
{
    uint64_t bytes = 0;
    for (uint16_t i = mqueue_level_index(body, priority); i < body->num_levels; i++)
        bytes += body->levels[i].bytes;
    return bytes;
}

/* Whether the entry may be queued if enough is dropped for it. */
static enum rc mqueue_admit(const struct mqueue *queue, const struct mqueue_limits *limits,
                            const struct mqueue_entry *entry)
{
    if (mqueue_count(queue) == UINT32_MAX)
        return RC_FULL;
    if (limits->bytes_max == 0)
        return RC_OK;
    if (entry->bytes > limits->bytes_max)
        return RC_TOO_LARGE;
    uint64_t held = mqueue_weight_bytes(queue);
    if (held <= limits->bytes_max - entry->bytes)
        return RC_OK;
    uint64_t stays = held - mqueue_droppable_bytes(queue->body, entry->priority);
    return stays <= limits->bytes_max - entry->bytes ? RC_OK : RC_FULL;
}

/* Takes the oldest of the level out and hands it to the caller of mqueue_put. */
static void mqueue_level_drop(struct mqueue_body *body, struct mqueue_level *level,
                              enum mqueue_drop reason, mqueue_drop_fn *drop, void *context)
{
    struct mqueue_entry entry;
    mqueue_level_take(body, level, &entry);
    body->busy = true;
    drop(context, &entry, reason);
    body->busy = false;
}

enum rc mqueue_put(struct mqueue *queue, const struct mqueue_limits *limits,
                   const struct mqueue_entry *entry, mqueue_drop_fn *drop, void *context)
{
    mqueue_check(queue);
    enum rc rc = mqueue_admit(queue, limits, entry);
    if (rc != RC_OK)
        return rc;
    struct mqueue_level *level = mqueue_level_with_room(queue, entry->priority);
    if (level == NULL)
        return RC_NO_MEMORY;
    struct mqueue_body *body = queue->body;
    while (limits->len_max != 0 && level->count >= limits->len_max)
        mqueue_level_drop(body, level, MQUEUE_DROP_LEN, drop, context);
    while (limits->bytes_max != 0 && body->bytes > limits->bytes_max - entry->bytes) {
        struct mqueue_level *lowest = &body->levels[body->num_levels - 1];
        CHECK(lowest->priority <= entry->priority);
        mqueue_level_drop(body, lowest, MQUEUE_DROP_BYTES, drop, context);
        /* Levels below ours stand behind it in the array, so that ours does not move. */
        if (lowest->count == 0 && lowest != level)
            mqueue_level_destroy(body, lowest);
    }
    struct mqueue_chunk *tail = level->tail;
    CHECK(tail->end < tail->capacity);
    tail->entries[tail->end] = *entry;
    tail->end++;
    level->count++;
    level->bytes += entry->bytes;
    body->count++;
    body->bytes += entry->bytes;
    return RC_OK;
}

struct mqueue_entry *mqueue_peek(const struct mqueue *queue)
{
    mqueue_check(queue);
    return mqueue_count(queue) == 0 ? NULL : mqueue_level_oldest(&queue->body->levels[0]);
}

/* An empty queue keeps a small body and one chunk for the next message, but not a large body. */
static void mqueue_emptied(struct mqueue *queue)
{
    CHECK(queue->body->num_levels == 0 && queue->body->bytes == 0);
    if (queue->body->levels_cap > MQUEUE_LEVELS_KEPT)
        mqueue_trim(queue);
}

/* Takes the oldest message out of a level, which goes with its last. */
static void mqueue_level_pop(struct mqueue *queue, struct mqueue_level *level,
                             struct mqueue_entry *out_entry)
{
    struct mqueue_body *body = queue->body;
    mqueue_level_take(body, level, out_entry);
    if (level->count == 0)
        mqueue_level_destroy(body, level);
    if (body->count == 0)
        mqueue_emptied(queue);
}

bool mqueue_pop(struct mqueue *queue, struct mqueue_entry *out_entry)
{
    mqueue_check(queue);
    if (mqueue_count(queue) == 0)
        return false;
    mqueue_level_pop(queue, &queue->body->levels[0], out_entry);
    return true;
}

void mqueue_set_bytes(struct mqueue *queue, struct mqueue_entry *entry, uint32_t bytes)
{
    mqueue_check(queue);
    struct mqueue_body *body = queue->body;
    CHECK(body != NULL);
    struct mqueue_level *level = mqueue_level_find(body, entry->priority);
    CHECK(level != NULL && level->bytes >= entry->bytes && body->bytes >= entry->bytes);
    level->bytes = level->bytes - entry->bytes + bytes;
    body->bytes = body->bytes - entry->bytes + bytes;
    entry->bytes = bytes;
}

/* ---- walking ---- */

/* Removes matching entries of one level by moving the others together towards its head. */
static void mqueue_level_remove_if(struct mqueue_body *body, struct mqueue_level *level,
                                   mqueue_match_fn *match, void *context)
{
    struct mqueue_chunk *to = level->head;
    uint16_t to_index = to->begin;
    for (struct mqueue_chunk *from = level->head; from != NULL; from = from->next) {
        uint16_t from_end = from->end;
        for (uint16_t i = from->begin; i < from_end; i++) {
            struct mqueue_entry *entry = &from->entries[i];
            uint32_t bytes = entry->bytes;
            if (match(context, entry)) {
                level->count--;
                level->bytes -= bytes;
                body->count--;
                body->bytes -= bytes;
                continue;
            }
            if (to_index == to->capacity) {
                /* Only the tail of a level is ever less than full. */
                CHECK(to->end == to->capacity && to->next != NULL);
                to = to->next;
                to_index = 0;
            }
            to->entries[to_index] = *entry;
            to_index++;
        }
    }
    to->end = to_index;
    struct mqueue_chunk *rest = to->next;
    to->next = NULL;
    level->tail = to;
    while (rest != NULL) {
        struct mqueue_chunk *next = rest->next;
        mqueue_chunk_retire(body, rest);
        rest = next;
    }
}

uint32_t mqueue_remove_if(struct mqueue *queue, mqueue_match_fn *match, void *context)
{
    mqueue_check(queue);
    struct mqueue_body *body = queue->body;
    uint32_t num_before = mqueue_count(queue);
    if (num_before == 0)
        return 0;
    body->busy = true;
    body->walk_chunk = NULL; /* entries move between chunks */
    for (uint16_t i = 0; i < body->num_levels;) {
        struct mqueue_level *level = &body->levels[i];
        mqueue_level_remove_if(body, level, match, context);
        if (level->count == 0)
            mqueue_level_destroy(body, level);
        else
            i++;
    }
    body->busy = false;
    uint32_t num_removed = num_before - body->count;
    if (body->count == 0)
        mqueue_emptied(queue);
    return num_removed;
}

struct mqueue_take_pass {
    uint64_t number;
    struct mqueue_entry *out;
    bool found;
};

static bool mqueue_take_match(void *context, struct mqueue_entry *entry)
{
    struct mqueue_take_pass *pass = context;
    if (pass->found || entry->number != pass->number)
        return false;
    *pass->out = *entry;
    pass->found = true;
    return true;
}

bool mqueue_take(struct mqueue *queue, uint64_t number, struct mqueue_entry *out_entry)
{
    mqueue_check(queue);
    struct mqueue_body *body = queue->body;
    if (body == NULL)
        return false;
    for (uint16_t i = 0; i < body->num_levels; i++) {
        struct mqueue_level *level = &body->levels[i];
        if (mqueue_level_oldest(level)->number != number)
            continue;
        mqueue_level_pop(queue, level, out_entry);
        return true;
    }
    struct mqueue_take_pass pass = {.number = number, .out = out_entry};
    mqueue_remove_if(queue, mqueue_take_match, &pass);
    return pass.found;
}

void mqueue_walk_begin(struct mqueue *queue)
{
    mqueue_check(queue);
    if (queue->body == NULL)
        return;
    queue->body->walk_priority = MQUEUE_PRIORITIES;
    queue->body->walk_number = 0;
    queue->body->walk_chunk = NULL;
}

/* The first entry of the level that the walk has not passed, NULL if none is below `limit`. */
static struct mqueue_entry *mqueue_walk_level(struct mqueue_body *body,
                                              const struct mqueue_level *level, uint64_t limit)
{
    bool entered = level->priority == body->walk_priority;
    uint64_t passed = entered ? body->walk_number : 0;
    struct mqueue_chunk *chunk = entered && body->walk_chunk != NULL ? body->walk_chunk
                                                                     : level->head;
    while (chunk != NULL && (chunk->begin == chunk->end ||
                             (entered && chunk->entries[chunk->end - 1].number <= passed)))
        chunk = chunk->next;
    if (chunk == NULL)
        return NULL;
    uint16_t index = chunk->begin;
    while (entered && chunk->entries[index].number <= passed)
        index++;
    struct mqueue_entry *entry = &chunk->entries[index];
    if (entry->number >= limit)
        return NULL;
    body->walk_priority = level->priority;
    body->walk_number = entry->number;
    body->walk_chunk = chunk;
    return entry;
}

struct mqueue_entry *mqueue_walk_next(struct mqueue *queue, uint64_t limit)
{
    mqueue_check(queue);
    struct mqueue_body *body = queue->body;
    if (body == NULL)
        return NULL;
    for (uint16_t i = 0; i < body->num_levels; i++) {
        const struct mqueue_level *level = &body->levels[i];
        if (level->priority > body->walk_priority)
            continue;
        struct mqueue_entry *entry = mqueue_walk_level(body, level, limit);
        if (entry != NULL)
            return entry;
        /* The level is done: what follows lies in lower ones. */
        if (level->priority == body->walk_priority) {
            body->walk_chunk = NULL;
            body->walk_number = UINT64_MAX;
        }
    }
    return NULL;
}

struct mqueue_entry *mqueue_first(const struct mqueue *queue, struct mqueue_cursor *out_cursor)
{
    *out_cursor = (struct mqueue_cursor){0};
    return mqueue_next(queue, out_cursor);
}

struct mqueue_entry *mqueue_next(const struct mqueue *queue, struct mqueue_cursor *cursor)
{
    mqueue_check(queue);
    const struct mqueue_body *body = queue->body;
    while (body != NULL && cursor->level < body->num_levels) {
        if (cursor->chunk == NULL) {
            cursor->chunk = body->levels[cursor->level].head;
            cursor->index = cursor->chunk->begin;
        }
        if (cursor->index < cursor->chunk->end)
            return (struct mqueue_entry *)&cursor->chunk->entries[cursor->index++];
        cursor->chunk = cursor->chunk->next;
        cursor->index = 0;
        if (cursor->chunk == NULL)
            cursor->level++;
    }
    return NULL;
}

void mqueue_trim(struct mqueue *queue)
{
    mqueue_check(queue);
    struct mqueue_body *body = queue->body;
    if (body == NULL || body->count > 0)
        return;
    CHECK(body->num_levels == 0);
    mem_free(body->spare);
    body->magic = 0;
    mem_free(body);
    queue->body = NULL;
}

size_t mqueue_bytes(const struct mqueue *queue)
{
    mqueue_check(queue);
    if (queue->body == NULL)
        return 0;
    return mqueue_body_size(queue->body->levels_cap) + queue->body->chunk_bytes;
}
