/*
 * sim_twin.c -- see sim_twin.h.
 */
#include "sim_twin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "outbound.h"
#include "sim_base.h"
#include "sub_ids.h"

const struct hash_key twin_key = {{11, 22}};

/* ---- names and messages ---- */

static struct bytes twin_text(const char *kind, unsigned number)
{
    static char texts[4][32];
    static unsigned next;
    char *text = texts[next++ % 4];
    return bytes_of(text, (size_t)snprintf(text, sizeof(texts[0]), "%s%u", kind, number));
}

struct bytes twin_client_id(unsigned client)
{
    return twin_text("client-", client);
}

struct bytes twin_filter(unsigned filter)
{
    return twin_text(filter % 2 == 0 ? "a/b/" : "$share/g/a/", filter);
}

struct bytes twin_topic(unsigned topic)
{
    return twin_text("kept/", topic);
}

/* Users, bans: the rows of two tables. */
struct bytes twin_row_key(unsigned row)
{
    return twin_text("row-", row);
}

unsigned twin_home(struct bytes name, unsigned logs)
{
    return (unsigned)(hash_keyed(&twin_key, name) % logs);
}

struct store_message twin_message(uint32_t number)
{
    static uint8_t payload[512];
    static char topic[32];
    uint32_t len = 4 + number * 37 % 500;
    for (uint32_t i = 0; i < len; i++)
        payload[i] = (uint8_t)(i < 4 ? number >> (8 * i) : number * 31 + i);
    return (struct store_message){
        .topic = bytes_of(topic, (size_t)snprintf(topic, sizeof(topic), "m/%u", number % 50)),
        .payload = bytes_of(payload, len),
        .publisher_hash = number * UINT64_C(77),
        .expires_wall_ms = number % 5 == 0 ? TWIN_WALL_MS + 1000000 + number : 0,
        .qos = (uint8_t)(number % 3),
        .retain = number % 7 == 0};
}

static void twin_check_pub(uint32_t number, const struct pub *pub)
{
    struct store_message want = twin_message(number);
    uint64_t expires_ms = want.expires_wall_ms == 0
                              ? 0
                              : want.expires_wall_ms - TWIN_WALL_MS + TWIN_MONO_MS;
    SIM_CHECK(bytes_equal(pub->payload, want.payload) && pub->qos == want.qos &&
                  pub->publisher_hash == want.publisher_hash && pub->expires_at_ms == expires_ms,
              "message %u is another", number);
}

/* ---- deliveries ---- */

bool twin_is_before(const struct twin_entry *a, const struct twin_entry *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->number < b->number;
}

static void twin_check_body(const struct twin_entry *entry, struct wal_image *log)
{
    void *buffer;
    struct bytes body;
    struct store_message got;
    struct store_message want = twin_message(entry->message);
    enum rc rc = wal_image_read(log, (struct wal_loc){entry->location}, &buffer, &body);
    SIM_CHECK(rc == RC_OK, "delivery %llu: no body: %s", (unsigned long long)entry->number,
              rc_text(rc));
    rc = store_decode_message(body, &got);
    SIM_CHECK(rc == RC_OK && bytes_equal(got.payload, want.payload) &&
                  bytes_equal(got.topic, want.topic) && got.qos == want.qos &&
                  got.expires_wall_ms == want.expires_wall_ms && got.retain == want.retain &&
                  got.publisher_hash == want.publisher_hash,
              "delivery %llu: another body", (unsigned long long)entry->number);
    mem_free(buffer);
}

static void twin_check_aux(const struct twin_entry *entry, const struct store_image *image,
                           void *aux)
{
    const struct delivery_extra *extra = sub_ids_extra(aux);
    bool is_shared = extra != NULL && extra->group != 0;
    SIM_CHECK(is_shared == (entry->filter != 0), "delivery %llu: shared or not",
              (unsigned long long)entry->number);
    if (is_shared)
        SIM_CHECK(
            extra->attempts == entry->attempts &&
                bytes_equal(image_group(image, extra->group), twin_filter(entry->filter - 1u)),
            "delivery %llu: another group", (unsigned long long)entry->number);
    uint32_t scratch;
    const uint32_t *ids;
    uint32_t count = sub_ids_view(aux, &scratch, &ids);
    SIM_CHECK(count == entry->ids_count, "delivery %llu: %u identifiers",
              (unsigned long long)entry->number, count);
    for (uint32_t i = 0; i < count; i++)
        SIM_CHECK(ids[i] == entry->ids[i], "delivery %llu: another identifier",
                  (unsigned long long)entry->number);
}

