/*
 * store_taken.c -- see store_taken.h: a hash table, and what waits for a commit to empty those of
 * others.
 *
 * Threads: see store_taken.h.
 */
#include "store_taken.h"

#include "outbound_inner.h"
#include "store_table.h"

struct store_taken {
    struct image_node node;
    struct taken_row row;
};

/* The giver's log will say with `lsn` that the taker may forget. */
struct taken_given {
    struct list_node node; /* in store->given, in the order of lsn */
    struct taken_row row;
    uint64_t lsn;
    shard_id taker;
};

static uint64_t taken_hash(const struct router *router, const struct taken_row *row)
{
    return hash_mix(row->session ^ router->shared->home_key.words[1], row->entry << 16 | row->home);
}

static struct store_taken *taken_find(struct router *router, const struct taken_row *row)
{
    struct image_node *node = image_table_first(router->store->taken, taken_hash(router, row));
    for (; node != NULL; node = image_node_next(node)) {
        struct store_taken *taken = CONTAINER_OF(node, struct store_taken, node);
        if (taken->row.session == row->session && taken->row.entry == row->entry &&
            taken->row.home == row->home)
            return taken;
    }
    return NULL;
}

/* ---- the taker ---- */

enum rc store_taken_restore(struct router *router, const struct taken_row *row)
{
    struct store_taken *taken = mem_alloc(sizeof(*taken));
    if (taken == NULL)
        return RC_NO_MEMORY;
    *taken = (struct store_taken){.row = *row};
    taken->node.hash = taken_hash(router, row);
    if (image_table_add(router->store->taken, &taken->node))
        return RC_OK;
    mem_free(taken);
    return RC_NO_MEMORY;
}

void store_taken_note(struct router *router, const struct taken_row *row)
{
    struct store *store = router->store;
    CHECK(wal_group_is_open(store->wal) && row->home != router->shard->id);
    /* Without memory a checkpoint would forget it: then a crash may give the delivery to both. */
    if (taken_find(router, row) == NULL && store_taken_restore(router, row) != RC_OK)
        router_count(router, STAT_DROP_NO_MEMORY, 1);
    struct store_record record = taken_record(STORE_TAKEN, row);
    store_encode(&record, &store->parts);
    store_note(store, STORE_TAKEN);
}

void store_taken_on_mail(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    struct store *store = router->store;
    CHECK_OBJ(store, STORE_MAGIC);
    struct taken_row row = {
        .session = mail->words[0], .entry = mail->words[1], .home = (shard_id)mail->from};
    struct store_taken *taken = taken_find(router, &row);
    if (taken == NULL)
        return;
    image_table_remove(store->taken, &taken->node);
    mem_free(taken);
    struct store_record record = taken_record(STORE_UNTAKEN, &row);
    store_encode(&record, &store->parts);
    store_note(store, STORE_UNTAKEN);
}

/* ---- the giver ---- */

void store_taken_given(struct router *router, shard_id taker, const struct taken_row *row,
                       uint64_t lsn)
{
    CHECK(row->home == router->shard->id && taker != router->shard->id);
    struct taken_given *given = lsn == 0 ? NULL : mem_alloc(sizeof(*given));
    if (given == NULL)
        return; /* the log has a gap, or there is no memory: the next start settles it */
    *given = (struct taken_given){.row = *row, .lsn = lsn, .taker = taker};
    list_push_back(&router->store->given, &given->node);
}

void store_taken_committed(struct store *store, uint64_t lsn)
{
    struct list_node *node;
    while (UNLIKELY((node = list_first(&store->given)) != NULL)) {
        struct taken_given *given = CONTAINER_OF(node, struct taken_given, node);
        if (given->lsn > lsn)
            return;
        list_remove(node);
        struct mail mail = {.kind = MAIL_UNTAKEN};
        mail.words[0] = given->row.session;
        mail.words[1] = given->row.entry;
        shard_mail(store->router->shard, given->taker, MAIL_DATA, &mail);
        mem_free(given);
    }
}

/* ---- a start ---- */

/* Rows of other shards that speak of deliveries of this one. */
struct taken_settling {
    struct router *router;
    struct image_table table; /* struct store_taken */
    struct session *session;
    struct router *taker;
    uint64_t dropped;
    enum rc rc;
};

