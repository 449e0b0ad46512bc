/*
 * test_store_rewrite.c -- logs of another number of shards (route/store_rewrite.h), written with a
 * real log and read again: everything is in one of them, and in one only.
 */
#include "../../shard_stub.h"
#include "disk.h"
#include "manifest.h"
#include "mem.h"
#include "store_replay.h"
#include "store_reshard.h"
#include "store_rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define SHARDS_MOST  4
#define NAME_SIZE    32
#define SESSIONS     40 /* in all old logs together */
#define CLOCK_WALL   UINT64_C(1700000000000)
#define ALIVE_WALL   (CLOCK_WALL - 5000)
#define BODY_PAYLOAD "the message that many wait for"

static const struct hash_key key = {{11, 22}};
static const struct image_clock image_time = {.wall_ms = CLOCK_WALL, .mono_ms = 5000};
static struct store_config config;
static struct store_replay olds[SHARDS_MOST];
static struct store_replay news[SHARDS_MOST];
static struct rewrite_from from[SHARDS_MOST];
static struct rewrite_plan plan;
static struct wal_loc bodies[SHARDS_MOST];

static void on_committed(void *context, uint64_t lsn)
{
    (void)context;
    (void)lsn;
}

static void path_of(char *out, size_t size, uint32_t generation, uint32_t number)
{
    snprintf(out, size, "%s/%u/%u", config.log_dir, generation, number);
}

static struct wal *open_log(struct shard_stub *stub, uint32_t generation, uint32_t number)
{
    static char path[sizeof(config.log_dir) + 32];
    char reason[512];
    struct wal *wal;
    path_of(path, sizeof(path), generation, number);
    struct wal_options options = {
        .path = path, .segment_bytes_first = 65536, .events = {.committed = on_committed}};
    shard_stub_open(stub);
    enum rc rc = wal_open(&wal, &stub->shard, &options, NULL, reason, sizeof(reason));
    if (rc != RC_OK)
        fail_msg("%s", reason);
    return wal;
}

static void close_log(struct shard_stub *stub, struct wal *wal)
{
    assert_int_equal(wal_flush(wal), RC_OK);
    wal_close(wal);
    shard_stub_close(stub);
}

static struct wal_loc put(struct wal *wal, const struct store_record *record)
{
    static struct store_parts parts;
    uint64_t lsn;
    struct wal_loc loc;
    store_encode(record, &parts);
    assert_int_equal(wal_append(wal, record->type, parts.parts, parts.num, &lsn, &loc), RC_OK);
    return loc;
}

static shard_id home_of(struct bytes name, uint32_t shards)
{
    return (shard_id)(hash_keyed(&key, name) % shards);
}

static struct bytes name_of(char *out, const char *kind, unsigned number)
{
    return bytes_of(out, (size_t)snprintf(out, NAME_SIZE, "%s%u", kind, number));
}

/* Session `number` (also its number in the log): three deliveries, a subscription, an INBOUND. */
static void put_session(struct wal *wal, unsigned number, struct wal_loc body)
{
    char id[NAME_SIZE];
    struct store_record record = {.type = STORE_SESSION,
                                  .session = number,
                                  .client_id = name_of(id, "client", number),
                                  .expiry_s = 60,
                                  .version = 5,
                                  .connected = number % 2 == 0,
                                  .wall_ms = number % 2 == 0 ? 0 : CLOCK_WALL - 9000};
    put(wal, &record);
    record = (struct store_record){.type = STORE_SUBSCRIBE,
                                   .session = number,
                                   .sub_id = number,
                                   .options = 1,
                                   .filter = bytes_of_text("$share/g/a/+")};
    put(wal, &record);
    for (unsigned i = 1; i <= 3; i++) {
        record = (struct store_record){.type = STORE_ENQUEUE,
                                       .session = number,
                                       .entry = {.number = i,
                                                 .qos = 1,
                                                 .location = body.word,
                                                 .bytes = 300,
                                                 .group = bytes_of_text("$share/g/a/+"),
                                                 .attempts = i}};
        put(wal, &record);
    }
    record = (struct store_record){.type = STORE_SENT,
                                   .session = number,
                                   .entry = {.number = 1,
                                             .qos = 1,
                                             .state = STORE_WAIT_PUBACK,
                                             .packet_id = 77,
                                             .location = body.word,
                                             .bytes = 300}};
    put(wal, &record);
    record = (struct store_record){
        .type = STORE_INBOUND, .session = number, .packet_id = 5, .number = 0};
    put(wal, &record);
}

