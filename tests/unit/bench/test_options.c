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

#include "library.h"
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
    assert_int_equal(options.rate, 0);
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

static void the_port_follows_the_transport(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        unsigned port;
        const char *name;
    } rows[] = {
        {"pairs", 1883, "TCP"},
        {"pairs --tls", 8883, "TLS"},
        {"idle --ws", 8083, "WebSocket"},
        {"connect --ws --tls", 8084, "WebSocket in TLS"},
        {"pairs --ws --port 80 --ws-frame 1000 --ws-path /a/b?c", 80, "WebSocket"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(parse(rows[i].line), OPTIONS_OK);
        assert_int_equal(options.port, rows[i].port);
        assert_string_equal(options_transport_name(&options), rows[i].name);
    }
    assert_int_equal(parse("pairs --ws --ws-path mqtt"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --ws --ws-path /a\tb"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --ws --ws-frame 65001"), OPTIONS_BAD);
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
    assert_int_equal(parse("connect --clients 5 --connect-rate 100 --rounds 2"), OPTIONS_OK);
    assert_int_equal(parse("relay --port 7 --cpus 0 --io epoll"), OPTIONS_OK);
    assert_int_equal(parse("relay --qos 1"), OPTIONS_BAD);
    assert_int_equal(parse("retained --topics 5 --qos 1"), OPTIONS_OK);
    assert_int_equal(parse("pairs --clients 5"), OPTIONS_BAD);
    assert_int_equal(parse("pairs --topics 5"), OPTIONS_BAD);
    assert_int_equal(parse("connect --topics 5"), OPTIONS_BAD);
    assert_int_equal(parse("idle --rounds 5"), OPTIONS_BAD);
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

static void an_open_loop_chooses_its_window_later(void **state)
{
    (void)state;
    assert_int_equal(parse("pairs --rate 1M"), OPTIONS_OK);
    assert_int_equal(options.rate, 1000000);
    assert_int_equal(options.window, 0);
    assert_int_equal(parse("pairs --rate 1M --window 7"), OPTIONS_OK);
    assert_int_equal(options.window, 7);
    assert_int_equal(parse("pairs --rate 0"), OPTIONS_BAD);
}

static enum options_outcome read_file(const char *text)
{
    static char copy[512];
    snprintf(copy, sizeof(copy), "%s", text);
    options = (struct options){.command = NULL};
    return options_read(copy, "some.file", &options, error, sizeof(error));
}

static void a_file_says_the_same_in_lines(void **state)
{
    (void)state;
    assert_int_equal(read_file("# comment\n\nscenario = fan-out # why\r\n"
                               "  text =  one to many = all \nqos=2\nrate = 2k\nstrict = on\n"
                               "spin = off\nduration = 2m"),
                     OPTIONS_OK);
    assert_string_equal(options.command, "fan-out");
    assert_string_equal(options.title, "some.file");
    assert_string_equal(options.text, "one to many = all");
    assert_int_equal(options.qos, 2);
    assert_int_equal(options.rate, 2000);
    assert_true(options.strict);
    assert_false(options.spin);
    assert_int_equal(options.duration_ns, 120000000000);
}

static void a_bad_line_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "scenario = pairs\n\nqos = 3",          "scenario = pairs\n\nclients = 3",
        "scenario = pairs\n\nnonsense = 3",     "scenario = pairs\n\nstrict = 1",
        "scenario = pairs\n\njust words",       "scenario = pairs\n\nqos =",
        "\n\nqos = 1\nscenario = pairs # late",
    };
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(read_file(bad[i]), OPTIONS_BAD);
        assert_ptr_equal(strstr(error, "some.file:3: "), error);
    }
    assert_int_equal(read_file("# nothing\n"), OPTIONS_BAD);
}

static void the_command_line_wins_over_the_file(void **state)
{
    (void)state;
    assert_int_equal(parse("run pairs --qos 2 --window 3"), OPTIONS_OK);
    assert_string_equal(options.command, "pairs");
    assert_int_equal(options.qos, 2);
    assert_int_equal(options.window, 3);
    options_fini(&options);
    assert_int_equal(parse("run"), OPTIONS_BAD);
    assert_int_equal(parse("run /nowhere/at-all"), OPTIONS_BAD);
}

/* Whatever is built in must be readable, and say what it is for. */
static void every_built_in_scenario_can_be_read(void **state)
{
    (void)state;
    char line[128];
    unsigned num = 0;
    for (const struct library_entry *entry = library_entries; entry->name != NULL; entry++) {
        snprintf(line, sizeof(line), "run %s", entry->name);
        enum options_outcome outcome = parse(line);
        if (outcome != OPTIONS_OK)
            fail_msg("%s", error);
        assert_non_null(options.text);
        assert_string_equal(options.title, entry->name);
        assert_ptr_equal(library_find(entry->name), entry->text);
        options_fini(&options);
        num++;
    }
    assert_true(num > 0);
    assert_null(library_find("nonsense"));
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
        cmocka_unit_test(the_port_follows_the_transport),
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
        cmocka_unit_test(an_open_loop_chooses_its_window_later),
        cmocka_unit_test(a_file_says_the_same_in_lines),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(the_command_line_wins_over_the_file),
        cmocka_unit_test(every_built_in_scenario_can_be_read),
        cmocka_unit_test(the_report_names_every_parameter_but_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
