/*
 * sim_store_steps.c -- what happens to the logs of sim_store.c.
 */
#include <stdlib.h>
#include <string.h>

#include "sim_base.h"
#include "sim_disk.h"
#include "sim_store.h"

#define STORE_STATES 4096

struct log store_logs[TWIN_LOGS];
unsigned store_logs_num;
uint64_t store_written[STORE_TYPE_END];

unsigned sim_at; /* the log at hand */
static uint32_t message_last;
static uint64_t version_last;

struct twin *sim_now(void)
{
    return &store_logs[sim_at].now;
}

/* ---- appending ---- */

/* False: the log takes nothing any more, because the disk is dead. */
static bool put(const struct store_record *record, struct wal_loc *out_loc)
{
    static struct store_parts parts;
    uint64_t lsn;
    struct wal_loc loc;
    store_encode(record, &parts);
    enum rc rc = wal_append(store_logs[sim_at].wal, record->type, parts.parts, parts.num, &lsn,
                            &loc);
    SIM_CHECK(rc == RC_OK || sim_disk_is_dead(), "append: %s", rc_text(rc));
    store_written[record->type] += rc == RC_OK;
    if (out_loc != NULL)
        *out_loc = loc;
    return rc == RC_OK;
}

void store_mark(struct log *log, uint64_t last)
{
    if (log->states_num > 0 && log->states[log->states_num - 1].lsn == last) {
        *log->states[log->states_num - 1].twin = log->now;
        return;
    }
    SIM_CHECK(log->states_num < STORE_STATES, "a long life");
    if (log->states == NULL)
        log->states = calloc(STORE_STATES, sizeof(*log->states));
    struct twin *copy = malloc(sizeof(*copy));
    SIM_CHECK(copy != NULL && log->states != NULL, "out of memory");
    *copy = log->now;
    log->states[log->states_num++] = (struct state){last, copy};
}

/* Within a commit that is not whole yet nothing is. */
static void mark(void)
{
    if (!wal_group_is_open(store_logs[sim_at].wal))
        store_mark(&store_logs[sim_at], wal_last(store_logs[sim_at].wal));
}

void sim_put_mark(const struct store_record *record)
{
    if (put(record, NULL))
        mark();
}

void sim_put_pair(enum store_type type, uint64_t session, uint64_t number)
{
    struct store_record record = {
        .type = (uint8_t)type, .session = session, .number = number, .packet_id = (uint16_t)number};
    sim_put_mark(&record);
}

bool sim_needs_body(const struct twin_entry *entry)
{
    return entry->state != STORE_WAIT_PUBCOMP;
}

static void forget(const struct twin_entry *entry)
{
    if (sim_needs_body(entry))
        wal_unref(store_logs[sim_at].wal, (struct wal_loc){entry->location}, entry->bytes);
}

static void remember(const struct twin_entry *entry)
{
    bool is_there = wal_ref(store_logs[sim_at].wal, (struct wal_loc){entry->location},
                            entry->bytes);
    SIM_CHECK(is_there, "delivery %llu has no place", (unsigned long long)entry->number);
}

/* ---- sessions ---- */

/* A client of this log, with a session or without; TWIN_CLIENTS: none. */
static unsigned client_of(bool has_session)
{
    unsigned first = sim_below(TWIN_CLIENTS);
    for (unsigned i = 0; i < TWIN_CLIENTS; i++) {
        unsigned client = (first + i) % TWIN_CLIENTS;
        if (twin_home(twin_client_id(client), store_logs_num) == sim_at &&
            (sim_now()->sessions[client].number != 0) == has_session)
            return client;
    }
    return TWIN_CLIENTS;
}

static struct twin_session *session_of(void)
{
    unsigned client = client_of(true);
    return client == TWIN_CLIENTS ? NULL : &sim_now()->sessions[client];
}

void sim_head_of(const struct twin_session *session, unsigned client, uint8_t type,
                 struct store_record *out)
{
    *out = (struct store_record){.type = type,
                                 .session = session->number,
                                 .client_id = twin_client_id(client),
                                 .expiry_s = session->expiry_s,
                                 .version = session->version,
                                 .is_bridge = session->is_bridge,
                                 .owner = session->owner,
                                 .wall_ms = session->wall_ms,
                                 .connected = session->wall_ms == 0,
                                 .number = session->entry_next,
                                 .packet_id = session->last_id};
}