static void put_will(struct wal *wal, uint64_t session, uint64_t number, const char *topic)
{
    struct store_record record = {.type = STORE_WILL,
                                  .session = session,
                                  .number = number,
                                  .delay_s = 30,
                                  .message = {.topic = bytes_of_text(topic), .owner = 7, .qos = 1}};
    put(wal, &record);
}

static void put_retained(struct wal *wal, uint32_t log, uint32_t shards)
{
    for (unsigned i = 0; i < 20; i++) {
        char topic[NAME_SIZE];
        struct store_record record = {
            .type = i % 4 == 0 ? STORE_UNRETAIN : STORE_RETAIN,
            .number = 100 + i,
            .message = {.topic = name_of(topic, "kept/", i),
                        .payload = bytes_of_text("x"),
                        .owner = i % 4 == 2 ? 0 : 1000 + i,
                        .expires_wall_ms = i % 4 == 1 ? CLOCK_WALL + 12345 : 0}};
        if (home_of(record.message.topic, shards) == log)
            put(wal, &record);
    }
}

/* One old log with the sessions that belong there. */
static void write_old(uint32_t log, uint32_t shards)
{
    struct shard_stub stub;
    struct wal *wal = open_log(&stub, 1, log);
    struct store_record record = {.type = STORE_COPY,
                                  .message = {.topic = bytes_of_text("a/b"),
                                              .payload = bytes_of_text(BODY_PAYLOAD),
                                              .qos = 1}};
    bodies[log] = put(wal, &record);
    unsigned last = 0;
    for (unsigned i = 1; i <= SESSIONS; i++) {
        char id[NAME_SIZE];
        if (home_of(name_of(id, "client", i), shards) != log)
            continue;
        put_session(wal, i, bodies[log]);
        last = i;
    }
    char topic[NAME_SIZE];
    snprintf(topic, sizeof(topic), "will/of/%u", last);
    put_will(wal, last, 1000, topic);
    snprintf(topic, sizeof(topic), "will/due/%u", log);
    put_will(wal, 900, 1001, topic); /* of a session that is not there any more */
    put_retained(wal, log, shards);
    record = (struct store_record){.type = STORE_KEYED,
                                   .number = 7 + log,
                                   .kept = log % 2 == 0,
                                   .table = bytes_of_text("bans"),
                                   .key = bytes_of_text("client:x"),
                                   .value = bytes_of_text("v")};
    put(wal, &record);
    close_log(&stub, wal);
}

static void make_olds(uint32_t from_num, uint32_t to_num)
{
    plan = (struct rewrite_plan){
        .from = from, .from_num = from_num, .to_num = to_num, .home_key = key, .clock = image_time};
    config.generation = 1;
    uint64_t wills = 0;
    for (uint32_t i = 0; i < from_num; i++) {
        write_old(i, from_num);
        assert_int_equal(store_replay_open(&olds[i], &config, i, &key, image_time), RC_OK);
        assert_int_equal(olds[i].unknown, 0);
        assert_int_equal(image_rank(olds[i].image), RC_OK);
        struct image_figures figures;
        image_figures_read(olds[i].image, &figures);
        from[i] = (struct rewrite_from){.image = olds[i].image,
                                        .log = olds[i].log,
                                        .alive_wall_ms = ALIVE_WALL,
                                        .sessions_before = plan.sessions_all,
                                        .wills_before = wills};
        plan.sessions_all += figures.sessions;
        wills += figures.wills;
    }
    assert_int_equal(plan.sessions_all, SESSIONS);
}

