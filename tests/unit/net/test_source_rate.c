/*
 * test_source_rate.c -- rates per source address: each by itself, in bounded memory, from several
 * threads (net/source_rate.h).
 */
#include "source_rate.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_NS UINT64_C(1000000000)

static const struct hash_key key = {.words = {1, 2}};
static const struct bucket_rate five = {.amount = 5, .burst = 5, .period_ms = 1000};
static struct source_rates *rates;
static uint64_t now_ns;

static int set_up(void **state)
{
    (void)state;
    rates = source_rates_create(&key);
    now_ns = 1000 * SECOND_NS;
    return rates == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_rates_destroy(rates);
    return 0;
}

static struct in6_addr address_of(const char *text)
{
    struct in6_addr address;
    assert_int_equal(inet_pton(AF_INET6, text, &address), 1);
    return address;
}

static struct in6_addr address_number(uint32_t number)
{
    struct in6_addr address = address_of("::ffff:0.0.0.0");
    number = htonl(number);
    memcpy(&address.s6_addr[12], &number, 4);
    return address;
}

/* How many of `tries` are let in now. */
static unsigned taken(struct in6_addr address, uint32_t listener, const struct bucket_rate *rate,
                      unsigned tries)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += source_rate_take(rates, &address, listener, rate, now_ns);
    return count;
}

static void each_address_has_its_own_rate(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 100; i++)
        assert_int_equal(taken(address_number(i), 0, &five, 20), 5);
    now_ns += SECOND_NS / 5 + SECOND_NS / 50;
    for (uint32_t i = 1; i <= 100; i++)
        assert_int_equal(taken(address_number(i), 0, &five, 20), 1);
    now_ns += 10 * SECOND_NS;
    assert_int_equal(taken(address_number(1), 0, &five, 20), 5);
}

static void listeners_count_apart(void **state)
{
    (void)state;
    assert_int_equal(taken(address_number(1), 0, &five, 20), 5);
    assert_int_equal(taken(address_number(1), 1, &five, 20), 5);
}

static void an_ipv6_network_is_one_source(void **state)
{
    (void)state;
    assert_int_equal(taken(address_of("2001:db8:1:2::1"), 0, &five, 20), 5);
    assert_int_equal(taken(address_of("2001:db8:1:2:3::9"), 0, &five, 20), 0);
    assert_int_equal(taken(address_of("2001:db8:1:3::1"), 0, &five, 20), 5);
}

static void the_long_run_is_the_rate(void **state)
{
    (void)state;
    const struct bucket_rate rate = {.amount = 700, .burst = 3, .period_ms = 1000};
    unsigned count = 0;
    for (unsigned i = 0; i < 100000; i++) {
        now_ns += SECOND_NS / 10000;
        count += taken(address_number(7), 0, &rate, 1);
    }
    assert_in_range(count, 6990, 7100); /* 10 s; the unit of time rounds 1429 us to 1425 us */
}

static void slow_rates_and_large_bursts_fit(void **state)
{
    (void)state;
    const struct bucket_rate daily = {.amount = 1, .burst = 100, .period_ms = 86400000};
    assert_int_equal(taken(address_number(7), 0, &daily, 200), 100);
    now_ns += 86401 * SECOND_NS;
    assert_int_equal(taken(address_number(7), 0, &daily, 200), 1);
}

static void a_lower_rate_does_not_lock_out(void **state)
{
    (void)state;
    const struct bucket_rate many = {.amount = 1, .burst = 1000, .period_ms = 60000};
    assert_int_equal(taken(address_number(7), 0, &many, 2000), 1000);
    assert_int_equal(taken(address_number(7), 0, &five, 20), 5);
}

static void who_is_over_is_not_forgotten_because_many_come(void **state)
{
    (void)state;
    const struct bucket_rate rate = {.amount = 5, .burst = 5, .period_ms = 60000};
    assert_int_equal(taken(address_number(1), 0, &rate, 20), 5);
    for (uint32_t i = 2; i < 500000; i++)
        assert_int_equal(taken(address_number(i), 0, &rate, 1), 1);
    assert_int_equal(taken(address_number(1), 0, &rate, 20), 0);
}

static void without_a_rate_nothing_is_counted(void **state)
{
    (void)state;
    const struct bucket_rate none = {.amount = 0};
    assert_int_equal(taken(address_number(1), 0, &none, 1000), 1000);
}

/* ---- several threads ---- */

#define THREADS 4

static void *thread_takes(void *out)
{
    const struct bucket_rate rate = {.amount = 1000, .burst = 1000, .period_ms = 86400000};
    unsigned *count = out;
    struct in6_addr address = address_number(1);
    for (unsigned i = 0; i < 1000; i++)
        *count += source_rate_take(rates, &address, 0, &rate, now_ns);
    return NULL;
}

static void threads_share_one_rate(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    unsigned counts[THREADS] = {0};
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_takes, &counts[i]), 0);
    unsigned sum = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += counts[i];
    }
    assert_int_equal(sum, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_address_has_its_own_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(listeners_count_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_ipv6_network_is_one_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_long_run_is_the_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_rates_and_large_bursts_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lower_rate_does_not_lock_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_over_is_not_forgotten_because_many_come, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_a_rate_nothing_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_share_one_rate, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
