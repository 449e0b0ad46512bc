/*
 * test_mail.c -- the mesh between threads (engine/mail.h): order, classes, overflow, pressure,
 * sleep and wake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine_stats.h"
#include "mail.h"
#include "mem.h"

#define ENDPOINTS     3
#define RING_CONTROL  64    /* as in mail.c: a control ring holds one record less than this */
#define RECEIVED_MAX  20000 /* of one test */
#define PRESS_RECORDS 4096  /* as in mail.c */

static struct mesh *mesh;
static struct mail_port *ports[ENDPOINTS];
static struct stats stats[ENDPOINTS];
static struct mail received[RECEIVED_MAX];
static unsigned received_count;
static unsigned wakes[ENDPOINTS];

static int set_up(void **state)
{
    (void)state;
    memset(stats, 0, sizeof(stats));
    memset(wakes, 0, sizeof(wakes));
    received_count = 0;
    mesh = mesh_create(ENDPOINTS);
    for (unsigned i = 0; i < ENDPOINTS; i++)
        ports[i] = mail_port_create(mesh, (shard_id)i, &stats[i]);
    return mesh == NULL || ports[ENDPOINTS - 1] == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENDPOINTS; i++)
        mail_port_destroy(ports[i]);
    mesh_destroy(mesh);
    return 0;
}

static void on_mail(void *context, const struct mail *mail)
{
    (void)context;
    assert_true(received_count < RECEIVED_MAX);
    received[received_count++] = *mail;
}

static void on_wake(void *context, shard_id target)
{
    (void)context;
    wakes[target]++;
}

static void send(unsigned from, unsigned to, enum mail_class class, uint64_t number,
                 uint32_t weight)
{
    struct mail mail = {.kind = 7, .count = 3, .weight = weight, .words = {number, ~number}};
    mail_send(ports[from], (shard_id)to, class, &mail);
}

static void post(unsigned from, unsigned to, uint64_t number)
{
    uint64_t *bytes = mail_post(ports[from], (shard_id)to, 7, 2 * sizeof(*bytes));
    assert_non_null(bytes);
    bytes[0] = number;
    bytes[1] = ~number;
}

/* What was posted is seen like what was sent. */
static void on_posted(void *context, const struct mail *mail)
{
    const uint64_t *bytes = mail->ptr;
    struct mail like = *mail;
    assert_int_equal(mail->kind, 7);
    if (bytes != NULL) {
        assert_int_equal(mail->words[0], 2 * sizeof(*bytes));
        memcpy(like.words, bytes, 2 * sizeof(*bytes));
    }
    on_mail(context, &like);
}

static void flush(unsigned from)
{
    mail_flush(ports[from], on_wake, NULL);
}

static bool drain(unsigned self, unsigned budget)
{
    return mail_drain(ports[self], budget, on_mail, NULL);
}

/* Flushes and drains until nothing moves any more. */
static void settle(unsigned from, unsigned to)
{
    unsigned before;
    do {
        before = received_count;
        flush(from);
        while (drain(to, 1000))
            ;
    } while (received_count > before);
}

static void a_record_arrives_as_it_was(void **state)
{
    (void)state;
    int thing;
    struct mail mail = {.kind = 5, .count = 9, .from = 99, .weight = 77, .ptr = &thing};
    for (unsigned i = 0; i < 6; i++)
        mail.words[i] = i * UINT64_C(0x0123456789abcdef);
    mail_send(ports[1], 2, MAIL_DATA, &mail);
    flush(1);
    assert_false(drain(2, 10));
    assert_int_equal(received_count, 1);
    mail.from = 1;
    assert_memory_equal(&received[0], &mail, sizeof(mail));
}

static void nothing_arrives_before_the_flush(void **state)
{
    (void)state;
    send(0, 1, MAIL_DATA, 1, 0);
    assert_false(drain(1, 10));
    assert_int_equal(received_count, 0);
    assert_false(mail_has_news(ports[1]));
    flush(0);
    assert_true(mail_has_news(ports[1]));
    drain(1, 10);
    assert_int_equal(received_count, 1);
    assert_false(mail_has_news(ports[1]));
}