/* Writes the new logs, reads them, and says how many records of the kind COPY they have in all. */
static void make_news(void)
{
    for (uint32_t to = 0; to < plan.to_num; to++) {
        struct shard_stub stub;
        struct rewrite_figures weighed;
        struct rewrite_figures written;
        assert_int_equal(store_rewrite(&plan, (shard_id)to, NULL, &weighed), RC_OK);
        struct wal *wal = open_log(&stub, 2, to);
        assert_int_equal(store_rewrite(&plan, (shard_id)to, wal, &written), RC_OK);
        close_log(&stub, wal);
        assert_int_equal(weighed.sessions, written.sessions);
        assert_int_equal(weighed.deliveries, 3 * written.sessions);
        assert_true(weighed.bytes >= written.bytes && weighed.bytes <= 2 * written.bytes + 1000);
        config.generation = 2;
        assert_int_equal(store_replay_open(&news[to], &config, to, &key, image_time), RC_OK);
        assert_int_equal(news[to].unknown, 0);
        config.generation = 1;
    }
}

static void check_body(struct wal_image *log, uint64_t location)
{
    void *buffer;
    struct bytes body;
    struct store_message message;
    assert_int_equal(wal_image_read(log, (struct wal_loc){location}, &buffer, &body), RC_OK);
    assert_int_equal(store_decode_message(body, &message), RC_OK);
    assert_true(bytes_equal(message.payload, bytes_of_text(BODY_PAYLOAD)));
    mem_free(buffer);
}

static void check_session(struct store_replay *replay, struct image_session *session)
{
    struct image_state *state = session->state;
    unsigned old = 0;
    char id[64] = {0};
    memcpy(id, session->id, session->id_len);
    assert_int_equal(sscanf(id, "client%u", &old), 1);
    assert_int_equal(session->expiry_s, 60);
    assert_int_equal(session->entry_next, 4);
    assert_int_equal(session->wall_ms, old % 2 == 0 ? ALIVE_WALL : CLOCK_WALL - 9000);
    assert_int_equal(state->subs_count, 1);
    assert_int_equal(CONTAINER_OF(list_first(&state->subs), struct image_sub, link)->sub_id, old);
    assert_non_null(awaiting_rel_find(&state->awaiting, 5));
    const struct inflight_entry *sent = inflight_find(&state->window, 77);
    assert_non_null(sent);
    check_body(replay->log, sent->location);
    struct mqueue_cursor cursor;
    const struct mqueue_entry *queued = mqueue_first(&state->queue, &cursor);
    for (unsigned number = 2; number <= 3; number++) {
        assert_non_null(queued);
        assert_int_equal(queued->number, number);
        assert_int_equal(queued->bytes, 300);
        const struct delivery_extra *extra = sub_ids_extra(queued->aux);
        assert_non_null(extra);
        assert_int_equal(extra->attempts, number);
        assert_true(
            bytes_equal(image_group(replay->image, extra->group), bytes_of_text("$share/g/a/+")));
        check_body(replay->log, queued->location);
        queued = mqueue_next(&state->queue, &cursor);
    }
    assert_null(queued);
}

/* Where something was found: once, on the shard `want`. */
struct found {
    unsigned wills_of_sessions;
    unsigned wills_due;
    unsigned retained;
    unsigned deleted;
    unsigned rows;
    struct store_replay *replay;
    uint32_t to;
};

static enum rc on_will(void *context, struct image_will *will)
{
    struct found *found = context;
    assert_true(will->number > SESSIONS);
    assert_int_equal(will->delay_s, 30);
    assert_int_equal(will->msg->owner, 7);
    const struct image_session *owner = image_session_find(found->replay->image, will->session);
    unsigned old = 0;
    char topic[64] = {0};
    memcpy(topic, will->msg->pub.topic.ptr, will->msg->pub.topic.len);
    if (sscanf(topic, "will/of/%u", &old) == 1) {
        char id[NAME_SIZE];
        assert_non_null(owner);
        assert_true(bytes_equal(bytes_of(owner->id, owner->id_len), name_of(id, "client", old)));
        found->wills_of_sessions++;
    } else {
        assert_null(owner);
        found->wills_due++;
    }
    return RC_OK;
}

