/*
 * store_seen.c -- see store_seen.h: a hash table, and the mail that empties it.
 *
 * The rows of one message have one hash, so they stand in one chain.
 *
 * Threads: see store_seen.h.
 */
#include "store_seen.h"

#include "store_table.h"

struct store_seen {
    struct image_node node;
    struct seen_row row;
};

static uint64_t seen_hash(const struct router *router, const struct seen_row *key)
{
    return hash_mix(key->session ^ router->shared->home_key.words[0],
                    (uint64_t)key->home << 16 | key->packet_id);
}

static struct seen_row seen_key_of(const struct pub *pub)
{
    return (struct seen_row){
        .session = pub->stored_session, .packet_id = pub->stored_id, .home = pub->publisher.shard};
}

static struct seen_row seen_key_here(const struct router *router, const struct session *session,
                                     uint16_t packet_id)
{
    return (struct seen_row){
        .session = session->stored_number, .packet_id = packet_id, .home = router->shard->id};
}

/* From `node` on in its chain. */
static struct store_seen *seen_from(struct image_node *node, const struct seen_row *key)
{
    for (; node != NULL; node = image_node_next(node)) {
        struct store_seen *seen = CONTAINER_OF(node, struct store_seen, node);
        if (seen->row.session == key->session && seen->row.packet_id == key->packet_id &&
            seen->row.home == key->home)
            return seen;
    }
    return NULL;
}

/* All rows of a message, one after the other; NULL at the end. */
static struct store_seen *seen_first(struct router *router, const struct seen_row *key)
{
    return seen_from(image_table_first(router->store->seen, seen_hash(router, key)), key);
}

static struct store_seen *seen_next(struct store_seen *seen)
{
    return seen_from(image_node_next(&seen->node), &seen->row);
}

/* The row that holds for all sessions. */
static struct store_seen *seen_whole(struct router *router, const struct seen_row *key)
{
    struct store_seen *seen = seen_first(router, key);
    while (seen != NULL && seen->row.by.shards != 0)
        seen = seen_next(seen);
    return seen;
}

static bool seen_is_partial(struct router *router, const struct seen_row *key)
{
    return seen_first(router, key) != NULL && seen_whole(router, key) == NULL;
}

static void seen_remove(struct store *store, struct store_seen *seen)
{
    image_table_remove(store->seen, &seen->node);
    mem_free(seen);
}

enum rc store_seen_restore(struct router *router, const struct seen_row *row)
{
    CHECK(row->by.shards == 0 || row->by.number < row->by.shards);
    struct store_seen *seen = mem_alloc(sizeof(*seen));
    if (seen == NULL)
        return RC_NO_MEMORY;
    *seen = (struct store_seen){.row = *row};
    seen->node.hash = seen_hash(router, row);
    if (image_table_add(router->store->seen, &seen->node))
        return RC_OK;
    mem_free(seen);
    return RC_NO_MEMORY;
}

bool store_seen_has(struct router *router, const struct pub *pub)
{
    CHECK_OBJ(router->store, STORE_MAGIC);
    struct seen_row key = seen_key_of(pub);
    return seen_whole(router, &key) != NULL;
}

bool store_seen_is_partial(struct router *router, const struct pub *pub)
{
    CHECK_OBJ(router->store, STORE_MAGIC);
    struct seen_row key = seen_key_of(pub);
    return seen_is_partial(router, &key);
}

bool store_seen_by(struct router *router, const struct pub *pub, const struct session *session)
{
    CHECK(router->store->is_partial);
    struct seen_row key = seen_key_of(pub);
    struct store_seen *seen = seen_first(router, &key);
    for (; seen != NULL; seen = seen_next(seen)) {
        struct store_class by = seen->row.by;
        if (by.shards != 0 && session->id_hash % by.shards == by.number)
            return true;
    }
    return false;
}

/* Enters and logs that all sessions have it. */
static enum rc seen_note_whole(struct router *router, const struct seen_row *key)
{
    struct store *store = router->store;
    enum rc rc = store_seen_restore(router, key);
    if (rc != RC_OK)
        return rc;
    uint64_t lsn;
    struct wal_loc loc;
    struct store_record record = seen_record(key);
    CHECK(record.type == STORE_SEEN);
    store_encode(&record, &store->parts);
    rc = store_append(store, STORE_SEEN, &lsn, &loc);
    if (rc != RC_OK)
        seen_remove(store, seen_whole(router, key));
    return rc;
}

enum rc store_seen_begin(struct router *router, const struct pub *pub)
{
    struct store *store = router->store;
    struct seen_row key = seen_key_of(pub);
    if (!store_is_ready(store))
        return RC_FULL;
    bool is_partial = seen_is_partial(router, &key);
    wal_group_begin(store->wal);
    enum rc rc = seen_note_whole(router, &key);
    if (rc != RC_OK)
        wal_group_abort(store->wal);
    else
        store->is_partial = is_partial;
    return rc;
}