struct store_record sim_will_record(const struct twin_will *will)
{
    return (struct store_record){.type = STORE_WILL,
                                 .session = will->session,
                                 .number = will->number,
                                 .delay_s = will->delay_s,
                                 .expiry_s = will->message % 90,
                                 .message = twin_message(will->message)};
}

/* CONNECT: a new session or one that goes on, with a will or without, in one commit. */
static void step_connect(void)
{
    unsigned client = client_of(sim_chance(500));
    if (client == TWIN_CLIENTS)
        return;
    struct twin_session *session = &sim_now()->sessions[client];
    bool is_new = session->number == 0;
    if (is_new)
        *session = (struct twin_session){.number = store_logs[sim_at].number_next++,
                                         .entry_next = 1};
    session->expiry_s = 1 + sim_below(1000);
    session->version = sim_chance(500) ? 5 : 4;
    session->is_bridge = sim_chance(100);
    session->owner = sim_chance(500) ? sim_random() | 1 : 0;
    session->wall_ms = 0;
    struct store_record record;
    wal_group_begin(store_logs[sim_at].wal);
    sim_head_of(session, client, STORE_SESSION, &record);
    bool done = put(&record, NULL);
    for (unsigned i = 0; done && i < TWIN_WILLS && sim_chance(600); i++) {
        struct twin_will *will = &sim_now()->wills[i];
        if (will->number != 0)
            continue;
        *will = (struct twin_will){.number = store_logs[sim_at].number_next++,
                                   .session = session->number,
                                   .message = ++message_last,
                                   .delay_s = sim_below(50)};
        record = sim_will_record(will);
        done = put(&record, NULL);
        break;
    }
    wal_group_end(store_logs[sim_at].wal);
    if (done)
        mark();
}

static void step_detach(void)
{
    struct twin_session *session = session_of();
    if (session == NULL)
        return;
    session->wall_ms = TWIN_WALL_MS + sim_below(100000);
    session->expiry_s = sim_below(5000);
    struct store_record record = {.type = STORE_DETACHED,
                                  .session = session->number,
                                  .wall_ms = session->wall_ms,
                                  .expiry_s = session->expiry_s};
    sim_put_mark(&record);
}

void sim_will_due(struct twin_will *will)
{
    will->is_due = true;
    if (!store_logs[sim_at].snap.is_on)
        return;
    will->session = 0;
    struct store_record record = sim_will_record(will);
    sim_put_mark(&record);
}

static void step_will(void)
{
    struct twin_will *will = &sim_now()->wills[sim_below(TWIN_WILLS)];
    if (will->number == 0)
        return;
    if (!will->is_due && sim_chance(500)) {
        sim_will_due(will);
        return;
    }
    uint64_t number = will->number;
    *will = (struct twin_will){0};
    struct store_record record = {.type = STORE_WILL_GONE, .number = number};
    sim_put_mark(&record);
}

static void step_end(void)
{
    struct twin_session *session = session_of();
    if (session == NULL || !sim_chance(200))
        return;
    for (unsigned i = 0; i < TWIN_WILLS; i++)
        if (sim_now()->wills[i].number != 0 && sim_now()->wills[i].session == session->number)
            sim_will_due(&sim_now()->wills[i]);
    struct twin_session old = *session;
    *session = (struct twin_session){0};
    sim_put_pair(STORE_SESSION_END, old.number, 0);
    for (unsigned i = 0; i < old.queue_count; i++)
        forget(&old.queue[i]);
    for (unsigned i = 0; i < old.window_count; i++)
        forget(&old.window[i]);
}

