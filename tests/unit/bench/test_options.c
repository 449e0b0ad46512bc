/*
 * test_options.c -- the command line of sluice-bench (bench/load/options.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "options.h"

static struct options options;
static char error[256];

/* Splits at spaces, as a shell would without quotes. */
static enum options_outcome parse(const char *line)
{
    static char words[256];
    static char *argv[32];
    int argc = 0;
    snprintf(words, sizeof(words), "sluice-bench %s", line);
    char *rest = words;
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0')
            argv[argc++] = word;
    return options_parse(argc, argv, &options, error, sizeof(error));
}

static void defaults_are_those_of_the_help(void **state)
{
    (void)state;
    assert_int_equal(parse("pairs"), OPTIONS_OK);
    assert_string_equal(options.command, "pairs");
    assert_string_equal(options.host, "127.0.0.1");
    assert_int_equal(options.port, 1883);
    assert_int_equal(options.version, 4);
    assert_int_equal(options.payload, 64);
    assert_int_equal(options.window, 200);
    assert_int_equal(options.duration_ns, 5000000000);
    assert_int_equal(options.warmup_ns, 1000000000);
    assert_int_equal(options.workers, 1);
    assert_int_equal(options.cpus.num, 0);
    assert_int_equal(options.io, OPTIONS_IO_AUTO);
    assert_false(options.strict);
}

static void both_ways_to_give_a_value(void **state)
{
    (void)state;
    assert_int_equal(parse("pairs --port 7777 --qos=2 --host=::1"), OPTIONS_OK);
    assert_int_equal(options.port, 7777);
    assert_int_equal(options.qos, 2);
    assert_string_equal(options.host, "::1");
}

static void numbers_with_suffixes(void **state)
{
    (void)state;
    assert_int_equal(parse("pairs --publishers 20k --window 1M"), OPTIONS_OK);
    assert_int_equal(options.publishers, 20000);
    assert_int_equal(options.window, 1000000);
    assert_int_equal(parse("pairs --publishers 20x"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --publishers -1"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --publishers 99999999999999999999"), OPTIONS_BAD);
    /* 384 too large for 64 bits. */
    assert_int_equal(parse("pairs --publishers 18446744073709552k"), OPTIONS_BAD);
}