static void twin_check_window(struct twin_session *session, const struct store_image *image,
                              const struct inflight *window, struct wal_image *log)
{
    const struct inflight_entry *got = inflight_first(window);
    for (unsigned i = 0; i < session->window_count; i++) {
        struct twin_entry *want = &session->window[i];
        SIM_CHECK(got != NULL && got->number == want->number && got->qos == want->qos &&
                      got->packet_id == want->packet_id && got->state == want->state,
                  "delivery %llu is not at its place in the window",
                  (unsigned long long)want->number);
        want->location = got->location;
        if (got->state != INFLIGHT_WAIT_PUBCOMP) {
            SIM_CHECK(((got->flags & OUTBOUND_RETAIN) != 0) == want->retain &&
                          got->bytes == want->bytes,
                      "delivery %llu: flags", (unsigned long long)want->number);
            twin_check_aux(want, image, got->aux);
            twin_check_body(want, log);
        }
        got = inflight_next(window, got);
    }
    SIM_CHECK(got == NULL, "the window has more");
}

static void twin_check_queue(struct twin_session *session, const struct store_image *image,
                             const struct mqueue *queue, struct wal_image *log)
{
    struct mqueue_cursor cursor;
    const struct mqueue_entry *got = mqueue_first(queue, &cursor);
    const struct twin_entry *last = NULL;
    for (unsigned i = 0; i < session->queue_count; i++) {
        struct twin_entry *want = NULL;
        for (unsigned j = 0; j < session->queue_count; j++) {
            struct twin_entry *entry = &session->queue[j];
            if ((last == NULL || twin_is_before(last, entry)) &&
                (want == NULL || twin_is_before(entry, want)))
                want = entry;
        }
        SIM_CHECK(want != NULL && got != NULL && got->number == want->number &&
                      got->qos == want->qos && got->priority == want->priority &&
                      got->bytes == want->bytes &&
                      ((got->flags & OUTBOUND_RETAIN) != 0) == want->retain,
                  "place %u of the queue", i);
        want->location = got->location;
        twin_check_aux(want, image, got->aux);
        twin_check_body(want, log);
        last = want;
        got = mqueue_next(queue, &cursor);
    }
    SIM_CHECK(got == NULL, "the queue has more");
}

/* ---- sessions ---- */

static struct image_session *twin_session_find(struct store_image *image, unsigned client)
{
    struct image_session *session = image_session_first(image);
    while (session != NULL &&
           !bytes_equal(bytes_of(session->id, session->id_len), twin_client_id(client)))
        session = image_session_next(image, session);
    return session;
}

static void twin_check_subs(const struct twin_session *session, const struct image_state *state)
{
    SIM_CHECK(state->subs_count == session->subs_count, "%u subscriptions", state->subs_count);
    struct list_node *node = list_first(&state->subs);
    for (; node != NULL; node = list_after(&state->subs, node)) {
        const struct image_sub *got = CONTAINER_OF(node, struct image_sub, link);
        bool found = false;
        for (unsigned i = 0; i < session->subs_count; i++)
            found |= bytes_equal(bytes_of(got->filter, got->filter_len),
                                 twin_filter(session->subs[i].filter)) &&
                     got->sub_id == session->subs[i].id && got->options == session->subs[i].options;
        SIM_CHECK(found, "a subscription that is none");
    }
}

