/*
 * test_store_keyed.c -- rows of other parts: told when they are committed, there again after a
 * crash, whole while a checkpoint walks over them (route/store_keyed.h).
 *
 * A router with nothing but a store, a log on the machine's own file system, and an endpoint that
 * sends the changes.
 */
#include "../../shard_stub.h"
#include "disk.h"
#include "mem.h"
#include "store.h"
#include "wal_replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define TOLD_MAX 64

static struct shard_stub stub;
static struct route_shared shared;
static struct router router;
static struct store store;
static struct mesh *mesh;
static struct mail_port *sender;
static struct wal_image *log_image;
static struct store_image *image;
static char dir[256];

/* What was answered last, and how often. */
static unsigned answers;
static enum rc answer_rc;

/* Rows told at the start: "table/key=value". */
static char told[TOLD_MAX][64];
static unsigned told_num;

static enum rc on_row(void *context, struct bytes table, struct bytes key, struct bytes value)
{
    (void)context;
    assert_true(told_num < TOLD_MAX);
    snprintf(told[told_num++], sizeof(told[0]), "%.*s/%.*s=%.*s", (int)table.len,
             (const char *)table.ptr, (int)key.len, (const char *)key.ptr, (int)value.len,
             value.ptr == NULL ? "" : (const char *)value.ptr);
    return RC_OK;
}

static void on_committed(void *context, uint64_t lsn)
{
    (void)context;
    router.log_committed = lsn;
    store_keyed_committed(&store);
}

static enum rc on_record(void *context, const struct wal_record *record)
{
    (void)context;
    return image_apply(image, record->type, record->body, record->loc.word);
}

static enum rc on_image_row(void *context, struct image_row *row)
{
    (void)context;
    return store_keyed_restore(&router, row);
}

static void open_store(void)
{
    static const struct store_rows_told rows = {.row = on_row};
    static struct stats sender_stats;
    char reason[512] = "";
    shard_stub_open(&stub);
    mesh = mesh_create(2);
    stub.shard.port = mail_port_create(mesh, 0, stub.shard.stats);
    sender = mail_port_create(mesh, 1, &sender_stats);
    memset(&router, 0, sizeof(router));
    memset(&store, 0, offsetof(struct store, parts));
    shared = (struct route_shared){.shards = 1, .rows = &rows, .home_key = {{1, 2}}};
    router.magic = ROUTER_MAGIC;
    router.shard = &stub.shard;
    router.stats = stub.shard.stats;
    router.shared = &shared;
    router.store = &store;
    stub.shard.route = &router;
    store.magic = STORE_MAGIC;
    store.router = &router;
    store_keyed_init(&store.keyed);
    image = image_create(&shared.home_key, (struct image_clock){.wall_ms = 1, .mono_ms = 1});
    struct wal_replay_options replay = {.path = dir, .record = on_record};
    enum rc rc = wal_replay(&replay, &log_image, reason, sizeof(reason));
    assert_true(rc == RC_OK || rc == RC_NOT_FOUND);
    struct wal_options options = {.path = dir,
                                  .segment_bytes_first = 65536,
                                  .segment_bytes_max = 262144,
                                  .events = {.committed = on_committed}};
    rc = wal_open(&store.wal, &stub.shard, &options, log_image, reason, sizeof(reason));
    if (rc != RC_OK)
        fail_msg("%s", reason);
    told_num = 0;
    assert_int_equal(image_rows_walk(image, NULL, on_image_row), RC_OK);
    image_destroy(image);
}

/* What an end of the process would leave: nothing is said to the log. */
static void close_store(void)
{
    store_keyed_fini(&store.keyed);
    wal_close(store.wal);
    wal_image_destroy(log_image);
    log_image = NULL;
    mail_port_destroy(stub.shard.port);
    mail_port_destroy(sender);
    mesh_destroy(mesh);
    shard_stub_close(&stub);
}

static void on_mail_of_shard(void *context, const struct mail *mail)
{
    (void)context;
    assert_int_equal(mail->kind, MAIL_KEYED);
    store_keyed_on_mail(&stub.shard, mail);
}

static void on_mail_of_sender(void *context, const struct mail *mail)
{
    (void)context;
    assert_int_equal(mail->kind, MAIL_KEYED_DONE);
    struct keyed_change *change = mail->ptr;
    answers++;
    answer_rc = change->rc;
    assert_ptr_equal(change->context, &answers);
    keyed_change_destroy(change);
}