static bool taken_visit_copy(void *context, const struct taken_row *row)
{
    struct taken_settling *settling = context;
    struct router *router = settling->router;
    if (row->home != router->shard->id)
        return true;
    struct store_taken *copy = mem_alloc(sizeof(*copy));
    settling->rc = RC_NO_MEMORY;
    if (copy == NULL)
        return false;
    *copy = (struct store_taken){.row = *row};
    copy->node.hash = taken_hash(router, row);
    if (!image_table_add(&settling->table, &copy->node)) {
        mem_free(copy);
        return false;
    }
    settling->rc = RC_OK;
    return true;
}

/* The entry of a queue that another shard has, too. */
static bool taken_match(void *context, struct mqueue_entry *entry)
{
    struct taken_settling *settling = context;
    struct router *router = settling->router;
    struct taken_row row = {.session = settling->session->stored_number,
                            .entry = entry->number,
                            .home = router->shard->id};
    uint64_t hash = taken_hash(router, &row);
    struct image_node *node = image_table_first(&settling->table, hash);
    for (; node != NULL; node = image_node_next(node)) {
        const struct store_taken *taken = CONTAINER_OF(node, struct store_taken, node);
        if (taken->row.session != row.session || taken->row.entry != row.entry)
            continue;
        outbound_left(router, settling->session, entry);
        settling->dropped++;
        return true;
    }
    return false;
}

static void taken_drop(struct taken_settling *settling)
{
    struct router *router = settling->router;
    uint32_t cursor = 0;
    while ((settling->session = slot_table_next(&router->sessions, &cursor)) != NULL)
        if (session_is_stored(settling->session) && settling->session->shared_seen)
            mqueue_remove_if(&settling->session->queue, taken_match, settling);
    LOG(LOG_INFO, "%llu %s had just gone to members on other shards",
        (unsigned long long)settling->dropped,
        log_noun(settling->dropped, "delivery", "deliveries"));
}

/* The takers may forget once what was dropped is committed. */
static bool taken_visit_given(void *context, const struct taken_row *row)
{
    struct taken_settling *settling = context;
    struct router *router = settling->router;
    if (row->home == router->shard->id)
        store_taken_given(router, settling->taker->shard->id, row, wal_last(router->store->wal));
    return true;
}

/* For each other shard. */
static void taken_each(struct taken_settling *settling,
                       bool (*visit)(void *context, const struct taken_row *row))
{
    const struct router *router = settling->router;
    struct runtime *runtime = router->shard->runtime;
    for (unsigned i = 0; i < router->shared->shards && settling->rc == RC_OK; i++) {
        uint32_t bucket = 0;
        if (i == router->shard->id)
            continue;
        settling->taker = runtime->shards[i].route;
        CHECK_OBJ(settling->taker, ROUTER_MAGIC);
        store_taken_walk(settling->taker->store, &bucket, settling, visit);
    }
}

enum rc store_taken_settle(struct router *router)
{
    struct taken_settling settling = {.router = router, .rc = RC_OK};
    if (router->store == NULL)
        return RC_OK;
    taken_each(&settling, taken_visit_copy);
    if (settling.rc == RC_OK && settling.table.count > 0) {
        epoch_begin(router->shard->epoch);
        taken_drop(&settling);
        epoch_end(router->shard->epoch);
        taken_each(&settling, taken_visit_given);
    }
    uint32_t bucket = 0;
    struct image_node *node;
    while ((node = image_table_take(&settling.table, &bucket)) != NULL)
        mem_free(CONTAINER_OF(node, struct store_taken, node));
    image_table_fini(&settling.table);
    return settling.rc;
}

/* ---- the whole ---- */

bool store_taken_walk(struct store *store, uint32_t *bucket, void *context,
                      bool (*visit)(void *context, const struct taken_row *row))
{
    const struct image_table *table = store->taken;
    for (; table->buckets != NULL && *bucket <= table->mask; (*bucket)++) {
        const struct image_node *node = table->buckets[*bucket];
        for (; node != NULL; node = node->next)
            if (!visit(context, &CONTAINER_OF(node, struct store_taken, node)->row))
                return false;
    }
    return true;
}

void store_taken_fini(struct store *store)
{
    uint32_t bucket = 0;
    struct image_node *node;
    struct list_node *link;
    while ((node = image_table_take(store->taken, &bucket)) != NULL)
        mem_free(CONTAINER_OF(node, struct store_taken, node));
    image_table_fini(store->taken);
    mem_free(store->taken);
    store->taken = NULL;
    while ((link = list_pop_front(&store->given)) != NULL)
        mem_free(CONTAINER_OF(link, struct taken_given, node));
}
