/*
 * store_image_kept.c -- what an image holds beside sessions: wills, retained messages, keyed rows,
 * and where messages were copied to.
 *
 * Threads: see store_image.h.
 */
#include <stdlib.h>

#include "store_image_inner.h"

/* An expiry of the wall clock in ms of the monotonic one; what has passed is the first moment. */
static uint64_t image_mono_ms(const struct store_image *image, uint64_t wall_ms)
{
    if (wall_ms == 0)
        return 0;
    if (wall_ms >= image->clock.wall_ms)
        return image->clock.mono_ms + (wall_ms - image->clock.wall_ms);
    uint64_t ago_ms = image->clock.wall_ms - wall_ms;
    return ago_ms < image->clock.mono_ms ? image->clock.mono_ms - ago_ms : 1;
}

static struct msg *image_msg(const struct store_image *image, const struct store_message *message)
{
    struct pub pub = {.topic = message->topic,
                      .props = message->props,
                      .payload = message->payload,
                      .expires_at_ms = image_mono_ms(image, message->expires_wall_ms),
                      .publisher_hash = message->publisher_hash,
                      .publisher = HANDLE_NONE,
                      .qos = message->qos,
                      .retain = message->retain};
    struct msg *msg = msg_create(&pub, SHARD_NONE);
    if (msg != NULL)
        msg->owner = message->owner;
    return msg;
}

static struct image_will *image_will_find(struct store_image *image, uint64_t number)
{
    struct image_node *node = image_table_first(&image->wills, image_number_hash(image, number));
    for (; node != NULL; node = image_node_next(node)) {
        struct image_will *will = CONTAINER_OF(node, struct image_will, node);
        if (will->number == number)
            return will;
    }
    return NULL;
}

static void image_will_drop(struct store_image *image, struct image_will *will)
{
    if (will->msg != NULL)
        msg_unref_shared(will->msg);
    image_table_remove(&image->wills, &will->node);
    mem_free(will);
}

enum rc image_on_will(struct store_image *image, const struct store_record *record)
{
    struct image_will *will = image_will_find(image, record->number);
    if (will != NULL)
        image_will_drop(image, will);
    will = alloc_zeroed(sizeof(*will));
    if (will == NULL)
        return RC_NO_MEMORY;
    *will = (struct image_will){.number = record->number,
                                .session = record->session,
                                .msg = image_msg(image, &record->message),
                                .delay_s = record->delay_s,
                                .expiry_s = record->expiry_s};
    will->node.hash = image_number_hash(image, will->number);
    if (will->msg == NULL || !image_table_add(&image->wills, &will->node)) {
        if (will->msg != NULL)
            msg_unref_shared(will->msg);
        mem_free(will);
        return RC_NO_MEMORY;
    }
    image_number_note(image, will->number);
    return RC_OK;
}

void image_on_will_gone(struct store_image *image, uint64_t number)
{
    struct image_will *will = image_will_find(image, number);
    if (will != NULL)
        image_will_drop(image, will);
}