static void durations_with_units(void **state)
{
    (void)state;
    assert_int_equal(parse("pairs --duration 250ms --warmup 0s --stall 2"), OPTIONS_OK);
    assert_int_equal(options.duration_ns, 250000000);
    assert_int_equal(options.warmup_ns, 0);
    assert_int_equal(options.stall_ns, 2000000000);
    assert_int_equal(parse("pairs --duration 1.5m"), OPTIONS_OK);
    assert_int_equal(options.duration_ns, 90000000000);
    assert_int_equal(parse("pairs --duration 5h"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --duration ms"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --duration 0s"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --duration nan"), OPTIONS_BAD);
}

static void lists_of_cpus(void **state)
{
    (void)state;
    assert_int_equal(parse("pairs --cpus 1,4-6,0"), OPTIONS_OK);
    assert_int_equal(options.cpus.num, 5);
    const uint16_t expected[] = {1, 4, 5, 6, 0};
    assert_memory_equal(options.cpus.ids, expected, sizeof(expected));
    assert_int_equal(parse("pairs --cpus 0-127"), OPTIONS_OK);
    assert_int_equal(options.cpus.num, OPTIONS_CPUS_MAX);
    assert_int_equal(parse("pairs --cpus 0-128"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --cpus 6-4"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --cpus 1,"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --cpus 1;2"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --cpus 65536"), OPTIONS_BAD);
}

static void bounds_are_kept(void **state)
{
    (void)state;
    assert_int_equal(parse("pairs --payload 16"), OPTIONS_OK);
    assert_int_equal(parse("pairs --payload 15"), OPTIONS_BAD);
    assert_non_null(strstr(error, "--payload"));
    assert_int_equal(parse("pairs --qos 3"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --version 3"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --version 6"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --port 0"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --port 65536"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --window 0"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --inflight 65536"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --io aio"), OPTIONS_BAD);
}

static void flags_take_no_value(void **state)
{
    (void)state;
    assert_int_equal(parse("pairs --strict --quiet"), OPTIONS_OK);
    assert_true(options.strict);
    assert_true(options.quiet);
    assert_int_equal(parse("pairs --strict=1"), OPTIONS_BAD);
}

static void what_cannot_be_understood_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse(""), OPTIONS_BAD);
    assert_int_equal(parse("--qos 1"), OPTIONS_BAD);
    assert_int_equal(parse("pairs qos 1"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --nonsense 1"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --qo 1"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --qosx 1"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --qos"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --host="), OPTIONS_BAD);
    assert_int_equal(parse("pairs --"), OPTIONS_BAD);
}

static void help_wins_over_errors(void **state)
{
    (void)state;
    assert_int_equal(parse("help"), OPTIONS_HELP);
    assert_int_equal(parse("--help"), OPTIONS_HELP);
    assert_int_equal(parse("pairs --qos 9 --help"), OPTIONS_HELP);
}

static void options_belong_to_commands(void **state)
{
    (void)state;
    assert_int_equal(parse("idle --clients 20k --subscribe --hold 30s"), OPTIONS_OK);
    assert_int_equal(options.clients, 20000);
    assert_true(options.subscribe);
    assert_int_equal(options.hold_ns, 30000000000);
    assert_int_equal(parse("pairs --clients 5"), OPTIONS_BAD);
    assert_int_equal(parse("idle --payload 64"), OPTIONS_BAD);
}

static void slopes_need_a_process_and_two_counts_within(void **state)
{
    (void)state;
    assert_int_equal(parse("idle --clients 18000 --pid 1 --slope 5000,18000"), OPTIONS_OK);
    assert_int_equal(options.slope[0], 5000);
    assert_int_equal(options.slope[1], 18000);
    assert_int_equal(parse("idle --clients 18000 --slope 5000,18000"), OPTIONS_BAD);
    assert_int_equal(parse("idle --clients 18000 --pid 1 --slope 5000"), OPTIONS_BAD);
    assert_int_equal(parse("idle --clients 18000 --pid 1 --slope 5000,5000"), OPTIONS_BAD);
    assert_int_equal(parse("idle --clients 17999 --pid 1 --slope 5000,18000"), OPTIONS_BAD);
}

static void a_password_alone_is_not_mqtt_3_1_1(void **state)
{
    (void)state;
    assert_int_equal(parse("pairs --password x"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --version 5 --password x"), OPTIONS_OK);
    assert_int_equal(parse("pairs --username u --password x"), OPTIONS_OK);
}

struct collected {
    size_t len;
    char text[4096];
};

static void collect(void *arg, const char *name, const char *json_value)
{
    struct collected *all = arg;
    all->len += (size_t)snprintf(all->text + all->len, sizeof(all->text) - all->len, "%s=%s ", name,
                                 json_value);
}

static void the_report_names_every_parameter_but_secrets(void **state)
{
    (void)state;
    static struct collected all = {.len = 1, .text = " "};
    assert_int_equal(
        parse("pairs --username \"u --password hidden --duration 250ms --cpus 1,3 --io epoll"),
        OPTIONS_OK);
    options_each(&options, collect, &all);
    assert_non_null(strstr(all.text, " username=\"\\\"u\" "));
    assert_non_null(strstr(all.text, " duration=0.250 "));
    assert_non_null(strstr(all.text, " cpus=[1,3] "));
    assert_non_null(strstr(all.text, " io=\"epoll\" "));
    assert_non_null(strstr(all.text, " strict=false "));
    assert_non_null(strstr(all.text, " json=null "));
    assert_null(strstr(all.text, "hidden"));
    assert_null(strstr(all.text, "clients"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_help),
        cmocka_unit_test(both_ways_to_give_a_value),
        cmocka_unit_test(numbers_with_suffixes),
        cmocka_unit_test(durations_with_units),
        cmocka_unit_test(lists_of_cpus),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(flags_take_no_value),
        cmocka_unit_test(what_cannot_be_understood_is_refused),
        cmocka_unit_test(help_wins_over_errors),
        cmocka_unit_test(options_belong_to_commands),
        cmocka_unit_test(slopes_need_a_process_and_two_counts_within),
        cmocka_unit_test(a_password_alone_is_not_mqtt_3_1_1),
        cmocka_unit_test(the_report_names_every_parameter_but_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
