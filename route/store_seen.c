/*
 * store_seen.c -- see store_seen.h: a hash table, and the mail that empties it.
 *
 * Threads: see store_seen.h.
 */
#include "store_seen.h"

#include "store_table.h"

struct store_seen {
    struct image_node node;
    uint64_t session;
    uint16_t packet_id;
    shard_id home;
};

static uint64_t seen_hash(const struct router *router, shard_id home, uint64_t session,
                          uint16_t packet_id)
{
    return hash_mix(session ^ router->shared->home_key.words[0], (uint64_t)home << 16 | packet_id);
}

static struct store_seen *seen_find(struct router *router, shard_id home, uint64_t session,
                                    uint16_t packet_id)
{
    struct image_node *node = image_table_first(router->store->seen,
                                                seen_hash(router, home, session, packet_id));
    for (; node != NULL; node = image_node_next(node)) {
        struct store_seen *seen = CONTAINER_OF(node, struct store_seen, node);
        if (seen->session == session && seen->packet_id == packet_id && seen->home == home)
            return seen;
    }
    return NULL;
}

static void seen_remove(struct store *store, struct store_seen *seen)
{
    image_table_remove(store->seen, &seen->node);
    mem_free(seen);
}

enum rc store_seen_restore(struct router *router, shard_id home, uint64_t session,
                           uint16_t packet_id)
{
    struct store_seen *seen = mem_alloc(sizeof(*seen));
    if (seen == NULL)
        return RC_NO_MEMORY;
    *seen = (struct store_seen){.session = session, .packet_id = packet_id, .home = home};
    seen->node.hash = seen_hash(router, home, session, packet_id);
    if (image_table_add(router->store->seen, &seen->node))
        return RC_OK;
    mem_free(seen);
    return RC_NO_MEMORY;
}

bool store_seen_has(struct router *router, const struct pub *pub)
{
    CHECK_OBJ(router->store, STORE_MAGIC);
    return seen_find(router, pub->publisher.shard, pub->stored_session, pub->stored_id) != NULL;
}

enum rc store_seen_begin(struct router *router, const struct pub *pub)
{
    struct store *store = router->store;
    struct store_record record = {.type = STORE_SEEN,
                                  .session = pub->stored_session,
                                  .packet_id = pub->stored_id,
                                  .number = pub->publisher.shard};
    if (!store_is_ready(store))
        return RC_FULL;
    enum rc rc = store_seen_restore(router, pub->publisher.shard, pub->stored_session,
                                    pub->stored_id);
    if (rc != RC_OK)
        return rc;
    uint64_t lsn;
    struct wal_loc loc;
    wal_group_begin(store->wal);
    store_encode(&record, &store->parts);
    rc = store_append(store, STORE_SEEN, &lsn, &loc);
    if (rc == RC_OK)
        return rc;
    wal_group_abort(store->wal);
    seen_remove(store,
                seen_find(router, pub->publisher.shard, pub->stored_session, pub->stored_id));
    return rc;
}

static uint64_t seen_forget(struct router *router, shard_id home, uint64_t session,
                            uint16_t packet_id)
{
    struct store *store = router->store;
    struct store_seen *seen = seen_find(router, home, session, packet_id);
    if (seen == NULL)
        return router->log_last; /* it may be forgotten, but not committed yet */
    seen_remove(store, seen);
    struct store_record record = {
        .type = STORE_UNSEEN, .session = session, .packet_id = packet_id, .number = home};
    store_encode(&record, &store->parts);
    return store_note(store, STORE_UNSEEN);
}

void store_seen_end(struct router *router, const struct pub *pub, bool stored)
{
    if (!stored)
        seen_forget(router, pub->publisher.shard, pub->stored_session, pub->stored_id);
    wal_group_end(router->store->wal);
}

void store_seen_release(struct router *router, const struct session *session, uint16_t packet_id,
                        uint64_t tag)
{
    unsigned shards = router->shared->shards;
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
    memcpy(&ticket.conn, &mail->words[2], sizeof(ticket.conn));
    CHECK(router->store != NULL);
    uint64_t lsn = seen_forget(router, mail->from, mail->words[0], (uint16_t)mail->words[1]);
    if (lsn == 0 && router->log_last != 0)
        confirm_refuse(router, &ticket);
    else
        confirm_owe(router, &ticket, lsn);
}

bool store_seen_walk(struct store *store, uint32_t *bucket, void *context,
                     bool (*visit)(void *context, shard_id home, uint64_t session,
                                   uint16_t packet_id))
{
    const struct image_table *table = store->seen;
    for (; table->buckets != NULL && *bucket <= table->mask; (*bucket)++) {
        const struct image_node *node = table->buckets[*bucket];
        for (; node != NULL; node = node->next) {
            const struct store_seen *seen = CONTAINER_OF(node, struct store_seen, node);
            /* A bucket that was begun is begun again: to say it twice does no harm. */
            if (!visit(context, seen->home, seen->session, seen->packet_id))
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
