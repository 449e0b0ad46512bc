/*
 * test_inflight.c -- the outgoing window at its edges (route/inflight.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "inflight.h"
#include "mem.h"

/* A number that can stand for a message. */
static struct msg *msg_of(uintptr_t number)
{
    return (struct msg *)number;
}

static uint16_t add(struct inflight *window, uint8_t qos)
{
    struct inflight_entry *entry = NULL;
    assert_int_equal(inflight_add(window, msg_of(1), NULL, 0, qos, &entry), RC_OK);
    assert_ptr_equal(inflight_find(window, entry->packet_id), entry);
    assert_int_not_equal(entry->packet_id, 0);
    return entry->packet_id;
}

static void ack(struct inflight *window, uint16_t packet_id)
{
    struct inflight_entry *entry = inflight_find(window, packet_id);
    assert_non_null(entry);
    inflight_remove(window, entry);
    assert_null(inflight_find(window, packet_id));
}

static void ack_all(struct inflight *window)
{
    while (window->count > 0)
        inflight_remove(window, inflight_first(window));
    assert_null(inflight_first(window));
}

static void an_empty_window_costs_nothing(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 32);
    assert_int_equal(inflight_bytes(&window), 0);
    assert_null(inflight_first(&window));
    assert_null(inflight_find(&window, 1));
    inflight_trim(&window);
    inflight_fini(&window);
    inflight_fini(&window);
}

static void an_entry_keeps_what_it_was_given(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 32);
    int aux = 0;
    struct inflight_entry *entry = NULL;
    assert_int_equal(inflight_add(&window, msg_of(77), &aux, 0xabcdef01, 2, &entry), RC_OK);
    assert_ptr_equal(inflight_find(&window, 1), entry);
    assert_non_null(entry);
    assert_ptr_equal(entry->msg, msg_of(77));
    assert_ptr_equal(entry->aux, &aux);
    assert_int_equal(entry->flags, 0xabcdef01);
    assert_int_equal(entry->packet_id, 1);
    assert_int_equal(entry->qos, 2);
    assert_int_equal(entry->bytes, 0);
    assert_int_equal(entry->state, INFLIGHT_WAIT_PUBREC);
    inflight_received(&window, entry);
    assert_int_equal(entry->state, INFLIGHT_WAIT_PUBCOMP);
    assert_ptr_equal(inflight_find(&window, 1), entry);
    assert_int_equal(inflight_find(&window, add(&window, 1))->state, INFLIGHT_WAIT_PUBACK);
    ack_all(&window);
    inflight_fini(&window);
}

/* [MQTT-2.2.1-2..4] (5.0), [MQTT-2.3.1-1..4] (3.1.1) */
static void ids_increase_and_wrap_past_zero(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 32);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned expected = 1; expected <= 65535; expected++) {
            uint16_t packet_id = add(&window, 1);
            assert_int_equal(packet_id, expected);
            ack(&window, packet_id);
        }
    }
    assert_int_equal(add(&window, 1), 1);
    ack_all(&window);
    inflight_fini(&window);
}

static void in_order_ids_stay_consecutive_with_a_window_in_flight(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 20);
    for (unsigned i = 0; i < 20; i++)
        add(&window, 1);
    uint16_t oldest = 1;
    uint16_t newest = 20;
    for (unsigned i = 0; i < 200000; i++) {
        ack(&window, oldest);
        oldest = oldest == 65535 ? 1 : (uint16_t)(oldest + 1);
        newest = newest == 65535 ? 1 : (uint16_t)(newest + 1);
        assert_int_equal(add(&window, 1), newest);
        assert_int_equal(inflight_first(&window)->packet_id, oldest);
    }
    ack_all(&window);
    inflight_fini(&window);
}

static void an_id_never_acknowledged_is_skipped_and_costs_no_memory(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 32);
    uint16_t stuck = add(&window, 1);
    size_t bytes_high = 0;
    for (unsigned i = 0; i < 300000; i++) {
        uint16_t packet_id = add(&window, 1);
        assert_int_not_equal(packet_id, stuck);
        assert_int_equal(inflight_first(&window)->packet_id, stuck);
        if (inflight_bytes(&window) > bytes_high)
            bytes_high = inflight_bytes(&window);
        ack(&window, packet_id);
    }
    assert_true(bytes_high <= 8 * sizeof(struct inflight_entry) + 64);
    ack_all(&window);
    inflight_fini(&window);
}