static void step_subscribe(void)
{
    struct twin_session *session = session_of();
    if (session == NULL)
        return;
    uint8_t filter = (uint8_t)sim_below(TWIN_FILTERS);
    unsigned i = 0;
    while (i < session->subs_count && session->subs[i].filter != filter)
        i++;
    struct store_record record = {
        .type = STORE_SUBSCRIBE, .session = session->number, .filter = twin_filter(filter)};
    if (i < session->subs_count && sim_chance(500)) {
        record.type = STORE_UNSUBSCRIBE;
        session->subs[i] = session->subs[--session->subs_count];
        sim_put_mark(&record);
        return;
    }
    session->subs[i] = (struct twin_sub){
        .id = sim_below(9), .filter = filter, .options = (uint8_t)sim_below(3)};
    session->subs_count = (uint8_t)(i == session->subs_count ? i + 1 : session->subs_count);
    record.sub_id = session->subs[i].id;
    record.options = session->subs[i].options;
    sim_put_mark(&record);
}

/* ---- deliveries ---- */

struct store_entry sim_entry_of(const struct twin_entry *entry)
{
    struct store_entry out = {.number = entry->number,
                              .location = sim_needs_body(entry) ? entry->location : 0,
                              .bytes = sim_needs_body(entry) ? entry->bytes : 0,
                              .packet_id = entry->packet_id,
                              .qos = entry->qos,
                              .state = entry->state,
                              .priority = entry->priority,
                              .retain = entry->retain};
    if (!sim_needs_body(entry))
        return out;
    out.ids = entry->ids;
    out.ids_count = entry->ids_count;
    if (entry->filter != 0) {
        out.group = twin_filter(entry->filter - 1u);
        out.attempts = entry->attempts;
    }
    return out;
}

static bool id_is_free(const struct twin_session *session, uint16_t id)
{
    for (unsigned i = 0; i < session->window_count; i++)
        if (session->window[i].packet_id == id)
            return false;
    return id != 0;
}

static void give_id(struct twin_session *session, struct twin_entry *entry)
{
    do
        session->last_id++;
    while (!id_is_free(session, session->last_id));
    entry->packet_id = session->last_id;
    entry->state = entry->qos == 1 ? STORE_WAIT_PUBACK : STORE_WAIT_PUBREC;
    entry->priority = 0;
}

/* One delivery; `location` 0: with the message, whose place it becomes. */
static bool deliver(struct twin_session *session, uint32_t message, uint64_t *location)
{
    if (session->queue_count == TWIN_QUEUE)
        return true;
    struct store_message body = twin_message(message);
    struct twin_entry entry = {.number = session->entry_next,
                               .message = message,
                               .bytes = 300 + message % 100,
                               .qos = (uint8_t)(1 + sim_below(2)),
                               .state = STORE_QUEUED,
                               .priority = (uint8_t)(sim_chance(200) ? sim_below(3) : 0),
                               .retain = sim_chance(200)};
    entry.ids_count = (uint8_t)sim_below(3);
    for (unsigned i = 0; i < entry.ids_count; i++)
        entry.ids[i] = 1 + sim_below(1000);
    if (sim_chance(300)) {
        entry.filter = (uint8_t)(2 + 2 * sim_below(TWIN_FILTERS / 2));
        entry.attempts = sim_below(4);
        entry.ids_count = entry.ids_count > 1 ? 1 : entry.ids_count;
    }
    bool is_sent = session->queue_count == 0 && session->window_count < TWIN_WINDOW;
    if (is_sent)
        give_id(session, &entry);
    struct wal_loc loc;
    entry.location = *location;
    struct store_record record = {.type = STORE_ENQUEUE,
                                  .session = session->number,
                                  .has_message = *location == 0,
                                  .entry = sim_entry_of(&entry),
                                  .message = body};
    if (!put(&record, &loc))
        return false;
    if (*location == 0)
        *location = entry.location = loc.word;
    session->entry_next++;
    if (is_sent)
        session->window[session->window_count++] = entry;
    else
        session->queue[session->queue_count++] = entry;
    remember(&entry);
    return true;
}

/* A publication: one commit, or a record after the other. */
static void step_publish(void)
{
    uint64_t location = 0;
    uint32_t message = ++message_last;
    bool is_group = sim_chance(500);
    bool done = true;
    if (is_group)
        wal_group_begin(store_logs[sim_at].wal);
    for (unsigned left = 1 + sim_below(4); done && left > 0; left--) {
        struct twin_session *session = session_of();
        if (session == NULL)
            break;
        done = deliver(session, message, &location);
        if (done && !is_group)
            mark();
    }
    if (is_group)
        wal_group_end(store_logs[sim_at].wal);
    if (done && location != 0)
        mark();
}