static enum rc on_retained(void *context, struct image_retained *kept)
{
    struct found *found = context;
    assert_int_equal(home_of(bytes_of(kept->topic, kept->topic_len), plan.to_num), found->to);
    assert_true(kept->version >= 100 && kept->version < 120);
    found->retained += kept->msg != NULL;
    found->deleted += kept->msg == NULL;
    if (kept->msg != NULL)
        assert_int_equal(kept->msg->owner, kept->version % 4 == 2 ? 0 : 900 + kept->version);
    if (kept->msg != NULL && kept->version % 4 == 1)
        assert_int_equal(kept->msg->pub.expires_at_ms, 5000 + 12345);
    return RC_OK;
}

static enum rc on_row(void *context, struct image_row *row)
{
    struct found *found = context;
    found->rows++;
    assert_int_equal(found->to, 0);
    assert_int_equal(row->version, 7 + plan.from_num - 1); /* of all old logs, the newest */
    assert_int_equal(row->kept, (plan.from_num - 1) % 2 == 0);
    return RC_OK;
}

/* Whether the sessions of old log `log` are said to have the messages of all publishers. */
static enum rc on_seen(void *context, struct image_seen *seen)
{
    struct found *found = context;
    struct image_session *publisher = image_session_find(news[seen->home].image, seen->session);
    assert_non_null(publisher);
    assert_int_equal(seen->packet_id, 5);
    uint32_t old_home = home_of(bytes_of(publisher->id, publisher->id_len), plan.from_num);
    struct store_class by = {(uint16_t)old_home, (uint16_t)plan.from_num};
    assert_true(store_class_meets(by, found->to, plan.to_num));
    if (seen->by.shards == 0)
        assert_true(store_class_covers(by, found->to, plan.to_num));
    else
        assert_true(seen->by.number == old_home && seen->by.shards == plan.from_num);
    return RC_OK;
}

static void check_news(void)
{
    uint64_t sessions = 0;
    struct found found = {0};
    bool numbers[SESSIONS + 1] = {false};
    for (uint32_t to = 0; to < plan.to_num; to++) {
        struct image_session *session = image_session_first(news[to].image);
        for (; session != NULL; session = image_session_next(news[to].image, session)) {
            struct bytes id = bytes_of(session->id, session->id_len);
            assert_int_equal(home_of(id, plan.to_num), to);
            assert_true(session->number >= 1 && session->number <= SESSIONS);
            assert_false(numbers[session->number]);
            numbers[session->number] = true;
            check_session(&news[to], session);
            sessions++;
        }
        found.replay = &news[to];
        found.to = to;
        assert_int_equal(image_wills_walk(news[to].image, &found, on_will), RC_OK);
        assert_int_equal(image_retained_walk(news[to].image, &found, on_retained), RC_OK);
        assert_int_equal(image_rows_walk(news[to].image, &found, on_row), RC_OK);
        assert_int_equal(image_seen_walk(news[to].image, &found, on_seen), RC_OK);
    }
    assert_int_equal(sessions, SESSIONS);
    assert_int_equal(found.wills_of_sessions, plan.from_num);
    assert_int_equal(found.wills_due, plan.from_num);
    assert_int_equal(found.retained, 15);
    assert_int_equal(found.deleted, 5);
    assert_int_equal(found.rows, 1);
}

static void move(uint32_t from_num, uint32_t to_num)
{
    make_olds(from_num, to_num);
    make_news();
    check_news();
}

static void from_one_to_two(void **state)
{
    (void)state;
    move(1, 2);
}

static void from_two_to_one(void **state)
{
    (void)state;
    move(2, 1);
}

static void from_two_to_three(void **state)
{
    (void)state;
    move(2, 3);
}

static void from_three_to_two(void **state)
{
    (void)state;
    move(3, 2);
}

static void from_two_to_four(void **state)
{
    (void)state;
    move(2, 4);
}

