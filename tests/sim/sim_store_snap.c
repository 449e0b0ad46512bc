/*
 * sim_store_snap.c -- checkpoints of the logs of sim_store.c, a slice at a time between other
 * steps, in the order of store_checkpoint.h.
 */
#include "sim_base.h"
#include "sim_disk.h"
#include "sim_store.h"

#define STORE_CHUNK 3 /* deliveries in a record of a snapshot */

/* Of so many classes no two clients have the same. */
#define STORE_CLASSES 127

static void snap_entries(uint64_t session, const struct twin_entry *entries, unsigned count)
{
    static uint8_t chunk[TWIN_WINDOW * 256];
    uint32_t used = 0;
    for (unsigned i = 0; i < count; i++) {
        struct store_entry entry = sim_entry_of(&entries[i]);
        used += store_entry_put(&entry, chunk + used);
    }
    struct store_record record = {
        .type = STORE_SNAP_ENTRIES, .session = session, .entries = bytes_of(chunk, used)};
    if (count > 0)
        sim_put_mark(&record);
}

/* Received ids, will and window, at once. */
static void snap_head(const struct twin_session *session)
{
    for (unsigned id = 0; id < TWIN_IDS; id++) {
        struct store_record record = {
            .type = STORE_INBOUND, .session = session->number, .packet_id = (uint16_t)(id + 1)};
        if (session->inbound[id])
            sim_put_mark(&record);
    }
    for (unsigned i = 0; i < TWIN_WILLS; i++) {
        const struct twin_will *will = &sim_now()->wills[i];
        struct store_record record = sim_will_record(will);
        if (will->number != 0 && !will->is_due && will->session == session->number)
            sim_put_mark(&record);
    }
    snap_entries(session->number, session->window, session->window_count);
}

/* The next few of the queue. True: that was all of it. */
static bool snap_queue(struct snap *snap, const struct twin_session *session)
{
    struct twin_entry chunk[STORE_CHUNK];
    unsigned count = 0;
    while (count < STORE_CHUNK) {
        const struct twin_entry *next = NULL;
        for (unsigned i = 0; i < session->queue_count; i++) {
            const struct twin_entry *entry = &session->queue[i];
            if (entry->number < snap->limit &&
                (!snap->has_last || twin_is_before(&snap->last, entry)) &&
                (next == NULL || twin_is_before(entry, next)))
                next = entry;
        }
        if (next == NULL)
            break;
        snap->last = chunk[count++] = *next;
        snap->has_last = true;
    }
    snap_entries(session->number, chunk, count);
    return count < STORE_CHUNK;
}

static void snap_session(struct snap *snap)
{
    const struct twin_session *session = &sim_now()->sessions[snap->client];
    struct store_record record;
    if (!snap->has_begun) {
        sim_head_of(session, snap->client, STORE_SNAP_BEGIN, &record);
        snap->session = session->number;
        snap->subs_left = session->subs_count;
        snap->limit = session->entry_next;
        snap->has_begun = true;
        snap->has_head = snap->has_last = false;
        sim_put_mark(&record);
        return;
    }
    if (snap->subs_left > session->subs_count)
        snap->subs_left = session->subs_count;
    if (snap->subs_left > 0) {
        const struct twin_sub *sub = &session->subs[--snap->subs_left];
        record = (struct store_record){.type = STORE_SUBSCRIBE,
                                       .session = session->number,
                                       .sub_id = sub->id,
                                       .options = sub->options,
                                       .filter = twin_filter(sub->filter)};
        sim_put_mark(&record);
        return;
    }
    if (!snap->has_head)
        snap_head(session);
    snap->has_head = true;
    if (!snap_queue(snap, session))
        return;
    sim_put_pair(STORE_SNAP_END, session->number, 0);
    snap->client++;
    snap->has_begun = false;
}

/* What belongs to no session; then the checkpoint is whole. */
static void snap_rest(struct snap *snap)
{
    struct store_record record;
    for (unsigned i = 0; i < TWIN_CLIENTS * TWIN_IDS; i++) {
        const struct twin_seen *seen = &sim_now()->seen[i / TWIN_IDS][i % TWIN_IDS];
        for (unsigned n = 0; seen->rows && n < STORE_CLASSES; n++) {
            /* Classes so small that each has at most one client. */
            unsigned members = 0;
            bool all = true;
            for (unsigned c = 0; c < TWIN_CLIENTS; c++)
                if (twin_home(twin_client_id(c), STORE_CLASSES) == n) {
                    members++;
                    all = all && (seen->clients >> c & 1) != 0;
                }
            if (seen->clients == UINT32_MAX && n == 0)
                sim_put_seen(STORE_SEEN, i / TWIN_IDS, i % TWIN_IDS, (struct store_class){0});
            else if (seen->clients != UINT32_MAX && members > 0 && all)
                sim_put_seen(STORE_SEEN_BY, i / TWIN_IDS, i % TWIN_IDS,
                             (struct store_class){(uint16_t)n, STORE_CLASSES});
        }
    }
    for (unsigned i = 0; i < TWIN_TAKEN; i++) {
        const struct twin_taken *taken = &sim_now()->taken[i];
        record = (struct store_record){.type = STORE_TAKEN,
                                       .session = taken->session,
                                       .number = taken->entry,
                                       .home = taken->home};
        if (taken->session != 0)
            sim_put_mark(&record);
    }
    for (unsigned i = 0; i < TWIN_TOPICS; i++) {
        const struct twin_value *value = &sim_now()->topics[i];
        record = (struct store_record){.type = STORE_RETAIN,
                                       .number = value->version,
                                       .message = twin_message(value->message)};
        record.message.topic = twin_topic(i);
        if (value->message != 0)
            sim_put_mark(&record);
    }
    for (unsigned i = 0; i < TWIN_ROWS; i++) {
        record = sim_row_record(i);
        if (sim_now()->rows[i].message != 0)
            sim_put_mark(&record);
    }
    if (!sim_disk_is_dead())
        wal_checkpoint_end(store_logs[sim_at].wal);
    *snap = (struct snap){0};
}

void sim_step_checkpoint(void)
{
    struct snap *snap = &store_logs[sim_at].snap;
    if (!snap->is_on) {
        if (!sim_chance(150))
            return;
        wal_checkpoint_begin(store_logs[sim_at].wal);
        sim_put_pair(STORE_SESSION_END, store_logs[sim_at].number_next++, 0);
        snap->is_on = true;
        for (unsigned i = 0; i < TWIN_WILLS; i++)
            if (sim_now()->wills[i].number != 0 && sim_now()->wills[i].is_due)
                sim_will_due(&sim_now()->wills[i]);
        return;
    }
    if (snap->has_begun && sim_now()->sessions[snap->client].number != snap->session) {
        snap->has_begun = false; /* it ended meanwhile */
        snap->client++;
    }
    while (snap->client < TWIN_CLIENTS && sim_now()->sessions[snap->client].number == 0)
        snap->client++;
    if (snap->client < TWIN_CLIENTS)
        snap_session(snap);
    else
        snap_rest(snap);
}
