/*
 * store_session.c -- records of sessions: connect, disconnect, end, subscriptions, received ids.
 *
 * Threads: see store.h.
 */
#include "store.h"

#include "store_seen.h"
#include "store_will.h"
#include "wal_format.h"

static struct store *store_of(struct router *router)
{
    CHECK_OBJ(router->store, STORE_MAGIC);
    return router->store;
}

/*
 * A session that is there may come back to a full log: only so can it take its messages. The room
 * of the log that is kept for acknowledgements must outlast whoever does nothing but that, so all
 * of them together have this part of a segment, and none a will with a larger payload.
 */
#define STORE_ATTACH_PART       4
#define STORE_ATTACH_HEAD       128 /* of a record: SESSION, WILL and what the log adds */
#define STORE_WILL_RESERVED_MAX 4096

/*
 * At most what the records of CONNECT take; a commit of a turn begins with its own block. DETACHED,
 * which follows, is not counted: those who were there when the log became full write it, too.
 */
static uint64_t store_attach_size(const struct store *store, const struct attach_request *request)
{
    uint64_t bytes = STORE_ATTACH_HEAD + request->client_id.len;
    if (request->will != NULL) {
        const struct pub *pub = &request->will->msg->pub;
        bytes += STORE_ATTACH_HEAD + (uint64_t)pub->topic.len + pub->props.len + pub->payload.len;
    }
    return store->attach_turn_ns == store->router->shard->now_ns ? bytes : bytes + WAL_BLOCK;
}

/* A session that is there, and a log that takes nothing new: takes of the room, if there is any. */
static enum rc store_attach_reserve(struct store *store, const struct attach_request *request)
{
    if (wal_is_failed(store->wal))
        return RC_FULL;
    if (request->will != NULL && request->will->msg->pub.payload.len > STORE_WILL_RESERVED_MAX)
        return RC_FULL;
    struct wal_figures figures;
    wal_figures_read(store->wal, &figures);
    uint64_t bytes = store_attach_size(store, request);
    if (store->attach_bytes + bytes > figures.segment_bytes / STORE_ATTACH_PART)
        return RC_FULL;
    store->attach_bytes += bytes;
    store->attach_turn_ns = store->router->shard->now_ns;
    return RC_OK;
}

static enum rc store_attach_will(struct store *store, uint64_t session, struct will *will,
                                 uint64_t *out_lsn)
{
    struct store_record record = store_will_record(store, session, will, store->number_next);
    struct wal_loc loc;
    store_encode(&record, &store->parts);
    enum rc rc = store_append(store, STORE_WILL, out_lsn, &loc);
    if (rc == RC_OK)
        will->stored_number = store->number_next++;
    return rc;
}

enum rc store_attach(struct router *router, const struct session *session,
                     const struct attach_request *request, uint64_t owner, uint64_t *out_number,
                     uint64_t *out_lsn)
{
    struct store *store = store_of(router);
    if (UNLIKELY(!store_is_ready(store)) &&
        (session == NULL || store_attach_reserve(store, request) != RC_OK))
        return RC_FULL;
    struct store_record record = {.type = STORE_SESSION,
                                  .session = store->number_next,
                                  .client_id = request->client_id,
                                  .expiry_s = request->expiry_s,
                                  .version = request->version,
                                  .is_bridge = request->is_bridge,
                                  .owner = owner,
                                  .connected = true};
    if (session != NULL)
        record.session = session->stored_number;
    struct wal_loc loc;
    /* One commit: a session is never there without the will that came with it. */
    wal_group_begin(store->wal);
    store_encode(&record, &store->parts);
    enum rc rc = store_append(store, STORE_SESSION, out_lsn, &loc);
    if (rc == RC_OK && session == NULL)
        store->number_next++;
    if (rc == RC_OK && request->will != NULL)
        rc = store_attach_will(store, record.session, request->will, out_lsn);
    if (rc != RC_OK) {
        wal_group_abort(store->wal);
        return rc;
    }
    wal_group_end(store->wal);
    *out_number = record.session;
    return RC_OK;
}

void store_attach_undo(struct router *router, uint64_t number, const struct will *will)
{
    struct store *store = store_of(router);
    if (will != NULL)
        store_will_gone(router, will->stored_number);
    store_encode_one(number, &store->parts);
    store_note(store, STORE_SESSION_END);
}

