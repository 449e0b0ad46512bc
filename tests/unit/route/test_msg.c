/*
 * test_msg.c -- the one allocation of a message and its biased reference count (route/msg.h).
 *
 * That a message is freed, and not before, is seen by the address sanitizer: a missing release is a
 * leak, one too many is a use after free.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "mem.h"
#include "msg.h"

#define HOME  2
#define OTHER 3

static struct pub pub_make(void)
{
    return (struct pub){
        .topic = bytes_of_text("a/b"),
        .props = bytes_of_text("props"),
        .payload = bytes_of_text("payload"),
        .topic_hash = 11,
        .expires_at_ms = 12,
        .received_ns = 13,
        .publisher_hash = 14,
        .publisher = {.slot = 1, .generation = 2, .shard = 3},
        .qos = 2,
        .retain = true,
    };
}

static struct msg *msg_make(shard_id home)
{
    struct pub pub = pub_make();
    struct msg *msg = msg_create(&pub, home);
    assert_non_null(msg);
    return msg;
}

static bool text_is(struct bytes bytes, const char *text)
{
    return bytes_equal(bytes, bytes_of_text(text));
}

static void a_message_is_a_copy(void **state)
{
    (void)state;
    char topic[] = "a/b";
    char payload[] = "payload";
    struct pub pub = pub_make();
    pub.topic = bytes_of_text(topic);
    pub.payload = bytes_of_text(payload);
    struct msg *msg = msg_create(&pub, HOME);
    assert_non_null(msg);
    topic[0] = payload[0] = 'X';
    assert_true(text_is(msg->pub.topic, "a/b"));
    assert_true(text_is(msg->pub.props, "props"));
    assert_true(text_is(msg->pub.payload, "payload"));
    assert_int_equal(msg->pub.topic_hash, 11);
    assert_int_equal(msg->pub.expires_at_ms, 12);
    assert_int_equal(msg->pub.received_ns, 13);
    assert_int_equal(msg->pub.publisher_hash, 14);
    assert_true(handle_equal(msg->pub.publisher, pub.publisher));
    assert_int_equal(msg->pub.qos, 2);
    assert_true(msg->pub.retain);
    assert_ptr_equal(msg->pub.msg, msg);
    assert_int_equal(msg->size, sizeof(struct msg) + 3 + 5 + 7);
    assert_int_equal(msg->owner, 0);
    msg_unref(msg, HOME);
}

static void a_message_may_be_empty(void **state)
{
    (void)state;
    struct pub pub = {.topic = bytes_of_text("t")};
    struct msg *msg = msg_create(&pub, SHARD_NONE);
    assert_non_null(msg);
    assert_int_equal(msg->pub.payload.len, 0);
    assert_int_equal(msg->pub.props.len, 0);
    msg_unref(msg, SHARD_NONE);
}

static void without_memory_there_is_no_message(void **state)
{
    (void)state;
    struct pub pub = pub_make();
    if (!mem_fail_after(0))
        skip();
    assert_null(msg_create(&pub, HOME));
    assert_true(mem_fail_after(0));
    assert_null(pub_msg(&pub, HOME));
    assert_null(pub.msg);
    pub_release(&pub, HOME); /* nothing to give back */
    (void)mem_fail_after(UINT64_MAX);
}

/* However many references its home takes, they are one share of the atomic count. */
static void references_at_home_are_plain(void **state)
{
    (void)state;
    struct msg *msg = msg_make(HOME);
    for (unsigned i = 0; i < 1000; i++)
        msg_ref(msg, HOME);
    assert_int_equal(msg->home_refs, 1001);
    assert_int_equal(msg->shared_refs, 1);
    for (unsigned i = 0; i < 1000; i++)
        msg_unref(msg, HOME);
    assert_int_equal(msg->home_refs, 1);
    msg_unref(msg, HOME);
}

static void references_elsewhere_are_atomic(void **state)
{
    (void)state;
    struct msg *msg = msg_make(HOME);
    msg_ref(msg, OTHER);
    msg_ref(msg, SHARD_NONE);
    assert_int_equal(msg->home_refs, 1);
    assert_int_equal(msg->shared_refs, 3);
    msg_unref(msg, HOME);
    assert_int_equal(msg->home_refs, 0);
    assert_int_equal(msg->shared_refs, 2);
    msg_unref(msg, OTHER);
    msg_unref(msg, SHARD_NONE);
}

static void a_message_without_home_counts_atomically(void **state)
{
    (void)state;
    struct msg *msg = msg_make(SHARD_NONE);
    assert_int_equal(msg->shared_refs, 1);
    msg_ref(msg, HOME);
    msg_ref(msg, SHARD_NONE);
    assert_int_equal(msg->home_refs, 0);
    assert_int_equal(msg->shared_refs, 3);
    msg_unref_shared(msg);
    msg_unref(msg, SHARD_NONE);
    msg_unref(msg, HOME);
}