/* The place of the head of the queue. */
static unsigned queue_head(const struct twin_session *session)
{
    unsigned head = 0;
    for (unsigned i = 1; i < session->queue_count; i++)
        if (twin_is_before(&session->queue[i], &session->queue[head]))
            head = i;
    return head;
}

static struct twin_entry queue_take(struct twin_session *session, unsigned index)
{
    struct twin_entry entry = session->queue[index];
    session->queue_count--;
    memmove(&session->queue[index], &session->queue[index + 1],
            (session->queue_count - index) * sizeof(entry));
    return entry;
}

static void step_send(void)
{
    struct twin_session *session = session_of();
    if (session == NULL || session->queue_count == 0 || session->window_count == TWIN_WINDOW)
        return;
    struct twin_entry entry = queue_take(session, queue_head(session));
    give_id(session, &entry);
    session->window[session->window_count++] = entry;
    struct store_record record = {
        .type = STORE_SENT, .session = session->number, .entry = sim_entry_of(&entry)};
    sim_put_mark(&record);
}

static void step_answer(void)
{
    struct twin_session *session = session_of();
    if (session == NULL || session->window_count == 0)
        return;
    unsigned index = sim_below(session->window_count);
    struct twin_entry *entry = &session->window[index];
    struct twin_entry old = *entry;
    if (old.state == STORE_WAIT_PUBREC && sim_chance(700)) {
        entry->state = STORE_WAIT_PUBCOMP;
        sim_put_pair(STORE_RECEIVED, session->number, old.packet_id);
        forget(&old);
        return;
    }
    session->window_count--;
    memmove(entry, entry + 1, (session->window_count - index) * sizeof(*entry));
    sim_put_pair(STORE_DONE, session->number, old.packet_id);
    forget(&old);
}

/* Dropped; or, after a handover, back under a new number. */
static void step_drop(void)
{
    struct twin_session *session = session_of();
    if (session == NULL || session->queue_count == 0)
        return;
    struct twin_entry old = queue_take(session, sim_below(session->queue_count));
    if (sim_chance(500)) {
        sim_put_pair(STORE_DROPPED, session->number, old.number);
        forget(&old);
        return;
    }
    struct twin_entry again = old;
    again.number = session->entry_next++;
    struct store_record record = {
        .type = STORE_ENQUEUE, .session = session->number, .entry = sim_entry_of(&again)};
    session->queue[session->queue_count++] = again;
    wal_group_begin(store_logs[sim_at].wal);
    bool done = put(&record, NULL);
    record = (struct store_record){
        .type = STORE_DROPPED, .session = session->number, .number = old.number};
    done = done && put(&record, NULL);
    wal_group_end(store_logs[sim_at].wal);
    if (done)
        mark();
}

/* ---- QoS 2 of publishers ---- */

void sim_put_seen(uint8_t type, unsigned publisher, unsigned id, struct store_class by)
{
    struct store_record record = {.type = type,
                                  .session = sim_now()->seen[publisher][id].number,
                                  .packet_id = (uint16_t)(id + 1),
                                  .number = twin_home(twin_client_id(publisher), store_logs_num),
                                  .by = by};
    SIM_TRACE("log %u: record %u of id %u of client %u, class %u/%u", sim_at, type, id + 1,
              publisher, by.number, by.shards);
    sim_put_mark(&record);
}

/* Nothing is known of what the log says: that ends. */
static void seen_anew(unsigned publisher, unsigned id, uint64_t number)
{
    sim_now()->seen[publisher][id] = (struct twin_seen){.number = number};
    sim_put_seen(STORE_UNSEEN, publisher, id, (struct store_class){0});
}

/* The publisher's log says so, for sure. */
static bool log_has_released(unsigned home, unsigned publisher, unsigned id)
{
    struct log *log = &store_logs[home];
    if (log->now.sessions[publisher].inbound[id])
        return false;
    shard_become(&log->stub.shard);
    bool done = wal_flush(log->wal) == RC_OK;
    shard_become(&store_logs[sim_at].stub.shard);
    return done;
}

/*
 * Another log's publisher: stored here, or released. That a part of the sessions has it follows
 * only from a move.
 */