static void a_full_window_refuses(void **state)
{
    (void)state;
    struct inflight window;
    struct inflight_entry *entry = NULL;
    inflight_init(&window, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(inflight_is_full(&window));
        add(&window, 1);
    }
    assert_true(inflight_is_full(&window));
    assert_int_equal(inflight_add(&window, NULL, NULL, 0, 1, &entry), RC_FULL);
    assert_null(entry);
    ack(&window, 2);
    assert_int_equal(add(&window, 1), 4);
    ack_all(&window);
    inflight_fini(&window);
}

static void a_shrunk_window_waits_until_it_is_below(void **state)
{
    (void)state;
    struct inflight window;
    struct inflight_entry *entry;
    inflight_init(&window, 10);
    for (unsigned i = 0; i < 10; i++)
        add(&window, 2);
    inflight_set_max(&window, 4);
    for (uint16_t id = 1; id <= 6; id++) {
        assert_int_equal(inflight_add(&window, NULL, NULL, 0, 1, &entry), RC_FULL);
        ack(&window, id);
    }
    assert_int_equal(inflight_add(&window, NULL, NULL, 0, 1, &entry), RC_FULL);
    ack(&window, 7);
    assert_int_equal(add(&window, 1), 11);
    inflight_set_max(&window, 65535);
    assert_int_equal(add(&window, 1), 12);
    ack_all(&window);
    inflight_fini(&window);
}

static void the_largest_window_uses_every_id_once(void **state)
{
    (void)state;
    static bool seen[65536];
    struct inflight window;
    uint16_t packet_id;
    struct inflight_entry *entry;
    inflight_init(&window, 65535);
    for (unsigned i = 0; i < 1000; i++)
        ack(&window, add(&window, 1));
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 65535; i++) {
        packet_id = add(&window, 1);
        assert_false(seen[packet_id]);
        seen[packet_id] = true;
    }
    assert_false(seen[0]);
    assert_int_equal(inflight_add(&window, NULL, NULL, 0, 1, &entry), RC_FULL);
    ack(&window, 500);
    assert_int_equal(add(&window, 1), 500);
    ack(&window, 65535);
    ack(&window, 1);
    assert_int_equal(add(&window, 1), 65535);
    assert_int_equal(add(&window, 1), 1);
    unsigned num = 0;
    for (struct inflight_entry *e = inflight_first(&window); e; e = inflight_next(&window, e))
        num++;
    assert_int_equal(num, 65535);
    ack_all(&window);
    assert_int_equal(inflight_bytes(&window), 0);
    inflight_fini(&window);
}

static void hostile_acknowledgements_find_nothing(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 100);
    for (unsigned i = 0; i < 50; i++)
        add(&window, 1);
    ack(&window, 25);
    for (unsigned id = 0; id <= 65535; id++) {
        bool there = id >= 1 && id <= 50 && id != 25;
        assert_int_equal(inflight_find(&window, (uint16_t)id) != NULL, there);
    }
    ack_all(&window);
    inflight_fini(&window);
}

static void the_order_of_sending_survives_growth_and_holes(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 1000);
    for (unsigned i = 0; i < 700; i++)
        add(&window, 1);
    for (uint16_t id = 1; id <= 700; id++)
        if (id % 3 != 1)
            ack(&window, id);
    uint16_t expected = 1;
    for (struct inflight_entry *e = inflight_first(&window); e; e = inflight_next(&window, e)) {
        assert_int_equal(e->packet_id, expected);
        expected = (uint16_t)(expected + 3);
    }
    assert_int_equal(expected, 703);
    ack(&window, 1);
    ack(&window, 700);
    assert_int_equal(inflight_first(&window)->packet_id, 4);
    assert_int_equal(add(&window, 1), 701);
    ack_all(&window);
    inflight_fini(&window);
}

static void recovered_entries_keep_id_state_and_order(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 2);
    static const uint16_t ids[] = {40000, 7, 7 + 8, 7 + 16384, 65535};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct inflight_entry entry = {.msg = msg_of(ids[i]),
                                       .packet_id = ids[i],
                                       .qos = 2,
                                       .bytes = 9,
                                       .state = INFLIGHT_WAIT_PUBCOMP,
                                       .next_id = 123,
                                       .prev_id = 456};
        assert_int_equal(inflight_restore(&window, &entry), RC_OK);
        assert_int_equal(inflight_restore(&window, &entry), RC_EXISTS);
    }
    struct inflight_entry *entry = inflight_first(&window);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_int_equal(entry->packet_id, ids[i]);
        assert_int_equal(entry->state, INFLIGHT_WAIT_PUBCOMP);
        assert_ptr_equal(entry->msg, msg_of(ids[i]));
        assert_int_equal(entry->bytes, 9);
        entry = inflight_next(&window, entry);
    }
    assert_null(entry);
    assert_true(inflight_is_full(&window));
    inflight_set_max(&window, 32);
    assert_int_equal(add(&window, 1), 1);
    ack_all(&window);
    inflight_fini(&window);
}