static void send_change(const char *table, const char *key, const char *value)
{
    struct keyed_change *change = keyed_change_create(
        bytes_of_text(table), bytes_of_text(key), value != NULL,
        value == NULL ? bytes_of(NULL, 0) : bytes_of_text(value), &answers);
    assert_non_null(change);
    struct mail mail = {.kind = MAIL_KEYED, .ptr = change};
    mail_send(sender, 0, MAIL_CONTROL, &mail);
    mail_flush(sender, NULL, NULL);
    mail_drain(stub.shard.port, 64, on_mail_of_shard, NULL);
}

static void until_answered(unsigned count)
{
    for (unsigned i = 0; answers < count; i++) {
        assert_true(i < 1000);
        shard_stub_turn(&stub, i == 0 ? 0 : 100000000);
        mail_flush(stub.shard.port, NULL, NULL);
        mail_drain(sender, 64, on_mail_of_sender, NULL);
    }
}

/* Sends, and waits for the answer RC_OK. */
static void change(const char *table, const char *key, const char *value)
{
    unsigned before = answers;
    send_change(table, key, value);
    until_answered(before + 1);
    assert_int_equal(answer_rc, RC_OK);
}

static void assert_told(const char *row)
{
    for (unsigned i = 0; i < told_num; i++)
        if (strcmp(told[i], row) == 0)
            return;
    fail_msg("%s was not told", row);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "keyed-test-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static void remove_entry(void *context, const char *name)
{
    (void)context;
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(disk_remove(path), RC_OK);
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(disk_list(dir, NULL, remove_entry), RC_OK);
    return disk_remove_dir(dir) != RC_OK;
}

static void test_rows_are_there_again(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(told_num, 0);
    change("users", "ann", "1");
    change("users", "bob", "2");
    change("bans", "ann", "3");
    change("users", "ann", "4");
    change("users", "bob", NULL);
    change("users", "nobody", NULL);
    change("users", "", "empty key");
    change("users", "cid", "");
    close_store();
    open_store();
    assert_int_equal(told_num, 4);
    assert_told("users/ann=4");
    assert_told("bans/ann=3");
    assert_told("users/=empty key");
    assert_told("users/cid=");
    /* Versions go on where they were, so that the next life's changes are the newest. */
    change("users", "ann", "5");
    close_store();
    open_store();
    assert_told("users/ann=5");
    close_store();
}

static void test_nothing_is_answered_before_the_commit(void **state)
{
    (void)state;
    open_store();
    unsigned before = answers;
    send_change("t", "k", "v");
    mail_flush(stub.shard.port, NULL, NULL);
    mail_drain(sender, 64, on_mail_of_sender, NULL);
    assert_int_equal(answers, before);
    until_answered(before + 1);
    assert_int_equal(answer_rc, RC_OK);
    close_store();
}

/* Writes the rows as a checkpoint does, with changes between two of them. */
static unsigned checkpoint(const char *in_between)
{
    struct store_record record;
    unsigned num = 0;
    wal_checkpoint_begin(store.wal);
    store_keyed_walk_begin(&store.keyed);
    while (store_keyed_walk_next(&store.keyed, &record)) {
        uint64_t lsn;
        struct wal_loc loc;
        store_encode(&record, &store.parts);
        assert_int_equal(store_append(&store, STORE_KEYED, &lsn, &loc), RC_OK);
        if (num++ == 1 && in_between != NULL) {
            change("t", "k2", NULL); /* the row that is next */
            change("t", "k0", NULL); /* one that has been */
            change("t", "k9", in_between);
            change("t", "new", in_between);
        }
        assert_true(num < 100);
    }
    store_keyed_walk_end(&store.keyed);
    wal_checkpoint_end(store.wal);
    return num;
}

static void test_changes_while_a_checkpoint_walks(void **state)
{
    (void)state;
    open_store();
    for (char i = '0'; i <= '9'; i++)
        change("t", (char[]){'k', i, '\0'}, (char[]){i, '\0'});
    assert_int_equal(checkpoint("x"), 2 + 6 + 2);
    change("t", "last", "y");
    close_store();
    open_store();
    assert_int_equal(told_num, 10);
    assert_told("t/k1=1");
    assert_told("t/k8=8");
    assert_told("t/k9=x");
    assert_told("t/new=x");
    assert_told("t/last=y");
    /* A second one: what was deleted before the first does not come back. */
    assert_int_equal(checkpoint(NULL), 10);
    change("t", "k1", NULL);
    close_store();
    open_store();
    assert_int_equal(told_num, 9);
    close_store();
}

/* A change that was under way when the process ended is freed, not told. */
static void test_the_end_with_changes_under_way(void **state)
{
    (void)state;
    open_store();
    send_change("t", "k", "v");
    close_store();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_are_there_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_answered_before_the_commit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_changes_while_a_checkpoint_walks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_with_changes_under_way, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