static void step_seen(void)
{
    unsigned publisher = sim_below(TWIN_CLIENTS);
    unsigned home = twin_home(twin_client_id(publisher), store_logs_num);
    unsigned id = sim_below(TWIN_IDS);
    uint64_t number = store_logs[home].now.sessions[publisher].number;
    struct twin_seen *seen = &sim_now()->seen[publisher][id];
    if (home == sim_at || number == 0)
        return;
    if (seen->number != number)
        seen_anew(publisher, id, number);
    if (seen->rows && !log_has_released(home, publisher, id))
        return;
    if (seen->rows) {
        *seen = (struct twin_seen){.number = number};
        sim_put_seen(STORE_UNSEEN, publisher, id, (struct store_class){0});
        return;
    }
    *seen = (struct twin_seen){.number = number, .clients = UINT32_MAX, .rows = true};
    sim_put_seen(STORE_SEEN, publisher, id, (struct store_class){0});
}

/* A packet id is free for another message when no other log knows it, for sure. */
static bool id_is_unseen(unsigned publisher, unsigned id, uint64_t number)
{
    unsigned home = sim_at;
    bool done = true;
    for (sim_at = 0; sim_at < store_logs_num; sim_at++) {
        const struct twin_seen *seen = &sim_now()->seen[publisher][id];
        if (sim_at == home || (seen->number == number && !seen->rows))
            continue;
        shard_become(&store_logs[sim_at].stub.shard);
        seen_anew(publisher, id, number);
        done = done && wal_flush(store_logs[sim_at].wal) == RC_OK;
    }
    sim_at = home;
    shard_become(&store_logs[sim_at].stub.shard);
    return done;
}

/* INBOUND and RELEASED, each in one commit with what was known of the message partly. */
static void step_inbound(void)
{
    unsigned publisher = client_of(true);
    unsigned id = sim_below(TWIN_IDS);
    if (publisher == TWIN_CLIENTS)
        return;
    struct twin_session *session = &sim_now()->sessions[publisher];
    struct twin_seen *seen = &sim_now()->seen[publisher][id];
    if (seen->number != session->number)
        seen_anew(publisher, id, session->number);
    if (!session->inbound[id] && !id_is_unseen(publisher, id, session->number))
        return;
    bool had_rows = seen->rows;
    session->inbound[id] = !session->inbound[id];
    struct store_record record = {.type = session->inbound[id] ? STORE_INBOUND : STORE_RELEASED,
                                  .session = session->number,
                                  .packet_id = (uint16_t)(id + 1)};
    SIM_TRACE("log %u: record %u of id %u of client %u", sim_at, record.type, id + 1, publisher);
    wal_group_begin(store_logs[sim_at].wal);
    bool done = put(&record, NULL);
    *seen = (struct twin_seen){
        .number = session->number, .rows = had_rows && session->inbound[id], .clients = UINT32_MAX};
    if (done && had_rows)
        sim_put_seen(session->inbound[id] ? STORE_SEEN : STORE_UNSEEN, publisher, id,
                     (struct store_class){0});
    wal_group_end(store_logs[sim_at].wal);
    if (done)
        mark();
}

/* ---- the rest ---- */

static void step_retain(void)
{
    unsigned topic = sim_below(TWIN_TOPICS);
    if (twin_home(twin_topic(topic), store_logs_num) != sim_at)
        return;
    uint64_t version = ++version_last;
    uint32_t message = sim_chance(700) ? ++message_last : 0;
    /* One that was drawn before, and comes later, counts for nothing. */
    bool is_late = sim_chance(150) && sim_now()->topics[topic].message != 0;
    if (is_late)
        version = sim_now()->topics[topic].version - 1;
    else
        sim_now()->topics[topic] = (struct twin_value){version, message};
    struct store_record record = {.type = message != 0 ? STORE_RETAIN : STORE_UNRETAIN,
                                  .number = version,
                                  .message = twin_message(message)};
    record.message.topic = twin_topic(topic);
    sim_put_mark(&record);
}