static void nonsense_is_not_recovered(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 2);
    static const struct inflight_entry wrong[] = {
        {.packet_id = 0, .qos = 1, .state = INFLIGHT_WAIT_PUBACK},
        {.packet_id = 1, .qos = 0, .state = INFLIGHT_WAIT_PUBACK},
        {.packet_id = 1, .qos = 3, .state = INFLIGHT_WAIT_PUBREC},
        {.packet_id = 1, .qos = 1, .state = INFLIGHT_WAIT_PUBREC},
        {.packet_id = 1, .qos = 2, .state = INFLIGHT_WAIT_PUBACK},
        {.packet_id = 1, .qos = 2, .state = INFLIGHT_FREE},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(inflight_restore(&window, &wrong[i]), RC_INVALID);
    assert_int_equal(inflight_bytes(&window), 0);
    inflight_fini(&window);
}

static void memory_is_given_back_without_ping_pong(void **state)
{
    (void)state;
    struct inflight window;
    inflight_init(&window, 3000);
    ack(&window, add(&window, 1));
    size_t small = inflight_bytes(&window);
    assert_in_range(small, 1, 512);
    /* The small block stays, and a message more does not allocate. */
    if (mem_fail_after(0)) {
        ack(&window, add(&window, 1));
        mem_fail_after(UINT64_MAX);
    }
    inflight_trim(&window);
    assert_int_equal(inflight_bytes(&window), 0);
    for (unsigned i = 0; i < 1000; i++)
        add(&window, 1);
    assert_true(inflight_bytes(&window) <= 1024 * sizeof(struct inflight_entry) + 256);
    inflight_trim(&window);
    assert_int_equal(window.count, 1000);
    ack_all(&window);
    /* What the usual window needs waits for the next burst, or for the session to fall idle. */
    assert_true(inflight_bytes(&window) > 1000 * sizeof(struct inflight_entry));
    inflight_trim(&window);
    assert_int_equal(inflight_bytes(&window), 0);
    for (unsigned i = 0; i < 3000; i++)
        add(&window, 1);
    ack_all(&window);
    assert_int_equal(inflight_bytes(&window), 0);
    inflight_fini(&window);
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    struct inflight window;
    struct inflight_entry *added;
    inflight_init(&window, 100);
    if (!mem_fail_after(0))
        skip();
    assert_int_equal(inflight_add(&window, NULL, NULL, 0, 1, &added), RC_NO_MEMORY);
    for (unsigned i = 0; i < 8; i++)
        add(&window, 1);
    mem_fail_after(0);
    assert_int_equal(inflight_add(&window, NULL, NULL, 0, 1, &added), RC_NO_MEMORY);
    mem_fail_after(1);
    struct inflight_entry entry = {.packet_id = 2 + 16, .qos = 1, .state = INFLIGHT_WAIT_PUBACK};
    assert_int_equal(inflight_restore(&window, &entry), RC_NO_MEMORY);
    mem_fail_after(UINT64_MAX);
    assert_int_equal(window.count, 8);
    assert_int_equal(add(&window, 1), 9);
    uint16_t expected = 1;
    for (struct inflight_entry *e = inflight_first(&window); e; e = inflight_next(&window, e))
        assert_int_equal(e->packet_id, expected++);
    ack_all(&window);
    inflight_fini(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_window_costs_nothing),
        cmocka_unit_test(an_entry_keeps_what_it_was_given),
        cmocka_unit_test(ids_increase_and_wrap_past_zero),
        cmocka_unit_test(in_order_ids_stay_consecutive_with_a_window_in_flight),
        cmocka_unit_test(an_id_never_acknowledged_is_skipped_and_costs_no_memory),
        cmocka_unit_test(a_full_window_refuses),
        cmocka_unit_test(a_shrunk_window_waits_until_it_is_below),
        cmocka_unit_test(the_largest_window_uses_every_id_once),
        cmocka_unit_test(hostile_acknowledgements_find_nothing),
        cmocka_unit_test(the_order_of_sending_survives_growth_and_holes),
        cmocka_unit_test(recovered_entries_keep_id_state_and_order),
        cmocka_unit_test(nonsense_is_not_recovered),
        cmocka_unit_test(memory_is_given_back_without_ping_pong),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
