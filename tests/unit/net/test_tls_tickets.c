/*
 * test_tls_tickets.c -- keys of session tickets (net/tls_tickets.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tls_tickets.h"

static bool opens(struct tls_tickets *tickets, uint64_t now_ms, const struct tls_ticket_key *key,
                  bool *out_renew)
{
    struct tls_ticket_key found;
    if (!tls_tickets_open(tickets, now_ms, key->name, &found, out_renew))
        return false;
    assert_memory_equal(&found, key, sizeof(found));
    return true;
}

static void a_key_seals_for_one_rotation_and_opens_for_two(void **state)
{
    (void)state;
    struct tls_tickets *tickets = tls_tickets_create(1000);
    struct tls_ticket_key first;
    struct tls_ticket_key again;
    struct tls_ticket_key second;
    bool renew = true;
    tls_tickets_seal(tickets, 5000, &first);
    tls_tickets_seal(tickets, 5999, &again);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_true(opens(tickets, 5999, &first, &renew));
    assert_false(renew);
    assert_true(opens(tickets, 6000, &first, &renew));
    assert_true(renew);
    tls_tickets_seal(tickets, 6500, &second);
    assert_memory_not_equal(&first, &second, sizeof(first));
    assert_true(opens(tickets, 6999, &first, &renew));
    assert_false(opens(tickets, 7000, &first, &renew));
    assert_true(opens(tickets, 7000, &second, &renew));
    tls_tickets_unref(tickets);
}

static void a_long_silence_forgets_all(void **state)
{
    (void)state;
    struct tls_tickets *tickets = tls_tickets_create(1000);
    struct tls_ticket_key key;
    bool renew;
    tls_tickets_seal(tickets, 1, &key);
    assert_false(opens(tickets, 100000, &key, &renew));
    tls_tickets_unref(tickets);
}

static void an_unknown_name_opens_nothing(void **state)
{
    (void)state;
    struct tls_tickets *tickets = tls_tickets_create(1000);
    struct tls_ticket_key key;
    bool renew;
    memset(&key, 0, sizeof(key));
    assert_false(opens(tickets, 1, &key, &renew));
    tls_tickets_seal(tickets, 1, &key);
    key.name[0] ^= 1;
    assert_false(opens(tickets, 1, &key, &renew));
    tls_tickets_unref(tickets);
}

static void keys_live_as_long_as_somebody_holds_them(void **state)
{
    (void)state;
    struct tls_tickets *tickets = tls_tickets_create(1000);
    struct tls_tickets *other = tls_tickets_ref(tickets);
    struct tls_ticket_key key;
    bool renew;
    tls_tickets_seal(tickets, 1, &key);
    tls_tickets_unref(tickets);
    assert_true(opens(other, 2, &key, &renew));
    tls_tickets_set_rotation(other, 10);
    assert_true(opens(other, 900, &key, &renew));
    tls_tickets_unref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_seals_for_one_rotation_and_opens_for_two),
        cmocka_unit_test(a_long_silence_forgets_all),
        cmocka_unit_test(an_unknown_name_opens_nothing),
        cmocka_unit_test(keys_live_as_long_as_somebody_holds_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