/* UNSEEN: whatever was said of the message does not hold any more. */
static uint64_t seen_note_gone(struct store *store, const struct seen_row *key)
{
    struct store_record record = seen_record(key);
    record.type = STORE_UNSEEN;
    store_encode(&record, &store->parts);
    return store_note(store, STORE_UNSEEN);
}

static uint64_t seen_forget(struct router *router, const struct seen_row *key)
{
    struct store *store = router->store;
    struct store_seen *seen = seen_first(router, key);
    if (seen == NULL)
        return router->log_last; /* it may be forgotten, but not committed yet */
    for (; seen != NULL; seen = seen_first(router, key))
        seen_remove(store, seen);
    return seen_note_gone(store, key);
}

/* Not all sessions have it after all; those that had it before still do. */
static void seen_take_back(struct router *router, const struct seen_row *key)
{
    struct store *store = router->store;
    seen_remove(store, seen_whole(router, key));
    seen_note_gone(store, key);
    struct store_seen *seen = seen_first(router, key);
    for (; seen != NULL; seen = seen_next(seen)) {
        struct store_record record = seen_record(&seen->row);
        store_encode(&record, &store->parts);
        store_note(store, (enum store_type)record.type);
    }
}

void store_seen_end(struct router *router, const struct pub *pub, bool stored)
{
    struct seen_row key = seen_key_of(pub);
    router->store->is_partial = false;
    if (!stored)
        seen_take_back(router, &key);
    wal_group_end(router->store->wal);
}

void store_seen_inbound(struct router *router, const struct session *session, uint16_t packet_id)
{
    struct seen_row key = seen_key_here(router, session, packet_id);
    router->store->is_partial = seen_is_partial(router, &key);
}

void store_seen_inbound_end(struct router *router, const struct session *session,
                            uint16_t packet_id, bool accepted)
{
    struct store *store = router->store;
    struct seen_row key = seen_key_here(router, session, packet_id);
    if (!store->is_partial)
        return;
    store->is_partial = false;
    if (accepted && seen_note_whole(router, &key) != RC_OK)
        store->gap = true;
}

void store_seen_release(struct router *router, const struct session *session, uint16_t packet_id,
                        uint64_t tag)
{
    unsigned shards = router->shared->shards;
    struct seen_row key = seen_key_here(router, session, packet_id);
    if (seen_first(router, &key) != NULL) {
        uint64_t lsn = seen_forget(router, &key);
        if (router->publishing != NULL && lsn > router->log_committed)
            router->sink->hold(router->publishing, lsn);
    }
    for (unsigned to = 0; to < shards; to++) {
        bool wanted = (tag & (STORE_TAG_ALL | STORE_TAG_RECOVERED)) != 0 ||
                      (to < 62 && (tag >> to & 1) != 0);
        if (!wanted || to == router->shard->id)
            continue;
        struct hold_ticket ticket = router_ticket(router);
        struct mail mail = {.kind = MAIL_FORGET};
        mail.words[0] = session->stored_number;
        mail.words[1] = packet_id;
        memcpy(&mail.words[2], &ticket.conn, sizeof(ticket.conn));
        mail.words[3] = ticket.gate_number;
        shard_mail(router->shard, (shard_id)to, MAIL_DATA, &mail);
    }
}

void store_seen_on_forget(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    struct hold_ticket ticket = {.gate_number = (uint32_t)mail->words[3]};
    struct seen_row key = {.session = mail->words[0],
                           .packet_id = (uint16_t)mail->words[1],
                           .home = (shard_id)mail->from};
    memcpy(&ticket.conn, &mail->words[2], sizeof(ticket.conn));
    CHECK(router->store != NULL);
    uint64_t lsn = seen_forget(router, &key);
    if (lsn == 0 && router->log_last != 0)
        confirm_refuse(router, &ticket);
    else
        confirm_owe(router, &ticket, lsn);
}

bool store_seen_walk(struct store *store, uint32_t *bucket, void *context,
                     bool (*visit)(void *context, const struct seen_row *row))
{
    const struct image_table *table = store->seen;
    for (; table->buckets != NULL && *bucket <= table->mask; (*bucket)++) {
        const struct image_node *node = table->buckets[*bucket];
        for (; node != NULL; node = node->next) {
            const struct store_seen *seen = CONTAINER_OF(node, struct store_seen, node);
            /* A bucket that was begun is begun again: to say it twice does no harm. */
            if (!visit(context, &seen->row))
                return false;
        }
    }
    return true;
}

void store_seen_fini(struct store *store)
{
    uint32_t bucket = 0;
    struct image_node *node;
    while ((node = image_table_take(store->seen, &bucket)) != NULL)
        mem_free(CONTAINER_OF(node, struct store_seen, node));
    image_table_fini(store->seen);
    mem_free(store->seen);
    store->seen = NULL;
}