enum rc image_wills_walk(struct store_image *image, void *context,
                         enum rc (*visit)(void *context, struct image_will *will))
{
    uint32_t bucket = 0;
    for (struct image_node *node = image_table_walk(&image->wills, &bucket, NULL); node != NULL;
         node = image_table_walk(&image->wills, &bucket, node)) {
        enum rc rc = visit(context, CONTAINER_OF(node, struct image_will, node));
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* ---- other numbers ---- */

struct image_ranked {
    uint64_t number;
    uint64_t *rank;
};

static int image_ranked_compare(const void *a, const void *b)
{
    uint64_t left = ((const struct image_ranked *)a)->number;
    uint64_t right = ((const struct image_ranked *)b)->number;
    return left < right ? -1 : left > right;
}

static void image_ranked_number(struct image_ranked *ranked, uint64_t count)
{
    qsort(ranked, count, sizeof(*ranked), image_ranked_compare);
    for (uint64_t i = 0; i < count; i++)
        *ranked[i].rank = i + 1;
}

enum rc image_rank(struct store_image *image)
{
    uint64_t most = image->sessions.count > image->wills.count ? image->sessions.count
                                                               : image->wills.count;
    struct image_ranked *ranked = mem_alloc((most + 1) * sizeof(*ranked));
    if (ranked == NULL)
        return RC_NO_MEMORY;
    uint64_t count = 0;
    struct image_session *session = image_session_first(image);
    for (; session != NULL; session = image_session_next(image, session))
        ranked[count++] = (struct image_ranked){session->number, &session->rank};
    CHECK(count == image->sessions.count);
    image_ranked_number(ranked, count);
    count = 0;
    uint32_t bucket = 0;
    struct image_node *node = image_table_walk(&image->wills, &bucket, NULL);
    for (; node != NULL; node = image_table_walk(&image->wills, &bucket, node)) {
        struct image_will *will = CONTAINER_OF(node, struct image_will, node);
        ranked[count++] = (struct image_ranked){will->number, &will->rank};
    }
    CHECK(count == image->wills.count);
    image_ranked_number(ranked, count);
    mem_free(ranked);
    return RC_OK;
}

/* ---- retained messages and rows ---- */

static struct image_retained *image_retained_of(struct store_image *image, struct bytes topic)
{
    uint64_t hash = hash_fast(&image->key, topic);
    struct image_node *node = image_table_first(&image->retained, hash);
    for (; node != NULL; node = image_node_next(node)) {
        struct image_retained *kept = CONTAINER_OF(node, struct image_retained, node);
        if (bytes_equal(bytes_of(kept->topic, kept->topic_len), topic))
            return kept;
    }
    struct image_retained *kept = alloc_zeroed(sizeof(*kept) + topic.len);
    if (kept == NULL)
        return NULL;
    kept->topic_len = (uint16_t)topic.len;
    if (topic.len > 0)
        memcpy(kept->topic, topic.ptr, topic.len);
    kept->node.hash = hash;
    if (!image_table_add(&image->retained, &kept->node)) {
        mem_free(kept);
        return NULL;
    }
    return kept;
}

enum rc image_on_retain(struct store_image *image, const struct store_record *record)
{
    struct image_retained *kept = image_retained_of(image, record->message.topic);
    if (kept == NULL)
        return RC_NO_MEMORY;
    if (record->number < kept->version)
        return RC_OK; /* the order of records is not that of versions: the highest one holds */
    struct msg *msg = NULL;
    if (record->type == STORE_RETAIN && (msg = image_msg(image, &record->message)) == NULL)
        return RC_NO_MEMORY;
    if (kept->msg != NULL)
        msg_unref_shared(kept->msg);
    kept->msg = msg;
    kept->version = record->number;
    return RC_OK;
}

enum rc image_retained_walk(struct store_image *image, void *context,
                            enum rc (*visit)(void *context, struct image_retained *kept))
{
    uint32_t bucket = 0;
    for (struct image_node *node = image_table_walk(&image->retained, &bucket, NULL); node != NULL;
         node = image_table_walk(&image->retained, &bucket, node)) {
        enum rc rc = visit(context, CONTAINER_OF(node, struct image_retained, node));
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

static struct image_row *image_row_of(struct store_image *image, struct bytes table,
                                      struct bytes key)
{
    uint64_t hash = hash_mix(hash_fast(&image->key, table), hash_fast(&image->key, key));
    struct image_node *node = image_table_first(&image->rows, hash);
    for (; node != NULL; node = image_node_next(node)) {
        struct image_row *row = CONTAINER_OF(node, struct image_row, node);
        if (bytes_equal(bytes_of(row->names, row->table_len), table) &&
            bytes_equal(bytes_of(row->names + row->table_len, row->key_len), key))
            return row;
    }
    struct image_row *row = alloc_zeroed(sizeof(*row) + table.len + key.len);
    if (row == NULL)
        return NULL;
    row->table_len = (uint16_t)table.len;
    row->key_len = (uint16_t)key.len;
    if (table.len > 0)
        memcpy(row->names, table.ptr, table.len);
    if (key.len > 0)
        memcpy(row->names + table.len, key.ptr, key.len);
    row->node.hash = hash;
    if (!image_table_add(&image->rows, &row->node)) {
        mem_free(row);
        return NULL;
    }
    return row;
}

enum rc image_on_keyed(struct store_image *image, const struct store_record *record)
{
    struct image_row *row = image_row_of(image, record->table, record->key);
    if (row == NULL)
        return RC_NO_MEMORY;
    if (record->number < row->version)
        return RC_OK;
    uint8_t *value = NULL;
    if (record->kept && record->value.len > 0) {
        value = mem_alloc(record->value.len);
        if (value == NULL)
            return RC_NO_MEMORY;
        memcpy(value, record->value.ptr, record->value.len);
    }
    mem_free(row->value);
    row->value = value;
    row->value_len = value == NULL ? 0 : record->value.len;
    row->kept = record->kept;
    row->version = record->number;
    return RC_OK;
}

enum rc image_rows_walk(struct store_image *image, void *context,
                        enum rc (*visit)(void *context, struct image_row *row))
{
    uint32_t bucket = 0;
    for (struct image_node *node = image_table_walk(&image->rows, &bucket, NULL); node != NULL;
         node = image_table_walk(&image->rows, &bucket, node)) {
        enum rc rc = visit(context, CONTAINER_OF(node, struct image_row, node));
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* ---- QoS 2 of other shards ---- */

static uint64_t image_seen_hash(const struct store_image *image, shard_id home, uint64_t session,
                                uint16_t packet_id)
{
    return hash_mix(image_number_hash(image, session), (uint64_t)home << 16 | packet_id);
}

/* The first row of `node` and those behind it that speaks of the message; NULL: none does. */
static struct image_seen *image_seen_of(struct image_node *node, shard_id home, uint64_t session,
                                        uint16_t packet_id)
{
    for (; node != NULL; node = image_node_next(node)) {
        struct image_seen *seen = CONTAINER_OF(node, struct image_seen, node);
        if (seen->session == session && seen->packet_id == packet_id && seen->home == home)
            return seen;
    }
    return NULL;
}

bool image_seen_has(const struct store_image *image, shard_id home, uint64_t session,
                    uint16_t packet_id)
{
    uint64_t hash = image_seen_hash(image, home, session, packet_id);
    return image_seen_of(image_table_first(&image->seen, hash), home, session, packet_id) != NULL;
}

enum rc image_on_seen(struct store_image *image, const struct store_record *record)
{
    shard_id home = (shard_id)record->number;
    uint64_t hash = image_seen_hash(image, home, record->session, record->packet_id);
    struct image_node *node = image_table_first(&image->seen, hash);
    struct image_seen *seen;
    while ((seen = image_seen_of(node, home, record->session, record->packet_id)) != NULL) {
        node = image_node_next(&seen->node);
        if (record->type == STORE_UNSEEN) {
            image_table_remove(&image->seen, &seen->node);
            mem_free(seen);
        } else if (seen->by.number == record->by.number && seen->by.shards == record->by.shards) {
            return RC_OK;
        }
    }
    if (record->type == STORE_UNSEEN)
        return RC_OK;
    seen = alloc_zeroed(sizeof(*seen));
    if (seen == NULL)
        return RC_NO_MEMORY;
    seen->session = record->session;
    seen->packet_id = record->packet_id;
    seen->home = home;
    seen->by = record->by;
    seen->node.hash = hash;
    if (image_table_add(&image->seen, &seen->node))
        return RC_OK;
    mem_free(seen);
    return RC_NO_MEMORY;
}

enum rc image_seen_walk(struct store_image *image, void *context,
                        enum rc (*visit)(void *context, struct image_seen *seen))
{
    uint32_t bucket = 0;
    for (struct image_node *node = image_table_walk(&image->seen, &bucket, NULL); node != NULL;
         node = image_table_walk(&image->seen, &bucket, node)) {
        enum rc rc = visit(context, CONTAINER_OF(node, struct image_seen, node));
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* ---- deliveries of other shards ---- */

static uint64_t image_taken_hash(const struct store_image *image, shard_id home, uint64_t session,
                                 uint64_t entry)
{
    return hash_mix(image_number_hash(image, session), entry << 16 | home);
}

static struct image_taken *image_taken_find(const struct store_image *image, shard_id home,
                                            uint64_t session, uint64_t entry)
{
    uint64_t hash = image_taken_hash(image, home, session, entry);
    struct image_node *node = image_table_first(&image->taken, hash);
    for (; node != NULL; node = image_node_next(node)) {
        struct image_taken *taken = CONTAINER_OF(node, struct image_taken, node);
        if (taken->session == session && taken->entry == entry && taken->home == home)
            return taken;
    }
    return NULL;
}

bool image_taken_has(const struct store_image *image, shard_id home, uint64_t session,
                     uint64_t entry)
{
    return image_taken_find(image, home, session, entry) != NULL;
}

enum rc image_on_taken(struct store_image *image, const struct store_record *record)
{
    struct image_taken *taken = image_taken_find(image, record->home, record->session,
                                                 record->number);
    if (record->type == STORE_UNTAKEN && taken != NULL) {
        image_table_remove(&image->taken, &taken->node);
        mem_free(taken);
    }
    if (record->type == STORE_UNTAKEN || taken != NULL)
        return RC_OK;
    taken = alloc_zeroed(sizeof(*taken));
    if (taken == NULL)
        return RC_NO_MEMORY;
    taken->session = record->session;
    taken->entry = record->number;
    taken->home = record->home;
    taken->node.hash = image_taken_hash(image, record->home, record->session, record->number);
    if (image_table_add(&image->taken, &taken->node))
        return RC_OK;
    mem_free(taken);
    return RC_NO_MEMORY;
}

enum rc image_taken_walk(struct store_image *image, void *context,
                         enum rc (*visit)(void *context, struct image_taken *taken))
{
    uint32_t bucket = 0;
    for (struct image_node *node = image_table_walk(&image->taken, &bucket, NULL); node != NULL;
         node = image_table_walk(&image->taken, &bucket, node)) {
        enum rc rc = visit(context, CONTAINER_OF(node, struct image_taken, node));
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* ---- copies ---- */

static struct image_move *image_move_find(struct store_image *image, uint64_t from)
{
    struct image_node *node = image_table_first(&image->moves, image_number_hash(image, from));
    for (; node != NULL; node = image_node_next(node)) {
        struct image_move *move = CONTAINER_OF(node, struct image_move, node);
        if (move->from == from)
            return move;
    }
    return NULL;
}

enum rc image_on_copy(struct store_image *image, uint64_t from, uint64_t to)
{
    struct image_move *move = image_move_find(image, from);
    if (move == NULL) {
        move = alloc_zeroed(sizeof(*move));
        if (move == NULL)
            return RC_NO_MEMORY;
        move->from = from;
        move->node.hash = image_number_hash(image, from);
        if (!image_table_add(&image->moves, &move->node)) {
            mem_free(move);
            return RC_NO_MEMORY;
        }
    }
    move->to = to;
    return RC_OK;
}

/* Where the message lies now. Copies lie behind what they were copied from, so this ends. */
uint64_t image_moved(struct store_image *image, uint64_t location)
{
    const struct image_move *move;
    while ((move = image_move_find(image, location)) != NULL && move->to > location)
        location = move->to;
    return location;
}

static enum rc image_retained_free(void *context, struct image_retained *kept)
{
    (void)context;
    if (kept->msg != NULL)
        msg_unref_shared(kept->msg);
    kept->msg = NULL;
    return RC_OK;
}

static enum rc image_will_free(void *context, struct image_will *will)
{
    (void)context;
    if (will->msg != NULL)
        msg_unref_shared(will->msg);
    will->msg = NULL;
    return RC_OK;
}

static enum rc image_row_free(void *context, struct image_row *row)
{
    (void)context;
    mem_free(row->value);
    row->value = NULL;
    return RC_OK;
}

void image_kept_destroy(struct store_image *image)
{
    enum rc rc = image_retained_walk(image, NULL, image_retained_free);
    CHECK(rc == RC_OK);
    rc = image_rows_walk(image, NULL, image_row_free);
    CHECK(rc == RC_OK);
    rc = image_wills_walk(image, NULL, image_will_free);
    CHECK(rc == RC_OK);
    IMAGE_TABLE_DROP(image, wills, image_will);
    IMAGE_TABLE_DROP(image, retained, image_retained);
    IMAGE_TABLE_DROP(image, rows, image_row);
    IMAGE_TABLE_DROP(image, moves, image_move);
    IMAGE_TABLE_DROP(image, seen, image_seen);
    IMAGE_TABLE_DROP(image, taken, image_taken);
}
