/*
 * rows.c -- see rows.h.
 */
#include "rows.h"

#include <stdlib.h>

#include "broker.h"
#include "store_keyed.h"

static enum rc rows_told_row(void *context, struct bytes table, struct bytes key,
                             struct bytes value)
{
    struct broker *broker = context;
    enum rc rc = bans_restore(broker, table, key, value);
    if (rc == RC_NOT_FOUND)
        rc = userdb_restore(&broker->userdb, table, key, value);
    if (rc != RC_NOT_FOUND)
        return rc;
    broker->rows.unknown++;
    return RC_OK;
}

void rows_init(struct broker *broker)
{
    struct rows *rows = &broker->rows;
    list_init(&rows->changes);
    rows->told = (struct store_rows_told){.context = broker, .row = rows_told_row};
    broker->route.rows = &rows->told;
}

enum rc rows_loaded(struct broker *broker)
{
    if (broker->rows.unknown > 0)
        LOG(LOG_WARNING, "the log has %u %s that this version does not know", broker->rows.unknown,
            log_noun(broker->rows.unknown, "row of a table", "rows of tables"));
    enum rc rc = bans_loaded(broker);
    return rc == RC_OK ? userdb_loaded(broker) : rc;
}

/* ---- changes ---- */

static void row_change_free(struct row_change *change)
{
    list_remove(&change->link);
    free(change);
}

static struct bytes row_change_copy(uint8_t **at, struct bytes text)
{
    struct bytes copy = bytes_of(*at, text.len);
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

enum rc row_change_begin(struct broker *broker, struct bytes table, struct bytes key,
                         row_done_fn done, void *context, struct row_change **out)
{
    struct list_node *changes = &broker->rows.changes;
    struct list_node *node = list_first(changes);
    CHECK(done != NULL && out != NULL);
    for (; node != NULL; node = list_after(changes, node)) {
        const struct row_change *other = CONTAINER_OF(node, struct row_change, link);
        if (bytes_equal(other->key, key) && bytes_equal(other->table, table))
            return RC_EXISTS;
    }
    struct row_change *change = calloc(1, sizeof(*change) + table.len + key.len);
    if (change == NULL)
        return RC_NO_MEMORY;
    uint8_t *at = (uint8_t *)(change + 1);
    change->broker = broker;
    change->done = done;
    change->context = context;
    change->table = row_change_copy(&at, table);
    change->key = row_change_copy(&at, key);
    list_push_back(changes, &change->link);
    *out = change;
    return RC_OK;
}

void row_change_cancel(struct row_change *change)
{
    if (change != NULL)
        row_change_free(change);
}

static void row_change_end(struct row_change *change, enum rc rc)
{
    row_done_fn done = change->done;
    void *context = change->context;
    row_change_free(change);
    done(context, rc);
}

void row_change_send(struct row_change *change, bool kept, struct bytes value)
{
    struct broker *broker = change->broker;
    if (broker->route.store == NULL) {
        row_change_end(change, RC_OK);
        return;
    }
    if (value.len > KEYED_VALUE_LEN_MAX || change->key.len > KEYED_KEY_LEN_MAX) {
        row_change_end(change, RC_TOO_LARGE);
        return;
    }
    struct keyed_change *keyed = keyed_change_create(change->table, change->key, kept, value,
                                                     change);
    if (keyed == NULL) {
        row_change_end(change, RC_NO_MEMORY);
        return;
    }
    struct mail mail = {.kind = MAIL_KEYED, .ptr = keyed};
    mail_send(broker->port, store_keyed_owner(change->table, change->key), MAIL_CONTROL, &mail);
}

void rows_on_mail(struct broker *broker, const struct mail *mail)
{
    struct keyed_change *keyed = mail->ptr;
    CHECK_OBJ(keyed, KEYED_CHANGE_MAGIC);
    struct row_change *change = keyed->context;
    enum rc rc = keyed->rc;
    CHECK(change->broker == broker);
    keyed_change_destroy(keyed);
    row_change_end(change, rc);
}

void rows_fini(struct broker *broker)
{
    struct list_node *node;
    if (broker->rows.changes.next == NULL)
        return; /* the broker did not come so far */
    while ((node = list_first(&broker->rows.changes)) != NULL)
        row_change_end(CONTAINER_OF(node, struct row_change, link), RC_IO);
}