/* Sent to its own shard by mail while the shard has references of its own. */
static void home_adopts_beside_its_own(void **state)
{
    (void)state;
    struct msg *msg = msg_make(HOME);
    msg_ref_shared(msg);
    assert_int_equal(msg->shared_refs, 2);
    msg_adopt(msg, HOME);
    assert_int_equal(msg->home_refs, 2);
    assert_int_equal(msg->shared_refs, 1);
    msg_unref(msg, HOME);
    msg_unref(msg, HOME);
}

/* Home has let go meanwhile: the mail's reference becomes its share. */
static void home_adopts_after_letting_go(void **state)
{
    (void)state;
    struct msg *msg = msg_make(HOME);
    msg_ref_shared(msg);
    msg_unref(msg, HOME);
    assert_int_equal(msg->home_refs, 0);
    msg_adopt(msg, HOME);
    assert_int_equal(msg->home_refs, 1);
    assert_int_equal(msg->shared_refs, 1);
    msg_ref(msg, HOME);
    assert_int_equal(msg->home_refs, 2);
    msg_unref(msg, HOME);
    msg_unref(msg, HOME);
}

static void another_shard_adopts_what_came(void **state)
{
    (void)state;
    struct msg *msg = msg_make(HOME);
    msg_ref_shared(msg);
    msg_unref(msg, HOME);
    msg_adopt(msg, OTHER);
    assert_int_equal(msg->home_refs, 0);
    assert_int_equal(msg->shared_refs, 1);
    msg_unref(msg, OTHER);
}

/* The home takes a reference again after it had none. */
static void home_comes_back(void **state)
{
    (void)state;
    struct msg *msg = msg_make(HOME);
    msg_ref(msg, OTHER);
    msg_unref(msg, HOME);
    msg_ref(msg, HOME);
    assert_int_equal(msg->home_refs, 1);
    assert_int_equal(msg->shared_refs, 2);
    msg_unref(msg, OTHER);
    msg_unref(msg, HOME);
}

static void a_publication_makes_its_message_once(void **state)
{
    (void)state;
    struct pub pub = pub_make();
    struct msg *msg = pub_msg(&pub, HOME);
    assert_non_null(msg);
    assert_ptr_equal(pub_msg(&pub, HOME), msg);
    msg_ref(msg, HOME);
    pub_release(&pub, HOME);
    assert_int_equal(msg->home_refs, 1);
    /* The publication inside a message owns no reference to it. */
    assert_ptr_equal(pub_msg(&msg->pub, OTHER), msg);
    pub_release(&msg->pub, OTHER);
    assert_int_equal(msg->home_refs, 1);
    msg_unref(msg, HOME);
}

static void expiry_is_a_moment(void **state)
{
    (void)state;
    struct pub pub = pub_make();
    pub.expires_at_ms = 1000;
    assert_false(pub_is_expired(&pub, 999));
    assert_true(pub_is_expired(&pub, 1000));
    assert_true(pub_is_expired(&pub, 1001));
    pub.expires_at_ms = 0;
    assert_false(pub_is_expired(&pub, UINT64_MAX));
}

#define THREADS 4
#define ROUNDS  100000

static pthread_barrier_t all_are_there;

static void *count_thread(void *argument)
{
    struct msg *msg = argument;
    pthread_barrier_wait(&all_are_there);
    for (unsigned i = 0; i < ROUNDS; i++) {
        msg_ref(msg, OTHER);
        msg_unref(msg, OTHER);
    }
    msg_unref_shared(msg);
    return NULL;
}

static void threads_count_together(void **state)
{
    (void)state;
    struct msg *msg = msg_make(HOME);
    pthread_t threads[THREADS];
    pthread_barrier_init(&all_are_there, NULL, THREADS + 1);
    for (unsigned i = 0; i < THREADS; i++)
        msg_ref_shared(msg);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_thread, msg), 0);
    pthread_barrier_wait(&all_are_there);
    for (unsigned i = 0; i < ROUNDS; i++) {
        msg_ref(msg, HOME);
        msg_unref(msg, HOME);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&all_are_there);
    assert_int_equal(msg->shared_refs, 1);
    assert_int_equal(msg->home_refs, 1);
    msg_unref(msg, HOME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_a_copy),
        cmocka_unit_test(a_message_may_be_empty),
        cmocka_unit_test(without_memory_there_is_no_message),
        cmocka_unit_test(references_at_home_are_plain),
        cmocka_unit_test(references_elsewhere_are_atomic),
        cmocka_unit_test(a_message_without_home_counts_atomically),
        cmocka_unit_test(home_adopts_beside_its_own),
        cmocka_unit_test(home_adopts_after_letting_go),
        cmocka_unit_test(another_shard_adopts_what_came),
        cmocka_unit_test(home_comes_back),
        cmocka_unit_test(a_publication_makes_its_message_once),
        cmocka_unit_test(expiry_is_a_moment),
        cmocka_unit_test(threads_count_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