static void mail_to_oneself_comes_with_a_later_drain(void **state)
{
    (void)state;
    send(2, 2, MAIL_CONTROL, 4, 0);
    drain(2, 10);
    assert_int_equal(received_count, 0);
    flush(2);
    drain(2, 10);
    assert_int_equal(received_count, 1);
    assert_int_equal(received[0].from, 2);
}

static void control_goes_first_then_confirmations_then_data(void **state)
{
    (void)state;
    send(0, 2, MAIL_DATA, 30, 0);
    send(1, 2, MAIL_DATA, 31, 0);
    send(0, 2, MAIL_CONFIRM, 20, 0);
    send(1, 2, MAIL_CONFIRM, 21, 0);
    send(0, 2, MAIL_CONTROL, 10, 0);
    send(1, 2, MAIL_CONTROL, 11, 0);
    flush(0);
    flush(1);
    drain(2, 10);
    assert_int_equal(received_count, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(received[i].words[0] / 10, 1 + i / 2);
}

static void order_holds_through_the_overflow(void **state)
{
    (void)state;
    for (unsigned class = 0; class < MAIL_CLASS_COUNT; class ++) {
        received_count = 0;
        uint64_t number = 0;
        /* Beyond the largest ring, with the receiver taking a little now and then. */
        for (unsigned i = 0; i < 12000; i++) {
            send(0, 1, (enum mail_class) class, number++, 0);
            if (i % 1500 == 0) {
                flush(0);
                drain(1, 20);
            }
        }
        assert_true(mail_has_overflow(ports[0]));
        settle(0, 1);
        assert_false(mail_has_overflow(ports[0]));
        assert_int_equal(received_count, number);
        for (unsigned i = 0; i < received_count; i++) {
            assert_int_equal(received[i].words[0], i);
            assert_int_equal(received[i].words[1], ~(uint64_t)i);
        }
    }
    assert_true(stat_read(&stats[0], STAT_MAIL_OVERFLOWED) > 0);
    assert_int_equal(stat_read(&stats[0], STAT_MAIL_SENT), 36000);
    assert_int_equal(stat_read(&stats[1], STAT_MAIL_RECEIVED), 36000);
}

static void a_record_behind_the_overflow_does_not_overtake_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RING_CONTROL + 5; i++)
        send(0, 1, MAIL_CONTROL, i, 0);
    flush(0);
    drain(1, 1000); /* the ring is empty now, the overflow is not */
    send(0, 1, MAIL_CONTROL, RING_CONTROL + 5, 0);
    settle(0, 1);
    assert_int_equal(received_count, RING_CONTROL + 6);
    for (unsigned i = 0; i < received_count; i++)
        assert_int_equal(received[i].words[0], i);
}

static void a_full_ring_holds_up_no_other(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * RING_CONTROL; i++)
        send(0, 1, MAIL_CONTROL, i, 0);
    send(0, 1, MAIL_DATA, 1000, 0);
    send(0, 2, MAIL_CONTROL, 2000, 0);
    flush(0);
    drain(2, 10);
    assert_int_equal(received_count, 1);
    assert_int_equal(received[0].words[0], 2000);
    received_count = 0;
    drain(1, 1);
    assert_int_equal(received_count, 2);
    assert_int_equal(received[1].words[0], 1000);
}

static void a_drain_stops_at_its_budget(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        send(0, 2, MAIL_DATA, i, 0);
        send(1, 2, MAIL_DATA, i, 0);
    }
    flush(0);
    flush(1);
    assert_true(drain(2, 4));
    assert_int_equal(received_count, 8); /* of each ring */
    assert_true(mail_has_news(ports[2]));
    assert_true(drain(2, 4));
    assert_false(drain(2, 4));
    assert_int_equal(received_count, 20);
    assert_false(drain(2, 4));
}

static void too_many_waiting_records_press(void **state)
{
    (void)state;
    unsigned sent = 0;
    while (!mail_pressed(ports[0], 1)) {
        send(0, 1, MAIL_DATA, sent++, 0);
        assert_true(sent < RECEIVED_MAX);
    }
    assert_true(sent > PRESS_RECORDS);
    assert_true(stat_read(&stats[0], STAT_MAIL_OVERFLOWED) == PRESS_RECORDS + 1);
    assert_true(mail_pressed_any(ports[0]));
    assert_false(mail_pressed(ports[0], 2));
    /* Room for some is not enough: the overflow has to be empty. */
    flush(0);
    drain(1, 100);
    flush(0);
    assert_true(mail_pressed(ports[0], 1));
    settle(0, 1);
    assert_false(mail_pressed(ports[0], 1));
    assert_false(mail_pressed_any(ports[0]));
    assert_int_equal(received_count, sent);
}

