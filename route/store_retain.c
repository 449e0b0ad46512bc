/*
 * store_retain.c -- see store_retain.h: who logs a topic, by mail if it is another shard.
 *
 * Threads: see store_retain.h.
 */
#include "store_retain.h"

shard_id store_retain_owner(const struct router *router, struct bytes topic)
{
    return (shard_id)(hash_keyed(&router->shared->home_key, topic) % router->shared->shards);
}

/* Appends RETAIN or UNRETAIN. */
static enum rc store_retain_here(struct router *router, const struct pub *pub, uint64_t owner,
                                 uint64_t version, bool deleted, uint64_t *out_lsn)
{
    struct store *store = router->store;
    CHECK_OBJ(store, STORE_MAGIC);
    struct store_record record = {.type = deleted ? STORE_UNRETAIN : STORE_RETAIN,
                                  .number = version,
                                  .message = store_message_of(store, pub)};
    record.message.owner = owner;
    struct wal_loc loc;
    store_encode(&record, &store->parts);
    enum rc rc = RC_FULL;
    if (deleted || store_is_ready(store))
        rc = store_append(store, (enum store_type)record.type, out_lsn, &loc);
    if (rc == RC_OK)
        return rc;
    /* The index has it already: the next checkpoint will write it. */
    store->gap = true;
    router->log_refused++;
    router_count(router, STAT_DROP_LOG, 1);
    return rc;
}

static bool store_retain_mail(struct router *router, const struct pub *pub, uint64_t owner,
                              uint64_t version, bool deleted, shard_id to)
{
    struct pub copy = *pub;
    struct msg *msg = msg_create(&copy, SHARD_NONE);
    if (msg == NULL)
        return false;
    msg->owner = owner;
    struct hold_ticket ticket = router_ticket(router);
    struct mail mail = {.kind = MAIL_RETAIN, .ptr = msg, .weight = msg->size};
    STATIC_CHECK(sizeof(ticket.conn) == sizeof(mail.words[0]), "a handle is one word");
    mail.words[0] = version;
    memcpy(&mail.words[1], &ticket.conn, sizeof(ticket.conn));
    mail.words[2] = ticket.gate_number;
    mail.words[3] = deleted;
    shard_mail(router->shard, to, MAIL_DATA, &mail);
    router->pressed |= mail_pressed(router->shard->port, to);
    return true;
}

void store_retain(struct router *router, const struct pub *pub, uint64_t owner, uint64_t version,
                  bool deleted)
{
    shard_id to = store_retain_owner(router, pub->topic);
    uint64_t lsn;
    if (to == router->shard->id)
        (void)(store_retain_here(router, pub, owner, version, deleted, &lsn) == RC_OK);
    else if (!store_retain_mail(router, pub, owner, version, deleted, to))
        router->log_refused++;
}

void store_retain_on_mail(struct shard *shard, const struct mail *mail)
{
    struct router *router = router_of(shard);
    struct msg *msg = mail->ptr;
    struct hold_ticket ticket = {.gate_number = (uint32_t)mail->words[2]};
    memcpy(&ticket.conn, &mail->words[1], sizeof(ticket.conn));
    bool deleted = mail->words[3] != 0;
    if (!deleted) {
        void *now = retained_get(router->shared->retained, shard->epoch, msg->pub.topic, NULL);
        deleted = now == NULL;
        if (now != NULL)
            msg_unref_shared(now);
    }
    uint64_t lsn = 0;
    if (store_retain_here(router, &msg->pub, msg->owner, mail->words[0], deleted, &lsn) == RC_OK)
        confirm_owe(router, &ticket, lsn);
    else
        confirm_refuse(router, &ticket);
    msg_unref_shared(msg);
}

void store_retain_drop(const struct mail *mail)
{
    msg_unref_shared(mail->ptr);
}
