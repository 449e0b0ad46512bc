/*
 * store_will.c -- see store_will.h.
 *
 * Threads: see store_will.h.
 */
#include "store_will.h"

#include "store_checkpoint.h"

struct store_record store_will_record(struct store *store, uint64_t session,
                                      const struct will *will, uint64_t number)
{
    CHECK_OBJ(will, WILL_MAGIC);
    return (struct store_record){.type = STORE_WILL,
                                 .session = session,
                                 .number = number,
                                 .delay_s = will->delay_s,
                                 .expiry_s = will->expiry_s,
                                 .message = store_message_owned(store, will->msg)};
}

void store_will_due(struct router *router, const struct will *will)
{
    struct store *store = router->store;
    if (store == NULL || store->checkpoint == NULL || will->stored_number == 0 || router->closing)
        return;
    struct store_record record = store_will_record(store, 0, will, will->stored_number);
    store_encode(&record, &store->parts);
    if (store_note(store, STORE_WILL) == 0)
        store_checkpoint_stop(store); /* what it ends would be all that is left */
}

void store_will_gone(struct router *router, uint64_t number)
{
    struct store *store = router->store;
    if (store == NULL || number == 0)
        return;
    store_encode_one(number, &store->parts);
    store_note(store, STORE_WILL_GONE);
}