static void too_many_bytes_press_until_half_are_taken(void **state)
{
    (void)state;
    mesh_set_limit(mesh, 1000);
    for (unsigned i = 0; i < 10; i++)
        send(0, 1, MAIL_DATA, i, 100);
    assert_false(mail_pressed(ports[0], 1));
    send(0, 1, MAIL_DATA, 10, 100);
    assert_true(mail_pressed(ports[0], 1));
    assert_true(mail_has_overflow(ports[0]));
    flush(0);
    assert_true(mail_pressed(ports[0], 1));
    drain(1, 5); /* 600 bytes are left */
    flush(0);
    assert_true(mail_pressed(ports[0], 1));
    drain(1, 1);
    assert_true(mail_pressed(ports[0], 1)); /* known at the flush */
    flush(0);
    assert_false(mail_pressed(ports[0], 1));
    assert_false(mail_has_overflow(ports[0]));
}

static void only_data_presses(void **state)
{
    (void)state;
    mesh_set_limit(mesh, 1000);
    for (unsigned i = 0; i < 6000; i++)
        send(0, 1, MAIL_CONFIRM, i, 1000);
    send(0, 1, MAIL_CONTROL, 0, 100000);
    assert_false(mail_pressed(ports[0], 1));
}

static void a_sleeper_is_woken_once(void **state)
{
    (void)state;
    assert_true(mail_sleep(ports[1]));
    send(0, 1, MAIL_DATA, 1, 0);
    send(0, 1, MAIL_CONTROL, 2, 0);
    assert_int_equal(wakes[1], 0);
    flush(0);
    assert_int_equal(wakes[1], 1);
    send(2, 1, MAIL_DATA, 3, 0);
    flush(2);
    flush(0);
    assert_int_equal(wakes[1], 1);
    assert_int_equal(wakes[0] + wakes[2], 0);
    assert_int_equal(stat_read(&stats[0], STAT_MAIL_WAKES), 1);
    drain(1, 10);
    assert_int_equal(received_count, 3);
}

static void whoever_is_awake_is_not_woken(void **state)
{
    (void)state;
    send(0, 1, MAIL_DATA, 1, 0);
    flush(0);
    drain(1, 10);
    assert_true(mail_sleep(ports[1]));
    mail_awake(ports[1]);
    send(0, 1, MAIL_DATA, 2, 0);
    flush(0);
    assert_int_equal(wakes[1], 0);
}

static void nobody_sleeps_on_mail(void **state)
{
    (void)state;
    send(0, 1, MAIL_DATA, 1, 0);
    flush(0);
    assert_false(mail_sleep(ports[1]));
    /* The announcement was taken back, so the next mail wakes nobody. */
    send(0, 1, MAIL_DATA, 2, 0);
    flush(0);
    assert_int_equal(wakes[1], 0);
    drain(1, 1);
    assert_false(mail_sleep(ports[1]));
    drain(1, 1);
    assert_true(mail_sleep(ports[1]));
}

static void what_is_posted_and_sent_keeps_its_order(void **state)
{
    (void)state;
    uint64_t number = 0;
    for (unsigned i = 0; i < 3000; i++) {
        for (unsigned in_a_row = i % 5; in_a_row > 0; in_a_row--)
            post(0, 1, number++);
        if (i % 3 == 0)
            send(0, 1, MAIL_DATA, number++, 0);
        if (i % 100 == 0) {
            flush(0);
            mail_drain(ports[1], 20, on_posted, NULL);
        }
    }
    unsigned before;
    do {
        before = received_count;
        flush(0);
        while (mail_drain(ports[1], 1000, on_posted, NULL))
            ;
    } while (received_count > before);
    assert_int_equal(received_count, number);
    for (unsigned i = 0; i < received_count; i++) {
        assert_int_equal(received[i].from, 0);
        assert_int_equal(received[i].words[0], i);
        assert_int_equal(received[i].words[1], ~(uint64_t)i);
    }
    assert_int_equal(stat_read(&stats[0], STAT_MAIL_SENT), number);
    assert_int_equal(stat_read(&stats[1], STAT_MAIL_RECEIVED), number);
}