static void twin_check_session(struct twin_session *session, unsigned client,
                               struct store_image *image, struct wal_image *log)
{
    struct image_session *got = twin_session_find(image, client);
    SIM_CHECK((got != NULL) == (session->number != 0), "client %u: its session", client);
    if (got == NULL)
        return;
    SIM_CHECK(got->number == session->number && got->expiry_s == session->expiry_s &&
                  got->version == session->version && got->owner == session->owner &&
                  got->is_bridge == session->is_bridge && got->wall_ms == session->wall_ms &&
                  got->entry_next == session->entry_next,
              "client %u: its session is another", client);
    twin_check_subs(session, got->state);
    unsigned inbound = 0;
    for (unsigned id = 0; id < TWIN_IDS; id++) {
        inbound += session->inbound[id];
        SIM_CHECK((awaiting_rel_find(&got->state->awaiting, (uint16_t)(id + 1)) != NULL) ==
                      session->inbound[id],
                  "client %u: id %u", client, id + 1);
    }
    SIM_CHECK(got->state->awaiting.count == inbound, "client %u: received ids", client);
    twin_check_window(session, image, &got->state->window, log);
    twin_check_queue(session, image, &got->state->queue, log);
}

/* ---- the rest ---- */

/* Of one kind, what was found. */
struct twin_found {
    struct twin *twin;
    unsigned log;
    unsigned count;
};

static enum rc twin_on_will(void *context, struct image_will *got)
{
    struct twin_found *found = context;
    for (unsigned i = 0; i < TWIN_WILLS; i++) {
        const struct twin_will *want = &found->twin->wills[i];
        if (want->number != got->number)
            continue;
        SIM_CHECK(got->session == want->session && got->delay_s == want->delay_s &&
                      got->expiry_s == want->message % 90,
                  "will %llu", (unsigned long long)want->number);
        twin_check_pub(want->message, &got->msg->pub);
        found->count++;
        return RC_OK;
    }
    SIM_FAIL("will %llu is none", (unsigned long long)got->number);
}

static enum rc twin_on_retained(void *context, struct image_retained *got)
{
    struct twin_found *found = context;
    if (got->msg == NULL)
        return RC_OK;
    for (unsigned i = 0; i < TWIN_TOPICS; i++) {
        const struct twin_value *want = &found->twin->topics[i];
        if (!bytes_equal(bytes_of(got->topic, got->topic_len), twin_topic(i)))
            continue;
        SIM_CHECK(want->message != 0 && want->version == got->version, "retained topic %u", i);
        twin_check_pub(want->message, &got->msg->pub);
        found->count++;
    }
    return RC_OK;
}

static enum rc twin_on_row(void *context, struct image_row *got)
{
    struct twin_found *found = context;
    if (!got->kept)
        return RC_OK;
    for (unsigned i = 0; i < TWIN_ROWS; i++) {
        const struct twin_value *want = &found->twin->rows[i];
        struct bytes key = bytes_of(got->names + got->table_len, got->key_len);
        if (!bytes_equal(key, twin_row_key(i)))
            continue;
        SIM_CHECK(want->message != 0 && want->version == got->version &&
                      bytes_equal(bytes_of(got->value, got->value_len),
                                  twin_message(want->message).payload),
                  "row %u", i);
        found->count++;
    }
    return RC_OK;
}

static enum rc twin_on_taken(void *context, struct image_taken *got)
{
    struct twin_found *found = context;
    for (unsigned i = 0; i < TWIN_TAKEN; i++) {
        const struct twin_taken *want = &found->twin->taken[i];
        found->count += want->session == got->session && want->entry == got->entry &&
                        want->home == got->home;
    }
    found->log++;
    return RC_OK;
}

