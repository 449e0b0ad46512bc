/*
 * store_load.c -- bodies of deliveries back from the log, ahead of the window.
 *
 * A session that wants bodies has one load at a time: a batch of reads for the next deliveries, in
 * the order in which they will be sent: first those of the window that must be sent again, then the
 * queue. The log puts neighbours together into one read. When the last of the batch has come the
 * session is pumped, which, if there is more to send, starts the next one.
 *
 * A load names its session by handle and deliveries by number, because either may be gone when the
 * answer comes.
 *
 * Bounds: STORE_AHEAD_MAX messages and STORE_AHEAD_BYTES_MAX bytes (but at least one message) for
 * each connected session, and WAL_READS_MAX reads of the log; a session that gets none now is tried
 * again when one of its deliveries is acknowledged, or by store_turn_end.
 *
 * Threads: see store.h.
 */
#include "store.h"

#define STORE_LOAD_MAGIC 0x534c4f44u

struct store_load {
    uint32_t magic;
    uint32_t pending; /* reads that have not been answered */
    struct store *store;
    struct list_node node; /* in store->loads */
    struct handle session;
    struct mqueue_cursor cursor; /* where the queued delivery of the last answer was found */
};

/* Who waits for a body: one of the two is not NULL. */
struct store_wanting {
    struct inflight_entry *sent;
    struct mqueue_entry *queued;
};

/* The delivery with this number, if it is still there and has no message. */
static struct store_wanting store_load_find(struct session *session, uint64_t number)
{
    struct store_wanting found = {0};
    struct inflight_entry *entry = inflight_first(&session->inflight);
    for (; entry != NULL; entry = inflight_next(&session->inflight, entry)) {
        if (entry->number != number)
            continue;
        found.sent = entry->msg == NULL ? entry : NULL;
        return found;
    }
    struct mqueue_cursor cursor;
    struct mqueue_entry *queued = mqueue_first(&session->queue, &cursor);
    for (unsigned i = 0; queued != NULL && i < STORE_SHED_MAX; i++) {
        if (queued->number == number && queued->location != 0) {
            found.queued = queued->msg == NULL ? queued : NULL;
            return found;
        }
        queued = mqueue_next(&session->queue, &cursor);
    }
    return found;
}

struct msg *store_load_msg(struct store *store, struct bytes body)
{
    struct router *router = store->router;
    struct store_message message;
    if (store_decode_message(body, &message) != RC_OK)
        return NULL;
    struct pub pub = {.topic = message.topic,
                      .props = message.props,
                      .payload = message.payload,
                      .topic_hash = filter_index_hash(router->shared->filters, message.topic),
                      .publisher_hash = message.publisher_hash,
                      .publisher = HANDLE_NONE,
                      .qos = message.qos,
                      .retain = message.retain};
    if (message.expires_wall_ms != 0) {
        uint64_t now_wall_ms = store_wall_ms(store, router->shard->now_ms);
        pub.expires_at_ms = message.expires_wall_ms > now_wall_ms
                                ? router->shard->now_ms + (message.expires_wall_ms - now_wall_ms)
                                : 1;
    }
    return msg_create(&pub, router->shard->id);
}

/* The body cannot be had: the delivery is lost, which is said and counted. */
static void store_load_lost(struct store *store, struct session *session,
                            const struct store_wanting *wanting)
{
    struct router *router = store->router;
    router_count(router, STAT_DROP_LOG_READ, 1);
    if (wanting->sent != NULL) {
        outbound_give_up(router, session, wanting->sent);
        return;
    }
    struct mqueue_entry entry;
    bool found = mqueue_take(&session->queue, wanting->queued->number, &entry);
    CHECK(found);
    outbound_left(router, session, &entry);
}

static void store_load_end(struct store_load *load)
{
    struct router *router = load->store->router;
    struct session *session = slot_table_get(&router->sessions, load->session);
    list_remove(&load->node);
    load->magic = 0;
    mem_free(load);
    if (session == NULL)
        return;
    session->load = NULL;
    outbound_pump(router, session);
}

static void store_on_read(void *context, uint64_t tag, enum rc rc, struct bytes body)
{
    struct store_load *load = context;
    CHECK_OBJ(load, STORE_LOAD_MAGIC);
    CHECK(load->pending > 0);
    struct store *store = load->store;
    struct session *session = slot_table_get(&store->router->sessions, load->session);
    load->pending--;
    if (session != NULL) {
        struct store_wanting wanting = store_load_find(session, tag);
        if (wanting.sent != NULL || wanting.queued != NULL) {
            struct msg *msg = rc == RC_OK ? store_load_msg(store, body) : NULL;
            if (msg == NULL && rc == RC_INVALID)
                store_load_lost(store, session, &wanting);
            else if (wanting.sent != NULL)
                wanting.sent->msg = msg;
            else
                wanting.queued->msg = msg;
        }
    }
    if (load->pending == 0)
        store_load_end(load);
}

/* Starts one read. False: no more now. */
static bool store_load_one(struct store_load *load, uint64_t location, uint64_t number)
{
    if (wal_read(load->store->wal, (struct wal_loc){location}, store_on_read, load, number) !=
        RC_OK)
        return false;
    load->pending++;
    return true;
}

static void store_load_batch(struct store_load *load, struct session *session)
{
    uint64_t bytes = 0;
    struct inflight_entry *entry = NULL;
    if (session->resend_count > 0)
        entry = inflight_find(&session->inflight, session->resend_id);
    for (; entry != NULL; entry = inflight_next(&session->inflight, entry)) {
        if (entry->msg != NULL || entry->location == 0 || entry->state == INFLIGHT_WAIT_PUBCOMP)
            continue;
        if (load->pending >= STORE_AHEAD_MAX || bytes >= STORE_AHEAD_BYTES_MAX ||
            !store_load_one(load, entry->location, entry->number))
            return;
        bytes += entry->bytes;
    }
    struct mqueue_cursor cursor;
    struct mqueue_entry *queued = mqueue_first(&session->queue, &cursor);
    for (unsigned i = 0; queued != NULL && i < STORE_AHEAD_MAX; i++) {
        if (queued->msg == NULL) {
            if (load->pending >= STORE_AHEAD_MAX || bytes >= STORE_AHEAD_BYTES_MAX ||
                !store_load_one(load, queued->location, queued->number))
                return;
            bytes += queued->bytes;
        }
        queued = mqueue_next(&session->queue, &cursor);
    }
}

void store_load(struct router *router, struct session *session)
{
    struct store *store = router->store;
    CHECK_OBJ(store, STORE_MAGIC);
    if (session->load != NULL)
        return;
    struct store_load *load = mem_alloc(sizeof(*load));
    if (load == NULL) {
        store->resumed = true; /* tried again at the end of the turn */
        return;
    }
    *load = (struct store_load){
        .magic = STORE_LOAD_MAGIC, .store = store, .session = session->handle};
    list_push_back(&store->loads, &load->node);
    session->load = load;
    store_load_batch(load, session);
    if (load->pending > 0)
        return;
    store->resumed = true;
    store_load_cancel(router, session);
}

void store_load_cancel(struct router *router, struct session *session)
{
    struct store_load *load = session->load;
    CHECK_OBJ(load, STORE_LOAD_MAGIC);
    if (load->pending > 0)
        wal_read_cancel(router->store->wal, load);
    list_remove(&load->node);
    session->load = NULL;
    load->magic = 0;
    mem_free(load);
}