static void what_is_posted_wakes_and_is_bounded_by_the_budget(void **state)
{
    (void)state;
    assert_true(mail_sleep(ports[1]));
    for (unsigned i = 0; i < 1000; i++)
        post(0, 1, i);
    assert_int_equal(wakes[1], 0);
    flush(0);
    assert_int_equal(wakes[1], 1);
    assert_true(mail_drain(ports[1], 10, on_posted, NULL));
    /* A parcel that has been begun is taken to its end. */
    assert_in_range(received_count, 10, 200);
    while (mail_drain(ports[1], 10, on_posted, NULL))
        ;
    assert_int_equal(received_count, 1000);
}

static void parcels_press_with_all_their_memory(void **state)
{
    (void)state;
    unsigned posted = 0;
    mesh_set_limit(mesh, 100000);
    while (!mail_pressed(ports[0], 1)) {
        post(0, 1, posted++);
        assert_true(posted < 100000 / 16);
    }
    /* Letters of 24 bytes in 100000, half of it in parcels that may not be full. */
    assert_true(posted > 100000 / 24 / 2);
    flush(0);
    while (mail_drain(ports[1], 1000, on_posted, NULL))
        ;
    flush(0);
    assert_false(mail_pressed(ports[0], 1));
    assert_int_equal(received_count, posted);
}

static void what_was_posted_can_be_taken_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        post(0, 1, i);
        if (i == 500)
            flush(0);
    }
    post(2, 0, 1000);
    mail_port_empty(ports[0], on_posted, NULL);
    mail_port_empty(ports[2], on_posted, NULL);
    assert_in_range(received_count, 2, 500);
    for (unsigned i = 0; i < ENDPOINTS; i++)
        mail_port_destroy(ports[i]);
    memset(ports, 0, sizeof(ports));
    mesh_empty(mesh, on_posted, NULL);
    assert_int_equal(received_count, 1001);
}

static void without_memory_nothing_is_posted(void **state)
{
    (void)state;
    if (!mem_fail_after(0))
        skip();
    assert_null(mail_post(ports[0], 1, 7, 16));
    post(0, 1, 5);
    flush(0);
    mail_drain(ports[1], 10, on_posted, NULL);
    assert_int_equal(received_count, 1);
    assert_int_equal(received[0].words[0], 5);
}

/* ---- two threads that do nothing but send, sleep and wake ---- */

#define ROUNDS 3000

static int event_fds[2];

static void event_wake(void *context, shard_id target)
{
    (void)context;
    uint64_t one = 1;
    if (write(event_fds[target], &one, sizeof(one)) != (ssize_t)sizeof(one))
        abort();
}

static void event_on_mail(void *context, const struct mail *mail)
{
    uint64_t *heard = context;
    *heard = mail->words[0];
}

/* Answers number n with n + 1. Returns false if nothing comes within five seconds. */
static bool event_play(unsigned self)
{
    uint64_t heard = 0;
    uint64_t said = self == 0 ? 1 : 0;
    if (said != 0) {
        send(self, 1 - self, MAIL_DATA, said, 0);
        mail_flush(ports[self], event_wake, NULL);
    }
    while (heard < ROUNDS && said < ROUNDS) {
        mail_drain(ports[self], 10, event_on_mail, &heard);
        if (heard > said) {
            said = heard + 1;
            send(self, 1 - self, MAIL_DATA, said, 0);
            mail_flush(ports[self], event_wake, NULL);
            continue;
        }
        if (!mail_sleep(ports[self]))
            continue;
        struct pollfd waiting = {.fd = event_fds[self], .events = POLLIN};
        uint64_t value;
        if (poll(&waiting, 1, 5000) != 1 || read(event_fds[self], &value, sizeof(value)) < 0)
            return false;
        mail_awake(ports[self]);
    }
    return true;
}

static void *event_thread(void *argument)
{
    (void)argument;
    return event_play(1) ? ports[1] : NULL;
}