/* A message that many sessions wait for is copied once from each old log. */
static enum rc count_copies(void *context, const struct wal_record *record)
{
    *(unsigned *)context += record->type == STORE_COPY;
    return RC_OK;
}

static void a_shared_message_is_copied_once(void **state)
{
    (void)state;
    char path[sizeof(config.log_dir) + 32];
    char reason[512];
    unsigned copies = 0;
    move(3, 1);
    path_of(path, sizeof(path), 2, 0);
    struct wal_replay_options options = {
        .path = path, .from_start = true, .context = &copies, .record = count_copies};
    struct wal_image *image;
    assert_int_equal(wal_replay(&options, &image, reason, sizeof(reason)), RC_OK);
    wal_image_destroy(image);
    assert_int_equal(copies, 3);
}

/* The body of everybody's deliveries is overwritten: refused, or left out if that is asked for. */
static void a_damaged_message(void **state)
{
    (void)state;
    char path[sizeof(config.log_dir) + 64];
    struct rewrite_figures figures;
    int fd;
    make_olds(1, 2);
    snprintf(path, sizeof(path), "%s/1/0/0000000001.wal", config.log_dir);
    assert_int_equal(disk_open(path, DISK_WRITE, &fd), RC_OK);
    assert_int_equal(disk_write(fd, "damage", 6, bodies[0].word + 20), RC_OK);
    disk_close(fd);
    for (unsigned skip = 0; skip < 2; skip++) {
        struct shard_stub stub;
        plan.skip_damaged = skip == 1;
        struct wal *wal = open_log(&stub, 2, skip);
        assert_int_equal(store_rewrite(&plan, 0, wal, &figures), skip == 1 ? RC_OK : RC_INVALID);
        close_log(&stub, wal);
    }
    assert_true(figures.sessions > 0);
    assert_int_equal(figures.lost, 3 * figures.sessions);
    assert_int_equal(figures.deliveries, 0);
}

static void classes_of_sessions(void **state)
{
    (void)state;
    for (uint16_t shards = 1; shards <= 6; shards++) {
        for (uint16_t to_num = 1; to_num <= 6; to_num++) {
            for (uint16_t number = 0; number < shards; number++) {
                for (uint16_t to = 0; to < to_num; to++) {
                    bool meets = false;
                    bool covers = true;
                    for (uint32_t hash = to; hash < 60; hash += to_num) {
                        meets |= hash % shards == number;
                        covers &= hash % shards == number;
                    }
                    struct store_class by = {number, shards};
                    assert_int_equal(store_class_meets(by, to, to_num), meets);
                    assert_int_equal(store_class_covers(by, to, to_num), covers);
                }
            }
        }
    }
}

static void room_for_a_log(void **state)
{
    (void)state;
    struct wal_options usual = {0};
    assert_int_equal(store_reshard_room(0, &usual), 12u << 20);
    assert_int_equal(store_reshard_room(1u << 20, &usual), 12u << 20);
    assert_int_equal(store_reshard_room(4u << 20, &usual), 28u << 20);
    assert_int_equal(store_reshard_room(UINT64_C(1) << 30, &usual),
                     (4 + 8 + 16 + 32 + 64 * 17) * (UINT64_C(1) << 20));
    struct wal_options small = {.segment_bytes_first = 65536, .segment_bytes_max = 65536};
    assert_int_equal(store_reshard_room(100000, &small), 3 * 65536);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(config.log_dir, sizeof(config.log_dir), "/tmp/test-rewrite-XXXXXX");
    return mkdtemp(config.log_dir) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    char reason[512];
    for (unsigned i = 0; i < SHARDS_MOST; i++) {
        store_replay_close(&olds[i]);
        store_replay_close(&news[i]);
    }
    return manifest_sweep(config.log_dir, 0, reason, sizeof(reason)) != RC_OK ||
           disk_remove_dir(config.log_dir) != RC_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_of_sessions),
        cmocka_unit_test(room_for_a_log),
        cmocka_unit_test_setup_teardown(from_one_to_two, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_two_to_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_two_to_three, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_three_to_two, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_two_to_four, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_shared_message_is_copied_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_message, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
