/*
 * store_keyed.c -- see store_keyed.h: a hash table of rows, chained in the order of their changes.
 *
 * A change makes a new row, appends it, and only then puts it into the place of the old one. It
 * goes to the end of the list: a checkpoint that walks the list meanwhile finds it there once more,
 * and would lose nothing if it did not.
 *
 * Threads: see store_keyed.h.
 */
#include "store_keyed.h"

#include "store.h"

struct store_row {
    struct image_node node; /* [O] */
    struct list_node link;  /* [O] */
    uint64_t version;       /* [I] */
    struct bytes table;     /* [I] these point behind this structure */
    struct bytes key;       /* [I] */
    struct bytes value;     /* [I] */
};

/* ---- changes ---- */

static struct bytes keyed_copy(uint8_t **at, struct bytes text)
{
    struct bytes copy = bytes_of(*at, text.len);
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

struct keyed_change *keyed_change_create(struct bytes table, struct bytes key, bool kept,
                                         struct bytes value, void *context)
{
    CHECK(table.len > 0 && table.len <= KEYED_TABLE_LEN_MAX && key.len <= KEYED_KEY_LEN_MAX);
    CHECK(value.len <= KEYED_VALUE_LEN_MAX);
    if (!kept)
        value.len = 0;
    size_t len = (size_t)table.len + key.len + value.len;
    struct keyed_change *change = mem_alloc(sizeof(*change) + len);
    if (change == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(change + 1);
    memset(change, 0, sizeof(*change));
    change->magic = KEYED_CHANGE_MAGIC;
    change->kept = kept;
    change->context = context;
    change->table = keyed_copy(&at, table);
    change->key = keyed_copy(&at, key);
    change->value = keyed_copy(&at, value);
    return change;
}

void keyed_change_destroy(struct keyed_change *change)
{
    if (change == NULL)
        return;
    CHECK_OBJ(change, KEYED_CHANGE_MAGIC);
    change->magic = 0;
    mem_free(change);
}

void store_keyed_drop(const struct mail *mail)
{
    keyed_change_destroy(mail->ptr);
}

/* ---- rows ---- */

static uint64_t keyed_hash(const struct router *router, struct bytes table, struct bytes key)
{
    const struct hash_key *secret = &router->shared->home_key;
    return hash_mix(hash_keyed(secret, table), hash_keyed(secret, key));
}

static struct store_row *keyed_find(const struct router *router, struct bytes table,
                                    struct bytes key)
{
    const struct store_keyed *keyed = &router->store->keyed;
    uint64_t hash = keyed_hash(router, table, key);
    struct image_node *node = image_table_first(&keyed->table, hash);
    for (; node != NULL; node = image_node_next(node)) {
        struct store_row *row = CONTAINER_OF(node, struct store_row, node);
        if (bytes_equal(row->table, table) && bytes_equal(row->key, key))
            return row;
    }
    return NULL;
}

static struct store_row *keyed_row(const struct router *router, struct bytes table,
                                   struct bytes key, struct bytes value, uint64_t version)
{
    struct store_row *row = mem_alloc(sizeof(*row) + (size_t)table.len + key.len + value.len);
    if (row == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(row + 1);
    memset(row, 0, sizeof(*row));
    row->node.hash = keyed_hash(router, table, key);
    row->version = version;
    row->table = keyed_copy(&at, table);
    row->key = keyed_copy(&at, key);
    row->value = keyed_copy(&at, value);
    return row;
}

static void keyed_remove(struct store_keyed *keyed, struct store_row *row)
{
    if (keyed->cursor == &row->link)
        keyed->cursor = row->link.next;
    list_remove(&row->link);
    image_table_remove(&keyed->table, &row->node);
    mem_free(row);
}

/* `row`, NULL for none, takes the place of what was there. */
static void keyed_put(struct store_keyed *keyed, struct store_row *old, struct store_row *row)
{
    if (row != NULL)
        list_push_back(&keyed->rows, &row->link);
    if (old != NULL)
        keyed_remove(keyed, old);
}

/* ---- a change comes ---- */

static enum rc keyed_append(struct store *store, struct keyed_change *change)
{
    struct store_record record = {.type = STORE_KEYED,
                                  .table = change->table,
                                  .key = change->key,
                                  .value = change->value,
                                  .kept = change->kept,
                                  .number = store->keyed.version + 1};
    struct wal_loc loc;
    if (change->kept && !store_is_ready(store))
        return wal_is_failed(store->wal) ? RC_IO : RC_FULL;
    store_encode(&record, &store->parts);
    enum rc rc = store_append(store, STORE_KEYED, &change->lsn, &loc);
    if (rc == RC_OK)
        store->keyed.version++;
    return rc;
}

static enum rc keyed_take(struct router *router, struct keyed_change *change)
{
    struct store_keyed *keyed = &router->store->keyed;
    struct store_row *old = keyed_find(router, change->table, change->key);
    struct store_row *row = NULL;
    if (change->kept) {
        if (old == NULL && keyed->table.count >= KEYED_ROWS_MAX)
            return RC_TOO_LARGE;
        row = keyed_row(router, change->table, change->key, change->value, keyed->version + 1);
        if (row == NULL)
            return RC_NO_MEMORY;
        if (!image_table_add(&keyed->table, &row->node)) {
            mem_free(row);
            return RC_NO_MEMORY;
        }
    }
    enum rc rc = keyed_append(router->store, change);
    if (rc == RC_OK) {
        keyed_put(keyed, old, row);
    } else if (row != NULL) {
        image_table_remove(&keyed->table, &row->node);
        mem_free(row);
    }
    return rc;
}

static void keyed_answer(struct router *router, struct keyed_change *change, enum rc rc)
{
    struct mail mail = {.kind = MAIL_KEYED_DONE, .ptr = change};
    change->rc = rc;
    shard_mail(router->shard, change->from, MAIL_CONFIRM, &mail);
}

void store_keyed_on_mail(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    struct keyed_change *change = mail->ptr;
    SHARD_CHECK(shard);
    CHECK_OBJ(change, KEYED_CHANGE_MAGIC);
    CHECK(router->store != NULL);
    CHECK(store_keyed_owner(change->table, change->key) == shard->id);
    change->from = mail->from;
    enum rc rc = keyed_take(router, change);
    if (rc == RC_OK)
        list_push_back(&router->store->keyed.waiting, &change->link);
    else
        keyed_answer(router, change, rc);
}

void store_keyed_committed(struct store *store)
{
    struct list_node *waiting = &store->keyed.waiting;
    while (!list_is_empty(waiting)) {
        struct keyed_change *change = CONTAINER_OF(list_first(waiting), struct keyed_change, link);
        CHECK_OBJ(change, KEYED_CHANGE_MAGIC);
        if (change->lsn > store->router->log_committed)
            return;
        list_remove(&change->link);
        keyed_answer(store->router, change, RC_OK);
    }
}

/* ---- life ---- */

void store_keyed_init(struct store_keyed *keyed)
{
    *keyed = (struct store_keyed){0};
    list_init(&keyed->rows);
    list_init(&keyed->waiting);
}

void store_keyed_fini(struct store_keyed *keyed)
{
    struct list_node *node;
    while ((node = list_pop_front(&keyed->waiting)) != NULL)
        keyed_change_destroy(CONTAINER_OF(node, struct keyed_change, link));
    while (!list_is_empty(&keyed->rows))
        keyed_remove(keyed, CONTAINER_OF(list_first(&keyed->rows), struct store_row, link));
    image_table_fini(&keyed->table);
}

enum rc store_keyed_restore(struct router *router, const struct image_row *from)
{
    struct store_keyed *keyed = &router->store->keyed;
    const struct store_rows_told *told = router->shared->rows;
    struct bytes table = bytes_of(from->names, from->table_len);
    struct bytes key = bytes_of(from->names + from->table_len, from->key_len);
    struct bytes value = bytes_of(from->value, from->value == NULL ? 0 : from->value_len);
    if (from->version > keyed->version)
        keyed->version = from->version;
    if (!from->kept || store_keyed_owner(table, key) != router->shard->id)
        return RC_OK;
    struct store_row *row = keyed_row(router, table, key, value, from->version);
    if (row == NULL || !image_table_add(&keyed->table, &row->node)) {
        mem_free(row);
        return RC_NO_MEMORY;
    }
    list_push_back(&keyed->rows, &row->link);
    return told == NULL ? RC_OK : told->row(told->context, table, key, value);
}

/* ---- checkpoints ---- */

void store_keyed_walk_begin(struct store_keyed *keyed)
{
    keyed->cursor = keyed->rows.next;
}

bool store_keyed_walk_next(struct store_keyed *keyed, struct store_record *out)
{
    CHECK(keyed->cursor != NULL);
    if (keyed->cursor == &keyed->rows)
        return false;
    const struct store_row *row = CONTAINER_OF(keyed->cursor, struct store_row, link);
    keyed->cursor = row->link.next;
    *out = (struct store_record){.type = STORE_KEYED,
                                 .table = row->table,
                                 .key = row->key,
                                 .value = row->value,
                                 .kept = true,
                                 .number = row->version};
    return true;
}

void store_keyed_walk_end(struct store_keyed *keyed)
{
    keyed->cursor = NULL;
}
