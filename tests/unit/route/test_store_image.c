/*
 * test_store_image.c -- what records add up to: deliveries in their order, snapshots that are whole
 * or torn, wills and retained messages by version.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store_image.h"

static const struct hash_key key = {{11, 22}};
static struct store_image *image;

static void apply(const struct store_record *record, uint64_t location)
{
    static struct store_parts parts;
    static uint8_t flat[4096];
    size_t len = 0;
    store_encode(record, &parts);
    for (unsigned i = 0; i < parts.num; i++) {
        memcpy(flat + len, parts.parts[i].ptr, parts.parts[i].len);
        len += parts.parts[i].len;
    }
    assert_int_equal(image_apply(image, record->type, bytes_of(flat, len), location), RC_OK);
}

static void small(uint8_t type, uint64_t session, uint16_t packet_id, uint64_t number)
{
    struct store_record record = {
        .type = type, .session = session, .packet_id = packet_id, .number = number};
    record.client_id = bytes_of_text("c");
    record.expiry_s = 60;
    apply(&record, 0);
}

static void enqueue(uint64_t session, uint64_t number, uint64_t location)
{
    struct store_record record = {.type = STORE_ENQUEUE,
                                  .session = session,
                                  .entry = {.number = number, .qos = 1, .location = location}};
    apply(&record, 0);
}

static void snap_entry(uint64_t session, uint64_t number)
{
    uint8_t chunk[64];
    struct store_entry entry = {.number = number, .qos = 1, .location = number};
    struct store_record record = {.type = STORE_SNAP_ENTRIES, .session = session};
    record.entries = bytes_of(chunk, store_entry_put(&entry, chunk));
    apply(&record, 0);
}

static void queue_is(uint64_t session, const uint64_t *numbers, unsigned count)
{
    struct image_session *found = image_session_find(image, session);
    assert_non_null(found);
    struct mqueue_cursor cursor;
    struct mqueue_entry *entry = mqueue_first(&found->state->queue, &cursor);
    for (unsigned i = 0; i < count; i++) {
        assert_non_null(entry);
        assert_int_equal(entry->number, numbers[i]);
        entry = mqueue_next(&found->state->queue, &cursor);
    }
    assert_null(entry);
}

static int open_image(void **state)
{
    (void)state;
    image = image_create(&key, (struct image_clock){.wall_ms = 1000000, .mono_ms = 5000});
    return image == NULL;
}

static int close_image(void **state)
{
    (void)state;
    image_destroy(image);
    return 0;
}

static void test_queue_and_window(void **state)
{
    (void)state;
    small(STORE_SESSION, 1, 0, 0);
    for (uint64_t i = 1; i <= 4; i++)
        enqueue(1, i, 100 + i);
    struct store_record sent = {
        .type = STORE_SENT,
        .session = 1,
        .entry = {
            .number = 1, .qos = 1, .state = STORE_WAIT_PUBACK, .packet_id = 7, .location = 101}};
    apply(&sent, 0);
    small(STORE_DROPPED, 1, 0, 3);
    small(STORE_DONE, 2, 7, 0); /* of a session that is not known */
    assert_int_equal(image_finish(image), RC_OK);
    queue_is(1, (const uint64_t[]){2, 4}, 2);
    struct image_session *session = image_session_find(image, 1);
    assert_int_equal(session->entry_next, 5);
    assert_int_equal(inflight_find(&session->state->window, 7)->location, 101);
}

static void test_torn_snapshot_is_forgotten(void **state)
{
    (void)state;
    small(STORE_SESSION, 1, 0, 0);
    enqueue(1, 1, 101);
    enqueue(1, 2, 102);
    small(STORE_SNAP_BEGIN, 1, 0, 3);
    snap_entry(1, 1);
    enqueue(1, 3, 103);
    assert_int_equal(image_finish(image), RC_OK);
    queue_is(1, (const uint64_t[]){1, 2, 3}, 3);
}

static void test_whole_snapshot_replaces(void **state)
{
    (void)state;
    small(STORE_SNAP_BEGIN, 1, 0, 4);
    snap_entry(1, 1);
    enqueue(1, 4, 104);
    struct store_record sent = {
        .type = STORE_SENT,
        .session = 1,
        .entry = {
            .number = 2, .qos = 1, .state = STORE_WAIT_PUBACK, .packet_id = 9, .location = 102}};
    apply(&sent, 0); /* before its entry was written: the record says all */
    snap_entry(1, 3);
    small(STORE_SNAP_END, 1, 0, 0);
    small(STORE_SNAP_BEGIN, 2, 0, 1); /* never ends, and there was none before */
    assert_int_equal(image_finish(image), RC_OK);
    queue_is(1, (const uint64_t[]){1, 3, 4}, 3);
    assert_non_null(inflight_find(&image_session_find(image, 1)->state->window, 9));
    assert_null(image_session_find(image, 2));
}