void store_detached(struct router *router, struct session *session)
{
    struct store *store = store_of(router);
    session->stored_wall_ms = store_wall_ms(store, router->shard->now_ms);
    struct store_record record = {.type = STORE_DETACHED,
                                  .session = session->stored_number,
                                  .wall_ms = session->stored_wall_ms,
                                  .expiry_s = session->expiry_s};
    store_encode(&record, &store->parts);
    store_note(store, STORE_DETACHED);
}

struct bytes store_filter_text(struct bytes group, struct bytes filter, uint8_t *out)
{
    static const char prefix[] = "$share/";
    uint8_t *at = out;
    CHECK((size_t)group.len + filter.len + sizeof(prefix) <= STORE_FILTER_MAX);
    if (group.len > 0) {
        memcpy(at, prefix, sizeof(prefix) - 1);
        at += sizeof(prefix) - 1;
        memcpy(at, group.ptr, group.len);
        at += group.len;
        *at++ = '/';
    }
    if (filter.len > 0)
        memcpy(at, filter.ptr, filter.len);
    return bytes_of(out, (size_t)(at - out) + filter.len);
}

/* SUBSCRIBE or UNSUBSCRIBE; the answer waits for it. */
static enum rc store_filter(struct router *router, struct session *session,
                            const struct topic_filter_parts *parts, struct store_record *record)
{
    struct store *store = store_of(router);
    if (record->type == STORE_SUBSCRIBE && !store_is_ready(store))
        return RC_FULL;
    uint8_t text[STORE_FILTER_MAX];
    record->session = session->stored_number;
    record->filter = store_filter_text(parts->group, parts->filter, text);
    uint64_t lsn;
    struct wal_loc loc;
    store_encode(record, &store->parts);
    enum rc rc = store_append(store, (enum store_type)record->type, &lsn, &loc);
    if (rc == RC_OK)
        router_hold(router, session, lsn);
    return rc;
}

enum rc store_subscribe(struct router *router, struct session *session,
                        const struct topic_filter_parts *parts, uint32_t sub_id, uint8_t options)
{
    struct store_record record = {.type = STORE_SUBSCRIBE, .sub_id = sub_id, .options = options};
    return store_filter(router, session, parts, &record);
}

enum rc store_unsubscribe(struct router *router, struct session *session,
                          const struct topic_filter_parts *parts)
{
    struct store_record record = {.type = STORE_UNSUBSCRIBE};
    return store_filter(router, session, parts, &record);
}

enum rc store_inbound(struct router *router, struct session *session, uint16_t packet_id,
                      uint64_t message_id)
{
    struct store *store = store_of(router);
    struct store_record record = {.type = STORE_INBOUND,
                                  .session = session->stored_number,
                                  .packet_id = packet_id,
                                  .number = message_id};
    uint64_t lsn;
    struct wal_loc loc;
    if (!store_is_ready(store))
        return RC_FULL;
    wal_group_begin(store->wal);
    store_encode(&record, &store->parts);
    enum rc rc = store_append(store, STORE_INBOUND, &lsn, &loc);
    if (rc != RC_OK)
        wal_group_abort(store->wal);
    else
        store_seen_inbound(router, session, packet_id);
    return rc;
}

void store_inbound_end(struct router *router, struct session *session, uint16_t packet_id,
                       bool accepted)
{
    struct store *store = store_of(router);
    store_seen_inbound_end(router, session, packet_id, accepted);
    if (!accepted)
        store_forget_inbound(router, session, packet_id, STORE_TAG_ALL);
    wal_group_end(store->wal);
    if (session->conn != NULL)
        router_hold(router, session, router->log_last);
}

enum rc store_released(struct router *router, struct session *session, uint16_t packet_id)
{
    struct store *store = store_of(router);
    uint64_t lsn;
    struct wal_loc loc;
    store_encode_pair(session->stored_number, packet_id, &store->parts);
    enum rc rc = store_append(store, STORE_RELEASED, &lsn, &loc);
    if (rc == RC_OK)
        router_hold(router, session, lsn);
    return rc;
}

void store_forget_received(struct router *router, struct session *session)
{
    const struct awaiting_rel_entry *entry = awaiting_rel_oldest(&session->awaiting);
    for (; entry != NULL; entry = awaiting_rel_next(&session->awaiting, entry))
        store_seen_release(router, session, entry->packet_id, entry->tag);
}

void store_forget_inbound(struct router *router, struct session *session, uint16_t packet_id,
                          uint64_t tag)
{
    struct store *store = store_of(router);
    store_seen_release(router, session, packet_id, tag);
    store_encode_pair(session->stored_number, packet_id, &store->parts);
    store_note(store, STORE_RELEASED);
}