struct store_record sim_row_record(unsigned row)
{
    const struct twin_value *value = &sim_now()->rows[row];
    struct store_record record = {.type = STORE_KEYED,
                                  .number = value->version,
                                  .kept = value->message != 0,
                                  .table = bytes_of_text(row % 2 == 0 ? "users" : "bans"),
                                  .key = twin_row_key(row)};
    if (value->message != 0)
        record.value = twin_message(value->message).payload;
    return record;
}

/* Users and bans: all rows are in the first log. */
static void step_row(void)
{
    unsigned row = sim_below(TWIN_ROWS);
    if (sim_at != 0)
        return;
    sim_now()->rows[row] = (struct twin_value){++version_last,
                                               sim_chance(700) ? ++message_last : 0};
    struct store_record record = sim_row_record(row);
    sim_put_mark(&record);
}

/* A delivery of another log came here, or its giver has let it go. */
static void step_taken(void)
{
    struct twin_taken *taken = &sim_now()->taken[sim_below(TWIN_TAKEN)];
    unsigned home = sim_below(store_logs_num);
    struct store_record record = {.type = STORE_UNTAKEN};
    struct twin_taken old = *taken;
    if (old.session != 0) {
        *taken = (struct twin_taken){0};
    } else {
        const struct twin_session *giver = &store_logs[home].now.sessions[sim_below(TWIN_CLIENTS)];
        if (home == sim_at || giver->number == 0 || giver->queue_count == 0)
            return;
        const struct twin_entry *entry = &giver->queue[sim_below(giver->queue_count)];
        old = (struct twin_taken){
            .session = giver->number, .entry = entry->number, .home = (shard_id)home};
        for (unsigned i = 0; i < TWIN_TAKEN; i++)
            if (sim_now()->taken[i].session == old.session &&
                sim_now()->taken[i].entry == old.entry)
                return;
        record.type = STORE_TAKEN;
        *taken = old;
    }
    record.session = old.session;
    record.number = old.entry;
    record.home = old.home;
    sim_put_mark(&record);
}

/* Calls `visit` for each delivery of the log that needs a message. */
static void entries_visit(void (*visit)(struct twin_entry *entry, void *context), void *context)
{
    for (unsigned client = 0; client < TWIN_CLIENTS; client++) {
        struct twin_session *session = &sim_now()->sessions[client];
        for (unsigned i = 0; i < session->queue_count; i++)
            visit(&session->queue[i], context);
        for (unsigned i = 0; i < session->window_count; i++)
            if (sim_needs_body(&session->window[i]))
                visit(&session->window[i], context);
    }
}

/* From one place to another; `to` 0: only found. */
struct move {
    uint64_t from;
    uint64_t to;
    uint32_t message;
};

static void visit_pick(struct twin_entry *entry, void *context)
{
    struct move *move = context;
    if (move->from == 0 || sim_chance(200)) {
        move->from = entry->location;
        move->message = entry->message;
    }
}

static void visit_move(struct twin_entry *entry, void *context)
{
    const struct move *move = context;
    if (entry->location != move->from)
        return;
    struct twin_entry old = *entry;
    entry->location = move->to;
    remember(entry);
    forget(&old);
}

/* A message that is waited for is copied forward. */
static void step_copy(void)
{
    struct move move = {0};
    struct wal_loc loc;
    entries_visit(visit_pick, &move);
    if (move.from == 0)
        return;
    struct store_record record = {
        .type = STORE_COPY, .number = move.from, .message = twin_message(move.message)};
    if (!put(&record, &loc))
        return;
    move.to = loc.word;
    entries_visit(visit_move, &move);
    mark();
}

/* ---- all of it ---- */

static const struct {
    uint32_t weight;
    void (*run)(void);
} steps[] = {
    {60, step_connect},   {30, step_detach},   {40, step_will},    {30, step_end},
    {60, step_subscribe}, {200, step_publish}, {90, step_send},    {120, step_answer},
    {40, step_drop},      {50, step_seen},     {50, step_inbound}, {50, step_retain},
    {30, step_row},       {30, step_taken},    {25, step_copy},    {200, sim_step_checkpoint},
};

void store_step(unsigned log)
{
    uint32_t all = 0;
    sim_at = log;
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        all += steps[i].weight;
    uint32_t what = sim_below(all);
    unsigned i = 0;
    while (what >= steps[i].weight)
        what -= steps[i++].weight;
    steps[i].run();
}