static void what_nobody_received_can_be_taken_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * RING_CONTROL; i++)
        send(0, 1 + i % 2, MAIL_CONTROL, i, 0);
    send(2, 2, MAIL_DATA, 3 * RING_CONTROL, 0);
    mail_port_empty(ports[0], on_mail, NULL);
    assert_int_equal(received_count, RING_CONTROL + 2);
    assert_false(mail_has_overflow(ports[0]));
    mail_port_empty(ports[0], on_mail, NULL);
    assert_int_equal(received_count, RING_CONTROL + 2);
    for (unsigned i = 0; i < ENDPOINTS; i++)
        mail_port_destroy(ports[i]);
    memset(ports, 0, sizeof(ports));
    mesh_empty(mesh, on_mail, NULL);
    assert_int_equal(received_count, 3 * RING_CONTROL + 1);
    bool seen[3 * RING_CONTROL + 1] = {false};
    for (unsigned i = 0; i < received_count; i++) {
        assert_int_equal(received[i].words[0], ~received[i].words[1]);
        assert_false(seen[received[i].words[0]]);
        seen[received[i].words[0]] = true;
    }
}

static void two_threads_never_miss_a_wake(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        event_fds[i] = eventfd(0, EFD_CLOEXEC);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, event_thread, NULL), 0);
    bool mine = event_play(0);
    void *other = NULL;
    pthread_join(thread, &other);
    assert_true(mine);
    assert_non_null(other);
    for (unsigned i = 0; i < 2; i++)
        close(event_fds[i]);
}

static void a_reader_sees_how_full_the_rings_are(void **state)
{
    (void)state;
    struct mail mail = {.kind = 1};
    for (unsigned i = 0; i < RING_CONTROL + 6; i++)
        mail_send(ports[0], 2, MAIL_CONTROL, &mail);
    for (unsigned i = 0; i < 7; i++)
        mail_send(ports[1], 2, MAIL_CONTROL, &mail);
    /* A full ring; what does not fit waits outside of it. */
    struct mail_fill fill = mesh_fill(mesh, 2, MAIL_CONTROL);
    assert_int_equal(fill.records, RING_CONTROL - 1 + 7);
    assert_true(fill.fullest == 1.0);
    fill = mesh_fill(mesh, 2, MAIL_DATA);
    assert_int_equal(fill.records, 0);
    assert_true(fill.fullest == 0.0);
    assert_int_equal(mesh_fill(mesh, 1, MAIL_CONTROL).records, 0);
    for (unsigned i = 0; i < 2; i++)
        mail_flush(ports[i], on_wake, NULL);
    mail_drain(ports[2], RING_CONTROL + 20, on_mail, NULL);
    assert_int_equal(mesh_fill(mesh, 2, MAIL_CONTROL).records, 0);
    mail_flush(ports[0], on_wake, NULL);
    fill = mesh_fill(mesh, 2, MAIL_CONTROL);
    assert_int_equal(fill.records, 7);
    assert_true(fill.fullest > 0.11 && fill.fullest < 0.12);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_record_arrives_as_it_was),
        TEST(nothing_arrives_before_the_flush),
        TEST(mail_to_oneself_comes_with_a_later_drain),
        TEST(control_goes_first_then_confirmations_then_data),
        TEST(order_holds_through_the_overflow),
        TEST(a_record_behind_the_overflow_does_not_overtake_it),
        TEST(a_full_ring_holds_up_no_other),
        TEST(a_drain_stops_at_its_budget),
        TEST(a_reader_sees_how_full_the_rings_are),
        TEST(too_many_waiting_records_press),
        TEST(too_many_bytes_press_until_half_are_taken),
        TEST(only_data_presses),
        TEST(a_sleeper_is_woken_once),
        TEST(whoever_is_awake_is_not_woken),
        TEST(nobody_sleeps_on_mail),
        TEST(what_nobody_received_can_be_taken_back),
        TEST(what_is_posted_and_sent_keeps_its_order),
        TEST(what_is_posted_wakes_and_is_bounded_by_the_budget),
        TEST(parcels_press_with_all_their_memory),
        TEST(what_was_posted_can_be_taken_back),
        TEST(without_memory_nothing_is_posted),
        TEST(two_threads_never_miss_a_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