static void test_session_ends(void **state)
{
    (void)state;
    small(STORE_SESSION, 1, 0, 0);
    enqueue(1, 1, 101);
    small(STORE_SESSION_END, 1, 0, 0);
    enqueue(1, 2, 102);
    assert_int_equal(image_finish(image), RC_OK);
    assert_null(image_session_first(image));
}

static void seen_by(uint64_t session, uint16_t number, uint16_t shards)
{
    struct store_record record = {.type = shards == 0 ? STORE_SEEN : STORE_SEEN_BY,
                                  .session = session,
                                  .packet_id = 7,
                                  .number = 1,
                                  .by = {number, shards}};
    apply(&record, 0);
}

static enum rc count_seen(void *context, struct image_seen *seen)
{
    unsigned *counts = context;
    counts[seen->by.shards]++;
    return RC_OK;
}

/* Several classes of sessions may have one message; it is released for all of them. */
static void test_seen_by_classes(void **state)
{
    (void)state;
    unsigned counts[4] = {0};
    seen_by(5, 0, 3);
    seen_by(5, 2, 3);
    seen_by(5, 2, 3);
    seen_by(5, 0, 0);
    seen_by(6, 1, 2);
    assert_int_equal(image_seen_walk(image, counts, count_seen), RC_OK);
    assert_true(counts[0] == 1 && counts[2] == 1 && counts[3] == 2);
    assert_true(image_seen_has(image, 1, 5, 7));
    assert_false(image_seen_has(image, 0, 5, 7));
    small(STORE_UNSEEN, 5, 7, 1);
    assert_false(image_seen_has(image, 1, 5, 7));
    assert_true(image_seen_has(image, 1, 6, 7));
}

static enum rc count_taken(void *context, struct image_taken *taken)
{
    unsigned *count = context;
    *count += taken->home == 3;
    return RC_OK;
}

/* A row for each delivery of another shard, until that has it no more. */
static void test_taken(void **state)
{
    (void)state;
    unsigned count = 0;
    struct store_record record = {.type = STORE_TAKEN, .session = 5, .number = 8, .home = 3};
    apply(&record, 0);
    apply(&record, 0);
    record.number = 9;
    apply(&record, 0);
    record.type = STORE_UNTAKEN;
    record.number = 7;
    apply(&record, 0);
    assert_int_equal(image_taken_walk(image, &count, count_taken), RC_OK);
    assert_int_equal(count, 2);
    assert_true(image_taken_has(image, 3, 5, 8) && !image_taken_has(image, 2, 5, 8));
    record.number = 8;
    apply(&record, 0);
    assert_true(!image_taken_has(image, 3, 5, 8) && image_taken_has(image, 3, 5, 9));
}

static void copy(uint64_t from, uint64_t to)
{
    struct store_record record = {.type = STORE_COPY, .number = from};
    record.message.topic = bytes_of_text("t");
    apply(&record, to);
}

/* Whatever named an old place, before the copy or after it, means the newest one. */
static void test_copies_are_found(void **state)
{
    (void)state;
    small(STORE_SNAP_BEGIN, 1, 0, 4);
    snap_entry(1, 1);
    snap_entry(1, 2);
    copy(1, 501);
    snap_entry(1, 3);
    small(STORE_SNAP_END, 1, 0, 0);
    enqueue(1, 4, 104);
    enqueue(1, 5, 104); /* of another filter: the same message */
    copy(104, 502);
    copy(2, 503);
    copy(501, 601); /* copied, and copied again */
    copy(2, 602);   /* the first copy of it was given up */
    struct store_record sent = {
        .type = STORE_SENT,
        .session = 1,
        .entry = {
            .number = 4, .qos = 1, .state = STORE_WAIT_PUBACK, .packet_id = 7, .location = 104}};
    apply(&sent, 0); /* by somebody who had not heard of it yet */
    assert_int_equal(image_finish(image), RC_OK);
    queue_is(1, (const uint64_t[]){1, 2, 3, 5}, 4);
    static const uint64_t places[] = {601, 602, 3, 502};
    struct image_session *session = image_session_find(image, 1);
    struct mqueue_cursor cursor;
    struct mqueue_entry *entry = mqueue_first(&session->state->queue, &cursor);
    for (unsigned i = 0; i < 4; i++, entry = mqueue_next(&session->state->queue, &cursor))
        assert_int_equal(entry->location, places[i]);
    assert_int_equal(inflight_find(&session->state->window, 7)->location, 502);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_queue_and_window, open_image, close_image),
        cmocka_unit_test_setup_teardown(test_torn_snapshot_is_forgotten, open_image, close_image),
        cmocka_unit_test_setup_teardown(test_whole_snapshot_replaces, open_image, close_image),
        cmocka_unit_test_setup_teardown(test_session_ends, open_image, close_image),
        cmocka_unit_test_setup_teardown(test_seen_by_classes, open_image, close_image),
        cmocka_unit_test_setup_teardown(test_taken, open_image, close_image),
        cmocka_unit_test_setup_teardown(test_copies_are_found, open_image, close_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