static void twin_check_kept(struct twin *twin, struct store_image *image)
{
    unsigned wills = 0;
    unsigned topics = 0;
    unsigned rows = 0;
    unsigned taken = 0;
    for (unsigned i = 0; i < TWIN_WILLS; i++)
        wills += twin->wills[i].number != 0;
    for (unsigned i = 0; i < TWIN_TOPICS; i++)
        topics += twin->topics[i].message != 0;
    for (unsigned i = 0; i < TWIN_ROWS; i++)
        rows += twin->rows[i].message != 0;
    for (unsigned i = 0; i < TWIN_TAKEN; i++)
        taken += twin->taken[i].session != 0;
    struct twin_found found = {.twin = twin};
    enum rc rc = image_wills_walk(image, &found, twin_on_will);
    SIM_CHECK(rc == RC_OK && found.count == wills, "%u of %u wills", found.count, wills);
    found.count = 0;
    rc = image_retained_walk(image, &found, twin_on_retained);
    SIM_CHECK(rc == RC_OK && found.count == topics, "%u of %u topics", found.count, topics);
    found.count = 0;
    rc = image_rows_walk(image, &found, twin_on_row);
    SIM_CHECK(rc == RC_OK && found.count == rows, "%u of %u rows", found.count, rows);
    found.count = found.log = 0;
    rc = image_taken_walk(image, &found, twin_on_taken);
    SIM_CHECK(rc == RC_OK && found.count == taken && found.log == taken,
              "%u of %u deliveries of other shards", found.count, taken);
}

/* ---- QoS 2 of other shards ---- */

bool twin_has(const struct twin *twin, struct twin_place place, unsigned publisher, unsigned id,
              unsigned client)
{
    const struct twin_seen *seen = &twin->seen[publisher][id];
    const struct twin_session *session = &twin->sessions[publisher];
    if (seen->rows)
        return (seen->clients >> client & 1) != 0;
    return twin_home(twin_client_id(publisher), place.logs) == place.log && session->number != 0 &&
           session->number == seen->number && session->inbound[id];
}

/* What the rows of the image say of a message, as a set of clients. */
struct twin_rows {
    uint64_t number;
    uint32_t clients;
    unsigned home;
    uint16_t packet_id;
    bool any;
};

static enum rc twin_on_seen(void *context, struct image_seen *got)
{
    struct twin_rows *rows = context;
    if (got->session != rows->number || got->packet_id != rows->packet_id ||
        got->home != rows->home)
        return RC_OK;
    rows->any = true;
    for (unsigned client = 0; client < TWIN_CLIENTS; client++)
        if (got->by.shards == 0 ||
            twin_home(twin_client_id(client), got->by.shards) == got->by.number)
            rows->clients |= 1u << client;
    return RC_OK;
}

static void twin_check_seen(struct twin *twin, struct twin_place place, struct store_image *image,
                            unsigned publisher, unsigned id)
{
    struct twin_seen *seen = &twin->seen[publisher][id];
    struct twin_rows rows = {.number = seen->number,
                             .home = twin_home(twin_client_id(publisher), place.logs),
                             .packet_id = (uint16_t)(id + 1)};
    if (seen->number == 0)
        return;
    enum rc rc = image_seen_walk(image, &rows, twin_on_seen);
    SIM_CHECK(rc == RC_OK, "%s", rc_text(rc));
    const struct image_session *session = image_session_find(image, seen->number);
    bool is_inbound = rows.home == place.log && session != NULL &&
                      awaiting_rel_find(&session->state->awaiting, rows.packet_id) != NULL;
    for (unsigned client = 0; client < TWIN_CLIENTS; client++) {
        if (twin_home(twin_client_id(client), place.logs) != place.log)
            continue;
        bool got = rows.any ? (rows.clients >> client & 1) != 0 : is_inbound;
        SIM_CHECK(got == twin_has(twin, place, publisher, id, client),
                  "client %u and id %u of client %u: %d", client, id + 1, publisher, got);
    }
}

void twin_compare(struct twin *twin, struct twin_place place, struct store_image *image,
                  struct wal_image *log)
{
    unsigned sessions = 0;
    for (unsigned client = 0; client < TWIN_CLIENTS; client++) {
        twin_check_session(&twin->sessions[client], client, image, log);
        sessions += twin->sessions[client].number != 0;
    }
    struct image_figures figures;
    image_figures_read(image, &figures);
    SIM_CHECK(figures.sessions == sessions, "%llu sessions", (unsigned long long)figures.sessions);
    twin_check_kept(twin, image);
    for (unsigned publisher = 0; publisher < TWIN_CLIENTS; publisher++)
        for (unsigned id = 0; id < TWIN_IDS; id++)
            twin_check_seen(twin, place, image, publisher, id);
}
